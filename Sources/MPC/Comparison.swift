import Primitives

/// Comparison, equality and selection, over whatever profile.
///
/// Problem: the most significant bit of x = A + B mod 2^w, where one side of the committee knows A and the other B.
/// Each side cuts its w − 1 low bits into blocks of four and shares the one-hot planes [block = m], m = 1…15. One round of
/// products gives carry-out g and carry-passes p of each block as XORs of ANDs; a tree over blocks gives the carry into bit
/// w − 1. Block size four needs fewest bits and rounds of the sizes compared in reference/r4.md §8.
/// Source: reference/r4.md §8 (`msb`, `equal`, `carry`, `bits_less_than`).

extension Machine {
    /// Carry out of k blocks from planes g₀ … g_{k−1}, p₁ … p_{k−1}.
    /// - Cost (R4): ⌈log₂ k⌉ rounds; 6 bits for each of 2(k − 1) − ⌈log₂ k⌉ ANDs a row.
    func carry(_ planes: Bits, blocks k: Int) async throws(SessionError) -> Bits {
        var k = k, g = planes[planes: 0..<k], p = planes[planes: k..<2 * k - 1]
        while k > 1 {
            let half = k / 2, odd = k % 2
            let high = p.planes((0..<half).map { 2 * $0 }), low = p.planes((0..<half - 1).map { 2 * $0 + 1 })
            let t = try await multiply(
                Bits.stack([high, high[planes: 1..<half]]), Bits.stack([g.planes((0..<half).map { 2 * $0 }), low]))
            g = .stack([g.planes((0..<half).map { 2 * $0 + 1 }) + t[planes: 0..<half], g[planes: k - odd..<k]])
            p = .stack([t[planes: half..<2 * half - 1], p[planes: k - 1 - odd..<k - 1]])
            k = half + odd
        }
        return g
    }

    /// Bit `width` − 1 of x mod 2^width, as one plane.
    /// - Cost (R4): 2 + ⌈log₂ ⌈(width−1)/4⌉⌉ rounds; at width 64: 6 rounds, 746 bits a row in all.
    package func mostSignificantBit(_ x: Words, width: Int = 64) async throws(SessionError) -> Bits {
        precondition(x.planes == 1 && width >= 2 && width <= 64)
        let count = x.count, low = OneHotBlocks(width: width - 1), hot = low.planes
        let (a, b) = try await sides(of: x, planes: hot + 1, count: count, in: Z2.self) { _, side in
            low.of(side, count: count) + planesOfWords(side.map { $0 >> UInt64(width - 1) }, planes: 1, count: count)
        }
        let carries = try await multiply(
            low.completed(a[planes: 0..<hot]), low.completed(b[planes: 0..<hot]), low.carries(count: count))
        return try await carry(carries, blocks: low.sizes.count) + (a + b)[plane: hot]
    }
    /// [x < y], signed; needs |x − y| < 2^(width−1).
    /// - Cost (R4): as `mostSignificantBit`.
    package func lessThan(_ x: Words, _ y: Words, width: Int = 64) async throws(SessionError) -> Bits {
        try await mostSignificantBit(x - y, width: width)
    }
    /// [x < y], unsigned, of numbers given as planes, lowest first.
    /// - Cost (R4): 1 + ⌈log₂ w⌉ rounds; 6·(3w − 2 − ⌈log₂ w⌉) bits a row in all.
    package func lessThan(_ x: Bits, _ y: Bits) async throws(SessionError) -> Bits {
        precondition(x.planes == y.planes && x.planes > 0)
        let g = try await multiply(x.inverted, y)
        return try await carry(.stack([g, (x + y).inverted[planes: 1..<x.planes]]), blocks: x.planes)
    }
    /// [x = y mod 2^width].
    /// - Cost (R4): 1 + ⌈log₂ width⌉ rounds; 2·width + 6·(width − 1) bits a row in all.
    package func equal(_ x: Words, _ y: Words, width: Int = 64) async throws(SessionError) -> Bits {
        precondition(x.planes == 1 && y.planes == 1)
        let count = x.count
        let (a, b) = try await sides(of: x - y, planes: width, count: count, in: Z2.self) { side, v in
            planesOfWords(side == 0 ? v : v.map { 0 &- $0 }, planes: width, count: count)
        }
        return try await conjunction((a + b).inverted)
    }
    /// [x = y] of numbers given as planes.
    /// - Cost (R4): ⌈log₂ w⌉ rounds; 6·(w − 1) bits a row in all.
    package func equal(_ x: Bits, _ y: Bits) async throws(SessionError) -> Bits { try await conjunction((x + y).inverted) }

    /// AND of all planes of a row, as one plane.
    /// - Cost (R4): ⌈log₂ planes⌉ rounds; 6·(planes − 1) bits a row in all.
    package func conjunction(_ x: Bits) async throws(SessionError) -> Bits {
        precondition(x.planes > 0)
        var e = x
        while e.planes > 1 {
            let half = e.planes / 2
            e = .stack([try await multiply(e[planes: 0..<half], e[planes: half..<2 * half]), e[planes: 2 * half..<e.planes]])
        }
        return e
    }
    /// AND over all rows of one plane: 1 × 1. For proofs: sorted, distinct, in range.
    /// - Cost (R4): ⌈log₂ count⌉ rounds; 6·(count − 1) bits in all.
    package func conjunctionOfRows(_ x: Bits) async throws(SessionError) -> Bits {
        precondition(x.planes == 1 && x.count > 0)
        var e = x
        while e.count > 1 {
            let half = e.count / 2
            let t = try await multiply(e[rows: 0..<half], e[rows: half..<2 * half])
            e = e.count % 2 == 0 ? t : .concatenateRows([t, e[rows: 2 * half..<e.count]])
        }
        return e
    }
    /// Every plane of x ANDed with the one plane `mask`.
    /// - Cost (R4): 1 round; 6 bits a plane and row in all.
    package func masked(_ x: Bits, by mask: Bits) async throws(SessionError) -> Bits {
        try await multiply(x, mask.repeatedPlane(x.planes))
    }

    /// c ? x : y on planes; c is one plane.
    /// - Cost (R4): 1 round; 6 bits a plane and row in all.
    package func select(_ c: Bits, _ x: Bits, _ y: Bits) async throws(SessionError) -> Bits { y + (try await masked(x - y, by: c)) }
    /// c ? x : y on words; c is one plane, injected first.
    /// - Cost (R4): 3 rounds; 768 bits a row in all.
    package func select(_ c: Bits, _ x: Words, _ y: Words) async throws(SessionError) -> Words {
        y + (try await multiply(fromBits(c), x - y))
    }

    /// Planes [code = m] ∧ live for m = 0 … 2^d − 1, from d code planes, lowest first, and one plane `live`.
    /// - Cost (R4): d rounds; 6·(2^d − 1) bits a row in all.
    package func oneHot(_ code: Bits, live: Bits) async throws(SessionError) -> Bits {
        precondition(live.planes == 1)
        var leaves = live
        for d in (0..<code.planes).reversed() {
            let odd = try await masked(leaves, by: code[plane: d]), even = leaves - odd, n = leaves.planes
            leaves = Bits.stack([even, odd]).planes((0..<n).flatMap { [$0, n + $0] })
        }
        return leaves
    }
}
