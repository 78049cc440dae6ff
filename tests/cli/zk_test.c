/* `village zk` from end to end, as a user types it: files in a folder, what is printed, how it ends. */
#include "check.h"
#include "cli/cli.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char out[1u << 16], err[1u << 16];

static void slurp(int fd, char *dst) {
    ssize_t n = pread(fd, dst, (1u << 16) - 1, 0);
    CHECK(n >= 0);
    dst[n] = '\0';
}

/* Words with single spaces between them; a word 'with spaces' in quotes. */
static int zk(const char *fmt, ...) {
    static const struct cli_hooks hooks = { .up = NULL };
    char line[4096] = "village zk ", *argv[64];
    int argc = 0;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line + strlen(line), sizeof line - strlen(line), fmt, ap);
    va_end(ap);
    for (char *p = line; *p != '\0';) {
        char end = *p == '\'' ? '\'' : ' ';
        if (*p == '\'') p++;
        argv[argc++] = p;
        p = strchrnul(p, end);
        if (*p != '\0') *p++ = '\0';
        while (*p == ' ') p++;
    }
    argv[argc] = NULL;
    char a[] = "/tmp/village-out-XXXXXX", b[] = "/tmp/village-err-XXXXXX";
    (void)fflush(stdout);
    int fd_out = mkstemp(a), fd_err = mkstemp(b), old_out = dup(1), old_err = dup(2);
    dup2(fd_out, 1), dup2(fd_err, 2);
    int code = cli_main(argc, argv, &hooks);
    (void)fflush(stdout);
    dup2(old_out, 1), dup2(old_err, 2);
    slurp(fd_out, out), slurp(fd_err, err);
    close(fd_out), close(fd_err), close(old_out), close(old_err);
    unlink(a), unlink(b);
    return code;
}

static void write_file(const char *name, const char *text) {
    FILE *f = fopen(name, "w");
    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}
static unsigned mode_of(const char *name) {
    struct stat st;
    CHECK_OK(stat(name, &st));
    return st.st_mode & 0777;
}
static void says(int want, int code, const char *part) {
    if (code != want || (strstr(out, part) == NULL && strstr(err, part) == NULL)) fail_msg("%d, not %d, or no '%s' in: %s%s", code, want, part, out, err);
}
/* Hexadecimal digits of the last command's output, without the line's end. */
static const char *word(void) {
    static char w[4][80];
    static unsigned at;
    char *r = w[at++ % 4];
    (void)snprintf(r, 80, "%.64s", out);
    return r;
}

/* A folder with a key, a credential and a predicate; the issuer's public key. */
static const char *folder(void) {
    static char dir[] = "/tmp/village-zk-XXXXXX", issuer[80];
    static int made;
    if (!made) {
        CHECK(mkdtemp(dir) != NULL);
        CHECK_OK(chdir(dir));
        setenv("VILLAGE_DATA", dir, 1);
        write_file("sla.zk", "attribute uptime : 32\nattribute total : 32\nprove uptime / total >= 0.999 # three nines\n");
        write_file("quarter.json", "{\"uptime\": {\"value\": 7774200, \"bits\": 32}, \"total\": {\"value\": \"7776000\", \"bits\": 32}}");
        says(CLI_OK, zk("key issuer.key"), "issuer.key holds the secret half");
        (void)snprintf(issuer, sizeof issuer, "%s", word());
        says(CLI_OK, zk("issue quarter.json --key issuer.key --about 'sla q3' --out quarter"), "2 attributes signed by");
        made = 1;
    }
    return issuer;
}

TEST(zk_command, proves_to_whom_it_may_concern_and_nothing_else) {
    const char *issuer = folder();
    CHECK_EQ(0600, mode_of("issuer.key"));
    CHECK_EQ(0600, mode_of("quarter.opening"));
    CHECK_EQ(0644, mode_of("quarter.credential"));
    CHECK_OK(zk("nonce"));
    const char *nonce = word();
    says(CLI_OK, zk("prove sla.zk -c quarter.credential --opening quarter.opening --purpose tender --nonce %s --epoch 3 -o sla.proof", nonce), "check it with");
    says(CLI_OK, zk("verify sla.proof -p sla.zk --issuer %s --purpose tender --nonce %s --epoch 3", issuer, nonce), "sla.proof: true");
    CHECK(strstr(out, "1000*uptime - 999*total >= 0") != NULL);
    CHECK(strstr(out, "about sla q3") != NULL);
    CHECK(strstr(out, "7774200") == NULL);
    CHECK_STR("", err);
    says(CLI_FAILED, zk("verify sla.proof --issuer %s --purpose other", issuer), "another purpose");
    says(CLI_FAILED, zk("verify sla.proof --issuer %s --epoch 4", issuer), "another epoch");
    says(CLI_FAILED, zk("verify sla.proof --issuer %s --nonce %s", issuer, issuer), "another nonce");
    says(CLI_FAILED, zk("verify sla.proof --issuer %s --verifier %s", issuer, issuer), "another verifier");
    says(CLI_FAILED, zk("verify sla.proof --issuer %s", nonce), "none of those accepted");
    says(CLI_FAILED, zk("verify sla.proof"), "--issuer KEY");
    says(CLI_FAILED, zk("verify sla.proof --issuer %s -p %s", issuer, nonce), "another predicate");
    says(CLI_FAILED, zk("verify sla.proof --issuer %s --about q4", issuer), "something else");
    says(CLI_OK, zk("verify sla.proof --issuer %s", issuer), "no --nonce was demanded");
    says(CLI_OK, zk("verify sla.proof --json --issuer %s", issuer), "\"ok\":true");
    says(CLI_FAILED, zk("verify sla.proof --json"), "\"ok\":false");
}

TEST(zk_command, names_the_bad_file_among_many) {
    const char *issuer = folder();
    static char text[1u << 16];
    CHECK_OK(zk("prove sla.zk -c quarter.credential --opening quarter.opening --purpose a --out a.proof"));
    CHECK_OK(zk("prove sla.zk -c quarter.credential --opening quarter.opening --purpose b"));
    (void)snprintf(text, sizeof text, "%s", out);
    write_file("b.proof", text);
    says(CLI_OK, zk("verify a.proof b.proof a.proof --issuer %s", issuer), "b.proof: true");
    char *last = strstr(text, "\n-----END") - 9;
    *last = *last == 'A' ? 'B' : 'A';
    write_file("c.proof", text);
    write_file("d.proof", "hello");
    says(CLI_FAILED, zk("verify a.proof c.proof b.proof d.proof --issuer %s", issuer), "c.proof: the proof is wrong");
    CHECK(strstr(out, "a.proof: true") != NULL && strstr(out, "b.proof: true") != NULL);
    CHECK(strstr(out, "d.proof: these bytes are no proof") != NULL);
    CHECK(strstr(err, "2 of 4 proofs are refused") != NULL);
    says(CLI_NOT_FOUND, zk("verify a.proof missing.proof"), "there is no file missing.proof");
}

TEST(zk_command, shows_the_plan_and_where_a_predicate_is_wrong) {
    (void)folder();
    says(CLI_OK, zk("compile sla.zk"), "1 of 64 bits");
    says(CLI_OK, zk("compile sla.zk --json"), "\"kind\":\"range\"");
    write_file("bad.zk", "attribute a : 8\nprove a > b\n");
    says(CLI_USAGE, zk("compile bad.zk"), "bad.zk:2:11: 'b' is no attribute");
    write_file("wide.zk", "attribute a : 60\nattribute b : 60\nprove a / b >= 0.999\n");
    says(CLI_USAGE, zk("compile wide.zk"), "wide.zk:3:7: this comparison needs 70 bits");
    says(CLI_USAGE, zk("compile"), "village zk compile PREDICATE");
    says(CLI_USAGE, zk("compose sla.zk"), "does not know 'compose'");
    says(CLI_NOT_FOUND, zk("compile none.zk"), "there is no file none.zk");
}

TEST(zk_command, takes_sets_from_files) {
    (void)folder();
    char text[256];
    write_file("zones.txt", "3 1 2 # a remark\n40\n");
    says(CLI_OK, zk("set --set zones.txt --json"), "\"members\":4");
    CHECK_OK(zk("set --set zones.txt"));
    (void)snprintf(text, sizeof text, "attribute zone : 16 self-asserted prove zone in set@%s", word());
    write_file("zone.zk", text);
    write_file("zone.json", "{\"zone\": 40}");
    says(CLI_USAGE, zk("compile zone.zk"), "no set with this hash");
    says(CLI_OK, zk("compile zone.zk --set zones.txt"), "small-set");
    CHECK_OK(zk("prove zone.zk --set zones.txt --values zone.json --purpose x --out zone.proof"));
    says(CLI_FAILED, zk("verify zone.proof"), "only the prover vouches");
    says(CLI_OK, zk("verify zone.proof --allow-self-asserted -p zone.zk --set zones.txt"), "prover's own word");
    write_file("zone.json", "{\"zone\": 41}");
    says(CLI_FAILED, zk("prove zone.zk --set zones.txt --values zone.json --purpose x --out zone.proof"), "not true of these values");
    write_file("zones.txt", "1 2 x\n");
    says(CLI_FAILED, zk("set --set zones.txt"), "zones.txt:1:");
}

TEST(zk_command, binds_a_credential_to_its_holder) {
    const char *issuer = folder();
    CHECK_OK(zk("key holder.key"));
    const char *holder = word();
    CHECK_OK(zk("key --key holder.key"));
    CHECK_STR(holder, word());
    CHECK_OK(zk("issue quarter.json --key issuer.key --holder %s --out held", holder));
    says(CLI_NOT_FOUND, zk("prove sla.zk -c held.credential --opening held.opening --purpose x -o held.proof"), "village zk key FILE");
    says(CLI_FAILED, zk("prove sla.zk -c held.credential --opening held.opening --purpose x --key issuer.key -o held.proof"), "another holder");
    CHECK_OK(zk("prove sla.zk -c held.credential --opening held.opening --purpose x --key holder.key -o held.proof"));
    CHECK_OK(zk("verify held.proof --issuer %s --holder %s", issuer, holder));
    says(CLI_FAILED, zk("verify held.proof --issuer %s --holder %s", issuer, issuer), "another holder");
    says(CLI_FAILED, zk("key holder.key"), "exists"); /* and is not written over */
    CHECK_OK(zk("key --key holder.key"));
    CHECK_STR(holder, word());
}

TEST(zk_command, says_what_is_missing) {
    (void)folder();
    says(CLI_USAGE, zk("prove sla.zk -c quarter.credential --opening quarter.opening"), "--purpose TEXT");
    says(CLI_USAGE, zk("prove sla.zk -c quarter.credential --purpose x"), "--opening");
    says(CLI_FAILED, zk("prove sla.zk -c issuer.key --opening quarter.opening --purpose x"), "a VILLAGE CREDENTIAL is wanted");
    says(CLI_USAGE, zk("issue quarter.json --key issuer.key"), "--out NAME");
    says(CLI_NOT_FOUND, zk("issue quarter.json --out x"), "village zk key FILE");
    says(CLI_FAILED, zk("issue quarter.json --key sla.zk --out x"), "neither a key");
    write_file("sealed.keys", "VLSEALED and so on");
    says(CLI_FAILED, zk("issue quarter.json --key sealed.keys --out x"), "is sealed, and not opened here");
    says(CLI_FAILED, zk("issue quarter.json --key issuer.key --out quarter"), "choose another --out");
    write_file("bad.json", "{\"a\": 5}");
    says(CLI_USAGE, zk("issue bad.json --key issuer.key --out x"), "\"bits\": 1 to 64");
    write_file("bad.json", "{\"a\": {\"value\": 256, \"bits\": 8}}");
    says(CLI_USAGE, zk("issue bad.json --key issuer.key --out x"), "more than 8 bits");
    write_file("bad.json", "{\"a b\": {\"value\": 25, \"bits\": 8}}");
    says(CLI_USAGE, zk("issue bad.json --key issuer.key --out x"), "none of the language");
    write_file("bad.json", "{\"a\": {\"value\": \"18446744073709551616\", \"bits\": 64}}");
    says(CLI_USAGE, zk("issue bad.json --key issuer.key --out x"), "a: {");
    write_file("bad.json", "[1]");
    says(CLI_FAILED, zk("issue bad.json --key issuer.key --out x"), "a JSON object");
    CHECK(access("x.credential", F_OK) != 0);
}
