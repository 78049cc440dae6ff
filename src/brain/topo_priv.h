/* topo_priv.h - what topo.c (a member), topo_lead.c (the coordinator's part), topo_watch.c (challenges) and topo_keep.c share. */
#ifndef VL_BRAIN_TOPO_PRIV_H
#define VL_BRAIN_TOPO_PRIV_H

#include "brain/priv.h"
#include "trust/challenge.h"
#include "trust/sla.h"
#include "trust/topology_roll.h"

#define TOPO_LIVE 3u           /* epochs of which draws are kept: the last, the current, the next */
/* All of it goes over LANE_MESSAGE: a certificate for an epoch must not overtake the document that opens it. */
#define TOPO_PART 65536u       /* bytes of a roll document in one message */
#define TOPO_DOC_MAX (16u << 20)
#define TOPO_REQ (1ull << 62)  /* of our reads of blobs: those of jobs have bit 63 (remote_priv.h) */
#define TOPO_ASK_BYTES 41u    /* epoch, slot, nonce */
#define TOPO_ANSWER_MAX 5120u /* a chunk and its path, with what is said of them */
#define TOPO_WANTS 8u         /* states, megabytes each, that one member may have sent in an epoch */
#define TOPO_KEPT 1024u        /* messages that one member may have passed on in an epoch: sixteen times what is due */

/* First byte of LINK_ROLL: on the wire, never renumber. */
enum topo_roll { ROLL_HEAD = 1, ROLL_WANT = 2, ROLL_CLOSE = 3, ROLL_STATE = 4 };
enum topo_reveal { REVEAL_KEY = 1, REVEAL_VALUE = 2, REVEAL_TAKEN = 3 };
enum topo_draw_kind { DRAW_CERT = 1, DRAW_ASK = 2, DRAW_ANSWER = 3, DRAW_STATEMENT = 4, DRAW_UNSENT = 5 };

/* Numbers of rows ITEM_TOPOLOGY: on disk, never renumber.  m: epoch modulo TOPO_LIVE. */
enum topo_row {
    ROW_STATE = 0,      /* key zeros */
    ROW_REVEAL = 1,     /* key: node; the coordinator's: certificate of the current epoch */
    ROW_KEY = 2,        /* key: node; the coordinator's: suite and VRF key */
    ROW_KEEP = 3,       /* key zeros: hash, size and root of the blob that this node promises to keep */
    ROW_DRAW = 4,       /* + m; key: node; certificate */
    ROW_STATEMENT = 8,  /* + 8 m + place of the witness; key: node */
    ROW_COUNT = 48,     /* key: node; the coordinator's: sums of what witnesses stated (sla_counters) */
    ROW_WATCH = 32,     /* + m; key: node; a witness's account so far */
};

/* The neighbours of one node in one epoch, and what its witnesses say. */
struct topo_draw {
    struct topology_cert cert;
    uint32_t n;
    struct vl_node_id neighbour[TOPOLOGY_NEIGHBOURS];
    struct challenge_watch *watch; /* we are one of them, and the epoch is there */
    bool stated;                   /* our statement went out over the link that is up */
    struct vl_buf statement[TOPOLOGY_NEIGHBOURS];
};
struct topo_key {
    uint8_t node[32];
    struct crypto_vrf_public vrf;
    uint32_t passed; /* messages of it that were passed on in this epoch, or made work otherwise */
    uint32_t wants;
};
struct topo_tree { /* of the blob that is kept, once it has been read */
    struct vl_hash *level[20];
    uint32_t n[20], levels;
};
struct topo_read {
    struct topo_read *next;
    uint64_t req;
    struct challenge_ask ask;
};
struct topo_keep {
    bool has, ready, reading;
    uint64_t size; /* of the one that is read, by its first piece */
    struct vl_hash blob, coming; /* coming: being read; it takes the place of the other when that went well */
    struct challenge_promise promise;
    struct topo_tree tree, growing;
    uint64_t req, next_req, offset, token;
    bool has_token;
    struct topo_read *reads;
    uint32_t reads_n;
};

struct topo {
    struct topology *t; /* NULL on a member: nothing from the coordinator yet */
    struct crypto_vrf_key vrf;
    vl_ms epoch_ms, began, ends, again, slot_at; /* ends: the coordinator's alone */
    unsigned slot;
    struct vl_hash digest;          /* of the state as the epoch began */
    struct topology_seal seal[TOPO_LIVE]; /* of epoch e at e % TOPO_LIVE */
    struct vl_map draws;            /* struct topo_draw by node and epoch % TOPO_LIVE */
    struct vl_map reveals;          /* the coordinator's: 191 bytes by node */
    struct vl_map counts;           /* the coordinator's: struct sla_counters by node */
    struct vl_map keys;             /* the coordinator's: struct topo_key by node */
    bool revealed, drawn;           /* the coordinator has taken ours */
    bool wanted;                    /* a state was asked for */
    struct vl_buf doc;              /* parts as they come */
    uint8_t doc_kind;
    struct topo_keep keep;
    struct brain_topology_counters counters;
};

struct topo_draw *topo_draw_of(const struct topo *t, struct vl_node_id node, uint64_t epoch);
/* A checked certificate becomes known: a row, and an account when we are a witness.  NULL: no memory, or known already. */
struct topo_draw *topo_draw_add(struct brain *b, const struct topology_cert *c);
int topo_place(const struct topo_draw *d, struct vl_node_id node); /* -1: not among its neighbours */
void topo_row(struct brain *b, struct vl_node_id node, uint64_t number, struct vl_span bytes);
void topo_state_save(struct brain *b);
/* The current epoch began here, now or before a restart. */
void topo_begin(struct brain *b, bool fresh);
/* What is not acknowledged, once more. */
void topo_repeat(struct brain *b);
struct village_id topo_village(const struct brain *b);
/* To a member over its link, or by way of the coordinator; `what` and the other's id go before the bytes. */
bool topo_send_to(struct brain *b, struct vl_node_id to, enum topo_draw_kind what, struct vl_span bytes);

/* topo_lead.c */
enum vl_err topo_lead_create(struct brain *b);
void topo_lead_key(struct brain *b, struct vl_node_id node, struct crypto_vrf_public vrf);
void topo_lead_reveal(struct brain *b, struct vl_node_id from, struct vl_span cert);
void topo_lead_draw(struct brain *b, struct vl_node_id from, struct vl_span cert);
void topo_lead_route(struct brain *b, struct vl_node_id from, struct vl_span message);
void topo_lead_tick(struct brain *b);
void topo_lead_want(struct brain *b, struct vl_node_id from);
void topo_lead_peer(struct brain *b, struct vl_node_id node);
/* Applies what the coordinator wrote.  VL_ESTALE: not the epoch that ends here; VL_EPARSE, VL_EVERSION, VL_ECRYPTO ...: it does not
 * follow. */
VL_MUST_CHECK enum vl_err topo_close_apply(struct brain *b, struct vl_span doc, struct vl_errmsg *why);
VL_MUST_CHECK enum vl_err topo_state_apply(struct brain *b, struct vl_span doc, struct vl_errmsg *why);

/* topo_watch.c */
void topo_watch_begin(struct brain *b, struct topo_draw *d);
void topo_watch_save(struct brain *b, const struct topo_draw *d);
void topo_watch_tick(struct brain *b);
vl_ms topo_watch_deadline(const struct brain *b);
/* A challenge to us; an answer to ours: bytes behind the other's id. */
void topo_asked(struct brain *b, struct vl_node_id from, struct vl_span bytes);
void topo_answered(struct brain *b, struct vl_node_id from, struct vl_span bytes);
/* The coordinator could not pass a challenge on: nothing is known of the node. */
void topo_unsent(struct brain *b, struct vl_node_id subject, struct vl_span bytes);
/* What waits for an answer over a link that is gone. */
void topo_watch_lost(struct brain *b);
/* The coordinator itself is back too shortly for members to be. */
bool topo_lead_settling(const struct brain *b);
void topo_answer(struct brain *b, const struct challenge_ask *ask, struct vl_span chunk, const struct vl_hash *path, uint32_t path_n);
void topo_statement(struct brain *b, struct vl_node_id from, struct vl_span bytes);
void topo_state_all(struct brain *b, bool again); /* our statements on the epoch that ended */

/* topo_count.c: on the coordinator, what each node may have signed for it */
void topo_count_add(struct brain *b, struct vl_node_id node, uint64_t epoch, const struct challenge_count *c);
enum vl_err topo_count_restore(struct brain *b, struct vl_node_id node, struct vl_span bytes);

/* topo_keep.c */
bool topo_keep_ask(struct brain *b, const struct challenge_ask *ask); /* false: nothing is kept, answer without */
void topo_keep_start(struct brain *b);
void topo_keep_free(struct topo_keep *k);
enum vl_err topo_keep_restore(struct brain *b, struct vl_span bytes);

#endif
