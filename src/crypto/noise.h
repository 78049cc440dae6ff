/* noise.h - the Noise Protocol Framework, revision 34: patterns XX, XK, IK and X over 25519, with ChaChaPoly or AESGCM
 * and SHA256 or BLAKE2b.  One engine for HTX (XK, IK, XX), libp2p (XX) and BitChat (XX, X).
 * Pure: no clock, no randomness (the ephemeral seed comes in), no allocation of its own; a payload beyond the
 * small-message edge of aead.h makes libcrypto allocate, until noise_destroy().  Not thread-safe. */
#ifndef VL_CRYPTO_NOISE_H
#define VL_CRYPTO_NOISE_H

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/aead.h"
#include "crypto/dh.h"
#include "crypto/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_MESSAGE_MAX 65535u /* Noise 3: every message, handshake or transport, tag included */

/* Numbers are those of the HTX preface. */
enum noise_pattern {
    NOISE_XX = 1, /* both send their static key encrypted: -> e  <- e,ee,s,es  -> s,se */
    NOISE_XK = 2, /* initiator knows the responder's key:  -> e,es  <- e,ee  -> s,se */
    NOISE_IK = 3, /* the same in one round trip:           -> e,es,s,ss  <- e,ee,se */
    NOISE_X = 4,  /* one way, for mail:                    -> e,es,s,ss */
};

struct noise_config {
    enum noise_pattern pattern;
    enum crypto_aead_kind cipher;
    enum crypto_hash_kind hash;
    bool initiator;
    struct vl_span prologue;                /* borrowed during init */
    const struct crypto_dh_key *static_key; /* ours, needed by all four patterns on both sides; copied */
    const uint8_t *remote_static;           /* 32 bytes, copied: initiator of XK, IK, X; else NULL */
    const uint8_t *ephemeral_seed; /* 32 fresh random bytes, copied; NULL allowed only for the responder of X */
};

enum noise_next {
    NOISE_WRITE = 1, /* it is our turn */
    NOISE_READ = 2,
    NOISE_SPLIT = 3, /* handshake complete: noise_split() once */
    NOISE_ENDED = 4, /* split */
    NOISE_FAILED = 5 /* a message was refused; all secrets are wiped */
};

/* Members are private.  A secret: end with noise_destroy(). */
struct noise {
    struct crypto_aead aead;
    uint64_t nonce;
    uint8_t ck[CRYPTO_HASH_MAX], h[CRYPTO_HASH_MAX];
    struct crypto_dh_key s, e;
    uint8_t rs[32], re[32];
    enum noise_pattern pattern;
    enum crypto_aead_kind cipher;
    enum crypto_hash_kind hash;
    enum noise_next next;
    uint8_t step; /* messages done */
    bool initiator, keyed, has_rs;
};

/* One direction of transport.  Members are private.  A secret: end with noise_cipher_destroy(). */
struct noise_cipher {
    struct crypto_aead aead;
    uint64_t nonce;
    bool keyed;
};

/* VL_ERANGE: unknown pattern, cipher or hash, a key missing or one too many. */
VL_MUST_CHECK enum vl_err noise_init(struct noise *ns, const struct noise_config *config);
/* Wipes; NULL and an all-zero struct are fine. */
void noise_destroy(struct noise *ns);

enum noise_next noise_next(const struct noise *ns);
/* Bytes that the next handshake message (to write or to read) is longer than its payload; 0 when none is to come. */
size_t noise_overhead(const struct noise *ns);

/* Next handshake message with this payload (may be empty), noise_overhead() + payload.n bytes at dst, which must not
 * overlap the payload.  VL_ESTATE: not our turn.  VL_ELIMIT: larger than cap or NOISE_MESSAGE_MAX.  Both change
 * nothing. VL_ECRYPTO: low-order remote key; VL_ENOMEM: either ends the handshake (NOISE_FAILED). */
VL_MUST_CHECK enum vl_err noise_write(struct noise *ns, struct vl_span payload, uint8_t *dst, size_t cap,
                                      size_t *ret_n);
/* Takes one handshake message; its payload, message.n - noise_overhead() bytes, goes to dst (no overlap; may be NULL
 * when cap is 0).  Until the handshake is complete a payload has only the security that Noise 7.7 gives it. VL_ESTATE:
 * not our turn.  VL_ELIMIT: payload larger than cap.  Both change nothing. VL_EPARSE: impossible length; VL_ECRYPTO:
 * forged, damaged, other prologue, low-order key; VL_ENOMEM: these end it. */
VL_MUST_CHECK enum vl_err noise_read(struct noise *ns, struct vl_span message, uint8_t *dst, size_t cap, size_t *ret_n);

/* 32 bytes, or NULL while unknown.  Borrowed; valid after split too, until destroy. */
const uint8_t *noise_remote_static(const struct noise *ns);
/* Channel binding (Noise 11.2), crypto_hash_len() bytes.  Meaningful once complete; borrowed as above. */
struct vl_span noise_hash(const struct noise *ns);

/* Gives the two transport ciphers and wipes all secrets of the handshake.  Of X the initiator gets a dead `recv`, the
 * responder a dead `send`: their use is VL_ESTATE.  VL_ESTATE: not complete, or split before. */
VL_MUST_CHECK enum vl_err noise_split(struct noise *ns, struct noise_cipher *ret_send, struct noise_cipher *ret_recv);

/* n + 16 <= NOISE_MESSAGE_MAX.  In place (dst == src) or without overlap.  Each success takes one nonce.
 * VL_ELIMIT: too long, or nonces exhausted.  VL_ESTATE: dead.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err noise_cipher_seal(struct noise_cipher *c, struct vl_span ad, const uint8_t *src, size_t n,
                                            uint8_t *dst);
/* n includes the tag.  VL_ECRYPTO: forged; the nonce stays (Noise 5.1), dst is zeroed.  The rest as for seal. */
VL_MUST_CHECK enum vl_err noise_cipher_open(struct noise_cipher *c, struct vl_span ad, const uint8_t *src, size_t n,
                                            uint8_t *dst);
/* Noise 4.2 REKEY; the nonce goes on.  VL_ESTATE, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err noise_cipher_rekey(struct noise_cipher *c);
/* For transports that carry their nonces (Noise 11.4); the caller guards against replay. */
void noise_cipher_set_nonce(struct noise_cipher *c, uint64_t nonce);
void noise_cipher_destroy(struct noise_cipher *c);

#endif
