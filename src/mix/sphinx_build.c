/* The sender's half: headers, packets, reply blocks. */
#include "mix/sphinx.h"

#include "crypto/hctr2.h"
#include "crypto/random.h"
#include "crypto/stream.h"
#include "crypto/x25519_batch.h"
#include "mix/sphinx_priv.h"

#include <assert.h>
#include <string.h>

/* Where one header goes. */
struct target {
    uint8_t *header;
    uint8_t (*payload_key)[32];
    uint8_t (*delay_input)[16];
    uint8_t *surb_key; /* 32 bytes of a reply block, else NULL */
};

static bool path_good(const struct sphinx_path *p, bool reply) {
    if (p->n < 1 || p->n > SPHINX_HOPS_MAX) return false;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->hop[i].node == 0) return false;
    if (reply) return p->end.command == SPHINX_REPLY;
    return p->end.command == SPHINX_DELIVER || p->end.command == SPHINX_DROP;
}

/* SPEC SPX-24: "phi(0) is empty; phi(i+1) is [phi(i), 56 zero bytes] xor s(i)[392-56i..448)."  Writes phi(n-1). */
static void filler(const uint8_t (*stream)[SPHINX_STREAM], size_t n, uint8_t *phi) {
    memset(phi, 0, SPHINX_SLOT * (n - 1));
    for (size_t i = 0; i + 1 < n; i++)
        sphinx_xor(phi, stream[i] + SPHINX_BETA - SPHINX_SLOT * i, SPHINX_SLOT * (i + 1));
}

static void forward_slot(const struct sphinx_path *path, size_t i, const uint8_t *next_header, uint8_t *dst) {
    uint8_t gamma[SPHINX_MAC], e[32];
    memcpy(gamma, next_header + SPHINX_AT_GAMMA, sizeof gamma);
    memcpy(e, next_header + SPHINX_AT_E, sizeof e);
    struct sphinx_slot s = { .command = SPHINX_FORWARD,
                             .next_key_id = path->hop[i + 1].key_id,
                             .delay_ms = path->hop[i].delay_ms,
                             .next = path->hop[i + 1].node,
                             .gamma = gamma,
                             .next_e = e };
    sphinx_slot_put(&s, dst);
}

/* Builds from the last node to the first, each header over the one behind it.  The random bytes behind the last slot
 * are in place already. */
static void header_build(const struct sphinx_path *path, const uint8_t (*e)[32], const uint8_t (*okm)[SPHINX_OKM],
                         uint8_t header[SPHINX_HEADER]) {
    uint8_t stream[SPHINX_HOPS_MAX][SPHINX_STREAM];
    uint8_t *beta = header + SPHINX_AT_BETA;
    size_t n = path->n, phi = SPHINX_SLOT * (n - 1);
    uint8_t key[SPHINX_HOPS_MAX][32], *at[SPHINX_HOPS_MAX];
    for (size_t i = 0; i < n; i++) {
        memcpy(key[i], okm[i] + SPHINX_OKM_HEADER, 32);
        at[i] = stream[i];
    }
    crypto_chacha20_many((const uint8_t(*)[32])key, n, at, SPHINX_STREAM);

    struct sphinx_slot last = { .command = path->end.command, .delay_ms = path->hop[n - 1].delay_ms, .end = path->end };
    sphinx_slot_put(&last, beta);
    sphinx_xor(beta, stream[n - 1], SPHINX_BETA - phi);
    filler((const uint8_t(*)[SPHINX_STREAM])stream, n, beta + SPHINX_BETA - phi);
    for (size_t i = n; i-- > 0;) {
        if (i < n - 1) {
            memmove(beta + SPHINX_SLOT, beta, SPHINX_BETA - SPHINX_SLOT);
            forward_slot(path, i, header, beta);
            sphinx_xor(beta, stream[i], SPHINX_BETA);
        }
        sphinx_put_ad(header, path->hop[i].key_id);
        memcpy(header + SPHINX_AT_E, e[i], 32);
        sphinx_mac(okm[i] + SPHINX_OKM_MAC, header, header + SPHINX_AT_GAMMA);
    }
    crypto_wipe(key, sizeof key);
    crypto_wipe(stream, sizeof stream);
}

/* One group of paths, SPHINX_LANES nodes at most in all. */
static enum vl_err group_build(const struct sphinx_path *path, size_t n, struct crypto_drbg *rng,
                               const struct target *to) {
    struct {
        uint8_t secret[SPHINX_LANES][32], e[SPHINX_LANES][32], node[SPHINX_LANES][32], ss[SPHINX_LANES][32];
        uint8_t prk[SPHINX_LANES][32], okm[SPHINX_LANES][SPHINX_OKM], *at[SPHINX_LANES];
    } g;
    size_t lanes = 0;
    /* SPEC SPX-27: "n secrets of 32 bytes from the first node to the last, the 56(7-n) bytes behind the last slot, and
     * for a reply block the 32 bytes of its payload key" */
    for (size_t k = 0; k < n; k++) {
        for (uint32_t i = 0; i < path[k].n; i++, lanes++) {
            crypto_drbg_bytes(rng, g.secret[lanes], 32);
            memcpy(g.node[lanes], path[k].hop[i].key, 32);
        }
        crypto_drbg_bytes(rng, to[k].header + SPHINX_AT_BETA + SPHINX_SLOT,
                          SPHINX_SLOT * (SPHINX_HOPS_MAX - path[k].n));
        if (to[k].surb_key != NULL) crypto_drbg_bytes(rng, to[k].surb_key, 32);
    }
    crypto_x25519_base_batch((const uint8_t(*)[32])g.secret, g.e, lanes);
    crypto_x25519_batch((const uint8_t(*)[32])g.secret, (const uint8_t(*)[32])g.node, g.ss, lanes);

    enum vl_err err = VL_OK;
    for (size_t i = 0; i < lanes; i++) {
        if (crypto_x25519_is_zero(g.ss[i])) err = VL_ECRYPTO; /* SPEC SPX-11: "An ss of 32 zero bytes is refused" */
        sphinx_extract(g.ss[i], g.e[i], g.node[i], g.prk[i]);
        g.at[i] = g.okm[i];
    }
    sphinx_expand((const uint8_t(*)[32])g.prk, lanes, g.at);
    for (size_t k = 0, at = 0; k < n && err == VL_OK; at += path[k].n, k++) {
        for (uint32_t i = 0; i < path[k].n; i++) {
            memcpy(to[k].payload_key[i], g.okm[at + i] + SPHINX_OKM_PAYLOAD, 32);
            memcpy(to[k].delay_input[i], g.okm[at + i] + SPHINX_OKM_DELAY, 16);
        }
        header_build(&path[k], (const uint8_t(*)[32])(g.e + at), (const uint8_t(*)[SPHINX_OKM])(g.okm + at),
                     to[k].header);
    }
    crypto_wipe(&g, sizeof g);
    return err;
}

/* How many of the n paths fill one group. */
static size_t group_size(const struct sphinx_path *path, size_t n) {
    size_t lanes = 0, k = 0;
    while (k < n && lanes + path[k].n <= SPHINX_LANES) lanes += path[k++].n;
    return k;
}

static bool paths_good(const struct sphinx_path *path, size_t n, bool reply) {
    if (n > SPHINX_BATCH) return false;
    for (size_t k = 0; k < n; k++)
        if (!path_good(&path[k], reply)) return false;
    return true;
}

enum vl_err sphinx_build(const struct sphinx_path *path, size_t n, struct crypto_drbg *rng,
                         struct sphinx_prebuilt *ret) {
    if (!paths_good(path, n, false)) return VL_ERANGE;
    struct target to[SPHINX_LANES];
    for (size_t from = 0, take; from < n; from += take) {
        take = group_size(path + from, n - from);
        for (size_t k = 0; k < take; k++) {
            struct sphinx_prebuilt *p = &ret[from + k];
            *p = (struct sphinx_prebuilt){ .first = path[from + k].hop[0].node, .n = path[from + k].n };
            for (uint32_t i = 0; i < p->n; i++) {
                p->node[i] = path[from + k].hop[i].node;
                p->mean_ms[i] = path[from + k].hop[i].delay_ms;
            }
            to[k] = (struct target){ p->header, p->payload_key, p->delay_input, NULL };
        }
        enum vl_err err = group_build(path + from, take, rng, to);
        if (err) {
            crypto_wipe(ret, n * sizeof *ret);
            return err;
        }
    }
    return VL_OK;
}

void sphinx_prebuilt_wipe(struct sphinx_prebuilt *p) { crypto_wipe(p, sizeof *p); }

/* SPEC SPX-31: "The sender enciphers [16 zero bytes, body] with the payload key of the last node, then of the one
 * before, and so on to the first." */
void sphinx_seal(const struct sphinx_prebuilt *p, const uint8_t body[SPHINX_BODY], uint8_t packet[SPHINX_PACKET]) {
    assert(p->n >= 1 && p->n <= SPHINX_HOPS_MAX);
    uint8_t *delta = packet + SPHINX_HEADER;
    sphinx_payload_put(body, delta);
    for (uint32_t i = p->n; i-- > 0;)
        crypto_hctr2_encrypt(p->payload_key[i], vl_span(NULL, 0), delta, SPHINX_DELTA, delta);
    memcpy(packet, p->header, SPHINX_HEADER);
}

/* ---- reply blocks ---- */

enum { AT_FIRST = SPHINX_HEADER, AT_KEY = AT_FIRST + 4, AT_EXPIRY = AT_KEY + 32 };

enum vl_err sphinx_surb_build(const struct sphinx_path *path, size_t n, uint32_t expiry_epoch, struct crypto_drbg *rng,
                              uint8_t (*ret_surb)[SPHINX_SURB], struct sphinx_surb_keys *ret_keys) {
    if (!paths_good(path, n, true)) return VL_ERANGE;
    struct target to[SPHINX_LANES];
    for (size_t from = 0, take; from < n; from += take) {
        take = group_size(path + from, n - from);
        for (size_t k = 0; k < take; k++) {
            const struct sphinx_path *p = &path[from + k];
            struct sphinx_surb_keys *keys = &ret_keys[from + k];
            uint8_t *surb = ret_surb[from + k];
            *keys = (struct sphinx_surb_keys){ .n = p->n };
            memcpy(keys->id, p->end.surb_id, sizeof keys->id);
            to[k] = (struct target){ surb, keys->payload_key, keys->delay_input, keys->key };
            sphinx_put_le32(surb + AT_FIRST, p->hop[0].node);
            sphinx_put_le32(surb + AT_EXPIRY, expiry_epoch);
        }
        enum vl_err err = group_build(path + from, take, rng, to);
        if (err) {
            crypto_wipe(ret_surb, n * sizeof *ret_surb);
            crypto_wipe(ret_keys, n * sizeof *ret_keys);
            return err;
        }
        for (size_t k = 0; k < take; k++) memcpy(ret_surb[from + k] + AT_KEY, ret_keys[from + k].key, 32);
    }
    return VL_OK;
}

/* SPEC SPX-41: "The responder checks AD and that the first node is not 0, enciphers [16 zero bytes, body] with the
 * payload key of the block once, and sends [header, delta] to the first node." */
enum vl_err sphinx_surb_use(const uint8_t surb[SPHINX_SURB], const uint8_t body[SPHINX_BODY],
                            uint8_t packet[SPHINX_PACKET], uint32_t *ret_first) {
    uint32_t first = sphinx_get_le32(surb + AT_FIRST);
    if (!sphinx_ad_good(surb) || first == 0) return VL_EPARSE;
    uint8_t *delta = packet + SPHINX_HEADER;
    sphinx_payload_put(body, delta);
    crypto_hctr2_encrypt(surb + AT_KEY, vl_span(NULL, 0), delta, SPHINX_DELTA, delta);
    memcpy(packet, surb, SPHINX_HEADER);
    *ret_first = first;
    return VL_OK;
}

uint32_t sphinx_surb_expiry(const uint8_t surb[SPHINX_SURB]) { return sphinx_get_le32(surb + AT_EXPIRY); }

/* SPEC SPX-43: "The owner enciphers delta with the payload keys from the last node to the first, deciphers it with the
 * key of the block, and requires the 16 zero bytes." */
enum vl_err sphinx_surb_open(const struct sphinx_surb_keys *keys, const uint8_t delta[SPHINX_DELTA],
                             uint8_t ret_body[SPHINX_BODY]) {
    assert(keys->n >= 1 && keys->n <= SPHINX_HOPS_MAX);
    uint8_t block[SPHINX_DELTA];
    memcpy(block, delta, sizeof block);
    for (uint32_t i = keys->n; i-- > 0;)
        crypto_hctr2_encrypt(keys->payload_key[i], vl_span(NULL, 0), block, sizeof block, block);
    crypto_hctr2_decrypt(keys->key, vl_span(NULL, 0), block, sizeof block, block);
    bool good = sphinx_payload_good(block);
    if (good) memcpy(ret_body, block + SPHINX_ZEROS, SPHINX_BODY);
    crypto_wipe(block, sizeof block);
    return good ? VL_OK : VL_ECRYPTO;
}
