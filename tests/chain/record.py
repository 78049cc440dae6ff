#!/usr/bin/env python3
"""Prints tests/trust/chain_answers.h anew: answers of the development chain that unit tests read.

Usage: tests/chain/record.py BUILD > tests/trust/chain_answers.h   (hashes change with each run: the tests take them from the answers)"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenario"))
import chain as dev  # noqa: E402

ROOT = "00112233445566778899aabbccddeeff" * 2
COUNTS = (1, 2, 3, 16, 17, 127, 128, 129, 200, 256, 257, 300)


def rows(text):
    return "\n".join('    "' + text[i:i + 110].replace('"', '\\"') + '"' for i in range(0, len(text), 110))


def literal(name, text):
    print(f"static const char {name}[] =\n{rows(text)};")


def main(build):
    c = dev.Chain(os.path.join(build, "examples"))
    try:
        accounts = c.rpc("eth_accounts")
        key = os.path.join(tempfile.mkdtemp(), "key")
        where = ["--json", "--anchor-url", c.url, "--anchor-chain", "31337", "--anchor-key-file", key]
        village = [os.path.join(build, "src", "village"), "anchor"]
        c.fund(json.loads(subprocess.run([*village, "account", *where], capture_output=True, check=True).stdout)["account"])
        contract = json.loads(subprocess.run([*village, "deploy", *where], capture_output=True, check=True).stdout)["contract"]
        call = "0x" + json.load(open(os.path.join(build, "contracts", "AnchorRegistry.json")))["methods"]["anchor(bytes32,uint64)"] + ROOT
        c.rpc("evm_setAutomine", False)
        send = [{"from": accounts[0], "to": accounts[1], "value": "0x1"}, {"from": accounts[2], "to": contract, "data": call + "%064x" % 777},
                {"from": accounts[3], "to": contract, "data": call + "%064x" % 0, "gas": "0x186a0"},
                {"from": accounts[4], "to": accounts[1], "value": "0x1", "gasPrice": "0x77359400"}]
        for t in send:
            c.rpc("eth_sendTransaction", t)
        c.mine()
        block = c.rpc("eth_getBlockByNumber", "latest", False)
        print("/* Answers of Hardhat 2.29.1, recorded by tests/chain/record.py: a block with a plain transaction of type 0, one of type 2, an anchor of\n"
              " * 777 receipts, and one that the contract refused; and roots of blocks with so many plain transactions. */")
        literal("chain_block", json.dumps(block, separators=(",", ":")))
        receipts = [c.rpc("eth_getTransactionReceipt", t) for t in block["transactions"]]
        print("static const char *const chain_receipts[] = {\n" + ",\n".join(rows(json.dumps(r, separators=(",", ":"))) for r in receipts) + ",\n};")
        literal("chain_contract", contract)
        literal("chain_owner", accounts[2])
        print("static const struct {\n    uint32_t n;\n    const char *root;\n} chain_roots[] = {")
        for n in COUNTS:
            for i in range(n):
                c.rpc("eth_sendTransaction", {"from": accounts[i % 20], "to": accounts[1], "value": "0x1", "gas": "0x5208",
                                              "maxFeePerGas": hex(10**12), "maxPriorityFeePerGas": hex(10**9)})
            c.mine()
            print(f'    {{ {n}, "{c.rpc("eth_getBlockByNumber", "latest", False)["receiptsRoot"][2:]}" }},')
        print("};")
    finally:
        c.down()


main(sys.argv[1])
