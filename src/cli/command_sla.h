/* command_sla.h - the parts of `village availability` that have secrets: counters signed for a node, and claims proved about them. */
#ifndef VL_CLI_COMMAND_SLA_H
#define VL_CLI_COMMAND_SLA_H

#include "cli/session.h"

/* At the first node: NAME.credential, NAME.opening and NAME.certificate for the node with this id. */
int command_sla_issue(struct cli *cli, const char *id, const char *name);
/* Of these three files: a proof that at least --answered ppm of the challenges were answered. */
int command_sla_prove(struct cli *cli, const char *name);

#endif
