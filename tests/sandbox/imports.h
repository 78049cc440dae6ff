/* imports.h - what Go programs import, read from compiled ones, and the smallest module that imports just that. */
#ifndef VL_TESTS_SANDBOX_IMPORTS_H
#define VL_TESTS_SANDBOX_IMPORTS_H

#include "check.h"

#include "base/bytes.h"

#include <string.h>

struct import_row {
    const char *name, *signature; /* of wasi_snapshot_preview1; as in src/sandbox/wasi_table.h, but from the compilers */
};

/* TinyGo 0.33, -target wasip1: its runtime (fmt, maps, goroutines, a timer), and wasi-libc's part for package os. */
static const struct import_row tinygo_imports[] = {
    { "fd_write", "iiii:i" },          { "poll_oneoff", "iiii:i" },       { "clock_time_get", "iIi:i" },
    { "proc_exit", "i:" },             { "args_sizes_get", "ii:i" },      { "args_get", "ii:i" },
    { "environ_get", "ii:i" },         { "environ_sizes_get", "ii:i" },   { "fd_close", "i:i" },
    { "fd_fdstat_get", "ii:i" },       { "fd_filestat_get", "ii:i" },     { "fd_prestat_get", "ii:i" },
    { "fd_prestat_dir_name", "iii:i" }, { "fd_read", "iiii:i" },          { "fd_readdir", "iiiIi:i" },
    { "fd_seek", "iIii:i" },           { "path_filestat_get", "iiiii:i" }, { "path_open", "iiiiiIIii:i" },
    { "random_get", "ii:i" },
};

/* Go 1.26, GOOS=wasip1: packages import for themselves, so three come twice. */
static const struct import_row go_imports[] = {
    { "sched_yield", ":i" },           { "proc_exit", "i:" },             { "args_get", "ii:i" },
    { "args_sizes_get", "ii:i" },      { "clock_time_get", "iIi:i" },     { "environ_get", "ii:i" },
    { "environ_sizes_get", "ii:i" },   { "fd_write", "iiii:i" },          { "random_get", "ii:i" },
    { "poll_oneoff", "iiii:i" },       { "fd_close", "i:i" },             { "fd_read", "iiii:i" },
    { "fd_readdir", "iiiIi:i" },       { "fd_filestat_get", "ii:i" },     { "fd_write", "iiii:i" },
    { "path_filestat_get", "iiiii:i" }, { "path_open", "iiiiiIIii:i" },   { "random_get", "ii:i" },
    { "fd_fdstat_get", "ii:i" },       { "fd_fdstat_set_flags", "ii:i" }, { "fd_prestat_get", "ii:i" },
    { "fd_prestat_dir_name", "iii:i" }, { "path_filestat_get", "iiiii:i" },
};
#define IMPORT_ROWS(rows) (rows), sizeof(rows) / sizeof *(rows)

static inline void put_byte(struct vl_buf *b, unsigned v) { CHECK_OK(vl_buf_append(b, &(uint8_t){ (uint8_t)v }, 1)); }

static inline void put_leb(struct vl_buf *b, size_t v) {
    for (; v >= 0x80; v >>= 7) put_byte(b, (unsigned)(v & 0x7f) | 0x80);
    put_byte(b, (unsigned)v);
}

static inline void put_name(struct vl_buf *b, const char *s) {
    put_leb(b, strlen(s));
    CHECK_OK(vl_buf_append(b, s, strlen(s)));
}

/* Moves `body` into a section of `out`. */
static inline void put_section(struct vl_buf *out, unsigned id, struct vl_buf *body) {
    put_byte(out, id);
    put_leb(out, body->len);
    CHECK_OK(vl_buf_append(out, body->p, body->len));
    vl_buf_clear(body);
}

static inline void put_valtypes(struct vl_buf *b, const char *from, size_t n) {
    put_leb(b, n);
    for (size_t i = 0; i < n; i++) put_byte(b, from[i] == 'I' ? 0x7e : 0x7f);
}

/* Appends a program that imports the rows, exports a memory of one page and does nothing in _start. */
static inline void module_importing(const struct import_row *rows, size_t n, struct vl_buf *out) {
    struct vl_buf b;
    vl_buf_init(&b, 1 << 16);
    CHECK_OK(vl_buf_append(out, "\0asm\1\0\0\0", 8));
    put_leb(&b, n + 1);
    for (size_t i = 0; i < n; i++) {
        const char *s = rows[i].signature;
        size_t in = strcspn(s, ":");
        put_byte(&b, 0x60);
        put_valtypes(&b, s, in);
        put_valtypes(&b, s + in + 1, strlen(s + in + 1));
    }
    CHECK_OK(vl_buf_append(&b, "\x60\0\0", 3));
    put_section(out, 1, &b);
    put_leb(&b, n);
    for (size_t i = 0; i < n; i++) {
        put_name(&b, "wasi_snapshot_preview1");
        put_name(&b, rows[i].name);
        put_byte(&b, 0);
        put_leb(&b, i);
    }
    put_section(out, 2, &b);
    put_leb(&b, 1);
    put_leb(&b, n);
    put_section(out, 3, &b);
    CHECK_OK(vl_buf_append(&b, "\1\0\1", 3));
    put_section(out, 5, &b);
    put_leb(&b, 2);
    put_name(&b, "memory");
    CHECK_OK(vl_buf_append(&b, "\2\0", 2));
    put_name(&b, "_start");
    put_byte(&b, 0);
    put_leb(&b, n);
    put_section(out, 7, &b);
    CHECK_OK(vl_buf_append(&b, "\1\2\0\x0b", 4));
    put_section(out, 10, &b);
    vl_buf_free(&b);
}

#endif
