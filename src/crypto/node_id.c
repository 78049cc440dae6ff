#include "crypto/node_id.h"

#include "base/text.h"

#include <assert.h>
#include <string.h>

/* Multihash "identity" (0x00) of 36 bytes, which are a protobuf PublicKey: field 1 Type = 1 (Ed25519), field 2 Data of
 * 32 bytes. */
static const uint8_t prefix[] = { 0x00, 0x24, 0x08, 0x01, 0x12, 0x20 };
#define PEER_ID_BYTES (sizeof prefix + 32)

void node_id_format(struct vl_node_id id, char dst[NODE_ID_TEXT]) {
    uint8_t raw[PEER_ID_BYTES];
    memcpy(raw, prefix, sizeof prefix);
    memcpy(raw + sizeof prefix, id.b, sizeof id.b);
    enum vl_err err = vl_base58_encode(raw, sizeof raw, dst, NODE_ID_TEXT);
    assert(err == VL_OK);
    (void)err;
}

enum vl_err node_id_parse(const char *s, struct vl_node_id *ret) {
    uint8_t raw[PEER_ID_BYTES];
    size_t n = 0;
    if (strnlen(s, NODE_ID_TEXT) != NODE_ID_TEXT - 1) return VL_EPARSE;
    if (vl_base58_decode(s, raw, sizeof raw, &n) != VL_OK || n != sizeof raw) return VL_EPARSE;
    if (memcmp(raw, prefix, sizeof prefix) != 0) return VL_EPARSE;
    memcpy(ret->b, raw + sizeof prefix, sizeof ret->b);
    return VL_OK;
}

static enum vl_err hex_parse(const char *s, uint8_t *dst, size_t n) {
    if (strnlen(s, 2 * n + 1) != 2 * n || strpbrk(s, "ABCDEF") != NULL) return VL_EPARSE;
    return vl_hex_decode(s, dst, n);
}

void job_id_format(struct vl_job_id id, char dst[JOB_ID_TEXT]) { vl_hex_encode(id.b, sizeof id.b, dst); }
enum vl_err job_id_parse(const char *s, struct vl_job_id *ret) { return hex_parse(s, ret->b, sizeof ret->b); }
void hash_format(struct vl_hash hash, char dst[HASH_TEXT]) { vl_hex_encode(hash.b, sizeof hash.b, dst); }
enum vl_err hash_parse(const char *s, struct vl_hash *ret) { return hex_parse(s, ret->b, sizeof ret->b); }
