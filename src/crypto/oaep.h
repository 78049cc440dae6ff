/* oaep.h - encryption to an RSA key with RSAES-OAEP (RFC 8017, 7.1.1; SHA-256 and MGF1 of SHA-256), and AES-128 in CFB mode
 * (SP 800-38A, 6.3; 128-bit segments): the two that a TPM's credentials are wrapped in.  Pure: random bytes come in. */
#ifndef VL_CRYPTO_OAEP_H
#define VL_CRYPTO_OAEP_H

#include "crypto/x509.h"

#define CRYPTO_OAEP_SEED 32u
#define CRYPTO_RSA_BYTES_MAX 1024u

/* label: with every byte that is hashed, a NUL at its end included.  seed: fresh random bytes, secret until now.
 * ret: as long as the modulus, *ret_n says how long; at most CRYPTO_RSA_BYTES_MAX.
 * VL_EUNSUPPORTED: no RSA key.  VL_ERANGE: the message is longer than the modulus minus 66.  VL_ECRYPTO: libcrypto fails. */
VL_MUST_CHECK enum vl_err crypto_oaep_encrypt(const struct crypto_pubkey *k, struct vl_span label, struct vl_span message,
                                              const uint8_t seed[CRYPTO_OAEP_SEED], uint8_t ret[CRYPTO_RSA_BYTES_MAX], size_t *ret_n);

/* dst: in.n bytes, may be in's memory.  A key is used once, so the vector may be zeros.  VL_ECRYPTO: libcrypto fails. */
VL_MUST_CHECK enum vl_err crypto_aes128_cfb(const uint8_t key[16], const uint8_t iv[16], struct vl_span in, uint8_t *dst);

#endif
