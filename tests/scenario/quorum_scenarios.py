"""Promises of availability with real processes: refused with the reason, kept over kill -9, measured and owed back."""
import json
import os
import subprocess

from harness import Node, Village, check, wait

ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1", NO_COLOR="1")


def cli(v, *args):
    return subprocess.run([v.program, args[0], "--data", v.node.data, *args[1:]], capture_output=True, text=True, env=ENV, timeout=180)


def grow(v, names):
    """Members that say they have nothing in common."""
    for i, name in enumerate(names):
        ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
        labels = [x for kind in ("host", "site", "owner") for x in ("--label", f"{kind}={name}")]
        v.nodes.append(Node(v, name, "join", ticket, "--listen", "127.0.0.1:0", "--slots", "2", *labels, *v.timing))
    wait("them to join", 30, lambda: len([n for n in v.call("GET", "/v1/fog/nodes")["items"] if n["name"] in names and n["state"] == "idle" and n["features"]]) == len(names))


def test_a_tier_is_refused_in_words_or_kept_over_kill_9_and_what_was_missed_is_written_down(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        text = os.path.join(v.dir, "in.txt")
        open(text, "w").write("abc\n")
        grow(v, ["w0"])
        r = cli(v, "quorum", "check", "--tier", "gold")
        check(r.returncode == 1 and "gold needs nodes of 3 owners; of those that fit there is 1" in r.stderr, f"{r.returncode} {r.stderr}")
        r = cli(v, "run", slow, "--tier", "platinum", "--input", text, "--", "1")
        check(r.returncode != 0 and "platinum needs nodes of 5 owners; of those that fit there is 1" in r.stderr, f"{r.returncode} {r.stderr}")
        check(v.call("GET", "/v1/fog/jobs")["items"] == [], "what was refused is in the book")

        grow(v, ["w1", "w2"])
        r = cli(v, "quorum", "check", "--tier", "bronze", "--json")
        found = json.loads(r.stdout)
        check(r.returncode == 0 and found["possible"] and len(found["nodes"]) == 3, r.stdout + r.stderr)  # newcomers: 72 % each
        job = v.job(slow, [b"abc\n"], args=["6000"], tier="bronze")
        a = v.call("GET", f"/v1/fog/agreements/{job}")
        check(a["state"] == "open" and a["tier"] == "bronze" and len(a["nodes"]) == 3 and a["computed_ppb"] >= 950000000, a)
        check(v.call("GET", f"/v1/fog/jobs/{job}")["replicas"] == 3, "replicas were not raised")
        head = v.nodes[0]
        head.kill()
        head.start()
        b = wait("the agreement after kill -9", 20, lambda: v.call("GET", f"/v1/fog/agreements/{job}"))
        check(b["start_ms"] == a["start_ms"] and b["tier"] == "bronze", b)
        check(v.ended(job, 90)["state"] == "done", v.events(job))
        c = v.call("GET", f"/v1/fog/agreements/{job}")
        check(c["state"] in ("kept", "missed") and c["end_ms"] > c["start_ms"], c)
        check(c["up_ms"] + c["down_ms"] + c["unobserved_ms"] == c["end_ms"] - c["start_ms"], c)
        check(c["breach"] == (c["down_ms"] + c["unobserved_ms"] > c["allowed_ms"]), c)
        kinds = [e["kind"] for e in v.events(job)]
        check("agreement" in kinds and ("refund" in kinds) == c["breach"], kinds)
        r = cli(v, "quorum", "agreements")
        check(r.returncode == 0 and c["state"] in r.stdout and "bronze" in r.stdout, r.stdout + r.stderr)
    finally:
        v.down()
