"""
The laws of the contracts, and for each of them seeded bugs: a source changed in one place, under which the law's property must fail.
"""
import pytest

import cash_walk
import consortium_walk
import grants_walk
import market_walk
import records_walk
from evm import *

# law: what it says (reference/job-protocol.md §11 in short)
LAWS = {
    "L1": "no call makes or loses cash; Market's cash is fees of live jobs, bonds and what is owed",
    "L2": "the lines of a job are its fee, and do not change after open, whatever listings do",
    "L3": "each job ends once: its lines are paid once, or the whole fee returns once",
    "L4": "no settlement without the attestations of all seats of one session of that job",
    "L5": "nobody is paid but the frozen payees, the seats, and the requester for returned lines",
    "L6": "from the deadline on two steps end any job; no call moves the deadline",
    "L7": "no callback, payee, outsider or regulator stops, undoes or repeats a payment",
    "L8": "largest remainder: exact sum, each share within one unit of its quota",
    "L9": "a use is held only under an open policy for its purpose or a fitting grant of the listing's own owner",
    "L10": "given = left + held + used; held are those of live jobs, used those of settled ones",
    "L11": "after revocation or expiry no use is held and no owner joined",
    "L12": "spent + held <= cap, per listing and per account",
    "L14": "what settles is in the transaction, as it was attested",
    "L15": "an honest member never loses bond, nor is charged for silence if it answered in time",
    "L16": "a verdict rests on claims of that very session by that very key; every edge has a deviating end",
    "L17": "an answered complaint moves no money; two between any two members",
    "L18": "after a blame a complete attempt still settles within its grace",
    "L19": "the requester pays the fee, once",
    "L20": "a member's locked bond is the sum of its locks; each is freed or taken once; nobody locks another's",
    "L21": "seats are distinct, eligible members, each joined once",
    "L22": "a signature stands for one structure in one domain, and for no other value of any field",
    # Grants, beside L9 to L11
    "G1": "only the market of a hold spends or frees it, once",
    "G2": "the Consortium says who is a market",
    # Consortium
    "C1": "the validators' slots are strictly ascending keys, 100 at most, never none",
    "C2": "four validators never become fewer",
    "C3": "who validates is a member with that role, or one that left and waits for a replacement",
    "C4": "names and node keys are unique, and every index agrees",
    "C5": "enacted exactly by more than two thirds of those who are managers now, one vote each, in time",
    "C6": "only members propose, only managers vote, nothing is enacted without a vote or twice",
    "C7": "what is admitted is what was voted on",
    "C8": "a membership ends without a vote only after the delay",
    "C9": "there is always a manager",
    "C10": "a parameter keeps its bounds",
    # Cash: L1 for the cash itself
    "K1": "balances = supply = the banks' liabilities",
    "K2": "only banks issue",
    "K3": "an allowance is used up; everybody has what it was given",
    "K4": "a holder moves what it has, unless a regulator holds it; no contract of the alliance is held",
    "K5": "a permit is what its owner signed, once, in time",
    # Records
    "R1": "a leaf is its author's, recorded once",
    "R2": "parents are on record; an author relates and withdraws its own, while it stands",
    "R3": "anyone but the author endorses or disputes what stands; the latest word counts",
    "R4": "a signed word is its endorser's, once, in time",
    # Identity
    "I1": "the Consortium says whom to trust, and only those attest",
    "I2": "a credential counts while trusted, unrevoked and unexpired",
    "I3": "a document and its keys are the account's own",
}

# law, what is wrong, property that must fail, contract, text, what it becomes
BUGS = [
    ("L1", "a bond taken out stays on the books", market_walk.walk, "Market",
     "    self._setBond(msg.sender, w - amount)\n", "    self._setBond(msg.sender, w)\n"),
    ("L2", "rounding loses a unit", market_walk.walk, "Market", "        shares[best] += 1\n", ""),
    ("L3", "a refund pays twice", market_walk.walk, "Market", "    self._pay(j.requester, j.fee)\n",
     "    self._pay(j.requester, j.fee)\n    self._pay(j.requester, j.fee)\n"),
    ("L3", "a running job is refunded before its deadline", market_walk.walk, "Market",
     "return j.deadline if j.state == RUNNING else", "return j.opened if j.state == RUNNING else"),
    ("L4", "three attestations suffice", market_walk.walk, "Market", "    for i: uint256 in range(j.seats, bound=4):\n        key: address",
     "    for i: uint256 in range(j.seats - 1, bound=4):\n        key: address"),
    ("L4", "one seat attests for all", market_walk.walk, "Market", "self._signer(claim, signatures[i]) == key",
     "self.keyOf[self._signer(claim, signatures[i])] != 0"),
    ("L5", "a convict is paid", market_walk.walk, "Market", "payee: address = j.requester if m.out == CONVICTED else m.account",
     "payee: address = m.account"),
    ("L6", "a blame moves the deadline", market_walk.walk, "Market", "    j.until = block.timestamp + j.grace\n",
     "    j.until = block.timestamp + j.grace\n    j.deadline += 60\n"),
    ("L6", "the deadline is unbounded", market_walk.walk, "Market", "    self._require(order.deadline <= moment, TOO_LATE, moment)\n", ""),
    ("L7", "what could not be paid is forgotten", market_walk.walk, "Market", "        self.owed[payee] += amount\n", ""),
    ("L8", "a penalty loses its remainder", market_walk.walk, "Market", "(1 if i < amount % len(heirs) else 0)", "0"),
    ("L9", "consent is asked for another purpose", market_walk.walk, "Market", ".hold(id, order.requester, order.purpose,", ".hold(id, order.requester, 1,"),
    ("L10", "a settled use is given back", market_walk.walk, "Market", "extcall IGrants(GRANTS).spend(id, output)", "extcall IGrants(GRANTS).free(id)"),
    ("L11", "an owner is joined after it revoked", market_walk.walk, "Market", "staticcall IGrants(GRANTS).isLive(grant)", "True"),
    ("L12", "a settled budget is given back", market_walk.walk, "Market", "budget if j.state == SETTLED else 0", "0"),
    ("L14", "the boxes are not in the transaction", market_walk.walk, "Market", "log Sealed(job=id, boxes=boxes)", "log Sealed(job=id, boxes=[])"),
    ("L15", "an answer saves nobody", market_walk.walk, "Referee", "    self.complaint[id].head = 0\n", ""),
    ("L16", "one claim twice convicts", market_walk.walk, "Referee",
     "    self._require(a.content != b.content, NO_CASE, AGREED)\n    who: Signer", "    who: Signer"),
    ("L16", "receiver against witness is a pair", market_walk.verdicts, "Referee",
     "    elif v.content != empty(bytes32) and s.content != v.content:\n        b = byS.member\n", ""),
    ("L16", "records that agree part", market_walk.verdicts, "Referee", "    self._require(not forth or not back, NO_CASE, AGREED)\n", ""),
    ("L16", "a seat that lacks a component has its box", market_walk.verdicts, "Referee", " and two.seat - 1 != a.index >> 8", ""),
    ("L16", "one edge suspends", market_walk.verdicts, "Referee", "    if alive + 1 > (max", "    if alive + 2 > (max"),
    ("L17", "two complaints at once", market_walk.walk, "Referee", "(head == 0 or head >> 208 & 255 != attempt) and ", ""),
    ("L18", "no grace after a blame", market_walk.walk, "Market", "    j.until = block.timestamp + j.grace\n", "    j.until = block.timestamp\n"),
    ("L19", "the fee is pulled twice", market_walk.walk, "Market", "    self._pull(order.requester, j.fee)\n",
     "    self._pull(order.requester, j.fee)\n    self._pull(order.requester, j.fee)\n"),
    ("L20", "a locked bond is taken out", market_walk.walk, "Market",
     "    self._require(w & LOW >= amount, BOND_TOO_SMALL, w & LOW)\n    self._setBond(msg.sender, w - amount)\n",
     "    self._setBond(msg.sender, w - amount)\n"),
    ("L21", "one seat for all", market_walk.walk, "Market", "            members[k].seat = seats\n", "            members[k].seat = 1\n"),
    ("L22", "a claim stands for every kind", market_walk.digests, "Referee", "CLAIM_TYPE, session, kind, index, content", "CLAIM_TYPE, session, ATTEST, index, content"),
    ("L22", "an input is not signed", market_walk.digests, "Market", "    self._require(self._signer(hash, signature) == key, BAD_SIGNATURE, place)\n    self.inputHash", "    self.inputHash"),
    ("L7", "a payee stops the payment", market_walk.walk, "Market", "    if not done or len(answer)", "    assert done\n    if not done or len(answer)"),
    ("L7", "what is owed is collected again and again", market_walk.owed, "Market", "    self.owed[payee] = 0\n", ""),
    ("L7", "a callback can undo the payment", market_walk.walk, "Market", " and order.callback == empty(address)", ""),
    ("L7", "the regulator holds the escrow", market_walk.walk, "Cash",
     "    self._require(not (on and staticcall IConsortium(CONSORTIUM).isListed(account)), LISTED, convert(account, uint256))\n", ""),
    ("L10", "the ledger forgets a use", market_walk.walk, "Market", "self.tally[listing] = tally + 1 +", "self.tally[listing] = tally +"),
    ("L12", "an account has no cap", market_walk.walk, "Market", "(terms.accountCap == 0 or w <= terms.accountCap)", "True"),
    ("L12", "a listing has no cap", market_walk.walk, "Market", "fits: bool = terms.cap == 0 or ", "fits: bool = True or "),
    ("L15", "silence is charged before the window", market_walk.walk, "Referee", " or block.timestamp < head >> 160 & (2**48 - 1)", ""),
    ("L15", "anybody convicts", market_walk.walk, "Market", "    self._require(msg.sender == j.referee, NOT_YOU, convert(j.referee, uint256))\n", ""),
    ("L16", "claims of two keys convict", market_walk.walk, "Referee", "    self._require(who.member == other.member, NO_CASE, FOREIGN)\n", ""),
    ("L16", "a key of another session signs", market_walk.walk, "Referee", "    self._require(who.job == id and who.attempt == attempt, NO_CASE, FOREIGN)\n", ""),
    ("L16", "a key serves twice", market_walk.walk, "Market", "key != empty(address) and self.keyOf[key] == 0", "key != empty(address)"),
    ("L16", "an input as it was bound convicts", market_walk.walk, "Referee", "    self._require(claim.content != bound, NO_CASE, AGREED)\n", ""),
    ("L16", "an owner answers for another's input", market_walk.walk, "Referee", "claim.index < 16 and who.uses >> claim.index & 1 == 1", "claim.index < 16"),
    ("L17", "complaints without end", market_walk.complaints, "Referee", "    self.strikes[id][pair] = strike + 1\n", ""),
    ("L17", "anybody answers for the accused", market_walk.walk, "Referee", "fits and by.member == c.accused", "fits"),
    ("L18", "a blame undoes what all attested", market_walk.walk, "Market",
     "(j.state == RUNNING or j.state == FAILING) and attempt == j.attempt, CLOSED, j.state)\n    self._require(block",
     "j.state == RUNNING and attempt == j.attempt, CLOSED, j.state)\n    self._require(block"),
    ("L20", "the rest of a penalised bond stays locked", market_walk.charged, "Market",
     "self._unlock(culprit.account, self._lockOf(j, culprit), amount)", "self._unlock(culprit.account, amount, amount)"),
    ("L20", "a bond is taken twice", market_walk.walk, "Market", "    self._require(m.lock != 0, NO_CASE, NOT_BOUND)\n", ""),
    ("L21", "who may not compute sits", market_walk.walk, "Market", "    self._check(staticcall IConsortium(CONSORTIUM).has(account, ROLE_COMPUTE), BAD_SEAT)\n", ""),
    ("L21", "nobody is asked beside whom it sits", market_walk.walk, "Market", "owners[i] == account or self.stance[listings[i]][account] == TRUSTED", "True"),
    ("L21", "a member joins twice", market_walk.walk, "Market", "    self._require(m.joined != j.attempt, CLOSED, j.state)\n", ""),
    ("L22", "an order stands on every chain", market_walk.digests, "Market", "DOMAIN_TYPE, NAME, VERSION, chain.id, self", "DOMAIN_TYPE, NAME, VERSION, empty(uint256), self"),
    ("C9", "the last manager goes", consortium_walk.last, "Consortium", "    if self._count(MANAGER) == 0:\n", "    if False:\n"),
    ("L9", "grant 0 skips consent", grants_walk.walk, "Grants", "elif grant == 0:\n        reason = 2", "elif grant == 0:\n        reason = 0"),
    ("L9", "a grant of anybody", grants_walk.walk, "Grants", "owner == empty(address) or g.owner != owner", "owner == empty(address)"),
    ("L9", "no purpose, or two", grants_walk.walk, "Grants",
     "return purpose != 0 and purpose <= ALL_PURPOSES and purpose & (purpose - 1) == 0", "return purpose <= ALL_PURPOSES"),
    ("L9", "a grant to anybody", grants_walk.walk, "Grants", "    if g.grantee != requester:\n        return 4\n", ""),
    ("L9", "a grant for everything", grants_walk.walk, "Grants", "given != 0 and g.scope != (group if given == 1 else object)", "False"),
    ("L9", "a wide grant opens a narrow rule", grants_walk.walk, "Grants", "    if given < level:\n        return 6\n", ""),
    ("L9", "a grant for every program", grants_walk.walk, "Grants",
     "    if g.program != empty(bytes32) and g.program != program:\n        return 8\n", ""),
    ("L9", "more uses than given", grants_walk.walk, "Grants", "return 11 if g.uses >> 64 & WORD64 == 0 else 0", "return 0"),
    ("L9", "anybody holds", grants_walk.walk, "Grants", "    self._require(self.isMarket[msg.sender], NOT_YOU, 0)\n", ""),
    ("L9", "a grant opens what is closed", grants_walk.walk, "Grants", "        reason = 1\n",
     "        reason = self._misfit(grant, owner, group, object, requester, purpose, program, level)\n"),
    ("L10", "a use is lost by a refund", grants_walk.walk, "Grants", "- (1 << 128) + (1 << 64)", "- (1 << 128) + (1 << 192)"),
    ("L10", "a use comes back by a settlement", grants_walk.walk, "Grants", "- (1 << 128) + (1 << 192)", "- (1 << 128) + (1 << 64)"),
    ("L11", "a revoked grant", grants_walk.walk, "Grants", "    if g.terms >> 16 & 255 != 0:\n        return 9\n", ""),
    ("L11", "an expired grant", grants_walk.walk, "Grants", "    if block.timestamp >= g.terms >> 24:\n        return 10\n", ""),
    ("L11", "an expired grant lives on for the join", grants_walk.walk, "Grants", " and block.timestamp < terms >> 24", ""),
    ("G1", "a hold ends twice", grants_walk.walk, "Grants", "self.holdState[market][job] = next", "pass"),
    ("G2", "anybody makes markets", grants_walk.walk, "Grants", "    self._require(msg.sender == CONSORTIUM, NOT_YOU, convert(CONSORTIUM, uint256))\n", ""),
    ("C1", "a key goes to the wrong place", consortium_walk.walk, "Consortium",
     "convert(new, uint256) <= convert(key, uint256)", "convert(new, uint256) >= convert(key, uint256)"),
    ("C2", "four become three", consortium_walk.walk, "Consortium", "min(len(before), 4)", "0"),
    ("C3", "who is removed validates on", consortium_walk.walk, "Consortium",
     "        self._vacate(self._known(account).nodeKey, replacement)\n        self._forget", "        self._forget"),
    ("C3", "who loses the role validates on", consortium_walk.walk, "Consortium", "        self._vacate(member.nodeKey, replacement)\n", "        pass\n"),
    ("C3", "anybody admitted validates", consortium_walk.walk, "Consortium",
     "    self._require(roles & VALIDATOR != 0, NOT_MEMBER, convert(msg.sender, uint256))\n", ""),
    ("C4", "a node key serves two", consortium_walk.walk, "Consortium", "    self._require(free, KEY_TAKEN, convert(nodeKey, uint256))\n", ""),
    ("C4", "a rotated key stays known", consortium_walk.walk, "Consortium", "    self.byNodeKey[nodeKey] = account\n", ""),
    ("C5", "two thirds are enough", consortium_walk.walk, "Consortium",
     "self._yes(id) * 3 <= self._count(MANAGER) * 2", "self._yes(id) * 3 < self._count(MANAGER) * 2"),
    ("C5", "who is no manager any more counts", consortium_walk.stale, "Consortium", " and self.members[account].roles & MANAGER != 0", ""),
    ("C5", "one manager votes three times", consortium_walk.walk, "Consortium", "    if self.ballot[id][msg.sender] == 0:\n", "    if True:\n"),
    ("C6", "anybody votes", consortium_walk.walk, "Consortium", "    self._require(self.members[msg.sender].roles & MANAGER != 0, NOT_YOU, 0)\n", ""),
    ("C6", "enacted again", consortium_walk.walk, "Consortium", "    self.proposal[id].state = 2\n", ""),
    ("C6", "anybody governs", consortium_walk.walk, "Consortium", "    self._require(msg.sender == governor, NOT_YOU, convert(governor, uint256))\n", ""),
    ("C7", "another application than the one voted on", consortium_walk.walk, "Consortium", "    self._require(same, CHANGED, convert(account, uint256))\n", ""),
    ("C8", "no delay", consortium_walk.walk, "Consortium", "    self._require(block.timestamp >= moment, TOO_EARLY, moment)\n", ""),
    ("C10", "a levy without bound", consortium_walk.walk, "Consortium", "        return 0, 1000\n", "        return 0, 10000\n"),
    ("K1", "cash without a debt", cash_walk.walk, "Cash", "    self.liability[msg.sender] += amount\n", ""),
    ("K1", "a debt without cash", cash_walk.walk, "Cash", "    self.liability[bank] = owed - amount\n", ""),
    ("K1", "what is redeemed stays in supply", cash_walk.walk, "Cash", "    self.totalSupply -= amount\n", ""),
    ("K1", "a payee loses what it had", cash_walk.walk, "Cash", "    self.balanceOf[to] += amount\n    log Transfer(sender=owner", "    self.balanceOf[to] = amount\n    log Transfer(sender=owner"),
    ("K2", "anybody issues", cash_walk.walk, "Cash", "    self._require(staticcall IConsortium(CONSORTIUM).has(msg.sender, BANK), NOT_YOU, 0)\n", ""),
    ("K3", "an allowance that lasts", cash_walk.walk, "Cash", "        self.allowance[owner][msg.sender] = allowed - amount\n", "        pass\n"),
    ("K3", "no allowance is needed", cash_walk.walk, "Cash",
     "    self._require(allowed >= amount, ALLOWANCE_TOO_SMALL, allowed)\n    if allowed != max_value(uint256):\n", "    if False:\n"),
    ("K4", "a hold holds nothing", cash_walk.walk, "Cash", "    if self.isFrozen[owner]:", "    if False:"),
    ("K4", "what is held is redeemed", cash_walk.walk, "Cash",
     "    self.balanceOf[msg.sender] = self._debitable(msg.sender, amount)\n    self.liability", "    self.balanceOf[msg.sender] -= amount\n    self.liability"),
    ("K4", "a contract of the alliance is held", cash_walk.walk, "Cash",
     "    self._require(not (on and staticcall IConsortium(CONSORTIUM).isListed(account)), LISTED, convert(account, uint256))\n", ""),
    ("K5", "a high s is another signature", cash_walk.walk, "Cash", " and convert(s, uint256) <= HALF_ORDER", ""),
    ("K5", "a permit lasts", cash_walk.walk, "Cash", "    self.nonces[owner] = nonce + 1\n", ""),
    ("K5", "a permit after its time", cash_walk.walk, "Cash", "    self._require(block.timestamp <= deadline, TOO_LATE, deadline)\n", ""),
    ("K5", "a permit of anybody", cash_walk.walk, "Cash", "signer == owner and", "True and"),
    ("K5", "a signature of nobody", cash_walk.walk, "Cash",
     "and signer != empty(address) and convert(s, uint256) <= HALF_ORDER and (v == 27 or v == 28)", ""),
    ("R1", "a leaf without its author", records_walk.records, "Records", "concat(0x00, convert(author, bytes20)", "concat(0x00, convert(empty(address), bytes20)"),
    ("R1", "recorded twice", records_walk.records, "Records", "    self._require(self.recordOf[id].time == 0, CLOSED, 1)\n", ""),
    ("R2", "a parent that is not on record", records_walk.records, "Records",
     "        self._require(self.recordOf[parent].time != 0, UNKNOWN_RECORD, convert(parent, uint256))\n", ""),
    ("R2", "anybody withdraws", records_walk.records, "Records",
     "    self._require(msg.sender == author, NOT_YOU, convert(author, uint256))\n    self.recordOf", "    self.recordOf"),
    ("R3", "an author endorses itself", records_walk.records, "Records", "    self._require(endorser != self.recordOf[id].author, NOT_YOU, 0)\n", ""),
    ("R4", "an old word speaks again", records_walk.records, "Records", "    self.nonces[endorser] += 1", "    pass"),
    ("R4", "a word of anybody", records_walk.records, "Records", "signer == endorser and ", ""),
    ("R4", "a word after its time", records_walk.records, "Records", "    self._require(block.timestamp <= deadline, TOO_LATE, deadline)\n", ""),
    ("I1", "anybody attests", records_walk.identity, "Identity", "    self._require(self.isTrusted[topic][msg.sender], NOT_YOU, 0)\n", ""),
    ("I1", "anybody says whom to trust", records_walk.identity, "Identity", "    self._require(msg.sender == CONSORTIUM, NOT_YOU, convert(CONSORTIUM, uint256))\n", ""),
    ("I2", "trust is for ever", records_walk.identity, "Identity", "self.isTrusted[topic][issuer] and block", "block"),
    ("I2", "a credential is for ever", records_walk.identity, "Identity",
     " and block.timestamp < self.credential[subject][topic][issuer].expires", " and self.credential[subject][topic][issuer].expires != 0"),
    ("I3", "one key for everybody", records_walk.identity, "Identity", "    self.key[msg.sender][kind] = key\n", "    self.key[self][kind] = key\n"),
    ("I2", "a revoked credential counts", records_walk.identity, "Identity", "    self.credential[subject][topic][msg.sender] = empty(Credential)\n", ""),
]
SEEDS = 3
PROPERTIES = list(dict.fromkeys(bug[2] for bug in BUGS))
called = lambda property: property.__module__.removeprefix("test_").removesuffix("_walk") + "." + property.__name__


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("property", PROPERTIES, ids=called)
def test_the_laws_hold(property, seed):
    property(seed)


@pytest.mark.parametrize("contract", sorted({bug[3] for bug in BUGS}))
def test_the_laws_hold_of_a_source_with_no_bug_compiled_as_those_with_one(contract):
    for property in {bug[2] for bug in BUGS if bug[3] == contract}:
        property(0, contract, runtime(contract, changed(contract)))


@pytest.mark.parametrize("bug", range(len(BUGS)), ids=[f"{law}: {name}" for law, name, *_ in BUGS])
def test_the_law_catches_the_bug(bug):
    law, _, property, *source = BUGS[bug]
    for seed in range(SEEDS):
        try:
            property(seed, source[0], mutant(source))
        except Broken as failure:
            assert failure.law == law, failure
            return
    raise AssertionError(f"no seed of {SEEDS} shows it")


def test_every_law_has_a_bug_that_it_catches():
    assert {law for law, *_ in BUGS} == set(LAWS)
