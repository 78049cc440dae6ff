#include "sim/world.h"

#include "sim/world_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef VL_COMMIT
#define VL_COMMIT "unknown"
#endif
/* More events than this without time passing means that a node asks to be called at once for ever. */
#define QUICK_MAX 2000000u

bool world_chance(struct vl_prng *r, uint32_t ppm) { return ppm != 0 && vl_prng_below(r, 1000000) < ppm; }

void world_timer_set(struct world *w, struct timer *t, vl_ms at) {
    if (vl_heap_set(&w->heap, &t->h, at) != VL_OK) w->no_memory = true;
}

void world_note(struct world *w, uint32_t node, uint32_t what, uint64_t which, struct vl_span bytes) {
    const uint64_t key[2] = { w->trace, w->now };
    const uint64_t head[3] = { (uint64_t)node << 32 | what, which, bytes.n };
    uint64_t content = vl_siphash(key, bytes.p, bytes.n < 64 ? bytes.n : 64);
    const uint64_t key2[2] = { w->trace, content };
    w->trace = vl_siphash(key2, head, sizeof head);
}

void world_fail(struct world *w, uint32_t node, const char *why) {
    if (w->failure[0] != '\0') return; /* the first is the one to look at */
    snprintf(w->failure, sizeof w->failure, "seed=%llu commit=%s t=%llu node=%lld: %s", (unsigned long long)w->cfg.seed,
             VL_COMMIT, (unsigned long long)w->now, node == WORLD_NONE ? -1ll : (long long)node, why);
    fprintf(stderr, "%s\n", w->failure);
}
const char *world_failure(const struct world *w) { return w->failure[0] ? w->failure : NULL; }

/* ---- nodes ---- */

vl_ms world_clock(const struct world *w, uint32_t node) {
    const struct node *n = &w->nodes[node];
    vl_ms own = n->clock < 0 && (vl_ms)-n->clock > w->now ? 0 : w->now + (vl_ms)n->clock;
    return own > n->last_clock ? own : n->last_clock;
}

static void node_wait(struct world *w, struct node *n) {
    vl_ms own = w->cfg.ops->deadline(n->self), now = world_clock(w, n->index);
    if (own == VL_MS_NEVER) {
        vl_heap_remove(&w->heap, &n->timer.h);
        return;
    }
    vl_ms at = own <= now ? w->now : own - (vl_ms)n->clock;
    /* Most events leave a node's deadline as it was. */
    if (n->timer.h.index == 0 || n->timer.h.at != at) world_timer_set(w, &n->timer, at);
}

static void node_die(struct world *w, struct node *n) {
    n->dying = false;
    vl_heap_remove(&w->heap, &n->timer.h);
    if (n->self != NULL) w->cfg.ops->destroy(n->self);
    n->self = NULL;
    world_net_crashed(w, n);
    world_disk_crashed(w, n);
    if (n->restarts) {
        n->restarts = false;
        world_timer_set(w, &n->start, w->now + 1 + vl_prng_below(&w->chaos, 2 * w->faults.down_ms + 1));
    }
}

void world_enter(struct world *w, struct node *n) {
    n->last_clock = world_clock(w, n->index);
    n->in_call = true;
    w->events++;
}
void world_leave(struct world *w, struct node *n) {
    n->in_call = false;
    if (n->dying) node_die(w, n);
    else if (n->self != NULL) node_wait(w, n);
    const char *wrong = w->cfg.check ? w->cfg.check(w->cfg.user, w, n->index) : NULL;
    if (wrong != NULL) world_fail(w, n->index, wrong);
}

enum vl_err world_start(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    if (n->self != NULL) return VL_OK;
    vl_heap_remove(&w->heap, &n->start.h);
    world_note(w, node, 1, 0, vl_span(NULL, 0));
    world_enter(w, n);
    n->self = w->cfg.ops->create(w->cfg.user, w, node, world_clock(w, node));
    if (n->self == NULL && !n->dying) world_fail(w, node, "the node cannot start from its disk");
    world_leave(w, n);
    return w->no_memory ? VL_ENOMEM : w->failure[0] ? VL_EINTERNAL : VL_OK;
}

void world_call(struct world *w, uint32_t node, void (*fn)(void *self, void *arg, vl_ms now), void *arg) {
    struct node *n = &w->nodes[node];
    if (n->self == NULL) return;
    assert(!n->in_call);
    world_note(w, node, 4, 0, vl_span(NULL, 0));
    world_enter(w, n);
    fn(n->self, arg, world_clock(w, node));
    world_leave(w, n);
}

void world_crash(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    if (n->self == NULL) return;
    world_note(w, node, 2, 0, vl_span(NULL, 0));
    if (n->in_call) n->dying = true;
    else node_die(w, n);
}
void world_crash_at_write(struct world *w, uint32_t node, uint32_t n) {
    assert(n >= 1);
    w->nodes[node].writes_to_crash = n;
}
bool world_is_up(const struct world *w, uint32_t node) { return w->nodes[node].self != NULL; }
void *world_node(const struct world *w, uint32_t node) { return w->nodes[node].self; }
void world_group_set(struct world *w, uint32_t node, uint32_t group) { w->nodes[node].group = group; }
void world_disk_limit(struct world *w, uint32_t node, uint64_t bytes) { w->nodes[node].disk_limit = bytes; }
void world_link_set(struct world *w, const struct world_link *link) {
    assert(link->delay_min_ms <= link->delay_max_ms && link->stall_ms > 0);
    w->cfg.link = *link;
}
void world_clock_step(struct world *w, uint32_t node, int64_t ms) {
    struct node *n = &w->nodes[node];
    n->clock += ms;
    if (n->self != NULL && !n->in_call) node_wait(w, n);
}

/* ---- faults ---- */

static vl_ms fault_mean(const struct world_faults *f, enum fault_kind which) {
    switch (which) {
    case FAULT_CRASH: return f->crash_ms;
    case FAULT_WRITE_CRASH: return f->write_crash_ms;
    case FAULT_PARTITION: return f->partition_ms;
    case FAULT_HEAL: return 0; /* follows a partition */
    case FAULT_CUT: return f->cut_ms;
    case FAULT_CLOCK: return f->clock_ms;
    case FAULT_KINDS: break;
    }
    return 0;
}

/* Uniform in [1, 2 * mean]: integers only, so that all builds draw alike. */
static void fault_plan(struct world *w, enum fault_kind which, vl_ms mean) {
    if (mean == 0) vl_heap_remove(&w->heap, &w->fault[which].timer.h);
    else world_timer_set(w, &w->fault[which].timer, w->now + 1 + vl_prng_below(&w->chaos, 2 * mean));
}

void world_faults_set(struct world *w, const struct world_faults *f) {
    w->faults = *f;
    for (enum fault_kind k = FAULT_CRASH; k < FAULT_KINDS; k++)
        if (k != FAULT_HEAL) fault_plan(w, k, fault_mean(f, k));
}

static void fault_partition(struct world *w) {
    for (uint32_t i = 0; i < w->cfg.nodes; i++) w->nodes[i].group = (uint32_t)vl_prng_below(&w->chaos, 2);
    fault_plan(w, FAULT_HEAL, w->faults.heal_ms ? w->faults.heal_ms : 1);
}

static void fault_strike(struct world *w, enum fault_kind which) {
    uint32_t victim = (uint32_t)vl_prng_below(&w->chaos, w->cfg.nodes);
    struct node *n = &w->nodes[victim];
    world_note(w, victim, 32u + (uint32_t)which, 0, vl_span(NULL, 0));
    switch (which) {
    case FAULT_CRASH:
        n->restarts = n->self != NULL;
        world_crash(w, victim);
        break;
    case FAULT_WRITE_CRASH:
        n->restarts = true;
        world_crash_at_write(w, victim, 1 + (uint32_t)vl_prng_below(&w->chaos, 16));
        break;
    case FAULT_PARTITION: fault_partition(w); break;
    case FAULT_HEAL:
        for (uint32_t i = 0; i < w->cfg.nodes; i++) w->nodes[i].group = 0;
        return;
    case FAULT_CUT:
        if (n->conns != NULL) world_net_break(w, n->conns);
        break;
    case FAULT_CLOCK: {
        int64_t span = (int64_t)w->faults.clock_step_ms;
        world_clock_step(w, victim, (int64_t)vl_prng_below(&w->chaos, 2 * (uint64_t)span + 1) - span);
        break;
    }
    case FAULT_KINDS: break;
    }
    fault_plan(w, which, fault_mean(&w->faults, which));
}

enum vl_err world_heal(struct world *w) {
    world_faults_set(w, &(struct world_faults){ 0 });
    vl_heap_remove(&w->heap, &w->fault[FAULT_HEAL].timer.h);
    w->cfg.link.loss_ppm = w->cfg.link.kill_ppm = w->cfg.link.copy_ppm = 0;
    for (uint32_t i = 0; i < w->cfg.nodes; i++) {
        struct node *n = &w->nodes[i];
        n->group = 0;
        n->writes_to_crash = 0;
        n->restarts = false;
        enum vl_err err = world_start(w, i);
        if (err) return err;
    }
    return VL_OK;
}

/* ---- the loop ---- */

static void work(struct world *w, struct timer *t) {
    struct node *n;
    vl_heap_remove(&w->heap, &t->h);
    switch (t->kind) {
    case TIMER_NODE:
        n = (struct node *)t;
        world_note(w, n->index, 3, 0, vl_span(NULL, 0));
        world_enter(w, n);
        w->cfg.ops->step(n->self, world_clock(w, n->index));
        world_leave(w, n);
        break;
    case TIMER_LANE: world_net_lane(w, (struct lane *)t); break;
    case TIMER_DATAGRAM: world_net_datagram(w, (struct datagram *)t); break;
    case TIMER_START:
        n = (struct node *)((char *)t - offsetof(struct node, start));
        if (world_start(w, n->index) != VL_OK) return; /* said by failure or no_memory */
        break;
    case TIMER_FAULT: fault_strike(w, ((struct fault *)t)->which); break;
    }
}

static enum vl_err run(struct world *w, bool (*done)(void *user, struct world *w), vl_ms end) {
    for (;;) {
        if (w->no_memory) return VL_ENOMEM;
        if (w->failure[0] != '\0') return VL_EINTERNAL;
        if (done != NULL && done(w->cfg.user, w)) return VL_OK;
        vl_ms next = vl_heap_deadline(&w->heap);
        if (next > end) break;
        w->quick = next > w->now ? 0 : w->quick + 1;
        if (w->quick > QUICK_MAX) world_fail(w, WORLD_NONE, "time stands still");
        if (next > w->now) w->now = next;
        work(w, (struct timer *)vl_heap_top(&w->heap));
    }
    if (end != VL_MS_NEVER && end > w->now) w->now = end;
    return done != NULL ? VL_ETIMEOUT : VL_OK;
}

enum vl_err world_run(struct world *w, vl_ms end) { return run(w, NULL, end); }
enum vl_err world_run_until(struct world *w, bool (*done)(void *user, struct world *w), vl_ms end) {
    enum vl_err err = run(w, done, end);
    if (err == VL_ETIMEOUT) world_fail(w, WORLD_NONE, "not done in time after healing");
    return err;
}

vl_ms world_now(const struct world *w) { return w->now; }
uint64_t world_events(const struct world *w) { return w->events; }
uint64_t world_trace(const struct world *w) { return w->trace; }
struct vl_prng *world_workload(struct world *w) { return &w->workload; }

/* ---- create ---- */

struct world_cfg world_cfg_default(void) {
    return (struct world_cfg){ .seed = 1,
                               .nodes = 2,
                               .link = { .delay_min_ms = 1, .delay_max_ms = 20, .stall_ms = 200 },
                               .start_ms = 1767225600000, /* 2026-01-01 */
                               .break_ms = 10000 };
}

enum vl_err world_create(const struct world_cfg *cfg, struct world **ret) {
    if (cfg->nodes == 0 || cfg->nodes >= WORLD_NONE || cfg->ops == NULL || cfg->start_ms == 0 ||
        cfg->link.delay_min_ms > cfg->link.delay_max_ms || cfg->link.stall_ms == 0)
        return VL_ERANGE;
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL) return VL_ENOMEM;
    w->cfg = *cfg;
    w->now = cfg->start_ms;
    vl_prng_seed(&w->net, cfg->seed * 4 + 0);
    vl_prng_seed(&w->disk, cfg->seed * 4 + 1);
    vl_prng_seed(&w->chaos, cfg->seed * 4 + 2);
    vl_prng_seed(&w->workload, cfg->seed * 4 + 3);
    vl_map_init(&w->conns, sizeof(uint64_t), WORLD_CONNS_MAX, cfg->seed);
    w->nodes = calloc(cfg->nodes, sizeof *w->nodes);
    if (w->nodes == NULL) {
        free(w);
        return VL_ENOMEM;
    }
    for (uint32_t i = 0; i < cfg->nodes; i++) {
        w->nodes[i].index = i;
        w->nodes[i].timer.kind = TIMER_NODE;
        w->nodes[i].start.kind = TIMER_START;
        w->nodes[i].disk_limit = cfg->disk_bytes;
    }
    for (enum fault_kind k = FAULT_CRASH; k < FAULT_KINDS; k++)
        w->fault[k] = (struct fault){ .timer.kind = TIMER_FAULT, .which = k };
    *ret = w;
    return VL_OK;
}

void world_destroy(struct world *w) {
    if (w == NULL) return;
    for (uint32_t i = 0; i < w->cfg.nodes; i++) {
        if (w->nodes[i].self != NULL) w->cfg.ops->destroy(w->nodes[i].self);
        world_disk_free(&w->nodes[i]);
    }
    for (struct vl_heap_node *h; (h = vl_heap_top(&w->heap)) != NULL;) {
        struct timer *t = (struct timer *)h;
        vl_heap_remove(&w->heap, h);
        if (t->kind == TIMER_DATAGRAM) free(t);
    }
    world_net_free(w);
    vl_heap_free(&w->heap);
    free(w->nodes);
    free(w);
}
