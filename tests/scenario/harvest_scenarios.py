"""Idle machines: real nodes with real tasks on machines made of files, where people come, batteries drain and processors get hot."""
import functools
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from harness import Gateway, Node, Village, check, free_port, wait

TICKS = os.sysconf("SC_CLK_TCK")
# no service of the machine on which the tests run may have a say
os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent/system"
os.environ["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent/session"
EAGER = ["window.from=00:00", "window.to=00:00", "idle=1", "settle=1"]


def tree(pid):
    """A process and its descendants."""
    pids = [pid]
    for p in pids:
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{t}/children") as f:
                    pids += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return pids


def stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()


def tree_ticks(pid):
    total = 0
    for p in tree(pid):
        try:
            total += sum(int(x) for x in stat(p)[11:15])
        except OSError:
            pass
    return total


class Machine:
    """A laptop below a folder: /sys, /proc and /dev as far as sensors look.  Its processors are busy with `foreign` of all others and
    with what the node's own processes really use."""

    def __init__(self, root, cpus=None):
        self.root, self.keys, self.foreign, self.pid = root, 0, 0.0, None
        self.cpus = cpus or os.cpu_count()
        self.put("sys/class/power_supply/BAT0/type", "Battery")
        self.put("sys/class/power_supply/BAT0/capacity", "80")
        self.put("sys/class/power_supply/BAT0/status", "Discharging")
        self.put("sys/class/power_supply/AC/type", "Mains")
        self.put("sys/class/power_supply/AC/online", "0")
        self.put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0")
        self.put("proc/net/route", "Iface\tDestination\neth0\t00000000")
        self.heat(40)
        self.key()
        self.busy, self.idle = 0.0, 0.0
        self.tell()
        self.on = True
        self.thread = threading.Thread(target=self.live)
        self.thread.start()

    def put(self, at, text):
        path = os.path.join(self.root, at)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w") as f:
            f.write(text + "\n")
        os.rename(path + ".new", path)  # never half a file

    def heat(self, celsius):
        self.put("sys/class/thermal/thermal_zone0/temp", str(int(celsius * 1000)))

    def battery(self, percent, mains=False):
        self.put("sys/class/power_supply/BAT0/capacity", str(percent))
        self.put("sys/class/power_supply/AC/online", "1" if mains else "0")
        self.put("sys/class/power_supply/BAT0/status", "Charging" if mains else "Discharging")

    def key(self):
        self.keys += 1
        self.put("proc/interrupts", f"  CPU0\n 1: {self.keys} IO-APIC 1-edge i8042")

    def tell(self):
        self.put("proc/stat", f"cpu {int(self.busy)} 0 0 {int(self.idle)} 0 0 0 0 0 0")

    def live(self):
        last, seen = time.monotonic(), None
        while self.on:
            time.sleep(0.1)
            now = time.monotonic()
            all_ticks, last = (now - last) * TICKS * self.cpus, now
            own = tree_ticks(self.pid) if self.pid else 0
            new = max(0, own - seen) if seen is not None else 0
            seen = own
            used = min(all_ticks, new + self.foreign * all_ticks)
            self.busy += used
            self.idle += all_ticks - used
            self.tell()

    def off(self):
        self.on = False
        self.thread.join()
        shutil.rmtree(self.root, ignore_errors=True)


@functools.cache
def compiled(program, wasm):
    """A folder with the compiled program of all scenarios: compilers run at the lowest priority, and how long they take on a busy
    machine is no matter of these."""
    kept = tempfile.TemporaryDirectory(prefix="village-compiled-", dir="/var/tmp")
    v = Village(program, workers=0)
    try:
        j = v.ended(v.job(os.path.join(wasm, "busy.wasm"), args=["1"]), 400)
        check(j["state"] == "done", str(j))
        shutil.copytree(os.path.join(v.head.data, "modules"), kept.name, dirs_exist_ok=True)
    finally:
        v.down()
    return kept


class Lent(Gateway):
    """A harvested member on such a machine, with a gateway of its own.  The coordinator takes no work."""

    def __init__(self, program, wasm, policy=EAGER, slots="1", head=()):
        kept = compiled(program, wasm) if wasm else None
        self.village = Village(program, workers=0, head=head)
        v = self.village
        self.machine = Machine(os.path.join(v.dir, "machine"))
        head = v.call("GET", "/v1/fog/nodes")["items"][0]["id"]
        self.head_id = head
        v.call("POST", f"/v1/fog/nodes/{head}/maintenance", {"on": True})
        port = free_port()
        ticket = v.call("POST", "/v1/tickets", {"uses": 1})["ticket"]
        if kept:
            shutil.copytree(kept.name, os.path.join(v.dir, "lent", "modules"))
        node = Node(v, "lent", "join", ticket, "--listen", "127.0.0.1:0", "--slots", slots, "--gateway", f"127.0.0.1:{port}", "--harvest",
                    "--sensor-root", self.machine.root, *v.timing)
        v.nodes.append(node)
        self.machine.pid = node.p.pid
        Gateway.__init__(self, node, port)
        wait("the member's gateway", 20, lambda: self.call("GET", "/v1/system/health"))
        wait("it to join", 20, lambda: self.row())
        self.policy(*policy)

    def row(self):
        return [n for n in self.village.call("GET", "/v1/fog/nodes")["items"] if n["name"] == "lent" and n["state"] != "offline"]

    def policy(self, *words):
        self.call("PUT", "/v1/fog/harvest/policy", {"set": [dict(zip(("name", "value"), w.split("=", 1))) for w in words]})

    def state(self):
        return self.call("GET", "/v1/fog/harvest")

    def until(self, *states, seconds=20):
        def probe():
            h = self.state()
            return h if h["state"] in states else None
        try:
            return wait(f"the machine to be {states}", seconds, probe)
        except Exception as e:
            raise type(e)(f"{e}: {json.dumps(self.state())[:900]}")

    def restart(self):
        self.node.kill()
        self.node.start()
        self.machine.pid = self.node.p.pid
        wait("the member's gateway", 20, lambda: self.call("GET", "/v1/system/health"))

    def task_pid(self):
        """The process of the one task that runs: the runner's child that computes."""
        def probe():
            pids = [p for p in tree(self.node.p.pid)[2:]]
            best = [p for p in pids if int(stat(p)[11]) >= 3]
            return best[0] if len(pids) == 1 and best else None
        return wait("the task to compute", 30, probe, 0.01)

    def busy(self, wasm, ms, **spec):
        return self.village.job(os.path.join(wasm, "busy.wasm"), [b"abc\n"], args=[str(ms)], **spec)

    def down(self):
        try:
            self.village.down()
        finally:
            self.machine.off()


def stands(pid):
    """It runs no more of its own code: it is stopped, or SIGSTOP waits for it, which it meets before its next instruction.  On a busy
    machine a task of low priority may wait for its turn merely to become "stopped"."""
    if stat(pid)[0] == "T":
        return True
    with open(f"/proc/{pid}/status") as f:
        pending = [int(line.split()[1], 16) for line in f if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(p >> (signal.SIGSTOP - 1) & 1 for p in pending)


def freeze_ms(pid, do, limit):
    began = time.monotonic()
    do()
    while not stands(pid):
        check(time.monotonic() - began < limit, "it does not stand still")
        time.sleep(0.001)
    return (time.monotonic() - began) * 1000


def figures(what, values):
    values = sorted(values)
    print(f"# {what}: median {values[len(values) // 2]:.0f} ms, most {values[-1]:.0f} ms of {len(values)}", flush=True)


def test_input_freezes_a_running_task_within_250_ms_and_heat_within_1_s(program, wasm, examples):
    m = Lent(program, wasm, EAGER + ["settle=0", "cpu=100", "cooldown=1", "handback=600"])
    try:
        job = m.busy(wasm, 8000)
        m.until("running", seconds=60)
        pid, by_input, by_heat = m.task_pid(), [], []
        for _ in range(5):
            by_input.append(freeze_ms(pid, m.machine.key, 20))
            m.until("running", seconds=30)
            wait("it to go on", 20, lambda: not stands(pid))
        for _ in range(3):
            by_heat.append(freeze_ms(pid, lambda: m.machine.heat(66), 20))
            h = m.state()
            check(h["reason"]["rule"] == "temperature" and h["reason"]["value"] == 66000, str(h["reason"]))
            m.machine.heat(40)
            m.until("running", seconds=30)
            wait("it to go on", 20, lambda: not stands(pid))
        figures("from an input to a task that stands still", by_input)
        figures("from 66 C to a task that stands still", by_heat)
        # on a machine that does nothing else none is above; beside other work the median is what is ours
        check(sorted(by_input)[len(by_input) // 2] <= 250, f"{by_input}")
        check(sorted(by_heat)[len(by_heat) // 2] <= 1000, f"{by_heat}")
        j = m.village.ended(job, 60)
        check(j["state"] == "done" and m.village.output(job) == b"ABC\n", str(j))
        check(m.village.tasks(job)[0]["attempt"] == 1, "it was moved")
    finally:
        m.down()


def test_frozen_time_counts_neither_against_the_task_nor_against_its_node(program, wasm, examples):
    m = Lent(program, wasm, EAGER + ["cpu=100"])
    try:
        job = m.busy(wasm, 700, limits={"timeout_ms": 8000})
        m.until("running", seconds=60)
        pid = m.task_pid()
        began = time.monotonic()
        while time.monotonic() - began < 9:  # longer than its limit
            m.machine.key()
            time.sleep(0.2)
        check(stands(pid), "it went on although somebody types")
        j = m.village.ended(job, 60)
        check(j["state"] == "done", str(j))
        check(m.village.tasks(job)[0]["attempt"] == 1, "it was given to another")
        h = wait("its session", 10, lambda: m.state()["session"])
        check(h["frozen_ms"] >= 8000, str(h))
    finally:
        m.down()


def group_of(pid):
    """The folder of the task's own control group, when version 2 is at work here."""
    with open(f"/proc/{pid}/cgroup") as f:
        at = [line[3:].strip() for line in f if line.startswith("0::")]
    return "/sys/fs/cgroup" + at[0] if at and "/t-" in at[0] else None


def read(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


def test_a_native_task_freezes_with_all_its_processes_and_its_time_limit_moves(program, wasm, examples):
    m = Lent(program, None, EAGER + ["cpu=100"])
    try:
        if "native" not in wait("its features", 20, lambda: m.row()[0]["features"]):
            return "bubblewrap does not work here"
        script = "(while :; do :; done) & sleep 4; kill $!; echo over"
        job = m.village.call("POST", "/v1/fog/jobs", {"kind": "native", "command": "/bin/bash", "args": ["-c", script], "limits": {"timeout_ms": 6000}})["id"]
        m.until("running", seconds=60)
        runner = tree(m.node.p.pid)[1]
        wait("the task to compute", 30, lambda: len(tree(runner)) >= 5)
        group, took = group_of(tree(runner)[-1]), time.monotonic()
        m.machine.key()
        m.until("paused", seconds=10)
        if group:
            wait("the kernel to say frozen", 10, lambda: "frozen 1" in read(group, "cgroup.events"), 0.005)
            print(f"# from an input to a frozen group: {(time.monotonic() - took) * 1000:.0f} ms")
            check(read(group, "cgroup.freeze") == "1\n", "the switch")
            used = read(group, "cpu.stat").split()[1]
        ticks, began = tree_ticks(runner), time.monotonic()
        while time.monotonic() - began < 7:  # longer than its limit
            m.machine.key()
            time.sleep(0.2)
        check(tree_ticks(runner) - ticks <= 10, f"{tree_ticks(runner) - ticks} ticks used while it stood still")
        if group:
            check(read(group, "cpu.stat").split()[1] == used, "its group used processor time")
        j = m.village.ended(job, 60)
        check(j["state"] == "done" and m.village.output(job) == b"over\n", str(j))
        check(m.village.tasks(job)[0]["attempt"] == 1, "it was given to another")
    finally:
        m.down()


def test_own_tasks_are_no_load_of_others_and_others_are(program, wasm, examples):
    m = Lent(program, wasm, EAGER + ["cpu=100", "load=25"], slots="2")
    try:
        jobs = [m.busy(wasm, 14000)]  # one: two would leave no processor time for the invented others
        m.until("running", seconds=60)
        wait("it to run", 30, lambda: m.state()["tasks"] == 1)
        most, until = 0, time.monotonic() + 3
        while time.monotonic() < until:
            h = m.state()
            check(h["state"] == "running", str(h["reason"]))
            load = next(s for s in h["signals"] if s["name"] == "load")
            most = max(most, load.get("value", 0))
            time.sleep(0.2)
        m.machine.foreign = 0.4
        h = m.until("paused", seconds=10)
        check(h["reason"]["rule"] == "load" and h["reason"]["value"] > 250, str(h["reason"]))
        print(f"# load of others while an own task computes: at most {most / 10:.1f} %; with 40 % foreign: {h['reason']['value'] / 10:.1f} %")
        m.machine.foreign = 0.0
        m.until("running", seconds=20)
        for job in jobs:
            check(m.village.ended(job, 240)["state"] == "done", "a job")
    finally:
        m.down()


def test_a_machine_taken_back_moves_its_task_at_once(program, wasm, examples):
    m = Lent(program, wasm, EAGER + ["cpu=100"])
    try:
        job = m.busy(wasm, 3000)
        m.until("running", seconds=60)
        m.task_pid()
        m.village.call("POST", f"/v1/fog/nodes/{m.head_id}/maintenance", {"on": False})
        began = time.monotonic()
        m.call("POST", "/v1/fog/harvest/pause", {"duration_ms": 3600000})
        wait("it to be at the coordinator", 10, lambda: m.village.tasks(job)[0].get("node") == m.head_id, 0.01)
        took = (time.monotonic() - began) * 1000
        print(f"# from the owner's word to the task's next place: {took:.0f} ms")
        check(took < 3000, f"{took} ms")
        refused = [e for e in m.village.events(job) if e["kind"] == "task_refused"]
        check(len(refused) == 1 and "paused by its owner" in refused[0]["detail"], str(refused))
        check(m.village.ended(job, 60)["state"] == "done", "the job")
        h = m.until("off")
        check(h["paused"] and h["reason"]["rule"] == "owner", str(h["reason"]))
        m.restart()
        h = wait("a reading", 10, lambda: m.state() if m.state()["read_ms"] else None)
        check(h["paused"] and h["state"] == "off" and h["reason"]["rule"] == "owner", "kill -9 made it forget the pause")
        check(any(p["name"] == "idle" and p["value"] == "1" for p in h["policy"]), "and the policy")
        m.call("POST", "/v1/fog/harvest/pause", {"on": False})
        m.until("eligible")
    finally:
        m.down()


def test_the_cool_down_survives_kill_9(program, wasm, examples):
    m = Lent(program, wasm, EAGER + ["cpu=100", "cooldown=600"])
    try:
        m.busy(wasm, 60000)
        m.until("running", seconds=60)
        m.machine.heat(70)
        m.until("paused", "evicted", "cooldown", seconds=5)
        until = wait("it to be stored", 5, lambda: m.state()["cooldown_until_ms"])
        m.machine.heat(40)
        m.restart()
        h = wait("a reading", 20, lambda: m.state() if m.state()["read_ms"] else None)
        check(h["state"] == "cooldown" and h["reason"]["rule"] == "cooldown", str(h["state"]))
        check(abs(h["cooldown_until_ms"] - until) <= 1000, f"from {until} to {h['cooldown_until_ms']}: it was cut short or made longer")
        m.policy("cooldown=1")  # a shorter one holds for the one that runs, too
        m.until("eligible", "running")
    finally:
        m.down()


def test_a_session_is_metered_and_held_against_the_receipts(program, wasm, examples):
    m = Lent(program, wasm, EAGER + ["cpu=100"])
    try:
        began = time.monotonic()
        for _ in range(2):
            check(m.village.ended(m.busy(wasm, 1500), 90)["state"] == "done", "a job")
        m.restart()  # a node that dies closes its session when it is back
        row = wait("the session at the coordinator", 20, lambda: [c for c in m.village.call("GET", "/v1/fog/contributions")["items"] if not c["open"]])[0]
        check(row["tasks_done"] == 2 and row["receipts"] == 2, str(row))
        # how much of three seconds a task of low priority really gets depends on the others; that all agree on it does not
        check(row["cpu_us"] >= 100000 and row["believed_cpu_us"] == row["cpu_us"] == row["receipts_cpu_us"], str(row))
        check(row["memory_byte_s"] > 0 and row["storage_bytes"] == 8 and row["network_bytes"] > 0, str(row))
        check(row["end_ms"] - row["start_ms"] <= (time.monotonic() - began) * 1000, str(row))
        own = m.call("GET", "/v1/fog/contributions")["items"]
        check(len(own) == 1 and own[0]["start_ms"] == row["start_ms"], str(own))
        r = subprocess.run([m.program, "contributions", "--data", m.village.node.data], capture_output=True, text=True, timeout=60)
        check(r.returncode == 0 and "BELIEVED" in r.stdout, r.stdout + r.stderr)
    finally:
        m.down()


def test_caps_on_processors_and_bandwidth_hold(program, wasm, examples):
    m = Lent(program, wasm, EAGER + ["cpu=20", "bandwidth=8"], slots="2")
    try:
        text = b"abcdefg\n" * 200000  # 1.6 MB: 1.6 s at 8 Mbit/s
        before = time.monotonic()
        job = m.village.job(os.path.join(wasm, "busy.wasm"), [text], args=["1"])
        check(m.village.ended(job, 90)["state"] == "done", "the job")
        took = time.monotonic() - before
        moved = wait("all of it to be counted", 20, lambda: (n := m.state()["session"]["network_bytes"]) >= 2 * len(text) and n)
        print(f"# {moved} bytes moved in {took:.1f} s: {moved * 8 / took / 1e6:.1f} Mbit/s of 8")
        check(moved >= 2 * len(text) and moved * 8 / took <= 8e6 * 1.1, "the bandwidth was not held")
        for _ in range(2):
            m.busy(wasm, 30000)
        wait("both to run", 60, lambda: m.state()["tasks"] == 2)
        runner = tree(m.node.p.pid)[1]
        time.sleep(1)
        ticks, at = tree_ticks(runner), time.monotonic()
        time.sleep(3)
        share = (tree_ticks(runner) - ticks) / TICKS / (time.monotonic() - at) / os.cpu_count()
        print(f"# two computing tasks use {share * 100:.1f} % of {os.cpu_count()} processors under a cap of 20 %")
        check(0.02 < share <= 0.23, f"{share}")
    finally:
        m.down()


def test_services_tell_of_people_and_prices(program, wasm, examples):
    try:
        import dbus
    except ImportError:
        return "python3-dbusmock is missing"
    if importlib.util.find_spec("dbusmock") is None:
        return "python3-dbusmock is missing"
    if shutil.which("dbus-daemon") is None:
        return "dbus-daemon is missing"
    bus = subprocess.Popen(["dbus-daemon", "--session", "--print-address=1", "--nofork"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    mocks, m, old = [], None, os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
    try:
        address = bus.stdout.readline().strip()
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = address
        m = Lent(program, None, EAGER)
        m.until("eligible")
        link = dbus.bus.BusConnection(address)

        def mock(name, path, interface, *props):
            mocks.append(subprocess.Popen([sys.executable, "-m", "dbusmock", "--system", name, path, interface], stdout=subprocess.DEVNULL))
            wait(name, 10, lambda: link.name_has_owner(name))
            o = dbus.Interface(link.get_object(name, path), "org.freedesktop.DBus.Mock")
            o.AddProperties(interface, dbus.Dictionary(dict(props), signature="sv"))
            return o

        nm = mock("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager",
                  ("Metered", dbus.UInt32(3)))
        h = m.until("off", seconds=10)
        check(h["reason"]["rule"] == "network", str(h["reason"]))
        nm.UpdateProperties("org.freedesktop.NetworkManager", dbus.Dictionary({"Metered": dbus.UInt32(4)}, signature="sv"))
        m.until("eligible", seconds=10)
        login = mock("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
                     ("IdleHint", False), ("IdleSinceHintMonotonic", dbus.UInt64(0)))
        h = m.until("off", seconds=10)
        check(h["reason"]["rule"] == "idle", str(h["reason"]))
        login.UpdateProperties("org.freedesktop.login1.Manager", dbus.Dictionary({"IdleHint": True}, signature="sv"))
        m.until("eligible", seconds=10)
    finally:
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = old
        for p in mocks + [bus]:
            p.terminate()
            p.wait()
        if m:
            m.down()
