import Ciphers
import Primitives
import Synchronization

/// A program under attack: one honest run is recorded, then run again and again with one party deviating at one message, and every
/// outcome is judged. What must hold: each honest party ends with exactly what it has in the honest run, or is stopped before it
/// goes on; and the liar is in every pair that the claims accuse, whatever it claims itself. Serves tests only.
///
/// A liar that computes something else inside shows it first in a message, so to change messages is to try everything; all other
/// frames of a run before the deviation equal the honest run's, since keys and inputs are the world's.
package struct Attack<Shown: Sendable & Equatable>: Sendable {
    /// One message in a frame between the liar and a peer.
    package struct Place: Sendable, Hashable {
        package let liar: Int, peer: Int, round: Int
        /// Number of the message in its frame.
        package let message: Int
        /// Sent by the liar, or taken by the liar for what the peer sent.
        package let isOutgoing: Bool
    }
    package enum Verdict: Sendable, Equatable {
        /// Every honest party ended as in the honest run.
        case harmless
        /// At least one honest party stopped, by the fault of the liar.
        case caught
        case breach(Breach)
    }
    package enum Breach: Sendable, Equatable {
        /// This honest party went on with something else.
        case wrong(party: Int)
        case innocentsAccused(Int, Int)
        /// Somebody stopped and nothing points at the liar.
        case nobodyAccused
        case unexplained(party: Int, SessionError)
    }

    let world: World
    let program: @Sendable (Session) async throws(SessionError) -> Shown
    package let honest: [Shown]
    package let rounds: Int
    /// By 4·from + to, then by round.
    private let frames: [[Bytes]]

    package init(_ world: World, _ program: @Sendable @escaping (Session) async throws(SessionError) -> Shown) async throws(SessionError) {
        let sent = Recorder.Sent()
        let outcomes = await world.run(wrap: { Recorder(base: $1, sent: sent, party: $0) }, program)
        var shown: [Shown] = [], frames = [[Bytes]](repeating: [], count: 16)
        for outcome in outcomes { shown.append(try outcome.result.get()) }
        for entry in sent.frames.withLock({ $0 }) { frames[4 * entry.from + entry.to].append(entry.frame) }
        (self.world, self.program, self.frames, honest, rounds) = (world, program, frames, shown, outcomes[0].session.traffic.rounds)
    }
    private func frames(_ place: Place) -> [Bytes] {
        place.isOutgoing ? frames[4 * place.liar + place.peer] : frames[4 * place.peer + place.liar]
    }

    /// Every message of the run, as its sender changes it and as its receiver misreads it.
    package var places: [Place] {
        var out: [Place] = []
        for liar in 0..<4 {
            for peer in 0..<4 where peer != liar {
                for round in 0..<rounds {
                    for isOutgoing in [true, false] {
                        let frame = isOutgoing ? frames[4 * liar + peer][round] : frames[4 * peer + liar][round]
                        for message in FrameEntry.all(of: frame).indices {
                            out.append(Place(liar: liar, peer: peer, round: round, message: message, isOutgoing: isOutgoing))
                        }
                    }
                }
            }
        }
        return out
    }
    /// - Returns: nil where this kind would change nothing here.
    package func deviation(_ kind: Deviation.Kind, at place: Place, bit: Int = 0) -> Deviation? {
        let frames = frames(place), frame = frames[place.round]
        guard let changed = kind.changed(frame, message: place.message, earlier: frames[..<place.round], bit: bit), changed != frame else {
            return nil
        }
        return Deviation(
            liar: place.liar, name: "\(kind) \(place)",
            edits: [.init(party: place.liar, round: place.round, peer: place.peer, isOutgoing: place.isOutgoing, frame: changed)])
    }
    /// A control, which the protocol does not withstand and the judge must see: the witness colludes and vouches for the changed payload.
    /// - Returns: nil where the message is no payload.
    package func collusion(at place: Place) -> Deviation? {
        guard place.isOutgoing else { return nil }
        let (s, r, frame) = (place.liar, place.peer, frames(place)[place.round])
        let entry = FrameEntry.all(of: frame)[place.message], payload = frame[entry.payload]
        for v in 0..<4 where v != s && v != r {
            let row = Row(s, v, r, 6 - s - v - r), slot = MessageSlot(step: entry.step, row: entry.row, parties: row)
            let gmac = GMAC(key: world.keys[v].macKey(s)), vouched = frames[4 * v + r][place.round]
            func tag(_ bytes: ArraySlice<UInt8>) -> Bytes {
                bytes.withUnsafeBytes {
                    gmac.tag(high: slot.step, low: slot.row, header: world.keys[v].session.bytes + slot.bytes, payload: $0)
                }.bytes
            }
            for other in FrameEntry.all(of: vouched)
            where (other.step, other.row) == (entry.step, entry.row) && Bytes(vouched[other.payload]) == tag(payload) {
                var forged = frame, fitting = vouched
                forged[entry.payload.lowerBound] ^= 1
                fitting.replaceSubrange(other.payload, with: tag(forged[entry.payload]))
                return Deviation(
                    liar: s, name: "collusion \(place)",
                    edits: [
                        .init(party: s, round: place.round, peer: r, isOutgoing: true, frame: forged),
                        .init(party: v, round: place.round, peer: r, isOutgoing: true, frame: fitting),
                    ])
            }
        }
        return nil
    }

    /// - Parameter judge: the verdict on one disputed message; a control puts a wrong one here.
    package func verdict(
        on deviation: Deviation,
        judge: (Row, Hash32?, Hash32?, Hash32?) -> (Int, Int) = { MPC.judge($0, sender: $1, witness: $2, receiver: $3) }
    ) async -> Verdict {
        let outcomes = await world.run(wrap: { deviation.channel(of: $0, before: $1) }, program), liar = deviation.liar
        var isCaught = false, isAttributed = false
        for (party, outcome) in outcomes.enumerated() where party != liar {
            switch outcome.result {
            case .success(let shown): if shown != honest[party] { return .breach(.wrong(party: party)) }
            case .failure(let error):
                isCaught = true
                switch error {
                case .unexpectedFrame(let from), .channel(.frameTooLong(let from, _)):
                    if from != liar { return .breach(.innocentsAccused(party, from)) }
                    isAttributed = true
                case .channel(.peerStopped(let peer)): isAttributed = isAttributed || peer == liar
                case .objection: break
                default: return .breach(.unexplained(party: party, error))
                }
            }
        }
        let pairs =
            accused(outcomes, liar: liar, judge) + (isCaught ? [] : BatchRecord.contradictions(outcomes.map { $0.session.record() }))
        for pair in pairs where pair.0 != liar && pair.1 != liar { return .breach(.innocentsAccused(pair.0, pair.1)) }
        if !isCaught { return .harmless }
        return isAttributed || !pairs.isEmpty ? .caught : .breach(.nobodyAccused)
    }
    /// Every objection, judged over the claims: the liar's own claim may be honest, another digest, or "none".
    private func accused(_ outcomes: [Outcome<Shown>], liar: Int, _ judge: (Row, Hash32?, Hash32?, Hash32?) -> (Int, Int)) -> [(Int, Int)] {
        var pairs: [(Int, Int)] = []
        for outcome in outcomes {
            guard case .failure(.objection(let objections)) = outcome.result else { continue }
            for objection in objections {
                let row = objection.slot.parties
                for lie in [nil, sha256([1]), outcomes[liar].session.claim(for: objection.slot)] {
                    func claim(_ p: Int) -> Hash32? { p == liar ? lie : outcomes[p].session.claim(for: objection.slot) }
                    pairs.append(judge(row, claim(row.s), claim(row.v), row.r == liar ? lie : objection.received))
                }
            }
        }
        return pairs
    }
}

/// Other frames in the place of honest ones.
package struct Deviation: Sendable, CustomStringConvertible {
    struct Edit: Sendable {
        let party: Int, round: Int, peer: Int
        let isOutgoing: Bool
        let frame: Bytes
    }
    package let liar: Int
    let name: String
    let edits: [Edit]
    package var description: String { name }

    func channel(of party: Int, before base: MemoryChannel) -> any Channel {
        let mine = edits.filter { $0.party == party }
        guard !mine.isEmpty else { return base }
        func edit(_ isOutgoing: Bool) -> DeviatingChannel.Edit {
            { round, peer, frame in mine.first { ($0.isOutgoing, $0.round, $0.peer) == (isOutgoing, round, peer) }?.frame ?? frame }
        }
        return DeviatingChannel(base, outgoing: edit(true), incoming: edit(false))
    }

    /// What may be done to one message of a frame.
    package enum Kind: String, CaseIterable, Sendable {
        /// One bit of a word of the header, or of a byte of the payload or MAC.
        case step, row, length, firstByte, middleByte, lastByte
        case zeroed, dropped, repeated, frameDropped, frameTruncated, frameLengthened
        /// An earlier message of the same size in its place: whole, or under the honest header.
        case replayed, replayedPayload
        /// Exchanged with the frame's next message: whole, or payloads of one size under their headers.
        case swapped, swappedPayload

        func changed(_ frame: Bytes, message index: Int, earlier: ArraySlice<Bytes>, bit: Int) -> Bytes? {
            let entries = FrameEntry.all(of: frame), entry = entries[index], next = index + 1 < entries.count ? entries[index + 1] : nil
            var out = frame
            func flipped(_ at: Int) -> Bytes {
                var out = frame
                out[at] ^= 1 << UInt8(bit & 7)
                return out
            }
            func earlierMessage() -> (Bytes, FrameEntry)? {
                for frame in earlier.reversed() {
                    if let found = FrameEntry.all(of: frame).last(where: { $0.payload.count == entry.payload.count }) {
                        return (frame, found)
                    }
                }
                return nil
            }
            switch self {
            case .step: return flipped(entry.start + 7)
            case .row: return flipped(entry.start + 11)
            case .length: return flipped(entry.start + 15)
            case .firstByte: return flipped(entry.payload.lowerBound)
            case .middleByte: return flipped((entry.payload.lowerBound + entry.payload.upperBound) / 2)
            case .lastByte: return flipped(entry.payload.upperBound - 1)
            case .zeroed: out.replaceSubrange(entry.payload, with: Bytes(repeating: 0, count: entry.payload.count))
            case .dropped: out.removeSubrange(entry.whole)
            case .repeated: out.insert(contentsOf: frame[entry.whole], at: entry.start)
            case .frameDropped, .frameTruncated, .frameLengthened:
                guard index == 0 else { return nil }  // once a frame
                out = self == .frameDropped ? [] : self == .frameTruncated ? Bytes(frame.dropLast()) : frame + [0]
            case .replayed:
                guard let (frame, old) = earlierMessage() else { return nil }
                out.replaceSubrange(entry.whole, with: frame[old.whole])
            case .replayedPayload:
                guard let (frame, old) = earlierMessage() else { return nil }
                out.replaceSubrange(entry.payload, with: frame[old.payload])
            case .swapped:
                guard let next else { return nil }
                out.replaceSubrange(entry.start..<next.payload.upperBound, with: frame[next.whole] + frame[entry.whole])
            case .swappedPayload:
                guard let next, next.payload.count == entry.payload.count else { return nil }
                out.replaceSubrange(entry.payload, with: frame[next.payload])
                out.replaceSubrange(next.payload, with: frame[entry.payload])
            }
            return out
        }
    }
}

/// One message in a frame: step u64 ‖ row u32 ‖ length u32, big-endian, then the payload or MAC.
package struct FrameEntry: Sendable, Hashable {
    package let step: UInt64
    package let row: UInt32
    /// Of the header in the frame.
    package let start: Int
    package let payload: Range<Int>
    package var whole: Range<Int> { start..<payload.upperBound }

    /// Messages of an honest frame.
    package static func all(of frame: Bytes) -> [FrameEntry] {
        var out: [FrameEntry] = [], at = 0
        func number(_ range: Range<Int>) -> UInt64 { frame[range].reduce(0) { $0 << 8 | UInt64($1) } }
        while at < frame.count {
            let start = at + Message.headerCount, end = start + Int(number(at + 12..<start))
            out.append(.init(step: number(at..<at + 8), row: UInt32(number(at + 8..<at + 12)), start: at, payload: start..<end))
            at = end
        }
        return out
    }
}

/// Keeps what a party hands to its channel.
package struct Recorder: Channel {
    package final class Sent: Sendable {
        package let frames = Mutex<[(from: Int, to: Int, frame: Bytes)]>([])
        package init() {}
    }
    let base: any Channel
    let sent: Sent
    let party: Int

    package init(base: any Channel, sent: Sent, party: Int) { (self.base, self.sent, self.party) = (base, sent, party) }
    package func exchange(_ frames: [Bytes], expecting: [Int]) async throws(ChannelError) -> [Bytes] {
        sent.frames.withLock { for p in 0..<4 where p != party { $0.append((party, p, frames[p])) } }
        return try await base.exchange(frames, expecting: expecting)
    }
}
