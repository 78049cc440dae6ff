#include "mix/path_priv.h"

#include <stdlib.h>

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
    uint32_t guards, beside, room; /* usable; of these beside the provider; most mixes that fit between */
};

static bool through(struct paths *p, const struct want *w, uint32_t hops, uint16_t guard, struct attempt *seen,
                    uint16_t at[SPHINX_HOPS_MAX]) {
    const struct topo *t = &p->topo;
    uint16_t last = w->last;
    if (last == SPOT_NONE) {
        seen->beside++;
        uint32_t room = topo_room(t, &guard, 1, MIX_ROLE_MIX, hops - 2);
        if (room > seen->room) seen->room = room;
        if (room < hops - 2) return false;
        last = topo_draw(t, &guard, 1, MIX_ROLE_EXIT, SPOT_LAYER_ANY, hops - 2, &p->rng);
        if (last == SPOT_NONE) return false;
    } else if (topo_conflict(t, guard, last)) {
        if (!w->may_return || guard != last) return false;
        seen->beside++;
    } else
        seen->beside++;
    uint16_t ends[2] = { guard, last };
    uint32_t room = topo_room(t, ends, 2, MIX_ROLE_MIX, hops - 2);
    if (room > seen->room) seen->room = room;
    at[0] = guard;
    at[hops - 1] = last;
    return room == hops - 2 && fill_between(p, hops, at);
}

static enum vl_err refuse(const struct paths *p, vl_ms now, const struct want *w, const struct attempt *a,
                          struct vl_errmsg *msg) {
    const char *name = mix_level_name(w->level);
    uint32_t filtered = guards_filtered(&p->guards), between_n = mix_level_hops(w->level) - 2;
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
                             "%s needs a guard that is not the provider, nor of its family or subnet; of %u that can "
                             "be reached none is",
                             name, a->guards);
    if (a->room == between_n)
        return vl_errmsg_set(
            msg, err, "%s needs an exit that is no family and no subnet of guard and mixes; there is none", name);
    return vl_errmsg_set(msg, err,
                         "%s needs %u mix%s between guard and exit, of other families and subnets than these and each "
                         "other; there %s at most %u",
                         name, between_n, between_n == 1 ? "" : "es", a->room == 1 ? "is" : "are", a->room);
}

static enum vl_err draw_reply(struct paths *p, const struct want *w, uint32_t hops, uint16_t at[SPHINX_HOPS_MAX],
                              struct vl_errmsg *msg) {
    at[hops - 1] = w->last;
    at[0] = topo_draw(&p->topo, &w->last, 1, SPOT_ROLES, SPOT_LAYER_ANY, hops - 2, &p->rng);
    if (at[0] != SPOT_NONE && fill_between(p, hops, at)) return VL_OK;
    return vl_errmsg_set(msg, VL_EUNSUPPORTED,
                         "%s needs %u relays before our provider, of other families and subnets than it and each other",
                         mix_level_name(w->level), hops - 1);
}

enum vl_err draw_path(struct paths *p, vl_ms now, const struct want *w, uint16_t at[SPHINX_HOPS_MAX],
                      struct vl_errmsg *msg) {
    uint32_t hops = mix_level_hops(w->level), guard[GUARD_SAMPLE_MAX];
    struct attempt seen = { 0 };
    if (hops == 1) {
        at[0] =
            w->last != SPOT_NONE ? w->last : topo_draw(&p->topo, NULL, 0, MIX_ROLE_EXIT, SPOT_LAYER_ANY, 0, &p->rng);
        if (at[0] != SPOT_NONE) return VL_OK;
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s needs an exit; there is none", mix_level_name(w->level));
    }
    if (w->from_anywhere) return draw_reply(p, w, hops, at, msg);
    seen.guards = draw_guards(p, now, guard);
    for (uint32_t i = 0; i < seen.guards; i++) {
        uint16_t place = topo_find(&p->topo, guard[i]);
        if (place != SPOT_NONE && through(p, w, hops, place, &seen, at)) return VL_OK;
    }
    return refuse(p, now, w, &seen, msg);
}
