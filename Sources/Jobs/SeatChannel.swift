import Ciphers
import MPC
import P2P
import Primitives
import Synchronization

/// What a session needs of the link between seats beyond rounds: at its end nobody may wait for a single other seat, and a complaint
/// shows what has come of a round that does not end.
package protocol SeatLink: MPC.Channel {
    /// A frame to each seat that can be reached; empty ones are not sent.
    func post(_ frames: [Bytes])
    /// The next frame of whichever of the seats comes first; nil: all of them are lost.
    func next(of seats: [Int], expecting: Int) async throws(MPC.ChannelError) -> (seat: Int, frame: Bytes)?
    /// By seat, what has come of the round that is waited for.
    var arrived: [Bytes?] { get }
}

/// The frames of one session between four seats, over the bulk links of the nodes that hold them.
package struct SeatChannel: SeatLink {
    package let seat: Int
    private let session: BulkSession
    private let meter = Meter()

    /// Counts what passes: for whoever watches the job, and for the claim of progress that answers a complaint.
    private final class Meter: Sendable {
        struct State: Sendable {
            var rounds = 0, bytesOut = 0, bytesIn = 0
            var sent = [Hash32](repeating: .zero, count: 4)
        }
        let state = Mutex(State())

        func sends(_ frames: [Bytes]) {
            state.withLock { state in
                state.rounds += 1
                for p in 0..<4 where !frames[p].isEmpty {
                    state.bytesOut += frames[p].count
                    var hash = SHA256()
                    hash.update(state.sent[p].bytes)
                    hash.update(frames[p])
                    state.sent[p] = hash.snapshot()
                }
            }
        }
    }

    package init(seat: Int, session: BulkSession) { (self.seat, self.session) = (seat, session) }

    private var others: [Int] { (0..<4).filter { $0 != seat } }

    package func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        precondition(frames.count == 4 && frames[seat].isEmpty)
        meter.sends(frames)
        let got: [Bytes]
        do { got = try await session.exchange(others.map { frames[$0] }) } catch { throw channelError(error) }
        var all = [Bytes](repeating: [], count: 4)
        for (i, p) in others.enumerated() {
            guard got[i].count <= expecting[p] else { throw .frameTooLong(from: p, byteCount: got[i].count) }
            all[p] = got[i]
        }
        meter.state.withLock { $0.bytesIn += got.reduce(0) { $0 + $1.count } }
        return all
    }

    package func post(_ frames: [Bytes]) {
        meter.sends(frames)
        for (i, p) in others.enumerated() where !frames[p].isEmpty { try? session.send(frames[p], to: i) }  // who is gone gets nothing
    }

    package func next(of seats: [Int], expecting: Int) async throws(MPC.ChannelError) -> (seat: Int, frame: Bytes)? {
        do {
            let (index, frame) = try await session.receiveFirst(of: seats.map { others.firstIndex(of: $0)! })
            meter.state.withLock { $0.bytesIn += frame.count }
            guard frame.count <= expecting else { throw MPC.ChannelError.frameTooLong(from: others[index], byteCount: frame.count) }
            return (others[index], frame)
        } catch BulkError.cancelled, BulkError.closed, BulkError.stopped { throw .cancelled } catch let error as MPC.ChannelError {
            throw error
        } catch { return nil }
    }

    package var arrived: [Bytes?] {
        var all = [Bytes?](repeating: nil, count: 4)
        for (i, frame) in session.arrived.enumerated() { all[others[i]] = frame }
        return all
    }

    private func channelError(_ error: BulkError) -> MPC.ChannelError {
        func seat(_ peer: Address) -> Int { session.peers.firstIndex(of: peer).map { others[$0] } ?? self.seat }
        return switch error {
        case .linkLost(let peer), .disorder(let peer), .tooLongFrom(let peer, _, _): .peerLost(seat(peer))
        case .cancelled, .closed, .stopped, .sessionExists, .tooLong: .cancelled
        }
    }

    package var rounds: Int { meter.state.withLock { $0.rounds } }
    package var bytes: (out: Int, in: Int) { meter.state.withLock { ($0.bytesOut, $0.bytesIn) } }
    /// Running hash of all frames that were sent to a seat: content of PROGRESS.
    package func sent(to seat: Int) -> Hash32 { meter.state.withLock { $0.sent[seat] } }
    /// The seats that hold the round up.
    package var waitingFor: [Int] { session.waitingFor.compactMap { peer in session.peers.firstIndex(of: peer).map { others[$0] } } }
    package func close() { session.close() }
}
