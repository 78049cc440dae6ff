/* address.h - which address to tell others. */
#ifndef VL_OS_ADDRESS_H
#define VL_OS_ADDRESS_H

#include "base/bounds.h"

#include <stdbool.h>

/* `bound` is "ADDR:PORT" as listened on.  For a wildcard address the first address of an interface that is up and not
 * loopback stands in, or loopback when there is none; otherwise `bound` itself. */
void os_reachable_address(const char *bound, char dst[VL_ADDR_MAX]);

#endif
