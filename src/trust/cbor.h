/* cbor.h - reads CBOR (RFC 8949) in place, and COSE_Sign1 (RFC 9052) over it, for documents whose signature covers
 * their very bytes: nothing is copied or written again.  Strict: integers and lengths in their shortest form, definite
 * lengths, keys are integers or text and occur once, no floating point, at most CBOR_DEPTH levels and CBOR_ITEMS items
 * or pairs in an array or map. */
#ifndef VL_TRUST_CBOR_H
#define VL_TRUST_CBOR_H

#include "base/bytes.h"
#include "crypto/x509.h"

#include <stdbool.h>
#include <stdint.h>

#define CBOR_DEPTH 8u
#define CBOR_ITEMS 128u

enum cbor_major {
    CBOR_UINT = 0,
    CBOR_NEGATIVE = 1,
    CBOR_BYTES = 2,
    CBOR_TEXT = 3,
    CBOR_ARRAY = 4,
    CBOR_MAP = 5,
    CBOR_TAG = 6,
    CBOR_SIMPLE = 7
};
#define CBOR_NULL 22u

/* value: the number (negative: -1 - value), the length, the count, the tag or the simple value.  body: of bytes and text
 * their content, of arrays, maps and tags the encoded items inside.  Borrowed from the text. */
struct cbor_item {
    enum cbor_major major;
    uint64_t value;
    struct vl_span body;
};

/* The whole text is one well-formed item. */
bool cbor_read(struct vl_span text, struct cbor_item *ret);
/* What follows takes what cbor_read() took.  Walks the items of a body; a map's are key, value, key, value. */
bool cbor_next(struct vl_span *at, struct cbor_item *ret);
/* The value of a key.  false: no map, no such key. */
bool cbor_at(const struct cbor_item *map, int64_t key, struct cbor_item *ret);
bool cbor_at_text(const struct cbor_item *map, const char *key, struct cbor_item *ret);
/* Of an integer inside int64_t. */
bool cbor_int(const struct cbor_item *item, int64_t *ret);
bool cbor_is_text(const struct cbor_item *item, const char *text);

#define COSE_ES256 (-7)
#define COSE_ES384 (-35)
struct cose_sign1 {
    int64_t algorithm;
    struct vl_span protected, payload, signature; /* borrowed */
};
/* Tag 18 may be there.  The algorithm is one of the two above and stands in the protected header alone; a header that
 * must be understood (`crit`) is refused; the payload is attached and not empty. */
bool cose_read(struct vl_span text, struct cose_sign1 *ret);
/* VL_ECRYPTO: not signed by this key.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err cose_verify(const struct cose_sign1 *c, const struct crypto_pubkey *key);

#endif
