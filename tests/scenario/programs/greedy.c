/* greedy.c - misbehaves in the way its first argument says; the sandbox must contain each. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile unsigned sink;
static char *volatile hoard; /* keeps the optimiser from removing what nobody reads */

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    static char block[65536];
    if (strcmp(how, "spin") == 0)
        for (;;) sink++;
    if (strcmp(how, "memory") == 0)
        for (size_t n = 0;; n += 1 << 20) {
            char *p = malloc(1 << 20);
            if (p == NULL) return 42; /* a refused allocation is an answer too */
            memset(p, (int)n, 1 << 20);
            hoard = p;
        }
    if (strcmp(how, "output") == 0) {
        memset(block, 'x', sizeof block);
        for (int i = 0; i < 16384; i++)
            if (fwrite(block, 1, sizeof block, stdout) != sizeof block) return 43;
    }
    if (strcmp(how, "disk") == 0) {
        FILE *f = fopen("/out/big", "w");
        for (int i = 0; f && i < 16384; i++)
            if (fwrite(block, 1, sizeof block, f) != sizeof block || fflush(f)) return 44;
    }
    if (strcmp(how, "escape") == 0) {
        int a = open("/in/../../../etc/passwd", O_RDONLY), b = open("/etc/passwd", O_RDONLY);
        int c = symlink("/etc/passwd", "/out/link"), d = open("/out/link", O_RDONLY);
        printf("%s\n", a < 0 && b < 0 && (c != 0 || d < 0) ? "contained" : "escaped");
        return 0;
    }
    if (strcmp(how, "trap") == 0) __builtin_trap();
    return 0;
}
