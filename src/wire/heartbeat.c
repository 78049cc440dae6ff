#include "wire/heartbeat.h"

#include "wire/pack.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_HEARTBEAT = 0x30, VERSION = 3 };
enum { LOAD_MAX = 1000000 };

int task_ref_compare(const struct task_ref *a, const struct task_ref *b) {
    int c = memcmp(a->job.b, b->job.b, sizeof a->job.b);
    if (c != 0) return c;
    if (a->task != b->task) return a->task < b->task ? -1 : 1;
    return a->epoch < b->epoch ? -1 : a->epoch > b->epoch;
}

static int compare_void(const void *a, const void *b) { return task_ref_compare(a, b); }

uint32_t task_refs_sort(struct task_ref *refs, uint32_t n) {
    if (n < 2) return n;
    qsort(refs, n, sizeof *refs, compare_void);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < n; i++)
        if (task_ref_compare(&refs[i], &refs[kept - 1]) != 0) refs[kept++] = refs[i];
    return kept;
}

bool task_refs_sorted(const struct task_ref *refs, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        if (task_ref_compare(&refs[i - 1], &refs[i]) >= 0) return false;
    return true;
}

static bool ascii_ok(const char *s, size_t size) {
    size_t n = strnlen(s, size);
    for (size_t i = 0; i < n; i++)
        if (s[i] < 0x20 || s[i] >= 0x7f) return false;
    return n < size;
}

static bool heartbeat_ok(const struct heartbeat *h) {
    if (h->kind < NODE_EDGE || h->kind > NODE_GATEWAY || h->protocol == 0) return false;
    const struct node_caps *c = &h->caps;
    if (c->slots > NODE_SLOTS_MAX || h->free_slots > c->slots || h->load_milli > LOAD_MAX) return false;
    if (c->memory_bytes > TASK_MEMORY_MAX || c->disk_bytes > TASK_MEMORY_MAX ||
        h->memory_free_bytes > c->memory_bytes || h->disk_free_bytes > c->disk_bytes)
        return false;
    if (c->cost > TERMS_PRICE_MAX || c->ask > TERMS_PRICE_MAX || (unsigned)h->harvest > HARVEST_SAYS_AWAY) return false;
    for (unsigned d = 0; d < DOMAINS; d++)
        if (!ascii_ok(c->domain[d], sizeof c->domain[d])) return false;
    if (!ascii_ok(c->version, sizeof c->version) || !ascii_ok(h->addr, sizeof h->addr)) return false;
    if (h->n_running > HEARTBEAT_RUNNING_MAX || !task_refs_sorted(h->running, h->n_running)) return false;
    for (uint32_t i = 0; i < h->n_running; i++)
        if (h->running[i].epoch == 0 || h->running[i].task >= TASK_INDEX_MAX) return false;
    return true;
}

enum vl_err heartbeat_encode(const struct heartbeat *h, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_HEARTBEAT, VERSION);
    if (!heartbeat_ok(h)) pack_fail(&w, VL_ERANGE);
    const struct node_caps *c = &h->caps;
    pack_u8(&w, (uint8_t)h->kind);
    pack_u32(&w, h->protocol);
    pack_u32(&w, c->cpus);
    pack_u32(&w, c->slots);
    pack_u64(&w, c->memory_bytes);
    pack_u64(&w, c->disk_bytes);
    pack_u32(&w, c->gpus);
    pack_u64(&w, c->gpu_memory_bytes);
    pack_u64(&w, c->bandwidth_bps);
    pack_u32(&w, c->features);
    for (unsigned d = 0; d < DOMAINS; d++)
        pack_span8(&w, vl_span(c->domain[d], strnlen(c->domain[d], sizeof c->domain[d])));
    pack_u64(&w, c->cost);
    pack_u64(&w, c->ask);
    pack_span8(&w, vl_span(c->version, strnlen(c->version, sizeof c->version)));
    pack_span8(&w, vl_span(h->addr, strnlen(h->addr, sizeof h->addr)));
    pack_u64(&w, h->started_ms);
    pack_u8(&w, (uint8_t)h->harvest);
    pack_u32(&w, h->free_slots);
    pack_u32(&w, h->load_milli);
    pack_u64(&w, h->memory_free_bytes);
    pack_u64(&w, h->disk_free_bytes);
    pack_u64(&w, h->done);
    pack_u64(&w, h->failed);
    pack_u16(&w, (uint16_t)h->n_running);
    for (uint32_t i = 0; i < h->n_running && w.err == VL_OK; i++) {
        pack_bytes(&w, h->running[i].job.b, sizeof h->running[i].job.b);
        pack_u32(&w, h->running[i].task);
        pack_u64(&w, h->running[i].epoch);
    }
    return pack_end(&w);
}

enum vl_err heartbeat_decode(struct vl_span in, struct heartbeat *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_HEARTBEAT, VERSION);
    if (err) return err;
    /* The list of runs is 16 KiB and mostly empty: it is neither cleared nor copied beyond what is in it. */
    struct heartbeat h;
    memset(&h, 0, offsetof(struct heartbeat, running));
    h.kind = (enum node_kind)unpack_u8_in(&r, NODE_EDGE, NODE_GATEWAY);
    h.protocol = vl_read_u32(&r);
    h.caps.cpus = vl_read_u32(&r);
    h.caps.slots = vl_read_u32(&r);
    h.caps.memory_bytes = vl_read_u64(&r);
    h.caps.disk_bytes = vl_read_u64(&r);
    h.caps.gpus = vl_read_u32(&r);
    h.caps.gpu_memory_bytes = vl_read_u64(&r);
    h.caps.bandwidth_bps = vl_read_u64(&r);
    h.caps.features = vl_read_u32(&r);
    for (unsigned d = 0; d < DOMAINS; d++) unpack_ascii8(&r, h.caps.domain[d], sizeof h.caps.domain[d]);
    h.caps.cost = vl_read_u64(&r);
    h.caps.ask = vl_read_u64(&r);
    unpack_ascii8(&r, h.caps.version, sizeof h.caps.version);
    unpack_ascii8(&r, h.addr, sizeof h.addr);
    h.started_ms = vl_read_u64(&r);
    h.harvest = (enum node_harvest)unpack_u8_in(&r, HARVEST_SAYS_ALWAYS, HARVEST_SAYS_AWAY);
    h.free_slots = vl_read_u32(&r);
    h.load_milli = vl_read_u32(&r);
    h.memory_free_bytes = vl_read_u64(&r);
    h.disk_free_bytes = vl_read_u64(&r);
    h.done = vl_read_u64(&r);
    h.failed = vl_read_u64(&r);
    h.n_running = vl_read_u16(&r);
    unpack_require(&r, h.n_running <= HEARTBEAT_RUNNING_MAX);
    for (uint32_t i = 0; i < h.n_running && !r.failed; i++) {
        h.running[i].job = unpack_job(&r);
        h.running[i].task = vl_read_u32(&r);
        h.running[i].epoch = vl_read_u64(&r);
    }
    err = vl_reader_end(&r);
    if (err == VL_OK && !heartbeat_ok(&h)) err = VL_EPARSE;
    if (err == VL_OK) memcpy(ret, &h, offsetof(struct heartbeat, running) + h.n_running * sizeof h.running[0]);
    return err;
}
