#!/usr/bin/env python3
"""
What genesis holds of the contracts, by py-evm: each constructor run at its address by the zero address in block 0, on the shipped artifacts. Prints
JSON: `python predeployed.py > predeployed.json` (the environment of contracts/requirements.txt). Also a root and a path of Records, and a job's fact.
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "contracts" / "tests"))
import boa
from alliance import Contract, account, canonical, compiled, keccak, node_key, word
from eth_abi import encode

NAMES = "Consortium Identity Cash Records Grants Market Referee".split()
FOUNDERS = sorted(range(4), key=lambda n: int(node_key(n), 16))
ROLES = [63, 7, 12, 3]      # the third does not validate
CONTACTS = ["10.0.0.1:30303", "", "a-name-longer-than-one-word.of-storage.example:30303", "[2001:db8::1]:30303"]
env = boa.Env()
env.evm.patch.timestamp, env.evm.patch.block_number = 1_800_000_000, 0
out = {"founders": [dict(name=f"member-{n}", account=account(n), nodeKey=node_key(n), roles=r, contact=c) for n, r, c in zip(FOUNDERS, ROLES, CONTACTS)], "contracts": {}}
for number, name in enumerate(NAMES):
    address = f"0xe47e47e00000000000000000000000000000000{[1, 2, 3, 4, 5, 7, 8][number]}"
    abi, code = compiled(name)
    types = [canonical(i) for f in abi if f["type"] == "constructor" for i in f["inputs"]]
    arguments = ([word(f"member-{n}") for n in FOUNDERS], [account(n) for n in FOUNDERS], [node_key(n) for n in FOUNDERS], ROLES, CONTACTS,
                 [word("inclusion"), word("gasTarget")], [1, 30_000_000]) if name == "Consortium" else ()
    env.sstore_trace.clear()
    env.deploy_code(bytecode=code + encode(types, arguments), override_address=address, sender="0x" + "00" * 20)
    slots = {slot: env.get_storage(address, slot) for written in env.sstore_trace.values() for slot in written}
    out["contracts"][name] = dict(address=address,
                                  storage={hex(slot): hex(value) for slot, value in sorted(slots.items()) if value})
records = Contract(env, "0xe47e47e000000000000000000000000000000004", compiled("Records")[0])
out["leaf"] = "0x" + records.leaf(account(1), word("schema"), word("commitment")).hex()
lines = b"".join((int(account(n), 16) << 96 | (1000 + n) << 8 | n << 4 | 1 + n).to_bytes(32, "big") for n in range(4))
out["fact"] = "0x" + keccak(encode(["uint256", "uint256", "uint256"] + ["bytes32"] * 5 + ["uint256"], [
    7, 5, 1, word("order"), word("session"), keccak(lines), word("transcript"), word("output"), 1_800_000_000])).hex()
json.dump(out, sys.stdout, indent=1)
print()
