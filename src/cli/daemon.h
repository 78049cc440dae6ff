/* daemon.h - what the command line needs from the program's main(): how a node is started.
 * cli/ may not see node/ or gateway/ (architecture.md section 1), so main() hands these functions to cli_main(). */
#ifndef VL_CLI_DAEMON_H
#define VL_CLI_DAEMON_H

#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>

#define CLI_LABELS_MAX 9u

/* Checked by the parser; every pointer is borrowed for the call and never NULL unless said so. */
struct cli_up_options {
    const char *data_dir; /* made by the callee when absent */
    const char *name;     /* 1..VL_NAME_MAX - 1 bytes; NULL: the host's name */
    const char *listen;   /* "ADDR:PORT" of the HTX listener; IPv6 as "[ADDR]:PORT"; PORT 0..65535 */
    const char *advertise; /* "ADDR:PORT" that tickets carry; NULL: what `listen` suggests */
    const char *gateway;  /* "ADDR:PORT" of the REST gateway; NULL: none */
    const char *ticket;   /* join: the ticket as typed, at most CLI_TICKET_MAX bytes, "" when none was; up: NULL */
    unsigned slots;       /* tasks at a time, 1..48; 0: one for each CPU */
    vl_ms heartbeat_ms, lost_ms; /* > 0 */
    vl_ms epoch_ms; /* up: of draws; 0: an hour */
    bool mix;           /* be a mix of the private network */
    unsigned mix_rate;  /* packets per second at most; 0: the default */
    const char *family; /* operator of this node; NULL: not declared */
    const char *labels[CLI_LABELS_MAX]; /* "KIND=NAME" as typed, n_labels of them */
    unsigned n_labels;
    unsigned long long cost; /* of an hour of one slot, micro-credits */
    unsigned long long ask;   /* for an H200-hour, micro-credits; 0: the village's price */
    unsigned long long price; /* up: the village's price of an H200-hour, micro-credits; 0: the default */
    bool no_cover;      /* no part in the private network as a client */
    struct {
        const char *url;      /* NULL: no anchors */
        const char *key_file; /* NULL: anchor.key in the data folder */
        bool plain;
        unsigned long long chain, fee_max; /* fee_max: wei per gas */
        unsigned char contract[20];
        unsigned depth;
        vl_ms every, patience;
    } anchor;
    bool harvest;       /* takes work only while its owner's rules allow it */
    const char *sensor_root; /* with harvest: before the path of every sensor; NULL: none */
    const char *attest_policy, *attest_dir;  /* up: policy on evidence, certificates and collateral; NULL: none */
    const char *tpm, *ek_cert, *qgs, *device_root; /* where the machine's providers of evidence are; NULL: in their places */
    unsigned long long rotate_after_ms; /* 0: keys are replaced only when somebody says so */
    const char *passphrase_file, *key_tpm, *key_module, *pin_file; /* how node.keys is opened when it is sealed; each may be NULL */
    enum vl_log_form log_form;
    enum vl_level log_level;
};
#define CLI_TICKET_MAX 1024u /* a ticket must fit a QR code that a phone reads from a terminal */

/* A measurement of this machine as a mix; node/capacity.h says what is measured. */
struct cli_capacity {
    unsigned rate, seconds; /* in: rate 0: search.  out: of the trial that counts */
    unsigned long long sent, received;
    double cpu_us; /* of the mix for each packet */
    bool one_core;
};

/* A reputation and the evidence for it, as the gateway gave them; trust/reputation.h has the rules. */
struct cli_reputation {
    const unsigned char *state, *records; /* borrowed: "state"; every "record", one behind the other */
    size_t state_n, records_n;
    unsigned base_milli;
    vl_ms at_ms;
    /* out: what the evidence gives */
    unsigned trust_ppm, doubt_ppm, error_ppm;
    unsigned char by[32]; /* who signed it; zeros: there is none */
};

/* The account for anchors, and the contract (node/chain_client.h). */
struct cli_chain {
    const char *url;      /* NULL: only the account */
    const char *key_file;
    bool plain, deploy;
    unsigned long long chain, fee_max; /* 0: whatever chain it is; wei per gas */
    vl_ms wait_ms;        /* deploy: for a block */
    /* out */
    char account[43], contract[43], tx[67];
    unsigned long long is_chain, nonce, balance_wei, block, gas; /* balance ULLONG_MAX: that or more */
};

/* Each runs until the daemon ends and returns the exit code of the process (cli.h, enum cli_exit). */
struct cli_hooks {
    int (*up)(const struct cli_up_options *options);
    int (*join)(const struct cli_up_options *options);
    /* The hidden command `village runner ...`; argv[0] is "runner". */
    int (*runner)(int argc, char **argv);
    /* These three: 0, or 1 with what went wrong in `problem`; `progress` gets lines for people. */
    int (*chain)(struct cli_chain *c, char problem[256]);
    int (*reputation)(struct cli_reputation *r, char problem[256]);
    int (*capacity)(struct cli_capacity *c, void (*progress)(void *arg, const char *text), void *arg, char problem[256]);
};

#endif
