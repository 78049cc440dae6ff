/* Blobs: effects of net/blob go to the shell and to links; a worker's offers are fetched before its report can come. */
#include "brain/priv.h"

#include <stdlib.h>

#define OFFERS_MAX 65536u /* outputs of all workers on their way to the coordinator */

enum vl_err blobs_create(struct brain *b) {
    struct blob_cfg cfg = blob_cfg_default();
    cfg.seed = vl_prng_next(&b->rng);
    cfg.limits.fetches = 8192;
    blob_effects_init(&b->blob_fx);
    return blob_create(&cfg, &b->blob);
}

static void offers_settle(struct brain *b, struct vl_hash hash, enum vl_err err) {
    struct vl_buf buf;
    vl_buf_init(&buf, 256);
    for (struct offer **at = &b->offers; *at;) {
        struct offer *o = *at;
        if (!vl_hash_eq(o->hash, hash)) {
            at = &o->next;
            continue;
        }
        vl_buf_clear(&buf);
        if (link_blob_have_encode(&(struct link_blob_have){ .hash = hash, .code = err }, &buf) == VL_OK)
            (void)link_send(b, o->from, LANE_CONTROL, LINK_BLOB_HAVE, vl_span(buf.p + 1, buf.len - 1),
                            (struct vl_span){ 0 });
        *at = o->next;
        b->offers_n--;
        free(o);
    }
    vl_buf_free(&buf);
}

static void settled(struct brain *b, struct vl_hash hash, enum vl_err err) {
    if (err == VL_OK) b->counters.blobs_fetched++;
    offers_settle(b, hash, err);
    worker_blob_here(b, hash, err);
}

static void carry_out(struct brain *b, const struct blob_effect *fx) {
    struct vl_span none = { 0 };
    struct brain_effect *e = NULL;
    switch (fx->kind) {
    case BLOB_READ:
        e = effect_now(b, BRAIN_BLOB_READ, none, NULL);
        e->req = fx->req;
        e->offset = fx->offset;
        e->length = fx->length;
        break;
    case BLOB_WRITE:
        e = effect_now(b, BRAIN_BLOB_WRITE, fx->data, NULL);
        e->offset = fx->offset;
        break;
    case BLOB_DISCARD:
        e = effect_now(b, BRAIN_BLOB_DISCARD, none, NULL);
        break;
    case BLOB_VERIFY:
        e = effect_now(b, BRAIN_BLOB_VERIFY, none, NULL);
        e->length = fx->size;
        break;
    case BLOB_SEND:
        (void)link_send(b, fx->peer, LANE_BLOB, LINK_BLOB, fx->head, fx->data);
        return;
    case BLOB_DONE:
        settled(b, fx->hash, VL_OK);
        return;
    case BLOB_FAILED:
        settled(b, fx->hash, fx->err);
        return;
    }
    e->hash = fx->hash;
}

void blobs_step(struct brain *b, const struct blob_event *ev) {
    struct blob_effects fx = b->blob_fx;
    blob_effects_init(&b->blob_fx);
    enum vl_err err = blob_step(b->blob, ev, &fx);
    if (err == VL_ENOMEM) out_of_memory(b);
    if (err == VL_EPARSE) b->counters.messages_bad++;
    for (size_t i = 0; err == VL_OK && i < fx.n; i++) carry_out(b, &fx.v[i]);
    blob_effects_free(&b->blob_fx);
    b->blob_fx = fx;
}

void blobs_offer(struct brain *b, const struct peer *from, struct vl_span body) {
    struct link_blob_offer m;
    if (!b->cfg.coordinator || link_blob_offer_decode(body, &m)) {
        b->counters.messages_bad++;
        return;
    }
    for (struct offer *o = b->offers; o; o = o->next)
        if (vl_hash_eq(o->hash, m.hash) && vl_node_eq(o->from, from->node)) return; /* asked again while on its way */
    struct offer *o = b->offers_n < OFFERS_MAX ? calloc(1, sizeof *o) : NULL;
    if (o == NULL) return; /* it will be offered again */
    *o = (struct offer){ .next = b->offers, .hash = m.hash, .size = m.size, .from = from->node };
    b->offers = o;
    b->offers_n++;
    effect_now(b, BRAIN_BLOB_FIND, (struct vl_span){ 0 }, NULL)->hash = m.hash;
}

void blobs_have(struct brain *b, const struct peer *from, struct vl_span body) {
    struct link_blob_have m;
    if (b->cfg.coordinator || !vl_node_eq(from->node, b->coordinator) || link_blob_have_decode(body, &m)) {
        b->counters.messages_bad++;
        return;
    }
    worker_output_taken(b, m.hash, m.code);
}

void brain_blob_found(struct brain *b, vl_ms now, struct vl_hash hash, bool complete, uint64_t size, uint64_t partial) {
    step_begin(b, now);
    if (complete) {
        offers_settle(b, hash, VL_OK);
    } else {
        for (struct offer *o = b->offers; o; o = o->next) {
            if (!vl_hash_eq(o->hash, hash)) continue;
            blobs_step(b,
                       &(struct blob_event){
                           .kind = BLOB_WANT,
                           .now = b->now,
                           .u.want = {
                               .hash = hash, .size = o->size, .have = partial, .sources = &o->from, .sources_n = 1 } });
            break;
        }
    }
    worker_blob_found(b, hash, complete, partial);
    remote_found(b, hash, complete, size);
    step_end(b);
}

void brain_blob_read(struct brain *b, vl_ms now, uint64_t req, enum vl_err err, uint64_t size, struct vl_span bytes) {
    step_begin(b, now);
    if (!remote_read(b, req, err, size, bytes) && !topo_blob_read(b, req, err, size, bytes))
        blobs_step(b,
                   &(struct blob_event){ .kind = BLOB_READ_DONE,
                                         .now = b->now,
                                         .u.read = { .req = req, .found = err == VL_OK, .size = size, .data = bytes } });
    step_end(b);
}

void brain_blob_written(struct brain *b, vl_ms now, struct vl_hash hash, uint64_t offset, enum vl_err err) {
    step_begin(b, now);
    blobs_step(b, &(struct blob_event){ .kind = BLOB_WRITE_DONE,
                                        .now = b->now,
                                        .u.write = { .hash = hash, .offset = offset, .err = err } });
    step_end(b);
}

void brain_blob_verified(struct brain *b, vl_ms now, struct vl_hash hash, enum vl_err err) {
    step_begin(b, now);
    blobs_step(b, &(struct blob_event){
                      .kind = BLOB_VERIFIED, .now = b->now, .u.verified = { .hash = hash, .ok = err == VL_OK } });
    step_end(b);
}
