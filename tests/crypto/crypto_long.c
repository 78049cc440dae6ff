/* crypto_long.c - what takes too long for every run of the tests.  Usage:
 *   crypto_long differ [CASES]         each implementation of X25519 against libsodium (1,000,000 cases each)
 *   crypto_long timing [MEASUREMENTS]  does the time depend on secrets?  (100,000 each)
 * Exit 1 when a result is wrong or a time depends on a secret. */
#include "crypto/hctr2.h"
#include "crypto/random.h"
#include "crypto/x25519_batch.h"

#include "timing.h"
#include "x25519_diff.h"

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

/* --- what is timed: 8 multiplications, or one payload; class 0 has the fixed secret --- */
#define LANES CRYPTO_X25519_LANES
#define PAYLOAD 1600u
struct subject {
    int impl;
    uint8_t scalar[LANES][32], point[LANES][32], result[LANES][32];
    uint8_t key[32], text[PAYLOAD];
};

static void random_all(struct subject *s) {
    crypto_random(s->scalar, sizeof s->scalar);
    crypto_random(s->point, sizeof s->point);
    crypto_random(s->key, sizeof s->key);
    crypto_random(s->text, sizeof s->text);
}
static void fixed_scalar(void *arg, int class) {
    struct subject *s = arg;
    random_all(s);
    if (class == 0) memset(s->scalar, 0, sizeof s->scalar);
}
static void fixed_dense_scalar(void *arg, int class) {
    struct subject *s = arg;
    random_all(s);
    if (class == 0) memset(s->scalar, 0xff, sizeof s->scalar);
}
static void small_order_point(void *arg, int class) {
    struct subject *s = arg;
    random_all(s);
    if (class == 0) memset(s->point, 0, sizeof s->point);
}
static void fixed_key_and_text(void *arg, int class) {
    struct subject *s = arg;
    random_all(s);
    if (class == 0) memset(s->key, 0, sizeof s->key), memset(s->text, 0, sizeof s->text);
}
static void multiply(void *arg) {
    struct subject *s = arg;
    crypto_x25519_batch_with((enum crypto_x25519_impl)s->impl, (lanes)s->scalar, (lanes)s->point, s->result, LANES);
}
static void encipher(void *arg) {
    struct subject *s = arg;
    crypto_hctr2_with((enum crypto_hctr2_impl)s->impl, true, s->key, vl_span(NULL, 0), s->text, PAYLOAD, s->text);
}
static void decipher(void *arg) {
    struct subject *s = arg;
    crypto_hctr2_with((enum crypto_hctr2_impl)s->impl, false, s->key, vl_span(NULL, 0), s->text, PAYLOAD, s->text);
}
/* Stops at the first of 16 bytes that differs: a leak of some nanoseconds, which the method must see. */
static void leak(void *arg) {
    struct subject *s = arg;
    size_t i = 0;
    while (i < 16 && s->text[i] == 0) i++;
    s->key[0] = (uint8_t)i;
}

/* Returns 1 for a verdict that is not the wanted one. */
static int judge(const char *what, const char *impl, struct subject *s, timing_prepare *prepare, timing_run *run,
                 size_t n, bool leaks) {
    double t = timing_t(prepare, run, s, n);
    bool seen = t > TIMING_LEAK;
    printf("%-12s %-28s |t| = %6.2f %s\n", impl, what, t,
           seen == leaks ? (leaks ? "seen, as it must be" : "ok") : (leaks ? "NOT SEEN" : "DEPENDS ON THE SECRET"));
    (void)fflush(stdout);
    return seen != leaks;
}

static int timing(size_t n) {
    static const char *const hctr2s[] = { "", "portable", "AES-NI", "VAES" };
    static struct subject s;
    int bad = judge("control: stops early", "", &s, fixed_key_and_text, leak, n, true);
    for (size_t i = 0; i < sizeof x25519s / sizeof x25519s[0]; i++) {
        s.impl = (int)x25519s[i].impl;
        if (!crypto_x25519_available(x25519s[i].impl)) continue;
        bad += judge("X25519, scalars 0", x25519s[i].name, &s, fixed_scalar, multiply, n, false);
        bad += judge("X25519, scalars of ones", x25519s[i].name, &s, fixed_dense_scalar, multiply, n, false);
        if (x25519s[i].impl !=
            CRYPTO_X25519_PORTABLE) /* libsodium returns early: what came from the wire is no secret */
            bad += judge("X25519, points 0", x25519s[i].name, &s, small_order_point, multiply, n, false);
    }
    for (s.impl = CRYPTO_HCTR2_PORTABLE; s.impl <= CRYPTO_HCTR2_VAES; s.impl++) {
        if (!crypto_hctr2_available((enum crypto_hctr2_impl)s.impl)) continue;
        bad += judge("HCTR2, enciphers zeros", hctr2s[s.impl], &s, fixed_key_and_text, encipher, n, false);
        bad += judge("HCTR2, deciphers zeros", hctr2s[s.impl], &s, fixed_key_and_text, decipher, n, false);
    }
    return bad != 0;
}

int main(int argc, char **argv) {
    unsigned long long n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (crypto_init() != VL_OK) return 1;
    if (argc > 1 && strcmp(argv[1], "differ") == 0) return differ(n != 0 ? n : 1000000);
    if (argc > 1 && strcmp(argv[1], "timing") == 0) return timing(n != 0 ? (size_t)n : 100000);
    (void)fprintf(stderr, "usage: crypto_long differ [CASES] | timing [MEASUREMENTS]\n");
    return 2;
}
