/* sqlite.h - the default driver: one SQLite file (WAL, synchronous=FULL) and one writer thread with group commit.
 * DIR/store.db with its -wal and -shm, mode 0600, and DIR/store.lock, which keeps a second process out.
 * The writer's connection alone writes and checkpoints; reads use a read-only one.  That is a safety rule, not a
 * style: SQLite before 3.51.3 can corrupt a file when two connections do (sqlite.org/wal.html, WAL-reset bug).
 * Memory: about 2 MiB (caches of 1 MiB and 0.5 MiB) plus the queue. */
#ifndef VL_STORE_SQLITE_H
#define VL_STORE_SQLITE_H

#include "store/store.h"

/* Opens or creates the store in directory `dir` (copied; made with mode 0700 when missing, its parent must exist),
 * checks the file after an unclean stop and applies new migrations.  The caller owns *ret_store (store_close()).
 * On an error `msg` (may be NULL) says what to do about it:
 * VL_EBUSY     another process or store has the directory open
 * VL_EVERSION  the file is of a newer or altered schema, or another program's
 * VL_ECORRUPT  the file is damaged or no database
 * VL_EDENIED, VL_ENOSPC, VL_EIO, VL_ENOMEM, VL_ERANGE (path too long) */
VL_MUST_CHECK enum vl_err store_sqlite_open(const char *dir, struct store **ret_store, struct vl_errmsg *msg);

/* Version of the SQLite library that runs, such as "3.40.1".  Static storage. */
const char *store_sqlite_version(void);
/* False before 3.51.3, which lacks the repair of the WAL-reset bug; for `village doctor`. */
bool store_sqlite_has_wal_fix(void);

#endif
