/* envelope.h - the message of a village (NET-08) and its end-to-end acknowledgement, as plain structs with strict codecs.
 * An envelope has two parts: a body that never changes and is signed exactly as its bytes stand, and hop fields that
 * relays rewrite and no signature covers.  Layout: proto/envelope.proto.  Strict means: unknown or repeated fields,
 * wrong lengths, trailing bytes, impossible combinations and text that is not UTF-8 are errors, never guesses.
 * Signing and verifying is net/delivery's.  Pure; allocates nothing but through a caller's vl_buf. */
#ifndef VL_WIRE_ENVELOPE_H
#define VL_WIRE_ENVELOPE_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stdint.h>

#define ENVELOPE_VERSION 1u
#define ENVELOPE_TOPIC_MAX 64u                     /* bytes of a topic name */
#define ENVELOPE_HOPS_MAX 10u                      /* NET-13: longest way */
#define ENVELOPE_CHUNKS_MAX 4096u                  /* 256 MiB in payloads of 64 KiB; larger things are blobs */
#define ENVELOPE_BODY_MAX (VL_PAYLOAD_MAX + 256u)  /* all other body fields need < 256 bytes */
#define ENVELOPE_MAX (ENVELOPE_BODY_MAX + 512u)    /* signature and hop fields with a full path need < 512 bytes */
#define ENVELOPE_SIGNATURE 64u                     /* Ed25519 */
#define ENVELOPE_ACK_IDS_MAX 64u                   /* ids in one acknowledgement: one batch */
#define ENVELOPE_ACK_MAX 1536u                     /* encoded acknowledgement with 64 ids and signature */
/* What the signature covers: this context, then the BLAKE2b-256 of the body bytes as received. */
#define ENVELOPE_CONTEXT "village-envelope-1:"
#define ENVELOPE_ACK_CONTEXT "village-ack-1:"

/* On the wire and on disk; a smaller number goes first. */
enum envelope_priority {
    ENVELOPE_CRITICAL = 0,
    ENVELOPE_HIGH = 1,
    ENVELOPE_NORMAL = 2,
    ENVELOPE_LOW = 3,
    ENVELOPE_BULK = 4,
};
#define ENVELOPE_PRIORITIES 5u

struct envelope_body {
    struct vl_msg_id id;
    struct vl_node_id sender;
    struct vl_node_id recipient; /* meaningful while topic is empty */
    struct vl_span topic;        /* 1..64 bytes UTF-8, or empty */
    uint64_t epoch;              /* boot epoch of the sender */
    uint64_t seq;                /* counts per (epoch, recipient, priority) from 0; see net/delivery.h on the window */
    uint32_t type;               /* meaning of the payload, the application's number, > 0 */
    enum envelope_priority priority;
    bool requires_ack;
    bool compressed; /* payload is u32 raw size, then one LZ4 block */
    bool encrypted;
    uint32_t chunk_index, chunk_total; /* index < total; a whole message is 0 of 1 */
    vl_ms created_ms, expires_ms;      /* sender's clock; created <= expires */
    struct vl_span payload;            /* <= VL_PAYLOAD_MAX */
};

struct envelope {
    struct vl_span body;                   /* encoded body: what is signed */
    uint8_t signature[ENVELOPE_SIGNATURE]; /* by the sender */
    uint32_t attempt;                      /* transmissions before this one */
    uint32_t hop_limit;                    /* 1..ENVELOPE_HOPS_MAX */
    uint32_t hop_count;                    /* <= hop_limit; equals path_n */
    struct vl_node_id path[ENVELOPE_HOPS_MAX]; /* relays passed, oldest first */
};

struct envelope_ack {
    struct vl_node_id from, to; /* from: who received the messages, and signs */
    size_t n;                   /* 1..ENVELOPE_ACK_IDS_MAX */
    struct vl_msg_id ids[ENVELOPE_ACK_IDS_MAX];
};

/* Appends the encoded body.  VL_ERANGE: the struct breaks a rule above.  VL_ELIMIT, VL_ENOMEM: from dst. */
VL_MUST_CHECK enum vl_err envelope_body_encode(const struct envelope_body *body, struct vl_buf *dst);
/* Spans of *ret borrow from `in`.  VL_EPARSE: malformed.  VL_EVERSION: not ENVELOPE_VERSION.  VL_ELIMIT: too large. */
VL_MUST_CHECK enum vl_err envelope_body_decode(struct vl_span in, struct envelope_body *ret);

/* Appends the envelope around e->body as it is.  VL_ERANGE, VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err envelope_encode(const struct envelope *e, struct vl_buf *dst);
/* ret->body borrows from `in` and is not looked into.  VL_EPARSE, VL_ELIMIT. */
VL_MUST_CHECK enum vl_err envelope_decode(struct vl_span in, struct envelope *ret);

/* The part of an acknowledgement that is signed.  VL_ERANGE: n; VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err envelope_ack_body_encode(const struct envelope_ack *ack, struct vl_buf *dst);
/* VL_EPARSE, VL_EVERSION, VL_ELIMIT. */
VL_MUST_CHECK enum vl_err envelope_ack_body_decode(struct vl_span in, struct envelope_ack *ret);
/* Body and signature together.  VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err envelope_ack_encode(struct vl_span body, const uint8_t signature[ENVELOPE_SIGNATURE],
                                              struct vl_buf *dst);
/* *ret_body borrows from `in`.  VL_EPARSE, VL_ELIMIT. */
VL_MUST_CHECK enum vl_err envelope_ack_decode(struct vl_span in, struct vl_span *ret_body,
                                              uint8_t ret_signature[ENVELOPE_SIGNATURE]);

#endif
