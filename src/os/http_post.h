/* http_post.h - one kind of request to a server that may be wrong or hostile: POST of JSON over HTTP or HTTPS, by libcurl.
 * Blocking: for threads of a pool, never the loop's; one thread at a time for each.  Certificates are checked, no redirect is followed, no proxy
 * is asked, answers are bounded in size and time.  What is secret in an address (user, path, query) is in no message. */
#ifndef VL_OS_HTTP_POST_H
#define VL_OS_HTTP_POST_H

#include "base/bytes.h"

#include <stdatomic.h>

#define HTTP_POST_URL_MAX 1024u
#define HTTP_POST_NAME_MAX 128u

struct http_post;

/* plain: http:// may go to other machines than this one.  stop: another thread sets it to end a request within about a second; borrowed.
 * VL_EPARSE: no http:// or https:// address; VL_EDENIED: http:// to another machine without `plain`; VL_EUNSUPPORTED: no libcurl; VL_ENOMEM.  End it with http_post_destroy() (NULL is a no-op). */
VL_MUST_CHECK enum vl_err http_post_create(const char *url, bool plain, const atomic_bool *stop, struct http_post **ret, struct vl_errmsg *msg);
void http_post_destroy(struct http_post *h);
/* "https://host:port": what may be shown. */
const char *http_post_name(const struct http_post *h);
/* The body of an answer with status 200 into `answer` (emptied first; its max bounds the answer).  Other statuses with a body count too when
 * `any_status`: JSON-RPC servers tell errors with 4xx.  VL_ETIMEOUT, VL_ECLOSED: stopped; VL_ELIMIT: too long; VL_ECRYPTO: the certificate;
 * VL_EIO: no answer, or another status; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err http_post(struct http_post *h, struct vl_span body, bool any_status, struct vl_buf *answer, struct vl_errmsg *msg);

#endif
