#include "crypto/msm_secret.h"

#include "crypto/random.h"

#include <stdlib.h>

#define DIGITS 64u
#define MULTIPLES 8u
#define CHUNK 64u /* terms that share a chain of doublings: their tables fit into the second-level cache */

struct term {
    struct edwards_cached of[MULTIPLES]; /* p, 2 p, .. 8 p */
    int8_t digit[DIGITS];                /* -8 .. 7, the lowest first */
};

/* With 8 added to each digit beforehand, digit minus 8 is signed and no carry is left to pass on: s + 0x88..8 is below
 * 2^256 for every s below 2^253. */
static void to_digits(const uint8_t scalar[32], int8_t ret[DIGITS]) {
    unsigned carry = 0;
    for (unsigned i = 0; i < 32; i++) {
        unsigned v = scalar[i] + 0x88u + carry;
        carry = v >> 8;
        ret[2 * i] = (int8_t)((int)(v & 15) - 8);
        ret[2 * i + 1] = (int8_t)((int)(v >> 4 & 15) - 8);
    }
}

static void fill_table(const struct edwards *p, struct edwards_cached ret[MULTIPLES]) {
    struct edwards at = *p;
    ret[0] = edwards_cache(p);
    for (unsigned i = 1; i < MULTIPLES; i++) {
        at = edwards_add(&at, &ret[0]);
        ret[i] = edwards_cache(&at);
    }
}

static void take_if(struct edwards_cached *r, const struct edwards_cached *from, uint64_t take) {
    r->ypx = fe_select(r->ypx, from->ypx, take);
    r->ymx = fe_select(r->ymx, from->ymx, take);
    r->z2 = fe_select(r->z2, from->z2, take);
    r->t2d = fe_select(r->t2d, from->t2d, take);
}

/* digit * p */
static struct edwards_cached pick(const struct term *t, unsigned at) {
    struct edwards_cached r = { FE_ONE, FE_ONE, { { 2, 0, 0, 0, 0 } }, FE_ZERO }; /* the identity, for 0 */
    int32_t d = t->digit[at], sign = d >> 31;
    uint32_t size = (uint32_t)((d ^ sign) - sign);
    for (uint32_t i = 0; i < MULTIPLES; i++) take_if(&r, &t->of[i], ((uint64_t)(size ^ (i + 1)) - 1) >> 63);
    struct edwards_cached minus = { r.ymx, r.ypx, r.z2, fe_neg(r.t2d) };
    take_if(&r, &minus, (uint64_t)sign & 1);
    return r;
}

static struct edwards sum_chunk(const struct term *t, size_t n) {
    struct edwards sum = edwards_identity();
    for (unsigned at = DIGITS; at-- > 0;) {
        for (unsigned i = 0; i < 4 && at + 1 < DIGITS; i++) sum = edwards_double_to(&sum, i == 3);
        for (size_t i = 0; i < n; i++) {
            struct edwards_cached c = pick(&t[i], at);
            sum = edwards_add(&sum, &c);
        }
    }
    return sum;
}

enum vl_err msm_secret(const uint8_t (*scalar)[32], const struct ristretto *point, size_t n, struct ristretto *ret) {
    size_t most = n < CHUNK ? n : CHUNK;
    *ret = ristretto_identity();
    if (n == 0) return VL_OK;
    struct term *t = calloc(most, sizeof *t);
    if (t == NULL) return VL_ENOMEM;
    for (size_t done = 0; done < n;) {
        size_t now = n - done < most ? n - done : most;
        for (size_t i = 0; i < now; i++) {
            to_digits(scalar[done + i], t[i].digit);
            fill_table(&point[done + i].e, t[i].of);
        }
        struct edwards part = sum_chunk(t, now);
        struct edwards_cached c = edwards_cache(&part);
        ret->e = edwards_add(&ret->e, &c);
        done += now;
        crypto_wipe(&part, sizeof part);
        crypto_wipe(&c, sizeof c);
    }
    crypto_wipe(t, most * sizeof *t);
    free(t);
    return VL_OK;
}
