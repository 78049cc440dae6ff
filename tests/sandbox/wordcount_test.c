/* wordcount_test.c - the demonstration as the fog runs it: a task for each text, one more for their lists. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *wordcount(void) { return wasm_from_c(EXAMPLES "/wordcount/wordcount.c", NULL); }

static const char *count(struct rig *g, const char *text) {
    static uint64_t task = 1000;
    struct sandbox_request q = run_wasm(task++, wordcount());
    q.u.run.stdin_path = rig_file(g, "text", text, strlen(text));
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_EQ(0, e->exit_code);
    return output_text(e, "stdout");
}

TEST(wordcount, a_word_is_a_run_of_ascii_letters_in_lower_case_and_high_bytes) {
    NEED_WASM(wordcount());
    struct rig *g = rig_start(NULL);
    CHECK_STR("", count(g, ""));
    CHECK_STR("", count(g, "1 2, 3.\n"));
    CHECK_STR("a 3\nb 1\n", count(g, "a A-b 7 'a'"));
    CHECK_STR("brücke 2\nÜber 1\n", count(g, "Über Brücke brücke"));
    CHECK_STR("end 1\n", count(g, "\n\nEnd"));
    rig_stop(g, true);
}

TEST(wordcount, merged_lists_equal_the_count_of_all_texts_together) {
    static const char *const names[] = { "garden.txt", "harbour.txt", "letters.txt", "workshop.txt" };
    static char all[65536], together[65536];
    NEED_WASM(wordcount());
    struct rig *g = rig_start(NULL);
    struct sandbox_request m = run_wasm(100, wordcount()), q = run_wasm(1, wordcount());
    size_t used = 0;
    for (uint32_t i = 0; i < 4; i++) {
        char path[256];
        snprintf(path, sizeof path, EXAMPLES "/wordcount/texts/%s", names[i]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        used += fread(all + used, 1, sizeof all - used, f);
        fclose(f);
        q.u.run.task = i + 1;
        q.u.run.stdin_path = path;
        const char *list = output_text(rig_run(g, &q), "stdout");
        CHECK(strlen(list) > 500);
        m.u.run.inputs[i] = (struct sandbox_input){ names[i], rig_file(g, names[i], list, strlen(list)) };
    }
    m.u.run.inputs_n = 4;
    run_args(&m, (const char *const[]){ "wordcount", "--merge", NULL });
    struct sandbox_exited *e = rig_run(g, &m);
    CHECK_EQ(0, e->exit_code);
    const char *total = output_text(e, "stdout");
    CHECK(strncmp(total, "the ", 4) == 0); /* most frequent first */
    static char merged[65536];
    snprintf(merged, sizeof merged, "%s", total);
    q.u.run.task = 50; /* all texts as one: only the order of the lines differs */
    q.u.run.stdin_path = rig_file(g, "all", all, used);
    snprintf(together, sizeof together, "%s", output_text(rig_run(g, &q), "stdout"));
    CHECK_EQ(strlen(together), strlen(merged));
    char needle[300];
    for (char *line = together, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        snprintf(needle, sizeof needle, "\n%.*s\n", (int)(end - line), line);
        CHECK(strstr(merged, needle) != NULL || strncmp(merged, needle + 1, strlen(needle + 1)) == 0);
    }
    rig_stop(g, true);
}

TEST(wordcount, refuses_lists_it_did_not_write) {
    NEED_WASM(wordcount());
    struct rig *g = rig_start(NULL);
    struct sandbox_request m = run_wasm(1, wordcount());
    m.u.run.inputs_n = 1;
    m.u.run.inputs[0] = (struct sandbox_input){ "x", rig_file(g, "x", "word\n", 5) };
    run_args(&m, (const char *const[]){ "wordcount", "--merge", NULL });
    struct sandbox_exited *e = rig_run(g, &m);
    CHECK_EQ(1, e->exit_code);
    CHECK(strstr(output_text(e, "stderr"), "word count") != NULL);
    rig_stop(g, true);
}
