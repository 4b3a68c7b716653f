/// From syntax to the normal form: names, types, EXISTS and IN to joins, conditions to conjuncts, UNION ALL of tables to one item.
struct Binder {
    let scope: Scope
    private var ctes: [String: Derived] = [:]
    private var query = BoundQuery()
    /// Equalities between columns of two items.
    private var equalities: [(Reference, Reference)] = []

    struct Reference: Hashable { var item: Int, index: Int }
    /// A table-shaped source: what FROM may name.
    struct Derived {
        var columns: [BoundQuery.Column]
        var sources: [BoundQuery.Source]
    }

    static func bind(_ syntax: QuerySyntax, in scope: Scope) throws(QueryError) -> BoundQuery {
        var binder = Binder(scope: scope)
        try binder.bindTop(syntax)
        return binder.query
    }
    private init(scope: Scope) { self.scope = scope }

    private mutating func bindTop(_ syntax: QuerySyntax) throws(QueryError) {
        for cte in syntax.ctes { ctes[cte.name] = try derive(cte.query) }
        guard syntax.selects.count == 1 else {
            throw .plan(construct: "UNION ALL of answers", remedy: "ask the parts one by one, or put UNION ALL inside FROM")
        }
        var select = syntax.selects[0]
        if select.distinct { select = try Self.groupedDistinct(select) }
        for source in select.from { try add(source) }
        if let filter = select.filter { for conjunct in conjuncts(of: filter) { try addCondition(conjunct) } }
        try settleJoins()
        try bindGroups(select)
        try bindOutputs(select)
        try bindOrder(syntax.order)
        query.shownAggregates = query.aggregates.count
        query.limit = syntax.limit
        if let having = select.having { query.having = try grouped(having) }
        guard query.isGrouped else {
            // One row, whose count 0 could not be told from a row that is left out.
            if query.having != nil {
                throw .plan(construct: "HAVING without GROUP BY", remedy: "leave it out and look at the row you are shown")
            }
            if query.limit == 0 { throw .plan(construct: "LIMIT 0 without GROUP BY", remedy: "leave it out") }
            return
        }
    }
    /// Different rows of the items are the groups by them.
    private static func groupedDistinct(_ select: SelectSyntax) throws(QueryError) -> SelectSyntax {
        var out = select
        for case .expression(let item, _) in select.items {
            guard !holdsAggregate(item), select.groups.isEmpty, select.having == nil else {
                throw .plan(construct: "SELECT DISTINCT over groups", remedy: "leave DISTINCT out")
            }
            if case .literal = item { continue }  // as a group key it would be an item's number
            out.groups.append(item)
        }
        out.distinct = false
        return out
    }

    // MARK: sources

    private mutating func derived(_ place: SourceSyntax.Place) throws(QueryError) -> Derived {
        switch place {
        case .table(let member, let table):
            let schema = try scope.table(member, table)
            return Derived(
                columns: schema.columns.map { .init(name: $0.name, facts: .of($0)) },
                sources: [.init(table: schema, columns: schema.columns.indices.map { .column(item: 0, index: $0) })])
        case .named(let name):
            if let cte = ctes[name] { return cte }
            throw .resolve(.aliasUnknown(name, known: Array(ctes.keys) + scope.tables.map(\.name)))
        case .profile(let name): throw .resolve(.profileUnbound(name))
        case .query(let query): return try derive(query)
        }
    }

    /// A query that gives rows of its sources: projection, filter and UNION ALL, nothing that looks at two rows.
    private func derive(_ syntax: QuerySyntax) throws(QueryError) -> Derived {
        var inner = self
        for cte in syntax.ctes { inner.ctes[cte.name] = try inner.derive(cte.query) }
        if syntax.limit != nil { throw .plan(construct: "LIMIT in a derived table", remedy: "narrow its WHERE") }
        var all: Derived?
        for select in syntax.selects {
            if select.distinct || !select.groups.isEmpty || select.having != nil || select.from.count > 1 {
                throw .plan(
                    construct: "a derived table with \(select.distinct ? "DISTINCT" : select.from.count > 1 ? "joins" : "groups")",
                    remedy: "let it hold only columns and conditions of one table, or a UNION ALL of such; join and group outside")
            }
            let part = try inner.project(select)
            guard let before = all else { all = part; continue }
            guard before.columns.count == part.columns.count else {
                throw .resolve(.unionWidth(first: before.columns.count, other: part.columns.count))
            }
            all = try union(before, part)
        }
        return all!
    }
    private func union(_ a: Derived, _ b: Derived) throws(QueryError) -> Derived {
        var columns: [BoundQuery.Column] = []
        for (x, y) in zip(a.columns, b.columns) {
            if let u = x.facts.unit, let v = y.facts.unit, u != v { throw .type(.units(x.name, u, y.name, v)) }
            guard let facts = x.facts.union(y.facts) else {
                throw .type(.operands("UNION ALL of \(x.name)", x.facts.type.name, y.facts.type.name))
            }
            columns.append(.init(name: x.name, facts: facts))
        }
        return Derived(columns: columns, sources: a.sources + b.sources)
    }
    private func project(_ select: SelectSyntax) throws(QueryError) -> Derived {
        var inner = self
        inner.query = BoundQuery()
        inner.equalities = []
        try inner.add(select.from[0])
        if let filter = select.filter { for conjunct in inner.conjuncts(of: filter) { try inner.addCondition(conjunct) } }
        guard inner.query.items.count == 1, inner.query.crossFilters.isEmpty else {
            throw .plan(construct: "EXISTS in a derived table", remedy: "move it to the outer WHERE")
        }
        let item = inner.query.items[0]
        var columns: [BoundQuery.Column] = [], expressions: [Expression] = []
        for entry in select.items {
            switch entry {
            case .all:
                columns += item.columns
                expressions += item.columns.indices.map { .column(item: 0, index: $0) }
            case .expression(let syntax, let name):
                let e = try inner.expression(syntax)
                expressions.append(e)
                columns.append(.init(name: name ?? Self.name(of: syntax, columns.count), facts: try inner.facts(e)))
            }
        }
        return Derived(
            columns: columns,
            sources: item.sources.map { source in
                BoundQuery.Source(
                    table: source.table, columns: expressions.map { $0.substituting(0, source.columns) },
                    filter: source.filter + item.filter.map { $0.substituting(0, source.columns) })
            })
    }
    static func name(of syntax: SyntaxExpression, _ index: Int) -> String {
        switch syntax {
        case .column(_, let name): name
        case .aggregate(let kind, _, _): kind.rawValue.lowercased()
        case .choice: "case"
        case .function(let name, _): name
        default: "column\(index + 1)"
        }
    }

    private mutating func add(_ source: SourceSyntax) throws(QueryError) {
        guard !query.items.contains(where: { $0.name == source.name }) else { throw .resolve(.aliasTwice(source.name)) }
        let derived = try derived(source.place)
        let join: BoundQuery.Join = source.join == .first ? .first : source.join == .left ? .left : .inner
        query.items.append(.init(name: source.name, join: join, columns: derived.columns, sources: derived.sources))
        let me = query.items.count - 1
        for name in source.using {
            let mine = try resolve(nil, name, only: [me]), other = try resolve(nil, name, only: Array(0..<me))
            equalities.append((mine, other))
        }
        guard let on = source.on else { return }
        for conjunct in conjuncts(of: on) {
            let e = try condition(conjunct)
            if addEquality(e) { continue }
            if e.items.isSubset(of: [me]) {
                query.items[me].filter.append(e)
            } else if join == .left {
                throw .plan(
                    construct: "a further condition over both sides in LEFT JOIN … ON",
                    remedy: "compare inside one member's table, or use an inner join")
            } else {
                try place(e)
            }
        }
    }

    // MARK: conditions

    private func conjuncts(of e: SyntaxExpression) -> [SyntaxExpression] {
        switch e {
        case .binary(.and, let a, let b): conjuncts(of: a) + conjuncts(of: b)
        // De Morgan, so that NOT EXISTS inside NOT (a OR b) is found.
        case .not(.binary(.or, let a, let b)): conjuncts(of: .not(a)) + conjuncts(of: .not(b))
        case .not(.not(let a)): conjuncts(of: a)
        default: [e]
        }
    }
    private mutating func addCondition(_ e: SyntaxExpression) throws(QueryError) {
        switch e {
        case .exists(let inner): try addSemi(inner, anti: false, value: nil)
        case .not(.exists(let inner)): try addSemi(inner, anti: true, value: nil)
        case .inQuery(let value, let inner): try addSemi(inner, anti: false, value: value)
        case .not(.inQuery(let value, let inner)): try addSemi(inner, anti: true, value: value)
        default:
            let e = try condition(e)
            if let (a, b) = Self.columnEquality(e), query.items[a.item].join == .left || query.items[b.item].join == .left {
                throw .plan(construct: "WHERE \(query.text(e)) over the right side of LEFT JOIN", remedy: "use an inner join")
            }
            if !addEquality(e) { try place(e) }
        }
    }
    private func condition(_ syntax: SyntaxExpression) throws(QueryError) -> Expression {
        let e = try expression(syntax)
        if Self.columnEquality(e) != nil { return e }  // keys are judged together, in `settleJoins`
        let found = try facts(e)
        guard found.type == .boolean || found.type == .unknown else {
            throw .type(.expected("boolean", found: found.type.name, place: query.text(e)))
        }
        return e
    }
    private mutating func addEquality(_ e: Expression) -> Bool {
        guard let pair = Self.columnEquality(e) else { return false }
        equalities.append(pair)
        return true
    }
    private static func columnEquality(_ e: Expression) -> (Reference, Reference)? {
        guard case .binary(.equal, .column(let i, let a), .column(let j, let b)) = e, i != j else { return nil }
        return (Reference(item: i, index: a), Reference(item: j, index: b))
    }
    /// A condition of WHERE or of an inner ON.
    private mutating func place(_ e: Expression) throws(QueryError) {
        let items = e.items
        guard items.count == 1, let item = items.first else {
            if items.isEmpty, let first = query.items.indices.first {
                query.items[first].filter.append(e)
            } else {
                query.crossFilters.append(e)
            }
            return
        }
        guard query.items[item].join == .left else { query.items[item].filter.append(e); return }
        // WHERE over the nullable side: IS NULL of a column that is never NULL asks for the rows that met nothing.
        if case .isNull(.column(_, let index)) = e, !query.facts(item, index).nullable { query.items[item].join = .anti; return }
        throw .plan(construct: "WHERE over the right side of LEFT JOIN", remedy: "write it into ON, or use an inner join")
    }

    private mutating func addSemi(_ syntax: QuerySyntax, anti: Bool, value: SyntaxExpression?) throws(QueryError) {
        guard syntax.selects.count == 1, syntax.ctes.isEmpty, syntax.limit == nil, let select = syntax.selects.first,
            select.from.count == 1, select.groups.isEmpty, select.having == nil
        else {
            throw .plan(
                construct: "EXISTS or IN over more than one table",
                remedy: "let the inner query hold one table, its conditions and one equality with the outer")
        }
        let outer = query.items.count
        var name = select.from[0].name
        while query.items.contains(where: { $0.name == name }) { name += "'" }
        let found = try derived(select.from[0].place)
        query.items.append(.init(name: name, join: anti ? .anti : .semi, columns: found.columns, sources: found.sources))
        var renamed = self
        renamed.query.items[outer].name = select.from[0].name
        if let value {
            guard select.items.count == 1, case .expression(let inner, _) = select.items[0] else {
                throw .type(.expected("one column", found: "\(select.items.count)", place: "IN (query)"))
            }
            let left = try expression(value, visible: 0..<outer), right = try renamed.expression(inner, first: outer)
            guard addEquality(.binary(.equal, left, right)) else {
                throw .plan(construct: "IN (query) over expressions", remedy: "compare two columns")
            }
            if anti, case .column(let i, let a) = left, case .column(let j, let b) = right,
                query.facts(i, a).nullable || query.facts(j, b).nullable
            {
                throw .plan(construct: "NOT IN (query) where a side can be NULL", remedy: "write NOT EXISTS")
            }
        }
        guard let filter = select.filter else { return }
        for conjunct in conjuncts(of: filter) {
            let e = try renamed.expression(conjunct, first: outer)
            if addEquality(e) { continue }
            guard e.items.isSubset(of: [outer]) else {
                throw .plan(construct: "EXISTS correlated by more than an equality", remedy: "compare inside the inner table")
            }
            query.items[outer].filter.append(e)
        }
    }

    /// One key class over all items, or a refusal.
    private mutating func settleJoins() throws(QueryError) {
        var keys: [Int: Int] = [:], reached: Set<Int> = [0]
        for (a, b) in equalities {
            // Who joins on a column that may be NULL for want of a partner would lose rows that a star keeps.
            let first = min(a.item, b.item)
            if query.items[first].join == .left || query.items[first].join == .anti || query.items[first].join == .semi {
                throw .plan(
                    construct: "a join on \(query.items[first].name), the side of a join that may not meet,",
                    remedy: "join on the key of \(query.items[0].name)")
            }
            for r in [a, b] {
                if let before = keys[r.item], before != r.index {
                    throw .plan(
                        construct: "a join over two columns (\(query.columnName(r.item, before)), \(query.columnName(r.item, r.index)))",
                        remedy: "put one key into a view")
                }
                keys[r.item] = r.index
            }
            let x = query.facts(a.item, a.index), y = query.facts(b.item, b.index)
            let times = x.type.isNumeric && y.type.isNumeric && x.type == y.type
            guard times || (x.type == y.type && x.keyForm == y.keyForm) else {
                throw .type(
                    .operands(
                        "a join", "\(query.columnName(a.item, a.index)) (\(x.type.name)\(x.keyForm.map { " " + $0.text } ?? ""))",
                        "\(query.columnName(b.item, b.index)) (\(y.type.name)\(y.keyForm.map { " " + $0.text } ?? ""))"))
            }
        }
        for _ in equalities {
            for (a, b) in equalities where reached.contains(a.item) || reached.contains(b.item) { reached.formUnion([a.item, b.item]) }
        }
        for item in query.items.indices where !reached.contains(item) {
            let rows = { (i: BoundQuery.Item) in i.sources.reduce(0) { $0 + $1.table.rows } }
            let a = rows(query.items[0]), b = rows(query.items[item])
            if a * b > 1 << 24 { throw .size(.pairs(a, b, maximum: 1 << 24)) }
            throw .plan(construct: "a join without an equality of columns", remedy: "add an equality to ON")
        }
        for (item, index) in keys { query.items[item].key = index }
    }

    // MARK: groups and outputs

    private mutating func bindGroups(_ select: SelectSyntax) throws(QueryError) {
        query.isGrouped = !select.groups.isEmpty
        for syntax in select.groups {
            var syntax = syntax
            if case .literal(.number(let n)) = syntax, n.scale == 0 {
                guard n.unscaled >= 1, n.unscaled <= Int128(select.items.count),
                    case .expression(let item, _) = select.items[Int(n.unscaled) - 1]
                else {
                    throw .resolve(.outputUnknown(Int(clamping: n.unscaled), count: select.items.count))
                }
                syntax = item
            } else if case .column(nil, let name) = syntax, (try? resolve(nil, name)) == nil {
                for case .expression(let item, name) in select.items { syntax = item }
            }
            let e = try expression(syntax)
            _ = try facts(e)
            query.groupKeys.append(e)
        }
    }
    private mutating func bindOutputs(_ select: SelectSyntax) throws(QueryError) {
        let aggregates = select.items.contains { if case .expression(let e, _) = $0 { Self.holdsAggregate(e) } else { false } }
        guard query.isGrouped || aggregates else { throw rowsRefused() }
        for entry in select.items {
            guard case .expression(let syntax, let name) = entry else { throw rowsRefused() }
            let e = try grouped(syntax)
            query.outputs.append(.init(name: name ?? Self.name(of: syntax, query.outputs.count), expression: e))
        }
    }
    private func rowsRefused() -> QueryError { .plan(construct: "an answer of rows", remedy: "group and aggregate") }

    /// An output: over group keys and aggregates only.
    private mutating func grouped(_ syntax: SyntaxExpression) throws(QueryError) -> Expression {
        if case .aggregate(let kind, let argument, let distinct) = syntax {
            var bound: Expression?
            if let argument {
                bound = try expression(argument)
                let found = try facts(bound!)
                if kind != .count, kind != .minimum, kind != .maximum, !found.type.isNumeric, found.type != .unknown {
                    throw .type(.expected("a number", found: found.type.name, place: "\(kind.rawValue)(\(query.text(bound!)))"))
                }
            }
            let aggregate = BoundQuery.Aggregate(kind: kind, argument: bound, distinct: distinct)
            if let known = query.aggregates.firstIndex(of: aggregate) { return .column(item: Expression.aggregates, index: known) }
            query.aggregates.append(aggregate)
            return .column(item: Expression.aggregates, index: query.aggregates.count - 1)
        }
        if !Self.holdsAggregate(syntax) {
            let e = try expression(syntax)
            if let key = query.groupKeys.firstIndex(of: e) { return .column(item: Expression.keys, index: key) }
            if e.items.isEmpty { _ = try facts(e); return e }
            if case .column(let item, let index) = e {
                throw .resolve(.notGrouped(query.columnName(item, index)))
            }
        }
        var me = self
        let out = try self.shape(syntax) { (child) throws(QueryError) in try me.grouped(child) }
        self = me
        return out
    }
    private static func holdsAggregate(_ e: SyntaxExpression) -> Bool {
        switch e {
        case .aggregate: true
        case .literal, .column, .parameter, .exists, .scalar: false
        case .negate(let a), .not(let a), .isNull(let a), .isTruth(let a, _), .cast(let a, _), .inQuery(let a, _): holdsAggregate(a)
        case .binary(_, let a, let b), .like(let a, let b): holdsAggregate(a) || holdsAggregate(b)
        case .choice(let whens, let otherwise):
            whens.contains { holdsAggregate($0.condition) || holdsAggregate($0.result) } || otherwise.map(holdsAggregate) ?? false
        case .function(_, let arguments): arguments.contains(where: holdsAggregate)
        }
    }
    private mutating func bindOrder(_ order: [OrderSyntax]) throws(QueryError) {
        for key in order {
            let e: Expression
            if case .literal(.number(let n)) = key.expression, n.scale == 0 {
                guard n.unscaled >= 1, n.unscaled <= Int128(query.outputs.count) else {
                    throw .resolve(.outputUnknown(Int(clamping: n.unscaled), count: query.outputs.count))
                }
                e = query.outputs[Int(n.unscaled) - 1].expression
            } else if case .column(nil, let name) = key.expression, let output = query.outputs.first(where: { $0.name == name }) {
                e = output.expression
            } else {
                let known = query.aggregates.count
                e = try grouped(key.expression)
                guard query.aggregates.count == known else {
                    throw .plan(construct: "ORDER BY an aggregate that is not shown", remedy: "add it to SELECT")
                }
            }
            query.order.append(.init(expression: e, descending: key.descending, nullsFirst: key.nullsFirst))
        }
    }

    // MARK: expressions

    private func facts(_ e: Expression) throws(QueryError) -> Facts { try e.facts(query.facts, query.columnName) }

    private func resolve(_ table: String?, _ name: String, only: [Int]? = nil) throws(QueryError) -> Reference {
        var found: [Reference] = []
        let candidates = (only ?? Array(query.items.indices)).filter {
            only != nil || (query.items[$0].join != .semi && query.items[$0].join != .anti)
        }
        if let table {
            guard let item = candidates.last(where: { query.items[$0].name == table }) else {
                throw .resolve(.aliasUnknown(table, known: candidates.map { query.items[$0].name }))
            }
            guard let index = query.items[item].columns.firstIndex(where: { $0.name == name }) else {
                throw .resolve(.columnUnknown(name, place: table, known: query.items[item].columns.map(\.name)))
            }
            return Reference(item: item, index: index)
        }
        for item in candidates {
            if let index = query.items[item].columns.firstIndex(where: { $0.name == name }) {
                found.append(Reference(item: item, index: index))
            }
        }
        guard let first = found.first else {
            throw .resolve(
                .columnUnknown(
                    name, place: candidates.map { query.items[$0].name }.joined(separator: ", "),
                    known: candidates.flatMap { query.items[$0].columns.map(\.name) }))
        }
        if found.count > 1 { throw .resolve(.columnAmbiguous(name, places: found.map { query.items[$0.item].name })) }
        return first
    }

    /// - Parameters:
    ///   - visible: items whose names count; nil: all but those of EXISTS.
    ///   - first: an inner item that is looked at before the outer ones.
    private func expression(_ syntax: SyntaxExpression, visible: Range<Int>? = nil, first: Int? = nil) throws(QueryError) -> Expression {
        switch syntax {
        case .column(let table, let name):
            let r: Reference
            if let first, table == nil || table == query.items[first].name {
                if query.items[first].columns.contains(where: { $0.name == name }) {
                    r = try resolve(table, name, only: [first])
                } else {
                    r = try resolve(table, name, only: Array(0..<first))
                }
            } else if let first {
                r = try resolve(table, name, only: Array(0..<first))
            } else {
                r = try resolve(table, name, only: visible.map { Array($0) })
            }
            return .column(item: r.item, index: r.index)
        case .aggregate(let kind, _, _): throw .type(.aggregateInside("\(kind.rawValue) here"))
        default: return try shape(syntax) { (child) throws(QueryError) in try expression(child, visible: visible, first: first) }
        }
    }
    private func shape(
        _ syntax: SyntaxExpression, _ bind: (SyntaxExpression) throws(QueryError) -> Expression
    ) throws(QueryError) -> Expression {
        switch syntax {
        case .literal(let value): return .literal(value)
        case .parameter(let name):
            guard let value = scope.parameters[name] else { throw .resolve(.parameterUnknown(name)) }
            return .literal(value)
        case .negate(let a): return .negate(try bind(a))
        case .not(let a): return .not(try bind(a))
        case .isNull(let a): return .isNull(try bind(a))
        case .isTruth(let a, let truth): return .isTruth(try bind(a), truth)
        case .binary(let op, let a, let b): return .binary(op, try bind(a), try bind(b))
        case .like(let a, let b): return .like(try bind(a), try bind(b))
        case .cast(let a, let type): return .cast(try bind(a), type)
        case .choice(let whens, let otherwise):
            var conditions: [Expression] = [], results: [Expression] = []
            for when in whens { conditions.append(try bind(when.condition)); results.append(try bind(when.result)) }
            results.append(try otherwise.map(bind) ?? .literal(.null))
            return .choice(conditions, results)
        case .function(let name, let arguments):
            guard let function = Function(rawValue: name == "ceiling" ? "ceil" : name) else {
                throw .resolve(.functionUnknown(name.uppercased()))
            }
            var bound: [Expression] = []
            for argument in arguments { bound.append(try bind(argument)) }
            return .function(function, bound)
        case .exists: throw .plan(construct: "EXISTS inside an expression", remedy: "make it a condition of its own in WHERE")
        case .inQuery: throw .plan(construct: "IN (query) inside an expression", remedy: "make it a condition of its own in WHERE")
        case .scalar: throw .plan(construct: "a query as a value", remedy: "ask it first and give its answer as a parameter")
        case .column, .aggregate: preconditionFailure("bound by the caller")
        }
    }
}
