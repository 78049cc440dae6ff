/* A live gateway over loopback. First byte even: the rest is sent as HTTP; odd: as WebSocket frames after an upgrade,
 * while events are published. Pieces are cut at 0xff 0xff. The gateway must survive and let everything go. */
#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct house house;

static void push(int fd, const uint8_t *p, size_t n) {
    ssize_t k = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)k;
    turn(&house.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const char upgrade[] =
        "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n" AUTH "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    if (n < 1) return 0;
    if (house.gateway == NULL) house_open(&house, NULL);
    int fd = dial(&house);
    struct view_job job = { .name = "n", .kind = "wasm", .priority = "normal" };
    turn(&house.loop);
    if (p[0] & 1) push(fd, (const uint8_t *)upgrade, sizeof upgrade - 1);
    for (size_t at = 1, end; at < n; at = end + 2) {
        end = at;
        while (end < n && !(end + 1 < n && p[end] == 0xff && p[end + 1] == 0xff)) end++;
        push(fd, p + at, end - at);
        gateway_publish_job(house.gateway, &job);
    }
    struct linger hard = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    for (int i = 0; i < 3; i++) turn(&house.loop);
    return 0;
}
