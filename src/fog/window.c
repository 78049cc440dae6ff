#include "fog/window.h"

static uint32_t believed(const struct window *w) { return w->slots ? w->slots : WINDOW_START; }

uint32_t window_slots(const struct window *w, uint32_t claimed) {
    return believed(w) < claimed ? believed(w) : claimed;
}

uint64_t window_memory(const struct window *w, uint64_t claimed) {
    return w->memory && w->memory < claimed ? w->memory : claimed;
}

static bool power_of_two(uint32_t n) { return (n & (n - 1)) == 0; }

bool window_good(struct window *w, uint32_t claimed, uint64_t claimed_memory, uint32_t held) {
    uint32_t slots = window_slots(w, claimed);
    bool partly = slots < claimed || (w->memory && w->memory < claimed_memory);
    if (!partly || held * 2 < slots) return false; /* half empty it shows nothing */
    if (w->lacked && ++w->credit < slots * WINDOW_ROUNDS) return false;
    w->credit = 0;
    bool told = w->lacked;
    if (slots < claimed) {
        w->slots = slots + 1;
        told = told || power_of_two(w->slots) || w->slots == claimed;
    }
    if (w->memory && w->memory < claimed_memory) {
        uint64_t more = w->memory / WINDOW_MEMORY_SHARE + 1;
        w->memory = claimed_memory - w->memory > more ? w->memory + more : 0;
    }
    return told;
}

bool window_lack(struct window *w, vl_ms now, uint32_t claimed, uint32_t held, uint64_t held_memory, bool memory) {
    uint32_t slots = window_slots(w, claimed), had = held > 0 && held < slots ? held : slots;
    w->credit = 0;
    /* A node that refuses at once is free at once and would draw all that waits: within a round it is its count that ends it. */
    if (w->lacked && now < vl_ms_add(w->cut_ms, WINDOW_ROUND_MS) && ++w->lacks < 2 * slots) return false;
    w->lacked = true;
    w->cut_ms = now;
    w->lacks = 0;
    if (memory && held_memory > 1 && held > 1) {
        uint64_t half = held_memory / 2;
        w->memory = w->memory && w->memory / 2 < half ? w->memory / 2 + 1 : half;
    } else {
        w->slots = had > 1 ? had / 2 : 1;
    }
    return true;
}
