/// What is computed in shares, as far as it decides sizes and costs.
struct Work {
    var collapsed: Set<Int>, monomials: [[Int]], extremes: [Plan.Extreme], distincts: [Plan.Distinct], words: [Plan.Word], openedWords: Int
    var filters: [Plan.Comparison], having: Plan.Condition?, first: Plan.First?
    var smallest: Int, countPlanes: Int
}

/// What a member hands in of each group where no join follows, plane after plane: count, sums, then for each extreme its number and
/// whether there is one, then for each COUNT(DISTINCT) which listed values occur.
struct PartialLayout {
    var inputs: [Plan.Input], monomials: [[Int]], extremes: [Plan.Extreme], distincts: [Plan.Distinct]

    private func sums(rows: Int) -> Int {
        Planes.bits(UInt128(max(1, rows))) + monomials.reduce(0) { $0 + Sizing.sumPlanes($1, inputs, rows: rows) }
    }
    private func width(_ extreme: Plan.Extreme) -> Int { inputs[extreme.input].planes + 1 }
    func extreme(_ k: Int, rows: Int) -> Range<Int> {
        let start = sums(rows: rows) + extremes[..<k].reduce(0) { $0 + width($1) }
        return start..<start + width(extremes[k])
    }
    func distinct(_ k: Int, rows: Int) -> Range<Int> {
        let start = sums(rows: rows) + extremes.reduce(0) { $0 + width($1) } + distincts[..<k].reduce(0) { $0 + $1.values.count }
        return start..<start + distincts[k].values.count
    }
    func planes(rows: Int) -> Int {
        sums(rows: rows) + extremes.reduce(0) { $0 + width($1) } + distincts.reduce(0) { $0 + $1.values.count }
    }
}
extension Plan {
    var partialLayout: PartialLayout { PartialLayout(inputs: inputs, monomials: monomials, extremes: extremes, distincts: distincts) }
}

/// The sizes of one plan: rows handed in, bins, widths of keys, and from them the lines of `explain` with their costs.
struct Sizing {
    let query: BoundQuery
    let inputs: [Plan.Input]
    let anchor: Int?
    let groups: Plan.Groups
    private(set) var bins = 0
    private(set) var keyPlanes = 0
    private(set) var keyIsExact = false
    private(set) var keyLow: Int128 = 0

    init(query: BoundQuery, inputs: [Plan.Input], anchor: Int?, groups: Plan.Groups) throws(QueryError) {
        (self.query, self.inputs, self.anchor, self.groups) = (query, inputs, anchor, groups)
        guard let anchor else { return }
        bins = BinSize.bins(query.items[anchor].sources[0].table.rows)
        let widest =
            query.items.enumerated().filter { $0.offset != anchor }.flatMap(\.element.sources).map {
                BinSize.capacity($0.table.rows, bins: bins)
            }.max() ?? 1
        let fingerprint = 40 + Planes.log2up(bins * widest)
        var facts = query.facts(anchor, query.items[anchor].key!)
        for item in query.items { facts = facts.union(item.columns[item.key!].facts) ?? facts }
        let exact: Int? =
            facts.keyForm.flatMap { $0 == .fingerprint ? nil : $0.planes }
            ?? facts.range.map { Planes.forRange($0.lowerBound, $0.upperBound) }
        keyIsExact = exact.map { $0 <= fingerprint } ?? false
        keyPlanes = keyIsExact ? exact! : fingerprint
        keyLow = keyIsExact ? facts.range?.lowerBound ?? 0 : 0
        guard keyPlanes <= 64 else {
            throw .plan(construct: "a key of \(keyPlanes) planes", remedy: "declare an exact form of at most 64 planes (hex 16)")
        }
    }

    /// One for each choice of a source from every union.
    var branches: Int { query.items.reduce(1) { $0 * $1.sources.count } }
    var candidateRows: Int {
        anchor == nil ? max(1, query.items[0].sources.reduce(0) { $0 + $1.table.rows }) : branches * bins
    }
    func load(of item: Int) -> Int { inputs.filter { $0.item == item }.reduce(0) { $0 + $1.planes } }

    /// Planes of a member's sum of a monomial over its own rows.
    static func sumPlanes(_ monomial: [Int], _ inputs: [Plan.Input], rows: Int) -> Int {
        monomial.reduce(Planes.bits(UInt128(max(1, rows)))) { $0 + inputs[$1].planes }
    }

    func uses(_ work: Work) -> [Plan.Use] {
        let layout = PartialLayout(inputs: inputs, monomials: work.monomials, extremes: work.extremes, distincts: work.distincts)
        var out: [Plan.Use] = []
        for (number, item) in query.items.enumerated() {
            for (index, source) in item.sources.enumerated() {
                let rows = source.table.rows, role: Plan.Use.Role, blocks: [Plan.Block]
                if anchor == nil {
                    role = .partial
                    blocks = [.init(name: "sums", planes: layout.planes(rows: rows), count: groups.labels.count)]
                } else if anchor == number {
                    role = .anchor(bins: bins)
                    blocks = [
                        .init(name: "rows", planes: 1 + keyPlanes + load(of: number), count: bins),
                        .init(name: "keys", planes: 1 + keyPlanes, count: max(1, rows)),
                    ]
                } else {
                    let per = BinSize.capacity(rows, bins: bins)
                    role = .spread(bins: bins, per: per)
                    blocks = [.init(name: "rows", planes: 1 + keyPlanes + load(of: number), count: bins * per)]
                }
                var used = item.filter.reduce(into: Set<Int>()) { $0.formUnion($1.columns(of: number)) }
                for input in inputs where input.item == number { used.formUnion(input.columns) }
                if let key = item.key { used.insert(key) }
                var base = source.filter.reduce(into: Set<Int>()) { $0.formUnion($1.columns(of: 0)) }
                for column in used { base.formUnion(source.columns[column].columns(of: 0)) }
                if base.isEmpty { base = [0] }  // counting rows needs one column
                let columns = base.sorted().map { source.table.columns[$0].name }
                out.append(Plan.Use(schema: source.table, role: role, columns: columns, blocks: blocks, item: number, source: index))
            }
        }
        return out
    }

    // MARK: steps

    func steps(uses: [Plan.Use], _ work: Work) -> [Plan.Step] {
        var out = uses.map { own($0, work.collapsed.contains($0.item)) }
        let rows = candidateRows, n = groups.labels.count, width = 1 + work.openedWords, monomials = work.monomials
        func shared(_ what: String, rows: Int, _ cost: PlanCost, lane: Plan.Step.Lane = .after, learns: String = "nobody learns anything") {
            out.append(.init(what: what, place: "in shares", rows: rows, cost: cost, lane: lane, learns: learns))
        }
        if let anchor {
            let name = query.items[anchor].sources[0].table.name
            var first = true
            for use in uses {
                guard case .spread(let bins, let per) = use.role else { continue }
                shared(
                    "join \(name) with \(use.schema.name) by \(bins) bins of \(per), keys of \(keyPlanes) planes", rows: bins * per,
                    .bins(bins, per: per, key: keyPlanes, load: load(of: use.item)), lane: first ? .after : .beside)
                first = false
            }
            let n1 = max(1, query.items[anchor].sources[0].table.rows)
            shared(
                "prove that \(name) placed each key once", rows: bins + n1,
                .beside([.sortedProof(n1, key: keyPlanes) + .opening(1), .opening(1) + .sameProof([bins, n1]) + .opening(1)]), lane: .proof,
                learns: "seats: one bit, false only if the owner lied")
            let live = liveCost
            if live.ands > 0 { shared("rows that met in every table", rows: rows, live) }
            if let cost = filterCost(work.filters) { shared("conditions across members", rows: rows, cost) }
            let powers = productCost(monomials)
            if powers.rounds > 0 { shared("products of columns", rows: rows, powers) }
            shared("counts and sums of \(n) listed groups", rows: rows, groupCost(monomials))
        } else {
            shared("add the members' sums of \(n) groups", rows: n * uses.count, partialCost(monomials, uses))
        }
        for (k, extra) in extraCosts(work, members: uses.count).enumerated() {
            shared(extra.what, rows: anchor == nil ? n * uses.count : rows, extra.cost, lane: anchor == nil || k > 0 ? .beside : .after)
        }
        let variances = work.words.filter { if case .variance = $0 { true } else { false } }.count
        if variances > 0 { shared("variances", rows: n, .product(2 * n * variances)) }
        if work.smallest > 1 { shared("hide groups below \(work.smallest)", rows: n, .smallGroups(n, planes: work.countPlanes)) }
        if let having = work.having {
            shared("groups for which HAVING holds", rows: n, Self.cost(having, n) + (work.smallest > 1 ? .and(n) : PlanCost()))
        }
        if let first = work.first {
            let counted =
                work.having == nil && work.smallest > 1
                ? PlanCost() : PlanCost.sign(n, width: work.countPlanes + 1) + (work.having == nil ? PlanCost() : .and(n))
            shared(
                "the first \(first.limit) groups in order", rows: n * n,
                counted + .first(n, limit: first.limit, keys: first.order.map { Self.cost($0.key, n) }))
        }
        let hides = work.smallest > 1,
            learns =
                "reader: \(query.outputs.count) columns of shown groups with their counts"
                + (hides ? ", and how many groups are hidden" : "")
        shared(
            "seal the answer", rows: n,
            hides || work.having != nil || work.first != nil ? .shown(n, width: width, hides: hides) : .opening(n * width), learns: learns)
        return out
    }
    private func extraCosts(_ work: Work, members: Int) -> [(what: String, cost: PlanCost)] {
        let n = groups.labels.count, rows = candidateRows
        let extremes = work.extremes.map { extreme -> (String, PlanCost) in
            let w = inputs[extreme.input].planes,
                what = "\(extreme.isMaximum ? "largest" : "least") of \(query.text(inputs[extreme.input].expression)) in each group"
            let ringed = PlanCost.beside([.toRing(n, planes: w), .toRing(n, planes: 1)])
            return (
                what,
                anchor == nil
                    ? .largest(members, segments: n, planes: w + 1) + ringed
                    : .extreme(rows, groups: n, planes: w, present: extreme.present != nil)
            )
        }
        let distincts = work.distincts.map { distinct -> (String, PlanCost) in
            let v = distinct.values.count,
                what = "different values of \(query.text(inputs[distinct.input].expression)) in each group, of \(v) listed"
            return (
                what,
                anchor == nil
                    ? .occurring(members, segments: n, planes: v) + .toRing(v * n, planes: 1)
                    : .distinct(rows, groups: n, values: v, planes: inputs[distinct.input].planes, present: distinct.present != nil)
            )
        }
        return extremes + distincts
    }
    private static func cost(_ condition: Plan.Condition, _ n: Int) -> PlanCost {
        switch condition {
        case .test(let c): c.test == .less || c.test == .atMost ? .sign(n, width: c.width) : .equalWords(n, width: c.width)
        case .known: PlanCost()
        case .all(let parts), .any(let parts): .beside(parts.map { cost($0, n) }) + .equal(n, planes: parts.count)
        }
    }
    private static func cost(_ key: Plan.First.Key, _ n: Int) -> PlanCost {
        switch key {
        case .number(_, let width): .sign(n * n, width: width)
        case .average(_, _, let width): .product(2 * n * n) + .sign(n * n, width: width)
        case .absent(_, let width): .sign(n, width: width) + .and(n * n)
        case .known: PlanCost()
        }
    }
    private func own(_ use: Plan.Use, _ isCollapsed: Bool) -> Plan.Step {
        let filter = isCollapsed ? "filter, add up the rows of a key" : "filter"
        let what =
            switch use.role {
            case .partial: "read \(use.columns.joined(separator: ", ")) of \(use.schema.name); filter, add up by group"
            case .anchor: "read \(use.columns.joined(separator: ", ")) of \(use.schema.name); \(filter), one row a bin"
            case .spread: "read \(use.columns.joined(separator: ", ")) of \(use.schema.name); \(filter), each row into its three bins"
            }
        return .init(
            what: what, place: "\(use.schema.member), own machine", rows: use.schema.rows, cost: PlanCost(), lane: .beside,
            learns: "nobody else learns anything")
    }

    // Every union is a branch over the same bins: a candidate row is (branch, bin).
    var rights: [Int] { query.items.indices.filter { $0 != anchor } }
    /// Hits combined, and values masked by them where several tables must meet.
    private var liveCost: PlanCost {
        let factors = liveFactors
        guard factors > 1 else { return PlanCost() }
        var cost = PlanCost(), left = factors
        while left > 1 { cost = cost + .and(candidateRows, planes: left / 2); left -= left / 2 }
        return cost + .and(candidateRows, planes: inputs.reduce(0) { $1.kind.isCode ? $0 : $0 + $1.planes })
    }
    var liveFactors: Int {
        let needed = rights.filter { query.items[$0].join != .left }
        let met = needed.contains { query.items[$0].join != .anti }
        return needed.count + (met ? 0 : 1)  // a hit implies a live row of the anchor
    }
    private func filterCost(_ filters: [Plan.Comparison]) -> PlanCost? {
        guard !filters.isEmpty else { return nil }
        let columns = Set(filters.flatMap { $0.difference.monomials.flatMap { $0 } }), n = candidateRows
        let tests = filters.map {
            $0.test == .less || $0.test == .atMost ? PlanCost.sign(n, width: $0.width) : PlanCost.equalWords(n, width: $0.width)
        }
        var cost = PlanCost.beside(columns.map { .toRing(n, planes: inputs[$0].planes) }) + .beside(tests), left = filters.count + 1
        while left > 1 { cost = cost + .and(n, planes: left / 2); left -= left / 2 }
        return cost
    }
    /// Monomials of two or more columns, multiplied row by row.
    private func productCost(_ monomials: [[Int]]) -> PlanCost {
        let longest = monomials.map(\.count).max() ?? 0
        return (2...max(2, longest)).reduce(PlanCost()) { cost, length in
            let count = Set(monomials.filter { $0.count >= length }.map { $0.prefix(length) }).count
            return cost + .product(count * candidateRows)
        }
    }
    private func groupCost(_ monomials: [[Int]]) -> PlanCost {
        let columns = Set(monomials.flatMap { $0 })
        return .oneHot(
            candidateRows, code: groups.planes, groups: groups.labels.count, widths: columns.sorted().map { inputs[$0].planes },
            values: monomials.count)
    }
    private func partialCost(_ monomials: [[Int]], _ uses: [Plan.Use]) -> PlanCost {
        let n = groups.labels.count
        var all: [PlanCost] = []
        for use in uses {
            all.append(.toRing(n, planes: Planes.bits(UInt128(max(1, use.schema.rows)))))
            all += monomials.map { .toRing(n, planes: Self.sumPlanes($0, inputs, rows: use.schema.rows)) }
        }
        return .beside(all)
    }
}

extension PlanCost {
    /// [x = y] of words (reference/r4.md §8).
    static func equalWords(_ n: Int, width: Int) -> PlanCost {
        PlanCost(ands: n * (width - 1), bits: n * (2 * width + 6 * (width - 1)), rounds: 1 + Planes.log2up(width))
    }
}
