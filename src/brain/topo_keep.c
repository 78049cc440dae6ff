/* What this node promises to keep: one blob, of which witnesses ask a chunk with each challenge (trust/challenge.h).  Its tree is made by
 * reading it once, at the promise and at every start: a promise that cannot be read is not made. */
#include "brain/topo_priv.h"

#include <stdlib.h>

#define READ_BYTES 131072u /* at a time while the tree is made */
#define READS_MAX 64u      /* challenges that wait for their chunk */
#define READS_EACH (READS_MAX / TOPOLOGY_NEIGHBOURS) /* of one witness: none can make us look empty to the others */

static const uint8_t zeros[32];

static void tree_free(struct topo_tree *tree) {
    for (uint32_t i = 0; i < tree->levels; i++) free(tree->level[i]);
    *tree = (struct topo_tree){ .levels = 0 };
}

void topo_keep_free(struct topo_keep *k) {
    tree_free(&k->tree);
    tree_free(&k->growing);
    for (struct topo_read *r; (r = k->reads) != NULL;) {
        k->reads = r->next;
        free(r);
    }
}

/* Whole nodes only, level by level; the rest of a level that has no pair is folded into proofs (crypto/merkle.h). */
static enum vl_err tree_finish(struct topo_tree *tree) {
    while (tree->n[tree->levels - 1] > 1) {
        uint32_t below = tree->levels - 1, n = tree->n[below] / 2;
        struct vl_hash *up = malloc(n * sizeof *up);
        if (up == NULL) return VL_ENOMEM;
        for (uint32_t i = 0; i < n; i++) up[i] = merkle_node(&tree->level[below][2 * i], &tree->level[below][2 * i + 1]);
        tree->level[tree->levels] = up;
        tree->n[tree->levels++] = n;
    }
    return VL_OK;
}

static enum vl_err folded(const struct topo_tree *tree, const struct merkle_plan *plan, struct vl_hash *ret) {
    struct vl_hash node[MERKLE_PLAN_MAX];
    for (uint32_t i = 0; i < plan->n; i++) {
        if (plan->at[i].height >= tree->levels || plan->at[i].index >= tree->n[plan->at[i].height]) return VL_ERANGE;
        node[i] = tree->level[plan->at[i].height][plan->at[i].index];
    }
    merkle_plan_fold(plan, node, ret);
    return VL_OK;
}

static void read_next(struct brain *b) {
    struct topo_keep *k = &b->topo->keep;
    struct brain_effect *e = effect_now(b, BRAIN_BLOB_READ, (struct vl_span){ 0 }, NULL);
    k->req = e->req = TOPO_REQ | ++k->next_req;
    e->hash = k->coming;
    e->offset = k->offset;
    e->length = READ_BYTES;
    k->reading = true;
}

static void begin(struct brain *b, struct vl_hash blob) {
    struct topo_keep *k = &b->topo->keep;
    tree_free(&k->growing);
    k->coming = blob;
    k->offset = 0;
    read_next(b);
}

static void end(struct brain *b, enum vl_err err, const char *why) {
    struct topo_keep *k = &b->topo->keep;
    k->reading = false;
    k->req = 0;
    if (err) {
        tree_free(&k->growing); /* an older promise stands */
        if (!k->has_token) note(b, err, b->self, why);
    }
    if (k->has_token) reply(b, k->token, err, why, (struct vl_span){ 0 });
    k->has_token = false;
}

static void promised(struct brain *b, uint64_t size) {
    struct topo_keep *k = &b->topo->keep;
    struct merkle_plan plan;
    uint8_t row[72];
    struct vl_hash root[MERKLE_PROOF_MAX + 1];
    enum vl_err err = tree_finish(&k->growing);
    if (err == VL_OK) err = merkle_root_plan(challenge_chunks(size), &plan);
    if (err == VL_OK) err = folded(&k->growing, &plan, root);
    if (err) {
        end(b, err, "the blob to be kept could not be hashed");
        return;
    }
    tree_free(&k->tree);
    k->tree = k->growing;
    k->growing = (struct topo_tree){ .levels = 0 };
    k->blob = k->coming;
    k->promise = (struct challenge_promise){ .root = root[0], .size = size };
    k->has = k->ready = true;
    memcpy(row, k->blob.b, 32);
    vl_put_u64(row + 32, size);
    memcpy(row + 40, root[0].b, 32);
    item_put(b, ITEM_TOPOLOGY, zeros, ROW_KEEP, vl_span(row, sizeof row));
    end(b, VL_OK, NULL);
}

/* The next piece of the blob becomes leaves. */
static void piece(struct brain *b, enum vl_err err, uint64_t size, struct vl_span bytes) {
    struct topo_keep *k = &b->topo->keep;
    uint64_t left = size > k->offset ? size - k->offset : 0;
    if (k->offset == 0) k->size = size;
    if (err == VL_OK && size != k->size) err = VL_EIO; /* the leaves have room for the size that was said first */
    if (err == VL_OK && (size == 0 || size > CHALLENGE_KEEP_MAX)) err = VL_ERANGE;
    if (err == VL_OK && bytes.n != (left < READ_BYTES ? left : READ_BYTES)) err = VL_EIO;
    if (err == VL_OK && k->growing.levels == 0) {
        k->growing.level[0] = malloc(challenge_chunks(size) * sizeof(struct vl_hash));
        k->growing.levels = k->growing.level[0] != NULL;
        if (k->growing.levels == 0) err = VL_ENOMEM;
    }
    if (err) {
        end(b, err, err == VL_ERANGE ? "a blob to be kept has 1 byte to 256 MiB" : "the blob to be kept is not here, or could not be read");
        return;
    }
    for (size_t at = 0; at < bytes.n && k->growing.n[0] < challenge_chunks(size); at += CHALLENGE_CHUNK)
        k->growing.level[0][k->growing.n[0]++] = merkle_leaf(vl_span(bytes.p + at, bytes.n - at < CHALLENGE_CHUNK ? bytes.n - at : CHALLENGE_CHUNK));
    k->offset += bytes.n;
    if (k->offset == size)
        promised(b, size);
    else
        read_next(b);
}

static void chunk_came(struct brain *b, struct topo_read *r, enum vl_err err, struct vl_span bytes) {
    struct topo_keep *k = &b->topo->keep;
    struct merkle_plan plan;
    struct vl_hash path[MERKLE_PROOF_MAX + 1];
    if (err == VL_OK) err = merkle_inclusion_plan(challenge_chunk(&r->ask.nonce, k->promise.size), challenge_chunks(k->promise.size), &plan);
    if (err == VL_OK) err = folded(&k->tree, &plan, path);
    if (err)
        topo_answer(b, &r->ask, (struct vl_span){ 0 }, NULL, 0); /* there, but without what it promised to keep */
    else
        topo_answer(b, &r->ask, bytes, path, plan.items);
}

bool topo_blob_read(struct brain *b, uint64_t req, enum vl_err err, uint64_t size, struct vl_span bytes) {
    struct topo_keep *k = &b->topo->keep;
    if (!(req & TOPO_REQ) || req >> 63) return false;
    if (req == k->req && k->reading) {
        piece(b, err, size, bytes);
        return true;
    }
    for (struct topo_read **at = &k->reads; *at; at = &(*at)->next) {
        struct topo_read *r = *at;
        if (r->req != req) continue;
        *at = r->next;
        k->reads_n--;
        chunk_came(b, r, err, bytes);
        free(r);
        break;
    }
    return true;
}

bool topo_keep_ask(struct brain *b, const struct challenge_ask *ask) {
    struct topo_keep *k = &b->topo->keep;
    uint32_t of_it = 0;
    for (const struct topo_read *r = k->reads; r; r = r->next) of_it += vl_node_eq(r->ask.witness, ask->witness);
    if (!k->ready || k->reads_n >= READS_MAX || of_it >= READS_EACH) return false;
    struct topo_read *r = calloc(1, sizeof *r);
    if (r == NULL) return false;
    uint64_t at = challenge_chunk(&ask->nonce, k->promise.size) * CHALLENGE_CHUNK;
    struct brain_effect *e = effect_now(b, BRAIN_BLOB_READ, (struct vl_span){ 0 }, NULL);
    *r = (struct topo_read){ .next = k->reads, .req = TOPO_REQ | ++k->next_req, .ask = *ask };
    e->req = r->req;
    e->hash = k->blob;
    e->offset = at;
    e->length = k->promise.size - at < CHALLENGE_CHUNK ? k->promise.size - at : CHALLENGE_CHUNK;
    k->reads = r;
    k->reads_n++;
    return true;
}

enum vl_err topo_keep_restore(struct brain *b, struct vl_span bytes) {
    struct topo_keep *k = &b->topo->keep;
    if (bytes.n != 72) return VL_ECORRUPT;
    memcpy(k->blob.b, bytes.p, 32);
    k->promise.size = vl_get_u64(bytes.p + 32);
    memcpy(k->promise.root.b, bytes.p + 40, 32);
    if (k->promise.size == 0 || k->promise.size > CHALLENGE_KEEP_MAX) return VL_ECORRUPT;
    k->has = true;
    return VL_OK;
}

void topo_keep_start(struct brain *b) {
    if (b->topo->keep.has) begin(b, b->topo->keep.blob);
}

void brain_keep(struct brain *b, vl_ms now, uint64_t token, struct vl_hash blob) {
    step_begin(b, now);
    struct topo_keep *k = &b->topo->keep;
    if (k->reading) {
        reply(b, token, VL_EBUSY, "another blob is being read for a promise: ask again in a moment", (struct vl_span){ 0 });
    } else {
        k->token = token;
        k->has_token = true;
        begin(b, blob);
    }
    step_end(b);
}
