"""
What every test of contracts needs: contracts by their ABI on py-evm, codes of sources with a seeded bug, and laws that can break.
"""
import json
import os
import warnings
from functools import cache
from pathlib import Path

os.environ.setdefault("PYTHONWARNINGS", "ignore")
import boa
import vyper
from eth_abi import decode, encode
from eth_utils import keccak
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from vyper.compiler.phases import CompilerData
from vyper.compiler.settings import OptimizationLevel, Settings

SOURCES = Path(__file__).resolve().parent.parent
KEPT = SOURCES.parent / ".scratch-mutants"
AT = {name: f"0xe47e47e00000000000000000000000000000000{n}" for n, name in enumerate(
    ("Consortium", "Identity", "Cash", "Records", "Grants"), 1)} | dict(
    Market="0xe47e47e000000000000000000000000000000007", Referee="0xe47e47e000000000000000000000000000000008")
MANAGER, VALIDATOR, DATA, COMPUTE, BANK, REGULATOR = (1 << i for i in range(6))
ZERO, NOTHING = "0x" + "00" * 20, b"\0" * 32
START = 1_800_000_000


def word(text):
    return text.encode().ljust(32, b"\0")


# --- contracts --------------------------------------------------------------------------------------------------------
@cache
def artifact(name):
    """What is shipped; `build.py --check` says that it is what the source gives."""
    return json.loads((SOURCES / "artifacts" / f"{name}.json").read_text())


@cache
def slot_of(name, variable, *keys):
    """Where a variable lies, or its entry at these keys."""
    slot = artifact(name)["layout"]["storage_layout"][variable]["slot"]
    for k in keys:
        k = k if isinstance(k, bytes) else (int(k, 16) if isinstance(k, str) else k).to_bytes(32, "big")
        slot = int.from_bytes(keccak(slot.to_bytes(32, "big") + k), "big")
    return slot


class Reverted(Exception):
    def __init__(self, data):
        self.data = data
        super().__init__(data.hex())


class Contract:
    """A contract by its ABI: `contract.function(arguments…, sender=…)` returns what it returns, or raises Reverted."""

    def __init__(self, env, name, *arguments):
        """Made as genesis makes it: by caller zero, at its own address."""
        self.env, self.address, abi = env, AT[name], artifact(name)["abi"]
        self.functions = {(f["name"], len(f["inputs"])): (
            keccak(text=signature(f))[:4], [canonical(i) for i in f["inputs"]], [canonical(o) for o in f["outputs"]],
            f["stateMutability"] == "nonpayable") for f in abi if f["type"] == "function"}
        self.events = {keccak(text=signature(e)): e for e in abi if e["type"] == "event"}
        types = [canonical(i) for f in abi if f["type"] == "constructor" for i in f["inputs"]]
        code = (SOURCES / "artifacts" / f"{name}.bin").read_bytes()
        env.deploy_code(bytecode=code + encode(types, arguments), override_address=self.address, sender=ZERO)

    def __getattr__(self, name):
        def call(*arguments, sender="0x" + "99" * 20):
            selector, inputs, outputs, modifies = self.functions[name, len(arguments)]
            self.last = self.env.execute_code(
                self.address, sender=sender, data=selector + encode(inputs, arguments), is_modifying=modifies)
            if self.last.is_error:
                raise Reverted(bytes(self.last.output))
            out = decode(outputs, self.last.output)
            return out[0] if len(out) == 1 else out or None
        return call

    def logged(self, event):
        """The unindexed values of these events of the last call."""
        kinds = {topic: [canonical(i) for i in e["inputs"] if not i["indexed"]] for topic, e in self.events.items() if e["name"] == event}
        return [decode(kinds[t], data) for _, (topic, *_), data in self.last.get_log_entries()
                if (t := topic.to_bytes(32, "big")) in kinds]


def canonical(parameter):
    if not parameter["type"].startswith("tuple"):
        return parameter["type"]
    return "(" + ",".join(map(canonical, parameter["components"])) + ")" + parameter["type"][5:]


def signature(entry):
    return f"{entry['name']}({','.join(canonical(i) for i in entry['inputs'])})"


def attempt(call, *arguments, sender):
    """Whether the call went through, and what it returned."""
    try:
        return True, call(*arguments, sender=sender)
    except Reverted:
        return False, None


# --- laws and seeded bugs ---------------------------------------------------------------------------------------------
class Broken(AssertionError):
    """A law does not hold."""

    def __init__(self, name, fact):
        self.law = name
        super().__init__(f"{name}: {fact}")


def law(name, holds, fact=""):
    if not holds:
        raise Broken(name, fact)


def changed(name, there="", instead=""):
    """A source with one place changed."""
    text = (SOURCES / f"{name}.vy").read_text()
    assert not there or text.count(there) == 1, f"{there!r} is {text.count(there)} times in {name}"
    return text.replace(there, instead) if there else text


def runtime(name, text):
    """Runtime code of a source, without optimisation, which takes half the time; kept by the hash of what it is made of."""
    made_of = [vyper.__version__, text, *(p.read_text() for p in sorted((SOURCES / "interfaces").glob("*.vyi")))]
    kept = KEPT / keccak(text="\0".join(made_of)).hex()
    if not kept.exists():
        warnings.simplefilter("ignore")
        text = text.replace("# pragma optimize codesize\n", "")
        code = CompilerData(FileInput(0, SOURCES / f"{name}.vy", SOURCES / f"{name}.vy", text),
                            input_bundle=FilesystemInputBundle([SOURCES]),
                            settings=Settings(optimize=OptimizationLevel.NONE, evm_version="prague")).bytecode_runtime
        KEPT.mkdir(exist_ok=True)
        new = kept.with_suffix(f".{os.getpid()}")
        new.write_bytes(code)
        new.rename(kept)
    return kept.read_bytes()


def mutant(bug):
    """The runtime code of (contract, text, what it becomes)."""
    return runtime(bug[0], changed(*bug))
