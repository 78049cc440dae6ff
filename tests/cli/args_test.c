#include "check.h"
#include "cli/command.h"
#include "cli/pages.h"
#include "cli/units.h"
#include "trust/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGC(v) ((int)(sizeof(v) / sizeof((v)[0])))

/* Parses words given as varargs; frees at once unless the caller wants to look. */
static enum vl_err parse(struct cli_args *a, struct vl_errmsg *m, int argc, char **argv) {
    m->text[0] = '\0';
    return args_parse(argc, argv, a, m);
}
static void refuses(enum vl_err want, const char *hint, int argc, char **argv) {
    struct cli_args a;
    struct vl_errmsg m;
    CHECK_EQ(want, parse(&a, &m, argc, argv));
    if (strstr(m.text, hint) == NULL) fail_msg("'%s' does not say '%s'", m.text, hint);
    args_free(&a);
}
#define REFUSES(want, hint, ...)                                                                                       \
    do {                                                                                                               \
        char *words[] = { (char *)"village", __VA_ARGS__ };                                                            \
        refuses(want, hint, ARGC(words), words);                                                                       \
    } while (0)
#define W(s) ((char *)(s))

TEST(args, options_come_in_every_usual_form_and_place) {
    char *words[] = { W("village"),      W("--json"), W("run"),   W("-r3"), W("wc.wasm"),
                      W("--memory=64M"), W("-i"),     W("*.txt"), W("-qw"), W("--merge"),
                      W("--input"),      W("b"),      W("--"),    W("-x"),  W("--json") };
    struct cli_args a;
    struct vl_errmsg m;
    CHECK_OK(parse(&a, &m, ARGC(words), words));
    CHECK_STR("run", a.command->name);
    CHECK_EQ(3, args_number(&a, "replicas"));
    CHECK_EQ(64 << 20, args_number(&a, "memory"));
    CHECK_EQ(600000, args_number(&a, "timeout")); /* the default of the table */
    CHECK(args_has(&a, "json") && args_has(&a, "quiet") && args_has(&a, "wide"));
    CHECK(args_has(&a, "merge") && args_text(&a, "merge") == NULL);
    CHECK_STR("b", args_text(&a, "input"));
    CHECK_EQ(1, a.n_operands);
    CHECK_STR("wc.wasm", a.operands[0]);
    CHECK_EQ(2, a.n_rest);
    CHECK_STR("--json", a.rest[1]);
    args_free(&a);
}
TEST(args, mistakes_are_named_with_what_was_meant) {
    REFUSES(VL_EPARSE, "did you mean 'status'", W("staus"));
    REFUSES(VL_EPARSE, "did you mean '--replicas'", W("run"), W("--repilcas"), W("2"));
    REFUSES(VL_EPARSE, "`village help` lists", W("xyzzy"));
    REFUSES(VL_EPARSE, "needs a value", W("run"), W("--memory"));
    REFUSES(VL_EPARSE, "takes no value", W("jobs"), W("--json=yes"));
    REFUSES(VL_EPARSE, "given twice", W("run"), W("--name"), W("a"), W("--name"), W("b"));
    REFUSES(VL_EPARSE, "one argument too many", W("expel"), W("a"), W("b"));
    REFUSES(VL_EPARSE, "in quotes", W("run"), W("x.wasm"), W("--input"), W("a.txt"), W("b.txt"));
    REFUSES(VL_EPARSE, "usage: village expel ", W("expel"));
    REFUSES(VL_ERANGE, "--nonce takes 64 characters", W("zk"), W("prove"), W("p"), W("--nonce"), W("ab"));
    REFUSES(VL_EPARSE, "none of on|off", W("maintenance"), W("n"), W("perhaps"));
    REFUSES(VL_EPARSE, "none of bash|zsh", W("completion"), W("fish"));
    REFUSES(VL_EPARSE, "none of critical|high", W("run"), W("x"), W("--priority"), W("urgent"));
    REFUSES(VL_EPARSE, "unknown option '-Z'", W("jobs"), W("-Z"));
    REFUSES(VL_EPARSE, "such as 64M", W("run"), W("--memory"), W("lots"), W("x"));
}
TEST(args, ranges_are_exact_at_both_ends) {
    struct cli_args a;
    struct vl_errmsg m;
    char *nine[] = { W("village"), W("run"), W("x"), W("-r"), W("9") };
    CHECK_OK(parse(&a, &m, ARGC(nine), nine));
    args_free(&a);
    REFUSES(VL_ERANGE, "from 1 to 9", W("run"), W("x"), W("-r"), W("10"));
    REFUSES(VL_ERANGE, "from 1 to 9", W("run"), W("x"), W("-r"), W("0"));
    REFUSES(VL_ERANGE, "from 1m to 30d", W("ticket"), W("--ttl"), W("59s"));
    char *minute[] = { W("village"), W("ticket"), W("--ttl"), W("60s") };
    CHECK_OK(parse(&a, &m, ARGC(minute), minute));
    args_free(&a);
}
TEST(args, help_is_given_even_when_operands_are_missing) {
    char *words[] = { W("village"), W("job"), W("--help") };
    struct cli_args a;
    struct vl_errmsg m;
    CHECK_OK(parse(&a, &m, ARGC(words), words));
    args_free(&a);
}
TEST(args, words_split_as_in_a_shell) {
    char **words = NULL;
    size_t n = 0;
    CHECK_OK(words_split("  --sum 'two words' \"a \\\" b\" c\\ d '' ", &words, &n));
    CHECK_EQ(5, n);
    CHECK_STR("--sum", words[0]);
    CHECK_STR("two words", words[1]);
    CHECK_STR("a \" b", words[2]);
    CHECK_STR("c d", words[3]);
    CHECK_STR("", words[4]);
    free(words);
    CHECK_EQ(VL_EPARSE, words_split("'open", &words, &n));
    CHECK_OK(words_split("", &words, &n));
    CHECK_EQ(0, n);
    free(words);
}

static void in_page(const struct vl_buf *page, const char *text) {
    if (memmem(page->p, page->len, text, strlen(text)) == NULL) fail_msg("'%s' is missing", text);
}
/* "--no-map" as roff spells it */
static void roff(const char *prefix, const char *name, char dst[128]) {
    size_t n = 0;
    for (const char *part = prefix;; part = name) {
        for (const char *p = part; *p != '\0' && n < 120; p++) {
            if (*p == '-') dst[n++] = '\\';
            dst[n++] = *p;
        }
        if (part == name) break;
    }
    dst[n] = '\0';
}

TEST(table, every_row_is_whole_and_every_default_is_in_its_range) {
    for (size_t i = 0; i < commands_n; i++) {
        const struct cli_command *c = &commands[i];
        CHECK(c->name && c->summary && c->operands && c->exits && c->run && c->least <= c->most);
        CHECK(c->hidden || *c->example != '\0');
        for (size_t k = 0; k < i; k++) CHECK(strcmp(c->name, commands[k].name) != 0);
        for (const char *p = c->exits; *p != '\0';) {
            char *end = NULL;
            CHECK(page_exit_text((int)strtol(p, &end, 10)) != NULL);
            p = end + strspn(end, " ");
        }
    }
}
static void check_option(const struct cli_command *c, const struct cli_option *o) {
    struct cli_given given;
    CHECK(o->name && o->help && *o->help);
    CHECK_EQ(o->kind == VALUE_CHOICE, o->choices != NULL);
    if (o->kind != VALUE_NONE && o->kind != VALUE_CHOICE) CHECK(o->value != NULL);
    if (o->kind != VALUE_NONE && o->kind != VALUE_CHOICE && o->kind != VALUE_WORDS)
        CHECK(o->min <= o->max && o->max > 0);
    if (o->def != NULL) CHECK_OK(option_check(o, o->def, &given, NULL));
    CHECK(option_find(c, o->name) == o); /* no name and no letter stands for two options of one command */
    if (o->letter != 0) CHECK(option_find_letter(c, o->letter) == o);
}
TEST(table, no_option_hides_another) {
    for (size_t i = 0; i < commands_n; i++) {
        for (size_t k = 0; k < commands[i].n_options; k++) check_option(&commands[i], &commands[i].options[k]);
        for (size_t k = 0; k < global_options_n; k++) check_option(&commands[i], &global_options[k]);
    }
}
TEST(table, help_completion_and_manual_name_every_command_and_option) {
    struct vl_buf help, man, bash, zsh;
    vl_buf_init(&help, PAGE_MAX), vl_buf_init(&man, PAGE_MAX), vl_buf_init(&bash, PAGE_MAX),
        vl_buf_init(&zsh, PAGE_MAX);
    CHECK_OK(page_help(&help, "", ""));
    CHECK_OK(page_man(&man));
    CHECK_OK(page_bash(&bash));
    CHECK_OK(page_zsh(&zsh));
    for (size_t i = 0; i < commands_n; i++) {
        const struct cli_command *c = &commands[i];
        char text[160];
        if (c->hidden) continue;
        in_page(&help, c->name), in_page(&help, c->summary);
        snprintf(text, sizeof text, "\n.SS village %s", c->name), in_page(&man, text);
        snprintf(text, sizeof text, "\n    %s)\n", c->name), in_page(&bash, text);
        snprintf(text, sizeof text, "\n      %s)\n", c->name), in_page(&zsh, text);
        struct vl_buf own;
        vl_buf_init(&own, PAGE_MAX);
        CHECK_OK(page_command(&own, c, "", ""));
        in_page(&own, "Examples");
        for (size_t k = 0; k < c->n_options; k++) {
            snprintf(text, sizeof text, "--%s", c->options[k].name);
            in_page(&own, text), in_page(&bash, text), in_page(&zsh, text);
            roff("--", c->options[k].name, text), in_page(&man, text);
        }
        vl_buf_free(&own);
    }
    vl_buf_free(&help), vl_buf_free(&man), vl_buf_free(&bash), vl_buf_free(&zsh);
}

/* Writes a page to a file and runs a command on it; its output, NUL-terminated. */
static int run_on(enum vl_err (*make)(struct vl_buf *), const char *command, char *out, size_t cap) {
    struct vl_buf page;
    char path[] = "/tmp/village-page-XXXXXX", line[1024];
    vl_buf_init(&page, PAGE_MAX);
    CHECK_OK(make(&page));
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, page.p, page.len) == (ssize_t)page.len);
    close(fd);
    vl_buf_free(&page);
    snprintf(line, sizeof line, command, path);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(pipes[1], 1);
        dup2(pipes[1], 2);
        close(pipes[0]);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    size_t n = 0;
    for (ssize_t got = 0; n + 1 < cap && (got = read(pipes[0], out + n, cap - 1 - n)) > 0;) n += (size_t)got;
    out[n] = '\0';
    close(pipes[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(completion, bash_completes_commands_options_and_choices) {
    char out[8192];
    if (access("/bin/bash", X_OK) != 0) SKIP("no bash here");
    /* Each line: the words so far, the last one being completed. */
    static const char script[] =
        "bash -c 'set -u; source %s; try() { COMP_WORDS=(\"$@\"); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); COMPREPLY=(); "
        "_village; "
        "echo \"${COMPREPLY[*]:-}\"; }; try village sta; try village run --rep; try village run --priority h; "
        "try village job x --fo; try village maintenance n o; try village help ver; try village run -i /etc/hostn; try "
        "village --js'";
    CHECK_EQ(0, run_on(page_bash, script, out, sizeof out));
    CHECK_STR("status\n--replicas\nhigh\n--follow\non off\nverify version\n/etc/hostname\n--json\n", out);
}
TEST(completion, zsh_accepts_the_script) {
    char out[8192];
    if (access("/bin/zsh", X_OK) != 0 && access("/usr/bin/zsh", X_OK) != 0) SKIP("no zsh here");
    CHECK_EQ(0, run_on(page_zsh, "zsh -n %s", out, sizeof out));
    CHECK_STR("", out);
}
TEST(man, the_manual_page_is_clean_roff) {
    char out[65536];
    if (access("/usr/bin/groff", X_OK) != 0) SKIP("no groff here");
    CHECK_EQ(0, run_on(page_man, "groff -man -ww -Tutf8 %s > /dev/null", out, sizeof out));
    CHECK_STR("", out);
    CHECK_EQ(0, run_on(page_man, "groff -man -Tascii -P-c -P-b -P-u %s | grep -c 'village run wc.wasm --input'", out,
                       sizeof out));
}

/* The help is a sentence, the kinds are a table: neither may know one that the other lacks. */
TEST(commands, verify_names_every_kind_of_artefact) {
    const char *about = NULL;
    for (size_t i = 0; i < commands_n; i++)
        if (strcmp(commands[i].name, "verify") == 0) about = commands[i].about;
    CHECK(about != NULL);
    const char *list = strstr(about, "Kinds: ");
    CHECK(list != NULL);
    size_t named = 1, kinds = 0;
    for (const char *p = list; *p != '\n' && *p != '\0'; p++) named += *p == ',';
    for (const char *kind; (kind = verify_kind(kinds)) != NULL; kinds++)
        if (strstr(list, kind) == NULL) fail_msg("the help of verify does not name '%s'", kind);
    CHECK_EQ(kinds, named);
}
