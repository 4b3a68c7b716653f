/// What operations cost under R4: the primitives of reference/r4.md §13 and the formulas of reference/private-sql.md §6. A test runs
/// each operator and compares. Agents compute them alike from public sizes, in integers.
package struct PlanCost: Hashable, Sendable {
    package var ands = 0
    /// Products in a ring or in GF(2⁶⁴); a dot product is one.
    package var products = 0
    /// Payload of all parties together.
    package var bits = 0
    package var rounds = 0

    package static func + (a: PlanCost, b: PlanCost) -> PlanCost {
        PlanCost(ands: a.ands + b.ands, products: a.products + b.products, bits: a.bits + b.bits, rounds: a.rounds + b.rounds)
    }
    /// Side by side: rounds are shared.
    static func beside(_ costs: [PlanCost]) -> PlanCost {
        var out = costs.reduce(PlanCost(), +)
        out.rounds = costs.map(\.rounds).max() ?? 0
        return out
    }
    private static func ands(_ n: Int, rounds: Int) -> PlanCost { n == 0 ? PlanCost() : PlanCost(ands: n, bits: 6 * n, rounds: rounds) }

    static func and(_ n: Int, planes: Int = 1) -> PlanCost { ands(n * planes, rounds: 1) }
    static func less(_ n: Int, planes w: Int) -> PlanCost { ands(n * (3 * w - 2 - Planes.log2up(w)), rounds: 1 + Planes.log2up(w)) }
    static func equal(_ n: Int, planes w: Int) -> PlanCost { ands(n * (w - 1), rounds: Planes.log2up(w)) }
    static func product(_ n: Int) -> PlanCost { n == 0 ? PlanCost() : PlanCost(products: n, bits: 384 * n, rounds: 1) }
    static func toRing(_ n: Int, planes w: Int) -> PlanCost {
        n * w == 0 ? PlanCost() : PlanCost(products: n, bits: (128 * w + 256) * n, rounds: 2)
    }
    /// Sums of planes over n rows, `planes` in all, without conversion of a row.
    static func sums(_ n: Int, planes: Int, outputs: Int) -> PlanCost {
        n == 0 ? PlanCost() : PlanCost(products: outputs, bits: 128 * n * planes + 256 * outputs, rounds: 2)
    }
    static func toBits(_ n: Int, planes w: Int) -> PlanCost {
        let cells = (0..<w - 1).reduce(0) { total, i in
            (0..<Planes.log2up(w - 1)).reduce(total) { $0 + (i >> $1 & 1) * (i >> ($1 + 1) > 0 ? 2 : 1) }
        }
        let ands = n * (w - 1 + cells)
        return PlanCost(ands: ands, bits: 6 * ands + 2 * n, rounds: 2 + Planes.log2up(w - 1))
    }
    /// `mostSignificantBit` of words cut to w bits (reference/r4.md §8).
    static func sign(_ n: Int, width w: Int) -> PlanCost {
        let blocks = (w + 2) / 4, rest = (w - 1) % 4
        let hot = 15 * ((w - 1) / 4) + (rest == 0 ? 0 : (1 << rest) - 1), tree = 2 * (blocks - 1) - Planes.log2up(blocks),
            carries = 2 * blocks - 1 + tree
        return PlanCost(ands: n * carries, bits: n * (2 * (hot + 1) + 4 * (2 * blocks - 1) + 6 * tree), rounds: 2 + Planes.log2up(blocks))
    }
    static func opening(_ n: Int) -> PlanCost { PlanCost(bits: 256 * n, rounds: 1) }

    // MARK: operators of private-sql.md §6

    /// `bins` bins of `per` rows against one row each; key of w planes, load of p.
    static func bins(_ bins: Int, per: Int, key w: Int, load p: Int) -> PlanCost {
        equal(bins * per, planes: w + 2) + and(bins * per, planes: p)
    }
    static func sortedProof(_ n: Int, key w: Int) -> PlanCost {
        n < 2 ? PlanCost() : less(n - 1, planes: 1 + w) + and(n - 1) + ands(n - 2, rounds: Planes.log2up(n - 1))
    }
    static func sameProof(_ sizes: [Int]) -> PlanCost {
        beside(sizes.map { n in and(n, planes: 64) + PlanCost(products: n - 1, bits: 384 * (n - 1), rounds: Planes.log2up(n)) })
    }
    static func oneHot(_ n: Int, code d: Int, groups: Int, widths: [Int], values: Int) -> PlanCost {
        let tree = (0..<d).reduce(PlanCost()) { $0 + and(n << $1) }
        if values == 0 { return tree + sums(n, planes: groups, outputs: groups) }
        return tree + beside([toRing(n * groups, planes: 1)] + widths.map { toRing(n, planes: $0) }) + product(groups * values)
    }
    /// Smallest group over n groups; counts of w planes.
    static func smallGroups(_ n: Int, planes w: Int) -> PlanCost {
        var rank = less(n * n, planes: w + 1 + max(1, Planes.log2up(n))), left = n
        while left > 1 { rank = rank + and(n * (left / 2)); left -= left / 2 }
        let rule = and(n, planes: w) + toRing(n, planes: w) + toBits(1, planes: w) + less(1, planes: w) + less(1, planes: w) + and(1)
        return toBits(n, planes: w) + beside([less(n, planes: w), less(n, planes: w)]) + and(n) + beside([rule, rank]) + and(n) + and(n)
    }
    /// n groups of `width` words, some of them hidden. The opening is the result's: boxes to the reader.
    static func shown(_ n: Int, width: Int, hides: Bool) -> PlanCost {
        beside([toRing(n, planes: 1), hides ? sums(n, planes: 1, outputs: 1) : PlanCost()]) + product(n * width)
            + opening(n * width + (hides ? 1 : 0))
    }
}

/// Sizes of bins (reference/private-sql.md §5): chance of failure at most 2⁻⁴⁰ each. Integers, or sums and products of doubles in
/// a fixed order, so that every agent gets the same number.
enum BinSize {
    /// Bins for n rows placed by cuckoo hashing with three choices.
    static func bins(_ n: Int) -> Int {
        let n = max(n, 1)
        var thirds = n >= 1_000 ? (8 * n + 14) / 15 : (2 * n + 2) / 3
        if n < 1_000 {
            func ninth(_ x: UInt128) -> UInt128 {
                (0..<9).reduce(UInt128(1)) { product, _ in product.multipliedReportingOverflow(by: x).overflow ? .max : product * x }
            }
            let bound = ninth(47) * UInt128(n * n) * UInt128(n * n)  // 3·thirds ≥ 47·n^(4/9)
            while ninth(UInt128(3 * thirds)) < bound { thirds += 1 }
        }
        return 3 * thirds
    }
    /// Least L with bins · P[Binomial(n, 3/bins) > L] ≤ 2⁻⁴⁰.
    static func capacity(_ n: Int, bins: Int) -> Int {
        let n = max(n, 1)
        if bins == 3 { return n }
        let p = 3 / Double(bins), odds = p / (1 - p), mode = min(n, Int(Double(n + 1) * p))
        // Terms relative to the mode's, in both directions; what is below 10⁻³⁰⁰ adds nothing.
        var upward = [1.0], below = 1.0, total = 0.0, i = mode
        while i < n, upward.last! > 1e-300 { upward.append(upward.last! * (Double(n - i) / Double(i + 1)) * odds); i += 1 }
        i = mode
        while i > 0, below > 1e-300 { below *= Double(i) / (Double(n - i + 1) * odds); total += below; i -= 1 }
        for term in upward.reversed() { total += term }
        var tail = 0.0, size = mode + upward.count - 1
        let limit = total / Double(bins) / 1_099_511_627_776
        while size > mode, tail + upward[size - mode] <= limit { tail += upward[size - mode]; size -= 1 }
        return max(1, size)
    }
}
