"""Draws and availability over real processes and epochs of seconds: neighbours drawn and checked offline, challenges witnessed, a node that was
killed, kill -9 of the coordinator in between, a blob that is kept."""
import json
import os
import subprocess
import time

from harness import Gateway, Node, Village, check, free_port, wait
from proof_scenarios import offline

EPOCH = 4


def neighbours(g):
    return g.call("GET", "/v1/fog/neighbours")


def epoch_after(v, n, seconds=60):
    """Waits until the coordinator is a second into an epoch at least n later."""
    began = neighbours(v)["epoch"]
    wait(f"epoch {began + n}", seconds, lambda: neighbours(v)["epoch"] >= began + n, 0.2)
    time.sleep(0.7)


def facts_of(v, text, *args):
    r = offline(v, text, "--json", *args)
    a = json.loads(r.stdout)
    return r.returncode, a, [(x["name"], x["value"]) for x in a["facts"]]


def availability(v, node, at=None):
    text = (at or v).call("POST", "/v1/fog/proofs/generate", {"kind": "availability", "node": node})["artefact"]
    code, a, facts = facts_of(v, text)
    counted = dict(facts)
    asked, answered = counted["challenges"].split(" asked, ")
    return {"proved": code == 0, "asked": int(asked), "answered": int(answered.split()[0]), "witnesses": int(counted["witnesses"].split()[0]),
            "shown": int(counted["kept"].split(", ")[1].split()[0]), "text": text, "reason": a["reason"]}


def proof(v, node, at=None, epochs=4):
    """One that holds.  A witness asks four times in an epoch, by chance not at all in one of fifty: then another epoch is asked."""
    for _ in range(epochs):
        a = availability(v, node, at)
        if a["proved"]:
            break
        epoch_after(v, 1)
    return a


def village(program):
    v = Village(program, workers=3, head=("--epoch", f"{EPOCH}s"))
    port = free_port()
    ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
    member = Node(v, "m", "join", ticket, "--listen", "127.0.0.1:0", "--gateway", f"127.0.0.1:{port}", "--slots", "1", *v.timing)
    v.nodes.append(member)
    v.ready(5)
    v.member = Gateway(member, port)
    wait("five in the roll, and their neighbours", 20 * EPOCH, lambda: neighbours(v)["members"] == 5 and len(neighbours(v)["neighbours"]) == 4, 0.2)
    return v


def test_neighbours_are_drawn_checked_and_witness_who_is_there(program, wasm, examples):
    v = village(program)
    try:
        id_of = {n["name"]: n["id"] for n in v.call("GET", "/v1/fog/nodes")["items"]}
        home = v.call("GET", "/v1/system/info")["village_id"]
        epoch_after(v, 1)
        m, h = neighbours(v.member), neighbours(v)
        check(m["epoch"] == h["epoch"] and m["seed"] == h["seed"] and m["members"] == 5, f"{m} {h}")
        check(m["checks"]["epochs_recomputed"] >= 1 and m["checks"]["rolls_refused"] == 0 and m["checks"]["books_differed"] == 0, str(m))
        text = v.member.call("POST", "/v1/fog/proofs/generate", {"kind": "neighbours"})["artefact"]
        code, a, facts = facts_of(v, text, "--village", home)
        drawn = [value for name, value in facts if name == "neighbour"]
        check(code == 0 and a["kind"] == "neighbours" and sorted(drawn) == sorted(set(id_of.values()) - {id_of["m"]}), str(a))
        lines = text.splitlines()
        for i in range(1, len(lines) - 1, 4):
            bad = lines[i][:9] + ("B" if lines[i][9] != "B" else "C") + lines[i][10:]
            check(offline(v, "\n".join(lines[:i] + [bad] + lines[i + 1:]) + "\n").returncode == 1, f"line {i} changed")
        for name, id in id_of.items():
            a = proof(v, id)
            check(a["proved"] and a["witnesses"] >= 3 and a["asked"] > 0, f"{name}: {a}")
            check(a["answered"] >= a["asked"] - 2, f"{name}: {a}")  # a busy machine may be late once
        own = v.member.call("POST", "/v1/fog/proofs/generate", {"kind": "availability", "node": id_of["m"]})["artefact"]
        check(facts_of(v, own)[1]["kind"] == "availability", "the node has its own proof")
        blob = v.member.blob(os.urandom(300000))
        v.member.call("POST", "/v1/fog/kept", {"blob": blob["hash"]})
        check(v.member.raw("POST", "/v1/fog/kept", {"blob": "0" * 64})[0] == 404, "a blob that is not here")
        epoch_after(v, 2)
        a = proof(v, id_of["m"])
        check(a["proved"] and a["shown"] > 0 and a["shown"] >= a["answered"] - 2, str(a))
        v.call("DELETE", "/v1/fog/nodes/" + id_of["w2"])
        left = wait("a roll without it", 12 * EPOCH, lambda: neighbours(v.member)["members"] == 4 and neighbours(v.member), 0.2)
        check(id_of["w2"] not in left["neighbours"] and left["checks"]["rolls_refused"] == left["checks"]["books_differed"] == 0, str(left))
        epoch_after(v, 1)
        m, h = neighbours(v.member), neighbours(v)
        check(m["members"] == h["members"] == 4 and m["seed"] == h["seed"] and m["checks"]["books_differed"] == 0, f"{m} {h}")
    finally:
        v.down()


def command(v, node, port, *args):
    return subprocess.run([v.program, *args, "--data", node.data, "--server", f"http://127.0.0.1:{port}"], capture_output=True, text=True, cwd=v.dir,
                          timeout=60, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1"))


def test_a_service_level_is_proved_without_the_counters(program, wasm, examples):
    v = village(program)
    try:
        home = v.call("GET", "/v1/system/info")["village_id"]
        id = neighbours(v.member)["node"]
        epoch_after(v, 2)
        counted = wait("counters", 30, lambda: v.call("GET", f"/v1/fog/nodes/{id}/service") if v.raw("GET", f"/v1/fog/nodes/{id}/service")[0] == 200 else None)
        check(counted["asked"] >= counted["answered"] > 0 and counted["epochs"] >= 3, str(counted))
        v.head.kill()
        v.head.start()
        wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
        after = v.call("GET", f"/v1/fog/nodes/{id}/service")
        check(after["asked"] >= counted["asked"] and after["first_epoch"] == counted["first_epoch"], f"{counted} {after}")
        r = command(v, v.head, v.port, "availability", id, "--issue", "m")
        check(r.returncode == 0, r.stdout + r.stderr)
        share = 1000000 * after["answered"] // after["asked"]
        r = command(v, v.member.node, v.member.port, "availability", "--prove", "m", "--answered", str(share // 2), "--mean", "5000", "--output", "m.sla")
        check(r.returncode == 0, r.stdout + r.stderr)
        text = open(os.path.join(v.dir, "m.sla")).read()
        code, a, facts = facts_of(v, text, "--village", home)
        check(code == 0 and a["kind"] == "sla" and dict(facts)["node"] == id, str(a))
        check(offline(v, text, "--village", "0" * 32).returncode == 1, "another village")
        r = command(v, v.head, v.port, "availability", "--prove", "m", "--answered", "1", "--output", "x.sla")
        check(r.returncode != 0, "the coordinator is not the one it was signed for")
        lines = text.splitlines()
        for i in range(1, len(lines) - 1, 7):
            bad = lines[i][:9] + ("B" if lines[i][9] != "B" else "C") + lines[i][10:]
            check(offline(v, "\n".join(lines[:i] + [bad] + lines[i + 1:]) + "\n").returncode == 1, f"line {i} changed")
    finally:
        v.down()


def test_a_node_that_was_killed_shows_in_its_proof_and_the_coordinators_fall_does_not(program, wasm, examples):
    v = village(program)
    try:
        id_of = {n["name"]: n["id"] for n in v.call("GET", "/v1/fog/nodes")["items"]}
        epoch_after(v, 1)
        v.nodes[1].kill()  # w0; it has shown its draws for this epoch and the next, in all of which it is off
        epoch_after(v, 2)
        gone, there = availability(v, id_of["w0"]), proof(v, id_of["w1"])
        check(gone["proved"] and gone["witnesses"] >= 3 and gone["asked"] > 0 and gone["answered"] == 0, str(gone))
        check(there["proved"] and there["answered"] >= there["asked"] - 2, str(there))
        before = neighbours(v)
        v.head.kill()
        time.sleep(1)
        v.head.start()
        wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
        after = neighbours(v)
        check(after["epoch"] == before["epoch"] and after["seed"] == before["seed"] and after["neighbours"] == before["neighbours"], f"{before} {after}")
        epoch_after(v, 1)
        for name in ("w1", "w2", "m"):
            a = proof(v, id_of[name])
            check(a["proved"] and a["answered"] >= a["asked"] - 2, f"{name}: {a}")
            check(neighbours(v.member)["silences"] == 0, "the coordinator's absence is nobody's silence")
        m = neighbours(v.member)
        check(m["checks"]["reveals_left_out"] == 0 and m["checks"]["books_differed"] == 0 and m["seed"] == neighbours(v)["seed"], str(m))
        v.nodes[1].start()
        epoch_after(v, 2)
        check(v.raw("POST", "/v1/fog/proofs/generate", {"kind": "availability", "node": id_of["w0"]})[0] in (201, 404), "it comes back when it draws again")
    finally:
        v.down()
