#include "mix/path.h"

#include "mix/path_priv.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

enum vl_err paths_create(const uint8_t seed[32], struct vl_node_id self, struct paths **ret) {
    uint8_t second[CRYPTO_DRBG_SEED];
    struct paths *p = calloc(1, sizeof *p);
    if (p == NULL) return VL_ENOMEM;
    p->self = self;
    /* Keys of headers from a generator of their own: what is drawn for paths tells nothing of them. */
    crypto_drbg_init(&p->rng, seed);
    crypto_drbg_bytes(&p->rng, second, sizeof second);
    crypto_drbg_init(&p->sphinx_rng, second);
    sodium_memzero(second, sizeof second);
    topo_build(&p->topo, NULL, self);
    *ret = p;
    return VL_OK;
}

void paths_destroy(struct paths *p) {
    if (p == NULL) return;
    sodium_memzero(p, sizeof *p); /* headers, generators, and which guards we have */
    free(p);
}

static void find_candidates(struct paths *p) {
    const struct topo *t = &p->topo;
    p->candidates_n = 0;
    for (uint16_t i = 0; i < t->n; i++) {
        const struct mix_relay *r = &t->c->relays[i];
        if ((r->roles & MIX_ROLE_GUARD) == 0 || r->reputation == 0 || i == t->self) continue;
        /* A relay's own loops end at itself; a guard of its own family would make a second guard necessary for them. */
        if (t->self != SPOT_NONE && topo_conflict(t, t->self, i)) continue;
        uint64_t weight = t->spot[i].weight;
        p->candidate[p->candidates_n++] = (struct guard_candidate){
            .number = r->number, .node = r->node, .weight = weight > 0 ? weight : 1, .filtered = weight > 0
        };
    }
}

void paths_consensus(struct paths *p, vl_ms now, const struct mix_consensus *c) {
    for (size_t i = 0; i < POOL_USES; i++) pool_clear(p, &p->pool[i]);
    topo_build(&p->topo, c, p->self);
    find_candidates(p);
    if (c != NULL) guards_consensus(&p->guards, now, p->candidate, p->candidates_n, &p->rng);
}

/* ---- guards ---- */

enum vl_err paths_guards_restore(struct paths *p, struct vl_span bytes) {
    enum vl_err err = guards_decode(bytes, &p->guards);
    if (err) return err;
    guards_bind(&p->guards, p->candidate, p->candidates_n);
    return VL_OK;
}

enum vl_err paths_guards_save(struct paths *p, struct vl_buf *out, bool *ret_changed) {
    enum vl_err err = guards_encode(&p->guards, out);
    if (err) return err;
    *ret_changed = p->guards.changed;
    p->guards.changed = false;
    return VL_OK;
}

uint32_t paths_guard(struct paths *p, vl_ms now) {
    uint32_t guard[GUARD_SAMPLE_MAX];
    return draw_guards(p, now, guard) > 0 ? guard[0] : 0;
}

uint32_t paths_guards(struct paths *p, vl_ms now, uint32_t ret[PATHS_GUARDS]) {
    uint32_t guard[GUARD_SAMPLE_MAX], n = draw_guards(p, now, guard);
    if (n > PATHS_GUARDS) n = PATHS_GUARDS;
    if (n > 0) memcpy(ret, guard, n * sizeof ret[0]);
    return n;
}

void paths_guard_result(struct paths *p, vl_ms now, uint32_t guard, bool reached) {
    guards_result(&p->guards, now, guard, reached, &p->rng);
    if (!reached) pool_clear_through(p, guard);
}

/* ---- levels ---- */

static const struct {
    uint16_t mean_ms;
    uint32_t relays, families;
} need[MIX_LEVELS] = {
    [MIX_PUBLIC] = { 20, 1, 1 },
    [MIX_PRIVATE] = { 20, 3, 3 },
    [MIX_CONFIDENTIAL] = { 50, 5, 5 },
    [MIX_SECRET] = { 200, 21, 7 }, /* fewer would make seven hops a detour through everybody */
};

/* The smallest value that is enough for the level and the floor.  A relay without a published rate is asked for the
 * largest (SPOT_RATE_UNKNOWN is above all): unknown is not good enough, yet a village that begins has nothing else, and
 * must begin. */
static uint16_t mean_of(const struct mix_consensus *c, enum mix_level level, uint32_t floor_ms) {
    uint32_t least = need[level].mean_ms > floor_ms ? need[level].mean_ms : floor_ms;
    size_t i = 0;
    while (i + 1 < MIX_DELAYS && c->delay_ms[i] < least) i++;
    return c->delay_ms[i];
}

static enum vl_err check_time(const struct mix_consensus *c, vl_ms now, struct vl_errmsg *msg) {
    if (c == NULL) return vl_errmsg_set(msg, VL_EEXPIRED, "there is no consensus yet");
    if (now >= c->valid_until)
        return vl_errmsg_set(msg, VL_EEXPIRED, "the consensus of epoch %llu ended %llu s ago",
                             (unsigned long long)c->epoch, (unsigned long long)((now - c->valid_until) / 1000));
    /* Relays take the keys of an epoch so long before it begins. */
    vl_ms skew = vl_ms_min(MIX_SKEW_MS, (c->valid_until - c->valid_from) / 2 / 10);
    if (vl_ms_add(now, skew) < c->valid_from)
        return vl_errmsg_set(msg, VL_EEXPIRED, "epoch %llu begins in %llu s only", (unsigned long long)c->epoch,
                             (unsigned long long)((c->valid_from - now + 999) / 1000));
    return VL_OK;
}

static enum vl_err too_slow(const struct topo *t, enum mix_level level, struct vl_errmsg *msg) {
    return vl_errmsg_set(msg, VL_EDENIED,
                         "%s wants %u packets waiting at each relay; %u of %u forward too few for that even with the "
                         "longest mean delay of %u ms (the slowest %u a second)",
                         mix_level_name(level), t->c->anonymity_floor, t->slow, t->slow + t->eligible,
                         t->c->delay_ms[MIX_DELAYS - 1], t->slowest_rate);
}

static enum vl_err check_relays(const struct topo *t, enum mix_level level, struct vl_errmsg *msg) {
    uint32_t hops = mix_level_hops(level), relays = need[level].relays, families = need[level].families;
    if (t->eligible < relays || t->families < families) {
        if (t->eligible + t->slow >= relays && t->slow_families >= families) return too_slow(t, level, msg);
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s needs %u relay%s in %u famil%s; there are %u in %u",
                             mix_level_name(level), relays, relays == 1 ? "" : "s", families,
                             families == 1 ? "y" : "ies", t->eligible, t->families);
    }
    uint32_t room = topo_room(t, NULL, 0, SPOT_ROLES, hops);
    if (room < hops)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED,
                             "%s needs %u relays that are no family and no subnet of each other; of %u there are at "
                             "most %u",
                             mix_level_name(level), hops, t->eligible, room);
    return VL_OK;
}

/* What holds for every path of a level, wherever it ends. */
static enum vl_err check(const struct paths *p, vl_ms now, enum mix_level level, struct vl_errmsg *msg) {
    const struct mix_consensus *c = p->topo.c;
    if (mix_level_hops(level) == 0) return vl_errmsg_set(msg, VL_EUNSUPPORTED, "level off has no path");
    enum vl_err err = check_time(c, now, msg);
    if (err) return err;
    if (need[level].mean_ms > c->delay_ms[MIX_DELAYS - 1])
        return vl_errmsg_set(msg, VL_EDENIED, "%s wants a mean delay of %u ms; the longest of the consensus is %u ms",
                             mix_level_name(level), need[level].mean_ms, c->delay_ms[MIX_DELAYS - 1]);
    return check_relays(&p->topo, level, msg);
}

static enum vl_err counted(struct paths *p, enum vl_err err) {
    p->stats.refused += err != VL_OK;
    return err;
}

enum vl_err paths_level(struct paths *p, vl_ms now, enum mix_level level, uint16_t *ret_mean_ms,
                        struct vl_errmsg *msg) {
    uint16_t at[SPHINX_HOPS_MAX];
    struct want w = { .level = level, .first = SPOT_NONE, .last = SPOT_NONE };
    enum vl_err err = check(p, now, level, msg);
    if (!err) err = draw_path(p, now, &w, at, msg);
    if (!err) *ret_mean_ms = mean_of(p->topo.c, level, p->topo.floor_ms);
    return err;
}

/* ---- paths ---- */

static enum vl_err make(struct paths *p, vl_ms now, const struct want *w, struct sphinx_path *ret,
                        struct vl_errmsg *msg) {
    const struct topo *t = &p->topo;
    uint16_t at[SPHINX_HOPS_MAX];
    uint32_t floor_ms = 0;
    enum vl_err err = draw_path(p, now, w, at, msg);
    if (err) return err;
    *ret = (struct sphinx_path){ .n = mix_level_hops(w->level) };
    for (uint32_t i = 0; i < ret->n; i++) /* that nobody else waits with our packet at our own relay harms nobody */
        if (at[i] != t->self && t->spot[at[i]].floor_ms > floor_ms) floor_ms = t->spot[at[i]].floor_ms;
    uint16_t mean_ms = mean_of(t->c, w->level, floor_ms);
    for (uint32_t i = 0; i < ret->n; i++) {
        const struct mix_relay *r = &t->c->relays[at[i]];
        ret->hop[i] = (struct sphinx_hop){ .node = r->number, .key_id = (uint8_t)t->c->epoch, .delay_ms = mean_ms };
        memcpy(ret->hop[i].key, r->mix_key, sizeof ret->hop[i].key);
    }
    return VL_OK;
}

/* Where a recipient's mailbox is.  Not listed or without a provider: VL_ENOTFOUND. */
static enum vl_err find_provider(const struct topo *t, struct vl_node_id node, uint16_t *ret, struct vl_errmsg *msg) {
    const struct mix_client *client = mix_client_by_node(t->c, node);
    if (client == NULL) return vl_errmsg_set(msg, VL_ENOTFOUND, "the recipient is not in the consensus");
    uint16_t at = client->provider == 0 ? SPOT_NONE : topo_find(t, client->provider);
    if (at == SPOT_NONE) return vl_errmsg_set(msg, VL_ENOTFOUND, "the recipient's provider is not in the consensus");
    *ret = at;
    return VL_OK;
}

/* Whether a provider that was not ours to choose may end a path. */
static enum vl_err check_provider(const struct topo *t, uint16_t at, enum mix_level level, struct vl_errmsg *msg) {
    if (t->spot[at].weight > 0) return VL_OK;
    const struct mix_relay *r = &t->c->relays[at];
    if (at == t->self) return VL_OK; /* a path that ends here, as our loops do: we know the recipient anyway */
    if (r->reputation == 0 || t->spot[at].roles == 0)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "the provider %s",
                             r->reputation == 0 ? "has no reputation" : "is no relay");
    return vl_errmsg_set(msg, VL_EDENIED,
                         "%s wants %u packets waiting at each relay; the provider forwards %u a second, too few even "
                         "with the longest mean delay of %u ms",
                         mix_level_name(level), t->c->anonymity_floor, r->rate, t->c->delay_ms[MIX_DELAYS - 1]);
}

enum vl_err paths_to_client(struct paths *p, vl_ms now, enum mix_level level, struct vl_node_id to,
                            struct sphinx_path *ret, struct vl_errmsg *msg) {
    struct want w = { .level = level, .first = SPOT_NONE };
    struct sphinx_path path;
    enum vl_err err = check(p, now, level, msg);
    if (!err && vl_node_eq(to, p->self)) err = vl_errmsg_set(msg, VL_EUNSUPPORTED, "the recipient is ourselves");
    if (!err) err = find_provider(&p->topo, to, &w.last, msg);
    if (!err) err = check_provider(&p->topo, w.last, level, msg);
    if (!err) err = make(p, now, &w, &path, msg);
    if (err) return counted(p, err);
    path.end = (struct sphinx_end){ .command = SPHINX_DELIVER, .service = PATHS_SERVICE_MAIL };
    memcpy(path.end.recipient, to.b, sizeof to.b);
    *ret = path;
    return VL_OK;
}

/* Our own mailbox: with the provider that the consensus lists for us (ourselves, if we are a relay); a member that is
 * not listed yet has named, or will name, its guard. */
static enum vl_err find_mailbox(struct paths *p, vl_ms now, enum mix_level level, uint16_t *ret,
                                struct vl_errmsg *msg) {
    if (mix_client_by_node(p->topo.c, p->self) != NULL) {
        enum vl_err err = find_provider(&p->topo, p->self, ret, msg);
        return err ? err : check_provider(&p->topo, *ret, level, msg);
    }
    uint32_t guard = paths_guard(p, now);
    if (guard == 0) return vl_errmsg_set(msg, VL_EAGAIN, "no guard can be reached, so there is no mailbox");
    *ret = topo_find(&p->topo, guard);
    return VL_OK;
}

/* The two providers are what they are, and may be one relay or of one family: it then sees both ends, though not that
 * they belong together.  At the highest level that is too much. */
enum vl_err paths_reply(struct paths *p, vl_ms now, enum mix_level level, struct vl_node_id from,
                        const uint8_t surb_id[16], struct sphinx_path *ret, struct vl_errmsg *msg) {
    struct want w = { .level = level, .may_return = level != MIX_SECRET };
    struct sphinx_path path;
    enum vl_err err = check(p, now, level, msg);
    if (!err) err = find_mailbox(p, now, level, &w.last, msg);
    if (!err) err = find_provider(&p->topo, from, &w.first, msg);
    if (!err && mix_level_hops(level) > 1) err = check_provider(&p->topo, w.first, level, msg);
    if (!err) err = make(p, now, &w, &path, msg);
    if (err) return counted(p, err);
    path.end = (struct sphinx_end){ .command = SPHINX_REPLY };
    memcpy(path.end.recipient, p->self.b, sizeof p->self.b);
    memcpy(path.end.surb_id, surb_id, sizeof path.end.surb_id);
    *ret = path;
    return VL_OK;
}

enum vl_err paths_loop(struct paths *p, vl_ms now, enum mix_level level, uint32_t service, struct sphinx_path *ret) {
    struct want w = { .level = level, .first = SPOT_NONE, .may_return = true };
    struct sphinx_path path;
    enum vl_err err = check(p, now, level, NULL);
    if (!err) err = find_mailbox(p, now, level, &w.last, NULL);
    /* One hop from ourselves to ourselves would measure nothing. */
    if (!err && mix_level_hops(level) == 1 && w.last == p->topo.self) err = VL_EUNSUPPORTED;
    if (!err) err = make(p, now, &w, &path, NULL);
    if (err) return counted(p, err);
    path.end = (struct sphinx_end){ .command = SPHINX_DELIVER, .service = service };
    memcpy(path.end.recipient, p->self.b, sizeof p->self.b);
    *ret = path;
    return VL_OK;
}

enum vl_err paths_drop(struct paths *p, vl_ms now, enum mix_level level, struct sphinx_path *ret) {
    struct want w = { .level = level, .first = SPOT_NONE, .last = SPOT_NONE };
    struct sphinx_path path;
    enum vl_err err = check(p, now, level, NULL);
    if (!err) err = make(p, now, &w, &path, NULL);
    if (err) return counted(p, err);
    path.end = (struct sphinx_end){ .command = SPHINX_DROP };
    *ret = path;
    return VL_OK;
}

struct paths_stats paths_stats(const struct paths *p) {
    struct paths_stats s = p->stats;
    s.eligible = p->topo.eligible;
    s.families = p->topo.families;
    s.sampled_guards = p->guards.n;
    s.confirmed_guards = p->guards.confirmed_n;
    s.ready = 0;
    for (size_t i = 0; i < POOL_USES; i++) s.ready += p->pool[i].n;
    return s;
}
