#include "fog/breaker.h"

enum breaker_state breaker_state(const struct breaker *b, vl_ms now) {
    if (!b->open) return BREAKER_CLOSED;
    return now < b->until ? BREAKER_OPEN : BREAKER_HALF_OPEN;
}

bool breaker_allows(const struct breaker *b, vl_ms now) {
    switch (breaker_state(b, now)) {
    case BREAKER_CLOSED:
        return true;
    case BREAKER_OPEN:
        return false;
    case BREAKER_HALF_OPEN:
        return !b->probing;
    }
    return false;
}

void breaker_sent(struct breaker *b, vl_ms now) {
    if (breaker_state(b, now) == BREAKER_HALF_OPEN) b->probing = true;
}

static void open_for(struct breaker *b, vl_ms now, uint32_t wait_ms) {
    *b = (struct breaker){ .open = true, .wait_ms = wait_ms, .until = vl_ms_add(now, wait_ms) };
}

bool breaker_result(struct breaker *b, vl_ms now, bool ok) {
    if (b->open) {
        if (now < b->until) return false; /* of a task sent before it opened: proves nothing about now */
        if (ok)
            *b = (struct breaker){ 0 };
        else
            open_for(b, now, b->wait_ms > BREAKER_WAIT_MAX_MS / 2 ? BREAKER_WAIT_MAX_MS : b->wait_ms * 2);
        return true;
    }
    b->window = ((b->window << 1) | (ok ? 0 : 1)) & ((1u << BREAKER_WINDOW) - 1);
    if (b->seen < BREAKER_WINDOW) b->seen++;
    b->row = ok ? 0 : (uint8_t)(b->row + 1);
    bool half = b->seen == BREAKER_WINDOW && (uint32_t)__builtin_popcount(b->window) * 2 >= BREAKER_WINDOW;
    if (b->row < BREAKER_ROW && !half) return false;
    open_for(b, now, BREAKER_WAIT_MS);
    return true;
}
