#include "net/htx_handshake.h"

#include <sodium.h>
#include <string.h>

static const char signature_context[] = "fog-htx-static:";

enum vl_err htx_identity_make(const struct crypto_sign_key *key, const uint8_t static_public[32], vl_ms expiry,
                              uint64_t capabilities, struct vl_span certificate, uint8_t ret[HTX_IDENTITY_MAX],
                              size_t *ret_n) {
    if (certificate.n > HTX_CERT_MAX) return VL_ERANGE;
    uint8_t bound[40], signature[CRYPTO_SIGNATURE];
    memcpy(bound, static_public, 32);
    vl_put_u64(bound + 32, expiry);
    enum vl_err err = crypto_sign_message(key, signature_context, vl_span(bound, sizeof bound), signature);
    if (err) return err;
    struct vl_writer w = vl_writer(ret, HTX_IDENTITY_MAX);
    vl_write_bytes(&w, key->public, 32);
    vl_write_bytes(&w, signature, sizeof signature);
    vl_write_u64(&w, expiry);
    vl_write_u64(&w, capabilities);
    vl_write_u16(&w, (uint16_t)certificate.n);
    vl_write_bytes(&w, certificate.p, certificate.n);
    *ret_n = w.len;
    return VL_OK;
}

static void put_preface(uint8_t dst[HTX_PREFACE], enum htx_pattern pattern, enum htx_suite suite) {
    memcpy(dst, "HTX1", 4);
    dst[4] = 1;
    dst[5] = (uint8_t)pattern;
    dst[6] = (uint8_t)suite;
    dst[7] = 0;
}

static void fail(struct htx_handshake *hs, enum htx_reason reason) {
    noise_destroy(&hs->noise);
    hs->state = HTX_HS_FAILED;
    hs->reason = reason;
}

/* Both sides agree on one preface, or there is no connection: the prologue is that preface twice. */
static enum vl_err start_noise(struct htx_handshake *hs) {
    uint8_t prologue[2 * HTX_PREFACE];
    put_preface(prologue, hs->pattern, hs->suite);
    memcpy(prologue + HTX_PREFACE, prologue, HTX_PREFACE);
    struct noise_config config = {
        .pattern = hs->pattern == HTX_XX   ? NOISE_XX
                   : hs->pattern == HTX_XK ? NOISE_XK
                                           : NOISE_IK,
        .cipher = hs->suite == HTX_AESGCM_SHA256 ? CRYPTO_AESGCM : CRYPTO_CHACHAPOLY,
        .hash = CRYPTO_SHA256,
        .initiator = hs->initiator,
        .prologue = vl_span(prologue, sizeof prologue),
        .static_key = &hs->static_key,
        .remote_static = hs->initiator && hs->pattern != HTX_XX ? hs->remote_static : NULL,
        .ephemeral_seed = hs->ephemeral_seed,
    };
    enum vl_err err = noise_init(&hs->noise, &config);
    sodium_memzero(hs->ephemeral_seed, sizeof hs->ephemeral_seed);
    sodium_memzero(hs->static_key.secret, sizeof hs->static_key.secret);
    return err;
}

enum vl_err htx_handshake_init(struct htx_handshake *hs, const struct htx_handshake_config *config) {
    if (config->identity.n > HTX_IDENTITY_MAX) return VL_ERANGE;
    *hs = (struct htx_handshake){ .static_key = *config->static_key,
                                  .initiator = config->initiator,
                                  .has_expect = config->expect != NULL,
                                  .state = HTX_HS_PREFACE,
                                  .identity_n = config->identity.n };
    vl_buf_init(&hs->early, HTX_EARLY_SECTION_MAX);
    memcpy(hs->ephemeral_seed, config->ephemeral_seed, 32);
    memcpy(hs->identity, config->identity.p, config->identity.n);
    if (config->expect != NULL) hs->expect = *config->expect;
    if (!config->initiator) return VL_OK;
    if (config->pattern < HTX_XX || config->pattern > HTX_IK) return VL_ERANGE;
    if (config->suite != HTX_AESGCM_SHA256 && config->suite != HTX_CHACHAPOLY_SHA256) return VL_ERANGE;
    if (config->pattern != HTX_XX && config->remote_static == NULL) return VL_ERANGE;
    hs->pattern = config->pattern;
    hs->suite = config->suite;
    if (config->pattern != HTX_XX) memcpy(hs->remote_static, config->remote_static, 32);
    if (config->early.n > 0 && (config->pattern != HTX_IK || config->early.n > HTX_EARLY_SECTION_MAX)) return VL_ERANGE;
    enum vl_err err = vl_buf_append(&hs->early, config->early.p, config->early.n);
    return err ? err : start_noise(hs);
}

size_t htx_handshake_wants(const struct htx_handshake *hs, const uint8_t *have, size_t n) {
    if (hs->state == HTX_HS_PREFACE) return HTX_PREFACE;
    if (hs->state != HTX_HS_RUNNING || noise_next(&hs->noise) != NOISE_READ) return 0;
    if (n < 2) return 2;
    return 2 + (size_t)vl_get_u16(have);
}

static void take_preface(struct htx_handshake *hs, const uint8_t p[HTX_PREFACE]) {
    bool known = memcmp(p, "HTX1", 4) == 0 && p[4] == 1 && p[7] == 0 && p[5] >= HTX_XX && p[5] <= HTX_IK &&
                 (p[6] == HTX_AESGCM_SHA256 || p[6] == HTX_CHACHAPOLY_SHA256);
    if (hs->initiator) {
        if (!known || p[5] != hs->pattern || p[6] != hs->suite)
            fail(hs, HTX_VERSION);
        else
            hs->state = HTX_HS_RUNNING;
        return;
    }
    if (!known) {
        fail(hs, HTX_VERSION);
        return;
    }
    hs->pattern = (enum htx_pattern)p[5];
    hs->suite = (enum htx_suite)p[6];
    if (start_noise(hs) != VL_OK)
        fail(hs, HTX_CRYPTO);
    else
        hs->state = HTX_HS_RUNNING;
}

/* Does handshake message `number` (1..3), as its sender wrote it, carry an identity payload? */
static bool has_identity(enum htx_pattern pattern, unsigned number) {
    return pattern == HTX_IK ? number <= 2 : number >= 2;
}
static unsigned message_number(const struct htx_handshake *hs) { return hs->noise.step + 1u; }

/* What stands behind an identity: nothing, but in IK early data and the answer to it. */
static enum vl_err take_tail(struct htx_handshake *hs, unsigned number, struct vl_reader *r) {
    if (hs->pattern == HTX_IK && number == 1 && r->n > 0) {
        struct vl_span section = vl_read_span(r, r->n);
        enum vl_err err = htx_early_check(section, &hs->early_ms);
        hs->has_early = true;
        return err ? err : vl_buf_append(&hs->early, section.p, section.n);
    }
    if (hs->has_early && number == 2) {
        uint8_t answer = vl_read_u8(r);
        if (answer != HTX_EARLY_ACCEPTED && answer != HTX_EARLY_REFUSED) return VL_EPARSE;
        hs->answer = (enum htx_early_answer)answer;
    }
    return vl_reader_end(r);
}

static void take_identity(struct htx_handshake *hs, vl_ms now, unsigned number, struct vl_span payload) {
    struct vl_reader r = vl_reader(payload.p, payload.n);
    struct vl_span key = vl_read_span(&r, 32), signature = vl_read_span(&r, CRYPTO_SIGNATURE);
    uint64_t expiry = vl_read_u64(&r), capabilities = vl_read_u64(&r);
    uint16_t n = vl_read_u16(&r);
    struct vl_span certificate = vl_read_span(&r, n);
    const uint8_t *remote_static = noise_remote_static(&hs->noise);
    enum vl_err err = r.failed || n > HTX_CERT_MAX || remote_static == NULL ? VL_EPARSE : take_tail(hs, number, &r);
    if (err) {
        fail(hs, err == VL_ENOMEM ? HTX_NO_MEMORY : HTX_PROTOCOL);
        return;
    }
    uint8_t bound[40];
    memcpy(bound, remote_static, 32);
    vl_put_u64(bound + 32, expiry);
    bool right = expiry > now && (!hs->has_expect || memcmp(hs->expect.b, key.p, 32) == 0);
    if (!right || crypto_verify_message(key.p, signature_context, vl_span(bound, sizeof bound), signature.p) != VL_OK) {
        fail(hs, HTX_WRONG_PEER);
        return;
    }
    memcpy(hs->node.b, key.p, 32);
    hs->has_node = true;
    hs->capabilities = capabilities;
    memcpy(hs->certificate, certificate.p, n);
    hs->certificate_n = n;
}

void htx_handshake_take(struct htx_handshake *hs, vl_ms now, struct vl_span unit) {
    if (hs->state == HTX_HS_PREFACE) {
        take_preface(hs, unit.p);
        return;
    }
    unsigned number = message_number(hs);
    uint8_t payload[HTX_HANDSHAKE_MAX];
    size_t n = 0;
    if (unit.n - 2 > HTX_HANDSHAKE_MAX) {
        fail(hs, HTX_PROTOCOL);
        return;
    }
    enum vl_err err = noise_read(&hs->noise, vl_span(unit.p + 2, unit.n - 2), payload, sizeof payload, &n);
    if (err) {
        fail(hs, err == VL_ECRYPTO ? HTX_CRYPTO : err == VL_ENOMEM ? HTX_NO_MEMORY : HTX_PROTOCOL);
        return;
    }
    if (has_identity(hs->pattern, number))
        take_identity(hs, now, number, vl_span(payload, n));
    else if (n != 0)
        fail(hs, HTX_PROTOCOL);
    if (hs->has_early && number == 1) memcpy(hs->ephemeral, unit.p + 2, 32); /* token e comes first */
    if (hs->state == HTX_HS_RUNNING && noise_next(&hs->noise) == NOISE_SPLIT) hs->state = HTX_HS_DONE;
}

bool htx_handshake_wants_put(const struct htx_handshake *hs) {
    if (hs->state == HTX_HS_FAILED) return !hs->initiator && hs->reason == HTX_VERSION && !hs->preface_sent;
    if (hs->initiator && !hs->preface_sent) return true;
    return hs->state == HTX_HS_RUNNING && noise_next(&hs->noise) == NOISE_WRITE;
}

/* Payload of message `number`, at dst. */
static size_t put_payload(struct htx_handshake *hs, unsigned number, uint8_t dst[HTX_HANDSHAKE_MAX]) {
    if (!has_identity(hs->pattern, number)) return 0;
    size_t n = hs->identity_n;
    memcpy(dst, hs->identity, n);
    if (hs->early.len > 0 && number == 1) {
        memcpy(dst + n, hs->early.p, hs->early.len);
        n += hs->early.len;
        hs->has_early = true;
    }
    if (hs->has_early && number == 2)
        dst[n++] = hs->answer == HTX_EARLY_ACCEPTED ? HTX_EARLY_ACCEPTED : HTX_EARLY_REFUSED;
    return n;
}

size_t htx_handshake_put(struct htx_handshake *hs, uint8_t *dst) {
    if (!htx_handshake_wants_put(hs)) return 0;
    size_t at = 0, n = 0;
    if (hs->state == HTX_HS_FAILED) { /* says what it could have done */
        put_preface(dst, HTX_XX, HTX_AESGCM_SHA256);
        hs->preface_sent = true;
        return HTX_PREFACE;
    }
    if (!hs->preface_sent) {
        put_preface(dst, hs->pattern, hs->suite);
        hs->preface_sent = true;
        at = HTX_PREFACE;
    }
    uint8_t payload[HTX_HANDSHAKE_MAX];
    struct vl_span whole = vl_span(payload, put_payload(hs, message_number(hs), payload));
    enum vl_err err = noise_write(&hs->noise, whole, dst + at + 2, HTX_HANDSHAKE_MAX, &n);
    if (err) {
        fail(hs, err == VL_ENOMEM ? HTX_NO_MEMORY : HTX_CRYPTO);
        return 0;
    }
    vl_put_u16(dst + at, (uint16_t)n);
    if (noise_next(&hs->noise) == NOISE_SPLIT) hs->state = HTX_HS_DONE;
    return at + 2 + n;
}

enum vl_err htx_handshake_split(struct htx_handshake *hs, struct noise_cipher *ret_send, struct noise_cipher *ret_recv,
                                uint8_t ret_hash[32]) {
    if (hs->state != HTX_HS_DONE || !hs->has_node) return VL_ESTATE;
    memcpy(ret_hash, noise_hash(&hs->noise).p, 32);
    return noise_split(&hs->noise, ret_send, ret_recv);
}

void htx_handshake_wipe(struct htx_handshake *hs) {
    noise_destroy(&hs->noise);
    vl_buf_free(&hs->early);
    sodium_memzero(hs, sizeof *hs);
}
