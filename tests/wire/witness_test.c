/* Heads and answers of witnesses: round trips, cuts, values just outside. */
#include "wire/witness.h"

#include "check.h"

TEST(witness_wire, heads_come_back_as_they_were_and_every_cut_is_refused) {
    struct witness_head m = { .old_size = 9, .n = WITNESS_PROOF_MAX, .text = vl_span_str("head") }, back;
    struct vl_buf out;
    for (uint8_t i = 0; i < WITNESS_PROOF_MAX; i++) m.proof[i].b[0] = i;
    vl_buf_init(&out, 4096);
    CHECK_OK(witness_head_encode(&m, &out));
    CHECK_EQ(0x95, out.p[0]);
    CHECK_OK(witness_head_decode(vl_span(out.p, out.len), &back));
    CHECK_EQ(9, back.old_size);
    CHECK_EQ(WITNESS_PROOF_MAX, back.n);
    CHECK_MEM(m.proof, back.proof, sizeof m.proof);
    CHECK(vl_span_eq(m.text, back.text));
    for (size_t cut = 0; cut < out.len; cut++) CHECK_EQ(VL_EPARSE, witness_head_decode(vl_span(out.p, cut), &back));
    m.old_size = 0; /* a proof from nowhere */
    CHECK_EQ(VL_ERANGE, witness_head_encode(&m, &out));
    m.n = 0;
    CHECK_OK(witness_head_encode(&m, &out));
    m.text = vl_span(NULL, 0);
    CHECK_EQ(VL_ERANGE, witness_head_encode(&m, &out));
    vl_buf_free(&out);
}

TEST(witness_wire, answers_carry_a_signature_only_when_they_sign) {
    struct witness_answer m = { .what = WITNESS_SIGNED, .size = 5, .time_s = 7, .signature = { 1 } }, back;
    struct vl_buf out;
    vl_buf_init(&out, 4096);
    CHECK_OK(witness_answer_encode(&m, &out));
    CHECK_EQ(0x96, out.p[0]);
    CHECK_OK(witness_answer_decode(vl_span(out.p, out.len), &back));
    CHECK_EQ(WITNESS_SIGNED, back.what);
    CHECK_EQ(5, back.size);
    CHECK_EQ(7, back.time_s);
    CHECK_MEM(m.signature, back.signature, 64);
    for (size_t cut = 0; cut < out.len; cut++) CHECK_EQ(VL_EPARSE, witness_answer_decode(vl_span(out.p, cut), &back));
    m.what = WITNESS_AHEAD;
    CHECK_EQ(VL_ERANGE, witness_answer_encode(&m, &out));
    m = (struct witness_answer){ .what = WITNESS_REFUSED, .size = 5 };
    vl_buf_clear(&out);
    CHECK_OK(witness_answer_encode(&m, &out));
    out.p[2] = 4;
    CHECK_EQ(VL_EPARSE, witness_answer_decode(vl_span(out.p, out.len), &back));
    m.size = 0;
    CHECK_EQ(VL_ERANGE, witness_answer_encode(&m, &out));
    vl_buf_free(&out);
}
