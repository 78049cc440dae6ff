/* Batches that are placed on a thread of the pool (architecture.md section 3). */
#include "node/priv.h"

#include <stdlib.h>

#define PLAN_BOX_US 42000u /* the search; bounds and the last polish follow: 50 ms in all (fog.md 2.5, item 6) */

struct node_plan {
    uv_work_t work;
    struct node *node;
    struct brain_plan *plan;
    uint32_t generation;
    uint64_t began_ns, took_ns;
};

static bool expired(void *arg) {
    const struct node_plan *p = arg;
    return uv_hrtime() - p->began_ns > PLAN_BOX_US * 1000ull;
}

static void run(uv_work_t *w) {
    struct node_plan *p = w->data;
    p->began_ns = uv_hrtime();
    brain_plan_run(p->plan, expired, p);
    p->took_ns = uv_hrtime() - p->began_ns;
}

static void ran(uv_work_t *w, int status) {
    struct node_plan *p = w->data;
    struct node *n = p->node;
    (void)status;
    if (n->brain && !n->stopping && p->generation == n->generation) {
        brain_plan_done(n->brain, node_now(n), p->plan, (uint32_t)(p->took_ns / 1000));
        node_pump(n);
    } else {
        brain_plan_free(p->plan);
    }
    free(p);
    node_handle_closed(n);
}

void plan_batch(struct node *n, struct brain_plan *plan) {
    struct node_plan *p = calloc(1, sizeof *p);
    if (p == NULL) {
        brain_plan_run(plan, NULL, NULL); /* no memory for the pool: here and now */
        brain_plan_done(n->brain, node_now(n), plan, 0);
        return;
    }
    *p = (struct node_plan){ .node = n, .plan = plan, .generation = n->generation };
    p->work.data = p;
    n->handles++;
    uv_queue_work(n->loop, &p->work, run, ran);
}
