/* `village keys`: the key file of this data folder, sealed or not; rotation and revocation through the gateway. */
#include "cli/handlers.h"
#include "cli/session.h"

#include "base/err.h"
#include "crypto/node_id.h"
#include "crypto/random.h"
#include "os/file.h"
#include "os/keyfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_MS 86400000u
#define KEYS_DUE_DAYS 90u
#define KEYS_WARN_DAYS 80u
#define PATH_BYTES (CLI_PATH_MAX + 24)

/* ---- showing ---- */

static uint64_t age_days(vl_ms since, vl_ms now) { return since > 0 && now > since ? (now - since) / DAY_MS : 0; }

static json_t *look_json(const char *path, const struct keyfile_look *l) {
    char id[NODE_ID_TEXT];
    uint64_t days = age_days(l->since_ms, cli_now());
    node_id_format(l->node, id);
    json_t *v = json_pack("{s:s,s:s,s:b,s:s,s:I,s:I,s:b,s:b}", "path", path, "node", id, "sealed", l->sealed, "with",
                          l->sealed ? keyfile_kind_text(l->kind) : "nothing", "since_ms", (json_int_t)l->since_ms, "age_days",
                          (json_int_t)days, "due", days >= KEYS_WARN_DAYS, "rotating", l->has_next);
    if (v && l->coordinator_known) json_object_set_new(v, "coordinator", json_boolean(l->coordinator));
    if (v && l->sealed && l->kind == SEALED_PASSPHRASE) {
        json_object_set_new(v, "argon2id_passes", json_integer(l->kdf.passes));
        json_object_set_new(v, "argon2id_memory_kib", json_integer(l->kdf.memory_kib));
    }
    if (v && l->sealed && l->kind == SEALED_TPM) {
        json_t *pcrs = json_array();
        for (int i = 0; i < 24; i++)
            if (l->pcrs >> i & 1) json_array_append_new(pcrs, json_integer(i));
        json_object_set_new(v, "pcrs", pcrs);
    }
    if (v && l->sealed && l->kind == SEALED_TOKEN) {
        json_object_set_new(v, "token", json_string(l->token.token));
        json_object_set_new(v, "object", json_string(l->token.object));
    }
    return v;
}

static void print_row(const struct term *t, const char *name, const char *value) {
    fprintf(t->file, "%-9s ", name);
    term_puts(t, value);
    fputc('\n', t->file);
}

static int show(struct cli *cli, const char *path) {
    struct keyfile_look l;
    struct vl_errmsg msg = { "" };
    char id[NODE_ID_TEXT], made[CLI_AGO_TEXT], line[200];
    enum vl_err err = keyfile_look(path, &l, &msg);
    if (err == VL_ENOTFOUND)
        return cli_fail(cli, CLI_NOT_FOUND, "there are no keys in %s: a node makes them when it starts first", cli->data_dir);
    if (err) return cli_fail(cli, err == VL_EDENIED ? CLI_DENIED : CLI_FAILED, "%s", msg.text);
    if (cli->json) return cli_print_json(cli, look_json(path, &l));
    node_id_format(l.node, id);
    cli_ago(l.since_ms, made);
    print_row(&cli->out, "file", path);
    print_row(&cli->out, "node", id);
    snprintf(line, sizeof line, "%s", !l.sealed ? "no: whoever reads the file is this node" : keyfile_kind_text(l.kind));
    if (l.sealed && l.kind == SEALED_PASSPHRASE)
        snprintf(line, sizeof line, "with a passphrase (Argon2id, %u passes over %u MiB)", l.kdf.passes, l.kdf.memory_kib / 1024);
    if (l.sealed && l.kind == SEALED_TPM) snprintf(line, sizeof line, "with this machine's TPM%s", l.pcrs ? " and its PCRs" : "");
    if (l.sealed && l.kind == SEALED_TOKEN)
        snprintf(line, sizeof line, "with the key '%s' of the token '%s'", l.token.object, l.token.token);
    print_row(&cli->out, "sealed", line);
    print_row(&cli->out, "made", made);
    if (!l.sealed) cli_note(cli, "seal it: village keys seal");
    if (l.has_next) cli_note(cli, "a rotation has begun: it ends when the running node has its new certificate");
    if (age_days(l.since_ms, cli_now()) >= KEYS_WARN_DAYS && !(l.coordinator_known && l.coordinator))
        cli_note(cli, "keys are to be replaced after %u days: village keys rotate, or start the node with --rotate-after 90d", KEYS_DUE_DAYS);
    return CLI_OK;
}

/* ---- seal and unseal ---- */

static enum cli_exit exit_of(enum vl_err err) {
    return err == VL_ENOTFOUND                                         ? CLI_NOT_FOUND
           : err == VL_EDENIED || err == VL_ECRYPTO || err == VL_ESTATE ? CLI_DENIED
           : err == VL_EPARSE || err == VL_ERANGE                       ? CLI_USAGE
                                                                        : CLI_FAILED;
}

static struct keyfile_ways ways_of(const struct cli *cli) {
    return (struct keyfile_ways){ .passphrase_file = args_text(&cli->args, "passphrase-file"),
                                  .tcti = args_text(&cli->args, "key-tpm"),
                                  .module = args_text(&cli->args, "pkcs11"),
                                  .pin_file = args_text(&cli->args, "pin-file"),
                                  .ask = true };
}

/* A running node holds the store's lock, and would write the file again as it knows it.  -1: has said why. */
static int lock_take(struct cli *cli, int *ret_code) {
    char dir[PATH_BYTES], path[PATH_BYTES + 16];
    int fd = -1;
    snprintf(dir, sizeof dir, "%s/store", cli->data_dir);
    snprintf(path, sizeof path, "%s/store.lock", dir);
    enum vl_err err = os_mkdir_all(dir, 0700);
    if (err == VL_OK) err = os_file_lock(path, &fd);
    if (err == VL_OK) return fd;
    *ret_code = err == VL_EBUSY ? cli_fail(cli, CLI_FAILED, "a node is running on %s: stop it first", cli->data_dir)
                                : cli_fail(cli, exit_of(err), "cannot lock %s: %s", path, vl_err_text(err));
    return -1;
}

static enum vl_err new_passphrase(struct cli *cli, struct secret *ret, struct vl_errmsg *msg) {
    struct secret again = { .n = 0 };
    const char *file = args_text(&cli->args, "new-passphrase-file");
    if (file) return secret_file(file, ret, msg);
    enum vl_err err = secret_ask("new passphrase: ", ret, msg);
    if (err == VL_EUNSUPPORTED)
        return vl_errmsg_set(msg, VL_ESTATE, "there is no terminal to ask for a passphrase on: use --new-passphrase-file FILE");
    if (err == VL_OK) err = secret_ask("once more: ", &again, msg);
    if (err == VL_OK && (again.n != ret->n || !crypto_equal(again.b, ret->b, ret->n)))
        err = vl_errmsg_set(msg, VL_ERANGE, "the two passphrases differ: nothing was changed");
    crypto_wipe(&again, sizeof again);
    return err;
}

/* "0,2,7" */
static bool pcrs_parse(const char *text, uint32_t *ret) {
    *ret = 0;
    for (const char *p = text; p && *p;) {
        char *end;
        unsigned long n = strtoul(p, &end, 10);
        if (end == p || *p < '0' || *p > '9' || n > 23 || (*end != ',' && *end != '\0') || (*end == ',' && end[1] == '\0')) return false;
        *ret |= 1u << n;
        p = *end ? end + 1 : end;
    }
    return text == NULL || *ret != 0;
}

static enum vl_err reseal(struct cli *cli, struct keyfile *f, struct vl_errmsg *msg) {
    const struct keyfile_ways ways = ways_of(cli);
    const char *with = args_text(&cli->args, "with"), *key = args_text(&cli->args, "key");
    struct secret s = { .n = 0 };
    uint32_t pcrs = 0;
    enum vl_err err = VL_OK;
    if (strcmp(with, "tpm") == 0) {
        if (!pcrs_parse(args_text(&cli->args, "pcrs"), &pcrs)) return vl_errmsg_set(msg, VL_EPARSE, "--pcrs: numbers from 0 to 23 such as 0,7");
        return keyfile_seal_tpm(f, ways.tcti, pcrs, msg);
    }
    if (strcmp(with, "token") == 0) {
        if (key == NULL) return vl_errmsg_set(msg, VL_EPARSE, "--with token needs --key 'pkcs11:token=NAME;object=NAME'");
        if (ways.pin_file) err = secret_file(ways.pin_file, &s, msg);
        if (!ways.pin_file) err = secret_credential(KEYFILE_CREDENTIAL_PIN, &s, msg);
        if (err == VL_ENOTFOUND && !ways.pin_file) err = secret_ask("PIN of the token: ", &s, msg);
        if (err == VL_EUNSUPPORTED) err = VL_OK; /* no terminal: the token says whether it needs one */
        if (err == VL_OK) err = keyfile_seal_token(f, ways.module, key, vl_span(s.b, s.n), msg);
    } else {
        err = new_passphrase(cli, &s, msg);
        if (err == VL_OK) err = keyfile_seal_passphrase(f, vl_span(s.b, s.n), msg);
    }
    crypto_wipe(&s, sizeof s);
    return err;
}

static int change(struct cli *cli, const char *path, bool seal) {
    struct vl_errmsg msg = { "" };
    struct keyfile f;
    const struct keyfile_ways ways = ways_of(cli);
    int code = CLI_OK, lock;
    if (access(path, F_OK) != 0)
        return cli_fail(cli, CLI_NOT_FOUND, "there are no keys in %s: a node makes them when it starts first", cli->data_dir);
    if (crypto_init()) return cli_fail(cli, CLI_FAILED, "the system has no source of randomness");
    lock = lock_take(cli, &code);
    if (lock < 0) return code;
    enum vl_err err = keyfile_read(path, &ways, &f, &msg);
    if (err == VL_OK) {
        bool was = f.sealed;
        if (seal)
            err = reseal(cli, &f, &msg);
        else
            keyfile_unseal(&f);
        if (err == VL_OK) err = keyfile_write(path, &f, &msg);
        if (err == VL_OK && !cli->json)
            cli_note(cli, seal ? (was ? "sealed anew" : "sealed; copies that backups hold are not: replace them") : "the keys are in the clear now");
        keyfile_wipe(&f);
    }
    close(lock);
    if (err) return cli_fail(cli, exit_of(err), "%s", msg.text[0] ? msg.text : vl_err_text(err));
    return show(cli, path);
}

/* ---- through the gateway ---- */

static int key_rotate(struct cli *cli) {
    json_t *reply = NULL;
    int code = cli_call(cli, "POST", "/v1/keys/rotate", NULL, &reply);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, reply);
    cli_note(cli, "%s takes over as soon as its tasks have ended and its messages are out", json_text(reply, "next", "?"));
    json_decref(reply);
    return CLI_OK;
}

static int key_revoke(struct cli *cli, const char *typed) {
    char id[CLI_NODE_ID_MAX], path[160];
    json_t *reply = NULL;
    int code = cli_find_node(cli, typed, id);
    if (code != CLI_OK) return code;
    snprintf(path, sizeof path, "/v1/keys/%s/revoke", id);
    code = cli_call(cli, "POST", path, NULL, &reply);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, reply);
    char at[25];
    vl_ms_format(json_count(reply, "at_ms", 0), at);
    cli_note(cli, "revoked: no link, message or receipt of %s counts after %s", typed, at);
    json_decref(reply);
    return CLI_OK;
}

int command_keys(struct cli *cli) {
    const char *what = cli->args.n_operands ? cli->args.operands[0] : "list";
    bool named = cli->args.n_operands == 2;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/node.keys", cli->data_dir);
    if (named != (strcmp(what, "revoke") == 0))
        return cli_fail(cli, CLI_USAGE, named ? "keys %s takes no name" : "keys %s needs a node: its name or id", what);
    if (strcmp(what, "list") == 0) return show(cli, path);
    if (strcmp(what, "seal") == 0) return change(cli, path, true);
    if (strcmp(what, "unseal") == 0) return change(cli, path, false);
    if (strcmp(what, "rotate") == 0) return key_rotate(cli);
    if (strcmp(what, "revoke") == 0) return key_revoke(cli, cli->args.operands[1]);
    if (strcmp(what, "cosign") == 0) return command_keys_cosign(cli);
    return cli_fail(cli, CLI_USAGE, "keys %s? It is list, seal, unseal, rotate, revoke or cosign", what);
}
