/* pages.h - what is printed from the table of commands: help, completion scripts, the manual page. */
#ifndef VL_CLI_PAGES_H
#define VL_CLI_PAGES_H

#include "base/bytes.h"
#include "cli/command.h"

#define PAGE_MAX (256u * 1024u) /* several times the longest page */

/* Each appends to `out`; errors of vl_buf_append(). `bold`, `plain`: escape sequences or "". */
VL_MUST_CHECK enum vl_err page_help(struct vl_buf *out, const char *bold, const char *plain);
VL_MUST_CHECK enum vl_err page_command(struct vl_buf *out, const struct cli_command *c, const char *bold,
                                       const char *plain);
VL_MUST_CHECK enum vl_err page_bash(struct vl_buf *out);
VL_MUST_CHECK enum vl_err page_zsh(struct vl_buf *out);
VL_MUST_CHECK enum vl_err page_man(struct vl_buf *out);

/* "--name SIZE", "-n, --name=[ARGS]": the left column of help. dst holds PAGE_OPTION bytes. */
#define PAGE_OPTION 160
void page_option_form(const struct cli_option *o, char dst[PAGE_OPTION]);
/* The text of an exit code of the table, NULL when it has none. */
const char *page_exit_text(int code);

#endif
