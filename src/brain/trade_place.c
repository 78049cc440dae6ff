/* Which nodes may bid for a job, and placing it: on those that won it and nowhere else. */
#include "brain/trade_priv.h"

#include <stdlib.h>
#include <string.h>

#define PLACE_MAX 256u /* tasks looked at in one go */
#define PLACE_PAGES 16u

/* Another copy of the same task, a replica or one that checks (an audit, another vote), goes to anybody when no winner takes
 * it: trade_place() has asked them before.  A lone winner cannot check itself, and winners whose slots are full of first
 * copies that wait for second ones would wait for ever. */
bool market_holds(const struct brain *b, const struct sched_task *t) {
    struct market_view v;
    if (bench_owns(b, t->job)) return true;
    if (b->trade->holding == 0 || !market_of_job(b->trade->core, t->job, &v) || market_state_final(v.state)) return false;
    for (uint32_t i = 0; v.state == MARKET_CLEARED && i < t->n_avoid; i++)
        if (t->avoid[i].hard) return false;
    return true;
}

/* What any task of the job asks of a node; the merging one asks the same.  False: no such job. */
static bool task_of(const struct brain *b, struct vl_job_id job, struct sched_task *ret) {
    struct job_view v;
    struct job_spec spec;
    if (!job_book_job(b->jobs, job, &v) || job_spec_reopen(v.spec, &spec)) return false;
    *ret = (struct sched_task){ .job = job,
                                .features = (spec.kind == TASK_WASM ? NODE_FEATURE_WASM : NODE_FEATURE_NATIVE) |
                                            (spec.privacy ? NODE_FEATURE_PRIVATE : 0u),
                                .memory_bytes = spec.limits.memory_bytes,
                                .disk_bytes = spec.limits.disk_bytes,
                                .class = spec.terms.class,
                                .min_trust_milli = spec.terms.min_trust_milli,
                                .min_attest_milli = spec.terms.min_attest_milli,
                                .max_latency_us = spec.terms.max_latency_us,
                                .region = label_hash(spec.terms.region),
                                .n_exclude = spec.terms.n_exclude };
    memcpy(ret->exclude, spec.terms.exclude, spec.terms.n_exclude * sizeof spec.terms.exclude[0]);
    return true;
}

/* Price is what the auction is about: the job's own limit for it says nothing here.  Nodes that come and go may bid at
 * their own risk, and once they have won there is nobody else. */
static enum sched_reason fits(const struct brain *b, const struct node_record *r, const struct sched_task *t,
                              uint32_t *ret_room) {
    struct sched_node n;
    struct sched_task free_of_price = *t;
    bool soft = false;
    free_of_price.max_price = 0;
    placing_node(b, r, &n);
    n.blocked &= ~SCHED_FLAPPING;
    if (mix_room(b) == 0) n.features &= ~NODE_FEATURE_PRIVATE;
    *ret_room = n.free_slots;
    return sched_fits(&n, &free_of_price, &soft);
}

bool trade_able(const struct brain *b, const struct market_view *v, const struct node_record *r, bool now) {
    struct sched_task t;
    uint32_t room = 0;
    if (r->caps.slots == 0) return false;
    if (!v->order.has_job) {
        struct sched_node n;
        placing_node(b, r, &n);
        return (n.blocked & ~SCHED_FLAPPING) == 0 || !now;
    }
    if (!task_of(b, v->order.job, &t)) return false;
    enum sched_reason why = fits(b, r, &t, &room);
    /* busy now is no reason against: the work begins when the auction has ended; a bidder may also have fallen silent
     * since, which is its own risk */
    return why == SCHED_PLACED || why == SCHED_NO_ROOM || why == SCHED_NO_SLOT || (!now && why == SCHED_NO_READY);
}

/* The winner with the most room, that can run the task; NULL: none now. */
static const struct market_bid *winner_for(const struct brain *b, const struct market_view *v,
                                           const struct sched_task *task) {
    const struct market_bid *best = NULL;
    uint32_t best_room = 0;
    for (uint32_t i = 0; i < v->n_bids; i++) {
        uint32_t room = 0;
        const struct node_record *r = v->bids[i].state == BID_WON ? registry_get(b->registry, v->bids[i].node) : NULL;
        if (r == NULL || fits(b, r, task, &room) != SCHED_PLACED || room <= best_room) continue;
        best = &v->bids[i];
        best_room = room;
    }
    return best;
}

static bool place(struct brain *b, const struct sched_task *t) {
    struct market_view v;
    if (!market_of_job(b->trade->core, t->job, &v) || v.state != MARKET_CLEARED) return false;
    const struct market_bid *w = winner_for(b, &v, t);
    if (w == NULL) return false;
    struct vl_node_id node = w->node;
    if (coordinator_job(b, &(struct job_event){
                               .kind = JOB_EV_PLACED, .now = b->now, .job = t->job, .task = t->task, .node = node }))
        return false;
    b->counters.placed++;
    placing_touch(b, node);
    return true;
}

/* The queue names a task once, however many copies it wants: again as long as winners take some. */
void trade_place(struct brain *b) {
    struct sched_task *tasks = b->trade->holding > 0 ? calloc(PLACE_MAX, sizeof *tasks) : NULL;
    uint32_t placed = tasks ? 1 : 0;
    for (uint32_t round = 0; placed > 0 && round < JOB_REPLICAS_MAX; round++) {
        struct job_cursor cursor = { 0 };
        uint32_t got = PLACE_MAX;
        placed = 0;
        for (uint32_t page = 0; got == PLACE_MAX && page < PLACE_PAGES; page++) {
            got = job_book_ready(b->jobs, b->now, &cursor, tasks, PLACE_MAX);
            for (uint32_t i = 0; i < got; i++) placed += place(b, &tasks[i]);
        }
    }
    free(tasks);
}
