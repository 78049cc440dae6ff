/* node_mix.c - the private network of a node, for the gateway: the part of node_backend.c that deals with it. */
#include "gateway/node_backend.h"

#include "fog/registry.h"
#include "wire/level.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

static void levels(struct node *n, struct view_mix *ret) {
    for (unsigned i = 0; i < VIEW_LEVELS; i++) {
        struct view_level *v = &ret->levels[i];
        enum mix_level level = (enum mix_level)(i + 1);
        struct vl_errmsg msg = { "" };
        uint16_t mean = 0;
        enum vl_err err = node_mix_level(n, level, &mean, &msg);
        v->name = mix_level_name(level);
        v->available = err == VL_OK;
        v->mean_delay_ms = mean;
        if (err) snprintf(v->reason, sizeof v->reason, "%.190s", msg.text[0] ? msg.text : vl_err_text(err));
    }
}

void node_backend_mix(void *self, struct view_mix *ret) {
    struct node *n = node_of(self);
    struct brain_mix_view v;
    brain_mix_view(node_brain(n), &v);
    *ret = (struct view_mix){ .charter = v.charter != NULL,
                              .relay = v.relay_on,
                              .authority = v.authority_on,
                              .epoch = v.epoch,
                              .slots = v.cover.payload + v.cover.loops + v.cover.drops,
                              .filled = v.cover.filled,
                              .loops = v.cover.loops,
                              .loops_back = v.cover.back,
                              .loops_lost = v.cover.lost,
                              .loss_permille = v.cover.loss_permille,
                              .delay_p50_ms = v.cover.delay_p50_ms,
                              .delay_p95_ms = v.cover.delay_p95_ms,
                              .messages_out = v.counters.messages_out,
                              .messages_in = v.counters.messages_in,
                              .messages_failed = v.counters.messages_failed,
                              .fragments = v.channel.fragments,
                              .retransmitted = v.channel.retransmitted,
                              .received = v.relay.received,
                              .made = v.relay.made,
                              .forwarded = v.relay.forwarded,
                              .delivered = v.relay.delivered,
                              .queued = v.relay.ingress + v.relay.delayed,
                              .rate = v.relay.rate,
                              .replay_entries = v.relay.replay.entries,
                              .replay_capacity = v.relay.replay.capacity,
                              .audited = v.audit.judged,
                              .early = v.audit.early,
                              .late = v.audit.late,
                              .unproven = v.audit.unproven,
                              .votes = v.authority.votes,
                              .consensuses = v.authority.consensuses,
                              .failed_epochs = v.authority.failed_epochs,
                              .equivocations = v.counters.equivocations };
    if (v.charter) {
        ret->epoch_ms = v.charter->epoch_ms;
        ret->authorities = v.charter->n;
        ret->threshold = v.charter->threshold;
        ret->epoch_ends_ms = mix_epoch_start(v.charter, v.epoch + 1);
    }
    if (v.consensus) {
        ret->consensus_epoch = v.consensus->epoch;
        ret->valid_until_ms = v.consensus->valid_until;
        ret->relays = v.consensus->relays_n;
        ret->clients = v.consensus->clients_n;
    }
    static const struct vl_node_id nobody;
    ret->has_provider = !vl_node_eq(v.provider, nobody);
    ret->provider = v.provider;
    for (unsigned i = 0; i < RELAY_DROPS && i < VIEW_DROPS_MAX; i++, ret->drops_n++) {
        ret->drops[i].reason = relay_drop_name((enum relay_drop)i);
        ret->drops[i].n = v.relay.dropped[i];
    }
    levels(n, ret);
}

void node_backend_relays(void *self, view_relay_fn sink, void *arg) {
    struct brain_mix_view v;
    struct vl_node_id me = brain_node_id(node_brain(node_of(self)));
    brain_mix_view(node_brain(node_of(self)), &v);
    for (uint32_t i = 0; v.consensus && i < v.consensus->relays_n; i++) {
        const struct mix_relay *r = &v.consensus->relays[i];
        sink(arg, &(struct view_relay){ .number = r->number,
                                        .id = r->node,
                                        .addr = r->addr,
                                        .self = vl_node_eq(r->node, me),
                                        .layer = r->layer,
                                        .bandwidth = r->bandwidth,
                                        .rate = r->rate,
                                        .mean_delay_ms = r->mean_delay_ms,
                                        .reputation = r->reputation });
    }
}

static int by_node(const void *a, const void *b) { return memcmp(a, b, 32); }

enum vl_err node_backend_charter(struct node *n, const struct backend_charter *in, struct mix_charter *ret) {
    const struct registry *reg = brain_registry(node_brain(n));
    struct vl_node_id ids[MIX_AUTHORITIES_MAX];
    if (reg == NULL) return VL_EUNSUPPORTED;
    if (in->n < MIX_AUTHORITIES_MIN || in->n > MIX_AUTHORITIES_MAX) return VL_ERANGE;
    uint32_t threshold = in->threshold ? in->threshold : in->n / 2 + 1,
             epoch = in->epoch_ms ? in->epoch_ms : MIX_EPOCH_MS;
    if (threshold <= in->n / 2 || threshold > in->n || epoch < MIX_EPOCH_MS_MIN) return VL_ERANGE;
    memcpy(ids, in->authorities, in->n * sizeof ids[0]);
    qsort(ids, in->n, sizeof ids[0], by_node);
    /* half an epoch ago: descriptors are still taken, and the first consensus comes within the other half */
    *ret = (struct mix_charter){
        .genesis_ms = node_now(n) - epoch / 2,
        .epoch_ms = epoch,
        .n = (uint8_t)in->n,
        .threshold = (uint8_t)threshold,
        .anonymity_floor = in->floor ? in->floor : MIX_FLOOR_DEFAULT,
    };
    for (uint32_t i = 0; i < in->n; i++) {
        const struct node_record *r = registry_get(reg, ids[i]);
        if (r == NULL) return VL_ENOTFOUND;
        if (r->addr[0] == '\0') return VL_ESTATE;
        if (i > 0 && vl_node_eq(ids[i], ids[i - 1])) return VL_ERANGE;
        ret->authority[i].node = ids[i];
        memcpy(ret->authority[i].addr, r->addr, sizeof ret->authority[i].addr);
    }
    return VL_OK;
}

void node_backend_mix_metrics(void *self, view_metric_fn sink, void *arg) {
    struct view_mix v;
    node_backend_mix(self, &v);
    const struct {
        const char *name, *help;
        enum view_metric_type type;
        double value;
    } rows[] = {
        { "village_mix_epoch", "Epoch of the private network.", VIEW_GAUGE, (double)v.epoch },
        { "village_mix_consensus_epoch", "Epoch of the consensus in force; 0: none.", VIEW_GAUGE,
          (double)v.consensus_epoch },
        { "village_mix_relays", "Relays in the consensus.", VIEW_GAUGE, v.relays },
        { "village_mix_packets_received_total", "Packets that came to this relay.", VIEW_COUNTER, (double)v.received },
        { "village_mix_packets_made_total", "Packets that this relay sent of its own.", VIEW_COUNTER, (double)v.made },
        { "village_mix_packets_forwarded_total", "Packets handed to the next relay.", VIEW_COUNTER,
          (double)v.forwarded },
        { "village_mix_packets_delivered_total", "Packets put into a mailbox here.", VIEW_COUNTER,
          (double)v.delivered },
        { "village_mix_packets_queued", "Packets that wait here.", VIEW_GAUGE, v.queued },
        { "village_mix_replay_entries", "Tags in the replay tables of the live keys.", VIEW_GAUGE,
          (double)v.replay_entries },
        { "village_mix_replay_capacity", "Tags that fit into them.", VIEW_GAUGE, (double)v.replay_capacity },
        { "village_mix_slots_total", "Packets this member sent as a client, cover included.", VIEW_COUNTER,
          (double)v.slots },
        { "village_mix_loops_lost_total", "Loops of this member that did not come back.", VIEW_COUNTER,
          (double)v.loops_lost },
        { "village_mix_loop_delay_seconds", "Median transit of its last loops.", VIEW_GAUGE,
          (double)v.delay_p50_ms / 1000 },
        { "village_mix_messages_sent_total", "Private messages sent.", VIEW_COUNTER, (double)v.messages_out },
        { "village_mix_messages_received_total", "Private messages received.", VIEW_COUNTER, (double)v.messages_in },
        { "village_mix_loops_audited_total", "Own loops whose delays were checked against the proofs.", VIEW_COUNTER,
          (double)v.audited },
        { "village_mix_loops_early_total", "Of these, faster than the delays assigned: a relay did not wait.",
          VIEW_COUNTER, (double)v.early },
        { "village_mix_loops_late_total", "Of these, slower than the tolerance allows.", VIEW_COUNTER, (double)v.late },
        { "village_mix_equivocations_total", "Directory authorities caught with two documents for one epoch.",
          VIEW_COUNTER, (double)v.equivocations },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sink(arg, &(struct view_metric){
                      .name = rows[i].name, .help = rows[i].help, .type = rows[i].type, .value = rows[i].value });
    for (uint32_t i = 0; i < v.drops_n; i++)
        sink(arg, &(struct view_metric){ .name = "village_mix_packets_dropped_total",
                                         .help = "Packets dropped by this relay, by reason.",
                                         .type = VIEW_COUNTER,
                                         .label = "reason",
                                         .label_value = v.drops[i].reason,
                                         .value = (double)v.drops[i].n });
}

struct ping_call {
    backend_ping_fn done;
    void *arg;
};

static void ponged(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct ping_call c = *(struct ping_call *)arg;
    free(arg);
    c.done(c.arg, err, detail, bytes.n == 4 ? vl_get_u32(bytes.p) : 0);
}

enum vl_err node_backend_ping(void *self, struct vl_node_id to, const char *level, backend_ping_fn done, void *arg) {
    enum mix_level at;
    if (!mix_level_parse(level, &at) || at == MIX_OFF) return VL_ERANGE;
    struct ping_call *c = malloc(sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    *c = (struct ping_call){ .done = done, .arg = arg };
    node_mix_ping(node_of(self), to, at, ponged, c);
    return VL_OK;
}
