import Primitives

/// What peers earn by their conduct, and who may knock: pure values, time comes in as nanoseconds of any steady clock.

/// A breach of rules, as the room that noticed it reports it.
package enum Offence: Sendable, Equatable {
    /// Invalid signature, seal, frame, or a foreign genesis: no honest program sends it.
    case breach
    case unsolicitedAnswer, emptyAnswer
    case lateAnswer
}

/// Scores and bans by node key (chain-rules.md §13). Only admitted peers are entered, so the table is no larger than the alliance.
package struct PeerScores: Sendable {
    private struct Entry {
        var score = 0
        var since: UInt64
        var bans = 0
        var bannedUntil: UInt64 = 0
    }
    private var entries: [Address: Entry] = [:]

    static let second: UInt64 = 1_000_000_000, minute = 60 * second
    static let cutScore = -100
    static let firstBan = 10 * minute, longestBan = 24 * 60 * minute
    /// Banning more than f validators for longer would be our own halt.
    static let longestValidatorBan = 60 * second

    package init() {}

    /// - Returns: whether the link must be cut; the peer is then banned.
    package mutating func charge(_ offence: Offence, to peer: Address, isValidator: Bool, now: UInt64) -> Bool {
        var entry = entries[peer] ?? Entry(since: now)
        let recovered = (now - entry.since) / PeerScores.minute
        entry.score = min(0, entry.score + Int(clamping: recovered))
        entry.since += recovered * PeerScores.minute
        switch offence {
        case .breach: entry.score = PeerScores.cutScore
        case .unsolicitedAnswer, .emptyAnswer: entry.score -= 20
        case .lateAnswer: entry.score -= 5
        }
        let isCut = entry.score <= PeerScores.cutScore
        if isCut {
            let ban = min(PeerScores.firstBan << UInt64(min(entry.bans, 10)), PeerScores.longestBan)
            entry.bannedUntil = now + (isValidator ? min(ban, PeerScores.longestValidatorBan) : ban)
            entry.bans += 1
            entry.score = 0
        }
        entries[peer] = entry
        return isCut
    }

    package func isBanned(_ peer: Address, now: UInt64) -> Bool { entries[peer].map { now < $0.bannedUntil } ?? false }
}

/// Connections that nobody has admitted yet: 32 in all, 8 a second from one network address.
package struct Door: Sendable {
    static let maximumWaiting = 32
    static let maximumAddresses = 4_096
    /// One knock each eighth of a second, eight at once.
    static let interval: UInt64 = PeerScores.second / 8, burst: UInt64 = 8

    private var waiting = 0
    /// When the bucket of an address will be full again.
    private var fullAt: [String: UInt64] = [:]

    package init() {}

    /// Whether one more may come in; each that did must `leave` once.
    package mutating func enter(from address: String, now: UInt64) -> Bool {
        guard waiting < Door.maximumWaiting else { return false }
        if fullAt.count >= Door.maximumAddresses { fullAt = fullAt.filter { $0.value > now } }
        let next = max(fullAt[address] ?? 0, now) + Door.interval
        guard next <= now + Door.burst * Door.interval, fullAt.count < Door.maximumAddresses || fullAt[address] != nil else {
            return false
        }
        fullAt[address] = next
        waiting += 1
        return true
    }
    package mutating func leave() { waiting -= 1 }
}

/// What this node says of itself and whom it lets in; `Chain` renews it with the head.
package struct LocalView: Sendable {
    package var chainId: UInt64
    package var forks: ForkSchedule
    package var headNumber: UInt64
    package var headHash: Hash32
    /// Milliseconds since 1970.
    package var headTime: UInt64
    package var flags: Hello.Flags
    /// Node keys that may hold a link: members at the head, and while syncing those named by hand.
    package var members: Set<Address>
    package var validators: Set<Address>

    package init(
        chainId: UInt64, forks: ForkSchedule, headNumber: UInt64, headHash: Hash32, headTime: UInt64, flags: Hello.Flags = [],
        members: Set<Address>, validators: Set<Address>
    ) {
        self.chainId = chainId
        self.forks = forks
        self.headNumber = headNumber
        self.headHash = headHash
        self.headTime = headTime
        self.flags = flags
        self.members = members
        self.validators = validators
    }

    /// Forks of our networks are times in seconds.
    private var forkHead: UInt64 { headTime / 1_000 }

    func hello(client: String) -> Hello {
        Hello(
            chainId: chainId, genesisHash: forks.genesisHash, fork: forks.id(atHead: forkHead), headNumber: headNumber,
            headHash: headHash, headTime: headTime,
            flags: flags, client: client)
    }

    /// Why a peer may not stay; nil: it may.
    package func objection(to peer: Address, _ hello: Hello) -> DisconnectReason? {
        guard hello.chainId == chainId, hello.genesisHash == forks.genesisHash else { return .wrongChain }
        guard members.contains(peer) else { return .notAdmitted }
        guard forks.accepts(hello.fork, atHead: forkHead) else { return .wrongFork }
        return nil
    }
}
