#include "crypto/cosign.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/node_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEY_HASH 4u
#define COSIGNATURE_KIND 4u /* C2SP signed-note: the byte before the key in the hash that names it */
#define RAW (KEY_HASH + 8u + CRYPTO_SIGNATURE)
#define DASH "\xe2\x80\x94 "
#define DASH_N 4u
#define MESSAGE_MAX (64u + MERKLE_CHECKPOINT_MAX)

enum vl_err cosign_body(struct vl_span text, struct vl_span *ret) {
    for (size_t i = 1; i < text.n; i++)
        if (text.p[i] == '\n' && text.p[i - 1] == '\n') {
            *ret = vl_span(text.p, i);
            return VL_OK;
        }
    return VL_EPARSE;
}

static size_t message_of(struct vl_span body, uint64_t time_s, uint8_t ret[MESSAGE_MAX]) {
    int n = snprintf((char *)ret, MESSAGE_MAX, "cosignature/v1\ntime %" PRIu64 "\n", time_s);
    memcpy(ret + n, body.p, body.n);
    return (size_t)n + body.n;
}

enum vl_err cosign_make(struct vl_span body, const struct crypto_sign_key *key, uint64_t time_s, struct cosignature *ret) {
    uint8_t m[MESSAGE_MAX];
    struct cosignature c = { .by = crypto_sign_node_id(key), .time_s = time_s };
    if (time_s == 0) return VL_ERANGE;
    if (body.n == 0 || body.n > MERKLE_CHECKPOINT_MAX) return VL_ELIMIT;
    enum vl_err err = crypto_sign_message(key, "", vl_span(m, message_of(body, time_s, m)), c.signature);
    if (err == VL_OK) *ret = c;
    return err;
}

enum vl_err cosign_check(struct vl_span body, const struct cosignature *c) {
    uint8_t m[MESSAGE_MAX];
    if (c->time_s == 0) return VL_ERANGE;
    if (body.n == 0 || body.n > MERKLE_CHECKPOINT_MAX) return VL_ELIMIT;
    return crypto_verify_message(c->by.b, "", vl_span(m, message_of(body, c->time_s, m)), c->signature);
}

static void key_hash(const char *name, struct vl_node_id node, uint8_t ret[KEY_HASH]) {
    uint8_t p[NODE_ID_TEXT + 2 + 32], h[32];
    size_t n = strlen(name);
    memcpy(p, name, n);
    p[n++] = '\n';
    p[n++] = COSIGNATURE_KIND;
    memcpy(p + n, node.b, 32);
    crypto_sha256(vl_span(p, n + 32), h);
    memcpy(ret, h, KEY_HASH);
}

void cosign_line(const struct cosignature *c, char ret[COSIGN_LINE]) {
    char name[NODE_ID_TEXT], text[VL_BASE64_SIZE(RAW)];
    uint8_t raw[RAW];
    node_id_format(c->by, name);
    key_hash(name, c->by, raw);
    vl_put_u64(raw + KEY_HASH, c->time_s);
    memcpy(raw + KEY_HASH + 8, c->signature, CRYPTO_SIGNATURE);
    vl_base64_encode(raw, sizeof raw, text);
    snprintf(ret, COSIGN_LINE, DASH "%s %s\n", name, text);
}

/* A line of a signature without its line feed.  True: one of a node, in the only form it has; its signature is not looked at. */
static bool line_read(struct vl_span line, struct cosignature *ret) {
    char text[COSIGN_LINE], again[COSIGN_LINE];
    uint8_t raw[RAW];
    size_t n = 0;
    if (line.n != COSIGN_LINE - 2 || memchr(line.p, 0, line.n) != NULL) return false;
    memcpy(text, line.p, line.n);
    text[line.n] = 0;
    char *name = text + DASH_N, *space = strchr(name, ' ');
    if (memcmp(text, DASH, DASH_N) != 0 || space == NULL) return false;
    *space = 0;
    struct cosignature c;
    if (node_id_parse(name, &c.by) || vl_base64_decode(space + 1, raw, sizeof raw, &n) || n != sizeof raw) return false;
    c.time_s = vl_get_u64(raw + KEY_HASH);
    memcpy(c.signature, raw + KEY_HASH + 8, CRYPTO_SIGNATURE);
    cosign_line(&c, again);
    if (memcmp(again, line.p, line.n) != 0) return false;
    *ret = c;
    return true;
}

/* The next line off *rest, without its line feed. */
static bool line_take(struct vl_span *rest, struct vl_span *ret) {
    const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    if (end == NULL) return false;
    *ret = vl_span(rest->p, (size_t)(end - rest->p));
    *rest = vl_span(end + 1, rest->n - ret->n - 1);
    return true;
}

static enum vl_err line_add(struct cosign_note *note, struct vl_span line) {
    struct cosignature c;
    if (line.n <= DASH_N || memcmp(line.p, DASH, DASH_N) != 0) return VL_EPARSE;
    if (!line_read(line, &c)) return ++note->others > COSIGN_OTHERS_MAX ? VL_ELIMIT : VL_OK;
    if (note->n == COSIGN_MAX) return VL_ELIMIT;
    for (uint32_t i = 0; i < note->n; i++)
        if (vl_node_eq(note->by[i].by, c.by)) return VL_EPARSE; /* one witness must not count as two */
    enum vl_err err = cosign_check(note->body, &c);
    if (err == VL_OK) note->by[note->n++] = c;
    return err ? VL_ECRYPTO : VL_OK;
}

enum vl_err cosign_open(struct vl_span text, const uint8_t log[32], struct cosign_note *ret) {
    struct cosign_note note = { .n = 0 };
    struct vl_span line, rest;
    if (text.n > COSIGN_NOTE_MAX) return VL_ELIMIT;
    enum vl_err err = cosign_body(text, &note.body);
    if (err) return err;
    rest = vl_span(text.p + note.body.n + 1, text.n - note.body.n - 1);
    if (!line_take(&rest, &line)) return VL_EPARSE;
    note.plain = vl_span(text.p, text.n - rest.n);
    err = merkle_checkpoint_open(note.plain, log, &note.head);
    while (err == VL_OK && rest.n > 0) err = line_take(&rest, &line) ? line_add(&note, line) : VL_EPARSE;
    if (err == VL_OK) *ret = note;
    return err;
}
