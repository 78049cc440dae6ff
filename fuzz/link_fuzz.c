/* link_fuzz.c - the messages of a link and the rows of the API: a decoded value encodes to the very bytes it came from.
 */
#include "wire/link.h"
#include "wire/view.h"

#include <stdlib.h>
#include <string.h>

static void same(const struct vl_buf *b, size_t skip, struct vl_span in) {
    if (b->len - skip != in.n || (in.n && memcmp(b->p + skip, in.p, in.n) != 0)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_span in = vl_span(p, n), body;
    enum link_kind kind;
    struct vl_buf b;
    struct link_join join;
    struct link_join_reply reply;
    struct link_blob_offer offer;
    struct link_blob_have have;
    struct job_row job;
    struct task_row task;
    struct topology_row topology;
    vl_buf_init(&b, 1u << 20);
    if (link_split(in, &kind, &body) == VL_OK) {
        bool ok =
            (kind == LINK_JOIN && link_join_decode(body, &join) == VL_OK && link_join_encode(&join, &b) == VL_OK) ||
            (kind == LINK_JOIN_REPLY && link_join_reply_decode(body, &reply) == VL_OK &&
             link_join_reply_encode(&reply, &b) == VL_OK) ||
            (kind == LINK_BLOB_OFFER && link_blob_offer_decode(body, &offer) == VL_OK &&
             link_blob_offer_encode(&offer, &b) == VL_OK) ||
            (kind == LINK_BLOB_HAVE && link_blob_have_decode(body, &have) == VL_OK &&
             link_blob_have_encode(&have, &b) == VL_OK);
        if (ok) same(&b, 0, in);
    }
    vl_buf_clear(&b);
    if (job_row_decode(in, &job) == VL_OK && job_row_encode(&job, &b) == VL_OK) same(&b, 0, in);
    vl_buf_clear(&b);
    if (task_row_decode(in, &task) == VL_OK && task_row_encode(&task, &b) == VL_OK) same(&b, 0, in);
    if (topology_row_decode(in, &topology) == VL_OK && topology.n_links > 0)
        topology_row_link(&topology, topology.n_links - 1);
    vl_buf_free(&b);
    return 0;
}
