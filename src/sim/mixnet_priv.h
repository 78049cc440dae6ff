/* mixnet_priv.h - the inside of the simulated mixnet, shared by mixnet*.c only:
 *   mixnet.c          a run from beginning to end, what is reported
 *   mixnet_setup.c    keys, consensus, birth and end
 *   mixnet_net.c      time, links, relays, mailboxes
 *   mixnet_client.c   members: slots, fetches, messages
 *   mixnet_entropy.c  who may have sent a packet */
#ifndef VL_SIM_MIXNET_PRIV_H
#define VL_SIM_MIXNET_PRIV_H

#include "base/heap.h"
#include "base/prng.h"
#include "mix/channel.h"
#include "mix/path.h"
#include "mix/relay_priv.h"
#include "sim/mixnet.h"
#include "sim/mixnet_entropy.h"

#define SIM_MIX_START 1000000000u
#define SIM_MIX_WHEEL 1024u /* ms that events lie ahead at most: more than a link takes */
#define SIM_MIX_EPOCH_MS 86400000u
#define SIM_MIX_CLASSES (MIX_DELAYS * SPHINX_HOPS_MAX) /* pools of a relay */

/* A packet, or what became of it: on a link, in a relay, in a mailbox, on its way to the member. */
enum sim_kind { SIM_MESSAGE = 0, SIM_REPLY, SIM_LOOP, SIM_DROP };
enum sim_place { SIM_TO_RELAY = 0, SIM_FETCH, SIM_TO_CLIENT };
struct sim_packet {
    struct sim_packet *next;
    enum sim_place place;
    enum sim_kind kind;
    uint32_t to, link;  /* index of the relay or client; of a relay also the number of its link */
    uint32_t origin;    /* client */
    uint32_t hop, hops; /* relays it has come to; of its path */
    vl_ms came;         /* to the pool it is in */
    uint16_t mean_ms;   /* of its delay there */
    float *chance;      /* over senders; NULL: origin for certain */
    bool reply;         /* in a mailbox: surb_id is of a reply block */
    uint8_t surb_id[16];
    uint8_t bytes[SPHINX_PACKET]; /* in a mailbox: body, or block of a reply */
};
struct sim_queue {
    struct sim_packet *first, **last;
};

struct sim_relay {
    struct relay *r;
    struct crypto_vrf_key vrf;
    struct sphinx_node_key key[2]; /* of epochs 1 and 2 */
    void *mem[2];
    struct replay *table[2];
    struct sim_packet **packet; /* by slot */
    uint32_t *order, order_n;   /* slots of packets to be forwarded, in the order in which they came */
    uint64_t mark;              /* delay_n at the middle of epoch 1 */
    uint32_t rate;
    vl_ms deadline;
};

struct sim_client {
    struct vl_heap_node due;
    uint32_t index, mailbox; /* mailbox: index of the provider */
    struct vl_node_id node;
    uint8_t static_secret[32], static_key[32];
    struct paths *paths;
    struct cover *cover;
    struct channel *channel; /* NULL until needed */
    struct crypto_drbg rng;
    vl_ms fetch_at, talk_at;
    uint32_t partner;
    struct sim_queue mail; /* at its provider */
    uint32_t mail_n;
    uint64_t slots; /* packets handed over while measured */
};

struct sim_message {
    vl_ms sent;
    uint32_t from, to;
    bool measured, received, failed;
    uint32_t delay_ms;
};

struct sim_mixnet {
    struct sim_mixnet_cfg cfg;
    vl_ms now, measure_from, measure_to;
    uint64_t epoch;
    struct mix_consensus consensus[2];
    struct sim_relay *relays;
    struct sim_client *clients;
    struct vl_heap due;
    struct sim_queue wheel[SIM_MIX_WHEEL];
    struct sim_packet *spare;
    struct crypto_drbg keys;
    struct vl_prng net, talk; /* one for each concern */
    struct mass *mass;
    struct sim_message *messages;
    size_t messages_n, messages_cap, open; /* open: measured, neither received nor failed */
    double *bits;
    size_t bits_n, bits_cap;
    double surprise, wait_ratio, age_rank, pool_sum, mean_sum;
    uint64_t means;
    uint64_t in_flight, in_mail;
    struct sim_mixnet_result ret;
    enum vl_err err; /* the first that happened inside */
};

/* mixnet_setup.c */
VL_MUST_CHECK enum vl_err sim_setup(struct sim_mixnet *s);
void sim_teardown(struct sim_mixnet *s);
/* Epoch 1 or 2: its consensus, with the rates in relays[].rate, is in force. */
VL_MUST_CHECK enum vl_err sim_epoch(struct sim_mixnet *s, uint64_t epoch);
VL_MUST_CHECK enum vl_err sim_channel(struct sim_mixnet *s, struct sim_client *c);

/* mixnet_net.c */
static inline bool sim_measured(const struct sim_mixnet *s) {
    return s->now >= s->measure_from && s->now < s->measure_to;
}
void sim_note(struct sim_mixnet *s, uint64_t what, uint64_t who); /* into the trace */
void sim_fail(struct sim_mixnet *s, enum vl_err err);
struct sim_packet *sim_packet_new(struct sim_mixnet *s); /* NULL: no memory, noted */
void sim_packet_free(struct sim_mixnet *s, struct sim_packet *p);
void sim_queue_init(struct sim_queue *q);
/* A member's packet to its first hop: from there on it is the network's. */
void sim_hand(struct sim_mixnet *s, struct sim_client *c, uint32_t first, enum sim_kind kind, uint32_t hops,
              const uint8_t packet[SPHINX_PACKET]);
void sim_fetch(struct sim_mixnet *s, struct sim_client *c);
void sim_step(struct sim_mixnet *s); /* one millisecond */

/* mixnet_client.c */
void sim_client_tick(struct sim_mixnet *s, struct sim_client *c);
void sim_client_mail(struct sim_mixnet *s, struct sim_client *c, const struct sim_packet *p);
void sim_client_wait(struct sim_mixnet *s, struct sim_client *c);

#endif
