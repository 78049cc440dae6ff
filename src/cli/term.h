/* term.h - what goes to a terminal: foreign text made harmless, widths, tables, one progress line.
 * A name or an output of a job may hold escape sequences that retitle, clear or type into a terminal, or Unicode
 * controls that reorder text (CVE-2021-42574); nothing foreign is printed to a terminal except through here. */
#ifndef VL_CLI_TERM_H
#define VL_CLI_TERM_H

#include "base/bytes.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stdio.h>

struct term {
    FILE *file;
    bool tty, color;
    unsigned width; /* columns; 0: unlimited (not a terminal) */
};
/* `allow_color` false: --no-color, NO_COLOR or TERM=dumb was seen by the caller. Borrows `file`. */
struct term term_open(FILE *file, bool allow_color);

/* Appends n bytes of foreign text: each control character, broken UTF-8 byte and invisible direction mark becomes
 * U+FFFD. `lines` keeps \n and \t; otherwise they become a space. Errors of vl_buf_append(). */
VL_MUST_CHECK enum vl_err term_sanitise(struct vl_buf *out, const void *text, size_t n, bool lines);
/* Length of the unfinished UTF-8 character at the end of p, 0..3: what a stream must keep back for the next piece. */
size_t term_tail(const void *p, size_t n);
/* Prints a foreign string, one line, sanitised. */
void term_puts(const struct term *t, const char *text);
/* Columns that a sanitised UTF-8 string takes. */
size_t term_columns(const char *text);

enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_GOOD, TERM_WARN, TERM_BAD };
/* Escape sequence that starts the style, or that ends it for TERM_PLAIN; "" without color. Static storage. */
const char *term_style(const struct term *t, enum term_style style);

/* A table of short strings. Cells are copied and sanitised by term_table_cell(). */
struct term_table;
struct term_column {
    const char *title;
    bool right; /* numbers */
    bool trim;  /* may be cut with an ellipsis when the terminal is too narrow */
};
/* Borrows `columns`. NULL: out of memory. */
struct term_table *term_table_create(const struct term_column *columns, size_t n);
void term_table_destroy(struct term_table *t);
/* Cells go row by row, left to right. A table that ran out of memory prints what it has and says so. */
void term_table_cell(struct term_table *t, const char *text, enum term_style style);
void term_table_cellf(struct term_table *t, enum term_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void term_table_print(const struct term_table *table, const struct term *t);

/* One line that is rewritten in place on a terminal. Elsewhere it is a plain line, first after 1 s and then when it
 * changed and 5 s passed, so that quick work says nothing and the log of a long job stays short. */
struct term_progress {
    struct term term;
    bool quiet, shown;
    vl_ms next_ms; /* earliest time of the next plain line; 0: nothing was shown yet */
    char last[256];
};
void term_progress_show(struct term_progress *p, vl_ms now, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Removes the line so that other text can follow. */
void term_progress_clear(struct term_progress *p);

#endif
