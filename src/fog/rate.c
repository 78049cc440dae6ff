#include "fog/rate.h"

#include "crypto/hash.h"
#include "fog/rate_kernel.h"
#include "wire/pack.h"

#include <assert.h>
#include <string.h>

#define CONTEXT "village-rate-1:"
enum { TAG_RATE = 0x70, VERSION = 1 };

__extension__ typedef unsigned __int128 wide;

uint64_t rate_mul_div(uint64_t a, uint64_t b, uint64_t c) {
    wide v = (wide)a * b / c;
    return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

uint64_t rate_mul_div_up(uint64_t a, uint64_t b, uint64_t c) {
    wide v = ((wide)a * b + (c - 1)) / c;
    return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

enum vl_err rate_work(uint64_t ops_per_s, uint32_t utilisation_ppm, uint64_t ms, uint64_t *ret_nh) {
    if (ops_per_s > RATE_OPS_MAX || utilisation_ppm > RATE_PPM || ms > RATE_MS_MAX) return VL_ERANGE;
    wide ops = (wide)ops_per_s * utilisation_ppm * ms; /* below 2^60 * 2^20 * 2^45 */
    *ret_nh = (uint64_t)(ops / ((wide)RATE_NH_OPS * RATE_PPM * 1000u));
    return VL_OK;
}

uint64_t rate_of_time(uint64_t rate, uint64_t ms) { return rate_mul_div(rate, ms, 3600000u); }

uint64_t rate_from_run(uint32_t segments, uint64_t elapsed_ms) {
    /* harmonic mean of the two speeds, each a share of the reference: 2 / (1/a + 1/m).  The work is w reference seconds
     * of each, so elapsed = w/a + w/m and the mean is 2w / elapsed. */
    uint64_t ms = elapsed_ms ? elapsed_ms : 1;
    wide v = (wide)2 * segments * RATE_SEGMENT_OPS * RATE_NH_HOUR * 1000u / ((wide)RATE_H200_OPS * ms);
    return v > RATE_MAX ? RATE_MAX : (uint64_t)v;
}

static void nonce_words(const uint8_t nonce[RATE_NONCE], uint64_t ret[2]) {
    ret[0] = vl_get_u64(nonce);
    ret[1] = vl_get_u64(nonce + 8);
}

uint64_t rate_segment(const uint8_t nonce[RATE_NONCE], uint32_t segment) {
    uint64_t words[RATE_SEGMENT_WORDS], n[2];
    nonce_words(nonce, n);
    rate_fill(n, segment, words);
    return rate_fold(rate_spin(n, segment), words);
}

bool rate_answer_true(const uint8_t nonce[RATE_NONCE], uint32_t segments, struct vl_span answer, uint64_t pick,
                      uint32_t checks) {
    if (segments == 0 || segments > RATE_SEGMENTS || answer.n != RATE_ANSWER(segments)) return false;
    for (uint32_t i = 0; i < checks; i++) {
        uint32_t s = (uint32_t)(rate_mix(pick + i) % segments);
        if (vl_get_u64(answer.p + RATE_ANSWER(s)) != rate_segment(nonce, s)) return false;
    }
    return true;
}

const char *rate_verdict_text(enum rate_verdict v) {
    switch (v) {
    case RATE_GOOD:
        return "good";
    case RATE_OVERSOLD:
        return "oversold";
    case RATE_FALSE:
        return "false";
    }
    return "unknown";
}

static bool run_ok(const struct rate_run *r) {
    return r->segments >= 1 && r->segments <= RATE_SEGMENTS && r->wide >= 1 && r->wide <= RATE_WIDE_MAX &&
           r->alone_ms <= RATE_MS_MAX && r->wide_ms <= RATE_MS_MAX;
}

enum vl_err rate_judge(struct rate_record *r) {
    const struct rate_run *run = &r->run;
    if (!run_ok(run) || r->slots_claimed == 0 || r->slots_claimed > NODE_SLOTS_MAX) return VL_ERANGE;
    uint64_t alone = run->alone_ms ? run->alone_ms : 1, all = run->wide_ms ? run->wide_ms : 1;
    r->verdict = RATE_GOOD;
    r->slots_measured = r->slots_claimed;
    r->rate = rate_from_run(run->segments, all);
    if (!run->answers_true) {
        r->verdict = RATE_FALSE;
        r->rate = 0;
        return VL_OK;
    }
    if (run->wide > 1 && all > RATE_LIE * alone) { /* slots share what is there: count it, rounded up */
        uint64_t real = rate_mul_div_up(r->slots_claimed, alone, all);
        r->verdict = RATE_OVERSOLD;
        r->slots_measured = (uint32_t)(real ? real : 1);
        /* with only the slots that are there, each is as fast as one alone, but for sharing */
        r->rate = rate_mul_div(r->rate, r->slots_claimed, r->slots_measured);
        if (r->rate > rate_from_run(run->segments, alone)) r->rate = rate_from_run(run->segments, alone);
    }
    return VL_OK;
}

uint64_t rate_hardware(const struct node_caps *c) {
    uint8_t text[8 * 4];
    struct vl_hash h;
    vl_put_u64(text, c->cpus);
    vl_put_u64(text + 8, c->slots);
    vl_put_u64(text + 16, c->gpus);
    vl_put_u64(text + 24, c->memory_bytes >> 30); /* what is free of it changes all the time */
    crypto_blake2b256(vl_span(text, sizeof text), &h);
    return vl_get_u64(h.b);
}

vl_ms rate_due(const struct rate_record *r, uint64_t hardware_now, uint64_t draw) {
    if (r->hardware != hardware_now) return r->measured_ms + RATE_RETRY_MS / 60;
    if (r->rate == 0) return r->measured_ms + RATE_RETRY_MS;
    return r->measured_ms + RATE_AGE_MIN_MS + draw % (RATE_AGE_MAX_MS - RATE_AGE_MIN_MS + 1);
}

uint32_t rate_slots(const struct rate_record *r, uint32_t claimed) {
    return r != NULL && r->verdict == RATE_OVERSOLD && r->slots_measured < claimed ? r->slots_measured : claimed;
}

static bool record_ok(const struct rate_record *r) {
    return r->verdict >= RATE_GOOD && r->verdict <= RATE_FALSE && r->rate <= RATE_MAX && run_ok(&r->run) &&
           r->slots_claimed >= 1 && r->slots_claimed <= NODE_SLOTS_MAX && r->slots_measured >= 1 &&
           r->slots_measured <= r->slots_claimed && r->receipt_n <= RATE_RECEIPT_MAX &&
           (r->verdict != RATE_FALSE || r->rate == 0) && r->run.answers_true == (r->verdict != RATE_FALSE);
}

static void body(struct pack *w, const struct rate_record *r) {
    if (!record_ok(r)) pack_fail(w, VL_ERANGE);
    pack_bytes(w, r->node.b, sizeof r->node.b);
    pack_bytes(w, r->signer.b, sizeof r->signer.b);
    pack_u8(w, (uint8_t)r->verdict);
    pack_u64(w, r->rate);
    pack_u32(w, r->slots_claimed);
    pack_u32(w, r->cpus_claimed);
    pack_u32(w, r->slots_measured);
    pack_u32(w, r->run.segments);
    pack_u64(w, r->run.alone_ms);
    pack_u32(w, r->run.wide);
    pack_u64(w, r->run.wide_ms);
    pack_bool(w, r->run.answers_true);
    pack_u64(w, r->measured_ms);
    pack_u64(w, r->hardware);
    pack_bytes(w, r->program.b, sizeof r->program.b);
    pack_span16(w, vl_span(r->receipt, r->receipt_n <= RATE_RECEIPT_MAX ? r->receipt_n : 0));
}

static enum vl_err body_encode(const struct rate_record *r, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_RATE, VERSION);
    body(&w, r);
    return pack_end(&w);
}

enum vl_err rate_sign(struct rate_record *r, const struct crypto_sign_key *key) {
    struct vl_buf buf;
    r->signer = crypto_sign_node_id(key);
    vl_buf_init(&buf, RATE_RECORD_MAX);
    enum vl_err err = body_encode(r, &buf);
    if (err == VL_OK) err = crypto_sign_message(key, CONTEXT, vl_span(buf.p, buf.len), r->signature);
    vl_buf_free(&buf);
    return err;
}

enum vl_err rate_verify(const struct rate_record *r) {
    struct vl_buf buf;
    vl_buf_init(&buf, RATE_RECORD_MAX);
    enum vl_err err = body_encode(r, &buf);
    if (err == VL_OK) err = crypto_verify_message(r->signer.b, CONTEXT, vl_span(buf.p, buf.len), r->signature);
    vl_buf_free(&buf);
    return err;
}

enum vl_err rate_record_encode(const struct rate_record *r, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_RATE, VERSION);
    body(&w, r);
    pack_bytes(&w, r->signature, sizeof r->signature);
    return pack_end(&w);
}

enum vl_err rate_record_decode(struct vl_span in, struct rate_record *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_RATE, VERSION);
    if (err) return err;
    struct rate_record v = { .node = unpack_node(&r) };
    v.signer = unpack_node(&r);
    v.verdict = (enum rate_verdict)unpack_u8_in(&r, RATE_GOOD, RATE_FALSE);
    v.rate = unpack_u64_in(&r, 0, RATE_MAX);
    v.slots_claimed = unpack_u32_in(&r, 1, NODE_SLOTS_MAX);
    v.cpus_claimed = vl_read_u32(&r);
    v.slots_measured = unpack_u32_in(&r, 1, NODE_SLOTS_MAX);
    v.run.segments = vl_read_u32(&r);
    v.run.alone_ms = vl_read_u64(&r);
    v.run.wide = vl_read_u32(&r);
    v.run.wide_ms = vl_read_u64(&r);
    v.run.answers_true = unpack_bool(&r);
    v.measured_ms = vl_read_u64(&r);
    v.hardware = vl_read_u64(&r);
    v.program = unpack_hash(&r);
    struct vl_span receipt = unpack_span16(&r, RATE_RECEIPT_MAX);
    if (receipt.n) memcpy(v.receipt, receipt.p, receipt.n);
    v.receipt_n = (uint32_t)receipt.n;
    vl_read_bytes(&r, v.signature, sizeof v.signature);
    unpack_require(&r, record_ok(&v));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = v;
    return err;
}
