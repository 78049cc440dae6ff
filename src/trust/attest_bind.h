/* attest_bind.h - what hardware is asked to sign, so that evidence answers one challenge, for one node, over one channel, and
 * where asked for one job and program: whoever relays it has another channel or key, and the words differ.  Core: pure. */
#ifndef VL_TRUST_ATTEST_BIND_H
#define VL_TRUST_ATTEST_BIND_H

#include "trust/attest.h"
#include "wire/attestation.h"

/* attest_report_data() of nonce, node and binding of `a`.  With a job or program the nonce in it is
 * SHA-256("village-attest-job-v1" || nonce || job || program). */
void attest_bind(const struct attestation *a, uint8_t ret[ATTEST_DATA]);
/* In the form in which evidence of this kind carries it: all 64 bytes, or their SHA-256 where the field is shorter on some
 * hardware (a TPM's qualifying data, and so Azure's; the nonce of SPDM).  Returns its length; ret's rest is zero. */
size_t attest_bind_form(enum attest_kind kind, const uint8_t report_data[ATTEST_DATA], uint8_t ret[ATTEST_DATA]);

#endif
