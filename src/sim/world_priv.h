/* world_priv.h - the insides of sim/world, shared by its three files only:
 *   world.c       the heap of events, nodes, faults
 *   world_net.c   connections and datagrams
 *   world_disk.c  files, crashes inside a write */
#ifndef VL_SIM_WORLD_PRIV_H
#define VL_SIM_WORLD_PRIV_H

#include "base/heap.h"
#include "base/map.h"
#include "sim/world.h"

enum timer_kind { TIMER_NODE = 1, TIMER_LANE, TIMER_DATAGRAM, TIMER_START, TIMER_FAULT };
/* First member of everything that waits in the heap. */
struct timer {
    struct vl_heap_node h;
    enum timer_kind kind;
};

enum segment_kind { SEGMENT_OPEN = 1, SEGMENT_OPENED, SEGMENT_BYTES, SEGMENT_CLOSE };
struct segment {
    struct segment *next;
    vl_ms at; /* earliest arrival */
    enum segment_kind kind;
    size_t n;
    uint8_t p[];
};
struct conn;
/* One direction of a connection: a queue in order, of which only the head waits in the heap. */
struct lane {
    struct timer timer;
    struct conn *conn;
    struct segment *first, *last;
    vl_ms last_at, free_at; /* no segment arrives before the one ahead; the wire is busy until */
    vl_ms stuck_ms;         /* since when the head could not pass; 0: it moves */
};
struct conn {
    uint64_t id;
    uint32_t end[2];
    bool open[2];     /* that end counts it as its own */
    unsigned pins;    /* in use by a call further up */
    struct lane lane[2]; /* [i] carries what end[i] sent */
    struct conn *next[2], *prev[2]; /* in the list of the node end[i] */
};
struct datagram {
    struct timer timer;
    uint32_t from, to;
    size_t n;
    uint8_t p[];
};

struct change {
    struct change *next;
    bool truncate;
    uint64_t offset; /* or the new size */
    size_t n;
    uint8_t p[];
};
struct file {
    struct file *next;
    char name[WORLD_FILE_NAME_MAX];
    struct vl_buf live, durable;
    struct change *first, *last; /* from durable to live */
};

struct node {
    struct timer timer, start;
    uint32_t index, group;
    void *self;
    bool in_call, dying, restarts;
    int64_t clock; /* own time - world time */
    vl_ms last_clock;
    struct conn *conns;
    struct file *files;
    uint64_t disk_used, disk_limit;
    uint32_t files_n, writes_to_crash; /* 0: none */
};

enum fault_kind { FAULT_CRASH, FAULT_WRITE_CRASH, FAULT_PARTITION, FAULT_HEAL, FAULT_CUT, FAULT_CLOCK, FAULT_KINDS };
struct fault {
    struct timer timer;
    enum fault_kind which;
};

struct world {
    struct world_cfg cfg;
    struct world_faults faults;
    struct vl_heap heap;
    vl_ms now;
    struct vl_prng net, disk, chaos, workload;
    struct node *nodes;
    struct vl_map conns; /* id -> struct conn */
    uint64_t next_conn;
    struct fault fault[FAULT_KINDS];
    uint64_t events, trace, quick; /* quick: events at one and the same time */
    bool no_memory;
    char failure[256];
};

bool world_chance(struct vl_prng *r, uint32_t ppm);
void world_timer_set(struct world *w, struct timer *t, vl_ms at);
void world_note(struct world *w, uint32_t node, uint32_t what, uint64_t which, struct vl_span bytes);
void world_fail(struct world *w, uint32_t node, const char *why);
/* Around every call into a node. */
void world_enter(struct world *w, struct node *n);
void world_leave(struct world *w, struct node *n);

void world_net_lane(struct world *w, struct lane *l);
void world_net_datagram(struct world *w, struct datagram *g);
void world_net_crashed(struct world *w, struct node *n);
void world_net_break(struct world *w, struct conn *c);
void world_net_free(struct world *w);
void world_disk_crashed(struct world *w, struct node *n);
void world_disk_free(struct node *n);

#endif
