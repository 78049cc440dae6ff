#include "crypto/msm.h"

#include <stdlib.h>
#include <string.h>

static uint64_t load64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* Bits from .. from + n - 1, n <= 16, of a number of `words` words; beyond its end there are zeros. */
static uint32_t bits(const uint64_t *v, unsigned words, unsigned from, unsigned n) {
    unsigned w = from / 64, s = from % 64;
    if (w >= words) return 0;
    uint64_t r = v[w] >> s;
    if (s + n > 64 && w + 1 < words) r |= v[w + 1] << (64 - s);
    return (uint32_t)(r & ((1u << n) - 1));
}

/* --- Straus --- */
#define NAF_WIDTH 5u
#define NAF_DIGITS 258u                   /* a carry out of bit 255 may make one digit more */
#define NAF_TABLE (1u << (NAF_WIDTH - 2)) /* p, 3 p, 5 p, ... 15 p */

struct naf {
    int8_t digit[NAF_DIGITS]; /* 0 or odd, -15 .. 15; of five in a row at most one is not 0 */
};
struct odd_multiples {
    struct edwards_cached of[NAF_TABLE];
};

/* Returns how many digits there are, leading zeros aside. */
static unsigned to_naf(const uint8_t scalar[32], struct naf *ret) {
    uint64_t v[4];
    unsigned end = 0;
    uint32_t carry = 0;
    for (unsigned i = 0; i < 4; i++) v[i] = load64(scalar + 8 * i);
    memset(ret, 0, sizeof *ret);
    for (unsigned at = 0; at < NAF_DIGITS;) {
        uint32_t window = carry + bits(v, 4, at, NAF_WIDTH);
        if ((window & 1) == 0) {
            at++;
            continue;
        }
        carry = window >= 1u << (NAF_WIDTH - 1);
        ret->digit[at] = (int8_t)((int)window - (carry ? 1 << NAF_WIDTH : 0));
        end = at + 1;
        at += NAF_WIDTH;
    }
    return end;
}

static void make_table(const struct edwards *p, struct odd_multiples *ret) {
    struct edwards twice = edwards_double(p), at = *p;
    struct edwards_cached step = edwards_cache(&twice);
    for (unsigned i = 0; i < NAF_TABLE; i++) {
        ret->of[i] = edwards_cache(&at);
        if (i + 1 < NAF_TABLE) at = edwards_add(&at, &step);
    }
}

static struct edwards straus(const struct naf *naf, const struct odd_multiples *table, size_t n, unsigned digits) {
    struct edwards sum = edwards_identity();
    for (unsigned at = digits; at-- > 0;) {
        bool adds = at == 0;
        for (size_t i = 0; i < n && !adds; i++) adds = naf[i].digit[at] != 0;
        sum = edwards_double_to(&sum, adds);
        for (size_t i = 0; i < n; i++) {
            int d = naf[i].digit[at];
            if (d > 0) sum = edwards_add(&sum, &table[i].of[d / 2]);
            if (d < 0) sum = edwards_sub(&sum, &table[i].of[-d / 2]);
        }
    }
    return sum;
}

struct edwards edwards_mul2_vartime(const uint8_t a[32], const struct edwards *p, const uint8_t b[32],
                                    const struct edwards *q) {
    struct naf naf[2];
    struct odd_multiples table[2];
    unsigned da = to_naf(a, &naf[0]), db = to_naf(b, &naf[1]);
    make_table(p, &table[0]);
    make_table(q, &table[1]);
    return straus(naf, table, 2, da > db ? da : db);
}

static enum vl_err straus_of(const uint8_t (*scalar)[32], const struct ristretto *point, size_t n,
                             struct edwards *ret) {
    struct naf *naf = calloc(n, sizeof *naf);
    struct odd_multiples *table = calloc(n, sizeof *table);
    enum vl_err err = naf != NULL && table != NULL ? VL_OK : VL_ENOMEM;
    unsigned digits = 0;
    for (size_t i = 0; i < n && err == VL_OK; i++) {
        unsigned d = to_naf(scalar[i], &naf[i]);
        if (d > digits) digits = d;
        make_table(&point[i].e, &table[i]);
    }
    if (err == VL_OK) *ret = straus(naf, table, n, digits);
    free(naf);
    free(table);
    return err;
}

/* --- Pippenger --- */
#define WINDOW_MIN 4u
#define WINDOW_MAX 14u

/* With 2^(w-1) added to each window beforehand, window minus 2^(w-1) is a signed digit, and no carry is left to pass
 * on: buckets 1 .. 2^(w-1), half of what unsigned digits need. */
struct shifted {
    uint64_t v[5];
};

static unsigned windows_of(unsigned w) { return 258 / w + 1; } /* the sum of scalar and shifts is below 2^(w windows) */

/* In field multiplications: an addition of a point with Z = 1 takes 7, emptying a bucket takes two full additions. */
static unsigned choose_window(size_t n) {
    unsigned best = WINDOW_MIN;
    uint64_t least = UINT64_MAX;
    for (unsigned w = WINDOW_MIN; w <= WINDOW_MAX; w++) {
        uint64_t cost = (254 / w + 1) * (7 * (uint64_t)n + 18 * ((uint64_t)1 << (w - 1)));
        if (cost < least) {
            least = cost;
            best = w;
        }
    }
    return best;
}

static void shift(const uint8_t scalar[32], unsigned w, struct shifted *ret) {
    uint64_t add[5] = { 0 };
    for (unsigned i = 0; i < windows_of(w); i++) {
        unsigned bit = i * w + w - 1;
        add[bit / 64] |= (uint64_t)1 << bit % 64;
    }
    fe_wide carry = 0;
    for (unsigned i = 0; i < 5; i++) {
        carry += (fe_wide)add[i] + (i < 4 ? load64(scalar + 8 * i) : 0);
        ret->v[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

struct pippenger {
    struct shifted *digits;
    struct edwards_affine *point;
    struct edwards *bucket; /* bucket[d - 1] holds the points with digit d, or minus those with -d */
    size_t n;
    unsigned w;
};

/* The sum of digit times point in one window. */
static struct edwards one_window(const struct pippenger *p, unsigned window) {
    int half = 1 << (p->w - 1), top = 0;
    for (size_t i = 0; i < p->n; i++) {
        int d = (int)bits(p->digits[i].v, 5, window * p->w, p->w) - half, m = d < 0 ? -d : d;
        if (d == 0) continue;
        for (; top < m; top++) p->bucket[top] = edwards_identity();
        struct edwards *b = &p->bucket[m - 1];
        *b = d > 0 ? edwards_add_affine(b, &p->point[i]) : edwards_sub_affine(b, &p->point[i]);
    }
    /* 1 b[0] + 2 b[1] + ... as the sum of all partial sums from the top */
    struct edwards run = edwards_identity(), sum = edwards_identity();
    while (top-- > 0) {
        struct edwards_cached c = edwards_cache(&p->bucket[top]);
        run = edwards_add(&run, &c);
        c = edwards_cache(&run);
        sum = edwards_add(&sum, &c);
    }
    return sum;
}

static struct edwards pippenger(const struct pippenger *p) {
    struct edwards sum = edwards_identity();
    for (unsigned window = windows_of(p->w); window-- > 0;) {
        for (unsigned i = 0; i < p->w; i++) sum = edwards_double_to(&sum, i + 1 == p->w);
        struct edwards part = one_window(p, window);
        struct edwards_cached c = edwards_cache(&part);
        sum = edwards_add(&sum, &c);
    }
    return sum;
}

/* Points as they are added: decoded ones have Z = 1 already, others get it by one inversion for all. */
static enum vl_err prepare(const struct ristretto *point, size_t n, struct edwards_affine *ret) {
    bool one = true;
    for (size_t i = 0; i < n && one; i++) one = memcmp(&point[i].e.z, &FE_ONE, sizeof FE_ONE) == 0;
    if (one) {
        for (size_t i = 0; i < n; i++) ret[i] = edwards_cache_affine(&point[i].e);
        return VL_OK;
    }
    struct edwards *copy = calloc(n, sizeof *copy);
    struct fe *scratch = calloc(n, sizeof *scratch);
    if (copy != NULL && scratch != NULL) {
        for (size_t i = 0; i < n; i++) copy[i] = point[i].e;
        edwards_normalise(copy, n, scratch);
        for (size_t i = 0; i < n; i++) ret[i] = edwards_cache_affine(&copy[i]);
    }
    bool ok = copy != NULL && scratch != NULL;
    free(copy);
    free(scratch);
    return ok ? VL_OK : VL_ENOMEM;
}

static enum vl_err pippenger_of(const uint8_t (*scalar)[32], const struct ristretto *point, size_t n,
                                struct edwards *ret) {
    struct pippenger p = { .n = n, .w = choose_window(n) };
    p.digits = calloc(n, sizeof *p.digits);
    p.point = calloc(n, sizeof *p.point);
    p.bucket = calloc((size_t)1 << (p.w - 1), sizeof *p.bucket);
    enum vl_err err = p.digits != NULL && p.point != NULL && p.bucket != NULL ? prepare(point, n, p.point) : VL_ENOMEM;
    if (err == VL_OK) {
        for (size_t i = 0; i < n; i++) shift(scalar[i], p.w, &p.digits[i]);
        *ret = pippenger(&p);
    }
    free(p.digits);
    free(p.point);
    free(p.bucket);
    return err;
}

enum vl_err msm_vartime(const uint8_t (*scalar)[32], const struct ristretto *point, size_t n, struct ristretto *ret) {
    if (n > MSM_MAX) return VL_ERANGE;
    if (n == 0) {
        *ret = ristretto_identity();
        return VL_OK;
    }
    return n <= MSM_STRAUS_MAX ? straus_of(scalar, point, n, &ret->e) : pippenger_of(scalar, point, n, &ret->e);
}

enum vl_err msm_encoded_vartime(const uint8_t (*scalar)[32], const uint8_t (*point)[32], size_t n,
                                struct ristretto *ret) {
    if (n > MSM_MAX) return VL_ERANGE;
    struct ristretto *decoded = calloc(n > 0 ? n : 1, sizeof *decoded);
    enum vl_err err = decoded != NULL ? VL_OK : VL_ENOMEM;
    for (size_t i = 0; i < n && err == VL_OK; i++) err = ristretto_decode(point[i], &decoded[i]);
    if (err == VL_OK) err = msm_vartime(scalar, decoded, n, ret);
    free(decoded);
    return err;
}
