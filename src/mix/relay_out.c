/* The way out: what is due, and what became of it. */
#include "mix/relay_priv.h"

#include <assert.h>

bool relay_next(struct relay *r, vl_ms now, struct relay_out *ret) {
    assert(r->out == RELAY_NONE); /* the one before has not been answered */
    now = relay_clock(r, now);
    if (r->queue.n == 0 || relay_queue_top(&r->queue).due > now) return false;
    uint32_t slot = relay_queue_pop(&r->queue).slot;
    struct relay_slot *s = &r->slot[slot];
    const uint8_t *packet = relay_packet(r, slot);
    s->place = RELAY_OUT;
    r->out = slot;
    *ret = (struct relay_out){ .kind = s->kind, .next = s->next, .end = s->end, .handle = slot };
    switch (s->kind) {
    case RELAY_FORWARD:
        ret->packet = packet;
        break;
    case RELAY_DELIVER:
        ret->packet = packet + SPHINX_PACKET - SPHINX_BODY;
        break;
    case RELAY_REPLY:
        ret->packet = packet + SPHINX_PACKET - SPHINX_DELTA;
        break;
    }
    relay_settle(r);
    return true;
}

static enum relay_out_kind answered(struct relay *r, uint32_t handle) {
    assert(r->out != RELAY_NONE && r->out == handle);
    r->out = RELAY_NONE;
    return r->slot[handle].kind;
}

void relay_gone(struct relay *r, uint32_t handle) {
    enum relay_out_kind kind = answered(r, handle);
    r->stats.forwarded += kind == RELAY_FORWARD;
    r->stats.delivered += kind != RELAY_FORWARD;
    r->stats.replied += kind == RELAY_REPLY;
    relay_slot_free(r, handle);
    relay_settle(r);
}

void relay_drop(struct relay *r, uint32_t handle, enum relay_drop why) {
    assert(why < RELAY_DROPS);
    (void)answered(r, handle);
    relay_slot_drop(r, handle, why);
    relay_settle(r);
}

void relay_retry(struct relay *r, vl_ms now, uint32_t handle, vl_ms at) {
    struct relay_slot *s = &r->slot[handle];
    (void)answered(r, handle);
    now = relay_clock(r, now);
    if (s->give_up == 0) s->give_up = vl_ms_add(now, RELAY_RETRY_MS);
    if (now >= s->give_up) {
        relay_slot_drop(r, handle, RELAY_DROP_LINK);
    } else {
        /* Later than now, so that whoever asks for all that is due comes to an end. */
        if (at <= now) at = now + 1;
        relay_slot_wait(r, handle, vl_ms_min(at, s->give_up));
    }
    relay_settle(r);
}

vl_ms relay_deadline(const struct relay *r) {
    vl_ms at = r->queue.n > 0 ? relay_queue_top(&r->queue).due : VL_MS_NEVER;
    if (r->ingress_n > 0 && !r->batch.out) {
        vl_ms came = r->slot[r->ingress[r->ingress_head]].came;
        at = vl_ms_min(at, r->ingress_n >= RELAY_LANES ? came : vl_ms_add(came, RELAY_FLUSH_MS));
    }
    return at;
}
