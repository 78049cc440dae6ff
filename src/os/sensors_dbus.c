/* Signals that services know: logind, the desktop's idle monitors, NetworkManager.  All may be absent; one that does not answer within
 * SENSORS_CALL_MS is. */
#include "os/sensors.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>
#include <time.h>

struct sensors_dbus_link {
    sd_bus *system, *user;
};

struct sensors_dbus_link *sensors_dbus_create(void) { return calloc(1, sizeof(struct sensors_dbus_link)); }

static void hang_up(sd_bus **bus) {
    if (*bus) sd_bus_close_unref(*bus); /* without flushing: nothing of ours waits, and the other end may not read */
    *bus = NULL;
}

void sensors_dbus_destroy(struct sensors_dbus_link *l) {
    if (l == NULL) return;
    hang_up(&l->system);
    hang_up(&l->user);
    free(l);
}

struct service {
    const char *name, *path, *interface;
};

/* A timeout leaves the connection in doubt: the next look makes another. */
static bool failed(sd_bus **bus, int rc, sd_bus_error *e) {
    bool gone = sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) || rc == -ETIMEDOUT || rc == -ENOTCONN || rc == -ECONNRESET;
    sd_bus_error_free(e);
    if (gone) hang_up(bus);
    return false;
}

static bool property(sd_bus **bus, const struct service *s, const char *name, char type, void *ret) {
    sd_bus_error e = SD_BUS_ERROR_NULL;
    if (*bus == NULL) return false;
    int rc = sd_bus_get_property_trivial(*bus, s->name, s->path, s->interface, name, &e, type, ret);
    return rc >= 0 ? true : failed(bus, rc, &e);
}

/* A method without arguments that answers one number. */
static bool ask(sd_bus **bus, const struct service *s, const char *method, const char *type, void *ret) {
    sd_bus_error e = SD_BUS_ERROR_NULL;
    sd_bus_message *m = NULL;
    if (*bus == NULL) return false;
    int rc = sd_bus_call_method(*bus, s->name, s->path, s->interface, method, &e, &m, "");
    if (rc >= 0) rc = sd_bus_message_read(m, type, ret);
    sd_bus_message_unref(m);
    return rc >= 0 ? true : failed(bus, rc, &e);
}

static void least(struct signal_value *min, uint64_t ms) {
    int64_t v = ms > INT64_MAX ? INT64_MAX : (int64_t)ms;
    if (!min->known || v < min->v) *min = (struct signal_value){ .known = true, .v = v };
}

static uint64_t now_us(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Opening only connects and queues the greeting.  The library would wait for its answer for longer than we may. */
static sd_bus *bus_of(sd_bus **bus, int (*open)(sd_bus **)) {
    uint64_t end = now_us(CLOCK_MONOTONIC) + SENSORS_CALL_MS * 1000u, now = 0;
    if (*bus && sd_bus_is_open(*bus) <= 0) hang_up(bus);
    if (*bus == NULL && open(bus) < 0) *bus = NULL;
    if (*bus && sd_bus_set_method_call_timeout(*bus, SENSORS_CALL_MS * 1000u) < 0) hang_up(bus);
    while (*bus && sd_bus_is_ready(*bus) == 0 && (now = now_us(CLOCK_MONOTONIC)) < end) {
        int rc = sd_bus_process(*bus, NULL);
        if (rc == 0) rc = sd_bus_wait(*bus, end - now);
        if (rc < 0 && rc != -EINTR) hang_up(bus);
    }
    if (*bus && sd_bus_is_ready(*bus) <= 0) hang_up(bus);
    return *bus;
}

/* What nobody asked for, such as the name that the bus gave us, must not pile up. */
static void drain(sd_bus *bus) {
    for (unsigned i = 0; bus && i < 64 && sd_bus_process(bus, NULL) > 0; i++) continue;
}

/* IdleHint says whether the session called itself idle; since when, by a clock that no step changes.  A session that is not idle was
 * in use just now, as far as logind knows. */
static void ask_logind(struct sensors_dbus_link *l, struct sensors_dbus *ret) {
    static const struct service manager = { "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager" };
    static const struct service session = { "org.freedesktop.login1", "/org/freedesktop/login1/session/auto",
                                            "org.freedesktop.login1.Session" };
    int idle = 0, locked = 0;
    uint64_t since = 0, now = now_us(CLOCK_MONOTONIC);
    if (property(&l->system, &manager, "IdleHint", 'b', &idle)) {
        if (!idle)
            least(&ret->idle_ms, 0);
        else if (property(&l->system, &manager, "IdleSinceHintMonotonic", 't', &since) && since <= now)
            least(&ret->idle_ms, (now - since) / 1000);
    }
    if (property(&l->system, &session, "LockedHint", 'b', &locked)) ret->locked = (struct signal_value){ .known = true, .v = locked != 0 };
}

static void ask_network(struct sensors_dbus_link *l, struct sensors_dbus *ret) {
    static const struct service manager = { "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager",
                                            "org.freedesktop.NetworkManager" };
    uint32_t m = 0;
    if (!property(&l->system, &manager, "Metered", 'u', &m)) return;
    if (m == 1 || m == 3) ret->metered = (struct signal_value){ .known = true, .v = 1 }; /* yes; guessed yes */
    if (m == 2 || m == 4) ret->metered = (struct signal_value){ .known = true, .v = 0 }; /* no; guessed no */
}

static void ask_desktop(struct sensors_dbus_link *l, struct sensors_dbus *ret) {
    static const struct service mutter = { "org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core",
                                           "org.gnome.Mutter.IdleMonitor" };
    static const struct service saver = { "org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver" };
    uint64_t ms = 0;
    uint32_t saver_ms = 0;
    if (ask(&l->user, &mutter, "GetIdletime", "t", &ms)) least(&ret->idle_ms, ms);
    if (ask(&l->user, &saver, "GetSessionIdleTime", "u", &saver_ms)) least(&ret->idle_ms, saver_ms);
}

void sensors_dbus_read(struct sensors_dbus_link *l, const atomic_bool *stop, struct sensors_dbus *ret) {
    *ret = (struct sensors_dbus){ 0 };
    if (bus_of(&l->system, sd_bus_open_system)) {
        ask_logind(l, ret);
        if (stop && atomic_load(stop)) return;
        ask_network(l, ret);
        drain(l->system);
    }
    if (stop && atomic_load(stop)) return;
    if (bus_of(&l->user, sd_bus_open_user)) {
        ask_desktop(l, ret);
        drain(l->user);
    }
}
