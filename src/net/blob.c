#include "net/blob.h"

#include "base/prng.h"
#include "net/blob_priv.h"

#include <assert.h>
#include <stdlib.h>

/* One event adds at most this many past the mark: all running fetches change their source, or a peer's queue moves. */
#define FULL_MARK (BLOB_EFFECTS_MAX - BLOB_RUNNING_MAX * (BLOB_PIPELINE + 2u) - BLOB_SERVES_MAX)

struct blob_cfg blob_cfg_default(void) {
    return (struct blob_cfg){ .limits = { .fetches = 1024,
                                          .running = 32,
                                          .peers = VL_LINKS_MAX,
                                          .serves_per_peer = 64,
                                          .serve_bytes = 1u << 20,
                                          .piece_timeout_ms = 15000,
                                          .fetch_timeout_ms = 600000 } };
}

/* ---- effects ---- */

void blob_effects_init(struct blob_effects *fx) {
    *fx = (struct blob_effects){ 0 };
    vl_buf_init(&fx->arena, BLOB_EFFECTS_MAX * WIRE_BLOB_HEAD_MAX);
}
void blob_effects_free(struct blob_effects *fx) {
    free(fx->v);
    vl_buf_free(&fx->arena);
    blob_effects_init(fx);
}
static enum vl_err fx_begin(struct blob_effects *fx) {
    fx->n = 0;
    vl_buf_clear(&fx->arena);
    if (fx->v == NULL) {
        fx->v = malloc(BLOB_EFFECTS_MAX * sizeof *fx->v);
        if (fx->v == NULL) return VL_ENOMEM;
        fx->cap = BLOB_EFFECTS_MAX;
    }
    return vl_buf_reserve(&fx->arena, BLOB_EFFECTS_MAX * WIRE_BLOB_HEAD_MAX);
}
void blob_fx_add(struct blob_effects *fx, struct blob_effect e) {
    assert(fx->n < fx->cap);
    fx->v[fx->n++] = e;
}
void blob_fx_send(struct blob_effects *fx, struct vl_node_id peer, const struct wire_blob *m, struct vl_span data) {
    size_t start = fx->arena.len;
    enum vl_err err = wire_blob_encode_head(m, &fx->arena);
    assert(err == VL_OK); /* our own numbers, and the room is reserved */
    (void)err;
    blob_fx_add(fx, (struct blob_effect){ .kind = BLOB_SEND, .peer = peer, .hash = m->hash, .offset = m->offset,
                                          .length = m->length, .data = data,
                                          .head = vl_span(fx->arena.p + start, fx->arena.len - start) });
}
bool blob_fx_full(const struct blob_effects *fx) { return fx->n >= FULL_MARK; }

/* ---- create ---- */

enum vl_err blob_create(const struct blob_cfg *cfg, struct blob **ret) {
    const struct blob_limits *l = &cfg->limits;
    struct vl_prng prng;
    if (l->fetches == 0 || l->running == 0 || l->running > BLOB_RUNNING_MAX || l->peers == 0 || l->serves_per_peer == 0 ||
        l->serves_per_peer > BLOB_SERVES_MAX || l->serve_bytes < VL_CHUNK || l->piece_timeout_ms == 0 ||
        l->fetch_timeout_ms == 0)
        return VL_ERANGE;
    struct blob *b = calloc(1, sizeof *b);
    if (b == NULL) return VL_ENOMEM;
    b->cfg = *cfg;
    vl_prng_seed(&prng, cfg->seed);
    uint64_t seed = vl_prng_next(&prng);
    vl_map_init(&b->fetches, sizeof(struct vl_hash), l->fetches, seed);
    vl_map_init(&b->peers, sizeof(struct vl_node_id), l->peers, seed);
    vl_map_init(&b->serves, sizeof(uint64_t), (size_t)l->peers * l->serves_per_peer, seed);
    *ret = b;
    return VL_OK;
}

/* ---- serving ---- */

static void serve_read(struct peer *p, struct serve *s, struct blob_effects *fx) {
    s->reading = true;
    p->bytes += s->length;
    blob_fx_add(fx, (struct blob_effect){ .kind = BLOB_READ, .req = s->req, .hash = s->hash, .peer = s->peer,
                                          .offset = s->offset, .length = s->length });
}

/* Oldest first, as many as fit in the peer's share of memory. */
static void serve_next(const struct blob *b, struct peer *p, struct blob_effects *fx) {
    for (struct serve *s = p->first; s != NULL; s = s->next) {
        if (s->reading) continue;
        if (p->bytes + s->length > b->cfg.limits.serve_bytes) return;
        serve_read(p, s, fx);
    }
}

static void serve_end(struct blob *b, struct peer *p, struct serve *s) {
    struct serve **at = &p->first, *before = NULL;
    while (*at != s) {
        before = *at;
        at = &before->next;
    }
    *at = s->next;
    if (p->last == s) p->last = before;
    p->serves--;
    if (s->reading) p->bytes -= s->length;
    vl_map_del(&b->serves, &s->req);
    free(s);
}

static enum vl_err recv_request(struct blob *b, struct peer *p, const struct wire_blob *m, struct blob_effects *fx) {
    if (p->serves >= b->cfg.limits.serves_per_peer) return VL_ELIMIT;
    struct serve *s = calloc(1, sizeof *s);
    if (s == NULL) return VL_ENOMEM;
    /* A piece and its head must fit in one message of the link; who asks for more gets a shorter piece. */
    uint32_t length = m->length < VL_MESSAGE_MAX - 2 * WIRE_BLOB_HEAD_MAX ? m->length : VL_MESSAGE_MAX - 2 * WIRE_BLOB_HEAD_MAX;
    *s = (struct serve){ .req = ++b->next_req, .peer = p->id, .hash = m->hash, .offset = m->offset, .length = length };
    enum vl_err err = vl_map_put(&b->serves, &s->req, s);
    if (err) {
        free(s);
        return err;
    }
    *(p->last ? &p->last->next : &p->first) = s;
    p->last = s;
    p->serves++;
    serve_next(b, p, fx);
    return VL_OK;
}

static enum vl_err read_done(struct blob *b, const struct blob_event *ev, struct blob_effects *fx) {
    struct serve *s = vl_map_get(&b->serves, &ev->u.read.req);
    struct wire_blob m = { .kind = WIRE_BLOB_MISSING };
    struct vl_span data = ev->u.read.data;
    if (s == NULL || !s->reading) return VL_ENOTFOUND;
    struct peer *p = vl_map_get(&b->peers, s->peer.b);
    bool sound = ev->u.read.found && data.n <= s->length && ev->u.read.size <= VL_BLOB_MAX &&
                 s->offset <= ev->u.read.size && data.n <= ev->u.read.size - s->offset &&
                 (data.n > 0 || ev->u.read.size == 0);
    m.hash = s->hash;
    if (sound) {
        m.kind = WIRE_BLOB_CHUNK;
        m.offset = s->offset;
        m.size = ev->u.read.size;
        m.length = (uint32_t)data.n;
        b->counters.pieces_out++;
        b->counters.bytes_out += data.n;
    }
    blob_fx_send(fx, s->peer, &m, sound ? data : vl_span(NULL, 0));
    serve_end(b, p, s);
    serve_next(b, p, fx);
    return VL_OK;
}

/* ---- peers ---- */

static enum vl_err peer_up(struct blob *b, struct vl_node_id id) {
    struct peer *p = vl_map_get(&b->peers, id.b);
    if (p != NULL) return VL_OK;
    p = calloc(1, sizeof *p);
    if (p == NULL) return VL_ENOMEM;
    p->id = id;
    enum vl_err err = vl_map_put(&b->peers, id.b, p);
    if (err) free(p);
    else b->dirty = true;
    return err;
}

static void peer_free(struct blob *b, struct peer *p) {
    while (p->first != NULL) serve_end(b, p, p->first);
    free(p);
}

static void peer_down(struct blob *b, struct vl_node_id id) {
    struct peer *p = vl_map_del(&b->peers, id.b);
    if (p == NULL) return;
    peer_free(b, p);
    blob_fetch_peer_down(b, id);
}

/* ---- events ---- */

static enum vl_err receive(struct blob *b, const struct blob_event *ev, struct blob_effects *fx) {
    struct wire_blob m;
    struct peer *p = vl_map_get(&b->peers, ev->u.recv.peer.b);
    enum vl_err err = p ? wire_blob_decode(ev->u.recv.bytes, &m) : VL_ENOTFOUND;
    if (!err) switch (m.kind) {
        case WIRE_BLOB_REQUEST: err = recv_request(b, p, &m, fx); break;
        case WIRE_BLOB_CHUNK: err = blob_fetch_chunk(b, p->id, &m, ev->now, fx); break;
        case WIRE_BLOB_MISSING: err = blob_fetch_missing(b, p->id, m.hash); break;
        }
    if (err) b->counters.refused++;
    return err;
}

static enum vl_err apply(struct blob *b, const struct blob_event *ev, struct blob_effects *fx) {
    switch (ev->kind) {
    case BLOB_WANT: return blob_fetch_want(b, ev);
    case BLOB_CANCEL: return blob_fetch_cancel(b, ev->u.hash);
    case BLOB_PEER_UP: return peer_up(b, ev->u.peer);
    case BLOB_PEER_DOWN: peer_down(b, ev->u.peer); return VL_OK;
    case BLOB_RECV: return receive(b, ev, fx);
    case BLOB_READ_DONE: return read_done(b, ev, fx);
    case BLOB_WRITE_DONE: return blob_fetch_written(b, ev, fx);
    case BLOB_VERIFIED: return blob_fetch_verified(b, ev, fx);
    case BLOB_TICK: return VL_OK;
    }
    return VL_ERANGE;
}

enum vl_err blob_step(struct blob *b, const struct blob_event *ev, struct blob_effects *fx) {
    enum vl_err err = fx_begin(fx);
    if (!err) err = apply(b, ev, fx);
    if (err) {
        fx->n = 0;
        return err;
    }
    blob_fetch_run(b, ev->now, fx);
    return VL_OK;
}

vl_ms blob_deadline(const struct blob *b) { return b->dirty ? 0 : vl_heap_deadline(&b->due); }

struct blob_counters blob_counters(const struct blob *b) { return b->counters; }

void blob_destroy(struct blob *b) {
    if (b == NULL) return;
    size_t it = 0;
    for (struct peer *p; (p = vl_map_next(&b->peers, &it, NULL)) != NULL;) peer_free(b, p);
    vl_map_free(&b->peers);
    vl_map_free(&b->serves);
    blob_fetch_destroy(b);
    free(b);
}
