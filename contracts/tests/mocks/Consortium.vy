# pragma version 0.4.3
"""Stands in for Consortium: roles, parameters and directory are set by anybody."""
roles: HashMap[address, HashMap[uint256, bool]]
count: public(HashMap[uint256, uint256])
param: public(HashMap[bytes32, uint256])
directory: public(HashMap[bytes32, address])

@external
def setRole(member: address, role: uint256, on: bool):
    if self.roles[member][role] != on:
        self.count[role] = self.count[role] + 1 if on else self.count[role] - 1
    self.roles[member][role] = on

@external
def setParam(name: bytes32, amount: uint256):
    self.param[name] = amount

@external
def setDirectory(name: bytes32, to: address):
    self.directory[name] = to

@external
@view
def has(member: address, role: uint256) -> bool:
    return self.roles[member][role]
