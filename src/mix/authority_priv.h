/* authority_priv.h - inside of an authority: what it holds for the epoch that is being voted on. */
#ifndef VL_MIX_AUTHORITY_PRIV_H
#define VL_MIX_AUTHORITY_PRIV_H

#include "base/map.h"
#include "mix/authority.h"
#include "mix/vote.h"

#define STEPS 32u        /* of an epoch: half sixteenths */
#define STEP_VOTE 20u    /* 10/16 */
#define STEP_DIRECT 24u  /* 12/16: end of votes from their authors */
#define STEP_COMPUTE 28u /* 14/16: end of echoes */
#define STEP_GIVE_UP 30u /* 15/16 */
#define STEP_NONE UINT32_MAX

#define EFFECTS_MAX 16384u /* queued; SENDs beyond it are lost like any message */
#define WANT_MAX 512u      /* hashes of one WANT */
#define WANT_ANSWERS 8u    /* WANTs answered to one authority in a step */
#define HELD_MAX                                                                                                       \
    (3u * MIX_VOTE_ENTRIES_MAX) /* descriptors: our own list, and those that a majority lists differently */

enum want_kind { WANT_DESCRIPTOR = 1, WANT_VOTE = 2, WANT_CONSENSUS = 3 };

/* A descriptor; owned by `by_digest`. */
struct held {
    uint8_t digest[32];
    struct mix_descriptor d;
    uint16_t reputation;
    bool direct; /* from the node itself in time: it is in our vote */
    bool known;  /* of the previous consensus */
};

/* What we know of one authority's doings for this epoch. */
struct ballot {
    uint8_t heads; /* signed hashes admitted: 0, 1, or 2 (it equivocates, and does not count) */
    struct mix_statement head;
    uint32_t holders; /* bits of authorities that said they have that vote */
    bool have;        /* its body: */
    struct mix_vote vote;
    struct vl_buf bytes; /* encoded */
    bool has_mine;       /* its last echo lists our vote */
    bool accused;        /* proof was given out */
    bool has_signature;
    struct mix_statement signature; /* on a consensus */
    uint32_t answers;               /* WANTs answered in this step */
    bool echoed;                    /* its echo was answered in this step */
};

struct chained { /* a consensus with its signed message; message.len 0: none */
    struct mix_consensus c;
    struct vl_buf message;
};

struct blob { /* bytes that several effects share */
    uint32_t refs;
    size_t n;
    uint8_t p[];
};
struct effect {
    enum authority_effect_kind kind;
    struct vl_node_id to;
    struct blob *blob;
};

struct tally_row { /* of a digest listed by more than half of the authorities */
    uint8_t digest[32];
    uint16_t reputation; /* median */
    uint32_t voters;     /* bits */
};

struct authority {
    struct authority_config cfg;
    int self;
    vl_ms born;
    struct authority_stats stats;
    struct chained newest, older; /* older: what `newest` replaced, or what the votes want instead */

    /* the round for `epoch`; its phases lie in epoch - 1 */
    uint64_t epoch;
    uint32_t done;  /* last step carried out, STEP_NONE */
    bool restored;  /* state of this epoch was restored */
    bool withheld;  /* counted */
    bool asked;     /* for a newer consensus in this step */
    uint32_t tried; /* bits of authorities asked for it, since all were */
    struct vl_map by_node, by_digest;
    uint32_t relays_n, clients_n, known_relays_n, known_clients_n; /* direct ones */
    struct ballot ballot[MIX_AUTHORITIES_MAX];
    struct vl_buf proof[MIX_AUTHORITIES_MAX]; /* equivocation messages of this round */
    struct tally_row *tally;
    uint32_t tally_n, missing_n; /* missing: rows without a descriptor, at the front of `missing` */
    uint8_t (*missing)[32];
    bool computed;
    struct vl_buf body;
    uint8_t body_hash[32];

    struct effect *effects;
    size_t effects_n, effects_cap, effects_at;
    struct blob *given; /* bytes of the effect handed out last */
};

/* authority.c */
uint32_t authority_step(const struct authority *a, vl_ms now); /* step of the round, STEP_NONE before it */
bool authority_before(const struct authority *a, vl_ms now, uint32_t step);
/* Queues kind || bytes.  Lost when memory or the queue is at its end, as a message may be. */
void authority_send(struct authority *a, int to, enum authority_message kind, struct vl_span bytes);
void authority_send_all(struct authority *a, enum authority_message kind, struct vl_span bytes);
/* Queues bytes as they are: they begin with what they are.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err authority_emit(struct authority *a, enum authority_effect_kind kind, struct vl_span bytes);
/* Own vote and signature, made durable before they leave. */
VL_MUST_CHECK enum vl_err authority_store(struct authority *a);
const struct chained *authority_chained(const struct authority *a, const uint8_t hash[32]);
/* A signed consensus message (with its first byte) that was checked: takes over c. */
VL_MUST_CHECK enum vl_err authority_adopt(struct authority *a, struct mix_consensus *c, struct vl_span message);
/* Under the charter, or the former one. */
VL_MUST_CHECK enum vl_err authority_decode_consensus(const struct authority *a, struct vl_span doc,
                                                     struct mix_consensus *ret);

/* authority_round.c: messages of the round */
VL_MUST_CHECK enum vl_err authority_on_descriptor(struct authority *a, vl_ms now, struct vl_node_id from, int index,
                                                  uint16_t reputation, struct vl_span body);
VL_MUST_CHECK enum vl_err authority_on_vote(struct authority *a, vl_ms now, int from, struct vl_span body);
VL_MUST_CHECK enum vl_err authority_on_echo(struct authority *a, vl_ms now, int from, struct vl_span body);
VL_MUST_CHECK enum vl_err authority_on_equivocation(struct authority *a, vl_ms now, int from, struct vl_span body);
VL_MUST_CHECK enum vl_err authority_on_signature(struct authority *a, vl_ms now, struct vl_span body);
VL_MUST_CHECK enum vl_err authority_vote(struct authority *a);
void authority_send_echo(struct authority *a);
void authority_send_signatures(struct authority *a);

/* authority_fetch.c: documents by hash */
VL_MUST_CHECK enum vl_err authority_on_want(struct authority *a, int from, struct vl_span body);
VL_MUST_CHECK enum vl_err authority_on_have(struct authority *a, int from, struct vl_span body);
VL_MUST_CHECK enum vl_err authority_on_consensus(struct authority *a, vl_ms now, struct vl_span body);
void authority_send_have(struct authority *a);
void authority_send_wants(struct authority *a, uint32_t step);

/* authority_compute.c: from votes to a consensus */
bool authority_counts(const struct ballot *b);
uint32_t authority_votes(const struct authority *a); /* that count */
/* Rebuilds tally and missing from the votes that count.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err authority_tally(struct authority *a);
/* Hash of the previous consensus that the votes go on from (held: among those that we have); zero: none.  Returns its
 * epoch. */
uint64_t authority_base(const struct authority *a, bool held, uint8_t ret_hash[32]);
/* Computes, signs, publishes as far as it can be done now. */
void authority_finish(struct authority *a, vl_ms now);

/* authority_share.c: the shared random value */
void authority_share(const struct authority *a, uint64_t epoch, uint8_t ret[32]);
void authority_shared_random(const struct authority *a, const struct mix_consensus *base, uint8_t ret[32]);

#endif
