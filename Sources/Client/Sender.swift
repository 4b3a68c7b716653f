import Ciphers
import Contracts
import Primitives

/// Sends transactions of one account, one after the other, and waits until each is final.
package actor Sender {
    package nonisolated let ledger: LedgerClient
    package nonisolated let key: PrivateKey
    package nonisolated var address: Address { key.address }

    package init(_ ledger: LedgerClient, key: PrivateKey) {
        self.ledger = ledger
        self.key = key
    }

    /// - Parameters:
    ///   - document: bytes after the arguments: the contract ignores them, the chain keeps them (docs/decisions/0003).
    ///   - gasLimit: nil: what the call takes at the head, and as much again: others come first and make it dearer, and gas costs nothing
    ///     here. Given where the call is about time: a resting chain's head is in the past, and an estimate there would refuse it.
    /// - Throws: `.reverted` before anything is sent if the call would revert at the head, or after it was included.
    package func send(
        _ contract: Contract, _ function: String, _ arguments: [ABI.Value], document: Bytes = [], gasLimit: UInt64? = nil
    ) async throws(CallFailure) -> Inclusion {
        let data = contract.abi.encodeCall(function, arguments) + document
        do throws(RPCFailure) {
            let call: JSON = ["from": JSON(address), "to": JSON(contract.address), "data": JSON(data)]
            var limit = gasLimit ?? 0
            if gasLimit == nil { limit = 2 * (try ledger.quantity(try await ledger.connection.call("eth_estimateGas", [call]))) + 200_000 }
            let nonce = try ledger.quantity(try await ledger.connection.call("eth_getTransactionCount", [JSON(address), "pending"]))
            let payload = TransactionPayload(
                chainId: U256(ledger.chainId), nonce: nonce, gasLimit: min(limit, 25_000_000), to: contract.address, data: data)
            let signed = RecoveredTransaction(payload, signedBy: key)
            _ = try await ledger.connection.call("eth_sendRawTransaction", [JSON(signed.transaction.encoded)])
            return try await wait(for: signed.hash, contract)
        } catch { throw CallFailure(error) }
    }

    /// From sending to the receipt, with nothing else in between: for figures. Gas is generous, the nonce asked for before.
    package func timed(_ contract: Contract, _ function: String, _ arguments: [ABI.Value]) async throws(RPCFailure) -> Duration {
        let nonce = try ledger.quantity(try await ledger.connection.call("eth_getTransactionCount", [JSON(address), "pending"]))
        let payload = TransactionPayload(
            chainId: U256(ledger.chainId), nonce: nonce, gasLimit: 500_000, to: contract.address,
            data: contract.abi.encodeCall(function, arguments))
        let signed = RecoveredTransaction(payload, signedBy: key), clock = ContinuousClock(), start = clock.now
        _ = try await ledger.connection.call("eth_sendRawTransaction", [JSON(signed.transaction.encoded)])
        _ = try await wait(for: signed.hash, contract)
        return clock.now - start
    }

    private func wait(for hash: Hash32, _ contract: Contract) async throws(RPCFailure) -> Inclusion {
        let clock = ContinuousClock(), deadline = clock.now + .seconds(30)
        while clock.now < deadline {
            let receipt = try await ledger.connection.call("eth_getTransactionReceipt", [JSON(hash)])
            guard receipt != .null else {
                try? await clock.sleep(for: .milliseconds(2))
                continue
            }
            guard let block = receipt["blockNumber"]?.asQuantity, let gasUsed = receipt["gasUsed"]?.asQuantity else {
                throw .notJSONRPC(ledger.connection.url)
            }
            guard receipt["status"]?.asQuantity == 1 else {
                throw .refused(method: "transaction", code: 3, message: "transaction \(hash) reverted in block \(block)", data: nil)
            }
            let events = (receipt["logs"]?.asArray ?? []).compactMap { entry in
                Contract.all.lazy.compactMap { [ledger] contract in try? ledger.placed(entry, contract) }.first
            }
            return Inclusion(transaction: hash, block: block, gasUsed: gasUsed, events: events)
        }
        throw .timeout(method: "transaction \(hash)")
    }
}
