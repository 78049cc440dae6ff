/* node_backend.h - the gateway's backend over a running node: rows of its store as views, its commands as operations.
 */
#ifndef VL_GATEWAY_NODE_BACKEND_H
#define VL_GATEWAY_NODE_BACKEND_H

#include "gateway/backend.h"
#include "gateway/gateway.h"
#include "node/node.h"

/* Both are borrowed for the backend's life. */
struct node_backend {
    struct node *node;
    struct gateway *gateway; /* set once it exists: changes are published to it */
    char village_text[33];   /* private */
};

/* The operations with `self` = b. */
struct backend node_backend(struct node_backend *b);
/* Hooks for node_create() with `arg` = b: they publish what changed. */
void node_backend_job_changed(void *arg, struct vl_job_id id);
void node_backend_task_changed(void *arg, struct vl_job_id id, uint32_t task);
void node_backend_node_changed(void *arg, struct vl_node_id id);

#endif
