"""The command line against real villages: the newcomer's first minutes, wrong words, Ctrl-C."""
import json
import os
import signal
import subprocess

from harness import Node, Village, check, wait

ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1", NO_COLOR="1")


def cli(v, *args, **kw):
    return subprocess.run([v.program, args[0], "--data", v.head.data, *args[1:]], capture_output=True, text=True, env=ENV, timeout=120, **kw)


def test_the_demonstration_counts_words_on_four_nodes_and_ends_well(program, wasm, examples):
    demo = os.path.join(os.path.dirname(__file__), "../../tools/demo")
    for _ in range(6):  # a node that is being measured at that moment takes no task, and the others are quick
        r = subprocess.run([demo, program, examples, "--once"], capture_output=True, text=True, env=ENV, timeout=180)
        check(r.returncode == 0 and "equal to an independent count" in r.stdout, r.stdout[-800:] + r.stderr[-1500:])
        if "on 4 nodes" in r.stdout:
            return
    check(False, f"never on all four nodes: {r.stdout[-800:]}")


def test_wrong_words_get_help_and_the_documented_exit_codes(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        for args, code, word in ((["rum"], 2, "run"), (["run"], 2, "PROGRAM"), (["run", "/no/such.wasm"], 3, "no"), (["job", "ffff"], 3, "job"),
                                 (["run", "--replicas", "99", "x"], 2, "replicas"), (["nodes", "--colour"], 2, "colour"),
                                 (["jobs", "--server", "http://127.0.0.1:1"], 5, "up"), (["jobs", "--token", "wrong" * 8], 4, "token")):
            r = cli(v, *args)
            check(r.returncode == code and word in r.stderr, f"{args}: {r.returncode} {r.stderr}")
        check(cli(v, "help").returncode == 0 and "village run" in cli(v, "help", "run").stdout, "help")
    finally:
        v.down()


def test_run_follow_interrupt_detach_output_and_cancel(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        slow, text = os.path.join(wasm, "slow.wasm"), os.path.join(v.dir, "in.txt")
        open(text, "w").write("abc\n")
        r = cli(v, "run", slow, "--input", text, "--", "1")
        check(r.returncode == 0 and r.stdout == "ABC\n", f"{r.returncode} {r.stdout!r} {r.stderr}")
        r = cli(v, "run", slow, "--input", text, "--json", "--", "1")
        check(json.loads(r.stdout)["job"]["state"] == "done", r.stdout)
        p = subprocess.Popen([v.program, "run", slow, "--input", text, "--data", v.head.data, "--", "4000"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, env=ENV)
        wait("it to run", 20, lambda: [j for j in v.call("GET", "/v1/fog/jobs")["items"] if j["state"] == "running"])
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=20)
        check(p.returncode == 130 and "village job" in err, f"{p.returncode} {err}")
        job = v.call("GET", "/v1/fog/jobs")["items"][0]["id"]
        check(v.ended(job, 30)["state"] == "done", "the job went on")
        r = cli(v, "job", job, "--output", os.path.join(v.dir, "results"))
        files = [os.path.join(d, f) for d, _, fs in os.walk(os.path.join(v.dir, "results")) for f in fs]
        check(r.returncode == 0 and any(open(f).read() == "ABC\n" for f in files), f"{r.stderr} {files}")
        r = cli(v, "run", slow, "--detach", "--", "60000")
        job = r.stdout.strip().splitlines()[-1]
        check(r.returncode == 0 and len(job) == 32, r.stdout)
        r = cli(v, "job", job, "--cancel")
        check(r.returncode == 0, r.stderr)
        wait("the end", 20, lambda: v.call("GET", "/v1/fog/jobs/" + job)["state"] == "cancelled")
    finally:
        v.down()


def test_replicas_agree_and_a_deterministic_run_can_be_repeated(program, wasm, examples):
    v = Village(program, workers=2)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        job = v.job(slow, [b"one\n", b"two\n"], args=["1"], replicas=3)
        check(v.ended(job, 60)["state"] == "done" and v.output(job) == b"ONE\nTWO\n", "replicas")
        a, b = (v.job(slow, [b"same\n"], args=["1"], deterministic=True) for _ in range(2))
        check(v.ended(a, 60)["state"] == "done" and v.ended(b, 60)["state"] == "done" and v.output(a) == v.output(b), "deterministic")
    finally:
        v.down()


def test_a_member_started_again_without_its_ticket_comes_back(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        w = v.nodes[1]
        w.stop()
        w.args = tuple(a for a in w.args if not a.startswith("vl1"))
        wait("it to be offline", 20, lambda: [n for n in v.call("GET", "/v1/fog/nodes")["items"] if n["name"] == "w0" and n["state"] == "offline"])
        w.start()
        v.ready(2)
    finally:
        v.down()


def test_a_member_joins_by_a_name_and_says_when_it_can_reach_nobody(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        plain = v.head.args

        def advertise(host):
            v.head.stop()
            v.head.args = [*plain, "--advertise", f"{host}:{v.links}"]
            v.head.start()
            wait("the gateway", 20, lambda: v.call("GET", "/v1/system/health"))
            return v.call("POST", "/v1/tickets", {"uses": 2})["ticket"]
        ticket = advertise("localhost")
        v.nodes.append(Node(v, "named", "join", ticket, "--listen", "127.0.0.1:0", *v.timing))
        v.ready(2)
        lost = Node(v, "lost", "join", advertise("no-such-host.invalid"), "--listen", "127.0.0.1:0", *v.timing)
        v.nodes.append(lost)
        wait("what is wrong", 30, lambda: f"no-such-host.invalid:{v.links}" in lost.log_text() and "cannot be reached" in lost.log_text())
        v.head.stop()
        alone = Node(v, "alone", "join", ticket, "--listen", "127.0.0.1:0", *v.timing)
        v.nodes.append(alone)
        wait("what is wrong", 30, lambda: "connection refused" in alone.log_text() and "--advertise" in alone.log_text())
    finally:
        v.down()
