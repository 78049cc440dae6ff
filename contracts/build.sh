#!/bin/sh
# Compiles the contract for Meson: build.sh SOURCE WORK OUT.c OUT.json. Keeps node_modules in WORK until the lock file changes.
set -eu
fail() {
  cat "$1" >&2
  echo "the contract does not compile; to build the program without it: meson configure -Dcontracts=disabled" >&2
  exit 1
}
src=$1 work=$2 out_c=$PWD/$3 out_json=$PWD/$4
mkdir -p "$work"
cd "$work"
cp "$src/package.json" "$src/package-lock.json" "$src/.npmrc" .
if ! cmp -s package-lock.json node_modules/.village-lock; then
  npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 || fail npm.log
  cp package-lock.json node_modules/.village-lock
fi
node "$src/compile.mjs" "$src/AnchorRegistry.sol" "$out_c" "$out_json" >compile.log 2>&1 || fail compile.log
