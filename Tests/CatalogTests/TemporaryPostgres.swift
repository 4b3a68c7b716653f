import Foundation

/// A real PostgreSQL in a temporary directory on a free port, as an unprivileged user, for one test.
final class TemporaryPostgres {
    let port: Int
    private let directory: String
    private let asUser: [String]
    private let binaries = "/usr/lib/postgresql/15/bin"
    private var running = false

    struct Failure: Error { let message: String }

    var conninfo: String { "host=127.0.0.1 port=\(port) user=entente dbname=postgres" }

    init() throws {
        guard FileManager.default.fileExists(atPath: "\(binaries)/initdb") else {
            throw Failure(message: "PostgreSQL 15 is missing: apt-get install postgresql-15")
        }
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("entente-pg-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        asUser = getuid() == 0 ? ["/usr/sbin/runuser", "-u", "postgres", "--"] : []
        if getuid() == 0 { try Self.execute(["/bin/chown", "postgres", directory]) }
        port = Self.freePort()
        try Self.execute(
            asUser + [
                "\(binaries)/initdb", "-D", "\(directory)/data", "-U", "entente", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C",
            ])
        try Self.execute(
            asUser + [
                "\(binaries)/pg_ctl", "-D", "\(directory)/data", "-w", "-l", "\(directory)/log",
                "-o", "-p \(port) -k \(directory) -c listen_addresses=127.0.0.1 -c fsync=off", "start",
            ])
        running = true
    }
    deinit { stop() }

    func stop() {
        guard running else { return }
        running = false
        _ = try? Self.execute(asUser + ["\(binaries)/pg_ctl", "-D", "\(directory)/data", "-m", "immediate", "stop"])
        try? FileManager.default.removeItem(atPath: directory)
    }

    func run(_ sql: String) throws {
        try Self.execute(["/usr/bin/psql", "-v", "ON_ERROR_STOP=1", "-q", conninfo, "-c", sql])
    }

    /// By `system`: a daemon that the command leaves behind keeps every descriptor it inherits, and `Process` would wait for those.
    private static func execute(_ command: [String]) throws {
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("entente-\(UUID().uuidString).log").path
        defer { try? FileManager.default.removeItem(atPath: log) }
        let quoted = command.map { "'" + $0.replacingOccurrences(of: "'", with: "'\\''") + "'" }.joined(separator: " ")
        guard system("cd /tmp && \(quoted) >'\(log)' 2>&1 </dev/null") == 0 else {
            throw Failure(message: "\(command[0]): " + ((try? String(contentsOfFile: log, encoding: .utf8)) ?? ""))
        }
    }

    private static func freePort() -> Int {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in(
            sin_family: sa_family_t(AF_INET), sin_port: 0, sin_addr: in_addr(s_addr: inet_addr("127.0.0.1")),
            sin_zero: (0, 0, 0, 0, 0, 0, 0, 0))
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(socket, $0, length); _ = getsockname(socket, $0, &length)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
