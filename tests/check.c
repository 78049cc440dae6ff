#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct check_test *first, **last = &first;

void check_register(struct check_test *t) {
    *last = t;
    last = &t->next;
}

int main(int argc, char **argv) {
    size_t n = 0;
    for (struct check_test *t = first; t; t = t->next) n++;
    struct CMUnitTest *tests = calloc(n ? n : 1, sizeof *tests);
    if (tests == NULL) return 1;
    size_t used = 0;
    for (struct check_test *t = first; t; t = t->next)
        if (argc < 2 || strstr(t->name, argv[1]))
            tests[used++] = (struct CMUnitTest){ .name = t->name, .test_func = t->run };
    if (used == 0) {
        fprintf(stderr, "no test matches\n");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failed = _cmocka_run_group_tests("village", tests, used, NULL, NULL);
    free(tests);
    return failed ? 1 : 0;
}
