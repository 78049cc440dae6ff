/* The node's half: what comes in is opened, then peeled.  SPEC SPX-50: "Link, token bucket, size, version and zero
 * bytes, key id, key exchange, low order, MAC, replay, slot, payload, delay queue." */
#include "mix/sphinx.h"

#include "crypto/hctr2.h"
#include "crypto/random.h"
#include "crypto/stream.h"
#include "crypto/x25519_batch.h"
#include "mix/sphinx_priv.h"

#include <assert.h>
#include <string.h>

enum sphinx_verdict sphinx_glance(const uint8_t packet[SPHINX_PACKET], const struct sphinx_node_key *keys,
                                  size_t keys_n, uint8_t *ret_key) {
    /* SPEC SPX-02: "A node drops any other version, suite or nonzero byte before it does key work." */
    if (!sphinx_ad_good(packet)) return SPHINX_BAD_VERSION;
    /* SPEC SPX-03: "A node drops a packet with another key id and never tries a second key." */
    for (size_t i = 0; i < keys_n; i++)
        if (keys[i].key_id == packet[SPHINX_AT_KEY_ID]) {
            *ret_key = (uint8_t)i;
            return SPHINX_OK;
        }
    return SPHINX_BAD_KEY_ID;
}

static enum sphinx_verdict open_one(struct sphinx_work *w, const uint8_t ss[32]) {
    uint8_t gamma[SPHINX_MAC];
    enum sphinx_verdict verdict = SPHINX_OK;
    /* SPEC SPX-20: "It is compared in constant time, and nothing is decrypted before." */
    sphinx_mac(w->okm + SPHINX_OKM_MAC, w->packet, gamma);
    if (!crypto_equal(gamma, w->packet + SPHINX_AT_GAMMA, sizeof gamma)) verdict = SPHINX_BAD_MAC;
    /* SPEC SPX-11: "An ss of 32 zero bytes is refused by both sides." */
    if (crypto_x25519_is_zero(ss)) verdict = SPHINX_BAD_POINT;
    crypto_wipe(gamma, sizeof gamma); /* of a forged packet it is what the forger would like to know */
    if (verdict != SPHINX_OK)
        crypto_wipe(w->okm, sizeof w->okm);
    else
        memcpy(w->tag, w->okm + SPHINX_OKM_TAG, SPHINX_TAG);
    return verdict;
}

void sphinx_open(struct sphinx_work *w, size_t n, const struct sphinx_node_key *keys) {
    assert(n <= SPHINX_BATCH);
    struct {
        uint8_t secret[SPHINX_LANES][32], e[SPHINX_LANES][32], ss[SPHINX_LANES][32], prk[SPHINX_LANES][32];
        struct sphinx_work *work[SPHINX_LANES];
        uint8_t *okm[SPHINX_LANES];
    } g;
    for (size_t from = 0; from < n;) {
        size_t lanes = 0;
        for (; from < n && lanes < SPHINX_LANES; from++) {
            if (w[from].verdict != SPHINX_OK) continue;
            memcpy(g.secret[lanes], keys[w[from].key].secret, 32);
            memcpy(g.e[lanes], w[from].packet + SPHINX_AT_E, 32);
            g.okm[lanes] = w[from].okm;
            g.work[lanes++] = &w[from];
        }
        if (lanes == 0) break;
        crypto_x25519_batch((const uint8_t(*)[32])g.secret, (const uint8_t(*)[32])g.e, g.ss, lanes);
        for (size_t i = 0; i < lanes; i++) sphinx_extract(g.ss[i], g.e[i], keys[g.work[i]->key].public, g.prk[i]);
        sphinx_expand((const uint8_t(*)[32])g.prk, lanes, g.okm);
        for (size_t i = 0; i < lanes; i++) g.work[i]->verdict = open_one(g.work[i], g.ss[i]);
    }
    crypto_wipe(&g, sizeof g);
}

/* SPEC SPX-23: "A node that forwards writes next key id into AD, next E over E, next gamma over gamma, the next beta
 * over beta, and the decrypted delta over delta." */
static void rewrite(uint8_t *packet, const struct sphinx_slot *s, const uint8_t *next_beta) {
    packet[SPHINX_AT_KEY_ID] = s->next_key_id;
    memcpy(packet + SPHINX_AT_E, s->next_e, 32);
    memcpy(packet + SPHINX_AT_GAMMA, s->gamma, SPHINX_MAC);
    memcpy(packet + SPHINX_AT_BETA, next_beta, SPHINX_BETA);
}

/* p: the stream of the header key; used up. */
static enum sphinx_verdict peel_one(struct sphinx_work *w, uint8_t p[SPHINX_STREAM]) {
    /* SPEC SPX-22: "p is [beta, 56 zero bytes] xor s. The slot is p[0..56), the next beta is p[56..448)." */
    struct sphinx_slot s;
    sphinx_xor(p, w->packet + SPHINX_AT_BETA, SPHINX_BETA);
    if (!sphinx_slot_read(p, &s)) return SPHINX_BAD_COMMAND;
    uint8_t *delta = w->packet + SPHINX_HEADER;
    w->command = s.command;
    w->delay_ms = s.delay_ms;
    w->next = s.next;
    w->end = s.end;
    memcpy(w->delay_input, w->okm + SPHINX_OKM_DELAY, sizeof w->delay_input);
    /* SPEC SPX-32: "Every node deciphers delta with its payload key, whatever the command." */
    crypto_hctr2_decrypt(w->okm + SPHINX_OKM_PAYLOAD, vl_span(NULL, 0), delta, SPHINX_DELTA, delta);
    if (s.command == SPHINX_FORWARD) rewrite(w->packet, &s, p + SPHINX_SLOT);
    /* SPEC SPX-33: "At commands 2 and 4 the first 16 bytes of the deciphered delta must be zero, compared in constant
     * time, else somebody changed the payload and the packet is dropped." */
    if ((s.command == SPHINX_DELIVER || s.command == SPHINX_DROP) && !sphinx_payload_good(delta)) {
        memset(delta, 0, SPHINX_DELTA);
        return SPHINX_BAD_PAYLOAD;
    }
    return SPHINX_OK;
}

#define PEEL_LANES 16u /* streams side by side; 7 KiB of stack */

void sphinx_peel(struct sphinx_work *w, size_t n) {
    assert(n <= SPHINX_BATCH);
    struct {
        uint8_t key[PEEL_LANES][32], stream[PEEL_LANES][SPHINX_STREAM];
        struct sphinx_work *work[PEEL_LANES];
        uint8_t *at[PEEL_LANES];
    } g;
    for (size_t i = 0; i < PEEL_LANES; i++) g.at[i] = g.stream[i];
    for (size_t from = 0; from < n;) {
        size_t lanes = 0;
        for (; from < n && lanes < PEEL_LANES; from++) {
            if (w[from].verdict != SPHINX_OK) continue;
            memcpy(g.key[lanes], w[from].okm + SPHINX_OKM_HEADER, 32);
            g.work[lanes++] = &w[from];
        }
        crypto_chacha20_many((const uint8_t(*)[32])g.key, lanes, g.at, SPHINX_STREAM);
        for (size_t i = 0; i < lanes; i++) g.work[i]->verdict = peel_one(g.work[i], g.stream[i]);
    }
    /* SPEC SPX-52: "okm and ss are wiped when the packet leaves the peeling, whatever became of it." */
    for (size_t i = 0; i < n; i++) crypto_wipe(w[i].okm, sizeof w[i].okm);
    crypto_wipe(&g, sizeof g);
}
