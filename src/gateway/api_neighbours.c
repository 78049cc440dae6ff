/* api_neighbours.c - draws of an epoch as this node sees them, and what it promises to keep. */
#include "gateway/gateway_priv.h"

#include "base/text.h"
#include "brain/brain.h"
#include "crypto/node_id.h"

#include <stdlib.h>

static void put_list(struct jw *j, const char *key, const struct brain_topology *t, unsigned which) {
    jw_key(j, key);
    jw_arr(j);
    for (uint32_t i = 0; i < t->n[which]; i++) emit_node_id(j, t->neighbour[which][i]);
    jw_arr_end(j);
}

static void put_counters(struct jw *j, const struct brain_topology_counters *c) {
    jw_key(j, "checks");
    jw_obj(j);
    jw_put_u64(j, "epochs_recomputed", c->closes);
    jw_put_u64(j, "states_taken", c->states);
    jw_put_u64(j, "rolls_refused", c->refused_rolls);
    jw_put_u64(j, "books_differed", c->disagreed);
    jw_put_u64(j, "reveals_left_out", c->left_out);
    jw_put_u64(j, "certificates_checked", c->checked);
    jw_put_u64(j, "refused", c->refused);
    jw_obj_end(j);
    jw_key(j, "challenges");
    jw_obj(j);
    jw_put_u64(j, "asked", c->asked);
    jw_put_u64(j, "answered", c->answered);
    jw_put_u64(j, "unanswered", c->unanswered);
    jw_put_u64(j, "own_answers", c->answers);
    jw_put_u64(j, "statements", c->statements);
    jw_obj_end(j);
}

void api_neighbours(struct gateway *g, struct http_req *r, const struct call *k) {
    struct brain_topology t;
    struct vl_node_id self;
    (void)k;
    g->backend->ops->neighbours(g->backend->self, &t, &self);
    struct jw j = api_json(r);
    jw_obj(&j);
    jw_key(&j, "node");
    emit_node_id(&j, self);
    jw_put_bool(&j, "known", t.known);
    jw_put_u64(&j, "epoch", t.epoch);
    jw_put_u64(&j, "epoch_ms", t.epoch_ms);
    jw_put_ms(&j, "began_ms", t.began_ms);
    jw_put_hex(&j, "seed", t.seed.b, sizeof t.seed.b);
    jw_put_u64(&j, "members", t.members);
    jw_put_u64(&j, "weight", t.weight);
    jw_put_u64(&j, "weight_of_all", t.total);
    jw_put_u64(&j, "silences", t.missed);
    put_list(&j, "neighbours", &t, 0);
    put_list(&j, "next", &t, 1);
    jw_put_u64(&j, "witness_of", t.watched);
    jw_put_u64(&j, "kept_bytes", t.kept_bytes);
    put_counters(&j, &t.counters);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

void api_service(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    struct sla_counters n;
    struct vl_span cert;
    char text[VL_BASE64_SIZE(CERT_BYTES_MAX)];
    if (node_id_parse(k->param, &id) != VL_OK || !g->backend->ops->service(g->backend->self, id, &n, &cert) || cert.n > CERT_BYTES_MAX) {
        api_not_found(r, "No witness has stated anything of this node here: the coordinator counts, from the first epoch on in which it was drawn for.");
        return;
    }
    struct jw j = api_json(r);
    jw_obj(&j);
    jw_put_u64(&j, "answered", n.answered);
    jw_put_u64(&j, "asked", n.asked);
    jw_put_u64(&j, "epochs", n.epochs);
    jw_put_u64(&j, "stored", n.stored);
    jw_put_u64(&j, "latency_ms", n.latency_ms);
    jw_put_u64(&j, "first_epoch", n.first_epoch);
    jw_put_u64(&j, "last_epoch", n.last_epoch);
    vl_base64_encode(cert.p, cert.n, text);
    jw_put_str(&j, "certificate", text);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

struct waiting {
    struct gateway *g;
    struct http_req *r;
};

static void kept(void *arg, enum vl_err err, const char *detail) {
    struct waiting w = *(struct waiting *)arg;
    free(arg);
    if (err == VL_ENOTFOUND || err == VL_EIO)
        api_not_found(w.r, "The blob is not here, or cannot be read: send it first.");
    else if (err)
        api_error(w.r, err, detail);
    else
        api_no_content(w.g, w.r, 204);
}

void api_keep(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_hash blob;
    struct waiting *w = malloc(sizeof *w);
    if (w == NULL || vl_hex_decode(schema_str(k->body, "blob", ""), blob.b, sizeof blob.b)) {
        free(w);
        api_error(r, w ? VL_EPARSE : VL_ENOMEM, NULL);
        return;
    }
    *w = (struct waiting){ g, r };
    enum vl_err err = g->backend->ops->keep(g->backend->self, blob, kept, w);
    if (err) kept(w, err, NULL);
}
