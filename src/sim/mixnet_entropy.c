#include "sim/mixnet_entropy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16u         /* vectors are padded to whole ones, so that loops over them need no rest */
#define SCALE_LEAST 1e-12 /* then a pool is written anew: float32 ends at 1e38 */

/* The sum of the distributions that wait is scale * v: a departure changes a number instead of a vector. */
struct pool {
    float *v; /* NULL until something came */
    double scale;
    uint32_t n;
};
struct spare {
    struct spare *next;
};
struct mass {
    uint32_t clients, pools;
    size_t padded;
    struct spare *spare;
    struct pool pool[];
};

enum vl_err mass_create(uint32_t clients, uint32_t pools, struct mass **ret) {
    struct mass *m = calloc(1, sizeof *m + pools * sizeof m->pool[0]);
    if (m == NULL) return VL_ENOMEM;
    m->clients = clients;
    m->pools = pools;
    m->padded = ((size_t)clients + LANES - 1) / LANES * LANES;
    for (uint32_t i = 0; i < pools; i++) m->pool[i].scale = 1;
    *ret = m;
    return VL_OK;
}

void mass_destroy(struct mass *m) {
    if (m == NULL) return;
    for (uint32_t i = 0; i < m->pools; i++) free(m->pool[i].v);
    for (struct spare *s = m->spare, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    free(m);
}

float *mass_new(struct mass *m) {
    struct spare *s = m->spare;
    if (s == NULL) return aligned_alloc(64, m->padded * sizeof(float));
    m->spare = s->next;
    return (float *)(void *)s;
}
void mass_free(struct mass *m, float *v) {
    struct spare *s = (struct spare *)(void *)v;
    if (v == NULL) return;
    s->next = m->spare;
    m->spare = s;
}

static void times(float *restrict to, const float *restrict from, size_t n, float by) {
    for (size_t i = 0; i < n; i += LANES)
        for (size_t k = 0; k < LANES; k++) to[i + k] = from[i + k] * by;
}
static void add_times(float *restrict to, const float *restrict from, size_t n, float by) {
    for (size_t i = 0; i < n; i += LANES)
        for (size_t k = 0; k < LANES; k++) to[i + k] += from[i + k] * by;
}

enum vl_err mass_in(struct mass *m, uint32_t pool, const float *v, uint32_t origin) {
    struct pool *p = &m->pool[pool];
    if (p->v == NULL) {
        p->v = aligned_alloc(64, m->padded * sizeof(float));
        if (p->v == NULL) return VL_ENOMEM;
        memset(p->v, 0, m->padded * sizeof(float));
    }
    if (v)
        add_times(p->v, v, m->padded, (float)(1 / p->scale));
    else
        p->v[origin] += (float)(1 / p->scale);
    p->n++;
    return VL_OK;
}

void mass_out(struct mass *m, uint32_t pool, float *ret) {
    struct pool *p = &m->pool[pool];
    if (ret) times(ret, p->v, m->padded, (float)(p->scale / p->n));
    p->scale *= 1 - 1.0 / p->n;
    p->n--;
    if (p->n == 0) {
        memset(p->v, 0, m->padded * sizeof(float));
        p->scale = 1;
    } else if (p->scale < SCALE_LEAST) {
        for (size_t i = 0; i < m->padded; i++) p->v[i] = (float)(p->v[i] * p->scale);
        p->scale = 1;
    }
}

uint32_t mass_waiting(const struct mass *m, uint32_t pool) { return m->pool[pool].n; }

double mass_entropy(const struct mass *m, const float *v, double *ret_sum) {
    double sum = 0, bits = 0;
    for (uint32_t i = 0; i < m->clients; i++) {
        double p = v[i];
        if (p <= 0) continue;
        sum += p;
        bits -= p * log2(p);
    }
    *ret_sum = sum;
    return bits / sum + log2(sum);
}
