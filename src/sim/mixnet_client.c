/* Members: what src/brain/mix_client.c does with the cores, without links and a store around it. */
#include "sim/mixnet_priv.h"

#include "brain/mix_priv.h" /* its figures: what is measured shall be what is shipped */
#include "crypto/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As in the brain: 999 of 1,000 sums of n exponential delays are shorter (Wilson & Hilferty 1931). */
static vl_ms round_trip(uint32_t n, uint32_t mean_ms) {
    double k = n, c = 1 - 1 / (9 * k) + 3.09 / (3 * sqrt(k));
    return (vl_ms)(mean_ms * k * c * c * c) + 1;
}

/* ---- packets out ---- */

static void seal(struct sim_mixnet *s, struct sim_client *c, struct sphinx_prebuilt *pre, enum sim_kind kind,
                 const uint8_t body[SPHINX_BODY]) {
    uint8_t packet[SPHINX_PACKET];
    sphinx_seal(pre, body, packet);
    sim_hand(s, c, pre->first, kind, pre->n, packet);
    sphinx_prebuilt_wipe(pre);
}

static void cover_send(struct sim_mixnet *s, struct sim_client *c, bool loop) {
    struct sphinx_prebuilt pre;
    uint32_t sum;
    uint8_t id[32], body[SPHINX_BODY];
    if (paths_take(c->paths, s->now, loop ? PATHS_LOOP : PATHS_DROP, s->cfg.cover_level, c->node, &pre, &sum)) {
        s->ret.no_path++;
        return;
    }
    if (loop) cover_loop_sent(c->cover, s->now, sum, id);
    sim_fail(s, sphinx_body(MIX_BODY_LOOP, vl_span(id, loop ? sizeof id : 0), body));
    seal(s, c, &pre, loop ? SIM_LOOP : SIM_DROP, body);
}

static enum vl_err surbs_build(struct sim_mixnet *s, struct sim_client *c, const struct channel_slot *slot,
                               uint8_t (*surb)[SPHINX_SURB], struct sphinx_surb_keys *keys) {
    struct sphinx_path path[3];
    if (slot->surbs == 0) return VL_OK;
    for (uint32_t i = 0; i < slot->surbs; i++) {
        uint8_t id[16];
        crypto_drbg_bytes(&c->rng, id, sizeof id);
        enum vl_err err = paths_reply(c->paths, s->now, slot->level, slot->to, id, &path[i], NULL);
        if (err) return err;
    }
    return sphinx_surb_build(path, slot->surbs, (uint32_t)(s->epoch + 1), &c->rng, surb, keys);
}

static void fragment_send(struct sim_mixnet *s, struct sim_client *c, const struct channel_slot *slot) {
    struct sphinx_prebuilt pre;
    struct sphinx_surb_keys keys[3];
    uint8_t surb[3][SPHINX_SURB], body[SPHINX_BODY];
    uint32_t sum = 0, hops = mix_level_hops(slot->level);
    enum vl_err err = surbs_build(s, c, slot, surb, keys);
    if (!err) err = paths_take(c->paths, s->now, PATHS_CLIENT, slot->level, slot->to, &pre, &sum);
    if (err) {
        s->ret.no_path++;
        channel_skip(c->channel, s->now, slot->handle);
        cover_send(s, c, false);
        return;
    }
    vl_ms rtt = round_trip(2 * hops, sum / hops) + MIX_SLACK_MS;
    if (channel_fill(c->channel, s->now, slot->handle, rtt, (const uint8_t(*)[SPHINX_SURB])surb, keys, body) == VL_OK)
        seal(s, c, &pre, SIM_MESSAGE, body);
    else
        sphinx_prebuilt_wipe(&pre);
    crypto_wipe(keys, sizeof keys);
}

static void payload_send(struct sim_mixnet *s, struct sim_client *c) {
    struct channel_slot slot;
    if (c->channel == NULL || !channel_slot(c->channel, s->now, &slot)) {
        if (s->cfg.bug != SIM_MIX_NO_COVER) cover_send(s, c, false);
        return;
    }
    cover_filled(c->cover);
    if (slot.reply)
        sim_hand(s, c, slot.first, SIM_REPLY, mix_level_hops(s->cfg.level), slot.packet);
    else
        fragment_send(s, c, &slot);
}

/* ---- messages ---- */

static uint64_t message_word(uint64_t index, size_t at) { return (index + 1) * 0x9e3779b97f4a7c15u + at; }

static void message_write(uint64_t index, uint8_t *p, size_t n) {
    vl_put_u64(p, index);
    for (size_t i = 8; i + 8 <= n; i += 8) vl_put_u64(p + i, message_word(index, i));
}
static bool message_right(uint64_t index, const uint8_t *p, size_t n) {
    for (size_t i = 8; i + 8 <= n; i += 8)
        if (vl_get_u64(p + i) != message_word(index, i)) return false;
    return true;
}

static vl_ms pause(struct sim_mixnet *s) {
    if (s->cfg.load <= 0) return VL_MS_NEVER;
    double gap = -log(1 - vl_prng_unit(&s->talk)) * 60000 / s->cfg.load;
    return gap < 1e12 ? s->now + (vl_ms)gap + 1 : VL_MS_NEVER;
}

static void talk(struct sim_mixnet *s, struct sim_client *c) {
    struct channel_to to = { .node = s->clients[c->partner].node, .level = s->cfg.level };
    uint8_t bytes[CHANNEL_MESSAGE_MAX] = { 0 };
    uint64_t id;
    if (s->messages_n == s->messages_cap) {
        size_t cap = s->messages_cap ? 2 * s->messages_cap : 1024;
        struct sim_message *more = realloc(s->messages, cap * sizeof *more);
        if (more == NULL) {
            sim_fail(s, VL_ENOMEM);
            return;
        }
        s->messages = more;
        s->messages_cap = cap;
    }
    enum vl_err err = sim_channel(s, c);
    memcpy(to.static_key, s->clients[c->partner].static_key, sizeof to.static_key);
    message_write(s->messages_n, bytes, s->cfg.message_bytes);
    if (!err) err = channel_send(c->channel, s->now, &to, vl_span(bytes, s->cfg.message_bytes), &id);
    sim_fail(s, err);
    s->messages[s->messages_n++] =
        (struct sim_message){ .sent = s->now, .from = c->index, .to = c->partner, .measured = sim_measured(s) };
    s->open += sim_measured(s);
}

static void heard(struct sim_mixnet *s, struct sim_client *c, struct vl_span bytes) {
    uint64_t index = bytes.n >= 8 ? vl_get_u64(bytes.p) : UINT64_MAX;
    if (index >= s->messages_n || s->messages[index].to != c->index || bytes.n != s->cfg.message_bytes ||
        !message_right(index, bytes.p, bytes.n)) {
        s->ret.wrong++;
        return;
    }
    struct sim_message *m = &s->messages[index];
    s->ret.doubled += m->received;
    if (m->received) return;
    m->received = true;
    m->delay_ms = (uint32_t)(s->now - m->sent);
    s->open -= m->measured;
    sim_note(s, 9, index);
}

static void channel_events(struct sim_mixnet *s, struct sim_client *c) {
    struct channel_event ev;
    while (channel_next(c->channel, &ev))
        if (ev.kind == CHANNEL_RECEIVED) heard(s, c, ev.bytes);
}

void sim_client_mail(struct sim_mixnet *s, struct sim_client *c, const struct sim_packet *p) {
    uint8_t type;
    struct vl_span data;
    if (!p->reply && sphinx_body_read(p->bytes, &type, &data) == VL_OK && type == MIX_BODY_LOOP) {
        if (data.n != 32 || cover_loop_back(c->cover, s->now, data.p)) s->ret.bad++;
        return;
    }
    sim_fail(s, sim_channel(s, c));
    if (s->err) return;
    enum vl_err err = p->reply ? channel_recv_reply(c->channel, s->now, p->surb_id, p->bytes)
                               : channel_recv(c->channel, s->now, p->bytes);
    if (err && err != VL_EREPLAY && err != VL_ENOTFOUND) s->ret.bad++;
    channel_events(s, c);
    sim_client_wait(s, c); /* an acknowledgement may be owed */
}

/* ---- time ---- */

void sim_client_tick(struct sim_mixnet *s, struct sim_client *c) {
    enum cover_slot slot;
    if (c->talk_at == VL_MS_NEVER) c->talk_at = pause(s);
    if (c->talk_at <= s->now) {
        talk(s, c);
        c->talk_at = pause(s);
    }
    if (c->fetch_at <= s->now) {
        sim_fetch(s, c);
        c->fetch_at = s->now + MIX_FETCH_MS;
    }
    if (c->channel && channel_deadline(c->channel) <= s->now) {
        channel_tick(c->channel, s->now);
        channel_events(s, c);
    }
    if (cover_deadline(c->cover) > s->now) return;
    while (cover_next(c->cover, s->now, &slot)) {
        if (slot == COVER_PAYLOAD) payload_send(s, c);
        if (slot == COVER_LOOP) cover_send(s, c, true);
        if (slot == COVER_DROP) cover_send(s, c, false);
    }
    paths_refill(c->paths, s->now, 1); /* the brain keeps more ready, most of which a short run would throw away */
}

void sim_client_wait(struct sim_mixnet *s, struct sim_client *c) {
    vl_ms at = vl_ms_min(c->fetch_at, vl_ms_min(c->talk_at, cover_deadline(c->cover)));
    if (c->channel) at = vl_ms_min(at, channel_deadline(c->channel));
    sim_fail(s, vl_heap_set(&s->due, &c->due, at));
}
