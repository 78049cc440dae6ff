#include "trust/anchor.h"

#include <string.h>

enum { SAVED_VERSION = 1, DEPTH_MAX = 1000 };

enum vl_err anchor_init(struct anchor *a, const struct anchor_rules *rules) {
    if (rules->depth == 0 || rules->depth > DEPTH_MAX || rules->poll == 0 || rules->fee_cap == 0) return VL_ERANGE;
    memset(a, 0, sizeof *a);
    a->rules = *rules;
    return VL_OK;
}

void anchor_head(struct anchor *a, const struct anchor_head *head) {
    if (head->size > a->newest.size) a->newest = *head;
}

static bool idle(const struct anchor *a) { return a->pending.size == 0 && a->newest.size <= a->done.size; }

/* A tenth more, and at least one wei: what nodes of the chain ask of a replacement.  UINT64_MAX stays. */
static uint64_t raised(uint64_t v) {
    uint64_t more = v / 10 + 1;
    return v > UINT64_MAX - more ? UINT64_MAX : v + more;
}

/* After `patience` without a block: the same nonce at a higher price, up to the cap; then as it was. */
static void replace(struct anchor *a) {
    const struct anchor_try *last = &a->tried[a->tries - 1];
    struct anchor_try next = { .tip = raised(last->tip), .fee = raised(last->fee) };
    a->to_send = true;
    if (a->tries == ANCHOR_TRIES || next.fee > a->rules.fee_cap) return;
    if (next.tip > next.fee) next.tip = next.fee;
    a->tried[a->tries++] = next;
}

enum anchor_ask anchor_next(struct anchor *a, vl_ms now) {
    if (a->waiting || now < a->due || idle(a)) return ANCHOR_IDLE;
    a->waiting = true;
    if (a->tries == 0) {
        a->pending = a->newest; /* also instead of an older one that no nonce was used for: a head contains all before it */
        return ANCHOR_ASK_QUOTE;
    }
    if (a->block == 0 && !a->to_send && now >= vl_ms_add(a->sent_at, a->rules.patience)) replace(a);
    return a->to_send ? ANCHOR_SEND : ANCHOR_ASK_RECEIPT;
}

vl_ms anchor_due(const struct anchor *a) { return a->waiting || idle(a) ? VL_MS_NEVER : a->due; }

enum vl_err anchor_quoted(struct anchor *a, uint64_t nonce, uint64_t tip, uint64_t fee) {
    if (!a->waiting || a->tries > 0) return VL_ESTATE;
    if (fee > a->rules.fee_cap) fee = a->rules.fee_cap;
    if (tip > fee) tip = fee;
    a->nonce = nonce;
    a->tried[0] = (struct anchor_try){ .tip = tip, .fee = fee };
    a->tries = 1;
    a->to_send = true;
    a->waiting = false;
    a->due = 0;
    return VL_OK;
}

enum vl_err anchor_signed(struct anchor *a, const struct vl_hash *name) {
    if (!a->waiting || !a->to_send) return VL_ESTATE;
    a->tried[a->tries - 1].name = *name;
    return VL_OK;
}

enum vl_err anchor_sent(struct anchor *a, vl_ms now) {
    if (!a->waiting || !a->to_send) return VL_ESTATE;
    a->to_send = a->waiting = false;
    a->sent_at = now;
    a->due = vl_ms_add(now, a->rules.poll);
    return VL_OK;
}

static void forget_tries(struct anchor *a) {
    memset(a->tried, 0, sizeof a->tried);
    a->tries = 0;
    a->block = 0;
    a->to_send = false;
}

/* Nowhere on the chain: never was, or its block went away.  Then it is sent again; its nonce makes a second copy void. */
static void not_found(struct anchor *a, uint64_t account_nonce, vl_ms now) {
    if (a->block != 0) {
        a->reorgs++;
        a->block = 0;
        a->to_send = true;
        a->due = now;
    }
    if (account_nonce > a->nonce) forget_tries(a);
}

enum vl_err anchor_receipt(struct anchor *a, const struct anchor_receipt *r, vl_ms now) {
    if (!a->waiting || a->to_send || a->tries == 0) return VL_ESTATE;
    a->waiting = false;
    a->due = vl_ms_add(now, a->rules.poll);
    if (!r->found) {
        not_found(a, r->nonce, now);
        return VL_OK;
    }
    if (r->block == 0 || r->block > r->tip_block) return VL_EPARSE;
    if (a->block != 0 && memcmp(&a->block_name, &r->block_name, sizeof r->block_name) != 0) a->reorgs++;
    a->block = r->block;
    a->block_name = r->block_name;
    if (r->tip_block - r->block < a->rules.depth) return VL_OK;
    if (r->ok) {
        a->done = a->pending;
        a->done_block = r->block;
        a->due = now;
    }
    a->pending = (struct anchor_head){ 0 };
    forget_tries(a);
    return VL_OK;
}

void anchor_failed(struct anchor *a, vl_ms now) {
    a->waiting = false;
    a->due = vl_ms_add(now, a->rules.poll);
}

static void put_head(struct vl_writer *w, const struct anchor_head *h) {
    vl_write_u64(w, h->size);
    vl_write_bytes(w, h->root.b, sizeof h->root.b);
}

static struct anchor_head get_head(struct vl_reader *r) {
    struct anchor_head h;
    h.size = vl_read_u64(r);
    vl_read_bytes(r, h.root.b, sizeof h.root.b);
    return h;
}

enum vl_err anchor_encode(const struct anchor *a, struct vl_buf *out) {
    uint8_t bytes[ANCHOR_BYTES_MAX];
    struct vl_writer w = vl_writer(bytes, sizeof bytes);
    vl_write_u8(&w, SAVED_VERSION);
    put_head(&w, &a->newest);
    put_head(&w, &a->pending);
    put_head(&w, &a->done);
    vl_write_u64(&w, a->nonce);
    vl_write_u64(&w, a->block);
    vl_write_bytes(&w, a->block_name.b, sizeof a->block_name.b);
    vl_write_u64(&w, a->done_block);
    vl_write_u64(&w, a->reorgs);
    vl_write_u8(&w, (uint8_t)a->tries);
    for (uint32_t i = 0; i < a->tries; i++) {
        vl_write_u64(&w, a->tried[i].tip);
        vl_write_u64(&w, a->tried[i].fee);
        vl_write_bytes(&w, a->tried[i].name.b, sizeof a->tried[i].name.b);
    }
    return w.failed ? VL_EINTERNAL : vl_buf_append(out, bytes, w.len);
}

enum vl_err anchor_decode(struct vl_span in, struct anchor *a) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct anchor b = { .rules = a->rules };
    uint8_t version = vl_read_u8(&r);
    if (r.failed) return VL_EPARSE;
    if (version != SAVED_VERSION) return VL_EVERSION;
    b.newest = get_head(&r);
    b.pending = get_head(&r);
    b.done = get_head(&r);
    b.nonce = vl_read_u64(&r);
    b.block = vl_read_u64(&r);
    vl_read_bytes(&r, b.block_name.b, sizeof b.block_name.b);
    b.done_block = vl_read_u64(&r);
    b.reorgs = vl_read_u64(&r);
    b.tries = vl_read_u8(&r);
    if (b.tries > ANCHOR_TRIES || (b.tries > 0 && b.pending.size == 0) || (b.block != 0 && b.tries == 0)) return VL_EPARSE;
    for (uint32_t i = 0; i < b.tries; i++) {
        b.tried[i].tip = vl_read_u64(&r);
        b.tried[i].fee = vl_read_u64(&r);
        vl_read_bytes(&r, b.tried[i].name.b, sizeof b.tried[i].name.b);
    }
    b.to_send = b.tries > 0 && b.block == 0; /* whether the last reached the chain is not known */
    enum vl_err err = vl_reader_end(&r);
    if (!err) *a = b;
    return err;
}
