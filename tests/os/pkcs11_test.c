#include "os/pkcs11.h"

#include "crypto/sign.h"

#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define ABSENT "softhsm2 is not installed"

static const uint8_t secret[PKCS11_KEY] = { 1, 2, 3, 4 };
static const struct pkcs11_uri key = { "village", "node" };

/* Two tokens, PIN 1234, in a folder of this process. */
static bool tokens(void) {
    static bool made;
    char dir[] = "/tmp/village-hsm-XXXXXX", conf[64], text[160], command[300];
    if (access(MODULE, F_OK) != 0) return false;
    if (made) return true;
    CHECK(mkdtemp(dir) != NULL);
    snprintf(conf, sizeof conf, "%s/conf", dir);
    int n = snprintf(text, sizeof text, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", dir);
    int fd = open(conf, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text, (size_t)n) == n);
    close(fd);
    setenv("SOFTHSM2_CONF", conf, 1);
    static const char *const labels[] = { "village", "other" };
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "softhsm2-util --init-token --free --label %s --so-pin 9999 --pin 1234 >/dev/null 2>&1", labels[i]);
        if (system(command) != 0) return false;
    }
    made = true;
    return true;
}

TEST(pkcs11, wraps_a_key_under_one_that_never_leaves_the_token) {
    struct vl_buf params;
    struct vl_errmsg msg = { "" };
    struct pkcs11_uri named;
    uint8_t got[PKCS11_KEY] = { 0 };
    if (!tokens()) SKIP(ABSENT);
    vl_buf_init(&params, 1024);
    CHECK_EQ(VL_ENOTFOUND, pkcs11_wrap(MODULE, &key, vl_span_str("1234"), false, secret, &params, &msg));
    CHECK_OK(pkcs11_wrap(MODULE, &key, vl_span_str("1234"), true, secret, &params, &msg));
    CHECK(memmem(params.p, params.len, secret, 8) == NULL);
    CHECK_OK(pkcs11_params_uri(vl_span(params.p, params.len), &named));
    CHECK_STR("village", named.token);
    CHECK_STR("node", named.object);
    CHECK_OK(pkcs11_unwrap(MODULE, vl_span(params.p, params.len), vl_span_str("1234"), got, &msg));
    CHECK_MEM(secret, got, sizeof got);
    memset(got, 0, sizeof got);
    CHECK_EQ(VL_EDENIED, pkcs11_unwrap(MODULE, vl_span(params.p, params.len), vl_span_str("1235"), got, &msg));
    CHECK(strstr(msg.text, "PIN") != NULL);
    for (size_t i = 13; i < 61; i += 5) { /* the wrapped key is authenticated */
        params.p[i] ^= 1;
        CHECK_EQ(VL_ECRYPTO, pkcs11_unwrap(MODULE, vl_span(params.p, params.len), vl_span_str("1234"), got, &msg));
        params.p[i] ^= 1;
    }
    CHECK_EQ(0, got[0]);
    for (size_t i = 0; i < params.len; i++) CHECK_EQ(VL_EPARSE, pkcs11_params_uri(vl_span(params.p, i), &named));
    vl_buf_free(&params);
}

TEST(pkcs11, says_which_token_or_module_is_not_there) {
    struct vl_buf params;
    struct vl_errmsg msg = { "" };
    vl_buf_init(&params, 1024);
    CHECK_EQ(VL_EUNSUPPORTED, pkcs11_wrap("/nowhere/module.so", &key, vl_span_str("1"), false, secret, &params, &msg));
    CHECK(strstr(msg.text, "/nowhere/module.so") != NULL);
    CHECK_EQ(VL_EUNSUPPORTED, pkcs11_wrap(NULL, &key, vl_span_str("1"), false, secret, &params, &msg));
    CHECK(strstr(msg.text, "--pkcs11") != NULL);
    if (!tokens()) SKIP(ABSENT);
    CHECK_EQ(VL_ENOTFOUND, pkcs11_wrap(MODULE, &(struct pkcs11_uri){ "absent", "node" }, vl_span_str("1234"), true, secret, &params, &msg));
    CHECK(strstr(msg.text, "absent") != NULL);
    vl_buf_free(&params);
}

/* softhsm2 2.6.1 forgets to free the public point of an Edwards key; that is no leak of ours. */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));
static enum vl_err sign(const struct pkcs11_uri *uri, const char *pin, bool make, struct vl_span text, uint8_t public[32], uint8_t signature[64],
                        struct vl_errmsg *msg) {
    if (__lsan_disable) __lsan_disable();
    enum vl_err err = pkcs11_sign(MODULE, uri, vl_span_str(pin), make, text, public, signature, msg);
    if (__lsan_enable) __lsan_enable();
    return err;
}

TEST(pkcs11, signs_with_an_ed25519_key_that_stays_in_the_token) {
    struct vl_errmsg msg = { "" };
    uint8_t public[32], again[32], signature[64];
    const struct pkcs11_uri signer = { "other", "log" };
    const struct vl_span text = vl_span_str("village log head");
    if (!tokens()) SKIP(ABSENT);
    CHECK_EQ(VL_ENOTFOUND, sign(&signer, "1234", false, text, public, signature, &msg));
    CHECK_OK(sign(&signer, "1234", true, text, public, signature, &msg));
    CHECK_OK(crypto_verify_message(public, "", text, signature));
    CHECK_OK(sign(&signer, "1234", false, text, again, signature, &msg));
    CHECK_MEM(public, again, 32);
    CHECK_EQ(VL_ECRYPTO, crypto_verify_message(public, "", vl_span_str("village log heap"), signature));
    CHECK_EQ(VL_EDENIED, sign(&signer, "0000", false, text, again, signature, &msg));
}

TEST(pkcs11, reads_uris_strictly) {
    struct pkcs11_uri u;
    CHECK_OK(pkcs11_uri_parse("pkcs11:token=a;object=b", &u));
    CHECK_STR("a", u.token);
    CHECK_STR("b", u.object);
    CHECK_OK(pkcs11_uri_parse("pkcs11:object=b%20c;token=a%3b;type=secret-key", &u));
    CHECK_STR("a;", u.token);
    CHECK_STR("b c", u.object);
    static const char *const bad[] = { "", "pkcs11:", "pkcs11:token=a", "pkcs11:object=b", "token=a;object=b", "pkcs11:token=a;object=b;pin-value=1",
                                       "pkcs11:token=a;token=c;object=b", "pkcs11:token=a%0;object=b", "pkcs11:token=a%00;object=b",
                                       "pkcs11:token=;object=b", "pkcs11:token=a;object=b;module-path=/tmp/x.so",
                                       "pkcs11:token=0123456789012345678901234567890123;object=b", "pkcs11:token=a%;object=b" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK_EQ(VL_EPARSE, pkcs11_uri_parse(bad[i], &u));
}
