import CSQLite
import Catalog
import Compute
import Foundation
import Primitives

/// The four tables of the demonstration, each in its owner's own engine.
struct DemoData {
    let scenario: String
    let files: String

    init() throws {
        var directory = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        var candidates = [directory]
        directory = URL(fileURLWithPath: program)
        while directory.path != "/" {
            directory.deleteLastPathComponent()
            candidates.append(directory)
        }
        guard
            let root = candidates.first(where: {
                FileManager.default.fileExists(atPath: $0.appendingPathComponent("scenarios/diabetes/question.sql").path)
            })
        else {
            throw DemoError.dataMissing("scenarios/diabetes")
        }
        (scenario, files) = (root.appendingPathComponent("scenarios/diabetes").path, root.appendingPathComponent("scenarios/data").path)
    }

    func text(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else { throw DemoError.dataMissing(path) }
        return String(decoding: data, as: UTF8.self)
    }
    func question() throws -> String { try text("\(scenario)/question.sql").split(whereSeparator: \.isNewline).joined(separator: " ") }
    func schema(_ name: String) throws -> TableSchema { try TableSchema(parsing: Bytes(try text("\(scenario)/\(name).json").utf8)) }

    /// Lines of a CSV, the header first.
    private func lines(_ name: String) throws -> [Substring] { try text("\(files)/\(name)").split(whereSeparator: \.isNewline) }

    /// Writes each member's table where its engine reads it, its rows in an order of their own: nobody could match them by place.
    func place(in nodes: DemoNodes, _ lots: DemoLots) throws -> [(member: String, table: String, source: Source)] {
        let hospital = try lines("diabetes__hospital.csv"), blood = try lines("diabetes__laboratory.csv"),
            progress = try lines("diabetes__insurer.csv")
        func csv(_ path: String, _ header: Substring, _ rows: [Substring]) throws {
            try Foundation.Data(([header] + rows).joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: nodes.path(path)))
        }
        try sqlite(nodes.path("north/clinic.db"), "patients", hospital[0], lots.shuffled(hospital[1..<222], "north"))
        try csv("south/patients.csv", hospital[0], lots.shuffled(hospital[222...], "south"))
        try sqlite(nodes.path("laboratory/blood.db"), "blood", blood[0], lots.shuffled(blood[1...], "laboratory"))
        try csv("insurer/progress.csv", progress[0], lots.shuffled(progress[1...], "insurer"))
        return [
            ("north", "patients", .sqlite(path: nodes.path("north/clinic.db"), table: "patients")),
            ("south", "patients", .csv(path: nodes.path("south/patients.csv"))),
            ("laboratory", "blood", .sqlite(path: nodes.path("laboratory/blood.db"), table: "blood")),
            ("insurer", "progress", .csv(path: nodes.path("insurer/progress.csv"))),
        ]
    }

    private func sqlite(_ path: String, _ table: String, _ header: Substring, _ rows: some Sequence<Substring>) throws {
        let names = header.split(separator: ",")
        var sql = "CREATE TABLE \(table) (\(names.map { "\($0) \($0 == "id" ? "TEXT" : "REAL")" }.joined(separator: ", ")));"
        for row in rows {
            let values = row.split(separator: ",").enumerated().map { $0 == 0 ? "'\($1)'" : String($1) }
            sql += "INSERT INTO \(table) VALUES (\(values.joined(separator: ", ")));"
        }
        try DemoData.execute(path, sql) { _ in }
    }

    /// The same question by SQLite over pooled rows: only inside the check, only here.
    func pooledAnswer(_ sql: String) throws -> [[String]] {
        var script = ""
        for (schema, file, rows) in [
            ("north", "diabetes__hospital.csv", 1..<222), ("south", "diabetes__hospital.csv", 222..<443),
            ("laboratory", "diabetes__laboratory.csv", 1..<443), ("insurer", "diabetes__insurer.csv", 1..<443),
        ] {
            let lines = try lines(file),
                table = ["north": "patients", "south": "patients", "laboratory": "blood", "insurer": "progress"][schema]!
            script +=
                "ATTACH ':memory:' AS \(schema);CREATE TABLE \(schema).\(table) (\(lines[0].split(separator: ",").map { "\($0) \($0 == "id" ? "TEXT" : "REAL")" }.joined(separator: ", ")));"
            for row in lines[rows] {
                script +=
                    "INSERT INTO \(schema).\(table) VALUES (\(row.split(separator: ",").enumerated().map { $0 == 0 ? "'\($1)'" : String($1) }.joined(separator: ", ")));"
            }
        }
        var rows: [[String]] = []
        try DemoData.execute(":memory:", script + sql) { rows.append($0) }
        return rows
    }

    /// Runs a script statement by statement; rows of any statement go to `row`.
    private static func execute(_ path: String, _ sql: String, _ row: ([String]) -> Void) throws {
        var database: OpaquePointer?
        defer { sqlite3_close(database) }
        func require(_ isOK: Bool) throws { if !isOK { throw DemoError.checkFailed("sqlite", String(cString: sqlite3_errmsg(database))) } }
        try require(sqlite3_open(path, &database) == SQLITE_OK)
        sqlite3_exec(database, "PRAGMA synchronous = OFF", nil, nil, nil)
        try sql.withCString { text in
            var rest: UnsafePointer<CChar>? = text
            while let start = rest, start.pointee != 0 {
                var statement: OpaquePointer?
                defer { sqlite3_finalize(statement) }
                try require(sqlite3_prepare_v2(database, start, -1, &statement, &rest) == SQLITE_OK)
                guard let statement else { break }
                var code = sqlite3_step(statement)
                while code == SQLITE_ROW {
                    row(
                        (0..<sqlite3_column_count(statement)).map { i in
                            sqlite3_column_text(statement, i).map { String(cString: $0) } ?? "NULL"
                        })
                    code = sqlite3_step(statement)
                }
                try require(code == SQLITE_DONE)
            }
        }
    }
}
