/* A chain that answers anything, and a saved state from anywhere.  A head is done only at its depth; nonces stay while tries do. */
#include "trust/anchor.h"

#include <stdlib.h>

static void saved(struct vl_span in) {
    struct anchor_rules rules = { .depth = 1, .poll = 1, .patience = 1, .fee_cap = 1 };
    struct anchor a;
    struct vl_buf out;
    if (anchor_init(&a, &rules) != VL_OK) abort();
    if (anchor_decode(in, &a) != VL_OK) return;
    vl_buf_init(&out, ANCHOR_BYTES_MAX);
    enum vl_err err = anchor_encode(&a, &out);
    if (err != VL_ENOMEM && (err != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len)))) abort();
    vl_buf_free(&out);
}

static void answer(struct anchor *a, struct vl_reader *r, vl_ms now) {
    struct vl_hash name = { { vl_read_u8(r) } };
    struct anchor_receipt x = { .found = name.b[0] & 1, .ok = name.b[0] & 2, .block = vl_read_u8(r), .tip_block = vl_read_u8(r),
                                .nonce = vl_read_u8(r), .block_name = name };
    uint64_t nonce = a->nonce, before = a->done.size;
    uint32_t tries = a->tries;
    enum anchor_ask ask = anchor_next(a, now);
    if (name.b[0] & 4) {
        anchor_failed(a, now);
    } else if (ask == ANCHOR_ASK_QUOTE) {
        if (tries != 0 || anchor_quoted(a, x.nonce, vl_read_u64(r), vl_read_u64(r)) != VL_OK) abort();
        if (a->tried[0].fee > a->rules.fee_cap || a->tried[0].tip > a->tried[0].fee) abort();
    } else if (ask == ANCHOR_SEND) {
        if (anchor_signed(a, &name) != VL_OK || anchor_sent(a, now) != VL_OK || a->nonce != nonce) abort();
        if (a->tried[a->tries - 1].fee > a->rules.fee_cap) abort();
    } else if (ask == ANCHOR_ASK_RECEIPT) {
        vl_ignore(anchor_receipt(a, &x, now));
        if (a->done.size != before && (!x.found || !x.ok || x.tip_block < x.block + a->rules.depth)) abort();
    }
    if (a->tries > 0 && tries > 0 && a->nonce != nonce) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct anchor_rules rules = { .depth = 3, .poll = 2, .patience = 9, .fee_cap = 1u << 20 };
    struct anchor a;
    saved(vl_span(p, n));
    if (anchor_init(&a, &rules) != VL_OK) abort();
    struct vl_reader r = vl_reader(p, n);
    for (vl_ms now = 0; r.n > 0 && !r.failed; now += vl_read_u8(&r)) {
        struct anchor_head h = { .size = vl_read_u8(&r) };
        anchor_head(&a, &h);
        answer(&a, &r, now);
    }
    return 0;
}
