/* Proofs of execution, heads with witnesses, contradictions: made whole under keys of the test, then damaged in every way. */
#include "trust/proof_execution.h"
#include "trust/proof_log.h"
#include "trust/verify.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/node_id.h"
#include "crypto/random.h"
#include "trust/merkle_log.h"
#include "trust/roster.h"
#include "trust/signing.h"
#include "wire/armor.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAVES = 9, WITNESSES = 2, OURS = 5, NOTE = 1024, LONG_NOTE = 2048 };
#define BEGAN 1795896000000ull
#define HEAD_AT (BEGAN + 60000)
#define YEAR 31536000000ull

/* A village of four with its log. */
struct made {
    struct crypto_sign_key root, coordinator, worker, witness[WITNESSES];
    uint8_t cert[4][CERT_BYTES_MAX]; /* coordinator, worker, witnesses */
    size_t cert_n[4];
    struct receipt receipt;
    struct vl_buf leaf, proof, text; /* encoded receipt; binary artefact; armoured */
    char note[NOTE];
    struct proof_execution p;
};

static struct crypto_sign_key key_of(uint8_t n) {
    struct crypto_sign_key k;
    uint8_t seed[32] = { n, 0x77 };
    CHECK_OK(crypto_init());
    crypto_sign_key_from_seed(seed, &k);
    return k;
}

static void certify(struct made *m, int i, const struct crypto_sign_key *key, uint8_t roles, vl_ms expires) {
    struct cert c = { .node = crypto_sign_node_id(key), .static_key = { 8 }, .serial = 1 + (uint64_t)i, .issued_ms = BEGAN - YEAR, .expires_ms = expires, .roles = roles };
    snprintf(c.name, sizeof c.name, "n%d", i);
    CHECK_OK(cert_sign(&m->root, &c));
    CHECK_OK(cert_encode(&c, m->cert[i], CERT_BYTES_MAX, &m->cert_n[i]));
}

static void receipt_seal(struct receipt *r, const struct crypto_sign_key *key, struct vl_buf *out) {
    struct vl_buf body;
    vl_buf_init(&body, RECEIPT_BYTES_MAX);
    r->node = crypto_sign_node_id(key);
    CHECK_OK(receipt_body_encode(r, &body));
    CHECK_OK(crypto_sign_message(key, RECEIPT_CONTEXT, vl_span(body.p, body.len), r->signature));
    CHECK_OK(receipt_encode(r, out));
    vl_buf_free(&body);
}

/* What `village-...:` roots are over: one file of five bytes, as fog/receipt.h has it. */
static struct vl_hash root_of_hello(const char *domain, const char *name) {
    struct verify_named f = { .name = vl_span_str(name), .size = 5 };
    struct vl_hash ret;
    crypto_blake2b256(vl_span_str("hello"), &f.hash);
    CHECK_OK(proof_files_root(domain, &f, 1, &ret));
    return ret;
}

static void receipt_fill(struct receipt *r) {
    *r = (struct receipt){ .job = { { 1, 2, 3 } }, .task = 7, .epoch = 3, .exit_code = 0, .cpu_us = 123456, .started_ms = BEGAN, .ended_ms = BEGAN + 900 };
    memset(r->previous.b, 9, 32);
    crypto_blake2b256(vl_span_str("module"), &r->program);
    r->input_root = root_of_hello("village-inputs-1:", "book");
    r->output_root = root_of_hello("village-outputs-1:", "stdout");
}

static size_t head_text(struct made *m, const struct vl_hash *root, uint64_t size, vl_ms at, unsigned witnesses, char *dst) {
    struct merkle_checkpoint head = { .size = size, .root = *root, .time_ms = at };
    char village[33], line[COSIGN_LINE];
    struct vl_span body;
    struct village_id id = village_id_of(m->root.public);
    vl_hex_encode(id.b, sizeof id.b, village);
    snprintf(head.origin, sizeof head.origin, "village.%s/receipts", village);
    CHECK_OK(merkle_checkpoint_sign(&head, &m->coordinator, dst));
    CHECK_OK(cosign_body(vl_span_str(dst), &body));
    for (unsigned i = 0; i < witnesses; i++) {
        struct cosignature c;
        CHECK_OK(cosign_make(body, &m->witness[i], at / 1000 + 5, &c));
        cosign_line(&c, line);
        strcat(dst, line);
    }
    return strlen(dst);
}

/* The way from leaf OURS to the root over LEAVES leaves, in all others of which is their number. */
static void log_fill(struct made *m, struct vl_hash *ret_root) {
    struct merkle_log log;
    struct merkle_tile full[MERKLE_LEVELS];
    struct merkle_plan plan;
    struct vl_hash node[MERKLE_PLAN_MAX];
    uint32_t n;
    merkle_log_init(&log);
    for (uint8_t i = 0; i < LEAVES; i++) {
        struct vl_hash h = merkle_leaf(i == OURS ? vl_span(m->leaf.p, m->leaf.len) : vl_span(&i, 1));
        CHECK_OK(merkle_log_append(&log, &h, full, &n));
    }
    *ret_root = merkle_log_root(&log);
    CHECK_OK(merkle_inclusion_plan(OURS, LEAVES, &plan));
    for (uint32_t i = 0; i < plan.n; i++) CHECK(merkle_log_node(&log, plan.at[i].height, plan.at[i].index, &node[i]));
    merkle_plan_fold(&plan, node, m->p.proof);
    m->p.n = plan.items;
}

static void seal(struct made *m) {
    vl_buf_clear(&m->proof);
    vl_buf_clear(&m->text);
    CHECK_OK(proof_execution_encode(&m->p, &m->proof));
    CHECK_OK(armor_write(PROOF_EXECUTION_LABEL, vl_span(m->proof.p, m->proof.len), &m->text));
}

static struct made *made(void) {
    struct made *m = calloc(1, sizeof *m);
    struct vl_hash root;
    vl_buf_init(&m->leaf, RECEIPT_BYTES_MAX);
    vl_buf_init(&m->proof, PROOF_EXECUTION_MAX);
    vl_buf_init(&m->text, 2 * PROOF_EXECUTION_MAX);
    m->root = key_of(1);
    m->coordinator = key_of(2);
    m->worker = key_of(3);
    for (unsigned i = 0; i < WITNESSES; i++) m->witness[i] = key_of((uint8_t)(4 + i));
    certify(m, 0, &m->coordinator, CERT_COORDINATOR, BEGAN + YEAR);
    certify(m, 1, &m->worker, CERT_WORKER, BEGAN + YEAR);
    for (int i = 0; i < WITNESSES; i++) certify(m, 2 + i, &m->witness[i], CERT_WORKER, BEGAN + YEAR);
    receipt_fill(&m->receipt);
    receipt_seal(&m->receipt, &m->worker, &m->leaf);
    log_fill(m, &root);
    m->p.receipt = vl_span(m->leaf.p, m->leaf.len);
    m->p.index = OURS;
    m->p.note = vl_span(m->note, head_text(m, &root, LEAVES, HEAD_AT, WITNESSES, m->note));
    m->p.coordinator = vl_span(m->cert[0], m->cert_n[0]);
    m->p.worker = vl_span(m->cert[1], m->cert_n[1]);
    m->p.witnesses = WITNESSES;
    for (uint32_t i = 0; i < WITNESSES; i++) m->p.witness[i] = vl_span(m->cert[2 + i], m->cert_n[2 + i]);
    seal(m);
    return m;
}

static void made_free(struct made *m) {
    vl_buf_free(&m->leaf);
    vl_buf_free(&m->proof);
    vl_buf_free(&m->text);
    free(m);
}

static struct verify_query query(const struct made *m) {
    return (struct verify_query){ .at_ms = HEAD_AT + 3600000, .has_village = true, .village = village_id_of(m->root.public), .witnesses = WITNESSES };
}

static struct verdict judged; /* large */
static bool proved(struct vl_span text, const struct verify_query *q) {
    verify_artefact(text, q, &judged);
    CHECK(judged.proved == (judged.reason[0] == 0)); /* a verdict is one or the other, and says why not */
    CHECK(judged.proved || judged.n_proves == 0);
    return judged.proved;
}
static bool proved_made(const struct made *m, const struct verify_query *q) { return proved(vl_span(m->text.p, m->text.len), q); }

/* Refused, and for this reason. */
static void refused_for(const struct made *m, const struct verify_query *q, const char *reason) {
    CHECK(!proved_made(m, q));
    if (strstr(judged.reason, reason) == NULL) fail_msg("refused because %s", judged.reason);
}

TEST(execution, proves_who_ran_what_when_and_says_what_it_does_not_prove) {
    struct made *m = made();
    struct verify_query q = query(m);
    CHECK(proved_made(m, &q));
    CHECK_STR("execution", judged.kind);
    CHECK(strstr(judged.proves[0], "from 2026-11-28 20:00:00 UTC to 2026-11-28 20:00:00 UTC") != NULL);
    CHECK(strstr(judged.whom, "To anyone") != NULL);
    CHECK_STR("The head of the log of 2026-11-28 20:01:00 UTC.", judged.as_of);
    CHECK(judged.n_not >= 4);
    q.has_village = false;
    CHECK(proved_made(m, &q));
    CHECK(strstr(judged.whom, "To whoever knows") != NULL);
    made_free(m);
}

/* Files that people keep begin so for good. */
TEST(artefacts, begin_with_their_tag_and_version) {
    struct made *m = made();
    struct proof_contradiction two = { .what = PROOF_TWO_HEADS, .first = vl_span_str("a"), .second = vl_span_str("b"), .signer = m->p.coordinator };
    struct proof_consistency grew = { .older = vl_span_str("a"), .newer = vl_span_str("b"), .coordinator = m->p.coordinator };
    CHECK_EQ(0x90, m->proof.p[0]);
    CHECK_EQ(1, m->proof.p[1]);
    vl_buf_clear(&m->proof);
    CHECK_OK(proof_consistency_encode(&grew, &m->proof));
    CHECK_EQ(0x91, m->proof.p[0]);
    vl_buf_clear(&m->proof);
    CHECK_OK(proof_contradiction_encode(&two, &m->proof));
    CHECK_EQ(0x92, m->proof.p[0]);
    made_free(m);
}

TEST(execution, a_changed_byte_anywhere_is_refused) {
    struct made *m = made();
    struct verify_query q = query(m);
    for (size_t i = 0; i < m->proof.len; i++)
        for (unsigned bit = 0; bit < 8; bit += 7) {
            m->proof.p[i] ^= (uint8_t)(1u << bit);
            verdict_begin(&judged, "execution");
            proof_execution_verify(vl_span(m->proof.p, m->proof.len), &q, &judged);
            if (judged.proved) fail_msg("bit %u of byte %zu of %zu may be changed", bit, i, m->proof.len);
            m->proof.p[i] ^= (uint8_t)(1u << bit);
        }
    for (size_t i = 0; i < m->text.len; i++) { /* white space around the file is no part of it */
        m->text.p[i] ^= 1;
        if (i + 1 < m->text.len && proved_made(m, &q)) fail_msg("character %zu may be changed", i);
        m->text.p[i] ^= 1;
    }
    for (size_t n = 0; n + 1 < m->text.len; n++) CHECK(!proved(vl_span(m->text.p, n), &q));
    CHECK(proved_made(m, &q));
    made_free(m);
}

TEST(execution, needs_its_village_its_witnesses_and_a_time_after_it) {
    struct made *m = made();
    struct verify_query q = query(m);
    q.village.b[0] ^= 1;
    refused_for(m, &q, "not of the one expected");
    q = query(m);
    q.witnesses = WITNESSES + 1;
    refused_for(m, &q, "2 witnesses saw this head, and 3 are wanted");
    q = query(m);
    q.at_ms = HEAD_AT - VERIFY_SKEW_MS - 1;
    refused_for(m, &q, "later than the time of judging");
    q = query(m);
    q.kind = "checkpoint";
    refused_for(m, &q, "not the one asked for");
    made_free(m);
}

TEST(execution, a_witness_counts_once_and_only_as_the_member_that_its_certificate_names) {
    struct made *m = made();
    struct verify_query q = query(m);
    struct vl_span first = m->p.witness[0];
    m->p.witness[0] = m->p.witness[1];
    m->p.witness[1] = first;
    seal(m);
    refused_for(m, &q, "not that of the witness");
    m->p.witness[1] = m->p.witness[0];
    m->p.witness[0] = first;
    m->p.witnesses = 1;
    seal(m);
    refused_for(m, &q, "2 cosignatures and 1 certificates");
    m->p.witnesses = 2; /* the first line twice */
    char twice[LONG_NOTE], line[COSIGN_LINE];
    memcpy(line, m->note + strlen(m->note) - (COSIGN_LINE - 1), COSIGN_LINE);
    snprintf(twice, sizeof twice, "%s%s", m->note, line);
    m->p.note = vl_span_str(twice);
    seal(m);
    refused_for(m, &q, "malformed");
    made_free(m);
}

TEST(execution, a_coordinator_must_be_one_and_certificates_must_have_been_good) {
    struct made *m = made();
    struct verify_query q = query(m);
    certify(m, 0, &m->coordinator, CERT_WORKER | CERT_GATEWAY, BEGAN + YEAR);
    seal(m);
    refused_for(m, &q, "not its coordinator");
    certify(m, 0, &m->coordinator, CERT_COORDINATOR, HEAD_AT);
    seal(m);
    refused_for(m, &q, "had expired when it signed the head");
    certify(m, 0, &m->coordinator, CERT_COORDINATOR, HEAD_AT + 1);
    seal(m);
    CHECK(proved_made(m, &q)); /* what was signed in time stays proved */
    certify(m, 1, &m->worker, CERT_WORKER, BEGAN + 900);
    seal(m);
    refused_for(m, &q, "expired when the task ended");
    certify(m, 1, &m->witness[0], CERT_WORKER, BEGAN + YEAR);
    seal(m);
    refused_for(m, &q, "not that of the node that signed the receipt");
    m->root = key_of(99);
    certify(m, 1, &m->worker, CERT_WORKER, BEGAN + YEAR);
    seal(m);
    refused_for(m, &q, "of another village");
    made_free(m);
}

TEST(execution, holds_files_against_their_roots) {
    struct made *m = made();
    struct verify_query q = query(m);
    struct verify_named in = { .name = vl_span_str("book"), .size = 5 }, out = { .name = vl_span_str("stdout"), .size = 5 };
    crypto_blake2b256(vl_span_str("hello"), &in.hash);
    out.hash = in.hash;
    q.has_program = q.has_inputs = q.has_outputs = true;
    crypto_blake2b256(vl_span_str("module"), &q.program);
    q.inputs = &in, q.outputs = &out;
    q.n_inputs = q.n_outputs = 1;
    CHECK(proved_made(m, &q));
    in.name = vl_span_str("booc");
    refused_for(m, &q, "the inputs given");
    in.name = vl_span_str("book");
    out.size = 6;
    refused_for(m, &q, "the outputs given");
    out.size = 5;
    q.n_outputs = 0;
    refused_for(m, &q, "the outputs given");
    q.n_outputs = 1;
    q.program.b[31] ^= 1;
    refused_for(m, &q, "the program given");
    made_free(m);
}

/* ---- contradictions --------------------------------------------------------------------------------------------------- */

static void clash_seal(struct made *m, struct vl_span a, struct vl_span b, enum proof_contradiction_of what) {
    struct proof_contradiction c = { .what = what, .first = a, .second = b, .signer = what == PROOF_TWO_HEADS ? m->p.coordinator : m->p.worker };
    vl_buf_clear(&m->proof);
    vl_buf_clear(&m->text);
    CHECK_OK(proof_contradiction_encode(&c, &m->proof));
    CHECK_OK(armor_write(PROOF_CONTRADICTION_LABEL, vl_span(m->proof.p, m->proof.len), &m->text));
}

TEST(contradiction, two_receipts_for_one_run_or_after_one_receipt_can_be_shown) {
    struct made *m = made();
    struct verify_query q = { .at_ms = HEAD_AT };
    struct receipt other = m->receipt;
    struct vl_buf leaf;
    vl_buf_init(&leaf, RECEIPT_BYTES_MAX);
    other.output_root.b[0] ^= 1; /* the same run */
    memset(other.previous.b, 8, 32);
    receipt_seal(&other, &m->worker, &leaf);
    clash_seal(m, m->p.receipt, vl_span(leaf.p, leaf.len), PROOF_TWO_RECEIPTS);
    CHECK(proved_made(m, &q));
    CHECK(strstr(judged.proves[0], "same run") != NULL);
    for (size_t i = 0; i < m->proof.len; i++) {
        m->proof.p[i] ^= 1;
        verdict_begin(&judged, "");
        proof_contradiction_verify(vl_span(m->proof.p, m->proof.len), &q, &judged);
        CHECK(!judged.proved);
        m->proof.p[i] ^= 1;
    }
    vl_buf_clear(&leaf);
    other = m->receipt;
    other.task++; /* another task, and the same receipt before it */
    receipt_seal(&other, &m->worker, &leaf);
    clash_seal(m, m->p.receipt, vl_span(leaf.p, leaf.len), PROOF_TWO_RECEIPTS);
    CHECK(proved_made(m, &q));
    CHECK(strstr(judged.proves[0], "after the same receipt") != NULL);
    vl_buf_free(&leaf);
    made_free(m);
}

TEST(contradiction, receipts_that_get_on_prove_nothing_against_anybody) {
    struct made *m = made();
    struct verify_query q = { .at_ms = HEAD_AT };
    struct receipt other = m->receipt;
    struct vl_buf leaf;
    vl_buf_init(&leaf, RECEIPT_BYTES_MAX);
    clash_seal(m, m->p.receipt, m->p.receipt, PROOF_TWO_RECEIPTS);
    refused_for(m, &q, "do not contradict");
    other.task++;
    memset(other.previous.b, 1, 32);
    receipt_seal(&other, &m->worker, &leaf);
    clash_seal(m, m->p.receipt, vl_span(leaf.p, leaf.len), PROOF_TWO_RECEIPTS);
    refused_for(m, &q, "do not contradict");
    vl_buf_clear(&leaf); /* another node's lie is not this one's */
    other = m->receipt;
    other.output_root.b[0] ^= 1;
    receipt_seal(&other, &m->witness[0], &leaf);
    clash_seal(m, m->p.receipt, vl_span(leaf.p, leaf.len), PROOF_TWO_RECEIPTS);
    refused_for(m, &q, "do not contradict");
    other = m->receipt; /* neither names one before: many first receipts are no lie */
    vl_buf_clear(&leaf);
    vl_buf_clear(&m->leaf);
    memset(other.previous.b, 0, 32);
    receipt_seal(&other, &m->worker, &leaf);
    other.epoch++;
    receipt_seal(&other, &m->worker, &m->leaf);
    clash_seal(m, vl_span(m->leaf.p, m->leaf.len), vl_span(leaf.p, leaf.len), PROOF_TWO_RECEIPTS);
    refused_for(m, &q, "do not contradict");
    vl_buf_free(&leaf);
    made_free(m);
}

TEST(contradiction, two_heads_of_one_size_show_a_forked_log) {
    struct made *m = made();
    struct verify_query q = { .at_ms = HEAD_AT };
    char a[NOTE], b[NOTE];
    struct vl_hash x = { { 1 } }, y = { { 2 } };
    head_text(m, &x, 10, HEAD_AT, 0, a);
    head_text(m, &y, 10, HEAD_AT, 1, b);
    clash_seal(m, vl_span_str(a), vl_span_str(b), PROOF_TWO_HEADS);
    CHECK(proved_made(m, &q));
    head_text(m, &x, 10, HEAD_AT + 1, 0, b);
    clash_seal(m, vl_span_str(a), vl_span_str(b), PROOF_TWO_HEADS);
    refused_for(m, &q, "do not contradict"); /* one log at two times */
    head_text(m, &y, 11, HEAD_AT, 0, b);
    clash_seal(m, vl_span_str(a), vl_span_str(b), PROOF_TWO_HEADS);
    refused_for(m, &q, "do not contradict"); /* it may have grown */
    made_free(m);
}

/* ---- heads ------------------------------------------------------------------------------------------------------------ */

static struct vl_hash log_of(uint8_t n, struct merkle_log *log) {
    struct merkle_tile full[MERKLE_LEVELS];
    uint32_t k;
    merkle_log_init(log);
    for (uint8_t i = 0; i < n; i++) {
        struct vl_hash h = merkle_leaf(vl_span(&i, 1));
        CHECK_OK(merkle_log_append(log, &h, full, &k));
    }
    return merkle_log_root(log);
}

TEST(consistency, of_two_heads_is_proved_and_every_changed_byte_refused) {
    struct made *m = made();
    struct verify_query q = query(m);
    struct merkle_log log;
    struct merkle_plan plan;
    struct vl_hash node[MERKLE_PLAN_MAX], older = log_of(6, &log), newer = log_of(13, &log);
    struct proof_consistency c = { .coordinator = m->p.coordinator };
    char a[NOTE], b[NOTE];
    c.older = vl_span(a, head_text(m, &older, 6, HEAD_AT, 0, a));
    c.newer = vl_span(b, head_text(m, &newer, 13, HEAD_AT + 1000, WITNESSES, b));
    CHECK_OK(merkle_consistency_plan(6, 13, &plan));
    for (uint32_t i = 0; i < plan.n; i++) CHECK(merkle_log_node(&log, plan.at[i].height, plan.at[i].index, &node[i]));
    merkle_plan_fold(&plan, node, c.proof);
    c.n = plan.items;
    vl_buf_clear(&m->proof);
    vl_buf_clear(&m->text);
    CHECK_OK(proof_consistency_encode(&c, &m->proof));
    CHECK_OK(armor_write(PROOF_CONSISTENCY_LABEL, vl_span(m->proof.p, m->proof.len), &m->text));
    CHECK(proved_made(m, &q));
    for (size_t i = 0; i < m->proof.len; i++) {
        m->proof.p[i] ^= 1;
        verdict_begin(&judged, "");
        proof_consistency_verify(vl_span(m->proof.p, m->proof.len), &q, &judged);
        CHECK(!judged.proved);
        m->proof.p[i] ^= 1;
    }
    made_free(m);
}

TEST(checkpoint, alone_needs_the_key_and_is_refused_with_another) {
    struct made *m = made();
    struct verify_query q = { .at_ms = HEAD_AT };
    struct vl_span text = vl_span_str(m->note);
    CHECK(!proved(text, &q));
    q.has_signer = true;
    q.signer = crypto_sign_node_id(&m->coordinator);
    CHECK(proved(text, &q));
    CHECK_STR("checkpoint", judged.kind);
    q.signer = crypto_sign_node_id(&m->worker);
    CHECK(!proved(text, &q));
    made_free(m);
}

TEST(certificate, says_who_is_a_member_until_when) {
    struct made *m = made();
    struct verify_query q = query(m);
    vl_buf_clear(&m->text);
    CHECK_OK(armor_write(VERIFY_CERTIFICATE_LABEL, m->p.worker, &m->text));
    CHECK(proved_made(m, &q));
    q.at_ms = BEGAN + YEAR;
    refused_for(m, &q, "expired");
    made_free(m);
}

TEST(artefacts, of_no_known_kind_are_refused_with_a_reason) {
    struct verify_query q = { .at_ms = HEAD_AT };
    uint8_t noise[300];
    CHECK(!proved(vl_span(NULL, 0), &q));
    CHECK(!proved(vl_span_str("-----BEGIN VILLAGE CAKE-----\nAAAA\n-----END VILLAGE CAKE-----\n"), &q));
    CHECK(strstr(judged.reason, "VILLAGE CAKE") != NULL);
    CHECK(!proved(vl_span_str("hello"), &q));
    for (unsigned i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(i * 7 + 1);
    for (size_t n = 1; n < sizeof noise; n += 13) CHECK(!proved(vl_span(noise, n), &q));
    CHECK(verify_kind(0) != NULL && verify_kind(1000) == NULL);
}

/* ---- cosignatures ------------------------------------------------------------------------------------------------------- */

/* The bytes that are signed, put together here once more from the text of C2SP tlog-cosignature. */
TEST(cosignature, signs_what_the_specification_says) {
    static const char body[] = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    static const char message[] =
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    struct crypto_sign_key k = key_of(6);
    struct cosignature c;
    uint8_t signature[CRYPTO_SIGNATURE], raw[4 + 8 + 64], h[32], name[NODE_ID_TEXT + 2 + 32];
    char line[COSIGN_LINE], text[NODE_ID_TEXT];
    size_t n = 0;
    CHECK_OK(cosign_make(vl_span_str(body), &k, 1679315147, &c));
    CHECK_OK(crypto_sign_message(&k, "", vl_span_str(message), signature));
    CHECK_MEM(signature, c.signature, sizeof signature);
    cosign_line(&c, line);
    node_id_format(c.by, text);
    CHECK_EQ(0, strncmp(line, "\xe2\x80\x94 12D3KooW", 12));
    CHECK_EQ('\n', line[strlen(line) - 1]);
    line[strlen(line) - 1] = 0;
    CHECK_OK(vl_base64_decode(strrchr(line, ' ') + 1, raw, sizeof raw, &n));
    CHECK_EQ(sizeof raw, n);
    CHECK_EQ(1679315147, vl_get_u64(raw + 4)); /* the time goes before the signature */
    CHECK_MEM(signature, raw + 12, 64);
    size_t len = strlen(text);
    memcpy(name, text, len);
    name[len] = '\n';
    name[len + 1] = 0x04; /* C2SP signed-note: type of a timestamped Ed25519 cosignature */
    memcpy(name + len + 2, k.public, 32);
    crypto_sha256(vl_span(name, len + 2 + 32), h);
    CHECK_MEM(h, raw, 4);
}

TEST(cosignature, of_another_time_body_or_key_is_wrong) {
    struct crypto_sign_key k = key_of(6), other = key_of(7);
    struct cosignature c;
    CHECK_OK(cosign_make(vl_span_str("a\n1\nb\n"), &k, 5, &c));
    CHECK_OK(cosign_check(vl_span_str("a\n1\nb\n"), &c));
    CHECK_EQ(VL_ECRYPTO, cosign_check(vl_span_str("a\n2\nb\n"), &c));
    c.time_s++;
    CHECK_EQ(VL_ECRYPTO, cosign_check(vl_span_str("a\n1\nb\n"), &c));
    c.time_s--;
    c.by = crypto_sign_node_id(&other);
    CHECK_EQ(VL_ECRYPTO, cosign_check(vl_span_str("a\n1\nb\n"), &c));
    CHECK_EQ(VL_ERANGE, cosign_make(vl_span_str("a\n1\nb\n"), &k, 0, &c));
}

TEST(cosignature, lines_of_strangers_are_counted_and_passed_over) {
    struct made *m = made();
    struct cosign_note note;
    char text[LONG_NOTE];
    snprintf(text, sizeof text, "%s\xe2\x80\x94 example.com/witness AAAAAAAA\n", m->note);
    CHECK_OK(cosign_open(vl_span_str(text), m->coordinator.public, &note));
    CHECK_EQ(1, note.others);
    CHECK_EQ(WITNESSES, note.n);
    snprintf(text, sizeof text, "%swithout a dash\n", m->note);
    CHECK_EQ(VL_EPARSE, cosign_open(vl_span_str(text), m->coordinator.public, &note));
    made_free(m);
}
