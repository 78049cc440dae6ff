/* Two channels and whoever lies between them, under a list of events: 3 bytes each (what, which, how).  Parcels arrive
 * whole, twice, never, damaged, or with a cell of the input's making sealed in them; time and epochs pass.  Reply
 * blocks are real, over one relay.  Checked: a message arrives once, whole; DONE only after it arrived, unless the
 * other side was forged; each message ends once; the books balance; deadlines lie ahead; what a decoder takes encodes
 * the same. Sources: src/mix/channel*.c. */
#include "mix/channel_wire.h"

#include "crypto/random.h"

#include <stdlib.h>
#include <string.h>

enum { PARCELS = 64, SENT = 256 };
struct parcel {
    bool full, reply;
    unsigned to;
    uint8_t surb_id[16], bytes[SPHINX_DELTA];
};
struct sent {
    uint64_t id;
    bool ended, arrived;
    uint32_t serial;
};
struct side {
    struct channel *c;
    struct crypto_dh_key key;
    struct sent sent[SENT];
    uint32_t sent_n;
    uint8_t conversation[16];
    bool talk;
};
static struct sphinx_node_key relay;
static struct side sides[2];
static struct parcel parcels[PARCELS];
static uint32_t parcel_next, epoch, serials;
static struct crypto_drbg rng;
static vl_ms now;
static bool forged; /* a cell of the input's making was taken: what it says of messages proves nothing */

static void need(bool x) {
    if (!x) abort();
}

/* ---- packets over the one relay ---- */

static struct sphinx_path path(enum sphinx_command command, unsigned to) {
    struct sphinx_path p = { .n = 1, .end = { .command = command } };
    p.hop[0] = (struct sphinx_hop){ .node = 1, .key_id = relay.key_id, .delay_ms = 20 };
    memcpy(p.hop[0].key, relay.public, 32);
    p.end.recipient[0] = (uint8_t)to;
    if (command == SPHINX_REPLY) crypto_drbg_bytes(&rng, p.end.surb_id, 16);
    return p;
}

static void surbs(unsigned who, uint32_t n, uint8_t (*surb)[SPHINX_SURB], struct sphinx_surb_keys *keys) {
    for (uint32_t i = 0; i < n; i++) {
        struct sphinx_path p = path(SPHINX_REPLY, who);
        need(sphinx_surb_build(&p, 1, epoch + 1, &rng, surb + i, keys + i) == VL_OK);
    }
}

static void reply_pass(struct parcel *p, uint8_t packet[SPHINX_PACKET]) {
    struct sphinx_work w = { .packet = packet };
    w.verdict = sphinx_glance(packet, &relay, 1, &w.key);
    sphinx_open(&w, 1, &relay);
    sphinx_peel(&w, 1);
    p->full = false;
    if (w.verdict != SPHINX_OK || w.command != SPHINX_REPLY) return; /* of a block that the input made */
    p->full = p->reply = true;
    p->to = w.end.recipient[0] & 1u;
    memcpy(p->surb_id, w.end.surb_id, 16);
    memcpy(p->bytes, packet + SPHINX_HEADER, SPHINX_DELTA);
}

static void slot(unsigned who, bool skip) {
    struct channel_slot s;
    struct parcel *p = &parcels[parcel_next++ % PARCELS];
    uint8_t surb[3][SPHINX_SURB];
    struct sphinx_surb_keys keys[3];
    if (!channel_slot(sides[who].c, now, &s)) return;
    *p = (struct parcel){ 0 };
    if (s.reply) {
        reply_pass(p, s.packet);
    } else if (skip) {
        channel_skip(sides[who].c, now, s.handle);
    } else {
        need(s.surbs <= 3 && s.to.b[0] == 1 - who);
        surbs(who, s.surbs, surb, keys);
        need(channel_fill(sides[who].c, now, s.handle, 500, (const uint8_t(*)[SPHINX_SURB])surb, keys, p->bytes) ==
             VL_OK);
        p->full = true;
        p->to = 1 - who;
    }
}

/* ---- events ---- */

/* A message is its serial number, again and again. */
static void message(uint32_t serial, uint8_t *dst, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] = (uint8_t)(serial >> 8 * (i % 4));
}

static void note(struct side *s, enum vl_err err, uint64_t id, uint32_t serial) {
    need(err == VL_OK || err == VL_ELIMIT || err == VL_EAGAIN || err == VL_ENOTFOUND);
    if (err == VL_OK) s->sent[s->sent_n++] = (struct sent){ .id = id, .serial = serial };
}

static void send_one(unsigned who, uint8_t how, bool answer) {
    static uint8_t bytes[CHANNEL_MESSAGE_MAX];
    struct side *s = &sides[who];
    uint64_t id = 0;
    if (s->sent_n == SENT) return;
    size_t n = how < 200 ? 4u + how * 40u : 4u + how * 280u;
    uint32_t serial = ++serials;
    message(serial, bytes, n);
    struct channel_to to = { .level = MIX_PUBLIC, .anonymous = how & 1 };
    to.node.b[0] = (uint8_t)(1 - who);
    memcpy(to.static_key, sides[1 - who].key.public, 32);
    if (answer)
        note(s, channel_answer(s->c, now, s->conversation, vl_span(bytes, n), &id), id, serial);
    else
        note(s, channel_send(s->c, now, &to, vl_span(bytes, n), &id), id, serial);
}

static void received(unsigned who, const struct channel_event *ev) {
    static uint8_t want[CHANNEL_MESSAGE_MAX];
    struct side *other = &sides[1 - who];
    if (ev->has_conversation && !ev->answer) {
        memcpy(sides[who].conversation, ev->conversation, 16);
        sides[who].talk = true;
    }
    if (forged) return; /* it may be the input's own */
    need(ev->bytes.n >= 4);
    uint32_t serial = (uint32_t)ev->bytes.p[0] | (uint32_t)ev->bytes.p[1] << 8 | (uint32_t)ev->bytes.p[2] << 16;
    message(serial, want, ev->bytes.n);
    need(memcmp(want, ev->bytes.p, ev->bytes.n) == 0);
    for (uint32_t i = 0; i < other->sent_n; i++)
        if (other->sent[i].serial == serial) {
            need(!other->sent[i].arrived);
            other->sent[i].arrived = true;
            return;
        }
    abort();
}

static void drain(unsigned who) {
    struct channel_event ev;
    struct side *s = &sides[who];
    while (channel_next(s->c, &ev)) {
        if (ev.kind == CHANNEL_RECEIVED) {
            received(who, &ev);
            continue;
        }
        bool found = false;
        for (uint32_t i = 0; i < s->sent_n; i++)
            if (s->sent[i].id == ev.id) {
                need(!s->sent[i].ended);
                s->sent[i].ended = found = true;
                need(forged || ev.kind == CHANNEL_FAILED || s->sent[i].arrived);
            }
        need(found);
    }
    struct channel_stats st = channel_stats(s->c);
    need(st.sent == st.done + st.failed + st.out && st.in <= CHANNEL_IN_MAX && st.blocks <= CHANNEL_BLOCKS_MAX);
    need(st.talks_in <= CHANNEL_TALKS_IN && st.talks_out <= CHANNEL_TALKS_OUT && st.retransmitted <= st.fragments);
}

static void deliver(const struct parcel *p) {
    if (!p->full) return;
    if (p->reply)
        vl_ignore(channel_recv_reply(sides[p->to].c, now, p->surb_id, p->bytes));
    else
        vl_ignore(channel_recv(sides[p->to].c, now, p->bytes));
}

static void damaged(const struct parcel *p, uint8_t how) {
    struct parcel bad = *p;
    if (!p->full) return;
    bad.bytes[how * 6u % SPHINX_BODY] ^= (uint8_t)(1u << how % 8);
    enum vl_err err = bad.reply ? channel_recv_reply(sides[bad.to].c, now, bad.surb_id, bad.bytes)
                                : channel_recv(sides[bad.to].c, now, bad.bytes);
    need(err == VL_EPARSE || err == VL_ECRYPTO || err == VL_ENOTFOUND);
}

/* ---- cells of the input's making ---- */

static void cell_check(const uint8_t cell[CHANNEL_CELL]) {
    uint8_t again[CHANNEL_CELL];
    struct channel_fragment f;
    struct channel_refill r;
    enum channel_kind kind;
    if (channel_kind_of(vl_span(cell, CHANNEL_CELL), &kind)) return;
    if (kind == CHANNEL_FRAGMENT && channel_fragment_decode(cell, &f) == VL_OK) {
        channel_fragment_encode(&f, again);
        need(memcmp(cell, again, sizeof again) == 0);
    }
    if (kind == CHANNEL_REFILL && channel_refill_decode(cell, &r) == VL_OK) {
        channel_refill_encode(&r, again);
        need(memcmp(cell, again, sizeof again) == 0);
    }
}

static void reply_check(struct vl_span data) {
    uint8_t again[CHANNEL_ANSWER_BYTES];
    struct channel_ack a;
    struct channel_reply_shard s;
    enum channel_kind kind;
    if (channel_kind_of(data, &kind)) return;
    if (kind == CHANNEL_ACK && channel_ack_decode(data, &a) == VL_OK) {
        channel_ack_encode(&a, again);
        need(memcmp(data.p, again, data.n) == 0);
    }
    if (kind == CHANNEL_ANSWER && channel_answer_decode(data, &s) == VL_OK) {
        channel_answer_encode(&s, again);
        need(memcmp(data.p, again, data.n) == 0);
    }
}

/* A cell that arrived, with bytes of the input over its head, sealed again. */
static void forge(const struct parcel *from, const uint8_t *p, size_t n, uint8_t how) {
    uint8_t cell[CHANNEL_CELL] = { 0 }, box[SPHINX_DATA_MAX], body[SPHINX_BODY], type;
    struct vl_span data;
    unsigned to = how & 1;
    if (from->full && !from->reply && sphinx_body_read(from->bytes, &type, &data) == VL_OK && data.n == SPHINX_DATA_MAX)
        vl_ignore(channel_box_open(&sides[from->to].key, data.p, cell));
    for (size_t i = 0; i + 1 < n && i < 40; i += 2) cell[p[i] % (how & 2 ? 70u : CHANNEL_CELL)] = p[i + 1];
    cell_check(cell);
    if (channel_box_seal(&rng, sides[to].key.public, cell, box) || sphinx_body(1, vl_span(box, sizeof box), body))
        abort();
    forged = true;
    vl_ignore(channel_recv(sides[to].c, now, body));
}

/* A reply of the input's making through the block of a fragment that was sent. */
static void forge_reply(const struct parcel *from, const uint8_t *p, size_t n, uint8_t how) {
    uint8_t cell[CHANNEL_CELL], data[CHANNEL_ANSWER_BYTES] = { 1 }, body[SPHINX_BODY], packet[SPHINX_PACKET], type;
    struct vl_span in;
    struct channel_fragment f;
    struct parcel out = { 0 };
    uint32_t first;
    if (!from->full || from->reply || sphinx_body_read(from->bytes, &type, &in) || in.n != SPHINX_DATA_MAX ||
        channel_box_open(&sides[from->to].key, in.p, cell) || cell[1] != CHANNEL_FRAGMENT ||
        channel_fragment_decode(cell, &f))
        return;
    data[1] = how & 1 ? CHANNEL_ACK : CHANNEL_ANSWER;
    memcpy(data + (how & 1 ? 3 : 2), f.shard.id, 16);
    size_t len = how & 1 ? CHANNEL_ACK_BYTES : CHANNEL_ANSWER_BYTES;
    if (!(how & 1)) data[18] = data[19] = 1, data[24] = 9, data[28] = 1; /* k, n, length, number of the status */
    for (size_t i = 0; i + 1 < n && i < 40; i += 2) data[p[i] % (how & 2 ? 60u : len)] = p[i + 1];
    reply_check(vl_span(data, len));
    if (sphinx_body(1, vl_span(data, len), body) || sphinx_surb_use(f.surb, body, packet, &first)) return;
    reply_pass(&out, packet);
    forged = true;
    deliver(&out);
}

static void begin(void) {
    uint8_t seed[32] = { 3 };
    crypto_drbg_init(&rng, seed);
    now = 1000000, epoch = 5, serials = 0, forged = false, parcel_next = 0;
    memset(parcels, 0, sizeof parcels);
    struct crypto_dh_key k;
    crypto_drbg_bytes(&rng, seed, sizeof seed);
    crypto_dh_key_from_seed(seed, &k);
    memcpy(relay.secret, k.secret, 32);
    memcpy(relay.public, k.public, 32);
    for (unsigned i = 0; i < 2; i++) {
        struct channel_config cfg = channel_config_default();
        cfg.ttl_ms = 60000;
        memset(&sides[i], 0, sizeof sides[i]);
        crypto_drbg_bytes(&rng, cfg.seed, 32);
        crypto_drbg_bytes(&rng, cfg.static_secret, 32);
        crypto_dh_key_from_seed(cfg.static_secret, &sides[i].key);
        need(channel_create(&cfg, &sides[i].c) == VL_OK);
        channel_epoch(sides[i].c, now, epoch);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    need(crypto_init() == VL_OK);
    begin();
    for (size_t i = 0; i + 3 <= n && i < 600; i += 3) {
        unsigned who = p[i] & 1u;
        struct parcel *chosen = &parcels[p[i + 1] % PARCELS];
        now += p[i + 2];
        switch (p[i] >> 1 & 15u) {
        case 0:
            now += p[i + 1] * 100u;
            break;
        case 1:
            send_one(who, p[i + 1], false);
            break;
        case 2:
            send_one(who, p[i + 1], true);
            break;
        case 3:
            damaged(chosen, p[i + 2]);
            break;
        case 4:
            forge(chosen, p + i + 3, n - i - 3, p[i + 2]);
            break;
        case 5:
            forge_reply(chosen, p + i + 3, n - i - 3, p[i + 2]);
            break;
        case 6:
            epoch += p[i + 1] == 0;
            channel_epoch(sides[0].c, now, epoch);
            channel_epoch(sides[1].c, now, epoch);
            break;
        case 7:
            slot(who, true);
            break;
        case 8:
        case 9:
        case 10:
            deliver(chosen);
            break;
        case 11: /* a burst */
            for (unsigned k = 0; k < p[i + 1] % 32u; k++, now += 20) {
                slot(who, false);
                deliver(&parcels[(parcel_next - 1) % PARCELS]);
            }
            break;
        default:
            slot(who, false);
        }
        for (unsigned s = 0; s < 2; s++) {
            channel_tick(sides[s].c, now);
            need(channel_deadline(sides[s].c) > now);
            drain(s);
        }
    }
    for (unsigned s = 0; s < 2; s++) { /* nothing lives for ever */
        channel_tick(sides[s].c, now += 60000);
        drain(s);
        need(channel_stats(sides[s].c).out == 0 && channel_stats(sides[s].c).in == 0);
        for (uint32_t i = 0; i < sides[s].sent_n; i++) need(sides[s].sent[i].ended);
        channel_destroy(sides[s].c);
    }
    return 0;
}
