/* options_proof.h - rows and options of commands about proofs; a part of commands.c, which has the units. */
#ifndef VL_CLI_OPTIONS_PROOF_H
#define VL_CLI_OPTIONS_PROOF_H

static const struct cli_option receipts_options[] = {
    { .name = "proof", .help = "with --json: add the proof of each receipt and the signed head of the log" },
    { .name = "check", .help = "verify signatures and proofs on this machine" },
    { .name = "save",
      .kind = VALUE_FILE,
      .value = "FILE",
      .min = 1,
      .max = PATH_BYTES,
      .help = "write a proof of one task into FILE, for `village verify`; \"-\": standard output" },
    { .name = "task", .kind = VALUE_INTEGER, .value = "N", .min = 0, .max = 19999, .def = "0", .help = "with --save: which task" },
};
static const struct cli_option verify_options[] = {
    { .name = "village",
      .kind = VALUE_TEXT,
      .value = "ID",
      .min = 1,
      .max = 64,
      .help = "the village that it must be of, as `village status` shows it" },
    { .name = "key", .kind = VALUE_TEXT, .value = "NODE", .min = 1, .max = 64, .help = "whole node id of the key that must have signed a head of a log, or a predicate's numbers" },
    { .name = "root",
      .kind = VALUE_FILE,
      .value = "FILE",
      .min = 1,
      .max = PATH_BYTES,
      .repeat = true,
      .help = "certificates (PEM) that authorities for time-stamps must lead to" },
    { .name = "at", .kind = VALUE_TEXT, .value = "TIME", .min = 1, .max = 32, .help = "judge as of then (2026-11-28T20:00:00Z, or seconds since 1970); default: now" },
    { .name = "kind", .kind = VALUE_TEXT, .value = "KIND", .min = 1, .max = 24, .help = "the kind that it must be" },
    { .name = "witnesses", .kind = VALUE_INTEGER, .value = "N", .min = 0, .max = 64, .def = "0", .help = "refuse heads of logs that fewer members cosigned" },
    { .name = "program", .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "the module that must have run" },
    { .name = "input",
      .kind = VALUE_FILE,
      .value = "[NAME=]FILE",
      .min = 1,
      .max = PATH_BYTES,
      .repeat = true,
      .help = "the inputs that it must have had, all of them" },
    FLAG("no-input", 0, "it must have had no inputs"),
    { .name = "output",
      .kind = VALUE_FILE,
      .value = "[NAME=]FILE",
      .min = 1,
      .max = PATH_BYTES,
      .repeat = true,
      .help = "the outputs that it must have made, all of them but stderr (standard output: stdout=FILE)" },
    { .name = "file", .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "the file that a timestamp is for" },
    { .name = "block", .kind = VALUE_TEXT, .value = "HASH", .min = 64, .max = 66, .help = "hash of the chain's block that an anchor names, as somebody whom you trust has it" },
    { .name = "header", .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "header of the Bitcoin block, 80 bytes or their hex digits" },
    { .name = "nonce", .kind = VALUE_TEXT, .value = "HEX", .min = 64, .max = 64, .help = "the nonce that evidence of a machine must answer" },
    { .name = "attest-dir",
      .kind = VALUE_FOLDER,
      .value = "DIR",
      .min = 1,
      .max = 255,
      .help = "certificates, revocation lists and collateral of vendors, for evidence of a machine" },
    { .name = "attest-policy", .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "policy on evidence: more roots, levels, measurements" },
};
static const struct cli_option timestamp_options[] = {
    { .name = "form", .kind = VALUE_CHOICE, .choices = "rfc3161|ots", .def = "rfc3161", .help = "an authority's time-stamp, or OpenTimestamps" },
    { .name = "output", .letter = 'o', .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "where to; default: beside FILE" },
};
#define VERIFY_COMMAND \
    { .name = "verify", \
      .group = GROUP_RUN, \
      .summary = "check any proof offline, and say what it proves, to whom, as of when", \
      .operands = "FILE", \
      .least = 1, \
      .most = 1, \
      .operand_kind = VALUE_FILE, \
      ROWS(verify_options), \
      .json = "{\"proved\", \"kind\", \"reason\", \"proves\": [text...], \"not_proved\": [text...], \"to_whom\", \"as_of\", \"facts\": [{\"name\", \"value\"}...]}", \
      .run = command_verify, \
      .exits = "0 1 2 3", \
      .about = "Nobody is asked: not a gateway, not the network. FILE may be \"-\". Kinds: execution, contradiction, consistency, certificate, anchor, predicate, attestation, " \
               "attested, neighbours, availability, sla, checkpoint, opentimestamps, timestamp.\n" \
               "Exits with 0 when it is proved, with 1 when it is refuted or something is missing. Without --village it says of which village it " \
               "speaks, and leaves it to you whether that is yours.", \
      .example = "village verify job.proof --village 3f0c1d9e52a84b7796e2d0c4b8a1f5e3 --witnesses 2\n" \
                 "village verify job.proof --program wc.wasm --input book.txt --output stdout=result\n" \
                 "village verify paper.pdf.tsr --file paper.pdf --root authority.pem\n" \
                 "village verify paper.pdf.ots --file paper.pdf --header block" }

#define TIMESTAMP_COMMAND \
    { .name = "timestamp", \
      .group = GROUP_RUN, \
      .summary = "ask others to witness when a file existed", \
      .operands = "request FILE|attach FILE ANSWER", \
      .least = 2, \
      .most = 3, \
      ROWS(timestamp_options), \
      .json = "{\"file\": what was written}", \
      .run = command_timestamp, \
      .exits = "0 1 2 3", \
      .about = "`request` writes what to send: only a hash of the file leaves your hands. `attach` takes the answer, when it is for this file. " \
               "Check it with `village verify`.", \
      .example = "village timestamp request paper.pdf\nvillage timestamp attach paper.pdf answer.tsr\n" \
                 "village timestamp request paper.pdf --form ots\nvillage timestamp attach paper.pdf answer --form ots" }

#endif
