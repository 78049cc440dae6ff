/* api_explain.c - `village explain`: what a job waits for, and the fronts its placements were chosen from. */
#include "crypto/node_id.h"
#include "gateway/gateway_priv.h"

#include "fog/plan_record.h"

#define BATCHES_MAX 16u

struct answer {
    struct jw j;
    bool batches; /* the list has begun */
};

static const char *const reason_names[SCHED_REASONS] = {
    "fits",     "no_nodes",  "not_ready", "feature", "too_large", "excluded",
    "region",   "trust",     "evidence", "latency",   "price",   "deadline",  "no_room",
    "no_slot",  "replica_there", "failure_domain",
};

static void put_reasons(struct jw *j, const uint32_t by[SCHED_REASONS]) {
    jw_obj(j);
    for (uint32_t i = 0; i < SCHED_REASONS; i++)
        if (by[i] > 0) jw_put_u64(j, reason_names[i], by[i]);
    jw_obj_end(j);
}

static void put_waiting(void *arg, uint32_t tasks, const struct sched_why *why) {
    struct jw *j = &((struct answer *)arg)->j;
    uint32_t r = SCHED_REASONS - 1;
    while (r > SCHED_NO_NODES && why->by[r] == 0) r--;
    if (why->nodes == 0) r = SCHED_NO_NODES;
    if (why->by[SCHED_PLACED] > 0) r = SCHED_PLACED;
    jw_key(j, "waiting");
    jw_obj(j);
    jw_put_u64(j, "tasks", tasks);
    jw_put_str(j, "reason", r == SCHED_PLACED ? "a node would take it: it is placed with the next batch" : sched_reason_text((enum sched_reason)r));
    jw_put_u64(j, "nodes", why->nodes);
    jw_key(j, "nodes_by_reason");
    put_reasons(j, why->by);
    jw_obj_end(j);
}

static void put_objectives(struct jw *j, const char *key, const double f[PLAN_OBJECTIVES]) {
    jw_key(j, key);
    jw_obj(j);
    for (unsigned o = 0; o < PLAN_OBJECTIVES; o++) {
        jw_key(j, plan_objective_name((enum plan_objective)o));
        jw_double(j, f[o]);
    }
    jw_obj_end(j);
}

static void put_double(struct jw *j, const char *key, double v) {
    jw_key(j, key);
    jw_double(j, v);
}

static void put_front(struct jw *j, const struct plan_record *p) {
    jw_key(j, "front");
    jw_arr(j);
    for (uint32_t i = 0; i < p->n_front; i++) {
        jw_obj(j);
        put_objectives(j, "objectives", p->front[i].f);
        jw_put_u64(j, "placed", p->front[i].placed);
        jw_put_bool(j, "taken", i == p->taken);
        jw_obj_end(j);
    }
    jw_arr_end(j);
}

static void put_batch(void *arg, const struct plan_record *p, uint32_t tasks) {
    struct answer *a = arg;
    struct jw *j = &a->j;
    if (!a->batches) {
        jw_key(j, "batches");
        jw_arr(j);
        a->batches = true;
    }
    jw_obj(j);
    jw_put_u64(j, "batch", p->batch);
    jw_put_ms(j, "at_ms", p->at_ms);
    jw_put_str(j, "strategy", strategy_name(p->strategy));
    jw_put_bool(j, "sampled", p->sampled);
    jw_put_str(j, "class", sla_class_name(p->class));
    jw_put_u64(j, "tasks", p->tasks);
    jw_put_u64(j, "tasks_of_job", tasks);
    jw_put_u64(j, "placed", p->placed);
    jw_put_u64(j, "conflicts", p->conflicts);
    jw_put_u64(j, "nodes", p->nodes);
    jw_key(j, "left_by_reason");
    put_reasons(j, p->waiting);
    jw_put_u64(j, "generations", p->generations);
    jw_put_u64(j, "evaluations", p->evaluations);
    jw_put_bool(j, "cut", p->cut);
    jw_put_u64(j, "took_us", p->took_us);
    put_double(j, "hypervolume", p->hypervolume);
    put_double(j, "hypervolume_first", p->hypervolume_first);
    put_double(j, "score", p->score);
    put_objectives(j, "weights", p->weights);
    put_objectives(j, "ideal", p->ideal);
    put_objectives(j, "nadir", p->nadir);
    put_objectives(j, "bound", p->bound);
    put_objectives(j, "gap", p->gap);
    jw_key(j, "merged");
    jw_arr(j);
    for (unsigned o = 0; o < PLAN_OBJECTIVES; o++)
        if (p->merged >> o & 1) jw_str(j, plan_objective_name((enum plan_objective)o));
    jw_arr_end(j);
    put_front(j, p);
    jw_obj_end(j);
}

void api_job_explain(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id id;
    if (job_id_parse(k->param, &id) != VL_OK) {
        api_not_found(r, "No job has this id.");
        return;
    }
    struct answer a = { .j = api_json(r) };
    jw_obj(&a.j);
    jw_put_hex(&a.j, "job", id.b, sizeof id.b);
    enum vl_err err = g->backend->ops->explain(g->backend->self, id, BATCHES_MAX, put_waiting, put_batch, &a);
    if (!a.batches) {
        jw_key(&a.j, "batches");
        jw_arr(&a.j);
    }
    jw_arr_end(&a.j);
    jw_obj_end(&a.j);
    if (err == VL_OK)
        api_send(g, r, 200, &a.j, NULL);
    else
        api_error(r, err, err == VL_ENOTFOUND ? "No job has this id." : NULL);
}
