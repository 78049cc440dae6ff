/* Job bodies: strict JSON against the table; what is taken must make a valid spec, and errors must carry a pointer. */
#include "gateway/gateway_priv.h"
#include "gateway/job_body.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct schema_errors e;
    json_t *root = NULL;
    char pointer[SCHEMA_POINTER_MAX];
    schema_pointer_at(vl_span(p, n), n / 2, pointer);
    enum vl_err err = schema_parse(vl_span(p, n), job_body_rows, &e, &root);
    if (err == VL_EPARSE && e.n == 0) abort();
    if (err != VL_OK) return 0;
    struct job_body b;
    err = job_body_read(root, &b, &e);
    if (err == VL_EPARSE && e.n == 0) abort();
    if (err == VL_OK) {
        struct vl_buf encoded, text;
        vl_buf_init(&encoded, JOB_SPEC_MAX);
        vl_buf_init(&text, 16u << 20);
        if (job_spec_encode(&b.spec, &encoded) != VL_OK) abort();
        struct jw j = jw_begin(&text);
        emit_spec(&j, &b.spec);
        json_t *again = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
        if (j.failed || again == NULL) abort(); /* what we write is strict JSON */
        json_decref(again);
        vl_buf_free(&encoded);
        vl_buf_free(&text);
    }
    job_body_free(&b);
    json_decref(root);
    return 0;
}
