"""Cash under random calls by banks, holders and outsiders: balances, supply and the banks' liabilities agree; a hold stops what leaves."""
import random

from alliance import *
from eth_account.messages import encode_typed_data

PEOPLE = [account(n) for n in range(4)]      # the founders, who are all bank and regulator
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
FIELDS = (("owner", "address"), ("spender", "address"), ("value", "uint256"), ("nonce", "uint256"), ("deadline", "uint256"))


def signed_permit(world, n, spender, amount, deadline, nonce, **domain):
    message = encode_typed_data(
        domain_data=dict(name="Entente Cash", version="1", chainId=world.env.evm.chain.chain_id, verifyingContract=AT["Cash"]) | domain,
        message_types=dict(Permit=[dict(name=f, type=t) for f, t in FIELDS]),
        message_data=dict(owner=account(n), spender=spender, value=amount, nonce=nonce, deadline=deadline))
    s = signer(n).sign_message(message)
    return s.v, s.r.to_bytes(32, "big"), s.s.to_bytes(32, "big")


def walk(seed, contract=None, code=None, steps=200):
    world, choose = Alliance(contract=contract, code=code), random.Random(seed)
    c, people = world.cash, [*PEOPLE, MARKET, account(9)]
    balance, liability, allowance, frozen, nonces = {}, {}, {}, set(), {}
    at = lambda map, key: map.get(key, 0)
    for _ in range(steps):
        who, other, third = (choose.choice(people) for _ in range(3))
        amount = choose.choice([0, 1, 5, 100, at(balance, who), at(balance, who) + 1, at(balance, other) + 1])
        kind = choose.choice("issue issue redeem transfer transfer approve transferFrom pay freeze permit".split())
        if kind == "transferFrom" and allowance and choose.random() < 0.7:
            other, who = choose.choice(sorted(allowance))
        stopped = lambda a: a in frozen and a != MARKET
        if kind == "issue":
            done, _ = attempt(c.issue, other, amount, NOTHING, sender=who)
            law("K2", done == (who in PEOPLE), "only banks issue")
            if done:
                balance[other], liability[who] = at(balance, other) + amount, at(liability, who) + amount
        elif kind == "redeem":
            done, _ = attempt(c.redeem, other, amount, NOTHING, sender=who)
            enough = at(balance, who) >= amount and at(liability, other) >= amount
            law("K4" if enough else "K1", done == (enough and not stopped(who)), "redeem")
            if done:
                balance[who], liability[other] = at(balance, who) - amount, at(liability, other) - amount
        elif kind == "transfer":
            done, _ = attempt(c.transfer, other, amount, sender=who)
            law("K4", done == (at(balance, who) >= amount and not stopped(who)), "a holder moves what it has, unless held")
            if done:
                balance[who] = at(balance, who) - amount
                balance[other] = at(balance, other) + amount
        elif kind == "approve":
            amount = choose.choice([amount, 2**256 - 1])
            c.approve(other, amount, sender=who)
            allowance[who, other] = amount
        elif kind == "transferFrom":
            done, _ = attempt(c.transferFrom, other, third, amount, sender=who)
            allowed = at(allowance, (other, who)) >= amount
            law("K4" if allowed else "K3", done == (at(balance, other) >= amount and allowed and not stopped(other)), "no more than allowed")
            if done:
                if allowance.get((other, who)) not in (None, 2**256 - 1):
                    allowance[other, who] -= amount
                balance[other] = at(balance, other) - amount
                balance[third] = at(balance, third) + amount
        elif kind == "pay":
            payees, amounts = [other, third], [amount, choose.choice([0, 3])]
            done, _ = attempt(c.pay, payees, amounts, [NOTHING] * 2, word("invoice"), sender=who)
            possible = at(balance, who) >= amounts[0] and at(balance, who) - (amounts[0] if other != who else 0) >= amounts[1]
            law("K4", done == (possible and not stopped(who)), "pay is all or nothing")
            for payee, part in zip(payees, amounts) if done else ():
                balance[who] = at(balance, who) - part
                balance[payee] = at(balance, payee) + part
        elif kind == "freeze":
            on = choose.random() < 0.5
            done, _ = attempt(c.freeze, other, on, NOTHING, sender=who)
            law("K4", done == (who in PEOPLE and not (on and other == MARKET)), "the regulator holds accounts, not contracts of the alliance")
            if done:
                (frozen.add if on else frozen.discard)(other)
        else:
            n, spender, deadline = choose.randrange(4), choose.choice(people), world.now + choose.choice((-1, 0, 60))
            who, other, third = account(n), spender, who
            nonce = at(nonces, who) - choose.choice((0, 0, 0, 1))
            wrong = choose.choice((None, None, "owner", "amount", "high", "nobody", "domain"))
            domain = dict(verifyingContract=AT["Records"]) if wrong == "domain" else {}
            v, r, s = signed_permit(world, n, spender, amount, deadline, max(nonce, 0), **domain)
            if wrong == "high":
                v, s = 55 - v, (N - int.from_bytes(s, "big")).to_bytes(32, "big")
            v = 29 if wrong == "nobody" else v
            owner = {"owner": account(8), "nobody": ZERO}.get(wrong, who)
            done, _ = attempt(c.permit, owner, spender, amount + (wrong == "amount"), deadline, v, r, s, sender=third)
            ok = wrong is None and max(nonce, 0) == at(nonces, who) and world.now <= deadline
            law("K5", done == ok, f"a permit is what its owner signed, once, in time: {done}, {wrong}, {nonce}")
            if done:
                nonces[who], allowance[who, spender] = at(nonces, who) + 1, amount
        sums = [sum(c.balanceOf(p) for p in people), sum(c.liability(p) for p in people), c.totalSupply()]
        law("K1", sums == [sum(balance.values()), sum(liability.values()), sum(balance.values())] and sums[0] == sums[1], f"{sums}")
        law("K3", c.allowance(who, other) == at(allowance, (who, other)) and c.allowance(other, who) == at(allowance, (other, who)), "allowances")
        law("K3", all(c.balanceOf(p) == at(balance, p) for p in (who, other, third)), "everybody has what it was given")
