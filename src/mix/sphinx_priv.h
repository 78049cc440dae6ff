/* sphinx_priv.h - offsets and the steps that the sender and the node of a Sphinx packet share: key derivation, MAC,
 * slots. For sphinx*.c and their tests.  Source: docs/spec/sphinx.md.  Pure. */
#ifndef VL_MIX_SPHINX_PRIV_H
#define VL_MIX_SPHINX_PRIV_H

#include "mix/sphinx.h"

/* SPEC SPX-01: "A packet has 2048 bytes wherever it is: AD of 8 bytes, E of 32, gamma of 16, beta of 392, delta of
 * 1600." */
enum {
    SPHINX_AD = 8,
    SPHINX_AT_KEY_ID = 2,
    SPHINX_AT_E = 8,
    SPHINX_AT_GAMMA = 40,
    SPHINX_AT_BETA = 56,
    SPHINX_MAC = 16,
    SPHINX_BETA = 392,
    SPHINX_SLOT = 56,
    SPHINX_STREAM = SPHINX_BETA + SPHINX_SLOT,
    SPHINX_ZEROS = 16, /* before the body */
};
/* SPEC SPX-14: "okm is [mac key 32, header key 32, payload key 32, replay tag 16, delay input 16, reserved 64]." */
enum {
    SPHINX_OKM_MAC = 0,
    SPHINX_OKM_HEADER = 32,
    SPHINX_OKM_PAYLOAD = 64,
    SPHINX_OKM_TAG = 96,
    SPHINX_OKM_DELAY = 112
};
#define SPHINX_OKM 192u
/* Key exchanges side by side: eight times the widest implementation shares the cost of its inversion, and what they
 * need stays below 24 KiB of stack. */
#define SPHINX_LANES 64u

static inline void sphinx_put_le32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}
static inline uint32_t sphinx_get_le32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline void sphinx_put_le16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline uint16_t sphinx_get_le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline void sphinx_xor(uint8_t *dst, const uint8_t *src, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] ^= src[i];
}

void sphinx_put_ad(uint8_t ad[SPHINX_AD], uint8_t key_id);
bool sphinx_ad_good(const uint8_t ad[SPHINX_AD]); /* but for the key id */
/* The first half of the derivation; ss is not zero, or the caller will not use what comes of it. */
void sphinx_extract(const uint8_t ss[32], const uint8_t e[32], const uint8_t node_public[32], uint8_t prk[32]);
/* The second half, for n of them side by side. */
void sphinx_expand(const uint8_t (*prk)[32], size_t n, uint8_t *const *okm);
/* Over AD, E and beta of the header; ret may be its gamma. */
void sphinx_mac(const uint8_t key[32], const uint8_t header[SPHINX_HEADER], uint8_t ret[SPHINX_MAC]);

/* A slot in the clear. */
struct sphinx_slot {
    enum sphinx_command command;
    uint16_t delay_ms;
    uint8_t next_key_id;           /* FORWARD, and the next three */
    uint32_t next;                 /* > 0 */
    const uint8_t *gamma, *next_e; /* borrowed from the bytes */
    struct sphinx_end end;         /* others; its command is set for them alone */
};
void sphinx_slot_put(const struct sphinx_slot *s, uint8_t dst[SPHINX_SLOT]);
/* False: not a slot that SPX-04..06 know. */
bool sphinx_slot_read(const uint8_t src[SPHINX_SLOT], struct sphinx_slot *ret);

/* delta = the 16 zero bytes and the body, not enciphered yet. */
void sphinx_payload_put(const uint8_t body[SPHINX_BODY], uint8_t delta[SPHINX_DELTA]);
/* Constant time: the 16 zero bytes are there. */
bool sphinx_payload_good(const uint8_t delta[SPHINX_DELTA]);

#endif
