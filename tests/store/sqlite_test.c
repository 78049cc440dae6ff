#include "store/sqlite.h"
#include "store/migrate.h"
#include "store/sqlite_sql.h"

#include "check.h"
#include "help.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[DIR_MAX]; /* of the test that runs */

static void begin(void) { scratch_dir(dir); }

static struct store *open_store(void) {
    struct store *s = NULL;
    struct vl_errmsg msg = { "" };
    enum vl_err err = store_sqlite_open(dir, &s, &msg);
    CHECK_STR("", msg.text);
    CHECK_OK(err);
    return s;
}

static enum vl_err open_refused(struct vl_errmsg *msg) {
    struct store *s = NULL;
    enum vl_err err = store_sqlite_open(dir, &s, msg);
    CHECK(s == NULL);
    return err;
}

static sqlite3 *open_raw(void) {
    sqlite3 *db = NULL;
    CHECK_EQ(SQLITE_OK, sqlite3_open(path_in(dir, "store.db"), &db));
    return db;
}

static void run_raw(sqlite3 *db, const char *sql) { CHECK_EQ(SQLITE_OK, sqlite3_exec(db, sql, NULL, NULL, NULL)); }

static int64_t ask_raw(sqlite3 *db, const char *sql) {
    sqlite3_stmt *st = NULL;
    CHECK_EQ(SQLITE_OK, sqlite3_prepare_v2(db, sql, -1, &st, NULL));
    CHECK_EQ(SQLITE_ROW, sqlite3_step(st));
    int64_t n = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return n;
}

TEST(sqlite_file, keeps_everything_over_a_reopen) {
    begin();
    struct store *s = open_store();
    struct store_batch *b = store_batch_create();
    put_meta(b, "a", "1");
    for (int i = 0; i < 5; i++) store_batch_append(b, STORE_STREAM_FOG, vl_span_str("event"));
    store_batch_snapshot(b, STORE_STREAM_FOG, 3, vl_span_str("three"));
    CHECK_OK(store_submit(s, b, NULL, NULL));
    store_close(s); /* commits, though nobody waited */
    CHECK(access(path_in(dir, "store.db-wal"), F_OK) != 0);
    s = open_store();
    CHECK_STR("1", get_meta(s, "a"));
    CHECK_EQ(2, count_events(s, STORE_STREAM_FOG, 0));
    struct outcome o = { 0 };
    b = store_batch_create();
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str("sixth"));
    CHECK_OK(store_submit(s, b, note, &o));
    store_flush(s);
    CHECK_EQ(6, o.seqs[0]);
    b = store_batch_create();
    store_batch_snapshot(b, STORE_STREAM_FOG, 2, vl_span_str("two"));
    CHECK_EQ(VL_ESTALE, commit(s, b));
    store_close(s);
    remove_dir(dir);
}

TEST(sqlite_file, is_readable_by_its_owner_only) {
    begin();
    mode_t old = umask(0);
    struct store *s = open_store();
    struct store_batch *b = store_batch_create();
    put_meta(b, "a", "1");
    CHECK_OK(commit(s, b));
    static const char *const names[] = { "store.db", "store.db-wal", "store.db-shm", "store.lock" };
    for (size_t i = 0; i < 4; i++) {
        struct stat st;
        CHECK_OK(stat(path_in(dir, names[i]), &st));
        CHECK_EQ(0600, st.st_mode & 0777);
    }
    (void)umask(old);
    store_close(s);
    remove_dir(dir);
}

TEST(sqlite_file, is_opened_by_one_store_at_a_time) {
    begin();
    struct vl_errmsg msg = { "" };
    struct store *s = open_store();
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    CHECK_EQ(VL_EBUSY, open_refused(&msg));
    CHECK(strstr(msg.text, pid) != NULL);
    store_close(s);
    store_close(open_store());
    remove_dir(dir);
}

TEST(sqlite_file, of_another_program_is_refused_and_left_as_it_was) {
    begin();
    sqlite3 *db = open_raw();
    run_raw(db, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
    (void)sqlite3_close(db);
    struct vl_errmsg msg = { "" };
    CHECK_EQ(VL_EVERSION, open_refused(&msg));
    CHECK(strstr(msg.text, "another program") != NULL);
    db = open_raw();
    CHECK_EQ(1, ask_raw(db, "SELECT count(*) FROM sqlite_schema"));
    (void)sqlite3_close(db);
    int fd = open(path_in(dir, "store.db"), O_WRONLY | O_TRUNC);
    CHECK_EQ(27, write(fd, "this is no database, really", 27));
    (void)close(fd);
    CHECK_EQ(VL_ECORRUPT, open_refused(&msg));
    remove_dir(dir);
}

TEST(sqlite_file, of_a_newer_program_is_refused) {
    begin();
    store_close(open_store());
    sqlite3 *db = open_raw();
    char sql[64];
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version=%zu", store_migrations_n + 1);
    run_raw(db, sql);
    (void)sqlite3_close(db);
    struct vl_errmsg msg = { "" };
    CHECK_EQ(VL_EVERSION, open_refused(&msg));
    CHECK(strstr(msg.text, "newer program") != NULL);
    remove_dir(dir);
}

TEST(sqlite_file, in_a_place_that_cannot_be_is_refused_with_its_name) {
    struct store *s = NULL;
    struct vl_errmsg msg = { "" };
    CHECK_EQ(VL_EIO, store_sqlite_open("/nonexistent/deeper", &s, &msg));
    CHECK(strstr(msg.text, "/nonexistent/deeper") != NULL);
    char *path = malloc(5001);
    CHECK(path != NULL);
    memset(path, 'x', 5000);
    path[5000] = 0;
    CHECK_EQ(VL_ERANGE, store_sqlite_open(path, &s, NULL));
    free(path);
    CHECK_EQ(VL_ERANGE, store_sqlite_open("", &s, NULL));
    CHECK(s == NULL);
}

/* --- schema ---------------------------------------------------------------------------------------------------- */

static void check_columns(sqlite3 *db, const struct store_info *t) {
    char sql[128];
    sqlite3_stmt *st = NULL;
    (void)snprintf(sql, sizeof sql, "PRAGMA table_xinfo(%s)", t->name);
    CHECK_EQ(SQLITE_OK, sqlite3_prepare_v2(db, sql, -1, &st, NULL));
    static const char *const types[] = { "?", "INTEGER", "TEXT", "BLOB" };
    for (int i = 0; i < t->n_columns; i++) {
        CHECK_EQ(SQLITE_ROW, sqlite3_step(st));
        CHECK_STR(t->columns[i].name, (const char *)sqlite3_column_text(st, 1));
        CHECK_STR(types[t->columns[i].type], (const char *)sqlite3_column_text(st, 2));
        CHECK_EQ(t->columns[i].kind != STORE_KIND_MAYBE, sqlite3_column_int(st, 3));
        CHECK_EQ(t->columns[i].kind == STORE_KIND_KEY ? i + 1 : 0, sqlite3_column_int(st, 5));
        CHECK_EQ(i < t->n_keys, t->columns[i].kind == STORE_KIND_KEY);
    }
    CHECK_EQ(SQLITE_DONE, sqlite3_step(st));
    (void)sqlite3_finalize(st);
}

static void check_index(sqlite3 *db, const struct store_info *t, unsigned index) {
    char sql[160];
    sqlite3_stmt *st = NULL;
    uint8_t order[STORE_ORDER_MAX];
    size_t n = store_order(t, index, order);
    CHECK(t->columns[order[0]].kind != STORE_KIND_MAYBE);
    (void)snprintf(sql, sizeof sql, "SELECT name FROM pragma_index_info('%s_by_%s') ORDER BY seqno", t->name,
                   t->columns[order[0]].name);
    CHECK_EQ(SQLITE_OK, sqlite3_prepare_v2(db, sql, -1, &st, NULL));
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(SQLITE_ROW, sqlite3_step(st));
        CHECK_STR(t->columns[order[i]].name, (const char *)sqlite3_column_text(st, 0));
    }
    CHECK_EQ(SQLITE_DONE, sqlite3_step(st));
    (void)sqlite3_finalize(st);
}

TEST(migrations, make_exactly_the_catalogue) {
    begin();
    store_close(open_store());
    sqlite3 *db = open_raw();
    int indexes = 0;
    for (unsigned i = 0; i < STORE_TABLE_COUNT; i++) {
        const struct store_info *t = store_info((enum store_table)i);
        CHECK(t->n_keys >= 1 && t->n_keys <= STORE_KEYS_MAX);
        check_columns(db, t);
        for (unsigned k = 1; k < t->n_indexes; k++) check_index(db, t, k);
        indexes += t->n_indexes - 1;
    }
    /* and nothing else: the list of migrations is the one table more */
    CHECK_EQ(STORE_TABLE_COUNT + 1, ask_raw(db, "SELECT count(*) FROM sqlite_schema WHERE type='table'"));
    CHECK_EQ(indexes, ask_raw(db, "SELECT count(*) FROM sqlite_schema WHERE type='index' AND sql IS NOT NULL"));
    CHECK_EQ(STORE_TABLE_COUNT + 1,
             ask_raw(db, "SELECT count(*) FROM pragma_table_list WHERE strict AND schema='main'"));
    (void)sqlite3_close(db);
    remove_dir(dir);
}

TEST(migrations, are_refused_when_an_old_one_was_altered) {
    static const struct store_migration first[] = { { "one", "CREATE TABLE a(x INTEGER) STRICT" } };
    static const struct store_migration altered[] = { { "one", "CREATE TABLE a(x INTEGER, y INTEGER) STRICT" } };
    static const struct store_migration more[] = { { "one", "CREATE TABLE a(x INTEGER) STRICT" },
                                                   { "two", "ALTER TABLE a ADD COLUMN z INTEGER" } };
    sqlite3 *db = NULL;
    struct vl_errmsg msg = { "" };
    CHECK_EQ(SQLITE_OK, sqlite3_open(":memory:", &db));
    CHECK_OK(store_migrate(db, first, 1, &msg));
    CHECK_OK(store_migrate(db, first, 1, &msg)); /* again: nothing to do */
    CHECK_EQ(VL_EVERSION, store_migrate(db, altered, 1, &msg));
    CHECK(strstr(msg.text, "migration 1 (one)") != NULL);
    CHECK_OK(store_migrate(db, more, 2, &msg));
    CHECK_EQ(2, ask_raw(db, "SELECT count(*) FROM pragma_table_info('a')"));
    CHECK_EQ(VL_EVERSION, store_migrate(db, first, 1, &msg)); /* never backward */
    run_raw(db, "DELETE FROM migrations WHERE number=1");
    CHECK_EQ(VL_ECORRUPT, store_migrate(db, more, 2, &msg));
    (void)sqlite3_close(db);
}

/* The whole of an older store comes over: each item as it was, in the order of its key. */
TEST(migrations, keep_the_items_of_an_older_store) {
    sqlite3 *db = NULL;
    struct vl_errmsg msg = { "" };
    CHECK_EQ(SQLITE_OK, sqlite3_open(":memory:", &db));
    CHECK_OK(store_migrate(db, store_migrations, store_migrations_n - 1, &msg));
    run_raw(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
                " INSERT INTO items SELECT i % 7, randomblob(32), i, 1000 + i, randomblob(i % 3000) FROM n");
    run_raw(db, "CREATE TABLE was AS SELECT * FROM items");
    CHECK_OK(store_migrate(db, store_migrations, store_migrations_n, &msg));
    CHECK_EQ(5000, ask_raw(db, "SELECT count(*) FROM items"));
    CHECK_EQ(0, ask_raw(db, "SELECT count(*) FROM (SELECT * FROM was EXCEPT SELECT * FROM items)"));
    CHECK_EQ(0, ask_raw(db, "SELECT count(*) FROM sqlite_schema WHERE name='items_by_key'"));
    (void)sqlite3_close(db);
}

TEST(migrations, leave_nothing_when_one_fails) {
    static const struct store_migration list[] = { { "one", "CREATE TABLE a(x INTEGER) STRICT" },
                                                   { "two", "CREATE TABLE b(x INTEGER) STRICT; CREATE TABLE a(x)" } };
    sqlite3 *db = NULL;
    struct vl_errmsg msg = { "" };
    CHECK_EQ(SQLITE_OK, sqlite3_open(":memory:", &db));
    CHECK(store_migrate(db, list, 2, &msg) != VL_OK);
    CHECK(strstr(msg.text, "migration 2 (two)") != NULL);
    CHECK_EQ(1, ask_raw(db, "PRAGMA user_version"));
    CHECK_EQ(0, ask_raw(db, "SELECT count(*) FROM sqlite_schema WHERE name='b'"));
    CHECK_EQ(1, sqlite3_get_autocommit(db));
    (void)sqlite3_close(db);
}

static bool plan_is_a_search(sqlite3 *db, const char *sql) {
    char text[4200];
    sqlite3_stmt *st = NULL;
    (void)snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", sql);
    CHECK_EQ(SQLITE_OK, sqlite3_prepare_v2(db, text, -1, &st, NULL));
    bool good = true;
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(st, 3);
        if (strstr(step, "TEMP B-TREE") != NULL) good = false;
    }
    (void)sqlite3_finalize(st);
    return good;
}

TEST(statements, never_sort_and_find_their_place_by_an_index) {
    begin();
    store_close(open_store());
    sqlite3 *db = open_raw();
    struct vl_buf sql;
    vl_buf_init(&sql, 4096);
    for (unsigned table = 0; table < STORE_TABLE_COUNT; table++) {
        const struct store_info *t = store_info((enum store_table)table);
        for (unsigned bits = 0; bits < t->n_indexes * 256u; bits++) {
            uint8_t order[STORE_ORDER_MAX];
            struct sql_scan_shape shape = { .table = (uint8_t)table,
                                            .index = (uint8_t)(bits >> 8),
                                            .descending = bits & 1,
                                            .inclusive = bits & 2,
                                            .n_prefix = bits >> 2 & 7,
                                            .n_from = bits >> 5 & 7 };
            size_t n = store_order(t, shape.index, order);
            if (shape.n_prefix > n || shape.n_from > n - shape.n_prefix) continue;
            vl_buf_clear(&sql);
            CHECK_OK(sql_scan(&sql, &shape));
            if (!plan_is_a_search(db, (const char *)sql.p)) print_message("# sorts: %s\n", (const char *)sql.p);
            CHECK(plan_is_a_search(db, (const char *)sql.p));
        }
        for (unsigned i = 0; i < t->n_indexes; i++) {
            vl_buf_clear(&sql);
            CHECK_OK(sql_delete_less(&sql, t, i));
            CHECK(plan_is_a_search(db, (const char *)sql.p));
        }
    }
    vl_buf_free(&sql);
    (void)sqlite3_close(db);
    remove_dir(dir);
}

/* --- the writer ------------------------------------------------------------------------------------------------ */

TEST(writer, puts_many_waiting_batches_into_one_commit) {
    begin();
    struct store *s = open_store();
    enum { N = 2000 };
    static struct store_batch *made[N];
    for (int i = 0; i < N; i++) put_meta(made[i] = store_batch_create(), "k", "v");
    sqlite3 *other = open_raw(); /* holds the writer up: on a busy machine it would else take each batch alone */
    run_raw(other, "BEGIN IMMEDIATE");
    for (int i = 0; i < N; i++) CHECK_OK(store_submit(s, made[i], NULL, NULL));
    run_raw(other, "ROLLBACK");
    CHECK_EQ(SQLITE_OK, sqlite3_close(other));
    store_flush(s);
    struct store_metrics m;
    store_metrics_get(s, &m);
    CHECK_EQ(N, m.batches);
    CHECK(m.commits >= N / STORE_GROUP_BATCHES); /* the group's limit holds */
    CHECK(m.commits <= N / 4);                   /* and most waited together */
    uint64_t commits = 0, acks = 0;
    for (int i = 0; i < STORE_LATENCY_BUCKETS; i++) {
        commits += m.commit_us[i];
        acks += m.ack_us[i];
    }
    CHECK_EQ(m.commits, commits);
    CHECK_EQ(m.batches, acks);
    store_close(s);
    remove_dir(dir);
}

TEST(writer, commits_a_lone_batch_without_waiting_for_company) {
    begin();
    struct store *s = open_store();
    for (int i = 0; i < 10; i++) {
        struct store_batch *b = store_batch_create();
        put_meta(b, "k", "v");
        CHECK_OK(commit(s, b));
    }
    struct store_metrics m;
    store_metrics_get(s, &m);
    CHECK_EQ(10, m.commits);
    store_close(s);
    remove_dir(dir);
}

TEST(writer, wakes_the_loop_through_its_descriptor) {
    begin();
    struct store *s = open_store();
    struct pollfd p = { .fd = store_wake_fd(s), .events = POLLIN };
    CHECK_EQ(0, poll(&p, 1, 0));
    struct store_batch *b = store_batch_create();
    put_meta(b, "k", "v");
    CHECK_OK(store_submit(s, b, NULL, NULL));
    CHECK_EQ(1, poll(&p, 1, 10000));
    CHECK_EQ(1, store_poll(s));
    CHECK_EQ(0, poll(&p, 1, 0));
    store_close(s);
    remove_dir(dir);
}

TEST(writer, keeps_the_wal_bounded_and_checkpoints_by_itself) {
    begin();
    struct store *s = open_store();
    static uint8_t big[32768];
    struct stat st;
    for (int i = 0; i < 600; i++) {
        memset(big, i, sizeof big); /* SQLite does not write what has not changed */
        struct store_batch *b = store_batch_create();
        store_batch_put(b, STORE_META, (struct store_value[]){ store_text("big"), store_blob(big, sizeof big) });
        CHECK_OK(commit(s, b));
    }
    CHECK_OK(stat(path_in(dir, "store.db-wal"), &st));
    CHECK(st.st_size < (6 << 20)); /* 19 MiB were written */
    struct store_metrics m;
    store_metrics_get(s, &m);
    CHECK(m.checkpoints >= 2);
    store_close(s);
    remove_dir(dir);
}

TEST(writer, empties_the_wal_while_its_owner_looks_at_a_row) {
    begin();
    struct store *s = open_store();
    static uint8_t big[32768];
    struct stat st;
    struct store_value key = store_text("big");
    struct store_row row;
    for (int i = 0; i < 600; i++) {
        memset(big, i, sizeof big);
        struct store_batch *b = store_batch_create();
        store_batch_put(b, STORE_META, (struct store_value[]){ key, store_blob(big, sizeof big) });
        if (i > 0) CHECK_OK(store_get(s, STORE_META, &key, &row)); /* borrowed while the writer commits */
        CHECK_OK(commit(s, b));
    }
    CHECK_OK(stat(path_in(dir, "store.db-wal"), &st));
    CHECK(st.st_size < (6 << 20));
    store_close(s);
    remove_dir(dir);
}

TEST(writer, removes_the_log_below_a_snapshot_little_by_little) {
    begin();
    struct store *s = open_store();
    for (int i = 0; i < 3; i++) {
        struct store_batch *b = store_batch_create();
        for (int k = 0; k < 2000; k++) store_batch_append(b, STORE_STREAM_FOG, vl_span_str("event"));
        CHECK_OK(commit(s, b));
    }
    struct store_batch *b = store_batch_create();
    store_batch_snapshot(b, STORE_STREAM_FOG, 5500, vl_span_str("state"));
    CHECK_OK(commit(s, b));
    CHECK_EQ(500, count_events(s, STORE_STREAM_FOG, 0));
    /* The writer trims between the groups that follow, 1,024 each. */
    for (int i = 0; i < 12; i++) {
        b = store_batch_create();
        put_meta(b, "k", "v");
        CHECK_OK(commit(s, b));
    }
    store_close(s);
    sqlite3 *db = open_raw();
    CHECK_EQ(5501, ask_raw(db, "SELECT min(seq) FROM log"));
    (void)sqlite3_close(db);
    remove_dir(dir);
}

TEST(writer, takes_up_trimming_again_after_a_restart) {
    begin();
    struct store *s = open_store();
    struct store_batch *b = store_batch_create();
    for (int k = 0; k < 3000; k++) store_batch_append(b, STORE_STREAM_FOG, vl_span_str("event"));
    store_batch_snapshot(b, STORE_STREAM_FOG, 2999, vl_span_str("state"));
    CHECK_OK(store_submit(s, b, NULL, NULL));
    store_close(s); /* at most one slice was trimmed */
    s = open_store();
    CHECK_EQ(1, count_events(s, STORE_STREAM_FOG, 0));
    for (int i = 0; i < 8; i++) {
        b = store_batch_create();
        put_meta(b, "k", "v");
        CHECK_OK(commit(s, b));
    }
    store_close(s);
    sqlite3 *db = open_raw();
    CHECK_EQ(3000, ask_raw(db, "SELECT min(seq) FROM log"));
    (void)sqlite3_close(db);
    remove_dir(dir);
}

/* --- backup and damage ----------------------------------------------------------------------------------------- */

TEST(backup, is_a_whole_store_though_writing_went_on) {
    begin();
    char copy[600];
    (void)snprintf(copy, sizeof copy, "%s/copy", dir);
    struct store *s = open_store();
    static uint8_t big[4096];
    for (int64_t i = 0; i < 1000; i++) {
        struct store_batch *b = store_batch_create();
        store_batch_put(b, STORE_TOPOLOGY, (struct store_value[]){ store_int(i), store_blob(big, sizeof big) });
        CHECK_OK(store_submit(s, b, NULL, NULL));
    }
    struct outcome o = { 0 }, second = { 0 };
    CHECK_OK(mkdir(copy, 0700));
    char file[700];
    (void)snprintf(file, sizeof file, "%s/store.db", copy);
    CHECK_OK(store_backup(s, file, note, &o));
    CHECK_EQ(VL_EBUSY, store_backup(s, file, note, &second));
    for (int64_t i = 1000; i < 1200; i++) {
        struct store_batch *b = store_batch_create();
        store_batch_put(b, STORE_TOPOLOGY, (struct store_value[]){ store_int(i), store_blob(big, sizeof big) });
        CHECK_OK(store_submit(s, b, NULL, NULL));
    }
    store_flush(s);
    CHECK_EQ(1, o.calls);
    CHECK_OK(o.err);
    CHECK_OK(store_backup(s, file, note, &second));
    store_flush(s);
    CHECK_EQ(VL_EEXISTS, second.err);
    CHECK_OK(store_backup(s, "/nonexistent/x", note, &second));
    store_flush(s);
    CHECK_EQ(VL_ENOTFOUND, second.err);
    store_close(s);
    struct vl_errmsg msg = { "" };
    CHECK_OK(store_sqlite_open(copy, &s, &msg));
    size_t n = count_rows(s, STORE_TOPOLOGY);
    CHECK(n >= 1000 && n <= 1200);
    CHECK(access(path_in(copy, "store.db.partial"), F_OK) != 0);
    store_close(s);
    remove_dir(copy);
    remove_dir(dir);
}

static void overwrite(const char *name, off_t at, const void *p, size_t n) {
    int fd = open(path_in(dir, name), O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK_EQ((ssize_t)n, pwrite(fd, p, n, at));
    (void)close(fd);
}

TEST(damage, is_found_when_opening_after_an_unclean_stop) {
    begin();
    struct store *s = open_store();
    for (uint8_t i = 0; i < 200; i++) {
        struct store_batch *b = store_batch_create();
        put_job(b, i, i);
        CHECK_OK(store_submit(s, b, NULL, NULL));
    }
    store_close(s);
    struct stat st;
    CHECK_OK(stat(path_in(dir, "store.db"), &st));
    uint8_t junk[64];
    memset(junk, 0xa5, sizeof junk);
    for (off_t page = 2; page < st.st_size / 4096; page++) overwrite("store.db", page * 4096, junk, sizeof junk);
    overwrite("store.db-wal", 0, "x", 1); /* a WAL was left behind: nobody closed the store */
    struct vl_errmsg msg = { "" };
    CHECK_EQ(VL_ECORRUPT, open_refused(&msg));
    CHECK(strstr(msg.text, "damaged") != NULL);
    CHECK(strstr(msg.text, "restore a backup") != NULL);
    remove_dir(dir);
}

TEST(damage, met_while_reading_ends_the_scan_with_an_error) {
    begin();
    struct store *s = open_store();
    for (uint8_t i = 0; i < 200; i++) {
        struct store_batch *b = store_batch_create();
        put_job(b, i, i);
        CHECK_OK(store_submit(s, b, NULL, NULL));
    }
    store_close(s);
    sqlite3 *db = open_raw();
    int64_t root = ask_raw(db, "SELECT rootpage FROM sqlite_schema WHERE name='jobs'");
    (void)sqlite3_close(db);
    uint8_t junk[64];
    memset(junk, 0xa5, sizeof junk);
    overwrite("store.db", (root - 1) * 4096, junk, sizeof junk);
    s = open_store(); /* after a clean stop the file is not searched */
    struct store_query q = { .table = STORE_JOBS, .limit = 300 };
    struct store_iter *it = NULL;
    struct store_row r;
    enum vl_err err = store_scan(s, &q, &it);
    if (err == VL_OK) {
        CHECK(!store_next(it, &r));
        err = store_end(it);
    }
    CHECK_EQ(VL_ECORRUPT, err);
    CHECK_STR("-", get_meta(s, "other tables still answer"));
    struct store_batch *b = store_batch_create();
    put_job(b, 1, 1);
    CHECK_EQ(VL_ECORRUPT, commit(s, b));
    store_close(s);
    remove_dir(dir);
}

TEST(damage, of_one_bit_in_an_event_or_a_snapshot_is_not_replayed) {
    begin();
    struct store *s = open_store();
    struct store_batch *b = store_batch_create();
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str("first"));
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str("event"));
    store_batch_snapshot(b, STORE_STREAM_AUDIT, 0, vl_span_str("state"));
    CHECK_OK(commit(s, b));
    store_close(s);
    sqlite3 *db = open_raw();
    run_raw(
        db,
        "UPDATE log SET payload=CAST('evenu' AS BLOB) WHERE seq=2; UPDATE snapshots SET bytes=CAST('statf' AS BLOB)");
    (void)sqlite3_close(db);
    s = open_store();
    struct store_log *l = NULL;
    struct store_event e;
    uint64_t seq;
    struct vl_span bytes;
    CHECK_OK(store_log_read(s, STORE_STREAM_FOG, 0, 10, &l));
    CHECK(store_log_next(l, &e));
    CHECK(!store_log_next(l, &e));
    CHECK_EQ(VL_ECORRUPT, store_log_end(l));
    CHECK_EQ(VL_ECORRUPT, store_snapshot_get(s, STORE_STREAM_AUDIT, &seq, &bytes));
    store_close(s);
    db = open_raw();
    run_raw(db, "DELETE FROM log WHERE seq=1");
    (void)sqlite3_close(db);
    s = open_store();
    CHECK_EQ(SIZE_MAX, count_events(s, STORE_STREAM_FOG, 0)); /* a gap */
    store_close(s);
    remove_dir(dir);
}

TEST(library, version_tells_whether_it_has_the_wal_reset_fix) {
    CHECK_STR(sqlite3_libversion(), store_sqlite_version());
    CHECK_EQ(sqlite3_libversion_number() >= 3051003, store_sqlite_has_wal_fix());
}
