#include "sim/world_priv.h"

#include <stdlib.h>
#include <string.h>

static struct file *file_find(const struct node *n, const char *name) {
    struct file *f = n->files;
    while (f != NULL && strcmp(f->name, name) != 0) f = f->next;
    return f;
}

static enum vl_err file_get(struct node *n, const char *name, struct file **ret) {
    struct file *f = file_find(n, name);
    if (f == NULL) {
        if (strlen(name) >= WORLD_FILE_NAME_MAX) return VL_ERANGE;
        if (n->files_n == WORLD_FILES_MAX) return VL_ELIMIT;
        f = calloc(1, sizeof *f);
        if (f == NULL) return VL_ENOMEM;
        memcpy(f->name, name, strlen(name) + 1);
        vl_buf_init(&f->live, SIZE_MAX / 2);
        vl_buf_init(&f->durable, SIZE_MAX / 2);
        f->next = n->files;
        n->files = f;
        n->files_n++;
    }
    *ret = f;
    return VL_OK;
}

/* Holes read as zeros, as on a real disk. */
static enum vl_err image_resize(struct vl_buf *b, uint64_t size) {
    if (size > b->len) {
        enum vl_err err = vl_buf_reserve(b, (size_t)size - b->len);
        if (err) return err;
        memset(b->p + b->len, 0, (size_t)size - b->len);
    }
    b->len = (size_t)size;
    return VL_OK;
}
static enum vl_err image_change(struct vl_buf *b, const struct change *c, size_t n) {
    if (c->truncate) return image_resize(b, c->offset);
    enum vl_err err = c->offset + n > b->len ? image_resize(b, c->offset + n) : VL_OK;
    if (!err && n) memcpy(b->p + c->offset, c->p, n);
    return err;
}

static enum vl_err file_change(struct node *n, struct file *f, bool truncate, uint64_t offset, struct vl_span bytes) {
    size_t before = f->live.len;
    struct change *c = malloc(sizeof *c + bytes.n);
    if (c == NULL) return VL_ENOMEM;
    *c = (struct change){ .truncate = truncate, .offset = offset, .n = bytes.n };
    if (bytes.n) memcpy(c->p, bytes.p, bytes.n);
    enum vl_err err = image_change(&f->live, c, c->n);
    if (err) {
        free(c);
        return err;
    }
    n->disk_used = n->disk_used - before + f->live.len;
    *(f->last ? &f->last->next : &f->first) = c;
    f->last = c;
    return VL_OK;
}

static enum vl_err file_sync(struct file *f) {
    for (struct change *c; (c = f->first) != NULL;) {
        enum vl_err err = image_change(&f->durable, c, c->n);
        if (err) return err;
        f->first = c->next;
        free(c);
    }
    f->last = NULL;
    return VL_OK;
}

/* Every disk call passes here.  VL_ECLOSED: the node dies in this call; *ret_apply: after it took effect. */
static enum vl_err call_begin(struct world *w, struct node *n, bool *ret_apply) {
    *ret_apply = true;
    if (n->dying) {
        *ret_apply = false;
        return VL_ECLOSED;
    }
    if (n->writes_to_crash == 0 || --n->writes_to_crash > 0) return VL_OK;
    n->dying = true;
    *ret_apply = vl_prng_below(&w->disk, 2);
    return VL_ECLOSED;
}

enum vl_err world_disk_write(struct world *w, uint32_t node, const char *file, uint64_t offset, struct vl_span bytes) {
    struct node *n = &w->nodes[node];
    struct file *f = NULL;
    bool apply;
    enum vl_err dead = call_begin(w, n, &apply);
    if (!apply) return dead;
    enum vl_err err = file_get(n, file, &f);
    if (err) return err;
    if (offset > f->live.len) return VL_ERANGE;
    uint64_t grows = offset + bytes.n > f->live.len ? offset + bytes.n - f->live.len : 0;
    bool full = n->disk_limit != 0 && n->disk_used + grows > n->disk_limit;
    if (full) { /* a short write: some first part of it is there */
        uint64_t room = n->disk_limit > n->disk_used ? n->disk_limit - n->disk_used : 0;
        size_t fits = bytes.n - (size_t)grows + (size_t)(room < grows ? room : grows);
        bytes.n = (size_t)vl_prng_below(&w->disk, fits + 1);
    }
    err = file_change(n, f, false, offset, bytes);
    return err ? err : dead ? dead : full ? VL_ENOSPC : VL_OK;
}

enum vl_err world_disk_truncate(struct world *w, uint32_t node, const char *file, uint64_t size) {
    struct node *n = &w->nodes[node];
    struct file *f = NULL;
    bool apply;
    enum vl_err dead = call_begin(w, n, &apply);
    if (!apply) return dead;
    enum vl_err err = file_get(n, file, &f);
    if (!err && size > f->live.len) err = VL_ERANGE;
    if (!err) err = file_change(n, f, true, size, vl_span(NULL, 0));
    return err ? err : dead;
}

enum vl_err world_disk_sync(struct world *w, uint32_t node, const char *file) {
    struct node *n = &w->nodes[node];
    struct file *f = file_find(n, file);
    bool apply;
    enum vl_err dead = call_begin(w, n, &apply);
    if (!apply) return dead;
    enum vl_err err = f ? file_sync(f) : VL_OK;
    return err ? err : dead;
}

struct vl_span world_disk_read(const struct world *w, uint32_t node, const char *file) {
    const struct file *f = file_find(&w->nodes[node], file);
    return f ? vl_span(f->live.p, f->live.len) : vl_span(NULL, 0);
}

/* The page cache is gone: each unsynced change reached the disk, or did not, or in part; in no particular order. */
static void file_crash(struct world *w, struct node *n, struct file *f) {
    for (struct change *c; (c = f->first) != NULL;) {
        uint64_t fate = vl_prng_below(&w->disk, 3);
        size_t kept = fate == 0 ? 0 : fate == 1 ? c->n : (size_t)vl_prng_below(&w->disk, c->n + 1);
        if ((fate == 1 || (kept > 0 && !c->truncate)) && image_change(&f->durable, c, kept) != VL_OK) w->no_memory = true;
        f->first = c->next;
        free(c);
    }
    f->last = NULL;
    n->disk_used = n->disk_used - f->live.len + f->durable.len;
    if (f->durable.len > f->live.len && image_resize(&f->live, f->durable.len) != VL_OK) {
        w->no_memory = true;
        return;
    }
    f->live.len = f->durable.len;
    if (f->durable.len) memcpy(f->live.p, f->durable.p, f->durable.len);
}

void world_disk_crashed(struct world *w, struct node *n) {
    n->writes_to_crash = 0;
    for (struct file *f = n->files; f != NULL; f = f->next) file_crash(w, n, f);
}

void world_disk_free(struct node *n) {
    for (struct file *f; (f = n->files) != NULL;) {
        n->files = f->next;
        for (struct change *c; (c = f->first) != NULL;) {
            f->first = c->next;
            free(c);
        }
        vl_buf_free(&f->live);
        vl_buf_free(&f->durable);
        free(f);
    }
}
