#include "os/tss_load.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

/* POSIX guarantees that a function pointer fits a void *; ISO C has no cast for it, so the bytes are copied. */
static bool take(void *library, const char *name, void *slot) {
    void *at = dlsym(library, name);
    memcpy(slot, &at, sizeof at);
    return at != NULL;
}

enum vl_err tss_load(struct tss *ret, struct vl_errmsg *msg) {
    struct tss t = { .esys = dlopen("libtss2-esys.so.0", RTLD_NOW | RTLD_LOCAL),
                     .mu = dlopen("libtss2-mu.so.0", RTLD_NOW | RTLD_LOCAL),
                     .ldr = dlopen("libtss2-tctildr.so.0", RTLD_NOW | RTLD_LOCAL) };
    bool whole = t.esys && t.mu && t.ldr;
#define TSS_TAKE(library, name) whole = whole && take(t.library, #name, &t.name);
    TSS_FUNCTIONS(TSS_TAKE)
#undef TSS_TAKE
    if (!whole) {
        tss_unload(&t);
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "tpm2-tss is not installed: apt install libtss2-esys-3.0.2-0 libtss2-tctildr0");
    }
    *ret = t;
    return VL_OK;
}

void tss_unload(struct tss *t) {
    if (t->ldr) dlclose(t->ldr);
    if (t->esys) dlclose(t->esys);
    if (t->mu) dlclose(t->mu);
    *t = (struct tss){ 0 };
}
