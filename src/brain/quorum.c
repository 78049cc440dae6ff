/* Promises of availability (FOG-16): a job with a tier is refused or gets nodes that keep it together, an agreement
 * measures what was kept, and at its end says what is owed.  The only place that measures how available a node is. */
#include "brain/quorum_priv.h"

#include "fog/uptime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUORUM_OPEN_MAX 1024u   /* agreements at once: each is written once a minute, and looked at with every node event */
#define QUORUM_HELD_MAX 8192u   /* nodes of all together; beyond that new ones have one group */
#define QUORUM_LOOK_MS 10000u
#define QUORUM_SAVE_MS 60000u /* after a crash so much at most was watched in vain */

struct promise {
    struct promise *next;
    struct agreement a;
    bool up; /* as last told in the job's history */
    uint64_t page;                   /* of which room is */
    uint32_t room[QUORUM_WIDE_MAX];  /* tasks that each group takes now; 0, too, when it is not up */
};
struct watched {
    struct uptime u;
    uint32_t promises;
};
struct quorum {
    struct vl_map jobs;  /* struct promise, by job */
    struct vl_map nodes; /* struct watched, by node */
    struct promise *first, **last;
    vl_ms looked_ms, look_at, save_at;
    uint32_t held; /* nodes of all agreements: bounds what an event of a node writes */
    uint64_t page;
};

static const struct vl_node_id nobody;

static uint64_t gap_of(const struct brain *b) { return b->cfg.lost_ms ? b->cfg.lost_ms : REGISTRY_LOST_MS; }

enum vl_err quorum_create(struct brain *b) {
    struct quorum *q = calloc(1, sizeof *q);
    if (q == NULL) return VL_ENOMEM;
    vl_map_init(&q->jobs, sizeof(struct vl_job_id), QUORUM_OPEN_MAX, vl_prng_next(&b->rng));
    vl_map_init(&q->nodes, sizeof(struct vl_node_id), VL_NODES_MAX, vl_prng_next(&b->rng));
    q->last = &q->first;
    q->looked_ms = b->now;
    q->look_at = q->save_at = VL_MS_NEVER;
    b->quorum = q;
    return VL_OK;
}

void quorum_destroy(struct brain *b) {
    struct quorum *q = b->quorum;
    size_t it = 0;
    if (q == NULL) return;
    for (struct promise *p; (p = q->first); free(p)) q->first = p->next;
    for (struct watched *w; (w = vl_map_next(&q->nodes, &it, NULL));) free(w);
    vl_map_free(&q->jobs);
    vl_map_free(&q->nodes);
    free(q);
    b->quorum = NULL;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

static void job_key(uint8_t key[32], struct vl_job_id id) {
    memset(key, 0, 32);
    memcpy(key, id.b, sizeof id.b);
}

static void agreement_put(struct brain *b, enum record_item kind, const struct agreement *a) {
    uint8_t key[32];
    struct vl_buf buf;
    vl_buf_init(&buf, AGREEMENT_RECORD_MAX);
    job_key(key, a->job);
    if (agreement_encode(a, &buf))
        out_of_memory(b);
    else
        item_put(b, kind, key, 0, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void uptime_put(struct brain *b, struct vl_node_id node, const struct uptime *u) {
    struct vl_buf buf;
    vl_buf_init(&buf, UPTIME_RECORD_MAX);
    if (uptime_encode(u, &buf))
        out_of_memory(b);
    else
        item_put(b, ITEM_UPTIME, node.b, 0, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void bind_nodes(struct brain *b, const struct agreement *a, bool more) {
    for (uint32_t i = 0; i < a->n; i++) {
        struct watched *w = vl_map_get(&b->quorum->nodes, &a->node[i]);
        if (w && (more || w->promises > 0)) w->promises += more ? 1u : UINT32_MAX;
    }
    b->quorum->held += more ? a->n : 0u - a->n;
}

uint32_t quorum_busy(const struct brain *b, struct vl_node_id node) {
    struct watched *w = b->quorum ? vl_map_get(&b->quorum->nodes, &node) : NULL;
    return w ? w->promises : 0;
}

static struct promise *promise_add(struct brain *b, const struct agreement *a) {
    struct quorum *q = b->quorum;
    struct promise *p = calloc(1, sizeof *p);
    if (p == NULL || vl_map_put(&q->jobs, &a->job, p)) {
        free(p);
        out_of_memory(b);
        return NULL;
    }
    p->a = *a;
    p->up = true;
    p->page = UINT64_MAX;
    bind_nodes(b, a, true);
    *q->last = p;
    q->last = &p->next;
    return p;
}

static void promise_drop(struct brain *b, struct promise *p) {
    struct quorum *q = b->quorum;
    struct promise **at = &q->first;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    if (q->last == &p->next) q->last = at;
    bind_nodes(b, &p->a, false);
    (void)vl_map_del(&q->jobs, &p->a.job);
    free(p);
}

static struct watched *watch(struct brain *b, struct vl_node_id node) {
    struct watched *w = vl_map_get(&b->quorum->nodes, &node);
    if (w) return w;
    w = calloc(1, sizeof *w);
    if (w == NULL || vl_map_put(&b->quorum->nodes, &node, w)) {
        free(w);
        out_of_memory(b);
        return NULL;
    }
    return w;
}

enum vl_err quorum_restore_agreement(struct brain *b, const struct record *r) {
    struct agreement a;
    if (b->quorum == NULL) return VL_ECORRUPT;
    enum vl_err err = agreement_decode(r->bytes, &a);
    if (err || memcmp(a.job.b, r->key, sizeof a.job.b) != 0 || vl_map_get(&b->quorum->jobs, &a.job)) return VL_ECORRUPT;
    if (b->quorum->jobs.len >= QUORUM_OPEN_MAX) return VL_ELIMIT;
    return promise_add(b, &a) ? VL_OK : VL_ENOMEM;
}

enum vl_err quorum_restore_uptime(struct brain *b, const struct record *r) {
    struct vl_node_id node;
    struct uptime u;
    if (b->quorum == NULL || uptime_decode(r->bytes, &u)) return VL_ECORRUPT;
    memcpy(node.b, r->key, sizeof node.b);
    struct watched *w = watch(b, node);
    if (w == NULL) return VL_ENOMEM;
    w->u = u;
    return VL_OK;
}

/* ---- taking jobs ---------------------------------------------------------------------------------------------------- */

uint32_t quorum_lower_ppb(const struct brain *b, struct vl_node_id node) {
    struct watched *w = b->quorum ? vl_map_get(&b->quorum->nodes, &node) : NULL;
    struct uptime u;
    if (w)
        u = w->u;
    else
        uptime_begin(&u, b->now, true);
    uptime_pass(&u, b->now);
    return uptime_lower_ppb(&u);
}

enum vl_err quorum_admit(struct brain *b, struct job_spec *spec, struct brain_quorum *ret, struct vl_errmsg *why) {
    if (spec->terms.tier == TIER_NONE) return VL_OK;
    if (b->quorum->jobs.len >= QUORUM_OPEN_MAX)
        return vl_errmsg_set(why, VL_ELIMIT, "%u jobs with a tier have not ended", QUORUM_OPEN_MAX);
    enum vl_err err = quorum_find(b, spec, b->quorum->held < QUORUM_HELD_MAX, ret);
    if (err) return err;
    if (!ret->choice.ok) return vl_errmsg_set(why, VL_EUNSUPPORTED, "%s", ret->choice.why);
    if (ret->majority && spec->terms.class == SLA_B) spec->terms.class = SLA_A; /* who asks for replicas wants them compared */
    spec->replicas = ret->choice.n;
    return VL_OK;
}

/* "99.9" of 999,000,000: digits as needed, rounded down. */
static void percent(uint32_t ppb, char ret[16]) {
    int n = snprintf(ret, 16, "%u.%04u", ppb / 10000000 % 1000, ppb % 10000000 / 1000);
    while (n > 0 && ret[n - 1] == '0') ret[--n] = '\0';
    if (n > 0 && ret[n - 1] == '.') ret[--n] = '\0';
}

void quorum_open(struct brain *b, struct vl_job_id id, const struct job_spec *spec, const struct brain_quorum *q) {
    struct agreement a;
    struct job_view v;
    char got[16], text[96];
    if (spec->terms.tier == TIER_NONE || (job_book_job(b->jobs, id, &v) && job_state_final(v.state))) return;
    struct agreement_terms t = { .job = id,
                                 .tier = spec->terms.tier,
                                 .majority = q->majority,
                                 .computed_ppb = q->choice.avail_ppb,
                                 .span_ms = spec->ttl_ms ? spec->ttl_ms : JOB_TTL_DEFAULT_MS,
                                 .lag_ms = 2 * gap_of(b),
                                 .gap_ms = gap_of(b),
                                 .n = q->n,
                                 .groups = q->groups };
    for (uint32_t i = 0; i < t.n; i++) t.node[i] = q->node[i].id;
    if (agreement_open(&a, &t, b->now) || promise_add(b, &a) == NULL) {
        out_of_memory(b);
        return;
    }
    b->quorum->look_at = vl_ms_min(b->quorum->look_at, b->now + QUORUM_LOOK_MS);
    b->quorum->save_at = vl_ms_min(b->quorum->save_at, b->now + QUORUM_SAVE_MS);
    agreement_put(b, ITEM_AGREEMENT, &a);
    percent(a.computed_ppb, got);
    if (a.groups == 1)
        snprintf(text, sizeof text, "%s on %u nodes, %s: %s %% computed", sla_tier_name(a.tier), a.n,
                 a.majority ? "a majority" : "any one", got);
    else
        snprintf(text, sizeof text, "%s on %u nodes in %u groups, %s of each: %s %% computed for the weakest",
                 sla_tier_name(a.tier), a.n, a.groups, a.majority ? "a majority" : "any one", got);
    view_history(b, id, "agreement", text, UINT32_MAX, nobody);
}

void quorum_page(struct brain *b) { b->quorum->page++; }

static bool taken(const struct sched_task *t, struct vl_node_id node) {
    for (uint32_t k = 0; k < t->n_avoid; k++)
        if (t->avoid[k].hard && vl_node_eq(t->avoid[k].node, node)) return true;
    return false;
}

/* A group has room for as many tasks as its fullest node that is up. */
static void rooms(const struct brain *b, struct promise *p) {
    uint32_t size = p->a.n / p->a.groups, up;
    for (uint32_t g = 0; g < p->a.groups; g++) {
        p->room[g] = agreement_group_up(&p->a, g, &up) ? UINT32_MAX : 0;
        for (uint32_t i = g * size; i < (g + 1) * size; i++) {
            bool there = false;
            if (!agreement_holds(&p->a, p->a.node[i], &there) || !there) continue;
            uint32_t room = placing_room(b, p->a.node[i]);
            if (room < p->room[g]) p->room[g] = room;
        }
    }
    p->page = b->quorum->page;
}

/* Where the task's other copies are; without any its own by its number, or the next that has room; own: the first up. */
static uint32_t group_of(const struct brain *b, struct promise *p, const struct sched_task *t) {
    uint32_t size = p->a.n / p->a.groups, most = 0, best = 0, up, own = (t->task + t->job.b[15]) % p->a.groups;
    for (uint32_t g = 0; t->n_avoid > 0 && g < p->a.groups; g++) {
        uint32_t copies = 0;
        for (uint32_t i = g * size; i < (g + 1) * size; i++) copies += taken(t, p->a.node[i]);
        if (copies > most) {
            most = copies;
            best = g;
        }
    }
    if (most > 0) return best;
    if (p->page != b->quorum->page) rooms(b, p);
    for (uint32_t k = 0; k < p->a.groups; k++) {
        uint32_t g = (own + k) % p->a.groups;
        if (p->room[g] == 0) continue;
        p->room[g]--;
        return g;
    }
    for (uint32_t k = 0; k < p->a.groups; k++)
        if (agreement_group_up(&p->a, (own + k) % p->a.groups, &up)) return (own + k) % p->a.groups;
    return own;
}

void quorum_only(const struct brain *b, struct sched_task *t) {
    struct promise *p = b->quorum ? vl_map_get(&b->quorum->jobs, &t->job) : NULL;
    if (p == NULL) return;
    bool room = false; /* a node of it that is up and holds no copy yet; else an extra vote may go anywhere */
    uint32_t size = p->a.n / p->a.groups, first = p->a.groups > 1 ? group_of(b, p, t) * size : 0;
    for (uint32_t i = 0; i < size; i++) {
        struct vl_node_id node = p->a.node[first + i];
        bool up = false;
        room = room || (!taken(t, node) && agreement_holds(&p->a, node, &up) && up);
        t->only[i] = node;
    }
    t->n_only = room ? size : 0;
}

/* ---- what happens to nodes ------------------------------------------------------------------------------------------- */

/* A node that does not come back at once is replaced by another, if there is one: as good a set as can be had, even when
 * it is no longer what was promised; what is missed is measured and paid back. */
static void mend_group(struct brain *b, struct promise *p, uint32_t g, const struct quorum_ask *ask, const struct quorum_node *nodes,
                       uint32_t n, bool *busy) {
    uint32_t which[QUORUM_NODES_MAX], have = 0, size = p->a.n / p->a.groups, ppb;
    char got[16], text[96];
    for (uint32_t k = 0; k < n; k++) { /* those of it that are there */
        bool up = false;
        for (uint32_t i = 0; i < size && have < size; i++)
            if (vl_node_eq(p->a.node[g * size + i], nodes[k].id) && agreement_holds(&p->a, nodes[k].id, &up) && up)
                which[have++] = k;
    }
    for (uint32_t i = g * size; i < (g + 1) * size && have < size; i++) {
        bool up = true;
        struct vl_node_id old = p->a.node[i];
        if (agreement_holds(&p->a, old, &up) && up) continue;
        uint32_t at = quorum_fill(ask, nodes, n, busy, which, have);
        if (at == n) return;
        bind_nodes(b, &p->a, false);
        bool placed = agreement_replace(&p->a, b->now, g, old, nodes[at].id);
        bind_nodes(b, &p->a, true);
        if (!placed) continue; /* it is one of the group, and not up */
        which[have++] = at;
        busy[at] = true;
        bool keeps = quorum_keeps(ask, nodes, which, have, &ppb);
        percent(ppb, got);
        snprintf(text, sizeof text, "a node takes the place of a lost one: %s %% computed%s", got,
                 keeps ? "" : ", less than promised");
        view_history(b, p->a.job, "agreement", text, UINT32_MAX, nodes[at].id);
    }
}

static void mend(struct brain *b, struct promise *p) {
    struct job_view v;
    struct job_spec *spec = malloc(sizeof *spec);
    struct quorum_node *nodes = NULL;
    struct sched_task t;
    uint32_t n = 0;
    if (spec == NULL) out_of_memory(b);
    if (spec == NULL || !job_book_job(b->jobs, p->a.job, &v) || job_spec_reopen(v.spec, spec)) goto out;
    quorum_task_of(spec, &t);
    struct quorum_ask ask = quorum_ask_of(spec, &t);
    ask.majority = p->a.majority; /* its replicas are more than were asked for by now */
    if ((nodes = quorum_candidates(b, &t, &p->a, &n)) == NULL || n == 0) goto out;
    uint32_t size = p->a.n / p->a.groups;
    bool *busy = calloc(n, sizeof *busy);
    if (busy == NULL) goto out;
    ask.most = ask.least = size;
    for (uint32_t i = 0; i < n; i++) {
        bool up;
        busy[i] = agreement_holds(&p->a, nodes[i].id, &up);
    }
    for (uint32_t g = 0; g < p->a.groups; g++) mend_group(b, p, g, &ask, nodes, n, busy);
    free(busy);
out:
    free(nodes);
    free(spec);
}

static bool up_now(const struct promise *p, uint32_t *ret) {
    bool up = false;
    *ret = 0;
    for (uint32_t g = 0; g < p->a.groups; g++) {
        uint32_t n;
        up = agreement_group_up(&p->a, g, &n) || up;
        *ret += n;
    }
    return up;
}

static void tell(struct brain *b, struct promise *p) {
    uint32_t n;
    char text[96];
    bool up = up_now(p, &n);
    agreement_put(b, ITEM_AGREEMENT, &p->a);
    if (up == p->up) return;
    p->up = up;
    snprintf(text, sizeof text, "%s: %u of the %u nodes of its agreement are there", up ? "available again" : "not available",
             n, p->a.n);
    view_history(b, p->a.job, "availability", text, UINT32_MAX, nobody);
}

void quorum_node(struct brain *b, struct vl_node_id node) {
    const struct node_record *n = registry_get(b->registry, node);
    bool up = n && n->state != NODE_OFFLINE && n->harvest != HARVEST_SAYS_PAUSED && n->harvest != HARVEST_SAYS_AWAY;
    bool gone = n == NULL || n->state == NODE_OFFLINE || n->harvest == HARVEST_SAYS_AWAY;
    vl_ms at = n && n->state == NODE_OFFLINE && n->seen_ms < b->now ? n->seen_ms : b->now; /* down since last heard */
    struct watched *w = vl_map_get(&b->quorum->nodes, &node);
    if (n == NULL) {
        if (w) item_remove(b, ITEM_UPTIME, node.b, 0);
        free(vl_map_del(&b->quorum->nodes, &node));
    } else if (w == NULL) {
        if ((w = watch(b, node)) == NULL) return;
        uptime_begin(&w->u, b->now, up);
        uptime_put(b, node, &w->u);
    } else if (w->u.up != up) {
        uptime_mark(&w->u, at, up);
        uptime_put(b, node, &w->u);
    }
    for (struct promise *p = b->quorum->first; p; p = p->next) {
        if (!agreement_node(&p->a, b->now, node, at, up)) continue;
        if (!up && gone) mend(b, p);
        tell(b, p);
        b->schedule_due = true;
    }
}

void quorum_renamed(struct brain *b, struct vl_node_id old, struct vl_node_id node) {
    const struct watched *from = vl_map_get(&b->quorum->nodes, &old);
    struct watched *to = vl_map_get(&b->quorum->nodes, &node);
    if (from == NULL || to == NULL) return;
    to->u = from->u; /* the same machine was there, under another name */
    uptime_put(b, node, &to->u);
    quorum_node(b, node);
}

void quorum_node_save(struct brain *b, struct vl_node_id node) {
    struct watched *w = vl_map_get(&b->quorum->nodes, &node);
    if (w == NULL) return;
    uptime_pass(&w->u, b->now);
    uptime_put(b, node, &w->u);
}

/* ---- what happens to jobs ---------------------------------------------------------------------------------------------- */

void quorum_job_ended(struct brain *b, struct vl_job_id id) {
    struct promise *p = b->quorum ? vl_map_get(&b->quorum->jobs, &id) : NULL;
    struct agreement_bill bill;
    struct job_view v;
    uint8_t key[32];
    char got[16], promised[16], text[160];
    if (p == NULL) return;
    uint64_t price = job_book_job(b->jobs, id, &v) && v.price <= TERMS_PRICE_MAX ? v.price : 0;
    agreement_close(&p->a, b->now);
    agreement_bill(&p->a, b->now, &bill);
    percent(bill.measured_ppb, got);
    percent(quorum_tier(p->a.tier).promise_ppb, promised);
    struct agreement_refund_row row = { .tier = p->a.tier,
                                        .at_ms = b->now,
                                        .price = price,
                                        .refund = agreement_refund(&bill, price),
                                        .measured_ppb = bill.measured_ppb,
                                        .share_ppb = bill.share_ppb,
                                        .allowed_ms = bill.allowed_ms,
                                        .down_ms = bill.down_ms,
                                        .blind_ms = bill.blind_ms };
    job_key(key, id);
    item_remove(b, ITEM_AGREEMENT, key, 0);
    agreement_put(b, ITEM_AGREEMENT_ENDED, &p->a);
    if (bill.breach) {
        struct vl_buf buf;
        vl_buf_init(&buf, 256);
        if (agreement_refund_encode(&row, &buf))
            out_of_memory(b);
        else
            item_put(b, ITEM_REFUND, key, 0, vl_span(buf.p, buf.len));
        vl_buf_free(&buf);
        snprintf(text, sizeof text, "%s %% measured, %s %% promised: %llu of %llu micro-credits are owed back", got, promised,
                 (unsigned long long)row.refund, (unsigned long long)price);
    } else {
        snprintf(text, sizeof text, "%s %% measured, %s %% promised: kept", got, promised);
    }
    view_history(b, id, bill.breach ? "refund" : "agreement", text, UINT32_MAX, nobody);
    promise_drop(b, p);
}

void quorum_job_forgotten(struct brain *b, struct vl_job_id id) {
    uint8_t key[32];
    job_key(key, id);
    item_remove(b, ITEM_AGREEMENT_ENDED, key, 0);
    item_remove(b, ITEM_REFUND, key, 0);
}

/* ---- time ----------------------------------------------------------------------------------------------------------------- */

static void blind(struct brain *b) {
    struct quorum *q = b->quorum;
    size_t it = 0;
    if (b->now - q->looked_ms > gap_of(b))
        for (struct watched *w; (w = vl_map_next(&q->nodes, &it, NULL));) {
            uptime_pass(&w->u, q->looked_ms);
            uptime_blind(&w->u, b->now);
        }
    q->looked_ms = b->now;
}

/* What happened while we were away nobody saw; agreements find out by the gap themselves. */
void quorum_start(struct brain *b) {
    struct quorum *q = b->quorum;
    struct watched *w0;
    size_t it = 0;
    for (struct watched *w; (w = vl_map_next(&q->nodes, &it, NULL));) uptime_blind(&w->u, b->now);
    q->looked_ms = b->now;
    q->held = 0;
    for (it = 0; (w0 = vl_map_next(&q->nodes, &it, NULL));) w0->promises = 0; /* rows of nodes come after agreements */
    for (struct promise *p = q->first; p; p = p->next) bind_nodes(b, &p->a, true);
    for (struct promise *p = q->first, *next; p; p = next) {
        uint32_t n;
        struct job_view v;
        next = p->next;
        if (!job_book_job(b->jobs, p->a.job, &v) || job_state_final(v.state)) { /* a store put together by hand */
            quorum_job_ended(b, p->a.job);
            continue;
        }
        agreement_look(&p->a, b->now);
        p->up = up_now(p, &n);
        agreement_put(b, ITEM_AGREEMENT, &p->a);
        q->look_at = b->now + QUORUM_LOOK_MS;
        q->save_at = b->now + QUORUM_SAVE_MS;
    }
}

void quorum_tick(struct brain *b) {
    struct quorum *q = b->quorum;
    blind(b);
    if (q->look_at > b->now) return;
    bool save = q->save_at <= b->now;
    for (struct promise *p = q->first; p; p = p->next) {
        agreement_look(&p->a, b->now);
        if (save) agreement_put(b, ITEM_AGREEMENT, &p->a);
    }
    q->look_at = q->first ? b->now + QUORUM_LOOK_MS : VL_MS_NEVER;
    if (save) q->save_at = q->first ? b->now + QUORUM_SAVE_MS : VL_MS_NEVER;
}

vl_ms quorum_deadline(const struct brain *b) { return b->quorum->look_at; }

/* ---- for the API ----------------------------------------------------------------------------------------------------------- */

enum vl_err brain_quorum_check(const struct brain *b, const struct job_spec *spec, struct brain_quorum *ret) {
    if (b->quorum == NULL) return VL_EUNSUPPORTED;
    return quorum_find(b, spec, true, ret);
}

const struct agreement *brain_agreement(const struct brain *b, struct vl_job_id id) {
    struct promise *p = b->quorum ? vl_map_get(&b->quorum->jobs, &id) : NULL;
    return p ? &p->a : NULL;
}

const struct agreement *brain_agreement_below(const struct brain *b, const struct vl_job_id *below) {
    const struct agreement *best = NULL;
    for (struct promise *p = b->quorum ? b->quorum->first : NULL; p; p = p->next) {
        if (below && memcmp(p->a.job.b, below->b, sizeof below->b) >= 0) continue;
        if (best == NULL || memcmp(p->a.job.b, best->job.b, sizeof best->job.b) > 0) best = &p->a;
    }
    return best;
}
