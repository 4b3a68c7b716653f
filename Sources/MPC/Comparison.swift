import Primitives

/// Comparison, equality and selection, over whatever profile.
///
/// Problem: the most significant bit of x = A + B mod 2^w, where one side of the committee knows A and the other B.
/// Each side cuts its w − 1 low bits into blocks of four and shares the one-hot planes [block = m], m = 1…15. One round of
/// products gives carry-out g and carry-passes p of each block as XORs of ANDs; a tree over blocks gives the carry into bit
/// w − 1. Block size four needs fewest bits and rounds of the sizes compared in reference/r4.md §8.
/// Source: reference/r4.md §8 (`msb`, `equal`, `carry`, `bits_less_than`).

private let block = 4
private func blocks(_ width: Int) -> [(at: Int, size: Int)] {
    stride(from: 0, to: width, by: block).map { ($0, min(block, width - $0)) }
}

/// Planes [block = m], m = 1 … 2^k − 1, of each k-bit block of the low `width` bits.
private func oneHotPlanes(_ words: Column, width: Int, count: Int) -> Column {
    let bits = planesOfWords(words, planes: width, count: count), stride = Z2.stride(count)
    let valid = Bits.ones(planes: 1, count: count), planes = blocks(width).reduce(0) { $0 + (1 << $1.size) - 1 }
    var out = Column(repeating: 0, count: planes * stride)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 1 << block) { hot in
        for w in 0..<stride {
            var plane = 0
            for (at, size) in blocks(width) {
                hot[0] = valid[w]  // [the bits so far = m], doubled bit by bit
                for k in 0..<size {
                    let bit = bits[(at + k) * stride + w]
                    for m in 0..<1 << k {
                        hot[m + (1 << k)] = hot[m] & bit
                        hot[m] &= ~bit
                    }
                }
                for m in 1..<1 << size { out[(plane + m - 1) * stride + w] = hot[m] }
                plane += (1 << size) - 1
            }
        }
    }
    return out
}

extension Shared where R == Z2 {
    /// Puts [block = 0], the complement of the XOR of the others, before each block's planes: local.
    fileprivate func withZeroPlanes(width: Int) -> Bits {
        let cut = blocks(width), stride = Z2.stride(count), planes = planes + cut.count
        let valid = Bits.ones(planes: 1, count: count)
        var ones = Column(repeating: 0, count: planes * stride)
        func spread(_ hot: Column) -> Column {
            var out = Column(repeating: 0, count: planes * stride), from = 0, to = 0
            for (_, size) in cut {
                let words = ((1 << size) - 1) * stride
                for i in 0..<words {
                    out[to + i % stride] ^= hot[from + i]
                    out[to + stride + i] = hot[from + i]
                }
                from += words
                to += words + stride
            }
            return out
        }
        var to = 0
        for (_, size) in cut {
            ones.replaceSubrange(to..<to + stride, with: valid)
            to += stride << size
        }
        return map(planes: planes, count: count, spread).adding(ones)
    }
}

/// From the sides' one-hot planes to g (block sum ≥ 2^k) of every block and p (block sum = 2^k − 1) of all but the lowest.
private func blockCarries(width: Int, count: Int) -> Bilinear<Z2> {
    let cut = blocks(width), stride = Z2.stride(count)
    return Bilinear(planes: 2 * cut.count - 1, count: count) { x, y in
        var out = Column(repeating: 0, count: (2 * cut.count - 1) * stride), at = 0
        out.withUnsafeMutableBufferPointer { out in
            for (index, (_, size)) in cut.enumerated() {
                let top = 1 << size
                for w in 0..<stride {
                    var g: UInt64 = 0, p: UInt64 = 0, atLeast: UInt64 = 0  // atLeast = [B ≥ 2^k − m]
                    for m in 0..<top {
                        let a = x[(at + m) * stride + w], b = y[(at + top - 1 - m) * stride + w]
                        g ^= a & atLeast
                        p ^= a & b
                        atLeast ^= b
                    }
                    out[index * stride + w] = g
                    if index > 0 { out[(cut.count + index - 1) * stride + w] = p }
                }
                at += top
            }
        }
        return out
    }
}

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
        let count = x.count, low = width - 1
        let hot = blocks(low).reduce(0) { $0 + (1 << $1.size) - 1 }
        let (a, b) = try await sides(of: x, planes: hot + 1, count: count, in: Z2.self) { _, side in
            oneHotPlanes(side, width: low, count: count) + planesOfWords(side.map { $0 >> UInt64(low) }, planes: 1, count: count)
        }
        let carries = try await multiply(
            a[planes: 0..<hot].withZeroPlanes(width: low), b[planes: 0..<hot].withZeroPlanes(width: low),
            blockCarries(width: low, count: count))
        return try await carry(carries, blocks: blocks(low).count) + (a + b)[plane: hot]
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
