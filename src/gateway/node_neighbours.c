/* node_neighbours.c - draws and proofs of availability of a running node, for the gateway. */
#include "gateway/node_backend.h"

#include <stdlib.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

void node_backend_neighbours(void *self, struct brain_topology *ret, struct vl_node_id *ret_self) {
    const struct brain *b = node_brain(node_of(self));
    brain_topology(b, ret);
    *ret_self = brain_node_id(b);
}

bool node_backend_service(void *self, struct vl_node_id id, struct sla_counters *ret, struct vl_span *ret_cert) {
    *ret_cert = brain_certificate(node_brain(node_of(self)));
    return brain_service(node_brain(node_of(self)), id, ret);
}

struct keeping {
    backend_done_fn done;
    void *arg;
};

static void on_kept(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct keeping c = *(struct keeping *)arg;
    (void)bytes;
    free(arg);
    c.done(c.arg, err, detail);
}

enum vl_err node_backend_keep(void *self, struct vl_hash blob, backend_done_fn done, void *arg) {
    struct keeping *c = malloc(sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    *c = (struct keeping){ done, arg };
    node_keep(node_of(self), blob, on_kept, c);
    return VL_OK;
}

enum vl_err node_backend_draw_file(void *self, const struct backend_proof_query *q, backend_proof_fn done, void *arg) {
    const struct brain *b = node_brain(node_of(self));
    struct view_proof v = { .label = NULL };
    struct vl_buf out;
    const char *why = NULL;
    vl_buf_init(&out, 2u << 20);
    enum vl_err err = q->kind == BACKEND_PROOF_NEIGHBOURS ? brain_neighbours_file(b, &out) : brain_availability_file(b, q->node, &out);
    if (err == VL_ENOTFOUND)
        why = q->kind == BACKEND_PROOF_NEIGHBOURS
                  ? "This node has drawn no neighbours for this epoch: rolls are empty in the first four epochs, and who was away draws later."
                  : "Nothing is known here of that node in the last epoch: ask the coordinator, or the node itself, once an epoch has ended.";
    v.bytes = vl_span(out.p, out.len);
    done(arg, err, why, err ? NULL : &v);
    vl_buf_free(&out);
    return VL_OK;
}
