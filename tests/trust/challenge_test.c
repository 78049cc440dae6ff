/* Files of draws, challenges, statements and proofs of availability: formats fixed by digests that gcc and clang must both meet (the fuzz
 * target checks one of them again), every bit and every cut, and each lie that a witness or a node could try. */
#include "draw_rig.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "trust/verify.h"
#include "wire/armor.h"

#include "check.h"

static struct vl_buf opened(const struct vl_buf *text) {
    char label[ARMOR_LABEL_MAX + 1];
    struct vl_buf raw;
    vl_buf_init(&raw, ARMOR_BYTES_MAX);
    CHECK_OK(armor_read(vl_span(text->p, text->len), label, &raw));
    return raw;
}
static struct vl_buf text_new(void) {
    struct vl_buf b;
    vl_buf_init(&b, 2u << 20);
    return b;
}
static void digest_is(const char *what, struct vl_span bytes, const char *want) {
    struct vl_hash h;
    char hex[65];
    crypto_blake2b256(bytes, &h);
    vl_hex_encode(h.b, sizeof h.b, hex);
    if (strncmp(hex, want, strlen(want)) != 0) print_message("# %s is %s\n", what, hex);
    CHECK(strncmp(hex, want, strlen(want)) == 0);
}
static struct verdict *judge(struct vl_span text, const struct verify_query *q) {
    static struct verify_query plain;
    struct verdict *v = calloc(1, sizeof *v);
    CHECK(v != NULL);
    verify_artefact(text, q ? q : &plain, v);
    return v;
}

TEST(draw_file, says_who_the_neighbours_are_to_whoever_has_the_file_alone) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct topology_cert c = rig_draw(r, 3, TOPOLOGY_NEIGHBOUR);
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
    struct vl_buf text = text_new();
    CHECK_EQ(8, topology_neighbours(r->t, &c, drawn));
    CHECK_OK(neighbours_artefact_make(r->t, r->village, &c, &r->seal, &text));
    digest_is("the file of neighbours", vl_span(text.p, text.len), "0bd7d54e77ce77c8");
    struct vl_buf raw = opened(&text);
    struct topology_proof p;
    CHECK_OK(neighbours_artefact_check(vl_span(raw.p, raw.len), &p, NULL));
    CHECK(p.n == 8 && memcmp(p.neighbour, drawn, sizeof drawn) == 0 && p.members == RIG_NODES && vl_node_eq(p.coordinator, r->node[0]));
    topology_proof_free(&p);
    struct verdict *v = judge(vl_span(text.p, text.len), NULL);
    CHECK(v->proved && strcmp(v->kind, "neighbours") == 0);
    free(v);
    struct verify_query q = { .has_village = true };
    v = judge(vl_span(text.p, text.len), &q); /* of another village than the one expected */
    CHECK(!v->proved);
    free(v);
    vl_buf_free(&raw);
    vl_buf_free(&text);
    rig_free(r);
}

/* One changed bit in each byte of the head and every fifth behind it, and cuts. */
static void all_refused(struct vl_buf *raw, enum vl_err (*check)(struct vl_span bytes)) {
    for (size_t i = 0; i < raw->len; i += i < 1500 ? 1 : 5) { /* statements look alike */
        uint8_t bit = (uint8_t)(1u << (i % 8));
        raw->p[i] ^= bit;
        CHECK(check(vl_span(raw->p, raw->len)) != VL_OK);
        raw->p[i] ^= bit;
    }
    for (size_t n = 0; n < raw->len; n += 1 + n / 50) CHECK(check(vl_span(raw->p, n)) != VL_OK);
    CHECK_OK(check(vl_span(raw->p, raw->len)));
}
static enum vl_err neighbours_check(struct vl_span bytes) {
    struct topology_proof p;
    enum vl_err err = neighbours_artefact_check(bytes, &p, NULL);
    if (err == VL_OK) topology_proof_free(&p);
    return err;
}
static enum vl_err availability_check(struct vl_span bytes) {
    struct availability_verdict v;
    return availability_artefact_check(bytes, &v, NULL);
}

TEST(draw_file, every_changed_bit_and_every_cut_is_refused) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct topology_cert c = rig_draw(r, 3, TOPOLOGY_NEIGHBOUR);
    struct vl_buf text = text_new();
    CHECK_OK(neighbours_artefact_make(r->t, r->village, &c, &r->seal, &text));
    struct vl_buf raw = opened(&text);
    all_refused(&raw, neighbours_check);
    vl_buf_free(&raw);
    vl_buf_free(&text);
    rig_free(r);
}

TEST(draw_file, is_refused_when_sealed_by_another_than_the_coordinator_of_that_village) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct vl_node_id signer;
    struct topology_seal good = r->seal;
    CHECK_OK(topology_seal_check(r->t, RIG_EPOCH, r->village, &r->seal, &signer, NULL));
    CHECK_EQ(VL_ECRYPTO, topology_seal_check(r->t, RIG_EPOCH + 1, r->village, &r->seal, NULL, NULL)); /* another epoch's roll */
    CHECK_EQ(VL_ERANGE, topology_seal_check(r->t, RIG_EPOCH + 2, r->village, &r->seal, NULL, NULL));
    struct village_id other = r->village;
    other.b[0] ^= 1;
    CHECK_EQ(VL_EDENIED, topology_seal_check(r->t, RIG_EPOCH, other, &r->seal, NULL, NULL));
    rig_cert(r, CERT_WORKER);
    CHECK_OK(topology_seal_make(r->t, RIG_EPOCH, r->village, &r->sign[0], vl_span(r->cert, r->cert_n), &r->seal));
    CHECK_EQ(VL_EDENIED, topology_seal_check(r->t, RIG_EPOCH, r->village, &r->seal, NULL, NULL)); /* a member, but no coordinator */
    CHECK_OK(topology_seal_make(r->t, RIG_EPOCH, r->village, &r->sign[1], vl_span(good.cert, good.cert_n), &r->seal));
    CHECK_EQ(VL_ECRYPTO, topology_seal_check(r->t, RIG_EPOCH, r->village, &r->seal, NULL, NULL)); /* another key */
    struct crypto_sign_key root = r->root;
    r->root = r->sign[2]; /* a root of its own, and the village's name on it */
    rig_cert(r, CERT_COORDINATOR);
    r->root = root;
    CHECK_OK(topology_seal_make(r->t, RIG_EPOCH, r->village, &r->sign[0], vl_span(r->cert, r->cert_n), &r->seal));
    CHECK_EQ(VL_EDENIED, topology_seal_check(r->t, RIG_EPOCH, r->village, &r->seal, NULL, NULL));
    rig_free(r);
}

TEST(challenge, times_are_drawn_four_of_64_in_the_mean_and_differ_for_each_node) {
    uint8_t output[CRYPTO_VRF_OUTPUT];
    unsigned due = 0, same = 0, pairs = 0;
    uint8_t map[64 * 8];
    for (unsigned k = 0; k < 500; k++) {
        struct vl_node_id x = { { (uint8_t)k, (uint8_t)(k >> 8) } }, y = { { (uint8_t)k, (uint8_t)(k >> 8), 1 } };
        memset(output, (int)(k % 251), sizeof output);
        for (unsigned s = 0; s < CHALLENGE_SLOTS; s++) {
            bool a = challenge_due(output, x, s), b = challenge_due(output, y, s);
            due += a;
            same += a && b;
            pairs++;
            if (k < 8) map[64 * k + s] = a;
        }
    }
    CHECK(due > 1850 && due < 2150); /* 2,000, three standard deviations of 43 */
    CHECK(same < 190);               /* 125 by chance */
    CHECK_EQ(32000, pairs);
    /* both computed by Python's hashlib and integers as well */
    digest_is("the schedule", vl_span(map, sizeof map), "1e7f04ce1e3c13a9");
    struct vl_hash nonce = challenge_nonce(output, (struct vl_node_id){ { 1 } }, 5);
    digest_is("a nonce", vl_span(nonce.b, 32), "6efe5bc78097ed85");
    CHECK_EQ(0, challenge_chunk(&nonce, 0));
    CHECK_EQ(0, challenge_chunk(&nonce, 1));
    CHECK(challenge_chunk(&nonce, CHALLENGE_KEEP_MAX) < 65536);
}

TEST(availability, of_a_node_that_was_there_and_of_one_that_left_halfway) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct availability_verdict v;
    struct vl_buf text = text_new();
    rig_availability(r, 5, 8, CHALLENGE_SLOTS, &text);
    digest_is("the proof", vl_span(text.p, text.len), "693dd8898eb8e207");
    struct vl_buf raw = opened(&text);
    CHECK_OK(availability_artefact_check(vl_span(raw.p, raw.len), &v, NULL));
    CHECK(v.enough && v.witnesses == 8 && v.drawn == 8 && vl_node_eq(v.node, r->node[5]) && v.epoch == RIG_EPOCH);
    CHECK(v.sum.answered == v.sum.due && v.sum.answered > 15 && v.answered_ppm == 1000000 && v.at_least_ppm == 1000000);
    CHECK_EQ(7 * v.sum.answered, v.sum.latency_ms);
    CHECK_EQ(0, v.promised);
    struct verdict *say = judge(vl_span(text.p, text.len), NULL);
    CHECK(say->proved && strcmp(say->kind, "availability") == 0);
    free(say);
    all_refused(&raw, availability_check);
    vl_buf_free(&raw);
    vl_buf_clear(&text);
    rig_availability(r, 5, 8, CHALLENGE_SLOTS / 2, &text);
    raw = opened(&text);
    CHECK_OK(availability_artefact_check(vl_span(raw.p, raw.len), &v, NULL));
    CHECK(v.enough && v.sum.unanswered > 5 && v.answered_ppm > 200000 && v.answered_ppm < 800000);
    vl_buf_free(&raw);
    vl_buf_free(&text);
    rig_free(r);
}

TEST(availability, missing_witnesses_are_shown_and_two_are_not_enough) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    for (uint32_t n = 0; n <= 4; n++) {
        struct availability_verdict v;
        struct vl_buf text = text_new();
        rig_availability(r, 5, n, CHALLENGE_SLOTS, &text);
        struct vl_buf raw = opened(&text);
        CHECK_OK(availability_artefact_check(vl_span(raw.p, raw.len), &v, NULL));
        CHECK_EQ(n >= CHALLENGE_WITNESSES, v.enough);
        CHECK_EQ(n, v.witnesses);
        CHECK_EQ(v.sum.answered * 1000000ull / (v.sum.answered + (8 - n) * CHALLENGE_MEAN), v.at_least_ppm);
        struct verdict *say = judge(vl_span(text.p, text.len), NULL);
        CHECK_EQ(n >= CHALLENGE_WITNESSES, say->proved);
        free(say);
        struct verify_query q = { .witnesses = 4 };
        say = judge(vl_span(text.p, text.len), &q);
        CHECK_EQ(n >= 4, say->proved);
        free(say);
        vl_buf_free(&raw);
        vl_buf_free(&text);
    }
    rig_free(r);
}

/* ---- lies --------------------------------------------------------------------------------------------------------------- */

static struct challenge_watch watched(const struct draw_rig *r, unsigned witness, unsigned subject) {
    struct topology_cert own = rig_draw(r, witness, TOPOLOGY_CHALLENGE);
    struct challenge_watch w;
    challenge_watch_begin(&w, &own, r->node[subject]);
    return w;
}
static unsigned first_due(const struct challenge_watch *w) {
    for (unsigned s = 0; s < CHALLENGE_SLOTS; s++)
        if (challenge_due(w->output, w->subject, s)) return s;
    return CHALLENGE_SLOTS;
}

TEST(challenge, statements_of_strangers_of_other_slots_and_by_forged_answers_are_refused) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct topology_cert subject = rig_draw(r, 5, TOPOLOGY_NEIGHBOUR);
    struct challenge_statement s;
    struct vl_buf buf = text_new();
    unsigned strangers = 0, first = RIG_NODES;
    for (unsigned i = 0; i < RIG_NODES; i++) {
        vl_buf_clear(&buf);
        rig_statement(r, i, 5, CHALLENGE_SLOTS, &buf);
        bool drawn = topology_is_neighbour(r->t, &subject, r->node[i]);
        CHECK_EQ(drawn ? VL_OK : VL_EDENIED, challenge_statement_check(r->t, &subject, vl_span(buf.p, buf.len), &s, NULL));
        strangers += !drawn;
        if (drawn && first == RIG_NODES) first = i;
    }
    CHECK_EQ(RIG_NODES - 8, strangers);
    struct topology_cert own = rig_draw(r, first, TOPOLOGY_CHALLENGE), wrong = rig_draw(r, first, TOPOLOGY_COMMITTEE);
    struct challenge_watch w = watched(r, first, 5);
    unsigned slot = first_due(&w);
    CHECK(slot < CHALLENGE_SLOTS);
    w.slot[slot].state = CHALLENGE_ANSWERED; /* without the node */
    w.has_promise = true;
    vl_buf_clear(&buf);
    CHECK_OK(challenge_statement_make(&w, &own, &r->sign[first], &buf));
    CHECK_EQ(VL_ECRYPTO, challenge_statement_check(r->t, &subject, vl_span(buf.p, buf.len), &s, NULL));
    w = watched(r, first, 5);
    vl_buf_clear(&buf);
    CHECK_OK(challenge_statement_make(&w, &wrong, &r->sign[first], &buf)); /* a draw for something else */
    CHECK_EQ(VL_EDENIED, challenge_statement_check(r->t, &subject, vl_span(buf.p, buf.len), &s, NULL));
    memset(w.output, 3, sizeof w.output); /* slots that suit it better */
    vl_buf_clear(&buf);
    CHECK_OK(challenge_statement_make(&w, &own, &r->sign[first], &buf));
    CHECK_EQ(VL_EPARSE, challenge_statement_check(r->t, &subject, vl_span(buf.p, buf.len), &s, NULL));
    w = watched(r, first, 5);
    vl_buf_clear(&buf);
    CHECK_OK(challenge_statement_make(&w, &own, &r->sign[first], &buf));
    CHECK_OK(challenge_statement_check(r->t, &subject, vl_span(buf.p, buf.len), &s, NULL));
    CHECK(s.count.due == s.count.not_asked && s.count.due > 0); /* it was away: nothing is claimed */
    struct vl_span twice[] = { vl_span(buf.p, buf.len), vl_span(buf.p, buf.len) };
    struct vl_buf text = text_new();
    CHECK_OK(availability_artefact_make(r->t, r->village, &subject, &r->seal, twice, 2, &text));
    struct vl_buf raw = opened(&text);
    CHECK_EQ(VL_EEXISTS, availability_check(vl_span(raw.p, raw.len)));
    vl_buf_free(&raw);
    vl_buf_free(&text);
    vl_buf_free(&buf);
    rig_free(r);
}

TEST(challenge, a_witness_takes_an_answer_once_in_time_and_for_one_promise) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct challenge_watch w = watched(r, 2, 5), back;
    struct challenge_promise none = { .size = 0 }, other = { .size = 9 };
    struct challenge_ask ask, later;
    uint8_t good[CRYPTO_SIGNATURE], bad[CRYPTO_SIGNATURE];
    unsigned slot = first_due(&w);
    CHECK(!challenge_watch_go(&w, 1000, CHALLENGE_SLOTS, 50, &ask));
    CHECK(!challenge_watch_go(&w, 1000, slot + 1 < 64 && !challenge_due(w.output, w.subject, slot + 1) ? slot + 1 : 64, 50, &ask));
    CHECK(challenge_watch_go(&w, 1000, slot, 50, &ask));
    CHECK_EQ(slot, ask.slot);
    CHECK(!challenge_watch_go(&w, 1010, slot, 50, &later)); /* it waits */
    CHECK_OK(challenge_answer_sign(&r->sign[5], &ask, &none, good));
    CHECK_OK(challenge_answer_sign(&r->sign[6], &ask, &none, bad));
    struct vl_span nothing = { 0 };
    CHECK_EQ(VL_ECRYPTO, challenge_watch_answer(&w, 1020, 50, ask.slot, &none, bad, nothing, NULL, 0));
    CHECK_EQ(VL_ECRYPTO, challenge_watch_answer(&w, 1020, 50, ask.slot, &other, good, nothing, NULL, 0));
    CHECK_EQ(VL_ESTALE, challenge_watch_answer(&w, 1020, 50, (uint8_t)(ask.slot + 1), &none, good, nothing, NULL, 0));
    CHECK_EQ(VL_ESTALE, challenge_watch_answer(&w, 1050, 50, ask.slot, &none, good, nothing, NULL, 0)); /* too late by a millisecond */
    CHECK_OK(challenge_watch_answer(&w, 1049, 50, ask.slot, &none, good, nothing, NULL, 0));
    CHECK_EQ(VL_ESTALE, challenge_watch_answer(&w, 1049, 50, ask.slot, &none, good, nothing, NULL, 0));
    CHECK_EQ(49, w.slot[slot].latency_ms);
    CHECK_EQ(0, w.slot[slot].stored); /* nothing was promised */
    unsigned next = slot + 1;
    while (next < 64 && !challenge_due(w.output, w.subject, next)) next++;
    CHECK(next < 64);
    CHECK(challenge_watch_go(&w, 2000, next, 50, &later));
    CHECK_OK(challenge_answer_sign(&r->sign[5], &later, &other, good));
    CHECK_EQ(VL_EDENIED, challenge_watch_answer(&w, 2001, 50, later.slot, &other, good, nothing, NULL, 0));
    struct vl_buf row = text_new();
    CHECK_OK(challenge_watch_save(&w, &row)); /* what waits is not in it */
    CHECK(row.p[0] == 0xa2 && row.p[1] == 1); /* rows of today are read tomorrow */
    CHECK_OK(challenge_watch_restore(vl_span(row.p, row.len), &back));
    CHECK_EQ(CHALLENGE_ANSWERED, back.slot[slot].state);
    CHECK_EQ(0, back.asked_ms);
    CHECK(back.has_promise && memcmp(back.output, w.output, sizeof w.output) == 0);
    for (size_t n = 0; n < row.len; n++) CHECK(challenge_watch_restore(vl_span(row.p, n), &back) != VL_OK);
    CHECK(!challenge_watch_go(&w, 2050, 64, 50, &later)); /* its time is over */
    CHECK_EQ(CHALLENGE_UNANSWERED, w.slot[next].state);
    w.slot[next].state = CHALLENGE_OPEN;
    CHECK(challenge_watch_go(&w, 3000, next, 50, &later));
    challenge_watch_unsent(&w, (uint8_t)next);
    CHECK_EQ(CHALLENGE_NOT_ASKED, w.slot[next].state);
    vl_buf_free(&row);
    rig_free(r);
}

TEST(challenge, a_chunk_is_what_was_promised_or_is_not_counted_as_kept) {
    enum { SIZE = 5 * 4096 + 100 };
    static uint8_t blob[SIZE];
    struct vl_hash leaf[6], nonce;
    for (unsigned i = 0; i < SIZE; i++) blob[i] = (uint8_t)(i * 7 + i / 4096);
    for (unsigned i = 0; i < 6; i++) leaf[i] = merkle_leaf(vl_span(blob + 4096 * i, i < 5 ? 4096 : 100));
    struct vl_hash a = merkle_node(&leaf[0], &leaf[1]), b = merkle_node(&leaf[2], &leaf[3]), c = merkle_node(&leaf[4], &leaf[5]), ab = merkle_node(&a, &b);
    struct challenge_promise p = { .root = merkle_node(&ab, &c), .size = SIZE };
    struct vl_hash last[] = { leaf[4], ab }, first[] = { leaf[1], b, c };
    memset(nonce.b, 0xff, sizeof nonce.b);
    CHECK_EQ(5, challenge_chunk(&nonce, SIZE));
    CHECK_OK(challenge_chunk_check(&p, &nonce, vl_span(blob + 5 * 4096, 100), last, 2));
    CHECK_EQ(VL_ERANGE, challenge_chunk_check(&p, &nonce, vl_span(blob + 5 * 4096, 99), last, 2));
    CHECK_EQ(VL_ECRYPTO, challenge_chunk_check(&p, &nonce, vl_span(blob + 4 * 4096, 100), last, 2));
    memset(nonce.b, 0, sizeof nonce.b);
    CHECK_OK(challenge_chunk_check(&p, &nonce, vl_span(blob, 4096), first, 3));
    CHECK_EQ(VL_ECRYPTO, challenge_chunk_check(&p, &nonce, vl_span(blob + 4096, 4096), first, 3)); /* a chunk that nobody asked for */
    CHECK_EQ(VL_ECRYPTO, challenge_chunk_check(&p, &nonce, vl_span(blob, 4096), first, 2));
    CHECK_EQ(VL_ERANGE, challenge_chunk_check(&p, &nonce, vl_span(blob, 4096), first, MERKLE_PROOF_MAX + 1));
    p.size = 0;
    CHECK_EQ(VL_ERANGE, challenge_chunk_check(&p, &nonce, vl_span(blob, 0), NULL, 0));
    p.size = (uint64_t)CHALLENGE_KEEP_MAX + 1;
    CHECK_EQ(VL_ERANGE, challenge_chunk_check(&p, &nonce, vl_span(blob, 4096), first, 3));
}

/* Three who were drawn and asked nothing have seen nothing: that is no proof of anything. */
TEST(availability, witnesses_that_asked_nothing_do_not_count_as_three) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct topology_cert c = rig_draw(r, 5, TOPOLOGY_NEIGHBOUR);
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
    struct vl_buf one[4];
    struct vl_span list[4];
    CHECK_EQ(8, topology_neighbours(r->t, &c, drawn));
    for (unsigned quiet = 0; quiet < 3; quiet++) {
        struct vl_buf text = text_new();
        for (unsigned i = 0; i < 4; i++) {
            unsigned k = rig_index(r, drawn[i]);
            struct challenge_watch w = watched(r, k, 5);
            struct topology_cert own = rig_draw(r, k, TOPOLOGY_CHALLENGE);
            vl_buf_init(&one[i], CHALLENGE_STATEMENT_MAX);
            if (i < quiet)
                CHECK_OK(challenge_statement_make(&w, &own, &r->sign[k], &one[i]));
            else
                rig_statement(r, k, 5, CHALLENGE_SLOTS, &one[i]);
            list[i] = vl_span(one[i].p, one[i].len);
        }
        CHECK_OK(availability_artefact_make(r->t, r->village, &c, &r->seal, list, 4, &text));
        struct vl_buf raw = opened(&text);
        struct availability_verdict v;
        CHECK_OK(availability_artefact_check(vl_span(raw.p, raw.len), &v, NULL));
        CHECK_EQ(4, v.witnesses);
        CHECK_EQ(4 - quiet, v.asking);
        CHECK_EQ(quiet < 2, v.enough);
        struct verdict *say = judge(vl_span(text.p, text.len), NULL);
        CHECK_EQ(quiet < 2, say->proved);
        free(say);
        for (unsigned i = 0; i < 4; i++) vl_buf_free(&one[i]);
        vl_buf_free(&raw);
        vl_buf_free(&text);
    }
    rig_free(r);
}

/* One answer said to have taken weeks would spoil the mean of a node for good. */
TEST(challenge, no_answer_takes_longer_than_the_longest_deadline) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct topology_cert subject = rig_draw(r, 5, TOPOLOGY_NEIGHBOUR);
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS], about, by;
    struct challenge_promise none = { .size = 0 };
    struct challenge_statement s;
    struct challenge_ask ask;
    struct vl_buf buf = text_new();
    CHECK_EQ(8, topology_neighbours(r->t, &subject, drawn));
    unsigned first = rig_index(r, drawn[0]);
    struct topology_cert own = rig_draw(r, first, TOPOLOGY_CHALLENGE);
    struct challenge_watch w = watched(r, first, 5);
    uint8_t signature[CRYPTO_SIGNATURE];
    unsigned slot = first_due(&w);
    CHECK(challenge_watch_go(&w, 1000, slot, UINT64_MAX, &ask));
    CHECK_OK(challenge_answer_sign(&r->sign[5], &ask, &none, signature));
    struct challenge_watch longer = w;
    CHECK_EQ(VL_ESTALE, challenge_watch_answer(&longer, 1000 + CHALLENGE_LATE_MS, UINT64_MAX, ask.slot, &none, signature, (struct vl_span){ 0 }, NULL, 0));
    CHECK(!challenge_watch_go(&longer, 1000 + CHALLENGE_LATE_MS, CHALLENGE_SLOTS, UINT64_MAX, &ask));
    CHECK_EQ(CHALLENGE_UNANSWERED, longer.slot[slot].state);
    CHECK_OK(challenge_watch_answer(&w, 999 + CHALLENGE_LATE_MS, UINT64_MAX, (uint8_t)slot, &none, signature, (struct vl_span){ 0 }, NULL, 0));
    CHECK_OK(challenge_statement_make(&w, &own, &r->sign[first], &buf));
    CHECK_OK(challenge_statement_check(r->t, &subject, vl_span(buf.p, buf.len), &s, NULL));
    CHECK_EQ(CHALLENGE_LATE_MS - 1, s.count.latency_ms);
    CHECK(challenge_statement_names(vl_span(buf.p, buf.len), &about, &by));
    CHECK(vl_node_eq(about, r->node[5]) && vl_node_eq(by, drawn[0]));
    for (size_t n = 0; n < 77; n++) CHECK(!challenge_statement_names(vl_span(buf.p, n), &about, &by));
    vl_buf_clear(&buf);
    w.slot[slot].latency_ms = CHALLENGE_LATE_MS;
    CHECK_OK(challenge_statement_make(&w, &own, &r->sign[first], &buf));
    CHECK_EQ(VL_EPARSE, challenge_statement_check(r->t, &subject, vl_span(buf.p, buf.len), &s, NULL));
    vl_buf_free(&buf);
    rig_free(r);
}
