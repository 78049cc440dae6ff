/* Placing what is ready: which nodes may take something, which way a batch goes, and what waits for what.
 *
 *   ready tasks --+-- strategies, and small batches of NSGA-II --> at once, in this step
 *                 +-- large batches of NSGA-II --> plan on another thread --> what still fits is placed, the rest at once
 */
#include "brain/placing_priv.h"

#include "fog/sched.h"

#include <stdlib.h>
#include <string.h>

#define LOOKS_MAX 2000000u    /* nodes looked at for tasks that nobody takes, in one step: some 20 ms */
#define PAGE_MIN 16u          /* tasks read in one go */
#define PLACE_MORE_MS 10u     /* lets the loop do other things between */
#define PLACE_AGAIN_MS 1000u  /* the private network is busy */
#define LOOK_MS 250u          /* between two looks at what waits; longer with many nodes */
#define LOOK_JOBS 32u         /* of one look */
#define WAITS_MAX 1024u       /* jobs of which it is known what they wait for */
#define NODES_FEW 256u        /* read anew for every batch */
#define NODES_FRESH_MS 1000u  /* more are read anew this often */
#define HARDWARE_LEVEL 700u   /* a TPM or better: class S may go there */
#define LATENCY_SELF_US 50u   /* to ourselves: no wire */
#define LATENCY_LEAST_US 500u /* links measure in whole milliseconds */

static void nodes_forget(struct placing *p) {
    sched_fast_destroy(p->fast);
    p->fast = NULL;
}

enum vl_err placing_create(struct brain *b) {
    struct placing *p = b->placing = calloc(1, sizeof *p);
    if (p == NULL) return VL_ENOMEM;
    vl_map_init(&p->waits, sizeof(struct vl_job_id), WAITS_MAX, vl_prng_next(&b->rng));
    p->seed = vl_prng_next(&b->rng);
    for (unsigned i = 0; i < STRATEGIES; i++) {
        p->state[i].seed = p->seed;
        p->state[i].home_region = label_hash(b->cfg.caps.domain[DOMAIN_REGION]);
    }
    return VL_OK;
}

void placing_destroy(struct brain *b) {
    struct placing *p = b->placing;
    if (p == NULL) return;
    size_t it = 0;
    for (struct wait *w; (w = vl_map_next(&p->waits, &it, NULL)) != NULL;) free(w);
    vl_map_free(&p->waits);
    nodes_forget(p);
    free(p->nodes);
    free(p->planned);
    free(p);
    b->placing = NULL;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static uint32_t latency_us(const struct brain *b, struct vl_node_id node) {
    struct htx_session_info info;
    if (vl_node_eq(node, b->self)) return LATENCY_SELF_US;
    const struct peer *p = link_peer(b, node);
    if (p == NULL || htx_session_info(b->htx, p->session, &info) != VL_OK || info.rtt_ms == VL_MS_NEVER) return 0;
    return info.rtt_ms == 0 ? LATENCY_LEAST_US : (uint32_t)info.rtt_ms * 1000;
}

/* A worker holds a few assignments ahead of its slots, so that it never waits for us. */
void placing_node(const struct brain *b, const struct node_record *r, struct sched_node *ret) {
    struct sched_load load = job_book_on_node(b->jobs, r->id);
    uint32_t slots = bench_slots(b, r->id, registry_slots(r)), ahead = bench_on(b, r->id) ? 0 : slots * BRAIN_QUEUE_FACTOR;
    registry_sched_node(r, b->now, &load, ret);
    ret->features &= ~NODE_FEATURE_PRIVATE;
    if (mix_reaches(b, r->id)) ret->features |= NODE_FEATURE_PRIVATE;
    ret->slots = ahead;
    ret->free_slots = ahead > load.running ? ahead - load.running : 0;
    ret->latency_us = latency_us(b, r->id);
    struct standing s = standing_of(b, r->id);
    ret->trust_milli = s.trust_milli;
    ret->doubt_milli = s.doubt_milli;
    ret->attested = s.trusted || verify_audited(b, r->id) || attest_level_of(b, r->id) >= HARDWARE_LEVEL;
    ret->attest_milli = attest_level_of(b, r->id);
    ret->barred = attest_barred(b, r->id);
    ret->rate_milli = rate_of(b, r->id);
    ret->price = market_price(b, r->id);
}

uint32_t placing_all_nodes(const struct brain *b, struct sched_node *v, uint32_t max) {
    uint32_t n = 0;
    const struct node_record *r = NULL;
    while (n < max && (r = registry_next(b->registry, r ? &r->id : NULL)) != NULL) placing_node(b, r, &v[n++]);
    return n;
}

static uint32_t find_node(const struct sched_node *v, uint32_t n, const struct vl_node_id *id) {
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (memcmp(v[mid].id.b, id->b, sizeof id->b) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && vl_node_eq(v[lo].id, *id) ? lo : n;
}

/* All nodes: those without room too, for replicas on them keep others out of their failure domains.  Nodes that come and
 * go are left out while there are others; where all do, as in a house with bad radio, they are what there is. */
static enum vl_err nodes_read(struct brain *b) {
    struct placing *p = b->placing;
    uint32_t count = registry_count(b->registry), sound = 0;
    nodes_forget(p);
    free(p->nodes);
    p->nodes = calloc(count ? count : 1, sizeof *p->nodes);
    if (p->nodes == NULL) return VL_ENOMEM;
    p->nodes_n = placing_all_nodes(b, p->nodes, count);
    p->nodes_at = b->now;
    p->stale = false;
    for (uint32_t i = 0; i < p->nodes_n; i++) sound += p->nodes[i].blocked == 0 && p->nodes[i].slots > 0;
    p->pardoned = sound == 0;
    for (uint32_t i = 0; p->pardoned && i < p->nodes_n; i++) p->nodes[i].blocked &= ~SCHED_FLAPPING;
    return sched_fast_create(p->nodes, p->nodes_n, p->seed, &p->fast);
}

/* In a large village reading them all for each task that ends would be most of the work: single ones are touched, and
 * all are read again now and then, for what changes by time alone (breakers, holds, latencies). */
static enum vl_err nodes_ready(struct brain *b) {
    struct placing *p = b->placing;
    bool fresh = p->fast != NULL && !p->stale && p->nodes_n > NODES_FEW && b->now < vl_ms_add(p->nodes_at, NODES_FRESH_MS);
    return fresh ? VL_OK : nodes_read(b);
}

void placing_touch(struct brain *b, struct vl_node_id node) {
    struct placing *p = b->placing;
    const struct node_record *r = p->fast ? registry_get(b->registry, node) : NULL;
    uint32_t at = r ? find_node(p->nodes, p->nodes_n, &node) : p->nodes_n;
    if (at == p->nodes_n) {
        p->stale = true; /* it came or went */
        return;
    }
    placing_node(b, r, &p->nodes[at]);
    if (p->pardoned) p->nodes[at].blocked &= ~SCHED_FLAPPING;
    sched_fast_update(p->fast, at);
}

uint32_t placing_room(const struct brain *b, struct vl_node_id node) {
    const struct placing *p = b->placing;
    uint32_t at = p && p->fast ? find_node(p->nodes, p->nodes_n, &node) : 0;
    return p && p->fast && at < p->nodes_n && p->nodes[at].blocked == 0 ? p->nodes[at].free_slots : 0;
}

static uint32_t free_slots(const struct placing *p) {
    uint32_t slots = 0;
    for (uint32_t i = 0; i < p->nodes_n; i++)
        if (p->nodes[i].blocked == 0) slots += p->nodes[i].free_slots;
    return slots;
}

/* ---- what waits -------------------------------------------------------------------------------------------------- */

enum sched_reason placing_waits(const struct brain *b, struct vl_job_id job) {
    const struct wait *w = b->placing ? vl_map_get(&b->placing->waits, job.b) : NULL;
    return w ? w->reason : SCHED_PLACED;
}

void placing_forget(struct brain *b, struct vl_job_id job) { free(vl_map_del(&b->placing->waits, job.b)); }

static void waits_set(struct brain *b, struct vl_job_id job, enum sched_reason reason) {
    static const struct vl_node_id nobody;
    struct wait *w = vl_map_get(&b->placing->waits, job.b);
    if (reason == (w ? w->reason : SCHED_PLACED)) return;
    if (reason == SCHED_PLACED) {
        placing_forget(b, job);
    } else {
        if (w == NULL && ((w = calloc(1, sizeof *w)) == NULL || vl_map_put(&b->placing->waits, job.b, w) != VL_OK)) {
            free(w);
            return; /* too many wait to be told of all */
        }
        w->job = job;
        w->reason = reason;
        view_history(b, job, "job_waiting", sched_reason_text(reason), UINT32_MAX, nobody);
    }
    view_job(b, job);
}

enum sched_reason placing_reason(const struct sched_why *why) {
    if (why->nodes == 0) return SCHED_NO_NODES;
    if (why->by[SCHED_PLACED] > 0) return SCHED_PLACED;
    uint32_t r = SCHED_REASONS - 1;
    while (r > SCHED_NO_NODES && why->by[r] == 0) r--;
    return (enum sched_reason)r;
}

static void waits_sweep(struct brain *b) {
    struct vl_job_id gone[LOOK_JOBS];
    size_t it = 0;
    struct job_view v;
    uint32_t n = 0;
    for (const struct wait *w; n < LOOK_JOBS && (w = vl_map_next(&b->placing->waits, &it, NULL)) != NULL;)
        if (!job_book_job(b->jobs, w->job, &v) || v.waiting == 0) gone[n++] = w->job;
    for (uint32_t i = 0; i < n; i++) waits_set(b, gone[i], SCHED_PLACED);
}

/* What the oldest waiting jobs wait for.  Costs a scan of the nodes for each: now and then is enough. */
static void look(struct brain *b) {
    struct placing *p = b->placing;
    uint32_t count = registry_count(b->registry), jobs = 0;
    if (b->now < p->look_at) {
        b->schedule_at = vl_ms_min(b->schedule_at, p->look_at);
        return;
    }
    p->look_at = vl_ms_add(b->now, LOOK_MS + count / 10);
    waits_sweep(b);
    struct sched_node *nodes = calloc(count ? count : 1, sizeof *nodes);
    struct sched_task *tasks = calloc(PLACE_BATCH, sizeof *tasks);
    struct job_cursor cursor = { 0 };
    uint32_t got = nodes && tasks ? job_book_ready(b->jobs, b->now, &cursor, tasks, PLACE_BATCH) : 0;
    uint32_t n = got ? placing_all_nodes(b, nodes, count) : 0;
    for (uint32_t i = 0; i < got && jobs < LOOK_JOBS; i++) {
        struct sched_why why;
        if (i > 0 && vl_job_eq(tasks[i].job, tasks[i - 1].job)) continue;
        jobs++;
        if (market_holds(b, &tasks[i])) continue; /* it waits for its auction */
        quorum_only(b, &tasks[i]);
        sched_why(nodes, n, &tasks[i], &why);
        waits_set(b, tasks[i].job, placing_reason(&why));
    }
    free(nodes);
    free(tasks);
}

/* ---- a batch ----------------------------------------------------------------------------------------------------- */

static bool private_task(const struct sched_task *t) { return (t->features & NODE_FEATURE_PRIVATE) != 0; }

/* True: placed.  The scheduler's word is the book's to take: the task may want no copy any more. */
bool placing_commit(struct brain *b, const struct sched_task *t, struct vl_node_id node, uint64_t batch) {
    if (coordinator_job(b, &(struct job_event){ .kind = JOB_EV_PLACED,
                                                .now = b->now,
                                                .job = t->job,
                                                .task = t->task,
                                                .node = node,
                                                .batch = batch })) {
        placing_touch(b, node); /* the scheduler took it for placed */
        return false;
    }
    b->counters.placed++;
    struct job_view v;
    if (b->placing->waits.len > 0 && placing_waits(b, t->job) != SCHED_PLACED && job_book_job(b->jobs, t->job, &v) &&
        v.waiting == 0)
        waits_set(b, t->job, SCHED_PLACED);
    return true;
}

static void commit_all(struct brain *b, struct round *r, const struct sched_task *tasks, uint32_t n,
                       struct plan_record *rec) {
    for (uint32_t i = 0; i < n; i++) {
        if (r->choice[i].reason != SCHED_PLACED) {
            rec->waiting[r->choice[i].reason]++;
            continue;
        }
        struct vl_node_id node = b->placing->nodes[r->choice[i].node].id;
        if (private_task(&tasks[i]) && r->private_room == 0) {
            r->again = true;
            placing_touch(b, node);
            continue;
        }
        if (!placing_commit(b, &tasks[i], node, rec->batch)) continue;
        r->private_room -= private_task(&tasks[i]);
        r->placed++;
        rec->placed++;
    }
}

static enum strategy strategy_of(const struct brain *b, const struct sched_task *t) {
    enum strategy s = t->strategy != STRATEGY_DEFAULT ? t->strategy : b->cfg.strategy;
    return s != STRATEGY_DEFAULT ? s : STRATEGY_NSGA2;
}

/* Tasks of one strategy, in one call; *ret_full: everything that fits is taken. */
static enum vl_err place_group(struct brain *b, struct round *r, enum strategy s, const struct sched_task *tasks,
                               uint32_t n) {
    struct plan_record rec = { .strategy = s, .sampled = s == STRATEGY_NSGA2, .tasks = n, .nodes = b->placing->nodes_n };
    if (s == STRATEGY_NSGA2 && placing_plan_start(b, tasks, n)) return VL_OK;
    placing_begin(b, &rec, tasks, n);
    enum vl_err err = placing_place(b, r, s, tasks, n, &rec);
    if (err) return err;
    commit_all(b, r, tasks, n, &rec);
    placing_record(b, &rec);
    return VL_OK;
}

/* The page's tasks by strategy, those of the first task's first. */
static enum vl_err place_page(struct brain *b, struct round *r, uint32_t got) {
    bool done[STRATEGIES] = { false };
    enum vl_err err = VL_OK;
    for (uint32_t i = 0; i < got && err == VL_OK; i++) {
        enum strategy s = strategy_of(b, &r->tasks[i]);
        uint32_t n = 0;
        if (done[s]) continue;
        done[s] = true;
        bool all = i == 0;
        for (uint32_t k = i; k < got; k++) {
            bool same = strategy_of(b, &r->tasks[k]) == s;
            n += same;
            all = all && same;
        }
        if (all) return place_group(b, r, s, r->tasks, got);
        if (r->group == NULL && (r->group = calloc(PLACE_BATCH, sizeof *r->group)) == NULL) return VL_ENOMEM;
        n = 0;
        for (uint32_t k = i; k < got; k++)
            if (strategy_of(b, &r->tasks[k]) == s) r->group[n++] = r->tasks[k];
        err = place_group(b, r, s, r->group, n);
    }
    return err;
}

/* Pages of the queue until the slots are given away: tasks that nobody can take now (there is no private network, no node of
 * that kind) must not keep those behind them waiting.  Each of them may cost a look at every node, so a step has a budget
 * of looks; the next one goes on behind where this one stopped. */
static void place_pages(struct brain *b, struct round *r, uint32_t slots) {
    struct placing *p = b->placing;
    uint64_t looks = 0;
    uint32_t size = LOOKS_MAX / (p->nodes_n + 1);
    size = size < PAGE_MIN ? PAGE_MIN : size > PLACE_BATCH ? PLACE_BATCH : size;
    while (r->placed < slots && r->placed < PLACE_BATCH) {
        if (looks >= LOOKS_MAX) {
            r->more = true;
            return;
        }
        uint32_t got = job_book_ready(b->jobs, b->now, &p->cursor, r->tasks, size), kept = 0, before = r->placed;
        quorum_page(b);
        for (uint32_t i = 0; i < got; i++) {
            if (placing_planned(p, &r->tasks[i]) || market_holds(b, &r->tasks[i])) continue;
            if (kept != i) r->tasks[kept] = r->tasks[i];
            quorum_only(b, &r->tasks[kept++]);
        }
        if (kept > 0 && place_page(b, r, kept) != VL_OK) break;
        if (got < size) break;
        looks += (uint64_t)(got - (r->placed - before)) * p->nodes_n;
    }
    p->cursor = (struct job_cursor){ 0 };
}

/* False: nothing can be placed, or memory is out.  All is freed by round_end(). */
static bool round_begin(struct brain *b, struct round *r, uint32_t *ret_slots) {
    *r = (struct round){ .private_room = mix_room(b) };
    *ret_slots = 0;
    if (nodes_ready(b) != VL_OK) return false;
    *ret_slots = free_slots(b->placing);
    if (*ret_slots == 0) return false;
    r->tasks = calloc(PLACE_BATCH, sizeof *r->tasks);
    r->choice = calloc(PLACE_BATCH, sizeof *r->choice);
    return r->tasks != NULL && r->choice != NULL;
}

static void round_end(struct round *r) {
    free(r->tasks);
    free(r->group);
    free(r->choice);
}

void coordinator_schedule(struct brain *b) {
    struct job_stats stats;
    struct round r;
    uint32_t slots = 0;
    b->schedule_due = false;
    b->schedule_at = VL_MS_NEVER;
    if (!b->started) return;
    job_book_stats(b->jobs, &stats);
    if (stats.ready == 0 && b->placing->waits.len == 0) return;
    if (stats.ready > 0) {
        trade_place(b);
        if (round_begin(b, &r, &slots)) place_pages(b, &r, slots);
        b->schedule_at = r.placed >= PLACE_BATCH ? b->now
                         : r.more                  ? b->now + PLACE_MORE_MS
                         : r.again                 ? b->now + PLACE_AGAIN_MS
                                                   : VL_MS_NEVER;
        round_end(&r);
    }
    b->schedule_due = false; /* placing itself is no reason to place again in this step */
    job_book_stats(b->jobs, &stats);
    if (stats.ready > 0 || b->placing->waits.len > 0) look(b);
}

/* ---- a batch that was planned on another thread ------------------------------------------------------------------ */

/* Optimistic: what others took meanwhile is a conflict, and only those tasks are placed again (Omega, Nomad). */
void placing_take_plan(struct brain *b, const struct brain_plan *p, struct plan_record *rec) {
    struct placing *pl = b->placing;
    struct round r;
    uint32_t slots = 0, left = 0;
    bool room = round_begin(b, &r, &slots);
    for (uint32_t i = 0; room && i < p->n_tasks; i++) {
        bool soft;
        const struct sched_choice *c = &p->result.choice[i];
        if (c->reason != SCHED_PLACED) {
            rec->waiting[c->reason]++;
            continue;
        }
        uint32_t at = find_node(pl->nodes, pl->nodes_n, &p->nodes[c->node].id);
        if (at == pl->nodes_n || sched_fits(&pl->nodes[at], &p->tasks[i], &soft) != SCHED_PLACED) {
            if (left < PLACE_BATCH) r.tasks[left++] = p->tasks[i];
            continue;
        }
        sched_take(&pl->nodes[at], &p->tasks[i]);
        if (pl->fast) sched_fast_update(pl->fast, at);
        rec->placed += placing_commit(b, &p->tasks[i], p->nodes[c->node].id, rec->batch);
    }
    rec->conflicts = left;
    b->counters.plan_conflicts += left;
    if (left > 0 && nodes_ready(b) == VL_OK && placing_place(b, &r, STRATEGY_NSGA2, r.tasks, left, rec) == VL_OK)
        commit_all(b, &r, r.tasks, left, rec);
    round_end(&r);
}
