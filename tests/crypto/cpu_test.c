#include "crypto/cpu.h"

#include "check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifdef __x86_64__
/* Does the line hold the word? */
static bool has(const char *line, const char *word) {
    size_t n = strlen(word);
    for (const char *at = line; (at = strstr(at, word)) != NULL; at += n)
        if (at > line && at[-1] == ' ' && (at[n] == ' ' || at[n] == '\n' || at[n] == '\0')) return true;
    return false;
}

/* The kernel shows a flag only when it saves the registers that the instructions need. */
TEST(cpu, finds_what_the_kernel_shows) {
    char line[8192];
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (f == NULL) SKIP("no /proc/cpuinfo");
    bool found = false;
    while (!found && fgets(line, sizeof line, f) != NULL) found = strncmp(line, "flags", 5) == 0;
    (void)fclose(f);
    if (!found) SKIP("no flags in /proc/cpuinfo");
    struct crypto_cpu cpu = crypto_cpu_detect();
    CHECK_EQ(has(line, "aes") && has(line, "pclmulqdq") && has(line, "sse4_1"), cpu.aes);
    CHECK_EQ(has(line, "avx2"), cpu.avx2);
    CHECK_EQ(has(line, "avx512f") && has(line, "avx512bw") && has(line, "avx512dq") && has(line, "avx512vl"),
             cpu.avx512);
    CHECK_EQ(has(line, "vaes") && has(line, "vpclmulqdq"), cpu.vaes);
    CHECK_EQ(has(line, "avx512ifma"), cpu.ifma);
}
#else
TEST(cpu, finds_nothing_of_x86_elsewhere) {
    struct crypto_cpu cpu = crypto_cpu_detect(), none = { 0 };
    CHECK_MEM(&none, &cpu, sizeof cpu);
}
#endif
