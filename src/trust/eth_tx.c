#include "trust/eth_tx.h"

#include "base/text.h"
#include "crypto/keccak.h"
#include "trust/rlp.h"

#include <string.h>

enum { TYPE_2 = 0x02 };

static void put_fields(struct vl_writer *w, const struct eth_tx *t) {
    rlp_put_u64(w, t->chain);
    rlp_put_u64(w, t->nonce);
    rlp_put_u64(w, t->tip_max);
    rlp_put_u64(w, t->fee_max);
    rlp_put_u64(w, t->gas);
    rlp_put_bytes(w, vl_span(t->to.b, t->create ? 0 : sizeof t->to.b));
    rlp_put_u64(w, t->value);
    rlp_put_bytes(w, t->data);
    rlp_put_list(w, vl_span(NULL, 0)); /* no access list */
}

/* The envelope, unsigned when s is NULL. */
static enum vl_err envelope(const struct eth_tx *t, const struct eth_signature *s, struct vl_buf *out) {
    struct vl_buf items;
    if (t->data.n > ETH_DATA_MAX) return VL_ELIMIT;
    vl_buf_init(&items, ETH_TX_MAX);
    enum vl_err err = vl_buf_reserve(&items, t->data.n + 240);
    if (!err) err = vl_buf_reserve(out, t->data.n + 256);
    if (err) goto end;
    struct vl_writer w = vl_writer(items.p, items.cap);
    put_fields(&w, t);
    if (s != NULL) {
        rlp_put_u64(&w, s->parity);
        rlp_put_u256(&w, s->r);
        rlp_put_u256(&w, s->s);
    }
    struct vl_writer whole = vl_writer(out->p + out->len, out->cap - out->len);
    vl_write_u8(&whole, TYPE_2);
    rlp_put_list(&whole, vl_span(items.p, w.len));
    if (w.failed || whole.failed)
        err = VL_ELIMIT;
    else
        out->len += whole.len;
end:
    vl_buf_free(&items);
    return err;
}

enum vl_err eth_tx_digest(const struct eth_tx *t, uint8_t ret[32]) {
    struct vl_buf b;
    vl_buf_init(&b, ETH_TX_MAX);
    enum vl_err err = envelope(t, NULL, &b);
    if (!err) keccak_256(vl_span(b.p, b.len), ret);
    vl_buf_free(&b);
    return err;
}

enum vl_err eth_tx_encode(const struct eth_tx *t, const struct eth_signature *s, struct vl_buf *out) { return envelope(t, s, out); }

static enum vl_err next_to(struct vl_reader *r, struct eth_tx *t) {
    struct vl_span to;
    enum vl_err err = rlp_next_bytes(r, &to);
    if (err) return err;
    if (to.n != 0 && to.n != sizeof t->to.b) return VL_EPARSE;
    t->create = to.n == 0;
    if (to.n > 0) memcpy(t->to.b, to.p, to.n);
    return VL_OK;
}

enum vl_err eth_tx_decode(struct vl_span in, struct eth_tx *ret, struct eth_signature *ret_s) {
    struct vl_reader all = vl_reader(in.p, in.n), r = { 0 }, access = { 0 };
    struct eth_tx t = { 0 };
    struct eth_signature s = { 0 };
    uint64_t parity = 0;
    uint8_t type = vl_read_u8(&all);
    if (all.failed) return VL_EPARSE;
    if (type != TYPE_2) return VL_EVERSION;
    enum vl_err err = rlp_next_list(&all, &r);
    if (!err) err = vl_reader_end(&all);
    uint64_t *number[] = { &t.chain, &t.nonce, &t.tip_max, &t.fee_max, &t.gas };
    for (size_t i = 0; !err && i < sizeof number / sizeof number[0]; i++) err = rlp_next_u64(&r, number[i]);
    if (!err) err = next_to(&r, &t);
    if (!err) err = rlp_next_u64(&r, &t.value);
    if (!err) err = rlp_next_bytes(&r, &t.data);
    if (!err && t.data.n > ETH_DATA_MAX) err = VL_EPARSE;
    if (!err) err = rlp_next_list(&r, &access);
    if (!err) err = vl_reader_end(&access);
    if (!err) err = rlp_next_u64(&r, &parity);
    if (!err && parity > 1) err = VL_ERANGE;
    if (!err) err = rlp_next_u256(&r, s.r);
    if (!err) err = rlp_next_u256(&r, s.s);
    if (!err) err = vl_reader_end(&r);
    if (err) return err;
    s.parity = (uint8_t)parity;
    *ret = t;
    *ret_s = s;
    return VL_OK;
}

void eth_address_of(const uint8_t public[64], struct eth_address *ret) {
    uint8_t h[32];
    keccak_256(vl_span(public, 64), h);
    memcpy(ret->b, h + 12, sizeof ret->b);
}

void eth_address_format(const struct eth_address *a, char ret[ETH_ADDRESS_TEXT]) {
    uint8_t sum[32];
    ret[0] = '0';
    ret[1] = 'x';
    vl_hex_encode(a->b, sizeof a->b, ret + 2);
    keccak_256(vl_span(ret + 2, 2 * sizeof a->b), sum);
    for (size_t i = 0; i < 2 * sizeof a->b; i++)
        if (ret[2 + i] >= 'a' && (i % 2 ? sum[i / 2] & 8 : sum[i / 2] >> 7)) ret[2 + i] = (char)(ret[2 + i] - 'a' + 'A');
}

enum vl_err eth_address_parse(const char *text, struct eth_address *ret) {
    char small[41] = "", sound[ETH_ADDRESS_TEXT];
    bool upper = false, lower = false;
    if (strlen(text) != ETH_ADDRESS_TEXT - 1 || text[0] != '0' || text[1] != 'x') return VL_EPARSE;
    for (size_t i = 0; i < 40; i++) {
        char c = text[2 + i];
        upper |= c >= 'A' && c <= 'F';
        lower |= c >= 'a' && c <= 'f';
        small[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    }
    struct eth_address a;
    if (vl_hex_decode(small, a.b, sizeof a.b) != VL_OK) return VL_EPARSE;
    eth_address_format(&a, sound);
    if (upper && lower && strcmp(sound, text) != 0) return VL_ECRYPTO;
    *ret = a;
    return VL_OK;
}

void eth_address_created(const struct eth_address *sender, uint64_t nonce, struct eth_address *ret) {
    uint8_t items[32], list[40], h[32];
    struct vl_writer w = vl_writer(items, sizeof items), l = vl_writer(list, sizeof list);
    rlp_put_bytes(&w, vl_span(sender->b, sizeof sender->b));
    rlp_put_u64(&w, nonce);
    rlp_put_list(&l, vl_span(items, w.len));
    keccak_256(vl_span(list, l.len), h);
    memcpy(ret->b, h + 12, sizeof ret->b);
}

void eth_selector(const char *signature, uint8_t ret[4]) {
    uint8_t h[32];
    keccak_256(vl_span_str(signature), h);
    memcpy(ret, h, 4);
}

struct eth_word eth_word_u64(uint64_t v) {
    struct eth_word w = { { 0 } };
    vl_put_u64(w.b + 24, v);
    return w;
}

enum vl_err eth_call(const char *signature, const struct eth_word *word, size_t n, uint8_t ret[ETH_CALL_MAX], size_t *ret_n) {
    if (n > ETH_WORDS_MAX) return VL_ELIMIT;
    eth_selector(signature, ret);
    for (size_t i = 0; i < n; i++) memcpy(ret + 4 + 32 * i, word[i].b, 32);
    *ret_n = 4 + 32 * n;
    return VL_OK;
}
