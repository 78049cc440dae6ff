#!/usr/bin/env python3
"""scenario.py VILLAGE WASM_DIR EXAMPLES_DIR PART: scenarios over real processes, as TAP.

Parts: crash, contain, hostile, cli, commands, mix, mix_hostile, remote, quorum, overload, harvest, market, verify, anchor, keys, proof, attest, draw."""
import importlib
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def main():
    program, wasm, examples, part = sys.argv[1:5]
    module = importlib.import_module(part + "_scenarios")
    scenarios = [(name[5:].replace("_", " "), f) for name, f in vars(module).items() if name.startswith("test_")]
    if len(sys.argv) > 5:
        scenarios = [s for s in scenarios if sys.argv[5] in s[0]]
    print(f"1..{len(scenarios)}", flush=True)
    failed = 0
    for i, (name, run) in enumerate(scenarios, 1):
        began = time.monotonic()
        try:
            skipped = run(program, wasm, examples)
            print(f"ok {i} - {part}: {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
        except Exception as e:  # a scenario that breaks is a red line, not the end of the others
            failed += 1
            print(f"not ok {i} - {part}: {name}", flush=True)
            for line in (str(e) or traceback.format_exc()).splitlines()[-60:]:
                print("# " + line, flush=True)
        print(f"# {name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
