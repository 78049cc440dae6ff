/* Where members run, by evidence. */
#include "brain/priv.h"

void attest_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body) {
    (void)p;
    (void)kind;
    (void)body;
    b->counters.messages_bad++;
}
void attest_told(struct brain *b, struct vl_span bytes) {
    (void)bytes;
    b->counters.messages_bad++;
}
void brain_tee_quoted(struct brain *b, vl_ms now, uint64_t req, const struct attestation *v, size_t n, const char *why) {
    (void)b, (void)now, (void)req, (void)v, (void)n, (void)why;
}
void brain_tee_activated(struct brain *b, vl_ms now, uint64_t req, struct vl_span secret) {
    (void)b, (void)now, (void)req, (void)secret;
}
void brain_attest_run(struct brain_attest *a) { (void)a; }
void brain_attest_done(struct brain *b, vl_ms now, struct brain_attest *a) { (void)b, (void)now, (void)a; }
void brain_attest_free(struct brain_attest *a) { (void)a; }
