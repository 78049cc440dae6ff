/* vectors.h - published test vectors in JSON that are not part of the project: from the folder `vectors` of
 * $VILLAGE_SHARED, or of ../shared beside the checkout. */
#ifndef VL_TESTS_VECTORS_H
#define VL_TESTS_VECTORS_H

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

/* The file, as "hctr2/hctr2_Polyval.json"; NULL when it is not there, and the test should SKIP().  json_decref() it.  A
 * file that is there and no JSON fails the test. */
json_t *vectors_load(const char *name);
/* Any file, as "attestation/snp/virtee-milan-vcek.der", malloc()ed with a NUL behind it; NULL when it is not there. */
uint8_t *vectors_file(const char *name, size_t *ret_n);
/* The string `key` of `object`, where key may be a path as "input/key_hex"; fails the test when there is none. */
const char *vectors_text(const json_t *object, const char *key);
/* The same as bytes, at most cap of them; returns how many. */
size_t vectors_bytes(const json_t *object, const char *key, uint8_t *dst, size_t cap);

#endif
