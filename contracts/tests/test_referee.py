"""Verdicts: who can be convicted, parted or charged by which claims, and who never."""
import itertools

from market import *

NOT_BOUND, NO_SESSION, FOREIGN, AGREED, OTHER_SLOT, NOT_DUE, COMPLAINED, NOTHING_ASKED = range(1, 9)
case = lambda reason: ("NoCase", reason)


class Session:
    """A running job and what its keys sign."""

    def __init__(self, w, **more):
        self.w, (self.id, self.session, self.keys) = w, w.running(**more)

    def signed(self, seat, kind, index, content, session=None):
        return index, content, self.w.claim(self.keys[seat], session or self.session, kind, index, content)

    def slot(self, step, row, triple, role):
        return step << 48 | row << 16 | triple << 8 | role

    def message(self, triple, s, v, r):
        """Claims (r, s, v) of one message by the right seats."""
        at = list(itertools.permutations(range(4), 3))
        sender, receiver, witness = at[triple]
        return (self.signed(receiver, MESSAGE, self.slot(3, 7, triple, 2), r),
                self.signed(sender, MESSAGE, self.slot(3, 7, triple, 0), s),
                self.signed(witness, MESSAGE, self.slot(3, 7, triple, 1), v)), at[triple]

    def state(self):
        return self.w.job(self.id).state


def test_two_claims_on_one_slot_convict_one_culprit_whose_bond_is_shared_among_the_harmed(w):
    x = Session(w)
    a, b = x.signed(3, ATTEST, 0, word("one")), x.signed(3, ATTEST, 0, word("two"))
    before = [w.cash.balanceOf(m) for m in (*w.owners, w.requester)]
    w.referee.equivocation(x.id, 1, ATTEST, a, b, sender=w.stranger)
    assert x.state() == FAILING and w.market.bonds(w.owners[3]) == (4000, 0)
    assert [w.cash.balanceOf(m) - c for m, c in zip((*w.owners, w.requester), before)] == [250, 250, 250, 0, 250]
    assert w.market.bonds(w.owners[0]) == (4000, 1000)
    assert [l.payee for l in w.lines(x.id) if l.kind == 5] == [*w.owners[:3], w.requester]
    assert error(w.referee.equivocation, x.id, 1, ATTEST, a, b, sender=w.stranger) == case(NOT_BOUND)
    w.referee.equivocation(x.id, 1, 1, x.signed(0, SEGMENT, 5, word("a")), x.signed(0, SEGMENT, 5, word("b")), sender=w.stranger)
    w.pass_time(3)
    w.market.advance(x.id, sender=w.stranger)
    assert x.state() == REFUNDED and [w.market.bonds(m) for m in w.owners] == [(4000, 0), (5000, 0), (5000, 0), (4000, 0)]
    assert error(w.referee.equivocation, x.id, 1, ATTEST, a, b, sender=w.stranger) == ("Closed", REFUNDED)


def test_a_convicted_seat_is_not_paid_when_the_complete_attempt_settles(w):
    x = Session(w)
    w.referee.equivocation(x.id, 1, SEGMENT, x.signed(3, 1, 0, word("a")), x.signed(3, 1, 0, word("b")), sender=w.stranger)
    before = w.cash.balanceOf(w.requester)
    w.settle(x.id, x.session, x.keys)
    assert w.cash.balanceOf(w.requester) == before + 25


def test_no_honest_member_is_convicted(w):
    x, y = Session(w), Session(w)
    e = lambda kind, a, b, id=x.id, attempt=1: error(w.referee.equivocation, id, attempt, kind, a, b, sender=w.stranger)
    one = x.signed(0, ATTEST, 0, word("one"))
    assert e(ATTEST, one, one) == case(AGREED)
    assert e(ATTEST, one, x.signed(1, ATTEST, 0, word("two"))) == case(FOREIGN)                     # two keys
    assert e(ATTEST, one, y.signed(0, ATTEST, 0, word("two"))) == case(FOREIGN)                     # two sessions
    assert e(ATTEST, y.signed(0, ATTEST, 0, word("two")), one) == case(FOREIGN)
    assert e(SEGMENT, x.signed(0, SEGMENT, 1, word("a")), x.signed(0, SEGMENT, 2, word("b"))) == case(OTHER_SLOT)
    assert e(SEGMENT, one, x.signed(0, SEGMENT, 0, word("b"))) == case(FOREIGN)                     # two kinds
    both = [x.signed(0, ATTEST, 0, c, session=y.session) for c in (word("a"), word("b"))]           # its key, another session
    assert e(ATTEST, *both) == case(FOREIGN) and e(ATTEST, *both, id=y.id) == case(FOREIGN)
    assert e(ATTEST, *both, attempt=2) == case(NO_SESSION) and e(ATTEST, *both, id=99) == case(NO_SESSION)
    assert e(ATTEST, (0, word("a"), b""), (0, word("b"), b"")) == case(FOREIGN)
    account = w.keys[w.owners[0]]
    by_account = [(0, c, w.claim(account, x.session, ATTEST, 0, c)) for c in (word("a"), word("b"))]
    assert e(ATTEST, *by_account) == case(FOREIGN)
    index, content, signature = x.signed(0, ATTEST, 0, word("two"))
    s = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - int.from_bytes(signature[32:64], "big")
    assert e(ATTEST, one, (0, content, signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]]))) == case(FOREIGN)
    assert error(w.market.convict, x.id, 1, w.owners[0], 1, sender=w.stranger) == ("NotYou", int(REFEREE, 16))
    assert error(w.market.part, x.id, 1, *w.owners[:2], 4, sender=w.owners[3]) == ("NotYou", int(REFEREE, 16))


def test_shares_of_something_else_than_the_commitment_convict_their_owner(w):
    x = Session(w)
    bound = w.market.commitment(x.id, 1, 2)
    f = lambda claim: error(w.referee.falseInput, x.id, 1, claim, sender=w.stranger)
    assert f(x.signed(2, DELIVERY, 2, bound)) == case(AGREED)
    assert f(x.signed(1, DELIVERY, 2, word("other"))) == case(OTHER_SLOT)
    assert f(x.signed(2, DELIVERY, 2**200, word("other"))) == case(OTHER_SLOT)
    w.referee.falseInput(x.id, 1, x.signed(2, DELIVERY, 2, word("other")), sender=w.stranger)
    assert next(m for m in w.members(x.id) if m.account == w.owners[2]).out == 3


def test_the_verdict_on_a_message_is_the_table_for_every_triple_and_case(w):
    x = Session(w)
    a, b, none = word("a"), word("b"), NOTHING
    table = [((none, a, a), "sr"), ((none, none, a), "sr"), ((a, none, a), "vr"), ((a, b, a), "sv"), ((a, b, b), "sv"),
             ((a, a, b), "sr"), ((a, a, none), "sr"), ((a, a, a), "vr")]
    for triple in range(24):
        for values, pair in table if triple in (0, 23) else table[triple % 8:triple % 8 + 1]:
            with boa.env.anchor():
                claims, (s, r, v) = x.message(triple, *values)
                w.referee.message(x.id, 1, *claims, sender=w.stranger)
                named = {w.owners[{"s": s, "r": r, "v": v}[p]] for p in pair}
                assert {m.account for m in w.members(x.id) if m.out == 1} == named
                assert x.state() == FAILING and all(w.market.bonds(m) == (4000, 1000) for m in w.owners)


def test_claims_on_other_messages_or_by_other_seats_prove_nothing(w):
    x = Session(w)
    a, b = word("a"), word("b")
    (r, s, v), (sender, receiver, witness) = x.message(5, a, b, a)
    m = lambda r, s, v: error(w.referee.message, x.id, 1, r, s, v, sender=w.stranger)
    assert m(r, s, v) is None
    other = 6 - sender - receiver - witness
    assert m(r, s, x.signed(witness, MESSAGE, x.slot(4, 7, 5, 1), b)) == case(OTHER_SLOT)
    assert m(r, s, x.signed(other, MESSAGE, x.slot(3, 7, 5, 1), b)) == case(OTHER_SLOT)
    assert m(r, x.signed(other, MESSAGE, x.slot(3, 7, 5, 0), a), v) == case(OTHER_SLOT)
    assert m(x.signed(other, MESSAGE, x.slot(3, 7, 5, 2), a), s, v) == case(OTHER_SLOT)
    assert m(x.signed(receiver, MESSAGE, x.slot(3, 7, 5, 3), a), s, v) == case(OTHER_SLOT)
    assert m(r, x.signed(sender, MESSAGE, x.slot(3, 7, 24, 0), a), v) == case(OTHER_SLOT)
    assert m(r, (s[0], b, s[2]), v)[0] == "NoCase"


def record(n, me, changes={}):
    """Of seat `me`: what it sent to and accepted from each other seat agrees with everybody's, but for `changes`."""
    others = [i for i in range(n) if i != me]
    link = lambda a, b: keccak(bytes([a, b]))
    sent = [changes.get(("sent", o), link(me, o)) for o in others]
    accepted = [changes.get(("accepted", o), link(o, me)) for o in others]
    return [word("step"), *sent, *accepted, *([word("bytes")] * 2 * (n - 1))]


def segment(x, seat, b, agreed, words):
    content = keccak(encode(["bytes32", "bytes32"], [agreed, keccak(b"".join(words))]))
    return words, x.w.claim(x.keys[seat], x.session, SEGMENT, b, content)


def test_records_that_disagree_on_a_link_part_its_two_ends(w):
    x = Session(w)
    agreed = word("agreed")
    go = lambda one, two: error(w.referee.records, x.id, 1, 4, agreed, one, two, sender=w.stranger)
    for i, j in itertools.permutations(range(4), 2):
        good = segment(x, i, 4, agreed, record(4, i)), segment(x, j, 4, agreed, record(4, j))
        assert go(*good) == case(AGREED)
        assert go(segment(x, i, 4, agreed, record(4, i, {("sent", j): word("lie")})), good[1]) is None
        assert go(segment(x, i, 4, agreed, record(4, i, {("accepted", j): word("lie")})), good[1]) is None
        k = next(k for k in range(4) if k not in (i, j))
        assert go(segment(x, i, 4, agreed, record(4, i, {("sent", k): word("lie")})), good[1]) == case(AGREED)
    one = segment(x, 0, 4, agreed, record(4, 0, {("sent", 1): word("lie")}))
    assert go(one, one) == case(OTHER_SLOT)
    assert go(one, segment(x, 1, 4, word("other"), record(4, 1))) == case(FOREIGN)
    assert go(one, segment(x, 1, 5, agreed, record(4, 1))) == case(FOREIGN)
    assert go(one, segment(x, 1, 4, agreed, record(4, 1)[:12])) == case(OTHER_SLOT)


def test_two_seats_that_differ_on_what_both_know_are_parted(w):
    x = Session(w)
    a, b = word("a"), word("b")
    d = lambda kind, one, two: error(w.referee.differ, x.id, 1, kind, one, two, sender=w.stranger)
    assert d(ATTEST, x.signed(0, ATTEST, 0, a), x.signed(1, ATTEST, 0, b)) is None
    assert d(ATTEST, x.signed(0, ATTEST, 0, a), x.signed(1, ATTEST, 0, a)) == case(AGREED)
    assert d(ATTEST, x.signed(0, ATTEST, 0, a), x.signed(0, ATTEST, 0, b)) == case(OTHER_SLOT)
    box = 2 << 8
    assert d(BOX, x.signed(0, BOX, box, a), x.signed(1, BOX, box, b)) is None
    assert d(BOX, x.signed(0, BOX, box, a), x.signed(2, BOX, box, b)) == case(OTHER_SLOT)            # 2 lacks component 2
    assert d(BOX, x.signed(0, BOX, box, a), x.signed(1, BOX, box + 1, b)) == case(OTHER_SLOT)
    key = ((3 * 4 + 1) * 4 + 2) * 2
    assert d(KEY, x.signed(1, KEY, key, a), x.signed(2, KEY, key + 1, b)) is None
    assert d(KEY, x.signed(2, KEY, key + 1, a), x.signed(1, KEY, key, b)) == case(OTHER_SLOT)
    assert d(KEY, x.signed(0, KEY, key, a), x.signed(2, KEY, key + 1, b)) == case(OTHER_SLOT)
    assert d(SEGMENT, x.signed(0, SEGMENT, 0, a), x.signed(1, SEGMENT, 0, b)) == case(OTHER_SLOT)
    assert d(MESSAGE, x.signed(0, MESSAGE, 0, a), x.signed(1, MESSAGE, 1, b)) == case(OTHER_SLOT)


def test_a_pair_keeps_its_bonds_and_more_than_f_edges_suspend(w):
    for other in (0, 1):
        x = Session(w)
        w.referee.differ(x.id, 1, ATTEST, x.signed(other, 2, 0, word("a")), x.signed(3, 2, 0, word("b")), sender=w.stranger)
        w.pass_time(3)
        w.market.advance(x.id, sender=w.stranger)
        assert w.referee.edgeUntil(w.owners[3], w.owners[other]) == w.now - 3 + 90 * 86400
        assert w.referee.suspended(w.owners[3]) == (other == 1) and not w.referee.suspended(w.owners[other])
    assert all(w.market.bonds(m) == (5000, 0) for m in w.owners)
    assert error(w.referee.reinstate, w.owners[3], sender=w.owners[0]) == ("NotYou", int(CONSORTIUM, 16))
    w.referee.reinstate(w.owners[3], sender=CONSORTIUM)
    w.referee.reconcile(w.owners[3], w.owners[0], sender=CONSORTIUM)
    assert not w.referee.suspended(w.owners[3]) and w.referee.edgeUntil(w.owners[0], w.owners[3]) == 0
    x = Session(w)                              # claimed seats are not drawn: the four go on working
    w.settle(x.id, x.session, x.keys)


def test_an_unanswered_complaint_is_charged_and_an_answered_one_is_not(w):
    x = Session(w)
    bad, good = w.owners[3], w.owners[0]
    others = [x.signed(i, ATTEST, 0, word("result")) for i in range(3)]
    w.referee.complain(x.id, 1, bad, ATTEST, 0, others, NOTHING, sender=good)
    assert w.referee.due(x.id) == (False, ZERO)
    assert error(w.market.advance, x.id, sender=w.stranger) == ("TooEarly", w.now + 100)
    assert error(w.referee.complain, x.id, 1, bad, ATTEST, 0, others, NOTHING, sender=good) == case(COMPLAINED)
    with boa.env.anchor():
        w.referee.answer(x.id, ATTEST, x.signed(3, ATTEST, 0, word("result")), NOTHING, sender=w.stranger)
        assert x.state() == RUNNING and all(w.market.bonds(m) == (4000, 1000) for m in w.owners)
        w.pass_time(3)
        assert w.referee.due(x.id) == (False, ZERO)
    w.pass_time(3)
    late = x.signed(3, ATTEST, 0, word("result"))
    assert error(w.referee.answer, x.id, ATTEST, late, NOTHING, sender=w.stranger) == ("TooLate", w.now)
    assert w.referee.due(x.id) == (True, bad)
    w.market.advance(x.id, sender=w.stranger)
    assert x.state() == FAILING and w.market.bonds(bad) == (4800, 0) and w.referee.due(x.id) == (False, ZERO)
    assert error(w.market.advance, x.id, sender=w.stranger) == ("TooEarly", w.now + 3)


def test_a_refund_never_outruns_a_charge_and_two_steps_end_any_job(w):
    x = Session(w)
    w.referee.complain(x.id, 1, w.owners[1], SEGMENT, 0, [], NOTHING, sender=w.owners[0])
    w.pass_time(100)
    w.market.advance(x.id, sender=w.stranger)
    assert w.market.bonds(w.owners[1]) == (4800, 0)
    w.market.advance(x.id, sender=w.stranger)
    assert x.state() == REFUNDED and all(w.market.bonds(m)[1] == 0 for m in w.owners)


def test_the_second_answered_complaint_parts_the_two(w):
    x = Session(w)
    for strike in (0, 1):
        w.referee.complain(x.id, 1, w.owners[1], SEGMENT, 0, [], NOTHING, sender=w.owners[2])
        answer = lambda n, seat=1: error(w.referee.answer, x.id, PROGRESS, x.signed(seat, PROGRESS, n, word("hash")), NOTHING, sender=w.stranger)
        assert answer(2 << 8 | 1 - strike) == case(OTHER_SLOT) and answer(2 << 8 | strike, 0) == case(OTHER_SLOT)
        w.referee.answer(x.id, PROGRESS, x.signed(1, PROGRESS, 2 << 8 | strike, word("hash")), NOTHING, sender=w.stranger)
    assert x.state() == FAILING and {m.account for m in w.members(x.id) if m.out == 1} == {w.owners[1], w.owners[2]}
    assert all(w.market.bonds(m) == (4000, 1000) for m in w.owners)
    w.pass_time(3)
    w.market.advance(x.id, sender=w.stranger)
    assert all(w.market.bonds(m) == (5000, 0) for m in w.owners)


def test_an_answer_to_a_segment_builds_on_what_was_agreed(w):
    x = Session(w)
    claims = [x.signed(i, SEGMENT, 0, word(f"content {i}")) for i in range(4)]
    c = lambda claims, b=1: error(w.referee.complain, x.id, 1, w.owners[1], SEGMENT, b, claims, x.session, sender=w.owners[0])
    assert c(claims) is None and c(claims[:3]) == case(NOT_DUE) and c(claims[::-1]) == case(NOT_DUE)
    assert c(claims, b=2) == case(FOREIGN)
    w.referee.complain(x.id, 1, w.owners[1], SEGMENT, 1, claims, x.session, sender=w.owners[0])
    agreed = keccak(x.session + b"".join(c[1] for c in claims))
    fit = lambda agreed, hash: x.signed(1, SEGMENT, 1, keccak(encode(["bytes32", "bytes32"], [agreed, hash])))
    a = lambda claim, hash=word("record"): error(w.referee.answer, x.id, SEGMENT, claim, hash, sender=w.stranger)
    assert a(fit(agreed, word("record"))) is None
    assert a(fit(x.session, word("record"))) == case(OTHER_SLOT) and a(fit(agreed, word("record")), word("x")) == case(OTHER_SLOT)
    assert a(x.signed(1, SEGMENT, 0, word("content 1"))) == case(OTHER_SLOT)


def test_only_what_is_due_can_be_asked(w):
    x = Session(w)
    a = word("a")
    me, you = w.owners[0], w.owners[1]
    c = lambda kind, index, claims=(), accused=you, sender=me, attempt=1: error(
        w.referee.complain, x.id, attempt, accused, kind, index, list(claims), NOTHING, sender=sender)
    attest = [x.signed(i, ATTEST, 0, a) for i in (0, 2, 3)]
    assert c(ATTEST, 0, attest) is None
    assert c(ATTEST, 0) == case(NOT_DUE) and c(ATTEST, 0, attest[:2]) == case(NOT_DUE)
    assert c(ATTEST, 0, [x.signed(0, ATTEST, 0, word("b")), *attest[1:]]) == case(NOT_DUE)
    assert c(ATTEST, 0, [attest[0]] * 3) == case(NOT_DUE) and c(ATTEST, 1, [x.signed(i, ATTEST, 1, a) for i in (0, 2, 3)]) == case(NOT_DUE)
    box = [x.signed(i, BOX, 0, a) for i in (2, 3)]
    assert c(BOX, 0, box) is None and c(BOX, 0, box[:1]) == case(NOT_DUE) and c(BOX, 0, box, sender=w.owners[2]) == case(NOT_DUE)
    (objection, _, _), (s, r, v) = x.message(8, a, a, a)
    slot = objection[0] - 2
    assert c(MESSAGE, slot, [objection], w.owners[s], w.owners[r]) is None
    assert c(MESSAGE, slot + 1, [objection], w.owners[v], w.owners[r]) is None
    assert c(MESSAGE, slot + 1, [objection], w.owners[s], w.owners[r]) == case(NOT_DUE)
    assert c(MESSAGE, slot + 2, [objection], w.owners[s], w.owners[r]) == case(NOT_DUE)
    assert c(MESSAGE, slot, [x.signed(v, MESSAGE, slot + 2, a)], w.owners[s], w.owners[r]) == case(NOT_DUE)
    assert c(KEY, ((2 * 4 + 1) * 4 + 0) * 2) is None and c(KEY, ((2 * 4 + 0) * 4 + 1) * 2 + 1) is None
    assert c(KEY, ((2 * 4 + 0) * 4 + 1) * 2) == case(NOT_DUE) and c(KEY, 128 + 8) == case(NOT_DUE)
    assert c(DELIVERY, 1) is None and c(DELIVERY, 0) == case(NOT_DUE) and c(DELIVERY, 2**255) == case(NOT_DUE)
    assert c(COIN, 0) == case(NOT_DUE) and c(PROGRESS, 0) == case(NOT_DUE)
    assert c(SEGMENT, 0, accused=me) == case(OTHER_SLOT)
    assert c(SEGMENT, 0, sender=w.stranger) == ("NotYou", 0) and c(SEGMENT, 0, accused=w.stranger) == ("NotYou", 0)
    assert c(SEGMENT, 0, attempt=2) == ("Closed", RUNNING)
    w.pass_time(96)
    assert c(SEGMENT, 0) is None
    w.pass_time(1)
    assert c(SEGMENT, 0) == ("TooLate", w.job(x.id).deadline)
    assert error(w.referee.answer, x.id, SEGMENT, x.signed(1, SEGMENT, 0, a), NOTHING, sender=you) == case(NOTHING_ASKED)


def test_a_charge_never_goes_to_the_culprit_in_any_role(w):
    """A member orders with its own data: convicted, it gets nothing back of its bond as requester."""
    me = w.owners[0]
    w.mint(me, 1000)
    for i in range(4):
        w.give(w.owners[i], word(f"table {i}"), 3, grantee=me)
    id = w.open(w.order(requester=me), sender=me)
    keys = [w.join(id, m) for m in w.owners]
    session = w.market.session(id, 1)
    before = [w.cash.balanceOf(m) for m in w.owners]
    two = [(0, c, w.claim(keys[0], session, ATTEST, 0, c)) for c in (word("a"), word("b"))]
    w.referee.equivocation(id, 1, ATTEST, *two, sender=w.stranger)
    assert [w.cash.balanceOf(m) - c for m, c in zip(w.owners, before)] == [0, 334, 333, 333]
