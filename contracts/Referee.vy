# pragma version 0.4.3
# pragma evm-version prague
# pragma optimize codesize
"""
Referee: judges what members signed in a session and gives Market one of three verdicts: convict, part, silent.

Source: reference/job-protocol.md §4, §7; reference/r4.md §12. Proofs come from anyone, bind one session of one job, and are
judged by claims alone: no money is here, nothing moves a deadline. A conviction needs one key twice on one slot, or a claim
against its own commitment; a pair needs two claims of which one must be a lie; silence needs a complaint that was due and an
answer that never came.

Deviations: edges and suspensions are kept here, not in Market, for its size. A complaint of ATTEST or BOX brings the claims
of the other seats that owe the same: only they show that it is due, and no PROGRESS answers it. COIN is left out with the
joint coins that it is for. Invariants: one open complaint a job, at most two answered between any two members.
"""

from interfaces import IConsortium

# --- what it asks of Market -------------------------------------------------------------------------------------------
struct Member:
    account: address
    uses: uint256
    lock: uint256
    seat: uint256           # index + 1
    joined: uint256
    out: uint256

struct Signer:
    job: uint256
    attempt: uint256
    member: address
    seat: uint256           # index + 1
    uses: uint256

interface IMarket:
    def job(id: uint256) -> uint256[4]: view
    def session(id: uint256, attempt: uint256) -> bytes32: view
    def signer(key: address) -> Signer: view
    def memberOf(id: uint256, account: address) -> Member: view
    def commitment(id: uint256, attempt: uint256, use: uint256) -> bytes32: view
    def convict(id: uint256, attempt: uint256, who: address, ground: uint256): nonpayable
    def part(id: uint256, attempt: uint256, a: address, b: address, ground: uint256): nonpayable

# --- what callers see -------------------------------------------------------------------------------------------------
struct Signed:              # a Claim, but for the session and the kind
    index: uint256
    content: bytes32
    signature: Bytes[65]

struct Record:              # a batch record: lastStep, then for each other seat sent, accepted, bytesOut, bytesIn
    words: DynArray[bytes32, 13]
    signature: Bytes[65]

struct Complaint:
    head: uint256           # accuser 160, until 48, attempt 8, kind 8; 0 = none, or answered
    accused: address
    index: uint256
    agreed: bytes32         # of a SEGMENT: what an answer must build on

complaint: public(HashMap[uint256, Complaint])                          # by job: one at a time
strikes: public(HashMap[uint256, HashMap[bytes32, uint256]])            # job, pair -> answered complaints
edge: HashMap[address, uint256[MAXIMUM_EDGES]]                          # partner 160, until 64
edges: public(HashMap[address, uint256])
suspended: public(HashMap[address, bool])                               # no draw takes it

MARKET: constant(address) = 0xE47e47E000000000000000000000000000000007
CONSORTIUM: constant(address) = 0xe47E47E000000000000000000000000000000001
ROLE_COMPUTE: constant(uint256) = 8
RUNNING: constant(uint256) = 3
MAXIMUM_EDGES: constant(uint256) = 128
EDGE_SECONDS: constant(uint256) = 90 * 86400
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
NAME: constant(bytes32) = keccak256("Entente Market")
VERSION: constant(bytes32) = keccak256("1")
CLAIM_TYPE: constant(bytes32) = keccak256("Claim(bytes32 session,uint8 kind,uint256 index,bytes32 content)")

SEGMENT: constant(uint256) = 1      # kinds of claims
ATTEST: constant(uint256) = 2
DELIVERY: constant(uint256) = 3
MESSAGE: constant(uint256) = 4
BOX: constant(uint256) = 5
KEY: constant(uint256) = 6
PROGRESS: constant(uint256) = 8

EQUIVOCATION: constant(uint256) = 1 # grounds of a verdict
FALSE_INPUT: constant(uint256) = 2
DISPUTED_MESSAGE: constant(uint256) = 4
DIFFERENT_CLAIMS: constant(uint256) = 5
STUBBORNNESS: constant(uint256) = 7

CLOSED: constant(uint256) = 1824562811        # Closed(uint256): state
TOO_LATE: constant(uint256) = 1763595906      # TooLate(uint256): moment
NOT_YOU: constant(uint256) = 2203517784       # NotYou(address): expected, 0 = nobody in particular
NO_CASE: constant(uint256) = 3257817563       # NoCase(uint256): reason, one of
NO_SESSION: constant(uint256) = 2
FOREIGN: constant(uint256) = 3      # not signed by a key of that session
AGREED: constant(uint256) = 4       # the claims do not contradict each other
OTHER_SLOT: constant(uint256) = 5   # the claims, or their signers, do not belong to what is judged
NOT_DUE: constant(uint256) = 6
COMPLAINED: constant(uint256) = 7   # another complaint is open, or these two had theirs
NOTHING_ASKED: constant(uint256) = 8

event Complained:
    job: indexed(uint256)
    accuser: indexed(address)
    accused: indexed(address)
    attempt: uint256
    kind: uint256
    index: uint256
    until: uint256

event Answered:
    job: indexed(uint256)
    accuser: indexed(address)
    accused: indexed(address)
    kind: uint256
    content: bytes32

event Suspended:
    member: indexed(address)
    suspended: bool

event Reconciled:
    a: indexed(address)
    b: indexed(address)

# --- claims -----------------------------------------------------------------------------------------------------------
@internal
@pure
def _require(ok: bool, error: uint256, fact: uint256):
    if not ok:
        raw_revert(concat(convert(convert(error, uint32), bytes4), convert(fact, bytes32)))

@internal
@view
def _signer(session: bytes32, kind: uint256, index: uint256, content: bytes32, signature: Bytes[65]) -> address:
    """Which key signed the Claim, zero if none: 65 bytes, low s, v 27 or 28."""
    if len(signature) != 65:
        return empty(address)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if s > HALF_ORDER or v < 27 or v > 28:
        return empty(address)
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, MARKET))
    claim: bytes32 = keccak256(abi_encode(CLAIM_TYPE, session, kind, index, content))
    return ecrecover(keccak256(concat(0x1901, domain, claim)), v, extract32(signature, 0, output_type=uint256), s)

@internal
@view
def _by(id: uint256, attempt: uint256, kind: uint256, index: uint256, content: bytes32, signature: Bytes[65]) -> Signer:
    """The member whose session key signed the Claim in this very session."""
    session: bytes32 = staticcall IMarket(MARKET).session(id, attempt)
    self._require(session != empty(bytes32), NO_CASE, NO_SESSION)
    key: address = self._signer(session, kind, index, content, signature)
    self._require(key != empty(address), NO_CASE, FOREIGN)
    who: Signer = staticcall IMarket(MARKET).signer(key)
    self._require(who.job == id and who.attempt == attempt, NO_CASE, FOREIGN)
    return who

@internal
@view
def _seats(id: uint256) -> uint256:
    return (staticcall IMarket(MARKET).job(id))[0] >> 176 & 255

@internal
@pure
def _roles(index: uint256) -> (uint256, uint256, uint256):
    """Sender, receiver, witness of a MESSAGE slot: the rank of an ordered triple of the four seats."""
    triple: uint256 = index >> 8 & 255
    self._require(triple < 24, NO_CASE, OTHER_SLOT)
    sender: uint256 = triple // 6
    receiver: uint256 = triple % 6 // 2
    receiver += 1 if receiver >= sender else 0
    witness: uint256 = triple % 2
    witness += 1 if witness >= min(sender, receiver) else 0
    witness += 1 if witness >= max(sender, receiver) else 0
    return sender, receiver, witness

# --- one culprit ------------------------------------------------------------------------------------------------------
@external
@nonreentrant
def equivocation(id: uint256, attempt: uint256, kind: uint256, a: Signed, b: Signed):
    """Two claims of one key on one slot with different contents."""
    self._require(a.index == b.index, NO_CASE, OTHER_SLOT)
    self._require(a.content != b.content, NO_CASE, AGREED)
    who: Signer = self._by(id, attempt, kind, a.index, a.content, a.signature)
    other: Signer = self._by(id, attempt, kind, b.index, b.content, b.signature)
    self._require(who.member == other.member, NO_CASE, FOREIGN)
    extcall IMarket(MARKET).convict(id, attempt, who.member, EQUIVOCATION)

@external
@nonreentrant
def falseInput(id: uint256, attempt: uint256, claim: Signed):
    """The owner delivered shares of something else than what it had committed to."""
    who: Signer = self._by(id, attempt, DELIVERY, claim.index, claim.content, claim.signature)
    self._require(claim.index < 16 and who.uses >> claim.index & 1 == 1, NO_CASE, OTHER_SLOT)
    bound: bytes32 = staticcall IMarket(MARKET).commitment(id, attempt, claim.index)
    self._require(claim.content != bound, NO_CASE, AGREED)
    extcall IMarket(MARKET).convict(id, attempt, who.member, FALSE_INPUT)

# --- a pair of which one lied -----------------------------------------------------------------------------------------
@internal
def _part(id: uint256, attempt: uint256, a: address, b: address, ground: uint256):
    extcall IMarket(MARKET).part(id, attempt, a, b, ground)
    self._addEdge(a, b)
    self._addEdge(b, a)

@external
@nonreentrant
def message(id: uint256, attempt: uint256, r: Signed, s: Signed, v: Signed):
    """
    The claims of receiver (the objection), sender and witness of one message. Sender and witness come first: both compute
    it from verified values, so a receiver against a witness alone would prove nothing.
    """
    sender: uint256 = 0
    receiver: uint256 = 0
    witness: uint256 = 0
    sender, receiver, witness = self._roles(s.index)
    same: bool = s.index & 255 == 0 and v.index == s.index | 1 and r.index == s.index | 2
    self._require(same and self._seats(id) == 4, NO_CASE, OTHER_SLOT)
    byS: Signer = self._by(id, attempt, MESSAGE, s.index, s.content, s.signature)
    byV: Signer = self._by(id, attempt, MESSAGE, v.index, v.content, v.signature)
    byR: Signer = self._by(id, attempt, MESSAGE, r.index, r.content, r.signature)
    seated: bool = byS.seat == sender + 1 and byV.seat == witness + 1 and byR.seat == receiver + 1
    self._require(seated, NO_CASE, OTHER_SLOT)
    a: address = byV.member
    b: address = byR.member
    if s.content == empty(bytes32):
        a = byS.member
    elif v.content != empty(bytes32) and s.content != v.content:
        b = byS.member
    elif v.content != empty(bytes32) and r.content != s.content:
        a = byS.member
    self._part(id, attempt, a, b, DISPUTED_MESSAGE)

@internal
@pure
def _hash(words: DynArray[bytes32, 13]) -> bytes32:
    return keccak256(slice(abi_encode(words), 64, 32 * len(words)))

@external
@nonreentrant
def records(id: uint256, attempt: uint256, b: uint256, agreed: bytes32, one: Record, two: Record):
    """SEGMENT claims of two seats on one agreed: what one sent on their link is not what the other accepted."""
    a: Signer = self._by(id, attempt, SEGMENT, b, keccak256(abi_encode(agreed, self._hash(one.words))), one.signature)
    c: Signer = self._by(id, attempt, SEGMENT, b, keccak256(abi_encode(agreed, self._hash(two.words))), two.signature)
    links: uint256 = self._seats(id) - 1
    whole: bool = len(one.words) == 1 + 4 * links and len(two.words) == 1 + 4 * links
    self._require(whole and a.seat != 0 and c.seat != 0 and a.seat != c.seat, NO_CASE, OTHER_SLOT)
    ofTwo: uint256 = c.seat - 1 if c.seat < a.seat else c.seat - 2      # the other's place in one's list
    ofOne: uint256 = a.seat - 1 if a.seat < c.seat else a.seat - 2
    forth: bool = one.words[1 + ofTwo] == two.words[1 + links + ofOne]
    back: bool = two.words[1 + ofOne] == one.words[1 + links + ofTwo]
    self._require(not forth or not back, NO_CASE, AGREED)
    self._part(id, attempt, a.member, c.member, DIFFERENT_CLAIMS)

@external
@nonreentrant
def differ(id: uint256, attempt: uint256, kind: uint256, a: Signed, b: Signed):
    """Two seats on what both know: a BOX of two holders, a KEY sent (a) and received (b), two ATTEST."""
    one: Signer = self._by(id, attempt, kind, a.index, a.content, a.signature)
    two: Signer = self._by(id, attempt, kind, b.index, b.content, b.signature)
    known: bool = one.seat != 0 and two.seat != 0 and one.seat != two.seat
    if kind == ATTEST:
        known = known and a.index == 0 and b.index == 0
    elif kind == BOX:
        known = known and a.index == b.index and one.seat - 1 != a.index >> 8 and two.seat - 1 != a.index >> 8
    else:
        slot: bool = kind == KEY and a.index < 128 and a.index & 1 == 0 and b.index == a.index + 1
        known = known and slot and one.seat - 1 == a.index >> 3 & 3 and two.seat - 1 == a.index >> 1 & 3
    self._require(known, NO_CASE, OTHER_SLOT)
    self._require(a.content != b.content, NO_CASE, AGREED)
    self._part(id, attempt, one.member, two.member, DIFFERENT_CLAIMS)

# --- complaints -------------------------------------------------------------------------------------------------------
@internal
@pure
def _pair(a: address, b: address) -> bytes32:
    x: uint256 = convert(a, uint256)
    y: uint256 = convert(b, uint256)
    return keccak256(abi_encode(min(x, y), max(x, y)))

@internal
@view
def _agreed(id: uint256, attempt: uint256, n: uint256, index: uint256, claims: DynArray[Signed, 4], previous: bytes32) -> bytes32:
    """What segment `index` builds on: the session, or keccak256(previous, then the n claims of the segment before)."""
    if index == 0:
        return staticcall IMarket(MARKET).session(id, attempt)
    built: bytes32[5] = empty(bytes32[5])
    built[0] = previous
    self._require(len(claims) == n, NO_CASE, NOT_DUE)
    for i: uint256 in range(n, bound=4):
        by: Signer = self._by(id, attempt, SEGMENT, index - 1, claims[i].content, claims[i].signature)
        self._require(by.seat == i + 1, NO_CASE, NOT_DUE)
        built[i + 1] = claims[i].content
    return keccak256(slice(abi_encode(built), 0, 32 * (n + 1)))

@internal
@view
def _owedByAll(id: uint256, attempt: uint256, n: uint256, kind: uint256, index: uint256, claims: DynArray[Signed, 4],
               accused: uint256, free: uint256):
    """The claims of all seats but the accused and `free`, in their order and of one content: so the accused owes its own."""
    k: uint256 = 0
    for i: uint256 in range(1, 5):
        if i <= n and i != accused and i != free:
            self._require(k < len(claims), NO_CASE, NOT_DUE)
            by: Signer = self._by(id, attempt, kind, index, claims[k].content, claims[k].signature)
            self._require(by.seat == i and claims[k].content == claims[0].content, NO_CASE, NOT_DUE)
            k += 1

@external
@nonreentrant
def complain(id: uint256, attempt: uint256, accused: address, kind: uint256, index: uint256, claims: DynArray[Signed, 4],
             previous: bytes32):
    """
    A seat names one claim that is missing, and shows that it is due: of a SEGMENT with the n claims of the one before and
    `previous` (what those build on), of a MESSAGE with the objection, of ATTEST or BOX with the claims of the others.
    """
    w: uint256[4] = staticcall IMarket(MARKET).job(id)
    self._require(w[0] >> 160 & 255 == RUNNING and w[0] >> 168 & 255 == attempt, CLOSED, w[0] >> 160 & 255)
    n: uint256 = w[0] >> 176 & 255
    until: uint256 = block.timestamp + (w[1] >> 144 & (2**32 - 1))
    deadline: uint256 = w[1] >> 48 & (2**48 - 1)
    self._require(until < deadline, TOO_LATE, deadline)
    head: uint256 = self.complaint[id].head
    pair: bytes32 = self._pair(msg.sender, accused)
    self._require((head == 0 or head >> 208 & 255 != attempt) and self.strikes[id][pair] < 2, NO_CASE, COMPLAINED)
    me: Member = staticcall IMarket(MARKET).memberOf(id, msg.sender)
    you: Member = staticcall IMarket(MARKET).memberOf(id, accused)
    self._require(me.seat != 0, NOT_YOU, 0)
    self._require(msg.sender != accused and (you.seat != 0 or kind == DELIVERY), NO_CASE, OTHER_SLOT)
    agreed: bytes32 = empty(bytes32)
    owes: bool = False
    if kind == SEGMENT:
        owes = True
        agreed = self._agreed(id, attempt, n, index, claims, previous)
    elif kind == ATTEST:
        owes = index == 0
        self._owedByAll(id, attempt, n, kind, index, claims, you.seat, 0)
    elif kind == BOX:           # asked by the one seat that cannot compute it
        owes = index >> 8 == me.seat - 1
        self._owedByAll(id, attempt, n, kind, index, claims, you.seat, me.seat)
    elif kind == MESSAGE:
        sender: uint256 = 0
        receiver: uint256 = 0
        witness: uint256 = 0
        sender, receiver, witness = self._roles(index)
        role: uint256 = index & 255
        self._require(n == 4 and role < 2 and len(claims) == 1, NO_CASE, NOT_DUE)
        by: Signer = self._by(id, attempt, MESSAGE, index - role + 2, claims[0].content, claims[0].signature)
        owes = by.seat == receiver + 1 and you.seat - 1 == (sender if role == 0 else witness)
    elif kind == KEY:
        owes = index < 128 and you.seat - 1 == (index >> 3 if index & 1 == 0 else index >> 1) & 3
    elif kind == DELIVERY:
        owes = index < 16 and you.uses >> index & 1 == 1
    self._require(owes, NO_CASE, NOT_DUE)
    self.complaint[id] = Complaint(
        head=convert(msg.sender, uint256) | until << 160 | attempt << 208 | kind << 216, accused=accused, index=index, agreed=agreed)
    log Complained(job=id, accuser=msg.sender, accused=accused, attempt=attempt, kind=kind, index=index, until=until)

@external
@nonreentrant
def answer(id: uint256, kind: uint256, claim: Signed, record: bytes32):
    """
    The claim that was asked for, from anyone who holds it. Of a SEGMENT with `record`, the hash of its record; a SEGMENT
    or DELIVERY may be answered by PROGRESS, so that nobody must sign what is unfinished.
    """
    w: uint256[4] = staticcall IMarket(MARKET).job(id)
    c: Complaint = self.complaint[id]
    attempt: uint256 = c.head >> 208 & 255
    asked: uint256 = c.head >> 216
    until: uint256 = c.head >> 160 & (2**48 - 1)
    self._require(w[0] >> 160 & 255 == RUNNING, CLOSED, w[0] >> 160 & 255)
    self._require(c.head != 0 and attempt == w[0] >> 168 & 255, NO_CASE, NOTHING_ASKED)
    self._require(block.timestamp < until, TOO_LATE, until)
    accuser: address = convert(convert(c.head & (2**160 - 1), uint160), address)
    pair: bytes32 = self._pair(accuser, c.accused)
    strike: uint256 = self.strikes[id][pair]
    fits: bool = kind == asked and claim.index == c.index
    if kind == PROGRESS:
        seat: uint256 = (staticcall IMarket(MARKET).memberOf(id, accuser)).seat - 1
        fits = (asked == SEGMENT or asked == DELIVERY) and claim.index == seat << 8 | strike
    elif kind == SEGMENT:
        fits = fits and claim.content == keccak256(abi_encode(c.agreed, record))
    by: Signer = self._by(id, attempt, kind, claim.index, claim.content, claim.signature)
    self._require(fits and by.member == c.accused, NO_CASE, OTHER_SLOT)
    self.complaint[id].head = 0
    self.strikes[id][pair] = strike + 1
    log Answered(job=id, accuser=accuser, accused=c.accused, kind=kind, content=claim.content)
    if strike == 1:
        self._part(id, attempt, accuser, c.accused, STUBBORNNESS)

@external
@view
def due(id: uint256) -> (bool, address):
    """Whether a complaint of the running attempt was not answered in its window, and of whom."""
    w: uint256[4] = staticcall IMarket(MARKET).job(id)
    head: uint256 = self.complaint[id].head
    running: bool = w[0] >> 160 & 255 == RUNNING and w[0] >> 168 & 255 == head >> 208 & 255
    if head == 0 or not running or block.timestamp < head >> 160 & (2**48 - 1):
        return False, empty(address)
    return True, self.complaint[id].accused

# --- edges ------------------------------------------------------------------------------------------------------------
@internal
def _addEdge(account: address, partner: address):
    """
    An honest member has at most one edge for each that deviates. With more than f distinct ones alive it deviated itself,
    if at most f of 3f + 1 do: no draw takes it until managers vote it back.
    """
    alive: uint256 = 0
    count: uint256 = self.edges[account]
    place: uint256 = count
    free: bool = False
    for i: uint256 in range(count, bound=MAXIMUM_EDGES):
        w: uint256 = self.edge[account][i]
        if w & (2**160 - 1) == convert(partner, uint256):
            place = i
            free = True
        elif w >> 160 > block.timestamp:
            alive += 1
        elif not free and place == count:
            place = i
    if place == count:
        self.edges[account] = count + 1
    self.edge[account][place] = convert(partner, uint256) | (block.timestamp + EDGE_SECONDS) << 160
    members: uint256 = staticcall IConsortium(CONSORTIUM).count(ROLE_COMPUTE)
    if alive + 1 > (max(members, 1) - 1) // 3 and not self.suspended[account]:
        self.suspended[account] = True
        log Suspended(member=account, suspended=True)

@internal
@view
def _edge(account: address, partner: address) -> uint256:
    for i: uint256 in range(self.edges[account], bound=MAXIMUM_EDGES):
        if self.edge[account][i] & (2**160 - 1) == convert(partner, uint256):
            return i
    return MAXIMUM_EDGES

@external
@view
def edgeUntil(a: address, b: address) -> uint256:
    """Until when no draw brings the two together; 0 or past: it may."""
    i: uint256 = self._edge(a, b)
    return 0 if i == MAXIMUM_EDGES else self.edge[a][i] >> 160

@external
@nonreentrant
def reinstate(account: address):
    """By vote: may be drawn again. Its edges stay until they end or are reconciled."""
    self._require(msg.sender == CONSORTIUM, NOT_YOU, convert(CONSORTIUM, uint256))
    self.suspended[account] = False
    log Suspended(member=account, suspended=False)

@external
@nonreentrant
def reconcile(a: address, b: address):
    """By vote: the two may be drawn together again."""
    self._require(msg.sender == CONSORTIUM, NOT_YOU, convert(CONSORTIUM, uint256))
    i: uint256 = self._edge(a, b)
    k: uint256 = self._edge(b, a)
    self._require(i < MAXIMUM_EDGES and k < MAXIMUM_EDGES, NO_CASE, NOTHING_ASKED)
    self.edge[a][i] = convert(b, uint256)
    self.edge[b][k] = convert(a, uint256)
    log Reconciled(a=a, b=b)
