"""Admission by evidence among real processes, with a TPM that swtpm plays: who is admitted, what runs where, what a kill leaves."""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time

from harness import Gateway, Node, Village, check, free_port, wait

ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1", NO_COLOR="1")
ABSENT = "swtpm, swtpm-tools or openssl are not installed"


def tools():
    return all(shutil.which(t) for t in ("swtpm", "swtpm_setup", "swtpm_localca", "openssl"))


class Tpm:
    """A TPM 2.0 by swtpm, whose endorsement key its own CA certified."""

    def __init__(self, where, ca=None):
        self.dir = where
        self.ca = ca or os.path.join(where, "ca")
        os.makedirs(os.path.join(where, "state"))
        files = {"setup.conf": f"create_certs_tool = swtpm_localca\ncreate_certs_tool_config = {where}/ca.conf\n"
                               f"create_certs_tool_options = {where}/ca.options\nactive_pcr_banks = sha256\n",
                 "ca.conf": f"statedir = {self.ca}\nsigningkey = {self.ca}/signkey.pem\nissuercert = {self.ca}/issuercert.pem\n"
                            f"certserial = {self.ca}/certserial\n",
                 "ca.options": "--platform-manufacturer Village\n--platform-version 1\n--platform-model test\n"}
        for name, text in files.items():
            with open(os.path.join(where, name), "w") as f:
                f.write(text)
        done = subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", where + "/state", "--create-ek-cert", "--config", where + "/setup.conf"],
                              capture_output=True, text=True, timeout=120)
        check(done.returncode == 0, f"swtpm_setup: {done.stdout[-500:]} {done.stderr[-500:]}")
        self.p = None
        self.start()

    def start(self):
        for _ in range(20):
            port = free_port()
            try:
                with socket.socket() as s:
                    s.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            self.p = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.dir}/state", "--server",
                                       f"type=tcp,port={port},bindaddr=127.0.0.1", "--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1",
                                       "--flags", "not-need-init,startup-clear"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.3)
            if self.p.poll() is None:
                self.tcti = f"swtpm:host=127.0.0.1,port={port}"
                return
        check(False, "swtpm does not start")

    def stop(self):
        self.p.kill()
        self.p.wait()

    def root(self):
        return os.path.join(self.ca, "swtpm-localca-rootca-cert.pem")


def key_hash(pem):
    """SHA-256 of the SubjectPublicKeyInfo, as docs/operations.md says to take it."""
    public = subprocess.run(["openssl", "x509", "-in", pem, "-pubkey", "-noout"], capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public, capture_output=True, check=True).stdout
    return hashlib.sha256(der).hexdigest()


class Scene:
    """A coordinator whose policy may accept the CA of this test's TPM, in words, as a test root."""

    def __init__(self, program, accepted, at_head=False, **policy):
        self.dir = os.path.join("/var/tmp", f"village-attest-{os.getpid()}-{time.monotonic_ns()}")
        os.makedirs(self.dir)
        self.nowhere = os.path.join(self.dir, "nowhere")
        os.makedirs(self.nowhere)
        os.makedirs(os.path.join(self.dir, "tpm"))
        self.tpm = Tpm(os.path.join(self.dir, "tpm"))
        self.vendors = os.path.join(self.dir, "vendors")
        os.makedirs(self.vendors)
        shutil.copy(self.tpm.root(), os.path.join(self.vendors, "root.pem"))
        shutil.copy(os.path.join(self.tpm.ca, "issuercert.pem"), os.path.join(self.vendors, "issuer.pem"))
        text = {"version": 1, **policy}
        if accepted:
            text["roots"] = [{"kind": "tpm", "key": key_hash(self.tpm.root()), "anchor": "operator",
                              "name": "accepted as a test root: CA of swtpm"}]
        self.policy = os.path.join(self.dir, "policy.json")
        with open(self.policy, "w") as f:
            json.dump(text, f, indent=1)
        self.v = Village(program, workers=0, timing=("--heartbeat", "500ms", "--lost", "2s", "--device-root", self.nowhere))
        self.v.head.stop()  # the first start founded; the policy is of this one
        self.v.head.args = [*self.v.head.args, "--attest-policy", self.policy, "--attest-dir", self.vendors,
                            *(("--tpm", self.tpm.tcti) if at_head else ())]
        self.v.head.start()
        wait("the gateway", 30, lambda: self.v.call("GET", "/v1/system/health"))
        self.gateways = {}
        if not at_head:
            self.join("proven", "--tpm", self.tpm.tcti)
        self.join("plain")
        self.v.ready(2 if at_head else 3)

    def join(self, name, *args):
        port = free_port()
        ticket = self.v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
        n = Node(self.v, name, "join", ticket, "--listen", "127.0.0.1:0", "--slots", "2", "--gateway", f"127.0.0.1:{port}", *self.v.timing, *args)
        self.v.nodes.append(n)
        self.gateways[name] = Gateway(n, port)

    def node(self, name):
        return next(n for n in self.v.call("GET", "/v1/fog/nodes")["items"] if n["name"] == name)

    def shown(self, name, milli, seconds=30):
        def probe():
            n = self.node(name)
            return n if n.get("attestation_milli") == milli and "attestation" in n else None
        try:
            return wait(f"{name} at {milli}", seconds, probe)
        except Exception as e:
            raise type(e)(f"{e}: {self.node(name)}")

    def cli(self, *args):
        return subprocess.run([self.v.program, args[0], "--data", self.v.head.data, *args[1:]], capture_output=True, text=True, env=ENV, timeout=120)

    def down(self):
        try:
            self.v.down()
        finally:
            self.tpm.stop()
            shutil.rmtree(self.dir, ignore_errors=True)


def test_a_node_with_a_tpm_is_worth_700_and_gets_the_jobs_that_ask_for_it(program, wasm, examples):
    if not tools():
        return ABSENT
    s = Scene(program, True, tasks={"A": 700})
    try:
        proven, plain = s.shown("proven", 700), s.shown("plain", 300)
        check(proven["attestation"] == "tpm: accepted", str(proven))
        check("nothing to attest with" in plain["attestation"], str(plain))
        done = s.cli("run", "--min-attestation", "0.7", "--json", os.path.join(wasm, "slow.wasm"), "--", "0")
        check(done.returncode == 0, f"{done.stdout} {done.stderr}")
        job = json.loads(done.stdout)["job"]["id"]
        check({t["node"] for t in s.v.tasks(job)} == {proven["id"]}, f"{s.v.tasks(job)}")
        far = s.v.job(os.path.join(wasm, "slow.wasm"), args=["0"], require={"min_attestation": 900})
        why = wait("the reason", 20, lambda: s.v.call("GET", f"/v1/fog/jobs/{far}/explain").get("waiting"))
        check(why["nodes_by_reason"].get("evidence") == 3 and "evidence" in why["reason"], str(why))
        text = s.cli("explain", far)
        check("evidence" in text.stdout, text.stdout + text.stderr)
        s.v.call("DELETE", f"/v1/fog/jobs/{far}")
        listed = s.cli("nodes").stdout
        check("EVIDENCE" in listed and "0.70" in listed and "0.30" in listed, listed)
        one = s.cli("nodes", "proven").stdout
        check("0.700, tpm: accepted" in one, one)
        metrics = s.v.raw("GET", "/v1/system/metrics")[2].decode()
        check("village_attest_nodes_proven 1\n" in metrics and "village_attest_results_total" in metrics, metrics[-2000:])
        asked = s.cli("attest", "ask", "proven")
        check(asked.returncode == 0, asked.stderr)
        path = os.path.join(s.dir, "result.txt")
        check(s.cli("attest", "show", "proven", path).returncode == 0, "the signed result as a file")
        head = s.v.call("GET", "/v1/system/info")["node_id"]
        verdict = json.loads(s.cli("verify", "--json", "--key", head, path).stdout)
        check(verdict["proved"] and verdict["kind"] == "attested" and "0.700" in verdict["proves"][0], str(verdict))
        own = s.cli("attest")
        check(own.returncode == 0 and "level" in own.stdout, own.stdout + own.stderr)
        bad = s.cli("run", "--min-attestation", "7", os.path.join(wasm, "slow.wasm"))
        check(bad.returncode == 2 and "0.7" in bad.stderr, bad.stderr)
    finally:
        s.down()


def test_the_coordinator_judges_its_own_tpm_as_it_does_those_of_others(program, wasm, examples):
    if not tools():
        return ABSENT
    s = Scene(program, True, at_head=True)
    try:
        head = s.shown("head", 700)
        check(head["attestation"] == "tpm: accepted", str(head))
        job = s.v.job(os.path.join(wasm, "slow.wasm"), [b"x\n"], args=["0"], require={"min_attestation": 700})
        check(s.v.ended(job, 60)["state"] == "done" and {t["node"] for t in s.v.tasks(job)} == {head["id"]}, f"{s.v.tasks(job)}")
        s.v.call("POST", "/v1/tickets", {"uses": 1})  # answered when it is on the disk, and so is what came before it
        s.v.head.kill()
        s.v.head.start()
        wait("the gateway", 30, lambda: s.v.call("GET", "/v1/system/health"))
        check(s.node("head")["attestation_milli"] == 700, "the verdict is kept")
        s.tpm.stop()
        check(s.cli("attest", "ask", "head").returncode == 0, "it is asked again")
        gone = s.shown("head", 300)
        check("accepted" not in gone["attestation"], str(gone))
    finally:
        s.down()


def test_kill_9_keeps_the_verdict_and_the_channel_is_asked_again(program, wasm, examples):
    if not tools():
        return ABSENT
    s = Scene(program, True)
    try:
        s.shown("proven", 700)
        s.v.call("POST", "/v1/tickets", {"uses": 1})  # answered when it is on the disk, and so is what came before it
        s.v.head.kill()
        s.v.head.start()
        wait("the gateway", 30, lambda: s.v.call("GET", "/v1/system/health"))
        check(s.node("proven")["attestation_milli"] == 700, f"{s.node('proven')}")  # from the disk: nobody is back yet
        village = lambda: s.gateways["proven"].call("GET", "/v1/fog/tee/status")["village"]
        wait("the member to be told", 30, lambda: village()["known"])  # by a message that outlived the kill
        own = village()
        check(own["level_milli"] == 700, str(own))
        again = lambda: village()["number"] > 1
        wait("a round over the new channel", 40, again)
        s.v.nodes[1].kill()
        s.v.nodes[1].start()
        wait("its gateway", 30, lambda: s.gateways["proven"].call("GET", "/v1/system/health"))
        check(s.gateways["proven"].call("GET", "/v1/fog/tee/status")["village"]["level_milli"] == 700, "a member knows its own after kill -9")
        s.tpm.stop()  # the machine loses what it was admitted for
        status, _, raw = s.v.raw("POST", f"/v1/fog/nodes/{s.node('proven')['id']}/attest", {})
        check(status == 204, f"{status} {raw}")
        gone = s.shown("proven", 300, 60)
        check("nothing to attest with" in gone["attestation"], str(gone))
    finally:
        s.down()


def test_a_simulated_root_that_the_policy_does_not_name_is_held_at_300_in_quarantine(program, wasm, examples):
    if not tools():
        return ABSENT
    s = Scene(program, False, admit=700)
    try:
        held = s.shown("proven", 300)
        check(held["quarantined"] and "root" in held["attestation"], str(held))
        status = s.gateways["proven"].call("GET", "/v1/fog/tee/status")
        check(any(p["provider"] == "tpm" and p["present"] for p in status["providers"]), str(status))
        job = s.v.job(os.path.join(wasm, "slow.wasm"), args=["0"])
        why = wait("the reason", 20, lambda: s.v.call("GET", f"/v1/fog/jobs/{job}/explain").get("waiting"))
        check(why["nodes_by_reason"].get("evidence") == 3, str(why))
        # and it may send none
        mine = s.gateways["proven"].job(os.path.join(wasm, "slow.wasm"), args=["0"])
        end = s.gateways["proven"].ended(mine, 60)
        check(end["state"] == "failed" and "quarantine" in json.dumps(end), str(end))
    finally:
        s.down()


def test_contexts_are_made_over_rest_and_their_evidence_is_a_file(program, wasm, examples):
    if not tools():
        return ABSENT
    s = Scene(program, True)
    try:
        s.shown("proven", 700)
        g = s.gateways["proven"]
        nonce, program_hash = "ab" * 32, "cd" * 32
        job = s.v.job(os.path.join(wasm, "slow.wasm"), args=["0"])
        began = time.monotonic()
        made = g.call("POST", "/v1/fog/tee/create", {"job": job, "program": program_hash, "config": "x", "nonce": nonce})
        check(time.monotonic() - began < 5, "five seconds are what it may take")
        check(made["context"]["provider"] == "tpm" and made["context"]["measured"] and made["context"]["job"] == job, str(made["context"]))
        check(made["evidence"].startswith("-----BEGIN VILLAGE ATTESTATION-----"), made["evidence"][:80])
        # a member has no policy: its own view of a root that it was not told of
        check(not made["verdict"]["accepted"] and made["verdict"]["level_milli"] == 300, str(made["verdict"]))
        path = os.path.join(s.dir, "evidence.txt")
        with open(path, "w") as f:
            f.write(made["evidence"])
        verdict = json.loads(s.cli("verify", "--json", "--nonce", nonce, "--attest-dir", s.vendors, "--attest-policy", s.policy, path).stdout)
        check(not verdict["proved"] and "conversation" in verdict["reason"], str(verdict))  # an EK certificate: activation is not in a file
        listed = g.call("GET", "/v1/fog/tee/status")["contexts"]
        check([c["job"] for c in listed] == [job] and listed[0]["attested"] == 1, str(listed))
        for body, status in (({"job": job}, 409), ({"provider": "sgx-of-nobody"}, 422), ({"config": "x"}, 422), ({"nonce": "ab"}, 400),
                             ({"job": "x"}, 422)):
            got, _, raw = g.raw("POST", "/v1/fog/tee/create", body)
            check(got == status, f"{body}: {got} {raw[:300]}")
        status, _, raw = g.raw("DELETE", f"/v1/fog/tee/contexts/{made['context']['id']}")
        check(status == 204, f"{status} {raw}")
        check(g.raw("DELETE", f"/v1/fog/tee/contexts/{made['context']['id']}")[0] == 404, "it is closed")
        got, _, raw = s.gateways["plain"].raw("POST", "/v1/fog/tee/create", {})
        check(got == 422 and b"village tee list" in raw or b"not here" in raw or b"no " in raw, f"{got} {raw[:300]}")
    finally:
        s.down()


def test_the_policy_in_the_manual_is_one(program, wasm, examples):
    manual = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "operations.md")
    with open(manual) as f:
        text = f.read()
    text = text[text.index("## Admission by evidence"):]
    text = text[text.index("```json") + 7:]
    folder = os.path.join("/var/tmp", f"village-attest-{os.getpid()}-{time.monotonic_ns()}")
    os.makedirs(folder)
    try:
        with open(folder + "/policy.json", "w") as f:
            f.write(text[:text.index("```")])
        port = free_port()
        p = subprocess.Popen([os.path.abspath(program), "up", "--data", folder + "/d", "--gateway", f"127.0.0.1:{port}", "--listen", "127.0.0.1:0",
                              "--attest-policy", folder + "/policy.json"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENV)
        try:
            wait("the gateway", 30, lambda: p.poll() is not None or socket.create_connection(("127.0.0.1", port), 1))
            check(p.poll() is None, p.stderr.read() if p.poll() is not None else "")
        finally:
            p.terminate()
            p.communicate(timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_policy_that_is_wrong_is_named_with_its_line_and_the_node_does_not_start(program, wasm, examples):
    folder = os.path.join("/var/tmp", f"village-attest-{os.getpid()}-{time.monotonic_ns()}")
    os.makedirs(folder)
    try:
        path, data = os.path.join(folder, "p.json"), folder + ".data"
        with open(path, "w") as f:
            f.write('{"version": 1,\n "admitt": 700}')
        up = lambda *a: subprocess.run([os.path.abspath(program), "up", "--data", data, "--no-gateway", "--listen", "127.0.0.1:0", *a],
                                       capture_output=True, text=True, env=ENV, timeout=30)
        r = up("--attest-policy", path)
        check(r.returncode != 0 and "line 2: admitt" in r.stderr and "docs/operations.md" in r.stderr, r.stderr)
        r = up("--attest-policy", path + ".none")
        check(r.returncode != 0 and "p.json.none" in r.stderr, r.stderr)
        r = up("--attest-dir", folder + "/none")
        check(r.returncode != 0 and "--attest-dir" in r.stderr, r.stderr)
        r = up("--attest-dir", folder)
        check(r.returncode != 0 and "p.json" in r.stderr, r.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder + ".data", ignore_errors=True)
