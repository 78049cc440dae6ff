/* node_keys.h - what a node must keep secret and keep for long: plain struct and strict codec.  No cryptography here; the file is
 * node.keys of the data directory, in the clear (mode 0600) or sealed (crypto/sealed.h, os/keyfile.h).
 *
 * version 1 (read only): u8 1 | u8 coordinator | sign seed 32 | link secret 32 | root seed 32 (zeros for members)      98 bytes
 * version 2: u8 2 | u8 coordinator | sign seed 32 | link secret 32 | root seed 32 | u64 since |
 *            u8 has next | next sign seed 32 | next link secret 32 (zeros without)                                    171 bytes */
#ifndef VL_WIRE_NODE_KEYS_H
#define VL_WIRE_NODE_KEYS_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stdint.h>

#define NODE_KEYS_BYTES 171u
#define NODE_KEYS_NOTE 9u /* what may be read without opening: u64 since | u8 has next */

struct node_keys {
    uint8_t sign_seed[32];   /* Ed25519: the node's identity */
    uint8_t link_secret[32]; /* X25519 of its links, in its certificate */
    uint8_t root_seed[32];   /* Ed25519 of the village; founder only */
    uint8_t next_seed[32], next_secret[32]; /* has_next: the pair that a rotation is about to put in their place */
    vl_ms since_ms; /* the pair was made; 0: not known (version 1) */
    bool coordinator, has_next;
};

void node_keys_put(const struct node_keys *k, uint8_t ret[NODE_KEYS_BYTES]);
/* VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err node_keys_get(struct vl_span in, struct node_keys *ret);
void node_keys_note_put(const struct node_keys *k, uint8_t ret[NODE_KEYS_NOTE]);
/* Fills only what the note says.  VL_EPARSE. */
VL_MUST_CHECK enum vl_err node_keys_note_get(struct vl_span in, struct node_keys *ret);

#endif
