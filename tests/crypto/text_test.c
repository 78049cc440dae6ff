#include "crypto/node_id.h"

#include "base/text.h"

#include "check.h"

#include <string.h>

/* Public key and id of the Ed25519 key in the libp2p peer-ids spec's test vectors. */
static const char spec_key[] = "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";
static const char spec_id[] = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";

TEST(node_id, is_the_peer_id_of_the_libp2p_spec) {
    struct vl_node_id id, back;
    char s[NODE_ID_TEXT];
    CHECK_OK(vl_hex_decode(spec_key, id.b, sizeof id.b));
    node_id_format(id, s);
    CHECK_STR(spec_id, s);
    CHECK_OK(node_id_parse(s, &back));
    CHECK(vl_node_eq(id, back));
}

TEST(node_id, reads_back_the_example_id_of_the_spec) {
    static const char text[] = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
    struct vl_node_id id, want;
    char s[NODE_ID_TEXT];
    CHECK_OK(vl_hex_decode("2ffa35a99d3a3cfbb17bb7c1dc5561b18a8dcca4df38dc613ea859c37eb1336b", want.b, sizeof want.b));
    CHECK_OK(node_id_parse(text, &id));
    CHECK(vl_node_eq(want, id));
    node_id_format(id, s);
    CHECK_STR(text, s);
}

TEST(node_id, has_52_characters_at_both_ends_of_the_key_space) {
    struct vl_node_id id;
    char s[NODE_ID_TEXT];
    memset(id.b, 0, sizeof id.b);
    node_id_format(id, s);
    CHECK_STR("12D3KooW9pNAk8aiBuGVQtWRdbkLmo5qVL3e2h5UxbN2Nz9ttwiw", s);
    memset(id.b, 0xff, sizeof id.b);
    node_id_format(id, s);
    CHECK_STR("12D3KooWT3gYEvLJyx1FyyHqrmvdy1tMjpgxmu9aSeKMEuafQtyC", s);
}

TEST(node_id, refuses_what_is_not_exactly_an_ed25519_peer_id) {
    static const char *const bad[] = {
        "",
        "12D3KooW",
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",              /* SHA-256 multihash (RSA), from the spec */
        "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe", /* CID form, from the spec */
        "12D3KubARxXbZYNcQ2iogxe5RaZPNAM6hDFafiJZ5DLUqJWZsvwr",        /* secp256k1 in the key type */
        "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3p",         /* a digit short */
        "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pqq",       /* a digit more */
        "112D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq",       /* a zero byte more */
        "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3p0",        /* not base58 */
        " 2D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq",
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    };
    struct vl_node_id id = { { 7 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(VL_EPARSE, node_id_parse(bad[i], &id));
    CHECK_EQ(7, id.b[0]); /* untouched */
}

TEST(node_id, every_changed_character_gives_another_id_or_none) {
    struct vl_node_id want, got;
    CHECK_OK(node_id_parse(spec_id, &want));
    for (size_t i = 0; i < strlen(spec_id); i++) {
        char s[NODE_ID_TEXT];
        memcpy(s, spec_id, sizeof s);
        s[i] = s[i] == '2' ? '3' : '2';
        CHECK(node_id_parse(s, &got) != VL_OK || !vl_node_eq(want, got));
    }
}

TEST(job_id, is_32_lower_case_hex_digits) {
    struct vl_job_id id, back;
    char s[JOB_ID_TEXT];
    for (size_t i = 0; i < sizeof id.b; i++) id.b[i] = (uint8_t)(i * 17);
    job_id_format(id, s);
    CHECK_STR("00112233445566778899aabbccddeeff", s);
    CHECK_OK(job_id_parse(s, &back));
    CHECK(vl_job_eq(id, back));
    CHECK_EQ(VL_EPARSE, job_id_parse("00112233445566778899AABBCCDDEEFF", &back));
    CHECK_EQ(VL_EPARSE, job_id_parse("00112233445566778899aabbccddeef", &back));
    CHECK_EQ(VL_EPARSE, job_id_parse("00112233445566778899aabbccddeeff0", &back));
    CHECK_EQ(VL_EPARSE, job_id_parse("00112233445566778899aabbccddeefg", &back));
}

TEST(hash_text, is_64_lower_case_hex_digits) {
    struct vl_hash hash = { { 0xab, 0xcd } }, back;
    char s[HASH_TEXT];
    hash_format(hash, s);
    CHECK_EQ(64, strlen(s));
    CHECK_MEM("abcd0000", s, 8);
    CHECK_OK(hash_parse(s, &back));
    CHECK(vl_hash_eq(hash, back));
    s[0] = 'A';
    CHECK_EQ(VL_EPARSE, hash_parse(s, &back));
    CHECK_EQ(VL_EPARSE, hash_parse("", &back));
}
