/* inputs.h - the files of a job: patterns expanded, names made unique, contents hashed and uploaded once. */
#ifndef VL_CLI_INPUTS_H
#define VL_CLI_INPUTS_H

#include "base/bounds.h"
#include "base/id.h"
#include "cli/session.h"
#include "cli/units.h"

#include <sys/types.h>

struct input {
    char *path; /* owned */
    char name[VL_NAME_MAX];
    struct vl_hash hash;
    uint64_t size;
    struct timespec changed; /* when it was hashed */
};
struct inputs {
    struct input *v;
    size_t n, cap;
};
void inputs_free(struct inputs *in);

/* Adds every regular file that `pattern` names (itself, or by glob(7) with {a,b}), sorted, each path once.
 * Exit codes; has said why: CLI_NOT_FOUND nothing matches, CLI_USAGE more than VL_JOB_TASKS_MAX. */
int inputs_add(struct cli *cli, struct inputs *in, const char *pattern);
/* Adds one file under a name of its own, for programs. */
int inputs_add_file(struct cli *cli, struct inputs *in, const char *path);
/* Gives each input the name that tasks see: its base name, cut to 63 bytes, "-2", "-3" put in where two are alike. */
void inputs_name(struct inputs *in);
/* Hashes all of them (BLAKE2b-256), with progress. */
int inputs_hash(struct cli *cli, struct inputs *in);
/* Uploads those that the gateway has not got, with progress in bytes. Needs inputs_hash(). */
int inputs_upload(struct cli *cli, struct inputs *in);

/* BLAKE2b-256 of all bytes of an open file from its start. False: read error, errno set, or interrupted. */
bool file_hash(int fd, struct vl_hash *ret_hash, uint64_t *ret_size);

enum program_kind { PROGRAM_WASM, PROGRAM_NATIVE };
/* What a person means by PROGRAM. For PROGRAM_NATIVE dst holds the absolute path. Exit codes; has said why. */
int program_find(struct cli *cli, const char *typed, enum program_kind *ret_kind, char dst[CLI_PATH_MAX]);

#endif
