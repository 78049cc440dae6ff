/* htx_frame.h - the 24-byte HTX frame: types, header codec, and the bare form with CRC-32.
 *
 *   0 magic u16 0x4858 | 2 version<<4 | flags | 3 type | 4 length u32 | 8 stream u32 | 12 seq u32 | 16 timestamp u64
 * (ms) payload (length bytes), then CRC-32 (IEEE, over header and payload) only with flag CRC.  Big-endian.
 *
 * Inside a record the CRC is absent, because the AEAD tag covers the frame; outside of one (the bare form) it is
 * mandatory.  Pure functions, no state.  Source: NET-03, docs/htx.md. */
#ifndef VL_NET_HTX_FRAME_H
#define VL_NET_HTX_FRAME_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define HTX_FRAME_MAGIC 0x4858u
#define HTX_FRAME_VERSION 1u
#define HTX_HEADER 24u
#define HTX_CRC 4u
/* A whole frame, header and CRC included, is at most VL_FRAME_MAX; in a record at most the record's 16 KiB. */
#define HTX_BARE_PAYLOAD_MAX (VL_FRAME_MAX - HTX_HEADER - HTX_CRC)

enum htx_flag {
    HTX_FLAG_LZ4 = 1,    /* DATA: the message (not the frame) is u32 raw size and an LZ4 block */
    HTX_FLAG_MORE = 2,   /* DATA: the message goes on in the stream's next frame */
    HTX_FLAG_ACKREQ = 4, /* acknowledge without delay */
    HTX_FLAG_CRC = 8,
};
#define HTX_FLAGS_ALL 15u

enum htx_type {
    HTX_T_DATA = 0,
    HTX_T_ACK = 1,    /* stream; seq = highest in order; u64 bit i: seq + 2 + i has arrived too */
    HTX_T_WINDOW = 2, /* stream or 0; u64 absolute limit of DATA payload bytes */
    HTX_T_PING = 3,   /* u64 token */
    HTX_T_PONG = 4,   /* u64 token, as it came */
    HTX_T_CLOSE = 5,  /* stream: end of the direction, has a seq; stream 0: end of the session; u32 reason */
    HTX_T_RESET = 6,  /* stream: has a seq; stream 0: answer to RESUME, unknown session; u32 code */
    HTX_T_KEYUPDATE = 7,
    HTX_T_DATAGRAM = 8,
    HTX_T_SETTINGS = 9, /* pairs of u16 id, u32 value */
    HTX_T_GOAWAY = 10,  /* u32 code */
    HTX_T_RESUME = 11,
    HTX_T_PAD = 12,
};
#define HTX_T_KNOWN 13u
#define HTX_T_IGNORABLE 128u /* unknown types from here on are skipped, below they are errors */

struct htx_frame {
    uint8_t flags, type;
    uint32_t stream, seq;
    uint64_t timestamp_ms;
    struct vl_span payload; /* borrowed from the input */
};

/* Writes the header alone: dst holds HTX_HEADER bytes, f->payload.p is not read. */
void htx_frame_put_header(uint8_t *dst, const struct htx_frame *f);
/* The first frame of `in` (the plaintext of a record) and its length with header.
 * VL_EPARSE: magic, short, longer than `in`, flag CRC.  VL_EVERSION.  The type is not checked here. */
VL_MUST_CHECK enum vl_err htx_frame_read(struct vl_span in, struct htx_frame *ret_frame, size_t *ret_len);

/* The bare form.  dst holds cap bytes; flag CRC is set by the encoder.  VL_ERANGE: payload too long.  VL_ENOSPC: cap.
 */
VL_MUST_CHECK enum vl_err htx_frame_encode_bare(const struct htx_frame *f, uint8_t *dst, size_t cap, size_t *ret_len);
/* The first frame of `in`.  VL_EAGAIN: the frame is not complete yet.  VL_EPARSE: magic, no flag CRC, too long, unknown
 * type below 128.  VL_EVERSION.  VL_ECRYPTO: wrong CRC. */
VL_MUST_CHECK enum vl_err htx_frame_decode_bare(struct vl_span in, struct htx_frame *ret_frame, size_t *ret_len);

/* CRC-32 as in IEEE 802.3 and zlib. */
uint32_t htx_crc32(const void *p, size_t n);

#endif
