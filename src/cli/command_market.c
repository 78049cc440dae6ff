#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include <stdlib.h>
#include <string.h>

#define BENCH_WAIT_MS 600000u
#define BENCH_LOOK_MS 1000u

static void line(struct cli *cli, const char *label, const char *text) {
    fprintf(cli->out.file, "%s%-14s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

static void number(struct cli *cli, const char *label, uint64_t v, const char *unit) {
    char text[96];
    snprintf(text, sizeof text, "%llu %s", (unsigned long long)v, unit);
    line(cli, label, text);
}

/* ---- quote --------------------------------------------------------------------------------------------------------- */

/* Asks for a quote of what --work or --time say. */
static int ask_quote(struct cli *cli, json_t **ret) {
    const struct cli_args *a = &cli->args;
    json_t *body = json_pack("{s:s}", "tier", args_text(a, "tier"));
    if (args_has(a, "work"))
        json_object_set_new(body, "work_nh", json_integer(args_number(a, "work")));
    else if (args_has(a, "time"))
        json_object_set_new(body, "slot_s", json_integer((args_number(a, "time") + 999) / 1000));
    else {
        json_decref(body);
        return cli_fail(cli, CLI_USAGE, "say how much work it is: --work NH, or --time 2h of one slot");
    }
    int code = cli_call(cli, "POST", "/v1/fog/market/quote", body, ret);
    json_decref(body);
    return code;
}

static int quote(struct cli *cli) {
    json_t *q = NULL;
    int code = ask_quote(cli, &q);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, q);
    line(cli, "tier", json_text(q, "tier", "?"));
    number(cli, "work", json_count(q, "work_nh", 0), "nH");
    number(cli, "an H200-hour", json_count(q, "hour_price", 0), "micro-credits");
    number(cli, "price", json_count(q, "price", 0), "micro-credits");
    json_decref(q);
    return CLI_OK;
}

/* ---- auctions ------------------------------------------------------------------------------------------------------ */

static void auction_print(struct cli *cli, const json_t *v) {
    char text[160];
    size_t i = 0;
    const json_t *b = NULL;
    line(cli, "auction", json_text(v, "id", "?"));
    if (json_text(v, "title", "")[0]) line(cli, "title", json_text(v, "title", ""));
    line(cli, "state", json_text(v, "state", "?"));
    if (json_text(v, "reason", NULL)) line(cli, "because", json_text(v, "reason", ""));
    snprintf(text, sizeof text, "%llu x %llu nH, %s, at most %llu micro-credits each",
             (unsigned long long)json_count(v, "units", 0), (unsigned long long)json_count(v, "work_nh", 0),
             json_text(v, "tier", "?"), (unsigned long long)json_count(v, "reserve", 0));
    line(cli, "wanted", text);
    if (json_text(v, "job", NULL)) line(cli, "job", json_text(v, "job", ""));
    snprintf(text, sizeof text, "%llu held, %llu paid, %llu released, %llu slashed",
             (unsigned long long)(json_count(v, "escrow", 0) + json_count(v, "deposits", 0)),
             (unsigned long long)json_count(v, "paid", 0), (unsigned long long)json_count(v, "released", 0),
             (unsigned long long)json_count(v, "slashed", 0));
    line(cli, "money", text);
    json_array_foreach(json_object_get(v, "bids"), i, b) {
        if (json_is_integer(json_object_get(b, "bid")))
            snprintf(text, sizeof text, "%s  %s, bid %llu, price %llu", cli_short(cli, json_text(b, "node", "?")),
                     json_text(b, "state", "?"), (unsigned long long)json_count(b, "bid", 0),
                     (unsigned long long)json_count(b, "price", 0));
        else
            snprintf(text, sizeof text, "%s  %s", cli_short(cli, json_text(b, "node", "?")), json_text(b, "state", "?"));
        line(cli, "bid", text);
    }
}

/* The whole id of what a person typed the beginning of; -1: none or several. */
static int find_auction(struct cli *cli, const char *typed, char ret[65]) {
    json_t *answer = NULL;
    size_t i = 0, found = 0;
    const json_t *v = NULL;
    int code = cli_call(cli, "GET", "/v1/fog/market/auctions", NULL, &answer);
    if (code != CLI_OK) return code;
    json_array_foreach(json_object_get(answer, "items"), i, v) {
        const char *id = json_text(v, "id", "");
        if (strncmp(id, typed, strlen(typed)) != 0) continue;
        snprintf(ret, 65, "%s", id);
        found++;
    }
    json_decref(answer);
    if (found == 1) return CLI_OK;
    return cli_fail(cli, CLI_NOT_FOUND, found ? "'%s' begins the ids of several auctions: type more of it"
                                            : "no auction's id begins with '%s'; see `village market auctions`",
                    typed);
}

static int show_auction(struct cli *cli, const char *typed) {
    char id[65], path[128];
    json_t *v = NULL;
    int code = find_auction(cli, typed, id);
    if (code != CLI_OK) return code;
    snprintf(path, sizeof path, "/v1/fog/market/auctions/%s", id);
    bool cancel = args_has(&cli->args, "cancel");
    code = cli_call(cli, cancel ? "DELETE" : "GET", path, NULL, cancel ? NULL : &v);
    if (code != CLI_OK) return code;
    if (cancel) {
        if (cli->json) return cli_print_json(cli, json_pack("{s:s,s:s}", "id", id, "state", "cancelled"));
        cli_note(cli, "cancelled; everything that was held is released");
        return CLI_OK;
    }
    if (cli->json) return cli_print_json(cli, v);
    auction_print(cli, v);
    json_decref(v);
    return CLI_OK;
}

static int work_of(struct cli *cli, json_int_t *ret) {
    json_t *q = NULL;
    if (args_has(&cli->args, "work")) {
        *ret = (json_int_t)args_number(&cli->args, "work");
        return CLI_OK;
    }
    int code = ask_quote(cli, &q);
    if (code == CLI_OK) *ret = (json_int_t)json_count(q, "work_nh", 1);
    json_decref(q);
    return code;
}

static int open_auction(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    json_int_t work = 0;
    json_error_t problem;
    json_t *v = NULL, *job = NULL;
    if (!args_has(a, "reserve")) return cli_fail(cli, CLI_USAGE, "say the most that you pay for a unit: --reserve N micro-credits");
    if (args_has(a, "job") && (job = json_load_file(args_text(a, "job"), JSON_REJECT_DUPLICATES, &problem)) == NULL)
        return cli_fail(cli, CLI_FAILED, "%s: %s", args_text(a, "job"), problem.text);
    int code = work_of(cli, &work);
    if (code != CLI_OK) {
        json_decref(job);
        return code;
    }
    json_t *body = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:b}", "tier", args_text(a, "tier"), "work_nh", work, "units",
                             (json_int_t)args_number(a, "units"), "reserve", (json_int_t)args_number(a, "reserve"),
                             "min_providers", (json_int_t)args_number(a, "providers"), "duration_ms",
                             (json_int_t)args_number(a, "duration"), "quality", args_has(a, "quality"));
    if (args_has(a, "title")) json_object_set_new(body, "title", json_string(args_text(a, "title")));
    if (job) json_object_set_new(body, "job", job);
    code = cli_call(cli, "POST", "/v1/fog/market/auctions", body, &v);
    json_decref(body);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, v);
    auction_print(cli, v);
    json_decref(v);
    return CLI_OK;
}

static int auctions(struct cli *cli) {
    static const struct term_column columns[] = {
        { .title = "AUCTION" },        { .title = "TITLE", .trim = true }, { .title = "STATE" },
        { .title = "TIER" },           { .title = "UNITS", .right = true }, { .title = "RESERVE", .right = true },
        { .title = "BIDS", .right = true }, { .title = "PAID", .right = true }, { .title = "OPENED" },
    };
    json_t *answer = NULL;
    size_t i = 0;
    const json_t *v = NULL;
    int code = cli_call(cli, "GET", "/v1/fog/market/auctions", NULL, &answer);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, answer);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    json_array_foreach(json_object_get(answer, "items"), i, v) {
        char ago[CLI_AGO_TEXT];
        cli_ago(json_count(v, "opened_ms", 0), ago);
        term_table_cellf(table, TERM_BOLD, "%.12s", json_text(v, "id", "?"));
        term_table_cell(table, json_text(v, "title", ""), TERM_PLAIN);
        term_table_cell(table, json_text(v, "state", "?"), cli_state_style(json_text(v, "state", "?")));
        term_table_cell(table, json_text(v, "tier", "?"), TERM_PLAIN);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(v, "units", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(v, "reserve", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(v, "bids_n", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(v, "paid", 0));
        term_table_cell(table, ago, TERM_PLAIN);
    }
    if (json_array_size(json_object_get(answer, "items")) == 0)
        cli_note(cli, "no auction yet; `village help market` shows how to open one");
    else
        term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(answer);
    return CLI_OK;
}

/* ---- prices -------------------------------------------------------------------------------------------------------- */

static int prices(struct cli *cli) {
    static const struct term_column columns[] = {
        { .title = "TIER" },
        { .title = "LIST", .right = true },
        { .title = "LAST", .right = true },
        { .title = "IN 1 H", .right = true },
        { .title = "95 %" },
        { .title = "ERROR", .right = true },
        { .title = "HOURS", .right = true },
    };
    json_t *answer = NULL;
    size_t i = 0;
    const json_t *v = NULL;
    int code = cli_call(cli, "GET", "/v1/fog/market/prices", NULL, &answer);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, answer);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    json_array_foreach(json_object_get(answer, "tiers"), i, v) {
        const json_t *hours = json_object_get(v, "hours"), *f = json_array_get(json_object_get(v, "forecast"), 0);
        size_t n = json_array_size(hours);
        term_table_cell(table, json_text(v, "tier", "?"), TERM_BOLD);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(v, "list_price", 0));
        if (n)
            term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(json_array_get(hours, n - 1), "price", 0));
        else
            term_table_cell(table, "-", TERM_DIM);
        if (f) {
            term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(f, "price", 0));
            term_table_cellf(table, TERM_PLAIN, "%llu to %llu", (unsigned long long)json_count(f, "low", 0),
                             (unsigned long long)json_count(f, "high", 0));
            term_table_cellf(table, TERM_PLAIN, "%.1f %%", (double)json_count(f, "error_permille", 0) / 10);
        } else {
            for (unsigned k = 0; k < 3; k++) term_table_cell(table, "-", TERM_DIM);
        }
        term_table_cellf(table, TERM_PLAIN, "%zu", n);
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
    cli_note(cli, "micro-credits for an H200-hour; a forecast needs sales in three different hours");
    json_decref(answer);
    return CLI_OK;
}

int command_market(struct cli *cli) {
    const char *what = cli->args.operands[0];
    if (strcmp(what, "quote") == 0) return quote(cli);
    if (strcmp(what, "auction") == 0)
        return cli->args.n_operands > 1 ? show_auction(cli, cli->args.operands[1]) : open_auction(cli);
    if (strcmp(what, "auctions") == 0) return auctions(cli);
    if (strcmp(what, "prices") == 0) return prices(cli);
    return cli_fail(cli, CLI_USAGE, "village market does not know '%s'; it knows quote, auction, auctions and prices", what);
}

/* ---- bench --------------------------------------------------------------------------------------------------------- */

static int rates_print(struct cli *cli, json_t *answer) {
    static const struct term_column columns[] = {
        { .title = "NAME", .trim = true },  { .title = "ID" },
        { .title = "NH/H", .right = true }, { .title = "OF MEDIAN", .right = true },
        { .title = "SLOTS" },               { .title = "PRICE/H", .right = true },
        { .title = "VERDICT" },             { .title = "MEASURED" },
    };
    size_t i = 0;
    const json_t *v = NULL;
    if (cli->json) return cli_print_json(cli, answer);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    json_array_foreach(json_object_get(answer, "items"), i, v) {
        char ago[CLI_AGO_TEXT];
        uint64_t rate = json_count(v, "rate_nh", 0);
        cli_ago(json_count(v, "measured_ms", 0), ago);
        term_table_cell(table, json_text(v, "name", "?"), TERM_BOLD);
        term_table_cell(table, cli_short(cli, json_text(v, "id", "?")), TERM_PLAIN);
        if (rate) {
            term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)rate);
            term_table_cellf(table, TERM_PLAIN, "%.2f", (double)json_count(v, "rate_milli", 0) / 1000);
        } else {
            term_table_cell(table, "unknown", TERM_DIM);
            term_table_cell(table, "-", TERM_DIM);
        }
        if (json_count(v, "slots_measured", 0) < json_count(v, "slots_claimed", 0))
            term_table_cellf(table, TERM_WARN, "%llu of %llu claimed", (unsigned long long)json_count(v, "slots_measured", 0),
                             (unsigned long long)json_count(v, "slots_claimed", 0));
        else
            term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(v, "slots_claimed", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(v, "hour_price", 0));
        term_table_cell(table, json_flag(v, "running") ? "measuring" : json_text(v, "verdict", "?"), TERM_PLAIN);
        term_table_cell(table, ago, TERM_PLAIN);
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(answer);
    return CLI_OK;
}

/* How many of those asked for were measured since `before`; *ret_want: how many were asked for. */
static size_t measured(const json_t *now, const json_t *before, const char *id, size_t *ret_want) {
    size_t i = 0, k = 0, done = 0;
    const json_t *v = NULL, *o = NULL;
    *ret_want = 0;
    json_array_foreach(json_object_get(now, "items"), i, v) {
        if (id[0] ? strcmp(json_text(v, "id", ""), id) != 0 : json_count(v, "slots_claimed", 0) == 0) continue;
        uint64_t was = 0;
        json_array_foreach(json_object_get(before, "items"), k, o)
            if (strcmp(json_text(o, "id", ""), json_text(v, "id", "?")) == 0) was = json_count(o, "measured_ms", 0);
        ++*ret_want;
        done += json_count(v, "measured_ms", 0) > was;
    }
    return done;
}

static int bench_wait(struct cli *cli, const json_t *before, const char *id) {
    vl_ms until = cli_now() + BENCH_WAIT_MS;
    for (;;) {
        json_t *now = NULL;
        size_t want = 0;
        int code = cli_call(cli, "GET", "/v1/fog/rates", NULL, &now);
        if (code != CLI_OK) return code;
        size_t done = measured(now, before, id, &want);
        if (done == want) return rates_print(cli, now);
        json_decref(now);
        if (cli_interrupted()) return CLI_INTERRUPTED;
        if (cli_now() > until)
            return cli_fail(cli, CLI_FAILED, "%zu of %zu nodes were measured within ten minutes; a node is measured when it has "
                                             "nothing to do: see `village nodes`", done, want);
        cli_sleep(BENCH_LOOK_MS);
    }
}

int command_bench(struct cli *cli) {
    char id[CLI_NODE_ID_MAX] = "";
    json_t *before = NULL;
    int code = CLI_OK;
    if (cli->args.n_operands && args_has(&cli->args, "all"))
        return cli_fail(cli, CLI_USAGE, "name one node, or say --all");
    if (cli->args.n_operands) code = cli_find_node(cli, cli->args.operands[0], id);
    if (code == CLI_OK) code = cli_call(cli, "GET", "/v1/fog/rates", NULL, &before);
    if (code != CLI_OK) return code;
    if (!cli->args.n_operands && !args_has(&cli->args, "all")) return rates_print(cli, before);
    json_t *body = id[0] ? json_pack("{s:s}", "node", id) : json_object();
    cli_catch_interrupt();
    code = cli_call(cli, "POST", "/v1/fog/rates", body, NULL);
    json_decref(body);
    if (code == CLI_OK) {
        cli_note(cli, "measuring; this takes a few seconds for each node");
        code = bench_wait(cli, before, id);
    }
    json_decref(before);
    return code;
}
