/* `village keys cosign`: the head of the log of receipts with one more signature, by an Ed25519 key that stays in a token (C2SP
 * tlog-cosignature, cosignature/v1): whoever takes the coordinator over can sign heads, but not with that key. */
#include "cli/handlers.h"
#include "cli/session.h"

#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "crypto/node_id.h"
#include "crypto/random.h"
#include "os/pkcs11.h"
#include "os/secret_input.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define ALGORITHM 0x04u /* cosignature/v1 with Ed25519, in key hashes of C2SP signed-note */
#define LINE_BYTES (4u + 8u + 64u)

/* First 4 bytes of SHA-256(name | \n | algorithm | key). */
static void key_hash(const char *name, const uint8_t public[32], uint8_t ret[4]) {
    uint8_t in[NODE_ID_TEXT + 34], h[32];
    size_t n = strlen(name);
    memcpy(in, name, n);
    in[n] = '\n';
    in[n + 1] = ALGORITHM;
    memcpy(in + n + 2, public, 32);
    crypto_sha256(vl_span(in, n + 34), h);
    memcpy(ret, h, 4);
}

static enum vl_err cosign(const char *module, const char *uri, const struct secret *pin, const char *head, uint64_t time_s, char line[256],
                          char name[NODE_ID_TEXT], struct vl_errmsg *msg) {
    struct pkcs11_uri u;
    struct vl_node_id id;
    char message[MERKLE_CHECKPOINT_MAX + 64], text[sodium_base64_ENCODED_LEN(LINE_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    uint8_t raw[LINE_BYTES];
    const char *end = strstr(head, "\n\n");
    if (pkcs11_uri_parse(uri, &u)) return vl_errmsg_set(msg, VL_EPARSE, "'%.100s' names no key of a token: write pkcs11:token=NAME;object=NAME", uri);
    if (end == NULL) return vl_errmsg_set(msg, VL_EPARSE, "the head has no end");
    int n = snprintf(message, sizeof message, "cosignature/v1\ntime %llu\n%.*s\n", (unsigned long long)time_s, (int)(end - head), head);
    if (n <= 0 || (size_t)n >= sizeof message) return vl_errmsg_set(msg, VL_ELIMIT, "the head is too long");
    enum vl_err err = pkcs11_sign(module, &u, vl_span(pin->b, pin->n), true, vl_span(message, (size_t)n), id.b, raw + 12, msg);
    if (err) return err;
    node_id_format(id, name);
    key_hash(name, id.b, raw);
    vl_put_u64(raw + 4, time_s);
    sodium_bin2base64(text, sizeof text, raw, sizeof raw, sodium_base64_VARIANT_ORIGINAL);
    snprintf(line, 256, "\xe2\x80\x94 %s %s\n", name, text);
    return VL_OK;
}

int command_keys_cosign(struct cli *cli) {
    const char *key = args_text(&cli->args, "key"), *module = args_text(&cli->args, "pkcs11"), *pin_file = args_text(&cli->args, "pin-file");
    struct secret pin = { .n = 0 };
    struct vl_errmsg msg = { "" };
    struct merkle_checkpoint head;
    struct vl_node_id signer;
    char line[256], name[NODE_ID_TEXT];
    json_t *log = NULL;
    if (key == NULL || module == NULL)
        return cli_fail(cli, CLI_USAGE, "keys cosign needs --pkcs11 MODULE and --key 'pkcs11:token=NAME;object=NAME'");
    if (crypto_init()) return cli_fail(cli, CLI_FAILED, "the system has no source of randomness");
    int code = cli_call(cli, "GET", "/v1/fog/log", NULL, &log);
    if (code != CLI_OK) return code;
    const char *text = json_text(log, "checkpoint", "");
    if (node_id_parse(json_text(log, "signer", ""), &signer) || merkle_checkpoint_open(vl_span_str(text), signer.b, &head))
        code = cli_fail(cli, CLI_FAILED, "the gateway's head of the log is not signed by who it says");
    enum vl_err err = VL_OK;
    if (code == CLI_OK && pin_file)
        err = secret_file(pin_file, &pin, &msg);
    else if (code == CLI_OK && (err = secret_ask("PIN of the token: ", &pin, &msg)) == VL_EUNSUPPORTED)
        err = VL_OK; /* no terminal: the token says whether it needs one */
    if (code == CLI_OK && err == VL_OK) err = cosign(module, key, &pin, text, cli_now() / 1000, line, name, &msg);
    crypto_wipe(&pin, sizeof pin);
    if (err) code = cli_fail(cli, err == VL_EDENIED ? CLI_DENIED : err == VL_ENOTFOUND ? CLI_NOT_FOUND : err == VL_EPARSE ? CLI_USAGE : CLI_FAILED, "%s", msg.text);
    if (code == CLI_OK && cli->json)
        code = cli_print_json(cli, json_pack("{s:s+,s:s,s:I}", "checkpoint", text, line, "by", name, "size", (json_int_t)head.size));
    else if (code == CLI_OK)
        fprintf(cli->out.file, "%s%s", text, line);
    json_decref(log);
    return code;
}
