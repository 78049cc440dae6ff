#include "fog/registry.h"

#include "fog/order.h"
#include "wire/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_RECORD = 0x40, RECORD_VERSION = 2 };
enum { LOSS_SECONDS = REGISTRY_PARTITION_WINDOW_MS / 1000 };
enum { EFFECTS_PER_NODE = 4 }; /* of one step, for one node */
enum { LOAD_STEP_MILLI = 50 }; /* smaller changes of load are not worth an event */

struct entry {
    struct order_node by_id, timer;
    struct node_record rec;
    uint64_t serial;   /* of joining: makes timer keys unique */
    bool lost_pending; /* offline, NODE_LOST held back until lost_at_ms */
    vl_ms lost_at_ms;
    vl_ms persisted_ms;
};
_Static_assert(sizeof(struct entry) <= 1024, "100,000 nodes in 100 MiB");

struct snapshot {
    vl_ms at_ms;
    uint32_t nodes, active, offline, n_links;
    struct vl_node_id *links; /* owned */
};

struct loss {
    vl_ms second;
    uint32_t count;
};

struct registry {
    struct registry_config config;
    struct order by_id, timers;
    uint32_t count, online, suspects, linked;
    uint64_t next_serial;
    struct loss losses[LOSS_SECONDS + 1]; /* ring by second */
    vl_ms paused_until_ms;
    struct snapshot snapshots[REGISTRY_SNAPSHOTS]; /* ring; next_snapshot is the oldest when full */
    uint32_t n_snapshots, next_snapshot;
    vl_ms snapshot_at_ms, last_snapshot_ms; /* VL_MS_NEVER: nothing changed since the last */
};

static struct entry *entry_of_id(struct order_node *n) { return n ? (struct entry *)(void *)n : NULL; }
static struct entry *entry_of_timer(struct order_node *n) {
    return n ? (struct entry *)(void *)((char *)n - offsetof(struct entry, timer)) : NULL;
}

const char *node_state_text(enum node_state s) {
    switch (s) {
    case NODE_ACTIVE:
        return "active";
    case NODE_IDLE:
        return "idle";
    case NODE_BUSY:
        return "busy";
    case NODE_OFFLINE:
        return "offline";
    case NODE_MAINTENANCE:
        return "maintenance";
    }
    return "unknown";
}

const char *node_kind_text(enum node_kind k) {
    switch (k) {
    case NODE_EDGE:
        return "edge_device";
    case NODE_RELAY:
        return "relay";
    case NODE_MIX:
        return "mix_node";
    case NODE_COMPUTE:
        return "compute_node";
    case NODE_GATEWAY:
        return "gateway";
    }
    return "unknown";
}

bool node_state_may(enum node_state from, enum node_state to) {
    static const uint8_t allowed[] = {
        [NODE_ACTIVE] = 1 << NODE_IDLE | 1 << NODE_BUSY | 1 << NODE_OFFLINE | 1 << NODE_MAINTENANCE,
        [NODE_IDLE] = 1 << NODE_ACTIVE | 1 << NODE_BUSY | 1 << NODE_OFFLINE | 1 << NODE_MAINTENANCE,
        [NODE_BUSY] = 1 << NODE_ACTIVE | 1 << NODE_IDLE | 1 << NODE_OFFLINE | 1 << NODE_MAINTENANCE,
        [NODE_OFFLINE] = 1 << NODE_ACTIVE | 1 << NODE_MAINTENANCE,
        [NODE_MAINTENANCE] = 1 << NODE_ACTIVE | 1 << NODE_OFFLINE,
    };
    return from < sizeof allowed && (allowed[from] >> to & 1) != 0;
}

void registry_config_defaults(struct registry_config *ret) {
    *ret = (struct registry_config){ .max_nodes = VL_NODES_MAX,
                                     .suspect_ms = REGISTRY_SUSPECT_MS,
                                     .lost_ms = REGISTRY_LOST_MS };
}

struct registry *registry_create(const struct registry_config *config) {
    assert(config->max_nodes > 0 && config->max_nodes <= VL_NODES_MAX);
    assert(config->suspect_ms > 0 && config->suspect_ms < config->lost_ms);
    struct registry *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->config = *config;
    r->by_id.seed = config->seed;
    r->timers.seed = ~config->seed;
    r->next_serial = 1;
    r->snapshot_at_ms = VL_MS_NEVER;
    return r;
}

void registry_destroy(struct registry *r) {
    if (r == NULL) return;
    for (struct order_node *n; (n = order_first(&r->by_id)) != NULL;) {
        order_del(&r->by_id, n);
        free(entry_of_id(n));
    }
    for (uint32_t i = 0; i < REGISTRY_SNAPSHOTS; i++) free(r->snapshots[i].links);
    free(r);
}

/* Ids are public keys: that two share their first 16 bytes by chance is out of the question, and one made on purpose
 * (2^64 work) is refused as a duplicate. */
static uint64_t id_hi(const struct vl_node_id *id) { return vl_get_u64(id->b); }
static uint64_t id_lo(const struct vl_node_id *id) { return vl_get_u64(id->b + 8); }

static struct entry *find(const struct registry *r, const struct vl_node_id *id) {
    struct entry *e = entry_of_id(order_find(&r->by_id, id_hi(id), id_lo(id)));
    return e != NULL && vl_node_eq(e->rec.id, *id) ? e : NULL;
}

static struct registry_effect *emit(struct registry_effects *fx, enum registry_effect_kind kind, struct vl_node_id id) {
    assert(fx->n < REGISTRY_EFFECTS_MAX);
    fx->v[fx->n] = (struct registry_effect){ .kind = kind, .node = id };
    return &fx->v[fx->n++];
}

static void emit_changed(struct registry_effects *fx, struct entry *e, vl_ms now, bool persist) {
    if (persist) e->persisted_ms = now;
    emit(fx, REGISTRY_NODE_CHANGED, e->rec.id)->persist = persist;
}

static void topology_changed(struct registry *r, vl_ms now) {
    if (r->snapshot_at_ms != VL_MS_NEVER) return;
    vl_ms earliest = r->n_snapshots ? vl_ms_add(r->last_snapshot_ms, REGISTRY_SNAPSHOT_GAP_MS) : now;
    r->snapshot_at_ms = now > earliest ? now : earliest;
}

static bool online(const struct entry *e) { return e->rec.state != NODE_OFFLINE; }

static void set_timer(struct registry *r, struct entry *e) {
    vl_ms at = VL_MS_NEVER;
    if (online(e))
        at = vl_ms_add(e->rec.seen_ms, e->rec.suspect ? r->config.lost_ms : r->config.suspect_ms);
    else if (e->lost_pending)
        at = e->lost_at_ms;
    /* A suspect by its link alone is suspect before its time; it is looked at again when it would be lost. */
    if (order_has(&e->timer) && e->timer.key[0] == at) return;
    order_del(&r->timers, &e->timer);
    if (at != VL_MS_NEVER) order_put(&r->timers, &e->timer, at, e->serial);
}

static void set_suspect(struct registry *r, struct entry *e, bool suspect) {
    if (e->rec.suspect == suspect) return;
    e->rec.suspect = suspect;
    r->suspects += suspect ? 1 : (uint32_t)-1;
}

static void set_linked(struct registry *r, struct entry *e, bool linked) {
    if (e->rec.linked == linked) return;
    e->rec.linked = linked;
    r->linked += linked ? 1 : (uint32_t)-1;
}

/* The only place where a state changes. */
static void move_to(struct registry *r, struct entry *e, enum node_state to, vl_ms now) {
    enum node_state from = e->rec.state;
    if (from == to) return;
    assert(node_state_may(from, to));
    e->rec.state = to;
    if (from == NODE_OFFLINE) {
        r->online++;
        e->rec.online_since_ms = now;
        topology_changed(r, now);
    } else if (to == NODE_OFFLINE) {
        r->online--;
        if (now > e->rec.online_since_ms) e->rec.online_ms += now - e->rec.online_since_ms;
        e->rec.online_since_ms = 0;
        topology_changed(r, now);
    }
}

static uint32_t lost_lately(const struct registry *r, vl_ms now) {
    uint32_t n = 0;
    for (size_t i = 0; i <= LOSS_SECONDS; i++)
        if (r->losses[i].count && r->losses[i].second + LOSS_SECONDS >= now / 1000) n += r->losses[i].count;
    return n;
}

static void note_loss(struct registry *r, vl_ms now) {
    struct loss *l = &r->losses[now / 1000 % (LOSS_SECONDS + 1)];
    if (l->second != now / 1000) *l = (struct loss){ .second = now / 1000 };
    l->count++;
}

/* Suspects count too: nodes behind one broken cable beat at different times, and the first to be lost would be
 * redistributed before the others make the pattern visible. */
static void suspect_partition(struct registry *r, vl_ms now, struct registry_effects *fx) {
    uint32_t lost = lost_lately(r, now), gone = lost + r->suspects, total = r->online + lost;
    if (registry_paused(r, now) || gone < REGISTRY_PARTITION_MIN ||
        gone * 1000ull <= total * (uint64_t)REGISTRY_PARTITION_MILLI)
        return;
    r->paused_until_ms = vl_ms_add(now, r->config.lost_ms);
    struct registry_effect *f = emit(fx, REGISTRY_PARTITION, (struct vl_node_id){ { 0 } });
    f->count = gone;
    f->total = total;
    f->until_ms = r->paused_until_ms;
}

static void lose(struct registry *r, struct entry *e, vl_ms now, struct registry_effects *fx) {
    set_suspect(r, e, false);
    move_to(r, e, NODE_OFFLINE, now);
    note_loss(r, now);
    suspect_partition(r, now, fx);
    emit_changed(fx, e, now, true);
    if (registry_paused(r, now)) {
        e->lost_pending = true;
        e->lost_at_ms = r->paused_until_ms;
    } else {
        e->rec.lost = true;
        emit(fx, REGISTRY_NODE_LOST, e->rec.id);
    }
}

/* As strict as record_decode(), so that what is written can be read. */
static bool name_fits(const char *s) {
    return s == NULL || *s == 0 || (strnlen(s, VL_NAME_MAX) < VL_NAME_MAX && task_name_ok(vl_span_str(s)));
}
static bool addr_fits(const char *s) {
    if (s == NULL) return true;
    size_t n = 0;
    while (n < VL_ADDR_MAX && s[n] >= 0x20 && s[n] < 0x7f) n++;
    return n < VL_ADDR_MAX && s[n] == 0;
}

static enum vl_err entry_add(struct registry *r, const struct node_record *rec, struct entry **ret) {
    if (r->count >= r->config.max_nodes) return VL_ELIMIT;
    uint64_t hi = id_hi(&rec->id), lo = id_lo(&rec->id);
    if ((hi | lo) == 0) return VL_ERANGE;
    if (order_find(&r->by_id, hi, lo) != NULL) return VL_EEXISTS;
    struct entry *e = calloc(1, sizeof *e);
    if (e == NULL) return VL_ENOMEM;
    e->rec = *rec;
    e->serial = r->next_serial++;
    order_put(&r->by_id, &e->by_id, hi, lo);
    r->count++;
    *ret = e;
    return VL_OK;
}

static void entry_remove(struct registry *r, struct entry *e) {
    set_suspect(r, e, false);
    set_linked(r, e, false);
    if (online(e)) r->online--;
    order_del(&r->by_id, &e->by_id);
    order_del(&r->timers, &e->timer);
    r->count--;
    free(e);
}

static enum vl_err step_joined(struct registry *r, const struct registry_event *ev, struct registry_effects *fx) {
    if (!name_fits(ev->name) || !addr_fits(ev->addr)) return VL_ERANGE;
    struct entry *e = find(r, &ev->node);
    bool fresh = e == NULL;
    if (fresh) {
        struct node_record rec = { .id = ev->node, .kind = NODE_EDGE, .state = NODE_OFFLINE, .joined_ms = ev->now };
        enum vl_err err = entry_add(r, &rec, &e);
        if (err) return err;
        e->rec.seen_ms = ev->now;
        move_to(r, e, NODE_ACTIVE, ev->now);
        set_timer(r, e);
    }
    bool renamed = false;
    if (ev->name != NULL && strcmp(e->rec.name, ev->name) != 0) {
        memcpy(e->rec.name, ev->name, strlen(ev->name) + 1);
        renamed = true;
    }
    if (ev->addr != NULL && strcmp(e->rec.addr, ev->addr) != 0) {
        memcpy(e->rec.addr, ev->addr, strlen(ev->addr) + 1);
        renamed = true;
    }
    if (fresh || renamed) emit_changed(fx, e, ev->now, true);
    return VL_OK;
}

static void note_flap(struct node_record *n, vl_ms now) {
    if (n->flaps < REGISTRY_FLAPS_MAX) n->flaps++;
    n->flap_ms = now;
    if (n->flaps < 2) return; /* anyone may fall once */
    uint64_t hold = (uint64_t)REGISTRY_FLAP_HOLD_MS << (n->flaps - 2);
    n->hold_until_ms = vl_ms_add(now, hold < REGISTRY_FLAP_FORGET_MS ? hold : REGISTRY_FLAP_FORGET_MS);
}

static bool labels_sane(const struct node_caps *c) {
    for (unsigned d = 0; d < DOMAINS; d++)
        if (strnlen(c->domain[d], LABEL_MAX) == LABEL_MAX) return false;
    return true;
}

static bool labels_equal(const struct node_caps *a, const struct node_caps *b) {
    for (unsigned d = 0; d < DOMAINS; d++)
        if (strcmp(a->domain[d], b->domain[d]) != 0) return false;
    return true;
}

static void hash_labels(struct node_record *n) {
    for (unsigned d = 0; d < DOMAINS; d++) n->domain[d] = label_hash(n->caps.domain[d]);
}

static bool heartbeat_sane(const struct heartbeat *h) {
    return h->kind >= NODE_EDGE && h->kind <= NODE_GATEWAY && h->caps.slots <= NODE_SLOTS_MAX &&
           h->free_slots <= h->caps.slots && h->n_running <= HEARTBEAT_RUNNING_MAX &&
           h->memory_free_bytes <= h->caps.memory_bytes && h->disk_free_bytes <= h->caps.disk_bytes &&
           labels_sane(&h->caps) &&
           strnlen(h->caps.version, NODE_VERSION_MAX) < NODE_VERSION_MAX;
}

static bool caps_equal(const struct node_caps *a, const struct node_caps *b) {
    return a->cpus == b->cpus && a->slots == b->slots && a->memory_bytes == b->memory_bytes &&
           a->disk_bytes == b->disk_bytes && a->gpus == b->gpus && a->gpu_memory_bytes == b->gpu_memory_bytes &&
           a->bandwidth_bps == b->bandwidth_bps && a->features == b->features && labels_equal(a, b) &&
           a->cost == b->cost && a->ask == b->ask && strcmp(a->version, b->version) == 0;
}

/* Copies what the heartbeat says; true when somebody who watches would care. */
static bool take_figures(struct node_record *n, const struct heartbeat *h, bool restarted) {
    if (restarted || h->done < n->boot_done || h->failed < n->boot_failed) n->boot_done = n->boot_failed = 0;
    n->done += h->done - n->boot_done;
    n->failed += h->failed - n->boot_failed;
    bool counted = h->done != n->boot_done || h->failed != n->boot_failed;
    n->boot_done = h->done;
    n->boot_failed = h->failed;
    uint32_t used = h->caps.slots - h->free_slots, running = h->n_running > used ? h->n_running : used;
    uint32_t drift = h->load_milli > n->load_milli ? h->load_milli - n->load_milli : n->load_milli - h->load_milli;
    bool seen = counted || running != n->running || h->free_slots != n->free_slots || drift >= LOAD_STEP_MILLI;
    n->running = running;
    n->free_slots = h->free_slots;
    if (seen) n->load_milli = h->load_milli;
    n->memory_free_bytes = h->memory_free_bytes;
    n->disk_free_bytes = h->disk_free_bytes;
    return seen;
}

static enum node_state state_by_figures(const struct node_record *n) {
    if (n->maintenance) return NODE_MAINTENANCE;
    if (n->caps.slots > 0 && n->free_slots == 0) return NODE_BUSY;
    return n->running == 0 ? NODE_IDLE : NODE_ACTIVE;
}

static enum vl_err step_heartbeat(struct registry *r, const struct registry_event *ev, struct registry_effects *fx) {
    const struct heartbeat *h = ev->heartbeat;
    struct entry *e = find(r, &ev->node);
    if (e == NULL) return VL_ENOTFOUND;
    if (!heartbeat_sane(h)) return VL_ERANGE;
    struct node_record *n = &e->rec;
    bool was_offline = !online(e), first = !n->heard, restarted = n->started_ms != 0 && n->started_ms != h->started_ms;
    bool moved = h->addr[0] != '\0' && strcmp(n->addr, h->addr) != 0;
    bool durable = first || was_offline || moved || n->kind != h->kind || n->protocol != h->protocol ||
                   !caps_equal(&n->caps, &h->caps) || ev->now >= vl_ms_add(e->persisted_ms, REGISTRY_PERSIST_MS);
    uint32_t flaps = n->flaps;
    if (was_offline && !first) note_flap(n, ev->now);
    if (n->flaps > 0 && ev->now >= vl_ms_add(n->flap_ms, REGISTRY_FLAP_FORGET_MS)) {
        n->flaps--;
        n->flap_ms = ev->now;
    }
    n->kind = h->kind;
    n->protocol = h->protocol;
    bool relabelled = !labels_equal(&n->caps, &h->caps);
    n->caps = h->caps;
    if (relabelled) hash_labels(n);
    if (moved) memcpy(n->addr, h->addr, sizeof n->addr);
    n->started_ms = h->started_ms;
    bool seen = take_figures(n, h, restarted) || n->harvest != h->harvest;
    n->harvest = h->harvest;
    enum node_state before = n->state;
    bool was_suspect = n->suspect;
    n->heard = true;
    n->lost = false;
    e->lost_pending = false;
    if (ev->now > n->seen_ms) n->seen_ms = ev->now;
    set_suspect(r, e, false);
    if (was_offline)
        move_to(r, e, n->maintenance ? NODE_MAINTENANCE : NODE_ACTIVE, ev->now);
    else if (before != NODE_MAINTENANCE || !n->maintenance)
        move_to(r, e, state_by_figures(n), ev->now);
    set_timer(r, e);
    if (durable || seen || was_suspect || n->state != before) emit_changed(fx, e, ev->now, durable);
    if (n->flaps != flaps) emit(fx, REGISTRY_NODE_STANDING, n->id);
    if (first || was_offline || restarted) emit(fx, REGISTRY_NODE_BACK, n->id);
    return VL_OK;
}

/* What it gives back must not be sent to it again while its own word is on the way. */
static enum vl_err step_handed_back(struct registry *r, const struct registry_event *ev, struct registry_effects *fx) {
    struct entry *e = find(r, &ev->node);
    if (e == NULL) return VL_ENOTFOUND;
    if (e->rec.harvest == HARVEST_SAYS_ALWAYS || e->rec.harvest == HARVEST_SAYS_AWAY) return VL_OK;
    e->rec.harvest = HARVEST_SAYS_AWAY;
    emit_changed(fx, e, ev->now, false);
    return VL_OK;
}

static enum vl_err step_link(struct registry *r, const struct registry_event *ev, bool up,
                             struct registry_effects *fx) {
    struct entry *e = find(r, &ev->node);
    if (e == NULL) return VL_ENOTFOUND;
    if (e->rec.linked == up) return VL_OK;
    set_linked(r, e, up);
    topology_changed(r, ev->now);
    if (!online(e)) return VL_OK;
    bool silent = ev->now >= vl_ms_add(e->rec.seen_ms, r->config.suspect_ms);
    if (up && e->rec.suspect && !silent) {
        set_suspect(r, e, false);
        note_flap(&e->rec, ev->now);
        emit(fx, REGISTRY_NODE_STANDING, e->rec.id);
    } else if (!up && !e->rec.suspect) {
        set_suspect(r, e, true);
        emit(fx, REGISTRY_NODE_SUSPECT, e->rec.id);
    }
    set_timer(r, e);
    emit_changed(fx, e, ev->now, false);
    return VL_OK;
}

static enum vl_err step_maintenance(struct registry *r, const struct registry_event *ev, struct registry_effects *fx) {
    struct entry *e = find(r, &ev->node);
    if (e == NULL) return VL_ENOTFOUND;
    if (e->rec.maintenance == ev->flag) return VL_OK;
    e->rec.maintenance = ev->flag;
    if (online(e)) move_to(r, e, ev->flag ? NODE_MAINTENANCE : NODE_ACTIVE, ev->now);
    emit_changed(fx, e, ev->now, true);
    return VL_OK;
}

static enum vl_err step_expelled(struct registry *r, const struct registry_event *ev, struct registry_effects *fx) {
    struct entry *e = find(r, &ev->node);
    if (e == NULL) return VL_ENOTFOUND;
    if (!e->rec.lost) emit(fx, REGISTRY_NODE_LOST, ev->node);
    emit(fx, REGISTRY_NODE_REMOVED, ev->node);
    entry_remove(r, e);
    topology_changed(r, ev->now);
    return VL_OK;
}

static enum vl_err step_conduct(struct registry *r, const struct registry_event *ev, struct registry_effects *fx) {
    struct entry *e = find(r, &ev->node);
    if (e == NULL) return VL_ENOTFOUND;
    struct node_record *n = &e->rec;
    uint32_t held = ev->load ? ev->load->running : 0, before = registry_slots(n);
    bool broke = false, learned = false;
    switch ((int)ev->kind) {
    case REGISTRY_SENT:
        breaker_sent(&n->breaker, ev->now);
        return VL_OK;
    case REGISTRY_RESULT:
        broke = breaker_result(&n->breaker, ev->now, ev->flag);
        learned = ev->flag && window_good(&n->window, n->caps.slots, n->caps.memory_bytes, held);
        break;
    case REGISTRY_LACK:
        /* Who has no room for a single task is broken, not full. */
        if (before <= 1) broke = breaker_result(&n->breaker, ev->now, false);
        learned = window_lack(&n->window, ev->now, n->caps.slots, held, ev->load ? ev->load->memory_bytes : 0, ev->flag);
        break;
    }
    if (broke || registry_slots(n) != before) emit_changed(fx, e, ev->now, false);
    if (broke || learned) emit(fx, REGISTRY_NODE_STANDING, n->id);
    return VL_OK;
}

static enum vl_err step_standing(struct registry *r, const struct registry_event *ev) {
    struct node_record scrap;
    struct entry *e = find(r, &ev->node);
    return registry_standing_decode(ev->record, e ? &e->rec : &scrap);
}

static enum vl_err take_snapshot(struct registry *r, vl_ms now, struct registry_effects *fx) {
    uint32_t room = r->linked < REGISTRY_SNAPSHOT_LINKS ? r->linked : REGISTRY_SNAPSHOT_LINKS;
    struct vl_node_id *links = malloc((room ? room : 1) * sizeof *links);
    if (links == NULL) return VL_ENOMEM;
    struct snapshot s = {
        .at_ms = now, .nodes = r->count, .active = r->online, .offline = r->count - r->online, .links = links
    };
    const struct node_record *n = room ? registry_next(r, NULL) : NULL;
    for (; n != NULL && s.n_links < room; n = registry_next(r, &n->id))
        if (n->linked) links[s.n_links++] = n->id;
    free(r->snapshots[r->next_snapshot].links);
    r->snapshots[r->next_snapshot] = s;
    r->next_snapshot = (r->next_snapshot + 1) % REGISTRY_SNAPSHOTS;
    if (r->n_snapshots < REGISTRY_SNAPSHOTS) r->n_snapshots++;
    r->last_snapshot_ms = now;
    r->snapshot_at_ms = VL_MS_NEVER;
    emit(fx, REGISTRY_TOPOLOGY, (struct vl_node_id){ { 0 } });
    return VL_OK;
}

static enum vl_err step_tick(struct registry *r, vl_ms now, struct registry_effects *fx) {
    if (r->snapshot_at_ms <= now) {
        enum vl_err err = take_snapshot(r, now, fx);
        if (err) return err;
    }
    while (fx->n + EFFECTS_PER_NODE <= REGISTRY_EFFECTS_MAX) {
        struct entry *e = entry_of_timer(order_first(&r->timers));
        if (e == NULL || e->timer.key[0] > now) break;
        if (!online(e)) {
            e->lost_pending = false;
            e->rec.lost = true;
            emit(fx, REGISTRY_NODE_LOST, e->rec.id);
        } else if (!e->rec.suspect) {
            /* Also when it is overdue for worse: after we slept ourselves, all are suspects before the first is lost,
             * and the partition is seen. */
            set_suspect(r, e, true);
            emit(fx, REGISTRY_NODE_SUSPECT, e->rec.id);
            emit_changed(fx, e, now, false);
        } else {
            lose(r, e, now, fx);
        }
        set_timer(r, e);
    }
    return VL_OK;
}

enum vl_err registry_record_encode(const struct node_record *n, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_RECORD, RECORD_VERSION);
    pack_bytes(&w, n->id.b, sizeof n->id.b);
    pack_span8(&w, vl_span_str(n->name));
    pack_span8(&w, vl_span_str(n->addr));
    pack_u8(&w, (uint8_t)n->kind);
    pack_bool(&w, n->maintenance);
    pack_u32(&w, n->protocol);
    pack_u32(&w, n->caps.cpus);
    pack_u32(&w, n->caps.slots);
    pack_u64(&w, n->caps.memory_bytes);
    pack_u64(&w, n->caps.disk_bytes);
    pack_u32(&w, n->caps.gpus);
    pack_u64(&w, n->caps.gpu_memory_bytes);
    pack_u64(&w, n->caps.bandwidth_bps);
    pack_u32(&w, n->caps.features);
    for (unsigned d = 0; d < DOMAINS; d++) pack_span8(&w, vl_span_str(n->caps.domain[d]));
    pack_u64(&w, n->caps.cost);
    pack_u64(&w, n->caps.ask);
    pack_span8(&w, vl_span_str(n->caps.version));
    pack_u64(&w, n->done);
    pack_u64(&w, n->failed);
    pack_u64(&w, n->boot_done);
    pack_u64(&w, n->boot_failed);
    pack_u64(&w, n->joined_ms);
    pack_u64(&w, n->seen_ms);
    pack_u64(&w, n->started_ms);
    pack_u64(&w, n->online_ms);
    return pack_end(&w);
}

static enum vl_err record_decode(struct vl_span in, struct node_record *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_RECORD, RECORD_VERSION);
    if (err) return err;
    struct node_record n = { .id = unpack_node(&r), .state = NODE_OFFLINE };
    struct vl_span name = unpack_span8(&r, VL_NAME_MAX - 1);
    unpack_require(&r, name.n == 0 || task_name_ok(name));
    if (name.n) memcpy(n.name, name.p, name.n);
    unpack_ascii8(&r, n.addr, sizeof n.addr);
    n.kind = (enum node_kind)unpack_u8_in(&r, NODE_EDGE, NODE_GATEWAY);
    n.maintenance = unpack_bool(&r);
    n.protocol = vl_read_u32(&r);
    n.caps.cpus = vl_read_u32(&r);
    n.caps.slots = unpack_u32_in(&r, 0, NODE_SLOTS_MAX);
    n.caps.memory_bytes = vl_read_u64(&r);
    n.caps.disk_bytes = vl_read_u64(&r);
    n.caps.gpus = vl_read_u32(&r);
    n.caps.gpu_memory_bytes = vl_read_u64(&r);
    n.caps.bandwidth_bps = vl_read_u64(&r);
    n.caps.features = vl_read_u32(&r);
    for (unsigned d = 0; d < DOMAINS; d++) unpack_ascii8(&r, n.caps.domain[d], sizeof n.caps.domain[d]);
    n.caps.cost = unpack_u64_in(&r, 0, TERMS_PRICE_MAX);
    n.caps.ask = unpack_u64_in(&r, 0, TERMS_PRICE_MAX);
    hash_labels(&n);
    unpack_ascii8(&r, n.caps.version, sizeof n.caps.version);
    n.done = vl_read_u64(&r);
    n.failed = vl_read_u64(&r);
    n.boot_done = vl_read_u64(&r);
    n.boot_failed = vl_read_u64(&r);
    n.joined_ms = vl_read_u64(&r);
    n.seen_ms = vl_read_u64(&r);
    n.started_ms = vl_read_u64(&r);
    n.online_ms = vl_read_u64(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = n;
    return err;
}

static enum vl_err step_restore(struct registry *r, const struct registry_event *ev) {
    struct node_record rec;
    enum vl_err err = record_decode(ev->record, &rec);
    if (err) return err;
    struct entry *e;
    err = entry_add(r, &rec, &e);
    if (err) return err;
    /* Nobody knows how it fared while we were away: it has one period to be heard, then its tasks move. */
    e->lost_pending = true;
    e->lost_at_ms = vl_ms_add(ev->now, r->config.lost_ms);
    e->persisted_ms = ev->now;
    set_timer(r, e);
    topology_changed(r, ev->now);
    return VL_OK;
}

enum vl_err registry_step(struct registry *r, const struct registry_event *ev, struct registry_effects *ret) {
    ret->n = 0;
    switch (ev->kind) {
    case REGISTRY_JOINED:
        return step_joined(r, ev, ret);
    case REGISTRY_HEARTBEAT:
        return step_heartbeat(r, ev, ret);
    case REGISTRY_LINK_UP:
        return step_link(r, ev, true, ret);
    case REGISTRY_LINK_DOWN:
        return step_link(r, ev, false, ret);
    case REGISTRY_MAINTENANCE:
        return step_maintenance(r, ev, ret);
    case REGISTRY_EXPELLED:
        return step_expelled(r, ev, ret);
    case REGISTRY_RESTORE:
        return step_restore(r, ev);
    case REGISTRY_TICK:
        return step_tick(r, ev->now, ret);
    case REGISTRY_SENT:
    case REGISTRY_RESULT:
    case REGISTRY_LACK:
        return step_conduct(r, ev, ret);
    case REGISTRY_STANDING:
        return step_standing(r, ev);
    case REGISTRY_HANDED_BACK:
        return step_handed_back(r, ev, ret);
    }
    return VL_ERANGE;
}

vl_ms registry_deadline(const struct registry *r) {
    const struct order_node *first = order_first(&r->timers);
    return vl_ms_min(first ? first->key[0] : VL_MS_NEVER, r->snapshot_at_ms);
}

const struct node_record *registry_get(const struct registry *r, struct vl_node_id id) {
    const struct entry *e = find(r, &id);
    return e ? &e->rec : NULL;
}

uint32_t registry_count(const struct registry *r) { return r->count; }

const struct node_record *registry_next(const struct registry *r, const struct vl_node_id *after) {
    struct order_node *n = after ? order_above(&r->by_id, id_hi(after), id_lo(after)) : order_first(&r->by_id);
    return n ? &entry_of_id(n)->rec : NULL;
}

bool registry_topology_at(const struct registry *r, uint32_t i, struct topology *ret) {
    if (i >= r->n_snapshots) return false;
    const struct snapshot *s = &r->snapshots[(r->next_snapshot + REGISTRY_SNAPSHOTS - 1 - i) % REGISTRY_SNAPSHOTS];
    *ret = (struct topology){ s->at_ms, s->nodes, s->active, s->offline, s->n_links, s->links };
    return true;
}

bool registry_paused(const struct registry *r, vl_ms now) { return now < r->paused_until_ms; }

static uint64_t left_of(uint64_t total, uint64_t promised, uint64_t reported) {
    uint64_t left = total > promised ? total - promised : 0;
    return left < reported ? left : reported;
}

uint32_t registry_slots(const struct node_record *n) { return window_slots(&n->window, n->caps.slots); }

void registry_sched_node(const struct node_record *n, vl_ms now, const struct sched_load *promised,
                         struct sched_node *ret) {
    static const struct sched_load none = { 0 };
    if (promised == NULL) promised = &none;
    uint32_t blocked = 0;
    if (n->maintenance) blocked |= SCHED_MAINTENANCE;
    if (n->state == NODE_OFFLINE || n->suspect || !n->heard) blocked |= SCHED_OFFLINE;
    if (!breaker_allows(&n->breaker, now)) blocked |= SCHED_BREAKER;
    if (now < n->hold_until_ms) blocked |= SCHED_FLAPPING;
    if (n->harvest > HARVEST_SAYS_READY) blocked |= SCHED_HARVEST;
    uint32_t slots = registry_slots(n), reported = n->caps.slots - n->free_slots;
    uint64_t memory = window_memory(&n->window, n->caps.memory_bytes);
    uint32_t running = promised->running > n->running ? promised->running : n->running;
    uint32_t used = running > reported ? running : reported, free_slots = slots > used ? slots - used : 0;
    if (free_slots > 1 && breaker_state(&n->breaker, now) == BREAKER_HALF_OPEN) free_slots = 1; /* the probe */
    *ret = (struct sched_node){
        .id = n->id,
        .blocked = blocked,
        .features = n->caps.features,
        .slots = slots,
        .free_slots = free_slots,
        .running = running,
        .load_milli = n->load_milli,
        .memory_free = left_of(memory, promised->memory_bytes, n->memory_free_bytes),
        .disk_free = left_of(n->caps.disk_bytes, promised->disk_bytes, n->disk_free_bytes),
        .memory_total = memory,
        .disk_total = n->caps.disk_bytes,
        .cost = n->caps.cost,
        .price = n->caps.ask,
    };
    memcpy(ret->domain, n->domain, sizeof ret->domain);
}

vl_ms heartbeat_next(struct vl_prng *rng, vl_ms now, uint64_t period_ms) {
    uint64_t tenth = period_ms / 10;
    return vl_ms_add(now, period_ms - tenth + vl_prng_below(rng, 2 * tenth + 1));
}
