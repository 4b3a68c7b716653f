import Ciphers
import Foundation
import Primitives

/// A time-stamp authority of the command line `openssl`, under a root of its own, in a temporary directory.
final class Authority {
    static let openssl: String? = {
        let found = ["/usr/bin/openssl", "/usr/local/bin/openssl"].first { FileManager.default.isExecutableFile(atPath: $0) }
        if found == nil { print("SKIPPED: time-stamp tokens (no openssl on this machine)") }
        return found
    }()
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("entente-authority-\(UUID().uuidString)")

    /// - Parameters:
    ///   - until: end of its certificate, `YYYYMMDDHHMMSSZ`.
    ///   - purpose: what its certificate is for; only `timeStamping` will do.
    init(until: String = "20991231235959Z", purpose: String = "timeStamping") throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try write(
            "c.cnf",
            Bytes(
                """
                [req]
                distinguished_name=dn
                prompt=no
                [dn]
                CN=Root
                [root]
                basicConstraints=critical,CA:TRUE
                [leaf]
                basicConstraints=critical,CA:FALSE
                extendedKeyUsage=critical,\(purpose)
                [ca]
                default_ca=d
                [d]
                database=index
                serial=number
                new_certs_dir=.
                default_md=sha256
                policy=p
                x509_extensions=leaf
                [p]
                commonName=supplied
                [tsa]
                default_tsa=t
                [t]
                serial=number
                signer_cert=tsa.pem
                signer_key=tsa.key
                signer_digest=sha256
                default_policy=1.2.3.4.1
                digests=sha256,sha384
                ess_cert_id_alg=sha256

                """.utf8))
        try write("index", [])
        try write("number", Bytes("01\n".utf8))
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "c.cnf"]
        try run(["req", "-new", "-x509", "-keyout", "root.key", "-out", "root.pem", "-extensions", "root", "-days", "36500"] + key)
        try run(["req", "-new", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=A clock"] + key)
        try run([
            "ca", "-batch", "-config", "c.cnf", "-in", "tsa.csr", "-out", "tsa.pem", "-cert", "root.pem", "-keyfile", "root.key", "-notext",
            "-startdate", "20000101000000Z", "-enddate", until,
        ])
    }
    deinit { _ = try? FileManager.default.removeItem(at: directory) }

    func roots() throws -> TimeStampAuthorities { try TimeStampAuthorities(pem: read("root.pem")) }
    var rootFile: String { directory.appendingPathComponent("root.pem").path }

    /// - Parameter digest: of the imprint; ours is SHA-256.
    func token(_ message: Hash32, digest: String = "sha256") throws -> Bytes {
        try write("message", message.bytes)
        if digest == "sha256" {
            try write("query", TimeStamp.query(message))
        } else {
            try run(["ts", "-query", "-data", "message", "-\(digest)", "-cert", "-no_nonce", "-out", "query"])
        }
        try run(["ts", "-reply", "-config", "c.cnf", "-queryfile", "query", "-out", "reply"])
        return try TimeStamp.token(inReply: read("reply"))
    }

    private func write(_ name: String, _ bytes: Bytes) throws { try Data(bytes).write(to: directory.appendingPathComponent(name)) }
    private func read(_ name: String) throws -> Bytes { Bytes(try Data(contentsOf: directory.appendingPathComponent(name))) }
    private struct Failed: Error { let arguments: [String] }
    private func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.openssl ?? "")
        (process.arguments, process.currentDirectoryURL) = (arguments, directory)
        (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
        try process.run()
        process.waitUntilExit()
        if process.terminationStatus != 0 { throw Failed(arguments: arguments) }
    }
}
