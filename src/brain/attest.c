/* Where members run, by evidence: the coordinator asks, verifies on another thread, signs and remembers (TRU-06).
 *
 *   due -> ASKED, a nonce of one use over the member's link -> VERIFYING what came
 *       -> a TPM's quote that only lacks it: ACTIVATING, a secret for its endorsement key -> VERIFYING again -> result
 *
 * A round lives in memory: a restart forgets its nonce, and what answers it then answers nothing. */
#include "brain/attest_priv.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 64u         /* rounds: bounds what is kept of answers to 32 MiB */
#define ANSWER_MS 90000u    /* a TPM that is shared takes seconds for each signature */
#define RETRY_MS 60000u     /* after a round that came to nothing; doubled up to */
#define RETRY_MAX_MS 3600000u
#define TRANSIENT 3u        /* rounds in a row whose credential may come to nothing before that is the result */
#define SETTLE_MS 500u      /* a link that came up is left alone for so long */
#define KEPT_RESULTS 4u     /* of a node, with their evidence */
#define EARLIER_MAX 2048u

enum stage { STAGE_NONE = 0, STAGE_ASKED, STAGE_VERIFYING, STAGE_ACTIVATING };
struct subject {
    struct vl_node_id node;
    struct attest_known known;
    uint8_t *earlier; /* of its TPM */
    size_t earlier_n;
    vl_ms due_ms;
    uint32_t failures;
    bool over; /* `binding` is that of the channel which the result came over */
    uint8_t binding[32];
    /* the round */
    enum stage stage;
    vl_ms until_ms;
    uint8_t nonce[32], channel[32], secret[TPM_SECRET];
    struct vl_buf list;
    uint32_t total;
    uint64_t round;
};

/* One verification, which owns all it needs but the policy. */
struct brain_attest {
    const struct admission *admission;
    struct admission_case c;
    struct attestation answer[ATTESTATIONS_MAX];
    struct vl_buf list;
    uint8_t activated[TPM_NAME_MAX], *earlier, secret[TPM_SECRET], random[TPM_CREDENTIAL_RANDOM];
    uint64_t round;
    char why[ATTESTED_WHY_MAX];
    /* out */
    struct admission_verdict v;
    uint8_t credential[TPM_CREDENTIAL_MAX];
    size_t credential_n; /* 0: none */
};

/* ---- life ---- */

enum vl_err attest_create(struct brain *b) {
    struct attests *a = b->attests = calloc(1, sizeof *a);
    if (a == NULL) return VL_ENOMEM;
    a->at = a->answer.until_ms = VL_MS_NEVER;
    a->admission = b->cfg.admission;
    vl_map_init(&a->subjects, sizeof(struct vl_node_id), VL_NODES_MAX, vl_get_u64(b->cfg.seed + 8));
    if (a->admission != NULL) return VL_OK;
    enum vl_err err = admission_create((struct vl_span){ 0 }, NULL, 0, &a->own, NULL);
    a->admission = a->own;
    return err;
}

static void round_free(struct brain *b, struct subject *s) {
    if (s->stage != STAGE_NONE) b->attests->running--;
    s->stage = STAGE_NONE;
    s->until_ms = VL_MS_NEVER;
    s->round++; /* a verification that is out belongs to none */
    crypto_wipe(s->secret, sizeof s->secret);
    memset(s->nonce, 0, sizeof s->nonce);
    vl_buf_free(&s->list);
}

void attest_destroy(struct brain *b) {
    size_t it = 0;
    if (b->attests == NULL) return;
    for (struct subject *s; (s = vl_map_next(&b->attests->subjects, &it, NULL));) {
        vl_buf_free(&s->list);
        free(s->earlier);
        free(s);
    }
    vl_map_free(&b->attests->subjects);
    admission_destroy(b->attests->own);
    free(b->attests);
}

static struct subject *find(const struct brain *b, struct vl_node_id node) { return vl_map_get(&b->attests->subjects, node.b); }

static struct subject *subject_of(struct brain *b, struct vl_node_id node) {
    struct subject *s = find(b, node);
    if (s || (s = calloc(1, sizeof *s)) == NULL) return s;
    s->node = node;
    s->until_ms = VL_MS_NEVER;
    vl_buf_init(&s->list, ATTESTATION_LIST_MAX);
    if (vl_map_put(&b->attests->subjects, node.b, s) == VL_OK) return s;
    free(s);
    return NULL;
}

/* Fresh bytes that nobody can foresee: a secret key, and a number that is used once. */
static void draw(struct brain *b, uint8_t ret[32]) {
    uint8_t count[16];
    vl_put_u64(count, ++b->attests->draws);
    vl_put_u64(count + 8, b->cfg.boot_epoch);
    crypto_blake2b_keyed(vl_span(count, sizeof count), vl_span(b->cfg.seed, sizeof b->cfg.seed), "village-attest--", ret, 32);
}

/* ---- what others ask ---- */

static uint32_t level_of(const struct brain *b, const struct attest_known *k) {
    return k->known ? admission_level_of(b->attests->admission, k->level, k->when_ms, k->policy, b->now) : ADMISSION_SELF;
}

uint32_t attest_level_of(const struct brain *b, struct vl_node_id node) {
    const struct subject *s = find(b, node);
    return s ? level_of(b, &s->known) : ADMISSION_SELF;
}

static uint32_t barred_at(const struct brain *b, uint32_t level) {
    uint32_t barred = 0;
    for (unsigned c = 0; c < SLA_CLASSES; c++)
        if (level < admission_admit(b->attests->admission) || level < admission_tasks(b->attests->admission, (enum sla_class)c)) barred |= 1u << c;
    return barred;
}
uint32_t attest_barred(const struct brain *b, struct vl_node_id node) { return barred_at(b, attest_level_of(b, node)); }

bool attest_admitted(const struct brain *b, struct vl_node_id node) {
    return attest_level_of(b, node) >= admission_admit(b->attests->admission);
}

static void view(const struct brain *b, const struct attest_known *k, struct brain_attested *ret) {
    const struct admission *a = b->attests->admission;
    *ret = (struct brain_attested){ .known = k->known, .level = level_of(b, k), .admit = admission_admit(a) };
    ret->barred = barred_at(b, ret->level);
    if (!k->known) return;
    ret->when_ms = k->when_ms;
    ret->until_ms = admission_until(a, k->when_ms);
    ret->found = k->level;
    ret->number = k->number;
    memcpy(ret->why, k->why, sizeof ret->why);
}

bool brain_attested(const struct brain *b, struct vl_node_id node, struct brain_attested *ret) {
    static const struct attest_known none;
    if (!b->cfg.coordinator) {
        if (!vl_node_eq(node, b->self)) return false;
        /* the verifier's policy is not ours: only its result and age are known here */
        *ret = (struct brain_attested){ .known = b->attests->self.known, .level = ADMISSION_SELF };
        if (!ret->known) return true;
        ret->found = ret->level = b->attests->self.level;
        ret->when_ms = b->attests->self.when_ms;
        ret->number = b->attests->self.number;
        memcpy(ret->why, b->attests->self.why, sizeof ret->why);
        return true;
    }
    if (registry_get(b->registry, node) == NULL) return false;
    const struct subject *s = find(b, node);
    view(b, s ? &s->known : &none, ret);
    ret->running = s && s->stage != STAGE_NONE;
    return true;
}

void brain_attest_now(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node) {
    step_begin(b, now);
    enum vl_err err = !b->cfg.coordinator ? VL_EUNSUPPORTED : registry_get(b->registry, node) == NULL ? VL_ENOTFOUND : VL_OK;
    struct subject *s = err ? NULL : subject_of(b, node);
    if (err == VL_OK && s == NULL) err = VL_ENOMEM;
    if (err == VL_OK) {
        s->due_ms = b->attests->at = b->now;
        s->failures = 0;
    }
    reply(b, token, err, err == VL_EUNSUPPORTED ? "evidence is asked for by the coordinator: ask its gateway" : NULL, (struct vl_span){ 0 });
    step_end(b);
}

/* ---- rows ---- */

void attest_known_set(struct attest_known *k, const struct attested *r) {
    *k = (struct attest_known){ .known = true,
                                .level = r->level,
                                .when_ms = r->when_ms,
                                .number = r->number,
                                .policy = r->policy,
                                .snapshot = r->snapshot };
    memcpy(k->why, r->why, sizeof k->why);
}

void attest_put(struct brain *b, const struct attested *r, struct vl_span earlier) {
    struct vl_buf result, row;
    vl_buf_init(&result, ATTESTED_BYTES_MAX);
    vl_buf_init(&row, ATTESTED_BYTES_MAX + EARLIER_MAX + 64);
    enum vl_err err = attested_encode(r, &result);
    if (err == VL_OK) err = attested_row_encode(vl_span(result.p, result.len), earlier, &row);
    if (err == VL_OK)
        item_put(b, ITEM_ATTESTED, r->node.b, 0, vl_span(row.p, row.len));
    else
        out_of_memory(b);
    vl_buf_free(&result);
    vl_buf_free(&row);
}

enum vl_err attest_row(struct vl_span row, struct attested *ret, struct vl_hash *ret_id, struct vl_span *ret_earlier) {
    struct vl_span result;
    enum vl_err err = attested_row_decode(row, &result, ret_earlier);
    return err == VL_OK ? attested_open(result, ret, ret_id) : err;
}

static void earlier_set(struct subject *s, struct vl_span v) {
    uint8_t *p = v.n > 0 && v.n <= EARLIER_MAX ? malloc(v.n) : NULL;
    if (p == NULL) return; /* the one before still holds */
    memcpy(p, v.p, v.n);
    free(s->earlier);
    s->earlier = p;
    s->earlier_n = v.n;
}

enum vl_err attest_restore(struct brain *b, const struct record *rec) {
    struct attested r;
    struct vl_span earlier;
    struct vl_hash id;
    enum vl_err err = attest_row(rec->bytes, &r, &id, &earlier);
    if (err || memcmp(rec->key, r.node.b, sizeof r.node.b) != 0) return err == VL_ENOMEM ? err : VL_ECORRUPT;
    if (!b->cfg.coordinator) {
        if (!vl_node_eq(r.node, b->self)) return VL_OK; /* of the key before this one: it says nothing of this */
        attest_known_set(&b->attests->self, &r);
        b->attestation = id;
        return VL_OK;
    }
    if (!vl_node_eq(r.verifier, b->self)) return VL_ECORRUPT;
    struct subject *s = subject_of(b, r.node);
    if (s == NULL) return VL_ENOMEM;
    attest_known_set(&s->known, &r);
    earlier_set(s, earlier);
    if (vl_node_eq(r.node, b->self)) b->attestation = id;
    return VL_OK;
}

/* The result and what it rests on, for whoever derives it again. */
static void evidence_put(struct brain *b, const struct attested *r, struct vl_span list) {
    static const struct vl_hash none;
    struct attests *a = b->attests;
    struct vl_buf result, row;
    vl_buf_init(&result, ATTESTED_BYTES_MAX);
    vl_buf_init(&row, ATTESTATION_LIST_MAX + ATTESTED_BYTES_MAX + 64);
    enum vl_err err = attested_encode(r, &result);
    if (err == VL_OK) err = attested_row_encode(vl_span(result.p, result.len), list, &row);
    if (err == VL_OK)
        item_put(b, ITEM_ATTESTATION, r->node.b, r->number, vl_span(row.p, row.len));
    else
        out_of_memory(b);
    if (r->number > KEPT_RESULTS) item_remove(b, ITEM_ATTESTATION, r->node.b, r->number - KEPT_RESULTS);
    if (!a->kept && !vl_hash_eq(r->policy, none)) item_put(b, ITEM_ATTESTATION, r->policy.b, 0, admission_policy_bytes(a->admission));
    if (!a->kept && !vl_hash_eq(r->snapshot, none)) item_put(b, ITEM_ATTESTATION, r->snapshot.b, 0, admission_snapshot(a->admission));
    a->kept = true;
    vl_buf_free(&result);
    vl_buf_free(&row);
}

/* ---- a round ends ---- */

/* Spread out, so that members that came together are not asked together for ever. */
static vl_ms next_due(const struct brain *b, const struct subject *s) {
    uint64_t period = admission_period_ms(b->attests->admission);
    return vl_ms_add(s->known.when_ms, period - vl_get_u64(s->node.b) % (period / 10));
}

static void due_at(struct brain *b, vl_ms at) { b->attests->at = vl_ms_min(b->attests->at, at); }

static void failed(struct brain *b, struct subject *s) {
    uint64_t wait = RETRY_MS << (s->failures < 6 ? s->failures : 6);
    round_free(b, s);
    s->failures++;
    s->due_ms = vl_ms_add(b->now, wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
    due_at(b, s->due_ms);
}

static void finish(struct brain *b, struct subject *s, struct attested *r, struct vl_span list, struct vl_span earlier) {
    struct vl_buf bytes;
    struct vl_node_id node = s->node;
    bool had = s->known.known && level_of(b, &s->known) > ADMISSION_SELF;
    r->number = s->known.number + 1;
    vl_buf_init(&bytes, ATTESTED_BYTES_MAX);
    if (attested_sign(&b->key, r, &bytes)) {
        note(b, VL_ENOMEM, node, "the result of its evidence could not be signed; it is asked again");
        failed(b, s);
        vl_buf_free(&bytes);
        return;
    }
    attest_known_set(&s->known, r);
    if (vl_node_eq(node, b->self)) crypto_blake2b256(attested_body(vl_span(bytes.p, bytes.len)), &b->attestation);
    earlier_set(s, earlier);
    memcpy(s->binding, s->channel, sizeof s->binding);
    s->over = true;
    attest_put(b, r, vl_span(s->earlier, s->earlier_n));
    if (r->n > 0) evidence_put(b, r, list);
    b->counters.attested++;
    if (r->level < ADMISSION_SELF) {
        b->counters.attest_refused++;
        note(b, VL_ECRYPTO, node, r->why);
    } else if (had && r->level <= ADMISSION_SELF) {
        note(b, VL_EDENIED, node, r->why);
    }
    if (!vl_node_eq(node, b->self) && (r->n > 0 || had))
        vl_ignore(message_send(b, node, MIX_OFF, MSG_ATTESTED, ENVELOPE_NORMAL, vl_span(bytes.p, bytes.len), NULL));
    vl_buf_free(&bytes);
    round_free(b, s);
    s->failures = 0;
    s->due_ms = next_due(b, s);
    due_at(b, s->due_ms);
    placing_touch(b, node);
    b->schedule_due = true;
    struct brain_effect *e = effect_held(b, BRAIN_NODE_CHANGED, (struct vl_span){ 0 }, NULL);
    e->node = node;
}

static void verify(struct brain *b, struct subject *s, struct vl_span activated, const char *why);

/* Nothing came.  What was found before counts on if it was found over this very channel: whoever has stolen a key has another. */
static void silent(struct brain *b, struct subject *s) {
    bool same = s->over && memcmp(s->binding, s->channel, sizeof s->binding) == 0;
    b->counters.attest_silent++;
    if ((s->known.known && same) || (s->known.known && level_of(b, &s->known) <= ADMISSION_SELF)) {
        failed(b, s);
        return;
    }
    vl_buf_clear(&s->list);
    verify(b, s, (struct vl_span){ 0 }, "sent no evidence in time");
}

/* ---- verification, off the loop ---- */

void brain_attest_free(struct brain_attest *v) {
    if (v == NULL) return;
    vl_buf_free(&v->list);
    free(v->earlier);
    crypto_wipe(v->secret, sizeof v->secret);
    crypto_wipe(v->random, sizeof v->random);
    free(v);
}

void brain_attest_run(struct brain_attest *v) {
    struct vl_buf out;
    admission_judge(v->admission, &v->c, &v->v);
    if (!v->v.activate) return;
    vl_buf_init(&out, sizeof v->credential);
    if (tpm_credential_make(v->v.endorsement, vl_span(v->v.name, v->v.name_n), v->secret, v->random, &out) == VL_OK) {
        memcpy(v->credential, out.p, out.len);
        v->credential_n = out.len;
    }
    vl_buf_free(&out);
}

/* Nothing to verify: no work for the pool. */
static void finish_without(struct brain *b, struct subject *s, const char *why) {
    struct admission_verdict v;
    struct admission_case c = { .node = s->node, .verifier = b->self, .when = b->now, .number = s->known.number + 1, .why = why };
    memcpy(c.nonce, s->nonce, sizeof c.nonce);
    memcpy(c.binding, s->channel, sizeof c.binding);
    admission_judge(b->attests->admission, &c, &v);
    finish(b, s, &v.result, (struct vl_span){ 0 }, (struct vl_span){ 0 });
}

/* activated: Name of the key that answered; why: when there is no list. */
static void verify(struct brain *b, struct subject *s, struct vl_span activated, const char *why) {
    if (s->list.len == 0) {
        finish_without(b, s, why);
        return;
    }
    struct brain_attest *v = calloc(1, sizeof *v);
    if (v == NULL) {
        failed(b, s);
        return;
    }
    v->admission = b->attests->admission;
    v->round = ++s->round;
    v->list = s->list; /* handed over, and back with the verdict */
    vl_buf_init(&s->list, ATTESTATION_LIST_MAX);
    v->c = (struct admission_case){ .node = s->node, .verifier = b->self, .when = b->now, .number = s->known.number + 1 };
    memcpy(v->c.nonce, s->nonce, sizeof v->c.nonce);
    memcpy(v->c.binding, s->channel, sizeof v->c.binding);
    if (v->list.len > 0 && attestation_list_decode(vl_span(v->list.p, v->list.len), v->answer, &v->c.n)) {
        why = "what it sent is no evidence";
        b->counters.messages_bad++;
        vl_buf_clear(&v->list);
    }
    snprintf(v->why, sizeof v->why, "%s", why ? why : ""); /* of a list that is none */
    v->c.why = v->why;
    v->c.answer = v->answer;
    memcpy(v->activated, activated.p ? activated.p : v->activated, activated.n);
    v->c.activated = vl_span(v->activated, activated.n);
    v->earlier = s->earlier_n > 0 ? malloc(s->earlier_n) : NULL;
    if (v->earlier) {
        memcpy(v->earlier, s->earlier, s->earlier_n);
        v->c.earlier = vl_span(v->earlier, s->earlier_n);
    }
    draw(b, v->secret);
    draw(b, v->random);
    draw(b, v->random + 32);
    s->stage = STAGE_VERIFYING;
    s->until_ms = VL_MS_NEVER; /* it always comes back */
    struct brain_effect *e = effect_now(b, BRAIN_ATTEST, (struct vl_span){ 0 }, NULL);
    if (e == &b->scrap)
        brain_attest_free(v);
    else
        e->attest = v;
}

static bool send_credential(struct brain *b, const struct subject *s, struct vl_span credential) {
    struct vl_buf out;
    struct attestation_credential m = { .bytes = credential };
    if (vl_node_eq(s->node, b->self)) {
        struct brain_effect *e = effect_now(b, BRAIN_TEE_ACTIVATE, credential, NULL);
        e->req = b->attests->answer.req;
        return true;
    }
    memcpy(m.nonce, s->nonce, sizeof m.nonce);
    vl_buf_init(&out, ATTESTATION_CREDENTIAL_MAX + 64);
    bool sent = attestation_credential_encode(&m, &out) == VL_OK &&
                link_send(b, s->node, LANE_MESSAGE, LINK_ATTEST_CREDENTIAL, vl_span(out.p, out.len), (struct vl_span){ 0 });
    vl_buf_free(&out);
    return sent;
}

void brain_attest_done(struct brain *b, vl_ms now, struct brain_attest *v) {
    step_begin(b, now);
    struct subject *s = find(b, v->c.node);
    if (s && s->stage == STAGE_VERIFYING && s->round == v->round) {
        if (v->credential_n > 0) {
            s->list = v->list;
            vl_buf_init(&v->list, 0);
            memcpy(s->secret, v->secret, sizeof s->secret);
            s->stage = STAGE_ACTIVATING;
            s->until_ms = vl_ms_add(b->now, ANSWER_MS);
            due_at(b, s->until_ms);
            if (!send_credential(b, s, vl_span(v->credential, v->credential_n))) failed(b, s);
        } else {
            finish(b, s, &v->v.result, vl_span(v->list.p, v->list.len), v->v.earlier);
        }
    }
    brain_attest_free(v);
    step_end(b);
}

/* ---- what a member sends ---- */

static void answered(struct brain *b, struct subject *s, const char *why) { verify(b, s, (struct vl_span){ 0 }, why); }

static void part(struct brain *b, struct subject *s, const struct attestation_part *m) {
    if (m->total == 0) {
        answered(b, s, m->why);
        return;
    }
    if (s->list.len == 0) s->total = m->total;
    if (m->total != s->total || m->at != s->list.len || vl_buf_append(&s->list, m->bytes.p, m->bytes.n)) {
        b->counters.messages_bad++;
        failed(b, s);
        return;
    }
    if (s->list.len == s->total) answered(b, s, NULL);
}

static void activation(struct brain *b, struct subject *s, struct vl_span secret) {
    struct attestation v[ATTESTATIONS_MAX];
    uint8_t name[TPM_NAME_MAX];
    size_t n = 0, name_n = 0;
    if (secret.n == 0 && s->failures < TRANSIENT) { /* a TPM that is busy or was reset in between */
        failed(b, s);
        return;
    }
    bool good = tpm_credential_answered(s->secret, secret) && attestation_list_decode(vl_span(s->list.p, s->list.len), v, &n) == VL_OK;
    crypto_wipe(s->secret, sizeof s->secret); /* one answer */
    for (size_t i = 0; good && i < n; i++)
        if (v[i].kind == ATTEST_TPM && tpm_name(v[i].collateral[1], name, &name_n)) name_n = 0;
    if (name_n == 0) { /* whoever quotes is not in the TPM of that certificate: the result says so */
        static const uint8_t nobody[2] = { 0 };
        verify(b, s, vl_span(nobody, sizeof nobody), NULL);
        return;
    }
    verify(b, s, vl_span(name, name_n), NULL);
}

static void from_member(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body) {
    struct attestation_part m;
    struct attestation_credential secret;
    struct subject *s = find(b, p->node);
    if (kind == LINK_ATTEST_PART && attestation_part_decode(body, &m) == VL_OK) {
        if (s && s->stage == STAGE_ASKED && memcmp(s->nonce, m.nonce, sizeof s->nonce) == 0)
            part(b, s, &m);
        else
            b->counters.attest_stale++; /* of a challenge that is over, or was never made */
    } else if (kind == LINK_ATTEST_SECRET && attestation_credential_decode(body, &secret) == VL_OK) {
        if (s && s->stage == STAGE_ACTIVATING && memcmp(s->nonce, secret.nonce, sizeof s->nonce) == 0)
            activation(b, s, secret.bytes);
        else
            b->counters.attest_stale++;
    } else {
        b->counters.messages_bad++;
    }
}

void attest_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body) {
    if (b->cfg.coordinator)
        from_member(b, p, kind, body);
    else
        attest_member_message(b, p, kind, body);
}

void attest_self_answered(struct brain *b, struct vl_span list, const char *why) {
    struct subject *s = find(b, b->self);
    if (s == NULL || s->stage != STAGE_ASKED || memcmp(s->nonce, b->attests->answer.blank.nonce, sizeof s->nonce) != 0) return;
    if (list.n > 0 && vl_buf_append(&s->list, list.p, list.n)) {
        failed(b, s);
        return;
    }
    answered(b, s, why);
}
void attest_self_activated(struct brain *b, struct vl_span secret) {
    struct subject *s = find(b, b->self);
    if (s && s->stage == STAGE_ACTIVATING) activation(b, s, secret);
}

/* ---- whose turn it is ---- */

static bool ask(struct brain *b, struct subject *s, const struct peer *p) {
    struct attestation_ask m = { .nonce = { 0 } };
    struct vl_buf out;
    draw(b, s->nonce);
    memcpy(m.nonce, s->nonce, sizeof m.nonce);
    memset(s->channel, 0, sizeof s->channel);
    if (p == NULL) { /* this machine itself: there is no channel */
        struct attestation blank = { .node = b->self };
        memcpy(blank.nonce, s->nonce, sizeof blank.nonce);
        return attest_answer_begin(b, &blank);
    }
    if (htx_binding(b->htx, p->session, s->channel)) return false;
    vl_buf_init(&out, 128);
    bool sent = attestation_ask_encode(&m, &out) == VL_OK &&
                link_send(b, s->node, LANE_MESSAGE, LINK_ATTEST_ASK, vl_span(out.p, out.len), (struct vl_span){ 0 });
    vl_buf_free(&out);
    return sent;
}

static void begin(struct brain *b, struct subject *s, const struct peer *p) {
    b->attests->running++;
    s->stage = STAGE_ASKED;
    s->total = 0;
    vl_buf_clear(&s->list);
    s->until_ms = vl_ms_add(b->now, ANSWER_MS);
    due_at(b, s->until_ms);
    if (ask(b, s, p))
        b->counters.attest_asked++;
    else
        failed(b, s);
}

static void look(struct brain *b, struct vl_node_id node) {
    const struct peer *p = vl_node_eq(node, b->self) ? NULL : link_peer(b, node);
    if (p == NULL && !vl_node_eq(node, b->self)) return; /* asked when it comes */
    struct subject *s = subject_of(b, node);
    if (s == NULL) return;
    if (s->stage != STAGE_NONE) {
        if (s->until_ms <= b->now && s->stage == STAGE_ACTIVATING)
            activation(b, s, (struct vl_span){ 0 });
        else if (s->until_ms <= b->now)
            silent(b, s);
        else
            due_at(b, s->until_ms);
        return;
    }
    if (s->due_ms > b->now)
        due_at(b, s->due_ms);
    else if (b->attests->running < AT_ONCE)
        begin(b, s, p);
    else
        due_at(b, b->now + SETTLE_MS);
}

void attest_tick(struct brain *b) {
    if (b->attests->at > b->now) return;
    b->attests->at = VL_MS_NEVER;
    for (const struct node_record *r = NULL; (r = registry_next(b->registry, r ? &r->id : NULL));) look(b, r->id);
}

vl_ms attest_deadline(const struct brain *b) { return b->attests->at; }

void attest_peer_up(struct brain *b, const struct peer *p) {
    uint8_t channel[32];
    struct subject *s = subject_of(b, p->node);
    if (s == NULL || htx_binding(b->htx, p->session, channel)) return;
    if (s->stage != STAGE_NONE && memcmp(s->channel, channel, sizeof channel) != 0) round_free(b, s);
    if (!s->over || memcmp(s->binding, channel, sizeof channel) != 0) s->due_ms = vl_ms_add(b->now, SETTLE_MS);
    due_at(b, s->due_ms);
}

void attest_gone(struct brain *b, struct vl_node_id node) {
    struct subject *s = find(b, node);
    if (s == NULL) return;
    round_free(b, s);
    item_remove(b, ITEM_ATTESTED, node.b, 0);
    (void)vl_map_del(&b->attests->subjects, node.b);
    free(s->earlier);
    free(s);
}

void attest_start(struct brain *b) {
    struct subject *s = subject_of(b, b->self);
    if (s) s->due_ms = vl_ms_add(b->now, SETTLE_MS);
    due_at(b, vl_ms_add(b->now, SETTLE_MS));
}
