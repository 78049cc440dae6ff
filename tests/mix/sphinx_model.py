#!/usr/bin/env python3
"""A second implementation of docs/spec/sphinx.md, for test vectors: `python3 sphinx_model.py > sphinx_vectors.h`.

Standard library only; every primitive but BLAKE2b is written here, straight from its document and slow on purpose. It shares no
code with src/. `sphinx_model.py --check DIR` compares HCTR2 and X25519 with published vectors (hctr2/hctr2_HCTR2_AES256.json of google/hctr2 and
x25519/wycheproof_x25519_test.json of C2SP/wycheproof in DIR), and the rest with the examples of the RFCs.
"""
import hashlib
import json
import os
import struct
import sys

# ---- X25519, RFC 7748 section 5 ----
P = 2**255 - 19


def x25519(scalar, point):
    k = int.from_bytes(scalar, "little")
    k = k & ~7 & (2**255 - 1) | 2**254
    x1 = (int.from_bytes(point, "little") & (2**255 - 1)) % P
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = pow(da + cb, 2, P), x1 * pow(da - cb, 2, P) % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public_of(secret):
    return x25519(secret, (9).to_bytes(32, "little"))


# ---- ChaCha20 and Poly1305, RFC 8439 ----
def chacha20_block(key, counter, nonce):
    def rot(v, n):
        return (v << n | v >> 32 - n) & 0xFFFFFFFF

    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    x = start[:]
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            for r1, r2 in ((16, 12), (8, 7)):
                x[a] = x[a] + x[b] & 0xFFFFFFFF
                x[d] = rot(x[d] ^ x[a], r1)
                x[c] = x[c] + x[d] & 0xFFFFFFFF
                x[b] = rot(x[b] ^ x[c], r2)
    return struct.pack("<16I", *(u + v & 0xFFFFFFFF for u, v in zip(x, start)))


def chacha20(key, n, nonce=bytes(12)):
    return b"".join(chacha20_block(key, i, nonce) for i in range((n + 63) // 64))[:n]


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for i in range(0, len(message), 16):
        acc = (acc + int.from_bytes(message[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return (acc + int.from_bytes(key[16:], "little") & 2**128 - 1).to_bytes(16, "little")


# ---- AES-256, FIPS 197 ----
def xtime(a):
    return (a << 1 ^ 0x11B if a & 0x80 else a << 1) & 0xFF


def gf_mul(a, b):
    out = 0
    while b:
        if b & 1:
            out ^= a
        a, b = xtime(a), b >> 1
    return out


def make_sbox():
    box = []
    for v in range(256):
        inverse = next((w for w in range(256) if gf_mul(v, w) == 1), 0)
        out = 0
        for i in range(8):
            bit = 0
            for j in (0, 4, 5, 6, 7):
                bit ^= inverse >> (i + j) % 8 & 1
            out |= (bit ^ 0x63 >> i & 1) << i
        box.append(out)
    return box


SBOX = make_sbox()
UNBOX = [SBOX.index(v) for v in range(256)]
MUL = {m: [gf_mul(v, m) for v in range(256)] for m in (2, 3, 9, 11, 13, 14)}


class Aes256:
    def __init__(self, key):
        w = [list(key[i:i + 4]) for i in range(0, 32, 4)]
        rcon = 1
        for i in range(8, 60):
            t = w[i - 1]
            if i % 8 == 0:
                t = [SBOX[b] for b in t[1:] + t[:1]]
                t[0] ^= rcon
                rcon = xtime(rcon)
            elif i % 8 == 4:
                t = [SBOX[b] for b in t]
            w.append([a ^ b for a, b in zip(w[i - 8], t)])
        self.rounds = [sum(w[i:i + 4], []) for i in range(0, 60, 4)]

    def encrypt(self, block):
        s = [a ^ b for a, b in zip(block, self.rounds[0])]
        m2, m3 = MUL[2], MUL[3]
        for n in range(1, 15):
            s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]
            if n < 14:
                out = []
                for c in range(0, 16, 4):
                    a, b, d, e = s[c:c + 4]
                    out += [m2[a] ^ m3[b] ^ d ^ e, a ^ m2[b] ^ m3[d] ^ e, a ^ b ^ m2[d] ^ m3[e], m3[a] ^ b ^ d ^ m2[e]]
                s = out
            s = [a ^ b for a, b in zip(s, self.rounds[n])]
        return bytes(s)

    def decrypt(self, block):
        s = [a ^ b for a, b in zip(block, self.rounds[14])]
        m9, m11, m13, m14 = MUL[9], MUL[11], MUL[13], MUL[14]
        for n in range(13, -1, -1):
            s = [UNBOX[s[(i - 4 * (i % 4)) % 16]] for i in range(16)]
            s = [a ^ b for a, b in zip(s, self.rounds[n])]
            if n > 0:
                out = []
                for c in range(0, 16, 4):
                    a, b, d, e = s[c:c + 4]
                    out += [m14[a] ^ m11[b] ^ m13[d] ^ m9[e], m9[a] ^ m14[b] ^ m11[d] ^ m13[e],
                            m13[a] ^ m9[b] ^ m14[d] ^ m11[e], m11[a] ^ m13[b] ^ m9[d] ^ m14[e]]
                s = out
        return bytes(s)


# ---- HCTR2, eprint 2021/1441 ----
def xor(a, b):
    return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")


def polyval_dot(a, b):
    """a * b * x^-128 in GF(2^128) of RFC 8452: x^128 + x^127 + x^126 + x^121 + 1, bit i of the number is x^i."""
    product = 0
    while b:
        low = b & -b
        product ^= a * low
        b ^= low
    for _ in range(128):  # divide by x, adding the polynomial where that needs it
        if product & 1:
            product ^= 1 << 128 | 1 << 127 | 1 << 126 | 1 << 121 | 1
        product >>= 1
    return product


def polyval(h, message):
    acc, h = 0, int.from_bytes(h, "little")
    for i in range(0, len(message), 16):
        acc = polyval_dot(acc ^ int.from_bytes(message[i:i + 16], "little"), h)
    return acc.to_bytes(16, "little")


def pad16(b):
    return b + bytes(-len(b) % 16)


class Hctr2:
    def __init__(self, key):
        self.aes = Aes256(key)
        self.h = self.aes.encrypt((0).to_bytes(16, "little"))
        self.l = self.aes.encrypt((1).to_bytes(16, "little"))

    def hash(self, tweak, rest):
        whole = len(rest) % 16 == 0
        head = (2 * 8 * len(tweak) + (2 if whole else 3)).to_bytes(16, "little")
        return polyval(self.h, head + pad16(tweak) + (rest if whole else pad16(rest + b"\1")))

    def xctr(self, s, data):
        stream = b"".join(self.aes.encrypt(xor(s, i.to_bytes(16, "little"))) for i in range(1, (len(data) + 15) // 16 + 1))
        return xor(data, stream[:len(data)])

    def encrypt(self, message, tweak=b""):
        mm = xor(message[:16], self.hash(tweak, message[16:]))
        uu = self.aes.encrypt(mm)
        rest = self.xctr(xor(xor(mm, uu), self.l), message[16:])
        return xor(uu, self.hash(tweak, rest)) + rest

    def decrypt(self, message, tweak=b""):
        uu = xor(message[:16], self.hash(tweak, message[16:]))
        mm = self.aes.decrypt(uu)
        rest = self.xctr(xor(xor(mm, uu), self.l), message[16:])
        return xor(mm, self.hash(tweak, rest)) + rest


# ---- BN-Sphinx v1 ----
HOPS, SLOT, BETA = 7, 56, 392
VERSION, SUITE = 1, 1
FORWARD, DELIVER, REPLY, DROP = 1, 2, 3, 4


class Drbg:
    """src/crypto/drbg.h: ChaCha20 with fast key erasure, 512 bytes at a time, 32 of them the next key."""

    def __init__(self, seed):
        self.key, self.left = seed, b""

    def take(self, n):
        while len(self.left) < n:
            block = chacha20(self.key, 512)
            self.key, self.left = block[:32], self.left + block[32:]
        out, self.left = self.left[:n], self.left[n:]
        return out


class Keys:
    """What a sender and a node derive from a shared secret."""

    def __init__(self, ss, e, public):
        assert ss != bytes(32)
        prk = hashlib.blake2b(ss + e + public + bytes([VERSION, SUITE]), digest_size=32, person=b"bn-sphinx-v1-kem").digest()
        self.okm = chacha20(prk, 192)
        self.mac, self.header, self.payload, self.tag, self.delay = (self.okm[a:b] for a, b in ((0, 32), (32, 64), (64, 96), (96, 112), (112, 128)))
        self.stream = chacha20(self.header, BETA + SLOT)


def ad(key_id):
    return bytes([VERSION, SUITE, key_id]) + bytes(5)


def end_slot(end, delay):
    if end["command"] == DELIVER:
        slot = struct.pack("<BBHI", DELIVER, end["flags"], delay, end["service"]) + end["recipient"] + bytes(16)
    elif end["command"] == REPLY:
        slot = struct.pack("<BBHI", REPLY, end["flags"], delay, 0) + end["recipient"] + end["surb_id"]
    else:
        slot = struct.pack("<BBH", DROP, end["flags"], delay) + bytes(52)
    assert len(slot) == SLOT
    return slot


def build(hops, end, rng):
    """hops: dicts with node, key_id, public, delay. -> header, list of Keys"""
    n = len(hops)
    secrets = [rng.take(32) for _ in range(n)]
    padding = rng.take(SLOT * (HOPS - n))
    es = [public_of(s) for s in secrets]
    keys = [Keys(x25519(s, h["public"]), e, h["public"]) for s, e, h in zip(secrets, es, hops)]
    phi = b""
    for i in range(n - 1):
        phi = xor(phi + bytes(SLOT), keys[i].stream[BETA - SLOT * i:])
    gamma, plain = b"", end_slot(end, hops[-1]["delay"]) + padding
    beta = xor(plain, keys[-1].stream[:len(plain)]) + phi
    for i in range(n - 1, -1, -1):
        if i < n - 1:
            slot = struct.pack("<BBHI", FORWARD, hops[i + 1]["key_id"], hops[i]["delay"], hops[i + 1]["node"]) + gamma + es[i + 1]
            beta = xor(slot + beta[:BETA - SLOT], keys[i].stream[:BETA])
        assert len(beta) == BETA
        gamma = poly1305(keys[i].mac, ad(hops[i]["key_id"]) + es[i] + beta)
    return ad(hops[0]["key_id"]) + es[0] + gamma + beta, keys


def frame(kind, data):
    return (struct.pack("<HB", len(data), kind) + data).ljust(1584, b"\0")


def seal(header, keys, body):
    delta = bytes(16) + body
    for k in reversed(keys):
        delta = Hctr2(k.payload).encrypt(delta)
    return header + delta


def unwrap(packet, secret, public):
    """-> Keys, slot, packet behind the node (None at the end), delta"""
    head, e, gamma, beta, delta = packet[:8], packet[8:40], packet[40:56], packet[56:448], packet[448:]
    keys = Keys(x25519(secret, e), e, public)
    assert poly1305(keys.mac, head + e + beta) == gamma
    p = xor(beta + bytes(SLOT), keys.stream)
    slot, delta = p[:SLOT], Hctr2(keys.payload).decrypt(delta)
    if slot[0] != FORWARD:
        return keys, slot, None, delta
    return keys, slot, ad(slot[1]) + slot[24:56] + slot[8:24] + p[SLOT:] + delta, delta


def surb_build(hops, end, expiry, rng):
    header, keys = build(hops, end, rng)
    key = rng.take(32)
    return header + struct.pack("<I", hops[0]["node"]) + key + struct.pack("<I", expiry), keys, key


def surb_use(surb, body):
    return surb[:448] + Hctr2(surb[452:484]).encrypt(bytes(16) + body)


def surb_open(keys, key, delta):
    for k in reversed(keys):
        delta = Hctr2(k.payload).encrypt(delta)
    delta = Hctr2(key).decrypt(delta)
    assert delta[:16] == bytes(16)
    return delta[16:]


# ---- vectors ----
def seed(text):
    return hashlib.blake2b(text.encode(), digest_size=32).digest()


def show(name, rows, width):
    print("static const uint8_t %s[%d][%d] = {" % (name, len(rows), width))
    for row in rows:
        assert len(row) == width
        body = "".join(("\n     " if i % 32 == 0 and len(row) > 32 else " ") + "0x%02x," % b for i, b in enumerate(row))
        print("    {" + body + " },")
    print("};")


def digest(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def hop(i):
    secret = seed("mix key %d" % i)
    return {"node": 1000 + 77777 * i, "key_id": 10 + i, "secret": secret, "public": public_of(secret), "delay": (20, 50, 200)[i % 3]}


def walk(packet, hops):
    """Digests of the packet at each node's door, all okm, what is left at the end."""
    doors, okms = [], []
    for i, h in enumerate(hops):
        assert len(packet) == 2048
        doors.append(packet)
        keys, slot, onward, delta = unwrap(packet, h["secret"], h["public"])
        okms.append(keys.okm)
        assert (onward is None) == (i == len(hops) - 1)
        if onward is not None:
            assert struct.unpack_from("<BBHI", slot) == (FORWARD, hops[i + 1]["key_id"], h["delay"], hops[i + 1]["node"])
        packet = onward
    return doors, okms, delta


def main():
    hops = [hop(i) for i in range(HOPS)]
    deliver = {"command": DELIVER, "flags": 3, "service": 0x01020304, "recipient": seed("recipient")}
    reply = {"command": REPLY, "flags": 5, "recipient": seed("mailbox"), "surb_id": seed("reply id")[:16]}
    drop = {"command": DROP, "flags": 0}
    rng = Drbg(seed("vectors forward"))
    body = frame(9, bytes(i * 7 & 255 for i in range(1000)))
    doors, okms, full = [], [], None
    for n in range(1, HOPS + 1):
        header, keys = build(hops[:n], deliver, rng)
        d, o, delta = walk(seal(header, keys, body), hops[:n])
        assert delta == bytes(16) + body
        full = d if n == 3 else full
        doors, okms = doors + [digest(x) for x in d], okms + o
    rng = Drbg(seed("vectors reply"))
    surbs, replies, deltas = [], [], []
    for n in range(1, HOPS + 1):
        surb, keys, key = surb_build(hops[:n], reply, 4000 + n, rng)
        d, _, delta = walk(surb_use(surb, body), hops[:n])
        assert surb_open(keys, key, delta) == body
        surbs.append(surb)
        replies += [digest(x) for x in d]
        deltas.append(digest(delta))
    rng = Drbg(seed("vectors drop"))
    header, keys = build(hops[:2], drop, rng)
    drops, _, _ = walk(seal(header, keys, frame(0, b"")), hops[:2])

    print("/* sphinx_vectors.h - made by sphinx_model.py from fixed seeds; do not edit.  Paths of 1 to 7 nodes, all beginning with")
    print(" * node 0; rows of all paths one after the other, so 28.  Digests are BLAKE2b-256. */")
    print("#ifndef VL_TESTS_MIX_SPHINX_VECTORS_H\n#define VL_TESTS_MIX_SPHINX_VECTORS_H\n\n#include <stdint.h>\n\n/* clang-format off */")
    print("static const uint32_t vector_node[7] = { %s };" % ", ".join(str(h["node"]) for h in hops))
    print("static const uint8_t vector_key_id[7] = { %s };" % ", ".join(str(h["key_id"]) for h in hops))
    print("static const uint16_t vector_delay[7] = { %s };" % ", ".join(str(h["delay"]) for h in hops))
    show("vector_secret", [h["secret"] for h in hops], 32)
    show("vector_public", [h["public"] for h in hops], 32)
    show("vector_seed", [seed("vectors " + k) for k in ("forward", "reply", "drop")], 32)
    show("vector_recipient", [deliver["recipient"], reply["recipient"]], 32)
    show("vector_surb_id", [reply["surb_id"]], 16)
    show("vector_okm", okms, 192)
    show("vector_forward_digest", doors, 32)
    show("vector_forward_three", full, 2048)
    show("vector_surb", surbs, 488)
    show("vector_reply_digest", replies, 32)
    show("vector_reply_delta_digest", deltas, 32)
    show("vector_drop_digest", [digest(d) for d in drops], 32)
    print("/* clang-format on */\n\n#endif")


def check(folder):
    h = bytes.fromhex
    nine = (9).to_bytes(32, "little")
    assert x25519(nine, nine) == h("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")  # RFC 7748 5.2
    assert chacha20(bytes(32), 64)[:16] == h("76b8e0ada0f13d90405d6ae55386bd28")  # RFC 8439 A.1
    assert chacha20_block(bytes(range(32)), 1, h("000000090000004a00000000"))[:8] == h("10f1e7e4d13b5915")  # 2.3.2
    assert poly1305(h("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"), b"Cryptographic Forum Research Group") == \
        h("a8061dc1305136c6c22b8baf0c0127a9")  # 2.5.2
    assert Aes256(bytes(range(32))).encrypt(h("00112233445566778899aabbccddeeff")) == h("8ea2b7ca516745bfeafc49904b496089")  # FIPS 197 C.3
    with open(os.path.join(folder, "x25519", "wycheproof_x25519_test.json")) as f:
        vectors = [v for group in json.load(f)["testGroups"] for v in group["tests"]]
    for v in vectors:
        assert x25519(h(v["private"]), h(v["public"])) == h(v["shared"])
    print("%d vectors of X25519 agree" % len(vectors))
    with open(os.path.join(folder, "hctr2", "hctr2_HCTR2_AES256.json")) as f:
        vectors = json.load(f)
    for v in vectors:
        key, tweak = h(v["input"]["key_hex"]), h(v["input"]["tweak_hex"])
        plain, cipher = h(v["plaintext_hex"]), h(v["ciphertext_hex"])
        assert Hctr2(key).encrypt(plain, tweak) == cipher and Hctr2(key).decrypt(cipher, tweak) == plain
    print("%d vectors of HCTR2 agree" % len(vectors))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(sys.argv[2])
    else:
        main()
