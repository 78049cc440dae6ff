#include "mix/channel_wire.h"

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include <assert.h>
#include <string.h>

enum { HEAD = 53, REFILL_HEAD = 69, FLAG_TALK = 1, FLAG_RECEIPT = 1, FLAG_COMPLETE = 2, FLAG_STATUS = 4 };
_Static_assert(HEAD + SPHINX_SURB + CHANNEL_FRAGMENT_DATA == CHANNEL_CELL, "a fragment fills its cell");
_Static_assert(REFILL_HEAD + 3 * SPHINX_SURB == CHANNEL_CELL, "three reply blocks fill a cell");
_Static_assert(CHANNEL_ANSWER_BYTES <= SPHINX_DATA_MAX, "an answer fits into a reply");
_Static_assert((CHANNEL_MESSAGE_MAX + CHANNEL_FRAGMENT_DATA - 1) / CHANNEL_FRAGMENT_DATA * 2 <= CHANNEL_SHARDS_MAX,
               "the longest message with as much parity as data");

uint32_t channel_shards(uint32_t length, uint32_t size) { return length == 0 ? 1 : (length + size - 1) / size; }

static void head(struct vl_writer *w, enum channel_kind kind) {
    vl_write_u8(w, CHANNEL_VERSION);
    vl_write_u8(w, (uint8_t)kind);
}

static void skip_head(struct vl_reader *r) {
    (void)vl_read_u8(r);
    (void)vl_read_u8(r);
}

static bool zeros(struct vl_span s) {
    uint8_t any = 0;
    for (size_t i = 0; i < s.n; i++) any |= s.p[i];
    return any == 0;
}

static void shard_write(struct vl_writer *w, const struct channel_shard *s) {
    vl_write_u8(w, s->k);
    vl_write_u8(w, s->n);
    vl_write_u8(w, s->index);
    vl_write_u32(w, s->length);
}
/* SPEC CHN-07: "k is the number of pieces that the length needs, 1 for an empty message; k <= n <= 160 and index < n."
 */
static bool shard_read(struct vl_reader *r, struct channel_shard *s, uint32_t size) {
    s->k = vl_read_u8(r);
    s->n = vl_read_u8(r);
    s->index = vl_read_u8(r);
    s->length = vl_read_u32(r);
    return s->length <= CHANNEL_MESSAGE_MAX && s->k == channel_shards(s->length, size) && s->k <= s->n &&
           s->n <= CHANNEL_SHARDS_MAX && s->index < s->n;
}

/* Flags stand before it, in one byte with those of the cell. */
static void receipt_write(struct vl_writer *w, const struct channel_receipt *r) {
    vl_write_bytes(w, r->id, sizeof r->id);
    vl_write_u32(w, r->instance);
    vl_write_bytes(w, r->bitmap, sizeof r->bitmap);
}
static bool receipt_read(struct vl_reader *r, bool there, bool complete, struct channel_receipt *ret) {
    static const struct channel_receipt none = { 0 };
    ret->complete = complete;
    vl_read_bytes(r, ret->id, sizeof ret->id);
    ret->instance = vl_read_u32(r);
    vl_read_bytes(r, ret->bitmap, sizeof ret->bitmap);
    return there || (!complete && ret->instance == 0 && memcmp(ret->id, none.id, sizeof none.id) == 0 &&
                     memcmp(ret->bitmap, none.bitmap, sizeof none.bitmap) == 0);
}

static void status_write(struct vl_writer *w, const struct channel_status *s) {
    vl_write_u32(w, s->seq);
    vl_write_u16(w, s->left);
    vl_write_u16(w, s->wanted);
    vl_write_u32(w, s->top);
    vl_write_u32(w, s->bits);
}
static bool status_read(struct vl_reader *r, bool there, struct channel_status *s) {
    s->seq = vl_read_u32(r);
    s->left = vl_read_u16(r);
    s->wanted = vl_read_u16(r);
    s->top = vl_read_u32(r);
    s->bits = vl_read_u32(r);
    return there ? s->seq > 0 : (s->seq | s->left | s->wanted | s->top | s->bits) == 0;
}

static bool level_good(enum mix_level level) { return level > MIX_OFF && level < MIX_LEVELS; }

/* ---- in a box ---- */

/* SPEC CHN-05: "A fragment is [version 1, kind 1, message id 16, level 1, k 1, n 1, index 1, length 4, flags 1,
 * conversation 16, round trip 4, zeros 6, reply block 488, data 992]." */
void channel_fragment_encode(const struct channel_fragment *f, uint8_t cell[CHANNEL_CELL]) {
    struct vl_writer w = vl_writer(cell, CHANNEL_CELL);
    memset(cell, 0, CHANNEL_CELL);
    head(&w, CHANNEL_FRAGMENT);
    vl_write_bytes(&w, f->shard.id, sizeof f->shard.id);
    vl_write_u8(&w, (uint8_t)f->level);
    shard_write(&w, &f->shard);
    vl_write_u8(&w, f->talk ? FLAG_TALK : 0);
    if (f->talk) {
        vl_write_bytes(&w, f->conversation, sizeof f->conversation);
        vl_write_u32(&w, f->rtt_ms);
    }
    memcpy(cell + HEAD, f->surb, SPHINX_SURB);
    memcpy(cell + HEAD + SPHINX_SURB, f->shard.data, CHANNEL_FRAGMENT_DATA);
    assert(!w.failed && w.len <= HEAD);
}

enum vl_err channel_fragment_decode(const uint8_t cell[CHANNEL_CELL], struct channel_fragment *ret) {
    struct channel_fragment f = { 0 };
    struct vl_reader r = vl_reader(cell, CHANNEL_CELL);
    skip_head(&r);
    vl_read_bytes(&r, f.shard.id, sizeof f.shard.id);
    f.level = (enum mix_level)vl_read_u8(&r);
    bool good = shard_read(&r, &f.shard, CHANNEL_FRAGMENT_DATA) && level_good(f.level);
    uint8_t flags = vl_read_u8(&r);
    f.talk = flags == FLAG_TALK;
    const uint8_t *talk = r.p;
    vl_read_bytes(&r, f.conversation, sizeof f.conversation);
    f.rtt_ms = vl_read_u32(&r);
    good = good && flags <= FLAG_TALK && (f.talk || zeros(vl_span(talk, 20))) && zeros(vl_read_span(&r, 6));
    f.surb = vl_read_span(&r, SPHINX_SURB).p;
    f.shard.data = vl_read_span(&r, CHANNEL_FRAGMENT_DATA).p;
    if (!good || vl_reader_end(&r)) return VL_EPARSE;
    *ret = f;
    return VL_OK;
}

/* SPEC CHN-06: "A refill is [version 1, kind 1, conversation 16, number 4, blocks 1, flags 1, answer id 16, instance 4,
 * bitmap 20, round trip 4, level 1, reply blocks 3 x 488]; blocks that are not there are zeros." */
void channel_refill_encode(const struct channel_refill *f, uint8_t cell[CHANNEL_CELL]) {
    static const struct channel_receipt none = { 0 };
    struct vl_writer w = vl_writer(cell, CHANNEL_CELL);
    assert(f->blocks <= 3 && (f->blocks > 0) == (f->seq > 0));
    memset(cell, 0, CHANNEL_CELL);
    head(&w, CHANNEL_REFILL);
    vl_write_bytes(&w, f->conversation, sizeof f->conversation);
    vl_write_u32(&w, f->seq);
    vl_write_u8(&w, f->blocks);
    vl_write_u8(&w, (uint8_t)((f->has_receipt ? FLAG_RECEIPT : 0) |
                              (f->has_receipt && f->receipt.complete ? FLAG_COMPLETE : 0)));
    receipt_write(&w, f->has_receipt ? &f->receipt : &none);
    vl_write_u32(&w, f->rtt_ms);
    vl_write_u8(&w, (uint8_t)f->level);
    assert(!w.failed && w.len == REFILL_HEAD);
    if (f->blocks > 0) memcpy(cell + REFILL_HEAD, f->surb, (size_t)f->blocks * SPHINX_SURB);
}

enum vl_err channel_refill_decode(const uint8_t cell[CHANNEL_CELL], struct channel_refill *ret) {
    struct channel_refill f = { 0 };
    struct vl_reader r = vl_reader(cell, CHANNEL_CELL);
    skip_head(&r);
    vl_read_bytes(&r, f.conversation, sizeof f.conversation);
    f.seq = vl_read_u32(&r);
    f.blocks = vl_read_u8(&r);
    uint8_t flags = vl_read_u8(&r);
    f.has_receipt = flags & FLAG_RECEIPT;
    bool good = flags <= (FLAG_RECEIPT | FLAG_COMPLETE) && f.blocks <= 3 && (f.blocks > 0) == (f.seq > 0) &&
                (f.blocks > 0 || f.has_receipt);
    good = receipt_read(&r, f.has_receipt, flags & FLAG_COMPLETE, &f.receipt) && good;
    f.rtt_ms = vl_read_u32(&r);
    f.level = (enum mix_level)vl_read_u8(&r);
    if (!good || !level_good(f.level)) return VL_EPARSE;
    f.surb = vl_read_span(&r, (size_t)f.blocks * SPHINX_SURB).p;
    if (!zeros(vl_read_span(&r, (size_t)(3 - f.blocks) * SPHINX_SURB)) || vl_reader_end(&r)) return VL_EPARSE;
    *ret = f;
    return VL_OK;
}

/* ---- in a reply ---- */

/* SPEC CHN-08: "An acknowledgement is [version 1, kind 1, flags 1, message id 16, instance 4, bitmap 20, status 16], 59
 * bytes." */
void channel_ack_encode(const struct channel_ack *a, uint8_t dst[CHANNEL_ACK_BYTES]) {
    static const struct channel_ack none = { 0 };
    struct vl_writer w = vl_writer(dst, CHANNEL_ACK_BYTES);
    head(&w, CHANNEL_ACK);
    vl_write_u8(&w, (uint8_t)((a->has_receipt ? FLAG_RECEIPT : 0) |
                              (a->has_receipt && a->receipt.complete ? FLAG_COMPLETE : 0) |
                              (a->has_status ? FLAG_STATUS : 0)));
    receipt_write(&w, a->has_receipt ? &a->receipt : &none.receipt);
    status_write(&w, a->has_status ? &a->status : &none.status);
    assert(!w.failed && w.len == CHANNEL_ACK_BYTES);
}

enum vl_err channel_ack_decode(struct vl_span in, struct channel_ack *ret) {
    struct channel_ack a = { 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    skip_head(&r);
    uint8_t flags = vl_read_u8(&r);
    a.has_receipt = flags & FLAG_RECEIPT;
    a.has_status = flags & FLAG_STATUS;
    bool good = flags <= (FLAG_RECEIPT | FLAG_COMPLETE | FLAG_STATUS) && (a.has_receipt || a.has_status);
    good = receipt_read(&r, a.has_receipt, flags & FLAG_COMPLETE, &a.receipt) && good;
    good = status_read(&r, a.has_status, &a.status) && good;
    if (!good || vl_reader_end(&r)) return VL_EPARSE;
    *ret = a;
    return VL_OK;
}

/* SPEC CHN-09: "A fragment of an answer is [version 1, kind 1, answer id 16, k 1, n 1, index 1, length 4, status 16,
 * data 1536], 1577 bytes." */
void channel_answer_encode(const struct channel_reply_shard *a, uint8_t dst[CHANNEL_ANSWER_BYTES]) {
    struct vl_writer w = vl_writer(dst, CHANNEL_ANSWER_BYTES);
    head(&w, CHANNEL_ANSWER);
    vl_write_bytes(&w, a->shard.id, sizeof a->shard.id);
    shard_write(&w, &a->shard);
    status_write(&w, &a->status);
    vl_write_bytes(&w, a->shard.data, CHANNEL_ANSWER_DATA);
    assert(!w.failed && w.len == CHANNEL_ANSWER_BYTES);
}

enum vl_err channel_answer_decode(struct vl_span in, struct channel_reply_shard *ret) {
    struct channel_reply_shard a = { 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    skip_head(&r);
    vl_read_bytes(&r, a.shard.id, sizeof a.shard.id);
    bool good = shard_read(&r, &a.shard, CHANNEL_ANSWER_DATA);
    good = status_read(&r, true, &a.status) && good;
    a.shard.data = vl_read_span(&r, CHANNEL_ANSWER_DATA).p;
    if (!good || vl_reader_end(&r)) return VL_EPARSE;
    *ret = a;
    return VL_OK;
}

enum vl_err channel_kind_of(struct vl_span cell, enum channel_kind *ret) {
    if (cell.n < 2 || cell.p[1] < CHANNEL_FRAGMENT || cell.p[1] > CHANNEL_ANSWER) return VL_EPARSE;
    if (cell.p[0] != CHANNEL_VERSION) return VL_EVERSION;
    *ret = (enum channel_kind)cell.p[1];
    return VL_OK;
}

/* ---- the box ---- */

/* SPEC CHN-03: "key is BLAKE2b-256 without a key, personalisation `village-mix-box1`, of [shared secret, E, static key
 * of the recipient], 96 bytes."  E and the key in it: bytes that mean the same point do not open the same box. */
static void box_key(const uint8_t shared[32], const uint8_t e[32], const uint8_t to[32], uint8_t key[32]) {
    uint8_t in[96];
    memcpy(in, shared, 32);
    memcpy(in + 32, e, 32);
    memcpy(in + 64, to, 32);
    crypto_blake2b_keyed(vl_span(in, sizeof in), vl_span(NULL, 0), "village-mix-box1", key, 32);
    crypto_wipe(in, sizeof in);
}

/* SPEC CHN-02: "A box is [E 32, ChaCha20-Poly1305 of the cell under key with nonce 0 and no associated data], 1581
 * bytes; E is the public half of an X25519 key that is used once." */
enum vl_err channel_box_seal(struct crypto_drbg *rng, const uint8_t to[32], const uint8_t cell[CHANNEL_CELL],
                             uint8_t box[SPHINX_DATA_MAX]) {
    struct crypto_dh_key e;
    struct crypto_aead a;
    uint8_t seed[32], shared[32], key[32];
    crypto_drbg_bytes(rng, seed, sizeof seed);
    crypto_dh_key_from_seed(seed, &e);
    enum vl_err err = crypto_dh(e.secret, to, shared);
    if (err == VL_OK) {
        box_key(shared, e.public, to, key);
        crypto_aead_init(&a, CRYPTO_CHACHAPOLY, key);
        memcpy(box, e.public, 32);
        err = crypto_aead_seal(&a, 0, vl_span(NULL, 0), cell, CHANNEL_CELL, box + 32);
        crypto_aead_destroy(&a);
    }
    crypto_dh_key_wipe(&e);
    crypto_wipe(seed, sizeof seed);
    crypto_wipe(shared, sizeof shared);
    crypto_wipe(key, sizeof key);
    return err;
}

enum vl_err channel_box_open(const struct crypto_dh_key *self, const uint8_t box[SPHINX_DATA_MAX],
                             uint8_t ret_cell[CHANNEL_CELL]) {
    struct crypto_aead a;
    uint8_t shared[32], key[32];
    enum vl_err err = crypto_dh(self->secret, box, shared);
    if (err) {
        memset(ret_cell, 0, CHANNEL_CELL);
        return err;
    }
    box_key(shared, box, self->public, key);
    crypto_aead_init(&a, CRYPTO_CHACHAPOLY, key);
    err = crypto_aead_open(&a, 0, vl_span(NULL, 0), box + 32, SPHINX_DATA_MAX - 32, ret_cell);
    crypto_aead_destroy(&a);
    crypto_wipe(shared, sizeof shared);
    crypto_wipe(key, sizeof key);
    return err;
}
