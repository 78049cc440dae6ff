/* node_explain.c - why a job's tasks are where they are, for the gateway: what waits now, and the batches they came in. */
#include "gateway/node_backend.h"

#include "fog/plan_record.h"
#include "wire/view.h"

#include <stdlib.h>
#include <string.h>

#define TASKS_MAX 20000u /* looked at: all of any job */
#define BATCHES_MAX 64u

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

struct batch {
    uint64_t number;
    uint32_t tasks;
};

static int newest_first(const void *a, const void *b) {
    const struct batch *x = a, *y = b;
    return x->number > y->number ? -1 : x->number < y->number;
}

/* The newest batches of the job's tasks. */
static enum vl_err batches_of(struct store *s, struct vl_job_id id, struct batch v[BATCHES_MAX], uint32_t *ret_n) {
    struct store_value prefix = store_blob(id.b, sizeof id.b);
    struct store_query q = { .table = STORE_TASKS, .prefix = &prefix, .n_prefix = 1, .limit = STORE_SCAN_MAX };
    struct store_iter *it;
    struct store_row row;
    uint32_t n = 0;
    enum vl_err err = store_scan(s, &q, &it);
    if (err) return err;
    while (store_next(it, &row)) {
        struct task_row t;
        if (task_row_decode(store_row_blob(&row, STORE_TASKS_RECORD), &t) != VL_OK || t.batch == 0) continue;
        uint32_t i = 0, oldest = 0;
        for (; i < n && v[i].number != t.batch; i++)
            if (v[i].number < v[oldest].number) oldest = i;
        if (i == n && n == BATCHES_MAX && v[oldest].number > t.batch) continue;
        if (i == n && n == BATCHES_MAX)
            v[i = oldest] = (struct batch){ t.batch, 0 };
        else if (i == n)
            v[n++] = (struct batch){ t.batch, 0 };
        v[i].tasks++;
    }
    qsort(v, n, sizeof v[0], newest_first);
    *ret_n = n;
    return store_end(it);
}

/* False: its place was taken by a later batch. */
static bool record_of(struct store *s, uint64_t number, struct plan_record *ret) {
    static const uint8_t zeros[32];
    struct store_value key[] = { store_int(ITEM_PLAN), store_blob(zeros, sizeof zeros),
                                 store_int((int64_t)(number % PLAN_RECORDS_KEPT)) };
    struct store_row row;
    return store_get(s, STORE_ITEMS, key, &row) == VL_OK &&
           plan_record_decode(store_row_blob(&row, STORE_ITEMS_RECORD), ret) == VL_OK && ret->batch == number;
}

enum vl_err node_backend_explain(void *self, struct vl_job_id id, uint32_t max, view_wait_fn wait, view_plan_fn plan,
                                 void *arg) {
    struct node *n = node_of(self);
    struct store *s = node_store(n);
    struct store_value key = store_blob(id.b, sizeof id.b);
    struct store_row row;
    struct sched_why why;
    struct batch v[BATCHES_MAX];
    uint32_t waiting = 0, found = 0;
    enum vl_err err = store_get(s, STORE_JOBS, &key, &row);
    if (err) return err;
    if (brain_explain(node_brain(n), id, &why, &waiting) == VL_OK) wait(arg, waiting, &why);
    struct plan_record *r = malloc(sizeof *r);
    if (r == NULL) return VL_ENOMEM;
    err = batches_of(s, id, v, &found);
    for (uint32_t i = 0; err == VL_OK && i < found && i < max; i++)
        if (record_of(s, v[i].number, r)) plan(arg, r, v[i].tasks);
    free(r);
    return err;
}
