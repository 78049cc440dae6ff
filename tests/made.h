/* made.h - SEV-SNP evidence under a root of the test, over words that the test chooses, and a policy that accepts that root in words. */
#ifndef VL_TESTS_MADE_H
#define VL_TESTS_MADE_H

#include "base/ms.h"
#include "pki.h"
#include "wire/attestation.h"

#define MADE_WHEN_S 1751328000u /* 2025-07-01; valid a year before and after */

struct made {
    struct pki_key *ark, *ask, *leaf_key;
    struct pki_der ark_der, leaf_der;
    char issuers[2 * PKI_DER * 2]; /* PEM of ASK and ARK */
    uint8_t root[32];
    uint8_t report[1184];
};
void made_begin(struct made *m);
void made_end(struct made *m);
/* Signs a report over this data into *ret, whose spans borrow from m: one at a time. */
void made_report(struct made *m, const uint8_t data[64], bool debug, struct attestation *ret);
/* {"version": 1, "roots": [the test's], MORE} into dst; more: ", \"admit\": 700" or "". */
void made_policy(const struct made *m, const char *more, char *dst, size_t cap);

#endif
