/* zk_priv.h - what the parts of zk_*.c share: generators, challenges, nonces, and equations of a batch.
 * Internal to zk_*.c. */
#ifndef VL_TRUST_ZK_PRIV_H
#define VL_TRUST_ZK_PRIV_H

#include "trust/zk_batch.h"
#include "trust/zk_range.h"
#include "trust/zk_scalar.h"

struct zk_gens {
    unsigned bits, values;
    struct ristretto value, blind; /* B and C */
    struct ristretto *g, *h;       /* [value * bits + bit] */
};

struct zk_scalar zk_challenge(struct transcript *t, const char *label);
/* A secret number of a prover. */
struct zk_scalar zk_nonce(struct transcript *rng);
/* v B + blind C of secret numbers. */
void zk_commit_point(const struct zk_gens *g, struct zk_scalar v, struct zk_scalar blind, struct ristretto *ret);
/* ret[0..n) = 1, x, x^2, ... */
void zk_powers(struct zk_scalar x, unsigned n, struct zk_scalar *ret);
struct zk_scalar zk_inner_product(const struct zk_scalar *a, const struct zk_scalar *b, unsigned n);
/* a when take is 1, b when it is 0; constant time. */
struct zk_scalar zk_select(uint64_t take, struct zk_scalar a, struct zk_scalar b);
/* 1 when a and b are the same, else 0; constant time. */
uint64_t zk_same(uint64_t a, uint64_t b);

/* Public numbers of a statement, each below L. */
bool zk_canonical_all_vartime(const struct zk_scalar *v, unsigned n);
/* In constant time: is this the commitment to v with that blinding factor?  VL_ERANGE: no.  VL_EPARSE: no encoding. */
enum vl_err zk_opens(const struct zk_gens *g, const uint8_t commitment[32], struct zk_scalar v, struct zk_scalar blind);

/* A proof as one sum of products that must be the identity. */
struct zk_equation {
    enum vl_err verdict; /* VL_OK: the sum decides */
    unsigned own, room;  /* terms with points of its own */
    struct ristretto *point;
    struct zk_scalar *scalar;
    struct zk_scalar value, blind; /* of B and C */
    unsigned count;                /* of the generators, in the order of zk_gens: the first so many */
    struct zk_scalar *g, *h;
    struct transcript t; /* after all of the proof: the weights of a batch come from it */
};
const struct zk_gens *zk_batch_gens(const struct zk_batch *b);
/* The next place, its verdict VL_ERANGE until told otherwise; valid until the next call.  NULL: none left. */
struct zk_equation *zk_batch_claim(struct zk_batch *b);
/* The verdict of the only claim of a batch, without weights. */
enum vl_err zk_batch_decide(struct zk_batch *b);
/* Memory for `room` own terms and `count` of each kind of generators, all scalars 0.  false: VL_ENOMEM. */
bool zk_equation_room(struct zk_equation *e, unsigned room, unsigned count);
/* Decodes the point of the next own term, whose number is then e->own - 1.  VL_EPARSE: no encoding; or the identity,
 * which no honest prover sends, where it is not allowed. */
bool zk_equation_point(struct zk_equation *e, const uint8_t in[32], bool identity_allowed);

#endif
