/* job_body.h - the body of a job submission: checked JSON in, struct job_spec out. */
#ifndef VL_GATEWAY_JOB_BODY_H
#define VL_GATEWAY_JOB_BODY_H

#include "gateway/schema.h"
#include "wire/job.h"

/* A spec and the bytes it borrows from. */
struct job_body {
    struct job_spec spec;
    struct vl_buf inputs, strings; /* packed inputs; arguments, environment, merge arguments */
};

/* `root` passed the table job_body_rows.  It must outlive ret: names and the command are borrowed from it.
 * VL_EPARSE: errors names the fields that do not go together.  VL_ELIMIT, VL_ENOMEM.  Free in every case. */
VL_MUST_CHECK enum vl_err job_body_read(const json_t *root, struct job_body *ret, struct schema_errors *errors);
void job_body_free(struct job_body *b);

#endif
