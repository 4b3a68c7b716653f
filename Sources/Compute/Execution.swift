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
            if anchor == nil { (answer, liar) = (try await run.released(run.partials()), nil) } else {
                (answer, liar) = try await machine.together({ () async throws(SessionError) in try await run.released(run.star()) },
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
            Bits.stack((0..<block.planes).map { _ in
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
        let (isSorted, difference) = try await machine.together({ () async throws(SessionError) in
            try await machine.open(machine.provesSorted(sorted.dead, sorted.key))
        }, { () async throws(SessionError) in
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
        if !items.enumerated().contains(where: { $0.offset != anchor && ($0.element.join == .inner || $0.element.join == .first || $0.element.join == .semi) }) {
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
        let values = plan.inputs.indices.filter { if case .code = plan.inputs[$0].kind { false } else { true } }
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
        let leaves = try await machine.oneHot(code, live: live).planes(plan.groups.leaves), groups = plan.groups.leaves.count
        guard !plan.monomials.isEmpty else { return try await machine.sumsOfRows(leaves, width: 1).reshaped(planes: 1, count: groups) }
        let needed = Set(plan.monomials.flatMap { $0 }).sorted()
        let (hot, ringed) = try await machine.together({ () async throws(SessionError) in try await machine.inject(leaves) },
                                                       { () async throws(SessionError) in try await machine.together(toRing(columns, needed)) })
        var known = Dictionary(uniqueKeysWithValues: zip(needed.map { [$0] }, ringed))
        for length in 2...max(2, plan.monomials.map(\.count).max()!) {
            var prefixes: [[Int]] = []
            for monomial in plan.monomials where monomial.count >= length {
                let prefix = Array(monomial.prefix(length))
                if !prefixes.contains(prefix) { prefixes.append(prefix) }
            }
            guard !prefixes.isEmpty else { continue }
            let products = try await machine.multiply(Words.stack(prefixes.map { known[Array($0.dropLast())]! }), Words.stack(prefixes.map { known[[$0.last!]]! }))
            for (k, prefix) in prefixes.enumerated() { known[prefix] = products[plane: k] }
        }
        let sums = try await machine.innerProducts(Words.stack(plan.monomials.map { known[$0]! }), hot)
        return .stack([hot.sumOfRows().reshaped(planes: 1, count: groups), sums])
    }

    /// Members' own sums, added up.
    func partials() async throws(SessionError) -> Words {
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

    /// From counts and monomial sums to the answer's words, with small groups hidden.
    func released(_ sums: Words) async throws(SessionError) -> Words {
        func word(_ p: Polynomial) -> Words {
            var out = machine.zero(count: sums.count, in: Z64.self)
            for (monomial, coefficient) in p.terms {
                let plane = monomial.isEmpty ? 0 : 1 + plan.monomials.firstIndex(of: monomial)!
                out += sums[plane: plane].times(UInt64(truncatingIfNeeded: coefficient))
            }
            return out
        }
        var planes = [sums[plane: 0]], left: [Words] = [], right: [Words] = []
        for case .variance(let sum, let squares, let count) in plan.words {
            left += [word(count), word(sum)]
            right += [word(squares), word(sum)]
        }
        let products = left.isEmpty ? nil : try await machine.multiply(Words.stack(left), Words.stack(right))
        var at = 0
        for entry in plan.words {
            switch entry {
            case .sum(let p): planes.append(word(p))
            case .variance: planes.append(products![plane: at] - products![plane: at + 1]); at += 2
            }
        }
        let flat = Words.stack(planes), words = flat.planes * flat.count
        guard plan.hidesGroups else { return flat.reshaped(planes: 1, count: words) }
        let (shown, hidden) = try await machine.released(flat, smallest: plan.smallestGroup, countPlanes: plan.countPlanes)
        return .concatenateRows([shown.reshaped(planes: 1, count: words), hidden])
    }
}
