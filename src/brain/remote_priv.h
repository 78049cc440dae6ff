/* remote_priv.h - jobs submitted at members (decision 16): what remote.c (the member), remote_in.c (the coordinator)
 * and remote_data.c, remote_pieces.c and remote_needs.c (what both do) share.  Not for others. */
#ifndef VL_BRAIN_REMOTE_PRIV_H
#define VL_BRAIN_REMOTE_PRIV_H

#include "brain/priv.h"
#include "wire/remote.h"

#define REMOTE_LIVE_MAX 256u     /* jobs of one member that have not ended */
#define REMOTE_PENDING_MAX 16u   /* of these, those whose blobs the coordinator waits for */
#define REMOTE_KEPT 1000u        /* ended jobs that a member goes on showing */
#define REMOTE_AHEAD_MS 3600000u /* a job id may lie so far in the future: ids sort by age */
#define REMOTE_NEWS_MS 1000u     /* between two news of a job */
#define REMOTE_AGAIN_MS 5000u    /* between two answers to the same question */
#define REMOTE_RETRY_MS 30000u   /* first wait for an answer; doubles */
#define REMOTE_RETRY_MAX_MS 120000u
#define REMOTE_POLL_MS 600000u      /* news come by themselves: asked for in case the other end forgot */
#define REMOTE_IDLE_MS 600000u      /* without progress: what waits for blobs is forgotten; the member asks again */
#define REMOTE_GIVE_UP_MS 86400000u /* outputs that have not come by then do not come */
#define REMOTE_PARTS_BYTES (2u * REMOTE_DATA_MAX) /* blobs of one sender being put together */
#define REMOTE_PARTS_TOTAL (64u << 20)            /* of all senders */
#define REMOTE_PARTS_MAX 1024u                    /* of one sender: a job's worth twice over */
#define REMOTE_WINDOW 16u                         /* pieces on their way over a link: 768 KiB */
#define REMOTE_WINDOW_PRIVATE 8u                  /* and through mixes: a minute's work at the default rate of cover */
#define REMOTE_DISK_RESERVE (256ull << 20)        /* the coordinator takes nothing when less is free */
#define REMOTE_REQ (1ull << 63)                   /* marks our reads among those of net/blob */

enum need_state { NEED_ASKED = 1, NEED_MISSING, NEED_HERE, NEED_LEFT };
struct remote_need {
    struct vl_hash hash;
    uint64_t size; /* 0: not known */
    uint32_t task; /* whose output it is */
    enum need_state state;
};
struct remote_job {
    struct remote_job *next, *prev;  /* in `live`, unless ENDED */
    struct remote_job *next_sending; /* while `sending` */
    struct vl_job_id job;
    struct vl_node_id peer;  /* coordinator: who submitted it; member: zeros */
    enum remote_state state; /* on the coordinator SUBMITTING: it waits for blobs, and nothing is stored yet */
    enum mix_level level;
    bool cancel, unanswered, sending, asked;
    bool posted, dirty;         /* `post` is on its way; coordinator: there is news to tell once it has arrived */
    struct vl_msg_id post;      /* the last question of the member, or news of the coordinator: one at a time, so that
                                   nothing piles up while the other end is away */
    vl_ms submitted, at, since; /* at: when something is due; since: of the state, or of the last progress */
    uint32_t tries;
    uint64_t seq; /* of the last news told or heard */
    uint8_t *spec, *row;
    size_t spec_n, row_n;
    struct remote_need *needs; /* sorted by hash, no two alike */
    uint32_t needs_n, needs_cap;
    uint8_t seen[REMOTE_ROWS_MAX / 8]; /* member: rows of tasks that came */
    uint32_t seen_n, total;

    /* blobs on their way to the other end */
    struct vl_hash *out;
    uint32_t out_n, out_at, out_offset, flying_n;
    struct vl_msg_id flying[REMOTE_WINDOW];
    uint64_t req;   /* of the read that is awaited; 0: none */
    vl_ms retry_at; /* the outbox was full */
};

struct remote_part { /* a blob being put together: in memory, so that nothing unverified touches the disk */
    struct remote_part *next;
    struct vl_node_id from;
    struct vl_hash hash;
    uint32_t total, pieces;
    vl_ms at;
    uint8_t got[(REMOTE_PIECES_MAX + 7) / 8];
    uint8_t bytes[];
};

struct remote {
    struct vl_map jobs; /* struct remote_job by id */
    struct remote_job *live, *sending;
    uint32_t ended; /* member: jobs kept beside the live ones */
    struct remote_part *parts;
    uint64_t parts_bytes, req;
    vl_ms at, parts_at;
};

/* ---- remote_data.c ---- */
struct remote_job *remote_get(const struct brain *b, struct vl_job_id id);
struct remote_job *remote_add(struct brain *b, struct vl_job_id id,
                              enum remote_state state);  /* NULL: no memory or room */
void remote_drop(struct brain *b, struct remote_job *j); /* without a trace */
void remote_end(struct brain *b, struct remote_job *j);  /* ENDED, and its memory freed; the caller saves */
void remote_save(struct brain *b, const struct remote_job *j);
void remote_due(struct brain *b, struct remote_job *j, vl_ms at);
vl_ms remote_backoff(struct remote_job *j);
bool remote_keep(struct brain *b, uint8_t **dst, size_t *dst_n, struct vl_span bytes); /* a copy of its own */

/* MISSING with the needs that are; `any` false: without hashes. */
void remote_missing_send(struct brain *b, struct remote_job *j, bool any);
/* Encoded message to the other end at the job's level; `follow`: remembered as its post. */
enum vl_err remote_post(struct brain *b, struct remote_job *j, enum brain_message type, const struct vl_buf *m,
                        bool follow);
void remote_cancel_post(struct brain *b, struct remote_job *j);

/* ---- remote_pieces.c ---- */
/* Takes a piece.  VL_OK: *ret is the whole blob, verified, until remote_part_drop(); VL_EAGAIN: more to come;
 * VL_ECRYPTO: whole, but not what its hash says (dropped); VL_ERANGE: another size than before; VL_EREPLAY;
 * VL_ELIMIT; VL_ENOMEM. */
enum vl_err remote_part_take(struct brain *b, struct vl_node_id from, const struct remote_data *m,
                             struct remote_part **ret);
void remote_part_drop(struct brain *b, struct remote_part *p);
void remote_parts_expire(struct brain *b);

/* Sends these blobs of ours, piece by piece, as the window allows; takes the array over. */
void remote_send(struct brain *b, struct remote_job *j, struct vl_hash *out, uint32_t n);
void remote_send_stop(struct brain *b, struct remote_job *j);
void remote_send_tick(struct brain *b);
bool remote_piece_arrived(struct brain *b, struct vl_msg_id id);                   /* false: no piece of ours */
struct vl_node_id remote_other(const struct brain *b, const struct remote_job *j); /* who is at the other end */

/* ---- remote_needs.c ---- */
/* VL_ERANGE: it is there with another size.  VL_ENOMEM. */
enum vl_err remote_need(struct remote_job *j, struct vl_hash hash, uint64_t size, uint32_t task);
/* Program and inputs; *ret_bytes: their sizes together.  Errors of remote_need(). */
enum vl_err remote_need_spec(struct remote_job *j, const struct job_spec *spec, uint64_t program_size,
                             uint64_t *ret_bytes);
enum vl_err remote_need_outputs(struct remote_job *j, uint32_t task, const struct task_row *row);
struct remote_need *remote_need_find(const struct remote_job *j, struct vl_hash hash);
bool remote_need_any(const struct remote_job *j, enum need_state state);
void remote_need_free(struct remote_job *j);
/* What of the needs is too much together, last tasks first, becomes LEFT.  True: some was left. */
bool remote_need_limit(struct remote_job *j);

/* ---- remote.c: on the member ---- */
void remote_news_take(struct brain *b, struct vl_span bytes);
void remote_task_take(struct brain *b, struct vl_span bytes);
void remote_blob_take(struct brain *b, struct vl_node_id from, const struct remote_data *m);
void remote_missing_take(struct brain *b, struct vl_span bytes);
void remote_member_found(struct brain *b, struct vl_hash hash, bool complete);
void remote_member_due(struct brain *b, struct remote_job *j);
/* A blob of a job that waits to be sent cannot be read. */
void remote_unreadable(struct brain *b, struct remote_job *j, enum vl_err err);
void remote_sent(struct brain *b, struct remote_job *j); /* a piece arrived there */
void remote_member_trim(struct brain *b);
bool remote_member_start(struct remote_job *j); /* after restoring; false: not what we write */

/* ---- remote_in.c: on the coordinator ---- */
void remote_in_submit(struct brain *b, struct vl_node_id from, enum mix_level level, struct vl_span bytes);
void remote_in_blob(struct brain *b, struct vl_node_id from, const struct remote_data *m);
void remote_in_missing(struct brain *b, struct vl_node_id from, enum mix_level level, struct vl_span bytes);
void remote_in_cancel(struct brain *b, struct vl_node_id from, struct vl_span bytes);
void remote_in_found(struct brain *b, struct vl_hash hash, bool complete, uint64_t size);
void remote_in_due(struct brain *b, struct remote_job *j);

#endif
