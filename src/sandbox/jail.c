#include "sandbox/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void jail_add(struct jail *j, const char *word) {
    if (j->n >= JAIL_ARGS_MAX) {
        j->full = true;
        return;
    }
    j->argv[j->n++] = word;
    j->argv[j->n] = NULL;
}

static void add_all(struct jail *j, const char *const *words) {
    for (; *words; words++) jail_add(j, *words);
}
#define ADD(j, ...) add_all((j), (const char *const[]){ __VA_ARGS__, NULL })

__attribute__((format(printf, 2, 3))) static const char *text(struct jail *j, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    size_t room = sizeof j->text - j->text_n;
    char *at = j->text + j->text_n;
    int n = vsnprintf(at, room, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= room) {
        j->full = true;
        return "";
    }
    j->text_n += (uint32_t)n + 1;
    return at;
}

/* /bin, /lib and their like: links into /usr on merged systems, folders on others. */
static void add_system(struct jail *j) {
    static const char *const dirs[] = { "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };
    ADD(j, "--ro-bind", "/usr", "/usr");
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        char to[64];
        struct stat st;
        if (lstat(dirs[i], &st) != 0) continue;
        ssize_t n = S_ISLNK(st.st_mode) ? readlink(dirs[i], to, sizeof to - 1) : -1;
        if (n > 0) {
            to[n] = 0;
            ADD(j, "--symlink", text(j, "%s", to), dirs[i]);
        } else if (S_ISDIR(st.st_mode)) {
            ADD(j, "--ro-bind", dirs[i], dirs[i]);
        }
    }
    ADD(j, "--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--ro-bind-try", "/etc/ld.so.cache",
        "/etc/ld.so.cache");
}

void jail_begin(struct jail *j, const struct jail_options *o) {
    *j = (struct jail){ .n = 0 };
    ADD(j, "bwrap", "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-uts",
        "--unshare-cgroup-try", "--hostname", "village", "--clearenv", "--cap-drop", "ALL");
    if (o->confine->root) ADD(j, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID");
    else ADD(j, "--unshare-user");
    if (!o->network) jail_add(j, "--unshare-net");
    if (o->info_fd >= 0) ADD(j, "--info-fd", text(j, "%d", o->info_fd));
    add_system(j);
    if (o->network)
        ADD(j, "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf", "--ro-bind-try", "/etc/hosts", "/etc/hosts",
            "--ro-bind-try", "/etc/nsswitch.conf", "/etc/nsswitch.conf", "--ro-bind-try", "/etc/ssl", "/etc/ssl");
    ADD(j, "--proc", "/proc", "--dev", "/dev", "--size", text(j, "%llu", (unsigned long long)o->tmp_bytes), "--perms",
        "1777", "--tmpfs", "/tmp");
    /* Opened anew: bubblewrap reads to the end, and descriptors that were inherited share one position. */
    const char *filter = text(j, "/proc/self/fd/%d", o->network ? o->confine->native_net_fd : o->confine->native_fd);
    int fd = open(filter, O_RDONLY);
    if (fd < 0) j->full = true;
    ADD(j, "--seccomp", text(j, "%d", fd));
}

/* RLIMIT_NPROC counts all processes of a user in a user namespace, so without root it is set inside, where the count
 * starts at zero; root itself is exempt, so with root it may be set before. */
void jail_command(struct jail *j, const struct jail_options *o) {
    jail_add(j, "--");
    unsigned id = CONFINE_UID_FIRST + o->uid_slot;
    if (o->confine->root)
        ADD(j, "/usr/bin/setpriv", text(j, "--reuid=%u", id), text(j, "--regid=%u", id), "--clear-groups",
            "--inh-caps=-all", "--");
    else
        ADD(j, "/usr/bin/prlimit", text(j, "--nproc=%u:%u", o->processes, o->processes), "--");
}

void jail_exec(struct jail *j) {
    if (j->full) _exit(126);
    execvp(j->argv[0], (char *const *)(void *)j->argv);
    _exit(127);
}

bool jail_probe(const struct confine *c) {
    struct jail_options o = { .confine = c, .tmp_bytes = 1 << 20, .uid_slot = 0, .processes = 16, .info_fd = -1 };
    if (c->native_fd < 0) return false;
    pid_t pid = fork();
    if (pid == 0) {
        static struct jail j;
        int null = open("/dev/null", O_RDWR);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) _exit(125);
        jail_begin(&j, &o);
        jail_command(&j, &o);
        jail_add(&j, "/usr/bin/true");
        jail_exec(&j);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}
