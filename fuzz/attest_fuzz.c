/* Evidence of every kind from strangers.  The first byte chooses the kind; the rest is evidence, certificate of the
 * signing key and collateral, each behind its length of two bytes.  Nothing that a fuzzer makes is genuine: it has no
 * key of a vendor. */
#include "trust/attest.h"

#include <stdlib.h>

static struct vl_span part(struct vl_reader *r) { return vl_read_span(r, vl_read_u16(r)); }

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_reader r = vl_reader(p, n);
    struct attest_policy policy = { .grace_ms = UINT64_MAX, .allow_migration = true, .snp_vmpl_max = 3 };
    struct attest_input in = { .kind = (enum attest_kind)(vl_read_u8(&r) % (ATTEST_KINDS + 1)), .policy = &policy };
    in.when = 1750000000000;
    in.evidence = part(&r);
    in.leaf = part(&r);
    for (unsigned i = 0; i < ATTEST_COLLATERAL; i++) in.collateral[i] = part(&r);
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    if (pool == NULL) return 0;
    vl_ignore(crypto_x509_pool_add(pool, part(&r)));
    vl_ignore(crypto_x509_pool_add_crl(pool, part(&r)));
    in.pool = pool;
    struct attest_result result;
    attest_verify(&in, &result);
    if (result.reason == NULL || result.level > 1000 || (in.kind != ATTEST_SELF && result.level > 300)) abort();
    crypto_x509_pool_destroy(pool);
    return 0;
}
