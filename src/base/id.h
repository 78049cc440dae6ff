/* id.h - fixed-size names: nodes, jobs, messages, blobs.  Plain values, compared by content.
 * One struct each, so that the compiler refuses a blob where a node is meant. */
#ifndef VL_BASE_ID_H
#define VL_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct vl_node_id {
    uint8_t b[32]; /* Ed25519 public key of the node */
};
struct vl_job_id {
    uint8_t b[16]; /* 48-bit ms time, then random: sorts by age (the layout of UUID version 7, RFC 9562 5.7) */
};
struct vl_msg_id {
    uint8_t b[16];
};
struct vl_hash {
    uint8_t b[32]; /* BLAKE2b-256 of the content */
};

static inline bool vl_node_eq(struct vl_node_id a, struct vl_node_id b) { return memcmp(a.b, b.b, sizeof a.b) == 0; }
static inline bool vl_job_eq(struct vl_job_id a, struct vl_job_id b) { return memcmp(a.b, b.b, sizeof a.b) == 0; }
static inline bool vl_msg_eq(struct vl_msg_id a, struct vl_msg_id b) { return memcmp(a.b, b.b, sizeof a.b) == 0; }
static inline bool vl_hash_eq(struct vl_hash a, struct vl_hash b) { return memcmp(a.b, b.b, sizeof a.b) == 0; }

#endif
