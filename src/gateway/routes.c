/* routes.c - the table of routes. To add one: a row here and a handler in an api_*.c; everything else follows. */
#include "gateway/gateway_priv.h"

#define JSON "application/json"
#define BYTES "application/octet-stream"

static const struct query_row node_query[] = {
    { "state", QUERY_ENUM, view_node_state_names, "Only nodes in this state." },
    { "limit", QUERY_LIMIT, NULL, "Items on a page, 1 to 1000." },
    { "cursor", QUERY_CURSOR, NULL, "The `next` of the page before." },
    { 0 },
};
static const struct query_row job_query[] = {
    { "state", QUERY_ENUM, view_job_state_names, "Only jobs in this state." },
    { "limit", QUERY_LIMIT, NULL, "Items on a page, 1 to 1000." },
    { "cursor", QUERY_CURSOR, NULL, "The `next` of the page before." },
    { 0 },
};
static const struct query_row page_query[] = {
    { "limit", QUERY_LIMIT, NULL, "Items on a page, 1 to 1000." },
    { "cursor", QUERY_CURSOR, NULL, "The `next` of the page before." },
    { 0 },
};
static const struct query_row ws_query[] = {
    { "ticket", QUERY_TEXT, NULL, "From POST /v1/ws/ticket; used once, within 30 s." },
    { 0 },
};
static const struct schema_row ticket_rows[] = {
    { .name = "uses", .type = SCHEMA_INT, .min = 1, .max = 1000, .fallback = "1", .doc = "How many nodes may join with it." },
    { .name = "ttl_s", .type = SCHEMA_INT, .min = 60, .max = 2592000, .fallback = "86400", .doc = "Seconds until it expires." },
    { 0 },
};
static const struct schema_row maintenance_rows[] = {
    { .name = "on", .type = SCHEMA_BOOL, .required = true, .doc = "True: place no new tasks on it." },
    { 0 },
};

const struct route gateway_routes[] = {
    { .method = HTTP_GET, .path = "/v1/system/health", .name = "getHealth", .tag = "system", .open = true,
      .summary = "Is the node well?", .success = 200, .answer = "Status, version, uptime.", .media_type = JSON, .handle = api_health },
    { .method = HTTP_GET, .path = "/health", .name = "getHealthAlias", .tag = "system", .open = true,
      .summary = "The same for load balancers.", .success = 200, .answer = "Status, version, uptime.", .media_type = JSON, .handle = api_health },
    { .method = HTTP_GET, .path = "/v1/system/info", .name = "getInfo", .tag = "system",
      .summary = "What this node is.", .success = 200, .answer = "Version, names, libraries, machine.", .media_type = JSON, .handle = api_info },
    { .method = HTTP_GET, .path = "/v1/system/metrics", .name = "getMetrics", .tag = "system",
      .summary = "Metrics for Prometheus.", .success = 200, .answer = "Text exposition format 0.0.4.", .media_type = "text/plain", .handle = api_metrics },
    { .method = HTTP_GET, .path = "/v1/openapi.json", .name = "getOpenApi", .tag = "system", .open = true,
      .summary = "This description.", .success = 200, .answer = "OpenAPI 3.1.", .media_type = JSON, .handle = api_openapi },

    { .method = HTTP_GET, .path = "/v1/fog/nodes", .name = "listNodes", .tag = "nodes", .query = node_query,
      .summary = "Nodes of the village.", .success = 200, .answer = "A page of nodes.", .media_type = JSON, .handle = api_nodes },
    { .method = HTTP_GET, .path = "/v1/fog/nodes/{id}", .name = "getNode", .tag = "nodes",
      .summary = "One node.", .success = 200, .answer = "The node.", .media_type = JSON, .handle = api_node },
    { .method = HTTP_DELETE, .path = "/v1/fog/nodes/{id}", .name = "expelNode", .tag = "nodes",
      .summary = "Expel a node: its certificate is revoked, its links close, its tasks move.", .success = 204,
      .answer = "It is expelled.", .handle = api_node_expel },
    { .method = HTTP_POST, .path = "/v1/fog/nodes/{id}/maintenance", .name = "setMaintenance", .tag = "nodes", .body = ROUTE_JSON,
      .rows = maintenance_rows, .summary = "Begin or end maintenance of a node.", .success = 204, .answer = "It is set.",
      .handle = api_node_maintenance },
    { .method = HTTP_GET, .path = "/v1/fog/topology", .name = "getTopology", .tag = "nodes",
      .summary = "The last 100 snapshots of nodes and links.", .success = 200, .answer = "Snapshots, oldest first.", .media_type = JSON, .handle = api_topology },

    { .method = HTTP_POST, .path = "/v1/tickets", .name = "createTicket", .tag = "tickets", .body = ROUTE_JSON_OPTIONAL,
      .rows = ticket_rows, .summary = "Make a ticket with which nodes join.", .success = 201,
      .answer = "The ticket; its secret is shown this once.", .media_type = JSON, .handle = api_ticket_create },
    { .method = HTTP_GET, .path = "/v1/tickets", .name = "listTickets", .tag = "tickets", .query = page_query,
      .summary = "Tickets without their secrets.", .success = 200, .answer = "A page of tickets.", .media_type = JSON, .handle = api_tickets },
    { .method = HTTP_DELETE, .path = "/v1/tickets/{id}", .name = "revokeTicket", .tag = "tickets",
      .summary = "Revoke a ticket.", .success = 204, .answer = "No one joins with it any more.", .handle = api_ticket_revoke },

    { .method = HTTP_PUT, .path = "/v1/blobs/{hash}", .name = "putBlob", .tag = "blobs", .body = ROUTE_BYTES,
      .summary = "Store bytes under their BLAKE2b-256.", .success = 201, .answer = "Stored; 200 when it was here already.", .media_type = JSON, .begin = api_blob_put },
    { .method = HTTP_GET, .path = "/v1/blobs/{hash}", .name = "getBlob", .tag = "blobs",
      .summary = "The bytes of that hash; Range is understood.", .success = 200, .answer = "The bytes.", .media_type = BYTES, .handle = api_blob_get },

    { .method = HTTP_POST, .path = "/v1/fog/jobs", .name = "submitJob", .tag = "jobs", .body = ROUTE_JSON, .rows = job_body_rows,
      .body_max = JOB_BODY_MAX, .summary = "Submit a job.", .success = 201, .answer = "Accepted and durable; its summary.", .media_type = JSON, .handle = api_job_submit },
    { .method = HTTP_GET, .path = "/v1/fog/jobs", .name = "listJobs", .tag = "jobs", .query = job_query,
      .summary = "Jobs, newest first.", .success = 200, .answer = "A page of job summaries.", .media_type = JSON, .handle = api_jobs },
    { .method = HTTP_GET, .path = "/v1/fog/jobs/{id}", .name = "getJob", .tag = "jobs",
      .summary = "A job with its specification and first outputs.", .success = 200, .answer = "The job.", .media_type = JSON, .handle = api_job },
    { .method = HTTP_DELETE, .path = "/v1/fog/jobs/{id}", .name = "cancelJob", .tag = "jobs",
      .summary = "Cancel a job.", .success = 202, .answer = "It is being cancelled.", .handle = api_job_cancel },
    { .method = HTTP_GET, .path = "/v1/fog/jobs/{id}/tasks", .name = "listTasks", .tag = "jobs", .query = page_query,
      .summary = "Tasks of a job in order.", .success = 200, .answer = "A page of tasks.", .media_type = JSON, .handle = api_job_tasks },
    { .method = HTTP_GET, .path = "/v1/fog/jobs/{id}/output", .name = "getOutput", .tag = "jobs",
      .summary = "Standard output of all tasks in order, or of the merging task.", .success = 200, .answer = "The bytes.", .media_type = BYTES, .handle = api_job_output },
    { .method = HTTP_GET, .path = "/v1/fog/jobs/{id}/events", .name = "listEvents", .tag = "jobs", .query = page_query,
      .summary = "What happened to a job.", .success = 200, .answer = "A page of events.", .media_type = JSON, .handle = api_job_events },

    { .method = HTTP_POST, .path = "/v1/ws/ticket", .name = "createSocketTicket", .tag = "events", .body = ROUTE_JSON_OPTIONAL,
      .summary = "A ticket to open the WebSocket with.", .success = 200, .answer = "The ticket; once, within 30 s.", .media_type = JSON, .handle = api_ws_ticket },
    { .method = HTTP_GET, .path = "/v1/ws", .name = "openSocket", .tag = "events", .open = true, .query = ws_query,
      .summary = "WebSocket of events: subscribe to jobs, nodes or tasks:JOBID.", .success = 101, .answer = "Switched to WebSocket.", .handle = api_ws },
};
const size_t gateway_routes_n = sizeof gateway_routes / sizeof gateway_routes[0];
