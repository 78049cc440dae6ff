/* gateway_priv.h - inside of the gateway: its state and what handlers use to answer. */
#ifndef VL_GATEWAY_GATEWAY_PRIV_H
#define VL_GATEWAY_GATEWAY_PRIV_H

#include "base/map.h"
#include "gateway/auth.h"
#include "gateway/cursor.h"
#include "gateway/gateway.h"
#include "gateway/json.h"
#include "gateway/metrics.h"
#include "gateway/router.h"
#include "gateway/server.h"

#define JSON_BODY_MAX (1u << 20)
#define CONNECTIONS_MAX 16384u
#define ACTIVE_MAX 8192u /* requests waiting for the node; beyond it new ones are shed with 503 */
#define IDEMPOTENCY_MS (24u * 3600u * 1000u)
#define JOB_BODY_MAX (4u << 20) /* 10,000 inputs of a name, a hash and a size need more than 1 MiB of JSON */

struct check;
struct ws_hub;
struct idem;

struct gateway {
    uv_loop_t *loop;
    struct http_server *server;
    const struct backend *backend;
    struct backend backend_copy;
    struct auth auth;
    struct cursor_seal seal;
    struct vl_log *log;
    const struct asset *assets;
    size_t assets_n;
    uint64_t max_json, max_blob;
    char version[32];
    vl_ms started_ms;
    struct vl_job_id last_job;
    struct vl_map in_flight; /* idempotency keys being worked on: vl_hash -> struct idem */
    struct ws_hub *hub;
    struct metrics *metrics;
    struct metric_series **by_class; /* [route + 1][6]: requests by class of status; the last route is "none" */
    struct metric_series **latency;  /* [route + 1] */
    struct check *checks; /* artefacts on the pool, api_proofs.c */
    void (*drained)(void *arg);
    void *drained_arg;
};

vl_ms gateway_wall_ms(void); /* since the epoch, by the system's clock */

/* ---- answers ---- */

/* problem+json (RFC 9457); `fields` are more header lines or NULL; errors may be NULL. */
void api_problem(struct http_req *r, uint16_t status, const char *code, const char *detail, const char *fields,
                 const struct schema_errors *errors);
/* The problem an error of the node stands for; detail NULL: the error's own text. */
void api_error(struct http_req *r, enum vl_err err, const char *detail);
void api_not_found(struct http_req *r, const char *what);
/* Begins a JSON answer in the server's scratch buffer; end it with api_send. */
struct jw api_json(struct http_req *r);
/* Sends it; keeps it first when the request carried an Idempotency-Key. `fields`: more header lines or NULL. */
void api_send(struct gateway *g, struct http_req *r, uint16_t status, struct jw *j, const char *fields);
void api_no_content(struct gateway *g, struct http_req *r, uint16_t status);

/* ---- views as JSON ---- */
extern const char *const view_node_state_names[];
extern const char *const view_job_state_names[];
void emit_node(struct jw *j, const struct view_node *v);
void emit_job_members(struct jw *j, const struct view_job *v); /* without the braces: detail adds more */
void emit_job(struct jw *j, const struct view_job *v);
void emit_task(struct jw *j, const struct view_task *v);
void emit_output(struct jw *j, const struct view_output *v);
void emit_spec(struct jw *j, const struct job_spec *s);
void emit_ticket_members(struct jw *j, const struct view_ticket *v);
void emit_node_id(struct jw *j, struct vl_node_id id);
/* The id of a job submitted now (api_jobs.c). */
struct vl_job_id gateway_job_id(struct gateway *g, vl_ms now);

/* ---- lists ---- */

/* A page: the sink emits until `left` is used up, one more item only proves that there is a next page. */
struct page {
    struct jw j;
    uint32_t left;
    bool more;
    uint8_t key[CURSOR_KEY_MAX]; /* of the last item emitted */
    size_t key_n;
};
struct page page_begin(struct http_req *r, const struct call *k);
/* True: emit the item. */
bool page_takes(struct page *p, const void *key, size_t key_n);
void page_send(struct gateway *g, struct http_req *r, struct page *p, enum cursor_kind kind);
/* Reads k->cursor. False: answered 400. *ret_n 0: from the start. */
bool page_cursor(struct gateway *g, struct http_req *r, const struct call *k, enum cursor_kind kind, size_t want_n,
                 uint8_t key[CURSOR_KEY_MAX], size_t *ret_n);

/* ---- handlers (api_*.c), named in routes.c ---- */
void api_health(struct gateway *g, struct http_req *r, const struct call *k);
void api_info(struct gateway *g, struct http_req *r, const struct call *k);
void api_metrics(struct gateway *g, struct http_req *r, const struct call *k);
void api_mix(struct gateway *g, struct http_req *r, const struct call *k);
void api_mix_relays(struct gateway *g, struct http_req *r, const struct call *k);
void api_mix_ping(struct gateway *g, struct http_req *r, const struct call *k);
void api_mix_charter(struct gateway *g, struct http_req *r, const struct call *k);
void api_rates(struct gateway *g, struct http_req *r, const struct call *k);
void api_measure(struct gateway *g, struct http_req *r, const struct call *k);
void api_quote(struct gateway *g, struct http_req *r, const struct call *k);
void api_prices(struct gateway *g, struct http_req *r, const struct call *k);
void api_auctions(struct gateway *g, struct http_req *r, const struct call *k);
void api_auction(struct gateway *g, struct http_req *r, const struct call *k);
void api_auction_open(struct gateway *g, struct http_req *r, const struct call *k);
void api_auction_cancel(struct gateway *g, struct http_req *r, const struct call *k);
void api_quorum_check(struct gateway *g, struct http_req *r, const struct call *k);
void api_agreements(struct gateway *g, struct http_req *r, const struct call *k);
void api_agreement(struct gateway *g, struct http_req *r, const struct call *k);
void api_harvest(struct gateway *g, struct http_req *r, const struct call *k);
void api_harvest_policy(struct gateway *g, struct http_req *r, const struct call *k);
void api_harvest_pause(struct gateway *g, struct http_req *r, const struct call *k);
void api_contributions(struct gateway *g, struct http_req *r, const struct call *k);
void api_openapi(struct gateway *g, struct http_req *r, const struct call *k);
void api_nodes(struct gateway *g, struct http_req *r, const struct call *k);
void api_node(struct gateway *g, struct http_req *r, const struct call *k);
void api_keys(struct gateway *g, struct http_req *r, const struct call *k);
void api_key(struct gateway *g, struct http_req *r, const struct call *k);
void api_revocations(struct gateway *g, struct http_req *r, const struct call *k);
void api_keys_rotate(struct gateway *g, struct http_req *r, const struct call *k);
void api_key_revoke(struct gateway *g, struct http_req *r, const struct call *k);
void api_node_expel(struct gateway *g, struct http_req *r, const struct call *k);
void api_node_attestation(struct gateway *g, struct http_req *r, const struct call *k);
void api_node_attest(struct gateway *g, struct http_req *r, const struct call *k);
void api_tee_create(struct gateway *g, struct http_req *r, const struct call *k);
void api_tee_close(struct gateway *g, struct http_req *r, const struct call *k);
void api_tee_status(struct gateway *g, struct http_req *r, const struct call *k);
void api_node_maintenance(struct gateway *g, struct http_req *r, const struct call *k);
void api_reputations(struct gateway *g, struct http_req *r, const struct call *k);
void api_reputation(struct gateway *g, struct http_req *r, const struct call *k);
void api_topology(struct gateway *g, struct http_req *r, const struct call *k);
void api_tickets(struct gateway *g, struct http_req *r, const struct call *k);
void api_ticket_create(struct gateway *g, struct http_req *r, const struct call *k);
void api_ticket_revoke(struct gateway *g, struct http_req *r, const struct call *k);
void api_blob_get(struct gateway *g, struct http_req *r, const struct call *k);
void api_blob_put(struct gateway *g, struct http_req *r, const struct call *k);
void api_job_submit(struct gateway *g, struct http_req *r, const struct call *k);
void api_jobs(struct gateway *g, struct http_req *r, const struct call *k);
void api_job(struct gateway *g, struct http_req *r, const struct call *k);
void api_job_explain(struct gateway *g, struct http_req *r, const struct call *k);
void api_job_tasks(struct gateway *g, struct http_req *r, const struct call *k);
void api_job_output(struct gateway *g, struct http_req *r, const struct call *k);
void api_job_events(struct gateway *g, struct http_req *r, const struct call *k);
void api_job_cancel(struct gateway *g, struct http_req *r, const struct call *k);
void api_job_receipts(struct gateway *g, struct http_req *r, const struct call *k);
void api_anchor(struct gateway *g, struct http_req *r, const struct call *k);
void api_anchor_proof(struct gateway *g, struct http_req *r, const struct call *k);
void api_log(struct gateway *g, struct http_req *r, const struct call *k);
void api_log_leaf(struct gateway *g, struct http_req *r, const struct call *k);
void api_log_consistency(struct gateway *g, struct http_req *r, const struct call *k);
void api_neighbours(struct gateway *g, struct http_req *r, const struct call *k);
void api_service(struct gateway *g, struct http_req *r, const struct call *k);
void api_keep(struct gateway *g, struct http_req *r, const struct call *k);
void api_proof_generate(struct gateway *g, struct http_req *r, const struct call *k);
void api_proof_verify(struct gateway *g, struct http_req *r, const struct call *k);
/* No artefact that is still on the pool will be answered. */
void api_proofs_forget(struct gateway *g);
void api_ws_ticket(struct gateway *g, struct http_req *r, const struct call *k);
void api_ws(struct gateway *g, struct http_req *r, const struct call *k);

/* assets.c: a file of the dashboard, or 404. */
void assets_serve(struct gateway *g, struct http_req *r);

extern const struct schema_row job_body_rows[], quorum_rows[], proof_generate_rows[], proof_verify_rows[];

/* http_req.server -> gateway */
struct gateway *gateway_of(struct http_req *r);

#endif
