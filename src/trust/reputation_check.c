/* What anyone can do with a list of evidence: compute the score, and see whether it is what was claimed. */
#include "trust/reputation_priv.h"

#include <stdlib.h>

/* Puts the pieces in their order: at[i] is the piece number folded + 1 + i. */
static enum vl_err order(const struct reputation_state *s, const struct evidence *v, uint32_t n, vl_ms now,
                         const struct evidence **at) {
    for (uint32_t i = 0; i < n; i++) {
        if (!vl_node_eq(v[i].node, s->node) || evidence_kind_text(v[i].kind) == NULL || v[i].weight_milli == 0 ||
            v[i].weight_milli > EVIDENCE_WEIGHT_MAX || v[i].at_ms > now || now > EVIDENCE_TIME_MAX)
            return VL_ERANGE;
        if (v[i].seq <= s->folded || v[i].seq - s->folded > n) return VL_ENOTFOUND;
        if (at[v[i].seq - s->folded - 1] != NULL) return VL_EEXISTS;
        at[v[i].seq - s->folded - 1] = &v[i];
    }
    return VL_OK;
}

static enum vl_err chain(const struct reputation_state *s, const struct evidence *const *at, uint32_t n,
                         struct vl_hash *ret_head) {
    struct vl_hash head = s->folded_head;
    for (uint32_t i = 0; i < n; i++) {
        if (!vl_hash_eq(at[i]->previous, head)) return VL_ECRYPTO;
        head = evidence_hash(at[i]);
    }
    *ret_head = head;
    return VL_OK;
}

enum vl_err reputation_recompute(const struct reputation_state *s, const struct evidence *v, uint32_t n,
                                 uint32_t base_milli, vl_ms now, struct reputation_score *ret,
                                 struct vl_hash *ret_head) {
    struct reputation_state t = { .node = s->node, .seq = s->folded + n };
    struct vl_hash head = { 0 };
    const struct evidence **at = calloc(n ? n : 1, sizeof *at);
    enum vl_err err = at ? order(s, v, n, now, at) : VL_ENOMEM;
    if (err == VL_OK) err = chain(s, at, n, &head);
    for (uint32_t i = 0; err == VL_OK && i < s->n_cells; i++) {
        if (s->cells[i].part != PART_FOLDED) continue;
        if ((err = cells_reserve(&t)) == VL_OK) t.cells[t.n_cells++] = s->cells[i];
    }
    for (uint32_t i = 0; err == VL_OK && i < n; i++)
        if ((err = cells_reserve(&t)) == VL_OK) cells_add(&t, PART_FOLDED, &v[i]);
    if (err == VL_OK) {
        reputation_state_score(&t, base_milli, now, ret);
        *ret_head = head;
    }
    reputation_state_free(&t);
    free(at);
    return err;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

static enum vl_err pieces_open(struct vl_span records, struct evidence *v, uint32_t n, struct vl_node_id *ret_by,
                               struct vl_errmsg *why) {
    for (uint32_t i = 0; i < n; i++) {
        if (evidence_decode(vl_span(records.p + (size_t)i * EVIDENCE_BYTES, EVIDENCE_BYTES), &v[i]))
            return vl_errmsg_set(why, VL_EPARSE, "record %u of the list is no evidence", i);
        if (i > 0 && !vl_node_eq(v[i].by, v[0].by))
            return vl_errmsg_set(why, VL_ECRYPTO, "piece %llu is signed by another than the first",
                                 (unsigned long long)v[i].seq);
        if (evidence_verify(&v[i]))
            return vl_errmsg_set(why, VL_ECRYPTO, "the signature of piece %llu is wrong", (unsigned long long)v[i].seq);
    }
    *ret_by = n > 0 ? v[0].by : (struct vl_node_id){ 0 };
    return VL_OK;
}

static bool beta_same(const struct reputation_beta *a, const struct reputation_beta *b) {
    return a->good_micro == b->good_micro && a->bad_micro == b->bad_micro && a->expect_ppm == b->expect_ppm &&
           a->sd_ppm == b->sd_ppm && a->lower_ppm == b->lower_ppm && a->upper_ppm == b->upper_ppm &&
           a->belief_ppm == b->belief_ppm && a->disbelief_ppm == b->disbelief_ppm && a->doubt_ppm == b->doubt_ppm;
}

bool reputation_score_same(const struct reputation_score *a, const struct reputation_score *b) {
    for (unsigned d = 0; d < REPUTATION_DIMS; d++)
        if (!beta_same(&a->dim[d], &b->dim[d])) return false;
    return a->trust_ppm == b->trust_ppm && a->doubt_ppm == b->doubt_ppm && a->error_ppm == b->error_ppm &&
           a->flagged == b->flagged && a->trusted == b->trusted && a->pieces == b->pieces && a->at_ms == b->at_ms;
}

static enum vl_err compare(const struct reputation_state *s, const struct evidence *v, uint32_t n, uint32_t base_milli,
                           vl_ms now, struct reputation_score *ret, struct vl_errmsg *why) {
    struct reputation_score claimed, found;
    struct vl_hash head;
    enum vl_err err = reputation_recompute(s, v, n, base_milli, now, &found, &head);
    if (err == VL_ENOTFOUND) return vl_errmsg_set(why, err, "a piece of the list is missing");
    if (err == VL_EEXISTS) return vl_errmsg_set(why, err, "a piece is in the list twice");
    if (err == VL_ECRYPTO) return vl_errmsg_set(why, err, "the pieces do not name each other: the list was changed");
    if (err == VL_ERANGE) return vl_errmsg_set(why, err, "a piece is of another node, or later than the score");
    if (err) return err;
    if (s->folded + n != s->seq || !vl_hash_eq(head, s->head))
        return vl_errmsg_set(why, VL_ENOTFOUND, "the list does not end with the newest piece");
    reputation_state_score(s, base_milli, now, &claimed);
    if (!reputation_score_same(&claimed, &found))
        return vl_errmsg_set(why, VL_ECRYPTO, "the score does not follow from the evidence");
    *ret = found;
    return VL_OK;
}

enum vl_err reputation_check(struct vl_span state, struct vl_span records, uint32_t base_milli, vl_ms now,
                             struct reputation_score *ret, struct vl_node_id *ret_by, struct vl_errmsg *why) {
    struct reputation_state s = { 0 };
    struct evidence *v = NULL;
    uint32_t n = (uint32_t)(records.n / EVIDENCE_BYTES);
    if (records.n % EVIDENCE_BYTES != 0 || records.n / EVIDENCE_BYTES > REPUTATION_KEPT || base_milli == 0 ||
        base_milli >= 1000)
        return vl_errmsg_set(why, VL_EPARSE, "no list of evidence");
    enum vl_err err = reputation_state_decode(state, &s);
    if (err) return vl_errmsg_set(why, err, "the sums are malformed");
    v = calloc(n ? n : 1, sizeof *v);
    err = v ? pieces_open(records, v, n, ret_by, why) : VL_ENOMEM;
    if (err == VL_OK) err = compare(&s, v, n, base_milli, now, ret, why);
    free(v);
    reputation_state_free(&s);
    return err;
}
