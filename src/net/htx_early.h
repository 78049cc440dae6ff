/* htx_early.h - early data: what the dialler of an IK handshake says in its first message, and the accepter's memory of
 * such messages, which keeps a recorded one from being heard twice.
 *
 *   section, behind the identity of message 1:   sent u64 ms, the dialler's clock | 1 to 16 DATAGRAM frames
 *   answer, behind the identity of message 2:    u8: 1 accepted, 2 refused
 *
 * Without forward secrecy, and open to replay at any process that holds the same keys (Noise 7.7: payload of message 1
 * of IK; RFC 8446 section 8): for what may be heard late and more than once.  A section is accepted when it was sent
 * between 8 min before and 2 min after the accepter's now, its handshake was not seen, and the memory is whole: it is
 * bounded, and a fresh one refuses everything for the 10 min that a message can stay acceptable.  Pure. */
#ifndef VL_NET_HTX_EARLY_H
#define VL_NET_HTX_EARLY_H

#include "net/htx.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTX_EARLY_PAST_MS 480000u
#define HTX_EARLY_FUTURE_MS 120000u
#define HTX_EARLY_WINDOW_MS (HTX_EARLY_PAST_MS + HTX_EARLY_FUTURE_MS) /* how long one message can be acceptable */
#define HTX_EARLY_SEEN_MAX 4096u /* handshakes remembered: 1,024 links that each come back four times in the window */
#define HTX_EARLY_HEAD 8u        /* of a section, before its frames */
/* The largest identity and IK's keys and tags, 722 bytes, fit beside it in 4,096. */
#define HTX_EARLY_SECTION_MAX (HTX_EARLY_HEAD + HTX_EARLY_BYTES_MAX)

struct htx_early_seen {
    uint8_t key[16]; /* of the ephemeral key: new in every handshake, and bound to all of it by the tags */
    vl_ms until;
};
/* All-zero is a fresh one.  End with htx_early_cache_free(). */
struct htx_early_cache {
    struct htx_early_seen *seen; /* grows up to HTX_EARLY_SEEN_MAX entries, 96 KiB */
    uint32_t n, cap;
    bool started;
    vl_ms since, newest; /* first and greatest `now` */
};

/* The section of these payloads at dst, which holds HTX_EARLY_SECTION_MAX; returns its length.  0: too many or too
 * long, or none. */
size_t htx_early_put(uint8_t *dst, vl_ms now, const struct vl_span *payloads, size_t n);
/* Strict: VL_EPARSE unless it is what htx_early_put() writes. */
VL_MUST_CHECK enum vl_err htx_early_check(struct vl_span section, vl_ms *ret_sent);

/* The cache begins to watch; every handshake from here on is offered to it.  Later calls do nothing. */
void htx_early_watch(struct htx_early_cache *cache, vl_ms now);
/* Accept the early data of this handshake?  Yes only once.  A clock that steps back does not make old news fresh. */
enum htx_early_answer htx_early_judge(struct htx_early_cache *cache, vl_ms now, vl_ms sent,
                                      const uint8_t ephemeral[32]);
void htx_early_cache_free(struct htx_early_cache *cache);

#endif
