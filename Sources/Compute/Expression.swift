/// Typed expressions with names resolved, their printed form, and what is known of their values from public facts alone.
package indirect enum Expression: Hashable, Sendable {
    case literal(Value)
    /// Column `index` of input `item`; see `BoundQuery`. In what the reader computes, item −1 are the group keys, −2 the aggregates.
    case column(item: Int, index: Int)
    case negate(Expression)
    case not(Expression)
    case binary(Operator, Expression, Expression)
    case isNull(Expression)
    case isTruth(Expression, Bool)
    case like(Expression, Expression)
    /// Conditions and results; the last result is ELSE.
    case choice([Expression], [Expression])
    case cast(Expression, ValueType)
    case function(Function, [Expression])

    static let keys = -1, aggregates = -2
}

package enum Function: String, Hashable, Sendable {
    case coalesce, nullif, abs, greatest, least, round, floor, ceil, extract, lower, upper, length, substring, trim
}

extension Expression {
    var children: [Expression] {
        switch self {
        case .literal, .column: []
        case .negate(let a), .not(let a), .isNull(let a), .isTruth(let a, _), .cast(let a, _): [a]
        case .binary(_, let a, let b), .like(let a, let b): [a, b]
        case .choice(let conditions, let results): conditions + results
        case .function(_, let arguments): arguments
        }
    }
    func mapChildren<E: Error>(_ body: (Expression) throws(E) -> Expression) throws(E) -> Expression {
        func all(_ list: [Expression]) throws(E) -> [Expression] {
            var out: [Expression] = []
            for e in list { out.append(try body(e)) }
            return out
        }
        switch self {
        case .literal, .column: return self
        case .negate(let a): return .negate(try body(a))
        case .not(let a): return .not(try body(a))
        case .isNull(let a): return .isNull(try body(a))
        case .isTruth(let a, let truth): return .isTruth(try body(a), truth)
        case .cast(let a, let type): return .cast(try body(a), type)
        case .binary(let op, let a, let b): return .binary(op, try body(a), try body(b))
        case .like(let a, let b): return .like(try body(a), try body(b))
        case .choice(let conditions, let results): return .choice(try all(conditions), try all(results))
        case .function(let f, let arguments): return .function(f, try all(arguments))
        }
    }
    /// The items whose columns occur.
    var items: Set<Int> {
        if case .column(let item, _) = self { return [item] }
        return children.reduce(into: []) { $0.formUnion($1.items) }
    }
    /// The columns of one item that occur.
    func columns(of item: Int) -> Set<Int> {
        if case .column(item, let index) = self { return [index] }
        return children.reduce(into: []) { $0.formUnion($1.columns(of: item)) }
    }
    /// Columns of `item` replaced by expressions.
    func substituting(_ item: Int, _ replacement: [Expression]) -> Expression {
        if case .column(item, let index) = self { return replacement[index] }
        return mapChildren { $0.substituting(item, replacement) }
    }
    /// Conjuncts of a condition.
    var conjuncts: [Expression] {
        if case .binary(.and, let a, let b) = self { return a.conjuncts + b.conjuncts }
        return [self]
    }
    static func all(_ conjuncts: [Expression]) -> Expression? {
        conjuncts.dropFirst().reduce(conjuncts.first) { .binary(.and, $0!, $1) }
    }

    /// The text a person reads, fully bracketed where needed.
    func printed(_ name: (_ item: Int, _ index: Int) -> String) -> String {
        func p(_ e: Expression) -> String {
            if case .binary = e { return "(" + e.printed(name) + ")" }
            return e.printed(name)
        }
        switch self {
        case .literal(let value): return value.literal
        case .column(let item, let index): return name(item, index)
        case .negate(let a): return "-" + p(a)
        case .not(let a): return "NOT " + p(a)
        case .binary(let op, let a, let b): return "\(p(a)) \(op.rawValue) \(p(b))"
        case .isNull(let a): return p(a) + " IS NULL"
        case .isTruth(let a, let truth): return p(a) + (truth ? " IS TRUE" : " IS FALSE")
        case .like(let a, let b): return "\(p(a)) LIKE \(p(b))"
        case .cast(let a, let type): return "CAST(\(a.printed(name)) AS \(type.name))"
        case .function(let f, let arguments):
            return f.rawValue.uppercased() + "(" + arguments.map { $0.printed(name) }.joined(separator: ", ") + ")"
        case .choice(let conditions, let results):
            let whens = zip(conditions, results).map { "WHEN \($0.printed(name)) THEN \($1.printed(name))" }.joined(separator: " ")
            return "CASE \(whens) ELSE \(results.last!.printed(name)) END"
        }
    }
}

/// What is public about a value before any row is seen.
struct Facts: Hashable, Sendable {
    var type: ValueType
    /// Of numbers at the type's scale, days, microseconds; nil where unbounded (text).
    var range: ClosedRange<Int128>?
    var nullable: Bool
    var unit: String?
    /// Every value it may take, in order, without NULL; nil where nobody lists them.
    var list: [Value]?
    var keyForm: KeyForm?

    static let maximumList = 64, maximumScale = 12
    static let maximumMagnitude: UInt128 = 1_000_000_000_000_000_000_000_000

    /// The values that may occur, where few: from the list, a boolean, or a short range.
    var values: [Value]? { values(atMost: Self.maximumList) }
    func values(atMost most: Int) -> [Value]? {
        if let list { return list }
        if type == .boolean { return [.boolean(false), .boolean(true)] }
        guard let range, range.upperBound - range.lowerBound < Int128(most) else { return nil }
        return (range.lowerBound...range.upperBound).map { n in
            switch type {
            case .date: .date(Int64(n))
            case .timestamp: .timestamp(Int64(n))
            default: .number(Number(unscaled: n, scale: type.scale))
            }
        }
    }
    static func of(_ value: Value) -> Facts {
        let range: ClosedRange<Int128>? =
            switch value {
            case .number(let n): n.unscaled...n.unscaled
            case .date(let d): Int128(d)...Int128(d)
            case .timestamp(let t): Int128(t)...Int128(t)
            default: nil
            }
        return Facts(type: value.type, range: range, nullable: value.isNull, unit: nil, list: value.isNull ? [] : [value])
    }
    static func of(_ column: ColumnSchema) -> Facts {
        Facts(
            type: column.type, range: column.range.map { Int128($0.lowerBound)...Int128($0.upperBound) }, nullable: column.nullable,
            unit: column.unit,
            list: column.values.isEmpty ? nil : column.listedValues, keyForm: column.keyForm)
    }
    /// What holds of a value that is one of two; nil where the types do not go together.
    func union(_ other: Facts) -> Facts? {
        if type == .unknown { var out = other; out.nullable = true; return out }
        if other.type == .unknown { var out = self; out.nullable = true; return out }
        let joint: ValueType
        if type == other.type {
            joint = type
        } else if type.isNumeric, other.type.isNumeric {
            joint = .decimal(scale: max(type.scale, other.type.scale))
        } else {
            return nil
        }
        let a = at(joint), b = other.at(joint)
        var out = Facts(
            type: joint, range: nil, nullable: nullable || other.nullable, unit: unit ?? other.unit,
            keyForm: keyForm == other.keyForm ? keyForm : nil)
        if let a = a.range, let b = b.range { out.range = min(a.lowerBound, b.lowerBound)...max(a.upperBound, b.upperBound) }
        if let a = a.list, let b = b.list {
            var merged = a
            for value in b where !merged.contains(value) { merged.append(value) }
            out.list = merged.sorted { ($0.compared(to: $1) ?? 0) < 0 }
        }
        return out
    }
    /// Numbers moved to a larger scale.
    func at(_ type: ValueType) -> Facts {
        guard type.isNumeric, self.type.isNumeric, type.scale > self.type.scale else { return self }
        let factor = Number.power(type.scale - self.type.scale)
        var out = self
        out.type = type
        out.range = range.map { $0.lowerBound * factor...$0.upperBound * factor }
        out.list = list?.map { $0.asNumber.map { .number(Number(unscaled: $0.at(scale: type.scale), scale: type.scale)) } ?? $0 }
        return out
    }
}
