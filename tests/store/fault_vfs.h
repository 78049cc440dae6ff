/* fault_vfs.h - a layer under SQLite (a VFS) that can refuse writes and syncs, and that knows what a power cut at this
 * moment would leave on the disk: what was synced, plus any part of what was not. */
#ifndef TESTS_STORE_FAULT_VFS_H
#define TESTS_STORE_FAULT_VFS_H

#include <stdint.h>

/* Puts the layer under every store that is opened from now on; remove() when all are closed. */
void fault_vfs_install(void);
void fault_vfs_remove(void);

enum fault { FAULT_NONE, FAULT_FULL, FAULT_IO };
/* After `after` more writes (0: the next) `times` writes fail so. */
void fault_writes(enum fault kind, int after, int times);
/* The next `times` syncs fail with an I/O error and sync nothing. */
void fault_syncs(int times);
/* Waits in the next sync until fault_release(): the writer thread stands still. */
void fault_hold(void);
void fault_release(void);

/* At the `after`-th write or sync from now: writes to directory `dir` what a power cut would leave there (seed chooses
 * which unsynced parts), and remembers *counter at that moment. */
void fault_cut(int after, uint64_t seed, const char *dir, const int *counter);
/* The remembered value, -1 when the moment has not come. */
int fault_cut_counter(void);

#endif
