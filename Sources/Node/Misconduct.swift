import Ciphers
import Contracts
import Jobs
import MPC
import Primitives
import Synchronization

/// A party that misbehaves on purpose: a wrapper of its link that no chain but the demonstration's accepts.
enum Misconduct: Sendable {
    case none
    /// One bit of one message, in this round of the program, counted from 1.
    case wrongMessage(round: Int, bit: Int)
    case equivocation
    /// Delivers its shares under a signed claim of another commitment than the one on chain.
    case falseInput
    /// Sends nothing more after a round, and does not answer on chain either; or answers there, again and again.
    case silence(round: Int), stubbornness(round: Int)

    static let chainName = "entente-demo"

    init?(_ parameters: [JSON]) {
        let numbers = parameters.dropFirst().compactMap(\.asInt)
        guard numbers.count == max(0, parameters.count - 1), numbers.allSatisfy({ $0 >= 0 }) else { return nil }
        switch (parameters.first?.asString, numbers.count) {
        case ("none", 0): self = .none
        case ("wrong message", 2) where numbers[0] > 0: self = .wrongMessage(round: numbers[0], bit: numbers[1])
        case ("equivocation", 0): self = .equivocation
        case ("false input", 0): self = .falseInput
        case ("silence", 1): self = .silence(round: numbers[0])
        case ("stubbornness", 1): self = .stubbornness(round: numbers[0])
        default: return nil
        }
    }

    var wrapper: Agent.Misconduct? {
        switch self {
        case .none: nil
        case .wrongMessage(let round, let bit):
            { inner, committee, _ in WrongMessage(inner: inner, seat: committee.seat, round: round, bit: bit) }
        case .equivocation: { inner, committee, key in Equivocator(inner: inner, committee: committee, key: key) }
        case .falseInput: { inner, committee, key in FalseInput(inner: inner, committee: committee, key: key) }
        case .silence(let round), .stubbornness(let round):
            { inner, committee, _ in Silence(inner: inner, seat: committee.seat, lastRound: round) }
        }
    }
    /// Of complaints.
    var answers: Bool { if case .silence = self { false } else { true } }
}

/// Frames are rewritten on their way out; everything else is the honest link's.
private protocol Deviation: SeatLink {
    var inner: any SeatLink { get }
    func deviate(_ frames: inout [Bytes])
}
extension Deviation {
    func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        var frames = frames
        deviate(&frames)
        return try await inner.exchange(frames, expecting: expecting)
    }
    func post(_ frames: [Bytes]) { inner.post(frames) }
    func next(of seats: [Int], expecting: Int) async throws(MPC.ChannelError) -> (seat: Int, frame: Bytes)? {
        try await inner.next(of: seats, expecting: expecting)
    }
    var arrived: [Bytes?] { inner.arrived }
}

/// Flips one bit of what one seat is sent, once: in the given round, or the first after it in which this seat has something to say.
private final class WrongMessage: Deviation {
    let inner: any SeatLink
    private let seat: Int
    private let wrongRound: Int
    private let bit: Int
    private let state = Mutex((round: 0, isDone: false))

    init(inner: any SeatLink, seat: Int, round: Int, bit: Int) { (self.inner, self.seat, wrongRound, self.bit) = (inner, seat, round, bit) }

    func deviate(_ frames: inout [Bytes]) {
        let victim = (0..<4).filter { $0 != seat && !frames[$0].isEmpty }.max { frames[$0].count < frames[$1].count }
        let strikes = state.withLock { state in
            state.round += 1
            guard state.round >= wrongRound, !state.isDone, victim != nil else { return false }
            state.isDone = true
            return true
        }
        if strikes, let victim {
            let place = bit % (8 * frames[victim].count)
            frames[victim][place / 8] ^= 1 << (place % 8)
        }
    }
}

/// Sends nothing after one round; listens until the session is over.
private final class Silence: SeatLink {
    private let inner: any SeatLink
    private let seat: Int
    private let lastRound: Int
    private let round = Mutex(0)

    init(inner: any SeatLink, seat: Int, lastRound: Int) { (self.inner, self.seat, self.lastRound) = (inner, seat, lastRound) }
    private var others: [Int] { (0..<4).filter { $0 != seat } }

    func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        if round.withLock({
            $0 += 1; return $0
        }) <= lastRound {
            return try await inner.exchange(frames, expecting: expecting)
        }
        while try await inner.next(of: others, expecting: .max) != nil {}
        throw .cancelled
    }
    func post(_ frames: [Bytes]) {
        if round.withLock({
            $0 += 1; return $0
        }) <= lastRound {
            inner.post(frames)
        }
    }
    func next(of seats: [Int], expecting: Int) async throws(MPC.ChannelError) -> (seat: Int, frame: Bytes)? {
        try await inner.next(of: seats, expecting: expecting)
    }
    var arrived: [Bytes?] { inner.arrived }
}

/// Signs a second content for its SEGMENT and tells it to one seat.
private final class Equivocator: Deviation {
    let inner: any SeatLink
    private let committee: SessionRun.Committee
    private let key: PrivateKey
    private let isDone = Mutex(false)

    init(inner: any SeatLink, committee: SessionRun.Committee, key: PrivateKey) {
        (self.inner, self.committee, self.key) = (inner, committee, key)
    }

    func deviate(_ frames: inout [Bytes]) {
        let victim = committee.seat == 0 ? 1 : 0
        // The round of SEGMENT: a claim of that kind in front, the record behind it.
        guard frames[victim].count == SignedClaim.byteCount + 13 * 32, frames[victim][0] == Claim.Kind.segment.rawValue,
            !isDone.withLock({
                let was = $0; $0 = true; return was
            })
        else { return }
        var record = Bytes(frames[victim][SignedClaim.byteCount...])
        record[31] ^= 1  // another last step
        guard let changed = BatchRecord(encoded: record) else { return }
        frames[victim] = committee.forged(.segment, 0, changed.content(after: committee.session), key) + record
    }
}

/// Delivers its shares under a signed claim of another commitment than the one on chain.
private final class FalseInput: Deviation {
    let inner: any SeatLink
    private let committee: SessionRun.Committee
    private let key: PrivateKey
    private let isDone = Mutex(false)

    init(inner: any SeatLink, committee: SessionRun.Committee, key: PrivateKey) {
        (self.inner, self.committee, self.key) = (inner, committee, key)
    }

    func deviate(_ frames: inout [Bytes]) {
        guard
            !isDone.withLock({
                let was = $0; $0 = true; return was
            })
        else { return }
        for p in 0..<4 where p != committee.seat {
            guard let entries = try? RLP.decode(frames[p]).asList, let parts = try? entries.first?.asList,
                let claim = try? parts.first?.asBytes, claim.count == SignedClaim.byteCount
            else { continue }
            let forged = committee.forged(.delivery, U256(bigEndian: claim[1..<33]), keccak256(Bytes("other rows".utf8)), key)
            // The claim stands as it is inside the frame: same length, so its place can be written over.
            guard let at = frames[p].indices.first(where: { frames[p][$0...].starts(with: claim) }) else { continue }
            frames[p].replaceSubrange(at..<at + claim.count, with: forged)
        }
    }
}

extension SessionRun.Committee {
    /// Past the guard that signs a slot once.
    fileprivate func forged(_ kind: Claim.Kind, _ index: U256, _ content: Hash32, _ key: PrivateKey) -> Bytes {
        let claim = Claim(session: session, kind: kind, index: index, content: content)
        return [claim.kind.rawValue] + claim.index.bytes + claim.content.bytes + key.sign(claim.digest(in: signer.domain)).bytes
    }
}
