/* api_reputation.c - reputations, and the evidence from which anyone can compute them. */
#include "gateway/gateway_priv.h"

#include "crypto/node_id.h"
#include "trust/reputation.h"

#include <stdio.h>
#include <string.h>

/* jw_hex() is for ids. */
static void put_long_hex(struct jw *j, const char *key, struct vl_span bytes) {
    static const char digits[] = "0123456789abcdef";
    struct vl_buf text;
    vl_buf_init(&text, 2 * bytes.n + 2);
    jw_key(j, key);
    if (vl_buf_reserve(&text, 2 * bytes.n + 2)) {
        j->failed = true;
        return;
    }
    text.p[text.len++] = '"';
    for (size_t i = 0; i < bytes.n; i++) {
        text.p[text.len++] = (uint8_t)digits[bytes.p[i] >> 4];
        text.p[text.len++] = (uint8_t)digits[bytes.p[i] & 15];
    }
    text.p[text.len++] = '"';
    jw_raw(j, (const char *)text.p, text.len);
    vl_buf_free(&text);
}

static void put_dimensions(struct jw *j, const struct reputation_score *s) {
    jw_key(j, "dimensions");
    jw_obj(j);
    for (unsigned d = 0; d < REPUTATION_DIMS; d++) {
        const struct reputation_beta *b = &s->dim[d];
        jw_key(j, reputation_dim_text((enum reputation_dim)d));
        jw_obj(j);
        jw_put_u64(j, "good_micro", b->good_micro);
        jw_put_u64(j, "bad_micro", b->bad_micro);
        jw_put_u64(j, "expect_ppm", b->expect_ppm);
        jw_put_u64(j, "sd_ppm", b->sd_ppm);
        jw_put_u64(j, "lower_ppm", b->lower_ppm);
        jw_put_u64(j, "upper_ppm", b->upper_ppm);
        jw_put_u64(j, "belief_ppm", b->belief_ppm);
        jw_put_u64(j, "disbelief_ppm", b->disbelief_ppm);
        jw_put_u64(j, "doubt_ppm", b->doubt_ppm);
        jw_obj_end(j);
    }
    jw_obj_end(j);
}

static void put_score(struct jw *j, const struct view_reputation *v) {
    const struct reputation_score *s = v->score;
    jw_key(j, "id");
    emit_node_id(j, v->id);
    jw_put_str(j, "name", v->name);
    jw_put_bool(j, "trusted", s->trusted);
    jw_put_bool(j, "flagged", s->flagged);
    jw_put_u64(j, "trust_ppm", s->trust_ppm);
    jw_put_u64(j, "doubt_ppm", s->doubt_ppm);
    jw_put_u64(j, "error_ppm", s->error_ppm);
    jw_put_u64(j, "base_milli", v->base_milli);
    jw_put_u64(j, "pieces", s->pieces);
    jw_put_ms(j, "at_ms", s->at_ms);
    put_dimensions(j, s);
}

static void score_item(void *arg, const struct view_reputation *v) {
    struct page *p = arg;
    if (!page_takes(p, v->id.b, sizeof v->id.b)) return;
    jw_obj(&p->j);
    put_score(&p->j, v);
    jw_obj_end(&p->j);
}

void api_reputations(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id after;
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    if (!page_cursor(g, r, k, CURSOR_REPUTATIONS, sizeof after.b, key, &n)) return;
    if (n > 0) memcpy(after.b, key, sizeof after.b);
    struct page p = page_begin(r, k);
    g->backend->ops->reputations(g->backend->self, n ? &after : NULL, k->limit + 1, score_item, &p);
    page_send(g, r, &p, CURSOR_REPUTATIONS);
}

/* ---- one node ---- */

/* Sums as text: they need all of 64 bits, which JSON's readers do not promise. */
static void put_folded(struct jw *j, const struct reputation_state *s) {
    jw_key(j, "folded");
    jw_obj(j);
    jw_put_u64(j, "pieces", s->folded);
    jw_put_hex(j, "head", s->folded_head.b, sizeof s->folded_head.b);
    jw_key(j, "sums");
    jw_arr(j);
    for (uint32_t i = 0; i < s->n_cells && s->cells[i].part == 0; i++) {
        char sum[24];
        snprintf(sum, sizeof sum, "%llu", (unsigned long long)s->cells[i].sum);
        jw_obj(j);
        jw_put_str(j, "dimension", reputation_dim_text((enum reputation_dim)(s->cells[i].slot / 2)));
        jw_put_bool(j, "good", s->cells[i].slot % 2 == 0);
        jw_put_u64(j, "half_life", s->cells[i].epoch);
        jw_put_str(j, "sum", sum);
        jw_obj_end(j);
    }
    jw_arr_end(j);
    jw_obj_end(j);
}

struct one {
    struct page page;
    bool open;
};

static void one_head(void *arg, const struct view_reputation *v) {
    struct one *o = arg;
    struct jw *j = &o->page.j;
    struct vl_buf buf;
    put_score(j, v);
    vl_buf_init(&buf, REPUTATION_RECORD_MAX);
    if (v->state) {
        jw_put_hex(j, "head", v->state->head.b, sizeof v->state->head.b);
        put_folded(j, v->state);
        if (reputation_state_encode(v->state, &buf))
            j->failed = true;
        else
            put_long_hex(j, "state", vl_span(buf.p, buf.len));
    } else {
        jw_put_str(j, "head", NULL);
        jw_put_str(j, "folded", NULL);
        jw_put_str(j, "state", NULL);
    }
    vl_buf_free(&buf);
    jw_key(j, "items");
    jw_arr(j);
    o->open = true;
}

static void one_piece(void *arg, const struct evidence *e) {
    struct one *o = arg;
    struct jw *j = &o->page.j;
    struct vl_buf buf;
    uint8_t key[8];
    static const struct vl_job_id none;
    vl_put_u64(key, e->seq);
    if (!page_takes(&o->page, key, sizeof key)) return;
    jw_obj(j);
    jw_put_u64(j, "seq", e->seq);
    jw_put_str(j, "kind", evidence_kind_text(e->kind));
    jw_put_u64(j, "weight_milli", e->weight_milli);
    jw_put_ms(j, "at_ms", e->at_ms);
    if (vl_job_eq(e->job, none)) {
        jw_put_str(j, "job", NULL);
    } else {
        jw_put_hex(j, "job", e->job.b, sizeof e->job.b);
        jw_put_u64(j, "task", e->task);
        jw_put_u64(j, "epoch", e->epoch);
        jw_put_hex(j, "receipt", e->receipt.b, sizeof e->receipt.b);
    }
    jw_key(j, "by");
    emit_node_id(j, e->by);
    vl_buf_init(&buf, EVIDENCE_BYTES);
    if (evidence_encode(e, &buf))
        j->failed = true;
    else
        put_long_hex(j, "record", vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
    jw_obj_end(j);
}

void api_reputation(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    if (node_id_parse(k->param, &id) != VL_OK) {
        api_not_found(r, "No node has this id.");
        return;
    }
    if (!page_cursor(g, r, k, CURSOR_EVIDENCE, 8, key, &n)) return;
    struct one o = { .page = { .j = api_json(r), .left = k->limit } };
    jw_obj(&o.page.j);
    enum vl_err err = g->backend->ops->reputation(g->backend->self, id, n ? vl_get_u64(key) : 0, k->limit + 1, one_head,
                                                  one_piece, &o);
    if (err == VL_EUNSUPPORTED)
        api_error(r, err, "Reputations are kept by the coordinator: ask its gateway.");
    else if (err == VL_ENOTFOUND && !o.open)
        api_not_found(r, "No node has this id.");
    else if (err)
        api_error(r, err, NULL);
    else
        page_send(g, r, &o.page, CURSOR_EVIDENCE);
}
