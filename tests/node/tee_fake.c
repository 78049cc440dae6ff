#include "tee_fake.h"

#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT "/sys/kernel/config/tsm/report"
#define SERVERS 4u

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path);
int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);

/* One pair of FIFOs.  The server has both ends of `in` open, so that nobody waits for it, and is told to end by a single byte, which
 * no provider writes. */
struct server {
    struct fake *f;
    pthread_t thread;
    char dir[192], in[256], out[256];
    int fd, count; /* count: -1, or the number in `generation` */
    bool used;
};
static struct fake *machine;
static struct server servers[SERVERS];

static void put(const char *dir, const char *name, struct vl_span bytes) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(bytes.n == 0 || write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
    close(fd);
}

static void counted(const struct server *s) {
    char text[16];
    snprintf(text, sizeof text, "%d\n", s->count);
    if (!s->f->no_generation) put(s->dir, "generation", vl_span_str(text));
}

static void *serve(void *arg) {
    struct server *s = arg;
    uint8_t in[4096];
    for (;;) {
        ssize_t n = read(s->fd, in, sizeof in);
        if (n <= 1) return NULL;
        memcpy(s->f->in, in, (size_t)n < TEE_DATA ? (size_t)n : TEE_DATA);
        s->f->asked++;
        if (s->count >= 0) {
            s->count += (int)s->f->step;
            counted(s);
        }
        int out = open(s->out, O_WRONLY | O_CLOEXEC); /* waits for the reader */
        if (out < 0) return NULL;
        for (size_t at = 0; at < s->f->out.n;) {
            ssize_t wrote = write(out, s->f->out.p + at, s->f->out.n - at);
            if (wrote <= 0) break; /* it had enough */
            at += (size_t)wrote;
        }
        close(out);
        struct timespec nap = { .tv_nsec = 2000000 }; /* a reader that opens again must not find the same writer */
        nanosleep(&nap, NULL);
    }
}

static struct server *begin(struct fake *f, const char *dir, const char *in, const char *out, int count) {
    struct server *s = servers;
    while (s->used) s++;
    CHECK(s < servers + SERVERS);
    *s = (struct server){ .f = f, .count = count, .used = true };
    snprintf(s->dir, sizeof s->dir, "%s", dir);
    snprintf(s->in, sizeof s->in, "%s/%s", dir, in);
    snprintf(s->out, sizeof s->out, "%s/%s", dir, out);
    CHECK_EQ(0, mkfifo(s->in, 0600));
    CHECK_EQ(0, mkfifo(s->out, 0600));
    s->fd = open(s->in, O_RDWR | O_CLOEXEC);
    CHECK(s->fd >= 0);
    CHECK_EQ(0, pthread_create(&s->thread, NULL, serve, s));
    return s;
}

static void finish(struct server *s) {
    int out = open(s->out, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* should it wait for a reader that never came */
    CHECK_EQ(1, write(s->fd, "", 1));
    pthread_join(s->thread, NULL);
    close(out);
    close(s->fd);
    s->used = false;
}

/* ---- what is wrapped ---- */

static bool ours(const char *path) {
    return machine != NULL && strncmp(path, machine->root, strlen(machine->root)) == 0 && strstr(path, REPORT "/") != NULL;
}

int __wrap_mkdir(const char *path, mode_t mode) {
    if (!ours(path)) return __real_mkdir(path, mode);
    if (machine->mkdir_errno) {
        errno = machine->mkdir_errno;
        return -1;
    }
    if (__real_mkdir(path, mode) != 0) return -1;
    put(path, "provider", vl_span_str(machine->maker));
    if (machine->aux.p) put(path, "auxblob", machine->aux);
    counted(begin(machine, path, "inblob", "outblob", 0));
    return 0;
}

int __wrap_rmdir(const char *path) {
    static const char *const files[] = { "provider", "auxblob", "generation", "inblob", "outblob" };
    char file[512];
    if (!ours(path)) return __real_rmdir(path);
    for (struct server *s = servers; s < servers + SERVERS; s++)
        if (s->used && strcmp(s->dir, path) == 0) finish(s);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(file, sizeof file, "%s/%s", path, files[i]);
        unlink(file);
    }
    return __real_rmdir(path);
}

int __wrap_ioctl(int fd, unsigned long request, void *arg) {
    return machine && machine->ioctl ? machine->ioctl(machine, request, arg) : __real_ioctl(fd, request, arg);
}

void *__wrap_dlopen(const char *name, int flags) { return machine && machine->no_libraries ? NULL : __real_dlopen(name, flags); }

/* ---- trees ---- */

void fake_begin(struct fake *f) {
    signal(SIGPIPE, SIG_IGN);
    *f = (struct fake){ .root = "/tmp/village-tee-XXXXXX", .step = 1, .maker = "sev_guest\n" };
    CHECK(mkdtemp(f->root) != NULL);
    f->config.root = f->root;
    machine = f;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}
void fake_end(struct fake *f) {
    for (struct server *s = servers; s < servers + SERVERS; s++)
        if (s->used) finish(s);
    machine = NULL;
    nftw(f->root, drop, 16, FTW_DEPTH | FTW_PHYS);
}

void fake_folder(const struct fake *f, const char *path) {
    char full[256];
    size_t root = strlen(f->root);
    snprintf(full, sizeof full, "%s%s/", f->root, path);
    for (char *p = full + root + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        CHECK(__real_mkdir(full, 0700) == 0 || errno == EEXIST);
        *p = '/';
    }
}

static void above(const struct fake *f, const char *path) {
    char dir[192];
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
    fake_folder(f, dir);
}
void fake_file(const struct fake *f, const char *path, struct vl_span bytes) {
    above(f, path);
    put(f->root, path + 1, bytes);
}
void fake_serve(struct fake *f, const char *in, const char *out) {
    above(f, in);
    begin(f, f->root, in + 1, out + 1, -1);
}
