#include "crypto/random.h"

#include "crypto/cpu.h"
#include "crypto/hctr2_priv.h"
#include "crypto/stream_priv.h"
#include "crypto/x25519_priv.h"

#include <sodium.h>

enum vl_err crypto_init(void) {
    static bool done; /* sodium_init() cannot tell: who uses libsodium by itself may have called it */
    if (done) return VL_OK;
    if (sodium_init() < 0) return VL_EUNSUPPORTED;
    struct crypto_cpu cpu = crypto_cpu_detect();
    hctr2_choose(&cpu);
    stream_choose(&cpu);
    x25519_choose(&cpu);
    done = true;
    return VL_OK;
}
void crypto_random(void *dst, size_t n) { randombytes_buf(dst, n); }
void crypto_wipe(void *p, size_t n) { sodium_memzero(p, n); }
bool crypto_equal(const void *a, const void *b, size_t n) { return sodium_memcmp(a, b, n) == 0; }
