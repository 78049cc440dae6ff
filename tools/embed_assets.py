#!/usr/bin/env python3
"""Turns a folder of built pages into one C file with a table of assets (src/gateway/assets.h).

Usage: tools/embed_assets.py FOLDER OUT.c      or      tools/embed_assets.py --without OUT.c

The table is `const struct asset web_assets[]` with `const size_t web_assets_n`. Each file is kept as it is and, where that
is smaller, as gzip. The output depends on the content only, so that builds can be repeated byte for byte. --without makes
a table with one page that says how to get the dashboard.
"""
import gzip
import hashlib
import os
import re
import sys

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".json": "application/json",
    ".txt": "text/plain; charset=utf-8", ".woff2": "font/woff2",
}
HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z0-9]+$")  # vite's names: index-DUH3FmXQ.js
WITHOUT = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Village</title>
<h1>Village</h1>
<p>This program was built without its dashboard, because npm was not there.</p>
<p>Install npm (Node.js 18 or later; Debian has it) and build again. Until then the same answers come in a terminal from
<code>village status</code>, <code>village nodes</code> and <code>village jobs</code>.</p>
</html>
"""


def read_folder(folder):
    files = []
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(base, name)
            with open(path, "rb") as f:
                files.append(("/" + os.path.relpath(path, folder).replace(os.sep, "/"), f.read()))
    if "/index.html" not in dict(files):
        sys.exit(f"{folder}: no index.html; was the dashboard built?")
    return sorted(files)


def c_string(text):
    if not re.fullmatch(r"[ -~]+", text):
        sys.exit(f"{text!r}: a name with odd characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_bytes(name, data):
    rows = []
    for i in range(0, len(data), 24):
        rows.append("    " + ",".join(str(b) for b in data[i:i + 24]) + ",")
    body = "\n".join(rows) if rows else "    0,"
    return f"static const uint8_t {name}[] = {{\n{body}\n}};\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    files = [("/index.html", WITHOUT)] if sys.argv[1] == "--without" else read_folder(sys.argv[1])
    arrays, rows = [], []
    for i, (path, data) in enumerate(files):
        kind = TYPES.get(os.path.splitext(path)[1])
        if kind is None:
            sys.exit(f"{path}: no media type for this ending in {sys.argv[0]}")
        etag = hashlib.blake2b(data, digest_size=16).hexdigest()
        packed = gzip.compress(data, 9, mtime=0)
        arrays.append(c_bytes(f"plain_{i}", data))
        gz = "NULL, .gz_n = 0"
        if len(packed) < len(data):
            arrays.append(c_bytes(f"gz_{i}", packed))
            gz = f"gz_{i}, .gz_n = sizeof gz_{i}"
        hashed = "true" if HASHED.search(path) else "false"
        rows.append(f"    {{ .path = {c_string(path)}, .type = {c_string(kind)}, .etag = {c_string(chr(34) + etag + chr(34))},\n"
                    f"      .bytes = plain_{i}, .n = {len(data)}, .gz_bytes = {gz}, .hashed = {hashed} }},")
    text = ("/* Made by tools/embed_assets.py. */\n#include \"gateway/assets.h\"\n\n"
            "extern const struct asset web_assets[];\nextern const size_t web_assets_n;\n\n"
            + "\n".join(arrays) + "\nconst struct asset web_assets[] = {\n" + "\n".join(rows)
            + f"\n}};\nconst size_t web_assets_n = {len(files)};\n")
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write(text)


if __name__ == "__main__":
    main()
