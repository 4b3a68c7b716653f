"""Law L1 for the cash itself: balances, supply and the banks' liabilities agree; nobody moves another's cash; a hold stops what leaves."""
import random

import pytest
from alliance import *
from eth_account.messages import encode_typed_data

PEOPLE = [account(n) for n in range(4)]      # the founders, who are all bank and regulator
REFS = [word("invoice"), NOTHING]


class Broken(AssertionError):
    """A law does not hold."""


def law(holds, text):
    if not holds:
        raise Broken(text)


def signed_permit(world, n, spender, amount, deadline, nonce, **domain):
    message = encode_typed_data(
        domain_data=dict(name="Entente Cash", version="1", chainId=world.env.evm.chain.chain_id, verifyingContract=AT["Cash"]) | domain,
        message_types=dict(Permit=[dict(name=f, type=t) for f, t in (("owner", "address"), ("spender", "address"), ("value", "uint256"),
                                                                     ("nonce", "uint256"), ("deadline", "uint256"))]),
        message_data=dict(owner=account(n), spender=spender, value=amount, nonce=nonce, deadline=deadline))
    s = signer(n).sign_message(message)
    return s.v, s.r.to_bytes(32, "big"), s.s.to_bytes(32, "big")


def wander(bug=None, seed=1, steps=200):
    world, choose = Alliance(bug=bug), random.Random(seed)
    c, people = world.cash, [*PEOPLE, MARKET, account(9)]
    balance, liability, allowance, frozen = {}, {}, {}, set()
    at = lambda map, key: map.get(key, 0)
    for _ in range(steps):
        who, other, third = (choose.choice(people) for _ in range(3))
        amount = choose.choice([0, 1, 5, 100, at(balance, who), at(balance, other) + 1])
        kind = choose.choice("issue issue redeem transfer transfer approve transferFrom pay freeze".split())
        if kind == "transferFrom" and allowance and choose.random() < 0.7:
            other, who = choose.choice(sorted(allowance))
        stopped = lambda a: a in frozen and a != MARKET
        if kind == "issue":
            done, _ = attempt(c.issue, other, amount, NOTHING, sender=who)
            law(done == (who in PEOPLE), "only banks issue")
            if done:
                balance[other], liability[who] = at(balance, other) + amount, at(liability, who) + amount
        elif kind == "redeem":
            done, _ = attempt(c.redeem, other, amount, NOTHING, sender=who)
            law(done == (at(balance, who) >= amount and at(liability, other) >= amount and not stopped(who)), "redeem")
            if done:
                balance[who], liability[other] = at(balance, who) - amount, at(liability, other) - amount
        elif kind == "transfer":
            done, _ = attempt(c.transfer, other, amount, sender=who)
            law(done == (at(balance, who) >= amount and not stopped(who)), "a holder moves what it has, unless held")
            if done:
                balance[who] = at(balance, who) - amount
                balance[other] = at(balance, other) + amount
        elif kind == "approve":
            amount = choose.choice([amount, 2**256 - 1])
            c.approve(other, amount, sender=who)
            allowance[who, other] = amount
        elif kind == "transferFrom":
            done, _ = attempt(c.transferFrom, other, third, amount, sender=who)
            law(done == (at(balance, other) >= amount and at(allowance, (other, who)) >= amount and not stopped(other)), "no more than allowed")
            if done:
                if allowance.get((other, who)) not in (None, 2**256 - 1):
                    allowance[other, who] -= amount
                balance[other] = at(balance, other) - amount
                balance[third] = at(balance, third) + amount
        elif kind == "pay":
            payees, amounts = [other, third], [amount, choose.choice([0, 3])]
            done, _ = attempt(c.pay, payees, amounts, [NOTHING] * 2, choose.choice(REFS), sender=who)
            possible = at(balance, who) >= amounts[0] and at(balance, who) - (amounts[0] if other != who else 0) >= amounts[1]
            law(done == (possible and not stopped(who)), "pay is all or nothing")
            for payee, part in zip(payees, amounts) if done else ():
                balance[who] = at(balance, who) - part
                balance[payee] = at(balance, payee) + part
        else:
            on = choose.random() < 0.5
            done, _ = attempt(c.freeze, other, on, NOTHING, sender=who)
            law(done == (who in PEOPLE and not (on and other == MARKET)), "the regulator holds accounts, not contracts of the alliance")
            if done:
                (frozen.add if on else frozen.discard)(other)
        sums = [sum(c.balanceOf(p) for p in people), sum(c.liability(p) for p in people), c.totalSupply()]
        law(sums == [sum(balance.values()), sum(liability.values()), sum(balance.values())] and sums[0] == sums[1], f"L1: {sums}")
        law(c.allowance(other, who) == at(allowance, (other, who)), "an allowance is used up")
        law(all(c.balanceOf(p) == at(balance, p) for p in (who, other, third)), "everybody has what it was given")


def test_laws_hold_whatever_is_called_by_whomever():
    for seed in range(3):
        wander(seed=seed)


@pytest.mark.parametrize("bug", [
    ("    self.liability[msg.sender] += amount\n", ""),                                                       # cash without a debt
    ("    self.liability[bank] = owed - amount\n", ""),                                                       # a debt without cash
    ("    self.totalSupply -= amount\n", ""),
    ("    self.balanceOf[to] += amount\n    log Transfer(sender=owner", "    self.balanceOf[to] = amount\n    log Transfer(sender=owner"),
    ("        self.allowance[owner][msg.sender] = allowed - amount\n", "        pass\n"),                       # an allowance that lasts
    ("    self._require(allowed >= amount, ALLOWANCE_TOO_SMALL, allowed)\n    if allowed != max_value(uint256):\n", "    if False:\n"),
    ("    if self.isFrozen[owner]:", "    if False:"),                                                        # holds nothing
    ("    self.balanceOf[msg.sender] = self._debitable(msg.sender, amount)\n    self.liability", "    self.balanceOf[msg.sender] -= amount\n    self.liability"),
    ("    self._require(not (on and staticcall IConsortium(CONSORTIUM).isListed(account)), LISTED, convert(account, uint256))\n", ""),
    ("    self._require(staticcall IConsortium(CONSORTIUM).has(msg.sender, BANK), NOT_YOU, 0)\n", ""),
], ids=lambda bug: bug[0].strip().split("\n")[0][:60])
def test_laws_catch_the_seeded_bug(bug):
    with pytest.raises(Broken):
        for seed in range(4):
            wander(("Cash", *bug), seed, 250)


def permit_laws(bug=None):
    world = Alliance(bug=bug)
    c, spender, deadline = world.cash, account(20), world.now + 60
    v, r, s = signed_permit(world, 5, spender, 70, deadline, 0)
    high = (0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - int.from_bytes(s, "big")).to_bytes(32, "big")
    tried = lambda owner, amount, *signature: attempt(c.permit, owner, spender, amount, deadline, *signature, sender=spender)[0]
    law(not tried(account(5), 71, v, r, s) and not tried(account(6), 70, v, r, s), "a permit says who and how much")
    law(not tried(account(5), 70, 55 - v, r, high), "high s is malleable")
    law(not tried(ZERO, 70, 29, r, s), "a signature that recovers nobody allows nothing")
    law(not tried(account(5), 70, *signed_permit(world, 5, spender, 70, deadline, 0, verifyingContract=AT["Records"])), "domain")
    law(tried(account(5), 70, v, r, s) and c.allowance(account(5), spender) == 70 and c.nonces(account(5)) == 1, "a permit permits")
    law(not tried(account(5), 70, v, r, s), "once")
    world.pass_time(61)
    law(not tried(account(5), 70, *signed_permit(world, 5, spender, 70, deadline, 1)), "in time")


def test_permit_as_wallets_sign_it():
    permit_laws()


@pytest.mark.parametrize("bug", [
    (" and convert(s, uint256) <= HALF_ORDER", ""),
    (" and signer != empty(address)", ""),
    ("    self.nonces[owner] = nonce + 1\n", ""),
    ("    self._require(block.timestamp <= deadline, TOO_LATE, deadline)\n", ""),
    ("signer == owner and", "True and"),
], ids=lambda bug: bug[0].strip()[:60])
def test_permit_laws_catch_the_seeded_bug(bug):
    bug = ("and signer != empty(address) and convert(s, uint256) <= HALF_ORDER and (v == 27 or v == 28)", "") if "empty" in bug[0] else bug
    with pytest.raises(Broken):
        permit_laws(("Cash", *bug))
