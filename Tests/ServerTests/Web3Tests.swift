import Foundation
import Server
import Testing

/// The real web3.py against the server, reads only; `Tests/web3/ledger.py` says how it runs against a real node.
@Suite(.timeLimit(.minutes(2))) struct Web3Tests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let python: String? = {
        var places = ["\(root.path)/.venv/bin/python", "\(root.path)/../venv/bin/python"]
        if let named = ProcessInfo.processInfo.environment["ENTENTE_PYTHON"] { places.insert(named, at: 0) }
        let found = places.first { FileManager.default.isExecutableFile(atPath: $0) }
        if found == nil { print("SKIPPED: web3.py against the server (no python with web3 in ENTENTE_PYTHON, .venv or ../venv)") }
        return found
    }()

    @Test(.enabled(if: python != nil)) func web3ReadsAChainOfOurs() async throws {
        var configuration = RPCServer.Configuration(clientVersion: "entente/test")
        configuration.port = 0
        let server = try await RPCServer.bind(configuration, ledger: FakeLedger())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let script = Process(), output = Pipe()
            script.executableURL = URL(fileURLWithPath: try #require(Self.python))
            script.arguments = [Self.root.appendingPathComponent("Tests/web3/ledger.py").path, "http://127.0.0.1:\(server.port)"]
            (script.standardOutput, script.standardError) = (output, output)
            let status = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Int32, any Error>) in
                script.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
                do { try script.run() } catch { continuation.resume(throwing: error) }
            }
            let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            #expect(status == 0, "\(said)")
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}
