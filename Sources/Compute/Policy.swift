/// Column rules (reference/private-sql.md §8.2): every output and condition is traced to its columns; each needs the rule of what is
/// done with it. A refusal depends on text, listings and asker alone.
enum Policy {
    struct Need: Hashable { var item: Int, index: Int, rule: Rule, use: String }

    /// The rules that are missing, in the order in which the question first needs them; empty: allowed.
    static func refusals(_ query: BoundQuery, asker: Asker) -> [PolicyRefusal] {
        var needs: [Need] = []
        for (item, input) in query.items.enumerated() {
            if let key = input.key {
                trace(.column(item: item, index: key), .match, input.join == .semi || input.join == .anti ? "EXISTS" : "a join", &needs)
            }
            for condition in input.filter { trace(condition, .compareOnly, "a condition", &needs) }
        }
        for condition in query.crossFilters { trace(condition, .compareOnly, "a condition", &needs) }
        for key in query.groupKeys { trace(key, .afterGroup, "a group key", &needs) }
        for aggregate in query.aggregates {
            guard let argument = aggregate.argument else { continue }
            let extreme = aggregate.kind == .minimum || aggregate.kind == .maximum
            trace(argument, extreme ? .extreme : .afterAggregate, aggregate.kind.rawValue, &needs)
        }
        var out: [PolicyRefusal] = []
        func judge(_ source: BoundQuery.Source, _ e: Expression, _ rule: Rule, _ use: String) {
            var inner: [Need] = []
            trace(e, rule, use, &inner)
            for need in inner {
                let column = source.table.columns[need.index]
                let has = column.rules.filter { $0.applies(to: asker) }.map(\.rule)
                if has.contains(where: { $0.allows(need.rule) }) { continue }
                if out.contains(where: {
                    ($0.member, $0.table, $0.column, $0.needs) == (source.table.member, source.table.table, column.name, need.rule)
                }) {
                    continue
                }
                out.append(
                    PolicyRefusal(
                        member: source.table.member, table: source.table.table, column: column.name, reader: asker.reader,
                        use: need.use, has: has, needs: need.rule))
            }
        }
        for input in query.items {
            for source in input.sources { for condition in source.filter { judge(source, condition, .compareOnly, "a condition") } }
        }
        for need in needs {
            for source in query.items[need.item].sources { judge(source, source.columns[need.index], need.rule, need.use) }
        }
        return out
    }

    /// What using `e` under `rule` asks of each column: conditions inside ask for comparison only, one-to-one functions keep the rule.
    private static func trace(_ e: Expression, _ rule: Rule, _ use: String, _ needs: inout [Need]) {
        switch e {
        case .column(let item, let index): needs.append(Need(item: item, index: index, rule: rule, use: use))
        case .binary(let op, _, _) where op.isComparison || op == .and || op == .or:
            for child in e.children { trace(child, .compareOnly, "a condition", &needs) }
        case .not, .isNull, .isTruth, .like: for child in e.children { trace(child, .compareOnly, "a condition", &needs) }
        case .choice(let conditions, let results):
            for condition in conditions { trace(condition, .compareOnly, "a condition", &needs) }
            for result in results { trace(result, rule, use, &needs) }
        default: for child in e.children { trace(child, rule, use, &needs) }
        }
    }
}
