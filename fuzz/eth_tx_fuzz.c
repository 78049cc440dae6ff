/* RLP and transactions from a stranger: what is taken is written back the same. */
#include "trust/eth_tx.h"
#include "trust/rlp.h"

#include <stdlib.h>

static void items(struct vl_reader r, unsigned depth) {
    struct rlp_item item;
    while (r.n > 0 && rlp_next(&r, &item) == VL_OK)
        if (item.list && depth < 16) items(vl_reader(item.body.p, item.body.n), depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct eth_tx t;
    struct eth_signature s;
    struct vl_buf out;
    items(vl_reader(p, n), 0);
    if (eth_tx_decode(vl_span(p, n), &t, &s) != VL_OK) return 0;
    vl_buf_init(&out, ETH_TX_MAX);
    enum vl_err err = eth_tx_encode(&t, &s, &out);
    if (err != VL_ENOMEM && (err != VL_OK || !vl_span_eq(vl_span(p, n), vl_span(out.p, out.len)))) abort();
    vl_buf_free(&out);
    return 0;
}
