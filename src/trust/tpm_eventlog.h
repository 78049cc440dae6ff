/* tpm_eventlog.h - the measured-boot log of a TPM 2.0 in its crypto-agile form (TCG PC Client Platform Firmware Profile
 * 1.05, section 10), replayed.  Strict: exactly whole events, every event with the digests the header names. */
#ifndef VL_TRUST_TPM_EVENTLOG_H
#define VL_TRUST_TPM_EVENTLOG_H

#include "trust/attest.h"

#define TPM_PCRS 24u
#define TPM_DIGEST 48u       /* longest digest of a bank that we replay */
#define TPM_EVENTS_MAX 4096u /* a boot has some hundred */
#define TPM_SHA1 0x0004u
#define TPM_SHA256 0x000bu
#define TPM_SHA384 0x000cu

/* 0: not one of the three. */
size_t tpm_digest_size(uint16_t algorithm);
/* The digest has tpm_digest_size() bytes. */
void tpm_digest(uint16_t algorithm, struct vl_span in, uint8_t ret[TPM_DIGEST]);

struct tpm_replay {
    uint8_t pcr[TPM_PCRS][TPM_DIGEST]; /* as the log leads to them */
    uint32_t extended;                 /* bit i: the log extends PCR i */
    uint32_t events;                   /* after the header */
    /* Of the UEFI variable SecureBoot, measured once into PCR 7 before its separator; UNKNOWN where that is not so.
     * Worth nothing unless pcr[7] is that of a quote. */
    enum attest_state secure_boot;
};
/* false: malformed, or no such bank.  *ret is filled on true alone. */
bool tpm_eventlog_replay(struct vl_span log, uint16_t algorithm, struct tpm_replay *ret);

#endif
