/* Signatures and transactions against EIP-155's example and against transactions that ethers 6 made of the same fields. */
#include "trust/eth_tx.h"

#include "base/text.h"
#include "crypto/keccak.h"
#include "crypto/secp256k1.h"

#include "check.h"

#include <string.h>

static const uint8_t blind[32] = { 9 };

static void from_hex(const char *hex, void *dst, size_t n) {
    CHECK_EQ(2 * n, strlen(hex));
    CHECK_OK(vl_hex_decode(hex, dst, n));
}

static void is(const char *hex, const void *p, size_t n) {
    char got[1024];
    CHECK(2 * n < sizeof got);
    vl_hex_encode(p, n, got);
    CHECK_STR(hex, got);
}

TEST(secp256k1, signs_the_example_of_eip_155_and_finds_its_sender) {
    struct secp *c = secp_create(blind);
    struct secp_signature s;
    struct eth_address a;
    uint8_t secret[32], digest[32], key[64], found[64];
    memset(secret, 0x46, sizeof secret);
    from_hex("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53", digest, 32);
    CHECK_OK(secp_sign(c, secret, digest, &s));
    is("28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276", s.r, 32);
    is("67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83", s.s, 32);
    CHECK_EQ(0, s.parity);
    CHECK_OK(secp_public(c, secret, key));
    CHECK_OK(secp_recover(c, &s, digest, found));
    CHECK_MEM(key, found, 64);
    eth_address_of(found, &a);
    is("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f", a.b, 20);
    secp_destroy(c);
}

TEST(secp256k1, refuses_the_second_form_of_a_signature_and_keys_out_of_range) {
    static const char *const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    struct secp *c = secp_create(blind);
    struct secp_signature s, other;
    uint8_t secret[32] = { 0 }, n[32], digest[32] = { 1 }, key[64], found[64];
    CHECK_EQ(VL_ERANGE, secp_public(c, secret, key));
    CHECK_EQ(VL_ERANGE, secp_sign(c, secret, digest, &s));
    from_hex(order, n, 32);
    CHECK_EQ(VL_ERANGE, secp_sign(c, n, digest, &s));
    secret[31] = 1;
    CHECK_OK(secp_public(c, secret, key));
    CHECK_OK(secp_sign(c, secret, digest, &s));
    other = s;
    unsigned borrow = 0;
    for (size_t i = 32; i-- > 0;) { /* s' = order - s */
        unsigned d = 256u + n[i] - s.s[i] - borrow;
        borrow = d < 256;
        other.s[i] = (uint8_t)d;
    }
    other.parity ^= 1;
    CHECK_EQ(VL_ECRYPTO, secp_recover(c, &other, digest, found));
    other = s;
    other.parity = 2;
    CHECK_EQ(VL_ECRYPTO, secp_recover(c, &other, digest, found));
    other.parity = s.parity ^ 1;
    CHECK(secp_recover(c, &other, digest, found) != VL_OK || memcmp(key, found, 64) != 0);
    memset(other.r, 0, 32);
    CHECK_EQ(VL_ECRYPTO, secp_recover(c, &other, digest, found));
    secp_destroy(c);
}

TEST(eth_tx, names_accounts_contracts_and_calls_as_the_chain_does) {
    struct secp *c = secp_create(blind);
    struct eth_address a, made;
    uint8_t secret[32] = { [31] = 1 }, key[64], call[4];
    CHECK_OK(secp_public(c, secret, key));
    eth_address_of(key, &a);
    is("7e5f4552091a69125d5dfcb7b8c2659029395bdf", a.b, 20);
    from_hex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", a.b, 20);
    eth_address_created(&a, 0, &made);
    is("cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d", made.b, 20);
    eth_address_created(&a, 1, &made);
    is("343c43a37d37dff08ae8c4a11544c718abb4fcf8", made.b, 20);
    eth_selector("transfer(address,uint256)", call);
    is("a9059cbb", call, 4);
    secp_destroy(c);
}

struct example {
    struct eth_tx tx;
    const char *digest, *name, *bytes;
};

static void check_example(const struct example *e) {
    struct secp *c = secp_create(blind);
    struct secp_signature raw;
    struct eth_signature s = { 0 }, got_s;
    struct eth_tx got;
    struct vl_buf out;
    uint8_t secret[32], digest[32];
    memset(secret, 0x46, sizeof secret);
    CHECK_OK(eth_tx_digest(&e->tx, digest));
    is(e->digest, digest, 32);
    CHECK_OK(secp_sign(c, secret, digest, &raw));
    memcpy(s.r, raw.r, 32);
    memcpy(s.s, raw.s, 32);
    s.parity = raw.parity;
    vl_buf_init(&out, ETH_TX_MAX);
    CHECK_OK(eth_tx_encode(&e->tx, &s, &out));
    is(e->bytes, out.p, out.len);
    keccak_256(vl_span(out.p, out.len), digest);
    is(e->name, digest, 32);
    CHECK_OK(eth_tx_decode(vl_span(out.p, out.len), &got, &got_s));
    CHECK_EQ(e->tx.fee_max, got.fee_max);
    CHECK_EQ(e->tx.nonce, got.nonce);
    CHECK_EQ(e->tx.create, got.create);
    CHECK(vl_span_eq(e->tx.data, got.data));
    CHECK_MEM(&s, &got_s, sizeof s);
    for (size_t n = 0; n < out.len; n++) CHECK(eth_tx_decode(vl_span(out.p, n), &got, &got_s) != VL_OK);
    vl_buf_free(&out);
    secp_destroy(c);
}

TEST(eth_tx, signs_a_call_byte_for_byte_as_ethers_does) {
    uint8_t call[ETH_CALL_MAX];
    size_t n = 0;
    struct eth_word word[3] = { { { 0 } }, eth_word_u64(1000), { { 0 } } };
    memset(word[0].b, 0x11, 32);
    memset(word[2].b, 0xab, 32);
    CHECK_OK(eth_call("append(bytes32,uint64,bytes32)", word, 3, call, &n));
    struct example e = {
        .tx = { .chain = 31337, .tip_max = 1000000000, .fee_max = 3000000000, .gas = 60000, .data = vl_span(call, n) },
        .digest = "6250130c253453d9155ad95aaa46a91b5b416f1a9074a2e1c930c9fe696e52cc",
        .name = "49233106835d8c663145ac9b8f2098b13554a553bc790ef8153a567af1df3464",
        .bytes = "02f8d1827a6980843b9aca0084b2d05e0082ea6094353535353535353535353535353535353535353580b864e6ce925911111111111111"
                 "11111111111111111111111111111111111111111111111111000000000000000000000000000000000000000000000000000000000000"
                 "03e8ababababababababababababababababababababababababababababababababc001a03211514ddc997042f3da21fbfc53badb1968"
                 "4f853c3614c7396ef678b4479cada0433aa9af359c935e6cb952023dbcb207637b6c092a2323c217459ea6eda21cde",
    };
    memset(e.tx.to.b, 0x35, 20);
    check_example(&e);
}

TEST(eth_tx, signs_the_making_of_a_contract_byte_for_byte_as_ethers_does) {
    uint8_t code[60];
    memset(code, 0x60, sizeof code);
    struct example e = {
        .tx = { .chain = 1, .nonce = 300, .fee_max = 127, .gas = 21000, .create = true, .value = 128, .data = vl_span(code, sizeof code) },
        .digest = "aac2d5914f54dbcfadf944f2a1ff322c2b5dad15dfbe8ed50eecf5c4c52d7425",
        .name = "d214e274a2d26e2965e2736dc5c7f569d907a9afbea1ebd3d013f589aa9530c6",
        .bytes = "02f88e0182012c807f825208808180b83c6060606060606060606060606060606060606060606060606060606060606060606060606060"
                 "60606060606060606060606060606060606060606060c001a034828fdcfcb24405a4a74745610a74ff6d11ac9cc424c3834c1c3d025c19"
                 "9235a03ece789cc85591561b3db4ca3d90f3cd44b14a14fe1505ace5246272c3b9d64d",
    };
    check_example(&e);
}

TEST(eth_tx, refuses_other_types_and_data_that_no_block_takes) {
    static uint8_t long_data[ETH_DATA_MAX + 1];
    struct eth_tx t = { .data = vl_span(long_data, sizeof long_data) };
    struct eth_signature s = { 0 };
    uint8_t digest[32];
    CHECK_EQ(VL_ELIMIT, eth_tx_digest(&t, digest));
    CHECK_EQ(VL_EVERSION, eth_tx_decode(vl_span_str("\x01\xc0"), &t, &s));
    CHECK_EQ(VL_EPARSE, eth_tx_decode(vl_span(NULL, 0), &t, &s));
}
