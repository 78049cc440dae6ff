#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include <string.h>

static void line(struct cli *cli, const char *label, const char *text) {
    if (*text == '\0') return;
    fprintf(cli->out.file, "%s%-12s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

static int show_node(struct cli *cli, const char *id) {
    char path[128], text[160], size[2][UNITS_TEXT], ago[CLI_AGO_TEXT];
    json_t *node = NULL;
    snprintf(path, sizeof path, "/v1/fog/nodes/%s", id);
    int code = cli_call(cli, "GET", path, NULL, &node);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, node);
    const char *state = json_text(node, "state", "?");
    line(cli, "node", json_text(node, "id", "?"));
    line(cli, "name", json_text(node, "name", ""));
    fputs(term_style(&cli->out, cli_state_style(state)), cli->out.file);
    line(cli, "state", state);
    line(cli, "kind", json_text(node, "kind", ""));
    line(cli, "address", json_text(node, "addr", ""));
    const char *key;
    json_t *label, *labels = json_object_get(node, "labels");
    json_object_foreach(labels, key, label) if (json_is_string(label)) line(cli, key, json_string_value(label));
    line(cli, "harvest", json_text(node, "harvest", ""));
    units_format_size(json_count(node, "memory_bytes", 0), size[0]);
    units_format_size(json_count(node, "disk_bytes", 0), size[1]);
    snprintf(text, sizeof text, "%llu CPUs, %s memory, %s disk", (unsigned long long)json_count(node, "cpus", 0),
             size[0], size[1]);
    line(cli, "machine", text);
    snprintf(text, sizeof text, "%llu%%, %llu running, %llu free slots",
             (unsigned long long)json_count(node, "load_milli", 0) / 10,
             (unsigned long long)json_count(node, "running", 0), (unsigned long long)json_count(node, "free_slots", 0));
    line(cli, "load", text);
    snprintf(text, sizeof text, "%llu done, %llu failed", (unsigned long long)json_count(node, "done", 0),
             (unsigned long long)json_count(node, "failed", 0));
    line(cli, "tasks", text);
    cli_ago(json_count(node, "seen_ms", 0), ago);
    line(cli, "seen", ago);
    cli_ago(json_count(node, "joined_ms", 0), ago);
    line(cli, "joined", ago);
    json_decref(node);
    return CLI_OK;
}

int command_nodes(struct cli *cli) {
    static const struct term_column columns[] = {
        { .title = "NAME", .trim = true },
        { .title = "ID" },
        { .title = "STATE" },
        { .title = "LOAD", .right = true },
        { .title = "RUNNING", .right = true },
        { .title = "FREE", .right = true },
        { .title = "CPUS", .right = true },
        { .title = "MEMORY", .right = true },
        { .title = "DONE", .right = true },
        { .title = "FAILED", .right = true },
        { .title = "TRUST", .right = true },
        { .title = "SEEN" },
    };
    char path[96] = "/v1/fog/nodes", id[CLI_NODE_ID_MAX];
    json_t *items = NULL;
    if (cli->args.n_operands > 0) {
        int code = cli_find_node(cli, cli->args.operands[0], id);
        return code == CLI_OK ? show_node(cli, id) : code;
    }
    if (args_text(&cli->args, "state") != NULL)
        snprintf(path, sizeof path, "/v1/fog/nodes?state=%s", args_text(&cli->args, "state"));
    int code = cli_list(cli, path, 100000, &items);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:o}", "items", items));
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *n = NULL;
    json_array_foreach(items, i, n) {
        char ago[CLI_AGO_TEXT], memory[UNITS_TEXT];
        const char *state = json_text(n, "state", "?");
        cli_ago(json_count(n, "seen_ms", 0), ago);
        units_format_size(json_count(n, "memory_bytes", 0), memory);
        term_table_cellf(table, TERM_BOLD, "%s%s", json_text(n, "name", ""), json_flag(n, "self") ? " (gateway)" : "");
        term_table_cell(table, cli_short(cli, json_text(n, "id", "?")), TERM_PLAIN);
        term_table_cell(table, state, cli_state_style(state));
        term_table_cellf(table, TERM_PLAIN, "%llu%%", (unsigned long long)json_count(n, "load_milli", 0) / 10);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(n, "running", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(n, "free_slots", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(n, "cpus", 0));
        term_table_cell(table, memory, TERM_PLAIN);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(n, "done", 0));
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(n, "failed", 0));
        cli_trust_cell(table, n, "trust_milli", 1000);
        term_table_cell(table, ago, TERM_PLAIN);
    }
    if (json_array_size(items) == 0)
        cli_note(cli, "no nodes%s; add one: `village ticket` here, `village join TICKET` there",
                 strchr(path, '?') ? " in this state" : "");
    else
        term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(items);
    return CLI_OK;
}

int command_maintenance(struct cli *cli) {
    char id[CLI_NODE_ID_MAX], path[160];
    bool on = strcmp(cli->args.operands[1], "on") == 0;
    int code = cli_find_node(cli, cli->args.operands[0], id);
    if (code != CLI_OK) return code;
    snprintf(path, sizeof path, "/v1/fog/nodes/%s/maintenance", id);
    json_t *body = json_pack("{s:b}", "on", on);
    code = cli_call(cli, "POST", path, body, NULL);
    json_decref(body);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s,s:b}", "id", id, "maintenance", on));
    cli_note(cli, on ? "%s gets no new tasks" : "%s gets tasks again", cli->args.operands[0]);
    return CLI_OK;
}

int command_expel(struct cli *cli) {
    char id[CLI_NODE_ID_MAX], path[160];
    int code = cli_find_node(cli, cli->args.operands[0], id);
    if (code != CLI_OK) return code;
    snprintf(path, sizeof path, "/v1/fog/nodes/%s", id);
    code = cli_call(cli, "DELETE", path, NULL, NULL);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s,s:b}", "id", id, "expelled", 1));
    cli_note(cli, "%s is no member any more", cli->args.operands[0]);
    return CLI_OK;
}

/* {"idle": 3, "offline": 1} */
static json_t *count_states(const json_t *items) {
    json_t *counts = json_object();
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(items, i, item) {
        const char *state = json_text(item, "state", "?");
        json_object_set_new(counts, state, json_integer((json_int_t)json_count(counts, state, 0) + 1));
    }
    return counts;
}

static void print_counts(struct cli *cli, const char *label, const json_t *counts, size_t total) {
    const char *state = NULL;
    json_t *n = NULL;
    char text[512];
    int used = snprintf(text, sizeof text, "%zu", total);
    json_object_foreach((json_t *)counts, state, n) {
        if (used > 0 && (size_t)used < sizeof text)
            used +=
                snprintf(text + used, sizeof text - (size_t)used, ", %lld %s", (long long)json_integer_value(n), state);
    }
    line(cli, label, text);
}

/* Of the gateway's node; silent where it is too old to know. */
static void key_line(struct cli *cli) {
    struct rest_reply reply = { 0 };
    struct vl_errmsg msg;
    char text[128];
    const struct rest_request q = { .method = "GET", .path = "/v1/keys" };
    if (cli_ask(cli, &q, &reply, &msg) == VL_OK && reply.json) {
        snprintf(text, sizeof text, "%llu days old, %s%s", (unsigned long long)(json_count(reply.json, "age_ms", 0) / 86400000),
                 json_flag(reply.json, "sealed") ? "sealed" : "not sealed",
                 json_flag(reply.json, "rotating") ? ", being replaced" : json_flag(reply.json, "due") ? ": replace them, village keys rotate" : "");
        line(cli, "keys", text);
    }
    rest_reply_free(&reply);
}

#define STATUS_JOBS 1000u

int command_status(struct cli *cli) {
    json_t *health = NULL, *info = NULL, *nodes = NULL, *jobs = NULL;
    int code = cli_call(cli, "GET", "/v1/system/health", NULL, &health);
    if (code == CLI_OK) code = cli_call(cli, "GET", "/v1/system/info", NULL, &info);
    if (code == CLI_OK) code = cli_list(cli, "/v1/fog/nodes", 100000, &nodes);
    if (code == CLI_OK) code = cli_list(cli, "/v1/fog/jobs", STATUS_JOBS, &jobs);
    if (code == CLI_OK) {
        json_t *node_counts = count_states(nodes), *job_counts = count_states(jobs);
        const char *state = json_text(health, "status", "?");
        char up[UNITS_TEXT];
        units_format_duration(json_count(health, "uptime_ms", 0), up);
        if (cli->json) {
            code = cli_print_json(cli, json_pack("{s:O,s:O,s:O,s:O}", "health", health, "info", info, "nodes",
                                                 node_counts, "jobs", job_counts));
        } else {
            line(cli, "gateway", cli->target.url);
            fputs(term_style(&cli->out, strcmp(state, "ok") == 0 ? TERM_GOOD : TERM_BAD), cli->out.file);
            line(cli, "health", state);
            line(cli, "version", json_text(health, "version", ""));
            line(cli, "up for", up);
            line(cli, "node", json_text(info, "name", ""));
            line(cli, "village", json_text(info, "village_id", ""));
            key_line(cli);
            print_counts(cli, "nodes", node_counts, json_array_size(nodes));
            print_counts(cli, json_array_size(jobs) == STATUS_JOBS ? "last jobs" : "jobs", job_counts,
                         json_array_size(jobs));
        }
        if (code == CLI_OK && strcmp(state, "ok") != 0) code = CLI_FAILED;
        json_decref(node_counts);
        json_decref(job_counts);
    }
    json_decref(health);
    json_decref(info);
    json_decref(nodes);
    json_decref(jobs);
    return code;
}
