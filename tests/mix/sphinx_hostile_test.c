/* What must not pass: changed bits, foreign keys, strange points, slots that authentic senders never make. */
#include "mix/sphinx_rig.h"

#include "crypto/random.h"
#include "crypto/stream.h"

#include "check.h"

#include <string.h>

#define HOPS 3u

struct hostile {
    struct sphinx_rig r;
    uint8_t door[HOPS][SPHINX_PACKET]; /* the packet as each node gets it */
    uint8_t body[SPHINX_BODY];
};

static void hostile_init(struct hostile *h, const char *seed) {
    struct sphinx_prebuilt pre;
    struct sphinx_work w;
    uint8_t packet[SPHINX_PACKET];
    sphinx_rig_init(&h->r, seed);
    sphinx_rig_body(&h->r, 700, h->body);
    struct sphinx_path path = sphinx_rig_path(&h->r, HOPS, SPHINX_DELIVER);
    CHECK_OK(sphinx_build(&path, 1, &h->r.rng, &pre));
    sphinx_seal(&pre, h->body, packet);
    for (uint32_t i = 0; i < HOPS; i++) {
        memcpy(h->door[i], packet, SPHINX_PACKET);
        CHECK_EQ(SPHINX_OK, sphinx_rig_pass(&h->r, i, packet, &w));
    }
    CHECK_MEM(h->body, packet + SPHINX_HEADER + SPHINX_ZEROS, SPHINX_BODY);
}

static enum sphinx_verdict verdict_of_header_byte(size_t at) {
    if (at >= SPHINX_AD) return SPHINX_BAD_MAC;
    return at == SPHINX_AT_KEY_ID ? SPHINX_BAD_KEY_ID : SPHINX_BAD_VERSION;
}

TEST(sphinx_hostile, drops_a_packet_with_any_bit_of_its_header_flipped_at_any_node) {
    static struct hostile h;
    static uint8_t packet[SPHINX_BATCH][SPHINX_PACKET];
    static struct sphinx_work w[SPHINX_BATCH];
    hostile_init(&h, "header bits");
    for (uint32_t node = 0; node < HOPS; node++) {
        for (size_t from = 0; from < 8 * SPHINX_HEADER; from += SPHINX_BATCH) {
            for (size_t k = 0; k < SPHINX_BATCH; k++) {
                memcpy(packet[k], h.door[node], SPHINX_PACKET);
                packet[k][(from + k) / 8] ^= (uint8_t)(1u << (from + k) % 8);
                w[k] = (struct sphinx_work){ .packet = packet[k] };
                w[k].verdict = sphinx_glance(packet[k], &h.r.key[node], 1, &w[k].key);
            }
            sphinx_open(w, SPHINX_BATCH, &h.r.key[node]);
            for (size_t k = 0; k < SPHINX_BATCH; k++) CHECK_EQ(verdict_of_header_byte((from + k) / 8), w[k].verdict);
        }
    }
    _Static_assert(8 * SPHINX_HEADER % SPHINX_BATCH == 0, "whole batches");
}

/* The header is whole, so its keys are derived once for each node; a flip is then followed to the end. */
TEST(sphinx_hostile, drops_a_packet_with_any_bit_of_its_payload_flipped_anywhere_but_only_at_the_end) {
    static struct hostile h;
    static uint8_t packet[SPHINX_PACKET];
    struct sphinx_work open[HOPS], w;
    hostile_init(&h, "payload bits");
    for (uint32_t i = 0; i < HOPS; i++) CHECK_EQ(SPHINX_OK, sphinx_rig_open(&h.r, i, h.door[i], &open[i]));
    for (uint32_t node = 0; node < HOPS; node++) {
        for (size_t bit = 0; bit < 8 * SPHINX_DELTA; bit++) {
            memcpy(packet, h.door[node], SPHINX_PACKET);
            packet[SPHINX_HEADER + bit / 8] ^= (uint8_t)(1u << bit % 8);
            for (uint32_t i = node; i < HOPS; i++) {
                w = open[i];
                w.packet = packet;
                sphinx_peel(&w, 1);
                if (i + 1 < HOPS) {
                    CHECK_EQ(SPHINX_OK, w.verdict);
                    CHECK_MEM(h.door[i + 1], packet, SPHINX_HEADER); /* nobody in the middle notices */
                }
            }
            CHECK_EQ(SPHINX_BAD_PAYLOAD, w.verdict);
        }
    }
}

/* A mark in the payload cannot be read behind an honest node: half of all bits change, wherever the mark was. */
TEST(sphinx_hostile, turns_a_marked_payload_into_noise_at_the_next_node) {
    static struct hostile h;
    uint8_t packet[SPHINX_PACKET];
    struct sphinx_work w;
    hostile_init(&h, "tagging");
    for (size_t at = 0; at < SPHINX_DELTA; at += 16) {
        size_t changed = 0;
        memcpy(packet, h.door[0], SPHINX_PACKET);
        packet[SPHINX_HEADER + at] ^= 0x10;
        CHECK_EQ(SPHINX_OK, sphinx_rig_pass(&h.r, 0, packet, &w));
        for (size_t i = SPHINX_HEADER; i < SPHINX_PACKET; i++)
            changed += (size_t)__builtin_popcount(packet[i] ^ h.door[1][i]);
        CHECK(changed > 6400 - 6 * 57 && changed < 6400 + 6 * 57); /* 12800 bits, six times their deviation */
    }
}

TEST(sphinx_hostile, wipes_the_payload_that_was_tampered_with) {
    static struct hostile h;
    static const uint8_t zeros[SPHINX_DELTA] = { 0 };
    struct sphinx_work w;
    hostile_init(&h, "tampered");
    h.door[2][SPHINX_PACKET - 1] ^= 1;
    CHECK_EQ(SPHINX_BAD_PAYLOAD, sphinx_rig_pass(&h.r, 2, h.door[2], &w));
    CHECK_MEM(zeros, h.door[2] + SPHINX_HEADER, SPHINX_DELTA);
}

TEST(sphinx_hostile, drops_a_packet_for_another_node_or_an_older_key_of_the_same_number) {
    static struct hostile h;
    struct sphinx_work w = { 0 };
    hostile_init(&h, "wrong key");
    CHECK_EQ(SPHINX_BAD_KEY_ID, sphinx_rig_open(&h.r, 1, h.door[0], &w));
    h.r.key[1].key_id = h.r.key[0].key_id; /* 256 epochs later */
    CHECK_EQ(SPHINX_BAD_MAC, sphinx_rig_open(&h.r, 1, h.door[0], &w));
    CHECK_EQ(SPHINX_BAD_KEY_ID, sphinx_glance(h.door[0], NULL, 0, &w.key));
    struct sphinx_node_key key = h.r.key[0]; /* the right secret under another public key: bound into the keys */
    key.public[5] ^= 1;
    w = (struct sphinx_work){ .packet = h.door[0] };
    sphinx_open(&w, 1, &key);
    CHECK_EQ(SPHINX_BAD_MAC, w.verdict);
}

static void check_point(const struct hostile *h, const uint8_t e[32], enum sphinx_verdict want) {
    uint8_t packet[SPHINX_PACKET];
    struct sphinx_work w;
    memcpy(packet, h->door[0], sizeof packet);
    memcpy(packet + SPHINX_AT_E, e, 32);
    CHECK_EQ(want, sphinx_rig_open(&h->r, 0, packet, &w));
}

/* The points of order 1, 2, 4 and 8 of the curve and its twist (RFC 7748 section 6.1 asks for the check), also as
 * numbers above p. */
TEST(sphinx_hostile, drops_points_of_low_order) {
    static struct hostile h;
    static const uint8_t order8[2][32] = {
        { 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
          0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
        { 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
          0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
    };
    hostile_init(&h, "low order");
    for (int top = 0; top < 2; top++) {
        for (uint8_t v = 0; v < 2; v++) {
            uint8_t e[32] = { v };
            e[31] = (uint8_t)(top << 7);
            check_point(&h, e, SPHINX_BAD_POINT);
        }
        for (uint8_t low = 0xec; low <= 0xee; low++) { /* p - 1, p, p + 1 */
            uint8_t e[32];
            memset(e, 0xff, sizeof e);
            e[0] = low;
            e[31] = (uint8_t)(0x7f | top << 7);
            check_point(&h, e, SPHINX_BAD_POINT);
        }
        for (int k = 0; k < 2; k++) {
            uint8_t e[32];
            memcpy(e, order8[k], sizeof e);
            e[31] |= (uint8_t)(top << 7);
            check_point(&h, e, SPHINX_BAD_POINT);
        }
    }
}

/* SPEC SPX-15: "E enters as the 32 bytes that stand in the packet, so that another encoding of the same point is
 * another packet with other keys." */
TEST(sphinx_hostile, drops_another_encoding_of_the_same_point) {
    static struct hostile h;
    uint8_t e[32];
    hostile_init(&h, "encoding");
    memcpy(e, h.door[0] + SPHINX_AT_E, 32);
    CHECK_EQ(0, e[31] & 0x80);
    e[31] |= 0x80; /* X25519 ignores it */
    check_point(&h, e, SPHINX_BAD_MAC);
}

/* SPEC SPX-12: "of [ss, E, public mix key of the node, version, suite], 98 bytes." */
TEST(sphinx_hostile, derives_other_keys_when_any_bit_of_secret_point_or_node_differs) {
    uint8_t in[3][32], want[32], prk[32];
    for (size_t i = 0; i < sizeof in; i++) in[i / 32][i % 32] = (uint8_t)(i * 11);
    sphinx_extract(in[0], in[1], in[2], want);
    for (size_t bit = 0; bit < 8 * sizeof in; bit++) {
        in[bit / 256][bit % 256 / 8] ^= (uint8_t)(1u << bit % 8);
        sphinx_extract(in[0], in[1], in[2], prk);
        CHECK(memcmp(want, prk, sizeof want) != 0);
        in[bit / 256][bit % 256 / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* A sender who breaks the rules: an authentic header around any slot, for node 0. */
static enum sphinx_verdict verdict_of_slot(const struct hostile *h, const uint8_t slot[SPHINX_SLOT]) {
    uint8_t packet[SPHINX_PACKET], stream[SPHINX_STREAM];
    struct sphinx_work w;
    memcpy(packet, h->door[0], sizeof packet);
    CHECK_EQ(SPHINX_OK, sphinx_rig_open(&h->r, 0, packet, &w));
    crypto_chacha20(w.okm + SPHINX_OKM_HEADER, stream, sizeof stream);
    memcpy(packet + SPHINX_AT_BETA, slot, SPHINX_SLOT);
    sphinx_xor(packet + SPHINX_AT_BETA, stream, SPHINX_SLOT);
    sphinx_mac(w.okm + SPHINX_OKM_MAC, packet, packet + SPHINX_AT_GAMMA);
    return sphinx_rig_pass(&h->r, 0, packet, &w);
}

TEST(sphinx_hostile, drops_authentic_slots_with_an_unknown_command_or_bytes_that_must_be_zero) {
    static struct hostile h;
    uint8_t slot[SPHINX_SLOT];
    hostile_init(&h, "slots");
    for (unsigned command = 0; command < 256; command++) {
        memset(slot, 0, sizeof slot);
        slot[0] = (uint8_t)command;
        slot[4] = command == SPHINX_FORWARD;
        enum sphinx_verdict want =
            command == SPHINX_FORWARD || command == SPHINX_REPLY ? SPHINX_OK : SPHINX_BAD_COMMAND;
        if (command == SPHINX_DELIVER || command == SPHINX_DROP) want = SPHINX_BAD_PAYLOAD; /* sealed for three nodes */
        CHECK_EQ(want, verdict_of_slot(&h, slot));
    }
    static const struct {
        uint8_t command, from, to; /* bytes that must be zero */
    } rule[] = { { SPHINX_DELIVER, 40, 56 }, { SPHINX_REPLY, 4, 8 }, { SPHINX_DROP, 4, 56 } };
    for (size_t i = 0; i < sizeof rule / sizeof rule[0]; i++) {
        for (uint8_t at = 1; at < SPHINX_SLOT; at++) {
            memset(slot, 0, sizeof slot);
            slot[0] = rule[i].command;
            slot[at] = 0x40;
            bool bad = at >= rule[i].from && at < rule[i].to;
            CHECK_EQ(bad, verdict_of_slot(&h, slot) == SPHINX_BAD_COMMAND);
        }
    }
    memset(slot, 0xff, sizeof slot);
    slot[0] = SPHINX_FORWARD;
    CHECK_EQ(SPHINX_OK, verdict_of_slot(&h, slot));
    memset(slot + 4, 0, 4); /* node 0 */
    CHECK_EQ(SPHINX_BAD_COMMAND, verdict_of_slot(&h, slot));
}

TEST(sphinx_hostile, drops_noise) {
    static struct hostile h;
    uint8_t packet[SPHINX_PACKET];
    struct sphinx_work w;
    hostile_init(&h, "noise");
    for (int i = 0; i < 200; i++) {
        crypto_drbg_bytes(&h.r.rng, packet, sizeof packet);
        sphinx_put_ad(packet, h.r.key[0].key_id);
        CHECK_EQ(SPHINX_BAD_MAC, sphinx_rig_pass(&h.r, 0, packet, &w));
    }
}
