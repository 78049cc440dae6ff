/* pkcs11.h - a key in a token (PKCS#11 2.40: smart card, HSM, softhsm2) that wraps the key of a sealed file.
 * The token is asked when a file is opened or sealed, never in between.  Its module is loaded with dlopen() by the path that the
 * owner of the node gives: code of the module runs in this process, so the path never comes from the file. */
#ifndef VL_OS_PKCS11_H
#define VL_OS_PKCS11_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PKCS11_NAME_MAX 32u
#define PKCS11_KEY 32u
#define PKCS11_PARAMS_MAX 256u

struct pkcs11_uri {
    char token[PKCS11_NAME_MAX + 1], object[PKCS11_NAME_MAX + 1];
};
/* "pkcs11:token=NAME;object=NAME", either order, with "%xx"; RFC 7512.  Of its other attributes only type=secret-key and type=private are known.
 * VL_EPARSE. */
VL_MUST_CHECK enum vl_err pkcs11_uri_parse(const char *text, struct pkcs11_uri *ret);

/* Wraps `key` under the AES key `object` of that token with CKM_AES_GCM; create: makes it (AES-256, never to leave the token) when
 * it is not there.  Appends to `params` what pkcs11_unwrap() needs: names and the wrapped key, nothing secret.
 * VL_EUNSUPPORTED: no such module, or it cannot do this.  VL_ENOTFOUND: no such token or object.  VL_EDENIED: the PIN is wrong.
 * VL_ELIMIT: the PIN is locked.  VL_EIO: the token failed.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err pkcs11_wrap(const char *module, const struct pkcs11_uri *uri, struct vl_span pin, bool create,
                                      const uint8_t key[PKCS11_KEY], struct vl_buf *params, struct vl_errmsg *msg);
/* VL_EPARSE: params; VL_ECRYPTO: the token's key is another one than that which wrapped.  The rest as above. */
VL_MUST_CHECK enum vl_err pkcs11_unwrap(const char *module, struct vl_span params, struct vl_span pin, uint8_t ret_key[PKCS11_KEY],
                                        struct vl_errmsg *msg);
/* Ed25519 (CKM_EDDSA) under the private key `object` of that token, which never leaves it.  ret_public: the key that checks it, as the
 * token has it under the same name.  make: generates the pair when it is not there.  VL_ELIMIT: a message beyond 4,096 bytes; the rest
 * as above. */
VL_MUST_CHECK enum vl_err pkcs11_sign(const char *module, const struct pkcs11_uri *uri, struct vl_span pin, bool make, struct vl_span message,
                                      uint8_t ret_public[32], uint8_t ret_signature[64], struct vl_errmsg *msg);
/* Names in params, to tell people which token is wanted.  VL_EPARSE. */
VL_MUST_CHECK enum vl_err pkcs11_params_uri(struct vl_span params, struct pkcs11_uri *ret);

#endif
