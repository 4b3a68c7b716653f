import Primitives

/// Between ℤ/2⁶⁴ and planes of ℤ/2, over whatever profile.
///
/// To bits: both sides share the bits of their part, which a Sklansky prefix adder adds. From bits: b = a ⊕ c with a and c the
/// two sides, shared in ℤ/2⁶⁴, and a ⊕ c = a + c − 2ac, the last a dot product over the planes.
/// Source: reference/r4.md §8 (`to_bits`, `from_bits`); sum of planes: reference/private-sql.md §6.

extension Machine {
    /// The low `width` bits of x as planes, lowest first.
    /// - Cost (R4): 2 + ⌈log₂(width−1)⌉ rounds; at width 64: 8 rounds, 2,240 bits a row in all.
    package func toBits(_ x: Words, width: Int = 64) async throws(SessionError) -> Bits {
        precondition(x.planes == 1 && width >= 1 && width <= 64)
        let count = x.count
        let (a, b) = try await sides(of: x, planes: width, count: count, in: Z2.self) { _, v in
            planesOfWords(v, planes: width, count: count)
        }
        let sum = a + b
        if width == 1 { return sum }
        let n = width - 1
        var g = try await multiply(a[planes: 0..<n], b[planes: 0..<n]), p = sum[planes: 0..<n]
        for d in 0..<(n == 1 ? 0 : Int.bitWidth - (n - 1).leadingZeroBitCount) {
            let cells = (0..<n).filter { $0 >> d & 1 == 1 }, below = { (i: Int) in ((i >> d) << d) - 1 }
            let inner = cells.filter { $0 >> (d + 1) > 0 }  // the lowest group needs no propagate bit
            let t = try await multiply(
                p.planes(cells + inner), Bits.stack([g.planes(cells.map(below)), p.planes(inner.map(below))]))
            var change = Array(0..<n)  // plane i of the new p: itself, or a plane of t behind it
            for (k, i) in inner.enumerated() { change[i] = n + cells.count + k }
            var gain = Array(repeating: n + t.planes, count: n)  // what plane i of g gains: a plane of t, or the zero plane
            for (k, i) in cells.enumerated() { gain[i] = n + k }
            let all = Bits.stack([p, t, zero(count: count, in: Z2.self)])
            g += all.planes(gain)
            p = all.planes(change)
        }
        return .stack([sum[planes: 0..<1], sum[planes: 1..<width] + g])
    }

    /// Σ 2ⁱ·bᵢ over the planes of each row: one column. With one plane: bit injection.
    /// - Cost (R4): 2 rounds; 128·planes + 256 bits a row in all.
    package func fromBits(_ b: Bits) async throws(SessionError) -> Words {
        let (w, n) = (b.planes, b.count)
        precondition(w >= 1 && w <= 64)
        let (a, c) = try await wordsOfSides(b)
        let product = try await multiply(
            a, c,
            Bilinear(planes: 1, count: n) { x, y in
                var out = Column(repeating: 0, count: n)
                for p in 0..<w { for i in 0..<n { out[i] &+= (x[p * n + i] &* y[p * n + i]) << UInt64(p) } }
                return out
            })
        return (a + c).weighted() - product.times(2)
    }
    /// Each bit as a word: planes × count.
    /// - Cost (R4): 2 rounds; 384 bits a bit in all.
    package func inject(_ b: Bits) async throws(SessionError) -> Words {
        try await fromBits(Bits.concatenateRows((0..<b.planes).map { b[plane: $0] })).reshaped(planes: b.planes, count: b.count)
    }
    /// Numbers of `width` planes each, one after the other: for each number Σ over all rows, without converting a row.
    /// - Returns: (planes / width) × 1.
    /// - Cost (R4): 2 rounds; 128 bits a plane and row and 256 a sum in all.
    package func sumsOfRows(_ b: Bits, width: Int) async throws(SessionError) -> Words {
        precondition(width >= 1 && b.planes % width == 0)
        let (n, numbers) = (b.count, b.planes / width)
        let (a, c) = try await wordsOfSides(b)
        let product = try await multiply(
            a, c,
            Bilinear(planes: numbers, count: 1) { x, y in
                var out = Column(repeating: 0, count: numbers)
                for p in 0..<numbers * width {
                    var sum: UInt64 = 0
                    for i in p * n..<(p + 1) * n { sum &+= x[i] &* y[i] }
                    out[p / width] &+= sum << UInt64(p % width)
                }
                return out
            })
        let sums = (a + c).sumOfRows()
        return sums.map(planes: numbers, count: 1) { s in
            (0..<numbers).map { k in (0..<width).reduce(0) { $0 &+ s[k * width + $1] << UInt64($1) } }
        } - product.times(2)
    }

    private func wordsOfSides(_ b: Bits) async throws(SessionError) -> (a: Words, b: Words) {
        let (w, n, stride) = (b.planes, b.count, Z2.stride(b.count))
        return try await sides(of: b, planes: w, count: n, in: Z64.self) { _, v in
            var out = Column(repeating: 0, count: w * n)
            for p in 0..<w { for i in 0..<n { out[p * n + i] = v[p * stride + i >> 6] >> UInt64(i & 63) & 1 } }
            return out
        }
    }
}

extension Shared where R == Z64 {
    /// Σ 2^p · plane p, as one plane.
    fileprivate func weighted() -> Words {
        map(planes: 1, count: count) { c in
            var out = Column(repeating: 0, count: count)
            for p in 0..<planes { for i in 0..<count { out[i] &+= c[p * count + i] << UInt64(p) } }
            return out
        }
    }
}
