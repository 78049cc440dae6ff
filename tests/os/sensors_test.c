#include "os/sensors.h"

#include "check.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

/* ---- a machine made of files ---- */

struct tree {
    char root[64];
};
static struct tree tree(void) {
    struct tree t = { "/tmp/village-sensors-XXXXXX" };
    CHECK(mkdtemp(t.root) != NULL);
    return t;
}
static int wipe(const char *p, const struct stat *st, int flag, struct FTW *w) {
    (void)st;
    (void)flag;
    (void)w;
    return remove(p);
}
static void drop(struct tree *t) { nftw(t->root, wipe, 16, FTW_DEPTH | FTW_PHYS); }

static void path_of(const struct tree *t, const char *at, char ret[512]) {
    snprintf(ret, 512, "%s%s", t->root, at);
    for (char *p = ret + strlen(t->root) + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(ret, 0755);
            *p = '/';
        }
}
static void put_n(const struct tree *t, const char *at, const void *p, size_t n) {
    char path[512];
    path_of(t, at, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    CHECK(write(fd, p, n) == (ssize_t)n);
    close(fd);
}
static void put(const struct tree *t, const char *at, const char *text) { put_n(t, at, text, strlen(text)); }
static void folder(const struct tree *t, const char *at) {
    char path[512], with[512];
    snprintf(with, sizeof with, "%s/x", at);
    path_of(t, with, path);
}

static struct sensors_files *files(const struct tree *t) {
    struct sensors_files *f = NULL;
    char proc[128];
    snprintf(proc, sizeof proc, "%s/proc", t->root);
    CHECK_OK(sensors_files_create(&(struct sensors_config){ .root = t->root, .own_proc = proc, .own_pid = 100 }, &f));
    return f;
}
static struct machine_reading reading(const struct tree *t) {
    struct machine_reading r;
    struct sensors_files *f = files(t);
    sensors_files_read(f, &r);
    r.signal[SIGNAL_TEMPERATURE] = sensors_temperature(f);
    sensors_files_destroy(f);
    return r;
}
#define KNOWN(r, s, want)                                                                                              \
    do {                                                                                                               \
        CHECK((r).signal[s].known);                                                                                    \
        CHECK_EQ(want, (r).signal[s].v);                                                                               \
    } while (0)
#define UNKNOWN(r, s) CHECK(!(r).signal[s].known)

TEST(sensors, know_nothing_of_a_machine_without_files) {
    struct tree t = tree();
    struct machine_reading r = reading(&t);
    for (unsigned i = 0; i < SIGNALS; i++) CHECK(!r.signal[i].known);
    struct sensors_files *f = files(&t);
    CHECK(!sensors_input(f).known);
    sensors_files_destroy(f);
    drop(&t);
}

TEST(sensors, see_that_a_machine_has_no_battery) {
    struct tree t = tree();
    folder(&t, "/sys/class/power_supply");
    struct machine_reading r = reading(&t);
    KNOWN(r, SIGNAL_BATTERY, -1);
    KNOWN(r, SIGNAL_AC, 1);
    drop(&t);
}

#define BAT "/sys/class/power_supply/BAT0/"
static void laptop(const struct tree *t, const char *capacity, const char *online) {
    put(t, BAT "type", "Battery\n");
    put(t, BAT "status", online[0] == '1' ? "Charging\n" : "Discharging\n");
    put(t, BAT "capacity", capacity);
    put(t, "/sys/class/power_supply/AC/type", "Mains\n");
    put(t, "/sys/class/power_supply/AC/online", online);
    put(t, "/sys/class/power_supply/mouse/type", "Battery\n");
    put(t, "/sys/class/power_supply/mouse/scope", "Device\n");
    put(t, "/sys/class/power_supply/mouse/capacity", "3\n");
}

TEST(sensors, read_the_emptiest_battery_of_the_machine_and_none_of_a_mouse) {
    struct tree t = tree();
    laptop(&t, "73\n", "1\n");
    put(&t, "/sys/class/power_supply/BAT1/type", "Battery");
    put(&t, "/sys/class/power_supply/BAT1/capacity", "41");
    struct machine_reading r = reading(&t);
    KNOWN(r, SIGNAL_BATTERY, 41);
    KNOWN(r, SIGNAL_AC, 1);
    laptop(&t, "73\n", "0\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_AC, 0);
    drop(&t);
}

TEST(sensors, take_absurd_contents_for_unknown) {
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = { { "", 0 }, { "\n", 1 }, { "-5\n", 3 }, { "101\n", 4 }, { "9999999999999999999999\n", 23 }, { "50\0", 3 }, { "\0" "50", 3 },
                { "50 %\n", 5 }, { "0x32\n", 5 }, { " 50\n", 4 }, { "50\n60\n", 6 }, { "full\n", 5 }, { "5e1\n", 4 } };
    char huge[5000];
    memset(huge, '7', sizeof huge);
    struct tree t = tree();
    laptop(&t, "50", "0"); /* no newline: fine */
    struct machine_reading r = reading(&t);
    KNOWN(r, SIGNAL_BATTERY, 50);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_n(&t, BAT "capacity", bad[i].bytes, bad[i].n);
        r = reading(&t);
        UNKNOWN(r, SIGNAL_BATTERY);
    }
    put_n(&t, BAT "capacity", huge, sizeof huge);
    r = reading(&t);
    UNKNOWN(r, SIGNAL_BATTERY);
    drop(&t);
}

TEST(sensors, do_not_wait_for_a_pipe_or_follow_a_folder_in_place_of_a_file) {
    struct tree t = tree();
    char path[512];
    put(&t, BAT "type", "Battery\n");
    path_of(&t, BAT "capacity", path);
    CHECK_OK(mkfifo(path, 0644));
    folder(&t, "/proc/stat");
    struct machine_reading r = reading(&t);
    UNKNOWN(r, SIGNAL_BATTERY);
    UNKNOWN(r, SIGNAL_LOAD);
    drop(&t);
}

TEST(sensors, take_the_hottest_zone_and_believe_nothing_below_0_or_above_150_degrees) {
    struct tree t = tree();
    put(&t, "/sys/class/thermal/thermal_zone0/temp", "41000\n");
    put(&t, "/sys/class/thermal/thermal_zone1/temp", "-40000\n");
    put(&t, "/sys/class/thermal/thermal_zone2/temp", "150001\n");
    put(&t, "/sys/class/thermal/cooling_device0/temp", "99000\n");
    struct machine_reading r = reading(&t);
    KNOWN(r, SIGNAL_TEMPERATURE, 41000);
    put(&t, "/sys/class/hwmon/hwmon0/name", "coretemp\n");
    put(&t, "/sys/class/hwmon/hwmon0/temp3_input", "52000\n");
    put(&t, "/sys/class/hwmon/hwmon1/name", "nvme\n");
    put(&t, "/sys/class/hwmon/hwmon1/temp1_input", "80000\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_TEMPERATURE, 52000);
    put(&t, BAT "type", "Battery\n");
    put(&t, BAT "temp", "531\n"); /* tenths */
    r = reading(&t);
    KNOWN(r, SIGNAL_TEMPERATURE, 53100);
    drop(&t);
}

TEST(sensors, let_zones_that_name_themselves_processor_or_skin_go_before_chipsets_and_radios) {
    struct tree t = tree();
    put(&t, "/sys/class/thermal/thermal_zone0/type", "pch_cannonlake\n");
    put(&t, "/sys/class/thermal/thermal_zone0/temp", "71000\n");
    struct machine_reading r = reading(&t);
    KNOWN(r, SIGNAL_TEMPERATURE, 71000); /* better than nothing */
    put(&t, "/sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
    put(&t, "/sys/class/thermal/thermal_zone1/temp", "43000\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_TEMPERATURE, 43000);
    put(&t, "/sys/class/thermal/thermal_zone2/type", "Skin-therm\n");
    put(&t, "/sys/class/thermal/thermal_zone2/temp", "44000\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_TEMPERATURE, 44000);
    drop(&t);
}

TEST(sensors, do_not_take_a_battery_for_the_heat_of_the_processor) {
    struct tree t = tree();
    put(&t, BAT "type", "Battery\n");
    put(&t, BAT "temp", "250\n");
    put(&t, "/sys/class/thermal/thermal_zone0/temp", "0\n");
    struct machine_reading r = reading(&t);
    UNKNOWN(r, SIGNAL_TEMPERATURE);
    drop(&t);
}

static void cpu(const struct tree *t, unsigned busy, unsigned idle) {
    char text[128];
    snprintf(text, sizeof text, "cpu  %u 0 0 %u 0 0 0 0 0 0\ncpu0 1 2 3 4\n", busy, idle);
    put(t, "/proc/stat", text);
}
static void process(const struct tree *t, unsigned pid, const char *children, unsigned ticks) {
    char at[64], text[160];
    snprintf(at, sizeof at, "/proc/%u/stat", pid);
    snprintf(text, sizeof text, "%u (a) b) (c) S 1 1 1 0 -1 0 0 0 0 0 %u 0 0 0 20 0 1 0 1 1 1\n", pid, ticks);
    put(t, at, text);
    snprintf(at, sizeof at, "/proc/%u/task/%u/children", pid, pid);
    put(t, at, children);
}

TEST(sensors, count_as_load_only_what_is_not_their_own) {
    struct tree t = tree();
    struct machine_reading r;
    struct sensors_files *f = files(&t);
    cpu(&t, 1000, 1000);
    process(&t, 100, "101 \n", 10);
    process(&t, 101, "102 \n", 20);
    process(&t, 102, "", 30);
    sensors_files_read(f, &r);
    UNKNOWN(r, SIGNAL_LOAD); /* nothing to compare with */
    cpu(&t, 1100, 1100); /* 100 of 200 ticks are used, all by a grandchild */
    process(&t, 102, "", 130);
    sensors_files_read(f, &r);
    KNOWN(r, SIGNAL_LOAD, 0);
    cpu(&t, 1200, 1200); /* now 60 of them by others */
    process(&t, 102, "", 170);
    sensors_files_read(f, &r);
    KNOWN(r, SIGNAL_LOAD, 300);
    cpu(&t, 1200, 1200); /* no time passed: nothing is known */
    sensors_files_read(f, &r);
    UNKNOWN(r, SIGNAL_LOAD);
    sensors_files_destroy(f);
    drop(&t);
}

TEST(sensors, read_how_long_memory_was_short) {
    struct tree t = tree();
    put(&t, "/proc/pressure/memory",
        "some avg10=50.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=12.34 avg60=0.00 avg300=0.00 total=0\n");
    struct machine_reading r = reading(&t);
    KNOWN(r, SIGNAL_PRESSURE, 123);
    put(&t, "/proc/pressure/memory", "full avg10=999.00\n");
    r = reading(&t);
    UNKNOWN(r, SIGNAL_PRESSURE);
    drop(&t);
}

TEST(sensors, tell_lit_screens_from_dark_and_absent_ones) {
    struct tree t = tree();
    folder(&t, "/sys/class");
    struct machine_reading r = reading(&t);
    KNOWN(r, SIGNAL_SCREEN, 0); /* a server */
    put(&t, "/sys/class/drm/card0-eDP-1/status", "connected\n");
    put(&t, "/sys/class/drm/card0-eDP-1/dpms", "On\n");
    put(&t, "/sys/class/drm/card0-HDMI-A-1/status", "disconnected\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_SCREEN, 1);
    put(&t, "/sys/class/drm/card0-eDP-1/dpms", "Off\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_SCREEN, 0);
    put(&t, "/sys/class/drm/card0-eDP-1/dpms", "?\n");
    r = reading(&t);
    UNKNOWN(r, SIGNAL_SCREEN);
    drop(&t);
}

TEST(sensors, take_a_panel_without_its_backlight_for_dark_and_another_screen_for_lit) {
    struct tree t = tree();
    put(&t, "/sys/class/drm/card0-eDP-1/status", "connected\n");
    put(&t, "/sys/class/drm/card0-eDP-1/dpms", "On\n");
    put(&t, "/sys/class/backlight/intel_backlight/bl_power", "0\n");
    struct machine_reading r = reading(&t);
    KNOWN(r, SIGNAL_SCREEN, 1);
    put(&t, "/sys/class/backlight/intel_backlight/bl_power", "4\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_SCREEN, 0);
    put(&t, "/sys/class/drm/card0-eDP-1/dpms", "?\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_SCREEN, 0);
    put(&t, "/sys/class/drm/card0-HDMI-A-1/status", "connected\n"); /* the lid is closed, and somebody works at a monitor */
    put(&t, "/sys/class/drm/card0-HDMI-A-1/dpms", "On\n");
    r = reading(&t);
    KNOWN(r, SIGNAL_SCREEN, 1);
    drop(&t);
}

TEST(sensors, know_the_price_of_a_modem_and_of_a_cable_only) {
    static const char head[] = "Iface\tDestination\tGateway\n";
    struct tree t = tree();
    char text[200];
    static const struct {
        const char *lines;
        int want; /* -1: unknown */
    } rows[] = { { "eth0\t00000000\t01\neth0\t0000A8C0\t00\n", 0 }, { "wwan0\t00000000\t01\n", 1 },
                 { "eth0\t00000000\t01\nwwan0\t00000000\t01\n", 1 }, { "wlan0\t00000000\t01\n", -1 }, { "eth0\t0000A8C0\t00\n", -1 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, "%s%s", head, rows[i].lines);
        put(&t, "/proc/net/route", text);
        struct machine_reading r = reading(&t);
        if (rows[i].want < 0)
            UNKNOWN(r, SIGNAL_METERED);
        else
            KNOWN(r, SIGNAL_METERED, rows[i].want);
    }
    drop(&t);
}

static void keyboard(const struct tree *t, unsigned a, unsigned b) {
    char text[300];
    snprintf(text, sizeof text,
             "           CPU0       CPU1\n   1: %10u %10u   IO-APIC    1-edge      i8042\n  16:  %u 9 IO-APIC xhci_hcd\nERR: 0\n", a, b, a * 7 + b);
    put(t, "/proc/interrupts", text);
}

TEST(sensors, see_input_by_interrupts_of_keyboards_not_of_usb_disks) {
    struct tree t = tree();
    put(&t, "/proc/interrupts", "  CPU0\n 16:  5 IO-APIC xhci_hcd\n");
    struct sensors_files *f = files(&t);
    CHECK(!sensors_input(f).known);
    sensors_files_destroy(f);
    f = files(&t);
    keyboard(&t, 5, 7);
    struct sensors_input i = sensors_input(f);
    CHECK(i.known);
    CHECK(!i.seen);
    CHECK(!sensors_input(f).seen);
    keyboard(&t, 5, 8);
    CHECK(sensors_input(f).seen);
    CHECK(!sensors_input(f).seen);
    sensors_files_destroy(f);
    drop(&t);
}

TEST(sensors, see_input_by_the_requests_of_a_usb_keyboard_not_of_a_disk) {
    struct tree t = tree();
    put(&t, "/sys/bus/usb/devices/1-2/urbnum", "100\n");
    put(&t, "/sys/bus/usb/devices/1-2:1.0/bInterfaceClass", "03\n");
    put(&t, "/sys/bus/usb/devices/1-3/urbnum", "100\n");
    put(&t, "/sys/bus/usb/devices/1-3:1.0/bInterfaceClass", "08\n");
    struct sensors_files *f = files(&t);
    CHECK(sensors_input(f).known);
    put(&t, "/sys/bus/usb/devices/1-3/urbnum", "900\n");
    CHECK(!sensors_input(f).seen);
    put(&t, "/sys/bus/usb/devices/1-2/urbnum", "102\n");
    CHECK(sensors_input(f).seen);
    sensors_files_destroy(f);
    drop(&t);
}

TEST(sensors, see_input_by_event_devices_and_go_on_when_one_is_pulled_out) {
    struct tree t = tree();
    char path[512];
    path_of(&t, "/dev/input/event3", path);
    CHECK_OK(mkfifo(path, 0644));
    int out = open(path, O_RDWR | O_NONBLOCK);
    struct sensors_files *f = files(&t);
    CHECK(sensors_input(f).known);
    CHECK(write(out, "event", 5) == 5);
    CHECK(sensors_input(f).seen);
    CHECK(!sensors_input(f).seen);
    close(out);
    unlink(path);
    CHECK(!sensors_input(f).seen);
    sensors_files_destroy(f);
    drop(&t);
}

TEST(sensors, see_a_terminal_in_use_and_a_new_login) {
    struct tree t = tree();
    char path[512];
    put(&t, "/dev/pts/4", "");
    path_of(&t, "/dev/pts/4", path);
    struct timespec at[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    utimensat(AT_FDCWD, path, at, 0);
    struct sensors_files *f = files(&t);
    CHECK(!sensors_input(f).seen);
    at[0].tv_sec = 1008;
    utimensat(AT_FDCWD, path, at, 0);
    CHECK(sensors_input(f).seen);
    struct utmp u[2] = { { .ut_type = BOOT_TIME }, { .ut_type = USER_PROCESS } };
    u[0].ut_tv.tv_sec = 5000;
    u[1].ut_tv.tv_sec = 2000;
    put_n(&t, "/run/utmp", u, sizeof u);
    CHECK(sensors_input(f).seen);
    CHECK(!sensors_input(f).seen);
    put_n(&t, "/run/utmp", u, sizeof u / 3); /* torn */
    CHECK(!sensors_input(f).seen);
    sensors_files_destroy(f);
    drop(&t);
}

TEST(sensors, sum_the_processor_time_of_a_tree_of_real_processes) {
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            for (clock_t end = clock() + CLOCKS_PER_SEC / 5; clock() < end;) continue;
            _exit(0);
        }
        wait(NULL);
        pause();
    }
    uint64_t ms = 0;
    for (int i = 0; i < 500 && ms < 180; i++) { /* the grandchild has ended by then and still counts */
        usleep(20000);
        ms = sensors_tree_cpu_ms("/proc", pid);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK(ms >= 180 && ms < 2000);
}

/* ---- services ---- */

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

TEST(sensors, know_nothing_of_services_when_there_is_no_bus) {
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
    setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/user", 1);
    struct sensors_dbus d;
    struct sensors_dbus_link *l = sensors_dbus_create();
    sensors_dbus_read(l, NULL, &d);
    CHECK(!d.idle_ms.known && !d.locked.known && !d.metered.known);
    sensors_dbus_destroy(l);
}

TEST(sensors, give_up_soon_on_a_bus_that_never_answers) {
    struct tree t = tree();
    char env[200];
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s/bus", t.root);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(s, (struct sockaddr *)&a, sizeof a));
    CHECK_OK(listen(s, 8));
    snprintf(env, sizeof env, "unix:path=%s", a.sun_path);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", env, 1);
    setenv("DBUS_SESSION_BUS_ADDRESS", env, 1);
    struct sensors_dbus d;
    struct sensors_dbus_link *l = sensors_dbus_create();
    uint64_t begun = now_ms();
    sensors_dbus_read(l, NULL, &d);
    CHECK(now_ms() - begun < 7 * SENSORS_CALL_MS + 2000);
    CHECK(!d.idle_ms.known && !d.locked.known && !d.metered.known);
    sensors_dbus_destroy(l);
    close(s);
    drop(&t);
}

/* ---- watching ---- */

static bool wait_for(struct sensors *s, struct machine_reading *r, int ms) {
    struct pollfd p = { .fd = sensors_fd(s), .events = POLLIN };
    return poll(&p, 1, ms) == 1 && sensors_take(s, r);
}

TEST(sensors, tell_of_input_at_once_and_of_quiet_each_second_while_a_service_hangs) {
    struct tree t = tree();
    struct sensors *s = NULL;
    struct machine_reading r;
    char proc[128];
    snprintf(proc, sizeof proc, "%s/proc", t.root);
    keyboard(&t, 1, 1); /* services: still the bus of the test before, or none */
    CHECK_OK(sensors_start(&(struct sensors_config){ .root = t.root, .own_proc = proc }, &s));
    CHECK(wait_for(s, &r, 5000));
    CHECK(r.signal[SIGNAL_IDLE].known);
    CHECK(wait_for(s, &r, 5000));
    CHECK(r.signal[SIGNAL_IDLE].v >= 800);
    keyboard(&t, 2, 1);
    for (int i = 0; i < 4 && r.signal[SIGNAL_IDLE].v >= 500; i++) CHECK(wait_for(s, &r, 5000));
    CHECK(r.signal[SIGNAL_IDLE].v < 500);
    sensors_stop(s);
    drop(&t);
}
