/* api_anchor.c - heads of the log of receipts on a chain: how it stands, and proofs of it. */
#include "gateway/gateway_priv.h"

#include "trust/anchor_artefact.h"
#include "wire/armor.h"

#include <stdlib.h>
#include <string.h>

static void pending(struct jw *j, const struct view_anchor *v) {
    jw_key(j, "pending");
    if (v->pending_size == 0) {
        jw_null(j);
        return;
    }
    jw_obj(j);
    jw_put_u64(j, "size", v->pending_size);
    jw_put_u64(j, "nonce", v->nonce);
    jw_put_u64(j, "block", v->pending_block);
    jw_put_u64(j, "tries", v->tries);
    jw_put_u64(j, "fee_wei", v->fee);
    jw_obj_end(j);
}

void api_anchor(struct gateway *g, struct http_req *r, const struct call *k) {
    struct view_anchor v;
    struct jw j = api_json(r);
    (void)k;
    g->backend->ops->anchor(g->backend->self, &v);
    jw_obj(&j);
    jw_put_bool(&j, "on", v.on);
    jw_put_u64(&j, "log_size", v.log_size);
    if (v.on) {
        jw_put_str(&j, "state", v.state);
        jw_put_str(&j, "problem", v.problem[0] ? v.problem : NULL);
        jw_put_str(&j, "server", v.server);
        jw_put_u64(&j, "chain", v.chain);
        jw_put_str(&j, "contract", v.contract);
        jw_put_str(&j, "account", v.account);
        jw_put_u64(&j, "confirmations", v.confirmations);
        jw_put_u64(&j, "every_ms", v.every_ms);
        jw_put_u64(&j, "size", v.size);
        jw_put_u64(&j, "block", v.block);
        pending(&j, &v);
        jw_put_u64(&j, "reorgs", v.reorgs);
        jw_put_u64(&j, "anchored", v.anchored);
        jw_put_u64(&j, "sent", v.sent);
        jw_put_u64(&j, "failures", v.failures);
    }
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

struct asked {
    struct gateway *g;
    struct http_req *r;
    uint64_t index;
};

static void show(struct asked *a, const struct view_log *v) {
    struct vl_buf text;
    vl_buf_init(&text, 2 * ANCHOR_ARTEFACT_MAX);
    enum vl_err err = armor_write(ANCHOR_ARTEFACT_LABEL, v->artefact, &text);
    if (err) {
        api_error(a->r, err, NULL);
    } else {
        struct jw j = api_json(a->r);
        jw_obj(&j);
        if (a->index != UINT64_MAX) jw_put_u64(&j, "index", a->index);
        jw_put_u64(&j, "size", v->size);
        jw_put_hex(&j, "root", v->root.b, sizeof v->root.b);
        jw_put_ms(&j, "time_ms", v->time_ms);
        jw_key(&j, "artefact");
        jw_strn(&j, (const char *)text.p, text.len);
        jw_obj_end(&j);
        api_send(a->g, a->r, 200, &j, NULL);
    }
    vl_buf_free(&text);
}

static void on_proof(void *arg, enum vl_err err, const char *detail, const struct view_log *v) {
    struct asked *a = arg;
    if (err == VL_ENOTFOUND)
        api_not_found(a->r, "No head with this receipt is on a chain yet.");
    else if (err != VL_OK)
        api_error(a->r, err, detail);
    else
        show(a, v);
    free(a);
}

void api_anchor_proof(struct gateway *g, struct http_req *r, const struct call *k) {
    struct backend_log_query q = { .kind = BACKEND_LOG_ANCHOR, .index = UINT64_MAX };
    size_t n = strspn(k->param, "0123456789");
    if (strcmp(k->param, "newest") != 0) {
        if (n == 0 || n > 15 || k->param[n] != '\0') {
            api_not_found(r, "A receipt of the log is named by its number, from 0; the newest head by `newest`.");
            return;
        }
        q.index = strtoull(k->param, NULL, 10);
    }
    struct asked *a = malloc(sizeof *a);
    if (a == NULL) {
        api_error(r, VL_ENOMEM, NULL);
        return;
    }
    *a = (struct asked){ .g = g, .r = r, .index = q.index };
    enum vl_err err = g->backend->ops->log(g->backend->self, &q, on_proof, a);
    if (err != VL_OK) on_proof(a, err, NULL, NULL);
}
