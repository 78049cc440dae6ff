/* attest_priv.h - what verifiers share.  A verifier is given a result that says no to everything, fills in what it
 * reads, and ends at the first defect with `return attest_no(r, "why")`; it returns attest_yes() as its last act. */
#ifndef VL_TRUST_ATTEST_PRIV_H
#define VL_TRUST_ATTEST_PRIV_H

#include "trust/attest.h"

/* Not genuine, for this reason (static storage). */
void attest_no(struct attest_result *r, const char *why);
/* Genuine.  Everything that carries a signature has been checked. */
void attest_yes(struct attest_result *r);

void attest_set(struct attest_finding *f, enum attest_state state, const char *why);
/* Copies at most ATTEST_DATA bytes. */
void attest_copy(uint8_t dst[ATTEST_DATA], size_t *ret_n, struct vl_span from);

/* Path from `leaf` to a root of this kind at the input's time.  own: certificates that came with the evidence, may be
 * NULL.  On success sets anchor, late, and narrows from/until, and fills *ret when that is not NULL; on failure calls
 * attest_no() with the fault and sets `revoked` when that is why. */
bool attest_chain(const struct attest_input *in, enum attest_kind kind, const struct crypto_x509 *leaf,
                  const struct crypto_x509_pool *own, bool leaf_undated, struct attest_result *r,
                  struct crypto_x509_path *ret);
/* The same for a path to collateral's signer: no finding is touched but late, from and until. */
enum crypto_x509_fault attest_chain_quiet(const struct attest_input *in, enum attest_kind kind,
                                          const struct crypto_x509 *leaf, const struct crypto_x509_pool *own,
                                          struct attest_result *r, struct crypto_x509_path *ret);

/* Holds report data (a field of fixed length, zeros after the nonce) or a nonce of its own length against the input;
 * sets fresh, and key_bound where the nonce binds the key. */
void attest_fresh_padded(const struct attest_input *in, struct vl_span field, struct attest_result *r);
void attest_fresh_exact(const struct attest_input *in, struct vl_span nonce, struct attest_result *r);
/* Holds a key the evidence carries against in->key. */
void attest_key(const struct attest_input *in, struct vl_span key, struct attest_result *r);
/* Looks the result's measurement up in the policy. */
void attest_measured(const struct attest_input *in, struct attest_result *r);
/* Whether [from, until] of a piece of collateral holds at the input's time, with the grace; narrows the result's
 * window and sets late. */
bool attest_in_time(const struct attest_input *in, vl_ms from, vl_ms until, struct attest_result *r);
bool attest_zero(struct vl_span s);

/* An SNP report under in->leaf: all but the nonce and the measurement.  false: attest_no() was called. */
bool attest_snp_report(const struct attest_input *in, struct vl_span report, struct attest_result *r);
/* The same for an Intel quote of a TD or of an enclave, with its collateral. */
bool attest_dcap_quote(const struct attest_input *in, struct vl_span quote, bool tdx, struct attest_result *r);

/* The verifiers.  in->policy is not NULL here. */
void attest_snp(const struct attest_input *in, struct attest_result *r);
void attest_dcap(const struct attest_input *in, struct attest_result *r); /* SGX and TDX */
void attest_azure(const struct attest_input *in, struct attest_result *r);
void attest_nitro(const struct attest_input *in, struct attest_result *r);
void attest_arm(const struct attest_input *in, struct attest_result *r); /* CCA and PSA */
void attest_android(const struct attest_input *in, struct attest_result *r);
void attest_nvidia(const struct attest_input *in, struct attest_result *r);
void attest_tpm(const struct attest_input *in, struct attest_result *r);

#endif
