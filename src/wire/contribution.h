/* contribution.h - what a harvested machine gave in one session (FOG-13), as its node metered it and told the coordinator.  Same codec
 * rules as wire/task.h.  Integers only: ledgers are fed from it. */
#ifndef VL_WIRE_CONTRIBUTION_H
#define VL_WIRE_CONTRIBUTION_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"

#include <stdbool.h>

#define CONTRIBUTION_RECORD_MAX 256u

struct contribution {
    vl_ms start_ms, end_ms;      /* of the session, by the node's clock; start > 0, end >= start.  start names it */
    bool open;                   /* goes on: a later report of the same start replaces this one */
    uint64_t cpu_us;             /* processor time of tasks that ended in it */
    uint64_t gpu_us;             /* 0 until tasks may use one */
    uint64_t memory_byte_s;      /* peak of each task times its wall time */
    uint64_t storage_bytes;      /* outputs kept */
    uint64_t network_bytes;      /* blobs in and out */
    uint32_t done, failed, handed_back; /* tasks */
    uint64_t frozen_ms, throttled_ms;
};
bool contribution_ok(const struct contribution *c);
/* VL_ERANGE: not ok.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err contribution_encode(const struct contribution *c, struct vl_buf *out);
VL_MUST_CHECK enum vl_err contribution_decode(struct vl_span in, struct contribution *ret);

/* What the coordinator keeps of a node: its newest report, and what it counted itself. */
struct contribution_row {
    struct contribution claimed;
    uint64_t receipts_cpu_us;   /* sum of the receipts it accepted from that node within the session */
    uint32_t receipts;
    uint64_t believed_cpu_us;   /* the smaller of both: metering that exceeds the receipts is not believed */
};
VL_MUST_CHECK enum vl_err contribution_row_encode(const struct contribution_row *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err contribution_row_decode(struct vl_span in, struct contribution_row *ret);

#endif
