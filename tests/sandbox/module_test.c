/* module_test.c - the strict walk over a module, with modules written by hand (WebAssembly 2.0, section 5). */
#include "sandbox/module.h"

#include "check.h"
#include "imports.h"

#include <string.h>

#define HEAD "\0asm\1\0\0\0"
#define TYPES "\x01\x04\x01\x60\x00\x00"                       /* one type: () -> () */
#define FUNCS "\x03\x02\x01\x00"                               /* one function of it */
#define MEMORY "\x05\x03\x01\x00\x01"                          /* one memory, at least one page */
#define EXPORTS "\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00"
#define CODE(n, body) "\x0a" n body

static struct vl_errmsg why;
static struct module_info info;

static enum vl_err check(const char *bytes, size_t n) {
    memset(&why, 0, sizeof why);
    return module_check(vl_span(bytes, n), &info, &why);
}
#define CHECK_MODULE(text) check((text), sizeof(text) - 1)
/* A whole module around one function body without locals: size of section, size of body, then its bytes. */
#define WITH_BODY(section, body, bytes) HEAD TYPES FUNCS MEMORY EXPORTS "\x0a" section "\x01" body "\x00" bytes

static void refused(enum vl_err want, enum vl_err got, const char *word) {
    CHECK_EQ(want, got);
    if (!strstr(why.text, word)) print_message("# said: %s\n", why.text);
    CHECK(strstr(why.text, word) != NULL);
}

TEST(module, accepts_the_smallest_program_and_nothing_shorter) {
    static const char m[] = WITH_BODY("\x04", "\x02", "\x0b");
    CHECK_OK(CHECK_MODULE(m));
    CHECK_EQ(1, info.functions);
    CHECK_EQ(1, info.pages_min);
    CHECK_EQ(MODULE_PAGES_MAX, info.pages_max);
    for (size_t n = 0; n < sizeof m - 1; n++) CHECK(check(m, n) != VL_OK);
}

TEST(module, names_what_is_not_webassembly) {
    refused(VL_EPARSE, CHECK_MODULE("\x7f" "ELF\2\1\1\0"), "not a WebAssembly file");
    refused(VL_EUNSUPPORTED, CHECK_MODULE("\0asm\x0d\0\1\0"), "component");
    refused(VL_EUNSUPPORTED, CHECK_MODULE("\0asm\2\0\0\0"), "version");
}

TEST(module, refuses_simd_with_the_flag_that_avoids_it) {
    refused(VL_EUNSUPPORTED, CHECK_MODULE(WITH_BODY("\x06", "\x04", "\xfd\x0c\x0b")), "-msimd128");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD "\x01\x05\x01\x60\x01\x7b\x00"), "SIMD");
}

TEST(module, refuses_threads_exceptions_tail_calls_gc_memory64_and_many_memories) {
    refused(VL_EUNSUPPORTED, CHECK_MODULE(WITH_BODY("\x06", "\x04", "\xfe\x03\x0b")), "threads");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD "\x05\x04\x01\x03\x01\x02"), "shared memory");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(WITH_BODY("\x06", "\x04", "\x06\x40\x0b")), "exception");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD "\x0d\x03\x01\x00\x00"), "exception");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(WITH_BODY("\x06", "\x04", "\x12\x00\x0b")), "tail calls");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(WITH_BODY("\x06", "\x04", "\xfb\x00\x0b")), "garbage-collected");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD "\x05\x03\x01\x04\x01"), "memory64");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD "\x05\x05\x02\x00\x01\x00\x01"), "more than one memory");
}

TEST(module, refuses_imports_that_are_not_wasi_or_have_another_type) {
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD TYPES "\x02\x0b\x01\x03" "env\x03" "foo\x00\x00"), "env.foo");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD TYPES "\x02\x0f\x01\x03" "env\x06" "memory\x02\x00\x01"), "--import-memory");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD TYPES "\x02\x1b\x01\x0d" "wasi_unstable\x09" "proc_exit\x00\x00"),
            "wasi_unstable");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD TYPES "\x02\x24\x01\x16" "wasi_snapshot_preview1\x09" "proc_exit\x00\x00"),
            "proc_exit with a type of its own");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(HEAD TYPES "\x02\x24\x01\x16" "wasi_snapshot_preview1\x09" "proc_fork\x00\x00"),
            "does not have");
}

TEST(module, refuses_a_library_and_a_program_without_memory) {
    static const char no_start[] = HEAD TYPES FUNCS MEMORY "\x07\x0a\x01\x06memory\x02\x00" "\x0a\x04\x01\x02\x00\x0b";
    static const char no_memory[] = HEAD TYPES FUNCS "\x07\x0a\x01\x06_start\x00\x00" "\x0a\x04\x01\x02\x00\x0b";
    refused(VL_EUNSUPPORTED, CHECK_MODULE(no_start), "_start");
    refused(VL_EUNSUPPORTED, CHECK_MODULE(no_memory), "memory");
}

TEST(module, refuses_sections_out_of_order_twice_too_long_and_too_short) {
    refused(VL_EPARSE, CHECK_MODULE(HEAD FUNCS TYPES), "missing type");
    refused(VL_EPARSE, CHECK_MODULE(HEAD TYPES TYPES), "order");
    refused(VL_EPARSE, CHECK_MODULE(HEAD MEMORY TYPES), "order");
    refused(VL_EPARSE, CHECK_MODULE(HEAD "\x01\x05\x01\x60\x00\x00\x00"), "does not end");
    refused(VL_EPARSE, CHECK_MODULE(HEAD "\x01\x7f\x01\x60\x00\x00"), "cut short");
    refused(VL_EPARSE, CHECK_MODULE(HEAD "\x0e\x00"), "unknown section");
    refused(VL_EPARSE, CHECK_MODULE(HEAD TYPES FUNCS MEMORY EXPORTS), "bodies");
}

TEST(module, reads_integers_in_their_exact_bits) {
    /* memory minimum as LEB128: five bytes whose last carries more than 32 bits */
    refused(VL_EPARSE, CHECK_MODULE(HEAD "\x05\x07\x01\x00\x81\x80\x80\x80\x10"), "bad limits");
    refused(VL_EPARSE, CHECK_MODULE(HEAD "\x05\x08\x01\x00\x81\x80\x80\x80\x80\x00"), "bad limits");
    refused(VL_EPARSE, CHECK_MODULE(HEAD "\x05\x04\x01\x01\x02\x01"), "bad limits"); /* minimum above maximum */
    refused(VL_ELIMIT, CHECK_MODULE(HEAD "\x05\x05\x01\x00\x80\x80\x04"), "4 GiB");
    refused(VL_EPARSE, CHECK_MODULE(HEAD "\x05\x05\x01\x00\x81\x80\x04"), "4 GiB");
}

TEST(module, refuses_bodies_that_lie_about_their_end) {
    refused(VL_EPARSE, CHECK_MODULE(WITH_BODY("\x05", "\x03", "\x0b\x0b")), "does not end");
    refused(VL_EPARSE, CHECK_MODULE(WITH_BODY("\x05", "\x03", "\x02\x40")), "does not end");
    refused(VL_EPARSE, CHECK_MODULE(WITH_BODY("\x06", "\x04", "\x10\x01\x0b")), "missing function");
    refused(VL_EPARSE, CHECK_MODULE(WITH_BODY("\x05", "\x03", "\xff\x0b")), "unknown instruction");
}

TEST(module, strips_custom_sections_and_nothing_else) {
    static const char with[] = HEAD "\x00\x05\x04name" TYPES FUNCS "\x00\x03\x01x!" MEMORY EXPORTS "\x0a\x04\x01\x02\x00\x0b";
    static const char without[] = HEAD TYPES FUNCS MEMORY EXPORTS "\x0a\x04\x01\x02\x00\x0b";
    struct vl_buf b;
    vl_buf_init(&b, 1000);
    CHECK_OK(CHECK_MODULE(with));
    CHECK_OK(module_strip(vl_span(with, sizeof with - 1), &b));
    CHECK_EQ(sizeof without - 1, b.len);
    CHECK_MEM(without, b.p, b.len);
    vl_buf_free(&b);
}

static void accepts_imports(const struct import_row *rows, size_t n) {
    struct vl_buf b;
    vl_buf_init(&b, 1 << 16);
    module_importing(rows, n, &b);
    enum vl_err err = module_check(vl_span(b.p, b.len), &info, &why);
    if (err) print_message("# said: %s\n", why.text);
    CHECK_OK(err);
    CHECK_EQ(n, info.imports);
    vl_buf_free(&b);
}

TEST(module, accepts_what_tinygo_and_go_import) {
    accepts_imports(IMPORT_ROWS(tinygo_imports));
    accepts_imports(IMPORT_ROWS(go_imports));
}
