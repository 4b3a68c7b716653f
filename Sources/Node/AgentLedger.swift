import Chain
import Client
import Contracts
import Jobs
import Primitives

/// The agent's view of the chain: its own node's JSON-RPC, as any other client; only the arrival of heads comes straight from the
/// node, so that nothing is polled.
struct AgentLedger: Jobs.Ledger {
    let client: LedgerClient
    let sender: Sender
    let chain: Chain.Ledger

    var chainId: UInt64 { client.chainId }
    var account: Address { sender.address }

    private func mapped<T>(_ body: () async throws(CallFailure) -> T) async throws(Jobs.LedgerError) -> T {
        do { return try await body() } catch {
            if case .reverted(let refusal) = error { throw .refused(refusal) }
            throw .unavailable("\(error)")
        }
    }
    func call(_ contract: Contract, _ function: String, _ arguments: [ABI.Value]) async throws(Jobs.LedgerError) -> [ABI.Value] {
        try await mapped { () async throws(CallFailure) in try await client.call(contract, function, arguments) }
    }
    func send(
        _ contract: Contract, _ function: String, _ arguments: [ABI.Value], document: Bytes, gasLimit: UInt64?
    ) async throws(Jobs.LedgerError) -> Inclusion {
        try await mapped { () async throws(CallFailure) in
            try await sender.send(contract, function, arguments, document: document, gasLimit: gasLimit)
        }
    }
    func events(_ contract: Contract, _ names: [String], from: UInt64, to: UInt64?) async throws(Jobs.LedgerError) -> [PlacedEvent] {
        try await mapped { () async throws(CallFailure) in try await client.events(contract, names, from: from, to: to) }
    }
    func input(of transaction: Hash32) async throws(Jobs.LedgerError) -> Bytes {
        do throws(RPCFailure) {
            guard let found = try await client.transaction(transaction) else { throw RPCFailure.notJSONRPC(client.connection.url) }
            return found.input
        } catch { throw .unavailable("\(error)") }
    }

    /// Each block, and twice a second the newest again: deadlines pass while a chain rests.
    func heads() -> AsyncStream<Jobs.Head> {
        let chain = chain
        return AsyncStream { continuation in
            let task = Task {
                await withTaskGroup(of: Void.self) { group in
                    func tell(_ view: LedgerView) {
                        continuation.yield(Jobs.Head(number: view.head.number, timestamp: view.head.header.timestamp))
                    }
                    let imports = chain.imports()
                    tell(chain.view)
                    group.addTask {
                        for await block in imports {
                            continuation.yield(Jobs.Head(number: block.head.number, timestamp: block.head.header.timestamp))
                        }
                    }
                    group.addTask {
                        while !Task.isCancelled {
                            try? await Task.sleep(for: .milliseconds(500))
                            continuation.yield(Jobs.Head(number: chain.view.head.number, timestamp: chain.view.head.header.timestamp))
                        }
                    }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
