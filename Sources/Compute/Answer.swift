import MPC

/// What the reader makes of the opened words: rows with PostgreSQL's digits, in the order asked for, and how many groups a rule hid.
package struct Answer: Hashable, Sendable {
    package var columns: [String]
    package var rows: [[Value]]
    package var hiddenGroups: Int
    /// "2 groups hidden: smallest group 5 (south.patients)"; nil where nothing was hidden.
    package var notice: String?

    /// A plain table, for a terminal.
    package var table: String {
        let cells = [columns] + rows.map { $0.map(\.printed) }
        let widths = columns.indices.map { c in cells.map { $0[c].count }.max() ?? 0 }
        let lines = cells.map { row in
            row.indices.map { String(repeating: " ", count: widths[$0] - row[$0].count) + row[$0] }.joined(separator: "  ")
        }
        return (lines + (notice.map { [$0] } ?? [])).joined(separator: "\n")
    }
}

extension Plan {
    /// - Parameter words: `outputWords` words as opened from the boxes.
    package func decode(_ words: Column) -> Answer {
        precondition(words.count == outputWords)
        let n = groups.labels.count, hidden = hidesGroups ? Int(words.last!) : 0
        var shown: [(key: [Value], aggregates: [Value])] = []
        for group in 0..<n {
            let count = words[group]
            guard count > 0 || (!query.isGrouped && hidden == 0) else { continue }
            shown.append((groups.labels[group], aggregates.prefix(query.shownAggregates).map { value(of: $0, words, group, n) }))
        }
        let notice =
            hidden == 0
            ? nil
            : "\(hidden) group\(hidden == 1 ? "" : "s") hidden: smallest group \(smallestGroup) (\(smallestGroupTables.joined(separator: ", ")))"
        return query.answer(shown, hiddenGroups: hidden, notice: notice)
    }
    private func value(of aggregate: AggregateWords, _ words: Column, _ group: Int, _ n: Int) -> Value {
        func word(_ index: Int) -> Int128 { Int128(Int64(bitPattern: words[(1 + index) * n + group])) }
        let value = word(aggregate.value), count = word(aggregate.count)
        if aggregate.kind == .minimum || aggregate.kind == .maximum {
            return count == 0 ? .null : .of(aggregate.low + value, aggregate.type)
        }
        return aggregate.kind.value(total: value, spread: value, count: count, scale: aggregate.scale)
    }
}

extension AggregateKind {
    /// From Σ, n·Σx² − (Σx)² and n, at the column's scale (reference/private-sql.md §3).
    func value(total: Int128, spread: Int128, count n: Int128, scale: Int) -> Value {
        switch self {
        case .count: return .number(Number(unscaled: n))
        case .sum: return n == 0 ? .null : .number(Number(unscaled: total, scale: scale))
        case .average: return n == 0 ? .null : .number(.quotient(Number(unscaled: total, scale: scale), Number(unscaled: n)))
        case .minimum, .maximum: return .null
        default:
            guard n > (isSample ? 1 : 0) else { return .null }
            let variance = Number.quotient(Number(unscaled: spread, scale: 2 * scale), Number(unscaled: isSample ? n * (n - 1) : n * n))
            return .number(isDeviation ? variance.squareRoot : variance)
        }
    }
}

extension BoundQuery {
    /// Outputs of each shown group, in the order asked for, completed by the group keys.
    func answer(_ shown: [(key: [Value], aggregates: [Value])], hiddenGroups: Int, notice: String?) -> Answer {
        func evaluate(_ e: Expression, _ group: (key: [Value], aggregates: [Value])) -> Value {
            e.value { item, index in item == Expression.keys ? group.key[index] : group.aggregates[index] }
        }
        /// Ascending, NULL first or last.
        func precedes(_ x: Value, _ y: Value, nullsFirst: Bool, descending: Bool) -> Bool? {
            if x.isNull || y.isNull { return x.isNull == y.isNull ? nil : x.isNull == nullsFirst }
            guard let order = x.compared(to: y), order != 0 else { return nil }
            return descending ? order > 0 : order < 0
        }
        var groups = shown
        if !order.isEmpty || limit != nil {
            groups.sort { a, b in
                for key in order {
                    let x = evaluate(key.expression, a), y = evaluate(key.expression, b)
                    if let before = precedes(x, y, nullsFirst: key.nullsFirst, descending: key.descending) { return before }
                }
                for (x, y) in zip(a.key, b.key) { if let before = precedes(x, y, nullsFirst: false, descending: false) { return before } }
                return false
            }
        }
        let rows = groups.prefix(limit ?? groups.count).map { group in outputs.map { evaluate($0.expression, group) } }
        return Answer(columns: outputs.map(\.name), rows: rows, hiddenGroups: hiddenGroups, notice: notice)
    }
}
