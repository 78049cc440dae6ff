"""The private network over real processes: consensus, private jobs, relays and authorities that die."""
import http.client
import os
import threading
import time

from harness import Node, Village, check, free_port, wait

EPOCH_MS = 12000
INPUTS = [f"line {i} of the text\n".encode() for i in range(6)]
WANT = b"".join(INPUTS).upper()


class MixVillage(Village):
    """A head and three workers that are mixes, and one member that is not; the workers keep the directory."""

    def __init__(self, program, plain=1):
        super().__init__(program, workers=0, timing=("--heartbeat", "500ms", "--lost", "4s", "--mix", "--mix-rate", "500"))
        ticket = self.call("POST", "/v1/tickets", {"uses": 3 + plain})["ticket"]
        for i in range(3):  # a port that stays: the charter names authorities with their addresses
            self.nodes.append(Node(self, f"m{i}", "join", ticket, "--listen", f"127.0.0.1:{free_port()}", "--slots", "2", *self.timing))
        for i in range(plain):
            self.nodes.append(Node(self, f"p{i}", "join", ticket, "--listen", "127.0.0.1:0", "--slots", "2", *self.timing[:4]))
        self.ready(4 + plain)
        self.ids = {n["name"]: n["id"] for n in self.call("GET", "/v1/fog/nodes")["items"]}
        self.call("POST", "/v1/mix/charter", {"authorities": [self.ids[f"m{i}"] for i in range(3)], "epoch_ms": EPOCH_MS, "floor": 1})

    def mix(self):
        return self.call("GET", "/v1/mix")

    def level(self, name):
        return next(x for x in self.mix()["levels"] if x["name"] == name)

    def consensus(self, epoch=1, relays=4, recipients=4, seconds=60):
        def probe():
            m = self.mix()
            return m if m["consensus_epoch"] >= epoch and m["relays"] >= relays and m["recipients"] >= recipients else None
        return wait(f"a consensus of epoch {epoch} with {relays} relays", seconds, probe, 0.2)


def run_private(v, wasm, level="private", seconds=90, **spec):
    before = v.mix()["client"]["messages_out"]
    job = v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["1"], privacy=level, **spec)
    j = v.ended(job, seconds)
    check(j["state"] == "done", f"the job ended as {j['state']}: {j['error']}")
    check(v.output(job) == WANT, "the output is not that of the program")
    return v.mix()["client"]["messages_out"] - before, v.tasks(job)


def test_a_village_agrees_on_a_consensus_and_runs_a_job_through_the_mixes(program, wasm, examples):
    v = MixVillage(program)
    try:
        v.ended(v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["1"]), 60)  # compiled everywhere
        m = v.consensus()
        check(m["authorities"] == 3 and m["threshold"] == 2, f"charter: {m}")
        check(v.level("private")["available"], f"private: {v.level('private')}")
        secret = v.level("secret")
        check(not secret["available"] and "21" in secret["reason"], f"secret: {secret}")
        rtt = v.call("POST", "/v1/mix/ping", {"node": v.ids["m1"]})["rtt_ms"]
        check(0 < rtt < 90000, f"a ping through the mixes took {rtt} ms")
        sent, tasks = run_private(v, wasm)
        elsewhere = [t for t in tasks if t["node"] != v.ids["head"]]
        check(sent >= len(elsewhere), f"{sent} private messages for {len(elsewhere)} tasks on other nodes")
        relays = v.call("GET", "/v1/mix/relays")["items"]
        check(sorted(r["number"] for r in relays) == [1, 2, 3, 4], f"numbers: {relays}")
        metrics = v.call("GET", "/v1/system/metrics").decode()
        check('village_mix_packets_dropped_total{reason="mac"} 0' in metrics, "metrics lack the drops of the mix")
    finally:
        v.down()


def test_a_member_that_is_no_mix_is_reached_through_its_provider(program, wasm, examples):
    v = MixVillage(program)
    try:
        v.ended(v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["1"]), 60)
        v.consensus(recipients=5)
        for name in ("head", "m0", "m1", "m2"):
            v.call("POST", f"/v1/fog/nodes/{v.ids[name]}/maintenance", {"on": True})
        _, tasks = run_private(v, wasm, seconds=150)
        check(all(t["node"] == v.ids["p0"] for t in tasks), f"ran on {[t['node'] for t in tasks]}")
    finally:
        v.down()


def test_private_jobs_end_although_a_mix_is_killed_and_started_again(program, wasm, examples):
    v = MixVillage(program, plain=0)
    try:
        v.ended(v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["1"]), 60)
        v.consensus()
        for round_no in range(2):
            job = v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["100"], privacy="private", max_attempts=10)
            victim = v.nodes[1 + round_no]
            time.sleep(0.7)
            victim.kill()
            time.sleep(1)
            victim.start()
            j = v.ended(job, 150)
            check(j["state"] == "done" and v.output(job) == WANT, f"round {round_no}: {j['state']} {j['error']}")
    finally:
        v.down()


def test_the_directory_goes_on_with_two_of_three_authorities_and_stops_with_one(program, wasm, examples):
    v = MixVillage(program, plain=0)
    try:
        first = v.consensus()["consensus_epoch"]
        v.nodes[1].kill()
        v.consensus(epoch=first + 2, relays=3, recipients=3, seconds=80)
        v.nodes[2].kill()

        def closed():
            level = v.level("private")
            return None if level["available"] else level["reason"]
        reason = wait("the private level to be refused", 80, closed, 0.5)
        check("consensus" in reason or "relay" in reason, f"the reason does not say why: {reason}")
        v.nodes[1].start()
        v.nodes[2].start()
        wait("a new consensus", 100, lambda: v.level("private")["available"], 0.5)
    finally:
        v.down()


def test_a_request_that_still_waits_ends_with_its_node(program, wasm, examples):
    v = MixVillage(program)
    try:
        v.consensus()
        v.nodes[4].kill()  # who is pinged
        ended = []

        def ask():
            try:
                ended.append(v.raw("POST", "/v1/mix/ping", {"node": v.ids["p0"]}, timeout=60)[0])
            except (OSError, http.client.HTTPException) as e:
                ended.append(e)
        asked = threading.Thread(target=ask)
        asked.start()
        time.sleep(1)
        check(asked.is_alive(), f"it waits: {ended}")
        check(v.head.stop() == 0, "with the sanitizer's leaks")
        asked.join(20)
        check(len(ended) == 1, "nobody waits for a node that is gone")
    finally:
        v.down()
