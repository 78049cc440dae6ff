/* Two blob cores that share the input: wants, links, time, messages that arrive whole, damaged, twice or never, disk
 * answers in any order.  Checked: the books balance, and DONE comes only after a VERIFIED that said so. */
#include "net/blob.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 32, PENDING = 64 };
struct packet {
    unsigned to;
    uint8_t *p;
    size_t n;
};
struct pending {
    unsigned at;
    struct blob_effect e;
    bool used;
};
static struct blob *cores[2];
static struct packet packets[SLOTS];
static struct pending disk[PENDING];
static size_t packet_next, disk_next;
static struct blob_effects fx;
static vl_ms now;
static uint8_t content[3 * BLOB_PIECE];

static struct vl_node_id node(unsigned i) { return (struct vl_node_id){ .b = { (uint8_t)(i + 1) } }; }

static void step(unsigned who, struct blob_event *ev) {
    ev->now = now;
    enum vl_err err = blob_step(cores[who], ev, &fx);
    struct blob_counters c = blob_counters(cores[who]);
    if (c.wanted != c.done + c.failed + c.cancelled + c.active || (err && fx.n != 0)) abort();
    for (size_t i = 0; i < fx.n; i++) {
        struct blob_effect *e = &fx.v[i];
        if (e->kind == BLOB_DONE && !(ev->kind == BLOB_VERIFIED && ev->u.verified.ok)) abort();
        if (e->kind == BLOB_SEND) {
            struct packet *k = &packets[packet_next++ % SLOTS];
            free(k->p);
            *k = (struct packet){ .to = 1 - who, .p = malloc(e->head.n + e->data.n), .n = e->head.n + e->data.n };
            memcpy(k->p, e->head.p, e->head.n);
            if (e->data.n) memcpy(k->p + e->head.n, e->data.p, e->data.n);
        } else if (e->kind == BLOB_READ || e->kind == BLOB_WRITE || e->kind == BLOB_VERIFY) {
            disk[disk_next++ % PENDING] = (struct pending){ .at = who, .e = *e, .used = true };
        }
    }
}

static void disk_answers(struct pending *d, uint8_t how) {
    struct blob_event ev = { .kind = BLOB_READ_DONE };
    if (!d->used) return;
    d->used = how & 0x80u;
    if (d->e.kind == BLOB_READ) {
        uint64_t size = how & 1u ? sizeof content : how * 1000u;
        ev.u.read.req = d->e.req;
        ev.u.read.found = !(how & 2u);
        ev.u.read.size = size;
        if (d->e.offset < size) {
            uint64_t left = size - d->e.offset;
            ev.u.read.data = vl_span(content, left < d->e.length ? (size_t)left : d->e.length);
        }
    } else if (d->e.kind == BLOB_WRITE) {
        ev.kind = BLOB_WRITE_DONE;
        ev.u.write.hash = d->e.hash;
        ev.u.write.offset = d->e.offset;
        ev.u.write.err = how & 0x40u ? VL_ENOSPC : VL_OK;
    } else {
        ev.kind = BLOB_VERIFIED;
        ev.u.verified.hash = d->e.hash;
        ev.u.verified.ok = how & 1u;
    }
    step(d->at, &ev);
}

static void arrive(struct packet *k, uint8_t how) {
    struct blob_event ev = { .kind = BLOB_RECV };
    if (k->p == NULL) return;
    if (how & 0x80u) k->p[how % k->n] ^= (uint8_t)(1u << (how % 8));
    struct packet copy = { .to = k->to, .p = malloc(k->n), .n = k->n };
    memcpy(copy.p, k->p, k->n);
    ev.u.recv.peer = node(1 - copy.to);
    ev.u.recv.bytes = vl_span(copy.p, copy.n);
    step(copy.to, &ev);
    free(copy.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct blob_cfg cfg = blob_cfg_default();
    cfg.limits.fetches = 4;
    cfg.limits.running = 2;
    cfg.limits.serves_per_peer = 6;
    cfg.limits.serve_bytes = 3 * BLOB_PIECE;
    now = 0;
    memset(disk, 0, sizeof disk);
    blob_effects_init(&fx);
    for (unsigned i = 0; i < 2; i++)
        if (blob_create(&cfg, &cores[i]) != VL_OK) abort();
    for (size_t i = 0; i + 3 <= n && i < 900; i += 3) {
        unsigned who = p[i] & 1u;
        struct vl_node_id sources[2] = { node(1 - who), node(5) };
        struct vl_hash hash = { .b = { p[i + 1] & 7u } };
        struct blob_event ev = { .kind = BLOB_TICK };
        switch ((p[i] >> 1) & 7u) {
        case 0: now += (vl_ms)p[i + 1] * p[i + 2] * 10; break;
        case 1: ev = (struct blob_event){ .kind = p[i + 1] & 3u ? BLOB_PEER_UP : BLOB_PEER_DOWN, .u.peer = node(1 - who) }; break;
        case 2:
            ev = (struct blob_event){ .kind = BLOB_WANT,
                                      .u.want = { .hash = hash, .size = p[i + 2] & 1u ? sizeof content : p[i + 2] * 1000u,
                                                  .have = p[i + 1] & 0x80u ? p[i + 2] : 0, .sources = sources,
                                                  .sources_n = 1 + ((p[i + 1] >> 6) & 1u) } };
            break;
        case 3: ev = (struct blob_event){ .kind = BLOB_CANCEL, .u.hash = hash }; break;
        case 4: arrive(&packets[p[i + 1] % SLOTS], p[i + 2]); continue;
        case 5: disk_answers(&disk[p[i + 1] % PENDING], p[i + 2]); continue;
        case 6: arrive(&packets[(packet_next - 1) % SLOTS], p[i + 2]); continue;
        default: disk_answers(&disk[(disk_next - 1) % PENDING], p[i + 2]); continue;
        }
        step(who, &ev);
    }
    for (unsigned i = 0; i < 2; i++) blob_destroy(cores[i]);
    for (size_t i = 0; i < SLOTS; i++) {
        free(packets[i].p);
        packets[i].p = NULL;
    }
    packet_next = disk_next = 0;
    blob_effects_free(&fx);
    return 0;
}
