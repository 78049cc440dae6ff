/* Credentials: any bytes are read or refused; what is read is written back as it was; none but the one that was signed
 * passes. */
#include "crypto/random.h"
#include "trust/zk_credential.h"

#include <stdlib.h>
#include <string.h>

static void check(struct vl_span in, struct vl_span good) {
    struct zk_credential c;
    struct vl_buf out;
    if (zk_credential_read(in, &c) != VL_OK) return;
    vl_buf_init(&out, ZK_CREDENTIAL_MAX);
    if (zk_credential_write(&c, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len))) abort();
    if (zk_credential_check(&c, 1500) == VL_OK && !vl_span_eq(in, good)) abort();
    vl_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static struct vl_buf good;
    if (good.len == 0) {
        struct zk_credential c = { .from_ms = 1000, .until_ms = 2000, .about = "x", .n = 2 };
        struct crypto_sign_key key;
        struct zk_gens *g = zk_gens_create(16, 1);
        if (crypto_init() != VL_OK || g == NULL) abort();
        c.attr[0].name[0] = 'a';
        c.attr[1].name[0] = 'b';
        c.attr[0].bits = c.attr[1].bits = 8;
        crypto_sign_key_from_seed((const uint8_t[32]){ 1 }, &key);
        vl_buf_init(&good, ZK_CREDENTIAL_MAX);
        if (zk_credential_issue(&c, &key, g, (const uint64_t[]){ 1, 2 }, (const uint8_t[2][32]){ { 1 }, { 2 } }) != VL_OK || zk_credential_write(&c, &good) != VL_OK)
            abort();
        zk_gens_destroy(g);
    }
    check(vl_span(p, n), vl_span(good.p, good.len));
    uint8_t near[ZK_CREDENTIAL_MAX];
    if (n < 3) return 0;
    memcpy(near, good.p, good.len);
    size_t at = vl_get_u16(p) % good.len;
    for (size_t i = 2; i < n && at + i - 2 < good.len; i++) near[at + i - 2] = p[i];
    check(vl_span(near, good.len), vl_span(good.p, good.len));
    return 0;
}
