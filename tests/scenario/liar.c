/* liar.c - the program with one habit of a dishonest worker, for the scenarios: VILLAGE_LIAR says which.  The linker puts
 * these functions in front of the real ones (-Wl,--wrap), so that all else is the shipped code.
 *   wrong   the first output of every task is made up, the same way by every liar
 *   lazy    results are told without committing to them first
 *   copy    it commits to nothing in particular and tells later what others have found: here, the truth
 *   silent  it commits and never tells */
#include "brain/priv.h"
#include "crypto/hash.h"
#include "fog/verify.h"

#include <stdlib.h>
#include <string.h>

static bool habit(const char *name) {
    const char *is = getenv("VILLAGE_LIAR");
    return is != NULL && strcmp(is, name) == 0;
}

void __real_brain_task_ended(struct brain *b, vl_ms now, const struct brain_task_end *end);
void __wrap_brain_task_ended(struct brain *b, vl_ms now, const struct brain_task_end *end);
void __wrap_brain_task_ended(struct brain *b, vl_ms now, const struct brain_task_end *end) {
    struct brain_task_end lie = *end;
    struct task_output outputs[VL_TASK_OUTPUTS_MAX];
    if (habit("wrong") && end->outcome == TASK_DONE && end->outputs_n > 0 && end->outputs_n <= VL_TASK_OUTPUTS_MAX) {
        memcpy(outputs, end->outputs, end->outputs_n * sizeof *outputs);
        outputs[0].inline_bytes = vl_span_str("made up\n");
        outputs[0].size = outputs[0].inline_bytes.n;
        crypto_blake2b256(outputs[0].inline_bytes, &outputs[0].hash);
        lie.outputs = outputs;
    }
    __real_brain_task_ended(b, now, &lie);
}

bool __real_held_due(const struct wtask *t);
bool __wrap_held_due(const struct wtask *t);
bool __wrap_held_due(const struct wtask *t) { return !habit("lazy") && __real_held_due(t); }

struct vl_hash __real_verify_commitment(const struct vl_hash *root, const uint8_t salt[TASK_SALT], struct vl_node_id node,
                                        struct vl_job_id job, uint32_t task, uint64_t epoch);
struct vl_hash __wrap_verify_commitment(const struct vl_hash *root, const uint8_t salt[TASK_SALT], struct vl_node_id node,
                                        struct vl_job_id job, uint32_t task, uint64_t epoch);
struct vl_hash __wrap_verify_commitment(const struct vl_hash *root, const uint8_t salt[TASK_SALT], struct vl_node_id node,
                                        struct vl_job_id job, uint32_t task, uint64_t epoch) {
    if (habit("copy")) return (struct vl_hash){ { 0x55 } };
    return __real_verify_commitment(root, salt, node, job, task, epoch);
}

void __real_worker_reveal(struct brain *b, struct vl_span bytes);
void __wrap_worker_reveal(struct brain *b, struct vl_span bytes);
void __wrap_worker_reveal(struct brain *b, struct vl_span bytes) {
    if (!habit("silent")) __real_worker_reveal(b, bytes);
}
