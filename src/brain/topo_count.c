/* Sums of what witnesses stated of each node: what the coordinator signs commitments of (trust/sla.h). */
#include "brain/topo_priv.h"

#include <stdlib.h>

#define COUNT_BYTES 56u
#define SMALL_MAX UINT32_MAX
#define LATENCY_MAX ((1ull << 48) - 1)

/* All of them stop together: a share must not grow because only what it is a share of has come to its end. */
static bool full(const struct sla_counters *n, const struct challenge_count *c) {
    return n->asked + c->answered + c->unanswered > SMALL_MAX || n->stored + c->stored > SMALL_MAX || n->epochs >= SMALL_MAX ||
           c->latency_ms > LATENCY_MAX - n->latency_ms;
}

/* With the commit that keeps the statement: counted once, whatever falls in between. */
void topo_count_add(struct brain *b, struct vl_node_id node, uint64_t epoch, const struct challenge_count *c) {
    struct topo *t = b->topo;
    struct sla_counters *n = vl_map_get(&t->counts, node.b);
    uint8_t row[COUNT_BYTES];
    struct vl_writer w = vl_writer(row, sizeof row);
    if (n == NULL) {
        n = calloc(1, sizeof *n);
        if (n == NULL || vl_map_put(&t->counts, node.b, n)) {
            free(n);
            return;
        }
        n->first_epoch = epoch;
    }
    if (full(n, c)) return;
    n->last_epoch = epoch;
    n->answered += c->answered;
    n->asked += (uint64_t)c->answered + c->unanswered;
    n->epochs++;
    n->stored += c->stored;
    n->latency_ms += c->latency_ms;
    const uint64_t v[] = { n->answered, n->asked, n->epochs, n->stored, n->latency_ms, n->first_epoch, n->last_epoch };
    for (unsigned i = 0; i < 7; i++) vl_write_u64(&w, v[i]);
    topo_row(b, node, ROW_COUNT, vl_span(row, sizeof row));
}

enum vl_err topo_count_restore(struct brain *b, struct vl_node_id node, struct vl_span bytes) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    struct sla_counters *n = calloc(1, sizeof *n);
    if (n == NULL) return VL_ENOMEM;
    n->answered = vl_read_u64(&r);
    n->asked = vl_read_u64(&r);
    n->epochs = vl_read_u64(&r);
    n->stored = vl_read_u64(&r);
    n->latency_ms = vl_read_u64(&r);
    n->first_epoch = vl_read_u64(&r);
    n->last_epoch = vl_read_u64(&r);
    bool bad = vl_reader_end(&r) != VL_OK || n->answered > n->asked || n->asked > SMALL_MAX || n->epochs > SMALL_MAX || n->stored > n->answered || n->latency_ms > LATENCY_MAX || n->first_epoch > n->last_epoch;
    if (bad || vl_map_get(&b->topo->counts, node.b) || vl_map_put(&b->topo->counts, node.b, n)) {
        free(n);
        return bad ? VL_ECORRUPT : VL_ENOMEM;
    }
    return VL_OK;
}

struct vl_span brain_certificate(const struct brain *b) { return vl_span(b->certificate, b->certificate_n); }

bool brain_service(const struct brain *b, struct vl_node_id node, struct sla_counters *ret) {
    const struct sla_counters *n = vl_map_get(&b->topo->counts, node.b);
    if (n) *ret = *n;
    return n != NULL;
}
