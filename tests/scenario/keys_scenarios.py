"""Keys at rest: sealed and opened again, replaced while work runs, revoked; killed in the middle of each."""
import base64
import hashlib
import json
import os
import pty
import random
import shutil
import socket
import struct
import subprocess
import time

import attest_scenarios as machine
from harness import Gateway, Node, Village, check, free_port, wait

INPUTS = [f"line {i} of the text\n".encode() for i in range(12)]
WANT = b"".join(INPUTS).upper()


def keys(v, node, *args, fails=None):
    done = subprocess.run([v.program, "keys", *args, "--data", node.data, "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
                          start_new_session=True)
    if fails is not None:
        check(done.returncode == fails, f"keys {args}: {done.returncode}, not {fails}: {done.stderr}")
        return done.stderr
    check(done.returncode == 0, f"keys {args}: {done.returncode} {done.stderr}")
    return json.loads(done.stdout)


def phrase_file(v, name, text):
    path = os.path.join(v.dir, name)
    with open(path, "w") as f:
        f.write(text + "\n")
    return path


def member(v, name, *args, gateway=False):
    """Joins one more node; with a gateway of its own when asked to."""
    ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
    port = free_port() if gateway else None
    more = ("--gateway", f"127.0.0.1:{port}") if gateway else ()
    node = Node(v, name, "join", ticket, "--listen", "127.0.0.1:0", "--slots", "2", *v.timing, *more, *args)
    v.nodes.append(node)
    v.ready(len(v.nodes))
    return Gateway(node, port) if gateway else node


def again(v, w):
    """Starts a node that was killed, and waits for it: until it is missed, the coordinator still takes it to be there."""
    before = w.log_text().count(" is up")
    w.start()
    wait(f"{w.name} to come up", 60, lambda: w.log_text().count(" is up") > before)
    v.ready(len(v.nodes))


def named(v, name):
    return [n["id"] for n in v.call("GET", "/v1/fog/nodes")["items"] if n["name"] == name]


def serves(v, node_id):
    n = [n for n in v.call("GET", "/v1/fog/nodes")["items"] if n["id"] == node_id]
    return bool(n) and n[0]["state"] in ("active", "idle", "busy")


def test_a_sealed_node_restarts_with_its_passphrase_and_says_what_it_needs_without(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        w = v.nodes[1]
        node_id = keys(v, w)["node"]
        w.kill()
        good, bad = phrase_file(v, "good", "correct horse"), phrase_file(v, "bad", "wrong horse")
        sealed = keys(v, w, "seal", "--new-passphrase-file", good)
        check(sealed["sealed"] and sealed["with"] == "passphrase" and sealed["node"] == node_id, f"{sealed}")
        raw = open(os.path.join(w.data, "node.keys"), "rb").read()
        check(raw.startswith(b"VLSEALED") and os.stat(os.path.join(w.data, "node.keys")).st_mode & 0o777 == 0o600, "the file is not as it should be")
        args = w.args
        for extra, text in (((), "--passphrase-file"), (("--passphrase-file", bad), "wrong passphrase")):
            done = subprocess.run([v.program, *args, *extra, "--data", w.data, "--name", w.name], capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, start_new_session=True, timeout=60)
            check(done.returncode != 0 and text in done.stderr, f"{extra}: {done.returncode} {done.stderr[-400:]}")
        w.args = args + ("--passphrase-file", good)
        again(v, w)
        check(serves(v, node_id), "the sealed node is not back as itself")
        check("stop it first" in keys(v, w, "unseal", "--passphrase-file", good, fails=1), "a running node's keys were touched")
        w.kill()
        check("wrong passphrase" in keys(v, w, "unseal", "--passphrase-file", bad, fails=4), "opened with a wrong passphrase")
        check(not keys(v, w, "unseal", "--passphrase-file", good)["sealed"], "still sealed")
        w.args = args
        again(v, w)
        check(serves(v, node_id), "the unsealed node is not back as itself")
    finally:
        v.down()


def extend(tpm, pcr):
    """TPM2_PCR_Extend (TPM 2.0 part 3, 22.2), with the empty password."""
    body = struct.pack(">IIIHBHIHI", pcr, 9, 0x40000009, 0, 0, 0, 1, 0x000b, 0)[:-4] + b"\x55" * 32
    command = struct.pack(">HII", 0x8002, 10 + len(body), 0x182) + body
    with socket.create_connection(("127.0.0.1", int(tpm.tcti.split("port=")[1])), 10) as s:
        s.sendall(command)
        answer = s.recv(4096)
    check(struct.unpack(">I", answer[6:10])[0] == 0, f"the TPM answers {answer.hex()}")


def test_a_tpm_opens_a_node_while_the_machine_is_as_it_was(program, wasm, examples):
    if not machine.tools():
        return machine.ABSENT
    v = Village(program, workers=1)
    os.makedirs(os.path.join(v.dir, "tpm"))
    tpm = machine.Tpm(os.path.join(v.dir, "tpm"))
    try:
        w = v.nodes[1]
        plain, node_id = w.args, keys(v, w)["node"]
        w.stop()
        check("0 to 23" in keys(v, w, "seal", "--with", "tpm", "--key-tpm", tpm.tcti, "--pcrs", "16,24", fails=2), "a PCR that there is not")
        sealed = keys(v, w, "seal", "--with", "tpm", "--key-tpm", tpm.tcti, "--pcrs", "7,16")
        check(sealed["sealed"] and sealed["with"] == "tpm" and sealed["pcrs"] == [7, 16], f"{sealed}")
        w.args = (*plain, "--key-tpm", tpm.tcti)
        again(v, w)
        check(serves(v, node_id), "the sealed node is not back as itself")
        w.stop()
        extend(tpm, 16)
        done = subprocess.run([v.program, *w.args, "--data", w.data, "--name", w.name], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        check(done.returncode != 0 and "PCR" in done.stderr, f"{done.returncode} {done.stderr[-600:]}")
        check("PCR" in keys(v, w, "unseal", "--key-tpm", tpm.tcti, fails=4), "opened although a PCR has changed")
        tpm.stop()
        tpm.start()  # a new start of the machine: the PCRs are as they were
        w.args = (*plain, "--key-tpm", tpm.tcti)
        again(v, w)
        check(serves(v, node_id), "the machine is as it was, and the node is not")
        w.stop()
        check(not keys(v, w, "unseal", "--key-tpm", tpm.tcti)["sealed"], "still sealed")
        w.args = plain
        again(v, w)
        check(serves(v, node_id), "the unsealed node is not back as itself")
    finally:
        tpm.stop()
        v.down()


def typed(v, node, lines, *args):
    """`village keys` on a terminal of its own; what it showed, and its exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(v.program, [v.program, "keys", *args, "--data", node.data])
    shown = b""
    for line in lines:
        until = time.monotonic() + 20
        while not shown.rstrip(b" ").endswith(b":") and time.monotonic() < until:
            shown += os.read(fd, 4096)
        shown += b" "
        os.write(fd, line.encode() + b"\n")
        shown += b"|"
    try:
        while True:
            part = os.read(fd, 4096)
            if not part:
                break
            shown += part
    except OSError:  # how a terminal says that nobody has it open any more
        pass
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return shown.decode(errors="replace"), code


def test_a_passphrase_that_is_typed_is_not_shown(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        w = v.nodes[1]
        w.kill()
        shown, code = typed(v, w, ["correct horse", "another horse"], "seal")
        check(code == 2 and "differ" in shown and not keys(v, w)["sealed"], f"{code} {shown}")
        shown, code = typed(v, w, ["correct horse", "correct horse"], "seal")
        check(code == 0 and "horse" not in shown and "new passphrase" in shown and keys(v, w)["sealed"], f"{code} {shown}")
        shown, code = typed(v, w, ["wrong horse"], "unseal")
        check(code == 4 and "horse" not in shown and "wrong passphrase" in shown, f"{code} {shown}")
        shown, code = typed(v, w, ["correct horse"], "unseal")
        check(code == 0 and "horse" not in shown and not keys(v, w)["sealed"], f"{code} {shown}")
        w.start()
        v.ready(2)
    finally:
        v.down()


def test_seal_killed_at_any_moment_leaves_the_old_file_or_the_new_one(program, wasm, examples):
    rng = random.Random(7)
    v = Village(program, workers=1)
    try:
        w = v.nodes[1]
        node_id = keys(v, w)["node"]
        w.kill()
        phrase = phrase_file(v, "phrase", "p")
        seen = set()
        for _ in range(24):
            p = subprocess.Popen([v.program, "keys", "seal", "--data", w.data, "--passphrase-file", phrase, "--new-passphrase-file", phrase],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, 1.5))
            p.kill()
            p.wait()
            look = keys(v, w)
            check(look["node"] == node_id, f"{look}")
            seen.add(look["sealed"])
            if look["sealed"] and rng.random() < 0.6:
                keys(v, w, "unseal", "--passphrase-file", phrase)
        check(seen == {True, False}, f"the kills hit one side only: {seen}")
        w.args += ("--passphrase-file", phrase)
        w.start()
        v.ready(2)
        check(serves(v, node_id), "the node is not back as itself")
    finally:
        v.down()


def test_keys_are_replaced_while_a_job_runs_and_the_job_does_not_notice(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        phrase = phrase_file(v, "phrase", "p")
        m = member(v, "m", gateway=True)
        w = m.node
        old = keys(v, w)["node"]
        slow = os.path.join(wasm, "slow.wasm")
        v.ended(v.job(slow, INPUTS[:2], args=["1"]), 60)
        w.kill()
        keys(v, w, "seal", "--new-passphrase-file", phrase)
        w.args += ("--passphrase-file", phrase)
        w.start()
        v.ready(2)
        wait("the member's gateway", 30, lambda: m.call("GET", "/v1/system/health"))
        job = v.job(slow, INPUTS, args=["700"])
        own = m.job(slow, INPUTS, args=["300"])  # submitted by the node whose key changes
        wait("a task on the member", 20, lambda: [t for t in v.tasks(job) if t["state"] == "running" and t.get("node") == old])
        following = m.call("POST", "/v1/keys/rotate", {})["next"]
        wait("the new key", 60, lambda: serves(v, following) and named(v, "m") == [following])
        for g, j in ((v, job), (m, own)):
            end = g.ended(j, 90)
            check(end["state"] == "done" and g.output(j) == WANT, f"{end['state']}: {end['error']}")
        bad = [e for e in v.events(job) if e["kind"] in ("task_failed", "task_lost", "task_retry")]
        check(not bad, f"work was lost: {bad}")
        done = subprocess.run([v.program, "receipts", job, "--check", "--json", "--data", v.head.data], capture_output=True, text=True, timeout=60)
        items = json.loads(done.stdout)["items"]
        runs = {(i["task"], i["epoch"]) for i in items}  # one each, and those of audits (3 % of results) beside them
        check(done.returncode == 0 and all(i["proved"] for i in items), f"receipts of both keys: {done.stderr} {items}")
        check(len(runs) == len(items) <= len(INPUTS) + 2 and {t for t, _ in runs} == set(range(len(INPUTS))), f"runs and receipts: {items}")
        look = keys(v, w)
        check(look["node"] == following and look["sealed"] and not look["rotating"], f"{look}")
        k = v.call("GET", "/v1/keys/" + following)
        check(not k["revoked"] and [(c["old"], c["new"]) for c in k["chain"]] == [(old, following)], f"{k}")
        check(v.call("GET", "/v1/keys/" + old)["revoked"], "the old key is not revoked")
        again = v.job(slow, INPUTS, args=["100"])
        check(v.ended(again, 60)["state"] == "done", "the next job fails")
        check([t for t in v.tasks(again) if t.get("node") == following], "the new key gets no work")
        w.kill()
        w.start()
        v.ready(2)
        check(serves(v, following), "the new key does not survive a restart")
    finally:
        v.down()


def test_rotation_killed_at_any_moment_ends_with_one_member_that_works(program, wasm, examples):
    seed = int(os.environ.get("VILLAGE_SEED", time.time_ns() % 1000000))
    rng = random.Random(seed)
    print(f"# VILLAGE_SEED={seed}", flush=True)
    v = Village(program, workers=0)
    try:
        m = member(v, "m", gateway=True)
        w, ids = m.node, [keys(v, m.node)["node"]]
        for round_no in range(10):
            try:
                m.call("POST", "/v1/keys/rotate", {})
            except Exception:  # it may have been replaced just now
                pass
            time.sleep(rng.uniform(0, 0.4))
            victims = [[w], [v.head], [w, v.head]][round_no % 3]
            for n in victims:
                n.kill()
            time.sleep(rng.uniform(0, 0.3))
            for n in victims:
                n.start()
            wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
            wait("the member's gateway", 30, lambda: m.call("GET", "/v1/system/health"))
            wait("the end of the rotation", 60, lambda: not m.call("GET", "/v1/keys")["rotating"])
            now = keys(v, w)["node"]
            wait("one member", 60, lambda: named(v, "m") == [now] and serves(v, now))
            ids.append(now)
        check(len(set(ids)) > 5, f"hardly any rotation ended: {ids}")
        chain = v.call("GET", "/v1/keys/" + ids[-1])["chain"]
        check(chain[-1]["old"] == ids[0], f"the line does not lead back to the first key: {chain}")
        job = v.job(os.path.join(wasm, "slow.wasm"), INPUTS, args=["50"])
        check(v.ended(job, 90)["state"] == "done", "work is not done any more")
    finally:
        v.down()


def test_a_revoked_key_is_refused_at_once_and_after_the_coordinator_was_killed(program, wasm, examples):
    v = Village(program, workers=2)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        v.ended(v.job(slow, INPUTS[:2], args=["1"]), 60)
        w = v.nodes[1]
        node_id = keys(v, w)["node"]
        job = v.job(slow, INPUTS, args=["500"])
        wait("a task on it", 20, lambda: [t for t in v.tasks(job) if t["state"] == "running" and t.get("node") == node_id])
        told = keys(v, v.head, "revoke", "w0")
        check(told["id"] == node_id and told["revoked"], f"{told}")
        v.head.kill()
        v.head.start()
        wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
        check(not named(v, "w0"), "it is a member again")
        k = v.call("GET", "/v1/keys/" + node_id)
        check(k["revoked"] and k["revoked_ms"] == told["at_ms"], f"{k} {told}")
        listed = v.call("GET", "/v1/keys/revocations")
        check([i["id"] for i in listed["items"]] == [node_id] and "BEGIN VILLAGE REVOCATIONS" in listed["signed"], f"{listed}")
        denied = lambda: int([l.split()[-1] for l in v.raw("GET", "/v1/system/metrics")[2].decode().splitlines() if l.startswith("village_peers_denied_total ")][0])
        wait("a refused handshake", 60, lambda: denied() > 0)
        check(v.ended(job, 90)["state"] == "done", "the job did not survive")
        late = [t for t in v.tasks(job) if t.get("node") == node_id and t.get("ended_ms", 0) > told["at_ms"]]
        check(not late, f"a result of the revoked key counts: {late}")
        wait("the revoked node to say why it is alone", 30, lambda: "its key was revoked" in w.log_text())
    finally:
        v.down()


def test_old_keys_are_replaced_by_themselves_when_their_owner_allows_it(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        w = member(v, "m", "--rotate-after", "10s")
        first = keys(v, w)["node"]
        wait("a rotation", 60, lambda: named(v, "m") not in ([first], []))
        check(keys(v, w)["node"] != first, "node.keys is the old one")
    finally:
        v.down()


def test_a_token_opens_a_node_and_cosigns_the_log_and_its_absence_is_said(program, wasm, examples):
    module = "/usr/lib/softhsm/libsofthsm2.so"
    if not os.path.exists(module) or not shutil.which("softhsm2-util"):
        return "softhsm2 is not installed"
    v = Village(program, workers=1)
    try:
        conf = os.path.join(v.dir, "softhsm.conf")
        os.mkdir(os.path.join(v.dir, "tokens"))
        with open(conf, "w") as f:
            f.write(f"directories.tokendir = {v.dir}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = conf
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "village", "--so-pin", "9999", "--pin", "1234"], check=True,
                       stdout=subprocess.DEVNULL)
        pin, wrong = phrase_file(v, "pin", "1234"), phrase_file(v, "wrong", "4321")
        token = ("--pkcs11", module, "--pin-file", pin)
        w = v.nodes[1]
        node_id = keys(v, w)["node"]
        w.kill()
        look = keys(v, w, "seal", "--with", "token", "--key", "pkcs11:token=village;object=node", *token)
        check(look["with"] == "token" and look["token"] == "village" and look["object"] == "node", f"{look}")
        check("--pkcs11" in keys(v, w, "unseal", fails=1), "no word about the module that is missing")
        check("/nowhere.so" in keys(v, w, "unseal", "--pkcs11", "/nowhere.so", "--pin-file", pin, fails=1), "no word about the module that is no module")
        check("PIN" in keys(v, w, "unseal", "--pkcs11", module, "--pin-file", wrong, fails=4), "opened with a wrong PIN")
        w.args += token
        w.start()
        v.ready(2)
        check(serves(v, node_id), "the node is not back as itself")
        v.ended(v.job(os.path.join(wasm, "slow.wasm"), INPUTS[:2], args=["1"]), 60)
        cosign = ("cosign", "--key", "pkcs11:token=village;object=log", *token, "--server", f"http://127.0.0.1:{v.gateway}")
        os.environ["ASAN_OPTIONS"] = "detect_leaks=0"  # softhsm2 2.6.1 forgets to free the public point of an Edwards key
        first, second = keys(v, v.head, *cosign), keys(v, v.head, *cosign)
        check(first["by"] == second["by"] and first["size"] == 2, f"{first}")
        text = first["checkpoint"]
        head, line = text.split("\n\n")[0] + "\n", text.strip().split("\n")[-1]
        raw = base64.b64decode(line.split(" ")[2])
        check(line.startswith("\u2014 " + first["by"] + " ") and len(raw) == 76, f"{line}")
        digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # the key is in the name: base58 of 00 24 08 01 12 20 and 32 bytes
        number = 0
        for c in first["by"]:
            number = number * 58 + digits.index(c)
        public = number.to_bytes(38, "big")[6:]
        check(hashlib.sha256(first["by"].encode() + b"\n\x04" + public).digest()[:4] == raw[:4], "the key hash is not that of C2SP")
        signed = f"cosignature/v1\ntime {int.from_bytes(raw[4:12], 'big')}\n{head}".encode()
        files = {"pub.der": bytes.fromhex("302a300506032b6570032100") + public, "message": signed, "signature": raw[12:]}
        for name, data in files.items():
            with open(os.path.join(v.dir, name), "wb") as f:
                f.write(data)
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "pub.der", "-rawin", "-in", "message", "-sigfile",
                               "signature"], cwd=v.dir, capture_output=True, text=True)
        check(done.returncode == 0, f"openssl does not agree: {done.stdout} {done.stderr}")
    finally:
        os.environ.pop("SOFTHSM2_CONF", None)
        os.environ.pop("ASAN_OPTIONS", None)
        v.down()


def test_keys_of_the_first_format_still_work_and_their_age_is_told_from_day_80(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        m = member(v, "m", gateway=True)
        w, path = m.node, os.path.join(m.node.data, "node.keys")
        node_id = keys(v, w)["node"]
        for days, due in ((79, False), (81, True)):
            w.kill()
            raw = open(path, "rb").read()
            with open(path, "wb") as f:  # version 1: neither age nor successor; it is as old as its file
                f.write(b"\x01" + raw[1:98])
            then = time.time() - days * 86400
            os.utime(path, (then, then))
            w.start()
            wait("the member's gateway", 30, lambda: m.call("GET", "/v1/system/health"))
            k = m.call("GET", "/v1/keys")
            check(k["node"] == node_id and k["due"] == due and k["age_ms"] // 86400000 == days, f"{k}")
            metrics = m.raw("GET", "/v1/system/metrics")[2].decode()
            check(f"village_keys_due {int(due)}" in metrics, "the metric says otherwise")
            check(keys(v, w)["due"] == due, "the command line says otherwise")
        wait("a warning in the log", 30, lambda: "keys are to be replaced" in w.log_text())
        status = subprocess.run([v.program, "status", "--data", w.data], capture_output=True, text=True, timeout=60).stdout
        check("81 days old" in status and "village keys rotate" in status, status)
        following = m.call("POST", "/v1/keys/rotate", {})["next"]
        wait("the new key", 60, lambda: named(v, "m") == [following])
        check(not m.call("GET", "/v1/keys")["due"], "the new keys are due, too")
    finally:
        v.down()
