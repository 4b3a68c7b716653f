#!/usr/bin/env python3
"""
Compiles every contract beside this file into artifacts/: <Name>.json {abi (with the errors), selectors, layout, runtimeBytes, runtimeHash} and
<Name>.bin, the bare init code; digest.h stands for all of them. Same source, same bytes. `--check` writes nothing and exits 1 where a
file differs from what is there.
"""
import json, re, sys
from pathlib import Path

from eth_utils import keccak
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.settings import Settings

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE / "artifacts"
LIMIT = 24_576      # EIP-170


def errors(source):
    """Errors are selectors in the source, by method_id("Name(types)") or as a number before a comment `# Name(types)`."""
    found = {m: None for m in re.findall(r'method_id\("([A-Z]\w*\([\w,\[\]]*\))"', source)}
    found |= {m: int(n) for n, m in re.findall(r"constant\(uint256\) = (\d+) +# ([A-Z]\w*\([\w,\[\]]*\))", source)}
    for signature, number in found.items():
        if number is not None and number != int.from_bytes(keccak(text=signature)[:4], "big"):
            raise SystemExit(f"{signature}: the selector in the source is another")
    return [dict(type="error", name=s.split("(")[0], inputs=[dict(name="", type=t) for t in s[s.index("(") + 1:-1].split(",") if t])
            for s in sorted(found)]


def build(path):
    bundle = FilesystemInputBundle([HERE])
    with bundle.search_path(HERE):
        out = compile_from_file_input(bundle.load_file(path.name), input_bundle=bundle, settings=Settings(),
            output_formats=["abi", "bytecode", "bytecode_runtime", "layout", "method_identifiers"], no_bytecode_metadata=True)
    runtime = bytes.fromhex(out["bytecode_runtime"][2:])
    if len(runtime) >= LIMIT:
        raise SystemExit(f"{path.name}: {len(runtime)} bytes of code, the limit is {LIMIT}")
    artifact = dict(abi=out["abi"] + errors(path.read_text()), selectors=out["method_identifiers"], layout=out["layout"],
        runtimeBytes=len(runtime), runtimeHash="0x" + keccak(runtime).hex())
    return {f"{path.stem}.json": (json.dumps(artifact, indent=1, sort_keys=True) + "\n").encode(),
            f"{path.stem}.bin": bytes.fromhex(out["bytecode"][2:])}


def main(check):
    files = {}
    for path in sorted(HERE.glob("*.vy")):
        files |= build(path)
    # The C file that embeds the artifacts includes this one: a build notices a header that changed, not what #embed reads.
    digest = keccak(b"".join(keccak(files[name]) for name in sorted(files)))
    files["digest.h"] = f"// of all artifacts: {digest.hex()}\n".encode()
    if check:
        there = {p.name: p.read_bytes() for p in ARTIFACTS.glob("*")}
        differing = sorted(name for name in files.keys() | there.keys() if files.get(name) != there.get(name))
        print("\n".join(f"artifacts/{name} is not what its source gives: run contracts/build.py" for name in differing) or "artifacts as built")
        return bool(differing)
    ARTIFACTS.mkdir(exist_ok=True)
    for old in ARTIFACTS.glob("*"):
        if old.name not in files:
            old.unlink()
    for name, data in files.items():
        (ARTIFACTS / name).write_bytes(data)
        if name.endswith(".json"):
            print(f"{name[:-5]:12} {json.loads(data)['runtimeBytes']:6} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
