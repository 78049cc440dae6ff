#include "fog_help.h"

#include "fog/breaker.h"
#include "fog/order.h"
#include "fog/receipt.h"
#include "base/prng.h"

#include "check.h"

#include <string.h>

static struct sched_node free_node(uint32_t n, uint32_t slots) {
    return (struct sched_node){ .id = node_n(n),
                                .features = 3,
                                .slots = slots,
                                .free_slots = slots,
                                .memory_free = 100,
                                .disk_free = 100,
                                .memory_total = 100,
                                .disk_total = 100 };
}
static struct sched_task small_task(void) {
    return (struct sched_task){ .features = 1, .memory_bytes = 10, .disk_bytes = 10 };
}
static struct sched_task small_task_n(uint32_t n) {
    struct sched_task t = small_task();
    t.task = n; /* two entries for one task would be its replicas */
    return t;
}
static enum sched_reason reason_of(struct sched_node *nodes, uint32_t n, const struct sched_task *t) {
    struct sched_choice c;
    struct sched_state memory_of = { 0 };
    CHECK_OK(sched_place(sched_strategy_find("least_loaded"), &memory_of, nodes, n, t, 1, &c));
    return c.reason;
}

TEST(sched, least_loaded_fills_by_running_per_slot_and_breaks_ties_by_id) {
    struct sched_node nodes[3] = { free_node(0, 2), free_node(1, 4), free_node(2, 2) };
    struct sched_task t[9];
    for (uint32_t i = 0; i < 9; i++) t[i] = small_task_n(i);
    struct sched_choice c[9];
    struct sched_state memory_of = { 0 };
    CHECK_OK(sched_place(sched_strategy_find("least_loaded"), &memory_of, nodes, 3, t, 9, c));
    uint32_t want[] = { 0, 1, 2, 1, 0, 1, 2, 1 };
    for (int i = 0; i < 8; i++) CHECK_EQ(want[i], c[i].node);
    CHECK_EQ(SCHED_NO_SLOT, c[8].reason); /* the batch itself has filled them */
}

TEST(sched, round_robin_goes_on_where_the_last_batch_stopped_and_skips_what_does_not_fit) {
    struct sched_node nodes[4] = { free_node(0, 9), free_node(1, 9), free_node(2, 9), free_node(3, 9) };
    nodes[2].blocked = SCHED_MAINTENANCE;
    struct sched_task t[2] = { small_task_n(0), small_task_n(1) };
    struct sched_choice c[2];
    struct sched_state memory_of = { 0 };
    const struct sched_strategy *s = sched_strategy_find("round_robin");
    CHECK_OK(sched_place(s, &memory_of, nodes, 4, t, 2, c));
    CHECK_EQ(0, c[0].node);
    CHECK_EQ(1, c[1].node);
    CHECK_OK(sched_place(s, &memory_of, nodes, 4, t, 2, c));
    CHECK_EQ(3, c[0].node);
    CHECK_EQ(0, c[1].node);
}

TEST(sched, gives_the_furthest_reason_any_node_came_to) {
    struct sched_task t = small_task();
    struct sched_node n[2] = { free_node(0, 1), free_node(1, 1) };
    CHECK_EQ(SCHED_NO_NODES, reason_of(n, 0, &t));
    n[0].blocked = SCHED_OFFLINE;
    CHECK_EQ(SCHED_NO_READY, reason_of(n, 1, &t));
    n[1].features = 2;
    CHECK_EQ(SCHED_NO_FEATURE, reason_of(n, 2, &t));
    n[1].features = 3;
    t.memory_bytes = 101;
    CHECK_EQ(SCHED_TOO_LARGE, reason_of(n, 2, &t));
    t.memory_bytes = 100;
    n[1].memory_free = 99;
    CHECK_EQ(SCHED_NO_ROOM, reason_of(n, 2, &t));
    n[1].memory_free = 100;
    n[1].free_slots = 0;
    CHECK_EQ(SCHED_NO_SLOT, reason_of(n, 2, &t));
    n[1].free_slots = 1;
    t.avoid[t.n_avoid++] = (struct sched_avoid){ node_n(1), true };
    CHECK_EQ(SCHED_AVOIDED, reason_of(n, 2, &t));
    t.avoid[0].hard = false; /* failed there: better than nothing */
    CHECK_EQ(SCHED_PLACED, reason_of(n, 2, &t));
}

TEST(sched, node_where_it_failed_is_used_only_when_nothing_else_fits) {
    struct sched_node n[2] = { free_node(0, 4), free_node(1, 4) };
    n[1].running = 3;
    n[1].free_slots = 1;
    struct sched_task t[2] = { small_task_n(0), small_task_n(1) };
    for (int i = 0; i < 2; i++) t[i].avoid[t[i].n_avoid++] = (struct sched_avoid){ node_n(0), false };
    for (uint32_t k = 0; k < 11; k++) {
        struct sched_choice c[2];
        struct sched_state memory_of = { 0 };
        struct sched_node copy[2] = { n[0], n[1] };
        CHECK_OK(sched_place(sched_strategy_at(k), &memory_of, copy, 2, t, 2, c));
        CHECK_EQ(1, c[0].node);
        CHECK_EQ(0, c[1].node);
    }
}

TEST(sched, keeps_a_task_to_the_nodes_of_its_agreement) {
    struct sched_node n[3] = { free_node(0, 4), free_node(1, 1), free_node(2, 4) };
    struct sched_task t[2] = { small_task(), small_task() };
    struct sched_choice c[2];
    struct sched_state memory_of = { 0 };
    for (uint32_t i = 0; i < 2; i++) t[i].only[t[i].n_only++] = node_n(1);
    CHECK_OK(sched_place(sched_strategy_find("least_loaded"), &memory_of, n, 3, t, 2, c));
    CHECK_EQ(SCHED_PLACED, c[0].reason);
    CHECK_EQ(1, c[0].node);
    CHECK_EQ(SCHED_NO_SLOT, c[1].reason);
    t[0].only[0] = node_n(7);
    CHECK_EQ(SCHED_EXCLUDED, reason_of(n, 3, &t[0]));
    t[1].only[0] = node_n(2);
    for (uint32_t s = 0; sched_strategy_at(s); s++) { /* that one found no place says nothing of the other */
        struct sched_node fresh[3] = { free_node(0, 4), free_node(1, 1), free_node(2, 4) };
        struct sched_state memory = { 0 };
        CHECK_OK(sched_place(sched_strategy_at(s), &memory, fresh, 3, t, 2, c));
        CHECK_EQ(SCHED_EXCLUDED, c[0].reason);
        CHECK_EQ(SCHED_PLACED, c[1].reason);
        CHECK_EQ(2, c[1].node);
    }
}

TEST(sched, never_promises_more_than_a_node_has) {
    struct vl_prng rng;
    vl_prng_seed(&rng, 5);
    for (uint32_t round = 0; round < 200; round++) {
        struct sched_node n[20], before[20];
        struct sched_task t[60];
        struct sched_choice c[60];
        for (uint32_t i = 0; i < 20; i++) {
            n[i] = free_node(i, 1 + (uint32_t)vl_prng_below(&rng, 5));
            n[i].features = (uint32_t)vl_prng_below(&rng, 4);
            n[i].blocked = vl_prng_below(&rng, 6) == 0;
            before[i] = n[i];
        }
        for (uint32_t i = 0; i < 60; i++) {
            t[i] = small_task_n(i);
            t[i].features = 1u << vl_prng_below(&rng, 2);
            t[i].memory_bytes = vl_prng_below(&rng, 60);
        }
        struct sched_state memory_of = { 0 };
        CHECK_OK(sched_place(sched_strategy_at(round % 11), &memory_of, n, 20, t, 60, c));
        uint64_t memory[20] = { 0 }, disk[20] = { 0 };
        uint32_t count[20] = { 0 };
        for (uint32_t i = 0; i < 60; i++) {
            if (c[i].reason != SCHED_PLACED) continue;
            uint32_t x = c[i].node;
            CHECK(before[x].blocked == 0 && (before[x].features & t[i].features) == t[i].features);
            memory[x] += t[i].memory_bytes;
            disk[x] += t[i].disk_bytes;
            count[x]++;
        }
        for (uint32_t i = 0; i < 20; i++)
            CHECK(memory[i] <= 100 && disk[i] <= 100 && count[i] <= before[i].slots &&
                  n[i].memory_free == 100 - memory[i]);
        for (uint32_t i = 0; i < 60; i++) { /* refused: nothing that is left would take it */
            if (c[i].reason == SCHED_PLACED) continue;
            for (uint32_t x = 0; x < 20; x++)
                CHECK(n[x].blocked || (n[x].features & t[i].features) == 0 || n[x].free_slots == 0 ||
                      n[x].memory_free < t[i].memory_bytes || n[x].disk_free < 10);
        }
    }
}

TEST(sched, task_kept_off_by_its_replicas_does_not_keep_the_next_one_off) {
    struct sched_node n[1] = { free_node(0, 4) };
    struct sched_task t[2] = { small_task_n(0), small_task_n(1) };
    t[0].avoid[t[0].n_avoid++] = (struct sched_avoid){ node_n(0), true };
    for (uint32_t k = 0; k < 11; k++) {
        struct sched_choice c[2];
        struct sched_node copy[1] = { n[0] };
        struct sched_state memory_of = { 0 };
        CHECK_OK(sched_place(sched_strategy_at(k), &memory_of, copy, 1, t, 2, c));
        CHECK_EQ(SCHED_AVOIDED, c[0].reason);
        CHECK_EQ(SCHED_PLACED, c[1].reason);
    }
}

TEST(sched, refuses_nodes_out_of_order) {
    struct sched_node n[2] = { free_node(1, 1), free_node(0, 1) };
    struct sched_task t = small_task();
    struct sched_choice c = { .node = 77 };
    struct sched_state memory_of = { 0 };
    CHECK_EQ(VL_ERANGE, sched_place(sched_strategy_at(0), &memory_of, n, 2, &t, 1, &c));
    CHECK_EQ(77, c.node);
    CHECK(sched_strategy_find("none") == NULL && sched_strategy_at(11) == NULL);
}

TEST(breaker, opens_at_five_in_a_row_and_closes_after_a_good_probe) {
    struct breaker b = { 0 };
    for (int i = 0; i < 4; i++) CHECK(!breaker_result(&b, 100, false));
    CHECK(!breaker_result(&b, 100, true)); /* the row is broken */
    for (int i = 0; i < 4; i++) CHECK(!breaker_result(&b, 100, false));
    CHECK(breaker_result(&b, 100, false));
    CHECK(!breaker_allows(&b, 100 + BREAKER_WAIT_MS - 1));
    vl_ms probe = 100 + BREAKER_WAIT_MS;
    CHECK(breaker_allows(&b, probe));
    breaker_sent(&b, probe);
    CHECK(!breaker_allows(&b, probe)); /* one at a time */
    CHECK(breaker_result(&b, probe + 5, false));
    CHECK_EQ(BREAKER_OPEN, breaker_state(&b, probe + 4 + 2 * BREAKER_WAIT_MS)); /* doubled */
    CHECK_EQ(BREAKER_HALF_OPEN, breaker_state(&b, probe + 5 + 2 * BREAKER_WAIT_MS));
    CHECK(breaker_result(&b, probe + 5 + 2 * BREAKER_WAIT_MS, true));
    CHECK_EQ(BREAKER_CLOSED, breaker_state(&b, 0));
}

TEST(breaker, opens_at_ten_of_the_last_twenty_and_waits_ten_minutes_at_most) {
    struct breaker b = { 0 };
    for (int i = 0; i < 19; i++) CHECK(!breaker_result(&b, 1, i % 2 == 0)); /* 9 of 19 */
    CHECK(breaker_result(&b, 1, false));
    vl_ms now = 1;
    for (int i = 0; i < 8; i++) {
        now = b.until;
        CHECK(breaker_result(&b, now, false));
    }
    CHECK_EQ(BREAKER_WAIT_MAX_MS, b.until - now);
    CHECK(!breaker_result(&b, now, true)); /* a late result of before */
    CHECK_EQ(BREAKER_OPEN, breaker_state(&b, now));
}

TEST(order, walks_up_and_down_whatever_was_put_and_taken) {
    struct order o = { .seed = 4 };
    static struct order_node n[500];
    static bool in[500];
    memset(n, 0, sizeof n);
    memset(in, 0, sizeof in);
    struct vl_prng rng;
    vl_prng_seed(&rng, 8);
    for (uint32_t step = 0; step < 4000; step++) {
        uint32_t i = (uint32_t)vl_prng_below(&rng, 500);
        if (in[i])
            order_del(&o, &n[i]);
        else
            order_put(&o, &n[i], i / 10 + 1, i % 10);
        in[i] = !in[i];
        CHECK_EQ(in[i], order_find(&o, i / 10 + 1, i % 10) == &n[i]);
        if (step % 40 != 0) continue;
        struct order_node *at = order_first(&o);
        for (uint32_t k = 0; k < 500; k++) {
            if (!in[k]) continue;
            CHECK(at == &n[k]);
            struct order_node *next = order_above(&o, at->key[0], at->key[1]);
            CHECK(next == NULL || order_below(&o, next->key[0], next->key[1]) == at);
            at = next;
        }
        CHECK(at == NULL);
    }
}

static struct task_report signed_report(struct task_spec *spec, struct crypto_sign_key *key) {
    *spec = (struct task_spec){
        .kind = TASK_WASM, .name = vl_span_str("p"), .limits = { 1, 0, 1, 1, 1, 1 }, .n_inputs = 1
    };
    spec->program.b[0] = 1;
    spec->inputs[0] = (struct task_input){ .name = vl_span_str("in"), .size = 4 };
    uint8_t seed[32] = { 7 };
    crypto_sign_key_from_seed(seed, key);
    struct task_report r = report_of(job_n(1), 0, 1, TASK_DONE, 9);
    r.started_ms = 5;
    r.ended_ms = 6;
    r.has_receipt = true;
    r.receipt = (struct receipt){ .job = r.job,
                                  .epoch = 1,
                                  .started_ms = 5,
                                  .ended_ms = 6,
                                  .program = receipt_program(spec),
                                  .toolchain = receipt_toolchain(vl_span_str("wasm2c 1.0.32")),
                                  .input_root = receipt_input_root(spec),
                                  .output_root = receipt_output_root(r.outputs, r.n_outputs) };
    CHECK_OK(receipt_sign(&r.receipt, key));
    return r;
}

TEST(receipt, holds_for_the_run_it_was_signed_for_and_for_no_other) {
    struct task_spec spec;
    struct crypto_sign_key key;
    struct task_report r = signed_report(&spec, &key);
    struct vl_node_id me = crypto_sign_node_id(&key);
    CHECK_OK(receipt_check(&r, me, &spec));
    CHECK_EQ(VL_ECRYPTO, receipt_check(&r, node_n(1), &spec));
    struct task_report other = r;
    other.outputs[0].hash.b[5] ^= 1;
    CHECK_EQ(VL_ECRYPTO, receipt_check(&other, me, &spec));
    other = r;
    other.receipt.cpu_us = other.cpu_us = 1; /* metering after the fact */
    CHECK_EQ(VL_ECRYPTO, receipt_check(&other, me, &spec));
    struct task_spec elsewhere = spec;
    elsewhere.inputs[0].size++;
    CHECK_EQ(VL_ECRYPTO, receipt_check(&r, me, &elsewhere));
    other = r;
    other.has_receipt = false;
    CHECK_EQ(VL_ENOTFOUND, receipt_check(&other, me, &spec));
    crypto_sign_key_wipe(&key);
}

TEST(receipt, every_flipped_byte_breaks_the_signature) {
    struct task_spec spec;
    struct crypto_sign_key key;
    struct task_report r = signed_report(&spec, &key);
    struct vl_buf b;
    vl_buf_init(&b, 4096);
    CHECK_OK(receipt_encode(&r.receipt, &b));
    for (size_t i = 2; i < b.len; i++) {
        b.p[i] ^= 0x40;
        struct receipt back;
        if (receipt_decode(vl_span(b.p, b.len), &back) == VL_OK) CHECK_EQ(VL_ECRYPTO, receipt_verify(&back));
        b.p[i] ^= 0x40;
    }
    vl_buf_free(&b);
}

TEST(receipt, roots_ignore_the_order_of_files_and_stderr_but_nothing_else) {
    struct task_output o[3] = { { .name = vl_span_str("stdout"), .size = 1 },
                                { .name = vl_span_str("stderr"), .size = 2 },
                                { .name = vl_span_str("a"), .size = 3 } };
    struct vl_hash root = receipt_output_root(o, 3);
    struct task_output p[3] = { o[2], o[0], o[1] };
    p[2].size = 99;
    CHECK(vl_hash_eq(root, receipt_output_root(p, 3)));
    CHECK(!vl_hash_eq(root, receipt_output_root(p, 1)));
    struct task_spec in = { .n_inputs = 1, .inputs = { { .name = o[0].name, .hash = o[0].hash, .size = o[0].size } } };
    CHECK(!vl_hash_eq(receipt_input_root(&in), receipt_output_root(o, 1))); /* inputs never pass for outputs */
    p[0].size++;
    CHECK(!vl_hash_eq(root, receipt_output_root(p, 3)));
}
