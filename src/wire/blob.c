#include "wire/blob.h"

#include "blob.pb.h"
#include "wire/canon.h"

#include <string.h>

static bool request_sound(uint64_t offset, uint32_t length) {
    return offset < VL_BLOB_MAX && length >= 1 && length <= VL_CHUNK;
}
/* An empty piece has a meaning only as the answer for an empty blob. */
static bool chunk_sound(uint64_t offset, uint64_t size, uint32_t length) {
    return size <= VL_BLOB_MAX && length <= VL_CHUNK && offset <= size && length <= size - offset &&
           (length != 0 || size == 0);
}

static enum vl_err append_head(const struct wire_blob *m, struct vl_buf *dst) {
    village_v1_BlobRequest request = { .offset = m->offset, .length = m->length };
    village_v1_BlobChunk chunk = { .offset = m->offset, .size = m->size, .length = m->length };
    village_v1_BlobMissing missing = { .hash = { 0 } };
    memcpy(request.hash, m->hash.b, sizeof m->hash.b);
    memcpy(chunk.hash, m->hash.b, sizeof m->hash.b);
    memcpy(missing.hash, m->hash.b, sizeof m->hash.b);
    switch (m->kind) {
    case WIRE_BLOB_REQUEST:
        if (!request_sound(m->offset, m->length)) return VL_ERANGE;
        return canon_append(village_v1_BlobRequest_fields, &request, dst);
    case WIRE_BLOB_CHUNK:
        if (!chunk_sound(m->offset, m->size, m->length)) return VL_ERANGE;
        return canon_append(village_v1_BlobChunk_fields, &chunk, dst);
    case WIRE_BLOB_MISSING: return canon_append(village_v1_BlobMissing_fields, &missing, dst);
    }
    return VL_ERANGE;
}

enum vl_err wire_blob_encode_head(const struct wire_blob *m, struct vl_buf *dst) {
    size_t start = dst->len;
    uint8_t prefix[3] = { (uint8_t)m->kind, 0, 0 };
    enum vl_err err = vl_buf_append(dst, prefix, sizeof prefix);
    if (!err) err = append_head(m, dst);
    if (err) {
        dst->len = start;
        return err;
    }
    vl_put_u16(dst->p + start + 1, (uint16_t)(dst->len - start - sizeof prefix));
    return VL_OK;
}

static enum vl_err read_request(struct vl_span head, struct wire_blob *m) {
    village_v1_BlobRequest p = { .offset = 0 };
    enum vl_err err = canon_read(head, village_v1_BlobRequest_fields, &p);
    if (!err) err = canon_check(head, village_v1_BlobRequest_fields, &p);
    if (err || !request_sound(p.offset, p.length)) return VL_EPARSE;
    m->offset = p.offset;
    m->length = p.length;
    memcpy(m->hash.b, p.hash, sizeof p.hash);
    return VL_OK;
}

static enum vl_err read_chunk(struct vl_span head, struct wire_blob *m) {
    village_v1_BlobChunk p = { .offset = 0 };
    enum vl_err err = canon_read(head, village_v1_BlobChunk_fields, &p);
    if (!err) err = canon_check(head, village_v1_BlobChunk_fields, &p);
    if (err || !chunk_sound(p.offset, p.size, p.length)) return VL_EPARSE;
    m->offset = p.offset;
    m->size = p.size;
    m->length = p.length;
    memcpy(m->hash.b, p.hash, sizeof p.hash);
    return VL_OK;
}

static enum vl_err read_missing(struct vl_span head, struct wire_blob *m) {
    village_v1_BlobMissing p = { .hash = { 0 } };
    enum vl_err err = canon_read(head, village_v1_BlobMissing_fields, &p);
    if (!err) err = canon_check(head, village_v1_BlobMissing_fields, &p);
    if (err) return err;
    memcpy(m->hash.b, p.hash, sizeof p.hash);
    return VL_OK;
}

enum vl_err wire_blob_decode(struct vl_span in, struct wire_blob *ret) {
    struct wire_blob m = { .offset = 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    uint8_t kind = vl_read_u8(&r);
    uint16_t head_n = vl_read_u16(&r);
    struct vl_span head = vl_read_span(&r, head_n);
    enum vl_err err = VL_EPARSE;
    if (r.failed || head_n > WIRE_BLOB_HEAD_MAX) return VL_EPARSE;
    if (kind == WIRE_BLOB_REQUEST) err = read_request(head, &m);
    else if (kind == WIRE_BLOB_CHUNK) err = read_chunk(head, &m);
    else if (kind == WIRE_BLOB_MISSING) err = read_missing(head, &m);
    if (err) return VL_EPARSE;
    m.kind = (enum wire_blob_kind)kind;
    if (m.kind == WIRE_BLOB_CHUNK) m.data = vl_read_span(&r, m.length);
    err = vl_reader_end(&r);
    if (err) return err;
    *ret = m;
    return VL_OK;
}
