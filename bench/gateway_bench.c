/* gateway_bench.c - health GET per second on one core, beside nginx `return 200` in the same run.
 * The server is pinned to CPU 0, wrk to CPU 1; runs alternate and the median of three counts. JSON lines on stdout:
 * gateway.get, and gateway.get_idle4000 with 4,000 idle keep-alive connections open on both. Needs wrk and nginx.
 *   gateway_bench [seconds of one run, default 4] */
#include "gateway/gateway.h"
#include "mem_backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS 3
#define IDLE 4000

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static void fail(const char *what) {
    fprintf(stderr, "gateway_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A port that was free a moment ago. */
static uint16_t free_port(void) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* wrk cannot work beside thousands of inherited ones */
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        fail("port");
    close(fd);
    return ntohs(a.sin_port);
}

static void serve(uint16_t port) {
    uv_loop_t loop;
    struct gateway *g = NULL;
    struct vl_errmsg msg = { "" };
    struct gateway_config c = { .port = port, .token = "bench-token-0123456789", .version = "0.1.0" };
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    struct backend b = mem_as_backend(mem_create(&loop));
    if (gateway_create(&loop, &c, &b, &msg, &g) != VL_OK) {
        fprintf(stderr, "gateway_bench: %s\n", msg.text);
        exit(1);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    exit(0);
}

static void write_conf(const char *dir, const char *path, uint16_t port) {
    FILE *f = fopen(path, "w");
    if (f == NULL) fail(path);
    fprintf(f,
            "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 16000; pid %s/pid; error_log "
            "/dev/null crit;\n"
            "events { worker_connections 12000; }\n"
            "http { access_log off; keepalive_requests 1000000000; keepalive_timeout 75; client_body_temp_path %s/b; "
            "proxy_temp_path %s/p;\n"
            "  fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n"
            "  server { listen 127.0.0.1:%u; location / { default_type application/json;\n"
            "    return 200 '{\"status\":\"ok\",\"version\":\"0.1.0\",\"uptime_ms\":1234567890123456}'; } } }\n",
            dir, dir, dir, dir, dir, dir, port);
    fclose(f);
}

static pid_t start(bool nginx, uint16_t port, const char *conf, const char *dir) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(0);
    if (!nginx) serve(port);
    execlp("nginx", "nginx", "-p", dir, "-c", conf, (char *)NULL);
    fail("nginx");
    return 0;
}

static int dial(uint16_t port) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* wrk cannot work beside thousands of inherited ones */
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    close(fd);
    return -1;
}

static void wait_for(uint16_t port) {
    for (int i = 0; i < 500; i++) {
        int fd = dial(port);
        if (fd >= 0) {
            close(fd);
            return;
        }
        usleep(10000);
    }
    fail("the server does not listen");
}

/* Each has had one answer: idle as keep-alive leaves it. */
static void idle_open(uint16_t port, int fd[IDLE]) {
    static const char get[] = "GET /v1/system/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    char buf[2048];
    for (int i = 0; i < IDLE; i++) {
        fd[i] = dial(port);
        if (fd[i] < 0 || send(fd[i], get, sizeof get - 1, 0) < 0 || recv(fd[i], buf, sizeof buf, 0) <= 0)
            fail("idle connection");
    }
}

static double wrk(uint16_t port, int seconds) {
    char time[16], url[80], line[512];
    double rate = 0;
    int ends[2], status = 0;
    snprintf(time, sizeof time, "-d%ds", seconds);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/system/health", port);
    if (pipe(ends) != 0) fail("pipe");
    pid_t pid = fork();
    if (pid == 0) { /* pinned to CPU 1 already */
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        execlp("wrk", "wrk", "-t1", "-c64", time, url, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *p = fdopen(ends[0], "r");
    if (pid < 0 || p == NULL) fail("wrk");
    while (fgets(line, sizeof line, p)) {
        (void)sscanf(line, "Requests/sec: %lf", &rate);
        if (strstr(line, "Non-2xx") || strstr(line, "Socket errors")) fprintf(stderr, "gateway_bench: %s", line);
    }
    fclose(p);
    if (waitpid(pid, &status, 0) != pid || status != 0 || rate <= 0) fail("wrk gave no rate");
    return rate;
}

/* What nginx and we put into our directory. */
static void clean(const char *dir) {
    static const char *const names[] = { "nginx.conf", "pid", "b", "p", "f", "u", "s", "" };
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)remove(path);
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void compare(const char *name, uint16_t ours, uint16_t theirs, int seconds) {
    double a[RUNS], b[RUNS];
    for (int i = 0; i < RUNS; i++) {
        a[i] = wrk(ours, seconds);
        b[i] = wrk(theirs, seconds);
    }
    qsort(a, RUNS, sizeof a[0], by_value);
    qsort(b, RUNS, sizeof b[0], by_value);
    printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"req/s\",\"peer\":\"nginx return 200\",\"ratio\":%.3f}\n", name,
           a[RUNS / 2], a[RUNS / 2] / b[RUNS / 2]);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static int idle[2][IDLE];
    int seconds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 4;
    if (seconds < 1 || seconds > 600) seconds = 4;
    char dir[] = "/tmp/gateway_bench.XXXXXX", conf[64];
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max < 20000 ? lim.rlim_max : 20000;
    setrlimit(RLIMIT_NOFILE, &lim);
    if (mkdtemp(dir) == NULL) fail(dir);
    chmod(dir, 0755);
    snprintf(conf, sizeof conf, "%s/nginx.conf", dir);
    uint16_t ours = free_port(), theirs = free_port();
    write_conf(dir, conf, theirs);
    pid_t a = start(false, ours, conf, dir), b = start(true, theirs, conf, dir);
    pin(1);
    wait_for(ours);
    wait_for(theirs);
    compare("gateway.get", ours, theirs, seconds);
    if (lim.rlim_cur >= 2 * IDLE + 200) {
        idle_open(ours, idle[0]);
        idle_open(theirs, idle[1]);
        compare("gateway.get_idle4000", ours, theirs, seconds);
    } else {
        fprintf(stderr, "gateway_bench: too few file descriptors for idle connections\n");
    }
    kill(a, SIGKILL);
    kill(b, SIGKILL);
    while (wait(NULL) > 0) {
    }
    clean(dir);
    return 0;
}
