/* attest.h - evidence of where a node runs, made by hardware and signed under a vendor's root: one verifier for each
 * kind, one result for all, and the level that follows from it (roles and words of RFC 9334).  Core: pure.  No clock:
 * the evaluation time is an input, so that a verdict can be derived again years later from the same collateral.  No
 * network: certificates come with the evidence or from the caller's pool.
 *
 * Every verifier is total: any bytes give a result with a reason.  A result begins as "not genuine", and only the last
 * line of a verifier that checked everything says otherwise. */
#ifndef VL_TRUST_ATTEST_H
#define VL_TRUST_ATTEST_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"
#include "crypto/x509.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATTEST_EVIDENCE_MAX 262144u /* bytes of evidence */
#define ATTEST_COLLATERAL 8u        /* pieces of collateral */
#define ATTEST_AZURE_TCB 4u         /* of an Azure vTPM over TDX: TCB info here, QE identity behind it */
#define ATTEST_FMSPC 6u             /* bytes that name family, model and stepping in a PCK certificate */
#define ATTEST_ROOTS 32u            /* pinned roots of one kind, ours and the caller's */
#define ATTEST_REGISTERS 192u       /* bytes */
#define ATTEST_DATA 64u             /* report data, nonce, measurement: bytes */

/* Numbers go into records: never renumber. */
enum attest_kind {
    ATTEST_SELF = 0,    /* a statement of the node itself: nothing to check, level 0.3 */
    ATTEST_SNP = 1,     /* AMD SEV-SNP report */
    ATTEST_SGX = 2,     /* Intel SGX quote v3 */
    ATTEST_TDX = 3,     /* Intel TDX quote v4, v5 */
    ATTEST_AZURE = 4,   /* vTPM rooted in an SNP or TDX report */
    ATTEST_NITRO = 5,   /* AWS Nitro document */
    ATTEST_CCA = 6,     /* Arm CCA token */
    ATTEST_PSA = 7,     /* Arm PSA token */
    ATTEST_ANDROID = 8, /* Android key attestation */
    ATTEST_NVIDIA = 9,  /* NVIDIA GPU report over SPDM */
    ATTEST_TPM = 10,    /* TPM 2.0 quote */
};
#define ATTEST_KINDS 11u
/* "snp", "tdx", ...; "unknown" outside the enum.  Static storage. */
const char *attest_kind_name(enum attest_kind kind);

enum attest_class { ATTEST_CLASS_SELF, ATTEST_CLASS_MOBILE, ATTEST_CLASS_TPM, ATTEST_CLASS_TEE };

/* A finding that was not asked for (no nonce expected, no list of measurements) is UNKNOWN, never YES. */
enum attest_state { ATTEST_UNKNOWN = 0, ATTEST_NO = 1, ATTEST_YES = 2 };
struct attest_finding {
    enum attest_state state;
    const char *why; /* never NULL; static storage */
};

enum attest_tcb {
    ATTEST_TCB_UNKNOWN = 0, /* no collateral, or no minimum to hold it against */
    ATTEST_TCB_NONE = 1,    /* this kind has no such notion */
    ATTEST_TCB_UP_TO_DATE = 2,
    ATTEST_TCB_HARDENING = 3, /* SWHardeningNeeded */
    ATTEST_TCB_CONFIG = 4,    /* ConfigurationNeeded */
    ATTEST_TCB_CONFIG_HARDENING = 5,
    ATTEST_TCB_OUT_OF_DATE = 6,
    ATTEST_TCB_OUT_OF_DATE_CONFIG = 7,
    ATTEST_TCB_REVOKED = 8,
    ATTEST_TCB_NO_MATCH = 9, /* below every level of the vendor, or below the caller's minimum */
    ATTEST_TCB_BAD = 10,     /* collateral that is malformed, forged, of another machine, or expired */
};
const char *attest_tcb_name(enum attest_tcb tcb); /* in Intel's words where it has them; static storage */

enum attest_anchor {
    ATTEST_ANCHOR_NONE = 0,      /* leads to no root we accept */
    ATTEST_ANCHOR_SIMULATED = 1, /* swtpm's CA, test keys of Arm: worth 0.3 */
    ATTEST_ANCHOR_OPERATOR = 2,  /* provisioned by whoever runs the village */
    ATTEST_ANCHOR_VENDOR = 3,
};

struct attest_root {
    uint8_t key[32]; /* SHA-256 of its SubjectPublicKeyInfo */
    enum attest_kind kind;
    enum attest_anchor anchor;
    const char *name;
};
/* The built-in table of vendors' roots.  Static storage. */
const struct attest_root *attest_vendor_roots(size_t *ret_n);

/* What the verifier holds evidence against.  All zero is a policy: nothing is expected, no grace.  Spans borrowed. */
struct attest_policy {
    uint64_t grace_ms; /* how long after their end certificates and collateral are taken: the level is then capped */
    const struct attest_root *roots; /* accepted beside the vendors' own */
    size_t nroots;
    const struct vl_span *measurements; /* known ones; none: the finding stays UNKNOWN */
    size_t nmeasurements;
    struct {
        bool set;
        uint8_t fmc, bootloader, tee, snp, microcode; /* SEV-SNP: least security versions of the reported TCB */
    } snp_minimum;
    uint32_t android_patch_minimum; /* least patch level of Android, YYYYMM; 0: not asked */
    uint32_t snp_vmpl_max;  /* the report must come from this privilege level or a more privileged one: 0..3 */
    bool need_crl;          /* revocation lists must be there */
    bool no_smt;            /* refuse machines with simultaneous multithreading allowed */
    bool allow_migration;   /* SEV-SNP: a migration agent may be associated */
    bool snp_single_socket; /* SEV-SNP: the guest must be bound to one socket */
    /* Levels in thousandths; 0 stands for the default in brackets. */
    uint32_t cap_tcb;                                 /* OutOfDate, hardening or configuration needed, unknown [600] */
    uint32_t cap_late;                                /* within the grace [500] */
    uint32_t cap_sha1;                                /* PCRs of a SHA-1 bank [500] */
    uint32_t bonus_tpm, bonus_tee, bonus_secure_boot; /* for evidence beside the best one [50 each] */
    uint64_t half_life_ms;                            /* after it half of what is above 0.3 is left [30 days] */
};

struct attest_input {
    enum attest_kind kind;
    struct vl_span evidence;
    struct vl_span leaf; /* DER or PEM certificate of the signing key, where evidence does not carry it (VCEK, AK) */
    struct vl_span collateral[ATTEST_COLLATERAL]; /* meaning by kind: see the verifier */
    const struct crypto_x509_pool *pool;          /* issuers, roots and revocation lists; may be NULL */
    /* What the evidence must carry in its place for a nonce or for report data; shorter than the field: zeros follow.
     * Empty: nothing is expected, and `fresh` stays UNKNOWN. */
    struct vl_span nonce;
    bool nonce_binds_key; /* the nonce was made by attest_report_data(), or in its manner: it names the node's key */
    struct vl_span key;   /* what the evidence must carry as its key, where it has a place for one; empty: not asked */
    vl_ms when;           /* evaluation time */
    const struct attest_policy *policy; /* NULL: all zero */
};

struct attest_result {
    enum attest_kind kind;
    enum attest_class class; /* what this kind of evidence is worth at best */
    struct attest_finding genuine, fresh, debug, measurement_known, key_bound; /* debug: YES is bad */
    enum attest_tcb tcb;
    const char *tcb_why;
    bool tcb_partial; /* judged without a piece of collateral (QE identity): the level is capped as for UNKNOWN */
    enum attest_anchor anchor;
    const char *anchor_why;        /* name of the root; static storage, or the caller's policy */
    const char *refused;           /* a rule of the policy that genuine evidence breaks; NULL: none */
    bool unanchored;               /* not genuine only because no accepted root vouches for it: worth what the node says of itself */
    bool late;                     /* accepted only by the grace */
    bool revoked;                  /* a certificate on the path is on a list */
    bool sha1;                     /* rests on a SHA-1 PCR bank */
    enum attest_state secure_boot; /* where the evidence speaks of it */
    bool with_tpm;                 /* a TEE's evidence that carries a vTPM's quote under it */
    uint8_t measurement[ATTEST_DATA], report_data[ATTEST_DATA], device[ATTEST_DATA];
    uint8_t fmspc[ATTEST_FMSPC]; /* Intel: which collateral is this machine's; only with has_fmspc */
    bool has_fmspc;
    uint8_t registers[ATTEST_REGISTERS]; /* what was measured at run time: RTMR0..3 of a TD */
    size_t registers_n;
    size_t measurement_n, report_data_n, device_n; /* device: chip id, FMSPC, unique id: what names the machine */
    uint32_t version;                              /* of the format */
    vl_ms made;                                    /* when the evidence says it was made; 0: it does not */
    vl_ms from, until;                             /* when all certificates and collateral are valid together */
    char advisories[256]; /* of the vendor for this TCB, separated by spaces; cut at its size */
    bool accepted;        /* everything that was asked for holds */
    const char *reason;   /* of the first thing that does not, or "accepted" */
    uint32_t level;       /* 0..1000, thousandths, at the evaluation time and without bonuses: attest_level() */
};

/* Verifies; ret is filled whatever the bytes are.  Never blocks; at most a few dozen signature checks. */
void attest_verify(const struct attest_input *in, struct attest_result *ret);

/* Level of one result under the rule of docs/trust.md, at age 0.  policy NULL: all zero. */
uint32_t attest_level(const struct attest_result *r, const struct attest_policy *policy);
/* What is left of `level` after `age_ms`: what is above 300 halves in every half-life, straight lines between. */
uint32_t attest_level_aged(uint32_t level, uint64_t age_ms, const struct attest_policy *policy);
/* Of a node with several results: the best one's level, and bonuses for what others prove beside it (a TPM, a TEE of
 * another kind, secure boot), never above a cap of the best one nor 1000.  One of level 0 proves nothing; a revoked one
 * makes the sum 0.  n == 0: a statement of the node itself, 300. */
uint32_t attest_level_all(const struct attest_result *r, size_t n, const struct attest_policy *policy);

/* SHA-512("fog-attest-v1" || len(nonce) as u32 || nonce || node key || TLS exporter): what a node asks its hardware to
 * sign, so that evidence cannot be relayed into another channel. */
void attest_report_data(struct vl_span nonce, const uint8_t node_key[32], const uint8_t exporter[32],
                        uint8_t ret[ATTEST_DATA]);

#endif
