/* x25519_lanes.h - the part of batched X25519 that does not depend on how a field element is held: bytes, the inverse,
 * the ladder, the batch.  Included once, at the end, by each implementation, which defines before:
 * - TARGET, INLINE, LANES, LIMBS, LIMB_BITS(i); X25519_LANES_FUNCTION, the name of the function made here;
 * - vec, LANES words of 64 bits, with all() lanes() lanes_out() plus() twice() nine() both() shift_down();
 * - lane_mask, with no_lane() every_lane() where_any() where_zero() where_differ() choose_vec();
 * - struct fe { vec limb[LIMBS]; } and its arithmetic between three kinds, which the implementation bounds:
 *   products, which multiply(), square() and times_9() of a factor(product) give; biased ones, which multiply_biased(),
 *   square_biased() and as_biased() of a factor give; and factors, which are taken, and come from factor(product),
 *   sum(biased, product), difference(biased, product) and add_121665(a, b) = a + 121665 b.  A limb that factor() or
 *   load() gives is longer than LIMB_BITS() by a thousandth at most.
 * Aggregates are never chosen by ?: here: gcc would copy them in halves, and reading the whole then waits. */
#ifndef VL_CRYPTO_X25519_LANES_H
#define VL_CRYPTO_X25519_LANES_H

#include "crypto/random.h"

#include <string.h>

#define GROUPS (64u / LANES) /* share one inversion, which then costs a fortieth of the whole */

INLINE struct fe fe_small(uint64_t x) {
    struct fe r = { { all(0) } };
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) r.limb[i] = all(i == 0 ? x : 0);
    return r;
}
INLINE struct fe choose(lane_mask second, struct fe a, struct fe b) {
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a.limb[i] = choose_vec(second, a.limb[i], b.limb[i]);
    return a;
}

/* --- out of line: what is done once a batch --- */
TARGET static __attribute__((noinline)) void mul(struct fe *ret, const struct fe *a, const struct fe *b) {
    *ret = factor(multiply(*a, *b));
}
TARGET static __attribute__((noinline)) void square_times(struct fe *ret, const struct fe *a, int times) {
    struct fe x = *a;
    for (int i = 0; i < times; i++) x = factor(square(x));
    *ret = x;
}

/* ret = a^(p - 2), the inverse; 0 for 0.  The exponent is 2^255 - 21 = 2^5 (2^250 - 1) + 11, and x_n is a to the power
 * of n ones. */
TARGET static void invert(struct fe *ret, const struct fe *a) {
    struct fe t, a9, a11, x5, x10, x50;
    square_times(&t, a, 1);
    square_times(&a9, &t, 2);
    mul(&a9, &a9, a);
    mul(&a11, &a9, &t);
    square_times(&t, &a11, 1);
    mul(&x5, &t, &a9); /* 22 + 9 = 31 */
    square_times(&t, &x5, 5);
    mul(&x10, &t, &x5);
    square_times(&t, &x10, 10);
    mul(&x50, &t, &x10); /* 20 */
    square_times(&t, &x50, 20);
    mul(&t, &t, &x50); /* 40 */
    square_times(&t, &t, 10);
    mul(&x50, &t, &x10);
    square_times(&t, &x50, 50);
    mul(&x10, &t, &x50); /* 100 */
    square_times(&t, &x10, 100);
    mul(&t, &t, &x10); /* 200 */
    square_times(&t, &t, 50);
    mul(&t, &t, &x50);
    square_times(&t, &t, 5);
    mul(ret, &t, &a11);
}

/* --- bytes --- */
/* Bits 255 are dropped, and the 19 encodings that are not reduced are taken as they are. */
TARGET static struct fe load(const uint8_t (*src)[32]) {
    struct fe r;
    uint64_t w[LANES][5] = { { 0 } }, limb[LANES]; /* word 4 is zero */
    unsigned at = 0;
    memset(&r, 0, sizeof r);
    for (unsigned lane = 0; lane < LANES; lane++) memcpy(w[lane], src[lane], 32);
    for (int i = 0; i < LIMBS; i++) {
        for (unsigned lane = 0; lane < LANES; lane++) {
            uint64_t low = w[lane][at / 64] >> at % 64, high = w[lane][at / 64 + 1] << 1 << (63 - at % 64);
            limb[lane] = (low | high) & ((UINT64_C(1) << LIMB_BITS(i)) - 1);
        }
        r.limb[i] = lanes(limb);
        at += LIMB_BITS(i);
    }
    return r;
}

/* `in` added at the bottom, and one carry after the other; returns what leaves at 2^255. */
INLINE vec ripple(struct fe *a, vec in) {
    for (int i = 0; i < LIMBS; i++) {
        vec x = plus(a->limb[i], in);
        in = shift_down(x, LIMB_BITS(i));
        a->limb[i] = both(x, all((UINT64_C(1) << LIMB_BITS(i)) - 1));
    }
    return in;
}

/* What factor() or mul() gives to the one representation below p.  It is less than 2^255 + 2^246, so that a 1 that
 * leaves the first time leaves little behind, and nothing leaves the second time.  What is below 2^255 is p or more
 * exactly when 19 more reach 2^255. */
TARGET static struct fe reduce(struct fe a) {
    vec over = ripple(&a, all(0));
    (void)ripple(&a, plus(twice(nine(over)), over));
    struct fe trial = a;
    over = ripple(&trial, all(19));
    (void)ripple(&a, plus(twice(nine(over)), over));
    return a;
}

TARGET static lane_mask is_zero(struct fe a) {
    a = reduce(a);
    vec sum_of_limbs = a.limb[0]; /* no limb is negative */
    for (int i = 1; i < LIMBS; i++) sum_of_limbs = plus(sum_of_limbs, a.limb[i]);
    return where_zero(sum_of_limbs);
}

TARGET static void store(const struct fe *a, uint8_t (*dst)[32]) {
    struct fe r = reduce(*a);
    uint64_t w[LANES][5] = { { 0 } }, limb[LANES];
    unsigned at = 0;
    for (int i = 0; i < LIMBS; i++) {
        lanes_out(limb, r.limb[i]);
        for (unsigned lane = 0; lane < LANES; lane++) {
            w[lane][at / 64] |= limb[lane] << at % 64;
            w[lane][at / 64 + 1] |= limb[lane] >> 1 >> (63 - at % 64);
        }
        at += LIMB_BITS(i);
    }
    for (unsigned lane = 0; lane < LANES; lane++) memcpy(dst[lane], w[lane], 32);
    crypto_wipe(w, sizeof w);
    crypto_wipe(limb, sizeof limb);
}

/* --- the ladder (RFC 7748 section 5) --- */
struct point {
    struct fe x, z; /* factors */
};

/* Scalar times point in each lane; `base`: the point is 9, and a multiplication by it is cheap.
 *
 * (x2 : z2) and (x3 : z3) differ by the point.  A step doubles the one that the bit says and adds both: DA + CB is the
 * same when the two change places, DA - CB changes its sign and is squared, so only what is doubled must be chosen, by
 * a mask and not by a branch.  The doubled one is the first afterwards.  The last three bits are zeros, so that it ends
 * with the two in their places. */
INLINE void climb(const uint8_t (*scalar)[32], struct fe u, bool base, struct point *ret) {
    uint64_t bytes[LANES];
    struct fe x2 = as_biased(fe_small(1)), z2 = fe_small(0), x3 = as_biased(u), z3 = fe_small(1);
    lane_mask before = no_lane();
    vec word = all(0);
    for (int bit = 254; bit >= 0; bit--) {
        if (bit == 254 || bit % 64 == 63) {
            for (unsigned lane = 0; lane < LANES; lane++) memcpy(&bytes[lane], scalar[lane] + bit / 64 * 8, 8);
            word = lanes(bytes);
        }
        /* clamped: bit 254 is set, 255 is not looked at, 0 to 2 are not set */
        lane_mask now = bit == 254 ? every_lane() : where_any(word, all(bit > 2 ? UINT64_C(1) << bit % 64 : 0));
        lane_mask second = where_differ(now, before);
        before = now;
        struct fe a = sum(x2, z2), b = difference(x2, z2), c = sum(x3, z3), d = difference(x3, z3);
        struct fe da = multiply_biased(d, a), cb = multiply(c, b);
        struct fe aa = square_biased(choose(second, a, c)), bb = square(choose(second, b, d));
        struct fe e = difference(aa, bb);
        aa = factor(aa);
        x3 = square_biased(sum(da, cb));
        struct fe t = factor(square(difference(da, cb)));
        if (base)
            z3 = times_9(t);
        else
            z3 = multiply(u, t);
        x2 = multiply_biased(aa, factor(bb));
        z2 = multiply(e, add_121665(aa, e));
    }
    crypto_wipe(bytes, sizeof bytes);
    ret->x = factor(x2);
    ret->z = factor(z2);
}

TARGET static void ladder(const uint8_t (*scalar)[32], const uint8_t (*point)[32], struct point *ret) {
    climb(scalar, load(point), false, ret);
}
TARGET static void base_ladder(const uint8_t (*scalar)[32], struct point *ret) {
    climb(scalar, fe_small(9), true, ret);
}

/* The x / z of all groups with one inversion (Montgomery's trick, per lane), 0 where z is 0: there z is replaced by 1,
 * so that the other groups of the lane do not become 0 with it. */
TARGET static void divide(struct point *r, size_t groups) {
    struct fe product[GROUPS], inverse, one;
    for (size_t g = 0; g < groups; g++) {
        lane_mask zero = is_zero(r[g].z);
        r[g].z = choose(zero, r[g].z, fe_small(1));
        r[g].x = choose(zero, r[g].x, fe_small(0));
        if (g == 0)
            product[0] = r[0].z;
        else
            mul(&product[g], &product[g - 1], &r[g].z);
    }
    invert(&inverse, &product[groups - 1]);
    for (size_t g = groups - 1; g > 0; g--) {
        mul(&one, &inverse, &product[g - 1]);
        mul(&inverse, &inverse, &r[g].z);
        mul(&r[g].x, &r[g].x, &one);
    }
    mul(&r[0].x, &r[0].x, &inverse);
    crypto_wipe(product, sizeof product);
}

TARGET void X25519_LANES_FUNCTION(const uint8_t (*scalar)[32], const uint8_t (*point)[32], uint8_t (*ret)[32],
                                  size_t n) {
    struct point r[GROUPS];
    for (size_t done = 0; done < n; done += GROUPS * LANES) {
        size_t part = n - done < GROUPS * LANES ? n - done : GROUPS * LANES, groups = (part + LANES - 1) / LANES;
        for (size_t g = 0; g < groups; g++) {
            size_t at = done + g * LANES, used = n - at < LANES ? n - at : LANES;
            uint8_t scalars[LANES][32] = { { 0 } }, points[LANES][32] = { { 0 } }; /* 0 where there is no work */
            for (size_t lane = 0; lane < used; lane++) {
                memcpy(scalars[lane], scalar[at + lane], 32);
                if (point != NULL) memcpy(points[lane], point[at + lane], 32);
            }
            if (point != NULL)
                ladder((const uint8_t(*)[32])scalars, (const uint8_t(*)[32])points, &r[g]);
            else
                base_ladder((const uint8_t(*)[32])scalars, &r[g]);
            crypto_wipe(scalars, sizeof scalars);
        }
        divide(r, groups);
        for (size_t g = 0; g < groups; g++) {
            uint8_t results[LANES][32];
            size_t at = done + g * LANES, used = n - at < LANES ? n - at : LANES;
            store(&r[g].x, results);
            memcpy(ret[at], results, 32 * used);
            crypto_wipe(results, sizeof results);
        }
    }
    crypto_wipe(r, sizeof r);
}

#endif
