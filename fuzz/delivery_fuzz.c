/* The delivery core under any list of events from two nodes that share the input: sends, links, time, crashes between
 * commits, and packets that arrive whole, damaged, twice or never.  Checked after every step: the ledger; at DELIVER:
 * never the same message again. */
#include "crypto/sign.h"
#include "net/delivery.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 512, PACKETS = 32, GOT = 512 };
struct row {
    struct vl_msg_id id;
    uint8_t *p;
    size_t n;
};
struct peer {
    struct crypto_sign_key key;
    struct delivery_cfg cfg;
    struct delivery *d;
    struct row out[ROWS], in[ROWS];
    struct vl_msg_id got[GOT];
    size_t got_n;
};
struct packet {
    unsigned from;
    enum delivery_frame frame;
    uint8_t *p;
    size_t n;
};
static struct peer peers[2];
static struct packet packets[PACKETS];
static size_t packet_next;
static struct delivery_effects fx;
static vl_ms now;

static void row_set(struct row *rows, const struct delivery_effect *e, bool put) {
    struct row *at = NULL;
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].p != NULL && vl_msg_eq(rows[i].id, e->id)) at = &rows[i];
    if (!put && at == NULL) abort();
    for (size_t i = 0; at == NULL; i++)
        if (rows[i].p == NULL) at = &rows[i];
    free(at->p);
    at->p = NULL;
    if (!put) return;
    *at = (struct row){ .id = e->id, .p = malloc(e->bytes.n), .n = e->bytes.n };
    memcpy(at->p, e->bytes.p, e->bytes.n);
}

static void keep(unsigned from, const struct delivery_effect *e) {
    struct packet *k = &packets[packet_next++ % PACKETS];
    free(k->p);
    *k = (struct packet){ .from = from, .frame = e->frame, .p = malloc(e->bytes.n), .n = e->bytes.n };
    memcpy(k->p, e->bytes.p, e->bytes.n);
}

static void start(struct peer *n) {
    struct delivery_event ev = { .kind = DELIVERY_RESTORE_IN, .now = now };
    delivery_destroy(n->d);
    n->d = NULL;
    n->cfg.epoch++;
    if (delivery_create(&n->cfg, &n->d) != VL_OK) abort();
    for (size_t i = 0; i < ROWS; i++)
        if (n->in[i].p != NULL) {
            ev.u.row = vl_span(n->in[i].p, n->in[i].n);
            if (delivery_step(n->d, &ev, &fx) != VL_OK) abort();
        }
    ev.kind = DELIVERY_RESTORE_OUT;
    for (size_t i = 0; i < ROWS; i++)
        if (n->out[i].p != NULL) {
            ev.u.row = vl_span(n->out[i].p, n->out[i].n);
            if (delivery_step(n->d, &ev, &fx) != VL_OK) abort();
        }
}

static void got(struct peer *n, struct vl_msg_id id) {
    for (size_t i = 0; i < n->got_n; i++)
        if (vl_msg_eq(n->got[i], id)) abort();
    if (n->got_n < GOT) n->got[n->got_n++] = id;
}

static void step(unsigned who, struct delivery_event *ev, bool crash) {
    struct peer *n = &peers[who];
    ev->now = now;
    enum vl_err err = delivery_step(n->d, ev, &fx);
    struct delivery_counters c = delivery_counters(n->d);
    if (c.accepted != c.delivered + c.expired + c.purged + c.pending || (err && fx.n != 0)) abort();
    if (err) return;
    for (size_t i = 0; i < fx.n && !crash; i++) {
        const struct delivery_effect *e = &fx.v[i];
        switch (e->kind) {
        case DELIVERY_PUT_OUT: row_set(n->out, e, true); break;
        case DELIVERY_DEL_OUT: row_set(n->out, e, false); break;
        case DELIVERY_PUT_IN: row_set(n->in, e, true); break;
        case DELIVERY_DEL_IN: row_set(n->in, e, false); break;
        case DELIVERY_DELIVER: got(n, e->id); break;
        case DELIVERY_TRANSMIT: keep(who, e); break;
        case DELIVERY_DELIVERED:
        case DELIVERY_DROPPED: break;
        }
    }
    if (crash) start(n);
}

static void begin(void) {
    now = 1000000;
    delivery_effects_init(&fx);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t seed[CRYPTO_SIGN_SEED] = { (uint8_t)(i + 1) };
        memset(&peers[i], 0, sizeof peers[i]);
        crypto_sign_key_from_seed(seed, &peers[i].key);
        peers[i].cfg = delivery_cfg_default();
        peers[i].cfg.self = crypto_sign_node_id(&peers[i].key);
        peers[i].cfg.key = &peers[i].key;
        peers[i].cfg.limits.messages = 24;
        for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++) peers[i].cfg.limits.queue[p] = 5;
        start(&peers[i]);
    }
}
static void end(void) {
    for (unsigned i = 0; i < 2; i++) {
        delivery_destroy(peers[i].d);
        for (size_t k = 0; k < ROWS; k++) {
            free(peers[i].out[k].p);
            free(peers[i].in[k].p);
        }
    }
    for (size_t k = 0; k < PACKETS; k++) {
        free(packets[k].p);
        packets[k].p = NULL;
    }
    delivery_effects_free(&fx);
}

static void arrive(unsigned who, const struct packet *k, bool damage, uint8_t where, bool crash) {
    struct delivery_event ev = { .kind = k->frame == DELIVERY_FRAME_ENVELOPE ? DELIVERY_RECV_ENVELOPE : DELIVERY_RECV_ACK };
    if (k->p == NULL) return;
    uint8_t *copy = malloc(k->n);
    memcpy(copy, k->p, k->n);
    if (damage) copy[where % k->n] ^= (uint8_t)(1u << (where % 8));
    ev.u.recv.peer = peers[k->from].cfg.self;
    ev.u.recv.bytes = vl_span(copy, k->n);
    step(who, &ev, crash);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static uint8_t payload[3000];
    begin();
    for (size_t i = 0; i + 3 <= n && i < 600; i += 3) {
        unsigned who = p[i] & 1u;
        bool crash = (p[i] & 0x70u) == 0x70u;
        struct vl_node_id other = peers[1 - who].cfg.self;
        struct delivery_event ev = { .kind = DELIVERY_TICK };
        now += p[i + 2];
        switch ((p[i] >> 1) & 7u) {
        case 0: now += (vl_ms)p[i + 1] * p[i + 1] * 3000; break;
        case 1: ev = (struct delivery_event){ .kind = DELIVERY_PEER_UP, .u.up = { .peer = other, .reliable = p[i + 1] & 1u } }; break;
        case 2: ev = (struct delivery_event){ .kind = DELIVERY_PEER_DOWN, .u.peer = other }; break;
        case 3:
            if (p[i + 1] == 0) ev = (struct delivery_event){ .kind = DELIVERY_PURGE, .u.peer = other };
            break;
        case 4: arrive(who, &packets[p[i + 1] % PACKETS], p[i + 1] & 0x80u, p[i + 2], crash); continue;
        case 5: arrive(who, &packets[p[i + 1] % PACKETS], false, 0, crash); continue;
        default:
            ev = (struct delivery_event){ .kind = DELIVERY_SEND,
                                          .u.send = { .dst = other, .type = 1, .priority = (enum envelope_priority)(p[i + 1] % 6),
                                                      .ttl_ms = p[i + 2] & 1u ? 0 : 1000u * p[i + 2],
                                                      .payload = vl_span(payload, p[i + 1] & 0x40u ? sizeof payload : 2) } };
        }
        step(who, &ev, crash);
    }
    end();
    return 0;
}
