/* mem_backend.h - the gateway's backend in memory: keeps jobs, nodes, tickets, answers and blobs, and moves jobs on
 * when the test says so. Commands complete on a later turn of the loop, as with a real store. */
#ifndef VL_TESTS_GATEWAY_MEM_BACKEND_H
#define VL_TESTS_GATEWAY_MEM_BACKEND_H

#include "gateway/backend.h"
#include "trust/evidence.h"

#include <uv.h>

struct mem_backend;

struct mem_backend *mem_create(uv_loop_t *loop);
/* Run the loop afterwards to let its handle close. */
void mem_destroy(struct mem_backend *m);
struct backend mem_as_backend(struct mem_backend *m);

void mem_healthy(struct mem_backend *m, bool yes);
/* While on, commands do not complete. */
void mem_hold(struct mem_backend *m, bool on);
/* Turns jobs away for that long; 0: takes them again. */
void mem_overload(struct mem_backend *m, uint32_t retry_s);
void mem_add_node(struct mem_backend *m, struct vl_node_id id, const char *name, enum view_node_state state);
/* One more piece of evidence about the node, fewer than 256 in all. */
void mem_tell(struct mem_backend *m, struct vl_node_id node, enum evidence_kind kind);
/* Ends the job as done: every task wrote `text` to stdout. */
void mem_finish_job(struct mem_backend *m, struct vl_job_id id, const char *text);
size_t mem_jobs(const struct mem_backend *m);
size_t mem_uploads_open(const struct mem_backend *m);
/* The summary as the backend has it now. */
bool mem_view_job(struct mem_backend *m, struct vl_job_id id, struct view_job *ret);

#endif
