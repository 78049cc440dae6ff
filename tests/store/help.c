#include "help.h"
#include "check.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_dir(char ret_dir[DIR_MAX]) {
    const char *base = getenv("TMPDIR");
    (void)snprintf(ret_dir, DIR_MAX, "%s/store_test.XXXXXX", base == NULL ? "/tmp" : base);
    CHECK(mkdtemp(ret_dir) != NULL);
}

const char *path_in(const char *dir, const char *name) {
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

void remove_dir(const char *dir) {
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) (void)unlink(path_in(dir, e->d_name));
    }
    (void)closedir(d);
    (void)rmdir(dir);
}

void note(void *outcome, const struct store_result *r) {
    static int order;
    struct outcome *o = outcome;
    o->calls++;
    o->order = ++order;
    o->err = r->err;
    o->n_seqs = r->n_seqs;
    for (size_t i = 0; i < r->n_seqs && i < 4; i++) o->seqs[i] = r->seqs[i];
}

enum vl_err commit(struct store *s, struct store_batch *b) {
    struct outcome o = { 0 };
    enum vl_err err = store_submit(s, b, note, &o);
    if (err != VL_OK) return err;
    store_flush(s);
    CHECK_EQ(1, o.calls);
    return o.err;
}

static void add_meta(struct store_batch *b, const char *key, const char *value, bool insert) {
    struct store_value row[STORE_META_COLUMNS] = {
        [STORE_META_KEY] = store_text(key), [STORE_META_VALUE] = store_blob(value, strlen(value))
    };
    if (insert) {
        store_batch_insert(b, STORE_META, row);
    } else {
        store_batch_put(b, STORE_META, row);
    }
}

void put_meta(struct store_batch *b, const char *key, const char *value) { add_meta(b, key, value, false); }
void insert_meta(struct store_batch *b, const char *key, const char *value) { add_meta(b, key, value, true); }

const char *get_meta(struct store *s, const char *key) {
    static char text[64];
    struct store_value k = store_text(key);
    struct store_row r;
    enum vl_err err = store_get(s, STORE_META, &k, &r);
    if (err == VL_ENOTFOUND) return "-";
    CHECK_OK(err);
    struct vl_span v = store_row_blob(&r, STORE_META_VALUE);
    CHECK(v.n < sizeof text);
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    return text;
}

void put_job(struct store_batch *b, uint8_t id, int64_t state) {
    uint8_t bytes[16] = { id };
    store_batch_put(b, STORE_JOBS,
                    (struct store_value[STORE_JOBS_COLUMNS]){ [STORE_JOBS_ID] = store_blob(bytes, sizeof bytes),
                                                              [STORE_JOBS_STATE] = store_int(state),
                                                              [STORE_JOBS_SUBMITTED_MS] = store_int(1000 + id),
                                                              [STORE_JOBS_UPDATED_MS] = store_int(2000 + id),
                                                              [STORE_JOBS_NAME] = store_text("job"),
                                                              [STORE_JOBS_RECORD] = store_blob("record", 6) });
}

const char *scan_jobs(struct store *s, const struct store_query *q) {
    static char text[256];
    struct store_iter *it = NULL;
    struct store_row r;
    size_t len = 0;
    text[0] = 0;
    CHECK_OK(store_scan(s, q, &it));
    while (store_next(it, &r) && len < sizeof text - 8) {
        uint8_t id[16];
        CHECK_OK(store_row_bytes(&r, STORE_JOBS_ID, id, sizeof id));
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", len == 0 ? "" : " ", id[0]);
    }
    CHECK_OK(store_end(it));
    return text;
}

size_t count_rows(struct store *s, enum store_table table) {
    struct store_query q = { .table = table, .limit = STORE_SCAN_MAX };
    struct store_iter *it = NULL;
    struct store_row r;
    size_t n = 0;
    CHECK_OK(store_scan(s, &q, &it));
    while (store_next(it, &r)) n++;
    CHECK_OK(store_end(it));
    return n;
}

size_t count_events(struct store *s, unsigned stream, uint64_t after) {
    size_t total = 0, n;
    do {
        struct store_log *l = NULL;
        struct store_event e;
        n = 0;
        if (store_log_read(s, stream, after, STORE_SCAN_MAX, &l) != VL_OK) return SIZE_MAX;
        while (store_log_next(l, &e)) {
            after = e.seq;
            n++;
        }
        if (store_log_end(l) != VL_OK) return SIZE_MAX;
        total += n;
    } while (n == STORE_SCAN_MAX);
    return total;
}
