/* jail.h - the command line of bubblewrap for native tasks and for the compiler: own user, pid, ipc, uts and cgroup
 * namespaces, an empty file system with the machine's /usr read only, no capabilities, a seccomp filter, no network
 * unless asked. When the runner is root, the program becomes a user of its own (setpriv) after the mounts are made; else
 * it stays the runner's user inside a user namespace.
 * bubblewrap keeps pid 1 of the namespace; killing bubblewrap kills pid 1 (--die-with-parent) and so all of the tree. */
#ifndef VL_SANDBOX_JAIL_H
#define VL_SANDBOX_JAIL_H

#include "sandbox/confine.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define JAIL_ARGS_MAX 512u /* 64 inputs and 64 variables of 3 words each, 64 arguments, and about 60 of ours */

/* Builds the words one by one; all borrowed, so they must outlive jail_exec(). Sticky `full`. */
struct jail {
    const char *argv[JAIL_ARGS_MAX + 1];
    uint32_t n;
    bool full;
    char text[512]; /* of numbers and links that jail_begin() writes itself */
    uint32_t text_n;
};

struct jail_options {
    const struct confine *confine;
    bool network;
    uint64_t tmp_bytes;  /* size of /tmp, a file system in memory */
    uint32_t uid_slot;   /* with root: the user is CONFINE_UID_FIRST + uid_slot */
    uint32_t processes;
    int info_fd;         /* bubblewrap writes {"child-pid": N} there; -1: not wanted */
};

/* In the child that will exec: opens the filter for bubblewrap.  Everything up to the caller's own mounts; then
 * jail_add() those, jail_command(), jail_add() the program's words. */
void jail_begin(struct jail *j, const struct jail_options *o);
void jail_add(struct jail *j, const char *word);
/* Ends the options of bubblewrap. */
void jail_command(struct jail *j, const struct jail_options *o);
/* In a child, never returns; 126 when there were too many words or no filter, 127 when bubblewrap is missing. Descriptors that
 * bubblewrap shall have must not be close-on-exec. */
_Noreturn void jail_exec(struct jail *j);

/* Does it work here?  Runs /usr/bin/true in a jail (about 6 ms). */
bool jail_probe(const struct confine *c);

#endif
