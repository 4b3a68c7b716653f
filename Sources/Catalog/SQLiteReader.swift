import CSQLite
import Compute
import Primitives

/// One SQLite file, opened read-only for one read.
final class SQLiteReader {
    private let database: OpaquePointer
    private let path: String

    init(path: String) throws(ConnectorError) {
        self.path = path
        var handle: OpaquePointer?
        let code = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nil)
        guard code == SQLITE_OK, let handle else {
            sqlite3_close_v2(handle)
            throw .cannotOpen(engine: "SQLite", place: path, reason: String(cString: sqlite3_errstr(code)))
        }
        database = handle
        sqlite3_busy_timeout(handle, 5_000)
    }
    deinit { sqlite3_close_v2(database) }

    private var answer: ConnectorError { .engineAnswered(engine: "SQLite \(path)", message: String(cString: sqlite3_errmsg(database))) }

    private func rows(_ sql: String, _ each: (OpaquePointer) -> Bool) throws(ConnectorError) {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK, let statement else { throw answer }
        defer { sqlite3_finalize(statement) }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: guard each(statement) else { throw .tooManyRows(maximum: Source.maximumRows) }
            case SQLITE_DONE: return
            default: throw answer
            }
        }
    }

    func columns(of table: String) throws(ConnectorError) -> [SourceColumn] {
        var columns: [SourceColumn] = [], tables: [String] = []
        try rows("PRAGMA table_info(\(quoteIdentifier(table)))") {
            columns.append(
                SourceColumn(
                    name: String(cString: sqlite3_column_text($0, 1)),
                    declaredType: sqlite3_column_text($0, 2).map { String(cString: $0) } ?? ""))
            return true
        }
        if !columns.isEmpty { return columns }
        try rows("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
        {
            tables.append(String(cString: sqlite3_column_text($0, 0)))
            return true
        }
        throw .tableUnknown(table, known: tables)
    }

    func read(_ table: String, _ names: [String]) throws(ConnectorError) -> CellTable {
        let known = try columns(of: table).map(\.name)
        // SQLite takes an unknown quoted identifier for a text literal: names are checked here.
        for name in names where !known.contains(name) { throw .columnUnknown(name, table: table, known: known) }
        var columns = [[RawValue]](repeating: [], count: names.count)
        try rows("SELECT \(names.isEmpty ? "1" : names.map(quoteIdentifier).joined(separator: ", ")) FROM \(quoteIdentifier(table))") {
            statement in
            for i in names.indices { columns[i].append(Self.cell(statement, Int32(i))) }
            return columns.isEmpty || columns[0].count <= Source.maximumRows
        }
        return CellTable(columns: columns)
    }

    private static func cell(_ statement: OpaquePointer, _ i: Int32) -> RawValue {
        switch sqlite3_column_type(statement, i) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, i))
        case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, i))
        case SQLITE_NULL: return .null
        default:
            let count = Int(sqlite3_column_bytes(statement, i))
            guard let start = sqlite3_column_blob(statement, i) else { return .text("") }
            return .text(String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self))
        }
    }
}
