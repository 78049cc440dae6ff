/* Time, links, relays, mailboxes. */
#include "sim/mixnet_priv.h"

#include "brain/mix_priv.h" /* its figures: what is measured shall be what is shipped */

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sim_fail(struct sim_mixnet *s, enum vl_err err) {
    if (err && !s->err) s->err = err;
}

void sim_note(struct sim_mixnet *s, uint64_t what, uint64_t who) {
    uint64_t x = s->ret.trace ^ (s->now + what * 0x9e3779b97f4a7c15u + who * 0xc2b2ae3d27d4eb4fu);
    x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9u;
    s->ret.trace = x ^ (x >> 29);
}

/* ---- packets ---- */

void sim_queue_init(struct sim_queue *q) {
    q->first = NULL;
    q->last = &q->first;
}
static void queue_add(struct sim_queue *q, struct sim_packet *p) {
    p->next = NULL;
    *q->last = p;
    q->last = &p->next;
}
static struct sim_packet *queue_pop(struct sim_queue *q) {
    struct sim_packet *p = q->first;
    if (p == NULL) return NULL;
    q->first = p->next;
    if (q->first == NULL) q->last = &q->first;
    return p;
}

struct sim_packet *sim_packet_new(struct sim_mixnet *s) {
    struct sim_packet *p = s->spare;
    if (p)
        s->spare = p->next;
    else if ((p = malloc(sizeof *p)) == NULL) {
        sim_fail(s, VL_ENOMEM);
        return NULL;
    }
    memset(p, 0, offsetof(struct sim_packet, bytes));
    return p;
}
void sim_packet_free(struct sim_mixnet *s, struct sim_packet *p) {
    mass_free(s->mass, p->chance);
    p->next = s->spare;
    s->spare = p;
}

/* ---- links ---- */

static vl_ms latency(struct sim_mixnet *s) {
    return s->cfg.latency_min_ms + vl_prng_below(&s->net, s->cfg.latency_max_ms - s->cfg.latency_min_ms + 1);
}
/* Never in the millisecond that is being worked off. */
static void put_on_wheel(struct sim_mixnet *s, struct sim_packet *p) {
    vl_ms wait = latency(s);
    queue_add(&s->wheel[(s->now + (wait ? wait : 1)) % SIM_MIX_WHEEL], p);
}
static void to_relay(struct sim_mixnet *s, struct sim_packet *p, uint32_t relay, uint32_t link) {
    s->ret.packets++;
    if (vl_prng_below(&s->net, 1000000) < s->cfg.loss_ppm) {
        s->ret.lost++;
        sim_packet_free(s, p);
        return;
    }
    p->place = SIM_TO_RELAY;
    p->to = relay;
    p->link = link;
    s->in_flight++;
    put_on_wheel(s, p);
}

void sim_hand(struct sim_mixnet *s, struct sim_client *c, uint32_t first, enum sim_kind kind, uint32_t hops,
              const uint8_t packet[SPHINX_PACKET]) {
    struct sim_packet *p = sim_packet_new(s);
    if (p == NULL) return;
    p->kind = kind;
    p->origin = c->index;
    p->hops = hops;
    memcpy(p->bytes, packet, SPHINX_PACKET);
    c->slots += sim_measured(s);
    sim_note(s, 1 + kind, vl_get_u64(packet + 8));
    to_relay(s, p, first - 1, MIX_RELAYS_MAX + c->index);
}

/* ---- what the enemy knows, and what is true ---- */

/* Packets of one mean that have come equally far. */
static uint32_t class_of(const struct sim_mixnet *s, const struct sim_packet *p) {
    uint32_t mean = 0;
    while (mean + 1 < MIX_DELAYS && s->cfg.delay_ms[mean] < p->mean_ms) mean++;
    return mean * SPHINX_HOPS_MAX + p->hop - 1;
}
/* The order in which packets came: class and slot in one word, as a walk over packets would miss the cache at each. */
static uint32_t order_word(uint32_t class, uint32_t slot) { return class << 24 | slot; }

static void pool_enter(struct sim_mixnet *s, uint32_t relay, uint32_t slot, struct sim_packet *p) {
    struct sim_relay *r = &s->relays[relay];
    uint32_t class = class_of(s, p);
    sim_fail(s, mass_in(s->mass, relay * SIM_MIX_CLASSES + class, p->chance, p->origin));
    mass_free(s->mass, p->chance);
    p->chance = NULL;
    p->came = s->now;
    r->order[r->order_n++] = order_word(class, slot);
}

/* Takes it out; where it stood among the `waiting` of its class. */
static void order_leave(struct sim_mixnet *s, struct sim_relay *r, uint32_t word, uint32_t waiting) {
    uint32_t at = 0, before = 0;
    for (; r->order[at] != word; at++) before += r->order[at] >> 24 == word >> 24;
    memmove(&r->order[at], &r->order[at + 1], (--r->order_n - at) * sizeof r->order[0]);
    if (waiting < 2 || !sim_measured(s)) return;
    s->age_rank += (double)before / (waiting - 1);
    s->ret.ranks++;
}

static void pool_leave(struct sim_mixnet *s, uint32_t relay, uint32_t slot, struct sim_packet *p) {
    uint32_t class = class_of(s, p), pool = relay * SIM_MIX_CLASSES + class;
    /* Of what is no message and comes to its end next nobody asks. */
    bool asked = p->kind == SIM_MESSAGE || p->hop + 1 < p->hops;
    order_leave(s, &s->relays[relay], order_word(class, slot), mass_waiting(s->mass, pool));
    if (sim_measured(s)) {
        s->pool_sum += mass_waiting(s->mass, pool);
        s->wait_ratio += (double)(s->now - p->came) / p->mean_ms;
        s->ret.waits++;
    }
    p->chance = asked ? mass_new(s->mass) : NULL;
    if (asked && p->chance == NULL) sim_fail(s, VL_ENOMEM);
    mass_out(s->mass, pool, p->chance);
}

static void sample(struct sim_mixnet *s, struct sim_packet *p) {
    double sum = 1, bits = 0, chance = 1;
    if (p->kind != SIM_MESSAGE || !sim_measured(s)) return;
    if (p->chance) {
        bits = mass_entropy(s->mass, p->chance, &sum);
        chance = p->chance[p->origin] / sum;
        if (fabs(sum - 1) > 1e-3) sim_fail(s, VL_EINTERNAL);
    }
    if (s->bits_n == s->bits_cap) {
        size_t cap = s->bits_cap ? 2 * s->bits_cap : 1024;
        double *more = realloc(s->bits, cap * sizeof *more);
        if (more == NULL) {
            sim_fail(s, VL_ENOMEM);
            return;
        }
        s->bits = more;
        s->bits_cap = cap;
    }
    s->bits[s->bits_n++] = bits;
    s->surprise -= log2(chance > 1e-30 ? chance : 1e-30);
}

/* ---- relays ---- */

static void forget(struct sim_mixnet *s, struct sim_relay *r, uint32_t slot) {
    sim_packet_free(s, r->packet[slot]);
    r->packet[slot] = NULL;
}

static void relay_takes(struct sim_mixnet *s, struct sim_packet *p) {
    struct sim_relay *r = &s->relays[p->to];
    uint32_t before = r->r->ingress_n;
    s->in_flight--;
    p->hop++;
    (void)relay_input(r->r, s->now, p->link, p->bytes, SPHINX_PACKET);
    r->deadline = 0;
    if (r->r->ingress_n == before) { /* its books say why */
        s->ret.bad++;
        sim_packet_free(s, p);
        return;
    }
    uint32_t slot = r->r->ingress[(r->r->ingress_head + before) % r->r->limits.ingress];
    if (r->packet[slot] != NULL) { /* what was due first gave way */
        sim_fail(s, VL_EINTERNAL); /* pools are many times what they hold on average */
        forget(s, r, slot);
    }
    r->packet[slot] = p;
}

/* After unwrapping: what the relay knows now of each packet. */
static void look_into(struct sim_mixnet *s, uint32_t relay, struct relay_batch *b) {
    struct sim_relay *r = &s->relays[relay];
    s->ret.hops += b->n;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct sphinx_work *w = &b->work[i];
        uint32_t slot = b->slot[i];
        struct sim_packet *p = r->packet[slot];
        if (w->verdict != SPHINX_OK || w->command == SPHINX_DROP) {
            s->ret.bad += w->verdict != SPHINX_OK;
            forget(s, r, slot);
            continue;
        }
        if (s->cfg.bug == SIM_MIX_NO_DELAY) b->delay_us[i] = 0;
        if (s->cfg.bug == SIM_MIX_IN_ORDER) b->delay_us[i] = w->delay_ms * 1000u;
        p->mean_ms = w->delay_ms;
        if (p->kind == SIM_MESSAGE && sim_measured(s)) s->mean_sum += w->delay_ms, s->means++;
        if (w->command == SPHINX_FORWARD)
            pool_enter(s, relay, slot, p);
        else
            sample(s, p);
    }
}

static bool mail_put(struct sim_mixnet *s, uint32_t relay, struct sim_packet *p, const struct relay_out *o) {
    struct vl_node_id to;
    memcpy(to.b, o->end.recipient, sizeof to.b);
    const struct mix_client *m = mix_client_by_node(&s->consensus[s->epoch - 1], to);
    if (m == NULL) return false;
    struct sim_client *c = &s->clients[m - s->consensus[s->epoch - 1].clients];
    if (c->mailbox != relay || c->mail_n == MIX_MAILBOX_MAX) return false;
    p->reply = o->kind == RELAY_REPLY;
    memcpy(p->surb_id, o->end.surb_id, sizeof p->surb_id);
    memcpy(p->bytes, o->packet, p->reply ? SPHINX_DELTA : SPHINX_BODY);
    mass_free(s->mass, p->chance);
    p->chance = NULL;
    queue_add(&c->mail, p);
    c->mail_n++;
    s->in_mail++;
    return true;
}

static void goes(struct sim_mixnet *s, uint32_t relay, const struct relay_out *o) {
    struct sim_relay *r = &s->relays[relay];
    struct sim_packet *p = r->packet[o->handle];
    if (o->kind == RELAY_FORWARD) {
        pool_leave(s, relay, o->handle, p);
        memcpy(p->bytes, o->packet, SPHINX_PACKET);
        sim_note(s, 8, vl_get_u64(p->bytes + 8));
        r->packet[o->handle] = NULL;
        relay_gone(r->r, o->handle);
        to_relay(s, p, o->next - 1, relay + 1);
        return;
    }
    if (mail_put(s, relay, p, o)) {
        r->packet[o->handle] = NULL;
        relay_gone(r->r, o->handle);
        return;
    }
    s->ret.undeliverable++;
    forget(s, r, o->handle);
    relay_drop(r->r, o->handle, RELAY_DROP_RECIPIENT);
}

/* The batches of many relays at once: one has few packets in a millisecond, and a key exchange of one packet takes as
 * long as that of eight. */
struct batches {
    uint32_t n, works, keys;
    uint32_t relay[SPHINX_BATCH];
    struct relay_batch *batch[SPHINX_BATCH];
    struct sphinx_work work[SPHINX_BATCH];
    struct sphinx_node_key key[SPHINX_BATCH];
};

static void batches_run(struct sim_mixnet *s, struct batches *g) {
    sphinx_open(g->work, g->works, g->key);
    for (uint32_t i = 0, at = 0; i < g->n; i++) {
        struct relay_batch *b = g->batch[i];
        for (uint32_t k = 0; k < b->n; k++) {
            uint8_t key = b->work[k].key;
            b->work[k] = g->work[at++];
            b->work[k].key = key;
        }
        relay_batch_opened(b);
        look_into(s, g->relay[i], b);
        relay_batch_done(s->relays[g->relay[i]].r, s->now, b);
    }
    g->n = g->works = g->keys = 0;
}

static void batches_add(struct sim_mixnet *s, struct batches *g, uint32_t relay, struct relay_batch *b) {
    if (g->works + b->n > SPHINX_BATCH || g->keys + b->keys > SPHINX_BATCH) batches_run(s, g);
    for (uint32_t k = 0; k < b->n; k++) {
        g->work[g->works] = b->work[k];
        g->work[g->works++].key = (uint8_t)(g->keys + b->work[k].key);
    }
    memcpy(&g->key[g->keys], b->key, b->keys * sizeof b->key[0]);
    g->keys += b->keys;
    g->relay[g->n] = relay;
    g->batch[g->n++] = b;
}

/* Until nothing is due at any relay. */
static void relays_pump(struct sim_mixnet *s) {
    struct batches g;
    g.n = g.works = g.keys = 0;
    for (bool again = true; again && !s->err;) {
        again = false;
        for (uint32_t i = 0; i < s->cfg.relays; i++) {
            struct sim_relay *r = &s->relays[i];
            struct relay_out o;
            if (r->deadline > s->now) continue;
            again = true;
            while (relay_next(r->r, s->now, &o)) goes(s, i, &o);
            struct relay_batch *b = relay_batch_take(r->r, s->now);
            if (b) batches_add(s, &g, i, b);
            r->deadline = b ? s->now : relay_deadline(r->r); /* more may be due at once when it comes back */
            if (!relay_balanced(r->r)) sim_fail(s, VL_EINTERNAL);
        }
        if (g.n > 0) batches_run(s, &g);
    }
}

/* ---- time ---- */

void sim_fetch(struct sim_mixnet *s, struct sim_client *c) {
    struct sim_packet *p = sim_packet_new(s);
    if (p == NULL) return;
    p->place = SIM_FETCH;
    p->to = c->index;
    put_on_wheel(s, p);
}

static void fetched(struct sim_mixnet *s, struct sim_client *c) {
    for (unsigned i = 0; i < MIX_FETCH_CELLS && c->mail_n > 0; i++) {
        struct sim_packet *p = queue_pop(&c->mail);
        c->mail_n--;
        p->place = SIM_TO_CLIENT;
        p->to = c->index;
        put_on_wheel(s, p);
    }
}

void sim_step(struct sim_mixnet *s) {
    struct sim_queue *q = &s->wheel[++s->now % SIM_MIX_WHEEL];
    for (struct sim_packet *p; (p = queue_pop(q)) != NULL;) {
        switch (p->place) {
        case SIM_TO_RELAY:
            relay_takes(s, p);
            break;
        case SIM_FETCH:
            fetched(s, &s->clients[p->to]);
            sim_packet_free(s, p);
            break;
        case SIM_TO_CLIENT:
            s->in_mail--;
            sim_client_mail(s, &s->clients[p->to], p);
            sim_packet_free(s, p);
            break;
        }
    }
    relays_pump(s);
    while (vl_heap_deadline(&s->due) <= s->now) {
        struct sim_client *c = (struct sim_client *)(void *)vl_heap_top(&s->due); /* its first member */
        sim_client_tick(s, c);
        sim_client_wait(s, c);
    }
}
