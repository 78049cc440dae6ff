/* What admission makes of a real TPM's answers (swtpm): activation, other keys, a machine that was set back. */
#include "base/text.h"
#include "check.h"
#include "crypto/random.h"
#include "crypto/x509.h"
#include "node/tee.h"
#include "swtpm.h"
#include "trust/admission.h"
#include "trust/attest_bind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATER 4000000000000ull /* certificates of swtpm_localca begin today */

static struct swtpm tpm;
static void tpm_end(void) { swtpm_end(&tpm); }
static bool have_tpm(void) {
    static bool tried, there;
    if (tried) return there;
    tried = true;
    CHECK_OK(crypto_init());
    there = swtpm_begin(&tpm);
    atexit(tpm_end);
    return there;
}

struct scene {
    struct tees *tees;
    struct admission *a;
    struct tee_evidence made[ATTESTATIONS_MAX];
    size_t n;
    struct attestation e;
    struct admission_case c;
    struct admission_verdict v;
    struct vl_errmsg msg;
};

static void begin(struct scene *s, const char *anchor) {
    char key[65], policy[512];
    uint8_t hash[32];
    struct tees_config cfg = { .machine = { .root = "/nowhere", .tpm = tpm.tcti } };
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    *s = (struct scene){ .c = { .node = { { 4 } }, .verifier = { { 1 } }, .nonce = { 9 }, .binding = { 8 }, .when = LATER, .number = 1, .n = 1 } };
    char *issuer = swtpm_ca(&tpm, "issuercert.pem"), *root = swtpm_ca(&tpm, "swtpm-localca-rootca-cert.pem");
    CHECK_OK(crypto_x509_pool_add(pool, vl_span_str(root)));
    crypto_x509_key_hash(crypto_x509_pool_get(pool, 0), hash);
    vl_hex_encode(hash, sizeof hash, key);
    snprintf(policy, sizeof policy, "{\"version\": 1, \"roots\": [{\"kind\": \"tpm\", \"key\": \"%s\", \"anchor\": \"%s\", \"name\": \"swtpm's CA\"}]}", key, anchor);
    const struct admission_file files[] = { { "issuer.pem", vl_span_str(issuer) }, { "root.pem", vl_span_str(root) } };
    CHECK_OK(admission_create(vl_span_str(policy), files, 2, &s->a, &s->msg));
    CHECK_OK(tees_create(&cfg, &s->tees, &s->msg));
    free(issuer);
    free(root);
    crypto_x509_pool_destroy(pool);
}

static void quote(struct scene *s) {
    struct attestation asked = { .node = s->c.node };
    uint8_t data[TEE_DATA];
    static const uint8_t none[32];
    char why[160];
    memcpy(asked.nonce, s->c.nonce, 32);
    memcpy(asked.binding, s->c.binding, 32);
    attest_bind(&asked, data);
    if (s->n > 0) tee_evidence_free(&s->made[0]);
    CHECK_OK(tees_quote(s->tees, data, none, s->made, &s->n, why));
    CHECK_EQ(1, s->n);
    s->e = asked;
    tee_evidence_view(&s->made[0], &s->e);
    s->c.answer = &s->e;
}

static void end(struct scene *s) {
    if (s->n > 0) tee_evidence_free(&s->made[0]);
    tees_destroy(s->tees);
    admission_destroy(s->a);
}

static uint32_t level(struct scene *s) {
    admission_judge(s->a, &s->c, &s->v);
    return s->v.result.level;
}

TEST(admission_tpm, a_quote_counts_once_its_credential_was_activated) {
    if (!have_tpm()) SKIP(SWTPM_ABSENT);
    struct scene s;
    uint8_t name[TPM_NAME_MAX], secret[TPM_SECRET], random[TPM_CREDENTIAL_RANDOM], answer[TEE_SECRET_MAX];
    struct vl_buf wrapped;
    size_t n = 0;
    begin(&s, "operator");
    quote(&s);
    CHECK_EQ(0, level(&s));
    CHECK(s.v.activate && s.v.earlier.n == 0);
    vl_buf_init(&wrapped, TPM_CREDENTIAL_MAX);
    crypto_random(secret, sizeof secret);
    crypto_random(random, sizeof random);
    CHECK_OK(tpm_credential_make(s.v.endorsement, vl_span(s.v.name, s.v.name_n), secret, random, &wrapped));
    CHECK_OK(tees_credential(s.tees, vl_span(wrapped.p, wrapped.len), answer, &n, &s.msg));
    CHECK(tpm_credential_answered(secret, vl_span(answer, n)));
    memcpy(name, s.v.name, sizeof name);
    s.c.activated = vl_span(name, s.v.name_n);
    CHECK_EQ(700, level(&s));
    CHECK(!s.v.activate);
    CHECK(vl_span_eq(s.v.earlier, s.e.evidence));
    name[5] ^= 1; /* another key's */
    CHECK_EQ(0, level(&s));
    CHECK(!s.v.activate);
    name[5] ^= 1;
    s.e.collateral[4] = s.c.activated; /* what the node says of it is not looked at */
    s.c.activated = (struct vl_span){ 0 };
    CHECK_EQ(0, level(&s));
    s.c.nonce[0] ^= 1; /* for another challenge: not worth asking further */
    CHECK_EQ(0, level(&s));
    CHECK(!s.v.activate);
    vl_buf_free(&wrapped);
    end(&s);
}

TEST(admission_tpm, a_simulated_root_and_none_are_worth_300_and_are_not_asked_further) {
    if (!have_tpm()) SKIP(SWTPM_ABSENT);
    struct scene s;
    uint8_t name[TPM_NAME_MAX];
    begin(&s, "simulated");
    quote(&s);
    CHECK_EQ(0, level(&s));
    CHECK(s.v.activate);
    memcpy(name, s.v.name, sizeof name);
    s.c.activated = vl_span(name, s.v.name_n);
    CHECK_EQ(300, level(&s));
    CHECK(strstr(s.v.result.why, "simulated root") != NULL);
    admission_destroy(s.a);
    CHECK_OK(admission_create((struct vl_span){ 0 }, NULL, 0, &s.a, &s.msg));
    s.c.activated = (struct vl_span){ 0 };
    CHECK_EQ(300, level(&s));
    CHECK(!s.v.activate);
    end(&s);
}

TEST(admission_tpm, a_tpm_that_counts_fewer_resets_than_before_is_refused) {
    if (!have_tpm()) SKIP(SWTPM_ABSENT);
    struct scene s;
    uint8_t name[TPM_NAME_MAX], newest[1024];
    begin(&s, "operator");
    quote(&s);
    CHECK_EQ(0, level(&s));
    memcpy(name, s.v.name, sizeof name);
    s.c.activated = vl_span(name, s.v.name_n);
    struct attestation before = s.e;
    struct tee_evidence kept = s.made[0];
    s.n = 0; /* keeps the first one's buffers */
    swtpm_stop(&tpm);
    swtpm_start(&tpm);
    quote(&s);
    s.c.earlier = before.evidence;
    CHECK_EQ(700, level(&s)); /* one reset more */
    size_t newest_n = s.e.evidence.n;
    CHECK(newest_n <= sizeof newest);
    memcpy(newest, s.e.evidence.p, newest_n);
    s.c.earlier = vl_span(newest, newest_n);
    s.c.answer = &before; /* the state of before, such as a snapshot of a virtual machine */
    CHECK_EQ(0, level(&s));
    CHECK(strstr(s.v.result.entry[0].why, "fewer resets") != NULL);
    newest[8] ^= 1; /* the quote of another key is nothing to hold it against: a TPM may be replaced */
    CHECK_EQ(700, level(&s));
    tee_evidence_free(&kept);
    end(&s);
}
