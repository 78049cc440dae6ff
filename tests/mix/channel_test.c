/* One behaviour each, with parcels carried by hand. */
#include "mix/channel_rig.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static uint64_t send_to(struct rig *r, unsigned from, unsigned to, size_t n, bool anonymous) {
    static uint8_t bytes[CHANNEL_MESSAGE_MAX];
    uint64_t id = 0;
    struct channel_to dst = rig_to(r, to, MIX_PRIVATE, anonymous);
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 31 + n);
    CHECK_OK(channel_send(r->party[from].channel, r->now, &dst, vl_span(bytes, n), &id));
    CHECK(id > 0);
    return id;
}
static struct channel *chan(struct rig *r, unsigned i) { return r->party[i].channel; }
static void advance(struct rig *r, vl_ms ms) {
    r->now += ms;
    for (unsigned i = 0; i < RIG_PARTIES; i++) {
        channel_tick(chan(r, i), r->now);
        CHECK(channel_deadline(chan(r, i)) > r->now);
        rig_drain(r, i);
    }
}
/* What a party says next, which must be something. */
static struct parcel take(struct rig *r, unsigned party) {
    struct parcel p;
    CHECK(rig_slot(r, party, &p));
    return p;
}
static bool silent(struct rig *r, unsigned party) {
    struct parcel p;
    return !rig_slot(r, party, &p);
}
static void open_cell(struct rig *r, const struct parcel *p, uint8_t cell[CHANNEL_CELL]) {
    uint8_t type;
    struct vl_span data;
    CHECK(!p->reply);
    CHECK_OK(sphinx_body_read(p->bytes, &type, &data));
    CHECK_EQ(CHANNEL_BODY, type);
    CHECK_EQ(SPHINX_DATA_MAX, data.n);
    CHECK_OK(channel_box_open(&r->party[p->to].key, data.p, cell));
}
/* A reply of our own making through the block of a fragment. */
static struct parcel forge_reply(struct rig *r, const struct parcel *fragment, struct vl_span data) {
    uint8_t cell[CHANNEL_CELL], body[SPHINX_BODY];
    struct channel_fragment f;
    struct channel_slot s = { .reply = true };
    struct parcel p;
    open_cell(r, fragment, cell);
    CHECK_OK(channel_fragment_decode(cell, &f));
    CHECK_OK(sphinx_body(CHANNEL_BODY, data, body));
    CHECK_OK(sphinx_surb_use(f.surb, body, s.packet, &s.first));
    rig_carry(r, fragment->to, &s, 0, &p);
    return p;
}
static struct parcel forge_cell(struct rig *r, unsigned to, const uint8_t cell[CHANNEL_CELL]) {
    struct parcel p = { .to = to };
    uint8_t box[SPHINX_DATA_MAX];
    CHECK_OK(channel_box_seal(&r->rng, r->party[to].key.public, cell, box));
    CHECK_OK(sphinx_body(CHANNEL_BODY, vl_span(box, sizeof box), p.bytes));
    return p;
}
/* A cell of a message that nobody sent: fragment i of n, k by the length, data all `fill`. */
static struct parcel forge_fragment(struct rig *r, unsigned to, uint64_t id, uint32_t length, uint8_t n, uint8_t index,
                                    uint8_t fill) {
    uint8_t cell[CHANNEL_CELL], data[CHANNEL_FRAGMENT_DATA], surb[1][SPHINX_SURB];
    struct sphinx_surb_keys keys[1];
    struct channel_fragment f = { .level = MIX_PUBLIC, .surb = surb[0] };
    memset(data, fill, sizeof data);
    rig_surbs(r, 0, MIX_PUBLIC, 1, surb, keys);
    vl_put_u64(f.shard.id, id);
    f.shard.length = length, f.shard.n = n, f.shard.index = index, f.shard.data = data;
    f.shard.k = (uint8_t)channel_shards(length, CHANNEL_FRAGMENT_DATA);
    channel_fragment_encode(&f, cell);
    return forge_cell(r, to, cell);
}

/* ---- one message ---- */

TEST(channel, delivers_a_message_of_one_fragment_and_tells_its_sender) {
    struct rig r;
    rig_init(&r, 1, NULL);
    uint64_t id = send_to(&r, 0, 1, 992, false);
    struct parcel p = take(&r, 0);
    CHECK(!p.reply && p.to == 1);
    CHECK(silent(&r, 0));
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(1, rig_count(&r, 1, CHANNEL_RECEIVED, 0));
    CHECK_EQ(992, r.party[1].events[0].event.bytes.n);
    CHECK_EQ(MIX_PRIVATE, r.party[1].events[0].event.level);
    CHECK(!r.party[1].events[0].event.has_conversation);
    advance(&r, CHANNEL_ACK_MS);
    struct parcel ack = take(&r, 1);
    CHECK(ack.reply && ack.to == 0);
    CHECK_OK(rig_deliver(&r, &ack));
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_DONE, id));
    CHECK_EQ(0, channel_stats(chan(&r, 0)).out);
    CHECK_EQ(VL_MS_NEVER, channel_deadline(chan(&r, 0)));
    CHECK(silent(&r, 1));
    rig_end(&r);
}

TEST(channel, answers_a_late_copy_of_a_delivered_message_with_its_new_block) {
    struct rig r;
    rig_init(&r, 2, NULL);
    uint64_t id = send_to(&r, 0, 1, 10, false);
    struct parcel p = take(&r, 0);
    CHECK_OK(rig_deliver(&r, &p));
    advance(&r, CHANNEL_ACK_MS);
    (void)take(&r, 1); /* lost */
    for (int i = 0; i < 9; i++) {
        advance(&r, channel_deadline(chan(&r, 0)) - r.now);
        p = take(&r, 0);
        CHECK_EQ(VL_EREPLAY, rig_deliver(&r, &p));
        advance(&r, CHANNEL_ACK_MS);
        p = take(&r, 1);
        CHECK(p.reply);
    }
    CHECK_OK(rig_deliver(&r, &p)); /* the last one passes */
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_DONE, id));
    CHECK_EQ(1, r.party[1].events_n);
    CHECK_EQ(9, channel_stats(chan(&r, 1)).duplicates);
    rig_end(&r);
}

TEST(channel, repeats_of_what_did_not_arrive_as_much_as_is_needed) {
    struct rig r;
    rig_init(&r, 3, NULL);
    struct parcel p[10], q;
    (void)send_to(&r, 0, 1, 8 * 992, false); /* 8 + 2 */
    for (int i = 0; i < 10; i++) p[i] = take(&r, 0);
    CHECK(silent(&r, 0));
    for (int i = 0; i < 5; i++) CHECK_OK(rig_deliver(&r, &p[i]));
    CHECK_OK(rig_deliver(&r, &p[9]));
    advance(&r, CHANNEL_PARTIAL_ACK_MS / 2 - 1);
    CHECK(silent(&r, 1)); /* more may come */
    advance(&r, CHANNEL_PARTIAL_ACK_MS / 2 + 1);
    q = take(&r, 1);
    CHECK_OK(rig_deliver(&r, &q));
    advance(&r, CHANNEL_PARTIAL_ACK_MS + 2 * RIG_RTT);
    unsigned again = 0;
    while (rig_slot(&r, 0, &q)) {
        uint8_t cell[CHANNEL_CELL];
        struct channel_fragment f;
        open_cell(&r, &q, cell);
        CHECK_OK(channel_fragment_decode(cell, &f));
        CHECK(!(again >> f.shard.index & 1));
        again |= 1u << f.shard.index;
        vl_ignore(rig_deliver(&r, &q));
    }
    CHECK_EQ(7u << 5, again); /* 5 to 8 are missing, two of them needed, and one more for the quarter of two */
    CHECK_EQ(1, rig_count(&r, 1, CHANNEL_RECEIVED, 0));
    rig_end(&r);
}

TEST(channel, waits_one_to_two_round_trips_and_longer_after_each_try) {
    vl_ms least[4] = { VL_MS_NEVER, VL_MS_NEVER, VL_MS_NEVER, VL_MS_NEVER }, most[4] = { 0 };
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct rig r;
        rig_init(&r, seed, NULL);
        (void)send_to(&r, 0, 1, 10, false);
        for (unsigned t = 0; t < 4; t++) {
            (void)take(&r, 0);
            vl_ms wait = channel_deadline(chan(&r, 0)) - r.now;
            if (wait < least[t]) least[t] = wait;
            if (wait > most[t]) most[t] = wait;
            advance(&r, wait - 1);
            CHECK(silent(&r, 0));
            advance(&r, 1);
        }
        rig_end(&r);
    }
    for (unsigned t = 0; t < 4; t++) {
        vl_ms times = t < 2 ? t + 1 : 3;
        CHECK(least[t] >= CHANNEL_ACK_MS + times * RIG_RTT && least[t] < CHANNEL_ACK_MS + times * RIG_RTT * 11 / 10);
        CHECK(most[t] <= CHANNEL_ACK_MS + 2 * times * RIG_RTT && most[t] > CHANNEL_ACK_MS + times * RIG_RTT * 19 / 10);
    }
}

TEST(channel, gives_up_when_the_last_try_has_had_its_time) {
    struct rig r;
    rig_init(&r, 4, NULL);
    uint64_t id = send_to(&r, 0, 1, 10, false);
    for (unsigned t = 0; t < CHANNEL_TRIES; t++) {
        struct channel_slot s;
        struct parcel p;
        CHECK(channel_slot(chan(&r, 0), r.now, &s));
        rig_carry(&r, 0, &s, 1000, &p);
        vl_ms wait = channel_deadline(chan(&r, 0)) - r.now;
        advance(&r, wait - 1);
        CHECK(silent(&r, 0));
        CHECK_EQ(0, r.party[0].events_n);
        advance(&r, 1);
    }
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_FAILED, id));
    CHECK(r.now < 1000000 + 600000); /* not for its ttl */
    CHECK_EQ(CHANNEL_TRIES - 1, channel_stats(chan(&r, 0)).retransmitted);
    rig_end(&r);
}

TEST(channel, gives_up_at_the_exact_end_of_its_life) {
    struct channel_config cfg = channel_config_default();
    struct rig r;
    cfg.ttl_ms = 5000;
    rig_init(&r, 5, &cfg);
    uint64_t id = send_to(&r, 0, 1, 10, false), other = send_to(&r, 0, 1, 3000, false);
    struct channel_slot s;
    uint8_t body[SPHINX_BODY], surb[1][SPHINX_SURB];
    struct sphinx_surb_keys keys[1];
    CHECK(channel_slot(chan(&r, 0), r.now, &s));
    rig_surbs(&r, 0, s.level, 1, surb, keys);
    advance(&r, 4999);
    CHECK_EQ(0, r.party[0].events_n);
    CHECK_EQ(r.now + 1, channel_deadline(chan(&r, 0)));
    advance(&r, 1);
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_FAILED, id));
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_FAILED, other));
    CHECK_EQ(VL_ESTALE,
             channel_fill(chan(&r, 0), r.now, s.handle, 1000, (const uint8_t(*)[SPHINX_SURB])surb, keys, body));
    channel_skip(chan(&r, 0), r.now, s.handle);
    CHECK(silent(&r, 0));
    CHECK_EQ(0, channel_stats(chan(&r, 0)).waiting);
    rig_end(&r);
}

TEST(channel, does_not_offer_a_message_without_a_path_again_for_a_second) {
    struct rig r;
    struct channel_slot s, t;
    rig_init(&r, 6, NULL);
    (void)send_to(&r, 0, 1, 10, false);
    CHECK(channel_slot(chan(&r, 0), r.now, &s));
    CHECK(!channel_slot(chan(&r, 0), r.now, &t)); /* it is out already */
    channel_skip(chan(&r, 0), r.now, s.handle);
    advance(&r, 999);
    CHECK(silent(&r, 0));
    CHECK_EQ(r.now + 1, channel_deadline(chan(&r, 0)));
    advance(&r, 1);
    CHECK(!silent(&r, 0));
    rig_end(&r);
}

TEST(channel, refuses_a_block_whose_id_is_known_and_keeps_the_fragment) {
    struct rig r;
    struct channel_slot s;
    uint8_t body[SPHINX_BODY], surb[1][SPHINX_SURB];
    struct sphinx_surb_keys keys[1];
    rig_init(&r, 7, NULL);
    (void)send_to(&r, 0, 1, 3000, false);
    rig_surbs(&r, 0, MIX_PRIVATE, 1, surb, keys);
    for (int i = 0; i < 2; i++) {
        CHECK(channel_slot(chan(&r, 0), r.now, &s));
        CHECK_EQ(i ? VL_EEXISTS : VL_OK,
                 channel_fill(chan(&r, 0), r.now, s.handle, 1000, (const uint8_t(*)[SPHINX_SURB])surb, keys, body));
    }
    CHECK_EQ(VL_ESTALE,
             channel_fill(chan(&r, 0), r.now, s.handle, 1000, (const uint8_t(*)[SPHINX_SURB])surb, keys, body));
    CHECK_EQ(4, channel_stats(chan(&r, 0)).waiting); /* of 4 + 1, one has left */
    rig_end(&r);
}

TEST(channel, lets_messages_take_turns) {
    struct rig r;
    rig_init(&r, 8, NULL);
    (void)send_to(&r, 0, 1, 20 * 992, false);
    (void)send_to(&r, 0, 2, 2 * 992, false);
    (void)send_to(&r, 0, 3, 10, false);
    unsigned to[9];
    for (int i = 0; i < 9; i++) to[i] = take(&r, 0).to;
    static const unsigned want[9] = { 1, 2, 3, 1, 2, 1, 2, 1, 1 };
    for (int i = 0; i < 9; i++) CHECK_EQ(want[i], to[i]);
    rig_end(&r);
}

TEST(channel, leaves_every_third_slot_to_messages_however_much_is_to_be_acknowledged) {
    struct rig r;
    rig_init(&r, 9, NULL);
    for (uint64_t i = 0; i < 30; i++) {
        struct parcel p = forge_fragment(&r, 1, i + 1, 992, 1, 0, 7);
        CHECK_OK(rig_deliver(&r, &p));
    }
    advance(&r, CHANNEL_ACK_MS);
    (void)send_to(&r, 1, 2, 20 * 992, false);
    for (int i = 0; i < 30; i++) CHECK_EQ(i % 3 != 2, take(&r, 1).reply);
    rig_end(&r);
}

/* ---- replies ---- */

TEST(channel, takes_a_reply_once_and_only_under_its_block) {
    struct rig r;
    rig_init(&r, 10, NULL);
    uint64_t id = send_to(&r, 0, 1, 10, false);
    struct parcel p = take(&r, 0);
    CHECK_OK(rig_deliver(&r, &p));
    advance(&r, CHANNEL_ACK_MS);
    struct parcel ack = take(&r, 1), bad = ack;
    bad.surb_id[0] ^= 1;
    CHECK_EQ(VL_ENOTFOUND, rig_deliver(&r, &bad));
    for (size_t i = 0; i < SPHINX_DELTA; i += 97) { /* damaged: the block is not used up */
        bad = ack;
        bad.bytes[i] ^= 1;
        CHECK_EQ(VL_ECRYPTO, rig_deliver(&r, &bad));
    }
    CHECK_EQ(0, r.party[0].events_n);
    CHECK_OK(rig_deliver(&r, &ack));
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_DONE, id));
    CHECK_EQ(VL_ENOTFOUND, rig_deliver(&r, &ack));
    rig_end(&r);
}

TEST(channel, uses_a_block_up_even_while_its_message_goes_on) {
    struct rig r;
    rig_init(&r, 11, NULL);
    (void)send_to(&r, 0, 1, 3000, false);
    struct parcel p = take(&r, 0);
    CHECK_OK(rig_deliver(&r, &p));
    advance(&r, CHANNEL_PARTIAL_ACK_MS);
    p = take(&r, 1);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(VL_ENOTFOUND, rig_deliver(&r, &p));
    CHECK_EQ(1, channel_stats(chan(&r, 0)).out);
    rig_end(&r);
}

TEST(channel, believes_a_recipient_only_about_its_own_message) {
    struct rig r;
    uint8_t data[SPHINX_DATA_MAX];
    rig_init(&r, 12, NULL);
    uint64_t mine = send_to(&r, 0, 1, 10, false);
    (void)send_to(&r, 0, 2, 10, false);
    struct parcel p1 = take(&r, 0), p2 = take(&r, 0), reply;
    uint8_t cell[CHANNEL_CELL];
    struct channel_fragment f;
    open_cell(&r, &p1, cell);
    CHECK_OK(channel_fragment_decode(cell, &f));
    struct channel_ack a = { .has_receipt = true, .receipt = { .complete = true } };
    memcpy(a.receipt.id, f.shard.id, sizeof f.shard.id);
    channel_ack_encode(&a, data);
    reply = forge_reply(&r, &p2, vl_span(data, CHANNEL_ACK_BYTES)); /* 2 knows the id of the message to 1 */
    CHECK_EQ(VL_EPARSE, rig_deliver(&r, &reply));
    CHECK_EQ(0, r.party[0].events_n);
    /* Nor may it answer, or tell of a conversation, where there is none. */
    (void)send_to(&r, 0, 2, 10, false);
    p2 = take(&r, 0);
    struct channel_reply_shard s = { .shard = { .k = 1, .n = 1, .length = 3, .data = data }, .status = { .seq = 1 } };
    uint8_t answer[CHANNEL_ANSWER_BYTES];
    channel_answer_encode(&s, answer);
    reply = forge_reply(&r, &p2, vl_span(answer, sizeof answer));
    CHECK_EQ(VL_EPARSE, rig_deliver(&r, &reply));
    reply = forge_reply(&r, &p1, vl_span(data, CHANNEL_ACK_BYTES));
    CHECK_OK(rig_deliver(&r, &reply));
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_DONE, mine));
    rig_end(&r);
}

TEST(channel, begins_again_when_its_recipient_lost_what_it_had) {
    struct rig r;
    struct channel_ack a = { .has_receipt = true };
    uint8_t data[CHANNEL_ACK_BYTES], cell[CHANNEL_CELL];
    struct channel_fragment f;
    struct parcel p[5], reply;
    rig_init(&r, 13, NULL);
    (void)send_to(&r, 0, 1, 4 * 992, false);
    for (int i = 0; i < 5; i++) p[i] = take(&r, 0);
    open_cell(&r, &p[0], cell);
    CHECK_OK(channel_fragment_decode(cell, &f));
    memcpy(a.receipt.id, f.shard.id, 16);
    a.receipt.instance = 5, a.receipt.bitmap[0] = 7; /* three of five */
    channel_ack_encode(&a, data);
    reply = forge_reply(&r, &p[0], vl_span(data, sizeof data));
    CHECK_OK(rig_deliver(&r, &reply));
    a.receipt.instance = 6, a.receipt.bitmap[0] = 8; /* one, of another attempt */
    channel_ack_encode(&a, data);
    reply = forge_reply(&r, &p[1], vl_span(data, sizeof data));
    CHECK_OK(rig_deliver(&r, &reply));
    advance(&r, CHANNEL_PARTIAL_ACK_MS + 2 * RIG_RTT);
    int again = 0;
    while (!silent(&r, 0)) again++;
    CHECK_EQ(4, again); /* three missing, one more for parity */
    rig_end(&r);
}

/* ---- what a stranger may send ---- */

TEST(channel, refuses_a_body_with_any_byte_changed_or_cut) {
    struct rig r;
    rig_init(&r, 14, NULL);
    (void)send_to(&r, 0, 1, 500, false);
    struct parcel p = take(&r, 0), bad;
    for (size_t i = 0; i < SPHINX_BODY; i++) {
        bad = p;
        bad.bytes[i] ^= (uint8_t)(1u << i % 8);
        enum vl_err err = rig_deliver(&r, &bad);
        CHECK(err == VL_EPARSE || err == VL_ECRYPTO);
    }
    for (size_t n = 0; n < SPHINX_DATA_MAX; n += n < 100 ? 1 : 83) {
        bad = p;
        CHECK_OK(sphinx_body(CHANNEL_BODY, vl_span(p.bytes + 3, n), bad.bytes));
        CHECK_EQ(VL_EPARSE, rig_deliver(&r, &bad));
    }
    CHECK_EQ(0, r.party[1].events_n);
    CHECK_EQ(0, channel_stats(chan(&r, 1)).in);
    CHECK_OK(rig_deliver(&r, &p));
    rig_end(&r);
}

TEST(channel, refuses_what_is_for_another) {
    struct rig r;
    rig_init(&r, 15, NULL);
    (void)send_to(&r, 0, 1, 500, false);
    struct parcel p = take(&r, 0);
    p.to = 2;
    CHECK_EQ(VL_ECRYPTO, rig_deliver(&r, &p));
    p.to = 0;
    CHECK_EQ(VL_ECRYPTO, rig_deliver(&r, &p));
    rig_end(&r);
}

TEST(channel, takes_no_two_stories_about_one_message) {
    struct rig r;
    rig_init(&r, 16, NULL);
    struct parcel p = forge_fragment(&r, 1, 5, 3000, 5, 0, 1);
    CHECK_OK(rig_deliver(&r, &p));
    p = forge_fragment(&r, 1, 5, 3000, 6, 1, 1);
    CHECK_EQ(VL_EPARSE, rig_deliver(&r, &p));
    p = forge_fragment(&r, 1, 5, 2999, 5, 1, 1);
    CHECK_EQ(VL_EPARSE, rig_deliver(&r, &p));
    p = forge_fragment(&r, 1, 5, 3000, 5, 0, 9);
    CHECK_EQ(VL_EREPLAY, rig_deliver(&r, &p));
    CHECK_EQ(1, channel_stats(chan(&r, 1)).in);
    rig_end(&r);
}

TEST(channel, drops_a_message_whose_last_piece_is_not_filled_with_zeros) {
    struct rig r;
    rig_init(&r, 17, NULL);
    struct parcel p = forge_fragment(&r, 1, 5, 991, 1, 0, 1);
    CHECK_EQ(VL_EPARSE, rig_deliver(&r, &p));
    p = forge_fragment(&r, 1, 6, 992, 1, 0, 1);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(1, r.party[1].events_n);
    CHECK_EQ(0, channel_stats(chan(&r, 1)).in);
    rig_end(&r);
}

TEST(channel, lets_the_message_that_waited_longest_give_way) {
    struct rig r;
    rig_init(&r, 18, NULL);
    struct parcel first = forge_fragment(&r, 1, 1, 3000, 5, 0, 1), p;
    CHECK_OK(rig_deliver(&r, &first));
    for (uint64_t i = 2; i <= CHANNEL_IN_MAX; i++) {
        p = forge_fragment(&r, 1, i, 3000, 5, 0, 1);
        CHECK_OK(rig_deliver(&r, &p));
    }
    p = forge_fragment(&r, 1, 1, 3000, 5, 1, 1); /* the first goes on: now the second has waited longest */
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(CHANNEL_IN_MAX, channel_stats(chan(&r, 1)).in);
    CHECK_EQ(0, channel_stats(chan(&r, 1)).evicted);
    p = forge_fragment(&r, 1, CHANNEL_IN_MAX + 1, 3000, 5, 0, 1);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(CHANNEL_IN_MAX, channel_stats(chan(&r, 1)).in);
    CHECK_EQ(1, channel_stats(chan(&r, 1)).evicted);
    CHECK_EQ(VL_EREPLAY, rig_deliver(&r, &first)); /* still there */
    p = forge_fragment(&r, 1, 2, 3000, 5, 0, 1);
    CHECK_OK(rig_deliver(&r, &p)); /* a fragment it had: it begins anew */
    advance(&r, 600000);
    CHECK_EQ(0, channel_stats(chan(&r, 1)).in);
    rig_end(&r);
}

TEST(channel, bounds_what_waits_to_be_sent) {
    struct rig r;
    uint64_t id;
    static uint8_t big[CHANNEL_MESSAGE_MAX + 1];
    rig_init(&r, 19, NULL);
    struct channel_to to = rig_to(&r, 1, MIX_PRIVATE, false), bad = to;
    CHECK_EQ(VL_ERANGE, channel_send(chan(&r, 0), r.now, &to, vl_span(big, sizeof big), &id));
    bad.level = MIX_OFF;
    CHECK_EQ(VL_ERANGE, channel_send(chan(&r, 0), r.now, &bad, vl_span(big, 1), &id));
    bad.level = (enum mix_level)MIX_LEVELS;
    CHECK_EQ(VL_ERANGE, channel_send(chan(&r, 0), r.now, &bad, vl_span(big, 1), &id));
    bad = to;
    memset(bad.static_key, 0, 32);
    CHECK_EQ(VL_ECRYPTO, channel_send(chan(&r, 0), r.now, &bad, vl_span(big, 1), &id));
    for (unsigned i = 0; i < CHANNEL_OUT_MAX; i++)
        CHECK_OK(channel_send(chan(&r, 0), r.now, &to, vl_span(big, 1), &id));
    CHECK_EQ(VL_ELIMIT, channel_send(chan(&r, 0), r.now, &to, vl_span(big, 1), &id));
    unsigned n = 0; /* bytes */
    while (channel_send(chan(&r, 1), r.now, &to, vl_span(big, CHANNEL_MESSAGE_MAX), &id) == VL_OK) n++;
    CHECK_EQ(CHANNEL_OUT_BYTES / (94 * CHANNEL_FRAGMENT_DATA), n);
    rig_end(&r);
}

TEST(channel, refuses_configurations_that_cannot_work) {
    struct channel_config ok = channel_config_default(), c;
    struct channel *ret = NULL;
    c = ok, c.ttl_ms = 0;
    CHECK_EQ(VL_ERANGE, channel_create(&c, &ret));
    c = ok, c.ttl_ms = CHANNEL_TTL_MAX + 1;
    CHECK_EQ(VL_ERANGE, channel_create(&c, &ret));
    c = ok, c.parity_permille = 1001;
    CHECK_EQ(VL_ERANGE, channel_create(&c, &ret));
    c = ok, c.surbs_low_water = 0;
    CHECK_EQ(VL_ERANGE, channel_create(&c, &ret));
    c = ok, c.surbs_low_water = 33;
    CHECK_EQ(VL_ERANGE, channel_create(&c, &ret));
    CHECK(ret == NULL);
    channel_destroy(NULL);
}

/* ---- epochs ---- */

static void turn(struct rig *r) {
    r->epoch++;
    for (unsigned i = 0; i < RIG_PARTIES; i++) channel_epoch(chan(r, i), r->now, r->epoch);
}

TEST(channel, ends_a_message_that_began_two_epochs_before) {
    struct rig r;
    rig_init(&r, 20, NULL);
    uint64_t id = send_to(&r, 0, 1, 4 * 992, false);
    struct parcel p[5], late;
    for (int i = 0; i < 5; i++) p[i] = take(&r, 0);
    CHECK_OK(rig_deliver(&r, &p[0]));
    advance(&r, CHANNEL_PARTIAL_ACK_MS);
    late = take(&r, 1);
    turn(&r);
    CHECK_OK(rig_deliver(&r, &p[1])); /* its block lives one epoch longer */
    turn(&r);
    CHECK_EQ(VL_EEXPIRED, rig_deliver(&r, &p[2]));
    CHECK_EQ(VL_ENOTFOUND, rig_deliver(&r, &late)); /* the owner forgot the block */
    advance(&r, CHANNEL_PARTIAL_ACK_MS);
    CHECK(silent(&r, 1)); /* and the recipient cannot use one that is dead */
    rig_run(&r, r.now + 60000);
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_DONE, id));
    CHECK_EQ(1, rig_count(&r, 1, CHANNEL_RECEIVED, 0));
    rig_end(&r);
}

TEST(channel, knows_a_delivered_message_as_long_as_a_fragment_kept_back_could_pass) {
    struct rig r;
    rig_init(&r, 21, NULL);
    (void)send_to(&r, 0, 1, 10, false);
    struct parcel p = take(&r, 0);
    CHECK_OK(rig_deliver(&r, &p));
    advance(&r, CHANNEL_ACK_MS);
    (void)take(&r, 1); /* lost */
    advance(&r, 599000 - CHANNEL_ACK_MS);
    turn(&r);
    struct parcel kept = take(&r, 0); /* the provider keeps it: a block of the newest epoch, good in two */
    advance(&r, 1000);
    turn(&r);
    CHECK_EQ(VL_EEXPIRED, rig_deliver(&r, &p));
    CHECK_EQ(VL_EREPLAY, rig_deliver(&r, &kept));
    turn(&r);
    CHECK_EQ(VL_EEXPIRED, rig_deliver(&r, &kept));
    CHECK_EQ(1, r.party[1].events_n);
    rig_end(&r);
}

/* ---- conversations ---- */

static void conversation_of(struct rig *r, const struct parcel *p, uint8_t id[16]) {
    uint8_t cell[CHANNEL_CELL];
    struct channel_fragment f;
    open_cell(r, p, cell);
    CHECK_OK(channel_fragment_decode(cell, &f));
    CHECK(f.talk);
    memcpy(id, f.conversation, 16);
}
/* The next fragment to that one, whatever else the party has to say first. */
static struct parcel fragment(struct rig *r, unsigned party, unsigned to) {
    uint8_t cell[CHANNEL_CELL];
    for (;;) {
        struct parcel p = take(r, party);
        open_cell(r, &p, cell);
        if (cell[1] == CHANNEL_FRAGMENT && p.to == to) return p;
    }
}

TEST(channel, keeps_messages_to_one_recipient_in_one_conversation_for_a_life) {
    struct rig r;
    uint8_t a[16], b[16];
    struct parcel p;
    rig_init(&r, 22, NULL);
    (void)send_to(&r, 0, 1, 1, true);
    p = fragment(&r, 0, 1);
    conversation_of(&r, &p, a);
    advance(&r, 599999);
    (void)send_to(&r, 0, 1, 1, true);
    for (int i = 0; i < 2; i++) { /* the first again, and the second */
        p = fragment(&r, 0, 1);
        conversation_of(&r, &p, b);
        CHECK_MEM(a, b, 16);
    }
    (void)send_to(&r, 0, 2, 1, true);
    p = fragment(&r, 0, 2);
    conversation_of(&r, &p, b);
    CHECK(memcmp(a, b, 16) != 0);
    advance(&r, 1);
    (void)send_to(&r, 0, 1, 1, true);
    p = fragment(&r, 0, 1);
    conversation_of(&r, &p, b);
    CHECK(memcmp(a, b, 16) != 0);
    rig_end(&r);
}

TEST(channel, gives_a_responder_blocks_until_it_has_enough_and_no_more) {
    struct rig r;
    rig_init(&r, 23, NULL);
    (void)send_to(&r, 0, 1, 1, true);
    rig_run(&r, r.now + 3000);
    r.now += 3000;
    r.slot_ms = 20;
    uint64_t until = r.now + 20000, refills;
    (void)send_to(&r, 2, 3, 1, false); /* keeps the clock going */
    r.drop = NULL;
    rig_run(&r, until);
    struct channel_stats s = channel_stats(chan(&r, 1));
    CHECK(s.blocks >= 8 && s.blocks <= 12);
    refills = channel_stats(chan(&r, 0)).refills;
    CHECK(refills >= 3 && refills <= 6);
    CHECK_EQ(1, channel_stats(chan(&r, 0)).talks_out);
    CHECK_EQ(1, s.talks_in);
    /* Both ends forget: the responder a life after it last heard, the owner a life after the last message. */
    for (vl_ms end = r.now + 2 * 600000; r.now < end;) advance(&r, 10000);
    CHECK_EQ(0, channel_stats(chan(&r, 0)).talks_out);
    CHECK_EQ(0, channel_stats(chan(&r, 1)).talks_in);
    CHECK_EQ(0, channel_stats(chan(&r, 1)).blocks);
    rig_end(&r);
}

TEST(channel, takes_a_refill_once) {
    struct rig r;
    uint8_t cell[CHANNEL_CELL], surb[3][SPHINX_SURB];
    struct sphinx_surb_keys keys[3];
    struct channel_refill f = { .seq = 9, .blocks = 3, .level = MIX_PRIVATE, .surb = surb[0] };
    rig_init(&r, 24, NULL);
    memset(f.conversation, 5, 16);
    rig_surbs(&r, 0, MIX_PRIVATE, 3, surb, keys);
    channel_refill_encode(&f, cell);
    struct parcel p = forge_cell(&r, 1, cell);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(3, channel_stats(chan(&r, 1)).blocks);
    CHECK_EQ(VL_EREPLAY, rig_deliver(&r, &p));
    p = forge_cell(&r, 1, cell);
    CHECK_EQ(VL_EREPLAY, rig_deliver(&r, &p));
    f.seq = 8; /* overtaken, but new; the same blocks are not taken twice */
    channel_refill_encode(&f, cell);
    p = forge_cell(&r, 1, cell);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(3, channel_stats(chan(&r, 1)).blocks);
    r.epoch++;
    turn(&r);
    CHECK_EQ(0, channel_stats(chan(&r, 1)).blocks);
    f.seq = 10;
    channel_refill_encode(&f, cell);
    p = forge_cell(&r, 1, cell);
    CHECK_EQ(VL_EEXPIRED, rig_deliver(&r, &p));
    rig_end(&r);
}

TEST(channel, bounds_the_blocks_and_answers_of_a_conversation) {
    struct rig r;
    uint8_t cell[CHANNEL_CELL], surb[3][SPHINX_SURB];
    struct sphinx_surb_keys keys[3];
    struct channel_refill f = { .blocks = 3, .level = MIX_PRIVATE, .surb = surb[0] };
    uint64_t id;
    rig_init(&r, 25, NULL);
    memset(f.conversation, 6, 16);
    CHECK_EQ(VL_ENOTFOUND, channel_answer(chan(&r, 1), r.now, f.conversation, vl_span("x", 1), &id));
    for (f.seq = 1; f.seq < 40; f.seq++) {
        rig_surbs(&r, 0, MIX_PRIVATE, 3, surb, keys);
        channel_refill_encode(&f, cell);
        struct parcel p = forge_cell(&r, 1, cell);
        CHECK_OK(rig_deliver(&r, &p));
    }
    CHECK_EQ(CHANNEL_POOL_MAX, channel_stats(chan(&r, 1)).blocks);
    for (unsigned i = 0; i < CHANNEL_ANSWERS_MAX; i++)
        CHECK_OK(channel_answer(chan(&r, 1), r.now, f.conversation, vl_span("x", 1), &id));
    CHECK_EQ(VL_EAGAIN, channel_answer(chan(&r, 1), r.now, f.conversation, vl_span("x", 1), &id));
    /* Whoever begins more conversations than fit ends the one not heard of for the longest, and its answers fail. */
    f.seq = 1;
    for (unsigned i = 0; i < CHANNEL_TALKS_IN; i++) {
        vl_put_u32(f.conversation, i + 1000);
        channel_refill_encode(&f, cell);
        struct parcel p = forge_cell(&r, 1, cell);
        CHECK_OK(rig_deliver(&r, &p));
    }
    CHECK_EQ(CHANNEL_TALKS_IN, channel_stats(chan(&r, 1)).talks_in);
    CHECK_EQ(CHANNEL_ANSWERS_MAX, rig_count(&r, 1, CHANNEL_FAILED, 0));
    CHECK(channel_stats(chan(&r, 1)).blocks <= CHANNEL_BLOCKS_MAX);
    rig_end(&r);
}

TEST(channel, does_not_let_a_conversation_answer_in_the_name_of_another) {
    struct rig r;
    rig_init(&r, 26, NULL);
    (void)send_to(&r, 0, 1, 1, true);
    struct parcel one = fragment(&r, 0, 1);
    (void)send_to(&r, 0, 2, 1, true);
    struct parcel two = fragment(&r, 0, 2);
    uint8_t data[CHANNEL_ANSWER_BYTES], zeros[CHANNEL_ANSWER_DATA] = { 'a', 'b' };
    struct channel_reply_shard s = { .shard = { .k = 1, .n = 1, .length = 2, .data = zeros }, .status = { .seq = 1 } };
    channel_answer_encode(&s, data);
    struct parcel from_1 = forge_reply(&r, &one, vl_span(data, sizeof data));
    struct parcel from_2 = forge_reply(&r, &two, vl_span(data, sizeof data));
    CHECK_OK(rig_deliver(&r, &from_1));
    CHECK_OK(rig_deliver(&r, &from_2)); /* the same answer id, and yet another answer */
    CHECK_EQ(2, rig_count(&r, 0, CHANNEL_RECEIVED, 0));
    CHECK(memcmp(r.party[0].events[0].event.conversation, r.party[0].events[1].event.conversation, 16) != 0);
    CHECK(r.party[0].events[0].event.id != r.party[0].events[1].event.id);
    /* An acknowledgement of the other's message. */
    uint8_t cell[CHANNEL_CELL], ack[CHANNEL_ACK_BYTES];
    struct channel_fragment f;
    (void)send_to(&r, 0, 2, 1, true);
    two = fragment(&r, 0, 2);
    open_cell(&r, &one, cell);
    CHECK_OK(channel_fragment_decode(cell, &f));
    struct channel_ack a = { .has_receipt = true, .receipt = { .complete = true } };
    memcpy(a.receipt.id, f.shard.id, 16);
    channel_ack_encode(&a, ack);
    from_2 = forge_reply(&r, &two, vl_span(ack, sizeof ack));
    CHECK_EQ(VL_EPARSE, rig_deliver(&r, &from_2));
    CHECK_EQ(0, rig_count(&r, 0, CHANNEL_DONE, 0));
    rig_end(&r);
}

TEST(channel, gives_a_responder_no_more_than_its_share_of_what_is_put_together) {
    struct rig r;
    uint8_t data[CHANNEL_ANSWER_BYTES], zeros[CHANNEL_ANSWER_DATA] = { 0 };
    rig_init(&r, 29, NULL);
    struct parcel p = forge_fragment(&r, 0, 1, 3000, 5, 0, 1);
    CHECK_OK(rig_deliver(&r, &p)); /* somebody's */
    for (unsigned i = 0; i < 2 * CHANNEL_ANSWERS_MAX; i++) {
        (void)send_to(&r, 0, 1, 1, true);
        struct parcel ask = fragment(&r, 0, 1);
        struct channel_reply_shard s = { .shard = { .k = 2, .n = 3, .length = 3000, .data = zeros },
                                         .status = { .seq = 1 } };
        vl_put_u32(s.shard.id, i);
        channel_answer_encode(&s, data);
        p = forge_reply(&r, &ask, vl_span(data, sizeof data));
        CHECK_OK(rig_deliver(&r, &p));
    }
    CHECK_EQ(1 + CHANNEL_ANSWERS_MAX, channel_stats(chan(&r, 0)).in);
    CHECK_EQ(CHANNEL_ANSWERS_MAX, channel_stats(chan(&r, 0)).evicted);
    p = forge_fragment(&r, 0, 1, 3000, 5, 0, 1);
    CHECK_EQ(VL_EREPLAY, rig_deliver(&r, &p));
    rig_end(&r);
}

static void forge_status(struct rig *r, const struct parcel *ask, struct channel_status status) {
    uint8_t data[CHANNEL_ACK_BYTES];
    struct channel_ack a = { .has_status = true, .status = status };
    channel_ack_encode(&a, data);
    struct parcel p = forge_reply(r, ask, vl_span(data, sizeof data));
    CHECK_OK(rig_deliver(r, &p));
}
static unsigned refills(struct rig *r) {
    unsigned n = 0;
    while (!silent(r, 0)) n++;
    return n;
}

TEST(channel, gives_as_many_blocks_as_the_newest_status_wants) {
    struct rig r;
    struct parcel ask[4];
    rig_init(&r, 30, NULL);
    for (int i = 0; i < 4; i++) {
        (void)send_to(&r, 0, 1, 1, true);
        ask[i] = fragment(&r, 0, 1);
    }
    (void)refills(&r);
    advance(&r, 1);
    forge_status(
        &r, &ask[0],
        (struct channel_status){ .seq = 5, .left = 4, .wanted = 30 }); /* wants 8 + 30, has 4, and 9 are on their way */
    CHECK_EQ(3, channel_stats(chan(&r, 0)).refills);
    CHECK_EQ(9, refills(&r)); /* 38 - 13 = 25: 9 cells of 3 */
    forge_status(&r, &ask[1], (struct channel_status){ .seq = 4, .left = 0, .wanted = 40 });
    CHECK_EQ(0, refills(&r)); /* older: overtaken */
    forge_status(&r, &ask[2], (struct channel_status){ .seq = 6, .left = 4, .wanted = 65535 });
    CHECK_EQ(8, refills(&r)); /* never more than a pool holds: 61, less the 37 that could still come back */
    rig_end(&r);
}

TEST(channel, counts_blocks_on_their_way_until_they_are_confirmed_or_late) {
    struct rig r;
    struct parcel ask[3];
    rig_init(&r, 32, NULL);
    for (int i = 0; i < 3; i++) {
        (void)send_to(&r, 0, 1, 1, true);
        ask[i] = fragment(&r, 0, 1);
    }
    (void)refills(&r);
    advance(&r, 1);
    CHECK_EQ(3, channel_stats(chan(&r, 0)).refills);
    forge_status(&r, &ask[0], (struct channel_status){ .seq = 1, .top = 2, .bits = 3, .left = 5 });
    CHECK_EQ(0, refills(&r)); /* 5, and 3 that are on their way */
    forge_status(&r, &ask[1], (struct channel_status){ .seq = 2, .top = 3, .bits = 7, .left = 5 });
    CHECK_EQ(1, refills(&r)); /* 5 */
    CHECK_EQ(0, refills(&r));
    advance(&r, CHANNEL_ACK_MS + 2 * RIG_RTT);
    (void)refills(&r); /* with other things that are late by now */
    CHECK(channel_stats(chan(&r, 0)).refills >= 4);
    advance(&r, 2 * RIG_RTT); /* longer after each failure */
    (void)refills(&r);
    CHECK_EQ(5, channel_stats(chan(&r, 0)).refills);
    rig_end(&r);
}

TEST(channel, takes_a_receipt_of_an_answer_only_in_its_conversation) {
    struct rig r;
    uint8_t cell[CHANNEL_CELL], surb[3][SPHINX_SURB], body[SPHINX_BODY], type;
    struct sphinx_surb_keys keys[3];
    struct vl_span data;
    struct channel_reply_shard s;
    struct channel_refill f = { .seq = 1, .blocks = 3, .level = MIX_PRIVATE, .surb = surb[0] };
    uint64_t id;
    rig_init(&r, 31, NULL);
    rig_surbs(&r, 0, MIX_PRIVATE, 3, surb, keys);
    channel_refill_encode(&f, cell); /* conversation zeros */
    struct parcel p = forge_cell(&r, 1, cell);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_OK(channel_answer(chan(&r, 1), r.now, f.conversation, vl_span("x", 1), &id));
    p = take(&r, 1);
    CHECK(p.reply);
    CHECK_MEM(keys[0].id, p.surb_id, 16); /* the oldest block */
    CHECK_OK(sphinx_surb_open(&keys[0], p.bytes, body));
    CHECK_OK(sphinx_body_read(body, &type, &data));
    CHECK_OK(channel_answer_decode(data, &s));
    CHECK_EQ(2, s.status.left);
    f.seq = f.blocks = 0;
    f.has_receipt = f.receipt.complete = true;
    memcpy(f.receipt.id, s.shard.id, 16);
    f.conversation[0] = 1;
    channel_refill_encode(&f, cell);
    p = forge_cell(&r, 1, cell);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(0, rig_count(&r, 1, CHANNEL_DONE, id)); /* no such conversation */
    f.seq = 1, f.blocks = 3;
    rig_surbs(&r, 0, MIX_PRIVATE, 3, surb, keys);
    channel_refill_encode(&f, cell);
    p = forge_cell(&r, 1, cell);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(0, rig_count(&r, 1, CHANNEL_DONE, id)); /* another */
    f.conversation[0] = 0, f.seq = 2;
    channel_refill_encode(&f, cell);
    p = forge_cell(&r, 1, cell);
    CHECK_OK(rig_deliver(&r, &p));
    CHECK_EQ(1, rig_count(&r, 1, CHANNEL_DONE, id));
    rig_end(&r);
}

/* ---- bytes ---- */

TEST(channel_wire, decodes_only_what_it_would_encode) {
    struct rig r;
    uint8_t cell[CHANNEL_CELL], again[CHANNEL_CELL], surb[3][SPHINX_SURB], data[CHANNEL_ANSWER_DATA] = { 1 };
    struct sphinx_surb_keys keys[3];
    rig_init(&r, 27, NULL);
    rig_surbs(&r, 0, MIX_PUBLIC, 3, surb, keys);
    struct channel_fragment f = { .shard = { .k = 2, .n = 3, .index = 2, .length = 1000, .data = data },
                                  .level = MIX_SECRET,
                                  .surb = surb[0] },
                            g;
    struct channel_refill a = { .seq = 3, .blocks = 2, .level = MIX_PUBLIC, .surb = surb[0] }, b;
    for (int talk = 0; talk < 2; talk++) {
        f.talk = talk;
        f.rtt_ms = talk ? 70000 : 0;
        memset(f.conversation, talk, 16);
        a.has_receipt = talk;
        if (talk) a.receipt.complete = true, a.receipt.instance = 77, a.receipt.bitmap[19] = 128;
        for (size_t i = 0; i < CHANNEL_CELL; i++)
            for (unsigned bit = 0; bit < (i < 80 ? 8u : 1u); bit++) {
                channel_fragment_encode(&f, cell);
                if (i > 1) cell[i] ^= (uint8_t)(1u << bit);
                if (channel_fragment_decode(cell, &g) == VL_OK) {
                    channel_fragment_encode(&g, again);
                    CHECK_MEM(cell, again, CHANNEL_CELL);
                }
                channel_refill_encode(&a, cell);
                if (i > 1) cell[i] ^= (uint8_t)(1u << bit);
                if (channel_refill_decode(cell, &b) == VL_OK) {
                    channel_refill_encode(&b, again);
                    CHECK_MEM(cell, again, CHANNEL_CELL);
                }
            }
    }
    rig_end(&r);
}

TEST(channel_wire, refuses_replies_that_are_cut_longer_or_changed_in_their_head) {
    uint8_t ack[CHANNEL_ACK_BYTES + 1], again[CHANNEL_ANSWER_BYTES + 1], answer[CHANNEL_ANSWER_BYTES + 1] = { 0 };
    uint8_t data[CHANNEL_ANSWER_DATA] = { 1 };
    struct channel_ack a = { .has_receipt = true, .has_status = true, .status = { .seq = 1, .left = 2, .wanted = 3 } },
                       b;
    struct channel_reply_shard s = { .shard = { .k = 2, .n = 2, .length = 2000, .data = data },
                                     .status = { .seq = 1 } },
                               t;
    channel_ack_encode(&a, ack);
    channel_answer_encode(&s, answer);
    for (size_t n = 0; n <= CHANNEL_ACK_BYTES + 1; n++)
        CHECK_EQ(n == CHANNEL_ACK_BYTES ? VL_OK : VL_EPARSE, channel_ack_decode(vl_span(ack, n), &b));
    for (size_t n = 0; n <= CHANNEL_ANSWER_BYTES + 1; n++)
        CHECK_EQ(n == CHANNEL_ANSWER_BYTES ? VL_OK : VL_EPARSE, channel_answer_decode(vl_span(answer, n), &t));
    for (size_t i = 2; i < CHANNEL_ACK_BYTES; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            ack[i] ^= (uint8_t)(1u << bit);
            if (channel_ack_decode(vl_span(ack, CHANNEL_ACK_BYTES), &b) == VL_OK) {
                channel_ack_encode(&b, again);
                CHECK_MEM(ack, again, CHANNEL_ACK_BYTES);
            }
            ack[i] ^= (uint8_t)(1u << bit);
        }
    enum channel_kind kind;
    CHECK_OK(channel_kind_of(vl_span(ack, CHANNEL_ACK_BYTES), &kind));
    CHECK_EQ(CHANNEL_ACK, kind);
    ack[0] = 2;
    CHECK_EQ(VL_EVERSION, channel_kind_of(vl_span(ack, CHANNEL_ACK_BYTES), &kind));
    ack[0] = 1, ack[1] = 0;
    CHECK_EQ(VL_EPARSE, channel_kind_of(vl_span(ack, CHANNEL_ACK_BYTES), &kind));
    ack[1] = 5;
    CHECK_EQ(VL_EPARSE, channel_kind_of(vl_span(ack, CHANNEL_ACK_BYTES), &kind));
    CHECK_EQ(VL_EPARSE, channel_kind_of(vl_span(ack, 1), &kind));
}

TEST(channel_wire, binds_a_box_to_its_key_and_ephemeral) {
    struct rig r;
    uint8_t cell[CHANNEL_CELL] = { 9 }, box[SPHINX_DATA_MAX], other[SPHINX_DATA_MAX], out[CHANNEL_CELL],
            low[32] = { 1 };
    rig_init(&r, 28, NULL);
    CHECK_OK(channel_box_seal(&r.rng, r.party[1].key.public, cell, box));
    CHECK_OK(channel_box_seal(&r.rng, r.party[1].key.public, cell, other));
    CHECK(memcmp(box, other, 32) != 0 && memcmp(box + 32, other + 32, 64) != 0);
    CHECK_OK(channel_box_open(&r.party[1].key, box, out));
    CHECK_MEM(cell, out, sizeof cell);
    box[31] ^= 0x80; /* the same point in other bytes */
    CHECK_EQ(VL_ECRYPTO, channel_box_open(&r.party[1].key, box, out));
    for (size_t i = 0; i < sizeof out; i++) CHECK_EQ(0, out[i]);
    memset(box, 0, 32);
    CHECK_EQ(VL_ECRYPTO, channel_box_open(&r.party[1].key, box, out));
    CHECK_EQ(VL_ECRYPTO, channel_box_seal(&r.rng, low, cell, box));
    rig_end(&r);
}
