#!/bin/sh
# Builds the dashboard for Meson: build.sh SOURCE WORK STAMP. Works on a copy, so that the source tree stays clean, and
# keeps node_modules there until the lock file changes.
set -eu
fail() {
  cat "$1" >&2
  echo "the dashboard does not build; to build the program without it: meson configure -Dweb=disabled" >&2
  exit 1
}
src=$1 work=$2 stamp=$PWD/$3
mkdir -p "$work"
cd "$work"
rm -rf src tools test index.html dist
cp -R "$src/src" "$src/tools" "$src/test" "$src/index.html" "$src/package.json" "$src/package-lock.json" "$src/.npmrc" "$src/tsconfig.json" "$src/vite.config.ts" .
if ! cmp -s package-lock.json node_modules/.village-lock; then
  npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 || fail npm.log
  cp package-lock.json node_modules/.village-lock
fi
npm run build >build.log 2>&1 || fail build.log
touch "$stamp"
