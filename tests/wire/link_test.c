#include "wire/link.h"
#include "wire/view.h"

#include "check.h"

#include <string.h>

TEST(link, splits_kind_and_body_and_refuses_what_it_does_not_know) {
    enum link_kind kind = LINK_ACK;
    struct vl_span body;
    CHECK_EQ(VL_EPARSE, link_split(vl_span(NULL, 0), &kind, &body));
    CHECK_EQ(VL_EPARSE, link_split(vl_span("\0x", 2), &kind, &body));
    CHECK_EQ(VL_EPARSE, link_split(vl_span((const uint8_t[]){ LINK_DRAW + 1, 'x' }, 2), &kind, &body));
    CHECK_EQ(LINK_ACK, kind);
    CHECK_OK(link_split(vl_span("\x01xy", 3), &kind, &body));
    CHECK_EQ(LINK_HEARTBEAT, kind);
    CHECK_EQ(2, body.n);
}

TEST(link, join_survives_the_way_and_no_cut_or_repeated_field_passes_for_it) {
    struct link_join m = { .secret = { 1, 2 }, .static_key = { 3 }, .name = "barn", .roles = 5 }, got;
    struct vl_buf b;
    vl_buf_init(&b, 1024);
    CHECK_OK(link_join_encode(&m, &b));
    CHECK_EQ(LINK_JOIN, b.p[0]);
    CHECK_OK(link_join_decode(vl_span(b.p + 1, b.len - 1), &got));
    CHECK_MEM(&m, &got, sizeof m);
    for (size_t n = 0; n + 1 < b.len; n++) { /* a cut between fields is another message, never this one */
        struct link_join cut = { .roles = 77 };
        CHECK(link_join_decode(vl_span(b.p + 1, n), &cut) == VL_EPARSE || memcmp(&cut, &m, sizeof m) != 0);
    }
    CHECK_OK(vl_buf_append(&b, "\x20\x05", 2)); /* the last field once more */
    CHECK_EQ(VL_EPARSE, link_join_decode(vl_span(b.p + 1, b.len - 1), &got));
    vl_buf_free(&b);
}

TEST(link, a_join_reply_may_not_carry_an_unknown_code) {
    struct link_join_reply m = { .code = VL_EUSED, .detail = "used up", .cert_len = 3, .cert = "abc" }, got;
    struct vl_buf b;
    vl_buf_init(&b, 1024);
    CHECK_OK(link_join_reply_encode(&m, &b));
    CHECK_OK(link_join_reply_decode(vl_span(b.p + 1, b.len - 1), &got));
    CHECK_EQ(VL_EUSED, got.code);
    CHECK_STR("used up", got.detail);
    CHECK_EQ(3, got.cert_len);
    vl_buf_clear(&b);
    m.code = (enum vl_err)-77;
    CHECK_OK(link_join_reply_encode(&m, &b));
    CHECK_EQ(VL_EPARSE, link_join_reply_decode(vl_span(b.p + 1, b.len - 1), &got));
    vl_buf_free(&b);
}

TEST(link, an_offer_names_a_size_that_a_blob_can_have) {
    struct link_blob_offer m = { .hash = { { 9 } }, .size = VL_BLOB_MAX }, got;
    struct vl_buf b;
    vl_buf_init(&b, 1024);
    CHECK_OK(link_blob_offer_encode(&m, &b));
    CHECK_OK(link_blob_offer_decode(vl_span(b.p + 1, b.len - 1), &got));
    CHECK(got.size == VL_BLOB_MAX && vl_hash_eq(got.hash, m.hash));
    for (int i = 0; i < 2; i++) {
        m.size = i ? 0 : VL_BLOB_MAX + 1;
        vl_buf_clear(&b);
        CHECK_OK(link_blob_offer_encode(&m, &b));
        CHECK_EQ(VL_EPARSE, link_blob_offer_decode(vl_span(b.p + 1, b.len - 1), &got));
    }
    vl_buf_free(&b);
}

TEST(view, rows_survive_the_store_and_every_cut_is_refused) {
    struct job_row job = { .state = 4, .kind = TASK_WASM, .priority = TASK_NORMAL, .total = 9, .done = 8, .submitted_ms = 7,
                           .error = VL_EUSED, .name = vl_span_str("name"), .error_text = vl_span_str("why") }, job2;
    struct task_row task = { .state = 3, .merge = true, .has_node = true, .node = { { 4 } }, .attempt = 2, .epoch = 77,
                             .input = vl_span_str("a.txt"), .report = vl_span_str("report") }, task2;
    struct vl_buf b;
    vl_buf_init(&b, 4096);
    CHECK_OK(job_row_encode(&job, &b));
    CHECK_OK(job_row_decode(vl_span(b.p, b.len), &job2));
    CHECK(job2.total == 9 && job2.done == 8 && job2.error == VL_EUSED && vl_span_eq(job.name, job2.name) &&
          vl_span_eq(job.error_text, job2.error_text));
    for (size_t n = 0; n < b.len; n++) CHECK_EQ(VL_EPARSE, job_row_decode(vl_span(b.p, n), &job2));
    b.p[0]++;
    CHECK_EQ(VL_EVERSION, job_row_decode(vl_span(b.p, b.len), &job2));
    vl_buf_clear(&b);
    CHECK_OK(task_row_encode(&task, &b));
    CHECK_OK(task_row_decode(vl_span(b.p, b.len), &task2));
    CHECK(task2.merge && task2.has_node && task2.epoch == 77 && vl_span_eq(task.report, task2.report));
    for (size_t n = 0; n < b.len; n++) CHECK_EQ(VL_EPARSE, task_row_decode(vl_span(b.p, n), &task2));
    vl_buf_free(&b);
}

TEST(view, topology_keeps_its_links_in_order) {
    struct vl_node_id far[2] = { { { 1 } }, { { 2 } } };
    struct topology_row t = { .at_ms = 5, .nodes = 3, .active = 2, .offline = 1, .n_links = 2, .links = far }, got;
    struct vl_buf b;
    vl_buf_init(&b, 4096);
    CHECK_OK(topology_row_encode(&t, &b));
    CHECK_OK(topology_row_decode(vl_span(b.p, b.len), &got));
    CHECK(got.nodes == 3 && got.n_links == 2 && vl_node_eq(far[1], topology_row_link(&got, 1)));
    CHECK_EQ(VL_EPARSE, topology_row_decode(vl_span(b.p, b.len - 1), &got));
    t.n_links = VL_LINKS_MAX + 1;
    CHECK_EQ(VL_ERANGE, topology_row_encode(&t, &b));
    vl_buf_free(&b);
}
