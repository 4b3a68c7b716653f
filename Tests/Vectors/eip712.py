#!/usr/bin/env python3
"""Golden digests of the signed structures of job-protocol.md §4, by eth-account. Prints JSON: `python eip712.py > eip712.json`."""
import json
from eth_account.messages import encode_typed_data
from eth_utils import keccak

TYPES = {
    "Use": "uint64 listing,bytes32 terms,uint64 grant,uint64 units,uint64 budget,uint256 offerNonce",
    "Order": "address requester,bytes32 program,bytes32 plan,uint32 purpose,uint8 profile,Use[] uses,bytes32[] readers,uint8 delivery,"
             "uint32 boxBytes,uint16 publicWords,address callback,uint32 callbackGas,uint128 seatFee,uint128 bond,uint128 maximumFee,"
             "uint32 seatingSeconds,uint32 keepSeconds,uint64 deadline,uint256 nonce",
    "Offer": "uint64 listing,bytes32 terms,address requester,bytes32 program,uint128 price,uint64 validUntil,uint256 nonce",
    "Input": "uint256 job,uint8 attempt,uint64 listing,bytes32 commitment,address key,bytes32 cohort,uint64 rows",
    "Seat": "uint256 job,uint8 attempt,uint8 index,address member,address key,bytes32 coin",
    "Session": "uint256 job,uint8 attempt,bytes32 order,bytes32 inputs,bytes32 seats",
    "Output": "uint8 delivery,bytes32[] boxes,bytes32[] parts",
    "Claim": "bytes32 session,uint8 kind,uint256 index,bytes32 content",
}
types = {name: [dict(zip(("type", "name"), field.split())) for field in text.split(",")] for name, text in TYPES.items()}
domain = {"name": "Entente Market", "version": "1", "chainId": 1337000001, "verifyingContract": "0xe47E47E000000000000000000000000000000007"}


def word(tag):
    return "0x" + keccak(text=tag).hex()


def account(tag):
    return "0x" + keccak(text=tag)[12:].hex()


uses = [dict(listing=i, terms=word(f"terms{i}"), grant=10 + i, units=i, budget=2 * i, offerNonce=2**200 + i) for i in (1, 2, 3)]
samples = {
    "Use": uses[0],
    "Order": dict(requester=account("requester"), program=word("program"), plan=word("plan"), purpose=2, profile=4, uses=uses, readers=[word("reader")],
                  delivery=0, boxBytes=1360, publicWords=3, callback=account("callback"), callbackGas=200000, seatFee=2**100, bond=5000, maximumFee=10**20,
                  seatingSeconds=30, keepSeconds=60, deadline=1_800_000_000, nonce=2**255 + 7),
    "Offer": dict(listing=9, terms=word("terms"), requester=account("requester"), program=word("program"), price=2**127, validUntil=1_800_000_000, nonce=5),
    "Input": dict(job=7, attempt=1, listing=3, commitment=word("commitment"), key=account("key"), cohort=word("cohort"), rows=221),
    "Seat": dict(job=7, attempt=1, index=2, member=account("member"), key=account("key"), coin=word("coin")),
    "Session": dict(job=7, attempt=2, order=word("order"), inputs=word("inputs"), seats=word("seats")),
    "Output": dict(delivery=0, boxes=[word(f"box{i}") for i in range(4)], parts=[]),
    "Claim": dict(session=word("session"), kind=2, index=2**64 + 1, content=word("content")),
}


def digest(name):
    def closure(n):
        return {n} | {x for f in types[n] for x in types if f["type"].startswith(x)}
    used = set().union(*(closure(n) for n in closure(name)))
    message = encode_typed_data(domain, {n: types[n] for n in used if n == name or n != name}, samples[name])
    return "0x" + keccak(b"\x19" + message.version + message.header + message.body).hex()


print(json.dumps({name: digest(name) for name in samples}, indent=1))
