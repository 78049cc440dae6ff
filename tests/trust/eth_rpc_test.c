/* JSON-RPC as text: what is asked, honest answers of a real development chain, and what a hostile server may send. */
#include "trust/eth_rpc.h"

#include "base/text.h"
#include "trust/json.h"
#include "trust/mpt.h"

#include "chain_answers.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vl_span value(const char *text) {
    struct vl_span v;
    CHECK(jspan_read(vl_span_str(text), &v));
    return v;
}

static void asks(enum vl_err err, struct vl_buf *b, const char *want) {
    CHECK_OK(err);
    CHECK_OK(vl_buf_append(b, "", 1));
    CHECK_STR(want, (const char *)b->p);
}

TEST(eth_rpc, writes_questions_as_servers_take_them) {
    const struct eth_address a = { { 0xab, [19] = 1 } };
    const struct vl_hash h = { { 0xcd, [31] = 2 } };
    const uint8_t data[] = { 1, 0xfe };
    struct vl_buf b;
    vl_buf_init(&b, 4096);
#define A "\"0xab00000000000000000000000000000000000001\""
#define H "\"0xcd00000000000000000000000000000000000000000000000000000000000002\""
#define Q(id, method) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":["
    asks(eth_rpc_chain_id(&b, 1), &b, Q("1", "eth_chainId") "]}");
    asks(eth_rpc_nonce(&b, 4294967295u, &a), &b, Q("4294967295", "eth_getTransactionCount") A ",\"latest\"]}");
    asks(eth_rpc_balance(&b, 2, &a), &b, Q("2", "eth_getBalance") A ",\"latest\"]}");
    asks(eth_rpc_tip_fee(&b, 2), &b, Q("2", "eth_maxPriorityFeePerGas") "]}");
    asks(eth_rpc_estimate(&b, 2, &a, &a, vl_span(data, 2)), &b, Q("2", "eth_estimateGas") "{\"from\":" A ",\"to\":" A ",\"data\":\"0x01fe\"}]}");
    asks(eth_rpc_estimate(&b, 2, &a, NULL, vl_span(data, 2)), &b, Q("2", "eth_estimateGas") "{\"from\":" A ",\"data\":\"0x01fe\"}]}");
    asks(eth_rpc_call(&b, 2, &a, vl_span(data, 0)), &b, Q("2", "eth_call") "{\"to\":" A ",\"data\":\"0x\"},\"latest\"]}");
    asks(eth_rpc_code(&b, 2, &a), &b, Q("2", "eth_getCode") A ",\"latest\"]}");
    asks(eth_rpc_send(&b, 2, vl_span(data, 2)), &b, Q("2", "eth_sendRawTransaction") "\"0x01fe\"]}");
    asks(eth_rpc_newest_block(&b, 2), &b, Q("2", "eth_getBlockByNumber") "\"latest\",false]}");
    asks(eth_rpc_block(&b, 2, 255), &b, Q("2", "eth_getBlockByNumber") "\"0xff\",false]}");
    asks(eth_rpc_block_receipts(&b, 2, 0), &b, Q("2", "eth_getBlockReceipts") "\"0x0\"]}");
    asks(eth_rpc_receipt(&b, 2, &h), &b, Q("2", "eth_getTransactionReceipt") H "]}");
    asks(eth_rpc_transaction(&b, 2, &h), &b, Q("2", "eth_getTransactionByHash") H "]}");
    vl_buf_free(&b);
    vl_buf_init(&b, 40); /* no room */
    CHECK_EQ(VL_ELIMIT, eth_rpc_nonce(&b, 1, &a));
    vl_buf_free(&b);
}

static enum vl_err result(const char *text, struct vl_errmsg *msg) {
    struct vl_span v = { 0 };
    return eth_rpc_result(vl_span_str(text), 7, &v, msg);
}

TEST(eth_rpc, takes_the_answer_to_its_question_and_no_other) {
    struct vl_errmsg m;
    struct vl_span v = { 0 };
    CHECK_OK(eth_rpc_result(vl_span_str(" {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"0x1\"}\n"), 7, &v, &m));
    CHECK(vl_span_eq(v, vl_span_str("\"0x1\"")));
    CHECK_OK(result("{\"id\":7,\"result\":null,\"jsonrpc\":\"2.0\",\"error\":null}", &m));
    static const char *const bad[] = {
        "", "null", "7", "[]", "{}", "{\"id\":7,\"result\":\"0x1\"}", "{\"jsonrpc\":\"1.0\",\"id\":7,\"result\":\"0x1\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":\"0x1\"}", "{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":\"0x1\"}", "{\"jsonrpc\":\"2.0\",\"id\":-7,\"result\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":7.0,\"result\":1}", "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":\"0x1\"}", "{\"jsonrpc\":\"2.0\",\"result\":\"0x1\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":18446744073709551623,\"result\":1}", "{\"jsonrpc\":\"2.0\",\"id\":7}", "{\"jsonrpc\":\"2.0\",\"id\":7,\"id\":7,\"result\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1,\"result\":2}", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1}{}", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1",
        "[{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1}]", "{\"jsonrpc\":2.0,\"id\":7,\"result\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(VL_EPARSE, result(bad[i], &m));
}

TEST(eth_rpc, tells_a_refusal_in_printable_words_of_bounded_length) {
    struct vl_errmsg m;
    CHECK_EQ(VL_EDENIED, result("{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32000,\"message\":\"nonce \\u001b[2Jtoo low\xc3\xa9\"}}", &m));
    CHECK_STR("nonce .u001b[2Jtoo low..", m.text);
    CHECK_EQ(VL_EDENIED, result("{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"message\":\"~\x7f\"}}", &m));
    CHECK_STR("~.", m.text);
    CHECK_EQ(VL_EDENIED, result("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":\"no\"}", &m)); /* a server that did not understand the question */
    CHECK_STR("no reason", m.text);
    CHECK_EQ(VL_EDENIED, result("{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"message\":7}}", &m));
    CHECK_STR("no reason", m.text);
    char text[5000], words[4001];
    memset(words, 'x', 4000);
    words[4000] = '\0';
    snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"message\":\"%s\"}}", words);
    CHECK_EQ(VL_EDENIED, result(text, &m));
    CHECK_EQ(159, strlen(m.text));
}

TEST(eth_rpc, refuses_answers_that_are_deep_or_have_too_many_keys) {
    static char text[1 << 20];
    struct vl_errmsg m;
    size_t n = (size_t)snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":");
    memset(text + n, '[', sizeof text - n - 1);
    text[sizeof text - 1] = '\0';
    CHECK_EQ(VL_EPARSE, result(text, &m));
    for (size_t i = 0; i < 1000; i++) n += (size_t)snprintf(text + n, sizeof text - n, "%s\"k%zu\":1", i ? "," : "{", i);
    snprintf(text + n, sizeof text - n, "}}");
    CHECK_EQ(VL_EPARSE, result(text, &m));
}

TEST(eth_rpc, reads_numbers_and_bytes_in_their_one_form) {
    uint64_t x = 9;
    uint8_t b[4];
    size_t n = 9;
    struct vl_hash h;
    CHECK_OK(eth_rpc_read_u64(value("\"0x0\""), &x));
    CHECK_EQ(0, x);
    CHECK_OK(eth_rpc_read_u64(value("\"0xfFffffffffffffff\""), &x));
    CHECK(x == UINT64_MAX);
    CHECK_EQ(VL_ERANGE, eth_rpc_read_u64(value("\"0x10000000000000000\""), &x));
    static const char *const bad[] = { "\"0x\"", "\"0x00\"", "\"0x01\"", "\"1\"", "1", "\"0xg\"", "null", "\"\"", "\"0X1\"", "\"0x1 \"", "\"\\u0030x1\"", "[]", "{}" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(VL_EPARSE, eth_rpc_read_u64(value(bad[i]), &x));
    CHECK_OK(eth_rpc_read_bytes(value("\"0x\""), b, 4, &n));
    CHECK_EQ(0, n);
    CHECK_OK(eth_rpc_read_bytes(value("\"0x01aBcdEF\""), b, 4, &n));
    CHECK_MEM("\x01\xab\xcd\xef", b, 4);
    CHECK_EQ(VL_ELIMIT, eth_rpc_read_bytes(value("\"0x0102030405\""), b, 4, &n));
    CHECK_EQ(VL_EPARSE, eth_rpc_read_bytes(value("\"0x012\""), b, 4, &n));
    CHECK_EQ(VL_EPARSE, eth_rpc_read_bytes(value("\"0x0g\""), b, 4, &n));
    CHECK_EQ(VL_EPARSE, eth_rpc_read_hash(value("\"0x01\""), &h));
    CHECK_EQ(VL_EPARSE, eth_rpc_read_hash(value("\"0x000000000000000000000000000000000000000000000000000000000000000000\""), &h));
}

/* The recorded block with one text in it put for another; freed by the caller. */
static char *with(const char *text, const char *old, const char *new) {
    const char *at = strstr(text, old);
    CHECK(at != NULL);
    size_t size = strlen(text) + strlen(new) + 1;
    char *s = malloc(size);
    snprintf(s, size, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    return s;
}

TEST(eth_rpc, makes_of_a_block_the_header_that_has_its_hash) {
    struct eth_block b;
    struct eth_header h;
    struct vl_hash tx;
    CHECK_OK(eth_rpc_read_block(value(chain_block), &b));
    CHECK_EQ(2, b.number);
    CHECK_EQ(4, b.transactions);
    CHECK(b.header_n > 500 && b.base_fee > 0);
    CHECK_OK(eth_header_read(vl_span(b.header, b.header_n), &h));
    CHECK_EQ(2, h.number);
    CHECK_EQ(b.time, h.time);
    CHECK(vl_hash_eq(h.receipts, b.receipts));
    CHECK_OK(eth_block_transaction(&b, 3, &tx));
    CHECK_EQ(VL_ENOTFOUND, eth_block_transaction(&b, 4, &tx));
    CHECK_EQ(VL_ENOTFOUND, eth_rpc_read_block(value("null"), &b));
    for (size_t cut = 0; cut < b.header_n; cut++) CHECK_EQ(VL_EPARSE, eth_header_read(vl_span(b.header, cut), &h));
}

TEST(eth_rpc, gives_no_header_when_a_field_is_changed_or_unknown_and_no_block_without_what_it_needs) {
    static const char *const other[][2] = { { "\"extraData\":\"0x\"", "\"extraData\":\"0x00\"" }, { "\"blobGasUsed\":\"0x0\"", "\"blobGasUsed\":\"0x1\"" },
                                            { "\"difficulty\":\"0x0\"", "\"difficulty\":\"0x01\"" }, { "\"requestsHash\"", "\"futureHash\"" },
                                            { "\"logsBloom\":\"0x", "\"logsBloom\":\"0x00" }, { "\"miner\"", "\"x\"" } };
    static const char *const broken[][2] = { { "\"number\":\"0x2\"", "\"number\":2" }, { "\"hash\":\"0x", "\"hash\":\"0x00" }, { "\"timestamp\"", "\"time\"" },
                                             { "\"receiptsRoot\"", "\"root\"" }, { "\"transactions\"", "\"names\"" }, { "\"baseFeePerGas\":\"0x", "\"baseFeePerGas\":\"0x0" } };
    struct eth_block b;
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        char *s = with(chain_block, other[i][0], other[i][1]);
        CHECK_OK(eth_rpc_read_block(value(s), &b));
        CHECK_EQ(0, b.header_n);
        free(s);
    }
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char *s = with(chain_block, broken[i][0], broken[i][1]);
        CHECK_EQ(VL_EPARSE, eth_rpc_read_block(value(s), &b));
        free(s);
    }
}

TEST(eth_rpc, hashes_receipts_of_all_kinds_as_the_chain_does) {
    struct vl_span one, item[4];
    struct eth_block b;
    struct eth_receipt r;
    struct vl_buf bytes, nodes;
    struct mpt_proof way;
    size_t at[5] = { 0 };
    uint32_t n = 0;
    CHECK_OK(eth_rpc_read_block(value(chain_block), &b));
    vl_buf_init(&bytes, 1 << 16);
    vl_buf_init(&nodes, 1 << 16);
    for (; n < 4; n++) {
        struct vl_hash tx;
        one = value(chain_receipts[n]);
        CHECK_OK(eth_rpc_read_receipt(one, &r));
        CHECK_OK(eth_block_transaction(&b, n, &tx));
        CHECK(vl_hash_eq(tx, r.name) && vl_hash_eq(b.name, r.block_name));
        CHECK_EQ(n, r.index);
        CHECK_EQ(2, r.block);
        CHECK_OK(eth_rpc_receipt_bytes(one, &bytes));
        at[n + 1] = bytes.len;
    }
    for (uint32_t i = 0; i < n; i++) {
        bool ok = false;
        struct vl_reader logs;
        item[i] = vl_span(bytes.p + at[i], at[i + 1] - at[i]);
        CHECK_OK(eth_receipt_read(item[i], &ok, &logs));
        uint8_t typed[1024];
        struct vl_span plain = i == 0 ? item[i] : vl_span(item[i].p + 1, item[i].n - 1);
        memcpy(typed + 1, plain.p, plain.n);
        for (unsigned type = 0; type < 256; type++) { /* of any kind below 0x80 (EIP-2718) */
            typed[0] = (uint8_t)type;
            CHECK_EQ(type < 0x80 ? VL_OK : VL_EPARSE, eth_receipt_read(vl_span(typed, plain.n + 1), &ok, &logs));
        }
        for (size_t cut = 0; cut < item[i].n; cut++) CHECK_EQ(VL_EPARSE, eth_receipt_read(vl_span(item[i].p, cut), &ok, &logs));
    }
    for (uint32_t i = 0; i < n; i++) {
        vl_buf_clear(&nodes);
        CHECK_OK(mpt_prove(item, n, i, &nodes, &way));
        CHECK(vl_hash_eq(way.root, b.receipts));
    }
    vl_buf_free(&bytes);
    vl_buf_free(&nodes);
}

TEST(eth_rpc, refuses_receipts_with_wrong_types) {
    static const char *const broken[][2] = { { "\"status\":\"0x1\"", "\"status\":\"0x2\"" }, { "\"status\":\"0x1\"", "\"status\":1" }, { "\"blockNumber\"", "\"n\"" },
                                             { "\"blockHash\":\"0x", "\"blockHash\":\"" }, { "\"transactionIndex\":\"0x0\"", "\"transactionIndex\":\"0xffffffff\"" },
                                             { "\"logs\":[]", "\"log\":[]" } };
    struct eth_receipt r;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char *s = with(chain_receipts[0], broken[i][0], broken[i][1]);
        CHECK_EQ(VL_EPARSE, eth_rpc_read_receipt(value(s), &r));
        free(s);
    }
    CHECK_EQ(VL_ENOTFOUND, eth_rpc_read_receipt(value("null"), &r));
    char *typed = with(chain_receipts[0], "\"type\":\"0x0\"", "\"type\":\"0x7f\"");
    struct vl_buf last;
    vl_buf_init(&last, 1 << 16);
    CHECK_OK(eth_rpc_receipt_bytes(value(typed), &last));
    CHECK_EQ(0x7f, last.p[0]);
    vl_buf_free(&last);
    free(typed);
    static const char *const unhashed[][2] = { { "\"type\":\"0x0\"", "\"type\":\"0x80\"" }, { "\"cumulativeGasUsed\"", "\"gas\"" }, { "\"logsBloom\":\"0x00", "\"logsBloom\":\"0x" },
                                               { "\"logs\":[]", "\"logs\":[{}]" }, { "\"logs\":[]", "\"logs\":[7]" },
                                               { "\"logs\":[]", "\"logs\":[{\"address\":\"0x00\",\"topics\":[],\"data\":\"0x\"}]" } };
    struct vl_buf b;
    vl_buf_init(&b, 1 << 16);
    for (size_t i = 0; i < sizeof unhashed / sizeof unhashed[0]; i++) {
        char *s = with(chain_receipts[0], unhashed[i][0], unhashed[i][1]);
        CHECK(eth_rpc_receipt_bytes(value(s), &b) != VL_OK);
        CHECK_EQ(0, b.len);
        free(s);
    }
    vl_buf_free(&b);
}

TEST(eth_address, has_the_checksum_of_eip_55_and_finds_typing_errors) {
    static const char *const good[] = { "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
                                        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb" };
    struct eth_address a, b;
    char text[ETH_ADDRESS_TEXT];
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(eth_address_parse(good[i], &a));
        eth_address_format(&a, text);
        CHECK_STR(good[i], text);
    }
    CHECK_OK(eth_address_parse("0xd1220a0cf47c7b9be7a2e6ba89f429762e7b9adb", &b));
    CHECK_MEM(a.b, b.b, 20);
    CHECK_OK(eth_address_parse("0xD1220A0CF47C7B9BE7A2E6BA89F429762E7B9ADB", &b));
    CHECK_EQ(VL_ECRYPTO, eth_address_parse("0xd1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb", &b));
    CHECK_EQ(VL_EPARSE, eth_address_parse("D1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb00", &b));
    CHECK_EQ(VL_EPARSE, eth_address_parse("0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aD", &b));
    CHECK_EQ(VL_EPARSE, eth_address_parse("0xg1220a0cf47c7b9be7a2e6ba89f429762e7b9adb", &b));
}
