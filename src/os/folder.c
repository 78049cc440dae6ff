#include "os/folder.h"

#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reading {
    struct folder *f;
    const char *path;
    enum vl_err err;
    struct vl_errmsg *why;
};

static void take(void *arg, const char *name) {
    struct reading *r = arg;
    char path[1024];
    size_t n = strlen(name);
    if (r->err || name[0] == '.') return;
    if (r->f->n == FOLDER_FILES) {
        r->err = vl_errmsg_set(r->why, VL_ELIMIT, "%s: holds more than %u files", r->path, FOLDER_FILES);
        return;
    }
    int length = snprintf(path, sizeof path, "%s/%s", r->path, name);
    if (n >= FOLDER_NAME || length < 0 || (size_t)length >= sizeof path) {
        r->err = vl_errmsg_set(r->why, VL_ERANGE, "%s: the name %.40s... is too long", r->path, name);
        return;
    }
    struct folder_file *file = &r->f->file[r->f->n++];
    memcpy(file->name, name, n + 1);
    vl_buf_init(&file->bytes, FOLDER_FILE_BYTES);
    r->err = os_file_read(path, &file->bytes);
    if (r->err == VL_ELIMIT)
        vl_errmsg_set(r->why, r->err, "%s: larger than 1 MiB", path);
    else if (r->err)
        vl_errmsg_set(r->why, r->err, "cannot read %s: %s", path, vl_err_text(r->err));
}

enum vl_err folder_read(const char *path, struct folder *ret, struct vl_errmsg *why) {
    struct folder f = { .file = calloc(FOLDER_FILES, sizeof *f.file) };
    struct reading r = { .f = &f, .path = path, .why = why };
    if (f.file == NULL) return vl_errmsg_set(why, VL_ENOMEM, "out of memory");
    if (access(path, R_OK | X_OK) != 0)
        r.err = vl_errmsg_set(why, VL_ENOTFOUND, "%s: is not there, or may not be read by this user", path);
    else if ((r.err = os_dir_each(path, take, &r)))
        vl_errmsg_set(why, r.err, "cannot read the folder %s: %s", path, vl_err_text(r.err));
    if (r.err)
        folder_free(&f);
    else
        *ret = f;
    return r.err;
}

void folder_free(struct folder *f) {
    for (size_t i = 0; i < f->n; i++) vl_buf_free(&f->file[i].bytes);
    free(f->file);
    *f = (struct folder){ .n = 0 };
}
