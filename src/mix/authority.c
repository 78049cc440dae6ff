#include "mix/authority.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "mix/authority_priv.h"
#include "mix/consensus_priv.h"

#include <stdlib.h>
#include <string.h>

#define TAG_STATE 'A'
#define STATE_MAX (MIX_DOC_MAX + 1024u)

/* --- time --- */

static vl_ms step_time(const struct authority *a, uint32_t step) {
    const struct mix_charter *c = &a->cfg.charter;
    return vl_ms_add(mix_epoch_start(c, a->epoch - 1), (uint64_t)c->epoch_ms * step / STEPS);
}

bool authority_before(const struct authority *a, vl_ms now, uint32_t step) { return now < step_time(a, step); }

uint32_t authority_step(const struct authority *a, vl_ms now) {
    uint32_t step = STEPS;
    while (step > 0 && authority_before(a, now, step - 1)) step--;
    return step == 0 ? STEP_NONE : step - 1;
}

vl_ms authority_deadline(const struct authority *a) {
    uint32_t next = a->done == STEP_NONE ? 0 : a->done + 1;
    return step_time(a, next);
}

/* --- effects --- */

static void blob_release(struct blob *b) {
    if (b != NULL && --b->refs == 0) free(b);
}

static struct blob *blob_new(struct vl_span head, struct vl_span bytes) {
    struct blob *b = malloc(sizeof *b + head.n + bytes.n);
    if (b == NULL) return NULL;
    b->refs = 1;
    b->n = head.n + bytes.n;
    if (head.n > 0) memcpy(b->p, head.p, head.n);
    if (bytes.n > 0) memcpy(b->p + head.n, bytes.p, bytes.n);
    return b;
}

static enum vl_err push(struct authority *a, enum authority_effect_kind kind, struct vl_node_id to, struct blob *b) {
    if (a->effects_n == a->effects_cap) {
        size_t cap = a->effects_cap ? 2 * a->effects_cap : 64;
        struct effect *v = realloc(a->effects, cap * sizeof *v);
        if (v == NULL) return VL_ENOMEM;
        a->effects = v;
        a->effects_cap = cap;
    }
    a->effects[a->effects_n++] = (struct effect){ .kind = kind, .to = to, .blob = b };
    b->refs++;
    return VL_OK;
}

static struct vl_span head_of(const uint8_t *kind) { return vl_span(kind, 1); }

void authority_send(struct authority *a, int to, enum authority_message kind, struct vl_span bytes) {
    uint8_t head = (uint8_t)kind;
    if (to == a->self || a->effects_n >= EFFECTS_MAX) return;
    struct blob *b = blob_new(head_of(&head), bytes);
    if (b == NULL) return;
    vl_ignore(push(a, AUTHORITY_SEND, a->cfg.charter.authority[to].node, b));
    blob_release(b);
}

void authority_send_all(struct authority *a, enum authority_message kind, struct vl_span bytes) {
    uint8_t head = (uint8_t)kind;
    if (a->effects_n >= EFFECTS_MAX) return;
    struct blob *b = blob_new(head_of(&head), bytes);
    if (b == NULL) return;
    for (int i = 0; i < a->cfg.charter.n; i++)
        if (i != a->self) vl_ignore(push(a, AUTHORITY_SEND, a->cfg.charter.authority[i].node, b));
    blob_release(b);
}

enum vl_err authority_emit(struct authority *a, enum authority_effect_kind kind, struct vl_span bytes) {
    struct blob *b = blob_new(vl_span(NULL, 0), bytes);
    if (b == NULL) return VL_ENOMEM;
    enum vl_err err = push(a, kind, (struct vl_node_id){ { 0 } }, b);
    blob_release(b);
    return err;
}

bool authority_next(struct authority *a, struct authority_effect *ret) {
    blob_release(a->given);
    a->given = NULL;
    if (a->effects_at == a->effects_n) {
        a->effects_at = a->effects_n = 0;
        return false;
    }
    const struct effect *e = &a->effects[a->effects_at++];
    a->given = e->blob;
    *ret = (struct authority_effect){ .kind = e->kind, .to = e->to, .bytes = vl_span(e->blob->p, e->blob->n) };
    return true;
}

/* --- rounds --- */

static void round_clear(struct authority *a) {
    const void *key;
    size_t it = 0;
    for (void *v; (v = vl_map_next(&a->by_digest, &it, &key)) != NULL;) free(v);
    vl_map_free(&a->by_digest);
    vl_map_free(&a->by_node);
    for (size_t i = 0; i < MIX_AUTHORITIES_MAX; i++) {
        mix_vote_free(&a->ballot[i].vote);
        vl_buf_free(&a->ballot[i].bytes);
        vl_buf_free(&a->proof[i]);
    }
    memset(a->ballot, 0, sizeof a->ballot);
    free(a->tally);
    free(a->missing);
    a->tally = NULL;
    a->missing = NULL;
    a->tally_n = a->missing_n = 0;
    vl_buf_free(&a->body);
}

static void round_begin(struct authority *a, uint64_t epoch) {
    uint64_t seed = vl_get_u64(a->cfg.seed) ^ epoch; /* of hash tables: nothing is decided by their order */
    round_clear(a);
    a->epoch = epoch;
    a->done = STEP_NONE;
    a->restored = a->withheld = a->asked = a->computed = false;
    a->relays_n = a->clients_n = a->known_relays_n = a->known_clients_n = 0;
    vl_map_init(&a->by_node, 32, MIX_VOTE_ENTRIES_MAX, seed);
    vl_map_init(&a->by_digest, 32, HELD_MAX, seed);
    for (size_t i = 0; i < MIX_AUTHORITIES_MAX; i++) {
        vl_buf_init(&a->ballot[i].bytes, MIX_DOC_MAX);
        vl_buf_init(&a->proof[i], 1024);
    }
    vl_buf_init(&a->body, MIX_DOC_MAX);
}

/* The epoch has come: whether its consensus has, too. */
static void round_end(struct authority *a) {
    if (a->newest.c.epoch >= a->epoch || !(a->born < step_time(a, STEP_VOTE))) return;
    a->stats.failed_epochs++;
    if (a->computed)
        a->stats.failed_signatures++;
    else if (authority_votes(a) < a->cfg.charter.threshold)
        a->stats.failed_votes++;
    else
        a->stats.failed_documents++;
}

static void round_roll(struct authority *a, vl_ms now) {
    uint64_t epoch = mix_epoch_at(&a->cfg.charter, now) + 1;
    if (epoch <= a->epoch) return;
    round_end(a);
    a->stats.failed_epochs += epoch - a->epoch - 1; /* slept through */
    a->stats.failed_votes += epoch - a->epoch - 1;
    round_begin(a, epoch);
}

/* --- life --- */

static bool config_ok(const struct authority_config *cfg) {
    if (!mix_charter_ok(&cfg->charter) || !mix_delays_ok(cfg->delay_ms)) return false;
    return cfg->former.number == 0 ||
           (memcmp(cfg->former.root, cfg->charter.root, 32) == 0 && cfg->former.epoch_ms == cfg->charter.epoch_ms &&
            cfg->former.genesis_ms == cfg->charter.genesis_ms);
}

enum vl_err authority_create(const struct authority_config *cfg, vl_ms now, struct authority **ret) {
    int self = mix_charter_find(&cfg->charter, crypto_sign_node_id(cfg->key));
    if (self < 0) return VL_EDENIED;
    if (!config_ok(cfg)) return VL_ERANGE;
    struct authority *a = calloc(1, sizeof *a);
    if (a == NULL) return VL_ENOMEM;
    a->cfg = *cfg;
    a->self = self;
    a->born = now;
    vl_buf_init(&a->newest.message, MIX_DOC_MAX + 1);
    vl_buf_init(&a->older.message, MIX_DOC_MAX + 1);
    round_begin(a, mix_epoch_at(&cfg->charter, now) + 1);
    *ret = a;
    return VL_OK;
}

static void chained_free(struct chained *c) {
    mix_consensus_free(&c->c);
    vl_buf_free(&c->message);
}

void authority_destroy(struct authority *a) {
    if (a == NULL) return;
    round_clear(a);
    chained_free(&a->newest);
    chained_free(&a->older);
    for (size_t i = a->effects_at; i < a->effects_n; i++) blob_release(a->effects[i].blob);
    blob_release(a->given);
    free(a->effects);
    crypto_wipe(a, sizeof *a);
    free(a);
}

enum vl_err authority_decode_consensus(const struct authority *a, struct vl_span doc, struct mix_consensus *ret) {
    enum vl_err err = mix_consensus_decode(doc, &a->cfg.charter, 0, ret);
    if (err && err != VL_ENOMEM && a->cfg.former.number > 0 &&
        mix_consensus_decode(doc, &a->cfg.former, 0, ret) == VL_OK)
        return VL_OK;
    return err;
}

enum vl_err authority_restore(struct authority *a, vl_ms now, struct vl_span consensus) {
    struct mix_consensus c;
    uint8_t head = AUTHORITY_CONSENSUS;
    (void)now;
    enum vl_err err = authority_decode_consensus(a, consensus, &c);
    if (err) return err;
    chained_free(&a->newest);
    err = vl_buf_append(&a->newest.message, &head, 1);
    if (!err) err = vl_buf_append(&a->newest.message, consensus.p, consensus.n);
    if (err) {
        vl_buf_free(&a->newest.message);
        mix_consensus_free(&c);
        return err;
    }
    a->newest.c = c;
    a->stats.epoch = c.epoch;
    return VL_OK;
}

/* --- state --- */

enum vl_err authority_store(struct authority *a) {
    const struct ballot *b = &a->ballot[a->self];
    struct vl_buf out;
    vl_buf_init(&out, STATE_MAX);
    struct pack w = pack_message(&out, TAG_STATE, MIX_VERSION);
    pack_u64(&w, a->epoch);
    pack_span32(&w, b->have ? vl_span(b->bytes.p, b->bytes.len) : vl_span(NULL, 0));
    pack_bool(&w, b->has_signature);
    if (b->has_signature) {
        pack_bytes(&w, b->signature.hash, 32);
        pack_bytes(&w, b->signature.signature, CRYPTO_SIGNATURE);
    }
    enum vl_err err = pack_end(&w);
    if (!err) err = authority_emit(a, AUTHORITY_STORE, vl_span(out.p, out.len));
    vl_buf_free(&out);
    return err;
}

static enum vl_err restore_vote(struct authority *a, struct vl_span bytes) {
    struct ballot *b = &a->ballot[a->self];
    struct mix_vote v;
    enum vl_err err = mix_vote_decode(bytes, &a->cfg.charter, &v);
    if (err) return err;
    if (mix_charter_find(&a->cfg.charter, v.authority) != a->self || v.epoch != a->epoch)
        err = VL_ECORRUPT;
    else
        err = vl_buf_append(&b->bytes, bytes.p, bytes.n);
    if (err) {
        mix_vote_free(&v);
        return err;
    }
    b->vote = v;
    b->have = true;
    b->heads = 1;
    b->head = v.statement;
    b->holders = 1u << a->self;
    return VL_OK;
}

enum vl_err authority_restore_state(struct authority *a, vl_ms now, struct vl_span state) {
    struct ballot *b = &a->ballot[a->self];
    struct vl_reader r = vl_reader(state.p, state.n);
    (void)now;
    if (unpack_message(&r, TAG_STATE, MIX_VERSION) != VL_OK) return VL_ECORRUPT;
    uint64_t epoch = vl_read_u64(&r);
    struct vl_span vote = unpack_span32(&r, MIX_DOC_MAX);
    struct mix_statement s = { .kind = MIX_STATEMENT_CONSENSUS, .epoch = epoch };
    bool has_signature = unpack_bool(&r);
    if (has_signature) {
        vl_read_bytes(&r, s.hash, 32);
        vl_read_bytes(&r, s.signature, CRYPTO_SIGNATURE);
    }
    if (vl_reader_end(&r) != VL_OK || epoch > a->epoch) return VL_ECORRUPT;
    if (epoch < a->epoch) return VL_OK;
    if (has_signature && mix_statement_check(&s, &a->cfg.charter, a->cfg.charter.authority[a->self].node) != VL_OK)
        return VL_ECORRUPT;
    if (vote.n > 0) {
        enum vl_err err = restore_vote(a, vote);
        if (err) return err == VL_ENOMEM ? err : VL_ECORRUPT;
    }
    a->restored = true;
    b->has_signature = has_signature;
    if (has_signature) b->signature = s;
    return VL_OK;
}

/* --- the chain --- */

const struct chained *authority_chained(const struct authority *a, const uint8_t hash[32]) {
    if (a->newest.message.len > 0 && memcmp(a->newest.c.hash, hash, 32) == 0) return &a->newest;
    if (a->older.message.len > 0 && memcmp(a->older.c.hash, hash, 32) == 0) return &a->older;
    return NULL;
}

/* Nodes of the previous consensus have places kept for them. */
static void recount_known(struct authority *a) {
    const void *key;
    size_t it = 0;
    a->known_relays_n = a->known_clients_n = 0;
    for (struct held *h; (h = vl_map_next(&a->by_node, &it, &key)) != NULL;) {
        h->known =
            mix_relay_by_node(&a->newest.c, h->d.node) != NULL || mix_client_by_node(&a->newest.c, h->d.node) != NULL;
        if (!h->known) continue;
        a->known_relays_n += (h->d.roles & MIX_ROLES_RELAY) != 0;
        a->known_clients_n += (h->d.roles & MIX_ROLE_CLIENT) != 0;
    }
}

enum vl_err authority_adopt(struct authority *a, struct mix_consensus *c, struct vl_span message) {
    bool newer = c->epoch > a->newest.c.epoch;
    struct chained fresh = { .c = *c };
    vl_buf_init(&fresh.message, MIX_DOC_MAX + 1);
    enum vl_err err = vl_buf_append(&fresh.message, message.p, message.n);
    if (!err && newer) err = authority_emit(a, AUTHORITY_PUBLISH, message);
    if (err) {
        vl_buf_free(&fresh.message);
        return err;
    }
    memset(c, 0, sizeof *c);
    chained_free(&a->older);
    if (!newer) {
        a->older = fresh;
        return VL_OK;
    }
    a->older = a->newest;
    a->newest = fresh;
    a->stats.consensuses++;
    a->stats.epoch = fresh.c.epoch;
    recount_known(a);
    return VL_OK;
}

const struct mix_consensus *authority_consensus(const struct authority *a) {
    return a->newest.message.len > 0 ? &a->newest.c : NULL;
}
struct vl_span authority_consensus_message(const struct authority *a) {
    return vl_span(a->newest.message.p, a->newest.message.len);
}
bool authority_vote_seen(const struct authority *a, int index, uint8_t ret_signature[CRYPTO_SIGNATURE]) {
    const struct ballot *b = &a->ballot[index];
    if (b->heads == 0) return false;
    memcpy(ret_signature, b->head.signature, CRYPTO_SIGNATURE);
    return true;
}
struct authority_stats authority_stats(const struct authority *a) {
    return a->stats;
}

/* --- events --- */

static enum vl_err dispatch(struct authority *a, vl_ms now, struct vl_node_id from, uint16_t reputation,
                            struct vl_span message) {
    int index = mix_charter_find(&a->cfg.charter, from);
    if (message.n < 2 || message.n > MIX_DOC_MAX + 1) return VL_EPARSE;
    struct vl_span body = vl_span(message.p + 1, message.n - 1);
    if (message.p[0] == AUTHORITY_DESCRIPTOR) return authority_on_descriptor(a, now, from, index, reputation, body);
    if (index < 0 || index == a->self) return VL_EDENIED;
    switch (message.p[0]) {
    case AUTHORITY_VOTE:
        return authority_on_vote(a, now, index, body);
    case AUTHORITY_ECHO:
        return authority_on_echo(a, now, index, body);
    case AUTHORITY_SIGNATURE:
        return authority_on_signature(a, now, body);
    case AUTHORITY_CONSENSUS:
        return authority_on_consensus(a, now, body);
    case AUTHORITY_EQUIVOCATION:
        return authority_on_equivocation(a, now, index, body);
    case AUTHORITY_WANT:
        return authority_on_want(a, index, body);
    case AUTHORITY_HAVE:
        return authority_on_have(a, index, body);
    default:
        return VL_EPARSE;
    }
}

enum vl_err authority_recv(struct authority *a, vl_ms now, struct vl_node_id from, uint16_t reputation,
                           struct vl_span message) {
    round_roll(a, now);
    enum vl_err err = dispatch(a, now, from, reputation, message);
    if (err) a->stats.refused++;
    return err;
}

static void vote_if_due(struct authority *a, uint32_t step) {
    if (a->ballot[a->self].have || step >= STEP_DIRECT) return;
    if (a->born < step_time(a, STEP_VOTE))
        vl_ignore(authority_vote(a)); /* out of memory: again at the next step */
    else if (!a->withheld) {
        a->withheld = true;
        a->stats.withheld++;
    }
}

static void send_votes(struct authority *a) {
    const struct ballot *mine = &a->ballot[a->self];
    for (int i = 0; i < a->cfg.charter.n; i++) {
        if (mine->have && !a->ballot[i].has_mine)
            authority_send(a, i, AUTHORITY_VOTE, vl_span(mine->bytes.p, mine->bytes.len));
        if (a->proof[i].len > 0) authority_send_all(a, AUTHORITY_EQUIVOCATION, vl_span(a->proof[i].p, a->proof[i].len));
    }
    authority_send_echo(a);
}

void authority_tick(struct authority *a, vl_ms now) {
    round_roll(a, now);
    uint32_t step = authority_step(a, now);
    if (step == STEP_NONE || step == a->done) return;
    a->done = step;
    a->asked = false;
    for (size_t i = 0; i < a->cfg.charter.n; i++) {
        a->ballot[i].answers = 0;
        a->ballot[i].echoed = false;
    }
    if (step < STEP_VOTE) {
        if (step % 2 == 0) authority_send_have(a);
        return;
    }
    vote_if_due(a, step);
    if (step < STEP_COMPUTE) send_votes(a);
    if (a->newest.c.epoch < a->epoch) {
        vl_ignore(authority_tally(a));
        authority_send_wants(a, step);
    }
    if (step < STEP_COMPUTE) return;
    authority_finish(a, now);
    authority_send_signatures(a);
    if (a->newest.c.epoch == a->epoch) authority_send_have(a);
}
