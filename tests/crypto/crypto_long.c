/* crypto_long.c - what takes too long for every run of the tests.  Usage:
 *   crypto_long differ [CASES]         each implementation of X25519 against libsodium (1,000,000 cases each)
 *   crypto_long timing [MEASUREMENTS]  does the time depend on secrets?  (100,000 each)
 *   crypto_long group [MEASUREMENTS]   the same for group arithmetic alone
 * Exit 1 when a result is wrong or a time depends on a secret. */
#include "crypto/hctr2.h"
#include "crypto/msm.h"
#include "crypto/msm_secret.h"
#include "crypto/random.h"
#include "crypto/vrf.h"
#include "crypto/x25519_batch.h"

#include "timing.h"
#include "x25519_diff.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef const uint8_t (*lanes)[32];

static const struct {
    enum crypto_x25519_impl impl;
    const char *name;
} x25519s[] = { { CRYPTO_X25519_PORTABLE, "libsodium" },
                { CRYPTO_X25519_AVX2, "AVX2" },
                { CRYPTO_X25519_IFMA, "IFMA" } };

static enum crypto_x25519_impl running;
static void run_x25519(lanes scalar, lanes point, uint8_t (*ret)[32], size_t n) {
    crypto_x25519_batch_with(running, scalar, point, ret, n);
}

static int differ(uint64_t cases) {
    uint64_t wrong = 0;
    for (size_t i = 1; i < sizeof x25519s / sizeof x25519s[0]; i++) {
        struct vl_prng rng;
        uint64_t seed, zero;
        running = x25519s[i].impl;
        if (!crypto_x25519_available(running)) continue;
        crypto_random(&seed, sizeof seed);
        vl_prng_seed(&rng, seed);
        uint64_t bad = x25519_diff(run_x25519, &rng, cases, &zero);
        printf("%s: seed %llu, %llu cases, %llu of them zero, %llu wrong\n", x25519s[i].name, (unsigned long long)seed,
               (unsigned long long)cases, (unsigned long long)zero, (unsigned long long)bad);
        (void)fflush(stdout);
        wrong += bad;
    }
    return wrong != 0;
}

/* --- what is timed: 8 multiplications, or one payload --- */
#define LANES CRYPTO_X25519_LANES
#define PAYLOAD 1600u
struct secrets {
    uint8_t scalar[LANES][32], point[LANES][32], key[32], text[PAYLOAD];
};
enum fixed { SCALAR_ZEROS, SCALAR_ONES, POINT_ZEROS, KEY_AND_TEXT_ZEROS };
struct subject {
    int impl;
    enum fixed fixed; /* what of class 0 is not random */
    struct secrets is, candidate[2];
    uint8_t result[LANES][32];
};

/* Both classes are made every time and one is copied, so that caches and write buffers know nothing of the choice. */
static void prepare(void *arg, int class) {
    struct subject *s = arg;
    crypto_random(s->candidate, sizeof s->candidate);
    struct secrets *zero = &s->candidate[0];
    switch (s->fixed) {
    case SCALAR_ZEROS:
        memset(zero->scalar, 0, sizeof zero->scalar);
        break;
    case SCALAR_ONES:
        memset(zero->scalar, 0xff, sizeof zero->scalar);
        break;
    case POINT_ZEROS:
        memset(zero->point, 0, sizeof zero->point);
        break;
    case KEY_AND_TEXT_ZEROS:
        memset(zero->key, 0, sizeof zero->key);
        memset(zero->text, 0, sizeof zero->text);
        break;
    }
    memcpy(&s->is, &s->candidate[class], sizeof s->is);
}
static void multiply(void *arg) {
    struct subject *s = arg;
    crypto_x25519_batch_with((enum crypto_x25519_impl)s->impl, (lanes)s->is.scalar, (lanes)s->is.point, s->result,
                             LANES);
}
static void encipher(void *arg) {
    struct subject *s = arg;
    crypto_hctr2_with((enum crypto_hctr2_impl)s->impl, true, s->is.key, vl_span(NULL, 0), s->is.text, PAYLOAD,
                      s->is.text);
}
static void decipher(void *arg) {
    struct subject *s = arg;
    crypto_hctr2_with((enum crypto_hctr2_impl)s->impl, false, s->is.key, vl_span(NULL, 0), s->is.text, PAYLOAD,
                      s->is.text);
}
/* Stops at the first of 16 bytes that differs: a leak of some nanoseconds, which the method must see. */
static void leak(void *arg) {
    struct subject *s = arg;
    size_t i = 0;
    while (i < 16 && s->is.text[i] == 0) i++;
    s->is.key[0] = (uint8_t)i;
}

/* Returns 1 for a verdict that is not the wanted one. */
static int verdict(const char *impl, const char *what, double t, bool leaks) {
    bool seen = t > TIMING_LEAK;
    printf("%-12s %-28s |t| = %6.2f %s\n", impl, what, t,
           seen == leaks ? (leaks ? "seen, as it must be" : "ok") : (leaks ? "NOT SEEN" : "DEPENDS ON THE SECRET"));
    (void)fflush(stdout);
    return seen != leaks;
}
static int judge(const char *what, const char *impl, struct subject *s, enum fixed fixed, timing_run *run, size_t n,
                 bool leaks) {
    s->fixed = fixed;
    return verdict(impl, what, timing_t(prepare, run, s, n), leaks);
}

/* --- group arithmetic that secrets may pass through --- */
struct element {
    uint8_t wide[64], encoded[32], scalar[32];
    struct ristretto point;
    struct crypto_vrf_key key;
};
struct group_subject {
    struct element is, candidate[2];
    struct ristretto other, result;
    uint8_t out[CRYPTO_VRF_PROOF];
};

/* Class 0: bytes of zeros, the identity, scalar 1, the least key.  The public key, and so the point that the VRF's
 * input becomes, is the same in both: that much may show. */
static void prepare_group(void *arg, int class) {
    struct group_subject *s = arg;
    for (int c = 0; c < 2; c++) {
        struct element *e = &s->candidate[c];
        crypto_random(e->wide, sizeof e->wide);
        if (c == 0) memset(e->wide, 0, sizeof e->wide);
        ristretto_from_uniform(e->wide, &e->point);
        ristretto_encode(&e->point, e->encoded);
        crypto_core_ristretto255_scalar_reduce(e->scalar, e->wide);
        if (c == 0) e->scalar[0] = 1;
        vl_ignore(crypto_vrf_key_make(CRYPTO_VRF_ELL2, (const uint8_t[32]){ 1 }, &e->key));
        memcpy(e->key.scalar, e->wide, 32);
        memcpy(e->key.nonce_key, e->wide + 32, 32);
        e->key.scalar[0] &= 248;
        e->key.scalar[31] = (uint8_t)((e->key.scalar[31] & 63) | 64);
    }
    memcpy(&s->is, &s->candidate[class], sizeof s->is);
}
static void group_uniform(void *arg) {
    struct group_subject *s = arg;
    ristretto_from_uniform(s->is.wide, &s->result);
}
static void group_decode(void *arg) {
    struct group_subject *s = arg;
    vl_ignore(ristretto_decode(s->is.encoded, &s->result));
}
static void group_encode(void *arg) {
    struct group_subject *s = arg;
    ristretto_encode(&s->is.point, s->out);
}
static void group_sums(void *arg) {
    struct group_subject *s = arg;
    s->result = ristretto_add(&s->is.point, &s->other);
    for (int i = 0; i < 20; i++) {
        s->result = ristretto_double(&s->result);
        s->result = ristretto_sub(&s->result, &s->is.point);
    }
    s->out[0] = ristretto_equal(&s->result, &s->is.point);
}
static void group_product(void *arg) {
    struct group_subject *s = arg;
    ristretto_mul(s->is.scalar, &s->other, &s->result);
}
static void group_secret_sum(void *arg) {
    struct group_subject *s = arg;
    uint8_t scalar[3][32];
    const struct ristretto point[3] = { s->other, s->other, s->other };
    for (int i = 0; i < 3; i++) memcpy(scalar[i], s->is.scalar, 32);
    vl_ignore(msm_secret((const uint8_t(*)[32])scalar, point, 3, &s->result));
}
/* For public scalars: its time must be seen to depend on them. */
static void group_vartime(void *arg) {
    struct group_subject *s = arg;
    s->result.e = edwards_mul2_vartime(s->is.scalar, &s->other.e, s->is.scalar, &s->other.e);
}
static void group_prove(void *arg) {
    struct group_subject *s = arg;
    vl_ignore(crypto_vrf_prove(&s->is.key, vl_span_str("input"), s->out));
}

static int timing_group(size_t n) {
    static struct group_subject s;
    static const struct {
        const char *what;
        timing_run *run;
        size_t share; /* of n: these take longer */
        bool leaks;
    } runs[] = { { "control: _vartime", group_vartime, 50, true },
                 { "from uniform bytes", group_uniform, 1, false },
                 { "decode", group_decode, 1, false },
                 { "encode", group_encode, 1, false },
                 { "sums", group_sums, 1, false },
                 { "product", group_product, 4, false },
                 { "secret sum", group_secret_sum, 4, false },
                 { "VRF proof", group_prove, 8, false } };
    int bad = 0;
    s.other = ristretto_base();
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        double t = timing_t(prepare_group, runs[i].run, &s, n / runs[i].share);
        bad += verdict("group", runs[i].what, t, runs[i].leaks);
    }
    return bad;
}

static int timing(size_t n) {
    static const char *const hctr2s[] = { "", "portable", "AES-NI", "VAES" };
    static struct subject s;
    int bad = judge("control: stops early", "", &s, KEY_AND_TEXT_ZEROS, leak, n, true);
    for (size_t i = 0; i < sizeof x25519s / sizeof x25519s[0]; i++) {
        s.impl = (int)x25519s[i].impl;
        if (!crypto_x25519_available(x25519s[i].impl)) continue;
        bad += judge("X25519, scalars 0", x25519s[i].name, &s, SCALAR_ZEROS, multiply, n, false);
        bad += judge("X25519, scalars of ones", x25519s[i].name, &s, SCALAR_ONES, multiply, n, false);
        /* Not for libsodium, which returns early.  Points come from the wire and are no secrets; with zeros in all
         * lanes IFMA is sometimes seen to be 10 ns of 20 us faster, with any other fixed point not. */
        if (x25519s[i].impl != CRYPTO_X25519_PORTABLE)
            bad += judge("X25519, points 0", x25519s[i].name, &s, POINT_ZEROS, multiply, n, false);
    }
    for (s.impl = CRYPTO_HCTR2_PORTABLE; s.impl <= CRYPTO_HCTR2_VAES; s.impl++) {
        if (!crypto_hctr2_available((enum crypto_hctr2_impl)s.impl)) continue;
        bad += judge("HCTR2, enciphers zeros", hctr2s[s.impl], &s, KEY_AND_TEXT_ZEROS, encipher, n, false);
        bad += judge("HCTR2, deciphers zeros", hctr2s[s.impl], &s, KEY_AND_TEXT_ZEROS, decipher, n, false);
    }
    return bad + timing_group(n) != 0;
}

int main(int argc, char **argv) {
    unsigned long long n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (crypto_init() != VL_OK) return 1;
    if (argc > 1 && strcmp(argv[1], "differ") == 0) return differ(n != 0 ? n : 1000000);
    if (argc > 1 && strcmp(argv[1], "timing") == 0) return timing(n != 0 ? (size_t)n : 100000);
    if (argc > 1 && strcmp(argv[1], "group") == 0) return timing_group(n != 0 ? (size_t)n : 100000) != 0;
    (void)fprintf(stderr, "usage: crypto_long differ [CASES] | timing [MEASUREMENTS] | group [MEASUREMENTS]\n");
    return 2;
}
