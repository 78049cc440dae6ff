/* mix_bench.c - the private network's parts on one core.  Each bench prints one JSON line; what it needs beside goes to
 * standard error.  Usage: mix_bench [NAME...]; all when none is named. */
#include "mix_bench.h"

#include "mix/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

double bench_now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
_Noreturn void bench_die(const char *what) {
    (void)fprintf(stderr, "mix_bench: %s\n", what);
    exit(1);
}
void bench_print(const char *name, double value, const char *unit, const char *peer, double peer_value) {
    if (peer != NULL)
        printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"%s\",\"peer\":\"%s\",\"ratio\":%.3f}\n", name, value, unit,
               peer, value / peer_value);
    else
        printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"%s\",\"peer\":null,\"ratio\":null}\n", name, value, unit);
    (void)fflush(stdout);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
double bench_median(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

/* ---- replay.check: a table for an hour at 25,000 packets/s, filled to its capacity ---- */

#define REPLAY_ENTRIES 90000000u
#define REPLAY_GROUP 64u
#define REPLAY_CHUNK (REPLAY_GROUP * 1024u)

static uint64_t splitmix(uint64_t *s) {
    uint64_t z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* Checks n fresh or known tags, one group asked for ahead; ns a tag. */
static double replay_run(struct replay *r, uint64_t *seed, uint64_t n, enum vl_err want) {
    static uint8_t tag[REPLAY_CHUNK + REPLAY_GROUP][16];
    double spent = 0;
    for (uint64_t done = 0; done < n; done += REPLAY_CHUNK) {
        for (size_t i = 0; i < REPLAY_CHUNK; i++) {
            uint64_t v[2] = { splitmix(seed), splitmix(seed) };
            memcpy(tag[i], v, 16);
        }
        double start = bench_now_s();
        replay_prefetch(r, (const uint8_t(*)[16])tag, REPLAY_GROUP);
        for (size_t g = 0; g < REPLAY_CHUNK; g += REPLAY_GROUP) {
            replay_prefetch(r, (const uint8_t(*)[16])(tag + g + REPLAY_GROUP), REPLAY_GROUP);
            for (size_t i = g; i < g + REPLAY_GROUP; i++)
                if (replay_check(r, tag[i]) != want) bench_die("a tag was taken for another");
        }
        spent += bench_now_s() - start;
    }
    return spent * 1e9 / (double)n;
}
/* What the memory alone takes: two random lines a tag read and one word written, asked for one group ahead. */
static double memory_run(uint8_t *mem, size_t size, uint64_t *seed, uint64_t n) {
    static uint32_t at[REPLAY_CHUNK + REPLAY_GROUP][2];
    double spent = 0;
    uint32_t sink = 0;
    for (uint64_t done = 0; done < n; done += REPLAY_CHUNK) {
        for (size_t i = 0; i < REPLAY_CHUNK; i++)
            for (int k = 0; k < 2; k++) at[i][k] = (uint32_t)(splitmix(seed) % (size / 64));
        double start = bench_now_s();
        for (size_t g = 0; g < REPLAY_CHUNK; g += REPLAY_GROUP) {
            for (size_t i = g + REPLAY_GROUP; i < g + 2 * REPLAY_GROUP; i++)
                for (int k = 0; k < 2; k++) __builtin_prefetch(mem + (size_t)at[i][k] * 64, 1);
            for (size_t i = g; i < g + REPLAY_GROUP; i++) {
                uint32_t v[2];
                for (int k = 0; k < 2; k++) memcpy(&v[k], mem + (size_t)at[i][k] * 64 + (i & 15) * 4, 4);
                sink += v[0] + v[1];
                memcpy(mem + (size_t)at[i][0] * 64 + (i & 15) * 4, &sink, 4);
            }
        }
        spent += bench_now_s() - start;
    }
    return spent * 1e9 / (double)n;
}
static double replay_figure(uint8_t *mem, size_t size, const char *pages, double *ret_memory) {
    const uint8_t key_hash[32] = { 1 }, sip_key[16] = { 2 };
    uint64_t seed = 1, again = 1, other = 2, n = REPLAY_ENTRIES / REPLAY_CHUNK * REPLAY_CHUNK;
    struct replay *r, *second;
    memset(mem, 0, size); /* pages first: a node maps its tables before the epoch begins */
    if (replay_create(mem, size, REPLAY_ENTRIES, key_hash, sip_key, &r) != VL_OK) bench_die("replay_create");
    double fill = replay_run(r, &seed, n, VL_OK), seen = replay_run(r, &again, n / 8, VL_EREPLAY);
    struct replay_stats s = replay_stats(r);
    double open = bench_now_s();
    if (replay_open(mem, size, key_hash, &second) != VL_OK) bench_die("replay_open");
    open = bench_now_s() - open;
    replay_close(second);
    replay_close(r);
    *ret_memory = memory_run(mem, size, &other, n / 8);
    (void)fprintf(
        stderr,
        "mix_bench: replay, %s: %zu MiB, %llu tags, %llu in the stash; %.1f ns a new tag, %.1f a replay, %.1f two "
        "random lines; open %.0f ms\n",
        pages, size >> 20, (unsigned long long)s.entries, (unsigned long long)s.stash, fill, seen, *ret_memory,
        open * 1e3);
    return fill;
}
/* The figure is with huge pages; a shared mapping has them only where the machine allows it (shmem_enabled), so the one
 * with small pages is told beside it. */
static void bench_replay(void) {
    size_t size = (replay_size(REPLAY_ENTRIES) + (2u << 20) - 1) & ~(size_t)((2u << 20) - 1);
    double memory[2], fill = 0;
    for (int huge = 0; huge < 2; huge++) {
        uint8_t *mem =
            mmap(NULL, size, PROT_READ | PROT_WRITE, (huge ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS, -1, 0);
        if (mem == MAP_FAILED) bench_die("no memory for replay.check");
        (void)madvise(mem, size, MADV_HUGEPAGE);
        fill = replay_figure(mem, size, huge ? "private, huge pages" : "shared", &memory[huge]);
        (void)munmap(mem, size);
    }
    bench_print("replay.check", fill, "ns", "two random lines", memory[1]);
}

static const struct bench {
    const char *name;
    void (*run)(void);
} benches[] = {
    { "x25519", bench_x25519_batch64 },
    { "x25519_base", bench_x25519_base64 },
    { "hctr2", bench_hctr2_1600 },
    { "replay", bench_replay },
    { "relay", bench_relay_core },
    { "relay_queue", bench_relay_queue },
    { "unwrap", bench_sphinx_unwrap },
    { "unwrap_portable", bench_sphinx_unwrap_portable },
    { "create7", bench_sphinx_create7 },
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        bool run = argc < 2;
        for (int k = 1; k < argc; k++) run = run || strcmp(argv[k], benches[i].name) == 0;
        if (run) benches[i].run();
    }
    return 0;
}
