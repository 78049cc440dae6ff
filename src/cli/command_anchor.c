/* command_anchor.c - `village anchor`: heads of the log of receipts on a chain.  `verify` asks nobody. */
#include "cli/handlers.h"
#include "cli/session.h"

#include "base/text.h"
#include "crypto/node_id.h"
#include "os/file.h"
#include "trust/anchor_artefact.h"
#include "wire/armor.h"
#include "wire/task.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DEPLOY_WAIT_MS 180000u

static void line(struct cli *cli, const char *label, const char *text) {
    fprintf(cli->out.file, "%s%-14s%s", term_style(&cli->out, TERM_DIM), label, term_style(&cli->out, TERM_PLAIN));
    term_puts(&cli->out, text);
    fputc('\n', cli->out.file);
}

__attribute__((format(printf, 3, 4))) static void linef(struct cli *cli, const char *label, const char *fmt, ...) {
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    line(cli, label, text);
}

static unsigned long long count(const json_t *o, const char *name) { return (unsigned long long)json_count(o, name, 0); }

/* ---- status --------------------------------------------------------------------------------------------------------------- */

static void status_print(struct cli *cli, const json_t *v) {
    const json_t *p = json_object_get(v, "pending");
    line(cli, "state", json_text(v, "state", "?"));
    linef(cli, "chain", "%llu, by %s", count(v, "chain"), json_text(v, "server", "?"));
    line(cli, "contract", json_text(v, "contract", "?"));
    line(cli, "account", json_text(v, "account", "?"));
    if (count(v, "size") > 0)
        linef(cli, "anchored", "%llu of %llu receipts, block %llu and %llu on top", count(v, "size"), count(v, "log_size"), count(v, "block"), count(v, "confirmations"));
    else
        linef(cli, "anchored", "none of %llu receipts", count(v, "log_size"));
    if (json_is_object(p) && count(p, "block") > 0)
        linef(cli, "on its way", "%llu receipts, in block %llu, nonce %llu", count(p, "size"), count(p, "block"), count(p, "nonce"));
    else if (json_is_object(p))
        linef(cli, "on its way", "%llu receipts, nonce %llu, transaction %llu of it, at most %llu.%03llu gwei per gas", count(p, "size"), count(p, "nonce"), count(p, "tries"),
              count(p, "fee_wei") / 1000000000u, count(p, "fee_wei") / 1000000u % 1000u);
    if (count(v, "reorgs") > 0) linef(cli, "reorganised", "%llu times a block with an anchor went away", count(v, "reorgs"));
}

static int status(struct cli *cli) {
    json_t *v = NULL;
    int code = cli_call(cli, "GET", "/v1/fog/anchors", NULL, &v);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, v);
    if (!json_flag(v, "on")) {
        cli_note(cli, "the log of receipts is anchored nowhere: start the first node with --anchor-url; see `village help anchor`");
        json_decref(v);
        return CLI_OK;
    }
    status_print(cli, v);
    const char *problem = json_text(v, "problem", NULL);
    if (problem) code = cli_fail(cli, CLI_FAILED, "no anchor for now: %s", problem);
    json_decref(v);
    return code;
}

/* ---- account, deploy ------------------------------------------------------------------------------------------------------ */

static int own_chain(struct cli *cli, bool deploy) {
    const struct cli_args *a = &cli->args;
    char path[CLI_PATH_MAX + 16], problem[256] = "", balance[32];
    struct cli_chain c = { .url = args_text(a, "anchor-url"), .plain = args_has(a, "anchor-plain"), .deploy = deploy, .wait_ms = DEPLOY_WAIT_MS,
                           .chain = args_has(a, "anchor-chain") ? (unsigned long long)args_number(a, "anchor-chain") : 0,
                           .fee_max = (unsigned long long)args_number(a, "anchor-fee-max") * 1000000000ull };
    if (deploy && (c.url == NULL || c.chain == 0))
        return cli_fail(cli, CLI_USAGE, "say where: --anchor-url https://... --anchor-chain N; the account of `village anchor account` pays");
    snprintf(path, sizeof path, "%s/anchor.key", cli->data_dir);
    c.key_file = args_has(a, "anchor-key-file") ? args_text(a, "anchor-key-file") : path;
    if (c.key_file == path && os_mkdir_all(cli->data_dir, 0700) != VL_OK) return cli_fail(cli, CLI_FAILED, "the data folder %s cannot be made", cli->data_dir);
    int failed = cli->hooks->chain(&c, problem);
    snprintf(balance, sizeof balance, "%llu", c.balance_wei);
    if (failed && c.contract[0]) return cli_fail(cli, CLI_FAILED, "%s: %s will be at %s; see whether transaction %s gets into a block", problem, "the contract", c.contract, c.tx);
    if (failed) return cli_fail(cli, CLI_FAILED, "%s", problem);
    if (cli->json && deploy)
        return cli_print_json(cli, json_pack("{s:s,s:s,s:s,s:I,s:I,s:I}", "contract", c.contract, "account", c.account, "tx", c.tx, "block", (json_int_t)c.block, "gas",
                                             (json_int_t)c.gas, "chain", (json_int_t)c.is_chain));
    if (cli->json && c.url == NULL) return cli_print_json(cli, json_pack("{s:s,s:s}", "account", c.account, "key_file", c.key_file));
    if (cli->json)
        return cli_print_json(cli, json_pack("{s:s,s:s,s:I,s:s,s:I}", "account", c.account, "key_file", c.key_file, "chain", (json_int_t)c.is_chain, "balance_wei", balance,
                                             "nonce", (json_int_t)c.nonce));
    line(cli, "account", c.account);
    line(cli, "key", c.key_file);
    if (c.url) linef(cli, "chain", "%llu", c.is_chain);
    if (c.url && !deploy) linef(cli, "balance", "%s%llu.%09llu ether", c.balance_wei == ULLONG_MAX ? "more than " : "", c.balance_wei / 1000000000000000000ull, c.balance_wei / 1000000000ull % 1000000000ull);
    if (!deploy) return CLI_OK;
    linef(cli, "contract", "%s, in block %llu, for %llu gas", c.contract, c.block, c.gas);
    cli_note(cli, "start the first node with --anchor-url ... --anchor-chain %llu --anchor-contract %s", c.is_chain, c.contract);
    return CLI_OK;
}

/* ---- prove ---------------------------------------------------------------------------------------------------------------- */

static int prove(struct cli *cli) {
    char path[64];
    json_t *v = NULL;
    const char *which = cli->args.n_operands > 1 ? cli->args.operands[1] : "newest", *out = args_text(&cli->args, "output");
    if (strcmp(which, "newest") != 0 && (strspn(which, "0123456789") != strlen(which) || strlen(which) > 15))
        return cli_fail(cli, CLI_USAGE, "'%s' is no number of a receipt in the log: `village receipts JOB` shows them as LEAF", which);
    snprintf(path, sizeof path, "/v1/fog/anchors/%s", which);
    int code = cli_call(cli, "GET", path, NULL, &v);
    if (code != CLI_OK) return code;
    const char *text = json_text(v, "artefact", "");
    if (out) {
        enum vl_err err = os_file_write(out, text, strlen(text), 0644);
        if (err) code = cli_fail(cli, CLI_FAILED, "cannot write %s: %s", out, vl_err_text(err));
    }
    if (code == CLI_OK && cli->json) return cli_print_json(cli, v);
    if (code == CLI_OK && out) cli_note(cli, "%s: check it with `village anchor verify %s`, and give it to whom it concerns", out, out);
    if (code == CLI_OK && out == NULL) fputs(text, cli->out.file);
    json_decref(v);
    return code;
}

/* ---- verify --------------------------------------------------------------------------------------------------------------- */

struct expected {
    bool has_block, has_contract, has_signer;
    struct vl_hash block;
    struct eth_address contract;
    struct vl_node_id signer;
};

static int expected_of(struct cli *cli, struct expected *e) {
    const char *block = args_text(&cli->args, "block"), *contract = args_text(&cli->args, "anchor-contract"), *signer = args_text(&cli->args, "signer");
    *e = (struct expected){ .has_block = block != NULL, .has_contract = contract != NULL, .has_signer = signer != NULL };
    if (block && strncmp(block, "0x", 2) == 0) block += 2;
    if (block && (strlen(block) != 64 || vl_hex_decode(block, e->block.b, 32) != VL_OK)) return cli_fail(cli, CLI_USAGE, "--block is no hash: 0x and 64 small hexadecimal digits");
    if (contract && eth_address_parse(contract, &e->contract) != VL_OK) return cli_fail(cli, CLI_USAGE, "--anchor-contract %s is no address", contract);
    if (signer && node_id_parse(signer, &e->signer) != VL_OK) return cli_fail(cli, CLI_USAGE, "--signer %s is no whole node id", signer);
    return CLI_OK;
}

static enum vl_err artefact_read(const char *path, struct vl_buf *ret) {
    struct vl_buf text;
    char label[ARMOR_LABEL_MAX + 1];
    vl_buf_init(&text, 2 * ANCHOR_ARTEFACT_MAX);
    enum vl_err err = os_file_read(path, &text);
    if (err == VL_OK && (armor_read(vl_span(text.p, text.len), label, ret) != VL_OK || strcmp(label, ANCHOR_ARTEFACT_LABEL) != 0)) err = VL_EPARSE;
    vl_buf_free(&text);
    return err;
}

/* Why it is not shown; NULL: it is. */
static const char *fault(enum anchor_verdict v, const struct anchor_shown *s, const struct expected *e) {
    struct receipt r;
    if (v != ANCHOR_SHOWN) return anchor_verdict_text(v);
    if (s->leaf.n > 0 && (receipt_decode(s->leaf, &r) != VL_OK || cli_receipt_signed(&r) != VL_OK)) return "the leaf is no receipt that a worker signed";
    if (e->has_contract && memcmp(e->contract.b, s->contract.b, sizeof s->contract.b) != 0) return "it is another contract";
    if (e->has_signer && memcmp(e->signer.b, s->signer.b, sizeof s->signer.b) != 0) return "another node signed the head";
    if (!s->block_trusted) return "all fits together, but whether the block is on the chain only somebody can say whom you trust: ask for its hash, and give it as --block";
    return NULL;
}

static void hex(char ret[67], const struct vl_hash *h) {
    memcpy(ret, "0x", 2);
    vl_hex_encode(h->b, sizeof h->b, ret + 2);
}

struct shown_text {
    char contract[ETH_ADDRESS_TEXT], sender[ETH_ADDRESS_TEXT], block[67], root[67], tx[67], signer[NODE_ID_TEXT];
};

static void shown_print(struct cli *cli, const struct anchor_shown *s, const struct shown_text *t, bool has_contract, bool has_signer) {
    struct receipt r;
    linef(cli, "block", "%llu of chain %llu, %s", (unsigned long long)s->block, (unsigned long long)s->chain, t->block);
    time_t at = (time_t)s->time_s;
    struct tm tm;
    char when[32];
    if (gmtime_r(&at, &tm) && strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm)) linef(cli, "time", "%s UTC, by whoever made the block", when);
    linef(cli, "head", "%llu receipts, root %s", (unsigned long long)s->head.size, t->root);
    linef(cli, "log", "%s, signed by %s", s->head.origin, t->signer);
    if (s->leaf.n > 0 && receipt_decode(s->leaf, &r) == VL_OK) {
        char job[33], node[NODE_ID_TEXT];
        vl_hex_encode(r.job.b, sizeof r.job.b, job);
        node_id_format(r.node, node);
        linef(cli, "receipt", "%llu of the log: job %s, task %u, by %s", (unsigned long long)s->leaf_index, job, r.task, node);
    }
    linef(cli, "transaction", "%s (as the file says)", t->tx);
    linef(cli, "you trust", "%s", s->block_trusted ? "that the block you named is on this chain, and stays" : "nothing yet: name the block with --block");
    linef(cli, "", "that %s runs AnchorRegistry%s, and that %s writes for the village", t->contract, has_contract ? " (you named it)" : "", t->sender);
    linef(cli, "", "that %s is the village's first node%s", t->signer, has_signer ? " (you named it)" : "");
}

static int verify(struct cli *cli) {
    struct expected e;
    struct anchor_shown s;
    struct shown_text t;
    struct vl_buf bytes;
    int code = cli->args.n_operands < 2 ? cli_fail(cli, CLI_USAGE, "name the file: village anchor verify FILE --block HASH") : expected_of(cli, &e);
    if (code != CLI_OK) return code;
    vl_buf_init(&bytes, ANCHOR_ARTEFACT_MAX);
    enum vl_err err = artefact_read(cli->args.operands[1], &bytes);
    if (err && err != VL_EPARSE && err != VL_ELIMIT) {
        vl_buf_free(&bytes);
        return cli_fail(cli, CLI_FAILED, "cannot read %s: %s", cli->args.operands[1], vl_err_text(err));
    }
    enum anchor_verdict v = anchor_artefact_check(vl_span(bytes.p, err ? 0 : bytes.len), e.has_block ? &e.block : NULL, &s);
    const char *wrong = fault(v, &s, &e);
    eth_address_format(&s.contract, t.contract);
    eth_address_format(&s.sender, t.sender);
    hex(t.block, &s.block_name);
    hex(t.root, &s.head.root);
    hex(t.tx, &s.tx);
    node_id_format(s.signer, t.signer);
    if (cli->json) {
        json_t *j = json_pack("{s:b,s:s?,s:b}", "shown", wrong == NULL, "reason", wrong, "block_trusted", s.block_trusted);
        if (v != ANCHOR_UNREADABLE)
            json_object_update_new(j, json_pack("{s:I,s:I,s:s,s:I,s:s,s:s,s:s,s:s,s:I,s:s}", "chain", (json_int_t)s.chain, "block", (json_int_t)s.block, "block_hash", t.block,
                                                "time_s", (json_int_t)s.time_s, "contract", t.contract, "account", t.sender, "signer", t.signer, "tx", t.tx, "size",
                                                (json_int_t)s.head.size, "root", t.root));
        if (s.leaf.n > 0) json_object_set_new(j, "index", json_integer((json_int_t)s.leaf_index));
        code = cli_print_json(cli, j);
    } else if (v == ANCHOR_SHOWN) {
        shown_print(cli, &s, &t, e.has_contract, e.has_signer);
    }
    vl_buf_free(&bytes);
    if (code != CLI_OK) return code;
    if (wrong && cli->json) return CLI_FAILED;
    return wrong ? cli_fail(cli, CLI_FAILED, "not shown: %s", wrong) : CLI_OK;
}

int command_anchor(struct cli *cli) {
    const char *what = cli->args.n_operands ? cli->args.operands[0] : "status";
    if (cli->args.n_operands > 1 && strcmp(what, "prove") != 0 && strcmp(what, "verify") != 0) return cli_fail(cli, CLI_USAGE, "`%s` takes nothing behind it", what);
    if (strcmp(what, "status") == 0) return status(cli);
    if (strcmp(what, "account") == 0) return own_chain(cli, false);
    if (strcmp(what, "deploy") == 0) return own_chain(cli, true);
    if (strcmp(what, "prove") == 0) return prove(cli);
    if (strcmp(what, "verify") == 0) return verify(cli);
    return cli_fail(cli, CLI_USAGE, "'%s': status, account, deploy, prove or verify", what);
}
