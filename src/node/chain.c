/* What the brain asks a chain, on a thread of the pool: one ask at a time, and its answer back on the loop. */
#include "node/priv.h"

#include "node/chain_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_LEAST_MS 200u
#define POLL_MOST_MS 15000u
#define POLLS_IN_PATIENCE 30u

struct node_chain {
    struct chain_account *account;
    struct chain_client *client;
    atomic_bool stop;
    struct node *node;
    uv_work_t work;
    bool working, again; /* again: `next` waits for the one that runs, which an older brain asked */
    struct brain_chain_ask now, next;
    uint32_t generation, next_generation; /* of the brains that asked them */
    struct brain_chain_answer answer;
};

enum vl_err chain_open(struct node *n, struct vl_errmsg *msg) {
    const struct node_anchor *a = &n->cfg.anchor;
    struct brain_chain_config *c = &n->brain_cfg.chain;
    char path[512];
    if (a->url == NULL) return VL_OK;
    if (!n->coordinator) return vl_errmsg_set(msg, VL_ESTATE, "the log of receipts, and so its anchors, are the first node's alone: leave --anchor-url away here");
    struct node_chain *k = n->chain = calloc(1, sizeof *k);
    if (k == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    k->node = n;
    k->work.data = k;
    snprintf(path, sizeof path, "%s/anchor.key", n->data_dir);
    enum vl_err err = chain_account_open(a->key_file ? a->key_file : path, true, &k->account, msg);
    if (err == VL_OK) err = chain_client_open(a->url, a->plain, k->account, &k->stop, &k->client, msg);
    if (err) return err;
    vl_ms patience = a->patience ? a->patience : NODE_ANCHOR_PATIENCE_MS, poll = patience / POLLS_IN_PATIENCE;
    *c = (struct brain_chain_config){
        .on = true,
        .chain = a->chain,
        .contract = a->contract,
        .sender = chain_account_address(k->account),
        .every = a->every ? a->every : NODE_ANCHOR_EVERY_MS,
        .rules = { .depth = a->depth ? a->depth : NODE_ANCHOR_DEPTH,
                   .poll = poll < POLL_LEAST_MS ? POLL_LEAST_MS : poll > POLL_MOST_MS ? POLL_MOST_MS : poll,
                   .patience = patience,
                   .fee_cap = a->fee_max ? a->fee_max : NODE_ANCHOR_FEE_MAX },
    };
    return VL_OK;
}

const char *node_anchor_server(const struct node *n) { return n->chain ? chain_client_name(n->chain->client) : ""; }

static void work_start(struct node_chain *k);

static void run(uv_work_t *w) {
    struct node_chain *k = w->data;
    chain_client_ask(k->client, &k->now, k->node->brain_cfg.chain.rules.fee_cap, &k->answer);
}

static void ran(uv_work_t *w, int status) {
    struct node_chain *k = w->data;
    struct node *n = k->node;
    (void)status;
    k->working = false;
    if (n->brain && !n->stopping) {
        if (k->generation == n->generation) brain_chain_answer(n->brain, node_now(n), &k->answer);
        if (k->again && !k->working) work_start(k);
        node_pump(n);
    }
    node_handle_closed(n);
}

static void work_start(struct node_chain *k) {
    k->again = false;
    k->now = k->next;
    k->generation = k->next_generation;
    k->working = true;
    k->node->handles++;
    uv_queue_work(k->node->loop, &k->work, run, ran);
}

void chain_ask(struct node *n, struct vl_span ask) {
    struct node_chain *k = n->chain;
    if (k == NULL || ask.n != sizeof k->next) return;
    memcpy(&k->next, ask.p, sizeof k->next);
    k->next_generation = n->generation;
    k->again = true;
    if (!k->working) work_start(k);
}

void chain_stop(struct node *n) {
    if (n->chain) atomic_store(&n->chain->stop, true);
}

void chain_close(struct node *n) {
    if (n->chain == NULL) return;
    chain_client_close(n->chain->client);
    chain_account_close(n->chain->account);
    free(n->chain);
    n->chain = NULL;
}
