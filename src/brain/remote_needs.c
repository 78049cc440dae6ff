/* Which blobs a job submitted at a member needs: those its description names, or those its tasks brought out. */
#include "brain/remote_priv.h"

#include <stdlib.h>
#include <string.h>

static int place(const struct remote_job *j, struct vl_hash hash, uint32_t *ret) {
    uint32_t lo = 0, hi = j->needs_n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = memcmp(j->needs[mid].hash.b, hash.b, sizeof hash.b);
        if (c == 0) {
            *ret = mid;
            return 1;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret = lo;
    return 0;
}

struct remote_need *remote_need_find(const struct remote_job *j, struct vl_hash hash) {
    uint32_t i;
    return place(j, hash, &i) ? &j->needs[i] : NULL;
}

enum vl_err remote_need(struct remote_job *j, struct vl_hash hash, uint64_t size, uint32_t task) {
    uint32_t i;
    if (place(j, hash, &i)) {
        if (j->needs[i].size && size && j->needs[i].size != size) return VL_ERANGE;
        if (size) j->needs[i].size = size;
        if (task > j->needs[i].task) j->needs[i].task = task;
        return VL_OK;
    }
    if (j->needs_n == j->needs_cap) {
        uint32_t cap = j->needs_cap ? j->needs_cap * 2 : 8;
        struct remote_need *v = realloc(j->needs, cap * sizeof *v);
        if (v == NULL) return VL_ENOMEM;
        j->needs = v;
        j->needs_cap = cap;
    }
    memmove(&j->needs[i + 1], &j->needs[i], (j->needs_n - i) * sizeof j->needs[0]);
    j->needs[i] = (struct remote_need){ .hash = hash, .size = size, .task = task, .state = NEED_ASKED };
    j->needs_n++;
    return VL_OK;
}

void remote_need_free(struct remote_job *j) {
    free(j->needs);
    j->needs = NULL;
    j->needs_n = j->needs_cap = 0;
    j->asked = false;
}

enum vl_err remote_need_spec(struct remote_job *j, const struct job_spec *spec, uint64_t program_size,
                             uint64_t *ret_bytes) {
    struct task_input in;
    enum vl_err err = spec->kind == TASK_WASM ? remote_need(j, spec->program, program_size, 0) : VL_OK;
    for (struct vl_span rest = spec->inputs; err == VL_OK && job_inputs_next(&rest, &in);)
        if (in.size > 0) err = remote_need(j, in.hash, in.size, 0);
    *ret_bytes = 0;
    for (uint32_t i = 0; i < j->needs_n; i++) *ret_bytes += j->needs[i].size;
    return err;
}

enum vl_err remote_need_outputs(struct remote_job *j, uint32_t task, const struct task_row *row) {
    struct task_report *r = row->report.n ? malloc(sizeof *r) : NULL;
    if (row->report.n == 0) return VL_OK;
    if (r == NULL) return VL_ENOMEM;
    enum vl_err err = task_report_decode(row->report, r);
    for (uint32_t i = 0; err == VL_OK && i < r->n_outputs; i++)
        if (r->outputs[i].size > 0) err = remote_need(j, r->outputs[i].hash, r->outputs[i].size, task);
    free(r);
    return err;
}

bool remote_need_any(const struct remote_job *j, enum need_state state) {
    for (uint32_t i = 0; i < j->needs_n; i++)
        if (j->needs[i].state == state) return true;
    return false;
}

/* The last task's first, because that is the result when there is a merge; rounds over few hundred tasks are cheap. */
bool remote_need_limit(struct remote_job *j) {
    uint64_t room = REMOTE_DATA_MAX;
    bool left = false;
    for (uint32_t task = REMOTE_ROWS_MAX; task-- > 0;)
        for (uint32_t i = 0; i < j->needs_n; i++) {
            struct remote_need *n = &j->needs[i];
            if (n->task != task || n->state == NEED_LEFT) continue;
            if (n->size <= room) {
                room -= n->size;
                continue;
            }
            n->state = NEED_LEFT;
            left = true;
        }
    return left;
}
