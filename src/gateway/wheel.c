#include "gateway/wheel.h"

#include <stddef.h>

static void list_init(struct wheel_node *head) { head->prev = head->next = head; }

static void link_before(struct wheel_node *head, struct wheel_node *n) {
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

static void unlink_node(struct wheel_node *n) {
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->prev = n->next = NULL;
}

void wheel_init(struct wheel *w, uint64_t now) {
    for (uint32_t i = 0; i < WHEEL_SLOTS; i++) list_init(&w->slots[i]);
    list_init(&w->due);
    w->tick = now / WHEEL_TICK_MS;
    w->len = 0;
}

/* Rounded up, so that nothing fires early; never a slot that was looked at already. */
static void place(struct wheel *w, struct wheel_node *n) {
    uint64_t tick = n->deadline / WHEEL_TICK_MS + 1;
    n->slot_tick = tick < w->tick ? w->tick : tick;
    link_before(&w->slots[n->slot_tick % WHEEL_SLOTS], n);
}

void wheel_set(struct wheel *w, struct wheel_node *n, uint64_t deadline) {
    n->deadline = deadline;
    if (n->prev != NULL) {
        if (deadline / WHEEL_TICK_MS + 1 >= n->slot_tick) return; /* found to be early when its slot comes by */
        unlink_node(n);
        w->len--;
    }
    place(w, n);
    w->len++;
}

void wheel_remove(struct wheel *w, struct wheel_node *n) {
    if (n->prev == NULL) return;
    unlink_node(n);
    w->len--;
}

static void look_at(struct wheel *w, struct wheel_node *head, uint64_t now) {
    struct wheel_node later;
    list_init(&later);
    while (head->next != head) {
        struct wheel_node *n = head->next;
        unlink_node(n);
        link_before(n->deadline <= now ? &w->due : &later, n);
    }
    while (later.next != &later) {
        struct wheel_node *n = later.next;
        unlink_node(n);
        place(w, n);
    }
}

void wheel_advance(struct wheel *w, uint64_t now) {
    uint64_t end = now / WHEEL_TICK_MS;
    uint64_t first = end >= WHEEL_SLOTS && w->tick + WHEEL_SLOTS <= end ? end - WHEEL_SLOTS + 1 : w->tick;
    for (uint64_t t = first; t <= end; t++) {
        w->tick = t + 1; /* what is put back lands in a slot still to come */
        look_at(w, &w->slots[t % WHEEL_SLOTS], now);
    }
}

struct wheel_node *wheel_pop(struct wheel *w) {
    struct wheel_node *n = w->due.next;
    if (n == &w->due) return NULL;
    unlink_node(n);
    w->len--;
    return n;
}
