"""chain.py - a real development chain (Hardhat, from npm), and what a test does to one."""
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request

from harness import Failure, check, free_port, wait

CONFIG = "module.exports = { solidity: '0.8.26', networks: { hardhat: { chainId: 31337 } } };\n"


def modules(examples):
    """Where npm put Hardhat: `./dev test` installs tests/chain/package.json there."""
    return os.environ.get("VILLAGE_CHAIN_MODULES") or os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(examples))), "chain", "node_modules")


def missing(examples):
    """Why there is no chain, or None."""
    if shutil.which("node") is None:
        return "no node: a development chain needs it"
    if not os.path.isdir(os.path.join(modules(examples), "hardhat")):
        return "no development chain: `npm ci` of tests/chain was not run (./dev test does it)"
    return None


class Chain:
    def __init__(self, examples):
        self.dir = tempfile.mkdtemp(prefix="village-chain-", dir="/var/tmp")
        self.port = free_port()
        os.symlink(modules(examples), os.path.join(self.dir, "node_modules"))
        for name, text in (("hardhat.config.js", CONFIG), ("package.json", "{}")):
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text)
        self.log = open(os.path.join(self.dir, "log"), "wb")
        env = dict(os.environ, HARDHAT_DISABLE_TELEMETRY_PROMPT="true", HOME=self.dir, NO_COLOR="1")
        self.p = subprocess.Popen(["node", "node_modules/hardhat/internal/cli/bootstrap.js", "node", "--hostname", "127.0.0.1", "--port", str(self.port)],
                                  cwd=self.dir, stdout=self.log, stderr=self.log, env=env)
        wait("the development chain", 60, lambda: self.rpc("eth_chainId") == "0x7a69", 0.2)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def rpc(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url, body, {"Content-Type": "application/json"}), timeout=20) as r:
            answer = json.load(r)
        if "error" in answer:
            raise Failure(f"{method}: {answer['error']}")
        return answer["result"]

    def number(self, method, *params):
        return int(self.rpc(method, *params), 16)

    def fund(self, account, wei=10**18):
        self.rpc("hardhat_setBalance", account, hex(wei))

    def mine(self, blocks=1):
        self.rpc("hardhat_mine", hex(blocks))

    def nonce(self, account):
        return self.number("eth_getTransactionCount", account, "latest")

    def anchors(self, contract):
        """(size, root, block hash) of every anchor on the chain."""
        logs = self.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": contract})
        return [(int(x["data"], 16), x["topics"][2], x["blockHash"]) for x in logs]

    def down(self):
        self.p.kill()
        self.p.wait()
        self.log.close()
        text = open(os.path.join(self.dir, "log"), errors="replace").read()
        shutil.rmtree(self.dir, ignore_errors=True)
        check("panicked" not in text, text[-1500:])
