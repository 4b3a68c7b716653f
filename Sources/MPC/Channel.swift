import Primitives

/// What a session needs of the world: one call a round that exchanges exactly one frame with each other party.
///
/// A conformer delivers a peer's frames in order and authenticated, and returns only when all of this round have come. It
/// never delivers a frame longer than `expecting` says, but refuses it unread (`ChannelError.frameTooLong`).
package protocol Channel: Sendable {
    /// - Parameters:
    ///   - frames: four entries by party; the own one is empty, others may be.
    ///   - expecting: bytes of the frame that an honest peer sends this round, by party.
    /// - Returns: four frames by party, the own one empty.
    func exchange(_ frames: [Bytes], expecting: [Int]) async throws(ChannelError) -> [Bytes]
}

package enum ChannelError: Error, Equatable, Sendable {
    /// No frame came and none will. Nobody's proven fault.
    case peerLost(Int)
    /// The peer said that it stopped, to object or because its job ended.
    case peerStopped(Int)
    /// The peer is faulty: it sent more than the plan has in this round.
    case frameTooLong(from: Int, byteCount: Int)
    /// We were told to stop.
    case cancelled
}

/// Why a session ended. It sends no further payload after any of these.
package enum SessionError: Error, Equatable, Sendable {
    /// What came does not fit what was vouched for; nothing of that round was used. One of the parties of each objection
    /// lied: `judge` over the three claims names the pair.
    case objection([Objection])
    case channel(ChannelError)
    /// A peer sent bytes in a round in which it has nothing to say.
    case unexpectedFrame(from: Int)
    /// Holders of a key do not agree on it. Content of the KEY claims (job-protocol.md §4) is in the contributions.
    case keysDiffer(component: Int, contributions: [KeyContribution])
    /// The session had ended before this call.
    case ended
}
