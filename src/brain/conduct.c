/* What reports say of a node's conduct: breaker and belief in its claim (fog/registry.h); and their rows. */
#include "brain/priv.h"

uint64_t conduct_limit(const struct brain *b, const struct task_report *r) {
    struct job_view v;
    struct job_spec spec;
    if (r->outcome != TASK_FAILED || r->error != VL_ENOMEM) return 0; /* asked for seldom: it reopens the description */
    if (!job_book_job(b->jobs, r->job, &v) || job_spec_reopen(v.spec, &spec)) return 0;
    return spec.limits.memory_bytes;
}

/* No room for what is within the claim: refused for it, or killed for memory well below the task's own limit, which only
 * a machine that is itself out of memory does. */
static bool lacked(const struct task_report *r, uint64_t limit, bool *ret_memory) {
    *ret_memory = r->error == VL_ENOMEM;
    if (r->outcome == TASK_FAILED) return *ret_memory && limit > 0 && r->peak_bytes < limit - limit / 8;
    return r->outcome == TASK_REFUSED && (*ret_memory || r->error == VL_ELIMIT || r->error == VL_EBUSY);
}

void conduct(struct brain *b, struct vl_node_id node, const struct task_report *r, const struct sched_load *held, uint64_t limit) {
    bool memory = false;
    struct registry_event ev = { .kind = REGISTRY_RESULT, .now = b->now, .node = node, .load = held };
    if (r->outcome == TASK_REFUSED && r->error == TASK_HANDED_BACK) { /* no fault: its owner wants it for himself */
        ev.kind = REGISTRY_HANDED_BACK;
    } else if (lacked(r, limit, &memory)) {
        ev.kind = REGISTRY_LACK;
        ev.flag = memory;
    } else if (r->outcome == TASK_DONE || r->outcome == TASK_REFUSED) { /* a program's own failure is not the node's */
        ev.flag = r->outcome == TASK_DONE;
    } else {
        return;
    }
    coordinator_registry(b, &ev);
}

void conduct_put(struct brain *b, struct vl_node_id node) {
    const struct node_record *n = registry_get(b->registry, node);
    struct vl_buf buf;
    if (n == NULL) return;
    vl_buf_init(&buf, REGISTRY_STANDING_MAX);
    if (registry_standing_blank(n))
        item_remove(b, ITEM_STANDING, node.b, 0);
    else if (registry_standing_encode(n, &buf))
        out_of_memory(b);
    else
        item_put(b, ITEM_STANDING, node.b, 0, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

enum vl_err conduct_restore(struct brain *b, const struct record *r) {
    struct registry_event ev = { .kind = REGISTRY_STANDING, .now = b->now, .record = r->bytes };
    if (!b->cfg.coordinator) return VL_ECORRUPT;
    memcpy(ev.node.b, r->key, sizeof ev.node.b);
    return registry_step(b->registry, &ev, b->registry_fx);
}
