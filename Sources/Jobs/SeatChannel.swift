import MPC
import P2P
import Primitives

/// The frames of one session between four seats, over the bulk links of the nodes that hold them.
package struct SeatChannel: MPC.Channel {
    package let seat: Int
    private let session: BulkSession

    package init(seat: Int, session: BulkSession) { (self.seat, self.session) = (seat, session) }

    private var others: [Int] { (0..<4).filter { $0 != seat } }

    package func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        precondition(frames.count == 4 && frames[seat].isEmpty)
        let got: [Bytes]
        do { got = try await session.exchange(others.map { frames[$0] }) } catch { throw channelError(error) }
        var all = [Bytes](repeating: [], count: 4)
        for (i, p) in others.enumerated() {
            guard got[i].count <= expecting[p] else { throw .frameTooLong(from: p, byteCount: got[i].count) }
            all[p] = got[i]
        }
        return all
    }

    private func channelError(_ error: BulkError) -> MPC.ChannelError {
        switch error {
        case .linkLost(let peer): .peerLost(others.first { session.peers[$0 > seat ? $0 - 1 : $0] == peer } ?? seat)
        case .cancelled, .closed: .cancelled
        default: .peerLost(others.first { session.waitingFor.contains(session.peers[$0 > seat ? $0 - 1 : $0]) } ?? others[0])
        }
    }

    /// Bytes and frames so far, and the seats that hold the round up.
    package var traffic: P2P.Traffic { session.traffic }
    package var waitingFor: [Int] { session.waitingFor.compactMap { peer in others.first { session.peers[$0 > seat ? $0 - 1 : $0] == peer } } }
    package func close() { session.close() }
}
