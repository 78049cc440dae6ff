/* Building and judging paths (RFC 5280 section 6, without name constraints and policy mapping, which no vendor of
 * hardware uses: an issuer with a critical extension of that kind is refused). */
#include "crypto/x509_priv.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Signature checks of one search: certificates of one name could otherwise make it grow as a tree. */
#define CHECKS_MAX 48u

struct search {
    const struct crypto_x509_rules *rules;
    struct crypto_x509_path path; /* so far */
    unsigned checks;
    enum crypto_x509_fault fault; /* of the path that got furthest */
    size_t depth;                 /* how far that was */
};

const char *crypto_x509_fault_text(enum crypto_x509_fault fault) {
    switch (fault) {
    case CRYPTO_X509_OK:
        return "the certificates lead to a pinned root";
    case CRYPTO_X509_NO_ROOT:
        return "no chain of certificates to a root we accept";
    case CRYPTO_X509_FORGED:
        return "a certificate was not signed by the issuer it names";
    case CRYPTO_X509_CONSTRAINT:
        return "a certificate that may not issue others has issued one";
    case CRYPTO_X509_WEAK:
        return "a certificate is signed with a broken hash";
    case CRYPTO_X509_EARLY:
        return "a certificate is not valid yet";
    case CRYPTO_X509_EXPIRED:
        return "a certificate has expired";
    case CRYPTO_X509_REVOKED:
        return "a certificate is revoked";
    case CRYPTO_X509_CRL_MISSING:
        return "no revocation list of an issuer";
    case CRYPTO_X509_CRL_BAD:
        return "a revocation list is forged or unreadable";
    case CRYPTO_X509_CRL_EXPIRED:
        return "a revocation list has expired";
    }
    return "unknown fault";
}

static void note(struct search *s, enum crypto_x509_fault fault) {
    /* A chain that ends is the least telling thing: any defect found at the same depth says more. */
    if (s->path.n < s->depth || (s->path.n == s->depth && s->fault != CRYPTO_X509_NO_ROOT)) return;
    s->depth = s->path.n;
    s->fault = fault;
}

static enum crypto_x509_fault in_time(struct search *s, uint64_t from_s, uint64_t until_s) {
    uint64_t now = s->rules->when_s;
    if (now < from_s) return CRYPTO_X509_EARLY;
    if (now > until_s) {
        if (now - until_s > s->rules->grace_s) return CRYPTO_X509_EXPIRED;
        s->path.late = true;
    }
    if (from_s > s->path.from_s) s->path.from_s = from_s;
    if (until_s < s->path.until_s) s->path.until_s = until_s;
    return CRYPTO_X509_OK;
}

static bool pinned(const struct search *s, const struct crypto_x509 *c, size_t *ret) {
    for (size_t i = 0; i < s->rules->nroots; i++)
        if (memcmp(s->rules->roots[i], c->key, 32) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

/* Extensions that may be critical: those that are looked at here, and policies, of which any is accepted.  Our own list,
 * as libcrypto's flag knows more than we honour (name constraints). */
static bool understood(const X509 *x) {
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *e = X509_get_ext(x, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
        if (X509_EXTENSION_get_critical(e) && nid != NID_basic_constraints && nid != NID_key_usage &&
            nid != NID_certificate_policies)
            return false;
    }
    return true;
}

/* Whether `below` certificates that issue may stand between c and the leaf. */
static bool may_issue(const struct crypto_x509 *c, size_t below) {
    uint32_t flags = X509_get_extension_flags(c->x);
    if ((flags & EXFLAG_INVALID) != 0 || (flags & EXFLAG_CA) == 0 || !understood(c->x)) return false;
    if ((flags & EXFLAG_KUSAGE) != 0 && (X509_get_key_usage(c->x) & KU_KEY_CERT_SIGN) == 0) return false;
    long most = X509_get_pathlen(c->x);
    return most < 0 || below <= (size_t)most;
}

static bool strong(const struct crypto_x509 *c) {
    int hash = NID_undef;
    if (X509_get_signature_info(c->x, &hash, NULL, NULL, NULL) != 1) return false;
    return hash == NID_sha256 || hash == NID_sha384 || hash == NID_sha512;
}

/* Issuers come from strangers, too: no kind of key whose checks can be made to take seconds. */
static bool usable(const EVP_PKEY *key) {
    int kind = EVP_PKEY_get_base_id(key);
    return (kind == EVP_PKEY_EC || kind == EVP_PKEY_RSA) && EVP_PKEY_get_bits(key) <= 8192;
}

static bool signed_by(struct search *s, const struct crypto_x509 *c, const struct crypto_x509 *issuer) {
    EVP_PKEY *key = X509_get0_pubkey(issuer->x);
    if (key == NULL || !usable(key) || s->checks == 0) return false;
    s->checks--;
    bool good = X509_verify(c->x, key) == 1;
    if (!good) ERR_clear_error();
    return good;
}

/* Looks c up in the lists of its issuer. */
static enum crypto_x509_fault look_up(struct search *s, const struct crypto_x509 *c, const struct crypto_x509 *issuer) {
    enum crypto_x509_fault found = CRYPTO_X509_CRL_MISSING;
    for (size_t p = 0; p < 2; p++) {
        const struct crypto_x509_pool *pool = s->rules->pool[p];
        for (size_t i = 0; pool != NULL && i < pool->ncrl; i++) {
            const struct crypto_crl *l = pool->crl[i];
            if (!vl_span_eq(l->issuer, c->issuer)) continue;
            if (s->checks == 0) return CRYPTO_X509_CRL_BAD;
            s->checks--;
            bool good = l->readable && X509_CRL_verify(l->x, X509_get0_pubkey(issuer->x)) == 1;
            ERR_clear_error();
            X509_REVOKED *entry = NULL;
            /* Revoked stays revoked, however old the list. */
            if (good && X509_CRL_get0_by_cert(l->x, &entry, c->x) == 1) return CRYPTO_X509_REVOKED;
            enum crypto_x509_fault fault = good ? in_time(s, l->from_s, l->until_s) : CRYPTO_X509_CRL_BAD;
            if (fault == CRYPTO_X509_EARLY || fault == CRYPTO_X509_EXPIRED) fault = CRYPTO_X509_CRL_EXPIRED;
            if (found != CRYPTO_X509_OK) found = fault;
        }
    }
    return found;
}

/* The link from the last certificate of the path to `issuer`. */
static enum crypto_x509_fault link_fault(struct search *s, const struct crypto_x509 *issuer) {
    const struct crypto_x509 *c = s->path.cert[s->path.n - 1];
    if (!signed_by(s, c, issuer)) return CRYPTO_X509_FORGED;
    if (!strong(c)) return CRYPTO_X509_WEAK;
    if (!may_issue(issuer, s->path.n - 1)) return CRYPTO_X509_CONSTRAINT;
    enum crypto_x509_fault fault = look_up(s, c, issuer);
    if (fault == CRYPTO_X509_CRL_MISSING && !s->rules->need_crl) {
        s->path.crl = false;
        fault = CRYPTO_X509_OK;
    }
    return fault;
}

static bool extend(struct search *s, const struct crypto_x509 *c);

/* Tries every certificate of the pools that has the name of the last one's issuer. */
static bool climb(struct search *s) {
    const struct crypto_x509 *last = s->path.cert[s->path.n - 1];
    for (size_t p = 0; p < 2; p++) {
        const struct crypto_x509_pool *pool = s->rules->pool[p];
        for (size_t i = 0; pool != NULL && i < pool->n; i++) {
            const struct crypto_x509 *issuer = pool->cert[i];
            if (!vl_span_eq(issuer->subject, last->issuer) || s->path.n == CRYPTO_X509_DEPTH) continue;
            struct crypto_x509_path before = s->path;
            enum crypto_x509_fault fault = link_fault(s, issuer);
            if (fault != CRYPTO_X509_OK)
                note(s, fault);
            else if (extend(s, issuer))
                return true;
            s->path = before;
        }
    }
    note(s, CRYPTO_X509_NO_ROOT);
    return false;
}

static bool extend(struct search *s, const struct crypto_x509 *c) {
    bool leaf = s->path.n == 0, ends = pinned(s, c, &s->path.root);
    if (!ends && (X509_get_extension_flags(c->x) & EXFLAG_INVALID) != 0) {
        note(s, CRYPTO_X509_CONSTRAINT);
        return false;
    }
    if (!ends && !(leaf && s->rules->leaf_undated)) {
        enum crypto_x509_fault fault = in_time(s, c->from_s, c->until_s);
        if (fault != CRYPTO_X509_OK) {
            s->path.n++; /* the certificate itself was good so far */
            note(s, fault);
            s->path.n--;
            return false;
        }
    }
    for (size_t i = 0; i < s->path.n; i++)
        if (s->path.cert[i] == c) return false; /* in circles */
    s->path.cert[s->path.n++] = c;
    return ends || climb(s);
}

enum crypto_x509_fault crypto_x509_verify(const struct crypto_x509 *leaf, const struct crypto_x509_rules *rules,
                                          struct crypto_x509_path *ret) {
    struct search s = { .rules = rules,
                        .path = { .until_s = UINT64_MAX, .crl = true },
                        .checks = CHECKS_MAX,
                        .fault = CRYPTO_X509_NO_ROOT };
    if (!extend(&s, leaf)) return s.fault != CRYPTO_X509_OK ? s.fault : CRYPTO_X509_NO_ROOT;
    *ret = s.path;
    return CRYPTO_X509_OK;
}
