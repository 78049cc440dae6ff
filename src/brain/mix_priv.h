/* mix_priv.h - inside of the brain's part in the private network: what mix*.c share.  Not for others.
 * One struct mix holds the cores of src/mix/ that this member runs: always a client; a relay and an authority when it
 * is one.  docs/mixnet.md says how they play together. */
#ifndef VL_BRAIN_MIX_PRIV_H
#define VL_BRAIN_MIX_PRIV_H

#include "brain/priv.h"

#include "mix/audit.h"
#include "mix/authority.h"
#include "mix/channel.h"
#include "mix/consensus.h"
#include "mix/cover.h"
#include "mix/path.h"
#include "mix/relay.h"

#define MIX_CELL (1u + 16u + SPHINX_DELTA) /* kind, reply block id, body or block */
#define MIX_FETCH_CELLS 4u                 /* in every answer to a fetch, whatever is there */
#define MIX_FETCH_MS 250u
#define MIX_FETCH_BURST 8u   /* fetches that may come at once after a stall of the link; more are not answered */
#define MIX_MAILBOX_MAX 512u /* cells of one recipient */
#define MIX_MAIL_MAX 8192u   /* cells of all: 13 MiB */
#define MIX_MAILBOXES_MAX MIX_CLIENTS_MAX
#define MIX_MAILBOX_IDLE_MS 600000u /* not fetched for so long: forgotten */
#define MIX_PEER_LEVEL_MS 60000u    /* acknowledgements follow the level of messages of so long ago */
#define MIX_SLACK_MS 1500u          /* links, mailboxes and slots beside the delays of a round trip */
#define MIX_BACKLOG_S 30u           /* slots of so many seconds may be spoken for before no more is begun */
#define MIX_MESSAGE_SLOTS 4u        /* that a message of a task needs, as a rule */
#define MIX_KEYS 4u                 /* epochs whose key may be here at once: e-1, e, e+1, and one being dropped */
#define PATHS_READY 16u             /* headers of each kind made ahead */
enum mix_body { MIX_BODY_FRAGMENT = CHANNEL_BODY, MIX_BODY_LOOP = 2 }; /* type byte of a body, on the wire */
/* First byte of a message through the channel, on the wire. */
enum mix_private { PRIVATE_ENVELOPE = 1, PRIVATE_ACK = 2, PRIVATE_PING = 3, PRIVATE_PONG = 4 };
enum mix_cell { MIX_CELL_EMPTY = 0, MIX_CELL_BODY = 1, MIX_CELL_REPLY = 2 };

enum mix_key_state { MIX_KEY_NONE = 0, MIX_KEY_OPENING, MIX_KEY_READY, MIX_KEY_LIVE, MIX_KEY_DROPPING };
struct mix_key { /* of a relay, for one epoch */
    uint64_t epoch;
    enum mix_key_state state; /* READY: there; LIVE: the relay takes packets for it */
    struct sphinx_node_key key;
    struct replay *table;
    uint8_t y[CRYPTO_VRF_OUTPUT], proof[CRYPTO_VRF_PROOF];
};

struct mail { /* a cell that waits */
    struct mail *next;
    uint8_t cell[MIX_CELL];
};
struct mailbox {
    struct vl_node_id node;
    struct mail *first, **last;
    uint32_t n;
    vl_ms fetched, next_ms; /* next_ms: the pace of MIX_FETCH_MS, see may_fetch() */
};

struct mix_peer { /* somebody we exchange private messages with */
    struct vl_node_id node;
    enum mix_level level; /* of the newest message from it */
    vl_ms at;
    bool up; /* delivery was told that it can be reached */
};

struct mix_ping { /* waits for its answer */
    struct mix_ping *next;
    uint64_t token;
    vl_ms sent;
    uint8_t nonce[16];
};

/* A consensus with the bytes it came in. */
struct mix_doc {
    bool have;
    struct mix_consensus c;
    struct vl_buf bytes;
};

struct mix {
    bool relay_on;
    bool has_charter;
    struct mix_charter charter;
    struct vl_buf charter_bytes;
    struct mix_doc current, next; /* next: its epoch has not begun */
    uint64_t epoch;               /* the one that mix_tick() saw last */
    struct authority *authority;
    struct crypto_vrf_key vrf;
    vl_ms describe_at;
    uint64_t accused[MIX_AUTHORITIES_MAX]; /* latest epoch in which an authority was seen to equivocate; 0: never */
    uint64_t proof_epoch; /* 0: none to publish */
    uint8_t proof[CRYPTO_VRF_PROOF];

    struct paths *paths;
    struct cover *cover;
    struct channel *channel;
    struct audit *audit;
    struct crypto_drbg rng;
    struct vl_node_id provider; /* whom the next descriptor names: our guard; zeros: none */
    struct vl_node_id mailbox;  /* whom the consensus names: fetched from; zeros: nobody, or ourselves */
    bool guard_stale;           /* to be chosen again */
    enum mix_level cover_level; /* cover is as long as payload was of late: else packets of another length are payload */
    vl_ms fetch_at;
    struct vl_map peers;   /* struct mix_peer by node */
    uint32_t promised;     /* messages that wait for their commit on the way to the channel */
    struct vl_map sending; /* envelope id -> channel id + 1, as pointers: a copy on its way needs no second one */

    struct mix_ping *pings;
    uint32_t pings_n;
    vl_ms ping_at;

    struct relay *relay;
    struct mix_key keys[MIX_KEYS];
    struct vl_map mailboxes;
    struct mail *cells, *free_cells;
    uint32_t mail_n;
    bool batch_out, pump; /* pump: packets may be due, or a batch ready */
    vl_ms rest_at;        /* when the first resting link may go on */
    vl_ms sweep_at;
    struct brain_mix_counters counters;
};

/* mix_directory.c */
void mix_charter_take(struct brain *b, struct vl_span bytes, const struct peer *from, bool restored);
void mix_consensus_take(struct brain *b, struct vl_span bytes, const struct peer *from, bool restored);
void mix_directory_message(struct brain *b, struct peer *p, struct vl_span body);
void mix_directory_tick(struct brain *b);
vl_ms mix_directory_deadline(const struct brain *b);
void mix_directory_peer_up(struct brain *b, struct peer *p);
void mix_authority_ways(struct brain *b); /* links that authorities and relays keep to the authorities */
void mix_equivocation_restored(struct brain *b, struct vl_span message);
const struct mix_relay *mix_relay_find(const struct brain *b, uint32_t number);
/* Epoch e has begun, or a consensus for it came late: `next` becomes `current`. */
void mix_epoch_turn(struct brain *b);

/* mix_relay.c */
enum vl_err mix_relay_create(struct brain *b);
void mix_relay_destroy(struct brain *b);
void mix_relay_keys(struct brain *b); /* asks for, enlivens and drops keys as the epoch wants */
/* Epochs are counted anew: no key is of use any more. */
void mix_relay_keys_forget(struct brain *b);
/* Those that earlier lives left behind, up to two epochs before this one, are destroyed. */
void mix_relay_keys_sweep(struct brain *b, uint64_t epoch);
void mix_relay_pump(struct brain *b); /* batches out, packets on */
void mix_relay_tick(struct brain *b);
vl_ms mix_relay_deadline(const struct brain *b);
void mix_mail_fetch(struct brain *b, struct peer *p);
/* Of a peer's link in the relay's books; 0 is ourselves. */
uint64_t mix_link_number(const struct peer *p);
struct mix_key *mix_key_of(struct mix *m, uint64_t epoch);

/* mix_client.c */
enum vl_err mix_client_create(struct brain *b);
void mix_client_destroy(struct brain *b);
void mix_client_epoch(struct brain *b); /* a new consensus is in force, or none */
void mix_client_tick(struct brain *b);
vl_ms mix_client_deadline(const struct brain *b);
void mix_client_body(struct brain *b, const uint8_t body[SPHINX_BODY]);
void mix_client_reply(struct brain *b, const uint8_t id[16], const uint8_t delta[SPHINX_DELTA]);
void mix_client_mail(struct brain *b, struct peer *p, struct vl_span body);
/* mix_ping.c */
void mix_ping_asked(struct brain *b, const struct channel_event *ev);
void mix_ping_answered(struct brain *b, const struct channel_event *ev);
void mix_ping_tick(struct brain *b);
void mix_ping_destroy(struct mix *m);
/* To the first hop of a packet; false: it cannot be reached now. */
bool mix_hand(struct brain *b, uint32_t first, const uint8_t packet[SPHINX_PACKET]);

#endif
