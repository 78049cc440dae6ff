/* LZ4 per message, before fragmenting: u32 raw size, then one LZ4 block.  A bomb is bounded three times: the raw size
 * is at most VL_MESSAGE_MAX, at most 255 times the block (LZ4 cannot do more), and the output buffer is exactly that
 * size. */
#include "net/htx_priv.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#define COMPRESS_MIN 256u
#define PROBE 4096u
#define RATIO_MAX 255u

static bool ensure(uint8_t **p, size_t n) {
    if (*p == NULL) *p = malloc(n);
    return *p != NULL;
}

void htx_compress(struct htx_endpoint *ep, struct htx_queue_message *m, struct vl_span *ret_whole) {
    if (m->total < COMPRESS_MIN) return;
    /* Work space: LZ4's own state behind the output. */
    size_t out_max = VL_MESSAGE_MAX, state = (size_t)LZ4_sizeofState();
    if (!ensure(&ep->lz4, out_max + state) || !ensure(&ep->gather, VL_MESSAGE_MAX)) return; /* goes uncompressed */
    size_t n = 0;
    for (size_t i = 0; i < m->nparts; i++) {
        if (m->parts[i].n > 0) memcpy(ep->gather + n, m->parts[i].p, m->parts[i].n);
        n += m->parts[i].n;
    }
    const char *src = (const char *)ep->gather;
    char *dst = (char *)ep->lz4 + 4;
    if (n > 2 * PROBE && LZ4_compress_fast_extState(ep->lz4 + out_max, src, dst, PROBE, PROBE - PROBE / 8, 1) <= 0)
        return;
    int got = LZ4_compress_fast_extState(ep->lz4 + out_max, src, dst, (int)n, (int)(n - n / 8 - 4), 1);
    if (got <= 0) return;
    vl_put_u32(ep->lz4, (uint32_t)n);
    *ret_whole = vl_span(ep->lz4, (size_t)got + 4);
    m->parts = ret_whole;
    m->nparts = 1;
    m->total = ret_whole->n;
    m->flags |= HTX_FLAG_LZ4;
}

enum vl_err htx_decompress(struct htx_endpoint *ep, struct vl_span in, struct vl_span *ret_raw) {
    if (in.n < 5) return VL_EPARSE;
    uint32_t raw = vl_get_u32(in.p);
    if (raw == 0 || raw > VL_MESSAGE_MAX || raw / RATIO_MAX > in.n - 4) return VL_EPARSE;
    if (!ensure(&ep->raw, VL_MESSAGE_MAX)) return VL_ENOMEM;
    int got = LZ4_decompress_safe((const char *)in.p + 4, (char *)ep->raw, (int)(in.n - 4), (int)raw);
    if (got < 0 || (uint32_t)got != raw) return VL_EPARSE;
    *ret_raw = vl_span(ep->raw, raw);
    return VL_OK;
}
