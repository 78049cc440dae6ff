/* Quotes and boot logs of third parties, and what their README says of each. */
#include "attest_vectors.h"
#include "check.h"
#include "trust/tpm_eventlog.h"

#include <stdlib.h>
#include <string.h>

/* --- go-tpm-tools' protobuf attestation: key 1, quotes 2 { message 1, signature 2, PCRs 3 { bank 1, 2 { index 1, value
 * 2 } } }, log 3, certificate of the key 6 --- */
static uint64_t varint(struct vl_reader *r) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = vl_read_u8(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) break;
    }
    return v;
}
/* The nth field of this number with a length; n counts from 0. */
static struct vl_span field(struct vl_span in, uint64_t number, unsigned nth) {
    struct vl_reader r = vl_reader(in.p, in.n);
    while (r.n > 0 && !r.failed) {
        uint64_t key = varint(&r);
        if ((key & 7) == 0) {
            (void)varint(&r);
            continue;
        }
        struct vl_span v = vl_read_span(&r, varint(&r));
        if (key >> 3 == number && nth-- == 0) return v;
    }
    return vl_span(NULL, 0);
}

static const char *const issuers[] = { "tpm/gotpm-tpm_ek_intermediate_2.crt", "tpm/gotpm-tpm_ek_intermediate_3.crt",
                                       "tpm/gotpm-tpm_ek_root_1.cer", "tpm/gotpm-gcp_ek_ak_ca_root.crt",
                                       "tpm/gotpm-gcp_ek_ak_ca_intermediate_v3.crt", NULL };
struct scene {
    struct attest_files files;
    struct crypto_x509_pool *pool;
    uint8_t pcrs[24 * 48];
    struct attest_input in;
    struct attest_policy policy;
    struct attest_result r;
};
static void end(struct scene *s) {
    crypto_x509_pool_destroy(s->pool);
    attest_files_free(&s->files);
}
/* Quote 0 is of the SHA-1 bank, 1 of SHA-256, 2 of SHA-384. */
static bool begin(struct scene *s, unsigned nth) {
    static const size_t sizes[] = { 20, 32, 48 };
    size_t size = sizes[nth];
    memset(s, 0, sizeof *s);
    s->pool = attest_pool(&s->files, issuers);
    struct vl_span pb = attest_file(&s->files, "tpm/gotpm-gce-cos85-nonce9009.pb");
    if (s->files.missing) {
        end(s);
        return false;
    }
    struct vl_span quote = field(pb, 2, nth), bank = field(quote, 3, 0);
    for (unsigned i = 0; i < 24; i++) {
        struct vl_span entry = field(bank, 2, i), value = field(entry, 2, 0);
        CHECK_EQ(size, value.n);
        struct vl_reader r = vl_reader(entry.p, entry.n);
        CHECK_EQ(8, varint(&r));
        uint64_t index = varint(&r);
        CHECK(index < 24);
        memcpy(s->pcrs + index * size, value.p, size);
    }
    s->in = (struct attest_input){ .kind = ATTEST_TPM,
                                   .evidence = field(quote, 1, 0),
                                   .leaf = field(pb, 6, 0),
                                   .pool = s->pool,
                                   .nonce = vl_span("\x90\x09", 2),
                                   .nonce_binds_key = true,
                                   .when = attest_date("2022-12-01"),
                                   .policy = &s->policy };
    s->in.collateral[0] = field(quote, 2, 0);
    s->in.collateral[1] = field(pb, 1, 0);
    s->in.collateral[2] = vl_span(s->pcrs, 24 * size);
    s->in.collateral[3] = field(pb, 3, 0);
    return true;
}
#define BEGIN(s, nth)                                                                                                  \
    do {                                                                                                               \
        if (!begin(&(s), nth)) SKIP("this attestation vector is not here");                                            \
    } while (0)
static void verify(struct scene *s) { attest_verify(&s->in, &s->r); }
static void refused(struct scene *s, const char *why) {
    verify(s);
    CHECK_STR(why, s->r.reason);
    CHECK(!s->r.accepted);
    CHECK_EQ(0, s->r.level);
}

TEST(attest_tpm, a_quote_with_its_log_under_a_vendors_certificate_is_worth_700) {
    for (unsigned nth = 1; nth <= 2; nth++) {
        struct scene s;
        BEGIN(s, nth);
        verify(&s);
        CHECK_STR("accepted", s.r.reason);
        CHECK_EQ(ATTEST_YES, s.r.fresh.state);
        CHECK_EQ(ATTEST_ANCHOR_VENDOR, s.r.anchor);
        CHECK_EQ(700, s.r.level);
        CHECK(!s.r.sha1);
        CHECK(s.r.secure_boot != ATTEST_UNKNOWN);
        end(&s);
    }
}

TEST(attest_tpm, a_bank_of_sha1_is_worth_no_more_than_500) {
    struct scene s;
    BEGIN(s, 0);
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK(s.r.sha1);
    CHECK_EQ(500, s.r.level);
    end(&s);
}

TEST(attest_tpm, without_a_certificate_there_is_no_claim_of_hardware) {
    struct scene s;
    BEGIN(s, 1);
    struct vl_span leaf = s.in.leaf;
    s.in.leaf = vl_span(NULL, 0);
    refused(&s, "no certificate leads from the key to a vendor");
    s.in.leaf = leaf;
    s.in.pool = NULL;
    refused(&s, "no chain of certificates to a root we accept");
    end(&s);
}

TEST(attest_tpm, what_was_changed_is_noticed) {
    struct scene s;
    BEGIN(s, 1);
    s.pcrs[0] ^= 1;
    refused(&s, "the PCRs are not those of the quote");
    s.pcrs[0] ^= 1;
    s.in.nonce = vl_span("\x90\x08", 2);
    refused(&s, "made for another challenge");
    s.in.nonce = vl_span("\x90\x09", 2);
    struct vl_span log = s.in.collateral[3];
    uint8_t *copy = malloc(log.n);
    CHECK(copy != NULL);
    memcpy(copy, log.p, log.n);
    copy[73 + 12 + 2 + 20 + 2 + 4] ^= 1; /* inside the first event's SHA-256 */
    s.in.collateral[3] = vl_span(copy, log.n);
    verify(&s);
    CHECK_EQ(ATTEST_NO, s.r.genuine.state);
    s.in.collateral[3] = vl_span(log.p, log.n - 1);
    refused(&s, "malformed event log");
    free(copy);
    end(&s);
}

TEST(attest_tpm, a_key_that_may_sign_anything_proves_nothing) {
    struct scene s;
    uint8_t key[512];
    BEGIN(s, 1);
    memcpy(key, s.in.collateral[1].p, s.in.collateral[1].n);
    s.in.collateral[1].p = key;
    key[5] ^= 1; /* restricted */
    refused(&s, "not a restricted signing key that was made in the TPM");
    key[5] ^= 1;
    key[7] ^= 2; /* fixedTPM */
    refused(&s, "not a restricted signing key that was made in the TPM");
    end(&s);
}

TEST(attest_tpm, an_endorsement_key_counts_only_when_it_activated_this_key) {
    struct scene s;
    uint8_t name[2 + TPM_DIGEST] = { 0x00, 0x0b };
    BEGIN(s, 1);
    /* Some other certificate of the vendor stands for the endorsement key. */
    s.in.leaf = attest_file(&s.files, "tpm/gotpm-gce-uca_tpm_rsa_sign_cert.pem");
    if (s.files.missing) SKIP("this attestation vector is not here");
    refused(&s, "no credential was activated under the certificate's key");
    tpm_digest(TPM_SHA256, s.in.collateral[1], name + 2);
    s.in.collateral[4] = vl_span(name, 34);
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    name[33] ^= 1;
    refused(&s, "the credential was activated for another key");
    end(&s);
}

TEST(attest_tpm, a_clock_that_went_back_is_refused) {
    struct scene s;
    uint8_t before[256];
    BEGIN(s, 1);
    size_t n = s.in.evidence.n;
    memcpy(before, s.in.evidence.p, n);
    s.in.collateral[5] = vl_span(before, n);
    verify(&s);
    CHECK(s.r.accepted);
    size_t at = 6 + 2 + 34 + 2 + 2 + 8; /* resets */
    before[at + 3]++;
    refused(&s, "the TPM counts fewer resets than before");
    before[at + 3]--;
    before[at + 7]++;
    refused(&s, "the TPM counts fewer restarts than before");
    end(&s);
}

TEST(attest_tpm, no_cut_and_no_flipped_bit_is_taken) {
    struct scene s;
    BEGIN(s, 1);
    verify(&s);
    CHECK(s.r.accepted);
    attest_check_truncations(&s.in, 0);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.evidence, 8 * s.in.evidence.n, 1, 29));
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.collateral[0], 8 * s.in.collateral[0].n, 1, 30));
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.collateral[2], 8 * 24 * 32, 1, 31));
    /* What is only told and not measured may be lost, and then nothing is known of secure boot. */
    enum attest_state secure_boot = s.r.secure_boot;
    struct vl_span log = s.in.collateral[3];
    uint8_t *copy = malloc(log.n);
    CHECK(copy != NULL);
    memcpy(copy, log.p, log.n);
    s.in.collateral[3] = vl_span(copy, log.n);
    for (size_t bit = 0; bit < 8 * log.n; bit += bit < 8192 ? 1 : 97) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        verify(&s);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (s.r.genuine.state == ATTEST_YES && s.r.secure_boot != secure_boot) CHECK_EQ(ATTEST_UNKNOWN, s.r.secure_boot);
    }
    free(copy);
    end(&s);
}

/* Each certificate of Google's leads to one of its two roots and not to the other. */
TEST(attest_tpm, published_certificates_lead_to_their_root_alone) {
    static const struct {
        const char *file, *root;
    } rows[] = { { "tpm/gotpm-gce-pca_tpm_rsa_sign_cert.pem", "tpm/gotpm-gcp_ek_ak_ca_root.crt" },
                 { "tpm/gotpm-gce-pca_tpm_ecc_sign_cert.pem", "tpm/gotpm-gcp_ek_ak_ca_root.crt" },
                 { "tpm/gotpm-gce-uca_tpm_rsa_sign_cert.pem", "tpm/gotpm-tpm_ek_root_1.cer" } };
    static const char *const roots[] = { "tpm/gotpm-gcp_ek_ak_ca_root.crt", "tpm/gotpm-tpm_ek_root_1.cer" };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < 2; k++) {
            struct attest_files f = { .n = 0 };
            const char *const one[] = { rows[i].file, NULL }, *const anchor[] = { roots[k], NULL };
            struct crypto_x509_pool *leaf = attest_pool(&f, one), *pool = attest_pool(&f, issuers),
                                    *root = attest_pool(&f, anchor);
            uint8_t key[1][32];
            if (!f.missing) {
                crypto_x509_key_hash(crypto_x509_pool_get(root, 0), key[0]);
                struct crypto_x509_rules rules = { .pool = { pool, NULL },
                                                   .roots = (const uint8_t(*)[32])key,
                                                   .nroots = 1,
                                                   .when_s = attest_date("2023-06-01") / 1000 };
                struct crypto_x509_path path;
                CHECK_EQ(strcmp(rows[i].root, roots[k]) == 0 ? CRYPTO_X509_OK : CRYPTO_X509_NO_ROOT,
                         crypto_x509_verify(crypto_x509_pool_get(leaf, 0), &rules, &path));
            }
            crypto_x509_pool_destroy(leaf);
            crypto_x509_pool_destroy(pool);
            crypto_x509_pool_destroy(root);
            attest_files_free(&f);
            if (f.missing) SKIP("these attestation vectors are not here");
        }
}

/* --- logs --- */

TEST(tpm_eventlog, published_logs_lead_to_the_published_registers) {
    struct attest_files f = { .n = 0 };
    struct tpm_replay r;
    struct vl_span ubuntu = attest_file(&f, "tpm/gotpm-ubuntu2404-sevsnp-eventlog.bin"),
                   agile = attest_file(&f, "tpm/goattest-crypto-agile-eventlog.bin");
    if (f.missing) {
        attest_files_free(&f);
        SKIP("the attestation vectors are not here");
    }
    CHECK(tpm_eventlog_replay(ubuntu, TPM_SHA256, &r));
    CHECK_EQ(116, r.events);
    CHECK_MEM("\x50\x59\x7a\x27", r.pcr[0], 4);
    CHECK_MEM("\x33\xad\x69\x85", r.pcr[7], 4);
    CHECK(tpm_eventlog_replay(ubuntu, TPM_SHA384, &r));
    CHECK(tpm_eventlog_replay(agile, TPM_SHA256, &r));
    CHECK_EQ(26, r.events);
    CHECK_MEM("\x15\x36\xde\x22", r.pcr[0], 4);
    CHECK_MEM("\x3d\x62\x07\xf9", r.pcr[7], 4);
    CHECK_EQ(ATTEST_NO, r.secure_boot);
    CHECK(!tpm_eventlog_replay(agile, TPM_SHA1, &r)); /* no such bank in it */
    attest_files_free(&f);
}

TEST(tpm_eventlog, a_short_log_is_refused_and_so_is_every_cut_inside_an_event) {
    struct attest_files f = { .n = 0 };
    struct tpm_replay r;
    struct vl_span bad = attest_file(&f, "tpm/goattest-MALFORMED-short-eventlog.bin"),
                   agile = attest_file(&f, "tpm/goattest-crypto-agile-eventlog.bin");
    if (f.missing) {
        attest_files_free(&f);
        SKIP("the attestation vectors are not here");
    }
    CHECK(!tpm_eventlog_replay(bad, TPM_SHA256, &r));
    size_t whole = 0;
    for (size_t n = 0; n < agile.n; n++) {
        uint8_t *copy = malloc(n + 1);
        CHECK(copy != NULL);
        memcpy(copy, agile.p, n);
        whole += tpm_eventlog_replay(vl_span(copy, n), TPM_SHA256, &r);
        free(copy);
    }
    CHECK_EQ(26, whole); /* after the header, and after each event but the last */
    attest_files_free(&f);
}

/* --- a log made here --- */

struct log {
    uint8_t b[512];
    size_t n;
};
static void le(struct log *l, uint32_t v, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) l->b[l->n++] = (uint8_t)(v >> 8 * i);
}
static void bytes(struct log *l, const void *p, size_t n) {
    memcpy(l->b + l->n, p, n);
    l->n += n;
}
/* An event with a digest of 32 bytes `of`. */
static void event(struct log *l, uint32_t pcr, uint32_t type, uint8_t of, const void *data, size_t n) {
    uint8_t digest[32];
    memset(digest, of, sizeof digest);
    le(l, pcr, 4), le(l, type, 4), le(l, 1, 4), le(l, TPM_SHA256, 2);
    bytes(l, digest, sizeof digest);
    le(l, (uint32_t)n, 4);
    bytes(l, data, n);
}
static struct log only_sha256(void) {
    struct log l = { .n = 0 };
    static const uint8_t none[20], versions[8] = { 0, 0, 0, 0, 0, 2, 0, 2 };
    le(&l, 0, 4), le(&l, 3, 4);
    bytes(&l, none, 20);
    le(&l, 16 + 8 + 4 + 4 + 1, 4);
    bytes(&l, "Spec ID Event03", 16);
    bytes(&l, versions, 8);
    le(&l, 1, 4), le(&l, TPM_SHA256, 2), le(&l, 32, 2), le(&l, 0, 1);
    return l;
}

TEST(tpm_eventlog, a_start_from_another_locality_is_where_pcr_0_begins) {
    uint8_t locality[17] = "StartupLocality", both[64] = { 0 }, want[TPM_DIGEST];
    struct tpm_replay r;
    for (uint8_t is = 0; is < 6; is++) {
        struct log l = only_sha256();
        locality[16] = is;
        event(&l, 0, 3, 0, locality, sizeof locality);
        event(&l, 0, 8, 0x77, "v", 1);
        bool taken = tpm_eventlog_replay(vl_span(l.b, l.n), TPM_SHA256, &r);
        CHECK(taken == (is <= 4));
        if (!taken) continue;
        both[31] = is;
        memset(both + 32, 0x77, 32);
        tpm_digest(TPM_SHA256, vl_span(both, 64), want);
        CHECK_MEM(want, r.pcr[0], 32);
    }
    struct log late = only_sha256(); /* after something was measured, it cannot have begun elsewhere */
    locality[16] = 3;
    event(&late, 0, 8, 0x77, "v", 1);
    event(&late, 0, 3, 0, locality, sizeof locality);
    CHECK(!tpm_eventlog_replay(vl_span(late.b, late.n), TPM_SHA256, &r));
}
