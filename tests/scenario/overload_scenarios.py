"""Overload of a real coordinator: a process that gets hardly any processor time turns work away, and says when to come back."""
import os
import signal
import subprocess
import threading
import time

from harness import Village, check, wait

ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1", NO_COLOR="1")


class Starved(threading.Thread):
    """Stops the process for 300 ms again and again, for 20 ms it runs: what comes in waits for a third of a second."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.over = pid, False

    def run(self):
        while not self.over:
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(0.3)
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(0.02)

    def end(self):
        self.over = True
        self.join()


def test_a_starved_coordinator_turns_class_b_away_and_run_waits_until_it_is_taken(program, wasm, examples):
    v = Village(program, workers=0)
    starved = Starved(v.head.p.pid)
    job = {"kind": "native", "command": "/bin/true"}
    try:
        starved.start()

        def refused():
            status, fields, body = v.raw("POST", "/v1/fog/jobs", job)
            return (fields, body) if status == 429 else None

        fields, body = wait("a job of class B turned away", 60, refused, every=0.05)
        check(1 <= int(fields["Retry-After"]) <= 120, f"Retry-After: {fields['Retry-After']}")
        check(b"Jobs of class B are turned away" in body and b"events wait" in body, body)
        status, _, body = v.raw("POST", "/v1/fog/jobs", dict(job, **{"class": "S"}))
        check(status == 201, f"class S is turned away: {status} {body}")
        run = subprocess.Popen([program, "run", "--data", v.head.data, "/bin/true"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=ENV)
        time.sleep(2)
        starved.end()
        out, err = run.communicate(timeout=120)
        check(run.returncode == 0 and "waiting; Ctrl-C gives up" in err, f"{run.returncode} {out} {err}")
        metrics = v.raw("GET", "/v1/system/metrics")[2].decode()
        check('village_jobs_shed_total{class="S"} 0' in metrics and 'village_jobs_shed_total{class="B"} 0' not in metrics, "metrics")
        wait("all classes taken again", 60, lambda: "village_shed_level 0" in v.raw("GET", "/v1/system/metrics")[2].decode())
    finally:
        starved.over = True
        v.down()
