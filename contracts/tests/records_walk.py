"""Records and Identity under random calls: who claimed and endorsed what, and which credentials count."""
import random

from alliance import *
from eth_account.messages import encode_typed_data

PEOPLE = [account(n) for n in range(10, 14)]
SCHEMAS, RELATION = [word("photo/1"), word("scan/2")], word("derived-from")
FIELDS = "bytes32 record,address endorser,uint8 verdict,bytes32 statement,uint256 nonce,uint256 deadline"


def leaf(author, schema, commitment):
    return keccak(b"\0" + bytes.fromhex(author[2:]) + schema + commitment)


def tree(leaves):
    """Root and, for each leaf, sides and path: RFC 9162 §2.1 by recursion on the largest power of two."""
    if len(leaves) == 1:
        return leaves[0], [(0, [])]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    (left, left_paths), (right, right_paths) = tree(leaves[:k]), tree(leaves[k:])
    paths = [(sides, path + [right]) for sides, path in left_paths]
    paths += [(sides | 1 << len(path), path + [left]) for sides, path in right_paths]
    return keccak(b"\1" + left + right), paths


def signed_endorsement(world, n, id, verdict, statement, nonce, deadline, address=AT["Records"]):
    message = encode_typed_data(
        domain_data=dict(name="Entente Records", version="1", chainId=world.env.evm.chain.chain_id, verifyingContract=address),
        message_types=dict(Endorsement=[dict(zip(("type", "name"), f.split())) for f in FIELDS.split(",")]),
        message_data=dict(record=id, endorser=account(n), verdict=verdict, statement=statement, nonce=nonce, deadline=deadline))
    return bytes(signer(n).sign_message(message).signature)


def records(seed, contract=None, code=None, steps=100):
    world, choose = Alliance(contract=contract, code=code), random.Random(seed)
    c, made, withdrawn, said, nonces, batches = world.records, {}, set(), {}, dict.fromkeys(PEOPLE, 0), []
    fresh = 0
    for _ in range(steps):
        who, id = choose.choice(PEOPLE), choose.choice([*made] or [word("none")])
        if choose.random() < 0.1:
            id = word("none")
        kind = choose.choice("record record batch copy relate withdraw endorse endorse signed signed verify wait".split())
        author, stands = made.get(id), id in made and id not in withdrawn
        if kind in ("record", "batch"):
            fresh += 1
            schema, count = choose.choice(SCHEMAS), choose.randrange(2, 9) if kind == "batch" else 1
            commitments = [keccak(text=f"{fresh} {i}") for i in range(count)]
            root, paths = tree([leaf(who, schema, x) for x in commitments])
            parents = choose.sample([*made], min(len(made), choose.randrange(3))) + [word("none")] * (choose.random() < 0.2)
            call = (c.record, schema, commitments[0]) if kind == "record" else (c.recordBatch, root, count, schema)
            done, got = attempt(*call, parents, RELATION, "", sender=who)
            law("R2", done == (word("none") not in parents), "parents are on record")
            if done:
                law("R1", got == keccak(encode(["address", "bytes32"], [who, root])), "an id is of an author and a root")
                made[got] = who
                batches.append((who, schema, root, count, commitments, paths, got))
                law("R1", not attempt(*call, parents, RELATION, "", sender=who)[0], "recorded once")
        elif kind in ("copy", "verify") and batches:
            owner, schema, root, count, commitments, paths, got = choose.choice(batches)
            if kind == "copy" and who != owner and count > 1:       # a root seen in the pool claims nothing for the copier
                done, copied = attempt(c.recordBatch, root, count, schema, [], NOTHING, "", sender=who)
                if done:
                    made[copied] = who
            k = choose.randrange(count)
            law("R1", c.verify(owner, schema, commitments[k], *paths[k]) == (True, got), "the author's leaf")
            another = choose.choice([p for p in PEOPLE if p != owner])
            law("R1", not c.verify(another, schema, commitments[k], *paths[k])[0], "another's leaf")
            law("R1", not c.verify(owner, word("other"), commitments[k], *paths[k])[0], "another schema")
            law("R1", not c.verify(owner, schema, keccak(commitments[k]), *paths[k])[0], "another commitment")
        elif kind in ("relate", "withdraw"):
            who = author if author and choose.random() < 0.4 else who
            done, _ = attempt(*((c.relate, id, [id], RELATION) if kind == "relate" else (c.withdraw, id, NOTHING)), sender=who)
            law("R2", done == (stands and who == author), "an author relates and withdraws its own, while it stands")
            if done and kind == "withdraw":
                withdrawn.add(id)
        elif kind == "endorse":
            verdict = choose.choice((1, 2, 2, 0, 3))
            done, _ = attempt(c.endorse, id, verdict, word("said"), sender=who)
            law("R3", done == (stands and who != author and verdict in (1, 2)), "anyone but the author endorses or disputes what stands")
            if done:
                said[id, who], nonces[who] = (verdict, word("said"), world.now), nonces[who] + 1
        elif kind == "signed":
            n = choose.randrange(10, 14)
            who, verdict, deadline = account(n), choose.choice((1, 2)), world.now + choose.choice((-1, 0, 60))
            nonce, wrong = nonces[who] - choose.choice((0, 0, 1)), choose.choice((None, None, None, "endorser", "verdict", "domain"))
            signature = signed_endorsement(world, n, id, verdict, word("signed"), max(nonce, 0), deadline,
                                           AT["Cash"] if wrong == "domain" else AT["Records"])
            endorser = choose.choice([p for p in PEOPLE if p != who]) if wrong == "endorser" else who
            done, _ = attempt(c.endorseSigned, id, endorser, 3 - verdict if wrong == "verdict" else verdict, word("signed"), deadline,
                              signature, sender=account(50))
            ok = wrong is None and max(nonce, 0) == nonces[who] and world.now <= deadline and stands and who != author
            law("R4" if stands and who != author else "R3", done == ok, f"a signed word is its endorser's, once, in time: {done}, {wrong}")
            if done:
                said[id, who], nonces[who] = (verdict, word("signed"), world.now), nonces[who] + 1
        elif kind == "wait":
            world.pass_time(choose.choice((1, 30)))
        if id in made:
            law("R3", c.endorsement(id, who) == said.get((id, who), (0, NOTHING, 0)), "the latest word counts")
            law("R2", (c.recordOf(id)[4] != 0) == (id in withdrawn), "withdrawn by its author only")


def identity(seed, contract=None, code=None, steps=120):
    world, choose = Alliance(contract=contract, code=code), random.Random(seed)
    c, topics, issuers = world.identity, [word("physician"), word("auditor")], [account(n) for n in range(20, 23)]
    trusted, held, documents = {t: [] for t in topics}, {}, {}
    for _ in range(steps):
        topic, issuer, subject = choose.choice(topics), choose.choice(issuers), choose.choice(PEOPLE)
        kind = choose.choice("trust anchor anchor anchor revoke document hostile wait".split())
        if kind == "trust":
            on = choose.random() < 0.7
            c.setIssuer(topic, issuer, on, sender=AT["Consortium"])
            trusted[topic] = [i for i in trusted[topic] if i != issuer or on] + [issuer] * (on and issuer not in trusted[topic])
        elif kind == "anchor":
            expires = world.now + choose.choice((0, 5, 5, 100))
            done, _ = attempt(c.anchor, subject, topic, word("credential"), expires, sender=issuer)
            law("I1", done == (issuer in trusted[topic] and expires > world.now), "trusted issuers attest")
            if done:
                held[subject, topic, issuer] = expires
        elif kind == "revoke":
            subject, topic, issuer = choose.choice([*held] or [(subject, topic, issuer)])
            done, _ = attempt(c.revoke, subject, topic, NOTHING, sender=issuer)
            law("I2", done == (held.pop((subject, topic, issuer), None) is not None), "its issuer revokes, once")
        elif kind == "document":
            c.setDocument(topic, sender=subject)
            c.setKey(topic, topic, sender=subject)
            documents[subject] = documents.get(subject, {}) | {0: topic, topic: topic}
        elif kind == "hostile":
            who = choose.choice([*issuers, *PEOPLE, *world.founders])
            law("I1", not attempt(c.setIssuer, topic, who, True, sender=who)[0], "the Consortium says whom to trust")
        else:
            world.pass_time(choose.choice((1, 5, 60)))
        counts = {i for i in issuers if i in trusted[topic] and held.get((subject, topic, i), 0) > world.now}
        law("I2", c.holds(subject, topic) == bool(counts), "a credential counts while trusted, unrevoked, unexpired")
        law("I2", all(c.holds(subject, topic, i) == (i in counts) for i in issuers), "by issuer")
        law("I1", list(c.issuersOf(topic)) == trusted[topic], "issuers")
        mine = documents.get(subject, {})
        law("I3", (c.document(subject), c.key(subject, topic)) == (mine.get(0, NOTHING), mine.get(topic, NOTHING)), "documents are one's own")
