/* mem.h - the driver without a disk: for the simulator and for tests.  No threads, no clock, deterministic; its cost
 * is the rows themselves plus a few KiB.  It keeps the promise of the real one: a batch is durable when it is told so
 * and not before, and the simulator decides when that is and what a crash loses. */
#ifndef VL_STORE_MEM_H
#define VL_STORE_MEM_H

#include "store/store.h"

/* The caller owns *ret_store (store_close()).  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err store_mem_open(struct store **ret_store);

/* The functions below are for stores of this driver only (asserted). */

/* Automatic (the default): store_poll() makes durable and delivers what was submitted before.  Manual: nothing becomes
 * durable until store_mem_sync(). */
void store_mem_set_manual(struct store *s, bool manual);
/* Makes the next `n` submitted batches durable; store_poll() will deliver them.  Returns how many there were. */
size_t store_mem_sync(struct store *s, size_t n);
/* The machine stops and starts again: batches not yet durable are gone, no outcome is delivered any more, durable
 * data stays.  The store is then as if newly opened.  No iterator may be open. */
void store_mem_crash(struct store *s);
/* The next `n` batches to become durable meet this machine error (VL_ENOSPC, VL_EIO, VL_ENOMEM). */
void store_mem_fail(struct store *s, enum vl_err err, size_t n);
/* Bytes of memory in use by rows, events and snapshots. */
size_t store_mem_bytes(const struct store *s);

#endif
