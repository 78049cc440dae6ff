#include "sandbox/runner_priv.h"

#include "crypto/hash.h"
#include "sandbox/module.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUILD_UID_SLOT SANDBOX_JOBS_MAX /* users of compilations come after those of tasks */

void build_key(const struct runner *r, const struct vl_hash *module, uint8_t level, struct vl_hash *ret) {
    uint8_t all[2 * sizeof module->b + 1];
    memcpy(all, module->b, sizeof module->b);
    memcpy(all + sizeof module->b, r->tools.hash.b, sizeof module->b);
    all[sizeof all - 1] = level;
    crypto_blake2b256(vl_span(all, sizeof all), ret);
}

bool build_find(struct runner *r, const struct vl_hash *module, char path[SANDBOX_PATH_MAX]) {
    for (uint8_t level = 2; level >= 1; level--) {
        struct vl_hash key;
        build_key(r, module, level, &key);
        if (cache_get(&r->cache, &key, path) == VL_OK) return true;
    }
    return false;
}

/* ---------------------------------------------------------------------------------------------- what we remember */

static struct module_note *note_find(struct runner *r, const struct vl_hash *module) {
    for (uint32_t i = 0; i < RUNNER_MODULES_MAX; i++)
        if (r->notes[i].used && vl_hash_eq(r->notes[i].module, *module)) return &r->notes[i];
    return NULL;
}

static struct module_note *note_make(struct runner *r, const struct vl_hash *module) {
    struct module_note *n = note_find(r, module);
    if (n) return n;
    n = &r->notes[r->next_note++ % RUNNER_MODULES_MAX]; /* the oldest is forgotten */
    *n = (struct module_note){ .used = true, .module = *module };
    return n;
}

const char *build_failure(struct runner *r, const struct vl_hash *module) {
    struct module_note *n = note_find(r, module);
    if (n == NULL || n->failed_us == 0) return NULL;
    if (runner_now_us() - n->failed_us < RUNNER_FAILURE_MS * 1000ull) return n->text;
    n->failed_us = 0;
    return NULL;
}

void build_count_run(struct runner *r, const struct vl_hash *module, const char *path) {
    struct module_note *n = note_make(r, module);
    n->runs++;
    if (n->hot_asked || n->runs < r->hot_runs) return;
    struct vl_hash key;
    char unused[SANDBOX_PATH_MAX];
    n->hot_asked = true;
    build_key(r, module, 2, &key);
    if (cache_get(&r->cache, &key, unused) == VL_OK) return;
    if (build_ask(r, module, path, 2, true, false)) n->hot_asked = false; /* the line is full: ask again at the next run */
}

/* ---------------------------------------------------------------------------------------------- the line */

enum vl_err build_ask(struct runner *r, const struct vl_hash *module, const char *path, uint8_t level, bool background,
                      bool wanted) {
    struct build *slot = NULL;
    for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++) {
        struct build *b = &r->builds[i];
        if (!b->used) {
            if (slot == NULL) slot = b;
            continue;
        }
        if (b->level != level || !vl_hash_eq(b->module, *module)) continue;
        b->background = b->background && background;
        b->wanted = b->wanted || wanted;
        return VL_OK;
    }
    if (slot == NULL) return VL_ELIMIT;
    *slot = (struct build){ .used = true, .background = background, .wanted = wanted, .module = *module, .level = level,
                            .order = r->next_order++ };
    snprintf(slot->path, sizeof slot->path, "%s", path);
    return VL_OK;
}

struct place {
    char name[16], path[SANDBOX_PATH_MAX];
};
static struct place place(const struct runner *r, const struct build *b) {
    struct place p;
    snprintf(p.name, sizeof p.name, "b-%u", (unsigned)(b - r->builds));
    snprintf(p.path, sizeof p.path, "%s/%s", r->work, p.name);
    return p;
}

/* Ends a compilation, well or badly: tells the node if it asked, and those who wait for the module. */
static void finish(struct runner *r, struct build *b, bool ok, bool cached, const char *text) {
    struct sandbox_event ev = { .kind = SANDBOX_EVT_COMPILED, .u.compiled = { .module = b->module, .level = b->level,
                                .ok = ok, .cached = cached, .text = text } };
    uint64_t us = b->started_us ? runner_now_us() - b->started_us : 0;
    ev.u.compiled.ms = (uint32_t)(us / 1000);
    bool wanted = b->wanted;
    b->used = false;
    if (ok && !cached) r->stats.compiled++;
    if (!ok) {
        r->stats.compile_failed++;
        if (b->level == 1 || wanted) {
            struct module_note *n = note_make(r, &b->module);
            n->failed_us = runner_now_us();
            snprintf(n->text, sizeof n->text, "%s", text);
        }
    }
    if (wanted) runner_send(r, &ev);
}

static bool write_input(int dir, const struct vl_buf *bytes) {
    int fd = openat(dir, TOOLCHAIN_INPUT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    bool ok = fchmod(fd, 0644) == 0;
    for (size_t at = 0; ok && at < bytes->len;) {
        ssize_t n = write(fd, bytes->p + at, bytes->len - at);
        ok = n > 0;
        if (ok) at += (size_t)n;
    }
    close(fd);
    return ok;
}

static bool make_place(struct runner *r, const struct build *b, const struct place *p, const struct vl_buf *bytes) {
    if (tree_remove(r->work_fd, p->name) || mkdirat(r->work_fd, p->name, 0755) != 0) return false;
    int fd = openat(r->work_fd, p->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    uid_t id = CONFINE_UID_FIRST + BUILD_UID_SLOT + (uint32_t)(b - r->builds);
    /* bubblewrap enters it as root without capabilities; the folder above is closed to others */
    bool ok = fchmod(fd, 0755) == 0 && write_input(fd, bytes) && (!r->confine.root || fchown(fd, id, id) == 0);
    close(fd);
    return ok;
}

/* Reads, checks and strips the module.  false: `why` says what is wrong. */
static bool prepare(struct build *b, struct vl_buf *stripped, struct vl_errmsg *why) {
    struct vl_buf raw;
    struct vl_hash hash;
    struct module_info info;
    vl_buf_init(&raw, SANDBOX_MODULE_MAX);
    enum vl_err err = cache_read_file(b->path, &raw);
    if (err == VL_ELIMIT) vl_errmsg_set(why, err, "the module is larger than %u MiB", SANDBOX_MODULE_MAX >> 20);
    else if (err) vl_errmsg_set(why, err, "the module file cannot be read: %s", vl_err_text(err));
    if (err == VL_OK) {
        crypto_blake2b256(vl_span(raw.p, raw.len), &hash);
        if (!vl_hash_eq(hash, b->module)) err = vl_errmsg_set(why, VL_ECRYPTO, "the module file is not the one named");
    }
    if (err == VL_OK) err = module_check(vl_span(raw.p, raw.len), &info, why);
    if (err == VL_OK && (err = module_strip(vl_span(raw.p, raw.len), stripped)))
        vl_errmsg_set(why, err, "the module cannot be copied: %s", vl_err_text(err));
    if (err == VL_OK) b->warned = info.stack_above_data;
    vl_buf_free(&raw);
    return err == VL_OK;
}

static void start(struct runner *r, struct build *b) {
    struct vl_hash key;
    char path[SANDBOX_PATH_MAX];
    struct vl_buf stripped;
    struct vl_errmsg why = { "" };
    build_key(r, &b->module, b->level, &key);
    b->started_us = runner_now_us();
    if (cache_get(&r->cache, &key, path) == VL_OK) {
        r->stats.cache_hits++;
        finish(r, b, true, true, "");
        return;
    }
    if (!r->tools.ok) {
        finish(r, b, false, false, r->tools.missing);
        return;
    }
    vl_buf_init(&stripped, SANDBOX_MODULE_MAX);
    bool ok = prepare(b, &stripped, &why);
    struct place p = place(r, b);
    if (ok && !make_place(r, b, &p, &stripped)) {
        vl_errmsg_set(&why, VL_EIO, "the compiler's folder cannot be made: %s", strerror(errno));
        ok = false;
    }
    vl_buf_free(&stripped);
    uint32_t uid_slot = BUILD_UID_SLOT + (uint32_t)(b - r->builds);
    pid_t pid = ok ? toolchain_start(&r->tools, &r->confine, p.path, b->level, uid_slot, r->self) : -1;
    if (ok && pid < 0) vl_errmsg_set(&why, VL_EIO, "the compiler cannot be started: %s", strerror(errno));
    if (pid > 0) b->pid = pid;
    else finish(r, b, false, false, why.text);
}

bool build_start_next(struct runner *r) {
    for (bool ended = false;;) {
        struct build *next = NULL;
        uint32_t running = 0;
        for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++) {
            struct build *b = &r->builds[i];
            if (!b->used) continue;
            if (b->pid) running++;
            else if (next == NULL || b->background < next->background ||
                     (b->background == next->background && b->order < next->order))
                next = b;
        }
        if (next == NULL || running >= RUNNER_BUILDS_AT_ONCE || (next->background && running > 0)) return ended;
        start(r, next);
        ended = ended || !next->used;
    }
}

bool build_reaped(struct runner *r, pid_t pid, int status) {
    struct build *b = NULL;
    for (uint32_t i = 0; i < RUNNER_BUILDS_MAX && b == NULL; i++)
        if (r->builds[i].used && r->builds[i].pid == pid) b = &r->builds[i];
    if (b == NULL) return false;
    struct place p = place(r, b);
    char text[SANDBOX_TEXT_MAX] = "", out[SANDBOX_PATH_MAX + 16];
    bool ok = status == 0;
    if (ok) {
        struct vl_hash key;
        build_key(r, &b->module, b->level, &key);
        snprintf(out, sizeof out, "%s/" TOOLCHAIN_OUTPUT, p.path);
        enum vl_err err = cache_put(&r->cache, &key, out);
        ok = err == VL_OK;
        if (!ok) snprintf(text, sizeof text, "the compiled module cannot be stored: %s", vl_err_text(err));
        else if (b->warned)
            snprintf(text, sizeof text, "warning: the stack lies above the data, so a stack overflow overwrites variables "
                     "unnoticed: link with -Wl,--stack-first");
    } else if (b->timed_out) {
        snprintf(text, sizeof text, "compiling the module takes more than %u s: make it smaller", TOOLCHAIN_WALL_MS / 1000);
    } else {
        toolchain_explain(status, p.path, text, sizeof text);
    }
    enum vl_err left = tree_remove(r->work_fd, p.name);
    (void)left; /* a dying process of the jail may still write there; make_place() removes the rest */
    finish(r, b, ok, false, text);
    return true;
}

void build_tick(struct runner *r, uint64_t now_us, uint64_t *deadline_us) {
    for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++) {
        struct build *b = &r->builds[i];
        if (!b->used || !b->pid || b->timed_out || b->stopped_at_us) continue;
        uint64_t end = b->started_us + TOOLCHAIN_WALL_MS * 1000ull;
        if (now_us >= end) {
            b->timed_out = r->strangers = true;
            kill(b->pid, SIGKILL);
        } else if (end < *deadline_us) {
            *deadline_us = end;
        }
    }
}

void build_kill_all(struct runner *r) {
    for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++)
        if (r->builds[i].used && r->builds[i].pid) kill(r->builds[i].pid, SIGKILL);
}
