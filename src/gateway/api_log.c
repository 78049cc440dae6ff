/* api_log.c - the log of receipts: its signed head, leaves with proofs, and where a job's receipts are in it. */
#include "gateway/gateway_priv.h"

#include "base/text.h"
#include "crypto/node_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
    struct gateway *g;
    struct http_req *r;
    struct backend_log_query q;
};

static void emit_base64(struct jw *j, const char *key, struct vl_span bytes) {
    char text[VL_BASE64_SIZE(1024)];
    jw_key(j, key);
    if (bytes.n > 1024) {
        jw_null(j);
        return;
    }
    vl_base64_encode(bytes.p, bytes.n, text);
    jw_str(j, text);
}

static void on_log(void *arg, enum vl_err err, const char *detail, const struct view_log *v) {
    struct asked *a = arg;
    if (err == VL_ENOTFOUND) {
        api_not_found(a->r, "The log of receipts does not reach that far.");
    } else if (err != VL_OK) {
        api_error(a->r, err, detail);
    } else {
        struct jw j = api_json(a->r);
        jw_obj(&j);
        if (a->q.kind == BACKEND_LOG_LEAF) {
            jw_put_u64(&j, "index", v->index);
            emit_base64(&j, "leaf", v->leaf);
        } else if (a->q.kind == BACKEND_LOG_CONSISTENCY) {
            jw_put_u64(&j, "first", a->q.first);
            jw_put_u64(&j, "second", a->q.second);
        }
        if (a->q.kind != BACKEND_LOG_HEAD) {
            jw_key(&j, "proof");
            jw_arr(&j);
            for (uint32_t i = 0; i < v->proof_n; i++) jw_hex(&j, v->proof[i].b, sizeof v->proof[i].b);
            jw_arr_end(&j);
        }
        jw_put_u64(&j, "size", v->size);
        jw_put_hex(&j, "root", v->root.b, sizeof v->root.b);
        jw_put_ms(&j, "time_ms", v->time_ms);
        jw_key(&j, "signer");
        emit_node_id(&j, v->signer);
        jw_put_str(&j, "checkpoint", v->text);
        jw_obj_end(&j);
        api_send(a->g, a->r, 200, &j, NULL);
    }
    free(a);
}

static void ask(struct gateway *g, struct http_req *r, struct backend_log_query q) {
    struct asked *a = malloc(sizeof *a);
    if (a == NULL) {
        api_error(r, VL_ENOMEM, NULL);
        return;
    }
    *a = (struct asked){ .g = g, .r = r, .q = q };
    enum vl_err err = g->backend->ops->log(g->backend->self, &q, on_log, a);
    if (err != VL_OK) on_log(a, err, NULL, NULL);
}

void api_log(struct gateway *g, struct http_req *r, const struct call *k) {
    (void)k;
    ask(g, r, (struct backend_log_query){ .kind = BACKEND_LOG_HEAD });
}

/* Decimal digits up to `stop`; the rest in *ret_rest. */
static bool number(const char *s, char stop, uint64_t *ret, const char **ret_rest) {
    uint64_t v = 0;
    const char *at = s;
    for (; *at >= '0' && *at <= '9' && at - s < 16; at++) v = v * 10 + (uint64_t)(*at - '0');
    if (at == s || *at != stop) return false;
    *ret = v;
    *ret_rest = at + (stop != '\0');
    return true;
}

void api_log_leaf(struct gateway *g, struct http_req *r, const struct call *k) {
    struct backend_log_query q = { .kind = BACKEND_LOG_LEAF };
    const char *rest;
    if (number(k->param, '\0', &q.index, &rest))
        ask(g, r, q);
    else
        api_not_found(r, "A leaf of the log is named by its number, from 0.");
}

void api_log_consistency(struct gateway *g, struct http_req *r, const struct call *k) {
    struct backend_log_query q = { .kind = BACKEND_LOG_CONSISTENCY };
    const char *rest = k->text;
    if (number(rest, '-', &q.first, &rest) && number(rest, '\0', &q.second, &rest) && q.first > 0 && q.first <= q.second) {
        ask(g, r, q);
        return;
    }
    struct schema_errors e = { 0 };
    schema_error_add(&e, "?sizes", "two sizes of the log such as 70-100, the smaller first, from 1");
    api_problem(r, 400, "bad_request", "A parameter is wrong.", NULL, &e);
}

static void receipt_item(void *arg, uint64_t run, uint32_t task, uint64_t epoch, uint64_t index) {
    struct page *p = arg;
    uint8_t key[8];
    vl_put_u64(key, run);
    if (!page_takes(p, key, sizeof key)) return;
    jw_obj(&p->j);
    jw_put_u64(&p->j, "task", task);
    jw_put_u64(&p->j, "epoch", epoch);
    jw_put_u64(&p->j, "index", index);
    jw_obj_end(&p->j);
}

void api_job_receipts(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id id;
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    if (job_id_parse(k->param, &id) != VL_OK) {
        api_not_found(r, "No job has this id.");
        return;
    }
    if (!page_cursor(g, r, k, CURSOR_RECEIPTS, 8, key, &n)) return;
    struct page p = page_begin(r, k);
    enum vl_err err = g->backend->ops->receipts(g->backend->self, id, n ? vl_get_u64(key) : 0, k->limit + 1, receipt_item, &p);
    if (err == VL_OK)
        page_send(g, r, &p, CURSOR_RECEIPTS);
    else
        api_error(r, err, err == VL_ENOTFOUND ? "No job has this id." : NULL);
}
