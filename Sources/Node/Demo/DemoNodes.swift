import Client
import Foundation
import Primitives

/// The processes of the demonstration: one `entente up` for each organisation, in a directory of its own. Whatever happens, none is
/// left behind.
final class DemoNodes {
    let root: String
    private var processes: [String: Process] = [:]
    private var lifelines: [String: Pipe] = [:]
    let program: String

    init(root: String) {
        self.root = root
        program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }
    deinit { stopAll() }

    func path(_ name: String) -> String { "\(root)/\(name)" }
    /// Beside the directories, so that it stays when they go.
    var pagePath: String { root + ".html" }
    var names: [String] { processes.keys.sorted() }

    /// Starts a node and waits until its ports are open. Ports are the system's choice: no run depends on luck.
    func start(_ name: String, _ arguments: [String]) async throws {
        let directory = DataDirectory(path(name))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["up", path(name), "--until-input-ends"] + arguments
        // A crash must show at once: a backtrace of this program takes minutes.
        process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
        let output = directory.file("output.txt")
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = process.standardOutput
        // Its end of input is our end, however we end. No other node may inherit the writing side.
        let lifeline = Pipe()
        for handle in [lifeline.fileHandleForReading, lifeline.fileHandleForWriting] {
            _ = fcntl(handle.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
        process.standardInput = lifeline
        try process.run()
        (processes[name], lifelines[name]) = (process, lifeline)
        for _ in 0..<1_000 {
            guard process.isRunning else {
                throw DemoError.nodeDied(
                    name, log: String(decoding: FileManager.default.contents(atPath: output) ?? .init(), as: UTF8.self))
            }
            if let ports = try? directory.readJSON("ports.json"), ports["process"]?.asInt == Int(process.processIdentifier) { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw DemoError.timeout("\(name) to open its ports")
    }
    func peerPort(_ name: String) throws -> Int { try DataDirectory(path(name)).readJSON("ports.json")["peer"]?.asInt ?? 0 }
    func rpcURL(_ name: String) throws -> String {
        "http://127.0.0.1:\(try DataDirectory(path(name)).readJSON("ports.json")["rpc"]?.asInt ?? 0)"
    }

    /// kill -9.
    func kill(_ name: String) {
        guard let process = processes.removeValue(forKey: name) else { return }
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
    func stopAll() {
        for process in processes.values where process.isRunning { process.terminate() }
        for process in processes.values {
            for _ in 0..<100 where process.isRunning { usleep(20_000) }
            if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
        }
        processes = [:]
    }
    var residentBytes: Int {
        processes.values.reduce(0) { sum, process in
            let status = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
            return sum + (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) * 1024
        }
    }
}
