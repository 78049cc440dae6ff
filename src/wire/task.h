/* task.h - what coordinator and worker say about one task: assignment, status, report, receipt, revocation.
 * Plain structs and strict codecs; one encoding per value, so that encodings can be signed, hashed and compared.
 *
 * Hand-written on base/bytes.h rather than nanopb: a task_spec with its 64 inputs of up to 8 KiB inline would be a
 * struct of half a MiB in nanopb's fixed arrays; here names and inline bytes are borrowed from the message.  The same
 * codec writes the coordinator's event log, where a canonical form is needed (protobuf does not promise one).
 *
 * Every message is: tag (1 byte), version (1 byte), fields in the order of the struct, integers big-endian.
 * Decoders: spans in the result borrow from the input.  VL_EPARSE: malformed, out of range, unknown, duplicate or
 * trailing bytes.  VL_EVERSION: another version.  The result is untouched on error. Encoders append to `out`; on error
 * out->len is what it was.  VL_ERANGE: the value would not decode.  VL_ELIMIT, VL_ENOMEM. Times: ms since the Unix
 * epoch.  Sizes: bytes. */
#ifndef VL_WIRE_TASK_H
#define VL_WIRE_TASK_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"
#include "wire/level.h"

#define TASK_INLINE_TOTAL_MAX 32768u /* inline bytes of one message: with 64 names it stays below VL_PAYLOAD_MAX */
#define TASK_COMMAND_MAX 255u        /* path of a native program */
#define TASK_ERROR_MAX 200u          /* text of an error, bytes */
#define TASK_SOURCES_MAX 16u         /* nodes to ask for the blobs of a task */
#define TASK_SALT 16u                /* bytes: nobody guesses the result behind a commitment by trying */
#define TASK_TIMEOUT_MAX_MS (30ull * 86400000u)
#define TASK_MEMORY_MAX (1ull << 44) /* 16 TiB: above any machine we know, below overflow in sums */
#define TASK_PROCESSES_MAX 4096u
#define TASK_INDEX_MAX 20000u /* VL_JOB_TASKS_MAX map tasks and their merges stay below */

enum task_kind { TASK_WASM = 1, TASK_NATIVE = 2 };
enum task_priority {
    TASK_CRITICAL = 1,
    TASK_HIGH = 2,
    TASK_NORMAL = 3,
    TASK_LOW = 4,
    TASK_BULK = 5,
};
/* What became of one run.  FAILED counts against max_attempts; REFUSED (the worker cannot or will not start it) and
 * LOST (the worker restarted, the run is gone) are not the program's fault and have bounds of their own. */
/* error of a TASK_REFUSED report: given back because the owner of the machine wants it for himself (fog/harvest.h).  No fault of the
 * node's, and the task may move on at once. */
#define TASK_HANDED_BACK VL_EAGAIN
enum task_outcome { TASK_DONE = 1, TASK_FAILED = 2, TASK_REFUSED = 3, TASK_LOST = 4 };

struct task_limits {
    uint64_t timeout_ms;                             /* wall time, 1..TASK_TIMEOUT_MAX_MS */
    uint64_t cpu_ms;                                 /* 0: no limit but the timeout */
    uint64_t memory_bytes, disk_bytes, output_bytes; /* 1..TASK_MEMORY_MAX */
    uint32_t processes;                              /* 1..TASK_PROCESSES_MAX */
};

/* A file of a task.  inline_bytes is empty, or the whole content (then size == inline_bytes.n <= VL_INLINE_MAX). */
struct task_input {
    struct vl_span name; /* task_name_ok() */
    struct vl_hash hash;
    uint64_t size; /* <= VL_BLOB_MAX */
    struct vl_span inline_bytes;
};
struct task_output {
    struct vl_span name; /* "stdout" and "stderr" are the streams, anything else was written to /out */
    struct vl_hash hash;
    uint64_t size;
    struct vl_span inline_bytes;
};

struct task_spec {
    enum task_kind kind;
    bool deterministic, network;
    uint64_t seed;          /* of the virtual clock and random; 0 unless deterministic */
    struct vl_span name;    /* argv[0]; task_name_ok() */
    struct vl_hash program; /* wasm: blob of the module; native: all zero */
    struct vl_span command; /* native: absolute path, 2..TASK_COMMAND_MAX bytes without NUL; wasm: empty */
    struct vl_span args;    /* after argv[0]: strings, each ended by NUL; task_strings_count() <= VL_ARGS_MAX */
    struct vl_span env;     /* "KEY=value", each ended by NUL; args.n + env.n <= VL_ARGS_BYTES */
    struct task_limits limits;
    uint32_t n_inputs; /* <= VL_TASK_INPUTS_MAX; names differ; the first is stdin */
    struct task_input inputs[VL_TASK_INPUTS_MAX];
};

/* Coordinator to worker: run this until told otherwise. */
struct assignment {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;    /* > 0; fences: every message about this run carries it */
    uint64_t lease_ms; /* without contact for this long the coordinator may have given the task to another */
    uint32_t attempt;  /* 1.. */
    enum task_priority priority;
    enum mix_level privacy; /* at which the report travels */
    bool commit;            /* others run it too: a result is committed to first, and told when asked for (FOG-11) */
    struct task_spec spec;
    uint32_t n_sources; /* nodes that have the program and the inputs which are not inline */
    struct vl_node_id sources[TASK_SOURCES_MAX];
};

/* Coordinator to worker: stop and forget this run; no report is wanted. */
struct revoke {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
};

/* Worker to coordinator, when it has a result and the assignment says `commit`: what it will report, hidden by a salt, so
 * that nobody who has not worked can repeat it.  hash: fog/verify.h verify_commitment(). */
struct task_commit {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
    struct vl_hash hash;
};
/* Coordinator to worker: all have committed, report now. */
struct task_reveal {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
};

/* Worker to coordinator, between assignment and report. */
enum task_phase {
    TASK_ACCEPTED = 1,
    TASK_STARTED = 2,
    TASK_FROZEN = 3, /* stands still or is slowed down by its node's owner: its time does not count for a while */
};
struct task_status {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
    enum task_phase phase;
};

#define RECEIPT_CONTEXT "village-receipt-1:" /* under which it is signed (crypto/sign.h) */
/* A worker's signed statement of what it ran; see fog/receipt.h for signing and checking. */
struct receipt {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
    struct vl_hash program, toolchain, input_root, output_root;
    int32_t exit_code;
    uint64_t cpu_us;
    vl_ms started_ms, ended_ms;
    struct vl_node_id node;
    /* Version 2, which is written when one of them is not zero; in version 1 both are.  (Decision 31.) */
    struct vl_hash previous;    /* BLAKE2b-256 of the receipt that this node signed before; zeros: it names none */
    struct vl_hash attestation; /* id of the attestation result that the node runs under; zeros: none */
    uint8_t signature[64]; /* Ed25519 by `node` */
};
/* Which of the two encodings it has. */
uint8_t receipt_version(const struct receipt *r);
#define RECEIPT_BYTES_MAX 346u

struct task_report {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
    enum task_outcome outcome;
    int32_t error;              /* enum vl_err number: 0 when done, else negative */
    struct vl_span detail;      /* text for people, UTF-8 without control characters, <= TASK_ERROR_MAX; may be empty */
    int32_t exit_code;          /* of the program, 0 when done; 128 + signal when killed; 0 when it never ran */
    vl_ms started_ms, ended_ms; /* by the worker's clock; 0 when it never ran; ended >= started */
    uint64_t cpu_us, peak_bytes;
    uint32_t n_outputs; /* <= VL_TASK_OUTPUTS_MAX; names differ */
    struct task_output outputs[VL_TASK_OUTPUTS_MAX];
    bool has_receipt; /* done: expected; then job, task, epoch, exit code and times equal the report's */
    struct receipt receipt;
    bool has_salt; /* opens the commitment that went before */
    uint8_t salt[TASK_SALT];
};

/* 1..63 bytes of UTF-8, no '/', no control character, neither "." nor "..": safe as a file name. */
bool task_name_ok(struct vl_span name);
/* UTF-8 (RFC 3629: no surrogates, shortest form) of <= max bytes without control characters. */
bool task_text_ok(struct vl_span text, size_t max);
/* Packed strings: every one ended by NUL.  The count, or UINT32_MAX when the last NUL is missing. */
uint32_t task_strings_count(struct vl_span packed);
/* Takes the next string off *rest (a C string inside it).  NULL at the end. */
const char *task_strings_next(struct vl_span *rest);
/* True when spec keeps every rule written above. */
bool task_spec_ok(const struct task_spec *spec);
bool task_limits_ok(const struct task_limits *limits);

VL_MUST_CHECK enum vl_err task_spec_encode(const struct task_spec *spec, struct vl_buf *out);
VL_MUST_CHECK enum vl_err task_spec_decode(struct vl_span in, struct task_spec *ret);
VL_MUST_CHECK enum vl_err assignment_encode(const struct assignment *a, struct vl_buf *out);
VL_MUST_CHECK enum vl_err assignment_decode(struct vl_span in, struct assignment *ret);
VL_MUST_CHECK enum vl_err revoke_encode(const struct revoke *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err revoke_decode(struct vl_span in, struct revoke *ret);
VL_MUST_CHECK enum vl_err task_commit_encode(const struct task_commit *c, struct vl_buf *out);
VL_MUST_CHECK enum vl_err task_commit_decode(struct vl_span in, struct task_commit *ret);
VL_MUST_CHECK enum vl_err task_reveal_encode(const struct task_reveal *v, struct vl_buf *out);
VL_MUST_CHECK enum vl_err task_reveal_decode(struct vl_span in, struct task_reveal *ret);
VL_MUST_CHECK enum vl_err task_status_encode(const struct task_status *s, struct vl_buf *out);
VL_MUST_CHECK enum vl_err task_status_decode(struct vl_span in, struct task_status *ret);
VL_MUST_CHECK enum vl_err receipt_encode(const struct receipt *r, struct vl_buf *out);
/* The encoding without the signature: what is signed. */
VL_MUST_CHECK enum vl_err receipt_body_encode(const struct receipt *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err receipt_decode(struct vl_span in, struct receipt *ret);
VL_MUST_CHECK enum vl_err task_report_encode(const struct task_report *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err task_report_decode(struct vl_span in, struct task_report *ret);

#endif
