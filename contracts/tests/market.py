"""
The world of the Market and Referee tests: both contracts at their fixed addresses on py-evm, and four members, a requester
and an author, who hold keys. What members sign is hashed here by eth_account, apart from the contracts.
"""
import re
from collections import namedtuple
from contextlib import contextmanager

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import to_checksum_address

from evm import *

CONSORTIUM, IDENTITY, CASH, GRANTS, MARKET, REFEREE = (
    AT[name] for name in ("Consortium", "Identity", "Cash", "Grants", "Market", "Referee"))
ROLES, CALL, DIRECTORY = 3, 7, 8                                # kinds of proposals
OWNER = MANAGER | VALIDATOR | DATA | COMPUTE
ASK, OPEN = 2, 3                                                # policies
READ, AGGREGATE = 1, 2                                          # purposes
SEATING, RUNNING, FAILING, SETTLED, REFUNDED = 2, 3, 4, 5, 6    # states of a job
SEGMENT, ATTEST, DELIVERY, MESSAGE, BOX, KEY, COIN, PROGRESS = range(1, 9)
NO_PERMIT = (0, 0, NOTHING, NOTHING)

TYPES = {
    "EIP712Domain": "string name,string version,uint256 chainId,address verifyingContract",
    "Use": "uint64 listing,bytes32 terms,uint64 grant,uint64 units,uint64 budget,uint256 offerNonce",
    "Order": "address requester,bytes32 program,bytes32 plan,uint32 purpose,uint8 profile,Use[] uses,bytes32[] readers,"
             "uint8 delivery,uint32 boxBytes,uint16 publicWords,address callback,uint32 callbackGas,uint128 seatFee,"
             "uint128 bond,uint128 maximumFee,uint32 seatingSeconds,uint32 keepSeconds,uint64 deadline,uint256 nonce",
    "Offer": "uint64 listing,bytes32 terms,address requester,bytes32 program,uint128 price,uint64 validUntil,uint256 nonce",
    "Input": "uint256 job,uint8 attempt,uint64 listing,bytes32 commitment,address key,bytes32 cohort,uint64 rows",
    "Seat": "uint256 job,uint8 attempt,uint8 index,address member,address key,bytes32 coin",
    "Session": "uint256 job,uint8 attempt,bytes32 order,bytes32 inputs,bytes32 seats",
    "Output": "uint8 delivery,bytes32[] boxes,bytes32[] parts",
    "Claim": "bytes32 session,uint8 kind,uint256 index,bytes32 content",
    "Permit": "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline",
}
TERMS = ("kind group object flat perUnit maximumUnits payees profile program requesterTopic seatTopic claimsSeat cap "
         "accountCap document").split()
TERMS_ABI = "(uint256,bytes32,bytes32,uint256,uint256,uint256,uint256[4],uint256,bytes32,bytes32,bytes32,bool,uint256,uint256,bytes32)"
JOB = ("requester state attempt seats delivery purpose uses members lines joined readers until deadline opened answer grace "
       "boxBytes seatFee bond fee referee")
Job = namedtuple("Job", JOB)
Member = namedtuple("Member", "account uses lock seat joined out")
Line = namedtuple("Line", "payee amount index kind")


def fields(name):
    return [f.split(" ")[1] for f in TYPES[name].split(",")]


def typed(name, values, contract=MARKET, domain="Entente Market", version="1", chain=None):
    """The signable message of one structure; `values` in the order of its fields."""
    def message(name, values):
        out = {}
        for f, value in zip(TYPES[name].split(","), values):
            kind, field = f.split(" ")
            out[field] = [message("Use", u) for u in value] if kind == "Use[]" else value
        return out
    names = ["EIP712Domain", name] + (["Use"] if name == "Order" else [])
    types = {n: [dict(zip(("type", "name"), f.split(" "))) for f in TYPES[n].split(",")] for n in names}
    return encode_typed_data(full_message=dict(
        types=types, primaryType=name, message=message(name, values),
        domain=dict(name=domain, version=version, chainId=chain or boa.env.evm.chain.chain_id, verifyingContract=contract)))


def struct_hash(name, values):
    return typed(name, values).body


def digest(name, values):
    m = typed(name, values)
    return keccak(b"\x19" + m.version + m.header + m.body)


def sign(key, name, values, **more):
    return bytes(key.sign_message(typed(name, values, **more)).signature)


def payee(account, weight):
    return int(account, 16) << 96 | weight


ENV = boa.Env()         # apart from that of other tests


@cache
def cash_that_refuses(accounts):
    head = "def _move(owner: address, to: address, amount: uint256):\n"
    return mutant(("Cash", head, head + "".join(f"    assert to != {to_checksum_address(a)}\n" for a in accounts)))


@contextmanager
def fresh():
    """The world as it was built, whatever happened in it before and will happen now."""
    with boa.swap_env(ENV):
        world = build()
        with ENV.anchor():
            ENV.evm.patch.timestamp, world.nonce, world.fresh = START, 0, 0
            terms, grant = dict(world.terms), dict(world.grant)
            try:
                yield world
            finally:
                world.terms, world.grant = terms, grant


@cache
def build():
    return World()


@pytest.fixture
def w():
    with fresh() as world:
        yield world


class World:
    def __init__(self):
        boa.env.evm.patch.timestamp = START
        accounts = [Account.from_key(keccak(text=f"account {i}")) for i in range(10)]
        self.keys = {a.address.lower(): a for a in accounts}
        self.owners, self.requester, self.author, self.bank, self.regulator, self.stranger, self.governor = (
            [*self.keys][:4], *[*self.keys][4:])
        self.treasury = CONSORTIUM
        founders = [*((m, OWNER) for m in self.owners), (self.bank, BANK), (self.regulator, REGULATOR)]
        nodes = [f"0x{i + 1:040x}" for i in range(len(founders))]
        self.consortium = Contract(boa.env, "Consortium", [word("member" + "abcdef"[i]) for i in range(len(founders))],
                                   [a for a, _ in founders], nodes, [r for _, r in founders], [""] * len(founders),
                                   [word("inclusion"), word("levy")], [1, 100])
        # votes have their own tests: here one account decides
        boa.env.set_storage(CONSORTIUM, slot_of("Consortium", "directory", word("governor")), int(self.governor, 16))
        self.identity, self.cash, self.grants, self.market, self.referee = (
            Contract(boa.env, name) for name in ("Identity", "Cash", "Grants", "Market", "Referee"))
        self.cash_code = boa.env.get_code(CASH)
        self.terms, self.grant, self.fresh, self.nonce = {}, {}, 0, 0
        for m in self.owners:
            self.mint(m, 10_000)
            self.cash.approve(MARKET, 2**255, sender=m)
            self.market.postBond(5_000, sender=m)
        self.mint(self.requester, 100_000)
        self.cash.approve(MARKET, 2**255, sender=self.requester)
        for i, m in enumerate(self.owners):
            self.list(m, object=word(f"table {i}"), payees=[(m, 2), (self.author, 1)] if i == 0 else [(m, 1)])
            self.give(m, word(f"table {i}"), 20)
        for listing in range(1, 5):
            for m in self.owners:
                self.market.setStance(listing, m, 1, sender=self.owners[listing - 1])

    # --- the alliance -------------------------------------------------------------------------------------------------
    def mint(self, account, amount):
        self.cash.issue(account, amount, NOTHING, sender=self.bank)

    def freeze(self, account, on):
        self.cash.freeze(account, on, NOTHING, sender=self.regulator)

    def roles(self, account, roles):
        self.consortium.enact(ROLES, encode(["address", "uint256", "address"], [account, roles, ZERO]), sender=self.governor)

    def certify(self, account, topic):
        if not self.identity.issuersOf(topic):
            self.identity.setIssuer(topic, self.regulator, True, sender=CONSORTIUM)
        self.identity.anchor(account, topic, word("credential"), 2**40, sender=self.regulator)

    def refuse(self, *accounts):
        """Cash that cannot be credited to these accounts, as ours never is; none: as it was."""
        boa.env.set_code(CASH, cash_that_refuses(accounts) if accounts else self.cash_code)

    # --- listings, grants, orders -------------------------------------------------------------------------------------
    def list(self, owner, id=0, payees=None, **more):
        terms = dict(kind=1, group=word("clinic"), object=word("table"), flat=100, perUnit=0, maximumUnits=0,
                     profile=4, program=NOTHING, requesterTopic=NOTHING, seatTopic=NOTHING, claimsSeat=True, cap=0,
                     accountCap=0, document=word("document"))
        terms["payees"] = ([payee(*p) for p in payees or [(owner, 1)]] + [0] * 4)[:4]
        terms.update(more)
        values = tuple(terms[f] for f in TERMS)
        id = self.market.list(id, values, sender=owner)
        version = self.market.sheet(id)[0] >> 160 & 0xFFFFFFFF
        self.terms[id] = values, keccak(encode([TERMS_ABI, "uint256"], [values, version]))
        return id

    def give(self, owner, object, uses, purposes=AGGREGATE, grantee=None, expires=2**40):
        id = self.grants.give(grantee or self.requester, 2, object, purposes, NOTHING, expires, uses, NOTHING, b"", sender=owner)
        self.grant[object] = id
        return id

    def use(self, listing, **more):
        object = self.terms[listing][0][TERMS.index("object")]
        values = dict(listing=listing, terms=self.terms[listing][1], grant=self.grant.get(object, 0), units=0, budget=0,
                      offerNonce=0) | more
        return tuple(values[f] for f in fields("Use"))

    def order(self, **more):
        self.nonce += 1
        values = dict(requester=self.requester, program=word("program"), plan=word("plan"), purpose=AGGREGATE, profile=4,
                      uses=[self.use(i) for i in range(1, 5)], readers=[word("reader")], delivery=0, boxBytes=1360,
                      publicWords=0, callback=ZERO, callbackGas=0, seatFee=25, bond=1000, maximumFee=10_000,
                      seatingSeconds=20, keepSeconds=0, deadline=self.now + 100, nonce=self.nonce) | more
        return tuple(values[f] for f in fields("Order"))

    def open(self, order=None, sender=None, quotes=(), signature=b"", permit=NO_PERMIT, terms=None, **more):
        order = order or self.order(**more)
        terms = terms or [self.terms[u[0]][0] for u in order[fields("Order").index("uses")]]
        return self.market.open(order, terms, list(quotes), signature, permit, sender=sender or self.requester)

    # --- members ------------------------------------------------------------------------------------------------------
    def new_key(self):
        self.fresh += 1
        return Account.from_key(keccak(text=f"session key {self.fresh}"))

    def proofs(self, id, member, key, commitments=None, coin=NOTHING, attempt=1):
        """Inputs and signatures of a join."""
        m = self.member(id, member)
        inputs, signatures = [], []
        for i in range(16):
            if m.uses >> i & 1:
                listing = self.market.use(id, i) & 0xFFFFFFFF
                c = (commitments or {}).get(i, keccak(text=f"commitment {id} {i} {member}"))
                inputs.append((c, word("cohort"), 221))
                signatures.append(sign(key, "Input", (id, attempt, listing, c, key.address, word("cohort"), 221)))
        if m.seat:
            signatures.append(sign(key, "Seat", (id, attempt, m.seat - 1, member, key.address, coin)))
        return inputs, signatures

    def join(self, id, member, key=None, sender=None, **more):
        key = key or self.new_key()
        inputs, signatures = self.proofs(id, member, key, **more)
        self.market.join(id, 1, key.address, inputs, more.get("coin", NOTHING), signatures, sender=sender or member)
        return key

    def running(self, **more):
        """A job that all four have joined: its number, session and session keys by seat."""
        id = self.open(**more)
        keys = [self.join(id, m) for m in self.owners]
        return id, self.market.session(id, 1), keys

    def claim(self, key, session, kind, index, content):
        return sign(key, "Claim", (session, kind, index, content))

    def attested(self, session, keys, boxes, transcript=word("transcript")):
        output = struct_hash("Output", (0, [keccak(b) for b in boxes], []))
        content = keccak(encode(["bytes32", "bytes32"], [transcript, output]))
        return [self.claim(k, session, ATTEST, 0, content) for k in keys]

    BOXES = [bytes([i + 1]) * 1360 for i in range(4)]

    def settle(self, id, session, keys, boxes=None, sender=None, transcript=word("transcript")):
        boxes = self.BOXES if boxes is None else boxes
        self.market.settle(id, 1, transcript, boxes, self.attested(session, keys, boxes, transcript),
                           sender=sender or self.stranger)

    # --- what can be read ---------------------------------------------------------------------------------------------
    @property
    def now(self):
        return boa.env.evm.patch.timestamp

    def pass_time(self, seconds):
        boa.env.evm.patch.timestamp += seconds

    def job(self, id):
        w = self.market.job(id)
        bits = lambda x, at, n: x >> at & (1 << n) - 1
        account = lambda x: f"0x{bits(x, 0, 160):040x}"
        return Job(account(w[0]), *(bits(w[0], 160 + 8 * i, 8) for i in range(10)), *(bits(w[1], 48 * i, 48) for i in range(3)),
                   bits(w[1], 144, 32), bits(w[1], 176, 32), w[1] >> 208, bits(w[2], 0, 128), w[2] >> 128, w[3] >> 160,
                   account(w[3]))

    def members(self, id):
        for k in range(self.job(id).members):
            w = self.market.member(id, k)
            yield Member(f"0x{w & 2**160 - 1:040x}", w >> 160 & 65535, *(w >> s & 255 for s in (176, 184, 192, 200)))

    def member(self, id, account):
        return next((m for m in self.members(id) if m.account == account), Member(account, 0, 0, 0, 0, 0))

    def lines(self, id):
        j = self.job(id)
        words = self.market.lines(id)[:j.lines + j.seats]
        return [Line(f"0x{w >> 96:040x}", w >> 8 & 2**88 - 1, w >> 4 & 15, w & 15) for w in words]


def declared_errors():
    """Selectors as the sources write them, and the signatures in the comment beside."""
    for name in ("Market", "Referee"):
        for number, text in re.findall(r"constant\(uint256\) = (\d+) +# (\w+\(\w*\))", changed(name)):
            yield int(number).to_bytes(4, "big"), text


ERRORS = dict(declared_errors())


def error(call, *arguments, **more):
    """The error a call reverts with: its name and fact, ("revert", data) for any other, None if it succeeds."""
    with boa.env.anchor():
        try:
            call(*arguments, **more)
        except Reverted as failure:
            declared = ERRORS.get(failure.data[:4])
            if declared is None:
                return "revert", failure.data
            name = declared.split("(")[0]
            return (name, int.from_bytes(failure.data[4:], "big")) if "()" not in declared else name
    return None
