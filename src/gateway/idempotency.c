#include "gateway/idempotency.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 256u

struct idem {
    struct backend_answer record;
    uint8_t seal_key[crypto_secretbox_KEYBYTES];
    struct http_req *r;
    uint16_t status;
    char fields[FIELDS_MAX];
    uint8_t *body; /* plain answer, while its record is being stored */
    size_t body_n;
};

/* What is sealed: status (2), length of fields (2), fields, body. */
static bool replay(struct http_req *r, const struct backend_answer *a, const uint8_t key[crypto_secretbox_KEYBYTES]) {
    uint8_t plain[BACKEND_ANSWER_MAX];
    char fields[FIELDS_MAX + 64] = "Cache-Control: no-store\r\nIdempotent-Replayed: true\r\n";
    size_t overhead = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
    if (a->answer_n < overhead + 4 || a->answer_n > BACKEND_ANSWER_MAX) return false;
    size_t n = a->answer_n - overhead;
    if (crypto_secretbox_open_easy(plain, a->answer + crypto_secretbox_NONCEBYTES,
                                   a->answer_n - crypto_secretbox_NONCEBYTES, a->answer, key) != 0)
        return false;
    uint16_t status = vl_get_u16(plain), fields_n = vl_get_u16(plain + 2);
    if (fields_n >= FIELDS_MAX || fields_n > n - 4) return false;
    size_t at = strlen(fields);
    memcpy(fields + at, plain + 4, fields_n);
    fields[at + fields_n] = '\0';
    struct http_answer answer = { .status = status,
                                  .type = "application/json",
                                  .fields = fields,
                                  .body = vl_span(plain + 4 + fields_n, n - 4 - fields_n) };
    if (answer.body.n == 0) answer.type = NULL;
    http_reply(r, &answer);
    crypto_wipe(plain, sizeof plain);
    return true;
}

static bool key_ok(struct vl_span k) {
    if (k.n == 0 || k.n > IDEMPOTENCY_KEY_MAX) return false;
    for (size_t i = 0; i < k.n; i++)
        if (k.p[i] < 0x21 || k.p[i] > 0x7e) return false;
    return true;
}

/* Names the request by method, path and key; seals by the key alone, under another purpose. */
static void derive(struct idem *i, const struct http_req *r, const struct route *route, struct vl_span key) {
    struct crypto_blake2b h;
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, http_method_text(route->method), strlen(http_method_text(route->method)) + 1);
    crypto_blake2b_update(&h, r->path.p, r->path.n);
    crypto_blake2b_update(&h, "", 1);
    crypto_blake2b_update(&h, key.p, key.n);
    crypto_blake2b_final(&h, &i->record.key);
    crypto_blake2b_keyed(key, vl_span(NULL, 0), "village-idemseal", i->seal_key, sizeof i->seal_key);
    crypto_blake2b256(r->body, &i->record.request);
}

bool idem_begin(struct gateway *g, struct http_req *r, const struct route *route) {
    struct http_part part = http_head_find(r->head, r->base, "idempotency-key");
    if (part.at == 0) return true;
    struct vl_span key = http_part_span(r->base, part);
    if (!key_ok(key)) {
        struct schema_errors e = { 0 };
        schema_error_add(&e, "Idempotency-Key", "must be 1 to %u printable characters", IDEMPOTENCY_KEY_MAX);
        api_problem(r, 400, "bad_request", "The Idempotency-Key cannot be used.", NULL, &e);
        return false;
    }
    struct idem *i = calloc(1, sizeof *i);
    if (i == NULL) {
        api_error(r, VL_ENOMEM, NULL);
        return false;
    }
    derive(i, r, route, key);
    if (vl_map_get(&g->in_flight, i->record.key.b)) {
        free(i);
        api_problem(r, 409, "in_flight", "A request with this Idempotency-Key is still being worked on.",
                    "Retry-After: 1\r\n", NULL);
        return false;
    }
    struct vl_hash request = i->record.request, name = i->record.key;
    enum vl_err err = g->backend->ops->answer_get(g->backend->self, name, gateway_wall_ms(), &i->record);
    if (err == VL_OK) {
        if (!vl_hash_eq(request, i->record.request))
            api_problem(r, 422, "idempotency_mismatch", "This Idempotency-Key was used with another body.", NULL, NULL);
        else if (!replay(r, &i->record, i->seal_key))
            api_error(r, VL_EINTERNAL, "the kept answer cannot be read");
        crypto_wipe(i->seal_key, sizeof i->seal_key);
        free(i);
        return false;
    }
    i->record.key = name;
    i->record.request = request;
    if (err == VL_ENOTFOUND) err = vl_map_put(&g->in_flight, name.b, i);
    if (err != VL_OK) {
        free(i);
        api_error(r, err, NULL);
        return false;
    }
    i->r = r;
    r->context = i;
    return true;
}

const struct backend_answer *idem_seal(struct http_req *r, uint16_t status, const char *fields, struct vl_span body) {
    struct idem *i = r->context;
    uint8_t plain[BACKEND_ANSWER_MAX];
    size_t fields_n = fields ? strlen(fields) : 0, n = 4 + fields_n + body.n;
    if (i == NULL) return NULL;
    if (fields_n >= FIELDS_MAX || n + crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES > sizeof plain)
        return NULL;
    vl_put_u16(plain, status);
    vl_put_u16(plain + 2, (uint16_t)fields_n);
    if (fields_n > 0) memcpy(plain + 4, fields, fields_n);
    if (body.n > 0) memcpy(plain + 4 + fields_n, body.p, body.n);
    crypto_random(i->record.answer, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(i->record.answer + crypto_secretbox_NONCEBYTES, plain, n, i->record.answer, i->seal_key);
    crypto_wipe(plain, n);
    i->record.answer_n = (uint32_t)(n + crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES);
    i->record.expires_ms = gateway_wall_ms() + IDEMPOTENCY_MS;
    return &i->record;
}

static void send_plain(struct http_req *r, uint16_t status, const char *fields, struct vl_span body) {
    char all[FIELDS_MAX + 32] = "Cache-Control: no-store\r\n";
    if (fields) strncat(all, fields, FIELDS_MAX);
    struct http_answer a = {
        .status = status, .type = body.n ? "application/json" : NULL, .fields = all, .body = body
    };
    http_reply(r, &a);
}

static void on_stored(void *arg, enum vl_err err, const char *detail) {
    struct idem *i = arg;
    /* The effect is done but its answer is not kept: saying so by an error would invite a repetition. */
    (void)err;
    (void)detail;
    send_plain(i->r, i->status, i->fields, vl_span(i->body, i->body_n)); /* ends with idem_end(), which frees i */
}

void idem_store_and_send(struct gateway *g, struct http_req *r, uint16_t status, const char *fields,
                         struct vl_span body) {
    struct idem *i = r->context;
    const struct backend_answer *record = idem_seal(r, status, fields, body);
    uint8_t *copy = record ? malloc(body.n ? body.n : 1) : NULL;
    if (copy == NULL) {
        send_plain(r, status, fields, body);
        return;
    }
    if (body.n > 0) memcpy(copy, body.p, body.n);
    i->body = copy;
    i->body_n = body.n;
    i->status = status;
    if (fields) strncat(i->fields, fields, FIELDS_MAX - 1);
    if (g->backend->ops->answer_put(g->backend->self, record, on_stored, i) != VL_OK) on_stored(i, VL_EIO, NULL);
}

void idem_end(struct gateway *g, struct idem *i) {
    vl_map_del(&g->in_flight, i->record.key.b);
    crypto_wipe(i->seal_key, sizeof i->seal_key);
    if (i->body) crypto_wipe(i->body, i->body_n);
    free(i->body);
    free(i);
}
