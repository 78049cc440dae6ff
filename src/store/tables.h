/* tables.h - the catalogue: every table, column and index of the store, and every event stream, in one place.
 * Upper floors name them by the enums made here; the drivers make their statements from the same rows.
 *
 * To add a table: one STORE_x_TABLE list, one row in STORE_TABLES, one migration (migrations.c).
 * To add an index: one I row and one migration.  A test compares the migrated schema with this file.
 *
 *   C(TABLE, COLUMN, sql_name, TYPE, KIND)   TYPE: INT (64-bit signed), TEXT (UTF-8, no NUL), BLOB
 *                                            KIND: KEY (in the primary key), VALUE (never null), MAYBE (may be null)
 *   I(TABLE, COLUMN, sql_name)               rows in order of that column, ties in order of the primary key
 *
 * Key columns come first; index columns are never null.  Order is: integers by value, text and blobs by bytes
 * (memcmp, the shorter first), so that every driver agrees.  Times are vl_ms, ids are the raw bytes of base/id.h. */
#ifndef VL_STORE_TABLES_H
#define VL_STORE_TABLES_H

/* What the registry shows of a node; record: its encoded description. */
#define STORE_NODES_TABLE(C, I)                                                                                        \
    C(NODES, ID, id, BLOB, KEY)                                                                                        \
    C(NODES, NAME, name, TEXT, VALUE)                                                                                  \
    C(NODES, STATE, state, INT, VALUE)                                                                                 \
    C(NODES, JOINED_MS, joined_ms, INT, VALUE)                                                                         \
    C(NODES, SEEN_MS, seen_ms, INT, VALUE)                                                                             \
    C(NODES, RECORD, record, BLOB, VALUE)

/* Newest first is the primary key backwards: job ids sort by age. */
#define STORE_JOBS_TABLE(C, I)                                                                                         \
    C(JOBS, ID, id, BLOB, KEY)                                                                                         \
    C(JOBS, STATE, state, INT, VALUE)                                                                                  \
    C(JOBS, SUBMITTED_MS, submitted_ms, INT, VALUE)                                                                    \
    C(JOBS, UPDATED_MS, updated_ms, INT, VALUE)                                                                        \
    C(JOBS, NAME, name, TEXT, VALUE)                                                                                   \
    C(JOBS, RECORD, record, BLOB, VALUE)                                                                               \
    I(JOBS, STATE, state)

/* What was asked for, kept apart because it is large and never changes while the row of the job often does. */
#define STORE_SPECS_TABLE(C, I)                                                                                        \
    C(SPECS, JOB, job, BLOB, KEY)                                                                                      \
    C(SPECS, RECORD, record, BLOB, VALUE)

#define STORE_TASKS_TABLE(C, I)                                                                                        \
    C(TASKS, JOB, job, BLOB, KEY)                                                                                      \
    C(TASKS, IDX, idx, INT, KEY)                                                                                       \
    C(TASKS, STATE, state, INT, VALUE)                                                                                 \
    C(TASKS, NODE, node, BLOB, MAYBE)                                                                                  \
    C(TASKS, RECORD, record, BLOB, VALUE)

/* Envelopes on their way out; one leaves after its end-to-end acknowledgement or its expiry. */
#define STORE_OUTBOX_TABLE(C, I)                                                                                       \
    C(OUTBOX, ID, id, BLOB, KEY)                                                                                       \
    C(OUTBOX, DST, dst, BLOB, VALUE)                                                                                   \
    C(OUTBOX, EXPIRES_MS, expires_ms, INT, VALUE)                                                                      \
    C(OUTBOX, BYTES, bytes, BLOB, VALUE)                                                                               \
    I(OUTBOX, EXPIRES_MS, expires_ms)

/* De-duplication: ids already seen, or receive windows with their state in record. */
#define STORE_INBOX_TABLE(C, I)                                                                                        \
    C(INBOX, ID, id, BLOB, KEY)                                                                                        \
    C(INBOX, SEEN_MS, seen_ms, INT, VALUE)                                                                             \
    C(INBOX, RECORD, record, BLOB, MAYBE)                                                                              \
    I(INBOX, SEEN_MS, seen_ms)

#define STORE_TICKETS_TABLE(C, I)                                                                                      \
    C(TICKETS, ID, id, BLOB, KEY)                                                                                      \
    C(TICKETS, EXPIRES_MS, expires_ms, INT, VALUE)                                                                     \
    C(TICKETS, RECORD, record, BLOB, VALUE)                                                                            \
    I(TICKETS, EXPIRES_MS, expires_ms)

#define STORE_MEMBERS_TABLE(C, I)                                                                                      \
    C(MEMBERS, NODE, node, BLOB, KEY)                                                                                  \
    C(MEMBERS, SERIAL, serial, INT, VALUE)                                                                             \
    C(MEMBERS, RECORD, record, BLOB, VALUE)

/* Small single facts: the village's keys, counters. */
#define STORE_META_TABLE(C, I)                                                                                         \
    C(META, KEY, key, TEXT, KEY)                                                                                       \
    C(META, VALUE, value, BLOB, VALUE)

#define STORE_IDEMPOTENCY_TABLE(C, I)                                                                                  \
    C(IDEMPOTENCY, KEY, key, TEXT, KEY)                                                                                \
    C(IDEMPOTENCY, CREATED_MS, created_ms, INT, VALUE)                                                                 \
    C(IDEMPOTENCY, REQUEST_HASH, request_hash, BLOB, VALUE)                                                            \
    C(IDEMPOTENCY, STATUS, status, INT, VALUE)                                                                         \
    C(IDEMPOTENCY, RESPONSE, response, BLOB, VALUE)                                                                    \
    I(IDEMPOTENCY, CREATED_MS, created_ms)

#define STORE_RECEIPTS_TABLE(C, I)                                                                                     \
    C(RECEIPTS, JOB, job, BLOB, KEY)                                                                                   \
    C(RECEIPTS, IDX, idx, INT, KEY)                                                                                    \
    C(RECEIPTS, EPOCH, epoch, INT, KEY)                                                                                \
    C(RECEIPTS, RECORD, record, BLOB, VALUE)

/* The blob cache's index; the bytes themselves are files. */
#define STORE_BLOBS_TABLE(C, I)                                                                                        \
    C(BLOBS, HASH, hash, BLOB, KEY)                                                                                    \
    C(BLOBS, SIZE, size, INT, VALUE)                                                                                   \
    C(BLOBS, USED_MS, used_ms, INT, VALUE)                                                                             \
    C(BLOBS, PINS, pins, INT, VALUE)                                                                                   \
    I(BLOBS, USED_MS, used_ms)

/* Jobs that were submitted at a member: on the coordinator whose they are, on the member how far they got. */
#define STORE_REMOTE_TABLE(C, I)                                                                                       \
    C(REMOTE, JOB, job, BLOB, KEY)                                                                                     \
    C(REMOTE, RECORD, record, BLOB, VALUE)

/* Blobs that live here instead of in a file: outputs of at most VL_INLINE_MAX bytes, and what came in messages. */
#define STORE_SMALL_BLOBS_TABLE(C, I)                                                                                  \
    C(SMALL_BLOBS, HASH, hash, BLOB, KEY)                                                                              \
    C(SMALL_BLOBS, BYTES, bytes, BLOB, VALUE)

/* Facts of the fog's cores that need no columns of their own: kind is enum record_item (brain/record.h). */
#define STORE_ITEMS_TABLE(C, I)                                                                                        \
    C(ITEMS, KIND, kind, INT, KEY)                                                                                     \
    C(ITEMS, KEY, key, BLOB, KEY)                                                                                      \
    C(ITEMS, SEQ, seq, INT, KEY)                                                                                       \
    C(ITEMS, AT_MS, at_ms, INT, VALUE)                                                                                 \
    C(ITEMS, RECORD, record, BLOB, VALUE)

#define STORE_JOB_EVENTS_TABLE(C, I)                                                                                   \
    C(JOB_EVENTS, JOB, job, BLOB, KEY)                                                                                 \
    C(JOB_EVENTS, SEQ, seq, INT, KEY)                                                                                  \
    C(JOB_EVENTS, AT_MS, at_ms, INT, VALUE)                                                                            \
    C(JOB_EVENTS, KIND, kind, TEXT, VALUE)                                                                             \
    C(JOB_EVENTS, DETAIL, detail, TEXT, VALUE)                                                                         \
    C(JOB_EVENTS, IDX, idx, INT, MAYBE)                                                                                \
    C(JOB_EVENTS, NODE, node, BLOB, MAYBE)

#define STORE_TOPOLOGY_TABLE(C, I)                                                                                     \
    C(TOPOLOGY, AT_MS, at_ms, INT, KEY)                                                                                \
    C(TOPOLOGY, RECORD, record, BLOB, VALUE)

/* The next two belong to the store: reached by store_batch_append/snapshot and store_log_read/snapshot_get only.
 * sum: SipHash of the bytes, because the log is the truth and a flipped bit in it must not be replayed. */
#define STORE_LOG_TABLE(C, I)                                                                                          \
    C(LOG, STREAM, stream, INT, KEY)                                                                                   \
    C(LOG, SEQ, seq, INT, KEY)                                                                                         \
    C(LOG, SUM, sum, INT, VALUE)                                                                                       \
    C(LOG, PAYLOAD, payload, BLOB, VALUE)

#define STORE_SNAPSHOTS_TABLE(C, I)                                                                                    \
    C(SNAPSHOTS, STREAM, stream, INT, KEY)                                                                             \
    C(SNAPSHOTS, SEQ, seq, INT, VALUE)                                                                                 \
    C(SNAPSHOTS, SUM, sum, INT, VALUE)                                                                                 \
    C(SNAPSHOTS, BYTES, bytes, BLOB, VALUE)

/* T(TABLE, sql_name) */
#define STORE_TABLES(T)                                                                                                \
    T(NODES, nodes)                                                                                                    \
    T(JOBS, jobs)                                                                                                      \
    T(SPECS, specs)                                                                                                    \
    T(TASKS, tasks)                                                                                                    \
    T(OUTBOX, outbox)                                                                                                  \
    T(INBOX, inbox)                                                                                                    \
    T(TICKETS, tickets)                                                                                                \
    T(MEMBERS, members)                                                                                                \
    T(META, meta)                                                                                                      \
    T(IDEMPOTENCY, idempotency)                                                                                        \
    T(RECEIPTS, receipts)                                                                                              \
    T(BLOBS, blobs)                                                                                                    \
    T(SMALL_BLOBS, small_blobs)                                                                                        \
    T(REMOTE, remote)                                                                                                  \
    T(ITEMS, items)                                                                                                    \
    T(JOB_EVENTS, job_events)                                                                                          \
    T(TOPOLOGY, topology)                                                                                              \
    T(LOG, log)                                                                                                        \
    T(SNAPSHOTS, snapshots)

/* Event streams, one for each core that is rebuilt from its log.  Numbers are on disk: never change or reuse one. */
enum store_stream {
    STORE_STREAM_FOG = 1,        /* registry, jobs, placement */
    STORE_STREAM_DELIVERY = 2,   /* durable messages */
    STORE_STREAM_MEMBERSHIP = 3, /* tickets, certificates, expulsions */
    STORE_STREAM_AUDIT = 4,      /* who did what */
};
#define STORE_STREAMS_MAX 16 /* numbers 1..15; a head of each stays in memory */

/* STORE_NODES, STORE_JOBS, ... */
enum store_table {
#define STORE_T(table, name) STORE_##table,
    STORE_TABLES(STORE_T)
#undef STORE_T
        STORE_TABLE_COUNT
};

/* For each table: STORE_NODES_ID, STORE_NODES_NAME, ... and their count STORE_NODES_COLUMNS; and
 * STORE_NODES_BY_KEY = 0, then one STORE_x_BY_COLUMN for each index, and their count STORE_NODES_INDEXES. */
#define STORE_NOTHING(...)
#define STORE_C(table, column, name, type, kind) STORE_##table##_##column,
#define STORE_I(table, column, name) STORE_##table##_BY_##column,
#define STORE_T(table, name)                                                                                           \
    enum store_##name##_column { STORE_##table##_TABLE(STORE_C, STORE_NOTHING) STORE_##table##_COLUMNS };              \
    enum store_##name##_index {                                                                                        \
        STORE_##table##_BY_KEY,                                                                                        \
        STORE_##table##_TABLE(STORE_NOTHING, STORE_I) STORE_##table##_INDEXES                                          \
    };
STORE_TABLES(STORE_T)
#undef STORE_T
#undef STORE_C
#undef STORE_I

#define STORE_COLUMNS_MAX 8 /* columns of one table */
#define STORE_KEYS_MAX 3    /* key columns of one table */
#define STORE_INDEXES_MAX 4 /* orders of one table, the primary key's among them */

#endif
