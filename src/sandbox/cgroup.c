#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROOT_V2 "/sys/fs/cgroup"
#define PREFIX "village-" /* + pid of the runner */
#define LEAF "/village-node"
#define FILE_MAX 4096u

static bool put(const char *dir, const char *file, const char *text) {
    char path[384];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, file) >= sizeof path) return false;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

static bool get(const char *dir, const char *file, char text[FILE_MAX]) {
    char path[384];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, file) >= sizeof path) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, FILE_MAX - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

static bool put_number(const char *dir, const char *file, uint64_t v) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    return put(dir, file, text);
}

static uint64_t get_number(const char *dir, const char *file) {
    char text[FILE_MAX];
    return get(dir, file, text) ? strtoull(text, NULL, 10) : 0;
}

/* The number behind `key` in a file of "key value" lines. */
static uint64_t get_field(const char *dir, const char *file, const char *key) {
    char text[FILE_MAX];
    if (!get(dir, file, text)) return 0;
    size_t n = strlen(key);
    for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (strncmp(p, key, n) == 0 && p[n] == ' ') return strtoull(p + n, NULL, 10);
    return 0;
}

/* The folder of `controller` ("" for version 2) that this process is in: its line in /proc/self/cgroup. */
static bool own_path(const char *controller, char path[200]) {
    char text[FILE_MAX];
    if (!get("/proc/self", "cgroup", text)) return false;
    for (char *line = text; line && *line;) {
        char *next = strchr(line, '\n');
        if (next) *next++ = 0;
        char *names = strchr(line, ':');
        char *where = names ? strchr(names + 1, ':') : NULL;
        if (where) {
            *where++ = 0;
            size_t n = strlen(controller);
            for (char *c = names + 1;; c += strcspn(c, ",") + 1) {
                if (strncmp(c, controller, n) == 0 && (c[n] == ',' || c[n] == 0))
                    return (size_t)snprintf(path, 200, "%s", strcmp(where, "/") == 0 ? "" : where) < 200;
                if (c[strcspn(c, ",")] == 0) break;
            }
        }
        line = next;
    }
    return false;
}

static void remove_groups(const char *dir) {
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, "t-", 2) == 0) unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    if (d) closedir(d);
    rmdir(dir);
}

/* Holds the folder until the descriptor closes, at the latest with this process.  -1: another holds it. */
static int hold(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* A pid that we do not see may live in another pid namespace: only a lock that nobody holds says that it is gone. */
static void remove_stale(const char *parent) {
    DIR *d = opendir(parent);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        if (strncmp(e->d_name, PREFIX, sizeof PREFIX - 1) != 0) continue;
        pid_t pid = (pid_t)strtol(e->d_name + sizeof PREFIX - 1, NULL, 10);
        if (pid <= 1 || pid == getpid() || kill(pid, 0) == 0 || errno != ESRCH) continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", parent, e->d_name) >= sizeof path) continue;
        int fd = hold(path);
        if (fd < 0) continue;
        remove_groups(path);
        close(fd);
    }
    if (d) closedir(d);
}

/* The runner's folder below `parent`; dir is "" on failure. */
static bool make_base(const char *parent, char dir[256], int *ret_held) {
    char path[300];
    dir[0] = 0;
    remove_stale(parent);
    if ((size_t)snprintf(path, sizeof path, "%s/" PREFIX "%d", parent, getpid()) >= 256) return false;
    if (mkdir(path, 0755) != 0 && errno != EEXIST) return false;
    *ret_held = hold(path);
    if (*ret_held < 0) return false; /* a namesake in another pid namespace */
    memcpy(dir, path, strlen(path) + 1);
    return true;
}

static bool make_base_v1(const char *controller, char dir[256], int *ret_held) {
    char own[200], parent[256];
    dir[0] = 0;
    if (!own_path(controller, own)) return false;
    return (size_t)snprintf(parent, sizeof parent, "/sys/fs/cgroup/%s%s", controller, own) < sizeof parent &&
           make_base(parent, dir, ret_held);
}

static bool has(const char *dir, const char *file) {
    char path[384];
    return (size_t)snprintf(path, sizeof path, "%s/%s", dir, file) < sizeof path && access(path, W_OK) == 0;
}

/* Controllers for the groups below `dir`; one by one, because the kernel refuses a whole line for one that it lacks. */
static bool enable(const char *dir) {
    char text[FILE_MAX];
    put(dir, "cgroup.subtree_control", "+memory");
    put(dir, "cgroup.subtree_control", "+pids");
    put(dir, "cgroup.subtree_control", "+cpu");
    return get(dir, "cgroup.subtree_control", text) && (strstr(text, "memory") || strstr(text, "pids"));
}

/* May we make groups in it?  Who is not root may if the files let him; systemd marks what it leaves to others (its
 * CGROUP_DELEGATION document), and would undo what root does elsewhere. */
static bool delegated(const char *dir) {
    char v[2];
    if (geteuid() != 0 || access("/run/systemd/system", F_OK) != 0) return true;
    return (getxattr(dir, "trusted.delegate", v, sizeof v) == 1 || getxattr(dir, "user.delegate", v, sizeof v) == 1) &&
           v[0] == '1';
}

/* Processes in a group with groups below: the kernel then refuses +memory (cgroups(7), "no internal processes") and with
 * +pids or +cpu, which it takes, makes the group a threaded one, whose children take no process at all.  Only the root of
 * the hierarchy, which alone has no cgroup.type, is free of this. */
static bool busy(const char *dir) {
    char text[FILE_MAX];
    return get(dir, "cgroup.type", text) && get(dir, "cgroup.procs", text);
}

/* A service starts in the very group that was delegated to it.  So the runner and the node that started it move into a
 * leaf below; with anyone else there, nothing is moved. */
static bool move_to_leaf(const char *dir) {
    char text[FILE_MAX], leaf[280];
    if (!delegated(dir) || !get(dir, "cgroup.procs", text)) return false;
    for (char *p = text, *end; *p; p = end + strspn(end, "\n")) {
        long pid = strtol(p, &end, 10);
        if (end == p || (pid != getpid() && pid != getppid())) return false;
    }
    if ((size_t)snprintf(leaf, sizeof leaf, "%s" LEAF, dir) >= sizeof leaf) return false;
    if (mkdir(leaf, 0755) != 0 && errno != EEXIST) return false;
    for (char *p = text, *end; *p; p = end + strspn(end, "\n"))
        if (!put_number(leaf, "cgroup.procs", (uint64_t)strtol(p, &end, 10))) return false;
    return true;
}

static bool open_v2(struct cgroups *g) {
    char own[200], parent[256];
    if (access(ROOT_V2 "/cgroup.controllers", R_OK) != 0 || !own_path("", own)) return false;
    size_t n = strlen(own), tail = sizeof LEAF - 1;
    if (n >= tail && strcmp(own + n - tail, LEAF) == 0) own[n - tail] = 0; /* an earlier runner moved the node */
    if ((size_t)snprintf(parent, sizeof parent, ROOT_V2 "%s", own) >= sizeof parent) return false;
    if ((busy(parent) && !move_to_leaf(parent)) || !enable(parent)) return false;
    if (!make_base(parent, g->memory_dir, &g->held[0])) return false;
    enable(g->memory_dir);
    memcpy(g->pids_dir, g->memory_dir, sizeof g->pids_dir);
    memcpy(g->cpu_dir, g->memory_dir, sizeof g->cpu_dir);
    g->memory = has(g->memory_dir, "memory.max");
    g->pids = has(g->memory_dir, "pids.max");
    g->cpu = true; /* cpu.stat is in every group */
    if (!g->memory && !g->pids) {
        rmdir(g->memory_dir);
        return false;
    }
    g->version = SANDBOX_CGROUP_V2;
    return true;
}

void cgroups_open(struct cgroups *g) {
    static const struct cgroups none = { .version = SANDBOX_CGROUP_NONE, .held = { -1, -1, -1 } };
    *g = none;
    if (open_v2(g)) return;
    if (g->held[0] >= 0) close(g->held[0]);
    *g = none;
    g->memory = make_base_v1("memory", g->memory_dir, &g->held[0]) && has(g->memory_dir, "memory.limit_in_bytes");
    g->pids = make_base_v1("pids", g->pids_dir, &g->held[1]) && has(g->pids_dir, "cgroup.procs");
    g->cpu = make_base_v1("cpuacct", g->cpu_dir, &g->held[2]) && has(g->cpu_dir, "cpuacct.usage");
    if (g->memory || g->pids || g->cpu) g->version = SANDBOX_CGROUP_V1;
}

void cgroups_close(struct cgroups *g) {
    if (g->memory) remove_groups(g->memory_dir);
    if (g->pids) remove_groups(g->pids_dir);
    if (g->cpu) remove_groups(g->cpu_dir);
    for (size_t i = 0; i < 3; i++)
        if (g->held[i] >= 0) close(g->held[i]);
    *g = (struct cgroups){ .version = SANDBOX_CGROUP_NONE, .held = { -1, -1, -1 } };
}

struct group {
    char path[300];
};
static struct group group(const char *dir, uint32_t slot) {
    struct group p;
    snprintf(p.path, sizeof p.path, "%s/t-%u", dir, slot);
    return p;
}

static bool make(const char *dir, uint32_t slot) {
    struct group p = group(dir, slot);
    return mkdir(p.path, 0755) == 0 || errno == EEXIST;
}

bool cgroup_make(const struct cgroups *g, uint32_t slot, uint64_t memory_bytes, uint32_t processes) {
    bool v1 = g->version == SANDBOX_CGROUP_V1, ok = true;
    struct group memory = group(g->memory_dir, slot), pids = group(g->pids_dir, slot);
    if (g->memory) {
        ok = make(g->memory_dir, slot) &&
             put_number(memory.path, v1 ? "memory.limit_in_bytes" : "memory.max", memory_bytes);
        /* Swap would turn a memory limit into a slow machine; these files are missing where swap is not accounted. */
        if (v1) put_number(memory.path, "memory.memsw.limit_in_bytes", memory_bytes);
        else put(memory.path, "memory.swap.max", "0");
        if (!v1) put(memory.path, "memory.oom.group", "1");
    }
    /* bubblewrap itself is two of them, setpriv or prlimit become the program. */
    if (ok && g->pids) ok = make(g->pids_dir, slot) && put_number(pids.path, "pids.max", processes + 2ull);
    if (ok && g->cpu) ok = make(g->cpu_dir, slot);
    if (!ok) cgroup_remove(g, slot);
    return ok;
}

bool cgroup_enter(const struct cgroups *g, uint32_t slot) {
    struct group m = group(g->memory_dir, slot), p = group(g->pids_dir, slot), c = group(g->cpu_dir, slot);
    if (g->memory && !put(m.path, "cgroup.procs", "0")) return false;
    if (g->pids && strcmp(m.path, p.path) != 0 && !put(p.path, "cgroup.procs", "0")) return false;
    if (g->cpu && strcmp(m.path, c.path) != 0 && !put(c.path, "cgroup.procs", "0")) return false;
    return true;
}

void cgroup_read(const struct cgroups *g, uint32_t slot, struct cgroup_figures *ret) {
    struct group m = group(g->memory_dir, slot), p = group(g->pids_dir, slot), c = group(g->cpu_dir, slot);
    *ret = (struct cgroup_figures){ 0 };
    if (g->version == SANDBOX_CGROUP_V1) {
        if (g->memory) ret->peak_bytes = get_number(m.path, "memory.max_usage_in_bytes");
        if (g->memory) ret->out_of_memory = get_field(m.path, "memory.oom_control", "oom_kill") > 0;
        if (g->cpu) ret->cpu_us = get_number(c.path, "cpuacct.usage") / 1000;
    } else if (g->version == SANDBOX_CGROUP_V2) {
        ret->peak_bytes = get_number(m.path, "memory.peak");
        ret->out_of_memory = get_field(m.path, "memory.events", "oom_kill") > 0;
        ret->cpu_us = get_field(c.path, "cpu.stat", "usage_usec");
    }
    if (g->pids) ret->out_of_pids = get_field(p.path, "pids.events", "max") > 0;
}

bool cgroup_freeze(const struct cgroups *g, uint32_t slot, bool on) {
    return g->version == SANDBOX_CGROUP_V2 && put(group(g->memory_dir, slot).path, "cgroup.freeze", on ? "1" : "0");
}

void cgroup_remove(const struct cgroups *g, uint32_t slot) {
    struct group m = group(g->memory_dir, slot), p = group(g->pids_dir, slot), c = group(g->cpu_dir, slot);
    if (g->memory) rmdir(m.path);
    if (g->pids) rmdir(p.path);
    if (g->cpu) rmdir(c.path);
}
