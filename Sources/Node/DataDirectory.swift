import Ciphers
import Foundation
import Primitives

/// What one organisation, or one client, keeps on disk: `config.json`, `keystore/`, `ledger/`, `catalog/`, `jobs/`.
///
/// A client (a researcher) has only configuration and keystore. Private keys rest in Web3 Secret Storage; the passphrase comes from
/// `ENTENTE_PASSPHRASE`, else from `keystore/passphrase`, which only the owner of the directory can read.
package struct DataDirectory: Sendable {
    package let path: String

    package init(_ path: String) { self.path = path.hasSuffix("/") ? String(path.dropLast()) : path }

    package func file(_ name: String) -> String { "\(path)/\(name)" }
    package var ledgerPath: String { file("ledger") }
    package var exists: Bool { FileManager.default.fileExists(atPath: file("config.json")) }

    /// Makes the directory, its keys and its configuration; refuses one that exists.
    /// - Parameter makeKey: of `account` and `node`.
    package static func create(
        _ path: String, _ configuration: Configuration, withNodeKey: Bool, makeKey: (String) -> PrivateKey = { _ in freshKey() }
    ) throws(DirectoryError) -> DataDirectory {
        let directory = DataDirectory(path)
        guard !directory.exists else { throw .exists(path) }
        try directory.makeDirectory("keystore")
        try chmod("keystore", to: 0o700, in: directory)
        let passphrase: String
        if let given = ProcessInfo.processInfo.environment["ENTENTE_PASSPHRASE"] {
            passphrase = given
        } else {
            passphrase = Hex.print(randomBytes(32), prefix: false)
            try directory.write("keystore/passphrase", Bytes(passphrase.utf8))
            try chmod("keystore/passphrase", to: 0o600, in: directory)
        }
        // A random passphrase needs no costly derivation; a person's does.
        let cost = ProcessInfo.processInfo.environment["ENTENTE_PASSPHRASE"] == nil ? 1 << 12 : 1 << 17
        for name in withNodeKey ? ["account", "node"] : ["account"] {
            let key = makeKey(name)
            let sealed: JSON
            do throws(SecretStorageError) {
                sealed = try SecretStorage.seal(key, passphrase: passphrase, salt: randomBytes(32), iv: randomBytes(16), cost: cost)
            } catch { throw .keystore(name, error) }
            try directory.write("keystore/\(name).json", sealed.canonical)
        }
        try directory.save(configuration)
        return directory
    }

    package static func freshKey() -> PrivateKey {
        while true { if let key = try? PrivateKey(randomBytes(32)) { return key } }  // refused with probability 2⁻¹²⁸
    }

    /// `account` signs transactions, `node` is the validator's and the link's key.
    package func key(_ name: String) throws(DirectoryError) -> PrivateKey {
        let text = try read("keystore/\(name).json")
        let passphrase: String
        if let given = ProcessInfo.processInfo.environment["ENTENTE_PASSPHRASE"] {
            passphrase = given
        } else {
            passphrase = String(decoding: try read("keystore/passphrase"), as: UTF8.self)
        }
        do throws(SecretStorageError) {
            let json: JSON
            do { json = try JSON(parsing: text) } catch { throw SecretStorageError.malformed(field: "JSON") }
            return try SecretStorage.open(json, passphrase: passphrase)
        } catch { throw .keystore(name, error) }
    }

    package func configuration() throws(DirectoryError) -> Configuration {
        guard exists else { throw .missing(path) }
        let json = try readJSON("config.json")
        guard let configuration = Configuration(json) else { throw .malformed(file("config.json")) }
        return configuration
    }
    package func save(_ configuration: Configuration) throws(DirectoryError) {
        try write("config.json", Bytes(configuration.json.pretty.utf8))
    }

    package func read(_ name: String) throws(DirectoryError) -> Bytes {
        do { return Bytes(try Foundation.Data(contentsOf: URL(fileURLWithPath: file(name)))) } catch {
            throw .cannotRead(file(name), Self.reason(error))
        }
    }
    package func readJSON(_ name: String) throws(DirectoryError) -> JSON {
        let bytes = try read(name)
        do { return try JSON(parsing: bytes) } catch { throw .malformed(file(name)) }
    }
    package func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }

    /// Whole or not at all.
    package func write(_ name: String, _ bytes: Bytes) throws(DirectoryError) {
        do { try Foundation.Data(bytes).write(to: URL(fileURLWithPath: file(name)), options: .atomic) } catch {
            throw .cannotWrite(file(name), Self.reason(error))
        }
    }
    package func makeDirectory(_ name: String) throws(DirectoryError) {
        do { try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true) } catch {
            throw .cannotWrite(file(name), Self.reason(error))
        }
    }
    private static func chmod(_ name: String, to mode: Int, in directory: DataDirectory) throws(DirectoryError) {
        do { try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: directory.file(name)) } catch {
            throw .cannotWrite(directory.file(name), reason(error))
        }
    }
    static func reason(_ error: any Error) -> String {
        let error = error as NSError
        if let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError, underlying.domain == NSPOSIXErrorDomain {
            return String(cString: strerror(Int32(underlying.code)))
        }
        return error.localizedFailureReason ?? error.localizedDescription
    }
}

package enum DirectoryError: Error, Sendable {
    case exists(String)
    case missing(String)
    case cannotRead(String, String)
    case cannotWrite(String, String)
    case malformed(String)
    case keystore(String, SecretStorageError)
}

extension DirectoryError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exists(let path): "data: \(path) holds an organisation already; choose another directory"
        case .missing(let path): "data: \(path) holds no organisation; make one: entente init \(path) --name NAME"
        case .cannotRead(let path, let reason): "data: cannot read \(path): \(reason)"
        case .cannotWrite(let path, let reason): "data: cannot write \(path): \(reason); free space or choose another directory"
        case .malformed(let path): "data: \(path) is damaged; restore it from a backup"
        case .keystore(let name, .wrongPassphrase):
            "keys: the passphrase does not open keystore/\(name).json; set ENTENTE_PASSPHRASE or restore keystore/passphrase"
        case .keystore(let name, let error): "keys: keystore/\(name).json is no key file (\(error)); restore it from a backup"
        }
    }
}

/// `config.json`: everything here may be changed by hand while the node is down.
package struct Configuration: Sendable, Equatable {
    package var name: String
    /// 0: any free port, written to `ports.json` when up.
    package var rpcPort: Int
    package var peerPort: Int
    package var host: String
    /// `host:port` of nodes to call, beside those the chain names.
    package var peers: [String]
    /// For clients: the node to talk to.
    package var via: String?

    package init(name: String, rpcPort: Int = 0, peerPort: Int = 0, host: String = "127.0.0.1", peers: [String] = [], via: String? = nil) {
        (self.name, self.rpcPort, self.peerPort, self.host, self.peers, self.via) = (name, rpcPort, peerPort, host, peers, via)
    }

    init?(_ json: JSON) {
        guard let name = json["name"]?.asString, let host = json["host"]?.asString, let rpcPort = json["rpcPort"]?.asInt,
            let peerPort = json["peerPort"]?.asInt,
            (0...65535).contains(rpcPort), (0...65535).contains(peerPort), let peers = json["peers"]?.asArray?.map(\.asString),
            !peers.contains(nil)
        else { return nil }
        self.init(name: name, rpcPort: rpcPort, peerPort: peerPort, host: host, peers: peers.compactMap { $0 }, via: json["via"]?.asString)
    }
    var json: JSON {
        [
            "name": .string(name), "host": .string(host), "rpcPort": .integer(Int64(rpcPort)), "peerPort": .integer(Int64(peerPort)),
            "peers": .array(peers.map { .string($0) }), "via": via.map { .string($0) } ?? .null,
        ]
    }
}
