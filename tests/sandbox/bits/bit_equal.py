#!/usr/bin/env python3
"""bit_equal.py TOOLCHAIN_C HOST_C WASM...: the same module, compiled by gcc and clang at every level with the runner's own flags and
header, prints the same bytes.  A control without them must differ somewhere, or the programs would prove nothing.  TAP."""
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = open(sys.argv[1]).read()


def literals(text):
    return "".join(ast.literal_eval(s) for s in re.findall(r'"(?:[^"\\]|\\.)*"', text))


FLAGS = [f for f in literals(re.search(r"#define FLAGS(.*?)\n\n", SOURCE, re.S).group(1)).split()
         if not f.startswith(("-shared", "-nostdlib", "-Wl,", "-Dwasm_rt", "-fvisibility", "-DNDEBUG"))]
HEADER = literals(re.search(r"header_text\[\] =(.*?);\n\n", SOURCE, re.S).group(1))
PLAIN = ["-std=gnu11", "-w", "-ffast-math", "-march=native"]


def run(folder, name, cc, level, flags, header):
    work = os.path.join(folder, f"{cc}-{level}-{len(flags)}")
    os.makedirs(work, exist_ok=True)
    for f in ("m.c", "m.h"):
        shutil.copy(os.path.join(folder, name, f), work)
    if header:
        open(os.path.join(work, "m.h"), "a").write(HEADER)
    exe = os.path.join(work, "exe")
    r = subprocess.run([cc, f"-O{level}", *[f for f in flags if cc == "gcc" or f != "-fsignaling-nans"], "-I", work, os.path.join(work, "m.c"), sys.argv[2], "-lwasm-rt-impl", "-lm", "-o", exe],
                       capture_output=True, text=True)
    if r.returncode:
        raise SystemExit(f"Bail out! {cc} -O{level}: {r.stderr[-600:]}")
    r = subprocess.run([exe], capture_output=True, timeout=120)
    return r.stdout if r.returncode == 0 else b"exit %d" % r.returncode


def main():
    if not all(map(shutil.which, ("gcc", "wasm2c"))):
        print("1..0 # SKIP gcc or wasm2c is missing")
        return
    compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
    modules = sys.argv[3:]
    failed = differs = 0
    print(f"1..{len(modules) + 1}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bits-", dir="/var/tmp") as folder:
        for i, wasm in enumerate(modules, 1):
            name = os.path.basename(wasm)[:-5]
            os.makedirs(os.path.join(folder, name))
            subprocess.run(["wasm2c", "-n", "prog", wasm, "-o", os.path.join(folder, name, "m.c")], check=True)
            out = {(c, n): run(folder, name, c, n, FLAGS, True) for c in compilers for n in (0, 1, 2, 3)}
            want = out["gcc", 2]
            wrong = [f"{c} -O{n}" for (c, n), got in out.items() if got != want]
            failed += bool(wrong) or len(want) < 10
            differs += any(run(folder, name, c, 3, PLAIN, False) != want for c in compilers)
            print(f"{'not ok' if wrong or len(want) < 10 else 'ok'} {i} - bits: {name}_prints_the_same_by_{len(out)}_builds", flush=True)
            print("# " + (", ".join(wrong) + " differ" if wrong else want.decode().splitlines()[-1]), flush=True)
    print(f"{'ok' if differs else 'not ok'} {len(modules) + 1} - bits: without_the_flags_some_build_differs", flush=True)
    sys.exit(1 if failed or not differs else 0)


main()
