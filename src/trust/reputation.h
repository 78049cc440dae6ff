/* reputation.h - core: one reputation of each node for the whole village (TRU-05; fog.md 5; Josang & Ismail 2002).
 *
 * Each dimension is a Beta distribution over the share of promises kept.  With r, s the decayed weights of good and bad
 * evidence, a the base rate: E = (r + 2a) / (r + s + 2), u = 2 / (r + s + 2), b = r / (r + s + 2), d = s / (r + s + 2),
 * sd^2 = E (1 - E) / (r + s + 3), lower bound E - 1.645 sd (95 % one-sided).  A newcomer has u = 1 and E = a.
 *
 * One figure: trust is the smallest of the lower bounds of correct, in time and honest, doubt the largest u of these.
 * The smallest, since a node is as good as its worst promise: a product would sink with every further dimension, a mean
 * would let much punctuality pay for wrong results.  Available stays out: whether a node is there is known when work is
 * placed, and how well it stays is promised per agreement; in `trust` it would shut out every machine that sleeps at
 * night.  Who relies on presence takes the smaller of trust and available (the directory of mixes does).
 *
 * Bit for bit the same everywhere: integers only, and a score is a function of the set of pieces, not of their order.
 * Time is cut into half-lives of the dimension; a piece at time t adds weight * 2^((t mod h)/h) to the sum of its
 * half-life t / h ("forward decay", Cormode et al. 2009), an exact integer; a score at `now` shifts each sum right by
 * the half-lives since and multiplies once by 2^-((now mod h)/h).  So sums may be made in any order, and old pieces can
 * be folded into sums that others may check.  Error of 2^x: x is cut to 2^-16, hence at most 1.1e-5 of a weight, and 16
 * roundings of 2^-30.  Pieces older than 32 half-lives count nothing.
 *
 * Identity is the key: nothing passes from one to another.  Not thread-safe; nothing here reads a clock. */
#ifndef VL_TRUST_REPUTATION_H
#define VL_TRUST_REPUTATION_H

#include "base/bounds.h"
#include "trust/evidence.h"

#define REPUTATION_DAY_MS 86400000u
#define REPUTATION_SLOW_DAYS 60u /* half-life of correct and honest: character changes slowly */
#define REPUTATION_FAST_DAYS 14u /* of in time and available: circumstances change fast */
#define REPUTATION_BASE_MILLI 500u      /* base rate among invited nodes */
#define REPUTATION_BASE_OPEN_MILLI 300u /* where anyone may enrol */
#define REPUTATION_TRUSTED_PPM 800000u
#define REPUTATION_DOUBT_PPM 200000u
#define REPUTATION_FOLD 256u          /* pieces that are folded at once: 256 to 511 stay readable one by one */
#define REPUTATION_KEPT (2 * REPUTATION_FOLD)
#define REPUTATION_HALF_LIVES 32u     /* what is older counts nothing */
#define REPUTATION_CELLS_MAX (3u * 2u * REPUTATION_DIMS * (REPUTATION_HALF_LIVES + 1))
#define REPUTATION_RECORD_MAX (256u + 14u * REPUTATION_CELLS_MAX)

uint64_t reputation_half_life_ms(enum reputation_dim d);

/* ---- scores ------------------------------------------------------------------------------------------------------- */

/* Millionths; good and bad: decayed weights r and s in millionths, capped at a million weights. */
struct reputation_beta {
    uint64_t good_micro, bad_micro;
    uint32_t expect_ppm, sd_ppm, lower_ppm, upper_ppm;
    uint32_t belief_ppm, disbelief_ppm, doubt_ppm;
};
struct reputation_score {
    struct reputation_beta dim[REPUTATION_DIMS];
    uint32_t trust_ppm, doubt_ppm; /* trust rounded down, doubt up */
    uint32_t error_ppm;            /* upper 95 % bound of the share of wrong results, never below the exact one */
    bool flagged;                  /* doubt > 0.2: its results want to be checked */
    bool trusted;                  /* trust >= 0.8 and doubt <= 0.2 */
    uint64_t pieces;               /* of evidence, in all its time */
    vl_ms at_ms;                   /* the time for which this holds: never before the last piece */
};
/* r, s in millionths of a weight, <= 1e12; base 1..999. */
void reputation_beta_of(uint64_t good_micro, uint64_t bad_micro, uint32_t base_milli, struct reputation_beta *ret);
/* Upper 95 % bound of a share after `checked` right and `wrong` wrong results (millionths, <= 1e12): Poisson's by
 * Wilson & Hilferty, 1 % added, made binomial by Bolshev.  0 and 0: 1,000,000. */
uint32_t reputation_error_ppm(uint64_t checked_micro, uint64_t wrong_micro);

/* What is known of one node.  Sums by part: 0 folded pieces (1 to `folded`), 1 up to `middle`, 2 up to `seq`. */
struct reputation_cell {
    uint64_t sum;   /* of weight_milli * 2^24 * 2^(t mod h / h), saturating */
    uint32_t epoch; /* t / h */
    uint8_t part;
    uint8_t slot; /* 2 * dimension, + 1: bad */
};
struct reputation_state {
    struct vl_node_id node;
    uint64_t seq, middle, folded;                   /* folded <= middle <= seq */
    struct vl_hash head, middle_head, folded_head; /* hashes of the pieces of these numbers */
    vl_ms last_ms;
    uint32_t n_cells, cells_cap;
    struct reputation_cell *cells; /* owned; ascending by part, slot, epoch */
};
void reputation_state_free(struct reputation_state *s);
/* now is raised to s->last_ms: time does not run backwards. */
void reputation_state_score(const struct reputation_state *s, uint32_t base_milli, vl_ms now,
                            struct reputation_score *ret);
/* Durable and public form.  Decode allocates; VL_EPARSE, VL_EVERSION, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err reputation_state_encode(const struct reputation_state *s, struct vl_buf *out);
VL_MUST_CHECK enum vl_err reputation_state_decode(struct vl_span in, struct reputation_state *ret);

/* The score at `now` from what anyone can fetch: the sums of folded pieces (s: node, folded, folded_head, and cells of
 * part 0; others are ignored) and all later pieces, n of them, in any order.  *ret_head: hash of the last piece.
 * Signatures are not looked at: evidence_verify().
 * VL_ERANGE: a piece about another node, out of range, later than now.  VL_ENOTFOUND: one is missing.
 * VL_EEXISTS: one is there twice.  VL_ECRYPTO: the chain does not hold.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err reputation_recompute(const struct reputation_state *s, const struct evidence *v, uint32_t n,
                                               uint32_t base_milli, vl_ms now, struct reputation_score *ret,
                                               struct vl_hash *ret_head);

bool reputation_score_same(const struct reputation_score *a, const struct reputation_score *b);
/* The same from bytes, signatures too: `state` is an encoded state, `records` its pieces, EVIDENCE_BYTES each.  VL_OK:
 * all pieces are signed by one key (*ret_by), form a chain that ends with the state's head, and the state's score is what
 * they give; else `why` says what is wrong.  Errors as above; VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err reputation_check(struct vl_span state, struct vl_span records, uint32_t base_milli, vl_ms now,
                                           struct reputation_score *ret, struct vl_node_id *ret_by,
                                           struct vl_errmsg *why);

/* ---- the book ----------------------------------------------------------------------------------------------------- */

struct reputation; /* opaque: chains, sums and counts agree */
struct reputation_config {
    uint64_t seed;       /* of the hash table */
    uint32_t max_nodes;  /* >= 1 */
    uint32_t base_milli; /* 1..999 */
};
/* NULL: out of memory.  Owned by the caller. */
struct reputation *reputation_create(const struct reputation_config *config);
void reputation_destroy(struct reputation *r);

/* Takes one more piece about e->node: gives it its number, the hash of the one before, a time not before that one's and
 * the signature.  *ret_first, *ret_n: numbers of pieces that are folded now and need not be kept (n 0: none).
 * VL_ERANGE: kind, weight or time.  VL_ELIMIT: max_nodes.  VL_ENOMEM.  On error nothing changed. */
VL_MUST_CHECK enum vl_err reputation_add(struct reputation *r, const struct crypto_sign_key *key, struct evidence *e,
                                         uint64_t *ret_first, uint64_t *ret_n);
/* A record of reputation_state_encode().  VL_EPARSE, VL_EVERSION, VL_EEXISTS, VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err reputation_restore(struct reputation *r, struct vl_span record);
/* False: nothing is known of it; ret is then a newcomer's. */
bool reputation_get(const struct reputation *r, struct vl_node_id node, vl_ms now, struct reputation_score *ret);
/* NULL: nothing is known.  Borrowed until the next call that changes r. */
const struct reputation_state *reputation_state(const struct reputation *r, struct vl_node_id node);
/* All that is known of it is gone; VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err reputation_forget(struct reputation *r, struct vl_node_id node);
uint32_t reputation_count(const struct reputation *r);
uint32_t reputation_base_milli(const struct reputation *r);

#endif
