/* api_keys.c - keys: how old and how kept, which followed which, which are revoked; rotation and revocation. */
#include "gateway/gateway_priv.h"

#include "base/text.h"
#include "crypto/node_id.h"
#include "wire/armor.h"
#include "wire/cert.h"
#include "wire/succession.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_SHOWN 64u /* statements of one answer, the newest */
#define ARMORED_MAX (4u * (REVOCATIONS_BYTES_MAX + 64u) / 3u + 8192u)

void api_keys(struct gateway *g, struct http_req *r, const struct call *k) {
    struct view_keys v = { 0 };
    struct jw j = api_json(r);
    (void)k;
    g->backend->ops->keys(g->backend->self, &v);
    jw_obj(&j);
    jw_key(&j, "node");
    emit_node_id(&j, v.node);
    jw_put_bool(&j, "sealed", v.sealed);
    jw_put_str(&j, "with", v.with);
    jw_put_ms(&j, "since_ms", v.since_ms);
    jw_put_u64(&j, "age_ms", v.age_ms);
    jw_put_bool(&j, "due", v.due);
    jw_put_bool(&j, "rotating", v.rotating);
    jw_put_bool(&j, "replaceable", v.replaceable);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

static void put_armored(struct jw *j, const char *key, const char *label, struct vl_span bytes) {
    struct vl_buf text;
    vl_buf_init(&text, ARMORED_MAX);
    if (armor_write(label, bytes, &text) == VL_OK && vl_buf_append(&text, "", 1) == VL_OK) jw_put_str(j, key, (const char *)text.p);
    vl_buf_free(&text);
}

void api_key(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    if (node_id_parse(k->param, &id) != VL_OK) {
        api_not_found(r, "No node has this id.");
        return;
    }
    struct vl_span list = g->backend->ops->revocations(g->backend->self);
    struct revocations revoked;
    struct succession s;
    vl_ms at = 0;
    bool is_revoked = list.n > 0 && revocations_decode(list, &revoked) == VL_OK && revocations_find(&revoked, id, &at) > 0;
    struct jw j = api_json(r);
    jw_obj(&j);
    jw_key(&j, "id");
    emit_node_id(&j, id);
    jw_put_bool(&j, "revoked", is_revoked);
    if (is_revoked) jw_put_ms(&j, "revoked_ms", at);
    jw_key(&j, "chain");
    jw_arr(&j);
    for (unsigned i = 0; i < CHAIN_SHOWN && g->backend->ops->succession(g->backend->self, id, &s); i++) {
        uint8_t bytes[SUCCESSION_BYTES];
        succession_encode(&s, bytes);
        jw_obj(&j);
        jw_key(&j, "old");
        emit_node_id(&j, s.old);
        jw_key(&j, "new");
        emit_node_id(&j, s.next);
        jw_put_ms(&j, "at_ms", s.at_ms);
        put_armored(&j, "statement", SUCCESSION_LABEL, vl_span(bytes, sizeof bytes));
        jw_obj_end(&j);
        id = s.old;
    }
    jw_arr_end(&j);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

void api_revocations(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_span list = g->backend->ops->revocations(g->backend->self);
    struct revocations v = { 0 };
    struct jw j = api_json(r);
    (void)k;
    if (list.n > 0 && revocations_decode(list, &v)) v.count = 0;
    jw_obj(&j);
    jw_put_u64(&j, "number", v.number);
    jw_key(&j, "items");
    jw_arr(&j);
    for (uint32_t i = 0; i < v.count; i++) {
        struct revocation one = revocation_at(&v, i);
        jw_obj(&j);
        jw_key(&j, "id");
        emit_node_id(&j, one.node);
        jw_put_u64(&j, "serial", one.serial);
        jw_put_ms(&j, "at_ms", one.at_ms);
        jw_obj_end(&j);
    }
    jw_arr_end(&j);
    if (list.n > 0) put_armored(&j, "signed", "VILLAGE REVOCATIONS", list);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

struct waiting {
    struct gateway *g;
    struct http_req *r;
    struct vl_node_id id;
};

static struct waiting *wait_for(struct gateway *g, struct http_req *r, struct vl_node_id id) {
    struct waiting *w = malloc(sizeof *w);
    if (w)
        *w = (struct waiting){ .g = g, .r = r, .id = id };
    else
        api_error(r, VL_ENOMEM, NULL);
    return w;
}

static void on_rotate(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct waiting w = *(struct waiting *)arg;
    struct vl_node_id next;
    free(arg);
    if (err == VL_OK && bytes.n != sizeof next.b) err = VL_EINTERNAL;
    if (err) {
        api_error(w.r, err, detail);
        return;
    }
    struct jw j = api_json(w.r);
    memcpy(next.b, bytes.p, sizeof next.b);
    jw_obj(&j);
    jw_key(&j, "next");
    emit_node_id(&j, next);
    jw_obj_end(&j);
    api_send(w.g, w.r, 202, &j, NULL);
}

void api_keys_rotate(struct gateway *g, struct http_req *r, const struct call *k) {
    struct waiting *w = wait_for(g, r, (struct vl_node_id){ 0 });
    (void)k;
    if (w == NULL) return;
    enum vl_err err = g->backend->ops->keys_rotate(g->backend->self, on_rotate, w);
    if (err != VL_OK) on_rotate(w, err, NULL, (struct vl_span){ 0 });
}

static void on_revoke(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct waiting w = *(struct waiting *)arg;
    free(arg);
    if (err == VL_OK && bytes.n != 8) err = VL_EINTERNAL;
    if (err) {
        api_error(w.r, err, detail);
        return;
    }
    struct jw j = api_json(w.r);
    jw_obj(&j);
    jw_key(&j, "id");
    emit_node_id(&j, w.id);
    jw_put_bool(&j, "revoked", true);
    jw_put_ms(&j, "at_ms", vl_get_u64(bytes.p));
    jw_obj_end(&j);
    api_send(w.g, w.r, 200, &j, NULL);
}

void api_key_revoke(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    if (node_id_parse(k->param, &id) != VL_OK) {
        api_not_found(r, "No node has this id.");
        return;
    }
    struct waiting *w = wait_for(g, r, id);
    if (w == NULL) return;
    enum vl_err err = g->backend->ops->key_revoke(g->backend->self, id, on_revoke, w);
    if (err != VL_OK) on_revoke(w, err, NULL, (struct vl_span){ 0 });
}
