/* cursor.h - opaque page marks for lists: where the next page begins, tagged so that only what we gave comes back.
 * The tag keeps clients from building cursors and then depending on their insides; it protects nothing secret. */
#ifndef VL_GATEWAY_CURSOR_H
#define VL_GATEWAY_CURSOR_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define CURSOR_KEY_MAX 48u
#define CURSOR_TEXT_MAX 112u /* with the NUL */

/* Which list a cursor belongs to: one of another list is refused. */
enum cursor_kind { CURSOR_NODES = 1, CURSOR_JOBS = 2, CURSOR_TASKS = 3, CURSOR_EVENTS = 4, CURSOR_TICKETS = 5, CURSOR_RECEIPTS = 6,
                   CURSOR_REPUTATIONS = 20, CURSOR_EVIDENCE = 21,
                   CURSOR_AGREEMENTS = 16,
                   CURSOR_CONTRIBUTIONS = 30 };

struct cursor_seal {
    uint64_t k[2];
};

/* key_n <= CURSOR_KEY_MAX. */
void cursor_encode(const struct cursor_seal *seal, enum cursor_kind kind, const void *key, size_t key_n,
                   char dst[CURSOR_TEXT_MAX]);
/* VL_EPARSE: not one of ours for that list; key untouched. */
VL_MUST_CHECK enum vl_err cursor_decode(const struct cursor_seal *seal, enum cursor_kind kind, const char *s,
                                        uint8_t key[CURSOR_KEY_MAX], size_t *ret_n);

#endif
