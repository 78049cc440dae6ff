/* hctr2.h - HCTR2 with AES-256 (Crowley, Huckleberry, Biggers 2021, eprint 2021/1441): a length-preserving wide-block
 * cipher.  Change any bit of the ciphertext and every bit of the plaintext is random.
 * VAES + VPCLMULQDQ or AES-NI + PCLMULQDQ where the processor has them, else a portable one without tables that depend
 * on secrets; chosen by crypto_init().  Pure; thread-safe. */
#ifndef VL_CRYPTO_HCTR2_H
#define VL_CRYPTO_HCTR2_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_HCTR2_KEY 32u
#define CRYPTO_HCTR2_MIN 16u /* bytes of a message at least */

enum crypto_hctr2_impl { CRYPTO_HCTR2_PORTABLE = 1, CRYPTO_HCTR2_AESNI = 2, CRYPTO_HCTR2_VAES = 3 };
enum crypto_hctr2_impl crypto_hctr2_chosen(void);
bool crypto_hctr2_available(enum crypto_hctr2_impl impl);

/* n >= CRYPTO_HCTR2_MIN bytes; dst == src, or the two do not overlap.  The key is expanded for each call (about 0.1
 * us): in a mixnet a key serves one message.  tweak: any bytes, may be empty. */
void crypto_hctr2_encrypt(const uint8_t key[CRYPTO_HCTR2_KEY], struct vl_span tweak, const uint8_t *src, size_t n,
                          uint8_t *dst);
void crypto_hctr2_decrypt(const uint8_t key[CRYPTO_HCTR2_KEY], struct vl_span tweak, const uint8_t *src, size_t n,
                          uint8_t *dst);
/* As above with one implementation, which must be available: for tests and benches. */
void crypto_hctr2_with(enum crypto_hctr2_impl impl, bool encrypt, const uint8_t key[CRYPTO_HCTR2_KEY],
                       struct vl_span tweak, const uint8_t *src, size_t n, uint8_t *dst);

#endif
