#include "market_help.h"

#include "fog_help.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

struct market_order order_of(uint32_t units, uint64_t reserve, uint32_t providers) {
    return (struct market_order){ .requester = node_n(STALL_BUYER),
                                  .tier = TIER_GOLD,
                                  .title = "word count",
                                  .units = units,
                                  .quantity = 100,
                                  .reserve = reserve,
                                  .min_providers = providers,
                                  .duration_ms = 60000,
                                  .period = 10 };
}

static uint32_t number_of(struct vl_node_id id) {
    for (uint32_t i = 0; i < STALL_MEMBERS; i++)
        if (vl_node_eq(node_n(i), id)) return i;
    CHECK(false);
    return 0;
}

static void book(struct stall *s, enum market_account a, struct vl_node_id who, int64_t amount) {
    if (a == ACCOUNT_MEMBER)
        s->members[number_of(who)] += amount;
    else
        s->accounts[a] += amount;
}

static void money(struct stall *s) {
    for (uint32_t i = 0; i < s->fx.n; i++) {
        const struct market_effect *e = &s->fx.v[i];
        if (e->kind > MARKET_FX_SLASH) continue;
        CHECK(e->amount > 0 && e->amount < 1ull << 60);
        book(s, e->from, e->node, -(int64_t)e->amount);
        book(s, e->to, e->payee, (int64_t)e->amount);
    }
    CHECK(s->accounts[ACCOUNT_ESCROW] >= 0 && s->accounts[ACCOUNT_DEPOSIT] >= 0);
}

enum vl_err stall_step(struct stall *s, struct market_event ev) {
    uint8_t head[4];
    struct vl_buf buf;
    ev.now = s->now;
    ev.auction = s->id;
    enum vl_err err = market_step(s->m, &ev, &s->fx);
    CHECK(market_sound(s->m));
    CHECK_EQ(err == VL_OK, s->fx.changed);
    if (err == VL_OK) {
        vl_buf_init(&buf, 4096);
        CHECK_OK(market_event_encode(&ev, &buf));
        vl_put_u32(head, (uint32_t)buf.len);
        CHECK_OK(vl_buf_append(&s->log, head, 4));
        CHECK_OK(vl_buf_append(&s->log, buf.p, buf.len));
        vl_buf_free(&buf);
        money(s);
    } else {
        CHECK_EQ(0, s->fx.n);
    }
    CHECK(market_get(s->m, s->id, &s->v));
    CHECK_EQ(s->accounts[ACCOUNT_ESCROW], (int64_t)s->v.escrow);
    CHECK_EQ(s->accounts[ACCOUNT_DEPOSIT], (int64_t)s->v.deposits);
    return err;
}

static struct stall *open_with(struct market_order order) {
    struct stall *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->m = market_create(1);
    s->now = 1000000;
    s->trust = 500;
    s->id.b[0] = 42;
    vl_buf_init(&s->log, 1u << 20);
    CHECK_OK(stall_step(s, (struct market_event){ .kind = MARKET_EV_OPEN, .order = order }));
    return s;
}
struct stall *stall_open(uint32_t units, uint64_t reserve, uint32_t providers) {
    return open_with(order_of(units, reserve, providers));
}
struct stall *stall_open_quality(uint32_t units, uint64_t reserve, uint32_t providers) {
    struct market_order o = order_of(units, reserve, providers);
    o.quality = true;
    return open_with(o);
}

static void replay(const struct stall *s) {
    struct market *m = market_create(2);
    struct market_effects fx = { 0 };
    struct market_view v;
    struct vl_reader r = vl_reader(s->log.p, s->log.len);
    while (r.n > 0) {
        struct market_event ev;
        CHECK_OK(market_event_decode(vl_read_span(&r, vl_read_u32(&r)), &ev));
        CHECK_OK(market_step(m, &ev, &fx));
    }
    CHECK(market_get(m, s->id, &v));
    CHECK_EQ(s->v.n_bids, v.n_bids);
    CHECK(v.n_bids == 0 || memcmp(s->v.bids, v.bids, v.n_bids * sizeof *v.bids) == 0);
    v.bids = s->v.bids;
    CHECK_MEM(&s->v, &v, sizeof v);
    market_effects_free(&fx);
    market_destroy(m);
}

void stall_close(struct stall *s) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < STALL_MEMBERS; i++) sum += s->members[i];
    for (uint32_t i = 0; i < 5; i++) sum += s->accounts[i];
    CHECK_EQ(0, sum);
    if (market_state_final(s->v.state)) {
        CHECK_EQ(0, s->accounts[ACCOUNT_ESCROW]);
        CHECK_EQ(0, s->accounts[ACCOUNT_DEPOSIT]);
    }
    replay(s);
    market_effects_free(&s->fx);
    market_destroy(s->m);
    vl_buf_free(&s->log);
    free(s);
}

static void salt_of(const struct stall *s, uint32_t bidder, uint8_t ret[MARKET_SALT]) {
    memset(ret, 0, MARKET_SALT);
    ret[0] = (uint8_t)bidder;
    ret[1] = s->salt;
}

enum vl_err stall_bid(struct stall *s, uint32_t bidder, uint64_t bid) {
    uint8_t salt[MARKET_SALT];
    salt_of(s, bidder, salt);
    if (bidder < MARKET_BIDS_MAX) s->bids[bidder] = bid;
    return stall_step(s, (struct market_event){ .kind = MARKET_EV_BID,
                                                .node = node_n(10 + bidder),
                                                .group = s->group,
                                                .trust_milli = s->trust,
                                                .seal = market_seal(s->id, node_n(10 + bidder), bid, salt) });
}
enum vl_err stall_show(struct stall *s, uint32_t bidder) {
    struct market_event ev = { .kind = MARKET_EV_SHOW, .node = node_n(10 + bidder), .bid = s->bids[bidder] };
    salt_of(s, bidder, ev.salt);
    return stall_step(s, ev);
}
enum vl_err stall_award(struct stall *s, enum market_event_kind kind, uint32_t bidder, uint32_t share) {
    return stall_step(s, (struct market_event){ .kind = kind, .node = node_n(10 + bidder), .share = share });
}
enum vl_err stall_meter(struct stall *s, uint32_t bidder, uint64_t nh) {
    return stall_step(s, (struct market_event){ .kind = MARKET_EV_METERED, .node = node_n(10 + bidder), .nh = nh });
}
enum vl_err stall_tick(struct stall *s) { return stall_step(s, (struct market_event){ .kind = MARKET_EV_TICK }); }

void stall_at(struct stall *s, vl_ms at) {
    s->now = at;
    if (market_deadline(s->m, NULL) <= at) CHECK_OK(stall_tick(s));
}
void stall_show_all(struct stall *s) {
    if (s->v.state == MARKET_COMMIT) stall_at(s, s->v.until_ms);
    for (uint32_t i = 0, n = s->v.n_bids; i < n; i++) {
        for (uint32_t k = 0; k < MARKET_BIDS_MAX; k++)
            if (vl_node_eq(node_n(10 + k), s->v.bids[i].node)) CHECK_OK(stall_show(s, k));
    }
}
void stall_bids(struct stall *s, const uint64_t *bids, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) CHECK_OK(stall_bid(s, i, bids[i]));
    stall_show_all(s);
}
int64_t stall_member(const struct stall *s, uint32_t node) { return s->members[node]; }
int64_t stall_balance(const struct stall *s, enum market_account a) { return s->accounts[a]; }
bool stall_has(const struct stall *s, enum market_effect_kind kind) {
    for (uint32_t i = 0; i < s->fx.n; i++)
        if (s->fx.v[i].kind == kind) return true;
    return false;
}
