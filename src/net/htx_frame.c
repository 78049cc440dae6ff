#include "net/htx_frame.h"

#include <string.h>

/* Reflected polynomial 0xEDB88320, one row per nibble: small, because the bare form is not the fast path. */
static const uint32_t crc_rows[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t htx_crc32(const void *p, size_t n) {
    const uint8_t *at = p;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ crc_rows[crc & 15];
        crc = crc >> 4 ^ crc_rows[crc & 15];
    }
    return ~crc;
}

void htx_frame_put_header(uint8_t *dst, const struct htx_frame *f) {
    vl_put_u16(dst, HTX_FRAME_MAGIC);
    dst[2] = (uint8_t)(HTX_FRAME_VERSION << 4 | (f->flags & HTX_FLAGS_ALL));
    dst[3] = f->type;
    vl_put_u32(dst + 4, (uint32_t)f->payload.n);
    vl_put_u32(dst + 8, f->stream);
    vl_put_u32(dst + 12, f->seq);
    vl_put_u64(dst + 16, f->timestamp_ms);
}

/* Header fields of `p`, which holds HTX_HEADER bytes; the payload's length comes apart because it is not yet checked.
 */
static enum vl_err get_header(const uint8_t *p, struct htx_frame *f, uint32_t *ret_length) {
    if (vl_get_u16(p) != HTX_FRAME_MAGIC) return VL_EPARSE;
    if (p[2] >> 4 != HTX_FRAME_VERSION) return VL_EVERSION;
    *f = (struct htx_frame){ .flags = p[2] & HTX_FLAGS_ALL,
                             .type = p[3],
                             .stream = vl_get_u32(p + 8),
                             .seq = vl_get_u32(p + 12),
                             .timestamp_ms = vl_get_u64(p + 16) };
    *ret_length = vl_get_u32(p + 4);
    return VL_OK;
}

enum vl_err htx_frame_read(struct vl_span in, struct htx_frame *ret_frame, size_t *ret_len) {
    struct htx_frame f;
    uint32_t length = 0;
    if (in.n < HTX_HEADER) return VL_EPARSE;
    enum vl_err err = get_header(in.p, &f, &length);
    if (err) return err;
    if (f.flags & HTX_FLAG_CRC || length > in.n - HTX_HEADER) return VL_EPARSE;
    f.payload = vl_span(in.p + HTX_HEADER, length);
    *ret_len = HTX_HEADER + length;
    *ret_frame = f;
    return VL_OK;
}

enum vl_err htx_frame_encode_bare(const struct htx_frame *f, uint8_t *dst, size_t cap, size_t *ret_len) {
    if (f->payload.n > HTX_BARE_PAYLOAD_MAX) return VL_ERANGE;
    size_t len = HTX_HEADER + f->payload.n + HTX_CRC;
    if (cap < len) return VL_ENOSPC;
    struct htx_frame with_crc = *f;
    with_crc.flags |= HTX_FLAG_CRC;
    htx_frame_put_header(dst, &with_crc);
    if (f->payload.n > 0) memcpy(dst + HTX_HEADER, f->payload.p, f->payload.n);
    vl_put_u32(dst + len - HTX_CRC, htx_crc32(dst, len - HTX_CRC));
    *ret_len = len;
    return VL_OK;
}

enum vl_err htx_frame_decode_bare(struct vl_span in, struct htx_frame *ret_frame, size_t *ret_len) {
    struct htx_frame f;
    uint32_t length = 0;
    if (in.n < HTX_HEADER) return VL_EAGAIN;
    enum vl_err err = get_header(in.p, &f, &length);
    if (err) return err;
    if (!(f.flags & HTX_FLAG_CRC) || length > HTX_BARE_PAYLOAD_MAX) return VL_EPARSE;
    if (f.type >= HTX_T_KNOWN && f.type < HTX_T_IGNORABLE) return VL_EPARSE;
    size_t len = HTX_HEADER + length + HTX_CRC;
    if (in.n < len) return VL_EAGAIN;
    if (htx_crc32(in.p, len - HTX_CRC) != vl_get_u32(in.p + len - HTX_CRC)) return VL_ECRYPTO;
    f.payload = vl_span(in.p + HTX_HEADER, length);
    *ret_frame = f;
    *ret_len = len;
    return VL_OK;
}
