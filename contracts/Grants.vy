# pragma version 0.4.3
# pragma evm-version prague
"""
Grants: who may use what for what.

Source: reference/job-protocol.md §2. A policy stands at three levels, 0 the owner, 1 a group, 2 an object; the narrowest one
set decides, and where none is set the owner asks. A grant is an exception given by the owner to one grantee, at most as wide
as the rule it excepts. `hold` and `allows` are one function, so that what is promised is what happens.

Invariants: given = left + held + used for every grant; held = uses of jobs whose hold is open; a use that is held was allowed in
that very transaction; only the market of a hold spends or frees it, once. Slot 0 is part of the evidence format and never moves.
"""
from interfaces import IGrants

implements: IGrants

struct Grant:
    owner: address
    grantee: address
    scope: bytes32          # object (level 2), group (level 1), 0 (level 0)
    program: bytes32        # 0: any
    terms: uint256          # level 8, purposes 8, revoked 8, expires 64 (low to high)
    uses: uint256           # given 64, left 64, held 64, used 64 (low to high)

struct GrantFacts:
    owner: address
    grantee: address
    level: uint256
    scope: bytes32
    purposes: uint256
    program: bytes32
    expires: uint256
    revoked: bool
    given: uint256
    left: uint256
    held: uint256
    used: uint256

# --- storage: slot 0 is evidence ---------------------------------------------------------------------------------------
grant: HashMap[uint256, Grant]
grants: public(uint256)                                                             # ids are 1 ... grants
rule: HashMap[address, HashMap[uint256, HashMap[bytes32, uint256]]]                 # owner, level, scope: mode 8, purposes 8
isMarket: public(HashMap[address, bool])
holdState: public(HashMap[address, HashMap[uint256, uint256]])                      # market, job: NONE, OPEN, SPENT or FREED
holdGrants: HashMap[address, HashMap[uint256, uint256[4]]]                          # up to 16 ids of 64 bits

CONSORTIUM: constant(address) = 0xe47E47E000000000000000000000000000000001
MARKET: constant(address) = 0xE47e47E000000000000000000000000000000007
WORD64: constant(uint256) = 2**64 - 1
ALL_PURPOSES: constant(uint256) = 63

CLOSED: constant(uint256) = 1           # modes of a policy; 0: unset
ASK: constant(uint256) = 2
OPEN: constant(uint256) = 3

HELD: constant(uint256) = 1             # states of a job's hold
SPENT: constant(uint256) = 2
FREED: constant(uint256) = 3

event PolicySet:
    owner: indexed(address)
    level: indexed(uint256)
    scope: indexed(bytes32)
    mode: uint256
    purposes: uint256
    document: bytes32

event Requested:
    owner: indexed(address)
    requester: indexed(address)
    object: indexed(bytes32)
    group: bytes32
    purpose: uint256

event Given:
    grant: indexed(uint256)
    owner: indexed(address)
    grantee: indexed(address)
    level: uint256
    scope: bytes32
    purposes: uint256
    program: bytes32
    expires: uint256
    uses: uint256
    document: bytes32
    keyBox: Bytes[2048]

event Revoked:
    grant: indexed(uint256)
    owner: indexed(address)
    grantee: indexed(address)
    reason: bytes32

event Held:
    grant: indexed(uint256)
    market: indexed(address)
    job: indexed(uint256)

event Spent:
    grant: indexed(uint256)
    market: indexed(address)
    job: indexed(uint256)
    output: bytes32

event Freed:
    grant: indexed(uint256)
    market: indexed(address)
    job: indexed(uint256)

event MarketSet:
    market: indexed(address)
    on: bool

NOT_YOU: constant(bytes4) = method_id("NotYou(address)", output_type=bytes4)                    # expected; 0: nobody in particular
NO_CONSENT: constant(bytes4) = method_id("NoConsent(uint256,uint256)", output_type=bytes4)      # listing, rule
BAD_PURPOSE: constant(bytes4) = method_id("BadPurpose()", output_type=bytes4)
BAD_TERMS: constant(bytes4) = method_id("BadTerms()", output_type=bytes4)
STATE_CLOSED: constant(bytes4) = method_id("Closed(uint256)", output_type=bytes4)               # state

@deploy
def __init__():
    self.isMarket[MARKET] = True

@internal
@pure
def _require(ok: bool, error: bytes4, fact: uint256):
    if not ok:
        raw_revert(concat(error, convert(fact, bytes32)))

@internal
@pure
def _check(ok: bool, error: bytes4):
    if not ok:
        raw_revert(slice(convert(error, bytes32), 0, 4))

# --- policies and grants -------------------------------------------------------------------------------------------------
@internal
@pure
def _scopeFits(level: uint256, scope: bytes32) -> bool:
    return level <= 2 and (level == 0) == (scope == empty(bytes32))

@external
@nonreentrant
def setPolicy(level: uint256, scope: bytes32, mode: uint256, purposes: uint256, document: bytes32):
    """Of the caller, for all it owns (level 0, scope 0), a group or an object. Mode 0 unsets it."""
    self._check(self._scopeFits(level, scope) and mode <= OPEN, BAD_TERMS)
    self._check(purposes <= ALL_PURPOSES and (mode == OPEN) == (purposes != 0), BAD_PURPOSE)
    self.rule[msg.sender][level][scope] = mode | purposes << 8
    log PolicySet(owner=msg.sender, level=level, scope=scope, mode=mode, purposes=purposes, document=document)

@external
@nonreentrant
def request(owner: address, group: bytes32, object: bytes32, purpose: uint256):
    """A wish, for the owner's inbox; changes nothing."""
    self._check(self._isOnePurpose(purpose), BAD_PURPOSE)
    log Requested(owner=owner, requester=msg.sender, object=object, group=group, purpose=purpose)

@external
@nonreentrant
def give(grantee: address, level: uint256, scope: bytes32, purposes: uint256, program: bytes32, expires: uint256, uses: uint256,
         document: bytes32, keyBox: Bytes[2048]) -> uint256:
    """An exception to the caller's own rules. `keyBox`: what the grantee's HPKE key opens, empty where nothing is sealed."""
    self._check(purposes != 0 and purposes <= ALL_PURPOSES, BAD_PURPOSE)
    self._check(grantee != empty(address) and self._scopeFits(level, scope), BAD_TERMS)
    self._check(block.timestamp < expires and expires <= WORD64 and uses != 0 and uses <= WORD64, BAD_TERMS)
    self.grants += 1
    id: uint256 = self.grants
    self.grant[id] = Grant(owner=msg.sender, grantee=grantee, scope=scope, program=program,
        terms=level | purposes << 8 | expires << 24, uses=uses | uses << 64)
    log Given(grant=id, owner=msg.sender, grantee=grantee, level=level, scope=scope, purposes=purposes, program=program,
        expires=expires, uses=uses, document=document, keyBox=keyBox)
    return id

@external
@nonreentrant
def revoke(id: uint256, reason: bytes32):
    """From the next transaction on no use of it is held; what is held stays a concluded contract."""
    g: Grant = self.grant[id]
    self._require(msg.sender == g.owner, NOT_YOU, convert(g.owner, uint256))
    self._require(g.terms >> 16 & 255 == 0, STATE_CLOSED, 1)
    self.grant[id].terms = g.terms | 1 << 16
    log Revoked(grant=id, owner=g.owner, grantee=g.grantee, reason=reason)

@external
@nonreentrant
def setMarket(market: address, on: bool):
    """Who may hold uses. A market that is no more one still spends or frees what it holds."""
    self._require(msg.sender == CONSORTIUM, NOT_YOU, convert(CONSORTIUM, uint256))
    self.isMarket[market] = on
    log MarketSet(market=market, on=on)

# --- the verdict -----------------------------------------------------------------------------------------------------------
@internal
@pure
def _isOnePurpose(purpose: uint256) -> bool:
    return purpose != 0 and purpose <= ALL_PURPOSES and purpose & (purpose - 1) == 0

@internal
@view
def _narrowest(owner: address, group: bytes32, object: bytes32) -> (uint256, uint256):
    """Rule and level of the policy that decides."""
    rule: uint256 = self.rule[owner][2][object]
    if rule & 255 != 0:
        return rule, 2
    rule = self.rule[owner][1][group]
    if rule & 255 != 0:
        return rule, 1
    rule = self.rule[owner][0][empty(bytes32)]
    return (rule if rule & 255 != 0 else ASK), 0

@internal
@view
def _misfit(id: uint256, owner: address, group: bytes32, object: bytes32, requester: address, purpose: uint256, program: bytes32,
            level: uint256) -> uint256:
    """Why this grant is no exception to that owner's rule of that level; 0: it is one. Reasons as in IGrants."""
    g: Grant = self.grant[id]
    if owner == empty(address) or g.owner != owner:
        return 3
    if g.grantee != requester:
        return 4
    given: uint256 = g.terms & 255
    if given != 0 and g.scope != (group if given == 1 else object):
        return 5
    if given < level:
        return 6
    if g.terms >> 8 & purpose == 0:
        return 7
    if g.program != empty(bytes32) and g.program != program:
        return 8
    if g.terms >> 16 & 255 != 0:
        return 9
    if block.timestamp >= g.terms >> 24:
        return 10
    return 11 if g.uses >> 64 & WORD64 == 0 else 0

@internal
@view
def _verdict(owner: address, group: bytes32, object: bytes32, requester: address, purpose: uint256, program: bytes32,
             grant: uint256) -> uint256:
    """Reason | level << 8: the rule of §2, all of it."""
    rule: uint256 = 0
    level: uint256 = 0
    rule, level = self._narrowest(owner, group, object)
    reason: uint256 = 0
    if not self._isOnePurpose(purpose):
        reason = 13
    elif rule & 255 == CLOSED:
        reason = 1
    elif rule & 255 == OPEN and rule >> 8 & purpose != 0:
        reason = 0 if grant == 0 else 12
    elif grant == 0:
        reason = 2
    else:
        reason = self._misfit(grant, owner, group, object, requester, purpose, program, level)
    return reason | level << 8

# --- uses ------------------------------------------------------------------------------------------------------------------
@external
@nonreentrant
def hold(job: uint256, requester: address, purpose: uint256, program: bytes32, holds: DynArray[IGrants.Hold, 16]):
    self._require(self.isMarket[msg.sender], NOT_YOU, 0)
    state: uint256 = self.holdState[msg.sender][job]
    self._require(state == 0, STATE_CLOSED, state)
    self._check(self._isOnePurpose(purpose), BAD_PURPOSE)
    self.holdState[msg.sender][job] = HELD
    ids: uint256[4] = empty(uint256[4])
    k: uint256 = 0
    for h: IGrants.Hold in holds:
        rule: uint256 = self._verdict(h.owner, h.group, h.object, requester, purpose, program, h.grant)
        if rule & 255 != 0:
            raw_revert(concat(NO_CONSENT, convert(h.listing, bytes32), convert(rule, bytes32)))
        if h.grant == 0:
            continue
        self.grant[h.grant].uses = self.grant[h.grant].uses - (1 << 64) + (1 << 128)
        ids[k // 4] |= h.grant << 64 * (k % 4)
        k += 1
        log Held(grant=h.grant, market=msg.sender, job=job)
    for i: uint256 in range(4):
        if ids[i] != 0:
            self.holdGrants[msg.sender][job][i] = ids[i]

@internal
def _close(market: address, job: uint256, next: uint256) -> DynArray[uint256, 16]:
    """Ends the hold of (market, job) once, and names its grants."""
    state: uint256 = self.holdState[market][job]
    self._require(state == HELD, STATE_CLOSED, state)
    self.holdState[market][job] = next
    ids: uint256[4] = self.holdGrants[market][job]
    grants: DynArray[uint256, 16] = []
    for i: uint256 in range(16):
        id: uint256 = ids[i // 4] >> 64 * (i % 4) & WORD64
        if id == 0:
            break
        grants.append(id)
    return grants

@external
@nonreentrant
def spend(job: uint256, output: bytes32):
    ids: DynArray[uint256, 16] = self._close(msg.sender, job, SPENT)
    for id: uint256 in ids:
        self.grant[id].uses = self.grant[id].uses - (1 << 128) + (1 << 192)
        log Spent(grant=id, market=msg.sender, job=job, output=output)

@external
@nonreentrant
def free(job: uint256):
    ids: DynArray[uint256, 16] = self._close(msg.sender, job, FREED)
    for id: uint256 in ids:
        self.grant[id].uses = self.grant[id].uses - (1 << 128) + (1 << 64)
        log Freed(grant=id, market=msg.sender, job=job)

# --- views -----------------------------------------------------------------------------------------------------------------
@external
@view
def allows(owner: address, group: bytes32, object: bytes32, requester: address, purpose: uint256, program: bytes32,
           grant: uint256) -> (bool, uint256):
    rule: uint256 = self._verdict(owner, group, object, requester, purpose, program, grant)
    return rule & 255 == 0, rule

@external
@view
def isLive(grant: uint256) -> bool:
    terms: uint256 = self.grant[grant].terms
    return terms >> 16 & 255 == 0 and block.timestamp < terms >> 24

@external
@view
def policy(owner: address, level: uint256, scope: bytes32) -> (uint256, uint256):
    """Mode (0 unset, 1 closed, 2 ask, 3 open) and purposes."""
    rule: uint256 = self.rule[owner][level][scope]
    return rule & 255, rule >> 8

@external
@view
def grantOf(id: uint256) -> GrantFacts:
    g: Grant = self.grant[id]
    return GrantFacts(owner=g.owner, grantee=g.grantee, level=g.terms & 255, scope=g.scope, purposes=g.terms >> 8 & 255,
        program=g.program, expires=g.terms >> 24, revoked=g.terms >> 16 & 255 != 0,
        given=g.uses & WORD64, left=g.uses >> 64 & WORD64, held=g.uses >> 128 & WORD64, used=g.uses >> 192)

@external
@view
def heldGrants(market: address, job: uint256) -> uint256[4]:
    """Ids of the grants of a job's hold, 64 bits each, lowest first."""
    return self.holdGrants[market][job]
