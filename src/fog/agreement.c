#include "fog/agreement.h"

#include "wire/pack.h"

#include <string.h>

#define TAG 0x67u
#define TAG_REFUND 0x68u
#define VERSION 1u /* of refunds, and of agreements before there were groups */
#define VERSION_GROUPS 2u

static uint32_t size_of(const struct agreement *a) { return a->n / a->groups; }

static bool group_up(const struct agreement *a, uint32_t group) {
    uint32_t up = 0, size = size_of(a);
    for (uint32_t i = 0; i < size; i++) up += a->node_up[group * size + i];
    return up >= (a->majority ? size / 2 + 1 : 1);
}

static uint32_t groups_down(const struct agreement *a) {
    uint32_t down = 0;
    for (uint32_t g = 0; g < a->groups; g++) down += !group_up(a, g);
    return down;
}

/* Adds the time up to `to` in the state that holds. */
static void add_up(struct agreement *a, vl_ms to) {
    if (to <= a->settled_ms) return;
    uint64_t dt = to - a->settled_ms;
    if (a->blind) {
        a->blind_ms += dt;
    } else {
        uint64_t parts = dt * groups_down(a) + a->rest, down = parts / a->groups;
        a->rest = (uint32_t)(parts % a->groups);
        a->down_ms += down;
        a->up_ms += dt - down;
    }
    a->settled_ms = to;
}

static void apply(struct agreement *a, const struct agreement_event *e) {
    uint32_t before = groups_down(a);
    switch (e->what) {
    case SEEN_DOWN:
    case SEEN_UP:
        a->node_up[e->slot] = e->what == SEEN_UP;
        break;
    case SEEN_BLIND:
    case SEEN_AGAIN:
        a->blind = e->what == SEEN_BLIND;
        break;
    }
    a->outages += groups_down(a) > before;
}

/* Adds up what is older than `to`; what lies beyond the end never counts. */
static void settle(struct agreement *a, vl_ms to) {
    uint32_t done = 0;
    if (to > a->end_ms) to = a->end_ms;
    while (done < a->n_pending && a->pending[done].at_ms <= to) {
        add_up(a, a->pending[done].at_ms);
        apply(a, &a->pending[done++]);
    }
    add_up(a, to);
    a->n_pending -= done;
    memmove(a->pending, a->pending + done, a->n_pending * sizeof a->pending[0]);
}

/* Behind all of the same time: later news wins. */
static void note_event(struct agreement *a, vl_ms at, uint32_t slot, enum agreement_seen what) {
    if (a->n_pending == AGREEMENT_PENDING_MAX) settle(a, a->pending[0].at_ms); /* too much at once: the oldest is final */
    if (at < a->settled_ms) at = a->settled_ms;
    if (at >= a->end_ms) return;
    uint32_t i = a->n_pending++;
    for (; i > 0 && a->pending[i - 1].at_ms > at; i--) a->pending[i] = a->pending[i - 1];
    a->pending[i] = (struct agreement_event){ .at_ms = at, .slot = (uint8_t)slot, .what = what };
}

static bool slot_up(const struct agreement *a, uint32_t slot) {
    bool up = a->node_up[slot];
    for (uint32_t i = 0; i < a->n_pending; i++)
        if (a->pending[i].what <= SEEN_UP && a->pending[i].slot == slot) up = a->pending[i].what == SEEN_UP;
    return up;
}

/* The next slot from *ret on, before `end`. */
static bool slot_of(const struct agreement *a, struct vl_node_id node, uint32_t end, uint32_t *ret) {
    for (uint32_t i = *ret; i < end; i++) {
        if (!vl_node_eq(a->node[i], node)) continue;
        *ret = i;
        return true;
    }
    return false;
}

enum vl_err agreement_open(struct agreement *a, const struct agreement_terms *t, vl_ms now) {
    if (t->tier == TIER_NONE || (unsigned)t->tier >= SLA_TIERS || t->computed_ppb > QUORUM_ONE || t->span_ms == 0 ||
        t->span_ms > AGREEMENT_SPAN_MAX_MS || t->lag_ms == 0 || t->gap_ms == 0 || t->n == 0 || t->n > QUORUM_WIDE_MAX ||
        t->groups == 0 || t->n % t->groups != 0 || t->n / t->groups > QUORUM_NODES_MAX ||
        now > VL_MS_NEVER - AGREEMENT_SPAN_MAX_MS)
        return VL_ERANGE;
    for (uint32_t i = 0; i < t->n; i++)
        for (uint32_t k = i - i % (t->n / t->groups); k < i; k++)
            if (vl_node_eq(t->node[i], t->node[k])) return VL_ERANGE;
    *a = (struct agreement){ .job = t->job,
                             .tier = t->tier,
                             .majority = t->majority,
                             .computed_ppb = t->computed_ppb,
                             .start_ms = now,
                             .end_ms = now + t->span_ms,
                             .lag_ms = t->lag_ms,
                             .gap_ms = t->gap_ms,
                             .settled_ms = now,
                             .looked_ms = now,
                             .n = t->n,
                             .groups = t->groups };
    for (uint32_t i = 0; i < t->n; i++) {
        a->node[i] = t->node[i];
        a->node_up[i] = true;
    }
    return VL_OK;
}

void agreement_look(struct agreement *a, vl_ms now) {
    if (a->closed || now <= a->looked_ms) return;
    if (now - a->looked_ms > a->gap_ms) {
        note_event(a, a->looked_ms, 0, SEEN_BLIND);
        note_event(a, now, 0, SEEN_AGAIN);
    }
    a->looked_ms = now;
    if (now > a->lag_ms) settle(a, now - a->lag_ms);
}

bool agreement_node(struct agreement *a, vl_ms now, struct vl_node_id node, vl_ms at, bool up) {
    bool news = false;
    agreement_look(a, now);
    for (uint32_t slot = 0; !a->closed && slot_of(a, node, a->n, &slot); slot++) {
        vl_ms from = at;
        if (slot_up(a, slot) == up) continue;
        /* A state cannot begin before the one it ends: news of one node come in the order of what happened to it. */
        for (uint32_t i = 0; i < a->n_pending; i++)
            if (a->pending[i].what <= SEEN_UP && a->pending[i].slot == slot && a->pending[i].at_ms > from)
                from = a->pending[i].at_ms;
        note_event(a, from < now ? from : now, slot, up ? SEEN_UP : SEEN_DOWN);
        news = true;
    }
    return news;
}

bool agreement_group_up(const struct agreement *a, uint32_t group, uint32_t *ret_nodes) {
    uint32_t size = size_of(a);
    *ret_nodes = 0;
    for (uint32_t i = 0; i < size; i++) *ret_nodes += slot_up(a, group * size + i);
    return *ret_nodes >= (a->majority ? size / 2 + 1 : 1);
}

bool agreement_replace(struct agreement *a, vl_ms now, uint32_t group, struct vl_node_id old, struct vl_node_id node) {
    uint32_t size = size_of(a), end = (group + 1) * size, slot = group * size, other = slot;
    agreement_look(a, now);
    if (a->closed || group >= a->groups || !slot_of(a, old, end, &slot) || slot_of(a, node, end, &other)) return false;
    a->node[slot] = node;
    if (!slot_up(a, slot)) note_event(a, now, slot, SEEN_UP);
    return true;
}

bool agreement_holds(const struct agreement *a, struct vl_node_id node, bool *ret_up) {
    uint32_t slot = 0;
    if (!slot_of(a, node, a->n, &slot)) return false;
    *ret_up = slot_up(a, slot);
    return true;
}

void agreement_close(struct agreement *a, vl_ms now) {
    if (a->closed) return;
    agreement_look(a, now);
    if (now < a->settled_ms) now = a->settled_ms;
    settle(a, now);
    if (now < a->end_ms) a->end_ms = now;
    if (a->rest > 0 && a->up_ms > 0) {
        a->down_ms++;
        a->up_ms--;
    }
    a->rest = 0;
    a->n_pending = 0;
    a->closed = true;
}

/* ---- the bill ----------------------------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

void agreement_bill_of(enum sla_tier tier, uint64_t up, uint64_t down, uint64_t blind, struct agreement_bill *ret) {
    up = least(up, AGREEMENT_SPAN_MAX_MS);
    down = least(down, AGREEMENT_SPAN_MAX_MS - up);
    blind = least(blind, AGREEMENT_SPAN_MAX_MS - up - down);
    uint64_t total = up + down + blind, missed = down + blind, allowed = quorum_allowed_ms(tier, total);
    *ret = (struct agreement_bill){ .up_ms = up,
                                    .down_ms = down,
                                    .blind_ms = blind,
                                    .total_ms = total,
                                    .allowed_ms = allowed,
                                    .missed_ms = missed,
                                    .breach = missed > allowed,
                                    .measured_ppb = total ? (uint32_t)(up * QUORUM_ONE / total) : QUORUM_ONE };
    if (!ret->breach) return;
    uint64_t due = (missed - allowed) * AGREEMENT_REFUND_TIMES;
    ret->share_ppb = due >= total ? QUORUM_ONE : (uint32_t)((due * QUORUM_ONE + total - 1) / total);
}

void agreement_bill(const struct agreement *a, vl_ms now, struct agreement_bill *ret) {
    struct agreement as_if = *a;
    if (!as_if.closed) agreement_close(&as_if, now);
    agreement_bill_of(as_if.tier, as_if.up_ms, as_if.down_ms, as_if.blind_ms, ret);
}

uint64_t agreement_refund(const struct agreement_bill *bill, uint64_t price) {
    uint64_t whole = price / QUORUM_ONE, rest = price % QUORUM_ONE, share = bill->share_ppb;
    return whole * share + (rest * share + QUORUM_ONE - 1) / QUORUM_ONE;
}

/* ---- durable form ------------------------------------------------------------------------------------------------- */

enum vl_err agreement_encode(const struct agreement *a, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG, VERSION_GROUPS);
    pack_bytes(&w, a->job.b, sizeof a->job.b);
    pack_u8(&w, (uint8_t)a->tier);
    pack_bool(&w, a->majority);
    pack_bool(&w, a->closed);
    pack_bool(&w, a->blind);
    pack_u32(&w, a->computed_ppb);
    pack_u64(&w, a->start_ms);
    pack_u64(&w, a->end_ms);
    pack_u64(&w, a->lag_ms);
    pack_u64(&w, a->gap_ms);
    pack_u64(&w, a->up_ms);
    pack_u64(&w, a->down_ms);
    pack_u64(&w, a->blind_ms);
    pack_u32(&w, a->outages);
    pack_u64(&w, a->settled_ms);
    pack_u64(&w, a->looked_ms);
    pack_u8(&w, (uint8_t)a->n);
    pack_u8(&w, (uint8_t)a->groups);
    pack_u8(&w, (uint8_t)a->rest);
    for (uint32_t i = 0; i < a->n; i++) {
        pack_bytes(&w, a->node[i].b, sizeof a->node[i].b);
        pack_bool(&w, a->node_up[i]);
    }
    pack_u8(&w, (uint8_t)a->n_pending);
    for (uint32_t i = 0; i < a->n_pending; i++) {
        pack_u64(&w, a->pending[i].at_ms);
        pack_u8(&w, a->pending[i].slot);
        pack_u8(&w, (uint8_t)a->pending[i].what);
    }
    return pack_end(&w);
}

static void decode_nodes(struct vl_reader *r, uint8_t version, struct agreement *a) {
    bool wide = version == VERSION_GROUPS;
    a->n = unpack_u8_in(r, 1, wide ? QUORUM_WIDE_MAX : QUORUM_NODES_MAX);
    a->groups = wide ? unpack_u8_in(r, 1, (uint8_t)a->n) : 1;
    a->rest = wide ? vl_read_u8(r) : 0;
    unpack_require(r, !r->failed && a->n % a->groups == 0 && size_of(a) <= QUORUM_NODES_MAX && a->rest < a->groups);
    if (r->failed) return;
    for (uint32_t i = 0; i < a->n; i++) {
        a->node[i] = unpack_node(r);
        a->node_up[i] = unpack_bool(r);
        for (uint32_t k = i - i % size_of(a); k < i; k++)
            unpack_require(r, r->failed || !vl_node_eq(a->node[i], a->node[k]));
    }
    a->n_pending = unpack_u8_in(r, 0, AGREEMENT_PENDING_MAX);
    for (uint32_t i = 0; i < a->n_pending; i++) {
        struct agreement_event *e = &a->pending[i];
        e->at_ms = vl_read_u64(r);
        e->slot = unpack_u8_in(r, 0, QUORUM_WIDE_MAX - 1);
        e->what = (enum agreement_seen)unpack_u8_in(r, SEEN_DOWN, SEEN_AGAIN);
        unpack_require(r, e->slot < a->n && e->at_ms < a->end_ms && e->at_ms >= (i ? e[-1].at_ms : a->settled_ms));
    }
}

enum vl_err agreement_decode(struct vl_span in, struct agreement *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct agreement a = { 0 };
    uint8_t version = in.n > 1 && in.p[1] == VERSION ? VERSION : VERSION_GROUPS;
    enum vl_err err = unpack_message(&r, TAG, version);
    if (err) return err;
    a.job = unpack_job(&r);
    a.tier = (enum sla_tier)unpack_u8_in(&r, TIER_BRONZE, TIER_PLATINUM);
    a.majority = unpack_bool(&r);
    a.closed = unpack_bool(&r);
    a.blind = unpack_bool(&r);
    a.computed_ppb = unpack_u32_in(&r, 0, QUORUM_ONE);
    a.start_ms = unpack_u64_in(&r, 0, VL_MS_NEVER - AGREEMENT_SPAN_MAX_MS);
    a.end_ms = unpack_u64_in(&r, a.start_ms, a.start_ms + AGREEMENT_SPAN_MAX_MS);
    a.lag_ms = unpack_u64_in(&r, 1, AGREEMENT_SPAN_MAX_MS);
    a.gap_ms = unpack_u64_in(&r, 1, AGREEMENT_SPAN_MAX_MS);
    a.up_ms = unpack_u64_in(&r, 0, AGREEMENT_SPAN_MAX_MS);
    a.down_ms = unpack_u64_in(&r, 0, AGREEMENT_SPAN_MAX_MS);
    a.blind_ms = unpack_u64_in(&r, 0, AGREEMENT_SPAN_MAX_MS);
    a.outages = vl_read_u32(&r);
    a.settled_ms = unpack_u64_in(&r, a.start_ms, a.end_ms);
    a.looked_ms = unpack_u64_in(&r, a.start_ms, VL_MS_NEVER);
    unpack_require(&r, a.up_ms + a.down_ms + a.blind_ms == a.settled_ms - a.start_ms);
    decode_nodes(&r, version, &a);
    unpack_require(&r, !a.closed || (a.rest == 0 && a.n_pending == 0 && a.settled_ms == a.end_ms));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = a;
    return err;
}

enum vl_err agreement_refund_encode(const struct agreement_refund_row *v, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_REFUND, VERSION);
    pack_u8(&w, (uint8_t)v->tier);
    pack_u64(&w, v->at_ms);
    pack_u64(&w, v->price);
    pack_u64(&w, v->refund);
    pack_u32(&w, v->measured_ppb);
    pack_u32(&w, v->share_ppb);
    pack_u64(&w, v->allowed_ms);
    pack_u64(&w, v->down_ms);
    pack_u64(&w, v->blind_ms);
    return pack_end(&w);
}

enum vl_err agreement_refund_decode(struct vl_span in, struct agreement_refund_row *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct agreement_refund_row v = { 0 };
    enum vl_err err = unpack_message(&r, TAG_REFUND, VERSION);
    if (err) return err;
    v.tier = (enum sla_tier)unpack_u8_in(&r, TIER_BRONZE, TIER_PLATINUM);
    v.at_ms = vl_read_u64(&r);
    v.price = unpack_u64_in(&r, 0, TERMS_PRICE_MAX);
    v.refund = unpack_u64_in(&r, 0, v.price);
    v.measured_ppb = unpack_u32_in(&r, 0, QUORUM_ONE);
    v.share_ppb = unpack_u32_in(&r, 0, QUORUM_ONE);
    v.allowed_ms = unpack_u64_in(&r, 0, AGREEMENT_SPAN_MAX_MS);
    v.down_ms = unpack_u64_in(&r, 0, AGREEMENT_SPAN_MAX_MS);
    v.blind_ms = unpack_u64_in(&r, 0, AGREEMENT_SPAN_MAX_MS);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = v;
    return err;
}
