#include "trust/zk_gadget.h"

#include <assert.h>

static struct zk_scalar one(void) { return zk_of_u64(1); }
static struct zk_scalar minus_one(void) { return zk_neg(one()); }

/* a - k */
static struct zk_lc less(const struct zk_lc *a, struct zk_scalar k) {
    struct zk_lc r = *a, c = zk_lc_const(1);
    zk_lc_add_lc(&r, zk_neg(k), &c);
    return r;
}

static void equal(struct zk_cs *cs, const struct zk_lc *a, const struct zk_lc *b) {
    struct zk_lc d = *a;
    zk_lc_add_lc(&d, minus_one(), b);
    zk_cs_constrain(cs, &d);
}

static void zero(struct zk_cs *cs, struct zk_var v) {
    struct zk_lc lc = zk_lc_var(v);
    zk_cs_constrain(cs, &lc);
}

void zk_gadget_bool(struct zk_cs *cs, const struct zk_lc *v) {
    struct zk_lc other = less(v, one()); /* v (v - 1) = 0 */
    zero(cs, zk_cs_multiply(cs, v, &other).output);
}

void zk_gadget_range(struct zk_cs *cs, const struct zk_lc *v, unsigned n, struct zk_var *ret_bit) {
    assert(n >= 1 && n <= ZK_BITS_MAX);
    struct zk_scalar value = zk_cs_value(cs, v);
    struct zk_lc rest = *v;
    for (unsigned i = 0; i < n; i++) {
        uint64_t bit = value.b[i / 8] >> i % 8 & 1;
        struct zk_gate g = zk_cs_gate(cs, zk_of_u64(bit), zk_of_u64(1 - bit)); /* b (1 - b) = 0 */
        struct zk_lc both = zk_lc_var(g.left), all = zk_lc_const(1);
        zk_lc_add_var(&both, one(), g.right);
        equal(cs, &both, &all);
        zero(cs, g.output);
        zk_lc_add_var(&rest, zk_neg(zk_of_u64(1ull << i)), g.left);
        if (ret_bit != NULL) ret_bit[i] = g.left;
    }
    zk_cs_constrain(cs, &rest);
    sodium_memzero(&value, sizeof value);
}

struct zk_lc zk_gadget_not(const struct zk_lc *a) {
    struct zk_lc r = zk_lc_const(1);
    zk_lc_add_lc(&r, minus_one(), a);
    return r;
}

struct zk_lc zk_gadget_and(struct zk_cs *cs, const struct zk_lc *a, const struct zk_lc *b) {
    return zk_lc_var(zk_cs_multiply(cs, a, b).output);
}

struct zk_lc zk_gadget_or(struct zk_cs *cs, const struct zk_lc *a, const struct zk_lc *b) {
    struct zk_lc none = zk_lc_zero(), not_a = zk_gadget_not(a), not_b = zk_gadget_not(b);
    zk_lc_add_var(&none, one(), zk_cs_multiply(cs, &not_a, &not_b).output);
    return zk_gadget_not(&none);
}

void zk_gadget_true(struct zk_cs *cs, const struct zk_lc *a) {
    struct zk_lc d = less(a, one());
    zk_cs_constrain(cs, &d);
}

/* 1 / v, 0 for 0: the power that libsodium takes is 0 then. */
static struct zk_scalar inverse_or_zero(struct zk_scalar v) {
    struct zk_scalar r;
    int ignored = crypto_core_ristretto255_scalar_invert(r.b, v.b);
    (void)ignored;
    return r;
}

void zk_gadget_nonzero(struct zk_cs *cs, const struct zk_lc *v) {
    struct zk_scalar value = zk_cs_value(cs, v);
    struct zk_gate g = zk_cs_gate(cs, value, inverse_or_zero(value));
    struct zk_lc left = zk_lc_var(g.left), product = zk_lc_var(g.output);
    equal(cs, v, &left);
    zk_gadget_true(cs, &product);
    sodium_memzero(&value, sizeof value);
}

/* With free r and w: v r = 0 and v w = 1 - r.  v = 0 leaves r = 1 alone, any other v leaves r = 0. */
struct zk_lc zk_gadget_is_zero(struct zk_cs *cs, const struct zk_lc *v) {
    struct zk_scalar value = zk_cs_value(cs, v), inverse = inverse_or_zero(value);
    struct zk_scalar r = zk_sub(one(), zk_mul(value, inverse));
    struct zk_gate a = zk_cs_gate(cs, value, r), b = zk_cs_gate(cs, value, inverse);
    struct zk_lc la = zk_lc_var(a.left), lb = zk_lc_var(b.left), is = zk_lc_var(a.right), sum = zk_lc_var(b.output);
    equal(cs, v, &la);
    equal(cs, v, &lb);
    zero(cs, a.output);
    zk_lc_add_lc(&sum, one(), &is);
    zk_gadget_true(cs, &sum);
    sodium_memzero(&value, sizeof value);
    sodium_memzero(&inverse, sizeof inverse);
    return is;
}

/* (v - set[0]) (v - set[1]) ... */
static struct zk_lc product(struct zk_cs *cs, const struct zk_lc *v, const struct zk_scalar *set, unsigned n) {
    assert(n >= 1);
    struct zk_lc all = less(v, set[0]);
    for (unsigned i = 1; i < n; i++) {
        struct zk_lc next = less(v, set[i]);
        all = zk_lc_var(zk_cs_multiply(cs, &all, &next).output);
    }
    return all;
}

void zk_gadget_member(struct zk_cs *cs, const struct zk_lc *v, const struct zk_scalar *set, unsigned n) {
    struct zk_lc all = product(cs, v, set, n);
    zk_cs_constrain(cs, &all);
}

struct zk_lc zk_gadget_is_member(struct zk_cs *cs, const struct zk_lc *v, const struct zk_scalar *set, unsigned n) {
    struct zk_lc all = product(cs, v, set, n);
    return zk_gadget_is_zero(cs, &all);
}

/* a - b + 2^width is between 1 and 2^(width + 1) - 1, and its highest bit says it. */
struct zk_lc zk_gadget_at_least(struct zk_cs *cs, const struct zk_lc *a, const struct zk_lc *b, unsigned width) {
    struct zk_var bit[ZK_BITS_MAX];
    assert(width >= 1 && width <= ZK_COMPARE_MAX);
    struct zk_lc d = less(a, zk_neg(zk_of_u64(1ull << width)));
    zk_lc_add_lc(&d, minus_one(), b);
    zk_gadget_range(cs, &d, width + 1, bit);
    return zk_lc_var(bit[width]);
}
