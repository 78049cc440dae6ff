#include "cli/pages.h"

#include <stdio.h>
#include <string.h>

static enum vl_err put_choices(struct vl_buf *out, const char *choices) {
    enum vl_err err = VL_OK;
    for (const char *p = choices; err == VL_OK && *p != '\0'; p++) err = vl_buf_printf(out, "%c", *p == '|' ? ' ' : *p);
    return err;
}

/* " --name" for every option, and " -n" for those with a letter. */
static enum vl_err put_flags(struct vl_buf *out, const struct cli_option *o, size_t n) {
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < n && err == VL_OK; i++) {
        err = vl_buf_printf(out, " --%s", o[i].name);
        if (err == VL_OK && o[i].letter != 0) err = vl_buf_printf(out, " -%c", o[i].letter);
    }
    return err;
}

/* A bash case that completes the value of an option, for those whose next word is a value. */
static enum vl_err put_bash_values(struct vl_buf *out, const char *command, const struct cli_option *o, size_t n) {
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < n && err == VL_OK; i++) {
        if (o[i].kind == VALUE_NONE || o[i].kind == VALUE_WORDS) continue;
        err = vl_buf_printf(out, "    %s:--%s", command, o[i].name);
        if (err == VL_OK && o[i].letter != 0) err = vl_buf_printf(out, "|%s:-%c", command, o[i].letter);
        if (err != VL_OK) break;
        if (o[i].kind == VALUE_CHOICE) {
            err = vl_buf_printf(out, ") COMPREPLY=($(compgen -W \"");
            if (err == VL_OK) err = put_choices(out, o[i].choices);
            if (err == VL_OK) err = vl_buf_printf(out, "\" -- \"$cur\")); return ;;\n");
        } else if (o[i].kind == VALUE_FILE) {
            err = vl_buf_printf(
                out, ") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
        } else if (o[i].kind == VALUE_FOLDER) {
            err = vl_buf_printf(
                out, ") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n");
        } else {
            err = vl_buf_printf(out, ") return ;;\n");
        }
    }
    return err;
}

static enum vl_err put_bash_command(struct vl_buf *out, const struct cli_command *c) {
    enum vl_err err = vl_buf_printf(out, "    %s)\n      flags=\"", c->name);
    if (err == VL_OK) err = put_flags(out, c->options, c->n_options);
    if (err == VL_OK) err = vl_buf_printf(out, "\"\n");
    if (err == VL_OK && c->operand_choices != NULL) {
        err = vl_buf_printf(out, "      words=\"");
        if (err == VL_OK) err = put_choices(out, c->operand_choices);
        if (err == VL_OK) err = vl_buf_printf(out, "\"\n");
    }
    if (err == VL_OK && c->operand_kind == VALUE_FILE) err = vl_buf_printf(out, "      files=1\n");
    if (err == VL_OK && strcmp(c->name, "help") == 0) err = vl_buf_printf(out, "      words=\"$commands\"\n");
    return err == VL_OK ? vl_buf_printf(out, "      ;;\n") : err;
}

enum vl_err page_bash(struct vl_buf *out) {
    enum vl_err err = vl_buf_printf(out, "# bash completion of village\n"
                                         "_village() {\n"
                                         "  local cur prev command= i flags= words= files= commands=\"");
    bool first = true;
    for (size_t i = 0; i < commands_n && err == VL_OK; i++) {
        if (commands[i].hidden) continue;
        err = vl_buf_printf(out, "%s%s", first ? "" : " ", commands[i].name);
        first = false;
    }
    if (err == VL_OK)
        err = vl_buf_printf(
            out, "\"\n"
                 "  cur=${COMP_WORDS[COMP_CWORD]}\n"
                 "  prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                 "  COMPREPLY=()\n"
                 "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                 "    case \" $commands \" in *\" ${COMP_WORDS[i]} \"*) command=${COMP_WORDS[i]}; break ;; esac\n"
                 "  done\n"
                 "  case \"$command:$prev\" in\n");
    for (size_t i = 0; i < commands_n && err == VL_OK; i++)
        if (!commands[i].hidden)
            err = put_bash_values(out, commands[i].name, commands[i].options, commands[i].n_options);
    if (err == VL_OK) err = put_bash_values(out, "*", global_options, global_options_n);
    if (err == VL_OK) err = vl_buf_printf(out, "  esac\n  case \"$command\" in\n    '') words=\"$commands\" ;;\n");
    for (size_t i = 0; i < commands_n && err == VL_OK; i++)
        if (!commands[i].hidden) err = put_bash_command(out, &commands[i]);
    if (err == VL_OK) err = vl_buf_printf(out, "  esac\n  flags=\"$flags");
    if (err == VL_OK) err = put_flags(out, global_options, global_options_n);
    if (err == VL_OK)
        err = vl_buf_printf(out, "\"\n"
                                 "  case \"$cur\" in\n"
                                 "    -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\")) ;;\n"
                                 "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                                 "       if [ -n \"$files\" ]; then\n"
                                 "         compopt -o filenames 2>/dev/null\n"
                                 "         COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
                                 "       fi ;;\n"
                                 "  esac\n"
                                 "}\n"
                                 "complete -F _village village\n");
    return err;
}

/* Text inside a zsh '...[description]': quotes, brackets and colons would end it. */
static enum vl_err put_zsh_text(struct vl_buf *out, const char *text) {
    enum vl_err err = VL_OK;
    for (; *text != '\0' && err == VL_OK; text++) {
        if (*text == '\'')
            err = vl_buf_printf(out, "'\\''");
        else if (strchr("[]:\\", *text) != NULL)
            err = vl_buf_printf(out, "\\%c", *text);
        else
            err = vl_buf_append(out, text, 1);
    }
    return err;
}

static enum vl_err put_zsh_value(struct vl_buf *out, const struct cli_option *o) {
    switch (o->kind) {
    case VALUE_NONE:
    case VALUE_WORDS:
        return VL_OK;
    case VALUE_CHOICE: {
        enum vl_err err = vl_buf_printf(out, ":value:(");
        if (err == VL_OK) err = put_choices(out, o->choices);
        return err == VL_OK ? vl_buf_printf(out, ")") : err;
    }
    case VALUE_FILE:
        return vl_buf_printf(out, ":%s:_files", o->value);
    case VALUE_FOLDER:
        return vl_buf_printf(out, ":%s:_files -/", o->value);
    case VALUE_TEXT:
    case VALUE_INTEGER:
    case VALUE_SIZE:
    case VALUE_DURATION: {
        enum vl_err err = vl_buf_printf(out, ":");
        if (err == VL_OK) err = put_zsh_text(out, o->value);
        return err == VL_OK ? vl_buf_printf(out, ": ") : err;
    }
    }
    return VL_OK;
}

/* One spec of _arguments for `dashes` + `name`. */
static enum vl_err put_zsh_spec(struct vl_buf *out, const struct cli_option *o, const char *form) {
    enum vl_err err = vl_buf_printf(out, " \\\n        '%s%s[", o->repeat ? "*" : "", form);
    if (err == VL_OK) err = put_zsh_text(out, o->help);
    if (err == VL_OK) err = vl_buf_printf(out, "]");
    if (err == VL_OK) err = put_zsh_value(out, o);
    return err == VL_OK ? vl_buf_printf(out, "'") : err;
}

static enum vl_err put_zsh_options(struct vl_buf *out, const struct cli_option *options, size_t n) {
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < n && err == VL_OK; i++) {
        const struct cli_option *o = &options[i];
        char form[64];
        /* "=" on a form: the value follows it or is the next word; "-": it follows at once. */
        const char *after = o->kind == VALUE_NONE || o->kind == VALUE_WORDS ? "" : "=";
        snprintf(form, sizeof form, "--%s%s", o->name, after);
        err = put_zsh_spec(out, o, form);
        if (err != VL_OK || o->letter == 0) continue;
        snprintf(form, sizeof form, "-%c%s", o->letter, *after ? "+" : "");
        err = put_zsh_spec(out, o, form);
    }
    return err;
}

static enum vl_err put_zsh_command(struct vl_buf *out, const struct cli_command *c) {
    enum vl_err err = vl_buf_printf(out, "      %s)\n        _arguments -s -S", c->name);
    if (err == VL_OK) err = put_zsh_options(out, c->options, c->n_options);
    if (err == VL_OK) err = put_zsh_options(out, global_options, global_options_n);
    if (err == VL_OK && c->operand_choices != NULL) {
        err = vl_buf_printf(out, " \\\n        '*:value:(");
        if (err == VL_OK) err = put_choices(out, c->operand_choices);
        if (err == VL_OK) err = vl_buf_printf(out, ")'");
    } else if (err == VL_OK && c->operand_kind == VALUE_FILE) {
        err = vl_buf_printf(out, " \\\n        '*:program:_files'");
    } else if (err == VL_OK && strcmp(c->name, "help") == 0) {
        err = vl_buf_printf(out, " \\\n        '1:command:(${names})'");
    }
    return err == VL_OK ? vl_buf_printf(out, " ;;\n") : err;
}

enum vl_err page_zsh(struct vl_buf *out) {
    enum vl_err err = vl_buf_printf(out, "#compdef village\n"
                                         "# zsh completion of village\n"
                                         "_village() {\n"
                                         "  local -a list names\n"
                                         "  list=(\n");
    for (size_t i = 0; i < commands_n && err == VL_OK; i++) {
        if (commands[i].hidden) continue;
        err = vl_buf_printf(out, "    '%s:", commands[i].name);
        if (err == VL_OK) err = put_zsh_text(out, commands[i].summary);
        if (err == VL_OK) err = vl_buf_printf(out, "'\n");
    }
    if (err == VL_OK)
        err = vl_buf_printf(out, "  )\n"
                                 "  names=(${list%%%%:*})\n"
                                 "  local context state state_descr line\n"
                                 "  typeset -A opt_args\n"
                                 "  _arguments -C -s -S");
    if (err == VL_OK) err = put_zsh_options(out, global_options, global_options_n);
    if (err == VL_OK)
        err = vl_buf_printf(out, " \\\n        '1:command:->command' \\\n        '*::argument:->argument'\n"
                                 "  case $state in\n"
                                 "  command) _describe -t commands 'village command' list ;;\n"
                                 "  argument)\n"
                                 "    case $words[1] in\n");
    for (size_t i = 0; i < commands_n && err == VL_OK; i++)
        if (!commands[i].hidden) err = put_zsh_command(out, &commands[i]);
    if (err == VL_OK)
        err = vl_buf_printf(
            out, "    esac ;;\n"
                 "  esac\n"
                 "}\n"
                 "if [ \"$funcstack[1]\" = _village ]; then _village \"$@\"; else compdef _village village; fi\n");
    return err;
}
