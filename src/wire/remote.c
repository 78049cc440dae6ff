#include "wire/remote.h"

#include "wire/pack.h"

#include <string.h>

enum {
    TAG_SUBMIT = 0x60,
    TAG_DATA = 0x61,
    TAG_MISSING = 0x62,
    TAG_NEWS = 0x63,
    TAG_TASK = 0x64,
    TAG_CANCEL = 0x65,
    TAG_RECORD = 0x66,
};
enum { VERSION = 1 };

uint32_t remote_piece_size(uint32_t total, uint32_t offset) {
    return total - offset < REMOTE_PIECE ? total - offset : REMOTE_PIECE;
}

struct vl_hash remote_hash_at(const struct remote_missing *m, uint32_t i) {
    struct vl_hash h;
    memcpy(h.b, m->hashes.p + (size_t)i * sizeof h.b, sizeof h.b);
    return h;
}

static void filled(struct pack *w, struct vl_span s, size_t max) {
    if (s.n == 0 || s.n > max) pack_fail(w, VL_ERANGE);
    pack_span32(w, s);
}

static struct vl_span unpack_filled(struct vl_reader *r, size_t max) {
    struct vl_span s = unpack_span32(r, max);
    unpack_require(r, s.n > 0);
    return s;
}

enum vl_err remote_submit_encode(const struct remote_submit *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_SUBMIT, VERSION);
    pack_bytes(&w, m->job.b, sizeof m->job.b);
    filled(&w, m->spec, REMOTE_SPEC_MAX);
    return pack_end(&w);
}

enum vl_err remote_submit_decode(struct vl_span in, struct remote_submit *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_SUBMIT, VERSION);
    if (err) return err;
    struct remote_submit m = { .job = unpack_job(&r) };
    m.spec = unpack_filled(&r, REMOTE_SPEC_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

static bool data_ok(const struct remote_data *m) {
    return m->total >= 1 && m->total <= REMOTE_DATA_MAX && m->offset < m->total && m->offset % REMOTE_PIECE == 0 &&
           m->bytes.n == remote_piece_size(m->total, m->offset);
}

enum vl_err remote_data_encode(const struct remote_data *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_DATA, VERSION);
    if (!data_ok(m)) pack_fail(&w, VL_ERANGE);
    pack_bytes(&w, m->hash.b, sizeof m->hash.b);
    pack_u32(&w, m->total);
    pack_u32(&w, m->offset);
    pack_bytes(&w, m->bytes.p, m->bytes.n); /* its length follows from the two before */
    return pack_end(&w);
}

enum vl_err remote_data_decode(struct vl_span in, struct remote_data *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_DATA, VERSION);
    if (err) return err;
    struct remote_data m = { .hash = unpack_hash(&r) };
    m.total = vl_read_u32(&r);
    m.offset = vl_read_u32(&r);
    m.bytes = vl_span(r.p, r.failed ? 0 : r.n);
    if (r.failed || !data_ok(&m)) return VL_EPARSE;
    *ret = m;
    return VL_OK;
}

static bool hashes_ok(const struct remote_missing *m) {
    if (m->n > REMOTE_HASHES_MAX || m->hashes.n != (size_t)m->n * sizeof(struct vl_hash)) return false;
    for (uint32_t i = 1; i < m->n; i++)
        if (memcmp(m->hashes.p + (size_t)(i - 1) * 32, m->hashes.p + (size_t)i * 32, 32) >= 0) return false;
    return true;
}

enum vl_err remote_missing_encode(const struct remote_missing *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_MISSING, VERSION);
    if (!hashes_ok(m)) pack_fail(&w, VL_ERANGE);
    pack_bytes(&w, m->job.b, sizeof m->job.b);
    pack_u16(&w, (uint16_t)m->n);
    pack_bytes(&w, m->hashes.p, m->hashes.n);
    return pack_end(&w);
}

enum vl_err remote_missing_decode(struct vl_span in, struct remote_missing *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_MISSING, VERSION);
    if (err) return err;
    struct remote_missing m = { .job = unpack_job(&r) };
    m.n = vl_read_u16(&r);
    m.hashes = vl_read_span(&r, (size_t)m.n * sizeof(struct vl_hash));
    if (vl_reader_end(&r) || !hashes_ok(&m)) return VL_EPARSE;
    *ret = m;
    return VL_OK;
}

enum vl_err remote_news_encode(const struct remote_news *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_NEWS, VERSION);
    pack_bytes(&w, m->job.b, sizeof m->job.b);
    pack_u64(&w, m->seq);
    filled(&w, m->row, REMOTE_ROW_MAX);
    return pack_end(&w);
}

enum vl_err remote_news_decode(struct vl_span in, struct remote_news *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_NEWS, VERSION);
    if (err) return err;
    struct remote_news m = { .job = unpack_job(&r) };
    m.seq = vl_read_u64(&r);
    m.row = unpack_filled(&r, REMOTE_ROW_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

enum vl_err remote_task_encode(const struct remote_task *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_TASK, VERSION);
    if (m->index >= REMOTE_ROWS_MAX) pack_fail(&w, VL_ERANGE);
    pack_bytes(&w, m->job.b, sizeof m->job.b);
    pack_u32(&w, m->index);
    filled(&w, m->row, REMOTE_ROW_MAX);
    return pack_end(&w);
}

enum vl_err remote_task_decode(struct vl_span in, struct remote_task *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_TASK, VERSION);
    if (err) return err;
    struct remote_task m = { .job = unpack_job(&r) };
    m.index = unpack_u32_in(&r, 0, REMOTE_ROWS_MAX - 1);
    m.row = unpack_filled(&r, REMOTE_ROW_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

enum vl_err remote_cancel_encode(const struct remote_cancel *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_CANCEL, VERSION);
    pack_bytes(&w, m->job.b, sizeof m->job.b);
    return pack_end(&w);
}

enum vl_err remote_cancel_decode(struct vl_span in, struct remote_cancel *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_CANCEL, VERSION);
    if (err) return err;
    struct remote_cancel m = { .job = unpack_job(&r) };
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

static bool record_ok(const struct remote_record *m) {
    return m->state >= REMOTE_SUBMITTING && m->state <= REMOTE_ENDED && (unsigned)m->level < MIX_LEVELS &&
           m->spec.n <= REMOTE_SPEC_MAX && m->row.n <= REMOTE_ROW_MAX &&
           (m->state != REMOTE_SUBMITTING || m->spec.n > 0) && (m->state != REMOTE_ENDED || m->spec.n == 0) &&
           (m->state == REMOTE_FETCHING) == (m->row.n > 0);
}

enum vl_err remote_record_encode(const struct remote_record *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_RECORD, VERSION);
    if (!record_ok(m)) pack_fail(&w, VL_ERANGE);
    pack_u8(&w, (uint8_t)m->state);
    pack_u8(&w, (uint8_t)m->level);
    pack_bool(&w, m->cancel);
    pack_bool(&w, m->unanswered);
    pack_bytes(&w, m->peer.b, sizeof m->peer.b);
    pack_u64(&w, m->at_ms);
    pack_span32(&w, m->spec);
    pack_span32(&w, m->row);
    return pack_end(&w);
}

enum vl_err remote_record_decode(struct vl_span in, struct remote_record *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_RECORD, VERSION);
    if (err) return err;
    struct remote_record m = { .state = (enum remote_state)vl_read_u8(&r) };
    m.level = (enum mix_level)vl_read_u8(&r);
    m.cancel = unpack_bool(&r);
    m.unanswered = unpack_bool(&r);
    m.peer = unpack_node(&r);
    m.at_ms = vl_read_u64(&r);
    m.spec = unpack_span32(&r, REMOTE_SPEC_MAX);
    m.row = unpack_span32(&r, REMOTE_ROW_MAX);
    if (vl_reader_end(&r) || !record_ok(&m)) return VL_EPARSE;
    *ret = m;
    return VL_OK;
}
