#include "net/pack.h"

#include "base/bounds.h"
#include "base/prng.h"

#include "check.h"

#include <string.h>

static enum vl_err telemetry(struct vl_buf *b, struct vl_prng *r, size_t n) {
    enum vl_err err = vl_buf_append(b, "[", 1);
    for (uint64_t t = 1767225600000; !err && b->len + 300 < n; t += 1000)
        err = vl_buf_printf(b,
                            "{\"node\":\"node-%02u\",\"time\":\"2026-01-01T00:%02u:%02u.000Z\",\"cpu_percent\":%u.%u,"
                            "\"memory_used_bytes\":%llu,\"temperature_celsius\":%u,\"tasks_running\":%u,"
                            "\"link_bytes_sent\":%llu,\"link_bytes_received\":%llu,\"state\":\"healthy\"},",
                            (unsigned)vl_prng_below(r, 40), (unsigned)(t / 60000 % 60), (unsigned)(t / 1000 % 60),
                            (unsigned)vl_prng_below(r, 100), (unsigned)vl_prng_below(r, 10),
                            (unsigned long long)(1000000000 + vl_prng_below(r, 1000) * 4096),
                            40 + (unsigned)vl_prng_below(r, 9), (unsigned)vl_prng_below(r, 8),
                            (unsigned long long)vl_prng_below(r, 1000000), (unsigned long long)vl_prng_below(r, 1000000));
    return err;
}

TEST(pack, returns_the_bytes_and_saves_on_telemetry) {
    for (size_t n = 4096; n <= VL_PAYLOAD_MAX; n *= 4) {
        struct vl_buf raw, packed, back;
        struct vl_prng r;
        bool is_packed = false;
        vl_prng_seed(&r, n);
        vl_buf_init(&raw, VL_PAYLOAD_MAX);
        vl_buf_init(&packed, VL_PAYLOAD_MAX + PACK_HEAD);
        vl_buf_init(&back, VL_PAYLOAD_MAX);
        CHECK_OK(telemetry(&raw, &r, n));
        CHECK_OK(pack_try(vl_span(raw.p, raw.len), &packed, &is_packed));
        CHECK(is_packed);
        size_t saved = 100 - (packed.len * 100 + raw.len - 1) / raw.len;
        print_message("# %zu bytes of telemetry, saved %zu percent\n", raw.len, saved);
        CHECK(saved >= (n == VL_PAYLOAD_MAX ? 80 : 70)); /* a short text repeats itself less */
        CHECK_OK(pack_open(vl_span(packed.p, packed.len), &back));
        CHECK(back.len == raw.len && memcmp(back.p, raw.p, raw.len) == 0);
        for (size_t cut = 0; cut < packed.len; cut += 7) {
            vl_buf_clear(&back);
            CHECK_EQ(VL_EPARSE, pack_open(vl_span(packed.p, cut), &back));
        }
        vl_buf_free(&raw);
        vl_buf_free(&packed);
        vl_buf_free(&back);
    }
}

TEST(pack, leaves_what_is_short_and_what_does_not_shrink) {
    static uint8_t zeros[PACK_MIN], noise[20000];
    struct vl_buf dst;
    struct vl_prng r;
    bool is_packed = true;
    vl_prng_seed(&r, 1);
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(vl_prng_next(&r) >> 32);
    vl_buf_init(&dst, VL_PAYLOAD_MAX + PACK_HEAD);
    CHECK_OK(pack_try(vl_span(zeros, PACK_MIN - 1), &dst, &is_packed));
    CHECK(!is_packed);
    CHECK_OK(pack_try(vl_span(noise, sizeof noise), &dst, &is_packed));
    CHECK(!is_packed);
    CHECK_EQ(0, dst.len);
    CHECK_OK(pack_try(vl_span(zeros, PACK_MIN), &dst, &is_packed));
    CHECK(is_packed);
    vl_put_u32(dst.p, PACK_MIN + 1); /* says another size than it has */
    size_t n = dst.len;
    CHECK_EQ(VL_EPARSE, pack_open(vl_span(dst.p, n), &dst));
    CHECK_EQ(n, dst.len);
    vl_buf_free(&dst);
}
