/* options_anchor.h - options of `anchor`, and those of `up` that are about anchors; a part of commands.c, which has the units. */
#ifndef VL_CLI_OPTIONS_ANCHOR_H
#define VL_CLI_OPTIONS_ANCHOR_H

/* Of whoever speaks to a chain: `up`, and `anchor account` and `deploy` before it. */
#define CHAIN_OPTIONS \
    { .name = "anchor-url", .kind = VALUE_TEXT, .value = "URL", .min = 8, .max = 1023, \
      .help = "JSON-RPC of an Ethereum chain, https://..., or http:// on this machine; other users see it in the list of processes" }, \
    { .name = "anchor-chain", .kind = VALUE_INTEGER, .value = "N", .min = 1, .max = 1ll << 53, .help = "number of the chain (EIP-155), so that no other is written to" }, \
    { .name = "anchor-key-file", .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, \
      .help = "key of the account that pays, 64 hexadecimal digits; made when absent; default: anchor.key in the data folder" }, \
    { .name = "anchor-fee-max", .kind = VALUE_INTEGER, .value = "GWEI", .min = 1, .max = 1000000, .def = "200", .help = "most that is paid for a unit of gas; above it, it waits" }, \
    FLAG("anchor-plain", 0, "allow http:// to other machines: whoever is between reads and changes what is said"),

#define ANCHOR_UP_OPTIONS \
    { .name = "anchor-contract", .kind = VALUE_TEXT, .value = "ADDRESS", .min = 42, .max = 42, .help = "the AnchorRegistry to write to: see `village anchor deploy`" }, \
    { .name = "anchor-confirmations", .kind = VALUE_INTEGER, .value = "N", .min = 1, .max = 1000, .def = "12", .help = "blocks on top before an anchor counts" }, \
    { .name = "anchor-every", .kind = VALUE_DURATION, .value = "TIME", .min = 1000, .max = 30 * DAY, .def = "1h", \
      .help = "how often the head of the log of receipts is anchored, when it has grown" }, \
    { .name = "anchor-patience", .kind = VALUE_DURATION, .value = "TIME", .min = 1000, .max = DAY, .def = "3m", \
      .help = "time without a block after which the fee is raised by a tenth" },

static const struct cli_option anchor_options[] = {
    CHAIN_OPTIONS
    { .name = "output", .letter = 'o', .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "with prove: where the proof goes; default: standard output" },
    { .name = "block", .kind = VALUE_TEXT, .value = "HASH", .min = 64, .max = 66,
      .help = "with verify: hash of the block that the proof names, as somebody whom you trust has it" },
    { .name = "anchor-contract", .kind = VALUE_TEXT, .value = "ADDRESS", .min = 42, .max = 42, .help = "with verify: the contract that it must be" },
    { .name = "signer", .kind = VALUE_TEXT, .value = "NODE", .min = 1, .max = 64, .help = "with verify: whole id of the node that must have signed the head" },
};

#endif
