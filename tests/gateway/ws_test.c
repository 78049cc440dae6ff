/* WebSocket over a real socket: handshake, topics, resumption, back-pressure, malformed frames. */
#include "client.h"

#include "check.h"

#include "gateway/topic.h"
#include "gateway/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define UPGRADE                                                                                                        \
    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: " KEY                                 \
    "\r\nSec-WebSocket-Version: 13\r\n"

static void ws_send(struct house *h, int fd, uint8_t first, const void *p, size_t n) {
    uint8_t head[14] = { first, 0 }, mask[4] = { 1, 2, 3, 4 };
    size_t k = 2;
    if (n < 126) {
        head[1] = (uint8_t)(0x80 | n);
    } else {
        head[1] = 0x80 | 126;
        vl_put_u16(head + 2, (uint16_t)n);
        k = 4;
    }
    memcpy(head + k, mask, 4);
    uint8_t *body = malloc(n + 1);
    for (size_t i = 0; i < n; i++) body[i] = ((const uint8_t *)p)[i] ^ mask[i % 4];
    CHECK(send_all(&h->loop, fd, head, k + 4));
    CHECK(send_all(&h->loop, fd, body, n));
    free(body);
}

static void ws_text(struct house *h, int fd, const char *text) { ws_send(h, fd, 0x81, text, strlen(text)); }

static bool exactly(struct house *h, int fd, void *dst, size_t n) {
    size_t got = 0;
    while (got < n) {
        size_t k = hear_some(&h->loop, fd, (uint8_t *)dst + got, n - got, 2000);
        if (k == 0) return false;
        got += k;
    }
    return true;
}

/* First byte of the next frame, its payload with a NUL in `dst`; 0 when the other side is gone. */
static uint8_t ws_hear(struct house *h, int fd, char *dst, size_t cap) {
    uint8_t head[2], more[8];
    dst[0] = '\0';
    if (!exactly(h, fd, head, 2)) return 0;
    CHECK_EQ(0, head[1] & 0x80); /* a server must not mask */
    size_t n = head[1] & 0x7f;
    if (n == 126) {
        CHECK(exactly(h, fd, more, 2));
        n = vl_get_u16(more);
    } else if (n == 127) {
        CHECK(exactly(h, fd, more, 8));
        n = (size_t)vl_get_u64(more);
    }
    CHECK(n < cap);
    CHECK(exactly(h, fd, dst, n));
    dst[n] = '\0';
    return head[0];
}

static int ws_open_with(struct house *h, const char *target, const char *more, int want) {
    char request[1024];
    struct answer a;
    int fd = dial(h);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n", target, more, UPGRADE);
    CHECK(send_all(&h->loop, fd, request, strlen(request)));
    hear(&h->loop, fd, true, &a);
    CHECK_EQ(want, a.status);
    if (want == 101) CHECK(strstr(a.head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != NULL);
    answer_free(&a);
    return fd;
}

static int ws_open(struct house *h) { return ws_open_with(h, "/v1/ws", AUTH, 101); }

/* Lets what was sent arrive: a ping is answered after everything before it. */
static void ws_sync(struct house *h, int fd) {
    char text[512];
    ws_text(h, fd, "{\"op\":\"ping\"}");
    CHECK_EQ(0x81, ws_hear(h, fd, text, sizeof text));
    CHECK_STR("{\"op\":\"pong\"}", text);
}

static struct view_job a_job(uint8_t n) {
    return (struct view_job){
        .id = { { n } }, .name = "n", .kind = "wasm", .priority = "normal", .state = VIEW_JOB_RUNNING, .total = 1
    };
}

static uint64_t event_seq(const char *text) {
    json_t *m = json_loads(text, 0, NULL);
    CHECK_STR("event", json_text(m, "op"));
    uint64_t seq = (uint64_t)json_integer_value(json_object_get(m, "seq"));
    json_decref(m);
    return seq;
}

TEST(ws, opens_with_a_ticket_once_and_only_from_its_own_site) {
    struct house h;
    struct answer a;
    char target[128];
    house_open(&h, NULL);
    call_api(&h, "POST", "/v1/ws/ticket", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    snprintf(target, sizeof target, "/v1/ws?ticket=%s", json_text(a.json, "ticket"));
    answer_free(&a);
    close(ws_open_with(&h, target, "Origin: http://evil.example\r\n", 403)); /* does not use the ticket up */
    close(ws_open_with(&h, target, "Origin: http://localhost\r\n", 101));
    close(ws_open_with(&h, target, "", 401));
    close(ws_open_with(&h, "/v1/ws", "", 401));
    ask(&h,
        "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n" AUTH
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: short\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n",
        &a);
    CHECK_EQ(400, a.status);
    answer_free(&a);
    ask(&h,
        "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n" AUTH
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
        "Sec-WebSocket-Version: 8\r\n\r\n",
        &a);
    CHECK_EQ(426, a.status);
    CHECK(strstr(a.head, "Sec-WebSocket-Version: 13\r\n") != NULL);
    answer_free(&a);
    house_close(&h);
}

TEST(ws, delivers_events_of_subscribed_topics_only) {
    struct house h;
    char text[4096];
    house_open(&h, NULL);
    int fd = ws_open(&h);
    struct view_job job = a_job(1);
    struct view_task task = { .index = 4, .state = VIEW_TASK_RUNNING };
    ws_text(&h, fd, "{\"op\":\"subscribe\",\"topic\":\"jobs\"}");
    ws_text(&h, fd, "{\"op\":\"subscribe\",\"topic\":\"tasks:01000000000000000000000000000000\"}");
    ws_sync(&h, fd);
    struct view_node node = { .name = "x", .kind = "", .addr = "", .region = "" };
    gateway_publish_node(h.gateway, &node); /* not subscribed */
    gateway_publish_job(h.gateway, &job);
    gateway_publish_task(h.gateway, job.id, &task);
    CHECK_EQ(0x81, ws_hear(&h, fd, text, sizeof text));
    CHECK(strstr(text, "{\"op\":\"event\",\"topic\":\"jobs\",\"seq\":") == text || strstr(text, "tasks:") != NULL);
    CHECK_EQ(0x81, ws_hear(&h, fd, text, sizeof text));
    ws_text(&h, fd, "{\"op\":\"unsubscribe\",\"topic\":\"jobs\"}");
    ws_sync(&h, fd);
    gateway_publish_job(h.gateway, &job);
    gateway_publish_task(h.gateway, job.id, &task);
    CHECK_EQ(0x81, ws_hear(&h, fd, text, sizeof text));
    CHECK(strstr(text, "\"topic\":\"tasks:01") != NULL);
    json_t *m = json_loads(text, 0, NULL);
    CHECK_EQ(4, json_integer_value(json_object_get(json_object_get(m, "data"), "index")));
    json_decref(m);
    close(fd);
    house_close(&h);
}

TEST(ws, resumes_after_a_gap_and_says_resync_when_it_cannot) {
    struct house h;
    char text[4096], op[128];
    house_open(&h, NULL);
    int fd = ws_open(&h);
    struct view_job job = a_job(1);
    ws_text(&h, fd, "{\"op\":\"subscribe\",\"topic\":\"jobs\"}");
    ws_sync(&h, fd);
    gateway_publish_job(h.gateway, &job);
    ws_hear(&h, fd, text, sizeof text);
    uint64_t seq = event_seq(text);
    close(fd);
    for (int i = 0; i < 10; i++) turn(&h.loop);
    for (int i = 0; i < 3; i++) gateway_publish_job(h.gateway, &job); /* nobody listens, but it may come back */
    fd = ws_open(&h);
    snprintf(op, sizeof op, "{\"op\":\"subscribe\",\"topic\":\"jobs\",\"after\":%llu}", (unsigned long long)seq);
    ws_text(&h, fd, op);
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK_EQ(0x81, ws_hear(&h, fd, text, sizeof text));
        CHECK_EQ(seq + i, event_seq(text));
    }
    ws_text(&h, fd, "{\"op\":\"subscribe\",\"topic\":\"jobs\",\"after\":5}");
    CHECK_EQ(0x81, ws_hear(&h, fd, text, sizeof text));
    CHECK_STR("{\"op\":\"resync\",\"topic\":\"jobs\"}", text);
    gateway_publish_job(h.gateway, &job); /* and goes on from there */
    CHECK_EQ(0x81, ws_hear(&h, fd, text, sizeof text));
    CHECK_EQ(seq + 4, event_seq(text));
    close(fd);
    house_close(&h);
}

TEST(ws, closes_a_client_that_falls_behind_with_1013) {
    struct house h;
    char *text = malloc(1u << 20);
    house_open(&h, NULL);
    int fd = ws_open(&h), well = ws_open(&h);
    struct view_job job = a_job(1);
    ws_text(&h, fd, "{\"op\":\"subscribe\",\"topic\":\"jobs\"}");
    ws_sync(&h, fd);
    ws_text(&h, well, "{\"op\":\"subscribe\",\"topic\":\"jobs\"}");
    ws_sync(&h, well);
    size_t heard = 0;
    for (int i = 0; i < 60000; i++) { /* about 20 MB: more than any socket buffer here */
        gateway_publish_job(h.gateway, &job);
        turn(&h.loop);
        if (i % 64 == 63)
            while (hear_some(&h.loop, well, text, 1u << 20, 0) > 0) heard++;
    }
    uint8_t first = 0;
    while ((first = ws_hear(&h, fd, text, 1u << 20)) == 0x81) {
    }
    CHECK_EQ(0x88, first);
    CHECK_EQ(1013, vl_get_u16((const uint8_t *)text));
    CHECK(heard > 0);
    while (hear_some(&h.loop, well, text, 1u << 20, 100) > 0) {
    }
    ws_sync(&h, well); /* the one that reads is still there */
    free(text);
    close(fd);
    close(well);
    house_close(&h);
}

TEST(ws, answers_wrong_messages_and_keeps_going) {
    static const char *const bad[] = { "x",
                                       "[]",
                                       "{}",
                                       "{\"op\":\"dance\"}",
                                       "{\"op\":\"subscribe\"}",
                                       "{\"op\":\"subscribe\",\"topic\":\"secrets\"}",
                                       "{\"op\":\"subscribe\",\"topic\":\"tasks:xyz\"}",
                                       "{\"op\":\"subscribe\",\"topic\":\"jobs\",\"after\":\"1\"}",
                                       "{\"op\":\"ping\",\"op\":\"ping\"}" };
    struct house h;
    char text[512];
    house_open(&h, NULL);
    int fd = ws_open(&h);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ws_text(&h, fd, bad[i]);
        CHECK_EQ(0x81, ws_hear(&h, fd, text, sizeof text));
        CHECK(strstr(text, "{\"op\":\"error\",") == text);
    }
    ws_sync(&h, fd);
    ws_send(&h, fd, 0x89, "hi", 2); /* ping of the protocol */
    CHECK_EQ(0x8a, ws_hear(&h, fd, text, sizeof text));
    CHECK_STR("hi", text);
    ws_send(&h, fd, 0x88, "\x03\xe8", 2);
    CHECK_EQ(0x88, ws_hear(&h, fd, text, sizeof text));
    CHECK(hear_end(&h.loop, fd, 3000));
    close(fd);
    house_close(&h);
}

TEST(ws, closes_on_malformed_frames) {
    static const struct {
        uint8_t bytes[16];
        size_t n;
        uint16_t status;
    } rows[] = {
        { { 0x81, 0x02, 'h', 'i' }, 4, 1002 },                  /* not masked */
        { { 0xf1, 0x80, 1, 2, 3, 4 }, 6, 1002 },                /* reserved bits */
        { { 0x83, 0x80, 1, 2, 3, 4 }, 6, 1002 },                /* unknown opcode */
        { { 0x89, 0xfe, 0, 200, 1, 2, 3, 4 }, 8, 0 },           /* control frame too long: closed without a status */
        { { 0x80, 0x80, 1, 2, 3, 4 }, 6, 1002 },                /* continuation of nothing */
        { { 0x82, 0x80, 1, 2, 3, 4 }, 6, 1003 },                /* binary */
        { { 0x81, 0xfe, 0x20, 0x00, 1, 2, 3, 4, 9 }, 9, 1009 }, /* announces 8 KiB */
        { { 0x81, 0x81, 0, 0, 0, 0, 0xff }, 7, 1007 },          /* not UTF-8 */
    };
    struct house h;
    char text[512];
    house_open(&h, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = ws_open(&h);
        CHECK(send_all(&h.loop, fd, rows[i].bytes, rows[i].n));
        memset(text, 0, 2);
        uint8_t first = ws_hear(&h, fd, text, sizeof text);
        if (first != 0) { /* libwslay may also just break off */
            CHECK_EQ(0x88, first);
            CHECK_EQ(rows[i].status, vl_get_u16((const uint8_t *)text));
        }
        CHECK(hear_end(&h.loop, fd, 3000));
        close(fd);
    }
    house_close(&h);
}

static void drained(void *arg) { *(bool *)arg = true; }

TEST(ws, says_1001_when_the_gateway_goes) {
    struct house h;
    char text[512];
    bool done = false;
    house_open(&h, NULL);
    int fd = ws_open(&h);
    ws_sync(&h, fd);
    gateway_drain(h.gateway, 2000, drained, &done);
    CHECK_EQ(0x88, ws_hear(&h, fd, text, sizeof text));
    CHECK_EQ(1001, vl_get_u16((const uint8_t *)text));
    close(fd);
    for (int i = 0; i < 1500 && !done; i++) {
        turn(&h.loop);
        usleep(2000);
    }
    CHECK(done);
    house_close(&h);
}
