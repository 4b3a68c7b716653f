"""
The world of the tests of Consortium, Identity, Cash, Records and Grants: all five at their fixed addresses on py-evm, made as genesis
makes them. `contract` and `code`: from then on that contract runs this code.
"""
from evm import *
from eth_account import Account

ADMIT, REMOVE, ROLES, ROTATE, PARAMETER, FORK, CALL, DIRECTORY = range(1, 9)
MARKET = AT["Market"]


@cache
def signer(n):
    return Account.from_key(keccak(text=f"account {n}"))


def account(n):
    return signer(n).address.lower()


def node_key(n):
    return "0x" + keccak(text=f"node {n}")[12:].hex()


class Alliance:
    """Founders 0 … n − 1, all with every role, in the order of their node keys."""

    def __init__(self, founders=4, contract=None, code=None):
        self.env = boa.Env()
        self.env.evm.patch.timestamp = START
        self.env.evm.patch.block_number = 0
        order = sorted(range(founders), key=lambda n: int(node_key(n), 16))
        self.founders = [account(n) for n in order]
        self.node_keys = [node_key(n) for n in order]
        self.consortium = Contract(self.env, "Consortium", [word(f"member-{n}") for n in order], self.founders, self.node_keys,
                                   [63] * founders, [f"10.0.0.{n + 1}:30303" for n in order],
                                   [word("inclusion"), word("levy"), word("gasTarget")], [1, 100, 30_000_000])
        self.identity, self.cash, self.records, self.grants = (
            Contract(self.env, name) for name in ("Identity", "Cash", "Records", "Grants"))
        self.env.evm.patch.block_number = 1
        if contract:
            self.env.set_code(AT[contract], code)

    def pass_time(self, seconds):
        self.env.evm.patch.timestamp += seconds

    @property
    def now(self):
        return self.env.evm.patch.timestamp

    # --- what every test says in one line ---
    def propose(self, kind, types, *values, sender=None):
        return self.consortium.propose(kind, encode(types, values), sender=sender or self.founders[0])

    def decide(self, kind, types, *values):
        """Proposed, and voted for by managers until it is enacted."""
        id = self.propose(kind, types, *values, sender=self.managers()[0])
        for manager in self.managers():
            if self.consortium.vote(id, True, sender=manager):
                return id
        raise AssertionError("not enacted")

    def managers(self):
        c = self.consortium
        return [c.memberAt(i)[0] for i in range(c.memberCount()) if c.has(c.memberAt(i)[0], MANAGER)]

    def call(self, contract, function, types, *values):
        data = keccak(text=f"{function}({','.join(types)})")[:4] + encode(types, values)
        return self.decide(CALL, ["address", "bytes"], contract.address, data)

    def slot(self, contract, index):
        return self.env.get_storage(contract.address, index)


def selector(error):
    return keccak(text=error)[:4]


def refused(error, call, *arguments, sender):
    """The call reverts with this error; returns its facts as words."""
    try:
        call(*arguments, sender=sender)
    except Reverted as failure:
        data = failure.data
        assert data[:4] == selector(error), f"reverted with {data.hex()}, not {error}"
        return [int.from_bytes(data[i:i + 32], "big") for i in range(4, len(data), 32)]
    raise AssertionError(f"did not revert {error}")
