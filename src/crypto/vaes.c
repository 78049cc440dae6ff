#include "crypto/vaes.h"

#ifdef VILLAGE_IPSEC_MB

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 64u /* of struct gcm_key_data, in the library's own build */
#define TAG 16u

struct crypto_vaes {
    struct gcm_key_data data;
};

/* What we take of the library's manager, which is 200 KB of job queues otherwise.  Written once, under `once`. */
static struct {
    aes_gcm_pre_t expand;
    aes_gcm_enc_dec_t seal, open;
} fast;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find(void *lib, const char *name, void *ret_function) {
    void *p = dlsym(lib, name);
    memcpy(ret_function, &p, sizeof p); /* ISO C has no cast for it */
    return p != NULL;
}

/* Loaded, not linked: 12 MB that most commands and machines never touch, and a machine without it runs all the same.
 * The manager's fields are read by offset, so the library must be the version of the header. */
static void look(void) {
    if (!__builtin_cpu_supports("avx512f")) return;
    void *lib = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL); /* stays loaded */
    if (lib == NULL) return;
    struct {
        unsigned (*version)(void);
        IMB_MGR *(*alloc)(uint64_t);
        void (*init)(IMB_MGR *);
        int (*error)(IMB_MGR *);
        void (*release)(IMB_MGR *);
    } mb;
    if (!find(lib, "imb_get_version", &mb.version) || !find(lib, "alloc_mb_mgr", &mb.alloc) ||
        !find(lib, "init_mb_mgr_avx512", &mb.init) || !find(lib, "imb_get_errno", &mb.error) ||
        !find(lib, "free_mb_mgr", &mb.release))
        return;
    IMB_MGR *m = mb.version() == IMB_VERSION_NUM ? mb.alloc(0) : NULL;
    if (m == NULL) return;
    if ((m->features & IMB_CPUFLAGS_AVX512_T2) == IMB_CPUFLAGS_AVX512_T2) {
        mb.init(m);
        if (mb.error(m) == 0) {
            fast.expand = m->gcm256_pre;
            fast.seal = m->gcm256_enc;
            fast.open = m->gcm256_dec;
        }
    }
    mb.release(m);
}

bool crypto_vaes_available(void) { return pthread_once(&once, look) == 0 && fast.expand != NULL; }

struct crypto_vaes *crypto_vaes_new(const uint8_t *key) {
    size_t size = (sizeof(struct crypto_vaes) + ALIGN - 1) / ALIGN * ALIGN;
    struct crypto_vaes *v = aligned_alloc(ALIGN, size);
    if (v != NULL) fast.expand(key, &v->data);
    return v;
}

void crypto_vaes_free(struct crypto_vaes *v) {
    if (v == NULL) return;
    sodium_memzero(v, sizeof *v);
    free(v);
}

void crypto_vaes_seal(const struct crypto_vaes *v, const uint8_t nonce[12], struct vl_span ad, const uint8_t *src,
                      size_t n, uint8_t *dst) {
    struct gcm_context_data work; /* the library leaves it clean of keys (its SAFE_DATA) */
    fast.seal(&v->data, &work, dst, src, n, nonce, ad.p, ad.n, dst + n, TAG);
}

bool crypto_vaes_open(const struct crypto_vaes *v, const uint8_t nonce[12], struct vl_span ad, const uint8_t *src,
                      size_t n, uint8_t *dst) {
    struct gcm_context_data work;
    uint8_t want[TAG], tag[TAG];
    memcpy(want, src + n, TAG);
    fast.open(&v->data, &work, dst, src, n, nonce, ad.p, ad.n, tag, TAG);
    return sodium_memcmp(want, tag, TAG) == 0;
}

#else

bool crypto_vaes_available(void) { return false; }
struct crypto_vaes *crypto_vaes_new(const uint8_t *key) {
    (void)key;
    return NULL;
}
void crypto_vaes_free(struct crypto_vaes *v) { (void)v; }
void crypto_vaes_seal(const struct crypto_vaes *v, const uint8_t nonce[12], struct vl_span ad, const uint8_t *src,
                      size_t n, uint8_t *dst) {
    (void)v, (void)nonce, (void)ad, (void)src, (void)n, (void)dst;
}
bool crypto_vaes_open(const struct crypto_vaes *v, const uint8_t nonce[12], struct vl_span ad, const uint8_t *src,
                      size_t n, uint8_t *dst) {
    (void)v, (void)nonce, (void)ad, (void)src, (void)n, (void)dst;
    return false;
}

#endif
