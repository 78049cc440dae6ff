#include "trust/roster.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "trust/signing.h"

#include "check.h"

#include <string.h>

static struct crypto_sign_key root_of(uint8_t n) {
    struct crypto_sign_key root;
    uint8_t seed[32] = { n };
    CHECK_OK(crypto_init());
    crypto_sign_key_from_seed(seed, &root);
    return root;
}

static struct cert sample(void) {
    return (struct cert){ .node = { { 7 } },
                          .static_key = { 8 },
                          .serial = 5,
                          .issued_ms = 1000000,
                          .expires_ms = 2000000,
                          .roles = CERT_WORKER,
                          .name = "seven" };
}

static size_t signed_cert(const struct crypto_sign_key *root, uint8_t dst[CERT_BYTES_MAX]) {
    struct cert c = sample();
    size_t n = 0;
    CHECK_OK(cert_sign(root, &c));
    CHECK_OK(cert_encode(&c, dst, CERT_BYTES_MAX, &n));
    return n;
}

static size_t signed_list(const struct crypto_sign_key *root, uint64_t number, uint64_t serial, uint8_t dst[256]) {
    struct revocation v = { .node = { { 7 } }, .serial = serial };
    size_t n = 0;
    CHECK_OK(revocations_encode_body(root->public, number, 1, &v, 1, dst, 256, &n));
    CHECK_OK(revocations_sign(root, dst, n));
    return n + CERT_SIGNATURE;
}

TEST(roster, village_id_is_blake2b_128_of_the_root_key) {
    uint8_t root[32] = { 0 };
    /* computed with another implementation (Python's hashlib) */
    static const uint8_t want[16] = { 0xff, 0x0f, 0x22, 0x49, 0x2f, 0x44, 0xba, 0xc4,
                                      0xc4, 0xb3, 0x0a, 0xe5, 0x8d, 0x0e, 0x8d, 0xaa };
    CHECK_MEM(want, village_id_of(root).b, 16);
}

TEST(roster, a_certificate_is_valid_from_its_first_to_before_its_last_ms) {
    struct crypto_sign_key root = root_of(1);
    struct roster *r = roster_create(village_id_of(root.public));
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = signed_cert(&root, raw);
    struct cert cert = { .serial = 99 };
    CHECK_EQ(VL_EAGAIN, roster_check(r, vl_span(raw, n), 1000000 - ROSTER_SKEW_MS - 1, &cert));
    CHECK_EQ(VL_EEXPIRED, roster_check(r, vl_span(raw, n), 2000000, &cert));
    CHECK_EQ(99, cert.serial);
    CHECK_OK(roster_check(r, vl_span(raw, n), 1000000 - ROSTER_SKEW_MS, &cert));
    CHECK_OK(roster_check(r, vl_span(raw, n), 1999999, &cert));
    CHECK_STR("seven", cert.name);
    CHECK_OK(roster_recheck(r, &cert, 1999999));
    CHECK_EQ(VL_EEXPIRED, roster_recheck(r, &cert, 2000000));
    roster_destroy(r);
    roster_destroy(NULL);
}

TEST(roster, every_changed_byte_of_a_certificate_is_refused) {
    struct crypto_sign_key root = root_of(1);
    struct roster *r = roster_create(village_id_of(root.public));
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = signed_cert(&root, raw);
    struct cert cert;
    for (size_t at = 0; at < n; at++) {
        raw[at] ^= 1;
        enum vl_err err = roster_check(r, vl_span(raw, n), 1500000, &cert);
        raw[at] ^= 1;
        if (at == 0)
            CHECK_EQ(VL_EVERSION, err);
        else if (at < 33)
            CHECK_EQ(VL_EDENIED, err); /* another root: another village */
        else if ((at >= 105 && at < 110) || at == 121 || at == 122)
            CHECK_EQ(VL_EPARSE, err); /* issued after it expires; no role; another length of name */
        else
            CHECK_EQ(VL_ECRYPTO, err);
    }
    CHECK_OK(roster_check(r, vl_span(raw, n), 1500000, &cert));
    roster_destroy(r);
}

TEST(roster, refuses_another_village_and_a_root_that_only_claims_to_be) {
    struct crypto_sign_key root = root_of(1), other = root_of(2);
    struct roster *r = roster_create(village_id_of(root.public));
    uint8_t raw[CERT_BYTES_MAX], list[256];
    struct cert cert;
    size_t n = signed_cert(&other, raw);
    CHECK_EQ(VL_EDENIED, roster_check(r, vl_span(raw, n), 1500000, &cert));
    memcpy(raw + 1, root.public, 32); /* signed by another, and yet in our name */
    CHECK_EQ(VL_ECRYPTO, roster_check(r, vl_span(raw, n), 1500000, &cert));
    n = signed_list(&other, 1, 5, list);
    CHECK_EQ(VL_EDENIED, roster_revoke(r, vl_span(list, n)));
    memcpy(list + 1, root.public, 32);
    CHECK_EQ(VL_ECRYPTO, roster_revoke(r, vl_span(list, n)));
    CHECK_EQ(0, roster_list_number(r));
    roster_destroy(r);
}

TEST(roster, a_list_is_never_replaced_by_an_older_one) {
    struct crypto_sign_key root = root_of(1);
    struct roster *r = roster_create(village_id_of(root.public));
    uint8_t raw[CERT_BYTES_MAX], one[256], two[256], same[256];
    size_t n = signed_cert(&root, raw);
    size_t list_n = signed_list(&root, 3, 4, one);
    struct cert cert;
    CHECK_EQ(0, roster_list(r).n);
    CHECK_OK(roster_revoke(r, vl_span(one, list_n)));
    CHECK_OK(roster_check(r, vl_span(raw, n), 1500000, &cert)); /* serial 5 came after */
    CHECK_EQ(list_n, signed_list(&root, 4, 5, two));
    CHECK_OK(roster_revoke(r, vl_span(two, list_n)));
    CHECK_EQ(VL_ESTALE, roster_check(r, vl_span(raw, n), 1500000, &cert));
    CHECK_EQ(VL_ESTALE, roster_recheck(r, &cert, 1500000));
    CHECK_EQ(VL_ESTALE, roster_revoke(r, vl_span(one, list_n)));
    CHECK_OK(roster_revoke(r, vl_span(two, list_n)));
    signed_list(&root, 4, 4, same); /* the same number with other contents */
    CHECK_EQ(VL_ESTALE, roster_revoke(r, vl_span(same, list_n)));
    CHECK_EQ(4, roster_list_number(r));
    CHECK(vl_span_eq(roster_list(r), vl_span(two, list_n)));
    roster_destroy(r);
}

TEST(roster, every_changed_byte_of_a_list_is_refused) {
    struct crypto_sign_key root = root_of(1);
    struct roster *r = roster_create(village_id_of(root.public));
    uint8_t list[256];
    size_t n = signed_list(&root, 3, 4, list);
    for (size_t at = 0; at < n; at++) {
        list[at] ^= 1;
        CHECK(roster_revoke(r, vl_span(list, n)) != VL_OK);
        list[at] ^= 1;
        CHECK_EQ(0, roster_list_number(r));
    }
    CHECK_OK(roster_revoke(r, vl_span(list, n)));
    roster_destroy(r);
}

TEST(roster, a_signature_for_one_purpose_is_worth_nothing_for_another) {
    struct crypto_sign_key root = root_of(1);
    struct cert c = sample();
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = signed_cert(&root, raw);
    CHECK_OK(
        crypto_sign_message(&root, "village-revocations-1:", cert_body(vl_span(raw, n)), raw + n - CERT_SIGNATURE));
    CHECK_OK(cert_decode(vl_span(raw, n), &c));
    CHECK_EQ(VL_ECRYPTO, cert_verify(&c, vl_span(raw, n)));
    struct roster *r = roster_create(village_id_of(root.public));
    struct vl_hash hash;
    uint8_t list[256];
    n = signed_list(&root, 1, 1, list);
    crypto_blake2b256(vl_span(list, n - CERT_SIGNATURE), &hash);
    CHECK_OK(crypto_sign_message(&root, "village-cert-1:", vl_span(hash.b, 32), list + n - CERT_SIGNATURE));
    CHECK_EQ(VL_ECRYPTO, roster_revoke(r, vl_span(list, n)));
    roster_destroy(r);
}

TEST(roster, names_each_trouble_in_its_own_words) {
    static const enum vl_err all[] = { VL_OK,      VL_EPARSE, VL_EVERSION, VL_EDENIED,
                                       VL_ECRYPTO, VL_EAGAIN, VL_EEXPIRED, VL_ESTALE };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (size_t k = 0; k < i; k++) CHECK(strcmp(roster_problem(all[i]), roster_problem(all[k])) != 0);
}
