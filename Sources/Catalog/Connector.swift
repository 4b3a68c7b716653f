import Compute
import Primitives

/// Columns of equal length, in the order asked for.
package struct CellTable: Sendable, Equatable {
    package var columns: [[RawValue]]
    package var rows: Int { columns.first?.count ?? 0 }

    package init(columns: [[RawValue]]) { self.columns = columns }
}

package struct SourceColumn: Sendable, Equatable {
    package var name: String
    /// As the engine declares it; empty where it does not.
    package var declaredType: String

    package init(name: String, declaredType: String) {
        self.name = name
        self.declaredType = declaredType
    }
}

/// Where a table lies: what `data add` was told. The secret parts of a PostgreSQL address stay in this member's own catalogue.
package enum Source: Sendable, Equatable {
    case sqlite(path: String, table: String)
    case csv(path: String)
    case postgres(conninfo: String, table: String)

    /// For messages: no password, no host.
    package var engine: String {
        switch self {
        case .sqlite: "SQLite"
        case .csv: "CSV"
        case .postgres: "PostgreSQL"
        }
    }
}

/// A member's engine refused, is absent, or holds what it should not. Whose fault: this member's own side, never the asker's.
package enum ConnectorError: Error, Equatable, Sendable {
    case cannotOpen(engine: String, place: String, reason: String)
    case tableUnknown(String, known: [String])
    case columnUnknown(String, table: String, known: [String])
    /// Line and column count from 1; line 1 is the header.
    case brokenRow(path: String, line: Int, reason: BrokenRow)
    case engineAnswered(engine: String, message: String)
    case tooManyRows(maximum: Int)

    package enum BrokenRow: Error, Equatable, Sendable {
        case fieldCount(expected: Int, found: Int)
        case openQuote
        case textAfterQuote
        case notUTF8
    }
}

extension ConnectorError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cannotOpen(let engine, let place, let reason): "engine: \(engine) \(place) cannot be opened: \(reason)"
        case .tableUnknown(let table, let known):
            "resolve: no table \(table); there is \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        case .columnUnknown(let column, let table, let known):
            "resolve: \(table) has no column \(column); it has \(known.joined(separator: ", "))"
        case .brokenRow(let path, let line, let reason):
            switch reason {
            case .fieldCount(let expected, let found):
                "csv: \(path) line \(line) has \(found) fields, the header has \(expected); mend the line"
            case .openQuote: "csv: \(path) line \(line): a quote opens and never closes; mend the line"
            case .textAfterQuote: "csv: \(path) line \(line): text after a closing quote; double the quotes inside a field"
            case .notUTF8: "csv: \(path) line \(line) is not UTF-8; convert the file"
            }
        case .engineAnswered(let engine, let message): "engine: \(engine) answered \"\(message)\""
        case .tooManyRows(let maximum): "engine: more than \(maximum) rows; narrow the table in a view"
        }
    }
}

extension Source {
    package static let maximumRows = 50_000_000

    /// The table's columns, in its own order.
    package func columns() throws(ConnectorError) -> [SourceColumn] {
        switch self {
        case .sqlite(let path, let table): try SQLiteReader(path: path).columns(of: table)
        case .csv(let path): try CSVReader(path: path).header.map { SourceColumn(name: $0, declaredType: "") }
        case .postgres(let conninfo, let table): try PostgresReader(conninfo: conninfo).columns(of: table)
        }
    }

    /// All rows, the asked columns, in one read-only snapshot. Nothing more is asked of an engine: what filters and computes is
    /// the agent's own evaluator, so that no two engines can differ in the meaning of `LIKE`, division or collation.
    package func read(_ names: [String]) throws(ConnectorError) -> CellTable {
        switch self {
        case .sqlite(let path, let table): try SQLiteReader(path: path).read(table, names)
        case .csv(let path): try CSVReader(path: path).read(names)
        case .postgres(let conninfo, let table): try PostgresReader(conninfo: conninfo).read(table, names)
        }
    }
}

/// `"` doubled: the quoting of identifiers that SQLite and PostgreSQL share.
func quoteIdentifier(_ name: String) -> String {
    "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
}
