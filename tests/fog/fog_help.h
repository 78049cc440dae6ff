/* fog_help.h - what the tests of the fog cores share: short ids, a spec, a book with its clock and its last effects. */
#ifndef VL_TESTS_FOG_HELP_H
#define VL_TESTS_FOG_HELP_H

#include "fog/job.h"

struct vl_node_id node_n(uint32_t n); /* ordered by n */
struct vl_job_id job_n(uint32_t n);
/* One native task, or a map over n inputs. inputs keeps the packed list. */
void spec_of(struct job_spec *ret, struct vl_buf *inputs, uint32_t n);
/* A report of one "stdout" whose content is named by `content`. */
struct task_report report_of(struct vl_job_id job, uint32_t task, uint64_t epoch, enum task_outcome outcome,
                             uint8_t content);
/* All chunks of a snapshot, one after another, each behind its length. */
void snapshot_of(const struct job_book *b, struct vl_buf *ret);
/* A new book made of it; NULL when it is refused. */
struct job_book *book_from(struct vl_span snapshot);

struct desk {
    struct job_book *book;
    struct job_effects fx;
    vl_ms now;
};
struct desk desk_open(void);
void desk_close(struct desk *d);
enum vl_err desk_submit(struct desk *d, uint32_t job, const struct job_spec *spec);
enum vl_err desk_place(struct desk *d, uint32_t job, uint32_t task, uint32_t node);
enum vl_err desk_status(struct desk *d, uint32_t job, uint32_t task, uint32_t node, uint64_t epoch,
                        enum job_event_kind kind);
enum vl_err desk_report(struct desk *d, uint32_t job, uint32_t task, uint32_t node, uint64_t epoch,
                        enum task_outcome outcome, uint8_t content);
struct vl_hash commitment_of(const struct task_report *r, struct vl_node_id node);
/* Commits to what desk_report() of the same content says. */
enum vl_err desk_commit(struct desk *d, uint32_t job, uint32_t task, uint32_t node, uint64_t epoch, uint8_t content);
/* desk_report() of a result, with a ruling. */
enum vl_err desk_rule(struct desk *d, uint32_t job, uint32_t task, uint32_t node, uint64_t epoch, uint8_t content,
                      struct job_ruling ruling);
enum vl_err desk_event(struct desk *d, struct job_event ev); /* fills in now */
void desk_tick(struct desk *d, vl_ms at);                    /* advances and ticks until nothing is due */
struct job_view desk_job(struct desk *d, uint32_t job);
struct job_task_view desk_task(struct desk *d, uint32_t job, uint32_t task);
uint32_t desk_ready(struct desk *d); /* number of tasks wanting a copy */
/* Effects of the last step. */
uint32_t fx_count(const struct job_effects *fx, enum job_effect_kind kind);
const struct job_effect *fx_find(const struct job_effects *fx, enum job_effect_kind kind);
bool fx_history_has(const struct job_effects *fx, enum job_history h);

#endif
