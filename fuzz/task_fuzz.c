/* Every decoder of wire/ tasks, jobs and heartbeats: what decodes must encode to the very same bytes. */
#include "wire/heartbeat.h"
#include "wire/job.h"
#include "wire/task.h"

#include <stdlib.h>
#include <string.h>

#define TRY(type, name)                                                                                                \
    do {                                                                                                               \
        static type value;                                                                                             \
        if (name##_decode(in, &value) == VL_OK) {                                                                      \
            vl_buf_clear(&out);                                                                                        \
            if (name##_encode(&value, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len))) abort();             \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_span in = vl_span(p, n);
    struct vl_buf out;
    vl_buf_init(&out, 4u << 20);
    TRY(struct task_spec, task_spec);
    TRY(struct assignment, assignment);
    TRY(struct revoke, revoke);
    TRY(struct task_status, task_status);
    TRY(struct task_commit, task_commit);
    TRY(struct task_reveal, task_reveal);
    TRY(struct receipt, receipt);
    TRY(struct task_report, task_report);
    TRY(struct heartbeat, heartbeat);
    TRY(struct job_spec, job_spec);
    vl_buf_free(&out);
    return 0;
}
