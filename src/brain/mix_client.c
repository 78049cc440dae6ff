/* A member as a client of the private network: cover and payload at a constant rate to its guard, its mailbox, and
 * durable messages that travel at a privacy level. */
#include "brain/mix_priv.h"

#include "crypto/random.h"

#include <stdlib.h>
#include <string.h>

enum vl_err mix_client_create(struct brain *b) {
    struct mix *m = b->mix;
    struct channel_config cc = channel_config_default();
    m->cover_level = MIX_PRIVATE;
    uint8_t seed[32];
    crypto_drbg_bytes(&m->rng, seed, sizeof seed);
    enum vl_err err = paths_create(seed, b->self, &m->paths);
    crypto_drbg_bytes(&m->rng, seed, sizeof seed);
    if (err == VL_OK) err = cover_create(&b->cfg.mix.cover, seed, b->now, &m->cover);
    crypto_drbg_bytes(&m->rng, cc.seed, sizeof cc.seed);
    memcpy(cc.static_secret, b->cfg.static_secret, sizeof cc.static_secret);
    if (err == VL_OK) err = channel_create(&cc, &m->channel);
    m->audit = audit_create();
    if (err == VL_OK && m->audit == NULL) err = VL_ENOMEM;
    crypto_wipe(&cc, sizeof cc);
    crypto_wipe(seed, sizeof seed);
    return err;
}

void mix_client_destroy(struct brain *b) {
    paths_destroy(b->mix->paths);
    cover_destroy(b->mix->cover);
    channel_destroy(b->mix->channel);
    audit_destroy(b->mix->audit);
    mix_ping_destroy(b->mix);
}

/* ---- guard, provider, epoch ------------------------------------------------------------------------------------- */

static void guards_save(struct brain *b) {
    struct vl_buf buf;
    bool changed = false;
    vl_buf_init(&buf, 65536);
    if (paths_guards_save(b->mix->paths, &buf, &changed) == VL_OK && changed)
        record_add(b, RECORD_MIX, NULL, 0, (struct vl_span){ 0 }, vl_span(buf.p, buf.len))->index = MIX_RECORD_GUARDS;
    vl_buf_free(&buf);
}

static void provider_want(struct brain *b, uint32_t number) {
    const struct mix_relay *r = number ? mix_relay_find(b, number) : NULL;
    if (r == NULL || b->mix->relay_on) return; /* relays have links to each other anyway */
    way_want(b, r->node, r->static_key, r->addr, WAY_PROVIDER);
}

/* Links to the guards, and to whoever keeps our mailbox by the consensus: that is another for an epoch when the first
 * guard changes. */
static void guard_choose(struct brain *b) {
    struct mix *m = b->mix;
    const struct mix_client *self = m->current.have ? mix_client_by_node(&m->current.c, b->self) : NULL;
    uint32_t guards[PATHS_GUARDS], n = paths_guards(m->paths, b->now, guards);
    const struct mix_relay *g = n ? mix_relay_find(b, guards[0]) : NULL;
    const struct mix_relay *mail = self && self->provider ? mix_relay_find(b, self->provider) : NULL;
    way_unwant_all(b, WAY_PROVIDER);
    for (uint32_t i = 0; i < n; i++) provider_want(b, guards[i]);
    if (mail) provider_want(b, mail->number);
    way_sweep(b);
    if (g && !m->relay_on) m->provider = g->node; /* what the next descriptor names */
    m->mailbox = mail && !vl_node_eq(mail->node, b->self) ? mail->node : (struct vl_node_id){ { 0 } };
    m->fetch_at = mail && !vl_node_eq(mail->node, b->self) ? b->now : VL_MS_NEVER;
    guards_save(b);
}

void mix_client_epoch(struct brain *b) {
    struct mix *m = b->mix;
    paths_consensus(m->paths, b->now, m->current.have ? &m->current.c : NULL);
    channel_epoch(m->channel, b->now, m->epoch);
    if (m->current.have) {
        cover_tolerance(m->cover, m->current.c.tolerance_permille);
        audit_consensus(m->audit, &m->current.c);
    }
    if (b->cfg.coordinator) b->schedule_due = true; /* private tasks may have a way now */
    guard_choose(b);
}

void mix_way_result(struct brain *b, struct vl_node_id node, bool reached) {
    struct mix *m = b->mix;
    const struct mix_relay *r = m && m->current.have ? mix_relay_by_node(&m->current.c, node) : NULL;
    if (r == NULL) return;
    paths_guard_result(m->paths, b->now, r->number, reached);
    m->guard_stale = true; /* chosen again in the tick: not while ways are being walked */
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

bool mix_hand(struct brain *b, uint32_t first, const uint8_t packet[SPHINX_PACKET]) {
    struct mix *m = b->mix;
    const struct mix_relay *r = mix_relay_find(b, first);
    if (r == NULL) return false;
    if (vl_node_eq(r->node, b->self)) {
        if (m->relay) (void)relay_input(m->relay, b->now, 0, packet, SPHINX_PACKET);
        m->pump = m->relay != NULL;
        return true;
    }
    const struct peer *p = link_peer(b, r->node);
    return p && p->attached &&
           link_send(b, r->node, LANE_MIX, LINK_MIX, vl_span(packet, SPHINX_PACKET), (struct vl_span){ 0 });
}

size_t brain_mix_hand(struct brain *b, vl_ms now, uint32_t first, const uint8_t *packets, size_t count) {
    size_t n = 0;
    step_begin(b, now);
    while (n < count && mix_hand(b, first, packets + n * SPHINX_PACKET)) n++;
    step_end(b);
    return n;
}

/* The time that 999 of 1,000 packets need there and back: the quantile of the sum of 2 x hops exponential delays of one
 * mean, which is half the one of the chi-squared distribution with 4 x hops degrees of freedom. */
static vl_ms round_trip_p999(enum mix_level level, uint32_t mean_ms) {
    static const uint32_t percent_of_mean[MIX_LEVELS] = { 0, 923, 1646, 2266, 2845 };
    return (vl_ms)mean_ms * percent_of_mean[level] / 100u + 1u;
}

static bool seal_and_hand(struct brain *b, struct sphinx_prebuilt *pre, uint8_t type, const uint8_t *body,
                          struct vl_span data) {
    uint8_t packet[SPHINX_PACKET], framed[SPHINX_BODY];
    bool ok = body != NULL || sphinx_body(type, data, framed) == VL_OK;
    if (ok) {
        sphinx_seal(pre, body ? body : framed, packet);
        ok = mix_hand(b, pre->first, packet);
    }
    sphinx_prebuilt_wipe(pre);
    if (!ok) b->mix->counters.unsent++;
    return ok;
}

/* A header for cover at the level of the last payload; at `private` where that cannot be had. */
static enum vl_err cover_take(struct brain *b, enum paths_use use, struct sphinx_prebuilt *pre, uint32_t *ret_sum) {
    struct mix *m = b->mix;
    enum vl_err err = paths_take(m->paths, b->now, use, m->cover_level, b->self, pre, ret_sum);
    if (err && m->cover_level != MIX_PRIVATE)
        err = paths_take(m->paths, b->now, use, MIX_PRIVATE, b->self, pre, ret_sum);
    return err;
}

static void send_loop(struct brain *b) {
    struct mix *m = b->mix;
    struct sphinx_prebuilt pre;
    uint32_t sum;
    uint8_t id[32];
    if (cover_take(b, PATHS_LOOP, &pre, &sum)) return;
    cover_loop_sent(m->cover, b->now, sum, id);
    audit_sent(m->audit, b->now, id, &pre);
    (void)seal_and_hand(b, &pre, MIX_BODY_LOOP, NULL, vl_span(id, sizeof id));
}

static void send_drop(struct brain *b) {
    struct sphinx_prebuilt pre;
    uint32_t sum;
    if (cover_take(b, PATHS_DROP, &pre, &sum)) return;
    (void)seal_and_hand(b, &pre, MIX_BODY_LOOP, NULL, (struct vl_span){ 0 });
}

/* Reply blocks begin at the recipient's provider, where all its packets go: its answers look like the rest. */
static enum vl_err surbs_build(struct brain *b, const struct channel_slot *s, uint8_t (*surb)[SPHINX_SURB],
                               struct sphinx_surb_keys *keys) {
    struct mix *m = b->mix;
    struct sphinx_path path[3];
    struct vl_errmsg msg;
    if (s->surbs == 0) return VL_OK;
    for (uint32_t i = 0; i < s->surbs; i++) {
        uint8_t id[16];
        crypto_drbg_bytes(&m->rng, id, sizeof id);
        enum vl_err err = paths_reply(m->paths, b->now, s->level, s->to, id, &path[i], &msg);
        if (err) return err;
    }
    return sphinx_surb_build(path, s->surbs, (uint32_t)(m->current.c.epoch + 1), &m->rng, surb, keys);
}

/* One payload slot: what waits in the channel, else cover. */
static void send_payload(struct brain *b) {
    struct mix *m = b->mix;
    struct channel_slot s;
    struct sphinx_prebuilt pre;
    struct sphinx_surb_keys keys[3];
    uint8_t surb[3][SPHINX_SURB], body[SPHINX_BODY];
    uint32_t sum = 0;
    if (!m->current.have || !channel_slot(m->channel, b->now, &s)) {
        send_drop(b);
        return;
    }
    cover_filled(m->cover);
    if (s.reply) {
        if (!mix_hand(b, s.first, s.packet)) m->counters.unsent++;
        return;
    }
    enum vl_err err = surbs_build(b, &s, surb, keys);
    if (err == VL_OK) err = paths_take(m->paths, b->now, PATHS_CLIENT, s.level, s.to, &pre, &sum);
    if (err) {
        m->counters.no_path++;
        crypto_wipe(keys, sizeof keys);
        channel_skip(m->channel, b->now, s.handle);
        send_drop(b); /* the slot is used all the same */
        return;
    }
    if (s.level != MIX_PUBLIC) m->cover_level = s.level;
    /* the other end answers in a slot of its own: four of them are enough for 98 of 100 */
    vl_ms slots = b->cfg.mix.cover.payload_mhz ? 4000000u / b->cfg.mix.cover.payload_mhz : 0;
    vl_ms rtt = round_trip_p999(s.level, sum / mix_level_hops(s.level)) + MIX_SLACK_MS + slots;
    if (channel_fill(m->channel, b->now, s.handle, rtt, (const uint8_t(*)[SPHINX_SURB])surb, keys, body) == VL_OK)
        (void)seal_and_hand(b, &pre, MIX_BODY_FRAGMENT, body, (struct vl_span){ 0 });
    else
        sphinx_prebuilt_wipe(&pre);
    crypto_wipe(keys, sizeof keys);
}

/* ---- receiving -------------------------------------------------------------------------------------------------- */

static struct mix_peer *mix_peer_of(struct brain *b, struct vl_node_id node) {
    struct mix *m = b->mix;
    struct mix_peer *p = vl_map_get(&m->peers, node.b);
    if (p != NULL) return p;
    p = calloc(1, sizeof *p);
    if (p == NULL || vl_map_put(&m->peers, node.b, p)) {
        free(p);
        return NULL;
    }
    p->node = node;
    return p;
}

/* Delivery sends to those it believes reachable: whoever the consensus lists is, though it has no link to us. */
static void reachable(struct brain *b, struct mix_peer *p) {
    if (p->up || link_peer(b, p->node) != NULL) return;
    p->up = true;
    vl_ignore(message_step(b, &(struct delivery_event){ .kind = DELIVERY_PEER_UP,
                                                        .now = b->now,
                                                        .u.up = { .peer = p->node, .reliable = true } }));
}

static void private_message(struct brain *b, const struct channel_event *ev) {
    if (ev->bytes.n > 0 && ev->bytes.p[0] == PRIVATE_PING) {
        mix_ping_asked(b, ev);
        return;
    }
    if (ev->bytes.n > 0 && ev->bytes.p[0] == PRIVATE_PONG) {
        mix_ping_answered(b, ev);
        return;
    }
    struct vl_reader r = vl_reader(ev->bytes.p, ev->bytes.n);
    struct cert cert;
    uint8_t kind = vl_read_u8(&r);
    struct vl_span c = vl_read_span(&r, vl_read_u16(&r));
    struct delivery_event dev = { .now = b->now,
                                  .kind = kind == PRIVATE_ACK ? DELIVERY_RECV_ACK : DELIVERY_RECV_ENVELOPE };
    if (r.failed || (kind != PRIVATE_ENVELOPE && kind != PRIVATE_ACK) || roster_check(b->roster, c, b->now, &cert)) {
        b->mix->counters.messages_bad++;
        return;
    }
    struct mix_peer *p = mix_peer_of(b, cert.node);
    if (p == NULL) return;
    struct mix_peer before = *p;
    p->level = ev->level;
    p->at = b->now;
    b->mix->counters.messages_in++;
    reachable(b, p);
    dev.u.recv.peer = cert.node; /* its signature is on what follows: nobody else can speak in its name */
    dev.u.recv.bytes = vl_span(r.p, r.n);
    if (message_step(b, &dev)) { /* certificates are no secret: who only knows one must not choose our level */
        p->level = before.level;
        p->at = before.at;
        b->mix->counters.messages_bad++;
    }
}

static void sending_done(struct mix *m, uint64_t id) {
    size_t it = 0;
    const void *key;
    for (uint64_t *p; (p = vl_map_next(&m->sending, &it, &key));)
        if (*p == id) {
            uint8_t copy[16];
            memcpy(copy, key, sizeof copy);
            free(vl_map_del(&m->sending, copy));
            return;
        }
}

static void channel_events(struct brain *b) {
    struct mix *m = b->mix;
    struct channel_event ev;
    struct vl_buf copy;
    vl_buf_init(&copy, CHANNEL_MESSAGE_MAX);
    while (channel_next(m->channel, &ev)) {
        if (ev.kind != CHANNEL_RECEIVED) {
            if (ev.kind == CHANNEL_FAILED) m->counters.messages_failed++;
            sending_done(m, ev.id); /* delivery repeats what is not acknowledged, and gives up in its own time */
            continue;
        }
        vl_buf_clear(&copy); /* what it leads to may send, and so call the channel again */
        if (vl_buf_append(&copy, ev.bytes.p, ev.bytes.n)) break;
        ev.bytes = vl_span(copy.p, copy.len);
        private_message(b, &ev);
    }
    vl_buf_free(&copy);
}

void mix_client_body(struct brain *b, const uint8_t body[SPHINX_BODY]) {
    struct mix *m = b->mix;
    uint8_t type;
    struct vl_span data;
    enum vl_err err = sphinx_body_read(body, &type, &data);
    if (err == VL_OK && type == MIX_BODY_LOOP) {
        if (data.n != 32 || cover_loop_back(m->cover, b->now, data.p))
            m->counters.messages_bad++;
        else
            audit_back(m->audit, b->now, data.p);
        return;
    }
    if (err == VL_OK) err = channel_recv(m->channel, b->now, body);
    if (err && err != VL_EREPLAY) m->counters.messages_bad++;
    channel_events(b);
}

void mix_client_reply(struct brain *b, const uint8_t id[16], const uint8_t delta[SPHINX_DELTA]) {
    enum vl_err err = channel_recv_reply(b->mix->channel, b->now, id, delta);
    if (err) b->mix->counters.replies_bad++;
    channel_events(b);
}

void mix_client_mail(struct brain *b, struct peer *p, struct vl_span body) {
    struct mix *m = b->mix;
    if (!vl_node_eq(p->node, m->mailbox) || body.n != MIX_FETCH_CELLS * MIX_CELL) {
        b->counters.messages_bad++;
        return;
    }
    for (unsigned i = 0; i < MIX_FETCH_CELLS; i++) {
        const uint8_t *cell = body.p + i * MIX_CELL;
        if (cell[0] == MIX_CELL_BODY)
            mix_client_body(b, cell + 17);
        else if (cell[0] == MIX_CELL_REPLY)
            mix_client_reply(b, cell + 1, cell + 17);
        else if (cell[0] != MIX_CELL_EMPTY)
            b->counters.messages_bad++;
    }
}

/* ---- durable messages at a level -------------------------------------------------------------------------------- */

enum mix_level mix_ack_level(const struct brain *b, struct vl_node_id to) {
    const struct mix_peer *p = vl_map_get(&b->mix->peers, to.b);
    return p && b->now < p->at + MIX_PEER_LEVEL_MS ? p->level : MIX_OFF;
}

bool mix_reaches(const struct brain *b, struct vl_node_id node) {
    const struct mix *m = b->mix;
    const struct mix_client *c = m->current.have ? mix_client_by_node(&m->current.c, node) : NULL;
    return vl_node_eq(node, b->self) || (c != NULL && c->provider != 0);
}

void mix_private_promised(struct brain *b) { b->mix->promised++; }

uint32_t mix_room(const struct brain *b) {
    struct channel_stats s = channel_stats(b->mix->channel);
    uint64_t most = (uint64_t)b->cfg.mix.cover.payload_mhz * MIX_BACKLOG_S / 1000 + MIX_MESSAGE_SLOTS,
             used = s.waiting + (uint64_t)b->mix->promised * MIX_MESSAGE_SLOTS;
    return most > used ? (uint32_t)((most - used) / MIX_MESSAGE_SLOTS) : 0;
}

void mix_private_peer(struct brain *b, struct vl_node_id to) {
    struct mix_peer *p = mix_peer_of(b, to);
    if (p) reachable(b, p);
}

void mix_send_frame(struct brain *b, struct vl_node_id to, enum mix_level level, bool ack, const uint8_t id[16],
                    struct vl_span frame) {
    struct mix *m = b->mix;
    const struct mix_client *c = m->current.have ? mix_client_by_node(&m->current.c, to) : NULL;
    m->promised--;
    if (c == NULL) { /* delivery tries again; it must not go another way meanwhile */
        m->counters.no_path++;
        return;
    }
    if (!ack && vl_map_get(&m->sending, id)) return;
    struct vl_buf buf;
    struct channel_to dst = { .node = to, .level = level };
    uint8_t head[3] = { ack ? PRIVATE_ACK : PRIVATE_ENVELOPE, (uint8_t)(b->certificate_n >> 8),
                        (uint8_t)b->certificate_n };
    uint64_t *number = malloc(sizeof *number);
    memcpy(dst.static_key, c->static_key, sizeof dst.static_key);
    vl_buf_init(&buf, CHANNEL_MESSAGE_MAX);
    if (number == NULL || vl_buf_append(&buf, head, sizeof head) ||
        vl_buf_append(&buf, b->certificate, b->certificate_n) || vl_buf_append(&buf, frame.p, frame.n)) {
        m->counters.unsent++;
    } else if (channel_send(m->channel, b->now, &dst, vl_span(buf.p, buf.len), number) == VL_OK) {
        m->counters.messages_out++;
        if (!ack && vl_map_put(&m->sending, id, number) == VL_OK) number = NULL;
    } else {
        m->counters.unsent++;
    }
    free(number);
    vl_buf_free(&buf);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

void mix_client_tick(struct brain *b) {
    struct mix *m = b->mix;
    enum cover_slot slot;
    if (m->guard_stale) {
        m->guard_stale = false;
        guard_choose(b);
    }
    if (m->fetch_at <= b->now) {
        (void)link_send(b, m->mailbox, LANE_MIX, LINK_MIX_FETCH, (struct vl_span){ 0 }, (struct vl_span){ 0 });
        m->fetch_at = b->now + MIX_FETCH_MS;
    }
    if (channel_deadline(m->channel) <= b->now) {
        channel_tick(m->channel, b->now);
        channel_events(b);
    }
    mix_ping_tick(b);
    if (!m->current.have || cover_deadline(m->cover) > b->now) return;
    while (cover_next(m->cover, b->now, &slot)) {
        if (slot == COVER_PAYLOAD) send_payload(b);
        if (slot == COVER_LOOP) send_loop(b);
        if (slot == COVER_DROP) send_drop(b);
    }
    paths_refill(m->paths, b->now, PATHS_READY);
}

vl_ms mix_client_deadline(const struct brain *b) {
    const struct mix *m = b->mix;
    vl_ms at = vl_ms_min(vl_ms_min(m->fetch_at, m->ping_at), channel_deadline(m->channel));
    if (m->guard_stale) return b->now;
    return m->current.have ? vl_ms_min(at, cover_deadline(m->cover)) : at;
}
