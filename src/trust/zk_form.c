#include "trust/zk_form.h"

__extension__ typedef unsigned __int128 zk_uwide;

#define WIDEST ((zk_wide)1 << 124)

bool zk_form_is_const(const struct zk_form *f) { return zk_form_terms(f) == 0; }

unsigned zk_form_terms(const struct zk_form *f) {
    unsigned n = 0;
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++) n += f->k[i] != 0;
    return n;
}

static bool small(zk_wide v) { return v < WIDEST && v > -WIDEST; }

static bool add_product(zk_wide *a, zk_wide k, zk_wide b) {
    zk_wide product;
    return !__builtin_mul_overflow(k, b, &product) && !__builtin_add_overflow(*a, product, a) && small(*a);
}

bool zk_form_add(struct zk_form *a, zk_wide k, const struct zk_form *b) {
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++)
        if (!add_product(&a->k[i], k, b->k[i])) return false;
    return add_product(&a->c, k, b->c);
}

bool zk_form_mul(struct zk_form *a, const struct zk_form *b) {
    struct zk_form r = { .c = 0 };
    if (zk_form_is_const(b)) {
        if (!zk_form_add(&r, b->c, a)) return false;
    } else if (!zk_form_is_const(a) || !zk_form_add(&r, a->c, b)) {
        return false;
    }
    *a = r;
    return true;
}

zk_wide zk_form_gcd(const struct zk_form *f) {
    zk_wide g = 0;
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++)
        for (zk_wide b = f->k[i] < 0 ? -f->k[i] : f->k[i]; b != 0;) {
            zk_wide rest = g % b;
            g = b;
            b = rest;
        }
    return g > 0 ? g : 1;
}

bool zk_form_bounds(const struct zk_form *f, const struct zk_attribute *attr, unsigned n, struct zk_bounds *ret) {
    struct zk_bounds b = { f->c, f->c };
    if (!small(f->c)) return false;
    for (unsigned i = 0; i < n; i++) {
        zk_wide most = ((zk_wide)1 << attr[i].bits) - 1;
        if (!add_product(f->k[i] < 0 ? &b.lo : &b.hi, f->k[i], most)) return false;
    }
    *ret = b;
    return true;
}

zk_wide zk_form_at(const struct zk_form *f, const uint64_t *value, unsigned n) {
    zk_wide v = f->c;
    for (unsigned i = 0; i < n; i++) v += f->k[i] * (zk_wide)value[i];
    return v;
}

struct zk_scalar zk_of_wide(zk_wide v) {
    zk_uwide up = (zk_uwide)v + ((zk_uwide)1 << 126); /* above 0 without asking for the sign */
    struct zk_scalar r = { { 0 } }, shift = { { 0 } };
    for (int i = 0; i < 16; i++) r.b[i] = (uint8_t)(up >> 8 * i);
    shift.b[15] = 0x40;
    return zk_sub(r, shift);
}

unsigned zk_wide_bits(zk_wide v) {
    unsigned n = 0;
    for (; v > 0; v >>= 1) n++;
    return n;
}

zk_wide zk_wide_div_floor(zk_wide a, zk_wide b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

const char *zk_wide_text(zk_wide v, char dst[ZK_WIDE_TEXT]) {
    char back[ZK_WIDE_TEXT];
    unsigned n = 0, at = 0;
    zk_uwide u = v < 0 ? -(zk_uwide)v : (zk_uwide)v;
    do {
        back[n++] = (char)('0' + (int)(u % 10));
        u /= 10;
    } while (u != 0);
    if (v < 0) dst[at++] = '-';
    while (n > 0) dst[at++] = back[--n];
    dst[at] = '\0';
    return dst;
}
