#include "cli/command.h"

#include "base/bounds.h"
#include "cli/daemon.h"
#include "cli/handlers.h"

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

/* Codes that every command which asks a gateway may end with. */
#define ASKS "0 1 2 4 5"

const char *const command_group_titles[COMMAND_GROUPS] = { "Start and grow a village", "Run work", "Look after it",
                                                           "Help" };

const struct cli_option global_options[] = {
    FLAG("help", 'h', "show help for the command"),
    FLAG("json", 'j', "print one JSON value on standard output; progress and messages go to standard error"),
    { .name = "server",
      .letter = 's',
      .kind = VALUE_TEXT,
      .value = "URL",
      .min = 8,
      .max = 512,
      .help = "the gateway; default: the one that runs in the data folder, else http://127.0.0.1:8000" },
    { .name = "token",
      .kind = VALUE_TEXT,
      .value = "TOKEN",
      .min = 1,
      .max = 256,
      .help = "access token; other users see it in the list of processes, so prefer VILLAGE_TOKEN" },
    { .name = "data",
      .letter = 'D',
      .kind = VALUE_FOLDER,
      .value = "DIR",
      .min = 1,
      .max = PATH_BYTES,
      .help = "data folder of the node; default: $XDG_DATA_HOME/village or ~/.local/share/village" },
    FLAG("quiet", 'q', "no progress, no remarks"),
    FLAG("wide", 'w', "whole ids, and columns as wide as they need"),
    FLAG("no-color", 0, "no colours"),
};
const size_t global_options_n = sizeof global_options / sizeof global_options[0];

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

#include "cli/options_anchor.h"

#include "cli/options_trust.h"

static const struct cli_option up_options[] = {
    DAEMON_OPTIONS
    { .name = "gateway",
      .letter = 'g',
      .kind = VALUE_TEXT,
      .value = "ADDR:PORT",
      .min = 3,
      .max = VL_ADDR_MAX - 1,
      .def = "127.0.0.1:8000",
      .help = "where the REST gateway and dashboard listen" },
    FLAG("no-gateway", 0, "no REST gateway on this node"),
    { .name = "epoch",
      .kind = VALUE_DURATION,
      .value = "TIME",
      .min = 1000,
      .max = 24 * HOUR,
      .def = "1h",
      .help = "how long draws of neighbours and witnesses live" },
    { .name = "price",
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 1,
      .max = 1ll << 40,
      .def = "4000000",
      .help = "the village's price of an H200-hour in the gold tier, in micro-credits" },
    CHAIN_OPTIONS
    ANCHOR_UP_OPTIONS
};
static const struct cli_option join_options[] = {
    DAEMON_OPTIONS
    { .name = "gateway",
      .letter = 'g',
      .kind = VALUE_TEXT,
      .value = "ADDR:PORT",
      .min = 3,
      .max = VL_ADDR_MAX - 1,
      .help = "a REST gateway on this member, to see the private network from here and to send it jobs privately; "
              "default: none" },
};

static const struct cli_option market_options[] = {
    { .name = "tier", .kind = VALUE_CHOICE, .choices = "bronze|silver|gold|platinum", .def = "gold", .help = "quality of service" },
    { .name = "work",
      .kind = VALUE_INTEGER,
      .value = "NH",
      .min = 1,
      .max = 1ll << 50,
      .help = "work (auction: of one unit) in nano-H200-hours" },
    { .name = "time",
      .kind = VALUE_DURATION,
      .value = "TIME",
      .min = 1000,
      .max = 365 * 24 * HOUR,
      .help = "instead of --work: time of one slot of median speed" },
    { .name = "reserve", .kind = VALUE_INTEGER, .value = "N", .min = 1, .max = 1ll << 50, .help = "the most that you pay for a unit, micro-credits" },
    { .name = "units", .kind = VALUE_INTEGER, .value = "N", .min = 1, .max = 32, .def = "1", .help = "how many nodes you want" },
    { .name = "providers", .kind = VALUE_INTEGER, .value = "N", .min = 1, .max = 128, .def = "3", .help = "different owners that must bid" },
    { .name = "duration", .kind = VALUE_DURATION, .value = "TIME", .min = 1000, .max = 24 * HOUR, .def = "5m", .help = "how long bids are taken" },
    FLAG("quality", 0, "compare bids by price over reputation"),
    { .name = "title", .kind = VALUE_TEXT, .value = "TEXT", .min = 1, .max = 63, .help = "what it is for" },
    { .name = "job",
      .kind = VALUE_FILE,
      .value = "FILE",
      .min = 1,
      .max = 4096,
      .help = "a job as JSON, as for POST /v1/fog/jobs: runs on the winners; without it only a price is found" },
    FLAG("cancel", 0, "cancel that auction while its bids are sealed"),
};
static const struct cli_option bench_options[] = {
    FLAG("all", 'a', "measure every node"),
};
static const struct cli_option quorum_options[] = {
    { .name = "tier",
      .kind = VALUE_CHOICE,
      .choices = "bronze|silver|gold|platinum",
      .help = "with check: availability asked for" },
    { .name = "class", .kind = VALUE_CHOICE, .choices = "B|A|S", .def = "B", .help = "with check: as of a job" },
    { .name = "kind", .kind = VALUE_CHOICE, .choices = "wasm|native", .def = "wasm", .help = "with check: as of a job" },
    { .name = "replicas",
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 1,
      .max = 9,
      .def = "1",
      .help = "with check: at least so many; from 2 on results are compared, and more than half must be up" },
    { .name = "tasks",
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 1,
      .max = VL_JOB_TASKS_MAX,
      .def = "1",
      .help = "with check: how wide the job is" },
    { .name = "region", .kind = VALUE_TEXT, .value = "NAME", .min = 1, .max = 15, .help = "with check: only nodes in this region" },
};
static const struct cli_option mix_options[] = {
    { .name = "epoch",
      .kind = VALUE_DURATION,
      .value = "TIME",
      .min = 4000,
      .max = 24 * HOUR,
      .def = "30m",
      .help = "with authorities: how long a mix key is used" },
    { .name = "threshold",
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 2,
      .max = 9,
      .help = "with authorities: how many must sign; default: more than half" },
    { .name = "floor",
      .kind = VALUE_INTEGER,
      .value = "K",
      .min = 1,
      .max = 100000,
      .def = "64",
      .help = "with authorities: packets that should wait at each mix; with less traffic, delays get longer or the level is "
              "refused" },
    { .name = "level",
      .kind = VALUE_CHOICE,
      .choices = "public|private|confidential|secret",
      .def = "private",
      .help = "with ping: the level there and back" },
    { .name = "rate",
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 100,
      .max = 200000,
      .help = "with capacity: packets per second; default: search for the highest without loss" },
    { .name = "seconds",
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 1,
      .max = 60,
      .def = "3",
      .help = "with capacity: length of a trial" },
};

static const struct cli_option run_options[] = {
    { .name = "input",
      .letter = 'i',
      .repeat = true,
      .kind = VALUE_FILE,
      .value = "GLOB",
      .min = 1,
      .max = PATH_BYTES,
      .help = "input files; quote the pattern; may be given again" },
    { .name = "arg",
      .letter = 'a',
      .repeat = true,
      .kind = VALUE_TEXT,
      .value = "ARG",
      .max = VL_ARGS_BYTES,
      .help = "one argument of the program; may be given again; or put them all after --" },
    { .name = "env",
      .letter = 'e',
      .repeat = true,
      .kind = VALUE_TEXT,
      .value = "K=V",
      .min = 2,
      .max = VL_ARGS_BYTES,
      .help = "one environment variable; may be given again" },
    { .name = "name",
      .letter = 'n',
      .kind = VALUE_TEXT,
      .value = "NAME",
      .min = 1,
      .max = VL_NAME_MAX - 1,
      .help = "how the job is called; default: the program's name" },
    { .name = "replicas",
      .letter = 'r',
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 1,
      .max = 9,
      .help = "run each task on N nodes and compare the results; default: as the class says" },
    { .name = "timeout",
      .letter = 't',
      .kind = VALUE_DURATION,
      .value = "TIME",
      .min = 1,
      .max = 30 * DAY,
      .def = "10m",
      .help = "time limit of each task" },
    { .name = "memory",
      .letter = 'm',
      .kind = VALUE_SIZE,
      .value = "SIZE",
      .min = 64 * KIB,
      .max = 1024 * GIB,
      .def = "256M",
      .help = "memory limit of each task" },
    { .name = "cpu",
      .kind = VALUE_DURATION,
      .value = "TIME",
      .min = 1,
      .max = 30 * DAY,
      .help = "CPU time limit of each task; default: none but the time limit" },
    { .name = "merge",
      .kind = VALUE_WORDS,
      .value = "ARGS",
      .help = "a last task of the same program gets the outputs of all others as its inputs; with --merge='ARGS' it is "
              "started with these arguments" },
    FLAG("no-map", 0, "one task with all inputs, instead of one task for each input"),
    FLAG("deterministic", 0, "virtual clock and random numbers, so that a run can be repeated exactly"),
    { .name = "priority",
      .letter = 'p',
      .kind = VALUE_CHOICE,
      .choices = "critical|high|normal|low|bulk",
      .def = "normal",
      .help = "which jobs go first" },
    { .name = "privacy",
      .kind = VALUE_CHOICE,
      .choices = "off|public|private|confidential|secret",
      .def = "off",
      .help = "level of the private network at which tasks and results travel; `village mix` shows which can be had" },
    { .name = "class",
      .kind = VALUE_CHOICE,
      .choices = "B|A|S",
      .help = "B: one copy, audited; A: replicas on different owners; S: replicas on attested or audited nodes" },
    { .name = "tier",
      .kind = VALUE_CHOICE,
      .choices = "none|bronze|silver|gold|platinum",
      .help = "availability promised: 95, 99.5, 99.9 or 99.99 %; refused when this village cannot keep it" },
    { .name = "strategy",
      .kind = VALUE_CHOICE,
      .choices = "default|nsga2|latency_first|load_balance|trust_first|cost|round_robin|least_loaded|affinity|proximity|"
                 "privacy_aware|random",
      .help = "how its tasks are placed" },
    { .name = "deadline",
      .kind = VALUE_DURATION,
      .value = "TIME",
      .min = SECOND,
      .max = 90 * DAY,
      .help = "when it must have ended; nodes too slow for that get none of it; default: in a week" },
    { .name = "region", .kind = VALUE_TEXT, .value = "NAME", .min = 1, .max = 15, .help = "only nodes in this region" },
    { .name = "min-trust",
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 0,
      .max = 1000,
      .help = "only nodes whose reputation is at least N thousandths" },
    { .name = "max-latency",
      .kind = VALUE_DURATION,
      .value = "TIME",
      .min = 1,
      .max = MINUTE,
      .help = "only nodes that answer within this time" },
    { .name = "max-price",
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 1,
      .max = 1ll << 50,
      .help = "only nodes that cost at most N micro-credits for an hour of one slot" },
    { .name = "spread",
      .kind = VALUE_CHOICE,
      .choices = "host|site|owner|power|isp|platform|vendor|infra|region",
      .help = "no two replicas in one failure domain of this kind; default: as the class says" },
    { .name = "exclude",
      .repeat = true,
      .kind = VALUE_TEXT,
      .value = "NODE",
      .min = 1,
      .max = 64,
      .help = "never on this node; may be given again" },
    { .name = "after",
      .repeat = true,
      .kind = VALUE_TEXT,
      .value = "JOB",
      .min = 4,
      .max = 32,
      .help = "wait for this job to be done; may be given again" },
    { .name = "output",
      .letter = 'o',
      .kind = VALUE_FOLDER,
      .value = "DIR",
      .min = 1,
      .max = PATH_BYTES,
      .help = "save every output file there instead of printing the result" },
    FLAG("detach", 'd', "print the job's id and return"),
};

#include "cli/options_proof.h"
static const struct cli_option jobs_options[] = {
    { .name = "state",
      .kind = VALUE_CHOICE,
      .choices = "submitted|priced|placed|running|verifying|done|failed|cancelled|expired",
      .help = "only jobs in this state" },
    { .name = "limit",
      .letter = 'n',
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 1,
      .max = 100000,
      .def = "20",
      .help = "at most N jobs, newest first" },
};

static const struct cli_option job_options[] = {
    FLAG("follow", 'f', "show progress until the job ends, then print its result"),
    FLAG("cancel", 0, "stop the job"),
    { .name = "output",
      .letter = 'o',
      .kind = VALUE_FOLDER,
      .value = "DIR",
      .min = 1,
      .max = PATH_BYTES,
      .help = "save every output file there; files that are there and right are not fetched again" },
    FLAG("tasks", 0, "list the tasks"),
    FLAG("events", 0, "list what happened to the job"),
};

static const struct cli_option nodes_options[] = {
    { .name = "state",
      .kind = VALUE_CHOICE,
      .choices = "active|idle|busy|offline|maintenance",
      .help = "only nodes in this state" },
};

static const struct cli_option reputation_options[] = {
    FLAG("check", 0, "compute NODE's score anew from its evidence, and see whether the signatures and the score are right"),
};

static const struct cli_option ticket_options[] = {
    { .name = "uses",
      .letter = 'u',
      .kind = VALUE_INTEGER,
      .value = "N",
      .min = 1,
      .max = 1000,
      .def = "1",
      .help = "how many nodes may join with it" },
    { .name = "ttl",
      .letter = 't',
      .kind = VALUE_DURATION,
      .value = "TIME",
      .min = 60 * SECOND,
      .max = 30 * DAY,
      .def = "1d",
      .help = "how long it is good" },
    FLAG("no-qr", 0, "no QR code"),
};

const struct cli_command commands[] = {
    { .name = "up",
      .group = GROUP_GROW,
      .summary = "start a node here, and a village if there is none yet",
      .operands = "",
      ROWS(up_options),
      .run = command_up,
      .exits = "0 1 2",
      .about =
          "Runs until Ctrl-C. The first start in a data folder founds a village; later starts go on where it was.\n"
          "Prints the address of the dashboard, with the token in the part after '#', which browsers keep to "
          "themselves.",
      .example = "village up\nvillage up --name attic --slots 2 --data /srv/village" },
    { .name = "join",
      .group = GROUP_GROW,
      .summary = "start a node here as a member of a village",
      .operands = "[TICKET]",
      .least = 0,
      .most = 1,
      ROWS(join_options),
      .run = command_join,
      .exits = "0 1 2 4 5",
      .about =
          "The ticket comes from `village ticket` on the first node. It is needed once: afterwards `village join` or "
          "`village up` with the same data folder starts the node again.",
      .example = "village join vl1kq2m... --name barn\nvillage join vl1kq2m... --listen 0.0.0.0:9000\nvillage join" },
    { .name = "ticket",
      .group = GROUP_GROW,
      .summary = "make a ticket that lets nodes join",
      .operands = "",
      ROWS(ticket_options),
      .json = "{\"ticket\", \"id\", \"uses\", \"expires_ms\"}",
      .run = command_ticket,
      .exits = ASKS,
      .about = "Shown once, as text and as a QR code. Whoever has it can join, so pass it on like a password.",
      .example = "village ticket\nvillage ticket --uses 5 --ttl 2h" },
    { .name = "tickets",
      .group = GROUP_GROW,
      .summary = "list tickets",
      .operands = "",
      .json = "{\"items\": [ticket...]}, without the secrets",
      .run = command_tickets,
      .exits = ASKS,
      .example = "village tickets" },
    { .name = "revoke",
      .group = GROUP_GROW,
      .summary = "make a ticket useless",
      .operands = "TICKET-ID",
      .least = 1,
      .most = 1,
      .json = "{\"id\", \"revoked\": true}",
      .run = command_revoke,
      .exits = "0 1 2 3 4 5",
      .about = "Nodes that joined with it stay; `village expel` removes a node.",
      .example = "village revoke 5f3a9c01" },

    { .name = "run",
      .group = GROUP_RUN,
      .summary = "run a program on the village and print its result",
      .operands = "PROGRAM [-- ARG...]",
      .least = 1,
      .most = 1,
      .rest = true,
      .operand_kind = VALUE_FILE,
      ROWS(run_options),
      .json = "{\"job\": job, \"output\": text} (or \"output_base64\" when it is no text); with --output {\"job\", "
              "\"files\": [path...]}; with --detach {\"id\"}",
      .run = command_run,
      .exits = "0 1 2 3 4 5 6 7 130",
      .about = "PROGRAM is a WebAssembly file, or the name or path of a native program that the nodes have.\n"
               "Each input becomes one task that finds it on standard input and as /in/NAME. What tasks write to "
               "standard output is printed in the order of the inputs; files written to /out are saved by --output.\n"
               "Ctrl-C stops waiting, not the job: follow it later with `village job ID --follow`.",
      .example = "village run wc.wasm --input 'texts/*.txt'\n"
                 "village run count.wasm -i 'logs/*' --merge='--sum' --replicas 3\n"
                 "village run /usr/bin/sort -i words.txt --timeout 30s --memory 64M -- -u" },
    { .name = "jobs",
      .group = GROUP_RUN,
      .summary = "list jobs, newest first",
      .operands = "",
      ROWS(jobs_options),
      .json = "{\"items\": [job...]}",
      .run = command_jobs,
      .exits = ASKS,
      .example = "village jobs\nvillage jobs --state failed --json" },
    { .name = "job",
      .group = GROUP_RUN,
      .summary = "show, follow or cancel a job, or fetch its output",
      .operands = "ID",
      .least = 1,
      .most = 1,
      ROWS(job_options),
      .json = "the job; with --follow and --output as run; with --tasks or --events {\"items\": [...]}; with --cancel "
              "{\"id\", \"cancelled\": true}",
      .run = command_job,
      .exits = "0 1 2 3 4 5 6 7 130",
      .about = "ID is the whole id or as much of its beginning or end as is unique; `village jobs` shows the end.",
      .example = "village job 9b1e44c2\nvillage job 9b1e44c2 --follow\nvillage job 9b1e44c2 --output results" },
    { .name = "receipts",
      .group = GROUP_RUN,
      .summary = "list what workers signed for a job, and check that it is in the log of receipts",
      .operands = "ID",
      .least = 1,
      .most = 1,
      ROWS(receipts_options),
      .json = "{\"items\": [{\"task\", \"epoch\", \"index\", \"leaf\"; with --check \"proved\", \"fault\"; with --proof \"inclusion\"}...]}; with --save {\"file\", \"witnesses\"}",
      .run = command_receipts,
      .exits = "0 1 2 3 4 5",
      .about = "Run it where the first node is: the coordinator keeps the log.\n"
               "--check verifies here each worker's signature, that each receipt is in the log, and that the log is signed; it "
               "exits with 1 when one is not.\n"
               "--save keeps a proof that needs no village any more. Members cosign within seconds; with more of them it shows more.",
      .example = "village receipts 9b1e44c2\nvillage receipts 9b1e44c2 --check\nvillage receipts 9b1e44c2 --save job.proof\nvillage receipts 9b1e44c2 --proof --json" },
    VERIFY_COMMAND, TIMESTAMP_COMMAND,
    { .name = "explain",
      .group = GROUP_RUN,
      .summary = "say why a job's tasks are where they are, or what they wait for",
      .operands = "ID",
      .least = 1,
      .most = 1,
      .json = "{\"job\", \"waiting\": {\"tasks\", \"reason\", \"nodes\", \"nodes_by_reason\"}, \"batches\": [batch...]}",
      .run = command_explain,
      .exits = "0 1 2 3 4 5",
      .about = "Tasks are placed in batches. For each the front is shown: placements of which none is better in everything, "
               "and which of them was taken. The gap says how far the best found is at most from what no placement can beat.",
      .example = "village explain 9b1e44c2\nvillage explain 9b1e44c2 --json" },

    { .name = "nodes",
      .group = GROUP_KEEP,
      .summary = "list nodes, or show one",
      .operands = "[NODE]",
      .most = 1,
      ROWS(nodes_options),
      .json = "{\"items\": [node...]}, or the node",
      .run = command_nodes,
      .exits = "0 1 2 3 4 5",
      .about = "NODE is a name, an id, or as much of the end of an id as is unique.",
      .example = "village nodes\nvillage nodes attic\nvillage nodes --state offline" },
    { .name = "reputation",
      .group = GROUP_KEEP,
      .summary = "how far nodes are trusted, and what for",
      .operands = "[NODE]",
      .most = 1,
      ROWS(reputation_options),
      .json = "{\"items\": [score...]}, or the answer of GET /v1/fog/reputation/NODE; with --check also \"check\": "
              "{\"matches\": bool, \"detail\"}",
      .run = command_reputation,
      .exits = "0 1 2 3 4 5",
      .about = "Ask the gateway of the first node, which keeps them. NODE is as for `village nodes`, or the whole id of a node "
               "that was expelled. TRUST is the lower bound of the worst of three promises: results that are right, in time, "
               "honestly metered. Nodes of which little is known are `new`: their results are checked.",
      .example = "village reputation\nvillage reputation attic\nvillage reputation attic --check" },
    { .name = "neighbours", .group = GROUP_KEEP, .summary = "who was drawn as neighbours of this node, and what was checked", .operands = "", ROWS(neighbours_options), .json = "the answer of GET /v1/fog/neighbours", .run = command_neighbours, .exits = "0 1 2 3 4 5",
      .about = "Eight members are drawn for each node and epoch, so that nobody chooses them and everybody can check them. They are its witnesses. Rolls are empty in the first four epochs of a village.",
      .example = "village neighbours\nvillage neighbours --certificate mine.txt && village verify mine.txt" },
    { .name = "availability", .group = GROUP_KEEP, .summary = "a proof of how a node answered its witnesses in the last epoch", .operands = "[NODE]", .most = 1, ROWS(availability_options), .json = "{\"file\", \"node\"}", .run = command_availability, .exits = "0 1 2 3 4 5",
      .about = "Of this node; at the first node of any that had drawn its witnesses. `village verify` says what is in it: what was not answered counts, and witnesses that are missing are shown. --issue and --prove: docs/trust.md.",
      .example = "village availability --output proof.txt\nvillage availability attic --output attic.txt && village verify attic.txt\nvillage availability attic --issue attic\nvillage availability --prove attic --answered 999000 --output attic.sla" },
    { .name = "keep", .group = GROUP_KEEP, .summary = "promise to keep a blob, and show it to witnesses", .operands = "HASH", .least = 1, .most = 1, .json = "{\"blob\"}", .run = command_keep, .exits = "0 1 2 3 4 5",
      .about = "The blob has to be on this node, with 1 byte to 256 MiB. Witnesses ask a random chunk with every challenge; the promise survives restarts, and another one replaces it.",
      .example = "village keep 4a7c0f5e12d3b86a9e01c2d3f4a5b6c7d8e9f00112233445566778899aabbcc0" },
    { .name = "maintenance",
      .group = GROUP_KEEP,
      .summary = "stop or resume giving tasks to a node",
      .operands = "NODE on|off",
      .least = 2,
      .most = 2,
      .operand_choices = "on|off",
      .json = "{\"id\", \"maintenance\": bool}",
      .run = command_maintenance,
      .exits = "0 1 2 3 4 5",
      .about = "Tasks that run there go on to their end.",
      .example = "village maintenance attic on\nvillage maintenance attic off" },
    { .name = "expel",
      .group = GROUP_KEEP,
      .summary = "remove a node from the village for good",
      .operands = "NODE",
      .least = 1,
      .most = 1,
      .json = "{\"id\", \"expelled\": true}",
      .run = command_expel,
      .exits = "0 1 2 3 4 5",
      .about = "Its certificate is revoked, its links are closed and its tasks move to other nodes.",
      .example = "village expel attic" },
    { .name = "keys",
      .group = GROUP_KEEP,
      .summary = "keys of this node: sealed at rest, rotated, revoked",
      .operands = "[list|seal|unseal|rotate|revoke [NODE]|cosign]",
      .most = 2,
      ROWS(keys_options),
      .json = "list: {\"path\", \"node\", \"sealed\", \"with\", \"since_ms\", \"age_days\", \"due\", ...}; seal and unseal the same afterwards; "
              "rotate and revoke the answer of the gateway; cosign: {\"checkpoint\", \"by\", \"size\"}",
      .run = command_keys,
      .exits = "0 1 2 3 4 5",
      .about = "list, seal and unseal read and write node.keys in the data folder; the node must not be running for the last two. rotate and "
               "revoke ask the gateway of the running node. cosign "
               "signs the head of the log of receipts once more, with an Ed25519 key that stays in a token.\n"
               "Passphrases are never taken from arguments or the environment.",
      .example = "village keys\nvillage keys seal\nvillage keys seal --new-passphrase-file /root/phrase\n"
                 "village keys seal --with tpm --pcrs 0,7\n"
                 "village keys seal --with token --pkcs11 /usr/lib/softhsm/libsofthsm2.so --key 'pkcs11:token=village;object=node' --pin-file pin\n"
                 "village up --passphrase-file /root/phrase\nvillage keys unseal\nvillage keys rotate\nvillage keys revoke attic\n"
                 "village keys cosign --pkcs11 /usr/lib/softhsm/libsofthsm2.so --key 'pkcs11:token=village;object=log' --pin-file pin" },
    { .name = "market",
      .group = GROUP_RUN,
      .summary = "what computing costs: quotes, auctions, prices",
      .operands = "quote|auction [ID]|auctions|prices",
      .least = 1,
      .most = 2,
      ROWS(market_options),
      .json = "with quote, auction and prices the answer of the gateway; with auctions {\"items\": [auction...]}",
      .run = command_market,
      .exits = "0 1 2 3 4 5",
      .about = "Work is counted in nano-H200-hours (nH): an H200-hour is 3.24e18 operations. Prices are in micro-credits.\n"
               "An auction takes sealed bids, opens them all at once, and the lowest win; every winner gets the lowest price "
               "that lost. Members bid what their owner asks (`village join --ask`).",
      .example = "village market quote --time 2h --tier silver\n"
                 "village market auction --work 5000 --reserve 40 --duration 1m --job job.json\n"
                 "village market auction 3f2a\nvillage market auctions\nvillage market prices" },
    { .name = "bench",
      .group = GROUP_KEEP,
      .summary = "how fast nodes are, measured by the coordinator",
      .operands = "[NODE]",
      .most = 1,
      ROWS(bench_options),
      .json = "the answer of GET /v1/fog/rates",
      .run = command_bench,
      .exits = "0 1 2 3 4 5",
      .about = "Without a node it shows what was measured. With one, or --all, it measures: a node is measured when it has "
               "nothing to do, and then gets no other work for a few seconds. What a node says of itself does not count.",
      .example = "village bench\nvillage bench attic\nvillage bench --all" },
    { .name = "quorum",
      .group = GROUP_KEEP,
      .summary = "promises of availability: what can be promised, what was, and how it was kept",
      .operands = "[agreements|check]",
      .most = 1,
      .operand_choices = "agreements|check",
      ROWS(quorum_options),
      .json = "{\"items\": [agreement...]}; with check the answer of POST /v1/fog/quorum/check",
      .run = command_quorum,
      .exits = ASKS,
      .about = "A job with --tier runs on nodes that keep its availability together, or is refused with the reason. Nodes are judged by "
               "how long they were there, and by what they share: site, owner and the other labels of `village join`.\n"
               "What was missed beyond what the tier allows is owed back: docs/fog.md. `check` exits with 1 when the tier cannot be "
               "honoured.",
      .example = "village quorum\nvillage quorum check --tier gold\nvillage quorum check --tier silver --replicas 3 --json" },
    { .name = "anchor",
      .group = GROUP_KEEP,
      .summary = "heads of the log of receipts on a chain: how it stands, and proofs",
      .operands = "[status|account|deploy|prove [RECEIPT]|verify FILE]",
      .most = 2,
      ROWS(anchor_options),
      .json = "the answer of GET /v1/fog/anchors; with account {\"account\", \"key_file\", \"chain\", \"balance_wei\", \"nonce\"}; with deploy {\"contract\", "
              "\"account\", \"tx\", \"block\", \"gas\"}; with prove the answer of GET /v1/fog/anchors/{index}; with verify {\"shown\", \"reason\", ...}",
      .run = command_anchor,
      .exits = "0 1 2 4 5",
      .about = "A node started with --anchor-url writes the head of its log of receipts to a contract, so that all see one log, and since when. "
               "`account` shows whom to send coins to, `deploy` makes the contract; both need no village.\n"
               "`prove` gets a proof that a receipt, named by its number in the log, or else the newest head, is on the chain. `verify` "
               "checks it without asking anybody, says what you have to trust, and exits with 1 unless all holds.",
      .example = "village anchor account --anchor-url https://rpc.example.org --anchor-chain 1\n"
                 "village anchor deploy --anchor-url https://rpc.example.org --anchor-chain 1\nvillage anchor\nvillage anchor prove 17 -o receipt17.anchor\n"
                 "village anchor verify receipt17.anchor --block 0x4e3a3754410177e6937ef1f84bba68ea139e8d1a2258c5f85db9f1cd715a1bdd" },
    { .name = "tee",
      .group = GROUP_KEEP,
      .summary = "what this machine has to prove where programs run: TEEs, TPM",
      .operands = "[list|quote FILE]",
      .most = 2,
      .operand_kind = VALUE_FILE,
      ROWS(tee_options),
      .json = "{\"items\": [{\"provider\", \"what\", \"kind\", \"present\", \"denied\", \"why\"}...]}; with quote {\"provider\", \"kind\", \"file\", "
              "\"nonce\", \"bytes\", \"verdict\": {\"accepted\", \"reason\", \"level\"}}",
      .run = command_tee,
      .exits = "0 1 2",
      .about = "Asks the machine itself, and no gateway. `list` shows every provider, and of those that are not here what was looked for "
               "and what would help.\n"
               "`quote` has one sign a nonce and writes the evidence, as text, to FILE (- is standard output); it says how that looks to "
               "somebody who has vendors' roots and nothing else.",
      .example = "village tee list\nvillage tee quote evidence.txt\n"
                 "village tee quote --provider tpm --nonce $(openssl rand -hex 32) --module wc.wasm evidence.txt --json" },
    { .name = "mix",
      .group = GROUP_KEEP,
      .summary = "the private network: its state, its relays, who keeps its directory",
      .operands = "[status|relays|authorities NODE...|ping NODE|capacity]",
      .most = 10,
      ROWS(mix_options),
      .json = "the answer of GET /v1/mix; with relays {\"items\": [relay...]}; with authorities {\"authorities\": n}; with ping {\"rtt_ms\"}; with capacity "
              "{\"rate\", \"seconds\", \"sent\", \"received\", \"cpu_us\", \"one_core\"}",
      .run = command_mix,
      .exits = "0 1 2 3 4 5",
      .about = "Mixes are members started with --mix. `village mix authorities` names three to nine members that keep "
               "the directory, and so begins the private network; run it on the first node.\n"
               "`village mix capacity` measures what this machine carries as a mix without losing a packet, for --mix-rate; it "
               "needs no village.\n"
               "What the private network hides from whom: docs/mixnet.md.",
      .example = "village mix\nvillage mix relays\nvillage mix authorities alder birch cedar --epoch 30m\n"
                 "village mix ping damson\nvillage mix capacity" },
    { .name = "harvest",
      .group = GROUP_KEEP,
      .summary = "what this machine lends, and what is in the way",
      .operands = "[status|policy [NAME=VALUE...]|pause [DURATION]|resume]",
      .most = 40,
      .json = "the answer of GET /v1/fog/harvest; with figures for policy {\"set\": n}; with pause and resume {\"paused\": bool}",
      .run = command_harvest,
      .exits = ASKS,
      .about = "For nodes started with --harvest. Such a node works for the village only while every rule holds, and a person at "
               "the machine stops it at once. `village harvest policy` shows the figures of the rules; new ones count at once and "
               "are kept.\n"
               "The rules, and what a machine lacks: docs/fog.md.",
      .example = "village harvest\nvillage harvest policy\nvillage harvest policy cpu=30 window.from=23:00\nvillage harvest pause 2h\n"
                 "village harvest resume" },
    { .name = "contributions",
      .group = GROUP_KEEP,
      .summary = "what harvested machines gave, by session",
      .operands = "",
      .json = "the answer of GET /v1/fog/contributions",
      .run = command_contributions,
      .exits = ASKS,
      .about = "On the first node: of all machines, with the processor time that their receipts prove. On a member: its own.",
      .example = "village contributions" },
    { .name = "zk",
      .group = GROUP_KEEP,
      .summary = "prove what is true of numbers without showing them, and check such proofs",
      .operands = "key [FILE]|nonce|set|compile PREDICATE|issue VALUES|prove PREDICATE|verify PROOF...",
      .least = 1,
      .most = 257,
      .operand_kind = VALUE_FILE,
      ROWS(zk_options),
      .json = "with compile {\"id\", \"predicate\", \"attributes\", \"steps\", \"bytes\", \"prove_us\", \"verify_us\", ...}; with verify {\"items\": [{\"file\", "
              "\"ok\", \"reason\", ...}...]}; with key {\"public\"}; with issue {\"credential\", \"opening\", \"issuer\", \"until_ms\"}",
      .run = command_zk,
      .exits = "0 1 2 3",
      .about = "An issuer signs commitments to numbers (issue); who holds them proves a predicate about them (prove); anybody checks "
               "the proof, and learns nothing else (verify, which exits with 1 when one of the proofs is refused). compile shows how a predicate is proved, and what it costs.\n"
               "No node and no gateway is needed. The language, and what a proof does not say: docs/trust.md.",
      .example = "village zk key issuer.key\nvillage zk issue quarter.json --key issuer.key --about 'sla 2026-Q3' --out quarter\n"
                 "village zk compile sla.zk\nvillage zk nonce\n"
                 "village zk prove sla.zk -c quarter.credential --opening quarter.opening --purpose tender --out sla.proof\n"
                 "village zk verify sla.proof -p sla.zk --issuer $(village zk key -k issuer.key) --purpose tender" },
    { .name = "status",
      .group = GROUP_KEEP,
      .summary = "the village at a glance",
      .operands = "",
      .json = "{\"health\": object, \"info\": object, \"nodes\": {state: count}, \"jobs\": {state: count}}",
      .run = command_status,
      .exits = ASKS,
      .about = "Exits with 0 when the gateway answers and is healthy, with 1 when it is degraded.",
      .example = "village status\nvillage status --server http://127.0.0.1:8001" },

    { .name = "help",
      .group = GROUP_HELP,
      .summary = "show help, for one command or for all",
      .operands = "[COMMAND]",
      .most = 1,
      .run = command_help,
      .exits = "0 2",
      .example = "village help\nvillage help run" },
    { .name = "version",
      .group = GROUP_HELP,
      .summary = "show the version",
      .operands = "",
      .json = "{\"version\"}",
      .run = command_version,
      .exits = "0",
      .example = "village version --json" },
    { .name = "completion",
      .group = GROUP_HELP,
      .summary = "print the completion script of a shell",
      .operands = "bash|zsh",
      .least = 1,
      .most = 1,
      .operand_choices = "bash|zsh",
      .run = command_completion,
      .exits = "0 2",
      .example = "source <(village completion bash)\n"
                 "village completion zsh > ~/.zfunc/_village" },
    { .name = "man",
      .group = GROUP_HELP,
      .summary = "print the manual page as roff",
      .operands = "",
      .run = command_man,
      .exits = "0",
      .example = "village man | man -l -" },
    { .name = "runner",
      .group = GROUP_HELP,
      .hidden = true,
      .raw = true,
      .summary = "the process that runs tasks",
      .operands = "",
      .run = command_runner,
      .exits = "0 1",
      .example = "" },
};
const size_t commands_n = sizeof commands / sizeof commands[0];

const struct name_text environment[] = {
    { "VILLAGE_ADDR", "the gateway, as --server" },
    { "VILLAGE_TOKEN", "the access token, as --token" },
    { "VILLAGE_DATA", "the data folder, as --data" },
    { "XDG_DATA_HOME", "where data folders live; default ~/.local/share" },
    { "NO_COLOR", "when not empty, as --no-color" },
};
const size_t environment_n = sizeof environment / sizeof environment[0];

const struct exit_text exit_texts[] = {
    { 0, "done" },
    { 1, "failed" },
    { 2, "wrong use: unknown command or option, value out of range" },
    { 3, "not found: no such job, node, ticket or file" },
    { 4, "denied: token missing, wrong or without the right" },
    { 5, "unreachable: no gateway answers" },
    { 6, "the job ended without success" },
    { 7, "the job passed its time limit" },
    { 130, "interrupted; a submitted job goes on" },
};
const size_t exit_texts_n = sizeof exit_texts / sizeof exit_texts[0];
