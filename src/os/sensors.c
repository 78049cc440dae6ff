/* The two threads that read: one looks at files, ten times a second, the other asks services, which may hang. */
#include "os/sensors.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct sensors {
    struct sensors_files *files;
    struct sensors_dbus_link *link;
    atomic_bool stop;
    int wake, quit; /* eventfds: a reading waits; the threads are to end */
    bool no_dbus, has_files, has_dbus;
    pthread_t files_thread, dbus_thread;
    pthread_mutex_t lock; /* of what follows */
    struct machine_reading reading;
    bool ready;
    struct sensors_dbus dbus;
    uint64_t dbus_at_ms; /* 0: no answer yet */
};

static uint64_t mono_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* stands still while the machine sleeps: whoever wakes it is not idle for hours */
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* Sleeps until then, or until the end; true: go on. */
static bool rest(struct sensors *s, uint64_t until_ms) {
    uint64_t now = mono_ms();
    struct pollfd p = { .fd = s->quit, .events = POLLIN };
    if (until_ms > now) (void)poll(&p, 1, (int)(until_ms - now));
    return !atomic_load(&s->stop);
}

struct watch { /* what the thread of files knows */
    struct machine_reading slow;
    struct signal_value heat;
    struct sensors_input input;
    uint64_t input_ms, slow_ms, heat_ms;
    int64_t told_heat;
};

static void publish(struct sensors *s, const struct watch *w, uint64_t now) {
    struct machine_reading r = w->slow;
    r.signal[SIGNAL_TEMPERATURE] = w->heat;
    pthread_mutex_lock(&s->lock);
    struct signal_value files = { .known = w->input.known, .v = (int64_t)(now - w->input_ms) }, idle = files;
    if (s->dbus_at_ms != 0) {
        struct signal_value d = s->dbus.idle_ms;
        d.v += (int64_t)(now - s->dbus_at_ms);
        if (d.known) idle = (struct signal_value){ .known = true, .v = d.v < files.v ? d.v : files.v };
        if (s->dbus.metered.known) r.signal[SIGNAL_METERED] = s->dbus.metered;
        r.signal[SIGNAL_LOCKED] = s->dbus.locked;
    }
    r.signal[SIGNAL_IDLE] = idle;
    s->reading = r;
    s->ready = true;
    pthread_mutex_unlock(&s->lock);
    uint64_t one = 1;
    ssize_t n = write(s->wake, &one, sizeof one);
    (void)n; /* full means that a reading waits already */
}

static void *watch_files(void *arg) {
    struct sensors *s = arg;
    struct watch w = { .input_ms = mono_ms() };
    for (uint64_t next = mono_ms(); rest(s, next);) {
        uint64_t now = mono_ms();
        next = now + SENSORS_INPUT_MS;
        w.input = sensors_input(s->files);
        bool tell = w.input.seen;
        if (w.input.seen) w.input_ms = now;
        if (now >= w.heat_ms) {
            w.heat = sensors_temperature(s->files);
            w.heat_ms = now + SENSORS_HEAT_MS;
            int64_t moved = w.heat.known ? w.heat.v - w.told_heat : 0;
            if (moved >= 1000 || moved <= -1000) tell = true;
        }
        if (now >= w.slow_ms) {
            sensors_files_read(s->files, &w.slow);
            w.slow_ms = now + SENSORS_SLOW_MS;
            tell = true;
        }
        if (!tell) continue;
        if (w.heat.known) w.told_heat = w.heat.v;
        publish(s, &w, mono_ms());
    }
    return NULL;
}

static void *watch_dbus(void *arg) {
    struct sensors *s = arg;
    for (uint64_t next = mono_ms(); rest(s, next);) {
        struct sensors_dbus d;
        next = mono_ms() + SENSORS_DBUS_MS;
        sensors_dbus_read(s->link, &s->stop, &d);
        pthread_mutex_lock(&s->lock);
        s->dbus = d;
        s->dbus_at_ms = mono_ms();
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

static bool thread(pthread_t *ret, void *(*run)(void *), struct sensors *s) {
    sigset_t all, before; /* signals are the loop's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(ret, NULL, run, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

enum vl_err sensors_start(const struct sensors_config *cfg, struct sensors **ret) {
    struct sensors *s = calloc(1, sizeof *s);
    if (s == NULL) return VL_ENOMEM;
    s->no_dbus = cfg->no_dbus;
    pthread_mutex_init(&s->lock, NULL);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum vl_err err = s->wake >= 0 && s->quit >= 0 ? sensors_files_create(cfg, &s->files) : VL_EIO;
    if (err == VL_OK && !s->no_dbus && (s->link = sensors_dbus_create()) == NULL) err = VL_ENOMEM;
    if (err == VL_OK && !(s->has_files = thread(&s->files_thread, watch_files, s))) err = VL_EIO;
    if (err == VL_OK && !s->no_dbus && !(s->has_dbus = thread(&s->dbus_thread, watch_dbus, s))) err = VL_EIO;
    if (err) {
        sensors_stop(s);
        return err;
    }
    *ret = s;
    return VL_OK;
}

void sensors_stop(struct sensors *s) {
    if (s == NULL) return;
    uint64_t one = 1;
    atomic_store(&s->stop, true);
    if (s->quit >= 0 && write(s->quit, &one, sizeof one) < 0) atomic_store(&s->stop, true);
    if (s->has_files) pthread_join(s->files_thread, NULL);
    if (s->has_dbus) pthread_join(s->dbus_thread, NULL);
    sensors_files_destroy(s->files);
    sensors_dbus_destroy(s->link);
    if (s->wake >= 0) close(s->wake);
    if (s->quit >= 0) close(s->quit);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int sensors_fd(const struct sensors *s) { return s->wake; }

bool sensors_take(struct sensors *s, struct machine_reading *ret) {
    uint64_t n = 0;
    ssize_t got = read(s->wake, &n, sizeof n);
    (void)got; /* EAGAIN: nothing new; the newest is handed out all the same */
    pthread_mutex_lock(&s->lock);
    bool ready = s->ready;
    if (ready) *ret = s->reading;
    pthread_mutex_unlock(&s->lock);
    return ready;
}
