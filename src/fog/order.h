/* order.h - ordered index of things by a pair of numbers: queues, timers, lists by age.  Intrusive treap (Seidel &
 * Aragon 1996) with priorities hashed from the keys: no allocation, O(log n), and the order never depends on history or
 * addresses, so that a book rebuilt from its log walks it in the same order. */
#ifndef VL_FOG_ORDER_H
#define VL_FOG_ORDER_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: in no tree. */
struct order_node {
    uint64_t key[2]; /* not both 0 while in a tree */
    struct order_node *left, *right;
};
struct order {
    struct order_node *root;
    uint64_t seed; /* against keys chosen to make a list of the tree */
};

bool order_has(const struct order_node *n);
/* n must be in no tree, and the key not in this one. */
void order_put(struct order *o, struct order_node *n, uint64_t hi, uint64_t lo);
/* A no-op when n is in no tree. */
void order_del(struct order *o, struct order_node *n);
struct order_node *order_first(const struct order *o);
struct order_node *order_find(const struct order *o, uint64_t hi, uint64_t lo);
/* Smallest key above (hi, lo); NULL when there is none. */
struct order_node *order_above(const struct order *o, uint64_t hi, uint64_t lo);
/* Largest key below (hi, lo); NULL when there is none. */
struct order_node *order_below(const struct order *o, uint64_t hi, uint64_t lo);

#endif
