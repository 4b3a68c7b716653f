import Ciphers
import EVM
import Primitives
import Storage
import Synchronization

/// The pool with what it needs of the world: state to judge by, a journal, news for consensus and for peers.
///
/// The journal is written with each arrival and synced at most 50 ms later: a returned hash is not a promise, inclusion is.
package final class PoolDriver: Sendable {
    private struct State {
        var pool: TransactionPool
        var journalIsDirty = false
        /// Taken in from users here, not yet given to peers.
        var outgoing: [PooledTransaction] = []
    }
    private let state: Mutex<State>
    private let ledger: Ledger
    private let store: any KeyValueStore
    private let clock: any DriverClock
    private let wake = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let relaying = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let waiting = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let arriving = AsyncStream.makeStream(of: Hash32.self, bufferingPolicy: .bufferingNewest(4_096))

    package static let journalDelayMilliseconds: UInt64 = 50

    /// Ticks when there is something to relay. One reader.
    var relayable: AsyncStream<Void> { relaying.stream }
    /// Ticks when something executable came. One reader: the consensus driver.
    var executable: AsyncStream<Void> { waiting.stream }

    /// Every transaction that is taken in, from users and from peers; a reader that is slow misses the oldest. One reader.
    package var arrivals: AsyncStream<Hash32> { arriving.stream }

    /// Reads the journal back: transactions that no longer fit are dropped from it.
    package init(
        ledger: Ledger, store: any KeyValueStore, limits: TransactionPool.Limits = .init(),
        clock: any DriverClock = SystemClock()
    ) throws(LedgerError) {
        (self.ledger, self.store, self.clock) = (ledger, store, clock)
        var pool = TransactionPool(limits: limits), stale = WriteBatch(),
            records: [(arrival: UInt64, generation: UInt8, key: Bytes, tx: RecoveredTransaction?)] = []
        try storing { () throws(StorageError) in
            try store.scan(.pool) { key, value in
                let tx = value.count > 9 ? try? RecoveredTransaction(UnverifiedTransaction(encoded: Bytes(value[9...]))) : nil
                records.append((bigEndian(value.prefix(8)), value.count > 8 ? value[8] : 0, key, tx))
                return true
            }
        }
        let view = ledger.view
        for record in records.sorted(by: { $0.arrival < $1.arrival }) {
            do throws(PoolError) {
                guard let tx = record.tx else { throw .decoding(.empty) }
                let (nonce, member) = try PoolDriver.judge(tx, view)
                _ = try pool.add(tx, generation: record.generation, stateNonce: nonce, member: member, arrival: record.arrival)
            } catch { stale.delete(.pool, record.key) }
        }
        if !stale.isEmpty { try storing { () throws(StorageError) in try store.write(stale, durable: false) } }
        state = Mutex(State(pool: pool))
    }

    /// Syncs the journal; until cancelled, and then once more. An error ends the node: its disk fails.
    package func run() async throws(LedgerError) {
        for await _ in wake.stream {
            await clock.sleep(milliseconds: PoolDriver.journalDelayMilliseconds)
            try syncJournal()
        }
        try syncJournal()
    }

    private func syncJournal() throws(LedgerError) {
        let isDirty = state.withLock { state in
            defer { state.journalIsDirty = false }
            return state.journalIsDirty
        }
        if !isDirty { return }
        var mark = WriteBatch()
        mark.put(.facts, Fact.journal, bigEndian(clock.nowMilliseconds))
        try storing { () throws(StorageError) in try store.write(mark, durable: true) }
    }

    // MARK: taking in

    /// `eth_sendRawTransaction`.
    package func submit(_ encoded: Bytes) throws(PoolError) -> Hash32 { try take(encoded, generation: nil) }

    /// From a peer. The same transaction again is no fault of anybody: `alreadyKnown`.
    package func receive(_ transaction: PooledTransaction) throws(PoolError) {
        _ = try take(transaction.encoded, generation: transaction.generation)
    }

    private func take(_ encoded: Bytes, generation: UInt8?) throws(PoolError) -> Hash32 {
        let limit = state.withLock { $0.pool.limits.transactionBytes }
        guard encoded.count <= limit else { throw .tooLarge(bytes: encoded.count, maximum: limit) }
        let hash = keccak256(encoded)
        guard state.withLock({ $0.pool.entry(hash) }) == nil else { throw .alreadyKnown }
        let tx: RecoveredTransaction, decoded: UnverifiedTransaction
        do throws(TransactionDecodingError) {
            decoded = try UnverifiedTransaction(encoded: encoded)
        } catch {
            throw .decoding(error)
        }
        do throws(SignatureError) { tx = try RecoveredTransaction(decoded) } catch { throw .signature(error) }
        let (nonce, member) = try PoolDriver.judge(tx, ledger.view)
        let result: Result<TransactionPool.Added, PoolError> = state.withLock { state in
            do throws(PoolError) {
                let added = try state.pool.add(tx, generation: generation, stateNonce: nonce, member: member)
                state.journalIsDirty = true
                if generation == nil {
                    state.outgoing.append(PooledTransaction(encoded: encoded, generation: added.entry.generation))
                }
                var batch = WriteBatch()
                batch.put(.pool, hash.bytes, bigEndian(added.entry.arrival) + [added.entry.generation] + encoded)
                for gone in added.removed { batch.delete(.pool, gone.bytes) }
                do throws(StorageError) {
                    try store.write(batch, durable: false)
                } catch {
                    throw PoolError.unavailable(.storage(errorNumber: inputOutput))
                }
                return .success(added)
            } catch { return .failure(error) }
        }
        let added = try result.get()
        wake.continuation.yield()
        if generation == nil { relaying.continuation.yield() }
        if added.isExecutable { waiting.continuation.yield() }
        arriving.continuation.yield(hash)
        return hash
    }

    /// What can be said of a transaction without running it, so that no block is tried with it in vain.
    private static func judge(
        _ tx: RecoveredTransaction, _ view: LedgerView
    ) throws(PoolError) -> (
        nonce: UInt64,
        member: Address?
    ) {
        let payload = tx.payload, limit = view.head.nextGasLimit
        guard payload.kind != .blob else { throw .invalid(.typeNotSupported(3)) }
        guard let chainId = payload.chainId else { throw .invalid(.replayable) }
        guard chainId == U256(view.network.chainId) else {
            throw .invalid(.chainIdMismatch(expected: U256(view.network.chainId), found: chainId))
        }
        guard payload.maxPriorityFeePerGas <= payload.maxFeePerGas else {
            throw .invalid(.tipAboveFee(fee: payload.maxFeePerGas, tip: payload.maxPriorityFeePerGas))
        }
        guard payload.gasLimit <= limit else { throw .invalid(.gasLimitAboveBlock(limit: limit, found: payload.gasLimit)) }
        if payload.kind == .setCode {
            guard payload.to != nil else { throw .invalid(.recipientAbsent) }
            guard !payload.authorizations.isEmpty else { throw .invalid(.authorizationsAbsent) }
        }
        let intrinsic = IntrinsicGas(payload, rules: .alliance), needed = max(intrinsic.gas, intrinsic.floor)
        guard payload.gasLimit >= needed else { throw .invalid(.gasLimitTooLow(needed: needed, found: payload.gasLimit)) }
        guard payload.to != nil || payload.data.count <= maximumInitcodeBytes else {
            throw .invalid(.initcodeTooLarge(limit: maximumInitcodeBytes, found: payload.data.count))
        }
        let account: Account, member: Address?
        do throws(StateUnavailable) {
            account = try view.state.account(tx.sender) ?? Account()
            member = try Consortium.member(of: tx.sender, view.state)
        } catch { throw .unavailable(error) }
        let (price, high) = payload.maxFeePerGas.multipliedFull(by: U256(payload.gasLimit)),
            (cost, carry) = price.addingReportingOverflow(payload.value)
        guard high.isZero, !carry else { throw .invalid(.insufficientBalance(needed: nil, found: account.balance)) }
        guard cost <= account.balance else { throw .invalid(.insufficientBalance(needed: cost, found: account.balance)) }
        return (account.nonce, member)
    }

    // MARK: for blocks

    package func read<R>(_ body: (borrowing TransactionPool) -> R) -> R { state.withLock { body($0.pool) } }
    package func recovered(_ hash: Hash32) -> RecoveredTransaction? { state.withLock { $0.pool.entry(hash)?.transaction } }
    var hasExecutable: Bool { state.withLock { $0.pool.hasExecutable } }
    /// What users gave this node since the last call: to all peers, at once, as many as came meanwhile in one frame.
    func takeOutgoing() -> [PooledTransaction] {
        state.withLock { state in
            defer { state.outgoing = [] }
            return state.outgoing
        }
    }
    /// For a peer whose link has just come up.
    func everything(maximum: Int) -> [PooledTransaction] {
        state.withLock { state in
            state.pool.content.lazy.flatMap { $0.executable + $0.queued }.prefix(maximum).map {
                PooledTransaction(encoded: $0.transaction.transaction.encoded, generation: $0.generation)
            }
        }
    }
    func selection() -> PoolSelection { state.withLock { $0.pool.selection() } }

    /// After an import: its batch has cleared the journal of what it included.
    func advance(past executed: ExecutedBlock) {
        state.withLock { state in
            let nonces = executed.update.diff.changes.compactMapValues(\.account?.nonce)
            let gone = Set(state.pool.advance(to: nonces)).subtracting(executed.hashes)
            clearJournal(of: gone)
        }
    }
    func discard(_ hashes: [Hash32]) {
        if !hashes.isEmpty { state.withLock { clearJournal(of: $0.pool.discard(hashes)) } }
    }
    private func clearJournal(of hashes: some Collection<Hash32>) {
        if hashes.isEmpty { return }
        var batch = WriteBatch()
        for hash in hashes { batch.delete(.pool, hash.bytes) }
        // A failing disk shows at the next durable write; a transaction too many in the journal is dropped when it is read.
        do throws(StorageError) { try store.write(batch, durable: false) } catch {}
    }
}

private let maximumInitcodeBytes = 49_152

/// As gossip carries it (frame 0x20): RLP `[[generation, transaction]…]`.
package struct PooledTransaction: Sendable, Equatable {
    package let encoded: Bytes
    package let generation: UInt8
    package init(encoded: Bytes, generation: UInt8) { (self.encoded, self.generation) = (encoded, generation) }

    package static let maximumPerFrame = 4096

    package static func encode(_ transactions: some Sequence<PooledTransaction>) -> Bytes {
        RLP.encodeList { list in
            for tx in transactions {
                list.appendList {
                    $0.append(UInt64(tx.generation))
                    $0.append(tx.encoded)
                }
            }
        }
    }
    package static func decode(_ bytes: Bytes) throws(RLPError) -> [PooledTransaction] {
        let items = try RLP.decode(bytes).asList
        guard items.count <= maximumPerFrame else { throw .countMismatch(expected: maximumPerFrame, found: items.count) }
        var transactions: [PooledTransaction] = []
        for item in items {
            let f = try item.asList(count: 2), generation = try f[0].asUInt64
            guard generation <= UInt64(TransactionPool.maximumGeneration) else { throw .integer(maximumBytes: 1) }
            transactions.append(PooledTransaction(encoded: try f[1].asBytes, generation: UInt8(generation)))
        }
        return transactions
    }
}
