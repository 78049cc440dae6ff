/* quorum.h - core: which nodes together keep a promise of availability, what they can promise at best, and why not
 * (FOG-16).  Pure; no clock, no I/O.  What was promised is measured in agreement.h; how available one node is, in
 * uptime.h.
 *
 * Correlated failure: the beta-factor model (K. N. Fleming 1975; IEC 61508-6 annex D).  A node is down q of the time.
 * Of that a share beta is common to its failure domain (all of the domain is down at once), the rest is its own:
 *
 *     c = beta * q of the best node in the domain,   own_i = (q_i - c) / (1 - c)
 *     down(domain) = c + (1 - c) * prod own_i,       down = prod over the domains
 *
 * so that one node alone is down exactly q, whatever beta.  With equal q this is fog.md section 5 but for a term of
 * second order: it never promises more than the formula there.  Adding a node never lowers the availability.
 *
 * Every kind of domain is computed by itself and the worst counts (the kinds overlap: a site has an owner).  Labels
 * that are not known are taken at their worst: in SITE and OWNER nodes without a label are all at one place and of one
 * owner; the other kinds count once a chosen node has a label, and the nodes without one then share the domain that
 * hurts most. */
#ifndef VL_FOG_QUORUM_H
#define VL_FOG_QUORUM_H

#include "base/err.h"
#include "base/id.h"
#include "wire/terms.h"

#include <stdbool.h>
#include <stdint.h>

#define QUORUM_ONE 1000000000u /* 1, in parts of a billion (ppb): what is promised is in these */
#define QUORUM_NODES_MAX 9u    /* JOB_REPLICAS_MAX */
#define QUORUM_WIDE_MAX 64u    /* nodes of all groups of one job together */
#define QUORUM_EXACT_MAX 12u   /* so many candidates are searched in full: 4,096 sets, below 10 ms */
#define QUORUM_TEXT 200u       /* TASK_ERROR_MAX: it travels as the error of a refused job */

/* What a tier promises and asks for.  Providers are owners: machines of one person stand and fall together. */
struct quorum_tier {
    uint32_t promise_ppb;
    uint32_t owners, regions, infras; /* different ones, at least */
};
/* bronze 95 %, 1 owner; silver 99.5 %, 2; gold 99.9 %, 3 owners in 2 regions; platinum 99.99 %, 5 owners, 2 regions, 2
 * infrastructure kinds.  TIER_NONE: all zero. */
struct quorum_tier quorum_tier(enum sla_tier t);
/* Downtime that the tier allows in a period, in ms, rounded down. */
uint64_t quorum_allowed_ms(enum sla_tier t, uint64_t period_ms);

struct quorum_node {
    struct vl_node_id id;
    uint32_t avail_ppb;       /* lower bound, 0..QUORUM_ONE */
    uint64_t price;           /* of an hour of one slot, micro-credits, <= TERMS_PRICE_MAX */
    uint32_t busy;            /* promises it is bound by: of sets equal in price and number the least busy wins */
    uint64_t domain[DOMAINS]; /* label_hash(); 0: unknown */
};

/* Upper bounds of the common-cause share beta, ppb, by kind of domain.  A kind with 0 is left out. */
struct quorum_beta {
    uint32_t ppb[DOMAINS];
};
/* 0.3 for what stands at one place (HOST 0.9, SITE, OWNER, POWER, ISP): the upper of the two shares in the table of
 * fog.md section 5; Ford et al. (OSDI 2010) found that a large part of node failures comes in bursts, most of the
 * large ones by rack.  0.03 for what is wide (PLATFORM, VENDOR, INFRA, REGION): an assumption, a tenth of it. */
struct quorum_beta quorum_beta_default(void);

struct quorum_ask {
    enum sla_tier tier; /* not TIER_NONE */
    bool majority;      /* more than half must be up, since results are voted on; false: one is enough */
    bool spread_set;    /* no two nodes may share a label in `spread`; unknown ones count as shared */
    enum domain spread;
    uint32_t least, most; /* nodes, 1 <= least <= most <= QUORUM_NODES_MAX */
    struct quorum_beta beta;
};

struct quorum_choice {
    bool ok;                         /* the tier is honoured; false: the best that could be found, and why not */
    uint32_t n;                      /* nodes, 0: none */
    uint32_t node[QUORUM_NODES_MAX]; /* indexes of candidates, ascending */
    uint32_t avail_ppb;              /* what these promise */
    enum domain worst;               /* the kind of domain that decided */
    uint32_t domains;                /* different ones of that kind among the chosen */
    uint64_t price;                  /* of all together */
    char why[QUORUM_TEXT];           /* when !ok: a sentence for people */
};

/* Chance that enough of the nodes are down, 0..1: the worst over the kinds of domain.  n <= QUORUM_NODES_MAX; `which`
 * indexes nodes, NULL: the first n.  ret_worst may be NULL. */
double quorum_down(const struct quorum_node *nodes, const uint32_t *which, uint32_t n, bool majority,
                   const struct quorum_beta *beta, enum domain *ret_worst);
/* Whether the set honours the tier by itself: number, availability, owners, regions, kinds, spread.  The test that every
 * choice here passes.  ret_ppb may be NULL.  n <= QUORUM_NODES_MAX. */
bool quorum_keeps(const struct quorum_ask *ask, const struct quorum_node *nodes, const uint32_t *which, uint32_t n,
                  uint32_t *ret_ppb);
/* How far a set is from that: below 1e-2 nothing but the number may be missing; QUORUM_NEVER: two share what they may not. */
#define QUORUM_NEVER 1e9
double quorum_lacking(const struct quorum_ask *ask, const struct quorum_node *nodes, const uint32_t *which, uint32_t n);
/* 1 - down in ppb, rounded down. */
uint32_t quorum_avail_ppb(double down);

/* The cheapest set that honours the tier; equal prices: fewer nodes, then the less busy, the more available, smaller indexes.
 * Exact up to QUORUM_EXACT_MAX candidates; above that a greedy choice improved by exchanges, which can miss a set that
 * exists, and says so.  nodes: sorted by id, all different.  VL_ERANGE: an argument out of its range. */
VL_MUST_CHECK enum vl_err quorum_choose(const struct quorum_ask *ask, const struct quorum_node *nodes, uint32_t n,
                                        struct quorum_choice *ret);

/* Groups for a wide job: each keeps the tier by itself (quorum_keeps()), all have the same number of nodes, no node is in
 * two of them. */
struct quorum_groups {
    uint32_t groups, size;
    uint32_t node[QUORUM_WIDE_MAX]; /* indexes of candidates, group by group */
    uint32_t avail_ppb;             /* of the weakest group */
    uint64_t price;                 /* of all together */
};
/* Up to `want` groups, the size chosen so that there are as many as can be found; of equally many the smallest.  `first`
 * is what quorum_choose() found (ok).  Looks at 96 candidates at most, the cheapest of different owners and places. */
VL_MUST_CHECK enum vl_err quorum_widen(const struct quorum_ask *ask, const struct quorum_node *nodes, uint32_t n,
                                       const struct quorum_choice *first, uint32_t want, struct quorum_groups *ret);
/* The candidate that should take the empty place in `which` (n others): one that makes it keep the tier if there is one,
 * first one that is not `taken`, then the cheapest; else the one that comes nearest.  n: none fits. */
uint32_t quorum_fill(const struct quorum_ask *ask, const struct quorum_node *nodes, uint32_t n_nodes, const bool *taken,
                     const uint32_t *which, uint32_t n);

#endif
