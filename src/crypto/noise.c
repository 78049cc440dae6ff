#include "crypto/noise.h"

#include "crypto/random.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define KEY 32u
#define NONE vl_span(NULL, 0)

enum token { END = 0, E, S, EE, ES, SE, SS };

struct pattern {
    const char *name;
    bool knows_responder; /* pre-message "<- s" */
    uint8_t messages;
    enum token message[3][5];
};

/* Noise 7.4 and 7.5. */
static const struct pattern patterns[] = {
    [NOISE_XX] = { "XX", false, 3, { { E }, { E, EE, S, ES }, { S, SE } } },
    [NOISE_XK] = { "XK", true, 3, { { E, ES }, { E, EE }, { S, SE } } },
    [NOISE_IK] = { "IK", true, 2, { { E, ES, S, SS }, { E, EE, SE } } },
    [NOISE_X] = { "X", true, 1, { { E, ES, S, SS } } },
};

static const struct pattern *pattern_of(const struct noise *ns) { return &patterns[ns->pattern]; }
static size_t hash_len(const struct noise *ns) { return crypto_hash_len(ns->hash); }

/* SymmetricState, Noise 5.2 */

static void mix_hash(struct noise *ns, struct vl_span data) {
    crypto_hash2(ns->hash, vl_span(ns->h, hash_len(ns)), data, ns->h);
}

/* The first half of HKDF(ck, ikm, 2) becomes ck, the first 32 bytes of the second half the cipher's key. */
static void mix_key(struct noise *ns, const uint8_t ikm[KEY]) {
    uint8_t prk[CRYPTO_HASH_MAX], out[2 * CRYPTO_HASH_MAX];
    size_t len = hash_len(ns);
    crypto_hkdf_extract(ns->hash, vl_span(ns->ck, len), vl_span(ikm, KEY), prk);
    enum vl_err err = crypto_hkdf_expand(ns->hash, vl_span(prk, len), NONE, out, 2 * len);
    assert(err == VL_OK);
    (void)err;
    memcpy(ns->ck, out, len);
    crypto_aead_destroy(&ns->aead);
    crypto_aead_init(&ns->aead, ns->cipher, out + len);
    ns->nonce = 0;
    ns->keyed = true;
    crypto_wipe(prk, sizeof prk);
    crypto_wipe(out, sizeof out);
}

static size_t sealed_len(const struct noise *ns, size_t n) { return n + (ns->keyed ? CRYPTO_AEAD_TAG : 0); }

static enum vl_err encrypt_and_hash(struct noise *ns, struct vl_span plain, uint8_t *dst) {
    if (ns->keyed) {
        enum vl_err err = crypto_aead_seal(&ns->aead, ns->nonce, vl_span(ns->h, hash_len(ns)), plain.p, plain.n, dst);
        if (err) return err;
        ns->nonce++;
    } else if (plain.n > 0) {
        memcpy(dst, plain.p, plain.n);
    }
    mix_hash(ns, vl_span(dst, sealed_len(ns, plain.n)));
    return VL_OK;
}

static enum vl_err decrypt_and_hash(struct noise *ns, struct vl_span in, uint8_t *dst) {
    if (ns->keyed) {
        enum vl_err err = crypto_aead_open(&ns->aead, ns->nonce, vl_span(ns->h, hash_len(ns)), in.p, in.n, dst);
        if (err) return err;
        ns->nonce++;
    } else if (in.n > 0) {
        memcpy(dst, in.p, in.n);
    }
    mix_hash(ns, in);
    return VL_OK;
}

/* HandshakeState, Noise 5.3 */

static enum vl_err mix_dh(struct noise *ns, enum token t) {
    /* the first letter is the initiator's key, the second the responder's */
    bool own_e = t == EE || (t == ES && ns->initiator) || (t == SE && !ns->initiator);
    bool their_e = t == EE || (t == ES && !ns->initiator) || (t == SE && ns->initiator);
    uint8_t shared[KEY];
    enum vl_err err = crypto_dh(own_e ? ns->e.secret : ns->s.secret, their_e ? ns->re : ns->rs, shared);
    if (err == VL_OK) {
        mix_key(ns, shared);
        crypto_wipe(shared, sizeof shared);
    }
    return err;
}

static enum noise_next next_after(const struct noise *ns, uint8_t step) {
    if (step == pattern_of(ns)->messages) return NOISE_SPLIT;
    return (step % 2 == 0) == ns->initiator ? NOISE_WRITE : NOISE_READ;
}

static enum vl_err fail(struct noise *ns, enum vl_err err) {
    noise_destroy(ns);
    ns->next = NOISE_FAILED;
    return err;
}

static void wipe_secrets(struct noise *ns) {
    crypto_aead_destroy(&ns->aead);
    crypto_wipe(ns->ck, sizeof ns->ck);
    crypto_dh_key_wipe(&ns->s);
    crypto_dh_key_wipe(&ns->e);
    crypto_wipe(ns->re, sizeof ns->re);
    ns->keyed = false;
}

static bool config_ok(const struct noise_config *c) {
    if (c->pattern < NOISE_XX || c->pattern > NOISE_X) return false;
    if (c->cipher != CRYPTO_CHACHAPOLY && c->cipher != CRYPTO_AESGCM) return false;
    if (c->hash != CRYPTO_SHA256 && c->hash != CRYPTO_BLAKE2B) return false;
    bool needs_remote = c->initiator && patterns[c->pattern].knows_responder;
    bool needs_ephemeral = c->initiator || c->pattern != NOISE_X;
    return c->static_key != NULL && needs_remote == (c->remote_static != NULL) &&
           (!needs_ephemeral || c->ephemeral_seed != NULL);
}

enum vl_err noise_init(struct noise *ns, const struct noise_config *config) {
    if (!config_ok(config)) return VL_ERANGE;
    *ns = (struct noise){ .pattern = config->pattern,
                          .cipher = config->cipher,
                          .hash = config->hash,
                          .initiator = config->initiator,
                          .s = *config->static_key };
    ns->next = next_after(ns, 0);
    if (config->ephemeral_seed) crypto_dh_key_from_seed(config->ephemeral_seed, &ns->e);
    if (config->remote_static) {
        memcpy(ns->rs, config->remote_static, sizeof ns->rs);
        ns->has_rs = true;
    }
    char name[48];
    int n = snprintf(name, sizeof name, "Noise_%s_25519_%s_%s", pattern_of(ns)->name,
                     ns->cipher == CRYPTO_AESGCM ? "AESGCM" : "ChaChaPoly",
                     ns->hash == CRYPTO_SHA256 ? "SHA256" : "BLAKE2b");
    /* Noise 5.2: a name that fits is padded with zeros, a longer one is hashed */
    if ((size_t)n <= hash_len(ns))
        memcpy(ns->h, name, (size_t)n);
    else
        crypto_hash2(ns->hash, vl_span(name, (size_t)n), NONE, ns->h);
    memcpy(ns->ck, ns->h, sizeof ns->ck);
    mix_hash(ns, config->prologue);
    if (pattern_of(ns)->knows_responder) mix_hash(ns, vl_span(ns->initiator ? ns->rs : ns->s.public, KEY));
    return VL_OK;
}

void noise_destroy(struct noise *ns) {
    if (ns == NULL) return;
    wipe_secrets(ns);
    crypto_wipe(ns, sizeof *ns);
}

enum noise_next noise_next(const struct noise *ns) { return ns->next; }

size_t noise_overhead(const struct noise *ns) {
    if (ns->next != NOISE_WRITE && ns->next != NOISE_READ) return 0;
    bool keyed = ns->keyed;
    size_t n = 0;
    for (const enum token *t = pattern_of(ns)->message[ns->step]; *t != END; t++) {
        if (*t == E)
            n += KEY;
        else if (*t == S)
            n += KEY + (keyed ? CRYPTO_AEAD_TAG : 0);
        else
            keyed = true;
    }
    return n + (keyed ? CRYPTO_AEAD_TAG : 0);
}

static enum vl_err write_token(struct noise *ns, enum token t, struct vl_writer *w) {
    uint8_t sealed[KEY + CRYPTO_AEAD_TAG];
    if (t == E) {
        vl_write_bytes(w, ns->e.public, KEY);
        mix_hash(ns, vl_span(ns->e.public, KEY));
        return VL_OK;
    }
    if (t != S) return mix_dh(ns, t);
    size_t n = sealed_len(ns, KEY);
    enum vl_err err = encrypt_and_hash(ns, vl_span(ns->s.public, KEY), sealed);
    if (err == VL_OK) vl_write_bytes(w, sealed, n);
    return err;
}

enum vl_err noise_write(struct noise *ns, struct vl_span payload, uint8_t *dst, size_t cap, size_t *ret_n) {
    if (ns->next != NOISE_WRITE) return VL_ESTATE;
    size_t over = noise_overhead(ns);
    if (payload.n > NOISE_MESSAGE_MAX - over || payload.n + over > cap) return VL_ELIMIT;
    struct vl_writer w = vl_writer(dst, over + payload.n);
    for (const enum token *t = pattern_of(ns)->message[ns->step]; *t != END; t++) {
        enum vl_err err = write_token(ns, *t, &w);
        if (err) return fail(ns, err);
    }
    enum vl_err err = encrypt_and_hash(ns, payload, dst + w.len);
    if (err) return fail(ns, err);
    assert(!w.failed && w.len + sealed_len(ns, payload.n) == over + payload.n);
    ns->next = next_after(ns, ++ns->step);
    *ret_n = over + payload.n;
    return VL_OK;
}

static enum vl_err read_token(struct noise *ns, enum token t, struct vl_reader *r) {
    if (t == E) {
        vl_read_bytes(r, ns->re, KEY);
        mix_hash(ns, vl_span(ns->re, KEY));
        return VL_OK;
    }
    if (t != S) return mix_dh(ns, t);
    enum vl_err err = decrypt_and_hash(ns, vl_read_span(r, sealed_len(ns, KEY)), ns->rs);
    if (err == VL_OK) ns->has_rs = true;
    return err;
}

enum vl_err noise_read(struct noise *ns, struct vl_span message, uint8_t *dst, size_t cap, size_t *ret_n) {
    if (ns->next != NOISE_READ) return VL_ESTATE;
    size_t over = noise_overhead(ns);
    if (message.n < over || message.n > NOISE_MESSAGE_MAX) return fail(ns, VL_EPARSE);
    size_t n = message.n - over;
    if (n > cap) return VL_ELIMIT;
    struct vl_reader r = vl_reader(message.p, message.n);
    for (const enum token *t = pattern_of(ns)->message[ns->step]; *t != END; t++) {
        enum vl_err err = read_token(ns, *t, &r);
        if (err) return fail(ns, err);
    }
    assert(!r.failed && r.n == sealed_len(ns, n));
    enum vl_err err = decrypt_and_hash(ns, vl_span(r.p, r.n), dst);
    if (err) return fail(ns, err);
    ns->next = next_after(ns, ++ns->step);
    *ret_n = n;
    return VL_OK;
}

const uint8_t *noise_remote_static(const struct noise *ns) { return ns->has_rs ? ns->rs : NULL; }
struct vl_span noise_hash(const struct noise *ns) {
    return ns->next < NOISE_WRITE || ns->next == NOISE_FAILED ? NONE : vl_span(ns->h, hash_len(ns));
}

static void cipher_init(struct noise_cipher *c, enum crypto_aead_kind kind, const uint8_t key[KEY]) {
    crypto_aead_init(&c->aead, kind, key);
    c->nonce = 0;
    c->keyed = true;
}

enum vl_err noise_split(struct noise *ns, struct noise_cipher *ret_send, struct noise_cipher *ret_recv) {
    if (ns->next != NOISE_SPLIT) return VL_ESTATE;
    uint8_t prk[CRYPTO_HASH_MAX], out[2 * CRYPTO_HASH_MAX];
    size_t len = hash_len(ns);
    crypto_hkdf_extract(ns->hash, vl_span(ns->ck, len), NONE, prk);
    enum vl_err err = crypto_hkdf_expand(ns->hash, vl_span(prk, len), NONE, out, 2 * len);
    assert(err == VL_OK);
    (void)err;
    *ret_send = *ret_recv = (struct noise_cipher){ 0 };
    cipher_init(ns->initiator ? ret_send : ret_recv, ns->cipher, out);
    if (ns->pattern != NOISE_X) cipher_init(ns->initiator ? ret_recv : ret_send, ns->cipher, out + len);
    crypto_wipe(prk, sizeof prk);
    crypto_wipe(out, sizeof out);
    wipe_secrets(ns);
    ns->next = NOISE_ENDED;
    return VL_OK;
}

enum vl_err noise_cipher_seal(struct noise_cipher *c, struct vl_span ad, const uint8_t *src, size_t n, uint8_t *dst) {
    if (!c->keyed) return VL_ESTATE;
    if (n > NOISE_MESSAGE_MAX - CRYPTO_AEAD_TAG) return VL_ELIMIT;
    enum vl_err err = crypto_aead_seal(&c->aead, c->nonce, ad, src, n, dst);
    if (err == VL_OK) c->nonce++;
    return err;
}

enum vl_err noise_cipher_open(struct noise_cipher *c, struct vl_span ad, const uint8_t *src, size_t n, uint8_t *dst) {
    if (!c->keyed) return VL_ESTATE;
    if (n > NOISE_MESSAGE_MAX) return VL_ELIMIT;
    enum vl_err err = crypto_aead_open(&c->aead, c->nonce, ad, src, n, dst);
    if (err == VL_OK) c->nonce++;
    return err;
}

enum vl_err noise_cipher_rekey(struct noise_cipher *c) { return c->keyed ? crypto_aead_rekey(&c->aead) : VL_ESTATE; }
void noise_cipher_set_nonce(struct noise_cipher *c, uint64_t nonce) { c->nonce = nonce; }

void noise_cipher_destroy(struct noise_cipher *c) {
    crypto_aead_destroy(&c->aead);
    crypto_wipe(c, sizeof *c);
}
