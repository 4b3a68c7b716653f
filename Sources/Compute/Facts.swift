/// Types, ranges, units and lists of expressions from those of columns: what a planner may know. Throws what a type checker must.
extension Expression {
    typealias ColumnFacts = (_ item: Int, _ index: Int) -> Facts
    typealias ColumnName = (_ item: Int, _ index: Int) -> String

    /// Numbers between operations stay below 10²⁴ at twelve digits after the point, so nothing that is evaluated later can overflow.
    func facts(_ column: ColumnFacts, _ name: ColumnName) throws(QueryError) -> Facts {
        let found = try uncheckedFacts(column, name)
        if found.type.isNumeric, let range = found.range {
            let most = max(range.lowerBound.magnitude, range.upperBound.magnitude)
            guard most <= Facts.maximumMagnitude, found.type.scale <= Facts.maximumScale else {
                throw .range(expression: printed(name), rows: 1, planes: Planes.bits(UInt128(most)), maximum: 79)
            }
        }
        return found
    }
    private func uncheckedFacts(_ column: ColumnFacts, _ name: ColumnName) throws(QueryError) -> Facts {
        func of(_ e: Expression) throws(QueryError) -> Facts { try e.facts(column, name) }
        func boolean(_ parts: [Expression], nullable: Bool? = nil) throws(QueryError) -> Facts {
            var any = false
            for part in parts {
                let facts = try of(part)
                guard facts.type == .boolean || facts.type == .unknown else {
                    throw .type(.expected("boolean", found: facts.type.name, place: part.printed(name)))
                }
                any = any || facts.nullable
            }
            return Facts(type: .boolean, range: nil, nullable: nullable ?? any)
        }
        switch self {
        case .literal(let value): return .of(value)
        case .column(let item, let index): return column(item, index)
        case .negate(let a): return try Expression.binary(.minus, .literal(.number(Number(0))), a).facts(column, name)
        case .not(let a): return try boolean([a])
        case .isNull(let a): _ = try of(a); return Facts(type: .boolean, range: nil, nullable: false)
        case .isTruth(let a, _): return try boolean([a], nullable: false)
        case .binary(let op, let a, let b):
            if op == .and || op == .or { return try boolean([a, b]) }
            return op.isComparison ? try compared(op, a, of(a), b, of(b), name) : try computed(op, a, of(a), b, of(b), name)
        case .like(let a, let b):
            let x = try of(a), y = try of(b)
            guard x.type == .text, y.type == .text else { throw .type(.operands("LIKE", x.type.name, y.type.name)) }
            return Facts(type: .boolean, range: nil, nullable: x.nullable || y.nullable)
        case .choice(let conditions, let results):
            _ = try boolean(conditions)
            var all = try of(results[0])
            for result in results.dropFirst() {
                let next = try of(result)
                guard let union = all.union(next) else { throw .type(.operands("CASE", all.type.name, next.type.name)) }
                all = union
            }
            return all
        case .cast(let a, let type):
            var facts = try of(a)
            if facts.type.isNumeric, type.isNumeric {
                if type.scale >= facts.type.scale {
                    facts = facts.at(type)
                } else if let range = facts.range {
                    let unit = Number.power(facts.type.scale - type.scale)
                    facts.range = range.lowerBound / unit - 1...range.upperBound / unit + 1
                }
                facts.list = nil
                facts.type = type
                return facts
            }
            let others: [(ValueType, ValueType)] = [(.boolean, .integer), (.timestamp, .date), (.date, .timestamp)]
            guard type == .text || facts.type == type || others.contains(where: { $0 == (facts.type, type) })
            else { throw .type(.operands("CAST", facts.type.name, type.name)) }
            let range: ClosedRange<Int128>? = type == .integer ? 0...1 : facts.type == type ? facts.range : nil
            return Facts(type: type, range: range, nullable: facts.nullable)
        case .function(let function, let arguments): return try function.facts(arguments, column, name)
        }
    }

    private func sameUnit(_ a: Expression, _ x: Facts, _ b: Expression, _ y: Facts, _ name: ColumnName) throws(QueryError) {
        if let u = x.unit, let v = y.unit, u != v { throw .type(.units(a.printed(name), u, b.printed(name), v)) }
    }
    private func compared(
        _ op: Operator, _ a: Expression, _ x: Facts, _ b: Expression, _ y: Facts, _ name: ColumnName
    ) throws(QueryError) -> Facts {
        let times: Set<ValueType> = [.date, .timestamp]
        guard
            x.type == y.type || x.type == .unknown || y.type == .unknown || (x.type.isNumeric && y.type.isNumeric)
                || (times.contains(x.type) && times.contains(y.type))
        else { throw .type(.operands(printed(name), x.type.name, y.type.name)) }
        try sameUnit(a, x, b, y, name)
        return Facts(type: .boolean, range: nil, nullable: x.nullable || y.nullable)
    }
    private func computed(
        _ op: Operator, _ a: Expression, _ x: Facts, _ b: Expression, _ y: Facts, _ name: ColumnName
    ) throws(QueryError) -> Facts {
        guard x.type.isNumeric || x.type == .unknown, y.type.isNumeric || y.type == .unknown else {
            throw .type(.operands(printed(name), x.type.name, y.type.name))
        }
        let nullable = x.nullable || y.nullable
        guard let r = x.range, let s = y.range else {
            let isNull = x.type == .unknown || y.type == .unknown
            return Facts(type: x.type.isNumeric ? x.type : .integer, range: isNull ? 0...0 : nil, nullable: nullable)
        }
        let scale = max(x.type.scale, y.type.scale)
        func type(_ scale: Int) -> ValueType { scale == 0 ? .integer : .decimal(scale: scale) }
        switch op {
        case .plus, .minus:
            try sameUnit(a, x, b, y, name)
            let r = x.at(type(scale)).range!, s = y.at(type(scale)).range!
            let range =
                op == .plus
                ? r.lowerBound + s.lowerBound...r.upperBound + s.upperBound : r.lowerBound - s.upperBound...r.upperBound - s.lowerBound
            return Facts(type: type(scale), range: range, nullable: nullable, unit: x.unit ?? y.unit)
        case .times:
            let corners = [r.lowerBound, r.upperBound].flatMap { p in
                [s.lowerBound, s.upperBound].map { p.multipliedReportingOverflow(by: $0) }
            }
            guard !corners.contains(where: \.overflow) else { throw .range(expression: printed(name), rows: 1, planes: 128, maximum: 126) }
            let unit: String? = if let u = x.unit, let v = y.unit { "\(u).\(v)" } else { x.unit ?? y.unit }
            let products = corners.map(\.partialValue)
            return Facts(type: type(x.type.scale + y.type.scale), range: products.min()!...products.max()!, nullable: nullable, unit: unit)
        default:
            guard !s.contains(0) || y.nullable && isNullif(b) else { throw .type(.divisor(b.printed(name))) }
            let unit: String? = if let u = x.unit, let v = y.unit { u == v ? nil : "\(u)/\(v)" } else { x.unit }
            if op == .remainder {
                let most = max(abs(y.at(type(scale)).range!.lowerBound), abs(y.at(type(scale)).range!.upperBound))
                return Facts(type: type(scale), range: -most...most, nullable: nullable, unit: x.unit)
            }
            let most = max(abs(r.lowerBound), abs(r.upperBound))
            // Decimals divide to as many digits as PostgreSQL gives, a scale that no column has: only the reader may do it.
            return Facts(
                type: scale == 0 ? .integer : .decimal(scale: scale), range: scale == 0 ? -most...most : nil, nullable: nullable, unit: unit
            )
        }
    }
    private func isNullif(_ e: Expression) -> Bool {
        if case .function(.nullif, let x) = e, x[1] == .literal(.number(Number(0))) { true } else { false }
    }
}

extension Function {
    fileprivate func facts(
        _ arguments: [Expression], _ column: Expression.ColumnFacts, _ name: Expression.ColumnName
    ) throws(QueryError) -> Facts {
        var all: [Facts] = []
        for argument in arguments { all.append(try argument.facts(column, name)) }
        let text = "\(rawValue.uppercased())(\(arguments.map { $0.printed(name) }.joined(separator: ", ")))"
        let counts: ClosedRange<Int> =
            switch self {
            case .coalesce, .greatest, .least: 1...64
            case .nullif, .extract: 2...2
            case .round: 1...2
            case .substring: 2...3
            default: 1...1
            }
        guard counts.contains(all.count) else {
            throw .type(.expected("\(counts.lowerBound)…\(counts.upperBound) arguments", found: "\(all.count)", place: text))
        }
        func numeric(_ facts: Facts) throws(QueryError) {
            if !facts.type.isNumeric { throw .type(.expected("a number", found: facts.type.name, place: text)) }
        }
        func isText(_ facts: Facts) throws(QueryError) {
            if facts.type != .text { throw .type(.expected("text", found: facts.type.name, place: text)) }
        }
        switch self {
        case .coalesce, .greatest, .least:
            var union = all[0]
            for next in all.dropFirst() {
                guard let joint = union.union(next) else { throw .type(.operands(text, union.type.name, next.type.name)) }
                union = joint
            }
            union.nullable = all.allSatisfy(\.nullable)
            return union
        case .nullif:
            var out = all[0]
            out.nullable = true
            return out
        case .abs:
            try numeric(all[0])
            var out = all[0]
            out.list = nil
            out.range = out.range.map { 0...max(Swift.abs($0.lowerBound), Swift.abs($0.upperBound)) }
            return out
        case .round, .floor, .ceil:
            try numeric(all[0])
            var scale = 0
            if self == .round, arguments.count == 2 {
                guard case .literal(.number(let n)) = arguments[1], n.scale == 0, (0...9).contains(n.unscaled) else {
                    throw .type(.expected("a literal 0…9", found: arguments[1].printed(name), place: text))
                }
                scale = Int(n.unscaled)
            }
            let type: ValueType = scale == 0 ? .integer : .decimal(scale: scale)
            if scale >= all[0].type.scale { return all[0].at(type) }
            let unit = Number.power(all[0].type.scale - scale)
            return Facts(
                type: type, range: all[0].range.map { $0.lowerBound / unit - 1...$0.upperBound / unit + 1 }, nullable: all[0].nullable,
                unit: all[0].unit)
        case .extract:
            guard case .literal(.text(let field)) = arguments[0], ["year", "month", "day"].contains(field) else {
                throw .resolve(.functionUnknown("EXTRACT of that field"))
            }
            guard all[1].type == .date || all[1].type == .timestamp else {
                throw .type(.expected("a date", found: all[1].type.name, place: text))
            }
            var range: ClosedRange<Int128> = field == "month" ? 1...12 : field == "day" ? 1...31 : 1...9999
            if field == "year", let r = all[1].range {
                let day: (Int128) -> Int64 = { Int64(all[1].type == .date ? $0 : $0 / Int128(Calendar.dayMicroseconds)) }
                range = Int128(Calendar.civil(day(r.lowerBound)).year)...Int128(Calendar.civil(day(r.upperBound)).year)
            }
            return Facts(type: .integer, range: range, nullable: all[1].nullable)
        case .lower, .upper, .trim: try isText(all[0]); return Facts(type: .text, range: nil, nullable: all[0].nullable)
        case .substring: try isText(all[0]); return Facts(type: .text, range: nil, nullable: true)
        case .length: try isText(all[0]); return Facts(type: .integer, range: 0...65_535, nullable: all[0].nullable)
        }
    }
}
