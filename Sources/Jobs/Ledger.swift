import Contracts
import Primitives

/// The chain as an agent needs it: contracts behind Ethereum JSON-RPC. The room `Node` supplies it, inside the node or beside a
/// database in another data centre.
package protocol Ledger: Sendable {
    var chainId: UInt64 { get }
    /// The account that this agent signs with.
    var account: Address { get }

    func call(_ contract: Contract, _ function: String, _ arguments: [ABI.Value]) async throws(LedgerError) -> [ABI.Value]
    /// Returns when the transaction is final.
    /// - Parameters:
    ///   - document: bytes after the arguments, for whoever reads the chain.
    ///   - gasLimit: nil: estimated at the head; given where the call is about time that no block has reached yet.
    func send(
        _ contract: Contract, _ function: String, _ arguments: [ABI.Value], document: Bytes, gasLimit: UInt64?
    ) async throws(LedgerError) -> Inclusion
    func events(_ contract: Contract, _ names: [String], from: UInt64, to: UInt64?) async throws(LedgerError) -> [PlacedEvent]
    /// Input of a transaction in the chain.
    func input(of transaction: Hash32) async throws(LedgerError) -> Bytes
    /// Number and time in seconds of the newest block, then of each that follows.
    func heads() -> AsyncStream<Head>
}

package struct Head: Sendable, Equatable {
    package let number: UInt64
    package let timestamp: UInt64
    package init(number: UInt64, timestamp: UInt64) { (self.number, self.timestamp) = (number, timestamp) }
}

package enum LedgerError: Error, Sendable, Equatable {
    /// A contract said no: the call is at fault, or came too late.
    case refused(ContractRefusal)
    /// No node answers, or not with what it should: try again.
    case unavailable(String)
}

extension LedgerError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .refused(let refusal): refusal.description
        case .unavailable(let reason): reason
        }
    }
}
