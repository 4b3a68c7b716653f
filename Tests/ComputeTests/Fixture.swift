import Ciphers
import Compute
import Foundation
import MPC
import Primitives

/// The tables and queries of reference/protocols/sql_expected.json over shared/data, as listings and as rows.
struct Fixture: Sendable {
    struct Table: Sendable {
        var schema: TableSchema
        var raw: [[RawValue]]
        var values: [[Value]]
    }
    struct Query: Sendable {
        var name: String
        var sql: String
        var kinds: [String]
        var ordered: Bool
        var rows: [[JSON]]
        var smallest: (k: Int, rows: [[JSON]], hidden: Int)?
    }
    var tables: [String: Table] = [:]
    var queries: [Query] = []
    var quotients: [JSON] = []

    /// `shared` beside the checkout, or beside `ENTENTE_VECTORS`; nil: nothing can be checked, said loudly.
    static let folder: URL? = {
        var at = URL(fileURLWithPath: #filePath)
        while at.path != "/" {
            at.deleteLastPathComponent()
            let shared = at.deletingLastPathComponent().appendingPathComponent("shared")
            if FileManager.default.fileExists(atPath: shared.appendingPathComponent("reference").path) { return shared }
        }
        if let vectors = ProcessInfo.processInfo.environment["ENTENTE_VECTORS"] {
            return URL(fileURLWithPath: vectors).deletingLastPathComponent()
        }
        print("SKIPPED: shared/ is not beside the checkout; no query of sql_expected.json was checked")
        return nil
    }()
    static let shared: Fixture? = folder.map { try! Fixture(folder: $0) }

    private init(folder: URL) throws {
        let document = try JSON(parsing: Bytes(Data(contentsOf: folder.appendingPathComponent("reference/protocols/sql_expected.json"))))
        for (name, entry) in document["tables"]!.asObject! { tables[name] = try Self.table(name, entry, folder) }
        quotients = document["quotients"]!.asArray!
        for q in document["queries"]!.asArray! {
            let smallest = q["smallest"].map { ($0["k"]!.asInt!, $0["rows"]!.asArray!.map { $0.asArray! }, $0["hidden"]!.asInt!) }
            queries.append(
                Query(
                    name: q["name"]!.asString!, sql: q["sql"]!.asString!, kinds: q["kinds"]!.asArray!.map { $0.asString! },
                    ordered: q["ordered"]!.asBool!,
                    rows: q["rows"]!.asArray!.map { $0.asArray! }, smallest: smallest))
        }
    }

    private static func table(_ name: String, _ entry: JSON, _ folder: URL) throws -> Table {
        let columns = entry["columns"]!.asString!.split(separator: " ").map { $0.split(separator: ":").map(String.init) }
        var raw: [[RawValue]]
        if let inline = entry["inline"]?.asArray {
            raw = columns.indices.map { c in
                inline.map { row in
                    switch row[c]! {
                    case .null: .null
                    case .bool(let flag): .boolean(flag)
                    case .integer(let n): .integer(n)
                    case let other: .text(other.asString!)
                    }
                }
            }
        } else {
            let text = try String(contentsOf: folder.appendingPathComponent("data/" + entry["file"]!.asString!), encoding: .utf8)
            var lines = text.split(whereSeparator: \.isNewline).map {
                $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            }
            let header = lines.removeFirst(), rows = entry["rows"]!.asArray!
            lines = Array(lines[(rows[0].asInt ?? 0)..<(rows[1].asInt ?? lines.count)])
            raw = columns.map { column in
                let at = header.firstIndex(of: column[0])!
                return lines.map { .text($0[at]) }
            }
        }
        var schemas: [ColumnSchema] = []
        for (column, cells) in zip(columns, raw) { schemas.append(schema(column[0], column[1], cells)) }
        let parts = name.split(separator: ".").map(String.init), unique = columns[0][1] == "k" || columns[0][0] == "id"
        let schema = TableSchema(
            member: parts[0], table: parts[1], rows: raw[0].count, key: unique ? columns[0][0] : nil, smallestGroup: 1, columns: schemas)
        return Table(schema: schema, raw: raw, values: zip(schemas, raw).map { column, cells in cells.map { value($0, column.type) } })
    }
    /// Bounds from the data: fit for tests only.
    private static func schema(_ name: String, _ kind: String, _ cells: [RawValue]) -> ColumnSchema {
        let type: ValueType =
            switch kind.first! {
            case "i": .integer
            case "d": .decimal(scale: Int(kind.dropFirst())!)
            case "D": .date
            case "b": .boolean
            default: .text
            }
        let values = cells.map { value($0, type) }.filter { !$0.isNull }
        var range: ClosedRange<Int64>?, list: [String] = []
        switch type {
        case .integer, .decimal:
            let scale = if case .decimal(let s) = type { s } else { 0 }
            let numbers = values.map { Int64($0.asNumber!.exactly(scale: scale)!) }
            range = numbers.min()!...numbers.max()!
            let distinct = Set(numbers).sorted()
            if kind.first == "d", distinct.count <= 64 { list = distinct.map { Number(unscaled: Int128($0), scale: scale).description } }
        case .date:
            let days = values.map { if case .date(let d) = $0 { d } else { Int64(0) } }
            range = days.min()!...days.max()!
        default: if kind == "t" { list = Set(values.map(\.printed)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
        }
        return ColumnSchema(
            name: name, type: type, range: range, values: list, nullable: cells.contains(.null),
            keyForm: kind == "k" ? .hex(digits: 16) : nil, rules: [ColumnRule(.plain)])
    }
    private static func value(_ raw: RawValue, _ type: ValueType) -> Value {
        switch (raw, type) {
        case (.null, _): return .null
        case (.integer(let n), _): return .number(Number(Int(n)))
        case (.boolean(let flag), _): return .boolean(flag)
        case (.text(let text), .text): return .text(text)
        case (.text(let text), .date): return Calendar.date(text)!
        case (.text(let text), .decimal(let scale)): return .number(Number(unscaled: Number(text)!.exactly(scale: scale)!, scale: scale))
        case (.text(let text), _): return .number(Number(unscaled: Number(text)!.exactly(scale: 0)!))
        default: return .null
        }
    }

    func scope(smallestGroup k: Int = 1, reader: String = "researcher") -> Scope {
        var all = tables.values.map(\.schema).sorted { $0.name < $1.name }
        for i in all.indices { all[i].smallestGroup = k }
        return Scope(tables: all, asker: Asker(reader: reader, purpose: .aggregate))
    }
    func values() -> [String: [[Value]]] { tables.mapValues(\.values) }

    /// What every owner hands in.
    func handIn(_ plan: Plan, key: Hash32 = sha256(Bytes("K".utf8))) throws -> [LocalEvaluator.HandedIn] {
        var random = SplitMix(state: 9)
        return try plan.uses.indices.map { index in
            let use = plan.uses[index], table = tables[use.schema.name]!
            let columns = use.columns.map { name in table.raw[use.schema.columns.firstIndex { $0.name == name }!] }
            return try LocalEvaluator(plan: plan, use: index).evaluate(columns, key: key, random: &random)
        }
    }
}

/// Vigna's splitmix64: seeded randomness of tests.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}

/// The clear machine that counts: gates, products, rounds, and the sequence of operations with their sizes.
final class MeteredMachine: Machine, @unchecked Sendable {  // unchecked: branches of the clear machine run one after the other
    let clear = ClearMachine()
    var ands = 0, products = 0, rounds = 0
    var trace: [String] = []
    var party: Int { -1 }

    private func note(_ what: String, _ ring: any Ring.Type, _ planes: Int, _ count: Int) {
        rounds += 1
        trace.append("\(what) \(ring) \(planes)x\(count)")
    }
    func multiply<R: Ring>(_ x: Shared<R>, _ y: Shared<R>, _ map: Bilinear<R>) async throws(SessionError) -> Shared<R> {
        note("multiply", R.self, map.planes, map.count)
        if R.bits == 1 { ands += map.planes * map.count } else { products += map.planes * map.count }
        return try await clear.multiply(x, y, map)
    }
    func sides<From: Ring, To: Ring>(
        of x: Shared<From>, planes: Int, count: Int, in ring: To.Type,
        _ image: @Sendable (Int, Column) -> Column
    ) async throws(SessionError) -> (a: Shared<To>, b: Shared<To>) {
        note("sides", To.self, planes, count)
        return try await clear.sides(of: x, planes: planes, count: count, in: ring, image)
    }
    func multiplyTruncated(_ x: Words, _ y: Words, bits: Int) async throws(SessionError) -> Words {
        try await clear.multiplyTruncated(x, y, bits: bits)
    }
    func open<R: Ring>(_ x: Shared<R>) async throws(SessionError) -> Column {
        note("open", R.self, x.planes, x.count)
        return try await clear.open(x)
    }
    func open<R: Ring>(_ x: Shared<R>, to party: Int) async throws(SessionError) -> Column? { try await clear.open(x, to: party) }
    func random<R: Ring>(planes: Int, count: Int, in ring: R.Type) throws(SessionError) -> Shared<R> {
        try clear.random(planes: planes, count: count, in: ring)
    }
    func together<T: Sendable>(_ branches: [@Sendable () async throws(SessionError) -> T]) async throws(SessionError) -> [T] {
        let start = rounds
        var longest = start, out: [T] = []
        for branch in branches {
            rounds = start
            out.append(try await branch())
            longest = max(longest, rounds)
        }
        rounds = longest
        return out
    }
}
