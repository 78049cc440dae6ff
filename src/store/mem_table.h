/* mem_table.h - rows in memory in every order of their table: one treap for each index (Seidel & Aragon 1996), whose
 * priorities come from a counter, so that equal histories give equal shapes.  Private to store/. */
#ifndef VL_STORE_MEM_TABLE_H
#define VL_STORE_MEM_TABLE_H

#include "store/catalogue.h"

struct mem_row;
struct mem_table {
    const struct store_info *info;
    struct mem_row *root[STORE_INDEXES_MAX];
    uint64_t counter;
};

/* Copies the values; NULL when out of memory.  Not in the table yet. */
struct mem_row *mem_row_create(struct mem_table *t, const struct store_value *values);
void mem_row_destroy(struct mem_row *r);
const struct store_value *mem_row_values(const struct mem_row *r);
size_t mem_row_bytes(const struct mem_row *r);

/* The key must not be in the table (add) or r must be (remove); the row stays the caller's / the table's. */
void mem_table_add(struct mem_table *t, struct mem_row *r);
void mem_table_remove(struct mem_table *t, struct mem_row *r);
/* First row in the order of `index` (last when descending) whose first n order columns are past `bound`, or equal to
 * it when inclusive.  NULL: none.  n == 0: the first or last row of all. */
struct mem_row *mem_table_seek(const struct mem_table *t, unsigned index, const struct store_value *bound, size_t n,
                               bool inclusive, bool descending);
/* The row after r. */
struct mem_row *mem_table_after(const struct mem_table *t, unsigned index, const struct mem_row *r, bool descending);
/* True when r's first n order columns equal `prefix`. */
bool mem_row_has_prefix(const struct mem_table *t, unsigned index, const struct mem_row *r,
                        const struct store_value *prefix, size_t n);
/* Frees all rows. */
void mem_table_clear(struct mem_table *t);

#endif
