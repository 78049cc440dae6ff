/* eth_tx.h - transactions of the Ethereum chain of type 2 (EIP-2718, EIP-1559), addresses, and calls of a contract whose
 * arguments are words (contract ABI).  Pure; who signs is crypto/secp256k1.h.  Amounts are wei. */
#ifndef VL_TRUST_ETH_TX_H
#define VL_TRUST_ETH_TX_H

#include "base/bytes.h"

#define ETH_DATA_MAX 49152u /* EIP-3860: the longest code that makes a contract */
#define ETH_TX_MAX (ETH_DATA_MAX + 256u)
#define ETH_WORDS_MAX 8u
#define ETH_CALL_MAX (4u + 32u * ETH_WORDS_MAX)

struct eth_address {
    uint8_t b[20];
};
struct eth_tx {
    uint64_t chain, nonce, tip_max, fee_max, gas; /* per gas: what the block's producer gets at most, and all in all */
    bool create;                                  /* makes a contract; `to` counts for nothing */
    struct eth_address to;
    uint64_t value;
    struct vl_span data; /* borrowed, at most ETH_DATA_MAX */
};
struct eth_signature {
    uint8_t r[32], s[32], parity;
};

/* What is signed.  VL_ELIMIT: data is too long. */
VL_MUST_CHECK enum vl_err eth_tx_digest(const struct eth_tx *t, uint8_t ret[32]);
/* What is sent.  VL_ELIMIT: as above, or no room.  Its name on the chain is Keccak-256 of it. */
VL_MUST_CHECK enum vl_err eth_tx_encode(const struct eth_tx *t, const struct eth_signature *s, struct vl_buf *out);
/* The inverse; an access list is refused.  data borrows from `in`.  VL_EVERSION: not of type 2.  VL_EPARSE, VL_ERANGE: a number
 * above 64 bits, a parity above 1.  The signature is not checked here. */
VL_MUST_CHECK enum vl_err eth_tx_decode(struct vl_span in, struct eth_tx *ret, struct eth_signature *ret_s);

/* Of a public key x || y: the last 20 bytes of its Keccak-256. */
void eth_address_of(const uint8_t public[64], struct eth_address *ret);
#define ETH_ADDRESS_TEXT 43u
/* "0x" and 40 hexadecimal digits, whose case carries a checksum (EIP-55). */
void eth_address_format(const struct eth_address *a, char ret[ETH_ADDRESS_TEXT]);
/* VL_EPARSE: no address; VL_ECRYPTO: of both cases, and the checksum is wrong. */
VL_MUST_CHECK enum vl_err eth_address_parse(const char *text, struct eth_address *ret);
/* Where the contract is that the sender's transaction of this nonce makes (yellow paper, section 7). */
void eth_address_created(const struct eth_address *sender, uint64_t nonce, struct eth_address *ret);

/* The first four bytes of Keccak-256 of "name(type,type)". */
void eth_selector(const char *signature, uint8_t ret[4]);
/* A call with n <= ETH_WORDS_MAX words: 4 + 32 n bytes.  VL_ELIMIT: more words. */
struct eth_word {
    uint8_t b[32];
};
struct eth_word eth_word_u64(uint64_t v);
VL_MUST_CHECK enum vl_err eth_call(const char *signature, const struct eth_word *word, size_t n, uint8_t ret[ETH_CALL_MAX], size_t *ret_n);

#endif
