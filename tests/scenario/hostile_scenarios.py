"""Hostile peers and clients: closed, counted, answered with the field's name; the node goes on."""
import json
import os
import random
import socket

from harness import Node, Village, check, wait

_village = {}


def village(program):
    if "v" not in _village:
        _village["v"] = Village(program, workers=1)
        import atexit
        atexit.register(lambda: _village["v"].down())
    return _village["v"]


def metric(v, name):
    for line in v.raw("GET", "/v1/system/metrics")[2].decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return 0.0


def test_garbage_on_the_link_port_is_closed_and_the_village_works_on(program, wasm, examples):
    v, rng = village(program), random.Random(7)
    shapes = [b"GET / HTTP/1.1\r\n\r\n", b"HTX1" + bytes([9, 1, 1, 0]), b"HTX1" + bytes([1, 1, 1, 0]) + b"\xff\xff" + b"x" * 5000,
              b"HTX1" + bytes([1, 2, 1, 0]) + b"\x00\x20" + bytes(32)] + [rng.randbytes(rng.randrange(1, 4000)) for _ in range(40)]
    for data in shapes:
        s = socket.create_connection(("127.0.0.1", v.links), 5)
        s.settimeout(15)
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        try:
            while s.recv(4096):
                pass
        except ConnectionResetError:
            pass
        s.close()
    check(v.ended(v.job(os.path.join(examples, "nop.wasm")), 60)["state"] == "done", "a job after the garbage")
    check(v.head.p.poll() is None, "the node is up")


def test_half_open_connections_are_closed_by_the_handshake_time_out(program, wasm, examples):
    v = village(program)
    socks = [socket.create_connection(("127.0.0.1", v.links), 5) for _ in range(40)]
    check(metric(v, "village_links") >= 40, "they are counted as connections")
    wait("the handshake time-out", 25, lambda: metric(v, "village_links") < 10, 0.5)
    for s in socks:
        s.close()
    v.ready(2)


def test_wrong_used_revoked_and_damaged_tickets_get_a_clear_answer(program, wasm, examples):
    import subprocess
    v = village(program)

    def join(ticket, name):
        return subprocess.run([v.program, "join", ticket, "--data", os.path.join(v.dir, name), "--listen", "127.0.0.1:0", "--name", name],
                              capture_output=True, text=True, timeout=30,
                              env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1"))
    good = v.call("POST", "/v1/tickets", {"uses": 1})
    n = Node(v, "once", "join", good["ticket"], "--listen", "127.0.0.1:0", *v.timing)
    v.nodes.append(n)
    v.ready(3)
    r = join(good["ticket"], "twice")
    check(r.returncode == 4 and "used" in r.stderr, f"used: {r.returncode} {r.stderr}")
    other = v.call("POST", "/v1/tickets", {"uses": 1})
    v.raw("DELETE", "/v1/tickets/" + other["id"])
    r = join(other["ticket"], "revoked")
    check(r.returncode == 4 and "revoked" in r.stderr.lower() or "withdrawn" in r.stderr.lower(), f"revoked: {r.returncode} {r.stderr}")
    broken = good["ticket"][:-3] + ("aaa" if not good["ticket"].endswith("aaa") else "bbb")
    r = join(broken, "broken")
    check(r.returncode == 2 and r.stderr.strip(), f"damaged: {r.returncode} {r.stderr}")
    r = join("hello", "none")
    check(r.returncode == 2 and "ticket" in r.stderr, f"no ticket: {r.returncode} {r.stderr}")


def test_an_expelled_node_loses_its_link_and_cannot_come_back(program, wasm, examples):
    v = village(program)
    ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
    n = Node(v, "outcast", "join", ticket, "--listen", "127.0.0.1:0", *v.timing)
    v.nodes.append(n)
    node = wait("it to join", 20, lambda: [x for x in v.call("GET", "/v1/fog/nodes")["items"] if x["name"] == "outcast" and x["features"]])[0]
    check(v.raw("DELETE", "/v1/fog/nodes/" + node["id"])[0] == 204, "expel")
    check(v.raw("GET", "/v1/fog/nodes/" + node["id"])[0] == 404, "it is gone from the list")
    denied = metric(v, "village_peers_denied_total")
    wait("its return to be refused", 20, lambda: metric(v, "village_peers_denied_total") > denied)
    check(v.raw("GET", "/v1/fog/nodes/" + node["id"])[0] == 404, "it stays gone")


BAD = [  # method, path, body, status, words in the answer
    ("POST", "/v1/fog/jobs", b"{", 400, b""),
    ("POST", "/v1/fog/jobs", b'{"kind":"wasm","kind":"native"}', 400, b""),
    ("POST", "/v1/fog/jobs", b'{"kind":"wasm","program":5}', 400, b"/program"),
    ("POST", "/v1/fog/jobs", b'{"kind":"steam"}', 400, b"/kind"),
    ("POST", "/v1/fog/jobs", b'{"kind":"wasm","program":"' + b"0" * 64 + b'","colour":1}', 400, b"/colour"),
    ("POST", "/v1/fog/jobs", b'{"kind":"wasm","program":"' + b"0" * 64 + b'","replicas":99999999999999999999999}', 400, b"/replicas"),
    ("POST", "/v1/fog/jobs", b'{"kind":"wasm","program":"' + b"0" * 64 + b'","limits":{"timeout_ms":-1}}', 400, b"/limits/timeout_ms"),
    ("POST", "/v1/fog/jobs", b'{"kind":"wasm","program":"' + b"0" * 64 + b'","replicas":1.5}', 400, b"/replicas"),
    ("POST", "/v1/fog/jobs", b'{"kind":"wasm","program":"' + b"0" * 64 + b'"}', 404, b""),
    ("POST", "/v1/tickets", b'{"uses":0}', 400, b"/uses"),
    ("PATCH", "/v1/fog/jobs", b"", 405, b""),
    ("GET", "/v1/fog/jobs?limit=0", None, 400, b"limit"),
    ("GET", "/v1/fog/jobs?nonsense=1", None, 400, b"nonsense"),
    ("GET", "/v1/fog/jobs/zz", None, 404, b""),
    ("GET", "/v1/nowhere", None, 404, b""),
    ("GET", "/v1/fog/../../etc/passwd", None, 404, b""),
]


def test_bad_rest_input_is_a_4xx_problem_that_names_the_field(program, wasm, examples):
    v = village(program)
    for method, path, body, want, words in BAD:
        status, head, raw = v.raw(method, path, body, {"Content-Type": "application/json"} if body else None)
        where = f"{method} {path} {body!r}: {status} {raw[:300]!r}"
        check(status == want or (want == 404 and status in (400, 404, 422)), where)
        check(head.get("Content-Type", "").startswith("application/problem+json") and json.loads(raw)["status"] == status, where)
        check(words in raw, where)
    big = b'{"kind":"wasm","name":"' + b"x" * (8 << 20) + b'"}'
    check(v.raw("POST", "/v1/fog/jobs", big, {"Content-Type": "application/json"})[0] in (413, 400), "a huge body")
    check(v.raw("POST", "/v1/fog/jobs", b"{}", {"Content-Type": "text/plain"})[0] == 415, "a wrong media type")
    for token in ("", "x" * 52):
        check(v.raw("GET", "/v1/fog/nodes", None, {"Authorization": "Bearer " + token})[0] == 401, "a wrong token")
    check(v.call("GET", "/v1/system/health")["status"] == "ok", "health")


def test_modules_with_simd_or_threads_are_refused_with_the_flag_that_avoids_it(program, wasm, examples):
    v = village(program)
    simd = b"\0asm\1\0\0\0" + b"\1\4\1\x60\0\0" + b"\3\2\1\0" + b"\7\n\1\6_start\0\0" + b"\x0a\x16\1\x14\0\xfd\x0c" + bytes(16) + b"\x1a\x0b"
    simd = simd.replace(b"\x0a\x16\1\x14\0", b"\x0a\x17\1\x15\0")
    job = v.call("POST", "/v1/fog/jobs", {"kind": "wasm", "program": v.blob(simd)["hash"]})["id"]
    j = v.ended(job, 60)
    check(len([e for e in v.events(job) if e["kind"] == "task_failed"]) == 1, "what can never run is not tried again")
    check(j["state"] == "failed" and "simd" in str(j["error"]).lower(), f"{j['state']} {j['error']}")
    shared = b"\0asm\1\0\0\0" + b"\5\4\1\3\1\2"
    j = v.ended(v.call("POST", "/v1/fog/jobs", {"kind": "wasm", "program": v.blob(shared)["hash"], "max_attempts": 1})["id"], 60)
    check(j["state"] == "failed" and ("thread" in str(j["error"]).lower() or "shared" in str(j["error"]).lower()), f"{j['state']} {j['error']}")
    j = v.ended(v.call("POST", "/v1/fog/jobs", {"kind": "wasm", "program": v.blob(b"not wasm")["hash"], "max_attempts": 1})["id"], 60)
    check(j["state"] == "failed", "not a module")
