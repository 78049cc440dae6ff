#include "gateway/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct topic *topic_create(const char *name, size_t max_bytes, vl_ms wall) {
    struct topic *t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    snprintf(t->name, sizeof t->name, "%s", name);
    t->max_bytes = max_bytes;
    t->next_seq = wall * 1024u + 1;
    return t;
}

static void drop_oldest(struct topic *t) {
    struct topic_frame *f = t->ring[t->head];
    t->head = (t->head + 1) & (t->cap - 1);
    t->len--;
    t->ring_bytes -= f->n;
    free(f);
}

static void drop_all(struct topic *t) {
    while (t->len > 0) drop_oldest(t);
}

void topic_destroy(struct topic *t) {
    if (t == NULL) return;
    drop_all(t);
    free(t->ring);
    free(t);
}

size_t topic_frame_header(size_t n, uint8_t dst[10]) {
    dst[0] = 0x81; /* FIN, text */
    if (n < 126) {
        dst[1] = (uint8_t)n;
        return 2;
    }
    if (n <= 0xffff) {
        dst[1] = 126;
        vl_put_u16(dst + 2, (uint16_t)n);
        return 4;
    }
    dst[1] = 127;
    vl_put_u64(dst + 2, n);
    return 10;
}

static bool grow(struct topic *t) {
    size_t cap = t->cap ? t->cap * 2 : 64;
    struct topic_frame **ring = calloc(cap, sizeof(struct topic_frame *));
    if (ring == NULL) return false;
    for (size_t i = 0; i < t->len; i++) ring[i] = t->ring[(t->head + i) & (t->cap - 1)];
    free(t->ring);
    t->ring = ring;
    t->cap = cap;
    t->head = 0;
    return true;
}

static struct topic_frame *build(const struct topic *t, struct vl_span data) {
    char front[TOPIC_NAME_MAX + 80];
    uint8_t header[10];
    int k = snprintf(front, sizeof front, "{\"op\":\"event\",\"topic\":\"%s\",\"seq\":%llu,\"data\":", t->name,
                     (unsigned long long)t->next_seq);
    size_t front_n = (size_t)k, n = front_n + data.n + 1, header_n = topic_frame_header(n, header);
    struct topic_frame *f = malloc(sizeof *f + header_n + n);
    if (f == NULL) return NULL;
    f->offset = t->published;
    f->n = header_n + n;
    memcpy(f->bytes, header, header_n);
    memcpy(f->bytes + header_n, front, front_n);
    memcpy(f->bytes + header_n + front_n, data.p, data.n);
    f->bytes[f->n - 1] = '}';
    return f;
}

enum vl_err topic_publish(struct topic *t, bool keep, struct vl_span data) {
    struct topic_frame *f = NULL;
    enum vl_err err = VL_OK;
    if (keep && data.n > TOPIC_EVENT_MAX)
        err = VL_ELIMIT;
    else if (keep)
        f = build(t, data);
    if (f && t->len == t->cap && !(t->cap < TOPIC_RING_FRAMES ? grow(t) : (drop_oldest(t), true))) {
        free(f);
        f = NULL;
    }
    t->next_seq++;
    if (f == NULL) {
        drop_all(t); /* a hole: whoever resumes across it must be told */
        t->published += data.n;
        return keep && err == VL_OK ? VL_ENOMEM : err;
    }
    t->ring[(t->head + t->len++) & (t->cap - 1)] = f;
    t->ring_bytes += f->n;
    t->published += f->n;
    t->dirty = true;
    while (t->ring_bytes > t->max_bytes && t->len > 1) drop_oldest(t);
    return VL_OK;
}

bool topic_seek(struct topic *t, struct topic_sub *s, bool resume, uint64_t after) {
    bool have = !resume || (after < t->next_seq && after >= t->next_seq - t->len - 1);
    s->next_seq = resume && have ? after + 1 : t->next_seq;
    s->offset = t->published;
    if (s->next_seq < t->next_seq)
        s->offset = t->ring[(t->head + t->len - (t->next_seq - s->next_seq)) & (t->cap - 1)]->offset;
    return have;
}

const struct topic_frame *topic_next(const struct topic_sub *s, bool *ret_lost) {
    const struct topic *t = s->topic;
    uint64_t behind = t->next_seq - s->next_seq;
    *ret_lost = behind > t->len;
    if (behind == 0 || behind > t->len) return NULL;
    return t->ring[(t->head + t->len - behind) & (t->cap - 1)];
}

void topic_advance(struct topic_sub *s, const struct topic_frame *f) {
    s->next_seq++;
    s->offset = f->offset + f->n;
}

void topic_attach(struct topic *t, struct topic_sub *s) {
    s->topic = t;
    s->prev = NULL;
    s->next = t->subs;
    if (t->subs) t->subs->prev = s;
    t->subs = s;
    t->left_ms = 0;
}

void topic_detach(struct topic_sub *s, uint64_t now) {
    struct topic *t = s->topic;
    if (s->prev)
        s->prev->next = s->next;
    else
        t->subs = s->next;
    if (s->next) s->next->prev = s->prev;
    s->topic = NULL;
    if (t->subs == NULL) t->left_ms = now ? now : 1;
}

bool topic_listened(const struct topic *t, uint64_t now) {
    return t->subs != NULL || (t->left_ms > 0 && now - t->left_ms < TOPIC_KEEP_MS);
}
