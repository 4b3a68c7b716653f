import Ciphers
import Evidence
import Foundation
import Primitives

// Chapter 12: a court checks everything offline.

extension DemoRun {
    func court() async throws {
        report.begin("12. Court")
        guard let genesis = try await desk("north").ledger.block(0)?["hash"]?.asHash else { throw DemoError.timeout("the genesis block") }
        let court = nodes.path("court")
        try FileManager.default.createDirectory(atPath: court, withIntermediateDirectories: true)
        let settlement = try await researcher.evidence(ofJob: firstAnswer!.0.job)
        let photo = randomBytes(100_000)
        let (id, sent) = try await desk("laboratory").putRecord(photo, schema: "entente/report/v1", fileName: "report.pdf")
        let record = try await desk("laboratory").evidence(ofRecord: id)
        try write(settlement, "\(court)/job-1.evidence")
        try write(record, "\(court)/record.evidence")
        report.say(
            "job-1.evidence \(settlement.count >> 10) KiB; the record of block \(sent.block), made after the newcomer validates, \(record.count >> 10) KiB"
        )
        for name in ["job-1.evidence", "record.evidence"] {
            let verdict = try verify(name, genesis, in: court)
            let steps = verdict.steps.count
            try report.check(
                name == "job-1.evidence" ? "evidence-valid" : "evidence-follows-validators",
                "entente verify \(name), in an empty directory without network: \(steps) steps green", verdict.code == 0 && steps > 5,
                seen: verdict.failure ?? "\(steps) steps")
            if name == "record.evidence" { evidenceSteps += verdict.steps } else { evidenceSteps = verdict.steps }
        }
        // One character of an attestation, then one of the committed root's leaf: each is named by its own step.
        var located: [String] = []
        for (name, bytes) in [("job-1.evidence", settlement), ("record.evidence", record)] {
            guard let changed = tamper(bytes, after: name == "job-1.evidence" ? "\"attestations\":[" : "\"salt\":\"") else {
                throw DemoError.checkFailed("evidence-tamper-located", "nothing to change in \(name)")
            }
            try write(changed, "\(court)/changed.evidence")
            let verdict = try verify("changed.evidence", genesis, in: court)
            guard verdict.code != 0, let failure = verdict.failure else {
                throw DemoError.checkFailed("evidence-tamper-located", "a changed \(name) was accepted")
            }
            located.append(failure)
        }
        try report.check(
            "evidence-tamper-located", "one byte changed: \(located.joined(separator: " and ")), exit code 1", located.count == 2,
            seen: located.joined(separator: ", "))
    }

    private func write(_ bytes: Bytes, _ path: String) throws { try Foundation.Data(bytes).write(to: URL(fileURLWithPath: path)) }

    /// Changes one hexadecimal digit well behind the first place of `marker`.
    private func tamper(_ file: Bytes, after marker: String) -> Bytes? {
        guard let range = String(decoding: file, as: UTF8.self).range(of: marker) else { return nil }
        var changed = file
        var at = String(decoding: file, as: UTF8.self).utf8.distance(from: "".startIndex, to: range.upperBound) + 12
        while at < changed.count, !(48...57).contains(changed[at]) { at += 1 }
        guard at < changed.count else { return nil }
        changed[at] = changed[at] == 49 ? 50 : 49
        return changed
    }

    /// The program itself, as a court would run it: another process, an empty environment.
    private func verify(
        _ file: String, _ genesis: Hash32, in directory: String
    ) throws -> (code: Int32, failure: String?, steps: [(step: String, isOK: Bool)]) {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: nodes.program)
        process.arguments = ["verify", file, "--genesis", genesis.description, "--json"]
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.environment = [:]
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let steps = (try JSON(parsing: Bytes(text)))["steps"]?.asArray ?? []
        let failure = steps.lazy.compactMap { step in step["failure"]?.asString.map { "step \(step["row"]?.asString ?? "?"): \($0)" } }
            .first
        return (
            process.terminationStatus, failure,
            steps.map { (step: "\($0["row"]?.asString ?? "")  \($0["title"]?.asString ?? "")", isOK: $0["ok"]?.asBool ?? false) }
        )
    }
}
