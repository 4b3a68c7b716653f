"""
What bad input gets: one line that says what, where and what to do; exit code not 0; nothing spent, nothing lost, no process left behind.
The line is the whole answer: `refused` fails on a second one, or on anything printed before.
"""
import json
import os
import re
import shutil
import socket
import subprocess

import pytest
from alliance import ROOT, Alliance, answer, done, entente, free_port, refused, sqlite_table

BORDER = {"format": "entente-table/1", "member": "north", "table": "people", "rows": 8, "key": "id", "smallestGroup": 2, "scope": "pooled", "pricePerUse": "0",
          "columns": [{"name": "id", "type": "text", "keyForm": "hex 8", "rules": [{"rule": "match"}]},
                      {"name": "age", "type": "integer", "low": "0", "high": "120", "rules": [{"rule": "after aggregate"}, {"rule": "compare only"}]}]}
ROWS = [(f"{i:08x}", 20 + 9 * i) for i in range(8)]


@pytest.fixture(scope="module")
def world():
    """One founder, its own bank; the table of eight people is listed, at a price."""
    with Alliance("north") as alliance:
        alliance.up()
        sqlite_table(alliance.at("people.db"), "people", ROWS)
        alliance.at("people.json").write_text(json.dumps(BORDER))
        done("data", "add", alliance.at("north"), "--schema", alliance.at("people.json"), "--sqlite", alliance.at("people.db"), "--price", "3.00")
        done("policy", "set", alliance.at("north"), "north.people", "ask")
        alliance.client("researcher", via="north")
        account = answer("money", "balance", alliance.at("researcher"))["account"]
        done("money", "issue", alliance.at("north"), account, "100.00")
        yield alliance


@pytest.fixture(autouse=True)
def nothing_spent(request):
    if "world" not in request.fixturenames:
        yield
        return
    alliance = request.getfixturevalue("world")
    before, height = alliance.balance("researcher"), alliance.height("north")
    yield
    assert alliance.balance("researcher") == before, "money moved"
    # A quiet chain beats once a minute, without transactions.
    for block in range(height + 1, alliance.height("north") + 1):
        assert alliance.rpc("north", "eth_getBlockTransactionCountByNumber", hex(block)) == "0x0", "a refused command sent a transaction"
    assert list(alliance.nodes) == ["north"] and alliance.nodes["north"].poll() is None, "the node ended"


def ask(world, text):
    return refused("ask", world.at("researcher"), text)


# --- questions -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text, said", [
    ("SELECT AVG(height) FROM north.people", r"height.*age"),                                       # names the columns there are
    ("SELECT COUNT(*) FROM north.persons", r"north\.persons.*people"),
    ("SELECT COUNT(*) FROM nobody.people", r"nobody"),
    ("SELECT COUNT(*) FROM north.people WHERE age LIKE 'a%'", r"LIKE"),
    ("DELETE FROM north.people", r"DELETE|SELECT"),
    ("SELECT COUNT(* FROM north.people", r"line 1|column \d+|expected"),
    ("SELECT age, COUNT(*) FROM north.people GROUP BY age", r"policy.*age|age.*rule"),
    ("SELECT COUNT(*) FROM north.people; DROP TABLE people", r"."),
    ("", r"."),
    ("SELECT " + "(" * 5000 + "1" + ")" * 5000 + " FROM north.people", r"deep|long|nest"),
], ids=["column", "table", "organisation", "dialect", "not-a-question", "syntax", "rule", "two-statements", "empty", "nesting"])
def test_a_question_that_cannot_be_answered(world, text, said):
    line = ask(world, text)
    assert re.search(said, line), line
    assert len(line) < 600, line


def test_a_question_without_consent(world):
    line = ask(world, "SELECT COUNT(*), AVG(age) FROM north.people")
    assert "north" in line and "grant" in line, line


# --- names ---------------------------------------------------------------------------------------------------------------------
def test_an_unknown_organisation(world):
    line = refused("money", "issue", world.at("north"), "southwest", "5.00")
    assert "southwest" in line and "north" in line, line


def test_a_vote_on_nobody(world):
    assert "nothing waits" in refused("vote", world.at("north"), "bureau")


def test_an_amount_that_is_none(world):
    assert "12.50" in refused("money", "issue", world.at("north"), "north", "a lot")


def test_a_job_that_does_not_exist(world):
    assert "no job 77" in refused("job", world.at("researcher"), "77")


# --- the owner's data ------------------------------------------------------------------------------------------------------------
def add(world, *source, **change):
    path = world.at("other.json")
    path.write_text(json.dumps({**BORDER, "table": "other", **change}))
    return refused("data", "add", world.at("north"), "--schema", path, *source)


def csv(world, text):
    world.at("other.csv").write_text(text)
    return add(world, "--csv", world.at("other.csv"))


def test_a_csv_with_a_broken_row(world):
    line = csv(world, "id,age\n00000001,30\n00000002,31,7\n")
    assert "other.csv line 3" in line and "3 fields" in line, line


def test_a_csv_that_is_not_text(world):
    world.at("other.csv").write_bytes(b"id,age\n\xff\xfe,30\n")
    assert "UTF-8" in add(world, "--csv", world.at("other.csv"))


def test_a_value_out_of_the_declared_range(world):
    line = csv(world, "id,age\n00000001,30\n00000002,121\n")
    assert "row 2" in line and "age" in line and "121" not in line, line        # a value is never said


def test_a_column_that_the_file_lacks(world):
    line = csv(world, "id,years\n00000001,30\n")
    assert "age" in line and "years" in line, line


def test_more_rows_than_listed(world):
    assert "9 rows" in csv(world, "id,age\n" + "".join(f"{i:08x},30\n" for i in range(9)))


def test_a_table_that_the_database_lacks(world):
    line = add(world, "--sqlite", world.at("people.db"))
    assert "other" in line and "people" in line, line


def test_a_database_that_is_none(world):
    world.at("text.db").write_text("not a database, but longer than a header of one hundred bytes would be; " * 4)
    assert "text.db" in add(world, "--sqlite", world.at("text.db"))


def test_a_file_that_is_not_there(world):
    assert "nowhere.csv" in add(world, "--csv", world.at("nowhere.csv"))


def test_a_postgres_that_is_down(world):
    port = free_port()
    line = add(world, "--postgres", f"host=127.0.0.1 port={port} user=entente password=hunter2secret dbname=x connect_timeout=3")
    assert str(port) in line and "hunter2secret" not in line, line


def test_a_schema_that_is_none(world):
    world.at("bad.json").write_text('{"format": "entente-table/1", "table": 7}')
    assert "bad.json" in refused("data", "add", world.at("north"), "--schema", world.at("bad.json"), "--csv", world.at("x.csv"))


# --- ports, keys, directories ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("option", ["--rpc-port", "--peer-port"])
def test_an_occupied_port(option):
    with Alliance("north") as alliance, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shutil.rmtree(alliance.at("north"))
        done("init", alliance.at("north"), "--name", "north", option, port)
        done("found", alliance.at("genesis.json"), alliance.at("north/card.json"), "--name", "ports")
        line = refused("up", alliance.at("north"), "--genesis", alliance.at("genesis.json"))
        assert str(port) in line and "in use" in line, line


def test_a_node_that_runs_already(world):
    line = refused("up", world.at("north"))
    assert "another process" in line, line


def test_another_members_key_file(world):
    done("init", world.at("stranger"), "--name", "stranger", "--client")
    mine = world.at("researcher/keystore/account.json")
    kept = mine.read_bytes()
    mine.write_bytes(world.at("stranger/keystore/account.json").read_bytes())
    try:
        line = refused("money", "bond", world.at("researcher"), "1.00")
    finally:
        mine.write_bytes(kept)
    assert "passphrase" in line and "account.json" in line, line


def test_a_wrong_passphrase(world):
    assert "passphrase" in refused("money", "bond", world.at("researcher"), "1.00", ENTENTE_PASSPHRASE="not this one")


def test_a_key_file_that_is_damaged(world):
    mine = world.at("researcher/keystore/account.json")
    kept = mine.read_bytes()
    mine.write_bytes(kept[: len(kept) // 2])
    try:
        line = refused("money", "bond", world.at("researcher"), "1.00")
    finally:
        mine.write_bytes(kept)
    assert "account.json" in line and "backup" in line, line


def test_a_directory_that_is_taken_or_missing(world):
    assert "already" in refused("init", world.at("north"), "--name", "north")
    assert "entente init" in refused("money", "balance", world.at("nowhere"))


def test_a_configuration_that_is_damaged():
    with Alliance("north") as alliance:
        alliance.at("north/config.json").write_text("{ not json")
        assert "config.json" in refused("up", alliance.at("north"), "--genesis", alliance.at("genesis.json"))


def test_a_genesis_file_with_a_typo_and_one_of_another_alliance():
    with Alliance("north") as alliance, Alliance("south") as other:
        genesis = json.loads(alliance.at("genesis.json").read_text())
        genesis["config"]["entente"]["heartbeatSecond"] = 60
        alliance.at("typo.json").write_text(json.dumps(genesis))
        assert "heartbeatSecond" in refused("up", alliance.at("north"), "--genesis", alliance.at("typo.json"))
        alliance.up()
        alliance.stop()
        line = refused("up", alliance.at("north"), "--genesis", other.at("genesis.json"))
        assert "another" in line or "belongs" in line, line
        alliance.up(first=False)         # and the node still starts with its own


def test_a_damaged_ledger_is_named_and_a_fresh_one_comes_back_whole():
    with Alliance("north", "south", "east", "west") as alliance:
        alliance.up()
        done("money", "issue", alliance.at("west"), "north", "10.00")
        height = alliance.height("west")
        alliance.eventually("north has the block", lambda: alliance.height("north") >= height)
        alliance.stop("north")
        damaged = 0
        for path in alliance.at("north/ledger").iterdir():
            if re.match(r"MANIFEST|\d+\.(sst|log|blob)$", path.name):
                content = bytearray(path.read_bytes())
                for i in range(0, len(content), 97):
                    content[i] ^= 0x5A
                path.write_bytes(content)
                damaged += 1
        assert damaged > 0
        line = refused("up", alliance.at("north"))
        assert "ledger" in line and "sync anew" in line, line
        shutil.move(alliance.at("north/ledger"), alliance.at("damaged"))
        alliance.up("north", first=False)
        alliance.eventually("north synced anew", lambda: alliance.height("north") >= height)
        assert alliance.balance("north") == "1000"


# --- disks -----------------------------------------------------------------------------------------------------------------------
def small_disk(script, size="3m"):
    """Runs a script with a disk of its own at $DISK: a mount that only this process sees."""
    wrapped = f'DISK=$(mktemp -d) && mount -t tmpfs -o size={size} none "$DISK" && {{ {script}\n}}; code=$?; umount -l "$DISK"; rmdir "$DISK"; exit $code'
    return subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", wrapped], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "E": str(ROOT / ".build/release/entente"), "SWIFT_BACKTRACE": "enable=no"})


def disks():
    return subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True).returncode == 0


needs_disks = pytest.mark.skipif(not disks(), reason="NOT TESTED: this machine allows no private mounts (unshare), so no full or read-only disk")


@needs_disks
def test_a_read_only_disk():
    run = small_disk('$E init $DISK/north --name north >/dev/null && $E found $DISK/g.json $DISK/north/card.json --name a >/dev/null\n'
                     'mount -o remount,ro "$DISK"\n$E up $DISK/north --genesis $DISK/g.json')
    line = run.stderr.strip()
    assert run.returncode != 0 and line.count("\n") == 0 and "Read-only" in line or "cannot write" in line, run.stderr
    made = small_disk('mount -o remount,ro "$DISK"\n$E init $DISK/north --name north')
    assert made.returncode != 0 and made.stderr.count("\n") == 1 and "cannot write" in made.stderr, made.stderr


@needs_disks
def test_a_full_disk_stops_the_node_with_one_line_and_loses_nothing():
    run = small_disk(r'''
        $E init $DISK/north --name north --roles manager,validator,data,compute,bank > /dev/null
        $E found $DISK/g.json $DISK/north/card.json --name a > /dev/null
        $E up $DISK/north --genesis $DISK/g.json > /dev/null 2> $DISK/../said-$$ < /dev/null &
        node=$!
        for i in $(seq 300); do [ -e $DISK/north/ports.json ] && break; sleep 0.05; done
        $E money issue $DISK/north north 7.00 > /dev/null || exit 90
        dd if=/dev/zero of=$DISK/filler bs=4k 2> /dev/null
        for i in $(seq 200); do
            kill -0 $node 2> /dev/null || break
            timeout 5 $E money issue $DISK/north north 1.00 > /dev/null 2>&1 && acknowledged=$((acknowledged + 1))
        done
        kill -0 $node 2> /dev/null && { kill -9 $node; exit 91; }
        wait $node; code=$?
        cat $DISK/../said-$$ >&2; rm -f $DISK/../said-$$
        [ $code = 0 ] && exit 92
        rm $DISK/filler
        $E up $DISK/north > /dev/null 2>&1 < /dev/null &
        node=$!
        sleep 1.5
        $E money balance $DISK/north --json
        echo acknowledged ${acknowledged:-0}
        kill $node; wait $node
        exit 0''')
    assert run.returncode == 0, (run.returncode, run.stdout, run.stderr)
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1 and "no space" in lines[0].lower(), run.stderr
    acknowledged = int(run.stdout.split("acknowledged")[1])
    assert int(json.loads(run.stdout.splitlines()[0])["balance"]) >= 700 + 100 * acknowledged, run.stdout


# --- evidence ----------------------------------------------------------------------------------------------------------------------
def test_evidence_of_another_chain_and_of_no_chain(world, tmp_path):
    with Alliance("solo") as other:
        other.up()
        other.at("minutes.txt").write_text("what was agreed")
        record = answer("record", "put", other.at("solo"), other.at("minutes.txt"))["record"]
        done("evidence", other.at("solo"), "--record", record, "--output", tmp_path / "r.evidence")
    ours = world.rpc("north", "eth_getBlockByNumber", "0x0", False)["hash"]
    run = entente("verify", tmp_path / "r.evidence", "--genesis", ours)
    assert run.returncode == 1 and "foreignGenesis" in run.stdout, run.stdout + run.stderr
    assert entente("verify", tmp_path / "r.evidence").returncode == 0
    (tmp_path / "no.evidence").write_bytes(os.urandom(500))
    run = entente("verify", tmp_path / "no.evidence")
    assert run.returncode == 1 and "malformed" in run.stdout, run.stdout + run.stderr
    assert "nowhere.evidence" in refused("verify", tmp_path / "nowhere.evidence")


# --- set-up -------------------------------------------------------------------------------------------------------------------------
def test_a_missing_library_is_named_ready_to_paste(tmp_path):
    """As an ordinary user on a machine without RocksDB: `id` and `dpkg-query` are stood in for, the script is the real one."""
    for name, script in {"id": "echo 1000", "dpkg-query": 'for last; do :; done; case "$last" in librocksdb-dev) exit 1;; *) echo "install ok installed";; esac'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    run = subprocess.run([ROOT / "tools/libraries"], capture_output=True, text=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert run.returncode == 1 and "apt-get install -y librocksdb-dev" in run.stderr, run.stderr
