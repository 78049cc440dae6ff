/* How long work waits at the coordinator, and what follows from it: jobs turned away (fog/shed.h), placing paced by the
 * disk. */
#include "brain/priv.h"

#include <stdlib.h>

#define LOAD_RING 1024u                /* batches on their way to the disk that are told apart */
#define LOAD_PLACE_BYTES (1u << 20)    /* on their way: no more is placed before some is durable; keeps the disk busy and its queue short */
#define LOAD_PLACE_BATCHES 64u         /* same: STORE_GROUP_BATCHES, one commit */
#define LOAD_PROBE_MS 100u             /* while jobs come in something is due so often, for only what is due can be late */
#define LOAD_PROBE_FOR_MS 2000u        /* after the last one */
#define LOAD_JOBS_WAITING 100000u      /* jobs that have not ended */
#define LOAD_TASKS 2000000u            /* tasks remembered: job_config_defaults() */

struct load {
    struct shed shed;
    struct {
        vl_ms began;
        uint64_t bytes; /* of all batches up to this one */
    } ring[LOAD_RING];
    uint64_t bytes;   /* of all batches so far */
    vl_ms sampled_at; /* SHED_COMMIT: a batch became durable */
    vl_ms asked_at;       /* a job wanted to come in; 0: never */
    uint64_t paced_times; /* placing had to wait for the disk */
};

enum vl_err load_create(struct brain *b) {
    b->load = calloc(1, sizeof *b->load);
    if (b->load == NULL) return VL_ENOMEM;
    shed_init(&b->load->shed, vl_prng_next(&b->rng));
    return VL_OK;
}

void load_destroy(struct brain *b) { free(b->load); }

/* Of the oldest batch that is not durable; 0: all are. */
static uint64_t standing_ms(const struct brain *b) {
    uint64_t open = b->seq - b->durable;
    if (open == 0) return 0;
    vl_ms began = b->load->ring[(open < LOAD_RING ? b->durable + 1 : b->seq) % LOAD_RING].began;
    return b->now > began ? b->now - began : 0;
}

void load_committing(struct brain *b, size_t bytes) {
    if (b->load == NULL) return;
    b->load->bytes += bytes;
    b->load->ring[b->seq % LOAD_RING].began = b->now;
    b->load->ring[b->seq % LOAD_RING].bytes = b->load->bytes;
}

void load_committed(struct brain *b, uint64_t before) {
    if (b->load == NULL || b->durable == before || b->seq - before >= LOAD_RING) return;
    vl_ms began = b->load->ring[(before + 1) % LOAD_RING].began;
    b->load->sampled_at = b->now;
    shed_note(&b->load->shed, SHED_COMMIT, b->now, b->now > began ? b->now - began : 0);
}

/* What no batch says: that the oldest has waited too long already, or that for a while there was none. */
static void look(struct brain *b) {
    uint64_t standing = standing_ms(b);
    if (standing > SHED_TARGET_MS || (b->seq == b->durable && b->now >= vl_ms_add(b->load->sampled_at, SHED_LOOK_MS)))
        shed_note(&b->load->shed, SHED_COMMIT, b->now, standing);
}

void load_tick(struct brain *b, vl_ms now, vl_ms due) {
    if (b->load == NULL || now <= b->now) return;
    vl_ms could = due > b->now ? due : b->now; /* before the last step it could not be served */
    shed_note(&b->load->shed, SHED_LOOP, now, now > could ? now - could : 0);
}

void load_look(struct brain *b) {
    struct load *l = b->load;
    if (b->load_at <= b->now) {
        look(b);
        b->load_at = VL_MS_NEVER;
    }
    if (b->load_at != VL_MS_NEVER) return;
    b->load_at = shed_deadline(&l->shed, b->now);
    if (l->asked_at != 0 && b->now < vl_ms_add(l->asked_at, LOAD_PROBE_FOR_MS))
        b->load_at = vl_ms_min(b->load_at, vl_ms_add(b->now, LOAD_PROBE_MS));
}

bool load_may_place(struct brain *b) {
    struct load *l = b->load;
    uint64_t open = b->seq - b->durable;
    if (l == NULL || open == 0) return true;
    uint64_t bytes = open < LOAD_RING ? l->bytes - l->ring[b->durable % LOAD_RING].bytes : LOAD_PLACE_BYTES;
    bool may = open < LOAD_PLACE_BATCHES && bytes < LOAD_PLACE_BYTES;
    l->paced_times += !may;
    return may;
}

enum vl_err load_admit(struct brain *b, enum sla_class class, struct vl_errmsg *why, uint64_t *ret_retry_ms) {
    static const char *const still[] = { "", "Jobs of class A and S are still taken.", "Jobs of class S are still taken." };
    struct job_stats stats;
    job_book_stats(b->jobs, &stats);
    uint64_t waiting = stats.jobs - stats.ended, tasks = (uint64_t)stats.tasks * LOAD_JOBS_WAITING / LOAD_TASKS;
    if (tasks > waiting) waiting = tasks;
    b->load->asked_at = b->now;
    look(b);
    struct shed_answer a = shed_ask(&b->load->shed, b->now, class, waiting, LOAD_JOBS_WAITING);
    unsigned s = (unsigned)((a.retry_ms + 999) / 1000);
    *ret_retry_ms = a.retry_ms;
    switch (a.why) {
    case SHED_TAKEN:
        return VL_OK;
    case SHED_SLOW_COMMIT:
        return vl_errmsg_set(why, VL_EOVERLOAD,
                             "The coordinator is overloaded: what it promises takes %llu ms to reach its disk. Jobs of class %s are "
                             "turned away; come back in %u s. %s",
                             (unsigned long long)a.delay_ms, sla_class_name(class), s, still[a.level]);
    case SHED_SLOW_LOOP:
        return vl_errmsg_set(why, VL_EOVERLOAD,
                             "The coordinator is overloaded: events wait %llu ms before it comes to them. Jobs of class %s are "
                             "turned away; come back in %u s. %s",
                             (unsigned long long)a.delay_ms, sla_class_name(class), s, still[a.level]);
    case SHED_FULL:
        return vl_errmsg_set(why, VL_EOVERLOAD,
                             "The village is overloaded: %u jobs have not ended and %u tasks are remembered, %llu %% of what it holds; class %s "
                             "may fill %llu %%. Come back in %u s.",
                             stats.jobs - stats.ended, stats.tasks, (unsigned long long)(waiting * 100 / LOAD_JOBS_WAITING),
                             sla_class_name(class), (unsigned long long)(shed_share(class, 100)), s);
    }
    return VL_EINTERNAL;
}

void brain_load(const struct brain *b, struct brain_load *ret) {
    *ret = (struct brain_load){ 0 };
    if (b->load == NULL) return;
    ret->level = shed_level(&b->load->shed);
    for (unsigned c = 0; c < SLA_CLASSES; c++) {
        ret->taken[c] = b->load->shed.taken[c];
        ret->refused[c] = b->load->shed.refused[c];
    }
    ret->commit_ms = b->load->shed.gauge[SHED_COMMIT].delay_ms;
    ret->loop_ms = b->load->shed.gauge[SHED_LOOP].delay_ms;
    ret->paced = b->load->paced_times;
}
