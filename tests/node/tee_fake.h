/* tee_fake.h - machines that this one is not: a tree of files below a folder of the test, whose parts answer.
 * configfs-tsm: making a folder below `report` fills it with the kernel's files; what is written to `inblob` is counted in `generation`,
 * and `outblob` and `auxblob` are then what the test chose.  Devices: ioctl() on files below the root comes to the test.
 * Linked with --wrap=mkdir,rmdir,ioctl,dlopen. */
#ifndef VL_TESTS_TEE_FAKE_H
#define VL_TESTS_TEE_FAKE_H

#include "base/bytes.h"
#include "os/tee.h"

struct fake {
    char root[64];
    struct tee_config config; /* with that root */
    /* configfs-tsm */
    const char *maker;         /* what the file `provider` says, line end and all */
    struct vl_span out, aux;   /* aux.p NULL: there is no such file */
    unsigned step;             /* how far `generation` moves at each write; the kernel: 1 */
    int mkdir_errno;           /* what making a folder fails with; 0: it does not */
    bool no_generation;        /* the file is missing */
    unsigned asked;            /* reports made */
    uint8_t in[TEE_DATA];      /* the last data asked for */
    /* Devices: returns 0, or -1 with errno; arg is the request's own struct. */
    int (*ioctl)(struct fake *f, unsigned long request, void *arg);
    bool no_libraries;         /* dlopen() finds nothing */
};
/* A fresh root; one at a time. */
void fake_begin(struct fake *f);
void fake_end(struct fake *f);
/* An empty folder, or a file with these bytes, below the root; folders above are made. */
void fake_folder(const struct fake *f, const char *path);
void fake_file(const struct fake *f, const char *path, struct vl_span bytes);
/* Serves a pair of FIFOs in its own thread until fake_end(): after each write to `in` a reader of `out` gets f->out. */
void fake_serve(struct fake *f, const char *in, const char *out);

#endif
