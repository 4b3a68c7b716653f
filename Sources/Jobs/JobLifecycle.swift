import Contracts
import Primitives

/// One job as one member lives it: what it owes next, given what the chain said and what its own work brought.
///
/// A pure machine (job-protocol.md §3, §7): no clock, no socket. The driver feeds it events of the chain, results of its own work
/// and the chain's time, and carries out the effects. Windows are limits, not waits: nothing here is slower for them unless somebody
/// is at fault. Deadlines are the chain's: whatever happens to this member, `advance` ends the job.
///
///     evaluating ──accept──▶ preparing ──inputs──▶ joining ──Ready──▶ computing ──settlement──▶ settling ──Settled──▶ ended
///         │refuse                                        │foreign key │failure
///         ▼                                              ▼            ▼
///      declined                                        leaving     accusing ──AttemptEnded──▶ failing ──until──▶ advance
///
/// **Silence.** A seat that holds one round up for `silence` seconds is complained of; so is one whose link broke. Whoever is
/// complained of answers. From the end of an open complaint's window on `advance` charges the silent.
///
/// **Restart.** A process computes only under a key that it made itself. One that comes back after a restart finds its member's
/// seat bound to a key that it does not hold: it cannot know what that key signed, so it leaves (H1).
package struct JobLifecycle: Sendable {
    package enum Phase: Sendable, Equatable {
        case evaluating, preparing, joining, seated, computing, settling, accusing, leaving, failing, declined
        case ended(Outcome)

        /// One word, for whoever watches.
        package var name: String {
            if case .ended(let outcome) = self { outcome.rawValue } else { "\(self)" }
        }
    }
    package enum Outcome: String, Sendable { case settled, refunded }

    package enum Input: Sendable {
        /// This member's own verdict on the order (H7, H8). `silence`: seconds for which a seat may hold up one round.
        case accepted(silence: UInt64), refused
        /// Inputs are dealt, keys of fingerprints agreed; `key` is the attempt's own, new.
        case prepared(key: Address)
        case joined
        case computed, failed
        /// Of the chain. `bound`: our member's seat and inputs, to this key.
        case bound(attempt: UInt8, key: Address)
        case ready(attempt: UInt8, session: Hash32)
        case complained(Complaint, ofUs: Bool), answered
        case attemptEnded(next: JobState, attempt: UInt8, until: UInt64)
        case settled, refunded
        /// Time of the newest block, or of the wall clock where that is later: blocks may rest.
        case moment(UInt64)
        /// A seat holds up round `round` at that moment.
        case held(by: Int, round: Int, UInt64)
    }
    package enum Effect: Sendable, Equatable {
        case evaluate
        case decline
        case prepare(attempt: UInt8)
        case join(attempt: UInt8)
        case compute(session: Hash32)
        /// The session is over: no further message.
        case stop
        case settle
        /// The failure's proof, or the complaint that it calls for.
        case accuse
        case complain(of: Int)
        case answer(Complaint)
        case leave(attempt: UInt8)
        case advance
    }

    package let job: U256
    package private(set) var phase = Phase.evaluating
    package private(set) var attempt: UInt8 = 1
    /// The moment from which `advance` ends the state that the job is in, or charges a silence.
    package private(set) var due: UInt64
    package let deadline: UInt64
    /// Members wait this long for each other before they pay for the same call.
    package let patience: UInt64
    /// The key that this process made for this attempt, and the one that the chain bound to our seat.
    private var own: Address?, bound: Address?
    /// The last attempt whose session was fixed: it is entered or left once.
    private var started: UInt8 = 0
    private var silence: UInt64 = 60
    private var heldUp: (round: Int, since: UInt64)?
    private var complaint: (Complaint, ofUs: Bool)?
    private var advancedAt: UInt64?, repeatAt: UInt64?

    /// - Parameters:
    ///   - until: end of seating. - deadline: end of the job; nothing ever moves it.
    ///   - patience: seconds after a due moment before this member calls `advance`: 0 for the first seat.
    package static func open(job: U256, until: UInt64, deadline: UInt64, patience: UInt64) -> (JobLifecycle, [Effect]) {
        (JobLifecycle(job: job, due: until, deadline: deadline, patience: patience), [.evaluate])
    }
    private init(job: U256, due: UInt64, deadline: UInt64, patience: UInt64) {
        (self.job, self.due, self.deadline, self.patience) = (job, due, deadline, patience)
    }

    package var isOver: Bool { if case .ended = phase { true } else { false } }
    /// The seat of the running attempt is ours to speak for.
    private var holdsKey: Bool { own != nil && own == bound }

    package mutating func on(_ input: Input) -> [Effect] {
        if isOver { return [] }
        switch input {
        case .accepted(let silence): return onAccepted(silence)
        case .refused: return move(from: .evaluating, to: .declined, [.decline])
        case .prepared(let key): return onPrepared(key)
        case .joined: return move(from: .joining, to: .seated, [])
        case .computed: return move(from: .computing, to: .settling, [.settle])
        case .failed: return onFailed()
        case .bound(let attempt, let key): if attempt == self.attempt { bound = key }; return []
        case .ready(let attempt, let session): return onReady(attempt, session)
        case .complained(let complaint, let ofUs): return onComplained(complaint, ofUs)
        case .answered: return onAnswered()
        case .attemptEnded(let next, let attempt, let until): return onAttemptEnded(next, attempt, until)
        case .settled: return end(.settled)
        case .refunded: return end(.refunded)
        case .moment(let now): return onMoment(now)
        case .held(let seat, let round, let now): return onHeld(seat, round, now)
        }
    }

    private mutating func move(from: Phase, to: Phase, _ effects: [Effect]) -> [Effect] {
        guard phase == from else { return [] }
        phase = to
        return effects
    }
    private mutating func onAccepted(_ silence: UInt64) -> [Effect] {
        self.silence = max(1, silence)
        return move(from: .evaluating, to: .preparing, [.prepare(attempt: attempt)])
    }
    private mutating func onPrepared(_ key: Address) -> [Effect] {
        guard phase == .preparing else { return [] }
        own = key
        return move(from: .preparing, to: .joining, [.join(attempt: attempt)])
    }

    /// The last join fixes the session; our own may be the last, and its inclusion known only afterwards.
    private mutating func onReady(_ attempt: UInt8, _ session: Hash32) -> [Effect] {
        guard attempt == self.attempt, attempt > started else { return [] }
        (started, due) = (attempt, deadline)
        guard holdsKey else { return leave() }
        phase = .computing
        return [.compute(session: session)]
    }
    private mutating func leave() -> [Effect] {
        phase = .leaving
        repeatAt = nil
        return [.leave(attempt: attempt)]
    }

    /// Work failed: before the join nothing is owed but silence until the refund; in the session the failure is judged.
    private mutating func onFailed() -> [Effect] {
        switch phase {
        case .computing:
            repeatAt = nil
            return move(from: .computing, to: .accusing, [.stop, .accuse])
        case .preparing, .joining: phase = .failing; return []
        default: return []
        }
    }

    private mutating func onAttemptEnded(_ next: JobState, _ attempt: UInt8, _ until: UInt64) -> [Effect] {
        let wasComputing = phase == .computing
        due = until
        (advancedAt, complaint, heldUp, repeatAt) = (nil, nil, nil, nil)
        guard next == .seating else {
            // A settlement that all have attested still goes through within the grace.
            if phase != .settling { phase = .failing }
            return wasComputing ? [.stop] : []
        }
        self.attempt = attempt
        (own, bound) = (nil, nil)
        phase = .preparing
        return (wasComputing ? [.stop] : []) + [.prepare(attempt: attempt)]
    }

    private mutating func end(_ outcome: Outcome) -> [Effect] {
        let wasComputing = phase == .computing
        phase = .ended(outcome)
        return wasComputing ? [.stop] : []
    }

    // MARK: silence

    private mutating func onHeld(_ seat: Int, _ round: Int, _ now: UInt64) -> [Effect] {
        guard phase == .computing, complaint == nil else { return [] }
        guard let held = heldUp, held.round == round else {
            heldUp = (round, now)
            return []
        }
        guard now >= held.since + silence + patience else { return [] }
        heldUp = (round, now)
        return [.complain(of: seat)]
    }

    private mutating func onComplained(_ complaint: Complaint, _ ofUs: Bool) -> [Effect] {
        guard complaint.attempt == attempt else { return [] }
        self.complaint = (complaint, ofUs)
        (due, advancedAt, repeatAt) = (min(complaint.until, deadline), nil, nil)
        return ofUs && holdsKey ? [.answer(complaint)] : []
    }
    private mutating func onAnswered() -> [Effect] {
        (complaint, heldUp, advancedAt, repeatAt) = (nil, nil, nil, nil)
        due = deadline
        // Our run is over: nobody else can say what is missing, and others will soon miss us.
        return phase == .accusing ? [.accuse] : []
    }

    /// What is due, once per due moment and again every ten seconds while nothing comes of it; and what was refused or lost before.
    private mutating func onMoment(_ now: UInt64) -> [Effect] {
        var effects: [Effect] = []
        if now >= due + patience, now >= (advancedAt ?? 0) + 10 || advancedAt == nil {
            advancedAt = now
            effects.append(.advance)
        }
        guard let again else {
            repeatAt = nil
            return effects
        }
        if let moment = repeatAt, now >= moment { effects.append(again.effect) }
        if repeatAt.map({ now >= $0 }) ?? true { repeatAt = now + again.seconds }
        return effects
    }
    /// What is done again until the chain says that it is through.
    private var again: (effect: Effect, seconds: UInt64)? {
        if let (complaint, ofUs) = complaint { return ofUs && holdsKey ? (.answer(complaint), 2) : nil }
        switch phase {
        case .accusing: return (.accuse, silence + patience)
        case .leaving: return (.leave(attempt: attempt), 2)
        default: return nil
        }
    }
}

/// A complaint as the chain tells it (job-protocol.md §7).
package struct Complaint: Sendable, Equatable {
    package let attempt: UInt8
    package let accuser: Address
    package let accused: Address
    package let kind: Claim.Kind
    package let index: U256
    /// Moment from which silence is charged.
    package let until: UInt64
    package let transaction: Hash32

    package init(attempt: UInt8, accuser: Address, accused: Address, kind: Claim.Kind, index: U256, until: UInt64, transaction: Hash32) {
        (self.attempt, self.accuser, self.accused, self.kind) = (attempt, accuser, accused, kind)
        (self.index, self.until, self.transaction) = (index, until, transaction)
    }
}
