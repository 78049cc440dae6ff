/* htx_priv.h - the inside of an endpoint, shared by the htx_*.c files only.
 *
 *   endpoint -- connections (slots) -- handshake, then two record ciphers
 *       \------ sessions (slots) ---- streams (sorted by id) ---- queue of frames to send, message being reassembled
 *
 * Connection:  HANDSHAKE -> VERDICT -> OPENING -> UP -> CLOSING        (any state -> CLOSING; freed by htx_conn_lost)
 *   OPENING: admitted; the dialler waits for the answer to its RESUME, the other side for SETTINGS or RESUME.
 * Session:     attached <-> detached -> dead (freed when HTX_SESSION_LOST has been handed out)
 * A session is attached to one connection; frames of any other connection never reach it. */
#ifndef VL_NET_HTX_PRIV_H
#define VL_NET_HTX_PRIV_H

#include "base/heap.h"
#include "crypto/drbg.h"
#include "crypto/sign.h"
#include "net/htx.h"
#include "net/htx_early.h"
#include "net/htx_frame.h"
#include "net/htx_handshake.h"
#include "net/htx_queue.h"
#include "net/htx_record.h"

#include <stddef.h>

#define HTX_WINDOW_STREAM (256u * 1024u) /* first credit of a stream: one message of the largest size */
#define HTX_WINDOW_STREAM_MAX (4u << 20) /* grown: 4 MiB in flight fill 1 GB/s at 4 ms */
#define HTX_WINDOW_SESSION (4u << 20)
#define HTX_WINDOW_SESSION_MAX (16u << 20)
#define HTX_PARTIAL_MAX                                                                                                \
    8u                   /* unfinished messages per direction: 2 MiB of reassembly, less than the session's credit     \
                          */
#define HTX_BITMAP 1024u /* frames a receiver remembers beyond the first gap */
#define HTX_AHEAD_MAX (256u * 1024u) /* bytes of such frames per session */
#define HTX_ACK_BYTES (128u * 1024u) /* received data that is acknowledged without delay */
#define HTX_STREAMS_LINGER 32u       /* of the peer, beyond the limit: finished there, their last ACK on its way */
#define HTX_STREAMS_HELD (2u * (HTX_STREAMS_MAX + HTX_STREAMS_LINGER))
#define HTX_DATAGRAMS_MAX 64u
#define HTX_GHOSTS_MAX 16u               /* forgotten streams whose frames came again, to be acknowledged */
#define HTX_QUANTUM 16640u               /* of DRR, more than one record: a visited class always gets to send */
#define HTX_SPARES_MAX 4u                /* reassembly buffers kept for the next message */
#define HTX_SEQ_MAX (UINT32_MAX - 4096u) /* the rest is for CLOSE and RESET and the frames of one message */
#define HTX_CLASSES 5u
/* The object that a list or heap node is part of. */
#define HTX_OBJECT(type, member, p) ((type *)(void *)((char *)(p)-offsetof(type, member)))

struct htx_session;

/* Events are bits of the object they belong to: raising one needs no memory, so it cannot fail.  Lower bits go first.
 */
enum htx_pending_kind { HTX_OF_CONN = 1, HTX_OF_SESSION, HTX_OF_STREAM };
struct htx_pending {
    struct htx_pending *prev, *next; /* both NULL: not in the list */
    enum htx_pending_kind kind;
    uint32_t bits;
};
enum { CONN_BIT_UP = 1, CONN_BIT_CLOSE = 2, CONN_BIT_EARLY = 4 };
enum { SESSION_BIT_UP = 1, SESSION_BIT_DETACHED = 2, SESSION_BIT_GOAWAY = 4, SESSION_BIT_LOST = 8 };
enum { STREAM_BIT_OPENED = 1, STREAM_BIT_RESET = 2, STREAM_BIT_CLOSED = 4, STREAM_BIT_WRITABLE = 8 };

/* A frame that arrived before its predecessors. */
struct htx_ahead {
    struct htx_ahead *next; /* ascending seq */
    uint32_t seq, n;
    uint64_t timestamp_ms;
    uint8_t type, flags;
    uint8_t payload[];
};

struct htx_stream {
    struct htx_session *session;
    struct htx_pending pending;
    struct htx_stream *next_active; /* ring of its class */
    struct htx_stream *next_ctl;    /* streams with an ACK or WINDOW to send */
    uint32_t id;
    enum htx_priority priority;
    bool active, in_ctl, compress, hold, want_write;
    /* sending */
    struct htx_queue q;
    uint32_t next_seq, sent_seq; /* next to assign; highest ever sent */
    uint64_t tx_off, tx_limit;   /* payload bytes sent for the first time; the peer's credit */
    uint32_t sack_base;          /* the last SACK: bit i stands for sack_base + 2 + i */
    uint64_t sack;
    bool in_message, acked_more; /* a message is begun and not finished: as sent, as acknowledged */
    bool fin_queued, fin_acked, reset_local;
    /* receiving */
    uint32_t rx_seq; /* all up to here has been taken */
    uint64_t rx_bytes, rx_limit;
    uint32_t window;
    vl_ms window_ms; /* last renewal */
    bool ack_pending, window_pending, fin_received, reset_remote;
    bool msg_open, msg_lz4;
    uint32_t reset_code;
    struct vl_buf msg;
    struct htx_ahead *ahead;
    uint64_t *bitmap; /* HTX_BITMAP bits, seq modulo its size; NULL while there is no gap */
};

struct htx_datagram_item {
    struct htx_datagram_item *next;
    uint32_t n; /* whole frame */
    uint8_t frame[];
};

struct htx_conn;
struct htx_session {
    struct htx_endpoint *ep;
    struct htx_pending pending;
    struct vl_heap_node timer; /* end of a detached session */
    uint32_t handle;
    struct htx_conn *conn;     /* NULL: detached */
    struct htx_conn *resuming; /* own dial that will take the session over */
    bool dead, dialled, resumed;
    uint32_t reason;
    uint8_t id[16];
    uint8_t binding[32]; /* hash of the handshake it began with */
    struct vl_node_id node;
    uint8_t peer_static[32];
    /* streams */
    struct htx_stream **streams; /* ascending id */
    uint32_t nstreams, streams_cap;
    struct htx_stream *last_found;
    uint32_t next_local, last_remote; /* ids: next to open; highest the peer opened (0: none) */
    uint32_t open_local, open_remote, peer_max_streams, peer_max_message;
    /* credit */
    uint64_t tx_off, tx_limit, rx_bytes, rx_limit;
    uint32_t window;
    vl_ms window_ms;
    bool window_pending, goaway_pending, goaway_said, settings_received, peer_goaway;
    uint32_t goaway_code, peer_goaway_code;
    /* scheduling */
    struct {
        struct htx_stream *head, *tail;
    } ring[HTX_CLASSES];
    int64_t deficit[HTX_CLASSES];
    unsigned turn; /* class that DRR is at */
    struct htx_stream *ctl_head, *ctl_tail;
    struct htx_datagram_item *dgram_head, *dgram_tail;
    uint32_t ndgrams;
    struct {
        uint32_t stream, seq;
    } ghosts[HTX_GHOSTS_MAX];
    uint32_t nghosts;
    uint32_t tx_partial, rx_partial;
    size_t queued, unsent, ahead_bytes; /* queued: all streams' q.bytes; unsent: their q.unsent */
    uint32_t want_writes;
    /* acknowledging */
    uint32_t ack_bytes; /* taken since the last ACK went out */
    vl_ms ack_at;       /* VL_MS_NEVER: none waits */
    bool ack_urgent;
    vl_ms ack_progress; /* the peer acknowledged, or frames were sent into silence */
    /* figures */
    uint64_t srtt_x8; /* smoothed RTT in 1/8 ms + 1; 0: no sample (RFC 6298) */
    uint64_t rx_msgs, tx_msgs, rx_payload, tx_payload, replayed, duplicates;
};

enum htx_conn_state { CONN_HANDSHAKE = 1, CONN_VERDICT, CONN_OPENING, CONN_UP, CONN_CLOSING };
struct htx_conn {
    struct htx_endpoint *ep;
    struct htx_pending pending;
    struct vl_heap_node timer;
    struct htx_conn *next_dirty;
    uint32_t handle;
    enum htx_conn_state state;
    bool initiator, dirty, established; /* established: a record of the peer came, so it holds its keys */
    uint32_t reason;
    struct htx_handshake *hs; /* NULL after the verdict */
    struct htx_record tx, rx;
    uint8_t hash[32];
    struct vl_node_id node;
    uint8_t peer_static[32];
    struct htx_session *session;
    uint32_t resume;    /* session handle that this dial goes on with; 0: none */
    uint64_t resume_rx; /* session's rx_bytes as our RESUME said */
    bool resume_sent, send_unknown, send_settings, send_resume, send_close, send_ping, send_pong;
    uint64_t pong_token, ping_token;
    vl_ms started, last_rx, ping_ms, dirty_since;
    bool ping_out;
    struct vl_buf out; /* handshake messages to be sent */
    struct vl_buf in;  /* bytes of an incomplete record or handshake message */
    /* Early data, as frames.  Dialler: ours, until it is accepted or has joined the session's datagrams.  Accepter: the
     * peer's, accepted, until its session is up. */
    struct vl_buf early;
    size_t early_at; /* accepter: handed out up to here */
};

struct htx_slot {
    void *object;
    uint32_t generation;
};
struct htx_endpoint {
    struct htx_limits limits;
    enum htx_suite suite;
    uint64_t capabilities;
    struct crypto_sign_key sign;
    struct crypto_dh_key key;
    uint8_t certificate[HTX_CERT_MAX];
    size_t certificate_n;
    struct crypto_drbg drbg;
    struct htx_slot *conns, *sessions; /* max_links each */
    struct vl_heap conn_timers, session_timers;
    struct htx_pending events; /* list head */
    struct htx_conn *dirty_head, *dirty_tail;
    struct htx_pool pool;
    struct vl_buf spares[HTX_SPARES_MAX];
    uint32_t nspares;
    struct vl_buf done;          /* message handed out last, when it was reassembled */
    uint8_t *lz4, *raw, *gather; /* shared work space, allocated when first needed */
    /* the record that is being worked off */
    uint32_t rec_conn;
    size_t rec_at, rec_n;
    vl_ms rec_now;
    uint32_t ahead_session, ahead_stream; /* a gap was closed: what came ahead on this stream is next; 0: none */
    bool have_message;
    struct htx_event message;
    struct htx_early_cache early; /* handshakes whose early data was accepted */
    struct htx_stats stats;
    uint8_t plain[HTX_PLAIN_MAX];
};

/* htx_endpoint.c */
void htx_raise(struct htx_endpoint *ep, struct htx_pending *p, uint32_t bit);
void htx_unraise(struct htx_pending *p);
void htx_mark_dirty(struct htx_conn *c);
struct htx_conn *htx_conn_of(const struct htx_endpoint *ep, uint32_t handle);
struct htx_session *htx_session_of(const struct htx_endpoint *ep, uint32_t handle); /* NULL when dead */
/* A free slot for the object, and its handle; 0: all are taken. */
uint32_t htx_slot_take(struct htx_slot *slots, uint32_t n, void *object);
/* Brings the timer forward; it is never put back here: an early wake-up costs less than a heap move per frame. */
void htx_wake_by(struct htx_conn *c, vl_ms at);

/* htx_conn.c */
struct htx_conn *htx_conn_create(struct htx_endpoint *ep, vl_ms now, bool initiator);
void htx_conn_free(struct htx_conn *c);
/* The connection ends; its session is detached (`keep`) or lost. */
void htx_conn_close(struct htx_conn *c, vl_ms now, uint32_t reason, bool keep);
vl_ms htx_conn_deadline(const struct htx_conn *c);
void htx_conn_expire(struct htx_conn *c, vl_ms now);
VL_MUST_CHECK enum vl_err htx_conn_open(struct htx_conn *c, vl_ms now); /* the verdict was yes */
/* Does the connection have anything to send now? */
bool htx_conn_wants_output(struct htx_conn *c, vl_ms now);

/* htx_output.c */
size_t htx_conn_output(struct htx_conn *c, vl_ms now, uint8_t *dst, size_t cap);
struct htx_stream *htx_sched_pick(struct htx_session *s);

/* htx_conn.c: the peer's early data lies in its handshake: is it heard?  Sets the answer. */
void htx_conn_judge_early(struct htx_conn *c, vl_ms now);
/* Our early data that was refused goes as datagrams of the session; those that find no memory are counted as dropped.
 */
void htx_conn_early_again(struct htx_conn *c);

/* htx_input.c: one frame of an opened record; a fault closes the connection. */
void htx_conn_frame(struct htx_conn *c, vl_ms now, const struct htx_frame *f, bool last);

/* htx_session.c */
struct htx_session *htx_session_create(struct htx_endpoint *ep, struct htx_conn *c, vl_ms now);
void htx_session_free(struct htx_session *s);
void htx_session_attach(struct htx_session *s, struct htx_conn *c, vl_ms now, bool resumed);
void htx_session_detach(struct htx_session *s, vl_ms now, uint32_t reason);
void htx_session_lose(struct htx_session *s, uint32_t reason); /* dead; freed with its last event */
size_t htx_session_memory(const struct htx_session *s);
void htx_session_wants_ack(struct htx_session *s, vl_ms now, bool urgent);
void htx_session_ghost(struct htx_session *s, uint32_t stream, uint32_t seq);
void htx_session_rtt(struct htx_session *s, vl_ms sample);
vl_ms htx_session_rtt_ms(const struct htx_session *s);

/* htx_resume.c */
size_t htx_resume_size(const struct htx_session *s);
void htx_resume_put(const struct htx_session *s, uint8_t *dst); /* htx_resume_size() bytes */
/* Peer's view of the session: acknowledges, gives credit, rewinds.  VL_EPARSE: malformed or impossible. */
VL_MUST_CHECK enum vl_err htx_resume_apply(struct htx_session *s, struct vl_span payload, vl_ms now);

/* htx_api.c: the last of the session's datagrams from now on: a whole frame, of which `head` and then `payload` are
 * copied.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_session_datagram(struct htx_session *s, const uint8_t head[HTX_HEADER],
                                               struct vl_span payload);

/* htx_stream.c */
struct htx_stream *htx_stream_find(struct htx_session *s, uint32_t id);
/* VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_stream_create(struct htx_session *s, uint32_t id, vl_ms now, struct htx_stream **ret);
void htx_stream_free(struct htx_stream *st);
/* Frees it when nothing more is to be said or heard about it. */
void htx_stream_reap(struct htx_stream *st);
bool htx_stream_local(const struct htx_session *s, uint32_t id); /* opened by us, by its parity */
void htx_stream_ctl(struct htx_stream *st);
void htx_stream_activate(struct htx_stream *st);
void htx_stream_deactivate(struct htx_stream *st);
/* Acknowledged up to seq; VL_EPARSE: never sent that far. */
VL_MUST_CHECK enum vl_err htx_stream_acked(struct htx_stream *st, uint32_t seq, uint64_t sack, vl_ms now);
void htx_stream_rewind(struct htx_stream *st);
/* Queues CLOSE, or RESET in place of all that was queued.  VL_ENOMEM: nothing changed. */
VL_MUST_CHECK enum vl_err htx_stream_end(struct htx_stream *st, enum htx_type type, uint32_t code, vl_ms now);
/* Takes the next frame that came ahead and whose turn has come; false: none. */
bool htx_stream_take_ahead(struct htx_stream *st, vl_ms now, enum htx_reason *ret_reason);
void htx_stream_set_in_message(struct htx_stream *st, bool in_message);
void htx_stream_drop_tx(struct htx_stream *st);
void htx_stream_drop_rx(struct htx_stream *st);
/* DATA, CLOSE or RESET of the peer.  HTX_NORMAL_END: fine; else the reason to end the session for. */
VL_MUST_CHECK enum htx_reason htx_stream_frame(struct htx_stream *st, const struct htx_frame *f, vl_ms now);
uint64_t htx_stream_sack(const struct htx_stream *st);
/* Renews the credit after `n` bytes came in; sets window_pending. */
void htx_stream_credit(struct htx_stream *st, vl_ms now);
void htx_session_credit(struct htx_session *s, vl_ms now);

/* htx_lz4.c */
/* The message as it shall go: compressed (*ret_flag = HTX_FLAG_LZ4; spans and bytes in the endpoint) or as it was. */
void htx_compress(struct htx_endpoint *ep, struct htx_queue_message *m, struct vl_span *ret_whole);
/* VL_EPARSE: not a valid message.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err htx_decompress(struct htx_endpoint *ep, struct vl_span in, struct vl_span *ret_raw);

#endif
