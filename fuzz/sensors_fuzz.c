/* A machine whose files hold anything: the input names one of them by its first byte and is its content.  Values stay in their ranges. */
#include "os/sensors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const at[] = {
    "/sys/class/power_supply/BAT0/type", "/sys/class/power_supply/BAT0/capacity", "/sys/class/power_supply/BAT0/temp",
    "/sys/class/power_supply/AC/online", "/sys/class/thermal/thermal_zone0/temp", "/sys/class/hwmon/hwmon0/temp1_input",
    "/sys/class/drm/card0-DP-1/dpms", "/proc/stat", "/proc/pressure/memory", "/proc/interrupts", "/proc/net/route", "/run/utmp",
    "/proc/1/stat", "/proc/1/task/1/children", "/sys/bus/usb/devices/1-1/urbnum",
};
static const char *const content[] = { "Battery", "50", "300", "1", "40000", "41000", "On", "cpu 1 2 3 4", "full avg10=1.00", " 1: 5 i8042", "x\neth0 00000000", "",
                                       "1 (a) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0 20", "2", "7" };

static void put(const char *root, size_t i, const void *p, size_t n) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, at[i]);
    for (char *s = path + strlen(root) + 1; *s; s++)
        if (*s == '/') {
            *s = '\0';
            mkdir(path, 0755);
            *s = '/';
        }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, p, n) != (ssize_t)n) abort();
    close(fd);
}

static char root[64], proc[80]; /* one tree for the whole run */

static void begin(void) {
    if (root[0]) return;
    snprintf(root, sizeof root, "/tmp/village-fuzz-sensors-%d", (int)getpid());
    snprintf(proc, sizeof proc, "%s/proc", root);
    mkdir(root, 0755);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) put(root, i, content[i], strlen(content[i]));
    put(root, 5, "41000", 5);
}

static void in(struct signal_value v, int64_t least, int64_t most) {
    if (v.known && (v.v < least || v.v > most)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sensors_files *f = NULL;
    struct machine_reading r;
    if (size < 1 || size > 65536) return 0;
    size_t i = data[0] % (sizeof at / sizeof at[0]);
    begin();
    if (sensors_files_create(&(struct sensors_config){ .root = root, .own_proc = proc, .own_pid = 1 }, &f) != VL_OK) return 0;
    sensors_files_read(f, &r);
    (void)sensors_input(f);
    put(root, i, data + 1, size - 1);
    sensors_files_read(f, &r);
    (void)sensors_input(f);
    in(r.signal[SIGNAL_BATTERY], -1, 100);
    in(r.signal[SIGNAL_AC], 0, 1);
    in(r.signal[SIGNAL_LOAD], 0, 1000);
    in(r.signal[SIGNAL_PRESSURE], 0, 1009);
    in(r.signal[SIGNAL_SCREEN], 0, 1);
    in(r.signal[SIGNAL_METERED], 0, 1);
    in(sensors_temperature(f), 1, 150000);
    put(root, i, content[i], strlen(content[i]));
    sensors_files_destroy(f);
    return 0;
}
