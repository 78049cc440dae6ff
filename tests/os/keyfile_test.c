#include "os/keyfile.h"

#include "crypto/random.h"
#include "os/file.h"
#include "os/tpm_seal.h"

#include "check.h"
#include "swtpm.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[64], path[96], phrase[96];

static void put(const char *name, const void *p, size_t n) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    close(fd);
}

static struct keyfile_ways with(const char *text) {
    put(phrase, text, strlen(text));
    return (struct keyfile_ways){ .passphrase_file = phrase };
}

static void begin(void) {
    snprintf(dir, sizeof dir, "/tmp/village-keys-XXXXXX");
    CHECK(crypto_init() == VL_OK && mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/node.keys", dir);
    snprintf(phrase, sizeof phrase, "%s/phrase", dir);
    unsetenv("CREDENTIALS_DIRECTORY");
}
static void end(void) { CHECK_OK(os_tree_remove(dir)); }

static struct keyfile fresh(bool coordinator) {
    struct keyfile f = { .keys = { .coordinator = coordinator, .since_ms = 1700000000000 } };
    crypto_random(f.keys.sign_seed, 32);
    crypto_random(f.keys.link_secret, 32);
    if (coordinator) crypto_random(f.keys.root_seed, 32);
    return f;
}

/* Small enough for a test; the file says so itself. */
static void seal_fast(struct keyfile *f, const char *text) {
    struct sealed_kdf kdf = { .passes = 1, .memory_kib = SEALED_MEMORY_MIN };
    crypto_random(kdf.salt, sizeof kdf.salt);
    CHECK_OK(sealed_kdf_run(&kdf, vl_span_str(text), f->key));
    sealed_kdf_put(&kdf, f->params);
    f->params_n = SEALED_KDF_BYTES;
    f->kind = SEALED_PASSPHRASE;
    f->sealed = true;
}

TEST(keyfile, opens_with_its_passphrase_and_with_no_other) {
    struct keyfile got, f = fresh(true);
    struct keyfile_look look;
    struct vl_errmsg msg = { "" };
    struct stat st;
    begin();
    CHECK_OK(keyfile_seal_passphrase(&f, vl_span_str("correct horse"), &msg));
    CHECK_OK(keyfile_write(path, &f, &msg));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    struct keyfile_ways ways = with("correct horse\n");
    CHECK_OK(keyfile_read(path, &ways, &got, &msg));
    CHECK_MEM(&f.keys, &got.keys, sizeof f.keys);
    CHECK(got.sealed && got.kind == SEALED_PASSPHRASE);
    ways = with("correct horst\n");
    CHECK_EQ(VL_ECRYPTO, keyfile_read(path, &ways, &got, &msg));
    CHECK(strstr(msg.text, "wrong passphrase") != NULL);
    CHECK_OK(keyfile_look(path, &look, &msg)); /* what anybody may see */
    CHECK(look.sealed && look.kind == SEALED_PASSPHRASE && look.since_ms == 1700000000000 && !look.coordinator_known);
    CHECK_EQ(SEALED_PASSES, look.kdf.passes);
    CHECK_EQ(SEALED_MEMORY, look.kdf.memory_kib);
    struct vl_node_id id = keyfile_node(f.keys.sign_seed);
    CHECK_MEM(id.b, look.node.b, 32);
    end();
}

TEST(keyfile, asks_for_the_passphrase_nowhere_but_where_its_owner_said) {
    struct keyfile got, f = fresh(false);
    struct vl_errmsg msg = { "" };
    struct keyfile_ways none = { 0 };
    char credential[160];
    begin();
    seal_fast(&f, "p");
    CHECK_OK(keyfile_write(path, &f, &msg));
    setenv("VILLAGE_PASSPHRASE", "p", 1);
    CHECK_EQ(VL_ESTATE, keyfile_read(path, &none, &got, &msg));
    CHECK(strstr(msg.text, "--passphrase-file") != NULL && strstr(msg.text, "village.passphrase") != NULL);
    unsetenv("VILLAGE_PASSPHRASE");
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    CHECK_EQ(VL_ESTATE, keyfile_read(path, &none, &got, &msg));
    snprintf(credential, sizeof credential, "%s/" KEYFILE_CREDENTIAL, dir);
    put(credential, "p\n", 2);
    CHECK_OK(keyfile_read(path, &none, &got, &msg));
    unsetenv("CREDENTIALS_DIRECTORY");
    struct keyfile_ways ways = with("");
    CHECK_EQ(VL_ERANGE, keyfile_read(path, &ways, &got, &msg));
    ways.passphrase_file = "/nowhere/phrase";
    CHECK_EQ(VL_ENOTFOUND, keyfile_read(path, &ways, &got, &msg));
    CHECK(strstr(msg.text, "/nowhere/phrase") != NULL);
    end();
}

TEST(keyfile, reads_the_first_plain_format_and_writes_the_second) {
    uint8_t old[98] = { 1, 1 };
    struct keyfile f;
    struct keyfile_ways none = { 0 };
    struct vl_errmsg msg = { "" };
    struct vl_buf b;
    struct timespec when[2] = { { .tv_sec = 1600000000 }, { .tv_sec = 1600000000 } };
    begin();
    for (size_t i = 2; i < sizeof old; i++) old[i] = (uint8_t)i;
    put(path, old, sizeof old);
    CHECK_EQ(0, utimensat(AT_FDCWD, path, when, 0));
    CHECK_OK(keyfile_read(path, &none, &f, &msg));
    CHECK(f.keys.coordinator && !f.sealed && f.keys.root_seed[31] == 97);
    CHECK_EQ(1600000000000, f.keys.since_ms); /* the file tells how old it is */
    CHECK_OK(keyfile_write(path, &f, &msg));
    vl_buf_init(&b, 4096);
    CHECK_OK(os_file_read(path, &b));
    CHECK_EQ(NODE_KEYS_BYTES, b.len);
    CHECK_EQ(2, b.p[0]);
    vl_buf_free(&b);
    CHECK_OK(keyfile_read(path, &none, &f, &msg));
    CHECK_EQ(1600000000000, f.keys.since_ms);
    CHECK_MEM(old + 2, f.keys.sign_seed, 32);
    CHECK_MEM(old + 34, f.keys.link_secret, 32);
    end();
}

TEST(keyfile, refuses_every_file_that_was_cut_or_changed) {
    struct keyfile got, f = fresh(false);
    struct vl_errmsg msg = { "" };
    struct vl_buf b;
    struct keyfile_ways ways;
    begin();
    seal_fast(&f, "p");
    CHECK_OK(keyfile_write(path, &f, &msg));
    ways = with("p");
    vl_buf_init(&b, 8192);
    CHECK_OK(os_file_read(path, &b));
    for (size_t i = 0; i < b.len; i += 3) {
        put(path, b.p, i);
        CHECK(keyfile_read(path, &ways, &got, &msg) != VL_OK);
    }
    for (size_t i = 0; i < b.len; i++) {
        b.p[i] ^= 1;
        put(path, b.p, b.len);
        CHECK(keyfile_read(path, &ways, &got, &msg) != VL_OK);
        b.p[i] ^= 1;
    }
    put(path, b.p, b.len);
    CHECK_OK(keyfile_read(path, &ways, &got, &msg));
    vl_buf_free(&b);
    end();
}

TEST(keyfile, seals_with_a_tpm_and_writes_again_without_asking_it) {
    struct swtpm s;
    struct keyfile got, f = fresh(false);
    struct keyfile_look look;
    struct vl_errmsg msg = { "" };
    if (!swtpm_begin(&s)) SKIP(SWTPM_ABSENT);
    begin();
    CHECK_OK(keyfile_seal_tpm(&f, s.tcti, 1u << 16, &msg));
    CHECK_OK(keyfile_write(path, &f, &msg));
    CHECK_OK(keyfile_look(path, &look, &msg));
    CHECK_EQ(1u << 16, look.pcrs);
    struct keyfile_ways ways = { .tcti = s.tcti };
    CHECK_OK(keyfile_read(path, &ways, &got, &msg));
    CHECK_MEM(&f.keys, &got.keys, sizeof f.keys);
    swtpm_stop(&s);
    CHECK_EQ(VL_EUNSUPPORTED, keyfile_read(path, &ways, &f, &msg));
    got.keys.since_ms = 5;
    CHECK_OK(keyfile_write(path, &got, &msg)); /* as a rotation does */
    swtpm_start(&s);
    CHECK_OK(keyfile_read(path, &ways, &f, &msg));
    CHECK_EQ(5, f.keys.since_ms);
    swtpm_end(&s);
    end();
}

/* No room for the new file: the old one stays, and what was begun beside it is gone. */
TEST(keyfile, stays_as_it_was_when_the_disk_is_full) {
    struct keyfile got, f = fresh(true);
    struct keyfile_ways ways;
    struct vl_errmsg msg = { "" };
    begin();
    ways = with("p");
    CHECK_OK(keyfile_write(path, &f, &msg));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = { 16, 16 }; /* bytes of a file: fewer than there is to write */
        struct keyfile other = f;
        seal_fast(&other, "p");
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &none) != 0) _exit(2);
        _exit(keyfile_write(path, &other, &msg) == VL_ENOSPC ? 0 : 1);
    }
    int status;
    CHECK_EQ(pid, waitpid(pid, &status, 0));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(keyfile_read(path, &ways, &got, &msg));
    CHECK_MEM(&f.keys, &got.keys, sizeof f.keys);
    CHECK(!got.sealed);
    unsigned files = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) files += e->d_name[0] != '.';
    closedir(d);
    CHECK_EQ(2, files); /* the keys, and the passphrase of this test */
    end();
}

TEST(keyfile, is_the_old_or_the_new_one_whenever_its_writer_is_killed) {
    struct keyfile got, f = fresh(false);
    struct keyfile_ways ways;
    struct vl_errmsg msg = { "" };
    unsigned plain = 0, sealed = 0;
    begin();
    ways = with("p");
    struct keyfile other = f;
    seal_fast(&other, "p");
    CHECK_OK(keyfile_write(path, &f, &msg));
    for (long round = 0; round < 60; round++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            for (;;)
                if (keyfile_write(path, &other, &msg) || keyfile_write(path, &f, &msg)) _exit(1);
        }
        struct timespec nap = { .tv_nsec = 200000 + 137000 * (round % 40) };
        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        int status;
        CHECK_EQ(pid, waitpid(pid, &status, 0));
        CHECK(WIFSIGNALED(status));
        CHECK_OK(keyfile_read(path, &ways, &got, &msg));
        CHECK_MEM(&f.keys, &got.keys, sizeof f.keys);
        plain += !got.sealed;
        sealed += got.sealed;
    }
    CHECK(plain + sealed == 60);
    end();
}
