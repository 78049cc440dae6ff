/* What a mix needs of the machine: a key and a replay table for each epoch, which live and die together, and the pool's
 * threads for its batches.
 *
 * mix/EPOCH.key holds the secret, mix/EPOCH.replay the table.  The table is bound to the key and to this start of the
 * kernel: shared memory outlives a process, yet what had not reached the disk when the power failed is gone, and a
 * table with a gap would let replays in.  So a key whose table cannot be proven whole is destroyed; the epoch is lost
 * to this node, and the next one is not. */
#include "node/priv.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_VERSION 1u
#define KEY_BYTES 49u /* version, secret, sip key */

static void paths_of(const struct node *n, uint64_t epoch, char key[512], char table[512]) {
    snprintf(key, 512, "%s/mix/%llu.key", n->data_dir, (unsigned long long)epoch);
    snprintf(table, 512, "%s/mix/%llu.replay", n->data_dir, (unsigned long long)epoch);
}

/* Binds a table to its key and to the kernel that holds its unwritten pages. */
static enum vl_err table_name(const uint8_t secret[32], uint8_t ret[32]) {
    uint8_t in[48];
    struct vl_hash h;
    memcpy(in, secret, 32);
    enum vl_err err = os_boot_id(in + 32);
    crypto_blake2b256(vl_span(in, sizeof in), &h);
    memcpy(ret, h.b, 32);
    crypto_wipe(in, sizeof in);
    return err;
}

static void destroy_files(const struct node *n, uint64_t epoch) {
    char key[512], table[512];
    paths_of(n, epoch, key, table);
    os_file_shred(key);
    unlink(table);
}

struct sweep {
    struct node *node;
    uint64_t last;
};

static void sweep_one(void *arg, const char *name) {
    const struct sweep *s = arg;
    char *end;
    unsigned long long epoch = strtoull(name, &end, 10);
    if (end == name || *end != '.' || epoch > s->last) return;
    for (unsigned i = 0; i < NODE_MIX_KEYS; i++)
        if (s->node->mix_keys[i].table && s->node->mix_keys[i].epoch == epoch) return;
    destroy_files(s->node, epoch);
}

static enum vl_err table_make(struct node_mix_key *k, uint64_t capacity, const char *path, const uint8_t name[32],
                              const uint8_t sip[16]) {
    size_t size = replay_size(capacity);
    enum vl_err err = os_mapping_create(path, size, &k->map);
    if (err == VL_OK) err = replay_create(k->map.p, size, capacity, name, sip, &k->table);
    return err;
}

static enum vl_err key_open(struct node *n, struct node_mix_key *k, bool make, uint64_t capacity, uint8_t secret[32]) {
    char path[512], table[512];
    uint8_t p[KEY_BYTES] = { KEY_VERSION }, name[32];
    struct vl_buf b;
    paths_of(n, k->epoch, path, table);
    vl_buf_init(&b, KEY_BYTES);
    enum vl_err err = os_file_read(path, &b);
    bool there = err == VL_OK && b.len == KEY_BYTES && b.p[0] == KEY_VERSION;
    if (there) memcpy(p, b.p, KEY_BYTES);
    if (b.p) crypto_wipe(b.p, b.cap);
    vl_buf_free(&b);
    if (there) {
        err = table_name(p + 1, name);
        if (err == VL_OK) err = os_mapping_open(table, &k->map);
        if (err == VL_OK) err = replay_open(k->map.p, k->map.size, name, &k->table);
        if (err) { /* not provably whole */
            os_mapping_close(&k->map);
            destroy_files(n, k->epoch);
            there = false;
            err = VL_ESTALE;
        }
    }
    if (!there && make) { /* of a future epoch: nobody has been told of an earlier key that counts */
        destroy_files(n, k->epoch);
        crypto_random(p + 1, KEY_BYTES - 1);
        err = table_name(p + 1, name);
        if (err == VL_OK) err = table_make(k, capacity, table, name, p + 33);
        if (err == VL_OK) err = os_file_write(path, p, sizeof p, 0600);
        if (err) {
            replay_close(k->table);
            os_mapping_close(&k->map);
            k->table = NULL;
            destroy_files(n, k->epoch);
        }
    } else if (!there && err != VL_ESTALE) {
        err = VL_ENOTFOUND;
    }
    if (err == VL_OK) memcpy(secret, p + 1, 32);
    crypto_wipe(p, sizeof p);
    return err;
}

void mix_key(struct node *n, uint64_t epoch, bool make, uint64_t capacity) {
    uint8_t secret[32] = { 0 };
    char dir[512];
    enum vl_err err = VL_ELIMIT;
    snprintf(dir, sizeof dir, "%s/mix", n->data_dir);
    for (unsigned i = 0; i < NODE_MIX_KEYS; i++) {
        struct node_mix_key *k = &n->mix_keys[i];
        if (k->table != NULL) continue;
        *k = (struct node_mix_key){ .epoch = epoch };
        err = os_mkdir_all(dir, 0700);
        if (err == VL_OK) err = key_open(n, k, make, capacity, secret);
        brain_mix_key(n->brain, node_now(n), epoch, err, secret, err ? NULL : k->table);
        crypto_wipe(secret, sizeof secret);
        return;
    }
    brain_mix_key(n->brain, node_now(n), epoch, err, secret, NULL);
}

static void key_close(struct node_mix_key *k) {
    replay_close(k->table);
    os_mapping_close(&k->map);
    *k = (struct node_mix_key){ 0 };
}

void mix_key_drop(struct node *n, uint64_t epoch, bool earlier) {
    if (earlier) {
        char dir[512];
        struct sweep s = { .node = n, .last = epoch };
        snprintf(dir, sizeof dir, "%s/mix", n->data_dir);
        vl_ignore(os_dir_each(dir, sweep_one, &s));
        return;
    }
    for (unsigned i = 0; i < NODE_MIX_KEYS; i++)
        if (n->mix_keys[i].table && n->mix_keys[i].epoch == epoch) key_close(&n->mix_keys[i]);
    destroy_files(n, epoch);
}

void mix_close(struct node *n) {
    mix_wait(n);
    for (unsigned i = 0; i < NODE_MIX_KEYS; i++)
        if (n->mix_keys[i].table) key_close(&n->mix_keys[i]);
}

/* ---- batches ---------------------------------------------------------------------------------------------------- */

struct node_mix_batch {
    uv_work_t work;
    uv_sem_t ran;
    struct node *node;
    struct relay_batch *batch; /* NULL: its brain is gone */
};

static void run(uv_work_t *w) {
    struct node_mix_batch *m = w->data;
    brain_mix_batch_run(m->batch);
    uv_sem_post(&m->ran);
}

static void ran(uv_work_t *w, int status) {
    struct node_mix_batch *m = w->data;
    struct node *n = m->node;
    (void)status;
    if (m->batch) {
        n->mix_batch = NULL;
        brain_mix_batch_done(n->brain, node_now(n), m->batch);
        node_pump(n);
    }
    uv_sem_destroy(&m->ran);
    free(m);
    node_handle_closed(n);
}

void mix_batch(struct node *n, struct relay_batch *batch) {
    struct node_mix_batch *m = calloc(1, sizeof *m);
    if (m == NULL || uv_sem_init(&m->ran, 0) != 0) { /* no pool: here and now */
        free(m);
        brain_mix_batch_run(batch);
        brain_mix_batch_done(n->brain, node_now(n), batch);
        return;
    }
    m->work.data = m;
    m->node = n;
    m->batch = batch;
    n->mix_batch = m;
    n->handles++;
    uv_queue_work(n->loop, &m->work, run, ran);
}

void mix_wait(struct node *n) {
    struct node_mix_batch *m = n->mix_batch;
    if (m == NULL) return;
    uv_sem_wait(&m->ran);
    if (n->brain) brain_mix_batch_done(n->brain, node_now(n), m->batch);
    m->batch = NULL;
    n->mix_batch = NULL;
}
