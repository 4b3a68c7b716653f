"""
The laws of reference/job-protocol.md §11 for Market and Referee under random calls by random callers, over several jobs that run
side by side. Member 3 deviates as it likes and also orders; the others obey the rules and answer in time; outsiders try everything.

The shadow below knows only what was asked for: it computes lines, shares, windows, verdicts and ends by itself.
"""
import itertools
import random

from market import *

BAD = 3                                                             # the owner that deviates
CAP, ACCOUNT_CAP = 60, 45                                           # of listing 2
GRACE, ANSWER, EDGE = 3, 3, 90 * 86400
LIVE = SEATING, RUNNING, FAILING
USES = 12                                                           # of a grant
TRIPLES = list(itertools.permutations(range(4), 3))                 # sender, receiver, witness of a MESSAGE


def largest_remainder(total, weights):
    """Hare's method, written apart from the contract's."""
    shares = [total * x // sum(weights) for x in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % sum(weights)), i))
    for i in order[:total - sum(shares)]:
        shares[i] += 1
    return shares


class Shadow:
    """A job as it must be."""

    def __init__(self, **facts):
        self.__dict__.update(dict(state=SEATING, joined={}, session=None, guilty=set(), locked={}, complaint=None, answered={},
                                  asked={}), **facts)

    @property
    def last(self):
        """Settlement before it, refund from it on."""
        return self.deadline if self.state == RUNNING else min(self.until, self.deadline)


class Walk:
    def __init__(self, w, seed):
        self.w, self.rng, self.jobs = w, random.Random(seed), {}
        self.bad, self.fifth = w.owners[BAD], w.bank
        self.requesters = [w.requester, w.author, self.bad]
        self.people = [*w.keys, CONSORTIUM]
        self.refusing, self.frozen, self.untrusting, self.unfit = (), set(), set(), set()
        self.edges, self.suspended, self.settled = {}, set(), []
        for m, roles in ((w.bank, BANK | DATA | COMPUTE), (w.regulator, REGULATOR | COMPUTE)):
            w.roles(m, roles)                                       # six that compute: one may deviate, also when two lose the role
        for m in (*self.requesters, self.fifth):
            w.mint(m, 10**13)
            w.cash.approve(MARKET, 2**255, sender=m)
        w.market.postBond(5_000, sender=self.fifth)
        self.posted = dict.fromkeys((*w.owners, self.fifth), 5_000)
        self.owner = dict(enumerate((*w.owners, self.fifth), 1))    # of the listings 1 to 5
        self.object = {i: word(f"table {i - 1}") for i in self.owner}
        self.price = {i: (100, 0) for i in self.owner}
        self.weights = {i: [(m, 2), (w.author, 1)] for i, m in self.owner.items()}
        for i in self.owner:
            self.relist(i)
        for m in w.owners:
            w.market.setStance(5, m, 1, sender=self.fifth)
        self.grants, self.grant, self.open_to_all, self.closed = {}, {}, set(), set()
        for i in self.owner:
            for r in self.requesters:
                self.give(i, r)
        self.self_made = [w.grants.give(r, 0, NOTHING, 63, NOTHING, 2**40, 9, NOTHING, b"", sender=r) for r in self.requesters[:2]]
        self.supply = sum(balance for balance, _ in self.cash().values()) + self.at(CASH, "balanceOf", MARKET)
        if seed % 2:
            self.obstruct()

    # --- reading, past the contracts' own views -----------------------------------------------------------------------
    def at(self, contract, variable, *keys, offset=0):
        return boa.env.get_storage(contract, slot_of("Market" if contract == MARKET else "Cash", variable, *keys) + offset)

    def cash(self):
        """What each has, and what is owed to it."""
        return {a: (self.at(CASH, "balanceOf", a), self.at(MARKET, "owed", a)) for a in self.people}

    def paid(self, name, before, due):
        """Exactly what is due went to everybody, or is owed to those whom cash cannot reach."""
        after, due = self.cash(), {a: due.get(a, 0) for a in self.people}
        law("L7", all(after[a][1] - before[a][1] >= due[a] for a in self.refusing), "what could not be paid is not owed")
        gained = {a: sum(after[a]) - sum(before[a]) for a in self.people}
        law(name, gained == due, f"{gained} is not {due}")

    def pays(self, name):
        """The law that a refused payment breaks: while a payee refuses, another than otherwise."""
        return "L7" if self.refusing else name

    def bonds(self, m):
        w = self.at(MARKET, "bond", m)
        return w & 2**128 - 1, w >> 128

    def live(self, *states):
        return [i for i, j in self.jobs.items() if j.state in (states or LIVE)]

    def pick(self, *states):
        jobs = self.live(*states)
        return self.rng.choice(jobs) if jobs else None

    # --- calls --------------------------------------------------------------------------------------------------------
    def must(self, name, call, *arguments, sender):
        law(name, attempt(call, *arguments, sender=sender)[0], f"refused {arguments[:2]}")

    def never(self, name, call, *arguments, sender):
        with boa.env.anchor():
            law(name, not attempt(call, *arguments, sender=sender)[0], f"went through: {arguments[:2]}")

    # --- what owners and the alliance do ------------------------------------------------------------------------------
    def relist(self, i):
        more = dict(cap=CAP, accountCap=ACCOUNT_CAP) if i == 2 else {}
        flat, per_unit = self.price[i]
        self.w.list(self.owner[i], id=i if i in self.w.terms else 0, object=self.object[i], flat=flat, perUnit=per_unit,
                    maximumUnits=9, payees=self.weights[i], claimsSeat=i < 5, **more)

    def give(self, i, r):
        brief = self.rng.random() < 0.1
        expires = self.w.now + 30 if brief else 2**40
        id = self.w.give(self.owner[i], self.object[i], USES, grantee=r, expires=expires)
        self.grant[i, r], self.grants[id] = id, dict(owner=i, grantee=r, expires=expires, revoked=False)

    def dead(self, g):
        return self.grants[g]["revoked"] or self.w.now >= self.grants[g]["expires"]

    def left(self, g):
        return USES - sum(g in j.grants for j in self.jobs.values() if j.state != REFUNDED)

    def consent(self):
        """Grants are withdrawn and given again, policies opened, closed and unset."""
        w, i = self.w, self.rng.choice(list(self.owner))
        r = self.rng.choice(self.requesters)
        g = self.grant[i, r]
        if self.rng.random() < 0.4:
            mode = self.rng.choice((0, ASK, OPEN, 1))
            w.grants.setPolicy(2, self.object[i], mode, AGGREGATE if mode == OPEN else 0, NOTHING, sender=self.owner[i])
            (self.open_to_all.add if mode == OPEN else self.open_to_all.discard)(i)
            (self.closed.add if mode == 1 else self.closed.discard)(i)
        elif not self.grants[g]["revoked"]:
            w.grants.revoke(g, NOTHING, sender=self.owner[i])
            self.grants[g]["revoked"] = True

    def repair(self):
        """Whatever stands in the way of an order of this requester: owners give again, close no more, trust again."""
        for (i, r), g in list(self.grant.items()):
            if self.dead(g) or self.left(g) == 0:
                self.give(i, r)
        for i in sorted(self.closed):
            self.w.grants.setPolicy(2, self.object[i], 0, 0, NOTHING, sender=self.owner[i])
        self.closed.clear()
        for i, m in sorted(self.untrusting):
            self.w.market.setStance(i, m, 1, sender=self.owner[i])
        self.untrusting.clear()
        for m in sorted(self.unfit):
            self.w.roles(m, OWNER)
        self.unfit.clear()

    def reprice(self):
        rng, i = self.rng, self.rng.choice(list(self.owner))
        self.price[i] = rng.choice((0, 1, rng.randrange(1000), rng.randrange(10**9))), rng.choice((0, rng.randrange(100)))
        payees = rng.sample([*self.w.owners[:2], self.w.author, self.w.bank, self.w.stranger], rng.randrange(1, 5))
        self.weights[i] = [(a, rng.choice((1, rng.randrange(1, 1000), rng.randrange(1, 2**32)))) for a in payees]
        self.relist(i)

    def distrust(self):
        """A member that may not compute any more, or whom one owner no longer wants beside itself."""
        if self.rng.random() < 0.5:
            m = self.rng.choice(self.w.owners)
            self.w.roles(m, OWNER & ~COMPUTE)
            self.unfit = {m} if not self.unfit - {m} else self.unfit | {m}
            if len(self.unfit) > 2:
                self.repair()
        else:
            i, m = self.rng.choice((1, 2, 3, 4, 5)), self.rng.choice(self.w.owners)
            self.w.market.setStance(i, m, self.rng.choice((0, 2)), sender=self.owner[i])
            if self.owner[i] != m:
                self.untrusting.add((i, m))

    def hold(self):
        """The regulator holds an account or lets it go."""
        w, a = self.w, self.rng.choice([*self.requesters, *self.w.owners])
        w.freeze(a, a not in self.frozen)
        self.frozen ^= {a}

    def obstruct(self):
        """Somebody whom cash cannot reach: an owner and a requester."""
        before, self.refusing = self.refusing, () if self.refusing else (self.w.owners[1], self.w.requester)
        self.w.refuse(*self.refusing)
        for a in before:
            self.collect(a)

    def collect(self, a=None):
        before, a = self.cash(), a or self.rng.choice(self.people)
        if a not in self.refusing:
            self.must("L7", self.w.market.collect, a, sender=self.w.stranger)
            law("L7", self.at(MARKET, "owed", a) == 0, "what was owed is paid once")
            self.paid("L7", before, {})

    def bond(self):
        w, m = self.w, self.rng.choice(list(self.posted))
        free, _ = self.bonds(m)
        self.never("L20", w.market.takeBond, free + 1, sender=m)
        if m in self.refusing or self.rng.random() < 0.5:
            if m not in self.frozen and free < 3000:
                self.must("L20", w.market.postBond, 500, sender=m)
                self.posted[m] += 500
        else:
            amount = self.rng.randrange(free + 1) // 4
            self.must("L20", w.market.takeBond, amount, sender=m)
            self.posted[m] -= amount

    # --- a job --------------------------------------------------------------------------------------------------------
    def open(self):
        w, rng = self.w, self.rng
        if len(self.live(SEATING)) > 1 and rng.random() < 0.8:
            return self.join()
        r, listings = rng.choice(self.requesters), [1, 2, 3, 4]
        rng.shuffle(listings)
        if rng.random() < 0.3:
            listings.insert(rng.randrange(5), 5)
        budget = rng.choice((0, 10, 30, ACCOUNT_CAP, ACCOUNT_CAP + 1))
        bound = lambda *who: sum(j.budget for j in self.jobs.values() if j.state != REFUNDED and j.requester in who)
        fits = budget == 0 or bound(r) + budget <= ACCOUNT_CAP and bound(*self.requesters) + budget <= CAP
        few = sum(j.requester == r for j in self.jobs.values() if j.state in LIVE) < 4
        grants = [0 if i in self.open_to_all else self.grant[i, r] for i in listings]
        units, span, bond = [rng.randrange(10) for _ in listings], rng.randrange(60, 150), rng.choice((997, 999, 509))
        facts = dict(requester=r, deadline=w.now + span, bond=bond, maximumFee=10**12, seatingSeconds=30)

        def call(purpose=AGGREGATE, grants=grants, **more):
            uses = [w.use(i, grant=g, units=u, budget=budget if i == 2 else 0) for i, g, u in zip(listings, grants, units)]
            order = w.order(uses=uses, purpose=purpose, **facts | more)
            return w.market.open, order, [w.terms[i][0] for i in listings], [], b"", NO_PERMIT

        if not (fits and few):
            self.never("L12", *call(), sender=r)
            if not few:
                return
            budget = 0
        if r in self.frozen:
            return self.never("L7", *call(), sender=r)
        if self.unfit or any(i in listings for i, _ in self.untrusting):
            self.never("L21", *call(), sender=r)
            return self.repair()
        if self.closed & set(listings):
            self.never("L9", *call(), sender=r)
            return self.repair()
        if any(self.dead(g) for g in grants if g):
            self.never("L11", *call(), sender=r)
            return self.repair()
        if any(self.left(g) < 1 for g in grants if g):
            self.never("L10", *call(), sender=r)
            return self.repair()
        asked = [k for k, g in enumerate(grants) if g]
        tries = [("L7", r, dict(callback=w.stranger, callbackGas=10**6)), ("L22", w.stranger, {}),
                 ("L6", r, dict(deadline=w.now + 7 * 86400 + 1 + rng.randrange(10**6))),
                 ("L9", r, dict(purpose=rng.choice((0, READ, READ | AGGREGATE, 64))))]
        if asked:
            k = rng.choice(asked)
            foreign = [g for g, x in self.grants.items() if not self.dead(g) and (x["owner"], x["grantee"]) != (listings[k], r)]
            for g in (0, *self.self_made, rng.choice(foreign)):
                tries.append(("L9", r, dict(grants=[*grants[:k], g, *grants[k + 1:]])))
        for name, sender, spoilt in rng.sample(tries, 2):           # calls are what a walk's time goes to
            self.never(name, *call(**spoilt), sender=sender)
        lines = []
        for index, i in enumerate(listings):
            flat, per_unit = self.price[i]
            shares = largest_remainder(flat + per_unit * units[index], [x for _, x in self.weights[i]])
            lines += [(a, s, index, 1) for (a, _), s in zip(self.weights[i], shares) if s]
        levy = sum(x[1] for x in lines) // 100
        lines += [(CONSORTIUM, levy, 0, 4)] if levy else []
        fee, before, right = sum(x[1] for x in lines) + 100, self.cash(), call()
        self.must("L9", *right, sender=r)
        self.paid("L19", before, {r: -fee})
        members = [self.owner[i] for i in listings]
        self.jobs[w.market.jobs()] = Shadow(
            requester=r, lines=lines, fee=fee, members=members, seats=[m for m in members if m != self.fifth], bond=bond,
            deadline=w.now + span, budget=budget, grants=[g for g in grants if g], listings=listings, until=w.now + 30,
            needs=dict(zip(members, grants)))

    def join(self):
        """One member, or often all that are missing."""
        id, all = self.pick(SEATING), self.rng.random() < 0.7
        while id and self.join_one(id) and all and self.jobs[id].state == SEATING:
            pass

    def join_one(self, id):
        w, j = self.w, self.jobs[id]
        m = self.rng.choice([m for m in j.members if m not in j.joined])
        key = w.new_key()
        inputs, signatures = w.proofs(id, m, key)
        call = w.market.join, id, 1, key.address, inputs, NOTHING, signatures
        self.never("L20", *call, sender=self.rng.choice([a for a in self.people if a != m]))
        if j.needs[m] and self.rng.random() < 0.03 and not self.dead(j.needs[m]):
            w.grants.revoke(j.needs[m], NOTHING, sender=m)          # it changes its mind at the last moment
            self.grants[j.needs[m]]["revoked"] = True
        if j.joined:                                                # a key serves one member in one session
            old = self.rng.choice(list(j.joined.values()))
            self.never("L16", w.market.join, id, 1, old.address, *self.with_key(id, m, old), sender=m)
            twice = self.rng.choice(list(j.joined))
            self.never("L21", w.market.join, id, 1, key.address, *self.with_key(id, twice, key), sender=twice)
        revoked = j.needs[m] and self.dead(j.needs[m])
        lock = j.bond if m in j.seats else j.bond // 2
        if w.now >= j.until or revoked:
            return self.never("L11" if w.now < j.until else "L6", *call, sender=m)
        if self.bonds(m)[0] < lock:
            return self.never("L20", *call, sender=m)
        self.must("L21", *call, sender=m)
        j.joined[m], j.locked[m] = key, lock
        if len(j.joined) == len(j.members):
            j.state, j.session = RUNNING, w.market.session(id, 1)
            law("L21", j.session != NOTHING, "no session")
        return True

    def with_key(self, id, m, key):
        inputs, signatures = self.w.proofs(id, m, key)
        return inputs, NOTHING, signatures

    def settle(self):
        w, id = self.w, self.pick(FAILING) or self.pick(RUNNING)
        if id is None:
            return
        j, t = self.jobs[id], word("transcript")
        good = w.attested(j.session, [j.joined[m] for m in j.seats], w.BOXES)
        at, rest = self.rng.randrange(4), [o for o in self.jobs.values() if o is not j and o.session]
        forged = [good[:at] + [f] + good[at + 1:] for f in (b"", good[at - 1], bytes(65))]
        forged += [w.attested(o.session, [o.joined[m] for m in o.seats], w.BOXES) for o in rest[:1]]
        forged.append(good[:3] + w.attested(j.session, [w.new_key()], w.BOXES))
        settle = lambda signatures, boxes=w.BOXES: (w.market.settle, id, 1, t, boxes, signatures)
        for signatures in self.rng.sample(forged, 3):
            self.never("L4", *settle(signatures), sender=w.stranger)
        swapped = self.rng.choice(([*w.BOXES[:3], b"garbage"], w.BOXES[::-1], w.BOXES[:1] * 4))
        self.never("L14", *settle(good, swapped), sender=w.stranger)
        if w.now >= j.last:
            return self.never("L3", *settle(good), sender=w.stranger)
        before = self.cash()
        self.must(self.pays("L18" if j.state == FAILING else "L3"), *settle(good), sender=self.rng.choice(self.people))
        law("L14", w.market.logged("Sealed") == [(tuple(w.BOXES),)], "the boxes are not in the transaction")
        due = dict.fromkeys(self.people, 0)
        for payee, amount, _, _ in j.lines:
            due[payee] += amount
        for m in j.seats:
            due[j.requester if m in j.guilty else m] += 25
        self.paid("L5", before, due)
        self.settled.append(id)
        for index, i in enumerate(j.listings):
            ended = [s for s in self.settled if i in self.jobs[s].listings]
            law("L10", w.market.useAt(i, len(ended) - 1) == id and w.market.used(i)[0] == len(ended), "the ledger of uses")
        self.end(id, SETTLED)
        self.never("L3", *settle(good), sender=w.stranger)

    def end(self, id, state):
        j = self.jobs[id]
        j.state, j.locked = state, {}
        self.never("L3", self.w.market.advance, id, sender=self.w.stranger)
        self.never("L3", self.w.market.cancel, id, sender=j.requester)

    def advance(self, id=None):
        w, id = self.w, id or self.pick()
        if id is None:
            return
        j = self.jobs[id]
        if j.complaint and j.state == RUNNING and w.now >= j.complaint[1]:
            before, accused = self.cash(), j.complaint[0]
            self.must(self.pays("L6"), w.market.advance, id, sender=w.stranger)
            return self.penalty(id, accused, j.bond // 5, before)
        if w.now < j.last:
            return self.never("L3", w.market.advance, id, sender=w.stranger)
        before = self.cash()
        self.must(self.pays("L6"), w.market.advance, id, sender=w.stranger)
        self.refunded(id, before)

    def refunded(self, id, before):
        self.paid("L3", before, {self.jobs[id].requester: self.jobs[id].fee})
        self.end(id, REFUNDED)

    def refuse(self):
        w, id = self.w, self.pick(SEATING)
        if id is None:
            return
        j, before = self.jobs[id], self.cash()
        m = self.rng.choice(j.members)
        if self.rng.random() < 0.5:
            over = not j.joined
            (self.must if over else self.never)(self.pays("L15"), w.market.cancel, id, sender=j.requester)
        else:
            over = m not in j.joined
            (self.must if over else self.never)(self.pays("L15"), w.market.decline, id, word("no"), sender=m)
        if over:
            self.refunded(id, before)

    # --- verdicts -----------------------------------------------------------------------------------------------------
    def penalty(self, id, m, amount, before):
        """Equal shares for all others bound in the job and the requester; the attempt ends."""
        j = self.jobs[id]
        heirs = [x for x in j.members if x in j.locked and x not in (m, j.requester)] + [j.requester] * (j.requester != m)
        shares = dict(zip(heirs, largest_remainder(amount, [1] * len(heirs))))
        self.paid("L8", before, shares)
        self.posted[m] -= amount
        del j.locked[m]
        self.failing(id)

    def failing(self, id):
        """What all had attested still settles within the grace; a further verdict does not prolong it."""
        j = self.jobs[id]
        if j.state == RUNNING:
            j.state, j.until = FAILING, self.w.now + GRACE
        law("L18", self.w.market.lastMoment(id) == j.last, "the grace")

    def leave(self):
        w, id = self.w, self.pick(RUNNING)
        if id is None:
            return
        before = self.cash()
        self.never("L15", w.market.leave, id, 1, sender=self.fifth)
        self.must(self.pays("L6"), w.market.leave, id, 1, sender=self.bad)
        self.penalty(id, self.bad, self.jobs[id].bond // 5, before)

    def claim(self, j, m, kind, index, content, session=None):
        content = content if isinstance(content, bytes) else word(content)
        return index, content, self.w.claim(j.joined[m], session or j.session, kind, index, content)

    def convict(self):
        w, id = self.w, self.pick(RUNNING, FAILING)
        if id is None:
            return
        j, rng = self.jobs[id], self.rng
        honest = rng.choice([m for m in j.members if m != self.bad])
        kind, index = rng.choice((SEGMENT, ATTEST, BOX)), rng.randrange(3)
        say = lambda m, content, **slot: self.claim(slot.get("job", j), m, slot.get("kind", kind), slot.get("index", index), content)
        other = rng.choice([o for o in self.jobs.values() if o.session and honest in o.joined])
        a = say(honest, "a")
        bound = w.market.commitment(id, 1, j.members.index(honest))
        forged = [(a, a), (a, say(self.bad, "b")), (say(honest, "b", index=index + 1), a), (a, say(honest, "b", kind=9))]
        if other is not j:
            forged.append((a, say(honest, "b", job=other)))
            if self.bad in other.joined:                            # a key of another session signs for this one
                forged += [[self.claim(other, self.bad, kind, index, c, session=j.session) for c in "ab"]] * 3
        for two in forged:
            self.never("L16", w.referee.equivocation, id, 1, kind, *two, sender=self.bad)
        delivered = self.claim(j, honest, DELIVERY, j.members.index(honest), bound)
        self.never("L16", w.referee.falseInput, id, 1, delivered, sender=self.bad)
        self.never("L16", w.referee.falseInput, id, 1, self.claim(j, honest, DELIVERY, j.members.index(self.bad), "x"), sender=self.bad)
        self.never("L15", w.market.convict, id, 1, honest, 1, sender=self.bad)
        proofs = [(w.referee.equivocation, id, 1, kind, say(self.bad, "a"), say(self.bad, "b")),
                  (w.referee.falseInput, id, 1, self.claim(j, self.bad, DELIVERY, j.members.index(self.bad), "x"))]
        proof = rng.choice(proofs)
        if self.bad not in j.locked:
            return self.never("L20", *proof, sender=w.stranger)
        if rng.random() < 0.4:                                      # it was not that foolish
            return
        before = self.cash()
        self.must(self.pays("L16"), *proof, sender=w.stranger)
        j.guilty.add(self.bad)
        self.penalty(id, self.bad, j.bond, before)
        self.never("L20", *proofs[0], sender=w.stranger)

    def blame(self):
        """What would follow from two lies, and what follows from a third."""
        id = self.pick(RUNNING)
        if id is None:
            return
        self.suppose(id, 2)
        if self.rng.random() < 0.5:
            self.lie(id)

    def suppose(self, id, lies):
        """Each of these lies by itself, as if the others had not been told."""
        j = self.jobs[id]
        for _ in range(lies):
            kept = dict(self.edges), set(self.suspended), j.state, j.until
            with boa.env.anchor():
                self.lie(id)
            self.edges, self.suspended, j.state, j.until = kept

    def lie(self, id):
        """The deviating seat lies in a message, a record or a claim of two: it is one of the pair, whatever it says."""
        w, j, rng = self.w, self.jobs[id], self.rng
        seat, bad = {m: s for s, m in enumerate(j.seats)}, j.seats.index(self.bad)
        honest = rng.choice([s for s in range(4) if s != bad])
        at = lambda s, kind, index, content: self.claim(j, j.seats[s], kind, index, content)
        before, way = self.cash(), rng.randrange(3)
        if way == 0:
            triple = rng.randrange(24)
            s, r, v = TRIPLES[triple]
            slot = rng.randrange(2**16) << 48 | rng.randrange(2**32) << 16 | triple << 8
            lie = rng.choice((b"truth", b"lie", b""))
            said = dict.fromkeys((s, v, r), b"truth")
            if bad in said:
                said[bad] = lie
            if s == bad:
                said[r] = b"lie"                                    # what the honest receiver was sent
            claims = [at(x, MESSAGE, slot | role, said[x].ljust(32, b"\0")) for role, x in ((2, r), (0, s), (1, v))]
            if bad not in said:
                # three honest seats agree: there is no objection; a claim of the deviator in the place of one proves nothing
                claims[rng.randrange(3)] = at(bad, MESSAGE, slot | rng.randrange(3), b"lie".ljust(32, b"\0"))
                return self.never("L16", w.referee.message, id, 1, *claims, sender=self.bad)
            if s == bad and lie == b"lie" or v == bad and lie == b"lie":
                pair = {s, v}
            elif s == bad or r == bad and lie != b"truth":
                pair = {s, r}
            else:
                pair = {v, r}
            self.must("L16", w.referee.message, id, 1, *claims, sender=w.stranger)
        elif way == 1:
            agreed, link = word("agreed"), lambda a, b: keccak(bytes([a, b]))

            def record(s, lie=None):
                others = [o for o in range(4) if o != s]
                words = [word("step"), *(link(s, o) for o in others), *(link(o, s) for o in others), *[word("bytes")] * 6]
                if lie is not None:
                    words[1 + others.index(lie) + rng.choice((0, 3))] = word("lie")
                return words, self.claim(j, j.seats[s], SEGMENT, 4, keccak(agreed + keccak(b"".join(words))))[2]
            a, b = rng.sample([s for s in range(4) if s != bad], 2)
            self.never("L16", w.referee.records, id, 1, 4, agreed, record(a), record(b), sender=self.bad)
            self.never("L16", w.referee.records, id, 1, 4, agreed, record(a), record(bad, lie=b), sender=self.bad)
            self.must("L16", w.referee.records, id, 1, 4, agreed, record(honest), record(bad, lie=honest), sender=w.stranger)
            pair = {honest, bad}
        else:
            a, b = rng.sample([s for s in range(4) if s != bad], 2)
            self.never("L16", w.referee.differ, id, 1, ATTEST, at(a, ATTEST, 0, "true"), at(b, ATTEST, 0, "true"), sender=self.bad)
            self.never("L16", w.referee.differ, id, 1, BOX, at(a, BOX, b << 8, "x"), at(b, BOX, b << 8, "y"), sender=self.bad)
            self.never("L16", w.referee.differ, id, 1, SEGMENT, at(a, SEGMENT, 0, "x"), at(b, SEGMENT, 0, "y"), sender=self.bad)
            self.must("L16", w.referee.differ, id, 1, ATTEST, at(honest, ATTEST, 0, "true"), at(bad, ATTEST, 0, "false"), sender=w.stranger)
            pair = {honest, bad}
        self.paid("L16", before, {})
        parted = {m.account for m in w.members(id) if m.out == 1}
        law("L16", parted == {j.seats[s] for s in pair}, f"{parted} of {j.seats}, not {pair}")
        self.parted(id, *(j.seats[s] for s in pair))

    def parted(self, id, a, b):
        """An edge for each; more than f living ones suspend."""
        f = (6 - len(self.unfit) - 1) // 3
        for x, y in ((a, b), (b, a)):
            alive = sum(until > self.w.now for e, until in self.edges.items() if x in e and y not in e)
            if alive + 1 > f:
                self.suspended.add(x)
            law("L16", self.w.referee.suspended(x) == (x in self.suspended), "who is suspended")
        self.edges[frozenset((a, b))] = self.w.now + EDGE
        self.failing(id)

    def reconcile(self):
        w = self.w
        self.never("L16", w.referee.reinstate, self.bad, sender=self.bad)
        self.must("L16", w.referee.reinstate, self.bad, sender=CONSORTIUM)
        self.suspended.discard(self.bad)
        for e in sorted(self.edges, key=sorted)[:1]:
            self.never("L16", w.referee.reconcile, *sorted(e), sender=self.bad)
            self.must("L16", w.referee.reconcile, *sorted(e), sender=CONSORTIUM)
            self.edges[e] = 0

    def complain(self):
        w, id = self.w, self.pick(RUNNING)
        if id is None or self.jobs[id].complaint:
            return
        j = self.jobs[id]
        accuser, accused = self.rng.sample(j.seats, 2)
        if j.answered and self.rng.random() < 0.8:
            accuser, accused = sorted(list(j.answered)[-1])
        if self.bad not in (accuser, accused):
            accuser = self.bad                                      # honest members have nothing to ask of each other
        pair = frozenset((accuser, accused))
        call = w.referee.complain, id, 1, accused, SEGMENT, 0, [], NOTHING
        if w.now + ANSWER >= j.deadline:
            return self.never("L6", *call, sender=accuser)
        self.never("L17", *call, sender=self.rng.choice([w.stranger, self.fifth, accused]))
        law("L17", j.asked.get(pair, 0) < 2, "a third complaint of a pair that sits")
        self.must("L17", *call, sender=accuser)
        self.never("L17", *call, sender=accuser)
        j.complaint = accused, w.now + ANSWER, accuser
        j.asked[pair] = j.asked.get(pair, 0) + 1
        if accused != self.bad or self.rng.random() < 0.5:
            law("L15", not w.referee.due(id)[0], "silence within the window")
            self.answer(id)

    def answer(self, id):
        w, j = self.w, self.jobs[id]
        accused, _, accuser = j.complaint
        pair = frozenset((accuser, accused))
        strike = j.answered.get(pair, 0)
        index = j.seats.index(accuser) << 8 | strike
        before = self.cash()
        self.never("L17", w.referee.answer, id, PROGRESS, self.claim(j, accuser, PROGRESS, index, "sent"), NOTHING, sender=w.stranger)
        answer = self.claim(j, accused, PROGRESS, index, "sent")
        self.must("L17" if strike else "L15", w.referee.answer, id, PROGRESS, answer, NOTHING, sender=w.stranger)
        self.paid("L17", before, {})
        with boa.env.anchor():
            w.pass_time(ANSWER)
            law("L15", not w.referee.due(id)[0], "silence, although there was an answer")
        j.answered[pair], j.complaint = strike + 1, None
        if strike == 1:
            law("L17", w.job(id).state == FAILING, "no parting after the second answer")
            self.parted(id, accuser, accused)

    # --- everybody and time -------------------------------------------------------------------------------------------
    def hostile(self):
        """What no caller may do who is not the one that may."""
        w, rng, id = self.w, self.rng, self.rng.choice(list(self.jobs) or [1])
        i, who = rng.choice(list(self.owner)), rng.choice((w.stranger, w.governor, self.bad))
        tries = [
            ("L3", w.market.cancel, id), ("L20", w.market.decline, id, NOTHING), ("L15", w.market.part, id, 1, *w.owners[:2], 4),
            ("L15", w.market.convict, id, 1, w.owners[0], 1), ("L10", w.grants.spend, id, NOTHING), ("L10", w.grants.free, id),
            ("L10", w.grants.hold, 10**6, who, AGGREGATE, NOTHING, []), ("L11", w.grants.setMarket, who, True),
            ("L2", w.market.list, i, w.terms[i][0]), ("L2", w.market.delist, i), ("L21", w.market.setStance, i, who, 1),
            ("L9", w.grants.revoke, self.grant[i, w.requester], NOTHING), ("L1", w.cash.issue, who, 5, NOTHING),
            ("L7", w.cash.freeze, w.owners[0], True, NOTHING), ("L1", w.cash.transferFrom, MARKET, who, 1)]
        name, call, *arguments = rng.choice(tries)
        if who == self.bad and (name in ("L20", "L3") or i == BAD + 1):
            who = w.stranger                                        # it is a member, or the owner, or the requester
        if self.jobs or name not in ("L3", "L20"):
            self.never(name, call, *arguments, sender=who)
        self.never("L7", w.cash.freeze, MARKET, True, NOTHING, sender=w.regulator)

    def wait(self):
        for id in self.live(RUNNING):                               # honest members answer before time passes
            if self.jobs[id].complaint and self.jobs[id].complaint[0] != self.bad:
                self.answer(id)
        self.w.pass_time(self.rng.choice((1, 1, 1, 2, 2, 4, 4, 8, 40) + (EDGE,) * (len(self.edges) > 1)))

    ACTIONS = dict(open=12, join=22, settle=14, advance=6, refuse=1, leave=1, convict=4, blame=4, complain=6, reconcile=1, consent=1,
                   reprice=3, distrust=3, hold=1, collect=1, bond=3, obstruct=1, hostile=5, wait=4)

    def step(self):
        getattr(self, self.rng.choices(list(self.ACTIONS), list(self.ACTIONS.values()))[0])()
        self.check()

    # --- laws of every state ------------------------------------------------------------------------------------------
    def invariants(self):
        w, live = self.w, self.live()
        market = self.at(CASH, "balanceOf", MARKET)
        cash = self.cash().values()
        owed = sum(owed for _, owed in cash)
        yield "L1", sum(balance for balance, _ in cash) + market == self.supply, "cash made or lost"
        fees = sum(self.jobs[i].fee for i in live)
        bonds = {m: self.bonds(m) for m in self.posted}
        yield "L1", market == fees + sum(map(sum, bonds.values())) + owed, "Market's cash"
        for m, (free, locked) in bonds.items():
            yield "L15", free + locked == self.posted[m], "a bond changed without proof or silence"
            yield "L20", locked == sum(self.jobs[i].locked.get(m, 0) for i in live), "locks"
        for id, j in self.jobs.items():
            words = [self.at(MARKET, "word", id, offset=k) for k in (0, 1)]
            state, deadline = words[0] >> 160 & 255, words[1] >> 48 & 2**48 - 1
            yield "L3", state == j.state, f"job {id} is {state}, not {j.state}"
            yield "L6", deadline == j.deadline, "the deadline moved"
        if live and self.rng.random() < 0.5:
            id = self.rng.choice(live)
            facts, lines, j = w.job(id), w.lines(id), self.jobs[id]
            seated = sorted((m for m in w.members(id) if m.seat), key=lambda m: m.seat)
            yield "L21", [(m.seat, m.account) for m in seated] == [*enumerate(j.seats, 1)], "seats"
            yield "L2", sum(x.amount for x in lines) == facts.fee == j.fee, "lines are not the fee"
            yield "L8", [tuple(x) for x in lines[:facts.lines]] == j.lines, "frozen lines"
            seats = [(x.payee, x.amount) for x in lines[facts.lines:]]
            yield "L5", seats == [(j.requester if m in j.guilty else m, 25) for m in j.seats], "lines of the seats"
        for g in self.rng.sample(sorted({g for j in self.jobs.values() for g in j.grants} or self.grants), 3):
            given, left, held, used = w.grants.grantOf(g)[8:]
            count = lambda *states: sum(g in j.grants for j in self.jobs.values() if j.state in states)
            yield "L10", (given, left, held, used) == (USES, USES - held - used, count(*LIVE), count(SETTLED)), "uses"
        r = self.rng.choice(self.requesters)
        total = lambda states, *who: sum(j.budget for j in self.jobs.values() if j.state in states and j.requester in who)
        mine, all = [[total(s, *who) for s in ((SETTLED,), LIVE)] for who in ((r,), self.requesters)]
        yield "L12", w.market.budgets(2, r) == (*all, *mine, sum(self.jobs[i].requester == r for i in live)), "budget"
        yield "L12", sum(all) <= CAP and sum(mine) <= ACCOUNT_CAP, "more than the cap"
        m = self.rng.choice(w.owners)
        yield "L16", w.referee.suspended(m) == (m in self.suspended) and (m == self.bad or m not in self.suspended), "suspended"
        other = self.rng.choice([x for x in w.owners if x != m])
        yield "L16", w.referee.edgeUntil(m, other) == self.edges.get(frozenset((m, other)), 0), "edges"

    def check(self):
        for name, holds, fact in self.invariants():
            law(name, holds, fact)

    def finish(self):
        """From the deadline on, two steps end any job and free every bond."""
        self.wait()
        self.w.pass_time(151)
        for id in self.live():
            for _ in range(2):
                if self.jobs[id].state in LIVE:
                    self.advance(id)
        law("L6", not self.live(), "a job lives on")
        self.check()
        law("L20", all(self.bonds(m)[1] == 0 for m in self.posted), "a bond is locked for no job")

    def run(self, steps):
        for _ in range(steps):
            self.step()
        self.finish()


def walk(seed, contract=None, code=None, steps=50):
    """The property: holds for this seed, or raises Broken with the law's name."""
    with fresh() as w:
        if contract:
            boa.env.set_code(AT[contract], code)
        walk = Walk(w, seed)
        walk.run(steps)
        return walk


def verdicts(seed, contract=None, code=None):
    """L16: whatever the deviating seat says, it is one of the pair that is named."""
    with fresh() as w:
        if contract:
            boa.env.set_code(AT[contract], code)
        walk = Walk(w, seed)
        while not walk.live(RUNNING):
            walk.open()
            walk.join()
        walk.suppose(walk.live(RUNNING)[0], 16)


def digests(seed, contract=None, code=None):
    """L22: a signature stands for one structure, in one domain, and for no other value of any field."""
    rng = random.Random(seed)
    with fresh() as w:
        if contract:
            boa.env.set_code(AT[contract], code)

        def varied(name, values):
            """Another structure: one field, or one part of the domain, is another."""
            k, values = rng.randrange(len(values) + 3), list(values)
            if k >= len(values):
                return values, (dict(chain=2), dict(contract=REFEREE), dict(version="2"))[k - len(values)]
            old = values[k]
            values[k] = ([*old, old[0]] if isinstance(old, list) else keccak(old) if isinstance(old, bytes)
                         else w.stranger if isinstance(old, str) else old + 1)
            return values, {}

        def check(name, key, values, refusal, call):
            """`call(signature)` is the error that the contract gives to it."""
            law("L22", call(sign(key, name, values)) is None, f"{name} as wallets sign it is refused")
            for _ in range(5):
                other, domain = varied(name, values)
                got = call(sign(key, name, other, **domain))
                law("L22", got == refusal, f"{name} {other} {domain} stands for {values}: {got}")

        arguments = lambda order, quotes=(), signature=b"": (order, [w.terms[u[0]][0] for u in order[5]], list(quotes), signature, NO_PERMIT)
        requester = w.keys[w.requester]
        order = w.order()
        check("Order", requester, order, ("BadSignature", 0),
              lambda signed: error(w.market.open, *arguments(order, (), signed), sender=w.stranger))
        use = w.use(2, offerNonce=77)
        with_offer = w.order(uses=[w.use(1), use, w.use(3), w.use(4)])
        offer = 2, use[1], w.requester, word("program"), 40, w.now + 9, 77
        check("Offer", w.keys[w.owners[1]], offer, ("BadSignature", 2), lambda signed: error(
            w.market.open, *arguments(with_offer, [(40, w.now + 9, signed)]), sender=w.requester))
        id, m, key = w.open(), rng.choice(w.owners), w.new_key()
        inputs, signatures = w.proofs(id, m, key)
        seat, (c, cohort, rows) = w.member(id, m).seat, inputs[0]
        join = lambda *signatures: error(w.market.join, id, 1, key.address, inputs, NOTHING, signatures, sender=m)
        listing = w.market.use(id, w.owners.index(m)) & 2**32 - 1
        check("Input", key, (id, 1, listing, c, key.address, cohort, rows), ("BadSignature", 0), lambda s: join(s, signatures[1]))
        check("Seat", key, (id, 1, seat - 1, m, key.address, NOTHING), ("BadSignature", 1), lambda s: join(signatures[0], s))
        id, session, keys = w.running()
        good, k = w.attested(session, keys, w.BOXES), rng.randrange(4)
        content = keccak(word("transcript") + struct_hash("Output", (0, [keccak(b) for b in w.BOXES], [])))
        check("Claim", keys[k], (session, ATTEST, 0, content), ("BadSignature", k), lambda s: error(
            w.market.settle, id, 1, word("transcript"), w.BOXES, [*good[:k], s, *good[k + 1:]], sender=w.stranger))
        kind, index = rng.choice((SEGMENT, MESSAGE, BOX, KEY)), rng.randrange(2**64)
        first = index, word("one"), w.claim(keys[k], session, kind, index, word("one"))
        check("Claim", keys[k], (session, kind, index, word("two")), ("NoCase", 3), lambda s: error(
            w.referee.equivocation, id, 1, kind, first, (index, word("two"), s), sender=w.stranger))


# --- what a walk meets too seldom ---------------------------------------------------------------------------------------
def owed(seed, contract=None, code=None):
    """L7: what could not be paid is paid once, as soon as it can be."""
    with fresh() as w:
        if contract:
            boa.env.set_code(AT[contract], code)
        id, session, keys = w.running()
        w.refuse(w.author)
        w.settle(id, session, keys)
        w.refuse()
        due, before = w.market.owed(w.author), w.cash.balanceOf(w.author)
        for _ in range(2):
            attempt(w.market.collect, w.author, sender=w.stranger)
        law("L7", due > 0 and w.cash.balanceOf(w.author) - before == due, "what was owed is paid once")


def complaints(seed, contract=None, code=None):
    """L17: the second complaint between two that is answered parts them; there is no third."""
    with fresh() as w:
        if contract:
            boa.env.set_code(AT[contract], code)
        id, session, keys = w.running()
        accuser, accused = random.Random(seed).sample(range(4), 2)
        for _ in range(2):
            w.referee.complain(id, 1, w.owners[accused], SEGMENT, 0, [], NOTHING, sender=w.owners[accuser])
            for strike in (0, 1):
                slot = accuser << 8 | strike
                claim = slot, word("hash"), w.claim(keys[accused], session, PROGRESS, slot, word("hash"))
                attempt(w.referee.answer, id, PROGRESS, claim, NOTHING, sender=w.stranger)
        parted = {m.account for m in w.members(id) if m.out == 1}
        law("L17", parted == {w.owners[accuser], w.owners[accused]}, "two answered complaints part the two")
        law("L17", all(w.market.bonds(m) == (4000, 1000) for m in w.owners), "an answer costs nothing")


def charged(seed, contract=None, code=None):
    """L20: of a bond that is charged the rest is free again."""
    with fresh() as w:
        if contract:
            boa.env.set_code(AT[contract], code)
        id, _, _ = w.running()
        gone = random.Random(seed).choice(w.owners)
        w.market.leave(id, 1, sender=gone)
        law("L20", w.market.bonds(gone) == (4800, 0), "the rest of a charged bond is free")
