/* terms.h - what a job asks of its place, and in which words nodes describe theirs (FOG-03, FOG-06, FOG-07, FOG-16).
 * Numbers are on the wire and in logs: never renumber.  Money is in micro-credits (integers, no floating point). */
#ifndef VL_WIRE_TERMS_H
#define VL_WIRE_TERMS_H

#include "base/err.h"
#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

#define LABEL_MAX 16u           /* of a domain, with the NUL; printable ASCII */
#define TERMS_EXCLUDE_MAX 16u   /* nodes a job may rule out */
#define TERMS_PRICE_MAX (1ull << 50) /* micro-credits: sums of millions stay in 64 bits */

/* What fails together: replicas of one task are kept apart by these. A node's label in each; empty: unknown. */
enum domain {
    DOMAIN_HOST = 0,     /* the machine: several nodes may run on one */
    DOMAIN_SITE = 1,     /* house, rack, room */
    DOMAIN_OWNER = 2,    /* who could make all of theirs lie at once */
    DOMAIN_POWER = 3,    /* power region */
    DOMAIN_ISP = 4,      /* autonomous system */
    DOMAIN_PLATFORM = 5, /* kernel and build: one bug takes all */
    DOMAIN_VENDOR = 6,   /* of the hardware */
    DOMAIN_INFRA = 7,    /* "cloud", "edge", "datacentre", "hybrid" */
    DOMAIN_REGION = 8,
};
#define DOMAINS 9u
/* "host" ... "region".  Static storage. */
const char *domain_name(enum domain d);
bool domain_parse(const char *text, enum domain *ret);

/* B: one copy, checked by credibility and audits; A: replicated; S: replicated on attested or audited nodes. */
enum sla_class { SLA_B = 0, SLA_A = 1, SLA_S = 2 };
#define SLA_CLASSES 3u
const char *sla_class_name(enum sla_class c); /* "B", "A", "S" */
bool sla_class_parse(const char *text, enum sla_class *ret);

/* Availability promised: 95, 99.5, 99.9, 99.99 %. */
enum sla_tier { TIER_NONE = 0, TIER_BRONZE = 1, TIER_SILVER = 2, TIER_GOLD = 3, TIER_PLATINUM = 4 };
#define SLA_TIERS 5u
const char *sla_tier_name(enum sla_tier t); /* "none", "bronze" ... */
bool sla_tier_parse(const char *text, enum sla_tier *ret);

enum strategy {
    STRATEGY_DEFAULT = 0, /* the village's */
    STRATEGY_NSGA2 = 1,
    STRATEGY_LATENCY_FIRST = 2,
    STRATEGY_LOAD_BALANCE = 3,
    STRATEGY_TRUST_FIRST = 4,
    STRATEGY_COST = 5,
    STRATEGY_ROUND_ROBIN = 6,
    STRATEGY_LEAST_LOADED = 7,
    STRATEGY_AFFINITY = 8,
    STRATEGY_PROXIMITY = 9,
    STRATEGY_PRIVACY_AWARE = 10,
    STRATEGY_RANDOM = 11,
};
#define STRATEGIES 12u
const char *strategy_name(enum strategy s); /* "default", "nsga2", "latency_first" ... as in settings and the API */
bool strategy_parse(const char *text, enum strategy *ret);

/* Zeroed: nothing asked. */
struct job_terms {
    enum sla_class class;
    enum sla_tier tier;
    enum strategy strategy;
    bool spread_set;         /* keep replicas apart by `spread`; false: as the class says */
    enum domain spread;
    uint32_t min_trust_milli; /* lower bound of the node's reputation, 0..1000 */
    uint32_t min_attest_milli; /* level of the node's evidence of where it runs (trust/admission.h), 0..1000 */
    uint32_t max_latency_us;  /* round trip to the node; 0: any */
    uint64_t max_price;       /* micro-credits for an hour of one slot, <= TERMS_PRICE_MAX; 0: any; the reserve of an auction */
    char region[LABEL_MAX];   /* empty: any */
    uint32_t n_exclude;
    struct vl_node_id exclude[TERMS_EXCLUDE_MAX]; /* ascending, all different */
};
bool job_terms_ok(const struct job_terms *t);

/* What a label is compared by; 0: no label. */
uint64_t label_hash(const char *label);

#endif
