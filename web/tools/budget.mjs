// Fails when the dashboard outgrows its budget: 100 KB gzip for all files together.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET = 100 * 1024;
const walk = (dir) => readdirSync(dir).flatMap((name) => {
  const path = join(dir, name);
  return statSync(path).isDirectory() ? walk(path) : [path];
});
const files = walk("dist").map((path) => ({ path, gzip: gzipSync(readFileSync(path), { level: 9 }).length }));
const total = files.reduce((sum, f) => sum + f.gzip, 0);
console.log(`dashboard: ${(total / 1024).toFixed(1)} KiB gzip of ${BUDGET / 1024}`);
if (total > BUDGET) {
  for (const f of files) console.error(`${f.gzip}\t${f.path}`);
  process.exit(1);
}
