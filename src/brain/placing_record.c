/* Batches: their numbers and what is kept of them, and those that are planned on another thread. */
#include "brain/placing_priv.h"

#include "base/prng.h"

#include <stdlib.h>
#include <string.h>

#define PLAN_TASKS_MIN 65u /* fewer go the fast way (fog.md 2.5, item 2) */

static enum sla_class strictest(const struct sched_task *tasks, uint32_t n) {
    enum sla_class c = SLA_B;
    for (uint32_t i = 0; i < n; i++)
        if (tasks[i].class > c) c = tasks[i].class;
    return c;
}

void placing_begin(struct brain *b, struct plan_record *rec, const struct sched_task *tasks, uint32_t n) {
    struct placing *p = b->placing;
    p->batch = p->batch < b->now ? b->now : p->batch + 1; /* grows across restarts without a stored counter */
    rec->batch = p->batch;
    rec->at_ms = b->now;
    rec->class = strictest(tasks, n);
    struct vl_prng rng;
    vl_prng_seed(&rng, rec->batch);
    rec->seed = vl_prng_next(&rng);
    b->counters.batches++;
}

enum vl_err placing_place(struct brain *b, struct round *r, enum strategy s, const struct sched_task *tasks, uint32_t n,
                          struct plan_record *rec) {
    struct placing *p = b->placing;
    enum vl_err err = s == STRATEGY_NSGA2 ? sched_fast_place(p->fast, tasks, n, r->choice)
                                          : sched_place(sched_strategy_find(strategy_name(s)), &p->state[s], p->nodes,
                                                        p->nodes_n, tasks, n, r->choice);
    if (err == VL_OK) plan_record_assess(rec, p->nodes, p->nodes_n, tasks, r->choice, n);
    return err;
}

void placing_record(struct brain *b, const struct plan_record *rec) {
    static const uint8_t key[32];
    struct vl_buf buf;
    if (rec->placed == 0) return; /* nobody can ask for it */
    vl_buf_init(&buf, 16384);
    if (plan_record_encode(rec, &buf))
        out_of_memory(b);
    else
        item_put(b, ITEM_PLAN, key, rec->batch % PLAN_RECORDS_KEPT, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

/* ---- on another thread ------------------------------------------------------------------------------------------- */

static struct task_ref ref_of(const struct sched_task *t) { return (struct task_ref){ .job = t->job, .task = t->task }; }

static int ref_compare(const void *a, const void *b) { return task_ref_compare(a, b); }

bool placing_planned(const struct placing *p, const struct sched_task *t) {
    struct task_ref ref = ref_of(t);
    return p->planned_n > 0 && bsearch(&ref, p->planned, p->planned_n, sizeof ref, ref_compare) != NULL;
}

static bool worth_it(const struct sched_task *tasks, uint32_t n) {
    uint32_t asked = 0, strict = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (tasks[i].features & NODE_FEATURE_PRIVATE) return false; /* what the private network takes is counted one by one */
        asked += tasks[i].strategy == STRATEGY_NSGA2;
        strict += tasks[i].class != SLA_B;
    }
    return asked > 1 || (n >= PLAN_TASKS_MIN && strict > 0);
}

void brain_plan_free(struct brain_plan *p) {
    if (p == NULL) return;
    plan_result_free(&p->result);
    free(p->nodes);
    free(p->tasks);
    free(p);
}

bool placing_plan_start(struct brain *b, const struct sched_task *tasks, uint32_t n) {
    struct placing *pl = b->placing;
    if (pl->planned_n > 0 || n > PLACE_BATCH || !worth_it(tasks, n)) return false;
    struct brain_plan *p = calloc(1, sizeof *p);
    if (pl->planned == NULL) pl->planned = malloc(PLACE_BATCH * sizeof *pl->planned);
    if (p) p->nodes = malloc(pl->nodes_n * sizeof *p->nodes);
    if (p) p->tasks = malloc(n * sizeof *p->tasks);
    if (pl->planned == NULL || p == NULL || p->nodes == NULL || p->tasks == NULL) {
        brain_plan_free(p);
        return false; /* the fast way needs less */
    }
    memcpy(p->nodes, pl->nodes, pl->nodes_n * sizeof *p->nodes);
    memcpy(p->tasks, tasks, n * sizeof *p->tasks);
    p->n_nodes = pl->nodes_n;
    p->n_tasks = n;
    p->config = plan_config_default();
    p->record = (struct plan_record){ .strategy = STRATEGY_NSGA2, .tasks = n, .nodes = pl->nodes_n };
    placing_begin(b, &p->record, tasks, n);
    for (uint32_t i = 0; i < n; i++) pl->planned[i] = ref_of(&tasks[i]);
    qsort(pl->planned, n, sizeof *pl->planned, ref_compare);
    pl->planned_n = n;
    b->counters.plans++;
    effect_now(b, BRAIN_PLAN, (struct vl_span){ 0 }, NULL)->plan = p;
    return true;
}

void brain_plan_run(struct brain_plan *p, bool (*expired)(void *arg), void *arg) {
    struct plan_input in = { .config = &p->config,
                             .seed = p->record.seed,
                             .nodes = p->nodes,
                             .n_nodes = p->n_nodes,
                             .tasks = p->tasks,
                             .n_tasks = p->n_tasks,
                             .expired = expired,
                             .arg = arg };
    p->err = plan_run(&in, &p->result);
}

void brain_plan_done(struct brain *b, vl_ms now, struct brain_plan *p, uint32_t took_us) {
    step_begin(b, now);
    b->placing->planned_n = 0;
    if (p->err == VL_OK) {
        p->record.took_us = took_us;
        plan_record_take(&p->record, &p->result);
        placing_take_plan(b, p, &p->record);
        placing_record(b, &p->record);
    }
    brain_plan_free(p);
    b->schedule_due = true;
    step_end(b);
}

/* ---- what people ask --------------------------------------------------------------------------------------------- */

enum vl_err brain_explain(const struct brain *b, struct vl_job_id job, struct sched_why *ret, uint32_t *ret_tasks) {
    struct job_view v;
    if (b->jobs == NULL) return VL_EUNSUPPORTED;
    if (!job_book_job(b->jobs, job, &v) || v.waiting == 0) return VL_ENOTFOUND;
    uint32_t count = registry_count(b->registry);
    struct sched_node *nodes = calloc(count ? count : 1, sizeof *nodes);
    struct sched_task *task = calloc(1, sizeof *task);
    enum vl_err err = nodes && task ? VL_OK : VL_ENOMEM;
    if (err == VL_OK && !job_book_waiting(b->jobs, b->now, job, task)) err = VL_ENOTFOUND;
    if (err == VL_OK) {
        quorum_only(b, task);
        sched_why(nodes, placing_all_nodes(b, nodes, count), task, ret);
        *ret_tasks = v.waiting;
    }
    free(nodes);
    free(task);
    return err;
}
