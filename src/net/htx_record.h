/* htx_record.h - one direction of records: u16 length, AEAD(one or more whole frames), and the counts that say when to
 * change its key.  The length is not authenticated on its own: a wrong one makes the tag fail. */
#ifndef VL_NET_HTX_RECORD_H
#define VL_NET_HTX_RECORD_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"
#include "crypto/noise.h"
#include "net/htx_queue.h"

#include <stdint.h>

#define HTX_RECORD_HEAD 2u
#define HTX_TAG 16u
/* A sender must have changed its key at the limits of htx_limits; the receiver allows other implementations twice the
 * standard figures and then takes it for a fault: past 2^22 records a key of AES-GCM is used beyond reason. */
#define HTX_RECEIVE_RECORDS_MAX (1ull << 21)
#define HTX_RECEIVE_BYTES_MAX (8ull << 30)

/* A secret: end with htx_record_wipe(); all-zero is fine. */
struct htx_record {
    struct noise_cipher cipher;
    uint64_t records, bytes; /* under the present key */
    vl_ms since;             /* when the present key came into use */
};

/* n bytes of frames at `plain` (1..HTX_PLAIN_MAX, may be dst + HTX_RECORD_HEAD) become a whole record of
 * n + HTX_RECORD_HEAD + HTX_TAG bytes at dst.  VL_ELIMIT, VL_ENOMEM of the cipher. */
VL_MUST_CHECK enum vl_err htx_record_seal(struct htx_record *r, const uint8_t *plain, size_t n, uint8_t *dst);
/* body: the record without its length; body.n - HTX_TAG bytes go to dst, which holds HTX_PLAIN_MAX.
 * VL_EPARSE: impossible length.  VL_ECRYPTO: forged, or the key should have been changed long ago. */
VL_MUST_CHECK enum vl_err htx_record_open(struct htx_record *r, struct vl_span body, uint8_t *dst, size_t *ret_n);
/* Noise REKEY; counts start again.  VL_ENOMEM: key kept. */
VL_MUST_CHECK enum vl_err htx_record_rekey(struct htx_record *r, vl_ms now);
void htx_record_wipe(struct htx_record *r);

#endif
