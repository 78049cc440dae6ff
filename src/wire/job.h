/* job.h - what a user asks for: one program over some inputs.  Same codec rules as wire/task.h.
 * Thousands of inputs stay packed (job_inputs_*), so that the struct is small and decoding allocates nothing. */
#ifndef VL_WIRE_JOB_H
#define VL_WIRE_JOB_H

#include "wire/level.h"
#include "wire/task.h"
#include "wire/terms.h"

#define JOB_AFTER_MAX 16u                     /* jobs that one job may wait for */
#define JOB_REPLICAS_MAX 9u                   /* API: replicas 1..9 */
#define JOB_ATTEMPTS_MAX 10u                  /* API: max_attempts 1..10 */
#define JOB_TTL_DEFAULT_MS (7ull * 86400000u) /* a job that has not ended by then expires */
#define JOB_TTL_MAX_MS (90ull * 86400000u)
#define JOB_SPEC_MAX (2u << 20) /* encoded: 10,000 inputs of at most 104 bytes, arguments, and the rest */

struct job_spec {
    struct vl_span name; /* empty or task_name_ok() */
    enum task_kind kind;
    struct vl_hash program; /* as in task_spec */
    struct vl_span command;
    struct vl_span args, env;
    struct task_limits limits;
    bool deterministic, network;
    bool map;                  /* one task per input; false: one task with all inputs (<= VL_TASK_INPUTS_MAX) */
    bool has_merge;            /* only with map: a last task over the outputs of all map tasks */
    struct vl_span merge_args; /* packed strings; merge_args.n + env.n <= VL_ARGS_BYTES */
    uint32_t replicas;         /* 1..JOB_REPLICAS_MAX; 0: as many as the class wants, job_spec_replicas() */
    uint32_t max_attempts;     /* 1..JOB_ATTEMPTS_MAX */
    enum task_priority priority;
    enum mix_level privacy; /* at which assignments and reports travel; OFF: over links */
    struct job_terms terms;
    uint64_t ttl_ms; /* 0: JOB_TTL_DEFAULT_MS; else 1000..JOB_TTL_MAX_MS */
    uint32_t n_after;
    struct vl_job_id after[JOB_AFTER_MAX]; /* all different */
    uint32_t n_inputs;                     /* <= VL_JOB_TASKS_MAX */
    struct vl_span inputs;                 /* packed by job_inputs_append(); no inline bytes */
};

/* Fills the defaults of the API (limits, replicas by class, attempts 3, normal) into *ret; kind and program are left to the
 * caller. */
void job_spec_defaults(struct job_spec *ret);
/* Packs one more input.  VL_ERANGE: bad name or size.  VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err job_inputs_append(struct vl_buf *packed, struct vl_span name, struct vl_hash hash,
                                            uint64_t size);
/* Takes the next input off *rest; ret borrows from it.  False at the end or when what is left is malformed (then
 * rest->n > 0). */
bool job_inputs_next(struct vl_span *rest, struct task_input *ret);

/* Results of each task that are to be had and compared: what the job says, or 1, 2, 3 in class B, A, S. */
uint32_t job_spec_replicas(const struct job_spec *spec);
/* VL_OK, or VL_ERANGE (VL_ELIMIT when it is only too much) with a sentence for people in msg (may be NULL). */
VL_MUST_CHECK enum vl_err job_spec_check(const struct job_spec *spec, struct vl_errmsg *msg);
VL_MUST_CHECK enum vl_err job_spec_encode(const struct job_spec *spec, struct vl_buf *out);
VL_MUST_CHECK enum vl_err job_spec_decode(struct vl_span in, struct job_spec *ret);
/* Decodes what job_spec_encode() of this process made, or job_spec_decode() has accepted: framing only, so that
 * thousands of inputs are not walked each time.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err job_spec_reopen(struct vl_span own, struct job_spec *ret);

#endif
