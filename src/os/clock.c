#include "os/clock.h"

#include <time.h>

static vl_ms read_ms(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (vl_ms)t.tv_sec * 1000 + (vl_ms)t.tv_nsec / 1000000;
}

void os_clock_start(struct os_clock *c, vl_ms floor) {
    vl_ms wall = read_ms(CLOCK_REALTIME);
    *c = (struct os_clock){ .base_wall = wall > floor ? wall : floor, .base_mono = read_ms(CLOCK_BOOTTIME) };
    c->last = c->base_wall;
}

vl_ms os_clock_now(struct os_clock *c) {
    vl_ms now = c->base_wall + (read_ms(CLOCK_BOOTTIME) - c->base_mono);
    if (now > c->last) c->last = now;
    return c->last;
}

int64_t os_clock_follow(struct os_clock *c) {
    vl_ms mono = read_ms(CLOCK_BOOTTIME), elapsed = mono - c->base_mono, ours = c->base_wall + elapsed;
    int64_t off = (int64_t)read_ms(CLOCK_REALTIME) - (int64_t)ours, step = (int64_t)(elapsed / 64);
    if (step == 0) return off;
    int64_t move = off > step ? step : off < -step ? -step : off;
    c->base_wall = (vl_ms)((int64_t)ours + move);
    c->base_mono = mono;
    return off;
}
