"""Jobs submitted at a member's own gateway: over links and through the mixes, with either end killed in between."""
import json
import os
import subprocess

from harness import FINAL, Failure, Gateway, Node, Village, check, free_port, wait
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
        results = os.path.join(v.dir, "results")
        r = cli(g, "job", job, "--output", results)
        files = [os.path.join(d, f) for d, _, fs in os.walk(results) for f in fs]
        check(r.returncode == 0 and any(open(f).read() == "ABC\n" for f in files), f"{r.stderr} {files}")
        v.ended(v.job(slow, INPUTS, args=["1"]), 60)
        check(len(g.call("GET", "/v1/fog/jobs")["items"]) == 1, "the member shows jobs of others")
    finally:
        v.down()
