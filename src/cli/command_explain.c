#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include <string.h>

#define FRONT_ROWS 12u

static void line(struct cli *cli, const char *label, const char *text) {
    fprintf(cli->out.file, "%s%-14s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

static double real(const json_t *o, const char *key) { return json_number_value(json_object_get(o, key)); }

/* "12 not_ready, 3 no_slot" */
static void reasons_text(const json_t *o, char *dst, size_t cap) {
    const char *key;
    json_t *n;
    size_t used = 0;
    dst[0] = '\0';
    json_object_foreach((json_t *)o, key, n) {
        int m = snprintf(dst + used, cap - used, "%s%lld %s", used ? ", " : "", (long long)json_integer_value(n), key);
        if (m < 0 || (size_t)m >= cap - used) return;
        used += (size_t)m;
    }
}

static void show_waiting(struct cli *cli, const json_t *w) {
    char text[256], reasons[160];
    if (!json_is_object(w)) return;
    snprintf(text, sizeof text, "%llu tasks: %s", (unsigned long long)json_count(w, "tasks", 0),
             json_text(w, "reason", "?"));
    line(cli, "waiting", text);
    reasons_text(json_object_get(w, "nodes_by_reason"), reasons, sizeof reasons);
    snprintf(text, sizeof text, "%llu: %s", (unsigned long long)json_count(w, "nodes", 0), reasons);
    line(cli, "nodes", text);
}

static void show_front(struct cli *cli, const json_t *batch) {
    static const struct term_column columns[] = {
        { .title = "" },
        { .title = "LATENCY ms", .right = true },
        { .title = "BALANCE", .right = true },
        { .title = "DISTRUST", .right = true },
        { .title = "COST", .right = true },
        { .title = "PRICE", .right = true },
    };
    const json_t *front = json_object_get(batch, "front"), *p = NULL;
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0, n = json_array_size(front), step = n > FRONT_ROWS ? (n + FRONT_ROWS - 1) / FRONT_ROWS : 1;
    json_array_foreach((json_t *)front, i, p) {
        const json_t *f = json_object_get(p, "objectives");
        bool taken = json_flag(p, "taken");
        if (!taken && i % step != 0) continue;
        enum term_style style = taken ? TERM_GOOD : TERM_PLAIN;
        term_table_cell(table, taken ? "taken" : "", style);
        term_table_cellf(table, style, "%.3f", real(f, "latency"));
        term_table_cellf(table, style, "%.5f", real(f, "balance"));
        term_table_cellf(table, style, "%.4f", real(f, "trust"));
        term_table_cellf(table, style, "%.0f", real(f, "cost"));
        term_table_cellf(table, style, "%.0f", real(f, "price"));
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
    if (step > 1) cli_note(cli, "every %zuth of %zu points; --json has all", step, n);
}

static void show_batch(struct cli *cli, const json_t *b) {
    char text[256], ago[CLI_AGO_TEXT], left[160];
    const char *name;
    json_t *v;
    cli_ago(json_count(b, "at_ms", 0), ago);
    snprintf(text, sizeof text, "%llu, %s: %llu of its tasks among %llu, on %llu nodes",
             (unsigned long long)json_count(b, "batch", 0), ago, (unsigned long long)json_count(b, "tasks_of_job", 0),
             (unsigned long long)json_count(b, "tasks", 0), (unsigned long long)json_count(b, "nodes", 0));
    fputs(term_style(&cli->out, TERM_BOLD), cli->out.file);
    line(cli, "batch", text);
    bool searched = json_count(b, "generations", 0) > 0;
    if (searched || json_flag(b, "sampled"))
        snprintf(text, sizeof text, "nsga2%s, weights of class %s",
                 searched ? "" : ", its fast way: the best of a sample of nodes for each task", json_text(b, "class", "?"));
    else
        snprintf(text, sizeof text, "%s", json_text(b, "strategy", "?"));
    line(cli, "strategy", text);
    if (json_count(b, "conflicts", 0) > 0) {
        snprintf(text, sizeof text, "%llu were taken by others meanwhile, and placed again",
                 (unsigned long long)json_count(b, "conflicts", 0));
        line(cli, "conflicts", text);
    }
    reasons_text(json_object_get(b, "left_by_reason"), left, sizeof left);
    if (left[0]) line(cli, "left", left);
    if (searched) {
        snprintf(text, sizeof text, "%llu generations in %.1f ms%s", (unsigned long long)json_count(b, "generations", 0),
                 (double)json_count(b, "took_us", 0) / 1000, json_flag(b, "cut") ? ", cut short by the clock" : "");
        line(cli, "search", text);
        snprintf(text, sizeof text, "%.4f of the box, %.4f when it began", real(b, "hypervolume"),
                 real(b, "hypervolume_first"));
    } else {
        snprintf(text, sizeof text, "%.4f of the box between the bound and the worst node", real(b, "hypervolume"));
    }
    line(cli, "hypervolume", text);
    size_t used = 0;
    text[0] = '\0';
    json_object_foreach(json_object_get(b, "gap"), name, v) {
        if (!json_is_number(v)) continue;
        int m = snprintf(text + used, sizeof text - used, "%s%s %.1f %%", used ? ", " : "", name,
                         100 * json_number_value(v));
        if (m < 0 || (size_t)m >= sizeof text - used) break;
        used += (size_t)m;
    }
    if (used) line(cli, "gap at most", text);
    if (json_array_size(json_object_get(b, "front")) > 0) show_front(cli, b);
}

int command_explain(struct cli *cli) {
    char id[33], path[96];
    json_t *answer = NULL;
    int code = cli_find_job(cli, cli->args.operands[0], id);
    if (code != CLI_OK) return code;
    snprintf(path, sizeof path, "/v1/fog/jobs/%s/explain", id);
    code = cli_call(cli, "GET", path, NULL, &answer);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, answer);
    show_waiting(cli, json_object_get(answer, "waiting"));
    size_t i = 0;
    const json_t *b = NULL, *batches = json_object_get(answer, "batches");
    json_array_foreach((json_t *)batches, i, b) show_batch(cli, b);
    if (json_array_size(batches) == 0 && !json_is_object(json_object_get(answer, "waiting")))
        cli_note(cli, "nothing of it waits, and its batches are not kept any more");
    json_decref(answer);
    return CLI_OK;
}
