/* attest_vectors.h - evidence of third parties for the tests of attestation, and what every one of them must survive.
 */
#ifndef VL_TESTS_ATTEST_VECTORS_H
#define VL_TESTS_ATTEST_VECTORS_H

#include "trust/attest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Files of a test stay loaded until attest_files_free(). */
#define ATTEST_FILES 16u
struct attest_files {
    uint8_t *bytes[ATTEST_FILES];
    size_t n;
    bool missing; /* a file was not there: SKIP() */
};
/* "snp/virtee-milan-vcek.der" of the folder vectors/attestation; an empty span, and `missing`, when it is not there. */
struct vl_span attest_file(struct attest_files *f, const char *name);
void attest_files_free(struct attest_files *f);
/* A pool of these certificates (NULL ends the list). */
struct crypto_x509_pool *attest_pool(struct attest_files *f, const char *const *names);

/* Collateral as Intel's service gives it, {"tcbInfo":{...},"signature":"..."}, out of a file that has its parts; free() it. */
char *attest_document(const json_t *o, const char *name, const char *key, const char *signature);

/* Milliseconds of midnight UTC, "2025-07-01", or of "2022-11-09T23:00". */
vl_ms attest_date(const char *text);

/* Verifies in with `evidence` cut at every length: never genuine, but where `padding` bytes of zeros stand at the end.
 * Restores in. */
void attest_check_truncations(struct attest_input *in, size_t padding);
/* Flips single bits of *what (a span of in, or of anything it points to): `dense` bits from the start all, then one of
 * each `step` bytes at a seeded place.  Whatever is still genuine must say the same as the original.  Returns the first
 * byte where that was so, SIZE_MAX where never.  VILLAGE_ALL_FLIPS in the environment: every bit, which takes minutes.
 */
size_t attest_check_flips(struct attest_input *in, struct vl_span *what, size_t dense, size_t step, uint64_t seed);

#endif
