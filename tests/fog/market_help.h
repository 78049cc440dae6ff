/* market_help.h - one auction with its clock, the accounts that its effects move, and a log to replay. */
#ifndef VL_TESTS_MARKET_HELP_H
#define VL_TESTS_MARKET_HELP_H

#include "fog/market.h"

#define STALL_BUYER 999u /* number of the requester's node; bidder i is node 10 + i */
#define STALL_MEMBERS 1000u

struct stall {
    struct market *m;
    struct market_effects fx;
    struct market_view v; /* after the last step */
    struct vl_hash id;
    vl_ms now;
    uint64_t bids[MARKET_BIDS_MAX], group;
    uint8_t salt;
    uint32_t trust;
    int64_t members[STALL_MEMBERS], accounts[5];
    struct vl_buf log; /* length, event */
};
struct market_order order_of(uint32_t units, uint64_t reserve, uint32_t providers);
struct stall *stall_open(uint32_t units, uint64_t reserve, uint32_t providers);
struct stall *stall_open_quality(uint32_t units, uint64_t reserve, uint32_t providers);
/* Checks that all money adds up to 0, and that a replay of the log gives the same auction. */
void stall_close(struct stall *s);
enum vl_err stall_step(struct stall *s, struct market_event ev); /* fills in now, auction */
enum vl_err stall_bid(struct stall *s, uint32_t bidder, uint64_t bid);
enum vl_err stall_show(struct stall *s, uint32_t bidder);
enum vl_err stall_award(struct stall *s, enum market_event_kind kind, uint32_t bidder, uint32_t share);
enum vl_err stall_meter(struct stall *s, uint32_t bidder, uint64_t nh);
enum vl_err stall_tick(struct stall *s);
void stall_at(struct stall *s, vl_ms at); /* moves the clock and ticks when due */
void stall_show_all(struct stall *s);     /* ends the commit phase, all reveal */
void stall_bids(struct stall *s, const uint64_t *bids, uint32_t n);
int64_t stall_member(const struct stall *s, uint32_t node);
int64_t stall_balance(const struct stall *s, enum market_account a);
bool stall_has(const struct stall *s, enum market_effect_kind kind);

#endif
