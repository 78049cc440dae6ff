/* The dialogue with the server of a chain.  Whatever it says is checked as far as it can be from here; who it is that speaks, and whether the
 * blocks are real, is its own word (docs/trust.md says what follows). */
#include "node/chain_client.h"

#include "base/text.h"
#include "os/http_post.h"
#include "trust/eth_rpc.h"
#include "trust/json.h"
#include "trust/mpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GAS_MAX 5000000u           /* nothing that is done here comes near; more is a server's mistake */
#define TIP_USUAL 1000000000ull  /* a gwei */
#define RECEIPTS_ONE_BY_ONE 400u   /* where a server does not give those of a block at once */
#define DEPLOY_POLL_MS 500u

struct chain_client {
    struct http_post *http;
    const struct chain_account *account;
    const atomic_bool *stop;
    uint32_t id;
    struct vl_buf ask, answer, block; /* block: the text that a struct eth_block borrows from */
    struct vl_buf raw, receipts, nodes;
    struct vl_errmsg msg;
    struct eth_block head; /* of the proof */
    struct anchor_artefact proof;
};

enum vl_err chain_client_open(const char *url, bool plain, const struct chain_account *account, const atomic_bool *stop, struct chain_client **ret,
                              struct vl_errmsg *msg) {
    struct chain_client *c = calloc(1, sizeof *c);
    if (c == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    vl_buf_init(&c->ask, ETH_TX_MAX * 2 + 1024);
    vl_buf_init(&c->answer, ETH_RPC_ANSWER_MAX);
    vl_buf_init(&c->block, ETH_RPC_ANSWER_MAX);
    vl_buf_init(&c->raw, ETH_TX_MAX);
    vl_buf_init(&c->receipts, ETH_RPC_ANSWER_MAX);
    vl_buf_init(&c->nodes, ANCHOR_ARTEFACT_MAX);
    c->account = account;
    c->stop = stop;
    enum vl_err err = http_post_create(url, plain, stop, &c->http, msg);
    if (err) {
        chain_client_close(c);
        return err;
    }
    *ret = c;
    return VL_OK;
}

void chain_client_close(struct chain_client *c) {
    if (c == NULL) return;
    struct vl_buf *all[] = { &c->ask, &c->answer, &c->block, &c->raw, &c->receipts, &c->nodes };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) vl_buf_free(all[i]);
    http_post_destroy(c->http);
    free(c);
}

const char *chain_client_name(const struct chain_client *c) { return http_post_name(c->http); }

/* Sends what stands in c->ask (built: how that went); the result borrows from c->answer. */
static enum vl_err call(struct chain_client *c, enum vl_err built, struct vl_span *ret) {
    struct vl_errmsg words = { "" };
    if (built) return vl_errmsg_set(&c->msg, built, "a question for the chain cannot be written: %s", vl_err_text(built));
    enum vl_err err = http_post(c->http, vl_span(c->ask.p, c->ask.len), true, &c->answer, &c->msg);
    if (err) return err;
    err = eth_rpc_result(vl_span(c->answer.p, c->answer.len), c->id, ret, &words);
    return err ? vl_errmsg_set(&c->msg, err, "%s %s: %s", chain_client_name(c), err == VL_EDENIED ? "refuses" : "answers what cannot be read", words.text) : VL_OK;
}

static enum vl_err unread(struct chain_client *c, enum vl_err err, const char *what) {
    return err ? vl_errmsg_set(&c->msg, VL_EPARSE, "%s gives a %s that is none", chain_client_name(c), what) : VL_OK;
}

static enum vl_err number(struct chain_client *c, enum vl_err built, const char *what, uint64_t *ret) {
    struct vl_span v;
    enum vl_err err = call(c, built, &v);
    return err ? err : unread(c, eth_rpc_read_u64(v, ret), what);
}

static enum vl_err chain_is(struct chain_client *c, uint64_t chain) {
    uint64_t got = 0;
    enum vl_err err = number(c, eth_rpc_chain_id(&c->ask, ++c->id), "chain's number", &got);
    if (err || chain == 0 || got == chain) return err;
    return vl_errmsg_set(&c->msg, VL_ESTATE, "%s speaks for chain %llu, not %llu: correct --anchor-url or --anchor-chain", chain_client_name(c),
                         (unsigned long long)got, (unsigned long long)chain);
}

static enum vl_err newest(struct chain_client *c, struct eth_block *ret) {
    struct vl_span v;
    enum vl_err err = call(c, eth_rpc_newest_block(&c->ask, ++c->id), &v);
    return err ? err : unread(c, eth_rpc_read_block(v, ret), "newest block");
}

static enum vl_err state(struct chain_client *c, struct chain_state *ret) {
    struct eth_address own = chain_account_address(c->account);
    struct chain_state s = { 0 };
    struct eth_block b;
    struct vl_span v;
    enum vl_err err = number(c, eth_rpc_chain_id(&c->ask, ++c->id), "chain's number", &s.chain);
    if (err == VL_OK) err = number(c, eth_rpc_nonce(&c->ask, ++c->id, &own), "nonce", &s.nonce);
    if (err == VL_OK) err = newest(c, &b);
    if (err == VL_OK) err = call(c, eth_rpc_balance(&c->ask, ++c->id, &own), &v);
    if (err == VL_OK) {
        enum vl_err e = eth_rpc_read_u64(v, &s.balance);
        if (e == VL_ERANGE) s.balance = UINT64_MAX;
        else err = unread(c, e, "balance");
    }
    if (err) return err;
    s.block = b.number;
    s.base_fee = b.base_fee;
    *ret = s;
    return VL_OK;
}

enum vl_err chain_client_state(struct chain_client *c, struct chain_state *ret, struct vl_errmsg *msg) {
    enum vl_err err = state(c, ret);
    return err ? vl_errmsg_set(msg, err, "%s", c->msg.text) : VL_OK;
}

/* ---- fees ----------------------------------------------------------------------------------------------------------------- */

struct cost {
    uint64_t nonce, gas, tip, fee;
};

static uint64_t add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static enum vl_err too_poor(struct chain_client *c, const struct chain_state *s, uint64_t needed) {
    char address[ETH_ADDRESS_TEXT];
    struct eth_address own = chain_account_address(c->account);
    eth_address_format(&own, address);
    if (s->balance == 0) return vl_errmsg_set(&c->msg, VL_ESTATE, "the account %s is empty on chain %llu: send it some of the chain's coin", address, (unsigned long long)s->chain);
    return vl_errmsg_set(&c->msg, VL_ESTATE, "the account %s has %llu gwei on chain %llu, and a transaction may take %llu: send it more", address,
                         (unsigned long long)(s->balance / 1000000000u), (unsigned long long)s->chain, (unsigned long long)(needed / 1000000000u) + 1);
}

/* What a call of `to` (NULL: making a contract) costs now. */
static enum vl_err price(struct chain_client *c, const struct chain_state *s, const struct eth_address *to, struct vl_span data, uint64_t fee_cap, struct cost *ret) {
    struct eth_address own = chain_account_address(c->account);
    struct cost k = { .nonce = s->nonce };
    if (s->balance == 0) return too_poor(c, s, 0);
    enum vl_err err = number(c, eth_rpc_tip_fee(&c->ask, ++c->id), "fee", &k.tip);
    if (err == VL_EDENIED) { /* a server that does not advise: what is usual, and raised when it does not do */
        err = VL_OK;
        k.tip = TIP_USUAL;
    }
    if (err == VL_OK) err = number(c, eth_rpc_estimate(&c->ask, ++c->id, &own, to, data), "amount of gas", &k.gas);
    if (err) return err;
    if (k.gas > GAS_MAX) return vl_errmsg_set(&c->msg, VL_ELIMIT, "%s asks for %llu gas, which nothing here takes", chain_client_name(c), (unsigned long long)k.gas);
    k.gas += k.gas / 5; /* what it takes depends on what others write before it */
    if (s->base_fee > fee_cap)
        return vl_errmsg_set(&c->msg, VL_EAGAIN, "gas costs %llu gwei now, above --anchor-fee-max: it waits until it costs less", (unsigned long long)(s->base_fee / 1000000000u));
    k.fee = add(add(s->base_fee, s->base_fee), k.tip); /* six full blocks double the base fee */
    if (k.fee > fee_cap) k.fee = fee_cap;
    if (k.tip > k.fee) k.tip = k.fee;
    uint64_t needed = k.fee > UINT64_MAX / k.gas ? UINT64_MAX : k.fee * k.gas;
    if (s->balance < needed) return too_poor(c, s, needed);
    *ret = k;
    return VL_OK;
}

/* ---- the asks of the brain ------------------------------------------------------------------------------------------------- */

static enum vl_err call_data(const struct anchor_head *head, uint8_t ret[ETH_CALL_MAX], size_t *n) {
    struct eth_word w[2];
    memcpy(w[0].b, head->root.b, sizeof w[0].b);
    w[1] = eth_word_u64(head->size);
    return eth_call(ANCHOR_CALL, w, 2, ret, n);
}

static enum vl_err contract_there(struct chain_client *c, const struct brain_chain_ask *q) {
    char address[ETH_ADDRESS_TEXT];
    struct vl_span v;
    enum vl_err err = call(c, eth_rpc_code(&c->ask, ++c->id, &q->contract), &v);
    if (err) return err;
    if (v.n > 4) return VL_OK; /* "0x" with its quotes: nothing */
    eth_address_format(&q->contract, address);
    return vl_errmsg_set(&c->msg, VL_ENOTFOUND, "there is no contract at %s on chain %llu: make one with `village anchor deploy`, or correct --anchor-contract", address,
                         (unsigned long long)q->chain);
}

/* A contract refuses a head that is not newer than the one it has. */
static enum vl_err head_is_newer(struct chain_client *c, const struct brain_chain_ask *q) {
    uint8_t data[ETH_CALL_MAX], words[64];
    size_t n = 0, got = 0;
    struct eth_word w = { { 0 } };
    struct vl_span v;
    memcpy(w.b + 12, q->sender.b, sizeof q->sender.b);
    enum vl_err err = eth_call(ANCHOR_NEWEST, &w, 1, data, &n);
    if (err == VL_OK) err = call(c, eth_rpc_call(&c->ask, ++c->id, &q->contract, vl_span(data, n)), &v);
    if (err == VL_OK && (eth_rpc_read_bytes(v, words, sizeof words, &got) != VL_OK || got != sizeof words))
        err = vl_errmsg_set(&c->msg, VL_EPARSE, "the contract does not answer as AnchorRegistry does: correct --anchor-contract");
    if (err) return err;
    uint64_t size = vl_get_u64(words + 24);
    if (size < q->head.size) return VL_OK;
    return vl_errmsg_set(&c->msg, VL_EEXISTS, "the contract has a head of %llu receipts by this account: another node uses its key, or the data folder is older; it goes on above",
                         (unsigned long long)size);
}

static enum vl_err quote(struct chain_client *c, const struct brain_chain_ask *q, uint64_t fee_cap, struct brain_chain_answer *ret) {
    uint8_t data[ETH_CALL_MAX];
    size_t n = 0;
    struct chain_state s;
    struct cost k;
    enum vl_err err = chain_is(c, q->chain);
    if (err == VL_OK) err = contract_there(c, q);
    if (err == VL_OK) err = state(c, &s);
    if (err == VL_OK) err = head_is_newer(c, q);
    if (err == VL_OK) err = call_data(&q->head, data, &n);
    if (err == VL_OK) err = price(c, &s, &q->contract, vl_span(data, n), fee_cap, &k);
    if (err) return err;
    ret->nonce = k.nonce;
    ret->gas = k.gas;
    ret->tip = k.tip;
    ret->fee = k.fee;
    return VL_OK;
}

static enum vl_err sign(struct chain_client *c, const struct brain_chain_ask *q, struct brain_chain_answer *ret) {
    uint8_t data[ETH_CALL_MAX];
    size_t n = 0;
    enum vl_err err = call_data(&q->head, data, &n);
    struct eth_tx t = { .chain = q->chain, .nonce = q->nonce, .tip_max = q->tip, .fee_max = q->fee, .gas = q->gas, .to = q->contract, .data = vl_span(data, n) };
    vl_buf_clear(&c->raw);
    if (err == VL_OK) err = chain_account_sign(c->account, &t, &c->raw, &ret->name);
    if (err) return vl_errmsg_set(&c->msg, err, "a transaction cannot be signed: %s", vl_err_text(err));
    ret->raw = vl_span(c->raw.p, c->raw.len);
    return VL_OK;
}

/* Whether the server knows one of the transactions of this nonce, or the nonce has been used. */
static bool known(struct chain_client *c, const struct brain_chain_ask *q) {
    uint64_t nonce = 0;
    struct vl_span v;
    if (number(c, eth_rpc_nonce(&c->ask, ++c->id, &q->sender), "nonce", &nonce) == VL_OK && nonce > q->nonce) return true;
    for (uint32_t i = q->names; i-- > 0;)
        if (call(c, eth_rpc_transaction(&c->ask, ++c->id, &q->name[i]), &v) == VL_OK && !vl_span_eq(v, vl_span_str("null"))) return true;
    return false;
}

static enum vl_err send(struct chain_client *c, const struct brain_chain_ask *q) {
    struct vl_hash name;
    struct vl_span v;
    struct vl_errmsg refusal;
    if (q->names == 0) return vl_errmsg_set(&c->msg, VL_EINTERNAL, "nothing to send");
    enum vl_err err = chain_is(c, q->chain);
    if (err == VL_OK) err = call(c, eth_rpc_send(&c->ask, ++c->id, vl_span(q->raw, q->raw_n)), &v);
    if (err == VL_EDENIED) { /* sent before, or replaced too cheaply: the words differ from server to server, so it is asked what is the case */
        refusal = c->msg;
        if (known(c, q)) return VL_OK;
        c->msg = refusal;
    }
    if (err) return err;
    if (eth_rpc_read_hash(v, &name) != VL_OK || !vl_hash_eq(name, q->name[q->names - 1]))
        return vl_errmsg_set(&c->msg, VL_EPARSE, "%s calls the transaction otherwise than it is called", chain_client_name(c));
    return VL_OK;
}

/* The receipts of a block as they were hashed, one behind the other in c->receipts; where each begins in at[0..n]. */
static enum vl_err receipts_read(struct chain_client *c, const struct eth_block *b, size_t *at) {
    struct vl_span list, one;
    uint32_t n = 0;
    vl_buf_clear(&c->receipts);
    enum vl_err err = call(c, eth_rpc_block_receipts(&c->ask, ++c->id, b->number), &list);
    if (err == VL_OK) {
        for (; err == VL_OK && n < b->transactions && jspan_next(&list, &one); n++) {
            at[n] = c->receipts.len;
            err = eth_rpc_receipt_bytes(one, &c->receipts);
        }
    } else if (err == VL_EDENIED && b->transactions <= RECEIPTS_ONE_BY_ONE) {
        for (err = VL_OK; err == VL_OK && n < b->transactions; n++) {
            struct vl_hash name;
            at[n] = c->receipts.len;
            err = eth_block_transaction(b, n, &name);
            if (err == VL_OK) err = call(c, eth_rpc_receipt(&c->ask, ++c->id, &name), &one);
            if (err == VL_OK) err = eth_rpc_receipt_bytes(one, &c->receipts);
        }
    }
    at[n] = c->receipts.len;
    return err == VL_OK && n != b->transactions ? VL_EPARSE : err;
}

/* The way from the block to the receipt into c->proof; false: this chain, or this server, is not one for which that is known. */
static bool prove(struct chain_client *c, const struct eth_block *b, uint32_t index) {
    struct mpt_proof way;
    uint32_t n = b->transactions;
    if (b->header_n == 0 || n == 0 || n > MPT_ITEMS_MAX || index >= n) return false;
    size_t *at = calloc(n + 1, sizeof *at);
    struct vl_span *item = calloc(n, sizeof *item);
    vl_buf_clear(&c->nodes);
    bool ok = at && item && receipts_read(c, b, at) == VL_OK;
    for (uint32_t i = 0; ok && i < n; i++) item[i] = vl_span(c->receipts.p + at[i], at[i + 1] - at[i]);
    ok = ok && mpt_prove(item, n, index, &c->nodes, &way) == VL_OK && vl_hash_eq(way.root, b->receipts);
    size_t used = 0;
    for (uint32_t i = 0; ok && i < way.nodes; used += way.len[i++]) c->proof.node[i] = vl_span(c->nodes.p + used, way.len[i]);
    if (ok) {
        c->proof.nodes = way.nodes;
        c->proof.header = vl_span(b->header, b->header_n);
    }
    free(at);
    free(item);
    return ok;
}

/* The block by its number, which must be the one that the receipt names: else the chain is between two versions.  Its text stays in c->block. */
static enum vl_err block_of(struct chain_client *c, const struct eth_receipt *r, struct eth_block *ret) {
    struct vl_span v;
    enum vl_err err = call(c, eth_rpc_block(&c->ask, ++c->id, r->block), &v);
    if (err) return err;
    struct vl_buf swap = c->block;
    c->block = c->answer;
    c->answer = swap;
    if (eth_rpc_read_block(v, ret) != VL_OK || ret->number != r->block || !vl_hash_eq(ret->name, r->block_name))
        return vl_errmsg_set(&c->msg, VL_EAGAIN, "the chain is between two versions of block %llu", (unsigned long long)r->block);
    return VL_OK;
}

static enum vl_err found(struct chain_client *c, const struct brain_chain_ask *q, const struct eth_receipt *r, uint64_t tip, struct brain_chain_answer *ret) {
    enum vl_err err = block_of(c, r, &c->head);
    if (err) return err;
    ret->receipt.found = true;
    ret->receipt.ok = r->ok;
    ret->receipt.block = r->block;
    ret->receipt.block_name = r->block_name;
    if (!r->ok || r->block > tip || tip - r->block < q->depth) return VL_OK;
    c->proof = (struct anchor_artefact){ .chain = q->chain, .contract = q->contract, .sender = q->sender, .tx = r->name, .block = r->block, .block_name = r->block_name,
                                         .tx_index = r->index };
    (void)prove(c, &c->head, r->index);
    ret->proof = &c->proof;
    return VL_OK;
}

static enum vl_err receipt(struct chain_client *c, const struct brain_chain_ask *q, struct brain_chain_answer *ret) {
    struct eth_block tip;
    struct eth_receipt r;
    struct vl_span v;
    enum vl_err err = chain_is(c, q->chain);
    if (err == VL_OK) err = number(c, eth_rpc_nonce(&c->ask, ++c->id, &q->sender), "nonce", &ret->receipt.nonce);
    for (uint32_t i = q->names; err == VL_OK && i-- > 0;) {
        err = call(c, eth_rpc_receipt(&c->ask, ++c->id, &q->name[i]), &v);
        if (err) break;
        enum vl_err none = eth_rpc_read_receipt(v, &r);
        if (none == VL_ENOTFOUND) continue;
        err = unread(c, none, "receipt");
        if (err == VL_OK && !vl_hash_eq(r.name, q->name[i])) err = unread(c, VL_EPARSE, "receipt");
        if (err == VL_OK) err = newest(c, &tip); /* after the receipt: else a block may seem to be above the newest */
        if (err == VL_OK) ret->receipt.tip_block = tip.number;
        return err ? err : found(c, q, &r, tip.number, ret);
    }
    return err;
}

void chain_client_ask(struct chain_client *c, const struct brain_chain_ask *q, uint64_t fee_cap, struct brain_chain_answer *ret) {
    enum vl_err err = VL_EINTERNAL;
    c->msg.text[0] = '\0';
    *ret = (struct brain_chain_answer){ .kind = q->kind };
    switch (q->kind) {
    case BRAIN_CHAIN_QUOTE:
        err = quote(c, q, fee_cap, ret);
        break;
    case BRAIN_CHAIN_SIGN:
        err = sign(c, q, ret);
        break;
    case BRAIN_CHAIN_SEND:
        err = send(c, q);
        break;
    case BRAIN_CHAIN_RECEIPT:
        err = receipt(c, q, ret);
        break;
    }
    vl_buf_free(&c->answer); /* nothing of *ret lies in these, and they may be large */
    vl_buf_free(&c->block);
    vl_buf_free(&c->receipts);
    ret->err = err;
    ret->problem = err && c->msg.text[0] ? c->msg.text : NULL;
}

/* ---- making the contract -------------------------------------------------------------------------------------------------- */

static enum vl_err wait_for(struct chain_client *c, vl_ms wait_ms, struct chain_deployed *d) {
    struct vl_span v;
    struct eth_receipt r;
    for (vl_ms waited = 0;; waited += DEPLOY_POLL_MS) {
        enum vl_err err = call(c, eth_rpc_receipt(&c->ask, ++c->id, &d->tx), &v);
        if (err == VL_OK) err = eth_rpc_read_receipt(v, &r);
        if (err == VL_OK) {
            d->block = r.block;
            d->gas = r.gas;
            return r.ok ? VL_OK : vl_errmsg_set(&c->msg, VL_EDENIED, "the chain refused to make the contract");
        }
        if (err != VL_ENOTFOUND && err != VL_ETIMEOUT && err != VL_EIO) return err;
        if (waited >= wait_ms || atomic_load(c->stop)) return vl_errmsg_set(&c->msg, VL_ETIMEOUT, "the transaction is sent, and in no block yet");
        struct timespec t = { .tv_nsec = DEPLOY_POLL_MS * 1000000l };
        nanosleep(&t, NULL);
    }
}

enum vl_err chain_client_deploy(struct chain_client *c, uint64_t chain, struct vl_span code, uint64_t fee_cap, vl_ms wait_ms, struct chain_deployed *ret,
                                struct vl_errmsg *msg) {
    struct eth_address own = chain_account_address(c->account);
    struct chain_state s;
    struct cost k;
    struct vl_span v;
    enum vl_err err = chain_is(c, chain);
    if (err == VL_OK) err = state(c, &s);
    if (err == VL_OK) err = price(c, &s, NULL, code, fee_cap, &k);
    vl_buf_clear(&c->raw);
    if (err == VL_OK) {
        struct eth_tx t = { .chain = s.chain, .nonce = k.nonce, .tip_max = k.tip, .fee_max = k.fee, .gas = k.gas, .create = true, .data = code };
        err = chain_account_sign(c->account, &t, &c->raw, &ret->tx);
        eth_address_created(&own, k.nonce, &ret->contract);
    }
    if (err == VL_OK) err = call(c, eth_rpc_send(&c->ask, ++c->id, vl_span(c->raw.p, c->raw.len)), &v);
    if (err == VL_OK) err = wait_for(c, wait_ms, ret);
    return err ? vl_errmsg_set(msg, err, "%s", c->msg.text[0] ? c->msg.text : vl_err_text(err)) : VL_OK;
}
