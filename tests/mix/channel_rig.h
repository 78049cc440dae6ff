/* channel_rig.h - channels over a little mixnet with real packets: relays with keys, paths, reply blocks, mailboxes;
 * loss, delay and copies by seed; virtual time. */
#ifndef VL_TESTS_MIX_CHANNEL_RIG_H
#define VL_TESTS_MIX_CHANNEL_RIG_H

#include "base/heap.h"
#include "base/prng.h"
#include "crypto/drbg.h"
#include "mix/channel_wire.h"

#define RIG_RELAYS 8u
#define RIG_PARTIES 4u
#define RIG_RTT 4000u /* what the parties take a round trip for: above all that the delays below give */

/* What lies in a mailbox. */
struct parcel {
    struct vl_heap_node at;
    unsigned from, to;
    bool reply;
    uint8_t surb_id[16], bytes[SPHINX_DELTA]; /* body or block */
};
struct rig_event {
    struct channel_event event;
    uint8_t *bytes; /* owned */
};
struct rig_party {
    struct channel *channel;
    struct vl_node_id node;
    struct crypto_dh_key key;
    struct rig_event *events;
    size_t events_n, events_cap;
};
struct rig {
    struct sphinx_node_key relay[RIG_RELAYS];
    struct rig_party party[RIG_PARTIES];
    struct crypto_drbg rng;
    struct vl_prng net;
    struct vl_heap in_flight;
    vl_ms now, slot_ms;
    uint32_t epoch, loss_permille /* per hop */, copies_permille, delay_ms /* mean per hop, uniform 0..2x */;
    bool (*drop)(const struct rig *r, const struct parcel *p); /* NULL: none beside the loss */
    uint64_t sent, lost;
};

void rig_init(struct rig *r, uint64_t seed, const struct channel_config *cfg /* NULL: defaults */);
void rig_end(struct rig *r);
struct channel_to rig_to(const struct rig *r, unsigned party, enum mix_level level, bool anonymous);

/* One slot of a party, carried through all relays: what arrives.  False: it had nothing. */
bool rig_slot(struct rig *r, unsigned party, struct parcel *ret);
/* Fills a slot and carries it; CHECKs that all goes well. */
void rig_carry(struct rig *r, unsigned party, const struct channel_slot *s, vl_ms rtt_ms, struct parcel *ret);
/* The packet around a body, or that of a reply, through all relays.  Returns how many. */
uint32_t rig_pack(struct rig *r, const struct channel_slot *s, const uint8_t body[SPHINX_BODY], struct parcel *ret);
/* Makes n reply blocks of a level for a party. */
void rig_surbs(struct rig *r, unsigned party, enum mix_level level, uint32_t n, uint8_t (*surb)[SPHINX_SURB],
               struct sphinx_surb_keys *keys);
enum vl_err rig_deliver(struct rig *r, const struct parcel *p);
/* Moves what the channel tells into party->events. */
void rig_drain(struct rig *r, unsigned party);
/* Lets slots and parcels happen until `until`, or until nothing is out, waiting or on its way. */
void rig_run(struct rig *r, vl_ms until);
bool rig_quiet(const struct rig *r);
/* Events of that kind; of id when it is not 0. */
size_t rig_count(const struct rig *r, unsigned party, enum channel_event_kind kind, uint64_t id);

#endif
