#include "cli/pages.h"

#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRAP 96u   /* columns of text that are easy to read; help does not follow the window */
#define INDENT 30u /* where the right column begins */

void page_option_form(const struct cli_option *o, char dst[PAGE_OPTION]) {
    char letter[8] = "    ";
    if (o->letter != 0) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    const char *value = o->kind == VALUE_CHOICE ? o->choices : o->value;
    if (o->kind == VALUE_NONE)
        snprintf(dst, PAGE_OPTION, "%s--%s", letter, o->name);
    else if (o->kind == VALUE_WORDS)
        snprintf(dst, PAGE_OPTION, "%s--%s[=%s]", letter, o->name, value);
    else
        snprintf(dst, PAGE_OPTION, "%s--%s %s", letter, o->name, value);
}

const char *page_exit_text(int code) {
    for (size_t i = 0; i < exit_texts_n; i++)
        if (exit_texts[i].code == code) return exit_texts[i].text;
    return NULL;
}

/* A left column, then text wrapped at WRAP with a hanging indent. */
static enum vl_err put_row(struct vl_buf *out, const char *left, const char *text, size_t indent) {
    size_t column = strlen(left);
    enum vl_err err = vl_buf_printf(out, "%s", left);
    if (column > 0 && column + 2 > indent) {
        if (err == VL_OK) err = vl_buf_printf(out, "\n");
        column = 0;
    }
    if (err == VL_OK) err = vl_buf_printf(out, "%*s", (int)(indent - column), "");
    column = indent;
    while (*text != '\0' && err == VL_OK) {
        size_t n = strcspn(text, " \n");
        if (column > indent && column + 1 + n > WRAP) {
            err = vl_buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            err = vl_buf_printf(out, " ");
            column++;
        }
        if (err == VL_OK) err = vl_buf_append(out, text, n);
        column += n;
        text += n;
        if (*text == '\n' && err == VL_OK) {
            err = vl_buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        if (*text != '\0') text++;
    }
    return err == VL_OK ? vl_buf_printf(out, "\n") : err;
}

static enum vl_err put_options(struct vl_buf *out, const struct cli_option *options, size_t n) {
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < n && err == VL_OK; i++) {
        char form[PAGE_OPTION], left[PAGE_OPTION + 4], text[512], range[2][UNITS_TEXT] = { "", "" };
        const struct cli_option *o = &options[i];
        page_option_form(o, form);
        snprintf(left, sizeof left, "  %s", form);
        const char *from = "";
        if (o->kind == VALUE_INTEGER) {
            snprintf(range[0], UNITS_TEXT, "%lld", (long long)o->min);
            snprintf(range[1], UNITS_TEXT, "%lld", (long long)o->max);
            from = "; from ";
        } else if (o->kind == VALUE_SIZE) {
            units_spell_size((uint64_t)o->min, range[0]);
            units_spell_size((uint64_t)o->max, range[1]);
            from = "; from ";
        } else if (o->kind == VALUE_DURATION) {
            units_spell_duration((uint64_t)o->min, range[0]);
            units_spell_duration((uint64_t)o->max, range[1]);
            from = "; from ";
        }
        snprintf(text, sizeof text, "%s%s%s%s%s%s%s", o->help, from, range[0], *from ? " to " : "", range[1],
                 o->def ? "; default " : "", o->def ? o->def : "");
        err = put_row(out, left, text, INDENT);
    }
    return err;
}

static enum vl_err put_exits(struct vl_buf *out, const char *codes) {
    enum vl_err err = VL_OK;
    for (const char *p = codes; *p != '\0' && err == VL_OK;) {
        char *end = NULL, left[32];
        int code = (int)strtol(p, &end, 10);
        snprintf(left, sizeof left, "  %d", code);
        const char *text = page_exit_text(code);
        err = put_row(out, left, text != NULL ? text : "", 8);
        p = end + strspn(end, " ");
    }
    return err;
}

static enum vl_err put_lines(struct vl_buf *out, const char *lines) {
    enum vl_err err = VL_OK;
    while (*lines != '\0' && err == VL_OK) {
        size_t n = strcspn(lines, "\n");
        err = vl_buf_printf(out, "  %.*s\n", (int)n, lines);
        lines += n + (lines[n] == '\n');
    }
    return err;
}

static enum vl_err put_title(struct vl_buf *out, const char *title, const char *bold, const char *plain) {
    return vl_buf_printf(out, "\n%s%s%s\n", bold, title, plain);
}

enum vl_err page_help(struct vl_buf *out, const char *bold, const char *plain) {
    enum vl_err err = vl_buf_printf(out,
                                    "%svillage%s - turn a group's machines into one private compute fog\n\n"
                                    "Usage: village COMMAND [OPTION]...\n",
                                    bold, plain);
    for (int g = 0; g < COMMAND_GROUPS && err == VL_OK; g++) {
        err = put_title(out, command_group_titles[g], bold, plain);
        for (size_t i = 0; i < commands_n && err == VL_OK; i++) {
            char left[64];
            if (commands[i].hidden || (int)commands[i].group != g) continue;
            snprintf(left, sizeof left, "  %s", commands[i].name);
            err = put_row(out, left, commands[i].summary, 16);
        }
    }
    if (err == VL_OK) err = put_title(out, "Options of every command", bold, plain);
    if (err == VL_OK) err = put_options(out, global_options, global_options_n);
    if (err == VL_OK) err = put_title(out, "Environment", bold, plain);
    for (size_t i = 0; i < environment_n && err == VL_OK; i++) {
        char left[64];
        snprintf(left, sizeof left, "  %s", environment[i].name);
        err = put_row(out, left, environment[i].text, INDENT);
    }
    if (err == VL_OK)
        err = vl_buf_printf(out, "\nSizes: 4096, 64K, 1.5G (powers of 1024). Durations: 250ms, 30s, 1h30m, 2d.\n"
                                 "`village help COMMAND` shows a command with an example; `village man` prints "
                                 "the manual page.\n");
    return err;
}

enum vl_err page_command(struct vl_buf *out, const struct cli_command *c, const char *bold, const char *plain) {
    enum vl_err err = vl_buf_printf(out, "%svillage %s%s - %s\n\nUsage: village %s [OPTION]...%s%s\n", bold, c->name,
                                    plain, c->summary, c->name, *c->operands ? " " : "", c->operands);
    if (err == VL_OK && c->about != NULL) {
        err = vl_buf_printf(out, "\n");
        if (err == VL_OK) err = put_row(out, "", c->about, 0);
    }
    if (c->n_options > 0) {
        if (err == VL_OK) err = put_title(out, "Options", bold, plain);
        if (err == VL_OK) err = put_options(out, c->options, c->n_options);
    }
    if (err == VL_OK) err = put_title(out, "Options of every command", bold, plain);
    if (err == VL_OK) err = put_options(out, global_options, global_options_n);
    if (c->json != NULL) {
        if (err == VL_OK) err = put_title(out, "With --json", bold, plain);
        if (err == VL_OK) err = put_row(out, "", c->json, 2);
    }
    if (err == VL_OK) err = put_title(out, "Exit codes", bold, plain);
    if (err == VL_OK) err = put_exits(out, c->exits);
    if (err == VL_OK) err = put_title(out, "Examples", bold, plain);
    if (err == VL_OK) err = put_lines(out, c->example);
    return err;
}

static int print_page(struct cli *cli, struct vl_buf *page, enum vl_err err) {
    bool ok = err == VL_OK && fwrite(page->p, 1, page->len, cli->out.file) == page->len;
    vl_buf_free(page);
    return ok ? CLI_OK : cli_fail(cli, CLI_FAILED, "cannot print: %s", err != VL_OK ? vl_err_text(err) : "write error");
}

int command_help(struct cli *cli) {
    struct vl_buf page;
    const struct cli_command *c = cli->args.command;
    if (c != NULL && strcmp(c->name, "help") == 0) c = NULL;
    if (cli->args.n_operands > 0 && c == NULL) {
        c = command_find(cli->args.operands[0]);
        if (c == NULL || c->hidden)
            return cli_fail(cli, CLI_USAGE, "no command '%.64s'; `village help` lists them", cli->args.operands[0]);
    }
    const char *bold = term_style(&cli->out, TERM_BOLD), *plain = term_style(&cli->out, TERM_PLAIN);
    vl_buf_init(&page, PAGE_MAX);
    return print_page(cli, &page, c != NULL ? page_command(&page, c, bold, plain) : page_help(&page, bold, plain));
}

int command_man(struct cli *cli) {
    struct vl_buf page;
    vl_buf_init(&page, PAGE_MAX);
    return print_page(cli, &page, page_man(&page));
}

int command_completion(struct cli *cli) {
    struct vl_buf page;
    vl_buf_init(&page, PAGE_MAX);
    bool zsh = strcmp(cli->args.operands[0], "zsh") == 0;
    return print_page(cli, &page, zsh ? page_zsh(&page) : page_bash(&page));
}

int command_version(struct cli *cli) {
    if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "version", VILLAGE_VERSION));
    fprintf(cli->out.file, "village %s\n", VILLAGE_VERSION);
    return CLI_OK;
}
