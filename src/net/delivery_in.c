#include "net/delivery_priv.h"

#include "crypto/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROW_VERSION 1u
#define KEY_SIZE 41u

static void key_make(uint8_t key[KEY_SIZE], const struct vl_node_id *sender, uint64_t epoch, enum envelope_priority p) {
    memcpy(key, sender->b, 32);
    vl_put_u64(key + 32, epoch);
    key[40] = (uint8_t)p;
}

static struct window *find(const struct delivery *d, const struct vl_node_id *sender, uint64_t epoch,
                           enum envelope_priority p) {
    uint8_t key[KEY_SIZE];
    key_make(key, sender, epoch, p);
    return vl_map_get(&d->windows, key);
}

static bool bit(const struct window *w, uint64_t i) { return (w->bits[i / 64] >> (i % 64)) & 1u; }

static void shift(uint64_t bits[4], uint64_t n) {
    if (n >= DELIVERY_WINDOW) {
        memset(bits, 0, 4 * sizeof *bits);
        return;
    }
    size_t words = n / 64, rest = n % 64;
    for (size_t i = 4; i-- > 0;) {
        uint64_t v = i >= words ? bits[i - words] << rest : 0;
        if (rest != 0 && i >= words + 1) v |= bits[i - words - 1] >> (64 - rest);
        bits[i] = v;
    }
}

bool delivery_in_seen(const struct delivery *d, const struct envelope_body *b) {
    const struct window *w = find(d, &b->sender, b->epoch, b->priority);
    if (w == NULL || b->seq > w->top) return false;
    uint64_t behind = w->top - b->seq;
    return behind >= DELIVERY_WINDOW || bit(w, behind);
}

static void mark(struct window *w, uint64_t seq) {
    if (seq > w->top) {
        shift(w->bits, seq - w->top);
        w->top = seq;
    }
    uint64_t behind = w->top - seq;
    w->bits[behind / 64] |= 1ull << (behind % 64);
}

/* Both lists are ordered by last use. */
static void link_newest(struct delivery *d, struct window *w) {
    struct sender *s = w->sender;
    w->newer = NULL;
    w->older = d->newest;
    *(d->newest ? &d->newest->newer : &d->oldest) = w;
    d->newest = w;
    w->sibling_newer = NULL;
    w->sibling_older = s->newest;
    *(s->newest ? &s->newest->sibling_newer : &s->oldest) = w;
    s->newest = w;
}
static void unlink_window(struct delivery *d, struct window *w) {
    struct sender *s = w->sender;
    *(w->newer ? &w->newer->older : &d->newest) = w->older;
    *(w->older ? &w->older->newer : &d->oldest) = w->newer;
    *(w->sibling_newer ? &w->sibling_newer->sibling_older : &s->newest) = w->sibling_older;
    *(w->sibling_older ? &w->sibling_older->sibling_newer : &s->oldest) = w->sibling_newer;
}

static void window_free(struct delivery *d, struct window *w) {
    uint8_t key[KEY_SIZE];
    struct sender *s = w->sender;
    key_make(key, &s->id, w->epoch, w->priority);
    vl_map_del(&d->windows, key);
    unlink_window(d, w);
    free(w);
    if (--s->windows > 0) return;
    vl_map_del(&d->senders, s->id.b);
    free(s);
}

static void window_drop(struct delivery *d, struct window *w, struct delivery_effects *fx) {
    delivery_fx_add(fx, (struct delivery_effect){ .kind = DELIVERY_DEL_IN, .id = w->row_id });
    window_free(d, w);
}

static enum vl_err sender_get(struct delivery *d, const struct vl_node_id *id, struct sender **ret) {
    struct sender *s = vl_map_get(&d->senders, id->b);
    if (s == NULL) {
        s = calloc(1, sizeof *s);
        if (s == NULL) return VL_ENOMEM;
        s->id = *id;
        enum vl_err err = vl_map_put(&d->senders, id->b, s);
        if (err) {
            free(s);
            return err;
        }
    }
    *ret = s;
    return VL_OK;
}

static enum vl_err window_new(struct delivery *d, const struct vl_node_id *sender, uint64_t epoch,
                              enum envelope_priority priority, struct window **ret) {
    uint8_t key[KEY_SIZE];
    struct vl_hash name;
    struct sender *s = NULL;
    struct window *w = calloc(1, sizeof *w);
    if (w == NULL) return VL_ENOMEM;
    key_make(key, sender, epoch, priority);
    crypto_blake2b256(vl_span(key, sizeof key), &name);
    w->epoch = epoch;
    w->priority = priority;
    memcpy(w->row_id.b, name.b, sizeof w->row_id.b);
    enum vl_err err = sender_get(d, sender, &s);
    if (!err) err = vl_map_put(&d->windows, key, w);
    if (err) {
        if (s != NULL && s->windows == 0) {
            vl_map_del(&d->senders, s->id.b);
            free(s);
        }
        free(w);
        return err;
    }
    w->sender = s;
    s->windows++;
    link_newest(d, w);
    *ret = w;
    return VL_OK;
}

static vl_ms window_end(const struct delivery *d, const struct window *w) {
    /* Whatever it could refuse was created at most skew after its last use and is refused for its age from then on. */
    return vl_ms_add(w->seen_ms, d->cfg.limits.ttl_max_ms + 2 * d->cfg.limits.skew_ms);
}

static void row_put(const struct window *w, struct delivery_effects *fx) {
    uint8_t *at = fx->arena.p + fx->arena.len;
    struct vl_writer o = vl_writer(at, DELIVERY_IN_ROW);
    assert(fx->arena.cap - fx->arena.len >= DELIVERY_IN_ROW);
    vl_write_u8(&o, ROW_VERSION);
    vl_write_bytes(&o, w->sender->id.b, sizeof w->sender->id.b);
    vl_write_u64(&o, w->epoch);
    vl_write_u8(&o, (uint8_t)w->priority);
    vl_write_u64(&o, w->top);
    vl_write_u64(&o, w->seen_ms);
    for (size_t i = 0; i < 4; i++) vl_write_u64(&o, w->bits[i]);
    assert(!o.failed && o.len == DELIVERY_IN_ROW);
    fx->arena.len += DELIVERY_IN_ROW;
    delivery_fx_add(fx, (struct delivery_effect){ .kind = DELIVERY_PUT_IN,
                                                  .id = w->row_id,
                                                  .peer = w->sender->id,
                                                  .at_ms = w->seen_ms,
                                                  .bytes = vl_span(at, DELIVERY_IN_ROW) });
}

enum vl_err delivery_in_note(struct delivery *d, const struct envelope_body *b, vl_ms now, struct delivery_effects *fx) {
    struct window *w = find(d, &b->sender, b->epoch, b->priority);
    if (w == NULL) {
        const struct sender *s = vl_map_get(&d->senders, b->sender.b);
        struct window *aged = d->oldest != NULL && now >= window_end(d, d->oldest) ? d->oldest : NULL;
        /* A peer that restarts without end, or invents epochs, only forgets what it said itself. */
        struct window *own = s != NULL && s->windows >= d->cfg.limits.windows_per_sender ? s->oldest : NULL;
        if (d->windows.len >= d->cfg.limits.windows && aged == NULL && own == NULL) return VL_ELIMIT;
        enum vl_err err = window_new(d, &b->sender, b->epoch, b->priority, &w);
        if (err) return err;
        w->top = b->seq;
        if (own != NULL) window_drop(d, own, fx);
        if (aged != NULL && aged != own) window_drop(d, aged, fx);
    } else {
        unlink_window(d, w);
        link_newest(d, w);
    }
    mark(w, b->seq);
    w->seen_ms = now;
    row_put(w, fx);
    return VL_OK;
}

enum vl_err delivery_in_restore(struct delivery *d, struct vl_span row) {
    struct vl_reader r = vl_reader(row.p, row.n);
    struct vl_node_id sender;
    uint64_t bits[4];
    uint8_t version = vl_read_u8(&r);
    vl_read_bytes(&r, sender.b, sizeof sender.b);
    uint64_t epoch = vl_read_u64(&r);
    uint8_t priority = vl_read_u8(&r);
    uint64_t top = vl_read_u64(&r);
    vl_ms seen = vl_read_u64(&r);
    for (size_t i = 0; i < 4; i++) bits[i] = vl_read_u64(&r);
    if (vl_reader_end(&r) != VL_OK || version != ROW_VERSION || priority >= ENVELOPE_PRIORITIES || !(bits[0] & 1u))
        return VL_ECORRUPT;
    if (find(d, &sender, epoch, (enum envelope_priority)priority) != NULL) return VL_EEXISTS;
    struct window *w = NULL;
    enum vl_err err = window_new(d, &sender, epoch, (enum envelope_priority)priority, &w);
    if (err) return err;
    w->top = top;
    w->seen_ms = seen;
    memcpy(w->bits, bits, sizeof bits);
    /* Rows come in any order: walk to the place by age, so that the oldest goes first. */
    unlink_window(d, w);
    struct window *at = d->newest, *sib = w->sender->newest;
    while (at != NULL && at->seen_ms > seen) at = at->older;
    while (sib != NULL && sib->seen_ms > seen) sib = sib->sibling_older;
    w->older = at;
    w->newer = at ? at->newer : d->oldest;
    *(w->newer ? &w->newer->older : &d->newest) = w;
    *(at ? &at->newer : &d->oldest) = w;
    w->sibling_older = sib;
    w->sibling_newer = sib ? sib->sibling_newer : w->sender->oldest;
    *(w->sibling_newer ? &w->sibling_newer->sibling_older : &w->sender->newest) = w;
    *(sib ? &sib->sibling_newer : &w->sender->oldest) = w;
    return VL_OK;
}

void delivery_in_age(struct delivery *d, vl_ms now, struct delivery_effects *fx) {
    while (d->oldest != NULL && now >= window_end(d, d->oldest) && !delivery_fx_full(fx)) window_drop(d, d->oldest, fx);
}

vl_ms delivery_in_deadline(const struct delivery *d) { return d->oldest ? window_end(d, d->oldest) : VL_MS_NEVER; }

void delivery_in_destroy(struct delivery *d) {
    while (d->oldest != NULL) window_free(d, d->oldest);
    vl_map_free(&d->windows);
    vl_map_free(&d->senders);
}
