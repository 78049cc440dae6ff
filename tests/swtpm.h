/* swtpm.h - a TPM 2.0 made by swtpm for one test program, with an endorsement certificate of a CA made on the spot. */
#ifndef VL_TESTS_SWTPM_H
#define VL_TESTS_SWTPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct swtpm {
    char dir[64];  /* its state and ca/, removed by swtpm_end() */
    char tcti[64]; /* "swtpm:host=127.0.0.1,port=..." */
    uint16_t port; /* and the next one for control */
    pid_t pid;     /* 0: not running */
};
/* false: swtpm or swtpm_setup is not installed, and the test should SKIP(SWTPM_ABSENT).  Aborts when they are there and do
 * not work. */
#define SWTPM_ABSENT "swtpm and swtpm-tools are not installed"
bool swtpm_begin(struct swtpm *s);
void swtpm_end(struct swtpm *s);
/* As a power failure and what follows. */
void swtpm_stop(struct swtpm *s);
void swtpm_start(struct swtpm *s);
/* A file of its CA: "issuercert.pem", "swtpm-localca-rootca-cert.pem"; malloc()ed, NUL behind it. */
char *swtpm_ca(const struct swtpm *s, const char *name);

#endif
