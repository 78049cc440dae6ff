/* Descriptors and charters: as they come, and signed for whatever they say, so that the fields behind the signature are
 * reached.  What is decoded encodes to the same bytes. */
#include "directory_help.h"

#include <stdlib.h>
#include <string.h>

static struct crypto_sign_key key;

static void same(const struct vl_buf *b, struct vl_span in) {
    if (b->len != in.n || memcmp(b->p, in.p, in.n) != 0) abort();
}

static void descriptor(struct vl_span in) {
    struct mix_descriptor d;
    struct vl_buf b;
    if (mix_descriptor_decode(in, &d) != VL_OK) return;
    vl_buf_init(&b, 1024);
    if (mix_descriptor_encode(&d, &b) != VL_OK) abort();
    same(&b, in);
    if ((d.roles & MIX_ROLES_RELAY) && d.proof_epoch != 0 && d.epoch - d.proof_epoch < MIX_PROOF_AGE) abort();
    (void)mix_subnet(d.addr);
    vl_buf_free(&b);
}

static void charter(struct vl_span in) {
    struct mix_charter c;
    struct vl_buf b;
    if (mix_charter_decode(in, key.public, &c) != VL_OK) return;
    vl_buf_init(&b, 4096);
    if (mix_charter_encode(&c, &b) != VL_OK) abort();
    same(&b, in);
    for (int i = 0; i < c.n; i++)
        if (mix_charter_find(&c, c.authority[i].node) != i) abort();
    uint64_t epoch = mix_epoch_at(&c, UINT64_MAX);
    if (mix_epoch_at(&c, mix_epoch_start(&c, epoch)) != epoch) abort();
    vl_buf_free(&b);
}

/* in || signature; the key stands at byte 2 of both documents. */
static void resign(struct vl_span in, const char *context, void (*use)(struct vl_span)) {
    uint8_t *whole = malloc(in.n + CRYPTO_SIGNATURE);
    if (whole == NULL || in.n < 34) {
        free(whole);
        return;
    }
    memcpy(whole, in.p, in.n);
    memcpy(whole + 2, key.public, 32);
    if (crypto_sign_message(&key, context, vl_span(whole, in.n), whole + in.n) == VL_OK)
        use(vl_span(whole, in.n + CRYPTO_SIGNATURE));
    free(whole);
}

/* A good document with bytes changed: u16 place, value. */
static void edited(const uint8_t *p, size_t n, const struct vl_buf *good, const char *context,
                   void (*use)(struct vl_span)) {
    uint8_t copy[1024];
    memcpy(copy, good->p, good->len);
    for (size_t i = 0; i + 3 <= n; i += 3) copy[vl_get_u16(p + i) % good->len] = p[i + 2];
    resign(vl_span(copy, good->len - CRYPTO_SIGNATURE), context, use);
}

static void edits(const uint8_t *p, size_t n) {
    static struct vl_buf relay, client, village;
    if (relay.len == 0) {
        struct mix_charter c;
        struct crypto_sign_key keys[MIX_AUTHORITIES_MAX], root;
        struct mix_descriptor r = help_relay(1, 300), k = help_client(1, 300, 1);
        help_charter(3, 2, MIX_EPOCH_MS, &c, keys, &root);
        vl_buf_init(&relay, 1024);
        vl_buf_init(&client, 1024);
        vl_buf_init(&village, 1024);
        if (mix_descriptor_encode(&r, &relay) != VL_OK || mix_descriptor_encode(&k, &client) != VL_OK ||
            mix_charter_encode(&c, &village) != VL_OK)
            abort();
    }
    edited(p, n, &relay, "village-mix-descriptor-1:", descriptor);
    edited(p, n, &client, "village-mix-descriptor-1:", descriptor);
    edited(p, n, &village, "village-mix-charter-1:", charter);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static char addr[VL_ADDR_MAX];
    if (key.public[0] == 0) key = help_key(1);
    descriptor(vl_span(p, n));
    charter(vl_span(p, n));
    resign(vl_span(p, n), "village-mix-descriptor-1:", descriptor);
    resign(vl_span(p, n), "village-mix-charter-1:", charter);
    edits(p, n);
    memcpy(addr, p, n < sizeof addr - 1 ? n : sizeof addr - 1);
    addr[n < sizeof addr - 1 ? n : sizeof addr - 1] = '\0';
    (void)mix_subnet(addr);
    return 0;
}
