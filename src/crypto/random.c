#include "crypto/random.h"

#include <sodium.h>

enum vl_err crypto_init(void) { return sodium_init() < 0 ? VL_EUNSUPPORTED : VL_OK; }
void crypto_random(void *dst, size_t n) { randombytes_buf(dst, n); }
void crypto_wipe(void *p, size_t n) { sodium_memzero(p, n); }
bool crypto_equal(const void *a, const void *b, size_t n) { return sodium_memcmp(a, b, n) == 0; }
