/* Verification on the coordinator: how credible each node is, what becomes of a result that came in, and the round of
 * commitments and reveals; the worker's side of that round is in held.c (FOG-11).  fog/verify.h has the rules. */
#include "brain/priv.h"

#include "crypto/hash.h"
#include "fog/receipt.h"
#include "fog/verify.h"
#include "wire/pack.h"

#include <stdlib.h>

#define RECORD_TAG 0x70u
#define RECORD_VERSION 1u
#define AUDITED_RESULTS 3u              /* right ones, compared with others', before class S goes there ... */
#define AUDITED_MS (30ull * 86400000u)  /* ... and one of them in the last 30 days */
#define AUDITED_ERROR_PPM 10000u
#define GOOD_ENOUGH_PPM 100000u /* a result whose node is this likely wrong is not taken because nobody repeats it */

struct account {
    uint64_t passed, wrong;
    vl_ms passed_ms; /* last */
};
struct verify {
    struct verify_policy policy;
    struct vl_map accounts; /* of nodes whose results were compared */
};

enum vl_err verify_create(struct brain *b) {
    struct verify *v = calloc(1, sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    v->policy = b->cfg.verify;
    if (v->policy.faulty_ppm == 0) verify_policy_defaults(&v->policy);
    vl_map_init(&v->accounts, sizeof(struct vl_node_id), 2 * VL_NODES_MAX, vl_prng_next(&b->rng));
    b->verify = v;
    return VL_OK;
}

void verify_destroy(struct brain *b) {
    size_t it = 0;
    if (b->verify == NULL) return;
    for (struct account *a; (a = vl_map_next(&b->verify->accounts, &it, NULL)) != NULL;) free(a);
    vl_map_free(&b->verify->accounts);
    free(b->verify);
}

static struct account *account_of(struct brain *b, struct vl_node_id node) {
    struct account *a = vl_map_get(&b->verify->accounts, node.b);
    if (a != NULL || (a = calloc(1, sizeof *a)) == NULL) return a;
    if (vl_map_put(&b->verify->accounts, node.b, a) == VL_OK) return a;
    free(a);
    return NULL;
}

enum vl_err verify_restore(struct brain *b, const struct record *r) {
    struct vl_reader in = vl_reader(r->bytes.p, r->bytes.n);
    struct vl_node_id node;
    if (b->verify == NULL) return VL_OK;
    memcpy(node.b, r->key, sizeof node.b);
    enum vl_err err = unpack_message(&in, RECORD_TAG, RECORD_VERSION);
    if (err) return err;
    struct account got = { .passed = vl_read_u64(&in), .wrong = vl_read_u64(&in), .passed_ms = vl_read_u64(&in) };
    err = vl_reader_end(&in);
    struct account *a = err ? NULL : account_of(b, node);
    if (a != NULL) *a = got;
    return err ? err : a ? VL_OK : VL_ENOMEM;
}

static void account_put(struct brain *b, struct vl_node_id node, const struct account *a) {
    struct vl_buf buf;
    vl_buf_init(&buf, 64);
    struct pack w = pack_message(&buf, RECORD_TAG, RECORD_VERSION);
    pack_u64(&w, a->passed);
    pack_u64(&w, a->wrong);
    pack_u64(&w, a->passed_ms);
    if (pack_end(&w))
        out_of_memory(b);
    else
        item_put(b, ITEM_VERIFY, node.b, 0, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

void verify_verdict(struct brain *b, const struct job_effect *e) {
    static const struct vl_hash none;
    verify_account(b, e);
    if (e->verdict == VERDICT_WRONG && !vl_hash_eq(e->receipt, none) && job_book_deterministic(b->jobs, e->job)) dispute_offer(b, e);
}

void verify_account(struct brain *b, const struct job_effect *e) {
    bool good = e->verdict == VERDICT_AGREED, bad = e->verdict == VERDICT_WRONG || e->verdict == VERDICT_SILENT;
    if (!good && !bad) return;
    struct account *a = account_of(b, e->node);
    if (a == NULL) {
        out_of_memory(b);
        return;
    }
    a->passed += good;
    a->wrong += bad;
    if (good) a->passed_ms = b->now;
    account_put(b, e->node, a);
}

static uint32_t error_of(const struct brain *b, struct vl_node_id node) {
    const struct account *a = vl_map_get(&b->verify->accounts, node.b);
    return verify_error_ppm(&b->verify->policy, a ? a->passed : 0, a ? a->wrong : 0);
}

bool verify_audited(const struct brain *b, struct vl_node_id node) {
    const struct account *a = vl_map_get(&b->verify->accounts, node.b);
    return a != NULL && a->passed >= AUDITED_RESULTS && vl_ms_add(a->passed_ms, AUDITED_MS) > b->now &&
           error_of(b, node) <= AUDITED_ERROR_PPM;
}

/* Whether anybody else could run it, whose word is worth something beside that of `node`. */
static bool others(struct brain *b, struct vl_node_id node) {
    const struct node_record *mine = registry_get(b->registry, node), *r = NULL;
    struct sched_load none = { 0 };
    struct sched_node a, x;
    if (mine == NULL) return false;
    registry_sched_node(mine, b->now, &none, &a);
    while ((r = registry_next(b->registry, r ? &r->id : NULL)) != NULL) {
        registry_sched_node(r, b->now, &none, &x);
        if (r != mine && !x.blocked && r->caps.slots > 0 && (x.features & a.features) != 0 && !sched_together(&a, &x, DOMAIN_OWNER))
            return true;
    }
    return false;
}

/* Whether somebody is there who has not spoken yet: without, waiting for more results would be for ever. */
static bool anybody_left(struct brain *b, const struct job_votes *v) {
    const struct node_record *r = NULL;
    struct sched_load none = { 0 };
    struct sched_node x;
    while ((r = registry_next(b->registry, r ? &r->id : NULL)) != NULL) {
        bool spoke = false;
        registry_sched_node(r, b->now, &none, &x);
        for (uint32_t i = 0; i < v->n; i++) spoke |= vl_node_eq(v->v[i].node, r->id);
        if (!spoke && !x.blocked && r->caps.slots > 0 && (x.features & NODE_FEATURE_WASM)) return true;
    }
    return false;
}

/* Nobody outside can know it before the result is bound, for our seed is fresh with each start and never leaves. */
static struct vl_hash beacon(const struct brain *b, const struct vl_hash *root) {
    struct vl_hash h;
    crypto_blake2b_keyed(vl_span(root->b, sizeof root->b), vl_span(b->cfg.seed, sizeof b->cfg.seed), "village-beacon-1", h.b,
                         sizeof h.b);
    return h;
}

static uint64_t vote_of_self(const struct brain *b, const struct job_votes *v) {
    for (uint32_t i = 0; i < v->n; i++)
        if (vl_node_eq(v->v[i].node, b->self)) return v->v[i].epoch;
    return 0;
}

/* More runs cannot settle it.  What is deterministic can be run once more by somebody who is believed: ourselves. */
static struct job_ruling dispute(const struct brain *b, const struct job_votes *v) {
    if (!v->deterministic) return (struct job_ruling){ .rule = JOB_RULE_MAJORITY };
    uint64_t own = vote_of_self(b, v);
    if (own != 0) return (struct job_ruling){ .rule = JOB_RULE_ACCEPT, .winner = own };
    return (struct job_ruling){ .rule = JOB_RULE_REFEREE };
}

/* Class B is worth no more than a minute's wait for somebody to repeat it, and nothing where nobody is. */
static struct job_ruling more_of_b(struct brain *b, struct vl_node_id node, uint64_t winner, uint8_t want) {
    if (!others(b, node)) return (struct job_ruling){ .rule = JOB_RULE_ACCEPT, .winner = winner };
    return (struct job_ruling){ .rule = JOB_RULE_MORE, .winner = winner, .want = want, .until = b->now + VERIFY_AUDIT_WAIT_MS };
}

static struct job_ruling rule(struct brain *b, struct vl_node_id node, const struct task_report *report, const struct job_votes *votes) {
    struct verify_vote v[VERIFY_VOTES_MAX];
    struct verify_result got;
    _Static_assert(VERIFY_VOTES_MAX >= JOB_COPIES_MAX, "every copy may have a vote");
    struct verify_case c = { .class = votes->class,
                             .tier = votes->tier,
                             .n = votes->n,
                             .v = v,
                             .coming = votes->coming,
                             .room = votes->room,
                             .replicas = votes->replicas };
    for (uint32_t i = 0; i < votes->n; i++)
        v[i] = (struct verify_vote){ votes->v[i].node, votes->v[i].root, error_of(b, votes->v[i].node) };
    struct vl_hash secret = beacon(b, &votes->v[votes->n - 1].root);
    bool alone = votes->class == SLA_B && votes->n == 1;
    c.audit = alone && votes->coming == 0 && verify_audit(&b->verify->policy, report->job, report->task, report->epoch, &secret);
    enum vl_err err = verify_decide(&b->verify->policy, &c, &got);
    if (err) {
        note(b, err, node, "a result could not be judged: the majority decides");
        return (struct job_ruling){ .rule = JOB_RULE_MAJORITY };
    }
    uint64_t winner = votes->v[got.winner].epoch;
    switch (got.answer) {
    case VERIFY_TAKE:
        return (struct job_ruling){ .rule = JOB_RULE_ACCEPT, .winner = winner };
    case VERIFY_HOPELESS:
        return dispute(b, votes);
    case VERIFY_MORE:
        break;
    }
    bool stuck = votes->deterministic && votes->coming == 0 && got.equal < votes->n && !anybody_left(b, votes);
    if (stuck) return dispute(b, votes);
    if (alone && got.error_ppm <= GOOD_ENOUGH_PPM) return more_of_b(b, node, winner, (uint8_t)got.want);
    return (struct job_ruling){ .rule = JOB_RULE_MORE, .want = (uint8_t)got.want };
}

bool verify_ruling(struct brain *b, struct vl_node_id node, const struct task_report *report, struct job_ruling *ret) {
    struct job_votes *votes = malloc(sizeof *votes);
    *ret = (struct job_ruling){ .rule = JOB_RULE_MAJORITY };
    bool taken = votes && job_book_votes(b->jobs, node, report, votes);
    if (votes == NULL) out_of_memory(b);
    if (taken && !votes->referee) *ret = rule(b, node, report, votes);
    free(votes);
    return taken;
}

/* Who submits a job may rule nodes out, us too. */
static bool excluded(const struct brain *b, struct vl_job_id id) {
    struct job_view v;
    struct job_spec spec;
    if (!job_book_job(b->jobs, id, &v) || job_spec_reopen(v.spec, &spec) != VL_OK) return true;
    for (uint32_t i = 0; i < spec.terms.n_exclude; i++)
        if (vl_node_eq(spec.terms.exclude[i], b->self)) return true;
    return false;
}

/* The referee is ourselves where we have a runner; else the scheduler takes a node of an owner who has not spoken. */
void verify_referee(struct brain *b, const struct task_report *r) {
    if (excluded(b, r->job)) return;
    if (b->cfg.caps.slots == 0 || !(b->features & NODE_FEATURE_WASM)) return;
    vl_ignore(coordinator_job(
        b, &(struct job_event){ .kind = JOB_EV_PLACED, .now = b->now, .job = r->job, .task = r->task, .node = b->self }));
}

/* ---- the round ---------------------------------------------------------------------------------------------------- */

void coordinator_commit(struct brain *b, struct vl_node_id node, struct vl_span body) {
    struct task_commit c;
    if (task_commit_decode(body, &c)) {
        b->counters.messages_bad++;
        return;
    }
    if (coordinator_job(b, &(struct job_event){ .kind = JOB_EV_COMMIT,
                                                .now = b->now,
                                                .job = c.job,
                                                .task = c.task,
                                                .epoch = c.epoch,
                                                .node = node,
                                                .commitment = c.hash }))
        b->counters.reports_stale++;
}

static enum mix_level level_of(const struct brain *b, const struct job_effect *e) {
    struct job_names *names = malloc(sizeof *names);
    struct assignment *a = malloc(sizeof *a);
    enum mix_level level = MIX_OFF;
    if (names && a && job_book_assignment(b->jobs, e->job, e->task, e->epoch, names, a) == VL_OK) level = a->privacy;
    free(names);
    free(a);
    return level;
}

void verify_reveal(struct brain *b, const struct job_effect *e) {
    struct vl_buf buf;
    vl_buf_init(&buf, 256);
    enum vl_err err = task_reveal_encode(&(struct task_reveal){ .job = e->job, .task = e->task, .epoch = e->epoch }, &buf);
    if (err == VL_OK && vl_node_eq(e->node, b->self))
        held_inside(b, OUT_SELF_REVEAL, b->self, LANE_MESSAGE, 0, vl_span(buf.p, buf.len));
    else if (err == VL_OK)
        err = message_send(b, e->node, level_of(b, e), MSG_REVEAL, ENVELOPE_HIGH, vl_span(buf.p, buf.len), NULL);
    if (err) note(b, err, e->node, "a result could not be asked for; its copy will count as silent");
    vl_buf_free(&buf);
}
