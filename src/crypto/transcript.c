#include "crypto/transcript.h"

#include "crypto/keccak.h"
#include "crypto/random.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

/* STROBE-128: rate 166 of 200 bytes, two of which are kept for its padding. */
#define RATE 166u
enum flag { FLAG_I = 1, FLAG_A = 2, FLAG_C = 4, FLAG_M = 16 }; /* inbound, application, cipher, meta */

static void xor_byte(struct transcript *t, unsigned at, uint8_t b) { t->lane[at / 8] ^= (uint64_t)b << at % 8 * 8; }
static uint8_t byte_of(const struct transcript *t, unsigned at) { return (uint8_t)(t->lane[at / 8] >> at % 8 * 8); }

static void run_f(struct transcript *t) {
    xor_byte(t, t->at, t->began);
    xor_byte(t, t->at + 1u, 0x04);
    xor_byte(t, RATE + 1u, 0x80);
    keccak_f1600(t->lane);
    t->at = t->began = 0;
}

static void step(struct transcript *t) {
    if (++t->at == RATE) run_f(t);
}

static void absorb(struct transcript *t, const void *p, size_t n) {
    const uint8_t *in = p;
    for (size_t i = 0; i < n; i++) {
        xor_byte(t, t->at, in[i]);
        step(t);
    }
}

/* Like absorb, with the state replaced: earlier states cannot be computed from later ones. */
static void overwrite(struct transcript *t, const uint8_t *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        xor_byte(t, t->at, (uint8_t)(byte_of(t, t->at) ^ in[i]));
        step(t);
    }
}

static void squeeze(struct transcript *t, uint8_t *dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = byte_of(t, t->at);
        xor_byte(t, t->at, dst[i]);
        step(t);
    }
}

/* Every operation but the continuation of one begins with its flags; ciphers begin at a block. */
static void begin(struct transcript *t, uint8_t flags) {
    const uint8_t head[2] = { t->began, flags };
    t->began = (uint8_t)(t->at + 1);
    absorb(t, head, sizeof head);
    if ((flags & FLAG_C) != 0 && t->at != 0) run_f(t);
}

/* Merlin frames each message: label, then its length in 4 bytes little-endian, both as metadata. */
static void frame(struct transcript *t, const char *label, size_t n) {
    assert(n <= UINT32_MAX);
    const uint8_t len[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) };
    begin(t, FLAG_M | FLAG_A);
    absorb(t, label, strlen(label));
    absorb(t, len, sizeof len); /* "more": the same operation goes on */
}

void transcript_init(struct transcript *t, const char *label) {
    static const char domain[] = "Merlin v1.0", version[] = "STROBEv1.0.2";
    static const uint8_t head[] = { 1, RATE + 2, 1, 0, 1, 96 };
    memset(t, 0, sizeof *t);
    for (unsigned i = 0; i < sizeof head; i++) xor_byte(t, i, head[i]);
    for (unsigned i = 0; i < sizeof version - 1; i++) xor_byte(t, (unsigned)sizeof head + i, (uint8_t)version[i]);
    keccak_f1600(t->lane);
    begin(t, FLAG_M | FLAG_A);
    absorb(t, domain, sizeof domain - 1);
    transcript_append(t, "dom-sep", vl_span_str(label));
}

void transcript_append(struct transcript *t, const char *label, struct vl_span message) {
    frame(t, label, message.n);
    begin(t, FLAG_A);
    absorb(t, message.p, message.n);
}

void transcript_append_u64(struct transcript *t, const char *label, uint64_t v) {
    uint8_t le[8];
    for (int i = 0; i < 8; i++) le[i] = (uint8_t)(v >> 8 * i);
    transcript_append(t, label, vl_span(le, sizeof le));
}

void transcript_challenge(struct transcript *t, const char *label, uint8_t *dst, uint32_t n) {
    frame(t, label, n);
    begin(t, FLAG_I | FLAG_A | FLAG_C);
    squeeze(t, dst, n);
}

void transcript_challenge_scalar(struct transcript *t, const char *label, uint8_t ret[32]) {
    uint8_t wide[64];
    transcript_challenge(t, label, wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(ret, wide);
}

void transcript_rng_begin(const struct transcript *t, struct transcript *ret) { *ret = *t; }

void transcript_rng_rekey(struct transcript *rng, const char *label, struct vl_span witness) {
    frame(rng, label, witness.n);
    begin(rng, FLAG_A | FLAG_C);
    overwrite(rng, witness.p, witness.n);
}

void transcript_rng_finish(struct transcript *rng, const uint8_t random[32]) {
    begin(rng, FLAG_M | FLAG_A);
    absorb(rng, "rng", 3);
    begin(rng, FLAG_A | FLAG_C);
    overwrite(rng, random, 32);
}

void transcript_rng_fill(struct transcript *rng, uint8_t *dst, uint32_t n) {
    const uint8_t len[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) };
    begin(rng, FLAG_M | FLAG_A);
    absorb(rng, len, sizeof len);
    begin(rng, FLAG_I | FLAG_A | FLAG_C);
    squeeze(rng, dst, n);
}

void transcript_wipe(struct transcript *t) { crypto_wipe(t, sizeof *t); }
