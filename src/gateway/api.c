/* api.c - how handlers answer: JSON, problems, pages. */
#include "gateway/gateway_priv.h"

#include "gateway/idempotency.h"

#include <string.h>

struct jw api_json(struct http_req *r) {
    return jw_begin(http_server_scratch(r->server));
}

void api_send(struct gateway *g, struct http_req *r, uint16_t status, struct jw *j, const char *fields) {
    char all[320] = "Cache-Control: no-store\r\n";
    if (j->failed) {
        api_error(r, VL_ELIMIT, "the answer is too large; ask for less at once");
        return;
    }
    struct vl_span body = vl_span(j->out->p, j->out->len);
    if (r->context) {
        idem_store_and_send(g, r, status, fields, body);
        return;
    }
    if (fields) strncat(all, fields, sizeof all - sizeof "Cache-Control: no-store\r\n");
    struct http_answer a = { .status = status, .type = "application/json", .fields = all, .body = body };
    http_reply(r, &a);
}

void api_no_content(struct gateway *g, struct http_req *r, uint16_t status) {
    if (r->context) {
        idem_store_and_send(g, r, status, NULL, vl_span(NULL, 0));
        return;
    }
    struct http_answer a = { .status = status, .fields = "Cache-Control: no-store\r\n" };
    http_reply(r, &a);
}

static const char *title_of(uint16_t status) {
    switch (status) {
    case 400:
        return "The request is wrong";
    case 401:
        return "Sign in first";
    case 403:
        return "Not permitted";
    case 404:
        return "Not found";
    case 405:
        return "Method not allowed";
    case 408:
        return "Too slow";
    case 409:
        return "Not possible now";
    case 411:
        return "Length required";
    case 413:
        return "Too large";
    case 414:
        return "Address too long";
    case 415:
        return "Unknown media type";
    case 416:
        return "No such range";
    case 417:
        return "Expectation not met";
    case 421:
        return "Not the host of that name";
    case 422:
        return "Cannot be processed";
    case 426:
        return "Upgrade required";
    case 429:
        return "Too many requests";
    case 431:
        return "Header too large";
    case 501:
        return "Not implemented";
    case 503:
        return "Busy or not ready";
    case 505:
        return "HTTP version not supported";
    case 507:
        return "No space left";
    default:
        return "Internal error";
    }
}

void api_problem(struct http_req *r, uint16_t status, const char *code, const char *detail, const char *fields,
                 const struct schema_errors *errors) {
    char type[80] = "urn:village:problem:", all[320] = "Cache-Control: no-store\r\n";
    struct jw j = api_json(r);
    strncat(type, code, 48);
    if (fields) strncat(all, fields, sizeof all - sizeof "Cache-Control: no-store\r\n");
    jw_obj(&j);
    jw_put_str(&j, "type", type);
    jw_put_str(&j, "title", title_of(status));
    jw_put_u64(&j, "status", status);
    jw_put_str(&j, "detail", detail);
    jw_put_str(&j, "code", code);
    jw_key(&j, "request_id");
    jw_strn(&j, r->id, r->id_n);
    if (errors) {
        jw_key(&j, "errors");
        jw_arr(&j);
        for (size_t i = 0; i < errors->n && i < SCHEMA_ERRORS_MAX; i++) {
            jw_obj(&j);
            jw_put_str(&j, "field", errors->v[i].pointer);
            jw_put_str(&j, "detail", errors->v[i].detail);
            jw_obj_end(&j);
        }
        jw_arr_end(&j);
    }
    jw_obj_end(&j);
    struct http_answer a = { .status = status,
                             .type = "application/problem+json",
                             .fields = all,
                             .body = j.failed ? vl_span(NULL, 0) : vl_span(j.out->p, j.out->len) };
    http_reply(r, &a);
}

static uint16_t status_of(enum vl_err err) {
    switch (err) {
    case VL_ENOTFOUND:
        return 404;
    case VL_EDENIED:
        return 403;
    case VL_EEXISTS:
    case VL_ESTATE:
    case VL_ESTALE:
    case VL_EUSED:
    case VL_EBUSY:
        return 409;
    case VL_ERANGE:
    case VL_EPARSE:
    case VL_EVERSION:
    case VL_ECRYPTO:
    case VL_EREPLAY:
    case VL_EEXPIRED:
    case VL_EUNSUPPORTED:
        return 422;
    case VL_ENOSPC:
        return 507;
    case VL_EOVERLOAD:
        return 429;
    case VL_ELIMIT:
    case VL_ENOMEM:
    case VL_EAGAIN:
    case VL_ECLOSED:
    case VL_ETIMEOUT:
        return 503;
    case VL_OK:
    case VL_EIO:
    case VL_ECORRUPT:
    case VL_EINTERNAL:
        return 500;
    }
    return 500;
}

void api_error(struct http_req *r, enum vl_err err, const char *detail) {
    char code[32];
    uint16_t status = status_of(err);
    const char *name = vl_err_name(err);
    size_t n = 0;
    for (const char *p = *name == 'E' ? name + 1 : name; *p && n + 1 < sizeof code; p++)
        code[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
    code[n] = '\0';
    api_problem(r, status, code, detail && *detail ? detail : vl_err_text(err),
                status == 503 || status == 429 ? "Retry-After: 1\r\n" : NULL, NULL);
}

void api_not_found(struct http_req *r, const char *what) { api_problem(r, 404, "notfound", what, NULL, NULL); }

struct page page_begin(struct http_req *r, const struct call *k) {
    struct page p = { .j = api_json(r), .left = k->limit };
    jw_obj(&p.j);
    jw_key(&p.j, "items");
    jw_arr(&p.j);
    return p;
}

bool page_takes(struct page *p, const void *key, size_t key_n) {
    if (p->left == 0) {
        p->more = true;
        return false;
    }
    p->left--;
    memcpy(p->key, key, key_n);
    p->key_n = key_n;
    return true;
}

void page_send(struct gateway *g, struct http_req *r, struct page *p, enum cursor_kind kind) {
    char text[CURSOR_TEXT_MAX];
    jw_arr_end(&p->j);
    if (p->more) cursor_encode(&g->seal, kind, p->key, p->key_n, text);
    jw_put_str(&p->j, "next", p->more ? text : NULL);
    jw_obj_end(&p->j);
    api_send(g, r, 200, &p->j, NULL);
}

bool page_cursor(struct gateway *g, struct http_req *r, const struct call *k, enum cursor_kind kind, size_t want_n,
                 uint8_t key[CURSOR_KEY_MAX], size_t *ret_n) {
    *ret_n = 0;
    if (k->cursor[0] == '\0') return true;
    if (cursor_decode(&g->seal, kind, k->cursor, key, ret_n) == VL_OK && (want_n == 0 || *ret_n == want_n)) return true;
    struct schema_errors e = { 0 };
    schema_error_add(&e, "?cursor", "is not a cursor that this list gave");
    api_problem(r, 400, "bad_request", "A parameter is wrong.", NULL, &e);
    return false;
}
