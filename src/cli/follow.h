/* follow.h - waits for a job with a progress line, then prints or saves what it made. */
#ifndef VL_CLI_FOLLOW_H
#define VL_CLI_FOLLOW_H

#include "cli/session.h"

/* Follows until the job ended. Tells how to go on when interrupted. *ret_job: its details, owned; untouched on error.
 * CLI_OK: it ended, well or not. */
int follow_job(struct cli *cli, const char *id, json_t **ret_job);
/* The exit code that an ended job stands for; says why when it did not end well. */
int follow_verdict(struct cli *cli, const json_t *job);
/* Prints the result of a job that is done: as it is, made harmless on a terminal, or as JSON with the job. */
int follow_print(struct cli *cli, const json_t *job);

/* Saves every output file of the job below `dir`: TASK-INPUT/NAME, names made safe. Files that are there with the
 * right content stay; broken-off ones go on where they stopped. Each is checked by its hash before it gets its name.
 * *ret_files: array of paths, owned. */
int save_outputs(struct cli *cli, const char *id, const char *dir, json_t **ret_files);
/* One component of a path from a foreign name: never empty, never with '/', a leading '.', or control characters. */
#define SAFE_NAME_MAX 200u
void save_safe_name(const char *foreign, char dst[SAFE_NAME_MAX]);

#endif
