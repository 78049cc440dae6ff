#include "os/curl_load.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

/* POSIX guarantees that a function pointer fits a void *; ISO C has no cast for it, so the bytes are copied. */
static bool take(void *library, const char *name, void *slot) {
    void *at = dlsym(library, name);
    memcpy(slot, &at, sizeof at);
    return at != NULL;
}

enum vl_err curl_load(struct curl_api *ret, struct vl_errmsg *msg) {
    struct curl_api api = { 0 };
    void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (lib == NULL)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "libcurl is not installed; install it with: apt install libcurl4");
    bool whole = take(lib, "curl_global_init", &api.global_init) && take(lib, "curl_easy_init", &api.init) &&
                 take(lib, "curl_easy_reset", &api.reset) && take(lib, "curl_easy_setopt", &api.setopt) &&
                 take(lib, "curl_easy_perform", &api.perform) && take(lib, "curl_easy_getinfo", &api.getinfo) &&
                 take(lib, "curl_easy_cleanup", &api.cleanup) && take(lib, "curl_easy_strerror", &api.strerror) &&
                 take(lib, "curl_slist_append", &api.slist_append) &&
                 take(lib, "curl_slist_free_all", &api.slist_free_all);
    if (!whole || api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        dlclose(lib);
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "the installed libcurl does not work; install the package libcurl4");
    }
    *ret = api;
    return VL_OK;
}
