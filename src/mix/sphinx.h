/* sphinx.h - BN-Sphinx v1: the packet of the mixnet.  2,048 bytes whatever it carries and wherever it is: a node learns
 * who gave it the packet and who gets it next, and neither how long the path is nor where on it the node stands.
 * KEM style: the key for the next hop lies in the encrypted slot, so that a node does one X25519 and no blinding.
 * Format: docs/spec/sphinx.md (Danezis & Goldberg 2009; Kuhn et al. 2019 on padding; Katzenpost kemsphinx, Outfox).
 * Pure: randomness comes in; not thread-safe per object, batches may run on any thread. */
#ifndef VL_MIX_SPHINX_H
#define VL_MIX_SPHINX_H

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/drbg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPHINX_PACKET 2048u
#define SPHINX_HEADER 448u /* AD 8 | E 32 | gamma 16 | beta 392 */
#define SPHINX_HOPS_MAX 7u
#define SPHINX_DELTA 1600u /* payload block: 16 zero bytes, then the body */
#define SPHINX_BODY 1584u
#define SPHINX_DATA_MAX 1581u /* body: u16 length | u8 type | data | zeros */
#define SPHINX_SURB 488u
#define SPHINX_TAG 16u
#define SPHINX_BATCH 256u /* most packets of one call */
#define SPHINX_VERSION 1u
#define SPHINX_SUITE 1u

/* One hop as the sender sees it. */
struct sphinx_hop {
    uint32_t node;     /* directory number, > 0 */
    uint8_t key_id;    /* of its mix key */
    uint8_t key[32];   /* X25519 mix key */
    uint16_t delay_ms; /* mean of the exponential delay at this hop; one of the values of the consensus */
};
enum sphinx_command { SPHINX_FORWARD = 1, SPHINX_DELIVER = 2, SPHINX_REPLY = 3, SPHINX_DROP = 4 }; /* on the wire */
/* What the last hop is told. */
struct sphinx_end {
    enum sphinx_command command; /* DELIVER, REPLY, DROP */
    uint8_t flags;
    uint32_t service;      /* DELIVER */
    uint8_t recipient[32]; /* DELIVER: recipient; REPLY: mailbox */
    uint8_t surb_id[16];   /* REPLY */
};
struct sphinx_path {
    uint32_t n; /* 1..SPHINX_HOPS_MAX */
    struct sphinx_hop hop[SPHINX_HOPS_MAX];
    struct sphinx_end end;
};

/* A header ready to be sent, with the payload keys of its hops.  A secret until used once: sphinx_prebuilt_wipe(). */
struct sphinx_prebuilt {
    uint8_t header[SPHINX_HEADER];
    uint32_t first; /* node to hand the packet to */
    uint32_t n;
    uint8_t payload_key[SPHINX_HOPS_MAX][32];
    uint8_t delay_input[SPHINX_HOPS_MAX][16]; /* what each hop draws its delay from: for audits */
    uint32_t node[SPHINX_HOPS_MAX];           /* and which hops these are */
    uint16_t mean_ms[SPHINX_HOPS_MAX];
};
void sphinx_prebuilt_wipe(struct sphinx_prebuilt *p);

/* Builds n <= SPHINX_BATCH headers, their key exchanges side by side, for paths that end in DELIVER or DROP. VL_ERANGE:
 * a path breaks a rule above, in which case ret is untouched.  VL_ECRYPTO: a key of low order; ret is wiped. */
VL_MUST_CHECK enum vl_err sphinx_build(const struct sphinx_path *path, size_t n, struct crypto_drbg *rng,
                                       struct sphinx_prebuilt *ret);
/* The packet around a body (SPHINX_BODY bytes; sphinx_body() makes one; it may lie in the packet).  Uses the header up:
 * wipe it. */
void sphinx_seal(const struct sphinx_prebuilt *p, const uint8_t body[SPHINX_BODY], uint8_t packet[SPHINX_PACKET]);
/* Frames data into a body.  VL_ERANGE: n > SPHINX_DATA_MAX. */
VL_MUST_CHECK enum vl_err sphinx_body(uint8_t type, struct vl_span data, uint8_t body[SPHINX_BODY]);
/* The data of a body; borrowed.  VL_EPARSE: length, or bytes behind the data that are not zero. */
VL_MUST_CHECK enum vl_err sphinx_body_read(const uint8_t body[SPHINX_BODY], uint8_t *ret_type,
                                           struct vl_span *ret_data);

/* ---- replies ---- */

/* What the owner of a reply block keeps. */
struct sphinx_surb_keys {
    uint8_t id[16];
    uint8_t key[32]; /* the responder's payload key */
    uint32_t n;
    uint8_t payload_key[SPHINX_HOPS_MAX][32];
    uint8_t delay_input[SPHINX_HOPS_MAX][16];
};
/* As sphinx_build() for paths that end in REPLY; expiry: last epoch in which all its keys live.  keys[].id is the
 * surb_id of the path. */
VL_MUST_CHECK enum vl_err sphinx_surb_build(const struct sphinx_path *path, size_t n, uint32_t expiry_epoch,
                                            struct crypto_drbg *rng, uint8_t (*ret_surb)[SPHINX_SURB],
                                            struct sphinx_surb_keys *ret_keys);
/* The responder's packet, and the node to hand it to.  VL_EPARSE: not such a block. */
VL_MUST_CHECK enum vl_err sphinx_surb_use(const uint8_t surb[SPHINX_SURB], const uint8_t body[SPHINX_BODY],
                                          uint8_t packet[SPHINX_PACKET], uint32_t *ret_first);
uint32_t sphinx_surb_expiry(const uint8_t surb[SPHINX_SURB]);
/* The owner opens what came back under `keys->id`; then it wipes the keys, for a block is used once.  VL_ECRYPTO:
 * damaged on the way; ret_body is untouched. */
VL_MUST_CHECK enum vl_err sphinx_surb_open(const struct sphinx_surb_keys *keys, const uint8_t delta[SPHINX_DELTA],
                                           uint8_t ret_body[SPHINX_BODY]);

/* ---- nodes ---- */

/* A mix key of one epoch.  A secret. */
struct sphinx_node_key {
    uint8_t secret[32], public[32];
    uint8_t key_id;
};

/* Reasons, stable names in metrics. */
enum sphinx_verdict {
    SPHINX_OK = 0,
    SPHINX_BAD_VERSION, /* version, suite, or bytes of AD that must be zero */
    SPHINX_BAD_KEY_ID,  /* none of ours: an epoch that is over or far ahead */
    SPHINX_BAD_POINT,   /* E of low order */
    SPHINX_BAD_MAC,
    SPHINX_REPLAYED,
    SPHINX_BAD_COMMAND, /* authentic, yet not a slot we know */
    SPHINX_BAD_PAYLOAD, /* at the end: the 16 zero bytes are not there, so somebody changed the payload */
};
/* One packet on its way through sphinx_open() and sphinx_peel(). */
struct sphinx_work {
    uint8_t *packet; /* SPHINX_PACKET bytes, rewritten in place by peel */
    uint8_t okm[192];
    uint8_t tag[SPHINX_TAG]; /* for the replay table */
    enum sphinx_verdict verdict;
    uint8_t key; /* index into the keys given */
    /* set by peel when verdict stays OK */
    enum sphinx_command command;
    uint32_t next;     /* FORWARD */
    uint16_t delay_ms; /* mean */
    uint8_t delay_input[16];
    struct sphinx_end
        end; /* others; the body lies at packet + SPHINX_HEADER + 16, of REPLY the block at + SPHINX_HEADER */
};
/* The cheap look, before any key work: version and key id among `keys`; sets verdict and key. */
enum sphinx_verdict sphinx_glance(const uint8_t packet[SPHINX_PACKET], const struct sphinx_node_key *keys,
                                  size_t keys_n, uint8_t *ret_key);
/* Key exchange, key derivation, MAC for n <= SPHINX_BATCH packets whose verdict is SPHINX_OK so far (others are left);
 * then tag is set.  `epoch_pk` binding as in the specification comes from keys[].public. */
void sphinx_open(struct sphinx_work *w, size_t n, const struct sphinx_node_key *keys);
/* Header and payload of those still OK (after the caller's replay check): rewrites packets in place, wipes okm. */
void sphinx_peel(struct sphinx_work *w, size_t n);

#endif
