#include "crypto/hctr2.h"

#include "crypto/hctr2_priv.h"
#include "crypto/random.h"

#include <assert.h>
#include <string.h>

/* Indexed by the number of the implementation, as far as this processor can; written by crypto_init() alone. */
static const struct hctr2_ops *available[CRYPTO_HCTR2_VAES + 1] = { [CRYPTO_HCTR2_PORTABLE] = &hctr2_portable };
static enum crypto_hctr2_impl chosen = CRYPTO_HCTR2_PORTABLE;

void hctr2_choose(const struct crypto_cpu *cpu) {
    chosen = CRYPTO_HCTR2_PORTABLE;
    available[CRYPTO_HCTR2_AESNI] = available[CRYPTO_HCTR2_VAES] = NULL;
#if defined(__x86_64__)
    if (cpu->aes) available[chosen = CRYPTO_HCTR2_AESNI] = &hctr2_aesni;
    if (cpu->aes && cpu->vaes && cpu->avx512) available[chosen = CRYPTO_HCTR2_VAES] = &hctr2_vaes;
#else
    (void)cpu;
#endif
}

enum crypto_hctr2_impl crypto_hctr2_chosen(void) { return chosen; }

const struct hctr2_ops *hctr2_ops_of(enum crypto_hctr2_impl impl) {
    return impl <= CRYPTO_HCTR2_VAES ? available[impl] : NULL;
}

bool crypto_hctr2_available(enum crypto_hctr2_impl impl) { return hctr2_ops_of(impl) != NULL; }

/* Bytes that need not fill a block, padded by `end` (0 or 1) and zeros. */
static void hash_padded(const struct hctr2_ops *ops, const void *state, struct vl_span data, uint8_t end,
                        uint8_t acc[16]) {
    size_t whole = data.n / 16, rest = data.n % 16;
    if (whole > 0) ops->polyval(state, acc, data.p, whole);
    if (rest == 0) return;
    uint8_t last[16] = { 0 };
    memcpy(last, data.p + 16 * whole, rest);
    last[rest] = end;
    ops->polyval(state, acc, last, 1);
    crypto_wipe(last, sizeof last);
}

static void xor16(uint8_t dst[16], const uint8_t a[16], const uint8_t b[16]) {
    for (int i = 0; i < 16; i++) dst[i] = a[i] ^ b[i];
}

/* Both directions are one (section 3 of the paper): hash the tail into the first block, take it through the block
 * cipher, stream over the tail from what went in and came out, hash the new tail. */
static void crypt(const struct hctr2_ops *ops, bool encrypt, const uint8_t key[CRYPTO_HCTR2_KEY], struct vl_span tweak,
                  const uint8_t *src, size_t n, uint8_t *dst) {
    assert(n >= CRYPTO_HCTR2_MIN);
    _Alignas(64) uint8_t state[HCTR2_STATE];
    uint8_t l[16], begun[16] = { 0 }, sum[16], in[16], out[16];
    size_t tail = n - 16;
    ops->setup(state, key, l);
    /* both hashes begin with the same blocks: the length of the tweak in bits with the kind of padding, the tweak */
    uint64_t head = 16 * (uint64_t)tweak.n + (tail % 16 == 0 ? 2 : 3);
    for (int i = 0; i < 8; i++) sum[i] = (uint8_t)(head >> 8 * i);
    memset(sum + 8, 0, 8);
    ops->polyval(state, begun, sum, 1);
    hash_padded(ops, state, tweak, 0, begun);

    memcpy(sum, begun, 16);
    hash_padded(ops, state, vl_span(src + 16, tail), 1, sum);
    xor16(in, src, sum);
    (encrypt ? ops->encrypt : ops->decrypt)(state, in, out);
    xor16(l, l, in);
    xor16(l, l, out);
    ops->xctr(state, l, src + 16, tail, dst + 16);
    hash_padded(ops, state, vl_span(dst + 16, tail), 1, begun);
    xor16(dst, out, begun);

    crypto_wipe(state, ops->state);
    uint8_t *const secrets[] = { l, begun, sum, in, out };
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) crypto_wipe(secrets[i], 16);
}

void crypto_hctr2_encrypt(const uint8_t key[CRYPTO_HCTR2_KEY], struct vl_span tweak, const uint8_t *src, size_t n,
                          uint8_t *dst) {
    crypt(available[chosen], true, key, tweak, src, n, dst);
}

void crypto_hctr2_decrypt(const uint8_t key[CRYPTO_HCTR2_KEY], struct vl_span tweak, const uint8_t *src, size_t n,
                          uint8_t *dst) {
    crypt(available[chosen], false, key, tweak, src, n, dst);
}

void crypto_hctr2_with(enum crypto_hctr2_impl impl, bool encrypt, const uint8_t key[CRYPTO_HCTR2_KEY],
                       struct vl_span tweak, const uint8_t *src, size_t n, uint8_t *dst) {
    const struct hctr2_ops *ops = hctr2_ops_of(impl);
    assert(ops != NULL);
    crypt(ops, encrypt, key, tweak, src, n, dst);
}
