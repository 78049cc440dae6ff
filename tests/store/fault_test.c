/* What the store does when the machine under it fails: refused writes, failed syncs, a full disk, power cuts, kill -9.
 */
#include "store/sqlite.h"

#include "base/prng.h"

#include "check.h"
#include "fault_vfs.h"
#include "help.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[DIR_MAX];

static struct store *open_in(const char *where) {
    struct store *s = NULL;
    struct vl_errmsg msg = { "" };
    enum vl_err err = store_sqlite_open(where, &s, &msg);
    CHECK_STR("", msg.text);
    CHECK_OK(err);
    return s;
}

static struct store *begin(void) {
    scratch_dir(dir);
    fault_vfs_install();
    return open_in(dir);
}

static void end(struct store *s) {
    store_close(s);
    fault_vfs_remove();
    remove_dir(dir);
}

/* Step i of a history: an event, a row of its own and a row that all share; together or not at all. */
static struct store_batch *step(int64_t i) {
    char text[16];
    uint8_t pad[900];
    (void)snprintf(text, sizeof text, "%lld", (long long)i);
    memset(pad, (int)(i & 0xff), sizeof pad);
    struct store_batch *b = store_batch_create();
    store_batch_append(b, STORE_STREAM_FOG, vl_span_str(text));
    store_batch_insert(b, STORE_TOPOLOGY, (struct store_value[]){ store_int(i), store_blob(pad, sizeof pad) });
    put_meta(b, "last", text);
    return b;
}

/* Steps 1..n are all there, for the n that is returned; nothing half, nothing else. */
static int check_history(struct store *s) {
    int n = (int)count_rows(s, STORE_TOPOLOGY);
    CHECK_EQ(n, count_events(s, STORE_STREAM_FOG, 0));
    CHECK_EQ(n, n == 0 ? 0 : strtol(get_meta(s, "last"), NULL, 10));
    for (int64_t i = 1; i <= n; i++) {
        struct store_value key = store_int(i);
        struct store_row r;
        CHECK_OK(store_get(s, STORE_TOPOLOGY, &key, &r));
        CHECK_EQ(900, store_row_blob(&r, STORE_TOPOLOGY_RECORD).n);
        CHECK_EQ(i & 0xff, store_row_blob(&r, STORE_TOPOLOGY_RECORD).p[899]);
    }
    return n;
}

TEST(fault, in_a_write_refuses_the_batch_and_nothing_else) {
    struct store *s = begin();
    int done = 0, refused = 0;
    for (int k = 0; k < 12; k++) {
        fault_writes(k % 2 ? FAULT_FULL : FAULT_IO, k / 2, 1);
        enum vl_err err = commit(s, step(done + 1));
        CHECK(err == VL_OK || err == (k % 2 ? VL_ENOSPC : VL_EIO));
        done += err == VL_OK;
        refused += err != VL_OK;
        fault_writes(FAULT_NONE, 0, 0);
        CHECK_EQ(done, check_history(s));
        CHECK_OK(commit(s, step(++done)));
    }
    CHECK(refused >= 6);
    struct store_metrics m;
    store_metrics_get(s, &m);
    CHECK_EQ(refused, m.failed[-VL_ENOSPC] + m.failed[-VL_EIO]);
    store_close(s);
    s = open_in(dir);
    CHECK_EQ(done, check_history(s));
    end(s);
}

TEST(fault, in_a_sync_refuses_the_batch_and_nothing_else) {
    struct store *s = begin();
    CHECK_OK(commit(s, step(1)));
    fault_syncs(1);
    CHECK_EQ(VL_EIO, commit(s, step(2)));
    CHECK_EQ(1, check_history(s));
    CHECK_OK(commit(s, step(2)));
    CHECK_EQ(2, check_history(s));
    end(s);
}

TEST(fault, fails_all_that_was_submitted_before_the_owner_heard_of_it) {
    struct store *s = begin();
    CHECK_OK(commit(s, step(1)));
    struct outcome o[5] = { 0 };
    fault_hold();
    fault_syncs(1);
    for (int i = 0; i < 4; i++) CHECK_OK(store_submit(s, step(2 + i), note, &o[i]));
    fault_release();
    /* The fault is over and the writer has room, but the owner has not polled. */
    struct pollfd p = { .fd = store_wake_fd(s), .events = POLLIN };
    CHECK_EQ(1, poll(&p, 1, 10000));
    CHECK_OK(store_submit(s, step(6), note, &o[4]));
    store_flush(s);
    for (int i = 0; i < 5; i++) CHECK_EQ(VL_EIO, o[i].err);
    CHECK_EQ(1, check_history(s));
    CHECK_OK(commit(s, step(2)));
    CHECK_EQ(2, check_history(s));
    end(s);
}

TEST(fault, of_the_disk_during_a_checkpoint_loses_nothing) {
    struct store *s = begin();
    int n = 0;
    for (int k = 0; k < 24; k++) {
        if (k % 4 == 3) fault_writes(FAULT_FULL, 300, 200);
        for (int i = 0; i < 64; i++) {
            if (commit(s, step(n + 1)) == VL_OK) n++;
        }
        fault_writes(FAULT_NONE, 0, 0);
    }
    CHECK_EQ(n, check_history(s));
    CHECK(n > 1000);
    store_close(s);
    s = open_in(dir);
    CHECK_EQ(n, check_history(s));
    end(s);
}

static int acked; /* read by the writer thread when it cuts the power */
static void count_ack(__attribute__((unused)) void *arg, const struct store_result *r) {
    CHECK_OK(r->err);
    (void)__atomic_add_fetch(&acked, 1, __ATOMIC_SEQ_CST);
}

/* 300 steps, up to 20 outstanding; the power goes at write or sync number `at`.  Returns false when it never did. */
static bool survives_a_power_cut(int at, uint64_t seed) {
    char after[600];
    struct store *s = begin();
    (void)snprintf(after, sizeof after, "%s.after", dir);
    CHECK_OK(mkdir(after, 0700));
    acked = 0;
    fault_cut(at, seed, after, &acked);
    for (int64_t i = 1; i <= 300; i++) {
        CHECK_OK(store_submit(s, step(i), count_ack, NULL));
        (void)store_poll(s);
        if (store_pending(s) >= 20) store_flush(s);
    }
    store_flush(s);
    int promised = fault_cut_counter();
    end(s);
    if (promised >= 0) {
        s = open_in(after);
        int found = check_history(s);
        if (found < promised) print_message("# cut %d, seed %lu: %d of %d\n", at, (unsigned long)seed, found, promised);
        CHECK(found >= promised);
        store_close(s);
    }
    remove_dir(after);
    return promised >= 0;
}

TEST(fault, of_the_power_at_any_moment_loses_nothing_that_was_acknowledged) {
    int cuts = 0;
    for (int i = 0; i < 30; i++) cuts += survives_a_power_cut(1 + i * 19 + i % 7, (uint64_t)i);
    CHECK(cuts >= 20);
}

/* --- kill -9 --------------------------------------------------------------------------------------------------- */

struct child {
    int out;
};
static void tell(void *arg, const struct store_result *r) {
    struct child *c = arg;
    int32_t seq = r->err == VL_OK ? (int32_t)r->seqs[0] : -1;
    if (write(c->out, &seq, sizeof seq) != sizeof seq) _exit(2);
}

/* Commits steps from `first` for ever and tells each acknowledgement. */
static void child_main(int64_t first, int out) {
    struct store *s = NULL;
    struct child c = { out };
    if (store_sqlite_open(dir, &s, NULL) != VL_OK) _exit(3);
    for (int64_t i = first;; i++) {
        if (store_submit(s, step(i), tell, &c) != VL_OK) _exit(4);
        (void)store_poll(s);
        if (store_pending(s) >= 30) store_flush(s);
    }
}

/* Lets a child run until it has acknowledged `steps` more, then some moments, and kills it.  Returns the last number
 * that it acknowledged. */
static int run_and_kill(int first, int steps, unsigned more_us) {
    int fds[2], last = first - 1;
    CHECK_OK(pipe(fds));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child_main(first, fds[1]);
    }
    (void)close(fds[1]);
    int32_t seq;
    while (last < first - 1 + steps && read(fds[0], &seq, sizeof seq) == sizeof seq) {
        CHECK_EQ(last + 1, seq);
        last = seq;
    }
    (void)usleep(more_us);
    (void)kill(pid, SIGKILL);
    while (read(fds[0], &seq, sizeof seq) == sizeof seq) {
        CHECK_EQ(last + 1, seq);
        last = seq;
    }
    (void)close(fds[0]);
    int status = 0;
    CHECK_EQ(pid, waitpid(pid, &status, 0));
    CHECK(WIFSIGNALED(status));
    return last;
}

TEST(fault, kill_9_at_random_moments_loses_nothing_that_was_acknowledged) {
    scratch_dir(dir);
    struct vl_prng r;
    vl_prng_seed(&r, 9);
    int have = 0;
    for (int round = 0; round < 20; round++) {
        int acks = run_and_kill(have + 1, (int)vl_prng_below(&r, 120), (unsigned)vl_prng_below(&r, 3000));
        struct store *s = open_in(dir);
        have = check_history(s);
        CHECK(have >= acks);
        store_close(s);
    }
    CHECK(have > 500);
    remove_dir(dir);
}

/* --- a full disk ----------------------------------------------------------------------------------------------- */

static void fill_and_recover(void) {
    struct store *s = open_in(path_in(dir, "data"));
    int n = 0;
    enum vl_err err;
    while ((err = commit(s, step(n + 1))) == VL_OK && n < 20000) n++;
    CHECK_EQ(VL_ENOSPC, err);
    CHECK(n > 100);
    CHECK_EQ(VL_ENOSPC, commit(s, step(n + 1))); /* still, and clearly */
    CHECK_EQ(n, check_history(s));
    store_close(s);
    s = open_in(path_in(dir, "data")); /* opens on a full disk */
    CHECK_EQ(n, check_history(s));
    CHECK_OK(mount("tmpfs", dir, "tmpfs", MS_REMOUNT, "size=16m"));
    for (int i = 0; i < 100; i++) CHECK_OK(commit(s, step(++n)));
    CHECK_EQ(n, check_history(s));
    store_close(s);
    s = open_in(path_in(dir, "data"));
    CHECK_EQ(n, check_history(s));
    store_close(s);
}

static char mounted[DIR_MAX];
static void unmount(void) {
    if (mounted[0] == 0) return;
    (void)umount2(mounted, MNT_DETACH);
    (void)rmdir(mounted);
    mounted[0] = 0;
}

TEST(fault, a_full_disk_is_refused_clearly_and_writing_goes_on_when_there_is_room_again) {
    scratch_dir(dir);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=3m") != 0) {
        (void)rmdir(dir);
        SKIP("mounting a small file system is not permitted here");
    }
    memcpy(mounted, dir, sizeof mounted);
    (void)atexit(unmount); /* when a check fails */
    fill_and_recover();
    unmount();
}
