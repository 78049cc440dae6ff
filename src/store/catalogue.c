#include "store/catalogue.h"

#include <assert.h>
#include <string.h>

#define STORE_C(table, column, name, type, kind) { #name, STORE_##type, STORE_KIND_##kind },
#define STORE_I(table, column, name) STORE_##table##_##column,
#define STORE_T(table, name)                                                                                           \
    static const struct store_column name##_columns[] = { STORE_##table##_TABLE(STORE_C, STORE_NOTHING) };             \
    static const uint8_t name##_indexes[] = { 0, STORE_##table##_TABLE(STORE_NOTHING, STORE_I) };                      \
    static_assert(STORE_##table##_COLUMNS <= STORE_COLUMNS_MAX, "STORE_COLUMNS_MAX");                                  \
    static_assert(STORE_##table##_INDEXES <= STORE_INDEXES_MAX, "STORE_INDEXES_MAX");
STORE_TABLES(STORE_T)
#undef STORE_T
#undef STORE_C
#undef STORE_I

#define STORE_IS_KEY_KEY 1
#define STORE_IS_KEY_VALUE 0
#define STORE_IS_KEY_MAYBE 0
#define STORE_C(table, column, name, type, kind) +STORE_IS_KEY_##kind
#define STORE_T(table, name)                                                                                           \
    { #name,                                                                                                           \
      name##_columns,                                                                                                  \
      name##_indexes,                                                                                                  \
      STORE_##table##_COLUMNS,                                                                                         \
      0 STORE_##table##_TABLE(STORE_C, STORE_NOTHING),                                                                 \
      STORE_##table##_INDEXES },
static const struct store_info infos[STORE_TABLE_COUNT] = { STORE_TABLES(STORE_T) };
#undef STORE_T
#undef STORE_C

const struct store_info *store_info(enum store_table table) {
    return (unsigned)table < STORE_TABLE_COUNT ? &infos[table] : NULL;
}

bool store_is_private(enum store_table table) { return table == STORE_LOG || table == STORE_SNAPSHOTS; }

size_t store_order(const struct store_info *t, unsigned index, uint8_t ret_columns[STORE_ORDER_MAX]) {
    assert(index < t->n_indexes);
    size_t n = 0;
    if (index != 0) ret_columns[n++] = t->indexes[index];
    for (uint8_t k = 0; k < t->n_keys; k++) {
        if (index == 0 || k != t->indexes[index]) ret_columns[n++] = k;
    }
    return n;
}

static int span_cmp(struct vl_span a, struct vl_span b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

int store_value_cmp(const struct store_value *a, const struct store_value *b) {
    if (a->type != b->type) return (a->type > b->type) - (a->type < b->type);
    switch (a->type) {
    case STORE_NULL:
        return 0;
    case STORE_INT:
        return (a->i > b->i) - (a->i < b->i);
    case STORE_TEXT:
    case STORE_BLOB:
        return span_cmp(a->s, b->s);
    }
    return 0;
}

/* RFC 3629 section 4: shortest form only, no surrogates, nothing above U+10FFFF.  0: malformed. */
static size_t utf8_len(const uint8_t *p, size_t n) {
    if (p[0] < 0x80) return 1;
    size_t len = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
    if (len == 0 || len > n) return 0;
    uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return len;
}

static bool text_ok(struct vl_span s) {
    for (size_t i = 0; i < s.n;) {
        size_t len = utf8_len(s.p + i, s.n - i);
        if (len == 0 || s.p[i] == 0) return false;
        i += len;
    }
    return true;
}

enum vl_err store_value_check(const struct store_column *c, const struct store_value *v, size_t max) {
    if (v->type == STORE_NULL) return c->kind == STORE_KIND_MAYBE ? VL_OK : VL_ERANGE;
    if (v->type != c->type) return VL_ERANGE;
    if (v->type == STORE_INT) return VL_OK;
    if (v->s.n > max) return VL_ERANGE;
    return v->type == STORE_BLOB || text_ok(v->s) ? VL_OK : VL_ERANGE;
}
