#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include <string.h>

static void line(struct cli *cli, const char *label, const char *text) {
    fprintf(cli->out.file, "%s%-14s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

static void show_levels(struct cli *cli, const json_t *mix) {
    size_t i = 0;
    const json_t *v = NULL;
    json_array_foreach(json_object_get(mix, "levels"), i, v) {
        char text[256];
        if (json_flag(v, "available"))
            snprintf(text, sizeof text, "available, %llu ms a hop in the mean",
                     (unsigned long long)json_count(v, "mean_delay_ms", 0));
        else
            snprintf(text, sizeof text, "no: %s", json_text(v, "reason", ""));
        line(cli, json_text(v, "name", "?"), text);
    }
}

static void show_relay(struct cli *cli, const json_t *relay) {
    char text[256];
    const char *reason = NULL;
    json_t *n = NULL;
    if (!json_flag(relay, "on")) return;
    snprintf(text, sizeof text, "%llu received, %llu forwarded, %llu delivered, %llu waiting, %llu/s",
             (unsigned long long)json_count(relay, "received", 0),
             (unsigned long long)json_count(relay, "forwarded", 0),
             (unsigned long long)json_count(relay, "delivered", 0), (unsigned long long)json_count(relay, "queued", 0),
             (unsigned long long)json_count(relay, "rate", 0));
    line(cli, "this mix", text);
    int used = 0;
    text[0] = '\0';
    json_object_foreach(json_object_get(relay, "dropped"), reason, n) {
        if (json_integer_value(n) > 0 && used >= 0 && (size_t)used < sizeof text)
            used += snprintf(text + used, sizeof text - (size_t)used, "%s%lld %s", used ? ", " : "",
                             (long long)json_integer_value(n), reason);
    }
    if (used > 0) line(cli, "dropped", text);
}

static int show_status(struct cli *cli) {
    char text[256];
    json_t *mix = NULL;
    int code = cli_call(cli, "GET", "/v1/mix", NULL, &mix);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, mix);
    if (!json_flag(mix, "charter")) {
        line(cli, "state", "there is no private network yet");
        cli_note(cli, "start three or more members with --mix, then name who keeps the directory: "
                      "`village mix authorities NODE NODE NODE`");
        json_decref(mix);
        return CLI_OK;
    }
    const json_t *client = json_object_get(mix, "client");
    snprintf(text, sizeof text, "%llu, consensus of %llu, %llu relays, %llu recipients",
             (unsigned long long)json_count(mix, "epoch", 0), (unsigned long long)json_count(mix, "consensus_epoch", 0),
             (unsigned long long)json_count(mix, "relays", 0), (unsigned long long)json_count(mix, "recipients", 0));
    line(cli, "epoch", text);
    if (json_count(mix, "consensus_epoch", 0) == 0)
        line(cli, "waiting", "for the first consensus; it comes at the end of an epoch");
    show_levels(cli, mix);
    snprintf(text, sizeof text, "%llu packets sent, %llu of them with content; loops: %llu back, %llu lost, %llu ms",
             (unsigned long long)json_count(client, "slots", 0), (unsigned long long)json_count(client, "filled", 0),
             (unsigned long long)json_count(client, "loops_back", 0),
             (unsigned long long)json_count(client, "loops_lost", 0),
             (unsigned long long)json_count(client, "delay_p50_ms", 0));
    line(cli, "this client", text);
    show_relay(cli, json_object_get(mix, "relay"));
    json_decref(mix);
    return CLI_OK;
}

static int show_relays(struct cli *cli) {
    static const struct term_column columns[] = {
        { .title = "NUMBER", .right = true }, { .title = "ID" },
        { .title = "ADDRESS", .trim = true }, { .title = "LAYER", .right = true },
        { .title = "CAN/S", .right = true },  { .title = "RATE/S", .right = true },
        { .title = "DELAY", .right = true },  { .title = "REPUTATION", .right = true },
    };
    json_t *answer = NULL;
    int code = cli_call(cli, "GET", "/v1/mix/relays", NULL, &answer);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, answer);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *r = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, r) {
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(r, "number", 0));
        term_table_cellf(table, TERM_BOLD, "%s%s", cli_short(cli, json_text(r, "id", "?")),
                         json_flag(r, "self") ? " (here)" : "");
        term_table_cell(table, json_text(r, "addr", ""), TERM_PLAIN);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(r, "layer", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(r, "bandwidth", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(r, "rate", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu ms", (unsigned long long)json_count(r, "mean_delay_ms", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(r, "reputation", 0));
    }
    if (json_array_size(json_object_get(answer, "items")) == 0)
        cli_note(cli, "no relay is listed; `village mix` says what is missing");
    else
        term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(answer);
    return CLI_OK;
}

static int name_authorities(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    json_t *ids = json_array();
    int code = a->n_operands > 3 ? CLI_OK : CLI_USAGE;
    if (code) cli_fail(cli, code, "name three to nine members, such as `village mix authorities alder birch cedar`");
    for (unsigned i = 1; code == CLI_OK && i < a->n_operands; i++) {
        char id[CLI_NODE_ID_MAX];
        code = cli_find_node(cli, a->operands[i], id);
        if (code == CLI_OK) json_array_append_new(ids, json_string(id));
    }
    if (code == CLI_OK) {
        json_t *body = json_pack("{s:O,s:I,s:I}", "authorities", ids, "epoch_ms", (json_int_t)args_number(a, "epoch"),
                                 "floor", (json_int_t)args_number(a, "floor"));
        if (args_has(a, "threshold")) json_object_set_new(body, "threshold", json_integer(args_number(a, "threshold")));
        code = cli_call(cli, "POST", "/v1/mix/charter", body, NULL);
        json_decref(body);
    }
    size_t n = json_array_size(ids);
    json_decref(ids);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:I}", "authorities", (json_int_t)n));
    cli_note(cli, "the charter is signed; the first consensus comes within half an epoch: see `village mix`");
    return CLI_OK;
}

static int ping(struct cli *cli) {
    char id[CLI_NODE_ID_MAX];
    if (cli->args.n_operands != 2) return cli_fail(cli, CLI_USAGE, "name one node, such as `village mix ping alder`");
    int code = cli_find_node(cli, cli->args.operands[1], id);
    if (code != CLI_OK) return code;
    json_t *answer = NULL, *body = json_pack("{s:s,s:s}", "node", id, "level", args_text(&cli->args, "level"));
    code = cli_call(cli, "POST", "/v1/mix/ping", body, &answer);
    json_decref(body);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, answer);
    fprintf(cli->out.file, "%llu ms there and back, %s\n", (unsigned long long)json_count(answer, "rtt_ms", 0),
            args_text(&cli->args, "level"));
    json_decref(answer);
    return CLI_OK;
}

static void progress(void *arg, const char *text) { cli_note(arg, "%s", text); }

static int measure(struct cli *cli) {
    struct cli_capacity c = { .seconds = (unsigned)args_number(&cli->args, "seconds") };
    char problem[256] = "";
    if (args_has(&cli->args, "rate")) c.rate = (unsigned)args_number(&cli->args, "rate");
    if (cli->hooks->capacity(&c, progress, cli, problem)) return cli_fail(cli, CLI_FAILED, "%s", problem);
    if (cli->json)
        return cli_print_json(cli, json_pack("{s:I,s:I,s:I,s:I,s:f,s:b}", "rate", (json_int_t)c.rate, "seconds",
                                             (json_int_t)c.seconds, "sent", (json_int_t)c.sent, "received",
                                             (json_int_t)c.received, "cpu_us", c.cpu_us, "one_core", c.one_core));
    fprintf(cli->out.file, "%u packets/s for %u s: %llu sent, %llu lost, %.1f us of processor time each%s\n", c.rate,
            c.seconds, c.sent, c.sent - c.received, c.cpu_us, c.one_core ? ", the mix on one processor" : "");
    return c.sent == c.received ? CLI_OK : CLI_FAILED;
}

int command_mix(struct cli *cli) {
    const char *what = cli->args.n_operands ? cli->args.operands[0] : "status";
    if (strcmp(what, "status") == 0) return show_status(cli);
    if (strcmp(what, "relays") == 0) return show_relays(cli);
    if (strcmp(what, "authorities") == 0) return name_authorities(cli);
    if (strcmp(what, "ping") == 0) return ping(cli);
    if (strcmp(what, "capacity") == 0) return measure(cli);
    return cli_fail(cli, CLI_USAGE,
                    "village mix does not know '%s'; it knows status, relays, authorities, ping and capacity", what);
}
