/* transcript.h - Merlin v1.0: the transcript of a proof, from which its challenges follow (Fiat-Shamir), byte for byte
 * as the merlin crate makes them; over the part of STROBE-128 v1.0.2 (Hamburg 2017, eprint 2017/003) that needs.
 *
 * A statement is safe only when ALL of it is in the transcript before the first challenge: parameters, generators,
 * commitments, context.  What is left out, the prover may choose afterwards.  Pure. */
#ifndef VL_CRYPTO_TRANSCRIPT_H
#define VL_CRYPTO_TRANSCRIPT_H

#include "base/bytes.h"

#include <stdint.h>

/* A plain value: copy it to fork.  A prover's may hold secrets: transcript_wipe().  Members are private. */
struct transcript {
    uint64_t lane[25];
    uint8_t at, began; /* STROBE's pos and pos_begin */
};

/* label names the protocol; labels are constant texts of ours, never input. */
void transcript_init(struct transcript *t, const char *label);
/* message: below 2^32 bytes (the length is absorbed as 32 bits; asserted). */
void transcript_append(struct transcript *t, const char *label, struct vl_span message);
/* v as 8 bytes little-endian. */
void transcript_append_u64(struct transcript *t, const char *label, uint64_t v);
/* The challenge is absorbed as well: what follows depends on it. */
void transcript_challenge(struct transcript *t, const char *label, uint8_t *dst, uint32_t n);
/* 64 bytes of challenge modulo L, as the dalek crates do: uniform to within 2^-252. */
void transcript_challenge_scalar(struct transcript *t, const char *label, uint8_t ret[32]);
/* Secret randomness for a prover, bound to all that is in the transcript (Merlin's TranscriptRng): a copy keyed by the
 * witness and by 32 fresh random bytes; even with bad random bytes no two statements share a nonce.
 * Add each secret with _rekey(), end with _finish(random), draw with _fill(), then wipe. */
void transcript_rng_begin(const struct transcript *t, struct transcript *ret);
void transcript_rng_rekey(struct transcript *rng, const char *label, struct vl_span witness);
void transcript_rng_finish(struct transcript *rng, const uint8_t random[32]);
void transcript_rng_fill(struct transcript *rng, uint8_t *dst, uint32_t n);
void transcript_wipe(struct transcript *t);

#endif
