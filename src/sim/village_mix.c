/* The private network of a simulated village: relays, authorities, charters, and what must hold of them. */
#include "sim/village_priv.h"

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "wire/level.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nodes 1..relays are mixes.  Authorities are spread over the village, the last of them no relay when there is a node that
 * is none: both kinds must do. */
static uint32_t authority_index(const struct sim_village *v, uint32_t i) {
    uint32_t n = v->cfg.world.nodes, step = (n - 1) / SIM_AUTHORITIES;
    uint32_t moved = v->charters > 1 && v->cfg.world.seed % 2 ? 1 : 0; /* another set after the second charter */
    return n - 1 - i * step - (i == 1 ? moved : 0);
}

void sim_mix_config(struct sim_village *v, uint32_t index, struct brain_config *cfg) {
    if (!v->cfg.mix) {
        cfg->mix.limits = relay_limits_default();
        return;
    }
    snprintf(cfg->addr, sizeof cfg->addr, "node-%u:1", index);
    cfg->mix = brain_mix_config_default();
    cfg->mix.relay = index >= 1 && index <= v->cfg.mix_relays;
    memcpy(cfg->mix.addr, cfg->addr, sizeof cfg->mix.addr);
    cfg->mix.bandwidth = 500;
    cfg->mix.limits.packets = 2048;
    cfg->mix.limits.ingress = 256;
    cfg->mix.limits.rate = cfg->mix.limits.link_rate = 500;
    cfg->mix.limits.burst = cfg->mix.limits.link_burst = 256;
    cfg->mix.limits.links = 64;
    cfg->mix.cover = (struct cover_rates){ .payload_mhz = 5000, .loop_mhz = 300, .drop_mhz = 300 };
}

/* ---- keys and their tables -------------------------------------------------------------------------------------- */

static uint64_t tags(const struct sim_disk *d) {
    uint64_t n = d->mix_tags;
    for (const struct sim_mix_key *k = d->mix_keys; k; k = k->next) n += replay_stats(k->table).entries;
    return n;
}

static void key_free(struct sim_mix_key *k) {
    replay_close(k->table);
    free(k->mem);
    free(k);
}

void sim_mix_disk_free(struct sim_disk *d) {
    for (struct sim_mix_key *k; (k = d->mix_keys); key_free(k)) d->mix_keys = k->next;
    for (unsigned i = 0; i < SIM_VOTES; i++) vl_buf_free(&d->votes[i]);
}

/* A killed process finds its tables again, after a power cut they are worth nothing. */
void sim_mix_start(struct sim_node *n) {
    bool power = n->disk->mix_keys && vl_prng_below(world_workload(n->v->world), 2) == 0;
    if (power)
        for (struct sim_mix_key *k; (k = n->disk->mix_keys); key_free(k)) n->disk->mix_keys = k->next;
    for (struct sim_mix_key *k = n->disk->mix_keys; k; k = k->next) k->open = false;
    n->mix_tags_before = tags(n->disk);
}

static struct sim_mix_key *key_make(struct sim_node *n, uint64_t epoch, uint64_t capacity) {
    static const uint8_t sip[16] = { 1 };
    struct sim_mix_key *k = calloc(1, sizeof *k);
    size_t size = (replay_size(capacity) + 4095) / 4096 * 4096;
    if (k == NULL) return NULL;
    k->epoch = epoch;
    sim_seed(n->v, n->index, (n->disk->boots << 32) + epoch, k->secret);
    k->mem = aligned_alloc(4096, size);
    if (k->mem) memset(k->mem, 0, size);
    if (k->mem == NULL || replay_create(k->mem, size, capacity, k->secret, sip, &k->table)) {
        free(k->mem);
        free(k);
        return NULL;
    }
    k->next = n->disk->mix_keys;
    n->disk->mix_keys = k;
    return k;
}

void sim_mix_key(struct sim_node *n, uint64_t epoch, bool make, uint64_t capacity, vl_ms now) {
    struct sim_mix_key *k = n->disk->mix_keys;
    while (k && k->epoch != epoch) k = k->next;
    if (k == NULL && make) k = key_make(n, epoch, capacity);
    if (k) k->open = true;
    brain_mix_key(n->brain, now, epoch, k ? VL_OK : VL_ENOTFOUND, k ? k->secret : NULL, k ? k->table : NULL);
}

void sim_mix_key_drop(struct sim_node *n, uint64_t epoch, bool earlier) {
    for (struct sim_mix_key **at = &n->disk->mix_keys; *at;) {
        struct sim_mix_key *k = *at;
        if (earlier ? k->open || k->epoch > epoch : k->epoch != epoch) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        n->disk->mix_tags += replay_stats(k->table).entries;
        key_free(k);
    }
}

/* ---- charters --------------------------------------------------------------------------------------------------- */

static int by_node(const void *a, const void *b) { return memcmp(a, b, sizeof(struct vl_node_id)); }

void sim_mix_charter(struct sim_node *n, vl_ms now) {
    struct sim_village *v = n->v;
    struct mix_charter c = { .n = SIM_AUTHORITIES, .threshold = SIM_AUTHORITIES / 2 + 1, .anonymity_floor = 1 };
    struct brain_mix_view view;
    brain_mix_view(n->brain, &view);
    v->charters++;
    /* the second names others; the third counts epochs anew */
    c.epoch_ms = v->charters > 2 ? v->cfg.mix_epoch_ms * 5 / 4 : v->cfg.mix_epoch_ms;
    c.genesis_ms = view.charter && v->charters == 2 ? view.charter->genesis_ms : now - c.epoch_ms / 2;
    for (uint32_t i = 0; i < SIM_AUTHORITIES; i++) {
        uint32_t index = authority_index(v, i);
        c.authority[i].node = sim_node_id(v, index);
        snprintf(c.authority[i].addr, sizeof c.authority[i].addr, "node-%u:1", index);
    }
    qsort(c.authority, c.n, sizeof c.authority[0], by_node);
    brain_mix_charter(n->brain, now, 0, &c);
    n->charter_at = v->charters < v->cfg.mix_charters ? now + v->cfg.mix_charter_ms : VL_MS_NEVER;
}

/* ---- what must hold --------------------------------------------------------------------------------------------- */

/* Signatures at the end of a consensus: count, then that many of an index and 64 bytes.  Looked at here by other code than
 * that which accepted it. */
static unsigned signatures(const struct brain_mix_view *m) {
    const struct vl_span b = m->consensus_bytes;
    unsigned most = 0; /* bytes of a signature may look like a smaller count */
    for (unsigned n = 1; n <= m->charter->n && b.n > 1 + n * 65u; n++) {
        const uint8_t *p = b.p + b.n - n * 65u;
        unsigned good = 0;
        for (unsigned i = 0; p[-1] == n && i < n && p[i * 65u] < m->charter->n; i++) {
            struct mix_statement s = { .kind = MIX_STATEMENT_CONSENSUS, .epoch = m->consensus->epoch };
            memcpy(s.hash, m->consensus->hash, 32);
            memcpy(s.signature, p + i * 65u + 1, 64);
            good += mix_statement_check(&s, m->charter, m->charter->authority[p[i * 65u]].node) == VL_OK;
        }
        if (good == n) most = n;
    }
    return most;
}

static const char *consensus_check(struct sim_node *n, const struct brain_mix_view *m) {
    struct sim_village *v = n->v;
    const struct mix_consensus *c = m->consensus;
    if (c == NULL || memcmp(n->mix_seen, c->hash, 32) == 0) return NULL;
    memcpy(n->mix_seen, c->hash, 32);
    /* one that an earlier charter's authorities signed stays in force */
    if (n->mix_charter == m->charter->number && signatures(m) < m->charter->threshold)
        return "a consensus was accepted without enough signatures";
    n->mix_charter = m->charter->number;
    for (uint32_t i = 0; i < v->epochs_n; i++) {
        const struct sim_epoch *e = &v->epochs[i];
        if (e->genesis_ms != m->charter->genesis_ms || e->epoch_ms != m->charter->epoch_ms || e->epoch != c->epoch) continue;
        return memcmp(e->hash, c->hash, 32) == 0 ? NULL : "two consensuses of one epoch were accepted";
    }
    if (v->epochs_n == SIM_EPOCHS) return "more epochs than a run has";
    struct sim_epoch *e = &v->epochs[v->epochs_n++];
    *e = (struct sim_epoch){ .genesis_ms = m->charter->genesis_ms, .epoch_ms = m->charter->epoch_ms, .epoch = c->epoch };
    memcpy(e->hash, c->hash, 32);
    v->stats.consensuses++;
    return NULL;
}

/* Each packet that got past the tables left a tag in one. */
static const char *relay_check(struct sim_node *n, const struct brain_mix_view *m) {
    const struct relay_stats *r = &m->relay;
    uint64_t passed = r->forwarded + r->delivered + r->delayed + r->dropped[RELAY_DROP_COVER] - r->made;
    if (!m->relay_balanced) return "the books of a relay do not balance";
    if (passed + n->mix_tags_before > tags(n->disk)) return "a relay let packets pass without a look at its replay table";
    if (m->counters.mail_in != m->counters.mail_out + m->counters.mail_lost + m->mail_waiting)
        return "the books of the mailboxes do not balance";
    return NULL;
}

/* Votes that others have seen are on the disk of whoever cast them. */
static const char *votes_check(struct sim_node *n, const struct brain_mix_view *m) {
    struct sim_village *v = n->v;
    for (int i = 0; m->charter && m->authority_core && i < m->charter->n; i++) {
        uint8_t signature[64];
        uint32_t who = 0;
        bool found = false;
        if (!authority_vote_seen(m->authority_core, i, signature)) continue;
        while (!vl_node_eq(sim_node_id(v, who), m->charter->authority[i].node)) who++;
        if (who == n->index) continue;
        for (unsigned k = 0; k < SIM_VOTES; k++)
            found |= v->disks[who].votes[k].len > 64 &&
                     memmem(v->disks[who].votes[k].p, v->disks[who].votes[k].len, signature, sizeof signature) != NULL;
        if (!found) return "an authority's vote was seen before it was durable";
    }
    return NULL;
}

const char *sim_mix_check(struct sim_node *n) {
    struct brain_mix_view m;
    const char *wrong;
    if (!n->v->cfg.mix) return NULL;
    brain_mix_view(n->brain, &m);
    if (m.counters.in_clear > 0) return "a private message or its acknowledgement went over a link";
    if (m.counters.equivocations > 0) return "an honest authority was accused of two votes";
    if ((wrong = consensus_check(n, &m))) return wrong;
    if ((wrong = votes_check(n, &m))) return wrong;
    return m.relay_on ? relay_check(n, &m) : NULL;
}

bool sim_mix_linked(struct sim_village *v) {
    for (uint32_t i = 0; v->cfg.mix && i < v->cfg.world.nodes; i++) {
        struct sim_node *n = world_node(v->world, i);
        struct brain_mix_view m;
        if (n == NULL) return false;
        brain_mix_view(n->brain, &m);
        if (m.ways_down > 0) return false;
    }
    return true;
}

void sim_mix_committed(struct sim_node *n, const struct record *records, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind != RECORD_MIX || records[i].index != MIX_RECORD_VOTE) continue;
        struct vl_buf *b = &n->disk->votes[n->disk->votes_n++ % SIM_VOTES];
        vl_buf_clear(b);
        if (vl_buf_append(b, records[i].bytes.p, records[i].bytes.n)) abort();
    }
}

void sim_mix_describe(struct sim_village *v, FILE *to) {
    for (uint32_t i = 0; v->cfg.mix && i < v->cfg.world.nodes; i++) {
        struct sim_node *n = world_node(v->world, i);
        struct brain_mix_view m;
        if (n == NULL) continue;
        brain_mix_view(n->brain, &m);
        fprintf(to,
                "# node %u: %u ways down, charter %llu, epoch %llu, consensus %llu (%u relays, %u recipients), out %llu in %llu waiting %u, "
                "no path %llu, unsent %llu, fetches %llu, forwarded %llu delivered %llu received %llu, failed epochs %llu "
                "(votes %llu documents %llu signatures %llu)\n",
                i, m.ways_down, m.charter ? (unsigned long long)m.charter->number : 0, (unsigned long long)m.epoch,
                m.consensus ? (unsigned long long)m.consensus->epoch : 0, m.consensus ? m.consensus->relays_n : 0,
                m.consensus ? m.consensus->clients_n : 0, (unsigned long long)m.counters.messages_out,
                (unsigned long long)m.counters.messages_in, m.channel.out, (unsigned long long)m.counters.no_path,
                (unsigned long long)m.counters.unsent, (unsigned long long)m.counters.fetches,
                (unsigned long long)m.relay.forwarded, (unsigned long long)m.relay.delivered,
                (unsigned long long)m.relay.received, (unsigned long long)m.authority.failed_epochs,
                (unsigned long long)m.authority.failed_votes, (unsigned long long)m.authority.failed_documents,
                (unsigned long long)m.authority.failed_signatures);
        for (unsigned d = 0; m.relay_on && d < RELAY_DROPS; d++)
            if (m.relay.dropped[d])
                fprintf(to, "#   dropped %s %llu\n", relay_drop_name((enum relay_drop)d), (unsigned long long)m.relay.dropped[d]);
    }
}
