import Primitives

/// What whoever may look can see of a job at one member while it runs: phases, rows and bytes, never a value.
package struct JobProgress: Sendable {
    package struct Moment: Sendable {
        package let milliseconds: UInt64
        package let what: String
    }
    package internal(set) var job: U256
    package internal(set) var phase = "evaluating"
    /// Of the session.
    package private(set) var stage = ""
    package internal(set) var rows = 0
    /// Bytes and rounds of a session that is over.
    private var passed = (bytesOut: 0, bytesIn: 0, rounds: 0)
    package var figures: (bytesOut: Int, bytesIn: Int, rounds: Int) { channel.map { ($0.bytes.out, $0.bytes.in, $0.rounds) } ?? passed }
    /// Stages of the session in order, each with the bytes that had been sent when it began.
    private var stages: [(name: String, before: Int)] = []
    mutating func enter(_ stage: String) {
        if stages.contains(where: { $0.name == stage }) { stages = [] }  // another attempt
        self.stage = stage
        stages.append((stage, figures.bytesOut))
    }
    /// Bytes that this member sent in each stage.
    package var sent: [(stage: String, bytes: Int)] {
        zip(stages, stages.dropFirst().map(\.before) + [figures.bytesOut]).map { ($0.name, $1 - $0.before) }
    }
    mutating func leaveChannel() { (passed, channel) = (figures, nil) }
    /// Rounds that the plan's steps take; the session's own come on top.
    package internal(set) var plannedRounds = 0
    /// Accounts at the seats.
    package internal(set) var seats: [Address] = []
    /// Of the session while it runs.
    var channel: SeatChannel?
    /// Members that hold the round up at this moment.
    package var waitingFor: [Address] { channel?.waitingFor.map { seats[$0] } ?? [] }
    package internal(set) var refusal: String?
    package internal(set) var moments: [Moment] = []

    init(job: U256) { self.job = job }

    static let maximumMoments = 256
    mutating func note(_ what: String, at milliseconds: UInt64) {
        if moments.count < Self.maximumMoments { moments.append(Moment(milliseconds: milliseconds, what: what)) }
    }

    package var json: JSON {
        [
            "job": .string(job.decimal), "phase": .string(phase), "stage": .string(stage), "rows": .integer(Int64(rows)),
            "bytesOut": .integer(Int64(figures.bytesOut)),
            "bytesIn": .integer(Int64(figures.bytesIn)), "rounds": .integer(Int64(figures.rounds)),
            "plannedRounds": .integer(Int64(plannedRounds)), "waitingFor": .array(waitingFor.map { JSON($0) }),
            "refusal": refusal.map { .string($0) } ?? .null,
            "sent": .array(sent.map { ["stage": .string($0.stage), "bytes": .integer(Int64($0.bytes))] }),
            "moments": .array(moments.map { ["at": .integer(Int64($0.milliseconds)), "what": .string($0.what)] }),
        ]
    }
}
