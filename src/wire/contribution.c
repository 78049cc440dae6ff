#include "wire/contribution.h"

#include "wire/pack.h"

enum { TAG_CONTRIBUTION = 0x42, TAG_ROW = 0x43, VERSION = 1 };

bool contribution_ok(const struct contribution *c) {
    return c->start_ms > 0 && c->start_ms <= c->end_ms && c->end_ms != VL_MS_NEVER && c->frozen_ms <= c->end_ms - c->start_ms &&
           c->throttled_ms <= c->end_ms - c->start_ms;
}

static void fields_pack(struct pack *w, const struct contribution *c) {
    if (!contribution_ok(c)) pack_fail(w, VL_ERANGE);
    pack_u64(w, c->start_ms);
    pack_u64(w, c->end_ms);
    pack_bool(w, c->open);
    pack_u64(w, c->cpu_us);
    pack_u64(w, c->gpu_us);
    pack_u64(w, c->memory_byte_s);
    pack_u64(w, c->storage_bytes);
    pack_u64(w, c->network_bytes);
    pack_u32(w, c->done);
    pack_u32(w, c->failed);
    pack_u32(w, c->handed_back);
    pack_u64(w, c->frozen_ms);
    pack_u64(w, c->throttled_ms);
}

static struct contribution fields_unpack(struct vl_reader *r) {
    struct contribution c = { .start_ms = vl_read_u64(r) };
    c.end_ms = vl_read_u64(r);
    c.open = unpack_bool(r);
    c.cpu_us = vl_read_u64(r);
    c.gpu_us = vl_read_u64(r);
    c.memory_byte_s = vl_read_u64(r);
    c.storage_bytes = vl_read_u64(r);
    c.network_bytes = vl_read_u64(r);
    c.done = vl_read_u32(r);
    c.failed = vl_read_u32(r);
    c.handed_back = vl_read_u32(r);
    c.frozen_ms = vl_read_u64(r);
    c.throttled_ms = vl_read_u64(r);
    unpack_require(r, contribution_ok(&c));
    return c;
}

enum vl_err contribution_encode(const struct contribution *c, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_CONTRIBUTION, VERSION);
    fields_pack(&w, c);
    return pack_end(&w);
}

enum vl_err contribution_decode(struct vl_span in, struct contribution *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_CONTRIBUTION, VERSION);
    if (err) return err;
    struct contribution c = fields_unpack(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = c;
    return err;
}

enum vl_err contribution_row_encode(const struct contribution_row *row, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_ROW, VERSION);
    fields_pack(&w, &row->claimed);
    pack_u64(&w, row->receipts_cpu_us);
    pack_u32(&w, row->receipts);
    pack_u64(&w, row->believed_cpu_us);
    return pack_end(&w);
}

enum vl_err contribution_row_decode(struct vl_span in, struct contribution_row *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_ROW, VERSION);
    if (err) return err;
    struct contribution_row row = { .claimed = fields_unpack(&r) };
    row.receipts_cpu_us = vl_read_u64(&r);
    row.receipts = vl_read_u32(&r);
    row.believed_cpu_us = vl_read_u64(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = row;
    return err;
}
