#include "trust/zk_proof.h"

#include "base/prng.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "trust/zk_artefact.h"

#include "check.h"
#include "zk_random.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLA "attribute uptime : 32 attribute total : 32 prove uptime / total >= 0.999 and total >= 1000"
#define NOW 5000

static struct zk_kit *kit;
static struct crypto_sign_key issuer, holder;
static const struct zk_context here = { .verifier = { { 1 } }, .purpose = "tender", .nonce = { 2 }, .epoch = 3 };

static void begin(void) {
    CHECK_OK(crypto_init());
    if (kit != NULL) return;
    kit = zk_kit_create((const uint8_t[32]){ 5 });
    CHECK(kit != NULL);
    crypto_sign_key_from_seed((const uint8_t[32]){ 7 }, &issuer);
    crypto_sign_key_from_seed((const uint8_t[32]){ 8 }, &holder);
}

/* A predicate, a credential for its signed attributes, and all that proves it. */
struct setting {
    struct zk_program *p;
    struct zk_credential c;
    uint64_t value[ZK_ATTRS_MAX];
    uint8_t blind[ZK_ATTRS_MAX][32];
    struct zk_proving in;
};

static int by_name(const void *a, const void *b) {
    const struct zk_attribute *x = *(const struct zk_attribute *const *)a, *y = *(const struct zk_attribute *const *)b;
    return strcmp(x->name, y->name);
}

static void set_up(struct setting *s, struct zk_program *p, const uint64_t *value, bool held) {
    const struct zk_attribute *attr[ZK_ATTRS_MAX];
    uint64_t v[ZK_ATTRS_MAX];
    uint8_t blind[ZK_ATTRS_MAX][32];
    begin();
    memset(s, 0, sizeof *s);
    s->p = p;
    s->c = (struct zk_credential){ .from_ms = 1000, .until_ms = 9000, .about = "q3" };
    if (held) s->c.holder = crypto_sign_node_id(&holder);
    for (unsigned i = 0; i < zk_program_attributes(p); i++) {
        s->value[i] = value[i];
        s->blind[i][0] = (uint8_t)(i + 1);
        s->blind[i][9] = 77;
        if (!zk_program_attribute(p, i)->self_asserted) attr[s->c.n++] = zk_program_attribute(p, i);
    }
    qsort(attr, s->c.n, sizeof attr[0], by_name);
    for (unsigned i = 0; i < s->c.n; i++) {
        int at = zk_program_find(p, vl_span_str(attr[i]->name));
        strcpy(s->c.attr[i].name, attr[i]->name);
        s->c.attr[i].bits = attr[i]->bits;
        v[i] = value[at];
        memcpy(blind[i], s->blind[at], 32);
    }
    if (s->c.n > 0) CHECK_OK(zk_credential_issue(&s->c, &issuer, zk_kit_gens(kit, 1), v, (const uint8_t(*)[32])blind));
    s->in = (struct zk_proving){ .program = p,
                                 .credential = s->c.n > 0 ? &s->c : NULL,
                                 .value = s->value,
                                 .blind = (const uint8_t(*)[32])s->blind,
                                 .holder = held ? &holder : NULL,
                                 .context = &here,
                                 .random = { 9 } };
}

static struct zk_program *compiled(const char *text, const struct zk_set *const *sets, unsigned n) {
    struct zk_program *p = NULL;
    struct zk_diag d;
    if (zk_compile(vl_span_str(text), sets, n, &p, &d) != VL_OK) fail_msg("%s: %s", text, d.msg.text);
    return p;
}

static struct zk_policy policy_of(const struct vl_hash *program) {
    static struct vl_node_id accepted;
    accepted = crypto_sign_node_id(&issuer);
    return (struct zk_policy){ .program = program, .context = &here, .issuer = &accepted, .n_issuers = 1, .allow_self_asserted = true, .at_ms = NOW };
}

static struct vl_buf proved(const struct setting *s) {
    struct vl_buf b;
    struct vl_errmsg msg;
    vl_buf_init(&b, ZK_ARTEFACT_MAX);
    enum vl_err err = zk_prove(kit, &s->in, &b, &msg);
    if (err != VL_OK) fail_msg("%.*s: %s", (int)zk_program_text(s->p).n, (const char *)zk_program_text(s->p).p, msg.text);
    return b;
}

static enum vl_err verdict(struct vl_buf b, const struct zk_policy *policy, struct zk_verdict *v) {
    enum vl_err err = zk_verify(kit, vl_span(b.p, b.len), policy, v);
    CHECK_EQ(v->err, err);
    CHECK(v->reason.text[0] != '\0');
    return err;
}

static void refuses(struct vl_buf b, const struct zk_policy *policy, enum vl_err want, const char *part) {
    struct zk_verdict v;
    if (verdict(b, policy, &v) != want || strstr(v.reason.text, part) == NULL) fail_msg("%s, not %s: %s", vl_err_name(v.err), vl_err_name(want), v.reason.text);
}

TEST(zk_proof, shows_a_ratio_and_nothing_more_to_whom_it_was_made_for) {
    begin();
    struct setting s;
    struct zk_verdict v;
    set_up(&s, compiled(SLA, NULL, 0), (const uint64_t[]){ 7774200, 7776000 }, false);
    struct vl_buf b = proved(&s);
    struct vl_hash id = zk_program_id(s.p);
    struct zk_policy good = policy_of(&id), bad = good;
    CHECK_OK(verdict(b, &good, &v));
    CHECK(v.signed_attributes && !v.self_asserted);
    CHECK_STR("q3", v.about);
    CHECK_STR("true", v.reason.text);
    struct zk_context other[4] = { here, here, here, here };
    other[0].verifier.b[0]++;
    other[1].purpose[0]++;
    other[2].nonce[31]++;
    other[3].epoch++;
    for (unsigned i = 0; i < 4; i++) {
        bad = good;
        bad.context = &other[i];
        refuses(b, &bad, VL_ESTALE, "another verifier");
    }
    struct vl_hash another = { { 1 } };
    bad = good;
    bad.program = &another;
    refuses(b, &bad, VL_ESTALE, "another predicate");
    struct vl_node_id stranger = { { 3 } };
    bad = good;
    bad.issuer = &stranger;
    refuses(b, &bad, VL_EDENIED, "none of those accepted");
    bad.n_issuers = 0;
    refuses(b, &bad, VL_EDENIED, "no issuer was named");
    bad.any_issuer = true;
    CHECK_OK(verdict(b, &bad, &v));
    bad = good;
    bad.holder = &stranger;
    refuses(b, &bad, VL_EDENIED, "another holder");
    bad = good;
    bad.about = "q4";
    refuses(b, &bad, VL_EDENIED, "something else");
    bad = good;
    bad.at_ms = 9000;
    refuses(b, &bad, VL_EEXPIRED, "expired");
    bad.at_ms = 999;
    refuses(b, &bad, VL_EAGAIN, "not valid yet");
    bad = (struct zk_policy){ .any_issuer = true, .at_ms = NOW }; /* no context demanded: what it holds for is told */
    CHECK_OK(verdict(b, &bad, &v));
    CHECK_STR("tender", v.context.purpose);
    vl_buf_free(&b);
    zk_program_destroy(s.p);
}

TEST(zk_proof, says_why_there_is_none) {
    begin();
    struct setting s, other;
    struct vl_buf b;
    struct vl_errmsg msg;
    struct zk_program *p = compiled(SLA, NULL, 0), *narrow = compiled("attribute total : 31 prove total > 5", NULL, 0);
    vl_buf_init(&b, ZK_ARTEFACT_MAX);
    set_up(&s, p, (const uint64_t[]){ 7768223, 7776000 }, false); /* one less than 99.9 % */
    CHECK_EQ(VL_ERANGE, zk_prove(kit, &s.in, &b, &msg));
    CHECK(strstr(msg.text, "not true") != NULL);
    set_up(&s, p, (const uint64_t[]){ 7768224, 7776000 }, false);
    CHECK_OK(zk_prove(kit, &s.in, &b, &msg));
    vl_buf_clear(&b);
    s.value[0]++;
    CHECK_EQ(VL_ECRYPTO, zk_prove(kit, &s.in, &b, &msg)); /* the issuer signed another number */
    CHECK(strstr(msg.text, "uptime") != NULL);
    s.value[0]--;
    s.blind[0][0]++;
    CHECK_EQ(VL_ECRYPTO, zk_prove(kit, &s.in, &b, &msg));
    s.blind[0][0]--;
    s.in.credential = NULL;
    CHECK_EQ(VL_ENOTFOUND, zk_prove(kit, &s.in, &b, &msg));
    set_up(&other, narrow, (const uint64_t[]){ 10 }, false);
    other.in.credential = &s.c; /* vouches for 32 bits of it */
    CHECK_EQ(VL_EDENIED, zk_prove(kit, &other.in, &b, &msg));
    s.in.program = narrow;
    s.value[0] = 1ull << 31;
    s.in.credential = &s.c;
    CHECK_EQ(VL_ERANGE, zk_prove(kit, &s.in, &b, &msg));
    CHECK(strstr(msg.text, "31 bits") != NULL);
    CHECK_EQ(0, b.len);
    vl_buf_free(&b);
    zk_program_destroy(p);
    zk_program_destroy(narrow);
}

TEST(zk_proof, takes_a_prover_at_its_word_only_where_both_sides_say_so) {
    begin();
    struct setting s;
    struct zk_verdict v;
    set_up(&s, compiled("attribute age : 7 self-asserted attribute income : 32 prove age >= 18 and income > 100", NULL, 0), (const uint64_t[]){ 18, 1000 }, false);
    struct vl_buf b = proved(&s);
    struct zk_policy policy = policy_of(NULL);
    CHECK_OK(verdict(b, &policy, &v));
    CHECK(v.self_asserted && v.signed_attributes);
    policy.allow_self_asserted = false;
    refuses(b, &policy, VL_EDENIED, "only the prover vouches");
    vl_buf_free(&b);
    zk_program_destroy(s.p);
    set_up(&s, compiled("attribute age : 7 self-asserted prove age >= 18", NULL, 0), (const uint64_t[]){ 18 }, false);
    b = proved(&s);
    policy = policy_of(NULL);
    CHECK_OK(verdict(b, &policy, &v));
    struct vl_node_id who = { { 1 } };
    policy.holder = &who;
    refuses(b, &policy, VL_EDENIED, "no credential");
    vl_buf_free(&b);
    zk_program_destroy(s.p);
}

TEST(zk_proof, of_a_held_credential_is_signed_by_its_holder) {
    begin();
    struct setting s;
    struct zk_verdict v;
    struct vl_errmsg msg;
    struct zk_artefact a;
    set_up(&s, compiled(SLA, NULL, 0), (const uint64_t[]){ 7774200, 7776000 }, true);
    struct vl_buf b = proved(&s), forged;
    struct vl_node_id who = crypto_sign_node_id(&holder);
    struct zk_policy policy = policy_of(NULL);
    policy.holder = &who;
    CHECK_OK(verdict(b, &policy, &v));
    CHECK_MEM(who.b, v.holder.b, 32);
    CHECK_OK(zk_artefact_read(vl_span(b.p, b.len), &a));
    vl_buf_init(&forged, ZK_ARTEFACT_MAX);
    a.holder[5] ^= 1;
    CHECK_OK(zk_artefact_write(&a, &forged));
    refuses(forged, &policy, VL_ECRYPTO, "holder");
    a.has_holder = false;
    vl_buf_clear(&forged);
    CHECK_OK(zk_artefact_write(&a, &forged));
    refuses(forged, &policy, VL_EPARSE, "holder's signature");
    vl_buf_clear(&forged);
    s.in.holder = &issuer;
    CHECK_EQ(VL_EDENIED, zk_prove(kit, &s.in, &forged, &msg));
    s.in.holder = NULL;
    CHECK_EQ(VL_EDENIED, zk_prove(kit, &s.in, &forged, &msg));
    vl_buf_free(&b);
    vl_buf_free(&forged);
    zk_program_destroy(s.p);
}

/* A prover may choose a predicate that pins a friend: only one that the verifier demands may name the issuer. */
TEST(zk_proof, believes_a_pinned_issuer_only_in_the_predicate_it_demands) {
    begin();
    struct setting s;
    struct zk_verdict v;
    char text[256], hex[65];
    vl_hex_encode(issuer.public, 32, hex);
    (void)snprintf(text, sizeof text, "issuer %s %s", hex, SLA);
    set_up(&s, compiled(text, NULL, 0), (const uint64_t[]){ 7774200, 7776000 }, false);
    struct vl_hash id = zk_program_id(s.p);
    struct vl_buf b = proved(&s);
    struct zk_policy policy = { .at_ms = NOW };
    refuses(b, &policy, VL_EDENIED, "no issuer was named");
    policy.program = &id;
    CHECK_OK(verdict(b, &policy, &v));
    vl_buf_free(&b);
    zk_program_destroy(s.p);
    text[8] = text[8] == '0' ? '1' : '0';
    struct vl_errmsg msg;
    struct zk_program *p = compiled(text, NULL, 0);
    s.in.program = p;
    vl_buf_init(&b, ZK_ARTEFACT_MAX);
    CHECK_EQ(VL_EDENIED, zk_prove(kit, &s.in, &b, &msg));
    vl_buf_free(&b);
    zk_program_destroy(p);
}

TEST(zk_proof, has_a_purpose_that_can_be_read) {
    static const struct {
        const char *purpose;
        bool ok;
    } rows[] = { { "", false }, { " ~", true }, { "\x1f", false }, { "\x7f", false }, { "a\nb", false } };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zk_context c = here;
        (void)snprintf(c.purpose, sizeof c.purpose, "%s", rows[i].purpose);
        CHECK_EQ(rows[i].ok, zk_context_ok(&c));
    }
    struct zk_context full = here;
    full.epoch = INT64_MAX;
    CHECK(zk_context_ok(&full));
    full.epoch++;
    CHECK(!zk_context_ok(&full));
    full.epoch = 0;
    memset(full.purpose, 'x', sizeof full.purpose);
    CHECK(!zk_context_ok(&full));
}

/* What an honest prover would not even try: the verifier asks before it looks at the proof. */
TEST(zk_proof, refuses_credentials_that_do_not_fit_the_predicate) {
    static const struct {
        const char *text, *reason;
    } rows[] = {
        { "attribute total : 31 prove total > 5", "more bits" },
        { "attribute total : 32 prove total > 5", "the proof is wrong" }, /* the other rows differ in one thing from this one */
        { "attribute totals : 32 prove totals > 5", "lacks an attribute" },
        { "issuer 0000000000000000000000000000000000000000000000000000000000000001 attribute total : 32 prove total > 5", "predicate names" },
    };
    begin();
    struct setting s;
    struct zk_artefact a;
    struct vl_buf b, out;
    set_up(&s, compiled("attribute total : 32 prove total > 6", NULL, 0), (const uint64_t[]){ 10 }, false);
    b = proved(&s);
    vl_buf_init(&out, ZK_ARTEFACT_MAX);
    struct zk_policy policy = policy_of(NULL);
    CHECK_OK(zk_artefact_read(vl_span(b.p, b.len), &a));
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zk_program *p = compiled(rows[i].text, NULL, 0);
        a.text = zk_program_text(p);
        vl_buf_clear(&out);
        CHECK_OK(zk_artefact_write(&a, &out));
        refuses(out, &policy, i == 1 ? VL_ECRYPTO : VL_EDENIED, rows[i].reason);
        zk_program_destroy(p);
    }
    vl_buf_free(&b);
    vl_buf_free(&out);
    zk_program_destroy(s.p);
}

/* ---- every kind of step ---- */

static const struct step_case {
    const char *text;
    uint64_t yes[3], no[3];
} step_cases[] = {
    { "attribute a : 64 attribute b : 64 prove a > b", { UINT64_MAX, UINT64_MAX - 1 }, { 5, 5 } },
    { "attribute a : 64 attribute b : 64 prove a > b", { 1, 0 }, { 0, UINT64_MAX } },
    { "attribute a : 32 attribute b : 32 attribute c : 33 prove a + b = c", { 5, 6, 11 }, { 5, 6, 12 } },
    { "attribute a : 32 attribute b : 32 attribute c : 33 prove a + 2*b - 3 != c", { 5, 6, 13 }, { 5, 6, 14 } },
    { "attribute a : 16 prove a in {3, 700, 65535}", { 65535 }, { 4 } },
    { "attribute a : 16 attribute b : 16 prove a - b in {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}", { 20, 9 }, { 9, 20 } },
    { "attribute a : 16 prove a not in {3, 700, 65535}", { 4 }, { 700 } },
    { "attribute a : 64 prove a not in {2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,46,48,50}", { UINT64_MAX }, { 50 } },
    { "attribute a : 64 prove a not in {2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,46,48,50}", { 0 }, { 2 } },
    { "attribute a : 64 prove a not in {2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,46,48,50}", { 25 }, { 26 } },
    { "attribute a : 8 prove a not in {0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,46,48,255}", { 254 }, { 255 } },
    { "attribute a : 62 attribute b : 62 prove a >= b or a = 7", { 7, 1ull << 61 }, { 8, 1ull << 61 } },
    { "attribute a : 16 attribute b : 16 prove a in {1, 2, 3} or b not in {4, 5}", { 9, 6 }, { 9, 5 } },
    { "attribute a : 16 attribute b : 16 prove not (a = 1 and b > 5) and a + b < 100", { 1, 5 }, { 1, 6 } },
    { "attribute a : 9 attribute b : 17 attribute c : 33 prove a >= 1 and b >= 1 and c >= 1", { 511, (1u << 17) - 1, (1ull << 33) - 1 }, { 511, 0, 5 } },
    { "attribute a : 20 self-asserted attribute b : 20 self-asserted prove a > b", { (1u << 20) - 1, 0 }, { 3, 3 } },
    { "attribute a:8 prove a>=1 and a>=2 and a>=3 and a>=4 and a>=5 and a>=6 and a>=7", { 7 }, { 6 } },
};

static struct vl_buf case_proof(const struct step_case *c, struct setting *s) {
    set_up(s, compiled(c->text, NULL, 0), c->yes, false);
    CHECK(zk_program_holds(s->p, c->yes));
    return proved(s);
}

TEST(zk_proof, proves_what_is_true_with_every_back_end_and_nothing_false) {
    begin();
    for (unsigned i = 0; i < sizeof step_cases / sizeof step_cases[0]; i++) {
        struct setting s;
        struct zk_verdict v;
        struct vl_errmsg msg;
        struct vl_buf b = case_proof(&step_cases[i], &s);
        struct zk_policy policy = policy_of(NULL);
        if (verdict(b, &policy, &v) != VL_OK) fail_msg("%s: %s", step_cases[i].text, v.reason.text);
        struct zk_program *p = s.p;
        CHECK(!zk_program_holds(p, step_cases[i].no));
        set_up(&s, p, step_cases[i].no, false);
        vl_buf_clear(&b);
        if (zk_prove(kit, &s.in, &b, &msg) != VL_ERANGE) fail_msg("%s: a proof of what is false: %s", step_cases[i].text, msg.text);
        CHECK_EQ(0, b.len);
        vl_buf_free(&b);
        zk_program_destroy(p);
    }
}

/* Single bits: those of the proof and of commitments make it wrong, all others are refused before. */
TEST(zk_proof, refuses_every_change) {
    begin();
    for (unsigned i = 0; i < sizeof step_cases / sizeof step_cases[0]; i++) {
        struct setting s;
        struct zk_verdict v;
        struct vl_buf b = case_proof(&step_cases[i], &s);
        struct zk_policy policy = policy_of(NULL);
        for (size_t at = i % 7; at < b.len; at += 41) {
            b.p[at] ^= (uint8_t)(1u << at % 8);
            if (verdict(b, &policy, &v) == VL_OK) fail_msg("%s: byte %zu of %zu does not count", step_cases[i].text, at, b.len);
            b.p[at] ^= (uint8_t)(1u << at % 8);
        }
        for (size_t n = 0; n < b.len; n += 13) {
            struct vl_buf cut = b;
            cut.len = n;
            CHECK(verdict(cut, &policy, &v) != VL_OK);
        }
        CHECK_OK(verdict(b, &policy, &v));
        vl_buf_free(&b);
        zk_program_destroy(s.p);
    }
}

/* The parts of two good proofs of one predicate, exchanged: credential, commitments, context, text. */
TEST(zk_proof, holds_only_for_the_statement_it_was_made_for) {
    begin();
    struct setting s, t;
    struct zk_artefact a, b, mixed;
    const char *text = "attribute u : 32 attribute w : 16 self-asserted prove u > 5 and w > 6";
    set_up(&s, compiled(text, NULL, 0), (const uint64_t[]){ 10, 20 }, false);
    set_up(&t, compiled(text, NULL, 0), (const uint64_t[]){ 11, 21 }, false);
    struct zk_context elsewhere = here;
    elsewhere.epoch = 99;
    t.in.context = &elsewhere;
    struct vl_buf x = proved(&s), y = proved(&t), out;
    struct zk_policy policy = policy_of(NULL);
    policy.context = NULL;
    vl_buf_init(&out, ZK_ARTEFACT_MAX);
    CHECK_OK(zk_artefact_read(vl_span(x.p, x.len), &a));
    CHECK_OK(zk_artefact_read(vl_span(y.p, y.len), &b));
    struct zk_program *lower = compiled("attribute u : 32 attribute w : 16 self-asserted prove u > 4 and w > 6", NULL, 0);
    for (unsigned i = 0; i < 5; i++) {
        mixed = a;
        if (i == 0) mixed.credential = b.credential;
        if (i == 1) memcpy(mixed.own, b.own, sizeof mixed.own);
        if (i == 2) mixed.context = b.context;
        if (i == 3) mixed.proof = b.proof;
        if (i == 4) mixed.text = zk_program_text(lower);
        vl_buf_clear(&out);
        CHECK_OK(zk_artefact_write(&mixed, &out));
        refuses(out, &policy, VL_ECRYPTO, "the proof is wrong");
    }
    mixed = a;
    mixed.text = vl_span_str(text); /* means the same, and is not the canonical text */
    vl_buf_clear(&out);
    CHECK_OK(zk_artefact_write(&mixed, &out));
    refuses(out, &policy, VL_EPARSE, "canonical");
    mixed = a;
    mixed.n_own = 2;
    vl_buf_clear(&out);
    CHECK_OK(zk_artefact_write(&mixed, &out));
    refuses(out, &policy, VL_EPARSE, "no attribute needs");
    mixed.n_own = 0;
    vl_buf_clear(&out);
    CHECK_OK(zk_artefact_write(&mixed, &out));
    refuses(out, &policy, VL_EPARSE, "a commitment is missing");
    mixed = a;
    mixed.credential.n = 0;
    vl_buf_clear(&out);
    CHECK_OK(zk_artefact_write(&mixed, &out));
    refuses(out, &policy, VL_EPARSE, "no credential");
    vl_buf_free(&x);
    vl_buf_free(&y);
    vl_buf_free(&out);
    zk_program_destroy(s.p);
    zk_program_destroy(t.p);
    zk_program_destroy(lower);
}

/* ---- random predicates over random values ---- */

TEST(zk_proof, exists_exactly_where_plain_evaluation_says_true) {
    struct vl_prng r;
    unsigned seen[2] = { 0 };
    begin();
    vl_prng_seed(&r, 1729);
    for (unsigned round = 0; round < 60; round++) {
        struct zk_random q;
        struct zk_program *p = NULL;
        struct setting s;
        struct zk_verdict v;
        struct vl_errmsg msg;
        struct vl_buf b;
        uint64_t value[ZK_RANDOM_ATTRS], in_order[ZK_ATTRS_MAX];
        zk_random_make(&q, &r);
        if (zk_compile(vl_span_str(q.text), NULL, 0, &p, NULL) != VL_OK) continue;
        vl_buf_init(&b, ZK_ARTEFACT_MAX);
        zk_random_values(&q, &r, value);
        for (unsigned k = 0; k < 40 && zk_random_holds(&q, value) != (round % 3 != 0); k++) zk_random_values(&q, &r, value);
        zk_random_order(p, value, in_order);
        set_up(&s, p, in_order, false);
        bool want = zk_random_holds(&q, value);
        enum vl_err err = zk_prove(kit, &s.in, &b, &msg);
        if (err != (want ? VL_OK : VL_ERANGE))
            fail_msg("%s with a=%u b=%u c=%u: %s", q.text, (unsigned)value[0], (unsigned)value[1], (unsigned)value[2], msg.text);
        struct zk_policy policy = policy_of(NULL);
        if (want && verdict(b, &policy, &v) != VL_OK) fail_msg("%s: %s", q.text, v.reason.text);
        seen[want]++;
        vl_buf_free(&b);
        zk_program_destroy(p);
    }
    CHECK(seen[0] > 8 && seen[1] > 20);
}

/* ---- sets ---- */

static struct zk_set *evens(unsigned n) {
    int64_t *v = calloc(n, sizeof *v);
    struct zk_set *s = NULL;
    CHECK(v != NULL);
    for (unsigned i = 0; i < n; i++) v[i] = 2 * (int64_t)i + 100;
    CHECK_OK(zk_set_make(v, n, &s));
    free(v);
    return s;
}

TEST(zk_proof, carries_the_sets_it_names) {
    begin();
    struct zk_set *set = evens(300), *other = evens(301);
    const struct zk_set *const sets[] = { set };
    char text[300], hex[65];
    struct setting s;
    struct zk_verdict v;
    struct zk_artefact a;
    struct vl_buf other_bytes, out;
    vl_hex_encode(set->hash.b, 32, hex);
    (void)snprintf(text, sizeof text, "attribute a : 32 attribute b : 40 prove a in set@%s and b not in set@%s", hex, hex);
    set_up(&s, compiled(text, sets, 1), (const uint64_t[]){ 698, 699 }, false);
    struct vl_buf b = proved(&s);
    struct zk_policy policy = policy_of(NULL);
    CHECK_OK(verdict(b, &policy, &v));
    CHECK_OK(zk_artefact_read(vl_span(b.p, b.len), &a));
    vl_buf_init(&other_bytes, 1u << 16);
    vl_buf_init(&out, ZK_ARTEFACT_MAX);
    CHECK_OK(zk_artefact_put_set(other, &other_bytes));
    a.set[0] = vl_span(other_bytes.p, other_bytes.len);
    CHECK_OK(zk_artefact_write(&a, &out));
    refuses(out, &policy, VL_EPARSE, "set");
    struct zk_kit *mine = kit; /* one that does not know the program yet */
    kit = zk_kit_create((const uint8_t[32]){ 6 });
    refuses(out, &policy, VL_EPARSE, "no set with this hash");
    CHECK_OK(verdict(b, &policy, &v));
    zk_kit_destroy(kit);
    kit = mine;
    vl_put_u64(other_bytes.p, UINT64_MAX);
    vl_buf_clear(&out);
    CHECK_OK(zk_artefact_write(&a, &out));
    refuses(out, &policy, VL_EPARSE, "malformed");
    struct zk_program *p = s.p;
    static const uint64_t no[][2] = { { 699, 699 }, { 698, 698 }, { 98, 99 }, { 700, 701 } };
    for (unsigned i = 0; i < 4; i++) {
        struct vl_errmsg msg;
        set_up(&s, p, no[i], false);
        vl_buf_clear(&out);
        CHECK_EQ(VL_ERANGE, zk_prove(kit, &s.in, &out, &msg));
    }
    vl_buf_free(&b);
    vl_buf_free(&out);
    vl_buf_free(&other_bytes);
    zk_program_destroy(p);
    zk_set_destroy(set);
    zk_set_destroy(other);
}

/* ---- batches ---- */

TEST(zk_proof, a_batch_names_every_bad_one) {
    enum { N = 24 };
    struct vl_buf b[N];
    struct zk_claim claim[N];
    struct zk_verdict v[N];
    struct setting s;
    begin();
    struct zk_policy policy = policy_of(NULL), elsewhere = policy;
    struct zk_context other = here;
    other.epoch = 4;
    elsewhere.context = &other;
    for (unsigned i = 0; i < N; i++) {
        b[i] = case_proof(&step_cases[i % (sizeof step_cases / sizeof step_cases[0])], &s);
        zk_program_destroy(s.p);
        claim[i] = (struct zk_claim){ vl_span(b[i].p, b[i].len), &policy };
    }
    CHECK_OK(zk_verify_batch(kit, claim, N, v));
    for (unsigned i = 0; i < N; i++) CHECK_OK(v[i].err);
    b[3].p[b[3].len - 20] ^= 1;
    b[17].p[b[17].len - 3] ^= 1;
    claim[5].policy = &elsewhere;
    claim[9].artefact.n = 40;
    CHECK_EQ(VL_ECRYPTO, zk_verify_batch(kit, claim, N, v));
    for (unsigned i = 0; i < N; i++) CHECK_EQ(i == 3 || i == 17 ? VL_ECRYPTO : i == 5 ? VL_ESTALE : i == 9 ? VL_EPARSE : VL_OK, v[i].err);
    CHECK_OK(zk_verify_batch(kit, claim, 0, v));
    for (unsigned i = 0; i < N; i++) vl_buf_free(&b[i]);
}

TEST(zk_proof, a_batch_may_be_longer_than_one_sum) {
    enum { N = 300 };
    static struct zk_claim claim[N];
    static struct zk_verdict v[N];
    struct setting s;
    begin();
    struct zk_policy policy = policy_of(NULL);
    set_up(&s, compiled("attribute a : 8 prove a = 5 and a < 9", NULL, 0), (const uint64_t[]){ 5 }, false);
    struct vl_buf b = proved(&s), bad = proved(&s);
    bad.p[bad.len - 10] ^= 2;
    for (unsigned i = 0; i < N; i++) claim[i] = (struct zk_claim){ i == 222 ? vl_span(bad.p, bad.len) : vl_span(b.p, b.len), &policy };
    CHECK_EQ(VL_ECRYPTO, zk_verify_batch(kit, claim, N, v));
    for (unsigned i = 0; i < N; i++) CHECK_EQ(i == 222 ? VL_ECRYPTO : VL_OK, v[i].err);
    vl_buf_free(&b);
    vl_buf_free(&bad);
    zk_program_destroy(s.p);
}

/* A prover's random bytes given, its artefact is fixed: whoever changes a label, an order or an encoding changes it. */
TEST(zk_proof, keeps_its_format) {
    begin();
    struct setting s;
    struct vl_hash h;
    char hex[65];
    set_up(&s,
           compiled("attribute a : 16 attribute b : 16 self-asserted attribute c : 16 prove a > 5 and b in {1, 2, 3} and a + b = c and c != 7 and "
                    "(a = 9 or c not in {4, 5}) and c not in {1,3,5,7,9,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,47,49,51}",
                    NULL, 0),
           (const uint64_t[]){ 9, 2, 11 }, true);
    struct vl_buf b = proved(&s);
    crypto_blake2b256(vl_span(b.p, b.len), &h);
    vl_hex_encode(h.b, 32, hex);
    CHECK_STR("488b8fa0f97ab951ca8ae9e442b945594f760ff6ed3c44c930bc2b33641560d1", hex);
    vl_buf_free(&b);
    zk_program_destroy(s.p);
}
