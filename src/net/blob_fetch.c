#include "net/blob_priv.h"

#include <assert.h>
#include <stdlib.h>

static struct fetch *find(const struct blob *b, struct vl_hash hash) { return vl_map_get(&b->fetches, hash.b); }

static struct source *source_find(struct fetch *f, struct vl_node_id id) {
    for (size_t i = 0; i < f->sources_n; i++)
        if (vl_node_eq(f->sources[i].id, id)) return &f->sources[i];
    return NULL;
}
static bool source_alive(const struct source *s) {
    return !s->missing && !s->banned && s->strikes < BLOB_STRIKES_MAX;
}

/* The preferred one among those with the fewest strikes.  NULL: none is up.  *ret_hope: one may come up. */
static struct source *source_pick(const struct blob *b, struct fetch *f, bool *ret_hope) {
    struct source *best = NULL;
    *ret_hope = false;
    for (size_t i = 0; i < f->sources_n; i++) {
        struct source *s = &f->sources[i];
        if (!source_alive(s)) continue;
        *ret_hope = true;
        if (vl_map_get(&b->peers, s->id.b) != NULL && (best == NULL || s->strikes < best->strikes)) best = s;
    }
    return best;
}

static size_t pieces_in(const struct fetch *f, enum piece_state state) {
    size_t n = 0;
    for (size_t i = 0; i < BLOB_PIPELINE; i++) n += f->pieces[i].state == state;
    return n;
}

static bool is_running(const struct fetch *f) { return f->state != FETCH_WAITING; }
static void state_set(struct blob *b, struct fetch *f, enum fetch_state state) {
    b->running -= is_running(f);
    f->state = state;
    b->running += is_running(f);
    if (state == FETCH_WAITING) b->dirty = true;
}

static void due_set(struct blob *b, struct fetch *f) {
    vl_ms at = VL_MS_NEVER; /* the disk always answers */
    if (f->state == FETCH_WAITING) at = vl_ms_add(f->progress_ms, b->cfg.limits.fetch_timeout_ms);
    if (f->state == FETCH_RUNNING && pieces_in(f, PIECE_ASKED) > 0)
        at = vl_ms_add(f->source_ms, b->cfg.limits.piece_timeout_ms);
    enum vl_err err = vl_heap_set(&b->due, &f->due, at);
    assert(err == VL_OK); /* in the heap from WANT on: nothing is allocated */
    (void)err;
}

static void fetch_free(struct blob *b, struct fetch *f) {
    state_set(b, f, FETCH_WAITING);
    vl_heap_remove(&b->due, &f->due);
    vl_map_del(&b->fetches, f->hash.b);
    *(f->prev ? &f->prev->next : &b->first) = f->next;
    *(f->next ? &f->next->prev : &b->last) = f->prev;
    free(f);
    b->counters.active--;
}

static void fail(struct blob *b, struct fetch *f, enum vl_err err, struct blob_effects *fx) {
    b->counters.failed++;
    blob_fx_add(fx, (struct blob_effect){ .kind = BLOB_FAILED, .hash = f->hash, .err = err });
    fetch_free(b, f);
}

/* ---- want ---- */

static void sources_add(struct fetch *f, const struct vl_node_id *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct source *s = source_find(f, ids[i]);
        if (s != NULL) { /* it may have it by now */
            s->missing = false;
            s->strikes = 0;
            continue;
        }
        if (f->sources_n < BLOB_SOURCES_MAX) s = &f->sources[f->sources_n++];
        for (size_t k = 0; s == NULL && k < f->sources_n; k++)
            if (!source_alive(&f->sources[k]) && !f->sources[k].banned && !f->sources[k].gave) s = &f->sources[k];
        if (s != NULL) *s = (struct source){ .id = ids[i] };
    }
}

static void offsets_set(struct fetch *f, uint64_t have) {
    f->size = f->hint;
    f->size_known = f->hint != 0;
    f->resumed = have > 0;
    /* With an unknown size the last byte is asked for again: the answer tells the size. */
    f->next_offset = f->size_known || have == 0 ? have : have - 1;
}

static void restart(struct blob *b, struct fetch *f, struct blob_effects *fx) {
    for (size_t i = 0; i < BLOB_PIPELINE; i++) f->pieces[i].state = PIECE_FREE;
    for (size_t i = 0; i < f->sources_n; i++) f->sources[i].gave = false;
    offsets_set(f, 0);
    f->again = false;
    blob_fx_add(fx, (struct blob_effect){ .kind = BLOB_DISCARD, .hash = f->hash });
    state_set(b, f, FETCH_WAITING);
    due_set(b, f);
}

enum vl_err blob_fetch_want(struct blob *b, const struct blob_event *ev) {
    size_t n = ev->u.want.sources_n;
    if (n == 0 || n > BLOB_SOURCES_MAX || ev->u.want.size > VL_BLOB_MAX || ev->u.want.have > VL_BLOB_MAX ||
        (ev->u.want.size != 0 && ev->u.want.have > ev->u.want.size))
        return VL_ERANGE;
    struct fetch *f = find(b, ev->u.want.hash);
    if (f != NULL) {
        sources_add(f, ev->u.want.sources, n);
        b->dirty = true;
        return VL_OK;
    }
    f = calloc(1, sizeof *f);
    if (f == NULL) return VL_ENOMEM;
    *f = (struct fetch){ .hash = ev->u.want.hash, .hint = ev->u.want.size, .progress_ms = ev->now, .source_ms = ev->now };
    offsets_set(f, ev->u.want.have);
    sources_add(f, ev->u.want.sources, n);
    enum vl_err err = vl_heap_set(&b->due, &f->due, VL_MS_NEVER);
    if (!err) err = vl_map_put(&b->fetches, f->hash.b, f);
    if (err) {
        vl_heap_remove(&b->due, &f->due);
        free(f);
        return err;
    }
    f->prev = b->last;
    *(b->last ? &b->last->next : &b->first) = f;
    b->last = f;
    due_set(b, f);
    b->dirty = true;
    b->counters.wanted++;
    b->counters.active++;
    return VL_OK;
}

enum vl_err blob_fetch_cancel(struct blob *b, struct vl_hash hash) {
    struct fetch *f = find(b, hash);
    if (f == NULL) return VL_ENOTFOUND;
    b->counters.cancelled++;
    fetch_free(b, f);
    return VL_OK;
}

/* ---- asking ---- */

static void ask(struct fetch *f, struct piece *p, struct blob_effects *fx) {
    struct wire_blob m = { .kind = WIRE_BLOB_REQUEST, .hash = f->hash, .offset = p->offset, .length = p->length };
    p->state = PIECE_ASKED;
    blob_fx_send(fx, f->sources[f->current].id, &m, vl_span(NULL, 0));
}

/* Fills the pipeline; of a blob whose size nobody told, only one piece is asked for. */
static void ask_more(struct fetch *f, struct blob_effects *fx) {
    for (size_t i = 0; i < BLOB_PIPELINE; i++) {
        struct piece *p = &f->pieces[i];
        if (p->state != PIECE_FREE) continue;
        if (f->size_known ? f->next_offset >= f->size : pieces_in(f, PIECE_FREE) < BLOB_PIPELINE) return;
        uint64_t left = f->size_known ? f->size - f->next_offset : BLOB_PIECE;
        *p = (struct piece){ .offset = f->next_offset, .length = left < BLOB_PIECE ? (uint32_t)left : BLOB_PIECE };
        f->next_offset += p->length;
        ask(f, p, fx);
    }
}

/* More to ask, or all written: the hash decides. */
static void go_on(struct blob *b, struct fetch *f, struct blob_effects *fx) {
    ask_more(f, fx);
    if (f->size_known && f->next_offset >= f->size && pieces_in(f, PIECE_FREE) == BLOB_PIPELINE) {
        state_set(b, f, FETCH_VERIFYING);
        blob_fx_add(fx, (struct blob_effect){ .kind = BLOB_VERIFY, .hash = f->hash, .size = f->size });
    }
    due_set(b, f);
}

/* Takes a source that is up, and asks it for what the last one owes. */
static void start(struct blob *b, struct fetch *f, const struct source *s, vl_ms now, struct blob_effects *fx) {
    f->current = (size_t)(s - f->sources);
    f->source_ms = now;
    state_set(b, f, FETCH_RUNNING);
    for (size_t i = 0; i < BLOB_PIPELINE; i++)
        if (f->pieces[i].state == PIECE_ASKED) ask(f, &f->pieces[i], fx);
    go_on(b, f, fx);
}

static bool any_banned(const struct fetch *f) {
    bool any = false;
    for (size_t i = 0; i < f->sources_n; i++) any = any || f->sources[i].banned;
    return any;
}
static bool any_silent(const struct fetch *f) {
    bool any = false;
    for (size_t i = 0; i < f->sources_n; i++) any = any || f->sources[i].strikes >= BLOB_STRIKES_MAX;
    return any;
}

/* The current source is of no more use for now; blob_fetch_run() finds the next. */
static void leave_source(struct blob *b, struct fetch *f) {
    b->counters.failovers++;
    state_set(b, f, FETCH_WAITING);
    due_set(b, f);
}

void blob_fetch_peer_down(struct blob *b, struct vl_node_id peer) {
    for (struct fetch *f = b->first, *next; f != NULL; f = next) {
        next = f->next;
        if (f->state == FETCH_RUNNING && vl_node_eq(f->sources[f->current].id, peer)) leave_source(b, f);
    }
}

/* ---- answers ---- */

static struct piece *piece_at(struct fetch *f, uint64_t offset, enum piece_state state) {
    for (size_t i = 0; i < BLOB_PIPELINE; i++)
        if (f->pieces[i].state == state && f->pieces[i].offset == offset) return &f->pieces[i];
    return NULL;
}

/* A source that contradicts itself or the hint lies; two that contradict each other cannot be told apart. */
static void size_conflict(struct blob *b, struct fetch *f) {
    struct source *s = &f->sources[f->current];
    b->counters.lies++;
    if (f->hint != 0 || f->solo) s->banned = true;
    f->solo = f->again = true;
    leave_source(b, f);
}

static void learn_size(struct fetch *f, struct piece *p, uint64_t size) {
    f->size = size;
    f->size_known = true;
    uint64_t left = size - p->offset;
    if (p->length > left) p->length = (uint32_t)left;
    f->next_offset = p->offset + p->length;
}

enum vl_err blob_fetch_chunk(struct blob *b, struct vl_node_id peer, const struct wire_blob *m, vl_ms now,
                             struct blob_effects *fx) {
    struct fetch *f = find(b, m->hash);
    if (f == NULL || f->state != FETCH_RUNNING || !vl_node_eq(f->sources[f->current].id, peer)) return VL_ENOTFOUND;
    struct piece *p = piece_at(f, m->offset, PIECE_ASKED);
    if (p == NULL) return VL_ENOTFOUND;
    if (!f->size_known) learn_size(f, p, m->size);
    if (m->size != f->size || m->length != p->length) {
        size_conflict(b, f);
        return VL_OK;
    }
    f->progress_ms = f->source_ms = now;
    f->sources[f->current].gave = true;
    b->counters.pieces_in++;
    b->counters.bytes_in += m->length;
    if (m->length == 0) { /* the empty blob */
        p->state = PIECE_FREE;
        go_on(b, f, fx);
        return VL_OK;
    }
    p->state = PIECE_WRITING;
    blob_fx_add(fx, (struct blob_effect){ .kind = BLOB_WRITE, .hash = f->hash, .offset = m->offset, .length = m->length,
                                          .size = f->size, .data = m->data });
    due_set(b, f);
    return VL_OK;
}

enum vl_err blob_fetch_missing(struct blob *b, struct vl_node_id peer, struct vl_hash hash) {
    struct fetch *f = find(b, hash);
    if (f == NULL || f->state != FETCH_RUNNING || !vl_node_eq(f->sources[f->current].id, peer)) return VL_ENOTFOUND;
    f->sources[f->current].missing = true;
    leave_source(b, f);
    return VL_OK;
}

enum vl_err blob_fetch_written(struct blob *b, const struct blob_event *ev, struct blob_effects *fx) {
    struct fetch *f = find(b, ev->u.write.hash);
    struct piece *p = f ? piece_at(f, ev->u.write.offset, PIECE_WRITING) : NULL;
    if (p == NULL) return VL_ENOTFOUND;
    p->state = PIECE_FREE;
    if (ev->u.write.err) {
        fail(b, f, ev->u.write.err, fx);
        return VL_OK;
    }
    if (f->state == FETCH_RUNNING) go_on(b, f, fx);
    else if (f->state == FETCH_DRAINING && pieces_in(f, PIECE_WRITING) == 0) restart(b, f, fx);
    return VL_OK;
}

enum vl_err blob_fetch_verified(struct blob *b, const struct blob_event *ev, struct blob_effects *fx) {
    struct fetch *f = find(b, ev->u.verified.hash);
    struct source *only = NULL;
    size_t gave = 0;
    if (f == NULL || f->state != FETCH_VERIFYING) return VL_ENOTFOUND;
    if (ev->u.verified.ok) {
        b->counters.done++;
        blob_fx_add(fx, (struct blob_effect){ .kind = BLOB_DONE, .hash = f->hash, .size = f->size });
        fetch_free(b, f);
        return VL_OK;
    }
    for (size_t i = 0; i < f->sources_n; i++)
        if (f->sources[i].gave) {
            gave++;
            only = &f->sources[i];
        }
    b->counters.lies++;
    if (gave == 1 && !f->resumed) only->banned = true;
    f->solo = true;
    restart(b, f, fx);
    return VL_OK;
}

/* ---- time and places ---- */

static void time_out(struct blob *b, struct fetch *f, vl_ms now, struct blob_effects *fx) {
    if (f->state == FETCH_RUNNING) {
        f->sources[f->current].strikes++;
        leave_source(b, f);
    }
    if (f->state != FETCH_WAITING || now < vl_ms_add(f->progress_ms, b->cfg.limits.fetch_timeout_ms)) return;
    bool hope;
    if (source_pick(b, f, &hope) == NULL) {
        fail(b, f, VL_ETIMEOUT, fx);
        return;
    }
    f->progress_ms = now; /* it only waits for its turn */
    due_set(b, f);
}

static bool has_content_of_others(const struct fetch *f, const struct source *s) {
    bool any = f->resumed;
    for (size_t i = 0; i < f->sources_n; i++) any = any || (&f->sources[i] != s && f->sources[i].gave);
    return any;
}

/* Starts it, leaves it waiting, or ends it for want of sources. */
static void try_start(struct blob *b, struct fetch *f, vl_ms now, struct blob_effects *fx) {
    bool hope;
    const struct source *s = source_pick(b, f, &hope);
    if (!hope) {
        fail(b, f, any_banned(f) ? VL_ECRYPTO : any_silent(f) ? VL_ETIMEOUT : VL_ENOTFOUND, fx);
        return;
    }
    if (s == NULL || b->running >= b->cfg.limits.running) return;
    if (f->again || (f->solo && has_content_of_others(f, s))) {
        if (pieces_in(f, PIECE_WRITING) > 0) {
            state_set(b, f, FETCH_DRAINING);
            due_set(b, f);
            return;
        }
        restart(b, f, fx);
    }
    start(b, f, s, now, fx);
}

void blob_fetch_run(struct blob *b, vl_ms now, struct blob_effects *fx) {
    while (vl_heap_deadline(&b->due) <= now && !blob_fx_full(fx)) time_out(b, (struct fetch *)vl_heap_top(&b->due), now, fx);
    if (!b->dirty) return;
    b->dirty = false;
    for (struct fetch *f = b->first, *next; f != NULL; f = next) {
        next = f->next;
        if (blob_fx_full(fx)) {
            b->dirty = true;
            return;
        }
        if (f->state == FETCH_WAITING) try_start(b, f, now, fx);
    }
}

void blob_fetch_destroy(struct blob *b) {
    while (b->first != NULL) fetch_free(b, b->first);
    vl_map_free(&b->fetches);
    vl_heap_free(&b->due);
}
