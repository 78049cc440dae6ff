/* Certificates and revocation lists, DER and PEM: what is taken leads to no pinned root. */
#include "crypto/der.h"
#include "crypto/x509.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint8_t roots[1][32] = { { 1 } };
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    struct vl_span at = vl_span(p, n), v;
    uint8_t tag;
    if (pool == NULL) return 0;
    while (der_any(&at, &tag, &v))
        if (v.p < p || v.n > n || v.p + v.n > p + n) abort();
    vl_ignore(crypto_x509_pool_add_crl(pool, vl_span(p, n)));
    if (crypto_x509_pool_add(pool, vl_span(p, n)) == VL_OK) {
        const struct crypto_x509 *c = crypto_x509_pool_get(pool, 0);
        struct crypto_x509_rules rules = {
            .pool = { pool, NULL }, .roots = roots, .nroots = 1, .when_s = 1750000000, .grace_s = UINT64_MAX
        };
        struct crypto_x509_path path;
        struct crypto_pubkey *key;
        char name[64];
        crypto_x509_common_name(c, name, sizeof name);
        if (strlen(name) >= sizeof name) abort();
        if (crypto_x509_extension(c, "1.3.6.1.4.1.3704.1.4", &v) == VL_OK && v.n > n) abort();
        if (crypto_x509_key(c, &key) == VL_OK) crypto_pubkey_free(key);
        if (crypto_x509_verify(c, &rules, &path) == CRYPTO_X509_OK) abort();
    }
    crypto_x509_pool_destroy(pool);
    return 0;
}
