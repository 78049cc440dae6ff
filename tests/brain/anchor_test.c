/* The coordinator's anchors against a chain that is slow, forgets, reorganises and does not answer, while the coordinator is killed at any moment
 * and loses what was not committed.  No nonce may ever carry two heads, nothing may be sent that is not on disk, and in the end all is anchored. */
#include "brain/priv.h"

#include "base/prng.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, BATCHES = 64, BLOCKS = 2000, POOL = 64, DEPTH = 4, NONCES = 400 };

struct row {
    int32_t kind;
    uint64_t seq;
    uint8_t key[32];
    struct vl_span bytes; /* owned */
    bool remove;
};
struct batch {
    uint64_t seq;
    struct row rows[ROWS];
    uint32_t n;
};
struct tx {
    uint64_t nonce, size, fee;
    struct vl_hash name;
};
struct chain {
    bool full[BLOCKS]; /* a block holds one of our transactions, or none; block 0 is empty */
    struct tx in[BLOCKS];
    struct vl_hash block[BLOCKS];
    uint64_t tip, versions;
    struct tx pool[POOL];
    uint32_t pooled;
    uint64_t of_nonce[NONCES]; /* the size that was sent with it; 0: none */
};
struct rig {
    struct brain *b;
    vl_ms now;
    struct vl_prng prng;
    struct row disk[ROWS];
    uint32_t rows;
    struct batch *wait[BATCHES]; /* not on disk yet */
    uint32_t waiting;
    struct chain chain;
    bool asked, down;
    struct brain_chain_ask ask;
    uint64_t boots, replaced, sends, kills_in_flight;
};

static bool lucky(struct rig *r, unsigned of) { return vl_prng_below(&r->prng, of) == 0; }

/* ---- a disk ---------------------------------------------------------------------------------------------------------------- */

static void row_put(struct rig *r, const struct row *w) {
    uint32_t i = 0;
    while (i < r->rows && (r->disk[i].kind != w->kind || r->disk[i].seq != w->seq || memcmp(r->disk[i].key, w->key, 32) != 0)) i++;
    if (i < r->rows) {
        free((void *)(uintptr_t)r->disk[i].bytes.p);
        r->disk[i] = r->disk[--r->rows];
    }
    if (w->remove) {
        free((void *)(uintptr_t)w->bytes.p);
        return;
    }
    CHECK(r->rows < ROWS);
    r->disk[r->rows++] = *w;
}

static struct batch *batch_of(const struct brain_effect *e) {
    struct batch *t = calloc(1, sizeof *t);
    t->seq = e->seq;
    for (size_t i = 0; i < e->records_n; i++) {
        const struct record *rec = &e->records[i];
        if (rec->kind != RECORD_ITEM || (rec->state != ITEM_LOG_HEAD && rec->state != ITEM_ANCHOR)) continue;
        CHECK(t->n < ROWS);
        struct row *w = &t->rows[t->n++];
        uint8_t *copy = malloc(rec->bytes.n + 1);
        memcpy(copy, rec->bytes.p ? rec->bytes.p : (const uint8_t *)"", rec->bytes.n);
        *w = (struct row){ .kind = rec->state, .seq = rec->number, .bytes = vl_span(copy, rec->bytes.n), .remove = rec->remove };
        memcpy(w->key, rec->key, 32);
    }
    return t;
}

static void batch_drop(struct batch *t) {
    for (uint32_t i = 0; i < t->n; i++) free((void *)(uintptr_t)t->rows[i].bytes.p);
    free(t);
}

static const struct row *anchor_row(const struct rig *r) {
    for (uint32_t i = 0; i < r->rows; i++)
        if (r->disk[i].kind == ITEM_ANCHOR) return &r->disk[i];
    return NULL;
}

/* ---- a chain ---------------------------------------------------------------------------------------------------------------- */

static uint64_t next_nonce(const struct chain *c) {
    uint64_t n = 0;
    for (uint64_t i = 1; i <= c->tip; i++) n += c->full[i];
    return n;
}

static uint64_t anchored(const struct chain *c, uint64_t upto) {
    uint64_t size = 0;
    for (uint64_t i = 1; i <= upto; i++)
        if (c->full[i] && c->in[i].size > size) size = c->in[i].size;
    return size;
}

static void mine(struct rig *r) {
    struct chain *c = &r->chain;
    uint64_t nonce = next_nonce(c);
    uint32_t best = POOL;
    CHECK(c->tip + 1 < BLOCKS);
    for (uint32_t i = 0; i < c->pooled; i++)
        if (c->pool[i].nonce == nonce && (best == POOL || c->pool[i].fee > c->pool[best].fee)) best = i;
    uint64_t at = ++c->tip;
    c->full[at] = best < POOL;
    memset(&c->block[at], 0, sizeof c->block[at]);
    vl_put_u64(c->block[at].b, ++c->versions);
    if (best == POOL) return;
    c->in[at] = c->pool[best];
    /* the contract would refuse it, and a coordinator that is alone never lets it come so far */
    CHECK(c->in[at].size > anchored(c, at - 1));
    for (uint32_t i = 0; i < c->pooled;)
        if (c->pool[i].nonce <= nonce) c->pool[i] = c->pool[--c->pooled];
        else i++;
}

static void reorganise(struct rig *r) {
    struct chain *c = &r->chain;
    uint64_t deep = 1 + vl_prng_below(&r->prng, DEPTH);
    if (deep > c->tip || c->tip + 2 >= BLOCKS) return;
    for (uint64_t i = 0; i < deep; i++, c->tip--)
        if (c->full[c->tip] && lucky(r, 2) && c->pooled < POOL) c->pool[c->pooled++] = c->in[c->tip]; /* else it is forgotten altogether */
    for (uint64_t i = 0; i <= deep; i++) mine(r); /* another branch is longer: that is why it counts */
}

static void send(struct rig *r) {
    struct chain *c = &r->chain;
    struct tx t = { .nonce = vl_get_u64(r->ask.raw), .size = vl_get_u64(r->ask.raw + 8), .fee = vl_get_u64(r->ask.raw + 16), .name = r->ask.name[r->ask.names - 1] };
    const struct row *row = anchor_row(r);
    CHECK(row != NULL && memmem(row->bytes.p, row->bytes.n, t.name.b, 32) != NULL); /* on disk before it is out */
    CHECK(t.nonce < NONCES && (c->of_nonce[t.nonce] == 0 || c->of_nonce[t.nonce] == t.size));
    c->of_nonce[t.nonce] = t.size;
    r->sends++;
    if (t.nonce < next_nonce(c)) return;
    for (uint32_t i = 0; i < c->pooled; i++)
        if (vl_hash_eq(c->pool[i].name, t.name)) return;
    if (c->pooled < POOL && !lucky(r, 4)) c->pool[c->pooled++] = t; /* a pool may drop what it likes */
}

static void receipt(struct rig *r, struct brain_chain_answer *a) {
    const struct chain *c = &r->chain;
    a->receipt.nonce = next_nonce(c);
    a->receipt.tip_block = c->tip;
    for (uint32_t k = r->ask.names; k-- > 0;)
        for (uint64_t i = 1; i <= c->tip; i++)
            if (c->full[i] && vl_hash_eq(c->in[i].name, r->ask.name[k])) {
                a->receipt = (struct anchor_receipt){ .found = true, .ok = true, .block = i, .tip_block = c->tip, .nonce = next_nonce(c), .block_name = c->block[i] };
                return;
            }
}

static void answer(struct rig *r) {
    struct brain_chain_answer a = { .kind = r->ask.kind };
    uint8_t raw[24];
    bool lost = lucky(r, 5); /* the answer; what was asked may have been done */
    r->asked = false;
    if (r->down || lucky(r, 8)) {
        a.err = VL_EIO;
        a.problem = "the chain cannot be reached";
        brain_chain_answer(r->b, r->now, &a);
        return;
    }
    switch (r->ask.kind) {
    case BRAIN_CHAIN_QUOTE:
        a.nonce = next_nonce(&r->chain);
        a.gas = 50000;
        a.tip = 10;
        a.fee = 1000;
        if (anchored(&r->chain, r->chain.tip) >= r->ask.head.size) a.err = VL_EEXISTS; /* as chain_client.c finds out */
        break;
    case BRAIN_CHAIN_SIGN:
        vl_put_u64(raw, r->ask.nonce);
        vl_put_u64(raw + 8, r->ask.head.size);
        vl_put_u64(raw + 16, r->ask.fee);
        crypto_blake2b256(vl_span(raw, sizeof raw), &a.name);
        a.raw = vl_span(raw, sizeof raw);
        lost = false;
        break;
    case BRAIN_CHAIN_SEND:
        send(r);
        break;
    case BRAIN_CHAIN_RECEIPT:
        receipt(r, &a);
        break;
    }
    if (lost) a.err = VL_ETIMEOUT;
    brain_chain_answer(r->b, r->now, &a);
}

/* ---- a coordinator ---------------------------------------------------------------------------------------------------------- */

static void drain(struct rig *r) {
    struct brain_effect e;
    while (brain_next_effect(r->b, &e)) {
        if (e.kind == BRAIN_COMMIT) {
            CHECK(r->waiting < BATCHES);
            r->wait[r->waiting++] = batch_of(&e);
        } else if (e.kind == BRAIN_CHAIN_ASK) {
            CHECK(!r->asked && e.bytes.n == sizeof r->ask); /* one at a time */
            memcpy(&r->ask, e.bytes.p, sizeof r->ask);
            r->asked = true;
        }
    }
}

static void commit(struct rig *r) {
    if (r->waiting == 0) return;
    struct batch *t = r->wait[0];
    memmove(r->wait, r->wait + 1, --r->waiting * sizeof r->wait[0]);
    for (uint32_t i = 0; i < t->n; i++) row_put(r, &t->rows[i]);
    brain_committed(r->b, r->now, t->seq);
    free(t);
    drain(r);
}

static int by_key(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    int keys = memcmp(x->key, y->key, sizeof x->key);
    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : keys ? keys : (x->seq > y->seq) - (x->seq < y->seq);
}

static void start(struct rig *r) {
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = ++r->boots };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    cfg.chain = (struct brain_chain_config){ .on = true, .chain = 5, .contract = { { 1 } }, .sender = { { 2 } }, .every = 500,
                                             .rules = { .depth = DEPTH, .poll = 100, .patience = 3000, .fee_cap = 5000 } };
    CHECK_OK(crypto_init());
    CHECK_OK(brain_create(&cfg, r->now, &r->b));
    qsort(r->disk, r->rows, sizeof r->disk[0], by_key); /* as the store gives them */
    for (uint32_t i = 0; i < r->rows; i++) {
        struct record rec = { .kind = RECORD_ITEM, .state = r->disk[i].kind, .number = r->disk[i].seq, .bytes = r->disk[i].bytes };
        memcpy(rec.key, r->disk[i].key, 32);
        CHECK_OK(brain_restore(r->b, r->now, &rec));
    }
    brain_start(r->b, r->now);
    drain(r);
}

static void stop(struct rig *r) {
    r->kills_in_flight += r->asked;
    r->asked = false;
    brain_destroy(r->b);
    while (r->waiting > 0) batch_drop(r->wait[--r->waiting]);
}

static void grow(struct rig *r) {
    struct receipt x = { .task = (uint32_t)vl_prng_below(&r->prng, 1000), .epoch = 1 };
    struct vl_buf b;
    vl_buf_init(&b, 1024);
    vl_put_u64(x.job.b, vl_prng_next(&r->prng));
    CHECK_OK(receipt_encode(&x, &b));
    step_begin(r->b, r->now);
    receipts_add(r->b, &x, vl_span(b.p, b.len));
    step_end(r->b);
    vl_buf_free(&b);
    drain(r);
}

static void tick(struct rig *r, vl_ms by) {
    r->now += by;
    if (brain_deadline(r->b) <= r->now) brain_tick(r->b, r->now);
    drain(r);
}

static void truth(struct rig *r) {
    struct brain_chain_view v;
    CHECK(brain_chain_view(r->b, &v));
    CHECK(v.anchor.done.size <= anchored(&r->chain, r->chain.tip)); /* nothing counts that is not there */
    CHECK(v.anchor.done.size <= v.log_size);
    r->replaced += v.anchor.tries > 1;
}

static void step(struct rig *r) {
    switch (vl_prng_below(&r->prng, 12)) {
    case 0:
        grow(r);
        break;
    case 1:
        mine(r);
        break;
    case 2:
        if (lucky(r, 10)) reorganise(r);
        break;
    case 3:
        if (lucky(r, 4)) r->down = !r->down;
        break;
    case 4:
        if (lucky(r, 6)) {
            stop(r);
            start(r);
        }
        break;
    case 5:
    case 6:
    case 7:
        if (r->asked) answer(r);
        drain(r);
        break;
    case 8:
    case 9:
        commit(r);
        break;
    default:
        tick(r, vl_prng_below(&r->prng, 200));
    }
    truth(r);
}

static void heal(struct rig *r) {
    struct brain_chain_view v;
    r->down = false;
    for (uint32_t i = 0; i < 3000; i++) {
        commit(r);
        if (r->asked) answer(r);
        drain(r);
        tick(r, 50);
        if (i % 8 == 0 && r->chain.tip + 1 < BLOCKS) mine(r);
        truth(r);
        CHECK(brain_chain_view(r->b, &v));
        if (v.anchor.done.size == v.log_size && v.problem[0] == '\0') return;
    }
    print_message("log %llu done %llu pending %llu tries %u: %s\n", (unsigned long long)v.log_size, (unsigned long long)v.anchor.done.size,
                  (unsigned long long)v.anchor.pending.size, v.anchor.tries, v.problem);
    CHECK(false);
}

static void end(struct rig *r) {
    stop(r);
    for (uint32_t i = 0; i < r->rows; i++) free((void *)(uintptr_t)r->disk[i].bytes.p);
    free(r);
}

static struct rig *rig(uint64_t seed) {
    struct rig *r = calloc(1, sizeof *r);
    vl_prng_seed(&r->prng, seed);
    r->now = 1700000000000;
    start(r);
    return r;
}

TEST(anchor, survives_kills_reorganisations_lost_answers_and_outages_without_using_a_nonce_twice) {
    const char *one = getenv("SEED");
    uint64_t from = one ? strtoull(one, NULL, 10) : 1, to = one ? from : 40, sends = 0, replaced = 0, killed = 0;
    for (uint64_t seed = from; seed <= to; seed++) {
        struct rig *r = rig(seed);
        print_message("# seed=%llu\n", (unsigned long long)seed);
        for (uint32_t i = 0; i < 1500; i++) step(r);
        grow(r);
        heal(r);
        sends += r->sends;
        replaced += r->replaced > 0;
        killed += r->kills_in_flight;
        end(r);
    }
    if (one == NULL) CHECK(sends > 200 && replaced > 3 && killed > 50); /* it was a storm */
}

/* The next ask, when all is on disk. */
static void asked(struct rig *r, enum brain_chain_kind kind) {
    for (unsigned i = 0; i < 50 && !r->asked; i++) {
        commit(r);
        tick(r, 200);
    }
    CHECK(r->asked);
    CHECK_EQ(kind, r->ask.kind);
    r->asked = false;
}

TEST(anchor, does_not_count_where_the_proof_that_comes_with_it_does_not_hold) {
    struct rig *r = rig(1);
    struct brain_chain_view v;
    const uint8_t header[600] = { 1 }, node[40] = { 2 };
    grow(r);
    asked(r, BRAIN_CHAIN_QUOTE);
    brain_chain_answer(r->b, r->now, &(struct brain_chain_answer){ .kind = BRAIN_CHAIN_QUOTE, .gas = 1, .fee = 9 });
    drain(r);
    asked(r, BRAIN_CHAIN_SIGN);
    brain_chain_answer(r->b, r->now, &(struct brain_chain_answer){ .kind = BRAIN_CHAIN_SIGN, .raw = vl_span(node, 3), .name = { { 4 } } });
    drain(r);
    asked(r, BRAIN_CHAIN_SEND);
    brain_chain_answer(r->b, r->now, &(struct brain_chain_answer){ .kind = BRAIN_CHAIN_SEND });
    drain(r);
    struct anchor_artefact false_one = { .chain = 5, .block = 1, .header = vl_span(header, sizeof header), .nodes = 1, .node = { vl_span(node, sizeof node) } };
    const struct anchor_artefact none = { .chain = 5, .block = 1 }; /* a chain for which there is no proof: that is no lie */
    struct brain_chain_answer a = { .kind = BRAIN_CHAIN_RECEIPT, .receipt = { .found = true, .ok = true, .block = 1, .tip_block = 9 }, .proof = &false_one };
    for (unsigned i = 0; i < 3; i++) {
        asked(r, BRAIN_CHAIN_RECEIPT);
        brain_chain_answer(r->b, r->now, &a);
        drain(r);
        CHECK(brain_chain_view(r->b, &v));
        CHECK_EQ(0, v.anchor.done.size);
        CHECK(strstr(v.problem, "proof that does not hold") != NULL);
    }
    a.proof = &none;
    asked(r, BRAIN_CHAIN_RECEIPT);
    brain_chain_answer(r->b, r->now, &a);
    drain(r);
    CHECK(brain_chain_view(r->b, &v));
    CHECK_EQ(1, v.anchor.done.size);
    CHECK_EQ(1, v.anchored);
    CHECK_STR("", v.problem);
    end(r);
}

TEST(anchor, does_not_ask_without_receipts_and_leaves_a_state_of_another_contract_aside) {
    struct rig *r = rig(1);
    struct brain_chain_view v;
    for (unsigned i = 0; i < 100; i++) tick(r, 1000);
    CHECK(!r->asked);
    grow(r);
    for (unsigned i = 0; i < 10; i++) commit(r);
    tick(r, 1000);
    for (unsigned i = 0; i < 10; i++) commit(r);
    CHECK(r->asked);
    CHECK_EQ(BRAIN_CHAIN_QUOTE, r->ask.kind);
    CHECK_EQ(1, r->ask.head.size);
    heal(r);
    stop(r);
    struct row *row = (struct row *)(uintptr_t)anchor_row(r);
    CHECK(row != NULL);
    ((uint8_t *)(uintptr_t)row->bytes.p)[2 + 8] ^= 1; /* the first byte of the contract's address */
    start(r);
    CHECK(brain_chain_view(r->b, &v));
    CHECK_EQ(0, v.anchor.done.size);
    CHECK_EQ(1, v.log_size);
    end(r);
}
