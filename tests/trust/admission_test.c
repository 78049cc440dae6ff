/* The operator's policy on evidence, and verdicts under it. */
#include "check.h"
#include "made.h"

#include "base/text.h"
#include "crypto/random.h"
#include "trust/admission.h"
#include "trust/attest_bind.h"
#include "trust/verify_attest.h"
#include "wire/armor.h"

#include <stdlib.h>
#include <string.h>

#define WHEN (MADE_WHEN_S * 1000ull)
#define DAY 86400000ull

static enum vl_err read_policy(const char *text, struct vl_errmsg *why) {
    struct admission *a = NULL;
    *why = (struct vl_errmsg){ "" };
    enum vl_err err = admission_create(vl_span_str(text), NULL, 0, &a, why);
    admission_destroy(a);
    return err;
}

TEST(admission, a_policy_is_read_whole) {
    struct vl_errmsg why;
    struct admission *a;
    static const char text[] = "{\"version\": 1, \"platforms\": [\"tpm\", \"snp\"], \"admit\": 500, \"tasks\": {\"S\": 900, \"A\": 700},\n"
                               "\"period_s\": 3600, \"grace_s\": 60, \"half_life_s\": 86400, \"need_crl\": true, \"no_smt\": true,\n"
                               "\"allow_migration\": true, \"snp_single_socket\": true, \"snp_vmpl_max\": 2, \"android_patch_minimum\": 202401,\n"
                               "\"snp_minimum\": {\"fmc\": 1, \"bootloader\": 2, \"tee\": 3, \"snp\": 4, \"microcode\": 255},\n"
                               "\"caps\": {\"tcb\": 550, \"late\": 450, \"sha1\": 400}, \"bonuses\": {\"tpm\": 10, \"tee\": 20, \"secure_boot\": 30},\n"
                               "\"measurements\": [\"00112233445566778899aabbccddeeff00112233\"], \"roots\": [{\"kind\": \"tpm\", \"anchor\": \"vendor\", \"name\": \" ~\",\n"
                               "\"key\": \"0000000000000000000000000000000000000000000000000000000000000000\"}]}";
    CHECK_OK(admission_create(vl_span_str(text), NULL, 0, &a, &why));
    const struct attest_policy *p = admission_rules(a);
    CHECK_EQ(500, admission_admit(a));
    CHECK_EQ(0, admission_tasks(a, SLA_B));
    CHECK_EQ(700, admission_tasks(a, SLA_A));
    CHECK_EQ(900, admission_tasks(a, SLA_S));
    CHECK_EQ(3600000, admission_period_ms(a));
    CHECK_EQ(60000, p->grace_ms);
    CHECK_EQ(DAY, p->half_life_ms);
    CHECK(p->need_crl && p->no_smt && p->allow_migration && p->snp_single_socket && p->snp_minimum.set);
    CHECK_EQ(2, p->snp_vmpl_max);
    CHECK_EQ(202401, p->android_patch_minimum);
    CHECK_EQ(1, p->snp_minimum.fmc);
    CHECK_EQ(255, p->snp_minimum.microcode);
    CHECK_EQ(550, p->cap_tcb);
    CHECK_EQ(450, p->cap_late);
    CHECK_EQ(400, p->cap_sha1);
    CHECK_EQ(10, p->bonus_tpm);
    CHECK_EQ(20, p->bonus_tee);
    CHECK_EQ(30, p->bonus_secure_boot);
    CHECK_EQ(1, p->nmeasurements);
    CHECK_EQ(1, p->nroots);
    CHECK_STR(" ~", p->roots[0].name);
    CHECK_EQ(ATTEST_ANCHOR_VENDOR, p->roots[0].anchor);
    CHECK_EQ(20, p->measurements[0].n);
    admission_destroy(a);
    CHECK_OK(read_policy("{\"version\":1}", &why));
}

TEST(admission, what_is_wrong_in_a_policy_is_named_with_its_line) {
    static const struct {
        const char *text, *says;
        enum vl_err err;
    } rows[] = {
        { "{", "line 1: not JSON", VL_EPARSE },
        { "{\"version\": 1,\n\n  \"admit\": }", "line 3: not JSON", VL_EPARSE },
        { "{\"version\": 1, \"version\": 1}", "twice", VL_EPARSE },
        { "[]", "no object", VL_EPARSE },
        { "{}", "\"version\": 1 is missing", VL_EVERSION },
        { "{\"version\": 2}", "line 1: version: 1 to 1", VL_ERANGE },
        { "{\"version\": 1,\n \"admitt\": 700}", "line 2: admitt: there is no such name here", VL_EPARSE },
        { "{\"version\": 1,\n \"admit\": 1001}", "line 2: admit: 0 to 1000 is allowed", VL_ERANGE },
        { "{\"version\": 1,\n \"admit\": 0.7}", "line 2: admit: a whole number", VL_EPARSE },
        { "{\"version\": 1,\n \"admit\": \"700\"}", "line 2: admit: a whole number", VL_EPARSE },
        { "{\"version\": 1,\n \"need_crl\": 1}", "line 2: need_crl: true or false", VL_EPARSE },
        { "{\"version\": 1,\n\n \"tasks\": {\n \"C\": 1}}", "line 4: tasks.C: there is no such name", VL_EPARSE },
        { "{\"version\": 1, \"tasks\": []}", "tasks: an object is wanted", VL_EPARSE },
        { "{\"version\": 1, \"caps\": {\"tcb\": 0}}", "caps.tcb: 1 to 1000", VL_ERANGE },
        { "{\"version\": 1, \"period_s\": 59}", "period_s: 60 to 2592000", VL_ERANGE },
        { "{\"version\": 1, \"period_s\": 2592001}", "period_s: 60 to 2592000", VL_ERANGE },
        { "{\"version\": 1, \"grace_s\": 315576001}", "grace_s: 0 to 315576000", VL_ERANGE },
        { "{\"version\": 1, \"android_patch_minimum\": 999913}", "0 to 999912", VL_ERANGE },
        { "{\"version\": 1, \"roots\": [{\"name\": \"\x7f\"}]}", "roots.name", VL_EPARSE },
        { "{\"version\": 1, \"\x7f\": 1}", "line 1: ?: there is", VL_EPARSE },
        { "{\"version\": 1, \" ~\": 1}", "line 1:  ~: there is", VL_EPARSE },
        { "{\"version\": 1, \"snp_vmpl_max\": 4}", "snp_vmpl_max: 0 to 3", VL_ERANGE },
        { "{\"version\": 1, \"snp_minimum\": {\"tee\": 256}}", "snp_minimum.tee: 0 to 255", VL_ERANGE },
        { "{\"version\": 1,\n \"platforms\": [\"tpm\",\n \"self\"]}", "line 3: platforms: snp, sgx", VL_EPARSE },
        { "{\"version\": 1, \"measurements\": [\"00\"]}", "measurements: 40 to 128", VL_EPARSE },
        { "{\"version\": 1,\n \"roots\": [{\"kind\": \"tpm\"}]}", "line 2: roots: kind, key and anchor are needed", VL_EPARSE },
        { "{\"version\": 1, \"roots\": [{\"kind\": \"tpn\"}]}", "roots.kind: kind: snp", VL_EPARSE },
        { "{\"version\": 1, \"roots\": [{\"key\": \"00\"}]}", "roots.key", VL_EPARSE },
        { "{\"version\": 1, \"roots\": {}}", "roots: a list", VL_EPARSE },
    };
    struct vl_errmsg why;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum vl_err err = read_policy(rows[i].text, &why);
        if (err != rows[i].err || strstr(why.text, rows[i].says) == NULL) print_message("# %s -> %d %s\n", rows[i].text, err, why.text);
        CHECK_EQ(rows[i].err, err);
        CHECK(strstr(why.text, rows[i].says) != NULL);
    }
}

TEST(admission, files_are_parsed_at_start_and_a_wrong_one_is_named) {
    struct made m;
    struct admission *a, *again;
    struct vl_errmsg why = { "" };
    made_begin(&m);
    const struct admission_file good[] = { { "b.crt", pki_span(&m.ark_der) }, { "a.pem", vl_span_str(m.issuers) } };
    CHECK_OK(admission_create((struct vl_span){ 0 }, good, 2, &a, &why));
    struct vl_hash hash = admission_snapshot_hash(a);
    CHECK_OK(admission_reopen(admission_policy_bytes(a), admission_snapshot(a), &again));
    CHECK(vl_hash_eq(hash, admission_snapshot_hash(again)));
    admission_destroy(again);
    struct vl_span snapshot = admission_snapshot(a);
    CHECK(snapshot.p[0] == 0x86 && snapshot.p[1] == 1 && snapshot.p[3] == 2); /* it is kept for years: its form never changes */
    for (size_t cut = 1; cut < snapshot.n; cut += 7) CHECK(admission_reopen((struct vl_span){ 0 }, vl_span(snapshot.p, cut), &again) != VL_OK);
    admission_destroy(a);
    const struct admission_file odd = { "a\x7f.pem", vl_span_str(m.issuers) }, low = { "a\x1f.pem", vl_span_str(m.issuers) },
                                edge = { " ~.pem", vl_span_str(m.issuers) };
    CHECK(admission_create((struct vl_span){ 0 }, &odd, 1, &a, &why) != VL_OK);
    CHECK(admission_create((struct vl_span){ 0 }, &low, 1, &a, &why) != VL_OK);
    CHECK_OK(admission_create((struct vl_span){ 0 }, &edge, 1, &a, &why));
    admission_destroy(a);
    static const struct {
        const char *name, *bytes;
    } bad[] = { { "x.pem", "nothing" }, { "x.crl", "nothing" }, { "x.json", "{}" }, { "x.json", "nothing" }, { "notes.txt", "" }, { "", "" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct admission_file f = { bad[i].name, vl_span_str(bad[i].bytes) };
        why = (struct vl_errmsg){ "" };
        CHECK(admission_create((struct vl_span){ 0 }, &f, 1, &a, &why) != VL_OK);
        CHECK(strstr(why.text, bad[i].name) != NULL && why.text[0] != '\0');
    }
    const struct admission_file twice[] = { good[0], good[0] };
    CHECK(admission_create((struct vl_span){ 0 }, twice, 2, &a, &why) != VL_OK);
    made_end(&m);
}

/* ---- verdicts ---- */

struct scene {
    struct made made;
    struct admission *a;
    struct attestation e;
    struct admission_case c;
    struct admission_verdict v;
};

static void words(struct scene *s, bool debug) {
    struct attestation asked = { .node = s->c.node, .job = s->c.job };
    uint8_t data[64];
    memcpy(asked.nonce, s->c.nonce, 32);
    memcpy(asked.binding, s->c.binding, 32);
    memcpy(asked.program, s->c.program, 32);
    attest_bind(&asked, data);
    made_report(&s->made, data, debug, &s->e);
}

static void begin(struct scene *s, const char *more) {
    char policy[1024];
    struct vl_errmsg why = { "" };
    memset(s, 0, sizeof *s);
    made_begin(&s->made);
    made_policy(&s->made, more, policy, sizeof policy);
    CHECK_OK(admission_create(vl_span_str(policy), NULL, 0, &s->a, &why));
    s->c = (struct admission_case){ .node = { { 5 } }, .verifier = { { 1 } }, .nonce = { 7 }, .binding = { 8 }, .when = WHEN, .number = 1, .answer = &s->e, .n = 1 };
    words(s, false);
}
static void end(struct scene *s) {
    admission_destroy(s->a);
    made_end(&s->made);
}
static uint32_t level(struct scene *s) {
    admission_judge(s->a, &s->c, &s->v);
    return s->v.result.level;
}

TEST(admission, evidence_for_this_nonce_node_channel_job_and_program_is_worth_its_class) {
    struct scene s;
    begin(&s, "");
    CHECK_EQ(900, level(&s));
    CHECK_EQ(1, s.v.result.n);
    CHECK_EQ(2, s.v.result.entry[0].genuine);
    CHECK_EQ(2, s.v.result.entry[0].fresh);
    CHECK_EQ(2, s.v.result.entry[0].key_bound);
    CHECK_EQ(1, s.v.result.entry[0].debug);
    CHECK_STR("accepted", s.v.result.entry[0].why);
    uint8_t *const part[] = { s.c.nonce, s.c.binding, s.c.node.b, s.c.job.b, s.c.program };
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        part[i][3] ^= 1; /* relayed, replayed, or of another program */
        CHECK_EQ(0, level(&s));
        CHECK_EQ(1, s.v.result.entry[0].fresh);
        part[i][3] ^= 1;
    }
    CHECK_EQ(900, level(&s));
    end(&s);
}

TEST(admission, what_the_node_says_of_nonce_and_activation_is_not_believed) {
    struct scene s;
    begin(&s, "");
    memset(s.e.nonce, 0xee, 32);
    s.e.node = (struct vl_node_id){ { 99 } };
    CHECK_EQ(900, level(&s)); /* only what hardware signed counts */
    s.c.nonce[0] ^= 1;
    memcpy(s.e.nonce, s.c.nonce, 32);
    CHECK_EQ(0, level(&s));
    end(&s);
}

TEST(admission, debugging_and_unknown_roots_are_worth_the_nodes_own_word) {
    struct scene s;
    begin(&s, "");
    words(&s, true);
    CHECK_EQ(300, level(&s));
    end(&s);
    begin(&s, "");
    struct made stranger;
    made_begin(&stranger);
    uint8_t data[64];
    memcpy(data, s.made.report + 0x50, 64);
    made_report(&stranger, data, false, &s.e); /* a machine of a root that this policy does not name */
    CHECK_EQ(300, level(&s));
    CHECK_EQ(300, s.v.result.entry[0].level);
    CHECK(!s.v.result.entry[0].accepted);
    made_end(&stranger);
    end(&s);
}

TEST(admission, forged_evidence_is_worth_nothing_and_no_evidence_the_own_word) {
    struct scene s;
    begin(&s, "");
    s.made.report[0x2a0] ^= 1;
    CHECK_EQ(0, level(&s));
    s.c.n = 0;
    s.c.why = "nothing here";
    CHECK_EQ(300, level(&s));
    CHECK_STR("nothing here", s.v.result.why);
    end(&s);
}

TEST(admission, a_platform_that_the_policy_does_not_name_does_not_count) {
    struct scene s;
    begin(&s, ", \"platforms\": [\"tpm\"]");
    CHECK_EQ(300, level(&s));
    CHECK(strstr(s.v.result.entry[0].why, "does not count") != NULL);
    CHECK(!s.v.result.entry[0].accepted);
    end(&s);
    begin(&s, ", \"platforms\": [\"tpm\", \"snp\"]");
    CHECK_EQ(900, level(&s));
    end(&s);
}

TEST(admission, no_cut_and_no_flipped_bit_of_evidence_counts) {
    struct scene s;
    begin(&s, "");
    struct vl_span whole = s.e.evidence;
    for (size_t n = 0; n < whole.n; n += 13) {
        s.e.evidence = vl_span(whole.p, n);
        CHECK_EQ(0, level(&s));
    }
    s.e.evidence = whole;
    for (size_t bit = 0; bit < 0x2a0 * 8; bit += 37) {
        s.made.report[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_EQ(0, level(&s));
        s.made.report[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK_EQ(900, level(&s));
    end(&s);
}

TEST(admission, a_result_ages_ends_after_two_periods_and_counts_under_its_own_policy_alone) {
    struct scene s;
    begin(&s, ", \"period_s\": 864000, \"half_life_s\": 864000");
    CHECK_EQ(900, level(&s));
    const struct attested *r = &s.v.result;
    CHECK_EQ(900, admission_level(s.a, r, WHEN));
    CHECK_EQ(900, admission_level(s.a, r, WHEN - DAY)); /* a clock that was set back */
    CHECK_EQ(900, admission_level(s.a, r, WHEN + 10 * DAY)); /* current */
    CHECK_EQ(750, admission_level(s.a, r, WHEN + 15 * DAY));
    CHECK_EQ(600, admission_level(s.a, r, WHEN + 20 * DAY));
    CHECK_EQ(300, admission_level(s.a, r, WHEN + 20 * DAY + 1));
    CHECK_EQ(WHEN + 20 * DAY, admission_until(s.a, WHEN));
    struct vl_hash other = r->policy;
    other.b[0] ^= 1;
    CHECK_EQ(300, admission_level_of(s.a, 900, WHEN, other, WHEN));
    CHECK_EQ(0, admission_level_of(s.a, 0, WHEN, other, WHEN));
    end(&s);
}

TEST(admission, a_verdict_is_derived_again_from_what_was_kept) {
    struct scene s;
    struct admission *later;
    begin(&s, "");
    CHECK_EQ(900, level(&s));
    CHECK_OK(admission_reopen(admission_policy_bytes(s.a), admission_snapshot(s.a), &later));
    struct admission_verdict again;
    admission_judge(later, &s.c, &again);
    struct vl_buf one, two;
    vl_buf_init(&one, 4096);
    vl_buf_init(&two, 4096);
    CHECK_OK(attested_encode(&s.v.result, &one));
    CHECK_OK(attested_encode(&again.result, &two));
    CHECK(one.len == two.len);
    CHECK_MEM(one.p, two.p, one.len);
    vl_buf_free(&one);
    vl_buf_free(&two);
    admission_destroy(later);
    end(&s);
}

TEST(admission, a_result_is_signed_by_its_verifier) {
    struct scene s;
    struct crypto_sign_key key;
    struct attested r;
    struct vl_buf out;
    struct vl_hash id, other;
    CHECK_OK(crypto_init());
    begin(&s, "");
    crypto_sign_key_from_seed((const uint8_t[32]){ 3 }, &key);
    s.c.verifier = crypto_sign_node_id(&key);
    CHECK_EQ(900, level(&s));
    vl_buf_init(&out, 4096);
    CHECK_OK(attested_sign(&key, &s.v.result, &out));
    CHECK_OK(attested_open(vl_span(out.p, out.len), &r, &id));
    CHECK_EQ(900, r.level);
    for (size_t i = 0; i < out.len; i++) {
        out.p[i] ^= 4;
        CHECK(attested_open(vl_span(out.p, out.len), &r, &other) != VL_OK);
        out.p[i] ^= 4;
        CHECK(attested_open(vl_span(out.p, i), &r, &other) != VL_OK);
    }
    vl_buf_free(&out);
    end(&s);
}

/* ---- files ---- */

static void artefact(struct scene *s, const struct attestation *e, const struct verify_query *q, struct verdict *v) {
    struct vl_buf bytes, text;
    (void)s;
    vl_buf_init(&bytes, ATTESTATION_MAX);
    vl_buf_init(&text, 2 * ATTESTATION_MAX);
    CHECK_OK(attestation_encode(e, &bytes));
    CHECK_OK(armor_write(ATTESTATION_LABEL, vl_span(bytes.p, bytes.len), &text));
    verify_artefact(vl_span(text.p, text.len), q, v);
    vl_buf_free(&bytes);
    vl_buf_free(&text);
}

TEST(verify_attest, a_file_of_evidence_says_what_it_proves_and_what_not) {
    struct scene s;
    struct verdict v;
    begin(&s, "");
    s.e.node = s.c.node;
    memcpy(s.e.nonce, s.c.nonce, 32);
    memcpy(s.e.binding, s.c.binding, 32);
    struct verify_query q = { .at_ms = WHEN, .admission = s.a, .nonce = vl_span(s.c.nonce, 32) };
    artefact(&s, &s.e, &q, &v);
    if (!v.proved) print_message("# %s\n", v.reason);
    CHECK(v.proved);
    CHECK_STR("attestation", v.kind);
    CHECK_EQ(2, v.n_proves);
    CHECK(v.whom[0] != 0 && v.as_of[0] != 0);
    q.nonce = (struct vl_span){ 0 };
    artefact(&s, &s.e, &q, &v);
    CHECK(v.proved && strstr(v.not[0], "fresh") != NULL);
    uint8_t other[32] = { 1 };
    q.nonce = vl_span(other, 32);
    artefact(&s, &s.e, &q, &v);
    CHECK(!v.proved && strstr(v.reason, "another nonce") != NULL);
    q.nonce = (struct vl_span){ 0 };
    s.e.nonce[0] ^= 1; /* the words beside the evidence are not believed */
    artefact(&s, &s.e, &q, &v);
    CHECK(!v.proved && strstr(v.reason, "another challenge") != NULL);
    s.e.nonce[0] ^= 1;
    q.has_signer = true;
    q.signer = (struct vl_node_id){ { 9 } };
    artefact(&s, &s.e, &q, &v);
    CHECK(!v.proved && strstr(v.reason, "another node") != NULL);
    q.has_signer = false;
    q.at_ms = WHEN + 400 * DAY;
    artefact(&s, &s.e, &q, &v);
    CHECK(!v.proved); /* its certificates have ended */
    q.at_ms = WHEN;
    q.admission = NULL; /* without the policy nobody vouches for this root */
    artefact(&s, &s.e, &q, &v);
    CHECK(!v.proved);
    s.e.kind = ATTEST_SELF;
    artefact(&s, &s.e, &q, &v);
    CHECK(!v.proved && strstr(v.reason, "own statement") != NULL);
    end(&s);
}

/* A member's words go into a signed result and onto terminals. */
TEST(admission, shows_a_node_s_reason_as_printable_text_alone) {
    struct vl_errmsg why;
    struct admission *a = NULL;
    struct admission_verdict v;
    CHECK_OK(admission_create((struct vl_span){ 0 }, NULL, 0, &a, &why));
    const struct admission_case c = { .when = 1000, .number = 1, .why = " a~b\x7f\x1b[1m\xc3\xa9\n" };
    admission_judge(a, &c, &v);
    CHECK_STR(" a~b??[1m???", v.result.why);
    admission_destroy(a);
}

TEST(verify_attest, no_changed_or_cut_file_is_taken) {
    struct scene s;
    struct verdict v;
    struct vl_buf bytes;
    begin(&s, "");
    s.e.node = s.c.node;
    memcpy(s.e.nonce, s.c.nonce, 32);
    memcpy(s.e.binding, s.c.binding, 32);
    struct verify_query q = { .at_ms = WHEN, .admission = s.a };
    vl_buf_init(&bytes, ATTESTATION_MAX);
    CHECK_OK(attestation_encode(&s.e, &bytes));
    verdict_begin(&v, "attestation");
    attest_artefact(vl_span(bytes.p, bytes.len), &q, &v);
    CHECK(v.proved);
    for (size_t n = 0; n < bytes.len; n += 7) {
        verdict_begin(&v, "attestation");
        attest_artefact(vl_span(bytes.p, n), &q, &v);
        CHECK(!v.proved);
    }
    size_t made_at = 2 + 1 + 32 + 32 + 32 + 16 + 32; /* the node's own clock, eight bytes, binds nobody */
    for (size_t i = 0; i < made_at + 8 + 4 + 0x2a0; i++) {
        if (i >= made_at && i < made_at + 8) continue;
        bytes.p[i] ^= 1;
        verdict_begin(&v, "attestation");
        attest_artefact(vl_span(bytes.p, bytes.len), &q, &v);
        if (v.proved) print_message("# byte %zu\n", i);
        CHECK(!v.proved);
        bytes.p[i] ^= 1;
    }
    vl_buf_free(&bytes);
    end(&s);
}

TEST(verify_attest, a_signed_result_is_its_verifiers_word) {
    struct scene s;
    struct crypto_sign_key key;
    struct verdict v;
    struct vl_buf bytes, text;
    CHECK_OK(crypto_init());
    begin(&s, "");
    crypto_sign_key_from_seed((const uint8_t[32]){ 3 }, &key);
    s.c.verifier = crypto_sign_node_id(&key);
    CHECK_EQ(900, level(&s));
    vl_buf_init(&bytes, 4096);
    vl_buf_init(&text, 8192);
    CHECK_OK(attested_sign(&key, &s.v.result, &bytes));
    CHECK_OK(armor_write(ATTESTED_LABEL, vl_span(bytes.p, bytes.len), &text));
    struct verify_query q = { .at_ms = WHEN + DAY, .has_signer = true, .signer = s.c.verifier };
    verify_artefact(vl_span(text.p, text.len), &q, &v);
    CHECK(v.proved);
    CHECK_STR("attested", v.kind);
    CHECK(strstr(v.proves[0], "0.900") != NULL);
    q.signer.b[0] ^= 1;
    verify_artefact(vl_span(text.p, text.len), &q, &v);
    CHECK(!v.proved && strstr(v.reason, "another verifier") != NULL);
    q.has_signer = false;
    q.at_ms = WHEN - DAY;
    verify_artefact(vl_span(text.p, text.len), &q, &v);
    CHECK(!v.proved);
    vl_buf_free(&bytes);
    vl_buf_free(&text);
    end(&s);
}

/* ---- words that are signed: never to change ---- */

TEST(attest_bind, what_hardware_signs_is_fixed_to_the_byte) {
    struct attestation a = { .kind = ATTEST_SNP };
    uint8_t data[64], form[64], want[64];
    for (uint8_t i = 0; i < 32; i++) {
        a.nonce[i] = i;
        a.node.b[i] = (uint8_t)(32 + i);
        a.binding[i] = (uint8_t)(64 + i);
    }
    /* by Python's hashlib from the definition in node/tee.h */
    attest_bind(&a, data);
    CHECK_OK(vl_hex_decode("bb9308c36f0d0795ce0bd340d47f3ef47d5d59b57b6d0f55856165107c77496233d1daf96ac9d4350160a350c83e185bc98e08b9306584abf6b3909beff896ed", want, 64));
    CHECK_MEM(want, data, 64);
    for (uint8_t i = 0; i < 16; i++) a.job.b[i] = (uint8_t)(96 + i);
    for (uint8_t i = 0; i < 32; i++) a.program[i] = (uint8_t)(112 + i);
    attest_bind(&a, data);
    CHECK_OK(vl_hex_decode("6cc731b0f0c1ec877ca9d8c1a6e63e1257e10047072311fb0eb8eceb6f4652b369487c251c5aac3ce5e19ad91e209f36e2211409fa7a7aad70eb95c30ad7d641", want, 64));
    CHECK_MEM(want, data, 64);
    CHECK_EQ(64, attest_bind_form(ATTEST_SNP, data, form));
    CHECK_MEM(data, form, 64);
    CHECK_EQ(32, attest_bind_form(ATTEST_TPM, data, form));
    CHECK_OK(vl_hex_decode("be3c3d8a851503e96cc3f13b7b3685e379c9f7c84ba1e52b6eb6c38d36ba336f", want, 32));
    CHECK_MEM(want, form, 32);
}
