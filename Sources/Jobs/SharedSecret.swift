import Ciphers
import P2P
import Primitives

/// The key K of fingerprints and hash functions of bins, which only the owners of the joined tables know (private-sql.md §2).
///
/// Commit, then open: nobody can choose its part after seeing another's. Each owner knows K, but nobody ever sees another's
/// fingerprint, since they exist only as shares; K dies with the attempt. What is exchanged travels over links that both node keys
/// authenticate, and who opens wrongly is answered by not joining, so no signature of its own is needed.
enum SharedSecret {
    static let tag = Bytes("entente/jobs/fingerprint-key/v1".utf8)

    /// - Parameters:
    ///   - own: 32 fresh random bytes.
    ///   - position: of this owner among all, in the order of the job's members.
    static func agree(
        job: U256, attempt: UInt8, own: Bytes, position: Int, count: Int, over session: BulkSession
    ) async throws(SharedSecretError) -> Bytes {
        precondition(own.count == 32 && session.peers.count == count - 1)
        let context = tag + job.bytes + [attempt]
        func commitment(_ value: Bytes, of owner: Int) -> Hash32 { sha256(context + [0, UInt8(owner)] + value) }
        func exchange(_ frame: Bytes) async throws(SharedSecretError) -> [Bytes] {
            do { return try await session.exchange(session.peers.map { _ in frame }) } catch { throw .link(error) }
        }
        let commitments = try await exchange(commitment(own, of: position).bytes)
        let openings = try await exchange(own)
        var parts: [Bytes] = [], peer = 0
        for owner in 0..<count {
            if owner == position {
                parts.append(own)
                continue
            }
            guard openings[peer].count == 32, commitments[peer] == commitment(openings[peer], of: owner).bytes else {
                throw .opensWrongly(owner: owner)
            }
            parts.append(openings[peer])
            peer += 1
        }
        return sha256(context + [1] + parts.flatMap { $0 }).bytes
    }
}

package enum SharedSecretError: Error, Sendable, Equatable {
    case link(BulkError)
    /// This owner's bytes are not those it committed to: we do not join.
    case opensWrongly(owner: Int)
}
