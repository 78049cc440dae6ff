/* api_blobs.c - blobs by their hash: streamed in and out, never held as a whole. */
#include "gateway/gateway_priv.h"

#include "crypto/node_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISCARD_MAX (4u << 20) /* body of a blob we have: read it and keep the connection, or answer and close */

/* ---- out ---- */

struct blob_out {
    const struct backend *b;
    void *reader;
    uint64_t at;
};

static enum vl_err out_read(void *arg, uint8_t *dst, size_t n, size_t *ret_n) {
    struct blob_out *o = arg;
    enum vl_err err = o->b->ops->blob_read(o->b->self, o->reader, o->at, dst, n);
    if (err != VL_OK) return err;
    o->at += n;
    *ret_n = n;
    return VL_OK;
}

static void out_close(void *arg) {
    struct blob_out *o = arg;
    o->b->ops->blob_close(o->b->self, o->reader);
    free(o);
}

static bool digits(struct vl_span s, uint64_t *ret) {
    uint64_t v = 0;
    if (s.n == 0 || s.n > 18) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        v = v * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret = v;
    return true;
}

enum range { RANGE_NONE, RANGE_OK, RANGE_BAD };

/* One range of bytes (RFC 9110 14.1.2); several, or another unit, are ignored as that section allows. */
static enum range parse_range(struct vl_span s, uint64_t size, uint64_t *first, uint64_t *last) {
    if (s.n < 7 || memcmp(s.p, "bytes=", 6) != 0 || memchr(s.p, ',', s.n)) return RANGE_NONE;
    const uint8_t *dash = memchr(s.p, '-', s.n);
    if (dash == NULL) return RANGE_NONE;
    struct vl_span a = vl_span(s.p + 6, (size_t)(dash - s.p) - 6),
                   b = vl_span(dash + 1, (size_t)(s.p + s.n - dash) - 1);
    uint64_t n = 0;
    if (a.n == 0) {
        if (!digits(b, &n)) return RANGE_NONE;
        if (n == 0 || size == 0) return RANGE_BAD;
        *first = n < size ? size - n : 0;
        *last = size - 1;
        return RANGE_OK;
    }
    if (!digits(a, first) || (b.n > 0 && !digits(b, last))) return RANGE_NONE;
    if (b.n > 0 && *last < *first) return RANGE_NONE;
    if (*first >= size) return RANGE_BAD;
    if (b.n == 0 || *last >= size) *last = size - 1;
    return RANGE_OK;
}

void api_blob_get(struct gateway *g, struct http_req *r, const struct call *k) {
    const struct backend *b = g->backend;
    struct vl_hash hash;
    uint64_t size = 0, first = 0, last = 0;
    char fields[640], etag[ROUTE_PARAM_MAX + 2];
    void *reader = NULL;
    if (hash_parse(k->param, &hash) != VL_OK || b->ops->blob_open(b->self, hash, &reader, &size) != VL_OK) {
        api_not_found(r, "This node has no blob of that hash.");
        return;
    }
    snprintf(etag, sizeof etag, "\"%s\"", k->param);
    enum range range =
        parse_range(http_part_span(r->base, http_head_find(r->head, r->base, "range")), size, &first, &last);
    struct http_part if_range = http_head_find(r->head, r->base, "if-range");
    if (if_range.n > 0 && !vl_span_eq(http_part_span(r->base, if_range), vl_span_str(etag))) range = RANGE_NONE;
    if (range == RANGE_BAD) {
        b->ops->blob_close(b->self, reader);
        snprintf(fields, sizeof fields, "Content-Range: bytes */%" PRIu64 "\r\n", size);
        api_problem(r, 416, "range", "The blob is shorter than that.", fields, NULL);
        return;
    }
    int n = snprintf(fields, sizeof fields,
                     "ETag: %s\r\nAccept-Ranges: bytes\r\n"
                     "Cache-Control: private, max-age=31536000, immutable\r\nContent-Disposition: attachment\r\n"
                     "Content-Security-Policy: sandbox\r\n",
                     etag);
    if (range == RANGE_OK)
        snprintf(fields + n, sizeof fields - (size_t)n, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
                 first, last, size);
    uint64_t length = range == RANGE_OK ? last - first + 1 : size;
    struct blob_out *o = malloc(sizeof *o);
    if (o == NULL) {
        b->ops->blob_close(b->self, reader);
        api_error(r, VL_ENOMEM, NULL);
        return;
    }
    *o = (struct blob_out){ .b = b, .reader = reader, .at = range == RANGE_OK ? first : 0 };
    struct http_answer a = { .status = range == RANGE_OK ? 206 : 200,
                             .type = "application/octet-stream",
                             .fields = fields };
    http_reply_stream(r, &a, length, (struct http_source){ .read = out_read, .close = out_close, .arg = o });
}

/* ---- in ---- */

struct blob_in {
    struct gateway *g;
    struct http_req *r;
    void *upload; /* NULL: the blob is here already, the body is read to be thrown away */
    char hash[HASH_TEXT];
};

static void put_answer(struct blob_in *in, uint16_t status) {
    char fields[128];
    struct jw j = api_json(in->r);
    jw_obj(&j);
    jw_put_str(&j, "hash", in->hash);
    jw_obj_end(&j);
    snprintf(fields, sizeof fields, "Location: /v1/blobs/%s\r\n", in->hash);
    api_send(in->g, in->r, status, &j, fields);
}

static void put_error(struct blob_in *in, enum vl_err err, const char *detail) {
    if (err == VL_ECRYPTO)
        api_problem(in->r, 422, "hash_mismatch", "The bytes have another hash than the address says.", NULL, NULL);
    else
        api_error(in->r, err, detail);
}

static enum vl_err in_write(void *arg, struct vl_span data) {
    struct blob_in *in = arg;
    const struct backend *b = in->g->backend;
    enum vl_err err = in->upload ? b->ops->blob_write(b->self, in->upload, data.p, data.n) : VL_OK;
    if (err == VL_OK) return VL_OK;
    b->ops->blob_abort(b->self, in->upload);
    in->r->sink.write = NULL; /* answered here: the sink is over */
    put_error(in, err, NULL);
    free(in);
    return err;
}

static void on_committed(void *arg, enum vl_err err, const char *detail) {
    struct blob_in *in = arg;
    if (err == VL_OK)
        put_answer(in, 201);
    else if (err == VL_EEXISTS)
        put_answer(in, 200);
    else
        put_error(in, err, detail);
    free(in);
}

static void in_end(void *arg) {
    struct blob_in *in = arg;
    const struct backend *b = in->g->backend;
    if (in->upload == NULL) {
        on_committed(in, VL_EEXISTS, NULL);
        return;
    }
    enum vl_err err = b->ops->blob_commit(b->self, in->upload, on_committed, in);
    if (err != VL_OK) on_committed(in, err, NULL);
}

static void in_abort(void *arg) {
    struct blob_in *in = arg;
    if (in->upload) in->g->backend->ops->blob_abort(in->g->backend->self, in->upload);
    free(in);
}

void api_blob_put(struct gateway *g, struct http_req *r, const struct call *k) {
    const struct backend *b = g->backend;
    struct vl_hash hash;
    if (hash_parse(k->param, &hash) != VL_OK) {
        struct schema_errors e = { 0 };
        schema_error_add(&e, "{hash}", "must be 64 lower-case hex digits");
        api_problem(r, 400, "bad_request", "The address holds no hash.", NULL, &e);
        return;
    }
    struct blob_in *in = malloc(sizeof *in);
    if (in == NULL) {
        api_error(r, VL_ENOMEM, NULL);
        return;
    }
    *in = (struct blob_in){ .g = g, .r = r };
    hash_format(hash, in->hash);
    enum vl_err err = b->ops->blob_begin(b->self, hash, r->head->length, &in->upload);
    bool discard = err == VL_EEXISTS && r->head->length <= DISCARD_MAX && !r->head->expect_continue;
    if (err == VL_OK || discard) {
        r->sink = (struct http_sink){ .write = in_write, .end = in_end, .abort = in_abort, .arg = in };
        return;
    }
    if (err == VL_EEXISTS)
        put_answer(in, 200);
    else
        put_error(in, err, NULL);
    free(in);
}
