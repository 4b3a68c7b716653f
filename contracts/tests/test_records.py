"""Records: the author inside the leaf, relations, endorsements also by off-line signature; and Identity. Random calls: records_walk."""
import pytest
from alliance import *
from records_walk import leaf, signed_endorsement, tree

AUTHOR, COPIER, NOTARY = account(10), account(11), account(12)
SCHEMA, RELATION = word("photo/1"), word("derived-from")


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 11])
def test_every_leaf_of_a_batch_is_verified_for_its_author_only(count):
    world = Alliance()
    c, commitments = world.records, [keccak(text=f"file {i}") for i in range(count)]
    root, paths = tree([leaf(AUTHOR, SCHEMA, m) for m in commitments])
    if count == 1:
        id = c.record(SCHEMA, commitments[0], [], NOTHING, "", sender=AUTHOR)
    else:
        id = c.recordBatch(root, count, SCHEMA, [], NOTHING, "", sender=AUTHOR)
        c.recordBatch(root, count, SCHEMA, [], NOTHING, "", sender=COPIER)       # seen in the pool: claims nothing
    assert id == keccak(encode(["address", "bytes32"], [AUTHOR, root]))
    for commitment, (sides, path) in zip(commitments, paths):
        assert c.verify(AUTHOR, SCHEMA, commitment, sides, path) == (True, id)
        assert not c.verify(COPIER, SCHEMA, commitment, sides, path)[0]
        assert not c.verify(AUTHOR, SCHEMA, keccak(commitment), sides, path)[0]
    refused("Closed(uint256)", c.recordBatch, root, 2, SCHEMA, [], NOTHING, "", sender=AUTHOR)


def test_relations_withdrawal_and_unknown_parents():
    world = Alliance()
    c = world.records
    parent = c.record(SCHEMA, word("a"), [], NOTHING, "", sender=AUTHOR)
    child = c.record(SCHEMA, word("b"), [parent], RELATION, "ipfs", sender=COPIER)
    assert refused("UnknownRecord(bytes32)", c.record, SCHEMA, word("c"), [word("no")], RELATION, "", sender=AUTHOR) == [
        int.from_bytes(word("no"), "big")]
    refused("NotYou(address)", c.withdraw, child, NOTHING, sender=AUTHOR)
    c.withdraw(child, NOTHING, sender=COPIER)
    assert c.recordOf(child)[4] == world.now and c.verify(COPIER, SCHEMA, word("b"), 0, [])[0]
    refused("Closed(uint256)", c.withdraw, child, NOTHING, sender=COPIER)
    refused("Closed(uint256)", c.endorse, child, 1, NOTHING, sender=NOTARY)


def test_endorsement_by_off_line_signature():
    world = Alliance()
    c = world.records
    id = c.record(SCHEMA, word("a"), [], NOTHING, "", sender=AUTHOR)

    def signed(verdict, nonce, deadline=world.now + 9):
        return id, NOTARY, verdict, word("seen"), deadline, signed_endorsement(world, 12, id, verdict, word("seen"), nonce, deadline)
    send = lambda *arguments: attempt(c.endorseSigned, *arguments, sender=COPIER)[0]
    first = signed(1, 0)
    assert not send(id, COPIER, *first[2:]) and not send(*first[:2], 2, *first[3:])         # another endorser, another verdict
    assert send(*first) and c.endorsement(id, NOTARY) == (1, word("seen"), world.now)
    c.endorse(id, 2, word("forged"), sender=NOTARY)
    assert not send(*first) and not send(*signed(1, 1)), "what was signed before speaks again"
    assert c.endorsement(id, NOTARY)[0] == 2
    assert not send(*signed(1, 2, world.now - 1)) and not attempt(c.endorse, id, 1, NOTHING, sender=AUTHOR)[0]
    assert not attempt(c.endorse, id, 3, NOTHING, sender=NOTARY)[0]


def test_credentials_count_while_trusted_unrevoked_unexpired():
    world = Alliance()
    c, topic, subject, issuer, other = world.identity, word("physician"), account(30), account(31), account(32)
    tried = lambda who: attempt(c.anchor, subject, topic, word("credential"), world.now + 100, sender=who)[0]
    assert not tried(issuer) and not attempt(c.setIssuer, topic, issuer, True, sender=issuer)[0]
    for who in (issuer, other):
        world.call(c, "setIssuer", ["bytes32", "address", "bool"], topic, who, True)
    assert c.issuersOf(topic) == (issuer, other) and not c.holds(subject, topic)
    assert tried(issuer) and c.holds(subject, topic) and c.holds(subject, topic, issuer) and not c.holds(subject, topic, other)
    assert not c.holds(subject, word("other")) and not c.holds(other, topic)
    c.revoke(subject, topic, NOTHING, sender=issuer)
    assert not c.holds(subject, topic) and not attempt(c.revoke, subject, topic, NOTHING, sender=issuer)[0]
    assert tried(issuer)
    world.call(c, "setIssuer", ["bytes32", "address", "bool"], topic, issuer, False)
    assert c.issuersOf(topic) == (other,) and not c.holds(subject, topic) and not c.holds(subject, topic, issuer), "trust withdrawn"
    assert tried(other) and c.holds(subject, topic)
    world.pass_time(100)
    assert not c.holds(subject, topic), "expired"


def test_documents_and_keys_are_the_accounts_own():
    world = Alliance()
    c = world.identity
    c.setDocument(word("did"), sender=AUTHOR)
    c.setKey(word("x25519"), word("key"), sender=AUTHOR)
    assert c.document(AUTHOR) == word("did") and c.key(AUTHOR, word("x25519")) == word("key") and c.key(COPIER, word("x25519")) == NOTHING
