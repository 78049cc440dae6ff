#include "wire/canon.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

/* nanopb hands out a sub-stream over the caller's memory: its state is the read position. */
static bool borrow(pb_istream_t *s, const pb_field_t *field, void **arg) {
    (void)field;
    struct vl_span *at = *arg;
    if (at->n != 0) return false; /* the field came twice */
    *at = vl_span(s->state, s->bytes_left);
    return pb_read(s, NULL, s->bytes_left);
}

static bool write_span(pb_ostream_t *s, const pb_field_t *field, void *const *arg) {
    const struct vl_span *at = *arg;
    if (at->n == 0) return true;
    return pb_encode_tag_for_field(s, field) && pb_encode_string(s, at->p, at->n);
}

pb_callback_t canon_field_read(struct vl_span *at) {
    return (pb_callback_t){ .funcs = { .decode = borrow }, .arg = at };
}
pb_callback_t canon_field_write(struct vl_span *at) {
    return (pb_callback_t){ .funcs = { .encode = write_span }, .arg = at };
}

enum vl_err canon_append(const pb_msgdesc_t *fields, const void *m, struct vl_buf *dst) {
    size_t n = 0;
    if (!pb_get_encoded_size(&n, fields, m)) return VL_ERANGE;
    enum vl_err err = vl_buf_reserve(dst, n);
    if (err) return err;
    pb_ostream_t out = pb_ostream_from_buffer(dst->p + dst->len, n);
    if (!pb_encode(&out, fields, m)) return VL_EINTERNAL;
    dst->len += n;
    return VL_OK;
}

enum vl_err canon_read(struct vl_span in, const pb_msgdesc_t *fields, void *m) {
    if (in.n == 0) return VL_EPARSE;
    pb_istream_t s = pb_istream_from_buffer(in.p, in.n);
    return pb_decode(&s, fields, m) ? VL_OK : VL_EPARSE;
}

static bool compare(pb_ostream_t *s, const pb_byte_t *p, size_t n) {
    struct vl_span *rest = s->state;
    if (n > rest->n || (n != 0 && memcmp(p, rest->p, n) != 0)) return false;
    *rest = vl_span(rest->p + n, rest->n - n);
    return true;
}

enum vl_err canon_check(struct vl_span in, const pb_msgdesc_t *fields, const void *m) {
    struct vl_span rest = in;
    pb_ostream_t out = { .callback = compare, .state = &rest, .max_size = in.n };
    return pb_encode(&out, fields, m) && rest.n == 0 ? VL_OK : VL_EPARSE;
}
