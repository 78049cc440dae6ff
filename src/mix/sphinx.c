#include "mix/sphinx.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/stream.h"
#include "mix/sphinx_priv.h"

#include <assert.h>
#include <string.h>

_Static_assert(SPHINX_AT_BETA + SPHINX_BETA == SPHINX_HEADER && SPHINX_BETA == SPHINX_HOPS_MAX * SPHINX_SLOT, "header");
_Static_assert(SPHINX_HEADER + SPHINX_DELTA == SPHINX_PACKET && SPHINX_ZEROS + SPHINX_BODY == SPHINX_DELTA, "packet");
_Static_assert(SPHINX_DATA_MAX + 3 == SPHINX_BODY && SPHINX_SURB == SPHINX_HEADER + 4 + 32 + 4, "body, reply block");
_Static_assert(SPHINX_OKM == sizeof((struct sphinx_work *)0)->okm, "okm");

void sphinx_put_ad(uint8_t ad[SPHINX_AD], uint8_t key_id) {
    memset(ad, 0, SPHINX_AD);
    ad[0] = SPHINX_VERSION;
    ad[1] = SPHINX_SUITE;
    ad[SPHINX_AT_KEY_ID] = key_id;
}

bool sphinx_ad_good(const uint8_t ad[SPHINX_AD]) {
    uint8_t rest = 0;
    for (size_t i = SPHINX_AT_KEY_ID + 1; i < SPHINX_AD; i++) rest |= ad[i];
    return ad[0] == SPHINX_VERSION && ad[1] == SPHINX_SUITE && rest == 0;
}

/* SPEC SPX-12: "prk is BLAKE2b-256 without a key, personalisation `bn-sphinx-v1-kem`, of [ss, E, public mix key of the
 * node, version, suite], 98 bytes." */
void sphinx_extract(const uint8_t ss[32], const uint8_t e[32], const uint8_t node_public[32], uint8_t prk[32]) {
    uint8_t in[98];
    memcpy(in, ss, 32);
    memcpy(in + 32, e, 32);
    memcpy(in + 64, node_public, 32);
    in[96] = SPHINX_VERSION;
    in[97] = SPHINX_SUITE;
    crypto_blake2b_keyed(vl_span(in, sizeof in), vl_span(NULL, 0), "bn-sphinx-v1-kem", prk, 32);
    crypto_wipe(in, sizeof in);
}

/* SPEC SPX-13: "okm is the first 192 bytes of ChaCha20 (RFC 8439) with key prk, nonce of 12 zero bytes, counter from
 * 0." */
void sphinx_expand(const uint8_t (*prk)[32], size_t n, uint8_t *const *okm) {
    crypto_chacha20_many(prk, n, okm, SPHINX_OKM);
}

void sphinx_mac(const uint8_t key[32], const uint8_t header[SPHINX_HEADER], uint8_t ret[SPHINX_MAC]) {
    uint8_t message[SPHINX_AT_GAMMA + SPHINX_BETA]; /* in one piece: Poly1305 is slow at odd lengths */
    memcpy(message, header, SPHINX_AT_GAMMA);
    memcpy(message + SPHINX_AT_GAMMA, header + SPHINX_AT_BETA, SPHINX_BETA);
    crypto_poly1305(key, vl_span(message, sizeof message), ret);
}

/* ---- slots ---- */

/* SPEC SPX-05: "Command 1: next key id u8, mean delay u16, next node u32, next gamma 16 bytes, next E 32 bytes."
 * SPEC SPX-06: "Command 2 delivers: flags u8, mean delay u16, service u32, recipient 32 bytes, 16 zero bytes. Command 3
 * replies: flags, mean delay, 4 zero bytes, mailbox 32 bytes, reply id 16 bytes. Command 4 is cover that ends here:
 * flags, mean delay, 52 zero bytes." */
void sphinx_slot_put(const struct sphinx_slot *s, uint8_t dst[SPHINX_SLOT]) {
    memset(dst, 0, SPHINX_SLOT);
    dst[0] = (uint8_t)s->command;
    dst[1] = s->command == SPHINX_FORWARD ? s->next_key_id : s->end.flags;
    sphinx_put_le16(dst + 2, s->delay_ms);
    switch (s->command) {
    case SPHINX_FORWARD:
        sphinx_put_le32(dst + 4, s->next);
        memcpy(dst + 8, s->gamma, SPHINX_MAC);
        memcpy(dst + 24, s->next_e, 32);
        break;
    case SPHINX_DELIVER:
        sphinx_put_le32(dst + 4, s->end.service);
        memcpy(dst + 8, s->end.recipient, 32);
        break;
    case SPHINX_REPLY:
        memcpy(dst + 8, s->end.recipient, 32);
        memcpy(dst + 40, s->end.surb_id, 16);
        break;
    case SPHINX_DROP:
        break;
    }
}

static bool zeros(const uint8_t *p, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

/* SPEC SPX-04: "Bytes without a meaning are zero, and a node drops a packet in which they are not." */
bool sphinx_slot_read(const uint8_t src[SPHINX_SLOT], struct sphinx_slot *ret) {
    struct sphinx_slot s = { .delay_ms = sphinx_get_le16(src + 2) };
    switch (src[0]) {
    case SPHINX_FORWARD:
        s.next_key_id = src[1];
        s.next = sphinx_get_le32(src + 4);
        s.gamma = src + 8;
        s.next_e = src + 24;
        if (s.next == 0) return false; /* SPEC SPX-05: "Node 0 does not exist." */
        s.command = SPHINX_FORWARD;
        *ret = s;
        return true;
    case SPHINX_DELIVER:
        s.end.service = sphinx_get_le32(src + 4);
        memcpy(s.end.recipient, src + 8, 32);
        if (!zeros(src + 40, 16)) return false;
        break;
    case SPHINX_REPLY:
        memcpy(s.end.recipient, src + 8, 32);
        memcpy(s.end.surb_id, src + 40, 16);
        if (!zeros(src + 4, 4)) return false;
        break;
    case SPHINX_DROP:
        if (!zeros(src + 4, SPHINX_SLOT - 4)) return false;
        break;
    default:
        return false;
    }
    s.command = s.end.command = (enum sphinx_command)src[0];
    s.end.flags = src[1];
    *ret = s;
    return true;
}

/* ---- payload ---- */

void sphinx_payload_put(const uint8_t body[SPHINX_BODY], uint8_t delta[SPHINX_DELTA]) {
    memmove(delta + SPHINX_ZEROS, body, SPHINX_BODY);
    memset(delta, 0, SPHINX_ZEROS);
}

bool sphinx_payload_good(const uint8_t delta[SPHINX_DELTA]) {
    static const uint8_t want[SPHINX_ZEROS] = { 0 };
    return crypto_equal(delta, want, SPHINX_ZEROS);
}

enum vl_err sphinx_body(uint8_t type, struct vl_span data, uint8_t body[SPHINX_BODY]) {
    if (data.n > SPHINX_DATA_MAX) return VL_ERANGE;
    sphinx_put_le16(body, (uint16_t)data.n);
    body[2] = type;
    if (data.n > 0) memcpy(body + 3, data.p, data.n);
    memset(body + 3 + data.n, 0, SPHINX_DATA_MAX - data.n);
    return VL_OK;
}

/* SPEC SPX-34: "A reader refuses another length and any byte behind the data that is not zero." */
enum vl_err sphinx_body_read(const uint8_t body[SPHINX_BODY], uint8_t *ret_type, struct vl_span *ret_data) {
    size_t n = sphinx_get_le16(body);
    if (n > SPHINX_DATA_MAX || !zeros(body + 3 + n, SPHINX_DATA_MAX - n)) return VL_EPARSE;
    *ret_type = body[2];
    *ret_data = vl_span(body + 3, n);
    return VL_OK;
}
