#include "crypto/x25519_batch.h"

#include "crypto/random.h"
#include "crypto/x25519_priv.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static enum crypto_x25519_impl chosen = CRYPTO_X25519_PORTABLE; /* these two: written by crypto_init() alone */
static bool available[CRYPTO_X25519_IFMA + 1] = { [CRYPTO_X25519_PORTABLE] = true };

void x25519_choose(const struct crypto_cpu *cpu) {
#if defined(__x86_64__)
    available[CRYPTO_X25519_AVX2] = cpu->avx2;
    available[CRYPTO_X25519_IFMA] = cpu->avx512 && cpu->ifma;
#else
    (void)cpu;
#endif
    for (chosen = CRYPTO_X25519_IFMA; !crypto_x25519_available(chosen);) chosen--;
}

enum crypto_x25519_impl crypto_x25519_chosen(void) { return chosen; }

bool crypto_x25519_available(enum crypto_x25519_impl impl) { return impl <= CRYPTO_X25519_IFMA && available[impl]; }

static void one_by_one(const uint8_t (*scalar)[32], const uint8_t (*point)[32], uint8_t (*ret)[32], size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t q[32]; /* what libsodium leaves where it refuses a point is not specified */
        int bad = point != NULL ? crypto_scalarmult_curve25519(q, scalar[i], point[i])
                                : crypto_scalarmult_curve25519_base(q, scalar[i]);
        if (bad) sodium_memzero(q, sizeof q);
        memcpy(ret[i], q, sizeof q);
        sodium_memzero(q, sizeof q);
    }
}

/* point NULL: 9 in every lane. */
static void run(enum crypto_x25519_impl impl, const uint8_t (*scalar)[32], const uint8_t (*point)[32],
                uint8_t (*ret)[32], size_t n) {
#if defined(__x86_64__)
    if (impl == CRYPTO_X25519_IFMA) {
        x25519_ifma(scalar, point, ret, n);
        return;
    }
    if (impl == CRYPTO_X25519_AVX2) {
        x25519_avx2(scalar, point, ret, n);
        return;
    }
#endif
    assert(impl == CRYPTO_X25519_PORTABLE);
    one_by_one(scalar, point, ret, n);
}

void crypto_x25519_batch(const uint8_t (*scalar)[32], const uint8_t (*point)[32], uint8_t (*ret)[32], size_t n) {
    run(chosen, scalar, point, ret, n);
}

void crypto_x25519_base_batch(const uint8_t (*scalar)[32], uint8_t (*ret)[32], size_t n) {
    run(chosen, scalar, NULL, ret, n);
}

void crypto_x25519_batch_with(enum crypto_x25519_impl impl, const uint8_t (*scalar)[32], const uint8_t (*point)[32],
                              uint8_t (*ret)[32], size_t n) {
    assert(crypto_x25519_available(impl) && point != NULL);
    run(impl, scalar, point, ret, n);
}

void crypto_x25519_base_batch_with(enum crypto_x25519_impl impl, const uint8_t (*scalar)[32], uint8_t (*ret)[32],
                                   size_t n) {
    assert(crypto_x25519_available(impl));
    run(impl, scalar, NULL, ret, n);
}

bool crypto_x25519_is_zero(const uint8_t result[32]) { return sodium_is_zero(result, 32) == 1; }
