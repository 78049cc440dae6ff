/* Evidence of members, verified on a thread of the pool (decision 35): some hundred microseconds to a few milliseconds each. */
#include "node/priv.h"

#include <stdlib.h>

struct node_attest {
    uv_work_t work;
    struct node *node;
    struct brain_attest *attest;
    uint32_t generation;
};

static void run(uv_work_t *w) {
    struct node_attest *a = w->data;
    brain_attest_run(a->attest);
}

static void ran(uv_work_t *w, int status) {
    struct node_attest *a = w->data;
    struct node *n = a->node;
    (void)status;
    if (n->brain && !n->stopping && a->generation == n->generation) {
        brain_attest_done(n->brain, node_now(n), a->attest);
        node_pump(n);
    } else {
        brain_attest_free(a->attest);
    }
    free(a);
    node_handle_closed(n);
}

void attest_batch(struct node *n, struct brain_attest *attest) {
    struct node_attest *a = calloc(1, sizeof *a);
    if (a == NULL) { /* no memory for the pool: here and now */
        brain_attest_run(attest);
        brain_attest_done(n->brain, node_now(n), attest);
        return;
    }
    *a = (struct node_attest){ .node = n, .attest = attest, .generation = n->generation };
    a->work.data = a;
    n->handles++;
    uv_queue_work(n->loop, &a->work, run, ran);
}
