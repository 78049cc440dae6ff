/* sensors.h - what this machine says of itself (FOG-12): power supply, temperature, load, input, screen, network.
 * Files are read below a configurable root, services asked over D-Bus; what is absent, unreadable or absurd is unknown.
 * sensors_files.c and sensors_dbus.c do the reading, one call each, in bounded time; sensors.c runs them on two threads of its own, so
 * that a service that hangs never delays the sight of an input, and neither ever delays a caller.
 *
 * Sources: Linux Documentation/ABI/testing/sysfs-class-power, sysfs-class-thermal, Documentation/hwmon/sysfs-interface,
 * Documentation/accounting/psi.rst, proc(5); org.freedesktop.login1(5); NetworkManager D-Bus API (Metered). */
#ifndef VL_OS_SENSORS_H
#define VL_OS_SENSORS_H

#include "base/err.h"
#include "base/ms.h"
#include "wire/reading.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SENSORS_ROOT_MAX 256u
#define SENSORS_INPUT_MS 100u   /* how often input is looked at: 250 ms may pass until tasks stand still */
#define SENSORS_HEAT_MS 250u    /* the temperature */
#define SENSORS_SLOW_MS 1000u   /* the other files */
#define SENSORS_DBUS_MS 2000u   /* services */
#define SENSORS_CALL_MS 250u    /* one answer of a service; later is unknown */

struct sensors_config {
    const char *root;     /* before every path, "" for the machine itself; shorter than SENSORS_ROOT_MAX */
    const char *own_proc; /* where our own processes are looked up; NULL: "/proc" whatever the root is */
    pid_t own_pid;        /* its processes, children included, are no load of others; 0: this process */
    bool no_dbus;         /* ask no service */
};

/* ---- reading, no threads */

struct sensors_input { /* what was seen at the last look */
    bool known;        /* there is a source of input events here */
    bool seen;         /* input since the look before */
};
struct sensors_files;
/* Copies cfg.  VL_ENOMEM, VL_ERANGE: the root is too long. */
VL_MUST_CHECK enum vl_err sensors_files_create(const struct sensors_config *cfg, struct sensors_files **ret);
void sensors_files_destroy(struct sensors_files *f); /* NULL is a no-op */
/* Hottest of the zones in 1/1000 C. */
struct signal_value sensors_temperature(struct sensors_files *f);
/* Devices, interrupts and terminals, compared with the look before; the first look sees nothing. */
struct sensors_input sensors_input(struct sensors_files *f);
/* Battery, mains, load (compared with the call before), pressure, screen, and the network as far as it is known without a service.
 * Leaves the other signals unknown. */
void sensors_files_read(struct sensors_files *f, struct machine_reading *ret);
/* CPU time in ms of a process and all its descendants, ended ones included; 0: none. */
uint64_t sensors_tree_cpu_ms(const char *proc, pid_t pid);

struct sensors_dbus {
    struct signal_value idle_ms; /* the least of what the services say */
    struct signal_value locked, metered;
};
struct sensors_dbus_link; /* connections, kept between calls */
struct sensors_dbus_link *sensors_dbus_create(void); /* NULL: out of memory */
void sensors_dbus_destroy(struct sensors_dbus_link *l);
/* Asks all services; at most seven calls of SENSORS_CALL_MS each.  `stop` (may be NULL) is looked at between them. */
void sensors_dbus_read(struct sensors_dbus_link *l, const atomic_bool *stop, struct sensors_dbus *ret);

/* ---- watching, on threads of its own */

struct sensors;
/* Starts; the first reading comes within SENSORS_SLOW_MS.  VL_ENOMEM, VL_EIO: no thread or descriptor; VL_ERANGE. */
VL_MUST_CHECK enum vl_err sensors_start(const struct sensors_config *cfg, struct sensors **ret);
/* Waits for the threads, at most about SENSORS_CALL_MS.  NULL is a no-op. */
void sensors_stop(struct sensors *s);
/* Readable when a reading waits: about each second, and at once when input is seen or the temperature moved by a degree. */
int sensors_fd(const struct sensors *s);
/* The newest reading; clears the descriptor.  False: none yet. */
bool sensors_take(struct sensors *s, struct machine_reading *ret);

#endif
