"""The market among real processes: sealed bids, a bidder that vanishes, a coordinator that is killed, nodes that claim too much."""
import json
import os
import subprocess

from harness import Node, Village, check, wait

ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1", NO_COLOR="1")


def join(v, name, *args, slots=1):
    ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
    n = Node(v, name, "join", ticket, "--listen", "127.0.0.1:0", "--slots", str(slots), *v.timing, *args)
    v.nodes.append(n)
    return n


def ids(v):
    return {n["name"]: n["id"] for n in v.call("GET", "/v1/fog/nodes")["items"]}


def auction(v, a):
    return v.call("GET", "/v1/fog/market/auctions/" + a["id"])


def bid_of(v, a, name):
    return next(b for b in auction(v, a)["bids"] if b["node"] == ids(v)[name])


def money(v):
    m = v.call("GET", "/v1/fog/market/prices")["money"]
    check(m["held"] == m["released"] + m["paid"] + m["slashed"] + m["now"], f"money is lost or made: {m}")
    return m


def cli(v, *args):
    return subprocess.run([v.program, args[0], "--data", v.head.data, *args[1:]], capture_output=True, text=True, env=ENV, timeout=400)


def restart_head(v):
    v.head.kill()
    v.head.start()
    wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))


def test_the_winner_gets_the_second_price_though_one_vanishes_and_the_coordinator_is_killed(program, wasm, examples):
    """Bids are asks / 1000: 1000, 2000, 3000, and 500 of one that seals it and is never seen again."""
    v = Village(program, workers=0)
    try:
        for name, ask in (("w0", 1000000), ("w1", 2000000), ("w2", 3000000), ("w3", 500000)):
            join(v, name, "--ask", str(ask))
        v.ready(5)
        blob = v.blob(open(os.path.join(wasm, "slow.wasm"), "rb").read())["hash"]
        inputs = [{"name": f"i{i}", **v.blob(b"one\n" * (i + 1))} for i in range(3)]
        a = v.call("POST", "/v1/fog/market/auctions", {"title": "upper case", "tier": "silver", "work_nh": 1000000, "reserve": 10000, "duration_ms": 12000,
                                                       "job": {"kind": "wasm", "program": blob, "args": ["1"], "map": True, "inputs": inputs}})
        check(a["state"] == "commit" and a["escrow"] == 10000, str(a))
        wait("four sealed bids", 10, lambda: auction(v, a)["bids_n"] == 4)
        check(all(b["bid"] is None and b["deposit"] == 2000 for b in auction(v, a)["bids"]), "bids are sealed, deposits held")
        v.nodes[4].kill()
        restart_head(v)
        now = auction(v, a)
        check(now["state"] == "commit" and now["bids_n"] == 4 and now["escrow"] == 10000 and now["deposits"] == 8000, str(now))
        check(v.call("GET", "/v1/fog/jobs/" + a["job"])["state"] == "priced", "the job waits for its auction")
        wait("the reveal", 40, lambda: auction(v, a)["state"] in ("reveal", "cleared", "settled"))
        job = v.ended(a["job"], 60)
        check(job["state"] == "done", f"{job}")
        wait("the books to close", 10, lambda: auction(v, a)["state"] == "settled")
        end = auction(v, a)
        won, gone = bid_of(v, a, "w0"), bid_of(v, a, "w3")
        check(won["state"] == "paid" and won["bid"] == 1000 and won["price"] == 2000, f"{won}")
        check(gone["state"] == "silent" and gone["bid"] is None and gone["slashed"] == 200, f"{gone}")
        check(all(bid_of(v, a, n)["state"] == "lost" for n in ("w1", "w2")), "the others lost")
        check(end["paid"] == 2000 and end["slashed"] == 200 and end["escrow"] == end["deposits"] == 0, str(end))
        check({t["node"] for t in v.tasks(a["job"])} == {ids(v)["w0"]}, "the winner alone did the work")
        check(v.output(a["job"]) == b"ONE\n" * 6, "its output")
        check(any(e["kind"] == "priced" and "cleared at 2000" in e["detail"] for e in v.events(a["job"])), "the price stands in its history")
        m = money(v)
        check((m["paid"], m["slashed"], m["treasury"], m["now"]) == (2000, 200, 200, 0), str(m))
        prices = v.call("GET", "/v1/fog/market/prices")
        restart_head(v)
        check(auction(v, a) == end and v.call("GET", "/v1/fog/market/prices") == prices, "a second kill loses nothing")
        hours = next(t for t in prices["tiers"] if t["tier"] == "silver")["hours"]
        check(len(hours) == 1 and hours[0]["price"] == 2000000, str(hours))
        r = cli(v, "market", "auctions")
        check(r.returncode == 0 and "settled" in r.stdout and a["id"][:12] in r.stdout, r.stdout + r.stderr)
        r = cli(v, "market", "auction", a["id"][:6])
        check(r.returncode == 0 and "bid 1000, price 2000" in r.stdout, r.stdout + r.stderr)
        r = cli(v, "market", "quote", "--work", "1000000000", "--tier", "platinum", "--json")
        check(r.returncode == 0 and json.loads(r.stdout)["price"] == 6000000, r.stdout + r.stderr)
        check(cli(v, "market", "prices").returncode == 0, "prices")
    finally:
        v.down()


def test_an_auction_without_enough_owners_fails_and_cancels_its_job(program, wasm, examples):
    v = Village(program, workers=0)
    try:
        for name in ("w0", "w1", "w2"):
            join(v, name, "--ask", "1000000", "--label", "owner=one")
        v.ready(4)
        blob = v.blob(open(os.path.join(examples, "nop.wasm"), "rb").read())["hash"]
        a = v.call("POST", "/v1/fog/market/auctions", {"work_nh": 1000000, "reserve": 5000, "duration_ms": 3000, "job": {"kind": "wasm", "program": blob}})
        job = v.ended(a["job"], 30)
        end = auction(v, a)
        check(job["state"] == "cancelled" and end["state"] == "failed" and "providers" in end["reason"], f"{job} {end}")
        check(end["bids_n"] == 3 and end["slashed"] == 0, "three nodes of one owner are one provider")
        m = money(v)
        check(m["now"] == 0 and m["paid"] == 0, str(m))
    finally:
        v.down()


def test_nodes_are_measured_and_one_that_claims_too_many_slots_is_cut(program, wasm, examples):
    if os.cpu_count() > 4:
        return "sixteen tasks at once do not crowd a machine of more than four processors"
    v = Village(program, workers=0, slots=1)
    try:
        join(v, "liar", slots=16)
        v.ready(2)
        before = {r["name"]: r for r in v.call("GET", "/v1/fog/rates")["items"]}
        check(before["liar"]["verdict"] == "unknown" and before["liar"]["rate_nh"] == 0, str(before))
        r = cli(v, "bench", "--all", "--json")
        check(r.returncode == 0, r.stdout + r.stderr)
        rates = {r["name"]: r for r in json.loads(r.stdout)["items"]}
        head, liar = rates["head"], rates["liar"]
        check(head["verdict"] == "good" and head["rate_nh"] > 0 and head["slots_measured"] == 1, str(head))
        check(liar["verdict"] == "oversold" and 1 <= liar["slots_measured"] < 16, str(liar))
        check(not v.call("GET", "/v1/fog/jobs")["items"], "measuring leaves no jobs behind")
        restart_head(v)
        again = {r["name"]: r for r in v.call("GET", "/v1/fog/rates")["items"]}
        check(again["liar"]["signature"] == liar["signature"] and again["liar"]["slots_measured"] == liar["slots_measured"], str(again))
    finally:
        v.down()
