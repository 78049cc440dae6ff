/* evidence.h - the options --attest-policy and --attest-dir of commands that judge evidence on this machine. */
#ifndef VL_CLI_EVIDENCE_H
#define VL_CLI_EVIDENCE_H

#include "cli/session.h"
#include "trust/admission.h"

/* Without the options: the vendors' roots that are built in.  An exit code; it has said what is wrong. */
int evidence_admission(struct cli *cli, struct admission **ret);

#endif
