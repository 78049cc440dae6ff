/* wasm_test.c - WebAssembly programs through a real runner: what they may do, how they end, what they cannot do. */
#include "harness.h"
#include "imports.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* programs/many.c: argv[1] says what to do. */
static const char *many(void) { return wasm_from_c("many.c", NULL); }

/* Runs `what` of the program in a runner of its own rig `g`. */
static struct sandbox_exited *run(struct rig *g, uint64_t task, const char *what) {
    struct sandbox_request q = run_wasm(task, many());
    run_args(&q, (const char *const[]){ "many", what, NULL });
    return rig_run(g, &q);
}

TEST(wasm, hello_writes_both_streams_and_returns_its_exit_code) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    CHECK(g->ev.u.hello.wasm);
    struct sandbox_exited *e = run(g, 1, "hello");
    CHECK_STR("", e->text);
    CHECK_EQ(SANDBOX_EXITED, e->outcome);
    CHECK_EQ(7, e->exit_code);
    CHECK_EQ(2, e->outputs_n);
    CHECK_STR("hello\n", output_text(e, "stdout"));
    CHECK_STR("oops\n", output_text(e, "stderr"));
    CHECK(e->cpu_us > 0 && e->wall_us > 0 && e->peak_bytes >= 65536);
    rig_release(g, 1);
    rig_stop(g, true);
}

TEST(wasm, arguments_environment_and_standard_input_arrive) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, many());
    run_args(&q, (const char *const[]){ "name", "echo", "", "two words", NULL });
    run_env(&q, (const char *const[]){ "COLOR=blue=green", NULL });
    q.u.run.stdin_path = rig_file(g, "stdin", "line 1\nline 2\n", 14);
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_STR("name\necho\n\ntwo words\nblue=green\nline 1\nline 2\n", output_text(e, "stdout"));
    rig_stop(g, true); /* not released: cleaned all the same */
}

TEST(wasm, files_of_in_are_read_only_and_files_of_out_come_back) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, many());
    run_args(&q, (const char *const[]){ "many", "files", NULL });
    q.u.run.inputs_n = 2;
    q.u.run.inputs[0] = (struct sandbox_input){ "b.txt", rig_file(g, "1", "bravo\n", 6) };
    q.u.run.inputs[1] = (struct sandbox_input){ "a.txt", rig_file(g, "2", "alpha\n", 6) };
    struct sandbox_exited *e = rig_run(g, &q);
    if (e->outcome != SANDBOX_EXITED) print_message("# %s\n%s%s\n", e->text, output_text(e, "stdout"), output_text(e, "stderr"));
    CHECK_EQ(SANDBOX_EXITED, e->outcome);
    CHECK_STR(". .. a.txt b.txt \nbravo\n. .. bad name from-tmp moved r.txt stdout sub \n/in/new: Read-only file system\n"
              "/in/b.txt: Read-only file system\n-1 0\n6\na\n", output_text(e, "stdout"));
    CHECK_EQ(6, e->outputs_n);
    CHECK_STR("bad_name", e->outputs[2].name);
    CHECK_STR("from-tmp", e->outputs[3].name);
    CHECK_STR("moved", e->outputs[4].name);
    CHECK_STR("r.txt", e->outputs[5].name);
    CHECK_STR("result\nmore\n", output_text(e, "r.txt"));
    CHECK_STR("n", output_text(e, "bad_name"));
    CHECK_EQ(2, e->ignored); /* the file named stdout, the folder sub */
    rig_stop(g, true);
}

TEST(wasm, every_kind_of_trap_is_told_in_words) {
    static const struct {
        const char *what;
        enum sandbox_trap trap;
        const char *word;
    } rows[] = { { "unreachable", SANDBOX_TRAP_UNREACHABLE, "unreachable" },
                 { "divide", SANDBOX_TRAP_DIVIDE_BY_ZERO, "divide by zero" },
                 { "overflow", SANDBOX_TRAP_INT_OVERFLOW, "overflow" },
                 { "bounds", SANDBOX_TRAP_OUT_OF_BOUNDS, "out of bounds" },
                 { "indirect", SANDBOX_TRAP_BAD_INDIRECT_CALL, "indirect call" } };
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sandbox_exited *e = run(g, i, rows[i].what);
        if (e->trap != rows[i].trap) print_message("# %s: %s\n", rows[i].what, e->text);
        CHECK_EQ(SANDBOX_TRAPPED, e->outcome);
        CHECK_EQ(rows[i].trap, e->trap);
        CHECK(strstr(e->text, rows[i].word) != NULL);
        CHECK_EQ(-1, e->exit_code);
        rig_release(g, i);
    }
    rig_stop(g, true);
}

/* (module (memory (export "memory") 1) (func (export "_start") call 0)): recursion on the native stack, which the
 * linear-memory stack of C programs would hide. */
static const char recursion[] = "\0asm\1\0\0\0\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x05\x03\x01\x00\x01"
                                "\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00\x0a\x06\x01\x04\x00\x10\x00\x0b";

TEST(wasm, endless_recursion_traps_as_stack_overflow) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, rig_file(g, "recursion.wasm", recursion, sizeof recursion - 1));
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_TRAPPED, e->outcome);
    CHECK_EQ(SANDBOX_TRAP_STACK_OVERFLOW, e->trap);
    CHECK(strstr(e->text, "recursion") != NULL);
    e = run(g, 2, "stack"); /* the stack of a C program lies first in memory, so it ends outside */
    CHECK_EQ(SANDBOX_TRAPPED, e->outcome);
    rig_stop(g, true);
}

TEST(wasm, memory_beyond_the_limit_is_refused_and_reported) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, many());
    run_args(&q, (const char *const[]){ "many", "memory", NULL });
    q.u.run.limits.memory_bytes = 16 << 20;
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_MEMORY_EXCEEDED, e->outcome);
    CHECK(strstr(e->text, "more memory") != NULL);
    CHECK_EQ(1, e->exit_code);
    CHECK(e->peak_bytes <= 16 << 20);
    CHECK_STR("14\n", output_text(e, "stdout")); /* 16 MiB without a 1 MiB stack and the program itself */
    q = run_wasm(2, many());
    q.u.run.limits.memory_bytes = 65536; /* less than it starts with */
    e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_MEMORY_EXCEEDED, e->outcome);
    CHECK(strstr(e->text, "starts with") != NULL);
    rig_stop(g, true);
}

TEST(wasm, programs_without_end_are_stopped_by_wall_and_by_cpu_time) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, many());
    run_args(&q, (const char *const[]){ "many", "ever", NULL });
    q.u.run.limits.timeout_ms = 300;
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_TIMED_OUT, e->outcome);
    CHECK(e->wall_us >= 300000 && e->wall_us < 5000000);
    q = run_wasm(2, many());
    run_args(&q, (const char *const[]){ "many", "sleep", NULL });
    q.u.run.limits.timeout_ms = 300;
    e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_TIMED_OUT, e->outcome);
    CHECK(e->cpu_us < 300000);
    q = run_wasm(3, many());
    run_args(&q, (const char *const[]){ "many", "ever", NULL });
    q.u.run.limits.cpu_ms = 200;
    e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_CPU_EXCEEDED, e->outcome);
    print_message("# %llu us of CPU\n", (unsigned long long)e->cpu_us);
    CHECK(e->cpu_us >= 150000 && e->cpu_us < 1500000);
    rig_stop(g, true);
}

TEST(wasm, disk_files_and_output_stop_at_their_limits) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, many());
    run_args(&q, (const char *const[]){ "many", "disk", NULL });
    q.u.run.limits.disk_bytes = 1 << 20;
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_DISK_EXCEEDED, e->outcome);
    CHECK_EQ(3, e->outputs_n);
    CHECK_EQ(1 << 20, e->outputs[2].size);
    q = run_wasm(2, many());
    run_args(&q, (const char *const[]){ "many", "truncate", NULL });
    e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_DISK_EXCEEDED, e->outcome);
    CHECK_EQ(0, e->outputs[2].size);
    q = run_wasm(3, many());
    run_args(&q, (const char *const[]){ "many", "output", NULL }); /* would be 1 GiB */
    q.u.run.limits.output_bytes = 100000;
    e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_OUTPUT_EXCEEDED, e->outcome);
    CHECK_EQ(100000, e->outputs[0].size);
    q = run_wasm(4, many());
    run_args(&q, (const char *const[]){ "many", "many-files", NULL });
    q.u.run.limits.files = 100;
    e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_DISK_EXCEEDED, e->outcome);
    CHECK(strstr(e->text, "files") != NULL);
    rig_stop(g, true);
}

TEST(wasm, a_deep_tree_of_folders_is_ignored_and_removed) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_exited *e = run(g, 1, "tree");
    CHECK_EQ(SANDBOX_EXITED, e->outcome);
    CHECK_EQ(3, e->outputs_n);
    CHECK_STR("plain", e->outputs[2].name);
    CHECK_EQ(1, e->ignored);
    rig_stop(g, true);
}

TEST(wasm, no_path_leads_out) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, many());
    run_args(&q, (const char *const[]){ "many", "escape", NULL });
    q.u.run.inputs_n = 1;
    q.u.run.inputs[0] = (struct sandbox_input){ "b.txt", rig_file(g, "1", "bravo\n", 6) };
    struct sandbox_exited *e = rig_run(g, &q);
    const char *out = output_text(e, "stdout");
    CHECK(strstr(out, "root:") == NULL && strstr(out, "PATH=") == NULL);
    CHECK(strstr(out, "-1\n-1\n") != NULL);          /* neither kind of link */
    CHECK(strstr(out, "/out/../stolen: ") != NULL);
    CHECK(strstr(out, "76 76 76 \n") != NULL);       /* notcapable */
    CHECK_EQ(2, e->outputs_n);
    rig_stop(g, true);
}

TEST(wasm, the_right_to_set_the_size_alone_does_not_make_an_open_one_for_writing) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, many());
    run_args(&q, (const char *const[]){ "many", "go-rights", NULL });
    q.u.run.inputs_n = 1;
    q.u.run.inputs[0] = (struct sandbox_input){ "b.txt", rig_file(g, "1", "bravo\n", 6) };
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_STR("0 6 8 8\n", output_text(e, "stdout"));
    rig_stop(g, true);
}

TEST(wasm, pointers_outside_memory_are_answered_with_fault) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_exited *e = run(g, 1, "pointers");
    CHECK_STR("21 21 21 8 0\n", output_text(e, "stdout"));
    rig_stop(g, true);
}

TEST(wasm, deterministic_runs_are_equal_and_others_are_not) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    char first[4096], second[4096];
    struct sandbox_request q = run_wasm(1, many());
    run_args(&q, (const char *const[]){ "many", "chance", NULL });
    q.u.run.deterministic = true;
    memset(q.u.run.seed, 5, 32);
    snprintf(first, sizeof first, "%s", output_text(rig_run(g, &q), "stdout"));
    q.u.run.task = 2;
    struct sandbox_exited *e = rig_run(g, &q);
    snprintf(second, sizeof second, "%s", output_text(e, "stdout"));
    CHECK(e->wall_us < 4000000); /* it slept five seconds, of virtual time */
    CHECK(strlen(first) > 170);
    CHECK_STR(first, second);
    CHECK(strstr(first, "1600000000.000001000\n1600000005.") != NULL);
    CHECK(strstr(first, ". .. a z ") != NULL);
    q.u.run.task = 3;
    q.u.run.seed[31] = 6;
    snprintf(second, sizeof second, "%s", output_text(rig_run(g, &q), "stdout"));
    CHECK(strncmp(first, second, 160) != 0);
    rig_stop(g, true);
}

TEST(wasm, a_nan_made_by_arithmetic_has_the_same_bits_everywhere) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_exited *e = run(g, 1, "nan");
    CHECK_STR("7ff8000000000000 7fc00000 1 7ff8000000000000 fff8000000001234\n", output_text(e, "stdout"));
    rig_stop(g, true);
}

TEST(wasm, simd_and_foreign_modules_are_refused_in_words) {
    const char *m = wasm_from_c("simd.c", "-msimd128");
    NEED_WASM(m);
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, m);
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_REFUSED, e->outcome);
    CHECK(strstr(e->text, "-msimd128") != NULL);
    CHECK_EQ(0, e->outputs_n);
    q.u.run.task = 2; /* remembered: answered without another look at the file */
    q.u.run.program = "/nowhere";
    e = rig_run(g, &q);
    CHECK(strstr(e->text, "-msimd128") != NULL);
    q = run_wasm(3, rig_file(g, "threads.wasm", "\0asm\1\0\0\0\x05\x04\x01\x03\x01\x02", 14));
    e = rig_run(g, &q);
    CHECK(strstr(e->text, "threads") != NULL);
    q = run_wasm(4, rig_file(g, "text.wasm", "print('hi')", 11));
    e = rig_run(g, &q);
    CHECK(strstr(e->text, "not a WebAssembly file") != NULL);
    q = run_wasm(5, m);
    q.u.run.module.b[0] ^= 1;
    e = rig_run(g, &q);
    CHECK(strstr(e->text, "not the one named") != NULL);
    rig_stop(g, true);
}

static const char bad_types[] = "\0asm\1\0\0\0\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x05\x03\x01\x00\x01"
                                "\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00\x0a\x05\x01\x03\x00\x6a\x0b";

TEST(wasm, a_module_with_wrong_operand_types_is_refused_by_wasm2c) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, rig_file(g, "types.wasm", bad_types, sizeof bad_types - 1));
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_REFUSED, e->outcome);
    CHECK(strstr(e->text, "wasm2c") != NULL && strstr(e->text, "type mismatch") != NULL);
    rig_stop(g, true);
}

TEST(wasm, a_rust_program_with_the_standard_library_runs) {
    const char *m = wasm_from_rust("words.rs");
    if (m == NULL) SKIP("rustc with its wasm32-wasi library is missing");
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, m);
    run_args(&q, (const char *const[]){ "rust", "arg", NULL });
    q.u.run.stdin_path = rig_file(g, "words", "b a b", 5);
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_STR("", e->text);
    CHECK_EQ(3, e->exit_code);
    CHECK_STR("[(\"a\", 1), (\"b\", 2)] Some(\"arg\")\n", output_text(e, "stdout"));
    CHECK_STR("rust", output_text(e, "r"));
    q.u.run.task = 2;
    run_env(&q, (const char *const[]){ "PANIC=1", NULL });
    e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_TRAPPED, e->outcome);
    CHECK(strstr(output_text(e, "stderr"), "as asked") != NULL);
    rig_stop(g, true);
}

static void runs_importing(struct rig *g, uint64_t task, const struct import_row *rows, size_t n) {
    struct vl_buf b;
    vl_buf_init(&b, 1 << 16);
    module_importing(rows, n, &b);
    struct sandbox_request q = run_wasm(task, rig_file(g, task == 1 ? "1.wasm" : "2.wasm", b.p, b.len));
    vl_buf_free(&b);
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_STR("", e->text);
    CHECK_EQ(SANDBOX_EXITED, e->outcome);
    CHECK_EQ(0, e->exit_code);
}

TEST(wasm, modules_with_the_imports_of_tinygo_and_go_load_and_end) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    runs_importing(g, 1, IMPORT_ROWS(tinygo_imports));
    runs_importing(g, 2, IMPORT_ROWS(go_imports));
    rig_stop(g, true);
}

TEST(wasm, a_tinygo_program_with_goroutines_files_and_a_timer_runs) {
    const char *m = wasm_from_go("tinygo", "words.go");
    if (m == NULL) SKIP("tinygo is missing, or cannot compile for wasip1");
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, m);
    run_args(&q, (const char *const[]){ "words", "one", "two words", NULL });
    run_env(&q, (const char *const[]){ "COLOR=blue", NULL });
    q.u.run.stdin_path = rig_file(g, "words", "b a b", 5);
    q.u.run.inputs_n = 2;
    q.u.run.inputs[0] = (struct sandbox_input){ "a.txt", rig_file(g, "1", "alpha\n", 6) };
    q.u.run.inputs[1] = (struct sandbox_input){ "b.txt", rig_file(g, "2", "bravo!\n", 7) };
    struct sandbox_exited *e = rig_run(g, &q);
    if (e->exit_code != 3) print_message("# %s %s\n", e->text, output_text(e, "stderr"));
    CHECK_EQ(SANDBOX_EXITED, e->outcome);
    CHECK_EQ(3, e->exit_code);
    CHECK_STR("a=1 b=2 [one two words] blue 2 13 true true true\n", output_text(e, "stdout"));
    CHECK_STR("go", output_text(e, "r"));
    q.u.run.task = 2;
    run_env(&q, (const char *const[]){ "PANIC=1", NULL });
    e = rig_run(g, &q);
    CHECK_EQ(SANDBOX_TRAPPED, e->outcome);
    CHECK(strstr(output_text(e, "stdout"), "as asked") || strstr(output_text(e, "stderr"), "as asked"));
    rig_stop(g, true);
}

/* Its runtime alone is more than 2 MB: the C compiler would need 2 GiB. */
TEST(wasm, a_program_of_the_large_go_is_refused_in_words_that_name_tinygo) {
    const char *m = wasm_from_go("go", "small.go");
    if (m == NULL) SKIP("go 1.21 or later is missing");
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = run_wasm(1, m);
    struct sandbox_exited *e = rig_run(g, &q);
    print_message("# %s\n", e->text);
    CHECK_EQ(SANDBOX_REFUSED, e->outcome);
    CHECK(strstr(e->text, "1 GiB") && strstr(e->text, "TinyGo"));
    rig_stop(g, true);
}
