/* verdict.h - what an artefact proves, in words and figures: the answer of every verifier behind `village verify`.  Pure.
 * A verdict begins as refused; only verdict_yes(), the last line of a verifier that looked at everything, says otherwise.  Texts are
 * printable UTF-8 and cut at their size; what comes from the artefact goes in as hex, ids, numbers or printable ASCII only. */
#ifndef VL_TRUST_VERDICT_H
#define VL_TRUST_VERDICT_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"

#define VERDICT_TEXT 400u /* bytes with the NUL */
#define VERDICT_KEY 24u
#define VERDICT_LINES 12u
#define VERDICT_FACTS 40u

struct verdict_fact {
    char key[VERDICT_KEY], value[VERDICT_TEXT];
};
struct verdict {
    bool proved;
    char kind[VERDICT_KEY];    /* what it was taken for; empty: nothing that is known here */
    char reason[VERDICT_TEXT]; /* why it is refused; empty when proved */
    uint32_t n_proves, n_not, n_facts;
    char proves[VERDICT_LINES][VERDICT_TEXT]; /* sentences */
    char not[VERDICT_LINES][VERDICT_TEXT];    /* what a reader might think it proves, and it does not */
    char whom[VERDICT_TEXT], as_of[VERDICT_TEXT];
    struct verdict_fact fact[VERDICT_FACTS];
};

void verdict_begin(struct verdict *v, const char *kind);
/* Always false; the first reason stays. */
bool verdict_refuse(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void verdict_proves(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void verdict_not(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void verdict_whom(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void verdict_as_of(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void verdict_fact(struct verdict *v, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void verdict_fact_hash(struct verdict *v, const char *key, struct vl_hash hash);
/* Proved, unless something was refused before. */
void verdict_yes(struct verdict *v);

/* "2026-11-28 18:40:44 UTC" of Unix milliseconds (proleptic Gregorian, to the year 9999; later: the number). */
#define VERDICT_TIME 32u
void verdict_time(vl_ms t, char ret[VERDICT_TIME]);

#endif
