import MPC

/// Why nothing is sealed.
package enum ExecutionError: Error, Equatable, Sendable {
    case session(SessionError)
    /// The owner of this use handed in what its listing excludes: its own fault, seen by all seats.
    case proof(use: Int, member: String)
    /// Shapes that are not the plan's.
    case malformedInput(use: Int)
}

extension ExecutionError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .session(let error): "session: \(error)"
        case .proof(_, let member): "proof: \(member)'s keys were not unique as declared; nothing opened"
        case .malformedInput(let use): "input: use \(use) has not the planned size; nothing opened"
        }
    }
}

extension Plan.Use {
    /// How this use is dealt: all blocks as one column of bits, plane after plane.
    package var layout: InputLayout { InputLayout(columns: [.bits(planes: 1)], rows: blocks.reduce(0) { $0 + $1.planes * $1.count }) }
}

extension Plan {
    /// Runs the plan's part in shares.
    /// - Parameter inputs: by use, what `LocalEvaluator` gave, dealt by `Use.layout`.
    /// - Returns: `outputWords` words, 1 × n, still secret: to be sealed to the reader, who calls `decode`.
    /// - Cost: `cost` less the opening.
    package func execute<M: Machine>(_ inputs: [Bits], on machine: M) async throws(ExecutionError) -> Words {
        guard inputs.count == uses.count else { throw .malformedInput(use: inputs.count) }
        var blocks: [[Bits]] = []
        for (index, use) in uses.enumerated() {
            guard inputs[index].planes == 1, inputs[index].count == use.layout.rows else { throw .malformedInput(use: index) }
            blocks.append(use.split(inputs[index]))
        }
        let run = Run(plan: self, machine: machine, blocks: blocks)
        let answer: Words, liar: Int?
        do throws(SessionError) {
            if anchor == nil {
                (answer, liar) = (try await run.released(run.partials()), nil)
            } else {
                (answer, liar) = try await machine.together(
                    { () async throws(SessionError) in try await run.released(run.star()) },
                    { () async throws(SessionError) in try await run.liar() })
            }
        } catch { throw .session(error) }
        if let liar { throw .proof(use: liar, member: uses[liar].schema.member) }
        return answer
    }
}

extension Plan.Use {
    fileprivate func split(_ flat: Bits) -> [Bits] {
        var at = 0
        return blocks.map { block in
            Bits.stack(
                (0..<block.planes).map { _ in
                    defer { at += block.count }
                    return flat[rows: at..<at + block.count]
                })
        }
    }
}

private typealias Branch<T> = @Sendable () async throws(SessionError) -> T

/// One execution: the plan, the machine, and the handed-in blocks by use.
private struct Run<M: Machine>: Sendable {
    let plan: Plan
    let machine: M
    let blocks: [[Bits]]

    private var items: [BoundQuery.Item] { plan.query.items }
    private func uses(of item: Int) -> [Int] { plan.uses.indices.filter { plan.uses[$0].item == item } }
    private func inputs(of item: Int) -> [Int] { plan.inputs.indices.filter { plan.inputs[$0].item == item } }

    private func handed(_ use: Int, block: Int = 0) -> HandedTable {
        let all = blocks[use][block], key = 1 + plan.keyPlanes
        return HandedTable(dead: all[plane: 0], key: all[planes: 1..<key], load: all[planes: key..<all.planes])
    }

    // MARK: proofs

    /// The use whose owner's keys are not what it declared, if any: two openings of one bit and one word to all seats.
    func liar() async throws(SessionError) -> Int? {
        let use = uses(of: plan.anchor!)[0], bins = handed(use), sorted = handed(use, block: 1)
        let (isSorted, difference) = try await machine.together(
            { () async throws(SessionError) in
                try await machine.open(machine.provesSorted(sorted.dead, sorted.key))
            },
            { () async throws(SessionError) in
                let coin = try await machine.coin(count: 1)
                return try await machine.open(machine.differenceOfKeys(bins, sorted, coin: coin[0]))
            })
        return isSorted[0] & 1 == 1 && difference[0] == 0 ? nil : use
    }

    // MARK: star

    /// Groups (columns) of count and monomial sums.
    func star() async throws(SessionError) -> Words {
        let anchor = plan.anchor!, left = handed(uses(of: anchor)[0]), bins = left.key.count
        let rights = plan.uses.indices.filter { plan.uses[$0].item != anchor }
        var joins: [Branch<JoinedColumns>] = []
        for use in rights {
            let right = handed(use), per = right.key.count / bins
            let join: Branch<JoinedColumns> = { () async throws(SessionError) in try await machine.joinBins(left, right, per: per) }
            joins.append(join)
        }
        let joined = Dictionary(uniqueKeysWithValues: zip(rights, try await machine.together(joins)))
        // A branch takes one source of every union; its candidate rows are the bins.
        var branches: [[Int]] = [[]]
        for item in items.indices { branches = branches.flatMap { branch in uses(of: item).map { branch + [$0] } } }
        var factors: [Bits] = []
        for (item, input) in items.enumerated() where item != anchor && input.join != .left {
            factors.append(.concatenateRows(branches.map { input.join == .anti ? joined[$0[item]]!.hit.inverted : joined[$0[item]]!.hit }))
        }
        if !items.enumerated().contains(where: {
            $0.offset != anchor && ($0.element.join == .inner || $0.element.join == .first || $0.element.join == .semi)
        }) {
            factors.append(.concatenateRows(branches.map { _ in left.dead.inverted }))
        }
        var live = try await machine.conjunction(.stack(factors)), columns = plan.inputs.map { _ in live }
        for item in items.indices {
            var at = 0
            for input in inputs(of: item) {
                let planes = at..<at + plan.inputs[input].planes
                columns[input] = .concatenateRows(branches.map { (item == anchor ? left.load : joined[$0[item]]!.load)[planes: planes] })
                at = planes.upperBound
            }
        }
        let values = plan.inputs.indices.filter { !plan.inputs[$0].kind.isCode }
        if factors.count > 1, !values.isEmpty {
            let masked = try await machine.masked(.stack(values.map { columns[$0] }), by: live)
            var at = 0
            for input in values { columns[input] = masked[planes: at..<at + plan.inputs[input].planes]; at += plan.inputs[input].planes }
        }
        if !plan.filters.isEmpty { live = try await filtered(live, columns) }
        return try await grouped(live, columns)
    }

    private func toRing(_ columns: [Bits], _ needed: [Int]) -> [Branch<Words>] {
        var out: [Branch<Words>] = []
        for input in needed {
            let column = columns[input]
            let branch: Branch<Words> = { () async throws(SessionError) in try await machine.fromBits(column) }
            out.append(branch)
        }
        return out
    }
    private func filtered(_ live: Bits, _ columns: [Bits]) async throws(SessionError) -> Bits {
        let needed = Set(plan.filters.flatMap { $0.difference.monomials.flatMap { $0 } }).sorted()
        let words = Dictionary(uniqueKeysWithValues: zip(needed, try await machine.together(toRing(columns, needed))))
        var tests: [Branch<Bits>] = []
        for filter in plan.filters {
            var difference = machine.zero(count: live.count, in: Z64.self)
            for (monomial, coefficient) in filter.difference.terms where !monomial.isEmpty {
                difference += words[monomial[0]]!.times(UInt64(truncatingIfNeeded: coefficient))
            }
            if let fixed = filter.difference.terms[[]] { difference = difference.adding(UInt64(truncatingIfNeeded: fixed)) }
            let word = difference
            let branch: Branch<Bits> = { () async throws(SessionError) in try await test(word, filter) }
            tests.append(branch)
        }
        return try await machine.conjunction(.stack([live] + machine.together(tests)))
    }

    private func test(_ difference: Words, _ filter: Plan.Comparison) async throws(SessionError) -> Bits {
        let zero = machine.zero(count: difference.count, in: Z64.self)
        switch filter.test {
        case .less: return try await machine.lessThan(difference, zero, width: filter.width)
        case .atMost: return try await machine.lessThan(zero, difference, width: filter.width).inverted
        case .equal: return try await machine.equal(difference, zero, width: filter.width)
        case .unequal: return try await machine.equal(difference, zero, width: filter.width).inverted
        }
    }

    private func grouped(_ live: Bits, _ columns: [Bits]) async throws(SessionError) -> Words {
        let codes = plan.groups.codes.compactMap { $0 }
        let code = codes.isEmpty ? machine.zero(planes: 0, count: live.count, in: Z2.self) : Bits.stack(codes.map { columns[$0] })
        let leaves = try await machine.oneHot(code, live: live).planes(plan.groups.leaves)
        let sums = try await summed(leaves, columns), extras = try await extras(leaves, columns)
        return .stack([sums] + extras)
    }
    /// Counts and sums of monomials.
    private func summed(_ leaves: Bits, _ columns: [Bits]) async throws(SessionError) -> Words {
        let groups = leaves.planes
        guard !plan.monomials.isEmpty else { return try await machine.sumsOfRows(leaves, width: 1).reshaped(planes: 1, count: groups) }
        let needed = Set(plan.monomials.flatMap { $0 }).sorted()
        let (hot, ringed) = try await machine.together(
            { () async throws(SessionError) in try await machine.inject(leaves) },
            { () async throws(SessionError) in try await machine.together(toRing(columns, needed)) })
        var known = Dictionary(uniqueKeysWithValues: zip(needed.map { [$0] }, ringed))
        for length in 2...max(2, plan.monomials.map(\.count).max()!) {
            var prefixes: [[Int]] = []
            for monomial in plan.monomials where monomial.count >= length {
                let prefix = Array(monomial.prefix(length))
                if !prefixes.contains(prefix) { prefixes.append(prefix) }
            }
            guard !prefixes.isEmpty else { continue }
            let products = try await machine.multiply(
                Words.stack(prefixes.map { known[Array($0.dropLast())]! }), Words.stack(prefixes.map { known[[$0.last!]]! }))
            for (k, prefix) in prefixes.enumerated() { known[prefix] = products[plane: k] }
        }
        let sums = try await machine.innerProducts(Words.stack(plan.monomials.map { known[$0]! }), hot)
        return .stack([hot.sumOfRows().reshaped(planes: 1, count: groups), sums])
    }

    /// Extremes and numbers of different values.
    private func extras(_ leaves: Bits, _ columns: [Bits]) async throws(SessionError) -> [Words] {
        let g = leaves.planes, rows = Bits.concatenateRows((0..<g).map { leaves[plane: $0] })
        @Sendable func present(_ input: Int?) async throws(SessionError) -> Bits {
            guard let input else { return rows }
            return try await machine.multiply(rows, columns[input].repeatedRows(g))
        }
        var branches: [Branch<Words>] = []
        for extreme in plan.extremes {
            let branch: Branch<Words> = { () async throws(SessionError) in
                let there = try await present(extreme.present), x = columns[extreme.input].repeatedRows(g)
                let values = try await machine.masked(extreme.isMaximum ? x : x.inverted, by: there)
                return try await ringed(extreme, machine.largest(.stack([values, there]), segments: g))
            }
            branches.append(branch)
        }
        for distinct in plan.distincts {
            let branch: Branch<Words> = { () async throws(SessionError) in
                let there = try await present(distinct.present), code = columns[distinct.input].repeatedRows(g)
                let cells = try await machine.oneHot(code, live: there)[planes: 0..<distinct.values.count]
                return try await machine.inject(machine.occurring(cells, segments: g)).sumOfPlanes()
            }
            branches.append(branch)
        }
        return try await machine.together(branches)
    }
    /// An extreme of each group as two words: the number, 0 where there is none; and whether there is one.
    private func ringed(_ extreme: Plan.Extreme, _ largest: Bits) async throws(SessionError) -> Words {
        let w = largest.planes - 1
        let (number, met) = try await machine.together(
            { () async throws(SessionError) in try await machine.fromBits(largest[planes: 0..<w]) },
            { () async throws(SessionError) in try await machine.fromBits(largest[plane: w]) })
        // The least is the largest of the complements.
        return .stack([extreme.isMaximum ? number : met.times(w == 64 ? ~0 : 1 << UInt64(w) - 1) - number, met])
    }

    /// Members' own sums, added up; their extremes and different values, met.
    func partials() async throws(SessionError) -> Words {
        let (sums, extras) = try await machine.together(
            { () async throws(SessionError) in try await partialSums() },
            { () async throws(SessionError) in try await partialExtras() })
        return .stack([sums] + extras)
    }
    private func partialExtras() async throws(SessionError) -> [Words] {
        let groups = plan.groups.leaves.count, members = blocks.count, layout = plan.partialLayout
        /// Planes of all members, one segment a group.
        @Sendable func segments(_ range: (Int) -> Range<Int>) -> Bits {
            Bits.concatenateRows(blocks.indices.map { blocks[$0][0][planes: range($0)] }).gather(
                (0..<groups * members).map { $0 % members * groups + $0 / members })
        }
        var branches: [Branch<Words>] = []
        for (k, extreme) in plan.extremes.enumerated() {
            let branch: Branch<Words> = { () async throws(SessionError) in
                try await ringed(
                    extreme, machine.largest(segments { layout.extreme(k, rows: plan.uses[$0].schema.rows) }, segments: groups))
            }
            branches.append(branch)
        }
        for k in plan.distincts.indices {
            let branch: Branch<Words> = { () async throws(SessionError) in
                try await machine.inject(
                    machine.occurring(segments { layout.distinct(k, rows: plan.uses[$0].schema.rows) }, segments: groups)
                ).sumOfPlanes()
            }
            branches.append(branch)
        }
        return try await machine.together(branches)
    }
    private func partialSums() async throws(SessionError) -> Words {
        let groups = plan.groups.leaves.count
        var columns: [Bits] = [], shares: [Int] = []
        for (use, block) in zip(plan.uses, blocks) {
            let rows = max(1, use.schema.rows)
            var at = 0
            for width in [Planes.bits(UInt128(rows))] + plan.monomials.map({ Sizing.sumPlanes($0, plan.inputs, rows: rows) }) {
                columns.append(block[0][planes: at..<at + width])
                at += width
            }
            shares.append(1 + plan.monomials.count)
        }
        let ringed = try await machine.together(toRing(columns, Array(columns.indices)))
        var total = machine.zero(planes: shares[0], count: groups, in: Z64.self)
        for use in shares.indices { total += .stack(Array(ringed[use * shares[0]..<(use + 1) * shares[0]])) }
        return total
    }

    // MARK: words

    /// From counts, sums and extremes to the answer's words, with 0 in groups that are not shown.
    func released(_ sums: Words) async throws(SessionError) -> Words {
        let words = try await words(sums), flat = Words.stack(Array(words[...plan.openedWords])), n = flat.count, total = flat.planes * n
        var show: Bits?, hidden: Bits?
        if plan.hidesGroups {
            let rule = try await machine.smallGroups(words[0], smallest: plan.smallestGroup, countPlanes: plan.countPlanes)
            (show, hidden) = (rule.show, rule.hidden)
        }
        if let having = plan.having {
            let holds = try await holds(having, words)
            show = if let show { try await machine.multiply(show, holds) } else { holds }
        }
        if let first = plan.first {
            // A group without rows takes no place.
            if plan.having != nil || show == nil {
                let some = try await machine.lessThan(machine.zero(count: n, in: Z64.self), words[0], width: plan.countPlanes + 1)
                show = if let show { try await machine.multiply(show, some) } else { some }
            }
            show = try await machine.first(first.limit, of: show!, before: comparisons(first, words))
        }
        guard let show else { return flat.reshaped(planes: 1, count: total) }
        let shown = try await machine.shown(flat, show, hidden: hidden), groups = shown.groups.reshaped(planes: 1, count: total)
        return shown.hidden.map { .concatenateRows([groups, $0]) } ?? groups
    }
    /// Count and words of the plan, each 1 × groups.
    private func words(_ sums: Words) async throws(SessionError) -> [Words] {
        func word(_ p: Polynomial) -> Words {
            var out = machine.zero(count: sums.count, in: Z64.self)
            for (monomial, coefficient) in p.terms {
                let plane = monomial.isEmpty ? 0 : 1 + plan.monomials.firstIndex(of: monomial)!
                out += sums[plane: plane].times(UInt64(truncatingIfNeeded: coefficient))
            }
            return out
        }
        var left: [Words] = [], right: [Words] = []
        for case .variance(let sum, let squares, let count) in plan.words {
            left += [word(count), word(sum)]
            right += [word(squares), word(sum)]
        }
        let products = left.isEmpty ? nil : try await machine.multiply(Words.stack(left), Words.stack(right))
        let extremes = 1 + plan.monomials.count, distincts = extremes + 2 * plan.extremes.count
        var words = [sums[plane: 0]], at = 0
        for entry in plan.words {
            switch entry {
            case .sum(let p): words.append(word(p))
            case .variance: words.append(products![plane: at] - products![plane: at + 1]); at += 2
            case .extreme(let k): words.append(sums[plane: extremes + 2 * k])
            case .met(let k): words.append(sums[plane: extremes + 2 * k + 1])
            case .distinct(let k): words.append(sums[plane: distincts + k])
            }
        }
        return words
    }
    /// A polynomial over a group's words.
    private func number(_ p: Polynomial, _ words: [Words]) -> Words {
        var out = machine.zero(count: words[0].count, in: Z64.self)
        for (monomial, coefficient) in p.terms where !monomial.isEmpty {
            out += words[monomial[0]].times(UInt64(truncatingIfNeeded: coefficient))
        }
        return p.terms[[]].map { out.adding(UInt64(truncatingIfNeeded: $0)) } ?? out
    }
    private func holds(_ condition: Plan.Condition, _ words: [Words]) async throws(SessionError) -> Bits {
        func planes(_ parts: [Plan.Condition]) async throws(SessionError) -> Bits {
            var branches: [Branch<Bits>] = []
            for part in parts {
                let branch: Branch<Bits> = { () async throws(SessionError) in try await holds(part, words) }
                branches.append(branch)
            }
            return .stack(try await machine.together(branches))
        }
        switch condition {
        case .test(let comparison): return try await test(number(comparison.difference, words), comparison)
        case .known(let flags): return flagged(flags)
        case .all(let parts): return try await machine.conjunction(planes(parts))
        case .any(let parts): return try await machine.conjunction(planes(parts).inverted).inverted
        }
    }
    private func flagged(_ flags: [Bool]) -> Bits {
        machine.constant(planesOfWords(flags.map { $0 ? 1 : 0 }, planes: 1, count: flags.count), count: flags.count, in: Z2.self)
    }
    /// Of each key, row i·n + j: does group j come before group i?
    private func comparisons(_ first: Plan.First, _ words: [Words]) async throws(SessionError) -> [Bits] {
        let n = words[0].count, i = (0..<n * n).map { $0 / n }, j = (0..<n * n).map { $0 % n }
        var branches: [Branch<Bits>] = []
        for order in first.order {
            let (mine, other) = order.descending ? (j, i) : (i, j)  // ascending: other < mine
            let branch: Branch<Bits>
            switch order.key {
            case .number(let p, let width):
                let x = number(p, words)
                branch = { () async throws(SessionError) in try await machine.lessThan(x.gather(other), x.gather(mine), width: width) }
            case .average(let value, let count, let width):
                let (x, c) = (words[value + 1], words[count + 1])
                branch = { () async throws(SessionError) in
                    let products = try await machine.multiply(
                        .stack([x.gather(other), x.gather(mine)]), .stack([c.gather(mine), c.gather(other)]))
                    return try await machine.lessThan(products[plane: 0], products[plane: 1], width: width)
                }
            case .absent(let count, let width):
                let c = words[count + 1]
                branch = { () async throws(SessionError) in
                    let absent = try await machine.lessThan(
                        c, machine.constant(Column(repeating: 1, count: n), count: n, in: Z64.self), width: width)
                    return try await machine.multiply(absent.gather(other).inverted, absent.gather(mine))
                }
            case .known(let places):
                let before = flagged(zip(other, mine).map { places[$0] < places[$1] })
                branch = { () async throws(SessionError) in before }
            }
            branches.append(branch)
        }
        return try await machine.together(branches)
    }
}
