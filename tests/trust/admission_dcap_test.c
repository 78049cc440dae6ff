/* What the operator has of a machine's collateral is what its quote is held against, whatever the node sent with it. */
#include "attest_vectors.h"
#include "check.h"
#include "vectors.h"

#include "trust/admission.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER 6

struct scene {
    struct attest_files files;
    struct admission *a;
    struct attestation e;
    struct admission_case c;
    struct admission_verdict v;
    char *info, *identity;
    uint8_t lists[2][65536];
};

static void end(struct scene *s) {
    admission_destroy(s->a);
    attest_files_free(&s->files);
    free(s->info);
    free(s->identity);
    free(s);
}

/* The parts of one file of collateral as an operator would put them into a folder: the first n of them. */
static void folder(struct scene *s, const char *name, size_t n) {
    struct vl_errmsg why = { "" };
    json_t *o = vectors_load(name);
    CHECK(o != NULL);
    if (s->info == NULL) s->info = attest_document(o, "tcbInfo", "tcb_info", "tcb_info_signature");
    if (s->identity == NULL) s->identity = attest_document(o, "enclaveIdentity", "qe_identity", "qe_identity_signature");
    size_t root = vectors_bytes(o, "root_ca_crl", s->lists[0], sizeof s->lists[0]);
    size_t pck = vectors_bytes(o, "pck_crl", s->lists[1], sizeof s->lists[1]);
    const struct admission_file file[FOLDER] = {
        { "pck.pem", vl_span_str(vectors_text(o, "pck_crl_issuer_chain")) },
        { "tcb.pem", vl_span_str(vectors_text(o, "tcb_info_issuer_chain")) },
        { "root.crl", vl_span(s->lists[0], root) },
        { "pck.crl", vl_span(s->lists[1], pck) },
        { "tcb.json", vl_span_str(s->info) },
        { "qe.json", vl_span_str(s->identity) },
    };
    admission_destroy(s->a);
    s->a = NULL;
    CHECK_OK(admission_create(vl_span_str("{\"version\": 1, \"need_crl\": true}"), file, n, &s->a, &why));
    json_decref(o);
}

static struct scene *begin(enum attest_kind kind, const char *quote, const char *when) {
    struct scene *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->e.kind = (uint8_t)kind;
    s->e.evidence = attest_file(&s->files, quote);
    s->c = (struct admission_case){ .when = attest_date(when), .number = 1, .answer = &s->e, .n = 1 };
    if (!s->files.missing) return s;
    end(s);
    return NULL;
}
#define BEGIN(s, ...)                                                                                                  \
    struct scene *s = begin(__VA_ARGS__);                                                                              \
    if (s == NULL) SKIP("these attestation vectors are not here")

static const struct attested_entry *judge(struct scene *s) {
    admission_judge(s->a, &s->c, &s->v);
    CHECK_EQ(1, s->v.result.n);
    return &s->v.result.entry[0];
}

TEST(admission, the_level_of_a_td_is_that_of_the_operators_collateral) {
    BEGIN(s, ATTEST_TDX, "sgx-tdx/phala-tdx-v4-quote.bin", "2025-07-01");
    folder(s, "attestation/sgx-tdx/phala-tdx-v4-collateral.json", 4);
    CHECK_EQ(ATTEST_YES, judge(s)->genuine);
    CHECK_EQ(ATTEST_TCB_UNKNOWN, judge(s)->tcb);
    folder(s, "attestation/sgx-tdx/phala-tdx-v4-collateral.json", 5);
    CHECK_EQ(ATTEST_TCB_UP_TO_DATE, judge(s)->tcb);
    CHECK(judge(s)->tcb_partial);
    folder(s, "attestation/sgx-tdx/phala-tdx-v4-collateral.json", FOLDER);
    CHECK_EQ(ATTEST_TCB_UP_TO_DATE, judge(s)->tcb);
    CHECK(!judge(s)->tcb_partial);
    end(s);
}

TEST(admission, collateral_that_a_node_chose_gives_way_to_the_operators) {
    BEGIN(s, ATTEST_SGX, "sgx-tdx/phala-sgx-v3-quote.bin", "2025-07-01");
    s->e.collateral[0] = s->e.collateral[1] = vl_span_str("{}");
    folder(s, "attestation/sgx-tdx/phala-sgx-v3-collateral.json", 4);
    CHECK_EQ(ATTEST_TCB_BAD, judge(s)->tcb);
    folder(s, "attestation/sgx-tdx/phala-sgx-v3-collateral.json", FOLDER);
    CHECK_EQ(ATTEST_TCB_CONFIG_HARDENING, judge(s)->tcb);
    /* and the kindest that a node could find does not help it against the operator's */
    s->e.collateral[0] = vl_span_str(s->info);
    s->e.collateral[1] = vl_span_str(s->identity);
    s->c.when = attest_date("2025-07-20");
    CHECK_EQ(ATTEST_NO, judge(s)->genuine); /* lists that have expired */
    end(s);
}

/* Makes of a document, whose signature is then no longer good, one for another machine. */
static void for_machine(char *info, const char *was, const char *is) {
    char *at = strstr(info, was);
    CHECK(at != NULL);
    memcpy(at, is, strlen(is));
}

TEST(admission, collateral_of_other_machines_or_of_another_kind_is_not_this_ones) {
    BEGIN(s, ATTEST_TDX, "sgx-tdx/phala-tdx-v4-quote.bin", "2025-07-01");
    json_t *o = vectors_load("attestation/sgx-tdx/phala-sgx-v3-collateral.json");
    CHECK(o != NULL);
    s->info = attest_document(o, "tcbInfo", "tcb_info", "tcb_info_signature"); /* of enclaves on this machine */
    for_machine(s->info, "00A067110000", "B0C06F000000");
    folder(s, "attestation/sgx-tdx/phala-tdx-v4-collateral.json", FOLDER);
    CHECK_EQ(ATTEST_YES, judge(s)->genuine);
    CHECK_EQ(ATTEST_TCB_UNKNOWN, judge(s)->tcb);
    free(s->info);
    json_decref(o);
    o = vectors_load("attestation/sgx-tdx/phala-near-tdx-v4-collateral.json");
    CHECK(o != NULL);
    s->info = attest_document(o, "tcbInfo", "tcb_info", "tcb_info_signature"); /* of other processors */
    folder(s, "attestation/sgx-tdx/phala-tdx-v4-collateral.json", FOLDER);
    CHECK_EQ(ATTEST_TCB_UNKNOWN, judge(s)->tcb);
    json_decref(o);
    end(s);
}

static size_t base64(const char *text, uint8_t *dst, size_t cap) {
    size_t n = 0;
    CHECK_EQ(0, sodium_base642bin(dst, cap, text, strlen(text), NULL, &n, NULL, sodium_base64_VARIANT_URLSAFE));
    return n;
}
static size_t hex(const char *text, uint8_t *dst, size_t cap) {
    size_t n = 0;
    CHECK_EQ(0, sodium_hex2bin(dst, cap, text, strlen(text), NULL, &n, NULL));
    return n;
}

TEST(admission, the_td_under_a_vtpm_is_held_against_the_operators_collateral_too) {
    BEGIN(s, ATTEST_AZURE, "azure-vtpm/tdx-evidence-v1.json", "2025-07-01");
    static uint8_t report[8192], message[2048], signature[1024], pcrs[24 * 32], quote[16384];
    json_t *o = vectors_load("attestation/azure-vtpm/tdx-evidence-v1.json"), *list = json_object_get(json_object_get(o, "tpm_quote"), "pcrs");
    s->e.evidence = vl_span(report, base64(vectors_text(o, "hcl_report"), report, sizeof report));
    s->e.collateral[0] = vl_span(message, hex(vectors_text(o, "tpm_quote/message"), message, sizeof message));
    s->e.collateral[1] = vl_span(signature, hex(vectors_text(o, "tpm_quote/signature"), signature, sizeof signature));
    s->e.collateral[2] = vl_span(pcrs, sizeof pcrs);
    s->e.collateral[3] = vl_span(quote, base64(vectors_text(o, "td_quote"), quote, sizeof quote));
    CHECK_EQ(24, json_array_size(list));
    for (size_t i = 0; i < 24; i++) CHECK_EQ(32, hex(json_string_value(json_array_get(list, i)), pcrs + 32 * i, 32));
    json_decref(o);
    folder(s, "attestation/sgx-tdx/phala-tdx-v4-collateral.json", FOLDER);
    CHECK_EQ(ATTEST_YES, judge(s)->genuine);
    CHECK_EQ(ATTEST_TCB_UNKNOWN, judge(s)->tcb);
    for_machine(s->info, "B0C06F000000", "00806F050000"); /* nobody publishes this machine's: a forged one shows that it is asked */
    folder(s, "attestation/sgx-tdx/phala-tdx-v4-collateral.json", FOLDER);
    CHECK_EQ(ATTEST_TCB_BAD, judge(s)->tcb);
    end(s);
}
