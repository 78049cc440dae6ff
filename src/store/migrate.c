#include "store/migrate.h"
#include "base/map.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum vl_err sqlite_err(sqlite3 *db, int rc) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return VL_OK;
    case SQLITE_NOMEM:
        return VL_ENOMEM;
    case SQLITE_FULL:
        return VL_ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return VL_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return VL_ECORRUPT;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ? VL_EEXISTS : VL_ERANGE;
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return VL_ERANGE;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        return VL_EDENIED;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: {
        if (rc == SQLITE_IOERR_NOMEM) return VL_ENOMEM;
        int e = db == NULL ? 0 : sqlite3_system_errno(db);
        return e == ENOSPC || e == EDQUOT || e == EFBIG ? VL_ENOSPC : e == EACCES || e == EPERM ? VL_EDENIED : VL_EIO;
    }
    }
    return VL_EINTERNAL;
}

enum vl_err sqlite_run(sqlite3 *db, const char *sql) { return sqlite_err(db, sqlite3_exec(db, sql, NULL, NULL, NULL)); }

/* First column of the only row. */
static enum vl_err one_int(sqlite3 *db, const char *sql, int64_t *ret) {
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) *ret = sqlite3_column_int64(st, 0);
    enum vl_err err = rc == SQLITE_DONE ? VL_ECORRUPT : sqlite_err(db, rc);
    (void)sqlite3_finalize(st);
    return err;
}

static int64_t checksum(const char *sql) {
    static const uint64_t seed[2] = { 0x6d696772, 0x6174696f };
    return (int64_t)vl_siphash(seed, sql, strlen(sql));
}

static enum vl_err say(struct vl_errmsg *msg, enum vl_err err, sqlite3 *db, const char *what) {
    return vl_errmsg_set(msg, err, "the database: %s: %s", what, sqlite3_errmsg(db));
}

/* Compares what the file says of its first `have` migrations with the list. */
static enum vl_err compare(sqlite3 *db, const struct store_migration *list, size_t have, struct vl_errmsg *msg) {
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT number, checksum FROM migrations ORDER BY number", -1, &st, NULL);
    size_t seen = 0;
    enum vl_err err = VL_OK;
    while (rc == SQLITE_OK && err == VL_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        if (seen >= have || sqlite3_column_int64(st, 0) != (int64_t)seen + 1) {
            err = vl_errmsg_set(msg, VL_ECORRUPT, "the database's list of migrations is damaged; restore a backup");
        } else if (sqlite3_column_int64(st, 1) != checksum(list[seen].sql)) {
            err = vl_errmsg_set(msg, VL_EVERSION,
                                "migration %zu (%s) of the database is not the one of this program; run the program "
                                "that made it",
                                seen + 1, list[seen].name);
        }
        seen++;
    }
    if (err == VL_OK && rc != SQLITE_DONE) err = say(msg, sqlite_err(db, rc), db, "reading its migrations");
    if (err == VL_OK && seen != have)
        err = vl_errmsg_set(msg, VL_ECORRUPT, "the database's list of migrations is damaged; restore a backup");
    (void)sqlite3_finalize(st);
    return err;
}

static enum vl_err record(sqlite3 *db, const struct store_migration *m, size_t number) {
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO migrations(number, name, checksum) VALUES(?1, ?2, ?3)", -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(st, 1, (int64_t)number);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 2, m->name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(st, 3, checksum(m->sql));
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    enum vl_err err = sqlite_err(db, rc);
    (void)sqlite3_finalize(st);
    return err;
}

static enum vl_err apply(sqlite3 *db, const struct store_migration *m, size_t number) {
    char version[80];
    (void)snprintf(version, sizeof version, "PRAGMA application_id=%d; PRAGMA user_version=%zu", STORE_APPLICATION_ID,
                   number);
    enum vl_err err = sqlite_run(db, "BEGIN IMMEDIATE");
    if (err != VL_OK) return err;
    if (number == 1)
        err = sqlite_run(db, "CREATE TABLE migrations(number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
                             " checksum INTEGER NOT NULL) STRICT");
    if (err == VL_OK) err = sqlite_run(db, m->sql);
    if (err == VL_OK) err = record(db, m, number);
    if (err == VL_OK) err = sqlite_run(db, version);
    if (err == VL_OK) err = sqlite_run(db, "COMMIT");
    if (err != VL_OK && !sqlite3_get_autocommit(db)) (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

enum vl_err store_schema_check(sqlite3 *db, size_t known, size_t *ret_version, struct vl_errmsg *msg) {
    int64_t id = 0, version = 0, objects = 0;
    enum vl_err err = one_int(db, "PRAGMA application_id", &id);
    if (err == VL_OK) err = one_int(db, "PRAGMA user_version", &version);
    if (err == VL_OK) err = one_int(db, "SELECT count(*) FROM sqlite_schema", &objects);
    if (err != VL_OK) return say(msg, err, db, "not readable");
    bool fresh = id == 0 && version == 0 && objects == 0;
    if (!fresh && id != STORE_APPLICATION_ID)
        return vl_errmsg_set(msg, VL_EVERSION, "store.db belongs to another program; choose another data directory");
    if (version < 0 || (uint64_t)version > known)
        return vl_errmsg_set(msg, VL_EVERSION,
                             "the database has schema %lld, this program knows up to %zu; run the newer program",
                             (long long)version, known);
    *ret_version = (size_t)version;
    return VL_OK;
}

enum vl_err store_migrate(sqlite3 *db, const struct store_migration *list, size_t n, struct vl_errmsg *msg) {
    size_t version = 0;
    enum vl_err err = store_schema_check(db, n, &version, msg);
    if (err == VL_OK && version > 0) err = compare(db, list, version, msg);
    for (size_t i = version; i < n && err == VL_OK; i++) {
        char what[96];
        (void)snprintf(what, sizeof what, "migration %zu (%s)", i + 1, list[i].name);
        err = apply(db, &list[i], i + 1);
        if (err != VL_OK) (void)say(msg, err, db, what);
    }
    return err;
}
