#include "cli/term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define CELL_MAX 512u    /* bytes of one cell; longer ones are cut */
#define ROWS_MAX 200000u /* rows of one table: more than a person reads, less than fills memory */
#define PLAIN_FIRST_MS 1000u
#define PLAIN_EVERY_MS 5000u

struct term term_open(FILE *file, bool allow_color) {
    struct term t = { .file = file, .tty = isatty(fileno(file)) == 1 };
    struct winsize size = { 0 };
    t.color = t.tty && allow_color;
    if (t.tty) t.width = ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    return t;
}

/* Length of the well-formed character at p (RFC 3629 section 4), 0 when there is none; *ret_cp is its code point. */
static size_t utf8_take(const uint8_t *p, size_t n, uint32_t *ret_cp) {
    if (n == 0) return 0;
    if (p[0] < 0x80) {
        *ret_cp = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < len) return 0;
    uint32_t cp = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        cp = cp << 6 | (p[i] & 0x3f);
    }
    if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) return 0;
    *ret_cp = cp;
    return len;
}

size_t term_tail(const void *text, size_t n) {
    const uint8_t *p = text;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint8_t c = p[n - back];
        if (c < 0x80) return 0;
        if (c >= 0xc0) {
            size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return back < len ? back : 0;
        }
    }
    return 0;
}

static bool is_harmless(uint32_t cp) {
    if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f)) return false;      /* C0, DEL, C1 */
    if (cp == 0x061c || cp == 0x200e || cp == 0x200f) return false; /* direction marks */
    if ((cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f))
        return false; /* separators, embeddings, isolates */
    if (cp == 0x200b || cp == 0xfeff || (cp >= 0xfff9 && cp <= 0xfffb)) return false; /* invisible */
    return cp < 0xe0000 || cp > 0xe0fff;                                              /* tags */
}

enum vl_err term_sanitise(struct vl_buf *out, const void *text, size_t n, bool lines) {
    const uint8_t *p = text;
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t len = utf8_take(p + i, n - i, &cp);
        enum vl_err err = VL_OK;
        if (len == 1 && (cp == '\n' || cp == '\t'))
            err = vl_buf_append(out, lines ? (const void *)&p[i] : " ", 1);
        else if (len == 0 || !is_harmless(cp))
            err = vl_buf_append(out, "\xef\xbf\xbd", 3);
        else
            err = vl_buf_append(out, p + i, len);
        if (err != VL_OK) return err;
        i += len > 0 ? len : 1;
    }
    return VL_OK;
}

void term_puts(const struct term *t, const char *text) {
    struct vl_buf b;
    size_t n = strlen(text);
    vl_buf_init(&b, 3 * n + 1);
    if (term_sanitise(&b, text, n, false) == VL_OK && b.len > 0) fwrite(b.p, 1, b.len, t->file);
    vl_buf_free(&b);
}

/* Length of the character at p and the columns it takes. */
static size_t char_columns(const uint8_t *p, size_t n, size_t *ret_columns) {
    uint32_t cp = 0;
    size_t len = utf8_take(p, n, &cp);
    int w = len > 0 ? wcwidth((wchar_t)cp) : 1;
    *ret_columns = w > 0 ? (size_t)w : w == 0 ? 0 : 1;
    return len > 0 ? len : 1;
}

size_t term_columns(const char *text) {
    size_t n = strlen(text), sum = 0, w = 0;
    for (size_t i = 0; i < n; sum += w) i += char_columns((const uint8_t *)text + i, n - i, &w);
    return sum;
}

const char *term_style(const struct term *t, enum term_style style) {
    if (!t->color) return "";
    switch (style) {
    case TERM_PLAIN:
        return "\033[0m";
    case TERM_BOLD:
        return "\033[1m";
    case TERM_DIM:
        return "\033[2m";
    case TERM_GOOD:
        return "\033[32m";
    case TERM_WARN:
        return "\033[33m";
    case TERM_BAD:
        return "\033[31m";
    }
    return "";
}

struct cell {
    char *text;
    size_t columns;
    enum term_style style;
};
struct term_table {
    const struct term_column *columns;
    size_t n_columns;
    struct cell *cells;
    size_t len, cap;
    bool cut; /* memory or rows ran out */
};

struct term_table *term_table_create(const struct term_column *columns, size_t n) {
    struct term_table *t = calloc(1, sizeof *t);
    if (t != NULL) *t = (struct term_table){ .columns = columns, .n_columns = n };
    return t;
}

void term_table_destroy(struct term_table *t) {
    if (t == NULL) return;
    for (size_t i = 0; i < t->len; i++) free(t->cells[i].text);
    free(t->cells);
    free(t);
}

void term_table_cell(struct term_table *t, const char *text, enum term_style style) {
    if (t == NULL || t->cut) return;
    if (t->len == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 16 * t->n_columns;
        struct cell *cells = cap <= ROWS_MAX * t->n_columns ? realloc(t->cells, cap * sizeof *cells) : NULL;
        if (cells == NULL) {
            t->cut = true;
            return;
        }
        t->cells = cells;
        t->cap = cap;
    }
    struct vl_buf b;
    vl_buf_init(&b, 3 * CELL_MAX + 1);
    size_t n = strnlen(text, CELL_MAX);
    if (term_sanitise(&b, text, n, false) != VL_OK || vl_buf_append(&b, "", 1) != VL_OK) {
        vl_buf_free(&b);
        t->cut = true;
        return;
    }
    t->cells[t->len++] = (struct cell){ .text = (char *)b.p, .columns = term_columns((char *)b.p), .style = style };
}

void term_table_cellf(struct term_table *t, enum term_style style, const char *fmt, ...) {
    char text[CELL_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    term_table_cell(t, text, style);
}

static void print_cell(const struct term *t, const char *text, size_t columns, size_t width, bool right, bool last) {
    size_t pad = width > columns ? width - columns : 0;
    if (right) fprintf(t->file, "%*s", (int)pad, "");
    if (columns <= width) {
        fputs(text, t->file);
    } else {
        size_t n = strlen(text), i = 0, used = 0, w = 0;
        while (i < n) {
            size_t len = char_columns((const uint8_t *)text + i, n - i, &w);
            if (used + w + 1 > width) break;
            used += w;
            i += len;
        }
        fwrite(text, 1, i, t->file);
        fputs("…", t->file);
        pad = width - used - 1;
    }
    if (!right && !last) fprintf(t->file, "%*s", (int)pad, "");
}

/* Takes columns away from those that may be trimmed, widest first, until the row fits. */
static void fit(const struct term_table *table, size_t *width, unsigned limit) {
    size_t sum = 2 * (table->n_columns - 1);
    for (size_t c = 0; c < table->n_columns; c++) sum += width[c];
    while (limit > 0 && sum > limit) {
        size_t widest = SIZE_MAX;
        for (size_t c = 0; c < table->n_columns; c++)
            if (table->columns[c].trim && width[c] > 8 && (widest == SIZE_MAX || width[c] > width[widest])) widest = c;
        if (widest == SIZE_MAX) return;
        width[widest]--;
        sum--;
    }
}

void term_table_print(const struct term_table *table, const struct term *t) {
    if (table == NULL) return;
    size_t *width = calloc(table->n_columns, sizeof *width);
    if (width == NULL) return;
    for (size_t c = 0; c < table->n_columns; c++) width[c] = term_columns(table->columns[c].title);
    for (size_t i = 0; i < table->len; i++)
        if (table->cells[i].columns > width[i % table->n_columns])
            width[i % table->n_columns] = table->cells[i].columns;
    fit(table, width, t->width);
    for (size_t c = 0; c < table->n_columns; c++) {
        const char *title = table->columns[c].title;
        fprintf(t->file, "%s%s", c ? "  " : "", term_style(t, TERM_DIM));
        print_cell(t, title, term_columns(title), width[c], table->columns[c].right, c + 1 == table->n_columns);
        fputs(term_style(t, TERM_PLAIN), t->file);
    }
    fputc('\n', t->file);
    for (size_t i = 0; i < table->len; i++) {
        size_t c = i % table->n_columns;
        const struct cell *cell = &table->cells[i];
        fputs(c ? "  " : "", t->file);
        if (cell->style != TERM_PLAIN) fputs(term_style(t, cell->style), t->file);
        print_cell(t, cell->text, cell->columns, width[c], table->columns[c].right, c + 1 == table->n_columns);
        if (cell->style != TERM_PLAIN) fputs(term_style(t, TERM_PLAIN), t->file);
        if (c + 1 == table->n_columns) fputc('\n', t->file);
    }
    if (table->cut) fputs("(more rows than fit in memory)\n", t->file);
    free(width);
}

void term_progress_show(struct term_progress *p, vl_ms now, const char *fmt, ...) {
    char line[sizeof p->last];
    va_list ap;
    if (p->quiet) return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (p->term.tty) {
        struct vl_buf b;
        vl_buf_init(&b, 3 * sizeof line);
        if (term_sanitise(&b, line, strlen(line), false) == VL_OK && vl_buf_append(&b, "", 1) == VL_OK) {
            fputs("\r\033[K", p->term.file);
            size_t columns = term_columns((char *)b.p);
            /* The last column stays free: some terminals wrap as soon as it is filled. */
            size_t limit = p->term.width > 1 ? p->term.width - 1 : 1;
            print_cell(&p->term, (char *)b.p, columns, columns < limit ? columns : limit, false, true);
            fflush(p->term.file);
            p->shown = true;
        }
        vl_buf_free(&b);
    } else if (p->next_ms == 0) {
        p->next_ms = vl_ms_add(now, PLAIN_FIRST_MS);
    } else if (now >= p->next_ms && strcmp(line, p->last) != 0) {
        term_puts(&p->term, line);
        fputc('\n', p->term.file);
        p->next_ms = vl_ms_add(now, PLAIN_EVERY_MS);
        memcpy(p->last, line, sizeof line);
    }
}

void term_progress_clear(struct term_progress *p) {
    if (!p->shown) return;
    fputs("\r\033[K", p->term.file);
    fflush(p->term.file);
    p->shown = false;
}
