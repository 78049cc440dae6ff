#include "trust/zk_members.h"

#include "crypto/hash.h"

#include <stdlib.h>

#define DOMAIN "village-zk-set-1:"

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void close_set(struct zk_set *s) {
    struct crypto_blake2b h;
    uint8_t word[8];
    uint32_t n = 0;
    qsort(s->v, s->n, sizeof *s->v, by_value);
    for (uint32_t i = 0; i < s->n; i++)
        if (n == 0 || s->v[n - 1] != s->v[i]) s->v[n++] = s->v[i];
    s->n = n;
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, DOMAIN, sizeof DOMAIN - 1);
    vl_put_u32(word, n);
    crypto_blake2b_update(&h, word, 4);
    for (uint32_t i = 0; i < n; i++) {
        vl_put_u64(word, (uint64_t)s->v[i]);
        crypto_blake2b_update(&h, word, 8);
    }
    crypto_blake2b_final(&h, &s->hash);
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* The number at *at; *at goes behind it. */
static enum vl_err number(struct vl_span text, size_t *at, int64_t *ret) {
    int64_t v = 0;
    size_t from = *at;
    for (; *at < text.n && text.p[*at] >= '0' && text.p[*at] <= '9'; ++*at) {
        int digit = text.p[*at] - '0';
        if (v > (ZK_NUMBER_MAX - digit) / 10) return VL_ERANGE;
        v = v * 10 + digit;
    }
    if (*at == from || (*at < text.n && !is_space(text.p[*at]) && text.p[*at] != '#')) return VL_EPARSE;
    *ret = v;
    return VL_OK;
}

static enum vl_err read_numbers(struct vl_span text, struct zk_set *s, unsigned *line) {
    bool remark = false;
    for (size_t at = 0; at < text.n;) {
        uint8_t c = text.p[at];
        if (c == '\n') {
            remark = false;
            ++*line;
        }
        if (c == '#') remark = true;
        if (remark || is_space(c)) {
            at++;
            continue;
        }
        if (s->n == ZK_SET_SIZE_MAX) return VL_ELIMIT;
        enum vl_err err = number(text, &at, &s->v[s->n]);
        if (err != VL_OK) return err;
        s->n++;
    }
    return s->n > 0 ? VL_OK : VL_EPARSE;
}

enum vl_err zk_set_read(struct vl_span text, struct zk_set **ret, unsigned *ret_line) {
    unsigned line = 1;
    if (ret_line != NULL) *ret_line = line;
    if (text.n > ZK_SET_TEXT_MAX) return VL_ELIMIT;
    struct zk_set *s = calloc(1, sizeof *s);
    if (s != NULL) s->v = calloc(ZK_SET_SIZE_MAX, sizeof *s->v);
    enum vl_err err = s == NULL || s->v == NULL ? VL_ENOMEM : read_numbers(text, s, &line);
    if (ret_line != NULL) *ret_line = line;
    if (err != VL_OK) {
        zk_set_destroy(s);
        return err;
    }
    close_set(s);
    *ret = s;
    return VL_OK;
}

enum vl_err zk_set_make(const int64_t *v, uint32_t n, struct zk_set **ret) {
    if (n == 0 || n > ZK_SET_SIZE_MAX) return VL_ERANGE;
    for (uint32_t i = 0; i < n; i++)
        if (v[i] < 0 || v[i] > ZK_NUMBER_MAX) return VL_ERANGE;
    struct zk_set *s = calloc(1, sizeof *s);
    if (s != NULL) s->v = calloc(n, sizeof *s->v);
    if (s == NULL || s->v == NULL) {
        zk_set_destroy(s);
        return VL_ENOMEM;
    }
    memcpy(s->v, v, n * sizeof *v);
    s->n = n;
    close_set(s);
    *ret = s;
    return VL_OK;
}

void zk_set_destroy(struct zk_set *s) {
    if (s == NULL) return;
    free(s->v);
    free(s);
}
