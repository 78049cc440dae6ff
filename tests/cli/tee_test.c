/* `village tee`: what it says of a machine without anything, and evidence of a TPM made by swtpm, read back and verified. */
#include "base/text.h"
#include "check.h"
#include "cli/cli.h"
#include "crypto/hash.h"
#include "swtpm.h"
#include "trust/attest_bind.h"
#include "wire/armor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NONCE "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NODE "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"

struct run {
    int code;
    char out[16384], err[4096];
};
static void slurp(int fd, char *dst, size_t cap) {
    ssize_t n = pread(fd, dst, cap - 1, 0);
    CHECK(n >= 0);
    dst[n] = '\0';
    close(fd);
}
static struct run village(size_t n, const char *const *words) {
    static const struct cli_hooks hooks = { .up = NULL };
    char *argv[16] = { (char *)"village" };
    char a[] = "/tmp/village-out-XXXXXX", b[] = "/tmp/village-err-XXXXXX";
    struct run r = { .code = 0 };
    for (size_t i = 0; i < n; i++) argv[i + 1] = (char *)words[i];
    fflush(stdout);
    int out = mkstemp(a), err = mkstemp(b), old_out = dup(1), old_err = dup(2);
    dup2(out, 1), dup2(err, 2);
    r.code = cli_main((int)n + 1, argv, &hooks);
    fflush(stdout);
    dup2(old_out, 1), dup2(old_err, 2);
    close(old_out), close(old_err);
    slurp(out, r.out, sizeof r.out);
    slurp(err, r.err, sizeof r.err);
    unlink(a), unlink(b);
    return r;
}
#define VILLAGE(...) village(N(((const char *const[]){ __VA_ARGS__ })), (const char *const[]){ __VA_ARGS__ })

TEST(cli_tee, lists_every_provider_with_what_is_missing) {
    struct run r = VILLAGE("tee", "list", "--device-root", "/nowhere", "--json");
    CHECK_EQ(0, r.code);
    json_t *o = json_loads(r.out, 0, NULL), *items = json_object_get(o, "items"), *v;
    size_t i;
    CHECK_EQ(8, json_array_size(items));
    json_array_foreach(items, i, v) {
        CHECK(json_is_false(json_object_get(v, "present")));
        CHECK(json_string_length(json_object_get(v, "why")) > 20);
    }
    CHECK_STR("tsm", json_string_value(json_object_get(json_array_get(items, 0), "provider")));
    json_decref(o);
    r = VILLAGE("tee", "--device-root", "/nowhere");
    CHECK_EQ(0, r.code);
    CHECK(strstr(r.out, "no /dev/tpmrm0") != NULL);
}

TEST(cli_tee, an_absent_provider_is_an_error_that_says_what_to_do) {
    struct run r = VILLAGE("tee", "quote", "--device-root", "/nowhere", "--provider", "gramine", "/tmp/village-never");
    CHECK_EQ(1, r.code);
    CHECK(strstr(r.err, "run the node under gramine-sgx") != NULL);
    CHECK(access("/tmp/village-never", F_OK) != 0);
    r = VILLAGE("tee", "quote", "--device-root", "/nowhere", "/tmp/village-never", "--json");
    CHECK_EQ(1, r.code);
    CHECK(strstr(r.out, "village tee list") != NULL);
    CHECK_EQ(2, VILLAGE("tee", "quote").code);
    CHECK_EQ(2, VILLAGE("tee", "measure").code);
    CHECK_EQ(2, VILLAGE("tee", "quote", "x", "--nonce", "zz").code);
    CHECK_EQ(2, VILLAGE("tee", "quote", "x", "--node", NODE "x").code);
    CHECK_EQ(2, VILLAGE("tee", "quote", "-", "--json").code);
}

TEST(cli_tee, a_quote_is_an_artefact_that_verifies) {
    struct swtpm tpm;
    char module[] = "/tmp/village-module-XXXXXX", path[96], label[ARMOR_LABEL_MAX + 1];
    if (!swtpm_begin(&tpm)) SKIP(SWTPM_ABSENT);
    int fd = mkstemp(module);
    CHECK_EQ(4, write(fd, "wasm", 4));
    close(fd);
    snprintf(path, sizeof path, "%s/evidence", tpm.dir);
    struct run r = VILLAGE("tee", "quote", "--device-root", "/nowhere", "--tpm", tpm.tcti, "--nonce", NONCE, "--node", NODE, "--module", module, path, "--json");
    print_message("# %s%s", r.out, r.err);
    CHECK_EQ(0, r.code);
    json_t *o = json_loads(r.out, 0, NULL), *verdict = json_object_get(o, "verdict");
    CHECK_STR("tpm", json_string_value(json_object_get(o, "provider")));
    CHECK_STR(NONCE, json_string_value(json_object_get(o, "nonce")));
    CHECK_STR("no credential was activated under the certificate's key", json_string_value(json_object_get(verdict, "reason")));
    CHECK_EQ(0, json_integer_value(json_object_get(verdict, "level")));
    json_decref(o);
    /* read back as whoever gets the file does */
    static char text[200000];
    struct vl_buf bytes;
    struct attestation a;
    struct attest_result result;
    struct vl_hash program;
    uint8_t data[ATTEST_DATA], form[ATTEST_DATA];
    FILE *f = fopen(path, "re");
    CHECK(f != NULL);
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    vl_buf_init(&bytes, ATTESTATION_MAX);
    CHECK_OK(armor_read(vl_span(text, n), label, &bytes));
    CHECK_STR(ATTESTATION_LABEL, label);
    CHECK_OK(attestation_decode(vl_span(bytes.p, bytes.len), &a));
    CHECK_EQ(0x1f, a.nonce[31]);
    crypto_blake2b256(vl_span("wasm", 4), &program);
    CHECK_MEM(program.b, a.program, 32);
    attest_bind(&a, data);
    struct attest_input in = { .kind = ATTEST_TPM, .evidence = a.evidence, .leaf = a.leaf, .when = a.made_ms, .nonce_binds_key = true };
    in.nonce = vl_span(form, attest_bind_form(ATTEST_TPM, data, form));
    for (unsigned i = 0; i < ATTESTATION_COLLATERAL; i++) in.collateral[i] = a.collateral[i];
    attest_verify(&in, &result);
    CHECK_STR("no credential was activated under the certificate's key", result.reason);
    char *issuer = swtpm_ca(&tpm, "issuercert.pem"); /* with its maker trusted, and the key taken for activated, all of it holds */
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    struct attest_root root = { .kind = ATTEST_TPM, .anchor = ATTEST_ANCHOR_SIMULATED, .name = "swtpm" };
    struct attest_policy policy = { .roots = &root, .nroots = 1 };
    uint8_t name[34] = { 0x00, 0x0b };
    CHECK_OK(crypto_x509_pool_add(pool, vl_span_str(issuer)));
    crypto_x509_key_hash(crypto_x509_pool_get(pool, 0), root.key);
    crypto_sha256(a.collateral[1], name + 2);
    in.pool = pool;
    in.policy = &policy;
    in.when += 5000; /* its CA was made this second */
    in.collateral[4] = vl_span(name, sizeof name);
    attest_verify(&in, &result);
    CHECK_STR("accepted", result.reason);
    CHECK_EQ(ATTEST_YES, result.fresh.state);
    CHECK_EQ(300, result.level);
    crypto_x509_pool_destroy(pool);
    free(issuer);
    vl_buf_free(&bytes);
    unlink(module);
    swtpm_end(&tpm);
}
