#include "crypto/hctr2_priv.h"

#include "crypto/hctr2_x86.h"

#define TARGET __attribute__((target("aes,pclmul,sse4.1")))
#define WIDE 8 /* blocks at once: hides the latency of AESENC and spares 7 of 8 reductions */

struct state {
    __m128i round[X86_ROUNDS + 1];
    __m128i power[WIDE]; /* hbar^WIDE first, hbar last */
};
_Static_assert(sizeof(struct state) <= HCTR2_STATE, "room for the state");

TARGET static void set_powers(struct state *s, __m128i hbar) {
    __m128i power = hbar;
    s->power[WIDE - 1] = power;
    CRYPTO_UNROLL
    for (int i = WIDE - 2; i >= 0; i--) s->power[i] = power = x86_multiply(power, hbar);
}

TARGET static void setup(void *state, const uint8_t key[32], uint8_t l[16]) {
    struct state *s = state;
    x86_expand(key, s->round);
    x86_store(l, x86_encrypt(s->round, _mm_set_epi64x(0, 1)));
    set_powers(s, x86_encrypt(s->round, _mm_setzero_si128()));
}

TARGET static void hash_key(void *state, const uint8_t hbar[16]) { set_powers(state, x86_load(hbar)); }

TARGET static void encrypt(const void *state, const uint8_t src[16], uint8_t dst[16]) {
    x86_store(dst, x86_encrypt(((const struct state *)state)->round, x86_load(src)));
}

TARGET static void decrypt(const void *state, const uint8_t src[16], uint8_t dst[16]) {
    x86_store(dst, x86_decrypt(((const struct state *)state)->round, x86_load(src)));
}

TARGET static void polyval(const void *state, uint8_t acc[16], const uint8_t *data, size_t blocks) {
    const struct state *s = state;
    __m128i sum = x86_load(acc);
    for (; blocks >= WIDE; blocks -= WIDE, data += 16 * WIDE) {
        struct x86_product p = { 0 };
        CRYPTO_UNROLL
        for (int i = WIDE - 1; i > 0; i--) p = x86_multiply_add(p, x86_load(data + 16 * i), s->power[i]);
        p = x86_multiply_add(p, _mm_xor_si128(sum, x86_load(data)), s->power[0]); /* what comes last, last */
        sum = x86_reduce(p);
    }
    if (blocks > 0) {
        const __m128i *power = s->power + WIDE - blocks; /* hbar^blocks: the sum so far goes with the first block */
        struct x86_product p =
            x86_multiply_add((struct x86_product){ 0 }, _mm_xor_si128(sum, x86_load(data)), power[0]);
        for (size_t i = 1; i < blocks; i++) p = x86_multiply_add(p, x86_load(data + 16 * i), power[i]);
        sum = x86_reduce(p);
    }
    x86_store(acc, sum);
}

/* The key stream of WIDE blocks; the counters continue from *counter. */
TARGET static inline void stream(const struct state *s, __m128i iv, __m128i *counter, __m128i x[WIDE]) {
    CRYPTO_UNROLL
    for (int i = 0; i < WIDE; i++) {
        *counter = _mm_add_epi64(*counter, _mm_set_epi64x(0, 1));
        x[i] = _mm_xor_si128(_mm_xor_si128(iv, *counter), s->round[0]);
    }
    for (int r = 1; r < X86_ROUNDS; r++) CRYPTO_UNROLL
    for (int i = 0; i < WIDE; i++) x[i] = _mm_aesenc_si128(x[i], s->round[r]);
    CRYPTO_UNROLL
    for (int i = 0; i < WIDE; i++) x[i] = _mm_aesenclast_si128(x[i], s->round[X86_ROUNDS]);
}

TARGET static void xctr(const void *state, const uint8_t iv[16], const uint8_t *src, size_t n, uint8_t *dst) {
    __m128i x[WIDE], counter = _mm_setzero_si128(), start = x86_load(iv);
    for (; n >= sizeof x; n -= sizeof x, src += sizeof x, dst += sizeof x) {
        stream(state, start, &counter, x);
        CRYPTO_UNROLL
        for (int i = 0; i < WIDE; i++) x86_store(dst + 16 * i, _mm_xor_si128(x[i], x86_load(src + 16 * i)));
    }
    if (n == 0) return;
    stream(state, start, &counter, x);
    const uint8_t *rest = (const uint8_t *)x;
    for (size_t i = 0; i < n; i++) dst[i] = src[i] ^ rest[i];
}

const struct hctr2_ops hctr2_aesni = {
    .state = sizeof(struct state),
    .setup = setup,
    .hash_key = hash_key,
    .encrypt = encrypt,
    .decrypt = decrypt,
    .polyval = polyval,
    .xctr = xctr,
};
