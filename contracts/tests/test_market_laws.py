"""
The laws of reference/job-protocol.md §11 under random calls by random callers, over several jobs that run side by side, and
seeded bugs that break them. Owner 3 deviates as it likes; the others obey the rules and answer in time.

The shadow below knows only what was asked for: it computes lines, shares, windows and ends by itself.
"""
import random

import pytest

from market import *

BAD = 3
CAP, ACCOUNT_CAP = 60, 45
GRACE, ANSWER = 3, 3


class Broken(AssertionError):
    """A law does not hold."""


def law(name, holds, fact=""):
    if not holds:
        raise Broken(f"{name} {fact}")


def largest_remainder(total, weights):
    """Hare's method, written apart from the contract's."""
    shares = [total * x // sum(weights) for x in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % sum(weights)), i))
    for i in order[:total - sum(shares)]:
        shares[i] += 1
    return shares


class Shadow:
    def __init__(self, **facts):
        self.__dict__.update(dict(state=SEATING, joined={}, session=None, guilty=set(), locked={}, complaint=None, answered={},
                                  asked={}), **facts)


class Walk:
    def __init__(self, w, seed):
        self.w, self.rng, self.jobs = w, random.Random(seed), {}
        self.posted = {m: 5000 for m in w.owners}
        self.price, self.weights = {i: 100 for i in range(1, 5)}, {1: [(w.owners[0], 2), (w.author, 1)]}
        self.weights |= {i: [(w.owners[i - 1], 1)] for i in (2, 3, 4)}
        self.grants = {i: dict(id=w.grant[word(f"table {i - 1}")], given=20, revoked=False) for i in range(1, 5)}
        self.dead = []
        self.refusing = ()
        self.layout = {n: deployer(f"../{n}.vy").compiler_data.storage_layout["storage_layout"] for n in ("Market", "Cash")}
        self.people = [*w.keys, CONSORTIUM]
        w.list(w.owners[1], id=2, object=word("table 1"), cap=CAP, accountCap=ACCOUNT_CAP)
        self.supply = sum(self.cash().values()) + self.at(CASH, "balanceOf", MARKET)

    # --- reading, past the contracts' own views -----------------------------------------------------------------------
    def at(self, contract, variable, *keys, offset=0):
        slot = self.layout["Market" if contract == MARKET else "Cash"][variable]["slot"]
        for k in keys:
            k = int(k, 16) if isinstance(k, str) else k
            slot = int.from_bytes(keccak(slot.to_bytes(32, "big") + k.to_bytes(32, "big")), "big")
        return boa.env.get_storage(contract, slot + offset)

    def cash(self):
        """What each could spend now, or collect."""
        return {a: self.at(CASH, "balanceOf", a) + self.at(MARKET, "owed", a) for a in self.people}

    def bonds(self, m):
        word = self.at(MARKET, "bond", m)
        return word & 2**128 - 1, word >> 128

    def live(self, *states):
        return [i for i, j in self.jobs.items() if j.state in (states or (SEATING, RUNNING, FAILING))]

    def pick(self, *states):
        jobs = self.live(*states)
        return self.rng.choice(jobs) if jobs else None

    # --- calls --------------------------------------------------------------------------------------------------------
    def call(self, f, *arguments, sender):
        """Whether it went through."""
        try:
            f(*arguments, sender=sender)
            return True
        except boa.BoaError:
            return False

    def must(self, name, f, *arguments, sender):
        law(name, self.call(f, *arguments, sender=sender), f"{f.__class__.__name__} refused {arguments[:2]}")

    def never(self, name, f, *arguments, sender):
        with boa.env.anchor():
            law(name, not self.call(f, *arguments, sender=sender), f"went through: {arguments[:2]}")

    def open(self):
        w, rng = self.w, self.rng
        listings = [1, 2, 3, 4]
        rng.shuffle(listings)
        budget = rng.randrange(21)
        spent = sum(j.budget for j in self.jobs.values() if j.state != REFUNDED)
        fits = spent + budget <= ACCOUNT_CAP or budget == 0
        alive = all(not g["revoked"] for g in self.grants.values())
        left = all(self.left(i) > 0 for i in listings)
        few = len(self.live()) < 4
        values = dict(uses=[w.use(i, grant=self.grants[i]["id"], budget=budget if i == 2 else 0) for i in listings])
        order = w.order(**values)
        terms = [w.terms[i][0] for i in listings]
        call = w.market.open, order, terms, [], b"", NO_PERMIT
        if not (fits and few):
            return self.never("L12", *call, sender=w.requester)
        if not alive:
            self.never("L11", *call, sender=w.requester)
            return self.consent(give=True)
        if not left:
            return self.never("L10", *call, sender=w.requester)
        lines = []
        for index, i in enumerate(listings):
            shares = largest_remainder(self.price[i], [x for _, x in self.weights[i]])
            lines += [(a, s, index, 1) for (a, _), s in zip(self.weights[i], shares) if s]
        levy = sum(x[1] for x in lines) // 100
        lines += [(CONSORTIUM, levy, 0, 4)] if levy else []
        self.must("L9", *call, sender=w.requester)
        id = w.market.jobs()
        seats = [w.owners[i - 1] for i in listings]
        self.jobs[id] = Shadow(lines=lines, fee=sum(x[1] for x in lines) + 100, seats=seats, deadline=w.now + 100, budget=budget,
                               grants=[self.grants[i]["id"] for i in listings], listings=listings, until=w.now + 20)

    def left(self, i):
        g = self.grants[i]["id"]
        return self.grants[i]["given"] - sum(g in j.grants for j in self.jobs.values() if j.state != REFUNDED)

    def join(self):
        w, id = self.w, self.pick(SEATING)
        if id is None:
            return
        j = self.jobs[id]
        waiting = [m for m in j.seats if m not in j.joined]
        m = self.rng.choice(waiting)
        key = w.new_key()
        inputs, signatures = w.proofs(id, m, key)
        call = w.market.join, id, 1, key.address, inputs, NOTHING, signatures
        self.never("L20", *call, sender=w.requester)
        revoked = j.grants[j.seats.index(m)] in self.dead
        if w.now >= j.until or revoked:
            return self.never("L11" if revoked else "L6", *call, sender=m)
        if self.bonds(m)[0] < 1000:
            return self.never("L20", *call, sender=m)
        self.must("L21", *call, sender=m)
        j.joined[m], j.locked[m] = key, 1000
        if len(j.joined) == 4:
            j.state, j.session = RUNNING, w.market.session(id, 1)
            law("L21", j.session != NOTHING)

    def settle(self):
        w, id = self.w, self.pick(RUNNING, FAILING)
        if id is None:
            return
        j, t = self.jobs[id], word("transcript")
        good = w.attested(j.session, [j.joined[m] for m in j.seats], w.BOXES)
        at, rest = self.rng.randrange(4), [i for i in self.jobs if i != id and self.jobs[i].session]
        forged = [good[:at] + [f] + good[at + 1:] for f in (b"", good[at - 1], bytes(65))]
        if rest:
            o = self.jobs[rest[0]]
            forged.append(w.attested(o.session, [o.joined[m] for m in o.seats], w.BOXES))
        forged.append(good[:3] + [w.attested(j.session, [w.new_key()], w.BOXES)[0]])
        self.never("L4", w.market.settle, id, 1, t, w.BOXES, self.rng.choice(forged), sender=w.stranger)
        self.never("L14", w.market.settle, id, 1, t, [*w.BOXES[:3], b"garbage"], good, sender=w.stranger)
        last = j.deadline if j.state == RUNNING else min(j.until, j.deadline)
        if w.now >= last:
            return self.never("L13", w.market.settle, id, 1, t, w.BOXES, good, sender=w.stranger)
        before = self.cash()
        self.must("L18" if j.state == FAILING else "L7", w.market.settle, id, 1, t, w.BOXES, good, sender=w.stranger)
        paid = {a: c - before[a] for a, c in self.cash().items()}
        due = dict.fromkeys(self.people, 0)
        for payee, amount, _, _ in j.lines:
            due[payee] += amount
        for m in j.seats:
            due[w.requester if m in j.guilty else m] += 25
        law("L5", paid == due, f"{paid} is not {due}")
        self.end(j, SETTLED)
        self.never("L3", w.market.settle, id, 1, t, w.BOXES, good, sender=w.stranger)

    def end(self, j, state):
        j.state, j.locked = state, {}

    def advance(self):
        w, id = self.w, self.pick()
        if id is None:
            return
        j = self.jobs[id]
        if j.complaint and j.state == RUNNING and w.now >= j.complaint[1]:
            accused = j.complaint[0]
            self.must("L6", w.market.advance, id, sender=w.stranger)
            return self.out(j, accused, 200)
        moment = dict(zip((SEATING, RUNNING, FAILING), (j.until, j.deadline, min(j.until or 0, j.deadline))))[j.state]
        if w.now < moment:
            return self.never("L13", w.market.advance, id, sender=w.stranger)
        before = self.cash()
        self.must("L6", w.market.advance, id, sender=w.stranger)
        self.refunded(id, before)

    def refunded(self, id, before):
        back = {a: c - before[a] for a, c in self.cash().items()}
        law("L3", back == dict.fromkeys(self.people, 0) | {self.w.requester: self.jobs[id].fee}, back)
        self.end(self.jobs[id], REFUNDED)
        self.never("L3", self.w.market.advance, id, sender=self.w.stranger)

    def refuse(self):
        w, id = self.w, self.pick(SEATING)
        if id is None:
            return
        j, before = self.jobs[id], self.cash()
        m = self.rng.choice(j.seats)
        self.never("L20", w.market.decline, id, NOTHING, sender=w.stranger)
        if self.rng.random() < 0.5:
            (self.never if j.joined else self.must)("L13", w.market.cancel, id, sender=w.requester)
            over = not j.joined
        else:
            (self.never if m in j.joined else self.must)("L13", w.market.decline, id, word("no"), sender=m)
            over = m not in j.joined
        if over:
            self.refunded(id, before)

    def out(self, j, m, amount):
        """The shadow of a penalty."""
        self.posted[m] -= amount
        del j.locked[m]
        if j.state == RUNNING:
            j.state, j.until = FAILING, self.w.now + GRACE

    def leave(self):
        w, id = self.w, self.pick(RUNNING)
        if id is None:
            return
        before, j = self.cash(), self.jobs[id]
        self.must("L6", w.market.leave, id, 1, sender=w.owners[BAD])
        self.shared(j, w.owners[BAD], 200, before)
        self.out(j, w.owners[BAD], 200)

    def shared(self, j, culprit, amount, before):
        heirs = [m for m in j.seats if m in j.locked and m != culprit] + [self.w.requester]
        shares = dict(zip(heirs, largest_remainder(amount, [1] * len(heirs))))
        got = {a: c - before[a] for a, c in self.cash().items()}
        law("L8", got == dict.fromkeys(self.people, 0) | shares, got)

    def convict(self):
        w, id = self.w, self.pick(RUNNING, FAILING)
        if id is None:
            return
        j = self.jobs[id]
        honest = self.rng.choice([m for m in j.seats if m != w.owners[BAD]])
        claim = lambda m, c, at=j: (0, word(c), w.claim(at.joined[m], at.session, ATTEST, 0, word(c)))
        others = [o for o in self.jobs.values() if o.session and o is not j]
        other = self.rng.choice(others) if others else j
        forged = self.rng.choice([(claim(honest, "a"), claim(honest, "a")), (claim(honest, "a"), claim(w.owners[BAD], "b")),
                                  (claim(honest, "a"), claim(honest, "b", other) if other is not j else claim(honest, "a"))])
        self.never("L16", w.referee.equivocation, id, 1, ATTEST, *forged, sender=w.owners[BAD])
        self.never("L16", w.market.convict, id, 1, honest, 1, sender=w.owners[BAD])
        proof = claim(w.owners[BAD], "a"), claim(w.owners[BAD], "b")
        if w.owners[BAD] not in j.locked:
            return self.never("L20", w.referee.equivocation, id, 1, ATTEST, *proof, sender=w.stranger)
        before = self.cash()
        self.must("L16", w.referee.equivocation, id, 1, ATTEST, *proof, sender=w.stranger)
        self.shared(j, w.owners[BAD], 1000, before)
        self.out(j, w.owners[BAD], 1000)
        j.guilty.add(w.owners[BAD])

    def complain(self):
        w, id = self.w, self.pick(RUNNING)
        if id is None or self.jobs[id].complaint:
            return
        j = self.jobs[id]
        accuser, accused = self.rng.sample(j.seats, 2)
        if w.owners[BAD] not in (accuser, accused):
            accuser = w.owners[BAD]                                # honest members have nothing to ask of each other
        pair = frozenset((accuser, accused))
        call = w.referee.complain, id, 1, accused, SEGMENT, 0, [], NOTHING
        if w.now + ANSWER >= j.deadline:
            return self.never("L6", *call, sender=accuser)
        law("L17", j.asked.get(pair, 0) < 2, "a third complaint of a pair that sits")
        self.must("L17", *call, sender=accuser)
        j.complaint = accused, w.now + ANSWER, accuser
        j.asked[pair] = j.asked.get(pair, 0) + 1
        if accused != w.owners[BAD] or self.rng.random() < 0.3:
            if self.rng.random() < 0.5:
                self.never("L15", w.market.advance, id, sender=w.owners[BAD])
            self.answer(id)

    def answer(self, id):
        w, j = self.w, self.jobs[id]
        accused, _, accuser = j.complaint
        pair = frozenset((accuser, accused))
        strike = j.answered.get(pair, 0)
        index = j.seats.index(accuser) << 8 | strike
        claim = index, word("sent"), w.claim(j.joined[accused], j.session, PROGRESS, index, word("sent"))
        before = self.cash()
        self.must("L15", w.referee.answer, id, PROGRESS, claim, NOTHING, sender=w.stranger)
        law("L17", self.cash() == before, "an answer moved money")
        j.answered[pair], j.complaint = strike + 1, None
        if strike == 1:
            law("L17", w.job(id).state == FAILING, "no parting after the second answer")
            j.state, j.until = FAILING, w.now + GRACE

    def consent(self, give=False):
        """An owner revokes; or those that did give again."""
        w, i = self.w, self.rng.randrange(1, 5)
        if not give:
            if not self.grants[i]["revoked"]:
                w.grants.revoke(self.grants[i]["id"], NOTHING, sender=w.owners[i - 1])
                self.grants[i]["revoked"] = True
                self.dead.append(self.grants[i]["id"])
            return
        for i, g in self.grants.items():
            if g["revoked"]:
                self.grants[i] = dict(id=w.give(w.owners[i - 1], word(f"table {i - 1}"), 20), given=20, revoked=False)

    def reprice(self):
        w, rng = self.w, self.rng
        self.price[1] = rng.randrange(1, 1000)
        payees = rng.sample([w.owners[0], w.author, w.bank, w.stranger], rng.randrange(1, 5))
        self.weights[1] = [(a, rng.randrange(1, 1000)) for a in payees]
        w.list(w.owners[0], id=1, object=word("table 0"), flat=self.price[1], payees=self.weights[1])

    def bond(self):
        w, m = self.w, self.rng.choice(self.w.owners)
        free, locked = self.bonds(m)
        self.never("L20", w.market.takeBond, free + 1, sender=m)
        amount = self.rng.randrange(free + 1) // 4
        if m not in self.refusing:
            self.must("L20", w.market.takeBond, amount, sender=m)
            self.posted[m] -= amount

    def obstruct(self):
        """Somebody whom cash cannot reach: owner 1 and the requester."""
        self.refusing = () if self.refusing else (self.w.owners[1], self.w.requester)
        self.w.refuse(*self.refusing)

    def wait(self):
        for id in self.live(RUNNING):                              # honest members answer before time passes
            if self.jobs[id].complaint and self.jobs[id].complaint[0] != self.w.owners[BAD]:
                self.answer(id)
        self.w.pass_time(self.rng.choice((1, 1, 2, 4, 15, 60)))

    ACTIONS = dict(open=8, join=24, settle=5, advance=6, refuse=1, leave=1, convict=2, complain=5, consent=1, reprice=2, bond=1,
                   obstruct=1, wait=3)

    def step(self):
        getattr(self, self.rng.choices(list(self.ACTIONS), list(self.ACTIONS.values()))[0])()
        self.check()

    # --- laws of every state ------------------------------------------------------------------------------------------
    def check(self):
        w = self.w
        market = self.at(CASH, "balanceOf", MARKET)
        owed = {a: self.at(MARKET, "owed", a) for a in self.people}
        law("L1", sum(self.cash().values()) - sum(owed.values()) + market == self.supply, "cash made or lost")
        fees = sum(self.jobs[i].fee for i in self.live())
        law("L1", market == fees + sum(sum(self.bonds(m)) for m in w.owners) + sum(owed.values()), "Market's cash")
        for m in w.owners:
            free, locked = self.bonds(m)
            law("L15", free + locked == self.posted[m], "a bond changed without proof or silence")
            law("L20", locked == sum(self.jobs[i].locked.get(m, 0) for i in self.live()), "locks")
        for id, j in self.jobs.items():
            facts = w.job(id)
            law("L3", facts.state == j.state, f"job {id} is {facts.state}, not {j.state}")
            law("L6", facts.deadline == j.deadline, "the deadline moved")
            if j.state in (SEATING, RUNNING, FAILING):
                lines = w.lines(id)
                law("L2", sum(x.amount for x in lines) == facts.fee == j.fee, "lines are not the fee")
                law("L8", [tuple(x) for x in lines[:facts.lines]] == j.lines, "frozen lines")
                law("L21", [x.payee for x in lines[facts.lines:]] == [w.requester if m in j.guilty else m for m in j.seats], "seats")
        for g in [*(g["id"] for g in self.grants.values()), *self.dead]:
            given, left, held, used = w.grants.grantOf(g)[8:]
            count = lambda *states: sum(g in j.grants for j in self.jobs.values() if j.state in states)
            law("L10", (given, left, held, used) == (20, 20 - held - used, count(SEATING, RUNNING, FAILING), count(SETTLED)), "uses")
        held = sum(self.jobs[i].budget for i in self.live())
        spent = sum(j.budget for j in self.jobs.values() if j.state == SETTLED)
        law("L12", w.market.budgets(2, w.requester) == (spent, held, spent, held, len(self.live())), "budget")
        law("L12", spent + held <= ACCOUNT_CAP)

    def finish(self):
        """From the deadline on, two steps end any job and free every bond."""
        self.wait()
        self.w.pass_time(101)
        for id in self.live():
            for _ in range(2):
                if self.jobs[id].state in (SEATING, RUNNING, FAILING):
                    before, j = self.cash(), self.jobs[id]
                    due = j.complaint and j.state == RUNNING
                    self.must("L6", self.w.market.advance, id, sender=self.w.stranger)
                    self.out(j, j.complaint[0], 200) if due else self.refunded(id, before)
        law("L6", not self.live())
        self.check()
        law("L20", all(self.bonds(m)[1] == 0 for m in self.w.owners), "a bond is locked for no job")

    def run(self, steps):
        for _ in range(steps):
            self.step()
        self.finish()


@pytest.mark.parametrize("seed", range(3))
def test_all_laws_hold_under_random_calls(w, seed):
    walk = Walk(w, seed)
    walk.run(60)
    assert len(walk.jobs) >= 2


BUGS = {    # law: contract, text, what it becomes
    "L1 what could not be paid is forgotten": ("Market", "        self.owed[payee] += amount\n", ""),
    "L2 rounding loses a unit": ("Market", "        shares[best] += 1\n", ""),
    "L3 refund twice": ("Market", "    extcall IGrants(GRANTS).free(id)\n    self._pay(", "    extcall IGrants(GRANTS).free(id)\n    self._pay(j.requester, j.fee)\n    self._pay("),
    "L4 three attestations suffice": ("Market", "    for i: uint256 in range(j.seats, bound=4):\n        key: address", "    for i: uint256 in range(j.seats - 1, bound=4):\n        key: address"),
    "L5 a convict is paid": ("Market", "payee: address = j.requester if m.out == CONVICTED else m.account", "payee: address = m.account"),
    "L6 a blame moves the deadline": ("Market", "    j.until = block.timestamp + j.grace\n", "    j.until = block.timestamp + j.grace\n    j.deadline += 60\n"),
}


@cache
def codes():
    return dict(zip(BUGS, compiled_all(list(BUGS.values()))))


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_breaks_a_law(bug):
    code = codes()[bug]
    for seed in range(12):
        with fresh() as w:
            boa.env.set_code(MARKET if BUGS[bug][0] == "Market" else REFEREE, code)
            try:
                Walk(w, seed).run(60)
            except Broken:
                return
    raise AssertionError(f"no law noticed: {bug}")
