# pragma version 0.4.3
# pragma evm-version prague
"""
Identity: as whom an account is known. Hashes and status only: documents and credentials themselves travel off chain.

Every account controls its own document and keys. Who may attest a topic is decided by the Consortium; a credential counts while its
issuer is trusted in its topic, it is not revoked and has not expired.
"""
from interfaces import IIdentity

implements: IIdentity

CONSORTIUM: constant(address) = 0xe47E47E000000000000000000000000000000001

struct Credential:
    hash: bytes32
    expires: uint256

document: public(HashMap[address, bytes32])                                         # hash of the DID document; 0: none
key: public(HashMap[address, HashMap[bytes32, bytes32]])                            # kind ("x25519", …) -> key, or hash of a longer one
issuers: HashMap[bytes32, DynArray[address, 16]]                                    # topic -> who is trusted in it
isTrusted: public(HashMap[bytes32, HashMap[address, bool]])
credential: public(HashMap[address, HashMap[bytes32, HashMap[address, Credential]]])    # subject, topic, issuer

event DocumentSet:
    subject: indexed(address)
    hash: bytes32

event KeySet:
    subject: indexed(address)
    kind: indexed(bytes32)
    key: bytes32

event IssuerSet:
    topic: indexed(bytes32)
    issuer: indexed(address)
    on: bool

event Anchored:
    subject: indexed(address)
    topic: indexed(bytes32)
    issuer: indexed(address)
    hash: bytes32
    expires: uint256

event CredentialRevoked:
    subject: indexed(address)
    topic: indexed(bytes32)
    issuer: indexed(address)
    hash: bytes32
    reason: bytes32

NOT_YOU: constant(bytes4) = method_id("NotYou(address)", output_type=bytes4)        # expected; 0: nobody in particular
CLOSED: constant(bytes4) = method_id("Closed(uint256)", output_type=bytes4)         # state: 0 no such credential
BAD_TERMS: constant(bytes4) = method_id("BadTerms(uint256)", output_type=bytes4)    # the earliest moment, or 0

@internal
@pure
def _require(ok: bool, error: bytes4, fact: uint256):
    if not ok:
        raw_revert(concat(error, convert(fact, bytes32)))

@external
@nonreentrant
def setDocument(hash: bytes32):
    self.document[msg.sender] = hash
    log DocumentSet(subject=msg.sender, hash=hash)

@external
@nonreentrant
def setKey(kind: bytes32, key: bytes32):
    """0 takes it back."""
    self.key[msg.sender][kind] = key
    log KeySet(subject=msg.sender, kind=kind, key=key)

@external
@nonreentrant
def setIssuer(topic: bytes32, issuer: address, on: bool):
    """By a vote of the Consortium. At most 16 issuers a topic."""
    self._require(msg.sender == CONSORTIUM, NOT_YOU, convert(CONSORTIUM, uint256))
    self._require(topic != empty(bytes32) and issuer != empty(address), BAD_TERMS, 0)
    if self.isTrusted[topic][issuer] != on:
        self.isTrusted[topic][issuer] = on
        if on:
            self.issuers[topic].append(issuer)
        else:
            kept: DynArray[address, 16] = []
            for other: address in self.issuers[topic]:
                if other != issuer:
                    kept.append(other)
            self.issuers[topic] = kept
    log IssuerSet(topic=topic, issuer=issuer, on=on)

@external
@nonreentrant
def anchor(subject: address, topic: bytes32, hash: bytes32, expires: uint256):
    """By an issuer trusted in the topic. Its newest credential replaces the one before."""
    self._require(self.isTrusted[topic][msg.sender], NOT_YOU, 0)
    self._require(subject != empty(address) and hash != empty(bytes32), BAD_TERMS, 0)
    self._require(block.timestamp < expires, BAD_TERMS, block.timestamp + 1)
    self.credential[subject][topic][msg.sender] = Credential(hash=hash, expires=expires)
    log Anchored(subject=subject, topic=topic, issuer=msg.sender, hash=hash, expires=expires)

@external
@nonreentrant
def revoke(subject: address, topic: bytes32, reason: bytes32):
    """By its issuer, trusted or no more."""
    hash: bytes32 = self.credential[subject][topic][msg.sender].hash
    self._require(hash != empty(bytes32), CLOSED, 0)
    self.credential[subject][topic][msg.sender] = empty(Credential)
    log CredentialRevoked(subject=subject, topic=topic, issuer=msg.sender, hash=hash, reason=reason)

@internal
@view
def _holds(subject: address, topic: bytes32, issuer: address) -> bool:
    return self.isTrusted[topic][issuer] and block.timestamp < self.credential[subject][topic][issuer].expires

@external
@view
def holds(subject: address, topic: bytes32, issuer: address = empty(address)) -> bool:
    if issuer != empty(address):
        return self._holds(subject, topic, issuer)
    for trusted: address in self.issuers[topic]:
        if self._holds(subject, topic, trusted):
            return True
    return False

@external
@view
def issuersOf(topic: bytes32) -> DynArray[address, 16]:
    return self.issuers[topic]
