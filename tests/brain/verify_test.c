/* One coordinator that runs its own tasks, and its records: the log of receipts and who is how credible come back as they were. */
#include "brain/brain.h"
#include "crypto/hash.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 4096 };

struct desk {
    struct brain *brain;
    vl_ms now;
    struct record row[ROWS]; /* the newest of each item, and the log; bytes are owned */
    uint32_t rows, tasks_run, replies;
    enum vl_err reply;
    uint8_t head[4096];
    size_t head_n;
    bool crash; /* commits stay undone from now on */
};

static void keep(struct desk *d, const struct record *r) {
    if (r->kind != RECORD_ITEM && r->kind != RECORD_LOG) return;
    struct record *at = &d->row[d->rows];
    for (uint32_t i = 0; r->kind == RECORD_ITEM && i < d->rows; i++)
        if (d->row[i].kind == RECORD_ITEM && d->row[i].state == r->state && d->row[i].number == r->number &&
            memcmp(d->row[i].key, r->key, 32) == 0)
            at = &d->row[i];
    if (at == &d->row[d->rows]) {
        CHECK(d->rows < ROWS);
        d->rows++;
    } else {
        free((void *)(uintptr_t)at->bytes.p);
    }
    *at = *r;
    uint8_t *p = malloc(r->bytes.n ? r->bytes.n : 1);
    CHECK(p != NULL);
    if (r->bytes.n) memcpy(p, r->bytes.p, r->bytes.n);
    at->bytes = vl_span(p, r->bytes.n);
}

static void pump(struct desk *d) {
    struct brain_effect e;
    while (brain_next_effect(d->brain, &e)) {
        struct task_output out = { .name = vl_span_str("stdout"), .size = 2, .inline_bytes = vl_span_str("ok") };
        crypto_blake2b256(out.inline_bytes, &out.hash);
        switch ((int)e.kind) {
        case BRAIN_COMMIT:
            if (d->crash) break;
            for (size_t i = 0; i < e.records_n; i++) keep(d, &e.records[i]);
            brain_committed(d->brain, d->now, e.seq);
            break;
        case BRAIN_TASK_RUN:
            d->tasks_run++;
            brain_task_started(d->brain, d->now, e.task);
            brain_task_ended(d->brain, d->now, &(struct brain_task_end){ .task = e.task, .outcome = TASK_DONE, .outputs = &out, .outputs_n = 1 });
            break;
        case BRAIN_BLOB_FIND:
            brain_blob_found(d->brain, d->now, e.hash, true, 1, 0);
            break;
        case BRAIN_REPLY:
            d->replies++;
            d->reply = e.err;
            d->head_n = e.bytes.n < sizeof d->head ? e.bytes.n : 0;
            if (d->head_n) memcpy(d->head, e.bytes.p, d->head_n);
            break;
        }
    }
}

static void open_desk(struct desk *d, bool coordinator) {
    struct brain_config cfg = { .coordinator = coordinator, .name = "head", .boot_epoch = 1, .caps = { .slots = 2, .memory_bytes = 1ull << 40,
                                .disk_bytes = 1ull << 40, .cpus = 2, .features = NODE_FEATURE_WASM | NODE_FEATURE_NATIVE } };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    CHECK_OK(brain_create(&cfg, d->now, &d->brain));
    for (int kind = 0; kind < ITEM_VIEWS; kind++) /* in the order of the store: kind, then number; the log last */
        for (uint64_t number = 0; number < 64; number++)
            for (uint32_t i = 0; i < d->rows; i++)
                if (d->row[i].kind == RECORD_ITEM && !d->row[i].remove && d->row[i].state == kind && d->row[i].number == number)
                    CHECK_OK(brain_restore(d->brain, d->now, &d->row[i]));
    for (uint32_t i = 0; i < d->rows; i++)
        if (d->row[i].kind == RECORD_LOG) CHECK_OK(brain_restore(d->brain, d->now, &d->row[i]));
    brain_start(d->brain, d->now);
    brain_runner_ready(d->brain, d->now, NODE_FEATURE_WASM | NODE_FEATURE_NATIVE);
    pump(d);
}

static void close_desk(struct desk *d) {
    brain_destroy(d->brain);
    for (uint32_t i = 0; i < d->rows; i++) free((void *)(uintptr_t)d->row[i].bytes.p);
    free(d);
}

static void run_job(struct desk *d, uint32_t n) {
    struct job_spec s;
    struct vl_job_id id = { { 1 } };
    vl_put_u32(id.b + 4, n);
    job_spec_defaults(&s);
    s.kind = TASK_NATIVE;
    s.command = vl_span_str("/bin/true");
    brain_submit_job(d->brain, d->now, 1, id, &s, 0, NULL);
    pump(d);
    for (uint32_t i = 0; i < 20 && d->tasks_run <= n; i++) {
        d->now += 1000;
        brain_tick(d->brain, d->now);
        pump(d);
    }
    CHECK_EQ(n + 1, d->tasks_run);
}

static struct merkle_checkpoint head_of(struct desk *d) {
    struct merkle_checkpoint c;
    static struct merkle_log log;
    char text[MERKLE_CHECKPOINT_MAX];
    brain_log_head(d->brain, d->now, 2);
    pump(d);
    CHECK_OK(d->reply);
    CHECK_OK(brain_log_head_open(vl_span(d->head, d->head_n), brain_node_id(d->brain), &c, text, &log));
    struct vl_hash root = merkle_log_root(&log);
    CHECK(vl_hash_eq(root, c.root));
    return c;
}

TEST(verify, the_log_of_receipts_comes_back_as_it_was_at_every_length) {
    struct desk *d = calloc(1, sizeof *d);
    CHECK(d != NULL);
    d->now = 1700000000000;
    open_desk(d, true);
    for (uint32_t n = 0; n < 40; n++) { /* over two full tiles */
        run_job(d, n);
        struct merkle_checkpoint before = head_of(d);
        CHECK_EQ(n + 1, before.size);
        if (n % 3 != 0 && n % 16 < 14) continue;
        brain_destroy(d->brain);
        open_desk(d, true);
        struct merkle_checkpoint after = head_of(d);
        CHECK_EQ(before.size, after.size);
        CHECK(vl_hash_eq(before.root, after.root));
    }
    uint32_t leaves = 0, tiles = 0;
    for (uint32_t i = 0; i < d->rows; i++) {
        leaves += d->row[i].kind == RECORD_ITEM && d->row[i].state == ITEM_LEAF;
        tiles += d->row[i].kind == RECORD_ITEM && d->row[i].state == ITEM_TILE;
    }
    CHECK_EQ(40, leaves);
    CHECK_EQ(2, tiles);
    close_desk(d);
}

TEST(verify, a_head_is_not_given_out_before_what_it_covers_is_durable) {
    struct desk *d = calloc(1, sizeof *d);
    CHECK(d != NULL);
    d->now = 1700000000000;
    open_desk(d, true);
    run_job(d, 0);
    uint32_t replies = d->replies;
    d->crash = true; /* the disk is slow */
    struct vl_job_id id = { { 9 } };
    struct job_spec s;
    job_spec_defaults(&s);
    s.kind = TASK_NATIVE;
    s.command = vl_span_str("/bin/true");
    brain_submit_job(d->brain, d->now, 1, id, &s, 0, NULL);
    brain_log_head(d->brain, d->now, 2);
    pump(d);
    CHECK_EQ(replies, d->replies);
    close_desk(d);
}

TEST(verify, a_member_has_no_log) {
    struct desk *d = calloc(1, sizeof *d);
    CHECK(d != NULL);
    d->now = 1700000000000;
    open_desk(d, false);
    brain_log_head(d->brain, d->now, 2);
    pump(d);
    CHECK_EQ(VL_EUNSUPPORTED, d->reply);
    close_desk(d);
}
