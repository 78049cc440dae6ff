/* Android key attestation (source.android.com, "Key and ID attestation"; extension 1.3.6.1.4.1.11129.2.1.17): a key made
 * in TrustZone or StrongBox, and what that hardware says of the phone.  Evidence is the chain as PEM, the key's own
 * certificate first.  Collateral [0]: serial numbers of revoked certificates, as Google publishes them (lower-case
 * hexadecimal without leading zeros), one a line; absent: not looked up. */
#include "trust/attest_priv.h"

#include "crypto/der.h"

#include <string.h>

#define OID_KEY_DESCRIPTION "1.3.6.1.4.1.11129.2.1.17"
#define TAG_ORIGIN 702u
#define TAG_ROOT_OF_TRUST 704u
#define TAG_PATCH_LEVEL 706u
#define CONTEXT 0xa0u /* class and form of an explicit tag; the number is in the lower five bits, */
#define LONG_TAG 0x1fu /* or after them when these are all ones */
#define BOOLEAN 0x01
#define SOFTWARE 0u
#define STRONGBOX 2u
#define ORIGIN_GENERATED 0u
#define BOOT_VERIFIED 0u
#define BOOT_MAX 3u
#define VERSION_WITH_BOOT_HASH 3u
#define SERIAL_MAX 20u

struct description {
    uint32_t version, attestation_level, key_level;
    struct vl_span challenge, boot_hash;
    bool has_root, locked, has_origin;
    uint32_t boot_state, origin, patch; /* patch: YYYYMM, 0 unknown */
};

/* Number of an explicit context tag, in its shortest form.  crypto/der.h has only those of one byte. */
static bool tag(struct vl_reader *at, uint32_t *ret) {
    uint8_t first = vl_read_u8(at);
    uint32_t n = first & LONG_TAG;
    if (at->failed || (first & ~LONG_TAG) != CONTEXT) return false;
    if (n != LONG_TAG) {
        *ret = n;
        return true;
    }
    n = 0;
    for (unsigned i = 0; i < 3; i++) {
        uint8_t b = vl_read_u8(at);
        if (i == 0 && b == 0x80) return false;
        n = n << 7 | (b & 0x7fu);
        if ((b & 0x80) != 0) continue;
        *ret = n;
        return !at->failed && n >= LONG_TAG;
    }
    return false;
}
static bool length(struct vl_reader *at, size_t *ret) {
    uint8_t first = vl_read_u8(at);
    uint32_t n = first;
    if (first >= 0x80) {
        unsigned bytes = first & 0x7fu;
        if (bytes < 1 || bytes > 3) return false;
        n = 0;
        for (unsigned i = 0; i < bytes; i++) n = n << 8 | vl_read_u8(at);
        if (n < 0x80 || n >> (8 * (bytes - 1)) == 0) return false;
    }
    *ret = n;
    return !at->failed && n <= at->n;
}
static bool tagged(struct vl_span *at, uint32_t *ret_tag, struct vl_span *ret) {
    struct vl_reader r = vl_reader(at->p, at->n);
    size_t n;
    if (!tag(&r, ret_tag) || !length(&r, &n)) return false;
    *ret = vl_read_span(&r, n);
    *at = vl_span(r.p, r.n);
    return true;
}

/* Only the two values that DER has. */
static bool boolean(struct vl_span *at, bool *ret) {
    struct vl_span v;
    if (!der_take(at, BOOLEAN, &v) || v.n != 1 || (v.p[0] != 0 && v.p[0] != 0xff)) return false;
    *ret = v.p[0] != 0;
    return true;
}

static bool root_of_trust(struct vl_span in, struct description *d) {
    struct vl_span seq, key;
    if (!der_take(&in, DER_SEQUENCE, &seq) || in.n != 0 || !der_take(&seq, DER_OCTETS, &key)) return false;
    if (!boolean(&seq, &d->locked) || !der_u32(&seq, DER_ENUM, &d->boot_state) || d->boot_state > BOOT_MAX)
        return false;
    d->boot_hash = vl_span(NULL, 0);
    if (d->version >= VERSION_WITH_BOOT_HASH && !der_take(&seq, DER_OCTETS, &d->boot_hash)) return false;
    d->has_root = true;
    return seq.n == 0;
}

/* Tags ascend, none twice.  Only what hardware enforces is read; d is NULL for the other list. */
static bool authorizations(struct vl_span list, struct description *d) {
    uint32_t last = 0, number;
    struct vl_span v;
    while (list.n > 0) {
        if (!tagged(&list, &number, &v) || number <= last) return false;
        last = number;
        if (d == NULL) continue;
        if (number == TAG_ORIGIN) {
            d->has_origin = true;
            if (!der_u32(&v, DER_INTEGER, &d->origin) || v.n != 0) return false;
        } else if (number == TAG_PATCH_LEVEL) {
            if (!der_u32(&v, DER_INTEGER, &d->patch) || v.n != 0) return false;
        } else if (number == TAG_ROOT_OF_TRUST && !root_of_trust(v, d)) {
            return false;
        }
    }
    return true;
}

static bool read_description(struct vl_span in, struct description *d) {
    struct vl_span seq, unique, software, hardware;
    uint32_t keymint;
    *d = (struct description){ 0 };
    return der_take(&in, DER_SEQUENCE, &seq) && in.n == 0 && der_u32(&seq, DER_INTEGER, &d->version) &&
           d->version > 0 && der_u32(&seq, DER_ENUM, &d->attestation_level) && d->attestation_level <= STRONGBOX &&
           der_u32(&seq, DER_INTEGER, &keymint) && der_u32(&seq, DER_ENUM, &d->key_level) &&
           d->key_level <= STRONGBOX && der_take(&seq, DER_OCTETS, &d->challenge) &&
           der_take(&seq, DER_OCTETS, &unique) && der_take(&seq, DER_SEQUENCE, &software) &&
           der_take(&seq, DER_SEQUENCE, &hardware) && seq.n == 0 && authorizations(software, NULL) &&
           authorizations(hardware, d);
}

/* --- the list of serials --- */

static bool next_line(struct vl_span *at, struct vl_span *ret) {
    size_t n = 0;
    if (at->n == 0) return false;
    while (n < at->n && at->p[n] != '\n') n++;
    *ret = vl_span(at->p, n);
    *at = n < at->n ? vl_span(at->p + n + 1, at->n - n - 1) : vl_span(NULL, 0);
    return true;
}
static bool serial_list(struct vl_span list) {
    struct vl_span line;
    while (next_line(&list, &line)) {
        if (line.n == 0 || line.n > 2 * SERIAL_MAX || (line.p[0] == '0' && line.n > 1)) return false;
        for (size_t i = 0; i < line.n; i++)
            if (!(line.p[i] >= '0' && line.p[i] <= '9') && !(line.p[i] >= 'a' && line.p[i] <= 'f')) return false;
    }
    return true;
}
static bool on_list(struct vl_span list, const struct crypto_x509 *c) {
    char text[2 * SERIAL_MAX];
    struct vl_span serial = crypto_x509_serial(c), line;
    size_t n = 0;
    if (serial.n > SERIAL_MAX) return true; /* no such serial may be issued (RFC 5280, 4.1.2.2) */
    for (size_t i = 0; i < 2 * serial.n; i++) {
        unsigned nibble = serial.p[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15;
        if (n > 0 || nibble != 0) text[n++] = "0123456789abcdef"[nibble];
    }
    while (next_line(&list, &line))
        if (vl_span_eq(line, vl_span(text, n))) return true;
    return false;
}

/* --- the verdict --- */

static const char *chain(const struct attest_input *in, const struct crypto_x509_pool *pool, struct attest_result *r) {
    /* Google revokes by its own list, not by those of RFC 5280. */
    struct attest_policy policy = *in->policy;
    struct attest_input input = *in;
    struct crypto_x509_path path;
    struct vl_span v;
    policy.need_crl = false;
    input.policy = &policy;
    if (in->policy->need_crl && in->collateral[0].n == 0) return "no list of revoked serial numbers";
    if (!serial_list(in->collateral[0])) return "malformed list of revoked serial numbers";
    if (!attest_chain(&input, ATTEST_ANDROID, crypto_x509_pool_get(pool, 0), pool, true, r, &path))
        return r->genuine.why;
    if (path.n < 2) return "the root itself made the key";
    for (size_t i = 0; i < path.n; i++) {
        if (on_list(in->collateral[0], path.cert[i])) {
            r->revoked = true;
            return "a certificate is on the list of revoked serial numbers";
        }
        /* An attested key may sign what it likes; such a certificate is no attestation. */
        if (i > 0 && crypto_x509_extension(path.cert[i], OID_KEY_DESCRIPTION, &v) != VL_ENOTFOUND)
            return "issued by a key that is itself attested";
    }
    /* The leaf's key is another for each attestation; the one that signed it belongs to the phone. */
    crypto_x509_key_hash(path.cert[1], r->device);
    r->device_n = 32;
    return NULL;
}

static void state(const struct attest_input *in, const struct description *d, struct attest_result *r) {
    bool verified = d->locked && d->boot_state == BOOT_VERIFIED;
    const char *why = "locked, and booted what the vendor signed";
    if (!d->locked)
        why = "the bootloader is unlocked";
    else if (!verified)
        why = "booted something the vendor did not sign";
    attest_set(&r->debug, verified ? ATTEST_NO : ATTEST_YES, why);
    r->secure_boot = verified ? ATTEST_YES : ATTEST_NO;
    uint32_t least = in->policy->android_patch_minimum;
    if (least == 0) return;
    r->tcb = d->patch >= least ? ATTEST_TCB_UP_TO_DATE : ATTEST_TCB_NO_MATCH;
    r->tcb_why = d->patch >= least ? "at least the minimum of the policy" : "patch level below the minimum of the policy";
}

static const char *verify(const struct attest_input *in, struct crypto_x509_pool *pool, struct attest_result *r) {
    struct vl_span extension;
    struct description d;
    uint8_t key[32];
    if (crypto_x509_pool_add(pool, in->evidence) != VL_OK) return "malformed certificates";
    const struct crypto_x509 *leaf = crypto_x509_pool_get(pool, 0);
    if (leaf == NULL || crypto_x509_extension(leaf, OID_KEY_DESCRIPTION, &extension) != VL_OK)
        return "the certificate does not describe a key";
    if (!read_description(extension, &d)) return "malformed description of the key";
    const char *why = chain(in, pool, r);
    if (why != NULL) return why;
    if (d.attestation_level == SOFTWARE || d.key_level == SOFTWARE) return "made by software";
    if (!d.has_root) return "hardware says nothing of how the phone booted";
    if (!d.has_origin || d.origin != ORIGIN_GENERATED) r->refused = "the key was not made in the hardware";
    r->version = d.version;
    attest_copy(r->report_data, &r->report_data_n, d.challenge);
    attest_copy(r->measurement, &r->measurement_n, d.boot_hash);
    state(in, &d, r);
    attest_fresh_exact(in, d.challenge, r);
    crypto_x509_key_hash(leaf, key);
    attest_key(in, vl_span(key, sizeof key), r);
    attest_measured(in, r);
    return NULL;
}

void attest_android(const struct attest_input *in, struct attest_result *r) {
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    const char *why = pool == NULL ? "out of memory" : verify(in, pool, r);
    crypto_x509_pool_destroy(pool);
    if (why != NULL)
        attest_no(r, why);
    else
        attest_yes(r);
}
