/* attest_dcap.h - an Intel quote taken apart, as attest_dcap.c hands it to attest_tcb.c. */
#ifndef VL_TRUST_ATTEST_DCAP_H
#define VL_TRUST_ATTEST_DCAP_H

#include "trust/attest_priv.h"

#define DCAP_COMPONENTS 16u
#define DCAP_SGX_BODY 384u

/* Offsets in an SGX report, which is also what a quoting enclave has. */
#define SGX_MISCSELECT 16u
#define SGX_ATTRIBUTES 48u
#define SGX_MRENCLAVE 64u
#define SGX_MRSIGNER 128u
#define SGX_PRODID 256u
#define SGX_SVN 258u
#define SGX_REPORT_DATA 320u
#define SGX_DEBUG 0x02u /* of the first byte of the attributes */

/* What the PCK certificate says (Intel SGX PCK Certificate and CRL Profile, section 1.3.5). */
struct dcap_pck {
    uint8_t component[DCAP_COMPONENTS];
    uint32_t pcesvn;
    uint8_t ppid[16], pceid[2], fmspc[ATTEST_FMSPC];
};

struct dcap_quote {
    uint32_t version;
    bool tdx;
    struct vl_span signed_part, body;      /* header and body; body alone */
    struct vl_span signature, key;         /* of the quote, and x || y of the attestation key */
    struct vl_span qe, qe_signature, auth; /* report of the quoting enclave */
    struct vl_span certificates;           /* PEM */
    struct dcap_pck pck;
};

/* false: not the extension of a PCK certificate. */
bool dcap_pck_read(const struct crypto_x509 *c, struct dcap_pck *ret);
/* Judges the TCB by in->collateral[0] (tcbInfo) and [1] (QE identity), both as Intel's service gives them:
 * {"tcbInfo":{...},"signature":"..."} and {"enclaveIdentity":{...},"signature":"..."}.  Sets tcb, tcb_why, advisories.
 * false: the quoting enclave is not the one that the identity describes: nothing it signs is genuine. */
bool dcap_judge(const struct attest_input *in, const struct dcap_quote *q, struct attest_result *r);

#endif
