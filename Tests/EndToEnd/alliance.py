"""
An alliance of real processes in a temporary directory, driven by the program's own commands. Whatever a test does, no process and no file is left.
"""
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("ENTENTE", ROOT / ".build/release/entente"))
ENVIRONMENT = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
ENVIRONMENT.pop("ENTENTE_PASSPHRASE", None)


def entente(*arguments, prefix=(), timeout=60, **environment):
    return subprocess.run([*prefix, str(PROGRAM), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, env={**ENVIRONMENT, **environment})


def done(*arguments, **keywords):
    """Standard output of a command that must succeed."""
    run = entente(*arguments, **keywords)
    assert run.returncode == 0, f"entente {' '.join(map(str, arguments))}: {run.stdout}{run.stderr}"
    return run.stdout


def answer(*arguments):
    return json.loads(done(*arguments, "--json"))


def refused(*arguments, **keywords):
    """The one line that a command which must fail says. Nothing on standard output, nothing more on standard error."""
    run = entente(*arguments, **keywords)
    said = run.stderr.strip().splitlines()
    assert run.returncode not in (0, None) and run.returncode > 0, f"exit code {run.returncode}: {run.stdout}{run.stderr}"
    assert run.stdout == "" and len(said) == 1, f"more than one line: {run.stdout}{run.stderr}"
    return said[0]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Alliance:
    """Founders with one node each. The last of them is the bank."""

    def __init__(self, *names, ports=True, chain="end-to-end"):
        self.directory = Path(tempfile.mkdtemp(prefix="entente-test-"))
        self.names, self.nodes = names, {}
        for name in names:
            roles = "manager,validator,data,compute" + (",bank" if name == names[-1] else "")
            port = ("--peer-port", free_port()) if ports else ()
            done("init", self.at(name), "--name", name, "--roles", roles, *port)
        done("found", self.at("genesis.json"), *(self.at(f"{n}/card.json") for n in names), "--name", chain, "--inclusion", 1)

    def at(self, path):
        return self.directory / path

    def up(self, *names, first=True):
        """Starts nodes and waits until their ports are open. The first time they get the genesis file, and who is up already."""
        for name in names or self.names:
            options = ["--genesis", self.at("genesis.json"), *(w for n in self.nodes for w in ("--peer", f"127.0.0.1:{self.ports(n)['peer']}"))] if first else []
            with open(self.at(f"{name}.log"), "ab") as log:
                process = subprocess.Popen([str(PROGRAM), "up", str(self.at(name)), *map(str, options)], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, env=ENVIRONMENT)
            self.nodes[name] = process
            end = time.monotonic() + 30
            while self.ports(name).get("process") != process.pid:
                assert process.poll() is None and time.monotonic() < end, self.at(f"{name}.log").read_text()
                time.sleep(0.02)
        return self

    def ports(self, name):
        path = self.at(f"{name}/ports.json")
        return json.loads(path.read_text()) if path.exists() else {}

    def rpc(self, name, method, *parameters):
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports(name)['rpc']}", json.dumps(dict(jsonrpc="2.0", id=1, method=method, params=parameters)).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read())["result"]

    def height(self, name):
        return int(self.rpc(name, "eth_blockNumber"), 16)

    def eventually(self, what, condition, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError(f"not in {seconds} s: {what}")

    def stop(self, *names, how=signal.SIGTERM):
        for name in names or list(self.nodes):
            process = self.nodes.pop(name)
            process.send_signal(how)
            process.wait(timeout=20)

    def client(self, name, via):
        done("init", self.at(name), "--name", name, "--client", "--via", f"http://127.0.0.1:{self.ports(via)['rpc']}")

    def balance(self, name):
        return answer("money", "balance", self.at(name))["balance"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.nodes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def sqlite_table(path, table, rows):
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE {table} (id TEXT, age INTEGER)")
        db.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
