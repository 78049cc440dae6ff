#!/usr/bin/env python3
"""Writes htx_vectors.h: HTX/1 handshakes, records, frames, rekey and RESUME from fixed keys.

Written from the specifications alone (Noise revision 34, docs/htx.md), sharing no code with src/.
Needs python3-cryptography.  Run: python3 htx_vectors.py > htx_vectors.h
"""
import binascii
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RAW = (Encoding.Raw, PublicFormat.Raw)
PATTERNS = {
    1: ("XX", [], [["e"], ["e", "ee", "s", "es"], ["s", "se"]]),
    2: ("XK", ["s"], [["e", "es"], ["e", "ee"], ["s", "se"]]),
    3: ("IK", ["s"], [["e", "es", "s", "ss"], ["e", "ee", "se"]]),
}
SUITES = {1: "AESGCM", 2: "ChaChaPoly"}
EXPIRY = 0x0000_0190_0000_0000


class Cipher:
    def __init__(self, suite, key):
        self.suite, self.key, self.n = suite, key, 0

    def _nonce(self, n):
        return bytes(4) + struct.pack(">Q" if self.suite == 1 else "<Q", n)

    def _aead(self):
        return AESGCM(self.key) if self.suite == 1 else ChaCha20Poly1305(self.key)

    def seal(self, ad, plain):
        out = self._aead().encrypt(self._nonce(self.n), plain, ad)
        self.n += 1
        return out

    def rekey(self):
        self.key = self._aead().encrypt(self._nonce(2**64 - 1), bytes(32), b"")[:32]


class Symmetric:
    def __init__(self, name, suite):
        self.suite = suite
        raw = name.encode()
        self.h = raw.ljust(32, b"\0") if len(raw) <= 32 else hashlib.sha256(raw).digest()
        self.ck, self.cipher = self.h, None

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def hkdf(self, ikm):
        temp = hmac.digest(self.ck, ikm, "sha256")
        one = hmac.digest(temp, b"\x01", "sha256")
        return one, hmac.digest(temp, one + b"\x02", "sha256")

    def mix_key(self, ikm):
        self.ck, key = self.hkdf(ikm)
        self.cipher = Cipher(self.suite, key)

    def encrypt_and_hash(self, plain):
        out = plain if self.cipher is None else self.cipher.seal(self.h, plain)
        self.mix_hash(out)
        return out


def public(key):
    return key.public_key().public_bytes(*RAW)


def identity(seed, static_public, capabilities, certificate):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    signature = key.sign(b"fog-htx-static:" + static_public + struct.pack(">Q", EXPIRY))
    head = struct.pack(">QQH", EXPIRY, capabilities, len(certificate))
    return public(key) + signature + head + certificate


def preface(pattern, suite):
    return b"HTX1" + bytes([1, pattern, suite, 0])


def handshake(pattern, suite, early=b"", answer=b""):
    """early, answer: what follows the identities of messages 1 and 2 of IK."""
    name, pre, messages = PATTERNS[pattern]
    sym = Symmetric("Noise_%s_25519_%s_SHA256" % (name, SUITES[suite]), suite)
    sym.mix_hash(preface(pattern, suite) * 2)
    s = [X25519PrivateKey.from_private_bytes(bytes([0x41 + i]) * 32) for i in range(2)]
    e = [X25519PrivateKey.from_private_bytes(bytes([0x51 + i]) * 32) for i in range(2)]
    payload = [identity(bytes([0x61 + i]) * 32, public(s[i]), 7 + i, b"cert-%d" % i) for i in range(2)]
    if pre:
        sym.mix_hash(public(s[1]))
    wire = []
    for number, tokens in enumerate(messages, 1):
        me = (number + 1) % 2  # 0: initiator
        out = b""
        for token in tokens:
            if token == "e":
                out += public(e[me])
                sym.mix_hash(public(e[me]))
            elif token == "s":
                out += sym.encrypt_and_hash(public(s[me]))
            else:
                mine = {"e": e, "s": s}[token[0]][0]
                theirs = {"e": e, "s": s}[token[1]][1]
                sym.mix_key(mine.exchange(X25519PublicKey.from_public_bytes(public(theirs))))
        carries = number <= 2 if pattern == 3 else number >= 2
        tail = {1: early, 2: answer}.get(number, b"")
        out += sym.encrypt_and_hash(payload[me] + tail if carries else b"")
        wire.append(struct.pack(">H", len(out)) + out)
    one, two = sym.hkdf(b"")
    return wire, sym.h, Cipher(suite, one), Cipher(suite, two)


def frame(kind, stream=0, seq=0, payload=b"", flags=0, at=0x0000_0190_1234_5678):
    return struct.pack(">HBBIIIQ", 0x4858, 0x10 | flags, kind, len(payload), stream, seq, at) + payload


def record(cipher, plain):
    out = cipher.seal(b"", plain)
    return struct.pack(">H", len(out)) + out


def bare(*args, **kw):
    kw["flags"] = kw.get("flags", 0) | 8
    data = frame(*args, **kw)
    return data + struct.pack(">I", binascii.crc32(data))


def show(name, data):
    print("static const uint8_t %s[] = {" % name)
    for i in range(0, len(data), 16):
        print("    " + ", ".join("0x%02x" % b for b in data[i:i + 16]) + ",")
    print("};")


def main():
    print("/* htx_vectors.h - made by htx_vectors.py from fixed keys; do not edit. */")
    print("#ifndef VL_TESTS_NET_HTX_VECTORS_H\n#define VL_TESTS_NET_HTX_VECTORS_H\n\n#include <stdint.h>\n")
    print("#define VECTOR_EXPIRY 0x%xu\n" % EXPIRY)
    for pattern in PATTERNS:
        for suite in SUITES:
            wire, h, send, _ = handshake(pattern, suite)
            name = "vector_%s_%s" % (PATTERNS[pattern][0].lower(), SUITES[suite].lower())
            for i, message in enumerate(wire, 1):
                show("%s_%d" % (name, i), message)
            show(name + "_hash", h)
            three = frame(0, 1, 1, b"hello", 4) + frame(1, 2, 9, struct.pack(">Q", 5)) + frame(7)
            show(name + "_record", record(send, three))
            send.rekey()
            show(name + "_rekeyed", record(send, frame(12, payload=b"pad")))
    sent = 0x0000_0190_1234_5678
    section = struct.pack(">Q", sent) + frame(8, payload=b"back") + frame(8, payload=b"")
    show("vector_early_section", section)
    for suite in SUITES:
        for answer in (1, 2):
            wire, h, _, _ = handshake(3, suite, section, bytes([answer]))
            name = "vector_early_%s_%s" % (SUITES[suite].lower(), {1: "accepted", 2: "refused"}[answer])
            if answer == 1:
                show("vector_early_%s_1" % SUITES[suite].lower(), wire[0])
            show(name + "_2", wire[1])
            show(name + "_hash", h)
    _, h, _, _ = handshake(2, 1)
    resume = h[:16] + struct.pack(">QQI", 5, 4 << 20, 2)
    resume += struct.pack(">IIQQ", 1, 1, 0, 256 << 10) + struct.pack(">IIQQ", 2, 3, 0x5, 256 << 10)
    each = [
        bare(0, 1, 1, b"data"), bare(1, 1, 1, bytes(8)), bare(2, 0, 0, struct.pack(">Q", 4 << 20)),
        bare(3, payload=b"\x01" * 8), bare(4, payload=b"\x01" * 8), bare(5, 1, 2, bytes(4)), bare(6, 3, 4, struct.pack(">I", 777)),
        bare(7), bare(8, payload=b"dgram"), bare(9, payload=struct.pack(">HIHI", 1, 128, 2, 262144)),
        bare(10, payload=struct.pack(">I", 9)), bare(11, payload=resume), bare(12, payload=bytes(3)),
    ]
    show("vector_each_type_bare", b"".join(each))
    show("vector_resume", resume)
    print("\n#endif")


main()
