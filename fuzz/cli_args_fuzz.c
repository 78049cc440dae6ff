/* The words of a command line, the values in them and foreign text on its way to a terminal. */
#include "base/bytes.h"
#include "cli/command.h"
#include "cli/term.h"
#include "cli/units.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    char *text = malloc(n + 1), *argv[WORDS_MAX + 1] = { (char *)"village" };
    if (text == NULL) return 0;
    memcpy(text, p, n);
    text[n] = '\0';

    char **words = NULL;
    size_t n_words = 0;
    if (words_split(text, &words, &n_words) == VL_OK) free(words);
    int64_t v = 0;
    if (units_parse_size(text, 0, INT64_MAX, &v) == VL_OK) assert(v >= 0);
    if (units_parse_duration(text, 0, INT64_MAX, &v) == VL_OK) assert(v >= 0);

    struct vl_buf clean;
    vl_buf_init(&clean, 3 * n + 1);
    enum vl_err err = term_sanitise(&clean, p, n, false);
    assert(err == VL_OK && term_tail(p, n) <= 3);
    for (size_t i = 0; i < clean.len; i++) assert(clean.p[i] >= 0x20 && clean.p[i] != 0x7f);
    vl_buf_free(&clean);

    int argc = 1;
    for (size_t at = 0; at < n && argc < WORDS_MAX; at += strlen(text + at) + 1) { /* words end with NUL or newline */
        for (char *c = text + at; *c != '\0'; c++)
            if (*c == '\n') *c = '\0';
        argv[argc++] = text + at;
    }
    struct cli_args args;
    struct vl_errmsg msg;
    err = args_parse(argc, argv, &args, &msg);
    for (size_t i = 0; i < args.n_given; i++) assert(args_has(&args, args.given[i].option->name));
    assert(err != VL_OK || args.command == NULL || args.n_operands <= args.command->most);
    args_free(&args);
    free(text);
    return 0;
}
