/* consensus.h - the directory documents of the mixnet: charter, descriptors, consensus, proofs of equivocation.
 * Structs, strict codecs, signatures and their checks; votes are vote.h's, the exchange between authorities
 * authority.h's. A charter (signed by the village's root key) names the authorities; nothing else is built in (MIX-08).
 * Clients accept a consensus only with `threshold` signatures of the charter's authorities.  Pure.
 *
 * Every document: tag, version, fields big-endian, signature last; one encoding for one content.  Decoders take hostile
 * bytes: VL_EPARSE also for fields out of range, lists out of order, and anything after the end. */
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
/* A consensus must fit into one message of a link even when every address is as long as it may be: 256 relays of 341
 * bytes, 2,048 recipients of 68, a head of 701 and nine signatures make 227,847 of MIX_DOC_MAX 229,376 bytes. */
#define MIX_RELAYS_MAX 256u
#define MIX_CLIENTS_MAX 2048u
#define MIX_DELAYS 8u              /* mean delays that packets may ask for: few, so that none is a fingerprint */
#define MIX_EPOCH_MS 1800000u      /* default */
#define MIX_EPOCH_MS_MIN 4000u     /* tests and demonstrations */
#define MIX_EPOCH_MS_MAX 86400000u /* a day */
#define MIX_SKEW_MS 60000u         /* or a tenth of the epoch when that is less: how early the next key is accepted */
#define MIX_DOC_MAX (224u * 1024u) /* an encoded document fits into one message of a link */
#define MIX_PROOF_AGE 3u           /* a delay secret of epoch p may be told from epoch p + 2 on: descriptors of p + 3 */
#define MIX_REPUTATION_MAX 1000u

#define MIX_TOLERANCE_DEFAULT 500u /* what authorities vote for */
#define MIX_FLOOR_DEFAULT 64u      /* packets that should wait at each relay (mixnet.md 6.3) */
#define MIX_FLOOR_MAX 100000u
#define MIX_DELAY_LONGEST 8000u /* ms */
/* The delays authorities vote for: 20 ms to MIX_DELAY_LONGEST; in short epochs at most a twelfth of one, so that a
 * packet of seven hops and its reply live no longer than the keys they were made for. */
void mix_delays_default(uint32_t epoch_ms, uint16_t ret[MIX_DELAYS]);

/* Who votes, for how long an epoch lasts.  Epoch n > 0 lasts from genesis + n * epoch_ms. */
struct mix_charter {
    uint8_t root[32];
    uint64_t number;      /* > 0; a higher one replaces a lower */
    vl_ms genesis_ms;     /* < year 10000 */
    uint32_t epoch_ms;    /* MIX_EPOCH_MS_MIN..MIX_EPOCH_MS_MAX */
    uint8_t n, threshold; /* n / 2 < threshold <= n */
    uint32_t anonymity_floor; /* 1..MIX_FLOOR_MAX: what the village asks of a level, see struct mix_consensus */
    struct {
        struct vl_node_id node;
        char addr[VL_ADDR_MAX];
    } authority[MIX_AUTHORITIES_MAX]; /* strictly ascending by node */
    uint8_t signature[CRYPTO_SIGNATURE];
};
uint64_t mix_epoch_at(const struct mix_charter *c, vl_ms now);      /* 0 before genesis */
vl_ms mix_epoch_start(const struct mix_charter *c, uint64_t epoch); /* VL_MS_NEVER when it does not fit */
/* Position of an authority, -1: none. */
int mix_charter_find(const struct mix_charter *c, struct vl_node_id node);
/* Fills root and signature.  VL_ERANGE: a field out of range. */
VL_MUST_CHECK enum vl_err mix_charter_sign(struct mix_charter *c, const struct crypto_sign_key *root);
/* VL_ERANGE, VL_ELIMIT, VL_ENOMEM; so do all encoders below. */
VL_MUST_CHECK enum vl_err mix_charter_encode(const struct mix_charter *c, struct vl_buf *out);
/* Decodes and checks the signature under root.  VL_EPARSE, VL_EVERSION, VL_ECRYPTO (another root, too). */
VL_MUST_CHECK enum vl_err mix_charter_decode(struct vl_span in, const uint8_t root[32], struct mix_charter *ret);

enum mix_role { MIX_ROLE_GUARD = 1, MIX_ROLE_MIX = 2, MIX_ROLE_EXIT = 4, MIX_ROLE_CLIENT = 8 }; /* bits */
#define MIX_ROLES_RELAY 7u
#define MIX_ROLES_ALL 15u

/* What a relay or recipient says of itself for one epoch; signed with its node key.
 * Fields of relays are zero in a recipient's; a relay that is a recipient too is its own provider. */
struct mix_descriptor {
    struct vl_node_id node;
    uint64_t epoch; /* > 0: for which its key is */
    uint8_t roles;
    uint8_t static_key[32]; /* X25519 of its links, and what messages to it are sealed to */
    /* relays */
    uint8_t mix_key[32];    /* of that epoch */
    uint8_t vrf_key[32];    /* of its delays: registered before the epoch's shared random value is known */
    uint8_t family[16];     /* declared operator; the same for all nodes of one */
    char addr[VL_ADDR_MAX]; /* where its links are accepted; printable ASCII, not empty */
    uint32_t bandwidth;     /* packets per second, self-measured (village mix --capacity) */
    uint32_t rate;          /* packets per second it forwarded of late */
    uint32_t mean_delay_ms; /* of late */
    /* the delay secret of an epoch whose key is destroyed, epoch - 255..epoch - MIX_PROOF_AGE; 0: none */
    uint64_t proof_epoch;
    uint8_t proof[CRYPTO_VRF_PROOF];
    /* recipients */
    struct vl_node_id provider; /* the relay that keeps its mailbox; zero for none */
    uint8_t signature[CRYPTO_SIGNATURE];
};
/* key is that of d->node.  VL_ERANGE. */
VL_MUST_CHECK enum vl_err mix_descriptor_sign(struct mix_descriptor *d, const struct crypto_sign_key *key);
VL_MUST_CHECK enum vl_err mix_descriptor_encode(const struct mix_descriptor *d, struct vl_buf *out);
/* Decodes and checks the signature under d->node.  VL_EPARSE, VL_EVERSION, VL_ECRYPTO. */
VL_MUST_CHECK enum vl_err mix_descriptor_decode(struct vl_span in, struct mix_descriptor *ret);

struct mix_relay {
    uint32_t number; /* directory number: > 0, never given twice */
    struct vl_node_id node;
    uint8_t roles, layer; /* layer: 0..2, position drawn for this epoch by the shared random value */
    uint8_t static_key[32], mix_key[32], vrf_key[32], family[16];
    uint32_t subnet; /* mix_subnet(addr) */
    char addr[VL_ADDR_MAX];
    uint32_t bandwidth, rate, mean_delay_ms;
    uint16_t reputation; /* 0..1000: median of what the authorities vote */
    /* For senders that audit their packets of proof_epoch (delay.h); 0: none.  Not checked by the authorities. */
    uint64_t proof_epoch;
    uint8_t proof[CRYPTO_VRF_PROOF];
};
/* /16 of IPv4 or /32 of IPv6 of "ip:port" or "[ip]:port", hashed; 0: a private address, loopback or a name: not compared,
 * for it tells nothing of who runs the node. */
uint32_t mix_subnet(const char *addr);

struct mix_client {
    struct vl_node_id node;
    uint8_t static_key[32];
    uint32_t provider; /* directory number; 0: its provider is not listed, so it cannot be reached */
};
/* What an authority has bound itself to: the share it reveals j epochs after this consensus hashes to `value` in j
 * steps. */
struct mix_commitment {
    struct vl_node_id authority;
    uint8_t value[32];
};
struct mix_consensus {
    uint64_t epoch;
    vl_ms valid_from, valid_until; /* until: end of epoch + 1, when its keys die */
    uint8_t previous[32];          /* hash of the one before it; zero at the first */
    uint8_t shared_random[32];
    uint32_t next_number;
    uint16_t delay_ms[MIX_DELAYS]; /* strictly ascending, > 0 */
    uint16_t tolerance_permille;   /* of a loop's transit over the sum of its assigned delays */
    uint32_t anonymity_floor;      /* K: rate x mean delay wanted, in packets */
    uint8_t commitments_n;
    struct mix_commitment commitment[MIX_AUTHORITIES_MAX]; /* ascending by authority */
    uint32_t relays_n, clients_n;
    struct mix_relay *relays;   /* ascending by number, no node twice; owned */
    struct mix_client *clients; /* ascending by node; owned */
    uint8_t hash[32];           /* BLAKE2b-256 of the body; set by decode */
};
void mix_consensus_free(struct mix_consensus *c);
const struct mix_relay *mix_relay_by_number(const struct mix_consensus *c, uint32_t number);        /* O(log n) */
const struct mix_relay *mix_relay_by_node(const struct mix_consensus *c, struct vl_node_id node);   /* O(n) */
const struct mix_client *mix_client_by_node(const struct mix_consensus *c, struct vl_node_id node); /* O(log n) */

/* The body that is signed; deterministic: equal consensuses give equal bytes. */
VL_MUST_CHECK enum vl_err mix_consensus_encode(const struct mix_consensus *c, struct vl_buf *out);
/* A body alone, without signatures: for authorities, who know where it comes from.  VL_EPARSE, VL_EVERSION, VL_ENOMEM.
 */
VL_MUST_CHECK enum vl_err mix_consensus_decode_body(struct vl_span in, const struct mix_charter *charter,
                                                    struct mix_consensus *ret);
/* body || u8 count || count x (u8 authority index | signature), indices strictly ascending.  Decodes, checks, and
 * counts signatures.  VL_EPARSE, VL_EVERSION; VL_ECRYPTO: a wrong signature among them; VL_EDENIED: fewer than the
 * charter's threshold; VL_EEXPIRED: valid_until <= now (too old to be used); VL_ENOMEM. */
VL_MUST_CHECK enum vl_err mix_consensus_decode(struct vl_span in, const struct mix_charter *charter, vl_ms now,
                                               struct mix_consensus *ret);

/* What an authority signs of a vote or a consensus: its hash, bound to village, charter and epoch.  For one charter,
 * kind and epoch it may do so once; two statements with different hashes are a proof that it equivocates. */
enum mix_statement_kind { MIX_STATEMENT_VOTE = 1, MIX_STATEMENT_CONSENSUS = 2 };
struct mix_statement {
    enum mix_statement_kind kind;
    uint64_t epoch;
    uint8_t hash[32]; /* BLAKE2b-256 of the body */
    uint8_t signature[CRYPTO_SIGNATURE];
};
/* Fills the signature. */
void mix_statement_sign(struct mix_statement *s, const struct mix_charter *charter, const struct crypto_sign_key *key);
/* VL_ECRYPTO. */
VL_MUST_CHECK enum vl_err mix_statement_check(const struct mix_statement *s, const struct mix_charter *charter,
                                              struct vl_node_id authority);

struct mix_equivocation {
    struct vl_node_id authority;
    enum mix_statement_kind kind;
    uint64_t epoch;
    struct {
        uint8_t hash[32];
        uint8_t signature[CRYPTO_SIGNATURE];
    } statement[2]; /* ascending by hash */
};
/* From two statements, in any order.  VL_ERANGE: they are no contradiction. */
VL_MUST_CHECK enum vl_err mix_equivocation_of(struct vl_node_id authority, const struct mix_statement *a,
                                              const struct mix_statement *b, struct mix_equivocation *ret);
/* From two signed consensuses of one epoch that differ, as members meet them: more than half signed each, so somebody
 * signed both.  VL_ERANGE: they are the same, or of two epochs; errors of mix_consensus_decode() but expiry. */
VL_MUST_CHECK enum vl_err mix_equivocation_of_consensuses(struct vl_span a, struct vl_span b,
                                                          const struct mix_charter *charter,
                                                          struct mix_equivocation *ret);
VL_MUST_CHECK enum vl_err mix_equivocation_encode(const struct mix_equivocation *e, struct vl_buf *out);
/* VL_OK: it proves what it says.  VL_ECRYPTO, VL_EPARSE, VL_EVERSION; VL_ERANGE: no authority of the charter. */
VL_MUST_CHECK enum vl_err mix_equivocation_check(struct vl_span in, const struct mix_charter *charter,
                                                 struct mix_equivocation *ret);

#endif
