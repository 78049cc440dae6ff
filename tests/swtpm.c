#include "swtpm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Benches use this file, too: no test to fail. */
static _Noreturn void die(const char *what) {
    fprintf(stderr, "swtpm: %s\n", what);
    abort();
}
#define NEED(x)                            \
    do {                                   \
        if (!(x)) die(#x " does not hold"); \
    } while (0)

static void nap(void) { nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); }

static bool installed(const char *name) {
    const char *path = getenv("PATH");
    char copy[4096], full[4352], *save = NULL;
    snprintf(copy, sizeof copy, "%s", path ? path : "/usr/bin:/bin");
    for (char *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        snprintf(full, sizeof full, "%s/%s", dir, name);
        if (access(full, X_OK) == 0) return true;
    }
    return false;
}

static pid_t spawn(const struct swtpm *s, char *const argv[]) {
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid > 0) return pid;
    char log[128];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(log, sizeof log, "%s/log", s->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execvp(argv[0], argv);
    _exit(127);
}

static void file(const struct swtpm *s, const char *name, const char *format) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    FILE *f = fopen(path, "we");
    NEED(f != NULL);
    for (const char *p = format; *p; p++) { /* @: the folder */
        if (*p == '@')
            fputs(s->dir, f);
        else
            fputc(*p, f);
    }
    NEED(0 == fclose(f));
}

static bool listens(uint16_t port) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0) close(fd);
    return yes;
}

static bool is_free(uint16_t *port) { /* 0: any */
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool yes = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(fd, (struct sockaddr *)&at, &n) == 0;
    *port = ntohs(at.sin_port);
    if (fd >= 0) close(fd);
    return yes;
}

/* One try at the port that it has. */
static bool start(struct swtpm *s) {
    char state[128], server[96], control[96];
    snprintf(state, sizeof state, "dir=%s/state", s->dir);
    snprintf(server, sizeof server, "type=tcp,port=%u,bindaddr=127.0.0.1", s->port);
    snprintf(control, sizeof control, "type=tcp,port=%u,bindaddr=127.0.0.1", s->port + 1u);
    char *argv[] = { (char[]){ "swtpm" }, (char[]){ "socket" }, (char[]){ "--tpm2" },   (char[]){ "--tpmstate" },
                     state,               (char[]){ "--server" }, server,               (char[]){ "--ctrl" },
                     control,             (char[]){ "--flags" },  (char[]){ "not-need-init,startup-clear" }, NULL };
    s->pid = spawn(s, argv);
    for (unsigned i = 0; i < 4000; i++) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) break; /* the port was taken after all */
        if (listens((uint16_t)(s->port + 1u))) return true;
        nap();
    }
    s->pid = 0;
    return false;
}

void swtpm_start(struct swtpm *s) {
    if (s->port != 0) { /* again: clients know it */
        for (unsigned i = 0; i < 50; i++) {
            if (start(s)) return;
            nap();
        }
        die("does not start again");
    }
    for (unsigned i = 0; i < 20; i++) {
        uint16_t port = 0, next;
        if (!is_free(&port) || port == UINT16_MAX) continue;
        next = (uint16_t)(port + 1u);
        if (!is_free(&next)) continue;
        s->port = port;
        if (start(s)) {
            snprintf(s->tcti, sizeof s->tcti, "swtpm:host=127.0.0.1,port=%u", port);
            return;
        }
    }
    die("does not start");
}

void swtpm_stop(struct swtpm *s) {
    if (s->pid == 0) return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

bool swtpm_begin(struct swtpm *s) {
    int status = 1;
    *s = (struct swtpm){ .dir = "/tmp/village-swtpm-XXXXXX" };
    setenv("TSS2_LOG", "all+none", 0); /* as main() does */
    if (!installed("swtpm") || !installed("swtpm_setup") || !installed("swtpm_localca")) return false;
    NEED(mkdtemp(s->dir) != NULL);
    char path[128], setup[128];
    snprintf(path, sizeof path, "%s/state", s->dir);
    NEED(0 == mkdir(path, 0700));
    file(s, "setup.conf", "create_certs_tool = swtpm_localca\ncreate_certs_tool_config = @/ca.conf\ncreate_certs_tool_options = @/ca.options\n"
                          "active_pcr_banks = sha256\n");
    file(s, "ca.conf", "statedir = @/ca\nsigningkey = @/ca/signkey.pem\nissuercert = @/ca/issuercert.pem\ncertserial = @/ca/certserial\n");
    file(s, "ca.options", "--platform-manufacturer Village\n--platform-version 1\n--platform-model test\n");
    snprintf(setup, sizeof setup, "%s/setup.conf", s->dir);
    char *argv[] = { (char[]){ "swtpm_setup" }, (char[]){ "--tpm2" },   (char[]){ "--tpmstate" }, path,
                     (char[]){ "--create-ek-cert" }, (char[]){ "--config" }, setup, NULL };
    pid_t pid = spawn(s, argv);
    NEED(pid == waitpid(pid, &status, 0));
    NEED(0 == status); /* its log is in the folder */
    swtpm_start(s);
    return true;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}
void swtpm_end(struct swtpm *s) {
    swtpm_stop(s);
    if (s->dir[0]) nftw(s->dir, drop, 16, FTW_DEPTH | FTW_PHYS);
    *s = (struct swtpm){ .dir = "" };
}

char *swtpm_ca(const struct swtpm *s, const char *name) {
    char path[160];
    snprintf(path, sizeof path, "%s/ca/%s", s->dir, name);
    FILE *f = fopen(path, "re");
    char *text = calloc(1, 16384);
    NEED(f != NULL && text != NULL);
    NEED(fread(text, 1, 16383, f) > 0);
    fclose(f);
    return text;
}
