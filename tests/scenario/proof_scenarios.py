"""Proofs: made over REST from real jobs, checked offline by another process, cosigned by members, refused when anything changed."""
import json
import os
import shutil
import subprocess
import tempfile

from harness import Village, check, wait

TEXT = [b"one two\n", b"three\n"]


def offline(v, text, *args, name="a.proof"):
    """`village verify` with no gateway to ask: another data folder, no server."""
    path = os.path.join(v.dir, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1")
    return subprocess.run([v.program, "verify", path, "--data", os.path.join(v.dir, "nobody"), "--server", "http://127.0.0.1:1", *args],
                          capture_output=True, text=True, env=env, timeout=60)


def prove(v, job, witnesses, seconds=40, **more):
    def probe():
        a = v.call("POST", "/v1/fog/proofs/generate", {"kind": "execution", "job": job, **more})
        return a if a["witnesses"] >= witnesses else None
    return wait(f"a proof with {witnesses} witnesses", seconds, probe, 0.5)["artefact"]


def witnessed(v):
    text = v.raw("GET", "/v1/system/metrics")[2].decode()
    return {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line.startswith("village_witness")}


def test_a_proof_of_a_real_job_holds_offline_and_breaks_when_a_byte_changes(program, wasm, examples):
    v = Village(program, workers=2)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        job = v.job(slow, TEXT, args=["1"])
        check(v.ended(job, 60)["state"] == "done", "the job")
        village = v.call("GET", "/v1/system/info")["village_id"]
        for task in (0, 1):
            proof = prove(v, job, 2, task=task)
            files = {"i": os.path.join(v.dir, f"i{task}"), "o": os.path.join(v.dir, f"o{task}")}
            with open(files["i"], "wb") as f:
                f.write(TEXT[task])
            outputs = [o for t in v.tasks(job) if t["index"] == task for o in t["outputs"] if o["name"] == "stdout"]
            with open(files["o"], "wb") as f:
                f.write(v.raw("GET", "/v1/blobs/" + outputs[0]["hash"])[2])
            r = offline(v, proof, "--village", village, "--witnesses", "2", "--json")
            a = json.loads(r.stdout)
            facts = {x["name"]: x["value"] for x in a["facts"]}
            check(r.returncode == 0 and a["proved"] and a["kind"] == "execution", f"{r.stdout} {r.stderr}")
            check(facts["job"] == job and facts["task"] == str(task) and facts["witnesses"] == "2", str(facts))
            check("To anyone" in a["to_whom"] and a["as_of"] and a["not_proved"], str(a))
            r = offline(v, proof, "--program", slow, "--input", f"i{task}=" + files["i"], "--output", "stdout=" + files["o"])
            check(r.returncode == 0, f"with its files: {r.stdout} {r.stderr}")
            r = offline(v, proof, "--input", f"i{task}=" + files["o"])
            check(r.returncode == 1 and "the inputs given" in r.stdout, f"{r.stdout} {r.stderr}")
        check(offline(v, proof, "--village", "0" * 32).returncode == 1, "another village")
        check(offline(v, proof, "--witnesses", "3").returncode == 1, "more witnesses than there are")
        check(offline(v, proof, "--at", "2020-01-01T00:00:00Z").returncode == 1, "before it was made")
        check(offline(v, proof, "--at", "yesterday").returncode == 2, "wrong use")
        lines = proof.splitlines()
        for i in range(1, len(lines) - 1, 3):
            changed = lines[i][:7] + ("B" if lines[i][7] != "B" else "C") + lines[i][8:]
            bad = "\n".join(lines[:i] + [changed] + lines[i + 1:]) + "\n"
            r = offline(v, bad)
            check(r.returncode == 1 and "not proved" in r.stdout, f"line {i} changed: {r.stdout} {r.stderr}")
            a = v.call("POST", "/v1/fog/proofs/verify", {"artefact": bad})
            check(a["proved"] is False and a["reason"], str(a))
        check(v.call("POST", "/v1/fog/proofs/verify", {"artefact": proof, "village": village, "witnesses": 2})["proved"], "over REST")
        check(v.raw("POST", "/v1/fog/proofs/generate", {"kind": "execution", "job": job, "task": 9})[0] == 404, "no such task")
        saved = os.path.join(v.dir, "saved.proof")
        r = subprocess.run([v.program, "receipts", job, "--task", "1", "--save", saved, "--data", v.head.data], capture_output=True, text=True, timeout=60)
        check(r.returncode == 0, f"{r.stdout} {r.stderr}")
        r = subprocess.run([v.program, "verify", saved, "--village", village], capture_output=True, text=True, timeout=60)
        check(r.returncode == 0 and "task 1 of job " + job in r.stdout, f"{r.stdout} {r.stderr}")
    finally:
        v.down()


def test_certificates_are_given_before_the_first_receipt(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        v.ready(2)
        check(v.raw("POST", "/v1/fog/proofs/generate", {"kind": "checkpoint"})[0] == 404, "the log is empty")
        for n in v.call("GET", "/v1/fog/nodes")["items"]:
            a = v.call("POST", "/v1/fog/proofs/generate", {"kind": "certificate", "node": n["id"]})
            r = offline(v, a["artefact"], "--json")
            check(r.returncode == 0 and json.loads(r.stdout)["kind"] == "certificate", f"{r.stdout} {r.stderr}")
    finally:
        v.down()


def test_the_log_and_its_witnesses_go_on_after_kill_9_of_the_coordinator(program, wasm, examples):
    v = Village(program, workers=2)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        heads, last = [], None
        for n in range(3):
            job = v.job(slow, TEXT, args=["1"])
            check(v.ended(job, 60)["state"] == "done", "the job")
            proof = prove(v, job, 2)
            heads.append(v.call("POST", "/v1/fog/proofs/generate", {"kind": "checkpoint"})["artefact"])
            v.head.kill()
            v.head.start()
            wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
            v.ready(3)
            check(offline(v, proof, "--witnesses", "2").returncode == 0, "what was proved stays proved")
            last = prove(v, job, 2)
        check(offline(v, last, "--witnesses", "2").returncode == 0, "made after the restart")
        a = v.call("POST", "/v1/fog/proofs/generate", {"kind": "consistency", "older": heads[0]})
        r = offline(v, a["artefact"])
        check(r.returncode == 0 and "none was taken out" in r.stdout, f"{r.stdout} {r.stderr}")
        key = v.call("GET", "/v1/fog/log")["signer"]
        r = offline(v, heads[2], "--key", key, "--witnesses", "2")
        check(r.returncode == 0, f"{r.stdout} {r.stderr}")
        check(offline(v, heads[2]).returncode == 1, "a bare head needs its key")
        check(offline(v, heads[2].replace("\n", "\n\n", 1), "--key", key).returncode == 1, "changed")
        for n in v.nodes:  # receipts of one node name each other, over its restarts as well
            check("contradict" not in n.log_text(), n.log_text()[-500:])
    finally:
        v.down()


def test_a_coordinator_set_back_to_an_older_log_is_refused_by_its_witnesses(program, wasm, examples):
    v = Village(program, workers=2)
    try:
        slow = os.path.join(wasm, "slow.wasm")
        job = v.job(slow, TEXT, args=["1"])
        v.ended(job, 60)
        prove(v, job, 2)
        v.head.stop()
        old = os.path.join(v.dir, "old")
        shutil.copytree(v.head.data, old, symlinks=True, ignore=lambda d, names: [n for n in names if n.endswith(".sock")])
        v.head.start()
        wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
        v.ready(3)
        job = v.job(slow, TEXT + [b"x"], args=["1"])
        v.ended(job, 60)
        prove(v, job, 2)
        v.head.kill()
        shutil.rmtree(v.head.data)
        os.rename(old, v.head.data)
        v.head.start()
        wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
        v.ready(3)
        job = v.job(slow, TEXT[:1], args=["1"])
        v.ended(job, 90)
        wait("a witness that refuses", 60, lambda: any("contradicts the one it showed before" in n.log_text() for n in v.nodes[1:]))
        wait("its metric", 30, lambda: witnessed(v).get("village_witness_refused_total", 0) >= 1)
        proof = v.call("POST", "/v1/fog/proofs/generate", {"kind": "execution", "job": job})
        check(offline(v, proof["artefact"], "--witnesses", "2").returncode == 1, "nobody cosigns the other past")
    finally:
        v.down()


def test_a_predicate_proved_by_the_command_line_is_said_in_the_same_words(program, wasm, examples):
    with tempfile.TemporaryDirectory() as d:
        def run(*args, code=0):
            r = subprocess.run([os.path.abspath(program), *args], cwd=d, capture_output=True, text=True, timeout=60)
            check(r.returncode == code, f"{args}: {r.returncode} {r.stdout} {r.stderr}")
            return r.stdout
        with open(os.path.join(d, "sla.zk"), "w") as f:
            f.write("attribute uptime : 32\nattribute total : 32\nprove uptime / total >= 0.999\n")
        with open(os.path.join(d, "quarter.json"), "w") as f:
            json.dump({"uptime": {"value": 7774200, "bits": 32}, "total": {"value": 7776000, "bits": 32}}, f)
        issuer, other = run("zk", "key", "issuer.key").strip(), run("zk", "key", "other.key").strip()
        run("zk", "issue", "quarter.json", "--key", "issuer.key", "--about", "sla q3", "--out", "quarter")
        run("zk", "prove", "sla.zk", "-c", "quarter.credential", "--opening", "quarter.opening", "--purpose", "tender", "-o", "sla.proof")
        said = run("verify", "sla.proof", "--key", issuer)
        check("The predicate is true of numbers that the key " + issuer in said and "7774200" not in said, said)
        run("verify", "sla.proof", "--key", other, code=1)
        run("verify", "sla.proof", "--at", "2020-01-01T00:00:00Z", code=1)
        with open(os.path.join(d, "sla.proof")) as f:
            text = f.read()
        with open(os.path.join(d, "bad.proof"), "w") as f:
            at = len(text) // 2
            bad = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]
            f.write(bad)
        run("verify", "bad.proof", code=1)
        v = Village(program, workers=0)
        try:
            for artefact, key, proved in ((text, issuer, True), (bad, issuer, False), (text, other, False)):
                r = v.call("POST", "/v1/fog/proofs/verify", {"artefact": artefact, "key": key})
                check(r["proved"] is proved and bool(r["reason"]) is not proved, r)
            check(v.call("POST", "/v1/fog/proofs/verify", {"artefact": text})["proves"][0] in said, "the same words over REST")
        finally:
            v.down()


def test_opentimestamps_files_made_here_are_those_of_the_reference(program, wasm, examples):
    try:
        from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation
        from opentimestamps.core.op import OpAppend, OpSHA256
        from opentimestamps.core.serialize import BytesDeserializationContext, BytesSerializationContext
        from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp
    except ImportError:
        return "no python3-opentimestamps here"
    with tempfile.TemporaryDirectory() as d:
        def run(*args, code=0):
            r = subprocess.run([os.path.abspath(program), *args], cwd=d, capture_output=True, text=True, timeout=60)
            check(r.returncode == code, f"{args}: {r.returncode} {r.stdout} {r.stderr}")
            return r.stdout
        with open(os.path.join(d, "paper"), "wb") as f:
            f.write(b"village")
        run("timestamp", "request", "paper", "--form", "ots")
        digest = open(os.path.join(d, "paper.digest"), "rb").read()
        stamp = Timestamp(digest)  # what a calendar answers: operations from the digest on
        end = stamp.ops.add(OpAppend(b"nonce")).ops.add(OpSHA256())
        end.attestations.add(PendingAttestation("https://calendar.example.org"))
        end.attestations.add(BitcoinBlockHeaderAttestation(358391))
        answer = BytesSerializationContext()
        stamp.serialize(answer)
        with open(os.path.join(d, "answer"), "wb") as f:
            f.write(answer.getbytes())
        run("timestamp", "attach", "paper", "answer", "--form", "ots")
        read = DetachedTimestampFile.deserialize(BytesDeserializationContext(open(os.path.join(d, "paper.ots"), "rb").read()))
        check(read.file_digest == digest and read.timestamp == stamp, "the reference reads the same")
        said = run("verify", "paper.ots", "--file", "paper", code=1)
        check("Bitcoin block 358391, whose header is needed" in said and "calendar.example.org" in said, said)
        with open(os.path.join(d, "header"), "w") as f:
            f.write(("00" * 36) + end.msg.hex() + "00" * 12)
        check("above the target" in run("verify", "paper.ots", "--file", "paper", "--header", "header", code=1), "a header without work")
        with open(os.path.join(d, "other"), "wb") as f:
            f.write(b"other")
        run("timestamp", "attach", "other", "paper.ots", "--form", "ots", code=1)


def test_a_member_that_was_set_back_and_signs_another_past_is_convicted_by_its_own_receipts(program, wasm, examples):
    v = Village(program, workers=1)
    try:
        worker, slow = v.nodes[1], os.path.join(wasm, "slow.wasm")
        head = next(n["id"] for n in v.call("GET", "/v1/fog/nodes")["items"] if n["name"] == "head")
        v.call("POST", f"/v1/fog/nodes/{head}/maintenance", {"on": True})

        def leaf():
            job = v.job(slow, TEXT[:1], args=["1"])
            check(v.ended(job, 60)["state"] == "done", "a job")
            return v.call("GET", f"/v1/fog/jobs/{job}/receipts")["items"][0]["index"]

        def started():
            worker.start()
            wait("the worker", 30, lambda: [n for n in v.call("GET", "/v1/fog/nodes")["items"] if n["name"] == "w0" and n["state"] in ("idle", "active") and n["features"]])
        first, kept = leaf(), worker.data + ".kept"
        worker.stop()
        shutil.copytree(worker.data, kept)
        started()
        second = leaf()
        worker.kill()
        shutil.rmtree(worker.data)
        os.rename(kept, worker.data)
        started()
        third = leaf()
        for other in (first, 10**6):
            check(v.raw("POST", "/v1/fog/proofs/generate", {"kind": "contradiction", "first": other, "second": third})[0] == 404, "these get on, or are not there")
        proof = v.call("POST", "/v1/fog/proofs/generate", {"kind": "contradiction", "first": second, "second": third})["artefact"]
        r = offline(v, proof, "--village", v.call("GET", "/v1/system/info")["village_id"], "--json")
        a = json.loads(r.stdout)
        check(r.returncode == 0 and a["kind"] == "contradiction" and "both as the next one after the same receipt" in a["proves"][0], f"{r.stdout} {r.stderr}")
        lines = proof.splitlines()
        for i in range(1, len(lines) - 1, 3):
            bad = lines[i][:9] + ("B" if lines[i][9] != "B" else "C") + lines[i][10:]
            check(offline(v, "\n".join(lines[:i] + [bad] + lines[i + 1:]) + "\n").returncode == 1, f"line {i} changed")
    finally:
        v.down()


TSA = """[tsa]
default_tsa = one
[one]
serial = {0}/serial
default_policy = 1.2.3.4
digests = sha256, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
[v3]
extendedKeyUsage = critical,timeStamping
[ca]
basicConstraints = critical,CA:true
"""


def test_an_authoritys_time_stamp_is_asked_for_attached_and_checked_offline(program, wasm, examples):
    dir = tempfile.mkdtemp(prefix="village-tsa-", dir="/var/tmp")

    def ssl(*args):
        r = subprocess.run(["openssl", *args], cwd=dir, capture_output=True, text=True, timeout=60)
        check(r.returncode == 0, f"openssl {args}: {r.stderr}")

    def run(*args, code=0):
        r = subprocess.run([os.path.abspath(program), *args], cwd=dir, capture_output=True, text=True, timeout=60, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1"))
        check(r.returncode == code, f"{args}: {r.returncode} {r.stdout} {r.stderr}")
        return r.stdout
    try:
        with open(dir + "/tsa.cnf", "w") as f:
            f.write(TSA.format(dir) + "[req]\ndistinguished_name = dn\n[dn]\n")
        for name, text in (("serial", "01\n"), ("paper", "who wrote what, and when\n"), ("other", "another\n")):
            with open(os.path.join(dir, name), "w") as f:
                f.write(text)
        ssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Root of a test", "-days", "30", "-config", "tsa.cnf",
            "-extensions", "ca")
        ssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Authority of a test", "-config", "tsa.cnf")
        ssl("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "tsa.pem", "-days", "30", "-extfile", "tsa.cnf", "-extensions", "v3")
        asked = json.loads(run("timestamp", "request", "paper", "--json"))["file"]
        ssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", asked, "-signer", "tsa.pem", "-inkey", "tsa.key", "-chain", "ca.pem", "-out", "answer.tsr")
        run("timestamp", "attach", "other", "answer.tsr", code=1)
        kept = json.loads(run("timestamp", "attach", "paper", "answer.tsr", "--json"))["file"]
        a = json.loads(run("verify", kept, "--file", "paper", "--root", "ca.pem", "--json"))
        check(a["proved"] and a["kind"] == "timestamp" and "existed" in a["proves"][0], str(a))
        for words in (("--file", "other", "--root", "ca.pem"), ("--file", "paper", "--root", "tsa.pem"), ("--file", "paper")):
            check(not json.loads(run("verify", kept, *words, "--json", code=1))["proved"], str(words))
        ssl("ts", "-verify", "-queryfile", asked, "-in", kept, "-CAfile", "ca.pem")
    finally:
        shutil.rmtree(dir)
