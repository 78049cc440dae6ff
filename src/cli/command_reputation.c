#include "cli/handlers.h"
#include "cli/session.h"

#include "base/text.h"
#include "crypto/node_id.h"

#include <stdlib.h>
#include <string.h>

#define EVIDENCE_SHOWN 10u /* the newest, to people; --json has all */
#define HEX_MAX (64u << 10)

static const char *const dimensions[] = { "correct", "in_time", "honest", "available" };
#define DIMENSIONS (sizeof dimensions / sizeof dimensions[0])

void cli_trust_cell(struct term_table *t, const json_t *node, const char *key, uint64_t whole) {
    if (!json_is_integer(json_object_get(node, key))) {
        term_table_cell(t, "-", TERM_DIM);
        return;
    }
    uint64_t milli = json_count(node, key, 0) * 1000 / whole;
    term_table_cellf(t, json_flag(node, "flagged") ? TERM_DIM : TERM_PLAIN, "%llu.%03llu",
                     (unsigned long long)milli / 1000, (unsigned long long)milli % 1000);
}

static const char *verdict_of(const json_t *score) {
    return json_flag(score, "trusted") ? "trusted" : json_flag(score, "flagged") ? "new" : "not trusted";
}

static enum term_style verdict_style(const json_t *score) {
    return json_flag(score, "trusted") ? TERM_GOOD : json_flag(score, "flagged") ? TERM_DIM : TERM_WARN;
}

static int list(struct cli *cli) {
    static const struct term_column columns[] = {
        { .title = "NAME", .trim = true },      { .title = "ID" },
        { .title = "" },                        { .title = "TRUST", .right = true },
        { .title = "DOUBT", .right = true },    { .title = "CORRECT", .right = true },
        { .title = "IN TIME", .right = true },  { .title = "HONEST", .right = true },
        { .title = "PRESENT", .right = true },  { .title = "WRONG", .right = true },
        { .title = "EVIDENCE", .right = true },
    };
    json_t *items = NULL;
    int code = cli_list(cli, "/v1/fog/reputation", 100000, &items);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:o}", "items", items));
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *s = NULL;
    json_array_foreach(items, i, s) {
        term_table_cell(table, json_text(s, "name", ""), TERM_BOLD);
        term_table_cell(table, cli_short(cli, json_text(s, "id", "?")), TERM_PLAIN);
        term_table_cell(table, verdict_of(s), verdict_style(s));
        cli_trust_cell(table, s, "trust_ppm", 1000000);
        cli_trust_cell(table, s, "doubt_ppm", 1000000);
        for (size_t d = 0; d < DIMENSIONS; d++)
            cli_trust_cell(table, json_object_get(json_object_get(s, "dimensions"), dimensions[d]), "lower_ppm", 1000000);
        cli_trust_cell(table, s, "error_ppm", 1000000);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(s, "pieces", 0));
    }
    if (json_array_size(items) == 0)
        cli_note(cli, "this node keeps no reputations: ask the gateway of the first node (--server)");
    else
        term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(items);
    return CLI_OK;
}

/* ---- the check ---------------------------------------------------------------------------------------------------- */

static bool hex_take(const char *text, struct vl_buf *out) {
    size_t n = strlen(text) / 2;
    if (strlen(text) % 2 != 0 || n > HEX_MAX || vl_buf_reserve(out, n) || vl_hex_decode(text, out->p + out->len, n))
        return false;
    out->len += n;
    return true;
}

static bool evidence_take(const json_t *score, struct vl_buf *state, struct vl_buf *records) {
    size_t i = 0;
    const json_t *e = NULL;
    if (!hex_take(json_text(score, "state", ""), state)) return false;
    json_array_foreach(json_object_get(score, "items"), i, e) if (!hex_take(json_text(e, "record", ""), records)) return false;
    return true;
}

/* Whether the coordinator signed it: the node whose gateway answers keeps the books. */
static int signer_check(struct cli *cli, const struct cli_reputation *r, char problem[256]) {
    json_t *info = NULL;
    struct vl_node_id by;
    char text[NODE_ID_TEXT];
    int code = cli_call(cli, "GET", "/v1/system/info", NULL, &info);
    if (code != CLI_OK) return code;
    memcpy(by.b, r->by, sizeof by.b);
    node_id_format(by, text);
    if (r->records_n > 0 && strcmp(text, json_text(info, "node_id", "")) != 0)
        snprintf(problem, 256, "the evidence is signed by %s, which is not this coordinator", text);
    json_decref(info);
    return CLI_OK;
}

static bool same(const json_t *score, const char *key, unsigned got) { return json_count(score, key, UINT64_MAX) == got; }

/* An exit code; *problem empty when the score is what the evidence gives. */
static int check(struct cli *cli, const json_t *score, char problem[256]) {
    struct vl_buf state, records;
    int code = CLI_OK;
    problem[0] = '\0';
    if (json_count(score, "pieces", 0) == 0) return CLI_OK; /* a newcomer: nothing is claimed */
    vl_buf_init(&state, HEX_MAX);
    vl_buf_init(&records, 4 * HEX_MAX);
    if (!evidence_take(score, &state, &records)) {
        snprintf(problem, 256, "the answer carries no evidence that can be read");
    } else {
        struct cli_reputation r = { .state = state.p,
                                    .state_n = state.len,
                                    .records = records.p,
                                    .records_n = records.len,
                                    .base_milli = (unsigned)json_count(score, "base_milli", 0),
                                    .at_ms = json_count(score, "at_ms", 0) };
        if (cli->hooks->reputation(&r, problem) == 0) {
            if (!same(score, "trust_ppm", r.trust_ppm) || !same(score, "doubt_ppm", r.doubt_ppm) ||
                !same(score, "error_ppm", r.error_ppm))
                snprintf(problem, 256, "the evidence gives a trust of %u and a doubt of %u millionths", r.trust_ppm,
                         r.doubt_ppm);
            else
                code = signer_check(cli, &r, problem);
        }
    }
    vl_buf_free(&state);
    vl_buf_free(&records);
    return code;
}

/* ---- one node ----------------------------------------------------------------------------------------------------- */

static void print_dimensions(struct cli *cli, const json_t *score) {
    static const struct term_column columns[] = {
        { .title = "PROMISE" },
        { .title = "LOWER", .right = true },
        { .title = "EXPECTED", .right = true },
        { .title = "UPPER", .right = true },
        { .title = "DOUBT", .right = true },
        { .title = "GOOD", .right = true },
        { .title = "BAD", .right = true },
    };
    static const char *const names[DIMENSIONS] = { "correct", "in time", "honest", "present" };
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    for (size_t d = 0; d < DIMENSIONS; d++) {
        const json_t *v = json_object_get(json_object_get(score, "dimensions"), dimensions[d]);
        term_table_cell(table, names[d], TERM_BOLD);
        cli_trust_cell(table, v, "lower_ppm", 1000000);
        cli_trust_cell(table, v, "expect_ppm", 1000000);
        cli_trust_cell(table, v, "upper_ppm", 1000000);
        cli_trust_cell(table, v, "doubt_ppm", 1000000);
        cli_trust_cell(table, v, "good_micro", 1000000);
        cli_trust_cell(table, v, "bad_micro", 1000000);
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
}

static void print_evidence(struct cli *cli, const json_t *score) {
    static const struct term_column columns[] = {
        { .title = "PIECE", .right = true }, { .title = "WHEN" },  { .title = "WHAT" },
        { .title = "WEIGHT", .right = true }, { .title = "JOB" }, { .title = "TASK", .right = true },
    };
    const json_t *items = json_object_get(score, "items");
    size_t n = json_array_size(items);
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = n > EVIDENCE_SHOWN ? n - EVIDENCE_SHOWN : 0; i < n; i++) {
        const json_t *e = json_array_get(items, i);
        char ago[CLI_AGO_TEXT];
        cli_ago(json_count(e, "at_ms", 0), ago);
        term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(e, "seq", 0));
        term_table_cell(table, ago, TERM_PLAIN);
        term_table_cell(table, json_text(e, "kind", "?"), TERM_PLAIN);
        cli_trust_cell(table, e, "weight_milli", 1000);
        const char *job = json_text(e, "job", "");
        term_table_cell(table, *job ? cli_short(cli, job) : "-", TERM_PLAIN);
        if (*job)
            term_table_cellf(table, TERM_PLAIN, "%llu", (unsigned long long)json_count(e, "task", 0));
        else
            term_table_cell(table, "-", TERM_PLAIN);
    }
    if (n > 0) {
        fputc('\n', cli->out.file);
        term_table_print(table, &cli->out);
    }
    term_table_destroy(table);
}

static int print_one(struct cli *cli, json_t *score, bool checked, const char *problem) {
    if (cli->json) {
        if (checked)
            json_object_set_new(score, "check", json_pack("{s:b,s:s}", "matches", *problem == '\0', "detail",
                                                          *problem ? problem : "the score follows from the evidence"));
        int code = cli_print_json(cli, score);
        return code == CLI_OK && *problem ? CLI_FAILED : code;
    }
    fprintf(cli->out.file, "%s%s%s ", term_style(&cli->out, TERM_BOLD), json_text(score, "id", "?"),
            term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, json_text(score, "name", ""));
    fprintf(cli->out.file, "\n%s%s%s, of %llu pieces of evidence; wrong results: at most %llu in a million (95 %%)\n",
            term_style(&cli->out, verdict_style(score)), verdict_of(score), term_style(&cli->out, TERM_PLAIN),
            (unsigned long long)json_count(score, "pieces", 0), (unsigned long long)json_count(score, "error_ppm", 0));
    print_dimensions(cli, score);
    print_evidence(cli, score);
    if (json_count(score, "pieces", 0) == 0) {
        json_decref(score);
        if (checked) fputs("\nchecked: nothing is known of it, and nothing claimed\n", cli->out.file);
        return CLI_OK;
    }
    json_decref(score);
    if (*problem) return cli_fail(cli, CLI_FAILED, "this score does not hold: %s", problem);
    if (checked) fputs("\nchecked: the score follows from the evidence, which the coordinator signed\n", cli->out.file);
    return CLI_OK;
}

static int show(struct cli *cli, const char *id) {
    char path[128], problem[256] = "";
    bool checking = args_has(&cli->args, "check");
    json_t *score = NULL;
    snprintf(path, sizeof path, "/v1/fog/reputation/%s?limit=1000", id); /* more than is ever kept: one page */
    int code = CLI_OK;
    for (unsigned tries = 0; tries < 3; tries++) { /* a piece may come between the reads of sums and list */
        json_decref(score);
        score = NULL;
        code = cli_call(cli, "GET", path, NULL, &score);
        if (code == CLI_OK && checking) code = check(cli, score, problem);
        if (code != CLI_OK || *problem == '\0') break;
    }
    if (code == CLI_OK) return print_one(cli, score, checking, problem);
    json_decref(score);
    return code;
}

int command_reputation(struct cli *cli) {
    char id[CLI_NODE_ID_MAX];
    struct vl_node_id whole;
    if (cli->args.n_operands == 0) {
        if (args_has(&cli->args, "check"))
            return cli_fail(cli, CLI_USAGE, "name the node to check, such as `village reputation attic --check`");
        return list(cli);
    }
    const char *typed = cli->args.operands[0];
    if (node_id_parse(typed, &whole) == VL_OK) return show(cli, typed); /* also of one that was expelled */
    int code = cli_find_node(cli, typed, id);
    return code == CLI_OK ? show(cli, id) : code;
}
