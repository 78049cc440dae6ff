#include "store/mem.h"

#include "check.h"
#include "help.h"

#include <string.h>

static struct store *open_mem(void) {
    struct store *s = NULL;
    CHECK_OK(store_mem_open(&s));
    return s;
}

static void submit_meta(struct store *s, const char *key, struct outcome *o) {
    struct store_batch *b = store_batch_create();
    put_meta(b, key, "v");
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str(key));
    CHECK_OK(store_submit(s, b, note, o));
}

TEST(mem_sim, makes_nothing_durable_before_a_sync_point_when_manual) {
    struct store *s = open_mem();
    struct outcome o[3] = { 0 };
    store_mem_set_manual(s, true);
    submit_meta(s, "a", &o[0]);
    submit_meta(s, "b", &o[1]);
    submit_meta(s, "c", &o[2]);
    CHECK_EQ(0, store_poll(s));
    CHECK_STR("-", get_meta(s, "a"));
    CHECK_EQ(2, store_mem_sync(s, 2));
    CHECK_STR("v", get_meta(s, "b"));
    CHECK_EQ(0, o[0].calls);
    CHECK_EQ(2, store_poll(s));
    CHECK_EQ(1, o[0].calls);
    CHECK_EQ(1, o[1].calls);
    CHECK_EQ(0, o[2].calls);
    CHECK_EQ(1, store_pending(s));
    store_close(s);
}

TEST(mem_sim, loses_in_a_crash_exactly_what_was_not_synced) {
    struct store *s = open_mem();
    struct outcome o[3] = { 0 };
    store_mem_set_manual(s, true);
    submit_meta(s, "a", &o[0]);
    submit_meta(s, "b", &o[1]);
    submit_meta(s, "c", &o[2]);
    CHECK_EQ(1, store_mem_sync(s, 1));
    store_mem_crash(s);
    CHECK_EQ(0, store_pending(s));
    CHECK_EQ(0, store_poll(s));
    CHECK_EQ(0, o[0].calls + o[1].calls + o[2].calls);
    CHECK_STR("v", get_meta(s, "a"));
    CHECK_STR("-", get_meta(s, "b"));
    CHECK_EQ(1, count_events(s, STORE_STREAM_FOG, 0));
    submit_meta(s, "d", &o[0]);
    store_flush(s);
    CHECK_EQ(2, o[0].seqs[0]); /* the lost events' numbers are free again */
    store_close(s);
}

TEST(mem_sim, fails_all_that_was_submitted_before_the_owner_hears_of_a_fault) {
    struct store *s = open_mem();
    struct outcome o[4] = { 0 };
    store_mem_set_manual(s, true);
    submit_meta(s, "a", &o[0]);
    store_mem_sync(s, 1);
    store_mem_fail(s, VL_ENOSPC, 1);
    submit_meta(s, "b", &o[1]);
    submit_meta(s, "c", &o[2]);
    store_mem_sync(s, 1);
    submit_meta(s, "d", &o[3]); /* not told yet */
    store_mem_sync(s, 10);
    CHECK_EQ(4, store_poll(s));
    CHECK_OK(o[0].err);
    CHECK_EQ(VL_ENOSPC, o[1].err);
    CHECK_EQ(VL_ENOSPC, o[2].err);
    CHECK_EQ(VL_ENOSPC, o[3].err);
    submit_meta(s, "e", &o[1]);
    store_flush(s);
    CHECK_OK(o[1].err);
    CHECK_EQ(2, o[1].seqs[0]);
    CHECK_STR("-", get_meta(s, "c"));
    struct store_metrics m;
    store_metrics_get(s, &m);
    CHECK_EQ(3, m.failed[-VL_ENOSPC]);
    store_close(s);
}

TEST(mem_sim, is_small_and_gives_back_what_it_took) {
    struct store *s = open_mem();
    for (int round = 0; round < 3; round++) {
        struct store_batch *b = store_batch_create();
        for (uint8_t i = 0; i < 200; i++) put_job(b, i, i % 4);
        for (uint8_t i = 0; i < 200; i++) store_batch_append(b, STORE_STREAM_FOG, vl_span_str("an event of a job"));
        CHECK_OK(commit(s, b));
        CHECK(store_mem_bytes(s) > 0);
        CHECK(store_mem_bytes(s) < 200 * (400 + 300));
        b = store_batch_create();
        for (uint8_t i = 0; i < 200; i++) {
            uint8_t id[16] = { i };
            store_batch_delete(b, STORE_JOBS, (struct store_value[]){ store_blob(id, 16) }, 1);
        }
        store_batch_snapshot(b, STORE_STREAM_FOG, STORE_SEQ_HEAD, vl_span_str(""));
        CHECK_OK(commit(s, b));
        CHECK(store_mem_bytes(s) < 400); /* the snapshot's row */
    }
    store_close(s);
}
