"""A node seen through web3.py 8, with the middleware that every QBFT chain needs.

    python Tests/web3/ledger.py URL                   reads only: what any chain of ours must answer
    python Tests/web3/ledger.py URL --key 0x...       also deploys a Vyper contract, calls it, sends, and waits for receipt, log and head

Run by `ServerTests` (reads, against a chain of the test's own) where ENTENTE_PYTHON or ../venv has web3; by hand or by the
demonstration's test with a funded or zero-price key against a real node. Exit code 0: every check held.
"""
import argparse
import asyncio

from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.middleware import ExtraDataToPOAMiddleware

SOURCE = """
event Set:
    who: indexed(address)
    value: uint256
value: public(uint256)
@deploy
def __init__(start: uint256):
    self.value = start
@external
def put(amount: uint256):
    assert amount != 13, "unlucky"
    self.value = amount
    log Set(who=msg.sender, value=amount)
"""


def connect(url):
    w3 = Web3(Web3.HTTPProvider(url))
    w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    assert w3.is_connected(), url
    return w3


def reads(w3):
    assert w3.eth.chain_id == int(w3.net.version) and w3.client_version.startswith("entente/")
    head = w3.eth.get_block("latest", full_transactions=True)
    assert head.number <= w3.eth.block_number and w3.eth.get_block(head.hash).number == head.number
    assert len(head.proofOfAuthorityData) > 32 and w3.eth.get_block(0).parentHash == b"\0" * 32
    for tx in head.transactions:
        receipt = w3.eth.get_transaction_receipt(tx.hash)
        assert w3.eth.get_transaction(tx.hash) == tx and receipt.blockHash == head.hash and receipt["from"] == tx["from"]
        assert w3.eth.get_raw_transaction(tx.hash) and w3.eth.get_transaction_by_block(head.number, tx.transactionIndex) == tx
        someone = tx["from"]
        assert w3.eth.get_balance(someone) >= 0 and w3.eth.get_transaction_count(someone) >= w3.eth.get_transaction_count(someone, 0)
        assert w3.eth.get_proof(someone, [0], "latest").address == someone
    logs = w3.eth.get_logs({"fromBlock": 0, "toBlock": "latest"})
    assert all(log.blockNumber <= head.number for log in logs)
    assert w3.eth.filter("latest").get_new_entries() == [] and len(w3.eth.filter({"fromBlock": 0}).get_all_entries()) >= len(logs)
    history = w3.eth.fee_history(2, "latest", [50])
    assert len(history.baseFeePerGas) == len(history.gasUsedRatio) + 1
    assert w3.eth.gas_price == 0 and w3.eth.max_priority_fee == 0 and w3.eth.accounts == []
    assert w3.net.peer_count >= 0 and w3.eth.syncing is False
    return head.number


async def sockets(url):
    async with AsyncWeb3(WebSocketProvider(url.replace("http", "ws", 1))) as w3:
        w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        identifier = await w3.eth.subscribe("newHeads")
        assert (await w3.eth.get_block("latest")).number <= await w3.eth.block_number
        assert await w3.eth.unsubscribe(identifier)


def writes(w3, key):
    from vyper import compile_code
    artifact = compile_code(SOURCE, output_formats=["bytecode", "abi"])
    account = w3.eth.account.from_key(key)
    fees = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "chainId": w3.eth.chain_id}

    def send(call):
        tx = call.build_transaction({"from": account.address, "nonce": w3.eth.get_transaction_count(account.address, "pending"), **fees})
        return w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(account.sign_transaction(tx).raw_transaction), timeout=20)

    created = send(w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"]).constructor(7))
    assert created.status == 1 and len(w3.eth.get_code(created.contractAddress)) > 0
    contract = w3.eth.contract(created.contractAddress, abi=artifact["abi"])
    assert contract.functions.value().call() == 7
    assert contract.functions.put(9).estimate_gas({"from": account.address}) > 21_000
    receipt = send(contract.functions.put(9))
    assert contract.functions.value().call() == 9 and contract.functions.value().call(block_identifier=receipt.blockNumber - 1) == 7
    (event,) = contract.events.Set().process_receipt(receipt)
    assert event.args == {"who": account.address, "value": 9}
    (log,) = w3.eth.get_logs({"address": contract.address, "fromBlock": receipt.blockNumber})
    assert log.transactionHash == receipt.transactionHash and int(w3.eth.get_storage_at(contract.address, 0).hex(), 16) == 9
    try:
        contract.functions.put(13).call()
        raise SystemExit("a revert was not reported")
    except Exception as error:
        assert "unlucky" in str(error), error


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url")
    arguments.add_argument("--key")
    given = arguments.parse_args()
    node = connect(given.url)
    reads(node)
    if given.key:
        writes(node, given.key)
        reads(node)
    asyncio.run(sockets(given.url))
    print("ok")
