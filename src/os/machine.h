/* machine.h - facts of the machine a node runs on.  What cannot be read is 0, never a guess. */
#ifndef VL_OS_MACHINE_H
#define VL_OS_MACHINE_H

#include <stdint.h>

struct os_machine {
    uint32_t cpus;         /* usable by this process: affinity and cgroup quota, at least 1 */
    uint64_t memory_bytes; /* of the machine, or of the cgroup when that is smaller */
    uint64_t disk_bytes;   /* free for us on the file system of the data directory */
    uint32_t load_milli;   /* one-minute load average x 1000 / cpus */
};
void os_machine_read(const char *data_dir, struct os_machine *ret);
/* Free bytes on the file system of `path`, 0 when unknown. */
uint64_t os_disk_free(const char *path);
/* Resident bytes of this process. */
uint64_t os_rss(void);

#endif
