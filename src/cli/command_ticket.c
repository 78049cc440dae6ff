#include "cli/handlers.h"
#include "cli/session.h"

#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 2 /* light modules around the code; 4 by ISO/IEC 18004 6.3.8, 2 are enough for phones and keep it small  \
                 */

/* Two rows of modules in one line of half blocks. Explicit colours: dark on light whatever the terminal's theme is. */
static void print_qr(const struct term *t, const char *text) {
    static const char *const blocks[] = { " ", "▄", "▀", "█" };
    QRcode *qr = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
    if (qr == NULL) return;
    int w = qr->width;
    if (t->width == 0 || (unsigned)(w + 2 * QUIET) <= t->width) {
        for (int y = -QUIET; y < w + QUIET; y += 2) {
            fputs("\033[30;107m", t->file);
            for (int x = -QUIET; x < w + QUIET; x++) {
                bool inside = x >= 0 && x < w;
                bool top = inside && y >= 0 && y < w && (qr->data[y * w + x] & 1);
                bool low = inside && y + 1 >= 0 && y + 1 < w && (qr->data[(y + 1) * w + x] & 1);
                fputs(blocks[(top ? 2 : 0) | (low ? 1 : 0)], t->file);
            }
            fputs("\033[0m\n", t->file);
        }
    }
    QRcode_free(qr);
}

int command_ticket(struct cli *cli) {
    json_t *body = json_pack("{s:I,s:I}", "uses", (json_int_t)args_number(&cli->args, "uses"), "ttl_s",
                             (json_int_t)(args_number(&cli->args, "ttl") / 1000));
    json_t *ticket = NULL;
    int code = cli_call(cli, "POST", "/v1/tickets", body, &ticket);
    json_decref(body);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, ticket);
    const char *text = json_text(ticket, "ticket", "");
    size_t n = strlen(text);
    char at[25];
    vl_ms_format(json_count(ticket, "expires_ms", 0), at);
    if (n == 0 || n > CLI_TICKET_MAX) {
        code = cli_fail(cli, CLI_FAILED, "the gateway's answer holds no ticket");
    } else {
        if (cli->out.tty && !args_has(&cli->args, "no-qr")) print_qr(&cli->out, text);
        term_puts(&cli->out, text);
        fputc('\n', cli->out.file);
        uint64_t uses = json_count(ticket, "uses", 1);
        cli_note(cli, "good for %llu node%s until %s. On the other machine: village join TICKET",
                 (unsigned long long)uses, uses == 1 ? "" : "s", at);
        cli_note(cli, "take it back: village revoke %s", json_text(ticket, "id", "?"));
    }
    json_decref(ticket);
    return code;
}

int command_tickets(struct cli *cli) {
    static const struct term_column columns[] = { { .title = "ID" },
                                                  { .title = "USED", .right = true },
                                                  { .title = "STATE" },
                                                  { .title = "MADE" },
                                                  { .title = "EXPIRES" } };
    json_t *items = NULL;
    int code = cli_list(cli, "/v1/tickets", 100000, &items);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:o}", "items", items));
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    size_t i = 0;
    const json_t *t = NULL;
    vl_ms now = cli_now();
    json_array_foreach(items, i, t) {
        char made[CLI_AGO_TEXT], at[25];
        uint64_t uses = json_count(t, "uses", 0), used = json_count(t, "used", 0), end = json_count(t, "expires_ms", 0);
        const char *state = json_flag(t, "revoked") ? "revoked"
                            : end <= now            ? "expired"
                            : used >= uses          ? "used up"
                                                    : "good";
        cli_ago(json_count(t, "created_ms", 0), made);
        vl_ms_format(end, at);
        term_table_cell(table, json_text(t, "id", "?"),
                        TERM_PLAIN); /* ids of tickets are short, and `revoke` needs them */
        term_table_cellf(table, TERM_PLAIN, "%llu/%llu", (unsigned long long)used, (unsigned long long)uses);
        term_table_cell(table, state, strcmp(state, "good") == 0 ? TERM_GOOD : TERM_DIM);
        term_table_cell(table, made, TERM_PLAIN);
        term_table_cell(table, at, TERM_PLAIN);
    }
    if (json_array_size(items) == 0)
        cli_note(cli, "no tickets; make one: village ticket");
    else
        term_table_print(table, &cli->out);
    term_table_destroy(table);
    json_decref(items);
    return CLI_OK;
}

int command_revoke(struct cli *cli) {
    const char *id = cli->args.operands[0];
    char *escaped = cli_escape(id), *path = NULL;
    if (strlen(id) == 0 || strlen(id) > 128) {
        free(escaped);
        return cli_fail(cli, CLI_USAGE, "that is no ticket id: `village tickets` lists them");
    }
    int code = CLI_FAILED;
    if (escaped == NULL || asprintf(&path, "/v1/tickets/%s", escaped) < 0) {
        path = NULL;
        code = cli_fail(cli, CLI_FAILED, "out of memory");
    } else {
        code = cli_call(cli, "DELETE", path, NULL, NULL);
    }
    free(path);
    free(escaped);
    if (code == CLI_NOT_FOUND) cli_note(cli, "`village tickets` lists the ids");
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s,s:b}", "id", id, "revoked", 1));
    cli_note(cli, "the ticket lets nobody in any more");
    return CLI_OK;
}
