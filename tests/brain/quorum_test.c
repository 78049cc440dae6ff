/* Promises of availability in a coordinator's brain.  Its nodes exist in the registry only: what they say is fed to it
 * as the links would.  Commits are durable at once; items are kept, so that a second brain starts from them. */
#include "brain/priv.h"

#include "fog/uptime.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR 3600000ull
#define ITEMS 4096u

struct item {
    int32_t kind;
    uint8_t key[32];
    uint64_t number;
    uint8_t bytes[AGREEMENT_RECORD_MAX];
    size_t n;
};
struct rig {
    struct brain *brain;
    vl_ms now;
    unsigned replies;
    enum vl_err last;
    char why[256];
    struct item *items;
    size_t items_n;
    struct vl_buf log[512]; /* what else a restart needs: rows of nodes by key, the log */
    struct record log_row[512];
    size_t log_n;
    char history[4096];
};

static void item_keep(struct rig *r, const struct record *v) {
    size_t i = 0;
    while (i < r->items_n && (r->items[i].kind != v->state || memcmp(r->items[i].key, v->key, 32) != 0 ||
                              r->items[i].number != v->number))
        i++;
    if (v->remove) {
        if (i < r->items_n) r->items[i] = r->items[--r->items_n];
        return;
    }
    CHECK(i < ITEMS && v->bytes.n <= sizeof r->items[i].bytes);
    if (i == r->items_n) r->items_n++;
    r->items[i].kind = v->state;
    r->items[i].number = v->number;
    memcpy(r->items[i].key, v->key, 32);
    memcpy(r->items[i].bytes, v->bytes.p, v->bytes.n);
    r->items[i].n = v->bytes.n;
}

static void keep(struct rig *r, const struct record *v) {
    if (v->kind == RECORD_ITEM) item_keep(r, v);
    if (v->kind == RECORD_HISTORY) {
        size_t n = strlen(r->history);
        snprintf(r->history + n, sizeof r->history - n, "%.*s: %.*s\n", (int)v->text.n, (const char *)v->text.p,
                 (int)v->bytes.n, (const char *)v->bytes.p);
    }
    if (v->kind != RECORD_LOG && v->kind != RECORD_NODE) return;
    size_t i = 0;
    while (i < r->log_n && (v->kind != RECORD_NODE || r->log_row[i].kind != RECORD_NODE ||
                            memcmp(r->log_row[i].key, v->key, 32) != 0))
        i++;
    CHECK(i < 512);
    if (i == r->log_n) vl_buf_init(&r->log[r->log_n++], 1u << 20);
    vl_buf_clear(&r->log[i]);
    CHECK_OK(vl_buf_append(&r->log[i], v->bytes.p, v->bytes.n));
    r->log_row[i] = *v;
}

static void effects(struct rig *r) {
    struct brain_effect e;
    while (brain_next_effect(r->brain, &e)) {
        if (e.kind == BRAIN_COMMIT) {
            for (size_t i = 0; i < e.records_n; i++) keep(r, &e.records[i]);
            brain_committed(r->brain, r->now, e.seq);
        }
        if (e.kind == BRAIN_REPLY) {
            r->replies++;
            r->last = e.err;
            snprintf(r->why, sizeof r->why, "%s", e.detail ? e.detail : "");
        }
    }
}

static struct brain_config config(uint64_t boot) {
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = boot };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    return cfg;
}

static struct rig *rig_new(void) {
    struct rig *r = calloc(1, sizeof *r);
    struct brain_config cfg = config(1);
    CHECK(r != NULL && (r->items = calloc(ITEMS, sizeof *r->items)) != NULL);
    r->now = 1000000000;
    CHECK_OK(brain_create(&cfg, r->now, &r->brain));
    brain_start(r->brain, r->now);
    effects(r);
    return r;
}

static void rig_end(struct rig *r) {
    brain_destroy(r->brain);
    for (size_t i = 0; i < r->log_n; i++) vl_buf_free(&r->log[i]);
    free(r->items);
    free(r);
}

static struct vl_node_id node_n(uint8_t n) { return (struct vl_node_id){ { 100, n } }; }

static void label(char dst[LABEL_MAX], const char *kind, unsigned n) { snprintf(dst, LABEL_MAX, "%s%u", kind, n); }

/* A heartbeat, as it comes over the link. */
static void beat(struct rig *r, uint8_t n, unsigned site, enum node_harvest harvest) {
    struct heartbeat *h = calloc(1, sizeof *h);
    CHECK(h != NULL);
    h->kind = NODE_COMPUTE;
    h->protocol = 1;
    h->started_ms = 5;
    h->harvest = harvest;
    h->free_slots = 8;
    h->memory_free_bytes = h->disk_free_bytes = 1ull << 34;
    h->caps = (struct node_caps){
        .cpus = 8, .slots = 8, .memory_bytes = 1ull << 34, .disk_bytes = 1ull << 34, .features = NODE_FEATURE_NATIVE
    };
    label(h->caps.domain[DOMAIN_SITE], "site", site);
    label(h->caps.domain[DOMAIN_OWNER], "owner", n);
    label(h->caps.domain[DOMAIN_REGION], "region", n % 2);
    label(h->caps.domain[DOMAIN_INFRA], n % 2 ? "edge" : "cloud", 0);
    step_begin(r->brain, r->now);
    coordinator_heartbeat(r->brain, node_n(n), h);
    step_end(r->brain);
    effects(r);
    free(h);
}

static void join(struct rig *r, uint8_t n, unsigned site) {
    char name[16];
    snprintf(name, sizeof name, "node%u", n);
    step_begin(r->brain, r->now);
    coordinator_registry(
        r->brain, &(struct registry_event){ .kind = REGISTRY_JOINED, .now = r->now, .node = node_n(n), .name = name });
    step_end(r->brain);
    beat(r, n, site, HARVEST_SAYS_ALWAYS);
}

/* Nodes as old as `hours` without ever failing. */
static void age(struct rig *r, uint8_t first, uint8_t last, uint64_t hours) {
    for (uint8_t n = first; n <= last; n++) {
        struct vl_buf b;
        struct uptime u = { .up_ms = hours * HOUR, .at_ms = r->now, .up = true };
        struct record row = { .kind = RECORD_ITEM, .state = ITEM_UPTIME };
        vl_buf_init(&b, UPTIME_RECORD_MAX);
        CHECK_OK(uptime_encode(&u, &b));
        memcpy(row.key, node_n(n).b, 32);
        row.bytes = vl_span(b.p, b.len);
        CHECK_OK(quorum_restore_uptime(r->brain, &row));
        vl_buf_free(&b);
    }
}

/* Time passes, everybody in first..last is heard every 30 s. */
static void pass(struct rig *r, uint64_t ms, uint8_t first, uint8_t last, unsigned sites) {
    for (vl_ms end = r->now + ms; r->now < end;) {
        r->now = r->now + 30000 < end ? r->now + 30000 : end;
        for (uint8_t n = first; n <= last; n++) beat(r, n, 1 + n % sites, HARVEST_SAYS_ALWAYS);
        brain_tick(r->brain, r->now);
        effects(r);
    }
}

static struct vl_job_id job_n(const struct rig *r, uint8_t n) {
    struct vl_job_id id = { { 0 } };
    vl_put_u64(id.b, r->now << 16);
    id.b[15] = n;
    return id;
}

static struct job_spec spec_of(enum sla_tier tier) {
    struct job_spec s;
    job_spec_defaults(&s);
    s.kind = TASK_NATIVE;
    s.command = vl_span_str("/bin/true");
    s.terms.tier = tier;
    return s;
}

static enum vl_err submit(struct rig *r, struct vl_job_id id, const struct job_spec *s) {
    unsigned before = r->replies;
    brain_submit_job(r->brain, r->now, 1, id, s, 0, NULL);
    effects(r);
    CHECK_EQ(before + 1, r->replies);
    return r->last;
}

static const struct item *item_of(const struct rig *r, enum record_item kind, struct vl_job_id id) {
    for (size_t i = 0; i < r->items_n; i++)
        if (r->items[i].kind == (int32_t)kind && memcmp(r->items[i].key, id.b, sizeof id.b) == 0) return &r->items[i];
    return NULL;
}

static uint32_t copies(const struct rig *r, struct vl_job_id id) {
    struct job_task_view t;
    CHECK(job_book_task(brain_jobs(r->brain), id, 0, &t));
    return t.copies;
}

TEST(quorum_brain, a_village_at_one_site_runs_bronze_and_refuses_platinum_in_words) {
    struct rig *r = rig_new();
    struct job_spec bronze = spec_of(TIER_BRONZE), platinum = spec_of(TIER_PLATINUM);
    struct vl_job_id a = job_n(r, 1), b = job_n(r, 2);
    struct job_view v;
    for (uint8_t n = 1; n <= 6; n++) join(r, n, 1);
    age(r, 1, 6, 400);
    CHECK_OK(submit(r, a, &bronze));
    CHECK(job_book_job(brain_jobs(r->brain), a, &v));
    CHECK_EQ(1, v.replicas);
    CHECK_EQ(1, copies(r, a));
    CHECK(brain_agreement(r->brain, a) != NULL && item_of(r, ITEM_AGREEMENT, a) != NULL);
    CHECK(strstr(r->history, "agreement: bronze on 1 nodes, any one: 99.") != NULL);

    CHECK_EQ(VL_EUNSUPPORTED, submit(r, b, &platinum));
    printf("# %s\n", r->why);
    CHECK(strncmp(r->why,
                  "platinum cannot be honoured: with one site 99.99 % cannot be promised whatever the number of replicas; at "
                  "best 99.",
                  90) == 0);
    CHECK(!job_book_job(brain_jobs(r->brain), b, &v)); /* refused, not downgraded */
    CHECK(brain_agreement(r->brain, b) == NULL && item_of(r, ITEM_AGREEMENT, b) == NULL);
    rig_end(r);
}

TEST(quorum_brain, newcomers_are_promised_for_only_in_numbers) {
    struct rig *r = rig_new();
    struct job_spec bronze = spec_of(TIER_BRONZE);
    join(r, 1, 1);
    CHECK_EQ(VL_EUNSUPPORTED, submit(r, job_n(r, 1), &bronze));
    for (uint8_t n = 2; n <= 6; n++) join(r, n, n);
    struct vl_job_id id = job_n(r, 2);
    struct job_view v;
    CHECK_OK(submit(r, id, &bronze));
    CHECK(job_book_job(brain_jobs(r->brain), id, &v));
    CHECK_EQ(3, v.replicas); /* 0.72 each: 0.28 cubed is 2 % */
    for (uint8_t n = 1; n <= 6; n++) beat(r, n, n, HARVEST_SAYS_ALWAYS); /* a task gets one copy with each */
    CHECK_EQ(3, copies(r, id));
    brain_cancel_job(r->brain, r->now, 2, id);
    effects(r);
    pass(r, 200 * HOUR, 1, 6, 6); /* and after a week of being there one is enough */
    id = job_n(r, 3);
    CHECK_OK(submit(r, id, &bronze));
    CHECK(job_book_job(brain_jobs(r->brain), id, &v));
    CHECK_EQ(1, v.replicas);
    rig_end(r);
}

TEST(quorum_brain, copies_are_placed_on_the_nodes_of_the_agreement_and_compared_only_when_asked_for) {
    struct rig *r = rig_new();
    struct job_spec gold = spec_of(TIER_GOLD), voted = gold;
    struct vl_job_id a = job_n(r, 1), b = job_n(r, 2);
    struct job_view v;
    struct job_spec got;
    for (uint8_t n = 1; n <= 9; n++) join(r, n, n);
    age(r, 1, 9, 100);
    CHECK_OK(submit(r, a, &gold));
    voted.replicas = 2;
    CHECK_OK(submit(r, b, &voted));
    const struct agreement *g = brain_agreement(r->brain, a), *h = brain_agreement(r->brain, b);
    CHECK(g && h && !g->majority && h->majority && h->n > g->n);
    for (uint8_t n = 1; n <= 9; n++) beat(r, n, n, HARVEST_SAYS_ALWAYS);
    CHECK_EQ(g->n, copies(r, a));
    CHECK_EQ(h->n, copies(r, b));
    struct job_task_view t;
    bool up;
    CHECK(job_book_task(brain_jobs(r->brain), a, 0, &t));
    CHECK(agreement_holds(g, t.node, &up) && up);
    CHECK(job_book_job(brain_jobs(r->brain), b, &v));
    CHECK_OK(job_spec_reopen(v.spec, &got));
    CHECK_EQ(SLA_A, got.terms.class);
    rig_end(r);
}

TEST(quorum_brain, a_lost_node_is_replaced_and_the_downtime_counts_from_when_it_was_heard_last) {
    struct rig *r = rig_new();
    struct job_spec bronze = spec_of(TIER_BRONZE);
    struct vl_job_id id = job_n(r, 1);
    join(r, 1, 1);
    age(r, 1, 1, 400);
    CHECK_OK(submit(r, id, &bronze));
    pass(r, 300000, 1, 1, 1);
    vl_ms fell = r->now;
    join(r, 2, 2);
    pass(r, 120000, 2, 2, 2); /* 1 is silent: lost after 90 s, 2 takes its place */
    const struct agreement *a = brain_agreement(r->brain, id);
    bool up = false;
    CHECK(a != NULL && agreement_holds(a, node_n(2), &up) && up);
    CHECK(strstr(r->history, "a node takes the place of a lost one") != NULL);
    struct job_task_view t;
    CHECK(job_book_task(brain_jobs(r->brain), id, 0, &t));
    CHECK(t.copies == 1 && vl_node_eq(t.node, node_n(2)));
    brain_cancel_job(r->brain, r->now, 2, id);
    effects(r);
    CHECK(brain_agreement(r->brain, id) == NULL && item_of(r, ITEM_AGREEMENT, id) == NULL);
    const struct item *kept = item_of(r, ITEM_AGREEMENT_ENDED, id), *refund = item_of(r, ITEM_REFUND, id);
    struct agreement end;
    struct agreement_refund_row row;
    CHECK(kept != NULL && refund != NULL);
    CHECK_OK(agreement_decode(vl_span(kept->bytes, kept->n), &end));
    CHECK_EQ(r->now - end.start_ms, end.up_ms + end.down_ms + end.blind_ms);
    CHECK(end.down_ms >= 60000 && end.down_ms <= 90000 && end.blind_ms == 0);
    CHECK_EQ(fell - end.start_ms, end.up_ms - (r->now - fell - end.down_ms)); /* up until it was last heard */
    CHECK_OK(agreement_refund_decode(vl_span(refund->bytes, refund->n), &row));
    CHECK(row.share_ppb > 0 && row.down_ms == end.down_ms && row.price > 0);
    uint64_t owed = row.price * row.share_ppb / 1000000000u; /* a share of it, rounded either way */
    CHECK(row.refund >= owed && row.refund <= owed + 1);
    CHECK(strstr(r->history, "refund: ") != NULL);
    rig_end(r);
}

TEST(quorum_brain, a_machine_its_owner_took_back_is_down) {
    struct rig *r = rig_new();
    struct job_spec bronze = spec_of(TIER_BRONZE);
    struct vl_job_id id = job_n(r, 1);
    join(r, 1, 1);
    age(r, 1, 1, 400);
    CHECK_OK(submit(r, id, &bronze));
    pass(r, 60000, 1, 1, 1);
    beat(r, 1, 1, HARVEST_SAYS_AWAY);
    r->now += 20000;
    beat(r, 1, 1, HARVEST_SAYS_READY);
    CHECK(strstr(r->history, "availability: not available: 0 of the 1 nodes") != NULL);
    CHECK(strstr(r->history, "availability: available again: 1 of the 1 nodes") != NULL);
    brain_cancel_job(r->brain, r->now, 2, id);
    effects(r);
    const struct item *kept = item_of(r, ITEM_AGREEMENT_ENDED, id);
    struct agreement end;
    CHECK(kept != NULL);
    CHECK_OK(agreement_decode(vl_span(kept->bytes, kept->n), &end));
    CHECK_EQ(20000, end.down_ms);
    CHECK_EQ(60000, end.up_ms);
    rig_end(r);
}

TEST(quorum_brain, how_available_a_node_is_follows_from_when_it_was_heard) {
    struct rig *r = rig_new();
    join(r, 1, 1);
    join(r, 2, 2);
    age(r, 1, 2, 400);
    uint32_t sound = quorum_lower_ppb(r->brain, node_n(1));
    pass(r, 10 * HOUR, 2, 2, 2); /* 1 is silent for ten hours */
    uint32_t weak = quorum_lower_ppb(r->brain, node_n(1));
    CHECK(quorum_lower_ppb(r->brain, node_n(2)) >= sound - 1000);
    /* 400 up (395 are left), 10 down: Beta(396, 11), mean .973, less 1.645 * .008 */
    CHECK(weak > 955000000 && weak < 965000000);
    beat(r, 1, 1, HARVEST_SAYS_ALWAYS);
    pass(r, 50 * HOUR, 1, 2, 2);
    CHECK(quorum_lower_ppb(r->brain, node_n(1)) > weak);
    rig_end(r);
}

TEST(quorum_brain, a_coordinator_that_stood_still_blames_nobody_and_promises_nothing_for_that_time) {
    struct rig *r = rig_new();
    struct job_spec bronze = spec_of(TIER_BRONZE);
    struct vl_job_id id = job_n(r, 1);
    join(r, 1, 1);
    age(r, 1, 1, 400);
    CHECK_OK(submit(r, id, &bronze));
    pass(r, 600000, 1, 1, 1);
    uint32_t before = quorum_lower_ppb(r->brain, node_n(1));
    r->now += 20 * HOUR; /* stopped, or its clock stepped */
    brain_tick(r->brain, r->now);
    beat(r, 1, 1, HARVEST_SAYS_ALWAYS);
    uint32_t after = quorum_lower_ppb(r->brain, node_n(1));
    CHECK(after + 1000 > before && after < before + 1000);
    pass(r, 600000, 1, 1, 1);
    brain_cancel_job(r->brain, r->now, 2, id);
    effects(r);
    const struct item *kept = item_of(r, ITEM_AGREEMENT_ENDED, id);
    struct agreement end;
    CHECK(kept != NULL);
    CHECK_OK(agreement_decode(vl_span(kept->bytes, kept->n), &end));
    CHECK(end.blind_ms >= 20 * HOUR && end.blind_ms <= 20 * HOUR + 60000);
    CHECK(end.down_ms <= 30000); /* what it was silent before */
    rig_end(r);
}

/* kill -9: a new brain gets what was committed, and nothing else. */
static void restart(struct rig *r) {
    struct brain_config cfg = config(2);
    brain_destroy(r->brain);
    CHECK_OK(brain_create(&cfg, r->now, &r->brain));
    for (unsigned pass_n = 0; pass_n < 3; pass_n++) { /* nodes, items, log */
        for (size_t i = 0; i < r->log_n && pass_n != 1; i++) {
            struct record row = { .kind = r->log_row[i].kind, .bytes = vl_span(r->log[i].p, r->log[i].len) };
            if ((row.kind == RECORD_NODE) == (pass_n == 0)) CHECK_OK(brain_restore(r->brain, r->now, &row));
        }
        for (size_t i = 0; i < r->items_n && pass_n == 1; i++) {
            struct record row = { .kind = RECORD_ITEM,
                                  .state = r->items[i].kind,
                                  .number = r->items[i].number,
                                  .bytes = vl_span(r->items[i].bytes, r->items[i].n) };
            memcpy(row.key, r->items[i].key, 32);
            if (row.state < ITEM_VIEWS) CHECK_OK(brain_restore(r->brain, r->now, &row));
        }
    }
    brain_start(r->brain, r->now);
    effects(r);
}

TEST(quorum_brain, agreements_and_uptimes_survive_the_coordinator_and_its_outage_is_not_up) {
    struct rig *r = rig_new();
    struct job_spec bronze = spec_of(TIER_BRONZE);
    struct vl_job_id id = job_n(r, 1);
    join(r, 1, 1);
    age(r, 1, 1, 400);
    CHECK_OK(submit(r, id, &bronze));
    vl_ms begun = r->now;
    pass(r, 605000, 1, 1, 1);
    uint32_t lower = quorum_lower_ppb(r->brain, node_n(1));
    r->now += 3600000; /* an hour without a coordinator */
    restart(r);
    const struct agreement *a = brain_agreement(r->brain, id);
    CHECK(a != NULL && vl_node_eq(a->node[0], node_n(1)));
    CHECK(quorum_lower_ppb(r->brain, node_n(1)) + 1000000 > lower && quorum_lower_ppb(r->brain, node_n(1)) <= lower);
    beat(r, 1, 1, HARVEST_SAYS_ALWAYS);
    pass(r, 400000, 1, 1, 1);
    brain_cancel_job(r->brain, r->now, 2, id);
    effects(r);
    const struct item *kept = item_of(r, ITEM_AGREEMENT_ENDED, id);
    struct agreement end;
    CHECK(kept != NULL);
    CHECK_OK(agreement_decode(vl_span(kept->bytes, kept->n), &end));
    CHECK_EQ(begun, end.start_ms);
    CHECK(end.blind_ms >= 3600000 && end.blind_ms <= 3600000 + 65000); /* and what was not yet written */
    CHECK_EQ(0, end.down_ms);
    CHECK_EQ(r->now - begun, end.up_ms + end.blind_ms);
    CHECK(item_of(r, ITEM_REFUND, id) != NULL);
    rig_end(r);
}

TEST(quorum_brain, a_check_says_what_a_job_would_get_and_changes_nothing) {
    struct rig *r = rig_new();
    struct brain_quorum q;
    struct job_spec s = spec_of(TIER_SILVER);
    for (uint8_t n = 1; n <= 3; n++) join(r, n, n);
    age(r, 1, 3, 400);
    size_t before = r->log_n;
    CHECK_OK(brain_quorum_check(r->brain, &s, &q));
    CHECK(q.choice.ok && q.choice.n == 2 && q.candidates == 3 && q.choice.avail_ppb >= 995000000);
    s.terms.tier = TIER_PLATINUM;
    CHECK_OK(brain_quorum_check(r->brain, &s, &q));
    CHECK(!q.choice.ok);
    CHECK_STR("platinum needs nodes of 5 owners; of those that fit there are 3", q.choice.why);
    s.terms.tier = TIER_NONE;
    CHECK_EQ(VL_ERANGE, brain_quorum_check(r->brain, &s, &q));
    effects(r);
    CHECK_EQ(before, r->log_n);
    CHECK(brain_agreement_below(r->brain, NULL) == NULL);
    rig_end(r);
}

/* Every task done as soon as it is placed: how many rounds a job takes, and on how many nodes. */
static uint32_t rounds(struct rig *r, struct vl_job_id id, uint32_t tasks, uint32_t *ret_nodes) {
    bool used[16] = { false };
    uint32_t n = 0;
    for (uint32_t i = 0; i < tasks; i++) {
        struct job_task_view t;
        CHECK(job_book_task(brain_jobs(r->brain), id, i, &t));
        n += t.copies;
        if (t.copies > 0) used[t.node.b[1] & 15] = true;
    }
    *ret_nodes = 0;
    for (uint32_t i = 0; i < 16; i++) *ret_nodes += used[i];
    return n;
}

TEST(quorum_brain, a_wide_job_with_a_tier_has_as_many_places_at_once_as_one_without) {
    uint32_t placed[2], nodes[2];
    for (uint32_t tier = 0; tier < 2; tier++) {
        struct rig *r = rig_new();
        struct job_spec s = spec_of(tier ? TIER_BRONZE : TIER_NONE);
        struct vl_job_id id = job_n(r, 1);
        struct vl_buf inputs;
        vl_buf_init(&inputs, 1u << 16);
        s.map = true;
        for (s.n_inputs = 0; s.n_inputs < 40; s.n_inputs++) {
            char name[16];
            snprintf(name, sizeof name, "in%u", s.n_inputs);
            CHECK_OK(job_inputs_append(&inputs, vl_span_str(name), (struct vl_hash){ { (uint8_t)s.n_inputs } }, 64));
        }
        s.inputs = vl_span(inputs.p, inputs.len);
        for (uint8_t n = 1; n <= 8; n++) join(r, n, n);
        age(r, 1, 8, 400);
        CHECK_OK(submit(r, id, &s));
        for (uint8_t n = 1; n <= 8; n++) beat(r, n, n, HARVEST_SAYS_ALWAYS);
        placed[tier] = rounds(r, id, 40, &nodes[tier]);
        if (tier) {
            const struct agreement *a = brain_agreement(r->brain, id);
            struct agreement was;
            CHECK(a && a->groups == 8 && a->n == 8);
            CHECK(strstr(r->history, "agreement: bronze on 8 nodes in 8 groups, any one of each: 99.") != NULL);
            was = *a;
            restart(r); /* groups are as they were after kill -9 */
            a = brain_agreement(r->brain, id);
            CHECK(a && a->groups == 8 && memcmp(a->node, was.node, sizeof was.node) == 0);
            pass(r, 150000, 2, 8, 7); /* 1 is lost: another serves for its group, too */
            a = brain_agreement(r->brain, id);
            uint32_t up;
            for (uint32_t g = 0; g < 8; g++) CHECK(agreement_group_up(a, g, &up) && !vl_node_eq(a->node[g], node_n(1)));
        }
        vl_buf_free(&inputs);
        rig_end(r);
    }
    printf("# 40 tasks: %u placed at once on %u nodes without a tier, %u on %u with bronze\n", placed[0], nodes[0], placed[1], nodes[1]);
    CHECK_EQ(8, nodes[1]);
    CHECK_EQ(placed[0], placed[1]);
}
