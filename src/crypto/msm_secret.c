#include "crypto/msm_secret.h"

#include "crypto/random.h"

#include <stdlib.h>

#define DIGITS 64u
#define MULTIPLES 8u
#define CHUNK 64u /* terms that share a chain of doublings: their tables fit into the second-level cache */

#define WORDS 20u

union multiple {
    struct edwards_cached point;
    uint64_t word[WORDS];
};
_Static_assert(sizeof(struct edwards_cached) == WORDS * sizeof(uint64_t), "words of a point");

struct term {
    union multiple of[MULTIPLES]; /* p, 2 p, .. 8 p */
    int8_t digit[DIGITS];         /* -8 .. 7, the lowest first */
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

static void fill_table(const struct edwards *p, union multiple ret[MULTIPLES]) {
    struct edwards at = *p;
    ret[0].point = edwards_cache(p);
    for (unsigned i = 1; i < MULTIPLES; i++) {
        at = edwards_add(&at, &ret[0].point);
        ret[i].point = edwards_cache(&at);
    }
}

/* Adds m's words where take is 1, nothing where it is 0.  Plain words rather than fields: compilers make vectors of
 * them. */
static void take_if(union multiple *r, const union multiple *m, uint64_t take) {
    uint64_t mask = 0 - take;
    for (unsigned i = 0; i < WORDS; i++) r->word[i] |= mask & m->word[i];
}

/* digit * p */
static struct edwards_cached pick(const struct term *t, unsigned at) {
    static const union multiple identity = { .word = { [0] = 1, [5] = 1, [10] = 2 } }; /* y + x, y - x, 2 z */
    union multiple r = { .word = { 0 } };
    int32_t d = t->digit[at], sign = d >> 31;
    uint32_t size = (uint32_t)((d ^ sign) - sign);
    uint64_t minus = (uint64_t)sign & 1;
    take_if(&r, &identity, ((uint64_t)size - 1) >> 63);
    for (uint32_t i = 0; i < MULTIPLES; i++) take_if(&r, &t->of[i], ((uint64_t)(size ^ (i + 1)) - 1) >> 63);
    struct edwards_cached p = r.point;
    r.point.ypx = fe_select(p.ypx, p.ymx, minus);
    r.point.ymx = fe_select(p.ymx, p.ypx, minus);
    r.point.t2d = fe_select(p.t2d, fe_neg(p.t2d), minus);
    return r.point;
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
