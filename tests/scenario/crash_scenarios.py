"""Crashes and cuts: what was acknowledged survives, each task is in the books once, nothing needs a hand."""
import os
import random
import signal
import time

from harness import Village, check, wait

INPUTS = [f"line {i} of the text\n".encode() for i in range(12)]
WANT = b"".join(INPUTS).upper()


def books_are_right(v, job, state="done"):
    j = v.ended(job, 90)
    check(j["state"] == state, f"the job ended as {j['state']}: {j['error']}")
    tasks = v.tasks(job)
    check(len(tasks) == len(INPUTS) and all(t["state"] == "done" for t in tasks), f"tasks: {[t['state'] for t in tasks]}")
    done = [e for e in v.events(job) if e["kind"] == "task_done"]
    numbers = sorted(e["task"] for e in done)
    check(numbers == list(range(len(INPUTS))), f"task_done lines: {numbers}")
    check(v.output(job) == WANT, "the output is not that of the program")


def test_jobs_end_right_when_worker_or_coordinator_or_both_are_killed_20_times_at_random_moments(program, wasm, examples):
    seed = int(os.environ.get("VILLAGE_SEED", time.time_ns() % 1000000))
    rng = random.Random(seed)
    print(f"# VILLAGE_SEED={seed}", flush=True)
    v = Village(program, workers=2)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        v.ended(v.job(slow, INPUTS, args=["1"]), 60)  # compiled everywhere
        for round_no in range(20):
            job = v.job(slow, INPUTS, args=["150"], name=f"round {round_no}", max_attempts=10)
            victims = [[v.nodes[1]], [v.head], [v.nodes[2], v.head], v.nodes[1:]][round_no % 4]
            time.sleep(rng.uniform(0, 1.2))
            for n in victims:
                n.kill()
            time.sleep(rng.uniform(0, 0.5))
            for n in victims:
                n.start()
            wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
            books_are_right(v, job)
    finally:
        v.down()


def test_a_runner_that_is_killed_is_started_again_and_its_tasks_run_again(program, wasm, examples):
    v = Village(program, workers=1, slots=2)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        v.ended(v.job(slow, INPUTS, args=["1"]), 60)
        job = v.job(slow, INPUTS, args=["300"])
        time.sleep(0.4)
        killed = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
            except OSError:
                continue
            if b"runner" in command and any(v.dir.encode() in part for part in command):
                os.kill(int(pid), signal.SIGKILL)
                killed += 1
        check(killed >= 2, f"found {killed} runners")
        books_are_right(v, job)
    finally:
        v.down()


def test_a_node_that_hangs_is_lost_its_tasks_move_and_it_comes_back_when_it_wakes(program, wasm, examples):
    v = Village(program, workers=2)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        v.ended(v.job(slow, INPUTS, args=["1"]), 60)
        job = v.job(slow, INPUTS, args=["400"])
        time.sleep(0.5)
        os.kill(v.nodes[1].p.pid, signal.SIGSTOP)
        wait("the node to be lost", 20, lambda: [n for n in v.call("GET", "/v1/fog/nodes")["items"]
                                                 if n["name"] == "w0" and n["state"] == "offline"])
        books_are_right(v, job)
        os.kill(v.nodes[1].p.pid, signal.SIGCONT)
        v.ready(3)
        books_are_right(v, v.job(slow, INPUTS, args=["1"]))
    finally:
        v.down()


def test_a_cut_link_is_resumed_or_made_anew_and_the_job_ends_right(program, wasm, examples):
    from proxy import Proxy
    proxy = Proxy()
    v = Village(program, workers=0)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        v.head.stop()
        proxy.target = v.links
        v.head.args = (*v.head.args, "--advertise", f"127.0.0.1:{proxy.port}")
        v.head.start()
        wait("the gateway", 20, lambda: v.call("GET", "/v1/system/health"))
        from harness import Node
        ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
        v.nodes.append(Node(v, "w0", "join", ticket, "--listen", "127.0.0.1:0", *v.timing))
        v.ready(2)
        v.ended(v.job(slow, INPUTS, args=["1"]), 60)
        for how in ("reset", "blackhole", "refuse", "reset"):
            job = v.job(slow, INPUTS, args=["200"], max_attempts=10)
            time.sleep(0.3)
            proxy.cut(how)
            time.sleep(3 if how != "reset" else 0.2)
            proxy.heal()
            books_are_right(v, job)
        v.ready(2)
    finally:
        v.down()
        proxy.close()


def test_an_idempotent_submit_survives_the_coordinators_death(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        nop = os.path.join(examples, "nop.wasm")
        body = {"kind": "wasm", "program": v.blob(open(nop, "rb").read())["hash"]}
        first = v.call("POST", "/v1/fog/jobs", body, {"Idempotency-Key": "k1"})
        v.head.kill()
        v.head.start()
        wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
        status, head, raw = v.raw("POST", "/v1/fog/jobs", body, {"Idempotency-Key": "k1"})
        check(first["id"].encode() in raw and head.get("Idempotent-Replayed") == "true", f"{status} {head} {raw[:200]}")
        check(v.raw("POST", "/v1/fog/jobs", {**body, "name": "other"}, {"Idempotency-Key": "k1"})[0] == 422, "another body is refused")
        check(len(v.call("GET", "/v1/fog/jobs")["items"]) == 1, "one job")
        others = (("/v1/tickets", {"uses": 2}), ("/v1/fog/market/quote", {"tier": "gold", "work_nh": 1000}),
                  ("/v1/fog/market/auctions", {"tier": "gold", "work_nh": 1000, "reserve": 1000, "duration_ms": 60000}))
        first = [v.raw("POST", path, body, {"Idempotency-Key": "k" + path}) for path, body in others]
        v.head.kill()
        v.head.start()
        wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
        for (path, body), (status, _, raw) in zip(others, first):
            again = v.raw("POST", path, body, {"Idempotency-Key": "k" + path})
            check(status in (200, 201) and (status, raw) == (again[0], again[2]) and again[1].get("Idempotent-Replayed") == "true", f"{path}: {again}")
    finally:
        v.down()


def test_an_input_that_was_lost_is_named_and_the_job_ends_once_it_is_sent_again(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        head = next(n["id"] for n in v.call("GET", "/v1/fog/nodes")["items"] if n["name"] == "head")
        v.call("POST", f"/v1/fog/nodes/{head}/maintenance", {"on": True})
        v.nodes[1].stop()
        text = b"%d lines\n" % os.getpid() + b"x" * 100000 + b"\n"
        job = v.job(os.path.join(wasm, "slow.wasm"), [text], args=["1"])
        hash = v.call("GET", "/v1/fog/jobs/" + job)["spec"]["inputs"][0]["hash"]
        os.unlink(os.path.join(v.head.data, "blobs", hash[:2], hash))
        v.nodes[1].start()
        refused = wait("the refusal", 30, lambda: [e for e in v.events(job) if e["kind"] == "task_refused"])
        check("cannot be fetched" in refused[0]["detail"] and refused[0]["node"], f"{refused}")
        v.blob(text)
        check(v.ended(job, 60)["state"] == "done" and v.output(job) == text.upper(), f"{v.events(job)}")
    finally:
        v.down()
