/* catalogue.h - the rows of tables.h as data, for the drivers.  Private to store/. */
#ifndef VL_STORE_CATALOGUE_H
#define VL_STORE_CATALOGUE_H

#include "store/store.h"

enum store_kind { STORE_KIND_KEY, STORE_KIND_VALUE, STORE_KIND_MAYBE };

struct store_column {
    const char *name;
    enum store_type type;
    enum store_kind kind;
};
struct store_info {
    const char *name;
    const struct store_column *columns;
    const uint8_t *indexes; /* [1..n_indexes-1]: the indexed column; [0] stands for the primary key */
    uint8_t n_columns, n_keys, n_indexes;
};

/* NULL when there is no such table. */
const struct store_info *store_info(enum store_table table);
/* Columns that make the order of `index`; returns how many.  index < t->n_indexes. */
#define STORE_ORDER_MAX (STORE_KEYS_MAX + 1)
size_t store_order(const struct store_info *t, unsigned index, uint8_t ret_columns[STORE_ORDER_MAX]);
/* <0, 0, >0 in the order that tables.h states.  Null is lowest. */
int store_value_cmp(const struct store_value *a, const struct store_value *b);
/* VL_ERANGE: v is not allowed in column c, or longer than `max` bytes. */
enum vl_err store_value_check(const struct store_column *c, const struct store_value *v, size_t max);
/* True when only the store itself may write or scan it. */
bool store_is_private(enum store_table table);

#endif
