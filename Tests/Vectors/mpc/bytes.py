#!/usr/bin/env python3
"""Bytes of R4 as reference/r4.md and job-protocol.md fix them, by an implementation that shares no code with ours:
python3 bytes.py > bytes.json. Needs pycryptodome and eth-hash (PyPI)."""
import hashlib, hmac, json
from Crypto.Cipher import AES
from Crypto.Protocol import DH
from Crypto.PublicKey import ECC
from eth_hash.auto import keccak

sha = lambda *p: hashlib.sha256(b"".join(p)).digest()
u64, u32 = lambda n: n.to_bytes(8, "big"), lambda n: n.to_bytes(4, "big")
M = 1 << 64
session = sha(b"bytes of R4")
K = [sha(b"key", bytes([j]))[:16] for j in range(4)]
mac_key = [sha(b"entente/mpc/mac-key/v1", k)[:16] for k in K]
salt = [sha(b"entente/mpc/salt/v1", k) for k in K]
box_key = [sha(b"entente/mpc/box-key/v1", k) for k in K]

def stream(key, step, use, size):
    blocks = b"".join(u64(step) + use.to_bytes(2, "big") + c.to_bytes(6, "big") for c in range(-(-size // 16)))
    return AES.new(key, AES.MODE_ECB).encrypt(blocks)[:size]
def words(data): return [int.from_bytes(data[i:i + 8], "little") for i in range(0, len(data), 8)]
def encode(values): return b"".join((v % M).to_bytes(8, "little") for v in values)

# Three words, components fixed; one product x·y at step 1.
x = [words(sha(b"x", bytes([j]))[:24]) for j in range(4)]
y = [words(sha(b"y", bytes([j]))[:24]) for j in range(4)]
rows = [(0, 1, 3, 2), (1, 2, 0, 3), (2, 3, 1, 0), (3, 0, 2, 1), (1, 3, 0, 2), (0, 2, 3, 1)]
frames = {f"{a}{b}": b"" for a in range(4) for b in range(4) if a != b}
z, digests = [[0] * 3 for _ in range(4)], []
for row, (s, v, r, o) in enumerate(rows):
    sign = 1 if (r + o) % 2 else -1
    term = [sign * (x[r][i] + sign * x[o][i]) * (y[r][i] + sign * y[o][i]) for i in range(3)]
    mask = words(stream(K[r], 1, row, 24))
    payload = encode([t - m for t, m in zip(term, mask)])
    place = u64(1) + u32(row) + bytes([s, v, r, o])
    gcm = AES.new(mac_key[s], AES.MODE_GCM, nonce=u64(1) + u32(row))
    gcm.update(session + place + payload)
    frames[f"{s}{r}"] += u64(1) + u32(row) + u32(24) + payload
    frames[f"{v}{r}"] += u64(1) + u32(row) + u32(16) + gcm.digest()
    digests.append(sha(b"entente/mpc/message/v1", salt[o], session, place, payload))
    z[r] = [(a + b) % M for a, b in zip(z[r], mask)]
    z[o] = [(a + b) % M for a, b in zip(z[o], words(payload))]
assert [sum(c) % M for c in zip(*z)] == [sum(a) * sum(b) % M for a, b in zip(zip(*x), zip(*y))]

# The four batch records after it and the transcript.
def tags(frame, of):                             # the MACs in a frame
    out, at = b"", 0
    while at < len(frame):
        n = int.from_bytes(frame[at + 12:at + 16], "big")
        if n == of: out += frame[at + 16:at + 16 + n]
        at += 16 + n
    return out
word = lambda n: n.to_bytes(32, "big")
contents = []
for i in range(4):
    others = [j for j in range(4) if j != i]
    record = word(1) + b"".join(sha(tags(frames[f"{i}{j}"], 16)) for j in others) + b"".join(sha(tags(frames[f"{j}{i}"], 16)) for j in others)
    record += b"".join(word(len(frames[f"{i}{j}"])) for j in others) + b"".join(word(len(frames[f"{j}{i}"])) for j in others)
    contents.append(keccak(session + keccak(record)))
transcript = keccak(session + b"".join(contents))

# Boxes of z for reader 2, HPKE base mode (RFC 9180) written out.
def hkdf_extract(salt, ikm): return hmac.digest(salt or bytes(32), ikm, "sha256")
def hkdf_expand(prk, info, n):
    out, t, i = b"", b"", 1
    while len(out) < n: t = hmac.digest(prk, t + info + bytes([i]), "sha256"); out += t; i += 1
    return out[:n]
KEM, SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
extract = lambda salt, label, ikm, suite: hkdf_extract(salt, b"HPKE-v1" + suite + label + ikm)
expand = lambda prk, label, info, n, suite: hkdf_expand(prk, n.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, n)
def key_pair(ikm):
    secret = expand(extract(b"", b"dkp_prk", ikm, KEM), b"sk", b"", 32, KEM)
    private = DH.import_x25519_private_key(secret)
    return secret, private, private.public_key().export_key(format="raw")
def seal(plain, public, info, ikm):
    _, private, enc = key_pair(ikm)
    dh = DH.key_agreement(static_priv=private, static_pub=DH.import_x25519_public_key(public), kdf=lambda s: s)
    shared = expand(extract(b"", b"eae_prk", dh, KEM), b"shared_secret", enc + public, 32, KEM)
    context = b"\x00" + extract(b"", b"psk_id_hash", b"", SUITE) + extract(b"", b"info_hash", info, SUITE)
    secret = extract(shared, b"secret", b"", SUITE)
    gcm = AES.new(expand(secret, b"key", context, 32, SUITE), AES.MODE_GCM, nonce=expand(secret, b"base_nonce", context, 12, SUITE))
    return enc + b"".join(gcm.encrypt_and_digest(plain))
reader = key_pair(b"reader")
boxes = []
for j in range(4):
    plain, where = encode(z[j]), session + bytes([2, j])
    ikm = hkdf_expand(hkdf_extract(b"", box_key[j]), where + sha(plain), 32)
    boxes.append(seal(plain, reader[2], b"entente/market/box/v1" + where, ikm))

# A commitment: 600 words from outside, so component 0 is explicit (4,800 bytes: two blocks each).
table = [i * i * 0x123456789abcdef % M for i in range(600)]
seeds = [sha(b"seed", bytes([j]))[:16] for j in range(4)]
salts = [sha(b"salt", bytes([j])) for j in range(4)]
component = [None] + [stream(seeds[j], 0, 0, 4800) for j in range(1, 4)]
component[0] = encode([t - sum(c) for t, c in zip(table, zip(*(words(c) for c in component[1:])))])
def root(data, salt):
    leaves = [keccak(b"entente/mpc/input-block/v1" + sha(b"entente/mpc/block-salt/v1", salt, u64(k)) + data[4096 * k:4096 * (k + 1)])
              for k in range(-(-len(data) // 4096))]
    while len(leaves) > 1: leaves = [keccak(b"".join(leaves[i:i + 2])) if i + 1 < len(leaves) else leaves[i] for i in range(0, len(leaves), 2)]
    return leaves[0]
schema = sha(b"schema")
commitment = keccak(schema + word(600) + b"".join(root(c, s) for c, s in zip(component, salts)))

print(json.dumps({
    "session": session.hex(), "keys": [k.hex() for k in K], "x": [encode(c).hex() for c in x], "y": [encode(c).hex() for c in y],
    "frames": {k: f.hex() for k, f in frames.items()}, "digests": [d.hex() for d in digests], "transcript": transcript.hex(),
    "readerSecret": reader[0].hex(), "readerPublic": reader[2].hex(), "boxes": [b.hex() for b in boxes],
    "seeds": [s.hex() for s in seeds], "salts": [s.hex() for s in salts], "schema": schema.hex(), "commitment": commitment.hex(),
}, indent=1))
