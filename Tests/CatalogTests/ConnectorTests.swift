import CSQLite
import Catalog
import Compute
import Foundation
import Testing

private func temporaryFile(_ text: String) throws -> String {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-\(UUID().uuidString).csv").path
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
}

@Test func csvKeepsQuotesLineBreaksAndTheDifferenceOfEmptyAndNull() throws {
    let path = try temporaryFile("\u{feff}id,\"na,me\",n\r\n1,\"a \"\"b\"\"\r\nc\",\n2,\"\",7\n\n3,,8")
    #expect(try Source.csv(path: path).columns().map(\.name) == ["id", "na,me", "n"])
    let table = try Source.csv(path: path).read(["na,me", "id"])
    #expect(table.columns == [[.text("a \"b\"\r\nc"), .text(""), .null], [.text("1"), .text("2"), .text("3")]])
}

@Test(arguments: [
    ("a,b\n1,2\n3\n", ConnectorError.BrokenRow.fieldCount(expected: 2, found: 1), 3),
    ("a,b\n\"x\ny\",2\n1,2,3\n", .fieldCount(expected: 2, found: 3), 4),
    ("a,b\n1,\"2\n", .openQuote, 2),
    ("a,b\n1,\"2\"3\n", .textAfterQuote, 2),
])
func aBrokenRowIsNamedByItsLine(_ text: String, _ reason: ConnectorError.BrokenRow, _ line: Int) throws {
    let path = try temporaryFile(text)
    #expect(throws: ConnectorError.brokenRow(path: path, line: line, reason: reason)) { try Source.csv(path: path).read(["a", "b"]) }
}

@Test func whatDoesNotExistIsNamedWithWhatDoes() throws {
    let path = try temporaryFile("a,b\n1,2\n")
    #expect(throws: ConnectorError.columnUnknown("c", table: path, known: ["a", "b"])) { try Source.csv(path: path).read(["c"]) }
    #expect(throws: ConnectorError.self) { try Source.csv(path: "/nonexistent.csv").read([]) }
    #expect(throws: ConnectorError.self) { try Source.sqlite(path: "/nonexistent.db", table: "t").read([]) }
}

@Test func sqliteGivesTypedCellsAndRefusesUnknownNames() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-\(UUID().uuidString).db").path
    var database: OpaquePointer?
    #expect(sqlite3_open(path, &database) == SQLITE_OK)
    #expect(
        sqlite3_exec(
            database,
            "CREATE TABLE \"p t\" (id TEXT, x REAL, n INT); INSERT INTO \"p t\" VALUES ('é', 1.5, NULL), ('', -2, 9223372036854775807)",
            nil, nil, nil) == SQLITE_OK)
    sqlite3_close(database)
    let source = Source.sqlite(path: path, table: "p t")
    #expect(try source.read(["id", "x", "n"]).columns == [[.text("é"), .text("")], [.real(1.5), .real(-2)], [.null, .integer(.max)]])
    #expect(throws: ConnectorError.columnUnknown("y", table: "p t", known: ["id", "x", "n"])) { try source.read(["y"]) }
    #expect(throws: ConnectorError.tableUnknown("q", known: ["p t"])) { try Source.sqlite(path: path, table: "q").read([]) }
}

@Test func postgresIsReadThroughLibpq() throws {
    let server = try TemporaryPostgres()
    defer { server.stop() }
    try server.run(
        "CREATE TABLE t (id text, n int, d numeric(6,2), f float8, b bool, day date); INSERT INTO t VALUES ('a', 1, 2.50, 0.5, true, '2024-02-29'), (NULL, -7, NULL, 1e300, false, NULL)"
    )
    let source = Source.postgres(conninfo: server.conninfo, table: "t")
    #expect(try source.columns().map(\.declaredType) == ["text", "integer", "numeric(6,2)", "double precision", "boolean", "date"])
    #expect(
        try source.read(["id", "n", "d", "f", "b", "day"]).columns
            == [
                [.text("a"), .null], [.integer(1), .integer(-7)], [.text("2.50"), .null], [.real(0.5), .real(1e300)],
                [.boolean(true), .boolean(false)], [.text("2024-02-29"), .null],
            ])
    #expect(throws: ConnectorError.tableUnknown("u", known: ["t"])) {
        try Source.postgres(conninfo: server.conninfo, table: "u").read(["x"])
    }
    server.stop()
    #expect(throws: ConnectorError.self) { try source.read(["id"]) }
}
