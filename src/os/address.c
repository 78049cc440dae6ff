#include "os/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

void os_reachable_address(const char *bound, char dst[VL_ADDR_MAX]) {
    struct ifaddrs *all = NULL;
    char ip[INET6_ADDRSTRLEN] = "127.0.0.1";
    const char *port = strrchr(bound, ':');
    bool any4 = strncmp(bound, "0.0.0.0:", 8) == 0, any6 = strncmp(bound, "[::]:", 5) == 0;
    if (!any4 && !any6) {
        snprintf(dst, VL_ADDR_MAX, "%s", bound);
        return;
    }
    if (getifaddrs(&all) != 0) all = NULL;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            (i->ifa_flags & IFF_LOOPBACK))
            continue;
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr, ip, sizeof ip);
        break;
    }
    if (all) freeifaddrs(all);
    snprintf(dst, VL_ADDR_MAX, "%s%s", ip, port ? port : "");
}
