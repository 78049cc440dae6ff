#include "gateway/cursor.h"

#include "base/bytes.h"
#include "base/map.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

void cursor_encode(const struct cursor_seal *seal, enum cursor_kind kind, const void *key, size_t key_n,
                   char dst[CURSOR_TEXT_MAX]) {
    uint8_t raw[1 + CURSOR_KEY_MAX + 8];
    assert(key_n <= CURSOR_KEY_MAX);
    raw[0] = (uint8_t)kind;
    memcpy(raw + 1, key, key_n);
    vl_put_u64(raw + 1 + key_n, vl_siphash(seal->k, raw, 1 + key_n));
    vl_base32_encode(raw, 1 + key_n + 8, dst);
}

enum vl_err cursor_decode(const struct cursor_seal *seal, enum cursor_kind kind, const char *s,
                          uint8_t key[CURSOR_KEY_MAX], size_t *ret_n) {
    uint8_t raw[1 + CURSOR_KEY_MAX + 8];
    size_t n = 0;
    if (vl_base32_decode(s, raw, sizeof raw, &n) != VL_OK || n < 9 || raw[0] != (uint8_t)kind) return VL_EPARSE;
    n -= 9;
    if (vl_get_u64(raw + 1 + n) != vl_siphash(seal->k, raw, 1 + n)) return VL_EPARSE;
    memcpy(key, raw + 1, n);
    *ret_n = n;
    return VL_OK;
}
