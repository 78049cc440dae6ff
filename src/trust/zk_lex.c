#include "trust/zk_pred_priv.h"

#define HEX_DIGITS 64u

static bool digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool letter(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool hex(uint8_t c) { return digit(c) || (c >= 'a' && c <= 'f'); }

static void skip(struct zk_lexer *l) {
    for (bool remark = false; l->rest.n > 0; l->rest.p++, l->rest.n--) {
        uint8_t c = l->rest.p[0];
        if (c == '#') remark = true;
        if (!remark && c != ' ' && c != '\t' && c != '\r' && c != '\n') return;
        l->column++;
        if (c == '\n') {
            l->line++;
            l->column = 1;
            remark = false;
        }
    }
}

static size_t word(struct vl_span s) {
    size_t n = 0;
    while (n < s.n && (letter(s.p[n]) || digit(s.p[n]))) n++;
    return n;
}

/* Digits, and a fraction where a digit follows the point: 3..9 is three tokens. */
static size_t number(struct vl_span s) {
    size_t n = 0;
    while (n < s.n && digit(s.p[n])) n++;
    if (n + 1 < s.n && s.p[n] == '.' && digit(s.p[n + 1]))
        for (n++; n < s.n && digit(s.p[n]);) n++;
    return n;
}

static size_t sign(struct vl_span s) {
    static const char *const two[] = { "<=", ">=", "!=", ".." };
    for (unsigned i = 0; s.n >= 2 && i < sizeof two / sizeof two[0]; i++)
        if (memcmp(s.p, two[i], 2) == 0) return 2;
    return memchr("=<>+-*/(){},:@", s.p[0], 14) != NULL ? 1 : 0;
}

struct zk_token zk_lex(struct zk_lexer *l) {
    skip(l);
    struct zk_token t = { .kind = ZK_TOK_END, .text = { l->rest.p, 0 }, .line = l->line, .column = l->column };
    if (l->rest.n == 0) return t;
    size_t n = word(l->rest);
    bool all_hex = n == HEX_DIGITS;
    for (size_t i = 0; all_hex && i < n; i++) all_hex = hex(l->rest.p[i]);
    if (all_hex) {
        t.kind = ZK_TOK_HEX;
    } else if (digit(l->rest.p[0])) {
        t.kind = ZK_TOK_NUMBER;
        n = number(l->rest);
        if (n < l->rest.n && letter(l->rest.p[n])) t.kind = ZK_TOK_BAD;
    } else if (n > 0) {
        t.kind = ZK_TOK_NAME;
    } else {
        n = sign(l->rest);
        t.kind = n > 0 ? ZK_TOK_SIGN : ZK_TOK_BAD;
        if (n == 0) n = 1;
    }
    t.text.n = n;
    l->rest.p += n;
    l->rest.n -= n;
    l->column += (unsigned)n;
    return t;
}
