/* TPM 2.0 quotes (TCG TPM 2.0 Library part 2).  Evidence is the TPMS_ATTEST.  Collateral: [0] TPMT_SIGNATURE, [1]
 * TPMT_PUBLIC of the attestation key, [2] the PCRs of the quote in ascending order, one after another, [3] the event log
 * (may be absent), [4] the Name of the key that answered a credential activation under the endorsement key of the leaf
 * (absent: none was done), [5] an earlier TPMS_ATTEST of the same key that the caller verified (may be absent).
 * The leaf is the certificate of the attestation key itself, or of the endorsement key; then [4] must be there. */
#include "trust/attest_priv.h"
#include "trust/tpm_eventlog.h"

#include <string.h>

#define MAGIC 0xff544347u
#define ST_QUOTE 0x8018u
#define RSA 0x0001u
#define ECC 0x0023u
#define NONE 0x0010u
#define RSASSA 0x0014u
#define RSAPSS 0x0016u
#define ECDSA 0x0018u
#define CURVE_P256 0x0003u
#define CURVE_P384 0x0004u
#define FIXED_TPM (1u << 1)
#define SENSITIVE_ORIGIN (1u << 5)
#define RESTRICTED (1u << 16)
#define DECRYPT (1u << 17)
#define SIGN (1u << 18)
#define NAME_MAX 50u

struct quote {
    struct vl_span signer, data, digest;
    uint64_t clock;
    uint32_t resets, restarts, which; /* which: bit i stands for PCR i */
    uint16_t bank;
    bool safe;
};
struct key {
    uint16_t type, curve;
    uint32_t attributes;
    struct vl_span a, b; /* modulus; or x and y */
    uint32_t exponent;
    uint8_t name[NAME_MAX];
    size_t name_n;
};

static struct vl_span sized(struct vl_reader *r) { return vl_read_span(r, vl_read_u16(r)); }

static bool read_quote(struct vl_span in, struct quote *q) {
    struct vl_reader at = vl_reader(in.p, in.n);
    uint32_t magic = vl_read_u32(&at);
    uint16_t type = vl_read_u16(&at);
    q->signer = sized(&at);
    q->data = sized(&at);
    q->clock = vl_read_u64(&at);
    q->resets = vl_read_u32(&at);
    q->restarts = vl_read_u32(&at);
    uint8_t safe = vl_read_u8(&at);
    (void)vl_read_u64(&at); /* firmware, obscured unless the key is of the endorsement hierarchy */
    uint32_t banks = vl_read_u32(&at);
    q->bank = vl_read_u16(&at);
    uint8_t n = vl_read_u8(&at);
    struct vl_span which = vl_read_span(&at, n);
    q->digest = sized(&at);
    if (vl_reader_end(&at) != VL_OK || magic != MAGIC || type != ST_QUOTE || banks != 1 || n != 3 || safe > 1)
        return false;
    q->safe = safe == 1;
    q->which = which.p[0] | (uint32_t)which.p[1] << 8 | (uint32_t)which.p[2] << 16;
    return q->which != 0 && tpm_digest_size(q->bank) != 0;
}

/* The scheme of a key that signs: an algorithm and its hash. */
static bool scheme(struct vl_reader *at) {
    uint16_t s = vl_read_u16(at);
    if (s == NONE) return false; /* a restricted key has one */
    return (s == RSASSA || s == RSAPSS || s == ECDSA) && tpm_digest_size(vl_read_u16(at)) != 0;
}

static bool read_key(struct vl_span in, struct key *k) {
    struct vl_reader at = vl_reader(in.p, in.n);
    k->type = vl_read_u16(&at);
    uint16_t name = vl_read_u16(&at);
    k->attributes = vl_read_u32(&at);
    (void)sized(&at); /* policy of authorisation */
    if (at.failed || vl_read_u16(&at) != NONE || !scheme(&at)) return false;
    if (k->type == RSA) {
        (void)vl_read_u16(&at); /* bits; the modulus tells */
        k->exponent = vl_read_u32(&at);
        k->a = sized(&at);
    } else if (k->type == ECC) {
        k->curve = vl_read_u16(&at);
        if (vl_read_u16(&at) != NONE) return false; /* key derivation */
        k->a = sized(&at);
        k->b = sized(&at);
    } else {
        return false;
    }
    size_t n = tpm_digest_size(name);
    if (vl_reader_end(&at) != VL_OK || n == 0) return false;
    vl_put_u16(k->name, name);
    tpm_digest(name, in, k->name + 2);
    k->name_n = 2 + n;
    return true;
}

/* Coordinates may lack leading zeros. */
static bool padded(struct vl_span from, uint8_t *dst, size_t n) {
    if (from.n == 0 || from.n > n) return false;
    memset(dst, 0, n);
    memcpy(dst + n - from.n, from.p, from.n);
    return true;
}
static size_t curve_bytes(uint16_t curve) { return curve == CURVE_P256 ? 32 : curve == CURVE_P384 ? 48 : 0; }

static bool make_key(const struct key *k, struct crypto_pubkey **ret) {
    uint8_t e[4], xy[96];
    if (k->type == RSA) {
        vl_put_u32(e, k->exponent == 0 ? 65537 : k->exponent);
        return crypto_pubkey_rsa(k->a, vl_span(e, 4), ret) == VL_OK;
    }
    size_t n = curve_bytes(k->curve);
    return n != 0 && padded(k->a, xy, n) && padded(k->b, xy + n, n) &&
           crypto_pubkey_point(n == 32 ? CRYPTO_P256 : CRYPTO_P384, vl_span(xy, 2 * n), ret) == VL_OK;
}

/* 0: a pair we do not take. */
static enum crypto_scheme scheme_of(uint16_t algorithm, uint16_t hash) {
    if (algorithm == RSASSA && hash == TPM_SHA256) return CRYPTO_RSA_SHA256;
    if (algorithm == RSASSA && hash == TPM_SHA384) return CRYPTO_RSA_SHA384;
    if (algorithm == RSASSA && hash == TPM_SHA1) return CRYPTO_RSA_SHA1;
    if (algorithm == RSAPSS && hash == TPM_SHA256) return CRYPTO_RSA_PSS_SHA256;
    if (algorithm == ECDSA && hash == TPM_SHA256) return CRYPTO_ECDSA_SHA256;
    if (algorithm == ECDSA && hash == TPM_SHA384) return CRYPTO_ECDSA_SHA384;
    return (enum crypto_scheme)0;
}

static bool quote_signed(struct vl_span message, struct vl_span signature, const struct key *k,
                         const struct crypto_pubkey *key, uint16_t *ret_hash) {
    struct vl_reader at = vl_reader(signature.p, signature.n);
    uint16_t algorithm = vl_read_u16(&at), hash = vl_read_u16(&at);
    struct vl_span a = sized(&at), b = vl_span(NULL, 0);
    uint8_t rs[96];
    if (algorithm == ECDSA) b = sized(&at);
    if (vl_reader_end(&at) != VL_OK) return false;
    enum crypto_scheme s = scheme_of(algorithm, hash);
    if (s == (enum crypto_scheme)0 || (algorithm == ECDSA) != (k->type == ECC)) return false;
    *ret_hash = hash;
    if (k->type == RSA) return crypto_pubkey_verify(key, s, message, a) == VL_OK;
    size_t n = curve_bytes(k->curve);
    return padded(a, rs, n) && padded(b, rs + n, n) && crypto_pubkey_verify(key, s, message, vl_span(rs, 2 * n)) == VL_OK;
}

/* --- PCRs --- */

static const char *registers(const struct attest_input *in, const struct quote *q, uint16_t hash,
                             struct attest_result *r) {
    uint8_t digest[TPM_DIGEST];
    size_t n = tpm_digest_size(q->bank), at = 0;
    struct tpm_replay log;
    if (in->collateral[2].n != n * (size_t)__builtin_popcount(q->which)) return "not the PCRs that the quote is over";
    tpm_digest(hash, in->collateral[2], digest);
    if (!vl_span_eq(q->digest, vl_span(digest, tpm_digest_size(hash)))) return "the PCRs are not those of the quote";
    if (in->collateral[3].n == 0) return NULL;
    if (in->collateral[3].n > ATTEST_EVIDENCE_MAX || !tpm_eventlog_replay(in->collateral[3], q->bank, &log))
        return "malformed event log";
    for (unsigned i = 0; i < TPM_PCRS; i++) {
        if ((q->which & 1u << i) == 0) continue;
        const uint8_t *pcr = in->collateral[2].p + n * at++;
        if ((log.extended & 1u << i) != 0 && memcmp(pcr, log.pcr[i], n) != 0) return "the event log is not what was measured";
    }
    if ((q->which & log.extended & 1u << 7) != 0) r->secure_boot = log.secure_boot;
    return NULL;
}

/* --- whose key it is --- */

static const char *vouched(const struct attest_input *in, const struct key *k, const struct crypto_pubkey *key,
                           struct crypto_x509_pool *pool, struct attest_result *r) {
    uint8_t ours[32], theirs[32];
    if (in->leaf.n == 0) {
        r->unanchored = true;
        return "no certificate leads from the key to a vendor";
    }
    if (crypto_x509_pool_add(pool, in->leaf) != VL_OK || crypto_x509_pool_count(pool) == 0)
        return "malformed certificate of the key";
    const struct crypto_x509 *leaf = crypto_x509_pool_get(pool, 0);
    crypto_x509_key_hash(leaf, theirs);
    if (crypto_pubkey_hash(key, ours) != VL_OK) return "out of memory";
    if (memcmp(ours, theirs, 32) != 0) {
        /* Then it is the endorsement key's, and only an activation ties the two together. */
        if (in->collateral[4].n == 0) return "no credential was activated under the certificate's key";
        if (!vl_span_eq(in->collateral[4], vl_span(k->name, k->name_n))) return "the credential was activated for another key";
    }
    memcpy(r->device, theirs, 32);
    r->device_n = 32;
    return attest_chain(in, ATTEST_TPM, leaf, pool, false, r, NULL) ? NULL : r->genuine.why;
}

/* A clock that runs backwards: the machine was reset to a state before, or this is an old quote. */
static const char *backwards(const struct attest_input *in, const struct quote *q) {
    struct quote before;
    if (in->collateral[5].n == 0) return NULL;
    if (!read_quote(in->collateral[5], &before)) return "malformed earlier quote";
    if (!vl_span_eq(before.signer, q->signer)) return "the earlier quote is of another key";
    if (q->resets < before.resets) return "the TPM counts fewer resets than before";
    if (q->resets > before.resets) return NULL;
    if (q->restarts < before.restarts) return "the TPM counts fewer restarts than before";
    if (q->safe && before.safe && q->clock < before.clock) return "the TPM's clock went back";
    return NULL;
}

static const char *verify(const struct attest_input *in, const struct quote *q, const struct key *k,
                          const struct crypto_pubkey *key, struct attest_result *r) {
    uint16_t hash = 0;
    const uint32_t need = FIXED_TPM | SENSITIVE_ORIGIN | RESTRICTED | SIGN;
    if (!quote_signed(in->evidence, in->collateral[0], k, key, &hash)) return "the signature of the quote is not good";
    /* A key that signs anything could sign a quote that no TPM made. */
    if ((k->attributes & need) != need || (k->attributes & DECRYPT) != 0)
        return "not a restricted signing key that was made in the TPM";
    r->sha1 = q->bank == TPM_SHA1 || hash == TPM_SHA1;
    const char *why = registers(in, q, hash, r);
    if (why == NULL) why = backwards(in, q);
    if (why != NULL) return why;
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    why = pool == NULL ? "out of memory" : vouched(in, k, key, pool, r);
    crypto_x509_pool_destroy(pool);
    return why;
}

void attest_tpm(const struct attest_input *in, struct attest_result *r) {
    struct quote q;
    struct key k = { .type = 0 };
    struct crypto_pubkey *key;
    if (!read_quote(in->evidence, &q)) {
        attest_no(r, "not a quote over one bank");
        return;
    }
    if (!read_key(in->collateral[1], &k) || !make_key(&k, &key)) {
        attest_no(r, "malformed attestation key");
        return;
    }
    const char *why = verify(in, &q, &k, key, r);
    crypto_pubkey_free(key);
    if (why != NULL) {
        attest_no(r, why);
        return;
    }
    attest_copy(r->measurement, &r->measurement_n, q.digest);
    attest_copy(r->report_data, &r->report_data_n, q.data);
    r->version = 2;
    r->tcb = ATTEST_TCB_NONE;
    r->tcb_why = "a quote states PCRs, not a level";
    attest_set(&r->debug, ATTEST_NO, "a TPM has no such mode");
    attest_fresh_exact(in, q.data, r);
    attest_measured(in, r);
    attest_yes(r);
}
