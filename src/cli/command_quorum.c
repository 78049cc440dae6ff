#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include <string.h>

/* "99.95 %" of parts of a billion, rounded down. */
static const char *percent(uint64_t ppb, char text[16]) {
    int n = snprintf(text, 16, "%u.%04u", (unsigned)(ppb / 10000000 % 1000), (unsigned)(ppb % 10000000 / 1000));
    while (n > 0 && text[n - 1] == '0') text[--n] = '\0';
    if (n > 0 && text[n - 1] == '.') text[--n] = '\0';
    snprintf(text + n, 16 - (size_t)n, " %%");
    return text;
}

static int check(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    static const struct term_column columns[] = { { .title = "GROUP", .right = true }, { .title = "NODE" }, { .title = "AVAILABLE", .right = true }, { .title = "PRICE", .right = true } };
    char got[16], want[16];
    if (!args_has(a, "tier"))
        return cli_fail(cli, CLI_USAGE, "say which tier, such as `village quorum check --tier gold`");
    json_t *answer = NULL, *body = json_pack("{s:s,s:s,s:s,s:I,s:I}", "tier", args_text(a, "tier"), "class", args_text(a, "class"),
                                             "kind", args_text(a, "kind"), "replicas", (json_int_t)args_number(a, "replicas"),
                                             "tasks", (json_int_t)args_number(a, "tasks"));
    if (args_has(a, "region")) json_object_set_new(body, "region", json_string(args_text(a, "region")));
    int code = cli_call(cli, "POST", "/v1/fog/quorum/check", body, &answer);
    json_decref(body);
    if (code != CLI_OK) return code;
    bool possible = json_flag(answer, "possible");
    if (cli->json) {
        code = cli_print_json(cli, answer);
        return code == CLI_OK && !possible ? CLI_FAILED : code;
    }
    uint64_t groups = json_count(answer, "groups", 1);
    percent(json_count(answer, "computed_ppb", 0), got);
    percent(json_count(answer, "promised_ppb", 0), want);
    if (!possible) {
        code = cli_fail(cli, CLI_FAILED, "%s", json_text(answer, "reason", "it cannot be honoured"));
        json_decref(answer);
        return code;
    }
    fprintf(cli->out.file, "%s: %s promised, %s computed, %s of %zu nodes must be up%s; what those of one %s share counts most\n",
            json_text(answer, "tier", "?"), want, got, json_flag(answer, "majority") ? "more than half" : "one",
            json_array_size(json_object_get(answer, "nodes")) / (groups ? groups : 1), groups > 1 ? " in each group" : "", json_text(answer, "decided_by", "?"));
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *n = NULL;
    json_array_foreach(json_object_get(answer, "nodes"), i, n) {
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(n, "group", 0) + 1);
        term_table_cell(table, cli_short(cli, json_text(n, "id", "?")), TERM_BOLD);
        term_table_cell(table, percent(json_count(n, "availability_ppb", 0), got), TERM_PLAIN);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(n, "price", 0));
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(answer);
    return CLI_OK;
}

static int agreements(struct cli *cli) {
    static const struct term_column columns[] = {
        { .title = "JOB" },       { .title = "TIER" },      { .title = "STATE" },
        { .title = "PROMISED", .right = true }, { .title = "MEASURED", .right = true }, { .title = "DOWN", .right = true },
        { .title = "UNOBSERVED", .right = true }, { .title = "ALLOWED", .right = true }, { .title = "REFUND", .right = true },
    };
    json_t *items = NULL;
    int code = cli_list(cli, "/v1/fog/agreements", 10000, &items);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:o}", "items", items));
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    static const char *const spans[] = { "down_ms", "unobserved_ms", "allowed_ms" };
    size_t i = 0;
    const json_t *v = NULL;
    json_array_foreach(items, i, v) {
        char text[16];
        const char *state = json_text(v, "state", "?");
        term_table_cell(table, cli_short(cli, json_text(v, "job", "?")), TERM_BOLD);
        term_table_cell(table, json_text(v, "tier", "?"), TERM_PLAIN);
        term_table_cell(table, state, strcmp(state, "missed") == 0 ? TERM_BAD : TERM_PLAIN);
        term_table_cell(table, percent(json_count(v, "promised_ppb", 0), text), TERM_PLAIN);
        term_table_cell(table, percent(json_count(v, "measured_ppb", 0), text), TERM_PLAIN);
        for (unsigned k = 0; k < sizeof spans / sizeof spans[0]; k++)
            term_table_cellf(table, TERM_PLAIN, "%.1f s", (double)json_count(v, spans[k], 0) / 1000);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(v, "refund", 0));
    }
    if (json_array_size(items) == 0)
        cli_note(cli, "nothing was promised; a job with `village run --tier bronze` is");
    else
        term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(items);
    return CLI_OK;
}

int command_quorum(struct cli *cli) {
    const char *what = cli->args.n_operands ? cli->args.operands[0] : "agreements";
    if (strcmp(what, "check") == 0) return check(cli);
    if (strcmp(what, "agreements") == 0) return agreements(cli);
    return cli_fail(cli, CLI_USAGE, "village quorum does not know '%s'; it knows check and agreements", what);
}
