#include "sim/world_priv.h"

#include <stdlib.h>
#include <string.h>

#define STALLS_MAX 5u /* retransmissions of one segment; a wire that loses more breaks */

static bool reachable(const struct world *w, uint32_t a, uint32_t b) { return w->nodes[a].group == w->nodes[b].group; }

static vl_ms delay_draw(struct world *w) {
    const struct world_link *l = &w->cfg.link;
    return l->delay_min_ms + vl_prng_below(&w->net, l->delay_max_ms - l->delay_min_ms + 1);
}

/* ---- the life of a connection ---- */

static struct conn *conn_find(const struct world *w, uint64_t id) { return vl_map_get(&w->conns, &id); }

static void conn_link(struct world *w, struct conn *c, unsigned i) {
    struct node *n = &w->nodes[c->end[i]];
    c->prev[i] = NULL;
    c->next[i] = n->conns;
    if (n->conns != NULL) n->conns->prev[n->conns->end[1] == c->end[i]] = c;
    n->conns = c;
}
static void conn_unlink(struct world *w, struct conn *c, unsigned i) {
    struct node *n = &w->nodes[c->end[i]];
    if (c->prev[i] != NULL) c->prev[i]->next[c->prev[i]->end[1] == c->end[i]] = c->next[i];
    else n->conns = c->next[i];
    if (c->next[i] != NULL) c->next[i]->prev[c->next[i]->end[1] == c->end[i]] = c->prev[i];
}

static void lane_clear(struct world *w, struct lane *l) {
    for (struct segment *s; (s = l->first) != NULL;) {
        l->first = s->next;
        free(s);
    }
    l->last = NULL;
    vl_heap_remove(&w->heap, &l->timer.h);
}

static void end_close(struct world *w, struct conn *c, unsigned i) {
    if (!c->open[i]) return;
    c->open[i] = false;
    conn_unlink(w, c, i);
}

static void conn_free(struct world *w, struct conn *c) {
    for (unsigned i = 0; i < 2; i++) {
        end_close(w, c, i);
        lane_clear(w, &c->lane[i]);
    }
    vl_map_del(&w->conns, &c->id);
    free(c);
}
/* Nobody holds it and nothing is on its way. */
static void conn_settle(struct world *w, struct conn *c) {
    bool moving = c->lane[0].first != NULL || c->lane[1].first != NULL;
    if (c->pins == 0 && !c->open[0] && !c->open[1] && !moving) conn_free(w, c);
}

/* ---- sending ---- */

static void lane_put(struct world *w, struct lane *l, struct segment *s) {
    *(l->last ? &l->last->next : &l->first) = s;
    l->last = s;
    l->last_at = s->at;
    if (l->first == s) world_timer_set(w, &l->timer, s->at);
}

static enum vl_err lane_send(struct world *w, struct lane *l, enum segment_kind kind, struct vl_span bytes) {
    const struct world_link *link = &w->cfg.link;
    struct segment *s = malloc(sizeof *s + bytes.n);
    if (s == NULL) return VL_ENOMEM;
    *s = (struct segment){ .kind = kind, .n = bytes.n };
    if (bytes.n) memcpy(s->p, bytes.p, bytes.n);
    vl_ms sent = l->free_at > w->now ? l->free_at : w->now;
    if (link->bytes_per_ms != 0) sent += (bytes.n + link->bytes_per_ms - 1) / link->bytes_per_ms;
    l->free_at = sent;
    s->at = sent + delay_draw(w);
    for (unsigned i = 0; i < STALLS_MAX && world_chance(&w->net, link->loss_ppm); i++) s->at += link->stall_ms << i;
    if (s->at < l->last_at) s->at = l->last_at;
    lane_put(w, l, s);
    return VL_OK;
}

/* As lane_send(), for what no caller can be told. */
static void lane_tell(struct world *w, struct lane *l, enum segment_kind kind) {
    if (lane_send(w, l, kind, vl_span(NULL, 0)) != VL_OK) w->no_memory = true;
}

enum vl_err world_dial(struct world *w, uint32_t node, uint32_t to, uint64_t *ret_conn) {
    if (w->nodes[node].dying) return VL_ECLOSED;
    if (to >= w->cfg.nodes || to == node) return VL_ERANGE;
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    c->id = ++w->next_conn;
    c->end[0] = node;
    c->end[1] = to;
    for (unsigned i = 0; i < 2; i++) {
        c->lane[i].timer.kind = TIMER_LANE;
        c->lane[i].conn = c;
    }
    enum vl_err err = vl_map_put(&w->conns, &c->id, c);
    if (err) {
        free(c);
        return err;
    }
    c->open[0] = true;
    conn_link(w, c, 0);
    err = lane_send(w, &c->lane[0], SEGMENT_OPEN, vl_span(NULL, 0));
    if (err) {
        conn_free(w, c);
        return err;
    }
    *ret_conn = c->id;
    return VL_OK;
}

enum vl_err world_send(struct world *w, uint32_t node, uint64_t conn, struct vl_span bytes) {
    struct conn *c = conn_find(w, conn);
    if (w->nodes[node].dying || c == NULL) return VL_ECLOSED;
    unsigned me = c->end[1] == node;
    if (c->end[me] != node || !c->open[me]) return VL_ECLOSED;
    enum vl_err err = lane_send(w, &c->lane[me], SEGMENT_BYTES, bytes);
    if (!err && world_chance(&w->net, w->cfg.link.kill_ppm)) world_net_break(w, c);
    return err;
}

void world_close(struct world *w, uint32_t node, uint64_t conn) {
    struct conn *c = conn_find(w, conn);
    if (w->nodes[node].dying || c == NULL) return;
    unsigned me = c->end[1] == node;
    if (c->end[me] != node || !c->open[me]) return;
    end_close(w, c, me);
    lane_tell(w, &c->lane[me], SEGMENT_CLOSE);
}

/* Both ends learn of it, each after a while of its own; what was on the way is lost. */
void world_net_break(struct world *w, struct conn *c) {
    for (unsigned i = 0; i < 2; i++) {
        lane_clear(w, &c->lane[i]);
        if (c->open[1 - i]) lane_tell(w, &c->lane[i], SEGMENT_CLOSE);
    }
    conn_settle(w, c);
}

void world_net_crashed(struct world *w, struct node *n) {
    while (n->conns != NULL) {
        struct conn *c = n->conns;
        unsigned me = c->end[1] == n->index;
        end_close(w, c, me);
        lane_clear(w, &c->lane[1 - me]);
        /* Half of the time the other end hears nothing until it sends something itself. */
        if (vl_prng_below(&w->net, 2)) lane_tell(w, &c->lane[me], SEGMENT_CLOSE);
        conn_settle(w, c);
    }
}

/* ---- arrival ---- */

static void call_conn(struct world *w, struct conn *c, unsigned at, enum world_conn_event ev) {
    struct node *n = &w->nodes[c->end[at]];
    world_note(w, n->index, 16u + (uint32_t)ev, c->id, vl_span(NULL, 0));
    world_enter(w, n);
    w->cfg.ops->on_conn(n->self, c->id, ev, c->end[1 - at], world_clock(w, n->index));
    world_leave(w, n);
}

/* A stream keeps no boundaries: one in four segments comes in two parts. */
static void call_bytes(struct world *w, struct conn *c, unsigned at, struct vl_span bytes) {
    struct node *n = &w->nodes[c->end[at]];
    size_t part = bytes.n > 1 && vl_prng_below(&w->net, 4) == 0 ? 1 + (size_t)vl_prng_below(&w->net, bytes.n - 1) : bytes.n;
    while (bytes.n > 0 && c->open[at]) {
        world_note(w, n->index, 8, c->id, vl_span(bytes.p, part));
        world_enter(w, n);
        w->cfg.ops->on_bytes(n->self, c->id, vl_span(bytes.p, part), world_clock(w, n->index));
        world_leave(w, n);
        bytes = vl_span(bytes.p + part, bytes.n - part);
        part = bytes.n;
    }
}

static void arrive(struct world *w, struct conn *c, unsigned from, struct segment *s) {
    unsigned to = 1 - from;
    struct node *n = &w->nodes[c->end[to]];
    switch (s->kind) {
    case SEGMENT_OPEN:
        if (n->self == NULL) {
            lane_tell(w, &c->lane[to], SEGMENT_CLOSE);
            return;
        }
        c->open[to] = true;
        conn_link(w, c, to);
        lane_tell(w, &c->lane[to], SEGMENT_OPENED);
        call_conn(w, c, to, WORLD_ACCEPTED);
        return;
    case SEGMENT_OPENED:
        if (c->open[to]) call_conn(w, c, to, WORLD_DIALED);
        return;
    case SEGMENT_BYTES:
        if (c->open[to]) {
            call_bytes(w, c, to, vl_span(s->p, s->n));
        } else if (c->open[from] && c->lane[to].first == NULL) {
            lane_tell(w, &c->lane[to], SEGMENT_CLOSE); /* there is nobody: the sender learns it now */
        }
        return;
    case SEGMENT_CLOSE:
        if (!c->open[to]) return;
        end_close(w, c, to);
        call_conn(w, c, to, WORLD_CLOSED);
        return;
    }
}

void world_net_lane(struct world *w, struct lane *l) {
    struct conn *c = l->conn;
    unsigned from = l == &c->lane[1];
    struct segment *s = l->first;
    if (!reachable(w, c->end[0], c->end[1])) {
        if (l->stuck_ms == 0) l->stuck_ms = w->now;
        if (w->now - l->stuck_ms < w->cfg.break_ms) {
            world_timer_set(w, &l->timer, w->now + w->cfg.link.stall_ms);
            return;
        }
        /* Both ends give up by themselves: no message crosses the cut. */
        c->pins++;
        for (unsigned i = 0; i < 2; i++) lane_clear(w, &c->lane[i]);
        for (unsigned i = 0; i < 2; i++)
            if (c->open[i]) {
                end_close(w, c, i);
                call_conn(w, c, i, WORLD_CLOSED);
            }
        c->pins--;
        conn_settle(w, c);
        return;
    }
    l->stuck_ms = 0;
    l->first = s->next;
    if (l->first == NULL) l->last = NULL;
    else world_timer_set(w, &l->timer, l->first->at > w->now ? l->first->at : w->now);
    c->pins++;
    arrive(w, c, from, s);
    c->pins--;
    free(s);
    conn_settle(w, c);
}

enum vl_err world_datagram(struct world *w, uint32_t node, uint32_t to, struct vl_span bytes) {
    if (w->nodes[node].dying) return VL_ECLOSED;
    if (to >= w->cfg.nodes) return VL_ERANGE;
    for (unsigned copies = world_chance(&w->net, w->cfg.link.copy_ppm) ? 2 : 1; copies > 0; copies--) {
        if (world_chance(&w->net, w->cfg.link.loss_ppm)) continue;
        struct datagram *g = malloc(sizeof *g + bytes.n);
        if (g == NULL) return VL_ENOMEM;
        *g = (struct datagram){ .timer.kind = TIMER_DATAGRAM, .from = node, .to = to, .n = bytes.n };
        if (bytes.n) memcpy(g->p, bytes.p, bytes.n);
        world_timer_set(w, &g->timer, w->now + delay_draw(w));
    }
    return VL_OK;
}

void world_net_datagram(struct world *w, struct datagram *g) {
    struct node *n = &w->nodes[g->to];
    if (n->self != NULL && reachable(w, g->from, g->to) && w->cfg.ops->on_datagram != NULL) {
        world_note(w, g->to, 9, g->from, vl_span(g->p, g->n));
        world_enter(w, n);
        w->cfg.ops->on_datagram(n->self, g->from, vl_span(g->p, g->n), world_clock(w, g->to));
        world_leave(w, n);
    }
    free(g);
}

void world_net_free(struct world *w) {
    size_t it = 0;
    for (struct conn *c; (c = vl_map_next(&w->conns, &it, NULL)) != NULL;) {
        for (unsigned i = 0; i < 2; i++) lane_clear(w, &c->lane[i]);
        free(c);
    }
    vl_map_free(&w->conns);
}
