/* evil.c - native code in the place of a compiled module, as if wasm2c or the compiler had been broken: DEED says what
 * it tries. Compiled by gcc to a shared object with the entry that the runner looks for (src/sandbox/guest.h). */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *the_wasi;
void Z_wasi_snapshot_preview1Z_proc_exit(void *w, uint32_t code);

static long deed(void) {
    struct open_how how = { .flags = O_RDONLY };
    (void)how;
#if DEED == 1
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
#elif DEED == 2
    return syscall(SYS_fork);
#elif DEED == 3
    char *const argv[] = { "/bin/sh", 0 };
    return syscall(SYS_execve, "/bin/sh", argv, 0);
#elif DEED == 4
    return syscall(SYS_kill, syscall(SYS_getppid), SIGKILL);
#elif DEED == 5
    return syscall(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
#elif DEED == 6
    return syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#elif DEED == 7
    return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
#elif DEED == 8 /* allowed as a call, but there is nothing behind it */
    static const char *const paths[] = { "/etc/passwd", "../../../../../../etc/passwd", "/proc/self/maps", "/dev/null" };
    for (int i = 0; i < 4; i++)
        if (syscall(SYS_openat2, AT_FDCWD, paths[i], &how, sizeof how) >= 0) return 100 + i;
    for (int fd = 3; fd < 600; fd++) /* not even through a descriptor that came along */
        if (syscall(SYS_openat2, fd, "../../../../etc/passwd", &how, sizeof how) >= 0) return 110;
    return errno == ENOENT || errno == EBADF ? 42 : errno;
#else
    return 1;
#endif
}

#ifdef EARLY
__attribute__((constructor)) static void early(void) { deed(); }
#endif

static struct {
    uint8_t *data;
    uint32_t pages, max_pages, size;
} memory;
static void init(void) {}
static void instantiate(void *i, void *w) {
    (void)i;
    the_wasi = w;
}
static void *get_memory(void *i) {
    (void)i;
    return &memory;
}
static void start(void *i) {
    (void)i;
    Z_wasi_snapshot_preview1Z_proc_exit(the_wasi, (uint32_t)deed());
}

const struct {
    uint32_t abi, size;
    void (*init)(void);
    void (*instantiate)(void *, void *);
    void *(*memory)(void *);
    void (*start)(void *);
} village_module = { 1, 8, init, instantiate, get_memory, start };
