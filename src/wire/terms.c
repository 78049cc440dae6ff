#include "wire/terms.h"

#include <string.h>

static const char *const domains[DOMAINS] = { "host",     "site",   "owner", "power", "isp",
                                              "platform", "vendor", "infra", "region" };
static const char *const classes[SLA_CLASSES] = { "B", "A", "S" };
static const char *const tiers[SLA_TIERS] = { "none", "bronze", "silver", "gold", "platinum" };
static const char *const strategies[STRATEGIES] = {
    "default",     "nsga2",        "latency_first", "load_balance", "trust_first",   "cost",
    "round_robin", "least_loaded", "affinity",      "proximity",    "privacy_aware", "random",
};

static const char *name_of(const char *const *names, uint32_t n, unsigned i) { return i < n ? names[i] : "unknown"; }

static bool index_of(const char *const *names, uint32_t n, const char *text, unsigned *ret) {
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(names[i], text) != 0) continue;
        *ret = i;
        return true;
    }
    return false;
}

const char *domain_name(enum domain d) { return name_of(domains, DOMAINS, (unsigned)d); }
const char *sla_class_name(enum sla_class c) { return name_of(classes, SLA_CLASSES, (unsigned)c); }
const char *sla_tier_name(enum sla_tier t) { return name_of(tiers, SLA_TIERS, (unsigned)t); }
const char *strategy_name(enum strategy s) { return name_of(strategies, STRATEGIES, (unsigned)s); }

bool domain_parse(const char *text, enum domain *ret) {
    unsigned i;
    if (!index_of(domains, DOMAINS, text, &i)) return false;
    *ret = (enum domain)i;
    return true;
}
bool sla_class_parse(const char *text, enum sla_class *ret) {
    unsigned i;
    if (!index_of(classes, SLA_CLASSES, text, &i)) return false;
    *ret = (enum sla_class)i;
    return true;
}
bool sla_tier_parse(const char *text, enum sla_tier *ret) {
    unsigned i;
    if (!index_of(tiers, SLA_TIERS, text, &i)) return false;
    *ret = (enum sla_tier)i;
    return true;
}
bool strategy_parse(const char *text, enum strategy *ret) {
    unsigned i;
    if (!index_of(strategies, STRATEGIES, text, &i)) return false;
    *ret = (enum strategy)i;
    return true;
}

bool job_terms_ok(const struct job_terms *t) {
    if ((unsigned)t->class >= SLA_CLASSES || (unsigned)t->tier >= SLA_TIERS || (unsigned)t->strategy >= STRATEGIES ||
        (unsigned)t->spread >= DOMAINS)
        return false;
    if (t->min_trust_milli > 1000 || t->min_attest_milli > 1000 || t->max_price > TERMS_PRICE_MAX || t->n_exclude > TERMS_EXCLUDE_MAX) return false;
    size_t n = strnlen(t->region, sizeof t->region);
    if (n == sizeof t->region) return false;
    for (size_t i = 0; i < n; i++)
        if (t->region[i] < 0x20 || t->region[i] >= 0x7f) return false;
    for (uint32_t i = 1; i < t->n_exclude; i++)
        if (memcmp(t->exclude[i - 1].b, t->exclude[i].b, sizeof t->exclude[i].b) >= 0) return false;
    return true;
}

/* FNV-1a, 64 bits: labels are few and nobody gains by a collision but being kept apart from more. */
uint64_t label_hash(const char *label) {
    uint64_t h = 0xcbf29ce484222325u;
    if (label[0] == 0) return 0;
    for (const char *p = label; *p; p++) h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    return h ? h : 1;
}
