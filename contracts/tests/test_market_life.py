"""The life of a job, step by step, and what every step refuses."""
from market import *


def balances(w):
    return {a: w.cash.balanceOf(a) for a in (*w.keys, CONSORTIUM)}


def test_a_job_is_opened_joined_by_four_and_settled_in_six_transactions(w):
    before = balances(w)
    id = w.open()
    fee = 400 + 4 + 100
    assert w.job(id)[:11] == (w.requester, SEATING, 1, 4, 0, AGGREGATE, 4, 4, 6, 0, 1) and w.job(id).fee == fee
    assert w.cash.balanceOf(w.requester) == before[w.requester] - fee
    keys = [w.join(id, m) for m in w.owners]
    session = w.market.session(id, 1)
    assert w.job(id).state == RUNNING and session != NOTHING
    assert all(w.market.bonds(m) == (4000, 1000) for m in w.owners)
    w.settle(id, session, keys)
    assert w.job(id).state == SETTLED
    earned = {a: w.cash.balanceOf(a) - before[a] for a in before}
    assert [earned[m] for m in w.owners] == [67 + 25, 125, 125, 125]
    assert earned[w.author] == 33 and earned[w.treasury] == 4 and earned[w.requester] == -fee
    assert all(w.market.bonds(m) == (5000, 0) for m in w.owners)
    assert w.cash.balanceOf(MARKET) == 20_000
    assert [w.market.useAt(i, 0) for i in range(1, 5)] == [id] * 4
    assert [w.market.used(i) for i in range(1, 5)] == [(1, 100)] * 4
    assert [w.grants.grantOf(w.grant[word(f"table {i}")])[9:] for i in range(4)] == [(19, 0, 1)] * 4


def test_the_fact_of_an_ended_job_is_recomputed_from_its_preimage(w):
    order = w.order()
    id = w.open(order)
    keys = [w.join(id, m) for m in w.owners]
    session, transcript = w.market.session(id, 1), word("transcript")
    w.settle(id, session, keys)
    lines = b"".join(x.to_bytes(32, "big") for x in w.market.lines(id)[:10])
    output = struct_hash("Output", (0, [keccak(b) for b in w.BOXES], []))
    preimage = encode(["uint256"] * 3 + ["bytes32"] * 5 + ["uint256"],
                      [id, SETTLED, 1, struct_hash("Order", order), session, keccak(lines), transcript, output, w.now])
    assert w.market.fact(id) == keccak(preimage)
    slot = int.from_bytes(keccak((0).to_bytes(32, "big") + id.to_bytes(32, "big")), "big")
    assert boa.env.get_storage(MARKET, slot).to_bytes(32, "big") == keccak(preimage)


def test_fixed_slots_are_the_first(w):
    layout = artifact("Market")["layout"]["storage_layout"]
    assert layout["fact"]["slot"] == 0 and layout["useAt"]["slot"] == 1


def test_every_selector_is_the_hash_of_the_signature_beside_it():
    assert len(ERRORS) > 20 and all(keccak(text=signature)[:4] == selector for selector, signature in declared_errors())


def test_open_refuses_what_it_cannot_freeze(w):
    o = lambda **more: error(w.market.open, *arguments(w, w.order(**more)), sender=w.requester)
    assert o() is None
    assert [o(purpose=p) for p in (0, 3, 64)] == ["BadPurpose"] * 3
    assert o(profile=5) == "BadSeat" and o(profile=3) == ("NotOffered", 1)
    assert o(delivery=1) == ("NotSupported", 2)
    assert o(publicWords=1) == ("NotSupported", 3) and o(callback=w.stranger) == ("NotSupported", 3)
    assert o(readers=[]) == ("BadBox", 0) and o(readers=[NOTHING] * 3) == ("BadBox", 12) and o(boxBytes=4097) == ("BadBox", 4)
    assert o(seatingSeconds=2) == ("TooEarly", w.now + 3) and o(deadline=w.now + 25) == ("TooEarly", w.now + 26)
    assert o(deadline=w.now + 7 * 86400 + 1) == ("TooLate", w.now + 7 * 86400)
    assert o(deadline=2**64 - 1)[0] == "TooLate"
    assert o(maximumFee=503) == ("FeeAbove", 504) and o(bond=2**88)[0] == "TooMany"
    uses = [w.use(i) for i in range(1, 5)]
    assert o(uses=uses[:3]) == ("NotSupported", 1) and o(uses=uses + uses[:1]) == ("TooMany", 1)
    assert o(uses=[w.use(1, terms=word("other"))] + uses[1:]) == ("TermsChanged", 1)
    assert o(uses=[w.use(1, units=1)] + uses[1:]) == ("NotOffered", 1)
    assert o(uses=[w.use(1, budget=2**64)] + uses[1:])[0] == "TooMany"
    order = w.order()
    assert error(w.market.open, *arguments(w, order), sender=w.stranger) == ("BadSignature", 0)
    w.open(order)
    assert error(w.market.open, *arguments(w, order), sender=w.requester) == ("Closed", 0)


def arguments(w, order, quotes=(), signature=b"", permit=NO_PERMIT):
    return order, [w.terms[u[0]][0] for u in order[5]], list(quotes), signature, permit


def test_an_order_is_sent_by_anyone_with_its_signature_and_paid_by_permit(w):
    order = w.order()
    w.cash.approve(MARKET, 0, sender=w.requester)
    permit = w.keys[w.requester].sign_message(typed("Permit", (w.requester, MARKET, 10_000, 0, w.now), CASH, "Entente Cash"))
    signature = sign(w.keys[w.requester], "Order", order)
    numbers = w.now, permit.v, permit.r.to_bytes(32, "big"), permit.s.to_bytes(32, "big")
    high = signature[:32] + (N - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big") + bytes([55 - signature[64]])
    assert error(w.market.open, *arguments(w, order, (), high, numbers), sender=w.stranger) == ("BadSignature", 0)
    assert w.open(order, sender=w.stranger, signature=signature, permit=numbers) == 1
    assert w.job(1).requester == w.requester


N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_a_changed_listing_never_costs_more(w):
    order = w.order()
    w.list(w.owners[0], id=1, object=word("table 0"), flat=9_000)
    assert error(w.market.open, *arguments(w, order), sender=w.requester) == ("TermsChanged", 1)
    old = [w.terms[i][0] for i in range(1, 5)]
    id = w.open()
    w.list(w.owners[1], id=2, object=word("table 1"), flat=1)
    assert sum(x.amount for x in w.lines(id)) == w.job(id).fee and w.lines(id)[0].amount == 9000
    w.market.delist(3, sender=w.owners[2])
    assert error(w.market.open, *arguments(w, w.order()), sender=w.requester) == ("TermsChanged", 3)
    thing = list(old[1])
    thing[TERMS.index("object")] = word("another")
    assert error(w.market.list, 2, tuple(thing), sender=w.owners[1]) == "BadTerms"
    assert error(w.market.list, 2, old[1], sender=w.owners[0]) == ("NotYou", int(w.owners[1], 16))
    assert error(w.market.list, 0, old[1], sender=w.stranger) == ("NotYou", 0)


def test_listings_pay_somebody_real(w):
    t = lambda **more: tuple((dict(zip(TERMS, w.terms[1][0])) | more)[f] for f in TERMS)
    ok, market = payee(w.author, 1), payee(MARKET, 1)
    for payees in ([0] * 4, [payee(w.author, 0), 0, 0, 0], [market, 0, 0, 0], [ok, payee(ZERO, 1), 0, 0], [ok, 2**32 | ok, 0, 0]):
        assert error(w.market.list, 0, t(payees=payees), sender=w.owners[0]) == "BadTerms"
    assert error(w.market.list, 0, t(kind=4), sender=w.owners[0]) == "BadTerms"
    assert error(w.market.list, 0, t(profile=2), sender=w.owners[0]) == "BadTerms"


def test_an_offer_is_a_price_for_one_order(w):
    use = w.use(2, offerNonce=77)
    order = w.order(uses=[w.use(1), use, w.use(3), w.use(4)])
    offer = lambda price, until, key: (price, until, sign(w.keys[key], "Offer", (
        2, use[1], w.requester, word("program"), price, until, 77)))
    good = offer(40, w.now + 9, w.owners[1])
    with_quote = lambda order, *quotes: error(w.market.open, *arguments(w, order, quotes), sender=w.requester)
    assert with_quote(order, offer(40, w.now + 9, w.owners[0])) == ("BadSignature", 2)
    assert with_quote(order, (39, *good[1:])) == ("BadSignature", 2)
    assert with_quote(order, offer(40, w.now, w.owners[1])) == ("TooLate", w.now)
    assert with_quote(order)[0] == "revert"
    id = w.open(order, quotes=[good])
    assert [x.amount for x in w.lines(id) if x.index == 1 and x.kind == 1] == [40]
    assert with_quote(w.order(uses=order[5]), good) == "UsedOffer"


def test_a_program_that_is_listed_must_be_paid(w):
    w.list(w.author, kind=3, object=word("program"), claimsSeat=False, flat=50)
    w.grants.setPolicy(2, word("program"), OPEN, AGGREGATE, NOTHING, sender=w.author)
    assert error(w.market.open, *arguments(w, w.order()), sender=w.requester) == "ProgramUnpaid"
    id = w.open(uses=[w.use(i, **({"grant": 0} if i == 5 else {})) for i in range(1, 6)])
    assert [(x.payee, x.amount) for x in w.lines(id) if x.kind == 3] == [(w.author, 50)]
    assert w.job(id).members == 4
    keys = [w.join(id, m) for m in w.owners]
    w.settle(id, w.market.session(id, 1), keys)
    assert w.market.used(5) == (1, 50)
    assert error(w.market.list, 0, w.terms[5][0], sender=w.stranger) == "BadTerms"


def test_conditions_of_a_listing_bind_the_order(w):
    topic = word("ethics board")
    w.list(w.owners[0], id=1, object=word("table 0"), requesterTopic=topic)
    o = lambda: error(w.market.open, *arguments(w, w.order()), sender=w.requester)
    assert o() == ("NotOffered", 1)
    w.certify(w.requester, topic)
    assert o() is None
    w.list(w.owners[0], id=1, object=word("table 0"), program=word("another"))
    assert o() == ("NotOffered", 1)
    w.list(w.owners[0], id=1, object=word("table 0"), seatTopic=topic)
    assert o() == "BadSeat"
    for m in w.owners:
        w.certify(m, topic)
    assert o() is None
    w.roles(w.owners[3], OWNER & ~COMPUTE)
    assert o() == "BadSeat"
    w.roles(w.owners[3], OWNER)
    w.market.setStance(2, w.owners[3], 2, sender=w.owners[1])
    assert o() == "SeatClaimed"


def test_budget_and_live_jobs_are_capped(w):
    w.list(w.owners[0], id=1, object=word("table 0"), cap=100, accountCap=60)
    o = lambda budget: error(w.market.open, *arguments(w, w.order(uses=[
        w.use(1, budget=budget), *(w.use(i) for i in (2, 3, 4))])), sender=w.requester)
    assert o(60) is None and o(61) == ("BudgetSpent", 1)
    first = w.open(uses=[w.use(1, budget=60), *(w.use(i) for i in (2, 3, 4))])
    assert o(1) == ("BudgetSpent", 1)
    w.market.cancel(first, sender=w.requester)
    assert o(60) is None
    for _ in range(4):
        w.open()
    assert o(0) == ("TooMany", 4)


def test_join_refuses_all_but_the_member_its_key_and_its_inputs(w):
    id = w.open()
    m, key = w.owners[0], w.new_key()
    inputs, signatures = w.proofs(id, m, key)
    join = lambda *a, sender=m: error(w.market.join, id, *a, sender=sender)
    good = 1, key.address, inputs, NOTHING, signatures
    assert join(*good) is None
    assert join(*good, sender=w.stranger) == ("NotYou", 0)
    assert join(*good, sender=w.owners[1]) == ("BadSignature", 0)
    assert join(2, *good[1:]) == ("Closed", SEATING)
    assert join(1, key.address, [], NOTHING, signatures) == ("BadInput", 0)
    assert join(1, key.address, inputs * 2, NOTHING, signatures) == ("BadInput", 1)
    assert join(1, key.address, [(NOTHING, *inputs[0][1:])], NOTHING, signatures) == ("BadInput", 0)
    assert join(1, key.address, [(*inputs[0][:2], 0)], NOTHING, signatures) == ("BadInput", 0)
    assert join(1, key.address, [(*inputs[0][:2], 2**64)], NOTHING, signatures) == ("BadInput", 0)
    assert join(1, key.address, inputs, NOTHING, signatures[:1]) == ("BadSignature", 1)
    assert join(1, key.address, inputs, word("coin"), signatures) == ("BadSignature", 1)
    assert join(1, w.new_key().address, inputs, NOTHING, signatures) == ("BadSignature", 0)
    assert join(1, ZERO, inputs, NOTHING, [b"", b""]) == "UsedKey"
    w.market.takeBond(4_001, sender=m)
    assert join(*good) == ("BondTooSmall", 999)
    w.market.postBond(1, sender=m)
    w.market.join(id, *good, sender=m)
    assert join(1, w.new_key().address, *good[2:]) == ("Closed", SEATING)
    other = w.owners[1]
    inputs, signatures = w.proofs(id, other, key)
    assert join(1, key.address, inputs, NOTHING, signatures, sender=other) == "UsedKey"
    w.pass_time(20)
    key = w.new_key()
    inputs, signatures = w.proofs(id, other, key)
    assert join(1, key.address, inputs, NOTHING, signatures, sender=other) == ("TooLate", w.now)
    assert error(w.market.join, 99, *good, sender=m) == ("Closed", 0)


def test_withdrawn_consent_acts_until_the_owner_has_joined(w):
    id = w.open()
    w.join(id, w.owners[0])
    for i in (0, 1):
        w.grants.revoke(w.grant[word(f"table {i}")], NOTHING, sender=w.owners[i])
    key = w.new_key()
    inputs, signatures = w.proofs(id, w.owners[1], key)
    assert error(w.market.join, id, 1, key.address, inputs, NOTHING, signatures, sender=w.owners[1]) == ("BadInput", 0)
    assert w.job(id).joined == 1


def test_before_anything_is_owed_an_owner_declines_and_the_requester_cancels(w):
    start = w.cash.balanceOf(w.requester)
    id = w.open()
    assert error(w.market.cancel, id, sender=w.owners[0]) == ("NotYou", int(w.requester, 16))
    assert error(w.market.decline, id, word("no"), sender=w.stranger) == ("NotYou", 0)
    w.join(id, w.owners[0])
    assert error(w.market.cancel, id, sender=w.requester) == ("Closed", SEATING)
    assert error(w.market.decline, id, word("no"), sender=w.owners[0]) == ("Closed", SEATING)
    w.market.decline(id, word("no"), sender=w.owners[1])
    assert w.job(id).state == REFUNDED and w.cash.balanceOf(w.requester) == start and w.market.bonds(w.owners[0]) == (5000, 0)
    id = w.open()
    w.market.cancel(id, sender=w.requester)
    assert w.job(id).state == REFUNDED and w.cash.balanceOf(w.requester) == start
    assert w.grants.grantOf(1)[9:] == (20, 0, 0) and w.market.fact(id) != NOTHING
    assert error(w.market.advance, id, sender=w.stranger) == ("Closed", REFUNDED)


def test_time_ends_every_job(w):
    start = w.cash.balanceOf(w.requester)
    seating, running = w.open(), w.running()[0]
    assert w.market.lastMoment(seating) == w.now + 20 and w.market.lastMoment(running) == w.now + 100
    w.join(seating, w.owners[0])
    assert error(w.market.advance, seating, sender=w.stranger) == ("TooEarly", w.now + 20)
    w.pass_time(20)
    w.market.advance(seating, sender=w.stranger)
    assert error(w.market.advance, running, sender=w.stranger) == ("TooEarly", w.now + 80)
    w.pass_time(80)
    w.market.advance(running, sender=w.stranger)
    assert [w.job(i).state for i in (seating, running)] == [REFUNDED] * 2
    assert w.cash.balanceOf(w.requester) == start and all(w.market.bonds(m) == (5000, 0) for m in w.owners)


def test_settle_wants_all_signatures_over_these_very_boxes_in_time(w):
    id, session, keys = w.running()
    boxes = w.BOXES
    settle = lambda boxes, signatures, t=word("transcript"), attempt=1: error(
        w.market.settle, id, attempt, t, boxes, signatures, sender=w.stranger)
    good = w.attested(session, keys, boxes)
    assert settle(boxes, good) is None
    assert settle(boxes, good, attempt=2) == ("Closed", RUNNING)
    assert settle(boxes[:3], good) == ("BadBox", 3) and settle(boxes + boxes[:1], good) == ("BadBox", 5)
    assert settle([*boxes[:3], b""], good) == ("BadBox", 3) and settle([*boxes[:3], b"x" * 1361], good) == ("BadBox", 3)
    assert settle([*boxes[:3], b"x" * 1360], good) == ("BadSignature", 0)
    assert settle(boxes[::-1], good) == ("BadSignature", 0)
    assert settle(boxes, good, word("another")) == ("BadSignature", 0)
    assert settle(boxes, good[:3]) == ("BadSignature", 3)
    assert settle(boxes, [good[1], good[0], *good[2:]]) == ("BadSignature", 0)
    assert settle(boxes, [*good[:3], good[0]]) == ("BadSignature", 3)
    assert settle(boxes, [*good[:3], b""]) == ("BadSignature", 3)
    v, s = good[3][64], int.from_bytes(good[3][32:64], "big")
    assert settle(boxes, [*good[:3], good[3][:32] + (N - s).to_bytes(32, "big") + bytes([55 - v])]) == ("BadSignature", 3)
    assert settle(boxes, [*good[:3], good[3][:64] + bytes([v - 27])]) == ("BadSignature", 3)
    w.pass_time(100)
    assert settle(boxes, good) == ("TooLate", w.now)
    w.pass_time(-1)
    w.settle(id, session, keys)
    assert settle(boxes, good) == ("Closed", SETTLED)


def test_nobody_can_stop_a_payment(w):
    id, session, keys = w.running()
    w.refuse(w.author, w.owners[2])
    w.freeze(w.requester, True)
    w.settle(id, session, keys)
    assert w.market.owed(w.author) == 33 and w.market.owed(w.owners[2]) == 125
    assert error(w.market.collect, w.author, sender=w.stranger)[0] == "revert"
    w.refuse()
    w.market.collect(w.author, sender=w.stranger)
    assert w.cash.balanceOf(w.author) == 33 and w.market.owed(w.author) == 0
    w.freeze(w.requester, False)
    second = w.open()
    w.refuse(w.requester)
    w.market.cancel(second, sender=w.requester)
    assert w.job(second).state == REFUNDED and w.market.owed(w.requester) == 504


def test_a_seat_that_leaves_pays_for_silence_and_the_job_is_refunded_after_the_grace(w):
    id, session, keys = w.running()
    start = balances(w)
    assert error(w.market.leave, id, 1, sender=w.stranger) == ("NotYou", 0)
    w.market.leave(id, 1, sender=w.owners[3])
    assert w.job(id).state == FAILING and w.market.bonds(w.owners[3]) == (4800, 0)
    assert [w.cash.balanceOf(a) - start[a] for a in (*w.owners, w.requester)] == [50, 50, 50, 0, 50]
    assert error(w.market.leave, id, 1, sender=w.owners[2]) == ("Closed", FAILING)
    assert error(w.market.advance, id, sender=w.stranger) == ("TooEarly", w.now + 3)
    with boa.env.anchor():                                  # what all had attested still settles
        w.settle(id, session, keys)
        assert w.job(id).state == SETTLED
    w.pass_time(3)
    w.market.advance(id, sender=w.stranger)
    assert w.job(id).state == REFUNDED and all(w.market.bonds(m)[1] == 0 for m in w.owners)


def test_bonds_are_their_members_and_only_the_free_part_moves(w):
    m = w.owners[0]
    id = w.running()[0]
    assert error(w.market.takeBond, 4_001, sender=m) == ("BondTooSmall", 4_000)
    w.market.takeBond(4_000, sender=m)
    assert w.market.bonds(m) == (0, 1000) and w.job(id).state == RUNNING
    assert error(w.market.takeBond, 1, sender=w.stranger) == ("BondTooSmall", 0)


def test_an_owner_without_a_seat_brings_two_inputs_and_locks_half_a_bond(w):
    fifth = w.bank
    w.roles(fifth, BANK | DATA)
    w.mint(fifth, 1000)
    w.cash.approve(MARKET, 1000, sender=fifth)
    w.market.postBond(1000, sender=fifth)
    for name in ("weather", "roads"):
        w.list(fifth, object=word(name), claimsSeat=False)
        w.give(fifth, word(name), 5)
        for m in w.owners:
            w.market.setStance(len(w.terms), m, 1, sender=fifth)
    id = w.open(uses=[w.use(i) for i in (5, 1, 2, 6, 3, 4)])
    assert [(m.account, m.uses, m.seat) for m in w.members(id)] == [
        (fifth, 0b1001, 0), (w.owners[0], 2, 1), (w.owners[1], 4, 2), (w.owners[2], 16, 3), (w.owners[3], 32, 4)]
    own = w.join(id, fifth)
    assert w.market.bonds(fifth) == (500, 500)
    keys = [w.join(id, m) for m in w.owners]
    assert error(w.market.leave, id, 1, sender=fifth) == "BadSeat"
    w.settle(id, w.market.session(id, 1), keys)
    assert w.market.bonds(fifth) == (1000, 0) and w.cash.balanceOf(fifth) == 200


def test_four_inputs_of_one_owner_are_the_most(w):
    for i in range(5):
        w.list(w.owners[0], object=word(f"more {i}"))
        w.give(w.owners[0], word(f"more {i}"), 5)
        for m in w.owners:
            w.market.setStance(5 + i, m, 1, sender=w.owners[0])
    o = lambda n: error(w.market.open, *arguments(w, w.order(uses=[w.use(i) for i in (*range(5, 5 + n), 2, 3, 4)])), sender=w.requester)
    assert o(4) is None and o(5) == ("TooMany", 4)
