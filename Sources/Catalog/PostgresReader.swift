import CPostgres
import Glibc
import Compute
import Primitives

/// One PostgreSQL session, and what speaks its protocol, through libpq: one REPEATABLE READ, READ ONLY transaction a read.
final class PostgresReader {
    private let connection: OpaquePointer

    /// - Parameter conninfo: a libpq connection string or URI; passwords come from here, `PGPASSFILE` or the service file.
    init(conninfo: String) throws(ConnectorError) {
        let handle = PQconnectdb(
            conninfo
                + (conninfo.contains("connect_timeout")
                    ? "" : conninfo.contains("://") ? (conninfo.contains("?") ? "&" : "?") + "connect_timeout=5" : " connect_timeout=5"))
        guard let handle, PQstatus(handle) == CONNECTION_OK else {
            let reason = handle.map { Self.line(PQerrorMessage($0)) } ?? "out of memory"
            PQfinish(handle)
            throw .cannotOpen(engine: "PostgreSQL", place: "", reason: reason)
        }
        connection = handle
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
    }
    deinit { PQfinish(connection) }

    private static func line(_ text: UnsafePointer<CChar>?) -> String {
        guard let text else { return "" }
        return String(cString: text).split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    private func execute(_ sql: String, _ parameters: [String] = []) throws(ConnectorError) -> OpaquePointer {
        let values = parameters.map { strdup($0) }
        defer { values.forEach { free($0) } }
        let result = PQexecParams(connection, sql, Int32(parameters.count), nil, values.map { UnsafePointer($0) }, nil, nil, 0)
        guard let result, [PGRES_TUPLES_OK, PGRES_COMMAND_OK].contains(PQresultStatus(result)) else {
            let message = Self.line(PQerrorMessage(connection))
            PQclear(result)
            throw .engineAnswered(engine: "PostgreSQL", message: message)
        }
        return result
    }

    private func text(_ result: OpaquePointer, _ row: Int32, _ column: Int32) -> String { String(cString: PQgetvalue(result, row, column)) }

    /// `schema.table` or `table`, quoted part by part.
    private func quoteTable(_ table: String) -> String {
        table.split(separator: ".").map { quoteIdentifier(String($0)) }.joined(separator: ".")
    }

    func columns(of table: String) throws(ConnectorError) -> [SourceColumn] {
        let sql = """
            SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
            WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """
        let result = try execute(sql, [quoteTable(table)])
        defer { PQclear(result) }
        let columns = (0..<PQntuples(result)).map { SourceColumn(name: text(result, $0, 0), declaredType: text(result, $0, 1)) }
        if !columns.isEmpty { return columns }
        let tables = try execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'p', 'f') AND pg_table_is_visible(oid) AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        defer { PQclear(tables) }
        throw .tableUnknown(table, known: (0..<PQntuples(tables)).map { text(tables, $0, 0) })
    }

    func read(_ table: String, _ names: [String]) throws(ConnectorError) -> CellTable {
        let known = try columns(of: table).map(\.name)
        for name in names where !known.contains(name) { throw .columnUnknown(name, table: table, known: known) }
        PQclear(try execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        let result = try execute(
            "SELECT \(names.isEmpty ? "1" : names.map(quoteIdentifier).joined(separator: ", ")) FROM \(quoteTable(table))")
        defer { PQclear(result) }
        PQclear(try execute("COMMIT"))
        let rows = PQntuples(result)
        guard rows <= Source.maximumRows else { throw .tooManyRows(maximum: Source.maximumRows) }
        var columns: [[RawValue]] = []
        for i in 0..<Int32(names.count) {
            let type = PQftype(result, i)
            columns.append((0..<rows).map { row in PQgetisnull(result, row, i) == 1 ? .null : Self.cell(text(result, row, i), type) })
        }
        return CellTable(columns: columns)
    }

    /// By type: bool 16, int8 20, int2 21, int4 23, float4 700, float8 701; all else stays text (numeric 1700 keeps its digits).
    private static func cell(_ text: String, _ type: Oid) -> RawValue {
        switch type {
        case 16: .boolean(text == "t")
        case 20, 21, 23: Int64(text).map { .integer($0) } ?? .text(text)
        case 700, 701: Double(text).map { .real($0) } ?? .text(text)
        default: .text(text)
        }
    }
}
