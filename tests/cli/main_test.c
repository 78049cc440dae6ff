/* Whole commands against a real HTTP server: what is asked, what is printed, how it ends. */
#include "check.h"
#include "cli/cli.h"
#include "server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define JOB "0123456789ab7def0123456789abcdef"
#define HEAD(status, type) "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define JSON(body)                                                                                                     \
    { .raw = HEAD("200 OK", "application/json") body, .close = true }
#define STATUS(status)                                                                                                 \
    { .raw = HEAD(status, "application/problem+json") "{\"detail\":\"because\"}", .close = true }
#define TASKS "\"tasks\":{\"total\":1,\"waiting\":0,\"running\":0,\"done\":1,\"failed\":0}"
#define DONE                                                                                                           \
    "{\"id\":\"" JOB "\",\"name\":\"wc\",\"state\":\"done\"," TASKS                                                    \
    ",\"submitted_ms\":1,\"started_ms\":1,\"ended_ms\":2,\"error\":null}"

static struct cli_up_options seen;
static char seen_ticket[64];
static int on_up(const struct cli_up_options *o) {
    seen = *o;
    return CLI_OK;
}
static int on_join(const struct cli_up_options *o) {
    snprintf(seen_ticket, sizeof seen_ticket, "%s", o->ticket);
    return CLI_OK;
}
static int seen_runner_argc;
static int on_runner(int argc, char **argv) {
    seen_runner_argc = strcmp(argv[0], "runner") == 0 ? argc : -1;
    return CLI_OK;
}

static struct cli_reputation seen_reputation;
static bool reputation_false;
static int on_reputation(struct cli_reputation *r, char problem[256]) {
    seen_reputation = *r;
    r->trust_ppm = 805925;
    r->doubt_ppm = 153847;
    r->error_ppm = 240000;
    memset(r->by, 0, sizeof r->by);
    if (reputation_false) snprintf(problem, 256, "the signature of piece 2 is wrong");
    return reputation_false;
}

static struct cli_chain seen_chain;
static const char *chain_problem;
static int on_chain(struct cli_chain *c, char problem[256]) {
    snprintf(c->account, sizeof c->account, "0x00000000000000000000000000000000000000bb");
    if (c->deploy) snprintf(c->contract, sizeof c->contract, "0x00000000000000000000000000000000000000aa");
    c->is_chain = 5;
    c->block = 9;
    c->balance_wei = 1234567891234567891ull;
    seen_chain = *c;
    if (chain_problem) snprintf(problem, 256, "%s", chain_problem);
    return chain_problem != NULL;
}

/* Runs a command with standard output and error in files; what was printed, owned. */
struct run {
    int code;
    char *out, *err;
};
static char *slurp(int fd) {
    off_t n = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)n + 1);
    CHECK(text != NULL && pread(fd, text, (size_t)n, 0) == n);
    return text;
}
static struct run village(size_t n, const char *const *words) {
    static const struct cli_hooks hooks = { .up = on_up, .join = on_join, .runner = on_runner, .chain = on_chain, .reputation = on_reputation };
    char *argv[32] = { (char *)"village" };
    char a[] = "/tmp/village-out-XXXXXX", b[] = "/tmp/village-err-XXXXXX";
    for (size_t i = 0; i < n; i++) argv[i + 1] = (char *)words[i];
    fflush(stdout);
    int out = mkstemp(a), err = mkstemp(b), old_out = dup(1), old_err = dup(2);
    dup2(out, 1), dup2(err, 2);
    int code = cli_main((int)n + 1, argv, &hooks);
    fflush(stdout);
    dup2(old_out, 1), dup2(old_err, 2);
    struct run r = { .code = code, .out = slurp(out), .err = slurp(err) };
    close(out), close(err), close(old_out), close(old_err);
    unlink(a), unlink(b);
    return r;
}
static void run_free(struct run *r) { free(r->out), free(r->err); }

/* One command against a script; checks the exit code and texts that must be printed; keeps the server for a look. */
static struct server *play(const struct answer *script, size_t n, int want, const char *out, const char *err,
                           size_t n_words, const char *const *words) {
    struct server *s = server_start(script, n);
    setenv("VILLAGE_ADDR", server_url(s), 1);
    setenv("VILLAGE_TOKEN", "t", 1);
    struct run r = village(n_words, words);
    server_stop(s);
    unsetenv("VILLAGE_ADDR");
    unsetenv("VILLAGE_TOKEN");
    if (r.code != want) fail_msg("exit code %d instead of %d: %s", r.code, want, r.err);
    if (strstr(r.out, out) == NULL) fail_msg("'%s' is not in the output: %s", out, r.out);
    if (*err && strstr(r.err, err) == NULL) fail_msg("'%s' is not said: %s", err, r.err);
    run_free(&r);
    return s;
}
#define PLAY(script, want, out, err, ...)                                                                              \
    play(script, N(script), want, out, err, N(((const char *const[]){ __VA_ARGS__ })),                                 \
         (const char *const[]){ __VA_ARGS__ })

TEST(village, up_and_join_hand_over_what_was_typed) {
    struct run r = village(7, (const char *const[]){ "up", "--name", "attic", "--slots", "3", "--data", "/tmp/x" });
    CHECK_EQ(CLI_OK, r.code);
    CHECK_EQ(3, seen.slots);
    CHECK_EQ(VL_LOG_FMT, seen.log_form);
    CHECK_EQ(VL_INFO, seen.log_level);
    run_free(&r);
    r = village(3, (const char *const[]){ "up", "--no-gateway", "--log-level=error" });
    CHECK(r.code == CLI_OK && seen.gateway == NULL && seen.log_level == VL_ERROR);
    run_free(&r);
    r = village(2, (const char *const[]){ "join", "vl1abc" });
    CHECK_STR("vl1abc", seen_ticket);
    run_free(&r);
    r = village(2, (const char *const[]){ "join", "nonsense" });
    CHECK_EQ(CLI_USAGE, r.code);
    run_free(&r);
    static const char *const bad[] = { "8888", ":8888", "1.2.3.4:", "1.2.3.4:65536", "::1:80", "[::1]", "a b:1" };
    for (size_t i = 0; i < N(bad); i++) {
        r = village(3, (const char *const[]){ "up", "--listen", bad[i] });
        CHECK_EQ(CLI_USAGE, r.code);
        run_free(&r);
    }
    r = village(4, (const char *const[]){ "runner", "--fd", "3", "--help" });
    CHECK_EQ(4, seen_runner_argc);
    run_free(&r);
}
#define NODE_A "12D3KooWAtbCiGDhaTRN2LAtyHFLSpWC8dn9itWpgYCVeyH2vFHc"
#define SIGNER "12D3KooW9pNAk8aiBuGVQtWRdbkLmo5qVL3e2h5UxbN2Nz9ttwiw" /* of a key of zeros */
#define BETA "{\"lower_ppm\":805925,\"expect_ppm\":923076,\"upper_ppm\":1000000,\"doubt_ppm\":153847,"                    \
             "\"good_micro\":11000000,\"bad_micro\":0}"
#define SCORE(trust)                                                                                                   \
    "\"id\":\"" NODE_A "\",\"name\":\"attic\",\"trusted\":true,\"flagged\":false,\"trust_ppm\":" trust                    \
    ",\"doubt_ppm\":153847,\"error_ppm\":240000,\"base_milli\":500,\"pieces\":2,\"at_ms\":1700000000000,"                 \
    "\"dimensions\":{\"correct\":" BETA ",\"in_time\":" BETA ",\"available\":" BETA ",\"honest\":" BETA "}"
#define ONE(trust)                                                                                                     \
    "{" SCORE(trust) ",\"state\":\"0a0b0c\",\"items\":[{\"seq\":1,\"kind\":\"agreed\",\"weight_milli\":1000,\"at_ms\":1,"     \
                     "\"job\":\"" JOB "\",\"task\":3,\"record\":\"0102\"},{\"seq\":2,\"kind\":\"online\",\"weight_milli\":5," \
                     "\"at_ms\":2,\"job\":null,\"record\":\"03\"}],\"next\":null}"
#define INFO(id) JSON("{\"node_id\":\"" id "\"}")

TEST(village, reputation_lists_shows_and_checks) {
    static const struct answer all[] = { JSON("{\"items\":[{" SCORE("805925") "}],\"next\":null}") };
    server_free(PLAY(all, CLI_OK, "trusted  0.805  0.153", "", "reputation", "--no-color"));
    static const struct answer one[] = { JSON(ONE("805925")), INFO(SIGNER) };
    server_free(PLAY(one, CLI_OK, "agreed", "", "reputation", NODE_A));
    server_free(PLAY(one, CLI_OK, "checked: the score follows", "", "reputation", NODE_A, "--check"));
    CHECK_EQ(3, seen_reputation.state_n);
    CHECK_EQ(3, seen_reputation.records_n);
    CHECK_EQ(500, seen_reputation.base_milli);
    CHECK(seen_reputation.at_ms == 1700000000000u);
    server_free(PLAY(one, CLI_OK, "\"matches\":true", "", "reputation", NODE_A, "--check", "--json"));
    server_free(PLAY(all, CLI_USAGE, "", "name the node", "reputation", "--check"));
}

TEST(village, a_reputation_that_does_not_follow_from_its_evidence_is_said_so) {
    static const struct answer other[] = { JSON(ONE("905925")), JSON(ONE("905925")), JSON(ONE("905925")) };
    static const struct answer right[] = { JSON(ONE("805925")), INFO(NODE_A),        JSON(ONE("805925")),
                                           INFO(NODE_A),        JSON(ONE("805925")), INFO(NODE_A) };
    server_free(PLAY(other, CLI_FAILED, "", "gives a trust of 805925", "reputation", NODE_A, "--check"));
    server_free(PLAY(right, CLI_FAILED, "", "not this coordinator", "reputation", NODE_A, "--check"));
    reputation_false = true;
    server_free(PLAY(other, CLI_FAILED, "\"matches\":false", "", "reputation", NODE_A, "--check", "--json"));
    server_free(PLAY(other, CLI_FAILED, "", "signature of piece 2", "reputation", NODE_A, "--check"));
    reputation_false = false;
}

#define CONTRACT "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
static int usage(size_t n, const char *const *words, const char *said) {
    struct run r = village(n, words);
    if (strstr(r.err, said) == NULL) fail_msg("'%s' is not said: %s", said, r.err);
    int code = r.code;
    run_free(&r);
    return code;
}
#define USAGE(said, ...) CHECK_EQ(CLI_USAGE, usage(N(((const char *const[]){ __VA_ARGS__ })), (const char *const[]){ __VA_ARGS__ }, said))

TEST(village, up_takes_settings_for_anchors_whole_or_not_at_all) {
    struct run r = village(13, (const char *const[]){ "up", "--anchor-url", "https://rpc.example.org", "--anchor-chain", "5", "--anchor-contract", CONTRACT, "--anchor-fee-max", "7",
                                                      "--anchor-every", "2h", "--anchor-patience", "9s" });
    CHECK_EQ(CLI_OK, r.code);
    CHECK_STR("https://rpc.example.org", seen.anchor.url);
    CHECK(seen.anchor.key_file == NULL && !seen.anchor.plain);
    CHECK_EQ(5, seen.anchor.chain);
    CHECK_EQ(7000000000, seen.anchor.fee_max);
    CHECK_EQ(12, seen.anchor.depth);
    CHECK_EQ(7200000, seen.anchor.every);
    CHECK_EQ(9000, seen.anchor.patience);
    CHECK_EQ(0x5a, seen.anchor.contract[0]);
    run_free(&r);
    r = village(1, (const char *const[]){ "up" });
    CHECK(r.code == CLI_OK && seen.anchor.url == NULL);
    run_free(&r);
    USAGE("needs --anchor-chain", "up", "--anchor-url", "https://rpc.example.org", "--anchor-contract", CONTRACT);
    USAGE("needs --anchor-chain", "up", "--anchor-url", "https://rpc.example.org", "--anchor-chain", "5");
    USAGE("says nothing without", "up", "--anchor-chain", "5");
    USAGE("typing error", "up", "--anchor-url", "https://rpc.example.org", "--anchor-chain", "5", "--anchor-contract", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    USAGE("no address", "up", "--anchor-url", "https://rpc.example.org", "--anchor-chain", "5", "--anchor-contract", "00AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed0");
}

TEST(village, anchor_says_how_it_stands_and_what_is_wrong) {
    static const struct answer off[] = { JSON("{\"on\":false,\"log_size\":3}") };
    server_free(PLAY(off, CLI_OK, "", "anchored nowhere", "anchor"));
#define ANCHORS(problem, pending) JSON("{\"on\":true,\"log_size\":9,\"state\":\"sent\",\"problem\":" problem ",\"server\":\"https://rpc.example.org\",\"chain\":5,\"contract\":\"" \
                                       CONTRACT "\",\"account\":\"0xbb\",\"confirmations\":12,\"size\":7,\"block\":70,\"pending\":" pending ",\"reorgs\":1}")
    static const struct answer sent[] = { ANCHORS("null", "{\"size\":9,\"nonce\":3,\"block\":0,\"tries\":2,\"fee_wei\":1234567891}") };
    server_free(PLAY(sent, CLI_OK, "9 receipts, nonce 3, transaction 2 of it, at most 1.234 gwei per gas", "", "anchor", "--no-color"));
    server_free(PLAY(sent, CLI_OK, "7 of 9 receipts, block 70 and 12 on top", "", "anchor", "status", "--no-color"));
    server_free(PLAY(sent, CLI_OK, "\"fee_wei\":1234567891", "", "anchor", "--json"));
    static const struct answer bad[] = { ANCHORS("\"the account is empty\"", "null") };
    server_free(PLAY(bad, CLI_FAILED, "", "no anchor for now: the account is empty", "anchor"));
    static const struct answer missing[] = { STATUS("404 Not Found") };
    server_free(PLAY(missing, CLI_NOT_FOUND, "", "because", "anchor", "prove", "7"));
    static const struct answer proof[] = { JSON("{\"index\":7,\"artefact\":\"-----BEGIN\\nx\\n\"}") };
    struct server *s = PLAY(proof, CLI_OK, "-----BEGIN\nx\n", "", "anchor", "prove", "7");
    CHECK(strstr(server_request(s, 0), "GET /v1/fog/anchors/7 ") != NULL);
    server_free(s);
    USAGE("is no number of a receipt", "anchor", "prove", "seven");
    USAGE("takes nothing behind it", "anchor", "status", "7");
    USAGE("status, account, deploy, prove or verify", "anchor", "nonsense");
}

TEST(village, anchor_makes_accounts_and_contracts_and_says_what_is_next) {
    struct run r = village(6, (const char *const[]){ "anchor", "account", "--anchor-key-file", "/tmp/k", "--anchor-url", "https://rpc.example.org" });
    CHECK_EQ(CLI_OK, r.code);
    CHECK(strstr(r.out, "1.234567891 ether") != NULL);
    CHECK_STR("/tmp/k", seen_chain.key_file);
    CHECK(!seen_chain.deploy && seen_chain.chain == 0);
    run_free(&r);
    r = village(8, (const char *const[]){ "anchor", "deploy", "--anchor-key-file", "/tmp/k", "--anchor-url", "https://rpc.example.org", "--anchor-chain", "5" });
    CHECK_EQ(CLI_OK, r.code);
    CHECK(strstr(r.err, "--anchor-chain 5 --anchor-contract 0x00000000000000000000000000000000000000aa") != NULL);
    CHECK(seen_chain.deploy && seen_chain.chain == 5);
    run_free(&r);
    chain_problem = "it is sent, and in no block yet";
    r = village(8, (const char *const[]){ "anchor", "deploy", "--anchor-key-file", "/tmp/k", "--anchor-url", "https://rpc.example.org", "--anchor-chain", "5" });
    chain_problem = NULL;
    CHECK_EQ(CLI_FAILED, r.code);
    CHECK(strstr(r.err, "will be at 0x00000000000000000000000000000000000000aa") != NULL);
    run_free(&r);
    USAGE("say where", "anchor", "deploy", "--anchor-chain", "5");
}

TEST(village, anchor_verify_asks_nobody_and_refuses_what_is_no_proof) {
    char path[] = "/tmp/village-anchor-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "-----BEGIN VILLAGE ANCHOR-----\nYXJ0ZWZhY3Q=\n-----END VILLAGE ANCHOR-----\n", 74) == 74);
    close(fd);
    struct run r = village(3, (const char *const[]){ "anchor", "verify", path });
    CHECK_EQ(CLI_FAILED, r.code);
    CHECK(strstr(r.err, "not shown: this is no anchor") != NULL && r.out[0] == '\0');
    run_free(&r);
    r = village(4, (const char *const[]){ "anchor", "verify", path, "--json" });
    CHECK_EQ(CLI_FAILED, r.code);
    CHECK(strstr(r.out, "\"shown\":false") != NULL && strstr(r.out, "\"reason\":\"this is no anchor") != NULL);
    run_free(&r);
    USAGE("--block is no hash", "anchor", "verify", path, "--block", "0x00000000000000000000000000000000000000000000000000000000000000g0");
    USAGE("no whole node id", "anchor", "verify", path, "--signer", "attic");
    USAGE("name the file", "anchor", "verify");
    unlink(path);
    r = village(3, (const char *const[]){ "anchor", "verify", path });
    CHECK(r.code == CLI_FAILED && strstr(r.err, "cannot read") != NULL);
    run_free(&r);
}

TEST(village, every_kind_of_failure_has_its_exit_code) {
    static const struct answer denied[] = { STATUS("401 Unauthorized") }, missing[] = { STATUS("404 Not Found") };
    static const struct answer failed[] = { JSON(
        "{\"id\":\"" JOB "\",\"state\":\"failed\",\"error\":{\"code\":\"ETRAP\",\"detail\":\"trap\"}}") };
    static const struct answer late[] = { JSON(
        "{\"id\":\"" JOB "\",\"state\":\"failed\",\"error\":{\"code\":\"ETIMEOUT\",\"detail\":\"late\"}}") };
    server_free(PLAY(denied, CLI_DENIED, "", "is the token of this gateway right", "jobs"));
    server_free(PLAY(missing, CLI_NOT_FOUND, "", "because", "job", JOB));
    server_free(PLAY(failed, CLI_JOB_FAILED, "", "the job failed: trap", "job", JOB, "--follow"));
    server_free(PLAY(late, CLI_TIMED_OUT, "", "late", "job", JOB, "--follow"));
    struct run r = village(3, (const char *const[]){ "status", "--server", "http://127.0.0.1:1" });
    CHECK_EQ(CLI_UNREACHABLE, r.code);
    run_free(&r);
    r = village(1, (const char *const[]){ "nonsense" });
    CHECK_EQ(CLI_USAGE, r.code);
    run_free(&r);
}
TEST(village, errors_are_one_json_value_with_json) {
    static const struct answer script[] = { STATUS("404 Not Found") };
    server_free(PLAY(script, CLI_NOT_FOUND, "{\"error\":{\"exit\":3,\"detail\":", "", "--json", "job", JOB));
}
TEST(village, lists_go_through_all_pages_and_foreign_text_is_harmless) {
    static const struct answer script[] = {
        JSON("{\"items\":[{\"id\":\"" JOB "\",\"name\":\"a\\u001b[31m\",\"state\":\"running\"," TASKS
             "}],\"next\":\"c/1\"}"),
        JSON("{\"items\":[{\"id\":\"fedcba98765432100123456789abcdef\",\"name\":\"b\",\"state\":\"done\"}],\"next\":"
             "null}"),
    };
    struct server *s = PLAY(script, CLI_OK, "a\xef\xbf\xbd[31m", "", "jobs");
    CHECK(strstr(server_request(s, 1), "cursor=c%2F1") != NULL);
    server_free(s);
    server_free(PLAY(script, CLI_OK, "\"name\":\"b\"", "", "jobs", "--json"));
}
TEST(village, a_part_of_an_id_is_enough_when_it_is_unique) {
    static const struct answer one[] = { JSON("{\"items\":[{\"id\":\"" JOB "\"}],\"next\":null}"), JSON(DONE) };
    static const struct answer two[] = { JSON("{\"items\":[{\"id\":\"" JOB
                                              "\"},{\"id\":\"fffffffffffffffffffffff089abcdef\"}],\"next\":null}") };
    server_free(PLAY(one, CLI_OK, JOB, "", "job", "89abcdef"));
    server_free(PLAY(two, CLI_USAGE, "", "several jobs", "job", "89abcdef"));
    server_free(PLAY(one, CLI_NOT_FOUND, "", "no job", "job", "12341234"));
}
TEST(village, a_run_uploads_what_is_missing_submits_once_and_prints_the_result) {
    static const struct answer script[] = {
        { .raw = HEAD("404 Not Found", "text/plain"), .close = true }, /* HEAD of the program */
        { .raw = HEAD("201 Created", "text/plain"), .close = true },   /* PUT */
        { .raw = HEAD("200 OK", "text/plain"), .close = true },        /* HEAD of the input: there already */
        { .raw = NULL },                                               /* the answer of the submit is lost */
        JSON("{\"id\":\"" JOB "\",\"state\":\"submitted\"}"),
        JSON("{\"id\":\"" JOB "\",\"state\":\"running\"," TASKS ",\"submitted_ms\":1}"),
        JSON(DONE),
        { .raw = HEAD("200 OK", "text/plain") "3 words\n", .close = true },
    };
    char dir[] = "/tmp/village-run-XXXXXX", wasm[64], text[64];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(wasm, sizeof wasm, "%s/p.wasm", dir);
    snprintf(text, sizeof text, "%s/in.txt", dir);
    int fd = open(wasm, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(write(fd, "\0asm\1\0\0\0", 8) == 8 && close(fd) == 0);
    fd = open(text, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(write(fd, "a b c", 5) == 5 && close(fd) == 0);
    struct server *s =
        PLAY(script, CLI_OK, "3 words\n", "", "run", wasm, "-i", text, "--merge=--sum 'x y'", "-m", "64M", "--", "-l");
    CHECK_EQ(N(script), server_requests(s));
    CHECK(strncmp(server_request(s, 0), "HEAD /v1/blobs/", 15) == 0);
    CHECK(strncmp(server_request(s, 1), "PUT /v1/blobs/", 14) == 0);
    const char *first = strstr(server_request(s, 3), "Idempotency-Key: "),
               *again = strstr(server_request(s, 4), "Idempotency-Key: ");
    CHECK(first != NULL && again != NULL && strncmp(first, again, 49) == 0); /* one key: the job is made once */
    CHECK(strstr(server_request(s, 4), "\"merge\":{\"args\":[\"--sum\",\"x y\"]}") != NULL);
    CHECK(strstr(server_request(s, 4), "\"args\":[\"-l\"]") != NULL);
    CHECK(strstr(server_request(s, 4), "\"memory_bytes\":67108864") != NULL);
    CHECK(strstr(server_request(s, 4), "\"name\":\"in.txt\"") != NULL);
    server_free(s);
    unlink(wasm), unlink(text), rmdir(dir);
}
TEST(village, a_run_waits_as_long_as_an_overloaded_village_says_and_asks_again_with_the_same_key) {
    static const struct answer script[] = {
        { .raw = "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
                 "{\"detail\":\"The coordinator is overloaded; come back in 1 s.\"}",
          .close = true },
        JSON("{\"id\":\"" JOB "\",\"state\":\"submitted\"}"),
        JSON(DONE),
        { .raw = HEAD("200 OK", "text/plain") "done\n", .close = true },
    };
    struct server *s = PLAY(script, CLI_OK, "done\n", "come back in 1 s (429) (waiting", "run", "/bin/true");
    CHECK_EQ(N(script), server_requests(s));
    const char *first = strstr(server_request(s, 0), "Idempotency-Key: "), *again = strstr(server_request(s, 1), "Idempotency-Key: ");
    CHECK(first != NULL && again != NULL && strncmp(first, again, 49) == 0);
    server_free(s);
    static const struct answer never[] = { { .raw = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1800\r\nContent-Length: 0\r\n\r\n", .close = true } };
    s = PLAY(never, CLI_FAILED, "", "", "run", "/bin/true"); /* nobody sits through half an hour */
    server_free(s);
}
TEST(village, run_refuses_what_is_no_program_before_it_asks_anyone) {
    char path[] = "/tmp/village-bad-XXXXXX.wasm";
    int fd = mkstemps(path, 5);
    CHECK(write(fd, "\0asm\x0d\0\1\0", 8) == 8 && close(fd) == 0);
    struct run r = village(2, (const char *const[]){ "run", path });
    CHECK(r.code == CLI_FAILED && strstr(r.err, "component") != NULL);
    run_free(&r);
    unlink(path);
    r = village(2, (const char *const[]){ "run", "/nonexistent/x.wasm" });
    CHECK_EQ(CLI_NOT_FOUND, r.code);
    run_free(&r);
    r = village(4, (const char *const[]){ "run", "/bin/true", "-i", "/nonexistent/*" });
    CHECK(r.code == CLI_NOT_FOUND && strstr(r.err, "no file matches") != NULL);
    run_free(&r);
    r = village(4, (const char *const[]){ "run", "/bin/true", "-e", "=x" });
    CHECK_EQ(CLI_USAGE, r.code);
    run_free(&r);
}
#define ABC "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319" /* BLAKE2b-256 of "abc" */
TEST(village, outputs_are_saved_by_safe_names_checked_and_not_fetched_twice) {
    static const struct answer script[] = {
        JSON(DONE),
        JSON("{\"items\":[{\"index\":0,\"input\":\"../x\",\"outputs\":[{\"name\":\"../../up\",\"hash\":\"" ABC
             "\",\"size\":3}]}],\"next\":null}"),
        { .raw = HEAD("200 OK", "application/octet-stream") "abX", .close = true }, /* damaged on the way */
        { .raw = HEAD("200 OK", "application/octet-stream") "abc", .close = true },
    };
    char dir[] = "/tmp/village-save-XXXXXX", path[128];
    CHECK(mkdtemp(dir) != NULL);
    struct server *s = PLAY(script, CLI_OK, "", "1 file in", "job", JOB, "--output", dir);
    CHECK_EQ(4, server_requests(s));
    server_free(s);
    snprintf(path, sizeof path, "%s/0000-_._x/_._.._up", dir);
    CHECK_OK(access(path, R_OK));
    s = play(script, 2, CLI_OK, "", "1 file in", 4, (const char *const[]){ "job", JOB, "--output", dir });
    CHECK_EQ(2, server_requests(s)); /* it is there and right: no blob is asked for */
    server_free(s);
    unlink(path);
    snprintf(path, sizeof path, "%s/0000-_._x", dir);
    rmdir(path), rmdir(dir);
}
TEST(village, a_broken_off_output_goes_on_where_it_stopped) {
    static const struct answer script[] = {
        JSON(DONE),
        JSON("{\"items\":[{\"index\":7,\"input\":null,\"outputs\":[{\"name\":\"o\",\"hash\":\"" ABC
             "\",\"size\":3}]}],\"next\":null}"),
        { .raw = HEAD("206 Partial Content", "application/octet-stream") "c", .close = true },
    };
    char dir[] = "/tmp/village-part-XXXXXX", folder[64], part[160], done[128];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(folder, sizeof folder, "%s/0007", dir);
    snprintf(part, sizeof part, "%s/.village-part-%.32s", folder, ABC);
    snprintf(done, sizeof done, "%s/o", folder);
    CHECK_OK(mkdir(folder, 0700));
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(write(fd, "ab", 2) == 2 && close(fd) == 0);
    struct server *s = PLAY(script, CLI_OK, "", "1 file in", "job", JOB, "--output", dir);
    CHECK(strstr(server_request(s, 2), "Range: bytes=2-\r\n") != NULL);
    server_free(s);
    CHECK_OK(unlink(done));
    rmdir(folder), rmdir(dir);
}
