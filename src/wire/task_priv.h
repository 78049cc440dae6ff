/* task_priv.h - parts that the codecs of wire/ share.  Not for other folders. */
#ifndef VL_WIRE_TASK_PRIV_H
#define VL_WIRE_TASK_PRIV_H

#include "wire/pack.h"
#include "wire/task.h"

bool task_strings_ok(struct vl_span args, struct vl_span env);
bool task_program_ok(enum task_kind kind, const struct vl_hash *program, struct vl_span command);
void task_limits_pack(struct pack *w, const struct task_limits *l);
void task_limits_unpack(struct vl_reader *r, struct task_limits *ret);

#endif
