/* The account that writes anchors: its key in a file, and signing with it. */
#include "node/chain_client.h"

#include "base/text.h"
#include "crypto/keccak.h"
#include "crypto/random.h"
#include "crypto/secp256k1.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_FILE_MAX 128u

struct chain_account {
    struct secp *secp;
    uint8_t secret[32];
    struct eth_address address;
};

#ifdef VILLAGE_SECP256K1

static enum vl_err key_make(const char *path, struct vl_errmsg *msg) {
    uint8_t secret[32];
    char text[66];
    crypto_random(secret, sizeof secret); /* not below the order: once in 2^128, and then the next line of the caller refuses it */
    vl_hex_encode(secret, sizeof secret, text);
    text[64] = '\n';
    enum vl_err err = os_file_write(path, text, 65, 0600);
    crypto_wipe(secret, sizeof secret);
    crypto_wipe(text, sizeof text);
    return err ? vl_errmsg_set(msg, err, "cannot keep a key in %s: %s", path, vl_err_text(err)) : VL_OK;
}

static enum vl_err key_parse(struct vl_span s, uint8_t ret[32]) {
    char hex[65];
    if (s.n >= 2 && s.p[0] == '0' && s.p[1] == 'x') s = vl_span(s.p + 2, s.n - 2);
    if (s.n > 0 && s.p[s.n - 1] == '\n') s.n--;
    if (s.n != 64) return VL_EPARSE;
    for (size_t i = 0; i < 64; i++) {
        char c = (char)s.p[i];
        hex[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    }
    hex[64] = '\0';
    enum vl_err err = vl_hex_decode(hex, ret, 32);
    crypto_wipe(hex, sizeof hex);
    return err ? VL_EPARSE : VL_OK;
}

static enum vl_err key_load(const char *path, uint8_t ret[32], struct vl_errmsg *msg) {
    struct stat st;
    struct vl_buf b;
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        return vl_errmsg_set(msg, VL_EDENIED, "others may read the key in %s: chmod 600 it, and think whether they did", path);
    vl_buf_init(&b, KEY_FILE_MAX);
    enum vl_err err = vl_buf_reserve(&b, KEY_FILE_MAX); /* once, so that no copy is left behind */
    if (err == VL_OK) err = os_file_read(path, &b);
    if (err == VL_OK || err == VL_ELIMIT) err = err == VL_OK ? key_parse(vl_span(b.p, b.len), ret) : VL_EPARSE;
    if (b.p) crypto_wipe(b.p, b.cap);
    vl_buf_free(&b);
    if (err == VL_EPARSE) return vl_errmsg_set(msg, err, "%s is no key: 64 hexadecimal digits", path);
    return err ? vl_errmsg_set(msg, err, "cannot read the key in %s: %s", path, vl_err_text(err)) : VL_OK;
}

static enum vl_err account_fill(struct chain_account *a, const char *path, struct vl_errmsg *msg) {
    uint8_t blind[32], public[64];
    crypto_random(blind, sizeof blind);
    a->secp = secp_create(blind);
    crypto_wipe(blind, sizeof blind);
    if (a->secp == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    enum vl_err err = key_load(path, a->secret, msg);
    if (err) return err;
    if (secp_public(a->secp, a->secret, public) != VL_OK) return vl_errmsg_set(msg, VL_EPARSE, "the number in %s is no key of secp256k1", path);
    eth_address_of(public, &a->address);
    return VL_OK;
}

enum vl_err chain_account_open(const char *path, bool make, struct chain_account **ret, struct vl_errmsg *msg) {
    struct stat st;
    if (make && stat(path, &st) != 0) {
        enum vl_err err = key_make(path, msg);
        if (err) return err;
    }
    struct chain_account *a = calloc(1, sizeof *a);
    enum vl_err err = a ? account_fill(a, path, msg) : vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    if (err) {
        chain_account_close(a);
        return err;
    }
    *ret = a;
    return VL_OK;
}

void chain_account_close(struct chain_account *a) {
    if (a == NULL) return;
    secp_destroy(a->secp);
    crypto_wipe(a, sizeof *a);
    free(a);
}

enum vl_err chain_account_sign(const struct chain_account *a, const struct eth_tx *t, struct vl_buf *out, struct vl_hash *ret_name) {
    uint8_t digest[32];
    struct secp_signature s;
    struct eth_signature sig;
    size_t before = out->len;
    enum vl_err err = eth_tx_digest(t, digest);
    if (err == VL_OK) err = secp_sign(a->secp, a->secret, digest, &s);
    if (err) return err;
    memcpy(sig.r, s.r, sizeof sig.r);
    memcpy(sig.s, s.s, sizeof sig.s);
    sig.parity = s.parity;
    err = eth_tx_encode(t, &sig, out);
    if (err == VL_OK) keccak_256(vl_span(out->p + before, out->len - before), ret_name->b);
    return err;
}

#else

enum vl_err chain_account_open(const char *path, bool make, struct chain_account **ret, struct vl_errmsg *msg) {
    (void)path, (void)make, (void)ret;
    return vl_errmsg_set(msg, VL_EUNSUPPORTED, "this program was built without libsecp256k1: install libsecp256k1-dev and build it again");
}

void chain_account_close(struct chain_account *a) { free(a); }

enum vl_err chain_account_sign(const struct chain_account *a, const struct eth_tx *t, struct vl_buf *out, struct vl_hash *ret_name) {
    (void)a, (void)t, (void)out, (void)ret_name;
    return VL_EUNSUPPORTED;
}

#endif

struct eth_address chain_account_address(const struct chain_account *a) { return a->address; }
