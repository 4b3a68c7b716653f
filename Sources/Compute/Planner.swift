import Ciphers
import Primitives

/// From a bound question to a plan: which table anchors the bins, how every aggregate becomes sums of products of handed-in columns,
/// how wide everything is, what it costs (reference/private-sql.md §5, §6). Depends on public facts alone.
package struct Query: Sendable {
    package let plan: Plan

    /// Parse, bind, judge and plan.
    /// - Throws: `QueryError`; nothing was spent.
    package static func compile(_ text: String, in scope: Scope) throws(QueryError) -> Plan {
        let tokens = try Lexer.tokens(of: text)
        let query = try Binder.bind(try Parser.parse(tokens), in: scope)
        let refusals = Policy.refusals(query, asker: scope.asker)
        if !refusals.isEmpty { throw .policy(refusals) }
        let canonical = Self.canonical(tokens, scope.parameters)
        var planner = Planner(query: query, scope: scope)
        return try planner.plan(text: canonical, program: keccak256(Bytes("entente/compute/program/v1".utf8) + Bytes(canonical.utf8)))
    }
    /// One blank between tokens, names folded; then the parameters by name, typed. The hash of this is the program's.
    static func canonical(_ tokens: [Token], _ parameters: [String: Value]) -> String {
        let body = tokens.dropLast().map(\.text).joined(separator: " ")
        return body + parameters.sorted { $0.key < $1.key }.map { "\n:\($0.key) \($0.value.type.name) = \($0.value.literal)" }.joined()
    }
    /// The program hash without planning: for whoever holds text and parameters only.
    package static func programHash(_ text: String, parameters: [String: Value] = [:]) throws(QueryError) -> Hash32 {
        keccak256(Bytes("entente/compute/program/v1".utf8) + Bytes(canonical(try Lexer.tokens(of: text), parameters).utf8))
    }
}

struct Planner {
    /// One-hot groups of rows cost by row and group, members' own sums by group alone.
    static let maximumGroups = 64, maximumPartialGroups = 256, maximumWords = 4_096
    /// Values that COUNT(DISTINCT) tells apart, times groups.
    static let maximumValues = 256, maximumCells = 1_024
    let query: BoundQuery
    let scope: Scope
    private(set) var inputs: [Plan.Input] = []
    private(set) var words: [Plan.Word] = []
    private(set) var aggregates: [Plan.AggregateWords] = []
    private(set) var extremes: [Plan.Extreme] = []
    private(set) var distincts: [Plan.Distinct] = []
    private var collapsed: Set<Int> = []

    init(query: BoundQuery, scope: Scope) { (self.query, self.scope) = (query, scope) }

    private func facts(_ e: Expression) throws(QueryError) -> Facts { try e.facts(query.facts, query.columnName) }

    mutating func plan(text: String, program: Hash32) throws(QueryError) -> Plan {
        try checkJoins()
        var groups = try listGroups()
        var filters: [Plan.Comparison] = []
        for condition in query.crossFilters { filters.append(try comparison(condition)) }
        var openedWords = 0
        for (number, aggregate) in query.aggregates.enumerated() {
            aggregates.append(try place(aggregate))
            if number < query.shownAggregates { openedWords = words.count }
        }
        let (smallest, tables) = try smallestGroup()
        try collapse(&groups, &filters)
        let anchor = query.items.count > 1 ? try chooseAnchor() : nil
        let sizing = try Sizing(query: query, inputs: inputs, anchor: anchor, groups: groups)
        let monomials = allMonomials(), rows = sizing.candidateRows
        try checkRanges(rows: rows)
        let countPlanes = max(16, (Planes.bits(UInt128(rows)) + 7) / 8 * 8)
        for distinct in distincts where distinct.values.count * groups.labels.count > Self.maximumCells {
            throw .size(.groups(distinct.values.count * groups.labels.count, maximum: Self.maximumCells))
        }
        let having = try query.having.map { (e) throws(QueryError) in try condition(e, holds: true, groups, rows: rows) }
        let first = try firstGroups(groups, rows: rows)
        guard groups.labels.count * (1 + words.count) <= Self.maximumWords else {
            throw .size(.resultWords(groups.labels.count * (1 + words.count), maximum: Self.maximumWords))
        }
        let work = Work(
            collapsed: collapsed, monomials: monomials, extremes: extremes, distincts: distincts, words: words, openedWords: openedWords,
            filters: filters,
            having: having, first: first, smallest: smallest, countPlanes: countPlanes)
        let uses = sizing.uses(work), steps = sizing.steps(uses: uses, work)
        return Plan(
            program: program, text: text, asker: scope.asker, uses: uses, steps: steps, smallestGroup: smallest,
            smallestGroupTables: tables, query: query,
            inputs: inputs, anchor: anchor, keyPlanes: sizing.keyPlanes, keyIsExact: sizing.keyIsExact, keyLow: sizing.keyLow,
            groups: groups, monomials: monomials, extremes: extremes, distincts: distincts, collapsed: collapsed, words: words,
            openedWords: openedWords, aggregates: aggregates, filters: filters, having: having, first: first, countPlanes: countPlanes)
    }

    // MARK: rules of joins and groups

    private mutating func checkJoins() throws(QueryError) {
        guard query.items.count > 1 else { return }
        let others = query.items.dropFirst().map(\.join)
        if let key = query.items[0].key, query.facts(0, key).nullable, others.contains(.left) || others.contains(.anti),
            !others.contains(.inner), !others.contains(.semi)
        {
            throw .plan(
                construct: "LEFT JOIN or NOT EXISTS by \(query.columnName(0, key)), which can be NULL,",
                remedy: "let the owner's view leave out rows without a key")
        }
        for (number, item) in query.items.enumerated() {
            // Every source is a branch of its own, and a row that survives in one of them would survive in each.
            if item.sources.count > 1, item.join != .first, item.join != .inner {
                throw .plan(construct: "LEFT JOIN, EXISTS or NOT EXISTS over a UNION ALL", remedy: "write one for each member")
            }
            for source in item.sources {
                if let key = item.key, case .column(_, let index) = source.columns[key],
                    source.table.key == source.table.columns[index].name
                {
                    continue
                }
                collapsed.insert(number)
            }
        }
        for item in collapsed where query.crossFilters.contains(where: { $0.items.contains(item) }) {
            throw .plan(
                construct: "a condition over two members' columns, with \(query.items[item].name), whose key repeats,",
                remedy: "compare inside one member's table")
        }
    }
    /// Columns of an item whose key repeats may only be added up, but for the key itself.
    private func isOfOneRow(_ e: Expression) -> Bool {
        guard let item = e.items.first, collapsed.contains(item) else { return true }
        return e.columns(of: item) == [query.items[item].key!]
    }
    private func smallestGroup() throws(QueryError) -> (Int, [String]) {
        var k = 1, tables: [String] = []
        for item in query.items {
            for source in item.sources where source.table.smallestGroup > 1 {
                if source.table.key == nil {
                    throw .plan(
                        construct: "a smallest group of \(source.table.name), whose subjects no key tells apart,",
                        remedy: "let the owner declare the key")
                }
                if !collapsed.isEmpty {
                    throw .plan(
                        construct: "a smallest group of \(source.table.name) in a join whose key repeats",
                        remedy: "let the owners list views with one row a key")
                }
                if item.join == .left || item.join == .anti {
                    throw .plan(
                        construct: "the smallest group of \(source.table.name) on the side of a join that may not meet",
                        remedy: "use an inner join")
                }
                if item.sources.count > 1, source.table.scope == .own || scope.asker.member == source.table.member {
                    throw .plan(
                        construct: "a smallest group of \(source.table.member)'s own rows inside UNION ALL",
                        remedy: "ask the members one by one")
                }
                k = max(k, source.table.smallestGroup)
                tables.append(source.table.name)
            }
        }
        return (k, tables)
    }
    /// Only a single table may anchor, and where rows of one side survive it must be that side. Else the one of least work, the first of equals.
    private func chooseAnchor() throws(QueryError) -> Int {
        let optional = query.items.contains { [.left, .semi, .anti].contains($0.join) }
        var best: (item: Int, work: Int)?
        for (index, item) in query.items.enumerated() where item.sources.count == 1 {
            if item.join == .left || item.join == .semi || item.join == .anti { continue }
            if optional, index != 0, query.items.contains(where: { $0.join == .left }) { continue }
            let bins = BinSize.bins(item.sources[0].table.rows)
            let rights = query.items.enumerated().filter { $0.offset != index }.flatMap(\.element.sources)
            let work = rights.reduce(0) { $0 + bins * BinSize.capacity($1.table.rows, bins: bins) }
            if best == nil || work < best!.work { best = (index, work) }
        }
        guard let best else {
            throw .plan(
                construct: "a join of two unions of tables", remedy: "join one member's table with the union, and ask once for each")
        }
        return best.item
    }

    private mutating func listGroups() throws(QueryError) -> Plan.Groups {
        var keys: [[Value]] = [], codes: [Int?] = [], planes = 0, offsets: [Int] = []
        for (number, key) in query.groupKeys.enumerated() {
            guard key.items.count <= 1 else {
                throw .plan(construct: "a group key over columns of two members", remedy: "group by the columns one by one")
            }
            let facts = try facts(key)
            guard var values = facts.values else {
                throw .plan(
                    construct: "GROUP BY \(query.text(key)), whose values nobody lists",
                    remedy: "group by CASE bands of it, or let the owner list its values")
            }
            guard let item = key.items.first else {
                keys.append(values.isEmpty ? [.null] : values); codes.append(nil); offsets.append(planes); continue
            }
            guard isOfOneRow(key) else {
                throw .plan(
                    construct: "a group key of \(query.items[item].name), whose join key repeats,",
                    remedy: "group by the join key, or by columns of the other tables")
            }
            if mayNotMeet(item) {
                throw .plan(construct: "a group key from the right side of LEFT JOIN", remedy: "group by a column of the left side")
            }
            if facts.nullable { values.append(.null) }
            keys.append(values)
            offsets.append(planes)
            let width = Planes.log2up(values.count)
            if width == 0 { codes.append(nil); continue }
            codes.append(register(item, .code(key: number), key, planes: width))
            planes += width
        }
        let count = keys.reduce(1) { $0 * $1.count }
        let maximum = query.items.count == 1 ? Self.maximumPartialGroups : Self.maximumGroups
        guard count <= maximum, planes <= (query.items.count == 1 ? 16 : 10) else { throw .size(.groups(count, maximum: maximum)) }
        var leaves = [0], labels: [[Value]] = [[]]
        for (key, values) in keys.enumerated() {
            let before = zip(leaves, labels)
            let next = before.flatMap { leaf, label in values.enumerated().map { (leaf + $0.offset << offsets[key], label + [$0.element]) }
            }
            (leaves, labels) = (next.map(\.0), next.map(\.1))
        }
        return Plan.Groups(keys: keys, codes: codes, planes: planes, leaves: leaves, labels: labels)
    }

    // MARK: aggregates to polynomials

    private mutating func register(_ item: Int, _ kind: Plan.Input.Kind, _ e: Expression, planes: Int) -> Int {
        let input = Plan.Input(item: item, kind: kind, expression: e, planes: planes)
        if let known = inputs.firstIndex(of: input) { return known }
        inputs.append(input)
        return inputs.count - 1
    }
    /// One bit twice is one bit; a value times its own presence is the value.
    private func simplify(_ monomial: [Int]) -> [Int] {
        var out: [Int] = []
        for column in monomial {
            if case .value = inputs[column].kind { out.append(column); continue }
            if out.contains(column) { continue }
            if inputs[column].kind == .present, monomial.contains(where: { sameValue($0, column) }) { continue }
            out.append(column)
        }
        return out
    }
    private func sameValue(_ value: Int, _ present: Int) -> Bool {
        if case .value = inputs[value].kind {
            inputs[value].item == inputs[present].item && inputs[value].expression == inputs[present].expression
        } else {
            false
        }
    }

    /// A number in shares: its value (0 where NULL), whether it is there, and its scale.
    private struct Term { var value: Polynomial, presence: Polynomial, scale: Int }

    private mutating func presence(_ e: Expression, _ facts: Facts) -> Polynomial {
        guard let item = e.items.first else { return .one }
        guard facts.nullable || mayNotMeet(item) else { return .one }
        return Polynomial(column: register(item, .present, e, planes: 1))
    }
    private func mayNotMeet(_ item: Int) -> Bool { query.items[item].join == .left || query.items[item].join == .anti }
    /// Where a row met no partner, its owner computes nothing: only what is NULL of NULLs may be computed there.
    private func isComputedByOwner(_ e: Expression) -> Bool {
        guard e.items.count <= 1 else { return false }
        guard let item = e.items.first, mayNotMeet(item) else { return true }
        return e.value { _, _ in .null }.isNull
    }
    /// Products multiply terms: bounded, since the text is a stranger's.
    private func bounded(_ t: Term, _ e: Expression) throws(QueryError) -> Term {
        guard [t.value, t.presence].allSatisfy({ $0.terms.count <= 256 && $0.terms.keys.allSatisfy { $0.count <= 6 } }) else {
            throw .plan(
                construct: "\(query.text(e)), which takes more than 256 products of at most six columns,",
                remedy: "compute parts of it inside one member's table")
        }
        return t
    }
    private mutating func term(_ e: Expression) throws(QueryError) -> Term { try bounded(unboundedTerm(e), e) }
    private mutating func unboundedTerm(_ e: Expression) throws(QueryError) -> Term {
        if case .literal(let value) = e {
            guard let number = value.asNumber else { return Term(value: .init(), presence: .init(), scale: 0) }
            return Term(value: Polynomial(constant: number.unscaled), presence: .one, scale: number.scale)
        }
        if isComputedByOwner(e) { return try local(e) }
        switch e {
        case .negate(let a):
            var t = try term(a)
            t.value = t.value.times(-1)
            return t
        case .binary(let op, let a, let b) where op == .plus || op == .minus || op == .times:
            var x = try term(a), y = try term(b)
            let me = self
            if op == .times {
                return Term(
                    value: x.value.times(y.value, me.simplify), presence: x.presence.times(y.presence, me.simplify),
                    scale: x.scale + y.scale)
            }
            let scale = align(&x, &y)
            let left = x.value.times(y.presence, me.simplify), right = y.value.times(x.presence, me.simplify)
            return Term(value: op == .plus ? left + right : left - right, presence: x.presence.times(y.presence, me.simplify), scale: scale)
        case .choice(let conditions, let results): return try choice(conditions, results)
        case .function(.coalesce, let arguments):
            var out = try term(arguments[0])
            for argument in arguments.dropFirst() {
                var next = try term(argument)
                let me = self, absent = Polynomial.one - out.presence
                out.scale = align(&out, &next)
                out.value = out.value + next.value.times(absent, me.simplify)
                out.presence = out.presence + next.presence.times(absent, me.simplify)
                out = try bounded(out, e)
            }
            return out
        default:
            throw .plan(
                construct: "\(query.text(e)) over columns of two members",
                remedy: "use + - * CASE or COALESCE, or compute it inside one member's table")
        }
    }
    private func align(_ x: inout Term, _ y: inout Term) -> Int {
        let scale = max(x.scale, y.scale)
        x.value = x.value.times(Number.power(scale - x.scale))
        y.value = y.value.times(Number.power(scale - y.scale))
        return scale
    }
    /// An expression over one member's columns: computed there, handed in as planes.
    private mutating func local(_ e: Expression) throws(QueryError) -> Term {
        let facts = try facts(e), item = e.items.first
        guard let item else {
            let value = e.value { _, _ in .null }
            return try term(.literal(value))
        }
        guard facts.type.isNumeric, let range = facts.range, !dividesDecimals(e) else {
            throw .plan(
                construct: "\(query.text(e)), a number without listed bounds or scale,",
                remedy: "give it a bounded column in the owner's view, or round it with ROUND(…, digits)")
        }
        let planes = Planes.forRange(range.lowerBound, range.upperBound)
        guard planes <= 62 else { throw .range(expression: query.text(e), rows: 1, planes: planes, maximum: 62) }
        let there = presence(e, facts)
        if range.lowerBound == range.upperBound {
            return Term(value: there.times(range.lowerBound), presence: there, scale: facts.type.scale)
        }
        let column = register(item, .value(low: range.lowerBound, scale: facts.type.scale), e, planes: planes)
        return Term(value: Polynomial(column: column) + there.times(range.lowerBound), presence: there, scale: facts.type.scale)
    }
    private func dividesDecimals(_ e: Expression) -> Bool {
        if case .binary(.divide, let a, let b) = e, let x = try? facts(a), let y = try? facts(b), x.type.scale + y.type.scale > 0 {
            return true
        }
        if case .function(.round, _) = e { return false }
        if case .binary(let op, _, _) = e, op.isComparison { return false }
        return e.children.contains(where: dividesDecimals)
    }
    private mutating func choice(_ conditions: [Expression], _ results: [Expression]) throws(QueryError) -> Term {
        var out = try term(results.last!)
        for (condition, result) in zip(conditions, results).reversed() {
            guard condition.items.count == 1, let item = condition.items.first,
                !mayNotMeet(item) || condition.value({ _, _ in .null }) != .boolean(true)
            else {
                throw .plan(
                    construct:
                        "CASE WHEN \(query.text(condition)), a condition over two members' columns or one that holds where nothing met,",
                    remedy: "compare inside one member's table")
            }
            let c = Polynomial(column: register(item, .truth, condition, planes: 1))
            var then = try term(result)
            let scale = align(&out, &then), me = self, not = Polynomial.one - c
            out = Term(
                value: then.value.times(c, me.simplify) + out.value.times(not, me.simplify),
                presence: then.presence.times(c, me.simplify) + out.presence.times(not, me.simplify), scale: scale)
            out = try bounded(out, result)
        }
        return out
    }

    /// MIN and MAX of what one owner computes.
    private mutating func extreme(_ aggregate: BoundQuery.Aggregate) throws(QueryError) -> Plan.AggregateWords {
        let text = query.text(aggregate), argument = aggregate.argument!
        guard isComputedByOwner(argument), let item = argument.items.first else {
            throw .plan(construct: "\(text) over columns of two members", remedy: "compute it inside one member's table")
        }
        guard isOfOneRow(argument) else {
            throw .plan(construct: "\(text) over \(query.items[item].name), whose join key repeats,", remedy: "ask SUM, COUNT or AVG")
        }
        let facts = try facts(argument)
        guard let range = facts.range, facts.type != .boolean, !dividesDecimals(argument) else {
            throw .plan(
                construct: "\(text) of \(facts.type.name) without listed bounds or scale",
                remedy: "give it a bounded column in the owner's view, or ask counts by bands")
        }
        let planes = Planes.forRange(range.lowerBound, range.upperBound)
        guard planes <= 62 else { throw .range(expression: text, rows: 1, planes: planes, maximum: 62) }
        let input = register(item, .value(low: range.lowerBound, scale: facts.type.scale), argument, planes: planes),
            present = presentInput(argument, facts)
        let found = Plan.Extreme(input: input, present: present, isMaximum: aggregate.kind == .maximum)
        let k = extremes.firstIndex(of: found) ?? extremes.count
        if k == extremes.count { extremes.append(found) }
        return .init(
            kind: aggregate.kind, value: word(.extreme(k)), count: word(.met(k)), scale: facts.type.scale, low: range.lowerBound,
            type: facts.type)
    }
    private mutating func distinct(_ aggregate: BoundQuery.Aggregate) throws(QueryError) -> Plan.AggregateWords {
        let text = query.text(aggregate), argument = aggregate.argument!
        guard isComputedByOwner(argument), let item = argument.items.first else {
            throw .plan(construct: "\(text) over columns of two members", remedy: "compute it inside one member's table")
        }
        guard isOfOneRow(argument) else {
            throw .plan(construct: "\(text) over \(query.items[item].name), whose join key repeats,", remedy: "ask SUM, COUNT or AVG")
        }
        let facts = try facts(argument)
        guard let values = facts.values(atMost: Self.maximumValues), !values.isEmpty, values.count <= Self.maximumValues else {
            throw .plan(construct: "\(text), whose values nobody lists", remedy: "count CASE bands of it, or let the owner list its values")
        }
        if let known = distincts.firstIndex(where: { inputs[$0.input].expression == argument }) {
            return .init(kind: .count, value: word(.distinct(known)), count: word(.distinct(known)), scale: 0)
        }
        let k = distincts.count, input = register(item, .listed(distinct: k), argument, planes: max(1, Planes.log2up(values.count)))
        distincts.append(.init(input: input, present: presentInput(argument, facts), values: values))
        return .init(kind: .count, value: word(.distinct(k)), count: word(.distinct(k)), scale: 0)
    }
    private mutating func presentInput(_ e: Expression, _ facts: Facts) -> Int? {
        guard let item = e.items.first, facts.nullable || mayNotMeet(item) else { return nil }
        return register(item, .present, e, planes: 1)
    }

    /// Where keys repeat, what a group counts are keys: its rows are a sum of products of their numbers.
    private mutating func word(_ word: Plan.Word) -> Int {
        if word == .sum(.one), collapsed.isEmpty { return -1 }
        if let known = words.firstIndex(of: word) { return known }
        words.append(word)
        return words.count - 1
    }
    private mutating func place(_ aggregate: BoundQuery.Aggregate) throws(QueryError) -> Plan.AggregateWords {
        let text = query.text(aggregate)
        switch aggregate.kind {
        case .minimum, .maximum: return try extreme(aggregate)
        case .count where aggregate.distinct: return try distinct(aggregate)
        case _ where aggregate.distinct: throw .plan(construct: text, remedy: "leave DISTINCT out, or group by the column")
        case .count:
            guard let argument = aggregate.argument else {
                let at = word(.sum(.one))
                return .init(kind: .count, value: at, count: at, scale: 0)
            }
            let there: Polynomial
            if !isComputedByOwner(argument) {
                there = try term(argument).presence
            } else if argument.items.isEmpty, argument.value({ _, _ in .null }).isNull {
                there = Polynomial()
            } else {
                there = presence(argument, try facts(argument))
            }
            let at = word(.sum(there))
            return .init(kind: .count, value: at, count: at, scale: 0)
        case .sum, .average:
            guard let argument = aggregate.argument else { preconditionFailure("SUM has an argument") }
            let t = try term(argument)
            let value = word(.sum(t.value))
            return .init(kind: aggregate.kind, value: value, count: word(.sum(t.presence)), scale: t.scale)
        default:
            guard let argument = aggregate.argument, argument.items.count == 1 else {
                throw .plan(construct: "\(text) over columns of two members", remedy: "ask SUM of it and of its square")
            }
            let t = try term(argument)
            func isValue(_ input: Int) -> Bool { if case .value = inputs[input].kind { true } else { false } }
            guard let x = t.value.monomials.first(where: { $0.count == 1 && isValue($0[0]) }) else {
                throw .plan(construct: "\(text) of a constant", remedy: "leave it out: it is 0")
            }
            var squares = Polynomial()
            squares.add(1, [x[0], x[0]])
            // Variance does not move with the frame of reference: x − lo serves as well as x.
            let value = word(.variance(sum: Polynomial(column: x[0]), squares: squares, count: t.presence))
            return .init(kind: aggregate.kind, value: value, count: word(.sum(t.presence)), scale: t.scale)
        }
    }
    /// Eager aggregation: of each item whose key repeats, a monomial's part becomes one column that the owner adds up over a key's
    /// rows. A row that met nothing stands once. Columns that nothing reads any more are not handed in.
    private mutating func collapse(_ groups: inout Plan.Groups, _ filters: inout [Plan.Comparison]) throws(QueryError) {
        guard !collapsed.isEmpty else { return }
        var pieces: [Plan.Word] = []
        for word in words {
            switch word {
            case .sum(let p): pieces.append(.sum(try totals(p)))
            case .variance(let s, let q, let n): pieces.append(.variance(sum: try totals(s), squares: try totals(q), count: try totals(n)))
            case .extreme, .met, .distinct: pieces.append(word)
            }
        }
        words = pieces
        var used = Set(
            allMonomials().flatMap { $0 } + filters.flatMap { $0.difference.monomials.flatMap { $0 } } + groups.codes.compactMap { $0 })
        for extreme in extremes { used.formUnion([extreme.input] + (extreme.present.map { [$0] } ?? [])) }
        for distinct in distincts { used.formUnion([distinct.input] + (distinct.present.map { [$0] } ?? [])) }
        let kept = used.sorted(), place = Dictionary(uniqueKeysWithValues: zip(kept, kept.indices))
        func moved(_ p: Polynomial) -> Polynomial { p.mapColumns { place[$0]! } }
        inputs = kept.map { inputs[$0] }
        words = words.map {
            switch $0 {
            case .sum(let p): .sum(moved(p))
            case .variance(let s, let q, let n): .variance(sum: moved(s), squares: moved(q), count: moved(n))
            case .extreme, .met, .distinct: $0
            }
        }
        for k in filters.indices { filters[k].difference = moved(filters[k].difference) }
        groups.codes = groups.codes.map { $0.map { place[$0]! } }
        for k in extremes.indices {
            extremes[k].input = place[extremes[k].input]!; extremes[k].present = extremes[k].present.map { place[$0]! }
        }
        for k in distincts.indices {
            distincts[k].input = place[distincts[k].input]!; distincts[k].present = distincts[k].present.map { place[$0]! }
        }
    }
    private mutating func totals(_ p: Polynomial) throws(QueryError) -> Polynomial {
        var out = p
        for item in collapsed.sorted() where query.items[item].join != .semi && query.items[item].join != .anti {
            var next = Polynomial()
            for monomial in out.monomials {
                let part = monomial.filter { inputs[$0].item == item && !isTotal($0) }, rest = monomial.filter { !part.contains($0) }
                var factor = Polynomial(column: total(item, part))
                if part.isEmpty, mayNotMeet(item) {
                    factor = factor + .one - Polynomial(column: register(item, .truth, .literal(.boolean(true)), planes: 1))
                }
                for (m, coefficient) in factor.terms { next.add(coefficient * out.terms[monomial]!, (m + rest).sorted()) }
            }
            out = next
            guard out.terms.count <= 256 else {
                throw .plan(construct: "more than 256 products of columns", remedy: "ask fewer aggregates")
            }
        }
        return out
    }
    private func isTotal(_ input: Int) -> Bool { if case .total = inputs[input].kind { true } else { false } }
    private mutating func total(_ item: Int, _ part: [Int]) -> Int {
        let rows = query.items[item].sources.map(\.table.rows).max() ?? 1
        return register(
            item, .total(part.map { .init(kind: inputs[$0].kind, expression: inputs[$0].expression) }), .literal(.boolean(true)),
            planes: Sizing.sumPlanes(part, inputs, rows: rows))
    }
    private func allMonomials() -> [[Int]] {
        var seen: Set<[Int]> = [], out: [[Int]] = []
        for word in words {
            let polynomials: [Polynomial] =
                switch word {
                case .sum(let p): [p]
                case .variance(let s, let q, let n): [s, q, n]
                case .extreme, .met, .distinct: []
                }
            for p in polynomials { for m in p.monomials where !m.isEmpty && seen.insert(m).inserted { out.append(m) } }
        }
        return out
    }

    /// A condition over two members' columns: a comparison of numbers without NULL.
    private mutating func comparison(_ e: Expression) throws(QueryError) -> Plan.Comparison {
        guard case .binary(let op, let a, let b) = e, op.isComparison else {
            throw .plan(
                construct: "\(query.text(e)) over columns of two members",
                remedy: "join conditions by AND, each a comparison or over one member's columns")
        }
        var x = try term(a), y = try term(b)
        guard x.presence == .one, y.presence == .one else {
            throw .plan(
                construct: "\(query.text(e)) where a side can be NULL", remedy: "let the owner's view leave out rows without a value")
        }
        _ = align(&x, &y)
        let mirrored = op == .greater || op == .atLeast
        let difference = mirrored ? y.value - x.value : x.value - y.value
        guard difference.monomials.allSatisfy({ $0.count <= 1 }) else {
            throw .plan(construct: "\(query.text(e)), a comparison of products,", remedy: "compare columns or sums")
        }
        let bound = magnitude(of: difference)
        guard bound < 1 << 62 else { throw .range(expression: query.text(e), rows: 1, planes: Planes.bits(bound), maximum: 62) }
        return Plan.Comparison(difference: difference, test: .init(op), width: Planes.bits(bound + 1) + 1)
    }

    // MARK: ranges

    private func magnitude(of monomial: [Int]) -> UInt128 {
        monomial.reduce(UInt128(1)) { product, column in
            let next = product.multipliedReportingOverflow(by: (1 << UInt128(inputs[column].planes)) - 1)
            return next.overflow ? .max >> 1 : next.partialValue
        }
    }
    private func magnitude(of p: Polynomial) -> UInt128 {
        p.terms.reduce(UInt128(0)) { total, term in
            let next = magnitude(of: term.key).multipliedReportingOverflow(by: term.value.magnitude)
            return next.overflow || next.partialValue > .max >> 2 ? .max >> 2 : min(.max >> 2, total + next.partialValue)
        }
    }
    /// Everything opened, and everything multiplied on the way, stays inside 63 bits whatever a member hands in.
    private func checkRanges(rows: Int) throws(QueryError) {
        for (aggregate, words) in zip(query.aggregates, aggregates) {
            for k in Set([words.value, words.count]) where k >= 0 {
                let bound = bound(self.words[k], rows: rows), bits = Planes.bits(bound)
                guard bits <= 63 else { throw .range(expression: query.text(aggregate), rows: rows, planes: bits, maximum: 63) }
            }
        }
    }
    /// The largest that a group's word may be.
    func bound(_ word: Plan.Word, rows: Int) -> UInt128 {
        switch word {
        case .sum(let p): Self.product(magnitude(of: p), UInt128(rows))
        case .variance(_, let q, let n):
            Self.product(Self.product(magnitude(of: q), UInt128(rows)), Self.product(magnitude(of: n), UInt128(rows)))
        case .extreme(let k): 1 << UInt128(inputs[extremes[k].input].planes)
        case .met: 1
        case .distinct(let k): UInt128(distincts[k].values.count)
        }
    }
    static func product(_ a: UInt128, _ b: UInt128) -> UInt128 {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? .max >> 2 : min(product, .max >> 2)
    }
}
