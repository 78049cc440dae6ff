/* handlers.h - one function for each row of the table of commands. Each returns an exit code (enum cli_exit) and has
 * said on standard error why when that is not CLI_OK. */
#ifndef VL_CLI_HANDLERS_H
#define VL_CLI_HANDLERS_H

#include "base/err.h"

struct cli;
struct receipt;

int command_up(struct cli *cli);
int command_join(struct cli *cli);
int command_runner(struct cli *cli);
int command_ticket(struct cli *cli);
int command_tickets(struct cli *cli);
int command_revoke(struct cli *cli);
int command_run(struct cli *cli);
int command_jobs(struct cli *cli);
int command_job(struct cli *cli);
int command_receipts(struct cli *cli);
int command_verify(struct cli *cli);
int command_timestamp(struct cli *cli);
int command_explain(struct cli *cli);
int command_nodes(struct cli *cli);
int command_neighbours(struct cli *cli);
int command_availability(struct cli *cli);
int command_keep(struct cli *cli);
int command_reputation(struct cli *cli);
int command_maintenance(struct cli *cli);
int command_expel(struct cli *cli);
/* VL_ECRYPTO: not signed by the worker that it names. */
VL_MUST_CHECK enum vl_err cli_receipt_signed(const struct receipt *r);
int command_anchor(struct cli *cli);
int command_harvest(struct cli *cli);
int command_contributions(struct cli *cli);
int command_mix(struct cli *cli);
int command_market(struct cli *cli);
int command_bench(struct cli *cli);
int command_quorum(struct cli *cli);
int command_attest(struct cli *cli);
int command_tee(struct cli *cli);
int command_keys(struct cli *cli);
int command_keys_cosign(struct cli *cli); /* a part of it */
int command_status(struct cli *cli);
int command_zk(struct cli *cli);
int command_help(struct cli *cli);
int command_version(struct cli *cli);
int command_completion(struct cli *cli);
int command_man(struct cli *cli);

/* The common end of `run` and `job --follow`: waits, then prints the result, or saves the outputs in `dir` when it is
 * not NULL. */
int command_finish(struct cli *cli, const char *id, const char *dir);

#endif
