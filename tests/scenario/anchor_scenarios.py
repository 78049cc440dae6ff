"""Anchors on a real development chain: deploy, anchor, prove; kills, outages, reorganisations, fees that are too low, wrong settings."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import chain as dev
from harness import Village, check, wait
from proxy import Proxy

ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1", NO_COLOR="1")
FAST = ("--anchor-every", "1s", "--anchor-patience", "3s", "--anchor-confirmations", "2")


def run(program, *args):
    r = subprocess.run([os.path.abspath(program), *args], capture_output=True, text=True, env=ENV, timeout=120)
    return r.returncode, r.stdout, r.stderr


class Rig:
    """A chain, an account with coins, a contract, a village that anchors there through a proxy, and a job's receipt in its log."""

    def __init__(self, program, examples, settings=()):
        self.program, self.nop = program, os.path.join(examples, "nop.wasm")
        self.chain, self.proxy, self.village = dev.Chain(examples), Proxy(), None
        self.keys = tempfile.mkdtemp(prefix="village-keys-", dir="/var/tmp")
        self.key = os.path.join(self.keys, "key")
        self.proxy.target = self.chain.port
        self.where = ("--anchor-url", f"http://127.0.0.1:{self.proxy.port}/", "--anchor-chain", "31337", "--anchor-key-file", self.key)
        self.account = json.loads(self.cli("anchor", "account", "--json", *self.where)[1])["account"]
        self.settings = settings or FAST

    def cli(self, *args, code=0):
        r = run(self.program, *args)
        check(code is None or r[0] == code, f"{args}: {r}")
        return r

    def deploy(self):
        self.chain.fund(self.account)
        self.contract = json.loads(self.cli("anchor", "deploy", "--json", *self.where)[1])["contract"]

    def up(self, contract=None):
        self.village = Village(self.program, workers=0, head=(*self.where, "--anchor-contract", contract or self.contract, *self.settings))

    def grow(self):
        v = self.village
        check(v.ended(v.job(self.nop), 60)["state"] == "done", "a job to have a receipt of")

    def status(self):
        return self.village.call("GET", "/v1/fog/anchors")

    def until(self, what, probe, seconds=60):
        return wait(f"{what}; it says {self.status()}", seconds, lambda: probe(self.status()) and self.status(), 0.1)

    def anchored(self, size=None):
        """Blocks come until the head is deep enough."""
        def probe(s):
            self.chain.mine()
            return s["size"] >= (size or s["log_size"]) and s["size"] > 0
        return self.until("an anchor", probe)

    def restart(self):
        self.village.head.kill()
        self.village.head.start()
        self.village.ready(1)

    def once(self):
        """Each head is on the chain once, and no nonce was used for anything else: one for the contract, one for each anchor."""
        sizes = [a[0] for a in self.chain.anchors(self.contract)]
        check(sizes == sorted(set(sizes)) and self.chain.nonce(self.account) == 1 + len(sizes), f"{sizes} {self.chain.nonce(self.account)}")
        return sizes

    def down(self):
        try:
            if self.village:
                self.village.down()
        finally:
            self.chain.down()
            self.proxy.close()
            shutil.rmtree(self.keys, ignore_errors=True)


@contextlib.contextmanager
def rig(program, examples, settings=(), ready=True):
    r = Rig(program, examples, settings)
    try:
        if ready:
            r.deploy()
            r.up()
        yield r
    finally:
        r.down()


def test_a_receipt_is_anchored_and_proved_offline_and_a_changed_byte_is_refused(program, wasm, examples):
    if dev.missing(examples):
        return dev.missing(examples)
    with rig(program, examples) as r:
        check(os.stat(r.key).st_mode & 0o777 == 0o600, "the key is its owner's alone")
        r.grow()
        s = r.anchored(1)
        check(s["state"] in ("anchored", "waits", "sent", "in a block") and s["problem"] is None, str(s))
        (size, root, block), file = r.chain.anchors(r.contract)[0], os.path.join(r.keys, "proof")
        check(r.cli("anchor", "--data", r.village.head.data)[1].count(r.account) == 1, "status names the account")
        r.cli("anchor", "prove", "0", "-o", file, "--data", r.village.head.data)
        r.cli("anchor", "verify", file, code=1)  # nobody said which block
        _, out, _ = r.cli("anchor", "verify", file, "--block", block, "--anchor-contract", r.contract, "--json")
        got = json.loads(out)
        check(got["shown"] and got["size"] == size and got["root"] == root and got["index"] == 0 and got["account"] == r.account and got["chain"] == 31337, out)
        check("job " in r.cli("anchor", "verify", file, "--block", block)[1], "it names the receipt's job")
        code, out, _ = r.cli("verify", file, "--block", block, "--json")
        got_again = json.loads(out)
        check(got_again["kind"] == "anchor" and got_again["proved"] and any(f["value"] == block[2:] for f in got_again["facts"]), out)
        for words in ((), ("--block", "0x" + "00" * 32), ("--block", block, "--kind", "execution"), ("--block", block, "--village", "00" * 16)):
            check(not json.loads(r.cli("verify", file, *words, "--json", code=1)[1])["proved"], str(words))
        text = open(file).read()
        begin, *lines, end = text.strip().split("\n")
        body = "".join(lines)
        for at in range(0, len(body) - 4, max(1, len(body) // 60)):
            c = "A" if body[at] != "A" else "B"
            spoilt = body[:at] + c + body[at + 1:]
            open(file, "w").write("\n".join([begin, *(spoilt[i:i + 64] for i in range(0, len(spoilt), 64)), end]) + "\n")
            code, out, _ = r.cli("anchor", "verify", file, "--block", block, "--json", code=None)
            # the transaction's name is the one thing that nothing covers: verify says so, and a changed one is shown
            same = json.loads(out).get("tx") != got["tx"] and json.loads(out)["shown"]
            check(code == 1 or same, f"byte {at}: {out}")
        open(file, "w").write(text)
        r.cli("anchor", "verify", file, "--block", "0x" + "00" * 32, code=1)
        r.cli("anchor", "verify", file, "--block", block, "--anchor-contract", "0x" + "11" * 20, code=1)
        r.once()
        metrics = r.village.raw("GET", "/v1/system/metrics")[2].decode()
        check("village_anchors_total 1" in metrics, metrics[-600:])


def test_a_kill_between_sending_and_the_receipt_uses_no_nonce_twice_and_loses_nothing(program, wasm, examples):
    if dev.missing(examples):
        return dev.missing(examples)
    with rig(program, examples, ("--anchor-every", "1s", "--anchor-patience", "1m", "--anchor-confirmations", "2")) as r:
        r.chain.rpc("evm_setAutomine", False)
        r.grow()
        before = r.until("a transaction on its way", lambda s: s["pending"] and s["sent"] > 0)["pending"]
        wait("it in the pool", 10, lambda: r.chain.rpc("eth_getBlockByNumber", "pending", False)["transactions"])
        r.restart()
        s = r.until("the same again", lambda s: s["pending"] and s["sent"] > 0)
        check(s["pending"]["nonce"] == before["nonce"] and s["problem"] is None, str(s))
        r.chain.mine()
        r.until("it in a block", lambda s: s["pending"] and s["pending"]["block"] > 0)
        r.restart()  # between its block and the depth
        s = r.anchored(before["size"])
        r.grow()
        r.anchored(s["log_size"] + 1)
        check(len(r.once()) >= 2, "a second anchor")
        # killed at any moment
        for _ in range(3):
            r.grow()
            r.restart()
        r.anchored()
        r.once()


def test_without_a_chain_the_log_works_and_one_anchor_catches_up(program, wasm, examples):
    if dev.missing(examples):
        return dev.missing(examples)
    with rig(program, examples) as r:
        r.proxy.cut("refuse")
        for _ in range(3):
            r.grow()
        s = r.until("trouble", lambda s: s["problem"])
        check("cannot be reached" in s["problem"] or "broke off" in s["problem"], s["problem"])
        check(r.cli("anchor", "--data", r.village.head.data, code=1)[2].count(s["problem"]) == 1, "the command says it")
        check(s["log_size"] == 3 and r.village.call("GET", "/v1/fog/log")["size"] == 3, "the log goes on")
        r.cli("anchor", "prove", "0", "--data", r.village.head.data, code=3)
        r.proxy.heal()
        s = r.anchored(3)
        sizes = r.once()
        check(s["problem"] is None and sizes[-1] == 3 and len(sizes) <= 2, f"{s} {sizes}")  # not one for each job: at most one was begun before
        # and a server that takes a request and says nothing
        r.proxy.cut("blackhole")
        r.grow()
        wait("the node stops though a question has no answer", 60, lambda: r.status()["log_size"] == 4)
        check(r.village.head.stop() == 0, "it stops")
        r.proxy.heal()
        r.village.head.start()
        wait("the gateway", 30, lambda: r.village.call("GET", "/v1/system/health"))
        r.anchored(4)
        check(r.once() == [*sizes, 4], str(r.once()))


def test_what_a_reorganisation_takes_away_is_anchored_again(program, wasm, examples):
    if dev.missing(examples):
        return dev.missing(examples)
    with rig(program, examples, ("--anchor-every", "1s", "--anchor-patience", "1m", "--anchor-confirmations", "3")) as r:
        snapshot = r.chain.rpc("evm_snapshot")
        r.grow()
        s = r.until("it in a block", lambda s: s["pending"] and s["pending"]["block"] > 0)
        check(s["size"] == 0, "one block is not deep enough")
        check(r.chain.rpc("evm_revert", snapshot) and r.chain.anchors(r.contract) == [], "it is gone")
        s = r.until("it is sent again", lambda s: s["reorgs"] == 1 and s["pending"] and s["pending"]["block"] > 0)
        s = r.anchored(1)
        check(s["reorgs"] == 1 and r.once() == [1], str(s))
        r.restart()
        check(r.status()["reorgs"] == 1 and r.status()["size"] == 1, str(r.status()))


def test_a_fee_that_is_too_low_is_raised_by_a_tenth_with_the_same_nonce_and_the_chain_takes_one(program, wasm, examples):
    if dev.missing(examples):
        return dev.missing(examples)
    with rig(program, examples) as r:
        r.chain.rpc("evm_setAutomine", False)
        r.grow()
        first = r.until("a transaction on its way", lambda s: s["pending"] and s["sent"] > 0)["pending"]
        s = r.until("two dearer ones", lambda s: s["pending"] and s["pending"]["tries"] >= 3)
        check(s["pending"]["nonce"] == first["nonce"] and s["pending"]["fee_wei"] >= first["fee_wei"] * 121 // 100, f"{first} {s}")
        check(s["problem"] is None, str(s))
        r.restart()
        check(r.status()["pending"]["tries"] >= 3, "the tries are on disk")
        r.until("it goes on after a kill", lambda s: s["pending"] and s["sent"] > 0)
        r.chain.mine()
        r.anchored(1)
        check(r.once() == [1], str(r.once()))


def test_wrong_settings_are_told_with_the_next_step_and_cost_nothing(program, wasm, examples):
    if dev.missing(examples):
        return dev.missing(examples)
    with rig(program, examples, ready=False) as r:
        check("is empty" in r.cli("anchor", "deploy", *r.where, code=1)[2], "an empty account cannot deploy")
        wrong = [x if x != "31337" else "1" for x in r.where]
        r.chain.fund(r.account)
        check("speaks for chain 31337, not 1" in r.cli("anchor", "deploy", *wrong, code=1)[2], "another chain")
        r.chain.fund(r.account, 0)
        check("is another machine" in r.cli("anchor", "account", "--anchor-url", "http://192.0.2.1:1", code=1)[2], "http to another machine")
        os.chmod(r.key, 0o644)
        check("chmod 600" in r.cli("anchor", "account", *r.where, code=1)[2], "a key that others may read")
        os.chmod(r.key, 0o600)
        check("needs --anchor-chain" in r.cli("up", "--anchor-url", "http://127.0.0.1:1", code=2)[2], "half of the settings")
        r.up(contract="0x" + "22" * 20)
        r.grow()
        s = r.until("no contract", lambda s: s["problem"])
        check("no contract at 0x2222" in s["problem"] and "anchor deploy" in s["problem"], s["problem"])
        r.village.down()
        r.chain.fund(r.account)
        r.deploy()
        r.chain.fund(r.account, 0)
        r.up()
        r.grow()
        s = r.until("empty", lambda s: s["problem"])
        check("is empty on chain 31337: send it" in s["problem"], s["problem"])
        r.chain.fund(r.account, 10**9)
        r.until("too little", lambda s: s["problem"] and "send it more" in s["problem"])
        r.chain.fund(r.account)
        r.anchored(1)
        check(r.once() == [1] and r.status()["problem"] is None, str(r.status()))
