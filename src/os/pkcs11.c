#include "os/pkcs11.h"

#include "crypto/random.h"
#include "crypto/sign.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <string.h>

/* params: u8 version=1 | iv 12 | wrapped 48 | u8 n token | u8 n object */
#define VERSION 1u
#define IV 12u
#define WRAPPED (PKCS11_KEY + 16u)
#define SLOTS_MAX 64u

struct token {
    void *library;
    CK_FUNCTION_LIST_PTR f;
    CK_SESSION_HANDLE session;
    bool ours, open; /* we initialised it; a session is open */
};

/* ---- names -------------------------------------------------------------------------------------------------------- */

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_name(const char *p, size_t n, char dst[PKCS11_NAME_MAX + 1]) {
    size_t m = 0;
    if (dst[0] != '\0') return false; /* twice */
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (c == '%') {
            if (i + 2 >= n || hex(p[i + 1]) < 0 || hex(p[i + 2]) < 0) return false;
            c = (char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
            i += 2;
        }
        if (c == '\0' || m == PKCS11_NAME_MAX) return false;
        dst[m++] = c;
    }
    dst[m] = '\0';
    return m > 0;
}

enum vl_err pkcs11_uri_parse(const char *text, struct pkcs11_uri *ret) {
    struct pkcs11_uri u = { "", "" };
    if (strncmp(text, "pkcs11:", 7) != 0) return VL_EPARSE;
    for (const char *p = text + 7, *end; *p; p = *end ? end + 1 : end) {
        end = p + strcspn(p, ";");
        size_t n = (size_t)(end - p);
        bool good = n > 6 && memcmp(p, "token=", 6) == 0    ? take_name(p + 6, n - 6, u.token)
                    : n > 7 && memcmp(p, "object=", 7) == 0 ? take_name(p + 7, n - 7, u.object)
                                                            : (n == 15 && memcmp(p, "type=secret-key", 15) == 0) ||
                                                                  (n == 12 && memcmp(p, "type=private", 12) == 0);
        if (!good) return VL_EPARSE;
    }
    if (u.token[0] == '\0' || u.object[0] == '\0') return VL_EPARSE;
    *ret = u;
    return VL_OK;
}

struct params {
    struct pkcs11_uri uri;
    const uint8_t *iv, *wrapped;
};

static enum vl_err params_get(struct vl_span in, struct params *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct params p = { .uri = { "", "" } };
    uint8_t version = vl_read_u8(&r);
    p.iv = vl_read_span(&r, IV).p;
    p.wrapped = vl_read_span(&r, WRAPPED).p;
    struct vl_span token = vl_read_span(&r, vl_read_u8(&r)), object = vl_read_span(&r, vl_read_u8(&r));
    if (vl_reader_end(&r) || version != VERSION || token.n == 0 || token.n > PKCS11_NAME_MAX || object.n == 0 ||
        object.n > PKCS11_NAME_MAX || memchr(token.p, 0, token.n) || memchr(object.p, 0, object.n))
        return VL_EPARSE;
    memcpy(p.uri.token, token.p, token.n);
    memcpy(p.uri.object, object.p, object.n);
    *ret = p;
    return VL_OK;
}

enum vl_err pkcs11_params_uri(struct vl_span params, struct pkcs11_uri *ret) {
    struct params p;
    enum vl_err err = params_get(params, &p);
    if (err == VL_OK) *ret = p.uri;
    return err;
}

/* ---- the token ---------------------------------------------------------------------------------------------------- */

static enum vl_err fault(CK_RV rv, const char *doing, struct vl_errmsg *msg) {
    switch (rv) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
        return vl_errmsg_set(msg, VL_EDENIED, "the token refuses this PIN");
    case CKR_PIN_LOCKED:
        return vl_errmsg_set(msg, VL_ELIMIT, "the token's PIN is locked after too many wrong ones: its security officer can unlock it");
    case CKR_MECHANISM_INVALID:
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "the token does not know the algorithm for %s", doing);
    case CKR_HOST_MEMORY:
    case CKR_DEVICE_MEMORY:
        return vl_errmsg_set(msg, VL_ENOMEM, "the token is out of memory");
    default:
        return vl_errmsg_set(msg, VL_EIO, "the token failed when %s (0x%lx)", doing, (unsigned long)rv);
    }
}

static void token_close(struct token *t) {
    if (t->open) t->f->C_CloseSession(t->session); /* the last one logs out, too */
    if (t->ours) t->f->C_Finalize(NULL);
    if (t->library) dlclose(t->library);
    *t = (struct token){ 0 };
}

static enum vl_err module_open(struct token *t, const char *module, struct vl_errmsg *msg) {
    CK_C_GetFunctionList list;
    if (module == NULL)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "the key is in a token: say with --pkcs11 which module speaks to it");
    t->library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    void *at = t->library ? dlsym(t->library, "C_GetFunctionList") : NULL;
    memcpy(&list, &at, sizeof list); /* POSIX has function pointers fit there; ISO C has no cast for it */
    if (at == NULL || list(&t->f) != CKR_OK)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s is no PKCS#11 module that can be loaded", module);
    CK_RV rv = t->f->C_Initialize(NULL);
    t->ours = rv == CKR_OK;
    return rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? VL_OK : fault(rv, "starting", msg);
}

/* Labels are padded with blanks, without an end. */
static bool label_is(const unsigned char label[32], const char *name) {
    size_t n = strlen(name);
    if (memcmp(label, name, n) != 0) return false;
    for (size_t i = n; i < 32; i++)
        if (label[i] != ' ') return false;
    return true;
}

static enum vl_err token_open(struct token *t, const char *module, const char *name, struct vl_span pin, struct vl_errmsg *msg) {
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    CK_TOKEN_INFO info;
    enum vl_err err = module_open(t, module, msg);
    if (err) return err;
    CK_RV rv = t->f->C_GetSlotList(CK_TRUE, slots, &n);
    if (rv != CKR_OK) return fault(rv, "listing slots", msg);
    for (CK_ULONG i = 0; i < n && !t->open; i++) {
        if (t->f->C_GetTokenInfo(slots[i], &info) != CKR_OK || !label_is(info.label, name)) continue;
        rv = t->f->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &t->session);
        if (rv != CKR_OK) return fault(rv, "opening a session", msg);
        t->open = true;
    }
    if (!t->open) return vl_errmsg_set(msg, VL_ENOTFOUND, "there is no token called '%s': is it plugged in?", name);
    if (pin.n == 0) return VL_OK; /* a token with a pad of its own, or without PIN */
    rv = t->f->C_Login(t->session, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)pin.p, pin.n);
    return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? VL_OK : fault(rv, "logging in", msg);
}

/* The one key of that class, type and name; `what` in messages. */
static enum vl_err object_find(struct token *t, const char *name, CK_OBJECT_CLASS class, CK_KEY_TYPE type, const char *what,
                               CK_OBJECT_HANDLE *ret, struct vl_errmsg *msg) {
    CK_ATTRIBUTE want[] = { { CKA_CLASS, &class, sizeof class },
                            { CKA_KEY_TYPE, &type, sizeof type },
                            { CKA_LABEL, (void *)(uintptr_t)name, strlen(name) } };
    CK_OBJECT_HANDLE found[2];
    CK_ULONG n = 0;
    CK_RV rv = t->f->C_FindObjectsInit(t->session, want, 3);
    if (rv == CKR_OK) {
        rv = t->f->C_FindObjects(t->session, found, 2, &n);
        t->f->C_FindObjectsFinal(t->session);
    }
    if (rv != CKR_OK) return fault(rv, "looking for the key", msg);
    if (n == 0) return vl_errmsg_set(msg, VL_ENOTFOUND, "the token has no %s key called '%s' that this PIN shows", what, name);
    if (n > 1) return vl_errmsg_set(msg, VL_EEXISTS, "the token has several %s keys called '%s'", what, name);
    *ret = found[0];
    return VL_OK;
}

static enum vl_err object_make(struct token *t, const char *name, CK_OBJECT_HANDLE *ret, struct vl_errmsg *msg) {
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG length = 32;
    CK_MECHANISM make = { CKM_AES_KEY_GEN, NULL, 0 };
    CK_ATTRIBUTE as[] = { { CKA_LABEL, (void *)(uintptr_t)name, strlen(name) },
                          { CKA_VALUE_LEN, &length, sizeof length },
                          { CKA_TOKEN, &yes, sizeof yes },
                          { CKA_PRIVATE, &yes, sizeof yes },
                          { CKA_SENSITIVE, &yes, sizeof yes },
                          { CKA_EXTRACTABLE, &no, sizeof no },
                          { CKA_ENCRYPT, &yes, sizeof yes },
                          { CKA_DECRYPT, &yes, sizeof yes } };
    CK_RV rv = t->f->C_GenerateKey(t->session, &make, as, sizeof as / sizeof as[0], ret);
    return rv == CKR_OK ? VL_OK : fault(rv, "making a key", msg);
}

static CK_MECHANISM gcm(CK_GCM_PARAMS *p, uint8_t iv[IV]) {
    static const char about[] = "village-token-key-1";
    *p = (CK_GCM_PARAMS){ .pIv = iv, .ulIvLen = IV, .ulIvBits = IV * 8, .pAAD = (CK_BYTE_PTR)(uintptr_t)about, .ulAADLen = sizeof about - 1,
                          .ulTagBits = 128 };
    return (CK_MECHANISM){ CKM_AES_GCM, p, sizeof *p };
}

enum vl_err pkcs11_wrap(const char *module, const struct pkcs11_uri *uri, struct vl_span pin, bool create, const uint8_t key[PKCS11_KEY],
                        struct vl_buf *params, struct vl_errmsg *msg) {
    struct token t = { 0 };
    CK_OBJECT_HANDLE object = 0;
    CK_GCM_PARAMS p;
    uint8_t iv[IV], wrapped[WRAPPED], out[PKCS11_PARAMS_MAX];
    CK_ULONG n = sizeof wrapped;
    crypto_random(iv, sizeof iv);
    CK_MECHANISM mechanism = gcm(&p, iv);
    enum vl_err err = token_open(&t, module, uri->token, pin, msg);
    if (err == VL_OK) err = object_find(&t, uri->object, CKO_SECRET_KEY, CKK_AES, "AES", &object, msg);
    if (err == VL_ENOTFOUND && t.open && create) err = object_make(&t, uri->object, &object, msg);
    if (err == VL_OK) {
        CK_RV rv = t.f->C_EncryptInit(t.session, &mechanism, object);
        if (rv == CKR_OK) rv = t.f->C_Encrypt(t.session, (CK_BYTE_PTR)(uintptr_t)key, PKCS11_KEY, wrapped, &n);
        if (rv != CKR_OK || n != WRAPPED) err = fault(rv, "encrypting", msg);
    }
    token_close(&t);
    if (err) return err;
    struct vl_writer w = vl_writer(out, sizeof out);
    vl_write_u8(&w, VERSION);
    vl_write_bytes(&w, iv, IV);
    vl_write_bytes(&w, wrapped, WRAPPED);
    vl_write_u8(&w, (uint8_t)strlen(uri->token));
    vl_write_bytes(&w, uri->token, strlen(uri->token));
    vl_write_u8(&w, (uint8_t)strlen(uri->object));
    vl_write_bytes(&w, uri->object, strlen(uri->object));
    return vl_buf_append(params, out, w.len);
}

enum vl_err pkcs11_unwrap(const char *module, struct vl_span params, struct vl_span pin, uint8_t ret_key[PKCS11_KEY], struct vl_errmsg *msg) {
    struct token t = { 0 };
    struct params in;
    CK_OBJECT_HANDLE object = 0;
    CK_GCM_PARAMS p;
    uint8_t iv[IV], wrapped[WRAPPED], key[WRAPPED];
    CK_ULONG n = sizeof key;
    enum vl_err err = params_get(params, &in);
    if (err) return vl_errmsg_set(msg, err, "what the file says of its token cannot be read");
    memcpy(iv, in.iv, IV);
    memcpy(wrapped, in.wrapped, WRAPPED);
    CK_MECHANISM mechanism = gcm(&p, iv);
    err = token_open(&t, module, in.uri.token, pin, msg);
    if (err == VL_OK) err = object_find(&t, in.uri.object, CKO_SECRET_KEY, CKK_AES, "AES", &object, msg);
    if (err == VL_OK) {
        CK_RV rv = t.f->C_DecryptInit(t.session, &mechanism, object);
        if (rv != CKR_OK)
            err = fault(rv, "decrypting", msg);
        else if (t.f->C_Decrypt(t.session, wrapped, WRAPPED, key, &n) != CKR_OK || n != PKCS11_KEY) /* modules name this in many ways */
            err = vl_errmsg_set(msg, VL_ECRYPTO, "the key '%s' in the token is not the one that this file was sealed with", in.uri.object);
    }
    token_close(&t);
    if (err == VL_OK) memcpy(ret_key, key, PKCS11_KEY);
    crypto_wipe(key, sizeof key);
    return err;
}

/* ---- signing ---- */

static enum vl_err pair_find(struct token *t, const char *name, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *ret, struct vl_errmsg *msg) {
    return object_find(t, name, class, CKK_EC_EDWARDS, "Ed25519", ret, msg);
}

static enum vl_err pair_make(struct token *t, const char *name, struct vl_errmsg *msg) {
    static const uint8_t curve[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' }; /* PrintableString */
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_MECHANISM make = { CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL, 0 };
    CK_OBJECT_HANDLE pair[2];
    CK_ATTRIBUTE label = { CKA_LABEL, (void *)(uintptr_t)name, strlen(name) };
    CK_ATTRIBUTE public[] = { label, { CKA_EC_PARAMS, (void *)(uintptr_t)curve, sizeof curve }, { CKA_TOKEN, &yes, sizeof yes },
                              { CKA_VERIFY, &yes, sizeof yes } };
    CK_ATTRIBUTE private[] = { label, { CKA_TOKEN, &yes, sizeof yes }, { CKA_PRIVATE, &yes, sizeof yes }, { CKA_SENSITIVE, &yes, sizeof yes },
                               { CKA_EXTRACTABLE, &no, sizeof no }, { CKA_SIGN, &yes, sizeof yes } };
    CK_RV rv = t->f->C_GenerateKeyPair(t->session, &make, public, sizeof public / sizeof *public, private, sizeof private / sizeof *private,
                                       &pair[0], &pair[1]);
    return rv == CKR_OK ? VL_OK : fault(rv, "making an Ed25519 key", msg);
}

/* CKA_EC_POINT: an OCTET STRING around the 32 bytes, or in some modules the bytes alone. */
static enum vl_err pair_public(struct token *t, CK_OBJECT_HANDLE public, uint8_t ret[32], struct vl_errmsg *msg) {
    uint8_t point[64];
    CK_ATTRIBUTE want = { CKA_EC_POINT, point, sizeof point };
    CK_RV rv = t->f->C_GetAttributeValue(t->session, public, &want, 1);
    if (rv != CKR_OK) return fault(rv, "reading the public key", msg);
    bool wrapped = want.ulValueLen == 34 && point[0] == 4 && point[1] == 32;
    if (!wrapped && want.ulValueLen != 32) return vl_errmsg_set(msg, VL_EUNSUPPORTED, "the token writes public keys in a form that is not known");
    memcpy(ret, point + (wrapped ? 2 : 0), 32);
    return VL_OK;
}

enum vl_err pkcs11_sign(const char *module, const struct pkcs11_uri *uri, struct vl_span pin, bool make, struct vl_span message,
                        uint8_t ret_public[32], uint8_t ret_signature[64], struct vl_errmsg *msg) {
    struct token t = { 0 };
    CK_OBJECT_HANDLE private = 0, public = 0;
    CK_MECHANISM mechanism = { CKM_EDDSA, NULL, 0 };
    uint8_t signature[128], key[32];
    CK_ULONG n = sizeof signature;
    if (message.n > 4096) return vl_errmsg_set(msg, VL_ELIMIT, "a token signs at most 4096 bytes at once");
    enum vl_err err = token_open(&t, module, uri->token, pin, msg);
    if (err == VL_OK) err = pair_find(&t, uri->object, CKO_PRIVATE_KEY, &private, msg);
    if (err == VL_ENOTFOUND && t.open && make) {
        err = pair_make(&t, uri->object, msg);
        if (err == VL_OK) err = pair_find(&t, uri->object, CKO_PRIVATE_KEY, &private, msg);
    }
    if (err == VL_OK) err = pair_find(&t, uri->object, CKO_PUBLIC_KEY, &public, msg);
    if (err == VL_OK) err = pair_public(&t, public, key, msg);
    if (err == VL_OK) {
        CK_RV rv = t.f->C_SignInit(t.session, &mechanism, private);
        if (rv == CKR_OK) rv = t.f->C_Sign(t.session, (CK_BYTE_PTR)(uintptr_t)message.p, message.n, signature, &n);
        if (rv != CKR_OK || n != 64) err = fault(rv, "signing", msg);
    }
    token_close(&t);
    if (err) return err;
    if (crypto_verify_message(key, "", message, signature)) /* a name may stand for two keys that do not belong together */
        return vl_errmsg_set(msg, VL_ECRYPTO, "the token's public key '%s' is not that of its private key", uri->object);
    memcpy(ret_public, key, 32);
    memcpy(ret_signature, signature, 64);
    return VL_OK;
}
