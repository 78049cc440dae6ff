/* path_priv.h - what the parts of path.h share: the consensus as a table to draw from, drawing, the pools. */
#ifndef VL_MIX_PATH_PRIV_H
#define VL_MIX_PATH_PRIV_H

#include "mix/guard.h"
#include "mix/path.h"

/* ---- the table ----
 * Two relays conflict when they share a family or a subnet.  Seen as edges between families and subnets, relays that
 * are in nobody's way are a matching of that bipartite graph, so "is there still a path?" has an exact answer in
 * polynomial time, and a path is drawn without ever going back. */
#define SPOT_NONE UINT16_MAX
#define SPOT_RATE_UNKNOWN UINT32_MAX
#define SPOT_LAYERS 3u
#define SPOT_LAYER_ANY SPOT_LAYERS
#define SPOT_LAYER_MIN 3u /* relays of each layer, else layers are not used: one or two would be no choice */
#define SPOT_ROLES (MIX_ROLE_GUARD | MIX_ROLE_MIX | MIX_ROLE_EXIT)

struct spot {
    uint64_t weight;         /* bandwidth x reputation; 0: never chosen */
    uint32_t floor_ms;       /* mean delay that K / rate asks for; SPOT_RATE_UNKNOWN */
    uint16_t family, subnet; /* the first relay of the same; relays without one: themselves */
    uint16_t next;           /* of the same family */
    uint8_t roles, layer;
};
struct topo {
    const struct mix_consensus *c; /* borrowed; NULL: none */
    uint32_t n;
    uint16_t self;                    /* our own place, SPOT_NONE when we are no relay */
    uint32_t eligible, slow;          /* could be chosen; would be eligible but for the anonymity floor */
    uint32_t families, slow_families; /* of eligible; of both together */
    uint32_t slowest_rate;            /* of the slow ones */
    uint32_t floor_ms;                /* the largest of the eligible */
    bool layered;
    struct spot spot[MIX_RELAYS_MAX]; /* same order as c->relays */
};
void topo_build(struct topo *t, const struct mix_consensus *c, struct vl_node_id self);
/* Place of a relay, SPOT_NONE. */
uint16_t topo_find(const struct topo *t, uint32_t number);
bool topo_conflict(const struct topo *t, uint16_t a, uint16_t b);
/* How many relays with one of `roles` can stand beside the chosen ones and each other; counts to `enough` only. */
uint32_t topo_room(const struct topo *t, const uint16_t *chosen, uint32_t n, uint8_t roles, uint32_t enough);
/* The weighted choice: index i with a chance proportional to min(weight[i], cap), n: all weights are 0.  The cap keeps
 * every relay at or below a third wherever there are three (else at equal shares), because bandwidth is what relays say
 * of themselves: nobody shall draw the village's traffic to himself by a large number.  weight[i] < 2^53. */
uint32_t topo_weighted(const uint64_t *weight, uint32_t n, struct crypto_drbg *rng);
/* A relay with one of `roles`, of `layer`, beside the chosen ones, such that `after` more with role MIX have room. */
uint16_t topo_draw(const struct topo *t, const uint16_t *chosen, uint32_t n, uint8_t roles, uint32_t layer,
                   uint32_t after, struct crypto_drbg *rng);

/* ---- drawing ---- */

struct want {
    enum mix_level level;
    uint16_t first;  /* given, as of a reply; SPOT_NONE: a guard */
    uint16_t last;   /* the provider; SPOT_NONE: any exit */
    bool may_return; /* first and last may be one relay */
};
/* Places of the hops.  VL_EUNSUPPORTED, VL_EAGAIN. */
VL_MUST_CHECK enum vl_err draw_path(struct paths *p, vl_ms now, const struct want *w, uint16_t at[SPHINX_HOPS_MAX],
                                    struct vl_errmsg *msg);
/* Guards that may be used now, most preferred first. */
uint32_t draw_guards(struct paths *p, vl_ms now, uint32_t ret[GUARD_SAMPLE_MAX]);

/* ---- ready-made headers ---- */

#define POOL_BATCH 8u /* lanes of the batched key exchange */
#define POOL_MAX 32u
#define POOL_LIFE_MS (10u * 60000u)
#define POOL_USES 3u

struct pool_entry {
    struct sphinx_prebuilt header;
    uint32_t delay_sum_ms;
    vl_ms end; /* exclusive */
};
struct pool {
    bool used; /* what follows is from the last paths_take() */
    enum mix_level level;
    struct vl_node_id to; /* PATHS_CLIENT */
    uint32_t guard;       /* in use when they were made */
    uint32_t first, n;    /* ring, oldest first */
    struct pool_entry v[POOL_MAX];
};
void pool_clear(struct paths *p, struct pool *pool);
/* Those that hold a header to that first hop. */
void pool_clear_through(struct paths *p, uint32_t first);

struct paths {
    struct vl_node_id self;
    struct crypto_drbg rng, sphinx_rng;
    struct guards guards;
    struct topo topo;
    uint32_t candidates_n;
    struct guard_candidate candidate[MIX_RELAYS_MAX];
    struct pool pool[POOL_USES];
    struct paths_stats stats;
};

#endif
