/* Blobs of a node: files in the blob directory, small ones in the store, and uploads from the gateway. */
#include "node/priv.h"

#include "crypto/hash.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum vl_err blob_hash_file(const char *path, struct vl_hash *ret, uint64_t *ret_size) {
    struct crypto_blake2b h;
    uint64_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint8_t *buf = malloc(VL_CHUNK);
    enum vl_err err = fd < 0 ? os_err(errno) : buf ? VL_OK : VL_ENOMEM;
    crypto_blake2b_init(&h);
    while (err == VL_OK) {
        ssize_t n = read(fd, buf, VL_CHUNK);
        if (n < 0 && errno != EINTR) err = os_err(errno);
        if (n == 0) break;
        if (n > 0) {
            crypto_blake2b_update(&h, buf, (size_t)n);
            size += (uint64_t)n;
        }
    }
    if (err == VL_OK) {
        crypto_blake2b_final(&h, ret);
        *ret_size = size;
    }
    if (fd >= 0) close(fd);
    free(buf);
    return err;
}

enum vl_err blob_ensure(struct node *n, const struct vl_hash *h, char path[640], uint64_t *ret_size) {
    struct vl_span small;
    os_blob_path(&n->blobs, h, path);
    enum vl_err err = os_blob_size(&n->blobs, h, ret_size);
    if (err == VL_OK && !n->coordinator) os_blob_touch(&n->blobs, h);
    if (err != VL_ENOTFOUND) return err;
    err = persist_small_blob(n->store, h, &small);
    if (err) return err;
    *ret_size = small.n;
    return os_blob_cache(&n->blobs, h, small.p, small.n);
}

enum vl_err node_blob_size(struct node *n, struct vl_hash h, uint64_t *ret) {
    struct vl_span small;
    enum vl_err err = os_blob_size(&n->blobs, &h, ret);
    if (err == VL_ENOTFOUND && (err = persist_small_blob(n->store, &h, &small)) == VL_OK) *ret = small.n;
    return err;
}

enum vl_err node_blob_open(struct node *n, struct vl_hash h, int *ret_fd, uint64_t *ret_size) {
    char path[640];
    uint64_t size = 0;
    enum vl_err err = blob_ensure(n, &h, path, &size);
    if (err) return err;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return os_err(errno);
    *ret_fd = fd;
    *ret_size = size;
    return VL_OK;
}

/* ---- for the brain ------------------------------------------------------------------------------------------------
 */

void blob_find(struct node *n, struct vl_hash h) {
    char path[640];
    uint64_t size = 0;
    bool complete = blob_ensure(n, &h, path, &size) == VL_OK;
    brain_blob_found(n->brain, node_now(n), h, complete, size, complete ? 0 : os_blob_part_size(&n->blobs, &h));
}

void blob_read(struct node *n, uint64_t req, struct vl_hash h, uint64_t offset, uint64_t length) {
    uint8_t *buf = malloc(length ? length : 1);
    char path[640];
    uint64_t size = 0;
    enum vl_err err = buf ? blob_ensure(n, &h, path, &size) : VL_ENOMEM;
    if (err == VL_OK && offset > size) err = VL_ERANGE;
    if (err == VL_OK && length > size - offset) length = size - offset;
    if (err == VL_OK) err = os_blob_read(&n->blobs, &h, offset, buf, length);
    struct blob_wait *w = bandwidth_wait(n, err ? 0 : length, err ? 0 : length);
    if (w != NULL) {
        w->req = req;
        w->size = size;
        if (w->n) memcpy(w->bytes, buf, w->n);
        bandwidth_queue(n, w);
    } else {
        brain_blob_read(n->brain, node_now(n), req, err, size, vl_span(buf, err ? 0 : length));
    }
    free(buf);
}

void blob_write(struct node *n, struct vl_hash h, uint64_t offset, struct vl_span bytes) {
    enum vl_err err = VL_ENOSPC;
    if (os_disk_free(n->data_dir) > NODE_DISK_RESERVE) err = os_blob_write(&n->blobs, &h, offset, bytes.p, bytes.n);
    struct blob_wait *w = bandwidth_wait(n, bytes.n, 0);
    if (w != NULL) {
        w->written = true;
        w->hash = h;
        w->offset = offset;
        w->err = err;
        bandwidth_queue(n, w);
    } else {
        brain_blob_written(n->brain, node_now(n), h, offset, err);
    }
}

struct verify {
    uv_work_t work;
    struct node *node;
    uint32_t generation;
    struct vl_hash hash;
    uint64_t size;
    enum vl_err err;
};

static void verify_work(uv_work_t *w) {
    struct verify *v = w->data;
    char path[640];
    struct vl_hash got;
    uint64_t size = 0;
    os_blob_part_path(&v->node->blobs, &v->hash, path);
    v->err = truncate(path, (off_t)v->size) == 0 || (v->size == 0 && errno == ENOENT) ? VL_OK : os_err(errno);
    if (v->err == VL_OK) v->err = blob_hash_file(path, &got, &size);
    if (v->err == VL_OK && (size != v->size || !vl_hash_eq(got, v->hash))) v->err = VL_ECRYPTO;
    if (v->err == VL_OK) v->err = os_blob_adopt(&v->node->blobs, &v->hash, path);
}

static void verify_done(uv_work_t *w, int status) {
    struct verify *v = w->data;
    struct node *n = v->node;
    if (status == 0 && n->brain && v->generation == n->generation)
        brain_blob_verified(n->brain, node_now(n), v->hash, v->err);
    free(v);
    node_pump(n);
    node_handle_closed(n);
}

void blob_verify(struct node *n, struct vl_hash h, uint64_t size) {
    struct verify *v = calloc(1, sizeof *v);
    if (v == NULL) {
        brain_blob_verified(n->brain, node_now(n), h, VL_ENOMEM);
        return;
    }
    *v = (struct verify){ .node = n, .generation = n->generation, .hash = h, .size = size };
    v->work.data = v;
    n->handles++;
    if (uv_queue_work(n->loop, &v->work, verify_work, verify_done) != 0) {
        n->handles--;
        free(v);
        brain_blob_verified(n->brain, node_now(n), h, VL_ENOMEM);
    }
}

/* ---- the cache of a member: the coordinator has the blobs too, so that any may go ---- */

struct trim {
    uv_work_t work;
    struct node *node;
};

static void trim_work(uv_work_t *w) {
    struct trim *t = w->data;
    os_blob_trim(&t->node->blobs, t->node->cfg.cache_bytes, NODE_CACHE_KEEP_S);
}

static void trim_done(uv_work_t *w, int status) {
    struct trim *t = w->data;
    struct node *n = t->node;
    (void)status;
    n->trimming = false;
    free(t);
    node_handle_closed(n);
}

void blob_trim(struct node *n) {
    struct trim *t = n->coordinator || n->trimming ? NULL : calloc(1, sizeof *t);
    if (t == NULL) return;
    t->node = n;
    t->work.data = t;
    n->handles++;
    n->trimming = true;
    if (uv_queue_work(n->loop, &t->work, trim_work, trim_done) == 0) return;
    n->handles--;
    n->trimming = false;
    free(t);
}

/* ---- uploads --------------------------------------------------------------------------------------------------------
 */

struct node_upload {
    struct node *node;
    uv_work_t work;
    struct vl_hash hash;
    uint64_t size, got;
    struct crypto_blake2b state;
    char path[640];
    int fd;
    enum vl_err err;
    node_done_fn done;
    void *arg;
};

enum vl_err node_upload_begin(struct node *n, struct vl_hash h, uint64_t size, struct node_upload **ret) {
    uint64_t have = 0;
    if (size > VL_BLOB_MAX || n->uploads >= NODE_UPLOADS_MAX) return VL_ELIMIT;
    if (node_blob_size(n, h, &have) == VL_OK) return VL_EEXISTS;
    uint64_t room = os_disk_free(n->data_dir);
    if (room < NODE_DISK_RESERVE || room - NODE_DISK_RESERVE < size) return VL_ENOSPC;
    struct node_upload *u = calloc(1, sizeof *u);
    if (u == NULL) return VL_ENOMEM;
    *u = (struct node_upload){ .node = n, .hash = h, .size = size };
    snprintf(u->path, sizeof u->path, "%s/part/upload-%llu", n->blobs.dir, (unsigned long long)++n->next_token);
    u->fd = open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (u->fd < 0) {
        enum vl_err err = os_err(errno);
        free(u);
        return err;
    }
    crypto_blake2b_init(&u->state);
    n->uploads++;
    *ret = u;
    return VL_OK;
}

enum vl_err node_upload_write(struct node_upload *u, const void *p, size_t len) {
    const uint8_t *at = p;
    if (len > u->size - u->got) return VL_ERANGE;
    crypto_blake2b_update(&u->state, p, len);
    u->got += len;
    while (len > 0) {
        ssize_t put = write(u->fd, at, len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return os_err(errno);
        at += put;
        len -= (size_t)put;
    }
    return VL_OK;
}

static void upload_free(struct node_upload *u) {
    if (u->fd >= 0) close(u->fd);
    unlink(u->path);
    u->node->uploads--;
    free(u);
}

void node_upload_abort(struct node_upload *u) { upload_free(u); }

static void upload_work(uv_work_t *w) {
    struct node_upload *u = w->data;
    u->err = os_blob_adopt(&u->node->blobs, &u->hash, u->path);
}

static void upload_done(uv_work_t *w, int status) {
    struct node_upload *u = w->data;
    struct node *n = u->node;
    node_done_fn done = u->done;
    void *arg = u->arg;
    enum vl_err err = status ? VL_EIO : u->err;
    upload_free(u);
    done(arg, err, NULL, (struct vl_span){ 0 });
    node_handle_closed(n);
}

void node_upload_commit(struct node_upload *u, node_done_fn done, void *arg) {
    struct vl_hash got;
    struct node *n = u->node;
    u->done = done;
    u->arg = arg;
    crypto_blake2b_final(&u->state, &got);
    u->err = u->got != u->size ? VL_ERANGE : vl_hash_eq(got, u->hash) ? VL_OK : VL_ECRYPTO;
    u->work.data = u;
    n->handles++;
    if (u->err == VL_OK && uv_queue_work(n->loop, &u->work, upload_work, upload_done) == 0) return;
    if (u->err == VL_OK) u->err = VL_ENOMEM;
    upload_done(&u->work, 0);
}
