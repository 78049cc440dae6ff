/* sphinx_rig.h - nodes with keys, paths over them, and one packet's way through a node. */
#ifndef VL_TESTS_MIX_SPHINX_RIG_H
#define VL_TESTS_MIX_SPHINX_RIG_H

#include "mix/sphinx_priv.h"

struct sphinx_rig {
    struct sphinx_node_key key[SPHINX_HOPS_MAX];
    struct crypto_drbg rng;
};
/* Node i has the number 100 + i and the key id 10 + i. */
void sphinx_rig_init(struct sphinx_rig *r, const char *seed);
/* Over nodes 0 .. n-1, ending in `command` with all its fields set. */
struct sphinx_path sphinx_rig_path(const struct sphinx_rig *r, uint32_t n, enum sphinx_command command);
/* glance, open and peel at node i; *ret has everything, with the keys wiped. */
enum sphinx_verdict sphinx_rig_pass(const struct sphinx_rig *r, uint32_t i, uint8_t *packet, struct sphinx_work *ret);
/* glance and open alone. */
enum sphinx_verdict sphinx_rig_open(const struct sphinx_rig *r, uint32_t i, uint8_t *packet, struct sphinx_work *ret);
/* A body whose data (n bytes) is random. */
void sphinx_rig_body(struct sphinx_rig *r, size_t n, uint8_t body[SPHINX_BODY]);

#endif
