"""Consent, step by step, and every case of rules and grant. Random calls: grants_walk."""
import itertools

from alliance import *

CLOSED, ASK, OPEN = 1, 2, 3
READ, AGGREGATE, TRAIN = 1, 2, 4
OWNER, OTHER, ASKER = account(10), account(11), account(12)
GROUPS, OBJECTS = [word("clinic"), word("ward")], [word("patients"), word("visits")]
PROGRAM = word("program")


def test_no_hole_is_open():
    """Each way in that the first prototype or a slip would leave open, tried once."""
    world = Alliance()
    c, far, jobs = world.grants, world.now + 10**6, iter(range(1, 100))
    group, object, other = GROUPS[0], OBJECTS[0], OBJECTS[1]

    def give(owner=OWNER, grantee=ASKER, level=2, scope=object, purposes=READ, program=NOTHING, expires=far, uses=9):
        return c.give(grantee, level, scope, purposes, program, expires, uses, NOTHING, b"", sender=owner)

    def holds(grant, purpose=READ, program=PROGRAM, market=MARKET, job=None):
        return attempt(c.hold, job or next(jobs), ASKER, purpose, program, [(1, OWNER, group, object, grant)], sender=market)[0]

    assert not holds(0), "no grant, no use"
    assert not holds(give(owner=ASKER)) and not holds(give(owner=ASKER, level=0, scope=NOTHING)), "nobody grants another's data"
    assert not holds(give(grantee=OTHER)), "a grant is its grantee's"
    assert not holds(give(scope=other)), "a grant has a scope"
    assert not holds(give(program=word("another"))), "a grant may name the program"
    good = give()
    assert not holds(good, 0) and not holds(good, 3) and not holds(good, AGGREGATE), "exactly one purpose, and one of the grant"
    assert not holds(good, market=OTHER), "markets hold"
    assert holds(good, job=50) and not holds(good, job=50), "once a job"
    assert attempt(c.spend, 50, NOTHING, sender=MARKET)[0] and c.grantOf(good)[-4:] == (9, 8, 0, 1), "a settled job has used it"
    assert not attempt(c.spend, 50, NOTHING, sender=MARKET)[0] and not attempt(c.free, 50, sender=MARKET)[0], "a hold ends once"
    assert holds(good, job=51) and not attempt(c.free, 51, sender=OTHER)[0], "by its market"
    assert attempt(c.free, 51, sender=MARKET)[0] and c.grantOf(good)[-4:] == (9, 8, 0, 1), "a refunded job has used nothing"
    once = give(uses=1)
    assert holds(once) and not holds(once), "no more uses than given"
    assert not attempt(c.revoke, good, NOTHING, sender=ASKER)[0], "the owner revokes"
    c.revoke(good, NOTHING, sender=OWNER)
    assert not holds(good), "revoked"
    brief = give(expires=world.now + 1)
    world.pass_time(1)
    assert not holds(brief), "expired"
    wide, exact = give(level=0, scope=NOTHING), give()
    c.setPolicy(2, object, ASK, 0, NOTHING, sender=OWNER)
    assert not holds(wide) and holds(exact), "a wide grant is no exception to a narrow rule"
    c.setPolicy(2, object, OPEN, READ, NOTHING, sender=OWNER)
    assert holds(0) and not holds(exact), "what is open needs no grant and spends none"
    c.setPolicy(2, object, CLOSED, 0, NOTHING, sender=OWNER)
    assert not holds(exact) and not holds(0), "closed is closed"


def test_all_cases_of_rules_and_grant():
    """Every mode at every level, every level of a grant, fitting or not, purpose inside or not: 1,024."""
    world = Alliance()
    c = world.grants
    for n, modes in enumerate(itertools.product((0, CLOSED, ASK, OPEN), repeat=3)):
        owner = account(100 + n)
        for level, mode in enumerate(modes):
            if mode:
                c.setPolicy(level, (NOTHING, *GROUPS[:1], *OBJECTS[:1])[level], mode, READ if mode == OPEN else 0, NOTHING, sender=owner)
        for level, fits, inside in itertools.product((None, 0, 1, 2), (False, True), (False, True)):
            grant = 0
            if level is not None:
                grant = c.give(ASKER if fits else OTHER, level, (NOTHING, *GROUPS[:1], *OBJECTS[:1])[level], 63, NOTHING,
                               world.now + 9, 1, NOTHING, b"", sender=owner)
            allowed, rule = c.allows(owner, GROUPS[0], OBJECTS[0], ASKER, READ if inside else AGGREGATE, PROGRAM, grant)
            decides, narrowest = max(((l, m) for l, m in enumerate(modes) if m), default=(0, ASK))
            if narrowest == OPEN and inside:
                expected = grant == 0
            else:
                expected = narrowest != CLOSED and level is not None and fits and level >= decides
            assert (allowed, rule >> 8, rule & 255 == 0) == (expected, decides, expected), (modes, level, fits, inside)


def test_refusal_names_listing_and_rule():
    world = Alliance()
    c, use = world.grants, (7, OWNER, GROUPS[0], OBJECTS[0], 0)
    assert refused("NoConsent(uint256,uint256)", c.hold, 1, ASKER, READ, PROGRAM, [use], sender=MARKET) == [7, 2]
    c.setPolicy(2, OBJECTS[0], CLOSED, 0, NOTHING, sender=OWNER)
    assert refused("NoConsent(uint256,uint256)", c.hold, 1, ASKER, READ, PROGRAM, [use], sender=MARKET) == [7, 1 | 2 << 8]
    assert refused("BadPurpose()", c.hold, 1, ASKER, 0, PROGRAM, [use], sender=MARKET) == []
    assert refused("NotYou(address)", c.hold, 1, ASKER, READ, PROGRAM, [], sender=OWNER) == [0]
    assert refused("NotYou(address)", c.setMarket, OWNER, True, sender=OWNER) == [int(AT["Consortium"], 16)]


def test_an_owner_at_the_zero_address_has_no_grants():
    """A listing that was never made has owner 0, and so has a grant that was never given."""
    world = Alliance()
    assert world.grants.allows(ZERO, NOTHING, NOTHING, ZERO, READ, NOTHING, 5) == (False, 3)


def test_a_withdrawn_grant_is_dead_for_the_join():
    world = Alliance()
    id = world.grants.give(ASKER, 0, NOTHING, READ, NOTHING, world.now + 10, 1, NOTHING, b"box", sender=OWNER)
    assert world.grants.isLive(id) and not world.grants.isLive(id + 1)
    world.pass_time(10)
    assert not world.grants.isLive(id)
    later = world.grants.give(ASKER, 0, NOTHING, READ, NOTHING, world.now + 10, 1, NOTHING, b"", sender=OWNER)
    world.grants.revoke(later, NOTHING, sender=OWNER)
    assert not world.grants.isLive(later)


def test_slot_0_is_the_grant():
    world = Alliance()
    id = world.grants.give(ASKER, 0, NOTHING, READ, NOTHING, world.now + 10, 3, NOTHING, b"", sender=OWNER)
    base = int.from_bytes(keccak(b"\0" * 32 + id.to_bytes(32, "big")), "big")
    assert world.slot(world.grants, base) == int(OWNER, 16)
    assert world.slot(world.grants, base + 5) == 3 | 3 << 64
