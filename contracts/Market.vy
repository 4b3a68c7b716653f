# pragma version 0.4.3
# pragma evm-version prague
# pragma optimize codesize
"""
Market: what data and programs cost, and the life of a private computation from order to settlement.

Source: reference/job-protocol.md §2-§6, §10. Every figure a job needs is frozen by `open`: afterwards no listing, policy or
parameter is read, and no call moves the deadline. A job ends once: Settled (every frozen line paid, uses spent) or
Refunded (the whole fee returned, uses given back); either frees every bond less what a proof or a silence took.

Left out until a job needs it (`open` reverts `NotSupported`): drawn seats, delivery by hash, public values and callbacks.
So there is one attempt; keys, sessions and slots carry its number all the same.

Invariants: Market's cash = fees of live jobs + bonds + owed; sum of a job's lines = its fee; a member's locked bond = its
locks in live jobs. Slots 0 and 1 are part of the evidence format and never move.
"""
from interfaces import ICash
from interfaces import IConsortium
from interfaces import IGrants
from interfaces import IIdentity

interface IReferee:
    def due(job: uint256) -> (bool, address): view

# --- what callers see: numbers are words; `open` checks the ranges that the signed types give them ---
struct Terms:
    kind: uint256             # DATA, MODEL or PROGRAM
    group: bytes32
    object: bytes32         # of a PROGRAM: the hash of its canonical source
    flat: uint256           # price of a use = flat + perUnit * units
    perUnit: uint256
    maximumUnits: uint256
    payees: uint256[4]      # account 160, weight 96 (high to low); the unused are 0 and last
    profile: uint256          # fewest seats allowed: 3 = R3, 4 = R4
    program: bytes32        # the only program allowed, 0 = any
    requesterTopic: bytes32 # credential the requester must hold, 0 = none
    seatTopic: bytes32      # credential each seat must hold, 0 = none
    claimsSeat: bool
    cap: uint256             # privacy budget over everybody, micro-units, 0 = none
    accountCap: uint256      # the same for one requester
    document: bytes32

struct Use:
    listing: uint256
    terms: bytes32
    grant: uint256
    units: uint256
    budget: uint256
    offerNonce: uint256     # 0 = at the listed price

struct Order:
    requester: address
    program: bytes32
    plan: bytes32
    purpose: uint256
    profile: uint256          # number of seats
    uses: DynArray[Use, 16]
    readers: DynArray[bytes32, 4]
    delivery: uint256         # 0 = in line
    boxBytes: uint256
    publicWords: uint256
    callback: address
    callbackGas: uint256
    seatFee: uint256
    bond: uint256
    maximumFee: uint256
    seatingSeconds: uint256
    keepSeconds: uint256
    deadline: uint256
    nonce: uint256

struct Quote:               # an owner's Offer; its other fields are those of the order and the use that names its nonce
    price: uint256
    validUntil: uint256
    signature: Bytes[65]

struct Permit:              # EIP-2612 of the requester over maximumFee; v = 0: none, there is an allowance
    deadline: uint256
    v: uint8
    r: bytes32
    s: bytes32

struct Input:               # job, attempt, listing and key complete it to the signed structure
    commitment: bytes32
    cohort: bytes32
    rows: uint256

struct Job:
    requester: address
    state: uint256
    attempt: uint256
    seats: uint256
    delivery: uint256
    purpose: uint256
    uses: uint256
    members: uint256
    lines: uint256            # frozen at open, without those of the seats
    joined: uint256
    readers: uint256
    until: uint256
    deadline: uint256
    opened: uint256
    answer: uint256
    grace: uint256
    boxBytes: uint256
    seatFee: uint256
    bond: uint256
    fee: uint256
    referee: address

struct Member:
    account: address
    uses: uint256            # bit i: brings the input of use i
    lock: uint256             # 0 nothing, 1 half a bond (brings data only), 2 a bond
    seat: uint256             # index + 1, 0 = none
    joined: uint256           # attempt
    out: uint256              # IN, PARTED, SILENT or CONVICTED

struct Signer:              # whose a session key is
    job: uint256
    attempt: uint256
    member: address
    seat: uint256             # index + 1, 0 = none
    uses: uint256

# --- storage: the first two slots are evidence -----------------------------------------------------------------------
# keccak256(abi.encode(job, state, attempt, order, session, keccak256(lines), transcript, output, timestamp)) of its end
fact: public(HashMap[uint256, bytes32])
useAt: public(HashMap[uint256, HashMap[uint256, uint256]])   # listing, k -> job of its k-th settled use, from 0

struct Sheet:               # a listing; its terms are in Listed, and an order brings them again
    head: uint256           # owner 160, version 32, kind 8
    thing: bytes32          # keccak256(abi.encode(kind, group, object)): what is listed never changes
    hash: bytes32           # keccak256(abi.encode(terms, version)), what an order names; 0 = delisted

listings: public(uint256)
jobs: public(uint256)
sheet: public(HashMap[uint256, Sheet])
programListing: public(HashMap[bytes32, uint256])
stance: public(HashMap[uint256, HashMap[address, uint256]])
budget: HashMap[uint256, uint256]                                    # spent 128, held 128
account: HashMap[uint256, HashMap[address, uint256]]                 # live jobs 32, spent 112, held 112
tally: HashMap[uint256, uint256]                                     # settled uses 64, earned 192
bond: HashMap[address, uint256]                                     # free 128, locked 128
owed: public(HashMap[address, uint256])
jobOf: public(HashMap[bytes32, uint256])                            # order hash -> job
offerUsed: HashMap[address, HashMap[uint256, bool]]
word: HashMap[uint256, uint256[4]]                                  # a job, packed: see _job
orderOf: public(HashMap[uint256, bytes32])
programOf: public(HashMap[uint256, bytes32])
use: public(HashMap[uint256, HashMap[uint256, uint256]])            # listing 32, grant 32, units 64, budget 64, rows 64
line: HashMap[uint256, HashMap[uint256, uint256]]                   # payee 160, amount 88, index 4, kind 4 (high to low)
member: public(HashMap[uint256, HashMap[uint256, uint256]])         # see _member
session: public(HashMap[uint256, HashMap[uint256, bytes32]])        # job, attempt
seatKey: public(HashMap[uint256, HashMap[uint256, HashMap[uint256, uint256]]])   # job, attempt, seat -> key 160, member 8
seatCoin: HashMap[uint256, HashMap[uint256, HashMap[uint256, bytes32]]]
inputHash: HashMap[uint256, HashMap[uint256, HashMap[uint256, bytes32]]]
commitment: public(HashMap[uint256, HashMap[uint256, HashMap[uint256, bytes32]]])   # job, attempt, use
keyOf: HashMap[address, uint256]                                    # job 128, attempt 8, member 8, seat 8, 1

# --- constants --------------------------------------------------------------------------------------------------------
CONSORTIUM: constant(address) = 0xe47E47E000000000000000000000000000000001
IDENTITY: constant(address) = 0xe47E47E000000000000000000000000000000002
CASH: constant(address) = 0xe47e47e000000000000000000000000000000003
GRANTS: constant(address) = 0xe47e47e000000000000000000000000000000005

SEATING: constant(uint256) = 2        # 1 is Drawing
RUNNING: constant(uint256) = 3
FAILING: constant(uint256) = 4
SETTLED: constant(uint256) = 5
REFUNDED: constant(uint256) = 6

ROLE_DATA: constant(uint256) = 4
ROLE_COMPUTE: constant(uint256) = 8
PROGRAM: constant(uint256) = 3        # kinds of listings and lines: 1 DATA, 2 MODEL, 3 PROGRAM, 4 LEVY, 5 SEAT
LEVY: constant(uint256) = 4
SEAT: constant(uint256) = 5
TRUSTED: constant(uint256) = 1        # stances: 0 neutral, 1 trusted, 2 avoided
PARTED: constant(uint256) = 1
SILENT: constant(uint256) = 2
CONVICTED: constant(uint256) = 3
MAXIMUM_OPEN: constant(uint256) = 4                 # live jobs of one requester on one listing
MAXIMUM_SPAN: constant(uint256) = 7 * 86400
LOW: constant(uint256) = 2**128 - 1
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
NAME: constant(bytes32) = keccak256("Entente Market")
VERSION: constant(bytes32) = keccak256("1")
USE_TYPE: constant(bytes32) = keccak256(
    "Use(uint64 listing,bytes32 terms,uint64 grant,uint64 units,uint64 budget,uint256 offerNonce)")
ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(address requester,bytes32 program,bytes32 plan,uint32 purpose,uint8 profile,Use[] uses,bytes32[] readers,uint8 delivery,uint32 boxBytes,uint16 publicWords,address callback,uint32 callbackGas,uint128 seatFee,uint128 bond,uint128 maximumFee,uint32 seatingSeconds,uint32 keepSeconds,uint64 deadline,uint256 nonce)Use(uint64 listing,bytes32 terms,uint64 grant,uint64 units,uint64 budget,uint256 offerNonce)")
OFFER_TYPE: constant(bytes32) = keccak256(
    "Offer(uint64 listing,bytes32 terms,address requester,bytes32 program,uint128 price,uint64 validUntil,uint256 nonce)")
INPUT_TYPE: constant(bytes32) = keccak256(
    "Input(uint256 job,uint8 attempt,uint64 listing,bytes32 commitment,address key,bytes32 cohort,uint64 rows)")
SEAT_TYPE: constant(bytes32) = keccak256(
    "Seat(uint256 job,uint8 attempt,uint8 index,address member,address key,bytes32 coin)")
SESSION_TYPE: constant(bytes32) = keccak256(
    "Session(uint256 job,uint8 attempt,bytes32 order,bytes32 inputs,bytes32 seats)")
OUTPUT_TYPE: constant(bytes32) = keccak256("Output(uint8 delivery,bytes32[] boxes,bytes32[] parts)")
CLAIM_TYPE: constant(bytes32) = keccak256("Claim(bytes32 session,uint8 kind,uint256 index,bytes32 content)")
ATTEST: constant(uint256) = 2

# Why a fee went back; a decline gives its own reason.
CANCELLED: constant(bytes32) = 0x0000000000000000000000000000000000000000000000000000000000000001
NOT_SEATED: constant(bytes32) = 0x0000000000000000000000000000000000000000000000000000000000000002
DEADLINE: constant(bytes32) = 0x0000000000000000000000000000000000000000000000000000000000000003
ATTEMPT_FAILED: constant(bytes32) = 0x0000000000000000000000000000000000000000000000000000000000000004

# Parameters and addresses of the Consortium, ASCII
INCLUSION: constant(bytes32) = 0x696e636c7573696f6e0000000000000000000000000000000000000000000000
GRACE: constant(bytes32) = 0x6772616365000000000000000000000000000000000000000000000000000000
ANSWER: constant(bytes32) = 0x616e737765720000000000000000000000000000000000000000000000000000
LEVY_RATE: constant(bytes32) = 0x6c65767900000000000000000000000000000000000000000000000000000000
REFEREE: constant(bytes32) = 0x7265666572656500000000000000000000000000000000000000000000000000
TREASURY: constant(bytes32) = 0x7472656173757279000000000000000000000000000000000000000000000000

# --- events -----------------------------------------------------------------------------------------------------------
event Listed:
    listing: indexed(uint256)
    owner: indexed(address)
    version: uint256
    hash: bytes32
    terms: Terms

event Delisted:
    listing: indexed(uint256)

event Stance:
    listing: indexed(uint256)
    member: indexed(address)
    stance: uint256

event Bond:
    member: indexed(address)
    free: uint256
    locked: uint256

event Opened:
    job: indexed(uint256)
    requester: indexed(address)
    program: indexed(bytes32)
    hash: bytes32
    fee: uint256
    deadline: uint256
    order: Order

event Joined:
    job: indexed(uint256)
    member: indexed(address)
    attempt: uint256
    key: address
    inputs: DynArray[Input, 4]
    seat: uint256             # index + 1, 0 = none
    coin: bytes32

event Ready:
    job: indexed(uint256)
    session: indexed(bytes32)
    attempt: uint256

event Paid:
    job: indexed(uint256)
    payee: indexed(address)
    listing: indexed(uint256)
    kind: uint256
    amount: uint256

event Settled:
    job: indexed(uint256)
    session: indexed(bytes32)
    transcript: bytes32
    output: bytes32

event Sealed:
    job: indexed(uint256)
    boxes: DynArray[Bytes[4096], 8]

event Refunded:
    job: indexed(uint256)
    requester: indexed(address)
    amount: uint256
    reason: bytes32

event Convicted:
    job: indexed(uint256)
    member: indexed(address)
    ground: uint256
    taken: uint256

event Parted:
    job: indexed(uint256)
    a: indexed(address)
    b: indexed(address)
    ground: uint256

event Silent:
    job: indexed(uint256)
    member: indexed(address)
    taken: uint256

event AttemptEnded:
    job: indexed(uint256)
    attempt: uint256
    next: uint256             # the state after it

event Owed:
    payee: indexed(address)
    amount: uint256

event Used:
    listing: indexed(uint256)
    requester: indexed(address)
    job: indexed(uint256)
    grant: uint256
    purpose: uint256
    program: bytes32
    rows: uint256
    units: uint256
    amount: uint256
    output: bytes32

# --- errors: facts with values ----------------------------------------------------------------------------------------
CLOSED: constant(uint256) = 1824562811            # Closed(uint256): state
TOO_EARLY: constant(uint256) = 708158244          # TooEarly(uint256): moment
TOO_LATE: constant(uint256) = 1763595906          # TooLate(uint256): moment
NOT_YOU: constant(uint256) = 2203517784           # NotYou(address): expected, 0 = nobody in particular
BAD_TERMS: constant(uint256) = 2378537249         # BadTerms()
TERMS_CHANGED: constant(uint256) = 3531823224     # TermsChanged(uint256): listing
NOT_OFFERED: constant(uint256) = 471757287        # NotOffered(uint256): listing: its terms exclude the order
BUDGET_SPENT: constant(uint256) = 305334078       # BudgetSpent(uint256): listing
BAD_PURPOSE: constant(uint256) = 2121735322       # BadPurpose()
PROGRAM_UNPAID: constant(uint256) = 1936585124    # ProgramUnpaid()
FEE_ABOVE: constant(uint256) = 4051812191         # FeeAbove(uint256): fee
BAD_SEAT: constant(uint256) = 4130990218          # BadSeat()
SEAT_CLAIMED: constant(uint256) = 2685300503      # SeatClaimed()
USED_KEY: constant(uint256) = 3594120076          # UsedKey()
USED_OFFER: constant(uint256) = 1318812438        # UsedOffer()
BAD_SIGNATURE: constant(uint256) = 2714333977     # BadSignature(uint256): index
BAD_INPUT: constant(uint256) = 2227173729         # BadInput(uint256): index
BAD_BOX: constant(uint256) = 471019255            # BadBox(uint256): index
BOND_TOO_SMALL: constant(uint256) = 1832468198    # BondTooSmall(uint256): free
TOO_MANY: constant(uint256) = 3085510154          # TooMany(uint256): maximum
NO_CASE: constant(uint256) = 3257817563           # NoCase(uint256): reason
NOT_SUPPORTED: constant(uint256) = 4057328496     # NotSupported(uint256): part: see the constants
DRAWN_SEATS: constant(uint256) = 1
BY_HASH: constant(uint256) = 2
PUBLIC_VALUE: constant(uint256) = 3
NOT_BOUND: constant(uint256) = 1

@internal
@pure
def _require(ok: bool, error: uint256, fact: uint256):
    if not ok:
        raw_revert(concat(convert(convert(error, uint32), bytes4), convert(fact, bytes32)))

@internal
@pure
def _check(ok: bool, error: uint256):
    if not ok:
        raw_revert(slice(convert(error << 224, bytes32), 0, 4))

# --- packed words -----------------------------------------------------------------------------------------------------
@internal
@pure
def _address(w: uint256) -> address:
    return convert(convert(w & (2**160 - 1), uint160), address)

@internal
@view
def _job(id: uint256) -> Job:
    w: uint256[4] = self.word[id]
    return Job(
        requester=self._address(w[0]), state=w[0] >> 160 & 255, attempt=w[0] >> 168 & 255, seats=w[0] >> 176 & 255,
        delivery=w[0] >> 184 & 255, purpose=w[0] >> 192 & 255, uses=w[0] >> 200 & 255, members=w[0] >> 208 & 255,
        lines=w[0] >> 216 & 255, joined=w[0] >> 224 & 255, readers=w[0] >> 232,
        until=w[1] & (2**48 - 1), deadline=w[1] >> 48 & (2**48 - 1), opened=w[1] >> 96 & (2**48 - 1),
        answer=w[1] >> 144 & (2**32 - 1), grace=w[1] >> 176 & (2**32 - 1), boxBytes=w[1] >> 208,
        seatFee=w[2] & LOW, bond=w[2] >> 128, fee=w[3] >> 160, referee=self._address(w[3]))

@internal
def _save(id: uint256, j: Job):
    """Writes what changes after `open`: the first two words."""
    self.word[id][0] = (convert(j.requester, uint256) | j.state << 160 | j.attempt << 168 | j.seats << 176 | j.delivery << 184
        | j.purpose << 192 | j.uses << 200 | j.members << 208 | j.lines << 216 | j.joined << 224 | j.readers << 232)
    self.word[id][1] = j.until | j.deadline << 48 | j.opened << 96 | j.answer << 144 | j.grace << 176 | j.boxBytes << 208

@internal
@view
def _member(id: uint256, k: uint256) -> Member:
    w: uint256 = self.member[id][k]
    return Member(account=self._address(w), uses=w >> 160 & 65535, lock=w >> 176 & 255, seat=w >> 184 & 255,
        joined=w >> 192 & 255, out=w >> 200)

@internal
def _saveMember(id: uint256, k: uint256, m: Member):
    self.member[id][k] = (convert(m.account, uint256) | m.uses << 160 | m.lock << 176 | m.seat << 184 | m.joined << 192
        | m.out << 200)

@internal
@view
def _find(id: uint256, j: Job, account: address) -> uint256:
    """The member's place in the job's table."""
    for k: uint256 in range(j.members, bound=16):
        if self._address(self.member[id][k]) == account:
            return k
    self._require(False, NOT_YOU, 0)
    return 0

@internal
@view
def _lines(id: uint256, j: Job) -> uint256[32]:
    """All j.lines + j.seats lines. What a convicted seat would have earned goes to the requester."""
    words: uint256[32] = empty(uint256[32])
    for k: uint256 in range(j.lines, bound=28):
        words[k] = self.line[id][k]
    for k: uint256 in range(j.members, bound=16):
        m: Member = self._member(id, k)
        if m.seat != 0:
            payee: address = j.requester if m.out == CONVICTED else m.account
            words[j.lines + m.seat - 1] = convert(payee, uint256) << 96 | j.seatFee << 8 | (m.seat - 1) << 4 | SEAT
    return words

# --- signatures -------------------------------------------------------------------------------------------------------
@internal
@view
def _digest(structHash: bytes32) -> bytes32:
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, self))
    return keccak256(concat(0x1901, domain, structHash))

@internal
@view
def _signer(structHash: bytes32, signature: Bytes[65]) -> address:
    """Who signed, zero if nobody did: 65 bytes, low s, v 27 or 28."""
    if len(signature) != 65:
        return empty(address)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if s > HALF_ORDER or v < 27 or v > 28:
        return empty(address)
    return ecrecover(self._digest(structHash), v, extract32(signature, 0, output_type=uint256), s)

@internal
@pure
def _hashOf(hashes: bytes32[16], count: uint256) -> bytes32:
    """EIP-712 of an array: the hash of its elements' concatenation."""
    return keccak256(slice(abi_encode(hashes), 0, 32 * count))

@internal
@view
def _seatHash(id: uint256, attempt: uint256, index: uint256, account: address, key: address, coin: bytes32) -> bytes32:
    return keccak256(abi_encode(SEAT_TYPE, id, attempt, index, account, key, coin))

# --- money ------------------------------------------------------------------------------------------------------------
@internal
@pure
def _split(total: uint256, payees: uint256[4]) -> uint256[4]:
    """By weight, largest remainder: the sum is exact, ties go to the lower index."""
    whole: uint256 = 0
    for i: uint256 in range(4):
        whole += payees[i] & (2**96 - 1)
    shares: uint256[4] = empty(uint256[4])
    rest: uint256[4] = empty(uint256[4])
    left: uint256 = total
    for i: uint256 in range(4):
        quota: uint256 = total * (payees[i] & (2**96 - 1))
        shares[i] = quota // whole
        rest[i] = quota % whole
        left -= shares[i]
    for unit: uint256 in range(left, bound=3):
        best: uint256 = 0
        for i: uint256 in range(4):
            if rest[i] > rest[best]:
                best = i
        shares[best] += 1
        rest[best] = 0
    return shares

@internal
def _pull(payer: address, amount: uint256):
    assert extcall ICash(CASH).transferFrom(payer, self, amount)

@internal
def _give(payee: address, amount: uint256):
    assert extcall ICash(CASH).transfer(payee, amount)

@internal
def _pay(payee: address, amount: uint256):
    """Nobody can stop it: what cannot be paid now is owed."""
    if amount == 0:
        return
    done: bool = False
    answer: Bytes[32] = b""
    done, answer = raw_call(CASH, abi_encode(payee, amount, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32, revert_on_failure=False)
    if not done or len(answer) != 32 or convert(answer, uint256) != 1:
        self.owed[payee] += amount
        log Owed(payee=payee, amount=amount)

@internal
def _setBond(account: address, w: uint256):
    self.bond[account] = w
    log Bond(member=account, free=w & LOW, locked=w >> 128)

@internal
def _lock(account: address, amount: uint256):
    w: uint256 = self.bond[account]
    self._require(w & LOW >= amount, BOND_TOO_SMALL, w & LOW)
    self._setBond(account, w - amount + (amount << 128))

@internal
def _unlock(account: address, amount: uint256, taken: uint256):
    self._setBond(account, self.bond[account] + amount - taken - (amount << 128))

@internal
@pure
def _lockOf(j: Job, m: Member) -> uint256:
    return j.bond if m.lock == 2 else j.bond // 2 if m.lock == 1 else 0

# --- listings and bonds -----------------------------------------------------------------------------------------------
@internal
@view
def _mine(id: uint256) -> uint256:
    head: uint256 = self.sheet[id].head
    self._require(self._address(head) == msg.sender, NOT_YOU, head & (2**160 - 1))
    return head

@external
@nonreentrant
def list(id: uint256, terms: Terms) -> uint256:
    """
    Lists (id 0) or revises; later orders meet the new terms. What is listed stays the same. A program belongs to who lists
    its hash first; data and models are listed by members with the DATA role.
    """
    ok: bool = 0 < terms.kind and terms.kind <= PROGRAM and (terms.profile == 3 or terms.profile == 4) and terms.payees[0] != 0
    for payee: uint256 in terms.payees:
        used: bool = payee >> 96 != 0 and payee >> 96 != convert(self, uint256) and payee & (2**96 - 1) < 2**32
        ok = ok and (payee == 0 or used and payee & (2**96 - 1) != 0)
    listing: uint256 = id
    version: uint256 = 1
    thing: bytes32 = keccak256(abi_encode(terms.kind, terms.group, terms.object))
    if id != 0:
        version += self._mine(id) >> 160 & (2**32 - 1)
        ok = ok and self.sheet[id].hash != empty(bytes32) and self.sheet[id].thing == thing
    else:
        self.listings += 1
        listing = self.listings
        self.sheet[listing].thing = thing
        if terms.kind == PROGRAM:
            ok = ok and self.sheet[self.programListing[terms.object]].hash == empty(bytes32)
            self.programListing[terms.object] = listing
        else:
            self._require(staticcall IConsortium(CONSORTIUM).has(msg.sender, ROLE_DATA), NOT_YOU, 0)
    self._check(ok, BAD_TERMS)
    hash: bytes32 = keccak256(abi_encode(terms, version))
    self.sheet[listing].head = convert(msg.sender, uint256) | version << 160 | terms.kind << 192
    self.sheet[listing].hash = hash
    log Listed(listing=listing, owner=msg.sender, version=version, hash=hash, terms=terms)
    return listing

@external
@nonreentrant
def delist(id: uint256):
    self._mine(id)
    self.sheet[id].hash = empty(bytes32)
    log Delisted(listing=id)

@external
@nonreentrant
def setStance(id: uint256, account: address, stance: uint256):
    """0 neutral, 1 trusted to claim a seat beside this listing's owner, 2 avoided."""
    self._mine(id)
    self._check(stance <= 2, BAD_TERMS)
    self.stance[id][account] = stance
    log Stance(listing=id, member=account, stance=stance)

@external
@nonreentrant
def postBond(amount: uint256):
    w: uint256 = self.bond[msg.sender] + amount
    self._require(amount < 2**96, TOO_MANY, 2**96 - 1)
    self._setBond(msg.sender, w)
    self._pull(msg.sender, amount)

@external
@nonreentrant
def takeBond(amount: uint256):
    w: uint256 = self.bond[msg.sender]
    self._require(w & LOW >= amount, BOND_TOO_SMALL, w & LOW)
    self._setBond(msg.sender, w - amount)
    self._give(msg.sender, amount)

@external
@nonreentrant
def collect(payee: address):
    """Pays what an earlier transfer could not."""
    amount: uint256 = self.owed[payee]
    self.owed[payee] = 0
    self._give(payee, amount)

# --- open: everything is frozen here ----------------------------------------------------------------------------------
@internal
@view
def _parameter(name: bytes32, ordinary: uint256) -> uint256:
    value: uint256 = staticcall IConsortium(CONSORTIUM).param(name)
    return ordinary if value == 0 else value

@internal
@view
def _read(order: Order) -> (bytes32, Job):
    """hashStruct(order), and the job it makes: checks all that it fixes by itself. Windows are multiples of inclusion."""
    uses: bytes32[16] = empty(bytes32[16])
    for i: uint256 in range(len(order.uses), bound=16):
        uses[i] = keccak256(abi_encode(USE_TYPE, order.uses[i]))
    readers: bytes32[16] = empty(bytes32[16])
    for i: uint256 in range(len(order.readers), bound=4):
        readers[i] = order.readers[i]
    hash: bytes32 = keccak256(abi_encode(
        ORDER_TYPE, order.requester, order.program, order.plan, order.purpose, order.profile,
        self._hashOf(uses, len(order.uses)), self._hashOf(readers, len(order.readers)), order.delivery, order.boxBytes,
        order.publicWords, order.callback, order.callbackGas, order.seatFee, order.bond, order.maximumFee,
        order.seatingSeconds, order.keepSeconds, order.deadline, order.nonce))
    n: uint256 = order.profile
    boxes: uint256 = n * len(order.readers)
    self._check(n == 3 or n == 4, BAD_SEAT)
    self._check(order.purpose > 0 and order.purpose < 64 and order.purpose & (order.purpose - 1) == 0, BAD_PURPOSE)
    self._require(order.delivery == 0, NOT_SUPPORTED, BY_HASH)
    self._require(order.publicWords == 0 and order.callback == empty(address), NOT_SUPPORTED, PUBLIC_VALUE)
    self._require(0 < boxes and boxes <= 8 and 0 < order.boxBytes and order.boxBytes <= 4096, BAD_BOX, boxes)
    self._require(max(order.bond, max(order.seatFee, order.maximumFee)) < 2**88, TOO_MANY, 2**88 - 1)
    inclusion: uint256 = self._parameter(INCLUSION, 10)
    grace: uint256 = inclusion * self._parameter(GRACE, 3)
    answer: uint256 = inclusion * self._parameter(ANSWER, 3)
    until: uint256 = block.timestamp + order.seatingSeconds
    moment: uint256 = block.timestamp + 3 * inclusion
    self._require(until >= moment, TOO_EARLY, moment)
    moment = until + 2 * max(grace, answer)
    self._require(order.deadline >= moment, TOO_EARLY, moment)
    moment = block.timestamp + MAXIMUM_SPAN
    self._require(order.deadline <= moment, TOO_LATE, moment)
    referee: address = staticcall IConsortium(CONSORTIUM).directory(REFEREE)
    self._check(referee.is_contract, BAD_TERMS)
    return hash, Job(
        requester=order.requester, state=SEATING, attempt=1, seats=n, delivery=0, purpose=order.purpose, uses=len(order.uses),
        members=0, lines=0, joined=0, readers=len(order.readers), until=until, deadline=order.deadline,
        opened=block.timestamp, answer=answer, grace=grace, boxBytes=order.boxBytes,
        seatFee=order.seatFee, bond=order.bond, fee=0, referee=referee)

@internal
def _price(requester: address, program: bytes32, use: Use, owner: address, terms: Terms, quote: Quote) -> uint256:
    """Of one use: the listed price, or that of the owner's signed offer."""
    if use.offerNonce == 0:
        return terms.flat + terms.perUnit * use.units
    offer: bytes32 = keccak256(abi_encode(
        OFFER_TYPE, use.listing, use.terms, requester, program, quote.price, quote.validUntil, use.offerNonce))
    self._require(self._signer(offer, quote.signature) == owner, BAD_SIGNATURE, use.listing)
    self._require(block.timestamp < quote.validUntil, TOO_LATE, quote.validUntil)
    self._check(not self.offerUsed[owner][use.offerNonce], USED_OFFER)
    self.offerUsed[owner][use.offerNonce] = True
    return quote.price

@internal
def _holdBudget(listing: uint256, requester: address, budget: uint256, terms: Terms):
    """Counts the live job and holds its privacy budget, over everybody and for this account: spent + held <= cap."""
    w: uint256 = self.account[listing][requester]
    self._require(w & (2**32 - 1) < MAXIMUM_OPEN, TOO_MANY, MAXIMUM_OPEN)
    self.account[listing][requester] = w + 1 + (budget << 144)
    if budget > 0:
        total: uint256 = self.budget[listing]
        self.budget[listing] = total + (budget << 128)
        fits: bool = terms.cap == 0 or (total & LOW) + (total >> 128) + budget <= terms.cap
        w = (w >> 32 & (2**112 - 1)) + (w >> 144) + budget
        self._require(fits and (terms.accountCap == 0 or w <= terms.accountCap), BUDGET_SPENT, listing)

@internal
def _freezeUse(id: uint256, index: uint256, j: Job, program: bytes32, use: Use, terms: Terms, quote: Quote) -> (uint256, uint256, address):
    """Writes one use and its lines; returns the number of lines then, the price and the owner."""
    listing: uint256 = use.listing
    head: uint256 = self.sheet[listing].head
    owner: address = self._address(head)
    hash: bytes32 = keccak256(abi_encode(terms, head >> 160 & (2**32 - 1)))
    self._require(self.sheet[listing].hash == use.terms and use.terms == hash, TERMS_CHANGED, listing)
    fits: bool = j.seats >= terms.profile and use.units <= terms.maximumUnits
    fits = fits and (terms.program == empty(bytes32) or terms.program == program)
    if fits and terms.requesterTopic != empty(bytes32):
        fits = staticcall IIdentity(IDENTITY).holds(j.requester, terms.requesterTopic)
    self._require(fits, NOT_OFFERED, listing)
    self._holdBudget(listing, j.requester, use.budget, terms)
    price: uint256 = self._price(j.requester, program, use, owner, terms, quote)
    self._require(use.grant < 2**32 and use.units < 2**64 and use.budget < 2**64 and price < 2**88, TOO_MANY, 2**88 - 1)
    self.use[id][index] = (listing | use.grant << 32 | use.units << 64
        | use.budget << 128)
    shares: uint256[4] = self._split(price, terms.payees)
    next: uint256 = j.lines
    for i: uint256 in range(4):
        if shares[i] > 0:
            self.line[id][next] = (terms.payees[i] >> 96) << 96 | shares[i] << 8 | index << 4 | terms.kind
            next += 1
    return next, price, owner

@internal
@view
def _admit(account: address, owners: address[16], listings: uint256[16], topics: bytes32[16]):
    """An owner claims a seat if it may compute and every other owner's listing trusts it."""
    self._check(staticcall IConsortium(CONSORTIUM).has(account, ROLE_COMPUTE), BAD_SEAT)
    for i: uint256 in range(16):
        if owners[i] != empty(address):
            self._check(owners[i] == account or self.stance[listings[i]][account] == TRUSTED, SEAT_CLAIMED)
            if topics[i] != empty(bytes32):
                self._check(staticcall IIdentity(IDENTITY).holds(account, topics[i]), BAD_SEAT)

@internal
def _freezeMembers(id: uint256, n: uint256, owners: address[16], claims: bool[16], listings: uint256[16], topics: bytes32[16]) -> uint256:
    """
    Owners of data and models (of programs: zero), in the order of their first use. All seats must be claimed by them.
    """
    members: Member[16] = empty(Member[16])
    count: uint256 = 0
    seats: uint256 = 0
    for i: uint256 in range(16):
        for other: uint256 in range(i, bound=16):
            self._require(listings[i] == 0 or listings[other] != listings[i], TOO_MANY, 1)
        if owners[i] == empty(address):
            continue
        k: uint256 = 0
        for other: uint256 in range(16):
            if k == count or members[k].account == owners[i]:
                break
            k += 1
        members[k].account = owners[i]
        count = max(count, k + 1)
        members[k].uses |= 1 << i
        members[k].joined += 1      # for now: inputs
        self._require(members[k].joined <= 4, TOO_MANY, 4)
        if claims[i] and members[k].seat == 0:
            seats += 1
            members[k].seat = seats
            self._check(seats <= n, SEAT_CLAIMED)
            self._admit(owners[i], owners, listings, topics)
    self._require(seats == n, NOT_SUPPORTED, DRAWN_SEATS)
    for k: uint256 in range(count, bound=16):
        members[k].joined = 0
        self._saveMember(id, k, members[k])
    return count

@external
@nonreentrant
def open(order: Order, terms: DynArray[Terms, 16], quotes: DynArray[Quote, 16], signature: Bytes[65], permit: Permit) -> uint256:
    """
    Freezes the order, holds its grants and pulls its fee. `terms` are those that the uses name; `quotes` belong to the uses
    with an offer, in their order. Sent by the requester, or by anyone with its signature.
    """
    hash: bytes32 = empty(bytes32)
    j: Job = empty(Job)
    hash, j = self._read(order)
    self._require(self.jobOf[hash] == 0, CLOSED, 0)
    sent: bool = msg.sender == order.requester or self._signer(hash, signature) == order.requester
    self._require(sent and order.requester != empty(address), BAD_SIGNATURE, 0)
    self.jobs += 1
    id: uint256 = self.jobs
    self.jobOf[hash] = id
    self.orderOf[id] = hash
    self.programOf[id] = order.program
    program: uint256 = self.programListing[order.program]
    paid: bool = self.sheet[program].hash == empty(bytes32)
    holds: DynArray[IGrants.Hold, 16] = []
    quoted: uint256 = 0
    owners: address[16] = empty(address[16])
    claims: bool[16] = empty(bool[16])
    listings: uint256[16] = empty(uint256[16])
    topics: bytes32[16] = empty(bytes32[16])
    for i: uint256 in range(j.uses, bound=16):
        quote: Quote = empty(Quote)
        if order.uses[i].offerNonce != 0:
            quote = quotes[quoted]
            quoted += 1
        price: uint256 = 0
        owner: address = empty(address)
        j.lines, price, owner = self._freezeUse(id, i, j, order.program, order.uses[i], terms[i], quote)
        j.fee += price
        holds.append(IGrants.Hold(
            listing=order.uses[i].listing, owner=owner, group=terms[i].group, object=terms[i].object, grant=order.uses[i].grant))
        listings[i] = order.uses[i].listing
        paid = paid or listings[i] == program
        if terms[i].kind != PROGRAM:
            owners[i] = owner
            claims[i] = terms[i].claimsSeat
            topics[i] = terms[i].seatTopic
    self._check(paid, PROGRAM_UNPAID)
    j.members = self._freezeMembers(id, j.seats, owners, claims, listings, topics)
    treasury: address = staticcall IConsortium(CONSORTIUM).directory(TREASURY)
    levy: uint256 = j.fee * staticcall IConsortium(CONSORTIUM).param(LEVY_RATE) // 10000
    if levy > 0 and treasury != empty(address) and treasury != self:
        self.line[id][j.lines] = convert(treasury, uint256) << 96 | levy << 8 | LEVY
        j.lines += 1
        j.fee += levy
    self._require(j.lines <= 28, TOO_MANY, 28)
    j.fee += j.seats * j.seatFee
    self._require(j.fee <= order.maximumFee, FEE_ABOVE, j.fee)
    self._save(id, j)
    self.word[id][2] = j.seatFee | j.bond << 128
    self.word[id][3] = convert(j.referee, uint256) | j.fee << 160
    log Opened(job=id, requester=order.requester, program=order.program, hash=hash, fee=j.fee, deadline=j.deadline, order=order)
    extcall IGrants(GRANTS).hold(id, order.requester, order.purpose, order.program, holds)
    if permit.v != 0:       # whoever used it before has left the allowance
        done: bool = raw_call(CASH, abi_encode(
            order.requester, self, order.maximumFee, permit.deadline, permit.v, permit.r, permit.s,
            method_id=method_id("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)")), revert_on_failure=False)
    self._pull(order.requester, j.fee)
    return id

# --- seating ----------------------------------------------------------------------------------------------------------
@internal
def _bindInput(id: uint256, j: Job, index: uint256, place: uint256, key: address, input: Input, signature: Bytes[65]):
    self._require(input.commitment != empty(bytes32) and input.rows > 0 and input.rows < 2**64, BAD_INPUT, place)
    w: uint256 = self.use[id][index]
    grant: uint256 = w >> 32 & (2**32 - 1)
    if grant != 0:          # withdrawn consent acts until the owner has joined
        self._require(staticcall IGrants(GRANTS).isLive(grant), BAD_INPUT, place)
    hash: bytes32 = keccak256(abi_encode(
        INPUT_TYPE, id, j.attempt, w & (2**32 - 1), input.commitment, key, input.cohort, input.rows))
    self._require(self._signer(hash, signature) == key, BAD_SIGNATURE, place)
    self.inputHash[id][j.attempt][index] = hash
    self.commitment[id][j.attempt][index] = input.commitment
    self.use[id][index] = w & (2**192 - 1) | input.rows << 192

@internal
def _start(id: uint256, j: Job):
    """All have joined: fixes the session. It binds chain, market, job, committee, keys, order and every input."""
    inputs: bytes32[16] = empty(bytes32[16])
    count: uint256 = 0
    for i: uint256 in range(j.uses, bound=16):
        hash: bytes32 = self.inputHash[id][j.attempt][i]
        if hash != empty(bytes32):
            inputs[count] = hash
            count += 1
    seats: bytes32[16] = empty(bytes32[16])
    for i: uint256 in range(j.seats, bound=4):
        w: uint256 = self.seatKey[id][j.attempt][i]
        seats[i] = self._seatHash(id, j.attempt, i, self._address(self.member[id][w >> 160]), self._address(w),
            self.seatCoin[id][j.attempt][i])
    session: bytes32 = self._digest(keccak256(abi_encode(
        SESSION_TYPE, id, j.attempt, self.orderOf[id], self._hashOf(inputs, count), self._hashOf(seats, j.seats))))
    self.session[id][j.attempt] = session
    log Ready(job=id, session=session, attempt=j.attempt)

@external
@nonreentrant
def join(id: uint256, attempt: uint256, key: address, inputs: DynArray[Input, 4], coin: bytes32, signatures: DynArray[Bytes[65], 5]):
    """
    Binds all inputs the caller owes, in the order of their uses, and takes its seat. `key` is new, serves this attempt
    only, and has signed each Input and then the Seat.
    """
    j: Job = self._job(id)
    self._require(j.state == SEATING and attempt == j.attempt, CLOSED, j.state)
    self._require(block.timestamp < j.until, TOO_LATE, j.until)
    k: uint256 = self._find(id, j, msg.sender)
    m: Member = self._member(id, k)
    self._require(m.joined != j.attempt, CLOSED, j.state)
    self._check(key != empty(address) and self.keyOf[key] == 0, USED_KEY)
    self.keyOf[key] = 1 | m.seat << 8 | k << 16 | j.attempt << 24 | id << 32
    place: uint256 = 0
    for i: uint256 in range(j.uses, bound=16):
        if m.uses >> i & 1 == 1:
            self._require(place < len(inputs) and place < len(signatures), BAD_INPUT, place)
            self._bindInput(id, j, i, place, key, inputs[place], signatures[place])
            place += 1
    self._require(place == len(inputs), BAD_INPUT, place)
    if m.seat != 0:
        self._require(place < len(signatures), BAD_SIGNATURE, place)
        hash: bytes32 = self._seatHash(id, j.attempt, m.seat - 1, msg.sender, key, coin)
        self._require(self._signer(hash, signatures[place]) == key, BAD_SIGNATURE, place)
        self.seatKey[id][j.attempt][m.seat - 1] = convert(key, uint256) | k << 160
        self.seatCoin[id][j.attempt][m.seat - 1] = coin
    m.lock = 2 if m.seat != 0 else 1
    m.joined = j.attempt
    self._lock(msg.sender, self._lockOf(j, m))
    self._saveMember(id, k, m)
    log Joined(job=id, member=msg.sender, attempt=attempt, key=key, inputs=inputs, seat=m.seat, coin=coin)
    j.joined += 1
    if j.joined == j.members:
        j.state = RUNNING
        self._start(id, j)
    self._save(id, j)

@external
@nonreentrant
def decline(id: uint256, reason: bytes32):
    """An owner that has not joined refuses: nobody is charged."""
    j: Job = self._job(id)
    self._require(j.state == SEATING, CLOSED, j.state)
    k: uint256 = self._find(id, j, msg.sender)
    self._require(self._member(id, k).joined == 0, CLOSED, j.state)
    self._refund(id, j, reason)

@external
@nonreentrant
def cancel(id: uint256):
    """The requester withdraws while nobody has joined."""
    j: Job = self._job(id)
    self._require(msg.sender == j.requester, NOT_YOU, convert(j.requester, uint256))
    self._require(j.state == SEATING and j.joined == 0, CLOSED, j.state)
    self._refund(id, j, CANCELLED)

# --- the two ends -----------------------------------------------------------------------------------------------------
@internal
@pure
def _lastMoment(j: Job) -> uint256:
    """Settlement before it, refund from it on; never later than the deadline."""
    return j.deadline if j.state == RUNNING else min(j.until, j.deadline)

@internal
def _finish(id: uint256, j: Job, session: bytes32, transcript: bytes32, output: bytes32, lines: uint256[32]):
    """Both ends: state, fact, bonds and privacy budgets. j.state is the end."""
    self._save(id, j)
    lineHash: bytes32 = keccak256(slice(abi_encode(lines), 0, 32 * (j.lines + j.seats)))
    self.fact[id] = keccak256(abi_encode(
        id, j.state, j.attempt, self.orderOf[id], session, lineHash, transcript, output, block.timestamp))
    for k: uint256 in range(j.members, bound=16):
        m: Member = self._member(id, k)
        if m.lock != 0:
            self._unlock(m.account, self._lockOf(j, m), 0)
            m.lock = 0
            self._saveMember(id, k, m)
    for i: uint256 in range(j.uses, bound=16):
        w: uint256 = self.use[id][i]
        listing: uint256 = w & (2**32 - 1)
        budget: uint256 = w >> 128 & (2**64 - 1)
        spent: uint256 = budget if j.state == SETTLED else 0
        self.account[listing][j.requester] = self.account[listing][j.requester] - 1 - (budget << 144) + (spent << 32)
        if budget != 0:
            self.budget[listing] = self.budget[listing] - (budget << 128) + spent

@internal
def _refund(id: uint256, job: Job, reason: bytes32):
    j: Job = job
    j.state = REFUNDED
    self._finish(id, j, self.session[id][j.attempt], empty(bytes32), empty(bytes32), self._lines(id, j))
    log Refunded(job=id, requester=j.requester, amount=j.fee, reason=reason)
    extcall IGrants(GRANTS).free(id)
    self._pay(j.requester, j.fee)

@internal
def _account(id: uint256, j: Job, output: bytes32, amounts: uint256[16]):
    """The ledger of uses: one entry a listing, provable by useAt."""
    program: bytes32 = self.programOf[id]
    for i: uint256 in range(j.uses, bound=16):
        w: uint256 = self.use[id][i]
        listing: uint256 = w & (2**32 - 1)
        tally: uint256 = self.tally[listing]
        self.useAt[listing][tally & (2**64 - 1)] = id
        self.tally[listing] = tally + 1 + (amounts[i] << 64)
        log Used(
            listing=listing, requester=j.requester, job=id, grant=w >> 32 & (2**32 - 1),
            purpose=j.purpose, program=program, rows=w >> 192,
            units=w >> 64 & (2**64 - 1), amount=amounts[i], output=output)

@external
@nonreentrant
def settle(id: uint256, attempt: uint256, transcript: bytes32, boxes: DynArray[Bytes[4096], 8], signatures: DynArray[Bytes[65], 4]):
    """
    Pays every line in the transaction that carries the result. By anyone with the ATTEST signature of each seat, in the
    order of seats, over one transcript and these very boxes.
    """
    j: Job = self._job(id)
    self._require((j.state == RUNNING or j.state == FAILING) and attempt == j.attempt, CLOSED, j.state)
    self._require(block.timestamp < self._lastMoment(j), TOO_LATE, self._lastMoment(j))
    session: bytes32 = self.session[id][j.attempt]
    self._require(len(boxes) == j.seats * j.readers, BAD_BOX, len(boxes))
    hashes: bytes32[16] = empty(bytes32[16])        # one box for each component and reader, reader-major
    for i: uint256 in range(len(boxes), bound=8):
        self._require(0 < len(boxes[i]) and len(boxes[i]) <= j.boxBytes, BAD_BOX, i)
        hashes[i] = keccak256(boxes[i])
    output: bytes32 = keccak256(abi_encode(OUTPUT_TYPE, j.delivery, self._hashOf(hashes, len(boxes)), keccak256("")))
    claim: bytes32 = keccak256(abi_encode(
        CLAIM_TYPE, session, ATTEST, empty(uint256), keccak256(abi_encode(transcript, output))))
    self._require(len(signatures) == j.seats, BAD_SIGNATURE, len(signatures))
    for i: uint256 in range(j.seats, bound=4):
        key: address = self._address(self.seatKey[id][j.attempt][i])
        self._require(self._signer(claim, signatures[i]) == key, BAD_SIGNATURE, i)
    lines: uint256[32] = self._lines(id, j)
    j.state = SETTLED
    self._finish(id, j, session, transcript, output, lines)
    amounts: uint256[16] = empty(uint256[16])
    for k: uint256 in range(j.lines, bound=28):
        if lines[k] & 15 <= PROGRAM:
            amounts[lines[k] >> 4 & 15] += lines[k] >> 8 & (2**88 - 1)
    self._account(id, j, output, amounts)
    extcall IGrants(GRANTS).spend(id, output)
    for k: uint256 in range(j.lines + j.seats, bound=32):
        kind: uint256 = lines[k] & 15
        listing: uint256 = self.use[id][lines[k] >> 4 & 15] & (2**32 - 1) if kind <= PROGRAM else 0
        payee: address = self._address(lines[k] >> 96)
        amount: uint256 = lines[k] >> 8 & (2**88 - 1)
        self._pay(payee, amount)
        log Paid(job=id, payee=payee, listing=listing, kind=kind, amount=amount)
    log Settled(job=id, session=session, transcript=transcript, output=output)
    log Sealed(job=id, boxes=boxes)

@external
@nonreentrant
def advance(id: uint256):
    """The one step that the clock allows: a silence that is due, else the refund. From the deadline on, two end any job."""
    j: Job = self._job(id)
    if j.state == RUNNING:
        due: bool = False
        who: address = empty(address)
        due, who = staticcall IReferee(j.referee).due(id)
        if due:
            self._silence(id, j, self._find(id, j, who))
            return
    self._require(j.state >= SEATING and j.state <= FAILING, CLOSED, j.state)
    moment: uint256 = self._lastMoment(j)
    self._require(block.timestamp >= moment, TOO_EARLY, moment)
    self._refund(id, j, NOT_SEATED if j.state == SEATING else DEADLINE if j.state == RUNNING else ATTEMPT_FAILED)

# --- verdicts ---------------------------------------------------------------------------------------------------------
@internal
def _endAttempt(id: uint256, job: Job):
    """
    Every seat is claimed by an owner, so no other can be drawn: the job fails. What all had attested still settles within
    the grace.
    """
    j: Job = job
    j.state = FAILING
    j.until = block.timestamp + j.grace
    self._save(id, j)
    log AttemptEnded(job=id, attempt=j.attempt, next=FAILING)

@internal
def _penalise(id: uint256, j: Job, k: uint256, amount: uint256, out: uint256):
    """
    Ends the member's roles and shares `amount` of its bond equally among all others bound in the job and the requester,
    the first getting the remainder. The rest of its lock is free again.
    """
    heirs: DynArray[address, 17] = []
    culprit: Member = self._member(id, k)
    for i: uint256 in range(j.members, bound=16):
        m: Member = self._member(id, i)
        if i != k and m.lock != 0 and m.account != j.requester:
            heirs.append(m.account)
    if j.requester != culprit.account:
        heirs.append(j.requester)
    if len(heirs) == 0:
        heirs.append(CONSORTIUM)
    self._unlock(culprit.account, self._lockOf(j, culprit), amount)
    culprit.lock = 0
    culprit.out = out
    self._saveMember(id, k, culprit)
    for i: uint256 in range(len(heirs), bound=17):
        self._pay(heirs[i], amount // len(heirs) + (1 if i < amount % len(heirs) else 0))

@internal
def _silence(id: uint256, j: Job, k: uint256):
    amount: uint256 = j.bond // 5
    log Silent(job=id, member=self._address(self.member[id][k]), taken=amount)
    self._endAttempt(id, j)
    self._penalise(id, j, k, amount, SILENT)

@external
@nonreentrant
def leave(id: uint256, attempt: uint256):
    """A seat that cannot go on says so, and pays for silence."""
    j: Job = self._job(id)
    self._require(j.state == RUNNING and attempt == j.attempt, CLOSED, j.state)
    k: uint256 = self._find(id, j, msg.sender)
    self._check(self._member(id, k).seat != 0, BAD_SEAT)
    self._silence(id, j, k)

@internal
@view
def _judge(j: Job, attempt: uint256):
    """A job that its own Referee may give a verdict on."""
    self._require(msg.sender == j.referee, NOT_YOU, convert(j.referee, uint256))
    self._require((j.state == RUNNING or j.state == FAILING) and attempt == j.attempt, CLOSED, j.state)

@external
@nonreentrant
def convict(id: uint256, attempt: uint256, who: address, ground: uint256):
    """One culprit, proved without any assumption about the others: its whole lock is shared."""
    j: Job = self._job(id)
    self._judge(j, attempt)
    k: uint256 = self._find(id, j, who)
    m: Member = self._member(id, k)
    self._require(m.lock != 0, NO_CASE, NOT_BOUND)
    amount: uint256 = self._lockOf(j, m)
    log Convicted(job=id, member=who, ground=ground, taken=amount)
    if j.state == RUNNING:
        self._endAttempt(id, j)
    self._penalise(id, j, k, amount, CONVICTED)

@external
@nonreentrant
def part(id: uint256, attempt: uint256, a: address, b: address, ground: uint256):
    """Two seats of which one deviated, nobody can tell which. No money moves; the Referee keeps the edge."""
    j: Job = self._job(id)
    self._judge(j, attempt)
    self._require(j.state == RUNNING, CLOSED, j.state)
    for account: address in [a, b]:
        k: uint256 = self._find(id, j, account)
        m: Member = self._member(id, k)
        m.out = PARTED
        self._saveMember(id, k, m)
    log Parted(job=id, a=a, b=b, ground=ground)
    self._endAttempt(id, j)

# --- views ------------------------------------------------------------------------------------------------------------
@external
@view
def job(id: uint256) -> uint256[4]:
    """Packed as `_job` reads it; all zero if there is none."""
    return self.word[id]

@external
@view
def lastMoment(id: uint256) -> uint256:
    return self._lastMoment(self._job(id))

@external
@view
def lines(id: uint256) -> uint256[32]:
    """payee 160, amount 88, index of use or seat 4, kind 4, from high to low; zero after the last. Their sum is the fee."""
    return self._lines(id, self._job(id))

@external
@view
def signer(key: address) -> Signer:
    """Whose session key this is or was; job 0 if nobody's."""
    w: uint256 = self.keyOf[key]
    m: Member = self._member(w >> 32, w >> 16 & 255)
    return Signer(job=w >> 32, attempt=w >> 24 & 255, member=m.account, seat=w >> 8 & 255, uses=m.uses)

@external
@view
def memberOf(id: uint256, account: address) -> Member:
    """A member's roles in a job; NotYou(0) if it has none."""
    return self._member(id, self._find(id, self._job(id), account))

@external
@view
def bonds(account: address) -> (uint256, uint256):
    """Free and locked."""
    return self.bond[account] & LOW, self.bond[account] >> 128

@external
@view
def used(listing: uint256) -> (uint256, uint256):
    """Settled uses, and what they earned."""
    return self.tally[listing] & (2**64 - 1), self.tally[listing] >> 64

@external
@view
def budgets(listing: uint256, requester: address) -> (uint256, uint256, uint256, uint256, uint256):
    """Spent and held over everybody, spent and held by this account, and its live jobs."""
    w: uint256 = self.account[listing][requester]
    return self.budget[listing] & LOW, self.budget[listing] >> 128, w >> 32 & (2**112 - 1), w >> 144, w & (2**32 - 1)
