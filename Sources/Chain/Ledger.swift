import Ciphers
import Consensus
import Dispatch
import EVM
import Primitives
import Storage
import Synchronization
import Trie

package enum LedgerError: Error, Equatable, Sendable {
    case storage(StorageError)
    case genesis(GenesisFileError)
    /// The store is empty and no genesis file was given.
    case genesisAbsent
    /// The store belongs to another network.
    case genesisMismatch(stored: Hash32, given: Hash32)
    case formatUnknown(found: UInt64, known: UInt64)
    /// A record that must be there is missing or malformed.
    case damaged(record: String)
    /// The block does not follow the head.
    case notNext(head: UInt64, found: UInt64)
    case block(BlockFailure)
}

extension LedgerError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .storage(let error): error.description
        case .genesis(let error): "the genesis file is refused: \(error); use the one that the founders share"
        case .genesisAbsent: "the ledger is empty and no genesis file was given; pass the alliance's genesis.json"
        case .genesisMismatch(let stored, let given):
            "this data directory belongs to the network \(stored), the genesis file is of \(given); choose another data directory"
        case .formatUnknown(let found, let known):
            "the ledger has format \(found), this program knows \(known); use a newer program"
        case .damaged(let record): "the ledger is damaged (\(record)); move it away and sync anew from the other members"
        case .notNext(let head, let found): "block \(found) does not follow head \(head)"
        case .block(let failure): "the block is refused: \(failure)"
        }
    }
}

/// The chain of one node: the only writer of its store. An import is one durable batch: block, receipts, indices, state, and what
/// consensus must remember; so a node killed at any moment comes back with one whole block or the one before it.
///
/// Reads never wait for writes: `view` gives the state after the last import, as a snapshot.
package actor Ledger {
    /// Writing waits for the disk, so it has a thread of its own; consensus runs on the same and hops nowhere.
    package nonisolated let executor: SerialQueueExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let store: any KeyValueStore
    private nonisolated let published: Mutex<LedgerView>
    private nonisolated let followers = Mutex<[Int: AsyncStream<ImportedBlock>.Continuation]>([:])

    /// The chain as it is now.
    package nonisolated var view: LedgerView { published.withLock { $0 } }

    /// Opens a store, writing genesis into an empty one.
    ///
    /// - Parameter genesis: needed for an empty store; otherwise compared with what the store belongs to.
    package init(store: any KeyValueStore, genesis: GenesisFile?) throws(LedgerError) {
        executor = SerialQueueExecutor(label: "entente.ledger")
        self.store = store
        if try storing({ () throws(StorageError) in try store.get(.facts, Fact.head) }) == nil {
            guard let genesis else { throw .genesisAbsent }
            try Ledger.found(store, genesis)
        }
        let view = try LedgerView(opening: store.snapshot(), cache: StateCache())
        if let genesis {
            let given = try Ledger.network(genesis)
            guard given.hash == view.network.genesisHash else {
                throw .genesisMismatch(stored: view.network.genesisHash, given: given.hash)
            }
        }
        published = Mutex(view)
    }

    private static func network(_ genesis: GenesisFile) throws(LedgerError) -> GenesisFile.Network {
        do throws(GenesisFileError) { return try genesis.check() } catch { throw .genesis(error) }
    }

    private static func found(_ store: any KeyValueStore, _ genesis: GenesisFile) throws(LedgerError) {
        let network = try Ledger.network(genesis)
        var batch = WriteBatch()
        let update: StateUpdate
        do throws(StateUnavailable) {
            update = try StateUpdate(genesis.alloc, on: .empty)
        } catch {
            throw .block(.unavailable(error))
        }
        try storing { () throws(StorageError) in try update.write(into: &batch, over: NothingStored()) }
        let number = bigEndian(0)
        batch.put(.headers, number, network.hash.bytes + genesis.header.encoded)
        batch.put(.bodies, number, [0xc0])
        batch.put(.receipts, number, [0xc0])
        batch.put(.senders, number, [])
        batch.put(.numbers, network.hash.bytes, number)
        batch.put(.facts, Fact.genesis, Bytes(genesis.text.utf8))
        batch.put(.facts, Fact.format, bigEndian(formatVersion))
        batch.put(.facts, Fact.head, number)
        try storing { () throws(StorageError) in try store.write(batch, durable: true) }
    }

    /// Writes a decided block: one synced batch.
    ///
    /// - Parameters:
    ///   - watermark: of the next height, in the bytes of `Consensus`; nil: the store's stays (a node that has lost its memory).
    /// - Throws: after `storage`, nothing is known about the batch: the process has to end.
    @discardableResult
    package func importBlock(_ executed: ExecutedBlock, sealed: SealedBlock, watermark: Bytes?) throws(LedgerError) -> LedgerView {
        let before = view, number = executed.unsealed.header.number
        guard number == before.head.number + 1, executed.unsealed.header.parentHash == before.head.hash,
            sealed.hash == executed.hash
        else {
            throw .notNext(head: before.head.number, found: number)
        }
        var batch = WriteBatch()
        let key = bigEndian(number)
        do throws(StorageError) {
            batch.put(.headers, key, sealed.hash.bytes + sealed.header.encoded)
            batch.put(.bodies, key, RLP.encodeList { list in sealed.transactions.forEach { $0.encodeInBody(into: &list) } })
            batch.put(.receipts, key, RLP.encodeList { list in executed.receipts.forEach { list.append($0.encoded) } })
            batch.put(.senders, key, executed.senders.flatMap(\.bytes))
            batch.put(.numbers, sealed.hash.bytes, key)
            for (index, hash) in executed.hashes.enumerated() {
                batch.put(.transactions, hash.bytes, key + bigEndian(UInt64(index)).suffix(4))
                batch.delete(.pool, hash.bytes)
            }
            try executed.update.write(into: &batch, over: before.reader)
            if let watermark { batch.put(.facts, Fact.watermark, watermark) }
            batch.delete(.facts, Fact.lock)
            batch.put(.facts, Fact.head, key)
            try store.write(batch, durable: true)
        } catch { throw .storage(error) }
        executed.update.warm(before.cache)
        let head: Head
        do throws(HeaderError) {
            head = try Head(
                header: sealed.header, hash: sealed.hash, validators: executed.head.validators,
                gasTarget: executed.head.gasTarget)
        } catch { preconditionFailure("a sealed header was checked: \(error)") }
        let after = before.following(head, store.snapshot())
        published.withLock { $0 = after }
        let imported = ImportedBlock(
            view: after, receipts: executed.receipts, hashes: executed.hashes, senders: executed.senders,
            transactions: sealed.transactions)
        // Told outside the lock: a follower that is being cancelled holds its own and asks for ours (`imports`).
        for follower in followers.withLock({ Array($0.values) }) { follower.yield(imported) }
        return after
    }

    // What consensus must remember; bytes are its own.

    package func persist(watermark: Bytes) throws(LedgerError) { try persist(Fact.watermark, watermark) }
    package func persist(lock: Bytes) throws(LedgerError) { try persist(Fact.lock, lock) }
    private func persist(_ key: Bytes, _ value: Bytes) throws(LedgerError) {
        var batch = WriteBatch()
        batch.put(.facts, key, value)
        try storing { () throws(StorageError) in try store.write(batch, durable: true) }
    }
    package nonisolated func consensusMemory() throws(LedgerError) -> (watermark: Bytes?, lock: Bytes?) {
        try storing { () throws(StorageError) in (try store.get(.facts, Fact.watermark), try store.get(.facts, Fact.lock)) }
    }

    /// Each import from now on, in order. Who does not keep up loses the oldest of 1,024.
    package nonisolated func imports() -> AsyncStream<ImportedBlock> {
        let (stream, continuation) = AsyncStream.makeStream(of: ImportedBlock.self, bufferingPolicy: .bufferingNewest(1024))
        let id = followers.withLock { followers in
            let id = (followers.keys.max() ?? 0) + 1
            followers[id] = continuation
            return id
        }
        continuation.onTermination = { [weak self] _ in self?.followers.withLock { $0[id] = nil } }
        return stream
    }
}

/// A block that has just become part of the chain, and the chain with it at its end.
package struct ImportedBlock: Sendable {
    package let view: LedgerView
    package let receipts: [Receipt]
    package let hashes: [Hash32]
    package let senders: [Address]
    package let transactions: [UnverifiedTransaction]
    package var head: Head { view.head }
}

func storing<T>(_ body: () throws(StorageError) -> T) throws(LedgerError) -> T {
    do throws(StorageError) { return try body() } catch { throw .storage(error) }
}

/// One thread's worth of a serial queue: jobs that wait for a disk do not hold the shared pool of threads.
package final class SerialQueueExecutor: SerialExecutor {
    package let queue: DispatchQueue
    package init(label: String) { queue = DispatchQueue(label: label, qos: .userInitiated) }
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
