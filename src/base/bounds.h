/* bounds.h - every limit that more than one folder must agree on, with its reason.
 * Limits of one module stand in that module's header. */
#ifndef VL_BASE_BOUNDS_H
#define VL_BASE_BOUNDS_H

#define VL_FRAME_MAX 65536u           /* NET-03: HTX frame */
#define VL_MESSAGE_MAX (256u * 1024u) /* one message on a link, after reassembly; larger things are blobs */
#define VL_PAYLOAD_MAX (64u * 1024u)  /* payload of one envelope */
#define VL_NAME_MAX 64u               /* node names, file names inside a task, labels; bytes with the NUL */
#define VL_ADDR_MAX 96u               /* "[ip]:port" or "host:port" as text, with the NUL */
#define VL_ARGS_MAX 64u               /* arguments of a program */
#define VL_ARGS_BYTES 8192u           /* all arguments and environment of a task, with their NULs */
#define VL_TASK_INPUTS_MAX 64u        /* input files of one task */
#define VL_TASK_OUTPUTS_MAX 64u       /* output files of one task, stdout and stderr among them */
#define VL_JOB_TASKS_MAX 10000u       /* tasks of one job */
#define VL_JOBS_MAX 200000u           /* unfinished and remembered jobs of a coordinator */
#define VL_NODES_MAX 100000u          /* FOG headroom: nodes of a village */
#define VL_BLOB_MAX (4ull << 30)      /* one blob */
#define VL_CHUNK (256u * 1024u)       /* blob bytes per request on a link */
#define VL_INLINE_MAX 8192u           /* blobs up to this size travel inside the message that names them */
#define VL_LINKS_MAX 1024u            /* links of a node */

#endif
