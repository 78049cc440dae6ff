/* Head parser: the whole and any split must agree; offsets stay inside; then path, query and chunked body. */
#include "gateway/http_parse.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok) {
    if (!ok) abort();
}

static void after_head(const struct http_head *h, const char *base, const uint8_t *p, size_t n) {
    char path[HTTP_TARGET_MAX], value[64];
    size_t len = 0;
    must(h->size <= n && h->size <= HTTP_HEAD_MAX && h->host.n > 0 && !(h->chunked && h->has_length));
    for (uint16_t i = 0; i < h->fields_n; i++) must((size_t)h->fields[i].value.at + h->fields[i].value.n <= h->size);
    if (http_path_normalise(http_part_span(base, h->path), path, &len) == VL_OK) {
        must(len > 0 && path[0] == '/' && memchr(path, '\0', len) == NULL);
        for (size_t i = 0; i + 2 < len; i++) /* no dot segment is left */
            must(!(path[i] == '/' && path[i + 1] == '.' &&
                   (path[i + 2] == '/' || (i + 3 == len && path[i + 2] == '.'))) ||
                 path[i + 2] == '.');
    }
    (void)!http_query_decode(http_part_span(base, h->query), value, sizeof value, &len);
    struct http_chunks c;
    struct vl_span in = vl_span(p + h->size, n - h->size), data;
    http_chunks_init(&c);
    enum vl_err err = VL_EAGAIN;
    while (err == VL_EAGAIN && in.n > 0) {
        err = http_chunks_next(&c, &in, &data);
        must(data.n == 0 || (data.p >= p && data.p + data.n <= p + n));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (n < 1) return 0;
    size_t step = 1u + p[0] % 64u;
    p++;
    n--;
    struct http_head *whole = malloc(sizeof *whole), *split = malloc(sizeof *split);
    http_head_init(whole);
    http_head_init(split);
    enum vl_err a = http_parse_head(whole, (const char *)p, n), b = VL_EAGAIN;
    for (size_t at = 0; at <= n && b == VL_EAGAIN; at += step) b = http_parse_head(split, (const char *)p, at);
    if (b == VL_EAGAIN) b = http_parse_head(split, (const char *)p, n);
    must(a == b && whole->status == split->status);
    if (a == VL_OK) {
        must(whole->size == split->size && whole->fields_n == split->fields_n && whole->length == split->length);
        after_head(whole, (const char *)p, p, n);
    }
    free(whole);
    free(split);
    return 0;
}
