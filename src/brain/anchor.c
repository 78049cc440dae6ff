/* Heads of the log of receipts on a chain (LED-09): the core of trust/anchor.h, its row, and the asks to the shell.  A transaction is on disk
 * before it is sent, with its nonce, gas and fees: after a crash the same bytes are signed and sent again (decision 33). */
#include "brain/priv.h"

#include "base/text.h"
#include "wire/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_ANCHOR = 0x8b, ANCHOR_VERSION = 1 };

static const uint8_t no_key[32];

struct chain {
    struct anchor core;
    uint64_t gas;   /* of the nonce that is used now */
    vl_ms head_at;  /* no newer head is taken before */
    uint64_t anchored, sent, failures;
    vl_ms done_at;
    char problem[BRAIN_CHAIN_PROBLEM_MAX];
};

enum vl_err chain_create(struct brain *b) {
    const struct brain_chain_config *c = &b->cfg.chain;
    if (!c->on) return VL_OK;
    if (c->every == 0 || c->chain == 0) return VL_ERANGE;
    b->chain = calloc(1, sizeof *b->chain);
    return b->chain ? anchor_init(&b->chain->core, &c->rules) : VL_ENOMEM;
}

void chain_destroy(struct brain *b) { free(b->chain); }

/* ---- its row -------------------------------------------------------------------------------------------------------------- */

static void save(struct brain *b) {
    const struct brain_chain_config *c = &b->cfg.chain;
    struct vl_buf buf;
    vl_buf_init(&buf, ANCHOR_BYTES_MAX + 128);
    struct pack w = pack_message(&buf, TAG_ANCHOR, ANCHOR_VERSION);
    pack_u64(&w, c->chain);
    pack_bytes(&w, c->contract.b, sizeof c->contract.b);
    pack_bytes(&w, c->sender.b, sizeof c->sender.b);
    pack_u64(&w, b->chain->gas);
    enum vl_err err = pack_end(&w);
    if (err == VL_OK) err = anchor_encode(&b->chain->core, &buf);
    if (err)
        out_of_memory(b);
    else
        item_put(b, ITEM_ANCHOR, no_key, 0, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

enum vl_err chain_restore(struct brain *b, const struct record *r) {
    struct vl_reader in = vl_reader(r->bytes.p, r->bytes.n);
    struct eth_address contract, sender;
    if (b->chain == NULL) return VL_OK;
    enum vl_err err = unpack_message(&in, TAG_ANCHOR, ANCHOR_VERSION);
    uint64_t chain = vl_read_u64(&in);
    vl_read_bytes(&in, contract.b, sizeof contract.b);
    vl_read_bytes(&in, sender.b, sizeof sender.b);
    uint64_t gas = vl_read_u64(&in);
    if (err == VL_OK && in.failed) err = VL_ECORRUPT;
    if (err) return err;
    const struct brain_chain_config *c = &b->cfg.chain;
    bool same = chain == c->chain && memcmp(&contract, &c->contract, sizeof contract) == 0 && memcmp(&sender, &c->sender, sizeof sender) == 0;
    if (!same) return VL_OK; /* of another chain, contract or key: there the newest head goes as the first */
    b->chain->gas = gas;
    return anchor_decode(vl_span(in.p, in.n), &b->chain->core);
}

/* The head as the coordinator signs it, with the block that has it: what `village anchor prove` gives out. */
static enum vl_err proof_make(struct brain *b, const struct anchor_artefact *found, struct vl_buf *out) {
    struct merkle_checkpoint c = { .time_ms = b->now, .size = b->chain->core.pending.size, .root = b->chain->core.pending.root };
    struct anchor_artefact a = *found;
    struct anchor_shown shown;
    char text[MERKLE_CHECKPOINT_MAX];
    receipts_origin(b, c.origin);
    a.signer = b->self;
    enum vl_err err = merkle_checkpoint_sign(&c, &b->key, text);
    if (err) return err;
    a.checkpoint = vl_span_str(text);
    err = anchor_artefact_encode(&a, out);
    if (err) return err;
    enum anchor_verdict v = anchor_artefact_check(vl_span(out->p, out->len), NULL, &shown);
    return v == ANCHOR_SHOWN || v == ANCHOR_NOT_PROVED ? VL_OK : VL_ECRYPTO;
}

/* ---- asking --------------------------------------------------------------------------------------------------------------- */

static struct brain_chain_ask ask_make(const struct brain *b, enum brain_chain_kind kind) {
    const struct anchor *a = &b->chain->core;
    struct brain_chain_ask q;
    memset(&q, 0, sizeof q);
    q.kind = kind;
    q.chain = b->cfg.chain.chain;
    q.contract = b->cfg.chain.contract;
    q.sender = b->cfg.chain.sender;
    q.head = a->pending;
    q.nonce = a->nonce;
    q.gas = b->chain->gas;
    q.depth = a->rules.depth;
    if (a->tries > 0) {
        q.tip = a->tried[a->tries - 1].tip;
        q.fee = a->tried[a->tries - 1].fee;
    }
    for (uint32_t i = 0; i < a->tries; i++) q.name[q.names++] = a->tried[i].name;
    return q;
}

/* After all that is on its way to the disk: what is anchored, and with which nonce, must not be taken back by a crash. */
static void ask(struct brain *b, const struct brain_chain_ask *q) { effect_held(b, BRAIN_CHAIN_ASK, vl_span(q, sizeof *q), NULL); }

static void go(struct brain *b) {
    struct chain *c = b->chain;
    if (b->now >= c->head_at && b->receipts->size > c->core.newest.size) {
        anchor_head(&c->core, &(struct anchor_head){ .size = b->receipts->size, .root = merkle_log_root(b->receipts) });
        c->head_at = vl_ms_add(b->now, b->cfg.chain.every);
    }
    static const enum brain_chain_kind kind[] = { [ANCHOR_ASK_QUOTE] = BRAIN_CHAIN_QUOTE, [ANCHOR_SEND] = BRAIN_CHAIN_SIGN, [ANCHOR_ASK_RECEIPT] = BRAIN_CHAIN_RECEIPT };
    enum anchor_ask next = anchor_next(&c->core, b->now);
    if (next == ANCHOR_IDLE) return;
    struct brain_chain_ask q = ask_make(b, kind[next]);
    ask(b, &q);
}

void chain_tick(struct brain *b) {
    if (b->chain != NULL && b->started) go(b);
}

vl_ms chain_deadline(const struct brain *b) {
    const struct chain *c = b->chain;
    if (c == NULL) return VL_MS_NEVER;
    return vl_ms_min(anchor_due(&c->core), b->receipts->size > c->core.newest.size ? c->head_at : VL_MS_NEVER);
}

/* ---- answers -------------------------------------------------------------------------------------------------------------- */

/* The same trouble is told once, not at every poll. */
static void trouble(struct brain *b, const struct brain_chain_answer *a) {
    struct chain *c = b->chain;
    const char *text = a->problem ? a->problem : vl_err_text(a->err);
    c->failures++;
    if (strncmp(c->problem, text, sizeof c->problem - 1) != 0) {
        char line[BRAIN_CHAIN_PROBLEM_MAX + 48];
        snprintf(c->problem, sizeof c->problem, "%s", text);
        snprintf(line, sizeof line, "no anchor for now: %s", c->problem);
        note(b, a->err, b->self, line);
    }
    anchor_failed(&c->core, b->now);
}

static void signed_now(struct brain *b, const struct brain_chain_answer *a) {
    struct chain *c = b->chain;
    if (a->raw.n > BRAIN_CHAIN_RAW_MAX || anchor_signed(&c->core, &a->name) != VL_OK) {
        trouble(b, &(struct brain_chain_answer){ .err = VL_EINTERNAL });
        return;
    }
    save(b);
    struct brain_chain_ask q = ask_make(b, BRAIN_CHAIN_SEND);
    memcpy(q.raw, a->raw.p, a->raw.n);
    q.raw_n = (uint32_t)a->raw.n;
    ask(b, &q);
}

static void receipt_came(struct brain *b, const struct brain_chain_answer *a) {
    struct chain *c = b->chain;
    struct anchor before = c->core;
    struct vl_buf proof;
    vl_buf_init(&proof, ANCHOR_ARTEFACT_MAX + 1024);
    if (a->proof && a->receipt.ok && proof_make(b, a->proof, &proof) != VL_OK) {
        trouble(b, &(struct brain_chain_answer){ .err = VL_ECRYPTO, .problem = "the chain's server says that the head is there, and shows a proof that does not hold" });
        vl_buf_free(&proof);
        return;
    }
    if (anchor_receipt(&c->core, &a->receipt, b->now) != VL_OK) {
        trouble(b, &(struct brain_chain_answer){ .err = VL_EPARSE, .problem = "the chain names a block above its newest" });
        vl_buf_free(&proof);
        return;
    }
    if (c->core.done.size > before.done.size) {
        c->anchored++;
        c->done_at = b->now;
        if (proof.len > 0) item_put(b, ITEM_ANCHORED, no_key, c->core.done.size, vl_span(proof.p, proof.len));
    } else if (before.pending.size > 0 && c->core.pending.size == 0) {
        snprintf(c->problem, sizeof c->problem, "the contract refused a transaction");
        note(b, VL_EDENIED, b->self, "the contract refused an anchor: it is tried again with another nonce");
    }
    if (c->core.block != before.block || c->core.tries != before.tries || c->core.done.size != before.done.size || c->core.reorgs != before.reorgs) save(b);
    vl_buf_free(&proof);
}

void brain_chain_answer(struct brain *b, vl_ms now, const struct brain_chain_answer *a) {
    struct chain *c = b->chain;
    if (c == NULL) return;
    step_begin(b, now);
    if (a->err) {
        trouble(b, a);
    } else {
        if (a->kind != BRAIN_CHAIN_SIGN) c->problem[0] = '\0';
        switch (a->kind) {
        case BRAIN_CHAIN_QUOTE:
            c->gas = a->gas;
            if (anchor_quoted(&c->core, a->nonce, a->tip, a->fee) != VL_OK) anchor_failed(&c->core, b->now);
            break;
        case BRAIN_CHAIN_SIGN:
            signed_now(b, a);
            break;
        case BRAIN_CHAIN_SEND:
            c->sent++;
            if (anchor_sent(&c->core, b->now) != VL_OK) anchor_failed(&c->core, b->now);
            break;
        case BRAIN_CHAIN_RECEIPT:
            receipt_came(b, a);
            break;
        }
    }
    go(b);
    step_end(b);
}

bool brain_chain_view(const struct brain *b, struct brain_chain_view *ret) {
    const struct chain *c = b->chain;
    memset(ret, 0, sizeof *ret);
    if (b->receipts) ret->log_size = b->receipts->size;
    if (c == NULL) return false;
    ret->on = true;
    ret->config = b->cfg.chain;
    ret->anchor = c->core;
    ret->anchored = c->anchored;
    ret->sent = c->sent;
    ret->failures = c->failures;
    ret->done_at = c->done_at;
    memcpy(ret->problem, c->problem, sizeof ret->problem);
    return true;
}
