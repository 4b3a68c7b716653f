import Ciphers
import Primitives

/// All that is known about one height; a new one begins with each import.
struct Agreement: Sendable {
    /// Our place among the validators of this height.
    let me: Int?
    let quorum: Int
    var voices: [Voice]
    /// Justified proposals, by rising round; at most `QBFT.maximumProposals`.
    var candidates: [Candidate] = []
    /// Every lock that the newest ROUND-CHANGE of some validator names, once: blocks may be large.
    private(set) var locks: [Lock] = []
    var acceptedRound: UInt32?
    var committedRound: UInt32?
    var verdicts: [Hash32: QBFT.Verdict] = [:]
    var asked: Set<Hash32> = []
    var proposing = Proposing.idle
    /// Round 0 may begin to count: a transaction, a heartbeat, a message of this height.
    var hasReason = false
    var heartbeatIsDue = false
    var clockRuns = false
    var isCatchingUp = false
    var barrierIsUp = false
    /// Since when somebody claims a head that it may not have, while we wait at genesis.
    var objectedSince: UInt64?
    var ownMessages: [Message] = []
    var decided: SealedBlock?

    init(_ head: Head, me: Address) {
        (self.me, quorum) = (head.validators.index(of: me), head.validators.quorum)
        voices = Array(repeating: Voice(), count: head.validators.count)
    }

    struct Candidate: Sendable {
        let proposal: Proposal
        /// False: proposed again from a lock, so our clock does not judge it.
        let isFresh: Bool
    }
    enum Proposing: Sendable, Equatable {
        case idle, waiting, ready, done
        indirect case building(BuildRequest)
    }

    /// What we heard of one validator.
    struct Voice: Sendable {
        /// The highest round it was heard in: for timers, never for safety.
        var round: UInt32 = 0
        /// Newest; its block and PREPAREs are in `locks`.
        var roundChange: Signed<RoundChangePayload>?
        var prepares = Ballots<PreparePayload>()
        var commits = Ballots<CommitPayload>()
    }

    /// The block with this hash, if any proposal or lock brought it.
    func block(_ hash: Hash32, _ lock: Lock?) -> UnsealedBlock? {
        candidates.last { $0.proposal.block.hash == hash }?.proposal.block
            ?? lock.flatMap { $0.block.hash == hash ? $0.block : nil }
            ?? locks.first { $0.block.hash == hash }?.block
    }
    func candidate(_ round: UInt32) -> Candidate? { candidates.last { $0.proposal.round == round } }

    mutating func store(_ candidate: Candidate, round: UInt32) {
        let at = candidates.firstIndex { $0.proposal.round > candidate.proposal.round } ?? candidates.count
        candidates.insert(candidate, at: at)
        if candidates.count > QBFT.maximumProposals { candidates.removeFirst() }
    }
    /// A lock goes only when nobody names it any more: who brought it first may be a liar who leaves at once.
    mutating func store(_ change: RoundChange, of index: Int) {
        voices[index].roundChange = change.signed
        if let prepared = change.signed.payload.prepared, let block = change.block, !locks.contains(where: { $0.prepared == prepared }) {
            locks.append(Lock(block: block.proposed(in: prepared.round), prepares: Array(change.prepares.prefix(quorum))))
        }
        locks.removeAll { lock in !voices.contains { $0.roundChange?.payload.prepared == lock.prepared } }
    }
    mutating func remember(own message: Message) {
        ownMessages.removeAll { $0.code == message.code }
        ownMessages.append(message)
    }
}

/// Votes of one validator for its two highest rounds, newest first; a signature is checked only when the vote is counted.
struct Ballots<Payload: ConsensusPayload>: Sendable {
    struct Ballot: Sendable {
        let signed: Signed<Payload>
        var isVerified: Bool
    }
    private(set) var items: [Ballot] = []

    func index(round: UInt32) -> Int? { items.firstIndex { $0.signed.payload.round == round } }
    mutating func store(_ signed: Signed<Payload>, isVerified: Bool) {
        items.removeAll { $0.signed.payload.round == signed.payload.round }
        items.insert(
            Ballot(signed: signed, isVerified: isVerified),
            at: items.firstIndex { $0.signed.payload.round < signed.payload.round } ?? items.count)
        if items.count > 2 { items.removeLast() }
    }
    mutating func markVerified(_ index: Int) { items[index].isVerified = true }
    mutating func remove(_ index: Int) { items.remove(at: index) }
}

struct Link: Sendable {
    var status: QBFT.PeerStatus
    var roundTripMilliseconds: UInt64
}
struct EvidencePlace: Hashable, Sendable {
    let author: Address, code: MessageCode, height: UInt64, round: UInt32
}
struct SignedDigest: Hashable, Sendable {
    let digest: Hash32, signature: Signature
}
