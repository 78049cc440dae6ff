/* A TPM 2.0 that is one (swtpm): contexts, quotes that the verifier takes, credentials, and what does not work. */
#include "base/text.h"
#include "check.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/x509.h"
#include "node/tee.h"
#include "os/file.h"
#include "os/tee_tpm.h"
#include "swtpm.h"
#include "tee_fake.h"
#include "trust/attest_bind.h"
#include "trust/tpm_credential.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1790000000000ull /* September 2026; swtpm_localca's certificates begin today, so tests ask in the future */
#define LATER 4000000000000ull

static struct swtpm tpm; /* one for all tests: making it takes a second */
static void tpm_end(void) { swtpm_end(&tpm); }
static bool have_tpm(void) {
    static bool tried, there;
    if (!tried) {
        tried = true;
        CHECK_OK(crypto_init());
        there = swtpm_begin(&tpm);
        atexit(tpm_end);
    }
    return there;
}
#define NEED_TPM()                       \
    do {                                 \
        if (!have_tpm()) SKIP(SWTPM_ABSENT); \
    } while (0)

static const struct vl_node_id node = { .b = { 1, 2, 3 } };
static const uint8_t nonce[32] = { 9, 9 }, channel[32] = { 7 };

struct scene {
    struct tees *tees;
    struct vl_errmsg msg;
    char *issuer, *root;
    struct crypto_x509_pool *pool;
    struct attest_root pinned[1];
    struct attest_policy policy;
    struct attest_result r;
};

static void begin(struct scene *s) {
    struct tees_config cfg = { .machine = { .root = "/nowhere", .tpm = tpm.tcti }, .node = node };
    struct crypto_x509_pool *roots = crypto_x509_pool_create();
    *s = (struct scene){ .msg = { "" } };
    CHECK_OK(tees_create(&cfg, &s->tees, &s->msg));
    s->issuer = swtpm_ca(&tpm, "issuercert.pem");
    s->root = swtpm_ca(&tpm, "swtpm-localca-rootca-cert.pem");
    s->pool = crypto_x509_pool_create();
    CHECK_OK(crypto_x509_pool_add(s->pool, vl_span_str(s->issuer)));
    CHECK_OK(crypto_x509_pool_add(s->pool, vl_span_str(s->root)));
    CHECK_OK(crypto_x509_pool_add(roots, vl_span_str(s->root)));
    s->pinned[0] = (struct attest_root){ .kind = ATTEST_TPM, .anchor = ATTEST_ANCHOR_SIMULATED, .name = "swtpm's CA" };
    crypto_x509_key_hash(crypto_x509_pool_get(roots, 0), s->pinned[0].key);
    crypto_x509_pool_destroy(roots);
    s->policy = (struct attest_policy){ .roots = s->pinned, .nroots = 1 };
}
static void end(struct scene *s) {
    tees_destroy(s->tees);
    crypto_x509_pool_destroy(s->pool);
    free(s->issuer);
    free(s->root);
}

/* Judged as a verifier would who asked for what `asked` says; `activated`: Name of the key that answered its credential. */
static void judge(struct scene *s, const struct attestation *got, const struct attestation *asked, struct vl_span activated) {
    uint8_t data[ATTEST_DATA], form[ATTEST_DATA];
    attest_bind(asked, data);
    size_t n = attest_bind_form((enum attest_kind)got->kind, data, form);
    struct attest_input in = { .kind = (enum attest_kind)got->kind,
                               .evidence = got->evidence,
                               .leaf = got->leaf,
                               .pool = s->pool,
                               .nonce = vl_span(form, n),
                               .nonce_binds_key = true,
                               .when = LATER,
                               .policy = &s->policy };
    for (unsigned i = 0; i < ATTESTATION_COLLATERAL; i++) in.collateral[i] = got->collateral[i];
    in.collateral[4] = activated;
    attest_verify(&in, &s->r);
}

static uint64_t opened(struct scene *s, const struct tees_wish *w) {
    struct tees_status st;
    enum vl_err err = tees_open(s->tees, w, NOW, &st, &s->msg);
    if (err) print_message("# %s\n", s->msg.text);
    CHECK_OK(err);
    CHECK_STR("tpm", st.provider);
    CHECK_EQ(ATTEST_TPM, st.kind);
    return st.id;
}
static struct tees_proof proof(struct scene *s, uint64_t id, const uint8_t bind[32]) {
    struct tees_proof p;
    enum vl_err err = tees_attest(s->tees, id, nonce, bind, NOW, &p, &s->msg);
    if (err) print_message("# %s\n", s->msg.text);
    CHECK_OK(err);
    return p;
}

/* ---- the way of a quote ---- */

struct activation {
    uint8_t name[TPM_NAME_MAX], secret[TPM_SECRET], random[TPM_CREDENTIAL_RANDOM];
    size_t name_n;
    struct vl_buf wrapped;
};
static void activation_begin(struct activation *a, const struct attestation *got) {
    *a = (struct activation){ .name_n = 0 };
    vl_buf_init(&a->wrapped, TPM_CREDENTIAL_MAX);
    crypto_random(a->secret, sizeof a->secret);
    crypto_random(a->random, sizeof a->random);
    CHECK_OK(tpm_name(got->collateral[1], a->name, &a->name_n));
    CHECK_OK(tpm_credential_make(got->leaf, vl_span(a->name, a->name_n), a->secret, a->random, &a->wrapped));
}

TEST(tee_tpm, a_quote_of_a_simulated_tpm_is_accepted_after_activation_and_worth_the_nodes_own_word) {
    NEED_TPM();
    struct scene s;
    struct activation a;
    uint8_t answer[TEE_SECRET_MAX];
    size_t n = 0;
    begin(&s);
    uint64_t id = opened(&s, &(struct tees_wish){ .provider = NULL });
    struct tees_proof p = proof(&s, id, channel);
    CHECK_EQ(8 * 32, p.view.collateral[2].n);
    CHECK_EQ(0, p.view.collateral[3].n); /* the log of this machine is not the simulator's */
    judge(&s, &p.view, &p.view, vl_span(NULL, 0));
    CHECK_STR("no credential was activated under the certificate's key", s.r.reason);
    CHECK_EQ(0, s.r.level);
    activation_begin(&a, &p.view);
    CHECK_OK(tees_credential(s.tees, vl_span(a.wrapped.p, a.wrapped.len), answer, &n, &s.msg));
    CHECK(tpm_credential_answered(a.secret, vl_span(answer, n)));
    judge(&s, &p.view, &p.view, vl_span(a.name, a.name_n));
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_YES, s.r.genuine.state);
    CHECK_EQ(ATTEST_YES, s.r.fresh.state);
    CHECK_EQ(ATTEST_YES, s.r.key_bound.state);
    CHECK_EQ(ATTEST_ANCHOR_SIMULATED, s.r.anchor);
    CHECK_EQ(300, s.r.level); /* a simulator must not earn what hardware does */
    s.policy.nroots = 0;
    judge(&s, &p.view, &p.view, vl_span(a.name, a.name_n));
    CHECK(!s.r.accepted);
    CHECK_EQ(0, s.r.level);
    vl_buf_free(&a.wrapped);
    tees_proof_free(&p);
    end(&s);
}

TEST(tee_tpm, a_quote_answers_one_nonce_node_channel_job_and_program) {
    NEED_TPM();
    struct scene s;
    begin(&s);
    struct tees_wish w = { .job = { { 5 } }, .module = { { 6 } }, .config = vl_span("--threads 2", 11) };
    struct tees_proof p = proof(&s, opened(&s, &w), channel);
    uint8_t name[TPM_NAME_MAX];
    size_t n = 0;
    CHECK_OK(tpm_name(p.view.collateral[1], name, &n));
    CHECK_EQ(9 * 32, p.view.collateral[2].n); /* boot, and the program's */
    static const uint8_t which[] = { 0x00, 0x0b, 3, 0xff, 0x00, 0x80 }; /* SHA-256: PCRs 0 to 7, and 23, which programs may reset */
    CHECK(memmem(p.view.evidence.p, p.view.evidence.n, which, sizeof which) != NULL);
    CHECK_MEM(w.job.b, p.view.job.b, sizeof w.job.b);
    uint8_t program[32];
    tees_program(&w.module, w.config, program);
    CHECK_MEM(program, p.view.program, 32);
    judge(&s, &p.view, &p.view, vl_span(name, n));
    CHECK_STR("accepted", s.r.reason);
    for (unsigned i = 0; i < 5; i++) {
        struct attestation asked = p.view;
        uint8_t *const at[] = { asked.nonce, asked.binding, asked.node.b, asked.job.b, asked.program };
        at[i][15] ^= 1;
        judge(&s, &p.view, &asked, vl_span(name, n));
        CHECK_EQ(ATTEST_NO, s.r.fresh.state);
        CHECK(!s.r.accepted);
        CHECK_EQ(0, s.r.level);
    }
    tees_proof_free(&p);
    end(&s);
}

static void same_program(const struct attestation *a, const uint8_t program[32], bool want) {
    uint8_t event[32], text[64] = { 0 }, pcr[32];
    crypto_sha256(vl_span(program, 32), event);
    memcpy(text + 32, event, 32);
    crypto_sha256(vl_span(text, 64), pcr);
    CHECK_EQ(9 * 32, a->collateral[2].n);
    CHECK_EQ(want, memcmp(a->collateral[2].p + 8 * 32, pcr, 32) == 0);
}

TEST(tee_tpm, two_contexts_measure_their_own_programs_in_turn) {
    NEED_TPM();
    struct scene s;
    begin(&s);
    struct tees_wish one = { .job = { { 1 } }, .module = { { 1 } } }, two = { .job = { { 2 } }, .module = { { 2 } } };
    uint64_t a = opened(&s, &one), b = opened(&s, &two);
    for (unsigned i = 0; i < 2; i++) {
        struct tees_proof p = proof(&s, a, channel), q = proof(&s, b, channel);
        same_program(&p.view, one.module.b, true);
        same_program(&p.view, two.module.b, false);
        same_program(&q.view, two.module.b, true);
        tees_proof_free(&p);
        tees_proof_free(&q);
    }
    end(&s);
}

TEST(tee_tpm, evidence_for_the_brain_is_over_its_own_words) {
    NEED_TPM();
    struct scene s;
    struct tee_evidence v[ATTESTATIONS_MAX];
    struct attestation asked = { .node = node, .program = { 3 } }, got = asked;
    uint8_t data[TEE_DATA], name[TPM_NAME_MAX];
    size_t n = 0, name_n = 0;
    char why[160];
    begin(&s);
    memcpy(asked.nonce, nonce, 32);
    attest_bind(&asked, data);
    CHECK_OK(tees_quote(s.tees, data, asked.program, v, &n, why));
    CHECK_EQ(1, n);
    tee_evidence_view(&v[0], &got);
    CHECK_OK(tpm_name(got.collateral[1], name, &name_n));
    judge(&s, &got, &asked, vl_span(name, name_n));
    CHECK_STR("accepted", s.r.reason);
    same_program(&got, asked.program, true);
    tee_evidence_free(&v[0]);
    end(&s);
}

TEST(tee_tpm, the_attestation_key_is_the_same_after_a_power_failure) {
    NEED_TPM();
    struct scene s;
    struct tees_proof before, after;
    begin(&s);
    uint64_t id = opened(&s, &(struct tees_wish){ .module = { { 4 } } });
    before = proof(&s, id, channel);
    swtpm_stop(&tpm);
    CHECK_EQ(VL_EIO, tees_attest(s.tees, id, nonce, channel, NOW, &after, &s.msg));
    CHECK(strstr(s.msg.text, "no TPM answers at") != NULL);
    swtpm_start(&tpm);
    after = proof(&s, id, channel); /* PCR 23 was lost, and is measured anew */
    CHECK_EQ(before.view.collateral[1].n, after.view.collateral[1].n);
    CHECK_MEM(before.view.collateral[1].p, after.view.collateral[1].p, after.view.collateral[1].n);
    same_program(&after.view, (const uint8_t[32]){ 4 }, true);
    tees_proof_free(&before);
    tees_proof_free(&after);
    end(&s);
}

/* ---- credentials that are not for us ---- */

TEST(tee_tpm, a_credential_opens_for_its_own_key_and_tpm_alone) {
    NEED_TPM();
    struct scene s;
    struct activation a;
    uint8_t answer[TEE_SECRET_MAX] = { 0 }, none[TEE_SECRET_MAX] = { 0 };
    size_t n = 77;
    begin(&s);
    struct tees_proof p = proof(&s, opened(&s, &(struct tees_wish){ .provider = "tpm" }), channel);
    activation_begin(&a, &p.view);
    /* another attestation key */
    uint8_t name[TPM_NAME_MAX];
    memcpy(name, a.name, a.name_n);
    name[a.name_n - 1] ^= 1;
    vl_buf_clear(&a.wrapped);
    CHECK_OK(tpm_credential_make(p.view.leaf, vl_span(name, a.name_n), a.secret, a.random, &a.wrapped));
    CHECK_EQ(VL_ECRYPTO, tees_credential(s.tees, vl_span(a.wrapped.p, a.wrapped.len), answer, &n, &s.msg));
    CHECK(strstr(s.msg.text, "another TPM or another attestation key") != NULL);
    /* another endorsement key: of the CA, which has 3072 bits, cannot even be asked; of the second half spoilt it does not open */
    CHECK_EQ(VL_EUNSUPPORTED, tpm_credential_make(vl_span_str(s.issuer), vl_span(a.name, a.name_n), a.secret, a.random, &a.wrapped));
    vl_buf_clear(&a.wrapped);
    CHECK_OK(tpm_credential_make(p.view.leaf, vl_span(a.name, a.name_n), a.secret, a.random, &a.wrapped));
    for (size_t at = 0; at < a.wrapped.len; at += 23) {
        a.wrapped.p[at] ^= 0x10;
        enum vl_err err = tees_credential(s.tees, vl_span(a.wrapped.p, a.wrapped.len), answer, &n, &s.msg);
        CHECK(err == VL_ECRYPTO || err == VL_EPARSE);
        a.wrapped.p[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < a.wrapped.len; cut += 40)
        CHECK_EQ(VL_EPARSE, tees_credential(s.tees, vl_span(a.wrapped.p, cut), answer, &n, &s.msg));
    CHECK_EQ(77, n);
    CHECK_MEM(none, answer, sizeof answer);
    CHECK_OK(tees_credential(s.tees, vl_span(a.wrapped.p, a.wrapped.len), answer, &n, &s.msg));
    CHECK(tpm_credential_answered(a.secret, vl_span(answer, n)));
    vl_buf_free(&a.wrapped);
    tees_proof_free(&p);
    end(&s);
}

TEST(tee_tpm, another_tpm_does_not_open_it) {
    NEED_TPM();
    struct swtpm other;
    struct scene s;
    struct activation a;
    struct tees *theirs = NULL;
    uint8_t answer[TEE_SECRET_MAX];
    size_t n = 0;
    begin(&s);
    struct tees_proof p = proof(&s, opened(&s, &(struct tees_wish){ .provider = "tpm" }), channel);
    activation_begin(&a, &p.view);
    CHECK(swtpm_begin(&other));
    CHECK_OK(tees_create(&(struct tees_config){ .machine = { .root = "/nowhere", .tpm = other.tcti } }, &theirs, &s.msg));
    CHECK_EQ(VL_ECRYPTO, tees_credential(theirs, vl_span(a.wrapped.p, a.wrapped.len), answer, &n, &s.msg));
    tees_destroy(theirs);
    swtpm_end(&other);
    vl_buf_free(&a.wrapped);
    tees_proof_free(&p);
    end(&s);
}

/* Most machines have none stored: it is made from the profile's template, and must be the certified one. */
TEST(tee_tpm, an_endorsement_key_that_is_not_stored_is_made_anew) {
    NEED_TPM();
    typedef TSS2_RC evict_fn(ESYS_CONTEXT *, ESYS_TR, ESYS_TR, ESYS_TR, ESYS_TR, ESYS_TR, TPMI_DH_PERSISTENT, ESYS_TR *);
    struct scene s;
    struct tss tss;
    struct tpm_link l;
    struct activation a;
    ESYS_TR stored = ESYS_TR_NONE, none = ESYS_TR_NONE;
    evict_fn *evict = NULL;
    uint8_t answer[TEE_SECRET_MAX];
    size_t n = 0;
    begin(&s);
    CHECK_OK(tss_load(&tss, &s.msg));
    void *at = dlsym(tss.esys, "Esys_EvictControl");
    memcpy(&evict, &at, sizeof evict);
    CHECK_OK(tpm_dial(&tss, tpm.tcti, &l, &s.msg));
    CHECK_EQ(0, tss.Esys_TR_FromTPMPublic(l.esys, 0x81010001, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &stored));
    CHECK_EQ(0, evict(l.esys, ESYS_TR_RH_OWNER, stored, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, 0, &none));
    CHECK(tss.Esys_TR_FromTPMPublic(l.esys, 0x81010001, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &stored) != 0);
    tpm_hang_up(&l);
    tss_unload(&tss);
    struct tees_proof p = proof(&s, opened(&s, &(struct tees_wish){ .provider = "tpm" }), channel);
    for (unsigned i = 0; i < 4; i++) { /* nothing is left behind: a TPM has room for three keys */
        activation_begin(&a, &p.view);
        CHECK_OK(tees_credential(s.tees, vl_span(a.wrapped.p, a.wrapped.len), answer, &n, &s.msg));
        CHECK(tpm_credential_answered(a.secret, vl_span(answer, n)));
        vl_buf_free(&a.wrapped);
    }
    tees_proof_free(&p);
    end(&s);
}

TEST(tee_tpm, a_certificate_may_come_from_a_file_with_its_issuers) {
    NEED_TPM();
    struct scene s;
    struct vl_buf pem;
    char path[128], line[65];
    uint8_t name[TPM_NAME_MAX];
    size_t n = 0;
    begin(&s);
    uint64_t id = opened(&s, &(struct tees_wish){ .provider = "tpm" });
    struct tees_proof p = proof(&s, id, channel), q;
    vl_buf_init(&pem, 16384);
    CHECK_OK(vl_buf_printf(&pem, "-----BEGIN CERTIFICATE-----\n"));
    for (size_t i = 0; i < p.view.leaf.n; i += 48) {
        vl_base64_encode(p.view.leaf.p + i, p.view.leaf.n - i < 48 ? p.view.leaf.n - i : 48, line);
        CHECK_OK(vl_buf_printf(&pem, "%s\n", line));
    }
    CHECK_OK(vl_buf_printf(&pem, "-----END CERTIFICATE-----\n%s%s", s.issuer, s.root));
    snprintf(path, sizeof path, "%s/ek.pem", tpm.dir);
    CHECK_OK(os_file_write(path, pem.p, pem.len, 0600));
    tees_destroy(s.tees);
    CHECK_OK(tees_create(&(struct tees_config){ .machine = { .root = "/nowhere", .tpm = tpm.tcti, .ek = path }, .node = node }, &s.tees, &s.msg));
    id = opened(&s, &(struct tees_wish){ .provider = "tpm" });
    q = proof(&s, id, channel);
    crypto_x509_pool_destroy(s.pool); /* the verifier has no issuers of its own */
    s.pool = crypto_x509_pool_create();
    CHECK_OK(tpm_name(q.view.collateral[1], name, &n));
    judge(&s, &q.view, &q.view, vl_span(name, n));
    CHECK_STR("accepted", s.r.reason);
    judge(&s, &p.view, &p.view, vl_span(name, n)); /* as the TPM gave it: no issuer */
    CHECK(!s.r.accepted);
    tees_proof_free(&p);
    tees_proof_free(&q);
    CHECK_EQ(0, unlink(path));
    CHECK_EQ(VL_ENOTFOUND, tees_attest(s.tees, id, nonce, channel, NOW, &q, &s.msg));
    CHECK(strstr(s.msg.text, "ek.pem cannot be read") != NULL);
    vl_buf_free(&pem);
    end(&s);
}

/* ---- the log of the machine's start ---- */

static void le(struct vl_buf *b, uint64_t v, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) CHECK_OK(vl_buf_append(b, &(uint8_t){ (uint8_t)(v >> 8 * i) }, 1));
}
/* An event of PCR 7, in the log and in the TPM. */
static void measured(struct vl_buf *log, const struct tpm_link *l, uint32_t type, struct vl_span data) {
    TPML_DIGEST_VALUES v = { .count = 1, .digests[0].hashAlg = TPM2_ALG_SHA256 };
    crypto_sha256(data, v.digests[0].digest.sha256);
    CHECK_EQ(0, l->tss->Esys_PCR_Extend(l->esys, 7, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &v));
    le(log, 7, 4), le(log, type, 4), le(log, 1, 4), le(log, TPM2_ALG_SHA256, 2);
    CHECK_OK(vl_buf_append(log, v.digests[0].digest.sha256, 32));
    le(log, data.n, 4);
    CHECK_OK(vl_buf_append(log, data.p, data.n));
}
/* As firmware does it that starts with secure boot: the variable, then the separator. */
static void boot(struct vl_buf *log) {
    static const uint8_t variable[] = "\x61\xdf\xe4\x8b\xca\x93\xd2\x11\xaa\x0d\x00\xe0\x98\x03\x2b\x8c\x0a\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0"
                                      "S\0e\0c\0u\0r\0e\0B\0o\0o\0t\0\x01";
    struct tss tss;
    struct tpm_link l;
    struct vl_errmsg msg;
    swtpm_stop(&tpm);
    swtpm_start(&tpm);
    CHECK_OK(tss_load(&tss, &msg));
    CHECK_OK(tpm_dial(&tss, tpm.tcti, &l, &msg));
    vl_buf_init(log, 1 << 20);
    le(log, 0, 4), le(log, 3, 4);
    for (unsigned i = 0; i < 20; i++) le(log, 0, 1);
    le(log, 16 + 8 + 4 + 4 + 1, 4);
    CHECK_OK(vl_buf_append(log, "Spec ID Event03", 16));
    le(log, 0, 4), le(log, 0x02000200, 4), le(log, 1, 4), le(log, TPM2_ALG_SHA256, 2), le(log, 32, 2), le(log, 0, 1);
    measured(log, &l, 0x80000001u, vl_span(variable, sizeof variable - 1));
    measured(log, &l, 4, vl_span("\0\0\0\0", 4));
    tpm_hang_up(&l);
    tss_unload(&tss);
}

TEST(tee_tpm, the_log_of_the_start_comes_along_and_tells_of_secure_boot) {
    NEED_TPM();
    struct scene s;
    struct fake f;
    struct vl_buf log;
    uint8_t name[TPM_NAME_MAX];
    size_t n = 0;
    begin(&s);
    tees_destroy(s.tees);
    boot(&log);
    fake_begin(&f);
    f.config.tpm = tpm.tcti;
    fake_file(&f, "/sys/kernel/security/tpm0/binary_bios_measurements", vl_span(log.p, log.len));
    CHECK_OK(tees_create(&(struct tees_config){ .machine = f.config, .node = node }, &s.tees, &s.msg));
    uint64_t id = opened(&s, &(struct tees_wish){ .provider = "tpm" });
    struct tees_proof p = proof(&s, id, channel);
    CHECK_EQ(log.len, p.view.collateral[3].n);
    CHECK_OK(tpm_name(p.view.collateral[1], name, &n));
    judge(&s, &p.view, &p.view, vl_span(name, n));
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_YES, s.r.secure_boot);
    tees_proof_free(&p);
    log.p[log.len - 1] ^= 1; /* data of the separator: the log's own word; the digest before it is what counts */
    log.p[log.len - 9] ^= 1;
    fake_file(&f, "/sys/kernel/security/tpm0/binary_bios_measurements", vl_span(log.p, log.len));
    p = proof(&s, id, channel);
    judge(&s, &p.view, &p.view, vl_span(name, n));
    CHECK_STR("the event log is not what was measured", s.r.reason);
    tees_proof_free(&p);
    static uint8_t huge[ATTESTATION_PIECE_MAX + 1]; /* more than a verifier takes: better without */
    fake_file(&f, "/sys/kernel/security/tpm0/binary_bios_measurements", vl_span(huge, sizeof huge));
    p = proof(&s, id, channel);
    CHECK_EQ(0, p.view.collateral[3].n);
    tees_proof_free(&p);
    vl_buf_free(&log);
    end(&s);
    fake_end(&f);
}

/* ---- contexts ---- */

TEST(tees, a_program_is_its_module_and_each_byte_of_its_configuration) {
    struct vl_hash module = { { 1 } }, other = { { 2 } };
    uint8_t a[32], b[32], c[32], d[32];
    tees_program(&module, vl_span(NULL, 0), a);
    CHECK_MEM(module.b, a, 32);
    tees_program(&module, vl_span("x", 1), b);
    tees_program(&module, vl_span("y", 1), c);
    tees_program(&other, vl_span("x", 1), d);
    CHECK(memcmp(a, b, 32) != 0 && memcmp(b, c, 32) != 0 && memcmp(b, d, 32) != 0);
    /* BLAKE2b-256("village-tee-program-v1" || 01 00.. || BLAKE2b-256("x")): node/tee.h says so, and verifiers compute it */
    uint8_t text[22 + 64] = "village-tee-program-v1";
    struct vl_hash h, all;
    crypto_blake2b256(vl_span("x", 1), &h);
    memcpy(text + 22, module.b, 32);
    memcpy(text + 54, h.b, 32);
    crypto_blake2b256(vl_span(text, sizeof text), &all);
    CHECK_MEM(all.b, b, 32);
}

struct asker {
    struct tees *tees;
    struct tees_wish wish;
    enum vl_err err;
    unsigned good;
};
static void *ask_much(void *arg) {
    struct asker *a = arg;
    struct tees_status st;
    a->err = tees_open(a->tees, &a->wish, NOW, &st, NULL);
    for (unsigned i = 0; i < 8 && a->err == VL_OK; i++) {
        struct tees_proof p;
        struct tees_status list[TEES_MAX];
        a->err = tees_attest(a->tees, st.id, nonce, channel, NOW, &p, NULL);
        if (a->err) break;
        a->good += tees_list(a->tees, list) > 0 && p.view.collateral[2].n == 9 * 32;
        tees_proof_free(&p);
    }
    if (a->err == VL_OK) a->err = tees_close(a->tees, st.id);
    return NULL;
}

TEST(tee_tpm, threads_take_turns) {
    NEED_TPM();
    struct scene s;
    struct asker askers[3];
    struct tees_status list[TEES_MAX];
    pthread_t threads[3];
    begin(&s);
    for (unsigned i = 0; i < 3; i++) {
        askers[i] = (struct asker){ .tees = s.tees, .wish = { .job = { { (uint8_t)(i + 1) } }, .module = { { (uint8_t)(i + 1) } } } };
        CHECK_EQ(0, pthread_create(&threads[i], NULL, ask_much, &askers[i]));
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK_OK(askers[i].err);
        CHECK_EQ(8, askers[i].good);
    }
    CHECK_EQ(0, tees_list(s.tees, list));
    end(&s);
}

TEST(tee_tpm, contexts_are_listed_closed_and_bounded) {
    NEED_TPM();
    struct scene s;
    struct tees_status st, list[TEES_MAX];
    struct tees_proof p;
    begin(&s);
    struct tees_wish w = { .job = { { 1 } }, .module = { { 8 } } };
    uint64_t first = opened(&s, &w);
    CHECK_EQ(VL_EEXISTS, tees_open(s.tees, &w, NOW, &st, &s.msg));
    CHECK_EQ(VL_ERANGE, tees_open(s.tees, &(struct tees_wish){ .config = vl_span("x", 1) }, NOW, &st, &s.msg));
    for (unsigned i = 1; i < TEES_MAX; i++) opened(&s, &(struct tees_wish){ .provider = "tpm" });
    CHECK_EQ(VL_ELIMIT, tees_open(s.tees, &(struct tees_wish){ .provider = "tpm" }, NOW, &st, &s.msg));
    p = proof(&s, first, channel);
    tees_proof_free(&p);
    CHECK_EQ(TEES_MAX, tees_list(s.tees, list));
    CHECK_EQ(first, list[0].id);
    CHECK(list[0].measured && !list[1].measured);
    CHECK_EQ(1, list[0].attested);
    CHECK_EQ(NOW, list[0].attested_ms);
    CHECK_OK(tees_close(s.tees, list[3].id));
    CHECK_EQ(VL_ENOTFOUND, tees_close(s.tees, list[3].id));
    CHECK_EQ(VL_ENOTFOUND, tees_attest(s.tees, list[3].id, nonce, channel, NOW, &p, &s.msg));
    tees_job_ended(s.tees, (struct vl_job_id){ { 9 } });
    CHECK_EQ(TEES_MAX - 1, tees_list(s.tees, list));
    tees_job_ended(s.tees, w.job);
    CHECK_EQ(TEES_MAX - 2, tees_list(s.tees, list));
    CHECK(list[0].id != first);
    CHECK(opened(&s, &w) > list[TEES_MAX - 3].id); /* numbers are not used again */
    end(&s);
}

TEST(tee_tpm, detection_says_who_made_it) {
    NEED_TPM();
    struct tee_found f[TEE_PROVIDERS];
    tee_detect(&(struct tee_config){ .root = "/nowhere", .tpm = tpm.tcti }, f);
    for (unsigned i = 0; i < TEE_PROVIDERS; i++)
        if (strcmp(f[i].name, "tpm") == 0) {
            CHECK(f[i].here);
            CHECK(strstr(f[i].why, "IBM") != NULL);
        }
}
