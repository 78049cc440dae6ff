/* What every driver promises; each sentence runs on all of them. */
#include "store/mem.h"
#include "store/sqlite.h"

#include "check.h"
#include "help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_mem(void (*body)(struct store *s)) {
    struct store *s = NULL;
    CHECK_OK(store_mem_open(&s));
    body(s);
    store_close(s);
}

static void on_sqlite(void (*body)(struct store *s)) {
    struct store *s = NULL;
    struct vl_errmsg msg = { "" };
    char dir[DIR_MAX];
    scratch_dir(dir);
    enum vl_err err = store_sqlite_open(dir, &s, &msg);
    CHECK_STR("", msg.text);
    CHECK_OK(err);
    body(s);
    store_close(s);
    remove_dir(dir);
}

#define CONTRACT(sentence)                                                                                             \
    static void sentence##_body(struct store *s);                                                                      \
    TEST(mem, sentence) { on_mem(sentence##_body); }                                                                   \
    TEST(sqlite, sentence) { on_sqlite(sentence##_body); }                                                             \
    static void sentence##_body(struct store *s)

CONTRACT(applies_all_of_a_batch_or_nothing) {
    struct store_batch *b = store_batch_create();
    put_meta(b, "a", "1");
    insert_meta(b, "b", "1");
    CHECK_OK(commit(s, b));
    b = store_batch_create();
    put_meta(b, "a", "2");
    put_meta(b, "new", "x");
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str("event"));
    store_batch_delete(b, STORE_META, (struct store_value[]){ store_text("a") }, 1);
    insert_meta(b, "b", "2");
    CHECK_EQ(VL_EEXISTS, commit(s, b));
    CHECK_STR("1", get_meta(s, "a"));
    CHECK_STR("1", get_meta(s, "b"));
    CHECK_STR("-", get_meta(s, "new"));
    CHECK_EQ(0, count_events(s, STORE_STREAM_FOG, 0));
}

CONTRACT(does_not_let_a_refused_batch_harm_the_others_of_its_group) {
    enum { N = 60 };
    struct outcome o[N] = { 0 };
    for (int i = 0; i < N; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i % 50);
        struct store_batch *b = store_batch_create();
        store_batch_append(b, STORE_STREAM_FOG, vl_span_str(key));
        insert_meta(b, key, "v");
        CHECK_OK(store_submit(s, b, note, &o[i]));
    }
    store_flush(s);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(1, o[i].calls);
        CHECK_EQ(i < 50 ? VL_OK : VL_EEXISTS, o[i].err);
        CHECK_EQ(i < 50 ? 1 : 0, o[i].n_seqs);
        if (i < 50) CHECK_EQ(i + 1, o[i].seqs[0]);
    }
    CHECK_EQ(50, count_rows(s, STORE_META));
    CHECK_EQ(50, count_events(s, STORE_STREAM_FOG, 0));
}

CONTRACT(commits_and_reports_in_the_order_of_submission) {
    enum { N = 500 };
    static struct outcome o[N];
    memset(o, 0, sizeof o);
    for (int i = 0; i < N; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        struct store_batch *b = store_batch_create();
        put_meta(b, "last", text);
        store_batch_append(b, STORE_STREAM_FOG, vl_span_str(text));
        CHECK_OK(store_submit(s, b, note, &o[i]));
    }
    store_flush(s);
    for (int i = 0; i < N; i++) {
        CHECK_OK(o[i].err);
        CHECK_EQ(i + 1, o[i].seqs[0]);
        if (i > 0) CHECK_EQ(o[i - 1].order + 1, o[i].order);
    }
    CHECK_STR("499", get_meta(s, "last"));
    CHECK_EQ(N, count_events(s, STORE_STREAM_FOG, 0));
}

CONTRACT(reports_from_poll_only_and_exactly_once) {
    struct outcome o = { 0 };
    struct store_batch *b = store_batch_create();
    put_meta(b, "a", "1");
    CHECK_OK(store_submit(s, b, note, &o));
    CHECK_EQ(0, o.calls);
    CHECK_EQ(1, store_pending(s));
    store_flush(s);
    CHECK_EQ(1, o.calls);
    CHECK_EQ(0, store_pending(s));
    CHECK_EQ(0, store_poll(s));
    b = store_batch_create();
    put_meta(b, "a", "2");
    CHECK_OK(store_submit(s, b, NULL, NULL));
    store_flush(s);
    CHECK_STR("2", get_meta(s, "a"));
}

struct chain {
    struct store *s;
    int left;
    char seen[64];
};
static void chain_next(void *arg, const struct store_result *r) {
    struct chain *c = arg;
    CHECK_OK(r->err);
    (void)snprintf(c->seen, sizeof c->seen, "%s", get_meta(c->s, "n"));
    if (--c->left == 0) return;
    struct store_batch *b = store_batch_create();
    char text[16];
    (void)snprintf(text, sizeof text, "%d", c->left);
    put_meta(b, "n", text);
    CHECK_OK(store_submit(c->s, b, chain_next, c));
}

CONTRACT(lets_an_outcome_read_what_was_committed_and_submit_more) {
    struct chain c = { .s = s, .left = 5 };
    struct store_batch *b = store_batch_create();
    put_meta(b, "n", "5");
    CHECK_OK(store_submit(s, b, chain_next, &c));
    for (int i = 5; i > 0; i--) {
        char want[16];
        (void)snprintf(want, sizeof want, "%d", i);
        store_flush(s);
        CHECK_STR(want, c.seen);
        CHECK_EQ(i - 1, c.left);
    }
    CHECK_EQ(0, store_pending(s));
}

CONTRACT(numbers_events_of_each_stream_from_1_without_gaps) {
    struct outcome o = { 0 };
    struct store_batch *b = store_batch_create();
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str("a"));
    store_batch_append(b, STORE_STREAM_DELIVERY, vl_span_str("b"));
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str(""));
    store_batch_append(b, STORE_STREAMS_MAX - 1, vl_span_str("d"));
    CHECK_OK(store_submit(s, b, note, &o));
    store_flush(s);
    CHECK_EQ(4, o.n_seqs);
    CHECK_EQ(1, o.seqs[0]);
    CHECK_EQ(1, o.seqs[1]);
    CHECK_EQ(2, o.seqs[2]);
    CHECK_EQ(1, o.seqs[3]);
    struct store_log *l = NULL;
    struct store_event e;
    CHECK_OK(store_log_read(s, STORE_STREAM_FOG, 1, 10, &l));
    CHECK(store_log_next(l, &e));
    CHECK_EQ(2, e.seq);
    CHECK_EQ(0, e.payload.n);
    CHECK(!store_log_next(l, &e));
    CHECK_OK(store_log_end(l));
    CHECK_OK(store_log_read(s, STORE_STREAM_FOG, 0, 1, &l)); /* the limit is exact */
    CHECK(store_log_next(l, &e));
    CHECK_MEM("a", e.payload.p, 1);
    CHECK(!store_log_next(l, &e));
    CHECK_OK(store_log_end(l));
    CHECK_EQ(0, count_events(s, STORE_STREAM_FOG, 2));
    CHECK_EQ(0, count_events(s, STORE_STREAM_AUDIT, 0));
}

static enum vl_err take_snapshot(struct store *s, uint64_t up_to, const char *bytes) {
    struct store_batch *b = store_batch_create();
    store_batch_snapshot(b, STORE_STREAM_FOG, up_to, vl_span_str(bytes));
    return commit(s, b);
}

CONTRACT(replaces_the_log_below_a_snapshot) {
    uint64_t seq = 99;
    struct vl_span bytes;
    CHECK_EQ(VL_ENOTFOUND, store_snapshot_get(s, STORE_STREAM_FOG, &seq, &bytes));
    CHECK_EQ(99, seq);
    struct store_batch *b = store_batch_create();
    for (int i = 0; i < 10; i++) store_batch_append(b, STORE_STREAM_FOG, vl_span_str("event"));
    store_batch_append(b, STORE_STREAM_AUDIT, vl_span_str("other"));
    CHECK_OK(commit(s, b));
    CHECK_EQ(VL_ERANGE, take_snapshot(s, 11, "too far"));
    CHECK_OK(take_snapshot(s, 4, "four"));
    CHECK_OK(store_snapshot_get(s, STORE_STREAM_FOG, &seq, &bytes));
    CHECK_EQ(4, seq);
    CHECK_EQ(4, bytes.n);
    CHECK_MEM("four", bytes.p, 4);
    CHECK_EQ(6, count_events(s, STORE_STREAM_FOG, 0));
    CHECK_EQ(3, count_events(s, STORE_STREAM_FOG, 7));
    CHECK_EQ(1, count_events(s, STORE_STREAM_AUDIT, 0));
    CHECK_EQ(VL_ESTALE, take_snapshot(s, 3, "older"));
    CHECK_OK(take_snapshot(s, 4, "again"));
    b = store_batch_create();
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str("eleventh"));
    store_batch_snapshot(b, STORE_STREAM_FOG, STORE_SEQ_HEAD, vl_span_str(""));
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str("twelfth"));
    CHECK_OK(commit(s, b));
    CHECK_OK(store_snapshot_get(s, STORE_STREAM_FOG, &seq, &bytes));
    CHECK_EQ(11, seq);
    CHECK_EQ(0, bytes.n);
    CHECK_EQ(1, count_events(s, STORE_STREAM_FOG, 0));
    CHECK_EQ(VL_ENOTFOUND, store_snapshot_get(s, STORE_STREAM_AUDIT, &seq, &bytes));
}

CONTRACT(keeps_the_next_number_when_a_snapshot_empties_the_log) {
    struct outcome o = { 0 };
    struct store_batch *b = store_batch_create();
    for (int i = 0; i < 3; i++) store_batch_append(b, STORE_STREAM_FOG, vl_span_str("event"));
    store_batch_snapshot(b, STORE_STREAM_FOG, STORE_SEQ_HEAD, vl_span_str("state"));
    CHECK_OK(commit(s, b));
    CHECK_EQ(0, count_events(s, STORE_STREAM_FOG, 0));
    b = store_batch_create();
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str("event"));
    CHECK_OK(store_submit(s, b, note, &o));
    store_flush(s);
    CHECK_EQ(4, o.seqs[0]);
}

CONTRACT(puts_replaces_inserts_and_deletes_rows) {
    struct store_batch *b = store_batch_create();
    put_job(b, 1, 5);
    put_job(b, 1, 6);
    put_job(b, 2, 5);
    CHECK_OK(commit(s, b));
    struct store_value five = store_int(5), six = store_int(6);
    struct store_query q = { .table = STORE_JOBS, .index = STORE_JOBS_BY_STATE, .n_prefix = 1, .limit = 10 };
    q.prefix = &five;
    CHECK_STR("2", scan_jobs(s, &q)); /* the old state has left the index */
    q.prefix = &six;
    CHECK_STR("1", scan_jobs(s, &q));
    b = store_batch_create();
    uint8_t id[16] = { 1 };
    store_batch_delete(b, STORE_JOBS, (struct store_value[]){ store_blob(id, 16) }, 1);
    store_batch_delete(b, STORE_JOBS, (struct store_value[]){ store_blob(id, 15) }, 1); /* not there: no error */
    CHECK_OK(commit(s, b));
    CHECK_STR("", scan_jobs(s, &q));
    CHECK_EQ(1, count_rows(s, STORE_JOBS));
}

static void put_task(struct store_batch *b, uint8_t job, int64_t idx, bool placed) {
    uint8_t id[16] = { job };
    store_batch_put(
        b, STORE_TASKS,
        (struct store_value[STORE_TASKS_COLUMNS]){ [STORE_TASKS_JOB] = store_blob(id, 16),
                                                   [STORE_TASKS_IDX] = store_int(idx),
                                                   [STORE_TASKS_STATE] = store_int(1),
                                                   [STORE_TASKS_NODE] = placed ? store_blob("node", 4) : store_null(),
                                                   [STORE_TASKS_RECORD] = store_blob("", 0) });
}

CONTRACT(deletes_all_rows_under_the_first_part_of_a_key) {
    struct store_batch *b = store_batch_create();
    for (int64_t i = -2; i < 5; i++) {
        put_task(b, 1, i, false);
        put_task(b, 2, i, true);
        put_task(b, 3, i, false);
    }
    CHECK_OK(commit(s, b));
    b = store_batch_create();
    uint8_t id[16] = { 2 };
    store_batch_delete(b, STORE_TASKS, (struct store_value[]){ store_blob(id, 16) }, 1);
    CHECK_OK(commit(s, b));
    CHECK_EQ(14, count_rows(s, STORE_TASKS));
    struct store_row r;
    CHECK_EQ(VL_ENOTFOUND, store_get(s, STORE_TASKS, (struct store_value[]){ store_blob(id, 16), store_int(0) }, &r));
    id[0] = 3;
    CHECK_OK(store_get(s, STORE_TASKS, (struct store_value[]){ store_blob(id, 16), store_int(-2) }, &r));
}

CONTRACT(deletes_the_lowest_rows_below_a_bound_and_no_more_than_asked) {
    struct store_batch *b = store_batch_create();
    for (uint8_t i = 0; i < 10; i++) {
        uint8_t id[16] = { (uint8_t)(100 - i) };
        store_batch_put(b, STORE_INBOX,
                        (struct store_value[STORE_INBOX_COLUMNS]){
                            [STORE_INBOX_ID] = store_blob(id, 16), [STORE_INBOX_SEEN_MS] = store_int(i) });
    }
    CHECK_OK(commit(s, b));
    b = store_batch_create();
    store_batch_delete_less(b, STORE_INBOX, STORE_INBOX_BY_SEEN_MS, store_int(5), 3);
    CHECK_OK(commit(s, b));
    CHECK_EQ(7, count_rows(s, STORE_INBOX));
    uint8_t id[16] = { 97 }; /* seen at 3: the lowest that is left */
    struct store_row r;
    CHECK_OK(store_get(s, STORE_INBOX, (struct store_value[]){ store_blob(id, 16) }, &r));
    CHECK_EQ(3, store_row_int(&r, STORE_INBOX_SEEN_MS));
    b = store_batch_create();
    store_batch_delete_less(b, STORE_INBOX, STORE_INBOX_BY_SEEN_MS, store_int(5), STORE_SCAN_MAX);
    CHECK_OK(commit(s, b));
    CHECK_EQ(5, count_rows(s, STORE_INBOX)); /* 5 itself stays */
    for (int64_t t = 1; t <= 4; t++) {
        b = store_batch_create();
        store_batch_put(b, STORE_TOPOLOGY,
                        (struct store_value[STORE_TOPOLOGY_COLUMNS]){ store_int(t), store_blob("x", 1) });
        CHECK_OK(commit(s, b));
    }
    b = store_batch_create();
    store_batch_delete_less(b, STORE_TOPOLOGY, STORE_TOPOLOGY_BY_KEY, store_int(3), 100);
    CHECK_OK(commit(s, b));
    CHECK_EQ(2, count_rows(s, STORE_TOPOLOGY));
}

CONTRACT(scans_pages_by_filter_and_cursor_in_both_directions) {
    struct store_batch *b = store_batch_create();
    for (uint8_t i = 1; i <= 9; i++) put_job(b, i, i % 3);
    CHECK_OK(commit(s, b));
    struct store_value zero = store_int(0);
    uint8_t id[16] = { 6 };
    struct store_value six = store_blob(id, 16);
    struct store_query q = { .table = STORE_JOBS, .limit = 4 };
    CHECK_STR("1 2 3 4", scan_jobs(s, &q));
    q.descending = true;
    CHECK_STR("9 8 7 6", scan_jobs(s, &q));
    q.from = &six;
    q.n_from = 1;
    CHECK_STR("5 4 3 2", scan_jobs(s, &q));
    q.inclusive = true;
    CHECK_STR("6 5 4 3", scan_jobs(s, &q));
    q = (struct store_query){ .table = STORE_JOBS,
                              .index = STORE_JOBS_BY_STATE,
                              .prefix = &zero,
                              .n_prefix = 1,
                              .descending = true,
                              .limit = 10 };
    CHECK_STR("9 6 3", scan_jobs(s, &q));
    q.from = &six;
    q.n_from = 1;
    CHECK_STR("3", scan_jobs(s, &q));
    q.descending = false;
    CHECK_STR("9", scan_jobs(s, &q));
    q = (struct store_query){ .table = STORE_JOBS, .index = STORE_JOBS_BY_STATE, .limit = 10 };
    CHECK_STR("3 6 9 1 4 7 2 5 8", scan_jobs(s, &q));
    struct store_value cursor[2] = { store_int(1), store_blob(id, 16) };
    q.from = cursor;
    q.n_from = 2;
    CHECK_STR("7 2 5 8", scan_jobs(s, &q));
    q.n_from = 1; /* past the whole of state 1 */
    CHECK_STR("2 5 8", scan_jobs(s, &q));
    q.inclusive = true;
    CHECK_STR("1 4 7 2 5 8", scan_jobs(s, &q));
    q.descending = true;
    CHECK_STR("7 4 1 9 6 3", scan_jobs(s, &q));
    struct store_value exact[2] = { store_int(0), store_blob(id, 16) };
    q = (struct store_query){
        .table = STORE_JOBS, .index = STORE_JOBS_BY_STATE, .prefix = exact, .n_prefix = 2, .limit = 10
    };
    CHECK_STR("6", scan_jobs(s, &q)); /* a filter on all columns */
}

CONTRACT(refuses_queries_that_do_not_fit_the_table) {
    struct store_value text = store_text("x"), n = store_int(1);
    struct store_iter *it = NULL;
    struct store_query q = { .table = STORE_JOBS, .limit = 0 };
    CHECK_EQ(VL_ERANGE, store_scan(s, &q, &it));
    q.limit = STORE_SCAN_MAX + 1;
    CHECK_EQ(VL_ERANGE, store_scan(s, &q, &it));
    q = (struct store_query){ .table = STORE_JOBS, .index = STORE_JOBS_INDEXES, .limit = 1 };
    CHECK_EQ(VL_ERANGE, store_scan(s, &q, &it));
    q = (struct store_query){ .table = STORE_JOBS, .from = &text, .n_from = 1, .limit = 1 };
    CHECK_EQ(VL_ERANGE, store_scan(s, &q, &it));
    q = (struct store_query){
        .table = STORE_JOBS, .index = STORE_JOBS_BY_STATE, .prefix = &n, .n_prefix = 3, .limit = 1
    };
    CHECK_EQ(VL_ERANGE, store_scan(s, &q, &it));
    q = (struct store_query){ .table = STORE_LOG, .limit = 1 };
    CHECK_EQ(VL_ERANGE, store_scan(s, &q, &it));
    q = (struct store_query){ .table = STORE_TABLE_COUNT, .limit = 1 };
    CHECK_EQ(VL_ERANGE, store_scan(s, &q, &it));
    CHECK(it == NULL);
    struct store_row r;
    CHECK_EQ(VL_ERANGE, store_get(s, STORE_JOBS, &text, &r));
    CHECK_EQ(VL_ERANGE, store_get(s, STORE_SNAPSHOTS, &n, &r));
}

CONTRACT(serves_several_iterators_and_gets_at_a_time) {
    struct store_batch *b = store_batch_create();
    for (uint8_t i = 1; i <= 3; i++) put_job(b, i, 0);
    put_meta(b, "a", "1");
    CHECK_OK(commit(s, b));
    struct store_query q = { .table = STORE_JOBS, .limit = 3 };
    enum { N = 40 }; /* more than a driver keeps prepared */
    struct store_iter *it[N];
    struct store_row r;
    for (int i = 0; i < N; i++) CHECK_OK(store_scan(s, &q, &it[i]));
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < N; i++) {
            CHECK(store_next(it[i], &r));
            CHECK_EQ(round, store_row_blob(&r, STORE_JOBS_ID).p[0]);
        }
        CHECK_STR("1", get_meta(s, "a"));
    }
    for (int i = 0; i < N; i++) {
        CHECK(!store_next(it[i], &r));
        CHECK_OK(store_end(it[i]));
    }
}

CONTRACT(gives_values_back_as_they_were) {
    static uint8_t big[300000];
    for (size_t i = 0; i < sizeof big; i++) big[i] = (uint8_t)(i * 7);
    struct store_value row[STORE_NODES_COLUMNS] = {
        [STORE_NODES_ID] = store_blob("\0\xff\0", 3), [STORE_NODES_NAME] = store_text("Zo\xc3\xab \xf0\x9f\x8f\xa1"),
        [STORE_NODES_STATE] = store_int(INT64_MIN),   [STORE_NODES_JOINED_MS] = store_int(INT64_MAX),
        [STORE_NODES_SEEN_MS] = store_int(0),         [STORE_NODES_RECORD] = store_blob(big, sizeof big),
    };
    struct store_batch *b = store_batch_create();
    store_batch_put(b, STORE_NODES, row);
    row[STORE_NODES_ID] = store_blob(NULL, 0);
    row[STORE_NODES_NAME] = store_text("");
    row[STORE_NODES_RECORD] = store_blob(NULL, 0);
    store_batch_put(b, STORE_NODES, row);
    put_task(b, 1, 1, false);
    put_task(b, 1, 2, true);
    CHECK_OK(commit(s, b));
    struct store_row r;
    struct store_value key = store_blob("\0\xff\0", 3);
    CHECK_OK(store_get(s, STORE_NODES, &key, &r));
    CHECK_STR("Zo\xc3\xab \xf0\x9f\x8f\xa1", store_row_text(&r, STORE_NODES_NAME));
    CHECK_EQ(INT64_MIN, store_row_int(&r, STORE_NODES_STATE));
    CHECK_EQ(INT64_MAX, store_row_int(&r, STORE_NODES_JOINED_MS));
    CHECK_EQ(sizeof big, store_row_blob(&r, STORE_NODES_RECORD).n);
    CHECK_MEM(big, store_row_blob(&r, STORE_NODES_RECORD).p, sizeof big);
    key = store_blob(NULL, 0);
    CHECK_OK(store_get(s, STORE_NODES, &key, &r));
    CHECK_STR("", store_row_text(&r, STORE_NODES_NAME));
    CHECK_EQ(0, store_row_blob(&r, STORE_NODES_RECORD).n);
    CHECK(!store_row_is_null(&r, STORE_NODES_RECORD));
    uint8_t id[16] = { 1 };
    CHECK_OK(store_get(s, STORE_TASKS, (struct store_value[]){ store_blob(id, 16), store_int(1) }, &r));
    CHECK(store_row_is_null(&r, STORE_TASKS_NODE));
    CHECK_EQ(VL_ECORRUPT, store_row_bytes(&r, STORE_TASKS_NODE, id, 4));
    CHECK_OK(store_get(s, STORE_TASKS, (struct store_value[]){ store_blob(id, 16), store_int(2) }, &r));
    CHECK_OK(store_row_bytes(&r, STORE_TASKS_NODE, id, 4));
    CHECK_MEM("node", id, 4);
    CHECK_EQ(VL_ECORRUPT, store_row_bytes(&r, STORE_TASKS_NODE, id, 3));
}

static enum vl_err submit_meta(struct store *s, struct store_value key, struct store_value value) {
    struct store_batch *b = store_batch_create();
    store_batch_put(b, STORE_META, (struct store_value[]){ key, value });
    put_meta(b, "after", "x"); /* the first error sticks */
    return store_submit(s, b, NULL, NULL);
}

CONTRACT(refuses_values_that_do_not_fit_their_column) {
    struct store_value ok = store_text("k"), v = store_blob("v", 1);
    static const char *const bad[] = { "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "ab\xe2\x82", "\xff" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(VL_ERANGE, submit_meta(s, store_text(bad[i]), v));
    struct store_value nul = store_text("a.b");
    nul.s.p = (const uint8_t *)"a\0b";
    CHECK_EQ(VL_ERANGE, submit_meta(s, nul, v));
    CHECK_EQ(VL_ERANGE, submit_meta(s, store_blob("k", 1), v));
    CHECK_EQ(VL_ERANGE, submit_meta(s, store_null(), v));
    CHECK_EQ(VL_ERANGE, submit_meta(s, ok, store_int(1)));
    CHECK_EQ(VL_ERANGE, submit_meta(s, ok, store_null()));
    uint8_t *big = calloc(1, STORE_VALUE_MAX + 1);
    CHECK(big != NULL);
    CHECK_EQ(VL_ERANGE, submit_meta(s, ok, store_blob(big, STORE_VALUE_MAX + 1)));
    CHECK_OK(submit_meta(s, ok, store_blob(big, STORE_VALUE_MAX)));
    free(big);
    store_flush(s);
    CHECK_EQ(2, count_rows(s, STORE_META));
    struct store_batch *b = store_batch_create();
    store_batch_put(b, STORE_SNAPSHOTS, (struct store_value[STORE_SNAPSHOTS_COLUMNS]){ store_int(1) });
    CHECK_EQ(VL_ERANGE, store_submit(s, b, NULL, NULL));
    b = store_batch_create();
    store_batch_append(b, 0, v.s);
    CHECK_EQ(VL_ERANGE, store_submit(s, b, NULL, NULL));
    b = store_batch_create();
    store_batch_append(b, STORE_STREAMS_MAX, v.s);
    CHECK_EQ(VL_ERANGE, store_submit(s, b, NULL, NULL));
    b = store_batch_create();
    store_batch_delete(b, STORE_TASKS, &v, 0);
    CHECK_EQ(VL_ERANGE, store_submit(s, b, NULL, NULL));
    b = store_batch_create();
    store_batch_delete(b, STORE_META, (struct store_value[]){ ok, ok }, 2);
    CHECK_EQ(VL_ERANGE, store_submit(s, b, NULL, NULL));
    b = store_batch_create();
    store_batch_delete_less(b, STORE_INBOX, STORE_INBOX_BY_SEEN_MS, store_text("x"), 1);
    CHECK_EQ(VL_ERANGE, store_submit(s, b, NULL, NULL));
    CHECK_EQ(VL_ENOMEM, store_submit(s, NULL, NULL, NULL));
}

CONTRACT(takes_as_many_operations_as_it_says_and_not_one_more) {
    struct store_batch *b = store_batch_create();
    for (unsigned i = 0; i < STORE_BATCH_OPS; i++) put_meta(b, "k", "v");
    CHECK_OK(commit(s, b));
    b = store_batch_create();
    for (unsigned i = 0; i < STORE_BATCH_OPS + 1; i++) put_meta(b, "k", "v");
    CHECK_EQ(VL_ELIMIT, store_submit(s, b, NULL, NULL));
}

CONTRACT(refuses_a_batch_when_the_queue_is_full_and_takes_it_after_delivery) {
    CHECK_EQ(STORE_QUEUE_BATCHES, store_room(s));
    for (unsigned i = 0; i < STORE_QUEUE_BATCHES; i++) {
        struct store_batch *b = store_batch_create();
        put_meta(b, "k", "v");
        CHECK_OK(store_submit(s, b, NULL, NULL));
    }
    CHECK_EQ(0, store_room(s));
    struct store_batch *b = store_batch_create();
    put_meta(b, "k", "v");
    CHECK_EQ(VL_ELIMIT, store_submit(s, b, NULL, NULL));
    store_flush(s);
    CHECK_EQ(STORE_QUEUE_BATCHES, store_room(s));
    static uint8_t big[1 << 20];
    unsigned n = 0;
    for (; store_room(s) != 0; n++) {
        b = store_batch_create();
        store_batch_put(b, STORE_META, (struct store_value[]){ store_text("big"), store_blob(big, sizeof big) });
        CHECK_OK(store_submit(s, b, NULL, NULL));
    }
    CHECK_EQ(STORE_QUEUE_BYTES / sizeof big, n);
    store_flush(s);
    struct store_metrics m;
    store_metrics_get(s, &m);
    CHECK_EQ(1, m.refused);
    CHECK_EQ(STORE_QUEUE_BATCHES + n, m.batches);
}

CONTRACT(a_snapshot_larger_than_the_queue_leaves_room_for_what_comes_after_it) {
    static uint8_t book[STORE_QUEUE_BYTES + 1];
    struct store_batch *b = store_batch_create();
    store_batch_append(b, 1, vl_span_str("event"));
    store_batch_snapshot(b, 1, STORE_SEQ_HEAD, vl_span(book, sizeof book));
    CHECK_OK(store_submit(s, b, NULL, NULL));
    CHECK_EQ(STORE_QUEUE_BATCHES - 1, store_room(s));
    b = store_batch_create();
    put_meta(b, "k", "v");
    CHECK_OK(store_submit(s, b, NULL, NULL));
    store_flush(s);
    struct store_metrics m;
    store_metrics_get(s, &m);
    CHECK_EQ(0, m.queue_bytes);
    CHECK_EQ(0, m.refused);
}

CONTRACT(counts_what_it_did) {
    struct store_batch *b = store_batch_create();
    put_meta(b, "a", "1");
    put_meta(b, "b", "1");
    CHECK_OK(commit(s, b));
    b = store_batch_create();
    insert_meta(b, "a", "1");
    CHECK_EQ(VL_EEXISTS, commit(s, b));
    struct store_metrics m;
    store_metrics_get(s, &m);
    CHECK_EQ(1, m.batches);
    CHECK_EQ(1, m.commits);
    CHECK_EQ(2, m.rows);
    CHECK_EQ(1, m.failed[-VL_EEXISTS]);
    CHECK_EQ(0, m.queue_batches);
    CHECK_EQ(0, m.queue_bytes);
    CHECK(m.bytes > 0);
}

CONTRACT(closes_with_batches_in_flight_without_calling_back) {
    static struct outcome o;
    memset(&o, 0, sizeof o);
    for (int i = 0; i < 100; i++) {
        struct store_batch *b = store_batch_create();
        put_meta(b, "k", "v");
        CHECK_OK(store_submit(s, b, note, &o));
    }
    CHECK_EQ(0, o.calls);
}
