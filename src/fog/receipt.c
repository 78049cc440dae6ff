#include "fog/receipt.h"

#include "crypto/hash.h"
#include "wire/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECEIPT_BODY_MAX 512u

struct file {
    struct vl_span name;
    uint64_t size;
    const struct vl_hash *hash;
};

static int by_name(const void *a, const void *b) {
    const struct file *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int c = n ? memcmp(x->name.p, y->name.p, n) : 0;
    return c != 0 ? c : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static struct vl_hash root_of(const char *domain, struct file *files, uint32_t n) {
    if (n > 1) qsort(files, n, sizeof *files, by_name);
    struct crypto_blake2b h;
    uint8_t head[8];
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, domain, strlen(domain) + 1);
    vl_put_u32(head, n);
    crypto_blake2b_update(&h, head, 4);
    for (uint32_t i = 0; i < n; i++) {
        vl_put_u16(head, (uint16_t)files[i].name.n);
        crypto_blake2b_update(&h, head, 2);
        crypto_blake2b_update(&h, files[i].name.p, files[i].name.n);
        vl_put_u64(head, files[i].size);
        crypto_blake2b_update(&h, head, 8);
        crypto_blake2b_update(&h, files[i].hash->b, sizeof files[i].hash->b);
    }
    struct vl_hash root;
    crypto_blake2b_final(&h, &root);
    return root;
}

struct vl_hash receipt_input_root(const struct task_spec *spec) {
    assert(spec->n_inputs <= VL_TASK_INPUTS_MAX);
    struct file files[VL_TASK_INPUTS_MAX];
    for (uint32_t i = 0; i < spec->n_inputs; i++)
        files[i] = (struct file){ spec->inputs[i].name, spec->inputs[i].size, &spec->inputs[i].hash };
    return root_of("village-inputs-1:", files, spec->n_inputs);
}

struct vl_hash receipt_output_root(const struct task_output *outputs, uint32_t n) {
    assert(n <= VL_TASK_OUTPUTS_MAX);
    struct file files[VL_TASK_OUTPUTS_MAX];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!vl_span_eq(outputs[i].name, vl_span_str("stderr")))
            files[kept++] = (struct file){ outputs[i].name, outputs[i].size, &outputs[i].hash };
    return root_of("village-outputs-1:", files, kept);
}

static struct vl_hash text_hash(const char *domain, struct vl_span text) {
    struct crypto_blake2b h;
    struct vl_hash ret;
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, domain, strlen(domain) + 1);
    crypto_blake2b_update(&h, text.p, text.n);
    crypto_blake2b_final(&h, &ret);
    return ret;
}

struct vl_hash receipt_program(const struct task_spec *spec) {
    return spec->kind == TASK_WASM ? spec->program : text_hash("village-command-1:", spec->command);
}

struct vl_hash receipt_toolchain(struct vl_span description) {
    return text_hash("village-toolchain-1:", description);
}

enum vl_err receipt_sign(struct receipt *r, const struct crypto_sign_key *key) {
    struct receipt signed_one = *r;
    signed_one.node = crypto_sign_node_id(key);
    struct vl_buf body;
    vl_buf_init(&body, RECEIPT_BODY_MAX);
    enum vl_err err = receipt_body_encode(&signed_one, &body);
    if (err == VL_OK) err = crypto_sign_message(key, RECEIPT_CONTEXT, vl_span(body.p, body.len), signed_one.signature);
    if (err == VL_OK) *r = signed_one;
    vl_buf_free(&body);
    return err;
}

enum vl_err receipt_verify(const struct receipt *r) {
    struct vl_buf body;
    vl_buf_init(&body, RECEIPT_BODY_MAX);
    enum vl_err err = receipt_body_encode(r, &body);
    if (err == VL_OK) err = crypto_verify_message(r->node.b, RECEIPT_CONTEXT, vl_span(body.p, body.len), r->signature);
    vl_buf_free(&body);
    return err;
}

enum vl_err receipt_check(const struct task_report *p, struct vl_node_id from, const struct task_spec *spec) {
    if (!p->has_receipt) return VL_ENOTFOUND;
    const struct receipt *r = &p->receipt;
    if (!vl_node_eq(r->node, from) || !vl_job_eq(r->job, p->job) || r->task != p->task || r->epoch != p->epoch ||
        r->exit_code != p->exit_code || r->started_ms != p->started_ms || r->ended_ms != p->ended_ms ||
        r->cpu_us != p->cpu_us)
        return VL_ECRYPTO;
    if (!vl_hash_eq(r->output_root, receipt_output_root(p->outputs, p->n_outputs))) return VL_ECRYPTO;
    if (spec != NULL &&
        (!vl_hash_eq(r->program, receipt_program(spec)) || !vl_hash_eq(r->input_root, receipt_input_root(spec))))
        return VL_ECRYPTO;
    return receipt_verify(r);
}
