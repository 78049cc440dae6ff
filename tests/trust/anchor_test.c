/* Anchors against a chain that forgets, forks, fails and is expensive. */
#include "trust/anchor.h"

#include "check.h"

#include <string.h>

static const struct anchor_rules rules = { .depth = 3, .poll = 10, .patience = 100, .fee_cap = 1150 };

static struct anchor fresh(uint64_t size) {
    struct anchor a;
    struct anchor_head h = { .size = size, .root = { { (uint8_t)size } } };
    CHECK_OK(anchor_init(&a, &rules));
    if (size) anchor_head(&a, &h);
    return a;
}

static void send(struct anchor *a, vl_ms now) {
    struct vl_hash name = { { 1, (uint8_t)a->tries } };
    CHECK_EQ(ANCHOR_SEND, anchor_next(a, now));
    CHECK_OK(anchor_signed(a, &name));
    CHECK_OK(anchor_sent(a, now));
}

static struct anchor sent(uint64_t size) {
    struct anchor a = fresh(size);
    CHECK_EQ(ANCHOR_ASK_QUOTE, anchor_next(&a, 0));
    CHECK_OK(anchor_quoted(&a, 7, 100, 1000));
    send(&a, 0);
    return a;
}

static void seen(struct anchor *a, uint64_t block, uint64_t tip, uint8_t name, bool ok, vl_ms now) {
    struct anchor_receipt r = { .found = block > 0, .ok = ok, .block = block, .tip_block = tip, .block_name = { { name } }, .nonce = 7 };
    CHECK_EQ(ANCHOR_ASK_RECEIPT, anchor_next(a, now));
    CHECK_OK(anchor_receipt(a, &r, now));
}

TEST(anchor, counts_a_head_when_its_block_is_deep_enough_and_not_before) {
    struct anchor a = sent(5);
    CHECK_EQ(ANCHOR_IDLE, anchor_next(&a, 9));
    seen(&a, 20, 20, 1, true, 10);
    seen(&a, 20, 22, 1, true, 20);
    CHECK_EQ(0, a.done.size);
    seen(&a, 20, 23, 1, true, 30);
    CHECK_EQ(5, a.done.size);
    CHECK_EQ(20, a.done_block);
    CHECK_EQ(ANCHOR_IDLE, anchor_next(&a, 1000));
    CHECK(anchor_due(&a) == VL_MS_NEVER);
}

TEST(anchor, sends_again_with_the_same_nonce_what_a_reorganisation_took_away) {
    struct anchor a = sent(5);
    seen(&a, 20, 22, 1, true, 10);
    seen(&a, 0, 21, 0, false, 20);
    CHECK_EQ(1, a.reorgs);
    send(&a, 20);
    CHECK_EQ(7, a.nonce);
    CHECK_EQ(1, a.tries);
    seen(&a, 21, 23, 2, true, 30);
    seen(&a, 22, 24, 3, true, 40); /* moved to another block: depth counts from there */
    CHECK_EQ(2, a.reorgs);
    CHECK_EQ(0, a.done.size);
    seen(&a, 22, 25, 3, true, 50);
    CHECK_EQ(5, a.done.size);
}

TEST(anchor, raises_the_fee_by_a_tenth_up_to_the_cap_when_no_block_takes_it) {
    struct anchor a = sent(5);
    CHECK_EQ(ANCHOR_ASK_RECEIPT, anchor_next(&a, 99));
    anchor_failed(&a, 90);
    send(&a, 100);
    CHECK_EQ(2, a.tries);
    CHECK_EQ(1101, a.tried[1].fee);
    CHECK_EQ(111, a.tried[1].tip);
    CHECK_EQ(7, a.nonce);
    send(&a, 200); /* 1,212 would be above the cap */
    CHECK_EQ(2, a.tries);
}

TEST(anchor, waits_out_an_outage_and_then_takes_the_newest_head) {
    struct anchor a = fresh(0);
    CHECK_EQ(ANCHOR_IDLE, anchor_next(&a, 0));
    struct anchor_head old = { .size = 4 }, newer = { .size = 9 };
    anchor_head(&a, &newer);
    anchor_head(&a, &old);
    for (vl_ms t = 0; t < 1000; t += 10) {
        CHECK_EQ(ANCHOR_ASK_QUOTE, anchor_next(&a, t));
        CHECK_EQ(ANCHOR_IDLE, anchor_next(&a, t)); /* one question at a time */
        anchor_failed(&a, t);
        CHECK_EQ(ANCHOR_IDLE, anchor_next(&a, t + 9));
    }
    CHECK_EQ(9, a.pending.size);
}

TEST(anchor, keeps_nonce_and_head_across_a_restart_and_sends_once_more) {
    struct anchor a = sent(5), b = fresh(0);
    struct vl_buf out;
    vl_buf_init(&out, ANCHOR_BYTES_MAX);
    CHECK_OK(anchor_encode(&a, &out));
    for (size_t n = 0; n < out.len; n++) CHECK_EQ(VL_EPARSE, anchor_decode(vl_span(out.p, n), &b));
    CHECK_OK(anchor_decode(vl_span(out.p, out.len), &b));
    send(&b, 5);
    CHECK_EQ(7, b.nonce);
    CHECK_EQ(5, b.pending.size);
    CHECK_EQ(1, b.tries);
    CHECK_EQ(1000, b.tried[0].fee);
    vl_buf_free(&out);
}

TEST(anchor, takes_another_nonce_after_a_refusal_or_when_somebody_used_its_own) {
    struct anchor a = sent(5);
    seen(&a, 20, 23, 1, false, 10);
    CHECK_EQ(0, a.done.size);
    CHECK_EQ(ANCHOR_ASK_QUOTE, anchor_next(&a, 20));
    a = sent(5);
    struct anchor_receipt r = { .nonce = 8, .tip_block = 30 };
    CHECK_EQ(ANCHOR_ASK_RECEIPT, anchor_next(&a, 10));
    CHECK_OK(anchor_receipt(&a, &r, 10));
    CHECK_EQ(ANCHOR_ASK_QUOTE, anchor_next(&a, 20));
    CHECK_EQ(5, a.pending.size);
}

TEST(anchor, believes_no_block_above_the_newest_and_no_answer_to_nothing) {
    struct anchor a = sent(5);
    struct anchor_receipt r = { .found = true, .ok = true, .block = 31, .tip_block = 30 };
    CHECK_EQ(VL_ESTATE, anchor_receipt(&a, &r, 5));
    CHECK_EQ(VL_ESTATE, anchor_quoted(&a, 1, 1, 1));
    CHECK_EQ(ANCHOR_ASK_RECEIPT, anchor_next(&a, 10));
    CHECK_EQ(VL_EPARSE, anchor_receipt(&a, &r, 10));
    CHECK_EQ(0, a.block);
    CHECK_EQ(ANCHOR_ASK_RECEIPT, anchor_next(&a, 20)); /* asked again */
}
