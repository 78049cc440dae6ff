#include "wire/view.h"

#include "wire/pack.h"

#include <string.h>

/* Rows have no tag: their table names them. */
enum { VIEW_VERSION = 2, VIEW_TEXT_MAX = 4096 };

static struct vl_span get_span(struct vl_reader *r) { return vl_read_span(r, vl_read_u32(r)); }

enum vl_err job_row_encode(const struct job_row *r, struct vl_buf *out) {
    if (r->name.n > VIEW_TEXT_MAX || r->error_text.n > VIEW_TEXT_MAX) return VL_ERANGE;
    struct pack w = pack_begin(out);
    pack_u8(&w, VIEW_VERSION);
    pack_u8(&w, r->state);
    pack_u8(&w, (uint8_t)r->kind);
    pack_u8(&w, (uint8_t)r->priority);
    const uint32_t small[] = { r->replicas, r->attempts, r->total,  r->waiting,
                               r->running,  r->done,     r->failed, r->history };
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) pack_u32(&w, small[i]);
    pack_u8(&w, r->waits);
    pack_u64(&w, r->submitted_ms);
    pack_u64(&w, r->started_ms);
    pack_u64(&w, r->ended_ms);
    pack_u32(&w, (uint32_t)r->error);
    pack_span32(&w, r->name);
    pack_span32(&w, r->error_text);
    return pack_end(&w);
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
    row.waits = vl_read_u8(&r);
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
    if (r->input.n > VIEW_TEXT_MAX || r->error_text.n > VIEW_TEXT_MAX || r->report.n > VL_MESSAGE_MAX) return VL_ERANGE;
    struct pack w = pack_begin(out);
    pack_u8(&w, VIEW_VERSION);
    pack_u8(&w, r->state);
    pack_u8(&w, (uint8_t)((r->merge ? 1 : 0) | (r->has_node ? 2 : 0)));
    pack_bytes(&w, r->node.b, sizeof r->node.b);
    pack_u32(&w, r->attempt);
    pack_u64(&w, r->epoch);
    pack_u64(&w, r->batch);
    pack_u64(&w, r->started_ms);
    pack_u64(&w, r->ended_ms);
    pack_u32(&w, (uint32_t)r->error);
    pack_span32(&w, r->input);
    pack_span32(&w, r->error_text);
    pack_span32(&w, r->report);
    return pack_end(&w);
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
    row.batch = vl_read_u64(&r);
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
    if (r->n_links > VL_LINKS_MAX) return VL_ERANGE;
    struct pack w = pack_begin(out);
    pack_u8(&w, VIEW_VERSION);
    pack_u64(&w, r->at_ms);
    pack_u32(&w, r->nodes);
    pack_u32(&w, r->active);
    pack_u32(&w, r->offline);
    pack_bytes(&w, r->self.b, sizeof r->self.b);
    pack_u32(&w, r->n_links);
    for (uint32_t i = 0; i < r->n_links; i++) pack_bytes(&w, r->links[i].b, sizeof r->links[i].b);
    return pack_end(&w);
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
