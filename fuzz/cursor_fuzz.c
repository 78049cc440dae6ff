/* Cursors and query strings as a client may send them. */
#include "gateway/cursor.h"
#include "gateway/router.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const struct query_row rows[] = {
        { "limit", QUERY_LIMIT, NULL, "" }, { "cursor", QUERY_CURSOR, NULL, "" }, { "t", QUERY_TEXT, NULL, "" }, { 0 }
    };
    struct cursor_seal seal = { { 1, 2 } };
    uint8_t key[CURSOR_KEY_MAX];
    char text[CURSOR_TEXT_MAX];
    size_t key_n = 0;
    struct call k;
    struct schema_errors e;
    if (router_query(rows, vl_span(p, n), &k, &e) == VL_OK && (k.limit < 1 || k.limit > 1000)) abort();
    char *s = malloc(n + 1);
    memcpy(s, p, n);
    s[n] = '\0';
    if (cursor_decode(&seal, CURSOR_JOBS, s, key, &key_n) == VL_OK) abort(); /* 64 bits of tag are not guessed */
    free(s);
    size_t take = n < CURSOR_KEY_MAX ? n : CURSOR_KEY_MAX;
    cursor_encode(&seal, CURSOR_JOBS, p, take, text);
    if (cursor_decode(&seal, CURSOR_JOBS, text, key, &key_n) != VL_OK || key_n != take || memcmp(key, p, take) != 0)
        abort();
    return 0;
}
