#include "courier.h"

#include "base/prng.h"
#include "crypto/hash.h"
#include "net/blob.h"
#include "net/delivery.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG "log"
#define REDIAL_MS 300u
#define PING_MS 5000u /* without it, nobody notices that the other end restarted while there is nothing to say */
#define PENDING_MAX 512u

enum frame { FRAME_ENVELOPE = 1, FRAME_ACK = 2, FRAME_BLOB = 3, FRAME_PING = 4 };
enum record { RECORD_PUT_OUT = 1, RECORD_DEL_OUT, RECORD_PUT_IN, RECORD_DEL_IN, RECORD_GOT, RECORD_BOOT };

struct row {
    size_t n;
    uint8_t p[];
};
struct link {
    uint64_t conn; /* 0: none */
    bool up;
    vl_ms redial_ms, ping_ms;
    struct vl_buf in;
};
struct courier {
    struct observer *o;
    struct world *w;
    uint32_t me;
    struct delivery *d;
    struct blob *b;
    struct delivery_effects fx;
    struct blob_effects bfx;
    struct vl_map out, in;
    uint64_t log_n, epoch;
    struct link link[COURIERS_MAX];
    struct blob_effect pending[PENDING_MAX]; /* disk work to do after the step */
    size_t pending_head, pending_tail;
    vl_ms again_ms[COURIERS_MAX]; /* when a blob that was given up is wanted again; 0: not */
    bool dead;
};

void observer_init(struct observer *o, uint32_t n) {
    *o = (struct observer){ .n = n, .liar = WORLD_NONE };
    vl_map_init(&o->accepted, sizeof(struct vl_msg_id), 1u << 20, 1);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t seed[CRYPTO_SIGN_SEED] = { (uint8_t)(i + 1) };
        crypto_sign_key_from_seed(seed, &o->key[i]);
        vl_map_init(&o->got[i], sizeof(struct vl_msg_id), 1u << 20, 1);
    }
}
void observer_free(struct observer *o) {
    vl_map_free(&o->accepted);
    for (uint32_t i = 0; i < o->n; i++) vl_map_free(&o->got[i]);
}
static void wrong(struct courier *c, const char *what) {
    if (c->o->wrong == NULL) c->o->wrong = what;
}
static uint32_t index_of(const struct courier *c, struct vl_node_id id) {
    uint32_t i = 0;
    while (i < c->o->n && memcmp(c->o->key[i].public, id.b, 32) != 0) i++;
    return i;
}
static struct vl_node_id id_of(const struct courier *c, uint32_t i) { return crypto_sign_node_id(&c->o->key[i]); }
static void blob_file(char name[WORLD_FILE_NAME_MAX], const struct vl_hash *h) {
    snprintf(name, WORLD_FILE_NAME_MAX, "b%02x%02x%02x", h->b[0], h->b[1], h->b[2]);
}
static void blob_content(uint32_t i, uint8_t *p) {
    struct vl_prng r;
    vl_prng_seed(&r, 1000 + i);
    for (size_t k = 0; k < COURIER_BLOB; k++) p[k] = (uint8_t)(vl_prng_next(&r) >> 40);
}

/* ---- the log: one record a step, u32 length | u64 keyed hash | entries of u8 kind, id, u32 length, bytes ---- */

static const uint64_t log_key[2] = { 1, 2 };

static void entry(struct vl_buf *b, enum record kind, const struct delivery_effect *e) {
    uint8_t head[21] = { (uint8_t)kind };
    memcpy(head + 1, e->id.b, 16);
    vl_put_u32(head + 17, (uint32_t)e->bytes.n);
    CHECK_OK(vl_buf_append(b, head, sizeof head));
    CHECK_OK(vl_buf_append(b, e->bytes.p, e->bytes.n));
}
static enum vl_err log_append(struct courier *c, const struct vl_buf *entries) {
    struct vl_buf r;
    uint8_t head[12];
    vl_buf_init(&r, 1u << 24);
    vl_put_u32(head, (uint32_t)entries->len);
    vl_put_u64(head + 4, vl_siphash(log_key, entries->p, entries->len));
    CHECK_OK(vl_buf_append(&r, head, sizeof head));
    CHECK_OK(vl_buf_append(&r, entries->p, entries->len));
    enum vl_err err = world_disk_write(c->w, c->me, LOG, c->log_n, vl_span(r.p, r.len));
    if (!err && !c->o->forget_sync) err = world_disk_sync(c->w, c->me, LOG);
    if (!err) c->log_n += r.len;
    vl_buf_free(&r);
    return err;
}

static void row_set(struct vl_map *m, const uint8_t *id, struct vl_span bytes, bool put) {
    free(vl_map_del(m, id));
    if (!put) return;
    struct row *row = malloc(sizeof *row + bytes.n);
    CHECK(row != NULL);
    row->n = bytes.n;
    memcpy(row->p, bytes.p, bytes.n);
    CHECK_OK(vl_map_put(m, id, row));
}
static void rows_free(struct vl_map *m) {
    size_t it = 0;
    for (struct row *r; (r = vl_map_next(m, &it, NULL)) != NULL;) free(r);
    vl_map_free(m);
}

/* What is durable is true: the observer learns it from here, after a commit or at the next start. */
static void learn(struct courier *c, enum record kind, const uint8_t *id, struct vl_span bytes, bool fresh) {
    struct envelope e;
    struct envelope_body b;
    switch (kind) {
    case RECORD_PUT_OUT:
        row_set(&c->out, id, bytes, true);
        CHECK_OK(envelope_decode(bytes, &e));
        CHECK_OK(envelope_body_decode(e.body, &b));
        CHECK_OK(vl_map_put(&c->o->accepted, id, (void *)(uintptr_t)(index_of(c, b.recipient) + 1)));
        break;
    case RECORD_DEL_OUT: row_set(&c->out, id, bytes, false); break;
    case RECORD_PUT_IN: row_set(&c->in, id, bytes, !c->o->forget_in || fresh); break;
    case RECORD_DEL_IN: row_set(&c->in, id, bytes, false); break;
    case RECORD_GOT:
        if (fresh && vl_map_get(&c->o->got[c->me], id) != NULL) wrong(c, "a message was delivered twice");
        CHECK_OK(vl_map_put(&c->o->got[c->me], id, c->o));
        break;
    case RECORD_BOOT: c->epoch = vl_get_u64(bytes.p); break;
    }
}

static void log_replay(struct courier *c) {
    struct vl_span all = world_disk_read(c->w, c->me, LOG);
    size_t at = 0;
    while (all.n - at >= 12) {
        uint32_t n = vl_get_u32(all.p + at);
        if (n > all.n - at - 12 || vl_siphash(log_key, all.p + at + 12, n) != vl_get_u64(all.p + at + 4)) break;
        struct vl_reader r = vl_reader(all.p + at + 12, n);
        while (r.n > 0) {
            uint8_t kind = vl_read_u8(&r);
            struct vl_span id = vl_read_span(&r, 16), bytes = vl_read_span(&r, vl_read_u32(&r));
            CHECK(!r.failed);
            learn(c, (enum record)kind, id.p, bytes, false);
        }
        at += 12 + n;
    }
    c->log_n = at;
}

/* ---- links ---- */

static void frame_send(struct courier *c, uint32_t to, enum frame kind, struct vl_span a, struct vl_span b) {
    struct vl_buf f;
    uint8_t head[5] = { (uint8_t)kind };
    if (to >= c->o->n || !c->link[to].up) return;
    vl_buf_init(&f, 1u << 20);
    vl_put_u32(head + 1, (uint32_t)(a.n + b.n));
    CHECK_OK(vl_buf_append(&f, head, sizeof head));
    CHECK_OK(vl_buf_append(&f, a.p, a.n));
    CHECK_OK(vl_buf_append(&f, b.p, b.n));
    (void)!world_send(c->w, c->me, c->link[to].conn, vl_span(f.p, f.len));
    vl_buf_free(&f);
}

/* The step is durable before anything leaves (architecture.md section 3). */
static enum vl_err commit(struct courier *c) {
    struct vl_buf entries;
    static const enum record kind_of[] = { [DELIVERY_PUT_OUT] = RECORD_PUT_OUT, [DELIVERY_DEL_OUT] = RECORD_DEL_OUT,
                                           [DELIVERY_PUT_IN] = RECORD_PUT_IN, [DELIVERY_DEL_IN] = RECORD_DEL_IN };
    vl_buf_init(&entries, 1u << 24);
    for (size_t i = 0; i < c->fx.n; i++) {
        const struct delivery_effect *e = &c->fx.v[i];
        if (e->kind <= DELIVERY_DEL_IN) entry(&entries, kind_of[e->kind], e);
        if (e->kind == DELIVERY_DELIVER) entry(&entries, RECORD_GOT, e);
        if (e->kind == DELIVERY_DROPPED) wrong(c, "a message was dropped");
    }
    enum vl_err err = entries.len ? log_append(c, &entries) : VL_OK;
    vl_buf_free(&entries);
    if (err && err != VL_ECLOSED) world_crash(c->w, c->me); /* a full disk: stop rather than promise */
    c->dead = c->dead || err;
    return err;
}

static enum vl_err delivery_event(struct courier *c, struct delivery_event *ev, vl_ms now) {
    if (c->dead) return VL_ECLOSED;
    ev->now = now;
    enum vl_err err = delivery_step(c->d, ev, &c->fx);
    if (err) return err;
    err = commit(c);
    if (err) return err;
    for (size_t i = 0; i < c->fx.n; i++) {
        const struct delivery_effect *e = &c->fx.v[i];
        if (e->kind == DELIVERY_TRANSMIT)
            frame_send(c, index_of(c, e->peer), e->frame == DELIVERY_FRAME_ENVELOPE ? FRAME_ENVELOPE : FRAME_ACK, e->bytes,
                       vl_span(NULL, 0));
        else if (e->kind == DELIVERY_PUT_OUT) learn(c, RECORD_PUT_OUT, e->id.b, e->bytes, true);
        else if (e->kind == DELIVERY_DEL_OUT) learn(c, RECORD_DEL_OUT, e->id.b, e->bytes, true);
        else if (e->kind == DELIVERY_PUT_IN) learn(c, RECORD_PUT_IN, e->id.b, e->bytes, true);
        else if (e->kind == DELIVERY_DEL_IN) learn(c, RECORD_DEL_IN, e->id.b, e->bytes, true);
        else if (e->kind == DELIVERY_DELIVER) learn(c, RECORD_GOT, e->id.b, e->bytes, true);
    }
    return VL_OK;
}

static uint32_t blob_index(const struct courier *c, struct vl_hash h) {
    uint32_t i = 0;
    while (i < c->o->n && !vl_hash_eq(c->o->blob[i], h)) i++;
    CHECK(i < c->o->n);
    return i;
}

static void blob_event(struct courier *c, struct blob_event *ev, vl_ms now) {
    if (c->dead) return;
    ev->now = now;
    if (blob_step(c->b, ev, &c->bfx) != VL_OK) return;
    for (size_t i = 0; i < c->bfx.n; i++) {
        const struct blob_effect *e = &c->bfx.v[i];
        char name[WORLD_FILE_NAME_MAX];
        blob_file(name, &e->hash);
        switch (e->kind) {
        case BLOB_WRITE: {
            /* Pieces may come out of order; the file has no holes, so the gap is filled first. */
            static const uint8_t zeros[4 * BLOB_PIECE];
            struct vl_span now_there = world_disk_read(c->w, c->me, name);
            if (now_there.n < e->offset)
                (void)!world_disk_write(c->w, c->me, name, now_there.n, vl_span(zeros, (size_t)e->offset - now_there.n));
            (void)!world_disk_write(c->w, c->me, name, e->offset, e->data);
        } /* fall through */
        case BLOB_READ:
        case BLOB_VERIFY:
            CHECK(c->pending_tail - c->pending_head < PENDING_MAX);
            c->pending[c->pending_tail++ % PENDING_MAX] = *e;
            break;
        case BLOB_DISCARD: (void)!world_disk_truncate(c->w, c->me, name, 0); break;
        case BLOB_SEND: frame_send(c, index_of(c, e->peer), FRAME_BLOB, e->head, e->data); break;
        case BLOB_DONE: c->o->has_blob[c->me] |= 1u << blob_index(c, e->hash); break;
        case BLOB_FAILED: c->again_ms[blob_index(c, e->hash)] = now + REDIAL_MS; break;
        }
    }
}

static void blob_answer(struct courier *c, const struct blob_effect *e, vl_ms now) {
    struct blob_event ev = { .kind = BLOB_READ_DONE };
    char name[WORLD_FILE_NAME_MAX];
    blob_file(name, &e->hash);
    struct vl_span file = world_disk_read(c->w, c->me, name);
    uint8_t *lie = NULL;
    if (e->kind == BLOB_READ) {
        ev.u.read.req = e->req;
        ev.u.read.size = COURIER_BLOB;
        ev.u.read.found = (c->o->has_blob[c->me] >> blob_index(c, e->hash)) & 1u && e->offset < file.n;
        if (ev.u.read.found) {
            size_t left = file.n - (size_t)e->offset;
            ev.u.read.data = vl_span(file.p + e->offset, left < e->length ? left : e->length);
            if (c->me == c->o->liar && blob_index(c, e->hash) != c->me) {
                lie = malloc(ev.u.read.data.n);
                CHECK(lie != NULL);
                memcpy(lie, ev.u.read.data.p, ev.u.read.data.n);
                lie[0] ^= 1;
                ev.u.read.data.p = lie;
            }
        }
    } else if (e->kind == BLOB_WRITE) {
        ev.kind = BLOB_WRITE_DONE;
        ev.u.write.hash = e->hash;
        ev.u.write.offset = e->offset;
    } else {
        struct vl_hash h;
        if (file.n > e->size) (void)!world_disk_truncate(c->w, c->me, name, e->size);
        file = world_disk_read(c->w, c->me, name);
        crypto_blake2b256(file, &h);
        ev.kind = BLOB_VERIFIED;
        ev.u.verified.hash = e->hash;
        ev.u.verified.ok = vl_hash_eq(h, e->hash) && world_disk_sync(c->w, c->me, name) == VL_OK;
    }
    blob_event(c, &ev, now);
    free(lie);
}
static void settle(struct courier *c, vl_ms now) {
    while (c->pending_head < c->pending_tail && !c->dead) {
        struct blob_effect e = c->pending[c->pending_head++ % PENDING_MAX];
        blob_answer(c, &e, now);
    }
}

static void link_set(struct courier *c, uint32_t peer, bool up, vl_ms now) {
    struct link *l = &c->link[peer];
    if (l->up == up) return;
    l->up = up;
    struct delivery_event de = { .kind = up ? DELIVERY_PEER_UP : DELIVERY_PEER_DOWN };
    struct blob_event be = { .kind = up ? BLOB_PEER_UP : BLOB_PEER_DOWN };
    if (up) {
        de.u.up.peer = id_of(c, peer);
        de.u.up.reliable = true;
    } else {
        de.u.peer = id_of(c, peer);
    }
    be.u.peer = id_of(c, peer);
    (void)!delivery_event(c, &de, now);
    blob_event(c, &be, now);
}

static void dial(struct courier *c, uint32_t peer, vl_ms now) {
    struct link *l = &c->link[peer];
    l->redial_ms = now + REDIAL_MS;
    (void)!world_dial(c->w, c->me, peer, &l->conn);
}

/* ---- ops ---- */

static void *create(void *user, struct world *w, uint32_t node, vl_ms now) {
    struct courier *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    c->o = user;
    c->w = w;
    c->me = node;
    vl_map_init(&c->out, 16, 1u << 16, 1);
    vl_map_init(&c->in, 16, 1u << 16, 1);
    delivery_effects_init(&c->fx);
    blob_effects_init(&c->bfx);
    for (uint32_t i = 0; i < COURIERS_MAX; i++) vl_buf_init(&c->link[i].in, 1u << 20);
    log_replay(c);
    struct vl_buf boot;
    uint8_t epoch[8];
    vl_buf_init(&boot, 64);
    vl_put_u64(epoch, ++c->epoch);
    entry(&boot, RECORD_BOOT, &(struct delivery_effect){ .bytes = vl_span(epoch, 8) });
    c->dead = log_append(c, &boot) != VL_OK;
    vl_buf_free(&boot);
    struct delivery_cfg cfg = delivery_cfg_default();
    cfg.self = id_of(c, node);
    cfg.key = &c->o->key[node];
    cfg.seed = c->epoch * 100 + node;
    cfg.epoch = c->epoch;
    cfg.limits.queue[ENVELOPE_CRITICAL] = 500;
    CHECK_OK(delivery_create(&cfg, &c->d));
    struct blob_cfg bcfg = blob_cfg_default();
    bcfg.limits.fetch_timeout_ms = 3600000;
    CHECK_OK(blob_create(&bcfg, &c->b));
    struct delivery_event ev = { .kind = DELIVERY_RESTORE_IN, .now = now };
    size_t it = 0;
    for (struct row *r; (r = vl_map_next(&c->in, &it, NULL)) != NULL;) {
        ev.u.row = vl_span(r->p, r->n);
        CHECK_OK(delivery_step(c->d, &ev, &c->fx));
    }
    ev.kind = DELIVERY_RESTORE_OUT;
    it = 0;
    for (struct row *r; (r = vl_map_next(&c->out, &it, NULL)) != NULL;) {
        ev.u.row = vl_span(r->p, r->n);
        CHECK_OK(delivery_step(c->d, &ev, &c->fx));
    }
    for (uint32_t i = 0; i < node; i++) dial(c, i, now);
    for (uint32_t i = 0; i < c->o->n; i++) /* what was under way before the crash */
        if (i != node && !((c->o->has_blob[node] >> i) & 1u) && ((c->o->blobs >> i) & 1u)) courier_want(c, i, now);
    return c;
}

static void destroy(void *self) {
    struct courier *c = self;
    delivery_destroy(c->d);
    blob_destroy(c->b);
    delivery_effects_free(&c->fx);
    blob_effects_free(&c->bfx);
    rows_free(&c->out);
    rows_free(&c->in);
    for (uint32_t i = 0; i < COURIERS_MAX; i++) vl_buf_free(&c->link[i].in);
    free(c);
}

static void on_conn(void *self, uint64_t conn, enum world_conn_event ev, uint32_t peer, vl_ms now) {
    struct courier *c = self;
    struct link *l = &c->link[peer];
    if (ev == WORLD_CLOSED) {
        if (conn != l->conn) return;
        link_set(c, peer, false, now);
        l->conn = 0;
        vl_buf_clear(&l->in);
    } else {
        if (l->conn != 0 && l->conn != conn) { /* the old one is dead, only we had not heard of it */
            world_close(c->w, c->me, l->conn);
            link_set(c, peer, false, now);
        }
        l->conn = conn;
        vl_buf_clear(&l->in);
        link_set(c, peer, true, now);
    }
    l->ping_ms = now + PING_MS;
    l->redial_ms = now + REDIAL_MS;
    settle(c, now);
}

static void frame_arrives(struct courier *c, uint32_t peer, uint8_t kind, struct vl_span bytes, vl_ms now) {
    if (kind == FRAME_PING) return;
    if (kind == FRAME_BLOB) {
        struct blob_event be = { .kind = BLOB_RECV };
        be.u.recv.peer = id_of(c, peer);
        be.u.recv.bytes = bytes;
        blob_event(c, &be, now);
        settle(c, now);
        return;
    }
    struct delivery_event ev = { .kind = kind == FRAME_ENVELOPE ? DELIVERY_RECV_ENVELOPE : DELIVERY_RECV_ACK };
    ev.u.recv.peer = id_of(c, peer);
    ev.u.recv.bytes = bytes;
    enum vl_err err = delivery_event(c, &ev, now);
    if (err && err != VL_ECLOSED && err != VL_ENOSPC && !(err == VL_ERANGE || err == VL_EEXPIRED)) wrong(c, "a good envelope was refused");
}

static void on_bytes(void *self, uint64_t conn, struct vl_span bytes, vl_ms now) {
    struct courier *c = self;
    uint32_t peer = 0;
    while (peer < c->o->n && c->link[peer].conn != conn) peer++;
    if (peer == c->o->n) return;
    struct link *l = &c->link[peer];
    CHECK_OK(vl_buf_append(&l->in, bytes.p, bytes.n));
    size_t at = 0;
    while (l->in.len - at >= 5 && !c->dead) {
        size_t n = vl_get_u32(l->in.p + at + 1);
        if (l->in.len - at - 5 < n) break;
        frame_arrives(c, peer, l->in.p[at], vl_span(l->in.p + at + 5, n), now);
        at += 5 + n;
    }
    vl_buf_consume(&l->in, at);
}

static vl_ms deadline(void *self) {
    struct courier *c = self;
    vl_ms at = vl_ms_min(delivery_deadline(c->d), blob_deadline(c->b));
    for (uint32_t i = 0; i < c->me; i++)
        at = vl_ms_min(at, c->link[i].conn == 0 ? c->link[i].redial_ms : c->link[i].up ? c->link[i].ping_ms : VL_MS_NEVER);
    for (uint32_t i = 0; i < c->o->n; i++)
        if (c->again_ms[i] != 0) at = vl_ms_min(at, c->again_ms[i]);
    return at;
}
static void step(void *self, vl_ms now) {
    struct courier *c = self;
    for (uint32_t i = 0; i < c->me; i++) {
        if (c->link[i].conn == 0 && now >= c->link[i].redial_ms) dial(c, i, now);
        if (!c->link[i].up || now < c->link[i].ping_ms) continue;
        c->link[i].ping_ms = now + PING_MS;
        frame_send(c, i, FRAME_PING, vl_span(NULL, 0), vl_span(NULL, 0));
    }
    for (uint32_t i = 0; i < c->o->n; i++)
        if (c->again_ms[i] != 0 && now >= c->again_ms[i]) {
            c->again_ms[i] = 0;
            courier_want(c, i, now);
        }
    if (delivery_deadline(c->d) <= now) (void)!delivery_event(c, &(struct delivery_event){ .kind = DELIVERY_TICK }, now);
    if (blob_deadline(c->b) <= now) blob_event(c, &(struct blob_event){ .kind = BLOB_TICK }, now);
    settle(c, now);
}
const struct world_node_ops courier_ops = { .create = create, .on_conn = on_conn, .on_bytes = on_bytes, .step = step,
                                            .deadline = deadline, .destroy = destroy };

/* ---- scenario ---- */

void courier_send(void *self, void *letter, vl_ms now) {
    static const uint8_t payload[4096] = { 1, 2, 3 };
    struct courier *c = self;
    uint32_t to = ((const struct letter *)letter)->to, size = ((const struct letter *)letter)->size;
    struct delivery_event ev = { .kind = DELIVERY_SEND };
    ev.u.send.dst = id_of(c, to);
    ev.u.send.type = 1;
    ev.u.send.priority = (enum envelope_priority)(size % ENVELOPE_PRIORITIES);
    ev.u.send.payload = vl_span(payload, size % sizeof payload);
    (void)!delivery_event(c, &ev, now); /* a full queue or a crash: not accepted */
}

void courier_want(struct courier *c, uint32_t blob, vl_ms now) {
    struct vl_node_id sources[COURIERS_MAX];
    struct blob_event ev = { .kind = BLOB_WANT };
    char name[WORLD_FILE_NAME_MAX];
    blob_file(name, &c->o->blob[blob]);
    ev.u.want.hash = c->o->blob[blob];
    ev.u.want.size = COURIER_BLOB;
    ev.u.want.have = world_disk_read(c->w, c->me, name).n;
    ev.u.want.sources = sources;
    for (uint32_t i = 0; i < c->o->n; i++)
        if (i != c->me && (i == blob || i == c->o->liar)) sources[ev.u.want.sources_n++] = id_of(c, i);
    if (ev.u.want.have > COURIER_BLOB) ev.u.want.have = 0;
    blob_event(c, &ev, now);
    settle(c, now);
}

const char *courier_check(void *user, struct world *w, uint32_t node) {
    const struct observer *o = user;
    const struct courier *c = world_node(w, node);
    if (o->wrong != NULL) return o->wrong;
    if (c == NULL) return NULL;
    struct delivery_counters n = delivery_counters(c->d);
    if (n.accepted != n.delivered + n.expired + n.purged + n.pending) return "the ledger of delivery does not balance";
    struct blob_counters b = blob_counters(c->b);
    if (b.wanted != b.done + b.failed + b.cancelled + b.active) return "the books of blob transfer do not balance";
    return NULL;
}

bool courier_done(void *user, struct world *w) {
    const struct observer *o = user;
    (void)w;
    for (uint32_t i = 0; i < o->n; i++)
        for (uint32_t k = 0; k < o->n; k++)
            if (((o->blobs >> k) & 1u) && !((o->has_blob[i] >> k) & 1u)) return false;
    size_t it = 0;
    const void *id;
    for (void *to; (to = vl_map_next(&o->accepted, &it, &id)) != NULL;)
        if (vl_map_get(&o->got[(uintptr_t)to - 1], id) == NULL) return false;
    return true;
}

void courier_blob_make(struct observer *o, struct world *w, uint32_t i) {
    char name[WORLD_FILE_NAME_MAX];
    uint8_t *p = malloc(COURIER_BLOB);
    CHECK(p != NULL);
    blob_content(i, p);
    crypto_blake2b256(vl_span(p, COURIER_BLOB), &o->blob[i]);
    o->blobs |= 1u << i;
    blob_file(name, &o->blob[i]);
    CHECK_OK(world_disk_write(w, i, name, 0, vl_span(p, COURIER_BLOB)));
    CHECK_OK(world_disk_sync(w, i, name));
    o->has_blob[i] |= 1u << i;
    free(p);
}
