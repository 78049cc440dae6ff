/* Files of neighbours and of availability, statements and saved accounts: raw bytes, or honest ones with some bytes changed, which no
 * verifier may take.  It begins with the digest of tests/trust/challenge_test.c: this program is built by clang, the tests by gcc. */
#include "../tests/trust/draw_rig.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "wire/armor.h"

static struct draw_rig *rig;
static struct topology_cert subject;
static struct vl_buf neighbours, availability, statement;

static struct vl_buf inside(const struct vl_buf *text) {
    char label[ARMOR_LABEL_MAX + 1];
    struct vl_buf raw;
    vl_buf_init(&raw, ARMOR_BYTES_MAX);
    rig_need(armor_read(vl_span(text->p, text->len), label, &raw));
    return raw;
}

static void begin(void) {
    static const uint8_t want[4] = { 0x69, 0x3d, 0xd8, 0x89 };
    struct vl_buf text;
    struct vl_hash h;
    rig_need(crypto_init());
    rig = rig_make();
    vl_buf_init(&text, 2u << 20);
    rig_availability(rig, 5, 8, CHALLENGE_SLOTS, &text);
    crypto_blake2b256(vl_span(text.p, text.len), &h);
    if (memcmp(h.b, want, sizeof want) != 0) abort();
    vl_buf_clear(&text);
    rig_availability(rig, 5, 2, CHALLENGE_SLOTS, &text); /* two: what eight say takes four times as long to check, and is no other code */
    availability = inside(&text);
    vl_buf_clear(&text);
    subject = rig_draw(rig, 5, TOPOLOGY_NEIGHBOUR);
    rig_need(neighbours_artefact_make(rig->t, rig->village, &subject, &rig->seal, &text));
    neighbours = inside(&text);
    vl_buf_free(&text);
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
    (void)topology_neighbours(rig->t, &subject, drawn);
    vl_buf_init(&statement, CHALLENGE_STATEMENT_MAX);
    rig_statement(rig, rig_index(rig, drawn[0]), 5, 40, &statement);
}

static enum vl_err judge(unsigned kind, struct vl_span in) {
    struct topology_proof p;
    struct availability_verdict v;
    struct challenge_statement s;
    struct challenge_watch w;
    struct vl_errmsg why;
    enum vl_err err;
    if (kind == 0) {
        err = neighbours_artefact_check(in, &p, &why);
        if (err == VL_OK) topology_proof_free(&p);
    } else if (kind == 1) {
        err = availability_artefact_check(in, &v, &why);
        if (err == VL_OK && (v.witnesses > v.drawn || v.sum.due != v.sum.answered + v.sum.unanswered + v.sum.not_asked)) abort();
    } else if (kind == 2) {
        err = challenge_statement_check(rig->t, &subject, in, &s, &why);
    } else {
        err = challenge_watch_restore(in, &w);
        struct vl_buf again;
        vl_buf_init(&again, 8192);
        if (err == VL_OK && (challenge_watch_save(&w, &again) != VL_OK || again.len != in.n || memcmp(again.p, in.p, in.n) != 0)) abort();
        vl_buf_free(&again);
        return VL_ERANGE; /* an account is no proof: whoever writes one may write any */
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (rig == NULL) begin();
    if (n < 2) return 0;
    unsigned kind = p[0] % 4;
    if (judge(kind, vl_span(p + 1, n - 1)) == VL_OK && !(kind == 0 && n - 1 == neighbours.len) && !(kind == 1 && n - 1 == availability.len) &&
        !(kind == 2 && n - 1 == statement.len))
        abort(); /* nobody guesses a signature */
    const struct vl_buf *honest = kind == 0 ? &neighbours : kind == 1 ? &availability : &statement;
    if (kind == 3 || n < 6) return 0;
    uint8_t *copy = malloc(honest->len);
    if (copy == NULL) return 0;
    memcpy(copy, honest->p, honest->len);
    size_t at = vl_get_u32(p + 1) % honest->len;
    for (size_t i = 5; i < n && at + i - 5 < honest->len; i++) copy[at + i - 5] ^= p[i];
    bool same = memcmp(copy, honest->p, honest->len) == 0;
    if ((judge(kind, vl_span(copy, honest->len)) == VL_OK) != same) abort();
    free(copy);
    return 0;
}
