"""Cash, step by step: a permit as wallets sign it. Random calls: cash_walk."""
from alliance import *
from cash_walk import N, signed_permit


def test_permit_as_wallets_sign_it():
    world = Alliance()
    c, spender, deadline = world.cash, account(20), world.now + 60
    v, r, s = signed_permit(world, 5, spender, 70, deadline, 0)
    high = (N - int.from_bytes(s, "big")).to_bytes(32, "big")
    tried = lambda owner, amount, *signature: attempt(c.permit, owner, spender, amount, deadline, *signature, sender=spender)[0]
    assert not tried(account(5), 71, v, r, s) and not tried(account(6), 70, v, r, s), "a permit says who and how much"
    assert not tried(account(5), 70, 55 - v, r, high), "high s is malleable"
    assert not tried(ZERO, 70, 29, r, s), "a signature that recovers nobody allows nothing"
    assert not tried(account(5), 70, *signed_permit(world, 5, spender, 70, deadline, 0, verifyingContract=AT["Records"])), "domain"
    assert tried(account(5), 70, v, r, s) and c.allowance(account(5), spender) == 70 and c.nonces(account(5)) == 1, "a permit permits"
    assert not tried(account(5), 70, v, r, s), "once"
    world.pass_time(61)
    assert not tried(account(5), 70, *signed_permit(world, 5, spender, 70, deadline, 1)), "in time"
