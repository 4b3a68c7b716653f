import Consensus
import Primitives
import Storage

// What consensus, pool and sync need of the peers (`P2P` stands behind them in a node, a table in memory in tests).

/// Frames of the control link that this room reads and writes (chain-rules §13).
package enum ChainFrame {
    package static let status: UInt16 = 0x10, sealedHeader: UInt16 = 0x16, transactions: UInt16 = 0x20, refused: UInt16 = 0x21
    /// PROPOSAL, PREPARE, COMMIT, ROUND-CHANGE.
    package static let consensus: ClosedRange<UInt16> = 0x12...0x15
}

package enum PeerNews: Sendable {
    /// A link has (re)started: what was sent before may be lost.
    case up(Address, QBFT.PeerStatus, roundTripMilliseconds: UInt64)
    case down(Address)
    case frame(UInt16, Bytes, from: Address)
}

/// Frames to and from admitted peers. Sending never waits: a full queue cuts the link.
package protocol ConsensusTransport: Sendable {
    /// In order. Read by one; not read further while a frame is being handled.
    var news: any AsyncSequence<PeerNews, Never> & Sendable { get }
    /// Peers that are not linked are left out.
    func send(_ frame: UInt16, _ payload: Bytes, to peers: [Address])
    /// The peer has provably broken the rules.
    func cut(_ peer: Address)
}

package enum SyncError: Error, Equatable, Sendable {
    case peerLost
    case timedOut
    /// The peer's answer is no answer to the question.
    case malformed
    /// The peer does not have what it claimed.
    case nothingThere
    case header(UInt64, HeaderError)
    case seal(UInt64, SealError)
    case block(UInt64, BlockFailure)
}

/// History that one peer has.
package protocol SyncSource: Sendable {
    /// Sealed headers, ascending from `number`, at most `count`.
    func headers(from number: UInt64, count: Int, of peer: Address) async throws(SyncError) -> [Header]
    /// Bodies of the same numbers; fewer where they are large.
    func bodies(from number: UInt64, count: Int, of peer: Address) async throws(SyncError) -> [[UnverifiedTransaction]]
}

package enum SyncLimits {
    package static let headers = 512, bodies = 128, answerBytes = 8 << 20
}

extension LedgerView {
    /// What a peer's request for headers is answered with.
    package func sealedHeaders(from number: UInt64, count: Int) throws(StorageError) -> [Header] {
        guard number <= head.number else { return [] }
        var headers: [Header] = []
        for n in number..<min(head.number + 1, number + UInt64(max(0, min(count, SyncLimits.headers)))) {
            if let found = try header(n) { headers.append(found.header) }
        }
        return headers
    }
    /// What a request for bodies is answered with: RLP of each body, together at most `SyncLimits.answerBytes` (one at least).
    package func bodies(from number: UInt64, count: Int) throws(StorageError) -> [Bytes] {
        guard number <= head.number else { return [] }
        var bodies: [Bytes] = [], size = 0
        for n in number...head.number where bodies.count < min(count, SyncLimits.bodies) && size < SyncLimits.answerBytes {
            guard let body = try reader.get(.bodies, bigEndian(n)) else { break }
            guard bodies.isEmpty || size + body.count <= SyncLimits.answerBytes else { break }
            bodies.append(body)
            size += body.count
        }
        return bodies
    }
    /// A body as `bodies` gives it.
    package static func decodeBody(_ bytes: Bytes) throws(SyncError) -> [UnverifiedTransaction] {
        do { return try RLP.decode(bytes).asList.map { try UnverifiedTransaction(inBody: $0) } } catch { throw .malformed }
    }
}

/// Frame 0x10: `[head number, head hash, flags]`, flag 1: amnesiac.
package struct StatusFrame: Sendable, Equatable {
    package var number: UInt64
    package var hash: Hash32
    package var isAmnesiac: Bool

    package init(number: UInt64, hash: Hash32, isAmnesiac: Bool) {
        (self.number, self.hash, self.isAmnesiac) = (number, hash, isAmnesiac)
    }
    package var encoded: Bytes {
        RLP.encodeList {
            $0.append(number)
            $0.append(hash)
            $0.append(isAmnesiac ? 1 : 0 as UInt64)
        }
    }
    package init(decoding bytes: Bytes) throws(RLPError) {
        let f = try RLP.decode(bytes).asList(count: 3)
        self.init(number: try f[0].asUInt64, hash: try f[1].asHash, isAmnesiac: try f[2].asUInt64 & 1 == 1)
    }
    var peerStatus: QBFT.PeerStatus { .init(headNumber: number, isAmnesiac: isAmnesiac) }
}

/// Frame 0x21: `[[transaction hash, code]…]`.
package struct RefusedFrame: Sendable, Equatable {
    package var refusals: [(hash: Hash32, code: UInt64)]

    package static func == (a: RefusedFrame, b: RefusedFrame) -> Bool { a.refusals.elementsEqual(b.refusals) { $0 == $1 } }
    package var encoded: Bytes {
        RLP.encodeList { list in
            for (hash, code) in refusals {
                list.appendList {
                    $0.append(hash)
                    $0.append(code)
                }
            }
        }
    }
    init(_ refusals: [(hash: Hash32, code: UInt64)]) { self.refusals = refusals }
    package init(decoding bytes: Bytes) throws(RLPError) {
        refusals = []
        for item in try RLP.decode(bytes).asList.prefix(PooledTransaction.maximumPerFrame) {
            let f = try item.asList(count: 2)
            refusals.append((try f[0].asHash, try f[1].asUInt64))
        }
    }
}

extension PoolError {
    /// In frame 0x21.
    package var code: UInt64 {
        switch self {
        case .decoding: 1
        case .signature: 2
        case .invalid: 3
        case .alreadyKnown: 4
        case .tooLarge: 5
        case .nonceTooFar, .gapTooLong: 6
        case .replacementRefused: 7
        case .full: 8
        case .unavailable: 9
        }
    }
}
