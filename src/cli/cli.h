/* cli.h - the command line as one call, and the exit codes that scripts may rely on. */
#ifndef VL_CLI_CLI_H
#define VL_CLI_CLI_H

#include "cli/daemon.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* anything without a number of its own */
    CLI_USAGE = 2,       /* unknown command or option, value out of range */
    CLI_NOT_FOUND = 3,   /* no such job, node, ticket, file */
    CLI_DENIED = 4,      /* token missing, wrong or without the right */
    CLI_UNREACHABLE = 5, /* no gateway answers */
    CLI_JOB_FAILED = 6,  /* the job ended as failed, cancelled or expired */
    CLI_TIMED_OUT = 7,   /* the job passed its time limit */
    CLI_INTERRUPTED = 130,
};

/* Runs one command; single-threaded, call once. `hooks` is borrowed. Returns an exit code. */
int cli_main(int argc, char **argv, const struct cli_hooks *hooks);

#endif
