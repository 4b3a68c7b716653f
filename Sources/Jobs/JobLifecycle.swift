import Contracts
import Primitives

/// One job as one member lives it: what it owes next, given what the chain said and what its own work brought.
///
/// A pure machine (job-protocol.md §3): no clock, no socket. The driver feeds it events of the chain, results of its own work and
/// the chain's time, and carries out the effects. Windows are limits, not waits: nothing here is slower for them unless somebody
/// is at fault. Deadlines are the chain's: whatever happens to this member, `advance` ends the job.
///
///     evaluating ──accept──▶ preparing ──inputs──▶ joining ──Ready──▶ computing ──settlement──▶ settling ──Settled──▶ ended
///         │refuse                                                     │failure
///         ▼                                                           ▼
///      declined                                                    accusing ──AttemptEnded──▶ failing ──until──▶ advance
package struct JobLifecycle: Sendable {
    package enum Phase: Sendable, Equatable {
        case evaluating, preparing, joining, seated, computing, settling, accusing, failing, declined
        case ended(Outcome)

        /// One word, for whoever watches.
        package var name: String {
            if case .ended(let outcome) = self { outcome.rawValue } else { "\(self)" }
        }
    }
    package enum Outcome: String, Sendable { case settled, refunded }

    package enum Input: Sendable {
        /// This member's own verdict on the order (H7, H8).
        case accepted, refused(reason: Hash32)
        /// Inputs are dealt, keys of fingerprints agreed.
        case prepared
        case joined
        case computed, failed
        /// Of the chain.
        case ready(attempt: UInt8, session: Hash32)
        case attemptEnded(next: JobState, attempt: UInt8, until: UInt64)
        case settled, refunded
        /// Time of the newest block, or of the wall clock where that is later: blocks may rest.
        case moment(UInt64)
    }
    package enum Effect: Sendable, Equatable {
        case evaluate
        case decline(reason: Hash32)
        case prepare(attempt: UInt8)
        case join(attempt: UInt8)
        case compute(session: Hash32)
        /// The session is over: no further message.
        case stop
        case settle
        case accuse
        case advance
    }

    package let job: U256
    package private(set) var phase = Phase.evaluating
    package private(set) var attempt: UInt8 = 1
    /// The moment from which `advance` ends the state that the job is in.
    package private(set) var due: UInt64
    package let deadline: UInt64
    /// Members wait this long for each other before they pay for the same call.
    package let patience: UInt64
    private var advancedAt: UInt64?

    /// - Parameters:
    ///   - until: end of seating. - deadline: end of the job; nothing ever moves it.
    ///   - patience: seconds after a due moment before this member calls `advance`: 0 for the first seat.
    package static func open(job: U256, until: UInt64, deadline: UInt64, patience: UInt64) -> (JobLifecycle, [Effect]) {
        (JobLifecycle(job: job, due: until, deadline: deadline, patience: patience), [.evaluate])
    }
    private init(job: U256, due: UInt64, deadline: UInt64, patience: UInt64) { (self.job, self.due, self.deadline, self.patience) = (job, due, deadline, patience) }

    package var isOver: Bool { if case .ended = phase { true } else { false } }

    package mutating func on(_ input: Input) -> [Effect] {
        if isOver { return [] }
        switch input {
        case .accepted: return onAccepted()
        case .refused(let reason): return onRefused(reason)
        case .prepared: return move(from: .preparing, to: .joining, [.join(attempt: attempt)])
        case .joined: return move(from: .joining, to: .seated, [])
        case .computed: return move(from: .computing, to: .settling, [.settle])
        case .failed: return onFailed()
        case .ready(let attempt, let session): return onReady(attempt, session)
        case .attemptEnded(let next, let attempt, let until): return onAttemptEnded(next, attempt, until)
        case .settled: return end(.settled)
        case .refunded: return end(.refunded)
        case .moment(let now): return onMoment(now)
        }
    }

    private mutating func move(from: Phase, to: Phase, _ effects: [Effect]) -> [Effect] {
        guard phase == from else { return [] }
        phase = to
        return effects
    }
    private mutating func onAccepted() -> [Effect] { move(from: .evaluating, to: .preparing, [.prepare(attempt: attempt)]) }
    private mutating func onRefused(_ reason: Hash32) -> [Effect] { move(from: .evaluating, to: .declined, [.decline(reason: reason)]) }

    /// The last join fixes the session; our own may be the last, and its inclusion known only afterwards.
    private mutating func onReady(_ attempt: UInt8, _ session: Hash32) -> [Effect] {
        guard attempt == self.attempt, phase == .seated || phase == .joining else { return [] }
        phase = .computing
        due = deadline
        return [.compute(session: session)]
    }

    /// Work failed: before the join nothing is owed but silence until the refund; in the session the failure is judged.
    private mutating func onFailed() -> [Effect] {
        switch phase {
        case .computing: return move(from: .computing, to: .accusing, [.stop, .accuse])
        case .preparing, .joining: phase = .failing; return []
        default: return []
        }
    }

    private mutating func onAttemptEnded(_ next: JobState, _ attempt: UInt8, _ until: UInt64) -> [Effect] {
        let wasComputing = phase == .computing
        due = until
        advancedAt = nil
        guard next == .seating else {
            // A settlement that all have attested still goes through within the grace.
            if phase != .settling { phase = .failing }
            return wasComputing ? [.stop] : []
        }
        self.attempt = attempt
        phase = .preparing
        return (wasComputing ? [.stop] : []) + [.prepare(attempt: attempt)]
    }

    private mutating func end(_ outcome: Outcome) -> [Effect] {
        let wasComputing = phase == .computing
        phase = .ended(outcome)
        return wasComputing ? [.stop] : []
    }

    /// Once per due moment, and again every ten seconds while nothing comes of it.
    private mutating func onMoment(_ now: UInt64) -> [Effect] {
        guard now >= due + patience, now >= (advancedAt ?? 0) + 10 || advancedAt == nil else { return [] }
        advancedAt = now
        return [.advance]
    }
}
