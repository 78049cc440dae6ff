/* One authority among three fuzzed peers: a list of events in the two rounds after genesis.  Messages come from outside
 * as they are, or are made right by the peers' keys with content of the input; what comes out is looked at. */
#include "directory_help.h"

#include "crypto/hash.h"
#include "mix/authority.h"
#include "wire/pack.h"

#include <stdlib.h>
#include <string.h>

#define N 4u

static struct mix_charter charter;
static struct crypto_sign_key keys[MIX_AUTHORITIES_MAX], root;
static struct mix_descriptor nodes[6][3]; /* by node, and epoch - 1 */
static struct vl_buf own;                 /* last STORE */

static void begin(void) {
    if (charter.n != 0) return;
    help_charter(N, 3, MIX_EPOCH_MS_MIN, &charter, keys, &root);
    for (uint32_t i = 0; i < 6; i++)
        for (uint32_t e = 0; e < 3; e++) nodes[i][e] = i < 4 ? help_relay(i, e + 1) : help_client(i, e + 1, 0);
    vl_buf_init(&own, MIX_DOC_MAX + 4096);
}

/* Votes and signatures that came out, over all lives: never two of one epoch. */
static struct {
    uint64_t epoch;
    uint8_t hash[32];
} said[2];

static void once(size_t kind, uint64_t epoch, const uint8_t hash[32]) {
    if (said[kind].epoch == epoch && memcmp(said[kind].hash, hash, 32) != 0) abort();
    said[kind].epoch = epoch;
    memcpy(said[kind].hash, hash, 32);
}

static void look_sent(struct vl_span m) {
    struct mix_vote v;
    struct vl_span body = vl_span(m.p + 1, m.n - 1);
    if (m.p[0] == AUTHORITY_SIGNATURE && body.p[40] > 0 && body.p[41] == 0) once(1, vl_get_u64(body.p), body.p + 8);
    if (m.p[0] != AUTHORITY_VOTE || mix_vote_decode(body, &charter, &v) != VL_OK) return;
    if (vl_node_eq(v.authority, charter.authority[0].node)) once(0, v.epoch, v.statement.hash);
    mix_vote_free(&v);
}

static void look(struct authority *a) {
    struct authority_effect e;
    while (authority_next(a, &e)) {
        struct vl_span body = vl_span(e.bytes.p + 1, e.bytes.n - 1);
        struct mix_consensus c;
        struct mix_equivocation q;
        switch (e.kind) {
        case AUTHORITY_STORE:
            vl_buf_clear(&own);
            if (vl_buf_append(&own, e.bytes.p, e.bytes.n) != VL_OK) abort();
            break;
        case AUTHORITY_PUBLISH:
            if (mix_consensus_decode(body, &charter, 0, &c) != VL_OK) abort();
            mix_consensus_free(&c);
            break;
        case AUTHORITY_ACCUSE:
            if (mix_equivocation_check(body, &charter, &q) != VL_OK ||
                vl_node_eq(q.authority, charter.authority[0].node))
                abort();
            break;
        case AUTHORITY_SEND:
            if (mix_charter_find(&charter, e.to) <= 0) abort();
            look_sent(e.bytes);
            break;
        }
    }
}

static void say(struct authority *a, vl_ms now, int from, uint8_t kind, struct vl_buf *body) {
    uint8_t *m = malloc(body->len + 1);
    if (m == NULL) abort();
    m[0] = kind;
    if (body->len > 0) memcpy(m + 1, body->p, body->len);
    vl_ignore(authority_recv(a, now, charter.authority[from].node, 500, vl_span(m, body->len + 1)));
    free(m);
    vl_buf_clear(body);
    look(a);
}

static void statement(struct mix_statement *s, enum mix_statement_kind kind, uint64_t epoch, uint8_t hash, int by) {
    *s = (struct mix_statement){ .kind = kind, .epoch = epoch, .hash = { hash } };
    mix_statement_sign(s, &charter, &keys[by]);
}

/* A vote of `by` that lists the nodes whose bits are in x. */
static void vote(struct vl_buf *b, uint64_t epoch, uint8_t x, int by) {
    struct mix_vote_entry entries[6];
    struct mix_vote v = { .epoch = epoch, .anonymity_floor = x >> 6, .entries = entries };
    for (uint16_t i = 0; i < MIX_DELAYS; i++) v.delay_ms[i] = (uint16_t)(10 * (i + 1));
    for (uint32_t i = 0; i < 6; i++) {
        struct vl_buf d;
        uint8_t digest[32];
        if ((x >> i & 1u) == 0 || epoch == 0 || epoch > 3) continue;
        vl_buf_init(&d, 1024);
        if (mix_descriptor_encode(&nodes[i][epoch - 1], &d) != VL_OK) abort();
        mix_descriptor_digest(vl_span(d.p, d.len), digest);
        vl_buf_free(&d);
        uint32_t k = v.entries_n++;
        for (; k > 0 && memcmp(entries[k - 1].digest, digest, 32) > 0; k--) entries[k] = entries[k - 1];
        entries[k].reputation = x;
        memcpy(entries[k].digest, digest, 32);
    }
    if (mix_vote_sign(&v, &charter, &keys[by], b) != VL_OK) vl_buf_clear(b);
}

static void made(struct authority *a, vl_ms now, uint8_t what, uint8_t x, struct vl_buf *b) {
    uint64_t epoch = mix_epoch_at(&charter, now) + 1 - (what >> 7);
    int by = 1 + (x & 1), from = 1 + (what >> 4) % 3;
    struct mix_statement s;
    struct pack w = pack_begin(b);
    switch (what & 7u) {
    case 0:
        if (epoch == 0 || epoch > 3 || mix_descriptor_encode(&nodes[x % 6][epoch - 1], b) != VL_OK) return;
        uint8_t m[1024] = { AUTHORITY_DESCRIPTOR };
        memcpy(m + 1, b->p, b->len);
        vl_ignore(authority_recv(a, now, nodes[x % 6][0].node, x, vl_span(m, b->len + 1)));
        say(a, now, from, AUTHORITY_DESCRIPTOR, b);
        return;
    case 1:
        vote(b, epoch, x, by);
        break;
    case 2:
        statement(&s, MIX_STATEMENT_VOTE, epoch, x, by);
        pack_u64(&w, epoch);
        pack_u8(&w, 1);
        pack_u8(&w, (uint8_t)by);
        pack_bytes(&w, s.hash, 32);
        pack_bytes(&w, s.signature, 64);
        say(a, now, from, AUTHORITY_ECHO, b);
        return;
    case 3:
        statement(&s, MIX_STATEMENT_CONSENSUS, epoch, x >> 4, by);
        pack_u64(&w, epoch);
        pack_bytes(&w, s.hash, 32);
        pack_u8(&w, 1);
        pack_u8(&w, (uint8_t)by);
        pack_bytes(&w, s.signature, 64);
        say(a, now, from, AUTHORITY_SIGNATURE, b);
        return;
    case 4: {
        struct mix_consensus c;
        help_consensus(&charter, epoch ? epoch : 1, x & 3u, 2, &c);
        help_consensus_doc(&c, &charter, keys, 0xe, b);
        mix_consensus_free(&c);
        say(a, now, from, AUTHORITY_CONSENSUS, b);
        return;
    }
    case 5: {
        struct mix_statement t;
        struct mix_equivocation e;
        statement(&s, (what & 8u) ? MIX_STATEMENT_VOTE : MIX_STATEMENT_CONSENSUS, epoch, x, by);
        statement(&t, s.kind, epoch, (uint8_t)(x + 1), by);
        if (mix_equivocation_of(charter.authority[by].node, &s, &t, &e) != VL_OK ||
            mix_equivocation_encode(&e, b) != VL_OK)
            abort();
        say(a, now, from, AUTHORITY_EQUIVOCATION, b);
        return;
    }
    default:
        pack_u64(&w, epoch - 1);
        pack_u64(&w, x);
        for (int i = 0; i < 3; i++) pack_u64(&w, 0);
        say(a, now, from, AUTHORITY_HAVE, b);
        return;
    }
    say(a, now, (what & 8u) ? by : from, AUTHORITY_VOTE, b);
}

static struct authority *start(vl_ms now) {
    struct authority *a = NULL;
    struct authority_config cfg = { .key = &keys[0], .charter = charter, .seed = { 9 }, .anonymity_floor = 64 };
    for (uint16_t i = 0; i < MIX_DELAYS; i++) cfg.delay_ms[i] = (uint16_t)(10 * (i + 1));
    if (authority_create(&cfg, now, &a) != VL_OK) abort();
    if (own.len > 0 && authority_restore_state(a, now, vl_span(own.p, own.len)) != VL_OK) abort();
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    vl_ms now = HELP_GENESIS;
    struct vl_buf b;
    begin();
    vl_buf_init(&b, MIX_DOC_MAX);
    vl_buf_clear(&own);
    memset(said, 0, sizeof said);
    struct authority *a = start(now);
    for (size_t i = 0; i + 3 <= n && i < 240; i += 3) {
        switch (p[i] & 7u) {
        case 0:
            now += 10u * p[i + 1];
            break;
        case 1:
            now += 125;
            break;
        case 2: { /* bytes as they are */
            size_t len = p[i + 2] < n - i - 3 ? p[i + 2] : n - i - 3;
            if (vl_buf_append(&b, p + i + 3, len) != VL_OK) abort();
            say(a, now, p[i] >> 6, p[i + 1] % 10, &b);
            i += len;
            break;
        }
        case 3: /* crash */
            authority_destroy(a);
            a = start(now);
            break;
        default:
            made(a, now, p[i + 1], p[i + 2], &b);
        }
        vl_buf_clear(&b);
        authority_tick(a, now);
        look(a);
        if (authority_deadline(a) <= now) abort();
    }
    struct authority_stats st = authority_stats(a);
    if (st.failed_epochs != st.failed_votes + st.failed_documents + st.failed_signatures) abort();
    authority_destroy(a);
    vl_buf_free(&b);
    return 0;
}
