/* tee.h - trusted execution of one node (TRU-07): what its machine has to prove where it runs with (os/tee.h), contexts that
 * are made for a program and a job, and evidence that is bound to node, channel, job and program (trust/attest_bind.h).
 *
 * All but tees_list() blocks, up to seconds, on hardware that serves one at a time: call it on the pool, never on a loop's
 * thread.  Thread-safe: one caller at a time is with the hardware, tees_list() waits for nobody.
 *
 * What the hardware signs, exactly:
 *   report_data = SHA-512("fog-attest-v1" || u32 length of n || n || node key [32] || channel binding [32])
 *   n = nonce [32] without a job and program, else SHA-256("village-attest-job-v1" || nonce [32] || job [16] || program [32])
 *   program = BLAKE2b-256 of the module; with a configuration c of at least one byte
 *             BLAKE2b-256("village-tee-program-v1" || BLAKE2b-256 of the module || BLAKE2b-256(c))
 * Offline the binding is 32 zeros.  A TPM, whose field is shorter, signs SHA-256(report_data).  Whoever relays evidence has
 * another key or channel; whoever runs another program, or the same with another configuration, has another n. */
#ifndef VL_NODE_TEE_H
#define VL_NODE_TEE_H

#include "base/id.h"
#include "base/ms.h"
#include "os/tee.h"
#include "wire/attestation.h"

#define TEES_MAX 16u /* contexts open at a time */

struct tees; /* opaque: locks, and a list of contexts */
struct tees_config {
    struct tee_config machine; /* copied, strings too */
    struct vl_node_id node;    /* in every report_data; its seed, when known, in machine.seed */
};
/* Touches no hardware.  VL_ENOMEM.  VL_ERANGE: a path is too long. */
VL_MUST_CHECK enum vl_err tees_create(const struct tees_config *cfg, struct tees **ret, struct vl_errmsg *msg);
/* Closes all contexts; nobody else may be inside.  NULL is a no-op. */
void tees_destroy(struct tees *t);
/* As tee_detect(). */
void tees_detect(struct tees *t, struct tee_found ret[TEE_PROVIDERS]);

/* What is measured of a program: see above. */
void tees_program(const struct vl_hash *module, struct vl_span config, uint8_t ret[32]);

/* ---- contexts: create, measure, attest, close ---- */

struct tees_wish {
    const char *provider;   /* NULL or "auto": the best one here */
    struct vl_job_id job;   /* zeros: none */
    struct vl_hash module;  /* BLAKE2b-256; zeros: none, then config must be empty */
    struct vl_span config;  /* what else decides what runs: arguments, limits; may be empty */
};
struct tees_status {
    uint64_t id; /* from 1, never used again by this struct tees */
    const char *provider; /* static storage */
    uint8_t kind;         /* enum attest_kind */
    bool measured;        /* the hardware has a register that holds the program; else report data alone name it */
    struct vl_job_id job;
    uint8_t program[32];  /* zeros: none */
    vl_ms created_ms, attested_ms; /* 0: not yet */
    uint32_t create_us;   /* what opening and measuring took */
    uint32_t attested;    /* times */
};
/* Opens and measures.  VL_EUNSUPPORTED, VL_EDENIED, VL_EIO, ...: as tee_create() and tee_measure(), msg says what to do.
 * VL_ELIMIT: TEES_MAX are open.  VL_ERANGE: a configuration without a module.  VL_EEXISTS: this job has one. */
VL_MUST_CHECK enum vl_err tees_open(struct tees *t, const struct tees_wish *wish, vl_ms now, struct tees_status *ret,
                                    struct vl_errmsg *msg);

struct tees_proof {
    struct tee_evidence own;  /* owned buffers */
    struct attestation view;  /* ready for attestation_encode(); borrows from own */
};
void tees_proof_free(struct tees_proof *p);
/* nonce: fresh, of whoever asks; binding: htx_binding() of the channel over which it was asked, zeros offline.  *ret is
 * filled on VL_OK alone and is then to be freed.  VL_ENOTFOUND: no such context.  Others as tee_attest(). */
VL_MUST_CHECK enum vl_err tees_attest(struct tees *t, uint64_t id, const uint8_t nonce[32], const uint8_t binding[32],
                                      vl_ms now, struct tees_proof *ret, struct vl_errmsg *msg);
/* VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err tees_close(struct tees *t, uint64_t id);
/* The context of a job that ended, if there is one. */
void tees_job_ended(struct tees *t, struct vl_job_id job);
/* Those that are open, oldest first; returns how many.  Never blocks on hardware. */
size_t tees_list(struct tees *t, struct tees_status ret[TEES_MAX]);

/* ---- for the brain's challenges (BRAIN_TEE_QUOTE, BRAIN_TEE_ACTIVATE), which computed report data themselves ---- */

/* Evidence over `data` of every provider of this machine that makes some without being asked by name, at most one of a kind and
 * ATTESTATIONS_MAX in all; measured as `program` first where that is not zeros.  Each of ret[0..*ret_n) is to be freed; `why`: when
 * there is none, or when one that is here failed (printable ASCII).  Always VL_OK but for VL_ENOMEM. */
VL_MUST_CHECK enum vl_err tees_quote(struct tees *t, const uint8_t data[TEE_DATA], const uint8_t program[32],
                                     struct tee_evidence ret[ATTESTATIONS_MAX], size_t *ret_n, char why[160]);
/* As tee_credential(), by the TPM of this machine. */
VL_MUST_CHECK enum vl_err tees_credential(struct tees *t, struct vl_span in, uint8_t ret[TEE_SECRET_MAX], size_t *ret_n,
                                          struct vl_errmsg *msg);

#endif
