# pragma version 0.4.3
"""Stands in for Grants: grants without levels, an object is open to a set of purposes or asks, uses held, spent, freed."""
struct Hold:
    listing: uint256
    owner: address
    group: bytes32
    object: bytes32
    grant: uint256

struct Grant:
    owner: address
    grantee: address
    object: bytes32
    purposes: uint256
    expires: uint256
    given: uint256
    left: uint256
    held: uint256
    used: uint256
    revoked: bool

grant: public(HashMap[uint256, Grant])
grants: public(uint256)
openTo: public(HashMap[address, HashMap[bytes32, uint256]])
heldBy: HashMap[address, HashMap[uint256, DynArray[uint256, 16]]]

@external
def setPolicy(object: bytes32, purposes: uint256):
    self.openTo[msg.sender][object] = purposes

@external
def give(grantee: address, object: bytes32, purposes: uint256, expires: uint256, uses: uint256) -> uint256:
    self.grants += 1
    self.grant[self.grants] = Grant(owner=msg.sender, grantee=grantee, object=object, purposes=purposes, expires=expires,
        given=uses, left=uses, held=0, used=0, revoked=False)
    return self.grants

@external
def revoke(id: uint256):
    assert self.grant[id].owner == msg.sender
    self.grant[id].revoked = True

@external
@view
def isLive(grant: uint256) -> bool:
    return not self.grant[grant].revoked and block.timestamp < self.grant[grant].expires

@external
def hold(job: uint256, requester: address, purpose: uint256, program: bytes32, holds: DynArray[Hold, 16]):
    assert len(self.heldBy[msg.sender][job]) == 0
    for h: Hold in holds:
        if self.openTo[h.owner][h.object] & purpose != 0:
            assert h.grant == 0, "no grant needed"
            continue
        g: Grant = self.grant[h.grant]
        assert h.grant != 0 and g.owner == h.owner and g.grantee == requester and g.object == h.object, "no consent"
        assert g.purposes & purpose != 0 and block.timestamp < g.expires and not g.revoked and g.left > 0, "no consent"
        self.grant[h.grant].left -= 1
        self.grant[h.grant].held += 1
        self.heldBy[msg.sender][job].append(h.grant)

@external
def spend(job: uint256, output: bytes32):
    for id: uint256 in self.heldBy[msg.sender][job]:
        self.grant[id].held -= 1
        self.grant[id].used += 1
    self.heldBy[msg.sender][job] = []

@external
def free(job: uint256):
    for id: uint256 in self.heldBy[msg.sender][job]:
        self.grant[id].held -= 1
        self.grant[id].left += 1
    self.heldBy[msg.sender][job] = []
