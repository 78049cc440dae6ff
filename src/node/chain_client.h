/* chain_client.h - speaks with an Ethereum chain for the brain (brain/chain.h) and for `village anchor`: one account, one server.  Blocking,
 * for a thread of a pool; one thread at a time for each.  Messages name the cause and the next step, and hold no secret. */
#ifndef VL_NODE_CHAIN_CLIENT_H
#define VL_NODE_CHAIN_CLIENT_H

#include "brain/chain.h"

#include <stdatomic.h>

/* ---- the account ---- */

struct chain_account;
/* The key of `path`: 64 hexadecimal digits, "0x" before them or not, in a file that only its owner may read.  make: when there is no file it is
 * made, with a new key.  VL_ENOTFOUND; VL_EDENIED: others may read it; VL_EPARSE: no key; VL_EUNSUPPORTED: built without libsecp256k1;
 * VL_EIO, VL_ENOSPC, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err chain_account_open(const char *path, bool make, struct chain_account **ret, struct vl_errmsg *msg);
void chain_account_close(struct chain_account *a); /* wipes it; NULL is a no-op */
struct eth_address chain_account_address(const struct chain_account *a);
/* Appends what is sent to out; name: of the transaction.  VL_ELIMIT: data is too long. */
VL_MUST_CHECK enum vl_err chain_account_sign(const struct chain_account *a, const struct eth_tx *t, struct vl_buf *out, struct vl_hash *ret_name);

/* ---- the server ---- */

struct chain_client;
/* Borrows stop and account.  Errors of http_post_create(). */
VL_MUST_CHECK enum vl_err chain_client_open(const char *url, bool plain, const struct chain_account *account, const atomic_bool *stop,
                                            struct chain_client **ret, struct vl_errmsg *msg);
void chain_client_close(struct chain_client *c); /* NULL is a no-op */
const char *chain_client_name(const struct chain_client *c); /* of the server, as it may be shown */

/* Carries out an ask of the brain.  What *ret points to is valid until the next. */
void chain_client_ask(struct chain_client *c, const struct brain_chain_ask *q, uint64_t fee_cap, struct brain_chain_answer *ret);

struct chain_state {
    uint64_t chain, block, nonce, base_fee;
    uint64_t balance; /* wei; UINT64_MAX: that or more */
};
VL_MUST_CHECK enum vl_err chain_client_state(struct chain_client *c, struct chain_state *ret, struct vl_errmsg *msg);

struct chain_deployed {
    struct eth_address contract;
    struct vl_hash tx;
    uint64_t block, gas;
};
/* Makes a contract with this code and waits for it, at most wait_ms.  chain 0: whatever chain the server is of.  VL_ESTATE: another chain, or an
 * account with too little; VL_ETIMEOUT: sent, and in no block yet: ret has where it will be. */
VL_MUST_CHECK enum vl_err chain_client_deploy(struct chain_client *c, uint64_t chain, struct vl_span code, uint64_t fee_cap, vl_ms wait_ms,
                                              struct chain_deployed *ret, struct vl_errmsg *msg);

#endif
