#include "fog/order.h"

#include <assert.h>
#include <stddef.h>

static bool less(const uint64_t a[2], uint64_t hi, uint64_t lo) { return a[0] != hi ? a[0] < hi : a[1] < lo; }
static bool above(const uint64_t a[2], uint64_t hi, uint64_t lo) { return a[0] != hi ? a[0] > hi : a[1] > lo; }

/* The finalizer of splitmix64 (Steele, Lea & Flood 2014). */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
static uint64_t weight(const struct order *o, const struct order_node *n) {
    return mix(mix(n->key[0] ^ o->seed) + n->key[1]);
}

bool order_has(const struct order_node *n) { return (n->key[0] | n->key[1]) != 0; }

void order_put(struct order *o, struct order_node *n, uint64_t hi, uint64_t lo) {
    assert(!order_has(n) && (hi | lo) != 0);
    n->key[0] = hi;
    n->key[1] = lo;
    uint64_t w = weight(o, n);
    struct order_node **at = &o->root;
    while (*at != NULL && weight(o, *at) >= w) at = less((*at)->key, hi, lo) ? &(*at)->right : &(*at)->left;
    /* Split what is below at the new key. */
    struct order_node *rest = *at, **left = &n->left, **right = &n->right;
    while (rest != NULL) {
        if (less(rest->key, hi, lo)) {
            *left = rest;
            left = &rest->right;
            rest = rest->right;
        } else {
            *right = rest;
            right = &rest->left;
            rest = rest->left;
        }
    }
    *left = *right = NULL;
    *at = n;
}

void order_del(struct order *o, struct order_node *n) {
    if (!order_has(n)) return;
    struct order_node **at = &o->root;
    while (*at != NULL && *at != n) at = less((*at)->key, n->key[0], n->key[1]) ? &(*at)->right : &(*at)->left;
    assert(*at == n);
    struct order_node *a = n->left, *b = n->right;
    while (a != NULL && b != NULL) {
        if (weight(o, a) >= weight(o, b)) {
            *at = a;
            at = &a->right;
            a = a->right;
        } else {
            *at = b;
            at = &b->left;
            b = b->left;
        }
    }
    *at = a != NULL ? a : b;
    *n = (struct order_node){ 0 };
}

struct order_node *order_first(const struct order *o) {
    struct order_node *n = o->root;
    while (n != NULL && n->left != NULL) n = n->left;
    return n;
}

struct order_node *order_find(const struct order *o, uint64_t hi, uint64_t lo) {
    struct order_node *n = o->root;
    while (n != NULL && (n->key[0] != hi || n->key[1] != lo)) n = less(n->key, hi, lo) ? n->right : n->left;
    return n;
}

struct order_node *order_above(const struct order *o, uint64_t hi, uint64_t lo) {
    struct order_node *best = NULL;
    for (struct order_node *n = o->root; n != NULL;) {
        if (above(n->key, hi, lo)) {
            best = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return best;
}

struct order_node *order_below(const struct order *o, uint64_t hi, uint64_t lo) {
    struct order_node *best = NULL;
    for (struct order_node *n = o->root; n != NULL;) {
        if (less(n->key, hi, lo)) {
            best = n;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return best;
}
