/* From votes to a consensus: everything here depends on nothing but the votes that count, the descriptors that they
 * name and the consensus before, so that all honest authorities get the same bytes. */
#include "mix/authority_priv.h"

#include "crypto/drbg.h"
#include "crypto/hash.h"
#include "mix/consensus_priv.h"

#include <stdlib.h>
#include <string.h>

/* --- which votes, which consensus before --- */

bool authority_counts(const struct ballot *b) { return b->heads == 1 && b->have; }

uint32_t authority_votes(const struct authority *a) {
    uint32_t n = 0;
    for (size_t i = 0; i < a->cfg.charter.n; i++) n += authority_counts(&a->ballot[i]);
    return n;
}

/* Votes of which only the hash is known: worth waiting for. */
static bool votes_outstanding(const struct authority *a) {
    for (size_t i = 0; i < a->cfg.charter.n; i++)
        if (a->ballot[i].heads == 1 && !a->ballot[i].have) return true;
    return false;
}

static uint32_t votes_for(const struct authority *a, const uint8_t previous[32]) {
    uint32_t n = 0;
    for (size_t i = 0; i < a->cfg.charter.n; i++)
        n += authority_counts(&a->ballot[i]) && memcmp(a->ballot[i].vote.previous, previous, 32) == 0;
    return n;
}

/* Whether x is rather gone on from than y, with xn and yn votes.  To know of none is no vote against one: authorities
 * that lost their disks must not begin a second chain. */
static bool base_before(const struct mix_vote *x, uint32_t xn, const struct mix_vote *y, uint32_t yn) {
    if ((x->previous_epoch == 0) != (y->previous_epoch == 0)) return y->previous_epoch == 0;
    if (xn != yn) return xn > yn;
    if (x->previous_epoch != y->previous_epoch) return x->previous_epoch > y->previous_epoch;
    return memcmp(x->previous, y->previous, 32) < 0;
}

uint64_t authority_base(const struct authority *a, bool held, uint8_t ret_hash[32]) {
    const struct mix_vote *best = NULL;
    uint32_t best_n = 0;
    memset(ret_hash, 0, 32);
    for (size_t i = 0; i < a->cfg.charter.n; i++) {
        const struct mix_vote *v = &a->ballot[i].vote;
        if (!authority_counts(&a->ballot[i])) continue;
        if (held && v->previous_epoch > 0 && authority_chained(a, v->previous) == NULL) continue;
        uint32_t n = votes_for(a, v->previous);
        if (best != NULL && !base_before(v, n, best, best_n)) continue;
        best = v;
        best_n = n;
    }
    if (best == NULL) return 0;
    memcpy(ret_hash, best->previous, 32);
    return best->previous_epoch;
}

/* --- tally --- */

struct listing {
    const struct mix_vote_entry *entry;
    uint32_t voter;
};

static int by_digest(const void *a, const void *b) {
    const struct listing *x = a, *y = b;
    int order = memcmp(x->entry->digest, y->entry->digest, 32);
    return order != 0 ? order
                      : (x->entry->reputation > y->entry->reputation) - (x->entry->reputation < y->entry->reputation);
}

static struct listing *listings(const struct authority *a, size_t *ret_n) {
    size_t n = 0;
    for (size_t i = 0; i < a->cfg.charter.n; i++)
        if (authority_counts(&a->ballot[i])) n += a->ballot[i].vote.entries_n;
    struct listing *v = malloc((n + 1) * sizeof *v);
    if (v == NULL) return NULL;
    n = 0;
    for (uint32_t i = 0; i < a->cfg.charter.n; i++) {
        const struct mix_vote *vote = &a->ballot[i].vote;
        if (!authority_counts(&a->ballot[i])) continue;
        for (uint32_t k = 0; k < vote->entries_n; k++) v[n++] = (struct listing){ &vote->entries[k], i };
    }
    qsort(v, n, sizeof *v, by_digest);
    *ret_n = n;
    return v;
}

enum vl_err authority_tally(struct authority *a) {
    size_t n = 0;
    struct listing *v = listings(a, &n);
    size_t majority = a->cfg.charter.n / 2u + 1, most = n / majority + 1;
    struct tally_row *tally = malloc(most * sizeof *tally);
    uint8_t(*missing)[32] = malloc(most * sizeof *missing);
    if (v == NULL || tally == NULL || missing == NULL) {
        free(v);
        free(tally);
        free(missing);
        return VL_ENOMEM;
    }
    free(a->tally);
    free(a->missing);
    a->tally = tally;
    a->missing = missing;
    a->tally_n = a->missing_n = 0;
    for (size_t i = 0, end = 0; i < n; i = end) {
        struct tally_row row = { .voters = 0 };
        for (end = i; end < n && memcmp(v[end].entry->digest, v[i].entry->digest, 32) == 0; end++)
            row.voters |= 1u << v[end].voter;
        if (end - i < majority) continue;
        memcpy(row.digest, v[i].entry->digest, 32);
        row.reputation = v[i + (end - i - 1) / 2].entry->reputation; /* lower median: a run ascends by it */
        a->tally[a->tally_n++] = row;
        if (vl_map_get(&a->by_digest, row.digest) == NULL) memcpy(a->missing[a->missing_n++], row.digest, 32);
    }
    free(v);
    return VL_OK;
}

/* --- nodes --- */

struct listed {
    const struct held *held;
    uint16_t reputation;
    uint32_t number; /* of a relay in the consensus before, 0: a newcomer */
    bool known;
};

static int by_node(const void *a, const void *b) {
    const struct listed *x = a, *y = b;
    int order = memcmp(x->held->d.node.b, y->held->d.node.b, 32);
    return order != 0 ? order : memcmp(x->held->digest, y->held->digest, 32);
}

static int by_known_then_node(const void *a, const void *b) {
    const struct listed *x = a, *y = b;
    return x->known != y->known ? (x->known ? -1 : 1) : by_node(a, b);
}

static int by_number(const void *a, const void *b) {
    uint32_t x = ((const struct mix_relay *)a)->number, y = ((const struct mix_relay *)b)->number;
    return (x > y) - (x < y);
}

/* Those of `mask` roles, no node twice (an authority that lists two descriptors of one node can make two majorities),
 * those of the consensus before first, at most `max`. */
static uint32_t select_nodes(const struct authority *a, const struct mix_consensus *base, uint8_t mask, uint32_t max,
                             struct listed *v) {
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < a->tally_n; i++) {
        const struct held *h = vl_map_get(&a->by_digest, a->tally[i].digest);
        if (h == NULL || (h->d.roles & mask) == 0) continue;
        struct listed l = { .held = h, .reputation = a->tally[i].reputation };
        if (base != NULL && mask == MIX_ROLE_CLIENT) l.known = mix_client_by_node(base, h->d.node) != NULL;
        if (base != NULL && mask == MIX_ROLES_RELAY) {
            const struct mix_relay *r = mix_relay_by_node(base, h->d.node);
            l.known = r != NULL;
            l.number = r ? r->number : 0;
        }
        v[n++] = l;
    }
    qsort(v, n, sizeof *v, by_node);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || !vl_node_eq(v[i].held->d.node, v[kept - 1].held->d.node)) v[kept++] = v[i];
    qsort(v, kept, sizeof *v, by_known_then_node);
    return kept < max ? kept : max;
}

static struct mix_relay relay_of(const struct listed *l, uint32_t number) {
    const struct mix_descriptor *d = &l->held->d;
    struct mix_relay r = { .number = number,
                           .node = d->node,
                           .roles = d->roles,
                           .subnet = mix_subnet(d->addr),
                           .bandwidth = d->bandwidth,
                           .rate = d->rate,
                           .mean_delay_ms = d->mean_delay_ms,
                           .reputation = l->reputation,
                           .proof_epoch = d->proof_epoch };
    memcpy(r.static_key, d->static_key, 32);
    memcpy(r.mix_key, d->mix_key, 32);
    memcpy(r.vrf_key, d->vrf_key, 32);
    memcpy(r.family, d->family, sizeof r.family);
    memcpy(r.addr, d->addr, sizeof r.addr);
    memcpy(r.proof, d->proof, sizeof r.proof);
    return r;
}

/* Newcomers stand behind the known ones, ascending by node, and get their numbers in that order. */
static void fill_relays(const struct authority *a, const struct mix_consensus *base, struct listed *v,
                        struct mix_consensus *c) {
    uint32_t n = select_nodes(a, base, MIX_ROLES_RELAY, MIX_RELAYS_MAX, v);
    for (uint32_t i = 0; i < n; i++) {
        if (!v[i].known && c->next_number == UINT32_MAX) break;
        uint32_t number = v[i].known ? v[i].number : c->next_number++;
        c->relays[c->relays_n++] = relay_of(&v[i], number);
    }
    qsort(c->relays, c->relays_n, sizeof *c->relays, by_number);
}

static int by_client(const void *a, const void *b) {
    return memcmp(((const struct mix_client *)a)->node.b, ((const struct mix_client *)b)->node.b, 32);
}

static void fill_clients(const struct authority *a, const struct mix_consensus *base, struct listed *v,
                         struct mix_consensus *c) {
    c->clients_n = select_nodes(a, base, MIX_ROLE_CLIENT, MIX_CLIENTS_MAX, v);
    for (uint32_t i = 0; i < c->clients_n; i++) {
        const struct mix_descriptor *d = &v[i].held->d;
        const struct mix_relay *provider = mix_relay_by_node(c, d->provider);
        c->clients[i] = (struct mix_client){ .node = d->node, .provider = provider ? provider->number : 0 };
        memcpy(c->clients[i].static_key, d->static_key, 32);
    }
    qsort(c->clients, c->clients_n, sizeof *c->clients, by_client);
}

/* Layers by turns along a shuffled list, those that mix first: each layer gets as many of both kinds, but for one. */
static void draw_layers(struct mix_consensus *c) {
    uint32_t order[MIX_RELAYS_MAX], n = 0;
    struct crypto_drbg rng;
    uint8_t seed[32];
    crypto_blake2b_keyed(vl_span(c->shared_random, 32), vl_span(NULL, 0), "village-mix-layr", seed, sizeof seed);
    crypto_drbg_init(&rng, seed);
    for (unsigned mixes = 1; mixes < 2; mixes--) { /* 1, then 0 */
        uint32_t first = n;
        for (uint32_t i = 0; i < c->relays_n; i++)
            if (((c->relays[i].roles & MIX_ROLE_MIX) != 0) == (mixes == 1)) order[n++] = i;
        for (uint32_t i = n; i > first + 1; i--) { /* Fisher-Yates */
            uint32_t k = first + (uint32_t)crypto_drbg_below(&rng, i - first), swap = order[k];
            order[k] = order[i - 1];
            order[i - 1] = swap;
        }
    }
    for (uint32_t i = 0; i < n; i++) c->relays[order[i]].layer = (uint8_t)(i % 3);
}

/* --- parameters --- */

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* which: 0..MIX_DELAYS - 1 a delay, then tolerance, then floor.  Medians of ascending lists ascend. */
static uint32_t median(const struct authority *a, size_t which) {
    uint32_t v[MIX_AUTHORITIES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < a->cfg.charter.n; i++) {
        const struct mix_vote *vote = &a->ballot[i].vote;
        if (!authority_counts(&a->ballot[i])) continue;
        v[n++] = which < MIX_DELAYS    ? vote->delay_ms[which]
                 : which == MIX_DELAYS ? vote->tolerance_permille
                                       : vote->anonymity_floor;
    }
    qsort(v, n, sizeof *v, by_value);
    return v[(n - 1) / 2];
}

static void fill_head(const struct authority *a, const struct mix_consensus *base, struct mix_consensus *c) {
    const struct mix_charter *charter = &a->cfg.charter;
    c->epoch = a->epoch;
    c->valid_from = mix_epoch_start(charter, a->epoch);
    c->valid_until = mix_epoch_start(charter, a->epoch + 2);
    if (base != NULL) memcpy(c->previous, base->hash, 32);
    c->next_number = base != NULL ? base->next_number : 1;
    authority_shared_random(a, base, c->shared_random);
    for (size_t i = 0; i < MIX_DELAYS; i++) c->delay_ms[i] = (uint16_t)median(a, i);
    c->tolerance_permille = (uint16_t)median(a, MIX_DELAYS);
    c->anonymity_floor = median(a, MIX_DELAYS + 1);
    for (size_t i = 0; i < charter->n; i++) {
        if (!authority_counts(&a->ballot[i])) continue;
        struct mix_commitment *m = &c->commitment[c->commitments_n++];
        m->authority = charter->authority[i].node;
        memcpy(m->value, a->ballot[i].vote.commitment, 32);
    }
}

/* --- the whole --- */

static enum vl_err compute(struct authority *a, const struct mix_consensus *base) {
    struct mix_consensus c = { .epoch = 0 };
    struct vl_hash hash;
    struct listed *v = calloc(a->tally_n + 1u, sizeof *v);
    c.relays = calloc(MIX_RELAYS_MAX, sizeof *c.relays);
    c.clients = calloc(MIX_CLIENTS_MAX, sizeof *c.clients);
    enum vl_err err = v == NULL || c.relays == NULL || c.clients == NULL ? VL_ENOMEM : VL_OK;
    if (!err) {
        fill_head(a, base, &c);
        fill_relays(a, base, v, &c);
        fill_clients(a, base, v, &c);
        draw_layers(&c);
        vl_buf_clear(&a->body);
        err = mix_consensus_encode(&c, &a->body);
    }
    if (!err) {
        crypto_blake2b256(vl_span(a->body.p, a->body.len), &hash);
        memcpy(a->body_hash, hash.b, 32);
        a->computed = true;
    }
    free(v);
    mix_consensus_free(&c);
    return err;
}

/* False: something is missing still. */
static bool ready(struct authority *a, vl_ms now, const struct mix_consensus **ret_base) {
    uint8_t hash[32];
    if (votes_outstanding(a) && authority_before(a, now, STEP_GIVE_UP)) return false;
    if (authority_votes(a) < a->cfg.charter.threshold) return false;
    if (authority_tally(a) != VL_OK || a->missing_n > 0) return false;
    *ret_base = NULL;
    /* What nobody sends was never there: who names it cannot hold up the others for longer. */
    bool give_up = !authority_before(a, now, STEP_GIVE_UP);
    if (authority_base(a, give_up, hash) == 0) return true;
    const struct chained *base = authority_chained(a, hash);
    if (base == NULL) return false;
    *ret_base = &base->c;
    return true;
}

/* Once for an epoch, whatever happens: two would be a proof against ourselves. */
static void sign(struct authority *a) {
    struct ballot *b = &a->ballot[a->self];
    bool may = a->restored || authority_before(a, a->born, STEP_COMPUTE);
    if (b->has_signature || !may) return;
    struct mix_statement s = { .kind = MIX_STATEMENT_CONSENSUS, .epoch = a->epoch };
    memcpy(s.hash, a->body_hash, 32);
    mix_statement_sign(&s, &a->cfg.charter, a->cfg.key);
    b->signature = s;
    b->has_signature = true;
    if (authority_store(a) != VL_OK) {
        b->has_signature = false; /* again at the next step */
        return;
    }
    authority_send_signatures(a);
}

static void publish(struct authority *a) {
    uint8_t n = 0, head = AUTHORITY_CONSENSUS;
    struct mix_consensus c;
    struct vl_buf out;
    for (int i = 0; i < a->cfg.charter.n; i++) {
        const struct ballot *b = &a->ballot[i];
        n = (uint8_t)(n + (b->heads < 2 && b->has_signature && memcmp(b->signature.hash, a->body_hash, 32) == 0));
    }
    if (n < a->cfg.charter.threshold) return;
    vl_buf_init(&out, MIX_DOC_MAX + 1);
    struct pack w = pack_begin(&out);
    pack_u8(&w, head);
    pack_bytes(&w, a->body.p, a->body.len);
    pack_u8(&w, n);
    for (int i = 0; i < a->cfg.charter.n; i++) {
        const struct ballot *b = &a->ballot[i];
        if (b->heads >= 2 || !b->has_signature || memcmp(b->signature.hash, a->body_hash, 32) != 0) continue;
        pack_u8(&w, (uint8_t)i);
        pack_bytes(&w, b->signature.signature, CRYPTO_SIGNATURE);
    }
    if (pack_end(&w) == VL_OK &&
        mix_consensus_decode(vl_span(out.p + 1, out.len - 1), &a->cfg.charter, 0, &c) == VL_OK) {
        vl_ignore(authority_adopt(a, &c, vl_span(out.p, out.len))); /* out of memory: again at the next step */
        mix_consensus_free(&c);
    }
    vl_buf_free(&out);
}

void authority_finish(struct authority *a, vl_ms now) {
    const struct mix_consensus *base = NULL;
    if (authority_before(a, now, STEP_COMPUTE) || a->newest.c.epoch >= a->epoch) return;
    if (!a->computed && (!ready(a, now, &base) || compute(a, base) != VL_OK)) return;
    sign(a);
    publish(a);
}
