#include "trust/topology_roll.h"

#include "crypto/hash.h"
#include "trust/roster.h"
#include "trust/signing.h"
#include "trust/topology_priv.h"
#include "wire/armor.h"

#include <stdlib.h>

#define SEAL_CONTEXT "village-roll-1:"
enum { TAG_NEIGHBOURS = 0xa1, NEIGHBOURS_VERSION = 1 };

static struct vl_hash seed_for(const struct topology *t, uint64_t epoch) {
    return t->seed[(epoch + TOPOLOGY_SEEDS - TOPOLOGY_LOOKBACK) % TOPOLOGY_SEEDS];
}

/* What is sealed: the village keeps rolls of two villages apart that have the same members. */
static struct vl_hash roll_digest(const struct topology *t, const struct topology_roll *roll, uint64_t epoch, struct village_id village) {
    struct vl_hash seed = seed_for(t, epoch), digest;
    struct crypto_blake2b h;
    uint8_t number[8];
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, village.b, sizeof village.b);
    vl_put_u64(number, epoch);
    crypto_blake2b_update(&h, number, 8);
    crypto_blake2b_update(&h, seed.b, sizeof seed.b);
    vl_put_u32(number, roll->n);
    crypto_blake2b_update(&h, number, 4);
    for (uint32_t i = 0; i < roll->n; i++) {
        const struct topology_entry *e = &roll->entry[i];
        crypto_blake2b_update(&h, e->node.b, sizeof e->node.b);
        crypto_blake2b_update(&h, &e->vrf.suite, 1);
        crypto_blake2b_update(&h, e->vrf.key, sizeof e->vrf.key);
        vl_put_u32(number, e->weight);
        crypto_blake2b_update(&h, number, 4);
    }
    crypto_blake2b_final(&h, &digest);
    return digest;
}

enum vl_err topology_seal_make(const struct topology *t, uint64_t epoch, struct village_id village, const struct crypto_sign_key *key,
                               struct vl_span cert, struct topology_seal *ret) {
    const struct topology_roll *roll = topology_roll_of(t, epoch);
    if (roll == NULL || cert.n > sizeof ret->cert) return VL_ERANGE;
    struct vl_hash digest = roll_digest(t, roll, epoch, village);
    *ret = (struct topology_seal){ .cert_n = cert.n };
    memcpy(ret->cert, cert.p, cert.n);
    return crypto_sign_message(key, SEAL_CONTEXT, vl_span(digest.b, sizeof digest.b), ret->signature);
}

enum vl_err topology_seal_check(const struct topology *t, uint64_t epoch, struct village_id village, const struct topology_seal *seal,
                                struct vl_node_id *ret_signer, struct vl_errmsg *why) {
    const struct topology_roll *roll = topology_roll_of(t, epoch);
    struct vl_span encoded = vl_span(seal->cert, seal->cert_n);
    struct cert cert;
    if (roll == NULL) return vl_errmsg_set(why, VL_ERANGE, "the roll of that epoch is gone");
    enum vl_err err = cert_decode(encoded, &cert);
    if (err) return vl_errmsg_set(why, err, "who sealed the roll has no certificate that can be read");
    if (!village_eq(village_id_of(cert.root), village))
        return vl_errmsg_set(why, VL_EDENIED, "who sealed the roll belongs to another village");
    if (!(cert.roles & CERT_COORDINATOR)) return vl_errmsg_set(why, VL_EDENIED, "who sealed the roll is not the coordinator");
    if (cert_verify(&cert, encoded)) return vl_errmsg_set(why, VL_ECRYPTO, "the coordinator's certificate is not signed by the village's root key");
    struct vl_hash digest = roll_digest(t, roll, epoch, village);
    err = crypto_verify_message(cert.node.b, SEAL_CONTEXT, vl_span(digest.b, sizeof digest.b), seal->signature);
    if (err) return vl_errmsg_set(why, err, "the coordinator did not seal this roll and this seed for that epoch");
    if (ret_signer) *ret_signer = cert.node;
    return VL_OK;
}

void topology_seal_pack(const struct topology_seal *seal, struct pack *w) {
    pack_span16(w, vl_span(seal->cert, seal->cert_n));
    pack_bytes(w, seal->signature, sizeof seal->signature);
}

void topology_seal_unpack(struct vl_reader *r, struct topology_seal *ret) {
    struct vl_span cert = unpack_span16(r, sizeof ret->cert);
    *ret = (struct topology_seal){ .cert_n = cert.n };
    if (cert.n > 0) memcpy(ret->cert, cert.p, cert.n);
    vl_read_bytes(r, ret->signature, sizeof ret->signature);
}

enum vl_err topology_proof_pack(const struct topology *t, struct village_id village, const struct topology_cert *cert,
                                const struct topology_seal *seal, struct pack *w) {
    const struct topology_roll *roll = topology_roll_of(t, cert->epoch);
    uint8_t encoded[TOPOLOGY_CERT_BYTES];
    if (roll == NULL) return VL_ERANGE;
    if (roll->n > TOPOLOGY_FILE_MEMBERS) {
        pack_fail(w, VL_ELIMIT);
        return VL_ELIMIT;
    }
    struct vl_hash seed = seed_for(t, cert->epoch);
    pack_bytes(w, village.b, sizeof village.b);
    pack_u64(w, cert->epoch);
    pack_bytes(w, seed.b, sizeof seed.b);
    pack_u32(w, roll->n);
    for (uint32_t i = 0; i < roll->n; i++) {
        pack_bytes(w, roll->entry[i].node.b, sizeof roll->entry[i].node.b);
        pack_u8(w, roll->entry[i].vrf.suite);
        pack_bytes(w, roll->entry[i].vrf.key, sizeof roll->entry[i].vrf.key);
        pack_u32(w, roll->entry[i].weight);
    }
    topology_seal_pack(seal, w);
    topology_cert_encode(cert, encoded);
    pack_bytes(w, encoded, sizeof encoded);
    return VL_OK;
}

/* In the order of node ids, each once. */
static bool read_entries(struct vl_reader *r, struct topology_roll *roll) {
    for (uint32_t i = 0; i < roll->n; i++) {
        struct topology_entry *e = &roll->entry[i];
        vl_read_bytes(r, e->node.b, sizeof e->node.b);
        e->vrf.suite = vl_read_u8(r);
        vl_read_bytes(r, e->vrf.key, sizeof e->vrf.key);
        e->weight = vl_read_u32(r);
        e->counts = e->weight > 0;
        roll->total += e->weight;
        if (i > 0 && memcmp(roll->entry[i - 1].node.b, e->node.b, sizeof e->node.b) >= 0) return false;
    }
    return !r->failed;
}

static enum vl_err proof_read(struct vl_reader *r, struct topology_proof *p, struct vl_errmsg *why) {
    struct vl_hash none = { { 0 } }, seed;
    struct vl_span cert;
    vl_read_bytes(r, p->village.b, sizeof p->village.b);
    uint64_t epoch = unpack_u64_in(r, TOPOLOGY_LOOKBACK, UINT64_MAX / TOPOLOGY_EPOCH_MS);
    vl_read_bytes(r, seed.b, sizeof seed.b);
    p->members = unpack_u32_in(r, 1, TOPOLOGY_FILE_MEMBERS);
    if (r->failed || r->n / 69 < p->members) return vl_errmsg_set(why, VL_EPARSE, "the roll is cut off, empty or too long");
    p->t = topology_create(1, &none, epoch);
    if (p->t == NULL) return VL_ENOMEM;
    struct topology_roll *roll = &p->t->roll[epoch % TOPOLOGY_ROLLS];
    roll->entry = calloc(p->members, sizeof *roll->entry);
    if (roll->entry == NULL) return VL_ENOMEM;
    roll->n = p->members;
    p->t->seed[(epoch + TOPOLOGY_SEEDS - TOPOLOGY_LOOKBACK) % TOPOLOGY_SEEDS] = seed;
    if (!read_entries(r, roll)) return vl_errmsg_set(why, VL_EPARSE, "the roll is cut off or not in order");
    topology_seal_unpack(r, &p->seal);
    cert = vl_read_span(r, TOPOLOGY_CERT_BYTES);
    if (r->failed) return vl_errmsg_set(why, VL_EPARSE, "seal or certificate are cut off");
    enum vl_err err = topology_seal_check(p->t, epoch, p->village, &p->seal, &p->coordinator, why);
    if (err == VL_OK) err = topology_check(p->t, cert, &p->cert, why);
    if (err == VL_OK && p->cert.epoch != epoch) err = vl_errmsg_set(why, VL_ESTALE, "the certificate is of another epoch than the roll");
    if (err == VL_OK) p->n = topology_neighbours(p->t, &p->cert, p->neighbour);
    return err;
}

enum vl_err topology_proof_unpack(struct vl_reader *r, struct topology_proof *ret, struct vl_errmsg *why) {
    *ret = (struct topology_proof){ .t = NULL };
    enum vl_err err = proof_read(r, ret, why);
    if (err) topology_proof_free(ret);
    return err;
}

void topology_proof_free(struct topology_proof *p) {
    topology_destroy(p->t);
    p->t = NULL;
}

enum vl_err neighbours_artefact_make(const struct topology *t, struct village_id village, const struct topology_cert *cert,
                                     const struct topology_seal *seal, struct vl_buf *out) {
    struct vl_buf bytes;
    if (cert->role != TOPOLOGY_NEIGHBOUR) return VL_EDENIED;
    vl_buf_init(&bytes, ARMOR_BYTES_MAX);
    struct pack w = pack_message(&bytes, TAG_NEIGHBOURS, NEIGHBOURS_VERSION);
    enum vl_err err = topology_proof_pack(t, village, cert, seal, &w), end = pack_end(&w);
    if (err == VL_OK) err = end;
    if (err == VL_OK) err = armor_write(TOPOLOGY_FILE_LABEL, vl_span(bytes.p, bytes.len), out);
    vl_buf_free(&bytes);
    return err;
}

enum vl_err neighbours_artefact_check(struct vl_span bytes, struct topology_proof *ret, struct vl_errmsg *why) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    *ret = (struct topology_proof){ .t = NULL };
    enum vl_err err = unpack_message(&r, TAG_NEIGHBOURS, NEIGHBOURS_VERSION);
    if (err) return vl_errmsg_set(why, err, "this is no certificate of neighbours of a version known here");
    err = topology_proof_unpack(&r, ret, why);
    if (err) return err;
    if (ret->cert.role != TOPOLOGY_NEIGHBOUR)
        err = vl_errmsg_set(why, VL_EDENIED, "the certificate is a draw for something else");
    else if (vl_reader_end(&r))
        err = vl_errmsg_set(why, VL_EPARSE, "there are bytes behind the certificate");
    if (err) topology_proof_free(ret);
    return err;
}
