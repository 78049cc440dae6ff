/* Where members run, by evidence: what the village found of this node and of others, and asking again. */
#include "cli/artefact.h"
#include "cli/handlers.h"
#include "cli/session.h"

#include <string.h>

static void level(struct cli *cli, const char *label, const json_t *o, const char *key) {
    unsigned long long v = json_count(o, key, 0);
    fprintf(cli->out.file, "%s%-12s%s%llu.%03llu\n", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN), v / 1000, v % 1000);
}

static void line(struct cli *cli, const char *label, const char *text) {
    fprintf(cli->out.file, "%s%-12s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

static int status(struct cli *cli) {
    json_t *o = NULL;
    size_t i;
    json_t *p;
    char ago[CLI_AGO_TEXT];
    int code = cli_call(cli, "GET", "/v1/fog/tee/status", NULL, &o);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, o);
    const json_t *v = json_object_get(o, "village");
    level(cli, "level", v, "level_milli");
    if (json_flag(v, "quarantined")) line(cli, "quarantine", "gets no tasks and may send no jobs until it shows more");
    line(cli, "reason", json_text(v, "reason", ""));
    if (json_flag(v, "known")) {
        cli_ago(json_count(v, "verified_ms", 0), ago);
        line(cli, "verified", ago);
    }
    json_array_foreach(json_object_get(o, "providers"), i, p) if (json_flag(p, "present"))
        line(cli, json_text(p, "provider", "?"), json_text(p, "why", ""));
    json_array_foreach(json_object_get(o, "contexts"), i, p)
        line(cli, "context", json_text(p, "job", json_text(p, "provider", "?")));
    json_decref(o);
    return CLI_OK;
}

static int ask(struct cli *cli, const char *name) {
    char id[CLI_NODE_ID_MAX], path[160];
    int code = cli_find_node(cli, name, id);
    if (code != CLI_OK) return code;
    snprintf(path, sizeof path, "/v1/fog/nodes/%s/attest", id);
    json_t *body = json_object();
    code = cli_call(cli, "POST", path, body, NULL);
    json_decref(body);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "id", id));
    cli_note(cli, "%s is asked; `village nodes %s` shows what comes of it", name, name);
    return CLI_OK;
}

static int show(struct cli *cli, const char *name, const char *file) {
    char id[CLI_NODE_ID_MAX], path[160];
    json_t *o = NULL;
    int code = cli_find_node(cli, name, id);
    if (code != CLI_OK) return code;
    snprintf(path, sizeof path, "/v1/fog/nodes/%s/attestation", id);
    code = cli_call(cli, "GET", path, NULL, &o);
    if (code != CLI_OK) return code;
    const char *result = json_text(o, "result", "");
    if (file) code = artefact_write(cli, file, vl_span_str(result));
    if (code == CLI_OK && cli->json) return cli_print_json(cli, o);
    if (code == CLI_OK && file == NULL) fputs(result, cli->out.file);
    if (code == CLI_OK && file) cli_note(cli, "%s holds the signed result; `village verify %s` checks it", file, file);
    json_decref(o);
    return code;
}

int command_attest(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    const char *what = a->n_operands ? a->operands[0] : "status";
    if (strcmp(what, "status") == 0 && a->n_operands < 2) return status(cli);
    if (strcmp(what, "ask") == 0 && a->n_operands == 2) return ask(cli, a->operands[1]);
    if (strcmp(what, "show") == 0 && a->n_operands >= 2) return show(cli, a->operands[1], a->n_operands > 2 ? a->operands[2] : NULL);
    return cli_fail(cli, CLI_USAGE, "say `village attest`, `village attest ask NODE` or `village attest show NODE [FILE]`");
}
