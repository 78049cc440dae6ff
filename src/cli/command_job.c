#include "cli/follow.h"
#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include "base/bounds.h"

#include <string.h>

static int print_items(struct cli *cli, json_t *items) {
    return cli_print_json(cli, json_pack("{s:o}", "items", items));
}

/* "took 3.2 s", from start to end or to now; "-" before the start. */
static void took(const json_t *o, char dst[UNITS_TEXT]) {
    uint64_t from = json_count(o, "started_ms", 0), to = json_count(o, "ended_ms", 0);
    if (to == 0) to = cli_now();
    if (from == 0 || to < from)
        snprintf(dst, UNITS_TEXT, "-");
    else
        units_format_duration(to - from, dst);
}

int command_jobs(struct cli *cli) {
    static const struct term_column columns[] = {
        { .title = "ID" },
        { .title = "NAME", .trim = true },
        { .title = "STATE" },
        { .title = "TASKS", .right = true },
        { .title = "FAILED", .right = true },
        { .title = "TIME", .right = true },
        { .title = "SUBMITTED" },
    };
    char path[96] = "/v1/fog/jobs";
    json_t *items = NULL;
    if (args_text(&cli->args, "state") != NULL)
        snprintf(path, sizeof path, "/v1/fog/jobs?state=%s", args_text(&cli->args, "state"));
    int code = cli_list(cli, path, (size_t)args_number(&cli->args, "limit"), &items);
    if (code != CLI_OK) return code;
    if (cli->json) return print_items(cli, items);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *job = NULL;
    json_array_foreach(items, i, job) {
        char ago[CLI_AGO_TEXT], time[UNITS_TEXT];
        const json_t *tasks = json_object_get(job, "tasks");
        const char *state = json_text(job, "state", "?");
        uint64_t failed = json_count(tasks, "failed", 0);
        cli_ago(json_count(job, "submitted_ms", 0), ago);
        took(job, time);
        term_table_cell(table, cli_short(cli, json_text(job, "id", "?")), TERM_PLAIN);
        term_table_cell(table, json_text(job, "name", ""), TERM_BOLD);
        term_table_cell(table, state, cli_state_style(state));
        term_table_cellf(table, TERM_PLAIN, "%llu/%llu", (unsigned long long)json_count(tasks, "done", 0),
                         (unsigned long long)json_count(tasks, "total", 0));
        term_table_cellf(table, failed > 0 ? TERM_BAD : TERM_DIM, "%llu", (unsigned long long)failed);
        term_table_cell(table, time, TERM_PLAIN);
        term_table_cell(table, ago, TERM_PLAIN);
    }
    if (json_array_size(items) == 0)
        cli_note(cli, "no jobs%s; start one: village run PROGRAM --input 'FILES'",
                 strchr(path, '?') ? " in this state" : " yet");
    else
        term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(items);
    return CLI_OK;
}

static const char *error_text(const json_t *o) {
    const json_t *error = json_object_get(o, "error");
    if (json_is_string(error)) return json_string_value(error);
    return json_text(error, "detail", json_text(error, "code", ""));
}

static void line(struct cli *cli, const char *label, const char *text) {
    if (*text == '\0') return;
    fprintf(cli->out.file, "%s%-12s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

static void line_ago(struct cli *cli, const char *label, uint64_t at_ms) {
    char ago[CLI_AGO_TEXT], at[25], text[96];
    if (at_ms == 0) return;
    cli_ago(at_ms, ago);
    vl_ms_format(at_ms, at);
    snprintf(text, sizeof text, "%s (%s)", ago, at);
    line(cli, label, text);
}

static int show_job(struct cli *cli, const char *path) {
    char text[256], time[UNITS_TEXT];
    json_t *job = NULL;
    int code = cli_call(cli, "GET", path, NULL, &job);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, job);
    const json_t *tasks = json_object_get(job, "tasks");
    const char *state = json_text(job, "state", "?");
    line(cli, "job", json_text(job, "id", "?"));
    line(cli, "name", json_text(job, "name", ""));
    fputs(term_style(&cli->out, cli_state_style(state)), cli->out.file);
    line(cli, "state", state);
    snprintf(text, sizeof text, "%llu of %llu done, %llu running, %llu waiting, %llu failed",
             (unsigned long long)json_count(tasks, "done", 0), (unsigned long long)json_count(tasks, "total", 0),
             (unsigned long long)json_count(tasks, "running", 0), (unsigned long long)json_count(tasks, "waiting", 0),
             (unsigned long long)json_count(tasks, "failed", 0));
    line(cli, "tasks", text);
    line(cli, "waiting for", json_text(job, "waits_for", ""));
    line(cli, "error", error_text(job));
    snprintf(text, sizeof text, "%s, %llu replica%s, priority %s", json_text(job, "kind", "?"),
             (unsigned long long)json_count(job, "replicas", 1), json_count(job, "replicas", 1) == 1 ? "" : "s",
             json_text(job, "priority", "normal"));
    line(cli, "kind", text);
    line_ago(cli, "submitted", json_count(job, "submitted_ms", 0));
    line_ago(cli, "started", json_count(job, "started_ms", 0));
    line_ago(cli, "ended", json_count(job, "ended_ms", 0));
    took(job, time);
    line(cli, "took", time);
    json_decref(job);
    return CLI_OK;
}

static int show_tasks(struct cli *cli, const char *path) {
    static const struct term_column columns[] = {
        { .title = "TASK", .right = true },
        { .title = "INPUT", .trim = true },
        { .title = "STATE" },
        { .title = "NODE" },
        { .title = "TRY", .right = true },
        { .title = "EXIT", .right = true },
        { .title = "TIME", .right = true },
        { .title = "CPU", .right = true },
        { .title = "MEMORY", .right = true },
        { .title = "ERROR", .trim = true },
    };
    json_t *items = NULL;
    int code = cli_list(cli, path, VL_JOB_TASKS_MAX * 2, &items);
    if (code != CLI_OK) return code;
    if (cli->json) return print_items(cli, items);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *t = NULL;
    json_array_foreach(items, i, t) {
        char time[UNITS_TEXT], cpu[UNITS_TEXT], memory[UNITS_TEXT];
        const json_t *exited = json_object_get(t, "exit_code");
        const char *state = json_text(t, "state", "?");
        took(t, time);
        units_format_duration(json_count(t, "cpu_us", 0) / 1000, cpu);
        units_format_size(json_count(t, "peak_bytes", 0), memory);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(t, "index", 0));
        term_table_cell(table, json_text(t, "input", "-"), TERM_PLAIN);
        term_table_cell(table, state, cli_state_style(state));
        term_table_cell(table, cli_short(cli, json_text(t, "node", "-")), TERM_PLAIN);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(t, "attempt", 0));
        if (json_is_integer(exited))
            term_table_cellf(table, TERM_PLAIN, "%lld", (long long)json_integer_value(exited));
        else
            term_table_cell(table, "-", TERM_DIM);
        term_table_cell(table, time, TERM_PLAIN);
        term_table_cell(table, cpu, TERM_PLAIN);
        term_table_cell(table, memory, TERM_PLAIN);
        term_table_cell(table, error_text(t), TERM_BAD);
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(items);
    return CLI_OK;
}

static int show_events(struct cli *cli, const char *path) {
    static const struct term_column columns[] = { { .title = "TIME" },
                                                  { .title = "EVENT" },
                                                  { .title = "TASK", .right = true },
                                                  { .title = "NODE" },
                                                  { .title = "DETAIL", .trim = true } };
    json_t *items = NULL;
    int code = cli_list(cli, path, 100000, &items);
    if (code != CLI_OK) return code;
    if (cli->json) return print_items(cli, items);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *e = NULL;
    json_array_foreach(items, i, e) {
        char at[25];
        vl_ms_format(json_count(e, "at_ms", 0), at);
        term_table_cell(table, at, TERM_DIM);
        term_table_cell(table, json_text(e, "kind", "?"), TERM_PLAIN);
        if (json_is_integer(json_object_get(e, "task")))
            term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(e, "task", 0));
        else
            term_table_cell(table, "-", TERM_DIM);
        term_table_cell(table, cli_short(cli, json_text(e, "node", "-")), TERM_PLAIN);
        term_table_cell(table, json_text(e, "detail", ""), TERM_PLAIN);
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(items);
    return CLI_OK;
}

static int cancel(struct cli *cli, const char *id, const char *path) {
    int code = cli_call(cli, "DELETE", path, NULL, NULL);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s,s:b}", "id", id, "cancelled", 1));
    cli_note(cli, "cancelled %s", cli_short(cli, id));
    return CLI_OK;
}

int command_job(struct cli *cli) {
    static const char *const one_of[] = { "follow", "cancel", "tasks", "events" };
    char id[33], path[96];
    const char *dir = args_text(&cli->args, "output");
    unsigned asked = dir != NULL && !args_has(&cli->args, "follow");
    for (size_t i = 0; i < sizeof one_of / sizeof one_of[0]; i++) asked += args_has(&cli->args, one_of[i]);
    if (asked > 1)
        return cli_fail(
            cli, CLI_USAGE,
            "choose one of --follow, --cancel, --tasks, --events, --output (--follow --output go together)");
    int code = cli_find_job(cli, cli->args.operands[0], id);
    if (code != CLI_OK) return code;
    bool tasks = args_has(&cli->args, "tasks"), events = args_has(&cli->args, "events");
    snprintf(path, sizeof path, "/v1/fog/jobs/%s%s", id, tasks ? "/tasks" : events ? "/events" : "");
    if (tasks) return show_tasks(cli, path);
    if (events) return show_events(cli, path);
    if (args_has(&cli->args, "cancel")) return cancel(cli, id, path);
    if (args_has(&cli->args, "follow")) {
        cli_catch_interrupt();
        return command_finish(cli, id, dir);
    }
    if (dir == NULL) return show_job(cli, path);
    json_t *job = NULL, *files = NULL;
    cli_catch_interrupt();
    code = cli_call(cli, "GET", path, NULL, &job);
    if (code == CLI_OK) code = save_outputs(cli, id, dir, &files);
    if (code == CLI_OK && cli->json)
        code = cli_print_json(cli, json_pack("{s:O,s:O}", "job", job, "files", files));
    else if (code == CLI_OK)
        cli_note(cli, "%zu file%s in %s", json_array_size(files), json_array_size(files) == 1 ? "" : "s", dir);
    json_decref(files);
    json_decref(job);
    return code;
}
