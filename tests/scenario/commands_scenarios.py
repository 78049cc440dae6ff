"""Every command of `village help` against a village that has something to show, as text and as JSON."""
import json
import os
import re
import subprocess

from harness import Node, check, free_port, wait
from harvest_scenarios import Lent

ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1", NO_COLOR="1")
ODD = re.compile(r"\bnan\b|\(null\)|%[a-z]{1,3}\b|Sanitizer|runtime error")
ELSEWHERE = {"up", "join", "verify", "timestamp", "zk"}  # every scenario starts nodes; the others: proof and anchor scenarios, and their own tests


class Rig:
    """A head and two more that are mixes of three owners, and a harvested member with a gateway of its own."""

    def __init__(self, lent, wasm):
        self.lent, self.v, self.head = lent, lent.village, lent.village.head
        self.slow, self.seen = os.path.join(os.path.abspath(wasm), "slow.wasm"), set()
        v = self.v
        ticket = v.call("POST", "/v1/tickets", {"uses": 2})["ticket"]
        for i in range(2):
            v.nodes.append(Node(v, f"w{i}", "join", ticket, "--listen", f"127.0.0.1:{free_port()}", "--slots", "2", "--mix", "--mix-rate", "500",
                                "--label", f"owner=o{i}", *v.timing))
        wait("four nodes", 40, lambda: len([n for n in v.call("GET", "/v1/fog/nodes")["items"] if n["features"]]) == 4)
        self.ids = {n["name"]: n["id"] for n in v.call("GET", "/v1/fog/nodes")["items"]}
        self.run("maintenance", "head", "off")

    def run(self, *args, code=0, node=None, only=None):
        """Returns what is said, and the answer with --json.  What is asked twice must bear it; only "text" or "json": once."""
        text, answer = "", None
        for how in ("text", "json") if only is None else (only,):
            more = ("--json",) if how == "json" else ()
            r = subprocess.run([self.v.program, args[0], "--data", (node or self.head).data, *more, *args[1:]], capture_output=True, text=True, env=ENV,
                               timeout=120, cwd=self.v.dir)
            said = r.stdout + r.stderr
            check(r.returncode == code and not ODD.search(said), f"{args} {how}: {r.returncode} {r.stdout[-700:]} {r.stderr[-1500:]}")
            if how == "json":
                answer = json.loads(r.stdout)
            else:
                text = said
        self.seen.add(args[0])
        return text, answer

    def says(self, *args, word, **more):
        text, answer = self.run(*args, **more)
        check(word in text, f"{args}: {word!r} is not in {text[-1500:]}")
        return answer

    def items(self, *args, **more):
        return self.run(*args, **more)[1]["items"]


def work(r):
    with open(os.path.join(r.v.dir, "a.txt"), "w") as f:
        f.write("hello\n")
    job = r.says("run", r.slow, "--input", "a.txt", "--name", "first", "--", "1", word="HELLO")["job"]["id"]
    batch = r.v.job(r.slow, [b"%d\n" % i for i in range(12)], args=["1"], strategy="nsga2")
    r.v.ended(batch, 90)
    r.says("jobs", word=job[-8:])
    r.says("job", job, word="done")
    r.says("job", job, "--output", "results", word="2 files in results")
    events = [e for e in r.items("job", batch, "--events") if e["kind"] in ("placed", "started", "task_done")]
    check(len(events) >= 36 and all(e["node"] in r.ids.values() for e in events), f"{events}")
    check(len(r.items("job", batch, "--tasks")) == 12 and len(r.items("receipts", batch)) == 12, "tasks and receipts")
    a = r.says("explain", batch, word="taken")
    check(sum(b["tasks_of_job"] for b in a["batches"]) >= 12, f"{a}")
    a = r.says("reputation", "head", "--check", word="")  # it has evidence now
    check(a["check"]["matches"] is True, f"{a}")


def looks(r):
    check(len(r.items("nodes")) == 4 and len(r.items("reputation")) == 4, "four nodes")
    check(r.says("nodes", "w0", word="o0")["id"] == r.ids["w0"], "one node")
    check(r.says("status", word="health")["health"]["status"] == "ok", "status")
    r.says("attest", word="level")
    r.run("attest", "ask", "w0", only="text")
    r.says("attest", "show", "w0", word="")
    r.says("tee", word="tpm")
    r.says("anchor", word="--anchor-url")
    r.says("quorum", word="promised")
    r.says("quorum", "check", "--tier", "bronze", word="cannot be honoured", code=1)
    r.says("quorum", "check", "--tier", "platinum", word="owners", code=1)
    r.says("contributions", word="")
    for command, word in (("help", "village"), ("version", "village"), ("man", ".TH")):
        r.says(command, word=word, only="text")
    for shell in ("bash", "zsh"):
        r.says("completion", shell, word="village", only="text")


def market(r):
    a = r.says("market", "quote", "--tier", "silver", "--work", "1000000", word="micro-credits")
    check(a["price"] > 0 and a["tier"] == "silver", f"{a}")
    check([t["tier"] for t in r.run("market", "prices")[1]["tiers"]] == ["bronze", "silver", "gold", "platinum"], "prices")
    opened = r.run("market", "auction", "--work", "1000", "--reserve", "100000", "--duration", "60s", only="json")[1]
    check(opened["state"] == "commit", f"{opened}")
    r.says("market", "auction", opened["id"], word="held")
    check(len(r.items("market", "auctions")) == 1, "auctions")
    r.run("market", "auction", opened["id"], "--cancel", only="text")
    a = r.run("market", "auction", opened["id"])[1]
    check(a["state"] == "cancelled", f"{a}")
    r.run("market", "auction", opened["id"], "--cancel", code=1, only="text")
    check(len(r.items("bench")) == 4, "rates")
    r.says("bench", "w0", word="measuring", only="text")
    wait("w0 to be measured", 40, lambda: next(n for n in r.items("bench", only="json") if n["id"] == r.ids["w0"])["rate_nh"] > 0, 0.5)


def harvest(r):
    lent = r.lent.node
    check(r.says("harvest", word="battery", node=lent)["harvested"], "status")
    r.says("harvest", "policy", word="battery.min", node=lent)
    r.says("harvest", "policy", "cpu=30", word="stored", node=lent)
    r.says("harvest", "policy", "cpu=300", word="1 to 100", node=lent, code=1)
    r.says("harvest", "policy", "nothing=1", word="no policy", node=lent, code=1)
    others = ("head", "w0", "w1")
    for name in others:
        r.run("maintenance", name, "on", only="text")
    r.says("run", r.slow, "--input", "a.txt", "--", "300", word="HELLO", only="text")
    for name in others:
        r.run("maintenance", name, "off", only="text")
    r.says("harvest", "pause", "2h", word="", node=lent)
    check(r.says("harvest", word="paused by its owner", node=lent)["state"] == "off", "paused")
    r.says("harvest", "resume", word="works again", node=lent)
    r.says("contributions", word=r.ids["lent"][-8:])  # at the head, while the session is open
    r.says("contributions", word="no machine", node=lent)
    check(not r.says("harvest", word="--harvest")["harvested"], "the head is not one")


def mixes(r):
    r.says("mix", word="no private network yet")
    r.says("mix", "relays", word="no relay")
    r.says("mix", "ping", "w0", word="no consensus", code=1)  # with an answer: mix scenarios; here are too few for a path
    r.says("mix", "authorities", "w0", "w1", "head", "--epoch", "6s", "--floor", "1", word="charter", only="text")
    wait("a consensus", 60, lambda: r.run("mix", only="json")[1]["consensus_epoch"] >= 1, 0.5)
    r.says("mix", word="private")
    check(len(r.items("mix", "relays")) == 3, "relays")
    a = r.run("mix", "capacity", "--rate", "200", "--seconds", "1", only="json")[1]
    check(a["sent"] == 200 and a["received"] >= 100, f"{a}")  # a busy machine may lose some


def draws(r):
    wait("neighbours", 80, lambda: r.run("neighbours", only="json")[1]["neighbours"], 0.5)
    r.says("neighbours", "--certificate", "mine", word="", only="text")
    r.says("neighbours", "--certificate", "mine", word="not overwritten", code=1, only="text")
    r.says("neighbours", word="seed")
    check(r.run("verify", "mine")[1]["kind"] == "neighbours", "the certificate")
    kept = os.path.join(r.v.dir, "kept")

    def proof():
        os.path.exists(kept) and os.unlink(kept)
        r.run("availability", "--output", kept, only="text")
        return r.run("verify", kept, only="json")[1]["kind"] == "availability"
    wait("a proof of availability", 30, proof, 0.5)
    blob = r.v.blob(os.urandom(100000))["hash"]
    check(r.run("keep", blob)[1]["blob"] == blob, "keep")
    r.says("keep", "0" * 64, word="not here", code=3)


def members(r):
    lent = r.lent.node
    r.says("keys", word="no: whoever reads", node=lent)
    r.says("keys", "rotate", word="coordinator", code=1)
    next_id = r.run("keys", "rotate", node=lent, only="json")[1]["next"]
    wait("the new keys", 30, lambda: r.run("keys", node=lent, only="json")[1]["node"] == next_id, 0.3)
    lent.kill()
    lent.start()
    given = wait("what was given under the old keys", 30, lambda: r.items("contributions", node=lent), 0.5)
    check(len(given) == 1 and given[0]["tasks_done"] >= 1 and not given[0]["open"], f"{given}")  # tasks of the batch may have come here, too
    a = r.run("ticket", "--uses", "3")[1]
    check(a["ticket"].startswith("vl1"), "ticket")
    r.run("revoke", a["id"], only="text")
    r.says("revoke", "nothere", word="village tickets", code=3)
    check(next(t for t in r.items("tickets") if t["id"] == a["id"])["revoked"], "tickets")
    r.run("maintenance", "w1", "on")
    check(r.run("nodes", "w1")[1]["state"] == "maintenance", "maintenance")
    r.run("maintenance", "w1", "off")
    r.says("keys", "revoke", "w1", word="revoked", only="text")
    r.run("expel", "w0", only="text")
    r.says("expel", "w0", word="no node", code=3)
    wait("the others to be gone", 30, lambda: {n["name"] for n in r.items("nodes") if n["state"] != "offline"} == {"head", "lent"}, 0.5)


def test_every_command_answers_in_words_and_in_json(program, wasm, examples):
    lent = Lent(program, None, head=("--epoch", "6s", "--mix", "--mix-rate", "500"))
    try:
        r = Rig(lent, wasm)
        for part in (work, looks, market, harvest, mixes, draws, members):
            part(r)
        listed = set(re.findall(r"^  ([a-z]+) ", r.run("help", only="text")[0].split("Options of every command")[0], re.M))
        check(len(listed) > 30 and listed - r.seen - ELSEWHERE == set(), f"never asked: {listed - r.seen - ELSEWHERE}")
    finally:
        lent.down()
