# pragma version 0.4.3
# pragma evm-version prague
"""
Records: who claimed what and when, what it came from, who endorses or disputes it.

A record is the root of a Merkle tree: leaf = keccak256(0x00 . author . schema . commitment), node = keccak256(0x01 . left . right), the
last of an odd level goes up unchanged (RFC 9162 §2.1). A single record is a tree of one leaf. The author lies inside the leaf, so a
root copied from the pool claims nothing for the copier; an id is keccak256(author, root), so the copier does not stand in the way.
"""
DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
ENDORSEMENT_TYPE: constant(bytes32) = keccak256(
    "Endorsement(bytes32 record,address endorser,uint8 verdict,bytes32 statement,uint256 nonce,uint256 deadline)")
NAME_HASH: constant(bytes32) = keccak256("Entente Records")
VERSION_HASH: constant(bytes32) = keccak256("1")
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

struct Record:
    author: address
    time: uint256           # seconds; 0: no such record
    root: bytes32
    count: uint256          # leaves
    withdrawn: uint256      # seconds; 0: it stands

struct Endorsement:
    verdict: uint256        # 0 none, 1 endorsed, 2 disputed
    statement: bytes32      # hash of what the endorser says
    time: uint256

recordOf: public(HashMap[bytes32, Record])
endorsement: public(HashMap[bytes32, HashMap[address, Endorsement]])
nonces: public(HashMap[address, uint256])           # of endorsements, signed or sent

event Recorded:
    record: indexed(bytes32)
    author: indexed(address)
    schema: indexed(bytes32)
    root: bytes32
    count: uint256
    uri: String[256]

event Linked:
    record: indexed(bytes32)
    parent: indexed(bytes32)
    relation: indexed(bytes32)

event Endorsed:
    record: indexed(bytes32)
    endorser: indexed(address)
    verdict: uint256
    statement: bytes32

event Withdrawn:
    record: indexed(bytes32)
    author: indexed(address)
    reason: bytes32

NOT_YOU: constant(bytes4) = method_id("NotYou(address)", output_type=bytes4)                # expected; 0: anybody else
CLOSED: constant(bytes4) = method_id("Closed(uint256)", output_type=bytes4)                 # state: 0 none, 1 recorded, 2 withdrawn
UNKNOWN_RECORD: constant(bytes4) = method_id("UnknownRecord(bytes32)", output_type=bytes4)
BAD_TERMS: constant(bytes4) = method_id("BadTerms(uint256)", output_type=bytes4)
BAD_SIGNATURE: constant(bytes4) = method_id("BadSignature(uint256)", output_type=bytes4)    # index
TOO_LATE: constant(bytes4) = method_id("TooLate(uint256)", output_type=bytes4)              # moment

@internal
@pure
def _require(ok: bool, error: bytes4, fact: uint256):
    if not ok:
        raw_revert(concat(error, convert(fact, bytes32)))

# --- claims ----------------------------------------------------------------------------------------------------------------
@internal
@pure
def _leaf(author: address, schema: bytes32, commitment: bytes32) -> bytes32:
    return keccak256(concat(0x00, convert(author, bytes20), schema, commitment))

@internal
@pure
def _id(author: address, root: bytes32) -> bytes32:
    return keccak256(abi_encode(author, root))

@internal
def _link(id: bytes32, parents: DynArray[bytes32, 16], relation: bytes32):
    for parent: bytes32 in parents:
        self._require(self.recordOf[parent].time != 0, UNKNOWN_RECORD, convert(parent, uint256))
        log Linked(record=id, parent=parent, relation=relation)

@internal
def _record(author: address, root: bytes32, schema: bytes32, count: uint256, parents: DynArray[bytes32, 16], relation: bytes32,
            uri: String[256]) -> bytes32:
    id: bytes32 = self._id(author, root)
    self._require(self.recordOf[id].time == 0, CLOSED, 1)
    self._link(id, parents, relation)
    self.recordOf[id] = Record(author=author, time=block.timestamp, root=root, count=count, withdrawn=0)
    log Recorded(record=id, author=author, schema=schema, root=root, count=count, uri=uri)
    return id

@external
@nonreentrant
def record(schema: bytes32, commitment: bytes32, parents: DynArray[bytes32, 16], relation: bytes32, uri: String[256]) -> bytes32:
    """One thing: the root is its leaf. `relation` says what it is to its parents. Returns the id."""
    return self._record(msg.sender, self._leaf(msg.sender, schema, commitment), schema, 1, parents, relation, uri)

@external
@nonreentrant
def recordBatch(root: bytes32, count: uint256, schema: bytes32, parents: DynArray[bytes32, 16], relation: bytes32,
                uri: String[256]) -> bytes32:
    """Up to 2^32 things of one schema, the author's address in every leaf. Returns the id."""
    self._require(root != empty(bytes32) and 1 < count and count <= 2**32, BAD_TERMS, 0)
    return self._record(msg.sender, root, schema, count, parents, relation, uri)

@external
@nonreentrant
def relate(id: bytes32, parents: DynArray[bytes32, 16], relation: bytes32):
    """Further relations of the caller's own record."""
    self._standing(id)
    author: address = self.recordOf[id].author
    self._require(msg.sender == author, NOT_YOU, convert(author, uint256))
    self._link(id, parents, relation)

@external
@nonreentrant
def withdraw(id: bytes32, reason: bytes32):
    """It stays on record that it was claimed, and that its author no longer stands by it."""
    self._standing(id)
    author: address = self.recordOf[id].author
    self._require(msg.sender == author, NOT_YOU, convert(author, uint256))
    self.recordOf[id].withdrawn = block.timestamp
    log Withdrawn(record=id, author=author, reason=reason)

@internal
@view
def _standing(id: bytes32):
    self._require(self.recordOf[id].time != 0, UNKNOWN_RECORD, convert(id, uint256))
    self._require(self.recordOf[id].withdrawn == 0, CLOSED, 2)

# --- endorsements and disputes ---------------------------------------------------------------------------------------------
@internal
def _endorse(id: bytes32, endorser: address, verdict: uint256, statement: bytes32):
    self._standing(id)
    self._require(endorser != self.recordOf[id].author, NOT_YOU, 0)
    self._require(verdict == 1 or verdict == 2, BAD_TERMS, verdict)
    self.nonces[endorser] += 1          # so that nothing signed before speaks again after it
    self.endorsement[id][endorser] = Endorsement(verdict=verdict, statement=statement, time=block.timestamp)
    log Endorsed(record=id, endorser=endorser, verdict=verdict, statement=statement)

@external
@nonreentrant
def endorse(id: bytes32, verdict: uint256, statement: bytes32):
    """Verdict 1 endorses, 2 disputes. By anyone but the author; the latest word counts."""
    self._endorse(id, msg.sender, verdict, statement)

@external
@nonreentrant
def endorseSigned(id: bytes32, endorser: address, verdict: uint256, statement: bytes32, deadline: uint256, signature: Bytes[65]):
    """The same, signed off line (EIP-712 Endorsement with the endorser's next nonce) and sent by anybody."""
    self._require(block.timestamp <= deadline, TOO_LATE, deadline)
    self._require(len(signature) == 65 and verdict < 256, BAD_SIGNATURE, 0)
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, self))
    message: bytes32 = keccak256(abi_encode(ENDORSEMENT_TYPE, id, endorser, verdict, statement, self.nonces[endorser], deadline))
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    signer: address = ecrecover(keccak256(concat(0x1901, domain, message)), v, extract32(signature, 0, output_type=uint256), s)
    ok: bool = signer == endorser and signer != empty(address) and s <= HALF_ORDER and (v == 27 or v == 28)
    self._require(ok, BAD_SIGNATURE, 0)
    self._endorse(id, endorser, verdict, statement)

# --- views -----------------------------------------------------------------------------------------------------------------
@external
@pure
def leaf(author: address, schema: bytes32, commitment: bytes32) -> bytes32:
    return self._leaf(author, schema, commitment)

@external
@view
def verify(author: address, schema: bytes32, commitment: bytes32, sides: uint256, proof: DynArray[bytes32, 32]) -> (bool, bytes32):
    """
    Whether this author recorded it, and under which id. Bit k of `sides` is set where proof[k] stands on the left. A record
    that was withdrawn is still recorded: `recordOf` says so.
    """
    node: bytes32 = self._leaf(author, schema, commitment)
    for k: uint256 in range(len(proof), bound=32):
        if sides >> k & 1 == 1:
            node = keccak256(concat(0x01, proof[k], node))
        else:
            node = keccak256(concat(0x01, node, proof[k]))
    id: bytes32 = self._id(author, node)
    return self.recordOf[id].time != 0, id
