// Compiles AnchorRegistry.sol for Meson: compile.mjs SOURCE OUT.c OUT.json. Needs no network: the compiler is npm's `solc`.
// Paris, so that every chain since 2022 runs the code; no metadata, so that the same source gives the same bytes anywhere.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [source, outC, outJson] = process.argv.slice(2);
const solc = createRequire(join(process.cwd(), 'package.json'))('solc');
const name = 'AnchorRegistry';
const input = {
  language: 'Solidity',
  sources: { [name + '.sol']: { content: readFileSync(source, 'utf8') } },
  settings: {
    optimizer: { enabled: true, runs: 10000 },
    evmVersion: 'paris',
    metadata: { appendCBOR: false, bytecodeHash: 'none' },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.methodIdentifiers'] } },
  },
};
const out = JSON.parse(solc.compile(JSON.stringify(input)));
const bad = (out.errors ?? []).filter((e) => e.severity === 'error' || e.severity === 'warning');
if (bad.length > 0) {
  console.error(bad.map((e) => e.formattedMessage).join('\n'));
  process.exit(1);
}
const c = out.contracts[name + '.sol'][name];
const code = Buffer.from(c.evm.bytecode.object, 'hex');
const lines = [];
for (let i = 0; i < code.length; i += 16) lines.push('  ' + [...code.subarray(i, i + 16)].join(',') + ',');
writeFileSync(outC, `/* Made from contracts/AnchorRegistry.sol by contracts/compile.mjs. */
#include <stddef.h>
extern const unsigned char anchor_code[];
extern const size_t anchor_code_n;
const unsigned char anchor_code[] = {
${lines.join('\n')}
};
const size_t anchor_code_n = sizeof anchor_code;
`);
writeFileSync(outJson, JSON.stringify({ abi: c.abi, methods: c.evm.methodIdentifiers, bytecode: '0x' + c.evm.bytecode.object,
  deployed: '0x' + c.evm.deployedBytecode.object }) + '\n');
