"""
The holes of the first prototype (reference/job-protocol.md §11), each tried as it was once used. The last tests open each
hole again in the source and see that these tests notice.
"""
import pytest

from market import *
from test_market_life import arguments, balances


def tried(w, **more):
    return error(w.market.open, *arguments(w, w.order(**more)), sender=w.requester)


NO_CONSENT = keccak(text="NoConsent(uint256,uint256)")[:4]


def without_consent(result):
    return result is not None and result[0] == "revert" and result[1][:4] == NO_CONSENT


def test_grant_id_0_does_not_skip_consent(w):
    assert without_consent(tried(w, uses=[w.use(i, grant=0) for i in range(1, 5)]))


def test_a_grant_made_by_the_requester_opens_nobodys_listing(w):
    for level, scope in ((0, NOTHING), (1, word("clinic"))):
        own = w.grants.give(w.requester, level, scope, READ | AGGREGATE, NOTHING, 2**40, 9, NOTHING, b"", sender=w.requester)
        assert without_consent(tried(w, uses=[w.use(i, grant=own) for i in range(1, 5)]))


def test_purpose_0_passes_no_grant(w):
    assert tried(w, purpose=0) == "BadPurpose"


def test_a_refund_burns_no_use(w):
    id = w.open()
    assert w.grants.grantOf(1)[8:] == (20, 19, 1, 0)
    w.market.cancel(id, sender=w.requester)
    assert w.grants.grantOf(1)[8:] == (20, 20, 0, 0)


def test_one_party_accepting_four_times_makes_nothing_ready(w):
    id = w.open()
    me = w.owners[0]
    w.join(id, me)
    for _ in range(3):
        key = w.new_key()
        inputs, signatures = w.proofs(id, me, key)
        assert error(w.market.join, id, 1, key.address, inputs, NOTHING, signatures, sender=me) == ("Closed", SEATING)
    second = w.open()
    key = w.new_key()
    inputs, signatures = w.proofs(second, me, key, commitments={0: NOTHING})
    assert error(w.market.join, second, 1, key.address, [(NOTHING, *inputs[0][1:])], NOTHING, signatures, sender=me) == ("BadInput", 0)
    for other in w.owners[1:]:
        inputs, signatures = w.proofs(id, other, key)
        assert error(w.market.join, id, 1, key.address, inputs, NOTHING, signatures, sender=me) == ("Closed", SEATING)
    assert w.job(id).state == SEATING and w.market.session(id, 1) == NOTHING


def test_seats_at_the_zero_address_are_not_signed_by_empty_signatures(w):
    id, session, keys = w.running()
    one = w.attested(session, keys, w.BOXES)[:1]
    for nothing in (b"", b"\0" * 65, b"\0" * 64 + b"\x1b"):
        assert error(w.market.settle, id, 1, word("transcript"), w.BOXES, one + [nothing] * 3, sender=w.stranger) == ("BadSignature", 1)
    other = w.open()                            # seats that have no key yet
    assert error(w.market.settle, other, 1, word("transcript"), w.BOXES, [b""] * 4, sender=w.stranger) == ("Closed", SEATING)
    second = w.open()
    assert error(w.market.join, second, 1, ZERO, *[[(word("c"), NOTHING, 1)], NOTHING, [b"", b""]], sender=w.owners[0]) == "UsedKey"
    zero = w.order(requester=ZERO, seatFee=0)
    assert error(w.market.open, *arguments(w, zero), sender=w.stranger) == ("BadSignature", 0)


def test_a_party_named_twice_strands_nothing(w):
    """An owner of two inputs that also sits and orders: one lock, one place in the table, and the deadline frees it."""
    me = w.owners[0]
    w.list(me, object=word("second"))
    for m in w.owners:
        w.market.setStance(5, m, 1, sender=me)
    w.mint(me, 1000)
    for i, object in enumerate([*(word(f"table {i}") for i in range(4)), word("second")]):
        w.give(w.owners[i % 4], object, 3, grantee=me)
    id = w.open(w.order(requester=me, uses=[w.use(i) for i in range(1, 6)]), sender=me)
    for m in w.owners:
        w.join(id, m)
    assert w.market.bonds(me) == (4000, 1000) and w.job(id).state == RUNNING
    w.pass_time(100)
    w.market.advance(id, sender=w.stranger)
    assert w.job(id).state == REFUNDED and w.market.bonds(me) == (5000, 0)


def test_no_callback_can_undo_a_payment(w):
    assert tried(w, callback=w.stranger, callbackGas=2_000_000) == ("NotSupported", 3)


def test_prices_and_payees_are_not_read_at_settlement(w):
    id, session, keys = w.running()
    frozen = w.lines(id)
    w.list(w.owners[1], id=2, object=word("table 1"), flat=9_999, payees=[(w.stranger, 1)])
    w.market.delist(3, sender=w.owners[2])
    before = balances(w)
    w.settle(id, session, keys)
    paid = {a: w.cash.balanceOf(a) - before[a] for a in before}
    assert w.lines(id) == frozen and paid == {a: sum(x.amount for x in frozen if x.payee == a) for a in before}


def test_the_deadline_is_bounded(w):
    assert tried(w, deadline=2**63) == ("TooLate", w.now + 7 * 86400)


def test_the_requester_does_not_pick_the_committee(w):
    """A friend of the requester lists something worthless that claims a seat: the others must trust it."""
    friend = w.bank
    w.roles(friend, DATA | COMPUTE)
    w.list(friend, object=word("worthless"))
    w.give(friend, word("worthless"), 3)
    assert tried(w, uses=[w.use(5), *(w.use(i) for i in (1, 2, 3))]) == "SeatClaimed"


def test_the_author_of_a_listed_program_is_paid(w):
    w.list(w.author, kind=3, object=word("program"), claimsSeat=False)
    assert tried(w) == "ProgramUnpaid"


HOLES = [   # test, contract, what closes the hole, what was there
    (test_a_refund_burns_no_use, "Market", "    extcall IGrants(GRANTS).free(id)\n", ""),
    (test_purpose_0_passes_no_grant, "Market", "order.purpose > 0 and ", ""),
    (test_grant_id_0_does_not_skip_consent, "Market", "    extcall IGrants(GRANTS).hold(", "    if holds[0].grant != 0:\n        extcall IGrants(GRANTS).hold("),
    (test_a_grant_made_by_the_requester_opens_nobodys_listing, "Market", "listing=order.uses[i].listing, owner=owner,",
     "listing=order.uses[i].listing, owner=order.requester,"),
    (test_one_party_accepting_four_times_makes_nothing_ready, "Market", "    self._require(m.joined != j.attempt, CLOSED, j.state)\n", ""),
    (test_one_party_accepting_four_times_makes_nothing_ready, "Market", "input.commitment != empty(bytes32) and ", ""),
    (test_seats_at_the_zero_address_are_not_signed_by_empty_signatures, "Market", "key != empty(address) and self.keyOf[key] == 0", "self.keyOf[key] == 0"),
    (test_seats_at_the_zero_address_are_not_signed_by_empty_signatures, "Market", "sent and order.requester != empty(address)", "sent"),
    (test_a_party_named_twice_strands_nothing, "Market", "members[k].account == owners[i]", "False"),
    (test_no_callback_can_undo_a_payment, "Market", " and order.callback == empty(address)", ""),
    (test_prices_and_payees_are_not_read_at_settlement, "Market",
     "        words[k] = self.line[id][k]\n",
     "        words[k] = self.line[id][k]\n        if self.sheet[self.use[id][k & 3] & (2**32 - 1)].head >> 160 & 255 > 1:\n            words[k] += 256\n"),
    (test_the_deadline_is_bounded, "Market", "    self._require(order.deadline <= moment, TOO_LATE, moment)\n", ""),
    (test_the_requester_does_not_pick_the_committee, "Market", "owners[i] == account or self.stance[listings[i]][account] == TRUSTED", "True"),
    (test_the_author_of_a_listed_program_is_paid, "Market", "    self._check(paid, PROGRAM_UNPAID)\n", ""),
]


@pytest.mark.parametrize("hole", range(len(HOLES)), ids=[h[0].__name__[5:] for h in HOLES])
def test_each_hole_opened_again_is_noticed(w, hole):
    test, *source = HOLES[hole]
    boa.env.set_code(AT[source[0]], mutant(source))
    with pytest.raises((AssertionError, Reverted)):
        test(w)
