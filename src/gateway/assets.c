/* assets.c - the dashboard's files: ETag, gzip, and headers that let them load nothing but themselves. */
#include "gateway/assets.h"

#include "gateway/gateway_priv.h"

#include <stdio.h>
#include <string.h>

/* No inline script or style, no frame around us, no plug-ins; the WebSocket is same-origin ('self' covers it). */
#define POLICY                                                                                                         \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "         \
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "                  \
    "frame-ancestors 'none'\r\n"                                                                                       \
    "Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\nCross-Origin-Opener-Policy: same-origin\r\n"

static const struct asset *find(const struct gateway *g, struct vl_span path) {
    if (path.n == 1) path = vl_span_str("/index.html");
    for (size_t i = 0; i < g->assets_n; i++)
        if (vl_span_eq(path, vl_span_str(g->assets[i].path))) return &g->assets[i];
    return NULL;
}

static bool wants_gzip(struct http_req *r) {
    struct vl_span s = http_part_span(r->base, http_head_find(r->head, r->base, "accept-encoding"));
    return http_list_has(s, "gzip");
}

void assets_serve(struct gateway *g, struct http_req *r) {
    const struct asset *a = find(g, r->path);
    char fields[900];
    if (a == NULL) {
        api_not_found(r, g->assets_n ? "Nothing is at this address." : "This program was built without the dashboard.");
        return;
    }
    if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
        api_problem(r, 405, "method", "Files can only be read.", "Allow: GET, HEAD\r\n", NULL);
        return;
    }
    bool gzip = a->gz_bytes && wants_gzip(r);
    /* The two encodings are two representations: each needs a strong tag of its own (RFC 9110 8.8.1). */
    char etag[96];
    snprintf(etag, sizeof etag, "%.*s%s\"", (int)strlen(a->etag) - 1, a->etag, gzip ? "-gz" : "");
    struct vl_span known = http_part_span(r->base, http_head_find(r->head, r->base, "if-none-match"));
    bool same = http_list_has(known, etag) || http_list_has(known, "*");
    snprintf(fields, sizeof fields, "ETag: %s\r\nCache-Control: %s\r\nVary: Accept-Encoding\r\n%s%s", etag,
             a->hashed ? "public, max-age=31536000, immutable" : "no-cache", gzip ? "Content-Encoding: gzip\r\n" : "",
             POLICY);
    struct http_answer answer = { .status = same ? 304 : 200, .type = same ? NULL : a->type, .fields = fields };
    if (!same) answer.body = gzip ? vl_span(a->gz_bytes, a->gz_n) : vl_span(a->bytes, a->n);
    http_reply(r, &answer);
}
