#include "crypto/sealed.h"

#include "base/text.h"
#include "crypto/hash.h"

#include "check.h"

#include <string.h>

static const uint8_t key[SEALED_KEY] = { 1 }, other[SEALED_KEY] = { 2 }, nonce[SEALED_NONCE] = { 3 };
static const char secret[] = "what must not be read";

static struct sealed_head head(void) {
    return (struct sealed_head){ .kind = SEALED_DIRECT,
                                 .purpose = SEALED_NODE_KEYS,
                                 .owner = { 7, 7 },
                                 .params = vl_span_str("params"),
                                 .note = vl_span_str("note") };
}

static void write_file(struct vl_buf *b) {
    struct sealed_head h = head();
    vl_buf_init(b, SEALED_FILE_MAX);
    CHECK_OK(sealed_write(&h, key, nonce, vl_span_str(secret), b));
}

TEST(sealed, gives_back_what_was_sealed_under_the_same_key_only) {
    struct vl_buf b;
    struct sealed_head h;
    uint8_t got[SEALED_SECRET_MAX];
    size_t n = 99;
    write_file(&b);
    struct vl_span file = vl_span(b.p, b.len);
    CHECK(memmem(b.p, b.len, secret, 8) == NULL);
    CHECK_OK(sealed_look(file, &h));
    CHECK_EQ(SEALED_DIRECT, h.kind);
    CHECK(vl_span_eq(h.params, vl_span_str("params")) && vl_span_eq(h.note, vl_span_str("note")) && h.owner[1] == 7);
    CHECK_EQ(VL_ECRYPTO, sealed_open(file, other, got, sizeof got, &n));
    CHECK_EQ(VL_ELIMIT, sealed_open(file, key, got, strlen(secret) - 1, &n));
    CHECK_EQ(99, n);
    CHECK_OK(sealed_open(file, key, got, sizeof got, &n));
    CHECK_EQ(strlen(secret), n);
    CHECK_MEM(secret, got, n);
    vl_buf_free(&b);
}

/* Whoever changes a file can make its check sum again; what is bound to the secret is not theirs to make. */
static void sum_again(struct vl_buf *b);

TEST(sealed, notices_every_changed_bit_and_names_accidents) {
    struct vl_buf b;
    uint8_t got[SEALED_SECRET_MAX];
    size_t n = 0;
    write_file(&b);
    for (size_t i = 0; i < 8 * b.len; i++) {
        b.p[i / 8] ^= (uint8_t)(1 << i % 8);
        enum vl_err err = sealed_open(vl_span(b.p, b.len), key, got, sizeof got, &n);
        CHECK_EQ(i < 64 ? VL_EPARSE : i < 72 ? VL_EVERSION : VL_ECORRUPT, err);
        b.p[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < b.len; i++) CHECK(sealed_open(vl_span(b.p, i), key, got, sizeof got, &n) != VL_OK);
    CHECK_EQ(0, n);
    for (size_t i = 9; i + 16 < b.len; i++) { /* on purpose */
        b.p[i] ^= 0x40;
        sum_again(&b);
        CHECK(sealed_open(vl_span(b.p, b.len), key, got, sizeof got, &n) != VL_OK);
        b.p[i] ^= 0x40;
    }
    sum_again(&b);
    CHECK_OK(sealed_open(vl_span(b.p, b.len), key, got, sizeof got, &n));
    CHECK_OK(vl_buf_append(&b, "", 1));
    CHECK_EQ(VL_ECORRUPT, sealed_open(vl_span(b.p, b.len), key, got, sizeof got, &n));
    vl_buf_free(&b);
}

TEST(sealed, lets_no_file_ask_for_more_work_or_less_than_is_reasonable) {
    uint8_t bytes[SEALED_KDF_BYTES], out[SEALED_KEY];
    struct sealed_kdf kdf = { .passes = SEALED_PASSES, .memory_kib = SEALED_MEMORY, .salt = { 5 } }, got;
    sealed_kdf_put(&kdf, bytes);
    CHECK_OK(sealed_kdf_get(vl_span(bytes, sizeof bytes), &got));
    CHECK_MEM(&kdf, &got, sizeof kdf);
    CHECK_EQ(VL_EPARSE, sealed_kdf_get(vl_span(bytes, sizeof bytes - 1), &got));
    static const uint32_t bad[][2] = { { 0, SEALED_MEMORY },
                                       { SEALED_PASSES_MAX + 1, SEALED_MEMORY },
                                       { 3, SEALED_MEMORY_MIN - 1 },
                                       { 3, SEALED_MEMORY_MAX + 1 },
                                       { UINT32_MAX, UINT32_MAX } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        kdf.passes = bad[i][0];
        kdf.memory_kib = bad[i][1];
        sealed_kdf_put(&kdf, bytes);
        CHECK_EQ(VL_ELIMIT, sealed_kdf_get(vl_span(bytes, sizeof bytes), &got));
        CHECK_EQ(VL_ERANGE, sealed_kdf_run(&kdf, vl_span_str("p"), out));
    }
    kdf = (struct sealed_kdf){ .passes = 1, .memory_kib = SEALED_MEMORY_MIN };
    CHECK_EQ(VL_ERANGE, sealed_kdf_run(&kdf, vl_span_str(""), out));
}

TEST(sealed, stretches_each_passphrase_and_salt_to_a_key_of_its_own) {
    struct sealed_kdf kdf = { .passes = 1, .memory_kib = SEALED_MEMORY_MIN };
    uint8_t a[SEALED_KEY], b[SEALED_KEY];
    CHECK_OK(sealed_kdf_run(&kdf, vl_span_str("one"), a));
    CHECK_OK(sealed_kdf_run(&kdf, vl_span_str("one"), b));
    CHECK_MEM(a, b, sizeof a);
    CHECK_OK(sealed_kdf_run(&kdf, vl_span_str("onf"), b));
    CHECK(memcmp(a, b, sizeof a) != 0);
    kdf.salt[15] = 1;
    CHECK_OK(sealed_kdf_run(&kdf, vl_span_str("one"), b));
    CHECK(memcmp(a, b, sizeof a) != 0);
    kdf.salt[15] = 0;
    kdf.passes = 2;
    CHECK_OK(sealed_kdf_run(&kdf, vl_span_str("one"), b));
    CHECK(memcmp(a, b, sizeof a) != 0);
}

/* Files that exist must open: contexts, layout and cipher never change under version 1. */
TEST(sealed, writes_version_1_byte_for_byte) {
    struct vl_buf b;
    struct vl_hash h;
    char text[65];
    write_file(&b);
    crypto_blake2b256(vl_span(b.p, b.len), &h);
    vl_hex_encode(h.b, sizeof h.b, text);
    CHECK_STR("47865ba7cf30f6b8629fc3af61216ecbfc703d55dfb1c2ddd63e81175c43b6d4", text);
    vl_buf_free(&b);
}

static void sum_again(struct vl_buf *b) {
    crypto_blake2b_keyed(vl_span(b->p, b->len - 16), (struct vl_span){ 0 }, "village-seal-sum", b->p + b->len - 16, 16);
}
