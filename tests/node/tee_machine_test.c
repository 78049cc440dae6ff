/* Providers on machines made of files and answers: real reports of third parties through each way in, then the verifier; and what
 * absent, busy, broken and lying hardware looks like. */
#include "base/text.h"
#include "check.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "node/tee.h"
#include "tee_fake.h"
#include "trust/attest.h"
#include "vectors.h"

#include <errno.h>
#include <linux/sev-guest.h>
#include <linux/tee.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REPORT "/sys/kernel/config/tsm/report"
#define ABSENT "the attestation vectors are not here"

/* ---- what the tests need of the vectors ---- */

struct file {
    uint8_t *p;
    size_t n;
};
static struct file file(const char *name) {
    char path[160];
    struct file f = { .n = 0 };
    snprintf(path, sizeof path, "attestation/%s", name);
    f.p = vectors_file(path, &f.n);
    return f;
}
static struct vl_span span(struct file f) { return vl_span(f.p, f.n); }
static vl_ms july_2025(void) { return 1751328000000ull; }

static void put_le32(uint8_t *p, size_t v) {
    for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}
/* The host's table: the chip's certificate, and its issuers. */
static void table(struct file vcek, struct file issuers, struct vl_buf *out) {
    static const uint8_t guid[2][16] = {
        { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd },
        { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 },
    };
    const struct file *const in[2] = { &vcek, &issuers };
    uint8_t entry[24];
    size_t at = 3 * sizeof entry;
    vl_buf_init(out, 16384);
    for (unsigned i = 0; i < 2; i++) {
        memcpy(entry, guid[i], 16);
        put_le32(entry + 16, at);
        put_le32(entry + 20, in[i]->n);
        CHECK_OK(vl_buf_append(out, entry, sizeof entry));
        at += in[i]->n;
    }
    memset(entry, 0, sizeof entry);
    CHECK_OK(vl_buf_append(out, entry, sizeof entry));
    for (unsigned i = 0; i < 2; i++) CHECK_OK(vl_buf_append(out, in[i]->p, in[i]->n));
}

struct made {
    struct tee *tee;
    struct tee_evidence e;
    struct attestation view;
    struct vl_errmsg msg;
    enum vl_err err;
};
static struct made make(const struct tee_config *cfg, const char *provider, const uint8_t data[TEE_DATA]) {
    struct made m = { .msg = { "" } };
    tee_evidence_init(&m.e);
    m.err = tee_create(cfg, provider, &m.tee, &m.msg);
    if (m.err == VL_OK) m.err = tee_measure(m.tee, (const uint8_t[32]){ 1 }, &m.msg);
    if (m.err == VL_OK) m.err = tee_attest(m.tee, data, &m.e, &m.msg);
    tee_evidence_view(&m.e, &m.view);
    if (m.err) {
        CHECK(m.msg.text[0] != '\0'); /* every error has words */
        CHECK_EQ(0, m.e.evidence.len);
    }
    return m;
}
static void unmake(struct made *m) {
    tee_evidence_free(&m->e);
    tee_destroy(m->tee);
}
static struct attest_result verified(const struct attestation *v, const uint8_t data[TEE_DATA], struct crypto_x509_pool *pool,
                                     const char *info, const char *identity) {
    static const struct attest_policy policy;
    struct attest_result r;
    struct attest_input in = { .kind = (enum attest_kind)v->kind, .evidence = v->evidence, .leaf = v->leaf, .pool = pool,
                               .nonce = vl_span(data, TEE_DATA), .nonce_binds_key = true, .when = july_2025(), .policy = &policy };
    struct crypto_x509_pool *own = pool ? NULL : crypto_x509_pool_create();
    if (own) {
        if (v->certificates.n) CHECK_OK(crypto_x509_pool_add(own, v->certificates));
        in.pool = own;
    }
    if (info) in.collateral[0] = vl_span_str(info);
    if (identity) in.collateral[1] = vl_span_str(identity);
    attest_verify(&in, &r);
    crypto_x509_pool_destroy(own);
    return r;
}

/* ---- configfs-tsm ---- */

struct snp {
    struct file report, vcek, issuers;
    struct vl_buf table;
    uint8_t data[TEE_DATA];
};
static bool snp_begin(struct snp *s) {
    s->report = file("snp/virtee-milan-v2-report.bin");
    s->vcek = file("snp/virtee-milan-vcek.der");
    s->issuers = file("snp/amd-ask-ark-milan.pem");
    if (s->report.p == NULL || s->vcek.p == NULL || s->issuers.p == NULL) return false;
    table(s->vcek, s->issuers, &s->table);
    memcpy(s->data, s->report.p + 0x50, TEE_DATA);
    return true;
}
static void snp_end(struct snp *s) {
    free(s->report.p);
    free(s->vcek.p);
    free(s->issuers.p);
    vl_buf_free(&s->table);
}

TEST(tee_tsm, a_report_of_sev_snp_comes_with_its_chain_and_is_accepted) {
    struct fake f;
    struct snp s;
    if (!snp_begin(&s)) SKIP(ABSENT);
    fake_begin(&f);
    fake_folder(&f, REPORT);
    f.out = span(s.report);
    f.aux = vl_span(s.table.p, s.table.len);
    struct made m = make(&f.config, "auto", s.data);
    CHECK_OK(m.err);
    CHECK_STR("tsm", tee_name(m.tee));
    CHECK_EQ(ATTEST_SNP, m.view.kind);
    CHECK_MEM(s.data, f.in, TEE_DATA); /* it was asked for our data */
    CHECK_EQ(1, f.asked);
    struct attest_result r = verified(&m.view, s.data, NULL, NULL, NULL);
    CHECK_STR("accepted", r.reason);
    CHECK_EQ(ATTEST_ANCHOR_VENDOR, r.anchor);
    CHECK_EQ(ATTEST_YES, r.fresh.state);
    CHECK_EQ(600, r.level); /* AMD publishes no list of good firmware: a TEE, capped */
    unmake(&m);
    fake_end(&f);
    snp_end(&s);
}

TEST(tee_tsm, a_host_without_certificates_leaves_the_report_alone) {
    struct fake f;
    struct snp s;
    if (!snp_begin(&s)) SKIP(ABSENT);
    for (unsigned i = 0; i < 2; i++) {
        fake_begin(&f);
        fake_folder(&f, REPORT);
        f.out = span(s.report);
        f.aux = vl_span(i ? "" : NULL, 0); /* no file; an empty one */
        struct made m = make(&f.config, "tsm", s.data);
        CHECK_OK(m.err);
        CHECK_EQ(0, m.view.leaf.n);
        CHECK_EQ(0, m.view.certificates.n);
        unmake(&m);
        fake_end(&f);
    }
    snp_end(&s);
}

TEST(tee_tsm, a_quote_of_tdx_is_accepted_with_its_collateral) {
    struct fake f;
    struct file quote = file("sgx-tdx/phala-tdx-v4-quote.bin");
    json_t *o = vectors_load("attestation/sgx-tdx/phala-tdx-v4-collateral.json");
    if (quote.p == NULL || o == NULL) SKIP(ABSENT);
    static uint8_t crl[2][65536];
    static char info[65536], identity[65536];
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    CHECK_OK(crypto_x509_pool_add(pool, vl_span_str(vectors_text(o, "pck_crl_issuer_chain"))));
    CHECK_OK(crypto_x509_pool_add(pool, vl_span_str(vectors_text(o, "tcb_info_issuer_chain"))));
    CHECK_OK(crypto_x509_pool_add_crl(pool, vl_span(crl[0], vectors_bytes(o, "root_ca_crl", crl[0], sizeof crl[0]))));
    CHECK_OK(crypto_x509_pool_add_crl(pool, vl_span(crl[1], vectors_bytes(o, "pck_crl", crl[1], sizeof crl[1]))));
    snprintf(info, sizeof info, "{\"tcbInfo\":%s,\"signature\":\"%s\"}", vectors_text(o, "tcb_info"), vectors_text(o, "tcb_info_signature"));
    snprintf(identity, sizeof identity, "{\"enclaveIdentity\":%s,\"signature\":\"%s\"}", vectors_text(o, "qe_identity"),
             vectors_text(o, "qe_identity_signature"));
    fake_begin(&f);
    fake_folder(&f, REPORT);
    f.maker = "tdx_guest\n";
    f.out = span(quote);
    const uint8_t *data = quote.p + 48 + 520;
    struct made m = make(&f.config, "tsm", data);
    CHECK_OK(m.err);
    CHECK_EQ(ATTEST_TDX, m.view.kind);
    struct attest_result r = verified(&m.view, data, pool, info, identity);
    CHECK_STR("accepted", r.reason);
    CHECK_EQ(ATTEST_TCB_UP_TO_DATE, r.tcb);
    CHECK_EQ(900, r.level);
    unmake(&m);
    fake_end(&f);
    crypto_x509_pool_destroy(pool);
    json_decref(o);
    free(quote.p);
}

TEST(tee_tsm, two_programs_that_ask_at_once_get_folders_of_their_own) {
    struct fake f;
    struct snp s;
    if (!snp_begin(&s)) SKIP(ABSENT);
    fake_begin(&f);
    fake_folder(&f, REPORT);
    f.out = span(s.report);
    f.step = 2; /* the kernel counts each write: somebody else's was between */
    struct made m = make(&f.config, "tsm", s.data);
    CHECK_EQ(VL_EAGAIN, m.err);
    CHECK(strstr(m.msg.text, "generation 6 after 4") != NULL);
    CHECK_EQ(3, f.asked);
    unmake(&m);
    f.step = 1;
    uint8_t other[TEE_DATA] = { 1 };
    m = make(&f.config, "tsm", other); /* the report is about other data than ours */
    CHECK_EQ(VL_EAGAIN, m.err);
    CHECK(strstr(m.msg.text, "somebody else's data") != NULL);
    unmake(&m);
    fake_end(&f);
    snp_end(&s);
}

TEST(tee_tsm, hostile_answers_are_errors) {
    struct fake f;
    static uint8_t junk[ATTESTATION_EVIDENCE_MAX + 4096];
    static const size_t lengths[] = { 0, 1, 47, 1183, 1185, 4096, sizeof junk };
    uint8_t data[TEE_DATA] = { 0 };
    crypto_random(junk, sizeof junk);
    for (unsigned maker = 0; maker < 2; maker++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            fake_begin(&f);
            fake_folder(&f, REPORT);
            f.maker = maker ? "tdx_guest\n" : "sev_guest\n";
            f.out = vl_span(junk, lengths[i]);
            struct made m = make(&f.config, "tsm", data);
            CHECK(m.err == VL_EPARSE || m.err == VL_ELIMIT || m.err == VL_EAGAIN);
            CHECK(lengths[i] < sizeof junk || m.err == VL_ELIMIT);
            CHECK(lengths[i] > 47 || m.err == VL_EPARSE);
            unmake(&m);
            fake_end(&f);
        }
}

TEST(tee_tsm, a_damaged_table_of_certificates_is_an_error) {
    struct fake f;
    struct snp s;
    if (!snp_begin(&s)) SKIP(ABSENT);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *bad = malloc(s.table.len);
        CHECK(bad != NULL);
        memcpy(bad, s.table.p, s.table.len);
        if (i == 0) put_le32(bad + 16, s.table.len);     /* begins behind the end */
        if (i == 1) put_le32(bad + 20, UINT32_MAX);      /* and ends there */
        fake_begin(&f);
        fake_folder(&f, REPORT);
        f.out = span(s.report);
        f.aux = vl_span(bad, i == 2 ? 47 : s.table.len); /* has no end */
        struct made m = make(&f.config, "tsm", s.data);
        CHECK_EQ(VL_EPARSE, m.err);
        CHECK(strstr(m.msg.text, "table of certificates is damaged") != NULL);
        unmake(&m);
        fake_end(&f);
        free(bad);
    }
    snp_end(&s);
}

static struct tee_found looked(const struct tee_config *cfg, const char *name) {
    struct tee_found f[TEE_PROVIDERS];
    tee_detect(cfg, f);
    for (unsigned i = 0; i < TEE_PROVIDERS; i++)
        if (strcmp(f[i].name, name) == 0) return f[i];
    fail();
    return f[0];
}

TEST(tee_tsm, why_there_is_none_is_said) {
    static const struct {
        int err;
        bool denied;
        const char *words;
    } cases[] = { { ENXIO, false, "not in a confidential guest" },
                  { EBUSY, false, "not in a confidential guest" },
                  { EACCES, true, "run the node as root" },
                  { EPERM, true, "run the node as root" },
                  { EIO, false, "cannot be opened" } };
    static const char *const makers[] = { "powervm\n", "", "sev_guest with words behind", "0123456789012345678901234567890123456789012345678901234567890123456789" };
    struct fake f;
    struct tee_found found;
    fake_begin(&f);
    fake_folder(&f, REPORT);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f.mkdir_errno = cases[i].err;
        found = looked(&f.config, "tsm");
        CHECK(!found.here);
        CHECK_EQ(cases[i].denied, found.denied);
        CHECK(strstr(found.why, cases[i].words) != NULL);
    }
    f.mkdir_errno = 0;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        f.maker = makers[i];
        found = looked(&f.config, "tsm");
        CHECK(!found.here);
        CHECK(strstr(found.why, "does not verify") != NULL);
    }
    f.maker = "sev_guest\n";
    f.no_generation = true; /* a kernel that is not as documented */
    struct made m = make(&f.config, "tsm", (const uint8_t[TEE_DATA]){ 0 });
    CHECK_EQ(VL_EPARSE, m.err);
    unmake(&m);
    fake_end(&f);
}

/* ---- devices ---- */

static struct snp *host; /* what the firmware answers with */
static unsigned snp_busy, snp_length = 1184, snp_status;
static bool snp_bare;
static int sev(struct fake *f, unsigned long request, void *arg) {
    struct snp_guest_request_ioctl *r = arg;
    bool more = request == SNP_GET_EXT_REPORT;
    if (!more && request != SNP_GET_REPORT) return errno = ENOTTY, -1;
    struct snp_report_req *in = (struct snp_report_req *)(uintptr_t)r->req_data;
    uint8_t *out = ((struct snp_report_resp *)(uintptr_t)r->resp_data)->data;
    CHECK_EQ(1, r->msg_version);
    memcpy(f->in, in->user_data, TEE_DATA);
    f->asked++;
    if (snp_busy) return r->exitinfo2 = (uint64_t)SNP_GUEST_VMM_ERR_BUSY << 32, errno = EIO, -1;
    if (more && snp_bare) return errno = EIO, -1;
    put_le32(out, snp_status);
    put_le32(out + 4, snp_length);
    memcpy(out + 32, host->report.p, host->report.n);
    if (more) {
        struct snp_ext_report_req *ext = (struct snp_ext_report_req *)(uintptr_t)r->req_data;
        CHECK(ext->certs_len >= host->table.len);
        memcpy((void *)(uintptr_t)ext->certs_address, host->table.p, host->table.len);
    }
    return 0;
}

TEST(tee_devices, sev_guest_gives_a_report_that_is_accepted) {
    struct fake f;
    struct snp s;
    if (!snp_begin(&s)) SKIP(ABSENT);
    host = &s;
    fake_begin(&f);
    fake_file(&f, "/dev/sev-guest", vl_span("", 0));
    f.ioctl = sev;
    struct made m = make(&f.config, NULL, s.data);
    CHECK_OK(m.err);
    CHECK_STR("sev-guest", tee_name(m.tee));
    CHECK_MEM(s.data, f.in, TEE_DATA);
    struct attest_result r = verified(&m.view, s.data, NULL, NULL, NULL);
    CHECK_STR("accepted", r.reason);
    unmake(&m);
    snp_bare = true; /* a host without certificates */
    m = make(&f.config, NULL, s.data);
    CHECK_OK(m.err);
    CHECK_EQ(0, m.view.leaf.n);
    unmake(&m);
    snp_bare = false;
    snp_busy = 1;
    m = make(&f.config, NULL, s.data);
    CHECK_EQ(VL_EAGAIN, m.err);
    unmake(&m);
    snp_busy = 0;
    snp_length = 1185;
    m = make(&f.config, NULL, s.data);
    CHECK_EQ(VL_EPARSE, m.err);
    unmake(&m);
    snp_length = 1184;
    snp_status = 0x16;
    m = make(&f.config, NULL, s.data);
    CHECK_EQ(VL_EPARSE, m.err);
    unmake(&m);
    snp_status = 0;
    s.data[0] ^= 1;
    m = make(&f.config, NULL, s.data);
    CHECK_EQ(VL_EAGAIN, m.err);
    unmake(&m);
    f.ioctl = NULL; /* a file that only has the name */
    m = make(&f.config, NULL, s.data);
    CHECK_EQ(VL_EUNSUPPORTED, m.err);
    unmake(&m);
    fake_end(&f);
    snp_end(&s);
}

TEST(tee_devices, two_ways_to_one_kind_give_one_piece_of_evidence) {
    struct fake f;
    struct snp s;
    struct tees *t = NULL;
    struct tee_evidence v[ATTESTATIONS_MAX];
    struct vl_errmsg msg;
    size_t n = 0;
    char why[160];
    if (!snp_begin(&s)) SKIP(ABSENT);
    host = &s;
    fake_begin(&f);
    fake_folder(&f, REPORT);
    fake_file(&f, "/dev/sev-guest", vl_span("", 0));
    f.ioctl = sev;
    f.out = span(s.report);
    CHECK_OK(tees_create(&(struct tees_config){ .machine = f.config }, &t, &msg));
    CHECK_OK(tees_quote(t, s.data, (const uint8_t[32]){ 1 }, v, &n, why));
    CHECK_EQ(1, n);
    CHECK_EQ(ATTEST_SNP, v[0].kind);
    CHECK_EQ(1, f.asked);
    tee_evidence_free(&v[0]);
    s.data[0] ^= 1; /* both fail: why the last one did is said */
    CHECK_OK(tees_quote(t, s.data, (const uint8_t[32]){ 0 }, v, &n, why));
    CHECK_EQ(0, n);
    CHECK(strstr(why, "somebody else's data") != NULL);
    tees_destroy(t);
    fake_end(&f);
    fake_begin(&f); /* nothing at all */
    CHECK_OK(tees_create(&(struct tees_config){ .machine = f.config }, &t, &msg));
    CHECK_OK(tees_quote(t, s.data, (const uint8_t[32]){ 0 }, v, &n, why));
    CHECK_EQ(0, n);
    CHECK(strstr(why, "village tee list") != NULL);
    tees_destroy(t);
    fake_end(&f);
    snp_end(&s);
}

#define TDX_REPORT 1024u
static int tdx(struct fake *f, unsigned long request, void *arg) {
    if (request != _IOC(_IOC_READ | _IOC_WRITE, 'T', 1, TEE_DATA + TDX_REPORT)) return errno = ENOTTY, -1;
    memcpy(f->in, arg, TEE_DATA);
    memset((uint8_t *)arg + TEE_DATA, 0x5a, TDX_REPORT);
    return 0;
}
/* The quoting service of the host: one connection for each answer. */
struct service {
    int fd;
    struct vl_span answer; /* framed as it goes out */
    uint8_t asked[2048];
    size_t n;
};
static void *service(void *arg) {
    struct service *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    while (s->n < 4 + 24 + TDX_REPORT) {
        ssize_t n = read(fd, s->asked + s->n, sizeof s->asked - s->n);
        if (n <= 0) break;
        s->n += (size_t)n;
    }
    for (size_t at = 0; at < s->answer.n;) {
        ssize_t n = write(fd, s->answer.p + at, s->answer.n - at);
        if (n <= 0) break;
        at += (size_t)n;
    }
    close(fd);
    return NULL;
}
static struct made asked_of(struct fake *f, struct service *s, struct vl_span answer, const uint8_t data[TEE_DATA]) {
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    pthread_t thread;
    snprintf(at.sun_path, sizeof at.sun_path, "%s/qgs", f->root);
    unlink(at.sun_path);
    *s = (struct service){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer };
    CHECK_EQ(0, bind(s->fd, (struct sockaddr *)&at, sizeof at));
    CHECK_EQ(0, listen(s->fd, 1));
    CHECK_EQ(0, pthread_create(&thread, NULL, service, s));
    f->config.qgs = at.sun_path;
    struct made m = make(&f->config, "tdx-guest", data);
    pthread_join(thread, NULL);
    close(s->fd);
    return m;
}
static void framed(struct vl_span quote, uint32_t code, struct vl_buf *out) {
    uint8_t head[4 + 16 + 8] = { 0 };
    vl_put_u32(head, (uint32_t)(24 + quote.n));
    head[4] = 1;
    put_le32(head + 8, 1);
    put_le32(head + 12, 24 + quote.n);
    put_le32(head + 16, code);
    put_le32(head + 24, quote.n);
    vl_buf_init(out, 65536);
    CHECK_OK(vl_buf_append(out, head, sizeof head));
    CHECK_OK(vl_buf_append(out, quote.p, quote.n));
}

TEST(tee_devices, tdx_guest_asks_the_hosts_quoting_service) {
    struct fake f;
    struct service s;
    struct vl_buf good, refused;
    struct file quote = file("sgx-tdx/phala-tdx-v4-quote.bin");
    if (quote.p == NULL) SKIP(ABSENT);
    const uint8_t *data = quote.p + 48 + 520;
    fake_begin(&f);
    fake_file(&f, "/dev/tdx_guest", vl_span("", 0));
    f.ioctl = tdx;
    framed(span(quote), 0, &good);
    framed(vl_span(NULL, 0), 0x11001, &refused);
    struct made m = asked_of(&f, &s, vl_span(good.p, good.len), data);
    CHECK_OK(m.err);
    CHECK_EQ(4 + 24 + TDX_REPORT, s.n);
    static const uint8_t head[28] = { 0, 0, 4, 24, 1, 0, 0, 0, 0, 0, 0, 0, 24, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0 };
    CHECK_MEM(head, s.asked, sizeof head); /* size, big-endian; version, type, size, no error; sizes of the report and of no list */
    CHECK_EQ(0x5a, s.asked[s.n - 1]);
    CHECK_MEM(data, f.in, TEE_DATA);
    struct attest_result r = verified(&m.view, data, NULL, NULL, NULL);
    CHECK_EQ(ATTEST_YES, r.genuine.state);
    CHECK_EQ(ATTEST_YES, r.fresh.state);
    unmake(&m);
    m = asked_of(&f, &s, vl_span(refused.p, refused.len), data);
    CHECK_EQ(VL_EDENIED, m.err);
    CHECK(strstr(m.msg.text, "0x11001") != NULL);
    unmake(&m);
    for (size_t cut = 0; cut < 40; cut++) { /* broken off */
        m = asked_of(&f, &s, vl_span(good.p, cut), data);
        CHECK(m.err == VL_EIO);
        unmake(&m);
    }
    good.p[0] = 0x7f; /* two gigabytes announced */
    m = asked_of(&f, &s, vl_span(good.p, good.len), data);
    CHECK_EQ(VL_EPARSE, m.err);
    unmake(&m);
    good.p[0] = 0;
    good.p[24] ^= 1; /* length of the quote */
    m = asked_of(&f, &s, vl_span(good.p, good.len), data);
    CHECK_EQ(VL_EPARSE, m.err);
    unmake(&m);
    f.config.qgs = "/nowhere/qgs";
    m = make(&f.config, "tdx-guest", data);
    CHECK_EQ(VL_EUNSUPPORTED, m.err);
    CHECK(strstr(m.msg.text, "which no other machine can check") != NULL);
    unmake(&m);
    vl_buf_free(&good);
    vl_buf_free(&refused);
    fake_end(&f);
    free(quote.p);
}

static struct vl_span nsm_answer;
static int nsm(struct fake *f, unsigned long request, void *arg) {
    struct {
        uint64_t at, n;
    } *v = arg;
    if (_IOC_TYPE(request) != 0x0a || _IOC_SIZE(request) != 32) return errno = ENOTTY, -1;
    CHECK_EQ(11 + 2 + 2 + 9 + 1 + 6 + 2 + TEE_DATA + 11 + 1, v[0].n);
    memcpy(f->in, (const uint8_t *)(uintptr_t)v[0].at + 33, TEE_DATA);
    f->asked++;
    if (nsm_answer.n > v[1].n) return v[1].n = nsm_answer.n, 0; /* a module that writes no more and says so */
    memcpy((void *)(uintptr_t)v[1].at, nsm_answer.p, nsm_answer.n);
    v[1].n = nsm_answer.n;
    return 0;
}

TEST(tee_devices, nitros_module_is_asked_with_our_data_as_nonce) {
    struct fake f;
    struct vl_buf b;
    struct file doc = file("nitro/veracruz-doc.cbor");
    uint8_t data[TEE_DATA] = { 3, 1, 4 };
    if (doc.p == NULL) SKIP(ABSENT);
    static const uint8_t head[] = "\xa1\x6b" "Attestation" "\xa1\x68" "document" "\x59";
    uint8_t length[2];
    vl_put_u16(length, (uint16_t)doc.n);
    vl_buf_init(&b, 16384);
    CHECK_OK(vl_buf_append(&b, head, sizeof head - 1));
    CHECK_OK(vl_buf_append(&b, length, 2));
    CHECK_OK(vl_buf_append(&b, doc.p, doc.n));
    fake_begin(&f);
    fake_file(&f, "/dev/nsm", vl_span("", 0));
    f.ioctl = nsm;
    nsm_answer = vl_span(b.p, b.len);
    struct made m = make(&f.config, NULL, data);
    CHECK_OK(m.err);
    CHECK_EQ(ATTEST_NITRO, m.view.kind);
    CHECK_MEM(data, f.in, TEE_DATA);
    CHECK_EQ(doc.n, m.view.evidence.n);
    CHECK_MEM(doc.p, m.view.evidence.p, doc.n);
    unmake(&m);
    nsm_answer = vl_span("\xa1\x65" "Error" "\x6f" "InvalidArgument", 23);
    m = make(&f.config, NULL, data);
    CHECK_EQ(VL_EDENIED, m.err);
    CHECK(strstr(m.msg.text, "InvalidArgument") != NULL);
    unmake(&m);
    for (size_t cut = 0; cut < b.len; cut += cut < 40 ? 1 : 500) {
        nsm_answer = vl_span(b.p, cut);
        m = make(&f.config, NULL, data);
        CHECK_EQ(VL_EPARSE, m.err);
        unmake(&m);
    }
    static uint8_t huge[20000];
    nsm_answer = vl_span(huge, sizeof huge);
    m = make(&f.config, NULL, data);
    CHECK_EQ(VL_EPARSE, m.err);
    unmake(&m);
    vl_buf_free(&b);
    fake_end(&f);
    free(doc.p);
}

static uint32_t optee_code, optee_impl, optee_closed;
static int optee(struct fake *f, unsigned long request, void *arg) {
    (void)f;
    if (request == TEE_IOC_VERSION) {
        *(struct tee_ioctl_version_data *)arg = (struct tee_ioctl_version_data){ .impl_id = optee_impl, .gen_caps = TEE_GEN_CAP_GP };
        return 0;
    }
    if (request == TEE_IOC_CLOSE_SESSION) return optee_closed = ((struct tee_ioctl_close_session_arg *)arg)->session, 0;
    if (request != TEE_IOC_OPEN_SESSION) return errno = ENOTTY, -1;
    struct tee_ioctl_open_session_arg *a = (void *)(uintptr_t)((struct tee_ioctl_buf_data *)arg)->buf_ptr;
    CHECK_EQ(0x39, a->uuid[0]);
    CHECK_EQ(0xb5, a->uuid[15]);
    a->ret = optee_code;
    a->session = 17;
    return 0;
}

TEST(tee_devices, op_tee_is_found_and_said_to_prove_nothing) {
    static const struct {
        uint32_t impl, code;
        const char *words;
    } cases[] = { { TEE_IMPL_ID_OPTEE, 0, "no certificate of a maker" },
                  { TEE_IMPL_ID_OPTEE, 0xffff0008, "CFG_ATTESTATION_PTA=y" },
                  { TEE_IMPL_ID_OPTEE, 0xffff0001, "code 0xffff0001" },
                  { TEE_IMPL_ID_AMDTEE, 0, "not OP-TEE" } };
    struct fake f;
    struct vl_errmsg msg;
    struct tee *t = NULL;
    fake_begin(&f);
    fake_file(&f, "/dev/tee0", vl_span("", 0));
    f.ioctl = optee;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        optee_impl = cases[i].impl;
        optee_code = cases[i].code;
        struct tee_found found = looked(&f.config, "op-tee");
        CHECK(!found.here);
        CHECK(strstr(found.why, cases[i].words) != NULL);
        CHECK_EQ(VL_EUNSUPPORTED, tee_create(&f.config, "op-tee", &t, &msg));
        CHECK(strstr(msg.text, cases[i].words) != NULL);
    }
    CHECK_EQ(17, optee_closed); /* no session stays behind */
    f.ioctl = NULL;
    CHECK(strstr(looked(&f.config, "op-tee").why, "no device of the kernel's TEE subsystem") != NULL);
    fake_end(&f);
}

/* ---- Gramine ---- */

TEST(tee_gramine, a_quote_of_an_enclave_is_read_after_our_data_were_written) {
    struct fake f;
    struct file quote = file("sgx-tdx/phala-sgx-v3-quote.bin");
    if (quote.p == NULL) SKIP(ABSENT);
    const uint8_t *data = quote.p + 48 + 320;
    fake_begin(&f);
    fake_file(&f, "/dev/attestation/attestation_type", vl_span_str("dcap\n"));
    fake_serve(&f, "/dev/attestation/user_report_data", "/dev/attestation/quote");
    f.out = span(quote);
    struct made m = make(&f.config, "auto", data);
    CHECK_OK(m.err);
    CHECK_STR("gramine", tee_name(m.tee));
    CHECK_MEM(data, f.in, TEE_DATA);
    struct attest_result r = verified(&m.view, data, NULL, NULL, NULL);
    CHECK_EQ(ATTEST_YES, r.genuine.state);
    CHECK_EQ(ATTEST_YES, r.fresh.state);
    unmake(&m);
    m = make(&f.config, "auto", (const uint8_t[TEE_DATA]){ 1 });
    CHECK_EQ(VL_EAGAIN, m.err);
    unmake(&m);
    static uint8_t huge[40000];
    f.out = vl_span(huge, sizeof huge);
    m = make(&f.config, "auto", data);
    CHECK_EQ(VL_ELIMIT, m.err);
    unmake(&m);
    f.out = vl_span(quote.p, 300);
    m = make(&f.config, "auto", data);
    CHECK_EQ(VL_EPARSE, m.err);
    unmake(&m);
    fake_end(&f);
    free(quote.p);
}

TEST(tee_gramine, other_attestation_than_dcap_is_no_provider) {
    struct fake f;
    fake_begin(&f);
    fake_file(&f, "/dev/attestation/attestation_type", vl_span_str("epid\n"));
    struct tee_found found = looked(&f.config, "gramine");
    CHECK(!found.here);
    CHECK(strstr(found.why, "'epid'") != NULL);
    fake_end(&f);
}

/* ---- a machine without any ---- */

TEST(tee_absent, every_provider_says_what_is_not_there) {
    static const char *const words[TEE_PROVIDERS] = { "no /sys/kernel/config/tsm/report", "no /dev/sev-guest", "no /dev/tdx_guest",
                                                      "no /dev/attestation", "no /dev/nsm", "no /dev/tee0", "no /dev/tpmrm0",
                                                      "proves the key and no hardware" };
    struct fake f;
    struct tee_found found[TEE_PROVIDERS];
    struct vl_errmsg msg;
    struct tee *t = NULL;
    fake_begin(&f);
    tee_detect(&f.config, found);
    for (unsigned i = 0; i < TEE_PROVIDERS; i++) {
        CHECK(!found[i].here && !found[i].denied);
        CHECK(strstr(found[i].why, words[i]) != NULL);
        CHECK_EQ(VL_EUNSUPPORTED, tee_create(&f.config, found[i].name, &t, &msg));
        CHECK(strstr(msg.text, words[i]) != NULL);
    }
    CHECK_EQ(VL_EUNSUPPORTED, tee_create(&f.config, NULL, &t, &msg));
    CHECK(strstr(msg.text, "village tee list") != NULL);
    CHECK_EQ(VL_EUNSUPPORTED, tee_create(&f.config, "sgx2", &t, &msg));
    CHECK(strstr(msg.text, "no provider 'sgx2'") != NULL);
    CHECK(t == NULL);
    fake_end(&f);
}

/* This very machine, whatever it has: what is not here is an error with words, what is here opens. */
TEST(tee_absent, this_machine_is_looked_at_without_harm) {
    struct tee_found found[TEE_PROVIDERS];
    struct tee_config cfg = { .root = NULL };
    tee_detect(&cfg, found);
    for (unsigned i = 0; i < TEE_PROVIDERS; i++) {
        struct vl_errmsg msg = { "" };
        struct tee *t = NULL;
        print_message("# %s: %s\n", found[i].name, found[i].why);
        enum vl_err err = tee_create(&cfg, found[i].name, &t, &msg);
        if (!found[i].here) CHECK_EQ(found[i].denied ? VL_EDENIED : VL_EUNSUPPORTED, err);
        CHECK(err == VL_OK || msg.text[0] != '\0');
        tee_destroy(t);
    }
}

TEST(tee_absent, a_tpm_needs_the_library_that_speaks_to_it) {
    struct fake f;
    fake_begin(&f);
    f.no_libraries = true;
    f.config.tpm = "swtpm:port=1";
    CHECK(strstr(looked(&f.config, "tpm").why, "apt install libtss2-esys-3.0.2-0") != NULL);
    f.no_libraries = false;
    setenv("TSS2_LOG", "all+none", 0);
    CHECK(strstr(looked(&f.config, "tpm").why, "no TPM answers at swtpm:port=1") != NULL);
    f.config.tpm = "cmd:rm -rf /"; /* a TCTI that runs programs is none of ours */
    CHECK(strstr(looked(&f.config, "tpm").why, "names no TPM") != NULL);
    f.config.tpm = NULL;
    fake_file(&f, "/dev/tpmrm0", vl_span("", 0)); /* only has the name */
    CHECK(!looked(&f.config, "tpm").here);
    fake_end(&f);
}

TEST(tee_absent, names_that_are_too_long_are_refused) {
    static char name[400];
    struct vl_errmsg msg;
    struct tee *t = NULL;
    struct tee_found found[TEE_PROVIDERS];
    memset(name, 'x', sizeof name - 1);
    CHECK_EQ(VL_ERANGE, tee_create(&(struct tee_config){ .root = name }, NULL, &t, &msg));
    CHECK_EQ(VL_ERANGE, tee_create(&(struct tee_config){ .tpm = name }, NULL, &t, &msg));
    CHECK_EQ(VL_ERANGE, tee_create(&(struct tee_config){ .qgs = name }, NULL, &t, &msg));
    tee_detect(&(struct tee_config){ .root = name }, found);
    for (unsigned i = 0; i < TEE_PROVIDERS; i++) CHECK(!found[i].here && found[i].why[0] != '\0');
}

TEST(tee_absent, a_file_that_may_not_be_opened_says_who_may) {
    if (geteuid() == 0) SKIP("root may open everything");
    struct fake f;
    char path[128];
    fake_begin(&f);
    fake_file(&f, "/dev/sev-guest", vl_span("", 0));
    snprintf(path, sizeof path, "%s/dev/sev-guest", f.root);
    CHECK_EQ(0, chmod(path, 0));
    struct tee_found found = looked(&f.config, "sev-guest");
    CHECK(found.denied && !found.here);
    CHECK(strstr(found.why, "root") != NULL);
    fake_end(&f);
}

TEST(tee_self, a_nodes_own_statement_is_signed_and_never_chosen_by_itself) {
    uint8_t seed[32] = { 7 }, data[TEE_DATA] = { 8 };
    struct crypto_sign_key key;
    struct fake f;
    fake_begin(&f);
    f.config.seed = seed;
    struct made m = make(&f.config, "self", data);
    CHECK_OK(m.err);
    CHECK_EQ(ATTEST_SELF, m.view.kind);
    crypto_sign_key_from_seed(seed, &key);
    CHECK_EQ(TEE_DATA + CRYPTO_SIGNATURE, m.view.evidence.n);
    CHECK_OK(crypto_verify_message(key.public, "village-tee-self-1:", vl_span(data, TEE_DATA), m.view.evidence.p + TEE_DATA));
    CHECK_EQ(300, verified(&m.view, data, NULL, NULL, NULL).level);
    unmake(&m);
    m = make(&f.config, "auto", data);
    CHECK_EQ(VL_EUNSUPPORTED, m.err);
    unmake(&m);
    fake_end(&f);
}
