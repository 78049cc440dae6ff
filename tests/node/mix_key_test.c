/* The key and the replay table of an epoch, as files: they live and die together. */
#include "node/priv.h"

#include "check.h"
#include "os/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static struct node n;
static const uint8_t tag[16] = { 1, 2, 3 };

static void start(const char *dir) {
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = 1 };
    memset(&n, 0, sizeof n);
    snprintf(n.data_dir, sizeof n.data_dir, "%s", dir);
    os_clock_start(&n.clock, 1);
    cfg.mix = brain_mix_config_default();
    CHECK_OK(brain_create(&cfg, node_now(&n), &n.brain));
}

static void stop(void) {
    mix_close(&n);
    brain_destroy(n.brain);
}

static char *fresh(void) {
    static char dir[64];
    snprintf(dir, sizeof dir, "/var/tmp/village-mixkey-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    return dir;
}

static void clean(const char *dir) { CHECK_OK(os_tree_remove(dir)); }

static struct node_mix_key *key(uint64_t epoch) {
    for (unsigned i = 0; i < NODE_MIX_KEYS; i++)
        if (n.mix_keys[i].table && n.mix_keys[i].epoch == epoch) return &n.mix_keys[i];
    return NULL;
}

static bool exists(const char *dir, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/mix/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void flip(const char *dir, const char *name, off_t at) {
    char path[256];
    uint8_t b;
    snprintf(path, sizeof path, "%s/mix/%s", dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && pread(fd, &b, 1, at) == 1);
    b ^= 1;
    CHECK(pwrite(fd, &b, 1, at) == 1);
    close(fd);
}

TEST(mix_key, a_killed_process_finds_its_table_and_still_refuses_what_it_had_seen) {
    char *dir = fresh();
    struct stat st;
    char path[256];
    start(dir);
    mix_key(&n, 7, true, 1000);
    CHECK(key(7) != NULL);
    CHECK_OK(replay_check(key(7)->table, tag));
    snprintf(path, sizeof path, "%s/mix/7.key", dir);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    stop(); /* closes, and writes nothing that a kill would not have left */
    start(dir);
    mix_key(&n, 7, false, 1000);
    CHECK(key(7) != NULL);
    CHECK_EQ(VL_EREPLAY, replay_check(key(7)->table, tag));
    stop();
    clean(dir);
}

TEST(mix_key, a_table_that_is_not_provably_whole_takes_its_key_with_it) {
    char *dir = fresh();
    for (unsigned what = 0; what < 4; what++) {
        start(dir);
        mix_key(&n, 9, true, 1000);
        CHECK(key(9) != NULL);
        stop();
        if (what == 0) flip(dir, "9.key", 5);    /* another secret: as after a reboot the table has another name */
        if (what == 1) flip(dir, "9.replay", 8); /* damaged */
        if (what == 2) {                         /* cut */
            char path[256];
            snprintf(path, sizeof path, "%s/mix/9.replay", dir);
            CHECK(truncate(path, 100) == 0);
        }
        if (what == 3) { /* gone */
            char path[256];
            snprintf(path, sizeof path, "%s/mix/9.replay", dir);
            CHECK(unlink(path) == 0);
        }
        start(dir);
        mix_key(&n, 9, false, 1000);
        CHECK(key(9) == NULL);
        CHECK(!exists(dir, "9.key") && !exists(dir, "9.replay"));
        mix_key(&n, 9, false, 1000); /* nothing comes back */
        CHECK(key(9) == NULL);
        stop();
    }
    clean(dir);
}

TEST(mix_key, what_earlier_lives_left_behind_is_destroyed_and_what_is_open_stays) {
    char *dir = fresh();
    start(dir);
    for (uint64_t e = 3; e < 6; e++) mix_key(&n, e, true, 1000);
    mix_close(&n);
    for (uint64_t e = 5; e < 8; e++) mix_key(&n, e, true, 1000);
    mix_key_drop(&n, 6, true);
    CHECK(!exists(dir, "3.key") && !exists(dir, "3.replay") && !exists(dir, "4.key"));
    CHECK(exists(dir, "5.key") && exists(dir, "5.replay") && exists(dir, "6.key") && exists(dir, "7.key"));
    CHECK(key(5) && key(6) && key(7));
    mix_key_drop(&n, 5, false);
    CHECK(key(5) == NULL && !exists(dir, "5.key") && !exists(dir, "5.replay"));
    stop();
    clean(dir);
}

TEST(mix_key, a_full_disk_leaves_neither_key_nor_table_and_room_makes_both) {
    char *dir = fresh();
    if (mount("none", dir, "tmpfs", 0, "size=256k") != 0) {
        clean(dir);
        SKIP("may not mount");
    }
    start(dir);
    mix_key(&n, 4, true, 1000000); /* more than there is */
    CHECK(key(4) == NULL);
    CHECK(!exists(dir, "4.key") && !exists(dir, "4.replay"));
    mix_key(&n, 4, true, 1000);
    CHECK(key(4) != NULL && exists(dir, "4.key"));
    stop();
    CHECK(umount(dir) == 0);
    clean(dir);
}
