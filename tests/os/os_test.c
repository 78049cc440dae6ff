#include "os/blob_dir.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/machine.h"

#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void temp_dir(char dir[64]) {
    snprintf(dir, 64, "/tmp/village-os-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
}

TEST(file, is_replaced_whole_and_keeps_its_mode) {
    char dir[64], path[96];
    struct stat st;
    struct vl_buf b;
    temp_dir(dir);
    snprintf(path, sizeof path, "%s/a/b/f", dir);
    CHECK_EQ(VL_ENOTFOUND, os_file_write(path, "x", 1, 0600));
    snprintf(path, sizeof path, "%s/a/b", dir);
    CHECK_OK(os_mkdir_all(path, 0700));
    CHECK_OK(os_mkdir_all(path, 0700));
    snprintf(path, sizeof path, "%s/a/b/f", dir);
    CHECK_OK(os_file_write(path, "first", 5, 0600));
    CHECK_OK(os_file_write(path, "two", 3, 0600));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    vl_buf_init(&b, 3);
    CHECK_OK(os_file_read(path, &b));
    CHECK_MEM("two", b.p, 3);
    vl_buf_free(&b);
    vl_buf_init(&b, 2);
    CHECK_EQ(VL_ELIMIT, os_file_read(path, &b));
    vl_buf_free(&b);
    CHECK_EQ(VL_EEXISTS, os_mkdir_all(path, 0700));
    CHECK_OK(os_tree_remove(dir));
    CHECK(access(dir, F_OK) != 0);
    CHECK_OK(os_tree_remove(dir));
}

TEST(file, removal_of_a_tree_does_not_follow_links_out_of_it) {
    char dir[64], inside[128], outside[128], link[160];
    temp_dir(dir);
    snprintf(inside, sizeof inside, "%s/in", dir);
    snprintf(outside, sizeof outside, "%s/keep", dir);
    snprintf(link, sizeof link, "%s/link", inside);
    CHECK_OK(os_mkdir_all(inside, 0700));
    CHECK_OK(os_mkdir_all(outside, 0700));
    CHECK_EQ(0, symlink(outside, link));
    CHECK_OK(os_tree_remove(inside));
    CHECK_EQ(0, access(outside, F_OK));
    CHECK_OK(os_tree_remove(dir));
}

TEST(file, lock_is_held_by_one_only) {
    char dir[64], path[96];
    int a = -1, b = -1;
    temp_dir(dir);
    snprintf(path, sizeof path, "%s/lock", dir);
    CHECK_OK(os_file_lock(path, &a));
    CHECK_EQ(VL_EBUSY, os_file_lock(path, &b));
    CHECK_EQ(-1, b);
    close(a);
    CHECK_OK(os_file_lock(path, &b));
    close(b);
    CHECK_OK(os_tree_remove(dir));
}

TEST(blob_dir, shows_a_blob_only_after_it_was_adopted) {
    char dir[64], part[640];
    struct os_blob_dir d;
    struct vl_hash h = { { 0xab, 1 } };
    uint64_t n = 0;
    uint8_t got[3];
    temp_dir(dir);
    CHECK_OK(os_blob_dir_open(&d, dir));
    CHECK_OK(os_blob_write(&d, &h, 2, "cd", 2));
    CHECK_OK(os_blob_write(&d, &h, 0, "ab", 2));
    CHECK_EQ(4, os_blob_part_size(&d, &h));
    CHECK_EQ(VL_ENOTFOUND, os_blob_size(&d, &h, &n));
    os_blob_part_path(&d, &h, part);
    CHECK_OK(os_blob_adopt(&d, &h, part));
    CHECK_OK(os_blob_size(&d, &h, &n));
    CHECK_EQ(4, n);
    CHECK_EQ(0, os_blob_part_size(&d, &h));
    CHECK_OK(os_blob_read(&d, &h, 1, got, 3));
    CHECK_MEM("bcd", got, 3);
    CHECK_EQ(VL_ERANGE, os_blob_read(&d, &h, 2, got, 3));
    CHECK_OK(os_blob_write(&d, &h, 0, "again", 5));
    CHECK_OK(os_blob_adopt(&d, &h, part)); /* a second copy is dropped */
    CHECK_EQ(0, os_blob_part_size(&d, &h));
    os_blob_remove(&d, &h);
    CHECK_EQ(VL_ENOTFOUND, os_blob_size(&d, &h, &n));
    CHECK_OK(os_tree_remove(dir));
}

TEST(blob_dir, trim_removes_the_least_recently_used_and_spares_what_was_used_just_now) {
    char dir[64], path[640];
    struct os_blob_dir d;
    struct vl_hash h[3] = { { { 1 } }, { { 2 } }, { { 3 } } };
    uint64_t n = 0;
    temp_dir(dir);
    CHECK_OK(os_blob_dir_open(&d, dir));
    for (int i = 0; i < 3; i++) {
        struct timespec old[2] = { { .tv_sec = 1000 + i }, { .tv_sec = 1000 + i } };
        CHECK_OK(os_blob_cache(&d, &h[i], "0123456789", 10));
        os_blob_path(&d, &h[i], path);
        CHECK_EQ(0, utimensat(AT_FDCWD, path, old, 0));
    }
    os_blob_touch(&d, &h[0]);
    CHECK_EQ(30, os_blob_trim(&d, 30, 60));
    CHECK_EQ(20, os_blob_trim(&d, 20, 60)); /* the second: the first was touched */
    CHECK_EQ(VL_ENOTFOUND, os_blob_size(&d, &h[1], &n));
    CHECK_OK(os_blob_size(&d, &h[2], &n));
    CHECK_EQ(10, os_blob_trim(&d, 0, 60)); /* the first is in use */
    CHECK_OK(os_blob_size(&d, &h[0], &n));
    CHECK_OK(os_tree_remove(dir));
}

TEST(clock, starts_at_its_floor_and_never_runs_backwards) {
    struct os_clock c;
    vl_ms far = 32503680000000u; /* the year 3000: the wall clock is behind */
    os_clock_start(&c, far);
    vl_ms a = os_clock_now(&c);
    CHECK(a >= far);
    for (int i = 0; i < 100; i++) {
        CHECK(os_clock_follow(&c) < 0);
        vl_ms b = os_clock_now(&c);
        CHECK(b >= a);
        a = b;
    }
}

TEST(machine, reads_what_is_there) {
    struct os_machine m;
    os_machine_read("/tmp", &m);
    CHECK(m.cpus >= 1 && m.memory_bytes > 0 && m.disk_bytes > 0 && os_rss() > 0);
    CHECK_EQ(0, os_disk_free("/no/such/path"));
}
