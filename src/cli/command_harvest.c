#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include <string.h>
#include <time.h>

static void line(struct cli *cli, const char *label, const char *text) {
    fprintf(cli->out.file, "%s%-14s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* As people say it, by the unit of the signal. */
static void value_text(const json_t *s, char ret[64]) {
    const char *unit = json_text(s, "unit", ""), *name = json_text(s, "name", "");
    long long v = (long long)json_integer_value(json_object_get(s, "value"));
    char took[UNITS_TEXT];
    if (!json_flag(s, "known"))
        snprintf(ret, 64, "unknown");
    else if (strcmp(unit, "milli_c") == 0)
        snprintf(ret, 64, "%.1f C", (double)v / 1000);
    else if (strcmp(unit, "permille") == 0)
        snprintf(ret, 64, "%.1f %%", (double)v / 10);
    else if (strcmp(unit, "percent") == 0)
        snprintf(ret, 64, v < 0 ? "none in this machine" : "%lld %%", v);
    else if (strcmp(unit, "flag") == 0)
        snprintf(ret, 64, "%s", strcmp(name, "screen") == 0 ? (v ? "lit" : "dark") : v ? "yes" : "no");
    else {
        units_format_duration(v > 0 ? (uint64_t)v : 0, took);
        snprintf(ret, 64, "%s", took);
    }
}

/* NULL: not harvested, and that was said. */
static int get(struct cli *cli, json_t **ret) {
    int code = cli_call(cli, "GET", "/v1/fog/harvest", NULL, ret);
    if (code != CLI_OK || json_flag(*ret, "harvested")) return code;
    if (cli->json) return CLI_OK;
    json_decref(*ret);
    *ret = NULL;
    cli_note(cli, "this node is not harvested: start it with --harvest");
    return CLI_OK;
}

static int status(struct cli *cli) {
    json_t *h = NULL;
    char text[256], took[UNITS_TEXT];
    int code = get(cli, &h);
    if (code != CLI_OK || h == NULL) return code;
    if (cli->json) return cli_print_json(cli, h);
    uint64_t since = json_count(h, "since_ms", 0), now = now_ms();
    const char *why = json_text(json_object_get(h, "reason"), "text", "");
    units_format_duration(now > since ? now - since : 0, took);
    snprintf(text, sizeof text, "%s for %s", json_text(h, "state", "?"), took);
    line(cli, "state", text);
    line(cli, "in the way", why[0] ? why : "nothing");
    snprintf(text, sizeof text, "%.1f %% of the processors, %llu %% of the memory, %llu Mbit/s; %llu tasks here",
             (double)json_count(h, "cpu_permille", 0) / 10, (unsigned long long)json_count(h, "memory_percent", 0),
             (unsigned long long)json_count(h, "bandwidth_bps", 0) / 1000000, (unsigned long long)json_count(h, "tasks", 0));
    line(cli, "lends now", text);
    size_t i = 0;
    const json_t *s = NULL;
    json_array_foreach(json_object_get(h, "signals"), i, s) {
        value_text(s, text);
        line(cli, json_text(s, "name", "?"), text);
    }
    const json_t *c = json_object_get(h, "session");
    if (json_is_object(c)) {
        units_format_duration(json_count(c, "cpu_us", 0) / 1000, took);
        snprintf(text, sizeof text, "%llu tasks done, %s of processor time", (unsigned long long)json_count(c, "tasks_done", 0), took);
        line(cli, "session", text);
    }
    json_decref(h);
    return CLI_OK;
}

static int show_policy(struct cli *cli) {
    static const struct term_column columns[] = { { .title = "NAME" }, { .title = "VALUE", .right = true }, { .title = "MEANING", .trim = true } };
    json_t *h = NULL;
    int code = get(cli, &h);
    if (code != CLI_OK || h == NULL) return code;
    if (cli->json) return cli_print_json(cli, h);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *p = NULL;
    json_array_foreach(json_object_get(h, "policy"), i, p) {
        term_table_cell(table, json_text(p, "name", "?"), TERM_BOLD);
        term_table_cell(table, json_text(p, "value", "?"), TERM_PLAIN);
        term_table_cell(table, json_text(p, "help", ""), TERM_PLAIN);
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(h);
    return CLI_OK;
}

static int set_policy(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    json_t *set = json_array();
    for (unsigned i = 1; i < a->n_operands; i++) {
        const char *eq = strchr(a->operands[i], '=');
        if (eq == NULL || eq == a->operands[i] || eq[1] == '\0') {
            json_decref(set);
            return cli_fail(cli, CLI_USAGE, "'%s' is not NAME=VALUE, such as cpu=40; `village harvest policy` shows the names", a->operands[i]);
        }
        json_array_append_new(set, json_pack("{s:s%,s:s}", "name", a->operands[i], (size_t)(eq - a->operands[i]), "value", eq + 1));
    }
    json_t *body = json_pack("{s:o}", "set", set);
    int code = cli_call(cli, "PUT", "/v1/fog/harvest/policy", body, NULL);
    json_decref(body);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:I}", "set", (json_int_t)(a->n_operands - 1)));
    cli_note(cli, "the policy is stored and counts from now on");
    return CLI_OK;
}

static int pause_or_resume(struct cli *cli, bool on) {
    const struct cli_args *a = &cli->args;
    int64_t ms = 0;
    if (a->n_operands > 2 || (!on && a->n_operands > 1)) return cli_fail(cli, CLI_USAGE, "too many words after %s", a->operands[0]);
    if (a->n_operands == 2 && units_parse_duration(a->operands[1], 1000, 365ll * 24 * 3600 * 1000, &ms))
        return cli_fail(cli, CLI_USAGE, "'%s' is no duration from 1s to 365d, such as 2h", a->operands[1]);
    json_t *body = json_pack("{s:b}", "on", on);
    if (ms) json_object_set_new(body, "duration_ms", json_integer(ms));
    int code = cli_call(cli, "POST", "/v1/fog/harvest/pause", body, NULL);
    json_decref(body);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:b}", "paused", on));
    cli_note(cli, on ? "this machine takes no work; what it has is frozen or given back" : "this machine works again when its rules allow it");
    return CLI_OK;
}

int command_harvest(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    const char *what = a->n_operands ? a->operands[0] : "status";
    if (strcmp(what, "status") == 0) return status(cli);
    if (strcmp(what, "policy") == 0) return a->n_operands > 1 ? set_policy(cli) : show_policy(cli);
    if (strcmp(what, "pause") == 0) return pause_or_resume(cli, true);
    if (strcmp(what, "resume") == 0) return pause_or_resume(cli, false);
    return cli_fail(cli, CLI_USAGE, "village harvest does not know '%s'; it knows status, policy, pause and resume", what);
}

int command_contributions(struct cli *cli) {
    static const struct term_column columns[] = {
        { .title = "NODE" },           { .title = "BEGAN" },        { .title = "LASTED", .right = true }, { .title = "CPU", .right = true },
        { .title = "BELIEVED", .right = true }, { .title = "MEMORY", .right = true }, { .title = "DONE", .right = true },
        { .title = "FROZEN", .right = true },
    };
    json_t *answer = NULL;
    int code = cli_call(cli, "GET", "/v1/fog/contributions?limit=1000", NULL, &answer);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, answer);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *c = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, c) {
        uint64_t start = json_count(c, "start_ms", 0), end = json_count(c, "end_ms", 0);
        time_t t = (time_t)(start / 1000);
        struct tm tm;
        char text[UNITS_TEXT], when[32] = "";
        if (localtime_r(&t, &tm)) strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
        term_table_cell(table, cli_short(cli, json_text(c, "node", "?")), TERM_BOLD);
        term_table_cell(table, when, TERM_PLAIN);
        units_format_duration(end - start, text);
        term_table_cellf(table, TERM_PLAIN, "%s%s", text, json_flag(c, "open") ? " (open)" : "");
        units_format_duration(json_count(c, "cpu_us", 0) / 1000, text);
        term_table_cell(table, text, TERM_PLAIN);
        units_format_duration(json_count(c, "believed_cpu_us", 0) / 1000, text);
        term_table_cell(table, text, TERM_PLAIN);
        units_format_size(json_count(c, "memory_byte_s", 0) / 3600, text);
        term_table_cellf(table, TERM_PLAIN, "%s h", text);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(c, "tasks_done", 0));
        units_format_duration(json_count(c, "frozen_ms", 0), text);
        term_table_cell(table, text, TERM_PLAIN);
    }
    if (json_array_size(json_object_get(answer, "items")) == 0)
        cli_note(cli, "no machine gave anything yet; harvested members are started with --harvest");
    else
        term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(answer);
    return CLI_OK;
}
