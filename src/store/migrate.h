/* migrate.h - brings a database file to this program's schema, forward only.  Private to store/.
 * Each migration is one transaction; the file remembers the checksum of each, so that an edited old migration is
 * noticed instead of leaving two kinds of files behind. */
#ifndef VL_STORE_MIGRATE_H
#define VL_STORE_MIGRATE_H

#include "base/err.h"

#include <sqlite3.h>
#include <stddef.h>

#define STORE_APPLICATION_ID 0x56494c47 /* "VILG" in the file's header */

struct store_migration {
    const char *name;
    const char *sql;
};
/* Number i + 1 is at [i].  A released one is never changed: add another. */
extern const struct store_migration store_migrations[];
extern const size_t store_migrations_n;

/* Looks only: the number of migrations in the file, 0 for a new one.  `known`: how many this program has.  Errors as
 * store_migrate(). */
VL_MUST_CHECK enum vl_err store_schema_check(sqlite3 *db, size_t known, size_t *ret_version, struct vl_errmsg *msg);
/* VL_EVERSION: newer or altered schema, or another program's file; VL_ECORRUPT: no database or damaged; VL_ENOSPC,
 * VL_EIO, VL_ENOMEM, VL_EBUSY. */
VL_MUST_CHECK enum vl_err store_migrate(sqlite3 *db, const struct store_migration *list, size_t n,
                                        struct vl_errmsg *msg);

/* Our error for the newest one of `db`, whose result code was rc. */
enum vl_err sqlite_err(sqlite3 *db, int rc);
/* Runs statements without results. */
VL_MUST_CHECK enum vl_err sqlite_run(sqlite3 *db, const char *sql);

#endif
