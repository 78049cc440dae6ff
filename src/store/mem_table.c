#include "store/mem_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct mem_link {
    struct mem_row *lower, *higher;
};
struct mem_row {
    uint64_t priority;
    size_t bytes;
    const struct store_value *values; /* in this allocation, behind the links */
    struct mem_link link[];           /* one for each index */
};

struct mem_row *mem_row_create(struct mem_table *t, const struct store_value *values) {
    size_t n = t->info->n_columns, head = sizeof(struct mem_row) + t->info->n_indexes * sizeof(struct mem_link);
    size_t bytes = head + n * sizeof *values;
    for (size_t i = 0; i < n; i++)
        bytes += values[i].type == STORE_TEXT || values[i].type == STORE_BLOB ? values[i].s.n + 1 : 0;
    struct mem_row *r = malloc(bytes);
    if (r == NULL) return NULL;
    struct store_value *v = (struct store_value *)(void *)((uint8_t *)r + head);
    uint8_t *p = (uint8_t *)(v + n);
    memcpy(v, values, n * sizeof *v);
    for (size_t i = 0; i < n; i++) {
        if (v[i].type != STORE_TEXT && v[i].type != STORE_BLOB) continue;
        if (v[i].s.n != 0) memcpy(p, v[i].s.p, v[i].s.n);
        p[v[i].s.n] = 0;
        v[i].s.p = p;
        p += v[i].s.n + 1;
    }
    /* splitmix64 finaliser: the counter's bits, well mixed */
    uint64_t z = ++t->counter * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    r->priority = z ^ (z >> 31);
    r->bytes = bytes;
    r->values = v;
    return r;
}

void mem_row_destroy(struct mem_row *r) { free(r); }
const struct store_value *mem_row_values(const struct mem_row *r) { return r->values; }
size_t mem_row_bytes(const struct mem_row *r) { return r->bytes; }

struct order {
    unsigned index;
    size_t n;
    uint8_t columns[STORE_ORDER_MAX];
};

static struct order order_of(const struct mem_table *t, unsigned index) {
    struct order o = { .index = index };
    o.n = store_order(t->info, index, o.columns);
    return o;
}

/* Compares the first n order columns of r with the tuple v. */
static int row_cmp(const struct order *o, const struct mem_row *r, const struct store_value *v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int c = store_value_cmp(&r->values[o->columns[i]], &v[i]);
        if (c != 0) return c;
    }
    return 0;
}

static void tuple_of(const struct order *o, const struct mem_row *r, struct store_value ret[STORE_ORDER_MAX]) {
    for (size_t i = 0; i < o->n; i++) ret[i] = r->values[o->columns[i]];
}

/* Splits the tree at `v`: rows below it to *lower, the others to *higher. */
static void split(const struct order *o, struct mem_row *root, const struct store_value *v, struct mem_row **lower,
                  struct mem_row **higher) {
    while (root != NULL) {
        struct mem_link *l = &root->link[o->index];
        if (row_cmp(o, root, v, o->n) < 0) {
            *lower = root;
            lower = &l->higher;
            root = l->higher;
        } else {
            *higher = root;
            higher = &l->lower;
            root = l->lower;
        }
    }
    *lower = NULL;
    *higher = NULL;
}

static void add_to(struct mem_table *t, const struct order *o, struct mem_row *r) {
    struct store_value v[STORE_ORDER_MAX];
    tuple_of(o, r, v);
    struct mem_row **at = &t->root[o->index];
    while (*at != NULL && (*at)->priority > r->priority) {
        struct mem_link *l = &(*at)->link[o->index];
        at = row_cmp(o, *at, v, o->n) < 0 ? &l->higher : &l->lower;
    }
    split(o, *at, v, &r->link[o->index].lower, &r->link[o->index].higher);
    *at = r;
}

static void remove_from(struct mem_table *t, const struct order *o, const struct mem_row *r) {
    struct store_value v[STORE_ORDER_MAX];
    tuple_of(o, r, v);
    struct mem_row **at = &t->root[o->index];
    while (*at != r) {
        assert(*at != NULL);
        struct mem_link *l = &(*at)->link[o->index];
        at = row_cmp(o, *at, v, o->n) < 0 ? &l->higher : &l->lower;
    }
    struct mem_row *lower = r->link[o->index].lower, *higher = r->link[o->index].higher;
    while (lower != NULL && higher != NULL) {
        if (lower->priority > higher->priority) {
            *at = lower;
            at = &lower->link[o->index].higher;
            lower = *at;
        } else {
            *at = higher;
            at = &higher->link[o->index].lower;
            higher = *at;
        }
    }
    *at = lower != NULL ? lower : higher;
}

void mem_table_add(struct mem_table *t, struct mem_row *r) {
    for (unsigned i = 0; i < t->info->n_indexes; i++) {
        struct order o = order_of(t, i);
        add_to(t, &o, r);
    }
}

void mem_table_remove(struct mem_table *t, struct mem_row *r) {
    for (unsigned i = 0; i < t->info->n_indexes; i++) {
        struct order o = order_of(t, i);
        remove_from(t, &o, r);
    }
}

struct mem_row *mem_table_seek(const struct mem_table *t, unsigned index, const struct store_value *bound, size_t n,
                               bool inclusive, bool descending) {
    struct order o = order_of(t, index);
    struct mem_row *best = NULL, *r = t->root[index];
    while (r != NULL) {
        int c = row_cmp(&o, r, bound, n);
        bool past = n == 0 || (c == 0 ? inclusive : descending ? c < 0 : c > 0);
        if (past) best = r;
        r = past == descending ? r->link[index].higher : r->link[index].lower;
    }
    return best;
}

struct mem_row *mem_table_after(const struct mem_table *t, unsigned index, const struct mem_row *r, bool descending) {
    struct order o = order_of(t, index);
    struct store_value v[STORE_ORDER_MAX];
    tuple_of(&o, r, v);
    return mem_table_seek(t, index, v, o.n, false, descending);
}

bool mem_row_has_prefix(const struct mem_table *t, unsigned index, const struct mem_row *r,
                        const struct store_value *prefix, size_t n) {
    struct order o = order_of(t, index);
    return row_cmp(&o, r, prefix, n) == 0;
}

void mem_table_clear(struct mem_table *t) {
    for (struct mem_row *r; (r = t->root[0]) != NULL;) {
        mem_table_remove(t, r);
        free(r);
    }
}
