/* Answers of a chain's server: what is read of a block or receipt can be hashed, and read back from what is hashed. */
#include "trust/eth_rpc.h"

#include "trust/json.h"

#include <stdlib.h>
#include <string.h>

static void block(struct vl_span v) {
    struct eth_block b;
    struct eth_header h;
    struct vl_hash name;
    if (eth_rpc_read_block(v, &b) != VL_OK) return;
    for (uint32_t i = 0; i < b.transactions && i < 8; i++) vl_ignore(eth_block_transaction(&b, i, &name));
    if (eth_block_transaction(&b, b.transactions, &name) == VL_OK) abort();
    if (b.header_n == 0) return;
    if (eth_header_read(vl_span(b.header, b.header_n), &h) != VL_OK || h.number != b.number || h.time != b.time || !vl_hash_eq(h.receipts, b.receipts)) abort();
}

static void receipt(struct vl_span v) {
    struct eth_receipt r;
    struct vl_buf out;
    struct vl_reader logs;
    struct eth_log log;
    bool ok;
    enum vl_err err = eth_rpc_read_receipt(v, &r);
    vl_buf_init(&out, 1 << 20);
    if (eth_rpc_receipt_bytes(v, &out) == VL_OK) {
        if (eth_receipt_read(vl_span(out.p, out.len), &ok, &logs) == VL_OK && err == VL_OK && ok != r.ok) abort();
    } else if (out.len != 0) {
        abort();
    }
    if (eth_receipt_read(vl_span(out.p, out.len), &ok, &logs) == VL_OK)
        while (logs.n > 0 && eth_log_next(&logs, &log) == VL_OK) {}
    vl_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_errmsg msg = { "" };
    struct vl_span v = { 0 }, at, one;
    struct eth_header h;
    struct vl_reader logs;
    struct eth_log log;
    bool ok;
    uint8_t bytes[64];
    uint64_t x;
    size_t got = 0;
    enum vl_err err = eth_rpc_result(vl_span(p, n), 7, &v, &msg);
    for (const char *c = msg.text; err == VL_EDENIED && *c; c++)
        if (*c < ' ' || *c > '~') abort();
    if (err == VL_OK || jspan_read(vl_span(p, n), &v)) {
        vl_ignore(eth_rpc_read_u64(v, &x));
        if (eth_rpc_read_bytes(v, bytes, sizeof bytes, &got) == VL_OK && got > sizeof bytes) abort();
        block(v);
        receipt(v);
        for (at = v; jspan_next(&at, &one);) receipt(one);
    }
    vl_ignore(eth_header_read(vl_span(p, n), &h));
    if (eth_receipt_read(vl_span(p, n), &ok, &logs) == VL_OK)
        while (logs.n > 0 && eth_log_next(&logs, &log) == VL_OK) {}
    return 0;
}
