import Ciphers
import Primitives

/// What one party states about all rounds up to a checkpoint: bytes and a running hash of MACs on each link. In agreed
/// records v's MACs to r equal r's from v; after an agreed batch no older message can be disputed.
///
/// Source: reference/r4.md §12; encoding and chain: reference/job-protocol.md §4 (kind SEGMENT). Links are by ascending index
/// of the other seat.
package struct BatchRecord: Sendable, Hashable {
    package let lastStep: UInt64
    /// SHA-256 over all MACs sent to, and accepted from, each other party, in (step, row) order since the session began.
    package let sent: [Hash32], accepted: [Hash32]
    package let bytesOut: [UInt64], bytesIn: [UInt64]

    /// abi.encode(lastStep, sent[3], accepted[3], bytesOut[3], bytesIn[3]): thirteen words.
    package var encoded: Bytes {
        func word(_ value: UInt64) -> Bytes { Bytes(repeating: 0, count: 24) + withUnsafeBytes(of: value.bigEndian) { Bytes($0) } }
        return word(lastStep) + sent.flatMap(\.bytes) + accepted.flatMap(\.bytes) + bytesOut.flatMap(word) + bytesIn.flatMap(word)
    }
    /// Content of the SEGMENT claim: keccak256(abi.encode(agreed before, keccak256(record))).
    package func content(after agreed: Hash32) -> Hash32 { keccak256(agreed.bytes + keccak256(encoded).bytes) }

    /// Pairs of seats whose records of one batch contradict each other: what one vouched for is not what the other accepted.
    package static func contradictions(_ records: [BatchRecord]) -> [(Int, Int)] {
        precondition(records.count == 4)
        func link(_ from: Int, _ to: Int) -> Int { to < from ? to : to - 1 }
        var pairs: [(Int, Int)] = []
        for a in 0..<4 {
            for b in 0..<4 where a != b && records[a].sent[link(a, b)] != records[b].accepted[link(b, a)] {
                if !pairs.contains(where: { $0 == (min(a, b), max(a, b)) }) { pairs.append((min(a, b), max(a, b))) }
            }
        }
        return pairs
    }
}

/// The chain over all batch records: agreed₋₁ = session, agreed_b = keccak256(agreed_{b−1} ‖ four SEGMENT contents in seat
/// order). The last one is the transcript that attestations sign.
package struct Transcript: Sendable, Hashable {
    package private(set) var agreed: Hash32
    package private(set) var batches = 0

    package init(session: Hash32) { agreed = session }
    package mutating func append(contents: [Hash32]) {
        precondition(contents.count == 4)
        agreed = keccak256(agreed.bytes + contents.flatMap(\.bytes))
        batches += 1
    }
}

/// Running hashes of MACs by link.
struct MACLedger: ~Copyable {
    private let sentTo = HashColumn(), acceptedFrom = HashColumn()

    func sent(_ tag: MACTag, to p: Int) { sentTo.update(p, tag) }
    func accepted(_ tag: MACTag, from p: Int) { acceptedFrom.update(p, tag) }
    func record(lastStep: UInt64, traffic: Traffic, party: Int) -> BatchRecord {
        let others = (0..<4).filter { $0 != party }
        return BatchRecord(
            lastStep: lastStep, sent: others.map(sentTo.snapshot), accepted: others.map(acceptedFrom.snapshot),
            bytesOut: others.map { UInt64(traffic.bytesOut[$0]) }, bytesIn: others.map { UInt64(traffic.bytesIn[$0]) })
    }
}

private final class HashColumn {
    private var h0 = SHA256(), h1 = SHA256(), h2 = SHA256(), h3 = SHA256()
    func update(_ p: Int, _ tag: MACTag) {
        let bytes = tag.bytes
        switch p {
        case 0: h0.update(bytes)
        case 1: h1.update(bytes)
        case 2: h2.update(bytes)
        default: h3.update(bytes)
        }
    }
    func snapshot(_ p: Int) -> Hash32 {
        switch p {
        case 0: h0.snapshot()
        case 1: h1.snapshot()
        case 2: h2.snapshot()
        default: h3.snapshot()
        }
    }
}
