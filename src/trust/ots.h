/* ots.h - OpenTimestamps proofs (detached file, major version 1): read, recomputed, and written.  Pure.
 * Such a file is a tree of operations from a file's digest to messages that others attest.  Offline it shows that the digest is
 * committed to by those messages; that a Bitcoin message is the Merkle root of the block named is for who has its header. */
#ifndef VL_TRUST_OTS_H
#define VL_TRUST_OTS_H

#include "base/bytes.h"

#define OTS_MESSAGE_MAX 4096u /* of any operation's result, as the reference has it */
#define OTS_DEPTH_MAX 256u
#define OTS_STEPS_MAX 8192u /* operations in a file */
#define OTS_FILE_MAX (1u << 20)
#define OTS_URI_MAX 1000u
#define OTS_PAYLOAD_MAX 8192u
#define OTS_ATTESTATIONS_MAX 64u

enum ots_kind { OTS_UNKNOWN, OTS_PENDING, OTS_BITCOIN, OTS_LITECOIN, OTS_ETHEREUM };

struct ots_attestation {
    enum ots_kind kind;
    bool computed;          /* false: behind an operation that is not computed here (RIPEMD-160, SHA-1); message is empty */
    uint64_t height;        /* of the block, of the three chains */
    struct vl_span uri;     /* of the calendar, when pending; borrows from the input; letters, digits and -._/: */
    uint8_t message[64];    /* what is attested, when it is no longer than this */
    size_t message_n;       /* its length; above 64 it is not kept */
};
struct ots {
    uint8_t digest[32]; /* SHA-256 of the file */
    uint32_t n;
    struct ots_attestation at[OTS_ATTESTATIONS_MAX]; /* in the order of the file */
};

/* VL_EPARSE: malformed, or something follows; VL_EVERSION: another major version; VL_EUNSUPPORTED: a digest other than SHA-256;
 * VL_ELIMIT: past a limit above.  VL_ENOMEM.  *ret is then untouched. */
VL_MUST_CHECK enum vl_err ots_parse(struct vl_span in, struct ots *ret);
/* A file for a digest that a calendar took: `tail` is the calendar's answer, the timestamp from the digest on; it is parsed first.
 * Errors as of ots_parse(), and of appending to out. */
VL_MUST_CHECK enum vl_err ots_write(const uint8_t digest[32], struct vl_span tail, struct vl_buf *out);

#endif
