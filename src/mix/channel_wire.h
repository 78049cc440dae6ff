/* channel_wire.h - the bytes of a channel: the sealed box and the four kinds of cells in it or in a reply.  Strict:
 * what decodes encodes to the same bytes.  For channel*.c, their tests and fuzz targets.  Source: docs/spec/channel.md.
 * Pure. */
#ifndef VL_MIX_CHANNEL_WIRE_H
#define VL_MIX_CHANNEL_WIRE_H

#include "crypto/dh.h"
#include "crypto/drbg.h"
#include "mix/channel.h"

#define CHANNEL_CELL (SPHINX_DATA_MAX - 32u - 16u) /* 1,533: inside of the box */
#define CHANNEL_BITMAP (CHANNEL_SHARDS_MAX / 8u)
#define CHANNEL_VERSION 1u
#define CHANNEL_ACK_BYTES 59u
#define CHANNEL_ANSWER_BYTES (41u + CHANNEL_ANSWER_DATA)

enum channel_kind {                       /* on the wire */
                    CHANNEL_FRAGMENT = 1, /* in a box: of a message, with a reply block */
                    CHANNEL_REFILL = 2,   /* in a box: reply blocks for a conversation, what arrived of an answer */
                    CHANNEL_ACK = 3,      /* in a reply: what arrived of a message, how a conversation stands */
                    CHANNEL_ANSWER = 4,   /* in a reply: of an answer */
};

/* One fragment, whatever carries it. */
struct channel_shard {
    uint8_t id[16];
    uint8_t k, n, index; /* index < n */
    uint32_t length;     /* of the whole message */
    const uint8_t *data; /* borrowed; CHANNEL_FRAGMENT_DATA or CHANNEL_ANSWER_DATA bytes */
};
/* What the recipient of a message has.  instance: random per attempt to put it together; when a recipient had to start
 * anew its older receipts do not count. */
struct channel_receipt {
    bool complete;
    uint8_t id[16];
    uint32_t instance;
    uint8_t bitmap[CHANNEL_BITMAP]; /* bit i of byte i/8 (from the low end): fragment i */
};
/* How a conversation stands at the responder. */
struct channel_status {
    uint32_t seq;          /* > 0, grows: newer ones count */
    uint16_t left, wanted; /* reply blocks held; fragments that wait for one */
    uint32_t top, bits;    /* highest refill seen; bit i: refill top - i was seen */
};
struct channel_fragment {
    struct channel_shard shard;
    enum mix_level level;
    bool talk; /* in a conversation; the next two are zero otherwise */
    uint8_t conversation[16];
    uint32_t rtt_ms;
    const uint8_t *surb; /* borrowed */
};
struct channel_refill {
    uint8_t conversation[16];
    uint32_t seq;   /* 0 when there are no blocks */
    uint8_t blocks; /* 0..3; a receipt is there when 0 */
    bool has_receipt;
    struct channel_receipt receipt;
    uint32_t rtt_ms;
    enum mix_level level;
    const uint8_t *surb; /* borrowed; blocks x SPHINX_SURB */
};
struct channel_ack {
    bool has_receipt, has_status; /* one of them at least */
    struct channel_receipt receipt;
    struct channel_status status;
};
struct channel_reply_shard {
    struct channel_shard shard;
    struct channel_status status;
};

/* Data fragments of a message: 1 for an empty one. */
uint32_t channel_shards(uint32_t length, uint32_t size);

void channel_fragment_encode(const struct channel_fragment *f, uint8_t cell[CHANNEL_CELL]);
void channel_refill_encode(const struct channel_refill *r, uint8_t cell[CHANNEL_CELL]);
void channel_ack_encode(const struct channel_ack *a, uint8_t dst[CHANNEL_ACK_BYTES]);
void channel_answer_encode(const struct channel_reply_shard *a, uint8_t dst[CHANNEL_ANSWER_BYTES]);

/* Kind of a cell or reply.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err channel_kind_of(struct vl_span cell, enum channel_kind *ret);
/* VL_EPARSE; *ret borrows from the input. */
VL_MUST_CHECK enum vl_err channel_fragment_decode(const uint8_t cell[CHANNEL_CELL], struct channel_fragment *ret);
VL_MUST_CHECK enum vl_err channel_refill_decode(const uint8_t cell[CHANNEL_CELL], struct channel_refill *ret);
VL_MUST_CHECK enum vl_err channel_ack_decode(struct vl_span in, struct channel_ack *ret);
VL_MUST_CHECK enum vl_err channel_answer_decode(struct vl_span in, struct channel_reply_shard *ret);

/* Seals a cell to a static key under a fresh ephemeral from rng: SPHINX_DATA_MAX bytes.  VL_ECRYPTO: a key of low
 * order; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err channel_box_seal(struct crypto_drbg *rng, const uint8_t to[32],
                                           const uint8_t cell[CHANNEL_CELL], uint8_t box[SPHINX_DATA_MAX]);
/* VL_ECRYPTO: not for us, or changed; ret_cell is zeroed then.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err channel_box_open(const struct crypto_dh_key *self, const uint8_t box[SPHINX_DATA_MAX],
                                           uint8_t ret_cell[CHANNEL_CELL]);

static inline bool channel_bit(const uint8_t *bitmap, uint32_t i) { return bitmap[i / 8] >> i % 8 & 1; }
static inline void channel_bit_set(uint8_t *bitmap, uint32_t i) { bitmap[i / 8] |= (uint8_t)(1u << i % 8); }

#endif
