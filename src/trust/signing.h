/* signing.h - who signs what in a village: the root key signs certificates and revocation lists, each under its
 * context. */
#ifndef VL_TRUST_SIGNING_H
#define VL_TRUST_SIGNING_H

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/sign.h"
#include "wire/cert.h"

/* Fills cert->root and cert->signature.  VL_ERANGE: a field out of range (cert.h); then cert is unchanged. */
VL_MUST_CHECK enum vl_err cert_sign(const struct crypto_sign_key *root, struct cert *cert);
/* Whether the key that the certificate names as root made its signature: compare that key's village id as well!
 * VL_ECRYPTO. */
VL_MUST_CHECK enum vl_err cert_verify(const struct cert *cert, struct vl_span encoded);
/* Appends the signature to the n bytes of a body; there is room for CERT_SIGNATURE more. */
VL_MUST_CHECK enum vl_err revocations_sign(const struct crypto_sign_key *root, uint8_t *body, size_t n);
/* As cert_verify(). */
VL_MUST_CHECK enum vl_err revocations_verify(const struct revocations *list, struct vl_span encoded);

#endif
