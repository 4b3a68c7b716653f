import ArgumentParser
import Compute
import Contracts
import Foundation
import Primitives

struct Ask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ask one SQL question over members' tables; pay for the answer.")
    @OptionGroup var at: Directory
    @Argument(help: "The question.") var question: String
    @Option(help: "Purpose: read, aggregate, train, infer, match, audit.") var purpose = "aggregate"
    @Flag(help: "Only say what would be done, who learns what, and what it costs.") var explain = false
    @Flag(help: "Ask the owners for the grants that are missing.") var request = false

    func run() async throws {
        guard let purpose = Purpose(rawValue: purpose) else {
            throw ValidationError("\(purpose) is no purpose: read, aggregate, train, infer, match, audit")
        }
        let desk = try await at.desk(), prepared = try await desk.prepare(question, purpose: purpose)
        if explain {
            at.say(prepared.explanation, ["plan": prepared.plan.json, "fee": .string(prepared.fee.decimal)])
            return
        }
        if !prepared.missing.isEmpty {
            guard request else { throw AskError.refused(prepared.missing) }
            for missing in prepared.missing { try await desk.request(missing.listing, purpose: purpose) }
            at.say(
                "asked \(prepared.missing.map(\.owner).joined(separator: ", ")) for consent; ask again when they gave it",
                ["requested": .array(prepared.missing.map { .string($0.listing.schema.name) })])
            return
        }
        let opened = try await desk.open(prepared)
        if !at.json { print("job \(opened.job): \(Desk.money(opened.fee)) in escrow") }
        switch try await desk.wait(for: opened, progress: { state in if !at.json { print("  \(state)") } }) {
        case .answered(let answer, _):
            at.say(
                answer.table,
                [
                    "job": .integer(Int64(opened.job)), "columns": .array(answer.columns.map { .string($0) }),
                    "rows": .array(answer.rows.map { .array($0.map { .string($0.printed) }) }),
                    "hidden": .integer(Int64(answer.hiddenGroups)),
                ])
        case .refunded(let reason): throw AskOutcome.refunded(job: opened.job, reason: reason)
        }
    }
}

enum AskOutcome: Error, CustomStringConvertible {
    case refunded(job: UInt64, reason: String)
    var description: String {
        switch self {
        case .refunded(let job, let reason): "job: \(job) was refunded in full: \(reason)"
        }
    }
}

struct Job: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One job's story: data events and money events on one timeline, from the chain.")
    @OptionGroup var at: Directory
    @Argument(help: "Number of the job.") var number: UInt64

    func run() async throws {
        let desk = try await at.desk(), story = try await desk.story(of: number)
        at.say(
            story.map { "block \($0.block)  \($0.text)" }.joined(separator: "\n"),
            .array(story.map { ["block": .quantity($0.block), "event": .string($0.event), "text": .string($0.text)] }))
    }
}
