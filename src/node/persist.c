#include "node/persist.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define META_CONSENSUS_ODD "mix.consensus.odd"
static const char *const mix_keys[] = {
    [MIX_RECORD_CHARTER] = "mix.charter", [MIX_RECORD_CONSENSUS] = "mix.consensus.even", [MIX_RECORD_GUARDS] = "mix.guards",
    [MIX_RECORD_VOTE] = "mix.vote",       [MIX_RECORD_EQUIVOCATION] = "mix.equivocation",
}; /* restored in the order of their names */
#define META_IDENTITY "identity"
#define META_REVOKED "revocations" /* after "identity": the roster must know its village first */
#define META_COUNTERS "membership:counters"
#define META_REVOCATION "membership:revocation:" /* + node in hex: few, and read whole at start */
#define RESTORE_PAGE 1000u

static struct store_value bytes_of(struct vl_span s) { return store_blob(s.p, s.n); }

static struct store_value text_of(struct vl_span s) {
    struct store_value v = { .type = STORE_TEXT };
    v.s = s;
    return v;
}

void persist_meta_put(struct store_batch *batch, const char *key, struct vl_span value) {
    store_batch_put(batch, STORE_META,
                    (struct store_value[STORE_META_COLUMNS]){
                        [STORE_META_KEY] = store_text(key), [STORE_META_VALUE] = bytes_of(value) });
}

enum vl_err persist_meta_get(struct store *s, const char *key, void *dst, size_t cap, size_t *ret_n) {
    struct store_row row;
    struct store_value k = store_text(key);
    enum vl_err err = store_get(s, STORE_META, &k, &row);
    if (err) return err;
    struct vl_span v = store_row_blob(&row, STORE_META_VALUE);
    if (v.n > cap) return VL_ELIMIT;
    if (v.n) memcpy(dst, v.p, v.n);
    *ret_n = v.n;
    return VL_OK;
}

enum vl_err persist_small_blob(struct store *s, const struct vl_hash *h, struct vl_span *ret) {
    struct store_row row;
    struct store_value k = store_blob(h->b, sizeof h->b);
    enum vl_err err = store_get(s, STORE_SMALL_BLOBS, &k, &row);
    if (err == VL_OK) *ret = store_row_blob(&row, STORE_SMALL_BLOBS_BYTES);
    return err;
}

/* ---- records to rows --------------------------------------------------------------------------------------------- */

static void meta_record(struct store_batch *b, const struct record *r, const char *key) {
    struct store_value k = store_text(key);
    if (r->remove)
        store_batch_delete(b, STORE_META, &k, 1);
    else
        persist_meta_put(b, key, r->bytes);
}

/* Documents of the private network, one of each; the consensus has a place for odd and for even epochs. */
static void mix_record(struct store_batch *b, const struct record *r) {
    meta_record(b, r, r->index == MIX_RECORD_CONSENSUS && r->number ? META_CONSENSUS_ODD : mix_keys[r->index]);
}

static void member_record(struct store_batch *b, const struct record *r) {
    char key[sizeof META_REVOCATION + 64];
    struct store_value k = store_blob(r->key, 32);
    if (r->number == 2) {
        meta_record(b, r, META_COUNTERS);
    } else if (r->number == 1) {
        memcpy(key, META_REVOCATION, sizeof META_REVOCATION - 1);
        vl_hex_encode(r->key, 32, key + sizeof META_REVOCATION - 1);
        meta_record(b, r, key);
    } else if (r->remove) {
        store_batch_delete(b, STORE_MEMBERS, &k, 1);
    } else {
        store_batch_put(b, STORE_MEMBERS,
                        (struct store_value[STORE_MEMBERS_COLUMNS]){
                            [STORE_MEMBERS_NODE] = k,
                            [STORE_MEMBERS_SERIAL] = store_int(0),
                            [STORE_MEMBERS_RECORD] = bytes_of(r->bytes),
                        });
    }
}

static void ticket_record(struct store_batch *b, const struct record *r) {
    struct store_value k = store_blob(r->key, 8);
    if (r->remove)
        store_batch_delete(b, STORE_TICKETS, &k, 1);
    else
        store_batch_put(b, STORE_TICKETS,
                        (struct store_value[STORE_TICKETS_COLUMNS]){
                            [STORE_TICKETS_ID] = k,
                            [STORE_TICKETS_EXPIRES_MS] = store_int((int64_t)r->at_ms),
                            [STORE_TICKETS_RECORD] = bytes_of(r->bytes),
                        });
}

static void node_record(struct store_batch *b, const struct record *r) {
    struct store_value k = store_blob(r->key, 32);
    if (r->remove)
        store_batch_delete(b, STORE_NODES, &k, 1);
    else
        store_batch_put(b, STORE_NODES,
                        (struct store_value[STORE_NODES_COLUMNS]){
                            [STORE_NODES_ID] = k,
                            [STORE_NODES_NAME] = text_of(r->text),
                            [STORE_NODES_STATE] = store_int(r->state),
                            [STORE_NODES_JOINED_MS] = store_int((int64_t)r->at_ms),
                            [STORE_NODES_SEEN_MS] = store_int((int64_t)r->number),
                            [STORE_NODES_RECORD] = bytes_of(r->bytes),
                        });
}

static void message_record(struct store_batch *b, const struct record *r) {
    struct store_value k = store_blob(r->key, 16);
    enum store_table table = r->kind == RECORD_INBOX ? STORE_INBOX : STORE_OUTBOX;
    if (r->remove)
        store_batch_delete(b, table, &k, 1);
    else if (r->kind == RECORD_INBOX)
        store_batch_put(b, table,
                        (struct store_value[STORE_INBOX_COLUMNS]){
                            [STORE_INBOX_ID] = k,
                            [STORE_INBOX_SEEN_MS] = store_int((int64_t)r->at_ms),
                            [STORE_INBOX_RECORD] = bytes_of(r->bytes),
                        });
    else
        store_batch_put(b, table,
                        (struct store_value[STORE_OUTBOX_COLUMNS]){
                            [STORE_OUTBOX_ID] = k,
                            [STORE_OUTBOX_DST] = store_blob(r->node.b, sizeof r->node.b),
                            [STORE_OUTBOX_EXPIRES_MS] = store_int((int64_t)r->at_ms),
                            [STORE_OUTBOX_BYTES] = bytes_of(r->bytes),
                        });
}

static void job_record(struct store_batch *b, const struct record *r) {
    static const enum store_table of_a_job[] = { STORE_JOBS, STORE_SPECS, STORE_TASKS, STORE_JOB_EVENTS,
                                                 STORE_RECEIPTS };
    struct store_value k = store_blob(r->key, 16);
    if (r->remove) {
        for (size_t i = 0; i < sizeof of_a_job / sizeof of_a_job[0]; i++) store_batch_delete(b, of_a_job[i], &k, 1);
        return;
    }
    store_batch_put(b, STORE_JOBS,
                    (struct store_value[STORE_JOBS_COLUMNS]){
                        [STORE_JOBS_ID] = k,
                        [STORE_JOBS_STATE] = store_int(r->state),
                        [STORE_JOBS_SUBMITTED_MS] = store_int((int64_t)r->at_ms),
                        [STORE_JOBS_UPDATED_MS] = store_int((int64_t)r->number),
                        [STORE_JOBS_NAME] = text_of(r->text),
                        [STORE_JOBS_RECORD] = bytes_of(r->bytes),
                    });
}

static void remote_record(struct store_batch *b, const struct record *r) {
    struct store_value k = store_blob(r->key, 16);
    if (r->remove)
        store_batch_delete(b, STORE_REMOTE, &k, 1);
    else
        store_batch_put(b, STORE_REMOTE,
                        (struct store_value[STORE_REMOTE_COLUMNS]){
                            [STORE_REMOTE_JOB] = k, [STORE_REMOTE_RECORD] = bytes_of(r->bytes) });
}

static void item_record(struct store_batch *b, const struct record *r) {
    struct store_value k[] = { store_int(r->state), store_blob(r->key, 32), store_int((int64_t)r->number) };
    if (r->remove)
        store_batch_delete(b, STORE_ITEMS, k, 3);
    else
        store_batch_put(b, STORE_ITEMS,
                        (struct store_value[STORE_ITEMS_COLUMNS]){
                            [STORE_ITEMS_KIND] = k[0],
                            [STORE_ITEMS_KEY] = k[1],
                            [STORE_ITEMS_SEQ] = k[2],
                            [STORE_ITEMS_AT_MS] = store_int((int64_t)r->at_ms),
                            [STORE_ITEMS_RECORD] = bytes_of(r->bytes),
                        });
}

static void task_record(struct store_batch *b, const struct record *r) {
    store_batch_put(b, STORE_TASKS,
                    (struct store_value[STORE_TASKS_COLUMNS]){
                        [STORE_TASKS_JOB] = store_blob(r->key, 16),
                        [STORE_TASKS_IDX] = store_int(r->index),
                        [STORE_TASKS_STATE] = store_int(r->state),
                        [STORE_TASKS_NODE] = r->has_node ? store_blob(r->node.b, 32) : store_null(),
                        [STORE_TASKS_RECORD] = bytes_of(r->bytes),
                    });
}

static void history_record(struct store_batch *b, const struct record *r) {
    store_batch_put(b, STORE_JOB_EVENTS,
                    (struct store_value[STORE_JOB_EVENTS_COLUMNS]){
                        [STORE_JOB_EVENTS_JOB] = store_blob(r->key, 16),
                        [STORE_JOB_EVENTS_SEQ] = store_int((int64_t)r->number),
                        [STORE_JOB_EVENTS_AT_MS] = store_int((int64_t)r->at_ms),
                        [STORE_JOB_EVENTS_KIND] = text_of(r->text),
                        [STORE_JOB_EVENTS_DETAIL] = text_of(r->bytes),
                        [STORE_JOB_EVENTS_IDX] = r->index == UINT32_MAX ? store_null() : store_int(r->index),
                        [STORE_JOB_EVENTS_NODE] = r->has_node ? store_blob(r->node.b, 32) : store_null(),
                    });
}

static void answer_record(struct store_batch *b, const struct record *r) {
    char key[65];
    vl_hex_encode(r->key, 32, key);
    store_batch_put(
        b, STORE_IDEMPOTENCY,
        (struct store_value[STORE_IDEMPOTENCY_COLUMNS]){
            [STORE_IDEMPOTENCY_KEY] = store_text(key),
            [STORE_IDEMPOTENCY_CREATED_MS] = store_int((int64_t)r->at_ms), /* expiry: what trims by it needs no other */
            [STORE_IDEMPOTENCY_STATUS] = store_int(0),
            [STORE_IDEMPOTENCY_REQUEST_HASH] = store_blob(r->node.b, 32),
            [STORE_IDEMPOTENCY_RESPONSE] = bytes_of(r->bytes),
        });
}

static void record_write(struct store_batch *b, const struct record *r) {
    struct store_value key32 = store_blob(r->key, 32), key16 = store_blob(r->key, 16);
    switch (r->kind) {
    case RECORD_IDENTITY:
        meta_record(b, r, META_IDENTITY);
        return;
    case RECORD_MEMBER:
        member_record(b, r);
        return;
    case RECORD_TICKET:
        ticket_record(b, r);
        return;
    case RECORD_REVOCATIONS:
        meta_record(b, r, META_REVOKED);
        return;
    case RECORD_MIX:
        mix_record(b, r);
        return;
    case RECORD_NODE:
        node_record(b, r);
        return;
    case RECORD_INBOX:
    case RECORD_OUTBOX:
        message_record(b, r);
        return;
    case RECORD_REMOTE:
        remote_record(b, r);
        return;
    case RECORD_ITEM:
        item_record(b, r);
        return;
    case RECORD_SNAPSHOT:
        store_batch_snapshot(b, STORE_STREAM_FOG, STORE_SEQ_HEAD, r->bytes);
        return;
    case RECORD_LOG:
        store_batch_append(b, STORE_STREAM_FOG, r->bytes);
        return;
    case RECORD_BLOB:
        store_batch_put(b, STORE_SMALL_BLOBS,
                        (struct store_value[STORE_SMALL_BLOBS_COLUMNS]){
                            [STORE_SMALL_BLOBS_HASH] = key32,
                            [STORE_SMALL_BLOBS_BYTES] = bytes_of(r->bytes),
                        });
        return;
    case RECORD_JOB:
        job_record(b, r);
        return;
    case RECORD_SPEC:
        store_batch_put(b, STORE_SPECS,
                        (struct store_value[STORE_SPECS_COLUMNS]){
                            [STORE_SPECS_JOB] = key16, [STORE_SPECS_RECORD] = bytes_of(r->bytes) });
        return;
    case RECORD_TASK:
        task_record(b, r);
        return;
    case RECORD_HISTORY:
        history_record(b, r);
        return;
    case RECORD_RECEIPT:
        store_batch_put(b, STORE_RECEIPTS,
                        (struct store_value[STORE_RECEIPTS_COLUMNS]){
                            [STORE_RECEIPTS_JOB] = key16,
                            [STORE_RECEIPTS_IDX] = store_int(r->index),
                            [STORE_RECEIPTS_EPOCH] = store_int((int64_t)r->number),
                            [STORE_RECEIPTS_RECORD] = bytes_of(r->bytes),
                        });
        return;
    case RECORD_TOPOLOGY:
        store_batch_put(b, STORE_TOPOLOGY,
                        (struct store_value[STORE_TOPOLOGY_COLUMNS]){
                            [STORE_TOPOLOGY_AT_MS] = store_int((int64_t)r->at_ms),
                            [STORE_TOPOLOGY_RECORD] = bytes_of(r->bytes),
                        });
        return;
    case RECORD_ANSWER:
        answer_record(b, r);
        return;
    }
}

struct store_batch *persist_batch(const struct record *v, size_t n) {
    struct store_batch *b = store_batch_create();
    for (size_t i = 0; b && i < n; i++) record_write(b, &v[i]);
    return b;
}

void persist_trim(struct store_batch *batch, vl_ms now) {
    const vl_ms day = 86400000u;
    struct store_value old = store_int((int64_t)now);
    store_batch_delete_less(batch, STORE_IDEMPOTENCY, STORE_IDEMPOTENCY_BY_CREATED_MS, old, 256);
    if (now > day)
        store_batch_delete_less(batch, STORE_TOPOLOGY, STORE_TOPOLOGY_BY_KEY, store_int((int64_t)(now - day)), 256);
}

/* ---- rows to records ----------------------------------------------------------------------------------------------
 */

/* What brain_restore() needs of each table. */
struct restore_step {
    enum store_table table;
    enum record_kind kind;
    unsigned bytes, key;
    const char *what;
};
static const struct restore_step steps[] = {
    { STORE_MEMBERS, RECORD_MEMBER, STORE_MEMBERS_RECORD, STORE_MEMBERS_NODE, "members" },
    { STORE_TICKETS, RECORD_TICKET, STORE_TICKETS_RECORD, STORE_TICKETS_ID, "tickets" },
    { STORE_NODES, RECORD_NODE, STORE_NODES_RECORD, STORE_NODES_ID, "nodes" },
    { STORE_INBOX, RECORD_INBOX, STORE_INBOX_RECORD, STORE_INBOX_ID, "inbox" },
    { STORE_OUTBOX, RECORD_OUTBOX, STORE_OUTBOX_BYTES, STORE_OUTBOX_ID, "outbox" },
    { STORE_REMOTE, RECORD_REMOTE, STORE_REMOTE_RECORD, STORE_REMOTE_JOB, "jobs of members" },
};

static enum vl_err restore_table(struct store *s, struct brain *b, vl_ms now, const struct restore_step *t) {
    uint8_t last[32];
    size_t last_n = 0;
    for (;;) {
        struct store_value from = store_blob(last, last_n);
        struct store_query q = { .table = t->table, .from = &from, .n_from = last_n ? 1 : 0, .limit = RESTORE_PAGE };
        struct store_iter *it;
        struct store_row row;
        uint32_t n = 0;
        enum vl_err err = store_scan(s, &q, &it), bad = VL_OK;
        if (err) return err;
        for (; bad == VL_OK && store_next(it, &row); n++) {
            struct vl_span key = store_row_blob(&row, t->key);
            struct record r = { .kind = t->kind, .bytes = store_row_blob(&row, t->bytes) };
            if (key.n > sizeof last) {
                bad = VL_ECORRUPT;
                break;
            }
            memcpy(last, key.p, key.n);
            memcpy(r.key, key.p, key.n);
            last_n = key.n;
            bad = brain_restore(b, now, &r);
        }
        err = store_end(it);
        if (bad) return bad;
        if (err || n < RESTORE_PAGE) return err;
    }
}

/* All below ITEM_VIEWS, in the order of kind, key and sequence. */
static enum vl_err restore_items(struct store *s, struct brain *b, vl_ms now) {
    struct record last = { 0 };
    for (;;) {
        struct store_value from[] = { store_int(last.state), store_blob(last.key, 32), store_int((int64_t)last.number) };
        struct store_query q = { .table = STORE_ITEMS, .from = from, .n_from = 3, .limit = RESTORE_PAGE };
        struct store_iter *it;
        struct store_row row;
        uint32_t n = 0;
        bool views = false;
        enum vl_err err = store_scan(s, &q, &it), bad = VL_OK;
        if (err) return err;
        for (; bad == VL_OK && !views && store_next(it, &row); n++) {
            struct vl_span key = store_row_blob(&row, STORE_ITEMS_KEY);
            struct record r = { .kind = RECORD_ITEM,
                                .state = (int32_t)store_row_int(&row, STORE_ITEMS_KIND),
                                .number = (uint64_t)store_row_int(&row, STORE_ITEMS_SEQ),
                                .at_ms = (vl_ms)store_row_int(&row, STORE_ITEMS_AT_MS),
                                .bytes = store_row_blob(&row, STORE_ITEMS_RECORD) };
            if (key.n != sizeof r.key) {
                bad = VL_ECORRUPT;
                break;
            }
            memcpy(r.key, key.p, key.n);
            last = r;
            views = r.state >= ITEM_VIEWS;
            if (!views) bad = brain_restore(b, now, &r);
        }
        err = store_end(it);
        if (bad) return bad;
        if (err || views || n < RESTORE_PAGE) return err;
    }
}

static bool mix_record_of(const char *key, struct record *r) {
    r->index = MIX_RECORD_CONSENSUS;
    if (strcmp(key, META_CONSENSUS_ODD) == 0) return true;
    for (r->index = 0; r->index < sizeof mix_keys / sizeof mix_keys[0]; r->index++)
        if (strcmp(key, mix_keys[r->index]) == 0) return true;
    return false;
}

static enum vl_err restore_meta(struct store *s, struct brain *b, vl_ms now) {
    struct store_query q = { .table = STORE_META, .limit = STORE_SCAN_MAX };
    struct store_iter *it;
    struct store_row row;
    enum vl_err err = store_scan(s, &q, &it), bad = VL_OK;
    if (err) return err;
    while (bad == VL_OK && store_next(it, &row)) {
        const char *key = store_row_text(&row, STORE_META_KEY);
        struct record r = { .kind = RECORD_MEMBER, .bytes = store_row_blob(&row, STORE_META_VALUE) };
        if (strcmp(key, META_IDENTITY) == 0)
            r.kind = RECORD_IDENTITY;
        else if (strcmp(key, META_REVOKED) == 0)
            r.kind = RECORD_REVOCATIONS;
        else if (mix_record_of(key, &r))
            r.kind = RECORD_MIX;
        else if (strcmp(key, META_COUNTERS) != 0 && strncmp(key, META_REVOCATION, sizeof META_REVOCATION - 1) != 0)
            continue;
        bad = brain_restore(b, now, &r);
    }
    err = store_end(it);
    return bad ? bad : err;
}

static enum vl_err restore_log(struct store *s, struct brain *b, vl_ms now) {
    struct record r = { .kind = RECORD_SNAPSHOT };
    uint64_t seq = 0;
    enum vl_err err = store_snapshot_get(s, STORE_STREAM_FOG, &seq, &r.bytes);
    if (err == VL_OK) {
        r.number = seq;
        err = brain_restore(b, now, &r);
    } else if (err == VL_ENOTFOUND) {
        err = VL_OK;
    }
    for (uint32_t n = RESTORE_PAGE; err == VL_OK && n == RESTORE_PAGE;) {
        struct store_log *log;
        struct store_event ev;
        enum vl_err end;
        if ((err = store_log_read(s, STORE_STREAM_FOG, seq, RESTORE_PAGE, &log))) return err;
        for (n = 0; err == VL_OK && store_log_next(log, &ev); n++) {
            seq = ev.seq;
            err = brain_restore(b, now, &(struct record){ .kind = RECORD_LOG, .number = ev.seq, .bytes = ev.payload });
        }
        end = store_log_end(log);
        if (err == VL_OK) err = end;
    }
    return err;
}

enum vl_err persist_restore(struct store *s, struct brain *b, vl_ms now, struct vl_errmsg *msg) {
    enum vl_err err = restore_meta(s, b, now);
    if (err) return vl_errmsg_set(msg, err, "the stored identity cannot be read (%s)", vl_err_text(err));
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if ((err = restore_table(s, b, now, &steps[i])))
            return vl_errmsg_set(msg, err, "the stored %s cannot be read (%s)", steps[i].what, vl_err_text(err));
    if ((err = restore_items(s, b, now)))
        return vl_errmsg_set(msg, err, "the stored facts of the fog cannot be read (%s)", vl_err_text(err));
    err = restore_log(s, b, now);
    return err ? vl_errmsg_set(msg, err, "the event log cannot be replayed (%s)", vl_err_text(err)) : VL_OK;
}
