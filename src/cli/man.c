#include "cli/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text as roff: backslashes and hyphens are escaped, and no line begins with a control character. */
static enum vl_err put_text(struct vl_buf *out, const char *text) {
    enum vl_err err = VL_OK;
    bool line_start = true;
    for (; *text != '\0' && err == VL_OK; text++) {
        if (line_start && (*text == '.' || *text == '\'')) err = vl_buf_printf(out, "\\&");
        line_start = *text == '\n';
        if (err != VL_OK) break;
        if (*text == '\\')
            err = vl_buf_printf(out, "\\e");
        else if (*text == '-')
            err = vl_buf_printf(out, "\\-");
        else if (*text == '\'')
            err = vl_buf_printf(out, "\\(aq");
        else if (*text == '\n')
            err = vl_buf_printf(out, "\n.PP\n");
        else if (*text == '|')
            err = vl_buf_printf(out, "|\\:"); /* a long list of choices may break here */
        else
            err = vl_buf_append(out, text, 1);
    }
    return err;
}

static enum vl_err put(struct vl_buf *out, const char *before, const char *text, const char *after) {
    enum vl_err err = vl_buf_printf(out, "%s", before);
    if (err == VL_OK) err = put_text(out, text);
    return err == VL_OK ? vl_buf_printf(out, "%s", after) : err;
}

static enum vl_err put_option(struct vl_buf *out, const struct cli_option *o) {
    char form[PAGE_OPTION];
    page_option_form(o, form);
    enum vl_err err = put(out, ".TP\n.B ", form + strspn(form, " "), "\n");
    if (err == VL_OK) err = put(out, "", o->help, ".");
    if (err == VL_OK && o->def != NULL) err = put(out, " Default ", o->def, ".");
    return err == VL_OK ? vl_buf_printf(out, "\n") : err;
}

/* Code lines, unfilled. */
static enum vl_err put_example(struct vl_buf *out, const char *lines) {
    enum vl_err err = vl_buf_printf(out, ".PP\n.nf\n.RS 4\n");
    while (*lines != '\0' && err == VL_OK) {
        char line[512];
        size_t n = strcspn(lines, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, lines);
        err = put(out, "", line, "\n");
        lines += n + (lines[n] == '\n');
    }
    return err == VL_OK ? vl_buf_printf(out, ".RE\n.fi\n") : err;
}

static enum vl_err put_command(struct vl_buf *out, const struct cli_command *c) {
    enum vl_err err = put(out, ".SS village ", c->name, "");
    if (err == VL_OK) err = put(out, *c->operands ? " " : "", c->operands, "\n");
    if (err == VL_OK) err = put(out, "To ", c->summary, ".\n");
    if (err == VL_OK && c->about != NULL) err = put(out, ".PP\n", c->about, "\n");
    for (size_t i = 0; i < c->n_options && err == VL_OK; i++) err = put_option(out, &c->options[i]);
    if (err == VL_OK && c->json != NULL) err = put(out, ".PP\nWith \\-\\-json: ", c->json, ".\n");
    if (err == VL_OK) err = put(out, ".PP\nExit codes: ", c->exits, ".\n");
    return err == VL_OK ? put_example(out, c->example) : err;
}

enum vl_err page_man(struct vl_buf *out) {
    enum vl_err err = vl_buf_printf(out,
                                    ".TH VILLAGE 1 \"\" \"village %s\" \"User Commands\"\n"
                                    ".SH NAME\nvillage \\- turn a group\\(aqs machines into one private compute fog\n"
                                    ".SH SYNOPSIS\n.B village\n.I COMMAND\n.RI [ OPTION ]...\n.SH COMMANDS\n",
                                    VILLAGE_VERSION);
    for (size_t i = 0; i < commands_n && err == VL_OK; i++)
        if (!commands[i].hidden) err = put_command(out, &commands[i]);
    if (err == VL_OK) err = vl_buf_printf(out, ".SH OPTIONS OF EVERY COMMAND\n");
    for (size_t i = 0; i < global_options_n && err == VL_OK; i++) err = put_option(out, &global_options[i]);
    if (err == VL_OK)
        err = vl_buf_printf(out,
                            ".PP\nSizes are 4096, 64K or 1.5G, in powers of 1024. Durations are 250ms, 30s, 1h30m or "
                            "2d.\n.SH EXIT STATUS\n");
    for (size_t i = 0; i < exit_texts_n && err == VL_OK; i++) {
        err = vl_buf_printf(out, ".TP\n.B %d\n", exit_texts[i].code);
        if (err == VL_OK) err = put(out, "", exit_texts[i].text, "\n");
    }
    if (err == VL_OK) err = vl_buf_printf(out, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < environment_n && err == VL_OK; i++) {
        err = put(out, ".TP\n.B ", environment[i].name, "\n");
        if (err == VL_OK) err = put(out, "", environment[i].text, "\n");
    }
    if (err == VL_OK)
        err = vl_buf_printf(
            out, ".SH FILES\n.TP\n.I gateway.json\nIn the data folder: address and token of the gateway that "
                 "runs there, readable by its owner only.\n");
    return err;
}
