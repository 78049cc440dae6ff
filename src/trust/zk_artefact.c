#include "trust/zk_artefact.h"

#include "wire/pack.h"

#include <stdlib.h>

#define TAG 0xc8
#define VERSION 1
#define PROOF_MAX (64u << 10)

bool zk_context_ok(const struct zk_context *c) {
    size_t n = strnlen(c->purpose, sizeof c->purpose);
    if (n == 0 || n == sizeof c->purpose || c->epoch > INT64_MAX) return false; /* what JSON can say */
    for (size_t i = 0; i < n; i++)
        if (c->purpose[i] < 0x20 || c->purpose[i] > 0x7e) return false;
    return true;
}

bool zk_context_eq(const struct zk_context *a, const struct zk_context *b) {
    return vl_node_eq(a->verifier, b->verifier) && strncmp(a->purpose, b->purpose, sizeof a->purpose) == 0 &&
           memcmp(a->nonce, b->nonce, sizeof a->nonce) == 0 && a->epoch == b->epoch;
}

enum vl_err zk_artefact_write(const struct zk_artefact *a, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG, VERSION);
    pack_span16(&w, a->text);
    pack_u8(&w, (uint8_t)a->n_sets);
    for (unsigned i = 0; i < a->n_sets; i++) pack_span32(&w, a->set[i]);
    pack_span16(&w, a->credential);
    pack_bytes(&w, a->context.verifier.b, 32);
    pack_span8(&w, vl_span_str(a->context.purpose));
    pack_bytes(&w, a->context.nonce, 32);
    pack_u64(&w, a->context.epoch);
    pack_u8(&w, (uint8_t)a->n_own);
    for (unsigned i = 0; i < a->n_own; i++) pack_bytes(&w, a->own[i], 32);
    pack_bool(&w, a->has_holder);
    if (a->has_holder) pack_bytes(&w, a->holder, sizeof a->holder);
    pack_span32(&w, a->proof);
    return pack_end(&w);
}

enum vl_err zk_artefact_read(struct vl_span in, struct zk_artefact *ret) {
    struct zk_artefact a = { .n_sets = 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    if (in.n > ZK_ARTEFACT_MAX) return VL_ELIMIT;
    enum vl_err err = unpack_message(&r, TAG, VERSION);
    if (err != VL_OK) return err;
    a.text = unpack_span16(&r, ZK_TEXT_MAX);
    a.n_sets = unpack_u8_in(&r, 0, ZK_SETS_MAX);
    for (unsigned i = 0; i < a.n_sets && !r.failed; i++) a.set[i] = unpack_span32(&r, 8 * ZK_SET_SIZE_MAX);
    a.credential = unpack_span16(&r, ZK_CREDENTIAL_MAX);
    vl_read_bytes(&r, a.context.verifier.b, 32);
    unpack_ascii8(&r, a.context.purpose, sizeof a.context.purpose);
    vl_read_bytes(&r, a.context.nonce, 32);
    a.context.epoch = vl_read_u64(&r);
    a.n_own = unpack_u8_in(&r, 0, ZK_ATTRS_MAX);
    for (unsigned i = 0; i < a.n_own; i++) vl_read_bytes(&r, a.own[i], 32);
    a.has_holder = unpack_bool(&r);
    if (a.has_holder) vl_read_bytes(&r, a.holder, sizeof a.holder);
    a.proof = unpack_span32(&r, PROOF_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK && !zk_context_ok(&a.context)) err = VL_EPARSE;
    if (err == VL_OK) *ret = a;
    return err;
}

enum vl_err zk_artefact_put_set(const struct zk_set *s, struct vl_buf *out) {
    struct pack w = pack_begin(out);
    for (uint32_t i = 0; i < s->n; i++) pack_u64(&w, (uint64_t)s->v[i]);
    return pack_end(&w);
}

enum vl_err zk_artefact_get_set(struct vl_span in, struct zk_set **ret) {
    size_t n = in.n / 8;
    if (n == 0 || n * 8 != in.n || n > ZK_SET_SIZE_MAX) return VL_EPARSE;
    int64_t *v = calloc(n, sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < n && err == VL_OK; i++) {
        uint64_t k = vl_get_u64(in.p + 8 * i);
        v[i] = (int64_t)(k & INT64_MAX);
        if (k > (uint64_t)ZK_NUMBER_MAX || (i > 0 && v[i] <= v[i - 1])) err = VL_EPARSE;
    }
    if (err == VL_OK) err = zk_set_make(v, (uint32_t)n, ret);
    free(v);
    return err;
}

enum vl_err zk_artefact_text(struct vl_span artefact, struct vl_span *ret) {
    struct zk_artefact a;
    enum vl_err err = zk_artefact_read(artefact, &a);
    if (err == VL_OK) *ret = a.text;
    return err;
}
