/* store_fuzz.c - one list of operations on both drivers; whatever can be asked must give the same answer.
 * The input chooses operations over few keys and values, so that they meet. */
#include "store/mem.h"
#include "store/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAIRS 2
#define OUTCOMES 64

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct outcome {
    int calls;
    enum vl_err err;
    uint64_t last;
};
struct pair {
    struct store *s[PAIRS];
    struct outcome out[PAIRS][OUTCOMES];
    size_t n_out;
};

static void must(bool ok, const char *what) {
    if (ok) return;
    (void)fprintf(stderr, "the drivers differ: %s\n", what);
    abort();
}

static void on_done(void *arg, const struct store_result *r) {
    struct outcome *o = arg;
    o->calls++;
    o->err = r->err;
    o->last = r->n_seqs == 0 ? 0 : r->seqs[r->n_seqs - 1];
}

static struct store_value some_blob(uint8_t x) {
    static const uint8_t zeros[40] = { 0 };
    static const char *const texts[] = { "a", "a\xff", "b", "ab" };
    return x & 4 ? store_blob(zeros, x % 3) : store_blob(texts[x & 3], strlen(texts[x & 3]));
}

static struct store_value some_value(enum store_type type, uint8_t x) {
    static const char *const texts[] = { "", "a", "ab", "b\x7f", "\xc3\xa9", "bad\xff" };
    static const int64_t ints[] = { 0, 1, 2, -1, INT64_MIN, INT64_MAX };
    switch (type) {
    case STORE_NULL:
        return store_null();
    case STORE_INT:
        return store_int(ints[x % 6]);
    case STORE_TEXT:
        return store_text(texts[x % 6]);
    case STORE_BLOB:
        return some_blob(x);
    }
    return store_null();
}

/* Types of each table's columns, and of the tuple that orders an index, made from the catalogue as a test reads it. */
static const struct {
    enum store_table table;
    uint8_t n, keys;
    enum store_type types[STORE_COLUMNS_MAX];
    uint8_t indexes;
    uint8_t order[2][3]; /* columns of index 0 and 1 */
    uint8_t order_n[2];
} tables[] = {
    { STORE_JOBS,
      6,
      1,
      { STORE_BLOB, STORE_INT, STORE_INT, STORE_INT, STORE_TEXT, STORE_BLOB },
      2,
      { { 0 }, { 1, 0 } },
      { 1, 2 } },
    { STORE_TASKS, 5, 2, { STORE_BLOB, STORE_INT, STORE_INT, STORE_BLOB, STORE_BLOB }, 1, { { 0, 1 } }, { 2 } },
    { STORE_RECEIPTS, 4, 3, { STORE_BLOB, STORE_INT, STORE_INT, STORE_BLOB }, 1, { { 0, 1, 2 } }, { 3 } },
    { STORE_IDEMPOTENCY,
      5,
      1,
      { STORE_TEXT, STORE_INT, STORE_BLOB, STORE_INT, STORE_BLOB },
      2,
      { { 0 }, { 1, 0 } },
      { 1, 2 } },
    { STORE_META, 2, 1, { STORE_TEXT, STORE_BLOB }, 1, { { 0 } }, { 1 } },
};
#define TABLES (sizeof tables / sizeof tables[0])

static void add_op(struct store_batch *b, struct vl_reader *r, uint8_t kind) {
    uint8_t t = vl_read_u8(r) % TABLES;
    struct store_value v[STORE_COLUMNS_MAX];
    for (uint8_t i = 0; i < tables[t].n; i++) v[i] = some_value(tables[t].types[i], vl_read_u8(r));
    uint8_t x = vl_read_u8(r), index = x % tables[t].indexes;
    switch (kind % 8) {
    case 0:
    case 1:
        store_batch_put(b, tables[t].table, v);
        break;
    case 2:
        store_batch_insert(b, tables[t].table, v);
        break;
    case 3:
        store_batch_delete(b, tables[t].table, v, 1 + x % tables[t].keys);
        break;
    case 4:
        store_batch_delete_less(b, tables[t].table, index, v[tables[t].order[index][0]], 1 + x % 5);
        break;
    case 5:
    case 6:
        store_batch_append(b, 1 + x % 2, some_blob(x).s);
        break;
    case 7:
        store_batch_snapshot(b, 1 + x % 2, x & 8 ? STORE_SEQ_HEAD : x >> 4, some_blob(x).s);
        break;
    }
}

/* The same batch for both: built twice from the same bytes. */
static void submit(struct pair *p, struct vl_reader *r) {
    uint8_t ops = 1 + vl_read_u8(r) % 4;
    struct vl_reader at = *r;
    enum vl_err err[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        *r = at;
        struct store_batch *b = store_batch_create();
        for (uint8_t k = 0; k < ops; k++) add_op(b, r, vl_read_u8(r));
        err[i] = store_submit(p->s[i], b, on_done, &p->out[i][p->n_out]);
    }
    must(err[0] == err[1], "answer to submit");
    p->n_out += err[0] == VL_OK;
}

static void flush(struct pair *p) {
    for (int i = 0; i < PAIRS; i++) store_flush(p->s[i]);
    for (size_t k = 0; k < p->n_out; k++) {
        must(p->out[0][k].calls == 1 && p->out[1][k].calls == 1, "calls");
        must(p->out[0][k].err == p->out[1][k].err, "outcome");
        must(p->out[0][k].last == p->out[1][k].last, "number of an event");
    }
    memset(p->out, 0, sizeof p->out);
    p->n_out = 0;
}

static bool same_value(const struct store_value *a, const struct store_value *b) {
    if (a->type != b->type) return false;
    if (a->type == STORE_NULL) return true;
    if (a->type == STORE_INT) return a->i == b->i;
    return vl_span_eq(a->s, b->s) && (a->type == STORE_BLOB || a->s.p[a->s.n] == b->s.p[b->s.n]);
}

static void compare_scan(struct pair *p, struct vl_reader *r) {
    uint8_t t = vl_read_u8(r) % TABLES, x = vl_read_u8(r), index = x % tables[t].indexes;
    struct store_value v[3];
    for (uint8_t i = 0; i < tables[t].order_n[index]; i++)
        v[i] = some_value(tables[t].types[tables[t].order[index][i]], vl_read_u8(r));
    uint8_t n_prefix = vl_read_u8(r) % (tables[t].order_n[index] + 1);
    uint8_t n_from = vl_read_u8(r) % (tables[t].order_n[index] - n_prefix + 1);
    struct store_query q = { .table = tables[t].table,
                             .index = index,
                             .descending = x & 64,
                             .inclusive = x & 128,
                             .prefix = v,
                             .n_prefix = n_prefix,
                             .from = v + n_prefix,
                             .n_from = n_from,
                             .limit = 1 + (x >> 3) % 7 };
    struct store_iter *it[PAIRS] = { NULL };
    enum vl_err a = store_scan(p->s[0], &q, &it[0]), b = store_scan(p->s[1], &q, &it[1]);
    must(a == b, "answer to scan");
    if (a != VL_OK) return;
    for (;;) {
        struct store_row row[PAIRS];
        bool more = store_next(it[0], &row[0]);
        must(more == store_next(it[1], &row[1]), "rows of a scan");
        if (!more) break;
        for (uint8_t i = 0; i < tables[t].n; i++) must(same_value(&row[0].v[i], &row[1].v[i]), "value of a row");
    }
    a = store_end(it[0]);
    b = store_end(it[1]);
    must(a == VL_OK && b == VL_OK, "end of a scan");
}

static void compare_log(struct pair *p, struct vl_reader *r) {
    uint8_t stream = 1 + vl_read_u8(r) % 2, after = vl_read_u8(r) % 8;
    uint64_t seq[PAIRS];
    struct vl_span bytes[PAIRS];
    enum vl_err a = store_snapshot_get(p->s[0], stream, &seq[0], &bytes[0]);
    enum vl_err b = store_snapshot_get(p->s[1], stream, &seq[1], &bytes[1]);
    must(a == b && (a == VL_OK || a == VL_ENOTFOUND), "answer to snapshot");
    if (a == VL_OK) must(seq[0] == seq[1] && vl_span_eq(bytes[0], bytes[1]), "snapshot");
    struct store_log *l[PAIRS];
    for (int i = 0; i < PAIRS; i++) must(store_log_read(p->s[i], stream, after, 1000, &l[i]) == VL_OK, "log");
    for (;;) {
        struct store_event e[PAIRS];
        bool more = store_log_next(l[0], &e[0]);
        must(more == store_log_next(l[1], &e[1]), "events of a log");
        if (!more) break;
        must(e[0].seq == e[1].seq && vl_span_eq(e[0].payload, e[1].payload), "event");
    }
    a = store_log_end(l[0]);
    b = store_log_end(l[1]);
    must(a == VL_OK && b == VL_OK, "end of a log");
}

static void run(struct pair *p, struct vl_reader *r) {
    while (!r->failed && r->n != 0) {
        uint8_t what = vl_read_u8(r);
        if (what % 4 < 2 && p->n_out < OUTCOMES) {
            submit(p, r);
        } else {
            flush(p);
            if (what % 4 == 2) compare_scan(p, r);
            if (what % 4 == 3) compare_log(p, r);
        }
    }
    flush(p);
    for (size_t t = 0; t < TABLES; t++) {
        uint8_t all[8] = { (uint8_t)t, 6 << 3 };
        struct vl_reader whole = vl_reader(all, sizeof all);
        compare_scan(p, &whole);
    }
}

static void remove_all(const char *dir) {
    static const char *const names[] = { "store.db", "store.db-wal", "store.db-shm", "store.lock" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    /* In memory where there is such a place: the disk's syncs are not what is tested here. */
    char memory[] = "/dev/shm/store_fuzz.XXXXXX", disk[] = "/tmp/store_fuzz.XXXXXX";
    const char *dir = mkdtemp(memory);
    if (dir == NULL) dir = mkdtemp(disk);
    if (dir == NULL) return 0;
    struct pair pair = { 0 };
    struct vl_reader r = vl_reader(p, n < 4096 ? n : 4096);
    must(store_mem_open(&pair.s[0]) == VL_OK && store_sqlite_open(dir, &pair.s[1], NULL) == VL_OK, "opening");
    run(&pair, &r);
    store_close(pair.s[0]);
    store_close(pair.s[1]);
    remove_all(dir);
    return 0;
}
