/* native_test.c - programs of the machine itself under bubblewrap. */
#include "harness.h"

#include "sandbox/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED_NATIVE(g) NEED((g)->ev.u.hello.native, g)
#define NEED(yes, g)                                                                                                 \
    do {                                                                                                               \
        if (!(yes)) {                                                                                                  \
            rig_stop((g), true);                                                                                       \
            SKIP("bubblewrap is missing or not permitted here");                                                       \
        }                                                                                                              \
    } while (0)

static struct sandbox_request shell(uint64_t task, const char *script) {
    struct sandbox_request q = run_native(task, "/bin/sh");
    run_args(&q, (const char *const[]){ "sh", "-c", script, NULL });
    return q;
}

static void told(const struct sandbox_exited *e) {
    print_message("# %s: exit %d trap %d: %s | %s\n", sandbox_outcome_name(e->outcome), e->exit_code, (int)e->trap, e->text,
                  output_text(e, "stderr"));
}
#define CHECK_OUTCOME(want, e)                                                                                         \
    do {                                                                                                               \
        if ((e)->outcome != (want)) told(e);                                                                           \
        CHECK_EQ((want), (e)->outcome);                                                                                \
    } while (0)

TEST(native, streams_arguments_environment_and_files_arrive_and_come_back) {
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    struct sandbox_request q = run_native(1, "/bin/sh");
    run_args(&q, (const char *const[]){ "sh", "-c", "cat; echo \"$1 $COLOR\"; cat /in/a.txt /in/b.txt; echo made > /out/r.txt; "
                                        "pwd; ls /; ls /home /root 2>&1; echo e >&2; exit 5", "zero", "one two", NULL });
    run_env(&q, (const char *const[]){ "COLOR=blue", NULL });
    q.u.run.stdin_path = rig_file(g, "stdin", "input\n", 6);
    q.u.run.inputs_n = 2;
    q.u.run.inputs[0] = (struct sandbox_input){ "a.txt", rig_file(g, "1", "alpha\n", 6) };
    q.u.run.inputs[1] = (struct sandbox_input){ "b.txt", rig_file(g, "2", "bravo\n", 6) };
    CHECK_OK(chmod(q.u.run.inputs[1].path, 0400)); /* has to be copied when the runner is root */
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_EXITED, e);
    CHECK_EQ(5, e->exit_code);
    const char *out = output_text(e, "stdout");
    CHECK(strncmp(out, "input\none two blue\nalpha\nbravo\n/out\n", 35) == 0);
    CHECK(strstr(out, "home\n") == NULL || strstr(out, "cannot access '/home'") != NULL);
    CHECK_STR("e\n", output_text(e, "stderr"));
    CHECK_EQ(3, e->outputs_n);
    CHECK_STR("made\n", output_text(e, "r.txt"));
    rig_release(g, 1);
    q = run_native(2, "/usr/bin/does-not-exist");
    e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_EXITED, e);
    CHECK_EQ(127, e->exit_code);
    rig_stop(g, true);
}

TEST(native, sees_no_file_process_network_or_privilege_of_the_machine) {
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    struct sandbox_request q = shell(1, "cat /etc/shadow /etc/hostname; ls -d /proc/[0-9]* | wc -l; cat /proc/net/dev | grep -c :; "
                                        "echo x > /usr/x; echo x > /in/x; echo x > /x; echo x > /proc/sys/kernel/hostname; "
                                        "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; id -u; unshare -U true; "
                                        "mount -t tmpfs none /tmp; kill -9 1; echo still");
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_EXITED, e);
    const char *out = output_text(e, "stdout");
    long processes = strtol(out, NULL, 10);
    CHECK(processes >= 2 && processes <= 6);
    CHECK(strstr(out, "\n1\n") != NULL); /* the loopback interface alone */
    CHECK(strstr(out, "CapEff:\t0000000000000000") != NULL);
    CHECK(strstr(out, "NoNewPrivs:\t1") != NULL);
    CHECK(strstr(out, "Seccomp:\t2") != NULL);
    CHECK(strstr(out, "\n0\n") == NULL); /* not root */
    CHECK(strstr(out, "still\n") != NULL);
    const char *err = output_text(e, "stderr");
    CHECK(strstr(err, "/etc/shadow") != NULL && strstr(err, "/usr/x") != NULL && strstr(err, "/in/x") != NULL && strstr(err, " /x: ") != NULL);
    CHECK(strstr(err, "unshare") != NULL && strstr(err, "mount") != NULL);
    rig_stop(g, true);
}

TEST(native, links_pipes_and_devices_in_out_are_ignored) {
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    struct sandbox_request q = shell(1, "cd /out; ln -s /etc/passwd link; mkfifo pipe; echo x > a; ln a b; echo y > plain; mkdir -p d/e; "
                                        "chmod 0 d/e; chmod 0 d; echo z > 'we ird'");
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_EXITED, e);
    CHECK_EQ(4, e->outputs_n);
    CHECK_STR("plain", e->outputs[2].name);
    CHECK_STR("we_ird", e->outputs[3].name);
    CHECK_EQ(5, e->ignored); /* link, pipe, both names of one file, folder */
    rig_stop(g, true);       /* also the folders without rights are gone */
}

TEST(native, a_fork_bomb_is_held_and_told) {
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    struct sandbox_request q = run_native(1, "/bin/bash");
    run_args(&q, (const char *const[]){ "bash", "-c", "i=0; while [ $i -lt 200 ]; do sleep 50 & i=$((i+1)); done; exit 3", NULL });
    q.u.run.limits.processes = 20;
    q.u.run.limits.timeout_ms = 15000;
    enum sandbox_cgroup cg = g->ev.u.hello.cgroup;
    struct sandbox_exited *e = rig_run(g, &q);
    if (cg != SANDBOX_CGROUP_NONE) CHECK(e->outcome == SANDBOX_PROCESS_LIMIT || e->outcome == SANDBOX_TIMED_OUT);
    else CHECK(e->outcome != SANDBOX_EXITED || e->exit_code != 3);
    CHECK(strstr(output_text(e, "stderr"), "fork") != NULL);
    rig_stop(g, true);
}

TEST(native, memory_disk_files_output_and_time_stop_at_their_limits) {
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    enum sandbox_cgroup cg = g->ev.u.hello.cgroup;
    struct sandbox_request q = shell(1, "head -c 300000000 /dev/zero | tail > /dev/null");
    q.u.run.limits.memory_bytes = 32 << 20;
    struct sandbox_exited *e = rig_run(g, &q);
    if (cg != SANDBOX_CGROUP_NONE) {
        CHECK_OUTCOME(SANDBOX_MEMORY_EXCEEDED, e);
        CHECK(e->peak_bytes <= 32 << 20);
    } else {
        CHECK(e->exit_code != 0);
    }
    q = shell(2, "dd if=/dev/zero of=/out/x bs=1M count=1000; sleep 10");
    q.u.run.limits.disk_bytes = 4 << 20;
    e = rig_run(g, &q);
    CHECK(e->outcome == SANDBOX_DISK_EXCEEDED || e->outputs[2].size <= 4 << 20);
    q = shell(3, "i=0; while true; do echo x > /out/f$i; i=$((i+1)); done");
    q.u.run.limits.files = 50;
    e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_DISK_EXCEEDED, e);
    q = shell(4, "yes | head -c 1073741824");
    q.u.run.limits.output_bytes = 1 << 20;
    q.u.run.limits.disk_bytes = 1 << 20;
    e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_OUTPUT_EXCEEDED, e);
    CHECK(e->outputs[0].size <= 1 << 20);
    q = shell(5, "sleep 100 & sleep 100");
    q.u.run.limits.timeout_ms = 300;
    e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_TIMED_OUT, e);
    q = shell(6, "while true; do :; done");
    q.u.run.limits.cpu_ms = 300;
    e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_CPU_EXCEEDED, e);
    rig_stop(g, true);
}

TEST(native, a_crash_is_told_as_a_signal) {
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    struct sandbox_request q = shell(1, "kill -SEGV $$");
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_TRAPPED, e);
    CHECK_EQ(SANDBOX_TRAP_SIGNAL, e->trap);
    CHECK_EQ(128 + SIGSEGV, e->exit_code);
    rig_stop(g, true);
}

/* A tree that turns away from its parent: own session, ignored signals, closed streams. */
static const char stubborn[] = "trap '' TERM INT HUP; setsid sh -c \"trap '' TERM INT HUP; sleep 300\" </dev/null >/dev/null 2>&1 & "
                               "echo up; sleep 300";

/* Processes of this machine that run "sleep 300". */
static int sleepers(void) {
    int n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[64], text[64] = "";
        snprintf(path, sizeof path, "/proc/%.20s/cmdline", e->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        if (read(fd, text, sizeof text - 1) == 10 && memcmp(text, "sleep\000300", 10) == 0) n++;
        close(fd);
    }
    if (d) closedir(d);
    return n;
}

static bool no_sleepers(int before) {
    for (int i = 0; i < 50; i++) {
        if (sleepers() <= before) return true;
        usleep(100000);
    }
    return false;
}

static bool can_native, groups_v2;
static struct rig *with_stubborn(int before) {
    struct rig *g = rig_start(NULL);
    can_native = g->ev.u.hello.native;
    groups_v2 = g->ev.u.hello.cgroup == SANDBOX_CGROUP_V2;
    if (!can_native) return g;
    struct sandbox_request q = shell(1, stubborn);
    rig_send(g, &q);
    while (rig_event(g)->kind != SANDBOX_EVT_STARTED) {}
    for (int i = 0; i < 100 && sleepers() < before + 2; i++) usleep(50000);
    CHECK(sleepers() >= before + 2);
    return g;
}

TEST(native, killing_a_task_kills_its_whole_tree) {
    int before = sleepers();
    struct rig *g = with_stubborn(before);
    NEED(can_native, g);
    struct sandbox_request k = { .kind = SANDBOX_REQ_KILL, .u.task = 1 };
    rig_send(g, &k);
    CHECK_EQ(SANDBOX_KILLED, rig_exited(g, 1)->outcome);
    CHECK_EQ(before, sleepers()); /* EXITED comes after the last of them */
    rig_stop(g, true);
}

/* The folder of the runner's groups on version 2. */
static void groups_of(struct rig *g, char dir[400]) {
    char path[64], own[256] = "";
    snprintf(path, sizeof path, "/proc/%d/cgroup", g->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, own, sizeof own - 1) > 0);
    close(fd);
    char *end = strstr(own, "/village-node\n");
    if (end == NULL) end = own + strcspn(own, "\n");
    *end = '\0';
    snprintf(dir, 400, "/sys/fs/cgroup%s/village-%d", strncmp(own, "0::", 3) == 0 ? own + 3 : own, g->pid);
    CHECK_OK(access(dir, F_OK));
}

/* The runner dies at once; its tasks follow, and the next runner finds nothing in its way and sweeps what is left. */
static void killed_by_force(struct rig *g, int before, bool v2) {
    char dir[128], groups[400] = "";
    if (v2) groups_of(g, groups);
    CHECK_OK(kill(g->pid, SIGKILL));
    CHECK_EQ(g->pid, waitpid(g->pid, NULL, 0));
    CHECK(no_sleepers(before));
    close(g->fd);
    snprintf(dir, sizeof dir, "%s", g->dir);
    free(g);
    g = rig_start(dir);
    if (groups[0]) CHECK(access(groups, F_OK) != 0);
    rig_stop(g, true);
}

TEST(native, nothing_survives_the_node_or_a_runner_killed_by_force) {
    int before = sleepers();
    struct rig *g = with_stubborn(before);
    NEED(can_native, g);
    rig_stop(g, true);
    CHECK_EQ(before, sleepers());
    g = with_stubborn(before);
    killed_by_force(g, before, groups_v2);
}

TEST(native, nothing_survives_a_runner_that_dies_while_its_tasks_are_frozen) {
    int before = sleepers();
    struct rig *g = with_stubborn(before);
    NEED(can_native, g);
    rig_send(g, &(struct sandbox_request){ .kind = SANDBOX_REQ_PACE, .u.cap_milli = 0 });
    usleep(200000);
    rig_stop(g, true);
    CHECK_EQ(before, sleepers());
    g = with_stubborn(before);
    rig_send(g, &(struct sandbox_request){ .kind = SANDBOX_REQ_PACE, .u.cap_milli = 0 });
    usleep(200000);
    killed_by_force(g, before, groups_v2);
}

/* 0: opened and closed there; 77: no such namespace here. */
static int open_groups_in_another_pid_namespace(void) {
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWPID) != 0) _exit(77);
        pid_t inner = fork();
        if (inner == 0) {
            struct cgroups c;
            cgroups_open(&c);
            cgroups_close(&c);
            _exit(0);
        }
        int status = 1;
        _exit(inner > 0 && waitpid(inner, &status, 0) == inner && status == 0 ? 0 : 1);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

TEST(native, a_runner_of_another_pid_namespace_does_not_sweep_our_groups) {
    struct rig *g = rig_start(NULL);
    NEED_NATIVE(g);
    int there = open_groups_in_another_pid_namespace();
    if (there == 77) {
        rig_stop(g, true);
        SKIP("no pid namespaces without root");
    }
    CHECK_EQ(0, there);
    struct sandbox_request q = shell(1, "exit 4");
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_OUTCOME(SANDBOX_EXITED, e);
    CHECK_EQ(4, e->exit_code);
    rig_stop(g, true);
}
