#include "mix/path_priv.h"

uint32_t draw_guards(struct paths *p, vl_ms now, uint32_t ret[GUARD_SAMPLE_MAX]) {
    if (p->topo.c == NULL) return 0;
    if (guards_short(&p->guards)) guards_sample(&p->guards, now, p->candidate, p->candidates_n, &p->rng);
    return guards_list(&p->guards, now, ret);
}

/* The hops between the first and the last.  By layers each next hop is of the next layer, from one that is drawn: every
 * layer carries the same load at every length, a relay talks to one third of the others only, so that packets meet, and
 * still its layer does not tell it its position. */
static bool between(struct paths *p, uint32_t hops, bool layered, uint16_t at[SPHINX_HOPS_MAX]) {
    uint16_t chosen[SPHINX_HOPS_MAX] = { at[0], at[hops - 1] };
    uint32_t start = layered ? (uint32_t)crypto_drbg_below(&p->rng, SPOT_LAYERS) : 0;
    for (uint32_t i = 1; i + 1 < hops; i++) {
        uint32_t layer = layered ? (start + i) % SPOT_LAYERS : SPOT_LAYER_ANY;
        uint16_t next = topo_draw(&p->topo, chosen, i + 1, MIX_ROLE_MIX, layer, hops - 2 - i, &p->rng);
        if (next == SPOT_NONE) return false;
        at[i] = chosen[i + 1] = next;
    }
    return true;
}

static bool fill_between(struct paths *p, uint32_t hops, uint16_t at[SPHINX_HOPS_MAX]) {
    return (p->topo.layered && between(p, hops, true, at)) || between(p, hops, false, at);
}

/* How far the guards led, for the reason when none gave a path. */
struct attempt {
    uint32_t guards, beside, room; /* usable; of these beside a provider; most mixes that fit between */
};

/* From a guard to a given last hop. */
static bool through(struct paths *p, const struct want *w, uint16_t guard, uint16_t last, struct attempt *seen,
                    uint16_t at[SPHINX_HOPS_MAX]) {
    uint32_t hops = mix_level_hops(w->level);
    uint16_t ends[2] = { guard, last };
    if (topo_conflict(&p->topo, guard, last) && !(w->may_return && guard == last)) return false;
    seen->beside++;
    uint32_t room = topo_room(&p->topo, ends, 2, MIX_ROLE_MIX, hops - 2);
    if (room > seen->room) seen->room = room;
    at[0] = guard;
    at[hops - 1] = last;
    return room == hops - 2 && fill_between(p, hops, at);
}

/* To any exit: the exit is drawn first and the guard has to suit it, as with a recipient's provider.  Drawn the other
 * way round, cover would never use the second guard, and payload on it would stand out on the first link. */
static bool to_any_exit(struct paths *p, const struct want *w, const uint16_t *guard, struct attempt *seen,
                        uint16_t at[SPHINX_HOPS_MAX]) {
    const struct topo *t = &p->topo;
    uint64_t weight[MIX_RELAYS_MAX];
    uint32_t mixes = mix_level_hops(w->level) - 2, most = 0;
    for (uint32_t i = 0; i < seen->guards && most < mixes; i++) {
        uint32_t room = topo_room(t, &guard[i], 1, MIX_ROLE_MIX, mixes);
        if (room > most) most = room;
    }
    if (most < mixes) { /* a quick no, instead of one for each exit */
        seen->beside = seen->guards;
        seen->room = most;
        return false;
    }
    for (uint32_t i = 0; i < t->n; i++) weight[i] = (t->spot[i].roles & MIX_ROLE_EXIT) != 0 ? t->spot[i].weight : 0;
    for (;;) {
        uint32_t last = topo_weighted(weight, t->n, &p->rng);
        if (last == t->n) return false;
        for (uint32_t i = 0; i < seen->guards; i++)
            if (through(p, w, guard[i], (uint16_t)last, seen, at)) return true;
        weight[last] = 0;
    }
}

static enum vl_err refuse(const struct paths *p, vl_ms now, const struct want *w, const struct attempt *a,
                          struct vl_errmsg *msg) {
    const char *name = mix_level_name(w->level);
    uint32_t filtered = guards_filtered(&p->guards), mixes = mix_level_hops(w->level) - 2;
    /* Guards that cannot be reached now may give a path later. */
    enum vl_err err = a->guards < filtered ? VL_EAGAIN : VL_EUNSUPPORTED;
    if (filtered == 0) return vl_errmsg_set(msg, err, "%s needs a guard; no relay of the consensus can be ours", name);
    if (a->guards == 0) {
        vl_ms next = guards_next_ms(&p->guards);
        return vl_errmsg_set(msg, err, "none of %u guards could be reached; the next try is in %llu s", filtered,
                             (unsigned long long)(next > now ? (next - now + 999) / 1000 : 0));
    }
    if (a->beside == 0)
        return vl_errmsg_set(msg, err,
                             "%s needs a guard of another family and subnet than %s; of %u that can be reached none is",
                             name, w->last == SPOT_NONE ? "an exit" : "the provider", a->guards);
    return vl_errmsg_set(msg, err,
                         "%s needs %u mix%s between guard and provider, of other families and subnets than these and "
                         "each other; there %s at most %u",
                         name, mixes, mixes == 1 ? "" : "es", a->room == 1 ? "is" : "are", a->room);
}

/* Both ends are given: the providers of two members. */
static enum vl_err draw_given(struct paths *p, const struct want *w, uint16_t at[SPHINX_HOPS_MAX],
                              struct vl_errmsg *msg) {
    uint32_t hops = mix_level_hops(w->level);
    uint16_t ends[2] = { w->first, w->last };
    if (!w->may_return && topo_conflict(&p->topo, w->first, w->last))
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s needs providers of other families and subnets at the two ends",
                             mix_level_name(w->level));
    uint32_t room = topo_room(&p->topo, ends, 2, MIX_ROLE_MIX, hops - 2);
    at[0] = w->first;
    at[hops - 1] = w->last;
    if (room == hops - 2 && fill_between(p, hops, at)) return VL_OK;
    return vl_errmsg_set(msg, VL_EUNSUPPORTED,
                         "%s needs %u mix%s between the two providers, of other families and subnets than these and "
                         "each other; there %s at most %u",
                         mix_level_name(w->level), hops - 2, hops == 3 ? "" : "es", room == 1 ? "is" : "are", room);
}

static enum vl_err draw_one_hop(struct paths *p, const struct want *w, uint16_t at[SPHINX_HOPS_MAX],
                                struct vl_errmsg *msg) {
    at[0] = w->last;
    if (at[0] == SPOT_NONE) at[0] = topo_draw(&p->topo, NULL, 0, MIX_ROLE_EXIT, SPOT_LAYER_ANY, 0, &p->rng);
    if (at[0] != SPOT_NONE) return VL_OK;
    return vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s needs an exit; there is none", mix_level_name(w->level));
}

enum vl_err draw_path(struct paths *p, vl_ms now, const struct want *w, uint16_t at[SPHINX_HOPS_MAX],
                      struct vl_errmsg *msg) {
    uint32_t number[GUARD_SAMPLE_MAX], n;
    uint16_t guard[GUARD_SAMPLE_MAX];
    struct attempt seen = { 0 };
    if (mix_level_hops(w->level) == 1) return draw_one_hop(p, w, at, msg);
    if (w->first != SPOT_NONE) return draw_given(p, w, at, msg);
    n = draw_guards(p, now, number);
    for (uint32_t i = 0; i < n; i++) {
        guard[seen.guards] = topo_find(&p->topo, number[i]);
        if (guard[seen.guards] != SPOT_NONE) seen.guards++;
    }
    if (w->last == SPOT_NONE && to_any_exit(p, w, guard, &seen, at)) return VL_OK;
    for (uint32_t i = 0; w->last != SPOT_NONE && i < seen.guards; i++)
        if (through(p, w, guard[i], w->last, &seen, at)) return VL_OK;
    return refuse(p, now, w, &seen, msg);
}
