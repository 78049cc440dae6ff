/* receipt.h - signed receipts: a worker states what it ran on which inputs and what came out (FOG-11).
 * Signature: Ed25519 (RFC 8032) under the context "village-receipt-1:" over the canonical encoding of all fields but
 * the signature itself. Roots: BLAKE2b-256 over a domain prefix, the count, and (name length, name, size, hash) of each
 * file sorted by name. The output root leaves "stderr" out: diagnostics may differ between honest replicas. */
#ifndef VL_FOG_RECEIPT_H
#define VL_FOG_RECEIPT_H

#include "crypto/sign.h"
#include "wire/task.h"

struct vl_hash receipt_input_root(const struct task_spec *spec);
struct vl_hash receipt_output_root(const struct task_output *outputs, uint32_t n);
/* wasm: the module's hash; native: a hash of the command path under its own domain (the file is the worker's). */
struct vl_hash receipt_program(const struct task_spec *spec);
/* Any text that names compiler, options and runtime exactly. */
struct vl_hash receipt_toolchain(struct vl_span description);

/* Signs in place: sets r->node and r->signature; borrows the key.  VL_ERANGE: epoch 0, or ended before started. */
VL_MUST_CHECK enum vl_err receipt_sign(struct receipt *r, const struct crypto_sign_key *key);
/* VL_ECRYPTO: not signed by r->node.  VL_ERANGE: as above. */
VL_MUST_CHECK enum vl_err receipt_verify(const struct receipt *r);
/* A report's receipt checked in full: present, signed by `from`, the same run, times and exit code, and the root of the
 * report's outputs; program and inputs those of `spec` (NULL: not compared).  VL_ECRYPTO, VL_ENOTFOUND (no receipt). */
VL_MUST_CHECK enum vl_err receipt_check(const struct task_report *report, struct vl_node_id from,
                                        const struct task_spec *spec);

#endif
