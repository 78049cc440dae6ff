#!/usr/bin/env python3
"""Turns a file into one C file with its bytes: tools/embed_bytes.py NAME OUT.c [FILE].

`const unsigned char NAME[]` and `const size_t NAME_n`; without FILE the array is empty.
"""
import sys

name, out = sys.argv[1:3]
data = open(sys.argv[3], "rb").read() if len(sys.argv) > 3 else b""
rows = "\n".join("    " + ",".join(str(b) for b in data[i:i + 24]) + "," for i in range(0, len(data), 24)) or "    0,"
with open(out, "w") as f:
    f.write(f"#include <stddef.h>\nextern const unsigned char {name}[];\nextern const size_t {name}_n;\n"
            f"const unsigned char {name}[] = {{\n{rows}\n}};\nconst size_t {name}_n = {len(data)};\n")
