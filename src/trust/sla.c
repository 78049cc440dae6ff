#include "trust/sla.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "trust/roster.h"
#include "trust/signing.h"
#include "wire/armor.h"
#include "wire/pack.h"

#include <inttypes.h>
#include <stdio.h>

enum { TAG_SLA = 0xa8, VERSION = 1 };
enum { ANSWERED, ASKED, EPOCHS, LATENCY, STORED };
#define PURPOSE "service level"
#define ABOUT "availability, epochs "

static const struct {
    const char *name;
    uint8_t bits;
} attrs[SLA_ATTRS] = { { "answered", 32 }, { "asked", 32 }, { "epochs", 32 }, { "latency_ms", 48 }, { "stored", 32 } };

void sla_values(const struct sla_counters *n, uint64_t ret[SLA_ATTRS]) {
    ret[ANSWERED] = n->answered;
    ret[ASKED] = n->asked;
    ret[EPOCHS] = n->epochs;
    ret[LATENCY] = n->latency_ms;
    ret[STORED] = n->stored;
}

enum vl_err sla_credential_issue(struct zk_credential *c, const struct crypto_sign_key *issuer, const struct zk_gens *g,
                                 const struct sla_counters *n, struct vl_node_id holder, vl_ms from_ms, vl_ms until_ms,
                                 const uint8_t (*blind)[32]) {
    uint64_t value[SLA_ATTRS];
    *c = (struct zk_credential){ .holder = holder, .from_ms = from_ms, .until_ms = until_ms, .n = SLA_ATTRS };
    (void)snprintf(c->about, sizeof c->about, ABOUT "%" PRIu64 "-%" PRIu64, n->first_epoch, n->last_epoch);
    for (unsigned i = 0; i < SLA_ATTRS; i++) {
        (void)snprintf(c->attr[i].name, sizeof c->attr[i].name, "%s", attrs[i].name);
        c->attr[i].bits = attrs[i].bits;
    }
    sla_values(n, value);
    return zk_credential_issue(c, issuer, g, value, blind);
}

enum vl_err sla_predicate(const struct sla_claim *claim, struct vl_node_id issuer, struct vl_buf *out) {
    char id[65];
    if (claim->answered_ppm < 1 || claim->answered_ppm > SLA_PPM || claim->least_asked < 1) return VL_ERANGE;
    vl_hex_encode(issuer.b, 32, id);
    enum vl_err err = vl_buf_printf(out, "issuer %s\nattribute answered : 32\nattribute asked : 32\n%sprove answered * 1000000 >= asked * %u and asked >= %u", id,
                                    claim->mean_ms ? "attribute latency_ms : 48\n" : "", claim->answered_ppm, claim->least_asked);
    if (err == VL_OK && claim->mean_ms) err = vl_buf_printf(out, " and latency_ms <= answered * %u", claim->mean_ms);
    if (err == VL_OK) err = vl_buf_printf(out, "\n");
    return err;
}

static enum vl_err program_of(const struct sla_claim *claim, struct vl_node_id issuer, struct zk_program **ret, struct vl_errmsg *why) {
    struct vl_buf text;
    struct zk_diag diag;
    vl_buf_init(&text, 1024);
    enum vl_err err = sla_predicate(claim, issuer, &text);
    if (err)
        (void)vl_errmsg_set(why, err, "the claim says nothing: a share of 1 to 1000000 ppm, and at least one challenge");
    else if ((err = zk_compile(vl_span(text.p, text.len), NULL, 0, ret, &diag)) != VL_OK)
        (void)vl_errmsg_set(why, err, "%s", diag.msg.text);
    vl_buf_free(&text);
    return err;
}

enum vl_err sla_artefact_make(struct zk_kit *kit, const struct sla_claim *claim, const struct sla_making *in, struct vl_buf *out,
                              struct vl_errmsg *msg) {
    static const unsigned from[] = { ANSWERED, ASKED, LATENCY };
    struct zk_context context = { .purpose = PURPOSE };
    struct zk_program *program = NULL;
    uint64_t value[3];
    uint8_t blind[3][32];
    struct vl_buf proof, bytes;
    enum vl_err err = program_of(claim, in->credential->issuer, &program, msg);
    if (err) return err;
    for (unsigned i = 0; i < 3; i++) {
        value[i] = in->value[from[i]];
        memcpy(blind[i], in->blind[from[i]], 32);
    }
    struct zk_proving p = { .program = program, .credential = in->credential, .value = value, .blind = (const uint8_t(*)[32])blind,
                            .holder = in->holder, .context = &context };
    memcpy(p.random, in->random, 32);
    vl_buf_init(&proof, ZK_ARTEFACT_MAX);
    vl_buf_init(&bytes, ARMOR_BYTES_MAX);
    err = zk_prove(kit, &p, &proof, msg);
    if (err == VL_OK) {
        struct pack w = pack_message(&bytes, TAG_SLA, VERSION);
        pack_u32(&w, claim->answered_ppm);
        pack_u32(&w, claim->least_asked);
        pack_u32(&w, claim->mean_ms);
        pack_span16(&w, in->issuer_cert);
        pack_span32(&w, vl_span(proof.p, proof.len));
        err = pack_end(&w);
    }
    if (err == VL_OK) err = armor_write(SLA_LABEL, vl_span(bytes.p, bytes.len), out);
    crypto_wipe(value, sizeof value);
    crypto_wipe(blind, sizeof blind);
    crypto_wipe(p.random, sizeof p.random);
    vl_buf_free(&proof);
    vl_buf_free(&bytes);
    zk_program_destroy(program);
    return err;
}

static enum vl_err issuer_of(struct vl_span encoded, struct sla_verdict *v, struct vl_errmsg *why) {
    struct cert cert;
    enum vl_err err = cert_decode(encoded, &cert);
    if (err) return vl_errmsg_set(why, err, "who signed the counters has no certificate that can be read");
    if (!(cert.roles & CERT_COORDINATOR)) return vl_errmsg_set(why, VL_EDENIED, "who signed the counters is not the coordinator");
    if (cert_verify(&cert, encoded)) return vl_errmsg_set(why, VL_ECRYPTO, "the coordinator's certificate is not signed by the village's root key");
    v->village = village_id_of(cert.root);
    v->coordinator = cert.node;
    return VL_OK;
}

static enum vl_err proof_check(struct zk_kit *kept, struct vl_span proof, vl_ms at_ms, const struct vl_hash *program, struct sla_verdict *v, struct vl_errmsg *why) {
    struct zk_policy policy = { .program = program, .issuer = &v->coordinator, .n_issuers = 1, .at_ms = at_ms };
    struct zk_context any = { .purpose = PURPOSE };
    struct zk_verdict said;
    struct vl_hash seed;
    /* weights of the check follow from the bytes that are checked: whoever changes these changes them */
    crypto_blake2b256(proof, &seed);
    struct zk_kit *kit = kept ? kept : zk_kit_create(seed.b);
    if (kit == NULL) return VL_ENOMEM;
    policy.context = &any;
    enum vl_err err = zk_verify(kit, proof, &policy, &said);
    if (kept == NULL) zk_kit_destroy(kit);
    if (err) return vl_errmsg_set(why, err, "%s", said.reason.text);
    /* a village's coordinator may sign counters of other kinds under the same names */
    if (strncmp(said.about, ABOUT, sizeof ABOUT - 1) != 0) return vl_errmsg_set(why, VL_EDENIED, "what was signed are no counters of availability");
    struct vl_node_id nobody = { { 0 } };
    if (vl_node_eq(said.holder, nobody)) return vl_errmsg_set(why, VL_EDENIED, "the counters were signed for nobody");
    v->node = said.holder;
    v->from_ms = said.from_ms;
    v->until_ms = said.until_ms;
    memcpy(v->about, said.about, sizeof v->about);
    return VL_OK;
}

enum vl_err sla_artefact_check(struct vl_span bytes, vl_ms at_ms, struct sla_verdict *ret, struct vl_errmsg *why) {
    return sla_artefact_check_with(NULL, bytes, at_ms, ret, why);
}

enum vl_err sla_artefact_check_with(struct zk_kit *kit, struct vl_span bytes, vl_ms at_ms, struct sla_verdict *ret, struct vl_errmsg *why) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    struct sla_verdict v = { .from_ms = 0 };
    struct zk_program *program = NULL;
    *ret = v;
    enum vl_err err = unpack_message(&r, TAG_SLA, VERSION);
    if (err) return vl_errmsg_set(why, err, "this is no proof of a service level of a version known here");
    v.claim.answered_ppm = vl_read_u32(&r);
    v.claim.least_asked = vl_read_u32(&r);
    v.claim.mean_ms = vl_read_u32(&r);
    struct vl_span cert = unpack_span16(&r, CERT_BYTES_MAX), proof = unpack_span32(&r, ZK_ARTEFACT_MAX);
    if (vl_reader_end(&r)) return vl_errmsg_set(why, VL_EPARSE, "the file is cut off, or something follows it");
    err = issuer_of(cert, &v, why);
    if (err == VL_OK) err = program_of(&v.claim, v.coordinator, &program, why);
    if (err) return err;
    struct vl_hash id = zk_program_id(program);
    err = proof_check(kit, proof, at_ms, &id, &v, why);
    zk_program_destroy(program);
    if (err == VL_OK) *ret = v;
    return err;
}
