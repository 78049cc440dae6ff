"""Programs and disks that misbehave: contained, reported in words, and the node stays healthy."""
import os
import shutil
import subprocess
import tempfile
import time

from harness import Village, check, wait

_village = {}


def village(program):
    """One village for the scenarios that do not harm it; that is their point."""
    if "v" not in _village:
        _village["v"] = Village(program, workers=0, slots=2)
        import atexit
        atexit.register(lambda: _village["v"].down())
    return _village["v"]


def greedy(v, wasm, how, **spec):
    spec.setdefault("max_attempts", 1)
    return v.ended(v.job(os.path.join(wasm, "greedy.wasm"), args=[how], **spec), 90)


def healthy(v, examples):
    check(v.call("GET", "/v1/system/health")["status"] == "ok", "health")
    j = v.ended(v.job(os.path.join(examples, "nop.wasm")), 60)
    check(j["state"] == "done", f"a harmless job ended as {j['state']}: {j['error']}")


def failed_with(j, *words):
    text = str(j["error"]).lower()
    check(j["state"] == "failed" and any(w in text for w in words), f"{j['state']}: {j['error']}; wanted one of {words}")


def test_a_program_that_runs_for_ever_is_stopped_at_its_time_limit(program, wasm, examples):
    v = village(program)
    began = time.monotonic()
    failed_with(greedy(v, wasm, "spin", limits={"timeout_ms": 1500}), "time")
    check(time.monotonic() - began < 60, "it took too long")
    healthy(v, examples)


def test_a_program_that_burns_its_processor_time_is_stopped(program, wasm, examples):
    v = village(program)
    failed_with(greedy(v, wasm, "spin", limits={"cpu_ms": 1000, "timeout_ms": 60000}), "cpu", "processor", "time")
    healthy(v, examples)


def test_a_program_that_fills_memory_gets_no_more_than_its_limit(program, wasm, examples):
    v = village(program)
    failed_with(greedy(v, wasm, "memory", limits={"memory_bytes": 64 << 20}), "memory", "exit code 42")
    healthy(v, examples)


def test_a_program_that_writes_1_gib_of_output_is_stopped(program, wasm, examples):
    v = village(program)
    failed_with(greedy(v, wasm, "output", limits={"output_bytes": 8 << 20}), "output", "exit code 43")
    healthy(v, examples)


def test_a_program_that_fills_the_disk_is_stopped(program, wasm, examples):
    v = village(program)
    failed_with(greedy(v, wasm, "disk", limits={"disk_bytes": 8 << 20}), "disk", "exit code 44", "space")
    healthy(v, examples)


def test_a_program_cannot_leave_its_folders_by_path_or_symlink(program, wasm, examples):
    v = village(program)
    job = v.job(os.path.join(wasm, "greedy.wasm"), args=["escape"])
    j = v.ended(job, 60)
    check(j["state"] == "done" and v.output(job) == b"contained\n", f"{j['state']} {j['error']} {v.output(job)!r}")


def test_a_trap_is_reported_in_words(program, wasm, examples):
    v = village(program)
    failed_with(greedy(v, wasm, "trap"), "unreachable", "trap")
    healthy(v, examples)


def test_a_native_fork_bomb_is_contained(program, wasm, examples):
    v = village(program)
    if "native" not in v.call("GET", "/v1/fog/nodes")["items"][0]["features"]:
        return "bubblewrap does not work here"
    body = {"kind": "native", "command": "/bin/sh", "args": ["-c", "f() { f | f & }; f; sleep 30"], "max_attempts": 1,
            "limits": {"timeout_ms": 4000, "processes": 16}}
    j = v.ended(v.call("POST", "/v1/fog/jobs", body)["id"], 60)
    check(j["state"] == "failed", f"{j['state']}")
    healthy(v, examples)


def test_a_native_program_runs_without_network_and_sees_only_its_folders(program, wasm, examples):
    v = village(program)
    if "native" not in v.call("GET", "/v1/fog/nodes")["items"][0]["features"]:
        return "bubblewrap does not work here"
    script = "cat; ls /root /home 2>/dev/null; cat /etc/shadow 2>/dev/null; (echo > /dev/tcp/127.0.0.1/%d) 2>/dev/null && echo net; true" % v.gateway
    body = {"kind": "native", "command": "/bin/bash", "args": ["-c", script], "inputs": [{"name": "in", **v.blob(b"hello\n")}]}
    job = v.call("POST", "/v1/fog/jobs", body)["id"]
    j = v.ended(job, 60)
    check(j["state"] == "done" and v.output(job) == b"hello\n", f"{j['state']} {j['error']} {v.output(job)[:300]!r}")


def test_a_full_disk_is_refused_in_words_corrupts_nothing_and_work_goes_on_when_there_is_space(program, wasm, examples):
    mount = tempfile.mkdtemp(prefix="village-full-", dir="/var/tmp")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", mount], capture_output=True).returncode != 0:
        shutil.rmtree(mount)
        return "a small file system cannot be mounted here"
    v = None
    try:
        v = Village(program, workers=0, base=mount)
        nop = os.path.join(examples, "nop.wasm")
        kept = v.job(nop, name="kept", limits={"disk_bytes": 4 << 20})
        v.ended(kept, 60)
        with open(os.path.join(mount, "filler"), "wb") as f:
            try:
                while True:
                    f.write(b"\0" * (1 << 16))
            except OSError:
                pass
        body = {"kind": "wasm", "limits": {"disk_bytes": 4 << 20}, "program": v.call("GET", "/v1/fog/jobs/" + kept)["spec"]["program"]}
        def refused():
            status, _, raw = v.raw("POST", "/v1/fog/jobs", body)
            return status in (507, 503) and raw
        text = wait("a refusal", 30, refused)
        check(b"full" in text or b"space" in text, f"the refusal does not say why: {text[:300]!r}")
        check(v.raw("PUT", "/v1/blobs/" + "0" * 64, b"x" * 100)[0] in (507, 503, 422), "an upload is refused")
        check(v.call("GET", "/v1/fog/jobs/" + kept)["state"] == "done", "what was there is still there")
        os.unlink(os.path.join(mount, "filler"))
        wait("work after space came back", 40, lambda: v.raw("POST", "/v1/fog/jobs", body)[0] == 201)
        v.head.kill()
        v.head.start()
        wait("the gateway", 30, lambda: v.call("GET", "/v1/system/health"))
        check(v.call("GET", "/v1/fog/jobs/" + kept)["state"] == "done", "the job survived")
        wait("all jobs to end", 60, lambda: all(j["state"] == "done" for j in v.call("GET", "/v1/fog/jobs?limit=1000")["items"]))
    finally:
        try:
            if v:
                v.down()
        finally:
            subprocess.run(["umount", "-l", mount], capture_output=True)
            shutil.rmtree(mount, ignore_errors=True)
