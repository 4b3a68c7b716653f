import MPC

/// Operators over the rows of each listed group, and over the groups themselves (reference/private-sql.md §6): extremes by a
/// tournament, occurring values, the first groups in an order. Groups are at most a few hundred, so an order compares all pairs:
/// few rounds, nothing is moved, and a group that does not come first is only not shown.
///
/// A column of g segments of n rows has row s·n + i for row i of segment s.
extension Machine {
    /// One row a segment, from `join` of two rows at a time.
    private func folded(
        _ x: Bits, segments g: Int, _ join: (Bits, Bits) async throws(SessionError) -> Bits
    ) async throws(SessionError) -> Bits {
        precondition(g > 0 && x.count % g == 0 && x.count > 0)
        var x = x
        while x.count > g {
            let n = x.count / g, half = n / 2
            func part(_ rows: Range<Int>) -> Bits {
                .concatenateRows((0..<g).map { x[rows: $0 * n + rows.lowerBound..<$0 * n + rows.upperBound] })
            }
            let joined = try await join(part(0..<half), part(half..<2 * half))
            if n % 2 == 0 { x = joined; continue }
            let last = part(n - 1..<n)
            x = .concatenateRows((0..<g).flatMap { [joined[rows: $0 * half..<($0 + 1) * half], last[rows: $0..<$0 + 1]] })
        }
        return x
    }
    /// The largest number of each segment; the highest plane of a number may say whether there is one.
    /// - Cost: `PlanCost.largest`.
    func largest(_ x: Bits, segments g: Int) async throws(SessionError) -> Bits {
        try await folded(x, segments: g) { (a, b) async throws(SessionError) in try await select(lessThan(a, b), b, a) }
    }
    /// OR over the rows of each segment, plane by plane.
    /// - Cost: `PlanCost.occurring`.
    func occurring(_ x: Bits, segments g: Int) async throws(SessionError) -> Bits {
        try await folded(x, segments: g) { (a, b) async throws(SessionError) in a + b + (try await multiply(a, b)) }
    }

    /// Which of `show` come first, at most `limit`.
    /// - Parameter before: of each key in order of weight, row i·n + j: does group j come before group i by this key alone?
    /// - Cost: `PlanCost.first`; reveals nothing.
    func first(_ limit: Int, of show: Bits, before keys: [Bits]) async throws(SessionError) -> Bits {
        let n = show.count, pairs = n * n
        let turned = (0..<pairs).map { $0 % n * n + $0 / n }
        // By their numbers at last: public.
        var order = Column(repeating: 0, count: Z2.stride(pairs))
        for i in 0..<n { for j in 0..<i { order[(i * n + j) / 64] |= 1 << UInt64((i * n + j) % 64) } }
        var before = constant(order, count: pairs, in: Z2.self)
        if !keys.isEmpty {
            let all = Bits.stack(keys), equal = try await multiply(all.inverted, all.gather(turned).inverted)
            for k in keys.indices.reversed() { before = keys[k] + (try await multiply(equal[plane: k], before)) }
        }
        let counted = try await multiply(before, show.gather((0..<pairs).map { $0 % n }))
        let place = try await sumsOfRows(.stack((0..<n).map { counted[rows: $0 * n..<($0 + 1) * n] }), width: 1).reshaped(
            planes: 1, count: n)
        let bound = constant(Column(repeating: UInt64(limit), count: n), count: n, in: Z64.self)
        return try await multiply(show, lessThan(place, bound, width: PlanCost.placeWidth(n, limit)))
    }
}

extension PlanCost {
    private static func folded(_ n: Int, _ level: (Int) -> PlanCost) -> PlanCost {
        var cost = PlanCost(), left = n
        while left > 1 {
            cost = cost + level(left / 2)
            left -= left / 2
        }
        return cost
    }
    static func largest(_ n: Int, segments g: Int, planes w: Int) -> PlanCost {
        folded(n) { less($0 * g, planes: w) + and($0 * g, planes: w) }
    }
    static func occurring(_ n: Int, segments g: Int, planes v: Int) -> PlanCost { folded(n) { and($0 * g, planes: v) } }
    /// MIN or MAX of a column of w planes over n rows under g leaves.
    static func extreme(_ n: Int, groups g: Int, planes w: Int, present: Bool) -> PlanCost {
        (present ? and(n * g) : PlanCost()) + and(n * g, planes: w) + largest(n, segments: g, planes: w + 1)
            + beside([toRing(g, planes: w), toRing(g, planes: 1)])
    }
    /// COUNT(DISTINCT) of a column with v listed values.
    static func distinct(_ n: Int, groups g: Int, values v: Int, planes d: Int, present: Bool) -> PlanCost {
        let tree = (0..<d).reduce(PlanCost()) { $0 + and((n * g) << $1) }
        return (present ? and(n * g) : PlanCost()) + tree + occurring(n, segments: g, planes: v) + toRing(v * g, planes: 1)
    }
    /// - Parameter keys: what it costs to compare all pairs by each key.
    static func first(_ n: Int, limit: Int, keys: [PlanCost]) -> PlanCost {
        let pairs = n * n, folds = keys.reduce(keys.isEmpty ? PlanCost() : and(pairs, planes: keys.count)) { cost, _ in cost + and(pairs) }
        return beside(keys) + folds + and(pairs) + sums(n, planes: n, outputs: n) + sign(n, width: placeWidth(n, limit)) + and(n)
    }
    static func placeWidth(_ n: Int, _ limit: Int) -> Int { Planes.bits(UInt128(max(n, limit))) + 1 }
}
