/* Durable messages: effects of net/delivery become records and sends; what is delivered goes to coordinator or worker.
 */
#include "brain/priv.h"

#include "base/text.h"

enum vl_err message_create(struct brain *b) {
    struct delivery_cfg cfg = delivery_cfg_default();
    cfg.self = b->self;
    cfg.key = &b->key;
    cfg.seed = vl_prng_next(&b->rng);
    cfg.epoch = b->cfg.boot_epoch;
    /* assignments and reports come in bursts of a node's slots; the scheduler bounds them (coordinator.c) */
    for (unsigned i = 0; i < ENVELOPE_PRIORITIES; i++) cfg.limits.queue[i] = DELIVERY_QUEUE_MAX;
    delivery_effects_init(&b->delivery_fx);
    return delivery_create(&cfg, &b->delivery);
}

static void deliver(struct brain *b, const struct delivery_effect *fx) {
    enum mix_level level = (enum mix_level)(fx->type >> MESSAGE_LEVEL_SHIFT);
    enum brain_message type = (enum brain_message)(fx->type & MESSAGE_TYPE);
    switch (type) {
    case MSG_ASSIGN:
        if (vl_node_eq(fx->peer, b->coordinator)) held_inside(b, OUT_SELF_ASSIGN, b->self, LANE_MESSAGE, 0, fx->bytes);
        return;
    case MSG_REVOKE:
        if (vl_node_eq(fx->peer, b->coordinator)) held_inside(b, OUT_SELF_REVOKE, b->self, LANE_MESSAGE, 0, fx->bytes);
        return;
    case MSG_REPORT:
        if (b->cfg.coordinator) coordinator_report(b, fx->peer, fx->bytes);
        return;
    case MSG_COMMIT:
        if (b->cfg.coordinator) coordinator_commit(b, fx->peer, fx->bytes);
        return;
    case MSG_DISPUTE:
        if (b->cfg.coordinator) coordinator_dispute(b, fx->peer, fx->bytes);
        return;
    case MSG_JUDGED:
        if (vl_node_eq(fx->peer, b->coordinator)) worker_judged(b, fx->bytes);
        return;
    case MSG_REVEAL:
        if (vl_node_eq(fx->peer, b->coordinator)) held_inside(b, OUT_SELF_REVEAL, b->self, LANE_MESSAGE, 0, fx->bytes);
        return;
    case MSG_CONTRIBUTION:
        if (b->cfg.coordinator) contribution_message(b, fx->peer, fx->bytes);
        return;
    case MSG_HEAD:
        if (vl_node_eq(fx->peer, b->coordinator)) witness_head(b, fx->bytes);
        return;
    case MSG_COSIGNATURE:
        if (b->cfg.coordinator) coordinator_cosignature(b, fx->peer, fx->bytes);
        return;
    case MSG_SUBMIT:
    case MSG_DATA:
    case MSG_MISSING:
    case MSG_NEWS:
    case MSG_TASK:
    case MSG_CANCEL:
        remote_message(b, fx->peer, level, type, fx->bytes);
        return;
    case MSG_MARKET_CALL:
    case MSG_MARKET_SEAL:
    case MSG_MARKET_OPEN:
    case MSG_MARKET_SHOW:
    case MSG_MARKET_AWARD:
        trade_message(b, fx->peer, type, fx->bytes);
        return;
    }
    b->counters.messages_bad++;
}

/* Through the mixnet: the frame waits for the commit like any other. */
static void transmit_private(struct brain *b, const struct delivery_effect *fx, enum mix_level level) {
    bool ack = fx->frame == DELIVERY_FRAME_ACK;
    struct vl_buf buf;
    vl_buf_init(&buf, VL_MESSAGE_MAX);
    if (vl_buf_append(&buf, fx->id.b, sizeof fx->id.b) || vl_buf_append(&buf, fx->bytes.p, fx->bytes.n)) {
        out_of_memory(b);
    } else {
        mix_private_promised(b);
        held_inside(b, OUT_PRIVATE, fx->peer, LANE_MIX, (uint8_t)(level << 1 | ack), vl_span(buf.p, buf.len));
    }
    vl_buf_free(&buf);
}

static void transmit(struct brain *b, const struct delivery_effect *fx) {
    bool ack = fx->frame == DELIVERY_FRAME_ACK;
    enum mix_level level = ack ? mix_ack_level(b, fx->peer) : (enum mix_level)(fx->type >> MESSAGE_LEVEL_SHIFT);
    if (level != MIX_OFF && level < MIX_LEVELS)
        transmit_private(b, fx, level);
    else
        held_inside(b, OUT_SEND, fx->peer, ack ? LANE_CONTROL : LANE_MESSAGE, ack ? LINK_ACK : LINK_ENVELOPE, fx->bytes);
}

static bool of_remote(uint32_t typed) {
    uint32_t type = typed & MESSAGE_TYPE;
    return type >= MSG_SUBMIT && type <= MSG_CANCEL;
}

static void carry_out(struct brain *b, const struct delivery_effect *fx) {
    struct vl_span none = { 0 };
    struct record *r;
    bool came = fx->kind == DELIVERY_DELIVER || fx->kind == DELIVERY_DELIVERED;
    if (came && b->over_link && fx->type >> MESSAGE_LEVEL_SHIFT != MIX_OFF) mix_in_clear(b);
    switch (fx->kind) {
    case DELIVERY_PUT_OUT:
        r = record_add(b, RECORD_OUTBOX, fx->id.b, sizeof fx->id.b, none, fx->bytes);
        r->node = fx->peer;
        r->at_ms = fx->at_ms;
        return;
    case DELIVERY_DEL_OUT:
        record_add(b, RECORD_OUTBOX, fx->id.b, sizeof fx->id.b, none, none)->remove = true;
        return;
    case DELIVERY_PUT_IN:
        record_add(b, RECORD_INBOX, fx->id.b, sizeof fx->id.b, none, fx->bytes)->at_ms = fx->at_ms;
        return;
    case DELIVERY_DEL_IN:
        record_add(b, RECORD_INBOX, fx->id.b, sizeof fx->id.b, none, none)->remove = true;
        return;
    case DELIVERY_DELIVER:
        deliver(b, fx);
        return;
    case DELIVERY_DELIVERED:
        if ((fx->type & MESSAGE_TYPE) == MSG_REPORT) worker_reported(b, fx->id);
        if (of_remote(fx->type)) remote_posted(b, fx->id);
        return;
    case DELIVERY_DROPPED:
        note(b, fx->err, fx->peer, "a durable message was given up");
        if ((fx->type & MESSAGE_TYPE) == MSG_REPORT) worker_reported(b, fx->id);
        if (of_remote(fx->type)) remote_posted(b, fx->id);
        return;
    case DELIVERY_TRANSMIT:
        transmit(b, fx);
        return;
    }
}

/* Nested steps happen (a delivered report makes the job book assign, which sends): each has effects of its own. */
enum vl_err message_step(struct brain *b, const struct delivery_event *ev) {
    struct delivery_effects fx = b->delivery_fx;
    delivery_effects_init(&b->delivery_fx);
    enum vl_err err = delivery_step(b->delivery, ev, &fx);
    if (err == VL_ENOMEM) out_of_memory(b);
    if (err) b->counters.messages_bad++;
    for (size_t i = 0; err == VL_OK && i < fx.n; i++) carry_out(b, &fx.v[i]);
    delivery_effects_free(&b->delivery_fx);
    b->delivery_fx = fx;
    return err;
}

enum vl_err message_send(struct brain *b, struct vl_node_id to, enum mix_level level, enum brain_message type,
                         enum envelope_priority priority, struct vl_span payload, struct vl_msg_id *ret_id) {
    /* the level travels in the signed type, so that it survives restarts of both ends */
    uint32_t typed = (uint32_t)type | (uint32_t)level << MESSAGE_LEVEL_SHIFT;
    struct delivery_event ev = { .kind = DELIVERY_SEND,
                                 .now = b->now,
                                 .u.send = { .dst = to, .type = typed, .priority = priority, .payload = payload } };
    if (level != MIX_OFF) mix_private_peer(b, to);
    struct delivery_effects fx = b->delivery_fx;
    delivery_effects_init(&b->delivery_fx);
    enum vl_err err = delivery_step(b->delivery, &ev, &fx);
    if (err == VL_ENOMEM) out_of_memory(b);
    for (size_t i = 0; err == VL_OK && i < fx.n; i++) {
        if (i == 0 && ret_id) *ret_id = fx.v[i].id;
        carry_out(b, &fx.v[i]);
    }
    delivery_effects_free(&b->delivery_fx);
    b->delivery_fx = fx;
    return err;
}
