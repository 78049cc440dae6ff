/* audit.h - did the mixes wait as the protocol says?  A member remembers the delay inputs of its own loops; when the
 * mix keys of their epoch are gone, relays publish the proofs of their delay secrets, and each loop can be checked: its
 * transit must be at least the sum of the delays assigned, and not much more.
 * One loop does not tell which of its hops is to blame; many do, so relays are counted (mixnet.md 6.4).
 * Honest limit: it proves what was assigned; that a node waited shows only in transits.  Pure. */
#ifndef VL_MIX_AUDIT_H
#define VL_MIX_AUDIT_H

#include "mix/consensus.h"
#include "mix/delay.h"
#include "mix/sphinx.h"

#define AUDIT_LOOPS 256u     /* remembered; the oldest gives way */
#define AUDIT_EPOCHS 4u      /* whose shared random value is remembered: proofs of an epoch come three later */
#define AUDIT_SLACK_MS 1500u /* links, mailboxes and clocks that count milliseconds, for a whole loop */

struct audit;
/* NULL: out of memory. */
struct audit *audit_create(void);
void audit_destroy(struct audit *a); /* NULL is a no-op */

/* A consensus came into force: takes its shared random value and VRF keys for the loops to come, and judges the loops
 * whose proofs it brings. */
void audit_consensus(struct audit *a, const struct mix_consensus *c);
/* A loop left, with the header it used and its id. */
void audit_sent(struct audit *a, vl_ms now, const uint8_t id[32], const struct sphinx_prebuilt *header);
void audit_back(struct audit *a, vl_ms now, const uint8_t id[32]); /* unknown ids are ignored */

struct audit_stats {
    uint64_t judged;   /* loops */
    uint64_t early;    /* of these: faster than the delays assigned: some hop did not wait */
    uint64_t late;     /* slower than they and the tolerance: some hop, or a link, held it */
    uint64_t unproven; /* loops with a hop whose relay did not publish a valid proof */
};
struct audit_stats audit_stats(const struct audit *a);
struct audit_relay {
    uint32_t number;
    uint32_t judged, early, late; /* loops that passed it */
    bool unproven;                /* its last proof was missing or wrong */
};
/* i-th relay that was ever judged, in no order; false: no more. */
bool audit_relay_at(const struct audit *a, uint32_t i, struct audit_relay *ret);

#endif
