#include "cli/handlers.h"
#include "cli/session.h"

#include "base/bounds.h"
#include "cli/units.h"
#include "trust/eth_tx.h"

#include <string.h>

/* "ADDR:PORT", "[ADDR]:PORT": an address without spaces, a port of 0..65535. Names are looked up later. */
static bool address_ok(const char *s) {
    const char *colon = strrchr(s, ':');
    int64_t port = 0;
    if (colon == NULL || colon == s || units_parse_integer(colon + 1, 0, 65535, &port) != VL_OK) return false;
    bool bracket = s[0] == '[';
    if (bracket && (colon - s < 3 || colon[-1] != ']')) return false;
    for (const char *p = s; p < colon; p++) {
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f) return false;
        if (*p == ':' && !bracket) return false; /* an IPv6 address needs its brackets */
    }
    return true;
}

static int anchor_of(struct cli *cli, struct cli_up_options *ret) {
    const struct cli_args *a = &cli->args;
    struct eth_address contract;
    if (args_text(a, "anchor-url") == NULL) {
        static const char *const alone[] = { "anchor-contract", "anchor-chain", "anchor-key-file", "anchor-plain" };
        for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++)
            if (args_has(a, alone[i])) return cli_fail(cli, CLI_USAGE, "--%s says nothing without --anchor-url", alone[i]);
        return CLI_OK;
    }
    if (!args_has(a, "anchor-chain") || !args_has(a, "anchor-contract"))
        return cli_fail(cli, CLI_USAGE, "--anchor-url needs --anchor-chain and --anchor-contract; `village anchor deploy` makes a contract");
    enum vl_err err = eth_address_parse(args_text(a, "anchor-contract"), &contract);
    if (err)
        return cli_fail(cli, CLI_USAGE, err == VL_ECRYPTO ? "--anchor-contract %s has a typing error: its letters' case does not fit" : "--anchor-contract %s is no address",
                        args_text(a, "anchor-contract"));
    ret->anchor.url = args_text(a, "anchor-url");
    ret->anchor.key_file = args_text(a, "anchor-key-file");
    ret->anchor.plain = args_has(a, "anchor-plain");
    ret->anchor.chain = (unsigned long long)args_number(a, "anchor-chain");
    ret->anchor.fee_max = (unsigned long long)args_number(a, "anchor-fee-max") * 1000000000ull;
    memcpy(ret->anchor.contract, contract.b, sizeof contract.b);
    ret->anchor.depth = (unsigned)args_number(a, "anchor-confirmations");
    ret->anchor.every = (vl_ms)args_number(a, "anchor-every");
    ret->anchor.patience = (vl_ms)args_number(a, "anchor-patience");
    return CLI_OK;
}

static int options_of(struct cli *cli, bool up, struct cli_up_options *ret) {
    const struct cli_args *a = &cli->args;
    static const char *const addresses[] = { "listen", "advertise", "gateway" };
    for (size_t i = 0; i < 3; i++)
        if (args_text(a, addresses[i]) && !address_ok(args_text(a, addresses[i])))
            return cli_fail(cli, CLI_USAGE, "--%s '%s' is no address such as 127.0.0.1:8000 or [::1]:8000",
                            addresses[i], args_text(a, addresses[i]));
    if (up && args_has(a, "no-gateway") && args_has(a, "gateway"))
        return cli_fail(cli, CLI_USAGE, "--gateway and --no-gateway exclude each other");
    if (args_has(a, "sensor-root") && !args_has(a, "harvest"))
        return cli_fail(cli, CLI_USAGE, "--sensor-root is for nodes with --harvest");
    static const enum vl_level levels[] = { VL_DEBUG, VL_INFO, VL_WARN, VL_ERROR };
    *ret = (struct cli_up_options){
        .data_dir = cli->data_dir,
        .name = args_text(a, "name"),
        .listen = args_text(a, "listen"),
        .advertise = args_text(a, "advertise"),
        .gateway = up && args_has(a, "no-gateway") ? NULL : args_text(a, "gateway"),
        .heartbeat_ms = (vl_ms)args_number(a, "heartbeat"),
        .lost_ms = (vl_ms)args_number(a, "lost"),
        .epoch_ms = up && args_has(a, "epoch") ? (vl_ms)args_number(a, "epoch") : 0,
        .slots = args_has(a, "slots") ? (unsigned)args_number(a, "slots") : 0,
        .mix = args_has(a, "mix"),
        .mix_rate = args_has(a, "mix-rate") ? (unsigned)args_number(a, "mix-rate") : 0,
        .family = args_text(a, "family"),
        .no_cover = args_has(a, "no-cover"),
        .harvest = args_has(a, "harvest"),
        .sensor_root = args_text(a, "sensor-root"),
        .attest_policy = up ? args_text(a, "attest-policy") : NULL,
        .attest_dir = up ? args_text(a, "attest-dir") : NULL,
        .tpm = args_text(a, "tpm"),
        .ek_cert = args_text(a, "ek-cert"),
        .qgs = args_text(a, "qgs"),
        .device_root = args_text(a, "device-root"),
        .ask = args_has(a, "ask") ? (unsigned long long)args_number(a, "ask") : 0,
        .price = up && args_has(a, "price") ? (unsigned long long)args_number(a, "price") : 0,
        .cost = args_has(a, "cost") ? (unsigned long long)args_number(a, "cost") : 0,
        .rotate_after_ms = args_has(a, "rotate-after") ? (unsigned long long)args_number(a, "rotate-after") : 0,
        .passphrase_file = args_text(a, "passphrase-file"),
        .key_tpm = args_text(a, "key-tpm"),
        .key_module = args_text(a, "pkcs11"),
        .pin_file = args_text(a, "pin-file"),
        .log_form = cli->json || strcmp(args_text(a, "log"), "json") == 0 ? VL_LOG_JSON : VL_LOG_FMT,
        .log_level = levels[args_has(a, "log-level") ? (size_t)args_number(a, "log-level") : 1],
    };
    for (size_t i = 0; i < a->n_given; i++) {
        if (strcmp(a->given[i].option->name, "label") != 0) continue;
        if (ret->n_labels == CLI_LABELS_MAX) return cli_fail(cli, CLI_USAGE, "--label: at most %u", CLI_LABELS_MAX);
        ret->labels[ret->n_labels++] = a->given[i].text;
    }
    return up ? anchor_of(cli, ret) : CLI_OK;
}

int command_up(struct cli *cli) {
    struct cli_up_options options;
    int code = options_of(cli, true, &options);
    return code == CLI_OK ? cli->hooks->up(&options) : code;
}

int command_join(struct cli *cli) {
    struct cli_up_options options;
    const char *ticket = cli->args.n_operands ? cli->args.operands[0] : "";
    int code = options_of(cli, false, &options);
    if (code != CLI_OK) return code;
    if ((*ticket && strncmp(ticket, "vl1", 3) != 0) || strlen(ticket) > CLI_TICKET_MAX)
        return cli_fail(cli, CLI_USAGE,
                        "that is no ticket: it begins with vl1 and comes from `village ticket` on a member");
    options.ticket = ticket;
    return cli->hooks->join(&options);
}

int command_runner(struct cli *cli) {
    char **from = cli->argv;
    int argc = cli->argc;
    while (argc > 0 && strcmp(*from, "runner") != 0) {
        from++;
        argc--;
    }
    return cli->hooks->runner(argc, from);
}
