/* In which failure domains this node is: what its owner says, and what the machine shows. */
#include "node/priv.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define DIGEST_BYTES 6u

/* Short and the same for all nodes of one machine, but nothing that leads back to its id (machine-id(5) asks for that). */
static void digest(char label[LABEL_MAX], struct vl_span text) {
    uint8_t h[DIGEST_BYTES];
    crypto_blake2b_keyed(text, (struct vl_span){ 0 }, "village-label\0\0\0", h, sizeof h);
    vl_hex_encode(h, sizeof h, label);
}

static struct vl_span trimmed(const struct vl_buf *b) {
    size_t n = b->len;
    while (n > 0 && (b->p[n - 1] == '\n' || b->p[n - 1] == ' ')) n--;
    return vl_span(b->p, n);
}

static void host_label(char label[LABEL_MAX]) {
    struct vl_buf b;
    vl_buf_init(&b, 256);
    /* Without an id, as in bare containers: that of the kernel's start, which nodes of one machine share as well. */
    if (os_file_read("/etc/machine-id", &b) != VL_OK || trimmed(&b).n == 0) {
        vl_buf_clear(&b);
        vl_ignore(os_file_read("/proc/sys/kernel/random/boot_id", &b));
    }
    if (trimmed(&b).n > 0) digest(label, trimmed(&b));
    vl_buf_free(&b);
}

static void platform_label(char label[LABEL_MAX]) {
    struct utsname u;
    char text[256];
    if (uname(&u) != 0) return;
    int n = snprintf(text, sizeof text, "%s %s %s %s", u.sysname, u.release, u.machine, VILLAGE_VERSION);
    if (n > 0 && (size_t)n < sizeof text) digest(label, vl_span(text, (size_t)n));
}

static void vendor_label(char label[LABEL_MAX]) {
    struct vl_buf b;
    vl_buf_init(&b, 256);
    if (os_file_read("/sys/class/dmi/id/sys_vendor", &b) == VL_OK) {
        struct vl_span s = trimmed(&b);
        for (size_t i = 0; i < s.n && i < LABEL_MAX - 1; i++)
            label[i] = s.p[i] > 0x20 && s.p[i] < 0x7f ? (char)s.p[i] : '-';
    }
    vl_buf_free(&b);
}

static enum vl_err take(struct node *n, const char *text, struct vl_errmsg *msg) {
    const char *eq = strchr(text, '=');
    char kind[LABEL_MAX];
    enum domain d;
    if (eq == NULL || eq == text || (size_t)(eq - text) >= sizeof kind)
        return vl_errmsg_set(msg, VL_ERANGE, "--label '%s' is not KIND=NAME, such as site=attic", text);
    memcpy(kind, text, (size_t)(eq - text));
    kind[eq - text] = '\0';
    if (!domain_parse(kind, &d))
        return vl_errmsg_set(msg, VL_ERANGE,
                             "--label: no kind '%s'; there are site, owner, power, isp, vendor, infra, region", kind);
    size_t len = strlen(eq + 1);
    bool ok = len > 0 && len < LABEL_MAX;
    for (size_t i = 0; ok && i < len; i++) ok = eq[1 + i] > 0x20 && eq[1 + i] < 0x7f;
    if (!ok)
        return vl_errmsg_set(msg, VL_ERANGE, "--label %s: 1 to %u ASCII characters without spaces", kind, LABEL_MAX - 1);
    if (d == DOMAIN_INFRA && strcmp(eq + 1, "cloud") != 0 && strcmp(eq + 1, "edge") != 0 &&
        strcmp(eq + 1, "datacentre") != 0 && strcmp(eq + 1, "hybrid") != 0)
        return vl_errmsg_set(msg, VL_ERANGE, "--label infra: cloud, edge, datacentre or hybrid");
    memset(n->brain_cfg.caps.domain[d], 0, LABEL_MAX);
    memcpy(n->brain_cfg.caps.domain[d], eq + 1, len);
    return VL_OK;
}

enum vl_err node_labels_take(struct node *n, struct vl_errmsg *msg) {
    char(*domain)[LABEL_MAX] = n->brain_cfg.caps.domain;
    host_label(domain[DOMAIN_HOST]);
    platform_label(domain[DOMAIN_PLATFORM]);
    vendor_label(domain[DOMAIN_VENDOR]);
    for (unsigned i = 0; i < n->cfg.n_labels; i++) {
        enum vl_err err = take(n, n->cfg.labels[i], msg);
        if (err) return err;
    }
    return VL_OK;
}
