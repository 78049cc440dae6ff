/* pace_test.c - tasks that stand still, and tasks under a cap, through a real runner. */
#include "harness.h"

#include "os/sensors.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct sandbox_request busy(uint64_t task) {
    static const char argv[] = "m\0ever";
    struct sandbox_request q = run_wasm(task, wasm_from_c("many.c", NULL));
    q.u.run.argv = vl_span(argv, sizeof argv);
    q.u.run.argc = 2;
    q.u.run.limits.cpu_ms = 0;
    return q;
}

static void pace(struct rig *g, uint32_t cap) {
    rig_send(g, &(struct sandbox_request){ .kind = SANDBOX_REQ_PACE, .u.cap_milli = cap });
}

static void wait_started(struct rig *g) {
    while (rig_event(g)->kind != SANDBOX_EVT_STARTED) {}
}

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t used_ms(struct rig *g) { return sensors_tree_cpu_ms("/proc", g->pid); }

/* Processor time that the runner's tree used in so many ms. */
static uint64_t uses(struct rig *g, unsigned ms) {
    uint64_t before = used_ms(g);
    usleep(ms * 1000);
    return used_ms(g) - before;
}

/* Tasks have the lowest priority: on a busy machine that may take a while. */
static bool goes_on(struct rig *g) {
    uint64_t before = used_ms(g);
    for (int i = 0; i < 6000 && used_ms(g) - before < 30; i++) usleep(10000);
    return used_ms(g) - before >= 30;
}

static void stop_and_drop(struct rig *g, uint64_t n) {
    for (uint64_t t = 1; t <= n; t++) {
        rig_send(g, &(struct sandbox_request){ .kind = SANDBOX_REQ_KILL, .u.task = t });
        CHECK_EQ(SANDBOX_KILLED, rig_exited(g, t)->outcome);
    }
    rig_stop(g, true);
}

/* State of the runner's first child: 'T' stands still. */
static char child_state(struct rig *g) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", g->pid, g->pid);
    FILE *f = fopen(path, "re");
    int pid = 0, got = f ? fscanf(f, "%d", &pid) : 0;
    if (f) fclose(f);
    if (got != 1) return '?';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    f = fopen(path, "re");
    char *ok = f ? fgets(text, sizeof text, f) : NULL, *end = ok ? strrchr(text, ')') : NULL;
    if (f) fclose(f);
    return end && end[1] ? end[2] : '?';
}

TEST(pace, freezes_a_busy_task_and_lets_it_go_on) {
    NEED_WASM(wasm_from_c("many.c", NULL));
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = busy(1);
    rig_send(g, &q);
    wait_started(g);
    CHECK(goes_on(g));
    uint64_t begun = now_us(), took = 0;
    pace(g, 0);
    while (child_state(g) != 'T' && (took = now_us() - begun) < 5000000) usleep(200);
    print_message("# frozen after %llu us\n", (unsigned long long)took);
    CHECK(took < 1000000); /* a hundredth of it when the machine is not busy */
    usleep(20000);
    CHECK(uses(g, 500) <= 10); /* the runner itself wakes up for nothing */
    pace(g, 1000);
    CHECK(goes_on(g));
    stop_and_drop(g, 1);
}

TEST(pace, counts_no_frozen_time_against_the_time_limit) {
    NEED_WASM(wasm_from_c("many.c", NULL));
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = busy(1);
    q.u.run.limits.timeout_ms = 2000;
    uint64_t begun = now_us();
    rig_send(g, &q);
    wait_started(g);
    begun = now_us();
    pace(g, 0);
    CHECK(!rig_event_within(g, 3000));
    pace(g, 1000);
    CHECK_EQ(SANDBOX_TIMED_OUT, rig_exited(g, 1)->outcome);
    CHECK(now_us() - begun >= 4900000);
    rig_stop(g, true);
}

TEST(pace, kills_a_frozen_task_and_begins_none_while_frozen) {
    NEED_WASM(wasm_from_c("many.c", NULL));
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = busy(1);
    rig_send(g, &q);
    wait_started(g);
    pace(g, 0);
    q = busy(2);
    rig_send(g, &q);
    CHECK(!rig_event_within(g, 300));
    rig_send(g, &(struct sandbox_request){ .kind = SANDBOX_REQ_KILL, .u.task = 1 });
    CHECK_EQ(SANDBOX_KILLED, rig_exited(g, 1)->outcome);
    pace(g, 1000);
    wait_started(g);
    CHECK_EQ(2, g->ev.u.task);
    rig_send(g, &(struct sandbox_request){ .kind = SANDBOX_REQ_KILL, .u.task = 2 });
    CHECK_EQ(SANDBOX_KILLED, rig_exited(g, 2)->outcome);
    rig_stop(g, true);
}

/* Several tasks, since the cap is of all processors together; measured over two seconds. */
TEST(pace, holds_all_tasks_together_under_a_share_of_all_processors) {
    NEED_WASM(wasm_from_c("many.c", NULL));
    cpu_set_t set;
    CHECK_OK(sched_getaffinity(0, sizeof set, &set));
    unsigned cpus = (unsigned)CPU_COUNT(&set), tasks = cpus < 8 ? cpus + 1 : 8;
    struct rig *g = rig_start(NULL);
    for (uint64_t t = 1; t <= tasks; t++) {
        struct sandbox_request q = busy(t);
        rig_send(g, &q);
        wait_started(g);
    }
    static const unsigned caps[] = { 500, 200, 100 };
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        pace(g, caps[i]);
        usleep(300000);
        uint64_t begun = now_us(), used = uses(g, 2000), allowed = (now_us() - begun) / 1000 * cpus * caps[i] / 1000;
        print_message("# cap %u/1000 of %u processors: %llu ms used of %llu allowed\n", caps[i], cpus, (unsigned long long)used,
                      (unsigned long long)allowed);
        CHECK(used <= allowed + allowed / 5 + 40); /* and what the runner's looking costs */
    }
    stop_and_drop(g, tasks);
}

/* The last child of the last child ... of a process. */
static pid_t deepest(pid_t pid) {
    for (;;) {
        char path[64], text[512] = "";
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
        FILE *f = fopen(path, "re");
        char *got = f ? fgets(text, sizeof text, f) : NULL;
        if (f) fclose(f);
        pid_t last = 0;
        for (char *p = got, *end; p && *p; p = end) {
            long v = strtol(p, &end, 10);
            if (end == p) break;
            last = (pid_t)v;
        }
        if (last == 0) return pid;
        pid = last;
    }
}

static struct sandbox_request native_busy(uint64_t task, const char *script) {
    struct sandbox_request q = run_native(task, "/bin/bash");
    run_args(&q, (const char *const[]){ "bash", "-c", script, NULL });
    q.u.run.limits.cpu_ms = 0;
    return q;
}

#define NEED_NATIVE(g)                                                                                                 \
    do {                                                                                                               \
        if (!(g)->ev.u.hello.native) {                                                                                 \
            rig_stop((g), true);                                                                                       \
            SKIP("native programs cannot be isolated here");                                                           \
        }                                                                                                              \
    } while (0)

/* The group of version 2 that the task of slot 0 is in, as its processes say; "" elsewhere. */
static void group_of_task(struct rig *g, bool v2, char dir[400]) {
    char path[64], text[320] = "";
    dir[0] = '\0';
    if (!v2) return;
    snprintf(path, sizeof path, "/proc/%d/cgroup", deepest(g->pid));
    FILE *f = fopen(path, "re");
    while (f && fgets(text, sizeof text, f) && strncmp(text, "0::", 3) != 0) {}
    if (f) fclose(f);
    text[strcspn(text, "\n")] = '\0';
    CHECK(strncmp(text, "0::", 3) == 0 && strstr(text, "/t-0") != NULL);
    snprintf(dir, 400, "/sys/fs/cgroup%s", text + 3);
}

/* The number behind `key` in a file of the group; key NULL: the file is one number. */
static uint64_t group_says(const char *dir, const char *file, const char *key) {
    char path[480], line[128];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "re");
    CHECK(f != NULL);
    uint64_t v = UINT64_MAX;
    size_t n = key ? strlen(key) : 0;
    while (fgets(line, sizeof line, f))
        if (!key || (strncmp(line, key, n) == 0 && line[n] == ' ')) v = strtoull(line + n, NULL, 10);
    fclose(f);
    return v;
}

/* On version 2 the kernel itself says that all of it stands still, and how much the group used. */
static void group_is_frozen(const char *dir, uint64_t since_us) {
    if (!dir[0]) return;
    while (!group_says(dir, "cgroup.events", "frozen") && now_us() - since_us < 5000000) usleep(200);
    print_message("# group frozen after %llu us\n", (unsigned long long)(now_us() - since_us));
    CHECK_EQ(1, group_says(dir, "cgroup.freeze", NULL));
    CHECK_EQ(1, group_says(dir, "cgroup.events", "frozen"));
    uint64_t before = group_says(dir, "cpu.stat", "usage_usec");
    usleep(300000);
    CHECK_EQ(before, group_says(dir, "cpu.stat", "usage_usec"));
}

TEST(pace, freezes_a_native_task_with_all_its_processes) {
    char group[400];
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    bool v2 = g->ev.u.hello.cgroup == SANDBOX_CGROUP_V2;
    struct sandbox_request q = native_busy(1, "for i in 1 2 3; do (while :; do :; done) & done; wait");
    rig_send(g, &q);
    wait_started(g);
    CHECK(goes_on(g));
    group_of_task(g, v2, group);
    uint64_t begun = now_us();
    pace(g, 0);
    group_is_frozen(group, begun);
    usleep(100000);
    CHECK(uses(g, 500) <= 10);
    pace(g, 1000);
    CHECK(goes_on(g));
    if (v2) CHECK_EQ(0, group_says(group, "cgroup.freeze", NULL) + group_says(group, "cgroup.events", "frozen"));
    pace(g, 0);
    usleep(50000);
    CHECK_OK(kill(deepest(g->pid), SIGCONT)); /* one that was not seen goes on, but not for long */
    usleep(400000);
    CHECK(uses(g, 300) <= 10);
    stop_and_drop(g, 1); /* killed while frozen: nothing is left */
}

TEST(pace, counts_no_frozen_time_against_the_time_limit_of_a_native_task) {
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    struct sandbox_request q = native_busy(1, "while :; do :; done");
    q.u.run.limits.timeout_ms = 1000;
    uint64_t begun = now_us();
    rig_send(g, &q);
    wait_started(g);
    pace(g, 0);
    CHECK(!rig_event_within(g, 1500));
    pace(g, 1000);
    CHECK_EQ(SANDBOX_TIMED_OUT, rig_exited(g, 1)->outcome);
    CHECK(now_us() - begun >= 2400000);
    q = native_busy(2, "exit 3"); /* the next one in its slot does not stand still */
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_EXITED, e->outcome);
    CHECK_EQ(3, e->exit_code);
    rig_stop(g, true);
}

TEST(pace, holds_a_native_task_under_a_share_of_all_processors) {
    cpu_set_t set;
    CHECK_OK(sched_getaffinity(0, sizeof set, &set));
    unsigned cpus = (unsigned)CPU_COUNT(&set);
    char group[400];
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    bool v2 = g->ev.u.hello.cgroup == SANDBOX_CGROUP_V2;
    struct sandbox_request q = native_busy(1, "for i in 1 2 3; do (while :; do :; done) & done; wait");
    rig_send(g, &q);
    wait_started(g);
    CHECK(goes_on(g));
    group_of_task(g, v2, group);
    pace(g, 200);
    usleep(300000);
    uint64_t begun = now_us(), before = group[0] ? group_says(group, "cpu.stat", "usage_usec") : 0, used = uses(g, 2000);
    uint64_t allowed = (now_us() - begun) / 1000 * cpus * 200 / 1000;
    print_message("# native, cap 200/1000 of %u processors: %llu ms used of %llu allowed\n", cpus, (unsigned long long)used, (unsigned long long)allowed);
    if (group[0]) { /* the group alone: in an emulator what the runner's looking costs is not little */
        used = (group_says(group, "cpu.stat", "usage_usec") - before) / 1000;
        print_message("# its group alone: %llu ms\n", (unsigned long long)used);
    }
    CHECK(used >= allowed / 20);
    CHECK(used <= allowed + allowed / 5 + 40);
    stop_and_drop(g, 1);
}
