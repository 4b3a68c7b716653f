/// The oracle: the bound question over tables that lie open together, row by row, by nothing that the private operators use. For tests,
/// and for whoever may see all of the data.
package struct PooledEvaluator: Sendable {
    let query: BoundQuery

    /// - Throws: `QueryError` of parser and binder; column rules are not asked.
    package init(_ text: String, in scope: Scope) throws(QueryError) {
        query = try Binder.bind(try Parser.parse(try Lexer.tokens(of: text)), in: scope)
    }

    /// - Parameters:
    ///   - tables: by `member.table`, all columns of the schema, each a column of values.
    ///   - smallestGroup: the rule of §8.3; 1 shows all.
    package func answer(_ tables: [String: [[Value]]], smallestGroup k: Int = 1) -> Answer {
        var groups: [[Value]: [[[Value]]]] = [:]
        if !query.isGrouped { groups[[]] = [] }
        for row in joined(tables) {
            let value = { (item: Int, index: Int) in row[item].isEmpty ? Value.null : row[item][index] }
            guard query.crossFilters.allSatisfy({ $0.value(value) == .boolean(true) }) else { continue }
            groups[query.groupKeys.map { $0.value(value).normalized }, default: []].append(row)
        }
        var shown = groups.map { (key: $0.key, rows: $0.value) }.sorted { a, b in
            for (x, y) in zip(a.key, b.key) {
                if let order = x.compared(to: y), order != 0 { return order < 0 } else if x.isNull != y.isNull { return y.isNull }
            }
            return false
        }
        let small = shown.filter { (1..<k).contains($0.rows.count) }, before = shown.count
        if k > 1 {
            shown.removeAll { (1..<k).contains($0.rows.count) }
            if !small.isEmpty, small.reduce(0, { $0 + $1.rows.count }) < k,
                let least = shown.filter({ !$0.rows.isEmpty }).map(\.rows.count).min()
            {
                shown.remove(at: shown.firstIndex { $0.rows.count == least }!)
            }
        }
        let hidden = before - shown.count
        var kept = shown.map { group in (key: group.key, aggregates: query.aggregates.map { aggregate($0, group.rows) }) }
        if let having = query.having {
            kept.removeAll { group in
                having.value { item, index in item == Expression.keys ? group.key[index] : group.aggregates[index] } != .boolean(true)
            }
        }
        return query.answer(kept, hiddenGroups: hidden, notice: nil)
    }

    /// All combinations of rows, by item; an empty row where LEFT JOIN found none.
    private func joined(_ tables: [String: [[Value]]]) -> [[[Value]]] {
        let parts = query.items.indices.map { rows(of: $0, tables) }
        var out = parts[0].map { [$0] }
        for item in query.items.indices.dropFirst() {
            let right = query.items[item]
            guard let key = right.key else { out = out.flatMap { left in parts[item].map { left + [$0] } }; continue }
            let index = Dictionary(grouping: parts[item].filter { !$0[key].isNull }) { $0[key].normalized }
            let other = query.items[..<item].indices.first { query.items[$0].key != nil }!, otherKey = query.items[other].key!
            out = out.flatMap { left -> [[[Value]]] in
                let found = left[other].isEmpty || left[other][otherKey].isNull ? [] : index[left[other][otherKey].normalized] ?? []
                switch right.join {
                case .semi: return found.isEmpty ? [] : [left + [[]]]
                case .anti: return found.isEmpty ? [left + [[]]] : []
                case .left where found.isEmpty: return [left + [[]]]
                default: return found.map { left + [$0] }
                }
            }
        }
        return out
    }
    private func rows(of item: Int, _ tables: [String: [[Value]]]) -> [[Value]] {
        let input = query.items[item]
        return input.sources.flatMap { source -> [[Value]] in
            let columns = tables[source.table.name] ?? [], count = columns.first?.count ?? 0
            return (0..<count).compactMap { row in
                let base = { (_: Int, index: Int) in columns[index][row] }
                guard source.filter.allSatisfy({ $0.value(base) == .boolean(true) }) else { return nil }
                let values = source.columns.map { $0.value(base) }
                return input.filter.allSatisfy { $0.value { _, index in values[index] } == .boolean(true) } ? values : nil
            }
        }
    }
    private func aggregate(_ aggregate: BoundQuery.Aggregate, _ rows: [[[Value]]]) -> Value {
        guard let argument = aggregate.argument else { return .number(Number(rows.count)) }
        var values = rows.map { row in argument.value { item, index in row[item].isEmpty ? .null : row[item][index] } }.filter {
            !$0.isNull
        }
        if aggregate.distinct { values = Array(Set(values.map(\.normalized))) }
        switch aggregate.kind {
        case .count: return .number(Number(values.count))
        case .minimum: return values.min { ($0.compared(to: $1) ?? 0) < 0 } ?? .null
        case .maximum: return values.max { ($0.compared(to: $1) ?? 0) < 0 } ?? .null
        default:
            let numbers = values.compactMap(\.asNumber), scale = numbers.map(\.scale).max() ?? 0, n = Int128(numbers.count)
            let total = numbers.reduce(Int128(0)) { $0 + $1.at(scale: scale) }
            let squares = aggregate.kind.isVariance ? numbers.reduce(Int128(0)) { $0 + $1.at(scale: scale) * $1.at(scale: scale) } : 0
            return aggregate.kind.value(
                total: total, spread: aggregate.kind.isVariance ? n * squares - total * total : 0, count: n, scale: scale)
        }
    }
}

extension Value {
    /// Equal numbers at different scales as one value.
    var normalized: Value {
        guard case .number(var n) = self else { return self }
        while n.scale > 0, n.unscaled % 10 == 0 { n.unscaled /= 10; n.scale -= 1 }
        return .number(n)
    }
}
