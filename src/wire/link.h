/* link.h - the messages of a link: one kind byte, then the body.  Strict: unknown kinds and trailing bytes are errors.
 * Heartbeat, envelope, acknowledgement and blob bodies have codecs of their own (task.h, envelope.h, blob.h). */
#ifndef VL_WIRE_LINK_H
#define VL_WIRE_LINK_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/id.h"

enum link_kind { /* on the wire: never renumber */
                 LINK_HEARTBEAT = 1,
                 LINK_ENVELOPE = 2,
                 LINK_ACK = 3,
                 LINK_BLOB = 4,
                 LINK_BLOB_OFFER = 5,
                 LINK_BLOB_HAVE = 6,
                 LINK_JOIN = 7,
                 LINK_JOIN_REPLY = 8,
                 LINK_REVOCATIONS = 9, /* body: the signed list of wire/cert.h */
                 LINK_STATUS = 10,     /* body: task_status of wire/task.h */
                 /* from here on between any two members */
                 LINK_MIX = 11,       /* body: Sphinx packets */
                 LINK_MIX_FETCH = 12, /* body: empty; the answer is one LINK_MIX_MAIL */
                 LINK_MIX_MAIL = 13,  /* body: MIX_FETCH_CELLS cells */
                 LINK_CHARTER = 14,   /* body: the signed charter of mix/consensus.h */
                 LINK_DIRECTORY = 15, /* body: a message of mix/authority.h */
                 /* between coordinator and member; bodies: wire/attestation.h */
                 LINK_ATTEST_ASK = 24,
                 LINK_ATTEST_PART = 25,
                 LINK_ATTEST_CREDENTIAL = 26,
                 LINK_ATTEST_SECRET = 27,
                 /* between coordinator and member: draws of an epoch (src/brain/topo.c) */
                 LINK_ROLL = 16,   /* body: kind byte, then what the coordinator says of an epoch, in parts */
                 LINK_REVEAL = 17, /* body: kind byte, then a key, a certificate for the beacon, or what was taken */
                 LINK_DRAW = 18,   /* body: kind byte, then a certificate, a challenge, an answer or a statement */
                 /* between coordinator and member */
                 LINK_SUCCEED = 30,       /* body: wire/succession.h */
                 LINK_SUCCEED_REPLY = 31, /* body: as of LINK_JOIN_REPLY, with the new key's certificate */
};

#define LINK_CERT_MAX 512u

struct link_join {
    uint8_t secret[16];
    uint8_t static_key[32];
    char name[VL_NAME_MAX];
    uint32_t roles;
};
struct link_join_reply {
    enum vl_err code;
    char detail[160];
    uint8_t cert[LINK_CERT_MAX];
    size_t cert_len;
    uint8_t root_key[32];
};
struct link_blob_offer {
    struct vl_hash hash;
    uint64_t size; /* bytes, 1..VL_BLOB_MAX */
};
struct link_blob_have {
    struct vl_hash hash;
    enum vl_err code;
};

/* Splits a message.  VL_EPARSE: empty or unknown kind.  The body is borrowed from `msg`. */
VL_MUST_CHECK enum vl_err link_split(struct vl_span msg, enum link_kind *ret_kind, struct vl_span *ret_body);

/* Encoders append kind and body to `b`: the errors of vl_buf_append(), or VL_ERANGE for text that is too long.
 * Decoders take the body: VL_EPARSE. */
VL_MUST_CHECK enum vl_err link_join_encode(const struct link_join *m, struct vl_buf *b);
VL_MUST_CHECK enum vl_err link_join_decode(struct vl_span body, struct link_join *ret);
VL_MUST_CHECK enum vl_err link_join_reply_encode(const struct link_join_reply *m, struct vl_buf *b);
VL_MUST_CHECK enum vl_err link_join_reply_decode(struct vl_span body, struct link_join_reply *ret);
VL_MUST_CHECK enum vl_err link_blob_offer_encode(const struct link_blob_offer *m, struct vl_buf *b);
VL_MUST_CHECK enum vl_err link_blob_offer_decode(struct vl_span body, struct link_blob_offer *ret);
VL_MUST_CHECK enum vl_err link_blob_have_encode(const struct link_blob_have *m, struct vl_buf *b);
VL_MUST_CHECK enum vl_err link_blob_have_decode(struct vl_span body, struct link_blob_have *ret);

#endif
