/* check.h - tests as sentences: TEST(lease, refuses_second_worker_until_the_exact_end) { ... CHECK_EQ(a, b); }
 * A test registers itself; check.c has the main() and prints TAP through cmocka. `PROGRAM pattern` runs only the tests
 * whose name contains the pattern. SKIP("reason") ends a test that this machine cannot run; it counts as skipped. */
#ifndef VL_TESTS_CHECK_H
#define VL_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct check_test {
    const char *name;
    void (*run)(void **state);
    struct check_test *next;
};
void check_register(struct check_test *t);

#define TEST(group, sentence)                                                                                          \
    static void group##_##sentence(void **state);                                                                      \
    static struct check_test test_##group##_##sentence = { .name = #group ": " #sentence, .run = group##_##sentence }; \
    __attribute__((constructor)) static void reg_##group##_##sentence(void) {                                          \
        check_register(&test_##group##_##sentence);                                                                    \
    }                                                                                                                  \
    static void group##_##sentence(__attribute__((unused)) void **state)

#define CHECK(x) assert_true(x)
#define CHECK_EQ(want, got) assert_int_equal((want), (got)) /* as 64-bit integers */
#define CHECK_OK(x) assert_int_equal(0, (x))
#define CHECK_STR(want, got) assert_string_equal((want), (got))
#define CHECK_MEM(want, got, n) assert_memory_equal((want), (got), (n))
#define SKIP(why)                                                                                                      \
    do {                                                                                                               \
        print_message("# skipped: %s\n", (why));                                                                       \
        skip();                                                                                                        \
    } while (0)

#endif
