/* zk_random.h - random predicates over three attributes, as text and as a tree that is computed in the plainest way; for
 * tests that hold the compiler and the proofs against it. */
#ifndef VL_TESTS_ZK_RANDOM_H
#define VL_TESTS_ZK_RANDOM_H

#include "base/prng.h"
#include "trust/zk_pred.h"

#define ZK_RANDOM_ATTRS 3u
#define ZK_RANDOM_NODES 32u

struct zk_random {
    char text[4096];
    unsigned n, root, bits[ZK_RANDOM_ATTRS];
    struct {
        enum { RANDOM_AND, RANDOM_OR, RANDOM_NOT, RANDOM_COMPARE, RANDOM_BETWEEN, RANDOM_IN } kind;
        unsigned a, b;      /* children */
        int k[3], c;        /* sum of k[i] x[i] + c */
        unsigned relation;  /* = != < <= > >= */
        unsigned set[4], n; /* members, or two ends */
        bool negated;       /* not in */
    } node[ZK_RANDOM_NODES];
};
void zk_random_make(struct zk_random *q, struct vl_prng *r);
/* Values of a, b, c, often near where answers change. */
void zk_random_values(const struct zk_random *q, struct vl_prng *r, uint64_t value[ZK_RANDOM_ATTRS]);
bool zk_random_holds(const struct zk_random *q, const uint64_t value[ZK_RANDOM_ATTRS]);
/* From a, b, c to the order of the program, which leaves out attributes that say nothing. */
void zk_random_order(const struct zk_program *p, const uint64_t value[ZK_RANDOM_ATTRS], uint64_t ret[ZK_ATTRS_MAX]);

#endif
