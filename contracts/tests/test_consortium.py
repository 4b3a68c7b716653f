"""Membership, votes and the validators' list that consensus reads (chain-rules §1, §7), step by step. Random calls: consortium_walk."""
import pytest

from alliance import *
from consortium_walk import application, hash_of, validators_by_slot


def test_votes_count_exactly():
    """What random calls meet too seldom: the exact threshold, and votes and applications that change their meaning."""
    world = Alliance(founders=3)
    c, (a, b, d) = world.consortium, world.founders
    id = world.propose(PARAMETER, ["bytes32", "uint256"], word("levy"), 5)
    assert not any(c.vote(id, True, sender=a) for _ in range(3)), "one manager has one vote"
    assert not c.vote(id, True, sender=b), "two of three are not more than two thirds"
    assert c.vote(id, True, sender=d) and c.param(word("levy")) == 5, "three of three are"

    world = Alliance(founders=5)
    c, (gone, *others) = world.consortium, world.founders
    id = world.propose(PARAMETER, ["bytes32", "uint256"], word("levy"), 5)
    c.vote(id, True, sender=gone)
    world.decide(REMOVE, ["address", "address"], gone, ZERO)
    assert not c.vote(id, True, sender=others[0]) and not c.vote(id, True, sender=others[1]), "who is no manager any more does not count"
    assert c.tally(id) == (2, 4) and c.vote(id, True, sender=others[2]), "three of four"

    first, second = application(40, VALIDATOR), application(40, MANAGER | VALIDATOR)
    c.apply(*first, sender=account(40))
    id = world.propose(ADMIT, ["address", "bytes32"], account(40), hash_of(first), sender=others[0])
    c.apply(*second, sender=account(40))
    for m in others[:2]:
        c.vote(id, True, sender=m)
    assert not attempt(c.vote, id, True, sender=others[2])[0], "what is admitted is what was voted on"
    c.apply(*application(41, DATA), sender=account(41))
    world.decide(ADMIT, ["address", "bytes32"], account(41), hash_of(application(41, DATA)))
    assert not attempt(c.activate, sender=node_key(41))[0], "only with the role one validates"
    assert not attempt(c.vote, id, True, sender=account(41))[0], "only managers vote"
    c.leave(sender=account(41))
    assert not attempt(c.depart, account(41), sender=account(41))[0], "not before the delay"

    world = Alliance()
    id = world.propose(REMOVE, ["address", "address"], world.founders[1], ZERO)
    for m in (world.founders[0], world.founders[2]):
        world.consortium.vote(id, True, sender=m)
    assert not attempt(world.consortium.vote, id, True, sender=world.founders[3])[0], "four validators stay four"


def test_consensus_slots_never_move():
    layout = artifact("Consortium")["layout"]["storage_layout"]
    assert [(layout[n]["slot"], layout[n]["n_slots"]) for n in ("validator_list", "gas_target", "fork_times")] == [(0, 101), (101, 1), (102, 16)]
    world = Alliance()
    assert validators_by_slot(world) == world.node_keys == sorted(world.node_keys)
    assert world.slot(world.consortium, 101) == 30_000_000 == world.consortium.gasTarget()


def test_a_newcomer_is_admitted_by_three_of_four_and_activates_itself():
    world = Alliance()
    c, bureau, a = world.consortium, account(40), application(40, VALIDATOR | COMPUTE)
    assert c.apply(*a, sender=bureau) == hash_of(a)
    id = world.propose(ADMIT, ["address", "bytes32"], bureau, hash_of(a), sender=world.founders[2])
    assert [c.vote(id, True, sender=m) for m in world.founders[:2]] == [False, False]
    assert refused("NotMember(address)", c.activate, sender=a[1]) == [int(a[1], 16)]
    assert c.tally(id) == (2, 4) and c.vote(id, True, sender=world.founders[2])
    assert a[1] in c.nodeKeys() and a[1] not in c.validators()
    c.activate(sender=a[1])
    assert list(c.validators()) == sorted([*world.node_keys, a[1]], key=lambda k: int(k, 16))
    assert c.memberByName(a[0]) == (bureau, a) and c.memberOf(a[1]) == bureau
    assert refused("Closed(uint256)", c.vote, id, True, sender=world.founders[3]) == [2]


def test_four_validators_stay_four():
    world = Alliance()
    c, gone, spare = world.consortium, world.founders[1], application(40)
    id = world.propose(REMOVE, ["address", "address"], gone, ZERO)
    for m in (world.founders[0], world.founders[2]):
        c.vote(id, True, sender=m)
    assert refused("TooFewValidators(uint256)", c.vote, id, True, sender=world.founders[3]) == [3]
    c.apply(*spare, sender=account(40))
    world.decide(ADMIT, ["address", "bytes32"], account(40), hash_of(spare))
    world.decide(REMOVE, ["address", "address"], gone, spare[1])
    assert list(c.validators()) == sorted({*world.node_keys, spare[1]} - {world.node_keys[1]}, key=lambda k: int(k, 16))
    assert not c.has(gone, MANAGER) and c.memberCount() == 4


def test_a_leaving_fourth_validator_keeps_its_seat_and_no_role_until_replaced():
    world = Alliance()
    c, gone, key = world.consortium, world.founders[0], world.node_keys[0]
    c.leave(sender=gone)
    moment = c.leaving(gone)
    assert refused("TooEarly(uint256)", c.depart, gone, sender=gone) == [moment] and moment == world.now + 7 * 86400
    world.pass_time(7 * 86400)
    c.depart(gone, sender=account(70))
    assert not c.has(gone, DATA) and key in c.validators()
    assert refused("TooFewValidators(uint256)", c.depart, gone, sender=account(70)) == [3]
    spare = application(40)
    c.apply(*spare, sender=account(40))
    world.decide(ADMIT, ["address", "bytes32"], account(40), hash_of(spare))
    c.activate(sender=spare[1])
    c.depart(gone, sender=account(70))
    assert key not in c.validators() and c.memberCount() == 4


def test_key_rotation_swaps_in_one_call():
    world = Alliance()
    world.decide(ROTATE, ["address", "address"], world.founders[2], node_key(70))
    expected = {*world.node_keys, node_key(70)} - {world.node_keys[2]}
    assert set(world.consortium.validators()) == expected and set(world.consortium.nodeKeys()) == expected


def test_parameters_have_bounds_and_forks_lie_ahead():
    world = Alliance()
    c = world.consortium
    world.decide(PARAMETER, ["bytes32", "uint256"], word("gasTarget"), 60_000_000)
    assert world.slot(c, 101) == 60_000_000 == c.param(word("gasTarget"))
    id = world.propose(PARAMETER, ["bytes32", "uint256"], word("levy"), 1001)
    for m in world.founders[:2]:
        c.vote(id, True, sender=m)
    assert refused("OutOfBounds(uint256,uint256)", c.vote, id, True, sender=world.founders[2]) == [0, 1000]
    world.decide(FORK, ["uint256", "uint256"], 0, world.now + 3600)
    assert world.slot(c, 102) == world.now + 3600 == c.forkTime(0)
    world.pass_time(3600)
    id = world.propose(FORK, ["uint256", "uint256"], 0, world.now + 7200)
    for m in world.founders[:2]:
        c.vote(id, True, sender=m)
    assert refused("TooLate(uint256)", c.vote, id, True, sender=world.founders[2]) == [world.now]


def test_names_accounts_and_bad_proposals():
    world = Alliance()
    c, stranger = world.consortium, account(60)
    for name in (b"North", b"", b"a b", b"a\0b", b"\xc3\xa4"):
        refused("BadName(bytes32)", c.apply, name.ljust(32, b"\0"), node_key(60), 1, NOTHING, "", sender=stranger)
    refused("BadRoles(uint256)", c.apply, word("x"), node_key(60), 64, NOTHING, "", sender=stranger)
    refused("NameTaken(bytes32)", c.apply, word("member-1"), node_key(60), 1, NOTHING, "", sender=stranger)
    refused("KeyTaken(address)", c.apply, word("x"), world.node_keys[0], 1, NOTHING, "", sender=stranger)
    refused("Already(address)", c.apply, word("x"), node_key(60), 1, NOTHING, "", sender=world.founders[0])
    refused("BadProposal(uint256)", c.propose, 9, b"", sender=world.founders[0])
    c.enrol(stranger, sender=world.founders[0])
    assert c.memberOf(stranger) == world.founders[0]
    refused("Already(address)", c.enrol, stranger, sender=world.founders[1])
    c.dismiss(stranger, sender=stranger)
    assert c.memberOf(stranger) == ZERO


def test_a_successor_governs_by_vote():
    world = Alliance()
    c, governor = world.consortium, account(80)
    payload = encode(["bytes32", "uint256"], [word("levy"), 7])
    refused("NotYou(address)", c.enact, PARAMETER, payload, sender=governor)
    world.decide(DIRECTORY, ["bytes32", "address"], word("governor"), governor)
    c.enact(PARAMETER, payload, sender=governor)
    assert c.param(word("levy")) == 7
    assert refused("Governed(address)", c.propose, PARAMETER, payload, sender=world.founders[0]) == [int(governor, 16)]
    assert c.isListed(governor) and c.directory(word("market")) == MARKET


# --- where a node is reached -------------------------------------------------------------------------------------------------
def test_a_node_or_its_account_says_where_it_is_reached():
    world = Alliance()
    c = world.consortium
    before = [c.member(m)[4] for m in world.founders]
    for sender, contact in ((world.node_keys[2], "10.1.0.7:30303"), (world.founders[2], "10.1.0.8:30303")):
        c.setContact(contact, sender=sender)
        assert [c.member(m)[4] for m in world.founders] == before[:2] + [contact] + before[3:]


def test_an_outsider_moves_nobody():
    world = Alliance()
    with pytest.raises(Reverted):
        world.consortium.setContact("10.0.0.9:30303", sender=account(77))
