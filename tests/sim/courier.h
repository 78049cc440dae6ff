/* courier.h - a simulated node that is only delivery and blob transfer over world connections, with a log on its disk. */
#ifndef VL_TESTS_COURIER_H
#define VL_TESTS_COURIER_H

#include "base/id.h"
#include "base/map.h"
#include "crypto/sign.h"
#include "sim/world.h"

#define COURIERS_MAX 8u
#define COURIER_BLOB (400u * 1024u)

struct courier;
/* What an observer outside the world knows: never lost by crashes. */
struct observer {
    uint32_t n;
    struct crypto_sign_key key[COURIERS_MAX];
    struct vl_hash blob[COURIERS_MAX]; /* blob i is made by node i */
    uint32_t blobs;                    /* bit i: blob i exists */
    uint32_t liar;                     /* serves damaged blobs; WORLD_NONE: nobody */
    struct vl_map accepted;            /* message id -> index of the recipient + 1 */
    struct vl_map got[COURIERS_MAX];   /* message ids the application of that node has */
    uint32_t has_blob[COURIERS_MAX];   /* bit i: blob i is complete there */
    const char *wrong;                 /* first breach of safety */
    bool forget_sync;                  /* canary: transmits before the log is durable */
    bool forget_in;                    /* canary: does not store receive windows */
};
extern const struct world_node_ops courier_ops; /* user: struct observer */

void observer_init(struct observer *o, uint32_t n);
void observer_free(struct observer *o);
/* For world_call(): sends a message; accepted when the log is durable, which the observer notes. */
struct letter {
    uint32_t to, size;
};
void courier_send(void *self, void *letter, vl_ms now);
/* Places blob i on node i's disk, before it starts. */
void courier_blob_make(struct observer *o, struct world *w, uint32_t i);
/* Fetches blob i from its maker, and from the liar if there is one. */
void courier_want(struct courier *c, uint32_t blob, vl_ms now);
/* Safety: ledger of the cores, and what the observer found. */
const char *courier_check(void *user, struct world *w, uint32_t node);
/* All that was accepted is there, and all blobs everywhere. */
bool courier_done(void *user, struct world *w);

#endif
