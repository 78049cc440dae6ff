"""Verification: workers that lie, copy, or will not tell lose against honest ones and are named; receipts are proved; a round
of commitments survives the death of those in it."""
import json
import os
import subprocess
import time

from harness import Node, Village, check, wait

TEXT = [b"one line\n", b"another line\n"]
WANT = b"".join(TEXT).upper()


def liar(v, habit, name=None):
    """A worker with that habit: the scenarios' own build of the program."""
    ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
    honest, os.environ["VILLAGE_LIAR"] = v.program, habit
    v.program = os.path.abspath(os.path.join(v.wasm, "village_liar"))
    try:
        n = Node(v, name or "liar-" + habit, "join", ticket, "--listen", "127.0.0.1:0", "--slots", "2", *v.timing)
    finally:
        v.program = honest
        del os.environ["VILLAGE_LIAR"]
    v.nodes.append(n)
    return wait(f"{n.name} to join", 30, lambda: [x for x in v.call("GET", "/v1/fog/nodes")["items"]
                                                  if x["name"] == n.name and x["features"]])[0]["id"]


def village(program, wasm, **more):
    v = Village(program, workers=1, **more)
    v.wasm = wasm
    return v


def warm(v, slow):
    """Compiled on every node, so that all copies of a round take part."""
    for _ in range(2):
        v.ended(v.job(slow, [b"x"], args=["1"], replicas=3), 120)


def command(v, *args):
    env = dict(os.environ, VILLAGE_ADDR=f"http://127.0.0.1:{v.gateway}", VILLAGE_TOKEN=v.token())
    return subprocess.run([v.program, *args], capture_output=True, text=True, timeout=60, env=env)


def blamed(v, job, node):
    return [e for e in v.events(job) if e["kind"] == "wrong" and e.get("node") == node]


def test_a_worker_that_makes_results_up_loses_against_two_and_is_named(program, wasm, examples):
    v = village(program, wasm)
    try:
        who, slow = liar(v, "wrong"), os.path.join(wasm, "slow.wasm")
        warm(v, slow)
        for _ in range(3):
            job = v.job(slow, TEXT, args=["1"], replicas=3)
            check(v.ended(job, 60)["state"] == "done" and v.output(job) == WANT, "the honest result is the job's")
            check(len(blamed(v, job, who)) == len(TEXT), f"the liar is named for each task: {v.events(job)}")
        job = v.job(slow, TEXT[:1], args=["1"], replicas=3, deterministic=True)
        check(v.ended(job, 60)["state"] == "done" and v.output(job) == TEXT[0].upper(), "a deterministic job")
        said = wait("its dispute to end", 30, lambda: [e for e in v.events(job) if e["kind"] == "dispute_ended"])
        check("accepted result is right" in said[0]["detail"] and said[0]["node"] == who, f"it asked once and was refuted: {said}")
        others = [n for n in v.call("GET", "/v1/fog/nodes")["items"] if n["id"] != who]
        check(not any(blamed(v, job, n["id"]) for n in others), "and nobody else")
    finally:
        v.down()


def test_two_in_league_against_two_are_settled_by_the_coordinators_own_run(program, wasm, examples):
    v = village(program, wasm)
    try:
        slow, league = os.path.join(wasm, "slow.wasm"), [liar(v, "wrong", name) for name in ("one", "two")]
        job = v.job(slow, TEXT[:1], args=["1"], replicas=4, deterministic=True)
        check(v.ended(job, 120)["state"] == "done" and v.output(job) == TEXT[0].upper(), f"the truth wins: {v.events(job)}")
        check(all(blamed(v, job, n) for n in league), f"both are named: {v.events(job)}")
    finally:
        v.down()


def test_results_without_the_commitment_or_that_do_not_open_it_are_refused(program, wasm, examples):
    for habit, words in (("lazy", "without the commitment"), ("copy", "not what it committed to")):
        v = village(program, wasm)
        try:
            who, slow = liar(v, habit), os.path.join(wasm, "slow.wasm")
            job = v.job(slow, TEXT, args=["1"], replicas=3)
            j = wait("the liar to be named", 90, lambda: blamed(v, job, who))
            check(all(words in e["detail"] for e in j), f"{habit}: {j}")
            check(v.ended(job, 120)["state"] == "done" and v.output(job) == WANT, f"{habit}: the others go on without it")
        finally:
            v.down()


def test_a_worker_that_commits_and_does_not_tell_holds_nobody_up_for_ever(program, wasm, examples):
    v = village(program, wasm)
    try:
        who, slow = liar(v, "silent"), os.path.join(wasm, "slow.wasm")
        job = v.job(slow, TEXT[:1], args=["1"], replicas=3)
        check(v.ended(job, 150)["state"] == "done", "two that tell are enough")
        j = blamed(v, job, who)
        check(j and "did not tell" in j[0]["detail"], f"{v.events(job)}")
    finally:
        v.down()


def test_a_round_survives_kill_9_of_worker_and_coordinator_between_commitment_and_reveal(program, wasm, examples):
    v = village(program, wasm)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
        late = Node(v, "late", "join", ticket, "--listen", "127.0.0.1:0", "--slots", "2", *v.timing)
        v.nodes.append(late)
        v.ready(3)
        warm(v, slow)
        for round_no in range(4):
            job = v.job(slow, TEXT, args=["400"], replicas=3, name=f"round {round_no}")
            time.sleep(0.3 + 0.08 * round_no)
            victims = [[v.nodes[1]], [v.head], [v.nodes[1], v.head], v.nodes[:3]][round_no]
            for n in victims:
                n.kill()
            time.sleep(0.2)
            for n in victims:
                n.start()
            wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
            check(v.ended(job, 120)["state"] == "done" and v.output(job) == WANT, f"round {round_no}")
            check(not [e for e in v.events(job) if e["kind"] == "wrong"], f"nobody is blamed for dying: {v.events(job)}")
    finally:
        v.down()


def test_receipts_are_in_a_signed_log_that_only_grows_and_survives_kill_9(program, wasm, examples):
    v = village(program, wasm)
    try:
        slow, heads = os.path.join(wasm, "slow.wasm"), []
        for _ in range(3):
            for _ in range(6):
                job = v.job(slow, TEXT + [b"x", b"y"], args=["1"])
                v.ended(job, 60)
            heads.append(v.call("GET", "/v1/fog/log"))
            v.head.kill()
            v.head.start()
            wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
            v.ready(2)
            again = v.call("GET", "/v1/fog/log")
            check((again["size"], again["root"]) == (heads[-1]["size"], heads[-1]["root"]), f"{again} after {heads[-1]}")
        check(heads[0]["size"] >= 24 and heads[2]["size"] > heads[1]["size"] > heads[0]["size"], f"{heads}")
        proof = v.call("GET", f"/v1/fog/log/consistency?sizes={heads[0]['size']}-{heads[2]['size']}")
        check(consistent(heads[0], heads[2], proof["proof"]), "the log of then is the beginning of that of now")
        check(v.raw("GET", f"/v1/fog/log/{heads[2]['size'] + 1000}")[0] == 404, "beyond the end")
        check(v.raw("GET", "/v1/fog/log/consistency?sizes=9-3")[0] == 400, "sizes in the wrong order")
        r = command(v, "receipts", job, "--check", "--json")
        check(r.returncode == 0, f"{r.returncode} {r.stdout} {r.stderr}")
        items = json.loads(r.stdout)["items"]
        check(r.returncode == 0 and len(items) == 4 and all(i["proved"] for i in items), f"{r.returncode} {r.stdout} {r.stderr}")
        r = command(v, "receipts", job)
        check(r.returncode == 0 and len(r.stdout.splitlines()) == 5, f"{r.stdout} {r.stderr}")
    finally:
        v.down()


def consistent(old, new, proof):
    """RFC 9162 section 2.1.4.2, written down a second time."""
    from hashlib import sha256
    node = lambda a, b: sha256(b"\1" + a + b).digest()
    first, second = bytes.fromhex(old["root"]), bytes.fromhex(new["root"])
    path = [bytes.fromhex(p) for p in proof]
    if old["size"] & (old["size"] - 1) == 0:
        path.insert(0, first)
    fn, sn = old["size"] - 1, new["size"] - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == first and sr == second and sn == 0


def test_class_a_waits_for_a_second_owner_and_says_so(program, wasm, examples):
    v = village(program, wasm)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        job = v.job(slow, TEXT[:1], args=["1"], **{"class": "A"})
        time.sleep(4)
        j = v.call("GET", "/v1/fog/jobs/" + job)
        check(j["state"] not in ("done", "failed") and j["replicas"] == 2, f"both nodes are on one machine: {j}")
        said = [e["detail"] for e in v.events(job) if e["kind"] == "job_waiting"]
        check(any("domain" in s for s in said), f"why it waits: {said}")
        ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
        v.nodes.append(Node(v, "other", "join", ticket, "--listen", "127.0.0.1:0", "--slots", "2", "--label", "host=elsewhere",
                            "--label", "owner=somebody", *v.timing))
        check(v.ended(job, 90)["state"] == "done", "a node of another owner came")
    finally:
        v.down()


def test_more_replicated_tasks_than_there_are_slots_all_end(program, wasm, examples):
    v = Village(program, workers=3)
    try:
        job = v.job(os.path.join(wasm, "slow.wasm"), [b"line %d\n" % i for i in range(40)], args=["0"], replicas=2)
        j = v.ended(job, 120)
        check(j["state"] == "done" and j["tasks"]["done"] == 40, f"first copies must not hold the slots of their siblings: {j}")
    finally:
        v.down()
