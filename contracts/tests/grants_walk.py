"""
Grants under random calls: uses that fit by construction, most of them spoilt in one way, beside policies, revocations and time.
"""
import random

from alliance import *

CLOSED, ASK, OPEN = 1, 2, 3
READ, AGGREGATE, TRAIN = 1, 2, 4
OWNERS, ASKERS = [account(10), account(11)], [account(12), account(13)]
GROUPS, OBJECTS = [word("clinic"), word("ward")], [word("patients"), word("visits")]
PROGRAM = word("program")
SCOPES = [[NOTHING], GROUPS, OBJECTS]


class Oracle:
    """The rule of job-protocol §2 and its counts, written apart from the contract."""

    def __init__(self):
        self.policies, self.grants, self.holds = {}, {}, {}

    def allowed(self, now, owner, group, object, requester, purpose, program, grant):
        level, (mode, purposes) = next(
            ((l, self.policies[owner, l, s]) for l, s in ((2, object), (1, group), (0, NOTHING)) if self.policies.get((owner, l, s), (0, 0))[0]),
            (0, (ASK, 0)))
        if bin(purpose).count("1") != 1 or purpose > 32 or mode == CLOSED:
            return False
        if mode == OPEN and purposes & purpose:
            return grant == 0
        g = self.grants.get(grant)
        return bool(g and g["owner"] == owner and g["grantee"] == requester and g["level"] >= level and g["purposes"] & purpose
                    and g["scope"] == {0: NOTHING, 1: group, 2: object}[g["level"]] and g["program"] in (NOTHING, program)
                    and now < g["expires"] and not g["revoked"] and g["left"] > 0)


def walk(seed, contract=None, code=None, steps=200):
    world, oracle, choose = Alliance(contract=contract, code=code), Oracle(), random.Random(seed)
    c, market2, job = world.grants, account(20), 0
    world.call(c, "setMarket", ["address", "bool"], market2, True)
    markets = MARKET, market2

    def policy():
        who, level = choose.choice(OWNERS), choose.randrange(3)
        scope, mode = choose.choice(SCOPES[level]), choose.choice([0, 0, 0, CLOSED, ASK, ASK, OPEN])
        purposes = choose.choice([READ, AGGREGATE, 3]) if mode == OPEN else 0
        c.setPolicy(level, scope, mode, purposes, NOTHING, sender=who)
        oracle.policies[who, level, scope] = mode, purposes

    def give():
        level = choose.randrange(3)
        g = dict(owner=choose.choice([*OWNERS, *OWNERS, ASKERS[0]]), grantee=choose.choice(ASKERS), level=level,
                 scope=choose.choice(SCOPES[level]), purposes=choose.choice([READ, AGGREGATE, 3, 63]),
                 program=choose.choice([NOTHING, PROGRAM]), expires=world.now + choose.choice([5, 10**6, 10**6]), uses=choose.choice([1, 2, 5]))
        id = c.give(*(g[f] for f in "grantee level scope purposes program expires uses".split()), NOTHING, b"", sender=g["owner"])
        law("L10", id == len(oracle.grants) + 1, "ids count from 1")
        oracle.grants[id] = g | dict(given=g["uses"], left=g["uses"], held=0, used=0, revoked=False)

    def revoke():
        id = choose.choice([0, *oracle.grants])
        g = oracle.grants.get(id)
        who = g["owner"] if g and choose.random() < 0.6 else choose.choice([*OWNERS, *ASKERS])
        done, _ = attempt(c.revoke, id, NOTHING, sender=who)
        law("L11", done == bool(g and g["owner"] == who and not g["revoked"]), "only its owner revokes a grant, once")
        if done:
            g["revoked"] = True

    def hold():
        """One use, or two, that fit their grant but for the owner's rules, expiry, revocation and uses; then one thing is spoilt."""
        nonlocal job
        job += 1
        market, requester, purpose, program, number = choose.choice(markets), ASKERS[0], READ, PROGRAM, job
        uses = []
        for n in range(1, choose.choice([2, 2, 3])):
            fits = [id for id, g in oracle.grants.items() if g["grantee"] == (requester if uses else g["grantee"])]
            id = choose.choice(fits[-8:] or [0])
            g = oracle.grants.get(id, dict(owner=OWNERS[0], grantee=requester, level=0, scope=NOTHING, purposes=READ))
            if not uses:
                requester, purpose = g["grantee"], choose.choice([p for p in (READ, AGGREGATE) if p & g["purposes"]])
            group, object = (g["scope"] if g["level"] == level else choose.choice(SCOPES[level]) for level in (1, 2))
            uses.append([n, g["owner"], group, object, id])
        spoilt = choose.choice([None] * 4 + "market requester purpose program number owner group object grant grant".split())
        if spoilt == "market":
            market = choose.choice([account(30), *OWNERS])
        elif spoilt == "requester":
            requester = choose.choice([*ASKERS, *OWNERS])
        elif spoilt == "purpose":
            purpose = choose.choice([0, 3, 3, 3, TRAIN, 64])
        elif spoilt == "program":
            program = word("another")
        elif spoilt == "number":
            number = choose.randrange(1, job + 1)
        elif spoilt == "grant":
            uses[0][4] = choose.choice([0, 0, len(oracle.grants) + 1])
        elif spoilt:
            uses[0][{"owner": 1, "group": 2, "object": 3}[spoilt]] = choose.choice(
                {"owner": OWNERS, "group": GROUPS, "object": OBJECTS}[spoilt])
        ok = market in markets and (market, number) not in oracle.holds and bin(purpose).count("1") == 1
        before = {id: g["left"] for id, g in oracle.grants.items()}
        for _, owner, group, object, id in uses:
            ok = ok and oracle.allowed(world.now, owner, group, object, requester, purpose, program, id)
            if ok and id:
                oracle.grants[id]["left"] -= 1
        for id, left in before.items():
            oracle.grants[id]["held"] += (left - oracle.grants[id]["left"]) if ok else 0
            oracle.grants[id]["left"] = oracle.grants[id]["left"] if ok else left
        done, _ = attempt(c.hold, number, requester, purpose, program, uses, sender=market)
        dead = any((g := oracle.grants.get(u[4])) and (g["revoked"] or world.now >= g["expires"]) for u in uses)
        law("L11" if dead else "L9", done == ok, f"a use is held exactly where the rule allows it: {done}, {uses}, {purpose}, {spoilt}")
        if done:
            oracle.holds[market, number] = [u[4] for u in uses if u[4]], "held"

    def end():
        market, number = choose.choice([*oracle.holds] or [(MARKET, 1)])
        ids, state = oracle.holds.get((market, number), ([], None))
        if choose.random() < 0.2:
            market, ids, state = choose.choice([account(30), *OWNERS]), [], None
        kind = choose.choice(("spend", "free"))
        done, _ = attempt(getattr(c, kind), number, *([NOTHING] if kind == "spend" else []), sender=market)
        law("G1", done == (state == "held"), "only the market of a hold ends it, once")
        if done:
            oracle.holds[market, number] = ids, kind
            for id in ids:
                oracle.grants[id]["held"] -= 1
                oracle.grants[id]["used" if kind == "spend" else "left"] += 1

    def hostile():
        who = choose.choice([*OWNERS, *ASKERS, MARKET])
        law("G2", not attempt(c.setMarket, who, True, sender=who)[0], "the Consortium says who is a market")

    def wait():
        world.pass_time(choose.choice([1, 5]))

    for step in range(steps):
        choose.choices([policy, give, revoke, hold, end, hostile, wait], [2, 5, 2, 24, 8, 1, 2])[0]()
        for id in choose.sample(sorted(oracle.grants), min(2, len(oracle.grants))) if step < steps - 1 else oracle.grants:
            g = oracle.grants[id]
            *_, revoked, given, left, held, used = c.grantOf(id)
            law("L10", (revoked, given, left, held, used) == tuple(g[f] for f in "revoked given left held used".split()), f"counts of {id}")
            law("L10", given == left + held + used, "given = left + held + used")
            law("L11", c.isLive(id) == (not g["revoked"] and world.now < g["expires"]), "who may still be joined")
    return oracle
