/* Evidence under keys made for the test, for what no public vector shows: VLEKs and Turin reports, and every verdict of
 * Intel's collateral.  The test's own root is accepted through the policy, as an operator's. */
#include "attest_vectors.h"
#include "check.h"
#include "crypto/hash.h"
#include "pki.h"

#include <stdio.h>
#include <string.h>

#define WHEN_S 1751328000u /* 2025-07-01 */
#define YEAR_S 31536000u

/* --- SEV-SNP --- */

struct snp {
    struct pki_key *ark, *ask, *leaf_key;
    struct pki_spec leaf;
    struct pki_der leaf_der;
    struct crypto_x509_pool *pool;
    struct attest_root root;
    struct attest_policy policy;
    struct attest_input in;
    struct attest_result r;
    uint8_t report[1184];
};

static void integer(struct pki_spec *s, const char *oid, uint8_t v) {
    struct pki_extension *e = &s->extension[s->extensions++];
    *e = (struct pki_extension){ .oid = oid, .value = { 2, 1, v }, .n = 3 };
    if (v >= 0x80) *e = (struct pki_extension){ .oid = oid, .value = { 2, 2, 0, v }, .n = 4 };
}
static void chip(struct pki_spec *s, size_t n) {
    struct pki_extension *e = &s->extension[s->extensions++];
    *e = (struct pki_extension){ .oid = "1.3.6.1.4.1.3704.1.4", .n = n };
    memset(e->value, 0xc1, n);
}

static struct pki_spec spec(const char *name, const struct pki_key *key, const char *issuer,
                            const struct pki_key *issuer_key, bool ca) {
    return (struct pki_spec){ .name = name,
                              .issuer = issuer,
                              .key = key,
                              .issuer_key = issuer_key,
                              .from_s = WHEN_S - YEAR_S,
                              .until_s = WHEN_S + YEAR_S,
                              .serial = 1,
                              .ca = ca };
}
static void add(struct crypto_x509_pool *pool, const struct pki_spec *s) {
    struct pki_der der;
    pki_certificate(s, &der);
    CHECK_OK(crypto_x509_pool_add(pool, pki_span(&der)));
}

static void snp_end(struct snp *s) {
    crypto_x509_pool_destroy(s->pool);
    pki_key_free(s->ark);
    pki_key_free(s->ask);
    pki_key_free(s->leaf_key);
}

/* A report that is good in every respect; a test spoils it before snp_verify(). */
static void snp_begin(struct snp *s, uint8_t version, bool turin, bool vlek) {
    memset(s, 0, sizeof *s);
    s->ark = pki_key("P-384");
    s->ask = pki_key("P-384");
    s->leaf_key = pki_key("P-384");
    s->pool = crypto_x509_pool_create();
    CHECK(s->pool != NULL);
    struct pki_spec ark = spec("ARK-Made", s->ark, "ARK-Made", s->ark, true),
                    ask = spec("SEV-Made", s->ask, "ARK-Made", s->ark, true);
    add(s->pool, &ark);
    add(s->pool, &ask);
    s->root = (struct attest_root){ .kind = ATTEST_SNP, .anchor = ATTEST_ANCHOR_OPERATOR, .name = "made" };
    crypto_x509_key_hash(crypto_x509_pool_get(s->pool, 0), s->root.key);
    s->leaf = spec(vlek ? "SEV-VLEK" : "SEV-VCEK", s->leaf_key, "SEV-Made", s->ask, false);
    integer(&s->leaf, "1.3.6.1.4.1.3704.1.3.1", 3);
    integer(&s->leaf, "1.3.6.1.4.1.3704.1.3.2", 4);
    integer(&s->leaf, "1.3.6.1.4.1.3704.1.3.3", 5);
    integer(&s->leaf, "1.3.6.1.4.1.3704.1.3.8", 0xd1);
    if (turin) integer(&s->leaf, "1.3.6.1.4.1.3704.1.3.9", 2);
    if (!vlek) chip(&s->leaf, turin ? 8 : 64);
    uint8_t *p = s->report;
    p[0] = version;
    p[0x0a] = 3; /* policy: SMT, and the bit that must be */
    p[0x34] = 1;
    p[0x48] = vlek ? 1 << 2 : 0;
    uint8_t *tcb = p + 0x180;
    tcb[7] = 0xd1;
    if (turin)
        tcb[0] = 2, tcb[1] = 3, tcb[2] = 4, tcb[3] = 5;
    else
        tcb[0] = 3, tcb[1] = 4, tcb[6] = 5;
    if (version >= 3) p[0x188] = turin ? 0x1a : 0x19;
    if (!vlek) memset(p + 0x1a0, 0xc1, turin ? 8 : 64);
    s->policy.roots = &s->root;
    s->policy.nroots = 1;
    s->in = (struct attest_input){ .kind = ATTEST_SNP,
                                   .evidence = { s->report, sizeof s->report },
                                   .pool = s->pool,
                                   .when = WHEN_S * 1000ull,
                                   .policy = &s->policy };
}

/* Signs anew and verifies. */
static const char *snp_verify(struct snp *s) {
    uint8_t raw[96];
    pki_sign(s->leaf_key, "SHA384", vl_span(s->report, 0x2a0), raw, 48);
    memset(s->report + 0x2a0, 0, 144);
    for (unsigned i = 0; i < 48; i++) {
        s->report[0x2a0 + i] = raw[47 - i];
        s->report[0x2a0 + 72 + i] = raw[95 - i];
    }
    pki_certificate(&s->leaf, &s->leaf_der);
    s->in.leaf = pki_span(&s->leaf_der);
    attest_verify(&s->in, &s->r);
    return s->r.reason;
}

TEST(attest_snp_made, reports_of_all_versions_and_keys_are_accepted) {
    static const struct {
        uint8_t version;
        bool turin, vlek;
    } rows[] = { { 2, false, false }, { 2, false, true }, { 3, false, false }, { 3, false, true },
                 { 3, true, false },  { 5, true, false }, { 5, true, true },   { 5, false, false } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct snp s;
        snp_begin(&s, rows[i].version, rows[i].turin, rows[i].vlek);
        CHECK_STR("accepted", snp_verify(&s));
        CHECK_EQ(ATTEST_ANCHOR_OPERATOR, s.r.anchor);
        CHECK_EQ(rows[i].version, s.r.version);
        /* the minimum is read by the layout of the generation */
        s.policy.snp_minimum.set = true;
        s.policy.snp_minimum.bootloader = 3;
        s.policy.snp_minimum.tee = 4;
        s.policy.snp_minimum.snp = 5;
        s.policy.snp_minimum.microcode = 0xd1;
        s.policy.snp_minimum.fmc = rows[i].turin ? 2 : 0;
        CHECK_STR("accepted", snp_verify(&s));
        uint8_t *each[] = { &s.policy.snp_minimum.bootloader, &s.policy.snp_minimum.tee, &s.policy.snp_minimum.snp,
                            &s.policy.snp_minimum.microcode, &s.policy.snp_minimum.fmc };
        for (unsigned j = 0; j < 5; j++) {
            ++*each[j];
            CHECK_STR("firmware below the minimum of the policy", snp_verify(&s));
            --*each[j];
        }
        snp_end(&s);
    }
}

TEST(attest_snp_made, an_unknown_version_is_refused) {
    struct snp s;
    snp_begin(&s, 4, false, false);
    CHECK_STR("an unknown version of the report", snp_verify(&s));
    snp_end(&s);
}

TEST(attest_snp_made, every_firmware_number_must_be_that_of_the_certificate) {
    static const size_t at[2][5] = { { 0, 1, 6, 7, 7 }, { 0, 1, 2, 3, 7 } };
    for (unsigned turin = 0; turin < 2; turin++)
        for (unsigned i = 0; i < 5; i++) {
            struct snp s;
            snp_begin(&s, 3, turin != 0, false);
            s.report[0x180 + at[turin][i]] ^= 1;
            CHECK_STR("the certificate is of another firmware than the report states", snp_verify(&s));
            snp_end(&s);
        }
}

TEST(attest_snp_made, only_the_reported_firmware_counts) {
    struct snp s;
    snp_begin(&s, 2, false, false);
    s.report[0x38 + 7] = 0xd9;  /* current */
    s.report[0x1f0 + 7] = 0xd0; /* at launch */
    CHECK_STR("accepted", snp_verify(&s));
    snp_end(&s);
}

TEST(attest_snp_made, the_chip_must_be_that_of_the_certificate) {
    struct snp s;
    snp_begin(&s, 3, false, false);
    s.report[0x1a0 + 63] ^= 1;
    CHECK_STR("the certificate is of another chip", snp_verify(&s));
    snp_end(&s);
    snp_begin(&s, 5, true, false);
    s.report[0x1a0 + 8] = 1; /* of a Turin eight bytes count, zeros follow */
    CHECK_STR("the certificate is of another chip", snp_verify(&s));
    snp_end(&s);
    snp_begin(&s, 5, true, false);
    s.leaf.extension[s.leaf.extensions - 1].n = 64;
    CHECK_STR("the certificate does not name a chip", snp_verify(&s));
    snp_end(&s);
}

TEST(attest_snp_made, the_kind_of_key_must_be_the_one_the_report_names) {
    struct snp s;
    snp_begin(&s, 3, false, false);
    s.report[0x48] = 1 << 2;
    CHECK_STR("the certificate is not of the kind that the report names", snp_verify(&s));
    s.report[0x48] = 7 << 2;
    CHECK_STR("signed by no key", snp_verify(&s));
    snp_end(&s);
    snp_begin(&s, 3, false, true);
    chip(&s.leaf, 64);
    CHECK_STR("a VLEK that names a chip", snp_verify(&s));
    snp_end(&s);
}

TEST(attest_snp_made, the_generation_must_be_that_of_the_certificate) {
    struct snp s;
    snp_begin(&s, 3, false, false);
    s.report[0x188] = 0x1a;
    CHECK_STR("the certificate is of another generation", snp_verify(&s));
    snp_end(&s);
}

TEST(attest_snp_made, policy_and_privilege_are_read) {
    struct snp s;
    snp_begin(&s, 3, false, true);
    s.report[0x30] = 1;
    CHECK_STR("requested by a less privileged part of the guest than the policy allows", snp_verify(&s));
    CHECK_EQ(ATTEST_YES, s.r.genuine.state);
    CHECK_EQ(0, s.r.level);
    s.policy.snp_vmpl_max = 1;
    CHECK_STR("accepted", snp_verify(&s));
    s.report[0x30] = 4;
    s.policy.snp_vmpl_max = 9;
    CHECK_STR("requested by the host, not by the guest", snp_verify(&s));
    s.report[0x30] = 0;
    s.report[0x0a] = 3 | 1 << 2;
    CHECK_STR("a migration agent may be associated", snp_verify(&s));
    s.policy.allow_migration = true;
    CHECK_STR("accepted", snp_verify(&s));
    s.report[0x0a] = 3 | 1 << 3;
    CHECK_STR("the guest may be debugged", snp_verify(&s));
    s.report[0x0a] = 1;
    CHECK_STR("a guest policy with unknown bits", snp_verify(&s));
    s.report[0x0a] = 3 | 1 << 4; /* one socket */
    s.policy.snp_single_socket = true;
    CHECK_STR("accepted", snp_verify(&s));
    s.report[0x0a] = 2 | 1 << 4; /* no SMT */
    s.policy.no_smt = true;
    CHECK_STR("accepted", snp_verify(&s));
    s.report[0x40] = 1; /* but the platform has it on */
    CHECK_STR("multithreading is allowed, and the policy forbids it", snp_verify(&s));
    snp_end(&s);
}

/* An HCL report around the made one, with everything right but the privilege level. */
TEST(attest_snp_made, only_level_0_speaks_for_an_azure_vtpm) {
    static uint8_t hcl[1216 + 20 + 2] = { 'H', 'C', 'L', 'A', 2 };
    static const uint8_t runtime[22] = { 22, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, '{', '}' };
    struct snp s;
    for (uint8_t level = 0; level < 2; level++) {
        snp_begin(&s, 3, false, false);
        memcpy(hcl + 1216, runtime, sizeof runtime);
        hcl[8] = sizeof hcl & 0xff;
        hcl[9] = sizeof hcl >> 8;
        hcl[12] = 2;
        crypto_sha256(vl_span_str("{}"), s.report + 0x50);
        s.report[0x30] = level;
        s.policy.snp_vmpl_max = 3;
        CHECK_STR("accepted", snp_verify(&s));
        memcpy(hcl + 32, s.report, sizeof s.report);
        s.in.kind = ATTEST_AZURE;
        s.in.evidence = vl_span(hcl, sizeof hcl);
        attest_verify(&s.in, &s.r);
        CHECK_STR("no attestation key in the runtime data", s.r.genuine.why);
        CHECK_EQ(level != 0, s.r.refused != NULL);
        snp_end(&s);
    }
}

TEST(attest_snp_made, a_vlek_expires) {
    struct snp s;
    snp_begin(&s, 3, false, true);
    s.leaf.until_s = WHEN_S - 1;
    CHECK_STR("a certificate has expired", snp_verify(&s));
    snp_end(&s);
}

TEST(attest_snp_made, a_revoked_key_is_worth_nothing_and_known_as_revoked) {
    struct snp s;
    struct pki_der crl;
    snp_begin(&s, 3, false, false);
    pki_crl("SEV-Made", s.ask, WHEN_S - 100, WHEN_S + 100, 1, &crl);
    CHECK_OK(crypto_x509_pool_add_crl(s.pool, pki_span(&crl)));
    CHECK_STR("a certificate is revoked", snp_verify(&s));
    CHECK(s.r.revoked);
    CHECK_EQ(0, s.r.level);
    snp_end(&s);
}

TEST(attest_snp_made, a_root_of_another_kind_of_evidence_does_not_count) {
    struct snp s;
    snp_begin(&s, 3, false, false);
    s.root.kind = ATTEST_TDX;
    CHECK_STR("no chain of certificates to a root we accept", snp_verify(&s));
    s.root.kind = ATTEST_SNP;
    s.root.anchor = ATTEST_ANCHOR_SIMULATED;
    s.in.nonce = vl_span(s.report + 0x50, 64);
    s.in.nonce_binds_key = true;
    CHECK_STR("accepted", snp_verify(&s));
    CHECK_EQ(300, s.r.level);
    snp_end(&s);
}

/* --- Intel's collateral --- */

/* phala's quote: FMSPC b0c06f000000, signed by Intel; the collateral is ours. */
struct tdx {
    struct attest_files files;
    struct pki_key *root_key, *signer;
    struct crypto_x509_pool *pool;
    struct attest_root root;
    struct attest_policy policy;
    struct attest_input in;
    struct attest_result r;
    char info[8192], identity[4096];
};

static void tdx_end(struct tdx *t) {
    crypto_x509_pool_destroy(t->pool);
    attest_files_free(&t->files);
    pki_key_free(t->root_key);
    pki_key_free(t->signer);
}
static bool tdx_begin(struct tdx *t) {
    memset(t, 0, sizeof *t);
    t->root_key = pki_key("P-256");
    t->signer = pki_key("P-256");
    t->pool = crypto_x509_pool_create();
    CHECK(t->pool != NULL);
    struct pki_spec root = spec("made root", t->root_key, "made root", t->root_key, true);
    struct pki_spec signer = spec("Intel SGX TCB Signing", t->signer, "made root", t->root_key, false);
    add(t->pool, &root);
    add(t->pool, &signer);
    t->root = (struct attest_root){ .kind = ATTEST_TDX, .anchor = ATTEST_ANCHOR_OPERATOR, .name = "made" };
    crypto_x509_key_hash(crypto_x509_pool_get(t->pool, 0), t->root.key);
    t->policy.roots = &t->root;
    t->policy.nroots = 1;
    t->in = (struct attest_input){ .kind = ATTEST_TDX,
                                   .evidence = attest_file(&t->files, "sgx-tdx/phala-tdx-v4-quote.bin"),
                                   .pool = t->pool,
                                   .when = WHEN_S * 1000ull,
                                   .policy = &t->policy };
    if (t->files.missing) tdx_end(t);
    return !t->files.missing;
}

static struct vl_span sign(const struct tdx *t, const char *name, const char *inner, char *dst, size_t cap) {
    uint8_t raw[64];
    char hex[129];
    pki_sign(t->signer, "SHA256", vl_span_str(inner), raw, 32);
    for (unsigned i = 0; i < 64; i++) (void)snprintf(hex + 2 * i, 3, "%02X", raw[i]);
    int n = snprintf(dst, cap, "{\"%s\":%s,\"signature\":\"%s\"}", name, inner, hex);
    CHECK(n > 0 && (size_t)n < cap);
    return vl_span(dst, (size_t)n);
}

static const char zeros[] =
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
static const char dates[] = "\"issueDate\":\"2025-06-19T10:00:00Z\",\"nextUpdate\":\"2025-07-19T10:00:00Z\"";

static const char *components(unsigned first, char *dst, size_t cap) {
    int n = snprintf(dst, cap, "[{\"svn\":%u}", first);
    for (unsigned i = 1; i < 16; i++) n += snprintf(dst + n, cap - (size_t)n, ",{\"svn\":0}");
    (void)snprintf(dst + n, cap - (size_t)n, "]");
    return dst;
}

/* What the made TCB info says; all zero is a platform that is up to date. */
struct made {
    const char *status, *module_status, *qe_status; /* NULL: UpToDate */
    unsigned svn, pcesvn, tdx_svn, module_svn, qe_svn;
    const char *id, *fmspc, *module_id, *signer, *qe_product, *debug_mask;
};

static const char * or (const char *s, const char *otherwise) { return s != NULL ? s : otherwise; }

static const char *tdx_verify(struct tdx *t, const struct made *m) {
    char inner[6000], sgx[512], tdx[512];
    int n = snprintf(
        inner, sizeof inner,
        "{\"id\":\"%s\",\"version\":3,%s,\"fmspc\":\"%s\",\"pceId\":\"0000\",\"tcbType\":0,"
        "\"tdxModuleIdentities\":[{\"id\":\"%s\",\"mrsigner\":\"%s\",\"attributes\":\"0000000000000000\","
        "\"attributesMask\":\"FFFFFFFFFFFFFFFF\",\"tcbLevels\":[{\"tcb\":{\"isvsvn\":%u},\"tcbStatus\":\"%s\"}]}],"
        "\"tcbLevels\":[{\"tcb\":{\"sgxtcbcomponents\":%s,\"pcesvn\":%u,\"tdxtcbcomponents\":%s},"
        "\"tcbStatus\":\"%s\",\"advisoryIDs\":[\"INTEL-SA-00001\"]}]}",
        or (m->id, "TDX"), dates, or (m->fmspc, "B0C06F000000"), or (m->module_id, "TDX_01"), or (m->signer, zeros),
        m->module_svn, or (m->module_status, "UpToDate"), components(m->svn, sgx, sizeof sgx), m->pcesvn,
        components(m->tdx_svn, tdx, sizeof tdx), or (m->status, "UpToDate"));
    CHECK(n > 0 && (size_t)n < sizeof inner);
    t->in.collateral[0] = sign(t, "tcbInfo", inner, t->info, sizeof t->info);
    n = snprintf(
        inner, sizeof inner,
        "{\"id\":\"TD_QE\",\"version\":2,%s,\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
        "\"attributes\":\"11000000000000000000000000000000\",\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
        "\"mrsigner\":\"DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5\",\"isvprodid\":%s,"
        "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":%u},\"tcbStatus\":\"%s\"}]}",
        dates, or (m->qe_product, "2"), m->qe_svn, or (m->qe_status, "UpToDate"));
    CHECK(n > 0 && (size_t)n < sizeof inner);
    t->in.collateral[1] = sign(t, "enclaveIdentity", inner, t->identity, sizeof t->identity);
    attest_verify(&t->in, &t->r);
    return t->r.reason;
}
#define BEGIN(t)                                                                                                       \
    do {                                                                                                               \
        if (!tdx_begin(&(t))) SKIP("the attestation vectors are not here");                                            \
    } while (0)

TEST(attest_tcb, every_status_of_intels_is_told) {
    static const struct {
        const char *platform, *module, *qe, *together;
    } rows[] = {
        { "UpToDate", "UpToDate", "UpToDate", "UpToDate" },
        { "SWHardeningNeeded", "UpToDate", "UpToDate", "SWHardeningNeeded" },
        { "ConfigurationNeeded", "UpToDate", "UpToDate", "ConfigurationNeeded" },
        { "ConfigurationAndSWHardeningNeeded", "UpToDate", "UpToDate", "ConfigurationAndSWHardeningNeeded" },
        { "OutOfDate", "UpToDate", "UpToDate", "OutOfDate" },
        { "OutOfDateConfigurationNeeded", "UpToDate", "UpToDate", "OutOfDateConfigurationNeeded" },
        { "Revoked", "UpToDate", "UpToDate", "Revoked" },
        { "UpToDate", "OutOfDate", "UpToDate", "OutOfDate" },
        { "UpToDate", "UpToDate", "OutOfDate", "OutOfDate" },
        { "SWHardeningNeeded", "UpToDate", "OutOfDate", "OutOfDate" },
        { "ConfigurationNeeded", "UpToDate", "OutOfDate", "OutOfDateConfigurationNeeded" },
        { "ConfigurationAndSWHardeningNeeded", "OutOfDate", "UpToDate", "OutOfDateConfigurationNeeded" },
        { "OutOfDate", "UpToDate", "OutOfDate", "OutOfDate" },
        { "UpToDate", "Revoked", "UpToDate", "Revoked" },
        { "OutOfDate", "UpToDate", "Revoked", "Revoked" },
    };
    struct tdx t;
    BEGIN(t);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct made m = { .status = rows[i].platform, .module_status = rows[i].module, .qe_status = rows[i].qe };
        bool revoked = strcmp(rows[i].together, "Revoked") == 0;
        CHECK_STR(revoked ? "Revoked" : "accepted", tdx_verify(&t, &m));
        CHECK_STR(rows[i].together, attest_tcb_name(t.r.tcb));
        CHECK_STR("INTEL-SA-00001", t.r.advisories);
        CHECK_EQ(ATTEST_YES, t.r.genuine.state);
    }
    struct made m = { .status = "Splendid" };
    CHECK_STR("malformed collateral", tdx_verify(&t, &m));
    tdx_end(&t);
}

TEST(attest_tcb, every_number_is_compared) {
    struct tdx t;
    BEGIN(t);
    /* What this platform has, exactly; one more of any is more than it has. */
    struct made m = { .svn = 3, .pcesvn = 11, .module_svn = 6, .qe_svn = 6 };
    unsigned *each[] = { &m.svn, &m.pcesvn, &m.module_svn, &m.qe_svn };
    CHECK_STR("accepted", tdx_verify(&t, &m));
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        ++*each[i];
        CHECK_STR("below every TCB level of the vendor", tdx_verify(&t, &m));
        --*each[i];
    }
    /* The module has a version of its own: the first two TDX components do not count. */
    CHECK(t.in.evidence.p[49] > 0);
    m.tdx_svn = 250;
    CHECK_STR("accepted", tdx_verify(&t, &m));
    tdx_end(&t);
}

TEST(attest_tcb, collateral_of_something_else_is_refused) {
    static const struct {
        struct made made;
        const char *why;
    } rows[] = {
        { { .id = "SGX" }, "collateral of another kind" },
        { { .fmspc = "B0C06F000001" }, "collateral of another platform" },
        { { .fmspc = "B0C06F00000" }, "malformed collateral" },
        { { .module_id = "TDX_07" }, "the collateral does not know this TDX module" },
        { { .signer = "01" }, "the TDX module is not the vendor's" },
        { { .qe_product = "3" }, "the quoting enclave is not the one of Intel's identity" },
        { { .pcesvn = 12000000 }, "below every TCB level of the vendor" },
        { { .svn = 256 }, "malformed collateral" },
    };
    struct tdx t;
    BEGIN(t);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_STR(rows[i].why, tdx_verify(&t, &rows[i].made));
        CHECK(!t.r.accepted);
        CHECK_EQ(0, t.r.level);
    }
    tdx_end(&t);
}

TEST(attest_tcb, collateral_has_its_own_time) {
    struct tdx t;
    struct made m = { 0 };
    BEGIN(t);
    t.in.when = attest_date("2025-07-19T10:00");
    CHECK_STR("accepted", tdx_verify(&t, &m));
    CHECK_EQ(t.in.when, t.r.until);
    t.in.when++;
    CHECK_STR("the collateral has expired", tdx_verify(&t, &m));
    t.policy.grace_ms = 1;
    CHECK_STR("accepted", tdx_verify(&t, &m));
    CHECK(t.r.late);
    t.policy.grace_ms = 0;
    t.in.when = attest_date("2025-06-19T10:00");
    CHECK_STR("accepted", tdx_verify(&t, &m));
    t.in.when--;
    CHECK_STR("the collateral has expired", tdx_verify(&t, &m));
    tdx_end(&t);
}

TEST(attest_tcb, another_signer_is_refused) {
    struct tdx t;
    struct made m = { 0 };
    BEGIN(t);
    t.root.key[0] ^= 1;
    CHECK_STR("no chain of certificates to a root we accept", tdx_verify(&t, &m));
    t.root.key[0] ^= 1;
    pki_key_free(t.signer);
    t.signer = pki_key("P-256");
    CHECK_STR("the signature of the collateral is not good", tdx_verify(&t, &m));
    tdx_end(&t);
}

TEST(attest_tcb, a_key_that_the_quoting_enclave_does_not_know_signs_nothing) {
    static uint8_t quote[5006];
    struct tdx t;
    BEGIN(t);
    CHECK_EQ(sizeof quote, t.in.evidence.n);
    memcpy(quote, t.in.evidence.p, sizeof quote);
    t.in.evidence = vl_span(quote, sizeof quote);
    quote[48 + 136] ^= 1; /* another measurement, signed anew */
    pki_sign(t.signer, "SHA256", vl_span(quote, 48 + 584), quote + 48 + 584 + 4, 32);
    attest_verify(&t.in, &t.r);
    CHECK_STR("the signature of the quote is not good", t.r.reason);
    pki_point(t.signer, quote + 48 + 584 + 4 + 64, 32);
    attest_verify(&t.in, &t.r);
    CHECK_STR("the quoting enclave does not vouch for the attestation key", t.r.reason);
    tdx_end(&t);
}

TEST(attest_tcb, a_quoting_enclave_that_the_platform_did_not_sign_vouches_for_nothing) {
    static uint8_t quote[5006];
    uint8_t text[64 + 32], *at = quote + 48 + 584 + 4 + 64; /* the attestation key */
    struct tdx t;
    BEGIN(t);
    memcpy(quote, t.in.evidence.p, sizeof quote);
    t.in.evidence = vl_span(quote, sizeof quote);
    pki_sign(t.signer, "SHA256", vl_span(quote, 48 + 584), at - 64, 32);
    pki_point(t.signer, at, 32);
    uint8_t *qe = at + 64 + 6, *auth = qe + 384 + 64;
    CHECK_EQ(32, auth[0]);
    memcpy(text, at, 64);
    memcpy(text + 64, auth + 2, 32);
    crypto_sha256(vl_span(text, sizeof text), qe + 320);
    attest_verify(&t.in, &t.r);
    CHECK_STR("the quoting enclave is not signed by the platform", t.r.reason);
    tdx_end(&t);
}

TEST(attest_tcb, only_zeros_may_follow_a_quote) {
    static uint8_t quote[5006];
    struct tdx t;
    BEGIN(t);
    memcpy(quote, t.in.evidence.p, sizeof quote);
    t.in.evidence = vl_span(quote, sizeof quote);
    attest_verify(&t.in, &t.r);
    CHECK_STR("accepted", t.r.reason);
    quote[sizeof quote - 1] = 1;
    attest_verify(&t.in, &t.r);
    CHECK_STR("bytes after the end of the quote", t.r.reason);
    tdx_end(&t);
}
