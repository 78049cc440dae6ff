/* The level rule: what a result is worth.  docs/trust.md has it as a table, tests/trust/attest_level_test.c a test for
 * every row. */
#include "trust/attest.h"

#include <assert.h>

#define LEVEL_SELF 300u
#define LEVEL_MAX 1000u
#define CAP_TCB 600u
#define CAP_LATE 500u
#define CAP_SHA1 500u
#define BONUS 50u
#define HALF_LIFE_MS 2592000000u /* 30 days */

static const struct attest_policy no_policy;

static uint32_t or_default(uint32_t value, uint32_t otherwise) { return value != 0 ? value : otherwise; }
static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static uint32_t base(enum attest_class c) {
    switch (c) {
    case ATTEST_CLASS_SELF:
        return LEVEL_SELF;
    case ATTEST_CLASS_MOBILE:
        return 500;
    case ATTEST_CLASS_TPM:
        return 700;
    case ATTEST_CLASS_TEE:
        return 900;
    }
    assert(!"a class of attest.h");
    return 0;
}

static uint32_t tcb_cap(enum attest_tcb tcb, const struct attest_policy *p) {
    switch (tcb) {
    case ATTEST_TCB_NONE:
    case ATTEST_TCB_UP_TO_DATE:
        return LEVEL_MAX;
    case ATTEST_TCB_UNKNOWN:
    case ATTEST_TCB_HARDENING:
    case ATTEST_TCB_CONFIG:
    case ATTEST_TCB_CONFIG_HARDENING:
    case ATTEST_TCB_OUT_OF_DATE:
    case ATTEST_TCB_OUT_OF_DATE_CONFIG:
        return or_default(p->cap_tcb, CAP_TCB);
    case ATTEST_TCB_REVOKED:
    case ATTEST_TCB_NO_MATCH:
    case ATTEST_TCB_BAD:
        return 0;
    }
    return 0;
}

/* Most that this result can be worth, bonuses included. */
static uint32_t cap(const struct attest_result *r, const struct attest_policy *p) {
    if (r->kind == ATTEST_SELF) return LEVEL_SELF;
    if (r->genuine.state != ATTEST_YES || r->revoked || r->refused != NULL) return 0;
    if (r->fresh.state == ATTEST_NO || r->key_bound.state == ATTEST_NO) return 0;
    uint32_t most = tcb_cap(r->tcb, p);
    if (r->tcb_partial) most = least(most, tcb_cap(ATTEST_TCB_UNKNOWN, p));
    /* Above what a node may say of itself: a root that was provisioned, no debugging, made for this challenge, bound to
     * this node, and running something we know if we were told what to know. */
    if (r->anchor < ATTEST_ANCHOR_OPERATOR || r->debug.state != ATTEST_NO || r->measurement_known.state == ATTEST_NO ||
        r->fresh.state != ATTEST_YES || r->key_bound.state != ATTEST_YES)
        most = least(most, LEVEL_SELF);
    if (r->late) most = least(most, or_default(p->cap_late, CAP_LATE));
    if (r->sha1) most = least(most, or_default(p->cap_sha1, CAP_SHA1));
    return most;
}

uint32_t attest_level(const struct attest_result *r, const struct attest_policy *policy) {
    return least(base(r->class), cap(r, policy != NULL ? policy : &no_policy));
}

uint32_t attest_level_aged(uint32_t level, uint64_t age_ms, const struct attest_policy *policy) {
    uint64_t half = policy != NULL && policy->half_life_ms != 0 ? policy->half_life_ms : HALF_LIFE_MS;
    if (level <= LEVEL_SELF) return level;
    uint64_t halves = age_ms / half, above = (uint64_t)(level - LEVEL_SELF) << 20;
    if (halves >= 32) return LEVEL_SELF;
    above >>= halves;
    /* Within a half-life from `above` straight to its half; the division comes first where the product could wrap. */
    uint64_t part = age_ms % half;
    uint64_t lost = half < UINT32_MAX ? above * part / (2 * half) : above / 2 * (part / (half >> 20)) >> 20;
    if (lost > above / 2) lost = above / 2;
    return LEVEL_SELF + (uint32_t)((above - lost) >> 20);
}

uint32_t attest_level_all(const struct attest_result *r, size_t n, const struct attest_policy *policy) {
    const struct attest_policy *p = policy != NULL ? policy : &no_policy;
    if (n == 0) return LEVEL_SELF;
    size_t best = 0;
    uint32_t level = 0;
    for (size_t i = 0; i < n; i++) {
        if (r[i].revoked) return 0;
        uint32_t one = attest_level(&r[i], p);
        if (one > level) level = one, best = i;
    }
    if (level <= LEVEL_SELF) return level;
    bool tpm = r[best].with_tpm, tee = false, secure_boot = false;
    for (size_t i = 0; i < n; i++) {
        if (attest_level(&r[i], p) <= LEVEL_SELF) continue;
        if (r[i].secure_boot == ATTEST_YES) secure_boot = true;
        if (i == best || r[i].kind == r[best].kind) continue;
        if (r[i].class == ATTEST_CLASS_TPM) tpm = true;
        if (r[i].class == ATTEST_CLASS_TEE) tee = true;
    }
    if (tpm) level += or_default(p->bonus_tpm, BONUS);
    if (tee) level += or_default(p->bonus_tee, BONUS);
    if (secure_boot) level += or_default(p->bonus_secure_boot, BONUS);
    return least(least(level, cap(&r[best], p)), LEVEL_MAX);
}
