/* The dialogue with the server of a chain: a server that plays a script answers honestly, wrongly, too much, or not at all.  Answers with blocks and
 * receipts are those of a real development chain. */
#include "node/chain_client.h"

#include "crypto/random.h"
#include "os/http_post.h"
#include "trust/eth_rpc.h"
#include "trust/json.h"

#include "../cli/server.h"
#include "../trust/chain_answers.h"
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCRIPT_MAX = 24 };

struct kit {
    struct answer script[SCRIPT_MAX];
    size_t n;
    char dir[64], key[96];
    struct chain_account *account;
    struct chain_client *client;
    struct server *server;
    atomic_bool stop;
    struct brain_chain_ask q;
    struct brain_chain_answer a;
};

/* The n-th question's answer, as JSON-RPC has it. */
static void says_error(struct kit *k, const char *text) {
    size_t size = strlen(text) + 256;
    char *body = malloc(size), *raw = malloc(size + 128);
    snprintf(body, size, "{\"jsonrpc\":\"2.0\",\"id\":%zu,%s}", k->n + 1, text);
    snprintf(raw, size + 128, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    free(body);
    CHECK(k->n < SCRIPT_MAX);
    k->script[k->n++] = (struct answer){ .raw = raw };
}

static void says(struct kit *k, const char *result) {
    char *text = malloc(strlen(result) + 32);
    snprintf(text, strlen(result) + 32, "\"result\":%s", result);
    says_error(k, text);
    free(text);
}

static struct kit *kit(void) {
    struct kit *k = calloc(1, sizeof *k);
    struct vl_errmsg msg = { "" };
    CHECK_OK(crypto_init());
    snprintf(k->dir, sizeof k->dir, "/tmp/village-chain-XXXXXX");
    CHECK(mkdtemp(k->dir) != NULL);
    snprintf(k->key, sizeof k->key, "%s/key", k->dir);
    enum vl_err err = chain_account_open(k->key, true, &k->account, &msg);
    if (err == VL_EUNSUPPORTED) SKIP(msg.text);
    CHECK_OK(err);
    k->q = (struct brain_chain_ask){ .chain = 31337, .sender = chain_account_address(k->account), .head = { .size = 9, .root = { { 3 } } }, .depth = 2,
                                     .nonce = 4, .gas = 60000, .tip = 10, .fee = 1000 };
    CHECK_OK(eth_address_parse(chain_contract, &k->q.contract));
    return k;
}

static void serve(struct kit *k) {
    struct vl_errmsg msg = { "" };
    k->server = server_start(k->script, k->n);
    CHECK_OK(chain_client_open(server_url(k->server), false, k->account, &k->stop, &k->client, &msg));
}

static void ask(struct kit *k, enum brain_chain_kind kind) {
    if (k->client == NULL) serve(k);
    k->q.kind = kind;
    chain_client_ask(k->client, &k->q, 100000, &k->a);
    CHECK_EQ(kind, k->a.kind);
    CHECK((k->a.err == VL_OK) == (k->a.problem == NULL));
    for (const char *p = k->a.problem; p && *p; p++) CHECK(*p >= ' ' && *p < 0x7f);
}

static void end(struct kit *k) {
    chain_client_close(k->client);
    chain_account_close(k->account);
    if (k->server) {
        server_stop(k->server);
        server_free(k->server);
    }
    for (size_t i = 0; i < k->n; i++)
        if (k->script[i].zeros == 0) free((void *)(uintptr_t)k->script[i].raw);
    unlink(k->key);
    rmdir(k->dir);
    free(k);
}

#define WORD "0000000000000000000000000000000000000000000000000000000000000000"

/* Up to what the contract has. */
static void quote_begin(struct kit *k, const char *balance, const char *newest) {
    says(k, "\"0x7a69\"");
    says(k, "\"0x60\"");
    says(k, "\"0x7a69\"");
    says(k, "\"0x4\"");
    says(k, chain_block);
    says(k, balance);
    says(k, newest);
}

TEST(chain_client, quotes_the_nonce_twice_the_base_fee_and_a_fifth_more_gas) {
    struct kit *k = kit();
    struct eth_block b;
    struct vl_span v;
    CHECK(jspan_read(vl_span_str(chain_block), &v));
    CHECK_OK(eth_rpc_read_block(v, &b));
    quote_begin(k, "\"0xffffffffffffffffffff\"", "\"0x" WORD WORD "\"");
    says(k, "\"0x5\"");
    says(k, "\"0x7530\"");
    serve(k);
    k->q.kind = BRAIN_CHAIN_QUOTE;
    chain_client_ask(k->client, &k->q, UINT64_MAX, &k->a);
    CHECK_OK(k->a.err);
    CHECK_EQ(4, k->a.nonce);
    CHECK_EQ(36000, k->a.gas);
    CHECK_EQ(5, k->a.tip);
    CHECK_EQ(2 * b.base_fee + 5, k->a.fee);
    server_stop(k->server);
    CHECK(strstr(server_request(k->server, 8), "\"method\":\"eth_estimateGas\"") != NULL);
    CHECK(strstr(server_request(k->server, 0), "Content-Type: application/json\r\n") != NULL);
    end(k);
}

TEST(chain_client, offers_a_gwei_for_haste_where_the_server_does_not_advise) {
    struct kit *k = kit();
    quote_begin(k, "\"0xffffffffffffffffffff\"", "\"0x" WORD WORD "\"");
    says_error(k, "\"error\":{\"code\":-32601,\"message\":\"no such method\"}");
    says(k, "\"0x7530\"");
    serve(k);
    k->q.kind = BRAIN_CHAIN_QUOTE;
    chain_client_ask(k->client, &k->q, UINT64_MAX, &k->a);
    CHECK_OK(k->a.err);
    CHECK_EQ(1000000000, k->a.tip);
    end(k);
}

static void quote_fails(struct kit *k, enum vl_err err, const char *words) {
    ask(k, BRAIN_CHAIN_QUOTE);
    CHECK_EQ(err, k->a.err);
    if (strstr(k->a.problem, words) == NULL) print_message("# %s\n", k->a.problem);
    CHECK(strstr(k->a.problem, words) != NULL);
    end(k);
}

TEST(chain_client, says_what_to_do_about_a_wrong_chain_a_missing_contract_and_a_poor_account) {
    struct kit *k = kit();
    says(k, "\"0x1\"");
    quote_fails(k, VL_ESTATE, "speaks for chain 1, not 31337: correct --anchor-url or --anchor-chain");
    k = kit();
    says(k, "\"0x7a69\"");
    says(k, "\"0x\"");
    quote_fails(k, VL_ENOTFOUND, "village anchor deploy");
    k = kit();
    quote_begin(k, "\"0x0\"", "\"0x" WORD WORD "\"");
    quote_fails(k, VL_ESTATE, "is empty on chain 31337");
    k = kit();
    quote_begin(k, "\"0xffff\"", "\"0x000000000000000000000000000000000000000000000000000000000000000a" WORD "\"");
    quote_fails(k, VL_EEXISTS, "a head of 10 receipts");
    k = kit();
    quote_begin(k, "\"0xffff\"", "\"0x\"");
    quote_fails(k, VL_EPARSE, "does not answer as AnchorRegistry");
    k = kit();
    quote_begin(k, "\"0xffff\"", "\"0x" WORD WORD "\"");
    says(k, "\"0x5\"");
    says(k, "\"0x7530\"");
    quote_fails(k, VL_EAGAIN, "above --anchor-fee-max"); /* the recorded base fee is above 100,000 wei */
    k = kit();
    quote_begin(k, "\"0xffff\"", "\"0x" WORD WORD "\"");
    says(k, "\"0x5\"");
    says(k, "\"0xffffffffffff\"");
    quote_fails(k, VL_ELIMIT, "gas");
}

TEST(chain_client, signs_the_same_bytes_each_time) {
    struct kit *k = kit();
    struct eth_tx t;
    struct eth_signature s;
    uint8_t first[BRAIN_CHAIN_RAW_MAX];
    ask(k, BRAIN_CHAIN_SIGN);
    CHECK_OK(k->a.err);
    CHECK(k->a.raw.n <= sizeof first);
    size_t n = k->a.raw.n;
    memcpy(first, k->a.raw.p, n);
    struct vl_hash name = k->a.name;
    CHECK_OK(eth_tx_decode(k->a.raw, &t, &s));
    CHECK_EQ(4, t.nonce);
    CHECK_EQ(31337, t.chain);
    CHECK_EQ(60000, t.gas);
    CHECK_EQ(68, t.data.n);
    CHECK_MEM(k->q.contract.b, t.to.b, 20);
    ask(k, BRAIN_CHAIN_SIGN);
    CHECK(k->a.raw.n == n && memcmp(first, k->a.raw.p, n) == 0 && vl_hash_eq(name, k->a.name));
    k->q.fee++;
    ask(k, BRAIN_CHAIN_SIGN);
    CHECK(!vl_hash_eq(name, k->a.name));
    end(k);
}

#define NAME "\"0x0500000000000000000000000000000000000000000000000000000000000000\""

TEST(chain_client, takes_a_refused_transaction_for_sent_when_the_chain_knows_it_or_its_nonce_is_used) {
    for (unsigned i = 0; i < 4; i++) {
        struct kit *k = kit();
        k->q.names = 1;
        k->q.name[0] = (struct vl_hash){ { 5 } };
        k->q.raw_n = 3;
        says(k, "\"0x7a69\"");
        if (i == 0) {
            says(k, NAME);
        } else {
            says_error(k, "\"error\":{\"code\":-32000,\"message\":\"already known\"}");
            says(k, i == 1 ? "\"0x5\"" : "\"0x4\"");
            says(k, i == 2 ? "{\"hash\":" NAME "}" : "null");
        }
        ask(k, BRAIN_CHAIN_SEND);
        CHECK_EQ(i == 3 ? VL_EDENIED : VL_OK, k->a.err);
        if (i == 3) CHECK(strstr(k->a.problem, "already known") != NULL);
        end(k);
    }
    struct kit *k = kit();
    k->q.names = 1;
    k->q.raw_n = 3;
    says(k, "\"0x7a69\"");
    says(k, NAME); /* another name than it has */
    ask(k, BRAIN_CHAIN_SEND);
    CHECK_EQ(VL_EPARSE, k->a.err);
    end(k);
}

static char *with(const char *text, const char *old, const char *new) {
    const char *at = strstr(text, old);
    CHECK(at != NULL);
    size_t size = strlen(text) + strlen(new) + 1;
    char *s = malloc(size);
    snprintf(s, size, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    return s;
}

static char *all_receipts(void) {
    char *s = calloc(1, 16384);
    for (size_t i = 0, n = 0; i < 4; i++) n += (size_t)snprintf(s + n, 16384 - n, "%s%s%s", i ? "," : "[", chain_receipts[i], i == 3 ? "]" : "");
    return s;
}

/* Up to the block with the anchor: nonce, its receipt, a newest block `tip`. */
static void receipt_begin(struct kit *k, const char *tip) {
    struct eth_receipt r;
    struct vl_span v;
    char number[32];
    snprintf(number, sizeof number, "\"number\":\"%s\"", tip);
    char *newest = with(chain_block, "\"number\":\"0x2\"", number);
    CHECK(jspan_read(vl_span_str(chain_receipts[2]), &v));
    CHECK_OK(eth_rpc_read_receipt(v, &r));
    k->q.names = 2;
    k->q.name[0] = r.name;
    k->q.name[1] = (struct vl_hash){ { 1 } };
    says(k, "\"0x7a69\"");
    says(k, "\"0x5\"");
    says(k, "null"); /* the newer try is in no block */
    says(k, chain_receipts[2]);
    says(k, newest);
    free(newest);
}

static void proof_holds(const struct kit *k) {
    struct eth_header h;
    struct vl_span got;
    uint8_t key[8];
    CHECK(k->a.proof != NULL && k->a.proof->nodes > 0);
    CHECK_OK(eth_header_read(k->a.proof->header, &h));
    CHECK_OK(mpt_check(&h.receipts, vl_span(key, mpt_key(2, key)), k->a.proof->node, k->a.proof->nodes, &got));
}

TEST(chain_client, proves_a_deep_receipt_from_all_receipts_of_its_block_together_or_one_by_one) {
    char *all = all_receipts();
    for (unsigned i = 0; i < 2; i++) {
        struct kit *k = kit();
        receipt_begin(k, "0x4");
        says(k, chain_block);
        if (i == 0) {
            says(k, all);
        } else {
            says_error(k, "\"error\":{\"code\":-32601,\"message\":\"no such method\"}");
            for (unsigned r = 0; r < 4; r++) says(k, chain_receipts[r]);
        }
        ask(k, BRAIN_CHAIN_RECEIPT);
        CHECK_OK(k->a.err);
        CHECK(k->a.receipt.found && k->a.receipt.ok);
        CHECK_EQ(2, k->a.receipt.block);
        CHECK_EQ(4, k->a.receipt.tip_block);
        CHECK_EQ(5, k->a.receipt.nonce);
        proof_holds(k);
        end(k);
    }
    free(all);
}

TEST(chain_client, makes_no_proof_of_receipts_that_are_not_those_of_the_block) {
    char *all = all_receipts(), *other = with(all, "\"cumulativeGasUsed\":\"0x5208\"", "\"cumulativeGasUsed\":\"0x5209\""), *more = with(all, "[{", "[{},{");
    const char *const wrong[] = { other, more, "[]", "{}", "null", "7" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct kit *k = kit();
        receipt_begin(k, "0x4");
        says(k, chain_block);
        says(k, wrong[i]);
        ask(k, BRAIN_CHAIN_RECEIPT);
        CHECK_OK(k->a.err); /* the anchor is there; a proof of it is not to be had here */
        CHECK(k->a.proof != NULL && k->a.proof->nodes == 0 && k->a.proof->header.n == 0);
        end(k);
    }
    free(all);
    free(other);
    free(more);
}

TEST(chain_client, does_not_believe_a_receipt_whose_block_is_another_or_not_there) {
    char *moved = with(chain_block, "\"hash\":\"0x", "\"hash\":\"0x"), *digit = strstr(moved, "\"hash\":\"0x") + 10;
    *digit = *digit == 'a' ? 'b' : 'a'; /* another block of the same number */
    const char *const blocks[] = { "null", moved, "{}" };
    for (size_t i = 0; i < 3; i++) {
        struct kit *k = kit();
        receipt_begin(k, "0x4");
        says(k, blocks[i]);
        ask(k, BRAIN_CHAIN_RECEIPT);
        CHECK_EQ(VL_EAGAIN, k->a.err);
        end(k);
    }
    free(moved);
    struct kit *k = kit();
    receipt_begin(k, "0x3"); /* not deep: no proof is asked for */
    says(k, chain_block);
    ask(k, BRAIN_CHAIN_RECEIPT);
    CHECK_OK(k->a.err);
    CHECK(k->a.receipt.found && k->a.proof == NULL);
    end(k);
    k = kit();
    k->q.names = 1; /* a receipt of another transaction than the one that was asked for */
    says(k, "\"0x7a69\"");
    says(k, "\"0x5\"");
    says(k, chain_receipts[2]);
    ask(k, BRAIN_CHAIN_RECEIPT);
    CHECK_EQ(VL_EPARSE, k->a.err);
    end(k);
}

/* ---- a server that is no good as a server ---------------------------------------------------------------------------------- */

static enum vl_err posts(const struct answer *script, size_t n, size_t most, bool any_status, struct vl_buf *ret) {
    static const atomic_bool stop;
    struct server *s = server_start(script, n);
    struct http_post *h = NULL;
    struct vl_errmsg msg = { "" };
    CHECK_OK(http_post_create(server_url(s), false, &stop, &h, &msg));
    vl_buf_init(ret, most);
    enum vl_err err = http_post(h, vl_span_str("{}"), any_status, ret, &msg);
    CHECK((err == VL_OK) == (msg.text[0] == '\0'));
    http_post_destroy(h);
    server_stop(s);
    CHECK(server_requests(s) <= 1); /* no redirect is followed, nothing is asked twice */
    server_free(s);
    return err;
}

TEST(http_post, takes_pieces_and_refuses_what_is_too_long_broken_or_elsewhere) {
    struct vl_buf b;
    const struct answer pieces = { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n" };
    CHECK_OK(posts(&pieces, 1, 7, false, &b));
    CHECK(vl_span_eq(vl_span(b.p, b.len), vl_span_str("abcdefg")));
    vl_buf_free(&b);
    CHECK_EQ(VL_ELIMIT, posts(&pieces, 1, 6, false, &b));
    vl_buf_free(&b);
    const struct answer huge = { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n", .zeros = 20000000 };
    CHECK_EQ(VL_ELIMIT, posts(&huge, 1, 1 << 20, false, &b));
    vl_buf_free(&b);
    const struct answer gone = { .raw = NULL }, cut = { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", .close = true }, ssh = { .raw = "SSH-2.0-x\r\n", .close = true },
                        wrong = { .raw = "HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}" };
    const struct answer elsewhere[] = { { .raw = "HTTP/1.1 307 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n" },
                                        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" } };
    CHECK_EQ(VL_EIO, posts(elsewhere, 2, 100, false, &b));
    vl_buf_free(&b);
    const struct answer *const bad[] = { &gone, &cut, &ssh, &wrong };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(VL_EIO, posts(bad[i], 1, 100, false, &b));
        vl_buf_free(&b);
    }
    CHECK_OK(posts(&wrong, 1, 100, true, &b));
    CHECK_EQ(2, b.len);
    vl_buf_free(&b);
}

static void *stop_soon(void *arg) {
    usleep(200000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

TEST(http_post, ends_when_it_is_told_to_though_the_server_says_nothing) {
    static atomic_bool stop;
    const struct answer slow = { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc" }; /* and no more */
    struct server *s = server_start(&slow, 1);
    struct http_post *h = NULL;
    struct vl_errmsg msg;
    struct vl_buf b;
    pthread_t t;
    vl_buf_init(&b, 100);
    CHECK_OK(http_post_create(server_url(s), false, &stop, &h, &msg));
    CHECK_EQ(0, pthread_create(&t, NULL, stop_soon, &stop));
    CHECK_EQ(VL_ECLOSED, http_post(h, vl_span_str("{}"), false, &b, &msg));
    pthread_join(t, NULL);
    http_post_destroy(h);
    server_stop(s);
    server_free(s);
    vl_buf_free(&b);
}

TEST(http_post, speaks_plainly_to_this_machine_only_unless_told_and_shows_no_secrets_of_an_address) {
    static const char *const fine[] = { "http://localhost/", "http://127.0.0.1:8545", "http://[::1]:8545/x", "https://example.org", "http://LOCALHOST:1" };
    static const char *const plain[] = { "http://example.org/", "http://localhost.example.org/", "http://127.0.0.1.example.org", "http://127.0.0.1@example.org/",
                                         "http://192.0.2.1:8545", "http://[::2]/" };
    static const char *const none[] = { "", "localhost", "ftp://localhost/", "file:///etc/passwd", "http://", "https:///x", "http://local host/", "http://localhost/\n" };
    static const atomic_bool stop;
    struct http_post *h;
    struct vl_errmsg msg;
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        CHECK_OK(http_post_create(fine[i], false, &stop, &h, &msg));
        http_post_destroy(h);
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        CHECK_EQ(VL_EDENIED, http_post_create(plain[i], false, &stop, &h, &msg));
        CHECK_OK(http_post_create(plain[i], true, &stop, &h, &msg));
        http_post_destroy(h);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) CHECK_EQ(VL_EPARSE, http_post_create(none[i], true, &stop, &h, &msg));
    CHECK_OK(http_post_create("https://user:secret@example.org:444/v3/key?token=x", false, &stop, &h, &msg));
    CHECK_STR("https://example.org:444", http_post_name(h));
    http_post_destroy(h);
}

TEST(chain_account, is_made_once_and_refuses_keys_that_others_may_read_or_that_are_none) {
    struct kit *k = kit();
    struct chain_account *again = NULL;
    struct vl_errmsg msg;
    struct stat st;
    CHECK_EQ(0, stat(k->key, &st));
    CHECK_EQ(0600, st.st_mode & 0777);
    CHECK_OK(chain_account_open(k->key, true, &again, &msg));
    struct eth_address a = chain_account_address(again), b = chain_account_address(k->account);
    CHECK_MEM(a.b, b.b, 20);
    chain_account_close(again);
    CHECK_EQ(0, chmod(k->key, 0640));
    CHECK_EQ(VL_EDENIED, chain_account_open(k->key, true, &again, &msg));
    CHECK_EQ(0, chmod(k->key, 0600));
    static const char *const text[] = { "", "0x", "abc\n", WORD, "0x" WORD "\n", "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                                        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "g000000000000000000000000000000000000000000000000000000000000001" };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        FILE *f = fopen(k->key, "w");
        fputs(text[i], f);
        fclose(f);
        CHECK_EQ(VL_EPARSE, chain_account_open(k->key, false, &again, &msg));
    }
    FILE *f = fopen(k->key, "w");
    fputs("0x4646464646464646464646464646464646464646464646464646464646464646\n", f); /* EIP-155's example */
    fclose(f);
    CHECK_OK(chain_account_open(k->key, false, &again, &msg));
    char address[ETH_ADDRESS_TEXT];
    a = chain_account_address(again);
    eth_address_format(&a, address);
    CHECK_STR("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F", address);
    chain_account_close(again);
    unlink(k->key);
    CHECK_EQ(VL_ENOTFOUND, chain_account_open(k->key, false, &again, &msg));
    end(k);
}
