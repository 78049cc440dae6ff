#include "trust/verify_time.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/timestamp.h"
#include "trust/ots.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- OpenTimestamps --------------------------------------------------------------------------------------------------- */

enum { HEADER = 80, HEADER_ROOT = 36, HEADER_TIME = 68, HEADER_BITS = 72 };

bool verify_ots_is(struct vl_span bytes) { return bytes.n > 16 && memcmp(bytes.p, "\0OpenTimestamps\0", 16) == 0; }

static uint32_t le32(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

/* Whether the hash, a little-endian number, is at most the target of the header's bits: 24 bits of mantissa, 8 of exponent in bytes; and
 * the target one that Bitcoin's main chain allows, 2^32 hashes at least: an easier block costs a forger nothing. */
static bool work_done(const uint8_t hash[32], uint32_t bits) {
    uint32_t exponent = bits >> 24, mantissa = bits & 0x7fffff;
    uint8_t target[32] = { 0 };
    if ((bits & 0x800000) != 0 || mantissa == 0 || exponent < 3 || exponent > 32) return false;
    for (unsigned i = 0; i < 3; i++) target[exponent - 3 + i] = (uint8_t)(mantissa >> 8 * i);
    for (unsigned i = 28; i < 32; i++)
        if (target[i] != 0) return false;
    for (unsigned i = 32; i-- > 0;)
        if (hash[i] != target[i]) return hash[i] < target[i];
    return true;
}

static bool header_good(struct verdict *v, const struct verify_query *q, uint8_t id[32]) {
    uint8_t once[32], twice[32];
    if (q->header.n != HEADER) return verdict_refuse(v, "the header of a Bitcoin block has 80 bytes, that given has %zu", q->header.n);
    crypto_sha256(q->header, once);
    crypto_sha256(vl_span(once, 32), twice);
    if (!work_done(twice, le32(q->header.p + HEADER_BITS)))
        return verdict_refuse(v, "the header given is no block: its hash is above the target that it names");
    for (unsigned i = 0; i < 32; i++) id[i] = twice[31 - i]; /* as block explorers write it */
    return true;
}

static const struct ots_attestation *in_block(const struct ots *o, const uint8_t *root) {
    for (uint32_t i = 0; i < o->n; i++)
        if (o->at[i].kind == OTS_BITCOIN && o->at[i].computed && o->at[i].message_n == 32 && memcmp(o->at[i].message, root, 32) == 0) return &o->at[i];
    return NULL;
}

static void ots_facts(struct verdict *v, const struct ots *o) {
    static const char *const name[] = {
        [OTS_UNKNOWN] = "unknown", [OTS_PENDING] = "pending", [OTS_BITCOIN] = "bitcoin", [OTS_LITECOIN] = "litecoin", [OTS_ETHEREUM] = "ethereum"
    };
    for (uint32_t i = 0; i < o->n; i++) {
        const struct ots_attestation *a = &o->at[i];
        if (a->kind == OTS_PENDING)
            verdict_fact(v, "pending", "%.*s", (int)a->uri.n, a->uri.p ? (const char *)a->uri.p : "");
        else if (a->kind != OTS_UNKNOWN)
            verdict_fact(v, name[a->kind], "block %" PRIu64 "%s", a->height, a->computed ? "" : " (behind an operation not computed here)");
    }
}

static bool ots_judge(struct verdict *v, const struct verify_query *q, const struct ots *o) {
    uint8_t id[32];
    char when[VERDICT_TIME], text[65];
    ots_facts(v, o);
    if (!q->has_file) return verdict_refuse(v, "give the file that was stamped (--file): without it nothing is proved");
    if (memcmp(q->sha256, o->digest, 32) != 0) return verdict_refuse(v, "it is for another file than the one given");
    if (q->header.n == 0) {
        for (uint32_t i = 0; i < o->n; i++)
            if (o->at[i].kind == OTS_BITCOIN && o->at[i].computed)
                return verdict_refuse(v,
                                      "it leads to Bitcoin block %" PRIu64 ", whose header is needed: give its 80 bytes with --header; nothing here trusts "
                                      "a server for it",
                                      o->at[i].height);
        return verdict_refuse(v, "no block of Bitcoin attests it yet: calendars have to complete it (ots upgrade)");
    }
    if (!header_good(v, q, id)) return false;
    const struct ots_attestation *a = in_block(o, q->header.p + HEADER_ROOT);
    if (a == NULL) return verdict_refuse(v, "the header given is not that of a block this file leads to");
    uint64_t time_s = le32(q->header.p + HEADER_TIME);
    verdict_time(time_s * 1000, when);
    vl_hex_encode(id, 32, text);
    verdict_fact(v, "block_height", "%" PRIu64, a->height);
    verdict_fact(v, "block_hash", "%s", text);
    verdict_fact(v, "block_time_s", "%" PRIu64, time_s);
    verdict_proves(v, "The file given existed when the Bitcoin block %s was made.", text);
    verdict_whom(v, "To whoever knows that this block is in the chain: compare its hash with what a node of Bitcoin says about block %" PRIu64 ".",
                 a->height);
    verdict_as_of(v, "%s, the block's time, which may be two hours off.", when);
    verdict_not(v, "That the block is in the chain with the most work: a header alone shows only the work of one block.");
    verdict_not(v, "Who made the file, or that it did not exist before.");
    return true;
}

void verify_ots(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct ots *o = malloc(sizeof *o);
    enum vl_err err = o != NULL ? ots_parse(bytes, o) : VL_ENOMEM;
    if (err == VL_ENOMEM)
        verdict_refuse(v, "out of memory");
    else if (err == VL_EVERSION || err == VL_EUNSUPPORTED)
        verdict_refuse(v, err == VL_EVERSION ? "it is of another major version of OpenTimestamps" : "its digest is not SHA-256");
    else if (err)
        verdict_refuse(v, "it is a damaged OpenTimestamps file");
    else if (ots_judge(v, q, o))
        verdict_yes(v);
    free(o);
}

/* ---- RFC 3161 --------------------------------------------------------------------------------------------------------- */

bool verify_rfc3161_is(struct vl_span bytes) { return timestamp_is(bytes); }

static bool of_file(const struct verify_query *q, const struct timestamp *t) {
    switch (t->hash) {
    case TIMESTAMP_SHA256: return memcmp(q->sha256, t->imprint, 32) == 0;
    case TIMESTAMP_SHA384: return memcmp(q->sha384, t->imprint, 48) == 0;
    case TIMESTAMP_SHA512: return memcmp(q->sha512, t->imprint, 64) == 0;
    }
    return false;
}

static void rfc3161_facts(struct verdict *v, const struct timestamp *t) {
    verdict_fact(v, "time_s", "%" PRIu64, t->time_s);
    if (t->accuracy_ms) verdict_fact(v, "accuracy_ms", "%" PRIu64, t->accuracy_ms);
    verdict_fact(v, "policy", "%s", t->policy);
    verdict_fact(v, "serial", "%s", t->serial);
    if (t->signer[0]) verdict_fact(v, "signer", "%s", t->signer);
}

void verify_rfc3161(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct timestamp t;
    const char *why = "it is no time-stamp";
    char when[VERDICT_TIME];
    enum vl_err err = timestamp_check(bytes, q->ca, &t, &why);
    if (err) {
        verdict_refuse(v, "%s", why);
        return;
    }
    rfc3161_facts(v, &t);
    if (!q->has_file) {
        verdict_refuse(v, "give the file that was stamped (--file): without it nothing is proved");
        return;
    }
    if (!of_file(q, &t)) {
        verdict_refuse(v, "it is for another file than the one given");
        return;
    }
    if (t.time_s > vl_ms_add(q->at_ms, VERIFY_SKEW_MS) / 1000) {
        verdict_refuse(v, "it is later than the time of judging");
        return;
    }
    verdict_time(t.time_s * 1000, when);
    verdict_proves(v, "An authority for time-stamps, \"%s\", signed that the file given existed at %s.", t.signer, when);
    verdict_whom(v, "To whoever trusts the roots given with --root to certify authorities, and that authority's clock and keys.");
    verdict_as_of(v, "%s.", when);
    verdict_not(v, "That the authority's certificate was not revoked: no list is fetched or asked for.");
    verdict_not(v, "Who made the file, or that it did not exist before.");
    verdict_yes(v);
}
