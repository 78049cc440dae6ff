/* topology_roll.h - core: a draw as a file that anybody checks alone.  In it are the roll of the epoch with the seed of its draws, the
 * seal of the coordinator under both, and the certificate of one member.  From these the verifier draws the neighbours again, as
 * trust/topology.h does.
 *
 * What a file shows: the coordinator of that village sealed this roll and this seed for this epoch, and under them these are the
 * neighbours of this node, and no others.  What it does not show: that the coordinator sealed no second roll for the same epoch (two
 * files of one epoch whose roll differs convict it), that the weights in the roll are deserved, or that it is still the epoch now.
 * Pure; every reader is total. */
#ifndef VL_TRUST_TOPOLOGY_ROLL_H
#define VL_TRUST_TOPOLOGY_ROLL_H

#include "base/bytes.h"
#include "crypto/sign.h"
#include "trust/topology.h"
#include "wire/cert.h"
#include "wire/pack.h"

#define TOPOLOGY_FILE_MEMBERS 12000u /* of a roll in a file: 69 bytes each, below ARMOR_BYTES_MAX */
#define TOPOLOGY_FILE_LABEL "VILLAGE NEIGHBOURS"

/* Of the coordinator, under roll and seed of one epoch. */
struct topology_seal {
    uint8_t cert[CERT_BYTES_MAX]; /* its certificate by the root key; as long as it says */
    size_t cert_n;
    uint8_t signature[CRYPTO_SIGNATURE];
};

/* cert: the coordinator's own, encoded.  VL_ERANGE: an epoch that is gone, or a certificate too long. */
VL_MUST_CHECK enum vl_err topology_seal_make(const struct topology *t, uint64_t epoch, struct village_id village,
                                             const struct crypto_sign_key *key, struct vl_span cert, struct topology_seal *ret);
/* Whether the coordinator of `village` sealed what t holds of that epoch; ret_signer may be NULL.  VL_ERANGE: an epoch that is gone.
 * VL_EPARSE, VL_EVERSION, VL_EDENIED (another village, or no coordinator), VL_ECRYPTO: why says what.  The end of its certificate is
 * not looked at: a file of last year is still true of last year. */
VL_MUST_CHECK enum vl_err topology_seal_check(const struct topology *t, uint64_t epoch, struct village_id village,
                                              const struct topology_seal *seal, struct vl_node_id *ret_signer, struct vl_errmsg *why);
void topology_seal_pack(const struct topology_seal *seal, struct pack *w);
void topology_seal_unpack(struct vl_reader *r, struct topology_seal *ret); /* fails the reader */

/* Village, roll, seed, seal and a certificate, as they stand in files. */
struct topology_proof {
    struct village_id village;
    struct topology *t; /* holds this one epoch */
    struct topology_cert cert;
    struct topology_seal seal;
    struct vl_node_id coordinator;
    uint32_t members; /* of the roll */
    uint32_t n;
    struct vl_node_id neighbour[TOPOLOGY_NEIGHBOURS];
};
/* VL_ERANGE: an epoch that is gone.  VL_ELIMIT: more than TOPOLOGY_FILE_MEMBERS (noted in w as well). */
VL_MUST_CHECK enum vl_err topology_proof_pack(const struct topology *t, struct village_id village, const struct topology_cert *cert,
                                              const struct topology_seal *seal, struct pack *w);
/* Reads and checks all of it.  On success free it.  Errors of topology_seal_check() and topology_check(); VL_ENOMEM. */
VL_MUST_CHECK enum vl_err topology_proof_unpack(struct vl_reader *r, struct topology_proof *ret, struct vl_errmsg *why);
void topology_proof_free(struct topology_proof *p);

/* The file of a certificate of role NEIGHBOUR, armoured; appends to out.  VL_EDENIED: another role.  Errors of the above. */
VL_MUST_CHECK enum vl_err neighbours_artefact_make(const struct topology *t, struct village_id village, const struct topology_cert *cert,
                                                   const struct topology_seal *seal, struct vl_buf *out);
/* The bytes inside of the armour.  On success free the proof. */
VL_MUST_CHECK enum vl_err neighbours_artefact_check(struct vl_span bytes, struct topology_proof *ret, struct vl_errmsg *why);

#endif
