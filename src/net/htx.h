/* htx.h - HTX/1: authenticated, encrypted, multiplexed links between two nodes, as one pure state machine.
 *
 * A *connection* is one transport (a TCP stream) and its Noise keys.  A *session* is what the application uses:
 * streams, messages, credit.  A session outlives its connection: when the transport dies it is detached, keeps every
 * frame that the peer has not acknowledged, and goes on over the next connection with nothing lost and nothing doubled.
 *
 * Does not: open sockets, read a clock, judge certificates, persist anything, retry a dial.
 * One thread per endpoint; several endpoints may live in one process.  Source: NET-03; docs/htx.md has the byte layout;
 * Noise revision 34 (handshake), RFC 7323 4.1 (why RTT samples come from echoes), Shreedhar & Varghese 1995 (DRR).
 *
 * How a shell drives it (every handle is a non-zero number, stale ones give VL_ENOTFOUND):
 *
 *   bytes came     do { htx_input(ep, conn, now, p, n, &used); while (htx_next_event(ep, &ev)) handle(&ev); p += used
 * ... } while (n > 0 && used > 0);   bytes left over: keep them, stop reading, offer them after htx_admit() then always
 * while ((conn = htx_next_output_conn(ep)) != 0) { n = htx_output(ep, conn, now, buf, cap); write } timer          at
 * htx_deadline(ep): htx_expire(ep, now), then events and output as above socket died    htx_conn_lost(ep, conn, now)
 *
 * Simultaneous dial: when two nodes dial each other both sessions come up and both work.  The endpoint never drops one
 * by itself, because only the caller knows what it has begun on each.  Recommended rule, which both sides can apply
 * alone: keep the session that the smaller node id dialled (htx_session_info.dialled), htx_close(HTX_SUPERSEDED) the
 * other. */
#ifndef VL_NET_HTX_H
#define VL_NET_HTX_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTX_CERT_MAX 512u          /* certificate carried in the identity payload */
#define HTX_RECORD_WIRE_MAX 16402u /* length, 16 KiB of frames, tag: the least room htx_output() can work with */
#define HTX_OUTPUT_GOOD (HTX_RECORD_WIRE_MAX * 8u) /* a good size for the buffer given to htx_output() */
#define HTX_DATAGRAM_MAX 16344u                    /* one frame in one record, less the stream's share of the header */
#define HTX_STREAMS_MAX 128u                       /* streams a peer may have open at once on one session */
#define HTX_EARLY_COUNT_MAX 16u                    /* payloads of early data in one dial, */
#define HTX_EARLY_BYTES_MAX 3064u                  /* their bytes and 24 for each of them, together */

enum htx_pattern { HTX_CHOOSE = 0, HTX_XX = 1, HTX_XK = 2, HTX_IK = 3 }; /* on the wire, in the preface */
enum htx_suite { HTX_AESGCM_SHA256 = 1, HTX_CHACHAPOLY_SHA256 = 2 };     /* on the wire, in the preface */
/* CONTROL goes before all else; the others share bytes 8:4:2:1 by deficit round robin. */
enum htx_priority { HTX_CONTROL = 0, HTX_HIGH = 1, HTX_NORMAL = 2, HTX_LOW = 3, HTX_BULK = 4 };

/* Why a connection, session or stream ended.  On the wire in CLOSE, RESET and GOAWAY; numbers from 256 are the
 * application's own and pass through unchanged. */
enum htx_reason {
    HTX_NORMAL_END = 0,
    HTX_PROTOCOL = 1, /* malformed or forbidden frame */
    HTX_CRYPTO = 2,   /* handshake or record failed authentication */
    HTX_HANDSHAKE_TIMEOUT = 3,
    HTX_IDLE = 4,             /* peer silent: half-open connection */
    HTX_SLOW = 5,             /* peer does not drain or acknowledge */
    HTX_DENIED = 6,           /* htx_admit(false) */
    HTX_LIMIT = 7,            /* peer passed a limit */
    HTX_VERSION = 8,          /* preface: other version, pattern or suite */
    HTX_WRONG_PEER = 9,       /* not the node that was dialled, or its identity payload is invalid or expired */
    HTX_SUPERSEDED = 10,      /* session went on over a newer connection, or lost a simultaneous dial */
    HTX_UNKNOWN_SESSION = 11, /* peer does not (any more) have the session that was to be resumed */
    HTX_GOING_AWAY = 12,
    HTX_NO_MEMORY = 13,
    HTX_TRANSPORT = 14,      /* htx_conn_lost() */
    HTX_RESUME_TIMEOUT = 15, /* detached for longer than resume_ms */
};

struct htx_limits {
    uint32_t max_links;     /* connections, and sessions, at once; 1..VL_LINKS_MAX */
    uint32_t max_half_open; /* of these, incoming ones whose handshake is not done or not admitted */
    uint32_t send_budget;   /* bytes one session may hold queued or unacknowledged; >= VL_MESSAGE_MAX + 64 KiB */
    vl_ms handshake_ms;     /* from dial/accept to admitted */
    vl_ms keepalive_ms;     /* silence after which a PING goes out */
    vl_ms idle_ms;          /* silence after which a connection is given up; > keepalive_ms */
    vl_ms drain_ms;         /* no progress (bytes taken, or acknowledgements) for so long: HTX_SLOW */
    vl_ms ack_delay_ms;     /* longest time an acknowledgement waits for company */
    vl_ms resume_ms;        /* how long a detached session is kept */
    vl_ms identity_ttl_ms;  /* expiry written into the own identity payload */
    vl_ms rekey_ms;         /* send keys are changed at the first of these three; zero is not allowed */
    uint64_t rekey_records, rekey_bytes;
};
/* The recommended limits: 1,024 links, 256 half open, 4 MiB, 10 s, 15 s, 45 s, 30 s, 20 ms, 120 s, 24 h, 15 min, 2^20
 * records, 4 GiB. */
struct htx_limits htx_limits_default(void);

struct htx_config {
    uint8_t sign_seed[32];      /* Ed25519 private key (RFC 8032 seed); its public key is the node id */
    uint8_t static_secret[32];  /* X25519 private key */
    uint8_t seed[32];           /* fresh random bytes: ephemeral keys come from it.  Never the same twice. */
    struct vl_span certificate; /* copied; at most HTX_CERT_MAX bytes, may be empty */
    uint64_t capabilities;      /* opaque bits shown to the peer */
    enum htx_suite suite;       /* for connections dialled; accepted ones take the dialler's choice */
    struct htx_limits limits;
};

struct htx_endpoint;

/* Copies all of `cfg`.  VL_ERANGE: a limit, suite or certificate out of range.  VL_ENOMEM.  VL_ECRYPTO: unusable key.
 */
VL_MUST_CHECK enum vl_err htx_endpoint_create(const struct htx_config *cfg, struct htx_endpoint **ret_ep);
/* Wipes keys, frees everything, says nothing to peers.  NULL is a no-op. */
void htx_endpoint_destroy(struct htx_endpoint *ep);
/* For handshakes from now on.  VL_ERANGE: too long. */
VL_MUST_CHECK enum vl_err htx_set_certificate(struct htx_endpoint *ep, struct vl_span certificate);
/* Own X25519 public key, to be published beside the node id. */
void htx_static_public(const struct htx_endpoint *ep, uint8_t ret_key[32]);
struct vl_node_id htx_node_id(const struct htx_endpoint *ep);

/* -- connections ------------------------------------------------------------------------------------------------ */

struct htx_dial {
    const struct vl_node_id *expect; /* NULL: whoever answers (the verdict decides) */
    const uint8_t *peer_static;      /* 32 bytes; NULL: unknown, which needs XX */
    uint32_t resume;                 /* session to go on with (detached, or to be moved); 0: none.  Implies expect, and
                                        peer_static unless given. */
    enum htx_pattern pattern;        /* HTX_CHOOSE: IK to resume, else XK when the static key is known, else XX */
    const struct vl_span *early;     /* copied; goes out with the first bytes, half a round trip before anything else.
                                        See "early data" below. */
    size_t nearly;                   /* 0: none; else IK is needed */
};
/* Early data: payloads that the peer may hear up to 8 minutes late, after newer ones, and more than once (docs/htx.md
 * section 2), because whoever recorded the handshake can hold it back, and send it to another process with the same
 * keys.  They have no forward secrecy.  Only what is right to hear at any such time may be given: "I am back", not
 * "this is my state".  The peer's answer is told in HTX_CONN_UP.early: accepted means that it hears them as HTX_EARLY
 * once it admits us; refused, that they go again as ordinary datagrams, first thing when the session is up.  When the
 * connection dies before that, they are gone, as datagrams are: the next dial may carry them again. */
/* A transport to the peer is open: start the handshake as its initiator.
 * VL_ELIMIT: max_links.  VL_ENOTFOUND: no such session.  VL_ESTATE: the session is being resumed already.
 * VL_ERANGE: pattern needs a static key that is not given; early data without IK, too much or too many.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_dial(struct htx_endpoint *ep, vl_ms now, const struct htx_dial *dial, uint32_t *ret_conn);
/* A transport came in.  VL_ELIMIT: max_links or max_half_open.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_accept(struct htx_endpoint *ep, vl_ms now, uint32_t *ret_conn);

/* Takes bytes from the transport, at most one record at a time; *ret_used says how many.  All events must be drained
 * before the next call on any connection (VL_EBUSY, nothing used).  *ret_used < n: call again with the rest after the
 * events; *ret_used == 0: the connection waits for htx_admit().
 * VL_ENOTFOUND: no such connection.  VL_ECLOSED: it is closing, bytes are of no use.  A fault of the peer is not an
 * error here: the connection closes itself (HTX_CONN_CLOSE). */
VL_MUST_CHECK enum vl_err htx_input(struct htx_endpoint *ep, uint32_t conn, vl_ms now, const void *p, size_t n,
                                    size_t *ret_used);
/* Writes as many whole records as fit and returns the bytes written, 0 when there is nothing to send (or no such
 * connection, or cap < HTX_RECORD_WIRE_MAX).  The bytes must reach the transport in this order.  Call until it
 * returns 0 or the transport is full. */
size_t htx_output(struct htx_endpoint *ep, uint32_t conn, vl_ms now, void *buf, size_t cap);
/* Takes the next connection that has something to send off the list; 0 when the list is empty.  A connection returns to
 * the list when it gets something new to send; one whose transport was full must be remembered by the shell. */
uint32_t htx_next_output_conn(struct htx_endpoint *ep);
/* The transport died.  Frees the connection; its session becomes detached.  Unknown connections are a no-op. */
void htx_conn_lost(struct htx_endpoint *ep, uint32_t conn, vl_ms now);

/* When htx_expire() wants to be called; may be early, never late.  VL_MS_NEVER: nothing waits. */
vl_ms htx_deadline(const struct htx_endpoint *ep);
void htx_expire(struct htx_endpoint *ep, vl_ms now);

/* Verdict on HTX_CONN_UP.  false closes the connection (HTX_DENIED).  true: the session comes up when the peer agrees.
 * VL_ENOTFOUND.  VL_ESTATE: no verdict is awaited. */
VL_MUST_CHECK enum vl_err htx_admit(struct htx_endpoint *ep, uint32_t conn, vl_ms now, bool admit);

/* -- sessions --------------------------------------------------------------------------------------------------- */

/* Opens a stream; the peer learns of it with its first frame.  Messages arrive in order per stream, not across streams.
 * VL_ENOTFOUND: no such session.  VL_ELIMIT: HTX_STREAMS_MAX, or stream numbers used up.  VL_ECLOSED: the peer is
 * going away.  VL_ERANGE: priority.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_open(struct htx_endpoint *ep, uint32_t session, enum htx_priority priority,
                                   uint32_t *ret_stream);
/* Priority and compression of the own direction, for own and for accepted streams.  Compression starts off and must
 * stay off where text chosen by others is mixed with secrets (CRIME, CVE-2012-4929).  VL_ENOTFOUND, VL_ERANGE. */
VL_MUST_CHECK enum vl_err htx_tune(struct htx_endpoint *ep, uint32_t session, uint32_t stream,
                                   enum htx_priority priority, bool compress);
/* Queues one message, the concatenation of `parts` (copied; 0 bytes are allowed).  Works on detached sessions too.
 * VL_EAGAIN: the budget is full, nothing was queued; HTX_WRITABLE follows when there is room.
 * VL_ERANGE: > VL_MESSAGE_MAX.  VL_ENOTFOUND.  VL_ECLOSED: stream closed by us or reset.  VL_ELIMIT: 2^32 frames were
 * sent on this stream, open another.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_send(struct htx_endpoint *ep, uint32_t session, uint32_t stream, vl_ms now,
                                   const struct vl_span *parts, size_t nparts);
/* No more messages from us; those queued still go.  The stream ends when both sides closed.
 * VL_ENOTFOUND.  VL_ECLOSED.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_close_stream(struct htx_endpoint *ep, uint32_t session, uint32_t stream, vl_ms now);
/* Ends both directions at once, drops what is queued; the peer gets HTX_STREAM_RESET with `code`.
 * VL_ENOTFOUND.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_reset_stream(struct htx_endpoint *ep, uint32_t session, uint32_t stream, vl_ms now,
                                           uint32_t code);
/* While on hold the stream's credit is not renewed, so that the peer stops after at most its window.  VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err htx_hold(struct htx_endpoint *ep, uint32_t session, uint32_t stream, bool hold);
/* Unreliable, unordered, <= HTX_DATAGRAM_MAX.  VL_EAGAIN: not attached, or 64 are waiting.  VL_ERANGE.
 * VL_ENOTFOUND.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_datagram(struct htx_endpoint *ep, uint32_t session, vl_ms now, struct vl_span payload);
/* Asks the peer to open no more streams.  Ours may still be opened.  VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err htx_goaway(struct htx_endpoint *ep, uint32_t session, uint32_t code);
/* Ends the session at once; what is queued is dropped, the handle is dead, no further events of it.  Its connection
 * says goodbye and closes.  VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err htx_close(struct htx_endpoint *ep, uint32_t session, vl_ms now, uint32_t reason);

/* -- events ------------------------------------------------------------------------------------------------------ */

enum htx_event_type {
    HTX_CONN_UP = 1,      /* conn, node, static key, capabilities, early, data = certificate: answer with htx_admit() */
    HTX_CONN_CLOSE,       /* conn, reason: drain htx_output(), close the transport, call htx_conn_lost() */
    HTX_SESSION_UP,       /* session, conn, node, resumed */
    HTX_SESSION_DETACHED, /* session, node, reason: kept for resume_ms; htx_dial(resume) or wait for the peer */
    HTX_SESSION_LOST,     /* session (dead handle), node, reason: unacknowledged messages may or may not have arrived */
    HTX_STREAM_OPENED,    /* session, stream: by the peer */
    HTX_MESSAGE,          /* session, stream, data */
    HTX_STREAM_CLOSED,    /* session, stream: the peer sends no more; own direction is open until we close it */
    HTX_STREAM_RESET,     /* session, stream (dead), reason = code */
    HTX_WRITABLE,         /* session, stream: room again after VL_EAGAIN */
    HTX_DATAGRAM,         /* session, data */
    HTX_PEER_GOING_AWAY,  /* session, reason = code: open no more streams */
    HTX_EARLY, /* conn (admitted, its session is not up yet), node, data: early data of the peer, one payload */
};
enum htx_early_answer { HTX_EARLY_ACCEPTED = 1, HTX_EARLY_REFUSED = 2 }; /* on the wire */
struct htx_event {
    enum htx_event_type type;
    uint32_t conn, session, stream, reason;
    struct vl_node_id node;
    uint8_t peer_static[32];
    uint64_t capabilities;
    bool resumed;
    enum htx_early_answer early; /* 0: the dial had none, or the peer dialled */
    vl_ms sent_ms; /* MESSAGE, DATAGRAM, EARLY: the sender's clock when it queued the (last frame of the) message */
    struct vl_span data; /* borrowed until the next htx_next_event() or htx_input(); of CONN_UP until htx_admit() */
};
/* false: nothing is left.  Works off the frames of the record taken last. */
bool htx_next_event(struct htx_endpoint *ep, struct htx_event *ret_ev);

/* -- figures ------------------------------------------------------------------------------------------------------ */

struct htx_session_info {
    struct vl_node_id node;
    uint32_t conn;                     /* 0 when detached */
    bool dialled;                      /* we are the initiator of the session's first connection */
    vl_ms rtt_ms;                      /* smoothed; VL_MS_NEVER before the first sample */
    uint64_t rx_bytes, tx_bytes;       /* message payload, once each */
    uint64_t rx_messages, tx_messages; /* delivered, queued */
    uint64_t replayed_frames, duplicate_frames;
    uint32_t streams;
    size_t queued_bytes; /* queued or unacknowledged, with headers */
    size_t memory;       /* all bytes held for the session and its connection */
};
VL_MUST_CHECK enum vl_err htx_session_info(const struct htx_endpoint *ep, uint32_t session,
                                           struct htx_session_info *ret);

/* Channel binding (Noise 11.2): the hash of the handshake that the session began with, the same at both ends and at nobody
 * else's, whatever connection carries it now: who resumes proves the same two keys.  VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err htx_binding(const struct htx_endpoint *ep, uint32_t session, uint8_t ret[32]);

struct htx_stats {
    uint64_t rx_records, tx_records, rx_wire_bytes, tx_wire_bytes, rekeys_sent, rekeys_received;
    uint64_t ended[16]; /* connections ended, by enum htx_reason; application codes count as 0 */
    uint64_t unknown_frames, duplicate_frames, dropped_datagrams;
    uint64_t early_accepted, early_refused; /* handshakes of peers with early data */
    uint32_t conns, sessions, half_open;
};
void htx_stats(const struct htx_endpoint *ep, struct htx_stats *ret);

#endif
