#include "delivery_rig.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

void rig_init(struct rig *r, uint64_t seed) {
    *r = (struct rig){ .now = 1000000, .delay_max = 1 };
    vl_prng_seed(&r->prng, seed);
    delivery_effects_init(&r->fx);
    for (unsigned i = 0; i < RIG_NODES; i++) {
        struct rig_node *n = &r->node[i];
        uint8_t key_seed[CRYPTO_SIGN_SEED] = { (uint8_t)(i + 1) };
        crypto_sign_key_from_seed(key_seed, &n->key);
        n->id = crypto_sign_node_id(&n->key);
        n->cfg = delivery_cfg_default();
        n->cfg.self = n->id;
        n->cfg.key = &n->key;
        n->cfg.seed = seed * RIG_NODES + i;
        vl_map_init(&n->out, sizeof(struct vl_msg_id), RIG_ROWS, 1);
        vl_map_init(&n->in, sizeof(struct vl_msg_id), RIG_ROWS, 1);
        vl_map_init(&n->got, sizeof(struct vl_msg_id), RIG_ROWS, 1);
        rig_start(r, i);
    }
}

static void row_free(struct rig_row *row) {
    if (row == NULL) return;
    free(row->p);
    free(row);
}
static void rows_free(struct vl_map *m) {
    size_t it = 0;
    for (struct rig_row *row; (row = vl_map_next(m, &it, NULL)) != NULL;) row_free(row);
    vl_map_free(m);
}
static void row_put(struct vl_map *m, const struct delivery_effect *e) {
    struct rig_row *row = calloc(1, sizeof *row), *old = vl_map_get(m, e->id.b);
    CHECK(row != NULL);
    *row = (struct rig_row){ .id = e->id, .p = malloc(e->bytes.n + 1), .n = e->bytes.n };
    CHECK(row->p != NULL);
    if (e->bytes.n) memcpy(row->p, e->bytes.p, e->bytes.n);
    CHECK_OK(vl_map_put(m, e->id.b, row));
    row_free(old);
}

void rig_free(struct rig *r) {
    for (unsigned i = 0; i < RIG_NODES; i++) {
        delivery_destroy(r->node[i].d);
        rows_free(&r->node[i].out);
        rows_free(&r->node[i].in);
        rows_free(&r->node[i].got);
    }
    for (struct vl_heap_node *n; (n = vl_heap_top(&r->net)) != NULL;) {
        struct rig_packet *p = (struct rig_packet *)n;
        vl_heap_remove(&r->net, n);
        free(p->p);
        free(p);
    }
    vl_heap_free(&r->net);
    delivery_effects_free(&r->fx);
}

size_t rig_flying(const struct rig *r) { return r->net.len; }

void rig_check(const struct rig *r, unsigned node) {
    if (r->node[node].d == NULL) return;
    struct delivery_counters c = delivery_counters(r->node[node].d);
    uint32_t pending = 0;
    for (unsigned i = 0; i < RIG_NODES; i++) pending += delivery_pending(r->node[node].d, r->node[i].id);
    CHECK_EQ(c.accepted, c.delivered + c.expired + c.purged + c.pending);
    CHECK_EQ(pending, c.pending);
}

static bool chance(struct rig *r, unsigned of, unsigned in) { return vl_prng_below(&r->prng, in) < of; }

static void packet_send(struct rig *r, unsigned from, const struct delivery_effect *e) {
    unsigned to = 0;
    while (to < RIG_NODES && !vl_node_eq(r->node[to].id, e->peer)) to++;
    if (to == RIG_NODES) return; /* a stranger */
    for (unsigned copies = chance(r, r->copies, 100) ? 2 : 1; copies > 0; copies--) {
        if (chance(r, r->loss, 100)) continue;
        struct rig_packet *p = calloc(1, sizeof *p);
        CHECK(p != NULL);
        *p = (struct rig_packet){ .from = from, .to = to, .frame = e->frame, .p = malloc(e->bytes.n), .n = e->bytes.n };
        CHECK(p->p != NULL);
        memcpy(p->p, e->bytes.p, e->bytes.n);
        CHECK_OK(vl_heap_set(&r->net, &p->at, r->now + vl_prng_below(&r->prng, r->delay_max + 1)));
    }
}

static void commit(struct rig_node *n, const struct delivery_effects *fx) {
    for (size_t i = 0; i < fx->n; i++) {
        const struct delivery_effect *e = &fx->v[i];
        switch (e->kind) {
        case DELIVERY_PUT_OUT: row_put(&n->out, e); break;
        case DELIVERY_DEL_OUT:
            CHECK(vl_map_get(&n->out, e->id.b) != NULL);
            row_free(vl_map_del(&n->out, e->id.b));
            break;
        case DELIVERY_PUT_IN: row_put(&n->in, e); break;
        case DELIVERY_DEL_IN:
            CHECK(vl_map_get(&n->in, e->id.b) != NULL);
            row_free(vl_map_del(&n->in, e->id.b));
            break;
        case DELIVERY_DELIVER:
            CHECK(vl_map_get(&n->got, e->id.b) == NULL); /* never twice */
            row_put(&n->got, e);
            n->delivers++;
            break;
        case DELIVERY_DELIVERED: n->confirmed++; break;
        case DELIVERY_DROPPED: n->dropped++; break;
        case DELIVERY_TRANSMIT: break;
        }
    }
}

enum vl_err rig_event(struct rig *r, unsigned node, struct delivery_event ev) {
    struct rig_node *n = &r->node[node];
    if (n->d == NULL) return VL_ECLOSED;
    ev.now = r->now;
    enum vl_err err = delivery_step(n->d, &ev, &r->fx);
    rig_check(r, node);
    if (err) {
        CHECK_EQ(0, r->fx.n);
        return err;
    }
    bool crash = chance(r, r->crash, 1000), before = chance(r, 1, 2);
    if (crash && before) {
        rig_crash(r, node);
        return VL_ECLOSED;
    }
    commit(n, &r->fx);
    if (crash) {
        rig_crash(r, node);
        return VL_OK;
    }
    for (size_t i = 0; i < r->fx.n; i++)
        if (r->fx.v[i].kind == DELIVERY_TRANSMIT) packet_send(r, node, &r->fx.v[i]);
    return VL_OK;
}

enum vl_err rig_send(struct rig *r, unsigned from, unsigned to, enum envelope_priority p, vl_ms ttl, const void *payload,
                     size_t n, struct vl_msg_id *ret_id) {
    struct delivery_event ev = { .kind = DELIVERY_SEND };
    ev.u.send.dst = r->node[to].id;
    ev.u.send.type = 7;
    ev.u.send.priority = p;
    ev.u.send.ttl_ms = ttl;
    ev.u.send.payload = vl_span(payload, n);
    enum vl_err err = rig_event(r, from, ev);
    if (!err && ret_id) *ret_id = r->fx.v[0].id;
    return err;
}

void rig_up(struct rig *r, unsigned node, unsigned peer, bool reliable) {
    struct delivery_event ev = { .kind = DELIVERY_PEER_UP };
    ev.u.up.peer = r->node[peer].id;
    ev.u.up.reliable = reliable;
    (void)rig_event(r, node, ev);
}
void rig_down(struct rig *r, unsigned node, unsigned peer) {
    struct delivery_event ev = { .kind = DELIVERY_PEER_DOWN };
    ev.u.peer = r->node[peer].id;
    (void)rig_event(r, node, ev);
}

void rig_crash(struct rig *r, unsigned node) {
    delivery_destroy(r->node[node].d);
    r->node[node].d = NULL;
}

void rig_start(struct rig *r, unsigned node) {
    struct rig_node *n = &r->node[node];
    struct delivery_event ev = { .kind = DELIVERY_RESTORE_IN, .now = r->now };
    struct rig_row *row;
    size_t it = 0;
    CHECK(n->d == NULL);
    n->cfg.epoch++;
    CHECK_OK(delivery_create(&n->cfg, &n->d));
    while ((row = vl_map_next(&n->in, &it, NULL)) != NULL) {
        ev.u.row = vl_span(row->p, row->n);
        CHECK_OK(delivery_step(n->d, &ev, &r->fx));
        CHECK_EQ(0, r->fx.n);
    }
    ev.kind = DELIVERY_RESTORE_OUT;
    it = 0;
    while ((row = vl_map_next(&n->out, &it, NULL)) != NULL) {
        ev.u.row = vl_span(row->p, row->n);
        CHECK_OK(delivery_step(n->d, &ev, &r->fx));
        CHECK_EQ(0, r->fx.n);
    }
    rig_check(r, node);
}

static void packet_arrive(struct rig *r, struct rig_packet *p) {
    struct delivery_event ev = {
        .kind = p->frame == DELIVERY_FRAME_ENVELOPE ? DELIVERY_RECV_ENVELOPE : DELIVERY_RECV_ACK };
    ev.u.recv.peer = r->node[p->from].id;
    ev.u.recv.bytes = vl_span(p->p, p->n);
    enum vl_err err = rig_event(r, p->to, ev);
    CHECK(err == VL_OK || err == VL_ECLOSED || err == VL_EEXPIRED);
    free(p->p);
    free(p);
}

void rig_run(struct rig *r, vl_ms end) {
    for (;;) {
        vl_ms next = vl_heap_deadline(&r->net);
        unsigned who = RIG_NODES;
        for (unsigned i = 0; i < RIG_NODES; i++)
            if (r->node[i].d != NULL && delivery_deadline(r->node[i].d) < next) {
                next = delivery_deadline(r->node[i].d);
                who = i;
            }
        if (next > end) break;
        if (next > r->now) r->now = next;
        if (who < RIG_NODES) {
            (void)rig_event(r, who, (struct delivery_event){ .kind = DELIVERY_TICK });
        } else {
            struct rig_packet *p = (struct rig_packet *)vl_heap_top(&r->net);
            vl_heap_remove(&r->net, &p->at);
            packet_arrive(r, p);
        }
    }
    r->now = end > r->now ? end : r->now;
}
