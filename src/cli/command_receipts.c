/* command_receipts.c - `village receipts`: what workers signed for a job, and whether it is in the log of receipts.  With
 * --check nothing that the gateway says is taken on trust but which key signs the log: it is shown. */
#include "cli/artefact.h"
#include "cli/handlers.h"
#include "cli/session.h"
#include "cli/term.h"
#include "cli/units.h"

#include "base/text.h"
#include "crypto/merkle.h"
#include "crypto/node_id.h"
#include "trust/signing.h"
#include "wire/armor.h"
#include "wire/task.h"

#include <stdio.h>
#include <string.h>

#define LEAF_MAX 1024u
#define RECEIPTS_MAX 100000u /* listed at once: more than a job's tasks and votes */

struct proved {
    json_t *json; /* the answer */
    struct receipt receipt;
    struct merkle_checkpoint head;
    char signer[NODE_ID_TEXT];
    struct vl_buf revoked; /* the village's signed list, checked; empty: none */
};

/* Keys that were revoked sign no receipts of later work.  Without a list (an older gateway, a member) nothing is said of that. */
static int revoked_load(struct cli *cli, struct proved *p) {
    char label[ARMOR_LABEL_MAX + 1];
    struct revocations list;
    struct rest_reply reply = { .status = 0 };
    struct vl_errmsg msg;
    const struct rest_request q = { .method = "GET", .path = "/v1/keys/revocations" };
    vl_buf_init(&p->revoked, REVOCATIONS_BYTES_MAX);
    const char *text = cli_ask(cli, &q, &reply, &msg) == VL_OK && reply.json ? json_text(reply.json, "signed", "") : "";
    bool good = text[0] == '\0' || (armor_read(vl_span_str(text), label, &p->revoked) == VL_OK &&
                                    revocations_decode(vl_span(p->revoked.p, p->revoked.len), &list) == VL_OK &&
                                    revocations_verify(&list, vl_span(p->revoked.p, p->revoked.len)) == VL_OK);
    rest_reply_free(&reply);
    return good ? CLI_OK : cli_fail(cli, CLI_FAILED, "the gateway's list of revoked keys is not signed by a village");
}

static bool revoked_before(const struct proved *p) {
    struct revocations list;
    vl_ms at = 0;
    return p->revoked.len > 0 && revocations_decode(vl_span(p->revoked.p, p->revoked.len), &list) == VL_OK &&
           revocations_find(&list, p->receipt.node, &at) > 0 && p->receipt.ended_ms > at;
}

static enum vl_err leaf_of(const json_t *a, uint8_t raw[LEAF_MAX], struct vl_span *ret, struct receipt *r) {
    size_t n = 0;
    enum vl_err err = vl_base64_decode(json_text(a, "leaf", "!"), raw, LEAF_MAX, &n);
    if (err == VL_OK) err = receipt_decode(vl_span(raw, n), r);
    *ret = vl_span(raw, n);
    return err;
}

enum vl_err cli_receipt_signed(const struct receipt *r) {
    struct vl_buf body;
    vl_buf_init(&body, LEAF_MAX);
    enum vl_err err = receipt_body_encode(r, &body);
    if (err == VL_OK) err = crypto_verify_message(r->node.b, RECEIPT_CONTEXT, vl_span(body.p, body.len), r->signature);
    vl_buf_free(&body);
    return err;
}

static enum vl_err included(const json_t *a, struct vl_span leaf, const struct merkle_checkpoint *head, uint64_t index) {
    struct vl_hash proof[MERKLE_PROOF_MAX], hash = merkle_leaf(leaf);
    const json_t *list = json_object_get(a, "proof");
    size_t n = json_array_size(list);
    if (n > MERKLE_PROOF_MAX) return VL_ECRYPTO;
    for (size_t i = 0; i < n; i++) {
        const char *hex = json_string_value(json_array_get(list, i));
        if (hex == NULL || strlen(hex) != 64 || vl_hex_decode(hex, proof[i].b, 32)) return VL_EPARSE;
    }
    return merkle_inclusion_check(index, head->size, &hash, proof, (uint32_t)n, &head->root);
}

/* NULL: all is as it should be; else what is not. */
static const char *fault(const json_t *a, const char *job, const json_t *item, struct proved *p) {
    uint8_t raw[LEAF_MAX];
    struct vl_span leaf;
    struct vl_node_id signer;
    uint64_t index = json_count(item, "index", 0);
    char id[33];
    const char *text = json_text(a, "checkpoint", "");
    if (leaf_of(a, raw, &leaf, &p->receipt)) return "the leaf is no receipt";
    vl_hex_encode(p->receipt.job.b, sizeof p->receipt.job.b, id);
    if (strcmp(id, job) != 0 || p->receipt.task != json_count(item, "task", UINT64_MAX) ||
        p->receipt.epoch != json_count(item, "epoch", 0))
        return "the leaf is a receipt for something else";
    if (cli_receipt_signed(&p->receipt)) return "the worker's signature is wrong";
    if (revoked_before(p)) return "the worker's key was revoked before this work ended";
    if (node_id_parse(json_text(a, "signer", ""), &signer)) return "who signs the log is not said";
    node_id_format(signer, p->signer);
    if (merkle_checkpoint_open(vl_span_str(text), signer.b, &p->head)) return "the head of the log is not signed by who should";
    if (included(a, leaf, &p->head, index)) return "the proof does not lead from the receipt to the head of the log";
    return NULL;
}

static void print_row(struct term_table *t, const struct cli *cli, const json_t *item, const struct proved *p, const char *wrong,
                      bool check) {
    char node[NODE_ID_TEXT];
    node_id_format(p->receipt.node, node);
    term_table_cellf(t, TERM_PLAIN, "%llu", (unsigned long long)json_count(item, "task", 0));
    term_table_cellf(t, TERM_PLAIN, "%llu", (unsigned long long)json_count(item, "epoch", 0));
    term_table_cellf(t, TERM_PLAIN, "%llu", (unsigned long long)json_count(item, "index", 0));
    term_table_cell(t, cli_short(cli, node), TERM_PLAIN);
    term_table_cellf(t, TERM_DIM, "%02x%02x%02x%02x", p->receipt.output_root.b[0], p->receipt.output_root.b[1],
                     p->receipt.output_root.b[2], p->receipt.output_root.b[3]);
    if (check) term_table_cell(t, wrong ? wrong : "proved", wrong ? TERM_BAD : TERM_GOOD);
}

/* One receipt of the list: fetched, checked when asked for, added to what is shown. */
static int one(struct cli *cli, const char *job, json_t *item, bool check, struct term_table *table, struct proved *p, bool *ret_bad) {
    char path[96];
    uint8_t raw[LEAF_MAX];
    struct vl_span leaf;
    json_t *answer = NULL;
    snprintf(path, sizeof path, "/v1/fog/log/%llu", (unsigned long long)json_count(item, "index", 0));
    int code = cli_call(cli, "GET", path, NULL, &answer);
    if (code != CLI_OK) return code;
    const char *wrong = check ? fault(answer, job, item, p) : leaf_of(answer, raw, &leaf, &p->receipt) ? "unreadable" : NULL;
    *ret_bad |= wrong != NULL;
    print_row(table, cli, item, p, wrong, check);
    if (check) json_object_set_new(item, "proved", json_boolean(wrong == NULL));
    if (wrong != NULL) json_object_set_new(item, "fault", json_string(wrong));
    json_object_set_new(item, "leaf", json_deep_copy(json_object_get(answer, "leaf")));
    if (args_has(&cli->args, "proof")) json_object_set_new(item, "inclusion", json_deep_copy(answer));
    json_decref(answer);
    return CLI_OK;
}

/* One file that proves one task. */
static int save_proof(struct cli *cli, const char *job, const char *path) {
    json_t *answer = NULL, *body = json_pack("{s:s,s:s,s:I}", "kind", "execution", "job", job, "task", (json_int_t)args_number(&cli->args, "task"));
    int code = body ? cli_call(cli, "POST", "/v1/fog/proofs/generate", body, &answer) : cli_fail(cli, CLI_FAILED, "out of memory");
    json_decref(body);
    if (code != CLI_OK) return code;
    uint64_t witnesses = json_count(answer, "witnesses", 0);
    code = artefact_write(cli, path, vl_span_str(json_text(answer, "artefact", "")));
    json_decref(answer);
    if (code != CLI_OK) return code;
    if (cli->json && strcmp(path, "-") != 0) return cli_print_json(cli, json_pack("{s:s,s:I}", "file", path, "witnesses", (json_int_t)witnesses));
    cli_note(cli, "%llu witnesses%s; what it proves: village verify %s", (unsigned long long)witnesses,
             witnesses == 0 ? " so far (members sign within seconds: save it again later for more)" : "", path);
    return CLI_OK;
}

int command_receipts(struct cli *cli) {
    static const struct term_column plain[] = { { .title = "TASK", .right = true }, { .title = "RUN", .right = true },
                                                { .title = "LEAF", .right = true }, { .title = "NODE" },
                                                { .title = "RESULT" },              { .title = "CHECK" } };
    bool check = args_has(&cli->args, "check"), bad = false;
    char job[33], path[96];
    struct proved p = { .signer = "" };
    json_t *items = NULL;
    int code = cli_find_job(cli, cli->args.operands[0], job);
    if (code != CLI_OK) return code;
    if (args_has(&cli->args, "save")) return save_proof(cli, job, args_text(&cli->args, "save"));
    snprintf(path, sizeof path, "/v1/fog/jobs/%s/receipts", job);
    code = cli_list(cli, path, RECEIPTS_MAX, &items);
    if (code != CLI_OK) return code;
    if (check) code = revoked_load(cli, &p);
    if (code != CLI_OK) {
        json_decref(items);
        vl_buf_free(&p.revoked);
        return code;
    }
    struct term_table *table = term_table_create(plain, check ? 6 : 5);
    json_t *item = NULL;
    size_t i = 0;
    json_array_foreach(items, i, item) {
        code = one(cli, job, item, check, table, &p, &bad);
        if (code != CLI_OK) break;
    }
    if (code == CLI_OK && cli->json) {
        code = cli_print_json(cli, json_pack("{s:O}", "items", items));
    } else if (code == CLI_OK) {
        if (json_array_size(items) == 0)
            cli_note(cli, "no receipts of this job yet");
        else
            term_table_print(table, &cli->out);
        if (check && !bad && p.signer[0]) cli_note(cli, "all are in the log of %llu receipts that %s signs", (unsigned long long)p.head.size, p.signer);
    }
    term_table_destroy(table);
    json_decref(items);
    vl_buf_free(&p.revoked);
    if (code == CLI_OK && bad) return cli_fail(cli, CLI_FAILED, "a receipt is not what it should be: see above; do not pay for it");
    return code;
}
