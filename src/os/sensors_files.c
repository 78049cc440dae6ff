/* Signals that are files: sysfs, procfs and devices below a root. */
#include "os/sensors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#define PATH_BYTES 512u
#define SMALL 256u            /* of a file that holds one value */
#define ENTRIES_MAX 256u      /* of one directory: a machine with more of a kind is no machine */
#define DEVICES_MAX 32u
#define TEMPERATURE_MAX 150000 /* a sensor that says more, or nothing above 0, is broken */

struct device { /* an event device; its bytes are thrown away, that there were any is all we want */
    int fd;
    char name[32];
};
struct sensors_files {
    char root[SENSORS_ROOT_MAX], own_proc[SENSORS_ROOT_MAX];
    pid_t own_pid;
    struct device devices[DEVICES_MAX];
    uint64_t events;      /* interrupts of input controllers and requests of USB input devices */
    int64_t terminal_s;   /* newest use of a terminal */
    bool events_known, terminal_known;
    uint64_t busy, total, own_ms; /* of the processors, at the last look */
    bool load_known;
};

/* ---- small files, strictly ----------------------------------------------------------------------------------------- */

static bool join(char path[PATH_BYTES], const char *a, const char *b, const char *c, const char *d) {
    return (size_t)snprintf(path, PATH_BYTES, "%s%s%s%s", a, b, c, d) < PATH_BYTES;
}

/* At most cap - 1 bytes; false: cannot be read, or holds a NUL.  Never blocks: a FIFO in place of a file is no reading. */
static bool slurp(const char *path, char *buf, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return false;
    size_t n = 0;
    for (ssize_t got; n < cap - 1 && (got = read(fd, buf + n, cap - 1 - n)) > 0;) n += (size_t)got;
    close(fd);
    buf[n] = '\0';
    return n > 0 && memchr(buf, '\0', n) == NULL;
}

static bool word(const char *path, char ret[SMALL]) {
    if (!slurp(path, ret, SMALL)) return false;
    size_t n = strcspn(ret, "\n");
    if (ret[n] == '\n' && ret[n + 1] != '\0') return false; /* more than one line */
    ret[n] = '\0';
    return n > 0 && n < SMALL - 2;
}

static bool decimal(const char *text, int64_t *ret) {
    char *end = NULL;
    if (text[0] != '-' && (text[0] < '0' || text[0] > '9')) return false;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || *end != '\0' || end == text) return false;
    *ret = v;
    return true;
}

static bool number(const char *dir, const char *name, const char *file, int64_t least, int64_t most, int64_t *ret) {
    char path[PATH_BYTES], text[SMALL];
    int64_t v = 0;
    if (!join(path, dir, name, "/", file) || !word(path, text) || !decimal(text, &v) || v < least || v > most) return false;
    *ret = v;
    return true;
}

static bool is(const char *dir, const char *name, const char *file, const char *want) {
    char path[PATH_BYTES], text[SMALL];
    return join(path, dir, name, "/", file) && word(path, text) && strcmp(text, want) == 0;
}

/* Calls `each` for every entry of root + at; false: the directory cannot be read. */
typedef void (*entry_fn)(void *arg, const char *dir, const char *name);
static bool entries(const struct sensors_files *f, const char *at, entry_fn each, void *arg) {
    char dir[PATH_BYTES];
    if (!join(dir, f->root, at, "/", "")) return false;
    DIR *d = opendir(dir);
    if (d == NULL) return false;
    unsigned n = 0;
    for (struct dirent *e; n < ENTRIES_MAX && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') {
            each(arg, dir, e->d_name);
            n++;
        }
    closedir(d);
    return true;
}

/* ---- power ---------------------------------------------------------------------------------------------------------- */

struct power {
    bool battery, battery_known, mains, mains_known, online, discharging;
    int64_t least;
};

static void supply(void *arg, const char *dir, const char *name) {
    struct power *p = arg;
    int64_t v = 0;
    if (is(dir, name, "scope", "Device")) return; /* of a mouse or a headset */
    if (is(dir, name, "type", "Battery")) {
        if (is(dir, name, "present", "0")) return; /* an empty bay */
        p->battery = true;
        p->discharging = p->discharging || is(dir, name, "status", "Discharging");
        if (!number(dir, name, "capacity", 0, 100, &v)) return;
        if (!p->battery_known || v < p->least) p->least = v;
        p->battery_known = true;
    } else if (is(dir, name, "type", "Mains") || is(dir, name, "type", "USB") || is(dir, name, "type", "USB_C")) {
        if (!number(dir, name, "online", 0, 2, &v)) return;
        p->mains_known = true;
        p->online = p->online || v > 0;
    }
}

static void read_power(struct sensors_files *f, struct machine_reading *r) {
    struct power p = { 0 };
    if (!entries(f, "/sys/class/power_supply", supply, &p)) return;
    struct signal_value *battery = &r->signal[SIGNAL_BATTERY], *ac = &r->signal[SIGNAL_AC];
    if (!p.battery) { /* a desktop or a server: it runs, so it has power */
        *battery = (struct signal_value){ .known = true, .v = -1 };
        *ac = (struct signal_value){ .known = true, .v = 1 };
        return;
    }
    *battery = (struct signal_value){ .known = p.battery_known, .v = p.battery_known ? p.least : 0 };
    *ac = (struct signal_value){ .known = p.mains_known, .v = p.online && !p.discharging };
}

/* ---- temperature ---------------------------------------------------------------------------------------------------- */

static void hotter(struct signal_value *max, int64_t milli) {
    if (milli <= 0 || milli > TEMPERATURE_MAX) return;
    if (!max->known || milli > max->v) *max = (struct signal_value){ .known = true, .v = milli };
}

struct zones {
    struct signal_value known, any; /* of a type that we know to matter; of all */
};

/* Chipsets and radios have zones, too, that are warm without harm: what names itself processor, battery or skin goes before them. */
static void zone(void *arg, const char *dir, const char *name) {
    static const char *const types[] = { "cpu", "pkg", "core", "soc", "acpitz", "cluster", "battery", "skin" };
    struct zones *z = arg;
    char path[PATH_BYTES], type[SMALL] = "";
    int64_t v = 0;
    if (strncmp(name, "thermal_zone", 12) != 0 || !number(dir, name, "temp", INT32_MIN, INT32_MAX, &v)) return;
    hotter(&z->any, v);
    if (!join(path, dir, name, "/type", "") || !word(path, type)) return;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcasestr(type, types[i]) != NULL) {
            hotter(&z->known, v);
            return;
        }
}

static void hwmon(void *arg, const char *dir, const char *name) {
    static const char *const cpus[] = { "coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz", "soc_thermal" };
    bool cpu = false; /* others measure disks, graphics and radios, which may be hot without harm */
    for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++) cpu = cpu || is(dir, name, "name", cpus[i]);
    for (unsigned i = 1; cpu && i <= 16; i++) {
        char file[32];
        int64_t v = 0;
        snprintf(file, sizeof file, "temp%u_input", i);
        if (number(dir, name, file, INT32_MIN, INT32_MAX, &v)) hotter(arg, v);
    }
}

static void battery_heat(void *arg, const char *dir, const char *name) {
    int64_t tenths = 0;
    if (is(dir, name, "scope", "Device") || !is(dir, name, "type", "Battery")) return;
    if (number(dir, name, "temp", INT16_MIN, INT16_MAX, &tenths)) hotter(arg, tenths * 100);
}

struct signal_value sensors_temperature(struct sensors_files *f) {
    struct zones z = { 0 };
    struct signal_value max = { 0 };
    entries(f, "/sys/class/hwmon", hwmon, &max);
    entries(f, "/sys/class/thermal", zone, &z);
    if (z.known.known)
        hotter(&max, z.known.v);
    else if (!max.known)
        max = z.any;
    struct signal_value machine = max;
    entries(f, "/sys/class/power_supply", battery_heat, &max);
    return machine.known ? max : machine; /* a battery alone does not tell how hot the processor is */
}

/* ---- load ----------------------------------------------------------------------------------------------------------- */

/* Ticks of a process: its own and those of the children it waited for. */
static bool process_ticks(const char *proc, long pid, uint64_t *ret) {
    char path[PATH_BYTES], text[1024], id[24];
    unsigned long u = 0, s = 0;
    long cu = 0, cs = 0;
    snprintf(id, sizeof id, "/%ld", pid);
    if (!join(path, proc, id, "/stat", "") || !slurp(path, text, sizeof text)) return false;
    const char *rest = strrchr(text, ')'); /* the name may hold anything */
    if (rest == NULL || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &u, &s, &cu, &cs) != 4)
        return false;
    *ret = (uint64_t)u + s + (cu > 0 ? (uint64_t)cu : 0) + (cs > 0 ? (uint64_t)cs : 0);
    return true;
}

#define TREE_MAX 1024u
static uint32_t children_of(const char *proc, long pid, long *list, uint32_t n) {
    char dir[PATH_BYTES], path[PATH_BYTES + 300], text[16384];
    snprintf(dir, sizeof dir, "%.200s/%ld/task", proc, pid);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s/children", dir, e->d_name);
        if (!slurp(path, text, sizeof text)) continue;
        for (char *p = text, *end; n < TREE_MAX; p = end) {
            long child = strtol(p, &end, 10);
            if (end == p) break;
            if (child > 0) list[n++] = child;
        }
    }
    if (d) closedir(d);
    return n;
}

uint64_t sensors_tree_cpu_ms(const char *proc, pid_t pid) {
    long list[TREE_MAX];
    uint32_t n = 1;
    uint64_t sum = 0, v = 0;
    list[0] = pid;
    for (uint32_t i = 0; i < n; i++) {
        if (process_ticks(proc, list[i], &v)) sum += v;
        n = children_of(proc, list[i], list, n);
    }
    return sum * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* Sum of all processors: busy and all ticks; guest time is in user time already. */
static bool processor_ticks(const struct sensors_files *f, uint64_t *ret_busy, uint64_t *ret_total) {
    char path[PATH_BYTES], text[1024];
    unsigned long long v[8] = { 0 };
    if (!join(path, f->root, "/proc/stat", "", "") || !slurp(path, text, sizeof text)) return false;
    int n = sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
    if (n < 4) return false;
    uint64_t idle = v[3] + v[4], all = 0;
    for (int i = 0; i < 8; i++) {
        if (v[i] > UINT64_MAX / 16) return false;
        all += v[i];
    }
    *ret_busy = all - idle;
    *ret_total = all;
    return true;
}

static void read_load(struct sensors_files *f, struct machine_reading *r) {
    uint64_t busy = 0, total = 0, own = sensors_tree_cpu_ms(f->own_proc, f->own_pid);
    bool known = processor_ticks(f, &busy, &total);
    if (known && f->load_known && total > f->total && busy >= f->busy) {
        uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK), all = (total - f->total) * tick_ms,
                 used = (busy - f->busy) * tick_ms, ours = own > f->own_ms ? own - f->own_ms : 0;
        uint64_t others = used > ours ? used - ours : 0;
        r->signal[SIGNAL_LOAD] = (struct signal_value){ .known = true, .v = (int64_t)(others >= all ? 1000 : others * 1000 / all) };
    }
    f->load_known = known;
    f->busy = busy;
    f->total = total;
    f->own_ms = own;
}

/* "full avg10=1.23 ...": share of the last ten seconds in which nothing could run for want of memory. */
static void read_pressure(struct sensors_files *f, struct machine_reading *r) {
    char path[PATH_BYTES], text[SMALL * 2];
    unsigned whole = 0, hundredths = 0;
    if (!join(path, f->root, "/proc/pressure/memory", "", "") || !slurp(path, text, sizeof text)) return;
    const char *full = strstr(text, "full avg10=");
    if (full == NULL || sscanf(full, "full avg10=%3u.%2u", &whole, &hundredths) != 2 || whole > 100) return;
    r->signal[SIGNAL_PRESSURE] = (struct signal_value){ .known = true, .v = (int64_t)(whole * 10 + hundredths / 10) };
}

/* ---- screen and network --------------------------------------------------------------------------------------------- */

struct screen {
    bool lit, unknown;
};
struct screens {
    struct screen panel, other; /* built in, and not */
    bool dark;                  /* a backlight is off */
};

static void connector(void *arg, const char *dir, const char *name) {
    struct screens *all = arg;
    if (strchr(name, '-') == NULL) return; /* a card, no connector */
    struct screen *s = strstr(name, "-eDP-") || strstr(name, "-LVDS-") || strstr(name, "-DSI-") ? &all->panel : &all->other;
    if (is(dir, name, "status", "disconnected")) return;
    if (is(dir, name, "dpms", "Off") || is(dir, name, "enabled", "disabled")) return;
    if (is(dir, name, "dpms", "On") || is(dir, name, "dpms", "Standby") || is(dir, name, "dpms", "Suspend"))
        s->lit = true;
    else
        s->unknown = true;
}

static void backlight(void *arg, const char *dir, const char *name) {
    int64_t power = 0;
    if (number(dir, name, "bl_power", 0, 4, &power) && power == 4) ((struct screens *)arg)->dark = true; /* FB_BLANK_POWERDOWN */
}

static void read_screen(struct sensors_files *f, struct machine_reading *r) {
    struct screens s = { .dark = false };
    char path[PATH_BYTES];
    bool drm = entries(f, "/sys/class/drm", connector, &s);
    /* no class drm in a kernel that has sysfs at all: no graphics, so nothing is lit */
    if (!drm && (!join(path, f->root, "/sys/class", "", "") || access(path, R_OK) != 0)) return;
    entries(f, "/sys/class/backlight", backlight, &s);
    if (s.dark) s.panel = (struct screen){ .lit = false }; /* whatever its connector says; another screen may still be lit */
    bool lit = s.panel.lit || s.other.lit;
    if (!lit && (s.panel.unknown || s.other.unknown)) return;
    r->signal[SIGNAL_SCREEN] = (struct signal_value){ .known = true, .v = lit };
}

struct routes {
    char name[32];
    bool any, wireless_wan, other;
};

/* Without a service that knows the price: who uses a modem pays by volume, a cable does not; a radio may be a telephone's. */
static void read_network(struct sensors_files *f, struct machine_reading *r) {
    char path[PATH_BYTES], text[8192], *line = NULL;
    struct routes n = { 0 };
    if (!join(path, f->root, "/proc/net/route", "", "") || !slurp(path, text, sizeof text)) return;
    line = strchr(text, '\n');
    while (line != NULL && line[1] != '\0') {
        char target[16];
        line++;
        if (sscanf(line, "%31s %15s", n.name, target) == 2 && strcmp(target, "00000000") == 0) {
            n.any = true;
            n.wireless_wan = n.wireless_wan || strncmp(n.name, "ww", 2) == 0 || strncmp(n.name, "ppp", 3) == 0;
            n.other = n.other || (strncmp(n.name, "en", 2) != 0 && strncmp(n.name, "eth", 3) != 0);
        }
        line = strchr(line, '\n');
    }
    if (n.any && (n.wireless_wan || !n.other))
        r->signal[SIGNAL_METERED] = (struct signal_value){ .known = true, .v = n.wireless_wan };
}

void sensors_files_read(struct sensors_files *f, struct machine_reading *ret) {
    *ret = (struct machine_reading){ 0 };
    read_power(f, ret);
    read_load(f, ret);
    read_pressure(f, ret);
    read_screen(f, ret);
    read_network(f, ret);
}

/* ---- input ---------------------------------------------------------------------------------------------------------- */

struct looking {
    struct sensors_files *f;
    bool known, seen;
    uint64_t events;
    bool events_known;
};

static void event_device(void *arg, const char *dir, const char *name) {
    struct looking *l = arg;
    char path[PATH_BYTES];
    uint8_t bytes[4096];
    struct device *free_slot = NULL, *mine = NULL;
    if (strncmp(name, "event", 5) != 0 || strlen(name) >= sizeof mine->name) return;
    for (unsigned i = 0; i < DEVICES_MAX; i++) {
        struct device *d = &l->f->devices[i];
        if (d->fd < 0 && free_slot == NULL) free_slot = d;
        if (d->fd >= 0 && strcmp(d->name, name) == 0) mine = d;
    }
    if (mine == NULL && free_slot != NULL && join(path, dir, name, "", "")) {
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        struct stat st;
        if (fd >= 0 && (fstat(fd, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
            close(fd);
            fd = -1;
        }
        if (fd < 0) return;
        mine = free_slot;
        mine->fd = fd;
        memcpy(mine->name, name, strlen(name) + 1);
    }
    if (mine == NULL) return;
    l->known = true;
    ssize_t n = 0;
    for (unsigned i = 0; i < 64 && (n = read(mine->fd, bytes, sizeof bytes)) > 0; i++) l->seen = true;
    if (n < 0 && errno == ENODEV) { /* pulled out */
        close(mine->fd);
        mine->fd = -1;
    }
}

/* Sum of the counters of one line of /proc/interrupts. */
static uint64_t interrupts_of(const char *line, const char *end) {
    uint64_t sum = 0;
    const char *p = memchr(line, ':', (size_t)(end - line));
    if (p == NULL) return 0;
    for (p++; p < end;) {
        while (p < end && *p == ' ') p++;
        if (p >= end || *p < '0' || *p > '9') break;
        uint64_t v = 0;
        for (; p < end && *p >= '0' && *p <= '9'; p++) v = v * 10 + (uint64_t)(*p - '0');
        sum += v;
    }
    return sum;
}

/* Controllers that only people make busy.  Those of USB carry disks and networks, too; see usb_device(). */
static void interrupts(struct looking *l) {
    static const char *const names[] = { "i8042", "i2c_hid", "i2c-hid", "ELAN", "SYNA", "touch", "keyboard", "gpio-keys" };
    char path[PATH_BYTES];
    char *text = malloc(65536);
    if (text == NULL || !join(path, l->f->root, "/proc/interrupts", "", "") || !slurp(path, text, 65536)) {
        free(text);
        return;
    }
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        char *end = next ? next : line + strlen(line);
        if (next) *next++ = '\0';
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strcasestr(line, names[i]) != NULL) {
                l->events += interrupts_of(line, end);
                l->events_known = true;
                break;
            }
    }
    free(text);
}

/* An interface of class 3 is a keyboard, mouse or the like; its device counts the requests that were answered, which is one for each
 * report: readable by everybody, unlike /dev/input. */
static void usb_interface(void *arg, const char *dir, const char *name) {
    struct looking *l = arg;
    char device[64];
    int64_t requests = 0;
    const char *colon = strchr(name, ':');
    if (colon == NULL || (size_t)(colon - name) >= sizeof device || !is(dir, name, "bInterfaceClass", "03")) return;
    memcpy(device, name, (size_t)(colon - name));
    device[colon - name] = '\0';
    if (!number(dir, device, "urbnum", 0, INT64_MAX, &requests)) return;
    l->events += (uint64_t)requests;
    l->events_known = true;
}

/* Reading from a terminal is use; the kernel rounds these times to 8 s. */
static void terminal(void *arg, const char *dir, const char *name) {
    char path[PATH_BYTES];
    struct stat st;
    int64_t *newest = arg;
    if (name[0] < '0' || name[0] > '9') /* pts/N, or ttyN */
        if (strncmp(name, "tty", 3) != 0 || name[3] < '1' || name[3] > '9') return;
    if (join(path, dir, name, "", "") && stat(path, &st) == 0 && st.st_atim.tv_sec > *newest) *newest = st.st_atim.tv_sec;
}

/* Who logs in uses the machine. */
static void logins(const struct sensors_files *f, int64_t *newest) {
    char path[PATH_BYTES];
    struct utmp u;
    if (!join(path, f->root, "/run/utmp", "", "")) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    for (unsigned i = 0; fd >= 0 && i < ENTRIES_MAX && read(fd, &u, sizeof u) == (ssize_t)sizeof u; i++)
        if (u.ut_type == USER_PROCESS && (int64_t)u.ut_tv.tv_sec > *newest) *newest = u.ut_tv.tv_sec;
    if (fd >= 0) close(fd);
}

struct sensors_input sensors_input(struct sensors_files *f) {
    struct looking l = { .f = f };
    int64_t newest = 0;
    entries(f, "/dev/input", event_device, &l);
    interrupts(&l);
    entries(f, "/sys/bus/usb/devices", usb_interface, &l);
    entries(f, "/dev", terminal, &newest);
    entries(f, "/dev/pts", terminal, &newest);
    logins(f, &newest);
    if (l.events_known && f->events_known && l.events != f->events) l.seen = true;
    if (newest > 0 && f->terminal_known && newest > f->terminal_s) l.seen = true;
    f->events = l.events;
    f->events_known = l.events_known;
    f->terminal_known = true;
    if (newest > f->terminal_s) f->terminal_s = newest;
    return (struct sensors_input){ .known = l.known || l.events_known, .seen = l.seen };
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

enum vl_err sensors_files_create(const struct sensors_config *cfg, struct sensors_files **ret) {
    const char *own = cfg->own_proc ? cfg->own_proc : "/proc";
    if (strlen(cfg->root) >= SENSORS_ROOT_MAX || strlen(own) >= SENSORS_ROOT_MAX) return VL_ERANGE;
    struct sensors_files *f = calloc(1, sizeof *f);
    if (f == NULL) return VL_ENOMEM;
    snprintf(f->root, sizeof f->root, "%s", cfg->root);
    snprintf(f->own_proc, sizeof f->own_proc, "%s", own);
    f->own_pid = cfg->own_pid ? cfg->own_pid : getpid();
    for (unsigned i = 0; i < DEVICES_MAX; i++) f->devices[i].fd = -1;
    *ret = f;
    return VL_OK;
}

void sensors_files_destroy(struct sensors_files *f) {
    if (f == NULL) return;
    for (unsigned i = 0; i < DEVICES_MAX; i++)
        if (f->devices[i].fd >= 0) close(f->devices[i].fd);
    free(f);
}
