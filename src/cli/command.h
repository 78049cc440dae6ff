/* command.h - the one table of commands, and the parser that reads it.
 * Parsing, help, completion and the man page all come from `commands`; a new command is one row there and one handler.
 */
#ifndef VL_CLI_COMMAND_H
#define VL_CLI_COMMAND_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli;

enum value_kind {
    VALUE_NONE = 0, /* a flag */
    VALUE_TEXT,     /* min..max bytes */
    VALUE_WORDS,    /* optional, only as --name=VALUE; split as a shell splits words */
    VALUE_INTEGER,  /* min..max */
    VALUE_SIZE,     /* bytes, min..max */
    VALUE_DURATION, /* ms, min..max */
    VALUE_CHOICE,   /* one of `choices`, "a|b|c" */
    VALUE_FILE,     /* min..max bytes; completed as a file */
    VALUE_FOLDER,   /* min..max bytes; completed as a folder */
};

struct cli_option {
    const char *name; /* long form without dashes */
    char letter;      /* short form, 0: none */
    bool repeat;      /* may be given more than once */
    enum value_kind kind;
    const char *value; /* how the value is called in help: "SIZE"; for choices the choices themselves are shown */
    int64_t min, max;
    const char *choices;
    const char *def; /* as it would be typed; NULL: none */
    const char *help;
};

enum command_group { GROUP_GROW = 0, GROUP_RUN, GROUP_KEEP, GROUP_HELP };
#define COMMAND_GROUPS 4
extern const char *const command_group_titles[COMMAND_GROUPS];

struct cli_command {
    const char *name;
    enum command_group group;
    bool hidden; /* in no list */
    bool raw;    /* the handler gets the arguments unparsed */
    const char *summary;
    const char *operands;         /* "PROGRAM [-- ARG...]"; "" when there are none */
    unsigned least, most;         /* operands */
    bool rest;                    /* takes arguments of its own after "--" */
    const char *operand_choices;  /* "bash|zsh"; NULL: anything */
    enum value_kind operand_kind; /* for completion: VALUE_FILE, else VALUE_TEXT */
    const struct cli_option *options;
    size_t n_options;
    const char *about;   /* more than the summary, paragraphs separated by \n */
    const char *example; /* lines, each a command */
    const char *json;    /* what --json prints; NULL: the command prints no JSON */
    const char *exits;   /* "0 1 2": codes of enum cli_exit */
    int (*run)(struct cli *cli);
};

extern const struct cli_command commands[];
extern const size_t commands_n;
extern const struct cli_option global_options[];
extern const size_t global_options_n;

struct name_text {
    const char *name, *text;
};
extern const struct name_text environment[]; /* variables that are read */
extern const size_t environment_n;
struct exit_text {
    int code;
    const char *text;
};
extern const struct exit_text exit_texts[]; /* one row for each of enum cli_exit */
extern const size_t exit_texts_n;

/* NULL when there is none. Hidden commands are found. */
const struct cli_command *command_find(const char *name);
/* The option of `command` (may be NULL) or of the global ones. */
const struct cli_option *option_find(const struct cli_command *command, const char *name);
const struct cli_option *option_find_letter(const struct cli_command *command, char letter);

struct cli_given {
    const struct cli_option *option;
    const char *text; /* NULL for a flag and for WORDS without a value; borrowed from argv */
    int64_t number;   /* INTEGER, SIZE, DURATION; CHOICE: index */
};
struct cli_args {
    const struct cli_command *command; /* NULL: none was named */
    struct cli_given *given;
    size_t n_given;
    const char **operands;
    size_t n_operands;
    const char **rest; /* after "--", for commands with `rest` */
    size_t n_rest;
};

/* Reads argv[1..]. Strings are borrowed from argv; the rest is owned by *ret, ended by args_free().
 * VL_EPARSE, VL_ERANGE: `msg` says what and, where it can, what was meant; ret->command and the global options read
 * so far are set even then, so that the caller knows how to report. VL_ENOMEM. */
VL_MUST_CHECK enum vl_err args_parse(int argc, char **argv, struct cli_args *ret, struct vl_errmsg *msg);
void args_free(struct cli_args *args);

/* Last one given, NULL when absent. */
const struct cli_given *args_get(const struct cli_args *args, const char *name);
bool args_has(const struct cli_args *args, const char *name);
/* Text given, else the default of the table, else NULL. `name` must be in the table. */
const char *args_text(const struct cli_args *args, const char *name);
/* Number given, else the default of the table; the option must have one or have been given. */
int64_t args_number(const struct cli_args *args, const char *name);

/* Checks one value against its option. Errors as args_parse(). */
VL_MUST_CHECK enum vl_err option_check(const struct cli_option *option, const char *text, struct cli_given *ret,
                                       struct vl_errmsg *msg);

/* Splits as a shell does: spaces, '...', "...", backslash; no expansion. Returns owned strings through *ret_words
 * (one allocation, ended by free()). VL_EPARSE: open quote; VL_ELIMIT: more than VL_ARGS_MAX words; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err words_split(const char *text, char ***ret_words, size_t *ret_n);

#endif
