/* A witness: what it cosigns, what it refuses, and that a restart changes neither.  The coordinator is the test, with its key. */
#include "brain/priv.h"

#include "base/text.h"
#include "crypto/cosign.h"
#include "crypto/dh.h"
#include "crypto/random.h"
#include "trust/merkle_log.h"
#include "trust/signing.h"
#include "wire/witness.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1795896000000ull

struct witnessing {
    struct brain *b;
    struct crypto_sign_key root, coordinator;
    uint8_t cert[CERT_BYTES_MAX];
    size_t cert_n;
    vl_ms now;
    uint8_t seen[256]; /* the row, as it would be on the disk */
    size_t seen_n;
    unsigned forks; /* rows */
    char note[256];
    struct merkle_log log; /* of the coordinator: small, all its nodes are open or made again */
    uint8_t other;         /* mixed into leaves from here on: another past */
};

static struct crypto_sign_key key_of(uint8_t n) {
    struct crypto_sign_key k;
    uint8_t seed[32] = { n, 0x55 };
    crypto_sign_key_from_seed(seed, &k);
    return k;
}

static void begin(struct witnessing *w) {
    struct brain_config cfg = { .sign_seed = { 3, 0x55 }, .static_secret = { 9 }, .seed = { 7 }, .boot_epoch = 1, .name = "w", .coordinator_addr = "127.0.0.1:1",
                                .certificate = vl_span(w->cert, w->cert_n) };
    memcpy(cfg.root_key, w->root.public, 32);
    CHECK_OK(brain_create(&cfg, w->now, &w->b));
    w->b->coordinator = crypto_sign_node_id(&w->coordinator);
    if (w->seen_n > 0)
        CHECK_OK(brain_restore(w->b, w->now, &(struct record){ .kind = RECORD_ITEM, .state = ITEM_WITNESS, .number = 0, .bytes = vl_span(w->seen, w->seen_n) }));
}

static struct witnessing *witnessing(void) {
    struct witnessing *w = calloc(1, sizeof *w);
    struct crypto_sign_key own;
    struct crypto_dh_key dh;
    CHECK_OK(crypto_init());
    w->root = key_of(1), w->coordinator = key_of(2), own = key_of(3);
    crypto_dh_key_from_seed((uint8_t[32]){ 9 }, &dh);
    struct cert c = { .node = crypto_sign_node_id(&own), .serial = 1, .issued_ms = NOW - 1000, .expires_ms = NOW + 86400000, .roles = CERT_WORKER, .name = "w" };
    memcpy(c.static_key, dh.public, 32);
    CHECK_OK(cert_sign(&w->root, &c));
    CHECK_OK(cert_encode(&c, w->cert, sizeof w->cert, &w->cert_n));
    w->now = NOW;
    begin(w);
    return w;
}

static void witnessing_free(struct witnessing *w) {
    brain_destroy(w->b);
    free(w);
}

/* What the brain wants: rows are kept, and the disk is fast. */
static void drain(struct witnessing *w) {
    struct brain_effect e;
    while (brain_next_effect(w->b, &e)) {
        if (e.kind == BRAIN_NOTE && e.detail) snprintf(w->note, sizeof w->note, "%s", e.detail);
        if (e.kind != BRAIN_COMMIT) continue;
        for (size_t i = 0; i < e.records_n; i++) {
            const struct record *r = &e.records[i];
            if (r->kind != RECORD_ITEM) continue;
            if (r->state == ITEM_FORK) w->forks++;
            if (r->state == ITEM_WITNESS && r->number == 0) {
                CHECK(r->bytes.n <= sizeof w->seen);
                memcpy(w->seen, r->bytes.p, r->bytes.n);
                w->seen_n = r->bytes.n;
            }
        }
        brain_committed(w->b, w->now, e.seq);
    }
}

static struct vl_hash log_to(struct witnessing *w, uint8_t size) {
    struct merkle_tile full[MERKLE_LEVELS];
    uint32_t n;
    merkle_log_init(&w->log);
    for (uint8_t i = 0; i < size; i++) {
        uint8_t leaf[2] = { i, w->other };
        struct vl_hash h = merkle_leaf(vl_span(leaf, 2));
        CHECK_OK(merkle_log_append(&w->log, &h, full, &n));
    }
    return merkle_log_root(&w->log);
}

/* A head of `size` leaves, with a proof from `from` (0: none), as the coordinator would send it. */
static void show_from(struct witnessing *w, uint8_t size, uint8_t from, const struct crypto_sign_key *key) {
    struct merkle_checkpoint c = { .size = size, .root = log_to(w, size), .time_ms = w->now };
    char text[MERKLE_CHECKPOINT_MAX], village[33];
    struct witness_head m = { .old_size = from };
    struct merkle_plan plan;
    struct vl_hash node[MERKLE_PLAN_MAX];
    struct vl_buf out;
    uint8_t id[16];
    brain_village_id(w->b, id);
    vl_hex_encode(id, 16, village);
    snprintf(c.origin, sizeof c.origin, "village.%s/receipts", village);
    CHECK_OK(merkle_checkpoint_sign(&c, key, text));
    m.text = vl_span_str(text);
    if (from > 0 && from <= size) {
        CHECK_OK(merkle_consistency_plan(from, size, &plan));
        for (uint32_t i = 0; i < plan.n; i++) CHECK(merkle_log_node(&w->log, plan.at[i].height, plan.at[i].index, &node[i]));
        merkle_plan_fold(&plan, node, m.proof);
        m.n = plan.items;
    }
    vl_buf_init(&out, 4096);
    CHECK_OK(witness_head_encode(&m, &out));
    step_begin(w->b, w->now);
    witness_head(w->b, vl_span(out.p, out.len));
    step_end(w->b);
    vl_buf_free(&out);
    drain(w);
}
static void show(struct witnessing *w, uint8_t size, uint8_t from) { show_from(w, size, from, &w->coordinator); }

static void expect_at(struct witnessing *w, uint64_t cosigned, uint64_t size, uint64_t forks) {
    struct brain_counters c;
    struct brain_witness_view v;
    brain_counters(w->b, &c);
    brain_witness_view(w->b, &v);
    CHECK_EQ(cosigned, c.cosigned);
    CHECK_EQ(size, v.seen_size);
    CHECK_EQ(forks, c.witness_forks);
    CHECK_EQ(forks > 0, v.fork);
}

TEST(witness, cosigns_what_follows_from_what_it_saw_and_asks_for_the_proof_that_it_needs) {
    struct witnessing *w = witnessing();
    show(w, 3, 0); /* the first one is taken as it is */
    expect_at(w, 1, 3, 0);
    show(w, 7, 0); /* without a proof: asked for, not cosigned */
    expect_at(w, 1, 3, 0);
    show(w, 7, 2); /* from another size than it is at */
    expect_at(w, 1, 3, 0);
    show(w, 7, 3);
    expect_at(w, 2, 7, 0);
    show(w, 7, 0); /* the same again */
    expect_at(w, 3, 7, 0);
    CHECK_STR("", w->note);
    witnessing_free(w);
}

TEST(witness, refuses_a_forged_fork_whatever_its_size_and_says_so) {
    struct witnessing *w = witnessing();
    show(w, 7, 0);
    w->other = 1; /* the same coordinator shows another past */
    show(w, 9, 7);
    expect_at(w, 1, 7, 1);
    CHECK(strstr(w->note, "contradicts the one it showed before") != NULL);
    w->now += 1000;
    show(w, 7, 0);
    expect_at(w, 1, 7, 2);
    show(w, 5, 0); /* shorter, and signed later */
    expect_at(w, 1, 7, 3);
    CHECK(w->forks >= 2);
    w->other = 0;
    show(w, 8, 7); /* the true one goes on */
    struct brain_counters c;
    brain_counters(w->b, &c);
    CHECK_EQ(2, c.cosigned);
    witnessing_free(w);
}

TEST(witness, remembers_over_a_restart_what_it_saw) {
    struct witnessing *w = witnessing();
    show(w, 7, 0);
    brain_destroy(w->b);
    begin(w);
    w->other = 1;
    show(w, 7, 0);
    expect_at(w, 0, 7, 1);
    brain_destroy(w->b);
    begin(w); /* and that it saw a fork */
    struct brain_witness_view v;
    brain_witness_view(w->b, &v);
    CHECK(v.fork);
    CHECK_EQ(7, v.seen_size);
    witnessing_free(w);
}

TEST(witness, takes_heads_of_its_coordinator_and_village_only_and_none_from_the_future) {
    struct witnessing *w = witnessing();
    struct crypto_sign_key stranger = key_of(8);
    struct brain_counters c;
    show_from(w, 7, 0, &stranger);
    expect_at(w, 0, 0, 0);
    w->now += 3600000;
    vl_ms later = w->now;
    show(w, 7, 0);
    expect_at(w, 1, 7, 0);
    w->now = later - 1000; /* one that was overtaken on its way */
    show(w, 3, 0);
    expect_at(w, 1, 7, 0);
    step_begin(w->b, later);
    witness_head(w->b, vl_span_str("noise"));
    step_end(w->b);
    brain_counters(w->b, &c);
    CHECK_EQ(2, c.messages_bad);
    witnessing_free(w);
}
