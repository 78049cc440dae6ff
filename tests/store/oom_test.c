/* Every allocation of the store's own code refused once: the answer is VL_ENOMEM, nothing is half done, nothing leaks.
 * Linked with --wrap, which reaches our objects and not SQLite's. */
#include "store/mem.h"
#include "store/sqlite.h"

#include "check.h"
#include "help.h"

#include <stdlib.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t a, size_t b);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t a, size_t b);
void *__wrap_realloc(void *p, size_t n);

static int countdown; /* 0: off; 1: the next allocation fails; both threads count, one at a time */

static bool refuse(void) {
    int n = __atomic_load_n(&countdown, __ATOMIC_SEQ_CST);
    return n > 0 && __atomic_sub_fetch(&countdown, 1, __ATOMIC_SEQ_CST) == 0;
}
void *__wrap_malloc(size_t n) { return refuse() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t a, size_t b) { return refuse() ? NULL : __real_calloc(a, b); }
void *__wrap_realloc(void *p, size_t n) { return refuse() ? NULL : __real_realloc(p, n); }

static bool good_or_oom(enum vl_err err) {
    CHECK(err == VL_OK || err == VL_ENOMEM);
    return err == VL_OK;
}

/* A batch with a row, a large value, an event and a snapshot, then every way to read. */
static void live(struct store *s) {
    static uint8_t big[5000];
    struct outcome o = { .err = VL_ENOMEM };
    struct store_batch *b = store_batch_create();
    put_meta(b, "a", "1");
    store_batch_append(b, STORE_STREAM_FOG, vl_span(big, sizeof big));
    for (uint8_t i = 0; i < 30; i++) put_job(b, i, 0);
    store_batch_snapshot(b, STORE_STREAM_AUDIT, 0, vl_span_str("s"));
    if (good_or_oom(store_submit(s, b, note, &o))) store_flush(s);
    bool there = good_or_oom(o.err);
    struct store_query q = { .table = STORE_JOBS, .limit = 100 };
    struct store_iter *it = NULL;
    struct store_row r;
    struct store_value key = store_text("a");
    enum vl_err err = store_get(s, STORE_META, &key, &r);
    if (err != VL_ENOMEM) CHECK_EQ(there ? VL_OK : VL_ENOTFOUND, err);
    if (good_or_oom(store_scan(s, &q, &it))) {
        size_t n = 0;
        while (store_next(it, &r)) n++;
        CHECK_EQ(there ? 30 : 0, n);
        CHECK_OK(store_end(it));
    }
    struct store_log *l = NULL;
    if (good_or_oom(store_log_read(s, STORE_STREAM_FOG, 0, 10, &l))) {
        struct store_event e;
        CHECK_EQ(there, store_log_next(l, &e));
        CHECK_OK(store_log_end(l));
    }
}

TEST(oom, at_each_allocation_in_memory_is_an_answer_and_not_a_crash) {
    int n = 0, left;
    do {
        struct store *s = NULL;
        countdown = ++n;
        if (good_or_oom(store_mem_open(&s))) live(s);
        left = countdown;
        countdown = 0;
        store_close(s);
    } while (left == 0);
    CHECK(n > 10);
}

TEST(oom, at_each_allocation_on_disk_is_an_answer_and_not_a_crash) {
    int n = 0, left;
    do {
        struct store *s = NULL;
        struct vl_errmsg msg;
        char dir[DIR_MAX];
        scratch_dir(dir);
        countdown = ++n;
        if (good_or_oom(store_sqlite_open(dir, &s, &msg))) live(s);
        left = countdown;
        countdown = 0;
        if (s != NULL) {
            struct store_batch *b = store_batch_create();
            put_meta(b, "after", "1");
            CHECK_OK(commit(s, b));
        }
        store_close(s);
        remove_dir(dir);
    } while (left == 0);
    CHECK(n > 10);
}
