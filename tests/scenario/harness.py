"""harness.py - starts real villages on loopback for the scenarios, calls their REST API, and breaks them."""
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PORTS = random.SystemRandom()  # not of the seed that a scenario may set
FINAL = ("done", "failed", "cancelled", "expired")


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait(what, seconds, probe, every=0.05):
    until = time.monotonic() + seconds
    last = None
    while time.monotonic() < until:
        try:
            value = probe()
            if value:
                return value
        except (OSError, ValueError, http.client.HTTPException, Failure) as e:
            last = e
        time.sleep(every)
    raise Failure(f"{what}: not within {seconds} s ({last})")


def free_port():
    """Below the ports that the system gives to outgoing connections: while a node is down, one of those could take its port."""
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", PORTS.randrange(10000, 32000)))
                return s.getsockname()[1]
            except OSError:
                pass


class Node:
    """One `village` process that can be killed and started again on the same data."""

    def __init__(self, village, name, *args):
        self.village, self.name, self.args = village, name, args
        self.data = os.path.join(village.dir, name)
        self.p = None
        self.start()

    def start(self):
        self.log = open(os.path.join(self.village.dir, self.name + ".log"), "ab")
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1")
        self.p = subprocess.Popen([self.village.program, *self.args, "--data", self.data, "--name", self.name],
                                  stdout=self.log, stderr=self.log, env=env, cwd=self.village.dir)

    def kill(self):
        self.p.kill()
        self.p.wait()
        self.log.close()

    def stop(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            try:
                self.p.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Failure(f"{self.name} did not stop within 15 s of SIGTERM")
        return self.p.returncode

    def log_text(self):
        with open(os.path.join(self.village.dir, self.name + ".log"), errors="replace") as f:
            return f.read()


class Gateway:
    """The REST API of one node."""

    def __init__(self, node, port):
        self.node, self.port, self.program = node, port, node.village.program

    def token(self):
        return json.load(open(os.path.join(self.node.data, "gateway.json")))["token"]

    def raw(self, method, path, body=None, headers=None, timeout=20):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        head = {"Authorization": "Bearer " + self.token()}
        head.update(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            head.setdefault("Content-Type", "application/json")
        try:
            c.request(method, path, body, head)
            r = c.getresponse()
            return r.status, dict(r.getheaders()), r.read()
        finally:
            c.close()

    def call(self, method, path, body=None, headers=None):
        status, _, raw = self.raw(method, path, body, headers)
        if status >= 400:
            raise Failure(f"{method} {path}: {status} {raw[:400]!r}")
        return json.loads(raw) if raw and raw[:1] in b"{[" else raw

    def blob(self, data):
        h = hashlib.blake2b(data, digest_size=32).hexdigest()
        status, _, raw = self.raw("PUT", "/v1/blobs/" + h, data, {"Content-Type": "application/octet-stream"})
        check(status in (200, 201), f"blob: {status} {raw[:200]!r}")
        return {"hash": h, "size": len(data)}

    def job(self, program, inputs=(), **spec):
        body = {"kind": "wasm", "program": self.blob(open(program, "rb").read())["hash"], **spec}
        if inputs:
            body["inputs"] = [{"name": f"i{n}", **self.blob(data)} for n, data in enumerate(inputs)]
        return self.call("POST", "/v1/fog/jobs", body)["id"]

    def ended(self, job, seconds):
        def probe():
            j = self.call("GET", "/v1/fog/jobs/" + job)
            return j if j["state"] in FINAL else None
        return wait(f"the end of job {job}", seconds, probe, 0.1)

    def tasks(self, job):
        return self.call("GET", f"/v1/fog/jobs/{job}/tasks?limit=1000")["items"]

    def events(self, job):
        items, cursor = [], None
        while True:
            page = self.call("GET", f"/v1/fog/jobs/{job}/events?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            cursor = page["next"]
            if not cursor:
                return items

    def output(self, job):
        return self.raw("GET", f"/v1/fog/jobs/{job}/output")[2]


class Village(Gateway):
    def __init__(self, program, workers=2, timing=("--heartbeat", "500ms", "--lost", "2s"), slots=2, base="/var/tmp", data_dir=None, head=()):
        self.program = os.path.abspath(program)
        self.dir = tempfile.mkdtemp(prefix="village-test-", dir=base)
        self.timing, self.nodes = list(timing), []
        self.gateway, self.links = free_port(), free_port()
        self.head = Node(self, "head", "up", "--gateway", f"127.0.0.1:{self.gateway}", "--listen", f"127.0.0.1:{self.links}",
                         "--slots", str(slots), *self.timing, *head)
        self.nodes.append(self.head)
        self.node, self.port = self.head, self.gateway
        wait("the gateway", 20, lambda: self.call("GET", "/v1/system/health"))
        if workers:
            ticket = self.call("POST", "/v1/tickets", {"uses": workers})["ticket"]
            for i in range(workers):
                self.nodes.append(Node(self, f"w{i}", "join", ticket, "--listen", "127.0.0.1:0", "--slots", str(slots), *self.timing))
        self.ready(workers + 1)

    def ready(self, n):
        wait(f"{n} nodes", 40, lambda: len([x for x in self.call("GET", "/v1/fog/nodes")["items"]
                                            if x["state"] in ("active", "idle", "busy") and x["features"]]) == n)

    def down(self):
        problems = []
        for n in self.nodes:
            try:
                n.p.send_signal(signal.SIGCONT)
                code = n.stop()
                if code not in (0, -signal.SIGKILL):
                    problems.append(f"{n.name} ended with {code}: {n.log_text()[-1500:]}")
            except (Failure, ProcessLookupError) as e:
                problems.append(str(e))
        text = "".join(n.log_text() for n in self.nodes)
        if "AddressSanitizer" in text or "runtime error:" in text:
            at = max(text.find("AddressSanitizer"), text.find("runtime error:"))
            problems.append("sanitizer: " + text[max(0, at - 500):at + 2500])
        shutil.rmtree(self.dir, ignore_errors=True)
        check(not problems, "; ".join(problems))
