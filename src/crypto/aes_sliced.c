#include "crypto/aes_sliced.h"

#include "crypto/cpu.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "row r of a column is bits 8r to 8r+7 of its lane");

/* --- the S-box: an inversion in GF(2^8), taken down a tower of fields until it is AND and XOR of planes ---
 *   GF(4)   = GF(2)[w]/(w^2 + w + 1)
 *   GF(16)  = GF(4)[z]/(z^2 + z + w)
 *   GF(256) = GF(16)[v]/(v^2 + v + nu) with nu = wz + 1
 * An element is its high and its low coefficient; the planes from 7 to 0 are those of wzv, zv, wv, v, wz, z, w and 1.
 * The isomorphism takes the x of AES's field to zv + wv + wz + w + 1.  Of all nu and all roots of AES's polynomial this
 * pair has the maps with the fewest terms. */
struct f4 {
    aes_plane h, l;
};
struct f16 {
    struct f4 h, l;
};

static inline struct f4 f4_add(struct f4 a, struct f4 b) { return (struct f4){ a.h ^ b.h, a.l ^ b.l }; }
static inline struct f4 f4_mul(struct f4 a, struct f4 b) {
    aes_plane hh = a.h & b.h, ll = a.l & b.l, cross = (a.h ^ a.l) & (b.h ^ b.l);
    return (struct f4){ cross ^ ll, ll ^ hh };
}
static inline struct f4 f4_square(struct f4 a) { return (struct f4){ a.h, a.h ^ a.l }; } /* and the inverse */
static inline struct f4 f4_w(struct f4 a) { return (struct f4){ a.h ^ a.l, a.h }; }      /* w a */
static inline struct f4 f4_w_square(struct f4 a) { return (struct f4){ a.l, a.h }; }     /* w a^2 */

static inline struct f16 f16_add(struct f16 a, struct f16 b) {
    return (struct f16){ f4_add(a.h, b.h), f4_add(a.l, b.l) };
}
static inline struct f16 f16_mul(struct f16 a, struct f16 b) {
    struct f4 hh = f4_mul(a.h, b.h), ll = f4_mul(a.l, b.l), cross = f4_mul(f4_add(a.h, a.l), f4_add(b.h, b.l));
    return (struct f16){ f4_add(cross, ll), f4_add(ll, f4_w(hh)) };
}
static inline struct f16 f16_square(struct f16 a) {
    struct f4 l = f4_square(a.l);
    return (struct f16){ f4_square(a.h), f4_add(l, f4_w_square(a.h)) };
}
/* nu a^2 */
static inline struct f16 f16_nu_square(struct f16 a) {
    aes_plane hl = a.h.h ^ a.l.h;
    return (struct f16){ { a.l.l, a.l.h }, { hl, hl ^ a.h.l ^ a.l.l } };
}
/* (h z + l)^-1 = (h z + h + l) / (w h^2 + h l + l^2); 0 goes to 0, as AES wants. */
static inline struct f16 f16_inverse(struct f16 a) {
    struct f4 norm = f4_add(f4_add(f4_w_square(a.h), f4_square(a.l)), f4_mul(a.h, a.l)), inv = f4_square(norm);
    return (struct f16){ f4_mul(a.h, inv), f4_mul(f4_add(a.h, a.l), inv) };
}

static inline void f256_inverse(aes_plane x[8]) {
    struct f16 h = { { x[7], x[6] }, { x[5], x[4] } }, l = { { x[3], x[2] }, { x[1], x[0] } }, sum = f16_add(h, l);
    struct f16 inv = f16_inverse(f16_add(f16_add(f16_nu_square(h), f16_square(l)), f16_mul(h, l)));
    h = f16_mul(h, inv);
    l = f16_mul(sum, inv);
    x[7] = h.h.h, x[6] = h.h.l, x[5] = h.l.h, x[4] = h.l.l;
    x[3] = l.h.h, x[2] = l.h.l, x[1] = l.l.h, x[0] = l.l.l;
}

static inline void sub_bytes(aes_plane s[8]) {
    aes_plane a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    aes_plane bg = b ^ g, cd = c ^ d, gh = g ^ h, eg = e ^ g;
    aes_plane x[8] = { a ^ b ^ cd ^ h, b ^ d, d ^ eg, bg ^ c ^ h, cd ^ e ^ gh, bg ^ e ^ h, bg ^ cd ^ e ^ f, f ^ h };
    f256_inverse(x);
    /* back, with the affine map of the S-box in the same step; its constant is 0x63 */
    aes_plane ad = x[0] ^ x[3], ch = x[2] ^ x[7];
    s[0] = ~(x[0] ^ x[6]);
    s[1] = ~(ad ^ x[1] ^ x[7]);
    s[2] = ad ^ x[1] ^ x[2] ^ x[4];
    s[3] = x[0];
    s[4] = ad ^ x[2] ^ x[4] ^ x[5];
    s[5] = ~(ch ^ x[3]);
    s[6] = ~(x[4] ^ x[7]);
    s[7] = ch;
}

static inline void inv_sub_bytes(aes_plane s[8]) {
    aes_plane a = ~s[0], b = ~s[1], c = s[2], d = s[3], e = s[4], f = ~s[5], g = ~s[6], h = s[7];
    aes_plane cg = c ^ g, df = d ^ f, bh = b ^ h;
    aes_plane x[8] = { d, cg ^ df, b ^ cg, f ^ h, bh ^ c, df ^ e ^ g, a ^ d, bh ^ cg };
    f256_inverse(x);
    aes_plane be = x[1] ^ x[4], gh = x[6] ^ x[7], bf = x[1] ^ x[5] ^ x[2];
    s[0] = x[0] ^ x[2] ^ be;
    s[1] = x[4] ^ gh;
    s[2] = be ^ x[5];
    s[3] = be ^ gh;
    s[4] = be ^ x[3];
    s[5] = bf ^ x[7];
    s[6] = x[2] ^ x[3] ^ gh;
    s[7] = bf;
}

/* --- the linear layers --- */
#define LANES(x, a, b, c, d) __builtin_shufflevector(x, x, a, b, c, d)
#define ROW(r) (0xffu << (8 * (r)))

/* Row r of column c comes from column c + r. */
static inline aes_plane shift_rows(aes_plane x) {
    return (x & ROW(0)) | (LANES(x, 1, 2, 3, 0) & ROW(1)) | (LANES(x, 2, 3, 0, 1) & ROW(2)) |
           (LANES(x, 3, 0, 1, 2) & ROW(3));
}
static inline aes_plane inv_shift_rows(aes_plane x) {
    return (x & ROW(0)) | (LANES(x, 3, 0, 1, 2) & ROW(1)) | (LANES(x, 2, 3, 0, 1) & ROW(2)) |
           (LANES(x, 1, 2, 3, 0) & ROW(3));
}

/* Row r from row r + 1, and from row r + 2. */
static inline aes_plane up1(aes_plane x) { return x >> 8 | x << 24; }
static inline aes_plane up2(aes_plane x) { return x >> 16 | x << 16; }

/* Times x in the field of AES: x^8 = x^4 + x^3 + x + 1. */
static inline void times_x(aes_plane t[8]) {
    aes_plane top = t[7];
    CRYPTO_UNROLL
    for (int b = 7; b > 0; b--) t[b] = t[b - 1];
    t[0] = top;
    t[1] ^= top;
    t[3] ^= top;
    t[4] ^= top;
}

/* Row r becomes 2 a_r + 3 a_{r+1} + a_{r+2} + a_{r+3} = 2 (a_r + a_{r+1}) + a_{r+1} + up2(a_r + a_{r+1}). */
static inline void mix_columns(aes_plane s[8]) {
    aes_plane twice[8];
    CRYPTO_UNROLL
    for (int b = 0; b < 8; b++) {
        aes_plane next = up1(s[b]);
        twice[b] = s[b] ^ next;
        s[b] = next ^ up2(twice[b]);
    }
    times_x(twice);
    CRYPTO_UNROLL
    for (int b = 0; b < 8; b++) s[b] ^= twice[b];
}
/* The matrix of InvMixColumns is that of MixColumns times the one that adds 4 (a_r + a_{r+2}) to a_r. */
static inline void inv_mix_columns(aes_plane s[8]) {
    aes_plane four[8];
    CRYPTO_UNROLL
    for (int b = 0; b < 8; b++) four[b] = s[b] ^ up2(s[b]);
    times_x(four);
    times_x(four);
    CRYPTO_UNROLL
    for (int b = 0; b < 8; b++) s[b] ^= four[b];
    mix_columns(s);
}

static inline void add_round_key(aes_plane s[8], const aes_plane key[8]) {
    CRYPTO_UNROLL
    for (int b = 0; b < 8; b++) s[b] ^= key[b];
}

/* --- eight blocks to eight planes and back: the transposition of 8 x 8 bits in each byte column, its own inverse ---
 */
#define SWAP(a, b, shift, mask)                                                                                        \
    do {                                                                                                               \
        aes_plane moved = ((a) >> (shift) ^ (b)) & (mask);                                                             \
        (b) ^= moved;                                                                                                  \
        (a) ^= moved << (shift);                                                                                       \
    } while (0)

static inline void transpose(aes_plane x[8]) {
    CRYPTO_UNROLL
    for (int i = 0; i < 4; i++) SWAP(x[i], x[i + 4], 4, 0x0f0f0f0fu);
    CRYPTO_UNROLL
    for (int i = 0; i < 8; i++)
        if ((i & 2) == 0) SWAP(x[i], x[i + 2], 2, 0x33333333u);
    CRYPTO_UNROLL
    for (int i = 0; i < 8; i += 2) SWAP(x[i], x[i + 1], 1, 0x55555555u);
}

void aes_sliced_encrypt(const struct aes_sliced_key *key, uint8_t blocks[AES_SLICED_BLOCKS][16]) {
    aes_plane s[8];
    memcpy(s, blocks, sizeof s);
    transpose(s);
    add_round_key(s, key->round[0]);
    for (unsigned r = 1; r <= AES_SLICED_ROUNDS; r++) {
        sub_bytes(s);
        CRYPTO_UNROLL
        for (int b = 0; b < 8; b++) s[b] = shift_rows(s[b]);
        if (r < AES_SLICED_ROUNDS) mix_columns(s);
        add_round_key(s, key->round[r]);
    }
    transpose(s);
    memcpy(blocks, s, sizeof s);
}

void aes_sliced_decrypt(const struct aes_sliced_key *key, uint8_t blocks[AES_SLICED_BLOCKS][16]) {
    aes_plane s[8];
    memcpy(s, blocks, sizeof s);
    transpose(s);
    for (unsigned r = AES_SLICED_ROUNDS; r > 0; r--) {
        add_round_key(s, key->round[r]);
        if (r < AES_SLICED_ROUNDS) inv_mix_columns(s);
        CRYPTO_UNROLL
        for (int b = 0; b < 8; b++) s[b] = inv_shift_rows(s[b]);
        inv_sub_bytes(s);
    }
    add_round_key(s, key->round[0]);
    transpose(s);
    memcpy(blocks, s, sizeof s);
}

/* --- key expansion (FIPS 197 section 5.2) --- */
static uint32_t sub_word(uint32_t word) {
    aes_plane s[8];
    CRYPTO_UNROLL
    for (int b = 0; b < 8; b++) s[b] = (aes_plane){ word >> b & 0x01010101u };
    sub_bytes(s);
    word = 0;
    CRYPTO_UNROLL
    for (int b = 0; b < 8; b++) word |= (s[b][0] & 0x01010101u) << b;
    return word;
}

void aes_sliced_expand(struct aes_sliced_key *ret, const uint8_t key[32]) {
    uint32_t w[4 * (AES_SLICED_ROUNDS + 1)], rcon = 1;
    memcpy(w, key, 32);
    for (unsigned i = 8; i < 4 * (AES_SLICED_ROUNDS + 1); i++) {
        uint32_t t = w[i - 1];
        if (i % 8 == 0) {
            t = sub_word(t >> 8 | t << 24) ^ rcon;
            rcon <<= 1; /* 0x40 is the last that AES-256 uses: never reduced */
        } else if (i % 8 == 4) {
            t = sub_word(t);
        }
        w[i] = w[i - 8] ^ t;
    }
    /* a key bit is the same for all eight blocks: the byte is all ones or all zeros */
    for (unsigned r = 0; r <= AES_SLICED_ROUNDS; r++) {
        aes_plane bits = { w[4 * r], w[4 * r + 1], w[4 * r + 2], w[4 * r + 3] };
        CRYPTO_UNROLL
        for (int b = 0; b < 8; b++) ret->round[r][b] = (bits >> b & 0x01010101u) * 0xffu;
    }
    volatile uint32_t *wipe = w;
    for (unsigned i = 0; i < sizeof w / sizeof w[0]; i++) wipe[i] = 0;
}
