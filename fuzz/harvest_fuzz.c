/* The owner's rules under any readings, times, pauses and policies, 16 bytes each.  After every step: tasks run only in states that may,
 * nothing is over its cap, what is unknown breaks its rule, a record read back is the same, and a cool-down never grows by it. */
#include "fog/harvest.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok) {
    if (!ok) abort();
}

static void record(struct harvest *h, vl_ms now) {
    struct vl_buf a, b;
    struct harvest back;
    vl_buf_init(&a, HARVEST_RECORD_MAX);
    vl_buf_init(&b, HARVEST_RECORD_MAX);
    must(harvest_encode(h, now, &a) == VL_OK);
    harvest_init(&back, now);
    must(harvest_restore(&back, now, vl_span(a.p, a.len)) == VL_OK);
    must(back.cooldown_until <= h->cooldown_until || h->cooldown_until == 0);
    must(memcmp(&back.policy, &h->policy, sizeof back.policy) == 0);
    harvest_init(&back, now / 2);
    must(harvest_restore(&back, now / 2, vl_span(a.p, a.len)) == VL_OK); /* the clock was set back */
    if (h->cooldown_until > now) must(back.cooldown_until - now / 2 <= h->cooldown_until - now);
    vl_buf_free(&a);
    vl_buf_free(&b);
}

static void hostile(const uint8_t *p, size_t n) {
    struct harvest h;
    struct vl_buf out;
    harvest_init(&h, 1000);
    if (harvest_restore(&h, 1000, vl_span(p, n)) != VL_OK) return;
    must(harvest_policy_check(&h.policy, NULL) == VL_OK);
    vl_buf_init(&out, HARVEST_RECORD_MAX);
    must(harvest_encode(&h, 1000, &out) == VL_OK);
    vl_buf_free(&out);
}

static void policy(struct harvest *h, const uint8_t p[16]) {
    struct harvest_policy q = h->policy;
    unsigned k = p[1] % HARVEST_PARAMS;
    char text[16];
    struct vl_errmsg why;
    q.v[k] = (int32_t)vl_get_u16(p + 2) - 10;
    if (harvest_policy_check(&q, &why) != VL_OK) return;
    harvest_param_format((enum harvest_param)k, q.v[k], text);
    struct harvest_policy again = h->policy;
    must(harvest_policy_set(&again, harvest_params[k].name, text, &why) == VL_OK && again.v[k] == q.v[k]);
    harvest_policy_take(h, &q);
}

static void check(const struct harvest *h) {
    const struct harvest_orders *o = &h->orders;
    char why[HARVEST_REASON_TEXT];
    bool works = h->state == HARVEST_ELIGIBLE || h->state == HARVEST_RUNNING || h->state == HARVEST_THROTTLED;
    must(works == (o->cap_milli > 0) && o->cap_milli <= 1000);
    must(!o->may_start || works);
    must(!o->hand_back || (h->running > 0 && o->says == HARVEST_SAYS_AWAY));
    must(o->says >= HARVEST_SAYS_READY && o->says <= HARVEST_SAYS_AWAY);
    if (works) {
        must(h->reading.signal[SIGNAL_IDLE].known || h->policy.v[HARVEST_BLIND_IDLE]);
        must(h->reading.signal[SIGNAL_TEMPERATURE].known || h->policy.v[HARVEST_BLIND_TEMPERATURE]);
        must(!h->reading.signal[SIGNAL_TEMPERATURE].known ||
             h->reading.signal[SIGNAL_TEMPERATURE].v < (int64_t)h->policy.v[HARVEST_TEMP_STOP] * 1000);
        must(!h->reading.signal[SIGNAL_IDLE].known || h->reading.signal[SIGNAL_IDLE].v >= (int64_t)h->policy.v[HARVEST_IDLE] * 1000);
    }
    harvest_reason_format(&h->reason, why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct harvest h;
    struct machine_reading r = { 0 };
    vl_ms now = 1000000;
    uint32_t running = 0;
    hostile(data, size);
    harvest_init(&h, now);
    for (; size >= 16; data += 16, size -= 16) {
        now += vl_get_u16(data + 4) * (data[0] & 0x80 ? 1000u : 1u);
        switch (data[0] & 7) {
        case 0:
            policy(&h, data);
            break;
        case 1:
            harvest_pause(&h, now, data[1] ? vl_get_u32(data + 8) : VL_MS_NEVER);
            break;
        case 2:
            harvest_resume(&h);
            break;
        case 3:
            running = data[1] % 4;
            break;
        default:
            r.signal[data[1] % SIGNALS] = (struct signal_value){ .known = data[2] & 1, .v = (int64_t)vl_get_u64(data + 8) >> (data[3] % 64) };
        }
        harvest_step(&h, &(struct harvest_input){ .now = now,
                                                  .local_minute = (uint16_t)(vl_get_u16(data + 6) % 1440),
                                                  .running = running,
                                                  .reading = data[0] & 0x40 ? NULL : &r });
        if (h.read_at != 0) check(&h);
        if (data[0] & 0x20) record(&h, now);
    }
    return 0;
}
