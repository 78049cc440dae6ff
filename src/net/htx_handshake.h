/* htx_handshake.h - preface, Noise handshake and identity payload of one HTX connection.
 *
 *   preface, 8 bytes, each way:  "HTX1" | version 1 | pattern | suite | 0
 *   handshake message:           u16 length <= 4096 | Noise message
 *   identity payload:            Ed25519 key 32 | signature 64 | expiry u64 ms | capabilities u64 | u16 n | certificate
 * n
 *
 * The dialler sends its preface and first message at once; the other side answers with the same preface or, when it
 * cannot, with the one it could do, and closes.  Both prefaces are the Noise prologue, so whoever changes one on the
 * way breaks the handshake (no downgrade).  The signature covers static key and expiry under "fog-htx-static:".
 * Identity payloads travel in messages that are encrypted to a static or ephemeral key of the peer only: XX in 2 and 3,
 * XK in 2 and 3, IK in 1 and 2; all other payloads are empty.  Behind the identity of message 1 of IK early data may
 * follow, and then its answer behind that of message 2 (htx_early.h); any other tail is refused.  But for accepted
 * early data a replayed first message of IK has no effect before the peer has proved its keys in a record. Source:
 * Noise revision 34 sections 7.5 and 7.7, NET-03, docs/htx.md. */
#ifndef VL_NET_HTX_HANDSHAKE_H
#define VL_NET_HTX_HANDSHAKE_H

#include "crypto/noise.h"
#include "crypto/sign.h"
#include "net/htx_early.h"

#define HTX_PREFACE 8u
#define HTX_HANDSHAKE_MAX 4096u /* one message */
#define HTX_IDENTITY_MIN 114u   /* identity payload without certificate */
#define HTX_IDENTITY_MAX (HTX_IDENTITY_MIN + HTX_CERT_MAX)

/* Own identity payload.  VL_ERANGE: certificate too long.  VL_ELIMIT of the signer. */
VL_MUST_CHECK enum vl_err htx_identity_make(const struct crypto_sign_key *key, const uint8_t static_public[32],
                                            vl_ms expiry, uint64_t capabilities, struct vl_span certificate,
                                            uint8_t ret[HTX_IDENTITY_MAX], size_t *ret_n);

enum htx_handshake_state {
    HTX_HS_PREFACE = 1, /* the peer's preface is awaited */
    HTX_HS_RUNNING,
    HTX_HS_DONE,   /* htx_handshake_split() */
    HTX_HS_FAILED, /* reason is set */
};

/* A secret: end with htx_handshake_wipe(). */
struct htx_handshake {
    struct noise noise;
    struct crypto_dh_key static_key;
    uint8_t ephemeral_seed[32], remote_static[32];
    bool initiator, has_expect, preface_sent;
    enum htx_handshake_state state;
    enum htx_reason reason;
    enum htx_pattern pattern; /* responder: 0 until the preface came */
    enum htx_suite suite;
    struct vl_node_id expect;
    uint8_t identity[HTX_IDENTITY_MAX]; /* own payload */
    size_t identity_n;
    /* message 1 of IK carries early data: then an answer is due */
    bool has_early;
    struct vl_buf early;          /* section: ours until it is sent, or the peer's */
    vl_ms early_ms;               /* responder: when the peer sent it, by its clock */
    uint8_t ephemeral[32];        /* responder: the peer's */
    enum htx_early_answer answer; /* initiator: the peer's; responder: ours, refused unless set before message 2 */
    /* what the peer proved */
    struct vl_node_id node;
    uint64_t capabilities;
    uint8_t certificate[HTX_CERT_MAX];
    size_t certificate_n;
    bool has_node;
};

struct htx_handshake_config {
    bool initiator;
    enum htx_pattern pattern; /* initiator */
    enum htx_suite suite;     /* initiator */
    const struct crypto_dh_key *static_key;
    const uint8_t *remote_static;    /* initiator of XK and IK: 32 bytes */
    const uint8_t *ephemeral_seed;   /* 32 fresh random bytes */
    const struct vl_node_id *expect; /* NULL: any node */
    struct vl_span identity;         /* from htx_identity_make() */
    struct vl_span early;            /* initiator of IK: from htx_early_put(); else empty */
};
/* Copies the config.  VL_ERANGE: unfit pattern, suite or keys, early data without IK or too long.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_handshake_init(struct htx_handshake *hs, const struct htx_handshake_config *config);
/* Bytes that the next htx_handshake_take() wants: the preface, else a length and then a message; `have` and `n` are
 * what was gathered of it.  0: nothing is awaited now. */
size_t htx_handshake_wants(const struct htx_handshake *hs, const uint8_t *have, size_t n);
/* One unit as htx_handshake_wants() measured it.  The outcome is in hs->state. */
void htx_handshake_take(struct htx_handshake *hs, vl_ms now, struct vl_span unit);
/* What is to be sent now; 0: nothing.  dst holds at least HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX bytes. */
size_t htx_handshake_put(struct htx_handshake *hs, uint8_t *dst);
/* Is there something for htx_handshake_put()? */
bool htx_handshake_wants_put(const struct htx_handshake *hs);
/* Ciphers, and the hash of the handshake (32 bytes, unique to it).  VL_ESTATE: not done. */
VL_MUST_CHECK enum vl_err htx_handshake_split(struct htx_handshake *hs, struct noise_cipher *ret_send,
                                              struct noise_cipher *ret_recv, uint8_t ret_hash[32]);
void htx_handshake_wipe(struct htx_handshake *hs);

#endif
