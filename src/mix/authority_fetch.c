/* Documents by hash: what this authority lacks it asks of those that have it. */
#include "mix/authority_priv.h"

#include "mix/consensus_priv.h"

#include <string.h>

#define WANT_BYTES (16u + 32u * WANT_MAX)

static void send_want(struct authority *a, int to, enum want_kind kind, const uint8_t *hashes, uint32_t n) {
    struct vl_buf out;
    vl_buf_init(&out, WANT_BYTES);
    struct pack w = pack_begin(&out);
    pack_u8(&w, (uint8_t)kind);
    pack_u16(&w, (uint16_t)n);
    pack_bytes(&w, hashes, (size_t)32 * n);
    if (pack_end(&w) == VL_OK) authority_send(a, to, AUTHORITY_WANT, vl_span(out.p, out.len));
    vl_buf_free(&out);
}

/* --- answers --- */

static void answer_descriptor(struct authority *a, int to, const uint8_t digest[32]) {
    const struct held *h = vl_map_get(&a->by_digest, digest);
    struct vl_buf out;
    if (h == NULL) return;
    vl_buf_init(&out, 1024);
    if (mix_descriptor_encode(&h->d, &out) == VL_OK)
        authority_send(a, to, AUTHORITY_DESCRIPTOR, vl_span(out.p, out.len));
    vl_buf_free(&out);
}

static void answer_vote(struct authority *a, int to, const uint8_t hash[32]) {
    for (int i = 0; i < a->cfg.charter.n; i++) {
        const struct ballot *b = &a->ballot[i];
        if (b->have && memcmp(b->head.hash, hash, 32) == 0)
            authority_send(a, to, AUTHORITY_VOTE, vl_span(b->bytes.p, b->bytes.len));
    }
}

static void answer_consensus(struct authority *a, int to, const uint8_t hash[32]) {
    const struct chained *c = authority_chained(a, hash);
    if (c != NULL) authority_send(a, to, AUTHORITY_CONSENSUS, vl_span(c->message.p + 1, c->message.len - 1));
}

enum vl_err authority_on_want(struct authority *a, int from, struct vl_span body) {
    struct vl_reader r = vl_reader(body.p, body.n);
    uint8_t kind = unpack_u8_in(&r, WANT_DESCRIPTOR, WANT_CONSENSUS);
    uint16_t n = vl_read_u16(&r);
    unpack_require(&r, n > 0 && n <= (kind == WANT_DESCRIPTOR ? WANT_MAX : kind == WANT_VOTE ? a->cfg.charter.n : 1));
    struct vl_span hashes = vl_read_span(&r, (size_t)32 * n);
    enum vl_err err = vl_reader_end(&r);
    if (err) return err;
    if (a->ballot[from].answers >= WANT_ANSWERS) return VL_ELIMIT;
    a->ballot[from].answers++;
    for (uint16_t i = 0; i < n; i++) {
        const uint8_t *hash = hashes.p + (size_t)32 * i;
        if (kind == WANT_DESCRIPTOR)
            answer_descriptor(a, from, hash);
        else if (kind == WANT_VOTE)
            answer_vote(a, from, hash);
        else
            answer_consensus(a, from, hash);
    }
    return VL_OK;
}

/* --- consensuses --- */

void authority_send_have(struct authority *a) {
    uint8_t out[40];
    if (a->newest.message.len == 0) return;
    vl_put_u64(out, a->newest.c.epoch);
    memcpy(out + 8, a->newest.c.hash, 32);
    authority_send_all(a, AUTHORITY_HAVE, vl_span(out, sizeof out));
}

enum vl_err authority_on_have(struct authority *a, int from, struct vl_span body) {
    struct vl_reader r = vl_reader(body.p, body.n);
    uint8_t hash[32];
    uint64_t epoch = vl_read_u64(&r);
    vl_read_bytes(&r, hash, 32);
    enum vl_err err = vl_reader_end(&r);
    if (err) return err;
    if (epoch > a->epoch) return VL_ERANGE;
    if (epoch <= a->newest.c.epoch || a->asked) return VL_OK;
    /* By turns, so that one who only claims to have a newer one does not keep us from the others. */
    uint32_t others = ((1u << a->cfg.charter.n) - 1) & ~(1u << a->self);
    if ((a->tried & others) == others) a->tried = 0;
    if (a->tried >> from & 1u) return VL_OK;
    a->tried |= 1u << from;
    a->asked = true;
    send_want(a, from, WANT_CONSENSUS, hash, 1);
    return VL_OK;
}

enum vl_err authority_on_consensus(struct authority *a, vl_ms now, struct vl_span body) {
    struct mix_consensus c;
    uint8_t base[32];
    enum vl_err err = authority_decode_consensus(a, body, &c);
    if (err) return err;
    authority_base(a, false, base);
    bool newer = c.epoch > a->newest.c.epoch;
    bool wanted = memcmp(c.hash, base, 32) == 0 && authority_chained(a, base) == NULL;
    if (c.epoch > a->epoch)
        err = VL_ERANGE;
    else if (newer || wanted)
        err = authority_adopt(a, &c, vl_span(body.p - 1, body.n + 1)); /* with the byte that says what it is */
    else
        err = VL_ESTALE;
    mix_consensus_free(&c);
    if (!err && !authority_before(a, now, STEP_COMPUTE)) authority_finish(a, now);
    return err;
}

/* --- questions --- */

/* The turn of an authority among those in mask; -1: nobody. */
static int pick(const struct authority *a, uint32_t mask, uint32_t turn) {
    mask &= ~(1u << a->self);
    if (mask == 0) return -1;
    for (uint32_t skip = turn % (uint32_t)__builtin_popcount(mask); skip > 0; skip--) mask &= mask - 1;
    return __builtin_ctz(mask);
}

static void want_votes(struct authority *a, uint32_t step) {
    for (int i = 0; i < a->cfg.charter.n; i++) {
        const struct ballot *b = &a->ballot[i];
        int from = b->heads == 1 && !b->have ? pick(a, b->holders, step + (uint32_t)i) : -1;
        if (from >= 0) send_want(a, from, WANT_VOTE, b->head.hash, 1);
    }
}

/* Each missing descriptor is asked of one authority at a time, of another at the next step. */
static void want_descriptors(struct authority *a, uint32_t step) {
    uint8_t want[WANT_MAX][32];
    for (int to = 0; to < a->cfg.charter.n; to++) {
        uint32_t n = 0;
        for (uint32_t i = 0, t = 0; i < a->missing_n && n < WANT_MAX; i++) {
            while (t < a->tally_n && memcmp(a->tally[t].digest, a->missing[i], 32) < 0) t++; /* both ascend */
            if (t < a->tally_n && pick(a, a->tally[t].voters, step + i) == to) memcpy(want[n++], a->missing[i], 32);
        }
        if (n > 0) send_want(a, to, WANT_DESCRIPTOR, want[0], n);
    }
}

static void want_base(struct authority *a, uint32_t step) {
    uint8_t base[32];
    uint32_t voters = 0;
    if (authority_base(a, false, base) == 0 || authority_chained(a, base) != NULL) return;
    for (int i = 0; i < a->cfg.charter.n; i++) {
        const struct ballot *b = &a->ballot[i];
        if (authority_counts(b) && memcmp(b->vote.previous, base, 32) == 0) voters |= 1u << i;
    }
    int from = pick(a, voters, step);
    if (from >= 0) send_want(a, from, WANT_CONSENSUS, base, 1);
}

void authority_send_wants(struct authority *a, uint32_t step) {
    want_votes(a, step);
    want_descriptors(a, step);
    want_base(a, step);
}
