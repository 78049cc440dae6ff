#include "mix/delay.h"

#include "base/prng.h"
#include "crypto/random.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void key_of(uint8_t first, struct crypto_vrf_key *ret) {
    uint8_t seed[32] = { first };
    CHECK_OK(crypto_init());
    crypto_vrf_key_from_seed(seed, ret);
}

/* -ln((h + 1) / 2^64) in extended precision; near u = 1 the difference is what counts, not the quotient. */
static long double minus_ln(uint64_t h) {
    long double two64 = 18446744073709551616.0L, m = (long double)h + 1.0L;
    if (h > UINT64_MAX / 2) return -log1pl(-(long double)(UINT64_MAX - h) / two64);
    return 64.0L * logl(2.0L) - logl(m);
}

/* Half a microsecond of rounding, and one part in 10^9 (the contract says 10^6). */
static void check_near(uint64_t h, uint32_t mean_ms) {
    long double want = minus_ln(h) * (long double)mean_ms * 1000.0L;
    long double got = (long double)delay_from_uniform(h, mean_ms);
    if (fabsl(got - want) > 0.5001L + 1e-9L * want)
        fail_msg("h=%016llx mean=%u: %.3Lf, want %.3Lf", (unsigned long long)h, mean_ms, got, want);
}

TEST(delay, agrees_with_the_logarithm_of_libm_over_the_whole_range) {
    struct vl_prng r;
    vl_prng_seed(&r, 1);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (unsigned i = 0; i < 300; i++) {
            uint64_t h = vl_prng_next(&r) >> bit;
            check_near(h, 50);
            check_near(h, UINT32_MAX);
            check_near(UINT64_MAX - h, 200);
            check_near(UINT64_MAX - h, UINT32_MAX);
        }
        uint64_t power = 1ull << bit;
        for (uint64_t h = power - 2; h != power + 2; h++) check_near(h, UINT32_MAX);
    }
}

TEST(delay, is_zero_at_u_1_and_44_means_at_the_smallest_u) {
    CHECK_EQ(0, delay_from_uniform(UINT64_MAX, UINT32_MAX));
    CHECK_EQ(0, delay_from_uniform(UINT64_MAX, 0));
    CHECK_EQ(0, delay_from_uniform(0, 0));
    CHECK_EQ(44361420, delay_from_uniform(0, 1000)); /* 64 ln 2 = 44.3614195558... */
    CHECK_EQ(693147, delay_from_uniform(UINT64_MAX / 2, 1000));
    CHECK_EQ(190530846152091u, delay_from_uniform(0, UINT32_MAX)); /* 64 ln 2 * (2^32 - 1) * 1000 */
    CHECK_EQ(1, delay_from_uniform(UINT64_MAX - (UINT64_MAX / 1000000), 1000));
}

TEST(delay, never_grows_with_u) {
    uint64_t before = UINT64_MAX, step = UINT64_MAX / 100000;
    for (uint64_t h = 0; h < UINT64_MAX - step; h += step) {
        uint64_t d = delay_from_uniform(h, UINT32_MAX);
        CHECK(d <= before);
        before = d;
    }
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov: sqrt(n) D stays under 1.95 in 99.9 % of all samples; a wrong mean, base or uniform gives more. */
static double ks(uint64_t *v, size_t n, double mean_us) {
    double d = 0;
    qsort(v, n, sizeof *v, ascending);
    for (size_t i = 0; i < n; i++) {
        double f = 1.0 - exp(-(double)v[i] / mean_us);
        d = fmax(d, fmax(fabs(f - (double)i / (double)n), fabs((double)(i + 1) / (double)n - f)));
    }
    return d * sqrt((double)n);
}

TEST(delay, is_exponential_for_the_inputs_of_packets) {
    enum { N = 50000 };
    uint64_t *v = calloc(N, sizeof *v);
    uint8_t y[CRYPTO_VRF_OUTPUT], input[16] = { 0 };
    CHECK(v != NULL);
    CHECK_OK(crypto_init());
    memset(y, 0x5a, sizeof y);
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < N; i++) {
        vl_put_u32(input, i);
        v[i] = delay_us(y, input, 50);
        sum += (double)v[i];
        squares += (double)v[i] * (double)v[i];
    }
    double mean = sum / N, deviation = sqrt(squares / N - mean * mean);
    CHECK(fabs(mean / 50000.0 - 1) < 0.02);
    CHECK(fabs(deviation / 50000.0 - 1) < 0.03);
    CHECK(ks(v, N, 50000.0) < 1.95);
    CHECK(ks(v, N, 52000.0) > 1.95); /* the test can tell 4 % */
    free(v);
}

TEST(delay, depends_on_secret_and_input_and_scales_with_the_mean) {
    uint8_t y[CRYPTO_VRF_OUTPUT] = { 1 }, y2[CRYPTO_VRF_OUTPUT] = { 1 }, a[16] = { 1 }, b[16] = { 1 };
    CHECK_OK(crypto_init());
    y2[63] = 1;
    b[15] = 1;
    CHECK(delay_us(y, a, 1000) != delay_us(y2, a, 1000));
    CHECK(delay_us(y, a, 1000) != delay_us(y, b, 1000));
    CHECK_EQ(delay_us(y, a, 1000), delay_us(y, a, 1000));
    uint64_t one = delay_us(y, a, 1000), ten = delay_us(y, a, 10000);
    CHECK(ten >= 10 * one - 5 && ten <= 10 * one + 5);
    CHECK_EQ(0, delay_us(y, a, 0));
}

/* Part of the format: an auditor with another build must find the same.  The logarithms come from a computation with
 * 60 decimal places, rounded. */
TEST(delay, has_these_values_on_every_machine) {
    static const struct {
        uint64_t h;
        uint32_t mean_ms;
        uint64_t us;
    } golden[] = {
#include "delay_golden.h"
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++)
        CHECK_EQ(golden[i].us, delay_from_uniform(golden[i].h, golden[i].mean_ms));
    uint8_t y[CRYPTO_VRF_OUTPUT], input[16]; /* the hash: Python's hashlib */
    CHECK_OK(crypto_init());
    for (size_t i = 0; i < sizeof y; i++) y[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof input; i++) input[i] = (uint8_t)(100 + i);
    CHECK_EQ(48323u, delay_us(y, input, 200));
}

TEST(delay, an_epoch_can_be_audited_by_whoever_has_key_and_proof) {
    struct crypto_vrf_key key, other;
    struct delay_epoch e = { .epoch = 9, .shared_random = { 1, 2, 3 } }, wrong;
    uint8_t y[CRYPTO_VRF_OUTPUT], proof[CRYPTO_VRF_PROOF], audited[CRYPTO_VRF_OUTPUT], y2[CRYPTO_VRF_OUTPUT];
    uint8_t proof2[CRYPTO_VRF_PROOF];
    key_of(1, &key);
    key_of(2, &other);
    CHECK_OK(delay_epoch_begin(&key, &e, y, proof));
    CHECK_OK(delay_audit(key.public, &e, proof, audited));
    CHECK_MEM(y, audited, sizeof y);
    CHECK_OK(delay_epoch_begin(&key, &e, y2, proof2)); /* no choice: once more gives the same */
    CHECK_MEM(y, y2, sizeof y);
    CHECK_MEM(proof, proof2, sizeof proof);

    CHECK_EQ(VL_ECRYPTO, delay_audit(other.public, &e, proof, audited));
    wrong = e;
    wrong.epoch = 10;
    CHECK_EQ(VL_ECRYPTO, delay_audit(key.public, &wrong, proof, audited));
    wrong = e;
    wrong.shared_random[31] ^= 1;
    CHECK_EQ(VL_ECRYPTO, delay_audit(key.public, &wrong, proof, audited));
    proof[40] ^= 1;
    CHECK_EQ(VL_ECRYPTO, delay_audit(key.public, &e, proof, audited));
}
