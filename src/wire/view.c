#include "wire/view.h"

#include <string.h>

enum { VIEW_VERSION = 1, VIEW_TEXT_MAX = 4096 };

static void put_span(struct vl_writer *w, struct vl_span s) {
    vl_write_u32(w, (uint32_t)s.n);
    vl_write_bytes(w, s.p, s.n);
}

static struct vl_span get_span(struct vl_reader *r) { return vl_read_span(r, vl_read_u32(r)); }

/* Reserves, lets `w` write at the end of `out`, and takes over what was written. */
static enum vl_err open_writer(struct vl_buf *out, size_t room, struct vl_writer *ret) {
    enum vl_err err = vl_buf_reserve(out, room);
    if (err == VL_OK) *ret = vl_writer(out->p + out->len, room);
    return err;
}

static enum vl_err close_writer(struct vl_buf *out, const struct vl_writer *w) {
    if (w->failed) return VL_ERANGE;
    out->len += w->len;
    return VL_OK;
}

enum vl_err job_row_encode(const struct job_row *r, struct vl_buf *out) {
    struct vl_writer w;
    if (r->name.n > VIEW_TEXT_MAX || r->error_text.n > VIEW_TEXT_MAX) return VL_ERANGE;
    enum vl_err err = open_writer(out, 96 + r->name.n + r->error_text.n, &w);
    if (err) return err;
    vl_write_u8(&w, VIEW_VERSION);
    vl_write_u8(&w, r->state);
    vl_write_u8(&w, (uint8_t)r->kind);
    vl_write_u8(&w, (uint8_t)r->priority);
    const uint32_t small[] = { r->replicas, r->attempts, r->total,  r->waiting,
                               r->running,  r->done,     r->failed, r->history };
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) vl_write_u32(&w, small[i]);
    vl_write_u64(&w, r->submitted_ms);
    vl_write_u64(&w, r->started_ms);
    vl_write_u64(&w, r->ended_ms);
    vl_write_u32(&w, (uint32_t)r->error);
    put_span(&w, r->name);
    put_span(&w, r->error_text);
    return close_writer(out, &w);
}

enum vl_err job_row_decode(struct vl_span in, struct job_row *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct job_row row = { 0 };
    uint8_t version = vl_read_u8(&r);
    if (!r.failed && version != VIEW_VERSION) return VL_EVERSION;
    row.state = vl_read_u8(&r);
    row.kind = (enum task_kind)vl_read_u8(&r);
    row.priority = (enum task_priority)vl_read_u8(&r);
    uint32_t *small[] = { &row.replicas, &row.attempts, &row.total,  &row.waiting,
                          &row.running,  &row.done,     &row.failed, &row.history };
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) *small[i] = vl_read_u32(&r);
    row.submitted_ms = vl_read_u64(&r);
    row.started_ms = vl_read_u64(&r);
    row.ended_ms = vl_read_u64(&r);
    row.error = (int32_t)vl_read_u32(&r);
    row.name = get_span(&r);
    row.error_text = get_span(&r);
    enum vl_err err = vl_reader_end(&r);
    if (err) return err;
    *ret = row;
    return VL_OK;
}

enum vl_err task_row_encode(const struct task_row *r, struct vl_buf *out) {
    struct vl_writer w;
    if (r->input.n > VIEW_TEXT_MAX || r->error_text.n > VIEW_TEXT_MAX || r->report.n > VL_MESSAGE_MAX) return VL_ERANGE;
    enum vl_err err = open_writer(out, 96 + r->input.n + r->error_text.n + r->report.n, &w);
    if (err) return err;
    vl_write_u8(&w, VIEW_VERSION);
    vl_write_u8(&w, r->state);
    vl_write_u8(&w, (uint8_t)((r->merge ? 1 : 0) | (r->has_node ? 2 : 0)));
    vl_write_bytes(&w, r->node.b, sizeof r->node.b);
    vl_write_u32(&w, r->attempt);
    vl_write_u64(&w, r->epoch);
    vl_write_u64(&w, r->started_ms);
    vl_write_u64(&w, r->ended_ms);
    vl_write_u32(&w, (uint32_t)r->error);
    put_span(&w, r->input);
    put_span(&w, r->error_text);
    put_span(&w, r->report);
    return close_writer(out, &w);
}

enum vl_err task_row_decode(struct vl_span in, struct task_row *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct task_row row = { 0 };
    uint8_t version = vl_read_u8(&r);
    if (!r.failed && version != VIEW_VERSION) return VL_EVERSION;
    row.state = vl_read_u8(&r);
    uint8_t flags = vl_read_u8(&r);
    row.merge = flags & 1;
    row.has_node = flags & 2;
    vl_read_bytes(&r, row.node.b, sizeof row.node.b);
    row.attempt = vl_read_u32(&r);
    row.epoch = vl_read_u64(&r);
    row.started_ms = vl_read_u64(&r);
    row.ended_ms = vl_read_u64(&r);
    row.error = (int32_t)vl_read_u32(&r);
    row.input = get_span(&r);
    row.error_text = get_span(&r);
    row.report = get_span(&r);
    enum vl_err err = vl_reader_end(&r);
    if (err || flags > 3) return VL_EPARSE;
    *ret = row;
    return VL_OK;
}

enum vl_err topology_row_encode(const struct topology_row *r, struct vl_buf *out) {
    struct vl_writer w;
    if (r->n_links > VL_LINKS_MAX) return VL_ERANGE;
    enum vl_err err = open_writer(out, 64 + 32 * ((size_t)r->n_links + 1), &w);
    if (err) return err;
    vl_write_u8(&w, VIEW_VERSION);
    vl_write_u64(&w, r->at_ms);
    vl_write_u32(&w, r->nodes);
    vl_write_u32(&w, r->active);
    vl_write_u32(&w, r->offline);
    vl_write_bytes(&w, r->self.b, sizeof r->self.b);
    vl_write_u32(&w, r->n_links);
    for (uint32_t i = 0; i < r->n_links; i++) vl_write_bytes(&w, r->links[i].b, sizeof r->links[i].b);
    return close_writer(out, &w);
}

enum vl_err topology_row_decode(struct vl_span in, struct topology_row *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct topology_row row = { 0 };
    uint8_t version = vl_read_u8(&r);
    if (!r.failed && version != VIEW_VERSION) return VL_EVERSION;
    row.at_ms = vl_read_u64(&r);
    row.nodes = vl_read_u32(&r);
    row.active = vl_read_u32(&r);
    row.offline = vl_read_u32(&r);
    vl_read_bytes(&r, row.self.b, sizeof row.self.b);
    row.n_links = vl_read_u32(&r);
    if (row.n_links > VL_LINKS_MAX) return VL_EPARSE;
    row.packed = vl_read_span(&r, 32 * (size_t)row.n_links);
    enum vl_err err = vl_reader_end(&r);
    if (err) return err;
    *ret = row;
    return VL_OK;
}

struct vl_node_id topology_row_link(const struct topology_row *r, uint32_t i) {
    struct vl_node_id id;
    memcpy(id.b, r->packed.p + 32 * (size_t)i, sizeof id.b);
    return id;
}
