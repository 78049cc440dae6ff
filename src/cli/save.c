#include "cli/follow.h"

#include "base/bounds.h"
#include "base/text.h"
#include "cli/inputs.h"
#include "cli/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_NAME 64
#define TIMES 2u /* from where it broke off, then once from the start */

void save_safe_name(const char *foreign, char dst[SAFE_NAME_MAX]) {
    struct vl_buf b;
    vl_buf_init(&b, 4 * SAFE_NAME_MAX);
    size_t n = strnlen(foreign, SAFE_NAME_MAX - 1);
    while (n > 0 && foreign[n] != '\0' && ((unsigned char)foreign[n] & 0xc0) == 0x80) n--;
    if (n == 0 || term_sanitise(&b, foreign, n, false) != VL_OK || b.len >= SAFE_NAME_MAX) {
        snprintf(dst, SAFE_NAME_MAX, "_");
    } else {
        memcpy(dst, b.p, b.len);
        dst[b.len] = '\0';
        for (size_t i = 0; i < b.len; i++)
            if (dst[i] == '/' || dst[i] == '\\') dst[i] = '_';
        if (dst[0] == '.' || dst[0] == '-') dst[0] = '_'; /* hidden files, "..", and what looks like an option */
    }
    vl_buf_free(&b);
}

struct saver {
    struct cli *cli;
    struct term_progress bar;
    json_t *files;
    const char *dir;
    uint64_t bytes;
    size_t done;
    vl_ms said;
};
struct sink {
    struct saver *saver;
    int fd;
    bool full;
};

static bool on_bytes(void *arg, const void *p, size_t n) {
    struct sink *s = arg;
    const char *at = p;
    for (size_t left = n; left > 0;) {
        ssize_t put = write(s->fd, at, left);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) {
            s->full = true;
            return false;
        }
        at += put;
        left -= (size_t)put;
    }
    s->saver->bytes += n;
    if (cli_now() - s->saver->said >= 100) {
        char text[UNITS_TEXT];
        units_format_size(s->saver->bytes, text);
        s->saver->said = cli_now();
        term_progress_show(&s->saver->bar, s->saver->said, "saving: %zu files, %s", s->saver->done, text);
    }
    return true;
}

static bool is_right(int dir, const char *name, const struct vl_hash *hash, uint64_t size) {
    struct stat st;
    struct vl_hash got;
    uint64_t n = 0;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return false;
    bool right = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size &&
                 file_hash(fd, &got, &n) && n == size && vl_hash_eq(got, *hash);
    close(fd);
    return right;
}

/* Fetches into `part`, from where it broke off. */
static int fetch(struct saver *s, int dir, const char *part, const char *hex, uint64_t size) {
    char path[96];
    struct stat st;
    struct vl_errmsg msg = { .text = "" };
    struct rest_reply reply = { .status = 0 };
    struct sink sink = { .saver = s };
    sink.fd = openat(dir, part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (sink.fd < 0 || fstat(sink.fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (sink.fd >= 0) close(sink.fd);
        return cli_fail(s->cli, CLI_FAILED, "cannot write in %s: %s", s->dir, strerror(errno));
    }
    uint64_t from = (uint64_t)st.st_size < size ? (uint64_t)st.st_size : 0;
    int code = CLI_OK;
    if (ftruncate(sink.fd, (off_t)from) != 0 || lseek(sink.fd, (off_t)from, SEEK_SET) < 0)
        code = cli_fail(s->cli, CLI_FAILED, "cannot write in %s: %s", s->dir, strerror(errno));
    snprintf(path, sizeof path, "/v1/blobs/%s", hex);
    struct rest_request q = { .method = "GET", .path = path, .sink = on_bytes, .arg = &sink, .range_from = from };
    enum vl_err err = code == CLI_OK && size > 0 ? cli_ask(s->cli, &q, &reply, &msg) : VL_OK;
    if (sink.full)
        code = cli_fail(s->cli, CLI_FAILED, "cannot write in %s: %s; what is there stays, run the command again",
                        s->dir, strerror(errno));
    else if (err == VL_ECLOSED)
        code = cli_fail(s->cli, CLI_INTERRUPTED, "interrupted; what is there stays, run the command again to go on");
    else if (err != VL_OK)
        code = cli_explain(s->cli, err, &reply, &msg);
    /* A gateway that answers a range with the whole file (200) would double its start: take all of it next time. */
    if (code == CLI_OK && from > 0 && reply.status == 200 && ftruncate(sink.fd, 0) != 0)
        code = cli_fail(s->cli, CLI_FAILED, "cannot write in %s: %s", s->dir, strerror(errno));
    if (close(sink.fd) != 0 && code == CLI_OK)
        code = cli_fail(s->cli, CLI_FAILED, "cannot write in %s: %s", s->dir, strerror(errno));
    rest_reply_free(&reply);
    return code;
}

static int save_file(struct saver *s, int dir, const char *name, const char *hex, uint64_t size) {
    char part[PART_NAME];
    struct vl_hash hash;
    if (vl_hex_decode(hex, hash.b, sizeof hash.b) != VL_OK || size > VL_BLOB_MAX)
        return cli_fail(s->cli, CLI_FAILED, "the gateway names an output without a proper hash");
    if (is_right(dir, name, &hash, size)) return CLI_OK;
    snprintf(part, sizeof part, ".village-part-%.32s", hex); /* no safe name begins with a dot */
    for (unsigned i = 0; i < TIMES; i++) {
        int code = fetch(s, dir, part, hex, size);
        if (code != CLI_OK) return code;
        if (is_right(dir, part, &hash, size)) {
            if (renameat(dir, part, dir, name) == 0) return CLI_OK;
            return cli_fail(s->cli, CLI_FAILED, "cannot name a file in %s: %s", s->dir, strerror(errno));
        }
        unlinkat(dir, part, 0);
        if (cli_interrupted()) return cli_fail(s->cli, CLI_INTERRUPTED, "interrupted; run the command again to go on");
    }
    return cli_fail(s->cli, CLI_FAILED, "%s arrived damaged twice; ask again or look at the gateway's disk", name);
}

/* Opens dir/name below the folder, making it; refuses a symbolic link. */
static int open_below(int dir, const char *name) {
    if (mkdirat(dir, name, 0777) != 0 && errno != EEXIST) return -1;
    return openat(dir, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int save_task(struct saver *s, int root, const json_t *task) {
    char folder[SAFE_NAME_MAX + 16], input[SAFE_NAME_MAX] = "", used[VL_TASK_OUTPUTS_MAX][SAFE_NAME_MAX];
    const json_t *outputs = json_object_get(task, "outputs"), *o = NULL;
    size_t i = 0, n = json_array_size(outputs);
    if (n == 0) return CLI_OK;
    if (n > VL_TASK_OUTPUTS_MAX) return cli_fail(s->cli, CLI_FAILED, "the gateway lists too many outputs for one task");
    if (json_text(task, "input", NULL) != NULL) save_safe_name(json_text(task, "input", ""), input);
    snprintf(folder, sizeof folder, "%04llu%s%s", (unsigned long long)json_count(task, "index", 0), *input ? "-" : "",
             input);
    int dir = open_below(root, folder), code = CLI_OK;
    if (dir < 0) return cli_fail(s->cli, CLI_FAILED, "cannot make %s/%s: %s", s->dir, folder, strerror(errno));
    json_array_foreach(outputs, i, o) {
        char name[SAFE_NAME_MAX];
        save_safe_name(json_text(o, "name", ""), name);
        for (size_t k = 0; k < i; k++) /* two foreign names may come out alike */
            if (strcmp(used[k], name) == 0) snprintf(name, sizeof name, "_output-%zu", i);
        memcpy(used[i], name, sizeof name);
        code = save_file(s, dir, name, json_text(o, "hash", ""), json_count(o, "size", UINT64_MAX));
        if (code != CLI_OK) break;
        json_t *path = json_sprintf("%s/%s/%s", s->dir, folder, name);
        if (path == NULL) path = json_sprintf("%s/%zu", folder, i); /* the folder's own name is no UTF-8 */
        json_array_append_new(s->files, path);
        s->done++;
    }
    close(dir);
    return code;
}

int save_outputs(struct cli *cli, const char *id, const char *dir, json_t **ret_files) {
    char path[96];
    json_t *tasks = NULL, *task = NULL;
    struct saver s = {
        .cli = cli, .bar = { .term = cli->err, .quiet = cli->quiet }, .dir = dir, .files = json_array()
    };
    snprintf(path, sizeof path, "/v1/fog/jobs/%.32s/tasks", id);
    int code = s.files != NULL ? cli_list(cli, path, VL_JOB_TASKS_MAX * 2, &tasks)
                               : cli_fail(cli, CLI_FAILED, "out of memory");
    int root = -1;
    if (code == CLI_OK) {
        if (mkdir(dir, 0777) != 0 && errno != EEXIST)
            code = cli_fail(cli, CLI_FAILED, "cannot make %s: %s", dir, strerror(errno));
        else if ((root = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC)) < 0)
            code = cli_fail(cli, CLI_FAILED, "cannot open the folder %s: %s", dir, strerror(errno));
    }
    size_t i = 0;
    json_array_foreach(tasks, i, task) {
        if (code == CLI_OK) code = save_task(&s, root, task);
    }
    term_progress_clear(&s.bar);
    if (root >= 0) close(root);
    json_decref(tasks);
    if (code != CLI_OK) {
        json_decref(s.files);
        return code;
    }
    *ret_files = s.files;
    return CLI_OK;
}
