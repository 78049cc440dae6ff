#include "cli/inputs.h"

#include "base/map.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_CHUNK (1u << 20)
#define SAY_EVERY_MS 100u

void inputs_free(struct inputs *in) {
    for (size_t i = 0; i < in->n; i++) free(in->v[i].path);
    free(in->v);
    *in = (struct inputs){ .n = 0 };
}

int inputs_add_file(struct cli *cli, struct inputs *in, const char *path) {
    for (size_t i = 0; i < in->n; i++)
        if (strcmp(in->v[i].path, path) == 0) return CLI_OK;
    if (in->n == VL_JOB_TASKS_MAX)
        return cli_fail(cli, CLI_USAGE, "more than %u input files; split the job", VL_JOB_TASKS_MAX);
    if (in->n == in->cap) {
        size_t cap = in->cap ? in->cap * 2 : 64;
        struct input *v = realloc(in->v, cap * sizeof *v);
        if (v == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
        in->v = v;
        in->cap = cap;
    }
    char *copy = strdup(path);
    if (copy == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
    in->v[in->n++] = (struct input){ .path = copy };
    return CLI_OK;
}

int inputs_add(struct cli *cli, struct inputs *in, const char *pattern) {
    struct stat st;
    if (stat(pattern, &st) == 0 && S_ISREG(st.st_mode)) return inputs_add_file(cli, in, pattern);
    glob_t found = { 0 };
    int rc = glob(pattern, GLOB_BRACE | GLOB_TILDE, NULL, &found);
    int code = CLI_OK;
    size_t files = 0;
    for (size_t i = 0; rc == 0 && i < found.gl_pathc && code == CLI_OK; i++) {
        if (stat(found.gl_pathv[i], &st) != 0 || !S_ISREG(st.st_mode)) continue;
        files++;
        code = inputs_add_file(cli, in, found.gl_pathv[i]);
    }
    if (rc == GLOB_NOSPACE) code = cli_fail(cli, CLI_FAILED, "out of memory");
    if (rc == GLOB_ABORTED)
        code = cli_fail(cli, CLI_FAILED, "cannot read a folder of '%s': %s", pattern, strerror(errno));
    globfree(&found);
    if (code == CLI_OK && files == 0)
        code = stat(pattern, &st) == 0 && S_ISDIR(st.st_mode)
                   ? cli_fail(cli, CLI_NOT_FOUND, "'%s' is a folder; for the files in it: --input '%s/*'", pattern,
                              pattern)
                   : cli_fail(cli, CLI_NOT_FOUND, "no file matches '%s'", pattern);
    return code;
}

/* Cuts n to a whole UTF-8 character. */
static size_t whole_characters(const char *s, size_t n) {
    while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) n--;
    return n;
}

/* A base name as tasks may have it: no control characters, and `mark` put before the extension. */
static void make_name(const char *path, const char *mark, char dst[VL_NAME_MAX]) {
    struct vl_buf b;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    const char *extension = dot != NULL && dot != base && strlen(dot) <= 12 ? dot : "";
    size_t stem = strlen(base) - strlen(extension), room = VL_NAME_MAX - 1 - strlen(extension) - strlen(mark);
    if (stem > room) stem = whole_characters(base, room);
    char text[VL_NAME_MAX];
    int n = snprintf(text, sizeof text, "%.*s%s%s", (int)stem, base, mark, extension);
    vl_buf_init(&b, 4 * VL_NAME_MAX);
    if (n > 0 && term_sanitise(&b, text, (size_t)n, false) == VL_OK && vl_buf_append(&b, "", 1) == VL_OK &&
        b.len <= VL_NAME_MAX)
        memcpy(dst, b.p, b.len);
    else
        snprintf(dst, VL_NAME_MAX, "input%s", mark);
    vl_buf_free(&b);
}

void inputs_name(struct inputs *in) {
    struct vl_map seen;
    vl_map_init(&seen, VL_NAME_MAX, VL_JOB_TASKS_MAX, 0);
    for (size_t i = 0; i < in->n; i++) {
        char mark[16] = "";
        for (unsigned k = 2; k <= VL_JOB_TASKS_MAX + 1; k++) {
            memset(in->v[i].name, 0, VL_NAME_MAX); /* the whole array is the key */
            make_name(in->v[i].path, mark, in->v[i].name);
            if (vl_map_get(&seen, in->v[i].name) == NULL) break;
            snprintf(mark, sizeof mark, "-%u", k);
        }
        if (vl_map_put(&seen, in->v[i].name, &in->v[i]) != VL_OK) break; /* two alike: the gateway names the field */
    }
    vl_map_free(&seen);
}

bool file_hash(int fd, struct vl_hash *ret_hash, uint64_t *ret_size) {
    crypto_generichash_state state;
    uint64_t at = 0;
    uint8_t *chunk = malloc(HASH_CHUNK);
    if (chunk == NULL) return false;
    crypto_generichash_init(&state, NULL, 0, sizeof ret_hash->b);
    ssize_t n = 0;
    while (!cli_interrupted() && (n = pread(fd, chunk, HASH_CHUNK, (off_t)at)) > 0) {
        crypto_generichash_update(&state, chunk, (size_t)n);
        at += (uint64_t)n;
    }
    free(chunk);
    if (n != 0 || cli_interrupted()) return false;
    crypto_generichash_final(&state, ret_hash->b, sizeof ret_hash->b);
    *ret_size = at;
    return true;
}

static int hash_one(struct cli *cli, struct input *f) {
    struct stat st;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cli_fail(cli, CLI_NOT_FOUND, "cannot read %s: %s", f->path, strerror(errno));
    int code = CLI_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        code = cli_fail(cli, CLI_NOT_FOUND, "%s is no regular file", f->path);
    else if ((uint64_t)st.st_size > VL_BLOB_MAX)
        code = cli_fail(cli, CLI_FAILED, "%s is larger than 4 GiB; split it", f->path);
    else if (!file_hash(fd, &f->hash, &f->size))
        code = cli_interrupted() ? (int)CLI_INTERRUPTED
                                 : cli_fail(cli, CLI_FAILED, "cannot read %s: %s", f->path, strerror(errno));
    f->changed = st.st_mtim;
    close(fd);
    return code;
}

int inputs_hash(struct cli *cli, struct inputs *in) {
    struct term_progress bar = { .term = cli->err, .quiet = cli->quiet };
    int code = CLI_OK;
    vl_ms said = cli_now();
    for (size_t i = 0; i < in->n && code == CLI_OK; i++) {
        code = hash_one(cli, &in->v[i]);
        if (cli_now() - said < SAY_EVERY_MS) continue;
        said = cli_now();
        term_progress_show(&bar, said, "reading %zu of %zu files", i + 1, in->n);
    }
    term_progress_clear(&bar);
    return code;
}

struct upload {
    struct cli *cli;
    struct term_progress bar;
    uint64_t before, total; /* bytes */
    size_t file, files;
    vl_ms said;
};

static void on_sent(void *arg, uint64_t n) {
    struct upload *u = arg;
    char done[UNITS_TEXT], all[UNITS_TEXT];
    vl_ms now = cli_now();
    if (now - u->said < SAY_EVERY_MS) return;
    u->said = now;
    units_format_size(u->before + n, done);
    units_format_size(u->total, all);
    unsigned percent = u->total > 0 ? (unsigned)((u->before + n) * 100 / u->total) : 100;
    char fill[21] = "                    ";
    for (unsigned i = 0; i < percent / 5 && i < 20; i++) fill[i] = '#';
    term_progress_show(&u->bar, now, "uploading [%s] %u%%  %s of %s  file %zu of %zu", fill, percent, done, all,
                       u->file + 1, u->files);
}

static int upload_one(struct cli *cli, struct upload *u, const struct input *f) {
    char path[96], hex[65];
    struct vl_errmsg msg = { .text = "" };
    struct rest_reply reply = { .status = 0 };
    vl_hex_encode(f->hash.b, sizeof f->hash.b, hex);
    snprintf(path, sizeof path, "/v1/blobs/%s", hex);
    struct rest_request ask = { .method = "HEAD", .path = path };
    enum vl_err err = cli_ask(cli, &ask, &reply, &msg);
    if (err == VL_ENOTFOUND && reply.status == 404) {
        rest_reply_free(&reply);
        struct rest_request put = {
            .method = "PUT", .path = path, .has_file = true, .file_size = f->size, .sent = on_sent, .arg = u
        };
        struct stat st;
        put.file = open(f->path, O_RDONLY | O_CLOEXEC);
        if (put.file < 0) return cli_fail(cli, CLI_NOT_FOUND, "cannot read %s: %s", f->path, strerror(errno));
        bool same = fstat(put.file, &st) == 0 && (uint64_t)st.st_size == f->size &&
                    st.st_mtim.tv_sec == f->changed.tv_sec && st.st_mtim.tv_nsec == f->changed.tv_nsec;
        err = same ? cli_ask(cli, &put, &reply, &msg) : VL_ESTALE;
        close(put.file);
        if (err == VL_ESTALE || reply.status == 422) {
            term_progress_clear(&u->bar);
            rest_reply_free(&reply);
            return cli_fail(cli, CLI_FAILED, "%s changed while it was read; run the command again", f->path);
        }
    }
    int code = CLI_OK;
    if (err != VL_OK) {
        term_progress_clear(&u->bar);
        code = err == VL_ECLOSED ? (int)CLI_INTERRUPTED : cli_explain(cli, err, &reply, &msg);
    }
    rest_reply_free(&reply);
    return code;
}

int inputs_upload(struct cli *cli, struct inputs *in) {
    struct upload u = { .cli = cli, .bar = { .term = cli->err, .quiet = cli->quiet }, .files = in->n };
    struct vl_map seen; /* the same content is asked for once */
    vl_map_init(&seen, sizeof(struct vl_hash), VL_JOB_TASKS_MAX + 1, 0);
    for (size_t i = 0; i < in->n; i++) u.total += in->v[i].size;
    int code = cli_open(cli);
    for (size_t i = 0; i < in->n && code == CLI_OK; i++) {
        u.file = i;
        if (vl_map_get(&seen, in->v[i].hash.b) == NULL) {
            code = upload_one(cli, &u, &in->v[i]);
            if (code == CLI_OK && vl_map_put(&seen, in->v[i].hash.b, &in->v[i]) != VL_OK)
                code = cli_fail(cli, CLI_FAILED, "out of memory");
        }
        u.before += in->v[i].size;
        on_sent(&u, 0);
    }
    term_progress_clear(&u.bar);
    vl_map_free(&seen);
    return code;
}

/* Where a command without a slash is, as a shell of this machine would find it. */
static bool search_path(const char *name, char dst[CLI_PATH_MAX]) {
    const char *p = getenv("PATH");
    for (p = p != NULL ? p : "/usr/bin:/bin"; *p != '\0';) {
        size_t n = strcspn(p, ":");
        int put = snprintf(dst, CLI_PATH_MAX, "%.*s/%s", (int)n, p, name);
        if (*p == '/' && put > 0 && put < (int)CLI_PATH_MAX && access(dst, X_OK) == 0) return true;
        p += n + (p[n] == ':');
    }
    return false;
}

int program_find(struct cli *cli, const char *typed, enum program_kind *ret_kind, char dst[CLI_PATH_MAX]) {
    uint8_t magic[8] = { 0 };
    size_t n = strlen(typed);
    bool named = n > 5 && strcmp(typed + n - 5, ".wasm") == 0;
    int fd = open(typed, O_RDONLY | O_CLOEXEC);
    int error = errno;
    ssize_t got = fd >= 0 ? read(fd, magic, sizeof magic) : -1;
    if (fd >= 0) close(fd);
    if (named && fd < 0) return cli_fail(cli, CLI_NOT_FOUND, "cannot read %s: %s", typed, strerror(error));
    if (got == 8 && memcmp(magic, "\0asm\1\0\0\0", 8) == 0) {
        *ret_kind = PROGRAM_WASM;
        snprintf(dst, CLI_PATH_MAX, "%s", typed);
        return CLI_OK;
    }
    if (got == 8 && memcmp(magic, "\0asm", 4) == 0)
        return cli_fail(cli, CLI_FAILED, "%s is a WebAssembly component, not a module; build it for wasm32-wasip1",
                        typed);
    if (named) return cli_fail(cli, CLI_FAILED, "%s is no WebAssembly module: its first bytes are not \\0asm", typed);
    *ret_kind = PROGRAM_NATIVE;
    if (typed[0] == '/') {
        snprintf(dst, CLI_PATH_MAX, "%s", typed);
        return CLI_OK;
    }
    if (strchr(typed, '/') != NULL)
        return cli_fail(cli, CLI_USAGE,
                        "%s: a native program is named by its absolute path on the nodes, such as /usr/bin/wc, "
                        "or by its name",
                        typed);
    if (search_path(typed, dst)) return CLI_OK;
    return cli_fail(cli, CLI_NOT_FOUND, "no program '%s' here: name a .wasm file, or the absolute path on the nodes",
                    typed);
}
