#!/usr/bin/env python3
"""Benches over real processes: village_bench.py BUILD_DIR NAME….  One JSON line each on standard output.

job.task_rate and job.latency_p50_ms: four nodes on loopback; gateway.post_p95_ms: durable job POSTs at a fixed rate with times taken
from when each was due (no coordinated omission); daemon.rss_mib, daemon.start_ms, daemon.size_mib: one node.
"""
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
PROGRAM = os.path.join(BUILD, "src", "village")
NOP = os.path.join(BUILD, "examples", "nop.wasm")


def emit(name, value, unit, peer=None, ratio=None):
    print(json.dumps({"name": name, "value": value, "unit": unit, "peer": peer, "ratio": ratio}), flush=True)


class Node:
    def __init__(self, root, name, *args):
        self.data = os.path.join(root, name)
        self.log = open(os.path.join(root, name + ".log"), "wb")
        self.started = time.perf_counter()
        self.p = subprocess.Popen([PROGRAM, *args, "--data", self.data, "--name", name], stdout=self.log, stderr=self.log)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()


class Api:
    def __init__(self, data):
        g = json.load(open(os.path.join(data, "gateway.json")))
        self.host, self.token = g["url"].split("//")[1], g["token"]
        self.http = http.client.HTTPConnection(self.host)
        self.http.connect()
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, path, body=None):
        head = {"Authorization": "Bearer " + self.token}
        if isinstance(body, dict):
            body, head["Content-Type"] = json.dumps(body), "application/json"
        try:
            self.http.request(method, path, body, head)
            r = self.http.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):  # idle for too long: closed by the gateway
            self.http.close()
            self.http.request(method, path, body, head)
            r = self.http.getresponse()
        raw = r.read()
        if r.status >= 400:
            raise RuntimeError(f"{method} {path}: {r.status} {raw[:300]!r}")
        return json.loads(raw) if raw else None


def wait(check, seconds, what):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            value = check()
            if value:
                return value
        except (OSError, ValueError, RuntimeError, http.client.HTTPException):
            pass
        time.sleep(0.02)
    raise SystemExit(f"bench: {what} not within {seconds} s")


def blob(api, data):
    h = hashlib.blake2b(data, digest_size=32).hexdigest()
    api.call("PUT", "/v1/blobs/" + h, data)
    return h


def village(root, nodes, *first):
    head = Node(root, "n0", "up", "--gateway", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--log-level", "error", *first)
    wait(lambda: os.path.exists(os.path.join(head.data, "gateway.json")), 20, "gateway")
    api = wait(lambda: Api(head.data), 20, "gateway")
    all_nodes = [head]
    if nodes > 1:
        ticket = api.call("POST", "/v1/tickets", {"uses": nodes - 1})["ticket"]
        all_nodes += [Node(root, f"n{i}", "join", ticket, "--listen", "127.0.0.1:0", "--log-level", "error")
                      for i in range(1, nodes)]
    wait(lambda: len([n for n in api.call("GET", "/v1/fog/nodes")["items"] if n["features"]]) == nodes or first, 30, "nodes")
    return all_nodes, api


def run_job(api, spec, poll):
    start = time.perf_counter()
    job = api.call("POST", "/v1/fog/jobs", spec)["id"]
    while True:
        j = api.call("GET", "/v1/fog/jobs/" + job)
        if j["state"] in ("done", "failed", "cancelled", "expired"):
            if j["state"] != "done":
                raise SystemExit(f"bench: the job ended as {j['state']}: {j['error']}")
            return time.perf_counter() - start
        time.sleep(poll)


def bench_jobs(root):
    nodes, api = village(root, 4)
    try:
        program = blob(api, open(NOP, "rb").read())
        one = {"kind": "wasm", "program": program}
        data = b"x"
        h = blob(api, data)

        def many(n):
            return {"kind": "wasm", "program": program, "inputs": [{"name": f"i{i}", "hash": h, "size": len(data)} for i in range(n)]}
        run_job(api, many(64), 0.05)  # every node compiles
        run_job(api, many(64), 0.05)
        times = sorted(run_job(api, one, 0.001) for _ in range(60))
        emit("job.latency_p50_ms", round(times[len(times) // 2] * 1000, 2), "ms")
        n = 1500
        rates = sorted(n / run_job(api, many(n), 0.02) for _ in range(3))
        emit("job.task_rate", round(rates[1], 1), "1/s")
    finally:
        for x in nodes:
            x.stop()


def bench_post(root, rate=5000, seconds=6):
    nodes, api = village(root, 1, "--slots", "1")
    os.sched_setaffinity(nodes[0].p.pid, {0})
    try:
        body = json.dumps({"kind": "wasm", "program": blob(api, open(NOP, "rb").read()), "after": [], "name": "bench"}).encode()
        api.call("POST", f"/v1/fog/nodes/{api.call('GET', '/v1/fog/nodes')['items'][0]['id']}/maintenance", {"on": True})
        loader = os.path.join(BUILD, "bench", "post_load")
        out = subprocess.run(["taskset", "-c", "1", loader, *api.host.split(":"), api.token, str(rate), str(seconds)], input=body,
                             capture_output=True, check=True)
        r = json.loads(out.stdout)
        if r["failed"]:
            raise SystemExit(f"bench: {r['failed']} POSTs were not answered with 201: {r['first']}")
        sys.stderr.write(f"# {r['answered']} durable POSTs at {rate}/s: p50 {r['p50_ms']} p95 {r['p95_ms']} p99 {r['p99_ms']} ms\n")
        emit("gateway.post_p95_ms", r["p95_ms"], "ms")
    finally:
        for x in nodes:
            x.stop()


def bench_daemon(root):
    starts, rss = [], []
    for i in range(7):
        port = socket.socket()
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
        port.close()
        node = Node(root, f"d{i}", "up", "--gateway", f"127.0.0.1:{number}", "--listen", "127.0.0.1:0", "--log-level", "error")
        while True:
            try:
                socket.create_connection(("127.0.0.1", number), 0.2).close()
                break
            except OSError:
                time.sleep(0.001)
        starts.append((time.perf_counter() - node.started) * 1000)
        if i < 3:
            time.sleep(2)
            for line in open(f"/proc/{node.p.pid}/status"):
                if line.startswith("VmRSS"):
                    rss.append(int(line.split()[1]) / 1024)
        node.stop()
    emit("daemon.start_ms", round(sorted(starts)[3], 1), "ms")
    emit("daemon.rss_mib", round(sorted(rss)[1], 2), "MiB")


def bench_mix_node(root, rate=50000, seconds=30):
    """A whole mix on one processor: links in and out over loopback, delays on, no packet lost."""
    out = subprocess.run([PROGRAM, "mix", "capacity", "--rate", str(rate), "--seconds", str(seconds), "--json"],
                         capture_output=True, text=True, env=dict(os.environ, TMPDIR=root))
    sys.stderr.write(out.stderr)
    if not out.stdout:
        raise SystemExit(f"bench: village mix capacity ended with {out.returncode}")
    r = json.loads(out.stdout)
    emit("mix.node_rate", round(r["received"] / seconds, 1), "1/s", rate, round(r["received"] / r["sent"], 6))


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench_mix_idle(root, seconds=40):
    """A member with default cover that has nothing to say."""
    nodes, api = village(root, 4, "--mix", "--mix-rate", "500", "--slots", "1")
    try:
        ticket = api.call("POST", "/v1/tickets", {"uses": 4})["ticket"]
        mixes = [Node(root, f"m{i}", "join", ticket, "--listen", "127.0.0.1:0", "--log-level", "error", "--mix", "--mix-rate", "500")
                 for i in range(3)]
        client = Node(root, "client", "join", ticket, "--listen", "127.0.0.1:0", "--log-level", "error", "--gateway", "127.0.0.1:0")
        nodes += [*mixes, client]
        def reachable():
            items = [n for n in api.call("GET", "/v1/fog/nodes")["items"] if n["addr"]]
            return {n["name"]: n["id"] for n in items} if len(items) == 8 else None
        names = wait(reachable, 30, "nodes")
        api.call("POST", "/v1/mix/charter", {"authorities": [names[f"m{i}"] for i in range(3)], "epoch_ms": 20000, "floor": 4})
        mine = wait(lambda: Api(client.data), 20, "gateway of the client")
        wait(lambda: mine.call("GET", "/v1/mix")["client"]["slots"] > 20, 90, "cover")
        before, slots, t = cpu_seconds(client.p.pid), mine.call("GET", "/v1/mix")["client"]["slots"], time.monotonic()
        time.sleep(seconds)
        t = time.monotonic() - t
        used, slots = cpu_seconds(client.p.pid) - before, mine.call("GET", "/v1/mix")["client"]["slots"] - slots
        sys.stderr.write(f"# {slots / t:.1f} packets a second, {used:.2f} s of CPU in {t:.0f} s\n")
        emit("mix.idle_client_cpu_percent", round(100 * used / t, 3), "%")
    finally:
        for x in nodes:
            x.stop()


BENCHES = {"jobs": bench_jobs, "post": bench_post, "daemon": bench_daemon, "mix_node": bench_mix_node, "mix_idle": bench_mix_idle}


def main():
    for name in sys.argv[2:] or BENCHES:
        root = tempfile.mkdtemp(prefix="village-bench-", dir="/var/tmp")
        try:
            BENCHES[name](root)
        finally:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
