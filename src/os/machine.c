#include "os/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

static uint64_t read_u64(const char *path) {
    char s[64];
    FILE *f = fopen(path, "re");
    if (f == NULL) return 0;
    char *ok = fgets(s, sizeof s, f);
    fclose(f);
    return ok ? strtoull(s, NULL, 10) : 0; /* "max" reads as 0: no limit known */
}

static uint64_t least_known(uint64_t a, uint64_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

uint64_t os_disk_free(const char *path) {
    struct statvfs v;
    return statvfs(path, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}

static uint32_t count_cpus(void) {
    cpu_set_t set;
    uint32_t n = sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
    unsigned long long quota = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (f) {
        if (fscanf(f, "%llu %llu", &quota, &period) == 2 && period > 0) {
            uint64_t whole = quota / period;
            if (whole < n) n = whole ? (uint32_t)whole : 1;
        }
        fclose(f);
    }
    return n ? n : 1;
}

void os_machine_read(const char *data_dir, struct os_machine *ret) {
    double load = 0;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    memory = least_known(memory, read_u64("/sys/fs/cgroup/memory.max"));
    memory = least_known(memory, read_u64("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    uint32_t cpus = count_cpus();
    if (getloadavg(&load, 1) != 1 || load < 0) load = 0;
    *ret = (struct os_machine){ .cpus = cpus,
                                .memory_bytes = memory,
                                .disk_bytes = os_disk_free(data_dir),
                                .load_milli = (uint32_t)(load * 1000 / cpus) };
}

uint64_t os_rss(void) {
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL) return 0;
    int n = fscanf(f, "%llu %llu", &size, &resident);
    fclose(f);
    return n == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
