/* Packets against a fixed set of keys.  First byte: what the rest is.
 *   0 a packet as it is                      must be dropped: nobody authenticates by chance
 *   1 a slot, then beta and delta            inside a header that is authentic, so that slots and payloads are read
 *   2 edits (u16 place, u8 xor) of a good packet at one of its nodes    never comes out with other contents
 *   3 edits of a good reply block, and a reply to it                    the same
 *   4 a reply block as it is
 *   5 a body
 * Sources: src/mix, src/crypto. */
#include "mix/sphinx_priv.h"

#include "crypto/random.h"
#include "crypto/stream.h"
#include "crypto/x25519_batch.h"

#include <stdlib.h>
#include <string.h>

#define HOPS 3u

static struct {
    struct sphinx_node_key key[HOPS];
    uint8_t door[HOPS][SPHINX_PACKET], body[SPHINX_BODY];
    uint8_t surb[1][SPHINX_SURB];
    struct sphinx_surb_keys surb_keys;
} world;

static void need(bool x) {
    if (!x) abort();
}

static enum sphinx_verdict pass(uint32_t i, uint8_t *packet, struct sphinx_work *w) {
    *w = (struct sphinx_work){ .packet = packet };
    w->verdict = sphinx_glance(packet, &world.key[i], 1, &w->key);
    sphinx_open(w, 1, &world.key[i]);
    sphinx_peel(w, 1);
    need(w->verdict != SPHINX_REPLAYED && w->verdict <= SPHINX_BAD_PAYLOAD);
    for (size_t k = 0; k < sizeof w->okm; k++) need(w->okm[k] == 0);
    if (w->verdict != SPHINX_OK) return w->verdict;
    need(w->command >= SPHINX_FORWARD && w->command <= SPHINX_DROP);
    if (w->command == SPHINX_FORWARD) need(w->next != 0 && sphinx_ad_good(packet));
    return w->verdict;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    uint8_t seed[32] = { 1 }, secret[HOPS][32], public[HOPS][32], packet[SPHINX_PACKET];
    struct sphinx_path path = { .n = HOPS, .end = { .command = SPHINX_DELIVER, .service = 7 } };
    struct sphinx_prebuilt pre;
    struct sphinx_work w;
    struct crypto_drbg rng;
    need(crypto_init() == VL_OK);
    crypto_drbg_init(&rng, seed);
    crypto_drbg_bytes(&rng, secret, sizeof secret);
    crypto_x25519_base_batch((const uint8_t(*)[32])secret, public, HOPS);
    for (uint32_t i = 0; i < HOPS; i++) {
        world.key[i].key_id = (uint8_t)i;
        memcpy(world.key[i].secret, secret[i], 32);
        memcpy(world.key[i].public, public[i], 32);
        path.hop[i] = (struct sphinx_hop){ .node = i + 1, .key_id = (uint8_t)i, .delay_ms = 20 };
        memcpy(path.hop[i].key, public[i], 32);
    }
    need(sphinx_body(3, vl_span_str("what was said"), world.body) == VL_OK);
    need(sphinx_build(&path, 1, &rng, &pre) == VL_OK);
    path.end.command = SPHINX_REPLY;
    need(sphinx_surb_build(&path, 1, 5, &rng, world.surb, &world.surb_keys) == VL_OK);
    sphinx_seal(&pre, world.body, packet);
    for (uint32_t i = 0; i < HOPS; i++) {
        memcpy(world.door[i], packet, sizeof packet);
        need(pass(i, packet, &w) == SPHINX_OK);
    }
    return 0;
}

/* The input, zeros behind it. */
static void fill(uint8_t *dst, size_t size, const uint8_t *p, size_t n) {
    memset(dst, 0, size);
    if (n > 0) memcpy(dst, p, n < size ? n : size);
}

static void edit(uint8_t *dst, size_t size, const uint8_t *p, size_t n) {
    for (; n >= 3; p += 3, n -= 3) dst[vl_get_u16(p) % size] ^= p[2];
}

static void raw_packet(const uint8_t *p, size_t n) {
    uint8_t packet[SPHINX_PACKET];
    struct sphinx_work w;
    fill(packet, sizeof packet, p, n);
    need(pass(packet[SPHINX_AT_KEY_ID] % HOPS, packet, &w) != SPHINX_OK);
    need(w.verdict < SPHINX_BAD_COMMAND);
}

static void authentic(const uint8_t *p, size_t n) {
    uint8_t packet[SPHINX_PACKET], stream[SPHINX_STREAM];
    struct sphinx_work w = { .packet = packet };
    memcpy(packet, world.door[0], sizeof packet);
    if (n > 0)
        memcpy(packet + SPHINX_AT_BETA, p, n < SPHINX_PACKET - SPHINX_AT_BETA ? n : SPHINX_PACKET - SPHINX_AT_BETA);
    uint8_t ss[32], e[32];
    memcpy(e, packet + SPHINX_AT_E, 32);
    crypto_x25519_batch((const uint8_t(*)[32]) & world.key[0].secret, (const uint8_t(*)[32]) & e, (uint8_t(*)[32]) & ss,
                        1);
    uint8_t prk[1][32], *okm = w.okm;
    sphinx_extract(ss, e, world.key[0].public, prk[0]);
    sphinx_expand((const uint8_t(*)[32])prk, 1, &okm);
    crypto_chacha20(w.okm + SPHINX_OKM_HEADER, stream, sizeof stream);
    sphinx_xor(packet + SPHINX_AT_BETA, stream, SPHINX_SLOT);
    sphinx_mac(w.okm + SPHINX_OKM_MAC, packet, packet + SPHINX_AT_GAMMA);
    enum sphinx_verdict v = pass(0, packet, &w);
    need(v == SPHINX_OK || v == SPHINX_BAD_COMMAND || v == SPHINX_BAD_PAYLOAD);
}

static void edited_packet(const uint8_t *p, size_t n) {
    uint8_t packet[SPHINX_PACKET];
    struct sphinx_work w;
    if (n == 0) return;
    uint32_t i = p[0] % HOPS;
    memcpy(packet, world.door[i], sizeof packet);
    edit(packet, sizeof packet, p + 1, n - 1);
    bool same = memcmp(packet, world.door[i], sizeof packet) == 0;
    while (pass(i, packet, &w) == SPHINX_OK && w.command == SPHINX_FORWARD) {
        need(w.next == ++i + 1);
        need(memcmp(packet, world.door[i], SPHINX_HEADER) == 0);
    }
    need(same == (w.verdict == SPHINX_OK));
    if (same) need(memcmp(packet + SPHINX_HEADER + SPHINX_ZEROS, world.body, SPHINX_BODY) == 0);
}

static void edited_surb(const uint8_t *p, size_t n) {
    uint8_t surb[SPHINX_SURB], packet[SPHINX_PACKET], body[SPHINX_BODY];
    struct sphinx_work w;
    uint32_t first = 0;
    memcpy(surb, world.surb[0], sizeof surb);
    edit(surb, sizeof surb, p, n);
    if (sphinx_surb_use(surb, world.body, packet, &first) != VL_OK) return;
    need(first != 0);
    /* the first node and the epoch are for the responder, all else must be as it was */
    bool same = memcmp(surb, world.surb[0], SPHINX_HEADER) == 0 &&
                memcmp(surb + SPHINX_HEADER + 4, world.surb[0] + SPHINX_HEADER + 4, 32) == 0;
    for (uint32_t i = 0; i < HOPS; i++) {
        if (pass(i, packet, &w) == SPHINX_OK) continue;
        need(!same);
        return;
    }
    need(same == (sphinx_surb_open(&world.surb_keys, packet + SPHINX_HEADER, body) == VL_OK));
    if (same) need(memcmp(body, world.body, sizeof body) == 0);
}

static void raw_surb(const uint8_t *p, size_t n) {
    uint8_t surb[SPHINX_SURB], packet[SPHINX_PACKET], body[SPHINX_BODY], delta[SPHINX_DELTA];
    uint32_t first = 0;
    fill(surb, sizeof surb, p, n);
    (void)sphinx_surb_expiry(surb);
    if (sphinx_surb_use(surb, world.body, packet, &first) == VL_OK)
        need(first != 0 && memcmp(packet, surb, SPHINX_HEADER) == 0);
    fill(delta, sizeof delta, p, n);
    need(sphinx_surb_open(&world.surb_keys, delta, body) == VL_ECRYPTO);
}

static void raw_body(const uint8_t *p, size_t n) {
    uint8_t body[SPHINX_BODY], again[SPHINX_BODY], type = 0;
    struct vl_span data;
    fill(body, sizeof body, p, n);
    if (sphinx_body_read(body, &type, &data) != VL_OK) return;
    need(sphinx_body(type, data, again) == VL_OK && memcmp(body, again, sizeof body) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static void (*const kinds[])(const uint8_t *, size_t) = { raw_packet,  authentic, edited_packet,
                                                              edited_surb, raw_surb,  raw_body };
    if (n > 0) kinds[p[0] % 6](p + 1, n - 1);
    return 0;
}
