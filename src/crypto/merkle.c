#include "crypto/merkle.h"

#include "base/text.h"
#include "crypto/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEY_HASH 4u
#define ED25519_KIND 1u /* C2SP signed-note: the byte before the key in the hash that names it */

struct vl_hash merkle_leaf(struct vl_span leaf) {
    struct vl_hash ret;
    const uint8_t head = 0;
    crypto_hash2(CRYPTO_SHA256, vl_span(&head, 1), leaf, ret.b);
    return ret;
}

struct vl_hash merkle_node(const struct vl_hash *left, const struct vl_hash *right) {
    struct vl_hash ret;
    uint8_t p[65] = { 1 };
    memcpy(p + 1, left->b, 32);
    memcpy(p + 33, right->b, 32);
    crypto_sha256(vl_span(p, sizeof p), ret.b);
    return ret;
}

struct vl_hash merkle_empty(void) {
    struct vl_hash ret;
    crypto_sha256(vl_span(NULL, 0), ret.b);
    return ret;
}

/* ---- which nodes --------------------------------------------------------------------------------------------------- */

/* Largest power of two below n, n > 1: where RFC 9162 splits. */
static uint64_t split(uint64_t n) { return 1ull << (63 - (unsigned)__builtin_clzll(n - 1)); }

/* The leaves from..from + n - 1 as perfect nodes, the largest first; from is a multiple of the largest. */
static void cover(struct merkle_plan *p, uint64_t from, uint64_t n) {
    for (unsigned h = 63; n > 0; h--) {
        if (!(n >> h & 1)) continue;
        p->at[p->n++] = (struct merkle_at){ .height = (uint8_t)h, .item = (uint8_t)p->items, .index = from >> h };
        from += 1ull << h;
        n -= 1ull << h;
    }
    p->items++;
}

enum vl_err merkle_root_plan(uint64_t size, struct merkle_plan *ret) {
    *ret = (struct merkle_plan){ 0 };
    if (size == 0 || size > MERKLE_SIZE_MAX) return VL_ERANGE;
    cover(ret, 0, size);
    return VL_OK;
}

/* The recursions of RFC 9162 name the ranges from the top down, a proof lists them from the bottom up. */
struct ranges {
    uint32_t n;
    struct {
        uint64_t from, n;
    } v[MERKLE_PROOF_MAX + 1];
};

static void cover_all(struct merkle_plan *p, const struct ranges *r) {
    for (uint32_t i = r->n; i-- > 0;) cover(p, r->v[i].from, r->v[i].n);
}

static void range(struct ranges *r, uint64_t from, uint64_t n) {
    r->v[r->n].from = from;
    r->v[r->n++].n = n;
}

enum vl_err merkle_inclusion_plan(uint64_t index, uint64_t size, struct merkle_plan *ret) {
    struct ranges r = { 0 };
    *ret = (struct merkle_plan){ 0 };
    if (size > MERKLE_SIZE_MAX || index >= size) return VL_ERANGE;
    for (uint64_t from = 0, n = size; n > 1;) {
        uint64_t k = split(n);
        if (index - from < k) {
            range(&r, from + k, n - k);
            n = k;
        } else {
            range(&r, from, k);
            from += k;
            n -= k;
        }
    }
    cover_all(ret, &r);
    return VL_OK;
}

enum vl_err merkle_consistency_plan(uint64_t old_size, uint64_t new_size, struct merkle_plan *ret) {
    struct ranges r = { 0 };
    *ret = (struct merkle_plan){ 0 };
    if (old_size == 0 || old_size > new_size || new_size > MERKLE_SIZE_MAX) return VL_ERANGE;
    uint64_t from = 0, n = new_size, m = old_size;
    bool whole = true; /* the old tree is what is left of it: whoever checks has its root */
    while (m < n) {
        uint64_t k = split(n);
        if (m <= k) {
            range(&r, from + k, n - k);
            n = k;
        } else {
            range(&r, from, k);
            from += k;
            n -= k;
            m -= k;
            whole = false;
        }
    }
    if (!whole) range(&r, from, n);
    cover_all(ret, &r);
    return VL_OK;
}

void merkle_plan_fold(const struct merkle_plan *p, const struct vl_hash *node, struct vl_hash *ret) {
    for (uint32_t i = p->n; i-- > 0;) {
        uint32_t item = p->at[i].item;
        bool last = i + 1 == p->n || p->at[i + 1].item != item;
        ret[item] = last ? node[i] : merkle_node(&node[i], &ret[item]);
    }
}

/* ---- checking ------------------------------------------------------------------------------------------------------- */

enum vl_err merkle_inclusion_check(uint64_t index, uint64_t size, const struct vl_hash *leaf, const struct vl_hash *proof,
                                   uint32_t n, const struct vl_hash *root) {
    if (size > MERKLE_SIZE_MAX || index >= size) return VL_ECRYPTO;
    uint64_t fn = index, sn = size - 1;
    struct vl_hash r = *leaf;
    for (uint32_t i = 0; i < n; i++) {
        if (sn == 0) return VL_ECRYPTO;
        if ((fn & 1) || fn == sn) {
            r = merkle_node(&proof[i], &r);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            r = merkle_node(&r, &proof[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && vl_hash_eq(r, *root) ? VL_OK : VL_ECRYPTO;
}

enum vl_err merkle_consistency_check(uint64_t old_size, uint64_t new_size, const struct vl_hash *old_root,
                                     const struct vl_hash *new_root, const struct vl_hash *proof, uint32_t n) {
    if (old_size == 0 || old_size > new_size || new_size > MERKLE_SIZE_MAX) return VL_ECRYPTO;
    if (old_size == new_size) return n == 0 && vl_hash_eq(*old_root, *new_root) ? VL_OK : VL_ECRYPTO;
    bool own = (old_size & (old_size - 1)) == 0; /* the old root itself begins the proof */
    if (n == 0 && !own) return VL_ECRYPTO;
    uint64_t fn = old_size - 1, sn = new_size - 1;
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    struct vl_hash fr = own ? *old_root : proof[0], sr = fr;
    for (uint32_t i = own ? 0 : 1; i < n; i++) {
        if (sn == 0) return VL_ECRYPTO;
        if ((fn & 1) || fn == sn) {
            fr = merkle_node(&proof[i], &fr);
            sr = merkle_node(&proof[i], &sr);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            sr = merkle_node(&sr, &proof[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && vl_hash_eq(fr, *old_root) && vl_hash_eq(sr, *new_root) ? VL_OK : VL_ECRYPTO;
}

/* ---- the head ------------------------------------------------------------------------------------------------------- */

static bool origin_ok(const char origin[MERKLE_ORIGIN_MAX]) {
    size_t n = strnlen(origin, MERKLE_ORIGIN_MAX);
    for (size_t i = 0; i < n; i++)
        if (origin[i] <= ' ' || origin[i] > '~' || origin[i] == '+') return false;
    return n > 0 && n < MERKLE_ORIGIN_MAX;
}

static void key_hash(const char *origin, const uint8_t public[32], uint8_t ret[KEY_HASH]) {
    uint8_t p[MERKLE_ORIGIN_MAX + 2 + 32], h[32];
    size_t n = strlen(origin);
    memcpy(p, origin, n);
    p[n++] = '\n';
    p[n++] = ED25519_KIND;
    memcpy(p + n, public, 32);
    crypto_sha256(vl_span(p, n + 32), h);
    memcpy(ret, h, KEY_HASH);
}

/* The part that is signed.  Its length. */
static size_t note_of(const struct merkle_checkpoint *c, char ret[MERKLE_CHECKPOINT_MAX]) {
    char root[VL_BASE64_SIZE(32)];
    vl_base64_encode(c->root.b, sizeof c->root.b, root);
    return (size_t)snprintf(ret, MERKLE_CHECKPOINT_MAX, "%s\n%" PRIu64 "\n%s\ntime %" PRIu64 "\n", c->origin, c->size, root, c->time_ms);
}

static void sign_line(const struct merkle_checkpoint *c, const uint8_t public[32], const uint8_t signature[CRYPTO_SIGNATURE],
                      size_t at, char ret[MERKLE_CHECKPOINT_MAX]) {
    uint8_t raw[KEY_HASH + CRYPTO_SIGNATURE];
    char text[VL_BASE64_SIZE(sizeof raw)];
    key_hash(c->origin, public, raw);
    memcpy(raw + KEY_HASH, signature, CRYPTO_SIGNATURE);
    vl_base64_encode(raw, sizeof raw, text);
    snprintf(ret + at, MERKLE_CHECKPOINT_MAX - at, "\n\xe2\x80\x94 %s %s\n", c->origin, text);
}

enum vl_err merkle_checkpoint_sign(const struct merkle_checkpoint *c, const struct crypto_sign_key *key,
                                   char ret[MERKLE_CHECKPOINT_MAX]) {
    uint8_t signature[CRYPTO_SIGNATURE];
    if (!origin_ok(c->origin) || c->size > MERKLE_SIZE_MAX) return VL_ERANGE;
    size_t n = note_of(c, ret);
    enum vl_err err = crypto_sign_message(key, "", vl_span(ret, n), signature);
    if (err == VL_OK) sign_line(c, key->public, signature, n, ret);
    return err;
}

static bool line(struct vl_span *rest, char *dst, size_t cap) {
    const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    size_t n = end ? (size_t)(end - rest->p) : cap;
    if (n >= cap || memchr(rest->p, 0, n) != NULL) return false;
    memcpy(dst, rest->p, n);
    dst[n] = 0;
    *rest = vl_span(rest->p + n + 1, rest->n - n - 1);
    return true;
}

static bool number(const char *s, uint64_t *ret) {
    uint64_t v = 0;
    if (*s == 0 || (s[0] == '0' && s[1] != 0) || strlen(s) > 19) return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9') return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *ret = v;
    return true;
}

/* One text for each value: what was read is written again and compared. */
enum vl_err merkle_checkpoint_open(struct vl_span text, const uint8_t public[32], struct merkle_checkpoint *ret) {
    struct merkle_checkpoint c = { .size = 0 };
    struct vl_span rest = text;
    char size[32], root[64], time[32], empty[2], again[MERKLE_CHECKPOINT_MAX], last[MERKLE_CHECKPOINT_MAX];
    uint8_t raw[KEY_HASH + CRYPTO_SIGNATURE];
    size_t n = 0;
    if (text.n >= MERKLE_CHECKPOINT_MAX || !line(&rest, c.origin, sizeof c.origin) || !origin_ok(c.origin) ||
        !line(&rest, size, sizeof size) || !number(size, &c.size) || c.size > MERKLE_SIZE_MAX || !line(&rest, root, sizeof root) ||
        vl_base64_decode(root, c.root.b, sizeof c.root.b, &n) || n != sizeof c.root.b || !line(&rest, time, sizeof time) ||
        strncmp(time, "time ", 5) != 0 || !number(time + 5, &c.time_ms) || !line(&rest, empty, sizeof empty) || empty[0] != 0 ||
        !line(&rest, last, sizeof last) || rest.n != 0)
        return VL_EPARSE;
    const char *signature = strrchr(last, ' ');
    if (signature == NULL || vl_base64_decode(signature + 1, raw, sizeof raw, &n) || n != sizeof raw) return VL_EPARSE;
    size_t body = note_of(&c, again);
    if (body > text.n || memcmp(again, text.p, body) != 0) return VL_EPARSE;
    enum vl_err err = crypto_verify_message(public, "", vl_span(again, body), raw + KEY_HASH);
    if (err) return err;
    sign_line(&c, public, raw + KEY_HASH, body, again);
    if (strlen(again) != text.n || memcmp(again, text.p, text.n) != 0) return VL_ECRYPTO;
    *ret = c;
    return VL_OK;
}
