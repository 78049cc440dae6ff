/* node_id.h - names as text.  A node: its libp2p peer id, base58btc of the identity multihash of the protobuf-encoded
 * Ed25519 key, "12D3KooW..." (libp2p peer-ids spec).  A job: 32 hex digits.  A hash: 64 hex digits.  Pure. */
#ifndef VL_CRYPTO_NODE_ID_H
#define VL_CRYPTO_NODE_ID_H

#include "base/err.h"
#include "base/id.h"

#define NODE_ID_TEXT 53u /* with the NUL: a peer id of an Ed25519 key always has 52 characters */
#define JOB_ID_TEXT 33u
#define HASH_TEXT 65u

void node_id_format(struct vl_node_id id, char dst[NODE_ID_TEXT]);
/* Only what node_id_format() writes: other key types, CIDs and other multihashes are VL_EPARSE. */
VL_MUST_CHECK enum vl_err node_id_parse(const char *s, struct vl_node_id *ret);

void job_id_format(struct vl_job_id id, char dst[JOB_ID_TEXT]);
/* VL_EPARSE: not exactly 32 lower-case hex digits (one text for each id: it is a key in URLs and logs). */
VL_MUST_CHECK enum vl_err job_id_parse(const char *s, struct vl_job_id *ret);

void hash_format(struct vl_hash hash, char dst[HASH_TEXT]);
/* VL_EPARSE: not exactly 64 lower-case hex digits. */
VL_MUST_CHECK enum vl_err hash_parse(const char *s, struct vl_hash *ret);

#endif
