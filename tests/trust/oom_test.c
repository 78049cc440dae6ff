/* Every allocation of draws and of sums of products refused once: the answer is VL_ENOMEM, nothing has changed, nothing
 * leaks, and the same call succeeds afterwards. */
#include "crypto/msm.h"
#include "crypto/random.h"
#include "trust/sla.h"
#include "trust/topology.h"
#include "trust/zk_gadget.h"
#include "trust/zk_many.h"
#include "trust/zk_proof.h"
#include "trust/zk_range.h"
#include "trust/zk_sigma.h"

#include "draw_rig.h"
#include "wire/armor.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t a, size_t b);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t a, size_t b);
void *__wrap_realloc(void *p, size_t n);

static uint32_t countdown; /* 0: off; 1: the next allocation fails */

static bool refuse(void) { return countdown > 0 && --countdown == 0; }
void *__wrap_malloc(size_t n) { return refuse() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t a, size_t b) { return refuse() ? NULL : __real_calloc(a, b); }
void *__wrap_realloc(void *p, size_t n) { return refuse() ? NULL : __real_realloc(p, n); }

/* Did the call that was just made get through?  Ends the refusing. */
static bool got_through(uint32_t k, enum vl_err err, uint32_t *refusals) {
    bool refused = countdown == 0;
    countdown = 0;
    CHECK_EQ(refused ? VL_ENOMEM : VL_OK, err);
    *refusals += refused;
    CHECK(k < 200);
    return !refused;
}

static void same_state(const struct topology *t, const struct vl_buf *want) {
    struct vl_buf got;
    vl_buf_init(&got, 1u << 16);
    CHECK_OK(topology_save(t, &got));
    CHECK(vl_span_eq(vl_span(want->p, want->len), vl_span(got.p, got.len)));
    vl_buf_free(&got);
}

TEST(oom, draws_survive_every_refused_allocation) {
    struct topology *t = NULL, *again = NULL;
    struct vl_hash village = { { 1 } };
    struct crypto_vrf_key key;
    struct vl_buf saved;
    uint32_t refusals = 0;
    CHECK_OK(crypto_init());
    for (uint32_t k = 1;; k++) {
        countdown = k;
        t = topology_create(4, &village, 7);
        if (got_through(k, t != NULL ? VL_OK : VL_ENOMEM, &refusals)) break;
    }
    CHECK_EQ(3, refusals);
    for (uint8_t i = 1; i < 4; i++) {
        CHECK_OK(crypto_vrf_key_make(CRYPTO_VRF_ELL2, (const uint8_t[32]){ i }, &key));
        struct crypto_vrf_public p = crypto_vrf_public_of(&key);
        CHECK_OK(topology_member(t, (struct vl_node_id){ { i } }, &p, 5));
    }
    for (unsigned e = 0; e < 6; e++) {
        vl_buf_init(&saved, 1u << 16);
        CHECK_OK(topology_save(t, &saved));
        for (uint32_t k = 1;; k++) {
            countdown = k;
            if (got_through(k, topology_advance(t, topology_epoch(t) + 1), &refusals)) break;
            same_state(t, &saved);
        }
        vl_buf_free(&saved);
    }
    vl_buf_init(&saved, 1u << 16);
    for (uint32_t k = 1;; k++) {
        countdown = k;
        if (got_through(k, topology_save(t, &saved), &refusals)) break;
        CHECK_EQ(0, saved.len);
    }
    for (uint32_t k = 1;; k++) {
        countdown = k;
        if (got_through(k, topology_restore(vl_span(saved.p, saved.len), 4, &again), &refusals)) break;
        CHECK(again == NULL);
    }
    same_state(again, &saved);
    CHECK(refusals > 3 + 6 * 2 + 1 + 8);
    vl_buf_free(&saved);
    topology_destroy(t);
    topology_destroy(again);
}

/* Few terms, many, and many that are not normalised yet. */
TEST(oom, sums_of_products_survive_every_refused_allocation) {
    enum { MANY = MSM_STRAUS_MAX + 1 };
    static uint8_t scalar[MANY][32], encoded[MANY][32];
    static struct ristretto point[MANY];
    struct ristretto base = ristretto_base(), sum, want = ristretto_identity(), at = base;
    CHECK_OK(crypto_init());
    for (size_t i = 0; i < MANY; i++) {
        scalar[i][0] = 1;
        point[i] = at;
        ristretto_encode(&at, encoded[i]);
        at = ristretto_add(&at, &base);
    }
    for (size_t n = MANY - 1; n <= MANY; n++) {
        uint32_t refusals = 0;
        want = ristretto_identity();
        for (size_t i = 0; i < n; i++) want = ristretto_add(&want, &point[i]);
        for (uint32_t k = 1;; k++) {
            sum = ristretto_identity();
            countdown = k;
            if (got_through(k, msm_vartime((const uint8_t(*)[32])scalar, point, n, &sum), &refusals)) break;
            CHECK(ristretto_is_identity(&sum)); /* not written */
        }
        CHECK(ristretto_equal(&want, &sum));
        CHECK_EQ(n == MANY ? 5 : 2, refusals);
        for (uint32_t k = 1;; k++) {
            countdown = k;
            if (got_through(k,
                            msm_encoded_vartime((const uint8_t(*)[32])scalar, (const uint8_t(*)[32])encoded, n, &sum),
                            &refusals))
                break;
        }
        CHECK(ristretto_equal(&want, &sum));
    }
}

TEST(oom, range_proofs_survive_every_refused_allocation) {
    const uint64_t v[1] = { 200 };
    const uint8_t blind[1][32] = { { 5 } }, random[32] = { 6 };
    uint8_t commitment[1][32], proof[ZK_RANGE_PROOF_MAX];
    struct zk_gens *g = NULL;
    struct transcript t;
    uint32_t refusals = 0;
    CHECK_OK(crypto_init());
    for (uint32_t k = 1;; k++) {
        countdown = k;
        g = zk_gens_create(8, 1);
        if (got_through(k, g != NULL ? VL_OK : VL_ENOMEM, &refusals)) break;
    }
    CHECK_EQ(3, refusals);
    for (uint32_t k = 1;; k++) {
        transcript_init(&t, "oom");
        countdown = k;
        enum vl_err err = zk_range_prove(g, &t, v, blind, 1, 8, random, commitment, proof);
        if (got_through(k, err, &refusals)) break;
    }
    CHECK(refusals > 4);
    for (uint32_t k = 1;; k++) {
        transcript_init(&t, "oom");
        countdown = k;
        enum vl_err err =
            zk_range_verify(g, &t, (const uint8_t(*)[32])commitment, 1, 8, vl_span(proof, zk_range_size(8, 1)));
        if (got_through(k, err, &refusals)) break;
    }
    for (uint32_t k = 1;; k++) {
        enum vl_err each[1] = { VL_ESTATE };
        struct zk_range_claim claim = { &t, (const uint8_t(*)[32])commitment, 1, 8,
                                        vl_span(proof, zk_range_size(8, 1)) };
        transcript_init(&t, "oom");
        countdown = k;
        enum vl_err err = zk_range_verify_batch(g, &claim, 1, random, each);
        bool through = got_through(k, err, &refusals);
        CHECK_EQ(through ? VL_OK : VL_ENOMEM, each[0]);
        if (through) break;
    }
    CHECK(refusals > 14);
    zk_gens_destroy(g);
}

/* Every kind of step; a kit of its own each time, so that generators and programs are made anew. */
TEST(oom, predicates_survive_every_refused_allocation) {
    static const char text[] = "attribute a : 8 self-asserted attribute b : 8 self-asserted prove a > 1 and a + b = 9 and (a = 4 or b = 4) and "
                               "a in {1, 5} and b in {1,2,3,4,5,6,7,8,9,10} and b not in {0,2,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,46,48}";
    const uint8_t blind[2][32] = { { 5 }, { 6 } };
    const struct zk_context context = { .purpose = "oom" };
    const struct zk_policy policy = { .allow_self_asserted = true };
    struct zk_program *p = NULL;
    uint32_t refusals = 0, before;
    struct vl_buf out;
    CHECK_OK(crypto_init());
    for (uint32_t k = 1;; k++) {
        countdown = k;
        if (got_through(k, zk_compile(vl_span_str(text), NULL, 0, &p, NULL), &refusals)) break;
    }
    CHECK(refusals > 10);
    before = refusals;
    vl_buf_init(&out, ZK_ARTEFACT_MAX);
    for (uint32_t k = 1;; k++) {
        struct zk_kit *kit = zk_kit_create(blind[0]);
        struct zk_proving in = { .program = p, .value = (const uint64_t[]){ 5, 4 }, .blind = blind, .context = &context };
        CHECK(kit != NULL);
        countdown = k;
        bool through = got_through(k, zk_prove(kit, &in, &out, NULL), &refusals);
        CHECK(through || out.len == 0);
        zk_kit_destroy(kit);
        if (through) break;
    }
    CHECK(refusals > before + 20);
    before = refusals;
    for (uint32_t k = 1;; k++) {
        struct zk_kit *kit = zk_kit_create(blind[0]);
        struct zk_verdict v;
        CHECK(kit != NULL);
        countdown = k;
        bool through = got_through(k, zk_verify(kit, vl_span(out.p, out.len), &policy, &v), &refusals);
        CHECK_EQ(through ? VL_OK : VL_ENOMEM, v.err);
        zk_kit_destroy(kit);
        if (through) break;
    }
    CHECK(refusals > before + 20);
    vl_buf_free(&out);
    zk_program_destroy(p);
}

/* --- other proofs: a set of 12 through both kinds, a circuit of 128 multipliers, whose generators are folded --- */
struct proofs {
    struct zk_gens *g;
    struct zk_scalar set[12];
    uint8_t blind[1][32], commitment[1][32], proof[ZK_SET_PROOF_MAX];
};
static enum vl_err set_round(struct proofs *s, struct transcript *t, bool prover) {
    const uint8_t random[32] = { 1 };
    if (prover) return zk_set_prove(s->g, t, s->set, 12, s->commitment[0], 3, s->blind[0], random, s->proof);
    return zk_set_verify(s->g, t, s->set, 12, s->commitment[0], vl_span(s->proof, zk_set_size(12)));
}
static enum vl_err many_round(struct proofs *s, struct transcript *t, bool prover) {
    const uint8_t random[32] = { 1 };
    const struct zk_many_set set = { s->set, 12, 1, 1 };
    const uint8_t(*v)[32] = (const uint8_t(*)[32])s->commitment;
    if (prover) return zk_many_prove(s->g, t, &set, v, 3, (const uint8_t(*)[32])s->blind, random, s->proof);
    return zk_many_verify(s->g, t, &set, v, vl_span(s->proof, zk_many_size(12)));
}
static enum vl_err circuit_round(struct proofs *s, struct transcript *t, bool prover) {
    const uint8_t random[32] = { 1 };
    const struct zk_opening o = { s->set[3], zk_of_bytes(s->blind[0]) };
    struct zk_cs *cs = zk_cs_create(s->g, t, prover);
    if (cs == NULL) return VL_ENOMEM;
    struct zk_lc v = zk_lc_var(zk_cs_commit(cs, s->commitment[0], prover ? &o : NULL));
    for (unsigned i = 0; i < 2; i++) zk_gadget_range(cs, &v, 64, NULL);
    enum vl_err err = prover ? zk_cs_prove(cs, random, s->proof) : zk_cs_verify(cs, vl_span(s->proof, zk_cs_proof_size(128)));
    zk_cs_destroy(cs);
    return err;
}

TEST(oom, other_proofs_survive_every_refused_allocation) {
    enum vl_err (*const round[])(struct proofs *, struct transcript *, bool) = { set_round, many_round, circuit_round };
    struct proofs s = { .blind = { { 5 } } };
    uint32_t refusals = 0;
    CHECK_OK(crypto_init());
    CHECK((s.g = zk_gens_create(64, 4)) != NULL);
    for (unsigned i = 0; i < 12; i++) s.set[i] = zk_of_u64(100 + i);
    zk_commit_scalar(s.g, &s.set[3], s.blind[0], s.commitment[0]);
    for (unsigned i = 0; i < 6; i++)
        for (uint32_t k = 1;; k++) {
            struct transcript t;
            transcript_init(&t, "oom");
            memset(s.proof, i % 2 == 0 ? 0xee : s.proof[0], i % 2 == 0 ? sizeof s.proof : 1);
            countdown = k;
            enum vl_err err = round[i / 2](&s, &t, i % 2 == 0);
            bool done = countdown != 0;
            countdown = 0;
            CHECK_EQ(done ? VL_OK : VL_ENOMEM, err);
            if (done) break;
            refusals++;
            for (unsigned j = 0; i % 2 == 0 && j < sizeof s.proof; j++) CHECK_EQ(0xee, s.proof[j]); /* no output */
        }
    CHECK(refusals > 60); /* many are of folding generators */
    zk_gens_destroy(s.g);
}

static struct vl_buf opened(const struct vl_buf *text) {
    char label[ARMOR_LABEL_MAX + 1];
    struct vl_buf raw;
    vl_buf_init(&raw, ARMOR_BYTES_MAX);
    CHECK_OK(armor_read(vl_span(text->p, text->len), label, &raw));
    return raw;
}

TEST(oom, files_of_draws_and_availability_survive_every_refused_allocation) {
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct topology_cert c = rig_draw(r, 5, TOPOLOGY_NEIGHBOUR), own;
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
    struct challenge_watch w;
    struct vl_buf text, one[3], row;
    struct vl_span list[3];
    uint32_t refusals = 0, before;
    CHECK_EQ(8, topology_neighbours(r->t, &c, drawn));
    for (unsigned i = 0; i < 3; i++) {
        unsigned witness = rig_index(r, drawn[i]);
        own = rig_draw(r, witness, TOPOLOGY_CHALLENGE);
        challenge_watch_begin(&w, &own, r->node[5]);
        vl_buf_init(&row, 8192);
        for (uint32_t k = 1;; k++) {
            countdown = k;
            if (got_through(k, challenge_watch_save(&w, &row), &refusals)) break;
            CHECK_EQ(0, row.len);
        }
        vl_buf_free(&row);
        vl_buf_init(&one[i], CHALLENGE_STATEMENT_MAX);
        for (uint32_t k = 1;; k++) {
            countdown = k;
            if (got_through(k, challenge_statement_make(&w, &own, &r->sign[witness], &one[i]), &refusals)) break;
            CHECK_EQ(0, one[i].len);
        }
        list[i] = vl_span(one[i].p, one[i].len);
    }
    CHECK(refusals > 6);
    for (unsigned kind = 0; kind < 2; kind++) {
        struct topology_proof p;
        struct availability_verdict v;
        vl_buf_init(&text, 2u << 20);
        before = refusals;
        for (uint32_t k = 1;; k++) {
            countdown = k;
            enum vl_err err = kind ? availability_artefact_make(r->t, r->village, &c, &r->seal, list, 3, &text)
                                   : neighbours_artefact_make(r->t, r->village, &c, &r->seal, &text);
            if (got_through(k, err, &refusals)) break;
            CHECK_EQ(0, text.len);
        }
        CHECK(refusals > before + 4);
        struct vl_buf raw = opened(&text);
        before = refusals;
        for (uint32_t k = 1;; k++) {
            countdown = k;
            enum vl_err err = kind ? availability_artefact_check(vl_span(raw.p, raw.len), &v, NULL)
                                   : neighbours_artefact_check(vl_span(raw.p, raw.len), &p, NULL);
            bool through = got_through(k, err, &refusals);
            if (kind == 0 && through) topology_proof_free(&p);
            if (kind == 1) CHECK_EQ(through ? 3 : 0, v.witnesses); /* no half of a verdict */
            if (through) break;
        }
        CHECK_EQ(before + 4, refusals);
        vl_buf_free(&raw);
        vl_buf_free(&text);
    }
    for (unsigned i = 0; i < 3; i++) vl_buf_free(&one[i]);
    rig_free(r);
}

TEST(oom, service_levels_survive_every_refused_allocation) {
    const struct sla_counters n = { .answered = 99, .asked = 100, .epochs = 8, .latency_ms = 990, .first_epoch = 1, .last_epoch = 2 };
    const struct sla_claim claim = { 990000, 100, 10 };
    uint8_t blind[SLA_ATTRS][32] = { { 1 }, { 2 }, { 3 }, { 4 }, { 5 } }, random[32] = { 1 };
    uint64_t value[SLA_ATTRS];
    struct zk_credential c;
    struct sla_verdict v;
    struct vl_buf text;
    uint32_t refusals = 0, before;
    CHECK_OK(crypto_init());
    struct draw_rig *r = rig_make();
    struct zk_kit *kit = zk_kit_create(random);
    CHECK(kit != NULL && zk_kit_gens(kit, 1) != NULL);
    sla_values(&n, value);
    CHECK_OK(sla_credential_issue(&c, &r->sign[0], zk_kit_gens(kit, 1), &n, r->node[5], 1000, 5000, (const uint8_t(*)[32])blind));
    zk_kit_destroy(kit);
    struct sla_making in = { .credential = &c, .value = value, .blind = (const uint8_t(*)[32])blind, .holder = &r->sign[5],
                             .issuer_cert = vl_span(r->cert, r->cert_n), .random = random };
    vl_buf_init(&text, 2u << 20);
    for (uint32_t k = 1;; k++) {
        CHECK((kit = zk_kit_create(random)) != NULL);
        countdown = k;
        bool through = got_through(k, sla_artefact_make(kit, &claim, &in, &text, NULL), &refusals);
        zk_kit_destroy(kit);
        if (through) break;
        CHECK_EQ(0, text.len);
    }
    CHECK(refusals > 20);
    before = refusals;
    struct vl_buf raw = opened(&text);
    for (uint32_t k = 1;; k++) {
        countdown = k;
        bool through = got_through(k, sla_artefact_check(vl_span(raw.p, raw.len), 2000, &v, NULL), &refusals);
        CHECK_EQ(through ? 100 : 0, v.claim.least_asked);
        if (through) break;
    }
    CHECK(refusals > before + 20);
    vl_buf_free(&raw);
    vl_buf_free(&text);
    rig_free(r);
}
