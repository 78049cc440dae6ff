/* Timestamps of others: the first block of Bitcoin with the transaction in it, files that python3-opentimestamps reads, and an authority
 * made with openssl(1). */
#include "trust/verify.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/timestamp.h"
#include "trust/ots.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char header_hex[] = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9f"
                                 "b8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";
static const char transaction_hex[] =
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f323030392043"
    "68616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1"
    "a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000";

static struct verdict v; /* large */

/* The transaction as a file; its second SHA-256 is the root of the block, since there is no other in it. */
struct first_block {
    uint8_t header[80], ots[512], digest[32];
    size_t ots_n;
    struct verify_query q;
};

static void first_block(struct first_block *f) {
    uint8_t tx[256];
    size_t n = strlen(transaction_hex) / 2;
    /* SHA-256; attestation of Bitcoin: tag, one byte of payload: height 0 */
    static const uint8_t tail[] = { 0x08, 0x00, 0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01, 0x01, 0x00 };
    struct vl_buf out;
    memset(f, 0, sizeof *f);
    CHECK_OK(vl_hex_decode(header_hex, f->header, sizeof f->header));
    CHECK_OK(vl_hex_decode(transaction_hex, tx, n));
    crypto_sha256(vl_span(tx, n), f->digest);
    vl_buf_init(&out, sizeof f->ots);
    CHECK_OK(ots_write(f->digest, vl_span(tail, sizeof tail), &out));
    memcpy(f->ots, out.p, out.len);
    f->ots_n = out.len;
    vl_buf_free(&out);
    f->q = (struct verify_query){ .at_ms = 1795896000000, .has_file = true, .header = vl_span(f->header, sizeof f->header) };
    memcpy(f->q.sha256, f->digest, 32);
}

static bool proved(const struct first_block *f) {
    verify_artefact(vl_span(f->ots, f->ots_n), &f->q, &v);
    CHECK(v.proved == (v.reason[0] == 0));
    return v.proved;
}

TEST(opentimestamps, prove_that_a_file_was_there_when_a_block_was_made) {
    static struct first_block f;
    first_block(&f);
    CHECK(proved(&f));
    CHECK_STR("opentimestamps", v.kind);
    CHECK_STR("The file given existed when the Bitcoin block 000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f was made.", v.proves[0]);
    CHECK_STR("2009-01-03 18:15:05 UTC, the block's time, which may be two hours off.", v.as_of);
    for (size_t i = 0; i < f.ots_n; i++) { /* the height is what the file says, not what the header can show */
        f.ots[i] ^= 1;
        if (i + 1 < f.ots_n) CHECK(!proved(&f));
        f.ots[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof f.header; i++) {
        f.header[i] ^= 1;
        CHECK(!proved(&f));
        f.header[i] ^= 1;
    }
    f.q.sha256[0] ^= 1;
    CHECK(!proved(&f));
    CHECK_STR("it is for another file than the one given", v.reason);
}

TEST(opentimestamps, need_file_and_header_and_a_block_of_the_main_chains_difficulty) {
    static struct first_block f;
    first_block(&f);
    f.q.header = vl_span(NULL, 0);
    CHECK(!proved(&f));
    CHECK(strstr(v.reason, "leads to Bitcoin block 0, whose header is needed") != NULL);
    f.q.header = vl_span(f.header, 79);
    CHECK(!proved(&f));
    f.q.header = vl_span(f.header, 80);
    f.q.has_file = false;
    CHECK(!proved(&f));
    f.q.has_file = true;
    /* A block that anybody makes at home: the easiest target there is. */
    f.header[72] = 0xff, f.header[73] = 0xff, f.header[74] = 0x7f, f.header[75] = 0x20;
    for (unsigned i = 0; i < 64; i++) {
        f.header[76] = (uint8_t)i;
        CHECK(!proved(&f));
        CHECK(strstr(v.reason, "above the target") != NULL);
    }
}

/* ---- RFC 3161 ----------------------------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/village-tsa-XXXXXX";

static bool sh(const char *script) {
    char *command = NULL;
    CHECK(asprintf(&command, "cd %s && (%s) >log 2>&1", dir, script) > 0);
    bool ok = system(command) == 0; /* a fixed script of this file in a folder of its own */
    free(command);
    return ok;
}

static size_t slurp(const char *name, uint8_t *dst, size_t cap) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    size_t n = fread(dst, 1, cap, f);
    fclose(f);
    return n;
}

/* A root, an authority, and one that may not stamp; then two answers for a request of ours and one for SHA-512. */
static const char authority[] =
    "cat >c <<X\n[req]\ndistinguished_name=d\nprompt=no\n[d]\nCN=x\n[ca]\nbasicConstraints=critical,CA:TRUE\n[tsa]\nextendedKeyUsage=critical,timeStamping\n"
    "[web]\nextendedKeyUsage=critical,serverAuth,timeStamping\n[ts]\ndefault_tsa=t\n[t]\nserial=serial\nsigner_cert=tsa.pem\ncerts=ca.pem\nsigner_key=tsa.key\n"
    "signer_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256,sha512\naccuracy=secs:1\ness_cert_id_alg=sha256\nX\n"
    "new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -config c -subj \"/CN=$2\" -out $1.csr; }\n"
    "new ca Root && openssl x509 -req -in ca.csr -signkey ca.key -out ca.pem -days 30 -extfile c -extensions ca &&\n"
    "new other Root && openssl x509 -req -in other.csr -signkey other.key -out other.pem -days 30 -extfile c -extensions ca &&\n"
    "new tsa 'An authority' && openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -set_serial 5 -out tsa.pem -days 30 -extfile c -extensions tsa &&\n"
    "echo 01 >serial && printf village >file && openssl ts -reply -queryfile query -config c -section t -out answer &&\n"
    "openssl ts -reply -queryfile query -config c -section t -token_out -out token &&\n"
    "openssl ts -query -data file -sha512 -cert -out query512 && openssl ts -reply -queryfile query512 -config c -section t -out answer512 &&\n"
    "openssl ts -query -data file -sha1 -cert -out query1 && { openssl ts -reply -queryfile query1 -config c -section t -out refused; true; } &&\n"
    "openssl ts -verify -in answer -queryfile query -CAfile ca.pem &&\n"
    "openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -set_serial 6 -out web.pem -days 30 -extfile c -extensions web";

static void authority_make(void) {
    uint8_t digest[32];
    struct vl_buf out;
    char path[128];
    if (system("openssl version >/dev/null 2>&1") != 0) SKIP("no openssl(1) here");
    strcpy(dir, "/tmp/village-tsa-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    crypto_sha256(vl_span_str("village"), digest);
    vl_buf_init(&out, 1024);
    CHECK_OK(timestamp_request(digest, 0x1234567890abcdef, &out));
    snprintf(path, sizeof path, "%s/query", dir);
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL && fwrite(out.p, 1, out.len, f) == out.len);
    fclose(f);
    vl_buf_free(&out);
    CHECK(sh(authority)); /* openssl takes our request and finds its own answer right */
}

static void authority_remove(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_EQ(0, system(command));
}

static uint8_t answer[8192], roots[4096];
static struct verify_query stamp_query(size_t *ret_n, const char *which, const char *root) {
    struct verify_query q = { .at_ms = 4102444800000, .has_file = true };
    *ret_n = slurp(which, answer, sizeof answer);
    q.ca = vl_span(roots, slurp(root, roots, sizeof roots));
    CHECK_OK(timestamp_digest(TIMESTAMP_SHA256, vl_span_str("village"), q.sha256));
    CHECK_OK(timestamp_digest(TIMESTAMP_SHA384, vl_span_str("village"), q.sha384));
    CHECK_OK(timestamp_digest(TIMESTAMP_SHA512, vl_span_str("village"), q.sha512));
    return q;
}

static bool stamped(size_t n, const struct verify_query *q) {
    verify_artefact(vl_span(answer, n), q, &v);
    CHECK(v.proved == (v.reason[0] == 0));
    return v.proved;
}

TEST(timestamps, of_an_authority_are_proved_to_who_trusts_its_root) {
    struct timestamp t;
    const char *why = NULL;
    size_t n = 0;
    authority_make();
    static const char *const good[] = { "answer", "token", "answer512" };
    for (unsigned i = 0; i < 3; i++) {
        struct verify_query q = stamp_query(&n, good[i], "ca.pem");
        CHECK(stamped(n, &q));
        CHECK_STR("timestamp", v.kind);
        CHECK(strstr(v.proves[0], "\"An authority\"") != NULL);
    }
    struct verify_query q = stamp_query(&n, "answer", "ca.pem");
    CHECK_OK(timestamp_check(vl_span(answer, n), q.ca, &t, &why));
    CHECK_EQ(TIMESTAMP_SHA256, t.hash);
    CHECK(t.nonce == 0x1234567890abcdef);
    CHECK_EQ(1000, t.accuracy_ms);
    CHECK_STR("1.2.3.4", t.policy);
    CHECK(t.time_s > 1700000000);
    authority_remove();
}

TEST(timestamps, of_others_roots_files_and_times_or_changed_are_refused) {
    size_t n = 0;
    authority_make();
    struct verify_query q = stamp_query(&n, "answer", "other.pem"); /* of the same name, with another key */
    CHECK(!stamped(n, &q));
    q = stamp_query(&n, "answer", "web.pem");
    CHECK(!stamped(n, &q));
    q = stamp_query(&n, "answer", "file");
    CHECK(!stamped(n, &q));
    CHECK(strstr(v.reason, "no root certificate") != NULL);
    q = stamp_query(&n, "answer", "ca.pem");
    q.sha256[31] ^= 1;
    CHECK(!stamped(n, &q));
    q = stamp_query(&n, "answer", "ca.pem");
    q.at_ms = 1000000000000;
    CHECK(!stamped(n, &q));
    q = stamp_query(&n, "answer", "ca.pem");
    q.has_file = false;
    CHECK(!stamped(n, &q));
    q = stamp_query(&n, "refused", "ca.pem");
    CHECK(!stamped(n, &q));
    q = stamp_query(&n, "answer", "ca.pem");
    for (size_t cut = 0; cut < n; cut += 7) CHECK(!stamped(cut, &q));
    answer[n] = 0; /* something behind it */
    CHECK(!stamped(n + 1, &q));
    /* The last 64 bytes hold the signature, and what is stamped stands before the certificates. */
    for (size_t i = n - 64; i < n; i++) {
        answer[i] ^= 1;
        CHECK(!stamped(n, &q));
        answer[i] ^= 1;
    }
    for (size_t i = 60; i < 200; i++) {
        answer[i] ^= 1;
        CHECK(!stamped(n, &q));
        answer[i] ^= 1;
    }
    CHECK(stamped(n, &q));
    authority_remove();
}

/* What an authority signed, signed again: once by itself, once with a certificate that is for other things, too, and once without naming
 * the certificate (ESSCertIDv2). */
TEST(timestamps, by_a_certificate_that_is_for_other_things_too_are_refused) {
    size_t n = 0;
    authority_make();
    CHECK(sh("openssl cms -verify -noverify -inform DER -in token -out content &&\n"
             "again() { openssl cms -sign $3 -binary -nodetach -econtent_type 1.2.840.113549.1.9.16.1.4 -nosmimecap -in content -signer $1 -inkey tsa.key "
             "-outform DER -out $2; }\n"
             "again tsa.pem good -cades && again web.pem bad -cades && again tsa.pem unnamed"));
    struct verify_query q = stamp_query(&n, "good", "ca.pem");
    CHECK(stamped(n, &q));
    q = stamp_query(&n, "bad", "ca.pem");
    CHECK(!stamped(n, &q));
    q = stamp_query(&n, "unnamed", "ca.pem");
    CHECK(!stamped(n, &q));
    authority_remove();
}
