/* Evidence and sums under raw bytes, the check that clients make of both, and the book under a list of events of 8 bytes.
 * First byte: which of these. */
#include "crypto/random.h"
#include "trust/reputation.h"

#include <stdlib.h>
#include <string.h>

static void score_sane(const struct reputation_score *s) {
    for (unsigned d = 0; d < REPUTATION_DIMS; d++) {
        const struct reputation_beta *b = &s->dim[d];
        if (b->lower_ppm > b->expect_ppm || b->expect_ppm > b->upper_ppm || b->upper_ppm > 1000000) abort();
        if (b->belief_ppm + b->disbelief_ppm + b->doubt_ppm != 1000000) abort();
    }
    if (s->trust_ppm > 1000000 || s->doubt_ppm > 1000000 || s->error_ppm > 1000000) abort();
    if (s->trusted && s->flagged) abort();
}

static void one_piece(struct vl_span in) {
    struct evidence e;
    struct vl_buf out;
    if (evidence_decode(in, &e) != VL_OK) return;
    vl_buf_init(&out, EVIDENCE_BYTES);
    if (evidence_encode(&e, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len))) abort();
    vl_buf_free(&out);
}

static void one_state(struct vl_span in) {
    struct reputation_state s;
    struct reputation_score v;
    struct vl_buf out;
    if (reputation_state_decode(in, &s) != VL_OK) return;
    vl_buf_init(&out, REPUTATION_RECORD_MAX);
    if (reputation_state_encode(&s, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len))) abort();
    for (unsigned i = 0; i < 48; i++) {
        reputation_state_score(&s, 1 + i * 20, i ? (vl_ms)1 << i : 0, &v);
        score_sane(&v);
    }
    vl_buf_free(&out);
    reputation_state_free(&s);
}

static void whole_list(struct vl_span in) {
    struct reputation_score v;
    struct vl_node_id by;
    struct vl_errmsg why;
    if (in.n < 4) return;
    size_t n = vl_get_u16(in.p);
    if (n > in.n - 4) n = in.n - 4;
    if (reputation_check(vl_span(in.p + 4, n), vl_span(in.p + 4 + n, in.n - 4 - n), vl_get_u16(in.p + 2), EVIDENCE_TIME_MAX,
                         &v, &by, &why) == VL_OK)
        score_sane(&v);
}

/* A life of one node; what is kept gives the running score, before and after a restart. */
static void life(const uint8_t *p, size_t n) {
    static struct evidence kept[REPUTATION_KEPT];
    struct reputation_config config = { .max_nodes = 2, .base_milli = 500 };
    struct reputation *r = reputation_create(&config), *again = reputation_create(&config);
    struct crypto_sign_key key = { 0 };
    struct vl_node_id node = { { 1 } };
    struct reputation_score want, got;
    struct vl_hash head;
    struct vl_buf row;
    uint32_t kept_n = 0;
    vl_ms now = 1700000000000u;
    crypto_sign_key_from_seed((const uint8_t[32]){ 1 }, &key);
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t first = 0, folded = 0;
        now += (vl_ms)vl_get_u16(p) << (p[2] % 20);
        struct evidence e = { .node = node,
                              .kind = (enum evidence_kind)p[3],
                              .weight_milli = vl_get_u16(p + 4),
                              .at_ms = now - vl_get_u16(p + 6) };
        if (reputation_add(r, &key, &e, &first, &folded) != VL_OK) continue;
        if (kept_n == REPUTATION_KEPT || (folded > 0 && kept[0].seq != first)) abort();
        kept[kept_n++] = e;
        kept_n -= (uint32_t)folded;
        memmove(kept, kept + folded, kept_n * sizeof kept[0]);
    }
    const struct reputation_state *s = reputation_state(r, node);
    if (s != NULL) {
        vl_ms at = now > s->last_ms ? now : s->last_ms;
        if (at > EVIDENCE_TIME_MAX) at = EVIDENCE_TIME_MAX;
        (void)reputation_get(r, node, at, &want);
        if (reputation_recompute(s, kept, kept_n, 500, at, &got, &head) != VL_OK) abort();
        if (!reputation_score_same(&want, &got) || !vl_hash_eq(head, s->head)) abort();
        score_sane(&want);
        vl_buf_init(&row, REPUTATION_RECORD_MAX);
        if (reputation_state_encode(s, &row) != VL_OK) abort();
        if (reputation_restore(again, vl_span(row.p, row.len)) != VL_OK) abort();
        (void)reputation_get(again, node, at, &got);
        if (!reputation_score_same(&want, &got)) abort();
        vl_buf_free(&row);
    }
    reputation_destroy(r);
    reputation_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (n == 0 || crypto_init() != VL_OK) return 0;
    switch (p[0] % 4) {
    case 0: one_piece(vl_span(p + 1, n - 1)); break;
    case 1: one_state(vl_span(p + 1, n - 1)); break;
    case 2: whole_list(vl_span(p + 1, n - 1)); break;
    default: life(p + 1, n - 1 > 8 * 1200 ? 8 * 1200 : n - 1); break;
    }
    return 0;
}
