import Compute
import Foundation
import Primitives

/// Which of this member's tables lie where: `catalog/tables.json`. It never leaves the machine; what is public is the listing.
package struct LocalTables: Sendable {
    private let path: String
    package private(set) var sources: [String: Source]

    /// - Parameter path: of `tables.json`; absent is empty.
    package init(path: String) throws(LocalTablesError) {
        self.path = path
        sources = [:]
        guard let data = FileManager.default.contents(atPath: path) else { return }
        guard let json = try? JSON(parsing: Bytes(data)), let entries = json.asObject else { throw .damaged(path) }
        for (table, entry) in entries {
            guard let source = Source(entry) else { throw .damaged(path) }
            sources[table] = source
        }
    }

    package mutating func add(_ table: String, _ source: Source) throws(LocalTablesError) {
        sources[table] = source
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent()
        do {
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            try Data(JSON.object(sources.mapValues(\.json)).canonical).write(to: URL(fileURLWithPath: path), options: .atomic)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        } catch { throw .cannotWrite(path) }
    }

    package func read(_ table: String, _ columns: [String]) throws(LocalTablesError) -> CellTable {
        guard let source = sources[table] else { throw .unknown(table) }
        do throws(ConnectorError) { return try source.read(columns) } catch { throw .connector(error) }
    }
}

package enum LocalTablesError: Error, Equatable, Sendable {
    case damaged(String)
    case cannotWrite(String)
    case unknown(String)
    case connector(ConnectorError)
}

extension LocalTablesError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .damaged(let path): "catalogue: \(path) is damaged; restore it, or add the tables again"
        case .cannotWrite(let path): "catalogue: cannot write \(path); free space or mend its rights"
        case .unknown(let table):
            "catalogue: \(table) is listed but this machine does not know where it lies; add it again: entente data add"
        case .connector(let error): error.description
        }
    }
}

extension Source {
    var json: JSON {
        switch self {
        case .sqlite(let path, let table): ["kind": "sqlite", "path": .string(path), "table": .string(table)]
        case .csv(let path): ["kind": "csv", "path": .string(path)]
        case .postgres(let conninfo, let table): ["kind": "postgres", "conninfo": .string(conninfo), "table": .string(table)]
        }
    }
    init?(_ json: JSON) {
        switch (json["kind"]?.asString, json["path"]?.asString, json["table"]?.asString, json["conninfo"]?.asString) {
        case ("sqlite", let path?, let table?, _): self = .sqlite(path: path, table: table)
        case ("csv", let path?, _, _): self = .csv(path: path)
        case ("postgres", _, let table?, let conninfo?): self = .postgres(conninfo: conninfo, table: table)
        default: return nil
        }
    }
}
