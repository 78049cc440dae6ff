#include "crypto/stream.h"

#include "base/text.h"
#include "crypto/random.h"
#include "crypto/stream_priv.h"

#include "check.h"

#include <string.h>

static void check_hex(const char *want, const uint8_t *got) {
    uint8_t raw[64];
    size_t n = strlen(want) / 2;
    CHECK_OK(vl_hex_decode(want, raw, n));
    CHECK_MEM(raw, got, n);
}

TEST(stream, chacha20_agrees_with_rfc_8439_appendix_a1) {
    uint8_t key[32] = { 0 }, out[128];
    CHECK_OK(crypto_init());
    crypto_chacha20(key, out, sizeof out); /* test vectors 1 and 2: counters 0 and 1 */
    check_hex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
              "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
              out);
    check_hex("9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed", out + 64);
}

TEST(stream, xor_is_its_own_inverse_at_every_length_and_in_place) {
    uint8_t key[32] = { 9 }, stream[200], data[200], out[200];
    CHECK_OK(crypto_init());
    crypto_chacha20(key, stream, sizeof stream);
    for (size_t n = 0; n <= sizeof data; n++) {
        for (size_t i = 0; i < n; i++) data[i] = (uint8_t)(i * 3);
        crypto_chacha20_xor(key, data, n, out);
        for (size_t i = 0; i < n; i++) CHECK_EQ(data[i] ^ stream[i], out[i]);
        crypto_chacha20_xor(key, out, n, out);
        CHECK_MEM(data, out, n);
    }
}

TEST(stream, poly1305_agrees_with_rfc_8439_section_2_5_2) {
    uint8_t key[32], tag[16];
    CHECK_OK(vl_hex_decode("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b", key, 32));
    crypto_poly1305(key, vl_span_str("Cryptographic Forum Research Group"), tag);
    check_hex("a8061dc1305136c6c22b8baf0c0127a9", tag);
}

static void check_many(void) {
    enum { KEYS = 35, LEN = 448 };
    static uint8_t key[KEYS][32], room[KEYS + 1][LEN + 64], want[LEN];
    uint8_t *dst[KEYS];
    for (size_t i = 0; i < sizeof key; i++) key[i / 32][i % 32] = (uint8_t)(i * i + 7 * i);
    for (size_t i = 0; i < KEYS; i++) dst[i] = room[i] + i % 3; /* at odd addresses too */
    for (size_t n = 0; n <= KEYS; n++) {
        for (size_t len = 0; len <= LEN; len += 64) {
            memset(room, 0xaa, sizeof room);
            crypto_chacha20_many((const uint8_t(*)[32])key, n, dst, len);
            for (size_t i = 0; i < KEYS; i++) {
                size_t written = i < n ? len : 0;
                crypto_chacha20(key[i], want, written);
                CHECK_MEM(want, dst[i], written);
                for (size_t k = written; k < LEN + 60; k++) CHECK_EQ(0xaa, dst[i][k]);
            }
        }
    }
}

TEST(stream, many_streams_are_those_of_their_keys_with_and_without_vectors) {
    struct crypto_cpu real = crypto_cpu_detect(), plain = { 0 };
    CHECK_OK(crypto_init());
    check_many();
    stream_choose(&plain);
    check_many();
    stream_choose(&real);
}
