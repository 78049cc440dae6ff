/* Proofs are kept in files: what they look like must not change unseen.  With fixed random bytes a proof is fixed, and its
 * digest stands here.  Whoever changes a format changes a label's version with it. */
#include "trust/zk_gadget.h"
#include "trust/zk_many.h"
#include "trust/zk_sigma.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include "check.h"

#include <string.h>

#define N 3u
typedef const uint8_t (*rows)[32];
static const uint8_t random_bytes[32] = { 7 };

struct scene {
    struct zk_gens *g;
    struct transcript t, u; /* the prover's and the verifier's */
    struct zk_scalar v[N];
    uint8_t blind[N][32], commitment[N][32], proof[ZK_R1CS_PROOF_MAX];
};
static void begin(struct scene *s) {
    memset(s, 0, sizeof *s);
    CHECK_OK(crypto_init());
    s->g = zk_gens_create(64, 1);
    CHECK(s->g != NULL);
    transcript_init(&s->t, "format");
    transcript_init(&s->u, "format");
    for (unsigned i = 0; i < N; i++) {
        s->v[i] = zk_of_u64(3 + 4 * i);
        s->blind[i][0] = (uint8_t)(i + 1);
        zk_commit_scalar(s->g, &s->v[i], s->blind[i], s->commitment[i]);
    }
}
/* Of the proof and of what both transcripts go on with. */
static void end(struct scene *s, size_t n, const char *want) {
    struct crypto_blake2b h;
    struct vl_hash got;
    uint8_t after[32], also[32];
    char hex[65];
    transcript_challenge(&s->t, "after", after, sizeof after);
    transcript_challenge(&s->u, "after", also, sizeof also);
    CHECK_MEM(after, also, sizeof after);
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, s->proof, n);
    crypto_blake2b_update(&h, after, sizeof after);
    crypto_blake2b_final(&h, &got);
    vl_hex_encode(got.b, 32, hex);
    hex[16] = 0;
    CHECK_STR(want, hex);
    zk_gens_destroy(s->g);
}

TEST(zk_format, of_a_linear_relation_stays) {
    struct scene s;
    begin(&s);
    const struct zk_scalar a[N] = { zk_of_u64(1), zk_of_u64(2), zk_of_u64(3) }, k = zk_of_u64(3 + 14 + 33);
    CHECK_OK(zk_linear_prove(s.g, &s.t, a, (rows)s.commitment, N, &k, (rows)s.blind, random_bytes, s.proof));
    CHECK_OK(zk_linear_verify(s.g, &s.u, a, (rows)s.commitment, N, &k, vl_span(s.proof, ZK_LINEAR_PROOF)));
    end(&s, ZK_LINEAR_PROOF, "f6317638a2a2159c");
}

TEST(zk_format, of_openings_stays) {
    struct scene s;
    begin(&s);
    CHECK_OK(zk_open_prove(s.g, &s.t, (rows)s.commitment, N, s.v, (rows)s.blind, random_bytes, s.proof));
    CHECK_OK(zk_open_verify(s.g, &s.u, (rows)s.commitment, N, vl_span(s.proof, ZK_OPEN_PROOF)));
    end(&s, ZK_OPEN_PROOF, "14a0a2161ae86b53");
}

TEST(zk_format, of_membership_in_a_small_set_stays) {
    struct scene s;
    begin(&s);
    CHECK_OK(zk_set_prove(s.g, &s.t, s.v, N, s.commitment[1], 1, s.blind[1], random_bytes, s.proof));
    CHECK_OK(zk_set_verify(s.g, &s.u, s.v, N, s.commitment[1], vl_span(s.proof, zk_set_size(N))));
    end(&s, zk_set_size(N), "e80a48e0e547c460");
}

TEST(zk_format, of_neighbours_in_a_large_set_stays) {
    struct scene s;
    begin(&s);
    const struct zk_many_set set = { s.v, N - 1, 2, 1 };
    CHECK_OK(zk_many_prove(s.g, &s.t, &set, (rows)s.commitment, 0, (rows)s.blind, random_bytes, s.proof));
    CHECK_OK(zk_many_verify(s.g, &s.u, &set, (rows)s.commitment, vl_span(s.proof, zk_many_size(N - 1))));
    end(&s, zk_many_size(N - 1), "a14552b603e13aa3");
}

static struct zk_cs *circuit(struct scene *s, struct transcript *t, bool prover) {
    struct zk_cs *cs = zk_cs_create(s->g, t, prover);
    struct zk_lc v[2];
    CHECK(cs != NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct zk_opening o = { s->v[i], zk_of_bytes(s->blind[i]) };
        v[i] = zk_lc_var(zk_cs_commit(cs, s->commitment[i], prover ? &o : NULL));
    }
    struct zk_lc is = zk_gadget_at_least(cs, &v[1], &v[0], 4);
    zk_gadget_true(cs, &is);
    return cs;
}

TEST(zk_format, of_a_circuit_stays) {
    struct scene s;
    begin(&s);
    struct zk_cs *cs = circuit(&s, &s.t, true);
    CHECK_OK(zk_cs_prove(cs, random_bytes, s.proof));
    size_t n = zk_cs_proof_size(zk_cs_gates(cs));
    zk_cs_destroy(cs);
    cs = circuit(&s, &s.u, false);
    CHECK_OK(zk_cs_verify(cs, vl_span(s.proof, n)));
    zk_cs_destroy(cs);
    end(&s, n, "2c227aa6a91c7b04");
}

TEST(zk_format, of_a_range_stays) {
    struct scene s;
    begin(&s);
    uint8_t commitment[1][32];
    const uint64_t v = 200;
    CHECK_OK(zk_range_prove(s.g, &s.t, &v, (rows)s.blind, 1, 8, random_bytes, commitment, s.proof));
    CHECK_OK(zk_range_verify(s.g, &s.u, (rows)commitment, 1, 8, vl_span(s.proof, zk_range_size(8, 1))));
    end(&s, zk_range_size(8, 1), "280e47521039396b");
}
