/* api_mix.c - the private network: its state as this node sees it, its relays, its charter. */
#include "gateway/gateway_priv.h"

#include "crypto/node_id.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_levels(struct jw *j, const struct view_mix *v) {
    jw_key(j, "levels");
    jw_arr(j);
    for (unsigned i = 0; i < VIEW_LEVELS; i++) {
        jw_obj(j);
        jw_put_str(j, "name", v->levels[i].name);
        jw_put_bool(j, "available", v->levels[i].available);
        if (v->levels[i].available)
            jw_put_u64(j, "mean_delay_ms", v->levels[i].mean_delay_ms);
        else
            jw_put_str(j, "reason", v->levels[i].reason);
        jw_obj_end(j);
    }
    jw_arr_end(j);
}

static void put_relay(struct jw *j, const struct view_mix *v) {
    jw_key(j, "relay");
    jw_obj(j);
    jw_put_bool(j, "on", v->relay);
    jw_put_u64(j, "received", v->received);
    jw_put_u64(j, "made", v->made);
    jw_put_u64(j, "forwarded", v->forwarded);
    jw_put_u64(j, "delivered", v->delivered);
    jw_put_u64(j, "queued", v->queued);
    jw_put_u64(j, "rate", v->rate);
    jw_put_u64(j, "replay_entries", v->replay_entries);
    jw_put_u64(j, "replay_capacity", v->replay_capacity);
    jw_key(j, "dropped");
    jw_obj(j);
    for (uint32_t i = 0; i < v->drops_n; i++) jw_put_u64(j, v->drops[i].reason, v->drops[i].n);
    jw_obj_end(j);
    jw_obj_end(j);
}

static void put_client(struct jw *j, const struct view_mix *v) {
    jw_key(j, "client");
    jw_obj(j);
    if (v->has_provider) {
        jw_key(j, "provider");
        emit_node_id(j, v->provider);
    }
    jw_put_u64(j, "slots", v->slots);
    jw_put_u64(j, "filled", v->filled);
    jw_put_u64(j, "loops", v->loops);
    jw_put_u64(j, "loops_back", v->loops_back);
    jw_put_u64(j, "loops_lost", v->loops_lost);
    jw_put_u64(j, "loss_permille", v->loss_permille);
    jw_put_u64(j, "delay_p50_ms", v->delay_p50_ms);
    jw_put_u64(j, "delay_p95_ms", v->delay_p95_ms);
    jw_put_u64(j, "messages_out", v->messages_out);
    jw_put_u64(j, "messages_in", v->messages_in);
    jw_put_u64(j, "messages_failed", v->messages_failed);
    jw_put_u64(j, "loops_audited", v->audited);
    jw_put_u64(j, "loops_early", v->early);
    jw_put_u64(j, "loops_late", v->late);
    jw_put_u64(j, "loops_unproven", v->unproven);
    jw_put_u64(j, "fragments", v->fragments);
    jw_put_u64(j, "retransmitted", v->retransmitted);
    jw_obj_end(j);
}

void api_mix(struct gateway *g, struct http_req *r, const struct call *k) {
    struct view_mix v = { 0 };
    struct jw j = api_json(r);
    (void)k;
    g->backend->ops->mix(g->backend->self, &v);
    jw_obj(&j);
    jw_put_bool(&j, "charter", v.charter);
    jw_put_u64(&j, "epoch", v.epoch);
    jw_put_u64(&j, "epoch_ms", v.epoch_ms);
    jw_put_ms(&j, "epoch_ends_ms", v.epoch_ends_ms);
    jw_put_u64(&j, "authorities", v.authorities);
    jw_put_u64(&j, "threshold", v.threshold);
    jw_put_u64(&j, "consensus_epoch", v.consensus_epoch);
    jw_put_ms(&j, "valid_until_ms", v.valid_until_ms);
    jw_put_u64(&j, "relays", v.relays);
    jw_put_u64(&j, "recipients", v.clients);
    put_levels(&j, &v);
    put_client(&j, &v);
    put_relay(&j, &v);
    jw_key(&j, "authority");
    jw_obj(&j);
    jw_put_bool(&j, "on", v.authority);
    jw_put_u64(&j, "votes", v.votes);
    jw_put_u64(&j, "consensuses", v.consensuses);
    jw_put_u64(&j, "failed_epochs", v.failed_epochs);
    jw_put_u64(&j, "equivocations", v.equivocations);
    jw_obj_end(&j);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

static void on_relay(void *arg, const struct view_relay *v) {
    struct jw *j = arg;
    jw_obj(j);
    jw_put_u64(j, "number", v->number);
    jw_key(j, "id");
    emit_node_id(j, v->id);
    jw_put_str(j, "addr", v->addr);
    jw_put_bool(j, "self", v->self);
    jw_put_u64(j, "layer", v->layer);
    jw_put_u64(j, "bandwidth", v->bandwidth);
    jw_put_u64(j, "rate", v->rate);
    jw_put_u64(j, "mean_delay_ms", v->mean_delay_ms);
    jw_put_u64(j, "reputation", v->reputation);
    jw_obj_end(j);
}

void api_mix_relays(struct gateway *g, struct http_req *r, const struct call *k) {
    struct jw j = api_json(r);
    (void)k;
    jw_obj(&j);
    jw_key(&j, "items");
    jw_arr(&j);
    g->backend->ops->relays(g->backend->self, on_relay, &j);
    jw_arr_end(&j);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

struct mix_call {
    struct gateway *g;
    struct http_req *r;
};

static void charter_done(void *arg, enum vl_err err, const char *detail) {
    struct mix_call *c = arg;
    if (err)
        api_error(c->r, err, detail);
    else
        api_no_content(c->g, c->r, 204);
    free(c);
}

void api_mix_charter(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id ids[16];
    const json_t *list = json_object_get(k->body, "authorities");
    struct backend_charter c = { .authorities = ids,
                                 .threshold = (uint32_t)schema_u64(k->body, "threshold", 0),
                                 .epoch_ms = (uint32_t)schema_u64(k->body, "epoch_ms", 0),
                                 .floor = (uint32_t)schema_u64(k->body, "floor", 0) };
    for (size_t i = 0; i < json_array_size(list) && i < sizeof ids / sizeof ids[0]; i++)
        if (node_id_parse(json_string_value(json_array_get(list, i)), &ids[c.n++]) != VL_OK) {
            struct schema_errors e = { 0 };
            char at[32];
            snprintf(at, sizeof at, "/authorities/%zu", i);
            schema_error_add(&e, at, "is no node id");
            api_problem(r, 422, "validation", "A field of the body is wrong.", NULL, &e);
            return;
        }
    struct mix_call *call = malloc(sizeof *call);
    enum vl_err err = call ? VL_OK : VL_ENOMEM;
    if (call) *call = (struct mix_call){ .g = g, .r = r };
    if (err == VL_OK) err = g->backend->ops->mix_charter(g->backend->self, &c, charter_done, call);
    if (err == VL_OK) return;
    free(call);
    api_error(r, err,
              err == VL_ENOTFOUND ? "One of the authorities is no member of this village."
              : err == VL_ESTATE  ? "One of the authorities accepts no links: start it with an address for --listen."
              : err == VL_ERANGE  ? "Name 3 to 9 different members, and a threshold of more than half of them."
              : err == VL_EUNSUPPORTED ? "Only the coordinator, which holds the village's root key, can do this."
                                       : NULL);
}

static void ponged(void *arg, enum vl_err err, const char *detail, uint32_t rtt_ms) {
    struct mix_call c = *(struct mix_call *)arg;
    free(arg);
    if (err) {
        api_error(c.r, err, detail);
        return;
    }
    struct jw j = api_json(c.r);
    jw_obj(&j);
    jw_put_u64(&j, "rtt_ms", rtt_ms);
    jw_obj_end(&j);
    api_send(c.g, c.r, 200, &j, NULL);
}

void api_mix_ping(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id to;
    if (node_id_parse(schema_str(k->body, "node", ""), &to) != VL_OK) {
        struct schema_errors e = { 0 };
        schema_error_add(&e, "/node", "is no node id");
        api_problem(r, 422, "validation", "A field of the body is wrong.", NULL, &e);
        return;
    }
    struct mix_call *call = malloc(sizeof *call);
    enum vl_err err = call ? VL_OK : VL_ENOMEM;
    if (call) *call = (struct mix_call){ .g = g, .r = r };
    if (err == VL_OK)
        err = g->backend->ops->mix_ping(g->backend->self, to, schema_str(k->body, "level", "private"), ponged, call);
    if (err == VL_OK) return;
    free(call);
    api_error(r, err, NULL);
}
