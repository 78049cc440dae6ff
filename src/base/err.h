/* err.h - every error the project returns, its text and what the caller should do about it.
 * One negative enum; VL_OK is 0.  Functions that can fail are VL_MUST_CHECK.
 * Numbers are stable: they are printed, logged and sent on the wire. */
#ifndef VL_BASE_ERR_H
#define VL_BASE_ERR_H

#define VL_MUST_CHECK __attribute__((warn_unused_result))

enum vl_class {
    VL_CLASS_NONE = 0, /* success */
    VL_CLASS_RETRY,    /* transient: try again later */
    VL_CLASS_DROP,     /* drop this peer, job or request; the node is fine */
    VL_CLASS_STOP,     /* the node cannot go on safely */
};

/* X(name, number, class, text) */
#define VL_ERR_TABLE(X)                                                                                                \
    X(VL_OK, 0, VL_CLASS_NONE, "ok")                                                                                   \
    X(VL_ENOMEM, -1, VL_CLASS_RETRY, "out of memory")                                                                  \
    X(VL_ERANGE, -2, VL_CLASS_DROP, "value out of range")                                                              \
    X(VL_ELIMIT, -3, VL_CLASS_RETRY, "a limit is reached")                                                             \
    X(VL_EAGAIN, -4, VL_CLASS_RETRY, "not ready, try again")                                                           \
    X(VL_EPARSE, -5, VL_CLASS_DROP, "malformed input")                                                                 \
    X(VL_EVERSION, -6, VL_CLASS_DROP, "unsupported version")                                                           \
    X(VL_ECRYPTO, -7, VL_CLASS_DROP, "authentication failed")                                                          \
    X(VL_EREPLAY, -8, VL_CLASS_DROP, "replayed")                                                                       \
    X(VL_EEXPIRED, -9, VL_CLASS_DROP, "expired")                                                                       \
    X(VL_ENOTFOUND, -10, VL_CLASS_DROP, "not found")                                                                   \
    X(VL_EEXISTS, -11, VL_CLASS_DROP, "already exists")                                                                \
    X(VL_ESTATE, -12, VL_CLASS_DROP, "not possible in this state")                                                     \
    X(VL_ESTALE, -13, VL_CLASS_DROP, "superseded")                                                                     \
    X(VL_EDENIED, -14, VL_CLASS_DROP, "not permitted")                                                                 \
    X(VL_ECLOSED, -15, VL_CLASS_DROP, "closed")                                                                        \
    X(VL_ETIMEOUT, -16, VL_CLASS_RETRY, "timed out")                                                                   \
    X(VL_EIO, -17, VL_CLASS_RETRY, "input/output error")                                                               \
    X(VL_ENOSPC, -18, VL_CLASS_RETRY, "no space left")                                                                 \
    X(VL_ECORRUPT, -19, VL_CLASS_STOP, "stored data is damaged")                                                       \
    X(VL_EUNSUPPORTED, -20, VL_CLASS_DROP, "not supported on this machine")                                            \
    X(VL_EBUSY, -21, VL_CLASS_RETRY, "in use")                                                                         \
    X(VL_EUSED, -22, VL_CLASS_DROP, "already used")                                                                    \
    X(VL_EINTERNAL, -23, VL_CLASS_STOP, "internal error")                                                              \
    X(VL_EOVERLOAD, -24, VL_CLASS_RETRY, "overloaded, come back later")

enum vl_err {
#define VL_ERR_ENUM(name, number, class, text) name = (number),
    VL_ERR_TABLE(VL_ERR_ENUM)
#undef VL_ERR_ENUM
};

/* Text of `err`; "unknown error" for a number that is not in the table.  Static storage. */
const char *vl_err_text(enum vl_err err);
/* Short stable name such as "ENOSPC"; "EUNKNOWN" when not in the table.  Static storage. */
const char *vl_err_name(enum vl_err err);
enum vl_class vl_err_class(enum vl_err err);

/* For results that change nothing for the caller; says so, where a cast would not be enough for VL_MUST_CHECK. */
static inline void vl_ignore(enum vl_err err) { (void)err; }

/* A message for people: configuration, CLI and REST fill it beside the code. */
struct vl_errmsg {
    char text[256];
};
/* Formats into `m` (NULL is a no-op), cut at its size.  Returns `err`, so that `return vl_errmsg_set(...)` reads well.
 */
enum vl_err vl_errmsg_set(struct vl_errmsg *m, enum vl_err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
