/* mix_rig.h - a coordinator that is a mix, with everything around it in the test's hands: authorities' keys, so that it
 * believes the consensus it is given; replay tables; and links to hostile members who speak HTX. */
#ifndef VL_TESTS_BRAIN_MIX_RIG_H
#define VL_TESTS_BRAIN_MIX_RIG_H

#include "brain/brain.h"
#include "crypto/sign.h"
#include "net/htx.h"
#include "wire/link.h"

#define RIG_EPOCH_MS 20000u
#define RIG_KEYS 8u
#define RIG_NODE 1u /* directory numbers: the node under test, a relay that never has a link, the first member */
#define RIG_FAR 2u
#define RIG_MEMBER 3u

struct rig_peer {
    struct htx_endpoint *ep;
    struct crypto_sign_key key;
    struct vl_node_id node;
    uint8_t static_secret[32];
    uint32_t conn, theirs, session, stream;
    bool closed, deaf; /* deaf: reads nothing, like a stopped process */
    unsigned packets, mails, cells; /* LINK_MIX that came; LINK_MIX_MAIL and what was in them */
    unsigned documents;             /* LINK_DIRECTORY */
};
struct mix_rig {
    struct brain *brain;
    struct vl_node_id self;
    vl_ms now;
    struct crypto_sign_key authority[3];
    struct rig_peer peer[2];
    struct {
        uint64_t epoch;
        uint8_t secret[32];
        void *mem;
        struct replay *table;
    } key[RIG_KEYS];
    unsigned keys_asked, keys_made, keys_dropped, committed;
    enum vl_err key_err; /* answered to who wants a key made */
    char note[256];      /* the last one */
    struct vl_buf equivocation, charter; /* records as they were committed */
    struct crypto_drbg rng;
};

/* relay: be a mix.  The peers are members from the start; a guest with rig_peer_open(cert false). */
void mix_rig_start(struct mix_rig *r, bool relay);
void mix_rig_end(struct mix_rig *r);
void mix_rig_pump(struct mix_rig *r);
void mix_rig_wait(struct mix_rig *r, vl_ms ms); /* in steps, with ticks */
void rig_peer_open(struct mix_rig *r, struct rig_peer *p, uint8_t seed, bool member);
void rig_send(struct mix_rig *r, struct rig_peer *p, enum link_kind kind, const void *bytes, size_t n);

/* Signs a charter of the three authorities, or with the node itself in place of the first. */
void mix_rig_charter(struct mix_rig *r, bool self, uint32_t epoch_ms);
/* A consensus for the next epoch with that many signatures, encoded; delay: of a body that differs. */
void mix_rig_consensus(struct mix_rig *r, unsigned signatures, uint16_t tolerance, struct vl_buf *out);
/* The same, given to the node over the first link, with two signatures; packets for it are accepted from then on. */
void mix_rig_in_force(struct mix_rig *r);
struct brain_mix_view mix_rig_view(struct mix_rig *r);

/* A packet for the node, key of the next epoch.  end.command FORWARD: to `next`. */
void mix_rig_packet(struct mix_rig *r, uint32_t next, const struct sphinx_end *end, uint8_t packet[SPHINX_PACKET]);

/* The same around a body. */
void mix_rig_packet_body(struct mix_rig *r, uint32_t next, const struct sphinx_end *end, const uint8_t body[SPHINX_BODY],
                         uint8_t packet[SPHINX_PACKET]);
void mix_rig_hop(struct mix_rig *r, struct sphinx_hop *ret); /* the node, with its key of the epoch that runs */
/* Writes the certificate of a peer, returns its length. */
size_t mix_rig_certificate(struct mix_rig *r, const struct rig_peer *p, uint8_t *dst);

#endif
