#!/usr/bin/env python3
"""Forty nested values of random types and their ABI encoding, by eth-abi: `python abi.py > abi.json`. `text` prints numbers as hex quantities, tuples
and arrays of fixed count in parentheses, others in brackets."""
import json
import random
from eth_abi import encode

choose = random.Random(7)


def kind(depth):
    leaf = ["uint256", "uint8", "uint64", "address", "bool", "bytes32", "bytes4", "bytes", "string", "int16"]
    if depth == 0 or choose.random() < 0.5:
        return choose.choice(leaf)
    shape = choose.choice(["[]", "[2]", "()"])
    return kind(depth - 1) + shape if shape != "()" else "(" + ",".join(kind(depth - 1) for _ in range(choose.randint(1, 3))) + ")"


def split(text):
    parts, depth, current = [], 0, ""
    for c in text:
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += c
    return parts + [current]


def sample(t):
    """A value and its text."""
    if t.endswith("]"):
        element, count = t[:t.rindex("[")], t[t.rindex("[") + 1:-1]
        some = [sample(element) for _ in range(int(count) if count else choose.randint(0, 3))]
        return [v for v, _ in some], ("(%s)" if count else "[%s]") % ",".join(x for _, x in some)
    if t.startswith("("):
        some = [sample(p) for p in split(t[1:-1])]
        return tuple(v for v, _ in some), "(%s)" % ",".join(x for _, x in some)
    if t in ("bytes", "string"):
        data = choose.choice([b"", b"a", "é".encode(), b"x" * 32, b"y" * 33])
        return data if t == "bytes" else data.decode(), "0x" + data.hex()
    if t.startswith("bytes"):
        data = bytes(choose.randrange(256) for _ in range(int(t[5:])))
        return data, hex(int.from_bytes(data.ljust(32, b"\0"), "big"))
    if t == "bool":
        flag = choose.random() < 0.5
        return flag, hex(flag)
    if t == "address":
        n = choose.getrandbits(160)
        return f"0x{n:040x}", hex(n)
    bits = int(t.lstrip("uint"))
    n = choose.getrandbits(bits) if t[0] == "u" else choose.randrange(-2**(bits - 1), 2**(bits - 1))
    return n, hex(n % 2**256)


cases = []
while len(cases) < 40:
    types = [kind(3) for _ in range(choose.randint(1, 4))]
    values = [sample(t) for t in types]
    cases.append(dict(types=",".join(types), data="0x" + encode(types, [v for v, _ in values]).hex(), text=",".join(x for _, x in values)))
print(json.dumps(cases, indent=0))
