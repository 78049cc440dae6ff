#include "base/text.h"

#include <string.h>

void vl_hex_encode(const void *src, size_t n, char *dst) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = digits[p[i] >> 4];
        dst[2 * i + 1] = digits[p[i] & 15];
    }
    dst[2 * n] = '\0';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

enum vl_err vl_hex_decode(const char *s, void *dst, size_t n) {
    if (strlen(s) != 2 * n) return VL_EPARSE;
    for (size_t i = 0; i < 2 * n; i++)
        if (hex_value(s[i]) < 0) return VL_EPARSE;
    uint8_t *out = dst;
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(hex_value(s[2 * i]) << 4 | hex_value(s[2 * i + 1]));
    return VL_OK;
}

size_t vl_base32_len(size_t n) { return (n * 8 + 4) / 5; }

void vl_base32_encode(const void *src, size_t n, char *dst) {
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    const uint8_t *p = src;
    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        acc = acc << 8 | p[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *dst++ = digits[acc >> bits & 31];
        }
        acc &= (1u << bits) - 1;
    }
    if (bits > 0) *dst++ = digits[acc << (5 - bits) & 31];
    *dst = '\0';
}

static int base32_value(char c) {
    if (c >= 'a' && c <= 'z') return c - 'a';
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= '2' && c <= '7') return c - '2' + 26;
    return -1;
}

enum vl_err vl_base32_decode(const char *s, void *dst, size_t cap, size_t *ret_n) {
    uint8_t *out = dst;
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (; *s; s++) {
        int v = base32_value(*s);
        if (v < 0) return VL_EPARSE;
        acc = acc << 5 | (uint32_t)v;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            if (n == cap) return VL_ELIMIT;
            out[n++] = (uint8_t)(acc >> bits);
            acc &= (1u << bits) - 1;
        }
    }
    if (bits >= 5 || acc != 0) return VL_EPARSE; /* one text only for each value */
    *ret_n = n;
    return VL_OK;
}

static const char base58_digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

enum vl_err vl_base58_encode(const void *src, size_t n, char *dst, size_t cap) {
    uint8_t digit[180] = { 0 };
    const uint8_t *p = src;
    size_t zeros = 0, used = 0;
    if (n > 128) return VL_ELIMIT;
    while (zeros < n && p[zeros] == 0) zeros++;
    for (size_t i = zeros; i < n; i++) {
        uint32_t carry = p[i];
        for (size_t j = 0; j < used; j++) {
            carry += (uint32_t)digit[j] << 8;
            digit[j] = (uint8_t)(carry % 58);
            carry /= 58;
        }
        for (; carry > 0; carry /= 58) digit[used++] = (uint8_t)(carry % 58);
    }
    if (zeros + used + 1 > cap) return VL_ELIMIT;
    memset(dst, '1', zeros);
    for (size_t j = 0; j < used; j++) dst[zeros + j] = base58_digits[digit[used - 1 - j]];
    dst[zeros + used] = '\0';
    return VL_OK;
}

enum vl_err vl_base58_decode(const char *s, void *dst, size_t cap, size_t *ret_n) {
    uint8_t byte[180] = { 0 };
    size_t len = strlen(s), zeros = 0, used = 0;
    if (len > sizeof byte) return VL_ELIMIT;
    while (zeros < len && s[zeros] == '1') zeros++;
    for (size_t i = zeros; i < len; i++) {
        const char *at = strchr(base58_digits, s[i]);
        if (at == NULL) return VL_EPARSE;
        uint32_t carry = (uint32_t)(at - base58_digits);
        for (size_t j = 0; j < used; j++) {
            carry += (uint32_t)byte[j] * 58;
            byte[j] = (uint8_t)carry;
            carry >>= 8;
        }
        for (; carry > 0; carry >>= 8) byte[used++] = (uint8_t)carry;
    }
    if (zeros + used > cap) return VL_ELIMIT;
    uint8_t *out = dst;
    memset(out, 0, zeros);
    for (size_t j = 0; j < used; j++) out[zeros + j] = byte[used - 1 - j];
    *ret_n = zeros + used;
    return VL_OK;
}

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void vl_base64_encode(const void *src, size_t n, char *dst) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);
        *dst++ = digits64[v >> 18];
        *dst++ = digits64[v >> 12 & 63];
        *dst++ = i + 1 < n ? digits64[v >> 6 & 63] : '=';
        *dst++ = i + 2 < n ? digits64[v & 63] : '=';
    }
    *dst = 0;
}

enum vl_err vl_base64_decode(const char *s, void *dst, size_t cap, size_t *ret_n) {
    size_t len = strlen(s), pad = 0, n = 0;
    uint8_t *out = dst;
    if (len % 4 != 0) return VL_EPARSE;
    while (pad < 2 && pad < len && s[len - 1 - pad] == '=') pad++;
    if (len / 4 * 3 - pad > cap) return VL_ELIMIT;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t v = 0, keep = i + 4 == len ? 3 - (uint32_t)pad : 3;
        for (size_t k = 0; k < 4; k++) {
            const char *at = k > keep ? NULL : memchr(digits64, s[i + k], 64);
            if (k <= keep && at == NULL) return VL_EPARSE;
            v = v << 6 | (at ? (uint32_t)(at - digits64) : 0);
        }
        if (keep < 3 && (v & ((1u << 8 * (3 - keep)) - 1)) != 0) return VL_EPARSE; /* spare bits */
        for (uint32_t k = 0; k < keep; k++) out[n++] = (uint8_t)(v >> (16 - 8 * k));
    }
    *ret_n = n;
    return VL_OK;
}
