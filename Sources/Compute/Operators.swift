import MPC

/// The operators of reference/private-sql.md §6 that plans are made of, over whatever machine. Shapes are public and decide everything
/// that runs; each has its formula in `PlanCost`, and tests compare.
/// A table as handed in: rows that do not count have dead 1 and key 0.
struct HandedTable: Sendable { var dead: Bits, key: Bits, load: Bits }
/// What a join adds to the rows of the left table.
struct JoinedColumns: Sendable { var hit: Bits, load: Bits }

extension Machine {
    /// Row r of `left` meets rows r, bins + r, … of `right`, where keys occur at most once: hits and right loads in left's order.
    /// - Cost: `PlanCost.bins`; reveals nothing.
    func joinBins(_ left: HandedTable, _ right: HandedTable, per: Int) async throws(SessionError) -> JoinedColumns {
        let bins = left.key.count
        let pair = Bits.stack([left.dead.repeatedRows(per), right.dead, left.key.repeatedRows(per) + right.key])
        let hit = try await conjunction(pair.inverted)
        guard right.load.planes > 0 else {
            return JoinedColumns(hit: hit.sumOfBlocks(of: bins), load: zero(planes: 0, count: bins, in: Z2.self))
        }
        return JoinedColumns(hit: hit.sumOfBlocks(of: bins), load: try await masked(right.load, by: hit).sumOfBlocks(of: bins))
    }

    /// Are rows in ascending order, dead ones last, live keys distinct? One bit.
    /// - Cost: `PlanCost.sortedProof`.
    func provesSorted(_ dead: Bits, _ key: Bits) async throws(SessionError) -> Bits {
        let n = key.count
        guard n > 1 else { return constant(Bits.ones(planes: 1, count: 1), count: 1, in: Z2.self) }
        let word = Bits.stack([key, dead])
        let less = try await lessThan(word[rows: 0..<n - 1], word[rows: 1..<n])
        return try await conjunctionOfRows(multiply(less.inverted, dead[rows: 1..<n].inverted).inverted)
    }
    /// ∏ (coin ⊕ key) over live rows of both tables, as a difference: 0 iff they hold the same keys, but for a chance of rows/2⁶⁴.
    /// - Cost: `PlanCost.sameProof`. `coin` must have been tossed after both tables came in.
    func differenceOfKeys(_ a: HandedTable, _ b: HandedTable, coin: UInt64) async throws(SessionError) -> Elements {
        let (p, q) = try await together(
            { () async throws(SessionError) in try await productOfKeys(a, coin: coin) },
            { () async throws(SessionError) in try await productOfKeys(b, coin: coin) })
        return p + q
    }
    /// Dead rows count 1.
    private func productOfKeys(_ side: HandedTable, coin: UInt64) async throws(SessionError) -> Elements {
        let n = side.key.count
        let coins = planesOfWords(Column(repeating: coin, count: n), planes: 64, count: n),
            one = planesOfWords(Column(repeating: 1, count: n), planes: 64, count: n)
        let shifted = Bits.stack([side.key, zero(planes: 64 - side.key.planes, count: n, in: Z2.self)]).adding(coins)
        return try await productOfRows(select(side.dead, constant(one, planes: 64, count: n, in: Z2.self), shifted).elements)
    }

    /// [c ≥ bound] of numbers given as planes.
    private func atLeast(_ c: Bits, _ bound: Int) async throws(SessionError) -> Bits {
        let column = planesOfWords(Column(repeating: UInt64(bound), count: c.count), planes: c.planes, count: c.count)
        return try await lessThan(c, constant(column, planes: c.planes, count: c.count, in: Z2.self)).inverted
    }

    /// Which groups the rule lets through, and which it hides: groups of 1…k−1; and if those hold fewer than k rows together, the
    /// smallest shown one, the first of equals.
    /// - Cost: `PlanCost.smallGroups`; reveals nothing.
    /// - Source: reference/private-sql.md §8.3; `released`, `suppressed` in the oracle.
    func smallGroups(_ rows: Words, smallest k: Int, countPlanes w: Int) async throws(SessionError) -> (show: Bits, hidden: Bits) {
        let n = rows.count
        let counts = try await toBits(rows, width: w)
        let (some, large) = try await together(
            { () async throws(SessionError) in try await atLeast(counts, 1) },
            { () async throws(SessionError) in try await atLeast(counts, k) })
        let small = try await multiply(some, large.inverted)
        let (need, smallest) = try await together(
            { () async throws(SessionError) in
                let rows = try await fromBits(masked(counts, by: small)).sumOfRows()
                let planes = try await toBits(rows, width: w)
                let few = try await atLeast(planes, k).inverted
                return try await multiply(few, atLeast(planes, 1))
            }, { () async throws(SessionError) in try await smallestShown(counts, large) })
        let alsoHidden = try await multiply(smallest, need.gather(Array(repeating: 0, count: n)))
        let show = try await multiply(large, alsoHidden.inverted)
        return (show, some + show)
    }
    /// Groups (columns of `flat`) with 0 throughout where `show` is 0; and how many are hidden, if that is asked.
    /// - Cost: `PlanCost.shown` less the opening; reveals nothing.
    func shown(_ flat: Words, _ show: Bits, hidden: Bits?) async throws(SessionError) -> (groups: Words, hidden: Words?) {
        let (factor, number) = try await together(
            { () async throws(SessionError) in try await fromBits(show) },
            { () async throws(SessionError) -> Words? in
                guard let hidden else { return nil }
                return try await sumsOfRows(hidden, width: 1)
            })
        return (try await multiply(flat, factor.repeatedPlane(flat.planes)), number)
    }
    /// Marks the group that comes before every other by (hidden, count, number).
    private func smallestShown(_ counts: Bits, _ large: Bits) async throws(SessionError) -> Bits {
        let n = counts.count, numberPlanes = max(1, Planes.log2up(n))
        let number = constant(
            planesOfWords((0..<n).map { UInt64($0) }, planes: numberPlanes, count: n), planes: numberPlanes, count: n, in: Z2.self)
        let rank = Bits.stack([number, counts, large.inverted])
        let others = (0..<n).flatMap { Array(repeating: $0, count: n) }  // row g·n + i: does i come before g?
        let before = try await lessThan(rank.repeatedRows(n), rank.gather(others))
        let columns = Bits.stack((0..<n).map { before[rows: $0 * n..<($0 + 1) * n] })
        var diagonal = Column(repeating: 0, count: columns.words)
        for i in 0..<n { diagonal[i * Z2.stride(n) + i / 64] |= 1 << UInt64(i % 64) }
        return try await conjunction(columns.adding(diagonal))
    }
}
