/* wasm_test.c - WebAssembly programs through a real runner: what they may do, how they end, what they cannot do. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

static const char hello_c[] = "#include <stdio.h>\nint main(void) { puts(\"hello\"); fputs(\"oops\\n\", stderr); return 7; }\n";

TEST(wasm, hello_writes_both_streams_and_returns_its_exit_code) {
    const char *m = wasm_from_c(hello_c, NULL);
    NEED_WASM(m);
    struct rig *g = rig_start(NULL);
    CHECK(g->ev.u.hello.wasm);
    struct sandbox_request q = run_wasm(1, m);
    struct sandbox_exited *e = rig_run(g, &q);
    CHECK_STR("", e->text);
    CHECK_EQ(SANDBOX_EXITED, e->outcome);
    CHECK_EQ(7, e->exit_code);
    CHECK_EQ(2, e->outputs_n);
    CHECK_STR("hello\n", output_text(e, "stdout"));
    CHECK_STR("oops\n", output_text(e, "stderr"));
    rig_release(g, 1);
    rig_stop(g, true);
}
