#include "check.h"
#include "cli/follow.h"
#include "cli/term.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static char *clean(const char *text, size_t n, bool lines) {
    struct vl_buf b;
    vl_buf_init(&b, 4096);
    CHECK_OK(term_sanitise(&b, text, n, lines));
    CHECK_OK(vl_buf_append(&b, "", 1));
    return (char *)b.p;
}
#define R "\xef\xbf\xbd" /* U+FFFD */
#define IS(want, text, lines)                                                                                          \
    do {                                                                                                               \
        char *got = clean(text, sizeof(text) - 1, lines);                                                              \
        CHECK_STR(want, got);                                                                                          \
        free(got);                                                                                                     \
    } while (0)

TEST(term, escape_sequences_and_control_characters_lose_their_power) {
    IS("a" R "[31mb", "a\033[31mb", false);
    IS("a" R "]0;title" R, "a\033]0;title\007", false);
    IS("a" R "b" R, "a\rb\177", true);
    IS("a" R, "a\xc2\x9b", false); /* U+009B, the one-character CSI */
    IS("a" R "b", "a\0b", false);
    IS("a b c", "a\nb\tc", false);
    IS("a\nb\tc", "a\nb\tc", true);
}
TEST(term, invisible_marks_that_reorder_text_are_shown) {
    IS("x" R "y", "x\xe2\x80\xaey", false); /* U+202E right-to-left override */
    IS("x" R "y", "x\xe2\x81\xa6y", false); /* U+2066 isolate */
    IS("x" R "y", "x\xe2\x80\x8by", false); /* U+200B zero width space */
    IS(R, "\xf3\xa0\x80\x81", false);       /* U+E0001 tag */
}
TEST(term, honest_text_of_every_script_stays_as_it_is) {
    IS("D\xc3\xb6rfchen \xe6\x9d\x91 \xf0\x9f\x8f\xa1", "D\xc3\xb6rfchen \xe6\x9d\x91 \xf0\x9f\x8f\xa1", false);
}
TEST(term, broken_utf8_is_replaced_byte_by_byte) {
    IS(R R "a",
       "\xc0\xaf"
       "a",
       false);                              /* overlong */
    IS(R R R, "\xed\xa0\x80", false);       /* surrogate */
    IS(R R R R, "\xf4\x90\x80\x80", false); /* above U+10FFFF */
    IS("a" R, "a\xe6", false);              /* cut off */
}
TEST(term, a_character_split_between_two_pieces_is_kept_back) {
    CHECK_EQ(0, term_tail("abc", 3));
    CHECK_EQ(1, term_tail("a\xe6", 2));
    CHECK_EQ(2, term_tail("a\xe6\x9d", 3));
    CHECK_EQ(0, term_tail("a\xe6\x9d\x91", 4));
    CHECK_EQ(3, term_tail("\xf0\x9f\x8f", 3));
    CHECK_EQ(0, term_tail("\x80\x80\x80\x80", 4)); /* no beginning: nothing to wait for */
    CHECK_EQ(0, term_tail("", 0));
}
TEST(term, tables_align_wide_characters_and_trim_to_the_window) {
    static const struct term_column columns[] = { { .title = "NAME", .trim = true }, { .title = "N", .right = true } };
    char *text = NULL;
    size_t n = 0;
    setlocale(LC_CTYPE, "C.UTF-8");
    FILE *f = open_memstream(&text, &n);
    struct term t = { .file = f, .width = 16 };
    struct term_table *table = term_table_create(columns, 2);
    term_table_cell(table, "\xe6\x9d\x91\xe6\x9d\x91", TERM_BOLD); /* two characters, four columns */
    term_table_cell(table, "1", TERM_PLAIN);
    term_table_cell(table, "a-very-long-name-indeed", TERM_PLAIN);
    term_table_cellf(table, TERM_PLAIN, "%d", 22);
    term_table_print(table, &t);
    term_table_destroy(table);
    fclose(f);
    CHECK_STR("NAME           N\n\xe6\x9d\x91\xe6\x9d\x91           1\na-very-long\xe2\x80\xa6  22\n", text);
    free(text);
}
TEST(term, progress_is_plain_lines_when_nobody_watches) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    struct term_progress p = { .term = { .file = f } };
    term_progress_show(&p, 1000, "0 of 9"); /* quick work needs no line */
    term_progress_show(&p, 1999, "1 of 9");
    term_progress_show(&p, 2000, "2 of 9");
    term_progress_show(&p, 6999, "3 of 9"); /* too early */
    term_progress_show(&p, 7000, "4 of 9");
    term_progress_show(&p, 20000, "4 of 9"); /* nothing new */
    term_progress_clear(&p);
    fclose(f);
    CHECK_STR("2 of 9\n4 of 9\n", text);
    free(text);
}
TEST(save, a_foreign_name_cannot_leave_its_folder) {
    static const struct {
        const char *foreign, *safe;
    } names[] = {
        { "a.txt", "a.txt" },
        { "../../etc/passwd", "_._.._etc_passwd" },
        { "..", "_." },
        { ".", "_" },
        { "", "_" },
        { "/abs", "_abs" },
        { "a\\b", "a_b" },
        { ".bashrc", "_bashrc" },
        { "-rf", "_rf" },
        { "a\nb", "a b" },
        { "a\033b", "a" R "b" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char dst[SAFE_NAME_MAX];
        save_safe_name(names[i].foreign, dst);
        CHECK_STR(names[i].safe, dst);
    }
    char longer[400], dst[SAFE_NAME_MAX];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    save_safe_name(longer, dst);
    CHECK_EQ(SAFE_NAME_MAX - 1, strlen(dst));
}
