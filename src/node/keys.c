/* The node's keys while it runs: a next pair, its taking over, and the store that must follow it (brain/keys.c has the story).
 *
 * node.keys decides who this node is.  Written in this order, each durable before the next, so that a crash in between is made good
 * at the next start:
 *   1. node.keys with a next pair beside the present one          the brain asks the coordinator again
 *   2. the store: certificate of the next key (ITEM_HEIR)         asks again, gets the same
 *   3. node.keys with the next pair in the present one's place    keys_adopt() finds the certificate of step 2
 *   4. the store: identity under the new key, queues of the old one emptied */
#include "node/priv.h"

#include "crypto/random.h"
#include "net/htx.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000u
#define SCAN_PAGE 1000u

static enum vl_err keys_save(const struct node *n, const struct keyfile *f, struct vl_errmsg *msg) {
    char path[512];
    snprintf(path, sizeof path, "%s/node.keys", n->data_dir);
    return keyfile_write(path, f, msg);
}

void keys_config(struct node *n) {
    struct brain_config *c = &n->brain_cfg;
    const struct node_keys *k = &n->keyfile.keys;
    memcpy(c->sign_seed, k->sign_seed, 32);
    memcpy(c->static_secret, k->link_secret, 32);
    memcpy(c->root_seed, k->root_seed, 32);
    c->has_next = k->has_next;
    memcpy(c->next_seed, k->next_seed, 32);
    memcpy(c->next_secret, k->next_secret, 32);
}

enum vl_err keys_next(struct node *n, struct vl_errmsg *msg) {
    struct keyfile f = n->keyfile;
    enum vl_err err = VL_OK;
    if (!f.keys.has_next) {
        f.keys.has_next = true;
        crypto_random(f.keys.next_seed, 32);
        crypto_random(f.keys.next_secret, 32);
        err = keys_save(n, &f, msg);
        if (err == VL_OK) n->keyfile = f;
    }
    keyfile_wipe(&f);
    return err;
}

static void next_forget(struct node_keys *k) {
    k->has_next = false;
    crypto_wipe(k->next_seed, sizeof k->next_seed);
    crypto_wipe(k->next_secret, sizeof k->next_secret);
}

void keys_verdict(struct node *n, const struct brain_effect *e) {
    struct vl_errmsg msg = { "" };
    if (e->err == VL_OK) {
        n->rotate = true;
        return;
    }
    vl_log(n->cfg.log, node_now(n), VL_ERROR, e->detail ? e->detail : "the next key was refused", VL_S("error", vl_err_text(e->err)));
    next_forget(&n->keyfile.keys);
    if (keys_save(n, &n->keyfile, &msg)) vl_log(n->cfg.log, node_now(n), VL_ERROR, "the keys cannot be stored", VL_S("detail", msg.text));
    keys_config(n);
}

bool keys_swap(struct node *n) {
    struct keyfile f = n->keyfile;
    struct vl_errmsg msg = { "" };
    if (!f.keys.has_next) return false;
    memcpy(f.keys.sign_seed, f.keys.next_seed, 32);
    memcpy(f.keys.link_secret, f.keys.next_secret, 32);
    f.keys.since_ms = node_now(n);
    next_forget(&f.keys);
    enum vl_err err = keys_save(n, &f, &msg);
    if (err == VL_OK) {
        n->keyfile = f;
        keys_config(n);
        vl_log(n->cfg.log, node_now(n), VL_INFO, "this node's keys were replaced", VL_S("detail", ""));
    } else {
        vl_log(n->cfg.log, node_now(n), VL_ERROR, "the next keys cannot take over: tried again at the next start", VL_S("detail", msg.text));
    }
    keyfile_wipe(&f);
    return err == VL_OK;
}

/* ---- the store follows ---- */

static void outcome(void *arg, const struct store_result *r) { *(enum vl_err *)arg = r->err; }

static enum vl_err submit(struct node *n, struct store_batch *batch) {
    enum vl_err written = VL_EIO, err = store_submit(n->store, batch, outcome, &written);
    if (err) return err;
    store_flush(n->store);
    return written;
}

/* A batch of its own for each page: until the last one is written the identity is the old key's, and all of this begins again. */
static enum vl_err rows_drop(struct node *n, enum store_table table, unsigned key) {
    for (;;) {
        struct store_query q = { .table = table, .limit = SCAN_PAGE };
        struct store_batch *batch = store_batch_create();
        struct store_iter *it;
        struct store_row row;
        unsigned found = 0;
        enum vl_err err = store_scan(n->store, &q, &it);
        if (err) {
            store_batch_destroy(batch);
            return err;
        }
        for (; store_next(it, &row); found++) {
            struct vl_span k = store_row_blob(&row, key);
            struct store_value v = store_blob(k.p, k.n);
            store_batch_delete(batch, table, &v, 1);
        }
        err = store_end(it);
        if (err || found == 0) {
            store_batch_destroy(batch);
            return err;
        }
        if ((err = submit(n, batch))) return err;
    }
}

/* Results that were committed to are signed by the old key: their tasks are done again.  An open session goes on. */
static void items_follow(struct store *s, struct store_batch *batch, struct vl_node_id old, struct vl_node_id self, enum vl_err *err) {
    static const enum record_item kinds[] = { ITEM_SESSION, ITEM_HELD, ITEM_HEIR };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && *err == VL_OK; i++) {
        struct store_value prefix = store_int(kinds[i]);
        struct store_query q = { .table = STORE_ITEMS, .prefix = &prefix, .n_prefix = 1, .limit = SCAN_PAGE };
        struct store_iter *it;
        struct store_row row;
        if ((*err = store_scan(s, &q, &it))) return;
        while (store_next(it, &row)) {
            struct vl_span k = store_row_blob(&row, STORE_ITEMS_KEY), record = store_row_blob(&row, STORE_ITEMS_RECORD);
            struct store_value key[] = { prefix, store_blob(k.p, k.n), store_int(store_row_int(&row, STORE_ITEMS_SEQ)) };
            bool ours = k.n == sizeof old.b && memcmp(k.p, old.b, sizeof old.b) == 0;
            if (kinds[i] == ITEM_SESSION && !ours) continue;
            store_batch_delete(batch, STORE_ITEMS, key, 3);
            if (kinds[i] == ITEM_SESSION)
                store_batch_put(batch, STORE_ITEMS,
                                (struct store_value[STORE_ITEMS_COLUMNS]){
                                    [STORE_ITEMS_KIND] = prefix,
                                    [STORE_ITEMS_KEY] = store_blob(self.b, sizeof self.b),
                                    [STORE_ITEMS_SEQ] = key[2],
                                    [STORE_ITEMS_AT_MS] = store_int(store_row_int(&row, STORE_ITEMS_AT_MS)),
                                    [STORE_ITEMS_RECORD] = store_blob(record.p, record.n),
                                });
        }
        *err = store_end(it);
    }
}

static enum vl_err store_follow(struct node *n, struct vl_span identity, struct vl_node_id old, struct vl_node_id self) {
    enum vl_err err = rows_drop(n, STORE_INBOX, STORE_INBOX_ID);
    if (err == VL_OK) err = rows_drop(n, STORE_OUTBOX, STORE_OUTBOX_ID);
    struct store_batch *batch = err ? NULL : store_batch_create();
    if (batch == NULL) return err ? err : VL_ENOMEM;
    persist_meta_put(batch, "identity", identity);
    items_follow(n->store, batch, old, self, &err);
    if (err == VL_OK) return submit(n, batch);
    store_batch_destroy(batch);
    return err;
}

enum vl_err keys_adopt(struct node *n, struct vl_errmsg *msg) {
    static const uint8_t zeros[32];
    uint8_t identity[4096];
    size_t len = 0;
    struct store_row row;
    struct store_value key[] = { store_int(ITEM_HEIR), store_blob(zeros, sizeof zeros), store_int(0) };
    struct vl_node_id self = keyfile_node(n->keyfile.keys.sign_seed), old = { 0 };
    struct vl_buf heir, out;
    enum vl_err err = persist_meta_get(n->store, "identity", identity, sizeof identity, &len);
    if (n->coordinator || err == VL_ENOTFOUND) return VL_OK;
    vl_buf_init(&heir, HTX_CERT_MAX);
    vl_buf_init(&out, sizeof identity);
    if (err == VL_OK) {
        enum vl_err there = store_get(n->store, STORE_ITEMS, key, &row);
        struct vl_span bytes = there == VL_OK ? store_row_blob(&row, STORE_ITEMS_RECORD) : (struct vl_span){ 0 };
        err = vl_buf_append(&heir, bytes.p, bytes.n);
    }
    if (err == VL_OK) err = brain_identity_adopt(vl_span(identity, len), vl_span(heir.p, heir.len), self, &out, &old);
    if (err == VL_OK && out.len > 0) err = store_follow(n, vl_span(out.p, out.len), old, self);
    if (err == VL_ESTALE)
        vl_errmsg_set(msg, err, "%s/node.keys holds another key than the one this village certified: put back the file that belongs to this store", n->data_dir);
    else if (err)
        vl_errmsg_set(msg, err, "the store cannot follow the node's new key: %s", vl_err_text(err));
    vl_buf_free(&heir);
    vl_buf_free(&out);
    return err;
}

/* ---- age ---- */

void node_keys_view(const struct node *n, struct node_keys_view *ret) {
    const struct node_keys *k = &n->keyfile.keys;
    vl_ms now = node_now((struct node *)n);
    *ret = (struct node_keys_view){ .since_ms = k->since_ms,
                                    .age_ms = k->since_ms > 0 && now > k->since_ms ? now - k->since_ms : 0,
                                    .sealed = n->keyfile.sealed,
                                    .kind = n->keyfile.kind,
                                    .rotating = k->has_next,
                                    .replaceable = !n->coordinator };
    ret->due = ret->replaceable && ret->age_ms >= NODE_KEYS_WARN_MS;
}

static void began(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    (void)arg, (void)err, (void)detail, (void)bytes; /* what went wrong is logged, and tried again */
}

void keys_look(struct node *n) {
    struct node_keys_view v;
    const char *why = "";
    vl_ms now = node_now(n);
    node_keys_view(n, &v);
    if (!v.replaceable || v.rotating || n->health != VL_OK) return;
    bool wanted = n->cfg.rotate_after_ms > 0 && v.age_ms >= n->cfg.rotate_after_ms, may = brain_rotate_check(n->brain, &why) == VL_OK;
    if (wanted && may) {
        node_rotate(n, began, NULL);
    } else if ((v.due || wanted) && (n->keys_warned_ms == 0 || now >= n->keys_warned_ms + DAY_MS)) {
        n->keys_warned_ms = now;
        vl_log(n->cfg.log, now, VL_WARN, "this node's keys are to be replaced: village keys rotate", VL_I("days", (int64_t)(v.age_ms / DAY_MS)),
               VL_S("detail", may ? "" : why));
    }
}
