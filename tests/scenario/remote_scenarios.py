"""Jobs submitted at a member's own gateway: over links and through the mixes, with either end killed in between."""
import json
import os
import subprocess

from harness import FINAL, Gateway, Node, Village, check, free_port, wait
from mix_scenarios import MixVillage

ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1", NO_COLOR="1")
INPUTS = [f"line {i} of the text\n".encode() for i in range(6)]
WANT = b"".join(INPUTS).upper()


def member(v, name="g0", *options):
    """One more member, with a gateway of its own."""
    port = free_port()
    ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
    node = Node(v, name, "join", ticket, "--listen", "127.0.0.1:0", "--slots", "1", "--gateway", f"127.0.0.1:{port}", *v.timing[:4], *options)
    v.nodes.append(node)
    g = Gateway(node, port)
    wait("the member's gateway", 20, lambda: g.call("GET", "/v1/system/health"))
    wait("it to join", 20, lambda: [n for n in v.call("GET", "/v1/fog/nodes")["items"] if n["name"] == name and n["state"] != "offline"])
    return g


def cli(g, *args):
    return subprocess.run([g.program, args[0], "--data", g.node.data, *args[1:]], capture_output=True, text=True, env=ENV, timeout=180)


def test_village_run_works_on_a_member_as_on_the_coordinator(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        g, slow = member(v), os.path.join(wasm, "slow.wasm")
        text = os.path.join(v.dir, "in.txt")
        open(text, "w").write("abc\n")
        r = cli(g, "run", slow, "--input", text, "--", "1")
        check(r.returncode == 0 and r.stdout == "ABC\n", f"{r.returncode} {r.stdout!r} {r.stderr}")
        r = cli(g, "jobs", "--json")
        check(r.returncode == 0 and [j["state"] for j in json.loads(r.stdout)["items"]] == ["done"], r.stdout + r.stderr)
        job = g.call("GET", "/v1/fog/jobs")["items"][0]["id"]
        check(v.call("GET", "/v1/fog/jobs/" + job)["state"] == "done", "it is not in the coordinator's book")
        there, here = (next(e["at_ms"] for e in x.events(job) if e["kind"] == "done") for x in (v, g))
        check(here - there < 10000, f"the member heard of the end {here - there} ms late: it had to ask")
        results = os.path.join(v.dir, "results")
        r = cli(g, "job", job, "--output", results)
        files = [os.path.join(d, f) for d, _, fs in os.walk(results) for f in fs]
        check(r.returncode == 0 and any(open(f).read() == "ABC\n" for f in files), f"{r.stderr} {files}")
        v.ended(v.job(slow, INPUTS, args=["1"]), 60)
        check(len(g.call("GET", "/v1/fog/jobs")["items"]) == 1, "the member shows jobs of others")
    finally:
        v.down()


def ended(g, job, seconds):
    """As Gateway.ended(), while the gateway itself may be down."""
    def probe():
        j = g.call("GET", "/v1/fog/jobs/" + job)
        return j if j["state"] in FINAL else None
    return wait(f"the end of job {job} at {g.node.name}", seconds, probe, 0.2)


def right(g, job, seconds, want=WANT):
    j = ended(g, job, seconds)
    check(j["state"] == "done", f"{g.node.name}: the job ended as {j['state']}: {j['error']}")
    check(g.output(job) == want, "the output is not that of the program")
    check(all(t["state"] == "done" for t in g.tasks(job)), f"tasks: {g.tasks(job)}")


def test_a_job_survives_kill_9_of_the_member_and_of_the_coordinator(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        g, slow = member(v), os.path.join(wasm, "slow.wasm")
        right(g, g.job(slow, INPUTS, args=["1"]), 60)  # compiled
        for victims in (["g0"], ["head"], ["g0", "head"], ["head", "g0"]):
            job = g.job(slow, INPUTS, args=["300"])
            nodes = [n for name in victims for n in v.nodes if n.name == name]
            for n in nodes:
                n.kill()
            for n in nodes:
                n.start()
            right(g, job, 120)
            events = [e["kind"] for e in v.events(job)]
            check(events.count("submitted") == 1 and events.count("done") == 1, f"{victims}: {events}")
    finally:
        v.down()


def test_large_inputs_and_outputs_travel_in_pieces(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        g, slow = member(v), os.path.join(wasm, "slow.wasm")
        lines = [bytes(97 + (i * 7 + k) % 26 for i in range(999)) + b"\n" for k in range(3)]
        big = [lines[0] * 900, lines[1] * 900, lines[2] * 90]  # 1.9 MB there, and as much back
        right(g, g.job(slow, big, args=["1"]), 90, b"".join(big).upper())
        job = g.job(slow, [b"x" * 999 + b"\n"], args=["1"])
        right(g, job, 60, b"X" * 999 + b"\n")
    finally:
        v.down()


def test_cancel_and_refusals_speak_plainly(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        g, slow = member(v), os.path.join(wasm, "slow.wasm")
        right(g, g.job(slow, INPUTS, args=["1"]), 60)
        job = g.job(slow, INPUTS, args=["60000"])
        wait("it to run", 40, lambda: g.call("GET", "/v1/fog/jobs/" + job)["state"] == "running")
        r = cli(g, "job", job, "--cancel")
        check(r.returncode == 0, r.stderr)
        check(ended(g, job, 30)["state"] == "cancelled" and v.call("GET", "/v1/fog/jobs/" + job)["state"] == "cancelled", "cancel")
        status, _, raw = g.raw("DELETE", "/v1/fog/jobs/" + job)
        check(status == 409, f"cancel again: {status} {raw}")
        big = os.path.join(v.dir, "big")
        open(big, "wb").write(os.urandom(5 << 20))
        r = cli(g, "run", slow, "--input", big)
        check(r.returncode != 0 and "4 MiB" in r.stderr and "coordinator" in r.stderr, f"big: {r.returncode} {r.stderr}")
        blob = g.blob(b"one\n")
        body = {"kind": "wasm", "program": g.blob(open(slow, "rb").read())["hash"], "inputs": [{"name": f"i{n}", **blob} for n in range(257)]}
        status, _, raw = g.raw("POST", "/v1/fog/jobs", body)
        check(status == 422 and b"256 tasks" in raw, f"257 tasks: {status} {raw}")
        r = cli(g, "run", slow, "--privacy", "private", "--", "1")
        check(r.returncode != 0 and "consensus" in r.stderr, f"private without a network: {r.returncode} {r.stderr}")
        check(len(g.call("GET", "/v1/fog/jobs")["items"]) == 2, "what was refused left a row")
    finally:
        v.down()


def test_a_private_job_of_a_member_leaves_only_through_the_mixes(program, wasm, examples):
    v = MixVillage(program, plain=0)
    try:
        g, slow = member(v), os.path.join(wasm, "slow.wasm")
        right(g, g.job(slow, INPUTS, args=["1"]), 90)  # compiled, and the coordinator has the program
        v.consensus(recipients=5)
        wait("the level at the member", 60, lambda: next(x for x in g.call("GET", "/v1/mix")["levels"] if x["name"] == "private")["available"])
        before = g.call("GET", "/v1/mix")["client"]
        job = g.job(slow, INPUTS, args=["1"], privacy="private")
        right(g, job, 150)
        after = g.call("GET", "/v1/mix")["client"]
        check(after["messages_out"] > before["messages_out"] and after["messages_in"] > before["messages_in"], f"{before} {after}")
        text = os.path.join(v.dir, "in.txt")
        open(text, "w").write("abc\n")
        r = cli(g, "run", slow, "--privacy", "private", "--input", text, "--", "1")
        check(r.returncode == 0 and r.stdout == "ABC\n", f"{r.returncode} {r.stdout!r} {r.stderr}")
    finally:
        v.down()


def test_a_private_job_survives_kill_9_of_both_ends(program, wasm, examples):
    v = MixVillage(program, plain=0)
    try:
        g, slow = member(v), os.path.join(wasm, "slow.wasm")
        right(g, g.job(slow, INPUTS, args=["1"]), 90)
        v.consensus(recipients=5)
        wait("the level at the member", 60, lambda: next(x for x in g.call("GET", "/v1/mix")["levels"] if x["name"] == "private")["available"])
        job = g.job(slow, INPUTS, args=["200"], privacy="private")
        for n in (g.node, v.head):
            n.kill()
            n.start()
        right(g, job, 240)
        check([e["kind"] for e in v.events(job)].count("submitted") == 1, "it was submitted twice")
    finally:
        v.down()
