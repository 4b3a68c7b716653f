# pragma version 0.4.3
"""Stands in for Identity: anybody sets who holds what."""
holds: public(HashMap[address, HashMap[bytes32, bool]])

@external
def set(subject: address, topic: bytes32, on: bool):
    self.holds[subject][topic] = on
