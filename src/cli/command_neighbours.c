/* command_neighbours.c - `village neighbours`, `village availability`, `village keep`: draws of the epoch, who was there, what is kept. */
#include "cli/artefact.h"
#include "cli/command_sla.h"
#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/units.h"

#include "base/text.h"

#include <string.h>

static void line(struct cli *cli, const char *label, const char *text) {
    fprintf(cli->out.file, "%s%-14s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

static unsigned long long count(const json_t *o, const char *key) { return (unsigned long long)json_count(o, key, 0); }

/* An artefact that the gateway makes, into a file. */
static int write_proof(struct cli *cli, json_t *question, const char *path) {
    json_t *answer = NULL;
    int code = cli_call(cli, "POST", "/v1/fog/proofs/generate", question, &answer);
    json_decref(question);
    if (code != CLI_OK) return code;
    code = artefact_write(cli, path, vl_span_str(json_text(answer, "artefact", "")));
    json_decref(answer);
    return code;
}

static void show_checks(struct cli *cli, const json_t *t) {
    const json_t *c = json_object_get(t, "checks"), *a = json_object_get(t, "challenges");
    char text[256];
    snprintf(text, sizeof text, "%llu epochs recomputed, %llu states taken, %llu certificates of others right, %llu messages refused", count(c, "epochs_recomputed"),
             count(c, "states_taken"), count(c, "certificates_checked"), count(c, "refused"));
    line(cli, "checks", text);
    if (count(c, "rolls_refused") + count(c, "books_differed") + count(c, "reveals_left_out") > 0) {
        snprintf(text, sizeof text, "rolls refused %llu, books that differed %llu, own reveals left out %llu", count(c, "rolls_refused"), count(c, "books_differed"),
                 count(c, "reveals_left_out"));
        line(cli, "coordinator", text);
    }
    snprintf(text, sizeof text, "witness of %llu; %llu asked, %llu answered, %llu not; %llu own answers", count(t, "witness_of"), count(a, "asked"), count(a, "answered"),
             count(a, "unanswered"), count(a, "own_answers"));
    line(cli, "challenges", text);
}

static void show_list(struct cli *cli, const json_t *t, const char *key, const char *label) {
    size_t i = 0;
    const json_t *id = NULL;
    json_array_foreach(json_object_get(t, key), i, id) line(cli, i == 0 ? label : "", json_string_value(id) ? json_string_value(id) : "?");
}

int command_neighbours(struct cli *cli) {
    const char *path = args_text(&cli->args, "certificate");
    char text[256];
    json_t *t = NULL;
    int code = path ? write_proof(cli, json_pack("{s:s}", "kind", "neighbours"), path) : CLI_OK;
    if (code == CLI_OK) code = cli_call(cli, "GET", "/v1/fog/neighbours", NULL, &t);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, t);
    if (!json_flag(t, "known")) {
        line(cli, "state", "nothing from the coordinator yet");
        json_decref(t);
        return CLI_OK;
    }
    snprintf(text, sizeof text, "%llu, of %llu s", count(t, "epoch"), count(t, "epoch_ms") / 1000);
    line(cli, "epoch", text);
    line(cli, "seed", json_text(t, "seed", "?"));
    snprintf(text, sizeof text, "%llu members; weight %llu of %llu; %llu silences", count(t, "members"), count(t, "weight"), count(t, "weight_of_all"), count(t, "silences"));
    line(cli, "roll", text);
    show_list(cli, t, "neighbours", "neighbours");
    show_list(cli, t, "next", "next epoch");
    if (json_array_size(json_object_get(t, "neighbours")) == 0) cli_note(cli, "no neighbours in this epoch: a member is drawn, and draws, from the fourth epoch on after it joined");
    show_checks(cli, t);
    if (path) cli_note(cli, "%s: anybody checks it with `village verify %s`", path, path);
    json_decref(t);
    return CLI_OK;
}

int command_availability(struct cli *cli) {
    char id[CLI_NODE_ID_MAX];
    const char *path = args_text(&cli->args, "output");
    int code = CLI_OK;
    if (args_has(&cli->args, "prove")) return command_sla_prove(cli, args_text(&cli->args, "prove"));
    if (cli->args.n_operands > 0) {
        code = cli_find_node(cli, cli->args.operands[0], id);
    } else {
        json_t *t = NULL;
        code = cli_call(cli, "GET", "/v1/fog/neighbours", NULL, &t);
        if (code == CLI_OK) snprintf(id, sizeof id, "%s", json_text(t, "node", ""));
        json_decref(t);
    }
    if (code != CLI_OK) return code;
    if (args_has(&cli->args, "issue")) return command_sla_issue(cli, id, args_text(&cli->args, "issue"));
    code = write_proof(cli, json_pack("{s:s, s:s}", "kind", "availability", "node", id), path);
    if (code != CLI_OK) return code;
    if (strcmp(path, "-") == 0) return CLI_OK;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s, s:s}", "file", path, "node", id));
    cli_note(cli, "%s: what it says, and whether it holds, tells `village verify %s`", path, path);
    return CLI_OK;
}

int command_keep(struct cli *cli) {
    const char *hash = cli->args.operands[0];
    uint8_t blob[32];
    if (strlen(hash) != 64 || vl_hex_decode(hash, blob, sizeof blob))
        return cli_fail(cli, CLI_USAGE, "'%s' is no hash of a blob, which has 64 hex digits; `village job ID --json` shows those of its inputs and outputs", hash);
    json_t *body = json_pack("{s:s}", "blob", hash);
    int code = cli_call(cli, "POST", "/v1/fog/kept", body, NULL);
    json_decref(body);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "blob", hash));
    cli_note(cli, "this node promises to keep it: witnesses ask a random chunk of it with every challenge");
    return CLI_OK;
}
