/* Ways: members that this one dials and keeps a link to.  The first is the way home, to the coordinator; others are to
 * relays and directory authorities of the mixnet.  Of two that want each other, the smaller node id dials
 * (way_want()). */
#include "brain/priv.h"

#include <stdlib.h>
#include <string.h>

static struct way *next(struct brain *b, struct way *w) { return w == &b->home ? b->ways : w->next; }

static struct way *find(struct brain *b, struct vl_node_id node) {
    for (struct way *w = b->ways; w; w = w->next)
        if (vl_node_eq(w->node, node)) return w;
    return NULL;
}

static void dial_at(struct brain *b, struct way *w, vl_ms at) {
    w->at = at;
    b->ways_at = vl_ms_min(b->ways_at, at);
}

static void redial_later(struct brain *b, struct way *w) {
    uint32_t n = w->failures < 7 ? w->failures : 7;
    vl_ms wait = (vl_ms)BRAIN_REDIAL_MIN_MS << n;
    if (wait > BRAIN_REDIAL_MAX_MS) wait = BRAIN_REDIAL_MAX_MS;
    w->failures++;
    w->dial = 0;
    dial_at(b, w, b->now + wait / 2 + vl_prng_below(&b->rng, wait / 2 + 1)); /* members must not come back as one */
    if (w != &b->home) mix_way_result(b, w->node, false);
}

/* Both ends of a link may have a way: a relay wants the authorities, an authority its guard.  One link does for both. */
static bool linked(const struct brain *b, const struct way *w) {
    const struct peer *p = w == &b->home ? NULL : link_peer(b, w->node);
    return p != NULL && p->attached; /* one that is detached waits for whoever dialled it: perhaps us */
}

static void rest(struct way *w) {
    w->at = VL_MS_NEVER;
    w->dial = w->failures = 0;
}

static void dial_now(struct brain *b, struct way *w) {
    w->at = VL_MS_NEVER;
    b->dials = b->dials == UINT32_MAX ? 1 : b->dials + 1;
    w->dial = b->dials;
    struct brain_effect *e = effect_now(b, BRAIN_DIAL, vl_span(w->addr, strlen(w->addr) + 1), NULL);
    e->dial = w->dial;
    e->addr = (const char *)e->bytes.p;
}

enum vl_err brain_dialled(struct brain *b, vl_ms now, uint32_t dial, uint32_t *ret_conn) {
    step_begin(b, now);
    enum vl_err err = VL_ESTALE;
    for (struct way *w = &b->home; w && dial != 0; w = next(b, w)) {
        if (w->dial != dial) continue;
        if (linked(b, w)) { /* the other end was faster */
            rest(w);
            break;
        }
        struct htx_dial d = { .resume = w->session };
        if (w->known) {
            d.expect = &w->node;
            d.peer_static = w->static_key;
        }
        err = htx_dial(b->htx, b->now, &d, ret_conn);
        if (err == VL_OK)
            w->conn = *ret_conn;
        else
            redial_later(b, w);
        break;
    }
    step_end(b);
    return err;
}

void brain_dial_failed(struct brain *b, vl_ms now, uint32_t dial) {
    step_begin(b, now);
    for (struct way *w = &b->home; w && dial != 0; w = next(b, w))
        if (w->dial == dial) redial_later(b, w);
    step_end(b);
}

/* The link fell or its connection ended: come back, soon at first. */
static void come_back(struct brain *b, struct way *w) {
    if (w->at == VL_MS_NEVER && (w != &b->home || !b->cfg.coordinator)) redial_later(b, w);
}

const struct way *way_of_conn(struct brain *b, uint32_t conn) {
    for (struct way *w = &b->home; w; w = next(b, w))
        if (w->conn == conn && conn != 0) return w;
    return NULL;
}

void way_session_up(struct brain *b, uint32_t conn, uint32_t session) {
    for (struct way *w = &b->home; w; w = next(b, w)) {
        if (w->conn != conn || conn == 0) continue;
        w->failures = 0;
        w->dial = 0;
        w->session = session;
    }
}

void way_session_down(struct brain *b, uint32_t session) {
    for (struct way *w = &b->home; w; w = next(b, w))
        if (w->session == session && session != 0) come_back(b, w);
}

void way_session_gone(struct brain *b, uint32_t session) {
    for (struct way *w = &b->home; w; w = next(b, w))
        if (w->session == session) w->session = 0;
}

void way_node_gone(struct brain *b, struct vl_node_id node) {
    struct way *w = find(b, node);
    if (w && w->dial == 0 && !linked(b, w)) come_back(b, w);
}

/* Refused in the handshake, or ended before the session came up. */
void way_conn_closing(struct brain *b, uint32_t conn) {
    for (struct way *w = &b->home; w; w = next(b, w))
        if (w->conn == conn && conn != 0 && w->dial != 0) come_back(b, w);
}

void way_conn_lost(struct brain *b, uint32_t conn) {
    way_conn_closing(b, conn);
    for (struct way *w = &b->home; w; w = next(b, w))
        if (w->conn == conn) w->conn = 0;
}

void way_tick(struct brain *b) {
    if (way_deadline(b) > b->now) return;
    b->ways_at = VL_MS_NEVER;
    for (struct way *w = &b->home; w; w = next(b, w)) {
        if (w->at <= b->now && linked(b, w))
            rest(w); /* way_node_gone() ends it */
        else if (w->at <= b->now)
            dial_now(b, w);
        b->ways_at = vl_ms_min(b->ways_at, w->at);
    }
}

vl_ms way_deadline(const struct brain *b) {
    return vl_ms_min(b->home.at, b->ways_at);
}

void way_want(struct brain *b, struct vl_node_id node, const uint8_t static_key[32], const char *addr, unsigned use) {
    struct way *w = find(b, node);
    if (vl_node_eq(node, b->self) || vl_node_eq(node, b->coordinator) || b->cfg.coordinator || addr[0] == '\0')
        return; /* every member has a way home already */
    if (w == NULL) {
        w = calloc(1, sizeof *w);
        if (w == NULL) {
            out_of_memory(b);
            return;
        }
        w->node = node;
        w->next = b->ways;
        b->ways = w;
        dial_at(b, w, b->now);
    }
    w->uses |= use;
    if (static_key) {
        w->known = true;
        memcpy(w->static_key, static_key, sizeof w->static_key);
    }
    if (strcmp(w->addr, addr) != 0) {
        memcpy(w->addr, addr, strlen(addr) + 1);
        if (w->at != VL_MS_NEVER) dial_at(b, w, b->now); /* it moved: no reason to wait on */
    }
}

void way_unwant_all(struct brain *b, unsigned use) {
    for (struct way *w = b->ways; w; w = w->next) w->uses &= ~use;
}

void way_sweep(struct brain *b) {
    for (struct way **at = &b->ways; *at;) {
        struct way *w = *at;
        if (w->uses != 0) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        struct peer *p = link_peer(b, w->node);
        if (p && p->session == w->session) held_inside(b, OUT_CLOSE, w->node, LANE_CONTROL, 0, (struct vl_span){ 0 });
        free(w);
    }
}

uint32_t way_down(const struct brain *b) {
    uint32_t n = 0;
    for (const struct way *w = b->ways; w; w = w->next) n += !linked(b, w);
    return n;
}

void way_destroy(struct brain *b) {
    for (struct way *w; (w = b->ways); free(w)) b->ways = w->next;
}
