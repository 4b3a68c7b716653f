#!/usr/bin/env python3
"""Checks an evidence file of Entente; shares no line with the program that wrote it.

    verify.py FILE [--genesis HASH] [--file ORIGINAL] [--tsa-roots PEM] [--json]

Written from chain-rules §15 (checks 1 to 10), §4 (seals), job-protocol §4 and §10 (order, session, fact), so that an expert of a
court need not believe our program. Needs rlp, trie, eth-hash and eth-keys (PyPI); for time-stamp tokens the command `openssl`. One line a
step; exit code 0 only if all hold. Limits that §15 leaves open are those of docs/evidence.md.
"""
import argparse, base64, datetime, json, re, subprocess, sys, tempfile
import rlp
from eth_hash.auto import keccak as H
from eth_keys import KeyAPI
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CASH, RECORDS, MARKET = (bytes.fromhex("e47e47e0" + "0" * 30 + f"{i:02x}") for i in (3, 4, 7))
FIELDS = ("parentHash ommersHash beneficiary stateRoot transactionsRoot receiptsRoot logsBloom difficulty number gasLimit gasUsed timestamp extraData mixHash nonce "
          "baseFeePerGas withdrawalsRoot blobGasUsed excessBlobGas parentBeaconBlockRoot requestsHash").split()
EMPTY = H(rlp.encode(b""))
FIXED = {"ommersHash": H(rlp.encode([])), "difficulty": 1, "mixHash": b"ctical byzantine fault tolerance", "nonce": bytes(8), "baseFeePerGas": 0,
         "withdrawalsRoot": EMPTY, "blobGasUsed": 0, "excessBlobGas": 0, "parentBeaconBlockRoot": bytes(32),
         "requestsHash": bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")}
USE = "Use(uint64 listing,bytes32 terms,uint64 grant,uint64 units,uint64 budget,uint256 offerNonce)"
ORDER = ("Order(address requester,bytes32 program,bytes32 plan,uint32 purpose,uint8 profile,Use[] uses,bytes32[] readers,uint8 delivery,uint32 boxBytes,"
         "uint16 publicWords,address callback,uint32 callbackGas,uint128 seatFee,uint128 bond,uint128 maximumFee,uint32 seatingSeconds,uint32 keepSeconds,"
         "uint64 deadline,uint256 nonce)") + USE
INPUT = "Input(uint256 job,uint8 attempt,uint64 listing,bytes32 commitment,address key,bytes32 cohort,uint64 rows)"
SEAT = "Seat(uint256 job,uint8 attempt,uint8 index,address member,address key,bytes32 coin)"
OUTPUT = "Output(uint8 delivery,bytes32[] boxes,bytes32[] parts)"
EVENTS = {H(text.encode()): text.split("(")[0] for text in (
    "Recorded(bytes32,address,bytes32,bytes32,uint256,string)", "Endorsed(bytes32,address,uint256,bytes32)", "Withdrawn(bytes32,address,bytes32)",
    "Opened(uint256,address,bytes32,bytes32,uint256,uint256,(address,bytes32,bytes32,uint256,uint256,(uint256,bytes32,uint256,uint256,uint256,uint256)[],bytes32[],"
    + "uint256,uint256,uint256,address,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256))",
    "Settled(uint256,bytes32,bytes32,bytes32)", "Paid(uint256,address,uint256,uint256,uint256)", "Owed(address,uint256)", "Transfer(address,address,uint256)")}
TOPICS = {"Recorded": 4, "Endorsed": 3, "Withdrawn": 3, "Opened": 4, "Settled": 3, "Paid": 4, "Owed": 2, "Transfer": 3}

class Failed(Exception): pass
def must(holds, failure):
    if not holds: raise Failed(failure)
def word(x): return x.to_bytes(32, "big") if isinstance(x, int) else bytes(32 - len(x)) + x
def recover(digest, signature, offset):
    """Address of the signer; None: not 65 bytes of a signature in its one form, with low s."""
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64:]
    if len(v) != 1 or not (0 < r < N and 0 < s <= N // 2 and v[0] - offset in (0, 1)): return None
    try: return KeyAPI.Signature(vrs=(v[0] - offset, r, s)).recover_public_key_from_msg_hash(digest).to_canonical_address()
    except Exception: return None

# --- 1: text, schema, limits ----------------------------------------------------------------------------------------------------
def jcs(v):
    """RFC 8785 of integers, texts, lists and objects."""
    if type(v) is int: must(abs(v) <= 2 ** 53, "malformed")
    if isinstance(v, list): return "[" + ",".join(map(jcs, v)) + "]"
    if isinstance(v, dict): return "{" + ",".join(jcs(k) + ":" + jcs(v[k]) for k in sorted(v, key=lambda k: k.encode("utf-16-be"))) + "}"
    return json.dumps(v, ensure_ascii=False)
def depth(v): return 1 + max(map(depth, v.values() if isinstance(v, dict) else v), default=0) if isinstance(v, (dict, list)) else 1
def count(v): return 1 + sum(map(count, v.values() if isinstance(v, dict) else v)) if isinstance(v, (dict, list)) else 1
def unique(pairs):
    must(len(dict(pairs)) == len(pairs), "malformed")
    return dict(pairs)
def refuse(_): raise Failed("malformed")

def signed(type):
    """Schema of an EIP-712 structure, member by member."""
    one = lambda t: [one(t[:-2]), 16] if t.endswith("[]") else USE_SCHEMA if t == "Use" else {"address": "b20", "bytes32": "b32"}.get(t) or "q" + t[4:]
    return {name: one(t) for t, name in members(type)}
def members(type): return [m.split(" ") for m in type[type.index("(") + 1:type.index(")")].split(",")]
USE_SCHEMA = signed(USE)
# b: bytes, b32: so many; q64: a quantity of so many bits; [schema, most, least]; "key?": may be absent.
NODES, HASHES = ["b", 65], ["b32", 1 << 20]
PROOF = {"address": "b20", "nonce": "q64", "balance": "q256", "storageHash": "b32", "codeHash": "b32", "accountProof": NODES,
         "storageProof": [{"key": "q256", "value": "q256", "proof": NODES}, 1024]}
HEADER = {"header": "header", "next?": ["b20", 100, 1], "receipts?": [{"index": "q32", "proof": NODES}, 1024, 1], "storage?": [PROOF, 64, 1], "tokens?": ["token", 16, 1]}
SECTION = {
    "record": {"id": "b32", "author": "b20", "schema": "b32", "commitment": "b32", "leaf": "b32", "path": [{"left?": "b32", "right?": "b32"}, 32],
               "content?": {"salt": "b32", "count": "q40", "chunks": HASHES}},
    "settlement": {"job": "q256", "state": "q64", "attempt": "q8", "orderHash": "b32", "session": "b32", "transcript": "b32", "outputHash": "b32", "timestamp": "q64",
                   "order": signed(ORDER), "inputs": [signed(INPUT), 16], "seats": [signed(SEAT), 4, 1], "lines": ["b32", 32], "output": signed(OUTPUT), "attestations": ["b", 4]}}

def read(v, schema):
    if isinstance(schema, dict):
        must(isinstance(v, dict) and set(v) <= {k.rstrip("?") for k in schema} and all(k in v or k[-1] == "?" for k in schema), "malformed")
        return {k.rstrip("?"): read(v[k.rstrip("?")], s) for k, s in schema.items() if k.rstrip("?") in v}
    if isinstance(schema, list):
        must(isinstance(v, list) and len(v) <= schema[1] and len(v) >= (schema[2:] or [0])[0], "malformed")
        return [read(x, schema[0]) for x in v]
    must(isinstance(v, str), "malformed")
    if schema == "header": return header(read(v, "b"))
    if schema == "token":
        try: token = base64.b64decode(v, validate=True)
        except ValueError: raise Failed("malformed")
        must(0 < len(token) <= 65536 and base64.b64encode(token).decode() == v, "malformed")
        return token
    if schema[0] == "q":
        must(re.fullmatch(r"0x(0|[1-9a-f][0-9a-f]{0,63})", v) and int(v, 16) < 2 ** int(schema[1:]), "malformed")
        return int(v, 16)
    must(re.fullmatch(r"0x([0-9a-f]{2})*", v) and len(v) // 2 - 1 in ([int(schema[1:])] if schema[1:] else range((16 << 20) + 1)), "malformed")
    return bytes.fromhex(v[2:])

def header(raw):
    try: items = rlp.decode(raw)
    except Exception: raise Failed("malformed")
    must(len(raw) <= 16384 and isinstance(items, list) and len(items) == 21 and not any(isinstance(x, list) for x in items), "malformed")
    h = dict(zip(FIELDS, items))
    for name, b in h.items():
        size = {"beneficiary": 20, "logsBloom": 256, "nonce": 8}.get(name, 32 if name.endswith(("Root", "Hash")) else None)
        must(size in (None, len(b)), "malformed")
        if size or name == "extraData": continue
        must(b[:1] != b"\0" and len(b) <= (32 if name in ("difficulty", "baseFeePerGas") else 8), "malformed")
        h[name] = int.from_bytes(b, "big")
    return h | {"items": items, "raw": raw, "n": h["number"]}
def shape(text):
    try:
        must(len(text) <= 64 << 20, "malformed")
        f = json.loads(text.decode(), object_pairs_hook=unique, parse_constant=refuse, parse_float=refuse)
        must(isinstance(f, dict) and depth(f) <= 16 and count(f) <= 1 << 21 and jcs(f).encode() == text, "malformed")
    except (ValueError, RecursionError): raise Failed("malformed")
    kind = f.get("kind")
    must(kind in ("record", "settlement") and f.get("format") == "entente-evidence/1" and isinstance(f.get("config"), dict) and f.get("anchors") == [], "malformed")
    rest = {k: v for k, v in f.items() if k not in ("kind", "format", "config", "anchors")}
    place = {"block": "q64", "index": "q64"}
    g = read(rest, {"genesis": "header", "headers": [HEADER, 65536], "endorsements": [place, 1024 if kind == "record" else 0], kind: SECTION[kind]})
    section, places = g[kind], [(p["block"], p["index"]) for p in g["endorsements"]]
    for list in [places] + [[r["index"] for r in e.get("receipts", [])] for e in g["headers"]]: must(all(a < b for a, b in zip(list, list[1:])), "malformed")
    if kind == "record":
        must(all(len(step) == 1 for step in section["path"]), "malformed")
        content = section.get("content")
        must(not content or len(content["chunks"]) == (content["count"] + (1 << 20) - 1) >> 20, "malformed")
    else: must(len(section["attestations"]) <= len(section["seats"]) and all(len(a) <= 65 for a in section["attestations"]), "malformed")
    return {"kind": kind, "config": f["config"], "genesis": g["genesis"], "entries": g["headers"], "endorsements": places, "section": section}

# --- 2 to 5: network, headers, proofs -------------------------------------------------------------------------------------------
def extra(h):
    """vanity, validators, round, seals; None: of another form."""
    try: vanity, validators, votes, round, seals = rlp.decode(h["extraData"])
    except Exception: return None
    good = (isinstance(vanity, bytes) and len(vanity) == 32 and isinstance(validators, list) and all(isinstance(v, bytes) and len(v) == 20 for v in validators)
            and votes == [] and isinstance(round, bytes) and len(round) <= 4 and round[:1] != b"\0" and isinstance(seals, list) and all(isinstance(s, bytes) for s in seals))
    return (vanity, validators, round, seals) if good else None
def digest_of(h, round):
    """Block hash with round empty, seal digest with the header's own."""
    vanity, validators, _, _ = h["extra"]
    return H(rlp.encode(h["items"][:12] + [rlp.encode([vanity, validators, [], round, []])] + h["items"][13:]))
def network(f, expected):
    g = f["genesis"]
    must(expected in (None, H(g["raw"])), "foreignGenesis")
    g["extra"] = extra(g)
    vanity = g["extra"][0] if g["extra"] else g["extraData"]
    must(len(vanity) == 32, "malformed")
    must(H(jcs(f["config"]).encode()) == vanity, "configurationMismatch")
    own, f["chainId"] = f["config"].get("entente"), f["config"].get("chainId")
    must(isinstance(own, dict) and own.get("rules") == 1 and type(f["chainId"]) is int, "malformed")
    must(own.get("mode") != "public" and g["extra"], "notFinal")
    must(own.get("mode") in ("alliance", "private") and g["extra"][2:] == (b"", []), "malformed")
    f["tolerance"] = own["clockToleranceMilliseconds"]
def order(f):
    last, time = -1, -1
    for h in [f["genesis"]] + [e["header"] for e in f["entries"]]:
        n = h["n"]
        must(n > last if last >= 0 else n == 0, f"headerOrder({n})")
        h["extra"] = extra(h)
        must(h["extra"], f"headerConstant({n}, extraData)")
        for name, value in FIXED.items(): must(h[name] == value, f"headerConstant({n}, {name})")
        ms = int.from_bytes(h["extra"][0][:2], "big") if n else 0
        must(ms < 1000, f"headerConstant({n}, milliseconds)")
        h["time"] = 1000 * h["timestamp"] + ms
        must(h["time"] > time, f"headerOrder({n})")
        last, time = n, h["time"]
def well_formed(v): return 1 <= len(v) <= 100 and v[0] != bytes(20) and all(a < b for a, b in zip(v, v[1:]))
def follow(f):
    W, f["changes"] = f["genesis"]["extra"][1], []
    must(well_formed(W), "setUnknown(0)")
    for e in f["entries"]:
        h, n = e["header"], e["header"]["n"]
        vanity, listed, round, seals = h["extra"]
        must(listed == W, f"setUnknown({n})")
        must(len(seals) == (2 * len(W) + 2) // 3, f"sealCount({n})")
        digest, last = digest_of(h, round), bytes(20)
        for seal in seals:
            signer = recover(digest, seal, 0)
            must(signer, f"sealMalformed({n})"); must(signer in W, f"sealForeign({n})"); must(signer > last, f"sealOrder({n})")
            last = signer
        commitment = lambda v: H(rlp.encode(v))[:30]
        if "next" in e or commitment(W) != vanity[2:]:
            V = e.get("next")
            must(V and well_formed(V) and commitment(V) == vanity[2:], f"nextSetMismatch({n})")
            if V != W: f["changes"].append(n)
            W = V
def prove(proof, root, key):
    """The value under `key`, b"": proven absent. Nodes stand in order from the root, as EIP-1186 has them, and none is idle."""
    for above, node in zip([root] + proof, proof): must(H(node) in above, "path")
    if not proof:
        must(root == EMPTY, "path")
        return b""
    raw = [rlp.decode(node) for node in proof]
    try: HexaryTrie.get_from_proof(root, key, raw[:-1])
    except BadTrieProof: return HexaryTrie.get_from_proof(root, key, raw)
    raise Failed("path")
def proofs(f):
    f["receipts"], f["slots"] = [], {}
    for e in f["entries"]:
        h, n = e["header"], e["header"]["n"]
        for index, proof in ((r["index"], r["proof"]) for r in e.get("receipts", [])):
            try:
                value = prove(proof, h["receiptsRoot"], rlp.encode(index))
                status, _, _, logs = rlp.decode(value[1:] if value[0] < 0x80 else value)
                logs = [(EVENTS.get(topics[0]) if topics else None, address, topics[1:], body) for address, topics, body in logs]
            except Exception: raise Failed(f"receiptPath({n}, {index})")
            must(status == b"\x01", f"receiptReverted({n}, {index})")
            f["receipts"].append((n, index, h["time"], [log for log in logs if log[0] and len(log[2]) + 1 == TOPICS[log[0]]]))
        for p in e.get("storage", []):
            numbers = [p[k].to_bytes((p[k].bit_length() + 7) // 8, "big") for k in ("nonce", "balance")]
            try: must(prove(p["accountProof"], h["stateRoot"], H(p["address"])) == rlp.encode(numbers + [p["storageHash"], p["codeHash"]]), "")
            except Exception: raise Failed(f"accountPath({n})")
            for slot in p["storageProof"]:
                try: must(int.from_bytes(rlp.decode(prove(slot["proof"], p["storageHash"], H(word(slot["key"]))) or b"\x80"), "big") == slot["value"], "")
                except Exception: raise Failed(f"storagePath({n})")
                f["slots"][p["address"], slot["key"]] = slot["value"]
    s = f["section"]
    f["found"] = {name: find(f, RECORDS if name == "Recorded" else MARKET, name, s["id"] if name == "Recorded" else word(s["job"]))
                  for name in (["Recorded"] if f["kind"] == "record" else ["Opened", "Settled"])}
def logs(f, contract, name): return [(r, topics, body) for r in f["receipts"] for kind, address, topics, body in r[3] if kind == name and address == contract]
def find(f, contract, name, first):
    found = [log for log in logs(f, contract, name) if log[1][0] == first]
    must(found, f"logAbsent({name})")
    return found[0]

# --- 6a, 7a: a record -----------------------------------------------------------------------------------------------------------
def leaf(f):
    s, (_, topics, body) = f["section"], f["found"]["Recorded"]
    c = s.get("content")
    commitment = H(c["salt"] + c["count"].to_bytes(8, "big") + b"".join(c["chunks"])) if c else s["commitment"]
    node = H(b"\0" + topics[1][12:] + topics[2] + commitment)
    must(node == s["leaf"] and (s["author"], s["schema"], s["commitment"]) == (topics[1][12:], topics[2], commitment), "leafMismatch")
    for step in s["path"]: node = H(b"\1" + step.get("left", b"") + node + step.get("right", b""))
    must(node == body[:32], "treePath")
def content(f, original):
    if original is not None:
        stated = f["section"].get("content")
        chunks = stated["chunks"] if stated else []
        mine = [H(original[i:i + (1 << 20)]) for i in range(0, len(original), 1 << 20)]
        same = next((i for i, (a, b) in enumerate(zip(mine, chunks)) if a != b), min(len(mine), len(chunks)))
        must(stated and same == len(mine) == len(chunks) and stated["count"] == len(original), f"contentMismatch({same})")
    for i, place in enumerate(f["endorsements"]):
        must(any(r[:2] == place and topics[0] == f["section"]["id"] for r, topics, _ in logs(f, RECORDS, "Endorsed")), f"endorsementInvalid({i})")

# --- 6b to 9b: a settlement -----------------------------------------------------------------------------------------------------
def hash_struct(v, type):
    def one(x, t):
        if t.endswith("[]"): return H(b"".join(one(y, t[:-2]) for y in x))
        return hash_struct(x, USE) if t == "Use" else word(x)
    return H(H(type.encode()) + b"".join(one(v[name], t) for t, name in members(type)))
def digest(f, struct):
    domain = H(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)") + H(b"Entente Market") + H(b"1") + word(f["chainId"]) + word(MARKET)
    return H(b"\x19\x01" + H(domain) + struct)
def fact(f):
    s = f["section"]
    mine = H(b"".join(map(word, (s["job"], s["state"], s["attempt"], s["orderHash"], s["session"], H(b"".join(s["lines"])), s["transcript"], s["outputHash"], s["timestamp"]))))
    must(word(f["slots"].get((MARKET, int.from_bytes(H(word(0) + word(s["job"])), "big")), 0)) == mine, "factMismatch")
    must(s["state"] == 5, f"notSettled: state {s['state']}")
def session(f):
    s = f["section"]
    must(hash_struct(s["order"], ORDER) == s["orderHash"], "orderMismatch")
    for name in ("inputs", "seats"):
        if name == "seats": must(len(s["seats"]) == s["order"]["profile"], "sessionMismatch(seats)")
        for i, x in enumerate(s[name]):
            for field, value in [("job", s["job"]), ("attempt", s["attempt"])] + ([("index", i)] if name == "seats" else []): must(x[field] == value, f"sessionMismatch({name}[{i}].{field})")
    lists = [H(b"".join(hash_struct(x, t) for x in s[name])) for name, t in (("inputs", INPUT), ("seats", SEAT))]
    struct = H(b"".join(map(word, (H(b"Session(uint256 job,uint8 attempt,bytes32 order,bytes32 inputs,bytes32 seats)"), s["job"], s["attempt"], s["orderHash"], *lists))))
    must(digest(f, struct) == s["session"], "sessionMismatch(session)")
    must(hash_struct(s["output"], OUTPUT) == s["outputHash"], "sessionMismatch(output)")
def attestations(f):
    s = f["section"]
    struct = H(b"".join(map(word, (H(b"Claim(bytes32 session,uint8 kind,uint256 index,bytes32 content)"), s["session"], 2, 0, H(s["transcript"] + s["outputHash"])))))
    for i, seat in enumerate(s["seats"]):
        must(s["attestations"][i:i + 1] not in ([], [b""]), f"attestationMissing({i})")
        must(recover(digest(f, struct), s["attestations"][i], 27) == seat["key"], f"attestationForged({i})")
def payments(f):
    s, fee = f["section"], int.from_bytes(f["found"]["Opened"][2][32:64], "big")
    lines = [(line[:20], int.from_bytes(line[20:31], "big"), line[31] >> 4, line[31] & 15) for line in s["lines"]]
    must(sum(amount for _, amount, _, _ in lines) == fee, "sumMismatch")
    i, moved = 0, None                                # between two Paid of the job lies the Transfer or Owed that the second one tells of
    for name, address, topics, body in f["found"]["Settled"][0][3]:
        amount = int.from_bytes(body[-32:], "big")
        if (name, address) == ("Transfer", CASH) and topics[0][12:] == MARKET: moved = topics[1][12:], amount
        if (name, address) == ("Owed", MARKET): moved = topics[0][12:], amount
        if (name, address) != ("Paid", MARKET) or topics[0] != word(s["job"]) or i == len(lines): continue
        payee, due, index, kind = lines[i]
        uses = s["order"]["uses"]
        must(kind > 3 or index < len(uses), f"paymentAbsent({i})")
        expected = word(payee), word(0 if kind > 3 else uses[index]["listing"]), word(kind), word(due)
        must((topics[1], topics[2], body[:32], body[32:64]) == expected and (due == 0 or moved == (payee, due)), f"paymentAbsent({i})")
        i, moved = i + 1, None
    must(i == len(lines), f"paymentAbsent({i})")

# --- 10: tokens -----------------------------------------------------------------------------------------------------------------
def tokens(f, roots):
    covered = set()
    for i, (h, token) in enumerate((e["header"], t) for e in f["entries"] for t in e.get("tokens", [])) if roots else ():
        def openssl(*args): return subprocess.run(["openssl", "ts", *args, "-token_in", "-in", file.name], capture_output=True, text=True)
        with tempfile.NamedTemporaryFile() as file, tempfile.NamedTemporaryFile() as message:
            file.write(token); file.flush(); message.write(digest_of(h, b"")); message.flush()
            text = openssl("-reply", "-text").stdout
            stamp = re.search(r"Time stamp: (\w+ +\d+ \d+:\d+:\d+)(\.\d+)? (\d+) GMT", text)
            must(stamp and "Hash Algorithm: sha256" in text, f"tokenInvalid({i})")
            second = int(datetime.datetime.strptime(f"{stamp[1]} {stamp[3]} +0000", "%b %d %H:%M:%S %Y %z").timestamp())
            held = openssl("-verify", "-data", message.name, "-CAfile", roots, "-attime", str(second), "-auth_level", "2")
        must(held.returncode == 0, f"tokenInvalid({i})")
        must(1000 * second + int(1000 * float(stamp[2] or 0)) + f["tolerance"] >= h["time"], f"tokenTime({i})")
        covered.add(h["n"])
    return [f"block {n}: its change of validators is {'' if n in covered else 'not '}covered by a token" for n in f["changes"]]

def verify(text, genesis=None, original=None, roots=None):
    """[(row, failure or None, notes)], up to the first failure."""
    f, steps = {}, []
    checks = {"1": lambda: f.update(shape(text)), "2": lambda: network(f, genesis), "3": lambda: order(f), "4": lambda: follow(f), "5": lambda: proofs(f),
              "6a": lambda: leaf(f), "7a": lambda: content(f, original), "6b": lambda: fact(f), "7b": lambda: session(f), "8b": lambda: attestations(f), "9b": lambda: payments(f),
              "10": lambda: tokens(f, roots)}
    for row, check in checks.items():
        if row[-1] == ("b" if f.get("kind") == "record" else "a"): continue
        try: steps.append((row, None, check() or []))
        except Failed as failure: return steps + [(row, str(failure), [])]
    return steps

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("evidence"); p.add_argument("--genesis"); p.add_argument("--file"); p.add_argument("--tsa-roots"); p.add_argument("--json", action="store_true")
    a = p.parse_args()
    load = lambda path: open(path, "rb").read()
    steps = verify(load(a.evidence), bytes.fromhex(a.genesis[2:]) if a.genesis else None, load(a.file) if a.file else None, a.tsa_roots)
    valid = steps[-1][1] is None
    if a.json: print(json.dumps({"valid": valid, "steps": [{"row": row, "ok": failure is None, "failure": failure, "details": notes} for row, failure, notes in steps]}))
    else:
        for row, failure, notes in steps: print(f"FAIL  {row}  {failure}" if failure else f"ok    {row}", *notes, sep="\n          ")
    sys.exit(0 if valid else 1)
