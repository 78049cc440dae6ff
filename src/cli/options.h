/* options.h - units and the options that several commands share, for the table in commands.c. */
#ifndef VL_CLI_OPTIONS_H
#define VL_CLI_OPTIONS_H

#include "base/bounds.h"
#include "cli/command.h"

#define KIB 1024ll
#define MIB (1024ll * 1024)
#define GIB (1024ll * MIB)
#define SECOND 1000ll
#define MINUTE (60 * SECOND)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define PATH_BYTES 4095 /* PATH_MAX without its NUL */

#define ROWS(t) .options = (t), .n_options = sizeof(t) / sizeof((t)[0])
#define FLAG(n, l, h)                                                                                                  \
    { .name = (n), .letter = (l), .kind = VALUE_NONE, .help = (h) }

/* How sealed keys are opened. */
#define KEY_OPTIONS \
    { .name = "passphrase-file", \
      .kind = VALUE_FILE, \
      .value = "FILE", \
      .min = 1, \
      .max = PATH_BYTES, \
      .help = "first line: the passphrase of sealed keys; default: the systemd credential village.passphrase, else asked for" }, \
    { .name = "key-tpm", \
      .kind = VALUE_TEXT, \
      .value = "TCTI", \
      .min = 1, \
      .max = 255, \
      .help = "keys sealed with a TPM: how to reach it, such as device:/dev/tpmrm0; default: as tpm2-tss finds it" }, \
    { .name = "pkcs11", \
      .kind = VALUE_FILE, \
      .value = "MODULE", \
      .min = 1, \
      .max = PATH_BYTES, \
      .help = "keys sealed with a token: the library that speaks to it; its code runs in this process" }, \
    { .name = "pin-file", \
      .kind = VALUE_FILE, \
      .value = "FILE", \
      .min = 1, \
      .max = PATH_BYTES, \
      .help = "the token's PIN; default: the systemd credential village.pin, else asked for" },

/* What every daemon takes. */
#define DAEMON_OPTIONS \
    KEY_OPTIONS \
    { .name = "rotate-after", \
      .kind = VALUE_DURATION, \
      .value = "TIME", \
      .min = 10 * SECOND, \
      .max = 90 * DAY, \
      .help = "replace this node's keys without being asked to when they are that old, at most 90d; a coordinator's keys are not replaced" }, \
    { .name = "name", \
      .letter = 'n', \
      .kind = VALUE_TEXT, \
      .value = "NAME", \
      .min = 1, \
      .max = VL_NAME_MAX - 1, \
      .help = "how the node is called; default: the name of this machine" }, \
    { .name = "listen", \
      .letter = 'l', \
      .kind = VALUE_TEXT, \
      .value = "ADDR:PORT", \
      .min = 3, \
      .max = VL_ADDR_MAX - 1, \
      .def = "0.0.0.0:8888", \
      .help = "where other nodes connect" }, \
    { .name = "slots", \
      .kind = VALUE_INTEGER, \
      .value = "N", \
      .min = 1, \
      .max = 48, \
      .help = "tasks at a time; default: one for each CPU" }, \
    { .name = "log", .kind = VALUE_CHOICE, .choices = "json|fmt", .def = "fmt", .help = "form of log lines" }, \
    { .name = "log-level", \
      .kind = VALUE_CHOICE, \
      .choices = "debug|info|warn|error", \
      .def = "info", \
      .help = "least level that is logged" }, \
    { .name = "advertise", \
      .kind = VALUE_TEXT, \
      .value = "ADDR:PORT", \
      .min = 3, \
      .max = VL_ADDR_MAX - 1, \
      .help = "where others reach this node when that is not --listen: behind a router, or by a name" }, \
    { .name = "heartbeat", \
      .kind = VALUE_DURATION, \
      .value = "TIME", \
      .min = 100, \
      .max = 10 * MINUTE, \
      .def = "30s", \
      .help = "how often a node says that it lives" }, \
    { .name = "lost", \
      .kind = VALUE_DURATION, \
      .value = "TIME", \
      .min = 300, \
      .max = HOUR, \
      .def = "90s", \
      .help = "silence after which a node counts as lost and its tasks move" }, \
    FLAG("mix", 0, "be a mix of the private network; others must reach this node at its address"), \
    { .name = "mix-rate", \
      .kind = VALUE_INTEGER, \
      .value = "N", \
      .min = 10, \
      .max = 200000, \
      .def = "2000", \
      .help = "packets per second that this mix carries at most; takes 24 MB of disk for each 1,000 and epoch of 30 minutes" }, \
    { .name = "family", \
      .kind = VALUE_TEXT, \
      .value = "NAME", \
      .min = 1, \
      .max = 64, \
      .help = "who runs this mix; no private path passes two mixes of one family" }, \
    FLAG("no-cover", 0, "send and receive nothing private, and no cover traffic"), \
    FLAG("harvest", 0, "take work only while this machine is idle, cool and charged, as `village harvest policy` says"), \
    { .name = "sensor-root", \
      .kind = VALUE_FOLDER, \
      .value = "DIR", \
      .min = 1, \
      .max = 255, \
      .help = "with --harvest: where the machine's /sys, /proc, /dev and /run are; for nodes in a container" }, \
    { .name = "tpm", \
      .kind = VALUE_TEXT, \
      .value = "TCTI", \
      .min = 4, \
      .max = 255, \
      .help = "where this machine's TPM is, for evidence of where the node runs; default: device:/dev/tpmrm0" }, \
    { .name = "ek-cert", \
      .kind = VALUE_FILE, \
      .value = "FILE", \
      .min = 1, \
      .max = 255, \
      .help = "certificate of the TPM's endorsement key, where the TPM does not carry it" }, \
    { .name = "qgs", \
      .kind = VALUE_FILE, \
      .value = "SOCKET", \
      .min = 1, \
      .max = 107, \
      .help = "socket of Intel's quote generation service; default: vsock of the host" }, \
    { .name = "device-root", \
      .kind = VALUE_FOLDER, \
      .value = "DIR", \
      .min = 1, \
      .max = 255, \
      .help = "where /sys and /dev of the providers of evidence are; for nodes in a container" }, \
    { .name = "label", \
      .repeat = true, \
      .kind = VALUE_TEXT, \
      .value = "KIND=NAME", \
      .min = 3, \
      .max = 32, \
      .help = "what this node shares with others when it fails: site, owner, power, isp, vendor, infra (cloud, edge, " \
              "datacentre, hybrid) or region; replicas are kept apart by these; may be given again" }, \
    { .name = "cost", \
      .kind = VALUE_INTEGER, \
      .value = "N", \
      .min = 0, \
      .max = 1ll << 50, \
      .help = "what an hour of one task costs you here, in micro-credits" }, \
    { .name = "ask", \
      .kind = VALUE_INTEGER, \
      .value = "N", \
      .min = 1, \
      .max = 1ll << 50, \
      .help = "what you ask for an H200-hour, in micro-credits: this node bids so in auctions; default: the village's price" },

#endif
