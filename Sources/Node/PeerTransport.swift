import Chain
import Consensus
import P2P
import Primitives
import Synchronization

/// The peers as consensus and pool see them: a table of names over the control links.
struct PeerTransport: ConsensusTransport {
    private let network: PeerNetwork
    private let stream: PeerStream

    /// Before `run` of the network.
    init(_ network: PeerNetwork) {
        self.network = network
        stream = network.stream(.status ... .status, .proposal ... .sealedHeader, .transactions ... .refused)
    }

    var news: any AsyncSequence<PeerNews, Never> & Sendable {
        let network = network
        return stream.map { event in
            switch event {
            case .up(let peer, let hello):
                let status = QBFT.PeerStatus(headNumber: hello.headNumber, isAmnesiac: hello.flags.contains(.amnesiac))
                let roundTrip = network.roundTrip(to: peer).map {
                    UInt64($0.components.attoseconds / 1_000_000_000_000_000) + UInt64($0.components.seconds) * 1_000
                }
                return .up(peer, status, roundTripMilliseconds: roundTrip ?? 1)
            case .down(let peer): return .down(peer)
            case .frame(let frame, let peer): return .frame(frame.id.rawValue, frame.payload, from: peer)
            }
        }
    }
    func send(_ frame: UInt16, _ payload: Bytes, to peers: [Address]) {
        network.broadcast(Frame(FrameID(rawValue: frame), payload), to: Set(peers))
    }
    func cut(_ peer: Address) { network.report(.breach, by: peer) }
}

/// Questions about history to peers, and answers to theirs: `[id, number, count]` and `[id, [items…]]` in frames 0x30–0x33.
final class PeerHistory: SyncSource {
    private struct Question {
        let peer: Address
        let answer: CheckedContinuation<Result<[RLP.Item], SyncError>, Never>
    }
    private struct State {
        var lastId: UInt64 = 0
        var open: [UInt64: Question] = [:]
    }
    private let network: PeerNetwork
    private let stream: PeerStream
    private let ledger: Ledger
    private let state = Mutex(State())

    static let timeoutMilliseconds: UInt64 = 10_000
    static let maximumOpen = 16

    init(_ network: PeerNetwork, _ ledger: Ledger) {
        self.network = network
        self.ledger = ledger
        stream = network.stream(.getHeaders ... .bodies)
    }

    func run() async {
        for await event in stream {
            switch event {
            // Up again without having been down: another connection took the place of the one before, and what waited on that is lost.
            case .up(let peer, _), .down(let peer): fail(.peerLost) { $0.peer == peer }
            case .frame(let frame, let peer):
                guard let parts = try? RLP.decode(frame.payload).asList, let id = try? parts.first?.asUInt64 else {
                    network.report(.breach, by: peer)
                    continue
                }
                switch frame.id {
                case .getHeaders, .getBodies: answer(frame.id, id, parts, peer)
                default:
                    guard let question = state.withLock({ $0.open[id]?.peer == peer ? $0.open.removeValue(forKey: id) : nil }) else {
                        continue
                    }
                    question.answer.resume(returning: parts.count == 2 ? .success((try? parts[1].asList) ?? []) : .failure(.malformed))
                }
            }
        }
        fail(.peerLost) { _ in true }
    }

    private func answer(_ kind: FrameID, _ id: UInt64, _ parts: [RLP.Item], _ peer: Address) {
        guard parts.count == 3, let number = try? parts[1].asUInt64, let count = try? parts[2].asUInt64, number < 1 << 53, count <= 512
        else {
            return network.report(.breach, by: peer)
        }
        let view = ledger.view
        // A store that cannot be read answers nothing: the peer asks another.
        let body = RLP.encodeList { (list: inout RLP.Encoder) in
            list.append(id)
            list.appendList { items in
                if kind == .getHeaders {
                    for header in (try? view.sealedHeaders(from: number, count: Int(count))) ?? [] { header.encode(into: &items) }
                } else {
                    for body in (try? view.bodies(from: number, count: Int(count))) ?? [] { items.appendEncoded(body) }
                }
            }
        }
        network.send(Frame(kind == .getHeaders ? .headers : .bodies, body), to: peer)
    }

    private func ask(_ kind: FrameID, _ number: UInt64, _ count: Int, _ peer: Address) async throws(SyncError) -> [RLP.Item] {
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<Result<[RLP.Item], SyncError>, Never>) in
            let id = state.withLock { state -> UInt64? in
                guard state.open.count < Self.maximumOpen else { return nil }
                state.lastId += 1
                state.open[state.lastId] = Question(peer: peer, answer: continuation)
                return state.lastId
            }
            guard let id else { return continuation.resume(returning: .failure(.timedOut)) }
            let body = RLP.encodeList {
                $0.append(id)
                $0.append(number)
                $0.append(UInt64(count))
            }
            guard network.send(Frame(kind, body), to: peer) else { return fail(.peerLost) { $0.peer == peer } }
            SystemClock().schedule(milliseconds: Self.timeoutMilliseconds) { [weak self] in
                self?.state.withLock { $0.open.removeValue(forKey: id) }?.answer.resume(returning: .failure(.timedOut))
            }
        }
        return try result.get()
    }
    private func fail(_ error: SyncError, where matches: (Question) -> Bool) {
        let failed = state.withLock { state in
            let ids = state.open.filter { matches($0.value) }.map(\.key)
            return ids.compactMap { state.open.removeValue(forKey: $0) }
        }
        failed.forEach { $0.answer.resume(returning: .failure(error)) }
    }

    func headers(from number: UInt64, count: Int, of peer: Address) async throws(SyncError) -> [Header] {
        var headers: [Header] = []
        for item in try await ask(.getHeaders, number, count, peer) {
            do throws(RLPError) { headers.append(try Header(item)) } catch { throw .malformed }
        }
        return headers
    }
    func bodies(from number: UInt64, count: Int, of peer: Address) async throws(SyncError) -> [[UnverifiedTransaction]] {
        var bodies: [[UnverifiedTransaction]] = []
        for item in try await ask(.getBodies, number, count, peer) { bodies.append(try LedgerView.decodeBody(RLP.encode(item))) }
        return bodies
    }
}
