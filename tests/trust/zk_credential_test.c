#include "trust/zk_credential.h"

#include "crypto/random.h"
#include "trust/zk_proof.h"

#include "check.h"

#include <string.h>

static struct crypto_sign_key issuer;
static const uint8_t blind[2][32] = { { 1 }, { 2 } };

static struct zk_credential unsigned_one(void) {
    struct zk_credential c = { .from_ms = 1000, .until_ms = 2000, .about = "sla", .n = 2 };
    strcpy(c.attr[0].name, "total");
    strcpy(c.attr[1].name, "uptime");
    c.attr[0].bits = c.attr[1].bits = 32;
    return c;
}

static struct zk_credential issued(void) {
    struct zk_credential c = unsigned_one();
    CHECK_OK(crypto_init());
    crypto_sign_key_from_seed((const uint8_t[32]){ 7 }, &issuer);
    struct zk_gens *g = zk_gens_create(64, 1);
    CHECK_OK(zk_credential_issue(&c, &issuer, g, (const uint64_t[]){ 10000, 9990 }, blind));
    zk_gens_destroy(g);
    return c;
}

static struct vl_buf bytes_of(const struct zk_credential *c) {
    struct vl_buf b;
    vl_buf_init(&b, ZK_CREDENTIAL_MAX);
    CHECK_OK(zk_credential_write(c, &b));
    return b;
}

TEST(zk_credential, is_valid_between_its_times_and_only_as_signed) {
    struct zk_credential c = issued();
    CHECK_EQ(VL_EAGAIN, zk_credential_check(&c, 999));
    CHECK_OK(zk_credential_check(&c, 1000));
    CHECK_OK(zk_credential_check(&c, 1999));
    CHECK_EQ(VL_EEXPIRED, zk_credential_check(&c, 2000));
    struct zk_credential bad[8];
    for (unsigned i = 0; i < 8; i++) bad[i] = c;
    bad[0].issuer.b[0] ^= 1;
    bad[1].holder.b[0] ^= 1;
    bad[2].until_ms++;
    bad[3].from_ms--;
    strcpy(bad[4].about, "slb");
    bad[5].attr[1].bits = 31;
    strcpy(bad[6].attr[1].name, "uptimf");
    bad[7].attr[0].commitment[3] ^= 1;
    for (unsigned i = 0; i < 8; i++) CHECK_EQ(VL_ECRYPTO, zk_credential_check(&bad[i], 1500));
}

TEST(zk_credential, has_one_encoding) {
    struct zk_credential c = issued(), again;
    struct vl_buf b = bytes_of(&c);
    CHECK_OK(zk_credential_read(vl_span(b.p, b.len), &again));
    struct vl_buf twice = bytes_of(&again);
    CHECK(vl_span_eq(vl_span(b.p, b.len), vl_span(twice.p, twice.len)));
    for (size_t n = 0; n < b.len; n++) CHECK(zk_credential_read(vl_span(b.p, n), &again) != VL_OK);
    /* what is read back is what was changed, so that the signature sees it; what cannot be read back is refused */
    for (size_t at = 0; at < b.len; at++) {
        b.p[at] ^= 1;
        if (zk_credential_read(vl_span(b.p, b.len), &again) == VL_OK) CHECK_EQ(VL_ECRYPTO, zk_credential_check(&again, 1500));
        b.p[at] ^= 1;
    }
    vl_buf_free(&b);
    vl_buf_free(&twice);
}

TEST(zk_credential, refuses_what_says_nothing_or_too_much) {
    struct zk_credential c, base = unsigned_one();
    struct zk_gens *g = zk_gens_create(64, 1);
    const uint64_t value[2] = { 1, 2 }, wide[2] = { 1ull << 32, 2 };
    CHECK_OK(crypto_init());
    crypto_sign_key_from_seed((const uint8_t[32]){ 7 }, &issuer);
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        c = base;                                                                                                      \
        change;                                                                                                        \
        CHECK_EQ(VL_ERANGE, zk_credential_issue(&c, &issuer, g, value, blind));                                        \
    } while (0)
    REFUSED(c.n = 0);
    REFUSED(c.n = ZK_ATTRS_MAX + 1);
    REFUSED(c.until_ms = c.from_ms);
    REFUSED(c.until_ms = 1ull << 63);
    REFUSED(strcpy(c.attr[0].name, "uptime"));
    REFUSED(strcpy(c.attr[0].name, "zzz"));
    REFUSED(strcpy(c.attr[0].name, "to tal"));
    REFUSED(strcpy(c.attr[0].name, "0"));
    REFUSED(c.attr[0].name[0] = '\0');
    REFUSED(c.attr[0].bits = 0);
    REFUSED(c.attr[0].bits = 65);
    REFUSED(c.about[0] = 0x1f);
    REFUSED(c.about[0] = 0x7f);
    c = base;
    strcpy(c.about, " ~");
    CHECK_EQ(VL_ERANGE, zk_credential_issue(&c, &issuer, g, wide, blind));
    CHECK_OK(zk_credential_issue(&c, &issuer, g, value, blind));
    CHECK(!zk_credential_held(&c));
    CHECK_EQ(1, zk_credential_find(&c, "uptime"));
    CHECK_EQ(-1, zk_credential_find(&c, "uptim"));
    zk_gens_destroy(g);
}
