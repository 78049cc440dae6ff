/* store_bench.c - durable single-row batches a second with 64 outstanding, against SQLite with one row per commit in
 * the same directory, both with synchronous=FULL and the same rows.  Prints one JSON line.  Ids grow as those of jobs
 * and of one sender's messages do; the figure for ids in random order, the worst case for a tree, goes to stderr.
 * Usage: store_bench [DIRECTORY]; the directory is made and removed again. */
#include "store/sqlite.h"

#include <errno.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OUTSTANDING 64
#define SECONDS 2.0
#define RECORD 200

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why) {
    (void)fprintf(stderr, "store_bench: %s: %s\n", what, why);
    exit(1);
}

struct load {
    struct store *store;
    bool scatter;
    uint64_t next, acked, failed;
    double end;
};

static void refill(struct load *l);

static void on_done(void *arg, const struct store_result *r) {
    struct load *l = arg;
    l->acked += r->err == VL_OK;
    l->failed += r->err != VL_OK;
    refill(l);
}

static void make_row(uint64_t i, bool scatter, uint8_t id[16], uint8_t record[RECORD]) {
    uint64_t mixed = i * 0x9e3779b97f4a7c15u;
    vl_put_u64(id, scatter ? mixed : i);
    vl_put_u64(id + 8, mixed);
    memset(record, (int)(i & 0xff), RECORD);
}

static void refill(struct load *l) {
    uint8_t id[16], record[RECORD];
    if (now_s() >= l->end) return;
    make_row(l->next++, l->scatter, id, record);
    struct store_batch *b = store_batch_create();
    store_batch_put(b, STORE_OUTBOX,
                    (struct store_value[STORE_OUTBOX_COLUMNS]){ [STORE_OUTBOX_ID] = store_blob(id, sizeof id),
                                                                [STORE_OUTBOX_DST] = store_blob(record, 32),
                                                                [STORE_OUTBOX_EXPIRES_MS] = store_int((int64_t)l->next),
                                                                [STORE_OUTBOX_BYTES] = store_blob(record, RECORD) });
    if (store_submit(l->store, b, on_done, l) != VL_OK) die("submit", "refused");
}

static double run_store(const char *dir, bool scatter, struct store_metrics *m) {
    struct vl_errmsg msg;
    struct load l = { .scatter = scatter };
    if (store_sqlite_open(dir, &l.store, &msg) != VL_OK) die(dir, msg.text);
    double began = now_s();
    l.end = began + SECONDS;
    for (int i = 0; i < OUTSTANDING; i++) refill(&l);
    while (store_pending(l.store) != 0) {
        struct pollfd p = { .fd = store_wake_fd(l.store), .events = POLLIN };
        if (poll(&p, 1, 1000) < 0 && errno != EINTR) die("poll", strerror(errno));
        (void)store_poll(l.store);
    }
    double took = now_s() - began;
    store_metrics_get(l.store, m);
    store_close(l.store);
    if (l.failed != 0) die("commit", "failed");
    return (double)l.acked / took;
}

static double run_peer(const char *path, bool scatter) {
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "CREATE TABLE outbox(id BLOB NOT NULL, dst BLOB NOT NULL, expires_ms INTEGER NOT NULL,"
                     " bytes BLOB NOT NULL, PRIMARY KEY(id)) STRICT, WITHOUT ROWID;"
                     "CREATE INDEX outbox_by_expires_ms ON outbox(expires_ms, id)",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO outbox VALUES(?1,?2,?3,?4)", -1, &st, NULL) != SQLITE_OK)
        die(path, sqlite3_errmsg(db));
    uint64_t n = 0;
    double began = now_s(), end = began + SECONDS;
    while (now_s() < end) {
        uint8_t id[16], record[RECORD];
        make_row(n++, scatter, id, record);
        (void)sqlite3_bind_blob(st, 1, id, sizeof id, SQLITE_STATIC);
        (void)sqlite3_bind_blob(st, 2, record, 32, SQLITE_STATIC);
        (void)sqlite3_bind_int64(st, 3, (int64_t)n);
        (void)sqlite3_bind_blob(st, 4, record, RECORD, SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_DONE) die(path, sqlite3_errmsg(db));
        (void)sqlite3_reset(st);
    }
    double took = now_s() - began;
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return (double)n / took;
}

struct outcome {
    double ours, peer, group;
};

static struct outcome run(const char *parent, bool scatter) {
    char dir[4096], path[4200];
    struct store_metrics m;
    (void)snprintf(dir, sizeof dir, "%s/store_bench.XXXXXX", parent);
    if (mkdtemp(dir) == NULL) die(dir, strerror(errno));
    (void)snprintf(path, sizeof path, "%s/peer.db", dir);
    struct outcome o = { .peer = run_peer(path, scatter) };
    o.ours = run_store(dir, scatter, &m);
    o.group = (double)m.batches / (double)m.commits;
    static const char *const names[] = { "peer.db", "peer.db-wal", "peer.db-shm", "store.db", "store.lock" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    (void)fprintf(stderr, "store_bench: %s ids: %.0f rows/s, %.1f batches a commit; peer %.0f rows/s\n",
                  scatter ? "random" : "growing", o.ours, o.group, o.peer);
    return o;
}

int main(int argc, char **argv) {
    const char *parent = argc > 1 ? argv[1] : "/var/tmp";
    (void)run(parent, true);
    struct outcome o = run(parent, false);
    (void)printf("{\"name\":\"store.enqueue\",\"value\":%.0f,\"unit\":\"1/s\",\"peer\":\"sqlite one row per commit\","
                 "\"ratio\":%.2f}\n",
                 o.ours, o.ours / o.peer);
    return 0;
}
