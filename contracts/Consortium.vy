# pragma version 0.4.3
# pragma evm-version prague
"""
Consortium: who is a member, who validates, and what the alliance has decided.

Consensus reads slots 0 ... 117 of this address and never calls code (reference/chain-rules.md §1, §7): the first three declarations
never move. A proposal is enacted by the vote that makes yes * 3 > managers * 2, counted over those who are managers then.

Invariants: `validator_list` is strictly ascending, at most 100 long, never empty once filled, and never below four once it had four;
each entry is the node key of a member that may validate, or of one that left and waits for a replacement; names and node keys of
members are unique; there is always a manager.
"""
from interfaces import IConsortium

implements: IConsortium

# --- storage that consensus reads: never move ------------------------------------------------------------------------------
validator_list: DynArray[address, 100]      # slots 0 ... 100
gas_target: uint256                         # slot 101; 0: the genesis gas limit stands
fork_times: uint64[16]                      # slots 102 ... 117

# --- members ---------------------------------------------------------------------------------------------------------------
struct Member:
    name: bytes32           # ASCII [a-z0-9-]{1,32}, left-aligned; 0: no member
    nodeKey: address
    roles: uint256          # 0: it has left, its validator's seat waits for a replacement
    dossier: bytes32        # hash of who it is
    contact: String[128]    # host:port

struct Proposal:
    kind: uint256
    proposer: address
    until: uint256          # votes are taken before
    state: uint256          # 0 none, 1 open, 2 enacted
    payload: Bytes[4096]

members: HashMap[address, Member]
memberList: DynArray[address, 256]
byName: public(HashMap[bytes32, address])
byNodeKey: public(HashMap[address, address])
application: public(HashMap[address, Member])
leaving: public(HashMap[address, uint256])              # moment from which `depart` works
enrolled: HashMap[address, address]                     # account -> its member

proposals: public(uint256)                              # ids are 1 ... proposals
proposal: public(HashMap[uint256, Proposal])
ballot: public(HashMap[uint256, HashMap[address, uint256]])         # 0 none, 1 no, 2 yes
voters: HashMap[uint256, DynArray[address, 256]]

param: public(HashMap[bytes32, uint256])
directory: public(HashMap[bytes32, address])
isListed: public(HashMap[address, bool])                # once listed, for ever

CONSORTIUM: constant(address) = 0xe47E47E000000000000000000000000000000001

MANAGER: constant(uint256) = 1
VALIDATOR: constant(uint256) = 2
ALL_ROLES: constant(uint256) = 63
MAXIMUM_MEMBERS: constant(uint256) = 256
DAY: constant(uint256) = 86400

# kinds of proposals, and their payload as abi.encode of
ADMIT: constant(uint256) = 1        # account, keccak256(abi.encode(name, nodeKey, roles, dossier, contact)) of its application
REMOVE: constant(uint256) = 2       # account, replacement (node key of a member that validates in its place; 0: none)
ROLES: constant(uint256) = 3        # account, roles, replacement
ROTATE: constant(uint256) = 4       # account, new node key
PARAMETER: constant(uint256) = 5    # name, value
FORK: constant(uint256) = 6         # index, time (0: not any more)
CALL: constant(uint256) = 7         # contract, data (bytes)
DIRECTORY: constant(uint256) = 8    # name, address

# names of parameters and directory entries that this contract itself reads
GAS_TARGET: constant(bytes32) = 0x6761735461726765740000000000000000000000000000000000000000000000      # gasTarget
VOTING: constant(bytes32) = 0x766f74696e670000000000000000000000000000000000000000000000000000          # voting, seconds
LEAVING: constant(bytes32) = 0x6c656176696e6700000000000000000000000000000000000000000000000000         # leaving, seconds
GOVERNOR: constant(bytes32) = 0x676f7665726e6f72000000000000000000000000000000000000000000000000        # governor

event Applied:
    account: indexed(address)
    name: indexed(bytes32)
    nodeKey: address
    roles: uint256
    dossier: bytes32
    contact: String[128]
    application: bytes32

event Proposed:
    proposal: indexed(uint256)
    proposer: indexed(address)
    kind: uint256
    payload: Bytes[4096]
    until: uint256

event Voted:
    proposal: indexed(uint256)
    manager: indexed(address)
    yes: bool

event Enacted:
    proposal: indexed(uint256)      # 0: by the governor
    kind: indexed(uint256)

event Admitted:
    account: indexed(address)
    name: indexed(bytes32)
    nodeKey: indexed(address)
    roles: uint256

event RolesChanged:
    account: indexed(address)
    roles: uint256

event Removed:
    account: indexed(address)
    nodeKey: indexed(address)

event KeyRotated:
    account: indexed(address)
    before: indexed(address)
    after: indexed(address)

event Activated:
    nodeKey: indexed(address)

event Deactivated:
    nodeKey: indexed(address)

event ContactChanged:
    account: indexed(address)
    contact: String[128]

event Leaving:
    account: indexed(address)
    moment: uint256

event Enrolled:
    account: indexed(address)
    member: indexed(address)

event ParameterChanged:
    name: indexed(bytes32)
    before: uint256
    after: uint256

event ForkScheduled:
    index: indexed(uint256)
    time: uint256

event DirectoryChanged:
    name: indexed(bytes32)
    before: address
    after: address

NOT_YOU: constant(bytes4) = method_id("NotYou(address)", output_type=bytes4)            # expected; 0: nobody in particular
CLOSED: constant(bytes4) = method_id("Closed(uint256)", output_type=bytes4)             # state
TOO_EARLY: constant(bytes4) = method_id("TooEarly(uint256)", output_type=bytes4)        # moment
TOO_LATE: constant(bytes4) = method_id("TooLate(uint256)", output_type=bytes4)          # moment
BAD_NAME: constant(bytes4) = method_id("BadName(bytes32)", output_type=bytes4)
NAME_TAKEN: constant(bytes4) = method_id("NameTaken(bytes32)", output_type=bytes4)
KEY_TAKEN: constant(bytes4) = method_id("KeyTaken(address)", output_type=bytes4)        # also the zero key
NOT_MEMBER: constant(bytes4) = method_id("NotMember(address)", output_type=bytes4)
ALREADY: constant(bytes4) = method_id("Already(address)", output_type=bytes4)           # member, active, enrolled or leaving
BAD_ROLES: constant(bytes4) = method_id("BadRoles(uint256)", output_type=bytes4)
BAD_PROPOSAL: constant(bytes4) = method_id("BadProposal(uint256)", output_type=bytes4)  # kind
CHANGED: constant(bytes4) = method_id("ApplicationChanged(address)", output_type=bytes4)
TOO_FEW: constant(bytes4) = method_id("TooFewValidators(uint256)", output_type=bytes4)  # what would be left
TOO_MANY: constant(bytes4) = method_id("TooMany(uint256)", output_type=bytes4)          # maximum
LAST_MANAGER: constant(bytes4) = method_id("LastManager()", output_type=bytes4)
OUT_OF_BOUNDS: constant(bytes4) = method_id("OutOfBounds(uint256,uint256)", output_type=bytes4)     # least, most
GOVERNED: constant(bytes4) = method_id("Governed(address)", output_type=bytes4)         # by whom

@deploy
def __init__(names: DynArray[bytes32, 64], accounts: DynArray[address, 64], nodeKeys: DynArray[address, 64],
             roles: DynArray[uint256, 64], contacts: DynArray[String[128], 64], parameterNames: DynArray[bytes32, 32],
             parameterValues: DynArray[uint256, 32]):
    """Founders in strictly ascending order of node keys; those with the role validate from the first block."""
    assert len(names) == len(accounts) and len(names) == len(nodeKeys) and len(names) == len(roles) and len(names) == len(contacts)
    assert len(parameterNames) == len(parameterValues)
    for i: uint256 in range(len(names), bound=64):
        assert i == 0 or convert(nodeKeys[i - 1], uint256) < convert(nodeKeys[i], uint256)
        self._admit(accounts[i], Member(name=names[i], nodeKey=nodeKeys[i], roles=roles[i], dossier=empty(bytes32), contact=contacts[i]))
        if roles[i] & VALIDATOR != 0:
            self.validator_list.append(nodeKeys[i])
    self._checkManager()
    for i: uint256 in range(len(parameterNames), bound=32):
        self._setParameter(parameterNames[i], parameterValues[i])
    # "consortium", "identity", "cash", "records", "grants", "market", "referee"; the treasury is this contract's own account
    self._setDirectory(0x636f6e736f727469756d00000000000000000000000000000000000000000000, CONSORTIUM)
    self._setDirectory(0x6964656e74697479000000000000000000000000000000000000000000000000, 0xe47E47E000000000000000000000000000000002)
    self._setDirectory(0x6361736800000000000000000000000000000000000000000000000000000000, 0xe47e47e000000000000000000000000000000003)
    self._setDirectory(0x7265636f72647300000000000000000000000000000000000000000000000000, 0xe47e47e000000000000000000000000000000004)
    self._setDirectory(0x6772616e74730000000000000000000000000000000000000000000000000000, 0xe47e47e000000000000000000000000000000005)
    self._setDirectory(0x6d61726b65740000000000000000000000000000000000000000000000000000, 0xE47e47E000000000000000000000000000000007)
    self._setDirectory(0x7265666572656500000000000000000000000000000000000000000000000000, 0xE47E47e000000000000000000000000000000008)
    self._setDirectory(0x7472656173757279000000000000000000000000000000000000000000000000, CONSORTIUM)

@internal
@pure
def _require(ok: bool, error: bytes4, fact: uint256):
    if not ok:
        raw_revert(concat(error, convert(fact, bytes32)))

# --- the list of validators --------------------------------------------------------------------------------------------------
@internal
def _replace(out: address, new: address):
    """Takes one key out and puts another in (0: none), in one pass that keeps the order; judges the length."""
    before: DynArray[address, 100] = self.validator_list
    after: DynArray[address, 100] = []
    placed: bool = new == empty(address)
    for key: address in before:
        if not placed and convert(new, uint256) <= convert(key, uint256):
            self._require(key != new or key == out, ALREADY, convert(new, uint256))
            self._require(len(after) < 100, TOO_MANY, 100)
            after.append(new)
            placed = True
        if key != out:
            self._require(len(after) < 100, TOO_MANY, 100)
            after.append(key)
    if not placed:
        self._require(len(after) < 100, TOO_MANY, 100)
        after.append(new)
    self._require(len(after) >= min(len(before), 4), TOO_FEW, len(after))
    self.validator_list = after
    if out != empty(address):
        log Deactivated(nodeKey=out)
    if new != empty(address):
        log Activated(nodeKey=new)

@internal
@view
def _isActive(nodeKey: address) -> bool:
    for key: address in self.validator_list:
        if key == nodeKey:
            return True
    return False

@internal
def _vacate(nodeKey: address, replacement: address):
    """A seat is given up, if there is one; the replacement is a member's node key that may validate and does not."""
    if replacement != empty(address):
        self._require(self.members[self.byNodeKey[replacement]].roles & VALIDATOR != 0, NOT_MEMBER, convert(replacement, uint256))
        self._require(not self._isActive(replacement), ALREADY, convert(replacement, uint256))
    if self._isActive(nodeKey):
        self._replace(nodeKey, replacement)
    else:
        self._require(replacement == empty(address), BAD_ROLES, 0)

@external
@nonreentrant
def activate():
    """By an admitted node key itself, once its head is current: from the next block it is counted."""
    roles: uint256 = self.members[self.byNodeKey[msg.sender]].roles
    self._require(roles & VALIDATOR != 0, NOT_MEMBER, convert(msg.sender, uint256))
    self._require(not self._isActive(msg.sender), ALREADY, convert(msg.sender, uint256))
    self._replace(empty(address), msg.sender)

# --- members ---------------------------------------------------------------------------------------------------------------
@internal
@pure
def _checkMember(member: Member):
    self._require(member.roles != 0 and member.roles <= ALL_ROLES, BAD_ROLES, member.roles)
    ended: bool = False
    ok: bool = member.name != empty(bytes32)
    for i: uint256 in range(32):
        c: uint256 = convert(member.name, uint256) >> (248 - 8 * i) & 255
        if c == 0:
            ended = True
        else:
            ok = ok and not ended and ((c >= 97 and c <= 122) or (c >= 48 and c <= 57) or c == 45)
    self._require(ok, BAD_NAME, convert(member.name, uint256))

@internal
def _checkKey(nodeKey: address):
    free: bool = nodeKey != empty(address) and self.byNodeKey[nodeKey] == empty(address)
    self._require(free, KEY_TAKEN, convert(nodeKey, uint256))

@internal
def _admit(account: address, member: Member):
    self._checkMember(member)
    self._checkKey(member.nodeKey)
    self._require(account != empty(address) and self.members[account].name == empty(bytes32), ALREADY, convert(account, uint256))
    self._require(self.byName[member.name] == empty(address), NAME_TAKEN, convert(member.name, uint256))
    self._require(len(self.memberList) < MAXIMUM_MEMBERS, TOO_MANY, MAXIMUM_MEMBERS)
    self.members[account] = member
    self.memberList.append(account)
    self.byName[member.name] = account
    self.byNodeKey[member.nodeKey] = account
    self.application[account] = empty(Member)
    log Admitted(account=account, name=member.name, nodeKey=member.nodeKey, roles=member.roles)

@internal
def _forget(account: address):
    """The member is gone; its validator's seat was given up before."""
    member: Member = self.members[account]
    self.byName[member.name] = empty(address)
    self.byNodeKey[member.nodeKey] = empty(address)
    self.members[account] = empty(Member)
    self.leaving[account] = 0
    kept: DynArray[address, 256] = []
    for other: address in self.memberList:
        if other != account:
            kept.append(other)
    self.memberList = kept
    log Removed(account=account, nodeKey=member.nodeKey)

@internal
@view
def _count(role: uint256) -> uint256:
    n: uint256 = 0
    for account: address in self.memberList:
        if self.members[account].roles & role != 0:
            n += 1
    return n

@internal
@view
def _known(account: address) -> Member:
    member: Member = self.members[account]
    self._require(member.name != empty(bytes32), NOT_MEMBER, convert(account, uint256))
    return member

@internal
@view
def _checkManager():
    if self._count(MANAGER) == 0:
        raw_revert(slice(convert(LAST_MANAGER, bytes32), 0, 4))

@external
@nonreentrant
def apply(name: bytes32, nodeKey: address, roles: uint256, dossier: bytes32, contact: String[128]) -> bytes32:
    """
    By the organisation's account; a new application replaces the one before. Returns what a vote to admit names, so that nothing
    can change between application and admission.
    """
    member: Member = Member(name=name, nodeKey=nodeKey, roles=roles, dossier=dossier, contact=contact)
    self._checkMember(member)
    self._checkKey(nodeKey)
    self._require(self.members[msg.sender].name == empty(bytes32), ALREADY, convert(msg.sender, uint256))
    self._require(self.byName[name] == empty(address), NAME_TAKEN, convert(name, uint256))
    self.application[msg.sender] = member
    hash: bytes32 = keccak256(abi_encode(name, nodeKey, roles, dossier, contact))
    log Applied(account=msg.sender, name=name, nodeKey=nodeKey, roles=roles, dossier=dossier, contact=contact, application=hash)
    return hash

@external
@nonreentrant
def setContact(contact: String[128]):
    """Where the member's node is reached now; by its account, or by the node itself with its own key."""
    owner: address = self.byNodeKey[msg.sender]
    account: address = msg.sender if owner == empty(address) else owner
    self._known(account)
    self.members[account].contact = contact
    log ContactChanged(account=account, contact=contact)

@external
@nonreentrant
def leave():
    """Without a vote, after the delay: then anybody may call `depart`."""
    self._known(msg.sender)
    self._require(self.leaving[msg.sender] == 0, ALREADY, convert(msg.sender, uint256))
    delay: uint256 = self.param[LEAVING]
    moment: uint256 = block.timestamp + (7 * DAY if delay == 0 else delay)
    self.leaving[msg.sender] = moment
    log Leaving(account=msg.sender, moment=moment)

@external
@nonreentrant
def depart(account: address):
    """Ends a membership that its member has given up. One of the last four validators keeps its seat, and no role, until replaced."""
    member: Member = self._known(account)
    moment: uint256 = self.leaving[account]
    self._require(moment != 0, CLOSED, 0)
    self._require(block.timestamp >= moment, TOO_EARLY, moment)
    active: bool = self._isActive(member.nodeKey)
    if active and len(self.validator_list) <= 4:
        self._require(member.roles != 0, TOO_FEW, len(self.validator_list) - 1)
        self.members[account].roles = 0
        log RolesChanged(account=account, roles=0)
    else:
        if active:
            self._replace(member.nodeKey, empty(address))
        self._forget(account)
    self._checkManager()

@external
@nonreentrant
def enrol(account: address):
    """An account of the caller's users or devices: its transactions count against the caller's share of the pool."""
    self._known(msg.sender)
    taken: bool = self._memberOf(account) != empty(address)
    self._require(account != empty(address) and not taken, ALREADY, convert(account, uint256))
    self.enrolled[account] = msg.sender
    log Enrolled(account=account, member=msg.sender)

@external
@nonreentrant
def dismiss(account: address):
    """Ends an enrolment: by the member, or by the account itself."""
    member: address = self.enrolled[account]
    self._require(msg.sender == member or msg.sender == account, NOT_YOU, convert(member, uint256))
    self.enrolled[account] = empty(address)
    log Enrolled(account=account, member=empty(address))

# --- proposals and votes ---------------------------------------------------------------------------------------------------
@external
@nonreentrant
def propose(kind: uint256, payload: Bytes[4096]) -> uint256:
    """By any member. A payload that no vote could enact as it stands is refused when enacted, not here."""
    self._require(self.directory[GOVERNOR] == empty(address), GOVERNED, convert(self.directory[GOVERNOR], uint256))
    self._require(self._known(msg.sender).roles != 0, NOT_MEMBER, convert(msg.sender, uint256))
    self._require(kind >= ADMIT and kind <= DIRECTORY, BAD_PROPOSAL, kind)
    self.proposals += 1
    id: uint256 = self.proposals
    voting: uint256 = self.param[VOTING]
    until: uint256 = block.timestamp + (30 * DAY if voting == 0 else voting)
    self.proposal[id] = Proposal(kind=kind, proposer=msg.sender, until=until, state=1, payload=payload)
    log Proposed(proposal=id, proposer=msg.sender, kind=kind, payload=payload, until=until)
    return id

@external
@nonreentrant
def vote(id: uint256, yes: bool) -> bool:
    """By a manager, who may change its mind while the proposal is open. Returns whether this vote enacted it."""
    self._require(self.directory[GOVERNOR] == empty(address), GOVERNED, convert(self.directory[GOVERNOR], uint256))
    self._require(self.members[msg.sender].roles & MANAGER != 0, NOT_YOU, 0)
    proposal: Proposal = self.proposal[id]
    self._require(proposal.state == 1, CLOSED, proposal.state)
    self._require(block.timestamp < proposal.until, TOO_LATE, proposal.until)
    if self.ballot[id][msg.sender] == 0:
        self.voters[id].append(msg.sender)
    self.ballot[id][msg.sender] = 2 if yes else 1
    log Voted(proposal=id, manager=msg.sender, yes=yes)
    if not yes or self._yes(id) * 3 <= self._count(MANAGER) * 2:
        return False
    self.proposal[id].state = 2
    log Enacted(proposal=id, kind=proposal.kind)
    self._enact(proposal.kind, proposal.payload)
    return True

@internal
@view
def _yes(id: uint256) -> uint256:
    """Votes for it of those who are managers now."""
    n: uint256 = 0
    for account: address in self.voters[id]:
        if self.ballot[id][account] == 2 and self.members[account].roles & MANAGER != 0:
            n += 1
    return n

@external
@nonreentrant
def enact(kind: uint256, payload: Bytes[4096]):
    """By the governor, a successor of this contract's votes that a vote put into the directory."""
    governor: address = self.directory[GOVERNOR]
    self._require(msg.sender == governor, NOT_YOU, convert(governor, uint256))
    log Enacted(proposal=0, kind=kind)
    self._enact(kind, payload)

@internal
def _enact(kind: uint256, payload: Bytes[4096]):
    if kind == ADMIT:
        self._enactAdmit(payload)
    elif kind == REMOVE:
        account: address = empty(address)
        replacement: address = empty(address)
        account, replacement = abi_decode(payload, (address, address))
        self._vacate(self._known(account).nodeKey, replacement)
        self._forget(account)
        self._checkManager()
    elif kind == ROLES:
        self._enactRoles(payload)
    elif kind == ROTATE:
        self._enactRotate(payload)
    elif kind == PARAMETER:
        name: bytes32 = empty(bytes32)
        amount: uint256 = 0
        name, amount = abi_decode(payload, (bytes32, uint256))
        self._setParameter(name, amount)
    elif kind == FORK:
        self._enactFork(payload)
    elif kind == CALL:
        to: address = empty(address)
        data: Bytes[3936] = b""
        to, data = abi_decode(payload, (address, Bytes[3936]))
        self._require(to.is_contract, BAD_PROPOSAL, kind)
        raw_call(to, data)
    elif kind == DIRECTORY:
        name: bytes32 = empty(bytes32)
        to: address = empty(address)
        name, to = abi_decode(payload, (bytes32, address))
        self._setDirectory(name, to)
    else:
        self._require(False, BAD_PROPOSAL, kind)

@internal
def _enactAdmit(payload: Bytes[4096]):
    account: address = empty(address)
    hash: bytes32 = empty(bytes32)
    account, hash = abi_decode(payload, (address, bytes32))
    m: Member = self.application[account]
    same: bool = keccak256(abi_encode(m.name, m.nodeKey, m.roles, m.dossier, m.contact)) == hash
    self._require(same, CHANGED, convert(account, uint256))
    self._admit(account, m)

@internal
def _enactRoles(payload: Bytes[4096]):
    account: address = empty(address)
    roles: uint256 = 0
    replacement: address = empty(address)
    account, roles, replacement = abi_decode(payload, (address, uint256, address))
    self._require(roles != 0 and roles <= ALL_ROLES, BAD_ROLES, roles)
    member: Member = self._known(account)
    if roles & VALIDATOR == 0:
        self._vacate(member.nodeKey, replacement)
    else:
        self._require(replacement == empty(address), BAD_ROLES, roles)
    self.members[account].roles = roles
    log RolesChanged(account=account, roles=roles)
    self._checkManager()

@internal
def _enactRotate(payload: Bytes[4096]):
    account: address = empty(address)
    nodeKey: address = empty(address)
    account, nodeKey = abi_decode(payload, (address, address))
    before: address = self._known(account).nodeKey
    self._checkKey(nodeKey)
    if self._isActive(before):
        self._replace(before, nodeKey)
    self.byNodeKey[before] = empty(address)
    self.byNodeKey[nodeKey] = account
    self.members[account].nodeKey = nodeKey
    log KeyRotated(account=account, before=before, after=nodeKey)

@internal
def _enactFork(payload: Bytes[4096]):
    """At least an hour ahead, and never once the old time has passed: nodes already run by it."""
    index: uint256 = 0
    time: uint256 = 0
    index, time = abi_decode(payload, (uint256, uint256))
    self._require(index < 16 and time < 2**64, BAD_PROPOSAL, FORK)
    before: uint256 = convert(self.fork_times[index], uint256)
    self._require(before == 0 or block.timestamp < before, TOO_LATE, before)
    self._require(time == 0 or time >= block.timestamp + 3600, TOO_EARLY, block.timestamp + 3600)
    self.fork_times[index] = convert(time, uint64)
    log ForkScheduled(index=index, time=time)

@internal
@pure
def _bounds(name: bytes32) -> (uint256, uint256):
    """What a vote may set: the parameters of our own contracts; those of others are theirs to judge."""
    if name == GAS_TARGET:
        return 30_000_000, 1_000_000_000
    if name == VOTING or name == LEAVING:
        return 60, 365 * DAY
    if name == 0x696e636c7573696f6e0000000000000000000000000000000000000000000000:      # inclusion, seconds: Δ
        return 1, 3600
    if (name == 0x6772616365000000000000000000000000000000000000000000000000000000      # grace and answer, in inclusions
        or name == 0x616e737765720000000000000000000000000000000000000000000000000000):
        return 2, 100
    if name == 0x6c65767900000000000000000000000000000000000000000000000000000000:      # levy, 1/10000
        return 0, 1000
    return 0, max_value(uint256)

@internal
def _setParameter(name: bytes32, amount: uint256):
    least: uint256 = 0
    most: uint256 = 0
    least, most = self._bounds(name)
    if amount < least or amount > most:
        raw_revert(concat(OUT_OF_BOUNDS, convert(least, bytes32), convert(most, bytes32)))
    before: uint256 = self.param[name]
    self.param[name] = amount
    if name == GAS_TARGET:
        self.gas_target = amount
    log ParameterChanged(name=name, before=before, after=amount)

@internal
def _setDirectory(name: bytes32, to: address):
    before: address = self.directory[name]
    self.directory[name] = to
    if to != empty(address):
        self.isListed[to] = True
    log DirectoryChanged(name=name, before=before, after=to)

# --- views -----------------------------------------------------------------------------------------------------------------
@external
@view
def getValidators() -> DynArray[address, 100]:
    """The name that Besu calls."""
    return self.validator_list

@external
@view
def validators() -> DynArray[address, 100]:
    return self.validator_list

@external
@view
def gasTarget() -> uint256:
    return self.gas_target

@external
@view
def forkTime(index: uint256) -> uint256:
    return convert(self.fork_times[index], uint256)

@external
@view
def has(member: address, role: uint256) -> bool:
    return role != 0 and self.members[member].roles & role == role

@external
@view
def count(role: uint256) -> uint256:
    return self._count(role)

@external
@view
def member(account: address) -> Member:
    """Name 0: no member."""
    return self.members[account]

@external
@view
def memberByName(name: bytes32) -> (address, Member):
    account: address = self.byName[name]
    return account, self.members[account]

@external
@view
def memberCount() -> uint256:
    return len(self.memberList)

@external
@view
def memberAt(index: uint256) -> (address, Member):
    """Indices move when a member goes."""
    account: address = self.memberList[index]
    return account, self.members[account]

@external
@view
def nodeKeys() -> DynArray[address, 256]:
    """Who may connect."""
    keys: DynArray[address, 256] = []
    for account: address in self.memberList:
        keys.append(self.members[account].nodeKey)
    return keys

@internal
@view
def _memberOf(account: address) -> address:
    if self.members[account].name != empty(bytes32):
        return account
    if self.byNodeKey[account] != empty(address):
        return self.byNodeKey[account]
    member: address = self.enrolled[account]
    return member if self.members[member].name != empty(bytes32) else empty(address)

@external
@view
def memberOf(account: address) -> address:
    """The member itself, that of a node key, or the one that enrolled the account; 0: a guest."""
    return self._memberOf(account)

@external
@view
def tally(id: uint256) -> (uint256, uint256):
    """Votes for it of those who are managers now, and how many managers there are."""
    return self._yes(id), self._count(MANAGER)
