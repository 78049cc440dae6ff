/* curl_load.h - libcurl, loaded when the first request is made instead of at the start of the program.
 * Why: the same program is the daemon, and linking libcurl with what it pulls in (TLS, Kerberos, LDAP, HTTP/2) costs
 * 6.2 MiB of resident memory and 4 ms at start (measured, Debian 12, 7.88.1) for commands that never use it, and for a daemon that speaks to no chain. */
#ifndef VL_OS_CURL_LOAD_H
#define VL_OS_CURL_LOAD_H

#include "base/err.h"

#include <curl/curl.h>

struct curl_api {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *init;
    __typeof__(curl_easy_reset) *reset;
    __typeof__(curl_easy_setopt) *setopt;
    __typeof__(curl_easy_perform) *perform;
    __typeof__(curl_easy_getinfo) *getinfo;
    __typeof__(curl_easy_cleanup) *cleanup;
    __typeof__(curl_easy_strerror) *strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
};

/* Fills *ret; the library stays loaded until the process ends. VL_EUNSUPPORTED: not installed, `msg` says how to. */
VL_MUST_CHECK enum vl_err curl_load(struct curl_api *ret, struct vl_errmsg *msg);

#endif
