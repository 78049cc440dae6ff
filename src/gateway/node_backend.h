/* node_backend.h - the gateway's backend over a running node: rows of its store as views, its commands as operations.
 */
#ifndef VL_GATEWAY_NODE_BACKEND_H
#define VL_GATEWAY_NODE_BACKEND_H

#include "gateway/backend.h"
#include "gateway/gateway.h"
#include "node/node.h"

/* Both are borrowed for the backend's life. */
struct node_backend {
    struct node *node;
    struct gateway *gateway; /* set once it exists: changes are published to it */
    char village_text[33];   /* private */
    uint32_t retry_s;        /* private: of the last command that was turned away */
};

/* The operations with `self` = b. */
struct backend node_backend(struct node_backend *b);
/* Hooks for node_create() with `arg` = b: they publish what changed. */
void node_backend_job_changed(void *arg, struct vl_job_id id);
void node_backend_task_changed(void *arg, struct vl_job_id id, uint32_t task);
void node_backend_node_changed(void *arg, struct vl_node_id id);

/* node_proofs.c */
enum vl_err node_backend_prove(void *self, const struct backend_proof_query *q, backend_proof_fn done, void *arg);
/* node_neighbours.c */
void node_backend_neighbours(void *self, struct brain_topology *ret, struct vl_node_id *ret_self);
bool node_backend_service(void *self, struct vl_node_id id, struct sla_counters *ret, struct vl_span *ret_cert);
enum vl_err node_backend_keep(void *self, struct vl_hash blob, backend_done_fn done, void *arg);
enum vl_err node_backend_draw_file(void *self, const struct backend_proof_query *q, backend_proof_fn done, void *arg);
/* node_anchor.c */
void node_backend_anchor(void *self, struct view_anchor *ret);
void node_backend_anchor_metrics(void *self, view_metric_fn sink, void *arg);
/* The head with this leaf (UINT64_MAX: the newest) that is on a chain, as an artefact.  VL_ENOTFOUND. */
enum vl_err node_backend_anchored(struct store *s, uint64_t index, struct vl_buf *ret);

/* node_log.c */
enum vl_err node_backend_log(void *self, const struct backend_log_query *q, backend_log_fn done, void *arg);
enum vl_err node_backend_receipts(void *self, struct vl_job_id id, uint64_t after_run, uint32_t max, view_receipt_fn sink, void *arg);

/* node_harvest.c */
void node_backend_harvest(void *self, struct view_harvest *ret);
void node_backend_contributions(void *self, const struct vl_node_id *after, vl_ms after_start, uint32_t max, view_contribution_fn sink,
                                void *arg);
enum vl_err node_backend_harvest_policy(void *self, const char *const *names, const char *const *values, size_t n, struct vl_errmsg *why,
                                        backend_done_fn done, void *arg);
enum vl_err node_backend_harvest_pause(void *self, bool pause, vl_ms duration, backend_done_fn done, void *arg);

/* node_market.c */
const struct market *node_backend_market(void *self, struct view_sums *ret);
const struct price_series *node_backend_prices(void *self, enum sla_tier tier);
enum vl_err node_backend_quote(void *self, enum sla_tier tier, uint64_t work, uint64_t slot_ms, struct price_quote *ret);
void node_backend_rates(void *self, view_rate_fn sink, void *arg);
void node_backend_market_metrics(void *self, view_metric_fn sink, void *arg);
enum vl_err node_backend_measure(void *self, const struct vl_node_id *node, backend_done_fn done, void *arg);
enum vl_err node_backend_auction_open(void *self, const struct market_order *order, struct vl_job_id id,
                                      const struct job_spec *spec, backend_auction_fn done, void *arg);
enum vl_err node_backend_auction_cancel(void *self, struct vl_hash auction, backend_done_fn done, void *arg);
/* node_backend.c: every blob that the job names is here, or VL_ENOTFOUND. */
enum vl_err node_backend_inputs_here(struct node *n, const struct job_spec *spec);
/* node_reputation.c */
void node_backend_rate(struct node *n, struct view_node *v);
void node_backend_reputations(void *self, const struct vl_node_id *after, uint32_t max, view_reputation_fn sink,
                              void *arg);
enum vl_err node_backend_reputation(void *self, struct vl_node_id id, uint64_t after, uint32_t max,
                                    view_reputation_fn head, view_evidence_fn sink, void *arg);

/* node_tee.c */
void node_backend_attested(struct node *n, struct view_node *v, struct brain_attested *room);
enum vl_err node_backend_attestation(void *self, struct vl_node_id id, view_attestation_fn sink, void *arg);
enum vl_err node_backend_attest(void *self, struct vl_node_id id, backend_done_fn done, void *arg);
enum vl_err node_backend_tee_create(void *self, const struct backend_tee_wish *wish, backend_tee_made_fn done, void *arg);
enum vl_err node_backend_tee_close(void *self, uint64_t id, backend_done_fn done, void *arg);
enum vl_err node_backend_tee_status(void *self, backend_tee_fn done, void *arg);
void node_backend_attest_metrics(void *self, view_metric_fn sink, void *arg);
/* node_keys.c */
void node_backend_keys(void *self, struct view_keys *ret);
void node_backend_keys_metrics(void *self, view_metric_fn sink, void *arg);
bool node_backend_succession(void *self, struct vl_node_id id, struct succession *ret);
struct vl_span node_backend_revocations(void *self);
enum vl_err node_backend_keys_rotate(void *self, backend_bytes_fn fn, void *arg);
enum vl_err node_backend_key_revoke(void *self, struct vl_node_id id, backend_bytes_fn fn, void *arg);

/* node_load.c */
void node_backend_load_metrics(void *self, view_metric_fn sink, void *arg);

/* node_quorum.c */
enum vl_err node_backend_quorum_check(void *self, const struct job_spec *spec, struct view_quorum *ret);
void node_backend_agreements(void *self, const struct vl_job_id *before, uint32_t max, view_agreement_fn sink, void *arg);
enum vl_err node_backend_agreement(void *self, struct vl_job_id job, view_agreement_fn sink, void *arg);
/* node_mix.c */
void node_backend_mix(void *self, struct view_mix *ret);
enum vl_err node_backend_explain(void *self, struct vl_job_id id, uint32_t max, view_wait_fn wait, view_plan_fn plan,
                                 void *arg);
void node_backend_relays(void *self, view_relay_fn sink, void *arg);
enum vl_err node_backend_ping(void *self, struct vl_node_id to, const char *level, backend_ping_fn done, void *arg);
void node_backend_mix_metrics(void *self, view_metric_fn sink, void *arg);
/* The charter to be signed.  Errors of backend_ops.mix_charter. */
enum vl_err node_backend_charter(struct node *n, const struct backend_charter *in, struct mix_charter *ret);

#endif
