"""
Agents that keep their members out of trouble, on four real nodes: silence, false input, kill -9 and restart end in a refund at once, and
who moves how much money is exactly what job-protocol.md §7 says; a question too close to an earlier one is refused by its owner.
The chain is the demonstration's (inclusion 1 s, so windows are 3 s), the only one on which a member can be told to misbehave.
"""
import collections
import csv
import json
import signal
import subprocess
import time

import pytest
from eth_utils import keccak
from alliance import ENVIRONMENT, PROGRAM, ROOT, Alliance, answer, done

DATA, SCENARIO = ROOT / "scenarios/data", ROOT / "scenarios/diabetes"
MEMBERS = ("north", "south", "laboratory", "insurer")
MARKET = "0xE47e47E000000000000000000000000000000007"
BOND, CHARGE = 1000, 200          # units of 0.01: a seat's bond, and its fifth
QUESTION = """WITH patients AS (SELECT id, bp, age FROM north.patients UNION ALL SELECT id, bp, age FROM south.patients)
SELECT COUNT(*) AS n, AVG(i.target) AS progression FROM patients p JOIN laboratory.blood l ON l.id = p.id JOIN insurer.progress i ON i.id = p.id"""


class Study(Alliance):
    def __init__(self):
        super().__init__(*MEMBERS, chain="entente-demo")
        self.clients = 0
        self.up()
        hospital = list(csv.reader(open(DATA / "diabetes__hospital.csv")))
        (self.at("north.csv")).write_text("\n".join(map(",".join, hospital[:222])))
        (self.at("south.csv")).write_text("\n".join(map(",".join, hospital[:1] + hospital[222:])))
        sources = {"north.patients": "north.csv", "south.patients": "south.csv", "laboratory.blood": DATA / "diabetes__laboratory.csv",
                   "insurer.progress": DATA / "diabetes__insurer.csv"}
        for table, source in sources.items():
            owner = table.split(".")[0]
            done("money", "issue", self.at("insurer"), owner, "500.00")
            done("money", "bond", self.at(owner), "200.00")
            done("data", "add", self.at(owner), "--schema", SCENARIO / f"{table}.json", "--csv", self.at(source), "--price", "3.00")
            done("policy", "set", self.at(owner), table, "open", "--purposes", "aggregate", "--trust", ",".join(m for m in MEMBERS if m != owner))

    def researcher(self):
        """A new account with money: what one was answered does not bear on another."""
        self.clients += 1
        name = f"researcher-{self.clients}"
        self.client(name, "north")
        done("money", "issue", self.at("insurer"), answer("money", "balance", self.at(name))["account"], "100.00")
        return name

    def ask(self, who, question=QUESTION):
        return subprocess.Popen([str(PROGRAM), "ask", str(self.at(who)), question], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=ENVIRONMENT)

    def refunded(self, asking):
        out, error = asking.communicate(timeout=55)
        assert asking.returncode != 0 and "refunded in full" in error, out + error
        return int(out.split("job ")[1].split(":")[0]), error.strip()

    def story(self, job):
        return answer("job", self.at("north"), job)

    def units(self, who):
        return int(self.balance(who))

    def bonds(self, who):
        account = json.loads(self.at(f"{who}/card.json").read_text())["account"]
        call = "0x" + (keccak(text="bonds(address)")[:4] + bytes(12) + bytes.fromhex(account[2:])).hex()
        words = self.rpc("north", "eth_call", {"to": MARKET, "data": call}, "latest")[2:]
        return int(words[:64], 16), int(words[64:128], 16)

    def misbehave(self, who, *what):
        assert self.rpc(who, "entente_misbehave", *what) is True

    def money(self):
        return {m: (self.units(m), *self.bonds(m)) for m in MEMBERS}

    def phase(self, job, who="north"):
        return next((j["phase"] for j in self.rpc(who, "entente_jobs") if j["job"] == str(job)), None)

    def stalled(self, who):
        """A job in whose middle the insurer has fallen silent."""
        before = max([int(j["job"]) for j in self.rpc("north", "entente_jobs")], default=0)
        self.misbehave("insurer", "silence", 20)
        asking = self.ask(who)
        self.eventually("a session that stands still", lambda: any(int(j["job"]) > before and j["rounds"] >= 20 for j in self.rpc("north", "entente_jobs")))
        return asking


@pytest.fixture(scope="module")
def study():
    with Study() as study:
        yield study


@pytest.fixture(autouse=True)
def honest_again(study):
    yield
    if "insurer" in study.nodes:
        study.misbehave("insurer", "none")


def events(story):
    return collections.Counter(line["event"] for line in story)


def check_silence(study, story, before, after, researcher, purse):
    """One was silent: its charge in equal parts to the three others and the requester; the fee back to the unit; all bonds free."""
    assert events(story)["Silent"] == 1 and events(story)["Refunded"] == 1 and not events(story)["Convicted"] and not events(story)["Parted"]
    assert study.units(researcher) == purse + CHARGE // 4
    for member in MEMBERS:
        (cash, free, locked), (cash2, free2, locked2) = before[member], after[member]
        assert locked == locked2 == 0
        assert (cash2 - cash, free2 - free) == ((0, -CHARGE) if member == "insurer" else (CHARGE // 4, 0)), member


def test_an_honest_question_is_answered(study):
    who = study.researcher()
    out, error = study.ask(who).communicate(timeout=55)
    assert "442" in out, out + error


@pytest.mark.parametrize("round", [0, 2, 20, -3, -2, -1])
def test_a_party_that_goes_silent_ends_in_a_refund_not_in_waiting(study, round):
    """In delivery, with the keys, in the middle; with its hashes of boxes, with its attestation. Who only keeps its box keeps it from nobody."""
    who = study.researcher()
    last = max(j["rounds"] for j in study.rpc("north", "entente_jobs") if j["phase"] == "settled")
    if round < 0:
        round += last
    before, purse, start = study.money(), study.units(who), time.monotonic()
    study.misbehave("insurer", "silence", round)
    if round == last - 1:
        out, error = study.ask(who).communicate(timeout=55)
        assert "442" in out, out + error
        return
    job, said = study.refunded(study.ask(who))
    assert time.monotonic() - start < 40, "nobody waits for the deadline"
    story = study.story(job)
    assert events(story)["Complained"] >= 1 and not events(story)["Answered"], story
    check_silence(study, story, before, study.money(), who, purse)


def test_answered_complaints_move_no_money_and_the_second_parts_the_two(study):
    who = study.researcher()
    before, purse = study.money(), study.units(who)
    study.misbehave("insurer", "stubbornness", 20)
    job, _ = study.refunded(study.ask(who))
    count = events(study.story(job))
    assert count["Complained"] == count["Answered"] >= 2 and count["Parted"] == 1 and not count["Silent"], study.story(job)
    assert study.money() == before and study.units(who) == purse


def test_a_false_input_convicts_its_owner_alone(study):
    who = study.researcher()
    before, purse = study.money(), study.units(who)
    study.misbehave("insurer", "false input")
    job, _ = study.refunded(study.ask(who))
    count, after = events(study.story(job)), study.money()
    assert count["Convicted"] == 1 and not count["Silent"] and not count["Parted"], study.story(job)
    assert study.units(who) == purse + BOND // 4
    for member in MEMBERS:
        (cash, free, _), (cash2, free2, locked) = before[member], after[member]
        assert locked == 0 and (cash2 - cash, free2 - free) == ((0, -BOND) if member == "insurer" else (BOND // 4, 0)), member


def test_a_party_that_is_killed_in_a_job_is_charged_for_silence(study):
    who = study.researcher()
    before, purse = study.money(), study.units(who)
    asking = study.stalled(who)
    study.stop("insurer", how=signal.SIGKILL)
    job, _ = study.refunded(asking)
    story = study.story(job)
    study.up("insurer", first=False)
    check_silence(study, story, before, study.money(), who, purse)


def test_a_party_that_comes_back_in_the_middle_of_a_session_leaves(study):
    who = study.researcher()
    before, purse = study.money(), study.units(who)
    asking = study.stalled(who)
    study.stop("insurer", how=signal.SIGKILL)
    study.up("insurer", first=False)
    job, _ = study.refunded(asking)
    # Whether its leave or the others' advance comes first is a matter of milliseconds; the charge is the same, and paid once.
    study.eventually("the agent that came back to leave", lambda: f'"job":"{job}"' in (log := study.at("insurer/node.log").read_text()) and '"what":"leaving"' in log)
    check_silence(study, study.story(job), before, study.money(), who, purse)


def test_a_question_too_close_to_an_earlier_one_is_refused_by_its_owner(study):
    hospital = list(csv.DictReader(open(DATA / "diabetes__hospital.csv")))
    ages = [collections.Counter(float(row["age"]) for row in rows) for rows in (hospital[:221], hospital[221:])]

    def between(low, high):
        return [sum(n for age, n in of.items() if low <= age < high) for of in ages]
    age = next(a for a in range(40, 70) if between(a, a + 1)[0] >= 5 and between(a, a + 1)[1] == 1)     # one patient of south more
    far = next(b for b in range(age + 2, 90) if all(n >= 5 for n in between(age, b)))

    who = study.researcher()

    def asked(limit, aggregates="COUNT(*) AS n, AVG(i.target) AS progression"):
        asking = study.ask(who, QUESTION.replace("COUNT(*) AS n, AVG(i.target) AS progression", aggregates) + f" WHERE p.age < {limit}")
        return (*asking.communicate(timeout=55), asking.returncode)
    out, error, code = asked(age)
    assert code == 0, out + error
    purse, money = study.units(who), study.money()
    out, error, code = asked(age + 1)
    assert code != 0 and len(error.strip().splitlines()) == 1, out + error
    assert "south declined: overlap: this and job" in error and "differ by fewer than 5 subjects of south.patients" in error, error
    assert study.units(who) == purse and study.money() == money, "the fee is back, no bond was touched"
    out, error, code = asked(age, "SUM(i.target) AS progression")                            # the same population
    assert code == 0, out + error
    out, error, code = asked(far)
    assert code == 0, out + error
    # Nor does a restart forget whom an answer reached.
    study.stop("south")
    study.up("south", first=False)
    out, error, code = asked(age + 1, "SUM(i.target) AS total")
    assert code != 0 and "declined: overlap" in error, out + error


def test_an_owner_that_cannot_write_down_whom_a_question_reaches_declines(study):
    who, kept = study.researcher(), study.at("south/cohorts")
    purse = study.units(who)
    kept.rename(study.at("south/cohorts.kept"))
    kept.write_text("in the way")
    try:
        job, said = study.refunded(study.ask(who))
    finally:
        kept.unlink()
        study.at("south/cohorts.kept").rename(kept)
    assert "south declined: input" in said and study.units(who) == purse, said


def test_an_owner_whose_table_is_gone_declines_and_nothing_is_spent(study):
    who = study.researcher()
    purse = study.units(who)
    study.at("south.csv").rename(study.at("south.away"))
    try:
        job, said = study.refunded(study.ask(who))
    finally:
        study.at("south.away").rename(study.at("south.csv"))
    assert "south declined: input" in said and "south.csv" not in said and study.units(who) == purse, said
    out, error = study.ask(who).communicate(timeout=55)
    assert "442" in out, out + error
