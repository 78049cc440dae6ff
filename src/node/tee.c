/* What the machine's providers of trusted execution sign for the brain. */
#include "node/priv.h"

void tee_quote(struct node *n, const struct brain_effect *e) {
    brain_tee_quoted(n->brain, node_now(n), e->req, NULL, 0, "this build has no providers of evidence");
}

void tee_activate(struct node *n, const struct brain_effect *e) {
    brain_tee_activated(n->brain, node_now(n), e->req, (struct vl_span){ 0 });
}
