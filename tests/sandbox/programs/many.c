/* many.c - one WASI program for most tests of the sandbox: argv[1] says what to do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

static volatile int zero;
static volatile double nothing;
static char *volatile wild = (char *)0xfffffff0;
static char buf[4096];

static int deep(int n) {
    volatile char x[16];
    x[0] = (char)n;
    return n == -1 ? 0 : deep(n + 1) + x[0];
}

static void dir(const char *p) {
    DIR *d = opendir(p);
    if (d == NULL) {
        printf("%s: %s\n", p, strerror(errno));
        return;
    }
    for (struct dirent *e; (e = readdir(d));) printf("%s ", e->d_name);
    puts("");
    closedir(d);
}

static void cat(const char *p) {
    FILE *f = fopen(p, "r");
    if (f == NULL) {
        printf("%s: %s\n", p, strerror(errno));
        return;
    }
    while (fgets(buf, sizeof buf, f)) fputs(buf, stdout);
    fclose(f);
}

static void put(const char *p, const char *s) {
    FILE *f = fopen(p, "w");
    if (f == NULL) {
        printf("%s: %s\n", p, strerror(errno));
        return;
    }
    fputs(s, f);
    fclose(f);
}

static void echo(int argc, char **argv) {
    for (int i = 0; i < argc; i++) puts(argv[i]);
    printf("%s\n", getenv("COLOR"));
    while (fgets(buf, sizeof buf, stdin)) fputs(buf, stdout);
}

static int memory(void) {
    for (size_t n = 0;; n++) {
        char *volatile p = malloc(1 << 20); /* volatile: else the compiler leaves the allocation out */
        if (p == NULL) {
            printf("%zu\n", n);
            return 1;
        }
        memset(p, 1, 1 << 20);
    }
}

static int disk(void) {
    FILE *f = fopen("/out/big", "w");
    memset(buf, 'x', sizeof buf);
    for (;;)
        if (fwrite(buf, 1, sizeof buf, f) != sizeof buf) return 9;
}

static void output(void) { /* 1 GiB */
    memset(buf, 'y', sizeof buf);
    for (int i = 0; i < 262144; i++) fwrite(buf, 1, sizeof buf, stdout);
}

static void tree(void) {
    int n = snprintf(buf, sizeof buf, "/out");
    for (int i = 0; i < 100; i++) {
        n += snprintf(buf + n, sizeof buf - (size_t)n, "/d");
        mkdir(buf, 0700);
    }
    put("/out/plain", "p");
}

static void files(void) {
    struct stat st;
    dir("/in");
    cat("/in/b.txt");
    put("/out/r.txt", "result\n");
    put("/out/bad name", "n");
    put("/out/stdout", "fake");
    mkdir("/out/sub", 0700);
    put("/out/sub/x", "x");
    rename("/out/sub/x", "/out/moved");
    put("/tmp/t", "t");
    rename("/tmp/t", "/out/from-tmp");
    dir("/out");
    put("/in/new", "no");
    put("/in/b.txt", "no");
    put("/out/gone", "");
    unlink("/out/gone");
    printf("%d %d\n", stat("/out/gone", &st), stat("/in/b.txt", &st));
    printf("%d\n", (int)st.st_size);
    FILE *f = fopen("/in/b.txt", "r");
    fseek(f, 2, SEEK_SET);
    printf("%c\n", fgetc(f));
    f = fopen("/out/r.txt", "a");
    if (f == NULL) perror("append");
    else fputs("more\n", f), fclose(f);
}

static void escape(void) {
    uint32_t fd;
    cat("/out/../../../etc/passwd");
    cat("/in/../../etc/passwd");
    cat("/etc/passwd");
    cat("/proc/self/environ");
    cat("../etc/passwd");
    printf("%d\n", symlink("/etc/passwd", "/out/link"));
    printf("%d\n", link("/in/b.txt", "/out/link"));
    put("/out/../stolen", "s");
    mkdir("/out/../d", 0700);
    printf("%d\n", unlink("/out/../m.so"));
    for (int d = 3; d < 6; d++) printf("%d ", __wasi_path_open(d, 0, "..", 2, 2, 0, 0, (__wasi_fd_t *)&fd));
    puts("");
}

/* Opens as Go does for reading: every right of files but datasync, write, allocate and path_filestat_set_size. */
static void go_rights(void) {
    const uint64_t rights = ((1ull << 29) - 1) & ~(1ull | 1ull << 6 | 1ull << 8 | 1ull << 19);
    for (int d = 3; d < 6; d++) {
        __wasi_fd_t fd;
        __wasi_size_t n = 0;
        uint8_t text[8];
        __wasi_iovec_t to = { text, sizeof text };
        __wasi_ciovec_t from = { text, 1 };
        if (__wasi_path_open(d, 0, "b.txt", 0, rights, rights, 0, &fd) != 0) continue;
        printf("%d ", __wasi_fd_read(fd, &to, 1, &n));
        printf("%d %d ", (int)n, __wasi_fd_write(fd, &from, 1, &n));
        printf("%d\n", __wasi_fd_filestat_set_size(fd, 0));
    }
}

static void pointers(void) {
    __wasi_size_t n;
    __wasi_ciovec_t v = { (uint8_t *)0xfffffff0u, 0x20 };
    printf("%d ", __wasi_fd_write(1, &v, 1, &n));
    printf("%d ", __wasi_fd_write(1, (void *)0xfffffffcu, 2, &n));
    printf("%d ", __wasi_random_get((uint8_t *)0xffffff00u, 0xffffffffu));
    printf("%d ", __wasi_fd_close(77));
    printf("%d\n", __wasi_sched_yield());
}

static void chance(void) {
    unsigned char r[40];
    struct timespec t;
    struct stat st;
    for (int i = 0; i < 2; i++) {
        getentropy(r, sizeof r);
        for (size_t k = 0; k < sizeof r; k++) printf("%02x", r[k]);
    }
    clock_gettime(CLOCK_REALTIME, &t);
    printf("\n%lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
    struct timespec five = { 5, 0 };
    nanosleep(&five, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
    put("/out/z", "");
    put("/out/a", "");
    dir("/out");
    stat("/out/z", &st);
    printf("%llu %lld\n", (unsigned long long)st.st_ino, (long long)st.st_mtime);
}

static void nan_bits(void) {
    double x = nothing / nothing;
    float y = (float)nothing / (float)nothing;
    volatile union {
        double d;
        uint64_t u;
    } s;
    uint64_t u;
    uint32_t v;
    memcpy(&u, &x, 8);
    memcpy(&v, &y, 4);
    printf("%llx %x ", (unsigned long long)u, v);
    printf("%g ", copysign(1.0, nothing / nothing));
    s.d = -(nothing / nothing);
    printf("%llx ", (unsigned long long)s.u);
    s.u = 0xfff8000000001234ull; /* a payload, as engines that box values in NaNs use them: passes untouched */
    double copy = s.d;
    s.d = copy;
    printf("%llx\n", (unsigned long long)s.u);
}

int main(int argc, char **argv) {
    const char *c = argc > 1 ? argv[1] : "";
    if (!strcmp(c, "hello")) {
        puts("hello");
        fputs("oops\n", stderr);
        return 7;
    }
    if (!strcmp(c, "echo")) echo(argc, argv);
    if (!strcmp(c, "unreachable")) __builtin_trap();
    if (!strcmp(c, "divide")) return 5 / zero;
    if (!strcmp(c, "overflow")) return INT32_MIN / (zero - 1);
    if (!strcmp(c, "bounds")) *wild = 1;
    if (!strcmp(c, "indirect")) {
        void (*volatile f)(double) = (void (*)(double))(void *)main;
        f(1.0);
    }
    if (!strcmp(c, "stack")) return deep(0);
    if (!strcmp(c, "memory")) return memory();
    if (!strcmp(c, "ever"))
        for (;;) zero++;
    if (!strcmp(c, "sleep")) sleep(1000);
    if (!strcmp(c, "disk")) return disk();
    if (!strcmp(c, "truncate")) return ftruncate(open("/out/big", O_RDWR | O_CREAT, 0600), 1ll << 40) ? 9 : 8;
    if (!strcmp(c, "output")) output();
    if (!strcmp(c, "many-files"))
        for (int i = 0;; i++) {
            char name[32];
            snprintf(name, sizeof name, "/tmp/%d", i);
            put(name, "");
        }
    if (!strcmp(c, "tree")) tree();
    if (!strcmp(c, "files")) files();
    if (!strcmp(c, "escape")) escape();
    if (!strcmp(c, "pointers")) pointers();
    if (!strcmp(c, "go-rights")) go_rights();
    if (!strcmp(c, "chance")) chance();
    if (!strcmp(c, "nan")) nan_bits();
    return 0;
}
