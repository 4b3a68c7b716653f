"""Nothing acknowledged is ever lost, whoever is killed and whenever."""
import json
import signal

from alliance import Alliance, answer, done

NAMES = ("north", "south", "east", "west")


def test_all_nodes_on_free_ports_killed_at_once_find_each_other_again():
    """They were told of each other once; since then each has said on chain where it is reached."""
    with Alliance(*NAMES, ports=False) as alliance:
        alliance.up()
        done("money", "issue", alliance.at("west"), "north", "12.00")
        alliance.eventually("all four said where they are reached", lambda: all(m["contact"] for m in answer("members", alliance.at("west"))))
        for name in NAMES:
            configuration = json.loads(alliance.at(f"{name}/config.json").read_text())
            alliance.at(f"{name}/config.json").write_text(json.dumps({**configuration, "peers": []}))
        height = max(alliance.height(name) for name in NAMES)
        alliance.stop(how=signal.SIGKILL)
        alliance.up(first=False)
        done("money", "issue", alliance.at("west"), "north", "1.00")
        for name in NAMES:
            alliance.eventually(f"{name} has the block", lambda: alliance.height(name) > height)
        assert alliance.balance("north") == "1300"
        assert len({alliance.rpc(name, "eth_getBlockByNumber", hex(height + 1), False)["stateRoot"] for name in NAMES}) == 1


def test_what_was_acknowledged_survives_a_kill_at_any_moment():
    with Alliance("solo") as alliance:
        acknowledged = 0
        for turn in range(6):
            alliance.up(first=turn == 0)
            for _ in range(turn + 1):
                done("money", "issue", alliance.at("solo"), "solo", "1.00")
                acknowledged += 100
            alliance.stop(how=signal.SIGKILL)
        alliance.up(first=False)
        assert alliance.balance("solo") == str(acknowledged)
