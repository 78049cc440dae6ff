#include "wire/witness.h"

#include "wire/pack.h"

#include <string.h>

enum { TAG_HEAD = 0x95, TAG_ANSWER = 0x96, VERSION = 1 };

static bool head_ok(const struct witness_head *m) {
    return m->n <= WITNESS_PROOF_MAX && m->text.n > 0 && m->text.n <= WITNESS_HEAD_MAX && (m->old_size > 0 || m->n == 0);
}

enum vl_err witness_head_encode(const struct witness_head *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_HEAD, VERSION);
    if (!head_ok(m)) {
        pack_fail(&w, VL_ERANGE);
        return pack_end(&w);
    }
    pack_u64(&w, m->old_size);
    pack_u8(&w, (uint8_t)m->n);
    for (uint32_t i = 0; i < m->n; i++) pack_bytes(&w, m->proof[i].b, 32);
    pack_span16(&w, m->text);
    return pack_end(&w);
}

enum vl_err witness_head_decode(struct vl_span in, struct witness_head *ret) {
    struct witness_head m = { .n = 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_HEAD, VERSION);
    if (err) return err;
    m.old_size = vl_read_u64(&r);
    m.n = unpack_u8_in(&r, 0, WITNESS_PROOF_MAX);
    for (uint32_t i = 0; i < m.n; i++) m.proof[i] = unpack_hash(&r);
    m.text = unpack_span16(&r, WITNESS_HEAD_MAX);
    unpack_require(&r, r.failed || head_ok(&m));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

static bool answer_ok(const struct witness_answer *m) {
    static const uint8_t none[64];
    if (m->size == 0) return false;
    if (m->what == WITNESS_SIGNED) return m->time_s > 0;
    return (m->what == WITNESS_AHEAD || m->what == WITNESS_REFUSED) && m->time_s == 0 && memcmp(m->signature, none, sizeof none) == 0;
}

enum vl_err witness_answer_encode(const struct witness_answer *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_ANSWER, VERSION);
    if (!answer_ok(m)) pack_fail(&w, VL_ERANGE);
    pack_u8(&w, (uint8_t)m->what);
    pack_u64(&w, m->size);
    pack_u64(&w, m->time_s);
    pack_bytes(&w, m->signature, sizeof m->signature);
    return pack_end(&w);
}

enum vl_err witness_answer_decode(struct vl_span in, struct witness_answer *ret) {
    struct witness_answer m;
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_ANSWER, VERSION);
    if (err) return err;
    m.what = (enum witness_answer_kind)unpack_u8_in(&r, WITNESS_SIGNED, WITNESS_REFUSED);
    m.size = vl_read_u64(&r);
    m.time_s = vl_read_u64(&r);
    vl_read_bytes(&r, m.signature, sizeof m.signature);
    unpack_require(&r, r.failed || answer_ok(&m));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}
