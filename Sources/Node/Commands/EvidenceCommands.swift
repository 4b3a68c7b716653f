import ArgumentParser
import Ciphers
import Evidence
import Foundation
import Primitives

private func contents(_ path: String) throws -> Bytes {
    do { return Bytes(try Foundation.Data(contentsOf: URL(fileURLWithPath: path))) } catch {
        throw DirectoryError.cannotRead(path, DataDirectory.reason(error))
    }
}

private func write(_ bytes: Bytes, to path: String) throws {
    do { try Foundation.Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
        throw DirectoryError.cannotWrite(path, DataDirectory.reason(error))
    }
}

struct RecordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record", abstract: "Claim something: that it existed, unchanged, by a certain time.", subcommands: [Put.self])

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Record a file by a salted commitment; the file itself stays here, its salt in DIRECTORY/records.")
        @OptionGroup var at: Directory
        @Argument(help: "File to record.") var file: String
        @Option(help: "What it is: a name, or 32 bytes in hex.") var schema = "file"

        func run() async throws {
            let desk = try await at.desk(),
                (id, inclusion) = try await desk.putRecord(
                    try contents(file), schema: schema, fileName: URL(fileURLWithPath: file).lastPathComponent)
            at.say(
                "record \(id), block \(inclusion.block)",
                ["record": JSON(id), "block": .quantity(inclusion.block), "transaction": JSON(inclusion.transaction)])
        }
    }
}

struct EvidenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evidence", abstract: "Write a file that proves a settled job or a record to a court, without any node.")
    @OptionGroup var at: Directory
    @Option(help: "Number of a settled job.") var job: UInt64?
    @Option(help: "Id of a record made from this directory.") var record: String?
    @Option(name: .shortAndLong, help: "File to write.") var output: String

    func run() async throws {
        let desk = try await at.desk(), file: Bytes
        switch (job, record) {
        case (let job?, nil): file = try await desk.evidence(ofJob: job)
        case (nil, let text?):
            guard let id = Hash32(hex: text) else { throw ValidationError("\(text) is no record id: 0x and 64 digits") }
            file = try await desk.evidence(ofRecord: id)
        default: throw ValidationError("say of what: --job N or --record ID")
        }
        try write(file, to: output)
        at.say(
            "\(output): \(file.count) bytes; anybody checks it with: entente verify \(output) --genesis HASH",
            ["file": .string(output), "bytes": .integer(Int64(file.count))])
    }
}

struct StampCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stamp",
        abstract: "Have changes of validators time-stamped (RFC 3161): writes a query for each that has no answer yet in DIRECTORY/tokens.")
    @OptionGroup var at: Directory

    func run() async throws {
        let changes = try await at.desk().stamp()
        let lines = changes.map { change in
            change.query.map {
                "block \(change.block): curl -fsS -H 'Content-Type: application/timestamp-query' --data-binary @\($0) -o \(change.reply) AUTHORITY"
            }
                ?? "block \(change.block): answered, \(change.reply)"
        }
        at.say(
            lines.isEmpty ? "no change of validators yet" : lines.joined(separator: "\n"),
            .array(
                changes.map { change in
                    [
                        "block": .quantity(change.block), "hash": JSON(change.hash), "query": change.query.map { .string($0) } ?? .null,
                        "reply": .string(change.reply),
                    ]
                }))
    }
}

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check an evidence file, offline: one line a step; exit code 1 at the first that fails.")
    @Argument(help: "Evidence file.") var file: String
    @Option(help: "Genesis hash of the alliance, from a source other than the file.") var genesis: String?
    @Option(name: .customLong("file"), help: "Original of the recorded content, to be compared.") var original: String?
    @Option(help: "Certificates (PEM) of the time-stamp authorities that you trust; without it tokens are not checked.") var tsaRoots:
        String?
    @Option(help: "Write the verdict as a page for people, in HTML.") var page: String?
    @Flag(help: "Machine-readable output.") var json = false

    func run() async throws {
        let expected = try genesis.map { text -> Hash32 in
            guard let hash = Hash32(hex: text) else { throw ValidationError("\(text) is no hash: 0x and 64 digits") }
            return hash
        }
        let evidence = try contents(file)
        let authorities = try tsaRoots.map { path in
            do { return try TimeStampAuthorities(pem: try contents(path)) } catch is TimeStampError {
                throw ValidationError("\(path) holds no certificate in PEM form")
            }
        }
        let verdict = Evidence.verify(evidence, expectedGenesis: expected, original: try original.map(contents), authorities: authorities)
        if let page { try write(Bytes(verdict.page(of: evidence, named: URL(fileURLWithPath: file).lastPathComponent).utf8), to: page) }
        print(json ? verdict.json.text : verdict.text)
        if !verdict.isValid { throw ExitCode(1) }
    }
}

extension Verdict {
    /// A line a step, then the verdict.
    package var text: String {
        let end =
            failure.map { "NOT VALID: step \(steps.last?.row ?? "") fails with \($0); nothing after it is claimed" }
            ?? "valid: every step holds"
        return (steps.map(\.text) + [Verdict.printable(end)]).joined(separator: "\n")
    }
    package var json: JSON {
        [
            "valid": .bool(isValid),
            "steps": .array(
                steps.map { step in
                    [
                        "row": .string(step.row), "title": .string(step.title), "ok": .bool(step.holds),
                        "details": .array(step.details.map { .string($0) }),
                        "failure": step.failure.map { .string("\($0)") } ?? .null,
                    ]
                }),
        ]
    }
}
