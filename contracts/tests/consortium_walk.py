"""
Consortium under random calls: proposals that mostly could be enacted, several open at once, votes of everybody in any order, while
roles, keys and members change under them.
"""
import random

from alliance import *


def application(n, roles=63, nodeKey=None):
    return word(f"member-{n}"), nodeKey or node_key(n), roles, word("dossier"), f"host-{n}:30303"


def hash_of(application):
    return keccak(encode(["bytes32", "address", "uint256", "bytes32", "string"], application))


def validators_by_slot(world):
    return ["0x" + world.slot(world.consortium, 1 + i).to_bytes(20, "big").hex() for i in range(world.slot(world.consortium, 0))]


def members(world):
    return dict(world.consortium.memberAt(i) for i in range(world.consortium.memberCount()))


NAME, KEY, ROLE = 0, 1, 2       # of a member


class Walk:
    def __init__(self, seed, contract, code):
        self.world, self.choose = Alliance(3 + seed % 3, contract, code), random.Random(seed)
        self.c, self.everybody = self.world.consortium, [account(n) for n in range(10)]
        self.ballots, self.open, self.applied = {}, {}, {}
        self.keys = 20                                              # of node keys that nobody had
        self.refresh()

    def refresh(self):
        self.validators, self.members = validators_by_slot(self.world), members(self.world)

    def managers(self):
        return [a for a, m in self.members.items() if m[ROLE] & MANAGER]

    def somebody(self):
        return self.choose.choice(self.everybody)

    def member(self):
        return self.choose.choice(sorted(self.members))

    def apply(self):
        n = self.choose.choice([6, 7, 8, 9, self.choose.randrange(10)])
        key = self.choose.choice([node_key(n)] * 3 + [m[KEY] for m in self.members.values()])
        name = n if self.choose.random() < 0.8 else self.choose.randrange(10)
        a = (word(f"member-{name}"), key, *application(n, self.choose.choice([1, 2, 3, 4, 63]))[2:])
        done, _ = attempt(self.c.apply, *a, sender=account(n))
        if done:
            self.applied[account(n)] = a
        return done

    def propose(self):
        choose, there = self.choose, self.members
        waiting = [a for a in sorted(self.applied) if a not in there]
        kind = choose.choice([ADMIT] * 3 * bool(waiting) + [REMOVE, ROLES, ROLES, ROLES, ROTATE, PARAMETER])
        target = choose.choice(waiting) if kind == ADMIT else self.member() if choose.random() < 0.9 else self.somebody()
        spare = [m[KEY] for m in there.values() if m[ROLE] & VALIDATOR and m[KEY] not in self.validators]
        replacement = choose.choice([ZERO, *spare, node_key(choose.randrange(10))])
        self.keys += 1
        key = node_key(self.keys) if choose.random() < 0.6 else choose.choice([m[KEY] for m in there.values()])
        types, *values = {
            ADMIT: lambda: (["address", "bytes32"], target, hash_of(self.applied[target])),
            REMOVE: lambda: (["address", "address"], target, replacement),
            ROLES: lambda: (["address", "uint256", "address"], target, *choose.choice([(2, ZERO), (63, ZERO), (63, ZERO), (4, replacement), (0, ZERO)])),
            ROTATE: lambda: (["address", "address"], target, key),
            PARAMETER: lambda: (["bytes32", "uint256"], word("levy"), choose.choice([5, 1000, 1001])),
        }[kind]()
        who = self.member() if choose.random() < 0.8 else self.somebody()
        done, id = attempt(self.c.propose, kind, encode(types, values), sender=who)
        law("C6", done == (who in there and there[who][ROLE] != 0), "members propose")
        if done:
            self.open[id], self.ballots[id] = (kind, values, self.world.now + 30 * 86400), {}
        return done

    def vote(self, id, who, yes):
        done, enacted = attempt(self.c.vote, id, yes, sender=who)
        managers, (kind, values, until) = self.managers(), self.open[id]
        votes = self.ballots[id] | {who: yes}
        enough = yes and sum(votes.get(m, False) for m in managers) * 3 > len(managers) * 2
        law("C6", not done or who in managers, "only managers vote")
        law("C5", done or who not in managers or enough or self.world.now >= until, "a manager may vote")
        if done:
            law("C5", self.world.now < until and enacted == enough, "enacted exactly by more than two thirds of those who are managers now")
            self.ballots[id] = votes
            if enacted:
                del self.open[id]
                law("C7", kind != ADMIT or hash_of(self.applied[values[0]]) == values[1], "what is admitted is what was voted on")
                law("C10", kind != PARAMETER or values[1] <= 1000, "a levy has a bound")
                law("C6", not attempt(self.c.vote, id, True, sender=who)[0], "enacted once")
        return done

    def campaign(self):
        """Some managers vote on one of the latest proposals, one of them more than once, with a stranger among them."""
        if not self.open:
            return self.propose()
        choose, id = self.choose, self.choose.choice(sorted(self.open)[-4:])
        kind, values, _ = self.open[id]
        voters = choose.sample(self.managers(), choose.randrange(1, len(self.managers()) + 1))
        if choose.random() < 0.4:
            voters = voters[:1] * 3 + voters[1:]
        if choose.random() < 0.3:
            voters.insert(0, self.somebody())
        if kind == ADMIT and choose.random() < 0.3:                 # another application than the one voted on
            a = application(self.everybody.index(values[0]), choose.choice([1, 63]))
            if attempt(self.c.apply, *a, sender=values[0])[0]:
                self.applied[values[0]] = a
        for who in voters:
            if id in self.open and self.vote(id, who, choose.random() < 0.95):
                self.check()
        return False

    def activate(self):
        there, before = self.members, self.validators
        idle = [m[KEY] for m in there.values() if m[KEY] not in before]
        key = self.choose.choice(idle * 3 + before + [node_key(9)])
        done, _ = attempt(self.c.activate, sender=key)
        law("C3", done == (key not in before and any(m[KEY] == key and m[ROLE] & VALIDATOR for m in there.values())), "who validates")
        return done

    def leave(self):
        return attempt(self.c.leave, sender=self.member())[0]

    def depart(self):
        leaving = [a for a in sorted(self.members) if self.c.leaving(a)]
        who = self.choose.choice(leaving * 4 + [self.member()])
        moment = self.c.leaving(who)
        done, _ = attempt(self.c.depart, who, sender=account(50))
        law("C8", not done or (moment and self.world.now >= moment), "after the delay")
        return done

    def hostile(self):
        who = self.somebody()
        payload = encode(["bytes32", "uint256"], [word("levy"), 7])
        law("C6", not attempt(self.c.enact, PARAMETER, payload, sender=who)[0], "nobody enacts without a vote")
        return False

    def wait(self):
        self.world.pass_time(self.choose.choice((1, 86400, 4 * 86400)))
        return False

    ACTIONS = dict(apply=5, propose=8, campaign=16, activate=5, leave=1, depart=3, hostile=1, wait=1)

    def check(self):
        world, c, before = self.world, self.c, self.validators
        self.refresh()
        after, now = self.validators, self.members
        numbers, keys = [int(a, 16) for a in after], [m[KEY] for m in now.values()]
        law("C1", numbers == sorted(set(numbers)) and 0 < len(numbers) <= 100 and numbers[0] > 0, "strictly ascending")
        law("C1", list(c.validators()) == list(c.getValidators()) == after, "the slots are the list")
        law("C2", len(after) >= 4 or len(after) >= len(before), "never below four")
        law("C4", len(set(keys)) == len(keys) and len({m[NAME] for m in now.values()}) == len(now), "names and keys are unique")
        law("C3", all(any(m[KEY] == v and (m[ROLE] & VALIDATOR or m[ROLE] == 0) for m in now.values()) for v in after), "validators are members")
        law("C9", c.count(MANAGER) > 0, "there is a manager")
        a, m = self.choose.choice(sorted(now.items()))
        law("C4", c.byNodeKey(m[KEY]) == a and c.byName(m[NAME]) == a and c.memberOf(m[KEY]) == a, "indices agree")
        if self.choose.random() < 0.2:
            law("C4", list(c.nodeKeys()) == keys, "node keys are those of the members")

    def run(self, steps):
        for _ in range(steps):
            action = self.choose.choices(list(self.ACTIONS), list(self.ACTIONS.values()))[0]
            if getattr(self, action)():
                self.check()
        return self


def walk(seed, contract=None, code=None, steps=120):
    return Walk(seed, contract, code).run(steps)


def stale(seed, contract=None, code=None):
    """C5, what a walk meets too seldom: who voted and is no manager any more does not count."""
    world = Alliance(5, contract, code)
    c, (gone, *others) = world.consortium, world.founders
    id = world.propose(PARAMETER, ["bytes32", "uint256"], word("levy"), 5)
    c.vote(id, True, sender=gone)
    world.decide(REMOVE, ["address", "address"], gone, ZERO)
    law("C5", not c.vote(id, True, sender=others[0]) and not c.vote(id, True, sender=others[1]), "a vote of one that left counts")
    law("C5", c.tally(id) == (2, 4) and c.vote(id, True, sender=others[2]), "three of four")


def last(seed, contract=None, code=None):
    """C9, what a walk meets too seldom: the only manager stays one."""
    world = Alliance(1, contract, code)
    (alone,) = world.founders
    try:
        world.decide(ROLES, ["address", "uint256", "address"], alone, 63 & ~MANAGER, ZERO)
    except Reverted:
        pass
    law("C9", world.consortium.has(alone, MANAGER), "nobody is left who could vote")
