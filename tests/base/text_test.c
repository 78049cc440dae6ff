#include "base/text.h"

#include "check.h"

#include <string.h>

TEST(hex, decodes_only_exact_lengths_and_digits) {
    uint8_t b[2] = { 9, 9 };
    CHECK_EQ(VL_EPARSE, vl_hex_decode("0a", b, 2));
    CHECK_EQ(VL_EPARSE, vl_hex_decode("0a0g", b, 2));
    CHECK_EQ(9, b[0]);
    CHECK_OK(vl_hex_decode("0aFf", b, 2));
    CHECK_EQ(0xff, b[1]);
}

TEST(base32, matches_rfc4648_section_10_without_padding) {
    static const char *const plain[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar" };
    static const char *const text[] = { "", "my", "mzxq", "mzxw6", "mzxw6yq", "mzxw6ytb", "mzxw6ytboi" };
    for (size_t i = 0; i < 7; i++) {
        char s[32];
        uint8_t b[16];
        size_t n = 99;
        vl_base32_encode(plain[i], strlen(plain[i]), s);
        CHECK_STR(text[i], s);
        CHECK_EQ(strlen(s), vl_base32_len(strlen(plain[i])));
        CHECK_OK(vl_base32_decode(s, b, sizeof b, &n));
        CHECK_EQ(strlen(plain[i]), n);
        CHECK_MEM(plain[i], b, n);
    }
}

TEST(base32, refuses_spare_bits_foreign_characters_and_overflow) {
    uint8_t b[2];
    size_t n = 0;
    CHECK_EQ(VL_EPARSE, vl_base32_decode("mz", b, sizeof b, &n)); /* a set spare bit */
    CHECK_EQ(VL_EPARSE, vl_base32_decode("m", b, sizeof b, &n));
    CHECK_EQ(VL_EPARSE, vl_base32_decode("m1", b, sizeof b, &n));
    CHECK_EQ(VL_ELIMIT, vl_base32_decode("mzxw6", b, sizeof b, &n));
}

TEST(base58, matches_the_published_bitcoin_vectors) {
    /* github bitcoin base58_encode_decode.json, and draft-msporny-base58 section 5 */
    char s[64];
    uint8_t b[32];
    size_t n = 0;
    CHECK_OK(vl_base58_encode("Hello World!", 12, s, sizeof s));
    CHECK_STR("2NEpo7TZRRrLZSi2U", s);
    CHECK_OK(vl_base58_encode("\0\0\x28\x7f\xb4\xcd", 6, s, sizeof s));
    CHECK_STR("11233QC4", s);
    CHECK_OK(vl_base58_decode("11233QC4", b, sizeof b, &n));
    CHECK_EQ(6, n);
    CHECK_MEM("\0\0\x28\x7f\xb4\xcd", b, 6);
    CHECK_EQ(VL_EPARSE, vl_base58_decode("0OIl", b, sizeof b, &n));
    CHECK_EQ(VL_ELIMIT, vl_base58_decode("2NEpo7TZRRrLZSi2U", b, 11, &n));
    CHECK_EQ(VL_ELIMIT, vl_base58_encode("Hello World!", 12, s, 17));
    CHECK_OK(vl_base58_encode("Hello World!", 12, s, 18));
}
