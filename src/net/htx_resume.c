/* RESUME: what one side has of a session, told to the other on a new connection.
 *
 *   session id 16 | DATA bytes received u64 | session's credit u64 | highest stream of the other side seen u32 |
 *   per stream, ascending: id u32 | seq received in order u32 | SACK u64 | credit u64
 *
 * A stream that is not listed is either finished on the teller's side (own streams of it, and those up to the highest
 * seen) or was never seen there (beyond it), in which case all its frames go again. */
#include "net/htx_priv.h"

#include <assert.h>
#include <string.h>

#define FIXED 36u
#define ENTRY 24u

_Static_assert(HTX_HEADER + FIXED + HTX_STREAMS_HELD * ENTRY <= HTX_PLAIN_MAX, "RESUME is one frame of one record");

size_t htx_resume_size(const struct htx_session *s) { return FIXED + (size_t)s->nstreams * ENTRY; }

void htx_resume_put(const struct htx_session *s, uint8_t *dst) {
    struct vl_writer w = vl_writer(dst, htx_resume_size(s));
    vl_write_bytes(&w, s->id, sizeof s->id);
    vl_write_u64(&w, s->rx_bytes);
    vl_write_u64(&w, s->rx_limit);
    vl_write_u32(&w, s->last_remote);
    for (uint32_t i = 0; i < s->nstreams; i++) {
        const struct htx_stream *st = s->streams[i];
        vl_write_u32(&w, st->id);
        vl_write_u32(&w, st->rx_seq);
        vl_write_u64(&w, htx_stream_sack(st));
        vl_write_u64(&w, st->rx_limit);
    }
    assert(!w.failed);
}

struct entry {
    uint32_t stream, seq;
    uint64_t sack, limit;
};

static struct entry read_entry(const uint8_t *p) {
    return (struct entry){ vl_get_u32(p), vl_get_u32(p + 4), vl_get_u64(p + 8), vl_get_u64(p + 16) };
}

static enum vl_err check_entries(struct htx_session *s, const uint8_t *p, uint32_t n) {
    uint32_t last = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct entry e = read_entry(p + i * ENTRY);
        if (e.stream <= last) return VL_EPARSE; /* ascending, hence no duplicates */
        last = e.stream;
        if (htx_stream_local(s, e.stream) && e.stream >= s->next_local) return VL_EPARSE;
        const struct htx_stream *st = htx_stream_find(s, e.stream);
        if (st != NULL && e.seq > st->sent_seq) return VL_EPARSE;
    }
    return VL_OK;
}

/* The peer does not know the stream any more: it has all it ever wanted of it. */
static void finish_unlisted(struct htx_stream *st) {
    struct htx_session *s = st->session;
    st->ack_pending = false;
    if (st->reset_local || st->reset_remote || (st->fin_queued && st->fin_received)) {
        htx_stream_drop_tx(st);
        if (st->fin_queued) st->fin_acked = true;
        return;
    }
    /* It cannot have finished a stream that is open here; the one explanation is a reset whose memory is gone. */
    htx_stream_drop_tx(st);
    htx_stream_drop_rx(st);
    st->reset_remote = true;
    st->reset_code = HTX_PROTOCOL;
    htx_unraise(&st->pending);
    htx_raise(s->ep, &st->pending, STREAM_BIT_RESET);
}

enum vl_err htx_resume_apply(struct htx_session *s, struct vl_span payload, vl_ms now) {
    if (payload.n < FIXED || (payload.n - FIXED) % ENTRY != 0) return VL_EPARSE;
    uint64_t got = vl_get_u64(payload.p + 16), limit = vl_get_u64(payload.p + 24);
    uint32_t seen = vl_get_u32(payload.p + 32), n = (uint32_t)((payload.n - FIXED) / ENTRY);
    const uint8_t *entries = payload.p + FIXED;
    bool never = seen != 0 && (!htx_stream_local(s, seen) || seen >= s->next_local);
    if (memcmp(payload.p, s->id, sizeof s->id) != 0 || got > s->tx_off || never) return VL_EPARSE;
    enum vl_err err = check_entries(s, entries, n);
    if (err) return err;

    s->tx_off = got; /* what is sent again counts again, on both sides */
    if (limit > s->tx_limit) s->tx_limit = limit;
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->nstreams;) {
        struct htx_stream *st = s->streams[i];
        struct entry e = { 0 };
        while (at < n && (e = read_entry(entries + at * ENTRY)).stream < st->id) at++;
        bool listed = at < n && e.stream == st->id;
        if (listed) {
            if (e.limit > st->tx_limit) st->tx_limit = e.limit;
            err = htx_stream_acked(st, e.seq, e.sack, now);
            assert(err == VL_OK); /* check_entries() */
        } else if (htx_stream_local(s, st->id) ? st->id <= seen : true)
            finish_unlisted(st);
        st->ack_pending = st->ack_pending && listed;
        htx_stream_rewind(st);
        uint32_t before = s->nstreams;
        htx_stream_reap(st);
        if (s->nstreams == before) i++;
    }
    return VL_OK;
}
