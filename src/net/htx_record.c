#include "net/htx_record.h"

#include <assert.h>

enum vl_err htx_record_seal(struct htx_record *r, const uint8_t *plain, size_t n, uint8_t *dst) {
    assert(n > 0 && n <= HTX_PLAIN_MAX);
    enum vl_err err = noise_cipher_seal(&r->cipher, vl_span(NULL, 0), plain, n, dst + HTX_RECORD_HEAD);
    if (err) return err;
    vl_put_u16(dst, (uint16_t)(n + HTX_TAG));
    r->records++;
    r->bytes += n;
    return VL_OK;
}

enum vl_err htx_record_open(struct htx_record *r, struct vl_span body, uint8_t *dst, size_t *ret_n) {
    if (body.n <= HTX_TAG || body.n > HTX_PLAIN_MAX + HTX_TAG) return VL_EPARSE;
    if (r->records >= HTX_RECEIVE_RECORDS_MAX || r->bytes >= HTX_RECEIVE_BYTES_MAX) return VL_ECRYPTO;
    enum vl_err err = noise_cipher_open(&r->cipher, vl_span(NULL, 0), body.p, body.n, dst);
    if (err) return err;
    r->records++;
    r->bytes += body.n - HTX_TAG;
    *ret_n = body.n - HTX_TAG;
    return VL_OK;
}

enum vl_err htx_record_rekey(struct htx_record *r, vl_ms now) {
    enum vl_err err = noise_cipher_rekey(&r->cipher);
    if (err) return err;
    r->records = r->bytes = 0;
    r->since = now;
    return VL_OK;
}

void htx_record_wipe(struct htx_record *r) {
    noise_cipher_destroy(&r->cipher);
    *r = (struct htx_record){ 0 };
}
