/* runner.h - the runner: a process of its own that builds sandboxes, compiles modules, starts tasks and meters them.
 * The node starts it first, before any thread exists, and talks to it over one end of a
 * socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC) in the words of sandbox/request.h. Single-threaded; one poll loop.
 * It never holds a key or a database: a task that broke out of every wall would find none here. */
#ifndef VL_SANDBOX_RUNNER_H
#define VL_SANDBOX_RUNNER_H

#include <stdint.h>

struct runner_config {
    const char *work_dir;  /* absolute, made when absent (0700); anything of an earlier runner in it is removed */
    const char *cache_dir; /* absolute, made when absent (0700); best on the file system of work_dir (then modules are
                              linked into a task, else copied) */
    uint64_t cache_bytes;  /* compiled modules beyond this are dropped, least recently used first; 0: 1 GiB */
    uint32_t jobs_max;     /* tasks that run at once, 1 .. SANDBOX_JOBS_MAX; 0: SANDBOX_JOBS_MAX.  More wait in line,
                              up to SANDBOX_JOBS_MAX in all states; beyond that RUN is answered by REFUSED */
    uint32_t hot_runs;     /* recompile with -O2 in the background after so many runs of a module; 0: 16 */
};

/* The runner's main loop on the connected socket `fd`, which it owns.  Returns the exit code of the process: 0 after the
 * node closed its end or SIGTERM came, 1 when it could not start (one line on standard error says why).  Every task is
 * dead and every task folder gone when it returns; if the runner is killed, the kernel kills the tasks with it.
 * The caller has no threads, and exits soon after: signal mask, file size limit and subreaper state stay changed. */
int runner_main(int fd, const struct runner_config *cfg);

#endif
