/* pareto_priv.h - what the files of pareto share with one another. */
#ifndef VL_FOG_PARETO_PRIV_H
#define VL_FOG_PARETO_PRIV_H

#include "fog/pareto.h"

/* Sorts index[0..n) ascending by one column of f, ties in no promised order.  In place, no allocation (Shell 1959 with
 * Ciura's gaps); quick when the index is in order or in reverse. */
void pareto_by_column(const double *f, uint32_t m, uint32_t column, uint32_t *index, uint32_t n);

#endif
