"""The life of a job, step by step, and what every step refuses."""
import pytest
from market import *


@pytest.fixture(scope="module")
def base():
    return World()


@pytest.fixture
def w(base):
    now = base.now
    with boa.env.anchor():
        yield base
    boa.env.evm.patch.timestamp = now


def test_a_job_is_opened_joined_by_four_and_settled_in_six_transactions(w):
    before = {a: w.cash.balanceOf(a) for a in w.keys}
    id = w.open()
    fee = 400 + 4 + 100
    assert w.job(id)[:11] == (w.requester, SEATING, 1, 4, 0, AGGREGATE, 4, 4, 6, 0, 1) and w.job(id).fee == fee
    assert w.cash.balanceOf(w.requester) == before[w.requester] - fee
    keys = [w.join(id, m) for m in w.owners]
    session = w.market.session(id, 1)
    assert w.job(id).state == RUNNING and session != NOTHING
    w.settle(id, session, keys)
    assert w.job(id).state == SETTLED
    earned = {a: w.cash.balanceOf(a) - before[a] for a in w.keys}
    assert [earned[m] for m in w.owners] == [67 + 25, 125, 125, 125]
    assert earned[w.author] == 33 and earned[w.treasury] == 4 and earned[w.requester] == -fee
    assert all(w.market.bonds(m) == (5000, 0) for m in w.owners)
    assert w.cash.balanceOf(MARKET) == 20_000
    assert [w.market.useAt(i, 0) for i in range(1, 5)] == [id] * 4
    assert [w.market.used(i) for i in range(1, 5)] == [(1, 100)] * 4
