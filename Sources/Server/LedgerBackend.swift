import Ciphers
import Primitives
import RPC

/// What the server asks of the chain. `Chain` supplies it; tests supply a chain of their own.
package protocol LedgerBackend: Sendable {
    var chainId: UInt64 { get }
    /// The chain at its head, for one request: all its questions see one state.
    func snapshot() async -> any LedgerSnapshot
    /// Takes a signed transaction into the pool, gossips it, and returns its hash. Not a promise of inclusion.
    func submit(_ encoded: Bytes) async throws(RPCError) -> Hash32
    func pooled(_ hash: Hash32) async -> TransactionRecord?
    func poolContent() async -> [PoolSender]
    /// After the pool's executable transactions of this sender.
    func pendingNonce(of address: Address, stateNonce: UInt64) async -> UInt64
    /// nil: in step with its peers.
    func syncProgress() async -> SyncProgress?
    func peerCount() async -> Int
    /// From now on; each stream in order by itself. Asked once.
    func events() -> [any AsyncSequence<LedgerEvent, Never> & Sendable]
}

package enum LedgerEvent: Sendable {
    case head(Header, hash: Hash32, logs: [LogRecord])
    case pending(TransactionRecord)
}

package struct PoolSender: Sendable {
    package var sender: Address
    package var executable: [TransactionRecord]
    /// Beyond a gap of nonces.
    package var queued: [TransactionRecord]

    package init(sender: Address, executable: [TransactionRecord], queued: [TransactionRecord]) {
        self.sender = sender
        self.executable = executable
        self.queued = queued
    }
}

package struct SyncProgress: Sendable, Equatable {
    package var startingBlock: UInt64
    package var currentBlock: UInt64
    package var highestBlock: UInt64

    package init(startingBlock: UInt64, currentBlock: UInt64, highestBlock: UInt64) {
        self.startingBlock = startingBlock
        self.currentBlock = currentBlock
        self.highestBlock = highestBlock
    }
}

package enum CallOutcome: Sendable, Equatable {
    case returned(Bytes)
    case reverted(Bytes)
    /// Out of gas, invalid opcode, …
    case halted(String)
}

/// One block and all before it. Numbers are at most `head.number`; unknown blocks are nil.
package protocol LedgerSnapshot: Sendable {
    var head: (header: Header, hash: Hash32) { get }
    func number(of hash: Hash32) throws(RPCError) -> UInt64?
    func header(_ number: UInt64) throws(RPCError) -> (header: Header, hash: Hash32)?
    func block(_ number: UInt64) throws(RPCError) -> BlockRecord?
    func transaction(_ hash: Hash32) throws(RPCError) -> TransactionRecord?
    func receipt(_ transaction: Hash32) throws(RPCError) -> ReceiptRecord?
    func receipts(_ number: UInt64) throws(RPCError) -> [ReceiptRecord]?
    /// Matching logs in order, both ends included.
    func logs(_ query: LogQuery, from: UInt64, to: UInt64) throws(RPCError) -> [LogRecord]
    func balance(_ address: Address, at number: UInt64) throws(RPCError) -> U256
    func nonce(_ address: Address, at number: UInt64) throws(RPCError) -> UInt64
    func code(_ address: Address, at number: UInt64) throws(RPCError) -> Bytes
    func storage(_ address: Address, _ slot: U256, at number: UInt64) throws(RPCError) -> U256
    /// Slots in the order asked; their `key` is the server's affair.
    func proof(_ address: Address, slots: [U256], at number: UInt64) throws(RPCError) -> ProofRecord
    func call(_ request: CallRequest, at number: UInt64) throws(RPCError) -> CallOutcome
    /// - Throws: also where the call fails with all the gas there is.
    func estimateGas(_ request: CallRequest, at number: UInt64) throws(RPCError) -> UInt64
}
