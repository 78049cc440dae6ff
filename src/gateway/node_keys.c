/* node_keys.c - this node's keys and those of its village, for the gateway: the part of node_backend.c that deals with them. */
#include "gateway/node_backend.h"

#include <stdlib.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

void node_backend_keys(void *self, struct view_keys *ret) {
    struct node *n = node_of(self);
    struct node_keys_view v;
    node_keys_view(n, &v);
    *ret = (struct view_keys){ .node = brain_node_id(node_brain(n)),
                               .sealed = v.sealed,
                               .due = v.due,
                               .rotating = v.rotating,
                               .replaceable = v.replaceable,
                               .with = v.sealed ? keyfile_kind_text(v.kind) : "nothing",
                               .since_ms = v.since_ms,
                               .age_ms = v.age_ms };
}

void node_backend_keys_metrics(void *self, view_metric_fn sink, void *arg) {
    struct node_keys_view v;
    node_keys_view(node_of(self), &v);
    sink(arg, &(struct view_metric){ .name = "village_keys_age_seconds",
                                     .help = "Age of this node's keys; to be replaced after 90 days.",
                                     .type = VIEW_GAUGE,
                                     .value = (double)v.age_ms / 1000 });
    sink(arg, &(struct view_metric){
                  .name = "village_keys_due", .help = "1: the keys are older than 80 days and can be replaced.", .type = VIEW_GAUGE, .value = v.due });
    sink(arg, &(struct view_metric){ .name = "village_keys_sealed", .help = "1: the key file is sealed.", .type = VIEW_GAUGE, .value = v.sealed });
}

bool node_backend_succession(void *self, struct vl_node_id id, struct succession *ret) {
    const struct succession *s = brain_succession_to(node_brain(node_of(self)), id);
    if (s) *ret = *s;
    return s != NULL;
}

struct vl_span node_backend_revocations(void *self) { return brain_revocations(node_brain(node_of(self))); }

struct call {
    backend_bytes_fn done;
    void *arg;
};

static void done(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct call c = *(struct call *)arg;
    free(arg);
    c.done(c.arg, err, detail, bytes);
}

static struct call *call_new(backend_bytes_fn fn, void *arg) {
    struct call *c = malloc(sizeof *c);
    if (c) *c = (struct call){ .done = fn, .arg = arg };
    return c;
}

enum vl_err node_backend_keys_rotate(void *self, backend_bytes_fn fn, void *arg) {
    struct call *c = call_new(fn, arg);
    if (c == NULL) return VL_ENOMEM;
    node_rotate(node_of(self), done, c);
    return VL_OK;
}

enum vl_err node_backend_key_revoke(void *self, struct vl_node_id id, backend_bytes_fn fn, void *arg) {
    struct call *c = call_new(fn, arg);
    if (c == NULL) return VL_ENOMEM;
    node_revoke_key(node_of(self), id, done, c);
    return VL_OK;
}
