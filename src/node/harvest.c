/* A harvested machine: its sensors to the brain, the brain's orders to the runner and to what moves blobs. */
#include "node/priv.h"

#include "os/sensors.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BURST_MS 250u /* of bandwidth that may be saved up */

/* ---- sensors -------------------------------------------------------------------------------------------------------- */

/* false: the local time is unknown; then nothing is told, and old readings forbid work. */
static bool local_minute(uint16_t *ret) {
    time_t now = time(NULL);
    struct tm tm;
    tzset(); /* the owner may have travelled */
    if (localtime_r(&now, &tm) == NULL) return false;
    *ret = (uint16_t)(tm.tm_hour * 60 + tm.tm_min);
    return true;
}

static void sensed(uv_poll_t *p, int status, int events) {
    struct node *n = p->data;
    struct machine_reading r;
    uint16_t minute = 0;
    (void)status;
    (void)events;
    if (n->stopping || !sensors_take(n->sensors, &r) || n->brain == NULL || !local_minute(&minute)) return;
    brain_harvest(n->brain, node_now(n),
                  &(struct brain_harvest_input){ .local_minute = minute, .reading = &r, .blob_bytes = n->blob_bytes });
    node_pump(n);
}

static void bucket_fired(uv_timer_t *t);
static void handle_gone(uv_handle_t *h) { node_handle_closed(h->data); }

enum vl_err harvest_open(struct node *n) {
    if (!n->cfg.harvest) return VL_OK;
    if (uv_timer_init(n->loop, &n->bucket)) return VL_ENOMEM;
    n->bucket.data = n;
    n->handles++;
    n->bucket_open = true;
    enum vl_err err = sensors_start(&(struct sensors_config){ .root = n->cfg.sensor_root ? n->cfg.sensor_root : "" }, &n->sensors);
    if (err) return err;
    if (uv_poll_init(n->loop, &n->sensor_poll, sensors_fd(n->sensors)) || uv_poll_start(&n->sensor_poll, UV_READABLE, sensed)) {
        sensors_stop(n->sensors);
        n->sensors = NULL;
        return VL_EIO;
    }
    n->sensor_poll.data = n;
    n->handles++;
    return VL_OK;
}

static void poll_gone(uv_handle_t *h) {
    struct node *n = h->data;
    sensors_stop(n->sensors); /* its descriptor is polled no more */
    n->sensors = NULL;
    node_handle_closed(n);
}

void harvest_close(struct node *n) {
    for (struct blob_wait *w; (w = n->waits) != NULL;) {
        n->waits = w->next;
        free(w);
    }
    n->waits_last = &n->waits;
    if (n->bucket_open) uv_close((uv_handle_t *)&n->bucket, handle_gone);
    n->bucket_open = false;
    if (n->sensors && !uv_is_closing((uv_handle_t *)&n->sensor_poll)) uv_close((uv_handle_t *)&n->sensor_poll, poll_gone);
}

void harvest_order(struct node *n, uint32_t cap_milli, uint64_t bandwidth_bps) {
    if (cap_milli != n->cap_milli) runner_pace(n, cap_milli);
    n->bandwidth_bps = bandwidth_bps;
}

/* ---- bandwidth: a bucket of bits for the blobs of this machine, both ways.  It delays answers: to a peer that asked for a piece, and to
 * our own fetches, which ask for the next piece only then. ---- */

static int64_t burst(const struct node *n) { return (int64_t)(n->bandwidth_bps * BURST_MS / 1000); }

static void refill(struct node *n) {
    uint64_t now = uv_hrtime() / 1000000u;
    if (n->bucket_at_ms == 0) n->bucket_bits = burst(n);
    if (n->bucket_at_ms != 0) n->bucket_bits += (int64_t)((now - n->bucket_at_ms) * n->bandwidth_bps / 1000);
    if (n->bucket_bits > burst(n)) n->bucket_bits = burst(n);
    n->bucket_at_ms = now;
}

/* A debt is allowed, and paid by the next: so that a piece larger than the bucket passes at all. */
static void let_go(struct node *n) {
    refill(n);
    while (n->waits && n->bucket_bits > 0) {
        struct blob_wait *w = n->waits;
        n->waits = w->next;
        if (n->waits == NULL) n->waits_last = &n->waits;
        n->bucket_bits -= (int64_t)w->bits;
        if (n->brain && w->generation == n->generation) {
            if (w->written)
                brain_blob_written(n->brain, node_now(n), w->hash, w->offset, w->err);
            else
                brain_blob_read(n->brain, node_now(n), w->req, w->err, w->size, vl_span(w->bytes, w->n));
        }
        free(w);
    }
    if (n->waits == NULL) return;
    uint64_t ms = (uint64_t)(1 - n->bucket_bits) * 1000 / n->bandwidth_bps + 1;
    uv_timer_start(&n->bucket, bucket_fired, ms, 0);
}

static void bucket_fired(uv_timer_t *t) {
    struct node *n = t->data;
    if (n->stopping) return;
    let_go(n);
    node_pump(n);
}

struct blob_wait *bandwidth_wait(struct node *n, uint64_t moved, size_t keep) {
    n->blob_bytes += moved;
    if (n->bandwidth_bps == 0 || !n->bucket_open || moved == 0) return NULL;
    refill(n);
    if (n->waits == NULL && n->bucket_bits > 0) {
        n->bucket_bits -= (int64_t)(moved * 8);
        return NULL;
    }
    struct blob_wait *w = calloc(1, sizeof *w + keep);
    if (w == NULL) return NULL; /* then it leaves too early */
    w->bits = moved * 8;
    w->generation = n->generation;
    w->n = keep;
    return w;
}

void bandwidth_queue(struct node *n, struct blob_wait *w) {
    bool first = n->waits == NULL;
    *n->waits_last = w;
    n->waits_last = &w->next;
    if (first) let_go(n);
}
