/* zk_command.h - the parts of `village zk` that have files of their own. */
#ifndef VL_CLI_ZK_COMMAND_H
#define VL_CLI_ZK_COMMAND_H

#include "cli/zk_files.h"

int zk_command_issue(struct cli *cli);
int zk_command_prove(struct cli *cli);
int zk_command_verify(struct cli *cli);

#endif
