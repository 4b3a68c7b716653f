import Evidence
import Foundation
import Primitives
import Testing

/// `tools/verify.py`, written from the specification alone: whatever our verifier says of a file, it must say too.
struct ForeignVerifier {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let python: String? = {
        let places = [ProcessInfo.processInfo.environment["ENTENTE_PYTHON"], "\(root.path)/.venv/bin/python"].compactMap { $0 }
        let found = places.first { FileManager.default.isExecutableFile(atPath: $0) }
        if found == nil { print("SKIPPED: the independent verifier (no python in ENTENTE_PYTHON or .venv; tools/python makes one)") }
        return found
    }()
    private struct Question {
        let file: Bytes, genesis: Hash32, original: Bytes?, roots: String?, verdict: Verdict, label: String
    }
    private var questions: [Question] = []

    mutating func note(
        _ file: Bytes, _ genesis: Hash32, original: Bytes? = nil, roots: String? = nil, _ verdict: Verdict, _ label: String = ""
    ) {
        questions.append(Question(file: file, genesis: genesis, original: original, roots: roots, verdict: verdict, label: label))
    }

    /// Asks about everything noted, in one process.
    func compare(_ place: SourceLocation = #_sourceLocation) throws {
        guard let python = Self.python else { return }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("entente-foreign-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { _ = try? FileManager.default.removeItem(at: folder) }
        for (i, question) in questions.enumerated() {
            try Data(question.file).write(to: folder.appendingPathComponent("\(i).evidence"))
            if let original = question.original { try Data(original).write(to: folder.appendingPathComponent("\(i).original")) }
            try Data(Bytes("\(question.genesis)\n\(question.roots ?? "")".utf8)).write(to: folder.appendingPathComponent("\(i).genesis"))
        }
        let script = """
            import json, os, sys
            sys.path.insert(0, sys.argv[1]); folder = sys.argv[2]
            sys.dont_write_bytecode = True
            import verify
            read = lambda i, kind: open(f"{folder}/{i}.{kind}", "rb").read()
            for i in range(int(sys.argv[3])):
                genesis, roots = read(i, "genesis").decode().split("\\n")
                original = read(i, "original") if os.path.exists(f"{folder}/{i}.original") else None
                print(json.dumps(verify.verify(read(i, "evidence"), bytes.fromhex(genesis[2:]), original, roots or None)[-1]))
            """
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-c", script, Self.root.appendingPathComponent("tools").path, folder.path, "\(questions.count)"]
        process.standardOutput = pipe
        try process.run()
        let said = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, sourceLocation: place)
        let answers = try String(decoding: said, as: UTF8.self).split(separator: "\n").map { try JSON(parsing: Bytes($0.utf8)) }
        #expect(answers.count == questions.count, sourceLocation: place)
        for (question, answer) in zip(questions, answers) {
            let row = answer[0]?.asString, failure = answer[1]?.asString
            #expect(
                row == question.verdict.steps.last?.row && Self.name(failure) == Self.name(question.verdict.failure.map { "\($0)" }),
                "\(question.label): the independent verifier says \(row ?? "") \(failure ?? "holds"), ours \(question.verdict.steps.last?.row ?? "") \(question.verdict.failure.map { "\($0)" } ?? "holds")",
                sourceLocation: place)
        }
    }

    /// Name and values in brackets; of a malformed file the name: which of several faults comes first is nobody's rule.
    private static func name(_ failure: String?) -> Substring? {
        failure?.prefix { $0 != ":" && !(failure!.hasPrefix("malformed") && $0 == "(") }
    }

    /// Exit code and words of the command itself.
    static func run(_ file: Bytes, _ options: [String]) throws -> (code: Int32, text: String) {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-\(UUID().uuidString).evidence")
        try Data(file).write(to: path)
        defer { _ = try? FileManager.default.removeItem(at: path) }
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: python ?? "")
        process.arguments = ["-B", root.appendingPathComponent("tools/verify.py").path, path.path] + options
        process.standardOutput = pipe
        try process.run()
        let said = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: said, as: UTF8.self))
    }
}

@Test(.enabled(if: ForeignVerifier.python != nil)) func theIndependentVerifierIsACommand() throws {
    let (world, file) = try World.record(), good = try ForeignVerifier.run(file.encoded, ["--genesis", "\(world.genesisHash)"])
    #expect(good.code == 0 && good.text.hasSuffix("block 4: its change of validators is not covered by a token\n"))
    let bad = try ForeignVerifier.run(file.encoded, ["--genesis", "\(Hash32.zero)", "--json"])
    #expect(try bad.code == 1 && JSON(parsing: bad.text)["steps"]?[1]?["failure"]?.asString == "foreignGenesis")
}
