# pragma version 0.4.3
# pragma evm-version prague
"""
Cash: the settlement unit, issued and redeemed by the banks of the alliance. ERC-20 with permit (EIP-2612), two decimals.

Law: sum of balances = total supply = sum of the banks' liabilities. The receiving side meets no condition at all, so that no payee
can block a payment; a regulator's hold stops what leaves an account, never a contract of the alliance (job-protocol §6).
"""
from interfaces import ICash
from interfaces import IConsortium

implements: ICash

CONSORTIUM: constant(address) = 0xe47E47E000000000000000000000000000000001
BANK: constant(uint256) = 16
REGULATOR: constant(uint256) = 32

name: public(constant(String[16])) = "Entente Cash"
symbol: public(constant(String[4])) = "ENTC"
decimals: public(constant(uint8)) = 2

DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
PERMIT_TYPE: constant(bytes32) = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
NAME_HASH: constant(bytes32) = keccak256("Entente Cash")
VERSION_HASH: constant(bytes32) = keccak256("1")
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])
totalSupply: public(uint256)
liability: public(HashMap[address, uint256])        # bank -> what it owes for units it issued
isFrozen: public(HashMap[address, bool])

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    amount: uint256

event Issued:
    bank: indexed(address)
    to: indexed(address)
    amount: uint256
    memo: bytes32

event Redeemed:
    bank: indexed(address)
    holder: indexed(address)
    amount: uint256
    memo: bytes32

event Payment:
    payer: indexed(address)
    payee: indexed(address)
    ref: indexed(bytes32)
    amount: uint256
    memo: bytes32

event Frozen:
    account: indexed(address)
    on: bool
    order: bytes32

NOT_YOU: constant(bytes4) = method_id("NotYou(address)", output_type=bytes4)                    # expected; 0: nobody in particular
FROZEN: constant(bytes4) = method_id("Frozen(address)", output_type=bytes4)                     # account
LISTED: constant(bytes4) = method_id("Listed(address)", output_type=bytes4)                     # a contract of the alliance
BALANCE_TOO_SMALL: constant(bytes4) = method_id("BalanceTooSmall(uint256)", output_type=bytes4)         # what there is
ALLOWANCE_TOO_SMALL: constant(bytes4) = method_id("AllowanceTooSmall(uint256)", output_type=bytes4)     # what there is
LIABILITY_TOO_SMALL: constant(bytes4) = method_id("LiabilityTooSmall(uint256)", output_type=bytes4)     # what there is
TOO_LATE: constant(bytes4) = method_id("TooLate(uint256)", output_type=bytes4)                  # moment
BAD_SIGNATURE: constant(bytes4) = method_id("BadSignature(uint256)", output_type=bytes4)        # index
BAD_COUNT: constant(bytes4) = method_id("BadCount()", output_type=bytes4)

@internal
@pure
def _require(ok: bool, error: bytes4, fact: uint256):
    if not ok:
        raw_revert(concat(error, convert(fact, bytes32)))

# --- ERC-20 ----------------------------------------------------------------------------------------------------------------
@internal
@view
def _debitable(owner: address, amount: uint256) -> uint256:
    """What is left to the owner after `amount` left it."""
    if self.isFrozen[owner]:        # a contract of the alliance holds the cash of others: an escrow is never stranded
        self._require(staticcall IConsortium(CONSORTIUM).isListed(owner), FROZEN, convert(owner, uint256))
    balance: uint256 = self.balanceOf[owner]
    self._require(balance >= amount, BALANCE_TOO_SMALL, balance)
    return balance - amount

@internal
def _move(owner: address, to: address, amount: uint256):
    self.balanceOf[owner] = self._debitable(owner, amount)
    self.balanceOf[to] += amount
    log Transfer(sender=owner, receiver=to, amount=amount)

@external
@nonreentrant
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True

@external
@nonreentrant
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    log Approval(owner=msg.sender, spender=spender, amount=amount)
    return True

@external
@nonreentrant
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    allowed: uint256 = self.allowance[owner][msg.sender]
    self._require(allowed >= amount, ALLOWANCE_TOO_SMALL, allowed)
    if allowed != max_value(uint256):
        self.allowance[owner][msg.sender] = allowed - amount
    self._move(owner, to, amount)
    return True

@internal
@view
def _domain() -> bytes32:
    return keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, self))

@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain()

@external
@nonreentrant
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    self._require(block.timestamp <= deadline, TOO_LATE, deadline)
    nonce: uint256 = self.nonces[owner]
    message: bytes32 = keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline))
    digest: bytes32 = keccak256(concat(0x1901, self._domain(), message))
    signer: address = ecrecover(digest, v, r, s)
    ok: bool = signer == owner and signer != empty(address) and convert(s, uint256) <= HALF_ORDER and (v == 27 or v == 28)
    self._require(ok, BAD_SIGNATURE, 0)
    self.nonces[owner] = nonce + 1
    self.allowance[owner][spender] = amount
    log Approval(owner=owner, spender=spender, amount=amount)

@external
@nonreentrant
def pay(payees: DynArray[address, 64], amounts: DynArray[uint256, 64], memos: DynArray[bytes32, 64], ref: bytes32):
    """All or nothing. `ref` names what is paid: an invoice, a contract, a case."""
    self._require(len(payees) == len(amounts) and len(payees) == len(memos), BAD_COUNT, 0)
    for i: uint256 in range(len(payees), bound=64):
        self._move(msg.sender, payees[i], amounts[i])
        log Payment(payer=msg.sender, payee=payees[i], ref=ref, amount=amounts[i], memo=memos[i])

# --- banks and the regulator -----------------------------------------------------------------------------------------------
@external
@nonreentrant
def issue(to: address, amount: uint256, memo: bytes32):
    """A bank's promise to pay, as cash."""
    self._require(staticcall IConsortium(CONSORTIUM).has(msg.sender, BANK), NOT_YOU, 0)
    self.totalSupply += amount
    self.liability[msg.sender] += amount
    self.balanceOf[to] += amount
    log Transfer(sender=empty(address), receiver=to, amount=amount)
    log Issued(bank=msg.sender, to=to, amount=amount, memo=memo)

@external
@nonreentrant
def redeem(bank: address, amount: uint256, memo: bytes32):
    """A holder gives cash back for the bank's payment outside. A bank that lost its role still owes what it issued."""
    owed: uint256 = self.liability[bank]
    self._require(owed >= amount, LIABILITY_TOO_SMALL, owed)
    self.balanceOf[msg.sender] = self._debitable(msg.sender, amount)
    self.liability[bank] = owed - amount
    self.totalSupply -= amount
    log Transfer(sender=msg.sender, receiver=empty(address), amount=amount)
    log Redeemed(bank=bank, holder=msg.sender, amount=amount, memo=memo)

@external
@nonreentrant
def freeze(account: address, on: bool, order: bytes32):
    """Stops what leaves an account, or lets it flow again. `order`: hash of the court's or authority's order."""
    self._require(staticcall IConsortium(CONSORTIUM).has(msg.sender, REGULATOR), NOT_YOU, 0)
    self._require(not (on and staticcall IConsortium(CONSORTIUM).isListed(account)), LISTED, convert(account, uint256))
    self.isFrozen[account] = on
    log Frozen(account=account, on=on, order=order)
