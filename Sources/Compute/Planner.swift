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
    static let maximumGroups = 64, maximumWords = 4_096
    let query: BoundQuery
    let scope: Scope
    private var inputs: [Plan.Input] = []
    private var words: [Plan.Word] = []

    init(query: BoundQuery, scope: Scope) { (self.query, self.scope) = (query, scope) }

    private func facts(_ e: Expression) throws(QueryError) -> Facts { try e.facts(query.facts, query.columnName) }

    mutating func plan(text: String, program: Hash32) throws(QueryError) -> Plan {
        try checkKeys()
        let groups = try listGroups()
        var filters: [Plan.Comparison] = []
        for condition in query.crossFilters { filters.append(try comparison(condition)) }
        var aggregates: [Plan.AggregateWords] = []
        for aggregate in query.aggregates { aggregates.append(try place(aggregate)) }
        let (smallest, tables) = try smallestGroup()
        let anchor = query.items.count > 1 ? try chooseAnchor() : nil
        let sizing = try Sizing(query: query, inputs: inputs, anchor: anchor, groups: groups)
        let monomials = allMonomials(), rows = sizing.candidateRows
        try checkRanges(rows: rows, monomials: monomials)
        let countPlanes = max(16, (Planes.bits(UInt128(rows)) + 7) / 8 * 8)
        guard groups.labels.count * (1 + words.count) <= Self.maximumWords else {
            throw .size(.resultWords(groups.labels.count * (1 + words.count), maximum: Self.maximumWords))
        }
        let uses = sizing.uses(monomials: monomials)
        let steps = sizing.steps(uses: uses, monomials: monomials, words: words, filters: filters, smallest: smallest,
                                 countPlanes: countPlanes, outputs: query.outputs.count)
        return Plan(program: program, text: text, asker: scope.asker, uses: uses, steps: steps, smallestGroup: smallest, smallestGroupTables: tables, query: query,
                    inputs: inputs, anchor: anchor, keyPlanes: sizing.keyPlanes, keyIsExact: sizing.keyIsExact, keyLow: sizing.keyLow,
                    groups: groups, monomials: monomials, words: words, aggregates: aggregates, filters: filters, countPlanes: countPlanes)
    }

    // MARK: rules of joins and groups

    private func checkKeys() throws(QueryError) {
        guard query.items.count > 1 else { return }
        for item in query.items {
            for source in item.sources {
                guard let key = item.key, case .column(_, let index) = source.columns[key], source.table.key == source.table.columns[index].name else {
                    throw .plan(construct: "a join over \(item.name), whose key the listing of \(source.table.name) does not declare unique",
                                remedy: "join on \(source.table.key ?? "a column that the listing declares as key")")
                }
            }
        }
    }
    private func smallestGroup() throws(QueryError) -> (Int, [String]) {
        var k = 1, tables: [String] = []
        for item in query.items {
            for source in item.sources where source.table.smallestGroup > 1 {
                if source.table.key == nil {
                    throw .plan(construct: "a smallest group of \(source.table.name), whose subjects no key tells apart,", remedy: "let the owner declare the key")
                }
                if item.join == .left || item.join == .anti {
                    throw .plan(construct: "the smallest group of \(source.table.name) on the side of a join that may not meet", remedy: "use an inner join")
                }
                if item.sources.count > 1, source.table.scope == .own || scope.asker.member == source.table.member {
                    throw .plan(construct: "a smallest group of \(source.table.member)'s own rows inside UNION ALL", remedy: "ask the members one by one")
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
        guard let best else { throw .plan(construct: "a join of two unions of tables", remedy: "join one member's table with the union, and ask once for each") }
        return best.item
    }

    private mutating func listGroups() throws(QueryError) -> Plan.Groups {
        var keys: [[Value]] = [], codes: [Int?] = [], planes = 0, offsets: [Int] = []
        for (number, key) in query.groupKeys.enumerated() {
            guard key.items.count <= 1 else { throw .plan(construct: "a group key over columns of two members", remedy: "group by the columns one by one") }
            let facts = try facts(key)
            guard var values = facts.values else {
                throw .plan(construct: "GROUP BY \(query.text(key)), whose values nobody lists", remedy: "group by CASE bands of it, or let the owner list its values")
            }
            guard let item = key.items.first else { keys.append(values.isEmpty ? [.null] : values); codes.append(nil); offsets.append(planes); continue }
            if mayNotMeet(item) { throw .plan(construct: "a group key from the right side of LEFT JOIN", remedy: "group by a column of the left side") }
            if facts.nullable { values.append(.null) }
            keys.append(values)
            offsets.append(planes)
            let width = Planes.log2up(values.count)
            if width == 0 { codes.append(nil); continue }
            codes.append(register(item, .code(key: number), key, planes: width))
            planes += width
        }
        let count = keys.reduce(1) { $0 * $1.count }
        guard count <= Self.maximumGroups, planes <= 10 else { throw .size(.groups(count, maximum: Self.maximumGroups)) }
        var leaves = [0], labels: [[Value]] = [[]]
        for (key, values) in keys.enumerated() {
            let before = zip(leaves, labels)
            let next = before.flatMap { leaf, label in values.enumerated().map { (leaf + $0.offset << offsets[key], label + [$0.element]) } }
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
        if case .value = inputs[value].kind { inputs[value].item == inputs[present].item && inputs[value].expression == inputs[present].expression } else { false }
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
            throw .plan(construct: "\(query.text(e)), which takes more than 256 products of at most six columns,", remedy: "compute parts of it inside one member's table")
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
                return Term(value: x.value.times(y.value, me.simplify), presence: x.presence.times(y.presence, me.simplify), scale: x.scale + y.scale)
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
        default: throw .plan(construct: "\(query.text(e)) over columns of two members", remedy: "use + - * CASE or COALESCE, or compute it inside one member's table")
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
            throw .plan(construct: "\(query.text(e)), a number without listed bounds or scale,", remedy: "give it a bounded column in the owner's view, or round it with ROUND(…, digits)")
        }
        let planes = Planes.forRange(range.lowerBound, range.upperBound)
        guard planes <= 62 else { throw .range(expression: query.text(e), rows: 1, planes: planes, maximum: 62) }
        let there = presence(e, facts)
        if range.lowerBound == range.upperBound { return Term(value: there.times(range.lowerBound), presence: there, scale: facts.type.scale) }
        let column = register(item, .value(low: range.lowerBound, scale: facts.type.scale), e, planes: planes)
        return Term(value: Polynomial(column: column) + there.times(range.lowerBound), presence: there, scale: facts.type.scale)
    }
    private func dividesDecimals(_ e: Expression) -> Bool {
        if case .binary(.divide, let a, let b) = e, let x = try? facts(a), let y = try? facts(b), x.type.scale + y.type.scale > 0 { return true }
        if case .function(.round, _) = e { return false }
        if case .binary(let op, _, _) = e, op.isComparison { return false }
        return e.children.contains(where: dividesDecimals)
    }
    private mutating func choice(_ conditions: [Expression], _ results: [Expression]) throws(QueryError) -> Term {
        var out = try term(results.last!)
        for (condition, result) in zip(conditions, results).reversed() {
            guard condition.items.count == 1, let item = condition.items.first, !mayNotMeet(item) || condition.value({ _, _ in .null }) != .boolean(true) else {
                throw .plan(construct: "CASE WHEN \(query.text(condition)), a condition over two members' columns or one that holds where nothing met,", remedy: "compare inside one member's table")
            }
            let c = Polynomial(column: register(item, .truth, condition, planes: 1))
            var then = try term(result)
            let scale = align(&out, &then), me = self, not = Polynomial.one - c
            out = Term(value: then.value.times(c, me.simplify) + out.value.times(not, me.simplify),
                       presence: then.presence.times(c, me.simplify) + out.presence.times(not, me.simplify), scale: scale)
            out = try bounded(out, result)
        }
        return out
    }

    private mutating func word(_ word: Plan.Word) -> Int {
        if word == .sum(.one) { return -1 }
        if let known = words.firstIndex(of: word) { return known }
        words.append(word)
        return words.count - 1
    }
    private mutating func place(_ aggregate: BoundQuery.Aggregate) throws(QueryError) -> Plan.AggregateWords {
        let text = query.text(aggregate)
        if aggregate.distinct { throw .plan(construct: text, remedy: "group by the column and count the groups you are shown") }
        switch aggregate.kind {
        case .minimum, .maximum: throw .plan(construct: text, remedy: "ask AVG and STDDEV_SAMP, or counts by bands")
        case .count:
            guard let argument = aggregate.argument else { return .init(kind: .count, value: -1, count: -1, scale: 0) }
            let there: Polynomial
            if !isComputedByOwner(argument) { there = try term(argument).presence }
            else if argument.items.isEmpty, argument.value({ _, _ in .null }).isNull { there = Polynomial() }
            else { there = presence(argument, try facts(argument)) }
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
    private func allMonomials() -> [[Int]] {
        var seen: Set<[Int]> = [], out: [[Int]] = []
        for word in words {
            let polynomials: [Polynomial] = switch word {
            case .sum(let p): [p]
            case .variance(let s, let q, let n): [s, q, n]
            }
            for p in polynomials { for m in p.monomials where !m.isEmpty && seen.insert(m).inserted { out.append(m) } }
        }
        return out
    }

    /// A condition over two members' columns: a comparison of numbers without NULL.
    private mutating func comparison(_ e: Expression) throws(QueryError) -> Plan.Comparison {
        guard case .binary(let op, let a, let b) = e, op.isComparison else {
            throw .plan(construct: "\(query.text(e)) over columns of two members", remedy: "join conditions by AND, each a comparison or over one member's columns")
        }
        var x = try term(a), y = try term(b)
        guard x.presence == .one, y.presence == .one else {
            throw .plan(construct: "\(query.text(e)) where a side can be NULL", remedy: "let the owner's view leave out rows without a value")
        }
        _ = align(&x, &y)
        let mirrored = op == .greater || op == .atLeast
        let difference = mirrored ? y.value - x.value : x.value - y.value
        guard difference.monomials.allSatisfy({ $0.count <= 1 }) else { throw .plan(construct: "\(query.text(e)), a comparison of products,", remedy: "compare columns or sums") }
        let bound = magnitude(of: difference)
        guard bound < 1 << 62 else { throw .range(expression: query.text(e), rows: 1, planes: Planes.bits(bound), maximum: 62) }
        let test: Plan.Comparison.Test = switch op {
        case .equal: .equal
        case .unequal: .unequal
        case .less, .greater: .less
        default: .atMost
        }
        return Plan.Comparison(difference: difference, test: test, width: Planes.bits(bound + 1) + 1)
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
    private func checkRanges(rows: Int, monomials: [[Int]]) throws(QueryError) {
        func check(_ p: UInt128, _ factor: UInt128, _ text: String) throws(QueryError) {
            let product = p.multipliedReportingOverflow(by: max(1, factor)), bits = product.overflow ? 128 : Planes.bits(product.partialValue)
            guard bits <= 63 else { throw .range(expression: text, rows: rows, planes: bits, maximum: 63) }
        }
        for (aggregate, bound) in zip(query.aggregates, aggregateBounds()) {
            try check(bound.value, UInt128(rows), query.text(aggregate))
            if bound.isVariance { try check(bound.value, UInt128(rows) * UInt128(rows), query.text(aggregate)) }
        }
    }
    private func aggregateBounds() -> [(value: UInt128, isVariance: Bool)] {
        var copy = self
        return query.aggregates.map { aggregate in
            guard let placed = try? copy.place(aggregate), placed.value >= 0 else { return (1, false) }
            switch copy.words[placed.value] {
            case .sum(let p): return (magnitude(of: p), false)
            case .variance(_, let q, _): return (magnitude(of: q), true)
            }
        }
    }
}
