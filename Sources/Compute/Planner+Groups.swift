/// HAVING, and ORDER BY … LIMIT: conditions on a group's words and an order of groups, without division (reference/private-sql.md §3,
/// §8.6). Words that nobody is shown are computed and compared, never opened.
extension Planner {
    /// A number over a group's words: column 0 is the count, column k + 1 word k; NULL where one of `needs` is 0.
    private struct Amount { var value: Polynomial, scale: Int, needs: Set<Int> }

    private func column(_ word: Int) -> Polynomial { Polynomial(column: word + 1) }
    /// The largest a polynomial over a group's words may be, whatever the members hand in.
    private func bound(_ p: Polynomial, rows: Int) -> UInt128 {
        func word(_ k: Int) -> UInt128 { k < 0 ? UInt128(rows) : bound(words[k], rows: rows) }
        return p.terms.reduce(UInt128(0)) { total, term in
            min(.max >> 2, total + Self.product(term.key.first.map { word($0 - 1) } ?? 1, term.value.magnitude))
        }
    }
    private func width(_ p: Polynomial, rows: Int, _ text: String) throws(QueryError) -> Int {
        let most = bound(p, rows: rows)
        guard most < 1 << 62 else { throw .range(expression: text, rows: rows, planes: Planes.bits(most), maximum: 62) }
        return Planes.bits(most + 1) + 1
    }

    private func refused(_ e: Expression, in clause: String) -> QueryError {
        .plan(construct: "\(clause) \(query.text(e))", remedy: "compare sums, counts and extremes, or one AVG with a number")
    }
    private func amount(_ e: Expression, in clause: String) throws(QueryError) -> Amount {
        switch e {
        case _ where e.items.isEmpty:
            let value = e.value { _, _ in .null }
            if let number = value.asNumber { return Amount(value: Polynomial(constant: number.unscaled), scale: number.scale, needs: []) }
            if let ordinal = value.ordinal(scale: 0) { return Amount(value: Polynomial(constant: ordinal), scale: 0, needs: []) }
            throw refused(e, in: clause)
        case .column(Expression.aggregates, let index):
            let words = aggregates[index]
            switch words.kind {
            case .count: return Amount(value: column(words.value), scale: 0, needs: [])
            case .sum: return Amount(value: column(words.value), scale: words.scale, needs: words.count < 0 ? [] : [words.count])
            case .minimum, .maximum:
                return Amount(value: column(words.value) + column(words.count).times(words.low), scale: words.scale, needs: [words.count])
            default: throw refused(e, in: clause)
            }
        case .negate(let a):
            var out = try amount(a, in: clause)
            out.value = out.value.times(-1)
            return out
        case .binary(let op, let a, let b) where op == .plus || op == .minus:
            return Self.sum(try amount(a, in: clause), try amount(b, in: clause), sign: op == .plus ? 1 : -1)
        case .binary(.times, let a, let b) where a.items.isEmpty || b.items.isEmpty:
            let (known, other) = a.items.isEmpty ? (a, b) : (b, a)
            guard let factor = known.value({ _, _ in .null }).asNumber, factor.unscaled.magnitude < 1 << 62 else {
                throw refused(e, in: clause)
            }
            var out = try amount(other, in: clause)
            out.value = out.value.times(factor.unscaled)
            out.scale += factor.scale
            return out
        default: throw refused(e, in: clause)
        }
    }
    private static func sum(_ a: Amount, _ b: Amount, sign: Int128) -> Amount {
        let scale = max(a.scale, b.scale)
        return Amount(
            value: a.value.times(Number.power(scale - a.scale)) + b.value.times(sign * Number.power(scale - b.scale)), scale: scale,
            needs: a.needs.union(b.needs))
    }
    private func average(_ e: Expression) -> Plan.AggregateWords? {
        if case .column(Expression.aggregates, let index) = e, aggregates[index].kind == .average { aggregates[index] } else { nil }
    }

    // MARK: HAVING

    /// Where `e` is TRUE (`holds`), or where it is FALSE: negation goes down to the comparisons, so unknown is neither.
    func condition(_ e: Expression, holds: Bool, _ groups: Plan.Groups, rows: Int) throws(QueryError) -> Plan.Condition {
        if e.items.isSubset(of: [Expression.keys]) {
            return .known(groups.labels.map { label in e.value { _, index in label[index] } == .boolean(holds) })
        }
        switch e {
        case .not(let a): return try condition(a, holds: !holds, groups, rows: rows)
        case .binary(let op, let a, let b) where op == .and || op == .or:
            let parts = [try condition(a, holds: holds, groups, rows: rows), try condition(b, holds: holds, groups, rows: rows)]
            return (op == .and) == holds ? .all(parts) : .any(parts)
        case .binary(let op, let a, let b) where op.isComparison: return try compared(holds ? op : op.negated, a, b, e, rows: rows)
        case .isNull(.column(Expression.aggregates, let index)):
            let words = aggregates[index]
            if words.kind == .count || words.count < 0 { return .known(groups.labels.map { _ in !holds }) }
            guard !words.kind.isVariance else { throw refused(e, in: "HAVING") }
            return .test(
                .init(
                    difference: column(words.count), test: holds ? .equal : .unequal,
                    width: try width(column(words.count), rows: rows, query.text(e))))
        default: throw refused(e, in: "HAVING")
        }
    }
    private func compared(_ op: Operator, _ a: Expression, _ b: Expression, _ e: Expression, rows: Int) throws(QueryError) -> Plan.Condition
    {
        var difference: Amount
        if let mean = average(a), b.items.isEmpty {
            difference = Self.sum(try scaled(mean), try times(b, mean), sign: -1)
        } else if let mean = average(b), a.items.isEmpty {
            difference = Self.sum(try times(a, mean), try scaled(mean), sign: -1)
        } else {
            difference = Self.sum(try amount(a, in: "HAVING"), try amount(b, in: "HAVING"), sign: -1)
        }
        let text = query.text(e)
        if op == .greater || op == .atLeast { difference.value = difference.value.times(-1) }
        var parts = [
            Plan.Condition.test(.init(difference: difference.value, test: .init(op), width: try width(difference.value, rows: rows, text)))
        ]
        for word in difference.needs.sorted() {
            parts.append(.test(.init(difference: column(word).times(-1), test: .less, width: try width(column(word), rows: rows, text))))
        }
        return parts.count == 1 ? parts[0] : .all(parts)
    }
    /// AVG against c is Σ against c·n.
    private func scaled(_ mean: Plan.AggregateWords) throws(QueryError) -> Amount {
        Amount(value: column(mean.value), scale: mean.scale, needs: mean.count < 0 ? [] : [mean.count])
    }
    private func times(_ c: Expression, _ mean: Plan.AggregateWords) throws(QueryError) -> Amount {
        guard let number = c.value({ _, _ in .null }).asNumber else { throw refused(c, in: "HAVING AVG against") }
        return Amount(value: column(mean.count).times(number.unscaled), scale: number.scale, needs: [])
    }

    // MARK: LIMIT

    /// The order of groups that a limit cuts; nil where it leaves none out.
    func firstGroups(_ groups: Plan.Groups, rows: Int) throws(QueryError) -> Plan.First? {
        guard query.isGrouped, let limit = query.limit, limit < groups.labels.count else { return nil }
        var order: [Plan.First.Order] = []
        for key in query.order {
            let e = key.expression, clause = "LIMIT over ORDER BY"
            if e.items.isEmpty { continue }
            if e.items.isSubset(of: [Expression.keys]) {
                let values = groups.labels.map { label in e.value { _, index in label[index] } }
                order.append(
                    .init(key: .known(Self.places(values, nullsFirst: key.nullsFirst != key.descending)), descending: key.descending))
                continue
            }
            let found: Plan.First.Key, needs: Set<Int>
            if let mean = average(e) {
                let value = bound(column(mean.value), rows: rows), text = query.text(e), most = Self.product(2 * value, UInt128(rows))
                guard most < 1 << 62 else {
                    throw .range(expression: "\(clause) \(text)", rows: rows, planes: Planes.bits(most), maximum: 62)
                }
                found = .average(value: mean.value, count: mean.count, width: Planes.bits(most + 1) + 1)
                needs = mean.count < 0 ? [] : [mean.count]
            } else {
                let amount = try amount(e, in: clause)
                found = .number(amount.value, width: try width(amount.value.times(2), rows: rows, "\(clause) \(query.text(e))"))
                needs = amount.needs
            }
            guard needs.count <= 1 else { throw refused(e, in: clause) }
            for word in needs {
                // NULLs by themselves, first or last: a key before the number, which is 0 where there is none.
                order.append(
                    .init(key: .absent(count: word, width: try width(column(word), rows: rows, query.text(e))), descending: key.nullsFirst))
            }
            order.append(.init(key: found, descending: key.descending))
        }
        return .init(order: order, limit: limit)
    }
    /// Equal values, equal places; before a turn by DESC.
    private static func places(_ values: [Value], nullsFirst: Bool) -> [Int] {
        values.map { x in
            values.count { y in
                if x.isNull || y.isNull { return x.isNull != y.isNull && y.isNull == nullsFirst }
                return (y.compared(to: x) ?? 0) < 0
            }
        }
    }
}

extension Operator {
    fileprivate var negated: Operator {
        switch self {
        case .equal: .unequal
        case .unequal: .equal
        case .less: .atLeast
        case .atLeast: .less
        case .greater: .atMost
        case .atMost: .greater
        default: self
        }
    }
}
