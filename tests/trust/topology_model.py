#!/usr/bin/env python3
"""The golden values of tests/trust/topology_test.c, from a model that shares no code with src/: big integers, hashlib, and
textbook formulas. Prints C; run it again when the format gets a new version."""
import hashlib

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
I = pow(2, (P - 1) // 4, P)


def root(a):
    r = pow(a, (P + 3) // 8, P)
    if r * r % P != a % P:
        r = r * I % P
    return r if r * r % P == a % P else None


def even(x):
    return x if x % 2 == 0 else P - x


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def mul(n, a):
    r = (0, 1)
    while n:
        if n & 1:
            r = add(r, a)
        a, n = add(a, a), n >> 1
    return r


def encode(a):
    return (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


def decode(b):
    v = int.from_bytes(b, "little")
    y, sign = v % 2**255, v >> 255
    x = root((y * y - 1) * pow(D * y * y + 1, -1, P)) if y < P else None
    if x is None or (x == 0 and sign):
        return None
    return (x if x % 2 == sign else P - x), y


BASE = decode(bytes([0x58]) + bytes([0x66]) * 31)


def sha(*parts):
    return hashlib.sha512(b"".join(parts)).digest()


def to_curve(suite, pk, alpha):
    if suite == 3:
        for ctr in range(256):
            p = decode(sha(b"\3\1", pk, alpha, bytes([ctr, 0]))[:32])
            if p is not None and mul(8, p) != (0, 1):
                return mul(8, p)
    tag = b"ECVRF_edwards25519_XMD:SHA-512_ELL2_NU_\4"
    tag += bytes([len(tag)])
    b0 = sha(bytes(128), pk, alpha, bytes([0, 48, 0]), tag)
    u = int.from_bytes(sha(b0, b"\1", tag)[:48], "big") % P
    j = 486662
    x = -j * pow(1 + 2 * u * u, -1, P) % P
    y = root(x**3 + j * x * x + x)
    if y is not None:
        y = P - even(y)
    else:
        x = (-x - j) % P
        y = even(root(x**3 + j * x * x + x))
    s = even(root(-486664 % P))
    return mul(8, (s * x * pow(y, -1, P) % P, (x - 1) * pow(x + 1, -1, P) % P))


def prove(suite, seed, alpha):
    h = sha(seed)
    x = int.from_bytes(h[:32], "little") & (2**254 - 8) | 2**254
    pk = encode(mul(x, BASE))
    point = to_curve(suite, pk, alpha)
    gamma = mul(x, point)
    k = int.from_bytes(sha(h[32:], encode(point)), "little") % Q
    c = sha(bytes([suite, 2]), pk, encode(point), encode(gamma), encode(mul(k, BASE)), encode(mul(k, point)), b"\0")[:16]
    s = (k + int.from_bytes(c, "little") * x) % Q
    return sha(bytes([suite, 3]), encode(mul(8, gamma)), b"\0"), encode(gamma) + c + s.to_bytes(32, "little")


def blake(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


# --- the scenario: twelve members; the fourth is silent in the first epoch that has a roll ---
FIRST, N = 1000, 12
MEMBERS = sorted((bytes([(i * 37 + 11) % 256]) * 32, i) for i in range(N))
SUITE = [3 + i % 2 for i in range(N)]
WEIGHT = [100 + 50 * i for i in range(N)]
SEED = {FIRST - k: blake(b"village-beacon-0", b"v" * 32, bytes([k])) for k in range(4)}
ROLL = {}


def draw(i, epoch, role):
    alpha = b"village-draw-001" + role.to_bytes(2, "big") + epoch.to_bytes(8, "big") + SEED[epoch - 2]
    return prove(SUITE[i], bytes([i + 1]) * 32, alpha)


def share(r, total):
    return int.from_bytes(r, "big") * total >> 256


def neighbours(i, epoch):
    beta, _ = draw(i, epoch, 2)
    left = [(node, m, w) for node, m, w in ROLL[epoch] if m != i]
    drawn = []
    while len(drawn) < 8 and sum(w for *_, w in left) > 0:
        u = share(blake(b"village-neighb-1", beta, bytes([len(drawn)])), sum(w for *_, w in left))
        for k, (_, m, w) in enumerate(left):
            if u < w:
                break
            u -= w
        drawn.append(m)
        del left[k]
    return drawn


def main():
    missed = [0] * N
    for epoch in range(FIRST, FIRST + 9):
        if epoch > FIRST:
            ROLL[epoch + 3] = [(node, i, WEIGHT[i] >> missed[i]) for node, i in MEMBERS]
        roll = ROLL.get(epoch, [])
        told = [(node, i) for node, i, _ in roll if not (i == 3 and epoch == FIRST + 4)]
        SEED[epoch + 1] = blake(b"village-beacon-1", SEED[epoch], epoch.to_bytes(8, "big"),
                                *[node + draw(i, epoch, 1)[0] for node, i in told])
        for _, i, _ in roll:
            silent = all(i != k for _, k in told)
            missed[i] = min(31, missed[i] + 16) if silent else max(0, missed[i] - 1)
    for epoch in (FIRST + 4, FIRST + 5, FIRST + 8):
        print(f'seed {epoch} "{SEED[epoch].hex()}"')
    for epoch in (FIRST + 4, FIRST + 8):
        for i in (5, 6):
            print(f"neighbours of {i} in {epoch}: {neighbours(i, epoch)}")
    total = sum(w for *_, w in ROLL[FIRST + 8])
    print("elected to 4 seats:", [i for _, i, w in ROLL[FIRST + 8] if share(draw(i, FIRST + 8, 3)[0][:32], total) < 4 * w])
    for i in (5, 6):
        beta, proof = draw(i, FIRST + 8, 2)
        node, _, w = next(e for e in ROLL[FIRST + 8] if e[1] == i)
        cert = b"\1" + b"\0\2" + (FIRST + 8).to_bytes(8, "big") + node + w.to_bytes(4, "big") + beta + proof
        print(f'certificate of {i}: "{blake(cert).hex()}"')


if __name__ == "__main__":
    main()
