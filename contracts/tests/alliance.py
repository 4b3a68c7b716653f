"""
The world of the tests of Consortium, Identity, Cash, Records and Grants: all five at their fixed addresses on py-evm, made as genesis makes
them (caller zero, block 0). `bug` = (contract, text, replacement): one contract is compiled from a source changed in that one place.
"""
import json
import os
from functools import cache
from pathlib import Path

os.environ.setdefault("PYTHONWARNINGS", "ignore")
import boa
from eth_abi import decode, encode
from eth_account import Account
from eth_utils import keccak
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from vyper.compiler.output import build_abi_output
from vyper.compiler.phases import CompilerData
from vyper.compiler.settings import OptimizationLevel, Settings

SOURCES = Path(__file__).resolve().parent.parent
AT = {name: f"0xe47e47e00000000000000000000000000000000{n}" for n, name in enumerate(
    ("Consortium", "Identity", "Cash", "Records", "Grants"), 1)}
MARKET = "0xe47e47e000000000000000000000000000000007"
MANAGER, VALIDATOR, DATA, COMPUTE, BANK, REGULATOR = 1, 2, 4, 8, 16, 32
ADMIT, REMOVE, ROLES, ROTATE, PARAMETER, FORK, CALL, DIRECTORY = range(1, 9)
ZERO, NOTHING = "0x" + "00" * 20, b"\0" * 32
START = 1_800_000_000


def word(text):
    return text.encode().ljust(32, b"\0")


@cache
def signer(n):
    return Account.from_key(keccak(text=f"account {n}"))


def account(n):
    return signer(n).address.lower()


def node_key(n):
    return "0x" + keccak(text=f"node {n}")[12:].hex()


@cache
def compiled(name, bug=None):
    """ABI and init code: the shipped ones; with a bug, of a source changed in that one place (unoptimised: half the time)."""
    if not bug:
        artifact = SOURCES / "artifacts" / name
        return json.loads(artifact.with_suffix(".json").read_text())["abi"], artifact.with_suffix(".bin").read_bytes()
    path = SOURCES / f"{name}.vy"
    text = path.read_text()
    assert text.count(bug[0]) == 1, f"{name}: {text.count(bug[0])} places for the bug {bug[0]!r}"
    data = CompilerData(FileInput(0, path, path, text.replace(*bug)), input_bundle=FilesystemInputBundle([SOURCES]),
                        settings=Settings(optimize=OptimizationLevel.NONE))
    return build_abi_output(data), data.bytecode


class Reverted(Exception):
    def __init__(self, data):
        self.data = data
        super().__init__(data.hex())


class Contract:
    """A contract by its ABI: `contract.function(arguments…, sender=…)` returns what it returns, or raises Reverted."""

    def __init__(self, env, address, abi):
        self.env, self.address = env, address
        self.functions = {(f["name"], len(f["inputs"])): f for f in abi if f["type"] == "function"}

    def __getattr__(self, name):
        def call(*arguments, sender=account(99)):
            f = self.functions[name, len(arguments)]
            types = [canonical(i) for i in f["inputs"]]
            data = keccak(text=f"{name}({','.join(types)})")[:4] + encode(types, arguments)
            done = self.env.execute_code(self.address, sender=sender, data=data, is_modifying=f["stateMutability"] == "nonpayable")
            if done.is_error:
                raise Reverted(bytes(done.output))
            out = decode([canonical(o) for o in f["outputs"]], done.output)
            return out[0] if len(out) == 1 else out or None
        return call


def canonical(parameter):
    if not parameter["type"].startswith("tuple"):
        return parameter["type"]
    return "(" + ",".join(map(canonical, parameter["components"])) + ")" + parameter["type"][5:]


class Alliance:
    """Founders 0 … n − 1, all with every role, in the order of their node keys."""

    def __init__(self, founders=4, bug=None):
        self.env = boa.Env()
        self.env.evm.patch.timestamp = START
        self.env.evm.patch.block_number = 0
        order = sorted(range(founders), key=lambda n: int(node_key(n), 16))
        self.founders = [account(n) for n in order]
        self.node_keys = [node_key(n) for n in order]
        constructor = {"Consortium": ([word(f"member-{n}") for n in order], self.founders, self.node_keys, [63] * founders,
                                      [f"10.0.0.{n + 1}:30303" for n in order],
                                      [word("inclusion"), word("levy"), word("gasTarget")], [1, 100, 30_000_000])}
        for name, at in AT.items():
            abi, code = compiled(name, bug[1:] if bug and bug[0] == name else None)
            types = [canonical(i) for f in abi if f["type"] == "constructor" for i in f["inputs"]]
            self.env.deploy_code(bytecode=code + encode(types, constructor.get(name, ())), override_address=at, sender=ZERO)
            setattr(self, name.lower(), Contract(self.env, at, abi))
        self.env.evm.patch.block_number = 1

    def pass_time(self, seconds):
        self.env.evm.patch.timestamp += seconds

    @property
    def now(self):
        return self.env.evm.patch.timestamp

    # --- what every test says in one line ---
    def propose(self, kind, types, *values, sender=None):
        return self.consortium.propose(kind, encode(types, values), sender=sender or self.founders[0])

    def decide(self, kind, types, *values):
        """Proposed, and voted for by managers until it is enacted."""
        id = self.propose(kind, types, *values, sender=self.managers()[0])
        for manager in self.managers():
            if self.consortium.vote(id, True, sender=manager):
                return id
        raise AssertionError("not enacted")

    def managers(self):
        c = self.consortium
        return [c.memberAt(i)[0] for i in range(c.memberCount()) if c.has(c.memberAt(i)[0], MANAGER)]

    def call(self, contract, function, types, *values):
        data = keccak(text=f"{function}({','.join(types)})")[:4] + encode(types, values)
        return self.decide(CALL, ["address", "bytes"], contract.address, data)

    def slot(self, contract, index):
        return self.env.get_storage(contract.address, index)


def selector(error):
    return keccak(text=error)[:4]


def refused(error, call, *arguments, sender):
    """The call reverts with this error; returns its facts as words."""
    try:
        call(*arguments, sender=sender)
    except Reverted as failure:
        data = failure.data
        assert data[:4] == selector(error), f"reverted with {data.hex()}, not {error}"
        return [int.from_bytes(data[i:i + 32], "big") for i in range(4, len(data), 32)]
    raise AssertionError(f"did not revert {error}")


def attempt(call, *arguments, sender):
    """Whether the call went through, and what it returned."""
    try:
        return True, call(*arguments, sender=sender)
    except Reverted:
        return False, None
