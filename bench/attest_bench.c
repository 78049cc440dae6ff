/* attest_bench.c - verifications a second on one core, of two kinds and (attest.rate) of the slower one, each from bytes to verdict with the whole chain of
 * certificates: an SEV-SNP report under its VCEK, ASK and ARK; a TDX quote with TCB info, QE identity and both
 * revocation lists. The caller's certificates are parsed once, nothing else is kept between two.  The peer is the
 * target, 500 a second. Without the vectors it says so and prints nothing. */
#include "bench.h"

#include "trust/attest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 21
#define EACH 25u
#define TARGET 500.0

static _Noreturn void die(const char *what) {
    (void)fprintf(stderr, "attest_bench: %s\n", what);
    exit(1);
}

/* NULL: not there. */
static char *load(const char *name, size_t *ret_n) {
    const char *shared = getenv("VILLAGE_SHARED");
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/vectors/attestation/%s", shared != NULL ? shared : "../shared", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) return NULL;
    char *bytes = malloc(1 << 20);
    if (bytes == NULL) die("out of memory");
    *ret_n = fread(bytes, 1, (1 << 20) - 1, f);
    bytes[*ret_n] = '\0';
    (void)fclose(f);
    return bytes;
}

static const char *text(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    if (s == NULL) die("an unknown form of collateral");
    return s;
}
static void add_crl(struct crypto_x509_pool *pool, const char *hex) {
    static uint8_t der[65536];
    size_t n = strlen(hex) / 2;
    unsigned byte;
    for (size_t i = 0; i < n && i < sizeof der; i++) {
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1) die("not hexadecimal");
        der[i] = (uint8_t)byte;
    }
    if (crypto_x509_pool_add_crl(pool, vl_span(der, n)) != VL_OK) die("a revocation list");
}
static struct vl_span document(const json_t *o, const char *name, const char *key, const char *signature) {
    char *s = malloc(65536);
    if (s == NULL) die("out of memory");
    int n = snprintf(s, 65536, "{\"%s\":%s,\"signature\":\"%s\"}", name, text(o, key), text(o, signature));
    return vl_span(s, (size_t)n);
}

static void print(const char *name, double rate) {
    printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"1/s\",\"peer\":\"target\",\"ratio\":%.3f}\n", name, rate, rate / TARGET);
    (void)fflush(stdout);
}

static double measure(const char *name, const struct attest_input *in) {
    double rate[ROUNDS];
    struct attest_result r;
    for (unsigned i = 0; i < ROUNDS; i++) {
        double began = bench_cpu_s();
        for (unsigned j = 0; j < EACH; j++) {
            attest_verify(in, &r);
            if (!r.accepted) die(r.reason);
        }
        rate[i] = EACH / (bench_cpu_s() - began);
    }
    qsort(rate, ROUNDS, sizeof *rate, bench_by_value);
    print(name, rate[ROUNDS / 2]);
    return rate[ROUNDS / 2];
}

int main(void) {
    size_t report_n, vcek_n, amd_n, quote_n, json_n;
    char *report = load("snp/virtee-milan-v2-report.bin", &report_n),
         *vcek = load("snp/virtee-milan-vcek.der", &vcek_n);
    char *amd = load("snp/amd-ask-ark-milan.pem", &amd_n), *quote = load("sgx-tdx/phala-tdx-v4-quote.bin", &quote_n);
    char *json = load("sgx-tdx/phala-tdx-v4-collateral.json", &json_n);
    if (report == NULL || vcek == NULL || amd == NULL || quote == NULL || json == NULL) {
        (void)fprintf(stderr, "attest_bench: the attestation vectors are not here\n");
        return 0;
    }
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    json_t *o = json_loads(json, 0, NULL);
    if (pool == NULL || o == NULL) die("out of memory");
    if (crypto_x509_pool_add(pool, vl_span(amd, amd_n)) != VL_OK ||
        crypto_x509_pool_add(pool, vl_span_str(text(o, "pck_crl_issuer_chain"))) != VL_OK ||
        crypto_x509_pool_add(pool, vl_span_str(text(o, "tcb_info_issuer_chain"))) != VL_OK)
        die("certificates");
    add_crl(pool, text(o, "root_ca_crl"));
    add_crl(pool, text(o, "pck_crl"));
    struct attest_input snp = { .kind = ATTEST_SNP,
                                .evidence = vl_span(report, report_n),
                                .leaf = vl_span(vcek, vcek_n) };
    struct attest_input tdx = { .kind = ATTEST_TDX, .evidence = vl_span(quote, quote_n) };
    snp.when = tdx.when = 1751328000000; /* 2025-07-01 */
    snp.pool = tdx.pool = pool;
    tdx.collateral[0] = document(o, "tcbInfo", "tcb_info", "tcb_info_signature");
    tdx.collateral[1] = document(o, "enclaveIdentity", "qe_identity", "qe_identity_signature");
    double rate_snp = measure("attest.rate.snp", &snp), rate_tdx = measure("attest.rate.tdx", &tdx);
    print("attest.rate", rate_snp < rate_tdx ? rate_snp : rate_tdx);
    return 0;
}
