/* succession.h - keys of members that follow one another, provable by whoever has the statements; and the coordinator's book of them.
 * Core: pure.  A member that replaces its key has the old key sign for the new one and the new one for the old, so that neither can be
 * drawn into a line against its holder's will.  A node is the same member through all of its keys: its origin, the first of them, is
 * where its reputation is kept. */
#ifndef VL_TRUST_SUCCESSION_H
#define VL_TRUST_SUCCESSION_H

#include "crypto/sign.h"
#include "wire/succession.h"

#include <stddef.h>

#define SUCCESSION_CHAIN_MAX 256u /* keys of one line: 64 years of them */
#define SUCCESSION_BOOK_MAX 400000u

/* Fills old, next and both signatures. */
void succession_sign(const struct crypto_sign_key *old, const struct crypto_sign_key *next, struct succession *s);
/* Both signatures, in this order.  VL_EDENIED: of another village.  VL_ECRYPTO. */
VL_MUST_CHECK enum vl_err succession_verify(const struct succession *s, struct village_id village);
/* n statements lead from `first` to `last`, each verified, in time and without a key twice.  VL_ERANGE: none, or more than
 * SUCCESSION_CHAIN_MAX; VL_ESTALE: a gap, a loop, or times that go back; errors of succession_verify(). */
VL_MUST_CHECK enum vl_err succession_chain(const struct succession *v, size_t n, struct village_id village, struct vl_node_id first,
                                           struct vl_node_id last);

struct succession_book;
/* NULL: out of memory.  Returns owned; seed of its hash tables. */
struct succession_book *succession_book_create(struct village_id village, uint64_t seed);
void succession_book_destroy(struct succession_book *b);

/* Whether it can be taken: VL_OK, also when the same two keys are in the book already.  VL_EEXISTS: the old key has another successor, or
 * the new key is in the book.  VL_ELIMIT.  VL_EAGAIN: of more than ROSTER_SKEW_MS ahead of now.  Errors of succession_verify(). */
VL_MUST_CHECK enum vl_err succession_may(const struct succession_book *b, const struct succession *s, vl_ms now);
/* Of a statement that may, or one that was stored: not verified again.  ret_new: false when it was there (the first one stays).
 * VL_EEXISTS, VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err succession_take(struct succession_book *b, const struct succession *s, bool *ret_new);
/* That made this key, or that replaced it; NULL: none.  Borrowed until the next take. */
const struct succession *succession_to(const struct succession_book *b, struct vl_node_id node);
const struct succession *succession_from(const struct succession_book *b, struct vl_node_id node);
/* The first key of its line; the node itself when it has replaced none. */
struct vl_node_id succession_origin(const struct succession_book *b, struct vl_node_id node);
size_t succession_count(const struct succession_book *b);

#endif
