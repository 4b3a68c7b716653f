/// The one evaluator of expressions on clear values: at a member over its own rows, at the reader over opened words, in the oracle.
/// Three-valued logic; integer division towards zero (reference/private-sql.md §3). Types were checked when bound, so a value of
/// another type is a broken invariant here.
extension Expression {
    func value(_ column: (_ item: Int, _ index: Int) -> Value) -> Value {
        switch self {
        case .literal(let value): return value
        case .column(let item, let index): return column(item, index)
        case .negate(let a): return a.value(column).asNumber.map { .number(-$0) } ?? .null
        case .not(let a): return a.value(column).asBoolean.map { .boolean(!$0) } ?? .null
        case .isNull(let a): return .boolean(a.value(column).isNull)
        case .isTruth(let a, let truth): return .boolean(a.value(column).asBoolean == truth)
        case .binary(.and, let a, let b): return Self.logic(a.value(column).asBoolean, b.value(column).asBoolean, absorbing: false)
        case .binary(.or, let a, let b): return Self.logic(a.value(column).asBoolean, b.value(column).asBoolean, absorbing: true)
        case .binary(let op, let a, let b):
            let x = a.value(column), y = b.value(column)
            return op.isComparison ? Self.comparison(op, x, y) : Self.arithmetic(op, x, y)
        case .like(let a, let b):
            guard case .text(let text) = a.value(column), case .text(let pattern) = b.value(column) else { return .null }
            return .boolean(Self.matches(Array(text.unicodeScalars)[...], Array(pattern.unicodeScalars)[...]))
        case .choice(let conditions, let results):
            for (condition, result) in zip(conditions, results) where condition.value(column).asBoolean == true {
                return result.value(column)
            }
            return results.last!.value(column)
        case .cast(let a, let type): return a.value(column).cast(to: type)
        case .function(let function, let arguments): return function.value(arguments.map { $0.value(column) })
        }
    }
    /// AND (absorbing false) or OR (absorbing true).
    private static func logic(_ a: Bool?, _ b: Bool?, absorbing: Bool) -> Value {
        if a == absorbing || b == absorbing { return .boolean(absorbing) }
        return a == nil || b == nil ? .null : .boolean(!absorbing)
    }
    static func comparison(_ op: Operator, _ x: Value, _ y: Value) -> Value {
        guard let order = x.compared(to: y) else { return .null }
        switch op {
        case .equal: return .boolean(order == 0)
        case .unequal: return .boolean(order != 0)
        case .less: return .boolean(order < 0)
        case .atMost: return .boolean(order <= 0)
        case .greater: return .boolean(order > 0)
        default: return .boolean(order >= 0)
        }
    }
    static func arithmetic(_ op: Operator, _ x: Value, _ y: Value) -> Value {
        guard let a = x.asNumber, let b = y.asNumber else { return .null }
        switch op {
        case .plus: return .number(a + b)
        case .minus: return .number(a - b)
        case .times: return .number(a * b)
        case .divide:
            if b.unscaled == 0 { return .null }  // excluded by the binder: no divisor can be 0
            return .number(a.scale == 0 && b.scale == 0 ? Number(unscaled: a.unscaled / b.unscaled) : .quotient(a, b))
        default:
            if b.unscaled == 0 { return .null }
            let scale = max(a.scale, b.scale)
            return .number(Number(unscaled: a.at(scale: scale) % b.at(scale: scale), scale: scale))
        }
    }
    /// `%` any run, `_` one character, `\` quotes the next: two pointers with one place to return to, so linear in most texts.
    private static func matches(_ text: ArraySlice<Unicode.Scalar>, _ pattern: ArraySlice<Unicode.Scalar>) -> Bool {
        var t = text.startIndex, p = pattern.startIndex, star: (pattern: Int, text: Int)?
        while t < text.endIndex {
            if p < pattern.endIndex, pattern[p] == "%" { star = (p + 1, t); p += 1; continue }
            let quoted = p < pattern.endIndex && pattern[p] == "\\" && p + 1 < pattern.endIndex, at = quoted ? p + 1 : p
            if at < pattern.endIndex, pattern[at] == text[t] || (!quoted && pattern[at] == "_") { p = at + 1; t += 1; continue }
            guard let back = star else { return false }
            star = (back.pattern, back.text + 1)
            (p, t) = (back.pattern, back.text + 1)
        }
        while p < pattern.endIndex, pattern[p] == "%" { p += 1 }
        return p == pattern.endIndex
    }
}

extension Value {
    func cast(to type: ValueType) -> Value {
        switch (self, type) {
        case (.number(let n), .integer): .number(n.rounded(scale: 0))
        case (.number(let n), .decimal(let scale)): .number(n.rounded(scale: scale))
        case (.boolean(let flag), .integer): .number(Number(flag ? 1 : 0))
        case (.null, _): .null
        case (_, .text): .text(printed)
        case (.timestamp(let t), .date): .date((t - (t < 0 ? Calendar.dayMicroseconds - 1 : 0)) / Calendar.dayMicroseconds)
        case (.date(let d), .timestamp): .timestamp(d * Calendar.dayMicroseconds)
        default: self
        }
    }
}

extension Function {
    func value(_ x: [Value]) -> Value {
        switch self {
        case .coalesce: return x.first { !$0.isNull } ?? .null
        case .nullif: return x[0].compared(to: x[1]) == 0 ? .null : x[0]
        case .abs: return x[0].asNumber.map { .number($0.unscaled < 0 ? -$0 : $0) } ?? .null
        case .greatest: return x.filter { !$0.isNull }.max { ($0.compared(to: $1) ?? 0) < 0 } ?? .null
        case .least: return x.filter { !$0.isNull }.min { ($0.compared(to: $1) ?? 0) < 0 } ?? .null
        case .round: return x[0].asNumber.map { .number($0.rounded(scale: x.count > 1 ? Int(x[1].asNumber?.unscaled ?? 0) : 0)) } ?? .null
        case .floor, .ceil:
            guard let n = x[0].asNumber else { return .null }
            let unit = Number.power(n.scale), (quotient, rest) = n.unscaled.quotientAndRemainder(dividingBy: unit)
            return .number(Number(unscaled: quotient + (self == .floor ? (rest < 0 ? -1 : 0) : (rest > 0 ? 1 : 0))))
        case .extract:
            guard case .text(let field) = x[0], case .date(let days) = x[1].cast(to: .date) else { return .null }
            let (year, month, day) = Calendar.civil(days)
            return .number(Number(Int(field == "year" ? year : field == "month" ? month : day)))
        case .lower: return x[0].mapText { $0.lowercased() }
        case .upper: return x[0].mapText { $0.uppercased() }
        case .trim:
            return x[0].mapText { text in
                let trimmed = text.drop { $0 == " " }
                return String(trimmed[..<(trimmed.lastIndex { $0 != " " }.map { trimmed.index(after: $0) } ?? trimmed.startIndex)])
            }
        case .length: if case .text(let text) = x[0] { return .number(Number(text.unicodeScalars.count)) } else { return .null }
        case .substring:
            guard case .text(let text) = x[0], let start = x[1].asNumber else { return .null }
            let scalars = Array(text.unicodeScalars), far: Int128 = 1 << 32, from = Int(min(max(start.unscaled, -far), far)) - 1
            let to = x.count > 2 ? from + Int(min(max(x[2].asNumber?.unscaled ?? 0, 0), far)) : scalars.count
            let low = min(max(from, 0), scalars.count), high = min(max(to, low), scalars.count)
            return .text(String(String.UnicodeScalarView(scalars[low..<high])))
        }
    }
}

extension Value {
    fileprivate func mapText(_ body: (String) -> String) -> Value { if case .text(let text) = self { .text(body(text)) } else { .null } }
}
