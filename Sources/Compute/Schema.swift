import Ciphers
import Primitives

/// What a member lists of a table: public, canonical JSON, its hash on chain (reference/private-sql.md §2, §4, §8).
/// Ranges are declared, never measured; a live minimum is somebody's value.
package struct TableSchema: Hashable, Sendable {
    package enum Scope: String, Hashable, Sendable { case pooled, own }

    package var member: String
    package var table: String
    /// Listed row count: what is handed in is padded to it.
    package var rows: Int
    /// The column whose values are unique, if any; also the subject.
    package var key: String?
    /// A group shows only with this many subjects; 1: no rule.
    package var smallestGroup: Int
    package var scope: Scope
    package var pricePerUse: UInt64
    package var columns: [ColumnSchema]

    package init(
        member: String, table: String, rows: Int, key: String?, smallestGroup: Int = 5, scope: Scope = .pooled,
        pricePerUse: UInt64 = 0, columns: [ColumnSchema]
    ) {
        (self.member, self.table, self.rows, self.key) = (member, table, rows, key)
        (self.smallestGroup, self.scope, self.pricePerUse, self.columns) = (smallestGroup, scope, pricePerUse, columns)
    }
    package var name: String { "\(member).\(table)" }
    package func column(_ name: String) -> ColumnSchema? { columns.first { $0.name == name } }
}

package struct ColumnSchema: Hashable, Sendable {
    package var name: String
    package var type: ValueType
    /// Bounds of numbers at the type's scale, days of dates, microseconds of timestamps; nil for booleans and text.
    package var range: ClosedRange<Int64>?
    /// The whole list of an enumeration: texts in byte order, numbers in theirs.
    package var values: [String]
    package var nullable: Bool
    package var unit: String?
    package var keyForm: KeyForm?
    package var rules: [ColumnRule]

    package init(
        name: String, type: ValueType, range: ClosedRange<Int64>? = nil, values: [String] = [], nullable: Bool = false, unit: String? = nil,
        keyForm: KeyForm? = nil, rules: [ColumnRule] = []
    ) {
        (self.name, self.type, self.range, self.values) = (name, type, range, values)
        (self.nullable, self.unit, self.keyForm, self.rules) = (nullable, unit, keyForm, rules)
    }
}

/// How a text key becomes a number. `fingerprint`: the keyed hash, equal up to 2⁻⁴⁰ a question.
package enum KeyForm: Hashable, Sendable {
    /// Exactly that many hex digits, at most 16.
    case hex(digits: Int)
    /// At most that many decimal digits, at most 18.
    case digits(Int)
    case fingerprint

    var planes: Int {
        switch self {
        case .hex(let digits): 4 * digits
        case .digits(let count): Planes.forRange(0, Number.power(count) - 1)
        case .fingerprint: 64
        }
    }
    var text: String {
        switch self {
        case .hex(let digits): "hex \(digits)"
        case .digits(let count): "digits \(count)"
        case .fingerprint: "fingerprint"
        }
    }
    init?(_ text: String) {
        let parts = text.split(separator: " ")
        switch (parts.first, parts.count == 2 ? Int(parts[1]) : nil) {
        case ("hex", let n?) where (1...16).contains(n): self = .hex(digits: n)
        case ("digits", let n?) where (1...18).contains(n): self = .digits(n)
        case ("fingerprint", nil) where parts.count == 1: self = .fingerprint
        default: return nil
        }
    }
}

package enum Rule: String, Hashable, Sendable, CaseIterable {
    case plain, afterJoin = "after join", afterGroup = "after group", afterAggregate = "after aggregate", extreme, compareOnly =
        "compare only", match

    /// Does a column with this rule allow what needs `other`?
    func allows(_ other: Rule) -> Bool { self == .plain || self == other || (self == .extreme && other == .afterAggregate) }
}

package enum Purpose: String, Hashable, Sendable, CaseIterable {
    case read, aggregate, train, infer, match, audit
    /// The bit of job-protocol.md §2.
    package var bit: UInt32 { 1 << UInt32(Purpose.allCases.firstIndex(of: self)!) }
}

/// A rule of a column, for these readers and purposes; empty means any.
package struct ColumnRule: Hashable, Sendable {
    package var rule: Rule
    package var readers: [String]
    package var purposes: [Purpose]

    package init(_ rule: Rule, readers: [String] = [], purposes: [Purpose] = []) {
        (self.rule, self.readers, self.purposes) = (rule, readers, purposes)
    }
    func applies(to asker: Asker) -> Bool {
        (readers.isEmpty || readers.contains(asker.reader)) && (purposes.isEmpty || purposes.contains(asker.purpose))
    }
}

/// Who will read the answer, and for what.
package struct Asker: Hashable, Sendable {
    package var reader: String
    package var purpose: Purpose
    /// The member the reader belongs to: it could subtract its own rows, so `own` is forced on its tables.
    package var member: String?

    package init(reader: String, purpose: Purpose, member: String? = nil) {
        (self.reader, self.purpose, self.member) = (reader, purpose, member)
    }
}

/// Planes that numbers need.
enum Planes {
    static func forRange(_ low: Int128, _ high: Int128) -> Int { bits(UInt128(high - low)) }
    /// Of the number itself: 0 needs one.
    static func bits(_ n: UInt128) -> Int { max(1, 128 - n.leadingZeroBitCount) }
    /// ⌈log₂ x⌉.
    static func log2up(_ x: Int) -> Int { x <= 1 ? 0 : Int.bitWidth - (x - 1).leadingZeroBitCount }
}

// MARK: the document

package enum SchemaError: Error, Equatable, Sendable {
    case json(JSONError)
    case missing(path: String, expected: String)
    case listOutOfOrder(column: String)
    case keyUnknown(String)
    case columnTwice(String)
}

extension TableSchema {
    package static let format = "entente-table/1"

    package var json: JSON {
        var out: [String: JSON] = [
            "format": .string(Self.format), "member": .string(member), "table": .string(table), "rows": .integer(Int64(rows)),
            "smallestGroup": .integer(Int64(smallestGroup)), "scope": .string(scope.rawValue), "pricePerUse": .string(String(pricePerUse)),
            "columns": .array(columns.map(\.json)),
        ]
        if let key { out["key"] = .string(key) }
        return .object(out)
    }
    /// What the listing on chain names.
    package var hash: Hash32 { keccak256(Bytes("entente/compute/schema/v1".utf8) + json.canonical) }

    package init(json: JSON) throws(SchemaError) {
        func string(_ key: String) throws(SchemaError) -> String { try json.require(key, "text") { $0.asString } }
        func integer(_ key: String) throws(SchemaError) -> Int { try json.require(key, "an integer") { $0.asInt } }
        guard try string("format") == Self.format else { throw .missing(path: "format", expected: Self.format) }
        var columns: [ColumnSchema] = []
        for column in try json.require("columns", "a list", { $0.asArray }) { columns.append(try ColumnSchema(json: column)) }
        self.init(
            member: try string("member"), table: try string("table"), rows: try integer("rows"), key: json["key"]?.asString,
            smallestGroup: try integer("smallestGroup"),
            scope: try json.require("scope", "pooled or own") { $0.asString.flatMap(Scope.init) },
            pricePerUse: try json.require("pricePerUse", "a number as text") { $0.asString.flatMap { UInt64($0) } }, columns: columns)
        guard rows >= 0, rows <= 1 << 24, smallestGroup >= 1, smallestGroup <= 1_000 else {
            throw .missing(path: "rows, smallestGroup", expected: "0…2^24, 1…1000")
        }
        for (index, column) in columns.enumerated() where columns[..<index].contains(where: { $0.name == column.name }) {
            throw .columnTwice(column.name)
        }
        if let key, self.column(key) == nil { throw .keyUnknown(key) }
    }
    package init(parsing text: some Collection<UInt8>) throws(SchemaError) {
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: text) } catch { throw .json(error) }
        try self.init(json: json)
    }
}

extension ColumnSchema {
    var json: JSON {
        var out: [String: JSON] = ["name": .string(name), "type": .string(type.listed), "rules": .array(rules.map(\.json))]
        if nullable { out["nullable"] = .bool(true) }
        if let range { (out["low"], out["high"]) = (.string(print(range.lowerBound)), .string(print(range.upperBound))) }
        if type.scale > 0 { out["scale"] = .integer(Int64(type.scale)) }
        if !values.isEmpty { out["values"] = .array(values.map { .string($0) }) }
        if let unit { out["unit"] = .string(unit) }
        if let keyForm { out["keyForm"] = .string(keyForm.text) }
        return .object(out)
    }
    private func print(_ bound: Int64) -> String {
        switch type {
        case .date: Calendar.print(days: bound)
        case .timestamp: Calendar.print(microseconds: bound)
        default: Number(unscaled: Int128(bound), scale: type.scale).description
        }
    }
    init(json: JSON) throws(SchemaError) {
        let name = try json.require("name", "text") { $0.asString }, scale = json["scale"]?.asInt ?? 0
        guard (0...9).contains(scale) else { throw .missing(path: "\(name).scale", expected: "0…9") }
        let type: ValueType = try json.require("type", "integer, decimal, boolean, date, timestamp or text") {
            switch $0.asString {
            case "integer": .integer
            case "decimal", "double": .decimal(scale: scale)
            case "boolean": .boolean
            case "date": .date
            case "timestamp": .timestamp
            case "text": .text
            default: nil
            }
        }
        var range: ClosedRange<Int64>?
        if type.isNumeric || type == .date || type == .timestamp {
            func bound(_ key: String) throws(SchemaError) -> Int64 {
                try json.require(key, "a bound at the column's scale") { text in
                    switch type {
                    case .date: if case .date(let days)? = text.asString.flatMap({ Calendar.date($0) }) { days } else { nil }
                    case .timestamp:
                        if case .timestamp(let micros)? = text.asString.flatMap({ Calendar.timestamp($0) }) { micros } else { nil }
                    default: text.asString.flatMap { Number($0) }?.exactly(scale: scale).flatMap { Int64(exactly: $0) }
                    }
                }
            }
            let low = try bound("low"), high = try bound("high")
            guard low <= high else { throw .missing(path: "\(name).high", expected: "no less than low") }
            range = low...high
        }
        let values = json["values"]?.asArray?.compactMap(\.asString) ?? []
        var rules: [ColumnRule] = []
        for rule in json["rules"]?.asArray ?? [] { rules.append(try ColumnRule(json: rule)) }
        var keyForm: KeyForm?
        if let text = json["keyForm"] {
            keyForm = try json.require("keyForm", "hex n, digits n or fingerprint") { _ in text.asString.flatMap { KeyForm($0) } }
        }
        self.init(
            name: name, type: type, range: range, values: values, nullable: json["nullable"]?.asBool ?? false, unit: json["unit"]?.asString,
            keyForm: keyForm, rules: rules)
        let list = listedValues
        guard list.count == values.count else { throw .missing(path: "\(name).values", expected: "values of the column's type") }
        for (a, b) in zip(list, list.dropFirst()) where a.compared(to: b) != -1 { throw .listOutOfOrder(column: name) }
    }
    var listedValues: [Value] {
        values.compactMap { text in
            guard type.isNumeric else { return .text(text) }
            return Number(text)?.exactly(scale: type.scale).map { .number(Number(unscaled: $0, scale: type.scale)) }
        }
    }
}

extension ColumnRule {
    var json: JSON {
        var out: [String: JSON] = ["rule": .string(rule.rawValue)]
        if !readers.isEmpty { out["readers"] = .array(readers.map { .string($0) }) }
        if !purposes.isEmpty { out["purposes"] = .array(purposes.map { .string($0.rawValue) }) }
        return .object(out)
    }
    init(json: JSON) throws(SchemaError) {
        self.init(
            try json.require("rule", Rule.allCases.map(\.rawValue).joined(separator: ", ")) { $0.asString.flatMap { Rule(rawValue: $0) } },
            readers: json["readers"]?.asArray?.compactMap(\.asString) ?? [],
            purposes: json["purposes"]?.asArray?.compactMap { $0.asString.flatMap { Purpose(rawValue: $0) } } ?? [])
    }
}

extension ValueType {
    var listed: String { if case .decimal = self { "decimal" } else { name } }
}

extension JSON {
    fileprivate func require<T>(_ key: String, _ expected: String, _ read: (JSON) -> T?) throws(SchemaError) -> T {
        guard let value = self[key].flatMap(read) else { throw .missing(path: key, expected: expected) }
        return value
    }
}

extension SchemaError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .json(let error): "schema: no JSON (\(error)); send the listing's document"
        case .missing(let path, let expected): "schema: \(path) must be \(expected)"
        case .listOutOfOrder(let column): "schema: values of \(column) are not in order without repetition; sort them"
        case .keyUnknown(let key): "schema: the key \(key) is no column"
        case .columnTwice(let column): "schema: column \(column) occurs twice"
        }
    }
}
