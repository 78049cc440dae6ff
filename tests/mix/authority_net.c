#include "authority_net.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct net_size net_sizes[NET_SIZES] = { { 3, 2 }, { 4, 3 }, { 5, 3 }, { 7, 5 } };

static const uint16_t delays[MIX_DELAYS] = { 5, 10, 20, 50, 100, 200, 500, 1000 };

void net_start(struct net *net, int i) {
    struct net_authority *at = &net->at[i];
    CHECK(at->a == NULL);
    CHECK_OK(authority_create(&at->cfg, net->now, &at->a));
    if (at->consensus.len > 0)
        CHECK_OK(authority_restore(at->a, net->now, vl_span(at->consensus.p + 1, at->consensus.len - 1)));
    if (at->state.len > 0) CHECK_OK(authority_restore_state(at->a, net->now, vl_span(at->state.p, at->state.len)));
    for (uint32_t k = 0; k < NET_NODES; k++) net->taken[k][i] = 0; /* a new link: they say it again */
}

void net_crash(struct net *net, int i) {
    authority_destroy(net->at[i].a);
    net->at[i].a = NULL;
}

void net_wipe(struct net *net, int i) {
    vl_buf_clear(&net->at[i].consensus);
    vl_buf_clear(&net->at[i].state);
}

void net_corrupt(struct net *net, int i) {
    struct authority_config cfg = net->at[i].cfg;
    cfg.anonymity_floor++;
    net->liar = i;
    CHECK_OK(authority_create(&cfg, net->now, &net->at[i].twin));
}

void net_init(struct net *net, uint8_t n, uint8_t threshold, uint64_t seed) {
    memset(net, 0, sizeof *net);
    help_charter(n, threshold, NET_EPOCH, &net->charter, net->key, &net->root);
    net->n = n;
    net->liar = -1;
    net->now = HELP_GENESIS;
    net->delay_max = 40;
    net->relays = 6;
    net->clients = 5;
    vl_prng_seed(&net->prng, seed);
    for (size_t k = 0; k <= AUTHORITY_HAVE; k++) vl_buf_init(&net->message[k], MIX_DOC_MAX + 1);
    for (int i = 0; i < n; i++) {
        struct net_authority *at = &net->at[i];
        at->cfg = (struct authority_config){ .key = &net->key[i],
                                             .charter = net->charter,
                                             .seed = { (uint8_t)(i + 1) },
                                             .tolerance_permille = 1500,
                                             .anonymity_floor = 64 };
        memcpy(at->cfg.delay_ms, delays, sizeof delays);
        vl_buf_init(&at->consensus, MIX_DOC_MAX + 1);
        vl_buf_init(&at->state, MIX_DOC_MAX + 2048);
        net_start(net, i);
    }
}

void net_free(struct net *net) {
    for (struct vl_heap_node *h; (h = vl_heap_top(&net->packets)) != NULL;) {
        vl_heap_remove(&net->packets, h);
        free((struct net_packet *)(void *)h);
    }
    vl_heap_free(&net->packets);
    for (int i = 0; i < net->n; i++) {
        authority_destroy(net->at[i].a);
        authority_destroy(net->at[i].twin);
        vl_buf_free(&net->at[i].consensus);
        vl_buf_free(&net->at[i].state);
    }
    for (size_t k = 0; k <= AUTHORITY_HAVE; k++) vl_buf_free(&net->message[k]);
    mix_consensus_free(&net->last);
}

/* --- what must always hold --- */

static void see_consensus(struct net *net, struct vl_span doc) {
    static const uint8_t zero[32];
    struct mix_consensus c;
    CHECK_OK(mix_consensus_decode(doc, &net->charter, 0, &c));
    CHECK(c.epoch < NET_EPOCHS);
    if (memcmp(net->hash[c.epoch], zero, 32) == 0) {
        memcpy(net->hash[c.epoch], c.hash, 32);
        memcpy(net->previous[c.epoch], c.previous, 32);
        net->first[c.epoch] = net->now;
        uint64_t before = c.epoch - 1;
        while (before > 0 && memcmp(net->hash[before], zero, 32) == 0) before--;
        bool chained = memcmp(net->hash[before], c.previous, 32) == 0; /* [0] is zero: the first */
        for (; net->lax && !chained && before > 0; before--)
            chained = memcmp(net->hash[before - 1], c.previous, 32) == 0;
        CHECK(chained);
        for (uint32_t i = 0; i < c.relays_n && !net->lax; i++) {
            struct vl_node_id *owner = &net->owner[c.relays[i].number];
            CHECK(c.relays[i].number < NET_NUMBERS);
            if (memcmp(owner->b, zero, 32) == 0) *owner = c.relays[i].node;
            CHECK(vl_node_eq(*owner, c.relays[i].node));
        }
    }
    CHECK_MEM(net->hash[c.epoch], c.hash, 32);
    mix_consensus_free(&net->last);
    net->last = c;
}

static void see_accusation(struct net *net, struct vl_span doc) {
    struct mix_equivocation e;
    CHECK_OK(mix_equivocation_check(doc, &net->charter, &e));
    CHECK_EQ(net->liar, mix_charter_find(&net->charter, e.authority));
    net->accusations++;
}

static void see_vote(struct net *net, int from, struct vl_span doc) {
    struct mix_vote v;
    if (mix_vote_decode(doc, &net->charter, &v) != VL_OK) return;
    mix_vote_free(&(struct mix_vote){ .entries = v.entries });
    v.entries = NULL;
    if (vl_node_eq(v.authority, net->charter.authority[from].node)) net->vote[from] = v;
}

/* --- the network --- */

static void post(struct net *net, struct vl_node_id from, int to, struct vl_span bytes) {
    if (vl_prng_below(&net->prng, 100) < net->loss) return;
    struct net_packet *p = malloc(sizeof *p + bytes.n);
    CHECK(p != NULL);
    memset(&p->at, 0, sizeof p->at);
    p->from = from;
    p->to = to;
    p->n = bytes.n;
    memcpy(p->p, bytes.p, bytes.n);
    CHECK_OK(vl_heap_set(&net->packets, &p->at, net->now + 1 + vl_prng_below(&net->prng, net->delay_max)));
}

static void carry_out(struct net *net, int i, bool twin, const struct authority_effect *e) {
    struct net_authority *at = &net->at[i];
    struct vl_span body = vl_span(e->bytes.p + 1, e->bytes.n - 1);
    struct vl_buf *disk = e->kind == AUTHORITY_STORE ? &at->state : &at->consensus;
    uint8_t kind = e->bytes.p[0];
    switch (e->kind) {
    case AUTHORITY_STORE:
    case AUTHORITY_PUBLISH:
        if (e->kind == AUTHORITY_PUBLISH) {
            CHECK_EQ(AUTHORITY_CONSENSUS, kind);
            see_consensus(net, body);
            at->published += !twin;
        }
        if (twin) return;
        vl_buf_clear(disk);
        CHECK_OK(vl_buf_append(disk, e->bytes.p, e->bytes.n));
        return;
    case AUTHORITY_ACCUSE:
        see_accusation(net, body);
        return;
    case AUTHORITY_SEND:
        break;
    }
    int to = mix_charter_find(&net->charter, e->to);
    CHECK(to >= 0 && to != i && kind <= AUTHORITY_HAVE);
    if (at->twin != NULL && (to % 2 == 1) != twin) return;
    if (kind == AUTHORITY_VOTE) see_vote(net, i, body);
    vl_buf_clear(&net->message[kind]);
    CHECK_OK(vl_buf_append(&net->message[kind], e->bytes.p, e->bytes.n));
    net->sender[kind] = i;
    if (net->drop != NULL && net->drop(net, i, to, kind)) return;
    post(net, net->charter.authority[i].node, to, e->bytes);
}

static void drain(struct net *net, int i, bool twin) {
    struct authority_effect e;
    struct authority *a = twin ? net->at[i].twin : net->at[i].a;
    while (a != NULL && authority_next(a, &e)) carry_out(net, i, twin, &e);
}

static enum vl_err deliver(struct net *net, struct vl_node_id from, int to, uint16_t reputation, struct vl_span m) {
    struct net_authority *at = &net->at[to];
    if (at->twin != NULL) {
        vl_ignore(authority_recv(at->twin, net->now, from, reputation, m));
        drain(net, to, true);
    }
    if (at->a == NULL) return VL_ECLOSED;
    enum vl_err err = authority_recv(at->a, net->now, from, reputation, m);
    drain(net, to, false);
    return err;
}

/* Nodes hand in what is not taken yet; their link tells them when it got lost. */
static void hand_in(struct net *net, uint32_t k, const struct mix_descriptor *d, uint64_t epoch, uint32_t mask) {
    struct vl_buf m;
    uint8_t kind = AUTHORITY_DESCRIPTOR;
    vl_buf_init(&m, 1024);
    CHECK_OK(vl_buf_append(&m, &kind, 1));
    CHECK_OK(mix_descriptor_encode(d, &m));
    for (int to = 0; to < net->n; to++) {
        if (net->taken[k][to] == epoch || (mask != 0 && (mask >> to & 1u) == 0)) continue;
        if (vl_prng_below(&net->prng, 100) < net->loss) continue;
        enum vl_err err = deliver(net, d->node, to, (uint16_t)(500 + 10 * to), vl_span(m.p, m.len));
        if (err == VL_OK) net->taken[k][to] = (uint32_t)epoch;
    }
    vl_buf_free(&m);
}

static void members(struct net *net) {
    uint64_t epoch = mix_epoch_at(&net->charter, net->now) + 1;
    net->next_members = net->now + NET_EPOCH / 16;
    if (net->now - mix_epoch_start(&net->charter, epoch - 1) > NET_EPOCH * 10 / 16) return;
    for (uint32_t k = 0; k < net->relays + net->clients; k++) {
        bool all = true, relay = k < net->relays;
        for (int to = 0; to < net->n; to++) all = all && net->taken[k][to] == epoch;
        if (all) continue;
        struct mix_descriptor d = relay ? help_relay(k, epoch) : help_client(k - net->relays, epoch, k % net->relays);
        hand_in(net, k, &d, epoch, relay ? net->only[k] : 0);
    }
}

static vl_ms next_event(const struct net *net) {
    vl_ms next = vl_ms_min(vl_heap_deadline(&net->packets), net->next_members);
    for (int i = 0; i < net->n; i++) {
        if (net->at[i].a != NULL) next = vl_ms_min(next, authority_deadline(net->at[i].a));
        if (net->at[i].twin != NULL) next = vl_ms_min(next, authority_deadline(net->at[i].twin));
    }
    return next;
}

void net_run(struct net *net, vl_ms end) {
    for (vl_ms next; (next = next_event(net)) <= end;) {
        if (next > net->now) net->now = next;
        if (net->next_members <= net->now) members(net);
        for (int i = 0; i < net->n; i++) {
            struct net_authority *at = &net->at[i];
            if (at->a != NULL && authority_deadline(at->a) <= net->now) authority_tick(at->a, net->now);
            drain(net, i, false);
            if (at->twin != NULL && authority_deadline(at->twin) <= net->now) authority_tick(at->twin, net->now);
            drain(net, i, true);
        }
        for (struct vl_heap_node *h; (h = vl_heap_top(&net->packets)) != NULL && h->at <= net->now;) {
            struct net_packet *p = (struct net_packet *)(void *)h;
            vl_heap_remove(&net->packets, h);
            vl_ignore(deliver(net, p->from, p->to, 0, vl_span(p->p, p->n)));
            free(p);
        }
    }
    net->now = end;
}

void net_run_to(struct net *net, uint64_t epoch, uint32_t step) {
    net_run(net, mix_epoch_start(&net->charter, epoch - 1) + (uint64_t)NET_EPOCH * step / 32);
}

uint32_t net_consensuses(const struct net *net, uint64_t first, uint64_t last) {
    static const uint8_t zero[32];
    uint32_t n = 0;
    for (uint64_t e = first; e <= last; e++) n += memcmp(net->hash[e], zero, 32) != 0;
    return n;
}

void net_check_all_have(const struct net *net, uint64_t epoch) {
    for (int i = 0; i < net->n; i++) {
        if (net->at[i].a == NULL) continue;
        const struct mix_consensus *c = authority_consensus(net->at[i].a);
        CHECK(c != NULL);
        CHECK_EQ(epoch, c->epoch);
        CHECK_MEM(net->hash[epoch], c->hash, 32);
    }
}
