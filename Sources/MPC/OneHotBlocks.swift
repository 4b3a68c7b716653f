import Primitives

/// The low `width` bits of a number cut into blocks of four, each as planes [block = m]: what the sides of a comparison share.
///
/// From the planes of both sides one round of products gives, for each block, whether its sum carries out and whether a carry
/// passes. Block size four needs fewest bits and rounds of those compared. Source: reference/r4.md §8.
struct OneHotBlocks: Sendable {
    static let blockSize = 4
    /// Bits of each block, lowest first; the last may be short.
    let sizes: [Int]

    init(width: Int) { sizes = stride(from: 0, to: width, by: Self.blockSize).map { min(Self.blockSize, width - $0) } }

    /// Planes of m = 1 … 2^k − 1 over all blocks; [block = 0] follows from them.
    var planes: Int { sizes.reduce(0) { $0 + (1 << $1) - 1 } }

    /// The planes of known numbers.
    func of(_ words: Column, count: Int) -> Column {
        let bits = planesOfWords(words, planes: sizes.reduce(0, +), count: count), stride = Z2.stride(count)
        let valid = Bits.ones(planes: 1, count: count)
        var out = Column(repeating: 0, count: planes * stride)
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 1 << Self.blockSize) { hot in
            for w in 0..<stride {
                var plane = 0, at = 0
                for size in sizes {
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
                    at += size
                }
            }
        }
        return out
    }

    /// Puts [block = 0], the complement of the XOR of the others, before each block's planes: local.
    func completed(_ hot: Bits) -> Bits {
        let stride = Z2.stride(hot.count), all = planes + sizes.count
        func spread(_ hot: Column) -> Column {
            var out = Column(repeating: 0, count: all * stride), from = 0, to = 0
            for size in sizes {
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
        let valid = Bits.ones(planes: 1, count: hot.count)
        var ones = Column(repeating: 0, count: all * stride), to = 0
        for size in sizes {
            ones.replaceSubrange(to..<to + stride, with: valid)
            to += stride << size
        }
        return hot.map(planes: all, count: hot.count, spread).adding(ones)
    }

    /// From completed planes of both sides to g (block sum ≥ 2^k) of every block, then p (block sum = 2^k − 1) of all but
    /// the lowest.
    func carries(count: Int) -> Bilinear<Z2> {
        let sizes = sizes, stride = Z2.stride(count), blocks = sizes.count
        return Bilinear(planes: 2 * blocks - 1, count: count) { x, y in
            var out = Column(repeating: 0, count: (2 * blocks - 1) * stride), at = 0
            for (index, size) in sizes.enumerated() {
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
                    if index > 0 { out[(blocks + index - 1) * stride + w] = p }
                }
                at += top
            }
            return out
        }
    }
}
