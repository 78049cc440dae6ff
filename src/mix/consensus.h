/* consensus.h - the directory documents of the mixnet: charter, descriptors, votes, consensus.  Structs, strict codecs,
 * signatures and their checks; the exchange between authorities is authority.h's.
 * A charter (signed by the village's root key) names the authorities; nothing else is built in (MIX-08).
 * Clients accept a consensus only with `threshold` signatures of the charter's authorities.  Pure. */
#ifndef VL_MIX_CONSENSUS_H
#define VL_MIX_CONSENSUS_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/sign.h"
#include "crypto/vrf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIX_AUTHORITIES_MIN 3u
#define MIX_AUTHORITIES_MAX 9u
#define MIX_RELAYS_MAX 1024u       /* relays of a consensus: VL_LINKS_MAX */
#define MIX_CLIENTS_MAX 4096u      /* recipients of a consensus */
#define MIX_DELAYS 8u              /* mean delays that packets may ask for: few, so that none is a fingerprint */
#define MIX_EPOCH_MS 1800000u      /* default */
#define MIX_EPOCH_MS_MIN 4000u     /* tests and demonstrations */
#define MIX_SKEW_MS 60000u         /* or a tenth of the epoch when that is less: how early the next key is accepted */
#define MIX_DOC_MAX (224u * 1024u) /* an encoded document fits into one message of a link */

/* What authorities vote for where their settings say nothing else. */
#define MIX_DELAYS_DEFAULT { 5, 10, 20, 50, 100, 200, 500, 1000 }
#define MIX_TOLERANCE_DEFAULT 500u
#define MIX_FLOOR_DEFAULT 64u

/* Who votes, for how long an epoch lasts.  Epoch n lasts from genesis + n * epoch_ms. */
struct mix_charter {
    uint8_t root[32];
    uint64_t number; /* > 0; a higher one replaces a lower */
    vl_ms genesis_ms;
    uint32_t epoch_ms;
    uint8_t n, threshold; /* threshold > n / 2 */
    struct {
        struct vl_node_id node;
        char addr[VL_ADDR_MAX];
    } authority[MIX_AUTHORITIES_MAX]; /* strictly ascending by node */
    uint8_t signature[CRYPTO_SIGNATURE];
};
uint64_t mix_epoch_at(const struct mix_charter *c, vl_ms now); /* 0 before genesis */
vl_ms mix_epoch_start(const struct mix_charter *c, uint64_t epoch);
/* Position of an authority, -1: none. */
int mix_charter_find(const struct mix_charter *c, struct vl_node_id node);
VL_MUST_CHECK enum vl_err mix_charter_sign(struct mix_charter *c, const struct crypto_sign_key *root);
VL_MUST_CHECK enum vl_err mix_charter_encode(const struct mix_charter *c, struct vl_buf *out);
/* Decodes and checks the signature under root.  VL_EPARSE, VL_EVERSION, VL_ERANGE, VL_ECRYPTO. */
VL_MUST_CHECK enum vl_err mix_charter_decode(struct vl_span in, const uint8_t root[32], struct mix_charter *ret);

enum mix_role { MIX_ROLE_GUARD = 1, MIX_ROLE_MIX = 2, MIX_ROLE_EXIT = 4, MIX_ROLE_CLIENT = 8 }; /* bits */

/* What a relay or recipient says of itself for one epoch; signed with its node key. */
struct mix_descriptor {
    struct vl_node_id node;
    uint64_t epoch; /* for which its key is */
    uint8_t roles;
    uint8_t static_key[32]; /* X25519 of its links, and what messages to it are sealed to */
    /* relays */
    uint8_t mix_key[32];    /* of that epoch */
    uint8_t vrf_key[32];    /* of its delays: registered before the epoch's shared random value is known */
    uint8_t family[16];     /* declared operator; the same for all nodes of one */
    char addr[VL_ADDR_MAX]; /* where its links are accepted */
    uint32_t bandwidth;     /* packets per second, self-measured (village mix --capacity) */
    uint32_t rate;          /* packets per second it forwarded of late */
    uint32_t mean_delay_ms; /* of late */
    /* the delay secret of an epoch whose key is destroyed; proof_epoch 0: none */
    uint64_t proof_epoch;
    uint8_t proof[CRYPTO_VRF_PROOF];
    /* recipients */
    struct vl_node_id provider; /* the relay that keeps its mailbox; zero for none */
    uint8_t signature[CRYPTO_SIGNATURE];
};
VL_MUST_CHECK enum vl_err mix_descriptor_sign(struct mix_descriptor *d, const struct crypto_sign_key *key);
VL_MUST_CHECK enum vl_err mix_descriptor_encode(const struct mix_descriptor *d, struct vl_buf *out);
/* Decodes and checks the signature under d->node. */
VL_MUST_CHECK enum vl_err mix_descriptor_decode(struct vl_span in, struct mix_descriptor *ret);

struct mix_relay {
    uint32_t number; /* directory number: > 0, never given twice */
    struct vl_node_id node;
    uint8_t roles, layer; /* layer: 0..2, position drawn for this epoch by the shared random value */
    uint8_t static_key[32], mix_key[32], vrf_key[32], family[16];
    uint32_t subnet; /* /16 of IPv4 or /32 of IPv6 of addr, hashed; 0: loopback or a name, not compared */
    char addr[VL_ADDR_MAX];
    uint32_t bandwidth, rate, mean_delay_ms;
    uint16_t reputation; /* 0..1000: median of what the authorities vote */
};
struct mix_client {
    struct vl_node_id node;
    uint8_t static_key[32];
    uint32_t provider; /* directory number; 0: its provider is not listed, so it cannot be reached */
};
struct mix_consensus {
    uint64_t epoch;
    vl_ms valid_from, valid_until; /* until: end of epoch + 1, when its keys die */
    uint8_t previous[32];          /* BLAKE2b-256 of the body before it; zero at the first */
    uint8_t shared_random[32];
    uint32_t next_number;
    uint16_t delay_ms[MIX_DELAYS]; /* ascending */
    uint16_t tolerance_permille;   /* of a loop's transit over the sum of its assigned delays */
    uint32_t anonymity_floor;      /* K: rate x mean delay wanted, in packets */
    uint32_t relays_n, clients_n;
    struct mix_relay *relays;   /* ascending by number; owned */
    struct mix_client *clients; /* ascending by node; owned */
    uint8_t hash[32];           /* of the body */
};
void mix_consensus_free(struct mix_consensus *c);
const struct mix_relay *mix_relay_by_number(const struct mix_consensus *c, uint32_t number);
const struct mix_relay *mix_relay_by_node(const struct mix_consensus *c, struct vl_node_id node);
const struct mix_client *mix_client_by_node(const struct mix_consensus *c, struct vl_node_id node);

/* The body that is signed; deterministic: equal consensuses give equal bytes. */
VL_MUST_CHECK enum vl_err mix_consensus_encode(const struct mix_consensus *c, struct vl_buf *out);
/* body || u8 count || count x (u8 authority index | signature).  Decodes, checks, and counts signatures.
 * VL_EPARSE, VL_EVERSION, VL_ERANGE; VL_ECRYPTO: a wrong signature among them; VL_EDENIED: fewer good ones than the
 * charter's threshold; VL_EEXPIRED: valid_until <= now (too old to be used); VL_ENOMEM. */
VL_MUST_CHECK enum vl_err mix_consensus_decode(struct vl_span in, const struct mix_charter *charter, vl_ms now,
                                               struct mix_consensus *ret);

/* Two documents of one epoch, both signed by the same authority: proof that it equivocates. */
struct mix_equivocation {
    struct vl_node_id authority;
    uint64_t epoch;
    struct vl_span first, second; /* encoded votes, or consensuses with signatures */
};
VL_MUST_CHECK enum vl_err mix_equivocation_encode(const struct mix_equivocation *e, struct vl_buf *out);
/* VL_OK: it proves what it says.  VL_ECRYPTO, VL_EPARSE, VL_ERANGE: it does not. */
VL_MUST_CHECK enum vl_err mix_equivocation_check(struct vl_span in, const struct mix_charter *charter,
                                                 struct mix_equivocation *ret);

#endif
