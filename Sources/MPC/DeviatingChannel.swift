import Primitives
import Synchronization

/// A party that misbehaves on purpose: its frames are rewritten on their way out, or its peers' on their way in. Serves attack
/// tests and the demo's cheat; no node puts it before a session of any chain but the demo's.
package struct DeviatingChannel: Channel {
    /// round (from 0), the peer, what an honest party sends or got → what goes or comes instead.
    package typealias Edit = @Sendable (_ round: Int, _ peer: Int, _ frame: Bytes) -> Bytes
    private final class Rounds: Sendable { let count = Mutex(0) }

    private let base: any Channel
    private let rounds = Rounds()
    private let outgoing: Edit?, incoming: Edit?

    package init(_ base: any Channel, outgoing: Edit? = nil, incoming: Edit? = nil) {
        (self.base, self.outgoing, self.incoming) = (base, outgoing, incoming)
    }
    package func exchange(_ frames: [Bytes], expecting: [Int]) async throws(ChannelError) -> [Bytes] {
        let round = rounds.count.withLock { count in
            defer { count += 1 }
            return count
        }
        var sent = frames
        if let outgoing { for p in 0..<4 { sent[p] = outgoing(round, p, frames[p]) } }
        var got = try await base.exchange(sent, expecting: expecting)
        if let incoming { for p in 0..<4 { got[p] = incoming(round, p, got[p]) } }
        return got
    }
}
