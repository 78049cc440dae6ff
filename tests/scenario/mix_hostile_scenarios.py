"""The private network over real processes, attacked: a relay that stands still, a directory that falls silent, a relay that is
expelled, charters that change.  Hostile packets and documents: tests/brain/mix_hostile_test.c."""
import os
import signal
import time

from harness import check, wait
from mix_scenarios import EPOCH_MS, INPUTS, WANT, MixVillage, run_private


def resident_kib(node):
    for line in open(f"/proc/{node.p.pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def compiled(v, wasm):
    v.ended(v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["1"]), 60)


def test_a_relay_that_stands_still_costs_packets_and_nothing_else(program, wasm, examples):
    v = MixVillage(program, plain=0)
    try:
        compiled(v, wasm)
        v.consensus()
        before = resident_kib(v.head)
        v.nodes[3].p.send_signal(signal.SIGSTOP)
        job = v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["1"], privacy="private", max_attempts=10)
        time.sleep(8)  # longer than packets are kept for a link
        check(v.call("GET", "/v1/system/health") is not None, "the head does not answer")
        grown = resident_kib(v.head) - before
        check(grown < 65536, f"the head grew by {grown} KiB")
        v.nodes[3].p.send_signal(signal.SIGCONT)
        j = v.ended(job, 200)
        check(j["state"] == "done" and v.output(job) == WANT, f"the job ended as {j['state']}: {j['error']}")
    finally:
        v.down()


def test_without_a_directory_private_jobs_wait_and_others_go_on(program, wasm, examples):
    v = MixVillage(program, plain=0)
    try:
        compiled(v, wasm)
        v.consensus()
        for n in v.nodes[1:3]:  # one of three authorities is too few
            n.kill()
        wait("the private level to be refused", 80, lambda: not v.level("private")["available"], 0.5)
        for name in ("public", "private", "confidential", "secret"):
            level = v.level(name)
            check(not level["available"] and level["reason"], f"{name}: {level}")
        v.call("POST", f"/v1/fog/nodes/{v.ids['head']}/maintenance", {"on": True})  # what it gives itself is sent nowhere
        sent = v.mix()["client"]["messages_out"]
        waiting = [v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["1"], privacy="private") for _ in range(5)]
        job = v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["1"])  # behind them, and not held up by them
        j = v.ended(job, 60)
        check(j["state"] == "done", f"a job without privacy ended as {j['state']}: {j['error']}")
        for w in waiting:
            state = v.call("GET", "/v1/fog/jobs/" + w)["state"]
            check(state in ("submitted", "priced", "placed"), f"a private job is {state} although nothing private can be sent")
        check(v.mix()["client"]["messages_out"] == sent, "private messages left without a consensus")
        for n in v.nodes[1:3]:
            n.start()
        for w in waiting:
            j = v.ended(w, 240)
            check(j["state"] == "done" and v.output(w) == WANT, f"a private job ended as {j['state']}: {j['error']}")
    finally:
        v.down()


def test_charters_change_and_a_relay_is_expelled_while_jobs_run(program, wasm, examples):
    v = MixVillage(program, plain=1)
    try:
        compiled(v, wasm)
        v.consensus(recipients=5)
        v.call("POST", "/v1/mix/charter", {"authorities": [v.ids[n] for n in ("m0", "m2", "p0")], "epoch_ms": EPOCH_MS, "floor": 1})
        first = v.mix()["consensus_epoch"]
        v.consensus(epoch=first + 2, recipients=5, seconds=90)
        run_private(v, wasm, seconds=120)
        v.call("POST", "/v1/mix/charter", {"authorities": [v.ids[n] for n in ("m0", "m2", "p0")], "epoch_ms": 2 * EPOCH_MS, "floor": 1})
        wait("epochs counted anew", 20, lambda: v.mix()["epoch_ms"] == 2 * EPOCH_MS)
        wait("a consensus of the new count", 120, lambda: v.mix()["consensus_epoch"] >= 1 and v.level("private")["available"], 0.5)
        run_private(v, wasm, seconds=150)
        status, _, raw = v.raw("DELETE", f"/v1/fog/nodes/{v.ids['m1']}")
        check(status < 300, f"expel: {status} {raw[:200]!r}")
        wait("a consensus without the expelled relay", 150, lambda: v.mix()["relays"] == 3, 0.5)
        level = v.level("private")  # the head is one of the three, and no path leads through oneself
        check(not level["available"] and "3 relays" in level["reason"], f"private: {level}")
    finally:
        v.down()
