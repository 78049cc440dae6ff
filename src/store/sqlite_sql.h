/* sqlite_sql.h - SQL text made from the catalogue.  Private to store/.
 * Placeholders are ?1, ?2, ...: SQLite numbers $1, $2 by first appearance, which silently swaps parameters. */
#ifndef VL_STORE_SQLITE_SQL_H
#define VL_STORE_SQLITE_SQL_H

#include "store/catalogue.h"

/* All append to `out` a statement with its NUL.  VL_ENOMEM, VL_ELIMIT. */

/* ?i = column i.  `replace`: a row with the same key is overwritten; else that is a constraint error. */
VL_MUST_CHECK enum vl_err sql_write_row(struct vl_buf *out, const struct store_info *t, bool replace);
/* ?1..?n = the first n key columns. */
VL_MUST_CHECK enum vl_err sql_delete(struct vl_buf *out, const struct store_info *t, size_t n);
/* ?1 = bound, ?2 = most rows. */
VL_MUST_CHECK enum vl_err sql_delete_less(struct vl_buf *out, const struct store_info *t, unsigned index);
/* ?1..: the key. */
VL_MUST_CHECK enum vl_err sql_get(struct vl_buf *out, const struct store_info *t);

/* What makes two scans share a statement. */
struct sql_scan_shape {
    uint8_t table, index, n_prefix, n_from;
    bool descending, inclusive;
};
/* ?1..: prefix, then from, then the limit. */
VL_MUST_CHECK enum vl_err sql_scan(struct vl_buf *out, const struct sql_scan_shape *shape);

#endif
