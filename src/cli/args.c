#include "cli/command.h"

#include "base/bounds.h"
#include "cli/units.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_command *command_find(const char *name) {
    for (size_t i = 0; i < commands_n; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

const struct cli_option *option_find(const struct cli_command *command, const char *name) {
    for (size_t i = 0; command != NULL && i < command->n_options; i++)
        if (strcmp(command->options[i].name, name) == 0) return &command->options[i];
    for (size_t i = 0; i < global_options_n; i++)
        if (strcmp(global_options[i].name, name) == 0) return &global_options[i];
    return NULL;
}

const struct cli_option *option_find_letter(const struct cli_command *command, char letter) {
    for (size_t i = 0; command != NULL && i < command->n_options; i++)
        if (command->options[i].letter == letter) return &command->options[i];
    for (size_t i = 0; i < global_options_n; i++)
        if (global_options[i].letter == letter) return &global_options[i];
    return NULL;
}

#define WORD_MAX 32u /* longer words are not compared: no name is near that length */

/* Edits that turn a into b, a swap of neighbours being one (optimal string alignment; Damerau 1964). */
static size_t distance(const char *a, const char *b) {
    size_t d[WORD_MAX + 1][WORD_MAX + 1], n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX) return SIZE_MAX;
    for (size_t i = 0; i <= n; i++) d[i][0] = i;
    for (size_t j = 0; j <= m; j++) d[0][j] = j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

/* Keeps in *best the name nearest to `typed`; one in three letters may be wrong. */
static void suggest(const char *typed, const char *name, size_t *best_distance, const char **best) {
    size_t n = strlen(typed), far = distance(typed, name);
    if (n >= 2 && strncmp(typed, name, n) == 0) far = 0;
    if (far < *best_distance && far <= 1 + n / 3 && far < n) {
        *best_distance = far;
        *best = name;
    }
}

static enum vl_err unknown_command(const char *typed, struct vl_errmsg *msg) {
    size_t far = SIZE_MAX;
    const char *best = NULL;
    for (size_t i = 0; i < commands_n; i++)
        if (!commands[i].hidden) suggest(typed, commands[i].name, &far, &best);
    if (best != NULL) return vl_errmsg_set(msg, VL_EPARSE, "unknown command '%.64s'; did you mean '%s'?", typed, best);
    return vl_errmsg_set(msg, VL_EPARSE, "unknown command '%.64s'; `village help` lists them", typed);
}

static enum vl_err unknown_option(const struct cli_command *command, const char *typed, struct vl_errmsg *msg) {
    size_t far = SIZE_MAX;
    const char *best = NULL;
    for (size_t i = 0; command != NULL && i < command->n_options; i++)
        suggest(typed, command->options[i].name, &far, &best);
    for (size_t i = 0; i < global_options_n; i++) suggest(typed, global_options[i].name, &far, &best);
    if (best != NULL)
        return vl_errmsg_set(msg, VL_EPARSE, "unknown option '--%.64s'; did you mean '--%s'?", typed, best);
    return vl_errmsg_set(msg, VL_EPARSE, "unknown option '--%.64s'; `village help%s%s` lists them", typed,
                         command ? " " : "", command ? command->name : "");
}

/* Index of `text` in "a|b|c", -1 when it is not there. */
static int64_t choice_index(const char *choices, const char *text) {
    size_t n = strlen(text);
    int64_t index = 0;
    for (const char *p = choices;; p++, index++) {
        const char *end = strchrnul(p, '|');
        if ((size_t)(end - p) == n && n > 0 && strncmp(p, text, n) == 0) return index;
        if (*end == '\0') return -1;
        p = end;
    }
}

static void spell(enum value_kind kind, int64_t v, char dst[UNITS_TEXT]) {
    if (kind == VALUE_SIZE)
        units_spell_size((uint64_t)v, dst);
    else if (kind == VALUE_DURATION)
        units_spell_duration((uint64_t)v, dst);
    else
        snprintf(dst, UNITS_TEXT, "%lld", (long long)v);
}

static enum vl_err out_of_range(const struct cli_option *o, const char *text, struct vl_errmsg *msg) {
    char min[UNITS_TEXT], max[UNITS_TEXT];
    spell(o->kind, o->min, min);
    spell(o->kind, o->max, max);
    return vl_errmsg_set(msg, VL_ERANGE, "--%s %.64s is out of range: from %s to %s", o->name, text, min, max);
}

enum vl_err option_check(const struct cli_option *o, const char *text, struct cli_given *ret, struct vl_errmsg *msg) {
    struct cli_given g = { .option = o, .text = text };
    enum vl_err err = VL_OK;
    const char *form = "";
    switch (o->kind) {
    case VALUE_NONE:
    case VALUE_WORDS:
        break;
    case VALUE_TEXT:
    case VALUE_FILE:
    case VALUE_FOLDER: {
        size_t n = strlen(text);
        if (o->min == o->max && n != (size_t)o->min) return vl_errmsg_set(msg, VL_ERANGE, "--%s takes %lld characters", o->name, (long long)o->min);
        if (n < (size_t)o->min || n > (size_t)o->max)
            return vl_errmsg_set(msg, VL_ERANGE, "--%s takes %lld to %lld bytes of text", o->name, (long long)o->min,
                                 (long long)o->max);
        break;
    }
    case VALUE_INTEGER:
        form = "a whole number such as 4";
        err = units_parse_integer(text, o->min, o->max, &g.number);
        break;
    case VALUE_SIZE:
        form = "a size such as 64M or 1.5G";
        err = units_parse_size(text, o->min, o->max, &g.number);
        break;
    case VALUE_DURATION:
        form = "a duration with its unit, such as 30s, 5m or 1h30m";
        err = units_parse_duration(text, o->min, o->max, &g.number);
        break;
    case VALUE_CHOICE:
        g.number = choice_index(o->choices, text);
        if (g.number < 0) return vl_errmsg_set(msg, VL_EPARSE, "--%s '%.64s' is none of %s", o->name, text, o->choices);
        break;
    }
    if (err == VL_ERANGE) return out_of_range(o, text, msg);
    if (err != VL_OK) return vl_errmsg_set(msg, err, "--%s '%.64s' is not %s", o->name, text, form);
    *ret = g;
    return VL_OK;
}

static enum vl_err give(struct cli_args *a, const struct cli_option *o, const char *text, struct vl_errmsg *msg) {
    if (!o->repeat && args_has(a, o->name)) return vl_errmsg_set(msg, VL_EPARSE, "--%s is given twice", o->name);
    struct cli_given g = { .option = o };
    if (text != NULL) {
        enum vl_err err = option_check(o, text, &g, msg);
        if (err != VL_OK) return err;
    }
    a->given[a->n_given++] = g;
    return VL_OK;
}

static enum vl_err no_value(const struct cli_option *o, struct vl_errmsg *msg) {
    return vl_errmsg_set(msg, VL_EPARSE, "--%s needs a value: --%s %s", o->name, o->name,
                         o->kind == VALUE_CHOICE ? o->choices : o->value);
}

/* "--name", "--name=value", "--name value"; *next is the argument after it, set to NULL when it was taken. */
static enum vl_err take_long(struct cli_args *a, const char *arg, const char **next, struct vl_errmsg *msg) {
    char name[WORD_MAX + 1];
    const char *eq = strchrnul(arg, '=');
    size_t n = (size_t)(eq - arg);
    snprintf(name, sizeof name, "%.*s", (int)(n < WORD_MAX ? n : WORD_MAX), arg);
    const struct cli_option *o = n <= WORD_MAX ? option_find(a->command, name) : NULL;
    if (o == NULL) return unknown_option(a->command, name, msg);
    if (o->kind == VALUE_NONE) {
        if (*eq != '\0') return vl_errmsg_set(msg, VL_EPARSE, "--%s takes no value", o->name);
        return give(a, o, NULL, msg);
    }
    if (*eq != '\0') return give(a, o, eq + 1, msg);
    if (o->kind == VALUE_WORDS) return give(a, o, NULL, msg);
    if (*next == NULL) return no_value(o, msg);
    const char *text = *next;
    *next = NULL;
    return give(a, o, text, msg);
}

/* "-x", "-xyz", "-n5", "-n 5". */
static enum vl_err take_letters(struct cli_args *a, const char *arg, const char **next, struct vl_errmsg *msg) {
    for (; *arg != '\0'; arg++) {
        const struct cli_option *o = option_find_letter(a->command, *arg);
        if (o == NULL)
            return vl_errmsg_set(msg, VL_EPARSE, "unknown option '-%c'; `village help%s%s` lists them", *arg,
                                 a->command ? " " : "", a->command ? a->command->name : "");
        enum vl_err err = VL_OK;
        if (o->kind == VALUE_NONE) {
            err = give(a, o, NULL, msg);
            if (err != VL_OK) return err;
            continue;
        }
        if (arg[1] != '\0') return give(a, o, arg + 1, msg);
        if (*next == NULL) return no_value(o, msg);
        err = give(a, o, *next, msg);
        *next = NULL;
        return err;
    }
    return VL_OK;
}

static enum vl_err take_operand(struct cli_args *a, const char *arg, struct vl_errmsg *msg) {
    if (a->command == NULL) {
        a->command = command_find(arg);
        return a->command != NULL ? VL_OK : unknown_command(arg, msg);
    }
    const struct cli_command *c = a->command;
    if (a->n_operands == c->most) {
        if (args_has(a, "input"))
            return vl_errmsg_set(msg, VL_EPARSE,
                                 "'%.64s' is one argument too many; put a pattern in quotes (--input '*.txt') and "
                                 "arguments of the program after --",
                                 arg);
        return vl_errmsg_set(msg, VL_EPARSE, "'%.64s' is one argument too many: village %s%s%s", arg, c->name,
                             *c->operands ? " " : "", c->operands);
    }
    if (c->operand_choices != NULL && a->n_operands + 1 == c->most && choice_index(c->operand_choices, arg) < 0)
        return vl_errmsg_set(msg, VL_EPARSE, "'%.64s' is none of %s", arg, c->operand_choices);
    a->operands[a->n_operands++] = arg;
    return VL_OK;
}

static enum vl_err parse_all(int argc, char **argv, struct cli_args *a, struct vl_errmsg *msg) {
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL, *had = next;
        enum vl_err err = VL_OK;
        if (a->command != NULL && a->command->raw) {
            a->rest[a->n_rest++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            bool rest = a->command != NULL && a->command->rest;
            for (i++; i < argc && err == VL_OK; i++) {
                if (rest)
                    a->rest[a->n_rest++] = argv[i];
                else
                    err = take_operand(a, argv[i], msg);
            }
            return err;
        }
        if (strncmp(arg, "--", 2) == 0)
            err = take_long(a, arg + 2, &next, msg);
        else if (arg[0] == '-' && arg[1] != '\0')
            err = take_letters(a, arg + 1, &next, msg);
        else
            err = take_operand(a, arg, msg);
        if (err != VL_OK) return err;
        if (next == NULL && had != NULL) i++;
    }
    return VL_OK;
}

#define LETTERS 64u /* more than there are letters to give */

enum vl_err args_parse(int argc, char **argv, struct cli_args *ret, struct vl_errmsg *msg) {
    size_t room = (size_t)argc + LETTERS; /* one an argument, but for "-abc", where each letter counts once */
    *ret = (struct cli_args){ .given = calloc(room, sizeof *ret->given),
                              .operands = calloc((size_t)argc + 1, sizeof *ret->operands),
                              .rest = calloc((size_t)argc + 1, sizeof *ret->rest) };
    if (ret->given == NULL || ret->operands == NULL || ret->rest == NULL) {
        args_free(ret);
        return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    }
    enum vl_err err = parse_all(argc, argv, ret, msg);
    const struct cli_command *c = ret->command;
    if (err == VL_OK && c != NULL && !args_has(ret, "help") && ret->n_operands < c->least)
        err = vl_errmsg_set(msg, VL_EPARSE, "an argument is missing; usage: village %s %s; `village help %s` shows examples", c->name, c->operands, c->name);
    return err;
}

void args_free(struct cli_args *args) {
    free(args->given);
    free(args->operands);
    free(args->rest);
    *args = (struct cli_args){ 0 };
}

const struct cli_given *args_get(const struct cli_args *args, const char *name) {
    for (size_t i = args->n_given; i > 0; i--)
        if (strcmp(args->given[i - 1].option->name, name) == 0) return &args->given[i - 1];
    return NULL;
}

bool args_has(const struct cli_args *args, const char *name) { return args_get(args, name) != NULL; }

const char *args_text(const struct cli_args *args, const char *name) {
    const struct cli_given *g = args_get(args, name);
    if (g != NULL) return g->text;
    const struct cli_option *o = option_find(args->command, name);
    return o != NULL ? o->def : NULL;
}

int64_t args_number(const struct cli_args *args, const char *name) {
    const struct cli_given *g = args_get(args, name);
    if (g != NULL) return g->number;
    const struct cli_option *o = option_find(args->command, name);
    struct cli_given def = { .number = 0 };
    assert(o != NULL && o->def != NULL);
    enum vl_err err = option_check(o, o->def, &def, NULL);
    assert(err == VL_OK); /* a test checks every default of the table */
    return def.number;
}

enum vl_err words_split(const char *text, char ***ret_words, size_t *ret_n) {
    size_t bytes = strlen(text) + 1, n = 0;
    char **words = malloc((VL_ARGS_MAX + 1) * sizeof *words + bytes);
    if (words == NULL) return VL_ENOMEM;
    char *to = (char *)(words + VL_ARGS_MAX + 1), quote = '\0';
    bool inside = false;
    for (const char *p = text; *p != '\0'; p++) {
        if (!inside && (*p == ' ' || *p == '\t' || *p == '\n')) continue;
        if (!inside) {
            if (n == VL_ARGS_MAX) {
                free(words);
                return VL_ELIMIT;
            }
            words[n++] = to;
            inside = true;
        }
        if (quote == '\0' && (*p == ' ' || *p == '\t' || *p == '\n')) {
            *to++ = '\0';
            inside = false;
        } else if (*p == quote) {
            quote = '\0';
        } else if (quote == '\0' && (*p == '\'' || *p == '"')) {
            quote = *p;
        } else if (*p == '\\' && quote != '\'' && p[1] != '\0') {
            *to++ = *++p;
        } else {
            *to++ = *p;
        }
    }
    if (quote != '\0') {
        free(words);
        return VL_EPARSE;
    }
    *to = '\0';
    words[n] = NULL;
    *ret_words = words;
    *ret_n = n;
    return VL_OK;
}
