import Ciphers
import EVM
import Primitives

/// Why a transaction is not taken into the pool.
package enum PoolError: Error, Equatable, Sendable {
    case decoding(TransactionDecodingError)
    case signature(SignatureError)
    /// It could be in no block: the sender is at fault.
    case invalid(TransactionError)
    case alreadyKnown
    case tooLarge(bytes: Int, maximum: Int)
    /// So far beyond the sender's next nonce; `missing` is the first nonce that is not here.
    case nonceTooFar(maximum: UInt64, missing: UInt64)
    case gapTooLong(maximum: Int, missing: UInt64)
    /// Another transaction of this nonce stays: no higher tip, generation or lower hash.
    case replacementRefused(by: Hash32)
    /// This member holds most of a full pool.
    case full(member: Address?)
    /// The state could not be asked.
    case unavailable(StateUnavailable)
}

/// Transactions that wait for a block (chain-rules §12): policy of one node, a pure value.
///
/// Per sender in nonce order; executable are those without a gap from the state's nonce on. Bounds are per sender, per member (who
/// pays for an account with its quota; unknown accounts share one guest quota) and in all. Of two transactions of one nonce the
/// higher tip (+10 %) wins, then the higher generation, then the lower hash: the same order everywhere, so gossip settles.
package struct TransactionPool: Sendable {
    package struct Limits: Sendable {
        package var transactionBytes = 128 << 10
        package var nonceDistance: UInt64 = 4096
        package var beyondGap = 64
        package var transactions = 65_536
        package var bytes = 256 << 20
        package init() {}
    }
    package struct Entry: Sendable, Equatable {
        package let transaction: RecoveredTransaction
        package let generation: UInt8
        package let bytes: Int
        /// Order of arrival; kept over a restart.
        package let arrival: UInt64
    }
    package struct Sender: Sendable {
        var nonce: UInt64
        var member: Address?
        /// By nonce, ascending.
        var entries: [Entry] = []

        /// How many of `entries` follow the state's nonce without a gap.
        var executableCount: Int {
            var count = 0
            while count < entries.count, entries[count].transaction.payload.nonce == nonce + UInt64(count) { count += 1 }
            return count
        }
    }
    struct Holding { var count = 0, bytes = 0 }

    package static let maximumGeneration: UInt8 = 15
    package let limits: Limits
    private(set) var senders: [Address: Sender] = [:]
    private var byHash: [Hash32: (sender: Address, nonce: UInt64)] = [:]
    private var holdings: [Address?: Holding] = [:]
    private var total = Holding()
    private var arrivals: UInt64 = 0
    /// Who was served last: the next block begins behind it.
    private var turn = 0

    package init(limits: Limits = Limits()) { self.limits = limits }

    package var count: Int { total.count }
    package var bytes: Int { total.bytes }
    package var hasExecutable: Bool { senders.values.contains { $0.executableCount > 0 } }

    package func entry(_ hash: Hash32) -> Entry? {
        guard let place = byHash[hash], let sender = senders[place.sender] else { return nil }
        return sender.entries.first { $0.transaction.hash == hash }
    }
    /// The nonce that a wallet should use next: after all executable ones.
    package func nextNonce(of address: Address, stateNonce: UInt64) -> UInt64 {
        guard let sender = senders[address] else { return stateNonce }
        return max(stateNonce, sender.nonce + UInt64(sender.executableCount))
    }
    /// For `txpool_content`: executable and queued, by sender, in nonce order.
    package var content: [(sender: Address, executable: [Entry], queued: [Entry])] {
        senders.map {
            (
                $0.key, Array($0.value.entries.prefix($0.value.executableCount)),
                Array($0.value.entries.dropFirst($0.value.executableCount))
            )
        }
    }

    package struct Added: Sendable, Equatable {
        package let entry: Entry
        /// Those that had to go: replaced, or evicted for room.
        package let removed: [Hash32]
        /// It, or what it freed, can be in the next block.
        package let isExecutable: Bool
    }

    /// - Parameters:
    ///   - generation: as gossip carries it; nil: from a user here, who gets the known generation + 1.
    ///   - stateNonce: of the sender at the head.
    ///   - member: who pays with its quota; nil: guest.
    ///   - arrival: of the journal, at a restart.
    package mutating func add(
        _ tx: RecoveredTransaction, generation: UInt8?, stateNonce: UInt64, member: Address?,
        arrival: UInt64? = nil
    ) throws(PoolError) -> Added {
        let size = tx.transaction.encoded.count, nonce = tx.payload.nonce
        guard size <= limits.transactionBytes else { throw .tooLarge(bytes: size, maximum: limits.transactionBytes) }
        guard byHash[tx.hash] == nil else { throw .alreadyKnown }
        guard nonce >= stateNonce else { throw .invalid(.nonceTooLow(expected: stateNonce, found: nonce)) }
        var sender = senders[tx.sender] ?? Sender(nonce: stateNonce, member: member)
        (sender.nonce, sender.member) = (stateNonce, member)
        let executable = sender.executableCount, missing = stateNonce + UInt64(executable)
        guard nonce < stateNonce + limits.nonceDistance else { throw .nonceTooFar(maximum: limits.nonceDistance, missing: missing) }
        let place = sender.entries.firstIndex { $0.transaction.payload.nonce >= nonce } ?? sender.entries.count
        var removed: [Hash32] = [], rival: Entry?
        if place < sender.entries.count, sender.entries[place].transaction.payload.nonce == nonce { rival = sender.entries[place] }
        if rival == nil, nonce > missing, sender.entries.count - executable >= limits.beyondGap {
            throw .gapTooLong(maximum: limits.beyondGap, missing: missing)
        }
        let entry = Entry(
            transaction: tx,
            generation: min(generation ?? rival.map { $0.generation + 1 } ?? 0, TransactionPool.maximumGeneration), bytes: size,
            arrival: arrival ?? arrivals)
        arrivals = max(arrivals, entry.arrival + 1)
        if let rival {
            guard TransactionPool.wins(entry, over: rival) else { throw .replacementRefused(by: rival.transaction.hash) }
            removed.append(rival.transaction.hash)
        } else {
            removed += try makeRoom(for: size, of: tx.sender, member)
        }
        if let rival { forget(rival, member) }
        let at = sender.entries.firstIndex { $0.transaction.payload.nonce >= nonce } ?? sender.entries.count
        if rival != nil { sender.entries[at] = entry } else { sender.entries.insert(entry, at: at) }
        senders[tx.sender] = sender
        byHash[tx.hash] = (tx.sender, nonce)
        count(entry, member, 1)
        return Added(entry: entry, removed: removed, isExecutable: at < sender.executableCount)
    }

    /// Whether `entry` takes the place of `rival`.
    static func wins(_ entry: Entry, over rival: Entry) -> Bool {
        let tip = entry.transaction.payload.maxPriorityFeePerGas, known = rival.transaction.payload.maxPriorityFeePerGas
        let bar = known &+ known / 10, reverse = tip &+ tip / 10
        if tip != known, tip >= bar { return true }
        if tip != known, known >= reverse { return false }
        if entry.generation != rival.generation { return entry.generation > rival.generation }
        return entry.transaction.hash < rival.transaction.hash
    }

    /// Evicts the highest nonces of the member that holds most; refuses if that is the one who asks.
    private mutating func makeRoom(for size: Int, of sender: Address, _ member: Address?) throws(PoolError) -> [Hash32] {
        var removed: [Hash32] = []
        while total.count >= limits.transactions || total.bytes + size > limits.bytes {
            let greatest = holdings.max { ($0.value.bytes, $0.value.count) < ($1.value.bytes, $1.value.count) }!.key
            guard greatest != member else { throw .full(member: member) }
            func reach(_ sender: Sender) -> UInt64 { sender.entries.last!.transaction.payload.nonce - sender.nonce }
            let victim = senders.filter { $0.value.member == greatest }.max { reach($0.value) < reach($1.value) }!.key
            let entry = senders[victim]!.entries.popLast()!
            forget(entry, greatest)
            removed.append(entry.transaction.hash)
            if senders[victim]!.entries.isEmpty { senders[victim] = nil }
        }
        return removed
    }

    private mutating func forget(_ entry: Entry, _ member: Address?) {
        byHash[entry.transaction.hash] = nil
        count(entry, member, -1)
    }
    private mutating func count(_ entry: Entry, _ member: Address?, _ sign: Int) {
        total.count += sign
        total.bytes += sign * entry.bytes
        holdings[member, default: Holding()].count += sign
        holdings[member]!.bytes += sign * entry.bytes
        if holdings[member]!.count == 0 { holdings[member] = nil }
    }

    /// After a block: `nonces` are the new ones of its senders. Returns what left the pool.
    package mutating func advance(to nonces: [Address: UInt64]) -> [Hash32] {
        var gone: [Hash32] = []
        for (address, nonce) in nonces {
            guard var sender = senders[address] else { continue }
            sender.nonce = nonce
            while let first = sender.entries.first, first.transaction.payload.nonce < nonce {
                gone.append(first.transaction.hash)
                forget(first, sender.member)
                sender.entries.removeFirst()
            }
            senders[address] = sender.entries.isEmpty ? nil : sender
        }
        return gone
    }

    /// Takes out what turned out to be invalid, with all that follows it: it would wait for ever.
    package mutating func discard(_ hashes: [Hash32]) -> [Hash32] {
        var gone: [Hash32] = []
        for hash in hashes {
            guard let place = byHash[hash], var sender = senders[place.sender] else { continue }
            for entry in sender.entries where entry.transaction.payload.nonce >= place.nonce {
                gone.append(entry.transaction.hash)
                forget(entry, sender.member)
            }
            sender.entries.removeAll { $0.transaction.payload.nonce >= place.nonce }
            senders[place.sender] = sender.entries.isEmpty ? nil : sender
        }
        return gone
    }

    /// What a block may be made of, member by member. A cheating proposer fills only its own turn.
    package mutating func selection() -> PoolSelection {
        turn &+= 1
        return PoolSelection(senders, turn: turn)
    }
}

/// Executable transactions for one block: of all members the one that has had least gas comes next; inside a member, sender after
/// sender, each in nonce order, the earliest arrival first.
package struct PoolSelection: Sendable {
    private struct Queue {
        var sender: Address
        var entries: ArraySlice<TransactionPool.Entry>
    }
    private struct Member {
        var gas: UInt64 = 0
        var queues: [Queue] = []
    }
    private var members: [Member]
    /// Where the transaction given last came from.
    private var current: (member: Int, queue: Int)?
    /// Given, and then found invalid on the state.
    package private(set) var refused: [Hash32] = []

    init(_ senders: [Address: TransactionPool.Sender], turn: Int) {
        var grouped: [Address?: Member] = [:]
        for (address, sender) in senders {
            let executable = sender.entries.prefix(sender.executableCount)
            if !executable.isEmpty {
                grouped[sender.member, default: Member()].queues.append(Queue(sender: address, entries: executable))
            }
        }
        let order = grouped.keys.sorted { ($0 ?? .zero) < ($1 ?? .zero) }
        members = order.indices.map { i in
            var member = grouped[order[(i + turn) % order.count]]!
            member.queues.sort { $0.entries.first!.arrival < $1.entries.first!.arrival }
            return member
        }
    }

    /// The next transaction whose gas limit still fits.
    package mutating func next(gasLeft: UInt64) -> RecoveredTransaction? {
        while true {
            guard let m = members.indices.filter({ !members[$0].queues.isEmpty }).min(by: { members[$0].gas < members[$1].gas })
            else {
                return nil
            }
            guard let q = members[m].queues.firstIndex(where: { $0.entries.first!.transaction.payload.gasLimit <= gasLeft }) else {
                members[m].queues = []
                continue
            }
            current = (m, q)
            return members[m].queues[q].entries.first!.transaction
        }
    }
    package mutating func include(gasUsed: UInt64) {
        guard let (m, q) = current else { preconditionFailure("nothing was given") }
        members[m].gas += gasUsed
        var queue = members[m].queues.remove(at: q)
        queue.entries.removeFirst()
        if !queue.entries.isEmpty { members[m].queues.append(queue) }
        current = nil
    }
    package mutating func refuse() {
        guard let (m, q) = current else { preconditionFailure("nothing was given") }
        refused.append(members[m].queues[q].entries.first!.transaction.hash)
        members[m].queues.remove(at: q)
        current = nil
    }
}
