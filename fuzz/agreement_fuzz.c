/* Records of agreements, refunds and uptimes: what is decoded encodes to the same bytes again.  Then events for an
 * agreement: its sums always make up the time that passed, and it goes on from its record as from memory. */
#include "fog/agreement.h"
#include "fog/uptime.h"

#include <stdlib.h>
#include <string.h>

static void same(const uint8_t *p, size_t n, struct vl_buf *b) {
    if (b->len != n || memcmp(b->p, p, n) != 0) abort();
    vl_buf_free(b);
}

static void records(const uint8_t *p, size_t n) {
    struct vl_buf b;
    struct agreement a;
    struct agreement_refund_row row;
    struct uptime u;
    vl_buf_init(&b, AGREEMENT_RECORD_MAX);
    if (agreement_decode(vl_span(p, n), &a) == VL_OK) {
        struct agreement_bill bill;
        if (agreement_encode(&a, &b)) abort();
        if (p[1] == 1)
            vl_buf_free(&b); /* the form without groups is read, and written no more */
        else
            same(p, n, &b);
        agreement_bill(&a, a.looked_ms, &bill);
        if (bill.total_ms > AGREEMENT_SPAN_MAX_MS || bill.share_ppb > QUORUM_ONE) abort();
    }
    if (agreement_refund_decode(vl_span(p, n), &row) == VL_OK) {
        if (agreement_refund_encode(&row, &b)) abort();
        same(p, n, &b);
    }
    if (uptime_decode(vl_span(p, n), &u) == VL_OK) {
        if (uptime_encode(&u, &b)) abort();
        same(p, n, &b);
        uptime_pass(&u, u.at_ms > VL_MS_NEVER - 1000000 ? u.at_ms : u.at_ms + 1000000);
        if (uptime_lower_ppb(&u) > uptime_mean_ppb(&u)) abort();
    }
}

static struct vl_node_id node(uint8_t n) { return (struct vl_node_id){ { n } }; }

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct agreement a, b;
    struct agreement_terms t = {
        .tier = TIER_GOLD, .span_ms = 1000000, .lag_ms = 5000, .gap_ms = 3000, .n = 3, .groups = 3, .node = { node(0), node(1), node(2) }
    };
    struct vl_buf buf;
    vl_ms now = 1000;
    records(p, n);
    if (n > 0) t.majority = p[0] & 1;
    if (n > 0 && p[0] & 2) t.groups = 1;
    if (agreement_open(&a, &t, now)) abort();
    vl_buf_init(&buf, AGREEMENT_RECORD_MAX);
    for (size_t i = 0; i + 3 < n; i += 4) {
        now += (uint64_t)p[i] << (p[i + 1] & 7);
        vl_ms at = now > (uint64_t)p[i + 3] * 64 ? now - (uint64_t)p[i + 3] * 64 : 0;
        if (p[i + 1] & 8) agreement_node(&a, now, node(p[i + 2] & 7), at, p[i + 2] >> 7);
        if (p[i + 1] & 16) agreement_replace(&a, now, p[i + 3] % t.groups, node(p[i + 2] & 7), node(p[i + 2] >> 4 & 7));
        agreement_look(&a, now);
        if (a.up_ms + a.down_ms + a.blind_ms != a.settled_ms - a.start_ms || a.settled_ms > a.end_ms) abort();
        if (a.n_pending > AGREEMENT_PENDING_MAX) abort();
        if (agreement_encode(&a, &buf) || agreement_decode(vl_span(buf.p, buf.len), &b)) abort();
        vl_buf_clear(&buf);
        a = b;
    }
    agreement_close(&a, now);
    if (a.up_ms + a.down_ms + a.blind_ms != a.end_ms - a.start_ms) abort();
    vl_buf_free(&buf);
    return 0;
}
