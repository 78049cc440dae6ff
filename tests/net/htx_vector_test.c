/* Bytes on the wire against vectors made by htx_vectors.py, which shares nothing with src/. */
#include "net/htx_frame.h"
#include "net/htx_handshake.h"
#include "net/htx_priv.h"

#include "check.h"
#include "htx_vectors.h"

#include <string.h>

struct vector {
    enum htx_pattern pattern;
    enum htx_suite suite;
    struct vl_span message[3], hash, record, rekeyed;
};
#define S(a)                                                                                                           \
    { a, sizeof a }
#define THREE(n, p, s)                                                                                                 \
    { p, s, { S(n##_1), S(n##_2), S(n##_3) }, S(n##_hash), S(n##_record), S(n##_rekeyed) }
#define TWO(n, p, s)                                                                                                   \
    { p, s, { S(n##_1), S(n##_2) }, S(n##_hash), S(n##_record), S(n##_rekeyed) }
static const struct vector vectors[] = {
    THREE(vector_xx_aesgcm, HTX_XX, HTX_AESGCM_SHA256), THREE(vector_xx_chachapoly, HTX_XX, HTX_CHACHAPOLY_SHA256),
    THREE(vector_xk_aesgcm, HTX_XK, HTX_AESGCM_SHA256), THREE(vector_xk_chachapoly, HTX_XK, HTX_CHACHAPOLY_SHA256),
    TWO(vector_ik_aesgcm, HTX_IK, HTX_AESGCM_SHA256),   TWO(vector_ik_chachapoly, HTX_IK, HTX_CHACHAPOLY_SHA256),
};
#define VECTORS (sizeof vectors / sizeof *vectors)

static void start_early(const struct vector *v, struct vl_span early, struct htx_handshake hs[2]) {
    struct crypto_dh_key key[2];
    for (int i = 0; i < 2; i++) {
        uint8_t secret[32], seed[32];
        memset(secret, 0x41 + i, 32);
        crypto_dh_key_from_seed(secret, &key[i]);
        memset(seed, 0x61 + i, 32);
    }
    for (int i = 0; i < 2; i++) {
        uint8_t seed[32], ephemeral[32], identity[HTX_IDENTITY_MAX];
        char cert[] = "cert-0";
        struct crypto_sign_key sign;
        size_t n = 0;
        cert[5] = (char)('0' + i);
        memset(seed, 0x61 + i, 32);
        memset(ephemeral, 0x51 + i, 32);
        crypto_sign_key_from_seed(seed, &sign);
        CHECK_OK(
            htx_identity_make(&sign, key[i].public, VECTOR_EXPIRY, (uint64_t)(7 + i), vl_span_str(cert), identity, &n));
        struct htx_handshake_config config = { .initiator = i == 0,
                                               .pattern = v->pattern,
                                               .suite = v->suite,
                                               .static_key = &key[i],
                                               .remote_static = v->pattern == HTX_XX ? NULL : key[1].public,
                                               .ephemeral_seed = ephemeral,
                                               .identity = vl_span(identity, n),
                                               .early = i == 0 ? early : vl_span(NULL, 0) };
        CHECK_OK(htx_handshake_init(&hs[i], &config));
    }
}
static void start(const struct vector *v, struct htx_handshake hs[2]) { start_early(v, vl_span(NULL, 0), hs); }

TEST(htx_vector, both_sides_speak_the_handshakes_byte_for_byte) {
    for (size_t i = 0; i < VECTORS; i++) {
        const struct vector *v = &vectors[i];
        struct htx_handshake hs[2];
        uint8_t buf[HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX];
        start(v, hs);
        for (unsigned m = 0; m < 3 && v->message[m].n > 0; m++) {
            struct htx_handshake *from = &hs[m % 2], *to = &hs[1 - m % 2];
            size_t n = htx_handshake_put(from, buf), at = m < 2 ? HTX_PREFACE : 0;
            CHECK_EQ(at + v->message[m].n, n);
            CHECK_MEM(v->message[m].p, buf + at, v->message[m].n);
            if (at > 0) {
                uint8_t preface[HTX_PREFACE] = { 'H', 'T', 'X', '1', 1, (uint8_t)v->pattern, (uint8_t)v->suite, 0 };
                CHECK_MEM(preface, buf, HTX_PREFACE);
                CHECK_EQ(HTX_PREFACE, htx_handshake_wants(to, buf, 0));
                htx_handshake_take(to, VECTOR_EXPIRY - 1, vl_span(buf, HTX_PREFACE));
            }
            CHECK_EQ(v->message[m].n, htx_handshake_wants(to, buf + at, 2));
            htx_handshake_take(to, VECTOR_EXPIRY - 1, v->message[m]);
        }
        for (int k = 0; k < 2; k++) {
            struct noise_cipher send, recv;
            uint8_t hash[32];
            CHECK_EQ(HTX_HS_DONE, hs[k].state);
            CHECK_EQ(8 - k, hs[k].capabilities);
            CHECK_OK(htx_handshake_split(&hs[k], &send, &recv, hash));
            CHECK_MEM(v->hash.p, hash, 32);
            struct htx_record r = { .cipher = k == 0 ? send : recv };
            if (k == 0) { /* the initiator seals what the script sealed */
                uint8_t plain[256], out[300];
                struct htx_frame f = {
                    .flags = HTX_FLAG_ACKREQ, .stream = 1, .seq = 1, .timestamp_ms = 0x19012345678u
                };
                f.payload = vl_span_str("hello");
                htx_frame_put_header(plain, &f);
                memcpy(plain + 24, "hello", 5);
                f = (struct htx_frame){ .type = HTX_T_ACK, .stream = 2, .seq = 9, .timestamp_ms = 0x19012345678u };
                f.payload.n = 8;
                htx_frame_put_header(plain + 29, &f);
                vl_put_u64(plain + 53, 5);
                f = (struct htx_frame){ .type = HTX_T_KEYUPDATE, .timestamp_ms = 0x19012345678u };
                htx_frame_put_header(plain + 61, &f);
                CHECK_OK(htx_record_seal(&r, plain, 85, out));
                CHECK_EQ(v->record.n, 85 + 18);
                CHECK_MEM(v->record.p, out, v->record.n);
                CHECK_OK(htx_record_rekey(&r, 0));
                f = (struct htx_frame){ .type = HTX_T_PAD,
                                        .timestamp_ms = 0x19012345678u,
                                        .payload = vl_span_str("pad") };
                htx_frame_put_header(plain, &f);
                memcpy(plain + 24, "pad", 3);
                CHECK_OK(htx_record_seal(&r, plain, 27, out));
                CHECK_MEM(v->rekeyed.p, out, v->rekeyed.n);
            } else {
                uint8_t plain[HTX_PLAIN_MAX];
                size_t n = 0, len = 0;
                struct htx_frame f;
                CHECK_OK(htx_record_open(&r, vl_span(v->record.p + 2, v->record.n - 2), plain, &n));
                CHECK_OK(htx_frame_read(vl_span(plain, n), &f, &len));
                CHECK(f.type == HTX_T_DATA && f.stream == 1 && f.seq == 1 && f.flags == HTX_FLAG_ACKREQ);
                CHECK_EQ(0x19012345678u, f.timestamp_ms);
                CHECK_MEM("hello", f.payload.p, 5);
                /* a replay is not accepted, because its nonce has passed */
                CHECK_EQ(VL_ECRYPTO, htx_record_open(&r, vl_span(v->record.p + 2, v->record.n - 2), plain, &n));
                CHECK_EQ(VL_ECRYPTO, htx_record_open(&r, vl_span(v->rekeyed.p + 2, v->rekeyed.n - 2), plain, &n));
                CHECK_OK(htx_record_rekey(&r, 0));
                CHECK_OK(htx_record_open(&r, vl_span(v->rekeyed.p + 2, v->rekeyed.n - 2), plain, &n));
                CHECK_EQ(27, n);
            }
            noise_cipher_destroy(k == 0 ? &recv : &send);
            htx_record_wipe(&r);
            htx_handshake_wipe(&hs[k]);
        }
    }
}

TEST(htx_vector, an_identity_ends_at_its_exact_expiry) {
    for (int late = 0; late < 2; late++) {
        struct htx_handshake hs[2];
        uint8_t buf[HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX];
        start(&vectors[4], hs);
        size_t n = htx_handshake_put(&hs[0], buf);
        htx_handshake_take(&hs[1], 0, vl_span(buf, HTX_PREFACE));
        htx_handshake_take(&hs[1], VECTOR_EXPIRY - 1 + (vl_ms)late, vl_span(buf + HTX_PREFACE, n - HTX_PREFACE));
        CHECK_EQ(late ? HTX_HS_FAILED : HTX_HS_RUNNING, hs[1].state);
        CHECK_EQ(late ? HTX_WRONG_PEER : 0, hs[1].reason);
        for (int k = 0; k < 2; k++) htx_handshake_wipe(&hs[k]);
    }
}

TEST(htx_vector, decodes_and_encodes_each_type_in_the_bare_form) {
    size_t at = 0;
    for (unsigned type = 0; type < HTX_T_KNOWN; type++) {
        struct htx_frame f;
        size_t len = 0, again = 0;
        uint8_t out[512];
        struct vl_span in = vl_span(vector_each_type_bare + at, sizeof vector_each_type_bare - at);
        CHECK_OK(htx_frame_decode_bare(in, &f, &len));
        CHECK_EQ(type, f.type);
        CHECK_OK(htx_frame_encode_bare(&f, out, sizeof out, &again));
        CHECK_EQ(len, again);
        CHECK_MEM(in.p, out, len);
        CHECK_EQ(VL_ENOSPC, htx_frame_encode_bare(&f, out, len - 1, &again));
        for (size_t cut = 0; cut < len; cut++) CHECK_EQ(VL_EAGAIN, htx_frame_decode_bare(vl_span(in.p, cut), &f, &len));
        memcpy(out, in.p, len);
        for (size_t bit = 0; bit < len * 8; bit++) {
            size_t ignored;
            out[bit / 8] ^= (uint8_t)(1 << bit % 8);
            CHECK(htx_frame_decode_bare(vl_span(out, len), &f, &ignored) != VL_OK);
            out[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        at += len;
    }
    CHECK_EQ(sizeof vector_each_type_bare, at);
}

TEST(htx_vector, bare_frames_have_an_exact_greatest_size) {
    static uint8_t payload[HTX_BARE_PAYLOAD_MAX + 1], out[VL_FRAME_MAX];
    struct htx_frame f = {
        .type = HTX_T_DATA, .stream = 1, .seq = 1, .payload = vl_span(payload, HTX_BARE_PAYLOAD_MAX)
    };
    size_t len = 0;
    CHECK_OK(htx_frame_encode_bare(&f, out, sizeof out, &len));
    CHECK_EQ(VL_FRAME_MAX, len);
    f.payload.n++;
    CHECK_EQ(VL_ERANGE, htx_frame_encode_bare(&f, out, sizeof out, &len));
    vl_put_u32(out + 4, HTX_BARE_PAYLOAD_MAX + 1);
    CHECK_EQ(VL_EPARSE, htx_frame_decode_bare(vl_span(out, 24), &f, &len));
}

TEST(htx_vector, crc32_is_that_of_ieee_802_3) { CHECK_EQ(0xcbf43926, htx_crc32("123456789", 9)); }

TEST(htx_vector, resume_says_what_the_script_says) {
    /* Stream 2 has a gap: 4 is missing, 5 and 7 are there. */
    struct htx_ahead seven = { .seq = 7 }, five = { .next = &seven, .seq = 5 };
    struct htx_stream one = { .id = 1, .rx_seq = 1, .rx_limit = HTX_WINDOW_STREAM };
    struct htx_stream two = { .id = 2, .rx_seq = 3, .rx_limit = HTX_WINDOW_STREAM, .ahead = &five };
    struct htx_stream *streams[] = { &one, &two };
    struct htx_session s = {
        .streams = streams, .nstreams = 2, .rx_bytes = 5, .rx_limit = HTX_WINDOW_SESSION, .last_remote = 2
    };
    memcpy(s.id, vector_xk_aesgcm_hash, 16);
    uint8_t out[256];
    CHECK_EQ(sizeof vector_resume, htx_resume_size(&s));
    htx_resume_put(&s, out);
    CHECK_MEM(vector_resume, out, sizeof vector_resume);
}

TEST(htx_vector, refuses_an_identity_that_borrows_a_name_or_a_signature) {
    for (int i = 0; i < 4; i++) {
        struct htx_handshake hs[2];
        uint8_t buf[HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX], seed[32];
        struct crypto_sign_key other;
        start(&vectors[4], hs);
        memset(seed, 0x99, sizeof seed);
        crypto_sign_key_from_seed(seed, &other);
        if (i == 0) memcpy(hs[0].identity, other.public, 32); /* another's name */
        if (i == 1) hs[0].identity[40] ^= 1;                  /* of the signature */
        if (i == 2) hs[0].identity[96] ^= 1;                  /* a later expiry than was signed */
        if (i == 3) hs[0].identity[hs[0].identity_n++] = 0;   /* a tail */
        size_t n = htx_handshake_put(&hs[0], buf);
        htx_handshake_take(&hs[1], 0, vl_span(buf, HTX_PREFACE));
        htx_handshake_take(&hs[1], 0, vl_span(buf + HTX_PREFACE, n - HTX_PREFACE));
        CHECK_EQ(HTX_HS_FAILED, hs[1].state);
        CHECK_EQ(i == 3 ? HTX_PROTOCOL : HTX_WRONG_PEER, hs[1].reason);
        for (int k = 0; k < 2; k++) htx_handshake_wipe(&hs[k]);
    }
}

/* -- early data --------------------------------------------------------------------------------------------------- */

#define SECTION vl_span(vector_early_section, sizeof vector_early_section)

/* Message 1 of IK goes over. */
static void say_early(struct htx_handshake hs[2], uint8_t *buf) {
    size_t n = htx_handshake_put(&hs[0], buf);
    htx_handshake_take(&hs[1], 0, vl_span(buf, HTX_PREFACE));
    htx_handshake_take(&hs[1], 0, vl_span(buf + HTX_PREFACE, n - HTX_PREFACE));
}
static void answer_early(struct htx_handshake hs[2], uint8_t *buf) {
    size_t n = htx_handshake_put(&hs[1], buf);
    htx_handshake_take(&hs[0], 0, vl_span(buf, HTX_PREFACE));
    htx_handshake_take(&hs[0], 0, vl_span(buf + HTX_PREFACE, n - HTX_PREFACE));
}

TEST(htx_vector, early_data_and_both_answers_go_byte_for_byte) {
    static const struct {
        const struct vector *v;
        enum htx_early_answer answer;
        struct vl_span message[2], hash;
    } early[] = {
        { &vectors[4],
          HTX_EARLY_ACCEPTED,
          { S(vector_early_aesgcm_1), S(vector_early_aesgcm_accepted_2) },
          S(vector_early_aesgcm_accepted_hash) },
        { &vectors[4],
          HTX_EARLY_REFUSED,
          { S(vector_early_aesgcm_1), S(vector_early_aesgcm_refused_2) },
          S(vector_early_aesgcm_refused_hash) },
        { &vectors[5],
          HTX_EARLY_ACCEPTED,
          { S(vector_early_chachapoly_1), S(vector_early_chachapoly_accepted_2) },
          S(vector_early_chachapoly_accepted_hash) },
        { &vectors[5],
          HTX_EARLY_REFUSED,
          { S(vector_early_chachapoly_1), S(vector_early_chachapoly_refused_2) },
          S(vector_early_chachapoly_refused_hash) },
    };
    for (size_t i = 0; i < sizeof early / sizeof *early; i++) {
        struct htx_handshake hs[2];
        uint8_t buf[HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX];
        start_early(early[i].v, SECTION, hs);
        say_early(hs, buf);
        CHECK_MEM(early[i].message[0].p, buf + HTX_PREFACE, early[i].message[0].n);
        CHECK(hs[1].has_early && hs[1].early_ms == 0x19012345678u);
        CHECK_EQ(sizeof vector_early_section, hs[1].early.len);
        CHECK_MEM(vector_early_section, hs[1].early.p, hs[1].early.len);
        CHECK_MEM(buf + HTX_PREFACE + 2, hs[1].ephemeral, 32);
        if (early[i].answer == HTX_EARLY_ACCEPTED) hs[1].answer = HTX_EARLY_ACCEPTED; /* else: what nobody judged */
        answer_early(hs, buf);
        CHECK_MEM(early[i].message[1].p, buf + HTX_PREFACE, early[i].message[1].n);
        CHECK_EQ(early[i].answer, hs[0].answer);
        for (int k = 0; k < 2; k++) {
            CHECK_EQ(HTX_HS_DONE, hs[k].state);
            CHECK_MEM(early[i].hash.p, noise_hash(&hs[k].noise).p, 32);
            htx_handshake_wipe(&hs[k]);
        }
    }
}

TEST(htx_vector, refuses_early_data_that_is_cut_or_of_another_type) {
    for (size_t cut = 1; cut <= sizeof vector_early_section; cut++) {
        bool other = cut == sizeof vector_early_section; /* whole, but its second frame is no DATAGRAM */
        struct htx_handshake hs[2];
        uint8_t buf[HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX];
        start_early(&vectors[4], vl_span(vector_early_section, cut), hs);
        if (other) hs[0].early.p[8 + 24 + 4 + 3] = HTX_T_PING;
        say_early(hs, buf);
        bool whole = cut == 8 + 24 + 4;
        CHECK_EQ(whole ? HTX_HS_RUNNING : HTX_HS_FAILED, hs[1].state);
        CHECK_EQ(whole ? 0 : HTX_PROTOCOL, hs[1].reason);
        for (int k = 0; k < 2; k++) htx_handshake_wipe(&hs[k]);
    }
}

TEST(htx_vector, refuses_an_answer_that_is_missing_unknown_unasked_or_long) {
    static const struct {
        bool asked;
        uint8_t n, bytes[2];
        bool right;
    } cases[] = { { true, 0, { 0 }, false },    { true, 1, { 0 }, false },  { true, 1, { 3 }, false },
                  { true, 2, { 1, 1 }, false }, { false, 1, { 1 }, false }, { true, 1, { 1 }, true },
                  { true, 1, { 2 }, true },     { false, 0, { 0 }, true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct htx_handshake hs[2];
        uint8_t buf[HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX];
        start_early(&vectors[4], cases[i].asked ? SECTION : vl_span(NULL, 0), hs);
        say_early(hs, buf);
        hs[1].has_early = false; /* says nothing of its own */
        for (uint8_t k = 0; k < cases[i].n; k++) hs[1].identity[hs[1].identity_n++] = cases[i].bytes[k];
        answer_early(hs, buf);
        CHECK_EQ(cases[i].right ? HTX_HS_DONE : HTX_HS_FAILED, hs[0].state);
        CHECK_EQ(cases[i].right ? 0 : HTX_PROTOCOL, hs[0].reason);
        for (int k = 0; k < 2; k++) htx_handshake_wipe(&hs[k]);
    }
}
