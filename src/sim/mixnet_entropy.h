/* mixnet_entropy.h - who may have sent this packet?  The exact answer of an enemy who sees every link.
 *
 * The enemy sees every packet on every link and knows of each, besides, the mean of the delay it asked for and how many
 * relays it has behind it; what goes from a client to its guard is that client's.  What waits at a relay for an
 * exponential time is without memory: when one of n leaves, each of the n is as likely to be the one.  So the packet
 * that leaves carries the mean of the distributions of those that wait, and their sum L goes on as L - L / n.
 * (Serjantov & Danezis 2002, Diaz et al. 2002, for the entropy; Danezis 2004, for the exponential mix.)  Packets of
 * unequal mean or way wait in pools of their own, for he can tell them apart.  A watcher of links alone knows less;
 * that he would have to guess how far a packet has come makes the answer harder, not the entropy lower.  Whether the
 * answer is right shows in the chance it gives the true sender: the mean of its -log2 is the entropy if it is, and
 * larger if it is not.
 *
 * The distribution is taken as a packet comes to its last relay, for that relay may be the enemy's, too.  Not counted
 * in: what he learns from many messages over a long time, from members that are not always there, or from dropping
 * packets himself. */
#ifndef VL_SIM_MIXNET_ENTROPY_H
#define VL_SIM_MIXNET_ENTROPY_H

#include "base/err.h"

#include <stdint.h>

struct mass; /* distributions over `clients` senders */
/* VL_ENOMEM. */
VL_MUST_CHECK enum vl_err mass_create(uint32_t clients, uint32_t pools, struct mass **ret);
void mass_destroy(struct mass *m);
/* A distribution to fill; NULL: no memory.  Given back with mass_free(); NULL is a no-op. */
float *mass_new(struct mass *m);
void mass_free(struct mass *m, float *v);
/* A packet comes into a pool: v, or if that is NULL `origin` for certain. VL_ENOMEM. */
VL_MUST_CHECK enum vl_err mass_in(struct mass *m, uint32_t pool, const float *v, uint32_t origin);
/* One leaves.  ret: its distribution, NULL when nobody asks. */
void mass_out(struct mass *m, uint32_t pool, float *ret);
uint32_t mass_waiting(const struct mass *m, uint32_t pool);
/* Bits; *ret_sum: of the chances, 1 but for rounding. */
double mass_entropy(const struct mass *m, const float *v, double *ret_sum);

#endif
