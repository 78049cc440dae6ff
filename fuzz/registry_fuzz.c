/* The registry under a list of events, and its records under raw bytes.  First byte 0: the rest is a record; 255: a node's
 * standing. */
#include "fog/registry.h"

#include <stdlib.h>
#include <string.h>

static void check(const struct registry *r, vl_ms now) {
    uint32_t n = 0;
    for (const struct node_record *rec = registry_next(r, NULL); rec != NULL; rec = registry_next(r, &rec->id), n++) {
        struct sched_node s;
        registry_sched_node(rec, now, NULL, &s);
        if (s.free_slots > s.slots || registry_get(r, rec->id) != rec) abort();
    }
    if (n != registry_count(r)) abort();
}

static void step(struct registry *r, const struct registry_event *ev) {
    static struct registry_effects fx;
    (void)!registry_step(r, ev, &fx);
    if (fx.n > REGISTRY_EFFECTS_MAX) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct registry_config config;
    registry_config_defaults(&config);
    config.max_nodes = 12;
    struct registry *r = registry_create(&config);
    vl_ms now = 1000;
    if (n > 0 && p[0] == 0) {
        struct registry_event ev = { .kind = REGISTRY_RESTORE, .now = now, .record = vl_span(p + 1, n - 1) };
        step(r, &ev);
        const struct node_record *rec = registry_next(r, NULL);
        struct vl_buf out;
        vl_buf_init(&out, REGISTRY_RECORD_MAX);
        if (rec != NULL &&
            (registry_record_encode(rec, &out) != VL_OK || !vl_span_eq(ev.record, vl_span(out.p, out.len))))
            abort();
        vl_buf_free(&out);
    }
    if (n > 0 && p[0] == 255) {
        struct node_record rec = { .flaps = 0 };
        struct vl_buf out;
        vl_buf_init(&out, REGISTRY_STANDING_MAX);
        if (registry_standing_decode(vl_span(p + 1, n - 1), &rec) == VL_OK &&
            (registry_standing_encode(&rec, &out) != VL_OK || !vl_span_eq(vl_span(p + 1, n - 1), vl_span(out.p, out.len))))
            abort();
        vl_buf_free(&out);
    }
    for (size_t i = 1; n > 0 && p[0] != 0 && p[0] != 255 && i + 4 <= n && i < 4000; i += 4) {
        const uint8_t *e = p + i;
        struct heartbeat h = { .kind = (enum node_kind)(1 + e[2] % 5),
                               .protocol = 1,
                               .started_ms = 1 + (e[3] >> 7),
                               .free_slots = e[2] >> 5,
                               .done = e[3] };
        h.caps.slots = 6;
        now += e[0] & 128 ? (vl_ms)e[3] * 1000 : e[3];
        struct sched_load load = { .running = e[2], .memory_bytes = (uint64_t)e[3] << 20 };
        struct registry_event ev = { .load = e[1] & 16 ? &load : NULL,
                                     .kind = (enum registry_event_kind)(1 + (e[0] & 15) % 12),
                                     .now = now,
                                     .heartbeat = &h,
                                     .name = e[2] & 1 ? "a" : NULL,
                                     .addr = e[2] & 2 ? "b:1" : NULL,
                                     .record = vl_span(p, n),
                                     .flag = e[2] & 4 };
        ev.node.b[0] = (uint8_t)(1 + e[1] % 16);
        step(r, &ev);
        check(r, now);
    }
    registry_destroy(r);
    return 0;
}
