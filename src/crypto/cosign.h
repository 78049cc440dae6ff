/* cosign.h - a head of a log with the signatures of witnesses beside that of the log (C2SP tlog-cosignature, cosignature/v1): a
 * witness states that it saw this head at a time, and that it follows from every head it saw before.  Pure.
 *
 * Signed is "cosignature/v1\ntime SECONDS\n" and the body of the head's text (crypto/merkle.h).  Its line in the text:
 *   EM-DASH SPACE NAME SPACE base64(4 bytes of key hash | u64 seconds | 64 bytes of signature) \n
 * NAME is the witness's node id as text, which is its Ed25519 key; the key hash is that of C2SP signed-note with the algorithm byte
 * 0x04.  So whoever has a head can check its witnesses; that they are members of the village is for their certificates to say. */
#ifndef VL_CRYPTO_COSIGN_H
#define VL_CRYPTO_COSIGN_H

#include "crypto/merkle.h"

#define COSIGN_MAX 64u         /* witnesses of one head: more say nothing that these do not */
#define COSIGN_OTHERS_MAX 64u  /* lines of signatures that are no cosignatures of nodes */
#define COSIGN_LINE 163u       /* with the NUL */
#define COSIGN_NOTE_MAX 32768u /* of a text with all of its lines */

struct cosignature {
    struct vl_node_id by;
    uint64_t time_s; /* since the Unix epoch, by the witness's clock; > 0 */
    uint8_t signature[CRYPTO_SIGNATURE];
};

/* The part of a head's text that is signed: up to and with the line feed before the empty line.  VL_EPARSE: there is none. */
VL_MUST_CHECK enum vl_err cosign_body(struct vl_span text, struct vl_span *ret);
/* Signs a head's body.  VL_ERANGE: time 0; VL_ELIMIT: longer than a head. */
VL_MUST_CHECK enum vl_err cosign_make(struct vl_span body, const struct crypto_sign_key *key, uint64_t time_s, struct cosignature *ret);
/* VL_ECRYPTO: not by c->by over this body and time.  VL_ERANGE, VL_ELIMIT: as above. */
VL_MUST_CHECK enum vl_err cosign_check(struct vl_span body, const struct cosignature *c);
void cosign_line(const struct cosignature *c, char ret[COSIGN_LINE]);

/* A head's text with its lines of signatures, the log's own first. */
struct cosign_note {
    struct merkle_checkpoint head;
    struct vl_span body, plain; /* signed part; the text with the log's signature alone.  Both borrow from the input */
    uint32_t n, others;         /* cosignatures, all checked; lines that are none of a node */
    struct cosignature by[COSIGN_MAX];
};
/* Strict: the log's signature by `log`, each cosignature of a node right and no node twice.  Lines of other signers are counted and
 * passed over, as C2SP wants it.  VL_EPARSE, VL_ELIMIT; VL_ECRYPTO: a signature is wrong. */
VL_MUST_CHECK enum vl_err cosign_open(struct vl_span text, const uint8_t log[32], struct cosign_note *ret);

#endif
