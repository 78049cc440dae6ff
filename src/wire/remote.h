/* remote.h - jobs submitted at a member: what it and the coordinator say to each other, as payloads of durable messages
 * (decision 16), and the record in which both remember such a job.  Same codec rules as wire/task.h.
 *
 *   member                                   coordinator
 *     SUBMIT job, spec             -->         asks its blob directory for what the spec names
 *                                  <--       MISSING job, hashes
 *     DATA hash, piece ...         -->         whole and verified: stored; all there: submitted
 *                                  <--       NEWS job, row of the job: at changes, at most once a second
 *     CANCEL job                   -->
 *                                  <--       TASK job, row of a task: all of them at the end; then the last NEWS
 *                                  <--       DATA hash, piece: outputs
 *     MISSING job, hashes          -->         what has not come; without hashes: the news once more
 */
#ifndef VL_WIRE_REMOTE_H
#define VL_WIRE_REMOTE_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "wire/level.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REMOTE_SPEC_MAX (48u * 1024u) /* encoded job_spec: one envelope, with room for its head */
#define REMOTE_DATA_MAX                                                                                                \
    (4u << 20)                     /* program and inputs of a job, outputs of a job, one blob.  At the default rate of \
                                      cover a member's mix takes a quarter of an hour for it */
#define REMOTE_PIECE (48u * 1024u) /* blob bytes in one message: fewer than VL_PAYLOAD_MAX with their head */
#define REMOTE_PIECES_MAX ((REMOTE_DATA_MAX + REMOTE_PIECE - 1) / REMOTE_PIECE)
#define REMOTE_TASKS_MAX 256u        /* tasks before merging: their rows are one message each */
#define REMOTE_ROWS_MAX 320u         /* with all rounds of merging */
#define REMOTE_HASHES_MAX 512u       /* in one MISSING; what is left is asked for later */
#define REMOTE_ROW_MAX (48u * 1024u) /* encoded row of a job or task */

struct remote_submit {
    struct vl_job_id job;
    struct vl_span spec; /* encoded job_spec, 1..REMOTE_SPEC_MAX bytes */
};
/* A blob is cut at multiples of REMOTE_PIECE, so that every piece has one form. */
struct remote_data {
    struct vl_hash hash;
    uint32_t total;       /* 1..REMOTE_DATA_MAX: size of the blob */
    uint32_t offset;      /* < total, a multiple of REMOTE_PIECE */
    struct vl_span bytes; /* remote_piece_size(total, offset) */
};
struct remote_missing {
    struct vl_job_id job;
    uint32_t n;            /* <= REMOTE_HASHES_MAX */
    struct vl_span hashes; /* 32 bytes each, strictly ascending; read them with remote_hash_at() */
};
struct remote_news {
    struct vl_job_id job;
    uint64_t seq;       /* of this job's news: the larger is the newer */
    struct vl_span row; /* encoded job_row of wire/view.h, 1..REMOTE_ROW_MAX bytes */
};
struct remote_task {
    struct vl_job_id job;
    uint32_t index;     /* < REMOTE_ROWS_MAX */
    struct vl_span row; /* encoded task_row of wire/view.h, 1..REMOTE_ROW_MAX bytes */
};
struct remote_cancel {
    struct vl_job_id job;
};

/* Stored, never sent.  Numbers are on disk. */
enum remote_state {
    REMOTE_SUBMITTING = 1, /* member: the coordinator has not answered yet */
    REMOTE_OPEN = 2,       /* both: it is in the coordinator's book */
    REMOTE_FETCHING = 3,   /* member: it has ended; rows or outputs are on their way */
    REMOTE_ENDED = 4,      /* both: all was told */
};
struct remote_record {
    enum remote_state state;
    enum mix_level level;
    bool cancel;            /* member: the user wants it cancelled */
    bool unanswered;        /* member: cancelled before the coordinator answered; it may still take the job */
    struct vl_node_id peer; /* coordinator: who submitted it; member: zeros */
    vl_ms at_ms;            /* when it was submitted */
    struct vl_span spec;    /* member, until ENDED: encoded job_spec; coordinator: empty */
    struct vl_span row;     /* FETCHING: the last encoded job_row; else empty */
};

uint32_t remote_piece_size(uint32_t total, uint32_t offset);
struct vl_hash remote_hash_at(const struct remote_missing *m, uint32_t i); /* i < m->n */

/* Encoders and decoders: errors as in wire/task.h. */
VL_MUST_CHECK enum vl_err remote_submit_encode(const struct remote_submit *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err remote_submit_decode(struct vl_span in, struct remote_submit *ret);
VL_MUST_CHECK enum vl_err remote_data_encode(const struct remote_data *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err remote_data_decode(struct vl_span in, struct remote_data *ret);
VL_MUST_CHECK enum vl_err remote_missing_encode(const struct remote_missing *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err remote_missing_decode(struct vl_span in, struct remote_missing *ret);
VL_MUST_CHECK enum vl_err remote_news_encode(const struct remote_news *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err remote_news_decode(struct vl_span in, struct remote_news *ret);
VL_MUST_CHECK enum vl_err remote_task_encode(const struct remote_task *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err remote_task_decode(struct vl_span in, struct remote_task *ret);
VL_MUST_CHECK enum vl_err remote_cancel_encode(const struct remote_cancel *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err remote_cancel_decode(struct vl_span in, struct remote_cancel *ret);
VL_MUST_CHECK enum vl_err remote_record_encode(const struct remote_record *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err remote_record_decode(struct vl_span in, struct remote_record *ret);

#endif
