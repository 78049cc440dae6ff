#include "store/migrate.h"

/* Tables are STRICT, because loose types hide errors here that PostgreSQL would refuse later, and WITHOUT ROWID (but for long rows: `items`),
 * because each is read in the order of its key.  The catalogue (tables.h) is what they must agree with. */
const struct store_migration store_migrations[] = {
    { "first tables",
      "CREATE TABLE nodes(id BLOB NOT NULL, name TEXT NOT NULL, state INTEGER NOT NULL, joined_ms INTEGER NOT NULL,"
      " seen_ms INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY(id)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE jobs(id BLOB NOT NULL, state INTEGER NOT NULL, submitted_ms INTEGER NOT NULL,"
      " updated_ms INTEGER NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY(id)) STRICT, WITHOUT ROWID;"
      "CREATE INDEX jobs_by_state ON jobs(state, id);"

      "CREATE TABLE specs(job BLOB NOT NULL, record BLOB NOT NULL, PRIMARY KEY(job)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE tasks(job BLOB NOT NULL, idx INTEGER NOT NULL, state INTEGER NOT NULL, node BLOB,"
      " record BLOB NOT NULL, PRIMARY KEY(job, idx)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE outbox(id BLOB NOT NULL, dst BLOB NOT NULL, expires_ms INTEGER NOT NULL, bytes BLOB NOT NULL,"
      " PRIMARY KEY(id)) STRICT, WITHOUT ROWID;"
      "CREATE INDEX outbox_by_expires_ms ON outbox(expires_ms, id);"

      "CREATE TABLE inbox(id BLOB NOT NULL, seen_ms INTEGER NOT NULL, record BLOB,"
      " PRIMARY KEY(id)) STRICT, WITHOUT ROWID;"
      "CREATE INDEX inbox_by_seen_ms ON inbox(seen_ms, id);"

      "CREATE TABLE tickets(id BLOB NOT NULL, expires_ms INTEGER NOT NULL, record BLOB NOT NULL,"
      " PRIMARY KEY(id)) STRICT, WITHOUT ROWID;"
      "CREATE INDEX tickets_by_expires_ms ON tickets(expires_ms, id);"

      "CREATE TABLE members(node BLOB NOT NULL, serial INTEGER NOT NULL, record BLOB NOT NULL,"
      " PRIMARY KEY(node)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE meta(key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(key)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE idempotency(key TEXT NOT NULL, created_ms INTEGER NOT NULL, request_hash BLOB NOT NULL,"
      " status INTEGER NOT NULL, response BLOB NOT NULL, PRIMARY KEY(key)) STRICT, WITHOUT ROWID;"
      "CREATE INDEX idempotency_by_created_ms ON idempotency(created_ms, key);"

      "CREATE TABLE receipts(job BLOB NOT NULL, idx INTEGER NOT NULL, epoch INTEGER NOT NULL, record BLOB NOT NULL,"
      " PRIMARY KEY(job, idx, epoch)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE blobs(hash BLOB NOT NULL, size INTEGER NOT NULL, used_ms INTEGER NOT NULL, pins INTEGER NOT NULL,"
      " PRIMARY KEY(hash)) STRICT, WITHOUT ROWID;"
      "CREATE INDEX blobs_by_used_ms ON blobs(used_ms, hash);"

      "CREATE TABLE small_blobs(hash BLOB NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(hash)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE job_events(job BLOB NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,"
      " detail TEXT NOT NULL, idx INTEGER, node BLOB, PRIMARY KEY(job, seq)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE topology(at_ms INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY(at_ms)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE log(stream INTEGER NOT NULL, seq INTEGER NOT NULL, sum INTEGER NOT NULL, payload BLOB NOT NULL,"
      " PRIMARY KEY(stream, seq)) STRICT, WITHOUT ROWID;"

      "CREATE TABLE snapshots(stream INTEGER NOT NULL, seq INTEGER NOT NULL, sum INTEGER NOT NULL,"
      " bytes BLOB NOT NULL, PRIMARY KEY(stream)) STRICT, WITHOUT ROWID;" },

    { "jobs submitted at members",
      "CREATE TABLE remote(job BLOB NOT NULL, record BLOB NOT NULL, PRIMARY KEY(job)) STRICT, WITHOUT ROWID;" },

    { "facts of the fog's cores",
      "CREATE TABLE items(kind INTEGER NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
      " record BLOB NOT NULL, PRIMARY KEY(kind, key, seq)) STRICT, WITHOUT ROWID;" },

    /* Rows of about 1 KiB in a tree of keys leave four a page, at each height of it, and those above 1,002 bytes a page of overflow each. */
    { "long items beside their keys",
      "ALTER TABLE items RENAME TO items_by_key;"
      "CREATE TABLE items(kind INTEGER NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
      " record BLOB NOT NULL, PRIMARY KEY(kind, key, seq)) STRICT;"
      "INSERT INTO items SELECT kind, key, seq, at_ms, record FROM items_by_key ORDER BY kind, key, seq;"
      "DROP TABLE items_by_key;" },
};
const size_t store_migrations_n = sizeof store_migrations / sizeof store_migrations[0];
