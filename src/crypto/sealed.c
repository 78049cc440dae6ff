#include "crypto/sealed.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <sodium.h>
#include <string.h>

#define MAGIC "VLSEALED"
#define VERSION 1u
#define SUM 16u
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES

struct layout { /* parts of a file */
    struct sealed_head head;
    struct vl_span bound, checked; /* bytes that are associated data; those under `check` */
    const uint8_t *nonce, *check;
    struct vl_span ciphertext;
};

static void sum_of(struct vl_span s, uint8_t ret[SUM]) {
    crypto_blake2b_keyed(s, (struct vl_span){ 0 }, "village-seal-sum", ret, SUM);
}
static void check_of(const uint8_t key[SEALED_KEY], struct vl_span s, uint8_t ret[SUM]) {
    crypto_blake2b_keyed(s, vl_span(key, SEALED_KEY), "village-seal-chk", ret, SUM);
}
static void cipher_key(const uint8_t key[SEALED_KEY], uint8_t ret[SEALED_KEY]) {
    crypto_blake2b_keyed((struct vl_span){ 0 }, vl_span(key, SEALED_KEY), "village-seal-key", ret, SEALED_KEY);
}

static bool kind_known(unsigned kind, unsigned purpose) {
    return kind >= SEALED_PASSPHRASE && kind <= SEALED_DIRECT && (purpose == SEALED_NODE_KEYS || purpose == SEALED_MIX_KEY);
}

bool sealed_is(struct vl_span file) { return file.n >= 8 && memcmp(file.p, MAGIC, 8) == 0; }

static enum vl_err layout_of(struct vl_span file, struct layout *ret) {
    struct layout l = { 0 };
    uint8_t sum[SUM];
    if (!sealed_is(file)) return VL_EPARSE;
    if (file.n < 9) return VL_ECORRUPT;
    if (file.p[8] != VERSION) return VL_EVERSION;
    if (file.n > SEALED_FILE_MAX || file.n < 9 + SUM) return VL_ECORRUPT;
    sum_of(vl_span(file.p, file.n - SUM), sum);
    if (memcmp(sum, file.p + file.n - SUM, SUM) != 0) return VL_ECORRUPT;
    struct vl_reader r = vl_reader(file.p + 9, file.n - 9 - SUM);
    unsigned kind = vl_read_u8(&r), purpose = vl_read_u8(&r);
    vl_read_bytes(&r, l.head.owner, SEALED_OWNER);
    l.head.params = vl_read_span(&r, vl_read_u16(&r));
    l.head.note = vl_read_span(&r, vl_read_u8(&r));
    l.nonce = vl_read_span(&r, SEALED_NONCE).p;
    l.check = vl_read_span(&r, SUM).p;
    l.ciphertext = vl_read_span(&r, vl_read_u16(&r));
    if (vl_reader_end(&r) || !kind_known(kind, purpose) || l.head.params.n > SEALED_PARAMS_MAX || l.head.note.n > SEALED_NOTE_MAX ||
        l.ciphertext.n <= TAG || l.ciphertext.n > SEALED_SECRET_MAX + TAG)
        return VL_ECORRUPT;
    l.head.kind = (enum sealed_kind)kind;
    l.head.purpose = (enum sealed_purpose)purpose;
    l.bound = vl_span(file.p, (size_t)(l.ciphertext.p - file.p));
    l.checked = vl_span(file.p, (size_t)(l.check - file.p));
    *ret = l;
    return VL_OK;
}

enum vl_err sealed_look(struct vl_span file, struct sealed_head *ret) {
    struct layout l;
    enum vl_err err = layout_of(file, &l);
    if (err == VL_OK) *ret = l.head;
    return err;
}

void sealed_kdf_put(const struct sealed_kdf *kdf, uint8_t ret[SEALED_KDF_BYTES]) {
    vl_put_u32(ret, kdf->passes);
    vl_put_u32(ret + 4, kdf->memory_kib);
    memcpy(ret + 8, kdf->salt, sizeof kdf->salt);
}

static bool kdf_fits(const struct sealed_kdf *kdf) {
    return kdf->passes >= 1 && kdf->passes <= SEALED_PASSES_MAX && kdf->memory_kib >= SEALED_MEMORY_MIN &&
           kdf->memory_kib <= SEALED_MEMORY_MAX;
}

enum vl_err sealed_kdf_get(struct vl_span params, struct sealed_kdf *ret) {
    struct sealed_kdf kdf;
    if (params.n != SEALED_KDF_BYTES) return VL_EPARSE;
    kdf.passes = vl_get_u32(params.p);
    kdf.memory_kib = vl_get_u32(params.p + 4);
    memcpy(kdf.salt, params.p + 8, sizeof kdf.salt);
    if (!kdf_fits(&kdf)) return VL_ELIMIT;
    *ret = kdf;
    return VL_OK;
}

enum vl_err sealed_kdf_run(const struct sealed_kdf *kdf, struct vl_span passphrase, uint8_t ret_key[SEALED_KEY]) {
    if (!kdf_fits(kdf) || passphrase.n == 0) return VL_ERANGE;
    return crypto_pwhash(ret_key, SEALED_KEY, (const char *)passphrase.p, passphrase.n, kdf->salt, kdf->passes,
                         (size_t)kdf->memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13)
               ? VL_ENOMEM
               : VL_OK;
}

enum vl_err sealed_write(const struct sealed_head *head, const uint8_t key[SEALED_KEY], const uint8_t nonce[SEALED_NONCE],
                         struct vl_span secret, struct vl_buf *out) {
    uint8_t file[SEALED_FILE_MAX], sub[SEALED_KEY], sum[SUM];
    if (!kind_known(head->kind, head->purpose) || head->params.n > SEALED_PARAMS_MAX || head->note.n > SEALED_NOTE_MAX ||
        secret.n == 0 || secret.n > SEALED_SECRET_MAX)
        return VL_ERANGE;
    struct vl_writer w = vl_writer(file, sizeof file);
    vl_write_bytes(&w, MAGIC, 8);
    vl_write_u8(&w, VERSION);
    vl_write_u8(&w, (uint8_t)head->kind);
    vl_write_u8(&w, (uint8_t)head->purpose);
    vl_write_bytes(&w, head->owner, SEALED_OWNER);
    vl_write_u16(&w, (uint16_t)head->params.n);
    vl_write_bytes(&w, head->params.p, head->params.n);
    vl_write_u8(&w, (uint8_t)head->note.n);
    vl_write_bytes(&w, head->note.p, head->note.n);
    vl_write_bytes(&w, nonce, SEALED_NONCE);
    check_of(key, vl_span(file, w.len), sum);
    vl_write_bytes(&w, sum, SUM);
    vl_write_u16(&w, (uint16_t)(secret.n + TAG));
    cipher_key(key, sub);
    crypto_aead_xchacha20poly1305_ietf_encrypt(file + w.len, NULL, secret.p, secret.n, file, w.len, NULL, nonce, sub);
    crypto_wipe(sub, sizeof sub);
    w.len += secret.n + TAG;
    sum_of(vl_span(file, w.len), sum);
    vl_write_bytes(&w, sum, SUM);
    return vl_buf_append(out, file, w.len);
}

enum vl_err sealed_open(struct vl_span file, const uint8_t key[SEALED_KEY], uint8_t *dst, size_t cap, size_t *ret_n) {
    struct layout l;
    uint8_t check[SUM], sub[SEALED_KEY], plain[SEALED_SECRET_MAX];
    enum vl_err err = layout_of(file, &l);
    if (err) return err;
    size_t n = l.ciphertext.n - TAG;
    if (n > cap) return VL_ELIMIT;
    check_of(key, l.checked, check);
    if (!crypto_equal(check, l.check, SUM)) return VL_ECRYPTO;
    cipher_key(key, sub);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, l.ciphertext.p, l.ciphertext.n, l.bound.p, l.bound.n, l.nonce, sub))
        err = VL_ECORRUPT;
    crypto_wipe(sub, sizeof sub);
    if (err == VL_OK) {
        memcpy(dst, plain, n);
        *ret_n = n;
    }
    crypto_wipe(plain, sizeof plain);
    return err;
}
