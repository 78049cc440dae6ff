/* session.h - one run of the program: its arguments, its terminals, its gateway; and how it says what went wrong. */
#ifndef VL_CLI_SESSION_H
#define VL_CLI_SESSION_H

#include "base/ms.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/rest.h"
#include "cli/term.h"

#include <jansson.h>
#include <signal.h>

#define CLI_PATH_MAX 4096u

struct cli {
    const struct cli_hooks *hooks;
    int argc;
    char **argv;
    struct cli_args args;
    struct term out, err;
    bool json, quiet, wide;
    char data_dir[CLI_PATH_MAX];
    struct rest_target target;
    struct rest *rest;
};

/* Says "village: ..." on standard error and, with --json, {"error":{...}} on standard output. Returns `code`. */
int cli_fail(struct cli *cli, enum cli_exit code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A remark for people on standard error; silent with --quiet. */
void cli_note(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints `value` and a newline on standard output; takes the reference. CLI_FAILED when it cannot be written. */
int cli_print_json(struct cli *cli, json_t *value);

/* The exit code that stands for `err` of rest_call(). */
enum cli_exit cli_exit_of(enum vl_err err);
/* Finds the gateway and gets ready to talk; does not connect yet. An exit code; has said why. */
int cli_open(struct cli *cli);
/* One request after cli_open() was called here when needed; waits and asks again up to 4 times when the gateway says
 * "later" and the request may be repeated, and for a quarter of an hour when it says "overloaded" (429), each time for as
 * long as it says. Errors are not printed. */
VL_MUST_CHECK enum vl_err cli_ask(struct cli *cli, const struct rest_request *request, struct rest_reply *ret,
                                  struct vl_errmsg *msg);
/* Says why a request failed: the problem's fields and the next step. Returns the exit code. */
int cli_explain(struct cli *cli, enum vl_err err, const struct rest_reply *reply, const struct vl_errmsg *msg);
/* cli_open(), cli_ask() and cli_explain() in one. *ret_json (may be NULL) is owned by the caller; untouched on error.
 * A gateway that answers without JSON where some is wanted is an error. */
int cli_call(struct cli *cli, const char *method, const char *path, const json_t *body, json_t **ret_json);
/* All items of a list, page by page, at most `most`. `path` without query or with one. Owned array. */
int cli_list(struct cli *cli, const char *path, size_t most, json_t **ret_items);

/* From what a person types (whole id, its beginning or end, a node's name) to the whole id. Exit code; has said why. */
int cli_find_job(struct cli *cli, const char *typed, char ret_id[33]);
#define CLI_NODE_ID_MAX 64u
int cli_find_node(struct cli *cli, const char *typed, char ret_id[CLI_NODE_ID_MAX]);
/* The end of an id, 8 characters, unless --wide. Borrowed from `id`. */
const char *cli_short(const struct cli *cli, const char *id);

/* "%-encoded" for one segment of a path (RFC 3986 unreserved kept); owned, NULL: out of memory. */
char *cli_escape(const char *text);
vl_ms cli_now(void);
#define CLI_AGO_TEXT 48
/* "3m 05s ago", "-" for 0, "now" for the future. */
void cli_ago(uint64_t at_ms, char dst[CLI_AGO_TEXT]);
enum term_style cli_state_style(const char *state);
/* A cell ".812" of a share `key` of `whole`, dimmed where the node is flagged; "-" where there is none. */
void cli_trust_cell(struct term_table *t, const json_t *node, const char *key, uint64_t whole);

/* Ctrl-C: after cli_catch_interrupt() it sets a flag instead of ending the program; a second one ends it. */
void cli_catch_interrupt(void);
bool cli_interrupted(void);
/* Sleeps, less when interrupted. */
void cli_sleep(vl_ms ms);

/* A session without arguments, for tests and cli_main(). */
void cli_init(struct cli *cli, const struct cli_hooks *hooks);
void cli_free(struct cli *cli);

#endif
