#include "trust/tpm_eventlog.h"

#include "crypto/hash.h"

#include <string.h>

#define NO_ACTION 3u
#define SEPARATOR 4u
#define VARIABLE_CONFIG 0x80000001u
#define EFI_ACTION 0x80000007u
#define BANKS_MAX 8u
#define DIGEST_MAX 64u
#define GUID 16u

struct bank {
    uint16_t algorithm, size;
};
struct state {
    struct bank banks[BANKS_MAX];
    uint32_t nbanks;
    uint16_t algorithm;
    bool separated;       /* PCR 7 has its separator */
    unsigned secure_boot; /* how often SecureBoot was measured before it */
    bool doubtful;
};
struct event {
    uint32_t pcr, type;
    struct vl_span digest, data; /* digest: of the bank that is replayed */
};

size_t tpm_digest_size(uint16_t a) { return a == TPM_SHA1 ? 20 : a == TPM_SHA256 ? 32 : a == TPM_SHA384 ? 48 : 0; }
void tpm_digest(uint16_t a, struct vl_span in, uint8_t ret[TPM_DIGEST]) {
    if (a == TPM_SHA1) crypto_sha1(in, ret);
    if (a == TPM_SHA256) crypto_sha256(in, ret);
    if (a == TPM_SHA384) crypto_sha384(in, ret);
}

static uint16_t le16(struct vl_reader *r) {
    uint16_t v = vl_read_u16(r);
    return (uint16_t)(v << 8 | v >> 8);
}
static uint32_t le32(struct vl_reader *r) { return __builtin_bswap32(vl_read_u32(r)); }
static uint64_t le64(struct vl_reader *r) { return __builtin_bswap64(vl_read_u64(r)); }

/* TCG_PCR_EVENT of SHA-1 form whose data is TCG_EfiSpecIDEvent. */
static bool header(struct vl_reader *at, struct state *s) {
    uint32_t pcr = le32(at), type = le32(at);
    (void)vl_read_span(at, 20);
    struct vl_span data = vl_read_span(at, le32(at));
    if (at->failed || pcr != 0 || type != NO_ACTION) return false;
    struct vl_reader d = vl_reader(data.p, data.n);
    struct vl_span signature = vl_read_span(&d, 16);
    (void)vl_read_span(&d, 8); /* platform class, version, errata, size of a word */
    s->nbanks = le32(&d);
    if (d.failed || memcmp(signature.p, "Spec ID Event03", 16) != 0 || s->nbanks == 0 || s->nbanks > BANKS_MAX)
        return false;
    bool there = false;
    for (uint32_t i = 0; i < s->nbanks; i++) {
        struct bank b;
        b.algorithm = le16(&d);
        b.size = le16(&d);
        size_t known = tpm_digest_size(b.algorithm);
        if (b.size == 0 || b.size > DIGEST_MAX || (known != 0 && known != b.size)) return false;
        for (uint32_t k = 0; k < i; k++)
            if (s->banks[k].algorithm == b.algorithm) return false;
        there = there || b.algorithm == s->algorithm;
        s->banks[i] = b;
    }
    (void)vl_read_span(&d, vl_read_u8(&d)); /* of the vendor */
    return there && vl_reader_end(&d) == VL_OK;
}

static bool read_event(struct vl_reader *at, const struct state *s, struct event *e) {
    e->pcr = le32(at);
    e->type = le32(at);
    uint32_t n = le32(at), seen = 0;
    if (n != s->nbanks || e->pcr >= TPM_PCRS) return false;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t algorithm = le16(at);
        uint32_t k = 0;
        while (k < s->nbanks && s->banks[k].algorithm != algorithm) k++;
        if (k == s->nbanks || (seen & 1u << k) != 0) return false;
        seen |= 1u << k;
        struct vl_span digest = vl_read_span(at, s->banks[k].size);
        if (algorithm == s->algorithm) e->digest = digest;
    }
    e->data = vl_read_span(at, le32(at));
    return !at->failed;
}

static void extend(struct tpm_replay *r, uint16_t algorithm, const struct event *e) {
    uint8_t both[2 * TPM_DIGEST];
    size_t n = tpm_digest_size(algorithm);
    memcpy(both, r->pcr[e->pcr], n);
    memcpy(both + n, e->digest.p, n);
    tpm_digest(algorithm, vl_span(both, 2 * n), r->pcr[e->pcr]);
    r->extended |= 1u << e->pcr;
}

/* Firmware that starts the TPM from another locality says so: PCR 0 begins with its number. */
static bool startup(const struct event *e, struct tpm_replay *r, uint16_t algorithm) {
    static const char name[] = "StartupLocality";
    if (e->pcr != 0 || e->data.n != sizeof name + 1 || memcmp(e->data.p, name, sizeof name) != 0) return true;
    uint8_t locality = e->data.p[sizeof name];
    if ((r->extended & 1) != 0 || locality > 4) return false;
    r->pcr[0][tpm_digest_size(algorithm) - 1] = locality;
    return true;
}

/* UEFI_VARIABLE_DATA of EFI_GLOBAL_VARIABLE "SecureBoot". */
static bool is_secure_boot(struct vl_span data, struct vl_span *ret) {
    static const uint8_t global[GUID] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                          0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
    static const uint8_t name[] = "S\0e\0c\0u\0r\0e\0B\0o\0o\0t";
    struct vl_reader at = vl_reader(data.p, data.n);
    struct vl_span guid = vl_read_span(&at, GUID);
    uint64_t chars = le64(&at), bytes = le64(&at);
    if (at.failed || chars != sizeof name / 2 || bytes > at.n) return false;
    struct vl_span text = vl_read_span(&at, sizeof name);
    *ret = vl_read_span(&at, (size_t)bytes);
    return vl_reader_end(&at) == VL_OK && memcmp(guid.p, global, GUID) == 0 && memcmp(text.p, name, sizeof name) == 0;
}

/* Whoever holds the machine after boot can extend PCR 7 with what he likes and call events in the log what he likes:
 * only what came before the first separator is the firmware's word, and that one is known by its digest, which he cannot
 * take back, not by the name the log gives it. */
static void look(const struct event *e, struct state *s, struct tpm_replay *r) {
    static const uint8_t zeros[4];
    uint8_t digest[TPM_DIGEST];
    size_t n = tpm_digest_size(s->algorithm);
    struct vl_span value;
    if (e->pcr != 7 || s->separated) return;
    tpm_digest(s->algorithm, vl_span(zeros, sizeof zeros), digest);
    s->separated = vl_span_eq(e->digest, vl_span(digest, n));
    if (s->separated) return;
    if (e->type == SEPARATOR) s->doubtful = true;  /* one that says that something failed */
    if (e->type == EFI_ACTION) s->doubtful = true; /* "UEFI Debug Mode" and its like */
    if (e->type != VARIABLE_CONFIG || !is_secure_boot(e->data, &value)) return;
    tpm_digest(s->algorithm, e->data, digest);
    if (!vl_span_eq(e->digest, vl_span(digest, n))) s->doubtful = true;
    s->secure_boot++;
    r->secure_boot = value.n == 1 && value.p[0] == 1 ? ATTEST_YES : ATTEST_NO;
}

bool tpm_eventlog_replay(struct vl_span log, uint16_t algorithm, struct tpm_replay *ret) {
    struct vl_reader at = vl_reader(log.p, log.n);
    struct state s = { .algorithm = algorithm };
    struct tpm_replay r = { .events = 0 };
    struct event e;
    if (tpm_digest_size(algorithm) == 0 || !header(&at, &s)) return false;
    /* The dynamic launch begins with ones, where no log of the firmware reaches. */
    for (unsigned i = 17; i <= 22; i++) memset(r.pcr[i], 0xff, TPM_DIGEST);
    while (at.n > 0) {
        if (r.events++ == TPM_EVENTS_MAX || !read_event(&at, &s, &e)) return false;
        if (e.type == NO_ACTION) {
            if (!startup(&e, &r, algorithm)) return false;
            continue;
        }
        extend(&r, algorithm, &e);
        look(&e, &s, &r);
    }
    if (!s.separated || s.doubtful || s.secure_boot != 1) r.secure_boot = ATTEST_UNKNOWN;
    *ret = r;
    return true;
}
