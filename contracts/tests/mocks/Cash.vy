# pragma version 0.4.3
"""Stands in for Cash: ERC-20 with permit; anybody mints, freezes an account's outgoing cash, or makes it refuse credits."""
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])
totalSupply: public(uint256)
frozen: public(HashMap[address, bool])
refuses: public(HashMap[address, bool])

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount
    self.totalSupply += amount

@external
def freeze(account: address, on: bool):
    self.frozen[account] = on

@external
def refuse(account: address, on: bool):
    self.refuses[account] = on

@internal
def _move(owner: address, to: address, amount: uint256):
    assert not self.frozen[owner] and not self.refuses[to]
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount

@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True

@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True

@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    self.allowance[owner][msg.sender] -= amount
    self._move(owner, to, amount)
    return True

@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    return keccak256(abi_encode(
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        keccak256("Cash"), keccak256("1"), chain.id, self))

@external
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    assert block.timestamp <= deadline
    inner: bytes32 = keccak256(abi_encode(
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
        owner, spender, amount, self.nonces[owner], deadline))
    signer: address = ecrecover(keccak256(concat(0x1901, staticcall Self(self).DOMAIN_SEPARATOR(), inner)), v, r, s)
    assert signer == owner and signer != empty(address)
    self.nonces[owner] += 1
    self.allowance[owner][spender] = amount

interface Self:
    def DOMAIN_SEPARATOR() -> bytes32: view
