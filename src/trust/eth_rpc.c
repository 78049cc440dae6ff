#include "trust/eth_rpc.h"

#include "base/text.h"
#include "crypto/keccak.h"
#include "trust/json.h"
#include "trust/rlp.h"

#include <string.h>

/* ---- asking ------------------------------------------------------------------------------------------------------------- */

static enum vl_err head(struct vl_buf *out, uint32_t id, const char *method) {
    vl_buf_clear(out);
    return vl_buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"%s\",\"params\":[", id, method);
}

static enum vl_err tail(struct vl_buf *out) { return vl_buf_append(out, "]}", 2); }

static enum vl_err put_text(struct vl_buf *out, const char *s) { return vl_buf_append(out, s, strlen(s)); }

/* "0x..." with its quotes. */
static enum vl_err put_hex(struct vl_buf *out, const uint8_t *p, size_t n) {
    enum vl_err err = vl_buf_reserve(out, 2 * n + 5);
    if (err) return err;
    memcpy(out->p + out->len, "\"0x", 3);
    vl_hex_encode(p, n, (char *)out->p + out->len + 3);
    out->len += 2 * n + 3;
    out->p[out->len++] = '"';
    return VL_OK;
}

static enum vl_err plain(struct vl_buf *out, uint32_t id, const char *method, const char *params) {
    enum vl_err err = head(out, id, method);
    if (err == VL_OK) err = put_text(out, params);
    return err ? err : tail(out);
}

static enum vl_err named(struct vl_buf *out, uint32_t id, const char *method, const uint8_t *p, size_t n, const char *more) {
    enum vl_err err = head(out, id, method);
    if (err == VL_OK) err = put_hex(out, p, n);
    if (err == VL_OK) err = put_text(out, more);
    return err ? err : tail(out);
}

enum vl_err eth_rpc_chain_id(struct vl_buf *out, uint32_t id) { return plain(out, id, "eth_chainId", ""); }
enum vl_err eth_rpc_tip_fee(struct vl_buf *out, uint32_t id) { return plain(out, id, "eth_maxPriorityFeePerGas", ""); }
enum vl_err eth_rpc_newest_block(struct vl_buf *out, uint32_t id) { return plain(out, id, "eth_getBlockByNumber", "\"latest\",false"); }

enum vl_err eth_rpc_nonce(struct vl_buf *out, uint32_t id, const struct eth_address *of) {
    return named(out, id, "eth_getTransactionCount", of->b, sizeof of->b, ",\"latest\"");
}
enum vl_err eth_rpc_balance(struct vl_buf *out, uint32_t id, const struct eth_address *of) {
    return named(out, id, "eth_getBalance", of->b, sizeof of->b, ",\"latest\"");
}
enum vl_err eth_rpc_code(struct vl_buf *out, uint32_t id, const struct eth_address *of) {
    return named(out, id, "eth_getCode", of->b, sizeof of->b, ",\"latest\"");
}
enum vl_err eth_rpc_send(struct vl_buf *out, uint32_t id, struct vl_span transaction) {
    return named(out, id, "eth_sendRawTransaction", transaction.p, transaction.n, "");
}
enum vl_err eth_rpc_receipt(struct vl_buf *out, uint32_t id, const struct vl_hash *transaction) {
    return named(out, id, "eth_getTransactionReceipt", transaction->b, sizeof transaction->b, "");
}

enum vl_err eth_rpc_transaction(struct vl_buf *out, uint32_t id, const struct vl_hash *transaction) {
    return named(out, id, "eth_getTransactionByHash", transaction->b, sizeof transaction->b, "");
}

static enum vl_err numbered(struct vl_buf *out, uint32_t id, const char *method, uint64_t number, const char *more) {
    enum vl_err err = head(out, id, method);
    if (err == VL_OK) err = vl_buf_printf(out, "\"0x%llx\"%s", (unsigned long long)number, more);
    return err ? err : tail(out);
}

enum vl_err eth_rpc_block(struct vl_buf *out, uint32_t id, uint64_t number) { return numbered(out, id, "eth_getBlockByNumber", number, ",false"); }
enum vl_err eth_rpc_block_receipts(struct vl_buf *out, uint32_t id, uint64_t number) { return numbered(out, id, "eth_getBlockReceipts", number, ""); }

static enum vl_err put_call(struct vl_buf *out, const struct eth_address *from, const struct eth_address *to, struct vl_span data) {
    enum vl_err err = put_text(out, "{");
    if (err == VL_OK && from) err = put_text(out, "\"from\":");
    if (err == VL_OK && from) err = put_hex(out, from->b, sizeof from->b);
    if (err == VL_OK && from) err = put_text(out, ",");
    if (err == VL_OK && to) err = put_text(out, "\"to\":");
    if (err == VL_OK && to) err = put_hex(out, to->b, sizeof to->b);
    if (err == VL_OK && to) err = put_text(out, ",");
    if (err == VL_OK) err = put_text(out, "\"data\":");
    if (err == VL_OK) err = put_hex(out, data.p, data.n);
    return err ? err : put_text(out, "}");
}

enum vl_err eth_rpc_estimate(struct vl_buf *out, uint32_t id, const struct eth_address *from, const struct eth_address *to, struct vl_span data) {
    enum vl_err err = head(out, id, "eth_estimateGas");
    if (err == VL_OK) err = put_call(out, from, to, data);
    return err ? err : tail(out);
}

enum vl_err eth_rpc_call(struct vl_buf *out, uint32_t id, const struct eth_address *to, struct vl_span data) {
    enum vl_err err = head(out, id, "eth_call");
    if (err == VL_OK) err = put_call(out, NULL, to, data);
    if (err == VL_OK) err = put_text(out, ",\"latest\"");
    return err ? err : tail(out);
}

/* ---- reading values ------------------------------------------------------------------------------------------------------- */

/* Digits behind "0x". */
static bool hex_of(struct vl_span v, struct vl_span *ret) {
    struct vl_span s;
    if (!jspan_text(v, &s) || s.n < 2 || s.p[0] != '0' || s.p[1] != 'x') return false;
    *ret = vl_span(s.p + 2, s.n - 2);
    return true;
}

static int digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

enum vl_err eth_rpc_read_u64(struct vl_span v, uint64_t *ret) {
    struct vl_span s;
    uint64_t x = 0;
    if (!hex_of(v, &s) || s.n == 0 || (s.n > 1 && s.p[0] == '0')) return VL_EPARSE;
    for (size_t i = 0; i < s.n; i++) {
        int d = digit(s.p[i]);
        if (d < 0) return VL_EPARSE;
        if (i >= 16) return VL_ERANGE;
        x = x << 4 | (uint64_t)d;
    }
    *ret = x;
    return VL_OK;
}

enum vl_err eth_rpc_read_bytes(struct vl_span v, uint8_t *dst, size_t cap, size_t *ret_n) {
    struct vl_span s;
    if (!hex_of(v, &s) || s.n % 2 != 0) return VL_EPARSE;
    if (s.n / 2 > cap) return VL_ELIMIT;
    for (size_t i = 0; i < s.n; i += 2) {
        int a = digit(s.p[i]), b = digit(s.p[i + 1]);
        if (a < 0 || b < 0) return VL_EPARSE;
        dst[i / 2] = (uint8_t)(a << 4 | b);
    }
    *ret_n = s.n / 2;
    return VL_OK;
}

static enum vl_err exactly(struct vl_span v, uint8_t *dst, size_t n) {
    size_t got = 0;
    enum vl_err err = eth_rpc_read_bytes(v, dst, n, &got);
    return err ? VL_EPARSE : got == n ? VL_OK : VL_EPARSE;
}

enum vl_err eth_rpc_read_hash(struct vl_span v, struct vl_hash *ret) { return exactly(v, ret->b, sizeof ret->b); }

static bool is_word(struct vl_span v, const char *word) { return vl_span_eq(v, vl_span_str(word)); }

static void words_of(struct vl_span error, struct vl_errmsg *msg) {
    struct vl_span v, s;
    char text[160];
    size_t n = 0;
    if (!jspan_member(error, "message", &v) || v.n < 2 || v.p[0] != '"') v = vl_span_str("\"no reason\"");
    s = vl_span(v.p + 1, v.n - 2);
    for (size_t i = 0; i < s.n && n < sizeof text - 1; i++) text[n++] = s.p[i] >= ' ' && s.p[i] < 0x7f && s.p[i] != '\\' ? (char)s.p[i] : '.';
    text[n] = '\0';
    vl_errmsg_set(msg, VL_EDENIED, "%s", text);
}

enum vl_err eth_rpc_result(struct vl_span text, uint32_t id, struct vl_span *ret, struct vl_errmsg *msg) {
    struct vl_span whole, v;
    uint64_t got = 0;
    if (!jspan_read(text, &whole) || !jspan_member(whole, "jsonrpc", &v) || !jspan_is(v, "2.0")) return vl_errmsg_set(msg, VL_EPARSE, "no answer of JSON-RPC 2.0");
    if (jspan_member(whole, "error", &v) && !is_word(v, "null")) {
        words_of(v, msg);
        return VL_EDENIED;
    }
    if (!jspan_member(whole, "id", &v) || !jspan_uint(v, &got) || got != id) return vl_errmsg_set(msg, VL_EPARSE, "an answer to another question");
    if (!jspan_member(whole, "result", &v)) return vl_errmsg_set(msg, VL_EPARSE, "an answer without a result");
    *ret = v;
    return VL_OK;
}

/* ---- reading blocks ------------------------------------------------------------------------------------------------------- */

/* A member as the bytes of a string, or as a number, put in RLP. */
static enum vl_err put_field(struct vl_writer *w, struct vl_span object, const char *key, size_t fixed) {
    uint8_t b[1024];
    size_t n = 0;
    struct vl_span v;
    if (!jspan_member(object, key, &v)) return VL_EPARSE;
    enum vl_err err = fixed ? exactly(v, b, n = fixed) : eth_rpc_read_bytes(v, b, sizeof b, &n);
    if (err == VL_OK) rlp_put_bytes(w, vl_span(b, n));
    return err;
}

static enum vl_err put_number(struct vl_writer *w, struct vl_span object, const char *key) {
    uint64_t x = 0;
    struct vl_span v;
    if (!jspan_member(object, key, &v)) return VL_EPARSE;
    enum vl_err err = eth_rpc_read_u64(v, &x);
    if (err == VL_OK) rlp_put_u64(w, x);
    return err;
}

static bool there(struct vl_span object, const char *key) {
    struct vl_span v;
    return jspan_member(object, key, &v) && !is_word(v, "null");
}

/* Fields in the order of the yellow paper; those of later forks stand behind, each fork's only with those before (EIP-1559, 4895, 4844, 4788,
 * 7685). */
static enum vl_err header_make(struct vl_span o, struct vl_writer *w) {
    static const struct {
        const char *key;
        size_t fixed; /* bytes; 1: a number; 0: any length */
    } field[] = { { "parentHash", 32 },  { "sha3Uncles", 32 }, { "miner", 20 },     { "stateRoot", 32 }, { "transactionsRoot", 32 }, { "receiptsRoot", 32 },
                  { "logsBloom", 256 },  { "difficulty", 1 },  { "number", 1 },     { "gasLimit", 1 },   { "gasUsed", 1 },           { "timestamp", 1 },
                  { "extraData", 0 },    { "mixHash", 32 },    { "nonce", 8 },      { "baseFeePerGas", 1 },    { "withdrawalsRoot", 32 },
                  { "blobGasUsed", 1 },  { "excessBlobGas", 1 }, { "parentBeaconBlockRoot", 32 }, { "requestsHash", 32 } };
    enum { BASIC = 15 };
    enum vl_err err = VL_OK;
    for (size_t i = 0; err == VL_OK && i < sizeof field / sizeof field[0]; i++) {
        if (i >= BASIC && !there(o, field[i].key)) break;
        err = field[i].fixed == 1 ? put_number(w, o, field[i].key) : put_field(w, o, field[i].key, field[i].fixed);
    }
    return err;
}

static void header_take(struct vl_span o, struct eth_block *b) {
    uint8_t items[ETH_RPC_HEADER_MAX], name[32];
    struct vl_writer w = vl_writer(items, sizeof items), h = vl_writer(b->header, sizeof b->header);
    if (header_make(o, &w) != VL_OK || w.failed) return;
    rlp_put_list(&h, vl_span(items, w.len));
    if (h.failed) return;
    keccak_256(vl_span(b->header, h.len), name);
    if (memcmp(name, b->name.b, sizeof name) == 0) b->header_n = h.len;
}

static enum vl_err member_u64(struct vl_span o, const char *key, uint64_t *ret) {
    struct vl_span v;
    return jspan_member(o, key, &v) ? eth_rpc_read_u64(v, ret) : VL_EPARSE;
}

static enum vl_err member_hash(struct vl_span o, const char *key, struct vl_hash *ret) {
    struct vl_span v;
    return jspan_member(o, key, &v) ? eth_rpc_read_hash(v, ret) : VL_EPARSE;
}

enum vl_err eth_rpc_read_block(struct vl_span v, struct eth_block *ret) {
    struct eth_block b = { 0 };
    if (is_word(v, "null")) return VL_ENOTFOUND;
    enum vl_err err = member_u64(v, "number", &b.number);
    if (err == VL_OK) err = member_u64(v, "timestamp", &b.time);
    if (err == VL_OK) err = member_u64(v, "baseFeePerGas", &b.base_fee);
    if (err == VL_OK) err = member_hash(v, "hash", &b.name);
    if (err == VL_OK) err = member_hash(v, "receiptsRoot", &b.receipts);
    if (err == VL_OK && !jspan_member(v, "transactions", &b.names)) err = VL_EPARSE;
    if (err) return err;
    struct vl_span at = b.names, one;
    while (jspan_next(&at, &one)) b.transactions++;
    header_take(v, &b);
    *ret = b;
    return VL_OK;
}

enum vl_err eth_block_transaction(const struct eth_block *b, uint32_t index, struct vl_hash *ret) {
    struct vl_span at = b->names, one;
    for (uint32_t i = 0; jspan_next(&at, &one); i++)
        if (i == index) return eth_rpc_read_hash(one, ret);
    return VL_ENOTFOUND;
}

/* ---- reading receipts ------------------------------------------------------------------------------------------------------- */

enum vl_err eth_rpc_read_receipt(struct vl_span v, struct eth_receipt *ret) {
    struct eth_receipt r = { 0 };
    uint64_t status = 0, index = 0;
    if (is_word(v, "null")) return VL_ENOTFOUND;
    enum vl_err err = member_u64(v, "status", &status);
    if (err == VL_OK && status > 1) err = VL_EPARSE;
    if (err == VL_OK) err = member_u64(v, "blockNumber", &r.block);
    if (err == VL_OK) err = member_hash(v, "blockHash", &r.block_name);
    if (err == VL_OK) err = member_hash(v, "transactionHash", &r.name);
    if (err == VL_OK) err = member_u64(v, "transactionIndex", &index);
    if (err == VL_OK && index >= UINT32_MAX) err = VL_EPARSE;
    if (err == VL_OK) err = member_u64(v, "gasUsed", &r.gas);
    if (err == VL_OK && !jspan_member(v, "logs", &r.logs)) err = VL_EPARSE;
    if (err) return err;
    r.ok = status == 1;
    r.index = (uint32_t)index;
    *ret = r;
    return VL_OK;
}

/* Room for n more bytes and the head of a list, as a writer; done() takes what was written. */
static enum vl_err room(struct vl_buf *b, size_t n, struct vl_writer *ret) {
    enum vl_err err = vl_buf_reserve(b, n + 16);
    if (err == VL_OK) *ret = vl_writer(b->p + b->len, b->cap - b->len);
    return err;
}

static enum vl_err done(struct vl_buf *b, const struct vl_writer *w) {
    if (w->failed) return VL_ELIMIT;
    b->len += w->len;
    return VL_OK;
}

static enum vl_err put_topics(struct vl_span list, struct vl_writer *w) {
    uint8_t items[ETH_RPC_TOPICS_MAX * 33];
    struct vl_writer t = vl_writer(items, sizeof items);
    struct vl_span one;
    while (jspan_next(&list, &one)) {
        struct vl_hash h;
        if (eth_rpc_read_hash(one, &h) != VL_OK) return VL_EPARSE;
        rlp_put_bytes(&t, vl_span(h.b, sizeof h.b));
    }
    if (t.failed) return VL_EPARSE;
    rlp_put_list(w, vl_span(items, t.len));
    return VL_OK;
}

static enum vl_err put_log(struct vl_span log, struct vl_buf *out, struct vl_buf *scratch) {
    struct vl_span topics, data;
    struct vl_writer w, whole;
    size_t n = 0;
    if (!jspan_member(log, "topics", &topics) || !jspan_member(log, "data", &data)) return VL_EPARSE;
    vl_buf_clear(scratch); /* the data, then the items */
    enum vl_err err = vl_buf_reserve(scratch, data.n / 2 + data.n / 2 + 512);
    if (err == VL_OK) err = eth_rpc_read_bytes(data, scratch->p, data.n / 2, &n);
    if (err) return err;
    w = vl_writer(scratch->p + n, scratch->cap - n);
    err = put_field(&w, log, "address", 20);
    if (err == VL_OK) err = put_topics(topics, &w);
    rlp_put_bytes(&w, vl_span(scratch->p, n));
    if (err == VL_OK && w.failed) err = VL_ELIMIT;
    if (err == VL_OK) err = room(out, w.len, &whole);
    if (err) return err;
    rlp_put_list(&whole, vl_span(w.p, w.len));
    return done(out, &whole);
}

/* The four items: status, gas so far, bloom, logs. */
static enum vl_err put_receipt(struct vl_span v, struct vl_span logs, struct vl_buf *items, struct vl_buf *list, struct vl_buf *scratch) {
    struct vl_span one;
    struct vl_writer w;
    enum vl_err err = VL_OK;
    while (err == VL_OK && jspan_next(&logs, &one)) err = put_log(one, list, scratch);
    if (err == VL_OK) err = room(items, list->len + 300, &w);
    if (err == VL_OK) err = put_number(&w, v, "status");
    if (err == VL_OK) err = put_number(&w, v, "cumulativeGasUsed");
    if (err == VL_OK) err = put_field(&w, v, "logsBloom", 256);
    if (err) return err;
    rlp_put_list(&w, vl_span(list->p, list->len));
    return done(items, &w);
}

enum vl_err eth_rpc_receipt_bytes(struct vl_span v, struct vl_buf *out) {
    struct vl_buf items, list, scratch;
    struct vl_writer w;
    struct vl_span logs;
    uint64_t type = 0;
    if (there(v, "type") && (member_u64(v, "type", &type) != VL_OK || type > 0x7f)) return VL_EPARSE;
    if (!jspan_member(v, "logs", &logs)) return VL_EPARSE;
    vl_buf_init(&items, ETH_RPC_ANSWER_MAX);
    vl_buf_init(&list, ETH_RPC_ANSWER_MAX);
    vl_buf_init(&scratch, ETH_RPC_ANSWER_MAX);
    enum vl_err err = put_receipt(v, logs, &items, &list, &scratch);
    if (err == VL_OK) err = room(out, items.len, &w);
    if (err == VL_OK) {
        if (type > 0) vl_write_u8(&w, (uint8_t)type);
        rlp_put_list(&w, vl_span(items.p, items.len));
        err = done(out, &w);
    }
    vl_buf_free(&items);
    vl_buf_free(&list);
    vl_buf_free(&scratch);
    return err;
}

/* ---- what was hashed, read back ------------------------------------------------------------------------------------------- */

enum vl_err eth_header_read(struct vl_span rlp, struct eth_header *ret) {
    enum { RECEIPTS = 5, NUMBER = 8, TIME = 11, FIELDS = 15 };
    struct vl_reader all = vl_reader(rlp.p, rlp.n), r = { 0 };
    struct eth_header h = { 0 };
    uint32_t n = 0;
    enum vl_err err = rlp_next_list(&all, &r);
    if (err == VL_OK) err = vl_reader_end(&all);
    for (; err == VL_OK && r.n > 0; n++) {
        struct vl_span v;
        if (n == NUMBER || n == TIME) {
            err = rlp_next_u64(&r, n == NUMBER ? &h.number : &h.time);
            continue;
        }
        err = rlp_next_bytes(&r, &v);
        if (err == VL_OK && n == RECEIPTS && v.n != sizeof h.receipts.b) err = VL_EPARSE;
        if (err == VL_OK && n == RECEIPTS) memcpy(h.receipts.b, v.p, v.n);
    }
    if (err || n < FIELDS) return VL_EPARSE;
    *ret = h;
    return VL_OK;
}

enum vl_err eth_receipt_read(struct vl_span bytes, bool *ret_ok, struct vl_reader *ret_logs) {
    struct vl_reader all = vl_reader(bytes.p, bytes.n), r = { 0 };
    uint64_t status = 0, gas = 0;
    struct vl_span bloom;
    if (bytes.n > 0 && bytes.p[0] < 0x80) (void)vl_read_u8(&all); /* a typed one */
    enum vl_err err = rlp_next_list(&all, &r);
    if (err == VL_OK) err = vl_reader_end(&all);
    if (err == VL_OK) err = rlp_next_u64(&r, &status);
    if (err == VL_OK) err = rlp_next_u64(&r, &gas);
    if (err == VL_OK) err = rlp_next_bytes(&r, &bloom);
    if (err == VL_OK && bloom.n != 256) err = VL_EPARSE;
    if (err == VL_OK) err = rlp_next_list(&r, ret_logs);
    if (err == VL_OK) err = vl_reader_end(&r);
    if (err || status > 1) return VL_EPARSE;
    *ret_ok = status == 1;
    return VL_OK;
}

enum vl_err eth_log_next(struct vl_reader *logs, struct eth_log *ret) {
    struct vl_reader r, topics;
    struct vl_span v;
    struct eth_log l = { 0 };
    enum vl_err err = rlp_next_list(logs, &r);
    if (err == VL_OK) err = rlp_next_bytes(&r, &v);
    if (err == VL_OK && v.n != sizeof l.address.b) err = VL_EPARSE;
    if (err) return VL_EPARSE;
    memcpy(l.address.b, v.p, v.n);
    err = rlp_next_list(&r, &topics);
    for (; err == VL_OK && topics.n > 0; l.topics++) {
        err = rlp_next_bytes(&topics, &v);
        if (err == VL_OK && (v.n != 32 || l.topics == ETH_RPC_TOPICS_MAX)) err = VL_EPARSE;
        if (err == VL_OK) memcpy(l.topic[l.topics].b, v.p, 32);
    }
    if (err == VL_OK) err = rlp_next_bytes(&r, &l.data);
    if (err == VL_OK) err = vl_reader_end(&r);
    if (err) return VL_EPARSE;
    *ret = l;
    return VL_OK;
}
